// `and`, `or`, bodies after `not`, and groups in parentheses (v2 and future.keywords).

#include "lang/rego/ast/ast_compare.h"
#include "lang/rego/ast/parser_impl.h"

namespace bulwark::rego {
namespace {

bool IsLogicalBody(Body body) {
  return body.size() == 1 && (body[0]->kind == ExprKind::kAnd || body[0]->kind == ExprKind::kOr);
}

bool IsNegatedOperand(Body body) {
  return body.size() == 1 && (body[0]->negated || body[0]->kind == ExprKind::kNot);
}

// What the leading `{` of a term opens: of `{1} & s` it is the set.
const Term& BraceLed(const Term& term) {
  const Term* at = &term;
  while (at->kind == TermKind::kCall && IsInfixBuiltin(*at->items[0], at->items.size() - 1)) {
    at = at->items[1];
  }
  return *at;
}

// The function whose calls are all that a body does, if those give no value.
std::string_view VoidCall(Body body, Location& at) {
  std::string_view name;
  for (const Expr* expr : body) {
    if (expr->negated || expr->kind != ExprKind::kCall) return {};
    std::string_view found;
    if (IsBuiltinCall(*expr, "print")) found = "print";
    if (found.empty()) return {};
    if (name.empty()) {
      name = found;
      at = expr->at;
    }
  }
  return name;
}

}  // namespace

bool Parser::ExpectRParen() {
  if (!At(Tok::kRParen)) {
    Fail(Here(), "expected ) to close parenthesized group");
    return false;
  }
  Scan();
  return true;
}

Expr* Parser::NewLogical(ExprKind kind, const Operand& lhs, const Operand& rhs) {
  CheckVoidCalls(lhs.body, rhs.body, kind == ExprKind::kAnd ? "and" : "or");
  Expr* expr = NewExpr(kind);
  expr->lhs = lhs.body;
  expr->rhs = rhs.body;
  expr->explicit_lhs = lhs.braces;
  expr->explicit_rhs = rhs.braces;
  expr->at = Span(lhs.at, lhs.at.offset, LastEnd());
  Raise(expr->height, expr->lhs);
  Raise(expr->height, expr->rhs);
  return TooHigh(expr->height) ? nullptr : expr;
}

Expr* Parser::FoldLogicalTail(const Operand& lhs) {
  if (At(Tok::kLogicalAnd) || At(Tok::kLogicalOr)) return AttachWith(ParseOrChain(lhs));
  return AttachWith(lhs.body[0]);
}

Expr* Parser::ParseOrChain(Operand lhs) {
  Depth depth(*this);
  if (!Enter()) return nullptr;
  if (At(Tok::kLogicalAnd)) {
    Expr* expr = ParseAndChain(lhs);
    if (expr == nullptr) return nullptr;
    lhs = {OneBody(expr), false, expr->at};
  }
  while (At(Tok::kLogicalOr)) {
    Scan();
    Operand rhs;
    if (!ParseOperand("or", rhs)) return nullptr;
    if (At(Tok::kLogicalAnd)) {
      Expr* expr = ParseAndChain(rhs);
      if (expr == nullptr) return nullptr;
      rhs = {OneBody(expr), false, expr->at};
    }
    Expr* expr = NewLogical(ExprKind::kOr, lhs, rhs);
    if (expr == nullptr) return nullptr;
    lhs = {OneBody(expr), false, expr->at};
  }
  return lhs.body[0];
}

Expr* Parser::ParseAndChain(Operand lhs) {
  while (At(Tok::kLogicalAnd)) {
    Scan();
    Operand rhs;
    if (!ParseOperand("and", rhs)) return nullptr;
    Expr* expr = NewLogical(ExprKind::kAnd, lhs, rhs);
    if (expr == nullptr) return nullptr;
    lhs = {OneBody(expr), false, expr->at};
  }
  return lhs.body[0];
}

// One side of `and` or `or`, or what follows a `(`. `op` is empty where the caller will go back.
bool Parser::ParseOperand(std::string_view op, Operand& out) {
  Depth depth(*this);
  if (!Enter()) return false;
  if (At(Tok::kLBrace)) {
    const Location at = Here();
    const State start = s_;
    Scan();
    const bool empty = At(Tok::kRBrace);
    Body body = ParseBody(Tok::kRBrace);
    if (body.empty()) {
      if (empty || op.empty()) return false;
      const State after = s_;
      Restore(start);
      if (ParseInfix(true) != nullptr) {
        FailBraceOperand(at, Text(at.offset, LastEnd()), op);
        return false;
      }
      Restore(after);
      return false;
    }
    Scan();
    if (IsAmbiguousUnion(body)) FailAmbiguousUnion(at, body, "");
    out = {body, true, at};
    return true;
  }
  Location not_at;
  const bool negated = IsNegated();
  if (negated) {
    not_at = Here();
    Scan();
  }
  if (negated && not_bodies_ && At(Tok::kLBrace)) {
    Expr* expr = ParseNotBody(not_at);
    if (expr == nullptr) return false;
    out = {OneBody(expr), false, expr->at};
    return true;
  }
  if (At(Tok::kLParen) && LogicalActive() && (!negated || not_bodies_)) {
    Operand group;
    switch (ParseGroup(true, negated ? "not " : "", group)) {
      case Group::kFailed: return false;
      case Group::kRead: {
        if (!negated) {
          out = group;
          return true;
        }
        Expr* outer = NewExpr(ExprKind::kNot);
        outer->lhs = group.body;
        outer->explicit_lhs = group.braces;
        outer->at = Span(not_at, not_at.offset, LastEnd());
        Raise(outer->height, outer->lhs);
        if (TooHigh(outer->height)) return false;
        out = {OneBody(outer), false, outer->at};
        return true;
      }
      case Group::kNone: break;
    }
  }
  const Location at = Here();
  Expr* expr = ParseExpr();
  if (expr == nullptr) return false;
  expr->at = Span(at, at.offset, LastEnd());
  if (negated && not_bodies_) {
    Expr* outer = NewExpr(ExprKind::kNot);
    outer->lhs = OneBody(expr);
    outer->at = Span(not_at, not_at.offset, LastEnd());
    Raise(outer->height, outer->lhs);
    if (TooHigh(outer->height)) return false;
    expr = outer;
  } else if (negated) {
    expr->negated = true;
  }
  out = {OneBody(expr), false, expr->at};
  return true;
}

Parser::Group Parser::ParseGroup(bool operand_context, std::string_view prefix, Operand& out) {
  Depth depth(*this);
  if (!Enter()) return Group::kFailed;
  const State start = s_;
  const Location open = Here();
  Scan();
  if (At(Tok::kRParen)) {
    if (operand_context) {
      Fail(open, "empty parenthesized group");
      return Group::kFailed;
    }
    Restore(start);
    return Group::kNone;
  }
  Operand lhs;
  if (!ParseOperand("", lhs)) {
    Restore(start);
    return Group::kNone;
  }
  if (At(Tok::kLogicalAnd) || At(Tok::kLogicalOr)) {
    Expr* expr = AttachWith(ParseOrChain(lhs));
    if (expr == nullptr || !ExpectRParen()) return Group::kFailed;
    out = {OneBody(expr), false, Span(open, open.offset, LastEnd())};
    return Group::kRead;
  }
  if (At(Tok::kWith) && !lhs.braces && lhs.body.size() == 1) {
    const Location with_at = Here();
    if (AttachWith(lhs.body[0]) == nullptr) return Group::kFailed;
    if (At(Tok::kLogicalAnd) || At(Tok::kLogicalOr)) {
      FailWithOnOperand(with_at, TokName(tok()));
      return Group::kFailed;
    }
    if (!ExpectRParen()) return Group::kFailed;
    if (operand_context || At(Tok::kLogicalAnd) || At(Tok::kLogicalOr)) {
      out = {lhs.body, false, Span(open, open.offset, LastEnd())};
      return Group::kRead;
    }
    Restore(start);
    return Group::kNone;
  }
  if (lhs.braces) {
    const std::string_view braces = Text(lhs.at.offset, LastEnd());
    Restore(start);
    const State probe = s_;
    Scan();
    const bool is_term = ParseTerm() != nullptr;
    Restore(probe);
    if (!is_term) {
      std::string hint = "drop the parens to keep the body: `";
      hint.append(prefix).append(braces).append("`");
      Hint(scratch_.Copy(hint));
      Fail(open, "`(...)` in an operand position cannot contain a body");
      return Group::kFailed;
    }
    return Group::kNone;
  }
  if (IsLogicalBody(lhs.body) || IsNegatedOperand(lhs.body)) {
    if (!ExpectRParen()) return Group::kFailed;
    out = {lhs.body, false, Span(open, open.offset, LastEnd())};
    return Group::kRead;
  }
  Restore(start);
  return Group::kNone;
}

Expr* Parser::ParseNotBody(const Location& not_at) {
  const Location braces = Here();
  const State start = s_;
  Scan();
  const bool empty = At(Tok::kRBrace);
  Body body = ParseBody(Tok::kRBrace);
  if (body.empty()) {
    if (empty) return nullptr;
    const State after = s_;
    Restore(start);
    if (const Term* term = ParseInfix(true); term != nullptr) {
      FailOperandBraces(braces, Text(braces.offset, LastEnd()), *term, "not ");
      return nullptr;
    }
    Restore(after);
    return nullptr;
  }
  Scan();
  if (IsAmbiguousUnion(body)) {
    FailAmbiguousUnion(braces, body, "not ");
    return nullptr;
  }
  Expr* expr = NewExpr(ExprKind::kNot);
  expr->lhs = body;
  expr->explicit_lhs = true;
  expr->at = Span(not_at, not_at.offset, LastEnd());
  Raise(expr->height, body);
  return TooHigh(expr->height) ? nullptr : expr;
}

// `{a | b}` as a body reads like a comprehension.
bool Parser::IsAmbiguousUnion(Body body) const {
  if (body.empty() || !IsBuiltinCall(*body[0], "or")) return false;
  const Term& op = *body[0]->terms[0];
  if (op.at.row == 0 || Text(op.at) != "|") return false;
  std::string_view text = Text(body[0]->at);
  while (!text.empty() &&
         (text[0] == ' ' || text[0] == '\t' || text[0] == '\n' || text[0] == '\r')) {
    text.remove_prefix(1);
  }
  return !text.starts_with('(');
}

void Parser::FailAmbiguousUnion(const Location& at, Body body, std::string_view prefix) {
  const std::string_view braces = Text(at.offset, LastEnd());
  std::string grouped(braces);
  const Location& first = body[0]->at;
  if (first.offset > at.offset && first.offset - at.offset + first.length <= braces.size()) {
    const size_t begin = first.offset - at.offset;
    grouped = std::string(braces.substr(0, begin)) + "(" + std::string(Text(first)) + ")" +
              std::string(braces.substr(begin + first.length));
  }
  std::string hint = "write `";
  hint.append(prefix).append("(").append(braces).append(")` for the comprehension, or `");
  hint.append(prefix).append(grouped).append("` for the set union");
  Hint(scratch_.Copy(hint));
  Fail(at,
       "ambiguous `{ ... | ... }` operand: read as a body holding a set-union expression, not as a "
       "comprehension");
}

void Parser::FailBraceOperand(const Location& at, std::string_view operand, std::string_view op) {
  std::string hint = "wrap the operand to keep the value: `(";
  hint.append(operand).append(") ").append(op).append(" ...`");
  Hint(scratch_.Copy(hint));
  FailText(at, "operand of `" + std::string(op) +
                   "` cannot begin with `{` unless the braces hold a body");
}

void Parser::FailOperandBraces(const Location& at, std::string_view operand, const Term& term,
                               std::string_view prefix) {
  std::string hint = "write `";
  hint.append(prefix).append("(").append(operand).append(")` to negate the value, or `");
  hint.append(prefix).append("{").append(operand).append("}` for a body holding it");
  Hint(scratch_.Copy(hint));
  FailText(at, "`{...}` in an operand position must contain expression(s), got: " +
                   std::string(TermKindName(BraceLed(term))));
}

void Parser::FailWithOnOperand(const Location& at, std::string_view op) {
  Hint(scratch_.Copy("Wrap the operand in `(...)` or `{...}` to scope, or move `with` after the `" +
                     std::string(op) + "` expression to apply it to the whole expression"));
  FailText(at, "`with` modifier is not allowed on operand of `" + std::string(op) + "`");
}

void Parser::CheckVoidCalls(Body lhs, Body rhs, std::string_view op) {
  for (const Body& body : {lhs, rhs}) {
    Location at;
    const std::string_view name = VoidCall(body, at);
    if (name.empty()) continue;
    Hint(scratch_.Copy("`" + std::string(name) +
                       "` produces no value and always succeeds, so the operand can never fail; "
                       "move it out of the operand, or add an expression that can fail"));
    FailText(at, "operand of `" + std::string(op) + "` cannot consist only of calls to `" +
                     std::string(name) + "`");
  }
}

}  // namespace bulwark::rego
