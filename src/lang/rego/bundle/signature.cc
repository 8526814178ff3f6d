#include "lang/rego/bundle/signature.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

#include "base/hash.h"
#include "base/text.h"
#include "crypto/jose.h"
#include "crypto/keys.h"
#include "crypto/x509.h"
#include "formats/json.h"
#include "lang/rego/bundle/loader.h"

namespace bulwark::rego {

namespace {

constexpr size_t kMaxToken = size_t{64} << 20;

const EVP_MD* HmacHash(std::string_view algorithm) {
  if (algorithm == "HS256") return EVP_sha256();
  if (algorithm == "HS384") return EVP_sha384();
  if (algorithm == "HS512") return EVP_sha512();
  return nullptr;
}

bool IsKnownAlgorithm(std::string_view name) {
  constexpr std::array<std::string_view, 13> kKnown = {"HS256", "HS384", "HS512", "RS256", "RS384",
                                                       "RS512", "PS256", "PS384", "PS512", "ES256",
                                                       "ES384", "ES512", "EdDSA"};
  return std::find(kKnown.begin(), kKnown.end(), name) != kKnown.end();
}

std::string Hmac(const EVP_MD* hash, std::string_view key, std::string_view message) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  BW_CHECK(HMAC(hash, key.data(), static_cast<int>(key.size()),
                reinterpret_cast<const unsigned char*>(message.data()), message.size(), out.data(),
                &size) != nullptr);
  return {reinterpret_cast<const char*>(out.data()), size};
}

std::string Url64(std::string_view bytes) {
  return Base64Encode(bytes, Base64::kUrl, Padding::kNo);
}

// Of PEM: a public key, a certificate, or a private key's own public half.
Result<crypto::PublicKey> ReadPublicKey(const std::string& pem) {
  if (pem.find("CERTIFICATE-----") != std::string::npos) {
    auto certificate = BW_TRY(crypto::Certificate::FromPem(pem));
    return certificate.public_key();
  }
  if (pem.find("PRIVATE KEY-----") != std::string::npos) {
    return BW_TRY(crypto::PrivateKey::FromPem(pem))
    .Public();
  }
  return crypto::PublicKey::FromPem(pem);
}

// JSON text without white space, keys sorted by bytes, the last of two equal ones; numbers stay as
// they are written, because a hash is over what is written. The text must be well-formed.
class Canonical {
 public:
  explicit Canonical(std::string_view text) : text_(text) {}
  Result<std::string> Run() { return Take(); }

 private:
  void Skip() {
    while (at_ < text_.size() && IsAsciiSpace(text_[at_])) ++at_;
  }

  Result<std::string> TakeString() {
    size_t begin = at_++;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    ++at_;
    Arena arena;
    Value value = BW_TRY(ParseJson(text_.substr(begin, at_ - begin), arena));
    return Encode(value.AsString());
  }

  // As Go writes strings, HTML left alone: U+2028 and U+2029 escaped.
  static std::string Encode(std::string_view text) {
    std::string out;
    AppendJsonString(out, text);
    return ReplaceAll(ReplaceAll(out, "\u2028", "\\u2028"), "\u2029", "\\u2029");
  }

  Result<std::string> Take() {
    Skip();
    char c = at_ < text_.size() ? text_[at_] : '\0';
    if (c == '"') return TakeString();
    std::string out;
    if (c == '[') {
      ++at_;
      out = "[";
      for (Skip(); text_[at_] != ']'; Skip()) {
        if (text_[at_] == ',') ++at_;
        if (out.size() > 1) out += ',';
        out += BW_TRY(Take());
      }
      ++at_;
      return out + "]";
    }
    if (c == '{') {
      ++at_;
      // By decoded key.
      std::map<std::string, std::pair<std::string, std::string>> entries;
      for (Skip(); text_[at_] != '}'; Skip()) {
        if (text_[at_] == ',') ++at_;
        Skip();
        std::string key = BW_TRY(TakeString());
        Skip();
        ++at_;  // the colon
        std::string value = BW_TRY(Take());
        Arena arena;
        Value decoded = BW_TRY(ParseJson(key, arena));
        entries[std::string(decoded.AsString())] = {key, value};
      }
      ++at_;
      out = "{";
      for (const auto& [ignored, entry] : entries) {
        if (out.size() > 1) out += ',';
        out += entry.first + ":" + entry.second;
      }
      return out + "}";
    }
    size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != ']' && text_[at_] != '}' &&
           !IsAsciiSpace(text_[at_])) {
      ++at_;
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string_view text_;
  size_t at_ = 0;
};

std::string_view BaseName(std::string_view name) {
  size_t slash = name.find_last_of('/');
  return slash == std::string_view::npos ? name : name.substr(slash + 1);
}

bool IsYamlData(std::string_view name) {
  return BaseName(name) == "data.yaml" || BaseName(name) == "data.yml";
}

}  // namespace

bool IsStructured(std::string_view name) {
  return BaseName(name) == "data.json" || IsYamlData(name) || BaseName(name) == ".manifest";
}

Result<std::string> HashOfFile(std::string_view name, std::string_view content,
                               std::string_view algorithm) {
  constexpr std::array<std::pair<std::string_view, const char*>, 8> kHashes = {
      {{"MD5", "MD5"},
       {"SHA-1", "SHA1"},
       {"SHA-224", "SHA224"},
       {"SHA-256", "SHA256"},
       {"SHA-384", "SHA384"},
       {"SHA-512", "SHA512"},
       {"SHA-512-224", "SHA512-224"},
       {"SHA-512-256", "SHA512-256"}}};
  const auto* known = std::find_if(kHashes.begin(), kHashes.end(),
                                   [&](const auto& each) { return each.first == algorithm; });
  if (known == kHashes.end()) {
    return Error(Code::kUnsupported, fmt::format("unsupported hashing algorithm: {}", algorithm));
  }
  std::string canonical;
  if (IsStructured(name)) {
    Arena arena;
    std::string json(content);
    if (IsYamlData(name)) {
      json = ToJson(BW_TRY(ParseDocument(content, arena)));
    } else {
      BW_TRY(ParseJson(content, arena, {.max_depth = 500, .duplicate_keys = true}));
    }
    canonical = BW_TRY(Canonical(json).Run());
    content = canonical;
  }
  const EVP_MD* hash = EVP_get_digestbyname(known->second);
  if (hash == nullptr) {
    return Error(Code::kUnsupported, fmt::format("unsupported hashing algorithm: {}", algorithm));
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  if (EVP_Digest(content.data(), content.size(), out.data(), &size, hash, nullptr) != 1) {
    return Error(Code::kUnsupported, fmt::format("unsupported hashing algorithm: {}", algorithm));
  }
  return HexEncode({reinterpret_cast<const char*>(out.data()), size});
}

Result<std::map<std::string, FileHash>> VerifyToken(std::string_view token,
                                                    const Verification& verification) {
  if (token.size() > kMaxToken) return Error(Code::kLimit, "the bundle's signature is too big");
  std::vector<std::string_view> parts = Split(token, '.');
  if (parts.size() != 3) {
    return Error(Code::kInvalid, "failed to split compact JWT: invalid number of segments");
  }
  Arena arena;
  auto decode = [&](std::string_view part, std::string_view what) -> Result<Value> {
    auto bytes = Base64Decode(part, Base64::kUrl, Padding::kNo);
    if (!bytes) return Error(Code::kInvalid, fmt::format("failed to base64 decode JWT {}", what));
    auto value = ParseJson(arena.Copy(*bytes), arena, {.duplicate_keys = true});
    if (!value) return std::move(value).error().While(fmt::format("reading the JWT's {}", what));
    if (!value->IsMap()) return Error(Code::kInvalid, fmt::format("the JWT's {} is no map", what));
    return *value;
  };
  Value header = BW_TRY(decode(parts[0], "header"));
  Value payload = BW_TRY(decode(parts[1], "payload"));
  std::string id = verification.key_id;
  if (id.empty()) id = header.StringAt("kid");
  if (id.empty()) id = payload.StringAt("keyid");
  if (id.empty()) return Error(Code::kInvalid, "verification key ID is empty");
  auto key = verification.keys.find(id);
  if (key == verification.keys.end()) {
    return Error(Code::kNotFound,
                 fmt::format("verification key corresponding to ID {} not found", id));
  }
  const std::string& algorithm = key->second.algorithm;
  if (!IsKnownAlgorithm(algorithm)) {
    return Error(Code::kUnsupported, fmt::format("unknown signature algorithm: {}", algorithm));
  }
  if (const EVP_MD* hash = HmacHash(algorithm)) {
    std::string_view signed_part = token.substr(0, parts[0].size() + 1 + parts[1].size());
    auto signature = Base64Decode(parts[2], Base64::kUrl, Padding::kNo);
    if (!signature || !ConstantTimeEquals(Hmac(hash, key->second.key, signed_part), *signature)) {
      return Error(Code::kDenied, "failed to verify JWT signature: invalid HMAC signature");
    }
  } else {
    auto read = ReadPublicKey(key->second.key);
    if (!read) return std::move(read).error().While("reading the verification key " + id);
    crypto::Jwks keys({crypto::Jwk{
        .key = *read, .id = std::string(header.StringAt("kid")), .algorithm = algorithm}});
    auto verified = crypto::VerifyJws(token, keys, {algorithm}, kMaxToken);
    if (!verified) {
      return Error(Code::kDenied, "failed to verify JWT signature: " + verified.error().ToString());
    }
  }
  std::string scope = verification.scope.empty() ? key->second.scope : verification.scope;
  if (payload.StringAt("scope") != scope) return Error(Code::kDenied, "scope mismatch");
  std::map<std::string, FileHash> files;
  for (const Value& file : payload["files"].items()) {
    FileHash hash{std::string(file.StringAt("name")), std::string(file.StringAt("hash")),
                  std::string(file.StringAt("algorithm"))};
    files[hash.name] = hash;
  }
  return files;
}

Result<std::string> SignToken(const std::vector<FileHash>& files, const Signing& signing) {
  if (!IsKnownAlgorithm(signing.algorithm)) {
    return Error(Code::kUnsupported,
                 fmt::format("unknown signature algorithm: {}", signing.algorithm));
  }
  Arena arena;
  std::vector<Value> list;
  for (const FileHash& file : files) {
    list.push_back(MapBuilder(arena)
                       .Add("name", Value::String(file.name))
                       .Add("hash", Value::String(file.hash))
                       .Add("algorithm", Value::String(file.algorithm))
                       .Finish());
  }
  MapBuilder claims(arena);
  claims.Add("files", Value::Array(arena, list));
  if (!signing.claims.IsNull()) {
    if (!signing.claims.IsMap()) return Error(Code::kInvalid, "claims must be an object");
    for (const auto& [name, value] : signing.claims.entries()) claims.Add(name, value);
  } else if (!signing.key_id.empty()) {
    claims.Add("keyid", Value::String(signing.key_id));
  }
  std::string payload = ToJson(claims.Finish(), {.sort_keys = true});
  const EVP_MD* hash = HmacHash(signing.algorithm);
  if (hash == nullptr) {
    auto key = crypto::PrivateKey::FromPem(signing.key);
    if (!key) return std::move(key).error().While("reading the signing key");
    return crypto::SignJwt(*key, signing.algorithm, signing.key_id, payload);
  }
  MapBuilder header(arena);
  header.Add("alg", Value::String(signing.algorithm));
  if (!signing.key_id.empty()) header.Add("kid", Value::String(signing.key_id));
  header.Add("typ", Value::String("JWT"));
  std::string token = Url64(ToJson(header.Finish())) + "." + Url64(payload);
  return token + "." + Url64(Hmac(hash, signing.key, token));
}

}  // namespace bulwark::rego
