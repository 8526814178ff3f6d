#include "model/severity.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace bulwark {

namespace {

constexpr std::array<std::string_view, kSeverities> kNames = {"unknown", "info", "low",
                                                              "medium",  "high", "critical"};

constexpr std::pair<std::string_view, Severity> kWords[] = {
    // Falco's priorities
    {"emergency", Severity::kCritical},
    {"alert", Severity::kCritical},
    {"error", Severity::kHigh},
    {"warning", Severity::kMedium},
    {"notice", Severity::kLow},
    {"informational", Severity::kInfo},
    {"debug", Severity::kInfo},
    // CVE sources
    {"important", Severity::kHigh},
    {"moderate", Severity::kMedium},
    {"minor", Severity::kLow},
    {"negligible", Severity::kInfo},
    {"unimportant", Severity::kInfo},
    {"none", Severity::kInfo},
    {"untriaged", Severity::kUnknown},
};

}  // namespace

std::string_view SeverityName(Severity severity) { return kNames[static_cast<size_t>(severity)]; }

std::optional<Severity> ParseSeverity(std::string_view word) {
  std::string lower(word);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (lower == kNames[i]) return static_cast<Severity>(i);
  }
  for (const auto& [name, severity] : kWords) {
    if (lower == name) return severity;
  }
  return std::nullopt;
}

}  // namespace bulwark
