#pragma once

// Expansion: what a generator will create, reviewed when the generator is (gatekeeper v3.23,
// pkg/expansion). A Deployment's spec.template becomes the Pod that will be; the mutators that
// match it are applied, and it is expanded in turn.
//
// Templates that would expand each other in a circle are in conflict and not applied. Not
// thread-safe while it is changed; else any number of threads may Expand(). Results refer to the
// object, the templates and the arena.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "features/admission/match.h"
#include "features/admission/mutation.h"

namespace bulwark::admission {

struct ExpansionTemplate {
  std::string name;
  std::vector<ApplyTo> apply_to;
  std::string source;  // "spec.template"
  Gvk generated;
  std::string enforcement_action;  // "": that of the constraint

  static bool Is(const ObjectView& object);
  // Errors: gate.expansion.
  static Result<ExpansionTemplate> Read(const Value& object);
  Result<> Validate() const;
};

struct Resultant {
  Value object;
  std::string_view template_name;
  std::string_view enforcement_action;
};

class ExpansionSystem {
 public:
  // How often what was expanded is expanded again.
  static constexpr int kMaxDepth = 30;

  // `mutators` may be null.
  explicit ExpansionSystem(const MutationSystem* mutators) : mutators_(mutators) {}

  // Stored even where it makes a circle, which is an error (gate.expansion.cycle).
  Result<> Upsert(ExpansionTemplate expansion);
  void Remove(const std::string& name);
  std::vector<std::string> Conflicts() const;
  bool empty() const { return templates_.empty(); }

  // In the order: what the resultants expand to, then they themselves; by the templates' names.
  Result<std::vector<Resultant>> Expand(const Mutable& base, Arena& arena) const;

 private:
  struct State {
    ExpansionTemplate expansion;
    bool conflict = false;
  };
  void FindCycles();
  std::vector<const State*> TemplatesFor(const ObjectView& object) const;
  Result<> ExpandInto(const Mutable& base, std::vector<Resultant>& out, int depth,
                      Arena& arena) const;

  const MutationSystem* mutators_;
  std::map<std::string, State> templates_;
  std::map<Gvk, std::vector<const State*>> by_gvk_;
};

// What one template makes of an object, before mutators.
Result<Value> ExpandResource(const Value& object, const NamespaceView* ns,
                             const ExpansionTemplate& expansion, Arena& arena);

// The message of a resultant's violation: "[Implied by expand-deployments] …".
std::string ImpliedMessage(std::string_view template_name, std::string_view message);

}  // namespace bulwark::admission
