#include "formats/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/text.h"
#include "formats/document_builder.h"

namespace bulwark {

namespace {

Error ErrorAt(std::string_view text, size_t offset, Origin origin, Code code, const char* id,
              const std::string& message) {
  Position at = PositionAt(text, offset, origin);
  std::string line = std::to_string(at.line);
  std::string column = std::to_string(at.column);
  return Error(code, id, "line " + line + ", column " + column + ": " + message,
               {{"line", line}, {"column", column}, {"problem", message}});
}

// True for the bytes that a string's plain run cannot hold: quote, backslash, controls.
bool EndsRun(char c) { return c == '"' || c == '\\' || static_cast<uint8_t>(c) < 0x20; }

// The first such byte; eight at a time (a byte is flagged where subtracting borrows).
const char* SkipRun(const char* at, const char* end) {
  constexpr uint64_t kOnes = 0x0101010101010101U;
  constexpr uint64_t kHighs = 0x8080808080808080U;
  while (end - at >= 8) {
    uint64_t eight = 0;
    std::memcpy(&eight, at, 8);
    uint64_t quotes = eight ^ (kOnes * '"');
    uint64_t slashes = eight ^ (kOnes * '\\');
    uint64_t stop = ((quotes - kOnes) & ~quotes) | ((slashes - kOnes) & ~slashes) |
                    ((eight - kOnes * 0x20) & ~eight);
    if ((stop & kHighs) != 0) break;
    at += 8;
  }
  while (at != end && !EndsRun(*at)) ++at;
  return at;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

class Parser {
 public:
  Parser(std::string_view text, Arena& arena, const JsonOptions& options, SourceMap* positions)
      : text_(text),
        at_(text.data()),
        end_(text.data() + text.size()),
        arena_(arena),
        options_(options),
        positions_(positions),
        builder_(arena, positions, options.drop_nulls) {}

  Result<Value> Parse() {
    size_t limit = std::min<size_t>(options_.max_bytes, UINT32_MAX - options_.origin.offset);
    if (text_.size() > limit) {
      return Error(Code::kLimit, "json.too_big",
                   "a JSON text of " + std::to_string(text_.size()) + " bytes, more than the " +
                       std::to_string(limit) + " that are allowed",
                   {{"bytes", std::to_string(text_.size())}, {"limit", std::to_string(limit)}});
    }
    if (size_t bad = FirstInvalidUtf8(text_); bad != std::string_view::npos) {
      return ErrorAt(text_, bad, options_.origin, Code::kInvalid, "json.utf8",
                     "the text is not UTF-8");
    }
    if (positions_ != nullptr) positions_->Begin(text_, options_.origin);
    BW_TRY(Document());
    if (positions_ != nullptr) {
      positions_->SetRoot(builder_.range(0));
      positions_->Finish();
    }
    return builder_.slot(0);
  }

 private:
  struct Frame {
    bool map;
    size_t first;    // of its slots
    uint32_t begin;  // offset of its bracket
  };

  // One turn a value: open brackets and keys before it, commas and closing brackets after.
  Result<> Document() {
    while (true) {
      SkipSpace();
      if (at_ == end_) return Unexpected("a value");
      uint32_t begin = Offset();
      if (*at_ == '{' || *at_ == '[') {
        if (frames_.size() >= options_.max_depth) return TooDeep();
        bool map = *at_++ == '{';
        frames_.push_back({map, builder_.size(), begin});
        SkipSpace();
        if (at_ == end_ || *at_ != (map ? '}' : ']')) {
          if (map) BW_TRY(Key("a key or '}'"));
          continue;
        }
        ++at_;
        BW_TRY(Close());
      } else {
        BW_TRY(Scalar());
      }
      bool again = BW_TRY(AfterValue());
      if (!again) return Ok{};
    }
  }

  // Commas and closing brackets. True if a value must follow; false at the end of the text.
  Result<bool> AfterValue() {
    while (true) {
      SkipSpace();
      if (frames_.empty()) {
        if (at_ != end_) return Unexpected("the end of the text");
        return false;
      }
      bool map = frames_.back().map;
      if (at_ != end_ && *at_ == ',') {
        ++at_;
        if (map) BW_TRY(Key("a key"));
        return true;
      }
      if (at_ == end_ || *at_ != (map ? '}' : ']')) {
        return Unexpected(map ? "',' or '}' after a map's value" : "',' or ']' after an item");
      }
      ++at_;
      BW_TRY(Close());
    }
  }

  Result<> Key(const char* expected) {
    SkipSpace();
    if (at_ == end_ || *at_ != '"') return Unexpected(expected);
    BW_TRY(String());
    SkipSpace();
    if (at_ == end_ || *at_ != ':') return Unexpected("':' after a key");
    ++at_;
    return Ok{};
  }

  Result<> Scalar() {
    const char* begin = at_;
    switch (*at_) {
      case '"': return String();
      case 't': return Word("true", Value::Bool(true));
      case 'f': return Word("false", Value::Bool(false));
      case 'n': return Word("null", Value::Null());
      default: break;
    }
    if (*at_ != '-' && !IsAsciiDigit(*at_)) return Unexpected("a value");
    if (*at_ == '-') ++at_;
    const char* digits = at_;
    SkipDigits();
    if (at_ == digits) return Unexpected("a digit after '-'");
    if (*digits == '0' && at_ - digits > 1) {
      at_ = digits + 1;
      return Unexpected("no digit after a leading zero");
    }
    if (at_ != end_ && *at_ == '.') {
      const char* point = at_++;
      SkipDigits();
      if (at_ == point + 1) return Unexpected("a digit after the point");
    }
    if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
      ++at_;
      if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
      const char* exponent = at_;
      SkipDigits();
      if (at_ == exponent) return Unexpected("a digit in the exponent");
    }
    Value number = JsonNumber({begin, static_cast<size_t>(at_ - begin)});
    if (number.IsDecimal()) number = Value::Decimal(Keep(number.AsString()));
    Push(number, begin);
    return Ok{};
  }

  Result<> Word(std::string_view word, Value value) {
    const char* begin = at_;
    if (std::string_view(at_, static_cast<size_t>(end_ - at_)).starts_with(word)) {
      at_ += word.size();
      if (at_ == end_ || !(IsAsciiLetter(*at_) || IsAsciiDigit(*at_))) {
        Push(value, begin);
        return Ok{};
      }
    }
    at_ = begin;
    return Unexpected("a value");
  }

  Result<> String() {
    const char* begin = at_++;
    at_ = SkipRun(at_, end_);
    if (at_ != end_ && *at_ == '"') [[likely]] {
      std::string_view run(begin + 1, static_cast<size_t>(at_++ - begin - 1));
      Push(Value::String(Keep(run)), begin);
      return Ok{};
    }
    // With escapes: the decoded text is never longer than its spelling.
    const char* close = at_;
    while (close != end_ && *close != '"') {
      close += *close == '\\' && end_ - close > 1 ? 2 : 1;
      close = SkipRun(close, end_);
      if (close != end_ && static_cast<uint8_t>(*close) < 0x20) break;
    }
    char* const decoded = static_cast<char*>(arena_.Allocate(close - begin, 1));
    char* to = decoded;
    const char* from = begin + 1;
    while (true) {
      std::memcpy(to, from, at_ - from);
      to += at_ - from;
      if (at_ == end_) return Unexpected("a closing quote");
      if (*at_ == '"') break;
      if (*at_ != '\\') return Unexpected("no control character in a string (spell it \\u00xx)");
      BW_TRY(Escape(to));
      from = at_;
      at_ = SkipRun(at_, end_);
    }
    ++at_;
    Push(Value::String({decoded, static_cast<size_t>(to - decoded)}), begin);
    return Ok{};
  }

  Result<> Escape(char*& to) {
    const char* begin = at_++;
    if (at_ == end_) return Unexpected("an escape");
    switch (*at_++) {
      case '"': *to++ = '"'; return Ok{};
      case '\\': *to++ = '\\'; return Ok{};
      case '/': *to++ = '/'; return Ok{};
      case 'b': *to++ = '\b'; return Ok{};
      case 'f': *to++ = '\f'; return Ok{};
      case 'n': *to++ = '\n'; return Ok{};
      case 'r': *to++ = '\r'; return Ok{};
      case 't': *to++ = '\t'; return Ok{};
      case 'u': break;
      default:
        at_ = begin;
        return Unexpected("one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u");
    }
    char32_t c = BW_TRY(FourDigits(begin));
    if (c >= 0xd800 && c < 0xe000) {
      bool pair = c < 0xdc00 && end_ - at_ >= 6 && at_[0] == '\\' && at_[1] == 'u';
      char32_t low = 0;
      if (pair) {
        at_ += 2;
        low = BW_TRY(FourDigits(begin));
      }
      if (low < 0xdc00 || low >= 0xe000) {
        at_ = begin;
        return Unexpected("no lone surrogate");
      }
      c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    std::string utf8;
    AppendUtf8(utf8, c);
    std::memcpy(to, utf8.data(), utf8.size());
    to += utf8.size();
    return Ok{};
  }

  Result<char32_t> FourDigits(const char* escape) {
    char32_t c = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      int digit = at_ == end_ ? -1 : HexDigit(*at_);
      if (digit < 0) {
        at_ = escape;
        return Unexpected("four hexadecimal digits after \\u");
      }
      c = c << 4 | static_cast<char32_t>(digit);
    }
    return c;
  }

  Result<> Close() {
    Frame frame = frames_.back();
    frames_.pop_back();
    SourceMap::Range range = {frame.begin, Offset()};
    if (!frame.map) {
      builder_.CloseArray(frame.first, range);
    } else if (auto twice = builder_.CloseMap(frame.first, range, options_.duplicate_keys)) {
      return ErrorAt(
          text_, builder_.range(*twice).begin, options_.origin, Code::kInvalid,
          "json.duplicate_key",
          "the key " + Quote(builder_.slot(*twice).AsString()) + " stands here a second time");
    }
    return Ok{};
  }

  void Push(Value value, const char* begin) {
    builder_.Push(value, {static_cast<uint32_t>(begin - text_.data()), Offset()});
  }

  std::string_view Keep(std::string_view text) {
    return options_.borrow_text ? text : arena_.Copy(text);
  }

  void SkipSpace() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }
  void SkipDigits() {
    while (at_ != end_ && IsAsciiDigit(*at_)) ++at_;
  }
  uint32_t Offset() const { return static_cast<uint32_t>(at_ - text_.data()); }

  Error Unexpected(const char* expected) const {
    std::string found = "the end of the text";
    if (at_ != end_) {
      found = Quote(text_.substr(Offset(), DecodeUtf8(text_, Offset()).length));
    }
    return ErrorAt(text_, Offset(), options_.origin, Code::kInvalid, "json.syntax",
                   std::string("expected ") + expected + ", found " + found);
  }
  Error TooDeep() const {
    return ErrorAt(text_, Offset(), options_.origin, Code::kLimit, "json.too_deep",
                   "nested deeper than the " + std::to_string(options_.max_depth) +
                       " levels that are allowed");
  }

  std::string_view text_;
  const char* at_;
  const char* const end_;
  Arena& arena_;
  const JsonOptions& options_;
  SourceMap* positions_;
  std::vector<Frame> frames_;
  DocumentBuilder builder_;
};

// The significant digits of a number's spelling and the power of ten of the last: 1.50e3 → "15", 2.
struct Spelling {
  std::string digits;
  int64_t exponent = 0;
  friend bool operator==(const Spelling&, const Spelling&) = default;
};

Spelling Spell(std::string_view number) {
  Spelling out;
  size_t at = number.starts_with('-') ? 1 : 0;
  bool fraction = false;
  for (; at < number.size() && (number[at] | 0x20) != 'e'; ++at) {
    if (number[at] == '.') {
      fraction = true;
      continue;
    }
    if (fraction) --out.exponent;
    if (!out.digits.empty() || number[at] != '0') out.digits += number[at];
  }
  if (at < number.size()) {
    at += number[at + 1] == '+' ? 2 : 1;
    int64_t exponent = 0;
    auto error = std::from_chars(number.data() + at, number.data() + number.size(), exponent).ec;
    constexpr int64_t kFar = int64_t{1} << 40;  // past what any spelling can make up for
    if (error != std::errc() || exponent > kFar || exponent < -kFar) {
      exponent = number[at] == '-' ? -kFar : kFar;
    }
    out.exponent += exponent;
  }
  while (!out.digits.empty() && out.digits.back() == '0') {
    out.digits.pop_back();
    ++out.exponent;
  }
  if (out.digits.empty()) out.exponent = 0;
  return out;
}

}  // namespace

Value JsonNumber(std::string_view token) {
  constexpr double kPowers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const char* const end = token.data() + token.size();
  bool negative = token[0] == '-';
  const char* at = token.data() + negative;
  uint64_t digits = 0;
  if (token.size() <= 18) [[likely]] {
    for (; at != end && IsAsciiDigit(*at); ++at) digits = digits * 10 + (*at - '0');
    if (at == end) {
      auto number = static_cast<int64_t>(digits);
      if (negative && number == 0) return Value::Double(-0.0);  // no int has a negative zero
      return Value::Int(negative ? -number : number);
    }
    // At most fifteen digits, the point among them: such a spelling names one double, found by one
    // correctly rounded division.
    if (*at == '.' && token.size() <= 16) {
      const char* point = at++;
      for (; at != end && IsAsciiDigit(*at); ++at) digits = digits * 10 + (*at - '0');
      if (at == end) {
        double number = static_cast<double>(digits) / kPowers[end - point - 1];
        return Value::Double(negative ? -number : number);
      }
    }
  } else if (token.find_first_of(".eE") == std::string_view::npos) {
    int64_t number = 0;
    if (std::from_chars(token.data(), end, number).ec == std::errc()) return Value::Int(number);
    if (!negative && std::from_chars(token.data(), end, digits).ec == std::errc()) {
      return Value::Uint(digits);
    }
    return Value::Decimal(token);
  }
  double number = 0;
  if (std::from_chars(token.data(), end, number).ec != std::errc()) {
    // Out of a double's range; zero by any other name is still zero.
    return Spell(token).digits.empty() ? Value::Double(negative ? -0.0 : 0.0)
                                       : Value::Decimal(token);
  }
  char shortest[32];
  const char* shortest_end =
      std::to_chars(shortest, shortest + sizeof shortest, number, std::chars_format::scientific)
          .ptr;
  bool same = Spell(token) == Spell({shortest, static_cast<size_t>(shortest_end - shortest)});
  return same ? Value::Double(number) : Value::Decimal(token);
}

Result<Value> ParseJson(std::string_view text, Arena& arena, const JsonOptions& options,
                        SourceMap* positions) {
  return Parser(text, arena, options, positions).Parse();
}

void JsonLines::Advance(size_t bytes) {
  next_.offset += static_cast<uint32_t>(bytes);
  next_.line += static_cast<uint32_t>(std::count(rest_.begin(), rest_.begin() + bytes, '\n'));
  rest_.remove_prefix(bytes);
}

void JsonLines::SkipEmpty() {
  size_t start = std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size());
  size_t newline = rest_.substr(0, start).rfind('\n');
  if (start == rest_.size()) {
    rest_ = {};
  } else if (newline != std::string_view::npos) {
    Advance(newline + 1);  // keeps the line's own leading spaces: columns count them
  }
}

Result<Value> JsonLines::Next(Arena& arena, SourceMap* positions) {
  size_t length = std::min(rest_.find('\n'), rest_.size());
  std::string_view line = rest_.substr(0, length);
  options_.origin = next_;
  Advance(std::min(length + 1, rest_.size()));
  SkipEmpty();
  return ParseJson(line, arena, options_, positions);
}

}  // namespace bulwark
