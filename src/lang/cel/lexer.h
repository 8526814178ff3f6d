#pragma once

// The tokens of CEL (cel-spec langdef.md "Syntax"). A pure function of the source: the parser looks
// ahead by asking again. Malformed text is a kError token, after which the caller may go on.

#include <cstdint>
#include <string_view>

namespace bulwark::cel {

enum class Tok : uint8_t {
  kEnd,
  kError,
  kIdent,
  kQuotedIdent,  // `a-b`
  kInt,
  kUint,
  kFloat,
  kString,
  kBytes,
  kTrue,
  kFalse,
  kNull,
  kIn,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kAnd,
  kOr,
  kPlus,
  kMinus,
  kStar,
  kSlash,
  kPercent,
  kNot,
  kQuestion,
  kColon,
  kComma,
  kDot,
  kLeftParen,
  kRightParen,
  kLeftBracket,
  kRightBracket,
  kLeftBrace,
  kRightBrace,
};

struct Token {
  Tok kind = Tok::kEnd;
  uint32_t start = 0;  // bytes
  uint32_t end = 0;
};

// The first token at or after `from`. White space and comments are skipped.
Token Lex(std::string_view source, uint32_t from);

}  // namespace bulwark::cel
