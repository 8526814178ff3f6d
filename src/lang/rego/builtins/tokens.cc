// io.jwt.*: JSON Web Tokens (RFC 7519) in compact serialisation, decoded, verified and signed as
// OPA does.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/hash.h"
#include "base/text.h"
#include "formats/json.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/go_json.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/token_keys.h"

namespace bulwark::rego {

namespace {

using crypto::Hash;
using crypto::KeyKind;
using crypto::RsaPadding;

constexpr size_t kMaxToken = size_t{16} << 20;
constexpr size_t kMinRsaBits = 1024;  // Go refuses to compute with less

Error Wrong(std::string message) { return Error(Code::kInvalid, std::move(message)); }

// base64url with or without padding.
Result<std::string> DecodeSection(std::string_view text) {
  std::string padded(text);
  if (!padded.ends_with('=')) {
    if (padded.size() % 4 == 1) return Wrong("illegal base64url string: " + padded);
    padded.append((4 - padded.size() % 4) % 4, '=');
  }
  return DecodeGoBase64(padded, GoBase64::kUrl);
}

Result<Value> ReadObject(std::string_view json, Arena& arena) {
  Result<Value> value = ParseGoJson(json, arena);
  if (!value) return Wrong("invalid JSON: " + value.error().message());
  if (!value->IsMap()) return Wrong("decoded JSON type was not an Object");
  return value;
}

struct Token {
  std::string_view header, payload, signature;  // as they are written
  std::string_view signed_part;                 // header.payload
};

Result<Token> Split3(std::string_view text) {
  std::vector<std::string_view> parts = Split(text, '.');
  if (parts.size() == 1) return Wrong("encoded JWT had no period separators");
  if (parts.size() != 3) {
    return Wrong(fmt::format("encoded JWT must have 3 sections, found {}", parts.size()));
  }
  return Token{parts[0], parts[1], parts[2], text.substr(0, parts[0].size() + 1 + parts[1].size())};
}

Result<Value> DecodeHeader(const Token& token, Arena& arena) {
  Result<std::string> text = DecodeSection(token.header);
  if (!text) return Wrong("JWT header had invalid encoding: " + text.error().message());
  Result<Value> header = ReadObject(*text, arena);
  if (!header) return Wrong("bad JWT header: " + header.error().message());
  if (header->Find("enc") != nullptr) {
    return Wrong("JWT is a JWE object, which is not supported");
  }
  return header;
}

Result<std::string> DecodePayload(const Token& token) {
  Result<std::string> text = DecodeSection(token.payload);
  if (!text) return Wrong("JWT payload had invalid encoding: " + text.error().message());
  return text;
}

// What of the header matters.
struct Header {
  std::string_view algorithm, key_id, content_type;
  bool valid = true;  // RFC 7515 sections 4.1.1 and 4.1.11
};

Result<Header> ReadHeader(Context& c, const Value& object) {
  Header out;
  const Value* critical = nullptr;
  std::string_view type;
  for (const Value::Entry& entry : SortedEntries(object, c.arena)) {
    std::string_view key = entry.key.AsString();
    std::string_view* into = key == "alg"   ? &out.algorithm
                             : key == "kid" ? &out.key_id
                             : key == "cty" ? &out.content_type
                             : key == "typ" ? &type
                                            : nullptr;
    if (into != nullptr) {
      if (!entry.value.IsString()) return Wrong(std::string(key) + ": must be a string");
      *into = entry.value.AsString();
    } else if (key == "crit") {
      if (!entry.value.IsArray()) return Wrong("crit: must be a list");
      if (entry.value.empty() || !entry.value[0].IsString()) {
        return Wrong("crit: must be a nonempty list");
      }
      critical = &entry.value;
    }
  }
  out.valid = !out.algorithm.empty();
  if (critical != nullptr) {
    // Anything named there that is in the header and not known to us.
    for (const Value& name : critical->items()) {
      if (!name.IsString()) break;
      std::string_view text = name.AsString();
      bool known =
          text == "alg" || text == "kid" || text == "typ" || text == "cty" || text == "crit";
      if (!known && object.Find(text) != nullptr) out.valid = false;
    }
  }
  return out;
}

// --- Keys ----------------------------------------------------------------------------------------

// The keys of a text, read once a query.
struct KeyCache {
  std::map<std::string, std::shared_ptr<const TokenKeys>, std::less<>> keys;
};

Result<std::shared_ptr<const TokenKeys>> Keys(Context& c, std::string_view text) {
  auto& cache = c.state<KeyCache>().keys;
  if (auto found = cache.find(text); found != cache.end()) return found->second;
  auto keys = std::make_shared<const TokenKeys>(BW_TRY(ParseTokenKeys(text)));
  constexpr size_t kMaxCached = 100;
  if (cache.size() < kMaxCached) cache.emplace(text, keys);
  return std::shared_ptr<const TokenKeys>(keys);
}

// The key with the id of the header, if there is one, else any that verifies and whose algorithm,
// where it says one, is the header's.
template <typename F>
bool AnyVerifies(const TokenKeys& keys, const Header& header, F verifies) {
  if (!header.key_id.empty()) {
    for (const TokenKey& key : keys) {
      if (key.id == header.key_id) return verifies(key);
    }
  }
  return std::any_of(keys.begin(), keys.end(), [&](const TokenKey& key) {
    return (key.algorithm.empty() || key.algorithm == header.algorithm) && verifies(key);
  });
}

bool LargeEnough(const crypto::AnyPublicKey& key) {
  return key.kind() != KeyKind::kRsa || key.bits() >= kMinRsaBits;
}

// io.jwt.verify_rs256 and its like: the function says the algorithm. Private keys do not count.
bool VerifiesAs(const TokenKey& key, std::string_view algorithm, std::string_view text,
                std::string_view signature) {
  if (!key.public_key || key.private_key || !LargeEnough(*key.public_key)) return false;
  Hash hash = TokenHash(algorithm);
  if (algorithm.starts_with("RS")) {
    return key.public_key->VerifyRsa(RsaPadding::kPkcs1, hash, text, signature);
  }
  if (algorithm.starts_with("PS")) {
    return key.public_key->VerifyRsa(RsaPadding::kPss, hash, text, signature);
  }
  if (algorithm.starts_with("ES")) {
    size_t half = signature.size() / 2;
    return key.public_key->VerifyEcdsa(hash, text, signature.substr(0, half),
                                       signature.substr(half));
  }
  return key.public_key->VerifyEd25519(text, signature);
}

// As io.jwt.decode_verify does it, by the header's algorithm.
bool VerifiesStrictly(const TokenKey& key, std::string_view algorithm, std::string_view text,
                      std::string_view signature) {
  if (algorithm.starts_with("HS") && IsTokenAlgorithm(algorithm)) {
    return key.secret &&
           ConstantTimeEquals(crypto::Hmac(TokenHash(algorithm), *key.secret, text), signature);
  }
  if (!key.public_key || !IsTokenAlgorithm(algorithm) || !LargeEnough(*key.public_key)) {
    return false;
  }
  Hash hash = TokenHash(algorithm);
  if (algorithm.starts_with("PS")) {
    return key.public_key->VerifyRsa(RsaPadding::kPssHashSalt, hash, text, signature);
  }
  if (algorithm.starts_with("ES")) {
    size_t width = (key.public_key->bits() + 7) / 8;
    if (signature.size() != 2 * width) return false;
    return key.public_key->VerifyEcdsa(hash, text, signature.substr(0, width),
                                       signature.substr(width));
  }
  if (algorithm.starts_with("RS")) {
    return key.public_key->VerifyRsa(RsaPadding::kPkcs1, hash, text, signature);
  }
  return key.public_key->VerifyEd25519(text, signature);
}

bool SpendOn(Context& c, const Value& text) { return c.Spend(text.size() / 10 + 50); }

// --- Decoding and verifying ----------------------------------------------------------------------

Result<Value> DecodeToken(Context& c, std::string_view text) {
  std::string inner;
  while (true) {
    Token token = BW_TRY(Split3(text));
    Value header = BW_TRY(DecodeHeader(token, c.arena));
    std::string payload = BW_TRY(DecodePayload(token));
    const Value* content_type = header.Find("cty");
    if (content_type != nullptr && content_type->IsString() && content_type->AsString() == "JWT") {
      // A token within a token, maybe in quotes.
      std::string_view trimmed = payload;
      while (trimmed.starts_with('"') || trimmed.starts_with('\'')) trimmed.remove_prefix(1);
      while (trimmed.ends_with('"') || trimmed.ends_with('\'')) trimmed.remove_suffix(1);
      inner = std::string(trimmed);
      text = inner;
      continue;
    }
    Value claims = BW_TRY(ReadObject(payload, c.arena));
    Result<std::string> signature = DecodeSection(token.signature);
    if (!signature) {
      return Wrong("JWT signature had invalid encoding: " + signature.error().message());
    }
    Value parts[] = {header, claims, Value::String(c.arena, HexEncode(*signature))};
    return Value::Array(c.arena, parts);
  }
}

Outcome Decode(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (args[0].size() > kMaxToken) return c.Fail("encoded JWT is too long");
  if (!SpendOn(c, args[0])) return Outcome::kHalt;
  Result<Value> parts = DecodeToken(c, args[0].AsString());
  if (!parts) return c.Fail(parts.error().message());
  out = *parts;
  return Outcome::kValue;
}

Result<bool> VerifySignature(Context& c, std::string_view text, std::string_view certificate,
                             std::string_view algorithm) {
  Token token = BW_TRY(Split3(text));
  std::shared_ptr<const TokenKeys> keys = BW_TRY(Keys(c, certificate));
  std::string signature = BW_TRY(DecodeSection(token.signature));
  Value object = BW_TRY(DecodeHeader(token, c.arena));
  Header header = BW_TRY(ReadHeader(c, object));
  return AnyVerifies(*keys, header, [&](const TokenKey& key) {
    return VerifiesAs(key, algorithm, token.signed_part, signature);
  });
}

template <char kFamily, char kKind, int kBits>
Outcome Verify(Context& c, Args args, Value& out) {
  static const std::string kAlgorithm =
      kFamily == 'E' && kKind == 'd' ? "EdDSA" : fmt::format("{}{}{}", kFamily, kKind, kBits);
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (args[0].size() > kMaxToken) return c.Fail("encoded JWT is too long");
  if (!args[1].IsString()) {
    if (Result<Token> token = Split3(args[0].AsString()); !token) {
      return c.Fail(token.error().message());
    }
    return c.WrongType(2, args[1], "string");
  }
  if (!SpendOn(c, args[0]) || !SpendOn(c, args[1])) return Outcome::kHalt;
  Result<bool> valid = VerifySignature(c, args[0].AsString(), args[1].AsString(), kAlgorithm);
  if (!valid) return c.Fail(valid.error().message());
  out = Value::Bool(*valid);
  return Outcome::kValue;
}

template <Hash kHash>
Outcome VerifyHmac(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!args[1].IsString()) return c.WrongType(2, args[1], "string");
  if (args[0].size() > kMaxToken) return c.Fail("encoded JWT is too long");
  if (!SpendOn(c, args[0])) return Outcome::kHalt;
  Result<Token> token = Split3(args[0].AsString());
  if (!token) return c.Fail(token.error().message());
  Result<std::string> signature = DecodeSection(token->signature);
  if (!signature) return c.Fail(signature.error().message());
  out = Value::Bool(
      ConstantTimeEquals(crypto::Hmac(kHash, args[1].AsString(), token->signed_part), *signature));
  return Outcome::kValue;
}

struct Constraints {
  std::shared_ptr<const TokenKeys> keys;
  std::string_view secret, algorithm, issuer, audience;
  double nanos = -1;
};

Result<Constraints> ReadConstraints(Context& c, const Value& object) {
  Constraints out;
  for (const Value::Entry& entry : SortedEntries(object, c.arena)) {
    std::string name =
        entry.key.IsString() ? std::string(entry.key.AsString()) : ToRegoText(entry.key);
    const Value& value = entry.value;
    std::string_view* text = name == "secret" ? &out.secret
                             : name == "alg"  ? &out.algorithm
                             : name == "iss"  ? &out.issuer
                             : name == "aud"  ? &out.audience
                                              : nullptr;
    if (text != nullptr || name == "cert") {
      if (!value.IsString()) return Wrong(name + " constraint: must be a string");
      if (text != nullptr) {
        *text = value.AsString();
      } else {
        out.keys = BW_TRY(Keys(c, value.AsString()));
      }
    } else if (name == "time") {
      if (!value.IsNumber()) return Wrong("token time constraint: must be a number");
      out.nanos = value.ToDouble();
      if (out.nanos < 0) return Wrong("token time constraint: must not be negative");
    } else {
      return Wrong("unknown token validation constraint: " + name);
    }
  }
  if (out.nanos < 0) out.nanos = static_cast<double>(c.now_nanos());
  if (out.keys != nullptr && !out.secret.empty()) return Wrong("duplicate key constraints");
  if (out.keys == nullptr && out.secret.empty()) return Wrong("no key constraint");
  return out;
}

bool HasAudience(const Value& audience, std::string_view wanted) {
  if (audience.IsString()) return audience.AsString() == wanted;
  if (!audience.IsArray()) return false;
  return std::any_of(audience.items().begin(), audience.items().end(), [&](const Value& item) {
    return item.IsString() && item.AsString() == wanted;
  });
}

// Whether the claims are as they must be.
Result<bool> CheckClaims(const Value& claims, const Constraints& constraints) {
  if (!constraints.issuer.empty()) {
    const Value* issuer = claims.Find("iss");
    if (issuer == nullptr || !issuer->IsString() || issuer->AsString() != constraints.issuer) {
      return false;
    }
  }
  if (const Value* audience = claims.Find("aud")) {
    if (!HasAudience(*audience, constraints.audience)) return false;
  } else if (!constraints.audience.empty()) {
    return false;
  }
  Value now = Value::Double(constraints.nanos / 1e9);
  if (const Value* expiry = claims.Find("exp")) {
    if (!expiry->IsNumber()) return Wrong("exp value must be a number");
    if (Value::Compare(now, *expiry) != -1) return false;
  }
  if (const Value* begin = claims.Find("nbf")) {
    if (!begin->IsNumber()) return Wrong("nbf value must be a number");
    if (Value::Compare(now, *begin) == -1) return false;
  }
  return true;
}

struct Verified {
  Value header, claims;
};

// Nothing: the token does not hold.
Result<std::optional<Verified>> VerifyToken(Context& c, std::string_view text,
                                            const Constraints& constraints) {
  std::string inner;
  while (true) {
    Token token = BW_TRY(Split3(text));
    Value object = BW_TRY(DecodeHeader(token, c.arena));
    Header header = BW_TRY(ReadHeader(c, object));
    if (!header.valid) return std::optional<Verified>();
    if (!constraints.algorithm.empty() && constraints.algorithm != header.algorithm) {
      return std::optional<Verified>();
    }
    std::string signature = BW_TRY(DecodeSection(token.signature));
    auto verifies = [&](const TokenKey& key) {
      return VerifiesStrictly(key, header.algorithm, token.signed_part, signature);
    };
    TokenKey secret{.secret = std::string(constraints.secret)};
    bool right = constraints.keys != nullptr ? AnyVerifies(*constraints.keys, header, verifies)
                                             : verifies(secret);
    if (!right) return std::optional<Verified>();
    std::string payload = BW_TRY(DecodePayload(token));
    if (EqualsIgnoringCase(header.content_type, "JWT")) {
      inner = std::move(payload);
      text = inner;
      continue;
    }
    Value claims = BW_TRY(ReadObject(payload, c.arena));
    if (!BW_TRY(CheckClaims(claims, constraints))) return std::optional<Verified>();
    return std::optional(Verified{object, claims});
  }
}

Outcome DecodeVerify(Context& c, Args args, Value& out) {
  if (!args[1].IsMap()) return c.WrongType(2, args[1], "object");
  Result<Constraints> constraints = ReadConstraints(c, args[1]);
  if (!constraints) return c.Fail(constraints.error().message());
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (args[0].size() > kMaxToken) return c.Fail("encoded JWT is too long");
  if (!SpendOn(c, args[0])) return Outcome::kHalt;
  Result<std::optional<Verified>> verified = VerifyToken(c, args[0].AsString(), *constraints);
  if (!verified) return c.Fail(verified.error().message());
  Value parts[] = {Value::Bool(verified->has_value()), Value::EmptyMap(), Value::EmptyMap()};
  if (*verified) {
    parts[1] = (*verified)->header;
    parts[2] = (*verified)->claims;
  }
  out = Value::Array(c.arena, parts);
  return Outcome::kValue;
}

// --- Signing -------------------------------------------------------------------------------------

// A header's member as a lenient JSON reader finds it: text that is a number, as far as its
// characters go, counts as a document without members.
Result<std::string> HeaderMember(std::string_view json, std::string_view name) {
  std::string_view text = Trim(json);
  if (text.empty()) return Wrong("cannot parse JSON: cannot parse empty string");
  bool number = text.find_first_not_of("0123456789.+-eE") == std::string_view::npos;
  if (!number) {
    Arena arena;
    Result<Value> document = ParseJson(text, arena, {.max_depth = 300, .duplicate_keys = true});
    if (!document) return Wrong("cannot parse JSON: " + document.error().message());
    if (const Value* member = document->Find(name)) {
      if (member->IsString()) return std::string(member->AsString());
      return Wrong("value doesn't contain string; it contains " + std::string(TypeName(*member)));
    }
  }
  return Wrong("jwsbb: header " + GoQuote(name) + " not found");
}

Result<std::string> SignText(const TokenKey& key, std::string_view algorithm,
                             std::string_view text) {
  Hash hash = TokenHash(algorithm);
  auto kind = [&](std::string_view wanted) {
    return Wrong(fmt::format("jwsbb.Sign: invalid key type. {} is required", wanted));
  };
  auto is = [&](KeyKind wanted) { return key.private_key && key.private_key->kind() == wanted; };
  if (algorithm.starts_with("HS")) {
    if (!key.secret) return kind("[]byte");
    return crypto::Hmac(hash, *key.secret, text);
  }
  if (algorithm.starts_with("RS") || algorithm.starts_with("PS")) {
    if (!is(KeyKind::kRsa)) return kind("*rsa.PrivateKey");
    if (key.private_key->bits() < kMinRsaBits) {
      return Wrong(fmt::format("crypto/rsa: {}-bit keys are insecure", key.private_key->bits()));
    }
    return key.private_key->SignRsa(
        algorithm.starts_with("RS") ? RsaPadding::kPkcs1 : RsaPadding::kPss, hash, text);
  }
  if (algorithm.starts_with("ES")) {
    if (!is(KeyKind::kEc)) return kind("*ecdsa.PrivateKey");
    return key.private_key->SignEcdsa(hash, text);
  }
  if (!is(KeyKind::kEd25519)) return kind("ed25519.PrivateKey");
  return key.private_key->SignEd25519(text);
}

Result<std::string> EncodeSign(std::string_view headers, std::string_view payload,
                               std::string_view jwk) {
  TokenKeys keys = BW_TRY(ParseJwks(jwk));
  if (keys.empty()) return Wrong("no keys found in JWK set");
  Result<std::string> algorithm = HeaderMember(headers, "alg");
  if (!algorithm) return Wrong("missing or invalid 'alg' header: " + algorithm.error().message());
  if (!IsTokenAlgorithm(*algorithm)) return Wrong("unknown JWS algorithm: " + *algorithm);
  Result<std::string> type = HeaderMember(headers, "typ");
  if (!type || *type == "JWT") {
    Arena arena;
    if (!ParseJson(ToValidUtf8(payload), arena, {.max_depth = 10000, .duplicate_keys = true})) {
      return Wrong("type is JWT but payload is not JSON");
    }
  }
  auto encode = [](std::string_view text) {
    return Base64Encode(text, Base64::kUrl, Padding::kNo);
  };
  std::string text = encode(headers) + "." + encode(payload);
  std::string signature = BW_TRY(SignText(keys.front(), *algorithm, text));
  return text + "." + encode(signature);
}

Outcome GiveSigned(Context& c, std::string_view headers, std::string_view payload,
                   std::string_view jwk, Value& out) {
  if (headers.size() > kMaxToken || payload.size() > kMaxToken) return c.Fail("token too long");
  if (!c.Spend((headers.size() + payload.size()) / 10 + 100)) return Outcome::kHalt;
  Result<std::string> token = EncodeSign(headers, payload, jwk);
  if (!token) return c.Fail(token.error().message());
  out = Value::String(c.arena, *token);
  return Outcome::kValue;
}

Outcome EncodeSignObjects(Context& c, Args args, Value& out) {
  return GiveSigned(c, GoJson(args[0]), GoJson(args[1]), GoJson(args[2]), out);
}

Outcome EncodeSignRaw(Context& c, Args args, Value& out) {
  for (size_t i : {2, 0, 1}) {
    if (!args[i].IsString()) return c.WrongType(i + 1, args[i], "string");
  }
  return GiveSigned(c, args[0].AsString(), args[1].AsString(), args[2].AsString(), out);
}

constexpr std::string_view kVerifyType = "(jwt: string, certificate: string) -> result: boolean";
constexpr std::string_view kHmacType = "(jwt: string, secret: string) -> result: boolean";

constexpr Builtin kTokens[] = {
    {"io.jwt.decode", "(jwt: string) -> output: array<object[any: any], object[any: any], string>",
     Decode},
    {.name = "io.jwt.decode_verify",
     .type = "(jwt: string, constraints: object[string: any]) -> output: array<boolean, "
             "object[any: any], object[any: any]>",
     .call = DecodeVerify,
     .nondeterministic = true},
    {.name = "io.jwt.encode_sign",
     .type = "(headers: object[string: any], payload: object[string: any], key: object[string: "
             "any]) -> output: string",
     .call = EncodeSignObjects,
     .nondeterministic = true},
    {.name = "io.jwt.encode_sign_raw",
     .type = "(headers: string, payload: string, key: string) -> output: string",
     .call = EncodeSignRaw,
     .nondeterministic = true},
    {"io.jwt.verify_rs256", kVerifyType, Verify<'R', 'S', 256>},
    {"io.jwt.verify_rs384", kVerifyType, Verify<'R', 'S', 384>},
    {"io.jwt.verify_rs512", kVerifyType, Verify<'R', 'S', 512>},
    {"io.jwt.verify_ps256", kVerifyType, Verify<'P', 'S', 256>},
    {"io.jwt.verify_ps384", kVerifyType, Verify<'P', 'S', 384>},
    {"io.jwt.verify_ps512", kVerifyType, Verify<'P', 'S', 512>},
    {"io.jwt.verify_es256", kVerifyType, Verify<'E', 'S', 256>},
    {"io.jwt.verify_es384", kVerifyType, Verify<'E', 'S', 384>},
    {"io.jwt.verify_es512", kVerifyType, Verify<'E', 'S', 512>},
    {"io.jwt.verify_eddsa", kVerifyType, Verify<'E', 'd', 0>},
    {"io.jwt.verify_hs256", kHmacType, VerifyHmac<Hash::kSha256>},
    {"io.jwt.verify_hs384", kHmacType, VerifyHmac<Hash::kSha384>},
    {"io.jwt.verify_hs512", kHmacType, VerifyHmac<Hash::kSha512>},
};

}  // namespace

std::span<const Builtin> TokenBuiltins() { return kTokens; }

}  // namespace bulwark::rego
