#pragma once

// Whether two patterns have a text in common. A pattern is a row of characters, . and [sets], each
// with + or * behind it or nothing; \ makes the next character an ordinary one.

#include <string_view>

#include "base/result.h"

namespace bulwark::rego {

// Fails for patterns of more than 2000 parts, and where it is too much work.
Result<bool> GlobsIntersect(std::string_view a, std::string_view b);

}  // namespace bulwark::rego
