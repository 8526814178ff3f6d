// Collections: counting, summing, sorting; arrays and sets.

#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "lang/rego/builtins/big_int.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/number.h"
#include "lang/rego/builtins/support.h"

namespace bulwark::rego {

namespace {

constexpr int32_t kMaxExponent = 400'000;  // what is beyond takes too long to spell

bool IsList(const Value& value) { return value.IsArray() || value.IsSet(); }

Outcome Count(Context& c, Args args, Value& out) {
  const Value& a = args[0];
  if (a.IsString()) {
    if (!SpendText(c, a.size())) return Outcome::kHalt;
    return Give(out, Value::Int(static_cast<int64_t>(CountCodePoints(a.AsString()))));
  }
  if (!IsList(a) && !a.IsMap()) {
    return c.WrongType(1, a, "one of {array, object, set, string}");
  }
  return Give(out, Value::Int(static_cast<int64_t>(a.size())));
}

// The sum or the product: of integers exactly, else in floats.
template <bool kProduct>
Outcome Accumulate(Context& c, Args args, Value& out) {
  const Value& list = args[0];
  if (!IsList(list)) return c.WrongType(1, list, "one of {set, array}");
  std::span<const Value> items = list.items();
  if (!c.Spend(items.size())) return Outcome::kHalt;
  int64_t result = kProduct ? 1 : 0;
  bool quick = std::ranges::all_of(items, [&](const Value& item) {
    if (!item.IsInt()) return false;
    return kProduct ? !__builtin_mul_overflow(result, item.AsInt(), &result)
                    : !__builtin_add_overflow(result, item.AsInt(), &result);
  });
  if (quick) return Give(out, Value::Int(result));

  BigInt exact = kProduct ? 1 : 0;
  bool integers = std::ranges::all_of(items, [&](const Value& item) {
    if (!item.IsNumber() || !c.Spend(exact.backend().size())) return false;
    std::optional<BigInt> integer = ToBigInt(item);
    if (!integer) return false;
    if (kProduct) {
      exact *= *integer;
    } else {
      exact += *integer;
    }
    return true;
  });
  if (c.halted()) return Outcome::kHalt;
  if (integers) return Give(out, BigIntValue(c.arena, exact));

  // OPA's products begin with a float of 53 bits, and stay so.
  constexpr int kProductBits = 53;
  Float total = FloatOfInt(kProduct ? 1 : 0);
  for (const Value& item : items) {
    if (!item.IsNumber()) return WrongElement(c, 1, list, item, "number");
    std::optional<Float> number = ToFloat(item);
    if (!number) return c.Fail("number too big");
    total = kProduct ? Multiply(total, *number, kProductBits) : Add(total, *number);
    if (std::abs(total.exponent) > kMaxExponent) return c.Fail("number too big");
  }
  return Give(out, FloatValue(c.arena, total, kProduct ? kProductBits : 64));
}

Outcome Max(Context& c, Args args, Value& out) {
  if (!IsList(args[0])) return c.WrongType(1, args[0], "one of {set, array}");
  std::span<const Value> items = args[0].items();
  if (items.empty()) return Outcome::kUndefined;
  if (args[0].IsSet()) return Give(out, items.back());
  if (!c.Spend(items.size())) return Outcome::kHalt;
  const Value* best = &items[0];
  for (const Value& item : items.subspan(1)) {
    if (Value::Compare(*best, item) <= 0) best = &item;
  }
  return Give(out, *best);
}

Outcome Min(Context& c, Args args, Value& out) {
  if (!IsList(args[0])) return c.WrongType(1, args[0], "one of {set, array}");
  std::span<const Value> items = args[0].items();
  if (items.empty()) return Outcome::kUndefined;
  if (args[0].IsSet()) return Give(out, items[0]);
  if (!c.Spend(items.size())) return Outcome::kHalt;
  const Value* best = &items[0];
  for (const Value& item : items.subspan(1)) {
    if (Value::Compare(*best, item) >= 0) best = &item;
  }
  return Give(out, *best);
}

Outcome Sort(Context& c, Args args, Value& out) {
  if (!IsList(args[0])) return c.WrongType(1, args[0], "one of {set, array}");
  if (!c.Spend(args[0].size() * 4)) return Outcome::kHalt;
  if (args[0].IsSet()) return Give(out, Value::Array(args[0].items()));
  auto before = [](const Value& a, const Value& b) { return Value::Compare(a, b) < 0; };
  std::span<const Value> items = args[0].items();
  if (std::ranges::is_sorted(items, before)) return Give(out, args[0]);
  std::span<Value> sorted = c.arena.Copy(items);
  std::ranges::stable_sort(sorted, before);
  return Give(out, Value::Array(sorted));
}

Outcome All(Context& c, Args args, Value& out) {
  if (!IsList(args[0])) return c.WrongType(1, args[0], "one of {array, set}");
  if (!c.Spend(args[0].size())) return Outcome::kHalt;
  return Give(out, std::ranges::all_of(args[0].items(), &Value::IsTrue));
}

Outcome Any(Context& c, Args args, Value& out) {
  if (!IsList(args[0])) return c.WrongType(1, args[0], "one of {array, set}");
  if (!c.Spend(args[0].size())) return Outcome::kHalt;
  return Give(out, std::ranges::any_of(args[0].items(), &Value::IsTrue));
}

// --- Arrays --------------------------------------------------------------------------------------

Outcome ArrayConcat(Context& c, Args args, Value& out) {
  if (!args[0].IsArray()) return c.WrongType(1, args[0], "array");
  if (!args[1].IsArray()) return c.WrongType(2, args[1], "array");
  if (args[0].empty()) return Give(out, args[1]);
  if (args[1].empty()) return Give(out, args[0]);
  size_t size = args[0].size() + args[1].size();
  if (!c.Spend(size)) return Outcome::kHalt;
  auto* items = c.arena.Array<Value>(size);
  Value* end = std::uninitialized_copy_n(args[0].items().begin(), args[0].size(), items);
  std::uninitialized_copy_n(args[1].items().begin(), args[1].size(), end);
  return Give(out, Value::Array({items, size}));
}

Outcome ArrayFlatten(Context& c, Args args, Value& out) {
  if (!args[0].IsArray()) return c.WrongType(1, args[0], "array");
  std::vector<Value> flat;
  for (const Value& item : args[0].items()) {
    if (!c.Spend(1 + item.size())) return Outcome::kHalt;
    if (item.IsArray()) {
      flat.insert(flat.end(), item.items().begin(), item.items().end());
    } else {
      flat.push_back(item);
    }
  }
  return Give(out, Value::Array(c.arena, flat));
}

Outcome ArrayReverse(Context& c, Args args, Value& out) {
  if (!args[0].IsArray()) return c.WrongType(1, args[0], "array");
  if (!c.Spend(args[0].size())) return Outcome::kHalt;
  std::span<Value> items = c.arena.Copy(args[0].items());
  std::ranges::reverse(items);
  return Give(out, Value::Array(items));
}

Outcome ArraySlice(Context& c, Args args, Value& out) {
  if (!args[0].IsArray()) return c.WrongType(1, args[0], "array");
  int64_t start = 0;
  int64_t stop = 0;
  if (!IntArgument(c, args, 1, start) || !IntArgument(c, args, 2, stop)) return Outcome::kError;
  stop = std::clamp<int64_t>(stop, 0, static_cast<int64_t>(args[0].size()));
  start = std::clamp<int64_t>(start, 0, stop);
  return Give(out, Value::Array(args[0].items().subspan(static_cast<size_t>(start),
                                                        static_cast<size_t>(stop - start))));
}

// --- Sets of sets --------------------------------------------------------------------------------

Outcome Intersection(Context& c, Args args, Value& out) {
  if (!args[0].IsSet()) return c.WrongType(1, args[0], "set");
  out = Value::Set(c.arena, {});
  bool first = true;
  for (const Value& set : args[0].items()) {
    if (!set.IsSet()) return c.WrongType(1, set, "set");
    if (!c.Spend(set.size() + out.size())) return Outcome::kHalt;
    out = first ? set : SetIntersection(c.arena, out, set);
    first = false;
  }
  return Outcome::kValue;
}

Outcome Union(Context& c, Args args, Value& out) {
  if (!args[0].IsSet()) return c.WrongType(1, args[0], "set");
  std::vector<Value> all;
  for (const Value& set : args[0].items()) {
    if (!set.IsSet()) return c.WrongType(1, set, "set");
    if (!c.Spend(set.size() * 2)) return Outcome::kHalt;
    all.insert(all.end(), set.items().begin(), set.items().end());
  }
  return Give(out, Value::Set(c.arena, all));
}

Outcome SetDiff(Context& c, Args args, Value& out) {
  if (!args[0].IsSet()) return c.WrongType(1, args[0], "set");
  if (!args[1].IsSet()) return c.WrongType(2, args[1], "set");
  if (!c.Spend(args[0].size() + args[1].size())) return Outcome::kHalt;
  return Give(out, SetDifference(c.arena, args[0], args[1]));
}

constexpr Builtin kBuiltins[] = {
    Deprecated({"all", "(array[any] | set[any]) -> boolean", All}),
    Deprecated({"any", "(array[any] | set[any]) -> boolean", Any}),
    {"array.concat", "(x: array[any], y: array[any]) -> array[any]", ArrayConcat},
    {"array.flatten", "(arr: array[any]) -> array[any]", ArrayFlatten},
    {"array.reverse", "(arr: array[any]) -> array[any]", ArrayReverse},
    {"array.slice", "(arr: array[any], start: number, stop: number) -> array[any]", ArraySlice},
    {"count", "(collection: string | array[any] | object[any: any] | set[any]) -> number", Count},
    {"intersection", "(xs: set[set[any]]) -> set[any]", Intersection},
    {"max", "(collection: array[any] | set[any]) -> any", Max},
    {"min", "(collection: array[any] | set[any]) -> any", Min},
    {"product", "(collection: array[number] | set[number]) -> number", Accumulate<true>},
    Deprecated({"set_diff", "(set[any], set[any]) -> set[any]", SetDiff}),
    {"sort", "(collection: array[any] | set[any]) -> array[any]", Sort},
    {"sum", "(collection: array[number] | set[number]) -> number", Accumulate<false>},
    {"union", "(xs: set[set[any]]) -> set[any]", Union},
};

}  // namespace

std::span<const Builtin> AggregateBuiltins() { return kBuiltins; }

}  // namespace bulwark::rego
