#include "lang/cel/ext/lists.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "lang/cel/ext/support.h"

namespace bulwark::cel::ext {
namespace {

constexpr int kMaxNesting = 1000;

Value Slice(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "lii")) return NoSuchOverload(ctx);
  std::span<const Value> items = Items(args[0]);
  int64_t start = args[1].AsInt();
  int64_t end = args[2].AsInt();
  auto fail = [&](const std::string& why) {
    return ctx.Error("cannot slice(" + std::to_string(start) + ", " + std::to_string(end) + "), " +
                     why);
  };
  if (start < 0 || end < 0) return fail("negative indexes not supported");
  if (start > end) return fail("start index must be less than or equal to end index");
  if (static_cast<uint64_t>(end) > items.size()) {
    return fail("list is length " + std::to_string(items.size()));
  }
  return Value::Array(items.subspan(static_cast<size_t>(start), static_cast<size_t>(end - start)));
}

// False if the result gets too large.
bool FlattenInto(const CallContext& ctx, std::span<const Value> items, int64_t depth, int nesting,
                 std::vector<Value>& out) {
  if (nesting > kMaxNesting) return false;
  for (const Value& item : items) {
    std::optional<std::span<const Value>> nested = ListItems(item);
    if (nested && depth > 0) {
      if (!FlattenInto(ctx, *nested, depth - 1, nesting + 1, out)) return false;
    } else {
      out.push_back(item);
      if (!FitsItems(ctx, out.size())) return false;
    }
  }
  return true;
}

Value Flatten(CallContext& ctx, std::span<const Value> args) {
  bool with_depth = args.size() == 2;
  if (!Match(args, with_depth ? "li" : "l")) return NoSuchOverload(ctx);
  int64_t depth = with_depth ? args[1].AsInt() : 1;
  if (depth < 0) return ctx.Error("level must be non-negative");
  std::vector<Value> out;
  if (!FlattenInto(ctx, Items(args[0]), depth, 0, out)) return TooLarge(ctx);
  return List(ctx.arena, out);
}

Value SortByKeys(CallContext& ctx, std::span<const Value> items, std::span<const Value> keys) {
  if (items.size() != keys.size()) {
    return ctx.Error(
        "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but "
        "got " +
        std::to_string(items.size()) + " and " + std::to_string(keys.size()) +
        " elements respectively");
  }
  if (items.empty()) return Value::EmptyArray();
  if (!IsComparable(keys[0])) return ctx.Error("list elements must be comparable");
  for (const Value& key : keys) {
    if (key.kind() != keys[0].kind()) return ctx.Error("list elements must have the same type");
  }
  std::vector<uint32_t> order(items.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [keys](uint32_t a, uint32_t b) { return Value::Compare(keys[a], keys[b]) < 0; });
  Value* sorted = ctx.arena.Array<Value>(items.size());
  for (size_t i = 0; i < items.size(); ++i) sorted[i] = items[order[i]];
  return Value::Array(std::span<const Value>(sorted, items.size()));
}

Value Sort(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "l")) return NoSuchOverload(ctx);
  return SortByKeys(ctx, Items(args[0]), Items(args[0]));
}

Value SortByAssociatedKeys(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "ll")) return NoSuchOverload(ctx);
  return SortByKeys(ctx, Items(args[0]), Items(args[1]));
}

// list.sortBy(e, key) is bind(input, list, input.@sortByAssociatedKeys(input.map(e, key))).
std::optional<const Expr*> ExpandSortBy(MacroContext& context, const Expr*, const Expr* target,
                                        std::span<const Expr* const> args) {
  constexpr std::string_view kInput = "@__sortBy_input__";
  switch (target->kind) {
    case ExprKind::kList:
    case ExprKind::kSelect:
    case ExprKind::kIdent:
    case ExprKind::kComprehension:
    case ExprKind::kCall: break;
    default:
      return context.Fail(target,
                          "sortBy can only be applied to a list, identifier, comprehension, call "
                          "or select expression");
  }
  if (args[0]->kind != ExprKind::kIdent) {
    return context.Fail(args[0], "argument is not an identifier");
  }
  const Expr* step = context.Call(op::kAdd, {context.Accumulator(), context.List({args[1]})});
  const Expr* keys = context.Fold({.range = context.Ident(kInput),
                                   .var = args[0]->name,
                                   .var2 = {},
                                   .accu = context.accumulator(),
                                   .accu_init = context.List({}),
                                   .condition = context.Literal(Value::Bool(true)),
                                   .step = step,
                                   .result = context.Accumulator(),
                                   .loop = Loop::kMap});
  const Expr* sorted = context.Member("@sortByAssociatedKeys", context.Ident(kInput), {keys});
  return Bind(context, kInput, target, sorted);
}

constexpr int64_t kMaxRange = 1'000'000;

template <bool kStrict>
Value RangeOf(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "i")) return NoSuchOverload(ctx);
  if (kStrict && (args[0].AsInt() < 0 || args[0].AsInt() > kMaxRange)) {
    return ctx.Error("lists.range() argument must be between 0 and 1000000, was " +
                     std::to_string(args[0].AsInt()));
  }
  uint64_t count = static_cast<uint64_t>(std::max<int64_t>(args[0].AsInt(), 0));
  if (!FitsItems(ctx, count)) return TooLarge(ctx);
  Value* items = ctx.arena.Array<Value>(count);
  for (uint64_t i = 0; i < count; ++i) items[i] = Value::Int(static_cast<int64_t>(i));
  return Value::Array(std::span<const Value>(items, count));
}

Value Reverse(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "l")) return NoSuchOverload(ctx);
  std::span<const Value> items = Items(args[0]);
  Value* reversed = ctx.arena.Array<Value>(items.size());
  std::reverse_copy(items.begin(), items.end(), reversed);
  return Value::Array(std::span<const Value>(reversed, items.size()));
}

Value Distinct(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "l")) return NoSuchOverload(ctx);
  ValueSet unique;
  for (const Value& item : Items(args[0])) unique.Insert(item);
  return List(ctx.arena, unique.values());
}

// --- Costs ---------------------------------------------------------------------------------------

constexpr uint64_t kListCall = 1 + kListBase;

CallEstimate Allocating(double factor, Range size) {
  return {MultiplyByFactor(size, factor) + Range{kListCall, kListCall}, size};
}
uint64_t AllocatingActual(double factor, uint64_t size) {
  return SaturatingAdd(static_cast<uint64_t>(static_cast<double>(size) * factor), kListCall);
}

uint64_t IntLiteral(const Expr* arg, uint64_t other) {
  if (arg->kind != ExprKind::kLiteral || !arg->literal.IsInt()) return other;
  return static_cast<uint64_t>(std::max<int64_t>(arg->literal.AsInt(), 0));
}

uint64_t OutputActual(std::span<const Value>, const Value& result) {
  return AllocatingActual(1, SizeOf(result));
}

constexpr Cost kSlice = {OutputActual,
                         [](CostContext& ctx, const Expr* target,
                            std::span<const Expr* const> args) -> std::optional<CallEstimate> {
                           if (target == nullptr || args.size() != 2) return std::nullopt;
                           uint64_t size =
                               IntLiteral(args[1], ctx.SizeOf(target).max) - IntLiteral(args[0], 0);
                           return Allocating(1, {size, size});
                         }};

constexpr Cost kRange = {OutputActual,
                         [](CostContext&, const Expr*,
                            std::span<const Expr* const> args) -> std::optional<CallEstimate> {
                           if (args.size() != 1) return std::nullopt;
                           uint64_t size = IntLiteral(args[0], kMaxCost);
                           return Allocating(1, {size, size});
                         }};

constexpr Cost kReverse = {OutputActual,
                           [](CostContext& ctx, const Expr* target,
                              std::span<const Expr* const>) -> std::optional<CallEstimate> {
                             if (target == nullptr) return std::nullopt;
                             return Allocating(1, ctx.SizeOf(target));
                           }};

constexpr Cost kFlatten = {[](std::span<const Value> args, const Value&) {
                             double depth =
                                 args.size() == 2 ? static_cast<double>(args[1].AsInt()) : 1;
                             return AllocatingActual(std::max(depth, 0.0), SizeOf(args[0]));
                           },
                           [](CostContext& ctx, const Expr* target,
                              std::span<const Expr* const> args) -> std::optional<CallEstimate> {
                             if (target == nullptr) return std::nullopt;
                             uint64_t depth = args.empty() ? 1 : IntLiteral(args[0], kMaxCost);
                             return Allocating(static_cast<double>(depth), ctx.SizeOf(target));
                           }};

// Comparing each with each.
uint64_t SelfCompareActual(const Value& list) {
  std::span<const Value> items = Items(list);
  double factor = 2;
  if (!items.empty() && (items[0].IsString() || items[0].IsBytes())) factor += kStringFactor;
  return AllocatingActual(factor, SaturatingMultiply(items.size(), items.size()));
}

std::optional<CallEstimate> SelfCompareEstimate(CostContext& ctx, const Expr* list, double factor) {
  if (list == nullptr) return std::nullopt;
  Range size = ctx.SizeOf(list);
  return Allocating(factor, size * size);
}

constexpr Cost kDistinct = {
    [](std::span<const Value> args, const Value&) { return SelfCompareActual(args[0]); },
    [](CostContext& ctx, const Expr* target, std::span<const Expr* const>) {
      return SelfCompareEstimate(ctx, target, 2);
    }};

template <bool kText>
constexpr Cost kSort = {
    [](std::span<const Value> args, const Value&) { return SelfCompareActual(args[0]); },
    [](CostContext& ctx, const Expr* target, std::span<const Expr* const>) {
      return SelfCompareEstimate(ctx, target, kText ? 2 + kStringFactor : 2);
    }};

template <bool kText>
constexpr Cost kSortBy = {
    [](std::span<const Value> args, const Value&) { return SelfCompareActual(args[1]); },
    [](CostContext& ctx, const Expr*, std::span<const Expr* const> args) {
      return SelfCompareEstimate(ctx, args.empty() ? nullptr : args[0],
                                 kText ? 2 + kStringFactor : 2);
    }};

Library MakeLibrary(int version) {
  const Type i = Type::Int();
  const Type list = ListOf(Parameter("T"));
  const Type dyns = ListOf(Type::Dyn());

  Library lib;
  lib.name = "cel.lib.ext.lists";
  lib.functions = {{"slice", {Member("list_slice", {list, i, i}, list, Slice, kSlice)}}};
  if (version >= 1) {
    lib.functions.push_back({"flatten",
                             {Member("list_flatten", {ListOf(list)}, list, Flatten, kFlatten),
                              Member("list_flatten_int", {dyns, i}, dyns, Flatten, kFlatten)}});
  }
  if (version >= 2) {
    FunctionDecl sort{"sort", {}};
    FunctionDecl sort_by{"@sortByAssociatedKeys", {}};
    for (const NamedType& t : ComparableTypes()) {
      bool text = t.name == "string" || t.name == "bytes";
      Type of = ListOf(t.type);
      std::string prefix = "list_" + std::string(t.full_name);
      sort.overloads.push_back(
          Member(Keep(prefix + "_sort"), {of}, of, Sort, text ? kSort<true> : kSort<false>));
      sort_by.overloads.push_back(Member(Keep(prefix + "_sortByAssociatedKeys"), {list, of}, list,
                                         SortByAssociatedKeys,
                                         text ? kSortBy<true> : kSortBy<false>));
    }
    lib.functions.push_back(std::move(sort));
    lib.functions.push_back(std::move(sort_by));
    lib.functions.push_back({"lists.range",
                             {Global("lists_range", {i}, ListOf(i),
                                     version >= 4 ? RangeOf<true> : RangeOf<false>, kRange)}});
    lib.functions.push_back({"reverse", {Member("list_reverse", {list}, list, Reverse, kReverse)}});
    lib.functions.push_back(
        {"distinct", {Member("list_distinct", {list}, list, Distinct, kDistinct)}});
    lib.macros = {{"sortBy", true, 2, ExpandSortBy}};
  }
  if (version < 3) {
    for (FunctionDecl& function : lib.functions) {
      for (Overload& overload : function.overloads) {
        overload.actual_cost = nullptr;
        overload.estimated_cost = nullptr;
      }
    }
  }
  return lib;
}

}  // namespace

const Library& Lists(int version) {
  static const std::array<Library, 5> kLibraries = {MakeLibrary(0), MakeLibrary(1), MakeLibrary(2),
                                                    MakeLibrary(3), MakeLibrary(4)};
  return kLibraries[static_cast<size_t>(std::clamp(version, 0, 4))];
}

}  // namespace bulwark::cel::ext
