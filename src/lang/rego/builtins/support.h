#pragma once

// What the families of built-ins share: their arguments, sets, text.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "lang/rego/builtins/builtin.h"

namespace bulwark::rego {

inline Outcome Give(Value& out, Value value) {
  out = value;
  return Outcome::kValue;
}
inline Outcome Give(Value& out, bool value) { return Give(out, Value::Bool(value)); }

// For tables of built-ins.
constexpr Builtin Deprecated(Builtin builtin) {
  builtin.deprecated = true;
  return builtin;
}
constexpr Builtin Nondeterministic(Builtin builtin) {
  builtin.nondeterministic = true;
  return builtin;
}

// args[at] as an int; false: not one, the context has the error.
bool IntArgument(Context& context, Args args, size_t at, int64_t& out);
// "operand 1 must be array of strings but got array containing number"
Outcome WrongElement(Context& context, size_t operand, const Value& collection, const Value& got,
                     std::string_view expected);
// Charges for text that is about to be made; false: kHalt.
inline bool SpendText(Context& context, uint64_t bytes) { return context.Spend(bytes / 100 + 1); }
inline Outcome GiveText(Context& context, Value& out, std::string_view text) {
  return Give(out, Value::String(context.arena, text));
}

// Of sorted items without equals, in one pass.
Value SetUnion(Arena& arena, const Value& a, const Value& b);
Value SetIntersection(Arena& arena, const Value& a, const Value& b);
Value SetDifference(Arena& arena, const Value& a, const Value& b);

// The text as Go's strconv.Quote spells it: what Unicode does not call printable is escaped.
void AppendQuoted(std::string& out, std::string_view text, bool ascii = false);
bool IsPrintable(char32_t code_point);
char32_t ToUpper(char32_t code_point);
char32_t ToLower(char32_t code_point);

}  // namespace bulwark::rego
