#pragma once

// Text as OPA prints it: JSON as Go's encoder writes it, tables as its table writer draws them.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/value.h"

namespace bulwark::regocli {

// The value as JSON has it: sets are arrays, keys strings, objects in order of their keys.
Value Plain(const Value& value, Arena& arena);
// JSON as Go writes it (<, > and & escaped), without a line break at the end. Objects keep the
// order of their entries.
std::string GoJson(const Value& value, int indent);

// A table in box-drawing characters; columns are as wide as their widest cell.
struct Table {
  enum class Align { kLeft, kRight };
  std::vector<std::string> header;  // empty: none; centred
  std::vector<std::vector<std::string>> rows;
  std::vector<Align> align;  // of rows, by column; left where it says nothing
  std::string Render() const;
};

// A duration as Go prints it: "1.5s", "20.1µs".
std::string GoDuration(int64_t nanos);
// Go's syntax ("1m30s", "250ms") → nanoseconds; nullopt for anything else.
std::optional<int64_t> ParseGoDuration(std::string_view text);
// A line for each line of the text, `indent` before it where it is not empty of text.
std::string Indent(std::string_view text, std::string_view indent);

}  // namespace bulwark::regocli
