// Any JSON, validated for the target that its first byte names.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "formats/json.h"
#include "kube/schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;
  if (size == 0) return 0;
  Arena arena;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Result<Value> object = ParseJson(text, arena, {.max_depth = 200});
  if (!object) return 0;
  std::vector<kube::SchemaProblem> problems;
  kube::Schemas::BuiltIn().Validate(*object, data[0], {.deprecated = true, .required = true},
                                    problems);
  return 0;
}
