// Imports, and names that would hide the roots.

#include <unordered_map>
#include <unordered_set>

#include "lang/rego/check/stages.h"
#include "lang/rego/check/text.h"
#include "lang/rego/check/walk.h"
#include "lang/rego/resolve/names.h"

namespace bulwark::rego {

namespace {

bool IsRoot(std::string_view name) { return name == "data" || name == "input"; }

// `import rego.v1` and `import future.keywords` name no document.
bool NamesDocument(const Import& import) {
  const Term& path = *import.path;
  const Term& head = path.kind == TermKind::kRef && !path.items.empty() ? *path.items[0] : path;
  return head.name != "future" && head.name != "rego";
}

}  // namespace

void CheckUnusedImports(const Module& module, Diagnostics& errors) {
  if (module.imports.empty()) return;
  std::unordered_set<std::string_view> used;
  auto see = [&](const Term& term) {
    if (term.kind == TermKind::kVar && term.variable == nullptr) used.insert(term.name);
  };
  for (const Rule* rule : module.rules) {
    for (; rule != nullptr; rule = rule->else_rule) {
      ForEachHeadTerm(rule->head, [&](const Term& term) { WalkTerms(term, see); });
      WalkTerms(rule->body, see);
    }
  }
  for (const Import* import : module.imports) {
    if (!NamesDocument(*import) || used.contains(ImportName(*import))) continue;
    errors.push_back(
        MakeDiagnostic("rego_compile_error", &module, import->at, ImportText(*import) + " unused"));
  }
}

void CheckDuplicateImports(const Module& module, Diagnostics& errors) {
  std::unordered_map<std::string_view, const Import*> seen;
  for (const Import* import : module.imports) {
    auto [at, fresh] = seen.try_emplace(ImportName(*import), import);
    if (fresh) continue;
    errors.push_back(MakeDiagnostic("rego_compile_error", &module, import->at,
                                    "import must not shadow " + ImportText(*at->second)));
  }
}

namespace {

void CheckRootOverride(const Expr& expr, const Module* module, Diagnostics& errors) {
  if (!IsAssignment(expr)) return;
  const Term& target = *expr.terms[1];
  const Term& head =
      target.kind == TermKind::kRef && target.items.size() == 1 ? *target.items[0] : target;
  if (head.kind != TermKind::kVar || !IsRoot(head.name)) return;
  errors.push_back(MakeDiagnostic(
      "rego_compile_error", module, expr.at,
      "variables must not shadow " + std::string(head.name) + " (use a different variable name)"));
}

}  // namespace

void CheckShadowedRoots(const RuleInfo& rule, Diagnostics& errors) {
  auto shadows = [&](auto& self, const Term& term) -> const Term* {
    const bool ref = term.kind == TermKind::kRef && term.items.size() == 1;
    const Term& head = ref ? *term.items[0] : term;
    if (head.kind == TermKind::kVar) return IsRoot(head.name) ? &head : nullptr;
    if (term.kind != TermKind::kArray && term.kind != TermKind::kObject) return nullptr;
    // The keys of a pattern declare nothing.
    const bool object = term.kind == TermKind::kObject;
    for (size_t i = object ? 1 : 0; i < term.items.size(); i += object ? 2 : 1) {
      if (const Term* found = self(self, *term.items[i])) return found;
    }
    return nullptr;
  };
  for (const Term* argument : rule.rule->head.args) {
    const Term* found = shadows(shadows, *argument);
    if (found == nullptr) continue;
    errors.push_back(MakeDiagnostic(
        "rego_compile_error", rule.module, rule.rule->at,
        "args must not shadow " + std::string(found->name) + " (use a different variable name)"));
    return;
  }
}

void CheckRootOverrides(Body body, const Module* module, Diagnostics& errors) {
  WalkExprs(body, [&](const Expr& expr) {
    CheckRootOverride(expr, module, errors);
    return true;
  });
}

void CheckRootOverrides(const Module& module, Diagnostics& errors) {
  for (const Rule* rule : module.rules) {
    if (IsRoot(rule->head.name)) {
      errors.push_back(MakeDiagnostic("rego_compile_error", &module, rule->at,
                                      "rules must not shadow " + std::string(rule->head.name) +
                                          " (use a different rule name)"));
    }
    for (; rule != nullptr; rule = rule->else_rule) {
      ForEachHeadTerm(rule->head, [&](const Term& term) {
        WalkExprs(term, [&](const Expr& expr) {
          CheckRootOverride(expr, &module, errors);
          return true;
        });
      });
      CheckRootOverrides(rule->body, &module, errors);
    }
  }
}

}  // namespace bulwark::rego
