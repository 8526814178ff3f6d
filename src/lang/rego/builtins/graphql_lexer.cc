#include "lang/rego/builtins/graphql_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "lang/rego/builtins/go_text.h"

namespace bulwark::rego {

namespace {

// A byte as the code point of that number.
std::string ByteAsText(char c) {
  std::string out;
  AppendUtf8(out, static_cast<uint8_t>(c));
  return out;
}

// Where the first character stands that is no space; nothing if there is none.
std::optional<size_t> LeadingSpace(std::string_view line) {
  size_t at = line.find_first_not_of(" \t");
  if (at == std::string_view::npos) return std::nullopt;
  return at;
}

// The specification's BlockStringValue(), as far as gqlparser has it.
std::string BlockStringValue(std::string_view raw) {
  std::vector<std::string_view> lines = Split(raw, '\n');
  std::optional<size_t> common;
  for (std::string_view line : lines) {
    std::optional<size_t> indent = LeadingSpace(line);
    if (indent && (!common || *indent < *common)) common = indent;
  }
  if (common) {
    for (size_t i = 1; i < lines.size(); ++i) {
      lines[i] = lines[i].size() < *common ? std::string_view() : lines[i].substr(*common);
    }
  }
  size_t begin = 0;
  size_t end = lines.size();
  while (begin < end && !LeadingSpace(lines[begin])) ++begin;
  while (begin < end && !LeadingSpace(lines[end - 1])) --end;
  return Join(std::span(lines).subspan(begin, end - begin), "\n");
}

}  // namespace

std::string_view GqlTokenName(GqlTokenKind kind) {
  constexpr std::array<std::string_view, 22> kNames = {
      "<Invalid>", "<EOF>", "!",     "$",      "&",           "(",      ")", "...",
      ":",         "=",     "@",     "[",      "]",           "{",      "}", "|",
      "Name",      "Int",   "Float", "String", "BlockString", "Comment"};
  return kNames[static_cast<size_t>(kind)];
}

std::string GqlToken::Text() const {
  std::string out(GqlTokenName(kind));
  if (!value.empty()) out += " " + GoQuote(value);
  return out;
}

GqlToken GqlLexer::Made(GqlTokenKind kind, std::string value) const {
  return {.kind = kind,
          .value = std::move(value),
          .place = {line_, start_runes_ - line_start_runes_ + 1},
          .error = {}};
}

GqlToken GqlLexer::Wrong(std::string message) const {
  GqlPosition place{line_, end_runes_ - line_start_runes_ + 1};
  return {.kind = GqlTokenKind::kInvalid,
          .value = {},
          .place = place,
          .error = GqlError{place, std::move(message)}};
}

GqlToken GqlLexer::Next() {
  SkipSpace();
  start_ = end_;
  start_runes_ = end_runes_;
  if (end_ >= text_.size()) return Made(GqlTokenKind::kEof, "");
  char c = text_[start_];
  std::string_view rest = text_.substr(start_);
  Advance();
  switch (c) {
    case '!': return Made(GqlTokenKind::kBang, "");
    case '$': return Made(GqlTokenKind::kDollar, "");
    case '&': return Made(GqlTokenKind::kAmp, "");
    case '(': return Made(GqlTokenKind::kParenL, "");
    case ')': return Made(GqlTokenKind::kParenR, "");
    case ':': return Made(GqlTokenKind::kColon, "");
    case '=': return Made(GqlTokenKind::kEquals, "");
    case '@': return Made(GqlTokenKind::kAt, "");
    case '[': return Made(GqlTokenKind::kBracketL, "");
    case ']': return Made(GqlTokenKind::kBracketR, "");
    case '{': return Made(GqlTokenKind::kBraceL, "");
    case '}': return Made(GqlTokenKind::kBraceR, "");
    case '|': return Made(GqlTokenKind::kPipe, "");
    case '#': return ReadComment();
    case '.':
      if (rest.starts_with("...")) {
        Advance();
        Advance();
        return Made(GqlTokenKind::kSpread, "");
      }
      break;
    case '"': return rest.starts_with("\"\"\"") ? ReadBlockString() : ReadString();
    default:
      if (IsAsciiLetter(c) || c == '_') {
        while (end_ < text_.size() &&
               (IsAsciiLetter(text_[end_]) || IsAsciiDigit(text_[end_]) || text_[end_] == '_')) {
          Advance();
        }
        return Slice(GqlTokenKind::kName);
      }
      if (IsAsciiDigit(c) || c == '-') return ReadNumber();
  }
  --end_;
  --end_runes_;
  if (static_cast<uint8_t>(c) < 0x20) {
    return Wrong(
        fmt::format("Cannot contain the invalid character \"\\u{:04x}\"", static_cast<uint8_t>(c)));
  }
  if (c == '\'') {
    return Wrong("Unexpected single quote character ('), did you mean to use a double quote (\")?");
  }
  return Wrong(fmt::format("Cannot parse the unexpected character \"{}\".", ByteAsText(c)));
}

void GqlLexer::SkipSpace() {
  while (end_ < text_.size()) {
    switch (text_[end_]) {
      case '\t':
      case ' ':
      case ',': Advance(); break;
      case '\n':
        Advance();
        ++line_;
        line_start_runes_ = end_runes_;
        break;
      case '\r':
        Advance();
        ++line_;
        line_start_runes_ = end_runes_;
        if (end_ < text_.size() && text_[end_] == '\n') Advance();
        break;
      default:
        if (!text_.substr(end_).starts_with("\xef\xbb\xbf")) return;
        Advance(3);
    }
  }
}

GqlToken GqlLexer::ReadComment() {
  while (end_ < text_.size()) {
    CodePoint c = DecodeUtf8(text_, end_);
    if (c.value <= 0x1f && c.value != '\t') break;
    Advance(c.length);
  }
  return Slice(GqlTokenKind::kComment);
}

bool GqlLexer::Accept(std::string_view any) {
  if (end_ >= text_.size() || any.find(text_[end_]) == std::string_view::npos) return false;
  Advance();
  return true;
}

size_t GqlLexer::AcceptDigits() {
  size_t count = 0;
  while (end_ < text_.size() && IsAsciiDigit(text_[end_])) {
    Advance();
    ++count;
  }
  return count;
}

std::string GqlLexer::DescribeNext() const {
  return end_ < text_.size() ? "\"" + ByteAsText(text_[end_]) + "\"" : "<EOF>";
}

GqlToken GqlLexer::ReadNumber() {
  auto expected_digit = [&] {
    return Wrong("Invalid number, expected digit but got: " + DescribeNext() + ".");
  };
  --end_;
  --end_runes_;
  bool is_float = false;
  Accept("-");
  if (Accept("0")) {
    if (size_t digits = AcceptDigits(); digits != 0) {
      end_ -= digits;
      end_runes_ -= static_cast<int64_t>(digits);
      return Wrong("Invalid number, unexpected digit after 0: " + DescribeNext() + ".");
    }
  } else if (AcceptDigits() == 0) {
    return expected_digit();
  }
  if (Accept(".")) {
    is_float = true;
    if (AcceptDigits() == 0) return expected_digit();
  }
  if (Accept("eE")) {
    is_float = true;
    Accept("-+");
    if (AcceptDigits() == 0) return expected_digit();
  }
  return Slice(is_float ? GqlTokenKind::kFloat : GqlTokenKind::kInt);
}

GqlToken GqlLexer::ReadString() {
  ++start_;
  ++start_runes_;
  std::string value;
  while (end_ < text_.size()) {
    char c = text_[end_];
    if (c == '\n' || c == '\r') break;
    if (static_cast<uint8_t>(c) < 0x20 && c != '\t') {
      return Wrong(
          fmt::format("Invalid character within String: \"\\u{:04x}\".", static_cast<uint8_t>(c)));
    }
    if (c == '"') {
      GqlToken token = Made(GqlTokenKind::kString, std::move(value));
      Advance();
      return token;
    }
    if (c != '\\') {
      CodePoint point = DecodeUtf8(text_, end_);
      value += text_.substr(end_, point.length);
      Advance(point.length);
      continue;
    }
    if (end_ + 1 >= text_.size()) {
      Advance();
      return Wrong("Invalid character escape sequence.");
    }
    char escape = text_[end_ + 1];
    constexpr std::string_view kEscapes = "\"/\\bfnrt";
    constexpr std::string_view kMeant = "\"/\\\b\f\n\r\t";
    if (escape == 'u') {
      if (end_ + 6 >= text_.size()) {
        Advance();
        return Wrong(fmt::format("Invalid character escape sequence: \\{}.", text_.substr(end_)));
      }
      char32_t unit = 0;
      bool hex = true;
      for (char digit : text_.substr(end_ + 2, 4)) {
        char lower = AsciiLower(digit);
        hex = hex && (IsAsciiDigit(digit) || (lower >= 'a' && lower <= 'f'));
        unit =
            unit << 4 | static_cast<char32_t>(IsAsciiDigit(digit) ? digit - '0' : lower - 'a' + 10);
      }
      if (!hex) {
        Advance();
        return Wrong(
            fmt::format("Invalid character escape sequence: \\{}.", text_.substr(end_, 5)));
      }
      AppendUtf8(value, unit);
      end_ += 6;
      end_runes_ += 6;
    } else if (size_t at = kEscapes.find(escape); at != std::string_view::npos) {
      value += kMeant[at];
      Advance();
      Advance();
    } else {
      Advance();
      return Wrong(fmt::format("Invalid character escape sequence: \\{}.", ByteAsText(escape)));
    }
  }
  return Wrong("Unterminated string.");
}

GqlToken GqlLexer::ReadBlockString() {
  start_ += 3;
  start_runes_ += 3;
  end_ += 2;
  end_runes_ += 2;
  std::string value;
  while (end_ < text_.size()) {
    char c = text_[end_];
    if (c == '"') {
      size_t quotes = 1;
      while (end_ + quotes < text_.size() && text_[end_ + quotes] == '"') ++quotes;
      if (quotes >= 3) {
        // Of more than three, the last ones close.
        value.append(quotes - 3, '"');
        GqlToken token = Made(GqlTokenKind::kBlockString, BlockStringValue(value));
        end_ += quotes;
        end_runes_ += static_cast<int64_t>(quotes);
        return token;
      }
    }
    if (static_cast<uint8_t>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') {
      return Wrong(
          fmt::format("Invalid character within String: \"\\u{:04x}\".", static_cast<uint8_t>(c)));
    }
    if (text_.substr(end_).starts_with("\\\"\"\"")) {
      value += "\"\"\"";
      end_ += 4;
      end_runes_ += 4;
    } else if (c == '\r') {
      if (end_ + 1 < text_.size() && text_[end_ + 1] == '\n') Advance();
      value += '\n';
      Advance();
      ++line_;
      line_start_runes_ = end_runes_;
    } else {
      CodePoint point = DecodeUtf8(text_, end_);
      value += text_.substr(end_, point.length);
      Advance(point.length);
      if (c == '\n') {
        ++line_;
        line_start_runes_ = end_runes_;
      }
    }
  }
  return Wrong("Unterminated string.");
}

}  // namespace bulwark::rego
