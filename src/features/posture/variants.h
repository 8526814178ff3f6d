#pragma once

// Variants of a check (docs/guides/adding-a-check.md): one entry, several checks.

#include <vector>

#include "base/arena.h"
#include "base/value.h"

namespace bulwark::posture {

// The check once for each of its `variants`, `${name}` replaced in every string; the check itself
// if it has none. A string that is nothing but `${name}` becomes the variant's value, whatever its
// kind.
std::vector<Value> ExpandVariants(const Value& check, Arena& arena);

}  // namespace bulwark::posture
