#pragma once

// sprintf as Go's package fmt does it, for what Rego has: integers, floats, strings; everything
// else is the string of its Rego text. Verbs that do not fit and arguments that are missing or too
// many are shown in the text, as Go shows them: %!d(string=a), %!d(MISSING), %!(EXTRA int64=1).

#include <span>
#include <string>
#include <string_view>

#include "lang/rego/builtins/builtin.h"

namespace bulwark::rego {

// False: the context's budget is spent.
bool FormatLikeGo(Context& context, std::string_view format, std::span<const Value> args,
                  std::string& out);

// A double as strconv.FormatFloat spells it; precision -1: as many digits as tell it from its
// neighbours.
std::string SpellFloat(double real, char verb, int precision);

}  // namespace bulwark::rego
