#pragma once

// Keys that tokens are checked and signed with: PEM certificates and public keys, JSON Web Keys and
// sets of them (RFC 7517, 7518, 8037), as OPA takes them.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/signature.h"

namespace bulwark::rego {

struct TokenKey {
  std::string algorithm;  // alg; may be empty
  std::string id;         // kid; may be empty
  // Whichever it is. A private key also has its public half.
  std::optional<crypto::AnyPublicKey> public_key;
  std::optional<crypto::AnyPrivateKey> private_key;
  std::optional<std::string> secret;  // "oct"
};
using TokenKeys = std::vector<TokenKey>;

// A certificate or public key as PEM, a JWK, or a JWKS.
Result<TokenKeys> ParseTokenKeys(std::string_view text);
// A JWK or JWKS. Messages begin with "jwk.Parse: ".
Result<TokenKeys> ParseJwks(std::string_view json);

// "RS256" …
bool IsTokenAlgorithm(std::string_view name);
// The hash of one; EdDSA has none that is said.
crypto::Hash TokenHash(std::string_view algorithm);

}  // namespace bulwark::rego
