// Bodies and the expressions in them: literals, `with`, `some`, `every`, `not`.

#include "lang/rego/ast/ast_compare.h"
#include "lang/rego/ast/parser_impl.h"

namespace bulwark::rego {
namespace {

// Which membership a call is: 2 for `x in xs`, 3 for `k, v in xs`, else 0.
int MemberArity(const Term& term) {
  if (term.kind != TermKind::kCall) return 0;
  const Term& function = *term.items[0];
  if (function.kind != TermKind::kRef || function.items.size() != 2) return 0;
  const Term& head = *function.items[0];
  const Term& name = *function.items[1];
  if (head.kind != TermKind::kVar || head.name != "internal" || !name.value.IsString()) return 0;
  if (name.value.AsString() == "member_2") return 2;
  if (name.value.AsString() == "member_3") return 3;
  return 0;
}

}  // namespace

Expr* Parser::NewExpr(ExprKind kind) {
  Expr* expr = arena_.New<Expr>();
  expr->kind = kind;
  return expr;
}

Expr* Parser::TermExpr(Term* term) {
  Expr* expr = NewExpr(ExprKind::kTerm);
  expr->term = term;
  expr->height = term->height + 1;
  return expr;
}

Body Parser::OneBody(Expr* expr) {
  expr->index = 0;
  return arena_.Copy(std::span<Expr* const>(&expr, 1));
}

Body Parser::ImplicitTrueBody(const Location& at) {
  Expr* expr = TermExpr(TrueTerm(at));
  expr->at = at;
  expr->generated = true;
  return OneBody(expr);
}

Body Parser::ParseBody(Tok end) {
  Depth depth(*this);
  if (!Enter()) return {};
  return ParseQuery(false, end);
}

Body Parser::ParseQuery(bool require_semicolon, Tok end) {
  if (At(end)) {
    Fail(Here(), "found empty body");
    return {};
  }
  ExprList body(expr_stack_);
  for (;;) {
    Expr* expr = ParseLiteral();
    if (expr == nullptr) return {};
    expr->index = static_cast<uint32_t>(body.size());
    body.Add(expr);
    if (At(Tok::kSemicolon)) {
      Scan();
      continue;
    }
    if (At(end) || require_semicolon) return body.Finish(arena_);
    if (!s_.newline) {
      if (!failed()) {
        HintMissingInfix();
        UnexpectedText("expected \\n or ; or " + std::string(TokName(end)));
      }
      return {};
    }
  }
}

Expr* Parser::ParseLiteral() {
  const Location at = Here();
  Expr* expr = ParseLiteralInner();
  if (expr == nullptr) return nullptr;
  expr->at = Span(at, at.offset, LastEnd());
  if (expr->kind == ExprKind::kNot && !expr->explicit_lhs) {
    for (Expr* inner : expr->lhs) inner->at = expr->at;
  }
  return expr;
}

Expr* Parser::ParseLiteralInner() {
  if (At(Tok::kLBrace) && LogicalActive()) {
    // Braces before `and` or `or` are a body; anything else is read anew below.
    const State start = s_;
    const Location at = Here();
    Scan();
    if (Body body = ParseBody(Tok::kRBrace); !body.empty()) {
      Scan();
      if (At(Tok::kLogicalAnd) || At(Tok::kLogicalOr)) {
        if (IsAmbiguousUnion(body)) {
          FailAmbiguousUnion(at, body, "");
          return nullptr;
        }
        return AttachWith(ParseOrChain({body, true, at}));
      }
    }
    Restore(start);
    while (!memo_.empty() && memo_.back().pos >= 2 * s_.pos) memo_.pop_back();
  }
  if (At(Tok::kLParen) && LogicalActive()) {
    Operand operand;
    switch (ParseGroup(false, "", operand)) {
      case Group::kRead: return FoldLogicalTail(operand);
      case Group::kFailed: return nullptr;
      case Group::kNone: break;
    }
  }
  if (IsAllowedRefKeyword(tok())) {
    const Tok next = PeekSpace();
    if (next == Tok::kDot || next == Tok::kLBrack) {
      s_.tok = Tok::kIdent;
      return ParseLiteralExpr(false, nullptr);
    }
  }
  Location not_at;
  const bool negated = IsNegated();
  if (negated) {
    not_at = Here();
    Scan();
  }
  if (negated && not_bodies_ && At(Tok::kLBrace)) {
    Expr* expr = ParseNotBody(not_at);
    if (expr == nullptr) return nullptr;
    return FoldLogicalTail({OneBody(expr), false, expr->at});
  }
  if (At(Tok::kSome) || At(Tok::kEvery)) {
    if (negated) {
      Unexpected(At(Tok::kSome) ? "illegal negation of 'some'" : "illegal negation of 'every'");
      return nullptr;
    }
    return At(Tok::kSome) ? ParseSome() : ParseEvery();
  }
  return ParseLiteralExpr(negated, negated ? &not_at : nullptr);
}

Expr* Parser::ParseLiteralExpr(bool negated, const Location* not_at) {
  const State start = s_;
  const Location start_at = Here();
  if (negated && not_bodies_ && At(Tok::kLParen)) {
    Operand operand;
    switch (ParseGroup(true, "not ", operand)) {
      case Group::kRead: {
        const Location spanned = Span(*not_at, not_at->offset, LastEnd());
        Expr* outer = NewExpr(ExprKind::kNot);
        outer->lhs = operand.body;
        outer->explicit_lhs = operand.braces;
        outer->at = spanned;
        Raise(outer->height, outer->lhs);
        if (TooHigh(outer->height)) return nullptr;
        return FoldLogicalTail({OneBody(outer), false, spanned});
      }
      case Group::kFailed: return nullptr;
      case Group::kNone: break;
    }
  }
  Expr* expr = ParseExpr();
  if (expr == nullptr) return nullptr;
  Location with_at;
  const bool has_with = At(Tok::kWith);
  if (has_with) {
    with_at = Here();
    if (!ParseWith(expr->with)) return nullptr;
  }
  if (IsFuture("every") && expr->kind == ExprKind::kTerm && expr->term->kind == TermKind::kVar &&
      expr->term->name == "every") {
    const State after = s_;
    const uint8_t keys = keys_;
    std::vector<MemoEntry> memo;
    memo.swap(memo_);
    Restore(start);
    keys_ = kKeysAll;
    Expr* every = ParseEvery();
    const bool hint = every != nullptr && every->kind == ExprKind::kEvery;
    keys_ = keys;
    memo.swap(memo_);
    Restore(after);
    if (hint) Hint("`import future.keywords.every` for `every x in xs { ... }` expressions");
  }
  bool placed = false;
  if (negated && not_bodies_) {
    const std::span<With> with = expr->with;
    expr->with = {};
    Expr* outer = NewExpr(ExprKind::kNot);
    outer->lhs = OneBody(expr);
    outer->at = Span(*not_at, not_at->offset, LastEnd());
    outer->with = with;
    Raise(outer->height, outer->lhs);
    outer->height = std::max(outer->height, expr->height + 1);
    if (TooHigh(outer->height)) return nullptr;
    expr = outer;
    placed = true;
  } else {
    expr->negated = negated;
  }
  if (At(Tok::kLogicalAnd) || At(Tok::kLogicalOr)) {
    if (has_with) {
      FailWithOnOperand(with_at, TokName(tok()));
      return nullptr;
    }
    if (!placed) expr->at = Span(start_at, start_at.offset, LastEnd());
    if (not_at == nullptr && Text(expr->at).starts_with('{')) {
      if (expr->with.empty() && expr->kind == ExprKind::kTerm &&
          expr->term->kind == TermKind::kObject && expr->term->items.empty()) {
        Fail(expr->at, "found empty body");
        return nullptr;
      }
      FailBraceOperand(expr->at, Text(expr->at), TokName(tok()));
      return nullptr;
    }
    return AttachWith(ParseOrChain({OneBody(expr), false, expr->at}));
  }
  return expr;
}

bool Parser::ParseWith(std::span<With>& out) {
  std::vector<With> list;
  do {
    With with;
    const Location at = Here();
    Scan();
    if (!At(Tok::kIdent)) {
      Unexpected("expected ident");
      return false;
    }
    with.target = ParseTerm();
    if (with.target == nullptr) return false;
    if (with.target->kind != TermKind::kRef && with.target->kind != TermKind::kVar) {
      Unexpected("expected with target path");
    }
    if (!At(Tok::kAs)) {
      Unexpected("expected as keyword");
      return false;
    }
    Scan();
    with.value = ParseInfix(true);
    if (with.value == nullptr) return false;
    with.at = Span(at, at.offset, LastEnd());
    list.push_back(with);
  } while (At(Tok::kWith));
  out = arena_.Copy(std::span<const With>(list));
  return true;
}

Expr* Parser::AttachWith(Expr* expr) {
  if (expr == nullptr || !At(Tok::kWith)) return expr;
  return ParseWith(expr->with) ? expr : nullptr;
}

void Parser::HintMissingInfix() {
  if (s_.hints != nullptr) return;
  std::string_view word = "in";
  if (At(Tok::kIdent)) {
    word = lit();
  } else if (At(Tok::kComma)) {
    // Worth a hint only as part of `k, v in xs`.
    const State start = s_;
    const uint8_t keys = keys_;
    std::vector<MemoEntry> memo;
    memo.swap(memo_);
    Scan();
    keys_ = kKeysAll;
    const Term* term = ParseInfix(true);
    keys_ = keys;
    memo.swap(memo_);
    Restore(start);
    if (term == nullptr || MemberArity(*term) == 0) return;
  } else {
    return;
  }
  if (word == "in") {
    Hint("`import future.keywords.in` for `x in xs` expressions");
  } else if (word == "and") {
    Hint("`import future.keywords.and` for `x and y` expressions");
  } else if (word == "or") {
    Hint("`import future.keywords.or` for `x or y` expressions");
  }
}

Expr* Parser::ParseSome() {
  const Location at = Here();
  const State start = s_;
  Scan();
  if (Term* term = ParseInfix(true); term != nullptr && term->kind == TermKind::kCall) {
    const int arity = MemberArity(*term);
    if (arity == 0) {
      Unexpected("expected `x in xs` or `x, y in xs` expression");
      return nullptr;
    }
    if (term->items.size() != static_cast<size_t>(arity) + 1) {
      Unexpected("illegal domain");
      return nullptr;
    }
    Expr* expr = NewExpr(ExprKind::kSomeIn);
    expr->term = term;
    expr->terms = term->items.subspan(1);
    expr->at = at;
    expr->height = term->height + 1;
    if (At(Tok::kWith) && !ParseWith(expr->with)) return nullptr;
    return expr;
  }
  Restore(start);
  if (IsFuture("in")) {
    const uint8_t keys = keys_;
    std::vector<MemoEntry> memo;
    memo.swap(memo_);
    Scan();
    // The token at hand was read without the keyword, as OPA does.
    keys_ = kKeysAll;
    const Term* term = ParseInfix(true);
    keys_ = keys;
    memo.swap(memo_);
    Restore(start);
    if (term != nullptr && MemberArity(*term) != 0) {
      Hint("`import future.keywords.in` for `some x in xs` expressions");
    }
  }
  TermList names(term_stack_);
  do {
    Scan();
    if (!At(Tok::kIdent)) {
      Unexpected("expected var");
      return nullptr;
    }
    names.Add(ParseVar());
    Scan();
  } while (At(Tok::kComma));
  Expr* expr = NewExpr(ExprKind::kSome);
  expr->terms = names.Finish(arena_);
  expr->at = at;
  expr->height = 2;
  return expr;
}

Expr* Parser::ParseEvery() {
  const Location at = Here();
  Scan();
  Term* term = ParseInfix(true);
  if (term == nullptr) return nullptr;
  const int arity = MemberArity(*term);
  if (arity == 0) {
    Unexpected("expected `x[, y] in xs { ... }` expression");
    return nullptr;
  }
  if (term->items.size() != static_cast<size_t>(arity) + 1) {
    Unexpected("illegal domain");
    return nullptr;
  }
  Term* const key = arity == 3 ? term->items[1] : nullptr;
  Term* const value = term->items[arity - 1];
  if (key != nullptr && key->kind != TermKind::kVar) {
    Unexpected("expected key to be a variable");
    return nullptr;
  }
  if (value->kind != TermKind::kVar) {
    Unexpected("expected value to be a variable");
    return nullptr;
  }
  if (!At(Tok::kLBrace)) {
    Unexpected("missing body");
    return nullptr;
  }
  Scan();
  Body body = ParseBody(Tok::kRBrace);
  if (body.empty()) return nullptr;
  Scan();
  Expr* expr = NewExpr(ExprKind::kEvery);
  Term* const terms[] = {key, value, term->items[arity]};
  expr->terms = arena_.Copy(std::span<Term* const>(terms));
  expr->lhs = body;
  expr->at = at;
  Raise(expr->height, expr->terms);
  Raise(expr->height, body);
  if (TooHigh(expr->height)) return nullptr;
  if (At(Tok::kWith) && !ParseWith(expr->with)) return nullptr;
  return expr;
}

Expr* Parser::ParseExpr() {
  Term* lhs = ParseInfix(true);
  if (lhs == nullptr) return nullptr;
  if (At(Tok::kAssign) || At(Tok::kUnify)) {
    Term* op = NewOperator(TokName(tok()));
    Scan();
    Term* rhs = ParseInfix(true);
    if (rhs == nullptr) return nullptr;
    Expr* expr = NewExpr(ExprKind::kCall);
    Term* const terms[] = {op, lhs, rhs};
    expr->terms = arena_.Copy(std::span<Term* const>(terms));
    Raise(expr->height, expr->terms);
    return expr;
  }
  if (lhs->kind == TermKind::kCall) {
    Expr* expr = NewExpr(ExprKind::kCall);
    expr->terms = lhs->items;
    expr->height = lhs->height;
    return expr;
  }
  return TermExpr(lhs);
}

}  // namespace bulwark::rego
