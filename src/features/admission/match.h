#pragma once

// Which objects a constraint or a mutator is for: Gatekeeper's `match` (gatekeeper v3.23,
// pkg/mutation/match) and its mutators' `applyTo`.
//
//   kinds               any entry of {apiGroups, kinds}; empty lists and "*" are everything
//   scope               Cluster, Namespaced; anything else is both
//   namespaces          names or globs; objects without a namespace match; a Namespace by its name
//   excludedNamespaces  the same, the other way round
//   labelSelector       of the object
//   namespaceSelector   of its namespace, or of itself where it is a Namespace
//   name                a name or glob, of metadata.name or metadata.generateName
//   source              Original, Generated, All (the default)
//
// Globs have a * at the beginning, at the end or at both (Wildcard).
//
// A Match is read once and then immutable: any number of threads may ask it. The Value that it was
// read from must outlive it.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"

namespace bulwark::admission {

// "kube-*", "*-system", "*system*", "default". No star within: those are literal.
class Wildcard {
 public:
  explicit Wildcard(std::string_view pattern) : pattern_(pattern) {}
  bool Matches(std::string_view name) const;
  // Of a generateName, the beginning of a name: only globs can match.
  bool MatchesGenerateName(std::string_view prefix) const;
  std::string_view pattern() const { return pattern_; }

 private:
  std::string_view pattern_;
};

// metav1.LabelSelector, checked. What is wrong with one is told when it is asked, as in Kubernetes'
// libraries.
class LabelSelector {
 public:
  // null selects nothing but is mostly not read at all; {} selects everything.
  static Result<LabelSelector> Read(const Value& selector);
  Result<bool> Matches(const Value& labels) const;
  const std::optional<Error>& error() const { return error_; }
  // All that the API server would say against one at `path` ("spec.labelSelector").
  static std::vector<std::string> Problems(const Value& selector, std::string_view path);

 private:
  enum class Operator : uint8_t { kIn, kNotIn, kExists, kDoesNotExist };
  struct Requirement {
    std::string_view key;
    Operator op;
    std::vector<std::string_view> values;
  };
  std::vector<Requirement> requirements_;
  std::optional<Error> error_;
};

// What matching looks at of an object, looked up once. Refers to the object.
struct ObjectView {
  ObjectView() = default;
  explicit ObjectView(const Value& object);
  const Value* value = nullptr;
  std::string_view api_version, group, version, kind;
  std::string_view name, generate_name, ns;
  Value labels;
  bool IsNamespace() const { return kind == "Namespace" && group.empty(); }
};

struct NamespaceView {
  std::string_view name;
  Value labels;
};

inline constexpr std::string_view kSourceOriginal = "Original";
inline constexpr std::string_view kSourceGenerated = "Generated";
inline constexpr std::string_view kSourceAll = "All";

struct Matchable {
  const ObjectView& object;
  const NamespaceView* ns = nullptr;  // nullptr: not known, or none
  std::string_view source;
};

class Match {
 public:
  Match() = default;
  // `spec` is the map under `match`; null matches everything. Errors: gate.match.
  static Result<Match> Read(const Value& spec);

  // Errors are those of the match itself, or of an object whose namespace would have to be known:
  // "failed to run Match criteria: …", id gate.match.
  Result<bool> Matches(const Matchable& target) const;

  // The kinds, for whoever wants to sort out most matches beforehand: whether an object of that
  // group and kind can match at all.
  bool MatchesKind(std::string_view group, std::string_view kind) const;
  // True where a kind that is not among NamedKinds() may match.
  bool TakesAnyKind() const;
  std::vector<std::string_view> NamedKinds() const;

 private:
  struct Kinds {
    std::vector<std::string_view> groups, kinds;
  };
  static Result<Match> ReadMap(const Value& spec);

  std::vector<Kinds> kinds_;
  std::string_view scope_, source_;
  std::vector<Wildcard> namespaces_, excluded_;
  std::optional<LabelSelector> label_selector_, namespace_selector_;
  std::optional<Wildcard> name_;
};

struct Gvk {
  std::string group, version, kind;
  friend auto operator<=>(const Gvk&, const Gvk&) = default;
  // "apps/v1, Kind=Deployment", as Kubernetes prints it.
  std::string ToString() const;
};

// One entry of applyTo: the product of its lists. No globs.
struct ApplyTo {
  std::vector<std::string> groups, versions, kinds;
  std::vector<std::string> operations;  // of mutators

  static Result<std::vector<ApplyTo>> Read(const Value& list);
  bool Matches(std::string_view group, std::string_view version, std::string_view kind) const;
  // CREATE, UPDATE; "": only what is for every operation.
  bool MatchesOperation(std::string_view operation) const;
  std::vector<std::string> EffectiveOperations() const;
  std::vector<Gvk> Flatten() const;
};
bool AppliesTo(std::span<const ApplyTo> entries, std::string_view group, std::string_view version,
               std::string_view kind);
// Whether one entry takes both.
bool AppliesTo(std::span<const ApplyTo> entries, const ObjectView& object,
               std::string_view operation);
// Duplicate, unknown or contradictory operations.
Result<> ValidateOperations(std::span<const ApplyTo> entries);

}  // namespace bulwark::admission
