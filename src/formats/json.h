#pragma once

// JSON (RFC 8259) ↔ Value.
//
// Reading is strict: the grammar of the RFC and nothing beside it (no comments, no trailing commas,
// no byte order mark), well-formed UTF-8, no lone surrogates, no key twice. Errors name the line
// and column (as message and as arguments "line", "column") and what was expected; their ids are
//   json.syntax  json.utf8  json.duplicate_key  json.too_deep  json.too_big
// Work and memory are linear in the text; nesting takes no stack.
//
// Numbers lose nothing. Without fraction and exponent they become int64, else uint64, else Decimal;
// with one, a double if the double's shortest spelling has the same digits, else Decimal. -0 is a
// double.
// \u0000 is a NUL in the string: strings are not C strings.

#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "formats/source_map.h"

namespace bulwark {

struct JsonOptions {
  size_t max_depth = 1000;
  size_t max_bytes = size_t{1} << 30;  // at most 4 GiB - 1
  bool duplicate_keys = false;         // the last one wins, in the place of the first
  bool drop_nulls = false;             // maps without the entries whose value is null
  // Strings and decimals without escapes are views into the text, which must then outlive the
  // Value; else everything is copied into the arena.
  bool borrow_text = false;
  Origin origin;  // where the text begins within its file
};

Result<Value> ParseJson(std::string_view text, Arena& arena, const JsonOptions& options = {},
                        SourceMap* positions = nullptr);

// One document a line (JSON Lines, ndjson); empty lines are passed over, \r\n is taken for \n.
//
//   JsonLines lines(text);
//   while (lines.More()) {
//     Result<Value> line = lines.Next(arena);  // an error is that line's; the next can be read
//   }
class JsonLines {
 public:
  explicit JsonLines(std::string_view text, JsonOptions options = {})
      : rest_(text), options_(options), next_(options.origin) {
    SkipEmpty();
  }
  bool More() const { return !rest_.empty(); }
  // Call only where there is More().
  Result<Value> Next(Arena& arena, SourceMap* positions = nullptr);
  // Where the line that Next() read last begins.
  Origin origin() const { return options_.origin; }

 private:
  void SkipEmpty();
  void Advance(size_t bytes);

  std::string_view rest_;
  JsonOptions options_;
  Origin next_;
};

struct JsonWriteOptions {
  int indent = 0;          // spaces a level; 0 is compact, on one line
  bool sort_keys = false;  // by bytes
  bool ascii = false;      // \u escapes for everything that is not ASCII
};

// Numbers are written as Go's encoding/json writes them (1.0 is 1, 1e21 is 1e+21); NaN and
// infinities, which JSON cannot hold, as null. Bytes are base64, timestamps RFC 3339, durations
// "3.5s", sets arrays, opaque objects their ToString(). Keys that are no strings are written as the
// text of their JSON. Malformed UTF-8 becomes U+FFFD.
std::string ToJson(const Value& value, const JsonWriteOptions& options = {});
void AppendJson(std::string& out, const Value& value, const JsonWriteOptions& options = {});
// As ToJson, but NaN and infinities are an error: json.not_finite.
Result<std::string> ToStrictJson(const Value& value, const JsonWriteOptions& options = {});
// One JSON string, quoted.
void AppendJsonString(std::string& out, std::string_view text, bool ascii = false);
// A finite double as Go and JavaScript spell it.
void AppendJsonDouble(std::string& out, double number);

// The number that a JSON number token stands for (see above); `token` must be well-formed and, for
// a Decimal, outlive the Value.
Value JsonNumber(std::string_view token);

}  // namespace bulwark
