// Terms: operators, references, calls, collections, comprehensions, scalars, template strings.

#include <charconv>
#include <cmath>
#include <unordered_map>

#include "lang/rego/ast/ast_compare.h"
#include "lang/rego/ast/literal.h"
#include "lang/rego/ast/parser_impl.h"

namespace bulwark::rego {
namespace {

// How tightly an infix operator binds; 0: it is none.
int LevelOf(Tok tok) {
  switch (tok) {
    case Tok::kEqual:
    case Tok::kNeq:
    case Tok::kLt:
    case Tok::kGt:
    case Tok::kLte:
    case Tok::kGte: return 1;
    case Tok::kOr: return 2;
    case Tok::kAnd: return 3;
    case Tok::kAdd:
    case Tok::kSub: return 4;
    case Tok::kMul:
    case Tok::kQuo:
    case Tok::kRem: return 5;
    default: return 0;
  }
}

constexpr int kLoosest = 1;
constexpr int kTightest = 5;

// What a reference may begin with.
bool MayHeadRef(const Term& term) {
  return term.kind != TermKind::kScalar && term.kind != TermKind::kRef &&
         term.kind != TermKind::kTemplateString;
}

bool IsRoot(const Term& term) {
  return term.kind == TermKind::kVar && (term.name == "input" || term.name == "data");
}

}  // namespace

Term* Parser::NewTerm(TermKind kind, const Location& at) {
  Term* term = arena_.New<Term>();
  term->kind = kind;
  term->at = at;
  return term;
}

Term* Parser::StringTerm(std::string_view text, const Location& at) {
  Term* term = NewTerm(TermKind::kScalar, at);
  term->value = Value::String(text);
  return term;
}

Term* Parser::VarTerm(std::string_view name, const Location& at) {
  Term* term = NewTerm(TermKind::kVar, at);
  term->name = name;
  return term;
}

Term* Parser::TrueTerm(const Location& at) {
  Term* term = NewTerm(TermKind::kScalar, at);
  term->value = Value::Bool(true);
  return term;
}

void Parser::Raise(uint32_t& height, std::span<Term* const> items) {
  for (const Term* item : items) {
    if (item != nullptr) height = std::max(height, item->height + 1);
  }
}

void Parser::Raise(uint32_t& height, Body body) {
  for (const Expr* expr : body) height = std::max(height, expr->height + 1);
}

bool Parser::TooHigh(uint32_t height) {
  if (height <= options_.max_depth) return false;
  TooDeep();
  return true;
}

Term* Parser::NewOperator(std::string_view name) {
  const Location at = Here();
  Term* term = NewTerm(TermKind::kRef, at);
  Term* head = VarTerm(name, at);
  term->items = arena_.Copy(std::span<Term* const>(&head, 1));
  return term;
}

Term* Parser::NewMember(bool with_key) {
  const Location at = Here();
  Term* term = NewTerm(TermKind::kRef, at);
  Term* const items[] = {VarTerm("internal", at),
                         StringTerm(with_key ? "member_3" : "member_2", at)};
  term->items = arena_.Copy(std::span<Term* const>(items));
  return term;
}

Term* Parser::NewCall(Term* function, std::span<Term* const> args, const Location& at, bool infix) {
  Term* call = NewTerm(TermKind::kCall, at);
  Term** items = arena_.Array<Term*>(args.size() + 1);
  items[0] = function;
  std::copy(args.begin(), args.end(), items + 1);
  call->items = {items, args.size() + 1};
  call->infix = infix;
  Raise(call->height, call->items);
  return TooHigh(call->height) ? nullptr : call;
}

// Any term, with operators. Membership binds loosest: `k, v in xs` (if key_value), `x in xs in
// yss`.
Term* Parser::ParseInfix(bool key_value) {
  const uint32_t offset = Offset();
  Term* lhs = ParseBinary(kLoosest, offset);
  while (lhs != nullptr) {
    Term* call = nullptr;
    if (key_value && At(Tok::kComma)) {
      const State start = s_;
      Scan();
      if (Term* middle = ParseBinary(kLoosest, offset); middle != nullptr && At(Tok::kIn)) {
        Term* op = NewMember(true);
        Scan();
        if (Term* rhs = ParseBinary(kLoosest, Offset()); rhs != nullptr) {
          Term* const args[] = {lhs, middle, rhs};
          call = NewCall(op, args, Span(lhs->at, offset, LastEnd()), true);
          if (call == nullptr) return nullptr;
        }
      }
      if (call == nullptr) Restore(start);
    }
    if (call == nullptr) {
      ScanAheadRef();
      if (!At(Tok::kIn)) return lhs;
      Term* op = NewMember(false);
      Scan();
      Term* rhs = ParseBinary(kLoosest, Offset());
      if (rhs == nullptr) return lhs;
      Term* const args[] = {lhs, rhs};
      call = NewCall(op, args, Span(lhs->at, offset, LastEnd()), true);
      if (call == nullptr) return nullptr;
    }
    if (!At(Tok::kIn)) return call;
    lhs = call;
  }
  return nullptr;
}

Term* Parser::ParseBinary(int level, uint32_t offset) {
  Term* lhs = ParseTerm();
  int tightest = kTightest;  // of operators that may follow
  while (lhs != nullptr) {
    const int found = LevelOf(tok());
    if (found < level || found > tightest) return lhs;
    Term* op = NewOperator(TokName(tok()));
    Scan();
    Term* rhs = found == kTightest ? ParseTerm() : ParseBinary(found + 1, Offset());
    if (rhs == nullptr) {
      // The error stands; looser operators still get to see what follows, as in OPA.
      tightest = found - 1;
      continue;
    }
    Term* const args[] = {lhs, rhs};
    lhs = NewCall(op, args, Span(lhs->at, offset, LastEnd()), true);
    tightest = found;
  }
  return nullptr;
}

Term* Parser::ParseTerm() {
  Depth depth(*this);
  if (!Enter()) return nullptr;
  const uint32_t pos = 2 * s_.pos + (At(Tok::kWhitespace) ? 1 : 0);
  for (size_t i = memo_.size(); i > 0 && memo_[i - 1].pos >= pos; --i) {
    if (memo_[i - 1].pos == pos) {
      Term* term = memo_[i - 1].term;
      Restore(memo_[i - 1].after);
      return term;
    }
  }
  Term* term = ParseTermInner();
  while (!memo_.empty() && memo_.back().pos >= pos) memo_.pop_back();
  memo_.push_back({pos, term, s_});
  return term;
}

Term* Parser::ParseTermInner() {
  Term* term = nullptr;
  Location minus_at;
  bool minus = false;
  ScanAheadLogicalCall();
  switch (tok()) {
    case Tok::kNull: term = NewTerm(TermKind::kScalar, Here()); break;
    case Tok::kTrue:
    case Tok::kFalse:
      term = NewTerm(TermKind::kScalar, Here());
      term->value = Value::Bool(At(Tok::kTrue));
      break;
    case Tok::kSub: {
      const State start = s_;
      minus_at = Here();
      Scan();
      if (At(Tok::kIdent) || At(Tok::kContains)) {
        minus = true;
        term = ParseVar();
      } else {
        Restore(start);
        term = ParseNumber();
      }
      break;
    }
    case Tok::kDot:
    case Tok::kNumber: term = ParseNumber(); break;
    case Tok::kString: term = ParseString(); break;
    case Tok::kTemplatePart:
    case Tok::kTemplateEnd: term = ParseTemplate(false); break;
    case Tok::kRawTemplatePart:
    case Tok::kRawTemplateEnd: term = ParseTemplate(true); break;
    case Tok::kIdent:
    case Tok::kContains: term = ParseVar(); break;
    case Tok::kLBrack: term = ParseArray(); break;
    case Tok::kLBrace: term = ParseSetOrObject(); break;
    case Tok::kLParen: {
      const uint32_t offset = Offset();
      Scan();
      if (Term* inner = ParseInfix(true); inner != nullptr) {
        if (At(Tok::kRParen)) {
          inner->at = Span(inner->at, offset, TokenEnd());
          inner->parenthesised = true;
          term = inner;
        } else {
          Fail(Here(), "non-terminated expression");
        }
      }
      break;
    }
    default: Unexpected();
  }
  term = ParseTermFinish(term);
  if (minus && term != nullptr) {
    Term* zero = NewTerm(TermKind::kScalar, minus_at);
    zero->value = Value::Int(0);
    zero->name = "0";
    Term* op = NewTerm(TermKind::kRef, {});
    Term* head = VarTerm("minus", {});
    op->items = arena_.Copy(std::span<Term* const>(&head, 1));
    Term* const args[] = {zero, term};
    term = NewCall(op, args, Span(minus_at, minus_at.offset, LastEnd()), false);
  }
  return term;
}

Term* Parser::ParseTermFinish(Term* head) {
  if (head == nullptr) return nullptr;
  const uint32_t offset = Offset();
  ScanSpace();
  switch (tok()) {
    case Tok::kLParen:
    case Tok::kDot:
    case Tok::kLBrack: return ParseRef(head, offset);
    case Tok::kWhitespace: Scan(); break;
    default: break;
  }
  if (!IsRoot(*head)) return head;
  Term* ref = NewTerm(TermKind::kRef, head->at);
  ref->items = arena_.Copy(std::span<Term* const>(&head, 1));
  ref->height = 2;
  return ref;
}

Term* Parser::ParseHeadFinish(Term* head) {
  if (head == nullptr) return nullptr;
  const uint32_t offset = Offset();
  ScanSpace();
  if (LevelOf(tok()) != 0) {
    Unexpected();
  } else if (At(Tok::kWhitespace)) {
    Scan();
  }
  if (At(Tok::kLParen) || At(Tok::kDot) || At(Tok::kLBrack)) return ParseRef(head, offset);
  if (!IsRoot(*head)) return head;
  Term* ref = NewTerm(TermKind::kRef, head->at);
  ref->items = arena_.Copy(std::span<Term* const>(&head, 1));
  ref->height = 2;
  return ref;
}

Term* Parser::ParseNumber() {
  const Location at = Here();
  bool negative = false;
  bool point = false;
  const uint32_t start = Offset();
  if (At(Tok::kSub)) {
    negative = true;
    Scan();
    if (!At(Tok::kNumber) && !At(Tok::kDot)) {
      Unexpected("expected number");
      return nullptr;
    }
  }
  if (At(Tok::kDot)) {
    point = true;
    Scan();
    if (!At(Tok::kNumber)) {
      Unexpected("expected number");
      return nullptr;
    }
  }
  std::string_view digits = lit();
  if (!point && digits.size() > 1 && digits[0] == '0' && digits[1] != '.' &&
      !(digits.size() > 2 && (digits[1] == 'e' || digits[1] == 'E'))) {
    Unexpected("expected number without leading zero");
    return nullptr;
  }
  std::string_view text = digits;
  if (negative || point) {
    const size_t length = digits.size() + (negative ? 1 : 0) + (point ? 1 : 0);
    if (Offset() - start + digits.size() == length) {
      text = text_.substr(start, length);
    } else {
      std::string joined = negative ? "-" : "";
      if (point) joined += '.';
      joined += digits;
      text = arena_.Copy(joined);
    }
  }
  switch (CheckNumber(text)) {
    case NumberCheck::kGood: break;
    case NumberCheck::kTooBig: Fail(Here(), "number too big"); return nullptr;
    case NumberCheck::kInvalid: Unexpected("invalid float"); return nullptr;
  }
  Term* term = NewTerm(TermKind::kScalar, at);
  term->value = NumberValue(text, arena_);
  term->name = text;
  return term;
}

Term* Parser::ParseString() {
  const std::string_view literal = lit();
  if (literal.size() < 2) return nullptr;
  const std::string_view inner = literal.substr(1, literal.size() - 2);
  if (literal[0] == '`' || (token().flags & Token::kEscapes) == 0) {
    return StringTerm(inner, Here());
  }
  std::string_view text;
  if (!Unescape(inner, arena_, text)) {
    FailText(Here(), "illegal string literal: " + std::string(literal));
    return nullptr;
  }
  return StringTerm(text, Here());
}

// The text of the part of a template string that is looked at.
bool Parser::TemplateText(std::string_view& out) {
  const Token& part = token();
  const bool raw = At(Tok::kRawTemplatePart) || At(Tok::kRawTemplateEnd);
  std::string_view inner = text_.substr(part.offset, part.end - part.offset - 1);
  if ((part.flags & Token::kContinues) == 0) inner.remove_prefix(2);  // $"
  out = inner;
  if ((part.flags & Token::kEscapes) == 0) return true;
  // \{ stands for { before anything else is looked at.
  std::string plain;
  plain.reserve(inner.size());
  for (size_t i = 0; i < inner.size(); ++i) {
    if (inner[i] == '\\' && i + 1 < inner.size()) {
      if (inner[i + 1] == '{') {
        plain += '{';
        ++i;
        continue;
      }
      if (!raw) {
        plain += inner[i];
        ++i;
      }
    }
    plain += inner[i];
  }
  if (raw) {
    out = arena_.Copy(plain);
    return true;
  }
  return Unescape(plain, arena_, out);
}

Term* Parser::ParseTemplate(bool raw) {
  const Location at = Here();
  if (options_.dialect == Dialect::kV0 || options_.dialect == Dialect::kV0CompatV1) {
    Fail(at, "template strings are not supported by current capabilities");
    return nullptr;
  }
  Term* term = NewTerm(TermKind::kTemplateString, at);
  ExprList parts(expr_stack_);
  for (;;) {
    std::string_view text;
    if (!TemplateText(text)) {
      FailText(Here(), "illegal template-string part: " + std::string(lit()));
      return nullptr;
    }
    if (!text.empty()) {
      Expr* part = TermExpr(StringTerm(text, Here()));
      part->generated = true;
      part->at = Here();
      part->index = static_cast<uint32_t>(parts.size());
      parts.Add(part);
    }
    if (At(Tok::kTemplateEnd) || At(Tok::kRawTemplateEnd)) break;
    Scan();
    const bool commented = (token().flags & Token::kCommentBefore) != 0;
    Expr* expr = ParseLiteral();
    if (expr == nullptr) {
      Fail(Here(), "invalid template-string expression");
      return nullptr;
    }
    std::string_view complaint;
    if (expr->negated) {
      complaint = "unexpected negation ('not') in template-string expression";
    } else if (IsBuiltinCall(*expr, "eq")) {
      complaint = "unexpected unification ('=') in template-string expression";
    } else if (IsBuiltinCall(*expr, "assign")) {
      complaint = "unexpected assignment (':=') in template-string expression";
    } else if (expr->kind == ExprKind::kEvery) {
      complaint = "unexpected 'every' in template-string expression";
    } else if (expr->kind == ExprKind::kSome || expr->kind == ExprKind::kSomeIn) {
      complaint = "unexpected 'some' in template-string expression";
    }
    if (!complaint.empty()) {
      Fail(expr->at, complaint);
      return nullptr;
    }
    if (expr->kind == ExprKind::kTerm && expr->term->kind == TermKind::kScalar && !commented) {
      expr->generated = true;
      expr->with = {};
    }
    expr->index = 0;
    parts.Add(expr);
    if (!At(Tok::kRBrace)) {
      Fail(Here(), "expected } to end template string expression");
      return nullptr;
    }
    ScanSpace();
    if (At(Tok::kIllegal)) {
      // Its error is there already; OPA goes on to say that this is no part of a template.
      Fail(Here(), "expected template-string part");
      return nullptr;
    }
  }
  term->at = Span(at, at.offset, TokenEnd());
  term->multi_line = raw;
  term->body = parts.Finish(arena_);
  Raise(term->height, term->body);
  return TooHigh(term->height) ? nullptr : term;
}

Term* Parser::ParseCall(Term* function, const Location& start, uint32_t offset) {
  Scan();
  if (At(Tok::kRParen)) {
    const uint32_t end = TokenEnd();
    ScanSpace();
    const Location at = Span(start, offset, end);
    if (function->items.size() == 1 && function->items[0]->kind == TermKind::kVar &&
        function->items[0]->name == "set") {
      return NewTerm(TermKind::kSet, at);
    }
    return NewCall(function, {}, at, false);
  }
  TermList args(term_stack_);
  if (!ParseTermList(Tok::kRParen, args)) return nullptr;
  const uint32_t end = TokenEnd();
  ScanSpace();
  return NewCall(function, args.Finish(arena_), Span(start, offset, end), false);
}

Term* Parser::ParseRef(Term* head, uint32_t offset) {
  Depth depth(*this);
  if (!Enter()) return nullptr;
  const Location start = head->at;
  uint32_t end = 0;
  Term* term = ParseRefInner(head, offset, end);
  if (term == nullptr) return nullptr;
  term->at = Span(start, offset, end);
  return term;
}

Term* Parser::ParseRefInner(Term* head, uint32_t offset, uint32_t& end) {
  const Location start = head->at;
  if (!MayHeadRef(*head)) {
    FailText(start, "illegal ref (head cannot be " + std::string(TermKindName(*head)) + ")");
  }
  TermList items(term_stack_);
  items.Add(head);
  const auto finish = [&]() -> Term* {
    Term* ref = NewTerm(TermKind::kRef, start);
    ref->items = items.Finish(arena_);
    Raise(ref->height, ref->items);
    return TooHigh(ref->height) ? nullptr : ref;
  };
  for (;;) {
    switch (tok()) {
      case Tok::kDot:
        ScanSpace();
        if (!At(Tok::kIdent) && !IsAllowedRefKeyword(tok())) {
          Unexpected("expected identifier");
          return nullptr;
        }
        items.Add(StringTerm(lit(), Here()));
        ScanSpace();
        break;
      case Tok::kLParen: {
        Term* function = finish();
        if (function == nullptr) return nullptr;
        function->at = Span(start, offset, Offset());
        Term* call = ParseCall(function, start, offset);
        if (call != nullptr) {
          if (At(Tok::kWhitespace)) {
            Scan();
          } else if (At(Tok::kDot) || At(Tok::kLBrack)) {
            call = ParseRef(call, offset);
          }
        }
        end = LastEnd();
        return call;
      }
      case Tok::kLBrack: {
        Scan();
        Term* operand = ParseInfix(true);
        if (operand == nullptr) return nullptr;
        if (!At(Tok::kRBrack)) {
          Unexpected("expected [");
          return nullptr;
        }
        items.Add(operand);
        ScanSpace();
        break;
      }
      case Tok::kWhitespace:
        end = LastEnd();
        Scan();
        return finish();
      default: end = LastEnd(); return finish();
    }
  }
}

Term* Parser::NewCollection(TermKind kind, std::span<Term*> items) {
  Term* term = NewTerm(kind, {});
  term->items = items;
  Raise(term->height, items);
  return TooHigh(term->height) ? nullptr : term;
}

Term* Parser::NewSet(TermList& list) {
  std::span<Term*> items = list.Finish(arena_);
  return NewCollection(TermKind::kSet, items.first(DropEqualItems(items)));
}

// A key may stand twice, as in OPA's tree: the last one's value counts.
Term* Parser::NewObject(TermList& list) {
  return NewCollection(TermKind::kObject, list.Finish(arena_));
}

Term* Parser::NewComprehension(TermKind kind, std::span<Term* const> items, Body body) {
  Term* term = NewTerm(kind, {});
  term->items = arena_.Copy(items);
  term->body = body;
  Raise(term->height, term->items);
  Raise(term->height, body);
  return TooHigh(term->height) ? nullptr : term;
}

Term* Parser::ParseArray() {
  const Location at = Here();
  Term* term = ParseArrayInner();
  if (term != nullptr) term->at = Span(at, at.offset, TokenEnd());
  return term;
}

Term* Parser::ParseArrayInner() {
  Scan();
  if (At(Tok::kRBrack)) return NewTerm(TermKind::kArray, {});
  bool comprehension = true;
  if (At(Tok::kComma)) {  // [, x]: OPA takes it, for old policies
    comprehension = false;
    Scan();
  }
  const State start = s_;
  Term* head = ParseTerm();
  if (head == nullptr) return nullptr;
  TermList items(term_stack_);
  switch (tok()) {
    case Tok::kRBrack:
      items.Add(head);
      return NewCollection(TermKind::kArray, items.Finish(arena_));
    case Tok::kComma:
      Scan();
      items.Add(head);
      if (!ParseTermList(Tok::kRBrack, items)) return nullptr;
      return NewCollection(TermKind::kArray, items.Finish(arena_));
    case Tok::kOr:
      if (comprehension) {
        Scan();
        if (Body body = ParseBody(Tok::kRBrack); !body.empty()) {
          return NewComprehension(TermKind::kArrayComprehension, {&head, 1}, body);
        }
        if (!At(Tok::kComma)) return nullptr;
      }
      break;
    default: break;
  }
  Restore(start);
  if (!ParseTermList(Tok::kRBrack, items)) return nullptr;
  return NewCollection(TermKind::kArray, items.Finish(arena_));
}

Term* Parser::ParseSetOrObject() {
  const Location at = Here();
  Term* term = ParseSetOrObjectInner();
  if (term != nullptr) term->at = Span(at, at.offset, TokenEnd());
  return term;
}

Term* Parser::ParseSetOrObjectInner() {
  Scan();
  if (At(Tok::kRBrace)) return NewTerm(TermKind::kObject, {});
  bool comprehension = true;
  if (At(Tok::kComma)) {
    comprehension = false;
    Scan();
  }
  const State start = s_;
  Term* head = ParseTerm();
  if (head == nullptr) return nullptr;
  switch (tok()) {
    case Tok::kOr:
      if (comprehension) return ParseSet(start, head, true);
      break;
    case Tok::kRBrace:
    case Tok::kComma: return ParseSet(start, head, comprehension);
    case Tok::kColon: return ParseObject(head, comprehension);
    default: break;
  }
  Restore(start);
  head = ParseInfix(false);
  if (head == nullptr) return nullptr;
  switch (tok()) {
    case Tok::kRBrace:
    case Tok::kComma: return ParseSet(start, head, false);
    case Tok::kColon: return ParseObject(head, comprehension);
    default: Unexpected("non-terminated set"); return nullptr;
  }
}

Term* Parser::ParseSet(const State& start, Term* head, bool comprehension) {
  TermList items(term_stack_);
  switch (tok()) {
    case Tok::kRBrace: items.Add(head); return NewSet(items);
    case Tok::kComma:
      Scan();
      items.Add(head);
      return ParseTermList(Tok::kRBrace, items) ? NewSet(items) : nullptr;
    case Tok::kOr:
      if (comprehension) {
        Scan();
        if (Body body = ParseBody(Tok::kRBrace); !body.empty()) {
          return NewComprehension(TermKind::kSetComprehension, {&head, 1}, body);
        }
        if (!At(Tok::kComma)) return nullptr;
      }
      Restore(start);
      return ParseTermList(Tok::kRBrace, items) ? NewSet(items) : nullptr;
    default: return nullptr;
  }
}

Term* Parser::ParseObject(Term* key, bool comprehension) {
  Scan();
  const State start = s_;
  Term* value = ParseTerm();
  if (value == nullptr) return nullptr;
  if (comprehension) {
    if (At(Tok::kRBrace) || At(Tok::kComma)) return ParseObjectFinish(key, value, true);
    if (At(Tok::kOr)) {
      if (Term* term = ParseObjectFinish(key, value, true); term != nullptr) return term;
    }
  }
  Restore(start);
  value = ParseInfix(false);
  if (value == nullptr) return nullptr;
  if (At(Tok::kRBrace) || At(Tok::kComma)) return ParseObjectFinish(key, value, false);
  Unexpected("non-terminated object");
  return nullptr;
}

Term* Parser::ParseObjectFinish(Term* key, Term* value, bool comprehension) {
  switch (tok()) {
    case Tok::kRBrace: {
      Term* const pair[] = {key, value};
      return NewCollection(TermKind::kObject, arena_.Copy(std::span<Term* const>(pair)));
    }
    case Tok::kOr:
      if (comprehension) {
        Scan();
        if (Body body = ParseBody(Tok::kRBrace); !body.empty()) {
          Term* const pair[] = {key, value};
          return NewComprehension(TermKind::kObjectComprehension, pair, body);
        }
      } else {
        Unexpected("non-terminated object");
      }
      return nullptr;
    case Tok::kComma: {
      Scan();
      TermList items(term_stack_);
      items.Add(key);
      items.Add(value);
      return ParsePairList(Tok::kRBrace, items) ? NewObject(items) : nullptr;
    }
    default: return nullptr;
  }
}

bool Parser::ParseTermList(Tok end, TermList& list) {
  if (At(end)) return true;
  for (;;) {
    Term* term = ParseInfix(false);
    if (term == nullptr) return false;
    list.Add(term);
    if (At(end)) return true;
    if (!At(Tok::kComma)) {
      UnexpectedText("expected \",\" or \"" + std::string(TokName(end)) + "\"");
      return false;
    }
    Scan();
    if (At(end)) return true;
  }
}

bool Parser::ParsePairList(Tok end, TermList& list) {
  if (At(end)) return true;
  for (;;) {
    Term* key = ParseInfix(false);
    if (key == nullptr) return false;
    if (!At(Tok::kColon)) {
      Unexpected("expected \":\"");
      return false;
    }
    Scan();
    Term* value = ParseInfix(false);
    if (value == nullptr) return false;
    list.Add(key);
    list.Add(value);
    if (At(end)) return true;
    if (!At(Tok::kComma)) {
      UnexpectedText("expected \",\" or \"" + std::string(TokName(end)) + "\"");
      return false;
    }
    Scan();
    if (At(end)) return true;
  }
}

std::string_view Parser::NewWildcard() {
  static constexpr std::string_view kFirst[] = {"$0", "$1", "$2",  "$3",  "$4",  "$5",  "$6", "$7",
                                                "$8", "$9", "$10", "$11", "$12", "$13", "$14"};
  const uint32_t number = s_.wildcard++;
  if (number < std::size(kFirst)) return kFirst[number];
  char digits[16] = {'$'};
  const auto end = std::to_chars(digits + 1, digits + sizeof digits, number).ptr;
  return arena_.Copy(std::string_view(digits, static_cast<size_t>(end - digits)));
}

Term* Parser::ParseVar() {
  const std::string_view name = lit();
  return VarTerm(name == "_" ? NewWildcard() : name, Here());
}

}  // namespace bulwark::rego
