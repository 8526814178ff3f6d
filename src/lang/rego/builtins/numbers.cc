#include <bit>
#include <cmath>

#include "lang/rego/builtins/big_int.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/number.h"
#include "lang/rego/builtins/support.h"

namespace bulwark::rego {

namespace {

// Integers that OPA computes with as such in every operation: divided by each other, others go by
// way of floats.
bool SmallInt(const Value& value, int64_t& out) {
  std::optional<int64_t> integer = MachineInt(value);
  if (!integer || *integer < INT32_MIN || *integer > INT32_MAX) return false;
  out = *integer;
  return true;
}

Outcome TooBig(Context& c) { return c.Fail("number too big"); }

Outcome GiveFloat(Context& c, Value& out, const std::optional<Float>& number) {
  if (!number) return TooBig(c);
  if (!c.Spend(static_cast<uint64_t>(std::abs(number->exponent)) / 64)) return Outcome::kHalt;
  return Give(out, FloatValue(c.arena, *number));
}

uint64_t Limbs(const BigInt& integer) { return integer.backend().size(); }

Outcome Exactly(Context& c, Arithmetic what, const BigInt& a, const BigInt& b, Value& out) {
  if (!c.Spend(Limbs(a) * Limbs(b))) return Outcome::kHalt;
  switch (what) {
    case Arithmetic::kPlus: return Give(out, BigIntValue(c.arena, a + b));
    case Arithmetic::kMinus: return Give(out, BigIntValue(c.arena, a - b));
    case Arithmetic::kMultiply: return Give(out, BigIntValue(c.arena, a * b));
    default:
      if (b == 0) return c.Fail("modulo by zero");
      return Give(out, BigIntValue(c.arena, a % b));
  }
}

Outcome Divide(Context& c, const Value& a, const Value& b, Value& out) {
  int64_t x = 0;
  int64_t y = 0;
  if (SmallInt(a, x) && SmallInt(b, y)) {
    if (y == 0) return c.Fail("divide by zero");
    if (x != 0 && x % y == 0) return Give(out, Value::Int(x / y));
  }
  std::optional<Float> left = ToFloat(a);
  std::optional<Float> right = ToFloat(b);
  if (!left || !right) return TooBig(c);
  if (right->IsZero()) return c.Fail("divide by zero");
  return GiveFloat(c, out, Divide(*left, *right));
}

}  // namespace

Outcome Calculate(Context& context, Arithmetic what, const Value& a, const Value& b, Value& out) {
  if (what == Arithmetic::kDivide) return Divide(context, a, b, out);
  std::optional<int64_t> x = a.ToInt();
  std::optional<int64_t> y = x ? b.ToInt() : std::nullopt;
  if (x && y) {
    int64_t result = 0;
    switch (what) {
      case Arithmetic::kPlus:
        if (!__builtin_add_overflow(*x, *y, &result)) return Give(out, Value::Int(result));
        break;
      case Arithmetic::kMinus:
        if (!__builtin_sub_overflow(*x, *y, &result)) return Give(out, Value::Int(result));
        break;
      case Arithmetic::kMultiply:
        if (!__builtin_mul_overflow(*x, *y, &result)) return Give(out, Value::Int(result));
        break;
      default:
        if (*y == 0) return context.Fail("modulo by zero");
        return Give(out, Value::Int(*y == -1 ? 0 : *x % *y));
    }
  }
  // A double with a fraction is no integer: no need to try.
  auto fraction = [](const Value& v) {
    return v.IsDouble() && v.AsDouble() != std::floor(v.AsDouble());
  };
  if (!fraction(a) && !fraction(b)) {
    std::optional<BigInt> big_a = ToBigInt(a);
    std::optional<BigInt> big_b = big_a ? ToBigInt(b) : std::nullopt;
    if (big_a && big_b) return Exactly(context, what, *big_a, *big_b, out);
  }
  if (what == Arithmetic::kRemainder) return context.Fail("modulo on floating-point number");
  std::optional<Float> left = ToFloat(a);
  std::optional<Float> right = ToFloat(b);
  if (!left || !right) return TooBig(context);
  switch (what) {
    case Arithmetic::kPlus: return GiveFloat(context, out, Add(*left, *right));
    case Arithmetic::kMinus: return GiveFloat(context, out, Subtract(*left, *right));
    default: return GiveFloat(context, out, Multiply(*left, *right));
  }
}

namespace {

const Float kHalf{false, uint64_t{1} << 63, -64};

template <Float (*kOperation)(const Float&), bool kMagnitude = false>
Outcome Unary(Context& c, Args args, Value& out) {
  if (!args[0].IsNumber()) return c.WrongType(1, args[0], "number");
  int64_t small = 0;
  if (SmallInt(args[0], small)) {
    return Give(out, Value::Int(kMagnitude && small < 0 ? -small : small));
  }
  std::optional<Float> number = ToFloat(args[0]);
  if (!number) return TooBig(c);
  Float result = kOperation(*number);
  if (kMagnitude || result.IsZero()) return GiveFloat(c, out, result);
  return Give(out, BigIntValue(c.arena, WholeOf(result)));  // to the last digit, not shortest
}

Float Magnitude(const Float& a) { return {false, a.mantissa, a.exponent}; }

// Go's big.Int has no -0.
Float Whole(const Float& a) {
  Float out = Truncate(a);
  if (out.IsZero()) out.negative = false;
  return out;
}

Float Rounded(const Float& a) { return Whole(a.negative ? Subtract(a, kHalf) : Add(a, kHalf)); }

Float Ceiling(const Float& a) {
  Float whole = Whole(a);
  if (whole.negative || CompareFloats(a, whole) == 0) return whole;
  return Add(whole, FloatOfInt(1));
}

Float Floored(const Float& a) {
  Float whole = Whole(a);
  if (!whole.negative || CompareFloats(a, whole) == 0) return whole;
  return Subtract(whole, FloatOfInt(1));
}

// As OPA checks the operands of bits.* and ranges; the error of an operand that is no number names
// its position.
bool BigArgument(Context& c, Args args, size_t at, BigInt& out) {
  if (!args[at].IsNumber()) {
    c.WrongType(at + 1, args[at], "integer");
    return false;
  }
  std::optional<BigInt> value = ToBigInt(args[at]);
  if (!value) {
    c.BadOperand(at + 1, "must be integer number but got floating-point number");
    return false;
  }
  out = std::move(*value);
  return true;
}

// The items of first … last, `step` apart, downwards where last < first.
Outcome Range(Context& c, Args args, const BigInt& step, Value& out) {
  BigInt first;
  BigInt last;
  if (!BigArgument(c, args, 0, first) || !BigArgument(c, args, 1, last)) return Outcome::kError;
  BigInt count = abs(last - first) / step + 1;
  constexpr uint64_t kMost = uint64_t{1} << 28;  // 4 GiB of values
  bool fits = count <= kMost;
  if (!c.Spend(fits ? static_cast<uint64_t>(count) : UINT64_MAX - 1) || !fits) {
    if (!fits) {
      c.error_code = "eval_cancel_error";
      c.error = "timed out before generating all numbers in range";
    }
    return Outcome::kHalt;
  }
  auto size = static_cast<size_t>(count);
  bool up = first <= last;
  auto* items = c.arena.Array<Value>(size);
  bool small = first >= INT64_MIN / 2 && first <= INT64_MAX / 2 && last >= INT64_MIN / 2 &&
               last <= INT64_MAX / 2;
  if (small) {
    auto at = static_cast<int64_t>(first);
    int64_t by = size > 1 ? static_cast<int64_t>(step) : 0;
    for (size_t i = 0; i < size; ++i) {
      items[i] = Value::Int(at);
      if (i + 1 < size) at += up ? by : -by;
    }
  } else {
    BigInt at = first;
    for (size_t i = 0; i < size; ++i) {
      items[i] = BigIntValue(c.arena, at);
      at += up ? step : BigInt(-step);
    }
  }
  return Give(out, Value::Array(std::span(items, size)));
}

Outcome NumbersRange(Context& c, Args args, Value& out) { return Range(c, args, 1, out); }

Outcome NumbersRangeStep(Context& c, Args args, Value& out) {
  BigInt ignored;
  BigInt step;
  for (size_t i = 0; i < 2; ++i) {
    if (!BigArgument(c, args, i, ignored)) return Outcome::kError;
  }
  if (!BigArgument(c, args, 2, step)) return Outcome::kError;
  if (step <= 0) return c.Fail("numbers.range_step: step must be a positive integer");
  return Range(c, args, step, out);
}

enum class Bits : uint8_t { kAnd, kOr, kXor, kLeft, kRight };

template <Bits kWhat>
Outcome BitsOf(Context& c, Args args, Value& out) {
  BigInt a;
  BigInt b;
  if (!BigArgument(c, args, 0, a) || !BigArgument(c, args, 1, b)) return Outcome::kError;
  if (!c.Spend(Limbs(a) + Limbs(b))) return Outcome::kHalt;
  if constexpr (kWhat == Bits::kLeft || kWhat == Bits::kRight) {
    if (b < 0) {
      return c.BadOperand(2, "must be an unsigned integer number but got a negative integer");
    }
    constexpr uint64_t kMostBits = 100'000;  // what OPA lets a number that is read have
    if (kWhat == Bits::kLeft && a != 0 && b > kMostBits) return TooBig(c);
    if (kWhat == Bits::kLeft) return Give(out, BigIntValue(c.arena, a << static_cast<unsigned>(b)));
    bool all = a == 0 || b > kMostBits * 10;
    // Towards minus infinity, as two's complement shifts.
    if (all) return Give(out, Value::Int(a < 0 ? -1 : 0));
    auto shift = static_cast<unsigned>(b);
    BigInt result = a < 0 ? BigInt(-((-a - 1) >> shift) - 1) : BigInt(a >> shift);
    return Give(out, BigIntValue(c.arena, result));
  } else {
    // cpp_int has no two's complement of negative numbers for | & ^: make it by hand, -x is ~(x-1).
    auto complement = [](const BigInt& x) { return BigInt(-x - 1); };
    bool na = a < 0;
    bool nb = b < 0;
    BigInt x = na ? complement(a) : a;
    BigInt y = nb ? complement(b) : b;
    BigInt result;
    bool negative = false;
    if constexpr (kWhat == Bits::kXor) {
      result = x ^ y;
      negative = na != nb;
    } else if constexpr (kWhat == Bits::kAnd) {
      if (na && nb) {
        result = x | y;
        negative = true;
      } else if (na || nb) {
        const BigInt& positive = na ? y : x;
        const BigInt& other = na ? x : y;
        result = positive - (positive & other);
      } else {
        result = x & y;
      }
    } else {
      if (na && nb) {
        result = x & y;
        negative = true;
      } else if (na || nb) {
        const BigInt& positive = na ? y : x;
        const BigInt& other = na ? x : y;
        result = other - (other & positive);
        negative = true;
      } else {
        result = x | y;
      }
    }
    return Give(out, BigIntValue(c.arena, negative ? complement(result) : result));
  }
}

Outcome BitsNegate(Context& c, Args args, Value& out) {
  BigInt a;
  if (!BigArgument(c, args, 0, a)) return Outcome::kError;
  return Give(out, BigIntValue(c.arena, -a - 1));
}

std::string InRadix(BigInt integer, unsigned radix) {
  if (radix == 10) return integer.str();
  bool negative = integer < 0;
  if (negative) integer = -integer;
  unsigned bits = radix == 16 ? 4 : radix == 8 ? 3 : 1;
  std::string out;
  do {
    out += "0123456789abcdef"[static_cast<unsigned>(integer & (radix - 1))];
    integer >>= bits;
  } while (integer != 0);
  if (negative) out += '-';
  return {out.rbegin(), out.rend()};
}

Outcome FormatInt(Context& c, Args args, Value& out) {
  if (!args[0].IsNumber()) return c.WrongType(1, args[0], "number");
  if (!args[1].IsNumber()) return c.WrongType(2, args[1], "number");
  int64_t radix = args[1].IsInt() ? args[1].AsInt() : 0;
  if (radix != 2 && radix != 8 && radix != 10 && radix != 16) {
    return c.BadOperand(2, "must be one of {2, 8, 10, 16}");
  }
  if (args[0].IsInt() && radix == 10) return GiveText(c, out, NumberText(args[0]));
  BigInt integer;
  if (!SpelledAsFloat(args[0])) {
    std::optional<BigInt> exact = ToBigInt(args[0]);
    if (!exact) return TooBig(c);
    integer = *exact;
  } else {
    std::optional<Float> number = ToFloat(args[0]);
    if (!number) return TooBig(c);
    integer = WholeOf(*number);
  }
  uint64_t limbs = Limbs(integer);
  if (!c.Spend(limbs * limbs)) return Outcome::kHalt;
  return GiveText(c, out, InRadix(integer, static_cast<unsigned>(radix)));
}

constexpr Builtin kBuiltins[] = {
    {"abs", "(x: number) -> number", Unary<Magnitude, true>},
    {"bits.and", "(x: number, y: number) -> number", BitsOf<Bits::kAnd>},
    {"bits.lsh", "(x: number, s: number) -> number", BitsOf<Bits::kLeft>},
    {"bits.negate", "(x: number) -> number", BitsNegate},
    {"bits.or", "(x: number, y: number) -> number", BitsOf<Bits::kOr>},
    {"bits.rsh", "(x: number, s: number) -> number", BitsOf<Bits::kRight>},
    {"bits.xor", "(x: number, y: number) -> number", BitsOf<Bits::kXor>},
    {"ceil", "(x: number) -> number", Unary<Ceiling>},
    {"floor", "(x: number) -> number", Unary<Floored>},
    {"format_int", "(number: number, base: number) -> string", FormatInt},
    {"numbers.range", "(a: number, b: number) -> array[number]", NumbersRange},
    {"numbers.range_step", "(a: number, b: number, step: number) -> array[number]",
     NumbersRangeStep},
    {"round", "(x: number) -> number", Unary<Rounded>},
};

}  // namespace

std::span<const Builtin> NumberBuiltins() { return kBuiltins; }

}  // namespace bulwark::rego
