#pragma once

// Walks over a resolved tree.

#include "lang/rego/ast/ast.h"

namespace bulwark::rego {

// The term of an expression that is one. `some x in xs` has the call that it stands for there, too,
// whose operands are its terms.
inline const Term* OwnTerm(const Expr& expr) {
  return expr.kind == ExprKind::kTerm ? expr.term : nullptr;
}

template <typename F>
void WalkExprs(Body body, const F& each);

// Calls each(expr) for every expression below a term: of comprehensions and template strings.
template <typename F>
void WalkExprs(const Term& term, const F& each) {
  for (const Term* item : term.items) WalkExprs(*item, each);
  WalkExprs(term.body, each);
}

// Calls each(expr) for an expression and all within it, outermost first. Where each() is false,
// what is within is left out.
template <typename F>
void WalkExpr(const Expr& expr, const F& each) {
  if (!each(expr)) return;
  if (const Term* own = OwnTerm(expr)) WalkExprs(*own, each);
  for (const Term* term : expr.terms) {
    if (term != nullptr) WalkExprs(*term, each);
  }
  WalkExprs(expr.lhs, each);
  WalkExprs(expr.rhs, each);
  for (const With& with : expr.with) {
    WalkExprs(*with.target, each);
    WalkExprs(*with.value, each);
  }
}

template <typename F>
void WalkExprs(Body body, const F& each) {
  for (const Expr* expr : body) WalkExpr(*expr, each);
}

template <typename F>
void WalkTerms(Body body, const F& each);

// Calls each(term) for a term and all terms within it, outermost first.
template <typename F>
void WalkTerms(const Term& term, const F& each) {
  each(term);
  for (const Term* item : term.items) WalkTerms(*item, each);
  WalkTerms(term.body, each);
}

template <typename F>
void WalkTerms(const Expr& expr, const F& each) {
  if (const Term* own = OwnTerm(expr)) WalkTerms(*own, each);
  for (const Term* term : expr.terms) {
    if (term != nullptr) WalkTerms(*term, each);
  }
  WalkTerms(expr.lhs, each);
  WalkTerms(expr.rhs, each);
  for (const With& with : expr.with) {
    WalkTerms(*with.target, each);
    WalkTerms(*with.value, each);
  }
}

template <typename F>
void WalkTerms(Body body, const F& each) {
  for (const Expr* expr : body) WalkTerms(*expr, each);
}

// Calls each(term) for the terms of a head that stand outside of its body.
template <typename F>
void ForEachHeadTerm(const Head& head, const F& each) {
  for (const Term* argument : head.args) each(*argument);
  for (size_t i = 1; i < head.ref.size(); ++i) each(*head.ref[i]);
  if (head.key != nullptr && (head.ref.empty() || head.key != head.ref.back())) each(*head.key);
  if (head.value != nullptr) each(*head.value);
}

// Calls each(term) for every reference to a document: a kRef, a kVar that stands for one, and what
// is called.
template <typename F>
void WalkRefs(const Term& term, const F& each) {
  if (term.kind == TermKind::kVar) {
    if (!term.resolved.empty()) each(term);
    return;
  }
  if (term.kind == TermKind::kRef) {
    const bool named = term.items[0]->kind == TermKind::kVar;
    if (named) each(term);
    for (const Term* item : term.items.subspan(named ? 1 : 0)) WalkRefs(*item, each);
    return;
  }
  for (const Term* item : term.items) WalkRefs(*item, each);
  for (const Expr* expr : term.body) WalkRefs(*expr, each);
}

template <typename F>
void WalkRefs(const Expr& expr, const F& each) {
  if (const Term* own = OwnTerm(expr)) WalkRefs(*own, each);
  for (const Term* term : expr.terms) {
    if (term != nullptr) WalkRefs(*term, each);
  }
  for (const Expr* inner : expr.lhs) WalkRefs(*inner, each);
  for (const Expr* inner : expr.rhs) WalkRefs(*inner, each);
  for (const With& with : expr.with) {
    WalkRefs(*with.target, each);
    WalkRefs(*with.value, each);
  }
}

}  // namespace bulwark::rego
