// The scanner of usual YAML beside libyaml: where both read a text, value and positions are equal;
// where libyaml fails, so does ParseYaml, with the same words.

#include <cstdint>

#include "base/check.h"
#include "formats/yaml_compare.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (bool drop_nulls : {false, true}) {
    std::string difference = bulwark::yaml::CompareStream(text, drop_nulls);
    BW_CHECK(difference.empty());
  }
  return 0;
}
