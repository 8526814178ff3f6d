// Any bytes are a baseline or an error, and the ids of a baseline are those that it holds.

#include <cstdint>

#include "base/check.h"
#include "model/output/output.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;  // NOLINT
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto ids = output::ReadBaseline(text);
  if (!ids) BW_CHECK(!ids.error().message().empty());
  return 0;
}
