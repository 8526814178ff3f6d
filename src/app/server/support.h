#pragma once

// The support bundle: what helps to find out what is wrong, in one .tar.gz that can be shown to
// strangers. Whatever looks like a secret is taken out (features/audit/redact.h), addresses and
// names stay.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace bulwark {

// File name and text; .json is JSON.
using SupportParts = std::vector<std::pair<std::string, std::string>>;

// The bytes of the archive.
Result<std::string> MakeSupportBundle(const SupportParts& parts, int64_t unix_seconds);

}  // namespace bulwark
