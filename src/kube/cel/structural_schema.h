#pragma once

// A structural schema: the part of OpenAPI v3 that a CustomResourceDefinition may use
// (apiextensions.k8s.io/v1, JSONSchemaProps, "Specifying a structural schema"), read once from its
// JSON and then only looked at. What CEL needs of it is kept: types, sizes, extensions and rules;
// patterns, bounds of numbers and descriptions are not.
//
// Errors name the place in the schema: "properties[spec].maxLength: expected an integer".
// Limits: Parse() refuses a schema nested deeper than `max_depth`. Immutable, hence thread-safe.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"

namespace bulwark::kube {

// --- Names ---------------------------------------------------------------------------------------

// The name under which CEL has a property (k8s.io/apiserver/pkg/cel/escaping.go): "__" is
// __underscores__, "." __dot__, "-" __dash__, "/" __slash__, and a word that CEL reserves, alone,
// stands between underscores: __in__. nullopt: the property cannot be reached from CEL.
std::optional<std::string> EscapeProperty(std::string_view name);
// The property of such a name; nullopt for what EscapeProperty() never gives.
std::optional<std::string> UnescapeProperty(std::string_view escaped);
bool IsReservedWord(std::string_view word);

// --- Rules ---------------------------------------------------------------------------------------

enum class ViolationReason : uint8_t { kInvalid, kForbidden, kRequired, kDuplicate, kInternal };

// An entry of x-kubernetes-validations.
struct ValidationRule {
  std::string rule;
  std::string message;
  std::string message_expression;
  std::string field_path;
  ViolationReason reason = ViolationReason::kInvalid;
  bool optional_old_self = false;
};

// --- The schema ----------------------------------------------------------------------------------

class StructuralSchema {
 public:
  using Ref = std::shared_ptr<const StructuralSchema>;
  enum class Type : uint8_t {
    kNone,  // none, or one that there is not
    kObject,
    kArray,
    kString,
    kNumber,
    kInteger,
    kBoolean,
  };
  enum class Format : uint8_t { kNone, kByte, kDate, kDateTime, kDuration };
  enum class ListType : uint8_t { kAtomic, kSet, kMap, kUnknown };

  struct Property {
    std::string name;
    std::optional<std::string> escaped;
    Ref schema;
    bool required = false;
  };

  static Result<Ref> Parse(const Value& json, size_t max_depth = 250);

  // nullptr if there is none.
  const Property* FindProperty(std::string_view name) const;
  // The same schema of something that is a resource: apiVersion, kind, metadata.name and
  // metadata.generateName are strings, whatever else it says of these.
  static Ref AsResource(const Ref& schema);
  // Whether it or anything in it has rules.
  bool HasRules() const;

  std::string type_name;  // as it was written
  Type type = Type::kNone;
  Format format = Format::kNone;
  ListType list_type = ListType::kAtomic;
  bool list_type_set = false;
  bool map_type_correlatable = true;  // x-kubernetes-map-type: granular, atomic or none
  bool nullable = false;
  bool int_or_string = false;
  bool embedded_resource = false;
  bool preserve_unknown_fields = false;
  bool has_default = false;
  bool has_additional_properties = false;  // also where it is just `true`
  std::vector<std::string> list_map_keys;
  std::vector<std::string> list_map_keys_escaped;  // as they are where they cannot be escaped
  std::vector<Property> properties;                // sorted by name
  std::vector<std::string> required;
  Ref additional_properties;  // if it is a schema
  Ref items;
  std::vector<Ref> all_of;
  std::optional<int64_t> max_length, max_items, max_properties;
  bool has_enum = false;
  int64_t longest_enum = 0;  // in bytes, of its strings
  std::vector<ValidationRule> rules;
  // Of an embedded resource: AsResource() of this.
  Ref resource;
};

// --- Field paths ---------------------------------------------------------------------------------

// A rule's fieldPath: ".a.b", "['x-y']". Its normal form ("a.b", "x-y", "[key]" in a map), or why
// it names no field of the schema. (Kubernetes: ValidFieldPath.)
Result<std::string> NormalizeFieldPath(std::string_view path, const StructuralSchema& schema);

}  // namespace bulwark::kube
