#pragma once

// The METADATA of a policy: what is said of which rule, document or package, and what of it applies
// to a rule (https://www.openpolicyagent.org/docs/policy-language#annotations).
//
//   AnnotationSet set;
//   set.Add(modules, errors);
//   Value chain = set.Chain(info, arena);     // rego.metadata.chain() in that rule
//
// Refers to the modules. Read-only once built; then any number of threads may read.

#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/arena.h"
#include "base/value.h"
#include "lang/rego/ast/ast.h"
#include "lang/rego/resolve/resolve.h"

namespace bulwark::rego {

// An annotation and what it is attached to.
struct AnnotationLink {
  std::vector<Value> path;                   // data first
  const Annotations* annotations = nullptr;  // nullptr: the rule has none
  const Module* module = nullptr;
  Location at;  // of the rule or package
};

class AnnotationSet {
 public:
  // All annotations of the modules. A second one for the same document, package or tree of packages
  // is an error (rego_type_error).
  void Add(std::span<const std::unique_ptr<Module>> modules, std::vector<Diagnostic>& errors);

  // Of scope `rule`, in the order of the module.
  std::span<const Annotations* const> RuleScope(const Rule& rule) const;
  // nullptr where there is none.
  const Annotations* DocumentScope(std::span<const Value> path) const;
  const Annotations* PackageScope(std::span<const Value> path) const;
  // Of the packages around, outermost first.
  std::vector<AnnotationLink> SubpackagesScope(std::span<const Value> path) const;

  // From the rule outwards: its own (nearest first; one without annotations where it has none),
  // its document's, its package's, those of the packages around.
  std::vector<AnnotationLink> Links(const RuleInfo& rule) const;
  // The value of rego.metadata.chain() and rego.metadata.rule() in a rule.
  Value Chain(const RuleInfo& rule, Arena& arena) const;
  Value RuleMetadata(const RuleInfo& rule, Arena& arena) const;
  // All, by path and place, as `opa inspect -a` lists them.
  std::vector<AnnotationLink> All() const;
  // The paths of rules and packages that are annotated as entrypoints, sorted.
  std::vector<std::vector<Value>> Entrypoints() const;
  // The `schemas` that apply to a rule, the widest scope first: a later one overrides.
  std::vector<Value> Schemas(const RuleInfo& rule) const;

 private:
  struct PathOrder {
    bool operator()(const std::vector<Value>& a, const std::vector<Value>& b) const;
  };
  using ByPath = std::map<std::vector<Value>, AnnotationLink, PathOrder>;

  bool AddOnce(ByPath& to, AnnotationLink link, std::vector<Diagnostic>& errors);

  std::unordered_map<const Rule*, std::vector<const Annotations*>> by_rule_;
  ByPath by_package_;
  ByPath by_path_;  // of scopes document and subpackages
  std::vector<AnnotationLink> all_;
};

// An annotation as a value in OPA's shape: {"scope": "rule", "title": …}.
Value AnnotationValue(const Annotations& annotations, Arena& arena);
// The path of a package or of the ground part of a rule's head, data first.
std::vector<Value> PackagePath(const Module& module);
std::vector<Value> RulePath(const Rule& rule);

}  // namespace bulwark::rego
