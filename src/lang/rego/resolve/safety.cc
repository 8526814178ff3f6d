#include "lang/rego/resolve/safety.h"

#include <algorithm>
#include <climits>
#include <unordered_map>

#include "lang/rego/resolve/names.h"

namespace bulwark::rego {

namespace {

bool IsComprehension(const Term& term) {
  return term.kind == TermKind::kArrayComprehension || term.kind == TermKind::kSetComprehension ||
         term.kind == TermKind::kObjectComprehension;
}

// The calls within a term, innermost first; not those within closures.
void CollectCalls(const Term& term, std::vector<const Term*>& out) {
  if (IsComprehension(term)) return;
  if (term.kind == TermKind::kTemplateString) return;
  const size_t first = term.kind == TermKind::kCall ? 1 : 0;
  for (size_t i = first; i < term.items.size(); ++i) CollectCalls(*term.items[i], out);
  if (term.kind == TermKind::kCall) out.push_back(&term);
}

void CollectCalls(const Expr& expr, std::vector<const Term*>& out) {
  if (expr.kind == ExprKind::kTerm) CollectCalls(*expr.term, out);
  const size_t first = expr.kind == ExprKind::kCall ? 1 : 0;
  for (size_t i = first; i < expr.terms.size(); ++i) {
    if (expr.terms[i] != nullptr && !(expr.kind == ExprKind::kEvery && i < 2))
      CollectCalls(*expr.terms[i], out);
  }
  for (const With& with : expr.with) CollectCalls(*with.value, out);
}

// Follows x = y, [x, y] = z and their like (the rules are those of OPA's ast.Unify).
class Unifier {
 public:
  explicit Unifier(const VarSet& safe) : safe_(safe) {}

  void Unify(const Term& a, const Term& b) {
    if (a.kind == TermKind::kVar && a.variable != nullptr) return UnifyVar(a.variable->id, b);
    if (b.kind == TermKind::kVar && b.variable != nullptr) return UnifyVar(b.variable->id, a);
    if (a.kind == TermKind::kArray && b.kind == TermKind::kArray) {
      if (a.items.size() != b.items.size()) return;
      for (size_t i = 0; i < a.items.size(); ++i) Unify(*a.items[i], *b.items[i]);
      return;
    }
    if (a.kind == TermKind::kObject && b.kind == TermKind::kObject) {
      if (a.items.size() != b.items.size()) return;
      for (size_t i = 0; i + 1 < a.items.size(); i += 2) {
        for (size_t j = 0; j + 1 < b.items.size(); j += 2) {
          if (SameKey(*a.items[i], *b.items[j])) Unify(*a.items[i + 1], *b.items[j + 1]);
        }
      }
      return;
    }
    const bool a_pattern = a.kind == TermKind::kArray || a.kind == TermKind::kObject;
    const bool b_pattern = b.kind == TermKind::kArray || b.kind == TermKind::kObject;
    if (a_pattern && Evaluable(b)) MarkAll(a);
    if (b_pattern && Evaluable(a)) MarkAll(b);
  }

  VarSet unified;

 private:
  bool IsSafe(uint32_t id) const { return safe_.Has(id) || unified.Has(id); }

  // Roots, references, calls and comprehensions whose variables are bound before.
  bool Evaluable(const Term& term) const {
    VarSet vars;
    switch (term.kind) {
      case TermKind::kVar: return term.variable == nullptr;
      case TermKind::kRef: CollectVars(*term.items[0], vars); return vars.Within(safe_);
      case TermKind::kCall: CollectVars(term, vars); return vars.Within(safe_);
      case TermKind::kArrayComprehension:
      case TermKind::kSetComprehension:
      case TermKind::kObjectComprehension: return true;
      default: return false;
    }
  }

  void UnifyVar(uint32_t id, const Term& b) {
    switch (b.kind) {
      case TermKind::kVar:
        if (b.variable == nullptr) return Mark(id);  // a rule, input, data
        if (IsSafe(b.variable->id)) return Mark(id);
        if (IsSafe(id)) return Mark(b.variable->id);
        unknown_[id].Add(b.variable->id);
        unknown_[b.variable->id].Add(id);
        return;
      case TermKind::kArray:
      case TermKind::kObject: {
        if (IsSafe(id)) return MarkAll(b);
        VarSet open;
        CollectVars(b, open, {.ref_heads = false, .object_keys = false});
        open.Remove(safe_);
        open.Remove(unified);
        if (open.empty()) return Mark(id);
        unknown_[id].Add(open);
        return;
      }
      case TermKind::kRef:
      case TermKind::kCall:
        if (Evaluable(b)) Mark(id);
        return;
      default: return Mark(id);
    }
  }

  void MarkAll(const Term& term) {
    VarSet vars;
    CollectVars(term, vars, {.ref_heads = false, .object_keys = false});
    vars.ForEach([&](uint32_t id) { Mark(id); });
  }

  void Mark(uint32_t id) {
    if (!unified.Add(id)) return;
    if (auto at = unknown_.find(id); at != unknown_.end()) {
      VarSet dependencies = std::move(at->second);
      unknown_.erase(at);
      dependencies.ForEach([&](uint32_t other) { Mark(other); });
    }
    std::vector<uint32_t> known;
    for (auto& [other, dependencies] : unknown_) {
      if (!dependencies.Has(id)) continue;
      dependencies.Remove(id);
      if (dependencies.empty()) known.push_back(other);
    }
    for (uint32_t other : known) {
      unknown_.erase(other);
      Mark(other);
    }
  }

  const VarSet& safe_;
  std::unordered_map<uint32_t, VarSet> unknown_;
};

void ClosureVars(const Term& term, VarSet& out) {
  if (IsComprehension(term)) return CollectVars(term, out, {.closures = true});
  for (const Term* item : term.items) ClosureVars(*item, out);
  for (const Expr* part : term.body) CollectVars(*part, out, {.closures = true});
}

// The variables in the closures of an expression.
void ClosureVars(const Expr& expr, VarSet& out) {
  if (IsPrint(expr)) CollectVars(expr, out, {.closures = true});
  if (expr.kind == ExprKind::kTerm) ClosureVars(*expr.term, out);
  for (const Term* term : expr.terms) {
    if (term != nullptr) ClosureVars(*term, out);
  }
  for (const With& with : expr.with) ClosureVars(*with.value, out);
  for (const Expr* inner : expr.lhs) CollectVars(*inner, out, {.closures = true});
  for (const Expr* inner : expr.rhs) CollectVars(*inner, out, {.closures = true});
}

// The variables of a body after an operator, or after `not`, that must come from outside it.
void ImplicitBodyVars(Body body, VarSet& out) {
  if (body.size() == 1) return CollectVars(*body[0], out);
  for (const Expr* expr : body) CollectVars(*expr, out);
}

}  // namespace

void CollectVars(const Term& term, VarSet& out, const VarsOptions& options) {
  switch (term.kind) {
    case TermKind::kScalar: return;
    case TermKind::kVar:
      if (term.variable != nullptr) out.Add(term.variable->id);
      return;
    case TermKind::kRef:
      if (options.ref_heads || term.items[0]->kind != TermKind::kVar)
        CollectVars(*term.items[0], out, options);
      for (const Term* item : term.items.subspan(1)) CollectVars(*item, out, options);
      return;
    case TermKind::kCall:
      if (!options.calls) return;
      for (const Term* item : term.items.subspan(1)) CollectVars(*item, out, options);
      return;
    case TermKind::kSet:
      if (!options.sets) return;
      [[fallthrough]];
    case TermKind::kArray:
      for (const Term* item : term.items) CollectVars(*item, out, options);
      return;
    case TermKind::kObject:
      for (size_t i = 0; i + 1 < term.items.size(); i += 2) {
        if (options.object_keys) CollectVars(*term.items[i], out, options);
        CollectVars(*term.items[i + 1], out, options);
      }
      return;
    case TermKind::kTemplateString:
      for (const Expr* part : term.body) CollectVars(*part, out, options);
      return;
    case TermKind::kArrayComprehension:
    case TermKind::kSetComprehension:
    case TermKind::kObjectComprehension:
      if (!options.closures) return;
      for (const Term* item : term.items) CollectVars(*item, out, options);
      for (const Expr* expr : term.body) CollectVars(*expr, out, options);
      return;
  }
}

void CollectVars(const Expr& expr, VarSet& out, const VarsOptions& options) {
  switch (expr.kind) {
    case ExprKind::kTerm: CollectVars(*expr.term, out, options); break;
    case ExprKind::kCall:
      if (IsPrint(expr) && !options.closures) break;
      for (const Term* term : expr.terms.subspan(1)) CollectVars(*term, out, options);
      break;
    case ExprKind::kSome: break;
    case ExprKind::kSomeIn:
      for (const Term* term : expr.terms) CollectVars(*term, out, options);
      break;
    case ExprKind::kEvery:
      CollectVars(*expr.terms[2], out, options);
      if (options.closures) {
        for (const Term* term : expr.terms.first(2)) {
          if (term != nullptr) CollectVars(*term, out, options);
        }
        for (const Expr* inner : expr.lhs) CollectVars(*inner, out, options);
      }
      break;
    case ExprKind::kNot:
    case ExprKind::kAnd:
    case ExprKind::kOr:
      if (options.closures) {
        for (const Expr* inner : expr.lhs) CollectVars(*inner, out, options);
        for (const Expr* inner : expr.rhs) CollectVars(*inner, out, options);
      } else {
        if (!expr.explicit_lhs) ImplicitBodyVars(expr.lhs, out);
        if (!expr.explicit_rhs) ImplicitBodyVars(expr.rhs, out);
      }
      break;
  }
  for (const With& with : expr.with) {
    CollectVars(*with.value, out, options);
    if (with.target->kind == TermKind::kRef) {
      for (const Term* item : with.target->items.subspan(1)) CollectVars(*item, out, options);
    }
  }
}

bool SameKey(const Term& a, const Term& b) {
  if (a.kind == TermKind::kScalar && b.kind == TermKind::kScalar) return a.value == b.value;
  return a.kind == TermKind::kVar && b.kind == TermKind::kVar && a.variable != nullptr &&
         a.variable == b.variable;
}

VarSet UnifyOutputs(const VarSet& safe, const Term& a, const Term& b) {
  Unifier unifier(safe);
  unifier.Unify(a, b);
  return std::move(unifier.unified);
}

int BuiltinArity(const Builtin& builtin) {
  std::string_view type = builtin.type;
  if (!type.starts_with('(')) return 0;
  int depth = 0;
  int count = 0;
  bool any = false;
  for (size_t i = 0; i < type.size(); ++i) {
    const char c = type[i];
    if (c == '(' || c == '[' || c == '<') {
      ++depth;
    } else if (c == ')' || c == ']' || c == '>') {
      if (c == '>' && i > 0 && type[i - 1] == '-') continue;  // an arrow
      if (--depth == 0) break;
    } else if (c == ',' && depth == 1) {
      ++count;
    } else if (c == '.' && type.substr(i, 3) == "...") {
      return INT_MAX;
    }
    if (depth > 0 && c != '(' && c != ' ') any = true;
  }
  return any ? count + 1 : 0;
}

int Orderer::Arity(const Term& callee) const {
  if (!callee.resolved.empty()) {
    std::vector<Value> path(callee.resolved.begin(), callee.resolved.end());
    if (callee.kind == TermKind::kRef) {
      for (const Term* item : callee.items.subspan(1)) {
        if (item->kind != TermKind::kScalar) return -1;
        path.push_back(item->value);
      }
    }
    const TreeNode* node = policy_.Find(std::span<const Value>(path).subspan(1));
    if (node == nullptr || !node->is_function()) return -1;
    return static_cast<int>(node->rules[0]->rule->head.args.size());
  }
  Arena scratch(256);
  const Builtin* builtin = policy_.builtins->Find(BuiltinName(callee, scratch));
  return builtin == nullptr ? -1 : BuiltinArity(*builtin);
}

bool Orderer::RefSafe(const Term& ref, const VarSet& safe) const {
  VarSet vars;
  CollectVars(*ref.items[0], vars);
  return vars.Within(safe);
}

void Orderer::Outputs(const Term& term, const VarSet& safe, VarSet& out) const {
  if (IsComprehension(term) || term.kind == TermKind::kTemplateString) return;
  if (term.kind == TermKind::kRef) {
    if (!RefSafe(term, safe)) return;
    for (const Term* item : term.items.subspan(1)) CollectVars(*item, out, {.ref_heads = false});
  }
  const size_t first = term.kind == TermKind::kCall ? 1 : 0;
  for (size_t i = first; i < term.items.size(); ++i) Outputs(*term.items[i], safe, out);
}

void Orderer::OutputsOfCall(std::span<Term* const> terms, const VarSet& safe, VarSet& out) const {
  for (const Term* term : terms.subspan(1)) {
    if (term->kind != TermKind::kCall) Outputs(*term, safe, out);
  }
  const int arity = Arity(*terms[0]);
  if (arity < 0) {
    out.Clear();
    return;
  }
  if (static_cast<size_t>(arity) + 1 >= terms.size()) return;
  constexpr VarsOptions kPatterns{.ref_heads = false, .object_keys = false, .sets = false};
  VarSet open;
  for (const Term* term : terms.subspan(1, static_cast<size_t>(arity)))
    CollectVars(*term, open, kPatterns);
  open.Remove(out);
  open.Remove(safe);
  if (!open.empty()) {
    out.Clear();
    return;
  }
  for (const Term* term : terms.subspan(static_cast<size_t>(arity) + 1))
    CollectVars(*term, out, kPatterns);
}

// What the outermost part of an expression binds.
void Orderer::OutputsOfUnit(const Expr& expr, const VarSet& safe, VarSet& out) const {
  switch (expr.kind) {
    case ExprKind::kTerm: Outputs(*expr.term, safe, out); return;
    case ExprKind::kCall: {
      const bool assignment = IsAssignment(expr);
      if (!assignment && !IsUnification(expr)) return OutputsOfCall(expr.terms, safe, out);
      Outputs(*expr.terms[1], safe, out);
      Outputs(*expr.terms[2], safe, out);
      VarSet basis = safe;
      basis.Add(out);
      if (assignment) {
        VarSet left;
        CollectVars(*expr.terms[1], left, {.closures = true});
        basis.Remove(left);
      }
      out.Add(UnifyOutputs(basis, *expr.terms[1], *expr.terms[2]));
      return;
    }
    case ExprKind::kSomeIn: {
      const Term& domain = *expr.terms.back();
      Outputs(domain, safe, out);
      VarSet needed;
      if (domain.kind == TermKind::kRef) {
        CollectVars(*domain.items[0], needed);
      } else {
        CollectVars(domain, needed);
      }
      needed.Remove(out);
      if (!needed.Within(safe)) return;
      for (const Term* term : expr.terms.first(expr.terms.size() - 1))
        CollectVars(*term, out, {.ref_heads = false, .object_keys = false});
      return;
    }
    case ExprKind::kEvery: Outputs(*expr.terms[2], safe, out); return;
    case ExprKind::kSome:
    case ExprKind::kNot:
    case ExprKind::kAnd:
    case ExprKind::kOr: return;
  }
}

VarSet Orderer::Outputs(const Expr& expr, const VarSet& safe) const {
  VarSet none;
  if (expr.negated || expr.kind == ExprKind::kNot || IsPrint(expr)) return none;
  for (const With& with : expr.with) {
    VarSet vars;
    CollectVars(*with.value, vars);
    if (!vars.Within(safe)) return none;
  }
  std::vector<const Term*> calls;
  CollectCalls(expr, calls);
  VarSet bound = safe;
  VarSet outputs;
  if (calls.empty()) {
    OutputsOfUnit(expr, safe, outputs);
    outputs.Remove(safe);
    return outputs;
  }
  // A call within runs on its own before what it stands in.
  std::vector<bool> done(calls.size());
  size_t left = calls.size();
  bool top = false;
  for (bool progress = true; progress && !(top && left == 0);) {
    progress = false;
    for (size_t i = 0; i < calls.size(); ++i) {
      if (done[i]) continue;
      VarSet out;
      OutputsOfCall(calls[i]->items, bound, out);
      VarSet needs;
      for (const Term* term : calls[i]->items.subspan(1))
        CollectVars(*term, needs, {.calls = false});
      needs.Remove(out);
      if (!needs.Within(bound)) continue;
      done[i] = true;
      --left;
      bound.Add(out);
      progress = true;
    }
    if (!top) {
      VarSet out;
      OutputsOfUnit(expr, bound, out);
      VarSet before = bound;
      bound.Add(out);
      VarSet needs;
      CollectVars(expr, needs, {.calls = false});
      if (left == 0 && needs.Within(bound)) {
        top = true;
        progress = true;
      } else if (left != 0 && !(before == bound)) {
        progress = true;  // its references may bind what the calls need
      }
    }
  }
  if (!top || left != 0) return none;
  outputs = bound;
  outputs.Remove(safe);
  return outputs;
}

void Orderer::Order(Body body, const VarSet& safe_before, std::vector<Unsafe>& unsafe) {
  struct Item {
    Expr* expr;
    VarSet open;
    bool placed = false;
  };
  std::vector<Item> items;
  items.reserve(body.size());
  VarSet body_vars;
  for (Expr* expr : body) {
    items.push_back({expr, {}, false});
    CollectVars(*expr, items.back().open);
    body_vars.Add(items.back().open);
  }
  VarSet safe = body_vars;
  safe.Keep(safe_before);
  for (Item& item : items) item.open.Remove(safe);

  std::vector<Expr*> order;
  order.reserve(body.size());
  VarSet bound_by_order;  // what the expressions placed so far bind
  for (bool progress = true; progress && order.size() < body.size();) {
    progress = false;
    for (Item& item : items) {
      if (item.placed) continue;
      VarSet outputs = Outputs(*item.expr, safe);
      // Closures need what the body around them binds, once it is bound.
      VarSet inner;
      ClosureVars(*item.expr, inner);
      inner.Keep(body_vars);
      inner.Remove(safe_before);
      inner.Remove(bound_by_order);
      if (!inner.empty()) {
        if (inner == outputs) continue;  // a closure over what the expression itself binds
        item.open = inner;
      }
      item.open.Remove(outputs);
      item.open.Remove(safe);
      if (!item.open.empty()) continue;
      item.placed = true;
      progress = true;
      order.push_back(item.expr);
      safe.Add(outputs);
      bound_by_order.Add(outputs);
    }
  }
  for (const Item& item : items) {
    if (!item.placed) unsafe.push_back({item.expr, item.open});
  }
  if (order.size() == body.size()) std::ranges::copy(order, body.begin());

  VarSet bound = safe_before;
  for (Expr* expr : order) {
    OrderWithin(*expr, bound, unsafe);
    CollectVars(*expr, bound);
  }
}

void Orderer::OrderClosure(std::span<Term* const> heads, Body body, const VarSet& bound,
                           const Expr* context, std::vector<Unsafe>& unsafe) {
  VarSet inside = bound;
  for (const Expr* expr : body) CollectVars(*expr, inside);
  VarSet missing;
  for (Term* head : heads) {
    VarSet vars;
    CollectVars(*head, vars);
    VarSet outputs;
    Outputs(*head, inside, outputs);
    vars.Remove(outputs);
    vars.Remove(inside);
    missing.Add(vars);
  }
  if (!missing.empty() && context != nullptr) unsafe.push_back({context, missing});
  Order(body, bound, unsafe);
  for (Term* head : heads) OrderWithin(*head, inside, context, unsafe);
}

void Orderer::OrderWithin(Term& term, const VarSet& bound, const Expr* context,
                          std::vector<Unsafe>& unsafe) {
  if (IsComprehension(term)) return OrderClosure(term.items, term.body, bound, context, unsafe);
  for (Term* item : term.items) OrderWithin(*item, bound, context, unsafe);
  for (Expr* part : term.body) OrderWithin(*part, bound, unsafe);
}

void Orderer::OrderWithin(Expr& expr, const VarSet& bound, std::vector<Unsafe>& unsafe) {
  if (expr.kind == ExprKind::kTerm) OrderWithin(*expr.term, bound, &expr, unsafe);
  for (Term* term : expr.terms) {
    if (term != nullptr) OrderWithin(*term, bound, &expr, unsafe);
  }
  for (With& with : expr.with) OrderWithin(*with.value, bound, &expr, unsafe);
  switch (expr.kind) {
    case ExprKind::kEvery: {
      VarSet inside = bound;
      CollectVars(*expr.terms[2], inside);
      for (const Term* term : expr.terms.first(2)) {
        if (term != nullptr) CollectVars(*term, inside);
      }
      Order(expr.lhs, inside, unsafe);
      return;
    }
    case ExprKind::kNot:
    case ExprKind::kAnd:
    case ExprKind::kOr:
      Order(expr.lhs, bound, unsafe);
      Order(expr.rhs, bound, unsafe);
      return;
    default: return;
  }
}

}  // namespace bulwark::rego
