#include "lang/rego/check/type_tree.h"

#include <algorithm>

namespace bulwark::rego {

namespace {

constexpr size_t kIndexed = 8;  // children from which on a node has an index
constexpr int kMaxExtentDepth = 100;

// The object with a value at the path below it, whose operands become parts of its dynamic part.
TypeRef InsertIntoObject(TypeRef object, std::span<const Value> path, TypeRef type,
                         TypeFactory& types) {
  if (path.empty()) return object;
  TypeRef key = types.Of(path[0]);
  TypeRef value = type;
  if (path.size() > 1) value = InsertIntoObject(types.Object({}), path.subspan(1), type, types);
  if (object->dynamic) {
    return types.Object(object->properties, types.Or(object->key, key),
                        types.Or(object->value, value));
  }
  return types.Object(object->properties, key, value);
}

void InsertLeaves(const TypeNode& node, std::vector<Value>& path, TypeRef& object,
                  TypeFactory& types) {
  path.push_back(node.key);
  if (node.type != nullptr) {
    object = InsertIntoObject(object, path, node.type, types);
  } else {
    for (const auto& child : node.children) InsertLeaves(*child, path, object, types);
  }
  path.pop_back();
}

TypeRef ExtentAt(const TypeNode& node, TypeFactory& types, int depth) {
  if (node.type != nullptr) return node.type;
  if (depth > kMaxExtentDepth) return kAnyType;
  std::vector<Property> properties;
  properties.reserve(node.children.size());
  for (const auto& child : node.children) {
    if (child->key.IsString() || child->key.IsNumber() || child->key.IsBool()) {
      properties.push_back({.key = child->key, .value = ExtentAt(*child, types, depth + 1)});
    }
  }
  // What the base documents add is not known.
  return types.Object(properties, kStringType, kAnyType);
}

}  // namespace

TypeNode* TypeNode::Child(const Value& child_key) const {
  if (!index.empty() && child_key.IsString()) {
    auto at = index.find(child_key.AsString());
    return at == index.end() ? nullptr : at->second;
  }
  for (const auto& child : children) {
    if (Value::Equal(child->key, child_key)) return child.get();
  }
  return nullptr;
}

TypeNode* TypeNode::Make(const Value& child_key) {
  if (TypeNode* child = Child(child_key); child != nullptr) return child;
  auto& made = children.emplace_back(std::make_unique<TypeNode>());
  made->key = child_key;
  if (children.size() == kIndexed) {
    for (const auto& child : children) {
      if (child->key.IsString()) index.emplace(child->key.AsString(), child.get());
    }
  } else if (children.size() > kIndexed && child_key.IsString()) {
    index.emplace(child_key.AsString(), made.get());
  }
  return made.get();
}

void TypeTree::Put(std::span<const Value> path, TypeRef type) {
  TypeNode* node = &root_;
  for (const Value& key : path) node = node->Make(key);
  node->type = type;
}

void TypeTree::Insert(std::span<const Value> path, TypeRef type, TypeFactory& types) {
  TypeNode* node = &root_;
  for (size_t i = 0; i < path.size(); ++i) {
    TypeNode* child = node->Make(path[i]);
    if (child->type != nullptr && i + 1 < path.size()) {
      TypeRef known = Unfold(child->type);
      if (known->kind == TypeKind::kObject) {
        child->type = InsertIntoObject(known, path.subspan(i + 1), type, types);
      }
    }
    node = child;
  }
  node->type = types.Merge(node->type, type);
  TypeRef inserted = Unfold(type);
  TypeRef merged = Unfold(node->type);
  if (inserted->kind != TypeKind::kObject || merged->kind != TypeKind::kObject ||
      node->children.empty()) {
    return;
  }
  std::vector<Value> below;
  for (const auto& child : node->children) InsertLeaves(*child, below, merged, types);
  node->type = merged;
}

const TypeNode* TypeTree::Find(std::span<const Value> path) const {
  const TypeNode* node = &root_;
  for (const Value& key : path) {
    node = node->Child(key);
    if (node == nullptr) return nullptr;
  }
  return node;
}

TypeRef Extent(const TypeNode& node, TypeFactory& types) { return ExtentAt(node, types, 0); }

TypeRef TypeAt(const TypeLayer* layer, std::span<const Value> path, TypeFactory& types) {
  for (; layer != nullptr; layer = layer->next) {
    const TypeNode* node = layer->tree->root().Child(path[0]);
    size_t at = 1;
    for (; node != nullptr; ++at) {
      if (at == path.size()) return Extent(*node, types);
      const TypeNode* child = node->Child(path[at]);
      if (child == nullptr && node->type != nullptr) {
        TypeRef type = node->type;
        for (const Value& key : path.subspan(at)) type = types.Select(type, key);
        return type;
      }
      node = child;
    }
  }
  return kAnyType;
}

}  // namespace bulwark::rego
