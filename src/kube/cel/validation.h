#pragma once

// x-kubernetes-validations: the CEL rules of a CustomResourceDefinition's schema, compiled once and
// applied to objects as an API server does
// (k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel, v0.34).
//
//   Validator validator = BW_TRY(Validator::Compile(schema_json));
//   Validation result = validator.Validate(object, &old_object);
//   for (const Violation& v : result.errors) out << v.ToString() << '\n';
//
// Each rule stands at a place of the schema and is evaluated for each value there, `self`; on an
// update `oldSelf` is the same value before: in a map by its key, in a list only where
// x-kubernetes-list-type is map, by its keys. A rule that uses oldSelf waits until there is one
// (unless optionalOldSelf), and a rule that does not is only warned about where the value, or what
// it is part of, was not changed (ratcheting).
//
// A rule that does not compile is no failure of Compile(): it fails each object that has a value
// there, and is told of in rules(). One difference: Kubernetes forgets the rules of a schema that
// has none outside allOf.
//
// Limits: a schema's depth; an expression's size (cel::Limits); the cost of one evaluation
// (per_call_limit) and of one Validate() (budget), past which the rest is not evaluated and that is
// an error. Thread-safety: a Validator is immutable, and any number of threads may use it.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "kube/cel/structural_schema.h"
#include "lang/cel/ext/kubernetes.h"

namespace bulwark::kube {

// What a CustomResourceDefinition may cost by estimate: one rule, and all of them.
inline constexpr uint64_t kRuleEstimateLimit = 10'000'000;
inline constexpr uint64_t kSchemaEstimateLimit = 100'000'000;

struct CompileOptions {
  int kubernetes_minor = cel::ext::kNewestKubernetes;
  bool is_resource = true;  // the schema is a resource's: has apiVersion, kind and metadata
  uint64_t per_call_limit = cel::ext::kKubernetesCallLimit;
  size_t max_depth = 250;
};

// What is known of a rule before it is run.
struct CompiledRule {
  std::string path;  // of the schema that it stands in: "properties[spec].items"; "" for the top
  std::string rule;
  std::string error;             // why it did not compile
  uint64_t max_cost = 0;         // of one evaluation, by estimate
  uint64_t max_cardinality = 0;  // how many values there can be in a request, by their least size
  // How many there can be by the maxItems and maxProperties above; nullopt: no bound.
  std::optional<uint64_t> declared_cardinality;
  bool uses_old_self = false;
  std::string message_error;  // why the messageExpression did not compile
  uint64_t message_max_cost = 0;
  std::string field_path;  // normal form
  // What it counts for against kRuleEstimateLimit and kSchemaEstimateLimit.
  uint64_t EstimatedCost() const;
};

struct Violation {
  ViolationReason reason = ViolationReason::kInvalid;
  std::string path;   // "spec.items[0].name"
  std::string value;  // the type of the schema there, as Kubernetes shows the value: "object"
  std::string message;
  // "spec.items[0]: Invalid value: \"object\": failed rule: …", as in Kubernetes' answers.
  std::string ToString() const;
};

struct ValidateOptions {
  std::string path;  // of the object itself, before all others; mostly ""
  int64_t budget = static_cast<int64_t>(cel::ext::kKubernetesPolicyLimit);
  bool ratcheting = true;  // where there is an old object
};

struct Validation {
  std::vector<Violation> errors;
  std::vector<Violation> warnings;  // errors that ratcheting forgives
  int64_t remaining_budget = 0;     // -1: it did not suffice, and not all was evaluated
};

class Validator {
 public:
  static Result<Validator> Compile(const Value& schema, const CompileOptions& options = {});
  Validator(Validator&&) noexcept;
  Validator& operator=(Validator&&) noexcept;
  ~Validator();

  // In the order of a walk through the schema: a place's own rules, allOf, items, properties,
  // additionalProperties.
  std::span<const CompiledRule> rules() const { return rules_; }
  // The sum of the rules' and their messages' estimates, saturating.
  uint64_t EstimatedCost() const;

  // `old_object` may be null.
  Validation Validate(const Value& object, const Value* old_object = nullptr,
                      const ValidateOptions& options = {}) const;

 private:
  struct Node;
  class Compiler;
  class Run;

  Validator();
  std::vector<CompiledRule> rules_;
  std::unique_ptr<Node> root_;  // nullptr: no rules
};

}  // namespace bulwark::kube
