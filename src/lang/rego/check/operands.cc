// What template strings and calls of print() show. Each part is evaluated on its own, so that what
// is undefined is shown as such; a variable in it must have got its value elsewhere.

#include <algorithm>

#include "lang/rego/check/lower.h"
#include "lang/rego/check/stages.h"
#include "lang/rego/check/walk.h"
#include "lang/rego/resolve/names.h"
#include "lang/rego/resolve/safety.h"

namespace bulwark::rego {

namespace {

constexpr std::string_view kCompileError = "rego_compile_error";

class OperandCheck {
 public:
  OperandCheck(const CheckContext& context, const Module* module, Diagnostics& errors)
      : context_(context), orderer_(context.policy), module_(module), errors_(errors) {}

  VarSet Arguments(const RuleInfo& rule) const {
    VarSet safe;
    for (const Variable& variable : rule.variables) {
      if (variable.argument) safe.Add(variable.id);
    }
    return safe;
  }

  // ---- print ----

  void Prints(Body body, const VarSet& outside) {
    VarSet safe = outside;
    for (const Expr* expr : body) {
      if (IsPrint(*expr)) {
        for (const Term* argument : expr->terms.subspan(1)) Undeclared(*argument, safe);
      }
      NestedPrints(*expr, safe);
      safe.Add(orderer_.Outputs(*expr, safe));
    }
  }

  void NestedPrints(const Term& term, const VarSet& safe) {
    if (term.kind == TermKind::kArrayComprehension || term.kind == TermKind::kSetComprehension ||
        term.kind == TermKind::kObjectComprehension) {
      Prints(term.body, safe);
    }
    for (const Term* item : term.items) NestedPrints(*item, safe);
  }

  // ---- template strings ----

  // All that the body binds is there; gives it back.
  VarSet Templates(Body body, const VarSet& outside) {
    VarSet safe = outside;
    for (bool more = true; more;) {
      more = false;
      for (const Expr* expr : body) {
        VarSet outputs = orderer_.Outputs(*expr, safe);
        if (outputs.Within(safe)) continue;
        safe.Add(outputs);
        more = true;
      }
    }
    for (const Expr* expr : body) Templates(*expr, safe);
    return safe;
  }

  void Templates(const Term& term, const VarSet& safe) {
    switch (term.kind) {
      case TermKind::kTemplateString:
        for (const Expr* part : term.body) Part(*part, safe);
        return;
      case TermKind::kArrayComprehension:
      case TermKind::kSetComprehension:
      case TermKind::kObjectComprehension: {
        VarSet inner = Templates(term.body, safe);
        for (const Term* item : term.items) Templates(*item, inner);
        return;
      }
      default:
        for (const Term* item : term.items) Templates(*item, safe);
    }
  }

 private:
  bool IsPrint(const Expr& expr) {
    return expr.kind == ExprKind::kCall && BuiltinName(*expr.terms[0], arena_) == "print";
  }

  void NestedPrints(const Expr& expr, const VarSet& safe) {
    if (const Term* own = OwnTerm(expr)) NestedPrints(*own, safe);
    for (const Term* term : expr.terms) {
      if (term != nullptr) NestedPrints(*term, safe);
    }
    if (expr.kind == ExprKind::kEvery) {
      Prints(expr.lhs, WithKeyAndValue(expr, safe));
    } else {
      Prints(expr.lhs, safe);
      Prints(expr.rhs, safe);
    }
    for (const With& with : expr.with) NestedPrints(*with.value, safe);
  }

  static VarSet WithKeyAndValue(const Expr& every, const VarSet& safe) {
    VarSet inner = safe;
    for (const Term* term : {every.terms[0], every.terms[1]}) {
      if (term != nullptr && term->variable != nullptr) inner.Add(term->variable->id);
    }
    return inner;
  }

  void Templates(const Expr& expr, const VarSet& safe) {
    if (const Term* own = OwnTerm(expr)) Templates(*own, safe);
    for (const Term* term : expr.terms) {
      if (term != nullptr) Templates(*term, safe);
    }
    if (expr.kind == ExprKind::kEvery) {
      Templates(expr.lhs, WithKeyAndValue(expr, safe));
    } else {
      Templates(expr.lhs, safe);
      Templates(expr.rhs, safe);
    }
    for (const With& with : expr.with) Templates(*with.value, safe);
  }

  void Part(const Expr& part, const VarSet& safe) {
    if (part.kind == ExprKind::kCall) {
      std::string_view name = BuiltinName(*part.terms[0], arena_);
      const Builtin* builtin = name.empty() ? nullptr : context_.Find(name);
      if (builtin != nullptr && builtin->relation) {
        errors_.push_back(MakeDiagnostic(kCompileError, nullptr, {},
                                         "illegal call to relation built-in '" + std::string(name) +
                                             "' that may cause multiple outputs"));
        return;
      }
      for (const Term* argument : part.terms.subspan(1)) {
        Templates(*argument, safe);
        Undeclared(*argument, safe);
      }
      return;
    }
    if (part.term == nullptr) return;
    // A variable alone is safe, or reported as unsafe.
    if (part.term->kind == TermKind::kVar || part.term->kind == TermKind::kScalar) return;
    Templates(*part.term, safe);
    Undeclared(*part.term, safe);
  }

  // Variables of a term that have no value.
  void Undeclared(const Term& term, const VarSet& safe) {
    VarSet open;
    CollectVars(term, open);
    open.Remove(safe);
    if (open.empty()) return;
    std::vector<std::string_view> names;
    WalkTerms(term, [&](const Term& t) {
      if (t.kind != TermKind::kVar || t.variable == nullptr || !open.Has(t.variable->id)) return;
      open.Remove(t.variable->id);
      names.push_back(t.variable->wildcard() ? "_" : t.name);
    });
    std::ranges::sort(names);
    for (std::string_view name : names) {
      errors_.push_back(MakeDiagnostic(kCompileError, module_, term.at,
                                       "var " + std::string(name) + " is undeclared"));
    }
  }

  const CheckContext& context_;
  Orderer orderer_;
  const Module* module_;
  Diagnostics& errors_;
  Arena arena_;
};

}  // namespace

void CheckTemplates(const CheckContext& context, const RuleInfo& rule, Diagnostics& errors) {
  OperandCheck check(context, rule.module, errors);
  const VarSet arguments = check.Arguments(rule);
  for (const Rule* branch = rule.rule; branch != nullptr; branch = branch->else_rule) {
    VarSet safe = check.Templates(branch->body, arguments);
    ForEachHeadTerm(branch->head, [&](const Term& term) { check.Templates(term, safe); });
  }
}

void CheckTemplates(const CheckContext& context, Body body, Diagnostics& errors) {
  OperandCheck(context, nullptr, errors).Templates(body, {});
}

void CheckPrints(const CheckContext& context, const RuleInfo& rule, Diagnostics& errors) {
  OperandCheck check(context, rule.module, errors);
  const VarSet arguments = check.Arguments(rule);
  for (const Rule* branch = rule.rule; branch != nullptr; branch = branch->else_rule) {
    ForEachHeadTerm(branch->head, [&](const Term& term) { check.NestedPrints(term, arguments); });
    check.Prints(branch->body, arguments);
  }
}

void CheckPrints(const CheckContext& context, Body body, Diagnostics& errors) {
  OperandCheck(context, nullptr, errors).Prints(body, {});
}

}  // namespace bulwark::rego
