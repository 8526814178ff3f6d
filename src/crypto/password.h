#pragma once

// Passwords at rest: Argon2id (RFC 9106), as PHC strings
//
//   $argon2id$v=19$m=65536,t=3,p=4$<salt>$<hash>          base64 without padding
//
// New hashes take the second recommended option of RFC 9106 section 4: 64 MiB, 3 passes, 4 lanes,
// 128 bits of salt, 256 bits of hash. A hash with less, or of fewer bits, still verifies, and the
// verdict then brings a new one to store instead.
//
//   PasswordVerdict verdict = BW_TRY(VerifyPassword(user.password_hash, given));
//   if (!verdict.matches) …refuse…
//   if (!verdict.upgraded.empty()) …store it…
//
// One call takes some tens of milliseconds and 64 MiB for as long: bound how many run at once.
// Where there is no such user, verify against DecoyPasswordHash(), which takes as long and never
// matches. Pure functions: safe from any thread.
//
// Errors: password.too_long kLimit (more than 1024 bytes), password.hash kInvalid (no PHC string of
// ours, or with parameters past the limits), password.memory kUnavailable.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bulwark::crypto {

inline constexpr size_t kMaxPasswordBytes = 1024;

struct PasswordCost {
  uint32_t memory_kib = 64 * 1024;
  uint32_t passes = 3;
  uint32_t lanes = 4;
  friend bool operator==(const PasswordCost&, const PasswordCost&) = default;
};

// What a PHC string says.
struct PasswordHash {
  PasswordCost cost;
  std::string salt, hash;  // raw bytes
};

// Strict: argon2id, version 19, the three parameters in their order. Limits, so that a forged
// string cannot take the machine: 1 GiB, 16 passes, 16 lanes, salts of 8 to 64 and hashes of 16 to
// 64 bytes.
Result<PasswordHash> ParsePasswordHash(std::string_view phc);
std::string FormatPasswordHash(const PasswordHash& hash);

Result<std::string> HashPassword(std::string_view password, const PasswordCost& cost = {});

struct PasswordVerdict {
  bool matches = false;
  // Where it matches and the stored hash is weaker than `wanted`: a new one to store.
  std::string upgraded;
};
Result<PasswordVerdict> VerifyPassword(std::string_view phc, std::string_view password,
                                       const PasswordCost& wanted = {});

// The hash of nothing that anybody knows, made once a process.
const std::string& DecoyPasswordHash();

}  // namespace bulwark::crypto
