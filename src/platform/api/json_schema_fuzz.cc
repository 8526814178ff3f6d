// A schema and a value, a line each: whatever they are, compiling and checking end.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/text.h"
#include "formats/json.h"
#include "platform/api/json_schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 20'000) return 0;
  auto lines = bulwark::Cut({reinterpret_cast<const char*>(data), size}, "\n");
  if (!lines) return 0;
  bulwark::api::JsonSchemas schemas;
  if (!schemas.Add("A", lines->first)) return 0;
  bulwark::Arena arena;
  auto value = bulwark::ParseJson(lines->second, arena, {.max_depth = 64});
  if (value) BW_CHECK(schemas.Check("A", *value, 20).size() <= 20);
  return 0;
}
