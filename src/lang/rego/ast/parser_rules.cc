// Statements: package, import, rules with their heads and else branches.

#include <algorithm>
#include <unordered_set>

#include "lang/rego/ast/ast_compare.h"
#include "lang/rego/ast/parser_impl.h"
#include "lang/rego/ast/printer.h"

namespace bulwark::rego {
namespace {

bool IsVarNamed(const Term& term, std::string_view name) {
  return term.kind == TermKind::kVar && term.name == name;
}

// Path operands after the head are names, one by one.
bool PathIs(const Term& path, std::initializer_list<std::string_view> names) {
  if (path.items.size() != names.size()) return false;
  size_t i = 0;
  for (std::string_view name : names) {
    const Term& item = *path.items[i++];
    if (item.kind == TermKind::kVar ? item.name != name
                                    : !item.value.IsString() || item.value.AsString() != name) {
      return false;
    }
  }
  return true;
}

bool IsGroundTerm(const Term& term) {
  switch (term.kind) {
    case TermKind::kScalar: return true;
    case TermKind::kArray:
    case TermKind::kSet:
    case TermKind::kObject:
    case TermKind::kCall:
      return std::all_of(term.items.begin(), term.items.end(),
                         [](const Term* item) { return IsGroundTerm(*item); });
    case TermKind::kRef:
      return term.items.empty() ||
             std::all_of(term.items.begin() + 1, term.items.end(),
                         [](const Term* item) { return IsGroundTerm(*item); });
    case TermKind::kVar:
    case TermKind::kTemplateString:
    case TermKind::kArrayComprehension:
    case TermKind::kSetComprehension:
    case TermKind::kObjectComprehension: break;
  }
  return false;
}

}  // namespace

bool IsGroundHead(std::span<Term* const> ref) {
  return ref.empty() || std::all_of(ref.begin() + 1, ref.end(),
                                    [](const Term* item) { return IsGroundTerm(*item); });
}

Package* Parser::ParsePackage() {
  if (!At(Tok::kPackage)) return nullptr;
  Package* package = arena_.New<Package>();
  package->at = Here();
  ScanSpace();
  if (At(Tok::kDot) || At(Tok::kLBrack)) return nullptr;  // a reference that begins with `package`
  if (At(Tok::kWhitespace)) Scan();
  if (!IdentOrRefKeyword()) {
    Unexpected();
    return nullptr;
  }
  Term* term = ParseTerm();
  if (term == nullptr) {
    if (!failed()) Fail(Here(), "expected path");
    return nullptr;
  }
  if (term->kind == TermKind::kVar) {
    Term* const path[] = {VarTerm("data", term->at), StringTerm(term->name, term->at)};
    package->path = arena_.Copy(std::span<Term* const>(path));
    return package;
  }
  if (term->kind != TermKind::kRef) {
    Unexpected();
    return nullptr;
  }
  const Term& first = *term->items[0];
  if (first.kind != TermKind::kVar) {
    FailText(first.at, "unexpected " + std::string(TermKindName(first)) + " token: expecting var");
    return nullptr;
  }
  TermList path(term_stack_);
  path.Add(VarTerm("data", first.at));
  path.Add(StringTerm(first.name, first.at));
  for (Term* item : term->items.subspan(1)) {
    if (!item->value.IsString() || item->kind != TermKind::kScalar) {
      FailText(item->at,
               "unexpected " + std::string(TermKindName(*item)) + " token: expecting string");
      return nullptr;
    }
    path.Add(item);
  }
  package->path = path.Finish(arena_);
  return package;
}

Import* Parser::ParseImport() {
  if (!At(Tok::kImport)) return nullptr;
  Import* import = arena_.New<Import>();
  import->at = Here();
  ScanSpace();
  if (At(Tok::kDot) || At(Tok::kLBrack)) return nullptr;
  if (At(Tok::kWhitespace)) Scan();
  if (!IdentOrRefKeyword()) {
    Unexpected();
    return nullptr;
  }
  // The path is read as if no keyword were switched on: `import future.keywords.in`.
  const State before = s_;
  const uint8_t keys = keys_;
  std::vector<MemoEntry> memo;
  memo.swap(memo_);
  keys_ = 0;
  path_mode_ = true;
  Term* term = ParseTerm();
  path_mode_ = false;
  keys_ = keys;
  memo.swap(memo_);
  if (term != nullptr && term->kind == TermKind::kVar) {
    Term* path = NewTerm(TermKind::kRef, term->at);
    path->items = arena_.Copy(std::span<Term* const>(&term, 1));
    path->height = 2;
    import->path = path;
  } else if (term != nullptr && term->kind == TermKind::kRef) {
    for (const Term* item : term->items.subspan(1)) {
      if (item->kind != TermKind::kScalar || !item->value.IsString()) {
        Restore(before);
        FailText(item->at,
                 "unexpected " + std::string(TermKindName(*item)) + " token: expecting string");
        return nullptr;
      }
    }
    import->path = term;
  }
  if (import->path == nullptr) {
    Fail(Here(), "expected path");
    return nullptr;
  }
  const Term& path = *import->path;
  const Term& root = *path.items[0];
  if (!IsVarNamed(root, "data") && !IsVarNamed(root, "input") && !IsVarNamed(root, "future") &&
      !IsVarNamed(root, "rego")) {
    Hint("if this is unexpected, try updating OPA");
    FailText(path.at,
             "unexpected import path, must begin with one of: {data, future, input, rego}, got: " +
                 ToText(root));
    return nullptr;
  }
  if (At(Tok::kAs)) {
    Scan();
    if (!At(Tok::kIdent)) {
      Unexpected("expected var");
      return nullptr;
    }
    if (const Term* alias = ParseTerm(); alias != nullptr) {
      if (alias->kind == TermKind::kVar) {
        import->alias = alias->name;
        import->alias_at = alias->at;
        return import;
      }
      if (alias->kind == TermKind::kRef && alias->items.size() == 1) {
        FailText(alias->at, "unexpected import alias, must not be a reserved name, got: " +
                                ToText(*alias->items[0]));
        return nullptr;
      }
    }
    Unexpected("expected var");
    return nullptr;
  }
  const Term& last = *path.items.back();
  const std::string_view name = last.kind == TermKind::kVar ? last.name : last.value.AsString();
  if ((path.items.size() == 1 || !IsVarNamed(root, "future")) &&
      IsKeywordIn(name, options_.dialect)) {
    Hint("import a different path or use an alias");
    FailText(last.at,
             "unexpected import path, must not end with a keyword, got: " + std::string(name));
  }
  return import;
}

void Parser::FutureImport(const Import& import) {
  const Term& path = *import.path;
  if (path.items.size() == 1 || path.items[1]->value.AsString() != "keywords") {
    Fail(path.at, "invalid import, must be `future.keywords`");
    return;
  }
  if (!import.alias.empty()) {
    Fail(import.alias_at, "`future` imports cannot be aliased");
    return;
  }
  uint8_t bits = kKeysAll;
  if (path.items.size() == 3) {
    bits = KeywordBitOf(path.items[2]->value.AsString());
    if (bits == 0) {
      Fail(path.at, "unexpected keyword, must be one of [and contains every if in not or]");
      return;
    }
  }
  if ((bits & kKeyNot) != 0) not_bodies_ = true;
  if ((bits & kKeyEvery) != 0) bits |= kKeyIn;
  keys_ |= bits;
}

void Parser::RegoImport(const Import& import) {
  const Term& path = *import.path;
  const bool v1 = PathIs(path, {"rego", "v1"});
  const bool v2 = PathIs(path, {"rego", "v2"});
  if (!v1 && !v2) {
    FailText(path.at,
             "invalid import `" + ToText(path) + "`, must be one of: `rego.v1`, `rego.v2`");
    return;
  }
  if (!import.alias.empty()) {
    Fail(import.alias_at, "`rego` imports cannot be aliased");
    return;
  }
  if (v1) {
    if (options_.dialect != Dialect::kV1) keys_ |= kKeysV0;
    return;
  }
  keys_ = kKeysAll;
  not_bodies_ = true;
}

bool Parser::KeywordRuleName(bool is_default) {
  enum Follower : uint8_t { kSet = 1, kIfWord = 2, kContainsWord = 4, kParen = 8 };
  uint8_t followers = 0;
  switch (tok()) {
    case Tok::kEvery:
    case Tok::kIf:
    case Tok::kIn:
    case Tok::kSome:
    case Tok::kAs: followers = kSet | kIfWord | kContainsWord | kParen; break;
    case Tok::kPackage:
    case Tok::kImport: followers = kSet | kParen; break;
    case Tok::kNot:
    case Tok::kLogicalAnd:
    case Tok::kLogicalOr: followers = kSet | kIfWord | kContainsWord; break;
    case Tok::kContains: followers = kIfWord | kContainsWord; break;
    default: return false;
  }
  const std::string_view keyword = TokName(tok());
  const Location at = Here();
  if (!is_default) {
    const State start = s_;
    Scan();
    uint8_t next = 0;
    if (At(Tok::kAssign) || At(Tok::kUnify)) next = kSet;
    if (At(Tok::kIf)) next = kIfWord;
    if (At(Tok::kContains)) next = kContainsWord;
    if (At(Tok::kLParen)) next = kParen;
    Restore(start);
    if ((followers & next) == 0) return false;
  }
  FailText(at, std::string(keyword) + " keyword cannot be used for rule name");
  return true;
}

bool Parser::ParseRules() {
  Rule* rule = arena_.New<Rule>();
  rule->at = Here();
  const Location start = rule->at;
  ScanAheadRef();
  if (At(Tok::kDefault)) {
    Scan();
    rule->is_default = true;
    ScanAheadRef();
  }
  if (!At(Tok::kIdent)) {
    if (rule->is_default) KeywordRuleName(true);
    return false;
  }
  Head& head = rule->head;
  bool contains = false;
  if (!ParseHead(rule->is_default, head, contains)) return false;
  if (head.ref[0]->kind != TermKind::kVar) {
    // f(x)[y] and the like: no name to hang a rule on. OPA reads on only to fail elsewhere.
    if (contains || rule->is_default || (head.ref.size() > 2 && At(Tok::kLBrace))) {
      UnexpectedText("rule head ref " + ToText(*head.ref[0]) + " invalid");
    }
    return false;
  }
  head.contains = contains;
  if (rule->is_default) {
    if (!CheckDefaultValue(*rule)) return false;
    if (!head.args.empty() && !CheckDefaultArgs(*rule)) return false;
    rule->body = ImplicitTrueBody(rule->at);
    statements_.push_back({StatementKind::kRule, rule->at, nullptr, nullptr, rule, {}});
    return true;
  }
  const bool has_if = At(Tok::kIf);
  if (has_if && !contains && head.ref.size() == 2) {
    Term* operand = head.ref[1];
    if ((!IsGroundTerm(*operand) || operand->kind == TermKind::kRef) && head.args.empty()) {
      head.key = operand;
    }
    if (head.value == nullptr) {
      head.generated_value = true;
      head.value = TrueTerm(head.at);
    } else {
      head.has_name = true;
    }
  }
  if (!has_if && !contains && head.args.empty() && head.ref.size() == 2) {
    head.has_name = true;
    head.key = head.ref[1];
    if (head.value == nullptr) head.ref = head.ref.first(1);
  }
  bool braces = false;
  if (has_if) {
    head.if_keyword = true;
    Scan();
    const State before = s_;
    const bool leading_brace = At(Tok::kLBrace);
    Expr* expr = ParseLiteral();
    const bool is_set = expr != nullptr && leading_brace && expr->kind == ExprKind::kTerm &&
                        expr->term->kind == TermKind::kSet;
    if (expr != nullptr && !is_set) {
      rule->body = OneBody(expr);
    } else {
      if (!leading_brace) return false;
      Restore(before);
      braces = true;
    }
  } else if (At(Tok::kLBrace)) {
    braces = true;
  } else if (contains) {
    rule->body = ImplicitTrueBody(rule->at);
    rule->generated_body = true;
    rule->at = head.at;
    statements_.push_back({StatementKind::kRule, rule->at, nullptr, nullptr, rule, {}});
    return true;
  } else {
    return false;
  }
  if (braces) {
    Scan();
    rule->body = ParseBody(Tok::kRBrace);
    if (rule->body.empty()) return false;
    Scan();
  }
  if (At(Tok::kElse) && !ScanAheadRef()) {
    if (head.ref.size() > 1 && !IsGroundHead(head.ref)) {
      Fail(Here(), "else keyword cannot be used on rules with variables in head");
      return false;
    }
    if (head.key != nullptr) {
      Fail(Here(), "else keyword cannot be used on multi-value rules");
      return false;
    }
    rule->else_rule = ParseElse(head, 1);
    if (rule->else_rule == nullptr) return false;
  }
  rule->at = Span(start, start.offset, LastEnd());
  const size_t first = statements_.size();
  statements_.push_back({StatementKind::kRule, rule->at, nullptr, nullptr, rule, {}});
  // Further bodies are further rules of the same head.
  while (At(Tok::kLBrace)) {
    if (rule->else_rule != nullptr) {
      Fail(Here(), "expected else keyword");
      statements_.resize(first);
      return false;
    }
    const Location at = Here();
    Scan();
    Rule* next = arena_.New<Rule>();
    next->body = ParseBody(Tok::kRBrace);
    if (next->body.empty()) {
      statements_.resize(first);
      return false;
    }
    Scan();
    next->at = Span(at, at.offset, LastEnd());
    next->head = head;
    next->head.at = next->at;
    CopyHeadTerms(next->head, &next->at);
    statements_.push_back({StatementKind::kRule, next->at, nullptr, nullptr, next, {}});
  }
  return true;
}

Rule* Parser::ParseElse(const Head& head, size_t chain) {
  if (TooHigh(static_cast<uint32_t>(chain))) return nullptr;
  Rule* rule = arena_.New<Rule>();
  const Location start = Here();
  rule->at = start;
  rule->is_else = true;
  rule->head = head;
  rule->head.generated_value = false;
  rule->head.contains = false;
  rule->head.if_keyword = false;
  rule->head.at = start;
  CopyHeadTerms(rule->head, nullptr);
  Scan();
  switch (tok()) {
    case Tok::kLBrace:
    case Tok::kIf:
      rule->head.generated_value = true;
      rule->head.value = TrueTerm({});
      break;
    case Tok::kAssign:
    case Tok::kUnify:
      rule->head.assign = At(Tok::kAssign);
      Scan();
      rule->head.value = ParseInfix(true);
      if (rule->head.value == nullptr) return nullptr;
      rule->head.at = Span(start, start.offset, LastEnd());
      break;
    default: Unexpected("expected else value term or rule body"); return nullptr;
  }
  const bool has_if = At(Tok::kIf);
  if (!has_if && !At(Tok::kLBrace)) {
    rule->at = Span(start, start.offset, LastEnd());
    rule->body = ImplicitTrueBody(rule->at);
    rule->generated_body = true;
    return rule;
  }
  if (has_if) {
    rule->head.if_keyword = true;
    Scan();
  }
  bool literal = false;
  if (At(Tok::kLBrace)) {
    Scan();
    rule->body = ParseBody(Tok::kRBrace);
    if (rule->body.empty()) return nullptr;
    Scan();
  } else if (!At(Tok::kEof)) {
    Expr* expr = ParseLiteral();
    if (expr == nullptr) return nullptr;
    rule->body = OneBody(expr);
    literal = true;
  } else {
    Unexpected("rule body expected");
    return nullptr;
  }
  if (At(Tok::kElse)) {
    rule->else_rule = ParseElse(head, chain + 1);
    if (rule->else_rule == nullptr) return nullptr;
  }
  rule->at = Span(start, start.offset, LastEnd());
  if (literal) rule->body = CopyBody(rule->body, &rule->at);
  return rule;
}

bool Parser::ParseHead(bool is_default, Head& head, bool& contains) {
  const Location start = Here();
  Term* ref = ParseHeadFinish(ParseVar());
  if (ref == nullptr) {
    Unexpected("expected rule head name");
    return false;
  }
  switch (ref->kind) {
    case TermKind::kVar: head.ref = arena_.Copy(std::span<Term* const>(&ref, 1)); break;
    case TermKind::kRef: head.ref = ref->items; break;
    case TermKind::kCall:
      head.ref = ref->items[0]->items;
      if (head.ref[0]->kind != TermKind::kVar) {
        UnexpectedText("rule head ref " + ToText(*ref->items[0]) + " invalid");
        return false;
      }
      head.args = ref->items.subspan(1);
      head.is_function = !head.args.empty();
      break;
    default: return false;
  }
  head.name = head.ref[0]->name;
  head.has_name = head.ref.size() < 2;
  const auto name = [&] {
    Term term;
    term.kind = TermKind::kRef;
    term.items = head.ref;
    return ToText(term);
  };
  switch (tok()) {
    case Tok::kContains:
      if (ref->kind == TermKind::kCall) {
        UnexpectedText(
            "the contains keyword can only be used with multi-value rule definitions (e.g., " +
            name() + " contains <VALUE> { ... })");
      }
      Scan();
      head.key = ParseInfix(true);
      if (head.key == nullptr) {
        UnexpectedText("expected rule key term (e.g., " + name() + " contains <VALUE> { ... })");
      }
      contains = true;
      head.at = Span(start, start.offset, LastEnd());
      return true;
    case Tok::kUnify:
      Scan();
      head.value = ParseInfix(true);
      if (head.value == nullptr) {
        UnexpectedText("expected rule value term (e.g., " + name() + "[<nil>] = <VALUE> { ... })");
      }
      break;
    case Tok::kAssign:
      Scan();
      head.assign = true;
      head.value = ParseInfix(true);
      if (head.value == nullptr) {
        if (!head.args.empty()) {
          UnexpectedText("expected function value term (e.g., " + name() +
                         "(...) := <VALUE> { ... })");
        } else if (is_default) {
          UnexpectedText("expected default rule value term (e.g., default " + name() +
                         " := <VALUE>)");
        } else {
          UnexpectedText("expected rule value term (e.g., " + name() + " := <VALUE> { ... })");
        }
      }
      break;
    default: break;
  }
  if (head.value == nullptr && (head.ref.size() != 2 || !head.args.empty())) {
    head.generated_value = true;
    head.value = TrueTerm({});
  }
  head.at = Span(start, start.offset, LastEnd());
  return true;
}

namespace {

struct DefaultVisitor {
  std::vector<std::string_view> found;  // what a default value may not contain

  void Visit(const Term& term) {
    switch (term.kind) {
      case TermKind::kRef: found.emplace_back("ref"); return;
      case TermKind::kVar: found.emplace_back("var"); return;
      case TermKind::kCall: found.emplace_back("call"); return;
      case TermKind::kArrayComprehension:
      case TermKind::kSetComprehension:
      case TermKind::kObjectComprehension: return;
      default: break;
    }
    for (const Term* item : term.items) Visit(*item);
    for (const Expr* expr : term.body) Visit(*expr);
  }
  void Visit(const Expr& expr) {
    if (expr.term != nullptr) Visit(*expr.term);
    for (const Term* item : expr.terms) Visit(*item);
  }
};

}  // namespace

bool Parser::CheckDefaultValue(const Rule& rule) {
  if (rule.head.value == nullptr) {
    Fail(rule.at, "illegal default rule (must have a value)");
    return false;
  }
  DefaultVisitor visitor;
  visitor.Visit(*rule.head.value);
  for (std::string_view what : visitor.found) {
    FailText(rule.at, "illegal default rule (value cannot contain " + std::string(what) + ")");
  }
  return visitor.found.empty();
}

bool Parser::CheckDefaultArgs(const Rule& rule) {
  bool valid = true;
  std::unordered_set<std::string_view> seen;
  for (const Term* arg : rule.head.args) {
    if (arg->kind != TermKind::kVar) {
      FailText(rule.at, "illegal default rule (arguments cannot contain " +
                            std::string(TermKindName(*arg)) + ")");
      valid = false;
    } else if (!seen.insert(arg->name).second) {
      FailText(rule.at, "illegal default rule (arguments cannot be repeated " +
                            std::string(arg->name) + ")");
      valid = false;
    }
  }
  return valid;
}

// Gives the head terms of its own, whose places are `at` if there is one.
void Parser::CopyHeadTerms(Head& head, const Location* at) {
  head.ref = arena_.Copy(std::span<Term* const>(head.ref));
  for (Term*& item : head.ref) item = CopyTerm(item, nullptr);
  head.args = arena_.Copy(std::span<Term* const>(head.args));
  for (Term*& arg : head.args) {
    const bool wildcard = arg->kind == TermKind::kVar && arg->name.starts_with('$');
    arg = CopyTerm(arg, at);
    if (wildcard) arg->name = NewWildcard();
  }
  if (head.key != nullptr) head.key = CopyTerm(head.key, at);
  if (head.value != nullptr) head.value = CopyTerm(head.value, at);
}

Term* Parser::CopyTerm(const Term* term, const Location* at) {
  if (++copied_ > step_limit_) exhausted_ = true;
  Term* copy = arena_.New<Term>(*term);
  if (at != nullptr) copy->at = *at;
  if (exhausted_) return copy;
  copy->items = arena_.Copy(std::span<Term* const>(term->items));
  for (Term*& item : copy->items) item = CopyTerm(item, at);
  copy->body = CopyBody(term->body, at);
  return copy;
}

Expr* Parser::CopyExpr(const Expr* expr, const Location* at) {
  Expr* copy = arena_.New<Expr>(*expr);
  if (at != nullptr) copy->at = *at;
  if (exhausted_) return copy;
  copy->terms = arena_.Copy(std::span<Term* const>(expr->terms));
  if (expr->kind == ExprKind::kSomeIn) {
    copy->term = CopyTerm(expr->term, at);
    copy->terms = copy->term->items.subspan(1);
  } else {
    if (expr->term != nullptr) copy->term = CopyTerm(expr->term, at);
    for (Term*& item : copy->terms) {
      if (item != nullptr) item = CopyTerm(item, at);
    }
  }
  copy->lhs = CopyBody(expr->lhs, at);
  copy->rhs = CopyBody(expr->rhs, at);
  copy->with = arena_.Copy(std::span<const With>(expr->with));
  for (With& with : copy->with) {
    with.target = CopyTerm(with.target, at);
    with.value = CopyTerm(with.value, at);
    if (at != nullptr) with.at = *at;
  }
  return copy;
}

Body Parser::CopyBody(Body body, const Location* at) {
  Body copy = arena_.Copy(std::span<Expr* const>(body));
  for (Expr*& expr : copy) expr = CopyExpr(expr, at);
  return copy;
}

}  // namespace bulwark::rego
