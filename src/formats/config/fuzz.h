#pragma once

// What the fuzz targets of this folder have in common: whatever reads must be written as JSON and
// read again as the same.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "formats/config/config.h"
#include "formats/json.h"

namespace bulwark {

inline int FuzzConfig(ConfigFormat format, const uint8_t* data, size_t size) {
  Arena arena;
  auto value = ParseConfig(format, {reinterpret_cast<const char*>(data), size}, arena,
                           {.max_bytes = size_t{1} << 20});
  if (!value) {
    BW_CHECK(!value.error().message().empty());
    return 0;
  }
  std::string written = ToJson(*value);
  auto again = ParseJson(written, arena);
  BW_CHECK(again.has_value());
  BW_CHECK(ToJson(*again) == written);
  return 0;
}

}  // namespace bulwark
