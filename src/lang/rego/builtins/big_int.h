#pragma once

// Integers of any size. Heavy to include: for .cc files only.

#include <boost/multiprecision/cpp_int.hpp>
#include <optional>
#include <string_view>

#include "base/arena.h"
#include "base/value.h"
#include "lang/rego/builtins/number.h"

namespace bulwark::rego {

using BigInt = boost::multiprecision::cpp_int;

// The value of a number that is an integer, however it is written (1.0, 1e30); nullopt where it is
// none, or has more digits than kMaxNumberDigits.
std::optional<BigInt> ToBigInt(const Value& number);
// The same of decimal text.
std::optional<BigInt> ParseBigInt(std::string_view text);
// Without its fraction.
BigInt WholeOf(const Float& number);
Value BigIntValue(Arena& arena, const BigInt& integer);

}  // namespace bulwark::rego
