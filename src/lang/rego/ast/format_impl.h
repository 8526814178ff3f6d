#pragma once

// The writer behind format.h. Private to this module.
//
// Comments are no part of the tree: they are handed from node to node in order of their rows.
// Before a node, those of rows above it are written; one on its row waits for the line's end
// (before_end_). When two would have to wait for one line's end, or a comment stands where the
// layout has no line for it, that is kUnexpected, and the innermost term around it is written as it
// stands in the source. What is left of the comments where a part fails is as OPA leaves it, and so
// are the comments that are lost then.

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lang/rego/ast/ast.h"
#include "lang/rego/ast/format.h"

namespace bulwark::rego {

class FormatWriter {
 public:
  using Comments = std::span<const Comment* const>;
  enum class [[nodiscard]] Status : uint8_t { kOk, kUnexpected, kFatal };

  FormatWriter(Module& module, const FormatOptions& options);
  // False: see errors().
  bool Run();
  std::string TakeText();
  const std::vector<Diagnostic>& errors() const { return errors_; }

 private:
  // A place as the layout sees it.
  struct Place {
    int64_t row = 1;
    int64_t column = 1;
    std::string_view text;
    bool made = false;  // not in the source
  };
  struct Operand {  // of `and`, `or`
    Body body;
    bool braces = false;
    bool parens = false;
    Place brace;
  };
  struct Step {
    std::string_view op;
    Operand rhs;
    int64_t lhs_end_row = 0;
  };
  struct Item {
    Term* term = nullptr;
    Term* value = nullptr;  // of an object's entry
    Expr* expr = nullptr;
  };
  using ItemWriter = Status (FormatWriter::*)(const Item& item, Comments& comments);

  // format.cc: modules, packages, imports, rules.
  void Prepare();
  void PrepareTerm(Term& term);
  void PrepareExpr(Expr& expr);
  void PrepareRule(Rule& rule);
  std::vector<Import*> ArrangeImports();
  bool HasImport(const std::vector<Import*>& imports, std::string_view path) const;
  void AddImport(std::vector<Import*>& imports, std::string_view root, std::string_view name,
                 std::string_view keyword);
  Status WriteModule(std::vector<Import*> imports);
  Status WritePackage(Comments& comments);
  Status WriteImports(std::vector<Import*> imports, Comments& comments);
  Status WriteImport(const Import& import);
  Status WriteRules(std::span<Rule* const> rules, Comments& comments);
  bool IsOneLiner(const Rule& rule) const;
  Status WriteRule(Rule& rule, bool is_else, Comments& comments);
  Status WriteElse(Rule& rule, Comments& comments);
  Status WriteHead(const Rule& rule, bool is_else, bool is_const, Comments& comments);

  // format_expr.cc
  Status WriteBody(Body body, Comments& comments);
  Status WriteExpr(Expr& expr, Comments& comments);
  Status WriteExprTerms(Expr& expr, Comments& comments);
  Status WriteWith(const With& with, Comments& comments, bool indented);
  Status WriteSome(Expr& expr, Comments& comments);
  Status WriteEvery(Expr& expr, Comments& comments);
  Status WriteNot(Expr& expr, Comments& comments);
  Status WriteLogical(Expr& expr, Comments& comments);
  Status WriteOperand(const Operand& operand, Comments& comments);
  Operand Flatten(Expr& expr, std::vector<Step>& steps);
  Operand NewOperand(Body body, bool braces, ExprKind parent, bool rhs, const Place& node);
  Status WriteCallExpr(Expr& expr, Comments& comments);
  Status WritePlainCall(std::span<Term*> terms, Comments& comments);
  Status WriteBracedBody(char open, char close, Body body, const Place& term,
                         const Place& collection, Comments& comments);
  int64_t ExprEndRow(const Expr& expr) const;
  int64_t BodyEndRow(Body body) const;
  void MarkUnionLead(Expr& expr);

  // format_terms.cc
  Status WriteTerm(Term& term, Comments& comments);
  Status WriteTermParens(bool parens, Term& term, Comments& comments);
  Status WriteUnformatted(const Place& at, Comments& comments);
  Status WriteTemplate(Term& term, Comments& comments);
  Status WriteRef(std::span<Term* const> ref, Comments& comments);
  void WriteString(const Term& term);
  void WriteOperandName(const Term& term);
  Status WriteCall(bool parens, Term& call, Comments& comments);
  Status WriteIn(bool parens, std::span<Term*> operands, size_t arity, const Term& function,
                 const Location& at, Comments& comments);
  Status WriteComprehension(char open, char close, Term& term, Body body, const Place& at,
                            Comments& comments);
  Status WriteItems(std::vector<Item> items, const Place& at, int64_t close_row, Comments& comments,
                    ItemWriter write);
  Status WriteLine(std::span<const Item> items, Comments& comments, ItemWriter write);
  Status WriteEntry(const Item& item, Comments& comments);
  Status WriteItem(const Item& item, Comments& comments);
  Status WriteItemParens(const Item& item, Comments& comments);
  std::vector<std::vector<Item>> Group(std::vector<Item> items, const Place& last);
  void ArityError(std::span<Term* const> operands, std::string_view name, const Location& at);

  // format_lines.cc: places, comments, lines.
  Place PlaceOf(const Location& at) const;
  Place PlaceOf(const Item& item) const;
  std::string_view TextOf(const Location& at) const { return PlaceOf(at).text; }
  static int64_t EndRow(const Place& at);
  static int64_t ClosingRow(char skip_open, char skip_close, char open, char close,
                            const Place& at);
  static Comments Before(Comments comments, int64_t row);
  Status InsertComments(Comments& comments, int64_t row);
  void WriteComments(Comments comments);
  Status BeforeLineEnd(const Comment* comment);
  std::string_view CommentText(const Comment& comment) const;
  void StartLine();
  void EndLine();
  void BlankLine();
  void WriteWholeLine(const Comment& comment);
  void StartSequence();
  void Up() { ++level_; }
  void Down();
  void Put(std::string_view text) { out_ += text; }
  void Put(char c) { out_ += c; }
  void Fail(std::string_view code, const Location& at, std::string message);

  Module& module_;
  const FormatOptions& options_;
  std::string out_;
  std::vector<Diagnostic> errors_;
  std::vector<const Comment*> comments_;
  std::vector<const Comment*> left_;                          // those not beside imports
  std::unordered_map<std::string_view, uint32_t> wildcards_;  // how often each stands in the tree
  std::vector<std::string_view> imported_keywords_;

  bool v1_ = false;
  bool v2_ = false;
  bool contains_ = false;  // partial sets are written with `contains`
  bool ifs_ = false;       // rules are written with `if`
  bool ref_heads_ = false;
  bool v2_imported_ = false;
  bool uses_in_ = false, uses_every_ = false, uses_not_ = false, uses_and_ = false,
       uses_or_ = false;

  const Comment* before_end_ = nullptr;
  const Expr* paren_expr_ = nullptr;
  const Term* paren_term_ = nullptr;
  int level_ = 0;
  bool inline_ = false;  // within a line
  bool delay_ = false;
  bool comment_on_final_line_ = false;
};

// Shared by its parts.
bool IsUnionCall(const Term& term);
bool IsUnionExpr(const Expr& expr);
bool IsLogical(const Expr& expr);
bool RendersBraceLead(const Term& term);
bool RendersBraceLead(const Expr& expr);
bool IsSetTerm(const Expr& expr);

}  // namespace bulwark::rego
