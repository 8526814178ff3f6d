#pragma once

// A YAML document as it is typed: nodes with their style and their place, which the Value does not
// keep. Internal to formats/yaml_edit.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/yaml.h"

namespace bulwark::yaml {

struct TreeNode {
  enum Kind : uint8_t { kScalar, kMap, kSequence, kAlias } kind = kScalar;
  enum Style : uint8_t { kPlain, kSingleQuoted, kDoubleQuoted, kBlockScalar, kBlock, kFlow };
  Style style = kPlain;
  bool tagged = false;  // has a tag or an anchor, with which `begin` begins
  bool shared = false;  // has an anchor that an alias refers to
  bool merges = false;  // a map with the key <<
  bool null = false;    // a scalar that means null
  bool keeps = false;   // its last line breaks count: it ends with a block scalar of |+ or >+
  uint32_t begin = 0;
  // One past the last byte; of a block collection, of its last child; of a block scalar, without
  // the line breaks after it (unless it keeps them).
  uint32_t end = 0;
  std::string key;                // of a scalar: its text as a key of JSON
  std::vector<int32_t> children;  // items; or key, value, key, value
};

struct Tree {
  std::vector<TreeNode> nodes;  // the root last; a node after its children
  const TreeNode& root() const { return nodes.back(); }
  const TreeNode& at(int32_t index) const { return nodes[static_cast<size_t>(index)]; }
};

// The text must be one that ParseYaml takes.
Result<Tree> ReadTree(std::string_view text, const YamlOptions& options);

}  // namespace bulwark::yaml
