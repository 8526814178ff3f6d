#pragma once

// Runs the cases that stand beside detection rules. A case gives events in short, which become what
// a cluster really sends and are read by the same code; the engine then has the one rule.
//
//   cases:
//     - name: a shell
//       audit: {verb: create, user: alice, resource: pods, sub: exec, ns: prod, name: web}
//       fires: ['- / alice / prod / web']    # the groups of the matches; or how many; 0: none
//
// audit: one or a list of {verb, user, as, groups, ip, agent, resource, sub, group, ns, name, code
//   (200), stage (ResponseComplete), id, uri, object, response}.
// kube: of {kind, ns, name, reason, type, note, component, host}.
// Each may have `at` (since the first), `times` and `every`, with {i} in strings the number of the
// repetition from 0. `tick`: so long after the first event the engine looks for silence.

#include <cstdint>
#include <string>
#include <vector>

#include "detect/rules.h"

namespace bulwark::audit {

struct CaseResults {
  uint64_t passed = 0;
  std::vector<std::string> failures;  // "rule: case: what was expected, what came"
};

// A rule without a case that fires and one that does not is a failure, as is one without a title,
// description, remedy and message in both languages.
CaseResults RunCases(const detect::RuleSet& rules);

}  // namespace bulwark::audit
