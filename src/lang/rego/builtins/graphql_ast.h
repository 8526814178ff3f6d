#pragma once

// GraphQL documents (October 2021 edition, and the @defer and @oneOf of the drafts after it) as
// trees, shaped and named as gqlparser's JSON has them, for policies see that JSON.
//
// Nodes belong to a GqlPool and live as long as it.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"

namespace bulwark::rego {

struct GqlDefinition;
struct GqlDirectiveDefinition;
struct GqlVariableDefinition;
struct GqlFragmentDefinition;
struct GqlFieldDefinition;

class GqlPool {
 public:
  template <typename T>
  T* New(T made = {}) {
    auto node = std::make_shared<T>(std::move(made));
    T* raw = node.get();
    nodes_.push_back(std::move(node));
    return raw;
  }

 private:
  std::vector<std::shared_ptr<void>> nodes_;
};

// Line and column, from 1, in code points.
struct GqlPosition {
  int64_t line = 0, column = 0;
};
using GqlPlace = std::optional<GqlPosition>;

// The comments before something; nothing where none was looked for.
using GqlComments = std::optional<std::vector<std::string>>;

struct GqlType {
  std::string name;
  GqlType* element = nullptr;  // of a list
  bool non_null = false;
  GqlPlace place;

  const std::string& Name() const;  // of the innermost
  std::string Text() const;         // "[Int!]!"
  bool Fits(const GqlType& other) const;
};

enum class GqlKind : uint8_t {
  kVariable,
  kInt,
  kFloat,
  kString,
  kBlock,
  kBoolean,
  kNull,
  kEnum,
  kList,
  kObject,
};

struct GqlValue {
  struct Child {
    std::string name;
    GqlValue* value = nullptr;
    GqlPlace place;
    GqlComments comments;
  };
  std::string raw;
  std::vector<Child> children;
  GqlKind kind = GqlKind::kVariable;
  GqlPlace place;
  GqlComments comments;
  // Found by validation.
  GqlDefinition* definition = nullptr;
  GqlVariableDefinition* variable = nullptr;
  GqlType* expected = nullptr;
  bool expected_has_default = false;

  std::string Text() const;
  const GqlValue* Find(std::string_view name) const;
};

struct GqlArgument {
  std::string name;
  GqlValue* value = nullptr;
  GqlPlace place;
  GqlComments comments;
};

struct GqlDirective {
  std::string name;
  std::vector<GqlArgument> arguments;
  GqlPlace place;
  GqlDirectiveDefinition* definition = nullptr;
  std::string location;
};

struct GqlArgumentDefinition {
  std::string description, name;
  GqlValue* default_value = nullptr;
  GqlType* type = nullptr;
  std::vector<GqlDirective*> directives;
  GqlPlace place;
  GqlComments before, after;
};

struct GqlFieldDefinition {
  std::string description, name;
  std::vector<GqlArgumentDefinition> arguments;
  GqlValue* default_value = nullptr;
  GqlType* type = nullptr;
  std::vector<GqlDirective*> directives;
  GqlPlace place;
  GqlComments before, after;
};

struct GqlEnumValue {
  std::string description, name;
  std::vector<GqlDirective*> directives;
  GqlPlace place;
  GqlComments before, after;
};

// A type, or the extension of one. `kind` is "OBJECT", "SCALAR" …
struct GqlDefinition {
  std::string kind, description, name;
  std::vector<GqlDirective*> directives;
  std::vector<std::string> interfaces;
  std::vector<GqlFieldDefinition*> fields;
  std::vector<std::string> types;  // of a union
  std::vector<GqlPlace> type_places;
  std::vector<GqlEnumValue> enum_values;
  GqlPlace place;
  bool built_in = false;
  GqlComments before, after, end;

  bool IsLeaf() const { return kind == "ENUM" || kind == "SCALAR"; }
  bool IsAbstract() const { return kind == "INTERFACE" || kind == "UNION"; }
  bool IsComposite() const { return kind == "OBJECT" || IsAbstract(); }
  bool IsInput() const { return IsLeaf() || kind == "INPUT_OBJECT"; }
  GqlFieldDefinition* Field(std::string_view field) const;
  bool HasDirective(std::string_view directive) const;

 private:
  // Of many fields: by name, as far as they were there when last looked.
  mutable std::unordered_map<std::string_view, GqlFieldDefinition*> index_;
  mutable size_t indexed_ = 0;
};

struct GqlDirectiveDefinition {
  std::string description, name;
  std::vector<GqlArgumentDefinition> arguments;
  std::vector<std::string> locations;
  bool repeatable = false;
  GqlPlace place;
  GqlComments before, after;
};

struct GqlSchemaDefinition {
  struct Operation {
    std::string operation, type;
    GqlPlace place;
    GqlComments comments;
  };
  std::string description;
  std::vector<GqlDirective*> directives;
  std::vector<Operation> operations;
  GqlPlace place;
  GqlComments before, after, end;
};

struct GqlSchemaDocument {
  std::vector<GqlSchemaDefinition*> schema, extensions_of_schema;
  std::vector<GqlDirectiveDefinition*> directives;
  std::vector<GqlDefinition*> definitions, extensions;
  GqlComments comments;
};

struct GqlSelection {
  enum class Kind : uint8_t { kField, kSpread, kInline } kind = Kind::kField;
  std::string alias, name;  // of a spread: the fragment's
  std::string type_condition;
  std::vector<GqlArgument> arguments;
  std::vector<GqlDirective*> directives;
  std::vector<GqlSelection*> selections;
  GqlPlace place;
  GqlComments comments;
  // Found by validation.
  GqlFieldDefinition* definition = nullptr;
  GqlFragmentDefinition* fragment = nullptr;
  GqlDefinition* parent = nullptr;

  const std::string& ResponseName() const { return alias.empty() ? name : alias; }
};

struct GqlVariableDefinition {
  std::string name;
  GqlType* type = nullptr;
  GqlValue* default_value = nullptr;
  std::vector<GqlDirective*> directives;
  GqlPlace place;
  GqlComments comments;
  GqlDefinition* definition = nullptr;
  bool used = false;
};

struct GqlOperation {
  std::string operation, name;
  std::vector<GqlVariableDefinition*> variables;
  std::vector<GqlDirective*> directives;
  std::vector<GqlSelection*> selections;
  GqlPlace place;
  GqlComments comments;
};

struct GqlFragmentDefinition {
  std::string name;
  std::vector<GqlVariableDefinition*> variables;
  std::string type_condition;
  std::vector<GqlDirective*> directives;
  std::vector<GqlSelection*> selections;
  GqlPlace place;
  GqlComments comments;
  GqlDefinition* definition = nullptr;
};

struct GqlQueryDocument {
  std::vector<GqlOperation*> operations;
  std::vector<GqlFragmentDefinition*> fragments;

  GqlFragmentDefinition* Fragment(std::string_view name) const;
};

// An error as gqlparser words it: "input:3:5: …".
struct GqlError {
  GqlPlace place;  // nothing: "input: …"
  std::string message;
  std::string Text() const;
};

// --- Reading and showing -------------------------------------------------------------------------

Result<GqlQueryDocument> ParseGqlQuery(std::string_view text, GqlPool& pool);
Result<GqlSchemaDocument> ParseGqlSchema(std::string_view text, GqlPool& pool);
// As JSON, without what is null or an empty list, and without positions.
Value GqlQueryValue(const GqlQueryDocument& document, Arena& arena);
Value GqlSchemaValue(const GqlSchemaDocument& document, Arena& arena);
// Back from that. Members of the wrong type are errors.
Result<GqlQueryDocument> GqlQueryFromValue(const Value& value, GqlPool& pool);
Result<GqlSchemaDocument> GqlSchemaFromValue(const Value& value, GqlPool& pool);

// --- Meaning -------------------------------------------------------------------------------------

struct GqlSchema {
  GqlDefinition* query = nullptr;
  GqlDefinition* mutation = nullptr;
  GqlDefinition* subscription = nullptr;
  std::map<std::string, GqlDefinition*, std::less<>> types;
  std::map<std::string, GqlDirectiveDefinition*, std::less<>> directives;
  std::map<std::string, std::vector<GqlDefinition*>, std::less<>> possible_types;

  GqlDefinition* Type(std::string_view name) const;
  GqlDirectiveDefinition* Directive(std::string_view name) const;
  const std::vector<GqlDefinition*>& PossibleTypes(std::string_view name) const;
};

// The schema with the built-in types; its definitions are changed (extensions are merged into
// them). An error has gqlparser's text.
Result<GqlSchema> MakeGqlSchema(const GqlSchemaDocument& document, GqlPool& pool);
// All errors, in the order of gqlparser. `spend` says whether to go on; it ends early if not.
std::vector<GqlError> ValidateGqlQuery(const GqlSchema& schema, GqlQueryDocument& query,
                                       GqlPool& pool,
                                       const std::function<bool(uint64_t units)>& spend);

}  // namespace bulwark::rego
