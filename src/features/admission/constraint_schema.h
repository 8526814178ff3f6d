#pragma once

// The schema of a template's constraints: Gatekeeper's own part (match, enforcementAction …) and
// the template's parameters, and what the API server does with it (apiextensions-apiserver v0.36):
// checks the schema itself (ValidateStructural), validates constraints, finds fields that it would
// prune, and puts in defaults. Messages are Kubernetes'.
//
// Limits: a schema nested deeper than `max_depth` is refused; a value is walked no deeper than its
// schema. Immutable, hence thread-safe; refers to the schema's Value, which must outlive it.

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"

namespace bulwark::admission {

// OpenAPI v3 as CustomResourceDefinitions have it.
class JsonSchema {
 public:
  using Ref = std::shared_ptr<const JsonSchema>;
  // Errors: gate.schema, of what is no schema at all. `legacy`: every object keeps fields that its
  // schema does not know (a template's legacySchema).
  static Result<Ref> Read(const Value& json, bool legacy = false, size_t max_depth = 200);
  ~JsonSchema();

  // What makes it unfit for a CustomResourceDefinition, at `path` of the definition:
  // "spec.…properties[x].type: Required value: must not be empty for specified object fields".
  void CheckStructural(const std::string& path, std::vector<std::string>& problems) const;
  // Appends "spec.parameters.labels: Invalid value: …".
  void Validate(const Value& value, const std::string& path,
                std::vector<std::string>& problems) const;
  // The paths of fields that it has no place for.
  void FindUnknown(const Value& value, const std::string& path,
                   std::vector<std::string>& fields) const;
  // The value with defaults put in.
  Value WithDefaults(const Value& value, Arena& arena) const;

 private:
  friend class ConstraintSchema;
  enum class Level : uint8_t { kRoot, kItem, kField };
  enum class Context : uint8_t { kStructure, kNested };
  struct Pattern;

  using Own = std::shared_ptr<JsonSchema>;
  static Result<Own> ReadAt(const Value& json, bool legacy, size_t depth);
  void CheckAt(const std::string& path, Level level, Context context,
               std::vector<std::string>& problems) const;
  bool IntOrStringPattern() const;
  bool Accepts(const Value& value) const;
  void ValidateNumber(const Value& value, const std::string& path,
                      std::vector<std::string>& problems) const;
  void ValidateText(std::string_view text, const std::string& path,
                    std::vector<std::string>& problems) const;
  void ValidateFields(const Value& value, const std::string& path,
                      std::vector<std::string>& problems) const;

  std::string type_, format_, pattern_text_;
  std::map<std::string, Own, std::less<>> properties_;
  std::vector<std::string> required_;
  Ref items_, additional_, not_;
  bool has_additional_ = false, additional_allowed_ = true;
  std::vector<Ref> all_of_, any_of_, one_of_;
  std::optional<Value> default_;
  std::vector<Value> enum_;
  std::unique_ptr<Pattern> pattern_;
  std::optional<double> minimum_, maximum_, multiple_of_;
  bool exclusive_minimum_ = false, exclusive_maximum_ = false, unique_items_ = false;
  std::optional<int64_t> min_length_, max_length_, min_items_, max_items_, min_properties_,
      max_properties_;
  bool nullable_ = false, preserve_ = false, int_or_string_ = false, embedded_ = false;
};

class ConstraintSchema {
 public:
  // `parameters`: the template's openAPIV3Schema, or null. Errors: gate.template.schema.
  static Result<std::shared_ptr<const ConstraintSchema>> Create(const Value& parameters,
                                                                bool legacy);

  // Ids: gate.constraint.schema ("schema validation failed: …"), gate.constraint (fields that are
  // unknown).
  Result<> Validate(const Value& constraint) const;
  Value WithDefaults(const Value& constraint, Arena& arena) const;

 private:
  std::shared_ptr<Arena> arena_ = std::make_shared<Arena>();
  JsonSchema::Ref root_;
};

}  // namespace bulwark::admission
