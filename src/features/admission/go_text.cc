#include "features/admission/go_text.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "formats/json.h"

namespace bulwark::admission {

namespace {

// Nothing that is parsed is nested deeper; what a policy makes is cut.
constexpr int kMaxDepth = 1000;

void AppendText(std::string& out, const Value& value, int depth) {
  switch (value.kind()) {
    case Value::Kind::kNull: out += "<nil>"; return;
    case Value::Kind::kString:
    case Value::Kind::kDecimal: out += value.AsString(); return;
    case Value::Kind::kArray:
    case Value::Kind::kSet: {
      out += '[';
      bool first = true;
      for (const Value& item : value.items()) {
        if (!first) out += ' ';
        first = false;
        if (depth < kMaxDepth) AppendText(out, item, depth + 1);
      }
      out += ']';
      return;
    }
    case Value::Kind::kMap: {
      std::vector<const Value::Entry*> entries;
      for (const Value::Entry& entry : value.entries()) entries.push_back(&entry);
      std::sort(entries.begin(), entries.end(),
                [](const auto* a, const auto* b) { return Value::Compare(a->key, b->key) < 0; });
      out += "map[";
      for (size_t i = 0; i < entries.size(); ++i) {
        if (i > 0) out += ' ';
        AppendText(out, entries[i]->key, depth + 1);
        out += ':';
        if (depth < kMaxDepth) AppendText(out, entries[i]->value, depth + 1);
      }
      out += ']';
      return;
    }
    default: AppendJson(out, value);
  }
}

}  // namespace

std::string GoQuote(std::string_view text) {
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    CodePoint c = DecodeUtf8(text, at);
    if (!c.valid) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
    } else {
      switch (c.value) {
        case '"': out += "\\\""; break;
        case '\\': out += "\\\\"; break;
        case '\a': out += "\\a"; break;
        case '\b': out += "\\b"; break;
        case '\f': out += "\\f"; break;
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        case '\v': out += "\\v"; break;
        default:
          if (c.value < 0x20 || c.value == 0x7f) {
            out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c.value));
          } else if ((c.value >= 0x80 && c.value <= 0xa0) || c.value == 0xad || c.value == 0x2028 ||
                     c.value == 0x2029 || c.value == 0xfeff) {
            out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c.value));
          } else {
            out += text.substr(at, c.length);
          }
      }
    }
    at += c.length;
  }
  return out + '"';
}

std::string GoText(const Value& value) {
  std::string out;
  AppendText(out, value, 0);
  return out;
}

std::string_view GoType(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull: return "<nil>";
    case Value::Kind::kBool: return "bool";
    case Value::Kind::kInt: return "int64";
    case Value::Kind::kUint:
    case Value::Kind::kDouble:
    case Value::Kind::kDecimal: return "float64";
    case Value::Kind::kArray:
    case Value::Kind::kSet: return "[]interface {}";
    case Value::Kind::kMap: return "map[string]interface {}";
    case Value::Kind::kOpaque: return value.AsOpaque()->TypeName();
    default: return "string";
  }
}

std::string_view GoJsonType(const Value& value) {
  return value.IsMap()      ? "object"
         : value.IsArray()  ? "array"
         : value.IsString() ? "string"
         : value.IsBool()   ? "bool"
                            : "number";
}

std::string GoRegexError(const re2::RE2& regex) {
  std::string_view what = "internal error";
  switch (regex.error_code()) {
    case re2::RE2::ErrorBadEscape: what = "invalid escape sequence"; break;
    case re2::RE2::ErrorBadCharClass: what = "invalid character class"; break;
    case re2::RE2::ErrorBadCharRange: what = "invalid character class range"; break;
    case re2::RE2::ErrorMissingBracket: what = "missing closing ]"; break;
    case re2::RE2::ErrorMissingParen: what = "missing closing )"; break;
    case re2::RE2::ErrorUnexpectedParen: what = "unexpected )"; break;
    case re2::RE2::ErrorTrailingBackslash:
      return "error parsing regexp: trailing backslash at end of expression: ``";
    case re2::RE2::ErrorRepeatArgument: what = "missing argument to repetition operator"; break;
    case re2::RE2::ErrorRepeatSize: what = "invalid repeat count"; break;
    case re2::RE2::ErrorRepeatOp: what = "invalid nested repetition operator"; break;
    case re2::RE2::ErrorBadPerlOp: what = "invalid or unsupported Perl syntax"; break;
    case re2::RE2::ErrorBadUTF8: what = "invalid UTF-8"; break;
    case re2::RE2::ErrorBadNamedCapture: what = "invalid named capture"; break;
    default: break;
  }
  return fmt::format("error parsing regexp: {}: `{}`", what, regex.error_arg());
}

}  // namespace bulwark::admission
