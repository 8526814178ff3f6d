#pragma once

// json.patch: RFC 6902 as OPA does it: sets too, paths also as arrays of keys.

#include <span>
#include <vector>

#include "lang/rego/builtins/builtin.h"

namespace bulwark::rego {

// The segments of a path, which is "a/b/~1c" (with or without a first slash) or an array of keys.
// False: the context has the error.
bool ParsePath(Context& context, const Value& path, std::vector<Value>& out);

Outcome ApplyPatch(Context& context, const Value& target, std::span<const Value> operations,
                   Value& out);

}  // namespace bulwark::rego
