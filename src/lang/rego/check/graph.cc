#include "lang/rego/check/graph.h"

#include <algorithm>

#include "lang/rego/check/narrow.h"
#include "lang/rego/check/recursion.h"
#include "lang/rego/check/walk.h"

namespace bulwark::rego {

namespace {

bool RefersToData(const Term& ref) {
  std::span<const Value> path = ref.resolved;
  if (path.empty() && ref.kind == TermKind::kRef) path = ref.items[0]->resolved;
  return !path.empty() && path[0].IsString() && path[0].AsString() == "data";
}

void CollectAll(const TreeNode& node, const std::function<void(const RuleInfo&)>& each) {
  for (const RuleInfo* rule : node.rules) each(*rule);
  for (const auto& [key, child] : node.children) CollectAll(*child, each);
}

// Whether the operands of a rule's head from its node on can be those of the reference.
bool MayIntersect(const RuleInfo& rule, const RefPattern& ref, size_t from) {
  for (size_t i = 0; i < rule.dynamic.size() && from + i < ref.size(); ++i) {
    const Value* operand = ref[from + i];
    if (operand == nullptr || rule.dynamic[i]->kind != TermKind::kScalar) continue;
    if (!Value::Equal(rule.dynamic[i]->value, *operand)) return false;
  }
  return true;
}

void Select(const TreeNode& node, const RefPattern& ref, size_t at,
            const std::function<void(const RuleInfo&)>& each) {
  if (at == ref.size()) {
    CollectAll(node, each);
    return;
  }
  auto enter = [&](const TreeNode& child) {
    for (const RuleInfo* rule : child.rules) {
      if (MayIntersect(*rule, ref, at + 1)) each(*rule);
    }
    Select(child, ref, at + 1, each);
  };
  if (ref[at] != nullptr) {
    if (const TreeNode* child = node.Child(*ref[at]); child != nullptr) enter(*child);
    return;
  }
  for (const auto& [key, child] : node.children) enter(*child);
}

}  // namespace

void RulesSelected(const TreeNode& root, const RefPattern& ref,
                   const std::function<void(const RuleInfo&)>& each) {
  Select(root, ref, 0, each);
}

void WalkDependencies(const Resolution& policy, const RuleUnit& unit, Arena& arena,
                      const std::function<void(const Dependency&)>& each) {
  std::optional<Narrowing> narrowing;
  size_t index = 0;
  auto visit = [&](const Term& ref) {
    if (!RefersToData(ref)) return;
    std::vector<RefPattern> patterns = {PatternOf(ref, arena)};
    const bool dynamic = std::ranges::find(patterns[0], nullptr) != patterns[0].end();
    if (dynamic) {
      if (!narrowing) narrowing.emplace(*unit.rule, arena);
      patterns = narrowing->Expand(ref, index);
    }
    for (const RefPattern& pattern : patterns) {
      RulesSelected(*policy.root(), pattern, [&](const RuleInfo& target) {
        each({.ref = &ref,
              .selector = patterns.size() == 1 ? &pattern : nullptr,
              .dynamic = dynamic,
              .index = index,
              .target = &target});
      });
    }
  };
  for (const Expr* expr : unit.rule->body) {
    WalkRefs(*expr, visit);
    ++index;
  }
  ForEachHeadTerm(unit.rule->head, [&](const Term& term) { WalkRefs(term, visit); });
}

RuleGraph::RuleGraph(const Resolution& policy) : policy_(policy) {
  for (const RuleInfo& info : policy.rules) {
    unit_of_[&info] = static_cast<uint32_t>(units_.size());
    for (const Rule* rule = info.rule; rule != nullptr; rule = rule->else_rule) {
      units_.push_back({.rule = rule, .info = &info});
    }
  }
  std::vector<uint32_t> seen(units_.size(), UINT32_MAX);
  first_edge_.reserve(units_.size() + 1);
  Arena scratch;
  for (uint32_t unit = 0; unit < units_.size(); ++unit) {
    first_edge_.push_back(static_cast<uint32_t>(edges_.size()));
    WalkDependencies(policy, units_[unit], scratch, [&](const Dependency& dependency) {
      const RuleInfo* target = dependency.target;
      for (uint32_t at = unit_of_.at(target); at < units_.size() && units_[at].info == target;
           ++at) {
        if (seen[at] == unit) break;  // and with it the rest of its chain
        seen[at] = unit;
        edges_.push_back(at);
      }
    });
    scratch.Reset();
  }
  first_edge_.push_back(static_cast<uint32_t>(edges_.size()));
}

std::vector<uint32_t> RuleGraph::Order() const {
  enum : uint8_t { kNew, kOpen, kDone };
  std::vector<uint8_t> state(units_.size(), kNew);
  std::vector<uint32_t> order;
  order.reserve(units_.size());
  struct Frame {
    uint32_t unit;
    size_t next;
  };
  std::vector<Frame> stack;
  for (uint32_t start = 0; start < units_.size(); ++start) {
    if (state[start] != kNew) continue;
    stack.push_back({start, 0});
    state[start] = kOpen;
    while (!stack.empty()) {
      Frame& frame = stack.back();
      std::span<const uint32_t> edges = Dependencies(frame.unit);
      if (frame.next == edges.size()) {
        state[frame.unit] = kDone;
        order.push_back(frame.unit);
        stack.pop_back();
        continue;
      }
      const uint32_t next = edges[frame.next++];
      if (state[next] != kNew) continue;
      state[next] = kOpen;
      stack.push_back({next, 0});
    }
  }
  return order;
}

std::vector<std::vector<Value>> RuleGraph::Dependents(std::span<const Value> path) const {
  std::call_once(reverse_once_, [this] {
    reverse_.resize(units_.size());
    for (uint32_t unit = 0; unit < units_.size(); ++unit) {
      for (uint32_t target : Dependencies(unit)) reverse_[target].push_back(unit);
    }
  });
  RefPattern pattern;
  for (const Value& key : path.subspan(1)) pattern.push_back(&key);
  std::vector<bool> seen(units_.size(), false);
  std::vector<uint32_t> work;
  auto add = [&](uint32_t unit) {
    if (seen[unit]) return;
    seen[unit] = true;
    work.push_back(unit);
  };
  RulesSelected(*policy_.root(), pattern, [&](const RuleInfo& rule) { add(unit_of_.at(&rule)); });
  std::vector<std::vector<Value>> paths;
  for (size_t i = 0; i < work.size(); ++i) {
    std::vector<Value>& keys = paths.emplace_back();
    for (const TreeNode* node = units_[work[i]].info->node; node->parent != nullptr;
         node = node->parent) {
      keys.push_back(node->key);
    }
    keys.push_back(Value::String("data"));
    std::ranges::reverse(keys);
    for (uint32_t dependent : reverse_[work[i]]) add(dependent);
  }
  return paths;
}

// Which units lie on a cycle (Tarjan's components).
std::vector<bool> RuleGraph::Recursive() const {
  const auto count = static_cast<uint32_t>(units_.size());
  std::vector<bool> recursive(count, false);
  std::vector<uint32_t> number(count, 0);  // 0: not visited
  std::vector<uint32_t> low(count, 0);
  std::vector<bool> on_stack(count, false);
  std::vector<uint32_t> component;
  struct Frame {
    uint32_t unit;
    size_t next;
  };
  std::vector<Frame> stack;
  uint32_t next_number = 0;
  auto open = [&](uint32_t unit) {
    number[unit] = low[unit] = ++next_number;
    component.push_back(unit);
    on_stack[unit] = true;
    stack.push_back({unit, 0});
  };
  for (uint32_t start = 0; start < count; ++start) {
    if (number[start] != 0) continue;
    open(start);
    while (!stack.empty()) {
      const uint32_t unit = stack.back().unit;
      std::span<const uint32_t> edges = Dependencies(unit);
      if (stack.back().next < edges.size()) {
        const uint32_t to = edges[stack.back().next++];
        if (to == unit) recursive[unit] = true;
        if (number[to] == 0) {
          open(to);
        } else if (on_stack[to]) {
          low[unit] = std::min(low[unit], number[to]);
        }
        continue;
      }
      stack.pop_back();
      if (!stack.empty()) low[stack.back().unit] = std::min(low[stack.back().unit], low[unit]);
      if (low[unit] != number[unit]) continue;
      const bool several = component.back() != unit;
      for (bool last = false; !last;) {
        const uint32_t member = component.back();
        component.pop_back();
        on_stack[member] = false;
        if (several) recursive[member] = true;
        last = member == unit;
      }
    }
  }
  return recursive;
}

void RuleGraph::CheckRecursion(std::vector<Diagnostic>& errors) const {
  std::vector<bool> recursive = Recursive();
  if (std::ranges::find(recursive, true) == recursive.end()) return;
  RecursionReport report(*this);
  for (uint32_t unit = 0; unit < units_.size(); ++unit) {
    if (recursive[unit]) report.Report(unit, errors);
  }
}

}  // namespace bulwark::rego
