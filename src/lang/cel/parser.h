#pragma once

// From source to syntax tree (cel-spec langdef.md "Syntax"), with macros expanded. Precedence
// climbing by hand: chains (a.b.c, 1 + 1 + 1, a && b && c) are loops, and what must nest is
// limited, so that no source can exhaust the stack. && and || chains become balanced trees, as in
// cel-go.

#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lang/cel/ast.h"

namespace bulwark::cel {

class Env;

// Uses the environment's limits, macros and syntax options. Fails with kInvalid ("cel.syntax") or
// kLimit ("cel.limit") and RenderIssues() as message; the issues are appended to `issues`, if
// given.
Result<std::shared_ptr<Ast>> ParseSource(const Env& env, std::string_view source,
                                         std::vector<Issue>* issues);

}  // namespace bulwark::cel
