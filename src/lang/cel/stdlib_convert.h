#pragma once

// Conversions between CEL's types (langdef.md, "Standard Definitions"; texts and ranges as Go's
// strconv and cel-go have them). Internal to the standard library.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "lang/cel/library.h"

namespace bulwark::cel {

Value ToBool(CallContext&, std::span<const Value> args);
Value ToBytes(CallContext&, std::span<const Value> args);
Value ToDouble(CallContext&, std::span<const Value> args);
Value ToDuration(CallContext&, std::span<const Value> args);
Value ToInt(CallContext&, std::span<const Value> args);
Value ToText(CallContext&, std::span<const Value> args);
Value ToTimestamp(CallContext&, std::span<const Value> args);
Value ToUint(CallContext&, std::span<const Value> args);

// As Go's "%g": the shortest digits that give the same double, in scientific notation from 1e+06 on
// and below 0.0001; "NaN", "+Inf".
std::string FormatDouble(double d);
// As Go's strconv.ParseFloat, out of range being an error.
std::optional<double> ParseDouble(std::string_view text);

}  // namespace bulwark::cel
