#pragma once

// YAML as OPA reads and writes it: go-yaml v3 by way of JSON. Unlike formats/yaml.h, yes, no, on
// and off are strings; of several documents the first counts, if the others are well-formed; and
// what is written looks as Go's encoder leaves it.

#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"

namespace bulwark::rego {

// Errors read as go-yaml's: "yaml: line 1: did not find expected node content".
Result<Value> ParseGoYaml(std::string_view text, Arena& arena);
// Ends with a line break.
std::string ToGoYaml(const Value& value);

}  // namespace bulwark::rego
