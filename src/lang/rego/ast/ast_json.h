#pragma once

// The tree as JSON, as `opa parse --format json` prints it and rego.parse_module returns it.

#include <string>

#include "lang/rego/ast/ast.h"

namespace bulwark::rego {

// An annotation as OPA marshals it; as text: on one line.
Value AnnotationsJson(const Annotations& annotations, Arena& arena);
std::string AnnotationsJsonText(const Annotations& annotations);

}  // namespace bulwark::rego
