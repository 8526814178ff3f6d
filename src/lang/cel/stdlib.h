#pragma once

// What the planner knows of the standard library beyond its tables. Internal.

#include <memory>
#include <string_view>

#include "lang/cel/library.h"

namespace re2 {
class RE2;
}

namespace bulwark::cel {

// True for the name of an overload of the standard library: cel-go counts its cost by the overload
// that the checker chose, and 1 where it left several.
bool IsStandardOverload(std::string_view id);

// A pattern of matches(), compiled; nullptr if it is malformed (then `error` says why).
std::unique_ptr<re2::RE2> CompilePattern(std::string_view pattern, std::string* error);
// Whether a text matches it anywhere.
bool MatchesPattern(const re2::RE2& pattern, std::string_view text);

// ceil(size × factor) in doubles, as cel-go calculates it.
inline uint64_t ScaleCost(uint64_t size, double factor) {
  double cost = static_cast<double>(size) * factor;
  auto whole = static_cast<uint64_t>(cost);
  return whole + (static_cast<double>(whole) < cost ? 1 : 0);
}
inline constexpr double kStringCost = 0.1;    // a code point or byte traversed
inline constexpr double kPatternCost = 0.25;  // a character of a pattern

// Costs of the standard functions that are not 1, by their overloads.
uint64_t TraversalCost(std::span<const Value> args, const Value& result);
uint64_t ContainsCost(std::span<const Value> args, const Value& result);
uint64_t MatchesCost(std::span<const Value> args, const Value& result);

}  // namespace bulwark::cel
