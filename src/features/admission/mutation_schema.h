#pragma once

// What mutators imply about the schema of what they mutate, and where they contradict each other
// (gatekeeper v3.23, pkg/mutation/schema): `spec.containers[name: a].image` says that containers is
// a list; `spec.containers.image` that it is an object; both cannot hold. A mutator that conflicts
// with another is not applied until one of them is gone.
//
// Not thread-safe while it is changed.

#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/result.h"
#include "features/admission/mutator.h"

namespace bulwark::admission {

// What the database needs to know of a mutator.
struct SchemaEntry {
  Location location;
  std::vector<Binding> bindings;
  TerminalType terminal = TerminalType::kUnknown;
  bool must_terminate = false;
};

class MutationSchema {
 public:
  using Ids = std::set<MutatorId>;

  // The ids that conflict now because of this one, which is among them; none if all is well. The
  // entry is stored in either case.
  Ids Upsert(const MutatorId& id, SchemaEntry entry);
  void Remove(const MutatorId& id);
  bool HasConflicts(const MutatorId& id) const { return conflicts_.contains(id); }
  Ids ConflictsOf(const MutatorId& id) const;

 private:
  // What the next node of a path makes of this one.
  enum class Type : uint8_t { kObject, kList, kUnknown, kSet, kString };
  struct Node {
    Ids referenced, must_terminate;
    std::map<std::string, std::map<Type, Node>> children;

    void Add(const MutatorId& id, std::span<const LocationNode> path, Type terminal,
             bool terminates, Ids& conflicts);
    void Remove(const MutatorId& id, std::span<const LocationNode> path, Type terminal);
    void Conflicts(const std::string& key, Ids& out) const;
    void Collect(std::span<const LocationNode> path, Type terminal, Ids& out) const;
  };
  static Type TypeOf(TerminalType type);
  static Type HeadType(std::span<const LocationNode> path, Type terminal);

  std::map<MutatorId, SchemaEntry> entries_;
  std::map<Binding, Node> roots_;
  Ids conflicts_;
};

// "the following mutators have conflicting schemas: [Assign.mutations.gatekeeper.sh /a,…]", id
// gate.conflict.
Error ConflictError(const MutationSchema::Ids& ids);

}  // namespace bulwark::admission
