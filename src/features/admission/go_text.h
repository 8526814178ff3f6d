#pragma once

// Values as Go's fmt prints them. Gatekeeper's messages have them in (%q, %v, %T), and people's
// tests match those messages.

#include <string>
#include <string_view>

#include "base/value.h"

namespace bulwark::admission {

// %q: in double quotes, what does not print escaped.
std::string GoQuote(std::string_view text);
// %v: map[a:1 b:[x y]], <nil>; maps sorted by key.
std::string GoText(const Value& value);
// %T: string, bool, int64, float64, map[string]interface {}, []interface {}, <nil>.
std::string_view GoType(const Value& value);

}  // namespace bulwark::admission
