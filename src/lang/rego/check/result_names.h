#pragma once

#include <string_view>

namespace bulwark::rego {

// What the result of a built-in is called in documentation; empty where it has no name.
std::string_view ResultName(std::string_view builtin);

}  // namespace bulwark::rego
