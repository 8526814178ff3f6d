#include "lang/rego/ast/lexer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bulwark::rego {
namespace {

using Row = std::vector<std::string>;

Row Kinds(std::string_view text) {
  Row out;
  for (const Token& token : Lex(text).tokens) out.emplace_back(TokName(token.kind));
  return out;
}

TEST(Lexer, Tokens) {
  const std::pair<std::string_view, Row> cases[] = {
      {"", {"eof"}},
      {"p := 1", {"identifier", "assign", "number", "eof"}},
      {"a==b=c", {"identifier", "equal", "identifier", "eq", "identifier", "eof"}},
      {"<= >= < > !=", {"lte", "gte", "lt", "gt", "neq", "eof"}},
      {"package default", {"package", "default", "eof"}},
      // Keywords that need an import are for the parser to tell.
      {"if in and", {"identifier", "identifier", "identifier", "eof"}},
      {"`a\nb`", {"string", "eof"}},
      {"1.5e-3", {"number", "eof"}},
      {"# only a comment", {"eof"}},
      {"$\"a {x} b\"", {"template-string-part", "identifier", "}", "template-string-end", "eof"}},
      {"$`{ {1} }`",
       {"raw-template-string-part", "{", "number", "}", "}", "raw-template-string-end", "eof"}},
      {"\"a", {"illegal", "eof"}},
      {"1a", {"illegal", "eof"}},
      {"é", {"illegal", "eof"}},
      {std::string_view("x\0y", 3), {"illegal", "illegal", "identifier", "eof"}},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(Kinds(text), want) << text;
}

TEST(Lexer, Errors) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"\"a", "non-terminated string"},
      {"\"a\nb\"", "non-terminated string"},
      {"`a", "non-terminated string"},
      {"$\"a", "non-terminated string"},
      {R"("\q")", "illegal escape sequence"},
      {"!x", "illegal ! character"},
      {"$x", "illegal $ character"},
      {"1.", "expected fraction"},
      {"1e", "expected exponent"},
      {"0x1", "illegal number format"},
      {"\xff", "illegal utf-8 character"},
      {"\xC2\xA0", "illegal non-breaking space character, use a regular space instead"},
      {"a\xEF\xBB\xBF", "illegal byte-order mark"},
  };
  for (const auto& [text, want] : cases) {
    const Lexed lexed = Lex(text);
    ASSERT_FALSE(lexed.errors.empty()) << text;
    EXPECT_EQ(lexed.errors[0].message, want) << text;
  }
}

TEST(Lexer, PlacesAndBlanks) {
  const Lexed lexed = Lex("a # c\n\té \"ü\" b");
  ASSERT_EQ(lexed.tokens.size(), 5U);
  EXPECT_EQ(lexed.tokens[0].row, 1U);
  EXPECT_EQ(lexed.tokens[0].column, 1U);
  EXPECT_EQ(lexed.tokens[1].row, 2U);
  EXPECT_EQ(lexed.tokens[1].column, 2U);
  EXPECT_EQ(lexed.tokens[1].flags,
            Token::kSpaceBefore | Token::kNewlineBefore | Token::kCommentBefore);
  // Columns count characters, offsets bytes.
  EXPECT_EQ(lexed.tokens[3].column, 8U);
  EXPECT_EQ(lexed.tokens[3].offset, 15U);
  ASSERT_EQ(lexed.comments.size(), 1U);
  EXPECT_EQ(lexed.comments[0].column, 3U);
  EXPECT_EQ(lexed.comments[0].end, 5U);
}

TEST(Lexer, ByteOrderMarkAtTheFrontIsPassedOver) {
  const Lexed lexed = Lex("\xEF\xBB\xBFp");
  ASSERT_EQ(lexed.tokens.size(), 2U);
  EXPECT_EQ(lexed.tokens[0].kind, Tok::kIdent);
  EXPECT_EQ(lexed.tokens[0].offset, 3U);
}

TEST(Lexer, VarNames) {
  for (std::string_view good : {"a", "_", "A9", "with_underscores"}) EXPECT_TRUE(IsVarName(good));
  for (std::string_view bad : {"", "9a", "a-b", "a b", "é"}) EXPECT_FALSE(IsVarName(bad)) << bad;
}

}  // namespace
}  // namespace bulwark::rego
