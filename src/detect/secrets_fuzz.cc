#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "detect/secrets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string_view name = text.substr(0, text.find('\n'));
  for (const auto& found : bulwark::detect::FindSecrets(text)) {
    BW_CHECK(found.begin <= found.end && found.end <= text.size());
  }
  (void)bulwark::detect::FindSecretValue(name, text);
  return 0;
}
