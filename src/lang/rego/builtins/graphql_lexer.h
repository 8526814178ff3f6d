#pragma once

// GraphQL's tokens, with the messages of gqlparser where there are none.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lang/rego/builtins/graphql_ast.h"

namespace bulwark::rego {

enum class GqlTokenKind : uint8_t {
  kInvalid,
  kEof,
  kBang,
  kDollar,
  kAmp,
  kParenL,
  kParenR,
  kSpread,
  kColon,
  kEquals,
  kAt,
  kBracketL,
  kBracketR,
  kBraceL,
  kBraceR,
  kPipe,
  kName,
  kInt,
  kFloat,
  kString,
  kBlockString,
  kComment,
};
std::string_view GqlTokenName(GqlTokenKind kind);  // "Name", "{"

struct GqlToken {
  GqlTokenKind kind = GqlTokenKind::kInvalid;
  std::string value;
  GqlPosition place;
  std::optional<GqlError> error;  // of an invalid one

  std::string Text() const;  // `Name "query"`
};

class GqlLexer {
 public:
  explicit GqlLexer(std::string_view text) : text_(text) {}
  GqlToken Next();

 private:
  GqlToken Made(GqlTokenKind kind, std::string value) const;
  GqlToken Slice(GqlTokenKind kind) const {
    return Made(kind, std::string(text_.substr(start_, end_ - start_)));
  }
  GqlToken Wrong(std::string message) const;
  GqlToken ReadComment();
  GqlToken ReadNumber();
  GqlToken ReadString();
  GqlToken ReadBlockString();
  void SkipSpace();
  void Advance(size_t bytes = 1) {
    end_ += bytes;
    ++end_runes_;
  }
  bool Accept(std::string_view any);
  size_t AcceptDigits();
  std::string DescribeNext() const;

  std::string_view text_;
  size_t start_ = 0, end_ = 0;               // bytes
  int64_t start_runes_ = 0, end_runes_ = 0;  // code points
  int64_t line_ = 1, line_start_runes_ = 0;
};

}  // namespace bulwark::rego
