#pragma once

// Quantity: an amount as the Kubernetes API writes it, "500m", "1.5Gi", "12e6"
// (k8s.io/apimachinery/pkg/api/resource, v0.34).
//
//   Quantity memory = BW_TRY(Quantity::Parse("1.5Gi"));
//   memory > BW_TRY(Quantity::Parse("1G"));   // true
//   memory.ToString();                        // "1536Mi"
//
// Exact decimal arithmetic; nothing below 1n (what is smaller is rounded away from zero when it is
// read). What is compared is the amount, never the spelling: "1000m" equals "1".
//
// Limits: a number has at most kMaxDigits decimal digits; past that Parse(), Add() and Sub() fail
// with Code::kLimit. Immutable; safe from any thread.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bulwark {

namespace internal {

// ± digits × 10^exponent; digits without leading zeros, empty for 0.
struct Decimal {
  bool negative = false;
  std::string digits;
  int64_t exponent = 0;
};

}  // namespace internal

class Quantity {
 public:
  enum class Format : uint8_t { kDecimalSi, kBinarySi, kDecimalExponent };
  static constexpr size_t kMaxDigits = 1000;

  Quantity() = default;  // 0
  // The errors' messages are those of resource.ParseQuantity.
  static Result<Quantity> Parse(std::string_view text);
  static Quantity Of(int64_t value, Format format = Format::kDecimalSi);

  // The sum is written in this one's format, in the other's if this is zero.
  Result<Quantity> Add(const Quantity& other) const { return Combine(other, false); }
  Result<Quantity> Sub(const Quantity& other) const { return Combine(other, true); }

  int sign() const;  // -1, 0, 1
  friend std::strong_ordering operator<=>(const Quantity& a, const Quantity& b);
  friend bool operator==(const Quantity& a, const Quantity& b) { return (a <=> b) == 0; }
  uint64_t Hash() const;

  // As resource.Quantity's AsInt64: nothing for a fraction, for what int64 cannot hold, and for
  // what was written with a fractional unit ("1000m") or with more than 18 digits.
  std::optional<int64_t> ToInt() const;
  // In units of 10^power, rounded away from zero, saturating: RoundedUp(-3) of "1.5" is 1500.
  int64_t RoundedUp(int power = 0) const;
  // As AsApproximateFloat64, to the last bit.
  double ToDouble() const;

  Format format() const { return format_; }
  // The canonical form: the largest unit that leaves no fraction. What was written, where that
  // was canonical. Where no unit is large enough, "1e21".
  std::string ToString() const;

 private:
  using Decimal = internal::Decimal;
  static int Compare(const Decimal& a, const Decimal& b);
  Decimal ToDecimal() const;
  Result<Quantity> Combine(const Quantity& other, bool subtract) const;

  // Small amounts are value_ × 10^exponent_, others big_. Which of the two an amount is shows
  // in ToInt(), so it follows the original.
  int64_t value_ = 0;
  int64_t exponent_ = 0;
  std::optional<Decimal> big_;
  Format format_ = Format::kDecimalSi;
  std::string text_;  // as written, if that was canonical
};

}  // namespace bulwark
