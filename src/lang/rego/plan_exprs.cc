// Planning of expressions: code that goes on where the expression holds, once for each way in which
// it does.

#include <algorithm>
#include <optional>

#include "lang/rego/planner.h"
#include "lang/rego/resolve/names.h"

namespace bulwark::rego {

namespace {

std::optional<Op> Comparison(std::string_view name) {
  if (name == "equal") return Op::kEqual;
  if (name == "neq") return Op::kNotEqual;
  if (name == "lt") return Op::kLess;
  if (name == "lte") return Op::kLessEqual;
  if (name == "gt") return Op::kGreater;
  if (name == "gte") return Op::kGreaterEqual;
  return std::nullopt;
}

std::optional<Arithmetic> ArithmeticOf(std::string_view name) {
  if (name == "plus") return Arithmetic::kPlus;
  if (name == "minus") return Arithmetic::kMinus;
  if (name == "mul") return Arithmetic::kMultiply;
  if (name == "div") return Arithmetic::kDivide;
  if (name == "rem") return Arithmetic::kRemainder;
  return std::nullopt;
}

}  // namespace

void Planner::PlanBody(Body body) {
  const Body rest = rest_;
  for (size_t i = 0; i < body.size(); ++i) {
    rest_ = body.subspan(i + 1);
    PlanExpr(*body[i]);
  }
  rest_ = rest;
}

// `item.path == value` among the expressions to come, where the value is known by now.
std::optional<Planner::Comparand> Planner::FindComparand(const Variable& item) const {
  for (const Expr* expr : rest_) {
    if (expr->negated || !expr->with.empty() || expr->kind != ExprKind::kCall ||
        expr->terms.size() != 3) {
      continue;
    }
    const Term& callee = *expr->terms[0];
    const Term& name = callee.kind == TermKind::kRef ? *callee.items[0] : callee;
    if (!callee.resolved.empty() || name.kind != TermKind::kVar ||
        (name.name != "eq" && name.name != "equal")) {
      continue;
    }
    for (size_t side = 1; side <= 2; ++side) {
      const Term& path = *expr->terms[side];
      const Term& value = *expr->terms[3 - side];
      if (path.kind != TermKind::kRef || path.items[0]->variable != &item) continue;
      Comparand out{&value, {}};
      for (const Term* step : path.items.subspan(1)) {
        if (step->kind == TermKind::kScalar) out.path.push_back(step->value);
      }
      if (out.path.size() + 1 != path.items.size()) continue;
      // Variables, constants and paths only: nothing that could fail or take time.
      VarSet open;
      CollectVars(value, open);
      const bool plain =
          value.kind == TermKind::kVar
              ? value.variable != nullptr
              : value.kind == TermKind::kRef && value.items[0]->variable != nullptr &&
                    std::ranges::all_of(value.items.subspan(1), [](const Term* step) {
                      return step->kind == TermKind::kScalar;
                    });
      if (plain && open.Within(known_.bound)) return out;
    }
  }
  return std::nullopt;
}

// Begins an iteration whose values are bound to `item` (or nullptr).
void Planner::PlanIteration(Operand collection, uint32_t iterator, const Variable* item) {
  if (item != nullptr) {
    if (auto comparand = FindComparand(*item)) {
      FilterSite site;
      site.collection = collection;
      site.value = PlanTerm(*comparand->value);
      site.path = Kept(std::move(comparand->path));
      code_.filters.push_back(std::move(site));
      Emit({.op = Op::kIterateWhere,
            .dst = iterator,
            .x = static_cast<uint32_t>(code_.filters.size() - 1),
            .fail = fail_});
      return;
    }
  }
  Emit({.op = Op::kIterate, .dst = iterator, .x = collection, .fail = fail_});
}

void Planner::Holds(Operand value) {
  if (captured_ != kNone) {
    Emit({.op = Op::kMove, .dst = captured_, .x = value});
    if (keep_false_) return;
  }
  Emit({.op = Op::kHolds, .x = value, .fail = fail_});
}

void Planner::PlanExpr(const Expr& expr) {
  if (expr.kind == ExprKind::kSome) return;
  Observe(expr.at, false);
  if (expr.with.empty()) {
    PlanPlain(expr);
  } else {
    PlanWith(expr);
  }
  Observe(expr.at, true);
}

void Planner::PlanPlain(const Expr& expr) {
  if (expr.negated) {
    return PlanNegated(expr);
  }
  switch (expr.kind) {
    case ExprKind::kTerm: return Holds(PlanTerm(*expr.term));
    case ExprKind::kCall: return PlanCallExpr(expr);
    case ExprKind::kSome: return;
    case ExprKind::kSomeIn: return PlanSomeIn(expr);
    case ExprKind::kEvery: return PlanEvery(expr);
    case ExprKind::kNot: return PlanNot(expr);
    case ExprKind::kAnd: return PlanAnd(expr);
    case ExprKind::kOr: return PlanOr(expr);
  }
}

void Planner::PlanCallExpr(const Expr& expr) {
  if (IsAssignment(expr) || IsUnification(expr)) {
    if (captured_ != kNone)
      Emit({.op = Op::kMove, .dst = captured_, .x = Constant(Value::Bool(true))});
    // `item := collection[_]`: what comes after may say which items are wanted.
    const Term& left = *expr.terms[1];
    if (left.kind == TermKind::kVar) item_ = left.variable;
    Unify(*expr.terms[1], *expr.terms[2]);
    item_ = nullptr;
    return;
  }
  const Builtin* builtin = BuiltinOf(*expr.terms[0]);
  if (builtin != nullptr && captured_ == kNone && expr.terms.size() == 3) {
    if (auto comparison = Comparison(builtin->name)) {
      std::vector<Operand> sides = PlanArguments(expr.terms.subspan(1));
      Emit({.op = *comparison, .x = sides[0], .y = sides[1], .fail = fail_});
      return;
    }
  }
  if (builtin != nullptr && builtin->name == "print") return PlanPrint(expr);
  const int arity = orderer_.Arity(*expr.terms[0]);
  const size_t given = expr.terms.size() - 1;
  if (arity >= 0 && given == static_cast<size_t>(arity) + 1) {
    // The last argument is where the answer goes.
    if (captured_ != kNone)
      Emit({.op = Op::kMove, .dst = captured_, .x = Constant(Value::Bool(true))});
    if (builtin != nullptr && builtin->relation) {
      PlanWalk(*expr.terms[1], expr.terms[2]);
      return;
    }
    Match(*expr.terms.back(), PlanCallValue(expr.terms, static_cast<size_t>(arity), expr.at));
    return;
  }
  Holds(PlanCall(expr.terms, expr.at));
}

std::optional<Planner::Operand> Planner::PlanOperator(const Builtin& builtin,
                                                      std::span<Term* const> arguments,
                                                      const Location& at) {
  if (arguments.size() != 2) return std::nullopt;
  if (auto comparison = Comparison(builtin.name)) {
    std::vector<Operand> sides = PlanArguments(arguments);
    const Operand to = NewRegister();
    Emit({.op = Op::kCompare,
          .aux = static_cast<uint8_t>(*comparison),
          .dst = to,
          .x = sides[0],
          .y = sides[1]});
    return to;
  }
  if (builtin.name == "internal.member_2") {
    std::vector<Operand> sides = PlanArguments(arguments);
    const Operand to = NewRegister();
    Emit({.op = Op::kMember, .dst = to, .x = sides[0], .y = sides[1]});
    return to;
  }
  if (auto arithmetic = ArithmeticOf(builtin.name)) {
    CallSite site;
    site.builtin = &builtin;
    site.operands = PlanArguments(arguments);
    site.module = module_;
    site.at = at;
    code_.calls.push_back(std::move(site));
    const Operand to = NewRegister();
    Emit({.op = Op::kArithmetic,
          .aux = static_cast<uint8_t>(*arithmetic),
          .dst = to,
          .x = static_cast<uint32_t>(code_.calls.size() - 1),
          .fail = fail_});
    return to;
  }
  return std::nullopt;
}

void Planner::PlanPrint(const Expr& expr) {
  if (captured_ != kNone)
    Emit({.op = Op::kMove, .dst = captured_, .x = Constant(Value::Bool(true))});
  if (!options_.print) return;
  CallSite site;
  for (const Term* term : expr.terms.subspan(1)) site.operands.push_back(PlanAsSet(nullptr, term));
  site.module = module_;
  site.at = expr.at;
  code_.calls.push_back(std::move(site));
  Emit({.op = Op::kPrint, .x = static_cast<uint32_t>(code_.calls.size() - 1)});
}

void Planner::PlanSomeIn(const Expr& expr) {
  if (captured_ != kNone)
    Emit({.op = Op::kMove, .dst = captured_, .x = Constant(Value::Bool(true))});
  const Operand domain = PlanTerm(*expr.terms.back());
  const uint32_t iterator = iterators_++;
  const Term& item = *expr.terms[expr.terms.size() - 2];
  PlanIteration(domain, iterator, item.kind == TermKind::kVar ? item.variable : nullptr);
  const Label next = NewLabel();
  Bind(next);
  const bool with_key = expr.terms.size() == 3;
  const Operand key = with_key ? NewRegister() : kNone;
  const Operand value = NewRegister();
  Emit({.op = Op::kNext, .dst = key, .x = iterator, .y = value, .fail = fail_});
  fail_ = next;
  if (with_key) Match(*expr.terms[0], key);
  Match(item, value);
}

void Planner::PlanEvery(const Expr& expr) {
  if (captured_ != kNone)
    Emit({.op = Op::kMove, .dst = captured_, .x = Constant(Value::Bool(true))});
  const Operand captured = std::exchange(captured_, kNone);
  const Operand domain = PlanTerm(*expr.terms[2]);
  const uint32_t iterator = iterators_++;
  const Label done = NewLabel();
  Emit({.op = Op::kIterate, .aux = 1, .dst = iterator, .x = domain, .fail = fail_});
  const Label next = NewLabel();
  Bind(next);
  Known outside = known_;
  const Label fail_outside = fail_;
  const Term* key_term = expr.terms[0];
  const bool with_key = key_term != nullptr && key_term->variable != nullptr;
  const Operand key = with_key ? NewRegister() : kNone;
  const Operand value = NewRegister();
  Emit({.op = Op::kNext, .dst = key, .x = iterator, .y = value, .fail = done});
  if (with_key) Match(*key_term, key);
  if (expr.terms[1]->variable != nullptr) Match(*expr.terms[1], value);
  PlanBody(expr.lhs);
  Emit({.op = Op::kJump, .fail = next});
  Bind(done);
  known_ = std::move(outside);
  fail_ = fail_outside;
  captured_ = captured;
}

// The first solution of a body; what it binds is forgotten.
void Planner::PlanOnce(Body body) {
  const Operand captured = std::exchange(captured_, kNone);
  Known outside = known_;
  const Label fail_outside = fail_;
  PlanBody(body);
  known_ = std::move(outside);
  fail_ = fail_outside;
  captured_ = captured;
}

void Planner::PlanNot(const Expr& expr) {
  if (captured_ != kNone)
    Emit({.op = Op::kMove, .dst = captured_, .x = Constant(Value::Bool(true))});
  const Label holds = NewLabel();
  const Label fail_outside = std::exchange(fail_, holds);
  PlanOnce(expr.lhs);
  fail_ = fail_outside;
  Emit({.op = Op::kJump, .fail = fail_});
  Bind(holds);
}

// A variable in place of a term, which is evaluated here.
Term* Planner::Hoisted(const Term& term) {
  const bool local = term.kind == TermKind::kVar && term.variable != nullptr;
  if (local || Ground(term)) return const_cast<Term*>(&term);
  Variable& variable = hoisted_.emplace_back();
  variable.name = "$";
  variable.id = static_cast<uint32_t>(known_.places.size());
  const Operand place = PlanTerm(term);
  known_.places.resize(std::max<size_t>(known_.places.size(), variable.id + 1), kNone);
  BindVariable(variable, place);
  Term* out = code_.arena.New<Term>();
  out->kind = TermKind::kVar;
  out->name = variable.name;
  out->variable = &variable;
  out->at = term.at;
  return out;
}

// What stands directly in a negation stays in it; what is nested in that does not.
Term* Planner::HoistedWithin(const Term& term) {
  switch (term.kind) {
    case TermKind::kCall: return Hoisted(term);
    case TermKind::kRef:
    case TermKind::kArray:
    case TermKind::kSet:
    case TermKind::kObject: {
      Term* out = code_.arena.New<Term>(term);
      std::vector<Term*> items;
      for (Term* item : term.items) {
        const bool head = term.kind == TermKind::kRef && items.empty();
        items.push_back(head && item->kind == TermKind::kVar ? item : Hoisted(*item));
      }
      out->items = code_.arena.Copy<Term*>(items);
      return out;
    }
    default: return const_cast<Term*>(&term);
  }
}

void Planner::PlanNegated(const Expr& expr) {
  Expr inner = expr;
  inner.negated = false;
  inner.with = {};
  std::vector<Term*> terms(expr.terms.begin(), expr.terms.end());
  if (expr.kind == ExprKind::kTerm) {
    inner.term = HoistedWithin(*expr.term);
  } else if (expr.kind == ExprKind::kCall) {
    const Builtin* builtin = BuiltinOf(*expr.terms[0]);
    const bool equality = builtin != nullptr && (builtin->name == "eq" || builtin->name == "equal");
    for (Term*& term : std::span(terms).subspan(1))
      term = equality ? HoistedWithin(*term) : Hoisted(*term);
    inner.terms = terms;
  }
  Expr* body[] = {&inner};
  Expr negation;
  negation.kind = ExprKind::kNot;
  negation.at = expr.at;
  negation.lhs = body;
  PlanNot(negation);
}

void Planner::PlanAnd(const Expr& expr) {
  if (captured_ != kNone)
    Emit({.op = Op::kMove, .dst = captured_, .x = Constant(Value::Bool(true))});
  PlanOnce(expr.lhs);
  PlanOnce(expr.rhs);
}

void Planner::PlanOr(const Expr& expr) {
  if (captured_ != kNone)
    Emit({.op = Op::kMove, .dst = captured_, .x = Constant(Value::Bool(true))});
  const Label other = NewLabel();
  const Label holds = NewLabel();
  const Label fail_outside = std::exchange(fail_, other);
  PlanOnce(expr.lhs);
  Emit({.op = Op::kJump, .fail = holds});
  Bind(other);
  fail_ = fail_outside;
  PlanOnce(expr.rhs);
  Bind(holds);
}

// Where a call of a function or built-in may be replaced.
bool Planner::FunctionTarget(const Term& target, const Term& value, WithTarget& out) {
  out.function = FunctionOf(target);
  if (out.function == nullptr) out.builtin = BuiltinOf(target);
  if (out.function == nullptr && out.builtin == nullptr) return false;
  out.kind = WithTarget::Kind::kFunction;
  if (value.kind == TermKind::kRef || value.kind == TermKind::kVar) {
    out.by_function = FunctionOf(value);
    if (out.by_function == nullptr &&
        (value.kind == TermKind::kRef ? value.items[0]->variable : value.variable) == nullptr) {
      out.by_builtin = BuiltinOf(value);
    }
    // A variable that is no local, but has a built-in's name.
    const Term& head = value.kind == TermKind::kRef ? *value.items[0] : value;
    if (out.by_function == nullptr && out.by_builtin == nullptr && head.variable != nullptr &&
        !known_.bound.Has(head.variable->id)) {
      std::string name(head.name);
      if (value.kind == TermKind::kRef) {
        for (const Term* item : value.items.subspan(1)) {
          if (item->kind == TermKind::kScalar && item->value.IsString())
            name.append(".").append(item->value.AsString());
        }
      }
      out.by_builtin = policy_.builtins->Find(name);
    }
  }
  if (out.by_function == nullptr && out.by_builtin == nullptr) out.value = PlanTerm(value);
  return true;
}

void Planner::PlanWith(const Expr& expr) {
  WithSite site;
  site.module = module_;
  site.at = expr.at;
  for (const With& with : expr.with) {
    const Term& target = *with.target;
    WithTarget made;
    if (FunctionTarget(target, *with.value, made)) {
      site.targets.push_back(std::move(made));
      continue;
    }
    std::vector<Value> path(target.resolved.begin(), target.resolved.end());
    if (path.empty() && target.kind == TermKind::kRef && !target.items[0]->resolved.empty())
      path.assign(target.items[0]->resolved.begin(), target.items[0]->resolved.end());
    if (path.empty()) {
      Unsafe(target.at, target.kind == TermKind::kVar ? target.name : "_");
      continue;
    }
    made.kind = path[0].AsString() == "input" ? WithTarget::Kind::kInput : WithTarget::Kind::kData;
    path.erase(path.begin());
    if (target.kind == TermKind::kRef) {
      for (const Term* item : target.items.subspan(1)) {
        if (item->kind == TermKind::kScalar) path.push_back(item->value);
      }
    }
    made.path = Kept(std::move(path));
    made.value = PlanTerm(*with.value);
    site.targets.push_back(std::move(made));
  }
  code_.withs.push_back(std::move(site));
  const uint32_t slot = contexts_++;
  Emit({.op = Op::kEnter,
        .dst = slot,
        .x = static_cast<uint32_t>(code_.withs.size() - 1),
        .fail = fail_});
  const Label fail_outside = fail_;
  const Label failed = NewLabel();
  fail_ = failed;
  // What was read of input and data before is not what they are now.
  auto gets = known_.gets;
  auto roots = known_.roots;
  known_.gets.clear();
  known_.roots.clear();
  PlanPlain(expr);
  known_.gets = std::move(gets);
  known_.roots = std::move(roots);
  const Label fail_inside = fail_;
  Emit({.op = Op::kLeave, .x = slot});
  const Label on = NewLabel();
  Emit({.op = Op::kJump, .fail = on});
  Bind(failed);
  Emit({.op = Op::kLeave, .x = slot});
  Emit({.op = Op::kJump, .fail = fail_outside});
  fail_ = fail_outside;
  if (fail_inside != failed) {
    const Label again = NewLabel();
    Bind(again);
    Emit({.op = Op::kResume, .x = slot});
    Emit({.op = Op::kJump, .fail = fail_inside});
    fail_ = again;
  }
  Bind(on);
}

}  // namespace bulwark::rego
