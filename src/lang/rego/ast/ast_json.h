#pragma once

// The tree as JSON, as `opa parse --format json` prints it and rego.parse_module returns it: the
// same names, shapes and order of keys. Terms are {"type", "value"}, and objects lists of pairs.

#include <string>

#include "base/arena.h"
#include "base/value.h"
#include "lang/rego/ast/ast.h"

namespace bulwark::rego {

struct AstJsonOptions {
  bool locations = false;  // --json-include locations: file, row, col and text of every node
  bool comments = true;    // false: --json-include -comments
};

// Strings may be views of the module's text; everything else is in `arena`.
Value ModuleJson(const Module& module, Arena& arena, const AstJsonOptions& options = {});
Value BodyJson(Body body, Arena& arena);
Value TermJson(const Term& term, Arena& arena);
Value RuleJson(const Rule& rule, Arena& arena);
// An annotation without its place.
Value AnnotationsJson(const Annotations& annotations, Arena& arena);

// The text of such a value as OPA prints it (Go's encoding/json: <, > and & are escaped).
// `indent`: spaces a level; 0: on one line.
std::string AstJsonText(const Value& value, int indent = 2);
std::string AnnotationsJsonText(const Annotations& annotations);

}  // namespace bulwark::rego
