#include "features/admission/go_output.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "formats/json.h"

namespace bulwark::admission {

namespace {

// What Go calls a letter, as far as keys of objects go: ASCII, and all beyond it.
bool IsLetter(char32_t c) { return c >= 0x80 || IsAsciiLetter(static_cast<char>(c)); }
bool IsDigit(char32_t c) { return c >= '0' && c <= '9'; }

std::vector<const Value::Entry*> SortedByBytes(const Value& map) {
  std::vector<const Value::Entry*> out;
  for (const Value::Entry& entry : map.entries()) out.push_back(&entry);
  std::sort(out.begin(), out.end(),
            [](const auto* a, const auto* b) { return a->key.AsString() < b->key.AsString(); });
  return out;
}

// Keys as people count: a2 before a10 (yaml.v3's keyList).
bool NaturallyLess(std::string_view a_text, std::string_view b_text) {
  std::u32string a, b;
  for (CodePoint c : CodePoints(a_text)) a += c.value;
  for (CodePoint c : CodePoints(b_text)) b += c.value;
  bool digits = false;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (a[i] == b[i]) {
      digits = IsDigit(a[i]);
      continue;
    }
    bool a_letter = IsLetter(a[i]), b_letter = IsLetter(b[i]);
    if (a_letter && b_letter) return a[i] < b[i];
    if (a_letter || b_letter) return digits ? a_letter : b_letter;
    uint64_t an = 0, bn = 0;
    if (a[i] == '0' || b[i] == '0') {
      for (size_t j = i; j-- > 0 && IsDigit(a[j]);) {
        if (a[j] != '0') {
          an = bn = 1;
          break;
        }
      }
    }
    size_t ai = i, bi = i;
    for (; ai < a.size() && IsDigit(a[ai]); ++ai) an = an * 10 + (a[ai] - '0');
    for (; bi < b.size() && IsDigit(b[bi]); ++bi) bn = bn * 10 + (b[bi] - '0');
    if (an != bn) return an < bn;
    if (ai != bi) return ai < bi;
    return a[i] < b[i];
  }
  return a.size() < b.size();
}

// --- JSON ----------------------------------------------------------------------------------------

void AppendGoString(std::string& out, std::string_view text) {
  std::string plain;
  AppendJsonString(plain, text);
  for (size_t at = 0; at < plain.size();) {
    char c = plain[at];
    if (c == '<' || c == '>' || c == '&') {
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
      ++at;
    } else if (plain.compare(at, 3, "\xe2\x80\xa8") == 0 ||
               plain.compare(at, 3, "\xe2\x80\xa9") == 0) {
      out += plain[at + 2] == '\xa8' ? "\\u2028" : "\\u2029";
      at += 3;
    } else {
      out += c;
      ++at;
    }
  }
}

void Indent(std::string& out, int depth) {
  out += '\n';
  out.append(static_cast<size_t>(depth) * 4, ' ');
}

void AppendGoJson(std::string& out, const Value& value, int depth) {
  if (value.IsString()) return AppendGoString(out, value.AsString());
  bool map = value.IsMap();
  if (!map && !value.IsArray() && !value.IsSet()) return AppendJson(out, value);
  if (value.empty()) {
    out += map ? "{}" : "[]";
    return;
  }
  out += map ? '{' : '[';
  bool first = true;
  auto next = [&] {
    if (!first) out += ',';
    first = false;
    Indent(out, depth + 1);
  };
  if (map) {
    for (const Value::Entry* entry : SortedByBytes(value)) {
      next();
      AppendGoString(out, entry->key.AsString());
      out += ": ";
      AppendGoJson(out, entry->value, depth + 1);
    }
  } else {
    for (const Value& item : value.items()) {
      next();
      AppendGoJson(out, item, depth + 1);
    }
  }
  Indent(out, depth);
  out += map ? '}' : ']';
}

// --- YAML ----------------------------------------------------------------------------------------

// strconv.FormatFloat(f, 'g', -1, 64): %e where the exponent is below -4 or above 5.
std::string GoFloat(double number) {
  std::string text = fmt::format("{}", number);  // the shortest that reads back
  bool negative = text.starts_with('-');
  if (negative) text.erase(0, 1);
  int exponent = 0;
  if (size_t e = text.find('e'); e != std::string::npos) {
    exponent = std::stoi(text.substr(e + 1));
    text.resize(e);
  }
  size_t dot = text.find('.');
  std::string whole = text.substr(0, dot);
  std::string digits = whole + (dot == std::string::npos ? "" : text.substr(dot + 1));
  int point = static_cast<int>(whole.size()) + exponent;  // how many digits stand before it
  size_t leading = digits.find_first_not_of('0');
  if (leading == std::string::npos) return negative ? "-0" : "0";
  digits.erase(0, leading);
  point -= static_cast<int>(leading);
  while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
  int n = static_cast<int>(digits.size()), exp = point - 1;
  std::string out = negative ? "-" : "";
  if (exp < -4 || exp >= 6) {
    out += digits[0];
    if (n > 1) out += "." + digits.substr(1);
    return out + fmt::format("e{}{:02d}", exp < 0 ? '-' : '+', std::abs(exp));
  }
  if (point <= 0) return out + "0." + std::string(static_cast<size_t>(-point), '0') + digits;
  if (n <= point) return out + digits + std::string(static_cast<size_t>(point - n), '0');
  return out + digits.substr(0, static_cast<size_t>(point)) + "." +
         digits.substr(static_cast<size_t>(point));
}

// Whether yaml.v3 would read a plain text as something other than a string, or other readers would.
bool MeansSomethingElse(std::string_view text) {
  if (text.empty()) return true;
  constexpr std::string_view kWords[] = {
      "~",    "null", "Null", "NULL",  "true",  "True",  "TRUE",  "false", "False", "FALSE",
      "y",    "Y",    "yes",  "Yes",   "YES",   "on",    "On",    "ON",    "n",     "N",
      "no",   "No",   "NO",   "off",   "Off",   "OFF",   "<<",    ".nan",  ".NaN",  ".NAN",
      ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"};
  if (std::find(std::begin(kWords), std::end(kWords), text) != std::end(kWords)) return true;
  char first = text[0];
  if (!IsAsciiDigit(first) && first != '+' && first != '-' && first != '.') return false;
  static const RE2* const number = new RE2(
      R"([-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?0b[01_]+|[-+]?0o?[0-7_]+|)"
      R"([-+]?0x[0-9a-fA-F_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)");
  static const RE2* const date = new RE2(
      R"([0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(([Tt]|[ \t]+)[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]*)?)"
      R"(([ \t]*(Z|[-+][0-9]{1,2}(:?[0-9]{2})?))?)?)");
  return RE2::FullMatch(text, *number) || RE2::FullMatch(text, *date);
}

struct Analysis {
  bool plain = true, single = true, block = true, multiline = false;
};

// yaml_emitter_analyze_scalar, for block context.
Analysis Analyze(std::string_view text) {
  Analysis out;
  if (text.empty()) {
    out.plain = false;
    out.block = false;
    return out;
  }
  bool indicators = false, breaks = false, special = false;
  bool leading_space = false, leading_break = false, trailing_space = false, trailing_break = false;
  bool break_space = false, space_break = false;
  bool previous_space = false, previous_break = false, preceded_by_white = true;
  bool tab = false;
  if (text.starts_with("---") || text.starts_with("...")) indicators = true;
  auto white = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  for (size_t at = 0; at < text.size();) {
    CodePoint point = DecodeUtf8(text, at);
    size_t next = at + point.length;
    bool followed_by_white = next >= text.size() || white(text[next]);
    char32_t c = point.value;
    bool last = next >= text.size();
    if (at == 0) {
      if (c < 0x80 && std::string_view("#,[]{}&*!|>'\"%@`").find(static_cast<char>(c)) !=
                          std::string_view::npos) {
        indicators = true;
      }
      if ((c == '?' || c == ':' || c == '-') && followed_by_white) indicators = true;
    } else {
      if (c == ':' && followed_by_white) indicators = true;
      if (c == '#' && preceded_by_white) indicators = true;
    }
    bool is_break = c == '\n' || c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (c == '\t') {
      tab = true;
    } else if (!is_break &&
               (c < 0x20 || c == 0x7f || (c > 0x7f && c < 0xa0) || c == 0xfeff || !point.valid)) {
      special = true;
    }
    if (is_break) {
      breaks = true;
      out.multiline = true;
    }
    if (c == ' ') {
      if (at == 0) leading_space = true;
      if (last) trailing_space = true;
      if (previous_break) break_space = true;
      previous_space = true;
      previous_break = false;
    } else if (is_break) {
      if (at == 0) leading_break = true;
      if (last) trailing_break = true;
      if (previous_space) space_break = true;
      previous_space = false;
      previous_break = true;
    } else {
      previous_space = previous_break = false;
    }
    preceded_by_white = c == ' ' || c == '\t' || is_break;
    at = next;
  }
  if (leading_space || leading_break || trailing_space || trailing_break) out.plain = false;
  if (trailing_space) out.block = false;
  if (break_space) out.plain = out.single = false;
  if (space_break || tab || special) out.plain = out.single = false;
  if (space_break || special) out.block = false;
  if (breaks) out.plain = false;
  if (indicators) out.plain = false;
  return out;
}

void AppendDoubleQuoted(std::string& out, std::string_view text) {
  out += '"';
  for (size_t at = 0; at < text.size();) {
    CodePoint point = DecodeUtf8(text, at);
    switch (point.value) {
      case 0: out += "\\0"; break;
      case 7: out += "\\a"; break;
      case 8: out += "\\b"; break;
      case 9: out += "\\t"; break;
      case 10: out += "\\n"; break;
      case 11: out += "\\v"; break;
      case 12: out += "\\f"; break;
      case 13: out += "\\r"; break;
      case 27: out += "\\e"; break;
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case 0x85: out += "\\N"; break;
      case 0xa0: out += "\\_"; break;
      case 0x2028: out += "\\L"; break;
      case 0x2029: out += "\\P"; break;
      default:
        if (point.value < 0x20 || point.value == 0x7f) {
          out += fmt::format("\\x{:02X}", static_cast<uint32_t>(point.value));
        } else if (point.value == 0xfeff) {
          out += "\\uFEFF";
        } else {
          out += text.substr(at, point.length);
        }
    }
    at += point.length;
  }
  out += '"';
}

class YamlWriter {
 public:
  std::string out;

  // `indent` is that of the surrounding block, -1 at the top.
  void Node(const GoNode& node, int indent, bool in_list) {
    if (node.kind == GoNode::Kind::kData) return Data(node.value, indent, in_list, node.floats);
    if (node.fields.empty()) {
      out += node.kind == GoNode::Kind::kStruct ? " {}\n" : " []\n";
      return;
    }
    bool map = node.kind == GoNode::Kind::kStruct;
    int mine = Deeper(indent, in_list);
    bool first = true;
    for (const auto& [name, field] : node.fields) {
      Begin(mine, in_list && first, indent);
      first = false;
      if (map) {
        Text(name, mine, true);
        out += ':';
        Node(field, mine, false);
      } else {
        out += '-';
        Node(field, mine, true);
      }
    }
  }

 private:
  // Within a list the first step skips the "- "; everything else stands at multiples of four.
  static int Deeper(int indent, bool in_list) {
    if (indent < 0) return 0;
    return in_list ? indent + 2 : 4 * ((indent + 4) / 4);
  }

  // The first entry of a map in a list stands in the list's own line.
  void Begin(int indent, bool compact, int) {
    if (compact) {
      out += ' ';
      return;
    }
    if (!out.empty() && out.back() != '\n') out += '\n';
    out.append(static_cast<size_t>(indent), ' ');
  }

  void Data(const Value& value, int indent, bool in_list, bool floats) {
    if (value.IsMap() || value.IsArray() || value.IsSet()) {
      if (value.empty()) {
        out += value.IsMap() ? " {}\n" : " []\n";
        return;
      }
      int mine = Deeper(indent, in_list);
      bool first = true;
      if (value.IsMap()) {
        std::vector<const Value::Entry*> entries;
        for (const Value::Entry& entry : value.entries()) entries.push_back(&entry);
        std::sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) {
          return NaturallyLess(a->key.AsString(), b->key.AsString());
        });
        for (const Value::Entry* entry : entries) {
          Begin(mine, in_list && first, indent);
          first = false;
          Text(entry->key.AsString(), mine, true);
          out += ':';
          Data(entry->value, mine, false, floats);
        }
      } else {
        for (const Value& item : value.items()) {
          Begin(mine, in_list && first, indent);
          first = false;
          out += '-';
          Data(item, mine, true, floats);
        }
      }
      return;
    }
    out += ' ';
    if (value.IsString()) {
      Text(value.AsString(), indent, false);
    } else if (value.IsNull()) {
      out += "null";
    } else if (value.IsNumber() && (floats || !value.ToInt())) {
      out += GoFloat(value.ToDouble());
    } else {
      AppendJson(out, value);
    }
    if (out.back() != '\n') out += '\n';
  }

  void Text(std::string_view text, int indent, bool key) {
    Analysis analysis = Analyze(text);
    bool has_break = text.find('\n') != std::string_view::npos;
    if (has_break && !key && analysis.block) {
      size_t end = text.find_last_not_of('\n');
      size_t breaks = end == std::string_view::npos ? text.size() : text.size() - end - 1;
      out += '|';
      if (text[0] == ' ' || text[0] == '\n') out += '4';
      out += breaks == 0 ? "-" : breaks == 1 ? "" : "+";
      int mine = Deeper(indent, false);
      for (std::string_view line :
           Split(text.substr(0, text.size() - (breaks > 0 ? 1 : 0)), '\n')) {
        out += '\n';
        if (!line.empty()) out.append(static_cast<size_t>(mine), ' ');
        out += line;
      }
      out += '\n';
      return;
    }
    // What would be read as something else is quoted twice over from the beginning.
    if (MeansSomethingElse(text) || has_break || !analysis.single) {
      return AppendDoubleQuoted(out, text);
    }
    if (analysis.plain) {
      out += text;
      return;
    }
    out += '\'';
    out += ReplaceAll(text, "'", "''");
    out += '\'';
  }
};

}  // namespace

void AppendGoJson(std::string& out, const GoNode& node, int depth) {
  if (node.kind == GoNode::Kind::kData) return AppendGoJson(out, node.value, depth);
  bool map = node.kind == GoNode::Kind::kStruct;
  if (node.fields.empty()) {
    out += map ? "{}" : "[]";
    return;
  }
  out += map ? '{' : '[';
  for (size_t i = 0; i < node.fields.size(); ++i) {
    if (i > 0) out += ',';
    Indent(out, depth + 1);
    if (map) {
      AppendGoString(out, node.fields[i].first);
      out += ": ";
    }
    AppendGoJson(out, node.fields[i].second, depth + 1);
  }
  Indent(out, depth);
  out += map ? '}' : ']';
}

void AppendGoYamlItem(std::string& out, const GoNode& node, int indent) {
  YamlWriter writer;
  writer.out.append(static_cast<size_t>(indent), ' ');
  writer.out += '-';
  writer.Node(node, indent, true);
  out += writer.out;
}

std::string ToGoJson(const GoNode& node) {
  std::string out;
  AppendGoJson(out, node, 0);
  return out;
}

std::string ToGoYaml(const GoNode& node) {
  YamlWriter writer;
  writer.Node(node, -1, false);
  std::string out = std::move(writer.out);
  if (out.starts_with(' ')) out.erase(0, 1);
  return out;
}

}  // namespace bulwark::admission
