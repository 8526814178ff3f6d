#include "base/text.h"

#include <algorithm>
#include <cstring>

#include "base/unicode_width.h"

namespace bulwark {

namespace {

bool IsContinuation(char c) { return (static_cast<uint8_t>(c) & 0xc0) == 0x80; }

// The offset of the first byte at or after `at` that is not ASCII.
size_t SkipAscii(std::string_view text, size_t at) {
  while (at + 8 <= text.size()) {
    uint64_t eight = 0;
    std::memcpy(&eight, text.data() + at, 8);
    if ((eight & 0x8080808080808080U) != 0) break;
    at += 8;
  }
  while (at < text.size() && static_cast<uint8_t>(text[at]) < 0x80) ++at;
  return at;
}

}  // namespace

CodePoint DecodeUtf8(std::string_view text, size_t at) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  constexpr CodePoint kMalformed = {kReplacement, 1, false};
  size_t left = text.size() - at;
  if (lead < 0xc2 || lead > 0xf4) return kMalformed;
  uint8_t length = lead < 0xe0 ? 2 : (lead < 0xf0 ? 3 : 4);
  if (left < length) return kMalformed;
  char32_t value = lead & (0xff >> (length + 1));
  for (uint8_t i = 1; i < length; ++i) {
    if (!IsContinuation(text[at + i])) return kMalformed;
    value = value << 6 | (byte(i) & 0x3f);
  }
  if ((length == 3 && (value < 0x800 || (value >= 0xd800 && value < 0xe000))) ||
      (length == 4 && (value < 0x10000 || value > 0x10ffff))) {
    return kMalformed;
  }
  return {value, length, true};
}

size_t FirstInvalidUtf8(std::string_view text) {
  for (size_t at = SkipAscii(text, 0); at < text.size(); at = SkipAscii(text, at)) {
    do {
      CodePoint c = DecodeUtf8(text, at);
      if (!c.valid) return at;
      at += c.length;
    } while (at < text.size() && static_cast<uint8_t>(text[at]) >= 0x80);
  }
  return std::string_view::npos;
}

bool IsAscii(std::string_view text) { return SkipAscii(text, 0) == text.size(); }

void AppendUtf8(std::string& out, char32_t c) {
  if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) c = kReplacement;
  auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6);
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3f));
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

size_t CountCodePoints(std::string_view text) {
  size_t count = 0;
  for (auto it = CodePoints(text).begin(); it.offset() < text.size(); ++it) ++count;
  return count;
}

std::string ToValidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    CodePoint c = DecodeUtf8(text, at);
    if (c.valid) {
      out.append(text.substr(at, c.length));
    } else {
      AppendUtf8(out, kReplacement);
    }
    at += c.length;
  }
  return out;
}

namespace {

bool InTable(std::span<const CodePointRange> table, char32_t c) {
  auto after = std::upper_bound(table.begin(), table.end(), c,
                                [](char32_t x, const CodePointRange& r) { return x < r.first; });
  return after != table.begin() && c <= (after - 1)->last;
}

}  // namespace

int DisplayWidth(char32_t c) {
  if (c >= 0x20 && c < 0x7f) return 1;
  if (InTable(kNoWidth, c)) return 0;
  return InTable(kWide, c) ? 2 : 1;
}

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  for (CodePoint c : CodePoints(text)) width += static_cast<size_t>(DisplayWidth(c.value));
  return width;
}

std::string TruncateToWidth(std::string_view text, size_t columns, bool ellipsis) {
  size_t width = 0;
  size_t cut = 0;  // where to cut if an ellipsis must stand in the last column
  for (auto it = CodePoints(text).begin(); it.offset() < text.size(); ++it) {
    width += static_cast<size_t>(DisplayWidth((*it).value));
    if (width > columns) {
      if (!ellipsis || columns == 0) return std::string(text.substr(0, it.offset()));
      return std::string(text.substr(0, cut)) + "…";
    }
    if (width < columns) cut = it.offset() + (*it).length;
  }
  return std::string(text);
}

std::string AsciiLower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = AsciiLower(c);
  return out;
}

std::string AsciiUpper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = AsciiUpper(c);
  return out;
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return AsciiLower(x) == AsciiLower(y); });
}

std::string_view TrimLeft(std::string_view text) {
  while (!text.empty() && IsAsciiSpace(text.front())) text.remove_prefix(1);
  return text;
}

std::string_view TrimRight(std::string_view text) {
  while (!text.empty() && IsAsciiSpace(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view Trim(std::string_view text) { return TrimLeft(TrimRight(text)); }

std::vector<std::string_view> Split(std::string_view text, char separator) {
  return Split(text, std::string_view(&separator, 1));
}

std::vector<std::string_view> Split(std::string_view text, std::string_view separator) {
  std::vector<std::string_view> out;
  if (separator.empty()) return {text};
  while (true) {
    size_t at = text.find(separator);
    out.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + separator.size());
  }
}

std::vector<std::string_view> SplitWords(std::string_view text) {
  std::vector<std::string_view> out;
  for (text = TrimLeft(text); !text.empty(); text = TrimLeft(text)) {
    size_t length = 0;
    while (length < text.size() && !IsAsciiSpace(text[length])) ++length;
    out.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return out;
}

std::vector<std::string_view> SplitLines(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    size_t newline = text.find('\n');
    std::string_view line = text.substr(0, newline);
    text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
    if (line.ends_with('\r') && newline != std::string_view::npos) line.remove_suffix(1);
    out.push_back(line);
  }
  return out;
}

std::optional<std::pair<std::string_view, std::string_view>> Cut(std::string_view text,
                                                                 std::string_view separator) {
  size_t at = text.find(separator);
  if (at == std::string_view::npos) return std::nullopt;
  return std::pair(text.substr(0, at), text.substr(at + separator.size()));
}

namespace {

template <typename Part>
std::string JoinParts(std::span<const Part> parts, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i != 0) out += separator;
    out += parts[i];
  }
  return out;
}

}  // namespace

std::string Join(std::span<const std::string> parts, std::string_view separator) {
  return JoinParts(parts, separator);
}
std::string Join(std::span<const std::string_view> parts, std::string_view separator) {
  return JoinParts(parts, separator);
}

std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to) {
  if (from.empty()) return std::string(text);
  std::string out;
  for (size_t at = text.find(from); at != std::string_view::npos; at = text.find(from)) {
    out += text.substr(0, at);
    out += to;
    text.remove_prefix(at + from.size());
  }
  out += text;
  return out;
}

namespace {

// One step of a glob.
struct GlobToken {
  enum Kind : uint8_t { kLiteral, kAnyOne, kAnyRun, kAnything, kAnyFolders } kind;
  char literal;
};

std::vector<GlobToken> ReadGlob(std::string_view pattern, char separator) {
  std::vector<GlobToken> out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      out.push_back({GlobToken::kLiteral, pattern[++i]});
    } else if (c == '?') {
      out.push_back({GlobToken::kAnyOne, 0});
    } else if (c == '*') {
      size_t stars = 1;
      while (i + 1 < pattern.size() && pattern[i + 1] == '*') ++stars, ++i;
      bool starts_part = i + 1 == stars || pattern[i - stars] == separator;
      if (stars == 1 && separator != '\0') {
        out.push_back({GlobToken::kAnyRun, 0});
      } else if (separator != '\0' && starts_part && i + 1 < pattern.size() &&
                 pattern[i + 1] == separator) {
        out.push_back({GlobToken::kAnyFolders, 0});
        ++i;
      } else {
        out.push_back({GlobToken::kAnything, 0});
      }
    } else {
      out.push_back({GlobToken::kLiteral, c});
    }
  }
  return out;
}

}  // namespace

bool GlobMatch(std::string_view pattern, std::string_view text, char separator) {
  // All places in the pattern that the text so far can have led to, advanced a code point at a
  // time.
  std::vector<GlobToken> tokens = ReadGlob(pattern, separator);
  std::vector<char> now(tokens.size() + 1, 0);
  std::vector<char> next(tokens.size() + 1, 0);
  auto skip_empty = [&](std::vector<char>& places) {
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (places[i] != 0 && tokens[i].kind >= GlobToken::kAnyRun) places[i + 1] = 1;
    }
  };
  now[0] = 1;
  // A run inside "**/" that has not come to its separator yet must not be left.
  std::vector<char> inside(tokens.size() + 1, 0);
  std::vector<char> next_inside(tokens.size() + 1, 0);
  skip_empty(now);
  for (size_t at = 0; at < text.size();) {
    size_t length = DecodeUtf8(text, at).length;
    char c = text[at];
    bool whole = separator != '\0' && c == separator;
    std::fill(next.begin(), next.end(), 0);
    std::fill(next_inside.begin(), next_inside.end(), 0);
    bool alive = false;
    size_t consumed = length;
    // A literal is compared byte by byte, so multi-byte characters advance only on wildcards here.
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (now[i] == 0 && inside[i] == 0) continue;
      switch (tokens[i].kind) {
        case GlobToken::kLiteral:
          if (now[i] != 0 && length == 1 && tokens[i].literal == c) next[i + 1] = 1;
          if (now[i] != 0 && length > 1 && i + length <= tokens.size()) {
            bool equal = true;
            for (size_t k = 0; k < length; ++k) {
              equal = equal && tokens[i + k].kind == GlobToken::kLiteral &&
                      tokens[i + k].literal == text[at + k];
            }
            if (equal) next[i + length] = 1;
          }
          break;
        case GlobToken::kAnyOne:
          if (now[i] != 0 && !whole) next[i + 1] = 1;
          break;
        case GlobToken::kAnyRun:
          if (now[i] != 0 && !whole) next[i] = 1;
          break;
        case GlobToken::kAnything:
          if (now[i] != 0) next[i] = 1;
          break;
        case GlobToken::kAnyFolders:
          if (whole) {
            next[i] = 1;
          } else {
            next_inside[i] = 1;
          }
          break;
      }
    }
    skip_empty(next);
    for (size_t i = 0; i < next.size(); ++i) alive = alive || next[i] != 0 || next_inside[i] != 0;
    if (!alive) return false;
    now.swap(next);
    inside.swap(next_inside);
    at += consumed;
  }
  return now[tokens.size()] != 0;
}

size_t EditDistance(std::string_view a, std::string_view b, size_t limit) {
  std::vector<char32_t> left;
  std::vector<char32_t> right;
  for (CodePoint c : CodePoints(a)) left.push_back(c.value);
  for (CodePoint c : CodePoints(b)) right.push_back(c.value);
  size_t apart =
      left.size() > right.size() ? left.size() - right.size() : right.size() - left.size();
  if (apart > limit) return limit + 1;
  // The rows of the table of distances between beginnings of both.
  std::vector<size_t> above(right.size() + 1);
  std::vector<size_t> two_above(right.size() + 1);
  std::vector<size_t> row(right.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= left.size(); ++i) {
    two_above.swap(above);
    above.swap(row);
    size_t least = row[0] = i;
    for (size_t j = 1; j <= right.size(); ++j) {
      row[j] =
          std::min({above[j - 1] + (left[i - 1] != right[j - 1]), above[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]) {
        row[j] = std::min(row[j], two_above[j - 2] + 1);
      }
      least = std::min(least, row[j]);
    }
    if (least > limit) return limit + 1;
  }
  return std::min(row.back(), limit + 1);
}

std::string_view DidYouMean(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  size_t least = std::max<size_t>(1, CountCodePoints(word) / 3) + 1;
  for (std::string_view candidate : candidates) {
    size_t distance = EditDistance(AsciiLower(word), AsciiLower(candidate), least);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

namespace {

void AppendHex(std::string& out, uint32_t value, int digits) {
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
    out += "0123456789abcdef"[value >> shift & 15];
  }
}

// Marks that reorder or hide what is around them: bidirectional controls, line and paragraph
// separators, byte order mark, tags.
bool Deceives(char32_t c) {
  return (c >= 0x80 && c < 0xa0) || c == 0x61c || (c >= 0x200b && c <= 0x200f && c != 0x200d) ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff ||
         (c >= 0xe0000 && c <= 0xe007f);
}

// With `quoted`, also what a double-quoted string must escape.
void AppendEscaped(std::string& out, std::string_view text, bool keep_lines, bool quoted) {
  size_t at = 0;
  while (at < text.size()) {
    CodePoint c = DecodeUtf8(text, at);
    auto byte = static_cast<uint8_t>(text[at]);
    if (!c.valid || c.value == 0x7f ||
        (c.value < 0x20 && c.value != '\n' && c.value != '\t' && c.value != '\r')) {
      out += "\\x";
      AppendHex(out, byte, 2);
    } else if (c.value < 0x20) {
      if (keep_lines && c.value != '\r') {
        out += text[at];
      } else {
        out += c.value == '\n' ? "\\n" : (c.value == '\t' ? "\\t" : "\\r");
      }
    } else if (quoted && (byte == '"' || byte == '\\')) {
      out += '\\';
      out += text[at];
    } else if (Deceives(c.value)) {
      out += c.value > 0xffff ? "\\U" : "\\u";
      AppendHex(out, c.value, c.value > 0xffff ? 8 : 4);
    } else {
      out += text.substr(at, c.length);
    }
    at += c.length;
  }
}

}  // namespace

std::string EscapeForTerminal(std::string_view text, bool keep_lines) {
  std::string out;
  AppendEscaped(out, text, keep_lines, false);
  return out;
}

std::string Quote(std::string_view text) {
  std::string out = "\"";
  AppendEscaped(out, text, false, true);
  out += '"';
  return out;
}

std::string EscapeCsvField(std::string_view text) {
  auto is_number = [](std::string_view s) {
    if (!s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
    size_t points = 0;
    for (char c : s) {
      points += c == '.';
      if (!IsAsciiDigit(c) && c != '.') return false;
    }
    return !s.empty() && points <= 1 && s != ".";
  };
  bool formula = !text.empty() &&
                 std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos &&
                 !is_number(text);
  bool quote = text.find_first_of(",\"\r\n") != std::string_view::npos ||
               (!text.empty() && (text.front() == ' ' || text.back() == ' '));
  std::string out = formula ? "'" : "";
  out += quote ? ReplaceAll(text, "\"", "\"\"") : std::string(text);
  return quote ? '"' + out + '"' : out;
}

namespace {

std::string EscapeMarkup(std::string_view text, bool xml) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    CodePoint c = DecodeUtf8(text, at);
    std::string_view escape;
    switch (c.value) {
      case '&': escape = "&amp;"; break;
      case '<': escape = "&lt;"; break;
      case '>': escape = "&gt;"; break;
      case '"': escape = "&quot;"; break;
      case '\'': escape = xml ? "" : "&#39;"; break;
      case '\n': escape = xml ? "&#10;" : ""; break;
      case '\t': escape = xml ? "&#9;" : ""; break;
      default: break;
    }
    bool control = c.value < 0x20 || (c.value >= 0x7f && c.value < 0xa0);
    bool space = !xml && c.value < 0x20 && IsAsciiSpace(static_cast<char>(c.value));
    if (!escape.empty()) {
      out += escape;
    } else if (!c.valid || (control && !space) || (xml && (c.value & 0xfffe) == 0xfffe)) {
      AppendUtf8(out, kReplacement);
    } else {
      out += text.substr(at, c.length);
    }
    at += c.length;
  }
  return out;
}

}  // namespace

std::string EscapeHtml(std::string_view text) { return EscapeMarkup(text, false); }
std::string EscapeXml(std::string_view text) { return EscapeMarkup(text, true); }

}  // namespace bulwark
