#pragma once

// What constants the variables of a body can be, as far as its bindings say.

#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/arena.h"
#include "lang/rego/ast/ast.h"
#include "lang/rego/check/graph.h"

namespace bulwark::rego {

// The value of a term without variables, references, calls or comprehensions.
std::optional<Value> ConstantValue(const Term& term, Arena& arena);
// The members of a collection: elements, or an object's values. Nothing for what is none.
std::optional<std::vector<Value>> Members(const Value& collection, Arena& arena);
// `a` and `b` of `a = b`, `a := b`; of `some a in xs` the element and no other.
struct Binding {
  const Term* left = nullptr;
  const Term* right = nullptr;
  const Term* collection = nullptr;  // of `some … in`
};
std::optional<Binding> BindingOf(const Expr& expr);

class Narrowing {
 public:
  Narrowing(const Rule& rule, Arena& arena);

  // All references that the operands can stand for, where the expression at `index` of the body
  // holds them. Never empty; what cannot be narrowed stays nullptr.
  std::vector<RefPattern> Expand(const Term& ref, size_t index);

 private:
  using Values = std::vector<Value>;
  struct Known {
    size_t index;
    const Variable* variable;
    Values values;
  };
  const Values* Find(const Variable* variable, size_t before) const;
  std::optional<Values> TermValues(const Term& term, size_t before);
  std::optional<Values> RefValues(const Term& ref, const Term* extra, size_t before);

  Arena& arena_;
  std::vector<Known> known_;
};

// The operands of a reference after its root, with what is constant of them.
RefPattern PatternOf(const Term& ref, Arena& arena);
// The terms of the operands, nullptr where they come from the resolved head.
std::vector<const Term*> OperandTerms(const Term& ref);

}  // namespace bulwark::rego
