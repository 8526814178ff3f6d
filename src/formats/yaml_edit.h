#pragma once

// Edits of a YAML or JSON document that leave everything else as it was typed: comments, quotes,
// indentation, the order of keys, line breaks.
//
//   const DocumentEdit edits[] = {
//       {DocumentEdit::kSet, *ParsePath("spec.containers[0].securityContext.privileged"),
//        Value::Bool(false)},
//       {DocumentEdit::kRemove, *ParsePath("spec.hostNetwork"), {}},
//       {DocumentEdit::kAppend, *ParsePath("spec.containers[0].securityContext.capabilities.drop"),
//        Value::String("ALL")},
//   };
//   std::string edited = BW_TRY(EditYaml(text, edits));
//
// What is missing on the way is made, with the indentation of its surroundings. Flow collections,
// and so JSON, are extended where they stand. A comment inside of what is replaced or removed goes
// with it; no other does.
//
// No wrong text comes out: after each edit the text is read again and compared with the edit done
// to the Value (yaml_edit.failed where they differ). Refused, because it would change other places
// too: what is under an alias, under an anchor that an alias refers to, or merged with <<
// (yaml_edit.shared). Other ids: yaml_edit.path (no such place, or of another kind),
// yaml_edit.unsupported (explicit `?` keys, a key that stands twice, values that YAML cannot
// spell), and those of ParseYaml.
//
// Work: one reading of the text an edit, and one more.

#include <span>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/path.h"
#include "base/result.h"
#include "base/value.h"
#include "formats/yaml.h"

namespace bulwark {

struct DocumentEdit {
  enum Kind : uint8_t {
    // Puts `value` at the path. An index one past the end of an array adds to it.
    kSet,
    // Takes away a key with its value, or an item. kNotFound if it is not there.
    kRemove,
    // Adds `value` to the end of the array at the path, which is made if there is none.
    kAppend,
  };
  Kind kind = kSet;
  Path path;
  Value value;
};

// `text` is one document (YamlDocuments divides a stream), with or without its `---`.
Result<std::string> EditYaml(std::string_view text, std::span<const DocumentEdit> edits,
                             const YamlOptions& options = {});

// The same edit done to a Value; what is unchanged is shared with `root`.
Result<Value> ApplyEdit(const Value& root, const DocumentEdit& edit, Arena& arena);

}  // namespace bulwark
