#include "lang/rego/builtins/number.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "base/text.h"
#include "formats/json.h"
#include "lang/rego/builtins/big_int.h"

namespace bulwark::rego {

namespace {

__extension__ using Uint128 = unsigned __int128;

// ± digits × 10^exponent; no zeros at either end of the digits, none at all for 0.
struct Decimal {
  bool negative = false;
  std::string digits;
  int64_t exponent = 0;
};

std::optional<Decimal> ParseDecimal(std::string_view text) {
  Decimal out;
  size_t at = 0;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) out.negative = text[at++] == '-';
  bool point = false;
  bool any = false;
  out.digits.reserve(text.size());
  for (; at < text.size(); ++at) {
    char c = text[at];
    if (c == '.' && !point) {
      point = true;
    } else if (IsAsciiDigit(c)) {
      any = true;
      if (point) --out.exponent;
      if (c != '0' || !out.digits.empty()) out.digits += c;
    } else {
      break;
    }
  }
  if (!any) return std::nullopt;
  if (at < text.size()) {
    if (text[at] != 'e' && text[at] != 'E') return std::nullopt;
    ++at;
    if (text.substr(at).starts_with('+') && !text.substr(at).starts_with("+-")) ++at;
    int64_t exponent = 0;
    const char* end = text.data() + text.size();
    auto [stop, error] = std::from_chars(text.data() + at, end, exponent);
    if (stop != end || error == std::errc::invalid_argument) return std::nullopt;
    if (error != std::errc() || std::abs(exponent) > INT32_MAX) {
      exponent = text[at] == '-' ? -INT32_MAX : INT32_MAX;
    }
    out.exponent += exponent;
  }
  while (!out.digits.empty() && out.digits.back() == '0') {
    out.digits.pop_back();
    ++out.exponent;
  }
  if (out.digits.empty()) out.exponent = 0;
  return out;
}

std::string ShortestDigits(double d) {
  char buffer[32];
  auto [end, error] =
      std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::scientific);
  return {buffer, end};
}

constexpr double kMaxExactDouble = 9007199254740992.0;  // 2^53

// Nearest with a mantissa of so many bits (64 at most).
Float Rounded(bool negative, Uint128 mantissa, int32_t exponent, bool sticky, int bits = 64) {
  if (mantissa == 0) return {negative, 0, 0};
  auto high = static_cast<uint64_t>(mantissa >> 64);
  int width = high != 0 ? 128 - std::countl_zero(high)
                        : 64 - std::countl_zero(static_cast<uint64_t>(mantissa));
  int spare = 64 - bits;  // low bits of the mantissa that stay 0
  if (width <= bits) {
    int shift = 64 - width;
    return {negative, static_cast<uint64_t>(mantissa) << shift, exponent - shift};
  }
  int shift = width - bits;
  auto kept = static_cast<uint64_t>(mantissa >> shift) << spare;
  Uint128 rest = mantissa & ((Uint128{1} << shift) - 1);
  Uint128 half = Uint128{1} << (shift - 1);
  exponent += shift - spare;
  uint64_t unit = uint64_t{1} << spare;
  if (rest > half || (rest == half && (sticky || (kept & unit) != 0))) {
    kept += unit;
    if (kept == 0) {
      kept = uint64_t{1} << 63;
      ++exponent;
    }
  }
  return {negative, kept, exponent};
}

// Nearest to numerator × 2^exponent, some bits of which may be lost already (sticky).
Float RoundedBig(bool negative, const BigInt& value, int32_t exponent, bool sticky) {
  if (value == 0) return {negative, 0, 0};
  auto bits = static_cast<int32_t>(boost::multiprecision::msb(value)) + 1;
  if (bits <= 128) return Rounded(negative, static_cast<Uint128>(value), exponent, sticky);
  int32_t shift = bits - 128;
  sticky = sticky || static_cast<int32_t>(boost::multiprecision::lsb(value)) < shift;
  return Rounded(negative, static_cast<Uint128>(BigInt(value >> shift)), exponent + shift, sticky);
}

constexpr int kExactPowers = 27;  // 5^27 < 2^63

constexpr auto kPowersOfFive = [] {
  std::array<uint64_t, kExactPowers + 1> out{};
  out[0] = 1;
  for (int i = 1; i <= kExactPowers; ++i) out[i] = out[i - 1] * 5;
  return out;
}();

BigInt PowerOfFive(int64_t exponent) {
  return boost::multiprecision::pow(BigInt(5), static_cast<unsigned>(exponent));
}

std::optional<Float> FloatOf(const Decimal& decimal) {
  if (decimal.digits.empty()) return Float{decimal.negative, 0, 0};
  auto count = static_cast<int64_t>(decimal.digits.size());
  if (std::abs(decimal.exponent) + count > kMaxNumberDigits) return std::nullopt;
  auto ten = static_cast<int32_t>(decimal.exponent);
  if (count <= 19 && std::abs(ten) <= kExactPowers) {
    uint64_t digits = 0;
    std::from_chars(decimal.digits.data(), decimal.digits.data() + count, digits);
    Float value = Rounded(decimal.negative, digits, 0, false);
    Float power = Rounded(false, kPowersOfFive[static_cast<size_t>(std::abs(ten))], 0, false);
    Float out = ten >= 0 ? Multiply(value, power) : Divide(value, power);
    out.exponent += ten;
    return out;
  }
  BigInt digits(decimal.digits);
  if (ten >= 0) return RoundedBig(decimal.negative, digits * PowerOfFive(ten), ten, false);
  BigInt power = PowerOfFive(-ten);
  auto shift = static_cast<int32_t>(boost::multiprecision::msb(power)) + 130;
  BigInt quotient;
  BigInt rest;
  boost::multiprecision::divide_qr(BigInt(digits << shift), power, quotient, rest);
  return RoundedBig(decimal.negative, quotient, ten - shift, rest != 0);
}

// Digits and where the point stands: 0.digits × 10^point.
struct Spelled {
  std::string digits;
  int32_t point = 0;
};

// value × 2^exponent, exactly.
Spelled Exactly(const BigInt& value, int32_t exponent) {
  Spelled out;
  if (exponent >= 0) {
    out.digits = BigInt(value << exponent).str();
    out.point = static_cast<int32_t>(out.digits.size());
  } else {
    out.digits = BigInt(value * PowerOfFive(-exponent)).str();
    out.point = static_cast<int32_t>(out.digits.size()) + exponent;
  }
  while (!out.digits.empty() && out.digits.back() == '0') out.digits.pop_back();
  return out;
}

void RoundUp(Spelled& number, size_t count) {
  while (count > 0 && number.digits[count - 1] == '9') --count;
  if (count == 0) {
    number.digits = "1";
    ++number.point;
    return;
  }
  number.digits.resize(count);
  ++number.digits.back();
}

void RoundDown(Spelled& number, size_t count) {
  number.digits.resize(count);
  while (!number.digits.empty() && number.digits.back() == '0') number.digits.pop_back();
}

void RoundNearest(Spelled& number, size_t count) {
  if (count >= number.digits.size()) return;
  bool up = number.digits[count] > '5';
  if (number.digits[count] == '5') {
    bool half = count + 1 == number.digits.size();
    up = !half || (count > 0 && (number.digits[count - 1] - '0') % 2 != 0);
  }
  if (up) {
    RoundUp(number, count);
  } else {
    RoundDown(number, count);
  }
}

// The fewest digits between the middles to the neighbouring floats.
Spelled Shortest(const Float& a, int bits) {
  uint64_t mantissa = a.mantissa >> (64 - bits);
  int32_t half = a.exponent + (64 - bits) - 1;
  BigInt twice = BigInt(mantissa) * 2;
  Spelled number = Exactly(twice, half);
  Spelled lower = Exactly(twice - 1, half);
  Spelled upper = Exactly(twice + 1, half);
  bool inclusive = mantissa % 2 == 0;
  auto digit = [](const Spelled& s, size_t i) { return i < s.digits.size() ? s.digits[i] : '0'; };
  for (size_t i = 0; i < number.digits.size(); ++i) {
    char low = digit(lower, i);
    char middle = number.digits[i];
    char high = digit(upper, i);
    bool may_down = low != middle || (inclusive && i + 1 == lower.digits.size());
    bool may_up = middle != high && (inclusive || middle + 1 < high || i + 1 < upper.digits.size());
    if (may_down && may_up) {
      RoundNearest(number, i + 1);
      break;
    }
    if (may_down) {
      RoundDown(number, i + 1);
      break;
    }
    if (may_up) {
      RoundUp(number, i + 1);
      break;
    }
  }
  return number;
}

std::string Spell(const Spelled& number, bool negative, bool integer) {
  std::string out = negative ? "-" : "";
  if (number.digits.empty()) return out + "0";
  auto count = static_cast<int32_t>(number.digits.size());
  int32_t exponent = number.point - 1;
  if (!integer && (exponent < -4 || exponent >= 6)) {
    out += number.digits[0];
    if (count > 1) out.append(".").append(number.digits, 1);
    out += exponent < 0 ? "e-" : "e+";
    std::string digits = std::to_string(std::abs(exponent));
    if (digits.size() < 2) out += '0';
    return out + digits;
  }
  if (number.point <= 0) {
    return out + "0." + std::string(static_cast<size_t>(-number.point), '0') + number.digits;
  }
  if (number.point >= count) {
    return out + number.digits + std::string(static_cast<size_t>(number.point - count), '0');
  }
  auto point = static_cast<size_t>(number.point);
  return out + number.digits.substr(0, point) + "." + number.digits.substr(point);
}

// The digits of the double nearest to it, where they are also the float's shortest: they are read
// as the same float, and it is not in the middle of two doubles, where the one has fewer digits.
std::optional<Spelled> ByDouble(const Float& a) {
  if (a.exponent < -1000 || a.exponent > 900) return std::nullopt;
  uint64_t lost = a.mantissa & 0x7ff;
  if (lost >= 0x3ff && lost <= 0x401) return std::nullopt;
  double nearest = std::ldexp(static_cast<double>(a.mantissa), a.exponent);
  std::optional<Decimal> decimal = ParseDecimal(ShortestDigits(nearest));
  std::optional<Float> back = FloatOf(*decimal);
  if (!back || back->mantissa != a.mantissa || back->exponent != a.exponent) return std::nullopt;
  auto count = static_cast<int32_t>(decimal->digits.size());
  return Spelled{decimal->digits, count + static_cast<int32_t>(decimal->exponent)};
}

}  // namespace

void AppendNumber(std::string& out, const Value& number) {
  switch (number.kind()) {
    case Value::Kind::kInt: {
      char buffer[24];
      auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, number.AsInt());
      out.append(buffer, end);
      return;
    }
    case Value::Kind::kUint: out += std::to_string(number.AsUint()); return;
    case Value::Kind::kDouble: {
      double d = number.AsDouble();
      size_t before = out.size();
      AppendJsonDouble(out, d);
      if (d != 0 && out.find_first_of(".e", before) == std::string::npos) out += ".0";
      if (d == 0 && !std::signbit(d)) out += ".0";
      return;
    }
    default: out += number.AsString(); return;
  }
}

std::string NumberText(const Value& number) {
  std::string out;
  AppendNumber(out, number);
  return out;
}

bool SpelledAsFloat(const Value& number) {
  if (number.IsDouble()) return number.AsDouble() != 0 || !std::signbit(number.AsDouble());
  return number.IsDecimal() && number.AsString().find_first_of(".eE") != std::string_view::npos;
}

Value NumberFromText(Arena& arena, std::string_view text) {
  Value value = JsonNumber(text);
  if (value.IsDecimal()) return Value::Decimal(arena.Copy(text));
  if (!value.IsDouble() || NumberText(value) == text) return value;
  return Value::Decimal(arena.Copy(text));
}

std::optional<int64_t> MachineInt(const Value& number) {
  if (number.IsInt()) return number.AsInt();
  if (number.IsDecimal()) {
    std::string_view text = number.AsString();
    if (text.size() > 20 || text.find_first_of("eE") != std::string_view::npos) return std::nullopt;
  }
  return number.ToInt();
}

bool Float::IsInteger() const {
  return mantissa == 0 || exponent >= 0 || std::countr_zero(mantissa) >= -exponent;
}

std::optional<Float> ParseFloat(std::string_view text) {
  std::optional<Decimal> decimal = ParseDecimal(text);
  return decimal ? FloatOf(*decimal) : std::nullopt;
}

std::optional<Float> ToFloat(const Value& number) {
  switch (number.kind()) {
    case Value::Kind::kInt: return FloatOfInt(number.AsInt());
    case Value::Kind::kUint: return Rounded(false, number.AsUint(), 0, false);
    case Value::Kind::kDouble: {
      double d = number.AsDouble();
      if (d == std::floor(d) && std::abs(d) < kMaxExactDouble) {
        Float out = FloatOfInt(static_cast<int64_t>(d));
        out.negative = std::signbit(d);
        return out;
      }
      return ParseFloat(ShortestDigits(d));
    }
    default: return ParseFloat(number.AsString());
  }
}

Float FloatOfInt(int64_t integer) {
  uint64_t magnitude =
      integer < 0 ? -static_cast<uint64_t>(integer) : static_cast<uint64_t>(integer);
  return Rounded(integer < 0, magnitude, 0, false);
}

Float Add(const Float& a, const Float& b) {
  if (a.IsZero() || b.IsZero()) {
    if (a.IsZero() && b.IsZero()) return {a.negative && b.negative, 0, 0};
    return a.IsZero() ? b : a;
  }
  if (a.exponent < b.exponent || (a.exponent == b.exponent && a.mantissa < b.mantissa)) {
    return Add(b, a);
  }
  int32_t apart = a.exponent - b.exponent;
  Uint128 large = Uint128{a.mantissa} << 63;
  Uint128 small = Uint128{b.mantissa} << 63;
  bool sticky = false;
  if (apart >= 128) {
    small = 0;
    sticky = true;
  } else if (apart > 0) {
    sticky = (small & ((Uint128{1} << apart) - 1)) != 0;
    small >>= apart;
  }
  if (a.negative == b.negative) {
    return Rounded(a.negative, large + small, a.exponent - 63, sticky);
  }
  Uint128 difference = large - small - (sticky ? 1 : 0);
  if (difference == 0) return {};
  return Rounded(a.negative, difference, a.exponent - 63, sticky);
}

Float Subtract(const Float& a, const Float& b) {
  return Add(a, {!b.negative, b.mantissa, b.exponent});
}

Float Multiply(const Float& a, const Float& b, int bits) {
  bool negative = a.negative != b.negative;
  if (a.IsZero() || b.IsZero()) return {negative, 0, 0};
  return Rounded(negative, Uint128{a.mantissa} * b.mantissa, a.exponent + b.exponent, false, bits);
}

Float Divide(const Float& a, const Float& b) {
  bool negative = a.negative != b.negative;
  if (a.IsZero()) return {negative, 0, 0};
  Uint128 numerator = Uint128{a.mantissa} << 64;
  Uint128 quotient = numerator / b.mantissa;
  Uint128 rest = (numerator % b.mantissa) << 2;
  // Two bits more, so that there are some to round by.
  Uint128 more = rest / b.mantissa;
  bool sticky = rest % b.mantissa != 0;
  return Rounded(negative, (quotient << 2) | more, a.exponent - b.exponent - 66, sticky);
}

int CompareFloats(const Float& a, const Float& b) {
  Float difference = Subtract(a, b);
  if (difference.IsZero()) return 0;
  return difference.negative ? -1 : 1;
}

Float Truncate(const Float& a) {
  if (a.IsInteger()) return a;
  if (a.exponent <= -64) return {a.negative, 0, 0};
  return Rounded(a.negative, a.mantissa >> -a.exponent, 0, false);
}

std::string FloatText(const Float& a, int bits) {
  if (a.IsZero()) return a.negative ? "-0" : "0";
  std::optional<Spelled> spelled = bits == 64 ? ByDouble(a) : std::nullopt;
  return Spell(spelled ? *spelled : Shortest(a, bits), a.negative, a.IsInteger());
}

Value FloatValue(Arena& arena, const Float& a, int bits) {
  return NumberFromText(arena, FloatText(a, bits));
}

BigInt WholeOf(const Float& a) {
  BigInt out = a.mantissa;
  if (a.exponent > 0) out <<= static_cast<unsigned>(a.exponent);
  if (a.exponent < 0) out >>= static_cast<unsigned>(-a.exponent);
  return a.negative ? BigInt(-out) : out;
}

std::optional<BigInt> ParseBigInt(std::string_view text) {
  std::optional<Decimal> decimal = ParseDecimal(text);
  if (!decimal || decimal->exponent < 0) return std::nullopt;
  auto count = static_cast<int64_t>(decimal->digits.size());
  if (decimal->digits.empty()) return BigInt(0);
  if (count + decimal->exponent > kMaxNumberDigits) return std::nullopt;
  BigInt out(decimal->digits);
  if (decimal->exponent > 0) {
    out *= boost::multiprecision::pow(BigInt(10), static_cast<unsigned>(decimal->exponent));
  }
  if (decimal->negative) out = -out;
  return out;
}

std::optional<BigInt> ToBigInt(const Value& number) {
  switch (number.kind()) {
    case Value::Kind::kInt: return BigInt(number.AsInt());
    case Value::Kind::kUint: return BigInt(number.AsUint());
    case Value::Kind::kDouble: return ParseBigInt(ShortestDigits(number.AsDouble()));
    case Value::Kind::kDecimal: return ParseBigInt(number.AsString());
    default: return std::nullopt;
  }
}

Value BigIntValue(Arena& arena, const BigInt& integer) {
  if (integer >= INT64_MIN && integer <= INT64_MAX) {
    return Value::Int(static_cast<int64_t>(integer));
  }
  if (integer > 0 && integer <= UINT64_MAX) return Value::Uint(static_cast<uint64_t>(integer));
  return Value::Decimal(arena.Copy(integer.str()));
}

}  // namespace bulwark::rego
