#include "lang/rego/ast/v1_checks.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "lang/rego/ast/ast_compare.h"
#include "lang/rego/ast/parser_impl.h"
#include "lang/rego/ast/printer.h"

namespace bulwark::rego {
namespace {

bool IsReserved(std::string_view name) { return name == "input" || name == "data"; }

bool IsDeprecated(std::string_view name) {
  static constexpr std::string_view kDeprecated[] = {
      "all",      "any",      "cast_array",  "cast_boolean",     "cast_null", "cast_object",
      "cast_set", "re_match", "cast_string", "net.cidr_overlap", "set_diff"};
  return std::find(std::begin(kDeprecated), std::end(kDeprecated), name) != std::end(kDeprecated);
}

bool IsV2Only(std::string_view name) {
  return IsKeywordIn(name, Dialect::kV2) && !IsKeywordIn(name, Dialect::kV1);
}

std::string_view ImportName(const Import& import) {
  if (!import.alias.empty()) return import.alias;
  const Term& last = *import.path->items.back();
  return last.kind == TermKind::kVar ? last.name : last.value.AsString();
}

// Calls `visit(term)` and `visit(expr)` for all below, top down.
template <typename Visitor>
void Walk(const Term& term, Visitor& visit);

template <typename Visitor>
void Walk(const Expr& expr, Visitor& visit) {
  visit(expr);
  if (expr.term != nullptr) {
    Walk(*expr.term, visit);
  } else {
    for (const Term* term : expr.terms) {
      if (term != nullptr) Walk(*term, visit);
    }
  }
  for (const Expr* inner : expr.lhs) Walk(*inner, visit);
  for (const Expr* inner : expr.rhs) Walk(*inner, visit);
  for (const With& with : expr.with) {
    Walk(*with.target, visit);
    Walk(*with.value, visit);
  }
}

template <typename Visitor>
void Walk(const Term& term, Visitor& visit) {
  visit(term);
  for (const Term* item : term.items) Walk(*item, visit);
  for (const Expr* expr : term.body) Walk(*expr, visit);
}

// A rule's head and body, and those of its else branches, as OPA visits them.
template <typename Visitor>
void Walk(const Rule& rule, bool ref_too, Visitor& visit) {
  for (const Rule* r = &rule; r != nullptr; r = r->else_rule) {
    if (ref_too) {
      for (const Term* item : r->head.ref.subspan(1)) Walk(*item, visit);
    }
    for (const Term* arg : r->head.args) Walk(*arg, visit);
    if (r->head.key != nullptr) Walk(*r->head.key, visit);
    if (r->head.value != nullptr) Walk(*r->head.value, visit);
    for (const Expr* expr : r->body) Walk(*expr, visit);
  }
}

class Checker {
 public:
  Checker(const Module& module, std::vector<Diagnostic>& errors)
      : module_(module), errors_(errors) {}

  void Fail(std::string_view code, const Location& at, std::string message) {
    Diagnostic error;
    error.code = code;
    error.message = std::move(message);
    error.file = module_.file;
    error.at = at;
    errors_.push_back(std::move(error));
  }

  void Imports() {
    std::unordered_map<std::string_view, const Import*> seen;
    for (const Import* import : module_.imports) {
      const auto [first, added] = seen.emplace(ImportName(*import), import);
      if (!added) {
        Fail("rego_compile_error", import->at, "import must not shadow " + ToText(*first->second));
      }
    }
  }

  void Roots() {
    for (const Rule* rule : module_.rules) {
      const Head& head = rule->head;
      if (IsReserved(head.name)) {
        Fail("rego_compile_error", rule->at,
             "rules must not shadow " + std::string(head.name) + " (use a different rule name)");
      }
      for (const Term* arg : head.args) {
        if (arg->kind == TermKind::kRef && arg->items.size() == 1 &&
            IsReserved(arg->items[0]->name)) {
          Fail("rego_compile_error", arg->at,
               "args must not shadow " + ToText(*arg) + " (use a different variable name)");
        }
      }
    }
    Assignments visit{*this};
    for (const Rule* rule : module_.rules) Walk(*rule, false, visit);
  }

  void Deprecated() {
    Calls visit{*this};
    for (const Rule* rule : module_.rules) {
      for (const Rule* r = rule; r != nullptr; r = r->else_rule) {
        for (const Term* item : r->head.ref) Walk(*item, visit);
      }
      Walk(*rule, false, visit);
    }
  }

  void Names(bool v2) {
    for (const Rule* rule : module_.rules) {
      if (rule->head.ref.size() < 2 && IsKeywordIn(rule->head.name, Dialect::kV1)) {
        Fail("rego_parse_error", rule->at,
             std::string(rule->head.name) + " keyword cannot be used for rule name");
      }
    }
    if (!v2) return;
    for (const Rule* rule : module_.rules) {
      if (rule->head.ref.size() < 2 && IsV2Only(rule->head.name)) {
        Fail("rego_parse_error", rule->at,
             std::string(rule->head.name) + " keyword cannot be used for rule name");
      }
      Variables visit{*this, {}, {}};
      Walk(*rule, true, visit);
    }
  }

 private:
  struct Assignments {
    Checker& checker;
    void operator()(const Term&) const {}
    void operator()(const Expr& expr) const {
      if (!IsBuiltinCall(expr, "assign") || expr.terms.size() < 2) return;
      const std::string name = ToText(*expr.terms[1]);
      if (!IsReserved(name)) return;
      checker.Fail("rego_compile_error", expr.at,
                   "variables must not shadow " + name + " (use a different variable name)");
    }
  };

  struct Calls {
    Checker& checker;
    void Report(const Term& function, const Location& at) const {
      const std::string name = ToText(function);
      if (!IsDeprecated(name)) return;
      checker.Fail("rego_type_error", at,
                   "deprecated built-in function calls in expression: " + name);
    }
    void operator()(const Term& term) const {
      if (term.kind == TermKind::kCall) Report(*term.items[0], term.items[0]->at);
    }
    void operator()(const Expr& expr) const {
      if (expr.kind == ExprKind::kCall) Report(*expr.terms[0], expr.at);
    }
  };

  struct Variables {
    Checker& checker;
    std::unordered_set<const Term*> seen;
    std::unordered_set<const Term*> functions;  // names of what is called are no variables
    void operator()(const Term& term) {
      if (term.kind == TermKind::kCall) Skip(*term.items[0]);
      if (term.kind != TermKind::kVar || !IsV2Only(term.name) || functions.contains(&term) ||
          !seen.insert(&term).second) {
        return;
      }
      checker.Fail("rego_parse_error", term.at,
                   std::string(term.name) + " keyword cannot be used for variable name");
    }
    void operator()(const Expr& expr) {
      if (expr.kind == ExprKind::kCall) Skip(*expr.terms[0]);
    }
    void Skip(const Term& function) {
      for (const Term* item : function.items) functions.insert(item);
    }
  };

  const Module& module_;
  std::vector<Diagnostic>& errors_;
};

}  // namespace

void CheckForV1(const Module& module, bool v2, std::vector<Diagnostic>& errors) {
  Checker checker(module, errors);
  checker.Imports();
  checker.Roots();
  checker.Deprecated();
  checker.Names(v2);
}

}  // namespace bulwark::rego
