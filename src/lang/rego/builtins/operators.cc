// What the language writes as an operator, and what the compiler makes of its syntax.

#include <algorithm>

#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/number.h"
#include "lang/rego/builtins/support.h"

namespace bulwark::rego {

namespace {

Outcome Equal(Context& /*c*/, Args args, Value& out) { return Give(out, args[0] == args[1]); }
Outcome NotEqual(Context& /*c*/, Args args, Value& out) { return Give(out, args[0] != args[1]); }
Outcome Less(Context& /*c*/, Args args, Value& out) {
  return Give(out, Value::Compare(args[0], args[1]) < 0);
}
Outcome LessOrEqual(Context& /*c*/, Args args, Value& out) {
  return Give(out, Value::Compare(args[0], args[1]) <= 0);
}
Outcome Greater(Context& /*c*/, Args args, Value& out) {
  return Give(out, Value::Compare(args[0], args[1]) > 0);
}
Outcome GreaterOrEqual(Context& /*c*/, Args args, Value& out) {
  return Give(out, Value::Compare(args[0], args[1]) >= 0);
}

Outcome Arithmetical(Context& c, Arithmetic what, Args args, Value& out) {
  if (!args[0].IsNumber()) return c.WrongType(1, args[0], "number");
  if (!args[1].IsNumber()) return c.WrongType(2, args[1], "number");
  return Calculate(c, what, args[0], args[1], out);
}

Outcome Plus(Context& c, Args args, Value& out) {
  return Arithmetical(c, Arithmetic::kPlus, args, out);
}
Outcome Multiplied(Context& c, Args args, Value& out) {
  return Arithmetical(c, Arithmetic::kMultiply, args, out);
}
Outcome Divided(Context& c, Args args, Value& out) {
  return Arithmetical(c, Arithmetic::kDivide, args, out);
}
Outcome Remainder(Context& c, Args args, Value& out) {
  return Arithmetical(c, Arithmetic::kRemainder, args, out);
}

Outcome Minus(Context& c, Args args, Value& out) {
  const Value& a = args[0];
  const Value& b = args[1];
  if (a.IsNumber() && b.IsNumber()) return Calculate(c, Arithmetic::kMinus, a, b, out);
  if (a.IsSet() && b.IsSet()) {
    if (!c.Spend(a.size() + b.size())) return Outcome::kHalt;
    return Give(out, SetDifference(c.arena, a, b));
  }
  if (!a.IsNumber() && !a.IsSet()) return c.WrongType(1, a, "one of {number, set}");
  return c.WrongType(2, b, b.IsNumber() ? "set" : "number");
}

Outcome And(Context& c, Args args, Value& out) {
  if (!args[0].IsSet()) return c.WrongType(1, args[0], "set");
  if (!args[1].IsSet()) return c.WrongType(2, args[1], "set");
  if (!c.Spend(args[0].size() + args[1].size())) return Outcome::kHalt;
  return Give(out, SetIntersection(c.arena, args[0], args[1]));
}

Outcome Or(Context& c, Args args, Value& out) {
  if (!args[0].IsSet()) return c.WrongType(1, args[0], "set");
  if (!args[1].IsSet()) return c.WrongType(2, args[1], "set");
  if (!c.Spend(args[0].size() + args[1].size())) return Outcome::kHalt;
  return Give(out, SetUnion(c.arena, args[0], args[1]));
}

// x in xs
Outcome Member(Context& c, Args args, Value& out) {
  const Value& collection = args[1];
  if (collection.IsSet()) return Give(out, collection.Contains(args[0]));
  if (!c.Spend(collection.size())) return Outcome::kHalt;
  if (collection.IsArray()) return Give(out, collection.Contains(args[0]));
  if (!collection.IsMap()) return Give(out, false);
  return Give(out, std::ranges::any_of(collection.entries(), [&](const Value::Entry& entry) {
                return entry.value == args[0];
              }));
}

// k, x in xs
Outcome MemberWithKey(Context& /*c*/, Args args, Value& out) {
  const Value& key = args[0];
  const Value& value = args[1];
  const Value& collection = args[2];
  if (collection.IsSet()) return Give(out, key == value && collection.Contains(key));
  if (collection.IsArray()) {
    std::optional<int64_t> at = key.IsNumber() ? MachineInt(key) : std::nullopt;
    bool within = at && *at >= 0 && static_cast<uint64_t>(*at) < collection.size();
    return Give(out, within && collection.items()[static_cast<size_t>(*at)] == value);
  }
  const Value* found = collection.Find(key);
  return Give(out, found != nullptr && *found == value);
}

// What print and template strings make of one of their operands: each is a set of what it stands
// for, and one that stands for nothing is undefined.
void AppendShown(std::string& out, const Value& value) {
  if (value.IsString()) {
    out += value.AsString();
  } else {
    out += ToRegoText(value);
  }
}

Outcome IllegalArgument(Context& c, const Value& value) {
  c.error_code = "eval_internal_error";
  c.error = "illegal argument type: " + std::string(TypeName(value));
  return Outcome::kHalt;
}

Outcome TemplateString(Context& c, Args args, Value& out) {
  if (!args[0].IsArray()) return c.WrongType(1, args[0], "array");
  std::string text;
  for (const Value& part : args[0].items()) {
    if (part.IsArray() || part.IsMap()) return IllegalArgument(c, part);
    size_t before = text.size();
    if (!part.IsSet()) {
      AppendShown(text, part);
    } else if (part.empty()) {
      text += "<undefined>";
    } else if (part.size() == 1) {
      AppendShown(text, part.items()[0]);
    } else {
      c.error_code = "eval_conflict_error";
      c.error = "template-strings must not produce multiple outputs";
      return Outcome::kHalt;
    }
    if (!SpendText(c, text.size() - before)) return Outcome::kHalt;
  }
  return GiveText(c, out, text);
}

// One line for each combination of what the operands stand for.
Outcome PrintFrom(Context& c, std::span<const Value> operands, const std::string& line,
                  bool first) {
  if (operands.empty()) {
    if (!SpendText(c, line.size())) return Outcome::kHalt;
    c.host.Print(line, {});
    return Outcome::kValue;
  }
  const Value& operand = operands[0];
  if (operand.IsArray() || operand.IsMap()) return IllegalArgument(c, operand);
  std::string begun = first ? "" : line + " ";
  if (operand.IsSet() && operand.empty()) {
    return PrintFrom(c, operands.subspan(1), begun + "<undefined>", false);
  }
  std::span<const Value> all = operand.IsSet() ? operand.items() : operands.first(1);
  for (const Value& one : all) {
    std::string next = begun;
    AppendShown(next, one);
    Outcome outcome = PrintFrom(c, operands.subspan(1), next, false);
    if (outcome != Outcome::kValue) return outcome;
  }
  return Outcome::kValue;
}

Outcome Print(Context& c, Args args, Value& out) {
  if (!args[0].IsArray()) return c.WrongType(1, args[0], "array");
  out = Value::Bool(true);
  return PrintFrom(c, args[0].items(), "", true);
}

Outcome TestCase(Context& /*c*/, Args /*args*/, Value& out) { return Give(out, true); }

constexpr Builtin kBuiltins[] = {
    {"and", "(x: set[any], y: set[any]) -> set[any]", And, "&"},
    {"assign", "(any, any) -> boolean", Equal, ":="},
    {"div", "(x: number, y: number) -> number", Divided, "/"},
    {"eq", "(any, any) -> boolean", Equal, "="},
    {"equal", "(x: any, y: any) -> boolean", Equal, "=="},
    {"gt", "(x: any, y: any) -> boolean", Greater, ">"},
    {"gte", "(x: any, y: any) -> boolean", GreaterOrEqual, ">="},
    {"internal.member_2", "(any, any) -> boolean", Member, "in"},
    {"internal.member_3", "(any, any, any) -> boolean", MemberWithKey, "in"},
    {"internal.print", "(array[set[any]]) -> void", Print},
    {"internal.template_string", "(array[any]) -> string", TemplateString},
    {"internal.test_case", "(array[any]) -> void", TestCase},
    {"lt", "(x: any, y: any) -> boolean", Less, "<"},
    {"lte", "(x: any, y: any) -> boolean", LessOrEqual, "<="},
    {"minus", "(x: number | set[any], y: number | set[any]) -> number | set[any]", Minus, "-"},
    {"mul", "(x: number, y: number) -> number", Multiplied, "*"},
    {"neq", "(x: any, y: any) -> boolean", NotEqual, "!="},
    {"or", "(x: set[any], y: set[any]) -> set[any]", Or, "|"},
    {"plus", "(x: number, y: number) -> number", Plus, "+"},
    {"print", "(any...) -> void", nullptr},
    {"rem", "(x: number, y: number) -> number", Remainder, "%"},
};

}  // namespace

std::span<const Builtin> OperatorBuiltins() { return kBuiltins; }

}  // namespace bulwark::rego
