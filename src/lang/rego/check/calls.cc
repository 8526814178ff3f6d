// What is called, and what `with` replaces.

#include <algorithm>

#include "lang/rego/check/infer.h"
#include "lang/rego/check/lower.h"
#include "lang/rego/check/stages.h"
#include "lang/rego/check/text.h"
#include "lang/rego/check/walk.h"
#include "lang/rego/resolve/names.h"

namespace bulwark::rego {

namespace {

constexpr std::string_view kTypeError = "rego_type_error";
constexpr std::string_view kCompileError = "rego_compile_error";

template <typename F>
void ForEachBranch(const RuleInfo& rule, const F& each) {
  for (const Rule* branch = rule.rule; branch != nullptr; branch = branch->else_rule) each(*branch);
}

// The rules that a path names exactly.
const TreeNode* RulesAt(const Resolution& policy, const Term& term) {
  std::vector<Value> path = KnownPath(term);
  if (path.empty() || Value::Compare(path[0], Value::String("data")) != 0) return nullptr;
  const TreeNode* node = policy.Find(std::span<const Value>(path).subspan(1));
  return node != nullptr && !node->rules.empty() ? node : nullptr;
}

// ---- calls of functions that do not exist, or with the wrong number of arguments ----

class FunctionCheck {
 public:
  FunctionCheck(const CheckContext& context, const Module* module, TypeRef input,
                Diagnostics& errors)
      : context_(context), module_(module), input_(input), errors_(errors), types_(arena_) {}

  // A variable of a body hides the built-in of its name.
  void Hide(Body body) {
    for (const Expr* expr : body) {
      if (const Term* own = OwnTerm(*expr)) Hide(*own);
      for (const Term* term : expr->terms) {
        if (term != nullptr && expr->kind != ExprKind::kEvery) Hide(*term);
      }
    }
  }

  void Check(Body body) {
    for (const Expr* expr : body) Check(*expr);
  }

  void Check(const Term& term) {
    for (const Term* item : term.items) Check(*item);
    Check(term.body);
    if (term.kind == TermKind::kCall) Call(*term.items[0], term.items.subspan(1), term.at, true);
  }

 private:
  void Hide(const Term& term) {
    if (!term.body.empty()) return;  // what a closure has is its own
    if (term.kind == TermKind::kVar && term.variable != nullptr && !term.variable->declared &&
        context_.Find(term.name) != nullptr) {
      hidden_.push_back(term.name);
    }
    for (const Term* item : term.items) Hide(*item);
  }

  void Check(const Expr& expr) {
    if (const Term* own = OwnTerm(expr)) Check(*own);
    for (const Term* term : expr.terms) {
      if (term != nullptr) Check(*term);
    }
    Check(expr.lhs);
    Check(expr.rhs);
    for (const With& with : expr.with) Check(*with.value);
    if (expr.kind == ExprKind::kCall) {
      Call(*expr.terms[0], std::span<Term* const>(expr.terms).subspan(1), expr.at, false);
    }
  }

  // `nested`: the call stands for its value, so that there is no room for an output.
  void Call(const Term& callee, std::span<Term* const> arguments, const Location& at, bool nested) {
    std::string_view name = BuiltinName(callee, arena_);
    const bool hidden = std::ranges::find(hidden_, name) != hidden_.end();
    const Builtin* builtin = name.empty() || hidden ? nullptr : context_.Find(name);
    int arity = -1;
    TypeRef type = nullptr;
    if (builtin != nullptr) {
      if (name == "print" || name == "internal.print") return;
      type = BuiltinTypeOf(*builtin);
      arity = Arity(type);
    } else if (const TreeNode* rules = RulesAt(context_.policy, callee); rules != nullptr) {
      arity = static_cast<int>(rules->rules[0]->rule->head.args.size());
    }
    const auto given = static_cast<int>(arguments.size());
    if (arity < 0) {
      errors_.push_back(
          MakeDiagnostic(kTypeError, module_, at, "undefined function " + TermText(callee)));
      return;
    }
    if (given == arity || (!nested && given == arity + 1)) return;
    if (nested && name == "eq") return;
    if (builtin == nullptr) {
      std::string message = "function " + TermText(callee) + " has arity " + std::to_string(arity) +
                            ", got " + std::to_string(given) +
                            (given == 1 ? " argument" : " arguments");
      errors_.push_back(MakeDiagnostic(kTypeError, module_, at, std::move(message)));
      return;
    }
    std::vector<TypeRef> have;
    for (const Term* argument : arguments) have.push_back(TypeOf(*argument));
    if (nested) have.push_back(nullptr);  // its value
    Diagnostic error =
        MakeDiagnostic(kTypeError, module_, at, std::string(name) + ": arity mismatch");
    error.details = ArgumentDetails(have, type, false);
    errors_.push_back(std::move(error));
  }

  TypeRef BuiltinTypeOf(const Builtin& builtin) {
    TypeRef type = BuiltinTypes::Standard().Find(&builtin);
    if (type != nullptr) return type;
    Result<TypeRef> parsed = ParseType(builtin.type, types_);  // a host's own
    return parsed ? *parsed : kAnyType;
  }

  // Before anything is known of variables and rules.
  TypeRef TypeOf(const Term& term) {
    switch (term.kind) {
      case TermKind::kScalar: return types_.Of(term.value);
      case TermKind::kVar:
      case TermKind::kRef: return DocumentType(term);
      case TermKind::kArray: {
        std::vector<TypeRef> items;
        for (const Term* item : term.items) items.push_back(TypeOf(*item));
        return types_.Array(arena_.Copy(std::span<const TypeRef>(items)), nullptr);
      }
      case TermKind::kSet: {
        TypeRef of = nullptr;
        for (const Term* item : term.items) of = types_.Or(of, TypeOf(*item));
        return types_.Set(of);
      }
      case TermKind::kObject: {
        std::vector<Property> properties;
        TypeRef key = nullptr;
        TypeRef value = nullptr;
        bool dynamic = false;
        for (size_t i = 0; i + 1 < term.items.size(); i += 2) {
          if (term.items[i]->kind == TermKind::kScalar) {
            properties.push_back(
                {.key = term.items[i]->value, .value = TypeOf(*term.items[i + 1])});
          } else {
            dynamic = true;
            key = TypeOf(*term.items[i]);
            value = TypeOf(*term.items[i + 1]);
          }
        }
        return dynamic ? types_.Object(properties, key, value) : types_.Object(properties);
      }
      default: return nullptr;
    }
  }

  TypeRef DocumentType(const Term& term) {
    std::span<const Value> head = term.resolved;
    if (head.empty() && term.kind == TermKind::kRef) head = term.items[0]->resolved;
    if (head.empty()) return nullptr;
    if (!head[0].IsString() || head[0].AsString() != "input" || input_ == nullptr) return kAnyType;
    TypeRef type = input_;
    for (const Value& key : head.subspan(1)) type = types_.Select(type, key);
    if (term.kind != TermKind::kRef) return type;
    for (const Term* operand : term.items.subspan(1)) {
      type = operand->kind == TermKind::kScalar ? types_.Select(type, operand->value)
                                                : types_.Values(type);
    }
    return type;
  }

  const CheckContext& context_;
  const Module* module_;
  TypeRef input_;
  Diagnostics& errors_;
  std::vector<std::string_view> hidden_;
  Arena arena_;
  TypeFactory types_;
};

// ---- with ----

class WithCheck {
 public:
  WithCheck(const CheckContext& context, const Module* module, Diagnostics& errors)
      : context_(context), module_(module), errors_(errors) {}

  // One error a body is enough.
  void Check(Body body) {
    bool bad = false;
    for (const Expr* expr : body) {
      if (const Term* own = OwnTerm(*expr)) Nested(*own);
      for (const Term* term : expr->terms) {
        if (term != nullptr) Nested(*term);
      }
      Check(expr->lhs);
      Check(expr->rhs);
      for (const With& with : expr->with) {
        Nested(*with.value);
        if (!bad) bad = !Modifier(with);
      }
    }
  }

  void Nested(const Term& term) {
    Check(term.body);
    for (const Term* item : term.items) Nested(*item);
  }

 private:
  bool Fail(std::string_view code, const Location& at, std::string message) {
    errors_.push_back(MakeDiagnostic(code, module_, at, std::move(message)));
    return false;
  }

  bool Safe(const Term& term, std::string_view name) {
    if (!context_.unsafe.contains(name)) return true;
    return Fail(kCompileError, term.at,
                "with keyword replacing built-in function: target must not be unsafe: \"" +
                    std::string(name) + "\"");
  }

  bool Modifier(const With& with) {
    const Term& target = *with.target;
    const bool named = target.kind == TermKind::kVar || target.kind == TermKind::kRef;
    std::string_view name = named ? BuiltinName(target, arena_) : std::string_view();
    if (!name.empty() && !Safe(target, name)) return false;
    std::span<const Value> head = target.resolved;
    if (head.empty() && target.kind == TermKind::kRef) head = target.items[0]->resolved;
    if (!head.empty() && head[0].IsString()) {
      return head[0].AsString() != "data" || Document(with, head);
    }
    const Builtin* builtin = name.empty() ? nullptr : context_.Find(name);
    if (builtin == nullptr) {
      return Fail(kTypeError, target.at,
                  "with keyword target must reference existing input, data, or a function");
    }
    constexpr std::string_view kPrefix = "with keyword replacing built-in function: ";
    std::string prefix(kPrefix);
    if (name == "eq" || name == "rego.metadata.chain" || name == "rego.metadata.rule") {
      return Fail(kCompileError, target.at,
                  prefix + "replacement of \"" + std::string(name) + "\" invalid");
    }
    if (name.starts_with("internal.")) {
      return Fail(
          kCompileError, target.at,
          prefix + "replacement of internal function \"" + std::string(name) + "\" invalid");
    }
    if (builtin->relation) {
      return Fail(kCompileError, target.at, prefix + "target must not be a relation");
    }
    TypeRef type = BuiltinTypes::Standard().Find(builtin);
    if (type != nullptr && type->kind == TypeKind::kFunction && type->result.type == nullptr) {
      return Fail(kCompileError, target.at, prefix + "target must not be a void function");
    }
    return Replacement(with);
  }

  // A function's replacement must not be an unsafe built-in.
  bool Replacement(const With& with) {
    const Term& value = *with.value;
    if (value.kind != TermKind::kVar && value.kind != TermKind::kRef) return true;
    std::string_view name = BuiltinName(value, arena_);
    return name.empty() || Safe(value, name);
  }

  bool Document(const With& with, std::span<const Value> head) {
    const Term& target = *with.target;
    std::vector<const Value*> path;
    for (const Value& key : head.subspan(1)) path.push_back(&key);
    if (target.kind == TermKind::kRef) {
      for (const Term* operand : target.items.subspan(1)) {
        path.push_back(operand->kind == TermKind::kScalar ? &operand->value : nullptr);
      }
    }
    const TreeNode* node = context_.policy.root();
    for (size_t i = 0; i < path.size(); ++i) {
      const TreeNode* child = path[i] != nullptr ? node->Child(*path[i]) : nullptr;
      if (child == nullptr) return true;
      if (i + 1 < path.size() && !child->rules.empty()) {
        return Fail(kCompileError, target.at,
                    "with keyword cannot partially replace virtual document(s)");
      }
      node = child;
    }
    const bool function = std::ranges::any_of(
        node->rules, [](const RuleInfo* rule) { return !rule->rule->head.args.empty(); });
    return !function || Replacement(with);
  }

  const CheckContext& context_;
  const Module* module_;
  Diagnostics& errors_;
  Arena arena_;
};

bool IsVoid(const CheckContext& context, const Term& callee) {
  Arena arena;
  std::string_view name = BuiltinName(callee, arena);
  const Builtin* builtin = name.empty() ? nullptr : context.Find(name);
  if (builtin == nullptr) return false;
  TypeRef type = BuiltinTypes::Standard().Find(builtin);
  return type != nullptr && type->kind == TypeKind::kFunction && type->result.type == nullptr;
}

void CheckVoidIn(const CheckContext& context, const Module* module, const Term& term,
                 Diagnostics& errors) {
  if (term.kind != TermKind::kCall || !IsVoid(context, *term.items[0])) return;
  errors.push_back(MakeDiagnostic(kTypeError, module, term.at, TermText(term) + " used as value"));
}

void CheckForbiddenIn(const Module* module, const Term& term, std::string_view what,
                      const std::function<bool(std::string_view)>& is_bad, Diagnostics& errors) {
  if (term.kind != TermKind::kCall) return;
  Arena arena;
  std::string_view name = BuiltinName(*term.items[0], arena);
  if (name.empty() || !is_bad(name)) return;
  errors.push_back(MakeDiagnostic(
      kTypeError, module, term.at,
      std::string(what) + " built-in function calls in expression: " + std::string(name)));
}

}  // namespace

RuleTraits TraitsOf(const CheckContext& context, const RuleInfo& rule) {
  RuleTraits traits;
  Arena arena;
  auto call = [&](const Term& callee) {
    std::string_view name = BuiltinName(callee, arena);
    const Builtin* builtin = name.empty() ? nullptr : context.policy.builtins->Find(name);
    if (builtin == nullptr) return;
    traits.deprecated = traits.deprecated || builtin->deprecated;
    traits.voids = traits.voids || builtin->type.ends_with("void");
    traits.prints = traits.prints || name == "print";
    traits.unsafe = traits.unsafe || context.unsafe.contains(name);
  };
  auto in_term = [&](const Term& term) {
    if (term.kind == TermKind::kCall) call(*term.items[0]);
    traits.templates = traits.templates || term.kind == TermKind::kTemplateString;
  };
  auto in_expr = [&](const Expr& expr) {
    if (expr.kind == ExprKind::kCall) call(*expr.terms[0]);
    traits.withs = traits.withs || !expr.with.empty();
    return true;
  };
  ForEachBranch(rule, [&](const Rule& branch) {
    ForEachHeadTerm(branch.head, [&](const Term& part) {
      WalkTerms(part, in_term);
      WalkExprs(part, in_expr);
    });
    WalkTerms(branch.body, in_term);
    WalkExprs(branch.body, in_expr);
  });
  return traits;
}

void CheckVoidCalls(const CheckContext& context, const Module* module, Body body,
                    Diagnostics& errors) {
  WalkTerms(body, [&](const Term& term) { CheckVoidIn(context, module, term, errors); });
}

void CheckVoidCalls(const CheckContext& context, const RuleInfo& rule, Diagnostics& errors) {
  ForEachBranch(rule, [&](const Rule& branch) {
    ForEachHeadTerm(branch.head, [&](const Term& part) {
      WalkTerms(part, [&](const Term& term) { CheckVoidIn(context, rule.module, term, errors); });
    });
    CheckVoidCalls(context, rule.module, branch.body, errors);
  });
}

void CheckFunctions(const CheckContext& context, const Module* module, Body body, TypeRef input,
                    Diagnostics& errors) {
  FunctionCheck(context, module, input, errors).Check(body);
}

void CheckFunctions(const CheckContext& context, const RuleInfo& rule, TypeRef input,
                    Diagnostics& errors) {
  ForEachBranch(rule, [&](const Rule& branch) {
    FunctionCheck check(context, rule.module, input, errors);
    check.Hide(branch.body);
    ForEachHeadTerm(branch.head, [&](const Term& term) { check.Check(term); });
    check.Check(branch.body);
  });
}

void CheckWithTargets(const CheckContext& context, const Module* module, Body body,
                      Diagnostics& errors) {
  WithCheck(context, module, errors).Check(body);
}

void CheckWithTargets(const CheckContext& context, const RuleInfo& rule, Diagnostics& errors) {
  WithCheck check(context, rule.module, errors);
  ForEachBranch(rule, [&](const Rule& branch) {
    ForEachHeadTerm(branch.head, [&](const Term& term) { check.Nested(term); });
    check.Check(branch.body);
  });
}

void CheckForbidden(const Module* module, Body body, std::string_view what,
                    const std::function<bool(std::string_view)>& is_bad, Diagnostics& errors) {
  Arena arena;
  WalkExprs(body, [&](const Expr& expr) {
    if (expr.kind != ExprKind::kCall) return true;
    std::string_view name = BuiltinName(*expr.terms[0], arena);
    if (!name.empty() && is_bad(name)) {
      errors.push_back(MakeDiagnostic(
          kTypeError, module, expr.at,
          std::string(what) + " built-in function calls in expression: " + std::string(name)));
    }
    return true;
  });
  WalkTerms(body, [&](const Term& term) { CheckForbiddenIn(module, term, what, is_bad, errors); });
}

void CheckForbidden(const RuleInfo& rule, std::string_view what,
                    const std::function<bool(std::string_view)>& is_bad, Diagnostics& errors) {
  Arena arena;
  ForEachBranch(rule, [&](const Rule& branch) {
    ForEachHeadTerm(branch.head, [&](const Term& part) {
      WalkTerms(part, [&](const Term& term) {
        CheckForbiddenIn(rule.module, term, what, is_bad, errors);
      });
      WalkExprs(part, [&](const Expr& expr) {
        if (expr.kind != ExprKind::kCall) return true;
        std::string_view name = BuiltinName(*expr.terms[0], arena);
        if (!name.empty() && is_bad(name)) {
          errors.push_back(MakeDiagnostic(
              kTypeError, rule.module, expr.at,
              std::string(what) + " built-in function calls in expression: " + std::string(name)));
        }
        return true;
      });
    });
    CheckForbidden(rule.module, branch.body, what, is_bad, errors);
  });
}

}  // namespace bulwark::rego
