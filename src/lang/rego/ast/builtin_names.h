#pragma once

// The names of OPA 1.22's built-in functions, as far as the grammar asks: a statement `count(x)` is
// no rule. What they do is in lang/rego/builtins.

#include <string_view>

namespace bulwark::rego {

bool IsBuiltinName(std::string_view name);  // "io.jwt.decode"

}  // namespace bulwark::rego
