#pragma once

// The CEL types of a structural schema, and how large its values can be (Kubernetes:
// k8s.io/apiserver/pkg/cel/common/schemas.go, DeclType).
//
//   object with properties    a struct named by its path: selfType.spec.@idx (of a list's items),
//                             selfType.spec.@elem (of a map's values); fields by escaped name
//   object, additionalProperties   map(string, T)
//   array                     list(T)
//   string                    string; by its format bytes, timestamp or duration
//   integer, number, boolean  int, double, bool
//   x-kubernetes-int-or-string  dyn
//   anything else             no type: rules cannot see it
//
// Sizes are in what CEL's costs count: code points ×4 of a string (bytes), items, entries; without
// a declared maximum, what fits into a request of 3 MiB.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "kube/cel/structural_schema.h"
#include "lang/cel/cost.h"
#include "lang/cel/library.h"
#include "lang/cel/type.h"

namespace bulwark::kube {

inline constexpr int64_t kMaxRequestBytes = 3 * 1024 * 1024;

struct DeclaredType {
  using Ref = std::shared_ptr<const DeclaredType>;
  enum class Kind : uint8_t {
    kDyn,
    kBool,
    kInt,
    kDouble,
    kString,
    kBytes,
    kTimestamp,
    kDuration,
    kList,
    kMap,
    kObject,
  };
  Kind kind = Kind::kDyn;
  int64_t max_elements = 0;                        // of what has a size
  int64_t min_serialized_size = 0;                 // bytes of its JSON
  Ref element;                                     // of a list or map
  std::map<std::string, Ref, std::less<>> fields;  // of an object, by escaped name

  // How often a value of this type fits into one request.
  uint64_t MaxCardinality() const {
    return static_cast<uint64_t>(kMaxRequestBytes / (min_serialized_size + 1));
  }
};

// nullptr for a schema that has no type in CEL.
DeclaredType::Ref DeclareType(const StructuralSchema::Ref& schema, bool is_resource);

// The types within one, which is called "selfType". With `keywords` (Kubernetes 1.31) a field whose
// name CEL reserves goes by that name too: self.namespace. Thread-safe.
class SchemaTypes final : public cel::TypeProvider {
 public:
  static constexpr std::string_view kRootName = "selfType";

  SchemaTypes(DeclaredType::Ref root, bool keywords)
      : root_(std::move(root)), keywords_(keywords) {}
  cel::Type root() const { return TypeOf(*root_, kRootName); }
  cel::Type optional_root() const;

  std::optional<cel::Type> FindType(std::string_view name) const override;
  std::optional<Field> FindField(std::string_view type, std::string_view field) const override;
  Value Create(Arena& arena, std::string_view type,
               std::span<const std::pair<std::string_view, Value>> fields) const override;

 private:
  const DeclaredType* Find(std::string_view name) const;
  cel::Type TypeOf(const DeclaredType& declared, std::string_view name) const;
  cel::Type Make(const DeclaredType& declared, const std::string& name) const;

  const DeclaredType::Ref root_;
  const bool keywords_;
  mutable std::mutex mutex_;
  mutable Arena arena_{1024};  // of the types that were asked for
};

// Sizes of what expressions name, from the variable self (or oldSelf) on.
class SchemaSizes final : public cel::SizeHints {
 public:
  explicit SchemaSizes(const DeclaredType* root) : root_(root) {}
  std::optional<cel::Range> SizeOf(std::span<const std::string> path,
                                   cel::Type type) const override;

 private:
  const DeclaredType* root_;
};

}  // namespace bulwark::kube
