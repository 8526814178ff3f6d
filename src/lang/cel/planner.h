#pragma once

// From a tree to a Program.

#include <memory>

#include "base/result.h"
#include "lang/cel/ast.h"
#include "lang/cel/env.h"

namespace bulwark::cel {

// Plans a checked tree, or one that was only parsed: then names are looked up in the environment,
// the most qualified first, and calls choose among all overloads by the kinds of their arguments.
// The program does not need the environment afterwards. Fails with kLimit for a tree that is nested
// too deeply, and kInvalid for one that names a type which is not there.
Result<std::shared_ptr<const Program>> PlanProgram(const Env& env, std::shared_ptr<const Ast> ast);

}  // namespace bulwark::cel
