#include <cmath>

#include "base/text.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/number.h"
#include "lang/rego/builtins/support.h"

namespace bulwark::rego {

namespace {

template <bool (Value::*kIs)() const>
Outcome Is(Context& /*c*/, Args args, Value& out) {
  return Give(out, (args[0].*kIs)());
}

Outcome NameOfType(Context& /*c*/, Args args, Value& out) {
  return Give(out, Value::String(TypeName(args[0])));
}

// What Go's strconv.ParseFloat(text, 64) takes and a number can be: no hexadecimal, no infinity.
bool IsDecimalFloat(std::string_view text) {
  size_t at = 0;
  auto digits = [&] {
    size_t begin = at;
    while (at < text.size() && IsAsciiDigit(text[at])) ++at;
    return at - begin;
  };
  auto sign = [&] {
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
  };
  sign();
  size_t count = digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    count += digits();
  }
  if (count == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    sign();
    if (digits() == 0) return false;
  }
  return at == text.size();
}

// 1_000 as 1000: Go lets underscores stand between digits.
std::string WithoutUnderscores(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    bool between = text[i] == '_' && i > 0 && IsAsciiDigit(text[i - 1]) && i + 1 < text.size() &&
                   IsAsciiDigit(text[i + 1]);
    if (!between) out += text[i];
  }
  return out;
}

// The text as JSON would write the number: no plus, no bare point, no zeros before it.
std::string AsJsonNumber(std::string_view text) {
  std::string out;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    if (text[0] == '-') out = "-";
    text.remove_prefix(1);
  }
  size_t exponent = std::min(text.find_first_of("eE"), text.size());
  std::string_view mantissa = text.substr(0, exponent);
  size_t point = std::min(mantissa.find('.'), mantissa.size());
  std::string_view whole = mantissa.substr(0, point);
  std::string_view fraction = point < mantissa.size() ? mantissa.substr(point + 1) : "";
  while (whole.size() > 1 && whole[0] == '0') whole.remove_prefix(1);
  out += whole.empty() ? "0" : whole;
  if (point < mantissa.size()) out.append(".").append(fraction.empty() ? "0" : fraction);
  return out.append(text.substr(exponent));
}

Outcome ToNumber(Context& c, Args args, Value& out) {
  const Value& a = args[0];
  if (a.IsNull()) return Give(out, Value::Int(0));
  if (a.IsBool()) return Give(out, Value::Int(a.IsTrue() ? 1 : 0));
  if (a.IsNumber()) return Give(out, a);
  if (!a.IsString()) return c.WrongType(1, a, "one of {null, boolean, number, string}");
  std::string_view text = a.AsString();
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  std::string_view unsigned_text = text;
  while (!unsigned_text.empty() && (unsigned_text[0] == '+' || unsigned_text[0] == '-')) {
    unsigned_text.remove_prefix(1);
  }
  for (std::string_view name : {"inf", "infinity", "nan"}) {
    if (EqualsIgnoringCase(unsigned_text, name)) return c.WrongType(1, a, "valid number string");
  }
  auto fail = [&](std::string_view why) {
    std::string quoted;
    AppendQuoted(quoted, text);
    return c.Fail("strconv.ParseFloat: parsing " + quoted + ": " + std::string(why));
  };
  std::string plain = WithoutUnderscores(text);
  if (!IsDecimalFloat(plain)) return fail("invalid syntax");
  Value number = NumberFromText(c.arena, AsJsonNumber(plain));
  if (std::isinf(number.ToDouble())) return fail("value out of range");
  return Give(out, number);
}

Outcome CastArray(Context& c, Args args, Value& out) {
  if (args[0].IsArray()) return Give(out, args[0]);
  if (args[0].IsSet()) return Give(out, Value::Array(args[0].items()));
  return c.WrongType(1, args[0], "one of {array, set}");
}

Outcome CastSet(Context& c, Args args, Value& out) {
  if (args[0].IsSet()) return Give(out, args[0]);
  if (!args[0].IsArray()) return c.WrongType(1, args[0], "one of {array, set}");
  if (!c.Spend(args[0].size() * 2)) return Outcome::kHalt;
  return Give(out, Value::Set(c.arena, args[0].items()));
}

template <bool (Value::*kIs)() const>
Outcome Cast(Context& c, Args args, Value& out, std::string_view type) {
  if (!(args[0].*kIs)()) return c.WrongType(1, args[0], type);
  return Give(out, args[0]);
}
Outcome CastBoolean(Context& c, Args args, Value& out) {
  return Cast<&Value::IsBool>(c, args, out, "boolean");
}
Outcome CastNull(Context& c, Args args, Value& out) {
  return Cast<&Value::IsNull>(c, args, out, "null");
}
Outcome CastObject(Context& c, Args args, Value& out) {
  return Cast<&Value::IsMap>(c, args, out, "object");
}
Outcome CastString(Context& c, Args args, Value& out) {
  return Cast<&Value::IsString>(c, args, out, "string");
}

constexpr Builtin kBuiltins[] = {
    Deprecated({"cast_array", "(any) -> array[any]", CastArray}),
    Deprecated({"cast_boolean", "(any) -> boolean", CastBoolean}),
    Deprecated({"cast_null", "(any) -> null", CastNull}),
    Deprecated({"cast_object", "(any) -> object[any: any]", CastObject}),
    Deprecated({"cast_set", "(any) -> set[any]", CastSet}),
    Deprecated({"cast_string", "(any) -> string", CastString}),
    {"is_array", "(x: any) -> boolean", Is<&Value::IsArray>},
    {"is_boolean", "(x: any) -> boolean", Is<&Value::IsBool>},
    {"is_null", "(x: any) -> boolean", Is<&Value::IsNull>},
    {"is_number", "(x: any) -> boolean", Is<&Value::IsNumber>},
    {"is_object", "(x: any) -> boolean", Is<&Value::IsMap>},
    {"is_set", "(x: any) -> boolean", Is<&Value::IsSet>},
    {"is_string", "(x: any) -> boolean", Is<&Value::IsString>},
    {"to_number", "(value: null | boolean | number | string) -> number", ToNumber},
    {"type_name", "(x: any) -> string", NameOfType},
};

}  // namespace

std::span<const Builtin> TypeBuiltins() { return kBuiltins; }

}  // namespace bulwark::rego
