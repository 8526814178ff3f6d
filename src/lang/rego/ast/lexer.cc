#include "lang/rego/ast/lexer.h"

#include <algorithm>
#include <array>

namespace bulwark::rego {
namespace {

constexpr int32_t kEnd = -1;
constexpr int32_t kBom = 0xFEFF;
constexpr int32_t kNbsp = 0xA0;
constexpr int32_t kBad = 0xFFFD;

// The first of each ten decimal digits of Unicode beyond ASCII (category Nd).
constexpr auto kDigits = std::to_array<uint32_t>(
    {0x660,   0x6F0,   0x7C0,   0x966,   0x9E6,   0xA66,   0xAE6,   0xB66,   0xBE6,   0xC66,
     0xCE6,   0xD66,   0xDE6,   0xE50,   0xED0,   0xF20,   0x1040,  0x1090,  0x17E0,  0x1810,
     0x1946,  0x19D0,  0x1A80,  0x1A90,  0x1B50,  0x1BB0,  0x1C40,  0x1C50,  0xA620,  0xA8D0,
     0xA900,  0xA9D0,  0xA9F0,  0xAA50,  0xABF0,  0xFF10,  0x104A0, 0x10D30, 0x11066, 0x110F0,
     0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950,
     0x11C50, 0x11D50, 0x11DA0, 0x11F50, 0x16A60, 0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2,
     0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E950, 0x1FBF0});

constexpr bool IsLetter(int32_t c) {
  const int32_t lower = c | 0x20;
  return (lower >= 'a' && lower <= 'z' && c < 0x80) || c == '_';
}
constexpr bool IsDecimal(int32_t c) { return c >= '0' && c <= '9'; }
bool IsDigit(int32_t c) {
  if (c < 0x80) return IsDecimal(c);
  const auto u = static_cast<uint32_t>(c);
  for (uint32_t first : kDigits) {
    if (u >= first && u < first + 10) return true;
  }
  return false;
}
constexpr bool IsBlank(int32_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

Tok KeywordOf(std::string_view word) {
  if (word.size() < 2 || word.size() > 8) return Tok::kIllegal;
  switch (word[0]) {
    case 'a':
      if (word == "as") return Tok::kAs;
      if (word == "and") return Tok::kLogicalAnd;
      break;
    case 'c':
      if (word == "contains") return Tok::kContains;
      break;
    case 'd':
      if (word == "default") return Tok::kDefault;
      break;
    case 'e':
      if (word == "else") return Tok::kElse;
      if (word == "every") return Tok::kEvery;
      break;
    case 'f':
      if (word == "false") return Tok::kFalse;
      break;
    case 'i':
      if (word == "if") return Tok::kIf;
      if (word == "in") return Tok::kIn;
      if (word == "import") return Tok::kImport;
      break;
    case 'n':
      if (word == "not") return Tok::kNot;
      if (word == "null") return Tok::kNull;
      break;
    case 'o':
      if (word == "or") return Tok::kLogicalOr;
      break;
    case 'p':
      if (word == "package") return Tok::kPackage;
      break;
    case 's':
      if (word == "some") return Tok::kSome;
      break;
    case 't':
      if (word == "true") return Tok::kTrue;
      break;
    case 'w':
      if (word == "with") return Tok::kWith;
      break;
    default: break;
  }
  return Tok::kIllegal;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Lexed Run() {
    out_.tokens.reserve(text_.size() / 5 + 2);
    Next();
    if (curr_ == kBom) Next();
    while (ScanOne()) {
    }
    return std::move(out_);
  }

 private:
  // A template string that is being read: `depth` counts the braces open within its expression.
  struct Template {
    bool raw;
    uint32_t depth;
  };

  void Fail(std::string_view message) {
    out_.errors.push_back({static_cast<uint32_t>(out_.tokens.size()), message});
  }

  void Next() {
    if (offset_ >= text_.size()) {
      curr_ = kEnd;
      offset_ = text_.size() + 1;
      return;
    }
    const auto byte = static_cast<unsigned char>(text_[offset_]);
    curr_ = byte;
    width_ = 1;
    if (byte == 0 || byte >= 0x80) [[unlikely]] {
      NextSlow(byte);
    }
    offset_ += width_;
    if (curr_ == '\n') {
      ++row_;
      column_ = 0;
    } else {
      ++column_;
    }
  }

  void NextSlow(unsigned char byte) {
    if (byte == 0) {
      Fail("illegal null character");
      return;
    }
    Decode(byte);
    if (curr_ == kBad && width_ == 1) {
      Fail("illegal utf-8 character");
    } else if (curr_ == kBom && offset_ > 0) {
      Fail("illegal byte-order mark");
    }
  }

  void Decode(unsigned char byte) {
    curr_ = kBad;
    uint32_t need = 0;
    int32_t code = 0;
    int32_t least = 0;
    if (byte >= 0xC2 && byte <= 0xDF) {
      need = 1, code = byte & 0x1F, least = 0x80;
    } else if (byte >= 0xE0 && byte <= 0xEF) {
      need = 2, code = byte & 0x0F, least = 0x800;
    } else if (byte >= 0xF0 && byte <= 0xF4) {
      need = 3, code = byte & 0x07, least = 0x10000;
    } else {
      return;
    }
    if (offset_ + need >= text_.size()) return;
    for (uint32_t i = 1; i <= need; ++i) {
      const auto next = static_cast<unsigned char>(text_[offset_ + i]);
      if ((next & 0xC0) != 0x80) return;
      code = (code << 6) | (next & 0x3F);
    }
    if (code < least || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return;
    curr_ = code;
    width_ = need + 1;
  }

  // Where the character that is looked at begins. At the end of the text the width of the last
  // character still counts, as it does in OPA's scanner.
  uint32_t Here() const { return static_cast<uint32_t>(std::min(offset_ - width_, text_.size())); }

  bool ScanOne() {
    Token token;
    token.offset = Here();
    token.row = row_;
    token.column = column_;
    const size_t errors = out_.errors.size();
    // An error of the very first character was noted before the first token.
    const bool failed_before = out_.tokens.empty() && errors != 0 && !first_done_;
    first_done_ = true;
    if (continue_template_) {
      token.flags |= Token::kContinues;
      continue_template_ = false;
      token.kind = ScanTemplate(templates_.back().raw, true, token);
    } else if (IsBlank(curr_)) {
      const bool newline = curr_ == '\n';
      Next();
      if (out_.errors.size() == errors && !failed_before) {
        flags_ |= Token::kSpaceBefore | (newline ? Token::kNewlineBefore : 0);
        return true;
      }
    } else if (IsLetter(curr_)) {
      while (IsLetter(curr_) || IsDigit(curr_)) Next();
      token.kind = Tok::kIdent;
      token.end = Here();
      token.keyword = KeywordOf(text_.substr(token.offset, token.end - token.offset));
      switch (token.keyword) {
        case Tok::kIllegal:
        case Tok::kIn:
        case Tok::kEvery:
        case Tok::kContains:
        case Tok::kIf:
        case Tok::kLogicalAnd:
        case Tok::kLogicalOr:
        case Tok::kNot:  // an identifier within import paths
          break;
        default: token.kind = token.keyword;
      }
    } else if (IsDecimal(curr_)) {
      ScanNumber();
      token.kind = Tok::kNumber;
    } else if (curr_ == '#') {
      while (curr_ != '\n' && curr_ != kEnd) Next();
      if (out_.errors.size() == errors && !failed_before) {
        out_.comments.push_back({token.offset, Here(), token.row, token.column});
        flags_ |= Token::kCommentBefore;
        return true;
      }
    } else {
      const int32_t c = curr_;
      Next();
      token.kind = ScanSymbol(c, token);
    }
    token.end = Here();
    if (out_.errors.size() != errors || failed_before) token.kind = Tok::kIllegal;
    token.flags |= flags_;
    flags_ = 0;
    out_.tokens.push_back(token);
    return token.kind != Tok::kEof;
  }

  bool Follows(int32_t c) {
    if (curr_ != c) return false;
    Next();
    return true;
  }

  Tok ScanSymbol(int32_t c, Token& token) {
    switch (c) {
      case kEnd: return Tok::kEof;
      case '"': ScanString(token); return Tok::kString;
      case '`': ScanRawString(); return Tok::kString;
      case '[': return Tok::kLBrack;
      case ']': return Tok::kRBrack;
      case '{':
        if (!templates_.empty()) ++templates_.back().depth;
        return Tok::kLBrace;
      case '}':
        if (!templates_.empty()) {
          if (templates_.back().depth == 0) {
            continue_template_ = true;
          } else {
            --templates_.back().depth;
          }
        }
        return Tok::kRBrace;
      case '(': return Tok::kLParen;
      case ')': return Tok::kRParen;
      case ',': return Tok::kComma;
      case ':': return Follows('=') ? Tok::kAssign : Tok::kColon;
      case '+': return Tok::kAdd;
      case '-': return Tok::kSub;
      case '*': return Tok::kMul;
      case '/': return Tok::kQuo;
      case '%': return Tok::kRem;
      case '&': return Tok::kAnd;
      case '|': return Tok::kOr;
      case '=': return Follows('=') ? Tok::kEqual : Tok::kUnify;
      case '>': return Follows('=') ? Tok::kGte : Tok::kGt;
      case '<': return Follows('=') ? Tok::kLte : Tok::kLt;
      case '!':
        if (Follows('=')) return Tok::kNeq;
        Fail("illegal ! character");
        return Tok::kIllegal;
      case kNbsp:
        Fail("illegal non-breaking space character, use a regular space instead");
        return Tok::kIllegal;
      case ';': return Tok::kSemicolon;
      case '.': return Tok::kDot;
      case '$':
        if (curr_ == '`' || curr_ == '"') {
          const bool raw = curr_ == '`';
          Next();
          return ScanTemplate(raw, false, token);
        }
        Fail("illegal $ character");
        return Tok::kIllegal;
      default: return Tok::kIllegal;
    }
  }

  void ScanDigits(std::string_view complaint) {
    if (!IsDecimal(curr_)) Fail(complaint);
    while (IsDecimal(curr_)) Next();
  }

  void ScanNumber() {
    while (IsDecimal(curr_)) Next();
    if (curr_ == '.') {
      Next();
      ScanDigits("expected fraction");
    }
    if (curr_ == 'e' || curr_ == 'E') {
      Next();
      if (curr_ == '+' || curr_ == '-') Next();
      ScanDigits("expected exponent");
    }
    if (IsLetter(curr_)) {
      Fail("illegal number format");
      while (IsLetter(curr_) || IsDigit(curr_)) Next();
    }
  }

  // After a backslash.
  void ScanEscape(bool brace) {
    switch (curr_) {
      case '\\':
      case '"':
      case '/':
      case 'b':
      case 'f':
      case 'n':
      case 'r':
      case 't': Next(); return;
      case 'u':
        for (int i = 0; i < 4; ++i) Next();
        return;
      case '{':
        if (brace) {
          Next();
          return;
        }
        [[fallthrough]];
      default: Fail("illegal escape sequence");
    }
  }

  void ScanString(Token& token) {
    for (;;) {
      const int32_t c = curr_;
      if (c == '\n' || c < 0) {
        Fail("non-terminated string");
        return;
      }
      Next();
      if (c == '"') return;
      if (c == '\\') {
        token.flags |= Token::kEscapes;
        ScanEscape(false);
      }
    }
  }

  void ScanRawString() {
    for (;;) {
      const int32_t c = curr_;
      Next();
      if (c == '`') return;
      if (c < 0) {
        Fail("non-terminated string");
        return;
      }
    }
  }

  Tok ScanTemplate(bool raw, bool continued, Token& token) {
    for (;;) {
      const int32_t c = curr_;
      if (c < 0 || (c == '\n' && !raw)) {
        Fail("non-terminated string");
        if (continued) templates_.pop_back();
        return Tok::kIllegal;
      }
      Next();
      if (c == (raw ? '`' : '"')) {
        if (continued) templates_.pop_back();
        return raw ? Tok::kRawTemplateEnd : Tok::kTemplateEnd;
      }
      if (c == '{') {
        if (!continued) templates_.push_back({raw, 0});
        return raw ? Tok::kRawTemplatePart : Tok::kTemplatePart;
      }
      if (c == '\\') {
        if (raw) {
          if (curr_ == '{') {
            token.flags |= Token::kEscapes;
            Next();
          }
        } else {
          token.flags |= Token::kEscapes;
          ScanEscape(true);
        }
      }
    }
  }

  std::string_view text_;
  Lexed out_;
  std::vector<Template> templates_;
  size_t offset_ = 0;  // after the character that is looked at
  size_t width_ = 0;   // its bytes
  int32_t curr_ = kEnd;
  uint32_t row_ = 1;
  uint32_t column_ = 0;
  uint8_t flags_ = 0;
  bool continue_template_ = false;
  bool first_done_ = false;
};

constexpr auto kNames = std::to_array<std::string_view>({"illegal",
                                                         "eof",
                                                         "whitespace",
                                                         "identifier",
                                                         "package",
                                                         "import",
                                                         "as",
                                                         "default",
                                                         "else",
                                                         "not",
                                                         "some",
                                                         "with",
                                                         "null",
                                                         "true",
                                                         "false",
                                                         "number",
                                                         "string",
                                                         "template-string-part",
                                                         "template-string-end",
                                                         "raw-template-string-part",
                                                         "raw-template-string-end",
                                                         "[",
                                                         "]",
                                                         "{",
                                                         "}",
                                                         "(",
                                                         ")",
                                                         ",",
                                                         ":",
                                                         "plus",
                                                         "minus",
                                                         "mul",
                                                         "div",
                                                         "rem",
                                                         "and",
                                                         "or",
                                                         "eq",
                                                         "equal",
                                                         "assign",
                                                         "in",
                                                         "neq",
                                                         "gt",
                                                         "lt",
                                                         "gte",
                                                         "lte",
                                                         ".",
                                                         ";",
                                                         "every",
                                                         "contains",
                                                         "if"});

}  // namespace

std::string_view TokName(Tok tok) {
  const auto index = static_cast<size_t>(tok);
  if (index < kNames.size()) return kNames[index];
  return tok == Tok::kLogicalAnd ? "and" : "or";
}

Lexed Lex(std::string_view text) { return Lexer(text).Run(); }

bool IsVarName(std::string_view text) {
  if (text.empty() || IsDecimal(text[0])) return false;
  for (char c : text) {
    if (!IsLetter(c) && !IsDecimal(c)) return false;
  }
  return true;
}

}  // namespace bulwark::rego
