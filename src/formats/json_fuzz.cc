// Whatever reads as JSON must be written, read again, and written the same.

#include <cstdint>

#include "base/check.h"
#include "formats/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;  // NOLINT
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Arena arena;
  SourceMap positions;
  Result<Value> value = ParseJson(text, arena, {}, &positions);
  if (!value) {
    BW_CHECK(!value.error().message().empty());
    return 0;
  }
  BW_CHECK(positions.Root().end <= size);
  for (int indent : {0, 2}) {
    std::string written = ToJson(*value, {.indent = indent});
    Result<Value> again = ParseJson(written, arena);
    BW_CHECK(again.has_value());
    BW_CHECK(ToJson(*again, {.indent = indent}) == written);
  }
  JsonLines lines(text);
  while (lines.More()) (void)lines.Next(arena);
  return 0;
}
