#pragma once

// What the tests of this folder share.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "features/posture/inspection.h"

namespace bulwark::posture {

inline const CheckSet& BuiltInChecks() {
  static const CheckSet* const set = [] {
    auto loaded = CheckSet::BuiltIn();
    EXPECT_TRUE(loaded.has_value()) << (loaded ? "" : loaded.error().ToString());
    return new CheckSet(*std::move(loaded));
  }();
  return *set;
}

inline CheckSet ChecksFrom(std::string_view yaml) {
  CheckSet set = CheckSet::Empty();
  auto added = set.AddText(yaml, "checks.yaml");
  EXPECT_TRUE(added.has_value()) << (added ? "" : added.error().ToString());
  for (const Error& error : set.CompileAll()) ADD_FAILURE() << error.ToString();
  return set;
}

inline Report Inspect(const CheckSet& checks, std::string yaml, InspectOptions options = {}) {
  Inspection inspection(checks, options);
  inspection.AddText(std::move(yaml), "test.yaml");
  return inspection.Finish();
}

// "check path line:column" of each finding, errors with "error " in front, excepted ones with
// "excepted ".
inline std::vector<std::string> Lines(const Report& report) {
  std::vector<std::string> out;
  for (const Finding& f : report.findings) {
    out.push_back((f.status == Status::kError ? "error " : "") +
                  std::string(f.excused ? "excepted " : "") + f.check + " " + f.evidence.path +
                  " " + std::to_string(f.evidence.place.line) + ":" +
                  std::to_string(f.evidence.place.column));
  }
  return out;
}

// A check on containers that fails where they are privileged; for tests of the machinery.
inline constexpr std::string_view kPrivileged = R"(
checks:
  - id: privileged
    severity: high
    category: security
    title: {en: Privileged, zh: 特权}
    description: {en: d, zh: d}
    remedy: {en: r, zh: r}
    message: {en: 'container {container} is privileged: {value}', zh: '容器 {container}'}
    scope: container
    fail: container.?securityContext.?privileged.orValue(false)
    at: securityContext.privileged
    fix: [{set: securityContext.privileged, to: false}]
)";

}  // namespace bulwark::posture
