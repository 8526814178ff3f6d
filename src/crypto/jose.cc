#include "crypto/jose.h"

#include <fmt/format.h>
#include <openssl/ecdsa.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/hash.h"
#include "base/text.h"
#include "crypto/openssl.h"
#include "formats/json.h"

namespace bulwark::crypto {
namespace {

constexpr size_t kMaxJwks = size_t{1} << 20, kMaxKeys = 100;
// Without a key id, every key that fits is tried, up to so many.
constexpr int kMaxTries = 16;

struct Algorithm {
  std::string_view name;
  Scheme scheme;
  KeyType type;
  size_t number_bytes;  // of each half of an ECDSA signature; else 0
};

constexpr Algorithm kAlgorithms[] = {
    {"RS256", Scheme::kRsaSha256, KeyType::kRsa, 0},
    {"RS384", Scheme::kRsaSha384, KeyType::kRsa, 0},
    {"RS512", Scheme::kRsaSha512, KeyType::kRsa, 0},
    {"PS256", Scheme::kPssSha256, KeyType::kRsa, 0},
    {"PS384", Scheme::kPssSha384, KeyType::kRsa, 0},
    {"PS512", Scheme::kPssSha512, KeyType::kRsa, 0},
    {"ES256", Scheme::kEcdsaSha256, KeyType::kEcP256, 32},
    {"ES384", Scheme::kEcdsaSha384, KeyType::kEcP384, 48},
    {"ES512", Scheme::kEcdsaSha512, KeyType::kEcP521, 66},
    {"EdDSA", Scheme::kEd25519, KeyType::kEd25519, 0},
};

const Algorithm* FindAlgorithm(std::string_view name) {
  for (const Algorithm& a : kAlgorithms) {
    if (a.name == name) return &a;
  }
  return nullptr;
}

Error Malformed(std::string_view why) {
  return {Code::kInvalid,
          "jwt.malformed",
          fmt::format("not a signed token: {}", why),
          {{"why", std::string(why)}}};
}

Error Denied(std::string id, std::string message) {
  return {Code::kDenied, std::move(id), std::move(message)};
}

Result<std::string> Decode(std::string_view part, std::string_view what) {
  Result<std::string> bytes = Base64Decode(part, Base64::kUrl, Padding::kNo);
  if (!bytes) return Malformed(fmt::format("its {} is not base64url", what));
  return bytes;
}

Result<Value> ParseObject(std::string_view json, Arena& arena, std::string_view what) {
  Result<Value> value = ParseJson(json, arena, {.max_depth = 16});
  if (!value || !value->IsMap()) {
    return Malformed(fmt::format("its {} is not a JSON object", what));
  }
  return value;
}

// r and s as JOSE has them → DER, and back.
std::string RawToDer(std::string_view raw) {
  size_t half = raw.size() / 2;
  Owned<ECDSA_SIG, ECDSA_SIG_free> signature(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(Octets(raw), static_cast<int>(half), nullptr);
  BIGNUM* s = BN_bin2bn(Octets(raw) + half, static_cast<int>(half), nullptr);
  BW_CHECK(signature != nullptr && r != nullptr && s != nullptr &&
           ECDSA_SIG_set0(signature.get(), r, s) == 1);
  unsigned char* der = nullptr;
  int size = i2d_ECDSA_SIG(signature.get(), &der);
  BW_CHECK(size > 0);
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

std::string DerToRaw(std::string_view der, size_t number_bytes) {
  const unsigned char* at = Octets(der);
  Owned<ECDSA_SIG, ECDSA_SIG_free> signature(
      d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));  // NOLINT: OpenSSL's type
  BW_CHECK(signature != nullptr);
  std::string out(2 * number_bytes, '\0');
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  int half = static_cast<int>(number_bytes);
  BW_CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), to, half) == half &&
           BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), to + half, half) == half);
  return out;
}

bool VerifyWith(const Algorithm& algorithm, const PublicKey& key, std::string_view message,
                std::string_view signature) {
  if (key.type() != algorithm.type) return false;
  if (algorithm.number_bytes == 0) return key.Verify(algorithm.scheme, message, signature);
  if (signature.size() != 2 * algorithm.number_bytes) return false;
  return key.Verify(algorithm.scheme, message, RawToDer(signature));
}

struct Parts {
  std::string_view signed_text;  // header.payload
  std::string header, payload, signature;
};

Result<Parts> Take(std::string_view token, size_t max_bytes) {
  if (token.size() > max_bytes) return Malformed("too long");
  size_t first = token.find('.');
  size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return Malformed("not three parts");
  }
  Parts out{.signed_text = token.substr(0, second)};
  out.header = BW_TRY(Decode(token.substr(0, first), "header"));
  out.payload = BW_TRY(Decode(token.substr(first + 1, second - first - 1), "payload"));
  out.signature = BW_TRY(Decode(token.substr(second + 1), "signature"));
  return out;
}

struct Checked {
  std::string payload, algorithm, key_id;
  Value header;
};

Result<Checked> Check(std::string_view token, const Jwks& keys,
                      const std::vector<std::string>& allowed, size_t max_bytes, Arena& arena) {
  Parts parts = BW_TRY(Take(token, max_bytes));
  Checked out{.payload = std::move(parts.payload)};
  out.header = BW_TRY(ParseObject(parts.header, arena, "header"));
  const Value* name = out.header.Find("alg");
  if (name == nullptr || !name->IsString()) return Malformed("its header names no algorithm");
  out.algorithm = std::string(name->AsString());
  const Algorithm* algorithm = FindAlgorithm(out.algorithm);
  if (algorithm == nullptr || (!allowed.empty() && std::find(allowed.begin(), allowed.end(),
                                                             out.algorithm) == allowed.end())) {
    return Denied("jwt.algorithm", fmt::format("tokens signed with {} are not accepted",
                                               Quote(TruncateToWidth(out.algorithm, 32))));
  }
  if (out.header.Find("crit") != nullptr) {
    return Denied("jwt.algorithm", "the token asks for extensions that are not understood");
  }
  // Section 3 of RFC 7797 would sign other bytes than we do.
  if (out.header.Find("b64") != nullptr) {
    return Denied("jwt.algorithm", "tokens with an unencoded payload are not accepted");
  }
  const Value* id = out.header.Find("kid");
  if (id != nullptr && !id->IsString()) return Malformed("its key id is not a string");
  if (id != nullptr) out.key_id = std::string(id->AsString());

  int tries = 0;
  for (const Jwk& key : keys.keys()) {
    if (id != nullptr && key.id != out.key_id) continue;
    if (key.key.type() != algorithm->type) continue;
    if (!key.algorithm.empty() && key.algorithm != out.algorithm) continue;
    if (++tries > kMaxTries) break;
    if (VerifyWith(*algorithm, key.key, parts.signed_text, parts.signature)) return out;
  }
  if (tries == 0) {
    return Error(Code::kNotFound, "jwt.key",
                 fmt::format("no key with the id {} for {}", Quote(TruncateToWidth(out.key_id, 64)),
                             out.algorithm),
                 {{"key", out.key_id}, {"algorithm", out.algorithm}});
  }
  return Denied("jwt.signature", "the token's signature is wrong");
}

// A NumericDate: seconds since 1970, with or without a fraction.
Result<std::optional<double>> Date(const Value& claims, std::string_view name) {
  const Value* value = claims.Find(name);
  if (value == nullptr) return std::optional<double>();
  if (!value->IsNumber() || !std::isfinite(value->ToDouble())) {
    return Denied("jwt.claims", fmt::format("the token's claim \"{}\" is not a time", name));
  }
  return std::optional<double>(value->ToDouble());
}

bool HasAudience(const Value& claim, std::string_view wanted) {
  if (claim.IsString()) return claim.AsString() == wanted;
  for (const Value& one : claim.items()) {
    if (one.IsString() && one.AsString() == wanted) return true;
  }
  return false;
}

std::optional<std::string> Octets(const Value& key, std::string_view name) {
  Result<std::string> bytes = Base64Decode(key.StringAt(name), Base64::kUrl, Padding::kNo);
  if (!bytes || bytes->empty()) return std::nullopt;
  return *std::move(bytes);
}

// Nothing for a key that is not for us; an Error for one that is and cannot be used.
std::optional<Result<PublicKey>> KeyOf(const Value& key) {
  std::string_view type = key.StringAt("kty"), curve = key.StringAt("crv");
  if (type == "RSA") {
    auto n = Octets(key, "n"), e = Octets(key, "e");
    if (!n || !e) return Result<PublicKey>(Malformed("n, e"));
    return PublicKey::FromRsa(*n, *e);
  }
  if (type == "EC") {
    auto x = Octets(key, "x"), y = Octets(key, "y");
    if (!x || !y) return Result<PublicKey>(Malformed("x, y"));
    if (curve == "P-256") return PublicKey::FromEc(KeyType::kEcP256, *x, *y);
    if (curve == "P-384") return PublicKey::FromEc(KeyType::kEcP384, *x, *y);
    if (curve == "P-521") return PublicKey::FromEc(KeyType::kEcP521, *x, *y);
    return std::nullopt;
  }
  if (type == "OKP" && curve == "Ed25519") {
    auto x = Octets(key, "x");
    if (!x) return Result<PublicKey>(Malformed("x"));
    return PublicKey::FromEd25519(*x);
  }
  return std::nullopt;
}

}  // namespace

Result<Jwks> Jwks::Parse(std::string_view json) {
  Arena arena;
  auto malformed = [](std::string why) {
    return Error(Code::kInvalid, "jwks.malformed", "not a JSON Web Key Set: " + why);
  };
  if (json.size() > kMaxJwks) return malformed("more than 1 MiB");
  Result<Value> root = ParseJson(json, arena, {.max_depth = 16});
  if (!root) return malformed(root.error().message());
  Value list = (*root)["keys"];
  if (!list.IsArray()) return malformed("no array \"keys\"");
  if (list.size() > kMaxKeys) return malformed(fmt::format("more than {} keys", kMaxKeys));
  Jwks out({});
  for (const Value& entry : list.items()) {
    // A key for encryption says nothing about signatures.
    std::string_view use = entry.StringAt("use", "sig");
    Value operations = entry["key_ops"];
    bool verifies = !operations.IsArray() || operations.Contains(Value::String("verify"));
    std::optional<Result<PublicKey>> key = KeyOf(entry);
    if (!key || use != "sig" || !verifies || !key->has_value()) {
      ++out.passed_over_;
      continue;
    }
    out.keys_.push_back({.key = **std::move(key),
                         .id = std::string(entry.StringAt("kid")),
                         .algorithm = std::string(entry.StringAt("alg"))});
  }
  return out;
}

std::string ToJwk(const PublicKey& key, std::string_view id) {
  auto number = [&](const char* name, size_t bytes) {
    BIGNUM* n = nullptr;
    BW_CHECK(EVP_PKEY_get_bn_param(key.native(), name, &n) == 1);
    OwnedBignum owned(n);
    std::string out(bytes != 0 ? bytes : static_cast<size_t>(BN_num_bytes(n)), '\0');
    BW_CHECK(BN_bn2binpad(n, reinterpret_cast<unsigned char*>(out.data()),
                          static_cast<int>(out.size())) >= 0);
    return Base64Encode(out, Base64::kUrl, Padding::kNo);
  };
  std::string kid;
  AppendJsonString(kid, id);
  std::string head = fmt::format(R"({{"kid":{},"use":"sig",)", kid);
  for (const Algorithm& a : kAlgorithms) {
    if (a.type != key.type()) continue;
    switch (key.type()) {
      case KeyType::kRsa:
        return fmt::format(R"({}"kty":"RSA","n":"{}","e":"{}"}})", head, number("n", 0),
                           number("e", 0));
      case KeyType::kEd25519: {
        std::string raw(32, '\0');
        size_t size = raw.size();
        BW_CHECK(EVP_PKEY_get_raw_public_key(
                     key.native(), reinterpret_cast<unsigned char*>(raw.data()), &size) == 1);
        return fmt::format(R"({}"kty":"OKP","crv":"Ed25519","x":"{}"}})", head,
                           Base64Encode(raw, Base64::kUrl, Padding::kNo));
      }
      default:
        return fmt::format(R"({}"kty":"EC","crv":"{}","x":"{}","y":"{}"}})", head,
                           KeyTypeName(key.type()).substr(6), number("qx", a.number_bytes),
                           number("qy", a.number_bytes));
    }
  }
  BW_UNREACHABLE();
}

Result<std::string> VerifyJws(std::string_view token, const Jwks& keys,
                              const std::vector<std::string>& algorithms, size_t max_bytes) {
  Arena arena;
  Checked checked = BW_TRY(Check(token, keys, algorithms, max_bytes, arena));
  return std::move(checked.payload);
}

Result<Jwt> VerifyJwt(std::string_view token, const Jwks& keys, const JwtOptions& options) {
  Jwt out;
  Checked checked = BW_TRY(Check(token, keys, options.algorithms, options.max_bytes, out.arena));
  out.claims = BW_TRY(ParseObject(checked.payload, out.arena, "payload"));
  out.header = checked.header;
  out.algorithm = std::move(checked.algorithm);
  out.key_id = std::move(checked.key_id);

  Timestamp at = options.now ? *options.now : Now();
  double now = static_cast<double>(at.seconds) + at.nanos / 1e9;
  double leeway = std::chrono::duration<double>(options.leeway).count();
  std::optional<double> expiry = BW_TRY(Date(out.claims, "exp"));
  std::optional<double> not_before = BW_TRY(Date(out.claims, "nbf"));
  std::optional<double> issued = BW_TRY(Date(out.claims, "iat"));
  if (!expiry && options.require_expiry) {
    return Denied("jwt.claims", "the token does not say when it expires");
  }
  if (expiry && now >= *expiry + leeway) return Denied("jwt.expired", "the token has expired");
  if ((not_before && now < *not_before - leeway) || (issued && now < *issued - leeway)) {
    return Denied("jwt.not_yet", "the token is not valid yet: compare the clocks");
  }
  if (!options.issuer.empty() && out.claims.StringAt("iss") != options.issuer) {
    return Denied("jwt.issuer", "the token is of another issuer");
  }
  if (!options.audience.empty() && !HasAudience(out.claims["aud"], options.audience)) {
    return Denied("jwt.audience", "the token is for another audience");
  }
  return out;
}

Result<Jwt> ReadUnverifiedJwt(std::string_view token, size_t max_bytes) {
  Parts parts = BW_TRY(Take(token, max_bytes));
  Jwt out;
  out.header = BW_TRY(ParseObject(parts.header, out.arena, "header"));
  out.claims = BW_TRY(ParseObject(parts.payload, out.arena, "payload"));
  out.algorithm = std::string(out.header.StringAt("alg"));
  out.key_id = std::string(out.header.StringAt("kid"));
  return out;
}

Result<std::string> SignJwt(const PrivateKey& key, std::string_view algorithm,
                            std::string_view key_id, std::string_view payload) {
  const Algorithm* found = FindAlgorithm(algorithm);
  if (found == nullptr || found->type != key.type()) {
    return Denied("jwt.algorithm", fmt::format("{} does not fit a key of the type {}",
                                               Quote(algorithm), KeyTypeName(key.type())));
  }
  std::string header = fmt::format(R"({{"alg":"{}","typ":"JWT")", found->name);
  if (!key_id.empty()) {
    header += R"(,"kid":)";
    AppendJsonString(header, key_id);
  }
  header += '}';
  std::string text = Base64Encode(header, Base64::kUrl, Padding::kNo) + "." +
                     Base64Encode(payload, Base64::kUrl, Padding::kNo);
  std::string signature = BW_TRY(key.Sign(found->scheme, text));
  if (found->number_bytes != 0) signature = DerToRaw(signature, found->number_bytes);
  return text + "." + Base64Encode(signature, Base64::kUrl, Padding::kNo);
}

}  // namespace bulwark::crypto
