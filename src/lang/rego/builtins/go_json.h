#pragma once

// JSON as Go's encoding/json reads it, and complains of it: users see its words in the errors of
// built-ins. Bytes that are no UTF-8 and halves of surrogate pairs read as U+FFFD, the last of two
// equal keys wins.

#include <string_view>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"

namespace bulwark::rego {

// The text as json.unmarshal reads it: one value. The error's message is Go's: "EOF", "unexpected
// EOF", "invalid character 'x' looking for beginning of value".
Result<Value> ParseGoJson(std::string_view text, Arena& arena);

// The first value, whatever stands behind it, as a json.Decoder reads it.
Result<Value> ParseFirstGoJson(std::string_view text, Arena& arena);

}  // namespace bulwark::rego
