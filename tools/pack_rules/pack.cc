// pack_rules CHECKS.json CASES.json FILE.yaml…: joins the files of rules/ into what is embedded in
// the program, variants expanded: {"files": {name: content}} without the checks' cases, and the
// cases beside it as {name: [cases of the first check, …]}, which only `bulwark checks test` reads.

#include <cstdio>
#include <filesystem>

#include "base/files.h"
#include "features/posture/variants.h"
#include "formats/json.h"
#include "formats/yaml.h"

namespace bulwark {
namespace {

Result<> Pack(const std::vector<std::string>& args) {
  Arena arena;
  MapBuilder files(arena), all_cases(arena);
  for (size_t i = 2; i < args.size(); ++i) {
    std::string name =
        arena
            .Own<std::string>(std::filesystem::path(args[i]).parent_path().filename().string() +
                              "/" + std::filesystem::path(args[i]).filename().string())
            ->c_str();
    std::string_view text = *arena.Own<std::string>(BW_TRY(ReadFile(args[i])));
    auto root = ParseYaml(text, arena, {.duplicate_keys = false});
    if (!root) return std::move(root).error().While(args[i]);
    std::vector<Value> checks, cases;
    for (const Value& written : (*root)["checks"].items()) {
      for (const Value& check : posture::ExpandVariants(written, arena)) {
        MapBuilder map(arena, check.size());
        Value own;
        for (const auto& [key, value] : check.entries()) {
          if (key == Value::String("cases")) {
            own = value;
          } else {
            map.Add(key, value);
          }
        }
        checks.push_back(map.Finish());
        cases.push_back(own);
      }
    }
    MapBuilder file(arena);
    for (const auto& [key, value] : root->entries()) {
      file.Add(key, key == Value::String("checks") ? Value::Array(arena, checks) : value);
    }
    files.Add(Value::String(arena, name), file.Finish());
    all_cases.Add(Value::String(arena, name), Value::Array(arena, cases));
  }
  Value packed = MapBuilder(arena).Add("files", files.Finish()).Finish();
  BW_TRY(WriteFileAtomic(args[0], ToJson(packed), 0644));
  return WriteFileAtomic(args[1], ToJson(all_cases.Finish()), 0644);
}

}  // namespace
}  // namespace bulwark

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: pack_rules CHECKS.json CASES.json FILE.yaml...\n");
    return 2;
  }
  auto done = bulwark::Pack({argv + 1, argv + argc});
  if (!done) std::fprintf(stderr, "pack_rules: %s\n", done.error().ToString().c_str());
  return done ? 0 : 1;
}
