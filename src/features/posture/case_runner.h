#pragma once

// Runs the cases that stand beside checks (docs/guides/adding-a-check.md, "Cases").

#include <cstdint>
#include <string>
#include <vector>

#include "features/posture/check_set.h"

namespace bulwark::posture {

struct CaseResults {
  uint64_t passed = 0;
  std::vector<std::string> failures;  // "check: case: what was expected, what came"
};

// Every case of every check of the set, which was loaded with its cases. A check without a failing
// and a passing case is a failure, as is one with a fix and no case of it.
CaseResults RunCases(const CheckSet& checks);

}  // namespace bulwark::posture
