#pragma once

// Which passwords are good enough (after NIST SP 800-63B section 5.1.1.2): at least 12 characters,
// at most 1024 bytes, none of those that everybody tries first, no run of one pattern, not the
// user's own name. No rules of composition, and none of age.
//
// Errors (all kInvalid): auth.password_short, auth.password_long, auth.password_common,
// auth.password_name, auth.password_text (not UTF-8, or with control characters).

#include <string_view>

#include "base/result.h"

namespace bulwark::auth {

inline constexpr size_t kMinPasswordCharacters = 12;

Result<> CheckPassword(std::string_view password, std::string_view user_name);

}  // namespace bulwark::auth
