#pragma once

// Regular expressions: Go's syntax, which is RE2's, with Go's messages. Matching takes time linear
// in the text.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace bulwark::rego {

// Cached for the process. Fails with `error parsing regexp: missing closing ]: …` in backquotes.
Result<std::shared_ptr<const re2::RE2>> CompileRegex(std::string_view pattern);

}  // namespace bulwark::rego
