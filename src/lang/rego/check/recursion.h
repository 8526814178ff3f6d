#pragma once

// Says why a rule is recursive: along which rules, and, where a variable of a reference decides,
// for which values of it.

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/arena.h"
#include "lang/rego/check/graph.h"

namespace bulwark::rego {

// One rule that one reference may select.
struct Dependency {
  const Term* ref = nullptr;
  const RefPattern* selector = nullptr;  // the narrowed reference; nullptr: narrowed to several
  bool dynamic = false;                  // the reference has an operand that is not a constant
  size_t index = 0;                      // of the expression in the body; its size for the head
  const RuleInfo* target = nullptr;
};

void WalkDependencies(const Resolution& policy, const RuleUnit& unit, Arena& arena,
                      const std::function<void(const Dependency&)>& each);

class RecursionReport {
 public:
  explicit RecursionReport(const RuleGraph& graph) : graph_(graph) {}
  // What leads from a unit back to itself.
  void Report(uint32_t unit, std::vector<Diagnostic>& errors);

 private:
  // A reference that selects the rule only for some values of its variables.
  struct Cause {
    const Term* ref = nullptr;
    RefPattern selector;
    size_t index = 0;
  };
  using Causes = std::map<const RuleInfo*, Cause>;
  struct Condition {
    size_t position = 0;
    const Term* term = nullptr;
    Value value;
  };
  struct Origin;

  const Causes& CausesOf(uint32_t unit);
  const Cause* CauseOf(uint32_t from, uint32_t to);
  std::vector<uint32_t> Path(uint32_t from, bool fixed);
  bool IsFixed(const std::vector<uint32_t>& path);
  std::string CauseText(const std::vector<uint32_t>& path);
  Origin OriginOf(const RuleUnit& unit, size_t index, const Variable* variable, int depth);
  std::string OriginText(const RuleUnit& unit, const Cause& cause, const Condition& condition);
  bool Unchecked(const RuleUnit& unit, const Cause& cause, const Condition& condition);

  const RuleGraph& graph_;
  Arena arena_;
  std::map<uint32_t, Causes> causes_;
};

}  // namespace bulwark::rego
