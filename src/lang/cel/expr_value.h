#pragma once

// cel.expr.Value (cel-spec: proto/cel/expr/value.proto) in protojson ↔ Value: how other programs
// hand CEL values to ours and read them. {"int64_value": "5"}, {"list_value": {"values": […]}},
// {"null_value": null}; lowerCamelCase names are taken, too. Kinds of CEL that the message has no
// place for go as an Any with protojson's form of well-known types: {"object_value": {"@type":
// "type.googleapis.com/google.protobuf.Duration", "value": "1.5s"}}.

#include <functional>
#include <string>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"

namespace bulwark::cel {

// Reads an Any in protojson whose message is none of the well-known types.
using MessageReader = std::function<Result<Value>(const Value& any, Arena& arena)>;

// Code::kUnsupported for messages other than the well-known types, if there is nothing to read them
// with; Code::kInvalid for anything else that is wrong. Strings are views into `json`.
Result<Value> FromExprValue(const Value& json, Arena& arena, const MessageReader& messages = {});

// Code::kUnsupported for opaque values of extensions (an IP address), which the message cannot say.
Result<Value> ToExprValue(const Value& value, Arena& arena);

// protojson's duration: "-1.5s".
std::string FormatProtoDuration(const Value& duration);

}  // namespace bulwark::cel
