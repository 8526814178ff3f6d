#pragma once

// For the tests of built-ins: calls one with arguments written as JSON, in which {"$set": […]} is a
// set, and shows what comes of it as Rego text.

#include <string>
#include <string_view>
#include <vector>

#include "formats/json.h"
#include "lang/rego/builtins/builtin.h"

namespace bulwark::rego::testing {

inline Value WithSets(const Value& value, Arena& arena) {
  if (value.IsArray()) {
    std::vector<Value> items;
    for (const Value& item : value.items()) items.push_back(WithSets(item, arena));
    return Value::Array(arena, items);
  }
  if (!value.IsMap()) return value;
  if (const Value* set = value.Find("$set")) {
    return Value::Set(arena, WithSets(*set, arena).items());
  }
  MapBuilder out(arena);
  for (const Value::Entry& entry : value.entries()) {
    out.Add(entry.key, WithSets(entry.value, arena));
  }
  return out.Finish();
}

// `args` is a JSON array. The answer, "undefined", or "eval_type_error: operand 1 must be …".
inline std::string Call(std::string_view name, std::string_view args) {
  const Builtin* builtin = Registry::Standard().Find(name);
  if (builtin == nullptr || builtin->call == nullptr) return "no such built-in";
  Arena arena;
  Result<Value> parsed = ParseJson(args, arena);
  if (!parsed) return "malformed test: " + parsed.error().ToString();
  Host host;
  Context context(arena, host);
  Value out;
  Value values = WithSets(*parsed, arena);
  switch (builtin->call(context, values.items(), out)) {
    case Outcome::kValue: return ToRegoText(out);
    case Outcome::kUndefined: return "undefined";
    case Outcome::kError: return context.error_code + ": " + context.error;
    case Outcome::kHalt: return "halt: " + context.error_code + ": " + context.error;
  }
  return "?";
}

struct Case {
  std::string_view name;
  std::string_view args;
  std::string_view answer;
};

}  // namespace bulwark::rego::testing
