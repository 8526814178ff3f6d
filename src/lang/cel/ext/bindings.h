#pragma once

// cel.bind(name, value, expression): cel-go's ext/bindings.go (v0.26.0).
//
// Block() has what the specification's tests of common subexpressions use: cel.block([a, b],
// expression), in which cel.index(n) stands for the n-th of the list (which may use those before
// it), and cel.iterVar(depth, n) and cel.accuVar(depth, n) for the names of variables.

#include "lang/cel/library.h"

namespace bulwark::cel::ext {

const Library& Bindings();
const Library& Block();

}  // namespace bulwark::cel::ext
