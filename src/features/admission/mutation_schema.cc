#include "features/admission/mutation_schema.h"

#include <fmt/format.h>

namespace bulwark::admission {

MutationSchema::Type MutationSchema::TypeOf(TerminalType type) {
  switch (type) {
    case TerminalType::kSet: return Type::kSet;
    case TerminalType::kString: return Type::kString;
    case TerminalType::kUnknown: break;
  }
  return Type::kUnknown;
}

MutationSchema::Type MutationSchema::HeadType(std::span<const LocationNode> path, Type terminal) {
  if (path.size() < 2) return terminal;
  return path[1].is_list ? Type::kList : Type::kObject;
}

void MutationSchema::Node::Add(const MutatorId& id, std::span<const LocationNode> path,
                               Type terminal, bool terminates, Ids& conflicts) {
  referenced.insert(id);
  if (path.empty()) {
    if (terminates) must_terminate.insert(id);
    return;
  }
  const std::string& key = path[0].name;
  children[key][HeadType(path, terminal)].Add(id, path.subspan(1), terminal, terminates, conflicts);
  Conflicts(key, conflicts);
}

void MutationSchema::Node::Remove(const MutatorId& id, std::span<const LocationNode> path,
                                  Type terminal) {
  referenced.erase(id);
  if (path.empty()) {
    must_terminate.erase(id);
    return;
  }
  auto child = children.find(path[0].name);
  if (child == children.end()) return;
  auto typed = child->second.find(HeadType(path, terminal));
  if (typed == child->second.end()) return;
  typed->second.Remove(id, path.subspan(1), terminal);
  if (typed->second.referenced.empty()) child->second.erase(typed);
  if (child->second.empty()) children.erase(child);
}

void MutationSchema::Node::Conflicts(const std::string& key, Ids& out) const {
  auto found = children.find(key);
  if (found == children.end()) return;
  const std::map<Type, Node>& types = found->second;
  size_t known = types.size() - types.count(Type::kUnknown);
  bool terminate = false, grandchildren = false;
  for (const auto& [type, child] : types) {
    terminate = terminate || !child.must_terminate.empty();
    grandchildren = grandchildren || !child.children.empty();
    // What is not known contradicts nothing. A list must have one key.
    if (type == Type::kUnknown) continue;
    if (known > 1 || (type == Type::kList && child.children.size() > 1)) {
      out.insert(child.referenced.begin(), child.referenced.end());
    }
  }
  if (!terminate || !grandchildren) return;
  for (const auto& [type, child] : types) {
    out.insert(child.must_terminate.begin(), child.must_terminate.end());
    for (const auto& [name, nodes] : child.children) {
      for (const auto& [t, grandchild] : nodes) {
        out.insert(grandchild.referenced.begin(), grandchild.referenced.end());
      }
    }
  }
}

void MutationSchema::Node::Collect(std::span<const LocationNode> path, Type terminal,
                                   Ids& out) const {
  if (path.empty()) return;
  auto child = children.find(path[0].name);
  if (child == children.end()) return;
  auto typed = child->second.find(HeadType(path, terminal));
  if (typed == child->second.end()) return;
  typed->second.Collect(path.subspan(1), terminal, out);
  Conflicts(path[0].name, out);
}

MutationSchema::Ids MutationSchema::Upsert(const MutatorId& id, SchemaEntry entry) {
  Remove(id);
  Ids conflicts;
  for (const Binding& binding : entry.bindings) {
    roots_[binding].Add(id, entry.location.nodes, TypeOf(entry.terminal), entry.must_terminate,
                        conflicts);
  }
  entries_.emplace(id, std::move(entry));
  conflicts_.insert(conflicts.begin(), conflicts.end());
  return conflicts;
}

void MutationSchema::Remove(const MutatorId& id) {
  auto found = entries_.find(id);
  if (found == entries_.end()) return;
  const SchemaEntry& entry = found->second;
  for (const Binding& binding : entry.bindings) {
    auto root = roots_.find(binding);
    if (root == roots_.end()) continue;
    root->second.Remove(id, entry.location.nodes, TypeOf(entry.terminal));
    if (root->second.referenced.empty()) roots_.erase(root);
  }
  entries_.erase(found);
  conflicts_.erase(id);
  // It may have been what the others were in conflict with.
  std::erase_if(conflicts_, [&](const MutatorId& other) { return ConflictsOf(other).empty(); });
}

MutationSchema::Ids MutationSchema::ConflictsOf(const MutatorId& id) const {
  Ids out;
  auto found = entries_.find(id);
  if (found == entries_.end()) return out;
  for (const Binding& binding : found->second.bindings) {
    auto root = roots_.find(binding);
    if (root == roots_.end()) continue;
    root->second.Collect(found->second.location.nodes, TypeOf(found->second.terminal), out);
  }
  return out;
}

Error ConflictError(const MutationSchema::Ids& ids) {
  std::set<std::string> texts;
  for (const MutatorId& id : ids) texts.insert(id.ToString());
  return Error(
      Code::kExists, "gate.conflict",
      fmt::format("the following mutators have conflicting schemas: [{}]", fmt::join(texts, ",")));
}

}  // namespace bulwark::admission
