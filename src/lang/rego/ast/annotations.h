#pragma once

// METADATA blocks: comments of YAML above packages and rules. Private to this module; what it reads
// stands in Module::annotations and Rule::annotations.

#include <vector>

#include "lang/rego/ast/ast.h"
#include "lang/rego/ast/lexer.h"

namespace bulwark::rego {

// Reads the blocks among the module's comments.
void ReadAnnotations(Module& module, std::vector<Diagnostic>& errors);
// Finds what each block belongs to and checks that its scope fits; needs the module's statements.
void AttachAnnotations(Module& module, std::vector<Diagnostic>& errors);

}  // namespace bulwark::rego
