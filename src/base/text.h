#pragma once

// Text: UTF-8, and the small string work that everybody needs.
//
// All text is UTF-8 in a std::string_view; a code point is a char32_t. Functions that take text
// which may be malformed say so; a malformed byte is then read as U+FFFD, one byte long. Pure
// functions: safe from any thread.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulwark {

// --- UTF-8 (RFC 3629: no surrogates, nothing above U+10FFFF, shortest form only) -----------------

inline constexpr char32_t kReplacement = 0xFFFD;

struct CodePoint {
  char32_t value;  // kReplacement where the bytes are malformed
  uint8_t length;  // in bytes; 1 where they are malformed
  bool valid;
};

// The code point that starts at `at` (< text.size()).
CodePoint DecodeUtf8(std::string_view text, size_t at);
// The offset of the first byte that belongs to no well-formed code point; npos if there is none.
size_t FirstInvalidUtf8(std::string_view text);
inline bool IsUtf8(std::string_view text) {
  return FirstInvalidUtf8(text) == std::string_view::npos;
}
bool IsAscii(std::string_view text);
// Appends a code point; U+FFFD for a surrogate or a number past U+10FFFF.
void AppendUtf8(std::string& out, char32_t code_point);
// How many code points; each malformed byte counts one.
size_t CountCodePoints(std::string_view text);
// The text with each malformed byte replaced by U+FFFD.
std::string ToValidUtf8(std::string_view text);

// for (CodePoint c : CodePoints(text)) ...
class CodePoints {
 public:
  explicit CodePoints(std::string_view text) : text_(text) {}
  class Iterator {
   public:
    Iterator(std::string_view text, size_t at) : text_(text), at_(at) {}
    CodePoint operator*() const { return DecodeUtf8(text_, at_); }
    Iterator& operator++() {
      at_ += DecodeUtf8(text_, at_).length;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return at_ != other.at_; }
    size_t offset() const { return at_; }

   private:
    std::string_view text_;
    size_t at_;
  };
  Iterator begin() const { return {text_, 0}; }
  Iterator end() const { return {text_, text_.size()}; }

 private:
  std::string_view text_;
};

// Terminal columns: 0 for combining marks and controls, 2 for East Asian wide and full-width
// characters and emoji (Unicode Standard Annex 11), else 1.
int DisplayWidth(char32_t code_point);
size_t DisplayWidth(std::string_view text);
// The longest beginning of text that is at most `columns` wide; with `ellipsis`, "…" stands in its
// last column where something was cut.
std::string TruncateToWidth(std::string_view text, size_t columns, bool ellipsis = true);

// --- ASCII ---------------------------------------------------------------------------------------

inline bool IsAsciiSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
inline bool IsAsciiDigit(char c) { return c >= '0' && c <= '9'; }
inline bool IsAsciiLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline char AsciiLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
inline char AsciiUpper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
std::string AsciiLower(std::string_view text);
std::string AsciiUpper(std::string_view text);
bool EqualsIgnoringCase(std::string_view a, std::string_view b);
// Without the white space (space, \t \n \v \f \r) at both ends.
std::string_view Trim(std::string_view text);
std::string_view TrimLeft(std::string_view text);
std::string_view TrimRight(std::string_view text);

// --- Splitting, joining, replacing ---------------------------------------------------------------

// "a,,b" on ',' gives "a", "", "b"; "" gives one empty field.
std::vector<std::string_view> Split(std::string_view text, char separator);
std::vector<std::string_view> Split(std::string_view text, std::string_view separator);
// The words between runs of white space; "" gives none.
std::vector<std::string_view> SplitWords(std::string_view text);
// Lines without their \n or \r\n; a last line need not end with one.
std::vector<std::string_view> SplitLines(std::string_view text);
// At the first separator: {"key", "a=b"} for "key=a=b" on '='. Nothing if there is none.
std::optional<std::pair<std::string_view, std::string_view>> Cut(std::string_view text,
                                                                 std::string_view separator);
std::string Join(std::span<const std::string> parts, std::string_view separator);
std::string Join(std::span<const std::string_view> parts, std::string_view separator);
std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to);

// --- Matching ------------------------------------------------------------------------------------

// A glob over a path: `?` is one character other than the separator, `*` any run of those, `**` any
// run at all; "**/" also matches nothing, so that "a/**/b" matches "a/b". `\` makes the next
// character literal. With separator '\0' there is no separator and * is **. The work is bounded by
// pattern × text.
bool GlobMatch(std::string_view pattern, std::string_view text, char separator = '/');

// The number of insertions, deletions and replacements of code points, and swaps of neighbours,
// between two texts; past `limit`, limit + 1.
size_t EditDistance(std::string_view a, std::string_view b, size_t limit = SIZE_MAX - 1);
// What was probably meant: the candidate nearest to `word`, at most a third of its length away;
// "" where none is.
std::string_view DidYouMean(std::string_view word, std::span<const std::string_view> candidates);

// --- Making strangers' text harmless where it is shown -------------------------------------------

// For a terminal: controls, escape sequences, bidirectional overrides and malformed bytes become
// visible escapes (\x1b, \u202e). Newlines and tabs stay with `keep_lines`, else become \n and \t.
std::string EscapeForTerminal(std::string_view text, bool keep_lines = false);
// One CSV field (RFC 4180), quoted where needed; a field that a spreadsheet would take for a
// formula (leading = + - @ tab or return) gets a leading apostrophe, unless it is a plain number.
std::string EscapeCsvField(std::string_view text);
// For HTML text and attribute values: & < > " ' escaped, malformed bytes and controls replaced.
std::string EscapeHtml(std::string_view text);
// The same for XML 1.0, whose attributes lose line breaks and tabs that are not escaped, and which
// has no way at all to write the last two code points of each plane: they become U+FFFD too.
std::string EscapeXml(std::string_view text);
// In double quotes, as JSON and Go spell it: for naming things in messages. Escapes what
// EscapeForTerminal does.
std::string Quote(std::string_view text);

}  // namespace bulwark
