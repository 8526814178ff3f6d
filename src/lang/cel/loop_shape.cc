#include "lang/cel/loop_shape.h"

namespace bulwark::cel {

bool IsCall(const Expr* e, std::string_view name, size_t args) {
  return e->kind == ExprKind::kCall && e->operand == nullptr && e->name == name &&
         e->args.size() == args;
}

bool IsIdent(const Expr* e, std::string_view name) {
  return e->kind == ExprKind::kIdent && e->name == name;
}

bool IsLiteral(const Expr* e, const Value& value) {
  return e->kind == ExprKind::kLiteral && e->literal.kind() == value.kind() && e->literal == value;
}

bool IsEmptyList(const Expr* e) { return e->kind == ExprKind::kList && e->args.empty(); }
bool IsEmptyMap(const Expr* e) { return e->kind == ExprKind::kMap && e->entries.empty(); }

namespace {

// accu && predicate, while not_strictly_false(accu)
std::optional<LoopShape> All(const Comprehension& loop) {
  if (!IsLiteral(loop.accu_init, Value::Bool(true)) || !IsIdent(loop.result, loop.accu) ||
      !IsCall(loop.step, op::kAnd, 2) || !IsIdent(loop.step->args[0], loop.accu) ||
      !IsCall(loop.condition, op::kNotStrictlyFalse, 1) ||
      !IsIdent(loop.condition->args[0], loop.accu)) {
    return std::nullopt;
  }
  return LoopShape{.op = Op::kAll,
                   .predicate = loop.step->args[1],
                   .round_cost = 3,
                   .stop_cost = 2,
                   .end_cost = 1};
}

// accu || predicate, while not_strictly_false(!accu)
std::optional<LoopShape> Exists(const Comprehension& loop) {
  if (!IsLiteral(loop.accu_init, Value::Bool(false)) || !IsIdent(loop.result, loop.accu) ||
      !IsCall(loop.step, op::kOr, 2) || !IsIdent(loop.step->args[0], loop.accu) ||
      !IsCall(loop.condition, op::kNotStrictlyFalse, 1) ||
      !IsCall(loop.condition->args[0], op::kNot, 1) ||
      !IsIdent(loop.condition->args[0]->args[0], loop.accu)) {
    return std::nullopt;
  }
  return LoopShape{.op = Op::kExists,
                   .predicate = loop.step->args[1],
                   .round_cost = 4,
                   .stop_cost = 3,
                   .end_cost = 1};
}

// predicate ? accu + 1 : accu; then accu == 1
std::optional<LoopShape> ExistsOne(const Comprehension& loop, const Expr* filter,
                                   const Expr* step) {
  if (filter == nullptr || !IsLiteral(loop.accu_init, Value::Int(0)) ||
      !IsCall(step, op::kAdd, 2) || !IsIdent(step->args[0], loop.accu) ||
      !IsLiteral(step->args[1], Value::Int(1)) || !IsCall(loop.result, op::kEquals, 2) ||
      !IsIdent(loop.result->args[0], loop.accu) ||
      !IsLiteral(loop.result->args[1], Value::Int(1))) {
    return std::nullopt;
  }
  return LoopShape{.op = Op::kExistsOne, .predicate = filter, .item_cost = 2, .end_cost = 2};
}

// accu + [item]
std::optional<LoopShape> MapList(const Comprehension& loop, const Expr* filter, const Expr* step) {
  if (!IsIdent(loop.result, loop.accu) || !IsEmptyList(loop.accu_init) ||
      !IsCall(step, op::kAdd, 2) || !IsIdent(step->args[0], loop.accu) ||
      step->args[1]->kind != ExprKind::kList || step->args[1]->args.size() != 1 ||
      !step->args[1]->optional_args.empty()) {
    return std::nullopt;
  }
  return LoopShape{.op = Op::kMapList,
                   .predicate = filter,
                   .item = step->args[1]->args[0],
                   .item_cost = 12,
                   .end_cost = 1};
}

// @mapInsert(accu, key, item) or @mapInsert(accu, item)
std::optional<LoopShape> Transform(const Comprehension& loop, const Expr* filter,
                                   const Expr* step) {
  if (!IsIdent(loop.result, loop.accu) || !IsEmptyMap(loop.accu_init) ||
      (!IsCall(step, kMapInsert, 2) && !IsCall(step, kMapInsert, 3)) ||
      !IsIdent(step->args[0], loop.accu)) {
    return std::nullopt;
  }
  return LoopShape{.op = Op::kTransform,
                   .predicate = filter,
                   .key = step->args.size() == 3 ? step->args[1] : nullptr,
                   .item = step->args.back(),
                   .end_cost = 1};
}

}  // namespace

std::optional<LoopShape> ShapeOf(const Comprehension& loop) {
  if (!loop.accu.starts_with('@')) return std::nullopt;  // somebody's own
  if (auto shape = All(loop)) return shape;
  if (auto shape = Exists(loop)) return shape;
  if (!IsLiteral(loop.condition, Value::Bool(true))) return std::nullopt;
  const Expr* filter = nullptr;
  const Expr* step = loop.step;
  if (IsCall(step, op::kConditional, 3) && IsIdent(step->args[2], loop.accu)) {
    filter = step->args[0];
    step = step->args[1];
  }
  if (auto shape = ExistsOne(loop, filter, step)) return shape;
  if (auto shape = MapList(loop, filter, step)) return shape;
  return Transform(loop, filter, step);
}

}  // namespace bulwark::cel
