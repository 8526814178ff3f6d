#pragma once

// What v1 and v2 forbid in a module that parsed in an older dialect: the checks that `fmt` makes
// before it writes a module for them.

#include <vector>

#include "lang/rego/ast/ast.h"

namespace bulwark::rego {

// Two imports of one name, rules and variables named input or data, deprecated built-ins, rules
// named as keywords of v1; with v2, rules and variables named as its keywords too.
void CheckForV1(const Module& module, bool v2, std::vector<Diagnostic>& errors);

}  // namespace bulwark::rego
