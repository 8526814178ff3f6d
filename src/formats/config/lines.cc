// The formats that are read line by line: INI, dotenv, properties, ignore files.

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <map>

#include "base/text.h"
#include "formats/config/config.h"
#include "formats/config/errors.h"

namespace bulwark {

namespace {

using config_internal::CheckText;
using config_internal::SyntaxError;
using config_internal::WithoutBom;

// Takes lines off a text, and knows where each began.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}
  bool More() const { return next_ < text_.size(); }
  // Without its line break.
  std::string_view Next() {
    at_ = next_;
    size_t end = text_.find('\n', at_);
    next_ = end == std::string_view::npos ? text_.size() : end + 1;
    return text_.substr(at_, (end == std::string_view::npos ? text_.size() : end) - at_);
  }
  Error Bad(std::string_view message) const { return SyntaxError(text_, at_, message); }

 private:
  std::string_view text_;
  size_t at_ = 0, next_ = 0;
};

// What an INI value means: a finite number, a bool as Go's ParseBool spells it, else the text.
Value IniValue(std::string_view text, Arena& arena) {
  std::string copy(text);
  bool numeric = !copy.empty() &&
                 copy.find_first_not_of("0123456789+-.eExXaAbBcCdDfFpP") == std::string::npos &&
                 copy.find_first_of("0123456789") != std::string::npos;
  if (numeric) {
    char* end = nullptr;
    double number = std::strtod(copy.c_str(), &end);
    // A hexadecimal number without an exponent is text to Go, which Conftest is written in.
    bool hex = copy.find_first_of("xX") != std::string::npos;
    if (*end == '\0' && std::isfinite(number) &&
        (!hex || copy.find_first_of("pP") != std::string::npos)) {
      if (number == std::floor(number) && std::fabs(number) < 9e15) {
        return Value::Int(static_cast<int64_t>(number));
      }
      return Value::Double(number);
    }
  }
  for (std::string_view yes : {"t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return Value::Bool(true);
  }
  for (std::string_view no : {"f", "F", "false", "FALSE", "False"}) {
    if (text == no) return Value::Bool(false);
  }
  return Value::String(arena, text);
}

bool SurroundedBy(std::string_view text, char quote) {
  return text.size() >= 2 && text.front() == quote && text.find(quote, 1) == text.size() - 1;
}

// The value after the delimiter: quoted over several lines, continued after `\`, or to a comment.
Result<std::string> IniText(std::string_view rest, Lines& lines) {
  std::string_view line = TrimLeft(rest);
  if (line.empty()) return std::string();
  std::string_view quote;
  if (line.size() > 3 && line.starts_with("\"\"\"")) {
    quote = "\"\"\"";
  } else if (line.front() == '`') {
    quote = "`";
  }
  if (!quote.empty()) {
    std::string_view inner = line.substr(quote.size());
    if (size_t end = inner.rfind(quote); end != std::string_view::npos) {
      return std::string(inner.substr(0, end));
    }
    std::string value(inner);
    Error unclosed = lines.Bad(fmt::format("no closing {}", quote));
    while (lines.More()) {
      value += '\n';
      std::string_view next = lines.Next();
      if (size_t end = next.rfind(quote); end != std::string_view::npos) {
        value += next.substr(0, end);
        return value;
      }
      value += next;
    }
    return unclosed;
  }
  line = Trim(line);
  if (line.back() == '\\') {
    std::string value(line.substr(0, line.size() - 1));
    while (lines.More()) {
      std::string_view next = Trim(lines.Next());
      if (next.empty()) break;
      if (next.back() != '\\') {
        value += next;
        break;
      }
      value += next.substr(0, next.size() - 1);
    }
    return value;
  }
  if (size_t comment = line.find_first_of("#;"); comment != std::string_view::npos) {
    line = Trim(line.substr(0, comment));
  }
  if (SurroundedBy(line, '\'') || SurroundedBy(line, '"')) line = line.substr(1, line.size() - 2);
  return std::string(line);
}

struct IniKey {
  std::string_view name;
  size_t value;  // where what follows the delimiter begins
};

Result<IniKey> ReadIniKey(std::string_view line, const Lines& lines) {
  std::string_view quote;
  if (line.front() == '"') {
    quote = line.size() > 6 && line.starts_with("\"\"\"") ? "\"\"\"" : "\"";
  } else if (line.front() == '`') {
    quote = "`";
  }
  size_t from = 0, close = std::string_view::npos;
  if (!quote.empty()) {
    close = line.find(quote, quote.size());
    if (close == std::string_view::npos) return lines.Bad("no closing quote after the key");
    from = close + quote.size();
  }
  size_t delimiter = line.find_first_of("=:", from);
  if (delimiter == std::string_view::npos) return lines.Bad("expected = or : after the key");
  std::string_view name =
      quote.empty() ? line.substr(0, delimiter) : line.substr(quote.size(), close - quote.size());
  name = Trim(name);
  if (name.empty()) return lines.Bad("a key without a name");
  return IniKey{name, delimiter + 1};
}

// --- dotenv --------------------------------------------------------------------------------------

bool IsNameCharacter(char c) { return IsAsciiLetter(c) || IsAsciiDigit(c) || c == '_' || c == '.'; }

// `$NAME` and `${NAME}` replaced by what the file said before; `\$` is a dollar sign.
std::string ReplaceVariables(std::string_view text,
                             const std::map<std::string, std::string>& known) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '$') {
      out += '$';
      i += 2;
      continue;
    }
    if (text[i] != '$') {
      out += text[i++];
      continue;
    }
    size_t at = i + 1;
    bool brace = at < text.size() && text[at] == '{';
    at += brace;
    size_t name = at;
    while (at < text.size() &&
           ((text[at] >= 'A' && text[at] <= 'Z') || IsAsciiDigit(text[at]) || text[at] == '_')) {
      ++at;
    }
    std::string key(text.substr(name, at - name));
    if (key.empty()) {
      out += text[i++];
      continue;
    }
    if (at < text.size() && text[at] == '}') ++at;
    if (auto found = known.find(key); found != known.end()) out += found->second;
    i = at;
  }
  return out;
}

// The index of the quote that closes the one at `open`, `\` before it or not; npos if there is
// none.
size_t ClosingQuote(std::string_view text, size_t open) {
  for (size_t i = open + 1; i < text.size(); ++i) {
    if (text[i] == '\\' && text[open] == '"') {
      ++i;
    } else if (text[i] == text[open]) {
      return i;
    }
  }
  return std::string_view::npos;
}

std::string UnescapeDouble(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
    } else if (text[i + 1] == 'n') {
      out += '\n';
      ++i;
    } else if (text[i + 1] == 'r') {
      out += '\r';
      ++i;
    } else if (text[i + 1] == '$') {
      out += "\\$";  // ReplaceVariables() reads it
      ++i;
    } else {
      out += text[++i];
    }
  }
  return out;
}

}  // namespace

Result<Value> ParseIni(std::string_view text, Arena& arena, const ConfigLimits& limits) {
  BW_TRY(CheckText(text, limits));
  Lines lines(WithoutBom(text));
  std::vector<std::pair<std::string, MapBuilder>> sections;
  std::map<std::string, size_t, std::less<>> places;
  std::optional<size_t> current;  // none: before the first section, and in DEFAULT
  int counter = 1;
  while (lines.More()) {
    std::string_view line = TrimLeft(lines.Next());
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      size_t close = line.rfind(']');
      if (close == std::string_view::npos) return lines.Bad("a section without its ]");
      std::string name(line.substr(1, close - 1));
      if (name.empty()) return lines.Bad("a section without a name");
      counter = 1;
      current.reset();
      if (name == "DEFAULT") continue;
      auto [place, fresh] = places.try_emplace(name, sections.size());
      if (fresh) sections.emplace_back(name, MapBuilder(arena));
      current = place->second;
      continue;
    }
    IniKey key = BW_TRY(ReadIniKey(line, lines));
    std::string name = key.name == "-" ? fmt::format("#{}", counter++) : std::string(key.name);
    std::string value = BW_TRY(IniText(line.substr(key.value), lines));
    if (current) {
      sections[*current].second.Add(Value::String(arena, name), IniValue(value, arena));
    }
  }
  MapBuilder out(arena);
  for (auto& [name, keys] : sections) out.Add(Value::String(arena, name), keys.Finish());
  return out.Finish();
}

Result<Value> ParseDotenv(std::string_view text, Arena& arena, const ConfigLimits& limits) {
  BW_TRY(CheckText(text, limits));
  text = WithoutBom(text);
  std::map<std::string, std::string> known;
  size_t bytes = 0;
  for (size_t at = 0; at < text.size();) {
    // A line ends with \n, \r or both; a quoted value may go on over several.
    size_t end = std::min(text.find_first_of("\r\n", at), text.size());
    std::string_view line = Trim(text.substr(at, end - at));
    if (line.empty() || line.front() == '#') {
      at = end + 1;
      continue;
    }
    auto bad = [&](std::string_view message) { return SyntaxError(text, at, message); };
    if (line.starts_with("export") && line.size() > 6 && IsAsciiSpace(line[6])) {
      line = TrimLeft(line.substr(6));
      if (line.find_first_of("=:") == std::string_view::npos) {  // `export NAME` of one that is set
        if (!known.contains(std::string(line))) return bad("export of a variable that is not set");
        at = end + 1;
        continue;
      }
    }
    size_t length = 0;
    while (length < line.size() && IsNameCharacter(line[length])) ++length;
    std::string name(line.substr(0, length));
    std::string_view rest = TrimLeft(line.substr(length));
    bool colon = rest.starts_with(":") && length + 1 < line.size() && line[length] == ':' &&
                 IsAsciiSpace(rest[1]);
    if (name.empty() || !(rest.starts_with("=") || colon)) return bad("expected NAME=value");
    rest = TrimLeft(rest.substr(1));
    std::string value;
    if (!rest.empty() && (rest.front() == '"' || rest.front() == '\'')) {
      // The quote may close on a later line.
      size_t open = static_cast<size_t>(rest.data() - text.data());
      size_t close = ClosingQuote(text, open);
      if (close == std::string_view::npos) return SyntaxError(text, open, "no closing quote");
      end = std::min(text.find_first_of("\r\n", close), text.size());
      std::string_view after = Trim(text.substr(close + 1, end - close - 1));
      if (!after.empty() && after.front() != '#') {
        return SyntaxError(text, close + 1, "expected the end of the line after the quote");
      }
      std::string_view inner = text.substr(open + 1, close - open - 1);
      value =
          text[open] == '"' ? ReplaceVariables(UnescapeDouble(inner), known) : std::string(inner);
    } else {
      value = ReplaceVariables(Trim(rest.substr(0, rest.find('#'))), known);
    }
    // Variables that are made of each other grow without bound.
    bytes += value.size();
    if (bytes > limits.max_bytes) {
      return Error(Code::kLimit, "config.too_big", "variables expand to more than is allowed");
    }
    known[name] = std::move(value);
    at = end + 1;
  }
  MapBuilder out(arena);
  for (const auto& [name, value] : known) {
    out.Add(Value::String(arena, name), Value::String(arena, value));
  }
  return out.Finish();
}

namespace {

class PropertiesParser {
 public:
  explicit PropertiesParser(std::string_view text) : text_(text) {}

  Result<std::vector<std::pair<std::string, std::string>>> Run() {
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (IsBlank(c) || IsEnd(c)) {
        ++at_;
      } else if (c == '#' || c == '!') {
        while (at_ < text_.size() && !IsEnd(text_[at_])) ++at_;
      } else {
        BW_TRY(ReadPair());
      }
    }
    return std::move(pairs_);
  }

 private:
  static bool IsBlank(char c) { return c == ' ' || c == '\f' || c == '\t'; }
  static bool IsEnd(char c) { return c == '\n' || c == '\r'; }
  void SkipBlanks() {
    while (at_ < text_.size() && IsBlank(text_[at_])) ++at_;
  }

  Result<> ReadPair() {
    std::string key, value;
    while (at_ < text_.size() && !IsBlank(text_[at_]) && !IsEnd(text_[at_]) && text_[at_] != ':' &&
           text_[at_] != '=') {
      if (text_[at_] == '\\') {
        BW_TRY(ReadEscape(key));
      } else {
        key += text_[at_++];
      }
    }
    SkipBlanks();
    if (at_ < text_.size() && (text_[at_] == ':' || text_[at_] == '=')) ++at_;
    SkipBlanks();
    while (at_ < text_.size() && !IsEnd(text_[at_])) {
      if (text_[at_] != '\\') {
        value += text_[at_++];
      } else if (at_ + 1 < text_.size() && IsEnd(text_[at_ + 1])) {
        at_ += text_.substr(at_ + 1).starts_with("\r\n") ? 3 : 2;
        SkipBlanks();
      } else {
        BW_TRY(ReadEscape(value));
      }
    }
    pairs_.emplace_back(std::move(key), std::move(value));
    return Ok{};
  }

  Result<> ReadEscape(std::string& out) {
    size_t start = at_++;
    if (at_ == text_.size()) return SyntaxError(text_, start, "nothing after \\");
    char c = text_[at_++];
    if (c == 'u') {
      uint32_t code = 0;
      for (int i = 0; i < 4; ++i) {
        char digit = at_ < text_.size() ? AsciiLower(text_[at_++]) : '\0';
        bool hex = IsAsciiDigit(digit) || (digit >= 'a' && digit <= 'f');
        if (!hex) return SyntaxError(text_, start, "expected four hexadecimal digits after \\u");
        code =
            code * 16 + static_cast<uint32_t>(IsAsciiDigit(digit) ? digit - '0' : digit - 'a' + 10);
      }
      AppendUtf8(out, code);
      return Ok{};
    }
    constexpr std::string_view kFrom = "fnrt", kTo = "\f\n\r\t";
    size_t known = kFrom.find(c);
    out += known == std::string_view::npos ? c : kTo[known];
    return Ok{};
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<std::pair<std::string, std::string>> pairs_;
};

}  // namespace

Result<Value> ParseProperties(std::string_view text, Arena& arena, const ConfigLimits& limits) {
  BW_TRY(CheckText(text, limits));
  auto pairs = BW_TRY(PropertiesParser(WithoutBom(text)).Run());
  MapBuilder out(arena);
  for (const auto& [key, value] : pairs) {
    out.Add(Value::String(arena, key), Value::String(arena, value));
  }
  return out.Finish();
}

Result<Value> ParseIgnore(std::string_view text, Arena& arena, const ConfigLimits& limits) {
  BW_TRY(CheckText(text, limits));
  std::vector<Value> entries;
  for (std::string_view line : Split(text, '\n')) {
    // Spaces at the end count only after a backslash.
    size_t end = line.size();
    while (end > 0 && line[end - 1] == ' ') --end;
    if (end > 0 && end < line.size() && line[end - 1] == '\\') ++end;
    std::string_view stripped = line.substr(0, end);
    auto unescape = [&](std::string_view part) {
      std::string out;
      for (size_t i = 0; i < part.size(); ++i) {
        if (part[i] != '\\') {
          out += part[i];
        } else if (i + 1 < part.size() && part[i + 1] == '\\') {
          out += part[i++];
        }
      }
      return out;
    };
    std::string_view kind = "Path";
    std::string value;
    if (stripped.empty()) {
      kind = "Empty";
      value = line;
    } else if (line.front() == '#') {
      kind = "Comment";
      value = Trim(stripped.substr(1));
    } else if (line.front() == '!') {
      kind = "NegatedPath";
      value = unescape(stripped.substr(1));
    } else {
      value = unescape(stripped);
    }
    entries.push_back(MapBuilder(arena)
                          .Add("Kind", Value::String(kind))
                          .Add("Value", Value::String(arena, value))
                          .Add("Original", Value::String(arena, line))
                          .Finish());
  }
  Value file = Value::Array(arena, entries);
  return Value::Array(arena, std::span(&file, 1));
}

}  // namespace bulwark
