// Compiles any modules that parse, and a query against what they are: bytes up to a line of
// "=====" are modules, separated by "---" lines; the rest is the query.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "lang/rego/ast/parser.h"
#include "lang/rego/check/check.h"
#include "lang/rego/check/deps.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;        // NOLINT
  using namespace bulwark::rego;  // NOLINT
  if (size < 1 || size > 4096) return 0;
  const uint8_t flags = data[0];
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string_view query_text;
  if (size_t at = text.find("\n=====\n"); at != std::string_view::npos) {
    query_text = text.substr(at + 7);
    text = text.substr(0, at);
  }
  ParseOptions parse;
  parse.max_depth = 100;
  if ((flags & 1) != 0) parse.dialect = Dialect::kV0;
  std::vector<std::unique_ptr<Module>> modules;
  std::vector<Diagnostic> errors;
  for (int i = 0; !text.empty() && i < 4; ++i) {
    const size_t end = std::min(text.find("\n---\n"), text.size());
    auto module = ParseModule("m" + std::to_string(i), std::string(text.substr(0, end)), parse);
    if (!module) return 0;
    modules.push_back(std::move(*module));
    text.remove_prefix(std::min(end + 5, text.size()));
  }
  const CheckOptions options{.strict = (flags & 2) != 0, .print = (flags & 4) == 0};
  Resolution policy;
  PolicyTypes types;
  ResolveModules(std::move(modules), {}, policy, errors);
  CheckPolicy(policy, options, types, errors);
  BW_CHECK(options.error_limit + 1 >= errors.size());
  if (!errors.empty() || query_text.empty()) return 0;
  auto query = ParseQuery(std::string(query_text), parse);
  if (!query) return 0;
  ResolvedQuery resolved;
  ResolveQuery(policy, std::move(*query), {}, resolved, errors);
  CheckQuery(policy, types, resolved, options, errors);
  if (errors.empty()) (void)QueryDependencies(policy, resolved);
  return 0;
}
