#pragma once

// Everything that a Rego compiler rejects beside syntax and unsafe variables: conflicting rules,
// recursion, undefined functions, wrong types, what strict mode forbids.
//
//   Resolution policy;
//   std::vector<Diagnostic> errors;
//   ResolveModules(std::move(modules), options, policy, errors);
//   PolicyTypes types;
//   CheckPolicy(policy, {.strict = true}, types, errors);      // orders the bodies, too
//   if (errors.empty()) …
//   ResolveQuery(policy, std::move(query), package, resolved, errors);
//   CheckQuery(policy, types, resolved, {}, errors);
//
// Codes, texts, places and order are those of OPA 1.22 (v1/ast/{compile,check,conflicts}.go), but
// for one: where OPA gives every reference to a name of a package the place of the last one in the
// module, its own place is given here.
//
// The checks run in stages. An error of most stages ends the compilation with that stage, as later
// ones would only report its consequences.
//
// CheckPolicy() is not thread-safe; CheckQuery() may be called by any number of threads at once,
// each with a query of its own.

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "base/value.h"
#include "lang/rego/ast/ast.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/check/annotations.h"
#include "lang/rego/check/types.h"
#include "lang/rego/resolve/resolve.h"

namespace bulwark::rego {

struct CheckOptions {
  bool strict = false;
  bool print = true;        // false: calls of print() are erased, and so never wrong
  size_t error_limit = 10;  // 0: none
  // In a query `==` has a value, false included; in rules it is `=`.
  std::vector<std::string> allowed_builtins;  // empty: all of the registry
  std::vector<std::string> unsafe_builtins;   // rego_type_error where one is called
  // JSON schemas by path: "input" and "data.acl" are the types of these documents; "schema.x" is
  // what METADATA may name.
  std::vector<std::pair<std::string, Value>> schemas;
  bool schema_annotations = true;  // apply those of METADATA
  // Whether there is a base document at a path (without `data`), for conflicts with rules.
  std::function<bool(std::span<const std::string_view>)> base_exists;
  std::vector<std::string> base_roots;  // "a/b": look only below these; empty: everywhere
};

class RuleGraph;
class TypeTree;

// What is known of the types of a policy's documents. Read-only after CheckPolicy().
class PolicyTypes {
 public:
  PolicyTypes();
  ~PolicyTypes();
  PolicyTypes(PolicyTypes&&) noexcept;
  PolicyTypes& operator=(PolicyTypes&&) noexcept;

  // Of a path, data or input first: "any" where nothing is known, nullptr for what cannot be.
  TypeRef Find(std::span<const Value> path, Arena& arena) const;
  const AnnotationSet& annotations() const;
  // Which rule depends on which; nullptr where the policy was too wrong for it to be known.
  const RuleGraph* graph() const;

 private:
  friend class PolicyCheck;
  friend class QueryCheck;
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

// `errors` has what ResolveModules() found; after, all that is wrong, sorted by place, with
// "error limit reached" as the last where there was more.
void CheckPolicy(Resolution& policy, const CheckOptions& options, PolicyTypes& types,
                 std::vector<Diagnostic>& errors);
// `errors` has what ResolveQuery() found. Orders the body, too.
void CheckQuery(const Resolution& policy, const PolicyTypes& types, ResolvedQuery& query,
                const CheckOptions& options, std::vector<Diagnostic>& errors);

}  // namespace bulwark::rego
