#pragma once

// Literals of Rego: the meaning of numbers and of escapes in strings.

#include <string_view>

#include "base/arena.h"
#include "base/value.h"

namespace bulwark::rego {

enum class NumberCheck : uint8_t { kGood, kTooBig, kInvalid };

// OPA takes numbers whose binary exponent is within ±100,000.
NumberCheck CheckNumber(std::string_view text);

// The number as a Value that prints as it was written: an int64, uint64 or double where that is so,
// else a decimal, which keeps `text` (not copied, but for .5, which becomes 0.5).
Value NumberValue(std::string_view text, Arena& arena);

// JSON's escapes: `inner` is what stands between the quotes. False: not a JSON string.
bool Unescape(std::string_view inner, Arena& arena, std::string_view& out);

}  // namespace bulwark::rego
