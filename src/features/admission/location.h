#pragma once

// Where a mutator writes: `spec.containers[name: main].image` (gatekeeper v3.23,
// pkg/mutation/path), and the conditions on that path (pathTests).
//
//   location = field [ list ] { "." field [ list ] }
//   list     = "[" key ":" ( "*" | value ) "]"
//   field, key, value: letters, digits, _ and -, not beginning with a digit, or any text in ' or ";
//   a value may be a decimal integer. White space may stand between tokens.
//
// Pure functions; immutable results. Errors: gate.location.* with Gatekeeper's texts.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/value.h"

namespace bulwark::admission {

struct LocationNode {
  enum class Key : uint8_t { kNone, kText, kInteger };
  bool is_list = false;
  std::string name;      // the field; of a list the key field
  bool glob = false;     // a list's: any item
  Key key = Key::kNone;  // a list's: what its key field must be
  std::string text;
  int64_t integer = 0;

  Value KeyValue() const;
  std::string ToString() const;
  friend bool operator==(const LocationNode&, const LocationNode&) = default;
};

struct Location {
  std::vector<LocationNode> nodes;
  // Parses to the same nodes.
  std::string ToString() const;
  bool HasPrefix(const Location& prefix) const;
};

// Ids: gate.location.token, .trailing, .integer. "" is no nodes.
Result<Location> ParseLocation(std::string_view text);

// pathTests: what must, or must not, exist for a mutation to happen.
enum class PathCondition : uint8_t { kMustExist, kMustNotExist };

class PathTester {
 public:
  PathTester() = default;
  // Ids: gate.location.prefix (a test that is not on the way), gate.location.conflict.
  static Result<PathTester> Create(const Location& location,
                                   std::span<const std::pair<Location, PathCondition>> tests);
  bool ExistsOkay(size_t depth) const;
  bool MissingOkay(size_t depth) const;

 private:
  std::map<size_t, PathCondition> tests_;
};

}  // namespace bulwark::admission
