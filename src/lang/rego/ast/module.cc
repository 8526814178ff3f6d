// A module from its statements: rules from bare expressions, and what each dialect demands of
// rules.

#include <algorithm>

#include "lang/rego/ast/annotations.h"
#include "lang/rego/ast/ast_compare.h"
#include "lang/rego/ast/builtin_names.h"
#include "lang/rego/ast/parser.h"
#include "lang/rego/ast/parser_impl.h"
#include "lang/rego/ast/printer.h"

namespace bulwark::rego {
namespace {

constexpr std::string_view kParseError = "rego_parse_error";
using Statement = Parser::Statement;
using StatementKind = Parser::StatementKind;

class Builder {
 public:
  Builder(Module& module, Parser& parser, const ParseOptions& options,
          std::vector<Diagnostic>& errors)
      : module_(module), parser_(parser), options_(options), errors_(errors) {}

  void Run() {
    module_.base_dialect = options_.dialect;
    min_v0_ = options_.dialect == Dialect::kV0 || options_.dialect == Dialect::kV0CompatV1;
    level_ = options_.dialect == Dialect::kV0 ? 0 : options_.dialect == Dialect::kV2 ? 2 : 1;
    const auto& statements = parser_.statements();
    if (statements.empty() || (!module_.annotations.empty() && statements.empty())) {
      if (module_.annotations.empty()) {
        Fail({}, "empty module");
      } else {
        Fail(module_.annotations[0]->at, "package expected");
      }
      return;
    }
    if (statements[0].kind == StatementKind::kPackage) {
      module_.package = *statements[0].package;
    } else {
      Fail(statements[0].at, "package expected");
    }
    for (size_t i = 1; i < statements.size(); ++i) Add(statements, i);
    module_.dialect = level_ == 2   ? Dialect::kV2
                      : level_ == 0 ? Dialect::kV0
                      : min_v0_     ? Dialect::kV0CompatV1
                                    : Dialect::kV1;
    if (level_ >= 1) {
      for (const Rule* rule : module_.rules) {
        for (; rule != nullptr; rule = rule->else_rule) CheckV1(*rule);
      }
    }
    for (Rule* rule : module_.rules) {
      for (; rule != nullptr; rule = rule->else_rule) rule->module = &module_;
    }
  }

 private:
  void Fail(const Location& at, std::string message) {
    Diagnostic error;
    error.code = kParseError;
    error.message = std::move(message);
    error.file = module_.file;
    error.at = at;
    errors_.push_back(std::move(error));
  }

  void Add(const std::vector<Statement>& statements, size_t i) {
    const Statement& statement = statements[i];
    switch (statement.kind) {
      case StatementKind::kPackage: Fail(statement.at, "unexpected package"); return;
      case StatementKind::kImport: {
        module_.imports.push_back(statement.import);
        const std::string path = ToText(*statement.import->path);
        if (path == "rego.v1") level_ = std::max(level_, 1);
        if (path == "rego.v2") level_ = 2;
        return;
      }
      case StatementKind::kRule: module_.rules.push_back(statement.rule); return;
      case StatementKind::kBody: {
        std::string why;
        Rule* rule = RuleOf(statement.body, why);
        if (rule == nullptr) {
          if (const std::string_view word = MissingKeyword(statements, i); !word.empty()) {
            why += " (hint: `import future.keywords." + std::string(word) + "` for `" +
                   (word == "if" ? "p if { ... }" : "p contains x") + "` rules)";
          }
          Fail(statement.body[0]->at, why);
          return;
        }
        rule->generated_body = true;
        module_.rules.push_back(rule);
        return;
      }
    }
  }

  // In v0 without imports `p if { … }` is the body `p` and a rule named `if`.
  std::string_view MissingKeyword(const std::vector<Statement>& statements, size_t i) const {
    if (level_ != 0) return {};
    if (const std::string_view word = HeadKeyword(statements[i]); !word.empty()) return word;
    if (i + 1 >= statements.size() || statements[i + 1].at.row != statements[i].at.row) return {};
    return HeadKeyword(statements[i + 1]);
  }

  static std::string_view HeadKeyword(const Statement& statement) {
    std::string_view name;
    if (statement.kind == StatementKind::kRule) {
      if (statement.rule->head.has_name) name = statement.rule->head.name;
    } else if (statement.kind == StatementKind::kBody && statement.body.size() == 1 &&
               statement.body[0]->kind == ExprKind::kTerm &&
               statement.body[0]->term->kind == TermKind::kVar) {
      name = statement.body[0]->term->name;
    }
    return name == "if" || name == "contains" ? name : std::string_view();
  }

  Rule* NewRule(std::span<Term*> ref, const Location& at, const Location& body_at) {
    Rule* rule = parser_.arena().New<Rule>();
    rule->head.ref = ref;
    rule->head.name = ref[0]->name;
    rule->head.has_name = ref.size() < 2;
    rule->head.at = at;
    rule->at = at;
    rule->body = parser_.ImplicitTrueBody(body_at);
    return rule;
  }

  static bool HasName(const Term& term) { return term.items[0]->kind == TermKind::kVar; }

  // A statement that is an expression is a rule without a body: `p := 1`, `p[1]`, `f(x) = y`.
  Rule* RuleOf(Body body, std::string& why) {
    if (body.size() != 1) {
      why = "multiple expressions cannot be used for rule head";
      return nullptr;
    }
    const Expr& expr = *body[0];
    if (!expr.with.empty()) {
      why = "expressions using with keyword cannot be used for rule head";
    } else if (expr.negated) {
      why = "negated expressions cannot be used for rule head";
    } else if (expr.kind == ExprKind::kSome || expr.kind == ExprKind::kSomeIn) {
      why = "'some' declarations cannot be used for rule head";
    } else if (expr.kind == ExprKind::kTerm) {
      return RuleOfTerm(*expr.term, why);
    } else if (expr.kind != ExprKind::kCall) {
      why = "expression cannot be used for rule head";
    } else if (IsBuiltinCall(expr, "eq") || IsBuiltinCall(expr, "assign")) {
      return RuleOfEquality(expr, why);
    } else if (IsBuiltinName(ToText(*expr.terms[0]))) {
      why = "rule name conflicts with built-in function";
    } else {
      return RuleOfCall(expr, why);
    }
    return nullptr;
  }

  Rule* RuleOfTerm(Term& term, std::string& why) {
    if (term.kind != TermKind::kRef) {
      why = std::string(TermKindName(term)) + " cannot be used for rule name";
      return nullptr;
    }
    if (term.items.size() > 2) {
      if (!HasName(term)) {
        why = "invalid rule head: " + ToText(term);
        return nullptr;
      }
      Rule* rule = NewRule(term.items, term.at, term.at);
      rule->head.value = parser_.TrueTerm(term.at);
      rule->head.generated_value = true;
      return rule;
    }
    if (term.items.size() == 1) {
      why = "refs cannot be used for rule head";
      return nullptr;
    }
    if (!HasName(term)) {
      why = "invalid rule head: " + ToText(term);
      return nullptr;
    }
    Rule* rule = NewRule(term.items.first(1), term.at, term.at);
    rule->head.key = term.items[1];
    return rule;
  }

  Rule* RuleOfEquality(const Expr& expr, std::string& why) {
    if (expr.terms.size() < 3) {
      why = "assignment requires two operands";
      return nullptr;
    }
    Term& lhs = *expr.terms[1];
    Term* rhs = expr.terms[2];
    Rule* rule = nullptr;
    if (lhs.kind == TermKind::kCall && lhs.items[0]->kind == TermKind::kRef &&
        HasName(*lhs.items[0])) {
      rule = NewRule(lhs.items[0]->items, lhs.at, rhs->at);
      rule->head.args = lhs.items.subspan(1);
      rule->head.is_function = !rule->head.args.empty();
    } else if (lhs.kind == TermKind::kRef && HasName(lhs)) {
      rule = NewRule(lhs.items, lhs.at, rhs->at);
      if (lhs.items.size() == 2) {
        rule->head.has_name = true;
        rule->head.key = lhs.items[1];
      }
    } else if (lhs.kind == TermKind::kVar) {
      Term* name = &lhs;
      rule = NewRule(parser_.arena().Copy(std::span<Term* const>(&name, 1)), lhs.at, rhs->at);
    } else {
      why = lhs.kind == TermKind::kRef
                ? "invalid rule head: " + ToText(lhs)
                : std::string(TermKindName(lhs)) + " cannot be used for rule name";
      return nullptr;
    }
    rule->head.value = rhs;
    rule->at = expr.at;
    rule->head.at = expr.at;
    rule->head.assign = IsBuiltinCall(expr, "assign");
    return rule;
  }

  Rule* RuleOfCall(const Expr& expr, std::string& why) {
    if (expr.terms.size() <= 1) {
      why = "rule argument list must take at least one argument";
      return nullptr;
    }
    const Term& function = *expr.terms[0];
    if (function.kind != TermKind::kRef || !HasName(function)) {
      why = "invalid rule head: " + ToText(function);
      return nullptr;
    }
    Rule* rule = NewRule(function.items, function.at, function.at);
    rule->head.value = parser_.TrueTerm(function.at);
    rule->head.args = expr.terms.subspan(1);
    rule->head.is_function = true;
    return rule;
  }

  void CheckV1(const Rule& rule) {
    const Head& head = rule.head;
    const std::string what = head.is_function ? "function" : "rule";
    // OPA leaves the name of longer heads empty in some forms; those have no name to check.
    if (head.ref.size() < 2 && IsKeywordIn(head.name, Dialect::kV1)) {
      Fail(rule.at, std::string(head.name) + " keyword cannot be used for rule name");
    }
    if (rule.generated_body && head.generated_value) {
      Fail(rule.at, what + " must have value assignment and/or body declaration");
    }
    if (!rule.generated_body && !head.if_keyword && !rule.is_default) {
      Fail(rule.at, "`if` keyword is required before " + what + " body");
    }
    if (head.value == nullptr && !head.contains) {
      Fail(rule.at, "`contains` keyword is required for partial set rules");
    }
  }

  Module& module_;
  Parser& parser_;
  const ParseOptions& options_;
  std::vector<Diagnostic>& errors_;
  bool min_v0_ = false;
  int level_ = 1;
};

// The comment after its #, without the carriage returns of the line's end.
std::string_view CommentText(std::string_view text) {
  if (text == "\r") return {};
  while (text.size() > 1 && text.back() == '\r') text.remove_suffix(1);
  return text;
}

}  // namespace

Result<std::unique_ptr<Module>> ParseModule(std::string file, std::string text,
                                            const ParseOptions& options,
                                            std::vector<Diagnostic>* errors) {
  if (text.size() > std::min<size_t>(options.max_bytes, UINT32_MAX / 2)) {
    return Error(Code::kLimit, "rego_parse_error",
                 file + ": the text is larger than a policy may be");
  }
  auto module = std::make_unique<Module>(std::move(file), std::move(text));
  std::vector<Diagnostic> found;
  Parser parser(module->text, module->arena, options, false);
  if (!parser.Parse()) parser.TakeErrors(module->file, found);
  const size_t comments = parser.CommentsRead();
  module->comments.reserve(comments);
  for (const LexComment& c : std::span(parser.lexed().comments).first(comments)) {
    const std::string_view body =
        std::string_view(module->text).substr(c.offset + 1, c.end - c.offset - 1);
    module->comments.push_back({CommentText(body), {c.offset, c.end - c.offset, c.row, c.column}});
  }
  if (options.annotations) ReadAnnotations(*module, found);
  if (found.empty()) Builder(*module, parser, options, found).Run();
  if (found.empty()) AttachAnnotations(*module, found);
  if (found.empty()) return module;
  if (options.error_limit != 0 && found.size() > options.error_limit) {
    found.resize(options.error_limit);
  }
  // OPA's one parse error that is not of a list of errors.
  const bool alone = found.size() == 1 && found[0].at.row == 0;
  Error error(Code::kInvalid, "rego_parse_error",
              alone ? found[0].ToString() : DiagnosticsText(found));
  if (errors != nullptr) std::move(found.begin(), found.end(), std::back_inserter(*errors));
  return error;
}

}  // namespace bulwark::rego
