#pragma once

// Go's time package where policies see it: layouts ("2006-01-02T15:04:05Z07:00"), to write and to
// read, and durations, with its error messages. Pure functions.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace bulwark::rego {

inline constexpr std::string_view kGoRfc3339 = "2006-01-02T15:04:05Z07:00";
inline constexpr std::string_view kGoRfc3339Nano = "2006-01-02T15:04:05.999999999Z07:00";

// `offset` seconds east of UTC, `zone` its name ("CET"); "" is written as the offset.
std::string GoFormatTime(Timestamp at, int64_t offset, std::string_view zone,
                         std::string_view layout);
// time.Parse. A zone that is only named is taken for UTC ("GMT+3" and its like too, as Go does).
Result<Timestamp> GoParseTime(std::string_view layout, std::string_view text);
// time.ParseDuration, with its messages.
Result<int64_t> GoParseDurationNanos(std::string_view text);

}  // namespace bulwark::rego
