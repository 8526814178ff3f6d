#pragma once

// BW_CHECK(condition) and BW_UNREACHABLE(): for our own bugs, and for nothing else. Always compiled
// in. Input of any kind (files, network, users, policies) is never validated with these: it gets a
// Result (base/result.h) that says what was wrong and where.

#include <source_location>

namespace bulwark {

// Writes "file:line: check failed: text" to stderr and aborts.
[[noreturn]] void CheckFailed(const char* text,
                              std::source_location where = std::source_location::current());

}  // namespace bulwark

#define BW_CHECK(condition) \
  (static_cast<bool>(condition) ? static_cast<void>(0) : ::bulwark::CheckFailed(#condition))
#define BW_UNREACHABLE() ::bulwark::CheckFailed("unreachable")
