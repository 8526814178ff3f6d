#pragma once

// What the readers of this folder say of text that they cannot read.

#include <string>
#include <string_view>

#include "base/result.h"
#include "formats/config/config.h"

namespace bulwark::config_internal {

// "line 3, column 7: expected …" with id config.syntax; `offset` may be the text's end.
Error SyntaxError(std::string_view text, size_t offset, std::string_view message);
Error SyntaxErrorAt(size_t line, size_t column, std::string_view message);
Error TooDeep(size_t limit);
// Text of a size that is allowed, and well-formed UTF-8.
Result<> CheckText(std::string_view text, const ConfigLimits& limits);
// Without a byte order mark.
std::string_view WithoutBom(std::string_view text);

}  // namespace bulwark::config_internal
