// A PHC string that is taken must be written the same way again.

#include <cstdint>

#include "base/check.h"
#include "crypto/password.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;          // NOLINT
  using namespace bulwark::crypto;  // NOLINT
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Result<PasswordHash> hash = ParsePasswordHash(text);
  if (!hash) {
    BW_CHECK(!hash.error().message().empty());
    return 0;
  }
  BW_CHECK(hash->cost.memory_kib <= 1024 * 1024 && hash->cost.passes <= 16);
  BW_CHECK(FormatPasswordHash(*hash) == text);
  return 0;
}
