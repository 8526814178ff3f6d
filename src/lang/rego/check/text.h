#pragma once

// Terms as OPA writes them in the messages of its compiler: names resolved ("data.lib.x"), calls
// of operators as plain calls ("plus(x, 1)").

#include <span>
#include <string>
#include <string_view>

#include "base/value.h"
#include "lang/rego/ast/ast.h"

namespace bulwark::rego {

// One operand of a reference: ".name" or "[…]".
void AppendOperand(std::string& out, const Value& operand);
// "data.a.b": a root and its operands.
std::string PathText(std::span<const Value> path);
std::string TermText(const Term& term);
// As the head of a rule stands: "p.q[x]".
std::string HeadText(const Head& head);
// The whole path of a rule: "data.a.p[x]". The ground part alone with `ground`.
std::string RuleText(const Rule& rule, bool ground = false);
// "import data.a as b"
std::string ImportText(const Import& import);
// The name that an import binds.
std::string_view ImportName(const Import& import);
// "file:row", or "row:column" without a file.
std::string PlaceText(const Module* module, const Location& at);

}  // namespace bulwark::rego
