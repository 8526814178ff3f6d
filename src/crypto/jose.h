#pragma once

// JSON Web Signatures, Tokens and Keys (RFC 7515, 7517, 7518, 7519, 8037), compact serialisation,
// public-key algorithms only: RS256/384/512, PS256/384/512, ES256/384/512, EdDSA (Ed25519). `none`
// and the HMAC algorithms are refused whatever the caller allows: a public key is no secret. An
// algorithm must fit its key, and what the key itself says of its use; headers with `crit` are
// refused, as no extension is understood; `jwk`, `jku` and `x5c` in a header are never followed.
//
//   Jwks keys = BW_TRY(Jwks::Parse(json));
//   Jwt token = BW_TRY(VerifyJwt(text, keys, {.issuer = "https://id.example", .audience = "ui"}));
//   token.claims.StringAt("sub");
//
// Pure functions: safe from any thread.
//
// Errors: jwt.malformed kInvalid; jwt.algorithm kDenied; jwt.key kNotFound (no key of that id: the
// issuer may have new ones, fetch them again); jwt.signature, jwt.expired, jwt.not_yet, jwt.issuer,
// jwt.audience, jwt.claims kDenied; jwks.malformed kInvalid. None of them has the token in it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/time.h"
#include "base/value.h"
#include "crypto/keys.h"

namespace bulwark::crypto {

struct Jwk {
  PublicKey key;
  std::string id;         // kid; may be empty
  std::string algorithm;  // alg; empty: any that fits
};

class Jwks {
 public:
  // A JSON Web Key Set, at most 1 MiB and 100 keys. Keys for encryption and of types that are not
  // known are passed over, as RFC 7517 section 5 asks; malformed and weak ones too, counted.
  static Result<Jwks> Parse(std::string_view json);
  explicit Jwks(std::vector<Jwk> keys) : keys_(std::move(keys)) {}
  const std::vector<Jwk>& keys() const { return keys_; }
  size_t passed_over() const { return passed_over_; }

 private:
  std::vector<Jwk> keys_;
  size_t passed_over_ = 0;
};

// One key as JSON, with `kid` and `use":"sig"`.
std::string ToJwk(const PublicKey& key, std::string_view id);

// Header and payload of a token whose signature is right. The Values live in `arena`.
struct Jwt {
  Arena arena;
  Value header, claims;
  std::string algorithm, key_id;
};

struct JwtOptions {
  // Of those above; empty: all of them.
  std::vector<std::string> algorithms;
  std::string issuer;    // `iss` must be that; empty: not looked at
  std::string audience;  // `aud` must be or contain that; empty: not looked at
  std::optional<Timestamp> now;
  Nanos leeway = std::chrono::seconds(60);
  bool require_expiry = true;
  size_t max_bytes = size_t{64} << 10;
};

// The signature, then `exp`, `nbf`, `iat` (not in the future), `iss`, `aud`.
Result<Jwt> VerifyJwt(std::string_view token, const Jwks& keys, const JwtOptions& options);

// A signature alone, over any payload: the payload.
Result<std::string> VerifyJws(std::string_view token, const Jwks& keys,
                              const std::vector<std::string>& algorithms = {},
                              size_t max_bytes = size_t{64} << 10);

// Header and claims as they are claimed to be, of a token that nobody has checked: to know whom to
// ask, never to believe.
Result<Jwt> ReadUnverifiedJwt(std::string_view token, size_t max_bytes = size_t{64} << 10);

// `payload` is the JSON of the claims; "typ" is JWT.
Result<std::string> SignJwt(const PrivateKey& key, std::string_view algorithm,
                            std::string_view key_id, std::string_view payload);

}  // namespace bulwark::crypto
