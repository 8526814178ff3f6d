#pragma once

// Text → syntax tree (OPA 1.22's grammar, v0, v1 and v2).

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "lang/rego/ast/ast.h"

namespace bulwark::rego {

struct ParseOptions {
  Dialect dialect = Dialect::kV1;  // kV0: --v0-compatible
  // Keywords that are known without an import, for queries ("in", "every", "and" …).
  std::vector<std::string> future_keywords;
  bool all_future_keywords = false;
  bool annotations = true;  // read METADATA blocks
  size_t max_depth = 1000;  // terms, bodies and rules within each other
  size_t max_bytes = size_t{64} << 20;
  size_t error_limit = 1000;  // 0: none
};

// An Error with id rego_parse_error, whose message is DiagnosticsText(); each one in `errors`.
Result<std::unique_ptr<Module>> ParseModule(std::string file, std::string text,
                                            const ParseOptions& options,
                                            std::vector<Diagnostic>* errors = nullptr);
// `x = data.p[_]; x > 1`
Result<std::unique_ptr<Query>> ParseQuery(std::string text, const ParseOptions& options,
                                          std::vector<Diagnostic>* errors = nullptr);
// A ground term as a value: `{"a": {1, 2}}` (input_term of OPA's cases). Refs, calls, variables and
// comprehensions are errors.
Result<Value> ParseGroundTerm(std::string_view text, Arena& arena);

}  // namespace bulwark::rego
