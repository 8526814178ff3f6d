#pragma once

// AES-256-GCM (NIST SP 800-38D) over whole texts: what is sealed can be neither read nor changed
// without the key, and opens only together with the same associated data.
//
//   std::string sealed = Seal(key, secret, "clusters/7/kubeconfig");
//   Result<std::string> secret = Open(key, sealed, "clusters/7/kubeconfig");
//
// A sealed text is nonce (12 random bytes), ciphertext, tag (16 bytes). Random nonces are good for
// 2^32 texts a key. Pure functions: safe from any thread.
//
// Errors of Open: seal.broken kDenied: another key, other associated data, or changed bytes; which
// of them cannot be known.

#include <string>
#include <string_view>

#include "base/result.h"

namespace bulwark::crypto {

inline constexpr size_t kSealKeyBytes = 32;
inline constexpr size_t kSealNonceBytes = 12;
inline constexpr size_t kSealTagBytes = 16;
inline constexpr size_t kSealOverhead = kSealNonceBytes + kSealTagBytes;

// `key` has kSealKeyBytes; another length is our own bug. At most 1 GiB of text.
std::string Seal(std::string_view key, std::string_view plaintext, std::string_view associated);
Result<std::string> Open(std::string_view key, std::string_view sealed,
                         std::string_view associated);

// Seal() with a nonce of the caller's: one that comes twice under a key gives away both texts. For
// test vectors.
std::string SealWithNonce(std::string_view key, std::string_view nonce, std::string_view plaintext,
                          std::string_view associated);

}  // namespace bulwark::crypto
