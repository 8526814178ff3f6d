#pragma once

// JSON and YAML as `gator test` writes them: what Go's encoding/json (MarshalIndent, four spaces)
// and go.yaml.in/yaml/v3 make of the same data, byte for byte, so that people's scripts and golden
// files hold.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/value.h"

namespace bulwark::admission {

// A tree whose maps are either Go structs (fields in their order) or Go maps (keys sorted).
struct GoNode {
  // Leaves and maps of data.
  explicit GoNode(Value of, bool float_numbers = false) : value(of), floats(float_numbers) {}
  static GoNode Struct() {
    GoNode out{Value()};
    out.kind = Kind::kStruct;
    return out;
  }
  static GoNode List() {
    GoNode out{Value()};
    out.kind = Kind::kList;
    return out;
  }
  GoNode& Add(std::string_view name, GoNode node) {
    fields.emplace_back(std::string(name), std::move(node));
    return *this;
  }
  void Append(GoNode node) { fields.emplace_back("", std::move(node)); }

  enum class Kind : uint8_t { kData, kStruct, kList };
  Kind kind = Kind::kData;
  Value value;
  bool floats = false;  // YAML: numbers went through float64
  std::vector<std::pair<std::string, GoNode>> fields;
};

// No line break at the end.
std::string ToGoJson(const GoNode& node);
// Ends with a line break.
std::string ToGoYaml(const GoNode& node);
// The same, within something larger: `depth` levels of four spaces; an item ("- …") of a list at
// `indent`.
void AppendGoJson(std::string& out, const GoNode& node, int depth);
void AppendGoYamlItem(std::string& out, const GoNode& node, int indent);

}  // namespace bulwark::admission
