#pragma once

// Values spelled as YAML: what yaml_edit puts into a text. Internal to it.

#include <string>
#include <string_view>

#include "base/value.h"

namespace bulwark::yaml {

enum class Quotes { kAsNeeded, kSingle, kDouble };

struct RenderStyle {
  int width = 2;                  // of one level of indentation
  bool indent_sequences = false;  // `- ` further in than the key above it
  bool json = false;              // flow collections with quoted keys and strings
  std::string_view newline = "\n";
};

// What stands on one line: a scalar, {} or [].
bool IsInline(const Value& value);
// `flow`: within a flow collection, where , [ ] { } end a plain scalar.
std::string RenderScalar(const Value& value, Quotes quotes, bool flow);
std::string RenderKey(std::string_view key, Quotes quotes, bool flow);
// A collection in flow style. With `lines`, each entry of a collection that is not empty stands on
// a line of its own, `indent` being that of the closing bracket.
std::string RenderFlow(const Value& value, const RenderStyle& style, bool lines, size_t indent);
// A collection that is not empty in block style: lines at `indent`, without the first one's
// indentation and the last one's line break.
std::string RenderBlock(const Value& value, const RenderStyle& style, size_t indent);
// "key: value" in block style; what follows the first line is indented for a key at `indent`.
std::string RenderBlockEntry(std::string_view key, const Value& value, const RenderStyle& style,
                             size_t indent);
// "- value"; the dash is at `indent`.
std::string RenderBlockItem(const Value& value, const RenderStyle& style, size_t indent);

}  // namespace bulwark::yaml
