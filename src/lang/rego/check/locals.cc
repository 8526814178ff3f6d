// Variables that nothing uses.

#include <algorithm>
#include <unordered_map>

#include "lang/rego/check/stages.h"
#include "lang/rego/check/walk.h"
#include "lang/rego/resolve/names.h"

namespace bulwark::rego {

namespace {

// Looks at one rule or query. The scopes within a body are looked at before it; the first that has
// something unused is the last that is reported, as OPA does it.
class UnusedLocals {
 public:
  UnusedLocals(const Module* module, bool strict, Diagnostics& errors)
      : module_(module), strict_(strict), errors_(errors), start_(errors.size()) {}

  void CountIn(const Term& term) {
    WalkTerms(term, [this](const Term& t) { Count(t); });
  }
  void CountIn(Body body) {
    WalkTerms(body, [this](const Term& t) { Count(t); });
  }
  size_t Occurrences(const Variable* variable) const {
    auto at = count_.find(variable);
    return at == count_.end() ? 0 : at->second;
  }

  // The closures in a term that stands outside of any body.
  void Nested(const Term& term) {
    const bool comprehension = term.kind == TermKind::kArrayComprehension ||
                               term.kind == TermKind::kSetComprehension ||
                               term.kind == TermKind::kObjectComprehension;
    if (comprehension) {
      Scope(term.body, {});
    } else {
      for (const Expr* part : term.body) Nested(*part);
    }
    for (const Term* item : term.items) Nested(*item);
  }

  void Scope(Body body, std::span<Term* const> declared) {
    for (const Expr* expr : body) Nested(*expr);
    if (errors_.size() != start_) return;
    if (strict_) {
      for (const Expr* expr : body) {
        if (IsAssignment(*expr)) Assigned(*expr->terms[1], *expr);
      }
    }
    if (errors_.size() != start_) return;
    for (const Term* term : declared) {
      if (term != nullptr && !body.empty()) Declared(*term, body[0]->at);
    }
    for (const Expr* expr : body) {
      if (expr->kind != ExprKind::kSome) continue;
      for (const Term* term : expr->terms) Declared(*term, expr->at);
    }
  }

 private:
  void Count(const Term& term) {
    if (term.kind == TermKind::kVar && term.variable != nullptr) ++count_[term.variable];
  }

  void Nested(const Expr& expr) {
    if (const Term* own = OwnTerm(expr)) Nested(*own);
    for (const Term* term : expr.terms) {
      if (term != nullptr) Nested(*term);
    }
    for (const With& with : expr.with) {
      Nested(*with.target);
      Nested(*with.value);
    }
    if (expr.kind == ExprKind::kEvery) {
      Scope(expr.lhs, expr.terms.first(2));
    } else {
      Operand(expr.lhs, expr.explicit_lhs);
      Operand(expr.rhs, expr.explicit_rhs);
    }
  }

  // Only a body in braces can declare.
  void Operand(Body body, bool braces) {
    if (braces) {
      Scope(body, {});
    } else {
      for (const Expr* expr : body) Nested(*expr);
    }
  }

  void Assigned(const Term& term, const Expr& expr) {
    if (term.kind == TermKind::kVar) {
      if (term.variable != nullptr && !term.variable->wildcard() &&
          Occurrences(term.variable) <= 1) {
        Report(expr.at, "assigned var ", term.name);
      }
      return;
    }
    // Keys of a pattern are not assigned.
    const bool object = term.kind == TermKind::kObject;
    for (size_t i = object ? 1 : 0; i < term.items.size(); i += object ? 2 : 1) {
      Assigned(*term.items[i], expr);
    }
  }

  void Declared(const Term& term, const Location& at) {
    if (term.kind != TermKind::kVar || term.variable == nullptr || term.variable->wildcard())
      return;
    if (Occurrences(term.variable) <= 1) Report(at, "declared var ", term.name);
  }

  void Report(const Location& at, std::string_view what, std::string_view name) {
    errors_.push_back(MakeDiagnostic("rego_compile_error", module_, at,
                                     std::string(what) + std::string(name) + " unused"));
  }

  const Module* module_;
  bool strict_;
  Diagnostics& errors_;
  size_t start_;
  std::unordered_map<const Variable*, size_t> count_;
};

void CollectArguments(const Term& term, std::vector<const Variable*>& out) {
  if (term.kind == TermKind::kVar) {
    if (term.variable != nullptr && !term.variable->wildcard() &&
        std::ranges::find(out, term.variable) == out.end()) {
      out.push_back(term.variable);
    }
    return;
  }
  for (const Term* item : term.items) CollectArguments(*item, out);
}

}  // namespace

void CheckUnusedLocals(const RuleInfo& rule, bool strict, Diagnostics& errors) {
  std::vector<const Variable*> unused;
  if (strict) {
    for (const Term* argument : rule.rule->head.args) CollectArguments(*argument, unused);
  }
  for (const Rule* branch = rule.rule; branch != nullptr; branch = branch->else_rule) {
    UnusedLocals locals(rule.module, strict, errors);
    ForEachHeadTerm(branch->head, [&](const Term& term) { locals.CountIn(term); });
    locals.CountIn(branch->body);
    ForEachHeadTerm(branch->head, [&](const Term& term) { locals.Nested(term); });
    locals.Scope(branch->body, {});
    const size_t own = branch->head.args.empty() ? 0 : 1;  // where it stands as an argument
    std::erase_if(unused, [&](const Variable* v) { return locals.Occurrences(v) > own; });
  }
  for (const Variable* argument : unused) {
    errors.push_back(MakeDiagnostic("rego_compile_error", rule.module, rule.rule->head.at,
                                    "unused argument " + std::string(argument->name) +
                                        ". (hint: use _ (wildcard variable) instead)"));
  }
}

void CheckUnusedLocals(Body body, bool strict, Diagnostics& errors) {
  UnusedLocals locals(nullptr, strict, errors);
  locals.CountIn(body);
  locals.Scope(body, {});
}

}  // namespace bulwark::rego
