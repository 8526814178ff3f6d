#pragma once

// A Value as YAML that people would write and kubectl reads back as the same Value: block style,
// two spaces, strings plain where that means the same, long texts with line breaks in double
// quotes.

#include <string>

#include "base/value.h"

namespace bulwark {

// Ends with a line break. Kinds that JSON does not have are written as formats/json.h writes them.
std::string ToYaml(const Value& value);

}  // namespace bulwark
