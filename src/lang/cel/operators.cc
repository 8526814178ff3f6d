#include "lang/cel/operators.h"

#include <charconv>
#include <cmath>
#include <cstring>

namespace bulwark::cel {

namespace {

using Kind = Value::Kind;

constexpr int64_t kNanos = 1'000'000'000;
constexpr std::string_view kIntOverflow = "integer overflow";
constexpr std::string_view kUintOverflow = "unsigned integer overflow";
constexpr std::string_view kTooLarge = "the result is larger than the limit";

// Both operands in one of the kinds that arithmetic knows; the decimals of data count as doubles.
constexpr uint32_t Pair(Kind a, Kind b) {
  return static_cast<uint32_t>(a) << 8 | static_cast<uint32_t>(b);
}

Value Shifted(const OperatorContext& ctx, const Value& timestamp, int64_t nanos) {
  int64_t seconds = timestamp.seconds() + nanos / kNanos;  // both far from the limits of int64
  int64_t rest = timestamp.nanos() + nanos % kNanos;
  if (rest < 0) {
    rest += kNanos;
    --seconds;
  } else if (rest >= kNanos) {
    rest -= kNanos;
    ++seconds;
  }
  if (seconds < kMinTimestamp || seconds > kMaxTimestamp) return ctx.Fail("timestamp overflow");
  return Value::Timestamp(seconds, static_cast<int32_t>(rest));
}

bool InRange(const Value& timestamp) {
  return timestamp.seconds() >= kMinTimestamp && timestamp.seconds() <= kMaxTimestamp;
}

Value Concat(const OperatorContext& ctx, const Value& a, const Value& b) {
  std::string_view x = a.AsString();
  std::string_view y = b.AsString();
  uint64_t size = uint64_t{x.size()} + y.size();
  if (size > UINT32_MAX || (ctx.max_bytes != 0 && size > ctx.max_bytes)) return ctx.Fail(kTooLarge);
  char* to = static_cast<char*>(ctx.arena.Allocate(size, 1));
  if (!x.empty()) std::memcpy(to, x.data(), x.size());
  if (!y.empty()) std::memcpy(to + x.size(), y.data(), y.size());
  std::string_view joined(to, size);
  return a.IsString() ? Value::String(joined) : Value::Bytes(joined);
}

Value ConcatLists(const OperatorContext& ctx, const Value& a, const Value& b) {
  auto x = ListItems(a);
  auto y = ListItems(b);
  if (!x || !y) return ctx.NoSuchOverload();
  if (ctx.max_bytes != 0 && (x->size() + y->size()) > ctx.max_bytes / sizeof(Value)) {
    return ctx.Fail(kTooLarge);
  }
  if (HasTag(a, kListTag)) return static_cast<const ListValue*>(a.AsOpaque())->Concat(ctx.arena, b);
  if (y->empty() && a.IsArray()) return a;
  if (x->empty() && b.IsArray()) return b;
  auto* items = ctx.arena.Array<Value>(x->size() + y->size());
  std::uninitialized_copy(x->begin(), x->end(), items);
  std::uninitialized_copy(y->begin(), y->end(), items + x->size());
  return Value::Array(std::span<const Value>(items, x->size() + y->size()));
}

// Integers against doubles as doubles, even where that loses digits: the specification's tests say
// so.
int CompareNumbers(const Value& a, const Value& b) {
  if (a.kind() == b.kind() || (!a.IsDouble() && !b.IsDouble())) return Value::Compare(a, b);
  double x = a.ToDouble();
  double y = b.ToDouble();
  return x < y ? -1 : x > y;
}

bool IsUnordered(const Value& v) { return v.IsDouble() && std::isnan(v.AsDouble()); }

}  // namespace

Value DurationFromNanos(int64_t nanos) {
  return Value::Duration(nanos / kNanos, static_cast<int32_t>(nanos % kNanos));
}

std::optional<int64_t> NanosOf(const Value& duration) {
  int64_t nanos;
  if (__builtin_mul_overflow(duration.seconds(), kNanos, &nanos) ||
      __builtin_add_overflow(nanos, int64_t{duration.nanos()}, &nanos)) {
    return std::nullopt;
  }
  return nanos;
}

Value Add(const OperatorContext& ctx, const Value& a, const Value& b) {
  switch (Pair(a.kind(), b.kind())) {
    case Pair(Kind::kInt, Kind::kInt): {
      int64_t sum;
      if (__builtin_add_overflow(a.AsInt(), b.AsInt(), &sum)) return ctx.Fail(kIntOverflow);
      return Value::Int(sum);
    }
    case Pair(Kind::kUint, Kind::kUint): {
      uint64_t sum;
      if (__builtin_add_overflow(a.AsUint(), b.AsUint(), &sum)) return ctx.Fail(kUintOverflow);
      return Value::Uint(sum);
    }
    case Pair(Kind::kDouble, Kind::kDouble): return Value::Double(a.AsDouble() + b.AsDouble());
    case Pair(Kind::kString, Kind::kString):
    case Pair(Kind::kBytes, Kind::kBytes): return Concat(ctx, a, b);
    case Pair(Kind::kTimestamp, Kind::kDuration):
    case Pair(Kind::kDuration, Kind::kTimestamp): {
      const Value& at = a.IsTimestamp() ? a : b;
      auto nanos = NanosOf(a.IsTimestamp() ? b : a);
      if (!nanos) return ctx.Fail("duration overflow");
      if (!InRange(at)) return ctx.Fail("timestamp overflow");
      return Shifted(ctx, at, *nanos);
    }
    case Pair(Kind::kDuration, Kind::kDuration): {
      auto x = NanosOf(a);
      auto y = NanosOf(b);
      int64_t sum;
      if (!x || !y || __builtin_add_overflow(*x, *y, &sum)) return ctx.Fail(kIntOverflow);
      return DurationFromNanos(sum);
    }
    default: return ConcatLists(ctx, a, b);
  }
}

Value Subtract(const OperatorContext& ctx, const Value& a, const Value& b) {
  switch (Pair(a.kind(), b.kind())) {
    case Pair(Kind::kInt, Kind::kInt): {
      int64_t difference;
      if (__builtin_sub_overflow(a.AsInt(), b.AsInt(), &difference)) return ctx.Fail(kIntOverflow);
      return Value::Int(difference);
    }
    case Pair(Kind::kUint, Kind::kUint):
      if (b.AsUint() > a.AsUint()) return ctx.Fail(kUintOverflow);
      return Value::Uint(a.AsUint() - b.AsUint());
    case Pair(Kind::kDouble, Kind::kDouble): return Value::Double(a.AsDouble() - b.AsDouble());
    case Pair(Kind::kTimestamp, Kind::kDuration): {
      auto nanos = NanosOf(b);
      if (!nanos || *nanos == INT64_MIN) return ctx.Fail(kIntOverflow);
      if (!InRange(a)) return ctx.Fail("timestamp overflow");
      return Shifted(ctx, a, -*nanos);
    }
    case Pair(Kind::kTimestamp, Kind::kTimestamp): {
      int64_t nanos;
      if (__builtin_sub_overflow(a.seconds(), b.seconds(), &nanos) ||
          __builtin_mul_overflow(nanos, kNanos, &nanos) ||
          __builtin_add_overflow(nanos, int64_t{a.nanos()} - b.nanos(), &nanos)) {
        return ctx.Fail(kIntOverflow);
      }
      return DurationFromNanos(nanos);
    }
    case Pair(Kind::kDuration, Kind::kDuration): {
      auto x = NanosOf(a);
      auto y = NanosOf(b);
      int64_t difference;
      if (!x || !y || __builtin_sub_overflow(*x, *y, &difference)) return ctx.Fail(kIntOverflow);
      return DurationFromNanos(difference);
    }
    default: return ctx.NoSuchOverload();
  }
}

Value Multiply(const OperatorContext& ctx, const Value& a, const Value& b) {
  switch (Pair(a.kind(), b.kind())) {
    case Pair(Kind::kInt, Kind::kInt): {
      int64_t product;
      if (__builtin_mul_overflow(a.AsInt(), b.AsInt(), &product)) return ctx.Fail(kIntOverflow);
      return Value::Int(product);
    }
    case Pair(Kind::kUint, Kind::kUint): {
      uint64_t product;
      if (__builtin_mul_overflow(a.AsUint(), b.AsUint(), &product)) return ctx.Fail(kUintOverflow);
      return Value::Uint(product);
    }
    case Pair(Kind::kDouble, Kind::kDouble): return Value::Double(a.AsDouble() * b.AsDouble());
    default: return ctx.NoSuchOverload();
  }
}

Value Divide(const OperatorContext& ctx, const Value& a, const Value& b) {
  switch (Pair(a.kind(), b.kind())) {
    case Pair(Kind::kInt, Kind::kInt):
      if (b.AsInt() == 0) return ctx.Fail("division by zero");
      if (a.AsInt() == INT64_MIN && b.AsInt() == -1) return ctx.Fail(kIntOverflow);
      return Value::Int(a.AsInt() / b.AsInt());
    case Pair(Kind::kUint, Kind::kUint):
      if (b.AsUint() == 0) return ctx.Fail("division by zero");
      return Value::Uint(a.AsUint() / b.AsUint());
    case Pair(Kind::kDouble, Kind::kDouble): {
      double x = a.AsDouble();
      double y = b.AsDouble();
      if (y != 0) return Value::Double(x / y);
      // IEEE 754, spelled out.
      if (x == 0 || std::isnan(x)) return Value::Double(NAN);
      return Value::Double(std::signbit(x) == std::signbit(y) ? HUGE_VAL : -HUGE_VAL);
    }
    default: return ctx.NoSuchOverload();
  }
}

Value Modulo(const OperatorContext& ctx, const Value& a, const Value& b) {
  switch (Pair(a.kind(), b.kind())) {
    case Pair(Kind::kInt, Kind::kInt):
      if (b.AsInt() == 0) return ctx.Fail("modulus by zero");
      if (a.AsInt() == INT64_MIN && b.AsInt() == -1) return ctx.Fail(kIntOverflow);
      return Value::Int(a.AsInt() % b.AsInt());
    case Pair(Kind::kUint, Kind::kUint):
      if (b.AsUint() == 0) return ctx.Fail("modulus by zero");
      return Value::Uint(a.AsUint() % b.AsUint());
    default: return ctx.NoSuchOverload();
  }
}

Value Negate(const OperatorContext& ctx, const Value& a) {
  if (a.IsInt()) {
    if (a.AsInt() == INT64_MIN) return ctx.Fail(kIntOverflow);
    return Value::Int(-a.AsInt());
  }
  if (a.IsDouble()) return Value::Double(-a.AsDouble());
  return ctx.NoSuchOverload();
}

Value Compare(const OperatorContext& ctx, Relation relation, const Value& a, const Value& b) {
  int order;
  if (a.IsInt() && b.IsInt()) {
    order = a.AsInt() < b.AsInt() ? -1 : a.AsInt() > b.AsInt();
  } else if (a.IsNumber() && b.IsNumber()) {
    if (IsUnordered(a) || IsUnordered(b)) return ctx.Fail("NaN values cannot be ordered");
    order = CompareNumbers(a, b);
  } else if (a.kind() == b.kind() &&
             (a.IsString() || a.IsBytes() || a.IsBool() || a.IsTimestamp() || a.IsDuration())) {
    order = Value::Compare(a, b);
  } else {
    return ctx.NoSuchOverload();
  }
  switch (relation) {
    case Relation::kLess: return Value::Bool(order < 0);
    case Relation::kLessEquals: return Value::Bool(order <= 0);
    case Relation::kGreater: return Value::Bool(order > 0);
    case Relation::kGreaterEquals: return Value::Bool(order >= 0);
  }
  BW_UNREACHABLE();
}

Value In(const OperatorContext& ctx, const Value& item, const Value& container) {
  if (container.IsMap()) {
    // No key is an aggregate, and hashing one is not bounded.
    bool possible = !item.IsArray() && !item.IsMap() && !item.IsSet() && !item.IsOpaque();
    return Value::Bool(possible && container.Find(item) != nullptr);
  }
  auto items = ListItems(container);
  if (!items) return ctx.NoSuchOverload();
  if (item.IsString()) {
    std::string_view text = item.AsString();
    for (const Value& each : *items) {
      if (each.IsString() && each.AsString() == text) return Value::Bool(true);
    }
    return Value::Bool(false);
  }
  for (const Value& each : *items) {
    auto equal = CelEqualBounded(item, each);
    if (!equal) return ctx.Fail("values are nested too deeply to be compared");
    if (*equal) return Value::Bool(true);
  }
  return Value::Bool(false);
}

std::string ShowKey(const Value& v) {
  switch (v.kind()) {
    case Kind::kNull: return "null";
    case Kind::kBool: return v.AsBool() ? "true" : "false";
    case Kind::kInt: return std::to_string(v.AsInt());
    case Kind::kUint: return std::to_string(v.AsUint());
    case Kind::kDouble: {
      char buffer[32];
      auto end = std::to_chars(buffer, buffer + sizeof buffer, v.AsDouble()).ptr;
      return {buffer, end};
    }
    case Kind::kDecimal:
    case Kind::kString: return std::string(v.AsString());
    default: return std::string(TypeNameOf(v));
  }
}

}  // namespace bulwark::cel
