#include "lang/rego/ast/ast_compare.h"

#include <algorithm>
#include <unordered_map>

namespace bulwark::rego {
namespace {

uint64_t Mix(uint64_t hash, uint64_t more) {
  hash ^= more + 0x9E3779B97F4A7C15 + (hash << 6) + (hash >> 2);
  hash *= 0xBF58476D1CE4E5B9;
  return hash ^ (hash >> 31);
}

uint64_t TextHash(std::string_view text) { return std::hash<std::string_view>()(text); }

uint64_t BodyHash(Body body);

uint64_t ExprHash(const Expr& expr) {
  uint64_t hash = Mix(static_cast<uint64_t>(expr.kind), expr.negated ? 1 : 0);
  if (expr.term != nullptr) hash = Mix(hash, TermHash(*expr.term));
  for (const Term* term : expr.terms) hash = Mix(hash, term == nullptr ? 0 : TermHash(*term));
  hash = Mix(hash, BodyHash(expr.lhs));
  hash = Mix(hash, BodyHash(expr.rhs));
  for (const With& with : expr.with) {
    hash = Mix(hash, TermHash(*with.target));
    hash = Mix(hash, TermHash(*with.value));
  }
  return hash;
}

uint64_t BodyHash(Body body) {
  uint64_t hash = body.size();
  for (const Expr* expr : body) hash = Mix(hash, ExprHash(*expr));
  return hash;
}

uint64_t ComputeHash(const Term& term) {
  const uint64_t kind = static_cast<uint64_t>(term.kind) + 1;
  switch (term.kind) {
    case TermKind::kScalar: return Mix(kind, term.value.Hash());
    case TermKind::kVar: return Mix(kind, TextHash(term.name));
    case TermKind::kSet: {
      uint64_t sum = 0;
      for (const Term* item : term.items) sum += Mix(kind, TermHash(*item));
      return Mix(kind, sum);
    }
    case TermKind::kObject: {
      uint64_t sum = 0;
      for (size_t i = 0; i + 1 < term.items.size(); i += 2) {
        sum += Mix(TermHash(*term.items[i]), TermHash(*term.items[i + 1]));
      }
      return Mix(kind, sum);
    }
    default: break;
  }
  uint64_t hash = Mix(kind, term.items.size());
  for (const Term* item : term.items) hash = Mix(hash, TermHash(*item));
  if (!term.body.empty()) hash = Mix(hash, BodyHash(term.body));
  return hash;
}

bool SameTerms(std::span<Term* const> a, std::span<Term* const> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Term* x, const Term* y) {
    if (x == nullptr || y == nullptr) return x == y;
    return TermsEqual(*x, *y);
  });
}

bool SameTerm(const Term* a, const Term* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return TermsEqual(*a, *b);
}

// Items (or keys, with `step` 2) in an order that equal sets share, up to colliding hashes.
std::vector<size_t> ByHash(std::span<Term* const> items, size_t step) {
  std::vector<size_t> order;
  for (size_t i = 0; i < items.size(); i += step) order.push_back(i);
  std::sort(order.begin(), order.end(),
            [&](size_t x, size_t y) { return TermHash(*items[x]) < TermHash(*items[y]); });
  return order;
}

bool SameUnordered(std::span<Term* const> a, std::span<Term* const> b, size_t step) {
  if (a.size() != b.size()) return false;
  const std::vector<size_t> first = ByHash(a, step);
  const std::vector<size_t> second = ByHash(b, step);
  for (size_t i = 0; i < first.size(); ++i) {
    // Of several with one hash any may be the one.
    bool found = false;
    const uint64_t hash = TermHash(*a[first[i]]);
    size_t from = i;
    while (from > 0 && TermHash(*b[second[from - 1]]) == hash) --from;
    for (size_t j = from; j < second.size() && TermHash(*b[second[j]]) == hash && !found; ++j) {
      found = TermsEqual(*a[first[i]], *b[second[j]]) &&
              (step == 1 || TermsEqual(*a[first[i] + 1], *b[second[j] + 1]));
    }
    if (!found) return false;
  }
  return true;
}

int Sign(bool less) { return less ? -1 : 1; }

int KindOrder(const Term& term) {
  switch (term.kind) {
    case TermKind::kScalar:
      if (term.value.IsNull()) return 0;
      if (term.value.IsBool()) return 1;
      return term.value.IsString() ? 3 : 2;
    case TermKind::kTemplateString: return 4;
    case TermKind::kVar: return 5;
    case TermKind::kRef: return 6;
    case TermKind::kArray: return 7;
    case TermKind::kObject: return 8;
    case TermKind::kSet: return 9;
    case TermKind::kArrayComprehension: return 10;
    case TermKind::kObjectComprehension: return 11;
    case TermKind::kSetComprehension: return 12;
    case TermKind::kCall: return 13;
  }
  BW_UNREACHABLE();
}

int ExprOrder(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kSome:
    case ExprKind::kSomeIn: return 0;
    case ExprKind::kTerm: return 1;
    case ExprKind::kCall: return 2;
    case ExprKind::kEvery: return 3;
    case ExprKind::kNot: return 4;
    case ExprKind::kAnd: return 5;
    case ExprKind::kOr: return 6;
  }
  BW_UNREACHABLE();
}

template <typename A, typename B>
int CompareLists(const A& a, const B& b) {
  const size_t common = std::min(a.size(), b.size());
  for (size_t i = 0; i < common; ++i) {
    if (a[i] == nullptr || b[i] == nullptr) {
      if (a[i] != b[i]) return Sign(a[i] == nullptr);
      continue;
    }
    if (const int c = CompareTerms(*a[i], *b[i]); c != 0) return c;
  }
  return a.size() == b.size() ? 0 : Sign(a.size() < b.size());
}

int CompareExprs(const Expr& a, const Expr& b) {
  if (ExprOrder(a) != ExprOrder(b)) return Sign(ExprOrder(a) < ExprOrder(b));
  if (a.index != b.index) return Sign(a.index < b.index);
  if (a.negated != b.negated) return Sign(b.negated);
  int c = 0;
  if (a.kind == ExprKind::kTerm || a.kind == ExprKind::kSomeIn) {
    c = b.kind == ExprKind::kSome ? 1 : CompareTerms(*a.term, *b.term);
  } else if (b.kind == ExprKind::kSomeIn) {
    c = -1;
  } else {
    c = CompareLists(a.terms, b.terms);
  }
  if (c == 0) c = CompareBodies(a.lhs, b.lhs);
  if (c == 0) c = CompareBodies(a.rhs, b.rhs);
  for (size_t i = 0; c == 0 && i < std::min(a.with.size(), b.with.size()); ++i) {
    c = CompareTerms(*a.with[i].target, *b.with[i].target);
    if (c == 0) c = CompareTerms(*a.with[i].value, *b.with[i].value);
  }
  if (c == 0 && a.with.size() != b.with.size()) c = Sign(a.with.size() < b.with.size());
  return c;
}

}  // namespace

uint64_t TermHash(const Term& term) {
  if (term.hash == 0) {
    term.hash = ComputeHash(term);
    if (term.hash == 0) term.hash = 1;
  }
  return term.hash;
}

bool TermsEqual(const Term& a, const Term& b) {
  if (&a == &b) return true;
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case TermKind::kScalar: return a.value == b.value;
    case TermKind::kVar: return a.name == b.name;
    default: break;
  }
  if (a.items.size() != b.items.size() || a.body.size() != b.body.size() ||
      TermHash(a) != TermHash(b)) {
    return false;
  }
  if (a.kind == TermKind::kSet) return SameUnordered(a.items, b.items, 1);
  if (a.kind == TermKind::kObject) return SameUnordered(a.items, b.items, 2);
  if (a.kind == TermKind::kTemplateString && a.multi_line != b.multi_line) return false;
  return SameTerms(a.items, b.items) && BodiesEqual(a.body, b.body);
}

bool ExprsEqual(const Expr& a, const Expr& b) {
  if (a.kind != b.kind || a.negated != b.negated || a.with.size() != b.with.size()) return false;
  if (!SameTerm(a.term, b.term) || !SameTerms(a.terms, b.terms)) return false;
  for (size_t i = 0; i < a.with.size(); ++i) {
    if (!TermsEqual(*a.with[i].target, *b.with[i].target) ||
        !TermsEqual(*a.with[i].value, *b.with[i].value)) {
      return false;
    }
  }
  return BodiesEqual(a.lhs, b.lhs) && BodiesEqual(a.rhs, b.rhs);
}

bool BodiesEqual(Body a, Body b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Expr* x, const Expr* y) { return ExprsEqual(*x, *y); });
}

bool RulesEqual(const Rule& a, const Rule& b) {
  const Rule* x = &a;
  const Rule* y = &b;
  for (; x != nullptr && y != nullptr; x = x->else_rule, y = y->else_rule) {
    const Head& h = x->head;
    const Head& g = y->head;
    if (x->is_default != y->is_default || h.assign != g.assign || h.is_function != g.is_function ||
        !SameTerms(h.ref, g.ref) || !SameTerms(h.args, g.args) || !SameTerm(h.key, g.key) ||
        !SameTerm(h.value, g.value) || !BodiesEqual(x->body, y->body)) {
      return false;
    }
  }
  return x == nullptr && y == nullptr;
}

bool ModulesEqual(const Module& a, const Module& b) {
  return SameTerms(a.package.path, b.package.path) &&
         std::equal(a.imports.begin(), a.imports.end(), b.imports.begin(), b.imports.end(),
                    [](const Import* x, const Import* y) {
                      return x->alias == y->alias && TermsEqual(*x->path, *y->path);
                    }) &&
         std::equal(a.rules.begin(), a.rules.end(), b.rules.begin(), b.rules.end(),
                    [](const Rule* x, const Rule* y) { return RulesEqual(*x, *y); });
}

int CompareTerms(const Term& a, const Term& b) {
  if (&a == &b) return 0;
  const int x = KindOrder(a);
  const int y = KindOrder(b);
  if (x != y) return Sign(x < y);
  switch (a.kind) {
    case TermKind::kScalar: return Value::Compare(a.value, b.value);
    case TermKind::kVar: return a.name.compare(b.name);
    case TermKind::kSet:
      if (TermsEqual(a, b)) return 0;
      return CompareLists(SortedItems(a), SortedItems(b));
    case TermKind::kObject: {
      if (TermsEqual(a, b)) return 0;
      const auto first = SortedPairs(a);
      const auto second = SortedPairs(b);
      for (size_t i = 0; i < std::min(first.size(), second.size()); ++i) {
        int c = CompareTerms(*first[i].first, *second[i].first);
        if (c == 0) c = CompareTerms(*first[i].second, *second[i].second);
        if (c != 0) return c;
      }
      return first.size() == second.size() ? 0 : Sign(first.size() < second.size());
    }
    case TermKind::kTemplateString:
      if (a.multi_line != b.multi_line) return Sign(!a.multi_line);
      return CompareBodies(a.body, b.body);
    default: {
      const int c = CompareLists(a.items, b.items);
      return c != 0 ? c : CompareBodies(a.body, b.body);
    }
  }
}

int CompareBodies(Body a, Body b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (const int c = CompareExprs(*a[i], *b[i]); c != 0) return c;
  }
  return a.size() == b.size() ? 0 : Sign(a.size() < b.size());
}

std::vector<const Term*> SortedItems(const Term& set) {
  std::vector<const Term*> out(set.items.begin(), set.items.end());
  std::stable_sort(out.begin(), out.end(),
                   [](const Term* a, const Term* b) { return CompareTerms(*a, *b) < 0; });
  return out;
}

std::vector<std::pair<const Term*, const Term*>> SortedPairs(const Term& object) {
  std::vector<std::pair<const Term*, const Term*>> out;
  out.reserve(object.items.size() / 2);
  for (size_t i = 0; i + 1 < object.items.size(); i += 2) {
    out.emplace_back(object.items[i], object.items[i + 1]);
  }
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return CompareTerms(*a.first, *b.first) < 0;
  });
  return out;
}

size_t DropEqualItems(std::span<Term*> items) {
  size_t kept = 0;
  if (items.size() <= 8) {
    for (Term* item : items) {
      const std::span<Term*> before = items.first(kept);
      const bool found = std::any_of(before.begin(), before.end(),
                                     [&](const Term* other) { return TermsEqual(*other, *item); });
      if (!found) items[kept++] = item;
    }
    return kept;
  }
  std::unordered_multimap<uint64_t, const Term*> seen;
  seen.reserve(items.size());
  for (Term* item : items) {
    const auto [begin, end] = seen.equal_range(TermHash(*item));
    const bool found = std::any_of(
        begin, end, [&](const auto& other) { return TermsEqual(*other.second, *item); });
    if (found) continue;
    seen.emplace(TermHash(*item), item);
    items[kept++] = item;
  }
  return kept;
}

bool IsBuiltinCall(const Expr& expr, std::string_view name) {
  if (expr.kind != ExprKind::kCall) return false;
  const Term& function = *expr.terms[0];
  return function.kind == TermKind::kRef && function.items.size() == 1 &&
         function.items[0]->kind == TermKind::kVar && function.items[0]->name == name;
}

std::string_view InfixOf(const Term& function) {
  if (function.kind != TermKind::kRef || function.items[0]->kind != TermKind::kVar) return {};
  const std::string_view name = function.items[0]->name;
  if (function.items.size() == 2) {
    const Term& member = *function.items[1];
    return name == "internal" && member.value.IsString() &&
                   (member.value.AsString() == "member_2" || member.value.AsString() == "member_3")
               ? "in"
               : std::string_view();
  }
  if (function.items.size() != 1) return {};
  static constexpr std::pair<std::string_view, std::string_view> kSigns[] = {
      {"eq", "="},  {"assign", ":="}, {"equal", "=="}, {"neq", "!="}, {"lt", "<"},
      {"gt", ">"},  {"lte", "<="},    {"gte", ">="},   {"plus", "+"}, {"minus", "-"},
      {"mul", "*"}, {"div", "/"},     {"rem", "%"},    {"and", "&"},  {"or", "|"}};
  for (const auto& [builtin, sign] : kSigns) {
    if (builtin == name) return sign;
  }
  return {};
}

bool IsInfixBuiltin(const Term& function, size_t operands) {
  if (InfixOf(function).empty()) return false;
  const bool with_key =
      function.items.size() == 2 && function.items[1]->value.AsString() == "member_3";
  return operands == (with_key ? 3 : 2);
}

}  // namespace bulwark::rego
