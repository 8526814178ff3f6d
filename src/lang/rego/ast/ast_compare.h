#pragma once

// Equality of syntax: two terms are equal that mean the same wherever they stand. Locations, the
// way of writing (infix or not, parentheses) and what the compiler resolved do not count; the order
// of a set's items and an object's keys does not either.

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "lang/rego/ast/ast.h"

namespace bulwark::rego {

bool TermsEqual(const Term& a, const Term& b);
bool ExprsEqual(const Expr& a, const Expr& b);
bool BodiesEqual(Body a, Body b);
bool RulesEqual(const Rule& a, const Rule& b);
bool ModulesEqual(const Module& a, const Module& b);  // package, imports and rules
uint64_t TermHash(const Term& term);

// OPA's order of all terms, by which it prints the items of sets and the keys of objects.
int CompareTerms(const Term& a, const Term& b);
int CompareBodies(Body a, Body b);
std::vector<const Term*> SortedItems(const Term& set);
std::vector<std::pair<const Term*, const Term*>> SortedPairs(const Term& object);

// Leaves the first of equal items (moved to the front, in order) and says how many there are.
size_t DropEqualItems(std::span<Term*> items);

// A call of the built-in `name`, whose name has no dots.
bool IsBuiltinCall(const Expr& expr, std::string_view name);
// The sign of the infix built-in that a function reference names: "+" for plus, "in" for
// internal.member_2. Empty: it is none.
std::string_view InfixOf(const Term& function);
// … and it has as many operands as the sign takes.
bool IsInfixBuiltin(const Term& function, size_t operands);

}  // namespace bulwark::rego
