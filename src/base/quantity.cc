#include "base/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace bulwark {
namespace {

using Format = Quantity::Format;

constexpr int kNano = -9;
// How many decimal digits certainly fit in an int64.
constexpr int kInt64Digits = 18;

constexpr char kFormatWrong[] =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

Error Wrong(const char* message) { return Error(Code::kInvalid, "quantity.invalid", message); }
Error TooLarge() {
  return Error(Code::kLimit, "quantity.too_large", "unable to parse numeric part of quantity");
}

struct Suffix {
  std::string_view text;
  int base;
  int exponent;
};
constexpr Suffix kSuffixes[] = {
    {"n", 10, -9}, {"u", 10, -6}, {"m", 10, -3}, {"", 10, 0},   {"k", 10, 3},  {"M", 10, 6},
    {"G", 10, 9},  {"T", 10, 12}, {"P", 10, 15}, {"E", 10, 18}, {"Ki", 2, 10}, {"Mi", 2, 20},
    {"Gi", 2, 30}, {"Ti", 2, 40}, {"Pi", 2, 50}, {"Ei", 2, 60},
};

const Suffix* FindSuffix(int base, int64_t exponent) {
  for (const Suffix& s : kSuffixes) {
    if (s.base == base && s.exponent == exponent) return &s;
  }
  return nullptr;
}

struct Unit {
  int base;
  int exponent;
  Format format;
};

std::optional<Unit> ReadUnit(std::string_view text) {
  for (const Suffix& s : kSuffixes) {
    if (s.text == text) {
      return Unit{s.base, s.exponent, s.base == 2 ? Format::kBinarySi : Format::kDecimalSi};
    }
  }
  if (text.size() < 2 || (text[0] != 'e' && text[0] != 'E')) return std::nullopt;
  text.remove_prefix(1);
  if (text[0] == '+') {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  int64_t exponent = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), exponent);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  // The original cuts to 32 bits as well.
  return Unit{10, static_cast<int32_t>(exponent), Format::kDecimalExponent};
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// digits are decimal, most significant first, without leading zeros.

void MultiplyByPowerOfTwo(std::string& digits, int exponent) {
  while (exponent > 0) {
    int step = std::min(exponent, 30);
    exponent -= step;
    uint64_t carry = 0;
    for (size_t i = digits.size(); i-- > 0;) {
      uint64_t v = (static_cast<uint64_t>(digits[i] - '0') << step) + carry;
      digits[i] = static_cast<char>('0' + v % 10);
      carry = v / 10;
    }
    std::string head = carry == 0 ? "" : std::to_string(carry);
    digits.insert(0, head);
  }
}

// The quotient, if there is no remainder.
std::optional<std::string> DivideExactly(const std::string& digits, uint32_t by) {
  std::string out;
  uint64_t remainder = 0;
  for (char c : digits) {
    remainder = remainder * 10 + static_cast<uint64_t>(c - '0');
    char q = static_cast<char>('0' + remainder / by);
    if (!out.empty() || q != '0') out += q;
    remainder %= by;
  }
  if (remainder != 0) return std::nullopt;
  return out;
}

void Increment(std::string& digits) {
  size_t i = digits.size();
  while (i > 0 && digits[i - 1] == '9') digits[--i] = '0';
  if (i == 0) {
    digits.insert(0, "1");
  } else {
    ++digits[i - 1];
  }
}

int CompareDigits(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  int c = a.compare(b);
  return (c > 0) - (c < 0);
}

std::string AddDigits(std::string_view a, std::string_view b) {
  if (a.size() < b.size()) std::swap(a, b);
  std::string out(a);
  int carry = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    int v = a[a.size() - 1 - i] - '0' + carry;
    if (i < b.size()) v += b[b.size() - 1 - i] - '0';
    out[a.size() - 1 - i] = static_cast<char>('0' + v % 10);
    carry = v / 10;
  }
  if (carry != 0) out.insert(0, "1");
  return out;
}

// a >= b
std::string SubtractDigits(std::string_view a, std::string_view b) {
  std::string out(a);
  int borrow = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    int v = a[a.size() - 1 - i] - '0' - borrow;
    if (i < b.size()) v -= b[b.size() - 1 - i] - '0';
    borrow = v < 0 ? 1 : 0;
    out[a.size() - 1 - i] = static_cast<char>('0' + (v + 10) % 10);
  }
  out.erase(0, out.find_first_not_of('0'));
  return out;
}

// value × 10^power, if an int64 holds it.
std::optional<int64_t> Scaled(int64_t value, int64_t power) {
  if (value == 0) return 0;
  if (power > kInt64Digits) return std::nullopt;
  for (; power > 0; --power) {
    if (__builtin_mul_overflow(value, int64_t{10}, &value)) return std::nullopt;
  }
  return value;
}

// math.Pow10: its table products, so that the last bit agrees.
double PowerOfTen(int64_t n) {
  static constexpr double kSmall[] = {1e00, 1e01, 1e02, 1e03, 1e04, 1e05, 1e06, 1e07,
                                      1e08, 1e09, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23,
                                      1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31};
  static constexpr double kLarge[] = {1e00,  1e32,  1e64,  1e96,  1e128,
                                      1e160, 1e192, 1e224, 1e256, 1e288};
  static constexpr double kTiny[] = {1e-00,  1e-32,  1e-64,  1e-96,  1e-128, 1e-160,
                                     1e-192, 1e-224, 1e-256, 1e-288, 1e-320};
  if (n > 308) return std::numeric_limits<double>::infinity();
  if (n < -323) return 0;
  if (n >= 0) return kLarge[n / 32] * kSmall[n % 32];
  return kTiny[-n / 32] / kSmall[-n % 32];
}

}  // namespace

Quantity Quantity::Of(int64_t value, Format format) {
  Quantity q;
  q.value_ = value;
  q.format_ = format;
  return q;
}

Result<Quantity> Quantity::Parse(std::string_view text) {
  if (text.empty()) return Wrong(kFormatWrong);
  size_t at = 0;
  bool negative = text[0] == '-';
  if (negative || text[0] == '+') ++at;
  const size_t number_start = at;
  while (at < text.size() && text[at] == '0') ++at;
  size_t whole_start = at;
  while (at < text.size() && IsDigit(text[at])) ++at;
  std::string_view whole = text.substr(whole_start, at - whole_start);
  std::string_view fraction;
  if (at < text.size() && text[at] == '.') {
    size_t start = ++at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    fraction = text.substr(start, at - start);
  }
  const bool no_digits = whole.empty() && fraction.empty() && whole_start == number_start;
  size_t suffix_start = at;
  while (at < text.size() && std::string_view("eEinumkKMGTP").contains(text[at])) ++at;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  while (at < text.size() && IsDigit(text[at])) ++at;
  if (at != text.size()) return Wrong(kFormatWrong);

  std::optional<Unit> unit = ReadUnit(text.substr(suffix_start));
  if (!unit) return Wrong("unable to parse quantity's suffix");
  if (whole.size() + fraction.size() > kMaxDigits * 10) return TooLarge();
  if (whole.empty()) whole = "0";

  Quantity q;
  q.format_ = unit->format;
  const bool binary = unit->format == Format::kBinarySi;
  int64_t spare = kInt64Digits - static_cast<int64_t>(whole.size() + fraction.size());
  int64_t exponent = unit->exponent;
  int64_t factor = 1;
  if (binary) {
    exponent = 0;
    factor = int64_t{1} << unit->exponent;
    spare = fraction.empty() ? 15 - static_cast<int64_t>(whole.size()) - unit->exponent * 3 / 10 - 1
                             : -1;
  }
  exponent -= static_cast<int64_t>(fraction.size());
  std::string digits = std::string(whole) + std::string(fraction);
  if (spare >= 0 && exponent >= kNano) {
    // A sign alone, or a point, is 0 here, as in the original.
    int64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    int64_t product;
    if (!__builtin_mul_overflow(value, factor, &product)) {
      q.value_ = negative ? -product : product;
      q.exponent_ = exponent;
      bool canonical = binary ? (value & 7) != 0
                              : exponent % 3 == 0 && !digits.ends_with("000") && digits[0] != '0';
      if (canonical || text == "0") q.text_ = std::string(text);
      return q;
    }
  }

  if (no_digits) return Wrong("unable to parse numeric part of quantity");
  Decimal& big = q.big_.emplace(Decimal{});
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  if (digits.size() > kMaxDigits) return TooLarge();
  big.digits = std::move(digits);
  big.exponent = exponent;
  if (big.digits.empty()) return q;
  if (binary) MultiplyByPowerOfTwo(big.digits, unit->exponent);
  // To whole nanos, away from zero.
  if (big.exponent > kNano) {
    int64_t zeros = big.exponent - kNano;
    if (zeros > static_cast<int64_t>(kMaxDigits - big.digits.size())) return TooLarge();
    big.digits.append(static_cast<size_t>(zeros), '0');
  } else if (big.exponent < kNano) {
    int64_t drop = kNano - big.exponent;
    bool exact = false;
    if (drop < static_cast<int64_t>(big.digits.size())) {
      size_t keep = big.digits.size() - static_cast<size_t>(drop);
      exact = big.digits.find_first_not_of('0', keep) == std::string::npos;
      big.digits.resize(keep);
    } else {
      big.digits.clear();
    }
    if (!exact) Increment(big.digits);
  }
  big.exponent = kNano;
  if (binary) {
    Decimal most{false, std::to_string(INT64_MAX), 0};
    if (Compare(big, most) > 0) big = most;
    if (Compare(big, Decimal{false, "1", 0}) < 0) q.format_ = Format::kDecimalSi;
  }
  big.negative = negative;
  return q;
}

Quantity::Decimal Quantity::ToDecimal() const {
  if (big_) return *big_;
  Decimal d;
  d.negative = value_ < 0;
  uint64_t magnitude = d.negative ? -static_cast<uint64_t>(value_) : static_cast<uint64_t>(value_);
  if (magnitude != 0) d.digits = std::to_string(magnitude);
  d.exponent = exponent_;
  return d;
}

int Quantity::Compare(const Decimal& a, const Decimal& b) {
  int sign_a = a.digits.empty() ? 0 : a.negative ? -1 : 1;
  int sign_b = b.digits.empty() ? 0 : b.negative ? -1 : 1;
  if (sign_a != sign_b) return sign_a < sign_b ? -1 : 1;
  if (sign_a == 0) return 0;
  int64_t top_a = static_cast<int64_t>(a.digits.size()) + a.exponent;
  int64_t top_b = static_cast<int64_t>(b.digits.size()) + b.exponent;
  if (top_a != top_b) return top_a < top_b ? -sign_a : sign_a;
  // The first digits have the same weight: no need to fill up with zeros.
  size_t common = std::min(a.digits.size(), b.digits.size());
  int c = a.digits.compare(0, common, b.digits, 0, common);
  if (c == 0) {
    bool more_a = a.digits.find_first_not_of('0', common) != std::string::npos;
    bool more_b = b.digits.find_first_not_of('0', common) != std::string::npos;
    c = static_cast<int>(more_a) - static_cast<int>(more_b);
  }
  return c == 0 ? 0 : c < 0 ? -sign_a : sign_a;
}

std::strong_ordering operator<=>(const Quantity& a, const Quantity& b) {
  if (!a.big_ && !b.big_ && a.exponent_ == b.exponent_) return a.value_ <=> b.value_;
  return Quantity::Compare(a.ToDecimal(), b.ToDecimal()) <=> 0;
}

int Quantity::sign() const {
  if (big_) return big_->digits.empty() ? 0 : big_->negative ? -1 : 1;
  return (value_ > 0) - (value_ < 0);
}

uint64_t Quantity::Hash() const {
  Decimal d = ToDecimal();
  size_t end = d.digits.find_last_not_of('0');
  if (end == std::string::npos) return 0;
  uint64_t hash = std::hash<std::string_view>()(std::string_view(d.digits).substr(0, end + 1));
  int64_t exponent = d.exponent + static_cast<int64_t>(d.digits.size() - end);
  return (hash ^ static_cast<uint64_t>(exponent)) * 2 + (d.negative ? 1 : 0);
}

Result<Quantity> Quantity::Combine(const Quantity& other, bool subtract) const {
  Quantity sum;
  sum.format_ = sign() == 0 ? other.format_ : format_;
  if (!big_ && !other.big_) {
    if (other.value_ == 0 || value_ == 0) {
      const Quantity& from = other.value_ == 0 ? *this : other;
      sum.value_ = from.value_;
      sum.exponent_ = from.exponent_;
      bool negate = subtract && other.value_ != 0;
      if (!negate || !__builtin_sub_overflow(int64_t{0}, from.value_, &sum.value_)) return sum;
    } else {
      sum.exponent_ = std::min(exponent_, other.exponent_);
      std::optional<int64_t> a = Scaled(value_, exponent_ - sum.exponent_);
      std::optional<int64_t> b = Scaled(other.value_, other.exponent_ - sum.exponent_);
      if (a && b &&
          !(subtract ? __builtin_sub_overflow(*a, *b, &sum.value_)
                     : __builtin_add_overflow(*a, *b, &sum.value_))) {
        return sum;
      }
    }
    sum.value_ = 0;
    sum.exponent_ = 0;
  }

  Decimal a = ToDecimal();
  Decimal b = other.ToDecimal();
  if (subtract) b.negative = !b.negative;
  Decimal& out = sum.big_.emplace(Decimal{});
  out.exponent = std::min(a.exponent, b.exponent);
  for (Decimal* d : {&a, &b}) {
    if (d->digits.empty()) continue;
    int64_t zeros = d->exponent - out.exponent;
    if (zeros > static_cast<int64_t>(kMaxDigits) ||
        d->digits.size() + static_cast<size_t>(zeros) > kMaxDigits) {
      return Error(Code::kLimit, "quantity.too_large", "quantity has too many digits");
    }
    d->digits.append(static_cast<size_t>(zeros), '0');
  }
  if (a.negative == b.negative) {
    out.digits = AddDigits(a.digits, b.digits);
    out.negative = a.negative;
  } else if (CompareDigits(a.digits, b.digits) >= 0) {
    out.digits = SubtractDigits(a.digits, b.digits);
    out.negative = a.negative;
  } else {
    out.digits = SubtractDigits(b.digits, a.digits);
    out.negative = b.negative;
  }
  return sum;
}

std::optional<int64_t> Quantity::ToInt() const {
  if (big_ || exponent_ < 0) return std::nullopt;
  return Scaled(value_, exponent_);
}

int64_t Quantity::RoundedUp(int power) const {
  Decimal d = ToDecimal();
  const int64_t most = d.negative ? INT64_MIN : INT64_MAX;
  int64_t drop = power - d.exponent;
  std::string digits = d.digits;
  if (digits.empty()) return 0;
  if (drop > 0) {
    size_t keep =
        drop < static_cast<int64_t>(digits.size()) ? digits.size() - static_cast<size_t>(drop) : 0;
    bool exact = digits.find_first_not_of('0', keep) == std::string::npos;
    digits.resize(keep);
    if (!exact) Increment(digits);
  } else if (static_cast<int64_t>(digits.size()) - drop > 20) {
    return most;
  } else {
    digits.append(static_cast<size_t>(-drop), '0');
  }
  if (d.negative) digits.insert(0, "-");
  int64_t value = 0;
  auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return result.ec == std::errc() ? value : most;
}

double Quantity::ToDouble() const {
  double base = static_cast<double>(value_);
  int64_t exponent = exponent_;
  if (big_) {
    base = 0;
    const std::string& digits = big_->digits;
    auto result = std::from_chars(digits.data(), digits.data() + digits.size(), base);
    if (result.ec == std::errc::result_out_of_range) base = std::numeric_limits<double>::infinity();
    if (big_->negative) base = -base;
    exponent = big_->exponent;
  }
  return exponent == 0 ? base : base * PowerOfTen(exponent);
}

std::string Quantity::ToString() const {
  if (!text_.empty()) return text_;
  Decimal d = ToDecimal();
  if (d.digits.empty()) return "0";
  const std::string sign = d.negative ? "-" : "";
  size_t last = d.digits.find_last_not_of('0');
  std::string digits = d.digits.substr(0, last + 1);
  int64_t exponent = d.exponent + static_cast<int64_t>(d.digits.size() - last - 1);

  if (format_ == Format::kBinarySi && exponent >= 0 &&
      exponent < static_cast<int64_t>(kMaxDigits)) {
    std::string whole = digits + std::string(static_cast<size_t>(exponent), '0');
    if (CompareDigits(whole, "1024") >= 0) {
      int power = 0;
      while (power < 60) {
        std::optional<std::string> quotient = DivideExactly(whole, 1024);
        if (!quotient) break;
        whole = std::move(*quotient);
        power += 10;
      }
      const Suffix* suffix = FindSuffix(2, power);
      return sign + whole + (suffix != nullptr ? std::string(suffix->text) : "");
    }
  }
  while (exponent % 3 != 0) {
    digits += '0';
    --exponent;
  }
  if (exponent == 0) return sign + digits;
  const Suffix* suffix = FindSuffix(10, exponent);
  if (format_ == Format::kDecimalExponent || suffix == nullptr) {
    return sign + digits + "e" + std::to_string(exponent);
  }
  return sign + digits + std::string(suffix->text);
}

}  // namespace bulwark
