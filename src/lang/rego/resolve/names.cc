#include "lang/rego/resolve/names.h"

#include <fmt/core.h>

#include <algorithm>

namespace bulwark::rego {

namespace {

bool IsOperator(const Expr& expr, std::string_view name) {
  if (expr.kind != ExprKind::kCall || expr.terms.size() != 3) return false;
  const Term& f = *expr.terms[0];
  const Term& head = f.kind == TermKind::kRef ? *f.items[0] : f;
  return head.kind == TermKind::kVar && head.name == name &&
         (f.kind != TermKind::kRef || f.items.size() == 1);
}

// The names that an expression declares in its body.
void CollectDeclared(const Term& term, std::vector<std::string_view>& out) {
  if (term.kind == TermKind::kVar) {
    out.push_back(term.name);
    return;
  }
  for (const Term* item : term.items) CollectDeclared(*item, out);
}

void CollectDeclared(Body body, std::vector<std::string_view>& out) {
  for (const Expr* expr : body) {
    if (IsAssignment(*expr)) {
      CollectDeclared(*expr->terms[1], out);
    } else if (expr->kind == ExprKind::kSome) {
      for (const Term* term : expr->terms) CollectDeclared(*term, out);
    } else if (expr->kind == ExprKind::kSomeIn) {
      for (size_t i = 0; i + 1 < expr->terms.size(); ++i) CollectDeclared(*expr->terms[i], out);
    } else {
      CollectDeclared(expr->lhs, out);
      CollectDeclared(expr->rhs, out);
    }
  }
}

std::string_view KindName(const Term& term) {
  switch (term.kind) {
    case TermKind::kScalar: return TypeName(term.value);
    case TermKind::kVar: return "var";
    case TermKind::kRef: return "ref";
    case TermKind::kArray: return "array";
    case TermKind::kSet: return "set";
    case TermKind::kObject: return "object";
    case TermKind::kArrayComprehension: return "arraycomprehension";
    case TermKind::kSetComprehension: return "setcomprehension";
    case TermKind::kObjectComprehension: return "objectcomprehension";
    case TermKind::kCall: return "call";
    case TermKind::kTemplateString: return "templatestring";
  }
  return "";
}

bool IsRoot(std::string_view name) { return name == "input" || name == "data"; }

}  // namespace

bool IsAssignment(const Expr& expr) { return IsOperator(expr, "assign"); }
bool IsUnification(const Expr& expr) { return IsOperator(expr, "eq"); }

bool IsPrint(const Expr& expr) {
  if (expr.kind != ExprKind::kCall) return false;
  const Term& f = *expr.terms[0];
  if (f.kind == TermKind::kRef && f.items.size() != 1) return false;
  const Term& head = f.kind == TermKind::kRef ? *f.items[0] : f;
  return head.kind == TermKind::kVar && head.name == "print" && head.resolved.empty();
}

std::string_view BuiltinName(const Term& callee, Arena& arena) {
  if (callee.kind == TermKind::kVar) {
    return callee.variable == nullptr && callee.resolved.empty() ? callee.name : std::string_view();
  }
  if (callee.kind != TermKind::kRef || callee.items[0]->kind != TermKind::kVar ||
      callee.items[0]->variable != nullptr || !callee.items[0]->resolved.empty()) {
    return {};
  }
  if (callee.items.size() == 1) return callee.items[0]->name;
  std::string joined(callee.items[0]->name);
  for (const Term* item : callee.items.subspan(1)) {
    if (item->kind != TermKind::kScalar || !item->value.IsString()) return {};
    joined += '.';
    joined += item->value.AsString();
  }
  return arena.Copy(joined);
}

void NameResolver::Fail(const Location& at, std::string message) {
  errors_.push_back({.code = "rego_compile_error",
                     .message = std::move(message),
                     .file = std::string(file_),
                     .at = at,
                     .details = {}});
}

void NameResolver::Push(Body body) {
  scopes_.emplace_back();
  CollectDeclared(body, scopes_.back().hidden);
}

Variable* NameResolver::Declared(std::string_view name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    for (const Binding& binding : scope->bindings) {
      if (binding.name == name && binding.variable != nullptr) return binding.variable;
    }
  }
  return nullptr;
}

bool NameResolver::Hidden(std::string_view name) const {
  return std::ranges::any_of(scopes_, [&](const Scope& scope) {
    return std::ranges::find(scope.hidden, name) != scope.hidden.end();
  });
}

Variable* NameResolver::Make(std::string_view name, const Location& at) {
  Variable& made = variables_.emplace_back();
  made.name = name;
  made.id = static_cast<uint32_t>(variables_.size() - 1);
  made.at = at;
  return &made;
}

Variable* NameResolver::Declare(const rego::Term& var, Occurrence how, const Location& at) {
  Scope& scope = scopes_.back();
  if (!var.name.starts_with('$')) {
    for (Binding& binding : scope.bindings) {
      if (binding.name != var.name) continue;
      switch (binding.occurrence) {
        case Occurrence::kSeen: Fail(at, fmt::format("var {} referenced above", var.name)); break;
        case Occurrence::kAssigned: Fail(at, fmt::format("var {} assigned above", var.name)); break;
        case Occurrence::kDeclared: Fail(at, fmt::format("var {} declared above", var.name)); break;
        case Occurrence::kArgument: Fail(at, fmt::format("arg {} redeclared", var.name)); break;
        case Occurrence::kNew: break;
      }
      return nullptr;
    }
  }
  Variable* made = Make(var.name, var.at);
  made->declared = how != Occurrence::kSeen;
  made->assigned = how == Occurrence::kAssigned;
  made->argument = how == Occurrence::kArgument;
  scope.bindings.push_back({var.name, made, how});
  return made;
}

// A variable, or the head of a reference.
void NameResolver::Name(rego::Term& term) {
  if (Variable* variable = Declared(term.name); variable != nullptr) {
    ++variable->uses;
    term.variable = variable;
    return;
  }
  if (!Hidden(term.name)) {
    if (auto global = globals_.find(term.name); global != globals_.end()) {
      term.resolved = global->second;
      return;
    }
    if (IsRoot(term.name)) {
      Value* root = arena_.Array<Value>(1);
      *root = Value::String(term.name);
      term.resolved = {root, 1};
      return;
    }
  }
  auto& known = implicit_[term.name];
  if (known == nullptr) known = Make(term.name, term.at);
  ++known->uses;
  term.variable = known;
  // To be found by a declaration below, which comes too late.
  if (scopes_.empty()) return;
  Scope& scope = scopes_.back();
  const bool there = std::ranges::any_of(
      scope.bindings, [&](const Binding& binding) { return binding.name == term.name; });
  if (!there) scope.bindings.push_back({term.name, nullptr, Occurrence::kSeen});
}

void NameResolver::Callee(rego::Term& callee, bool nested) {
  rego::Term& head = callee.kind == TermKind::kRef ? *callee.items[0] : callee;
  if (head.kind != TermKind::kVar) return Term(callee);
  if (Variable* variable = Declared(head.name); variable != nullptr) {
    std::string name(head.name);
    if (callee.kind == TermKind::kRef) {
      for (const rego::Term* item : callee.items.subspan(1)) {
        if (item->kind == TermKind::kScalar && item->value.IsString())
          name += fmt::format(".{}", item->value.AsString());
      }
    }
    ++variable->uses;
    if (nested) Fail(callee.at, fmt::format("called function {} shadowed", name));
    return;
  }
  if (!Hidden(head.name)) {
    if (auto global = globals_.find(head.name); global != globals_.end()) {
      head.resolved = global->second;
    } else if (IsRoot(head.name)) {
      Value* root = arena_.Array<Value>(1);
      *root = Value::String(head.name);
      head.resolved = {root, 1};
    }
  }
  callee.resolved = head.resolved;
}

void NameResolver::Term(rego::Term& term) {
  switch (term.kind) {
    case TermKind::kScalar: return;
    case TermKind::kVar: return Name(term);
    case TermKind::kRef:
      if (term.items[0]->kind == TermKind::kVar) {
        Name(*term.items[0]);
        term.resolved = term.items[0]->resolved;
      } else {
        Term(*term.items[0]);
      }
      for (rego::Term* item : term.items.subspan(1)) Term(*item);
      return;
    case TermKind::kArray:
    case TermKind::kSet:
    case TermKind::kObject:
      for (rego::Term* item : term.items) Term(*item);
      return;
    case TermKind::kCall:
      Callee(*term.items[0], true);
      for (rego::Term* item : term.items.subspan(1)) Term(*item);
      return;
    case TermKind::kArrayComprehension:
    case TermKind::kSetComprehension:
    case TermKind::kObjectComprehension:
      Push(term.body);
      Bodies(term.body);
      for (rego::Term* item : term.items) Term(*item);
      Pop();
      return;
    case TermKind::kTemplateString:
      for (rego::Expr* part : term.body) Expr(*part);
      return;
  }
}

// A function's argument is a pattern: what it names is declared.
void NameResolver::Argument(rego::Term& term) {
  switch (term.kind) {
    case TermKind::kVar: {
      Variable* variable = nullptr;
      for (const Binding& binding : scopes_.back().bindings) {
        if (binding.name == term.name) variable = binding.variable;
      }
      if (variable == nullptr) {
        if (IsRoot(term.name)) {
          Fail(term.at,
               fmt::format("args must not shadow {} (use a different variable name)", term.name));
        }
        variable = Declare(term, Occurrence::kArgument, term.at);
      } else {
        ++variable->uses;
      }
      term.variable = variable;
      return;
    }
    case TermKind::kArray:
      for (rego::Term* item : term.items) Argument(*item);
      return;
    case TermKind::kObject:
      for (size_t i = 0; i + 1 < term.items.size(); i += 2) {
        Term(*term.items[i]);
        Argument(*term.items[i + 1]);
      }
      return;
    case TermKind::kCall: Fail(term.at, "rule arguments cannot contain calls"); return;
    case TermKind::kScalar: return;
    default: Term(term); return;
  }
}

void NameResolver::Bodies(Body body) {
  for (rego::Expr* expr : body) Expr(*expr);
}

// `with f as count`: the value is no variable.
bool NameResolver::NamesBuiltin(const rego::Term& term) const {
  const rego::Term& head = term.kind == TermKind::kRef ? *term.items[0] : term;
  if (head.kind != TermKind::kVar || Declared(head.name) != nullptr || Hidden(head.name) ||
      globals_.contains(head.name) || implicit_.contains(head.name)) {
    return false;
  }
  Arena scratch(256);
  return builtins_.Find(BuiltinName(term, scratch)) != nullptr;
}

void NameResolver::With(rego::Expr& expr) {
  for (rego::With& with : expr.with) {
    if (!NamesBuiltin(*with.value)) Term(*with.value);
    if (with.target->kind == TermKind::kCall) {
      Term(*with.target);
    } else {
      Callee(*with.target, false);  // a root, or a function's name: no variable
      if (with.target->kind == TermKind::kRef) {
        for (rego::Term* item : with.target->items.subspan(1)) Term(*item);
      }
    }
  }
}

void NameResolver::Terms(rego::Expr& expr) {
  if (expr.kind == ExprKind::kTerm) {
    Term(*expr.term);
    return;
  }
  Callee(*expr.terms[0], false);
  for (rego::Term* term : expr.terms.subspan(1)) Term(*term);
}

void NameResolver::Assign(rego::Expr& expr) {
  if (expr.negated) {
    Fail(expr.at, "cannot assign vars inside negated expression");
    return;
  }
  Term(*expr.terms[2]);
  for (rego::With& with : expr.with) {
    if (!NamesBuiltin(*with.value)) Term(*with.value);
  }
  AssignTo(*expr.terms[1]);
  // The values were seen already, and are not counted twice.
  for (rego::With& with : expr.with) Callee(*with.target, false);
}

void NameResolver::AssignTo(rego::Term& term) {
  if (term.kind == TermKind::kRef && term.items.size() == 1 &&
      term.items[0]->kind == TermKind::kVar) {
    // `input := 1`: a reference of one name is that name.
    term.kind = TermKind::kVar;
    term.name = term.items[0]->name;
    term.items = {};
  }
  switch (term.kind) {
    case TermKind::kVar: term.variable = Declare(term, Occurrence::kAssigned, term.at); return;
    case TermKind::kArray:
      for (rego::Term* item : term.items) AssignTo(*item);
      return;
    case TermKind::kObject:
      for (size_t i = 0; i + 1 < term.items.size(); i += 2) {
        Term(*term.items[i]);
        AssignTo(*term.items[i + 1]);
      }
      return;
    default: Fail(term.at, fmt::format("cannot assign to {}", KindName(term))); return;
  }
}

void NameResolver::DeclarePattern(rego::Term& term, const Location& at) {
  switch (term.kind) {
    case TermKind::kVar:
      // The same name twice in a pattern is one variable.
      for (size_t i = first_of_pattern_; i < scopes_.back().bindings.size(); ++i) {
        const Binding& binding = scopes_.back().bindings[i];
        if (binding.name == term.name && binding.variable != nullptr) {
          term.variable = binding.variable;
          return;
        }
      }
      term.variable = Declare(term, Occurrence::kDeclared, at);
      return;
    case TermKind::kArray:
      for (rego::Term* item : term.items) DeclarePattern(*item, at);
      return;
    case TermKind::kObject:
      for (size_t i = 0; i + 1 < term.items.size(); i += 2) {
        Term(*term.items[i]);
        DeclarePattern(*term.items[i + 1], at);
      }
      return;
    default: Term(term); return;
  }
}

void NameResolver::SomeIn(rego::Expr& expr) {
  rego::Term& domain = *expr.terms.back();
  std::vector<std::string_view> bound;
  for (size_t i = 0; i + 1 < expr.terms.size(); ++i) CollectDeclared(*expr.terms[i], bound);
  std::vector<std::string_view> used;
  auto walk = [&](auto& self, const rego::Term& term) -> void {
    if (term.kind == TermKind::kVar) used.push_back(term.name);
    for (const rego::Term* item : term.items) {
      const bool callee = term.kind == TermKind::kCall && item == term.items[0];
      if (!callee && term.body.empty()) self(self, *item);
    }
  };
  walk(walk, domain);
  std::ranges::sort(bound);
  for (std::string_view name : bound) {
    if (name.starts_with('$') || IsRoot(name) || std::ranges::find(used, name) == used.end())
      continue;
    Fail(expr.at, fmt::format("var {} assigned before", name));
    return;
  }
  Term(domain);
  first_of_pattern_ = scopes_.back().bindings.size();
  for (size_t i = 0; i + 1 < expr.terms.size(); ++i) DeclarePattern(*expr.terms[i], expr.at);
  With(expr);
}

void NameResolver::Every(rego::Expr& expr) {
  Term(*expr.terms[2]);
  Push(expr.lhs);
  for (rego::Term* term : {expr.terms[0], expr.terms[1]}) {
    if (term != nullptr) term->variable = Declare(*term, Occurrence::kDeclared, expr.at);
  }
  Bodies(expr.lhs);
  Pop();
  With(expr);
}

void NameResolver::Operand(Body body, bool is_explicit, std::string_view error) {
  if (is_explicit) {
    Push(body);
    Bodies(body);
    Pop();
    return;
  }
  for (rego::Expr* expr : body) {
    if (IsAssignment(*expr)) {
      Fail(expr->at, std::string(error));
    } else {
      Expr(*expr);
    }
  }
}

void NameResolver::Expr(rego::Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kTerm: Terms(expr); break;
    case ExprKind::kCall:
      if (IsAssignment(expr)) return Assign(expr);
      Terms(expr);
      break;
    case ExprKind::kSome:
      for (rego::Term* term : expr.terms) {
        if (term->kind == TermKind::kVar)
          term->variable = Declare(*term, Occurrence::kDeclared, expr.at);
      }
      return;
    case ExprKind::kSomeIn: return SomeIn(expr);
    case ExprKind::kEvery: return Every(expr);
    case ExprKind::kNot:
      Operand(expr.lhs, expr.explicit_lhs, "cannot assign vars inside negated expression");
      break;
    case ExprKind::kAnd:
    case ExprKind::kOr: {
      std::string_view error = expr.kind == ExprKind::kAnd
                                   ? "cannot assign vars inside implicit and operand"
                                   : "cannot assign vars inside implicit or operand";
      Operand(expr.lhs, expr.explicit_lhs, error);
      Operand(expr.rhs, expr.explicit_rhs, error);
      break;
    }
  }
  With(expr);
}

void NameResolver::Head(rego::Rule& rule) {
  for (rego::Term* item : rule.head.ref.subspan(rule.head.ref.empty() ? 0 : 1)) Term(*item);
  if (IsPartialSet(rule)) Term(*rule.head.key);
  if (rule.head.value != nullptr) Term(*rule.head.value);
}

void NameResolver::Rule(rego::Rule& rule) {
  scopes_.emplace_back();
  for (rego::Term* argument : rule.head.args) Argument(*argument);
  for (rego::Rule* branch = &rule; branch != nullptr; branch = branch->else_rule) {
    // Names without a declaration are a branch's own.
    if (branch != &rule) implicit_.clear();
    if (branch != &rule) {
      for (size_t i = 0; i < branch->head.args.size() && branch->head.args[i] != rule.head.args[i];
           ++i) {
        Argument(*branch->head.args[i]);
      }
    }
    std::vector<std::string_view> declared;
    CollectDeclared(branch->body, declared);
    scopes_.emplace_back();
    scopes_.back().hidden = std::move(declared);
    // Arguments may not be declared again by the body itself.
    for (const Binding& binding : scopes_.front().bindings)
      scopes_.back().bindings.push_back(binding);
    Bodies(branch->body);
    Head(*branch);
    Pop();
  }
  scopes_.clear();
  implicit_.clear();
}

void NameResolver::QueryBody(Body body) {
  Push(body);
  Bodies(body);
  scopes_.clear();
}

}  // namespace bulwark::rego
