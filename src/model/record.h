#pragma once

// How the nouns look as records and in the API: field names in camelCase, times as RFC 3339.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/value.h"
#include "model/finding.h"

namespace bulwark {

// {"cluster","group","version","kind","namespace","name"}; what is empty is left out, but for kind
// and name. Strings are copied into the arena.
Value ToValue(const Asset& asset, Arena& arena);
Asset AssetOf(const Value& record);

// Microseconds since 1970 as "2026-01-31T23:59:59.5Z", and back (0 for what is no time).
std::string FormatTime(int64_t us);
int64_t ParseTime(std::string_view text);
int64_t NowUs();

}  // namespace bulwark
