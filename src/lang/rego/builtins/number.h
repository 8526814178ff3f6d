#pragma once

// Numbers as OPA spells and computes them.
//
// OPA keeps a number as its text; we keep what it is worth, and the text only (as a decimal) where
// that is not how we would spell the value: 1e+06, 2.50. A double without fraction is spelled with
// ".0", for that is how nearly all of those that are read were written.
//
// Computing goes over integers of any size where both operands are integers, and else over floats
// with a mantissa of 64 bits, rounded to nearest even, as Go's math/big does by default.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/value.h"

namespace bulwark::rego {

// The number as OPA prints it.
void AppendNumber(std::string& out, const Value& number);
std::string NumberText(const Value& number);
// Whether that text has a fraction or an exponent.
bool SpelledAsFloat(const Value& number);

// The value of a JSON number (well-formed; copied where needed), whose spelling is kept.
Value NumberFromText(Arena& arena, std::string_view text);

// Its value, if it is an integer of 64 bits written as one (1.0 counts, 1e3 as far as we know it).
std::optional<int64_t> MachineInt(const Value& number);

// A float with a mantissa of 64 bits: ± mantissa × 2^exponent, the highest bit of the mantissa set
// unless all is 0.
struct Float {
  bool negative = false;
  uint64_t mantissa = 0;
  int32_t exponent = 0;

  bool IsZero() const { return mantissa == 0; }
  bool IsInteger() const;
};

// The float nearest to a decimal number; nullopt where it is malformed or its exponent is beyond
// reason (past 10^±30000: kMaxNumberDigits).
inline constexpr int64_t kMaxNumberDigits = 30'000;
std::optional<Float> ParseFloat(std::string_view text);
std::optional<Float> ToFloat(const Value& number);
Float FloatOfInt(int64_t integer);
Float Add(const Float& a, const Float& b);
Float Subtract(const Float& a, const Float& b);
// `bits`: of the result's mantissa.
Float Multiply(const Float& a, const Float& b, int bits = 64);
Float Divide(const Float& a, const Float& b);  // b is not 0
int CompareFloats(const Float& a, const Float& b);
// Without its fraction.
Float Truncate(const Float& a);
// The shortest decimal number that is nearest to it, as OPA spells results.
// `bits`: how many of the mantissa count.
std::string FloatText(const Float& a, int bits = 64);
Value FloatValue(Arena& arena, const Float& a, int bits = 64);

}  // namespace bulwark::rego
