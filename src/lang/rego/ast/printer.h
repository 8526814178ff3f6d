#pragma once

// Syntax → text on one line, as OPA's own String() of the same tree: in messages, traces, `deps`.
// Operators come out as calls (`plus(a, b)`), except `=` between two terms; objects and sets are
// sorted; wildcards are `_`. For text that people edit there is format.h.

#include <string>

#include "lang/rego/ast/ast.h"

namespace bulwark::rego {

void AppendText(const Term& term, std::string& out);
void AppendText(const Expr& expr, std::string& out);
void AppendText(Body body, std::string& out);  // joined by "; "
void AppendRefText(std::span<Term* const> ref, std::string& out);
void AppendText(const Head& head, Dialect dialect, std::string& out);

std::string ToText(const Term& term);
std::string ToText(const Expr& expr);
std::string ToText(Body body);
std::string ToText(const With& with);
std::string ToText(const Import& import);
std::string ToText(const Package& package);
std::string ToText(const Rule& rule);  // by its module's dialect; with annotations as JSON
std::string ToText(const Module& module);

// A string in double quotes with Go's escapes (strconv.Quote).
void AppendQuoted(std::string_view text, std::string& out);
// A number, bool, null or string as in a policy; other values as Rego text too.
void AppendScalar(const Value& value, std::string& out);

}  // namespace bulwark::rego
