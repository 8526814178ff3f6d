#pragma once

// What cel-go's validators (cel/validator.go) find in a checked tree: lists and maps made of
// literals whose items have different types, and literal arguments that a function must fail on.

#include <vector>

#include "lang/cel/ast.h"
#include "lang/cel/env.h"

namespace bulwark::cel {

// What EnvOptions::homogeneous_aggregate_literals and validate_literals ask for. With `format` the
// arguments of format() may be of any types.
void CheckLiterals(const EnvOptions& options, bool format, const Ast& ast,
                   std::vector<Issue>& issues);

}  // namespace bulwark::cel
