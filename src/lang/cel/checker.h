#pragma once

// The gradual type checker (cel-spec langdef.md "Gradual Type Checking"): finds the type of each
// node, the overloads that each call may use, and what each name means, and reports what cannot be.
// Type parameters are inferred by unification; dyn agrees with everything.

#include <vector>

#include "base/result.h"
#include "lang/cel/ast.h"
#include "lang/cel/env.h"
#include "lang/cel/tables.h"

namespace bulwark::cel {

// Fills the types and references of a parsed tree, and resolves the names in it (ast.h, Reference).
// Fails with kInvalid ("cel.check") and RenderIssues() as message; the tree is then as unchecked.
Result<> CheckAst(const EnvOptions& options, const Tables& tables, Ast& ast,
                  std::vector<Issue>* issues);

}  // namespace bulwark::cel
