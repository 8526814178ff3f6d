#pragma once

// Kubernetes' library of quantities (k8s.io/apiserver/pkg/cel/library/quantity.go, v0.34): quantity
// isQuantity, sign isGreaterThan isLessThan compareTo asApproximateFloat asInteger isInteger add
// sub. Type kubernetes.Quantity; the arithmetic is base/quantity.h's.

#include "base/quantity.h"
#include "lang/cel/library.h"

namespace bulwark::cel::ext {

const Library& Quantities();

class QuantityValue final : public Opaque {
 public:
  static constexpr std::string_view kTypeName = "kubernetes.Quantity";
  explicit QuantityValue(Quantity quantity)
      : Opaque(kExtensionTag), quantity_(std::move(quantity)) {}
  std::string_view TypeName() const override { return kTypeName; }
  bool Equals(const Opaque& other) const override {
    return other.tag() == kExtensionTag && other.TypeName() == kTypeName &&
           static_cast<const QuantityValue&>(other).quantity_ == quantity_;
  }
  uint64_t Hash() const override { return quantity_.Hash(); }
  std::string ToString() const override { return quantity_.ToString(); }
  const Quantity& quantity() const { return quantity_; }

 private:
  Quantity quantity_;
};

}  // namespace bulwark::cel::ext
