// The first eight bytes choose edits, the rest is a document. EditYaml checks its own result; here:
// no crash, what it says of an edit holds for its text, and an edit done twice changes nothing
// more.

#include <cstdint>

#include "base/check.h"
#include "formats/json.h"
#include "formats/yaml_edit.h"

namespace {

using namespace bulwark;  // NOLINT

constexpr YamlOptions kOptions{.max_depth = 50, .max_alias_nodes = 5000};

// A place in the document, chosen step by step; perhaps one that is not there.
Path Choose(const Value& root, uint64_t choice) {
  Path path;
  const Value* at = &root;
  for (int depth = 0; depth < 12; ++depth) {
    uint64_t turn = choice % 8;
    choice = choice / 8 + depth * 7;
    if (turn == 7) break;
    if (turn == 6) {
      path.push_back(at->IsArray() ? PathStep::Index(at->size()) : PathStep::Key("new"));
      break;
    }
    if (at->empty()) break;
    if (at->IsMap()) {
      const Value::Entry& entry = at->entries()[(choice + turn) % at->size()];
      path.push_back(PathStep::Key(entry.key.AsString()));
      at = &entry.value;
    } else if (at->IsArray()) {
      size_t index = (choice + turn) % at->size();
      path.push_back(PathStep::Index(index));
      at = &at->items()[index];
    } else {
      break;
    }
  }
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 8) return 0;
  uint64_t choice = 0;
  for (int i = 0; i < 8; ++i) choice = choice << 8 | data[i];
  std::string text(reinterpret_cast<const char*>(data) + 8, size - 8);
  Arena arena;
  const Value values[] = {
      Value::Int(5),
      Value::String("a: text # \n\t\x01'\"é"),
      ParseJson(R"({"k": 1, "l": ["x", {"m": null, "n": {}}], "o": []})", arena).value(),
      ParseJson(R"([1, [2, "no"], {"p": {"q": true}}])", arena).value(),
      Value::EmptyMap(),
      Value::Null(),
  };
  for (int round = 0; round < 3; ++round) {
    Result<Value> before = ParseYaml(text, arena, kOptions);
    if (!before) return 0;
    DocumentEdit edit;
    edit.kind = static_cast<DocumentEdit::Kind>(choice % 3);
    edit.value = values[choice / 3 % std::size(values)];
    choice /= 18;
    edit.path = Choose(*before, choice);
    choice = choice / 64 * 31 + 17;
    Result<std::string> edited = EditYaml(text, std::span(&edit, 1), kOptions);
    if (!edited) continue;
    Result<Value> after = ParseYaml(*edited, arena, kOptions);
    BW_CHECK(after.has_value());
    BW_CHECK(*after == *ApplyEdit(*before, edit, arena));
    if (edit.kind == DocumentEdit::kSet) {
      BW_CHECK(EditYaml(*edited, std::span(&edit, 1), kOptions).value() == *edited);
    }
    text = std::move(*edited);
  }
  return 0;
}
