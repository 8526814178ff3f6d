// Any text: no crash, positions within the text, and a value that JSON can hold.

#include <cstdint>

#include "base/check.h"
#include "formats/json.h"
#include "formats/yaml.h"

namespace {

using namespace bulwark;  // NOLINT

void CheckPositions(const Value& value, const SourceMap& positions, size_t size, int depth) {
  auto check = [&](const Value* slot) {
    auto at = positions.Of(slot);
    BW_CHECK(at.has_value());
    BW_CHECK(at->offset <= at->end && at->end <= size);
    if (depth < 8) CheckPositions(*slot, positions, size, depth + 1);
  };
  for (const Value& item : value.items()) check(&item);
  for (const Value::Entry& entry : value.entries()) {
    BW_CHECK(positions.KeyOf(&entry.value).has_value());
    check(&entry.value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  YamlDocuments documents(text);
  while (documents.More()) {
    Result<YamlDocument> document = documents.Next();
    if (!document) break;
    Arena arena;
    SourceMap positions;
    YamlOptions options{.max_alias_nodes = 5000, .origin = document->origin};
    Result<Value> value = ParseYaml(document->text, arena, options, &positions);
    if (!value) continue;
    CheckPositions(*value, positions, size, 0);
    Result<std::string> json = ToStrictJson(*value);
    BW_CHECK(json.has_value());
    Result<Value> again = ParseJson(*json, arena);
    BW_CHECK(again.has_value());
    BW_CHECK(ToJson(*again) == *json);
  }
  return 0;
}
