#pragma once

// Name resolution: which rule, import, built-in or local variable each name of a policy means, the
// tree of all rules under `data`, and the order in which the expressions of each body can run.
//
//   Resolution policy;                            // filled once, then read only
//   ResolveModules(modules, options, policy, errors);
//   OrderBodies(policy, errors);
//   // the checks (lang/rego/check) and the planner (lang/rego) read what it left:
//   //   Term::variable, Term::resolved, RuleInfo, TreeNode, Closure
//
// The tree of rules: data.a.b.p is the node found by the keys "a", "b", "p" from root(). A rule
// hangs on the node of its head's ground prefix: `p[x] := y` and `p contains x` on p's,
// `p.q["r"]` on r's. Keys are any scalar.
//
// Errors carry OPA's codes and texts. Not thread-safe while it resolves; read-only after.

#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/value.h"
#include "lang/rego/ast/ast.h"
#include "lang/rego/builtins/builtin.h"

namespace bulwark::rego {

struct TreeNode;
struct RuleInfo;

// A local variable of one rule or query: declared (by an argument, `some`, `:=`, `every`, `in`) or
// found in an expression.
struct Variable {
  std::string_view name;  // as written; "$3" for a wildcard
  uint32_t id = 0;        // from 0 within its rule (else branches share their rule's numbers)
  bool declared = false;
  bool argument = false;
  bool assigned = false;  // declared by :=
  bool wildcard() const { return name.starts_with('$'); }
  uint32_t uses = 0;  // beside the declaration
  Location at;        // where it was declared or first seen
};

// True of `p contains x` and of v0's `p[x] { … }`: the head's key is an element.
inline bool IsPartialSet(const Rule& rule) {
  return rule.head.key != nullptr && (rule.head.contains || rule.head.value == nullptr);
}

enum class RuleKind : uint8_t {
  kComplete,    // p := 1, p.q := 1, p.q[x] := 1 (a partial object where `dynamic` is not empty)
  kPartialSet,  // p contains x, p.q[x] contains y
  kFunction,    // f(x) := 1
};

// What the compiler knows of one rule beside its syntax.
struct RuleInfo {
  Rule* rule = nullptr;
  const Module* module = nullptr;
  TreeNode* node = nullptr;  // of the ground prefix of its head
  RuleKind kind = RuleKind::kComplete;
  std::span<Term*> dynamic;        // the head's operands after the ground prefix
  std::deque<Variable> variables;  // of the rule and its else branches
};

struct KeyOrder {
  bool operator()(const Value& a, const Value& b) const { return Value::Compare(a, b) < 0; }
};

// A place under `data`.
struct TreeNode {
  Value key;
  TreeNode* parent = nullptr;
  std::map<Value, std::unique_ptr<TreeNode>, KeyOrder> children;
  std::vector<RuleInfo*> rules;  // in order of modules and lines; defaults among them
  uint32_t id = 0;

  bool is_function() const;
  TreeNode* Child(const Value& child_key) const;
  // data.a.b as text, as OPA prints a reference.
  std::string Path() const;
};

struct ResolveOptions {
  const Registry* builtins = &Registry::Standard();
};

struct Resolution {
  std::vector<std::unique_ptr<Module>> modules;     // owned
  std::deque<RuleInfo> rules;                       // in the order of modules and lines
  std::unordered_map<const Rule*, RuleInfo*> info;  // else branches map to their rule's
  Arena arena;                                      // resolved paths
  Arena keys{512};                                  // of the tree
  const Registry* builtins = nullptr;

  TreeNode* root() { return &root_; }
  const TreeNode* root() const { return &root_; }
  // The node of data.<keys…>, or nullptr.
  const TreeNode* Find(std::span<const Value> path) const;

 private:
  TreeNode root_;
};

// A query's own variables and resolved names.
struct ResolvedQuery {
  std::unique_ptr<Query> query;
  std::deque<Variable> variables;
};

// Takes the modules, resolves every name and builds the tree. What is wrong is added to `errors`
// (assignments above their use, calls of variables …).
void ResolveModules(std::vector<std::unique_ptr<Module>> modules, const ResolveOptions& options,
                    Resolution& out, std::vector<Diagnostic>& errors);
// Orders every body so that variables are bound before they are needed; what nothing binds is
// added to `errors` (rego_unsafe_var_error). Only where there were no errors before.
void OrderBodies(Resolution& policy, std::vector<Diagnostic>& errors);

// The same for a query against resolved modules. `package` (operands, data first) is where names
// are looked up, or empty.
void ResolveQuery(const Resolution& policy, std::unique_ptr<Query> query,
                  std::span<const Value> package, ResolvedQuery& out,
                  std::vector<Diagnostic>& errors);
void OrderQuery(const Resolution& policy, ResolvedQuery& query, std::vector<Diagnostic>& errors);

}  // namespace bulwark::rego
