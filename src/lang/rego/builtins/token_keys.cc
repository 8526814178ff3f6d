#include "lang/rego/builtins/token_keys.h"

#include <algorithm>

#include "base/arena.h"
#include "base/hash.h"
#include "base/text.h"
#include "formats/json.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/go_json.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/x509.h"

namespace bulwark::rego {

namespace {

constexpr size_t kMaxText = size_t{4} << 20;
constexpr size_t kMaxKeys = 1000;

constexpr std::string_view kAlgorithms[] = {"RS256", "RS384", "RS512", "PS256", "PS384",
                                            "PS512", "ES256", "ES384", "ES512", "HS256",
                                            "HS384", "HS512", "EdDSA"};
// Known, but not for tokens: keys with them are passed over.
constexpr std::string_view kOtherAlgorithms[] = {"none",
                                                 "ES256K",
                                                 "Ed25519",
                                                 "RSA1_5",
                                                 "RSA-OAEP",
                                                 "RSA-OAEP-256",
                                                 "RSA-OAEP-384",
                                                 "RSA-OAEP-512",
                                                 "A128KW",
                                                 "A192KW",
                                                 "A256KW",
                                                 "dir",
                                                 "ECDH-ES",
                                                 "ECDH-ES+A128KW",
                                                 "ECDH-ES+A192KW",
                                                 "ECDH-ES+A256KW",
                                                 "A128GCMKW",
                                                 "A192GCMKW",
                                                 "A256GCMKW",
                                                 "PBES2-HS256+A128KW",
                                                 "PBES2-HS384+A192KW",
                                                 "PBES2-HS512+A256KW"};

Error Wrong(std::string message) {
  return Error(Code::kInvalid, "jwk.ParseKey: " + std::move(message));
}

Result<std::string> Member(const Value& key, std::string_view name, std::string_view type) {
  const Value* found = key.Find(name);
  if (found == nullptr) {
    return Wrong("failed to unmarshal JSON into key (*jwk." + std::string(type) +
                 "): required field " + std::string(name) + " is missing");
  }
  if (found->IsString()) {
    std::string text(found->AsString());
    while (text.ends_with('=')) text.pop_back();
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
    Result<std::string> bytes = DecodeGoBase64(text, GoBase64::kUrlRaw);
    if (bytes) return bytes;
  }
  return Wrong("failed to unmarshal JSON into key (*jwk." + std::string(type) +
               "): failed to decode value for key " + std::string(name));
}

Result<> ReadRsa(const Value& jwk, TokenKey& out) {
  bool is_private = jwk.Find("d") != nullptr;
  std::string_view type = is_private ? "rsaPrivateKey" : "rsaPublicKey";
  std::string n = BW_TRY(Member(jwk, "n", type));
  std::string e = BW_TRY(Member(jwk, "e", type));
  Result<crypto::AnyPublicKey> key = crypto::AnyPublicKey::FromRsa(n, e);
  // One that is too small to compute with matches no signature.
  if (key) out.public_key = *std::move(key);
  if (!is_private) return Ok{};
  std::string d = BW_TRY(Member(jwk, "d", type));
  std::string parts[5];
  constexpr std::string_view kNames[] = {"p", "q", "dp", "dq", "qi"};
  for (size_t i = 0; i < 5; ++i) {
    if (jwk.Find(kNames[i]) != nullptr) parts[i] = BW_TRY(Member(jwk, kNames[i], type));
  }
  Result<crypto::AnyPrivateKey> private_key = crypto::AnyPrivateKey::FromRsa({.n = n,
                                                                              .e = e,
                                                                              .d = d,
                                                                              .p = parts[0],
                                                                              .q = parts[1],
                                                                              .dp = parts[2],
                                                                              .dq = parts[3],
                                                                              .qi = parts[4]});
  if (private_key) out.private_key = *std::move(private_key);
  return Ok{};
}

Result<> ReadEc(const Value& jwk, TokenKey& out) {
  bool is_private = jwk.Find("d") != nullptr;
  std::string_view type = is_private ? "ecdsaPrivateKey" : "ecdsaPublicKey";
  std::string_view curve = jwk.StringAt("crv");
  if (curve != "P-256" && curve != "P-384" && curve != "P-521") {
    return Wrong("failed to unmarshal JSON into key (*jwk." + std::string(type) +
                 "): failed to decode value for key crv");
  }
  std::string x = BW_TRY(Member(jwk, "x", type));
  std::string y = BW_TRY(Member(jwk, "y", type));
  Result<crypto::AnyPublicKey> key = crypto::AnyPublicKey::FromEc(curve, x, y);
  if (!key) {
    return Wrong("jwk.Parse: key validation failed: key validation failed: invalid point");
  }
  out.public_key = *std::move(key);
  if (!is_private) return Ok{};
  std::string d = BW_TRY(Member(jwk, "d", type));
  Result<crypto::AnyPrivateKey> private_key = crypto::AnyPrivateKey::FromEc(curve, d);
  if (!private_key) {
    return Wrong("jwk.Parse: key validation failed: key validation failed: invalid number");
  }
  out.private_key = *std::move(private_key);
  return Ok{};
}

Result<> ReadOkp(const Value& jwk, TokenKey& out) {
  bool is_private = jwk.Find("d") != nullptr;
  std::string_view type = is_private ? "okpPrivateKey" : "okpPublicKey";
  std::string x = BW_TRY(Member(jwk, "x", type));
  if (jwk.StringAt("crv") != "Ed25519") return Ok{};  // X25519 signs nothing
  Result<crypto::AnyPublicKey> key = crypto::AnyPublicKey::FromEd25519(x);
  if (!key) {
    return Wrong("jwk.Parse: key validation failed: key validation failed: invalid key length");
  }
  out.public_key = *std::move(key);
  if (!is_private) return Ok{};
  std::string d = BW_TRY(Member(jwk, "d", type));
  Result<crypto::AnyPrivateKey> private_key = crypto::AnyPrivateKey::FromEd25519(d);
  if (!private_key) {
    return Wrong("jwk.Parse: key validation failed: key validation failed: invalid key length");
  }
  out.private_key = *std::move(private_key);
  return Ok{};
}

Result<TokenKey> ReadKey(const Value& jwk) {
  if (!jwk.IsMap() || (jwk.Find("kty") != nullptr && !jwk["kty"].IsString())) {
    return Wrong("jwk.Parse: failed to probe data: probe: failed to unmarshal data");
  }
  TokenKey out;
  for (auto [name, into] : {std::pair{"kid", &out.id}, {"alg", &out.algorithm}}) {
    const Value* member = jwk.Find(name);
    if (member == nullptr) continue;
    if (!member->IsString()) return Wrong(std::string("failed to decode value for key ") + name);
    *into = member->AsString();
  }
  auto is = [&](std::string_view name) { return name == out.algorithm; };
  if (!out.algorithm.empty() && !IsTokenAlgorithm(out.algorithm) &&
      std::none_of(std::begin(kOtherAlgorithms), std::end(kOtherAlgorithms), is)) {
    return Wrong("failed to unmarshal JSON into key: failed to decode value for key alg");
  }
  std::string_view type = jwk.StringAt("kty");
  Result<> read = Ok{};
  if (type == "RSA") {
    read = ReadRsa(jwk, out);
  } else if (type == "EC") {
    read = ReadEc(jwk, out);
  } else if (type == "OKP") {
    read = ReadOkp(jwk, out);
  } else if (type == "oct") {
    out.secret = BW_TRY(Member(jwk, "k", "symmetricKey"));
  } else {
    return Wrong("invalid key type from JSON (" + std::string(type) + ")");
  }
  if (!read) return std::move(read).error();
  return out;
}

}  // namespace

bool IsTokenAlgorithm(std::string_view name) {
  return std::find(std::begin(kAlgorithms), std::end(kAlgorithms), name) != std::end(kAlgorithms);
}

crypto::Hash TokenHash(std::string_view algorithm) {
  if (algorithm.ends_with("384")) return crypto::Hash::kSha384;
  if (algorithm.ends_with("512")) return crypto::Hash::kSha512;
  return crypto::Hash::kSha256;
}

Result<TokenKeys> ParseJwks(std::string_view json) {
  auto wrong = [](std::string message) {
    return Error(Code::kInvalid, "jwk.Parse: " + std::move(message));
  };
  Arena arena;
  auto no_key = [&](const std::string& message) {
    return wrong(
        "failed to parse sole key: jwk.ParseKey: jwk.Parse: failed to probe data: probe: failed "
        "to unmarshal data: " +
        message);
  };
  Result<Value> document = ParseFirstGoJson(json, arena);
  if (!document) return no_key(document.error().message());
  if (!document->IsMap() && !document->IsNull()) {
    std::string_view kind = document->IsBool() ? "bool" : TypeName(*document);
    return no_key("json: cannot unmarshal " + std::string(kind) +
                  " into Go value of type struct { Kty string \"json:\\\"kty\\\"\"; D "
                  "json.RawMessage \"json:\\\"d,omitempty\\\"\" }");
  }
  TokenKeys keys;
  if (const Value* list = document->Find("keys")) {
    if (!list->IsArray()) {
      return wrong("failed to unmarshal JWK set: failed to decode \"keys\": expected '['");
    }
    if (list->size() > kMaxKeys) {
      return wrong("failed to unmarshal JWK set: too many keys in \"keys\" array: max 1000");
    }
    for (const Value& item : list->items()) {
      Result<TokenKey> key = ReadKey(item);
      if (!key) {
        return wrong("failed to unmarshal JWK set: failed to decode key #" +
                     std::to_string(keys.size()) + " in \"keys\": " + key.error().message());
      }
      keys.push_back(*std::move(key));
    }
    return keys;
  }
  Result<TokenKey> key = ReadKey(*document);
  if (!key) return wrong("failed to parse sole key: " + key.error().message());
  keys.push_back(*std::move(key));
  return keys;
}

Result<TokenKeys> ParseTokenKeys(std::string_view text) {
  auto wrong = [](std::string message) { return Error(Code::kInvalid, std::move(message)); };
  if (text.size() > kMaxText) return wrong("key too long");
  std::string_view rest;
  if (std::optional<PemBlock> block = DecodePem(text, &rest)) {
    if (!rest.empty()) return wrong("extra data after a PEM certificate block");
    TokenKey key;
    if (block->type == "CERTIFICATE") {
      Arena arena;
      Result<std::vector<X509Certificate>> certificates =
          ParseX509Certificates(block->bytes, arena);
      if (!certificates || certificates->size() != 1) {
        return wrong("failed to parse a PEM certificate: " +
                     (!certificates           ? certificates.error().message()
                      : certificates->empty() ? "x509: malformed certificate"
                                              : "x509: trailing data"));
      }
      if (Result<crypto::AnyPublicKey> made =
              crypto::AnyPublicKey::FromDer(certificates->front().raw_spki)) {
        key.public_key = *std::move(made);
      }
    } else if (block->type == "PUBLIC KEY") {
      Result<crypto::AnyPublicKey> made = crypto::AnyPublicKey::FromDer(block->bytes);
      if (!made) return wrong("failed to parse a PEM public key: asn1: structure error");
      key.public_key = *std::move(made);
    } else {
      return wrong("failed to extract a Key from the PEM certificate");
    }
    TokenKeys keys;
    keys.push_back(std::move(key));
    return keys;
  }
  Result<TokenKeys> keys = ParseJwks(text);
  if (!keys) {
    return wrong("failed to parse a JWK key (set): jwk.ParseString: failed to parse string: " +
                 keys.error().message());
  }
  // Those for other purposes do not count.
  std::erase_if(*keys, [](const TokenKey& key) {
    return !key.algorithm.empty() && !IsTokenAlgorithm(key.algorithm);
  });
  return keys;
}

}  // namespace bulwark::rego
