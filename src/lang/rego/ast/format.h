#pragma once

// `fmt`: a module as OPA formats it, byte for byte, comments kept.
//
//   Result<std::string> pretty = FormatSource("p.rego", text, {});                      // v1
//   … FormatSource(…, {.source = kV0, .lowest = kV0, .highest = kV1});  // --rego-v1
//   … FormatSource(…, {.source = kV0, .lowest = kV0, .highest = kV0});  // --v0-compatible
//
// What the dialects of the result demand beyond the source's is checked first (no two imports of a
// name, no deprecated functions …) and is an error, as are calls of operators with too many or too
// few operands. Time and memory are linear in the text but for columns of comments within terms.

#include <string>
#include <vector>

#include "base/result.h"
#include "lang/rego/ast/ast.h"

namespace bulwark::rego {

struct FormatOptions {
  Dialect source = Dialect::kV1;  // what the text is parsed as
  // The result is to parse in all dialects between these two, each one of kV0, kV1 and kV2.
  Dialect lowest = Dialect::kV1;
  Dialect highest = Dialect::kV1;
  bool drop_imports = false;  // --drop-v0-imports: imports that `lowest` makes superfluous
  size_t max_depth = 1000;
  size_t max_bytes = size_t{64} << 20;
};

Result<std::string> FormatSource(std::string file, std::string text, const FormatOptions& options,
                                 std::vector<Diagnostic>* errors = nullptr);

}  // namespace bulwark::rego
