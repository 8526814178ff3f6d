#include "formats/yaml_render.h"

#include <algorithm>

#include "base/text.h"
#include "formats/json.h"
#include "formats/yaml.h"

namespace bulwark::yaml {

namespace {

// A text that means itself without quotes, wherever it stands. Narrower than YAML's own rule.
bool IsPlain(std::string_view text, bool flow) {
  if (text.empty() || text.size() > 500) return false;
  if (!IsAsciiLetter(text[0]) && !IsAsciiDigit(text[0]) && text[0] != '/' && text[0] != '_' &&
      text[0] != '.' && text[0] != '$' && static_cast<uint8_t>(text[0]) < 0x80) {
    return false;
  }
  if (text.back() == ' ' || text.back() == ':') return false;
  if (!ResolveYamlScalar(text).IsString() || text.starts_with("...")) return false;
  for (size_t at = 0; at < text.size();) {
    CodePoint c = DecodeUtf8(text, at);
    char next = at + 1 < text.size() ? text[at + 1] : ' ';
    if (!c.valid || c.value < 0x20 || (c.value >= 0x7f && c.value < 0xa1)) return false;
    // Line separators, formats, private use: what an eye could not tell from nothing.
    if (c.value >= 0x2000 &&
        (DisplayWidth(c.value) == 0 || c.value == 0x2028 || c.value == 0x2029 ||
         (c.value >= 0xe000 && c.value < 0xf900) || c.value > 0xfffd)) {
      return false;
    }
    if (text[at] == ':' && (next == ' ' || flow)) return false;
    if (text[at] == ' ' && next == '#') return false;
    if (flow && std::string_view(",[]{}").find(text[at]) != std::string_view::npos) return false;
    at += c.length;
  }
  return true;
}

// Single quotes hold everything that is on one line and can be seen.
bool IsVisible(std::string_view text) {
  for (CodePoint c : CodePoints(text)) {
    if (!c.valid || c.value < 0x20 || (c.value >= 0x7f && c.value < 0xa0) ||
        DisplayWidth(c.value) == 0 || c.value == 0x2028 || c.value == 0x2029 ||
        (c.value >= 0xe000 && c.value < 0xf900) || c.value == 0xfffe || c.value == 0xffff) {
      return false;
    }
  }
  return true;
}

std::string DoubleQuoted(std::string_view text) {
  std::string out = "\"";
  for (CodePoint c : CodePoints(text)) {
    std::string spelled;
    AppendUtf8(spelled, c.value);
    if (c.value == '"' || c.value == '\\') {
      out += '\\' + spelled;
    } else if (c.value == '\n') {
      out += "\\n";
    } else if (c.value == '\t') {
      out += "\\t";
    } else if (c.value == '\r') {
      out += "\\r";
    } else if (IsVisible(spelled) || c.value > 0xffff) {
      out += spelled;
    } else {
      out += "\\u";
      for (int shift = 12; shift >= 0; shift -= 4) {
        out += "0123456789abcdef"[static_cast<uint32_t>(c.value) >> shift & 15];
      }
    }
  }
  return out + '"';
}

std::string RenderString(std::string_view text, Quotes quotes, bool flow) {
  if (quotes == Quotes::kAsNeeded) {
    if (IsPlain(text, flow)) return std::string(text);
    quotes = Quotes::kDouble;
  }
  if (quotes == Quotes::kSingle && IsVisible(text)) {
    return "'" + ReplaceAll(text, "'", "''") + "'";
  }
  return DoubleQuoted(text);
}

}  // namespace

bool IsInline(const Value& value) {
  bool collection = value.IsMap() || value.IsArray() || value.IsSet();
  return !collection || value.empty();
}

std::string RenderScalar(const Value& value, Quotes quotes, bool flow) {
  if (value.IsString()) return RenderString(value.AsString(), quotes, flow);
  std::string json = ToJson(value);
  // What JSON has no type for is a string there.
  if (!json.starts_with('"')) return json;
  return RenderString(std::string_view(json).substr(1, json.size() - 2), quotes, flow);
}

std::string RenderKey(std::string_view key, Quotes quotes, bool flow) {
  return RenderString(key, quotes, flow);
}

std::string RenderFlow(const Value& value, const RenderStyle& style, bool lines, size_t indent) {
  Quotes quotes = style.json ? Quotes::kDouble : Quotes::kAsNeeded;
  if (IsInline(value)) return RenderScalar(value, quotes, true);
  std::string separator(style.newline);
  size_t inner = indent + static_cast<size_t>(style.width);
  separator.append(inner, ' ');
  std::string out = value.IsMap() ? "{" : "[";
  bool first = true;
  auto next = [&] {
    if (!first) out += lines ? "," : ", ";
    if (lines) out += separator;
    first = false;
  };
  for (const Value::Entry& entry : value.entries()) {
    next();
    out += RenderKey(entry.key.AsString(), quotes, true) + ": ";
    out += RenderFlow(entry.value, style, lines, inner);
  }
  for (const Value& item : value.items()) {
    next();
    out += RenderFlow(item, style, lines, inner);
  }
  if (lines) {
    out += style.newline;
    out.append(indent, ' ');
  }
  return out + (value.IsMap() ? '}' : ']');
}

std::string RenderBlock(const Value& value, const RenderStyle& style, size_t indent) {
  std::string out;
  auto next = [&] {
    if (out.empty()) return;
    out += style.newline;
    out.append(indent, ' ');
  };
  for (const Value::Entry& entry : value.entries()) {
    next();
    out += RenderBlockEntry(entry.key.AsString(), entry.value, style, indent);
  }
  for (const Value& item : value.items()) {
    next();
    out += RenderBlockItem(item, style, indent);
  }
  return out;
}

std::string RenderBlockEntry(std::string_view key, const Value& value, const RenderStyle& style,
                             size_t indent) {
  std::string out = RenderKey(key, Quotes::kAsNeeded, false) + ":";
  if (IsInline(value)) return out + " " + RenderScalar(value, Quotes::kAsNeeded, false);
  bool deeper = value.IsMap() || style.indent_sequences;
  size_t inner = indent + (deeper ? static_cast<size_t>(style.width) : 0);
  out += style.newline;
  out.append(inner, ' ');
  return out + RenderBlock(value, style, inner);
}

std::string RenderBlockItem(const Value& value, const RenderStyle& style, size_t indent) {
  if (IsInline(value)) return "- " + RenderScalar(value, Quotes::kAsNeeded, false);
  return "- " + RenderBlock(value, style, indent + 2);
}

}  // namespace bulwark::yaml
