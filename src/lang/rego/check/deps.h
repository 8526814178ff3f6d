#pragma once

// What a query depends on (`opa deps`): the base documents that it reads and the rules that it
// needs, directly or through other rules.

#include <string>
#include <vector>

#include "base/value.h"
#include "lang/rego/resolve/resolve.h"

namespace bulwark::rego {

struct Dependencies {
  // As OPA writes references ("input.user.roles", "data.policy.allow"), sorted by OPA's order of
  // references. A reference ends where it is not constant.
  std::vector<std::string> base;
  std::vector<std::string> virtual_documents;
};

// Of a query that CheckQuery() found nothing wrong with.
Dependencies QueryDependencies(const Resolution& policy, const ResolvedQuery& query);
// Of a rule and its else branches.
Dependencies RuleDependencies(const Resolution& policy, const RuleInfo& rule);

}  // namespace bulwark::rego
