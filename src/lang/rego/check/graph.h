#pragma once

// Which rule depends on which (OPA's v1/ast/compile.go: NewGraph), in what order to infer their
// types, and what is recursive.
//
// A reference with a variable in it depends on all rules that it might select. Where a variable can
// only be one of some constants (`some x in ["a", "b"]; data[x].p`), it depends on the rules that
// these select.

#include <functional>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "lang/rego/ast/ast.h"
#include "lang/rego/resolve/resolve.h"

namespace bulwark::rego {

// A rule, or one of its else branches.
struct RuleUnit {
  const Rule* rule = nullptr;
  const RuleInfo* info = nullptr;
};

// The operands of a reference after its root; nullptr for one that is not a constant.
using RefPattern = std::vector<const Value*>;

class RuleGraph {
 public:
  explicit RuleGraph(const Resolution& policy);

  std::span<const RuleUnit> units() const { return units_; }
  std::span<const uint32_t> Dependencies(uint32_t unit) const {
    return std::span(edges_).subspan(first_edge_[unit], first_edge_[unit + 1] - first_edge_[unit]);
  }
  // All units, each after those that it depends on (but for the recursive).
  std::vector<uint32_t> Order() const;
  // The ground paths (data first) of the rules that a reference with this beginning may select,
  // and of those that depend on them.
  std::vector<std::vector<Value>> Dependents(std::span<const Value> path) const;

  void CheckRecursion(std::vector<Diagnostic>& errors) const;

 private:
  friend class RecursionReport;
  const Resolution& policy_;
  std::vector<RuleUnit> units_;
  std::vector<uint32_t> first_edge_;  // by unit, and one more
  std::vector<uint32_t> edges_;
  mutable std::once_flag reverse_once_;
  mutable std::vector<std::vector<uint32_t>> reverse_;  // made when first asked for
  std::unordered_map<const RuleInfo*, uint32_t> unit_of_;
  std::vector<bool> Recursive() const;
};

// Calls each(rule) for the rules that a reference may select, some perhaps more than once.
void RulesSelected(const TreeNode& root, const RefPattern& ref,
                   const std::function<void(const RuleInfo&)>& each);

}  // namespace bulwark::rego
