#pragma once

// Values as Go's fmt prints them. Gatekeeper's messages have them in (%q, %v, %T), and people's
// tests match those messages.

#include <string>
#include <string_view>

#include "base/value.h"

namespace re2 {
class RE2;
}

namespace bulwark::admission {

// %q: in double quotes, what does not print escaped.
std::string GoQuote(std::string_view text);
// %v: map[a:1 b:[x y]], <nil>; maps sorted by key.
std::string GoText(const Value& value);
// %T: string, bool, int64, float64, map[string]interface {}, []interface {}, <nil>.
std::string_view GoType(const Value& value);

// What encoding/json calls it: number, string, bool, array, object.
std::string_view GoJsonType(const Value& value);
// Why a regular expression does not compile, in the words of Go's regexp: "error parsing regexp:
// missing closing ): `a(`".
std::string GoRegexError(const re2::RE2& regex);

}  // namespace bulwark::admission
