#pragma once

// The types of documents by path: what rules define, what schemas say.

#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/value.h"
#include "lang/rego/check/types.h"

namespace bulwark::rego {

// A place in a tree of types. One with a type of its own is a leaf, even where rules have put
// further ones below it.
struct TypeNode {
  Value key;
  TypeRef type = nullptr;
  std::vector<std::unique_ptr<TypeNode>> children;        // in order of insertion
  std::unordered_map<std::string_view, TypeNode*> index;  // of string keys, where there are many

  TypeNode* Child(const Value& child_key) const;
  TypeNode* Make(const Value& child_key);
};

class TypeTree {
 public:
  // Replaces what is at the path.
  void Put(std::span<const Value> path, TypeRef type);
  // Adds a definition: it is merged with what is there, and into the objects above it.
  void Insert(std::span<const Value> path, TypeRef type, TypeFactory& types);
  // The node at the path, or nullptr.
  const TypeNode* Find(std::span<const Value> path) const;
  const TypeNode& root() const { return root_; }
  bool empty() const { return root_.children.empty(); }

 private:
  TypeNode root_;
};

// The type of all that is at a node and below it.
TypeRef Extent(const TypeNode& node, TypeFactory& types);

// Trees, each seen through the one before it where that has nothing to say.
struct TypeLayer {
  const TypeTree* tree = nullptr;
  const TypeLayer* next = nullptr;
};

// The type of the document at a path, data or input first; any where nothing is known, nullptr for
// what cannot be.
TypeRef TypeAt(const TypeLayer* layer, std::span<const Value> path, TypeFactory& types);

}  // namespace bulwark::rego
