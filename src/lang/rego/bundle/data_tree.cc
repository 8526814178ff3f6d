#include "lang/rego/bundle/data_tree.h"

#include <algorithm>
#include <map>

namespace bulwark::rego {

// A document as it was read, or, once something was merged into it, its children.
struct DataTree::Node {
  Value leaf = Value::EmptyMap();
  bool opened = false;
  std::map<std::string, Node, std::less<>> children;

  bool IsMap() const { return opened || leaf.IsMap(); }

  void Open() {
    if (opened) return;
    for (const auto& [key, value] : leaf.entries()) {
      children[std::string(key.AsString())].leaf = value;
    }
    opened = true;
  }

  // The first key that both have and that are not both maps.
  bool Conflicts(const Value& document, std::vector<std::string>& path) {
    if (!IsMap() || !document.IsMap()) return true;
    if (document.empty()) return false;
    Open();
    std::vector<std::string_view> keys;
    for (const auto& [key, value] : document.entries()) keys.push_back(key.AsString());
    std::sort(keys.begin(), keys.end());
    for (std::string_view key : keys) {
      auto child = children.find(key);
      if (child == children.end()) continue;
      path.emplace_back(key);
      if (child->second.Conflicts(*document.Find(key), path)) return true;
      path.pop_back();
    }
    return false;
  }

  void Merge(const Value& document) {
    if (document.empty()) return;
    if (!opened && leaf.empty()) {
      leaf = document;
      return;
    }
    Open();
    for (const auto& [key, value] : document.entries()) {
      auto [child, fresh] = children.try_emplace(std::string(key.AsString()));
      if (fresh) {
        child->second.leaf = value;
      } else {
        child->second.Merge(value);
      }
    }
  }

  Value Finish(Arena& arena) const {
    if (!opened) return leaf;
    MapBuilder out(arena, children.size());
    for (const auto& [key, child] : children) {
      out.Add(Value::String(arena, key), child.Finish(arena));
    }
    return out.Finish();
  }
};

DataTree::DataTree() : root_(std::make_unique<Node>()) {}
DataTree::~DataTree() = default;
DataTree::DataTree(DataTree&&) noexcept = default;
DataTree& DataTree::operator=(DataTree&&) noexcept = default;

bool DataTree::Insert(const std::vector<std::string>& path, const Value& document,
                      std::vector<std::string>* conflict) {
  std::vector<std::string> at;
  Node* node = root_.get();
  // As far as there is something.
  size_t depth = 0;
  bool clash = false;
  for (; depth < path.size() && !clash; ++depth) {
    if (!node->IsMap()) {
      clash = true;
      break;
    }
    node->Open();
    auto child = node->children.find(path[depth]);
    if (child == node->children.end()) break;
    at.push_back(path[depth]);
    node = &child->second;
  }
  if (!clash) clash = depth < path.size() ? !node->IsMap() : node->Conflicts(document, at);
  if (clash) {
    if (conflict != nullptr) *conflict = std::move(at);
    return false;
  }
  bool fresh = depth < path.size();
  for (; depth < path.size(); ++depth) {
    node->Open();
    node = &node->children[path[depth]];
  }
  if (fresh) {
    node->leaf = document;
  } else {
    node->Merge(document);
  }
  return true;
}

bool DataTree::Has(const std::vector<std::string>& path) const {
  const Node* node = root_.get();
  for (size_t i = 0; i < path.size(); ++i) {
    if (!node->opened) {
      const Value* value = &node->leaf;
      for (; i < path.size(); ++i) {
        // What is no map hides everything below it.
        if (!value->IsMap()) return true;
        value = value->Find(path[i]);
        if (value == nullptr) return false;
      }
      return true;
    }
    auto child = node->children.find(path[i]);
    if (child == node->children.end()) return false;
    node = &child->second;
  }
  return true;
}

bool DataTree::empty() const {
  return root_->opened ? root_->children.empty() : root_->leaf.empty();
}

Value DataTree::Finish(Arena& arena) const { return root_->Finish(arena); }

}  // namespace bulwark::rego
