#pragma once

// The macros of CEL: those of langdef.md "Macros", those over two variables, and those of
// optionals.

#include <span>

#include "lang/cel/library.h"

namespace bulwark::cel {

// has(x.f), x.all(v, p), exists, exists_one and existsOne, map (with and without a filter), filter.
std::span<const Macro> StandardMacros();

// x.optMap(v, e) and x.optFlatMap(v, e): for the library of optionals.
std::span<const Macro> OptionalMacros();

// x.all(k, v, p), exists, existsOne, transformList, transformMap, transformMapEntry
// (cel-go: ext.TwoVarComprehensions).
const Library& TwoVarComprehensions();

}  // namespace bulwark::cel
