#include "app/rego/tree_text.h"

#include <fmt/format.h>

#include "lang/rego/ast/ast_compare.h"
#include "lang/rego/ast/printer.h"

namespace bulwark::regocli {

namespace {

using rego::Body;
using rego::Expr;
using rego::ExprKind;
using rego::Rule;
using rego::Term;
using rego::TermKind;

class TreePrinter {
 public:
  std::string Run(const rego::Module& module, bool comments) {
    Line(0, "module");
    Line(1, "package");
    Ref(2, module.package.path);
    for (const rego::Import* import : module.imports) {
      Line(1, "import");
      Visit(2, *import->path);
      Line(2, import->alias);
    }
    for (const Rule* rule : module.rules) Visit(1, *rule);
    for (size_t i = 0; i < module.annotations.size(); ++i) Line(1, "annotations");
    if (comments) {
      for (size_t i = 0; i < module.comments.size(); ++i) Line(1, "comment");
    }
    return std::move(out_);
  }

 private:
  void Line(size_t depth, std::string_view text) {
    out_.append(depth, ' ');
    out_ += text;
    out_ += '\n';
  }

  void Ref(size_t depth, std::span<Term* const> ref) {
    Line(depth, "ref");
    for (size_t i = 0; i < ref.size(); ++i) {
      // The package's own `data`, and the first name of a head, are variables.
      if (i == 0 && ref[i]->kind == TermKind::kScalar && ref[i]->value.IsString()) {
        Line(depth + 1, ref[i]->value.AsString());
      } else {
        Visit(depth + 1, *ref[i]);
      }
    }
  }

  void Visit(size_t depth, const Rule& rule) {
    Line(depth, "rule");
    Line(depth + 1, "head");
    Ref(depth + 2, rule.head.ref);
    if (!rule.head.args.empty()) {
      Line(depth + 2, "args");
      for (const Term* term : rule.head.args) Visit(depth + 3, *term);
    }
    if (rule.head.value != nullptr) {
      Visit(depth + 2, *rule.head.value);
    } else if (rule.head.generated_value) {
      Line(depth + 2, "true");
    }
    Visit(depth + 1, rule.body);
    if (rule.else_rule != nullptr) Visit(depth + 1, *rule.else_rule);
  }

  void Visit(size_t depth, Body body) {
    Line(depth, "body");
    for (const Expr* expr : body) Visit(depth + 1, *expr);
  }

  void Visit(size_t depth, const Expr& expr) {
    Line(depth, fmt::format("expr {}index={}", expr.negated ? "negated " : "", expr.index));
    switch (expr.kind) {
      case ExprKind::kTerm: Visit(depth + 1, *expr.term); break;
      case ExprKind::kCall:
        for (const Term* term : expr.terms) Visit(depth + 1, *term);
        break;
      case ExprKind::kSome:
        Line(depth + 1, "somedecl");
        for (const Term* term : expr.terms) Visit(depth + 2, *term);
        break;
      case ExprKind::kSomeIn:
        Line(depth + 1, "somedecl");
        if (expr.term != nullptr) {
          Visit(depth + 2, *expr.term);
        } else {
          for (const Term* term : expr.terms) Visit(depth + 2, *term);
        }
        break;
      case ExprKind::kEvery:
        Line(depth + 1, "every");
        for (const Term* term : expr.terms) {
          if (term != nullptr) Visit(depth + 2, *term);
        }
        Visit(depth + 2, expr.lhs);
        break;
      case ExprKind::kNot:
        Line(depth + 1, "not");
        Visit(depth + 2, expr.lhs);
        break;
      case ExprKind::kAnd:
      case ExprKind::kOr:
        Line(depth + 1, expr.kind == ExprKind::kAnd ? "logicaland" : "logicalor");
        Visit(depth + 2, expr.lhs);
        Visit(depth + 2, expr.rhs);
        break;
    }
    for (const rego::With& with : expr.with) {
      Line(depth + 1, "with");
      Visit(depth + 2, *with.target);
      Visit(depth + 2, *with.value);
    }
  }

  void Visit(size_t depth, const Term& term) {
    auto all = [&](std::string_view name) {
      Line(depth, name);
      for (const Term* item : term.items) Visit(depth + 1, *item);
    };
    switch (term.kind) {
      case TermKind::kScalar: {
        std::string text;
        rego::AppendScalar(term.value, text);
        return Line(depth, text);
      }
      case TermKind::kVar: return Line(depth, term.name.starts_with('$') ? "_" : term.name);
      case TermKind::kRef: return Ref(depth, term.items);
      case TermKind::kArray: return all("array");
      case TermKind::kCall: return all("call");
      case TermKind::kSet: {
        Line(depth, "set");
        for (const Term* item : rego::SortedItems(term)) Visit(depth + 1, *item);
        return;
      }
      case TermKind::kObject: {
        Line(depth, "object");
        for (const auto& [key, value] : rego::SortedPairs(term)) {
          Visit(depth + 1, *key);
          Visit(depth + 1, *value);
        }
        return;
      }
      case TermKind::kArrayComprehension:
        all("arraycomprehension");
        return Visit(depth + 1, term.body);
      case TermKind::kSetComprehension: all("setcomprehension"); return Visit(depth + 1, term.body);
      case TermKind::kObjectComprehension:
        all("objectcomprehension");
        return Visit(depth + 1, term.body);
      case TermKind::kTemplateString: return Line(depth, "templatestring");
    }
  }

  std::string out_;
};

}  // namespace

std::string TreeText(const rego::Module& module, bool comments) {
  return TreePrinter().Run(module, comments);
}

}  // namespace bulwark::regocli
