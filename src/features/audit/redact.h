#pragma once

// What of a source's JSON may be stored: secrets leave it before anything is kept.
//
// Redacted: data, stringData and binaryData of Secrets and ConfigMaps, also in lists and in patches
// (JSON Patch's values for these resources); tokens, passwords and keys by the name of their field
// or of their variable (detect/secrets.h); last-applied-configuration, which repeats all of it; and
// text of known token formats anywhere. managedFields are left out. Pure; linear in the input.

#include <cstddef>
#include <string>
#include <string_view>

#include "base/value.h"

namespace bulwark::audit {

inline constexpr std::string_view kRedacted = "[redacted]";

struct RedactOptions {
  bool secret_resource = false;  // the request is for secrets or configmaps
  size_t max_string = SIZE_MAX;  // longer texts are cut
  bool annotations = true;
  bool objects = true;  // requestObject and responseObject at the top
};

// Appends the JSON of `value`, redacted.
void AppendRedacted(std::string& out, const Value& value, const RedactOptions& options);
// Known token formats in text become kRedacted.
std::string RedactText(std::string text);
// Values of parameters such as token, access_token, password.
std::string RedactUri(std::string_view uri);

}  // namespace bulwark::audit
