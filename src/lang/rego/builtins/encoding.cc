// Base64, hexadecimal, JSON, YAML, URLs.

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "formats/json.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/go_json.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/go_yaml.h"
#include "lang/rego/builtins/number.h"
#include "lang/rego/builtins/support.h"

namespace bulwark::rego {

namespace {

// The only argument, which must be a string. False: the context has the error.
bool TextArgument(Context& c, Args args, std::string_view& out) {
  if (!args[0].IsString()) {
    c.WrongType(1, args[0], "string");
    return false;
  }
  out = args[0].AsString();
  return true;
}

// --- Base64, hexadecimal -------------------------------------------------------------------------

template <Base64 kAlphabet, Padding kPadding>
Outcome EncodeBase64(Context& c, Args args, Value& out) {
  std::string_view text;
  if (!TextArgument(c, args, text)) return Outcome::kError;
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  std::string encoded = Base64Encode(text, kAlphabet, kPadding);
  return GiveText(c, out, encoded);
}

Outcome DecodeBase64(Context& c, Args args, Value& out) {
  std::string_view text;
  if (!TextArgument(c, args, text)) return Outcome::kError;
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  Result<std::string> decoded = DecodeGoBase64(text, GoBase64::kStandard);
  if (!decoded) return c.Fail(decoded.error().message());
  return GiveText(c, out, *decoded);
}

Outcome IsValidBase64(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return Give(out, false);
  if (!SpendText(c, args[0].size())) return Outcome::kHalt;
  return Give(out, DecodeGoBase64(args[0].AsString(), GoBase64::kStandard).has_value());
}

Outcome DecodeBase64Url(Context& c, Args args, Value& out) {
  std::string_view text;
  if (!TextArgument(c, args, text)) return Outcome::kError;
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  std::string padded(text);
  if (!text.ends_with('=')) {  // many encoders leave it out
    size_t over = text.size() % 4;
    if (over == 1) return c.Fail("illegal base64url string: " + padded);
    if (over != 0) padded.append(4 - over, '=');
  }
  Result<std::string> decoded = DecodeGoBase64(padded, GoBase64::kUrl);
  if (!decoded) return c.Fail(decoded.error().message());
  return GiveText(c, out, *decoded);
}

Outcome EncodeHex(Context& c, Args args, Value& out) {
  std::string_view text;
  if (!TextArgument(c, args, text)) return Outcome::kError;
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  return GiveText(c, out, HexEncode(text));
}

int HexDigit(char c) {
  if (IsAsciiDigit(c)) return c - '0';
  c = AsciiLower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

Outcome DecodeHex(Context& c, Args args, Value& out) {
  std::string_view text;
  if (!TextArgument(c, args, text)) return Outcome::kError;
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  std::string bytes;
  int high = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    int digit = HexDigit(text[i]);
    if (digit < 0) {
      auto byte = static_cast<uint8_t>(text[i]);
      std::string message = "encoding/hex: invalid byte: U+00";
      message += "0123456789ABCDEF"[byte >> 4];
      message += "0123456789ABCDEF"[byte & 0xf];
      if (IsPrintable(byte)) {
        message += " '";
        AppendUtf8(message, byte);
        message += '\'';
      }
      return c.Fail(message);
    }
    if (i % 2 == 0) {
      high = digit;
    } else {
      bytes += static_cast<char>(high << 4 | digit);
    }
  }
  if (text.size() % 2 != 0) return c.Fail("encoding/hex: odd length hex string");
  return GiveText(c, out, bytes);
}

// --- JSON ----------------------------------------------------------------------------------------

// Numbers with an exponent that is no use to anybody are refused.
bool NumbersFit(const Value& value) {
  if (value.IsDecimal()) return !SpelledAsFloat(value) || ToFloat(value).has_value();
  if (value.IsMap()) {
    return std::ranges::all_of(value.entries(),
                               [](const Value::Entry& entry) { return NumbersFit(entry.value); });
  }
  return std::ranges::all_of(value.items(), NumbersFit);
}

Outcome UnmarshalJson(Context& c, Args args, Value& out) {
  std::string_view text;
  if (!TextArgument(c, args, text)) return Outcome::kError;
  if (!c.Spend(text.size() / 10 + 1)) return Outcome::kHalt;
  Result<Value> value = ParseGoJson(text, c.arena);
  if (!value) return c.Fail(value.error().message());
  if (!NumbersFit(*value)) return c.Fail("invalid number: number too big");
  return Give(out, *value);
}

Outcome IsValidJson(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return Give(out, false);
  if (!c.Spend(args[0].size() / 10 + 1)) return Outcome::kHalt;
  Arena arena;
  return Give(out, ParseGoJson(args[0].AsString(), arena).has_value());
}

Outcome MarshalJson(Context& c, Args args, Value& out) {
  std::string text = GoJson(args[0]);
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  return GiveText(c, out, text);
}

// Compact JSON over several lines, as Go's MarshalIndent does it.
std::string Indented(std::string_view json, std::string_view prefix, std::string_view indent,
                     size_t most) {
  std::string out(prefix);
  size_t depth = 0;
  auto line = [&] {
    out.append("\n").append(prefix);
    for (size_t i = 0; i < depth && out.size() < most; ++i) out += indent;
  };
  bool quoted = false;
  for (size_t i = 0; i < json.size() && out.size() < most; ++i) {
    char c = json[i];
    if (quoted) {
      out += c;
      if (c == '\\') out += json[++i];
      quoted = c != '"';
      continue;
    }
    switch (c) {
      case '"':
        quoted = true;
        out += c;
        break;
      case '{':
      case '[':
        out += c;
        if (json[i + 1] == '}' || json[i + 1] == ']') {
          out += json[++i];
          break;
        }
        ++depth;
        line();
        break;
      case '}':
      case ']':
        --depth;
        line();
        out += c;
        break;
      case ',':
        out += c;
        line();
        break;
      case ':': out += ": "; break;
      default: out += c;
    }
  }
  return out;
}

Outcome MarshalJsonWithOptions(Context& c, Args args, Value& out) {
  if (!args[1].IsMap()) return c.WrongType(2, args[1], "object");
  std::string_view indent = "\t";
  std::string_view prefix;
  bool implied = false;
  std::optional<bool> told;
  size_t index = 0;
  for (const Value::Entry& entry : SortedEntries(args[1], c.arena)) {
    auto must_be_string = [&](const Value& value) {
      return "operand " + std::to_string(index) + " must be string but got " +
             std::string(TypeName(value));
    };
    if (!entry.key.IsString()) {
      return c.BadOperand(2, "failed to stringify key " + ToRegoText(entry.key) + " at index " +
                                 std::to_string(index) + ": " + must_be_string(entry.key));
    }
    std::string key(entry.key.AsString());
    std::string shown = ToRegoText(entry.key);
    if (key == "pretty") {
      if (!entry.value.IsBool()) return c.BadOperand(2, "key " + shown + " failed cast to bool");
      told = entry.value.IsTrue();
    } else if (key == "prefix" || key == "indent") {
      if (!entry.value.IsString()) {
        return c.BadOperand(
            2, "key " + shown + " failed cast to string: " + must_be_string(entry.value));
      }
      (key == "prefix" ? prefix : indent) = entry.value.AsString();
      implied = true;
    } else {
      return c.BadOperand(2, "object contained unknown key " + shown);
    }
    ++index;
  }
  std::string text = GoJson(args[0]);
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  if (told.value_or(implied)) {
    constexpr size_t kMost = size_t{256} << 20;
    text = Indented(text, prefix, indent, kMost);
    if (text.size() >= kMost) return c.Fail("the text is too long");
    if (!SpendText(c, text.size())) return Outcome::kHalt;
  }
  return GiveText(c, out, text);
}

// --- YAML ----------------------------------------------------------------------------------------

Outcome UnmarshalYaml(Context& c, Args args, Value& out) {
  std::string_view text;
  if (!TextArgument(c, args, text)) return Outcome::kError;
  if (!c.Spend(text.size() / 4 + 1)) return Outcome::kHalt;
  Result<Value> value = ParseGoYaml(text, c.arena);
  if (!value) return c.Fail(value.error().message());
  return Give(out, *value);
}

Outcome IsValidYaml(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return Give(out, false);
  if (!c.Spend(args[0].size() / 4 + 1)) return Outcome::kHalt;
  Arena arena;
  return Give(out, ParseGoYaml(args[0].AsString(), arena).has_value());
}

Outcome MarshalYaml(Context& c, Args args, Value& out) {
  std::string text = ToGoYaml(args[0]);
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  return GiveText(c, out, text);
}

// --- URLs ----------------------------------------------------------------------------------------

Outcome EncodeQuery(Context& c, Args args, Value& out) {
  std::string_view text;
  if (!TextArgument(c, args, text)) return Outcome::kError;
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  return GiveText(c, out, GoQueryEscape(text));
}

Result<std::string> QueryUnescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else if (i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 && HexDigit(text[i + 2]) >= 0) {
      out += static_cast<char>(HexDigit(text[i + 1]) << 4 | HexDigit(text[i + 2]));
      i += 2;
    } else {
      std::string message = "invalid URL escape ";
      AppendQuoted(message, text.substr(i, 3));
      return Error(Code::kInvalid, message);
    }
  }
  return out;
}

Outcome DecodeQuery(Context& c, Args args, Value& out) {
  std::string_view text;
  if (!TextArgument(c, args, text)) return Outcome::kError;
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  Result<std::string> decoded = QueryUnescape(text);
  if (!decoded) return c.Fail(decoded.error().message());
  return GiveText(c, out, *decoded);
}

Outcome EncodeQueryObject(Context& c, Args args, Value& out) {
  if (!args[0].IsMap()) return c.WrongType(1, args[0], "object");
  auto wrong = [&] {
    return c.BadOperand(1, "values must be string, array[string], or set[string]");
  };
  std::vector<std::pair<std::string, Value>> entries;
  for (const Value::Entry& entry : args[0].entries()) {
    entries.emplace_back(
        entry.key.IsString() ? std::string(entry.key.AsString()) : GoJson(entry.key), entry.value);
  }
  std::ranges::sort(entries, {}, &std::pair<std::string, Value>::first);
  std::string text;
  for (const auto& [key, value] : entries) {
    if (!value.IsString() && !value.IsArray() && !value.IsSet()) return wrong();
    std::span<const Value> values = value.IsString() ? std::span(&value, 1) : value.items();
    std::string escaped = GoQueryEscape(key) + "=";
    for (const Value& one : values) {
      if (!one.IsString()) return wrong();
      if (!text.empty()) text += '&';
      text += escaped + GoQueryEscape(one.AsString());
      if (!SpendText(c, escaped.size() + one.size())) return Outcome::kHalt;
    }
  }
  return GiveText(c, out, text);
}

Outcome DecodeQueryObject(Context& c, Args args, Value& out) {
  std::string_view text;
  if (!TextArgument(c, args, text)) return Outcome::kError;
  if (!c.Spend(text.size() / 8 + 1)) return Outcome::kHalt;
  std::vector<std::pair<std::string, std::string>> pairs;
  for (std::string_view part : Split(text, '&')) {
    if (part.empty()) continue;
    if (part.find(';') != part.npos) return c.Fail("invalid semicolon separator in query");
    auto cut = Cut(part, "=");
    Result<std::string> key = QueryUnescape(cut ? cut->first : part);
    if (!key) return c.Fail(key.error().message());
    Result<std::string> value = QueryUnescape(cut ? cut->second : "");
    if (!value) return c.Fail(value.error().message());
    pairs.emplace_back(std::move(*key), std::move(*value));
  }
  std::ranges::stable_sort(pairs, {}, &std::pair<std::string, std::string>::first);
  std::vector<Value::Entry> entries;
  for (size_t i = 0; i < pairs.size();) {
    std::vector<Value> values;
    size_t first = i;
    for (; i < pairs.size() && pairs[i].first == pairs[first].first; ++i) {
      values.push_back(Value::String(c.arena, pairs[i].second));
    }
    entries.push_back({Value::String(c.arena, pairs[first].first), Value::Array(c.arena, values)});
  }
  return Give(out, MapBuilder::FromUnique(c.arena, c.arena.Copy<Value::Entry>(entries)));
}

Outcome ParseUri(Context& c, Args args, Value& out) {
  std::string_view text;
  if (!TextArgument(c, args, text)) return Outcome::kError;
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  Result<GoUrl> url = GoUrl::Parse(text);
  if (!url) return c.Fail(url.error().message());
  MapBuilder map(c.arena);
  auto add = [&](std::string_view key, std::string_view value) {
    if (!value.empty()) map.Add(key, Value::String(c.arena, value));
  };
  size_t colon = url->host.rfind(':');
  std::string port = colon == std::string::npos ? "" : url->host.substr(colon + 1);
  if (!std::ranges::all_of(port, IsAsciiDigit)) port.clear();  // within the brackets of an IPv6
  add("fragment", url->fragment);
  add("hostname", url->HostName());
  add("path", url->path);
  add("port", port);
  if (!url->path.empty()) add("raw_path", url->raw_path.empty() ? url->path : url->raw_path);
  add("raw_query", url->raw_query);
  add("scheme", url->scheme);
  return Give(out, map.Finish());
}

Outcome IsValidUri(Context& c, Args args, Value& out) {
  if (!args[0].IsString() || args[0].empty()) return Give(out, false);
  if (!SpendText(c, args[0].size())) return Outcome::kHalt;
  return Give(out, GoUrl::Parse(args[0].AsString()).has_value());
}

constexpr Builtin kBuiltins[] = {
    {"base64.decode", "(x: string) -> string", DecodeBase64},
    {"base64.encode", "(x: string) -> string", EncodeBase64<Base64::kStandard, Padding::kYes>},
    {"base64.is_valid", "(x: string) -> boolean", IsValidBase64},
    {"base64url.decode", "(x: string) -> string", DecodeBase64Url},
    {"base64url.encode", "(x: string) -> string", EncodeBase64<Base64::kUrl, Padding::kYes>},
    {"base64url.encode_no_pad", "(x: string) -> string", EncodeBase64<Base64::kUrl, Padding::kNo>},
    {"hex.decode", "(x: string) -> string", DecodeHex},
    {"hex.encode", "(x: string) -> string", EncodeHex},
    {"json.is_valid", "(x: string) -> boolean", IsValidJson},
    {"json.marshal", "(x: any) -> string", MarshalJson},
    {"json.marshal_with_options",
     "(x: any, opts: object<\"indent\": string, \"prefix\": string, \"pretty\": boolean, string: "
     "any>) -> string",
     MarshalJsonWithOptions},
    {"json.unmarshal", "(x: string) -> any", UnmarshalJson},
    {"uri.is_valid", "(uri: string) -> boolean", IsValidUri},
    {"uri.parse", "(uri: string) -> object[string: string]", ParseUri},
    {"urlquery.decode", "(x: string) -> string", DecodeQuery},
    {"urlquery.decode_object", "(x: string) -> object[string: array[string]]", DecodeQueryObject},
    {"urlquery.encode", "(x: string) -> string", EncodeQuery},
    {"urlquery.encode_object",
     "(object: object[string: string | array[string] | set[string]]) -> string", EncodeQueryObject},
    {"yaml.is_valid", "(x: string) -> boolean", IsValidYaml},
    {"yaml.marshal", "(x: any) -> string", MarshalYaml},
    {"yaml.unmarshal", "(x: string) -> any", UnmarshalYaml},
};

}  // namespace

std::span<const Builtin> EncodingBuiltins() { return kBuiltins; }

}  // namespace bulwark::rego
