#pragma once

// Places inside a document, written as Kubernetes writes them in its errors:
// `spec.containers[0].securityContext`, with a key in brackets where it has a character other than
// letters, digits, '-', '_' or '$' in it: `metadata.annotations[example.com/x]`. A key that is a
// whole number is quoted, `data["0"]`, so that it is not taken for an index.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/value.h"

namespace bulwark {

struct PathStep {
  std::string key;
  int64_t index = -1;  // of an array if >= 0, and then `key` is empty
  bool IsIndex() const { return index >= 0; }
  static PathStep Key(std::string_view key) { return {std::string(key), -1}; }
  static PathStep Index(size_t i) { return {{}, static_cast<int64_t>(i)}; }
  friend bool operator==(const PathStep&, const PathStep&) = default;
};
using Path = std::vector<PathStep>;

// nullopt for text that is no path: unbalanced brackets, empty steps. "" is the empty path.
std::optional<Path> ParsePath(std::string_view text);
std::string PathToString(const Path& path);
void AppendKey(std::string& path, std::string_view key);
void AppendIndex(std::string& path, size_t index);

// The slot of the value at the path, nullptr if it is not there.
const Value* FindPath(const Value& root, const Path& path);
// The slot of the deepest part of the path that is there; &root if nothing is. `depth`: how many
// steps it took.
const Value* FindDeepest(const Value& root, const Path& path, size_t* depth = nullptr);

}  // namespace bulwark
