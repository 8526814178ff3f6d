#pragma once

// Documents of several files as one: maps are merged key by key, anything else in one place twice
// is a conflict.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/value.h"

namespace bulwark::rego {

class DataTree {
 public:
  DataTree();
  ~DataTree();
  DataTree(DataTree&&) noexcept;
  DataTree& operator=(DataTree&&) noexcept;

  // Puts a document under `path` (from data). False where that conflicts with what is there, which
  // then stays as it was; `conflict` is the path of the first key, in order of keys, that does.
  bool Insert(const std::vector<std::string>& path, const Value& document,
              std::vector<std::string>* conflict = nullptr);
  // Whether something stands at the path.
  bool Has(const std::vector<std::string>& path) const;
  bool empty() const;
  // Maps made by merging are allocated in the arena; what was inserted is shared.
  Value Finish(Arena& arena) const;

 private:
  struct Node;
  std::unique_ptr<Node> root_;
};

}  // namespace bulwark::rego
