#pragma once

// How bad a finding is, and the words other tools use for it.

#include <cstdint>
#include <optional>
#include <string_view>

namespace bulwark {

// Ordered: a larger one is worse.
enum class Severity : uint8_t { kUnknown, kInfo, kLow, kMedium, kHigh, kCritical };
inline constexpr int kSeverities = 6;

// "critical", "high", "medium", "low", "info", "unknown".
std::string_view SeverityName(Severity severity);
// Reads those names, Falco's priorities (emergency … debug), and CVE and framework words
// ("important", "moderate", "negligible"), in any case. nullopt for a word it does not know.
std::optional<Severity> ParseSeverity(std::string_view word);

}  // namespace bulwark
