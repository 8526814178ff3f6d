#include "lang/rego/builtins/support.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"
#include "lang/rego/builtins/number.h"
#include "lang/rego/builtins/unicode_tables.h"

namespace bulwark::rego {

bool IntArgument(Context& context, Args args, size_t at, int64_t& out) {
  const Value& value = args[at];
  if (!value.IsNumber()) {
    context.WrongType(at + 1, value, "number");
    return false;
  }
  std::optional<int64_t> integer = MachineInt(value);
  if (!integer) {
    context.BadOperand(at + 1, "must be integer number but got floating-point number");
    return false;
  }
  out = *integer;
  return true;
}

Outcome WrongElement(Context& context, size_t operand, const Value& collection, const Value& got,
                     std::string_view expected) {
  std::string_view type = TypeName(collection);
  std::string what = "must be ";
  what.append(type).append(" of ").append(expected).append("s but got ").append(type);
  what.append(" containing ").append(TypeName(got));
  return context.BadOperand(operand, what);
}

namespace {

bool Before(const Value& a, const Value& b) { return Value::Compare(a, b) < 0; }

}  // namespace

Value SetUnion(Arena& arena, const Value& a, const Value& b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  std::vector<Value> out;
  out.reserve(a.size() + b.size());
  std::ranges::set_union(a.items(), b.items(), std::back_inserter(out), Before);
  return Value::Set(arena, out);
}

Value SetIntersection(Arena& arena, const Value& a, const Value& b) {
  std::vector<Value> out;
  std::ranges::set_intersection(a.items(), b.items(), std::back_inserter(out), Before);
  return Value::Set(arena, out);
}

Value SetDifference(Arena& arena, const Value& a, const Value& b) {
  if (b.empty()) return a;
  std::vector<Value> out;
  std::ranges::set_difference(a.items(), b.items(), std::back_inserter(out), Before);
  return Value::Set(arena, out);
}

bool IsPrintable(char32_t code_point) {
  const auto* range = std::ranges::lower_bound(kPrintable, static_cast<uint32_t>(code_point), {},
                                               &CodePointRange::last);
  return range != std::end(kPrintable) && range->first <= code_point;
}

namespace {

char32_t Mapped(std::span<const CaseRange> table, char32_t c) {
  auto code = static_cast<uint32_t>(c);
  auto range = std::ranges::lower_bound(table, code, {}, &CaseRange::last);
  if (range == table.end() || range->first > code) return c;
  if ((code - range->first) % range->stride != 0) return c;
  return static_cast<char32_t>(static_cast<int32_t>(code) + range->delta);
}

void AppendHex(std::string& out, uint32_t value, int digits) {
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
    out += "0123456789abcdef"[(value >> shift) & 0xf];
  }
}

}  // namespace

char32_t ToUpper(char32_t code_point) {
  if (code_point < 0x80) return static_cast<char32_t>(AsciiUpper(static_cast<char>(code_point)));
  return Mapped(kToUpper, code_point);
}

char32_t ToLower(char32_t code_point) {
  if (code_point < 0x80) return static_cast<char32_t>(AsciiLower(static_cast<char>(code_point)));
  return Mapped(kToLower, code_point);
}

void AppendQuoted(std::string& out, std::string_view text, bool ascii) {
  out += '"';
  for (size_t at = 0; at < text.size();) {
    char byte = text[at];
    if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
      out += byte;
      ++at;
      continue;
    }
    CodePoint c = DecodeUtf8(text, at);
    std::string_view spelled = text.substr(at, c.length);
    at += c.length;
    if (!c.valid) {
      out += "\\x";
      AppendHex(out, static_cast<uint8_t>(byte), 2);
      continue;
    }
    switch (c.value) {
      case '"': out += "\\\""; continue;
      case '\\': out += "\\\\"; continue;
      case '\a': out += "\\a"; continue;
      case '\b': out += "\\b"; continue;
      case '\f': out += "\\f"; continue;
      case '\n': out += "\\n"; continue;
      case '\r': out += "\\r"; continue;
      case '\t': out += "\\t"; continue;
      case '\v': out += "\\v"; continue;
      default: break;
    }
    auto code = static_cast<uint32_t>(c.value);
    if (code >= 0x80 && !ascii && IsPrintable(c.value)) {
      out += spelled;
    } else if (code < 0x20 || code == 0x7f) {
      out += "\\x";
      AppendHex(out, code, 2);
    } else if (code < 0x10000) {
      out += "\\u";
      AppendHex(out, code, 4);
    } else {
      out += "\\U";
      AppendHex(out, code, 8);
    }
  }
  out += '"';
}

}  // namespace bulwark::rego
