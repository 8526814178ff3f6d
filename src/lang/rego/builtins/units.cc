// Quantities with units, semantic versions.

#include <charconv>
#include <cmath>

#include "base/text.h"
#include "lang/rego/builtins/big_int.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/number.h"
#include "lang/rego/builtins/support.h"

namespace bulwark::rego {

namespace {

// "1.5e3Mi" as its number and its unit; either may be empty. False: an exponent of more than six
// digits.
bool SplitUnit(std::string_view text, std::string_view& number, std::string_view& unit) {
  auto digit = [&](size_t i) { return i < text.size() && IsAsciiDigit(text[i]); };
  size_t at = 0;
  while (at < text.size()) {
    char c = text[at];
    if (c == 'e' || c == 'E') {
      bool sign = at + 1 < text.size() && (text[at + 1] == '+' || text[at + 1] == '-');
      if (!sign && !digit(at + 1)) break;
      size_t end = at + (sign ? 2 : 1);
      size_t begin = end;
      while (digit(end)) ++end;
      if (end - begin > 6) return false;
      at += sign ? 2 : 1;
      continue;
    }
    if (!IsAsciiDigit(c) && c != '.' && c != '+' && c != '-') break;
    ++at;
  }
  number = text.substr(0, at);
  unit = text.substr(at);
  return true;
}

struct Unit {
  std::string_view prefix;  // as it is written before "b", "ib" …
  uint64_t decimal, binary;
};

constexpr Unit kUnits[] = {
    {"k", 1'000, uint64_t{1} << 10},
    {"m", 1'000'000, uint64_t{1} << 20},
    {"g", 1'000'000'000, uint64_t{1} << 30},
    {"t", 1'000'000'000'000, uint64_t{1} << 40},
    {"p", 1'000'000'000'000'000, uint64_t{1} << 50},
    {"e", 1'000'000'000'000'000'000, uint64_t{1} << 60},
};

// What a unit of bytes stands for, in lower case; 0: unknown.
uint64_t BytesOf(std::string_view unit) {
  if (unit.empty()) return 1;
  for (const Unit& known : kUnits) {
    if (!unit.starts_with(known.prefix)) continue;
    std::string_view rest = unit.substr(1);
    if (rest.empty() || rest == "b") return known.decimal;
    if (rest == "i" || rest == "ib") return known.binary;
  }
  return 0;
}

// The same of units.parse, where m and M differ. "m" alone is not here.
uint64_t FactorOf(std::string_view unit) {
  if (unit.empty()) return 1;
  for (const Unit& known : kUnits) {
    if (AsciiLower(unit[0]) != known.prefix[0]) continue;
    std::string_view rest = unit.substr(1);
    if (rest.empty() && unit != "m") return known.decimal;
    if (rest == "i") return known.binary;
  }
  return 0;
}

std::string WithoutQuotes(std::string_view text) {
  std::string out(text);
  std::erase(out, '"');
  return out;
}

// Lower case as Go has it, beyond ASCII too (units are shown in messages).
std::string Lowered(std::string_view text) {
  if (IsAscii(text)) return AsciiLower(text);
  std::string out;
  for (CodePoint c : CodePoints(text)) AppendUtf8(out, ToLower(c.value));
  return out;
}

Outcome FailBytes(Context& c, std::string_view what) {
  return c.Fail("units.parse_bytes: " + std::string(what));
}

Outcome ParseBytes(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!SpendText(c, args[0].size())) return Outcome::kHalt;
  std::string text = Lowered(WithoutQuotes(args[0].AsString()));
  if (text.find(' ') != text.npos) return FailBytes(c, "spaces not allowed in resource strings");
  std::string_view number;
  std::string_view unit;
  if (!SplitUnit(text, number, unit)) return FailBytes(c, "exponent too large");
  if (number.empty()) return FailBytes(c, "no byte amount provided");
  uint64_t factor = BytesOf(unit);
  if (factor == 0) return FailBytes(c, "byte unit " + std::string(unit) + " not recognized");
  // What is usual: digits alone.
  uint64_t digits = 0;
  auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), digits);
  uint64_t bytes = 0;
  if (error == std::errc() && end == number.data() + number.size() &&
      !__builtin_mul_overflow(digits, factor, &bytes) && bytes <= INT64_MAX) {
    return Give(out, Value::Int(static_cast<int64_t>(bytes)));
  }
  std::optional<Float> amount = ParseFloat(number);
  if (!amount) return FailBytes(c, "could not parse byte amount to a number");
  std::optional<Float> scale = ToFloat(Value::Uint(factor));
  return Give(out, BigIntValue(c.arena, WholeOf(Multiply(*amount, *scale))));
}

Outcome FailUnits(Context& c, std::string_view what) {
  return c.Fail("units.parse: " + std::string(what));
}

// numerator / denominator with ten digits after the point, halves away from zero.
std::string TenDigits(const BigInt& numerator, const BigInt& denominator) {
  BigInt scaled = abs(numerator) * BigInt(10'000'000'000);
  BigInt rounded = (2 * scaled + denominator) / (2 * denominator);
  std::string digits = rounded.str();
  if (digits.size() <= 10) digits.insert(0, 11 - digits.size(), '0');
  digits.insert(digits.size() - 10, ".");
  return (numerator < 0 ? "-" : "") + digits;
}

Outcome ParseUnits(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!SpendText(c, args[0].size())) return Outcome::kHalt;
  std::string text = WithoutQuotes(args[0].AsString());
  if (text.find(' ') != text.npos) return FailUnits(c, "spaces not allowed in resource strings");
  std::string_view number;
  std::string_view written;
  if (!SplitUnit(text, number, written)) return FailUnits(c, "exponent too large");
  if (number.empty()) return FailUnits(c, "no amount provided");
  std::string unit(written);
  if (unit.size() > 1) unit = unit.substr(0, 1) + Lowered(unit.substr(1));
  bool milli = unit == "m";
  uint64_t factor = milli ? 1 : FactorOf(unit);
  if (factor == 0) return FailUnits(c, "unit " + unit + " not recognized");

  // The amount as a fraction: digits over a power of ten, and of two where it is thousandths (OPA
  // takes the double 0.001 for exact).
  BigInt denominator = 1;
  std::string digits(number);
  size_t e = std::min(digits.find_first_of("eE"), digits.size());
  int64_t exponent = 0;
  if (e < digits.size()) {
    size_t begin = e + (digits[e + 1] == '+' ? 2 : 1);
    auto [end, error] =
        std::from_chars(digits.data() + begin, digits.data() + digits.size(), exponent);
    if (error != std::errc() || end != digits.data() + digits.size()) {
      return FailUnits(c, "could not parse amount to a number");
    }
    digits.resize(e);
  }
  if (size_t point = digits.find('.'); point != digits.npos) {
    exponent -= static_cast<int64_t>(digits.size() - point - 1);
    digits.erase(point, 1);
  }
  std::string_view unsigned_digits = digits;
  if (unsigned_digits.starts_with('-') || unsigned_digits.starts_with('+')) {
    unsigned_digits.remove_prefix(1);
  }
  if (unsigned_digits.empty() || !std::ranges::all_of(unsigned_digits, IsAsciiDigit)) {
    return FailUnits(c, "could not parse amount to a number");
  }
  if (std::abs(exponent) > kMaxNumberDigits) return c.Fail("number too big");
  std::optional<BigInt> parsed = ParseBigInt(digits);
  if (!parsed) return c.Fail("number too big");
  BigInt numerator = *parsed * factor;
  BigInt power = boost::multiprecision::pow(BigInt(10), static_cast<unsigned>(std::abs(exponent)));
  (exponent < 0 ? denominator : numerator) *= power;
  if (milli) {
    int binary = 0;
    double mantissa = std::frexp(0.001, &binary);
    numerator *= static_cast<int64_t>(std::ldexp(mantissa, 53));
    denominator <<= static_cast<unsigned>(53 - binary);
  }
  if (numerator % denominator == 0) return Give(out, BigIntValue(c.arena, numerator / denominator));
  return Give(out, NumberFromText(c.arena, TenDigits(numerator, denominator)));
}

// --- Semantic versions (semver.org 2.0.0), with or without a "v" before --------------------------

struct Version {
  int64_t numbers[3] = {};
  std::string_view pre_release;
};

// Identifiers of letters, digits and hyphens between dots.
bool AreIdentifiers(std::string_view text, bool no_leading_zeros) {
  for (std::string_view part : Split(text, '.')) {
    if (part.empty()) return false;
    bool digits = true;
    for (char c : part) {
      if (!IsAsciiDigit(c) && !IsAsciiLetter(c) && c != '-') return false;
      digits = digits && IsAsciiDigit(c);
    }
    if (no_leading_zeros && digits && part.size() > 1 && part[0] == '0') return false;
  }
  return true;
}

std::optional<Version> ParseVersion(std::string_view text) {
  Version out;
  if (text.starts_with('v')) text.remove_prefix(1);
  if (auto cut = Cut(text, "+")) {
    if (!AreIdentifiers(cut->second, false)) return std::nullopt;
    text = cut->first;
  }
  if (auto cut = Cut(text, "-")) {
    if (!AreIdentifiers(cut->second, true)) return std::nullopt;
    text = cut->first;
    out.pre_release = cut->second;
  }
  std::vector<std::string_view> parts = Split(text, '.');
  if (parts.size() != 3) return std::nullopt;
  for (size_t i = 0; i < 3; ++i) {
    std::string_view part = parts[i];
    if (part.empty() || !IsAsciiDigit(part[0]) || (part.size() > 1 && part[0] == '0')) {
      return std::nullopt;
    }
    auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), out.numbers[i]);
    if (error != std::errc() || end != part.data() + part.size()) return std::nullopt;
  }
  return out;
}

int Order(const auto& a, const auto& b) { return a < b ? -1 : (b < a ? 1 : 0); }

int ComparePreReleases(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  if (a.empty() || b.empty()) return a.empty() ? 1 : -1;
  std::vector<std::string_view> left = Split(a, '.');
  std::vector<std::string_view> right = Split(b, '.');
  for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    bool digits_left = std::ranges::all_of(left[i], IsAsciiDigit);
    bool digits_right = std::ranges::all_of(right[i], IsAsciiDigit);
    if (digits_left != digits_right) return digits_left ? -1 : 1;
    int order = 0;
    if (digits_left) order = Order(left[i].size(), right[i].size());  // no leading zeros
    if (order == 0) order = Order(left[i], right[i]);
    if (order != 0) return order;
  }
  return Order(left.size(), right.size());
}

Outcome SemverCompare(Context& c, Args args, Value& out) {
  Version versions[2];
  for (size_t i = 0; i < 2; ++i) {
    if (!args[i].IsString()) return c.WrongType(i + 1, args[i], "string");
  }
  for (size_t i = 0; i < 2; ++i) {
    std::optional<Version> version = ParseVersion(args[i].AsString());
    if (!version) {
      return c.Fail("operand " + std::to_string(i + 1) + ": string " + ToRegoText(args[i]) +
                    " is not a valid SemVer");
    }
    versions[i] = *version;
  }
  int order = 0;
  for (size_t i = 0; i < 3 && order == 0; ++i) {
    order = Order(versions[0].numbers[i], versions[1].numbers[i]);
  }
  if (order == 0) order = ComparePreReleases(versions[0].pre_release, versions[1].pre_release);
  return Give(out, Value::Int(order));
}

Outcome SemverIsValid(Context& /*c*/, Args args, Value& out) {
  return Give(out, args[0].IsString() && ParseVersion(args[0].AsString()).has_value());
}

constexpr Builtin kBuiltins[] = {
    {"semver.compare", "(a: string, b: string) -> number", SemverCompare},
    {"semver.is_valid", "(vsn: any) -> boolean", SemverIsValid},
    {"units.parse", "(x: string) -> number", ParseUnits},
    {"units.parse_bytes", "(x: string) -> number", ParseBytes},
};

}  // namespace

std::span<const Builtin> UnitBuiltins() { return kBuiltins; }

}  // namespace bulwark::rego
