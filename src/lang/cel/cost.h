#pragma once

// Cost of CEL expressions, in the units of cel-go and Kubernetes: an estimate before an expression
// is run (checker/cost.go semantics), and the count while it runs (interpreter/runtimecost.go).

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lang/cel/ast.h"
#include "lang/cel/library.h"

namespace bulwark::cel {

inline constexpr uint64_t kMaxCost = UINT64_MAX;
uint64_t SaturatingAdd(uint64_t a, uint64_t b);
uint64_t SaturatingMultiply(uint64_t a, uint64_t b);
Range operator+(Range a, Range b);
Range operator*(Range a, Range b);
Range Union(Range a, Range b);
// ceil(size * factor), as cel-go's MultiplyByCostFactor.
Range MultiplyByFactor(Range size, double factor);

// Sizes known from outside (a schema's maxLength, maxItems). `path` is as cel-go's AstNode.Path:
// {"self", "items", "@items", "name"}; @keys, @values for maps.
class SizeHints {
 public:
  virtual ~SizeHints() = default;
  virtual std::optional<Range> SizeOf(std::span<const std::string> path, Type type) const = 0;
};

// What an overload's estimator may ask.
class CostContext {
 public:
  virtual ~CostContext() = default;
  // The size range of what an operand evaluates to: from its literal, computed size, or the hints;
  // {0, kMaxCost} where nothing is known.
  virtual Range SizeOf(const Expr* operand) = 0;
  virtual std::optional<Range> KnownSizeOf(const Expr* operand) = 0;
  virtual Type TypeOf(const Expr* operand) = 0;
  // The size range of the elements of a list operand: the hints for its path + "@items" (without a
  // path where the operand has none, so that they may answer by type); {0, kMaxCost} if unknown.
  virtual Range ElementSizeOf(const Expr* list) {
    static_cast<void>(list);
    return {0, kMaxCost};
  }
  virtual const SizeHints* hints() = 0;
};

struct CostOptions {
  bool presence_test_has_cost = true;  // has(x.y); Kubernetes counts it as nothing
};

// The estimate for a checked expression. What a call costs is asked of its overload's
// estimated_cost first; the functions of the standard library have their formulas here.
Range EstimateCost(const Ast& checked, const SizeHints* hints = nullptr,
                   const CostOptions& options = {});

}  // namespace bulwark::cel
