#pragma once

// An object's values as CEL sees them under their schema (Kubernetes:
// k8s.io/apiserver/pkg/cel/common/valuesunstructured.go).
//
//   properties       by their escaped names; one that is null is not there
//   unknown fields   are not seen, but count in size() and ==
//   number           double, also of an integer in the text; integer: int, and no fraction
//   string           by its format bytes, timestamp or duration
//   list-type set    == whatever the order; a + b leaves out what a has
//   list-type map    == by the keys; a + b puts b's items in the place of a's of the same keys
//   null             where the schema is nullable
// What does not fit its schema is an error value: rules that touch it fail, others do not.
//
// What is as it should be is not copied. Values refer to the object, the schema and the arena.
// Recursion is as deep as the schema.

#include "base/arena.h"
#include "base/value.h"
#include "kube/cel/structural_schema.h"

namespace bulwark::kube {

Value ToCelValue(Arena& arena, const Value& value, const StructuralSchema& schema);

// The lists of a map list-type by their keys, for finding the item that an item was before. Takes
// items as they are in the object.
class KeyedItems {
 public:
  // `keys` must outlive it.
  KeyedItems(std::span<const Value> items, std::span<const std::string> keys);
  KeyedItems(KeyedItems&&) noexcept;
  ~KeyedItems();
  // The index of the first item that has the same keys, all of them scalars.
  std::optional<size_t> Find(const Value& item) const;

 private:
  struct Table;
  std::unique_ptr<Table> table_;
};

}  // namespace bulwark::kube
