#pragma once

// The meaning of YAML scalars: go-yaml v2's resolution (YAML 1.1 without sexagesimals), then what
// JSON and Kubernetes' JSON decoding make of it. Internal to formats/yaml.

#include <optional>
#include <string>
#include <string_view>

#include "base/value.h"

namespace bulwark::yaml {

enum class Tag { kNone, kString, kBool, kInt, kFloat, kNull, kTimestamp, kBinary, kOther };

// The tag of an event (nullptr: none).
Tag ReadTag(const char* tag);

// What a scalar is before JSON: an int, uint, double, bool, null or string. With kNone or kOther
// any text is something; with another tag, nothing if the text is no such thing. Strings are views.
std::optional<Value> Resolve(Tag tag, std::string_view text);

// Doubles that JSON writes as digits come back as ints where an int64 holds them.
Value AfterJson(Value resolved);

// How a key is spelled in JSON; nothing for what cannot be a key (null, a number past int64).
std::optional<std::string> KeyText(const Value& resolved);

}  // namespace bulwark::yaml
