#include "lang/cel/ext/quantity.h"

#include "lang/cel/ext/support.h"

namespace bulwark::cel::ext {
namespace {

const Quantity* Get(std::span<const Value> args, size_t index) {
  const QuantityValue* value = index < args.size() ? As<QuantityValue>(args[index]) : nullptr;
  return value != nullptr ? &value->quantity() : nullptr;
}

Value Make(CallContext& ctx, Result<Quantity> quantity) {
  if (!quantity) return ctx.Error(quantity.error().message());
  return Value::FromOpaque(ctx.arena.Own<QuantityValue>(*std::move(quantity)));
}

Value Parse(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s")) return NoSuchOverload(ctx);
  return Make(ctx, Quantity::Parse(args[0].AsString()));
}

Value IsQuantity(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s")) return NoSuchOverload(ctx);
  return Value::Bool(Quantity::Parse(args[0].AsString()).has_value());
}

Value Sign(const Quantity& q) { return Value::Int(q.sign()); }
Value IsInteger(const Quantity& q) { return Value::Bool(q.ToInt().has_value()); }
Value AsFloat(const Quantity& q) { return Value::Double(q.ToDouble()); }

template <Value (*kGet)(const Quantity&)>
Value Unary(CallContext& ctx, std::span<const Value> args) {
  const Quantity* q = args.size() == 1 ? Get(args, 0) : nullptr;
  return q != nullptr ? kGet(*q) : NoSuchOverload(ctx);
}

Value AsInteger(CallContext& ctx, std::span<const Value> args) {
  const Quantity* q = args.size() == 1 ? Get(args, 0) : nullptr;
  if (q == nullptr) return NoSuchOverload(ctx);
  std::optional<int64_t> value = q->ToInt();
  return value ? Value::Int(*value) : ctx.Error("cannot convert value to integer");
}

Value IsGreater(const Quantity& a, const Quantity& b) { return Value::Bool(a > b); }
Value IsLess(const Quantity& a, const Quantity& b) { return Value::Bool(a < b); }
Value CompareTo(const Quantity& a, const Quantity& b) {
  return Value::Int(a < b ? -1 : a > b ? 1 : 0);
}

template <Value (*kCompare)(const Quantity&, const Quantity&)>
Value Binary(CallContext& ctx, std::span<const Value> args) {
  const Quantity* a = Get(args, 0);
  const Quantity* b = Get(args, 1);
  if (a == nullptr || b == nullptr || args.size() != 2) return NoSuchOverload(ctx);
  return kCompare(*a, *b);
}

template <bool kSubtract>
Value Combine(CallContext& ctx, std::span<const Value> args) {
  const Quantity* a = args.size() == 2 ? Get(args, 0) : nullptr;
  if (a == nullptr) return NoSuchOverload(ctx);
  Quantity number;
  const Quantity* b = Get(args, 1);
  if (args[1].IsInt()) {
    number = Quantity::Of(args[1].AsInt(), Quantity::Format::kDecimalExponent);
    b = &number;
  }
  if (b == nullptr) return NoSuchOverload(ctx);
  return Make(ctx, kSubtract ? a->Sub(*b) : a->Add(*b));
}

}  // namespace

const Library& Quantities() {
  static const Library kLibrary = [] {
    const Type b = Type::Bool();
    const Type d = Type::Double();
    const Type i = Type::Int();
    const Type s = Type::String();
    const Type q = StructNamed(QuantityValue::kTypeName);
    Library lib;
    lib.name = "kubernetes.quantity";
    lib.functions = {
        {"quantity", {Global("string_to_quantity", {s}, q, Parse, kTraversal)}},
        {"isQuantity", {Global("is_quantity_string", {s}, b, IsQuantity, kTraversal)}},
        // Not a member, whatever its documentation says.
        {"sign", {Global("quantity_sign", {q}, i, Unary<Sign>)}},
        {"isGreaterThan", {Member("quantity_is_greater_than", {q, q}, b, Binary<IsGreater>)}},
        {"isLessThan", {Member("quantity_is_less_than", {q, q}, b, Binary<IsLess>)}},
        {"compareTo", {Member("quantity_compare_to", {q, q}, i, Binary<CompareTo>)}},
        {"asApproximateFloat", {Member("quantity_get_float", {q}, d, Unary<AsFloat>)}},
        {"asInteger", {Member("quantity_get_int", {q}, i, AsInteger)}},
        {"isInteger", {Member("quantity_is_integer", {q}, b, Unary<IsInteger>)}},
        {"add",
         {Member("quantity_add", {q, q}, q, Combine<false>),
          Member("quantity_add_int", {q, i}, q, Combine<false>)}},
        {"sub",
         {Member("quantity_sub", {q, q}, q, Combine<true>),
          Member("quantity_sub_int", {q, i}, q, Combine<true>)}},
    };
    return lib;
  }();
  return kLibrary;
}

}  // namespace bulwark::cel::ext
