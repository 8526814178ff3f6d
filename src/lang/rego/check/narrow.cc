#include "lang/rego/check/narrow.h"

#include <algorithm>

#include "lang/rego/builtins/builtin.h"
#include "lang/rego/resolve/names.h"

namespace bulwark::rego {

namespace {

constexpr size_t kMaxExpansion = 64;  // references that one is narrowed into

std::optional<Value> Member(const Value& collection, const Value& key) {
  if (collection.IsMap()) {
    const Value* found = collection.Find(key);
    return found != nullptr ? std::optional(*found) : std::nullopt;
  }
  if (collection.IsArray()) {
    std::optional<int64_t> index = key.IsNumber() ? key.ToInt() : std::nullopt;
    if (!index || *index < 0 || static_cast<size_t>(*index) >= collection.size()) return {};
    return collection.items()[static_cast<size_t>(*index)];
  }
  if (collection.IsSet() && collection.Contains(key)) return key;
  return {};
}

std::span<const Value> HeadPath(const Term& ref) {
  if (!ref.resolved.empty()) return ref.resolved;
  return ref.kind == TermKind::kRef ? ref.items[0]->resolved : std::span<const Value>();
}

std::span<Term* const> OperandsOf(const Term& ref) {
  return ref.kind == TermKind::kRef ? std::span<Term* const>(ref.items.subspan(1))
                                    : std::span<Term* const>();
}

}  // namespace

std::optional<Value> ConstantValue(const Term& term, Arena& arena) {
  switch (term.kind) {
    case TermKind::kScalar: return term.value;
    case TermKind::kArray:
    case TermKind::kSet:
    case TermKind::kObject: {
      std::vector<Value> items;
      for (const Term* item : term.items) {
        std::optional<Value> value = ConstantValue(*item, arena);
        if (!value) return {};
        items.push_back(*value);
      }
      if (term.kind == TermKind::kArray) return Value::Array(arena, items);
      if (term.kind == TermKind::kSet) return Value::Set(arena, items);
      MapBuilder map(arena);
      for (size_t i = 0; i + 1 < items.size(); i += 2) map.Add(items[i], items[i + 1]);
      return map.Finish();
    }
    default: return {};
  }
}

std::optional<std::vector<Value>> Members(const Value& collection, Arena& arena) {
  std::vector<Value> members;
  if (collection.IsArray() || collection.IsSet()) {
    members.assign(collection.items().begin(), collection.items().end());
  } else if (collection.IsMap()) {
    for (const Value::Entry& entry : SortedEntries(collection, arena)) {
      members.push_back(entry.value);
    }
  } else {
    return {};
  }
  return members;
}

std::optional<Binding> BindingOf(const Expr& expr) {
  if (expr.negated || !expr.with.empty()) return {};
  if (expr.kind == ExprKind::kSomeIn) {
    return Binding{.left = expr.terms[expr.terms.size() - 2],
                   .right = nullptr,
                   .collection = expr.terms.back()};
  }
  if (IsAssignment(expr) || IsUnification(expr)) {
    return Binding{.left = expr.terms[1], .right = expr.terms[2], .collection = nullptr};
  }
  return {};
}

Narrowing::Narrowing(const Rule& rule, Arena& arena) : arena_(arena) {
  size_t index = 0;
  for (const Expr* expr : rule.body) {
    const size_t at = index++;
    std::optional<Binding> binding = BindingOf(*expr);
    if (!binding) continue;
    auto add = [&](const Term& var, std::optional<Values> values) {
      if (var.kind != TermKind::kVar || var.variable == nullptr || !values) return false;
      if (Find(var.variable, SIZE_MAX) == nullptr) {
        known_.push_back({.index = at, .variable = var.variable, .values = std::move(*values)});
      }
      return true;
    };
    if (binding->collection != nullptr) {
      Term any_key;
      any_key.kind = TermKind::kVar;
      const Term& key = expr->terms.size() == 3 ? *expr->terms[0] : any_key;
      add(*binding->left, RefValues(*binding->collection, &key, at));
      continue;
    }
    if (binding->left->kind == TermKind::kVar &&
        add(*binding->left, TermValues(*binding->right, at))) {
      continue;
    }
    if (binding->right->kind == TermKind::kVar)
      add(*binding->right, TermValues(*binding->left, at));
  }
}

const Narrowing::Values* Narrowing::Find(const Variable* variable, size_t before) const {
  for (const Known& known : known_) {
    if (known.variable == variable && known.index < before) return &known.values;
  }
  return nullptr;
}

std::optional<Narrowing::Values> Narrowing::TermValues(const Term& term, size_t before) {
  if (term.kind == TermKind::kVar) {
    const Values* values = term.variable != nullptr ? Find(term.variable, before) : nullptr;
    return values != nullptr ? std::optional(*values) : std::nullopt;
  }
  if (term.kind == TermKind::kRef) return RefValues(term, nullptr, before);
  if (std::optional<Value> value = ConstantValue(term, arena_)) return Values{*value};
  return {};
}

// The values of a reference by a local or a constant collection, one operand after the other;
// `extra` is one more operand.
std::optional<Narrowing::Values> Narrowing::RefValues(const Term& ref, const Term* extra,
                                                      size_t before) {
  const bool is_ref = ref.kind == TermKind::kRef;
  std::optional<Values> values = TermValues(is_ref ? *ref.items[0] : ref, before);
  if (!values) return {};
  std::vector<const Term*> operands;
  for (const Term* operand : OperandsOf(ref)) operands.push_back(operand);
  if (extra != nullptr) operands.push_back(extra);
  for (const Term* operand : operands) {
    Values next;
    std::optional<Value> key = ConstantValue(*operand, arena_);
    for (const Value& value : *values) {
      if (key) {
        if (std::optional<Value> member = Member(value, *key)) next.push_back(*member);
        continue;
      }
      std::optional<std::vector<Value>> members = Members(value, arena_);
      if (!members) return {};
      next.insert(next.end(), members->begin(), members->end());
    }
    if (next.size() > kMaxExpansion) return {};
    values = std::move(next);
  }
  return values;
}

RefPattern PatternOf(const Term& ref, Arena& arena) {
  RefPattern pattern;
  std::span<const Value> path = HeadPath(ref);
  for (const Value& key : path.subspan(path.empty() ? 0 : 1)) pattern.push_back(&key);
  for (const Term* operand : OperandsOf(ref)) {
    if (operand->kind == TermKind::kScalar) {
      pattern.push_back(&operand->value);
    } else if (std::optional<Value> value = ConstantValue(*operand, arena)) {
      pattern.push_back(arena.New<Value>(*value));
    } else {
      pattern.push_back(nullptr);
    }
  }
  return pattern;
}

std::vector<const Term*> OperandTerms(const Term& ref) {
  std::span<const Value> path = HeadPath(ref);
  std::vector<const Term*> terms(path.empty() ? 0 : path.size() - 1, nullptr);
  for (const Term* operand : OperandsOf(ref)) terms.push_back(operand);
  return terms;
}

std::vector<RefPattern> Narrowing::Expand(const Term& ref, size_t index) {
  std::vector<RefPattern> expanded = {PatternOf(ref, arena_)};
  const bool bound = std::ranges::any_of(known_, [&](const Known& k) { return k.index < index; });
  if (!bound) return expanded;
  const std::vector<const Term*> terms = OperandTerms(ref);
  for (size_t i = 0; i < terms.size(); ++i) {
    if (expanded[0][i] != nullptr || terms[i] == nullptr) continue;
    std::optional<Values> values = TermValues(*terms[i], index);
    if (!values || values->empty() || expanded.size() * values->size() > kMaxExpansion) continue;
    std::vector<RefPattern> next;
    for (const RefPattern& pattern : expanded) {
      for (const Value& value : *values) {
        next.push_back(pattern);
        next.back()[i] = arena_.New<Value>(value);
      }
    }
    expanded = std::move(next);
  }
  return expanded;
}

}  // namespace bulwark::rego
