#include "lang/cel/ext/kube_lists.h"

#include <algorithm>

#include "lang/cel/ext/support.h"
#include "lang/cel/operators.h"

namespace bulwark::cel::ext {
namespace {

Value IsSorted(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "l")) return NoSuchOverload(ctx);
  std::span<const Value> items = Items(args[0]);
  for (size_t i = 0; i < items.size(); ++i) {
    if (!IsComparable(items[i])) return NoSuchOverload(ctx);
    if (i > 0 && Order(items[i - 1], items[i]) == 1) return Value::Bool(false);
  }
  return Value::Bool(true);
}

// The item that no other beats. `kOther` is how a worse one compares with a better one.
template <int kOther>
Value Best(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "l")) return NoSuchOverload(ctx);
  std::span<const Value> items = Items(args[0]);
  if (items.empty()) {
    return ctx.Error(std::string(kOther < 0 ? "max" : "min") + " called on empty list");
  }
  const Value* best = &items[0];
  for (const Value& item : items) {
    if (!IsComparable(item)) return NoSuchOverload(ctx);
    if (Order(*best, item) == kOther) best = &item;
  }
  return *best;
}

std::optional<Value> Zero(Value::Kind kind) {
  switch (kind) {
    case Value::Kind::kInt: return Value::Int(0);
    case Value::Kind::kUint: return Value::Uint(0);
    case Value::Kind::kDouble: return Value::Double(0);
    case Value::Kind::kDuration: return Value::Duration(0, 0);
    default: return std::nullopt;
  }
}

// kKind is for the empty list; others say what they hold.
template <Value::Kind kKind>
Value Sum(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "l")) return NoSuchOverload(ctx);
  std::span<const Value> items = Items(args[0]);
  std::optional<Value> sum = Zero(items.empty() ? kKind : items[0].kind());
  if (!sum) return NoSuchOverload(ctx);
  const OperatorContext context{ctx.arena, ctx.expr_id, ctx.max_bytes};
  for (const Value& item : items) {
    sum = Add(context, *sum, item);
    if (IsError(*sum)) break;
  }
  return *sum;
}

Value IndexOf(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "l*")) return NoSuchOverload(ctx);
  std::span<const Value> items = Items(args[0]);
  auto found = std::find_if(items.begin(), items.end(),
                            [&](const Value& item) { return CelEqual(item, args[1]); });
  return Value::Int(found == items.end() ? -1 : found - items.begin());
}

Value LastIndexOf(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "l*")) return NoSuchOverload(ctx);
  std::span<const Value> items = Items(args[0]);
  auto found = std::find_if(items.rbegin(), items.rend(),
                            [&](const Value& item) { return CelEqual(item, args[1]); });
  return Value::Int(items.rend() - found - 1);
}

// The texts in a value, and 1 for everything else.
uint64_t TraversalCost(const Value& v) {
  if (v.IsString() || v.IsBytes()) {
    return static_cast<uint64_t>(static_cast<double>(v.size()) * kStringFactor);
  }
  uint64_t cost = 0;
  if (std::optional<std::span<const Value>> items = ListItems(v)) {
    for (const Value& item : *items) cost = SaturatingAdd(cost, TraversalCost(item));
    return cost;
  }
  if (v.IsMap()) {
    for (const Value::Entry& entry : v.entries()) {
      cost = SaturatingAdd(cost, TraversalCost(entry.key));
      cost = SaturatingAdd(cost, TraversalCost(entry.value));
    }
    return cost;
  }
  return 1;
}

// 1 for each item, and a traversal where it is a text.
constexpr Cost kTraverse = {
    [](std::span<const Value> args, const Value&) { return TraversalCost(args[0]); },
    [](CostContext& ctx, const Expr* target,
       std::span<const Expr* const>) -> std::optional<CallEstimate> {
      if (target == nullptr) return std::nullopt;
      Range size = ctx.SizeOf(target);
      Type type = ctx.TypeOf(target);
      if (type.params().empty()) {
        return CallEstimate{MultiplyByFactor(size, kStringFactor), std::nullopt};
      }
      Range item{1, 1};
      TypeKind kind = type.params()[0].kind();
      if (kind == TypeKind::kString || kind == TypeKind::kBytes) {
        item = item + MultiplyByFactor(ctx.ElementSizeOf(target), kStringFactor);
      }
      return CallEstimate{size * item, std::nullopt};
    }};

Function SumOf(std::string_view name) {
  if (name == "uint") return Sum<Value::Kind::kUint>;
  if (name == "double") return Sum<Value::Kind::kDouble>;
  if (name == "duration") return Sum<Value::Kind::kDuration>;
  return Sum<Value::Kind::kInt>;
}

}  // namespace

const Library& KubeLists() {
  static const Library kLibrary = [] {
    FunctionDecl is_sorted{"isSorted", {}};
    FunctionDecl sum{"sum", {}};
    FunctionDecl max{"max", {}};
    FunctionDecl min{"min", {}};
    for (const NamedType& t : ComparableTypes()) {
      const std::string name(t.name);
      const Type of = ListOf(t.type);
      is_sorted.overloads.push_back(Member(Keep("list_" + name + "_is_sorted_bool"), {of},
                                           Type::Bool(), IsSorted, kTraverse));
      max.overloads.push_back(
          Member(Keep("list_" + name + "_max_" + name), {of}, t.type, Best<-1>, kTraverse));
      min.overloads.push_back(
          Member(Keep("list_" + name + "_min_" + name), {of}, t.type, Best<1>, kTraverse));
      if (name == "int" || name == "uint" || name == "double" || name == "duration") {
        sum.overloads.push_back(
            Member(Keep("list_" + name + "_sum_" + name), {of}, t.type, SumOf(t.name), kTraverse));
      }
    }
    const Type a = Parameter("A");
    Library lib;
    lib.name = "kubernetes.lists";
    lib.functions = {
        std::move(is_sorted),
        std::move(sum),
        std::move(max),
        std::move(min),
        {"indexOf",
         {Member("list_a_index_of_int", {ListOf(a), a}, Type::Int(), IndexOf, kTraverse)}},
        {"lastIndexOf",
         {Member("list_a_last_index_of_int", {ListOf(a), a}, Type::Int(), LastIndexOf, kTraverse)}},
    };
    return lib;
  }();
  return kLibrary;
}

}  // namespace bulwark::cel::ext
