#pragma once

// Text → tokens of Rego. The whole text is read at once into a flat array, so that the parser goes
// back by setting an index. Never fails: what is no token is one of kind kIllegal, whose reasons
// are in `errors` (none: a character that begins nothing).
//
// Keywords that a dialect or an import switches on (`in`, `if`, `and` …) are identifiers here that
// carry their Keyword; the parser decides. Template strings are cut into parts: after one that ends
// in `{` come the tokens of the expression, its `}`, and the next part.
//
// Rows count from 1; columns from 1, in characters. A Lexed lives as long as the text.

#include <cstdint>
#include <string_view>
#include <vector>

namespace bulwark::rego {

enum class Tok : uint8_t {
  kIllegal,
  kEof,
  kWhitespace,
  kIdent,
  kPackage,
  kImport,
  kAs,
  kDefault,
  kElse,
  kNot,
  kSome,
  kWith,
  kNull,
  kTrue,
  kFalse,
  kNumber,
  kString,
  kTemplatePart,
  kTemplateEnd,
  kRawTemplatePart,
  kRawTemplateEnd,
  kLBrack,
  kRBrack,
  kLBrace,
  kRBrace,
  kLParen,
  kRParen,
  kComma,
  kColon,
  kAdd,
  kSub,
  kMul,
  kQuo,
  kRem,
  kAnd,
  kOr,
  kUnify,
  kEqual,
  kAssign,
  kIn,
  kNeq,
  kGt,
  kLt,
  kGte,
  kLte,
  kDot,
  kSemicolon,
  kEvery,
  kContains,
  kIf,
  kLogicalAnd,
  kLogicalOr,
};

// What error messages call a token, and the built-in that an operator stands for.
std::string_view TokName(Tok tok);

struct Token {
  enum Flag : uint8_t {
    kSpaceBefore = 1,    // blanks between the token before and this one
    kNewlineBefore = 2,  // … with a line break
    kCommentBefore = 4,
    kEscapes = 8,     // strings: there is a backslash within
    kContinues = 16,  // a part of a template string after the first
  };
  uint32_t offset = 0;
  uint32_t end = 0;
  uint32_t row = 0;
  uint32_t column = 0;
  Tok kind = Tok::kIllegal;     // an identifier that may be a keyword: kIdent
  Tok keyword = Tok::kIllegal;  // … which one
  uint8_t flags = 0;
};

struct LexError {
  uint32_t token = 0;  // its index
  std::string_view message;
};

struct LexComment {
  uint32_t offset = 0;  // of the #
  uint32_t end = 0;
  uint32_t row = 0;
  uint32_t column = 0;
};

struct Lexed {
  std::vector<Token> tokens;  // the last one is kEof
  std::vector<LexComment> comments;
  std::vector<LexError> errors;  // in order of tokens
};

Lexed Lex(std::string_view text);

// Letters, digits and _, not beginning with a digit: what may stand after a dot.
bool IsVarName(std::string_view text);

}  // namespace bulwark::rego
