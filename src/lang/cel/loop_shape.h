#pragma once

// Which comprehensions are those that macros make, seen by their shape, so that they get loops of
// their own. Internal to the planner.

#include <cstdint>
#include <optional>

#include "lang/cel/ast.h"
#include "lang/cel/program.h"

namespace bulwark::cel {

inline constexpr std::string_view kMapInsert = "cel.@mapInsert";

bool IsCall(const Expr* e, std::string_view name, size_t args);
bool IsIdent(const Expr* e, std::string_view name);
bool IsLiteral(const Expr* e, const Value& value);
bool IsEmptyList(const Expr* e);
bool IsEmptyMap(const Expr* e);

// The parts of a comprehension that its loop evaluates. It has no accumulator then: no part can
// read one, as a macro's arguments cannot name "@result".
struct LoopShape {
  Op op;
  const Expr* predicate = nullptr;  // or filter
  const Expr* key = nullptr;        // kTransform: nullptr where `item` is a map of entries
  const Expr* item = nullptr;
  // Of the parts that are not evaluated: reading the accumulator is 1, each call 1.
  int32_t round_cost = 0;  // each round
  int32_t item_cost = 0;   // each item that is taken; kTransform counts its calls itself
  int32_t stop_cost = 0;   // at a break
  int32_t end_cost = 0;    // of the result
};

std::optional<LoopShape> ShapeOf(const Comprehension& loop);

}  // namespace bulwark::cel
