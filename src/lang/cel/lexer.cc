#include "lang/cel/lexer.h"

#include <array>

#include "base/text.h"

namespace bulwark::cel {

namespace {

constexpr size_t kNone = std::string_view::npos;

bool IsHex(char c) { return IsAsciiDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool IsIdentStart(char c) { return IsAsciiLetter(c) || c == '_'; }
bool IsIdentPart(char c) { return IsIdentStart(c) || IsAsciiDigit(c); }

class Scanner {
 public:
  explicit Scanner(std::string_view source) : source_(source) {}

  Token Next(size_t at) {
    at = SkipSpace(at);
    if (at >= source_.size()) return Make(Tok::kEnd, source_.size(), source_.size());
    char c = source_[at];
    if (IsIdentStart(c)) return Word(at);
    if (IsAsciiDigit(c) || (c == '.' && IsAsciiDigit(At(at + 1)))) return Number(at);
    if (c == '"' || c == '\'') return String(at);
    if (c == '`') return QuotedIdent(at);
    return Operator(at);
  }

 private:
  char At(size_t at) const { return at < source_.size() ? source_[at] : '\0'; }
  static Token Make(Tok kind, size_t start, size_t end) {
    return {kind, static_cast<uint32_t>(start), static_cast<uint32_t>(end)};
  }
  // Ends with the character that does not fit.
  Token Error(size_t start, size_t bad) const {
    size_t end = bad < source_.size() ? bad + DecodeUtf8(source_, bad).length : source_.size();
    return Make(Tok::kError, start, end);
  }

  size_t SkipSpace(size_t at) const {
    while (at < source_.size()) {
      char c = source_[at];
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
        ++at;
      } else if (c == '/' && At(at + 1) == '/') {
        size_t end = source_.find('\n', at);
        at = end == kNone ? source_.size() : end;
      } else {
        break;
      }
    }
    return at;
  }

  size_t Digits(size_t at) const {
    while (IsAsciiDigit(At(at))) ++at;
    return at;
  }

  Token Word(size_t start) {
    // r'', b'', br'': a word all the same if the string is malformed, so that the error is there.
    size_t at = start;
    bool bytes = AsciiLower(At(at)) == 'b';
    if (bytes) ++at;
    bool raw = AsciiLower(At(at)) == 'r';
    if (raw) ++at;
    if ((bytes || raw) && (At(at) == '"' || At(at) == '\'')) {
      size_t end = StringEnd(at, raw);
      if (end != kNone) return Make(bytes ? Tok::kBytes : Tok::kString, start, end);
    }
    at = start;
    while (IsIdentPart(At(at))) ++at;
    std::string_view word = source_.substr(start, at - start);
    Tok kind = Tok::kIdent;
    if (word == "in") kind = Tok::kIn;
    if (word == "true") kind = Tok::kTrue;
    if (word == "false") kind = Tok::kFalse;
    if (word == "null") kind = Tok::kNull;
    return Make(kind, start, at);
  }

  Token Number(size_t start) const {
    size_t at = start;
    Tok kind = Tok::kInt;
    if (At(at) == '0' && At(at + 1) == 'x' && IsHex(At(at + 2))) {
      at += 2;
      while (IsHex(At(at))) ++at;
    } else {
      at = Digits(at);
      if (At(at) == '.' && IsAsciiDigit(At(at + 1))) {
        kind = Tok::kFloat;
        at = Digits(at + 1);
      }
      if (AsciiLower(At(at)) == 'e') {
        size_t digits = at + (At(at + 1) == '+' || At(at + 1) == '-' ? 2 : 1);
        if (IsAsciiDigit(At(digits))) {
          kind = Tok::kFloat;
          at = Digits(digits);
        }
      }
    }
    if (kind == Tok::kInt && AsciiLower(At(at)) == 'u') {
      kind = Tok::kUint;
      ++at;
    }
    return Make(kind, start, at);
  }

  // Past the closing quotes of the string whose opening quote is at `at`; kNone if it is malformed,
  // then bad_ is where.
  size_t StringEnd(size_t at, bool raw) {
    const char quote = source_[at];
    if (At(at + 1) == quote && At(at + 2) == quote) {
      size_t end = Body(at + 3, quote, raw, true);
      return end != kNone ? end : at + 2;  // an empty string, then
    }
    return Body(at + 1, quote, raw, false);
  }

  size_t Body(size_t at, char quote, bool raw, bool triple) {
    for (; at < source_.size(); ++at) {
      char c = source_[at];
      if (c == quote) {
        if (!triple) return at + 1;
        if (At(at + 1) == quote && At(at + 2) == quote) return at + 3;
      } else if (!triple && (c == '\n' || c == '\r')) {
        break;
      } else if (c == '\\' && !raw) {
        if (!Escape(at)) return kNone;
      }
    }
    bad_ = at;
    return kNone;
  }

  // From the backslash to the last character of an escape sequence.
  bool Escape(size_t& at) {
    char c = At(++at);
    size_t hex = 0;
    switch (c) {
      case 'a':
      case 'b':
      case 'f':
      case 'n':
      case 'r':
      case 't':
      case 'v':
      case '"':
      case '\'':
      case '\\':
      case '?':
      case '`': return true;
      case 'x':
      case 'X': hex = 2; break;
      case 'u': hex = 4; break;
      case 'U': hex = 8; break;
      case '0':
      case '1':
      case '2':
      case '3':
        for (int i = 0; i < 2; ++i) {
          char digit = At(++at);
          if (digit < '0' || digit > '7') {
            bad_ = at;
            return false;
          }
        }
        return true;
      default: bad_ = at; return false;
    }
    for (size_t i = 0; i < hex; ++i) {
      if (!IsHex(At(++at))) {
        bad_ = at;
        return false;
      }
    }
    return true;
  }

  Token String(size_t start) {
    size_t end = StringEnd(start, /*raw=*/false);
    return end != kNone ? Make(Tok::kString, start, end) : Error(start, bad_);
  }

  Token QuotedIdent(size_t start) const {
    size_t at = start + 1;
    auto allowed = [](char c) {
      return IsIdentPart(c) || c == '.' || c == '-' || c == '/' || c == ' ';
    };
    while (allowed(At(at))) ++at;
    if (At(at) != '`' || at == start + 1) return Error(start, at);
    return Make(Tok::kQuotedIdent, start, at + 1);
  }

  Token Operator(size_t at) const {
    auto one = [&](Tok kind) { return Make(kind, at, at + 1); };
    auto two = [&](Tok kind) { return Make(kind, at, at + 2); };
    const char next = At(at + 1);
    switch (source_[at]) {
      case '=': return next == '=' ? two(Tok::kEqual) : Error(at, at + 1);
      case '&': return next == '&' ? two(Tok::kAnd) : Error(at, at + 1);
      case '|': return next == '|' ? two(Tok::kOr) : Error(at, at + 1);
      case '!': return next == '=' ? two(Tok::kNotEqual) : one(Tok::kNot);
      case '<': return next == '=' ? two(Tok::kLessEqual) : one(Tok::kLess);
      case '>': return next == '=' ? two(Tok::kGreaterEqual) : one(Tok::kGreater);
      case '+': return one(Tok::kPlus);
      case '-': return one(Tok::kMinus);
      case '*': return one(Tok::kStar);
      case '/': return one(Tok::kSlash);
      case '%': return one(Tok::kPercent);
      case '?': return one(Tok::kQuestion);
      case ':': return one(Tok::kColon);
      case ',': return one(Tok::kComma);
      case '.': return one(Tok::kDot);
      case '(': return one(Tok::kLeftParen);
      case ')': return one(Tok::kRightParen);
      case '[': return one(Tok::kLeftBracket);
      case ']': return one(Tok::kRightBracket);
      case '{': return one(Tok::kLeftBrace);
      case '}': return one(Tok::kRightBrace);
      default: return Error(at, at);
    }
  }

  std::string_view source_;
  size_t bad_ = 0;
};

}  // namespace

Token Lex(std::string_view source, uint32_t from) { return Scanner(source).Next(from); }

}  // namespace bulwark::cel
