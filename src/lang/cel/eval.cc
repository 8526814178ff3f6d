#include "lang/cel/machine.h"

#include <vector>

namespace bulwark::cel {

template <bool kCost, bool kPartial>
Value Machine<kCost, kPartial>::Eval(uint32_t at) {
  const Node& n = nodes_[at];
  if constexpr (kCost) cost_ += static_cast<uint64_t>(int64_t{n.cost});
  switch (n.op) {
    case Op::kConst: return constants_[n.a];
    case Op::kVariable: return Variable(n);
    case Op::kLocal: return locals_[n.a];
    case Op::kLazy: return Lazy(n);
    case Op::kError: return constants_[n.a];
    case Op::kFields: return Fields(n);
    case Op::kHas: return Has(n);
    case Op::kPath: return Path(n);
    case Op::kCond: {
      Value condition = Eval(n.a);
      if (condition.IsBool()) [[likely]]
        return Eval(condition.IsTrue() ? n.b : n.c);
      return Propagate(n, condition);
    }
    case Op::kAnd: return Logical<false>(n);
    case Op::kOr: return Logical<true>(n);
    case Op::kNot: {
      Value v = Eval(n.a);
      return v.IsBool() ? Value::Bool(!v.IsTrue()) : Propagate(n, v);
    }
    case Op::kNegate: {
      Value v = Normalize(Eval(n.a));
      return v.IsOpaque() ? Propagate(n, v) : Negate(Context(n), v);
    }
    case Op::kNotStrictlyFalse: {
      Value v = Eval(n.a);
      return v.IsBool() ? v : Value::Bool(true);
    }
    case Op::kEqual: return Equal(n, false);
    case Op::kNotEqual: return Equal(n, true);
    case Op::kEqualText: return EqualText(n);
    case Op::kLess: return Relational(n, Relation::kLess);
    case Op::kLessEquals: return Relational(n, Relation::kLessEquals);
    case Op::kGreater: return Relational(n, Relation::kGreater);
    case Op::kGreaterEquals: return Relational(n, Relation::kGreaterEquals);
    case Op::kAdd: return Arithmetic<Add>(n);
    case Op::kSubtract: return Arithmetic<Subtract>(n);
    case Op::kMultiply: return Arithmetic<Multiply>(n);
    case Op::kDivide: return Arithmetic<Divide>(n);
    case Op::kModulo: return Arithmetic<Modulo>(n);
    case Op::kIn: return Membership(n);
    case Op::kInSet: {
      Value v = Eval(n.a);
      if (v.IsOpaque() && IsErrorOrUnknown(v)) [[unlikely]]
        return v;
      return Value::Bool(program_.sets[n.b].Contains(v));
    }
    case Op::kSize: return Size(n);
    case Op::kMatches: return Matches(n);
    case Op::kCall: return Call(n);
    case Op::kOptOr:
    case Op::kOptOrValue: return OptionalOr(n);
    case Op::kList: return MakeList(n);
    case Op::kMap: return MakeMap(n);
    case Op::kStruct: return MakeStruct(n);
    case Op::kAll: return All(n);
    case Op::kExists: return Exists(n);
    case Op::kExistsOne: return ExistsOne(n);
    case Op::kMapList: return MapList(n);
    case Op::kTransform: return Transform(n);
    case Op::kFold: return Fold(n);
    case Op::kBind: return Bind(n);
  }
  BW_UNREACHABLE();
}

template class Machine<false, false>;
template class Machine<true, false>;
template class Machine<true, true>;

Value EvaluateConstant(const Program& program, uint32_t node, Arena& arena, uint64_t* cost) {
  std::vector<uint32_t> hints(program.steps.size());
  std::vector<Value> locals(program.locals);
  Machine<true, false> machine(program, nullptr, locals.data(), hints.data(), arena, UINT64_MAX);
  Value v = machine.Run(node);
  *cost = machine.cost();
  return v;
}

struct Evaluator::State {
  Arena arena{16384};
  std::vector<Value> locals;
  std::vector<uint32_t> hints;
  std::vector<Value> variables;  // where there are fewer bindings than variables
  std::vector<BoundPattern> patterns;
  bool used = false;
};

Evaluator::Evaluator() : state_(std::make_unique<State>()) {}
Evaluator::~Evaluator() = default;
Evaluator::Evaluator(Evaluator&&) noexcept = default;

Outcome Evaluator::Run(const Program& program, std::span<const Value> bindings,
                       const RunOptions& options, Arena* arena) {
  if (arena == nullptr) {
    arena = &state_->arena;
    arena->Reset();
  }
  if (state_->locals.size() < program.locals) state_->locals.resize(program.locals);
  if (state_->hints.size() < program.steps.size()) state_->hints.resize(program.steps.size());
  if (bindings.size() < program.variables.size()) [[unlikely]] {
    std::vector<Value>& all = state_->variables;
    all.assign(bindings.begin(), bindings.end());
    for (size_t i = all.size(); i < program.variables.size(); ++i) {
      all.push_back(MakeError(*arena, "no such attribute(s): " + program.variables[i]));
    }
    bindings = all;
  }
  uint64_t max_cost = std::min(options.max_cost, program.limits.max_cost);
  auto run = [&]<bool kCost, bool kPartial>() -> Outcome {
    Machine<kCost, kPartial> machine(program, bindings.data(), state_->locals.data(),
                                     state_->hints.data(), *arena, max_cost);
    machine.set_authorizer(options.authorizer);
    if (options.max_rounds != 0) machine.set_max_rounds(options.max_rounds);
    machine.patterns = state_->patterns;
    Value v = machine.Run(program.root);
    if (IsError(v)) {  // it may be the program's own
      const auto* error = static_cast<const ErrorValue*>(v.AsOpaque());
      v = MakeError(*arena, error->message(), error->expr_id());
    }
    return {v, machine.cost()};
  };
  if (!options.unknowns.empty()) {
    state_->patterns.clear();
    for (const AttributePattern& pattern : options.unknowns) {
      for (uint32_t slot = 0; slot < program.variables.size(); ++slot) {
        if (program.variables[slot] == pattern.variable) {
          state_->patterns.push_back({slot, &pattern});
        }
      }
    }
    return run.operator()<true, true>();
  }
  bool counted = options.max_rounds == 0 && max_cost != UINT64_MAX;
  if (options.track_cost || counted) return run.operator()<true, false>();
  return run.operator()<false, false>();
}

const Ast& AstOf(const Program& program) { return *program.ast; }

std::string RenderRuntimeError(const Program& program, const Value& error) {
  if (!IsError(error)) return {};
  const auto& details = *static_cast<const ErrorValue*>(error.AsOpaque());
  // The tree is searched without recursion, as it may be deep.
  std::vector<const Expr*> pending{program.ast->root};
  const Expr* at = nullptr;
  auto push = [&](const Expr* e) {
    if (e != nullptr) pending.push_back(e);
  };
  while (!pending.empty() && details.expr_id() != 0) {
    const Expr* e = pending.back();
    pending.pop_back();
    if (e->id == details.expr_id()) {
      at = e;
      break;
    }
    push(e->operand);
    for (const Expr* arg : e->args) push(arg);
    for (const MapEntry& entry : e->entries) {
      push(entry.key);
      push(entry.value);
    }
    if (e->loop != nullptr) {
      for (const Expr* part : {e->loop->range, e->loop->accu_init, e->loop->condition,
                               e->loop->step, e->loop->result}) {
        push(part);
      }
    }
  }
  if (at == nullptr) return "ERROR: " + std::string(details.message());
  const Issue issue = MakeIssue(program.ast->source, at->offset, std::string(details.message()));
  return RenderIssues(program.ast->source, std::span(&issue, 1));
}

}  // namespace bulwark::cel
