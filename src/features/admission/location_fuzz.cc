// Any text as a location: what parses prints, and parses again to the same.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "features/admission/location.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark::admission;
  auto location = ParseLocation(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!location) return 0;
  auto again = ParseLocation(location->ToString());
  BW_CHECK(again.has_value());
  BW_CHECK(again->nodes == location->nodes);
  std::pair<Location, PathCondition> test(*location, PathCondition::kMustExist);
  BW_CHECK(PathTester::Create(*location, std::span(&test, 1)).has_value());
  return 0;
}
