#include "crypto/password.h"

#include <argon2.h>
#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "base/hash.h"
#include "base/text.h"
#include "crypto/random.h"

namespace bulwark::crypto {
namespace {

constexpr uint32_t kMaxMemoryKib = 1024 * 1024, kMaxPasses = 16, kMaxLanes = 16;
constexpr size_t kMinSalt = 8, kMaxSalt = 64, kMinHash = 16, kMaxHash = 64;
constexpr size_t kNewSalt = 16, kNewHash = 32;

Error Malformed(std::string_view why) {
  return {Code::kInvalid,
          "password.hash",
          fmt::format("not a password hash: {}", why),
          {{"why", std::string(why)}}};
}

// "m=65536" → 65536; decimal, without sign and leading zeros.
std::optional<uint32_t> Parameter(std::string_view text, std::string_view name) {
  if (!text.starts_with(name) || text.size() <= name.size() || text[name.size()] != '=') return {};
  text.remove_prefix(name.size() + 1);
  if (text.empty() || text[0] < '1' || text[0] > '9') return {};
  uint32_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

Result<std::string> Derive(std::string_view password, std::string_view salt,
                           const PasswordCost& cost, size_t bytes) {
  if (password.size() > kMaxPasswordBytes) {
    return Error(Code::kLimit, "password.too_long",
                 fmt::format("the password has more than {} bytes", kMaxPasswordBytes),
                 {{"limit", fmt::to_string(kMaxPasswordBytes)}});
  }
  std::string out(bytes, '\0');
  int status = argon2id_hash_raw(cost.passes, cost.memory_kib, cost.lanes, password.data(),
                                 password.size(), salt.data(), salt.size(), out.data(), out.size());
  if (status == ARGON2_OK) return out;
  if (status == ARGON2_MEMORY_ALLOCATION_ERROR || status == ARGON2_THREAD_FAIL) {
    return Error(Code::kUnavailable, "password.memory",
                 fmt::format("not enough memory or threads to hash a password: {}",
                             argon2_error_message(status)));
  }
  return Malformed(argon2_error_message(status));
}

bool Weaker(const PasswordHash& hash, const PasswordCost& wanted) {
  return hash.cost.memory_kib < wanted.memory_kib || hash.cost.passes < wanted.passes ||
         hash.salt.size() < kNewSalt || hash.hash.size() < kNewHash;
}

}  // namespace

Result<PasswordHash> ParsePasswordHash(std::string_view phc) {
  if (phc.size() > 512) return Malformed("too long");
  std::vector<std::string_view> parts = Split(phc, '$');
  if (parts.size() != 6 || !parts[0].empty()) return Malformed("not five fields after '$'");
  if (parts[1] != "argon2id") return Malformed("not argon2id");
  if (parts[2] != "v=19") return Malformed("not version 19");
  std::vector<std::string_view> parameters = Split(parts[3], ',');
  if (parameters.size() != 3) return Malformed("not the parameters m, t, p");
  auto memory = Parameter(parameters[0], "m"), passes = Parameter(parameters[1], "t"),
       lanes = Parameter(parameters[2], "p");
  if (!memory || !passes || !lanes) return Malformed("not the parameters m, t, p");
  if (*memory > kMaxMemoryKib || *passes > kMaxPasses || *lanes > kMaxLanes) {
    return Malformed("parameters past the limits");
  }
  if (*memory < 8 * *lanes) return Malformed("less than 8 KiB a lane");
  PasswordHash out{.cost = {*memory, *passes, *lanes}};
  out.salt = BW_TRY(Base64Decode(parts[4], Base64::kStandard, Padding::kNo));
  out.hash = BW_TRY(Base64Decode(parts[5], Base64::kStandard, Padding::kNo));
  if (out.salt.size() < kMinSalt || out.salt.size() > kMaxSalt) return Malformed("salt's length");
  if (out.hash.size() < kMinHash || out.hash.size() > kMaxHash) return Malformed("hash's length");
  return out;
}

std::string FormatPasswordHash(const PasswordHash& hash) {
  return fmt::format("$argon2id$v=19$m={},t={},p={}${}${}", hash.cost.memory_kib, hash.cost.passes,
                     hash.cost.lanes, Base64Encode(hash.salt, Base64::kStandard, Padding::kNo),
                     Base64Encode(hash.hash, Base64::kStandard, Padding::kNo));
}

Result<std::string> HashPassword(std::string_view password, const PasswordCost& cost) {
  PasswordHash made{.cost = cost, .salt = RandomBytes(kNewSalt)};
  made.hash = BW_TRY(Derive(password, made.salt, cost, kNewHash));
  return FormatPasswordHash(made);
}

Result<PasswordVerdict> VerifyPassword(std::string_view phc, std::string_view password,
                                       const PasswordCost& wanted) {
  PasswordHash stored = BW_TRY(ParsePasswordHash(phc));
  std::string derived = BW_TRY(Derive(password, stored.salt, stored.cost, stored.hash.size()));
  PasswordVerdict verdict{.matches = ConstantTimeEquals(derived, stored.hash)};
  if (verdict.matches && Weaker(stored, wanted)) {
    verdict.upgraded = BW_TRY(HashPassword(password, wanted));
  }
  return verdict;
}

const std::string& DecoyPasswordHash() {
  static const std::string decoy = FormatPasswordHash(
      {.cost = {}, .salt = RandomBytes(kNewSalt), .hash = RandomBytes(kNewHash)});
  return decoy;
}

}  // namespace bulwark::crypto
