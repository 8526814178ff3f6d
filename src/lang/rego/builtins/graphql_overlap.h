#pragma once

// Whether the fields of a selection set can be merged (GraphQL specification section 5.3.2): two
// with the same name in the answer must be the same field, with the same arguments and types.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lang/rego/builtins/graphql_ast.h"

namespace bulwark::rego {

class GqlOverlaps {
 public:
  GqlOverlaps(const GqlSchema& schema, const std::function<bool(uint64_t)>& spend)
      : schema_(schema), spend_(spend) {}

  // Appends what conflicts within the set.
  void Check(const std::vector<GqlSelection*>& selections, std::vector<GqlError>& errors);

 private:
  using Fields = std::vector<std::pair<std::string, std::vector<const GqlSelection*>>>;
  // What a set selects itself, by name in the answer, and the fragments it spreads.
  struct Collected {
    Fields fields;
    std::map<std::string_view, size_t> index;
    std::vector<const GqlSelection*> spreads;
  };
  struct Conflict {
    std::string message, name;
    std::vector<Conflict> parts;
    GqlPlace place;
    std::string Text() const;
  };
  using Conflicts = std::vector<Conflict>;

  bool Go() {
    stopped_ = stopped_ || !spend_(1);
    return !stopped_;
  }
  const Collected& Collect(const std::vector<GqlSelection*>& selections);
  void CollectInto(const std::vector<GqlSelection*>& selections, Collected& out);

  void FieldsAndFragment(Conflicts& out, bool exclusive, const Collected& fields,
                         const GqlSelection& spread);
  void Fragments(Conflicts& out, bool exclusive, const GqlSelection& a, const GqlSelection& b);
  void Between(Conflicts& out, bool exclusive, const Collected& a, const Collected& b);
  void Subselections(Conflicts& out, bool exclusive, const std::vector<GqlSelection*>& a,
                     const std::vector<GqlSelection*>& b);
  void Compare(Conflicts& out, bool exclusive, const GqlSelection& a, const GqlSelection& b);
  bool TypesConflict(const GqlType& a, const GqlType& b) const;

  const GqlSchema& schema_;
  const std::function<bool(uint64_t)>& spend_;
  bool stopped_ = false;
  size_t depth_ = 0;
  std::map<const void*, std::unique_ptr<Collected>> collected_;
  std::map<std::pair<std::string_view, std::string_view>, bool> compared_pairs_;
  std::set<std::string_view> compared_fragments_;
};

}  // namespace bulwark::rego
