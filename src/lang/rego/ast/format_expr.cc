// Bodies and expressions of formatted text.

#include <algorithm>

#include "lang/rego/ast/ast_compare.h"
#include "lang/rego/ast/format_impl.h"
#include "lang/rego/ast/printer.h"

namespace bulwark::rego {

using Status = FormatWriter::Status;

bool IsUnionExpr(const Expr& expr) {
  return expr.kind == ExprKind::kCall && expr.terms.size() == 3 && InfixOf(*expr.terms[0]) == "|";
}

bool IsLogical(const Expr& expr) {
  return expr.kind == ExprKind::kAnd || expr.kind == ExprKind::kOr;
}

bool IsSetTerm(const Expr& expr) {
  return !expr.negated && expr.kind == ExprKind::kTerm && expr.term->kind == TermKind::kSet;
}

namespace {

// The operand that an infix expression is written with first: the result of `z = x | y`, else the
// left one.
Term* LeadOperand(const Expr& expr) {
  if (expr.kind != ExprKind::kCall || InfixOf(*expr.terms[0]).empty()) return nullptr;
  const size_t operands = expr.terms.size() - 1;
  if (operands == 0) return nullptr;
  if (IsInfixBuiltin(*expr.terms[0], operands)) return expr.terms[1];
  if (IsInfixBuiltin(*expr.terms[0], operands - 1)) return expr.terms.back();
  return nullptr;
}

bool OperandNeedsParens(const Expr& expr, ExprKind parent, bool rhs) {
  if (!expr.with.empty()) return true;
  if (expr.kind == ExprKind::kOr) return parent == ExprKind::kAnd || rhs;
  if (expr.kind == ExprKind::kAnd) return parent == ExprKind::kAnd && rhs;
  return RendersBraceLead(expr);
}

bool NotNeedsParens(const Expr& expr) {
  return !expr.with.empty() || IsLogical(expr) || expr.kind == ExprKind::kNot ||
         RendersBraceLead(expr);
}

std::string_view TrimEnd(std::string_view text) {
  const size_t end = text.find_last_not_of(" \t\r\n");
  return end == std::string_view::npos ? std::string_view() : text.substr(0, end + 1);
}

}  // namespace

bool RendersBraceLead(const Expr& expr) {
  if (expr.kind == ExprKind::kTerm) return RendersBraceLead(*expr.term);
  const Term* lead = LeadOperand(expr);
  return lead != nullptr && RendersBraceLead(*lead);
}

Status FormatWriter::WriteBody(Body body, Comments& comments) {
  if (const Status status = InsertComments(comments, PlaceOf(body[0]->at).row);
      status != Status::kOk) {
    return status;
  }
  for (size_t i = 0; i < body.size(); ++i) {
    if (i > 0 && PlaceOf(body[i]->at).row > EndRow(PlaceOf(body[i - 1]->at)) + 1) BlankLine();
    StartLine();
    // An unexpected comment is written with the expression's own text.
    static_cast<void>(WriteExpr(*body[i], comments));
    EndLine();
  }
  return Status::kOk;
}

Status FormatWriter::WriteExpr(Expr& expr, Comments& comments) {
  const bool parens = paren_expr_ == &expr;
  if (parens) paren_expr_ = nullptr;
  if (const Status status = InsertComments(comments, PlaceOf(expr.at).row); status != Status::kOk) {
    return status;
  }
  if (!inline_) StartLine();
  const bool wrapped = expr.negated && (IsLogical(expr) || (v2_ && RendersBraceLead(expr)));
  if (expr.negated) Put(wrapped ? "not (" : "not ");
  if (parens) Put('(');
  if (const Status status = WriteExprTerms(expr, comments); status != Status::kOk) return status;
  if (parens) Put(')');
  if (wrapped) Put(')');
  std::span<With> withs = expr.with;
  if (withs.empty()) return Status::kOk;
  int64_t last_row = ExprEndRow(expr);
  if (PlaceOf(withs[0].at).row == last_row) {
    if (const Status status = WriteWith(withs[0], comments, false); status != Status::kOk) {
      return status;
    }
    withs = withs.subspan(1);
  }
  bool indented = false;
  Status status = Status::kOk;
  for (const With& with : withs) {
    const int64_t row = PlaceOf(with.at).row;
    const bool indent = row > last_row;
    if (indent) {
      if (!indented) Up();
      indented = true;
      EndLine();
      StartLine();
      last_row = row;
    }
    status = WriteWith(with, comments, indent);
    if (status != Status::kOk) break;
  }
  if (indented) Down();
  return status;
}

Status FormatWriter::WriteExprTerms(Expr& expr, Comments& comments) {
  Status status = Status::kOk;
  switch (expr.kind) {
    case ExprKind::kTerm: return WriteTerm(*expr.term, comments);
    case ExprKind::kCall: return WriteCallExpr(expr, comments);
    case ExprKind::kSome:
    case ExprKind::kSomeIn: status = WriteSome(expr, comments); break;
    case ExprKind::kEvery: status = WriteEvery(expr, comments); break;
    case ExprKind::kNot: status = WriteNot(expr, comments); break;
    case ExprKind::kAnd:
    case ExprKind::kOr: status = WriteLogical(expr, comments); break;
  }
  if (status != Status::kOk) comments = {};
  return status;
}

// The row where an expression ends, but for its `with`.
int64_t FormatWriter::ExprEndRow(const Expr& expr) const {
  const Place at = PlaceOf(expr.at);
  std::string_view text = at.text;
  if (!expr.with.empty() && expr.with[0].at.offset > expr.at.offset) {
    text = text.substr(0, expr.with[0].at.offset - expr.at.offset);
  }
  text = TrimEnd(text);
  return at.row + std::count(text.begin(), text.end(), '\n');
}

Status FormatWriter::WriteWith(const With& with, Comments& comments, bool indented) {
  if (const Status status = InsertComments(comments, PlaceOf(with.at).row); status != Status::kOk) {
    comments = {};
    return status;
  }
  if (!indented) Put(' ');
  Put("with ");
  if (const Status status = WriteTerm(*with.target, comments); status != Status::kOk) {
    comments = {};
    return status;
  }
  Put(" as ");
  const Status status = WriteTerm(*with.value, comments);
  return status == Status::kUnexpected ? Status::kOk : status;
}

Status FormatWriter::WriteSome(Expr& expr, Comments& comments) {
  const int64_t start = PlaceOf(expr.at).row;
  if (const Status status = InsertComments(comments, start); status != Status::kOk) return status;
  Put("some ");
  if (expr.kind == ExprKind::kSomeIn) {
    return WriteIn(false, expr.terms, expr.terms.size(), *expr.term->items[0], expr.at, comments);
  }
  int64_t row = start;
  for (size_t i = 0; i < expr.terms.size(); ++i) {
    Term& name = *expr.terms[i];
    if (PlaceOf(name.at).row > row) {
      EndLine();
      StartLine();
      Put('\t');
      row = PlaceOf(name.at).row;
    } else if (i > 0) {
      Put(' ');
    }
    if (const Status status = WriteTerm(name, comments); status != Status::kOk) return status;
    if (i + 1 < expr.terms.size()) Put(',');
  }
  return Status::kOk;
}

Status FormatWriter::WriteEvery(Expr& expr, Comments& comments) {
  const Place at = PlaceOf(expr.at);
  Status status = InsertComments(comments, at.row);
  if (status != Status::kOk) return status;
  Put("every ");
  if (expr.terms[0] != nullptr) {
    status = WriteTerm(*expr.terms[0], comments);
    if (status != Status::kOk) return status;
    Put(", ");
  }
  status = WriteTerm(*expr.terms[1], comments);
  if (status != Status::kOk) return status;
  Put(" in ");
  status = WriteTerm(*expr.terms[2], comments);
  if (status != Status::kOk) return status;
  Put(" {");
  status = WriteBracedBody('{', '}', expr.lhs, at, at, comments);
  if (status == Status::kFatal) return status;
  if (expr.lhs.size() == 1 && PlaceOf(expr.lhs[0]->at).row == at.row) Put(' ');
  Put('}');
  return Status::kOk;
}

Status FormatWriter::WriteNot(Expr& expr, Comments& comments) {
  const Place at = PlaceOf(expr.at);
  Status status = InsertComments(comments, at.row);
  if (status != Status::kOk) return status;
  Put("not ");
  Expr& first = *expr.lhs[0];
  if (expr.explicit_lhs || expr.lhs.size() > 1) {
    if (IsUnionExpr(first)) paren_expr_ = &first;
    Put('{');
    status = WriteBracedBody('{', '}', expr.lhs, at, at, comments);
    if (status == Status::kFatal) return status;
    if (PlaceOf(expr.lhs.back()->at).row == at.row) Put(' ');
    Put('}');
    return Status::kOk;
  }
  const bool parens = NotNeedsParens(first);
  if (parens) Put('(');
  status = WriteExpr(first, comments);
  if (status == Status::kFatal) return status;
  if (parens) Put(')');
  return Status::kOk;
}

FormatWriter::Operand FormatWriter::NewOperand(Body body, bool braces, ExprKind parent, bool rhs,
                                               const Place& node) {
  Operand operand;
  operand.body = body;
  operand.braces = braces || body.size() != 1;
  if (!operand.braces) {
    operand.parens = OperandNeedsParens(*body[0], parent, rhs);
    return operand;
  }
  // The brace before the body; where there is none to be found, the whole expression's place.
  operand.brace = node;
  if (node.made || body.empty() || body[0]->at.row == 0) return operand;
  const size_t node_offset = static_cast<size_t>(node.text.data() - module_.text.data());
  size_t end = body[0]->at.offset > node_offset ? body[0]->at.offset - node_offset : 0;
  end = std::min(end, node.text.size());
  const size_t brace = end == 0 ? std::string_view::npos : node.text.rfind('{', end - 1);
  if (brace == std::string_view::npos) return operand;
  operand.brace.row =
      node.row +
      std::count(node.text.begin(), node.text.begin() + static_cast<ptrdiff_t>(brace), '\n');
  operand.brace.text = node.text.substr(brace);
  return operand;
}

int64_t FormatWriter::BodyEndRow(Body body) const {
  if (body.empty()) return 0;
  const Place at = PlaceOf(body.back()->at);
  const std::string_view text = TrimEnd(at.text);
  return at.row + std::count(text.begin(), text.end(), '\n');
}

// A chain `a and b and c` is laid out as one.
FormatWriter::Operand FormatWriter::Flatten(Expr& expr, std::vector<Step>& steps) {
  // Down the left side; the steps come out last first.
  std::vector<Expr*> chain{&expr};
  for (;;) {
    const Expr& last = *chain.back();
    if (last.explicit_lhs || last.lhs.size() != 1 || !IsLogical(*last.lhs[0]) ||
        OperandNeedsParens(*last.lhs[0], last.kind, false)) {
      break;
    }
    chain.push_back(last.lhs[0]);
  }
  const Expr& innermost = *chain.back();
  const Operand first = NewOperand(innermost.lhs, innermost.explicit_lhs, innermost.kind, false,
                                   PlaceOf(innermost.at));
  for (auto it = chain.rbegin(); it != chain.rend(); ++it) {
    const Expr& node = **it;
    Step step;
    step.op = node.kind == ExprKind::kAnd ? "and" : "or";
    step.rhs = NewOperand(node.rhs, node.explicit_rhs, node.kind, true, PlaceOf(node.at));
    step.lhs_end_row = BodyEndRow(node.lhs);
    if (it == chain.rbegin() && first.braces) {
      const int64_t row = ClosingRow(0, 0, '{', '}', first.brace);
      if (row > 0) step.lhs_end_row = row;
    }
    steps.push_back(step);
  }
  return first;
}

Status FormatWriter::WriteLogical(Expr& expr, Comments& comments) {
  std::vector<Step> steps;
  const Operand first = Flatten(expr, steps);
  Status status = WriteOperand(first, comments);
  if (status == Status::kFatal) return status;
  bool indented = false;
  for (const Step& step : steps) {
    Put(' ');
    Put(step.op);
    int64_t start = step.rhs.braces ? step.rhs.brace.row : 0;
    if (!step.rhs.braces && !step.rhs.body.empty()) start = PlaceOf(step.rhs.body[0]->at).row;
    if (start > step.lhs_end_row) {
      if (!indented) Up();
      indented = true;
      EndLine();
      StartLine();
    } else {
      Put(' ');
    }
    status = WriteOperand(step.rhs, comments);
    if (status == Status::kFatal) break;
  }
  if (indented) Down();
  return status == Status::kFatal ? status : Status::kOk;
}

Status FormatWriter::WriteOperand(const Operand& operand, Comments& comments) {
  if (!operand.braces) {
    if (operand.parens) Put('(');
    const Status status = WriteExpr(*operand.body[0], comments);
    if (operand.parens) Put(')');
    return status;
  }
  if (operand.body.empty()) {
    Put("{}");
    return Status::kOk;
  }
  if (IsUnionExpr(*operand.body[0])) paren_expr_ = operand.body[0];
  Put('{');
  const Status status =
      WriteBracedBody('{', '}', operand.body, operand.brace, operand.brace, comments);
  if (status == Status::kFatal) return status;
  if (PlaceOf(operand.body.back()->at).row == operand.brace.row) Put(' ');
  Put('}');
  return Status::kOk;
}

Status FormatWriter::WriteCallExpr(Expr& expr, Comments& comments) {
  Term& function = *expr.terms[0];
  const std::string_view sign = InfixOf(function);
  const std::span<Term*> operands = expr.terms.subspan(1);
  if (sign == "in") {
    return WriteIn(false, operands, IsInfixBuiltin(function, 3) ? 3 : 2, function, function.at,
                   comments);
  }
  if (sign.empty()) return WritePlainCall(expr.terms, comments);
  if (operands.size() != 2 && operands.size() != 3) {
    ArityError(operands, ToText(function), function.at);
    return WritePlainCall(expr.terms, comments);
  }
  // With a third operand, the result: `z = x + y`.
  if (operands.size() == 3) {
    if (const Status status = WriteTerm(*operands[2], comments); status != Status::kOk) {
      comments = {};
      return status;
    }
    Put(" = ");
  }
  if (const Status status = WriteTerm(*operands[0], comments); status != Status::kOk) {
    comments = {};
    return status;
  }
  Put(' ');
  Put(sign);
  Put(' ');
  const Status status = WriteTerm(*operands[1], comments);
  if (status != Status::kOk && operands.size() == 3) comments = {};
  return status;
}

Status FormatWriter::WritePlainCall(std::span<Term*> terms, Comments& comments) {
  Term& function = *terms[0];
  if (function.kind == TermKind::kRef) {
    Comments rest = comments;
    if (const Status status = WriteRef(function.items, rest); status != Status::kOk) {
      comments = rest;
      return status;
    }
  } else {
    AppendText(function, out_);
  }
  Put('(');
  std::vector<Item> items;
  for (Term* arg : terms.subspan(1)) items.push_back({arg});
  const Place at = PlaceOf(function.at);
  const Status status = WriteItems(std::move(items), at, ClosingRow(0, 0, '(', ')', at), comments,
                                   &FormatWriter::WriteItem);
  if (status != Status::kOk) comments = {};
  Put(')');
  return status;
}

// What stands in the braces (or after the bar) of a comprehension, `every` or `not`.
Status FormatWriter::WriteBracedBody(char open, char close, Body body, const Place& term,
                                     const Place& collection, Comments& comments) {
  std::vector<Item> items;
  for (Expr* expr : body) items.push_back({nullptr, nullptr, expr});
  const size_t lines = Group(std::move(items), term).size();
  const int64_t close_row = ClosingRow(0, 0, open, close, collection);
  Status status = Status::kOk;
  if (PlaceOf(body[0]->at).row > term.row || lines > 1) {
    EndLine();
    Up();
    status = WriteBody(body, comments);
    if (status == Status::kOk) {
      status = InsertComments(comments, close_row);
      if (status != Status::kOk) comments = {};
    }
    Down();
    StartLine();
    return status;
  }
  Put(' ');
  for (size_t i = 0; i < body.size(); ++i) {
    if (i != 0) Put("; ");
    status = WriteExpr(*body[i], comments);
    if (status != Status::kOk) return status;
  }
  status = InsertComments(comments, close_row);
  if (status != Status::kOk) comments = {};
  return status;
}

// `{ x | y … }` would read as a comprehension, so a union that leads a body gets parentheses.
void FormatWriter::MarkUnionLead(Expr& expr) {
  Expr* at = &expr;
  while (!at->negated && IsLogical(*at)) {
    std::vector<Step> steps;
    const Operand first = Flatten(*at, steps);
    if (first.braces || first.parens) return;
    at = first.body[0];
  }
  if (at->negated) return;
  if (IsUnionExpr(*at)) {
    paren_expr_ = at;
    return;
  }
  const Term* lead = LeadOperand(*at);
  if (lead != nullptr && IsUnionCall(*lead)) paren_term_ = lead;
}

}  // namespace bulwark::rego
