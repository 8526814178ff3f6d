#pragma once

// The tree of a module as indented lines: what `opa parse` prints where no JSON is asked for.

#include <string>

#include "lang/rego/ast/ast.h"

namespace bulwark::regocli {

std::string TreeText(const rego::Module& module, bool comments);

}  // namespace bulwark::regocli
