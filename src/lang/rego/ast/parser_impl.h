#pragma once

// The recursive-descent parser behind parser.h. Private to this module.
//
// OPA's grammar is what its parser accepts: it tries one reading, goes back, and tries the next,
// and the errors that it reports are those of the last one tried. So the order of attempts here is
// OPA's. Going back is cheap: State is a few words (the text was lexed beforehand), errors and
// hints are persistent lists that a State points into, and terms that were read once are kept, by
// their first token (Memo), so that a second reading does not parse them again.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "lang/rego/ast/ast.h"
#include "lang/rego/ast/lexer.h"
#include "lang/rego/ast/parser.h"

namespace bulwark::rego {

// Keywords that are switched on, as bits.
enum KeywordBit : uint8_t {
  kKeyIn = 1,
  kKeyEvery = 2,
  kKeyContains = 4,
  kKeyIf = 8,
  kKeyNot = 16,
  kKeyAnd = 32,
  kKeyOr = 64,
};
constexpr uint8_t kKeysV0 = kKeyIn | kKeyEvery | kKeyContains | kKeyIf;  // of v1, imported in v0
constexpr uint8_t kKeysV1 = kKeyNot | kKeyAnd | kKeyOr;                  // of v2, imported in v1
constexpr uint8_t kKeysAll = kKeysV0 | kKeysV1;

uint8_t KeywordBitOf(std::string_view word);
bool IsKeywordIn(std::string_view word, Dialect dialect);
// "string", "arraycomprehension" …, as messages call what a term is.
std::string_view TermKindName(const Term& term);
bool IsGroundHead(std::span<Term* const> ref);
// The line of the text that an offset is on, and one with a caret below it.
std::vector<std::string> SourceLine(std::string_view text, size_t offset);

class Parser {
 public:
  Parser(std::string_view text, Arena& arena, const ParseOptions& options, bool skip_rules);

  enum class StatementKind : uint8_t { kPackage, kImport, kRule, kBody };
  struct Statement {
    StatementKind kind;
    Location at;
    Package* package = nullptr;
    Import* import = nullptr;
    Rule* rule = nullptr;
    Body body;
  };

  // False: there are errors.
  bool Parse();
  const std::vector<Statement>& statements() const { return statements_; }
  const Lexed& lexed() const { return lexed_; }
  void TakeErrors(const std::string& file, std::vector<Diagnostic>& out) const;
  // How many of the comments stand before the place where the parser stopped.
  size_t CommentsRead() const;

  Arena& arena() { return arena_; }
  Term* NewTerm(TermKind kind, const Location& at);
  Term* StringTerm(std::string_view text, const Location& at);
  Term* VarTerm(std::string_view name, const Location& at);
  Term* TrueTerm(const Location& at);
  Body ImplicitTrueBody(const Location& at);

 private:
  struct HintNode {
    std::string_view text;
    const HintNode* before;
  };
  struct ErrorNode {
    Location at;
    std::string_view message;  // or the note of an unexpected token
    const HintNode* hints;
    const ErrorNode* before;
    bool unexpected;
    Tok tok;
  };
  struct State {
    uint32_t pos = 0;  // the token
    uint32_t wildcard = 0;
    const ErrorNode* errors = nullptr;
    const HintNode* hints = nullptr;
    Tok tok = Tok::kIllegal;  // what the token counts as; kWhitespace: the blanks after it
    bool newline = false;     // a line break was skipped before it
  };
  struct MemoEntry {
    uint32_t pos;  // twice the token's index, and 1 more for the blanks after it
    Term* term;
    State after;
  };
  struct Depth {
    explicit Depth(Parser& p) : parser(p) { ++parser.depth_; }
    ~Depth() { --parser.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    Parser& parser;
  };
  // Collects what has no known length; its items live on one stack that all parts share.
  template <typename T>
  class List {
   public:
    explicit List(std::vector<T*>& stack) : stack_(stack), base_(stack.size()) {}
    ~List() { stack_.resize(base_); }
    List(const List&) = delete;
    List& operator=(const List&) = delete;
    void Add(T* item) { stack_.push_back(item); }
    size_t size() const { return stack_.size() - base_; }
    T* operator[](size_t i) const { return stack_[base_ + i]; }
    std::span<T*> Finish(Arena& arena) const {
      return arena.Copy(std::span<T* const>(stack_.data() + base_, size()));
    }

   private:
    std::vector<T*>& stack_;
    size_t base_;
  };
  using TermList = List<Term>;
  using ExprList = List<Expr>;

  // Tokens.
  Tok tok() const { return s_.tok; }
  bool At(Tok tok) const { return s_.tok == tok; }
  const Token& token() const { return lexed_.tokens[s_.pos]; }
  std::string_view lit() const;
  Location Here() const;
  uint32_t Offset() const;
  uint32_t LastEnd() const;   // where the token before ended
  uint32_t TokenEnd() const;  // where this one ends
  Location Span(const Location& start, uint32_t offset, uint32_t end) const;
  std::string_view Text(uint32_t offset, uint32_t end) const;
  std::string_view Text(const Location& at) const { return Text(at.offset, at.offset + at.length); }
  void Scan();
  void ScanSpace();
  void Load();
  void Restore(const State& s) { s_ = s; }
  bool IsOn(Tok keyword) const;
  bool IsKeywordNow(std::string_view word) const;
  bool IsFuture(std::string_view word) const;
  bool LogicalActive() const { return (keys_ & (kKeyAnd | kKeyOr)) != 0; }
  bool IsAllowedRefKeyword(Tok tok) const;
  bool IsAllowedRefKeyword(std::string_view word) const;
  bool IdentOrRefKeyword();
  bool ScanAheadRef();
  void ScanAheadLogicalCall();
  bool IsNegated();
  Tok PeekSpace();

  // Errors.
  void Fail(const Location& at, std::string_view message);
  void FailText(const Location& at, const std::string& message);
  void Unexpected(std::string_view note = {});
  void UnexpectedText(const std::string& note);
  void Hint(std::string_view text);
  bool failed() const { return s_.errors != nullptr; }
  std::nullptr_t TooDeep();
  bool Enter();

  // Statements (parser.cc, parser_rules.cc).
  bool SelectKeywords();
  Package* ParsePackage();
  Import* ParseImport();
  void FutureImport(const Import& import);
  void RegoImport(const Import& import);
  void Reclassify();
  bool KeywordRuleName(bool is_default);
  bool ParseRules();
  Rule* ParseElse(const Head& head, size_t chain);
  bool ParseHead(bool is_default, Head& head, bool& contains);
  bool CheckDefaultValue(const Rule& rule);
  bool CheckDefaultArgs(const Rule& rule);
  void CopyHeadTerms(Head& head, const Location* at);
  Term* CopyTerm(const Term* term, const Location* at);
  Expr* CopyExpr(const Expr* expr, const Location* at);
  Body CopyBody(Body body, const Location* at);

  // Bodies (parser_body.cc). An empty body stands for failure.
  Body ParseBody(Tok end);
  Body ParseQuery(bool require_semicolon, Tok end);
  Expr* ParseLiteral();
  Expr* ParseLiteralInner();
  Expr* ParseLiteralExpr(bool negated, const Location* not_at);
  bool ParseWith(std::span<With>& out);
  Expr* AttachWith(Expr* expr);
  Expr* ParseSome();
  Expr* ParseEvery();
  Expr* ParseNotBody(const Location& not_at);
  Expr* ParseExpr();
  void HintMissingInfix();

  // `and`, `or` and groups (parser_logical.cc).
  struct Operand {
    Body body;
    bool braces = false;
    Location at;
  };
  enum class Group : uint8_t { kNone, kRead, kFailed };
  Expr* FoldLogicalTail(const Operand& lhs);
  Expr* ParseOrChain(Operand lhs);
  Expr* ParseAndChain(Operand lhs);
  Expr* NewLogical(ExprKind kind, const Operand& lhs, const Operand& rhs);
  bool ParseOperand(std::string_view op, Operand& out);
  Group ParseGroup(bool operand_context, std::string_view prefix, Operand& out);
  bool ExpectRParen();
  bool IsAmbiguousUnion(Body body) const;
  void FailAmbiguousUnion(const Location& at, Body body, std::string_view prefix);
  void FailBraceOperand(const Location& at, std::string_view operand, std::string_view op);
  void FailOperandBraces(const Location& at, std::string_view operand, const Term& term,
                         std::string_view prefix);
  void FailWithOnOperand(const Location& at, std::string_view op);
  void CheckVoidCalls(Body lhs, Body rhs, std::string_view op);

  // Terms (parser_terms.cc).
  Term* ParseInfix(bool key_value);
  Term* ParseBinary(int level, uint32_t offset);
  Term* ParseTerm();
  Term* ParseTermInner();
  Term* ParseTermFinish(Term* head);
  Term* ParseHeadFinish(Term* head);
  Term* ParseNumber();
  Term* ParseString();
  Term* ParseTemplate(bool raw);
  bool TemplateText(std::string_view& out);
  Term* ParseCall(Term* function, const Location& start, uint32_t offset);
  Term* ParseRef(Term* head, uint32_t offset);
  Term* ParseRefInner(Term* head, uint32_t offset, uint32_t& end);
  Term* ParseArray();
  Term* ParseArrayInner();
  Term* ParseSetOrObject();
  Term* ParseSetOrObjectInner();
  Term* ParseSet(const State& start, Term* head, bool comprehension);
  Term* ParseObject(Term* key, bool comprehension);
  Term* ParseObjectFinish(Term* key, Term* value, bool comprehension);
  bool ParseTermList(Tok end, TermList& list);
  bool ParsePairList(Tok end, TermList& list);
  Term* ParseVar();
  std::string_view NewWildcard();
  Term* NewOperator(std::string_view name);
  Term* NewMember(bool with_key);
  Term* NewCall(Term* function, std::span<Term* const> args, const Location& at, bool infix);
  Term* NewCollection(TermKind kind, std::span<Term*> items);
  Term* NewSet(TermList& list);
  Term* NewObject(TermList& list);
  Term* NewComprehension(TermKind kind, std::span<Term* const> items, Body body);
  Expr* NewExpr(ExprKind kind);
  Expr* TermExpr(Term* term);
  Body OneBody(Expr* expr);
  static void Raise(uint32_t& height, std::span<Term* const> items);
  static void Raise(uint32_t& height, Body body);
  bool TooHigh(uint32_t height);

  std::string_view text_;
  Arena& arena_;
  Arena scratch_;
  const ParseOptions& options_;
  bool skip_rules_;
  Lexed lexed_;
  State s_;
  uint8_t keys_ = 0;
  bool not_bodies_ = false;
  bool exhausted_ = false;
  bool path_mode_ = false;  // reading an import's path, where `not` is a name
  size_t copied_ = 0;
  uint32_t depth_ = 0;
  size_t steps_ = 0;
  size_t step_limit_ = 0;
  std::vector<MemoEntry> memo_;
  std::vector<Term*> term_stack_;
  std::vector<Expr*> expr_stack_;
  std::vector<Statement> statements_;
};

}  // namespace bulwark::rego
