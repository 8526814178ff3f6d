// Any bytes as a module and as a query, in all dialects: no crash, and what parses prints as text
// that parses to the same tree. The first byte chooses the dialect.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/check.h"
#include "lang/rego/ast/ast_compare.h"
#include "lang/rego/ast/ast_json.h"
#include "lang/rego/ast/parser.h"
#include "lang/rego/ast/printer.h"

using namespace bulwark;        // NOLINT: a program of one function
using namespace bulwark::rego;  // NOLINT

namespace {

// Text of a tree is OPA's, which is not meant to be read back in some places: a template string
// between backquotes, numbers and text run together in one, and `_` for every wildcard.
bool ReadsBack(const Term& term) {
  if (term.kind == TermKind::kTemplateString) return false;
  if (term.kind == TermKind::kVar && term.name.starts_with('$')) return false;
  if (term.kind == TermKind::kScalar && term.value.IsString()) {
    // Escapes of Go that JSON does not know.
    for (char c : term.value.AsString()) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte >= 0x7F || byte < 0x20) return false;
    }
  }
  // Calls of operators whose names are keywords in v2, comprehensions whose `|` is a call's.
  for (const Term* item : term.items) {
    if (!ReadsBack(*item)) return false;
  }
  for (const Expr* expr : term.body) {
    if (expr->kind != ExprKind::kTerm || !ReadsBack(*expr->term)) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > (1 << 16)) return 0;
  ParseOptions options;
  options.dialect = static_cast<Dialect>(data[0] % 4);
  options.max_depth = 100;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (const auto module = ParseModule("f.rego", text, options)) {
    Arena arena;
    AstJsonText(ModuleJson(**module, arena, {.locations = true}));
    const std::string printed = ToText(**module);
    ParseOptions plain = options;
    plain.annotations = false;
    const auto again = ParseModule("f.rego", text, plain);
    BW_CHECK(again.has_value());
    BW_CHECK(ModulesEqual(**module, **again));
    BW_CHECK(printed.empty() == false);
  }
  if (const auto query = ParseQuery(text, options)) {
    for (const Expr* expr : (*query)->body) {
      if (expr->kind != ExprKind::kTerm || expr->negated || !expr->with.empty() ||
          !ReadsBack(*expr->term)) {
        continue;
      }
      const auto again = ParseQuery(ToText(*expr->term), options);
      BW_CHECK(again.has_value());
      BW_CHECK((*again)->body.size() == 1 && (*again)->body[0]->kind == ExprKind::kTerm);
      BW_CHECK(TermsEqual(*expr->term, *(*again)->body[0]->term));
    }
  }
  Arena arena;
  static_cast<void>(ParseGroundTerm(text, arena));
  return 0;
}
