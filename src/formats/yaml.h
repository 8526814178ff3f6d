#pragma once

// YAML → Value, with the meaning that kubectl gives the same text.
//
// The syntax is libyaml's (YAML 1.1); scalars mean what sigs.k8s.io/yaml makes of them on the way
// to JSON and Kubernetes of the JSON:
//   - plain y, yes, on, n, no, off (also Yes, YES …) and true, false are bools; ~, null and nothing
//     at all are null; 017 and 0o17 are 15, 0x1F, 0b101, 1_000 are ints; 08 is 8; 1:30 is a string;
//   - numbers past uint64 are doubles; a double without fraction (1.0, 1e3) that an int64 holds is
//   an
//     int; .inf and .nan are errors (yaml.not_finite), for JSON has none;
//   - dates are strings; !!binary is decoded into a string; other tags of strangers leave a string;
//   - keys become strings: 8080, true and 1.5 are "8080", "true", "1.5"; null, a map or a sequence
//     as a key is an error (yaml.key);
//   - a key that stands twice: the last wins, or an error (duplicate_keys);
//   - `<<` merges in its place: entries after it win over it, and it wins over those before.
// Only one document is read; more of them in the same text is an error (yaml.trailing), where
// kubectl would pass over them in silence. An empty text is null.
//
// Aliases share the memory of what they stand for, so that a text of n bytes never takes more than
// O(n) memory; what an alias stands for still counts (max_alias_nodes, yaml.alias_bomb), because
// whoever walks the Value sees all of it.
//
// Errors carry the arguments "line" and "column" (in bytes). Their ids: yaml.syntax yaml.utf8
// yaml.utf16 yaml.control yaml.tag yaml.key yaml.duplicate_key yaml.alias yaml.alias_bomb
// yaml.merge yaml.not_finite yaml.trailing yaml.too_deep yaml.too_big yaml.separator.

#include <string_view>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "formats/source_map.h"

namespace bulwark {

struct YamlOptions {
  size_t max_depth = 500;                // containers within each other, aliases counted in full
  size_t max_bytes = size_t{256} << 20;  // at most 1 GiB
  size_t max_alias_nodes = 400'000;      // nodes that all aliases and merges stand for
  bool duplicate_keys = true;            // false: an error, as kubectl's strict validation
  // Maps without the entries whose value is null: what the API server makes of them. A key that
  // stands twice counts by its last value that is not null.
  bool drop_nulls = false;
  // Strings may be views of the text, which must last as long as the arena then.
  bool borrow_text = false;
  Origin origin;  // where the text begins within its file
};

Result<Value> ParseYaml(std::string_view text, Arena& arena, const YamlOptions& options = {},
                        SourceMap* positions = nullptr);

namespace yaml {
// The same by libyaml alone, without the scanner that reads what is usual faster (yaml_block.h).
// For tests, which compare the two.
Result<Value> ParseWithLibyaml(std::string_view text, Arena& arena, const YamlOptions& options = {},
                               SourceMap* positions = nullptr);
}  // namespace yaml

// The documents of a stream, divided as Kubernetes' own reader does: at lines that begin with ---,
// after which only spaces and a comment may stand. It knows nothing of YAML otherwise: such a line
// in a block scalar divides too. Text before the first separator, and between two, may be empty of
// content; such a document is null. CRLF is a line break.
//
//   YamlDocuments documents(text);
//   while (documents.More()) {
//     YamlDocument document = BW_TRY(documents.Next());
//     options.origin = document.origin;
//     Value v = BW_TRY(ParseYaml(document.text, arena, options));
struct YamlDocument {
  std::string_view text;
  Origin origin;
};

class YamlDocuments {
 public:
  explicit YamlDocuments(std::string_view text, Origin origin = {});
  bool More() const { return more_; }
  // An error (yaml.separator) where something else follows the ---. It ends the stream.
  Result<YamlDocument> Next();

 private:
  struct Separator {
    size_t begin, end;  // the line, with its line break
  };
  // The first separator line at or after `from`, which is the beginning of a line.
  bool FindSeparator(size_t from, Separator& out) const;
  void Advance(size_t to);

  std::string_view text_;
  Origin origin_;  // of text_
  size_t at_ = 0;  // where the next document begins
  uint32_t line_;  // its line
  bool more_ = false;
};

// What a plain scalar means by the rules above; a string where nothing else. The text is not
// copied.
Value ResolveYamlScalar(std::string_view plain);

}  // namespace bulwark
