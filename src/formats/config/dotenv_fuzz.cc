#include "formats/config/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return bulwark::FuzzConfig(bulwark::ConfigFormat::kDotenv, data, size);
}
