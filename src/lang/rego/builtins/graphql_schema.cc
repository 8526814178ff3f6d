// A GraphQL schema from its document: names resolved, extensions merged, section 3's rules checked.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/graphql_ast.h"

namespace bulwark::rego {

namespace {

// The types and directives that every schema has (specification sections 3.5, 3.13 and 4.2).
constexpr std::string_view kBuiltIn = R"gql(
scalar Int
scalar Float
scalar String
scalar Boolean
scalar ID
directive @defer(if: Boolean = true, label: String) on FRAGMENT_SPREAD | INLINE_FRAGMENT
directive @include(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
directive @skip(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
directive @deprecated(reason: String = "No longer supported")
  on FIELD_DEFINITION | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION | ENUM_VALUE
directive @specifiedBy(url: String!) on SCALAR
directive @oneOf on INPUT_OBJECT
type __Schema {
  description: String
  types: [__Type!]!
  queryType: __Type!
  mutationType: __Type
  subscriptionType: __Type
  directives: [__Directive!]!
}
type __Type {
  kind: __TypeKind!
  name: String
  description: String
  specifiedByURL: String
  fields(includeDeprecated: Boolean = false): [__Field!]
  interfaces: [__Type!]
  possibleTypes: [__Type!]
  enumValues(includeDeprecated: Boolean = false): [__EnumValue!]
  inputFields(includeDeprecated: Boolean = false): [__InputValue!]
  ofType: __Type
  isOneOf: Boolean
}
enum __TypeKind { SCALAR OBJECT INTERFACE UNION ENUM INPUT_OBJECT LIST NON_NULL }
type __Field {
  name: String!
  description: String
  args(includeDeprecated: Boolean = false): [__InputValue!]!
  type: __Type!
  isDeprecated: Boolean!
  deprecationReason: String
}
type __InputValue {
  name: String!
  description: String
  type: __Type!
  defaultValue: String
  isDeprecated: Boolean!
  deprecationReason: String
}
type __EnumValue {
  name: String!
  description: String
  isDeprecated: Boolean!
  deprecationReason: String
}
type __Directive {
  name: String!
  description: String
  isRepeatable: Boolean!
  locations: [__DirectiveLocation!]!
  args(includeDeprecated: Boolean = false): [__InputValue!]!
}
enum __DirectiveLocation {
  QUERY MUTATION SUBSCRIPTION FIELD FRAGMENT_DEFINITION FRAGMENT_SPREAD INLINE_FRAGMENT
  VARIABLE_DEFINITION SCHEMA SCALAR OBJECT FIELD_DEFINITION ARGUMENT_DEFINITION INTERFACE UNION
  ENUM ENUM_VALUE INPUT_OBJECT INPUT_FIELD_DEFINITION
}
)gql";

template <typename... Args>
Error Wrong(const GqlPlace& place, fmt::format_string<Args...> format, Args&&... args) {
  GqlError error{place ? place : GqlPlace(GqlPosition{-1, -1}),
                 fmt::format(format, std::forward<Args>(args)...)};
  return Error(Code::kInvalid, error.Text());
}

Result<> CheckName(const GqlPlace& place, const std::string& name) {
  if (!name.starts_with("__")) return Ok{};
  return Wrong(place,
               "Name \"{}\" must not begin with \"__\", which is reserved by GraphQL "
               "introspection.",
               name);
}

class Maker {
 public:
  Maker(const GqlSchemaDocument& document, GqlPool& pool) : document_(document), pool_(pool) {}

  Result<GqlSchema> Make() {
    Result<GqlSchemaDocument> built_in = ParseGqlSchema(kBuiltIn, pool_);
    if (!built_in) return std::move(built_in).error();
    for (GqlDefinition* definition : built_in->definitions) definition->built_in = true;
    std::vector<GqlDefinition*> definitions = built_in->definitions;
    definitions.insert(definitions.end(), document_.definitions.begin(),
                       document_.definitions.end());
    for (GqlDefinition* definition : definitions) {
      if (!schema_.types.emplace(definition->name, definition).second) {
        return Wrong(definition->place, "Cannot redeclare type {}.", definition->name);
      }
    }
    if (Result<> r = Extend(definitions); !r) return std::move(r).error();
    for (GqlDefinition* definition : definitions) Relate(*definition);
    std::vector<GqlDirectiveDefinition*> directives = built_in->directives;
    directives.insert(directives.end(), document_.directives.begin(), document_.directives.end());
    if (Result<> r = AddDirectives(directives); !r) return std::move(r).error();
    if (Result<> r = AddRoots(); !r) return std::move(r).error();
    for (const auto& [name, definition] : schema_.types) {
      if (Result<> r = CheckDefinition(*definition); !r) return std::move(r).error();
    }
    if (Result<> r = CheckInputCycles(); !r) return std::move(r).error();
    for (const auto& [name, directive] : schema_.directives) {
      if (Result<> r = CheckName(directive->place, directive->name); !r) {
        return std::move(r).error();
      }
      if (Result<> r = CheckArguments(directive->arguments, directive); !r) {
        return std::move(r).error();
      }
    }
    InferRoots();
    return std::move(schema_);
  }

 private:
  Result<> Extend(std::vector<GqlDefinition*>& definitions) {
    auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
    for (const GqlDefinition* extension : document_.extensions) {
      GqlDefinition*& definition = schema_.types[extension->name];
      if (definition == nullptr) {
        definition = pool_.New<GqlDefinition>();
        definition->kind = extension->kind;
        definition->name = extension->name;
        definition->place = extension->place;
        definitions.push_back(definition);
      }
      if (definition->kind != extension->kind) {
        return Wrong(extension->place,
                     "Cannot extend type {} because the base type is a {}, not {}.",
                     extension->name, definition->kind, extension->kind);
      }
      append(definition->directives, extension->directives);
      append(definition->interfaces, extension->interfaces);
      append(definition->fields, extension->fields);
      append(definition->types, extension->types);
      append(definition->type_places, extension->type_places);
      append(definition->enum_values, extension->enum_values);
    }
    return Ok{};
  }

  void Relate(GqlDefinition& definition) {
    auto possible = [&](const std::string& name, GqlDefinition* type) {
      if (type != nullptr) schema_.possible_types[name].push_back(type);
    };
    if (definition.kind == "UNION") {
      for (const std::string& type : definition.types) {
        possible(definition.name, schema_.Type(type));
      }
    } else if (definition.kind == "INPUT_OBJECT" || definition.kind == "OBJECT" ||
               definition.kind == "INTERFACE") {
      for (const std::string& interface : definition.interfaces) possible(interface, &definition);
      if (definition.kind != "INTERFACE") possible(definition.name, &definition);
    }
  }

  Result<> AddDirectives(const std::vector<GqlDirectiveDefinition*>& directives) {
    for (GqlDirectiveDefinition* directive : directives) {
      if (schema_.directives.contains(directive->name)) {
        static const std::set<std::string_view> kRepeatable = {"include",     "skip",  "deprecated",
                                                               "specifiedBy", "defer", "oneOf"};
        if (!kRepeatable.contains(directive->name)) {
          return Wrong(directive->place, "Cannot redeclare directive {}.", directive->name);
        }
      }
      schema_.directives[directive->name] = directive;
    }
    return Ok{};
  }

  Result<> AddRoots() {
    if (document_.schema.size() > 1) {
      return Wrong(document_.schema[1]->place,
                   "Cannot have multiple schema entry points, consider schema extensions instead.");
    }
    std::vector<GqlSchemaDefinition*> parts = document_.schema;
    parts.insert(parts.end(), document_.extensions_of_schema.begin(),
                 document_.extensions_of_schema.end());
    for (const GqlSchemaDefinition* part : parts) {
      for (const GqlSchemaDefinition::Operation& operation : part->operations) {
        GqlDefinition* type = schema_.Type(operation.type);
        if (type == nullptr) {
          return Wrong(operation.place, "Schema root {} refers to a type {} that does not exist.",
                       operation.operation, operation.type);
        }
        if (operation.operation == "query") schema_.query = type;
        if (operation.operation == "mutation") schema_.mutation = type;
        if (operation.operation == "subscription") schema_.subscription = type;
      }
      if (Result<> r = CheckDirectives(part->directives, "SCHEMA", nullptr, true); !r) return r;
    }
    return Ok{};
  }

  void InferRoots() {
    if (document_.schema.empty()) {
      if (schema_.query == nullptr) schema_.query = schema_.Type("Query");
      if (schema_.mutation == nullptr) schema_.mutation = schema_.Type("Mutation");
      if (schema_.subscription == nullptr) schema_.subscription = schema_.Type("Subscription");
    }
    if (schema_.query == nullptr) return;
    auto type = [&](std::string name, bool non_null) {
      GqlType* made = pool_.New<GqlType>();
      made->name = std::move(name);
      made->non_null = non_null;
      return made;
    };
    GqlFieldDefinition* schema_field = pool_.New<GqlFieldDefinition>();
    schema_field->name = "__schema";
    schema_field->type = type("__Schema", true);
    GqlFieldDefinition* type_field = pool_.New<GqlFieldDefinition>();
    type_field->name = "__type";
    type_field->type = type("__Type", false);
    GqlArgumentDefinition name;
    name.name = "name";
    name.type = type("String", true);
    type_field->arguments.push_back(std::move(name));
    schema_.query->fields.push_back(schema_field);
    schema_.query->fields.push_back(type_field);
  }

  // --- Rules -------------------------------------------------------------------------------------

  Result<> CheckDefinition(const GqlDefinition& definition) {
    for (const GqlFieldDefinition* field : definition.fields) {
      if (Result<> r = CheckName(field->place, field->name); !r) return r;
      if (Result<> r = CheckType(*field->type); !r) return r;
      if (Result<> r = CheckArguments(field->arguments, nullptr); !r) return r;
      std::string_view location =
          definition.kind == "INPUT_OBJECT" ? "INPUT_FIELD_DEFINITION" : "FIELD_DEFINITION";
      if (Result<> r = CheckDirectives(field->directives, location, nullptr, true); !r) return r;
    }
    for (const std::string& name : definition.types) {
      const GqlDefinition* type = schema_.Type(name);
      if (type == nullptr) return Wrong(definition.place, "Undefined type {}.", GoQuote(name));
      if (type->kind != "OBJECT") {
        return Wrong(definition.place, "{} type {} must be OBJECT.", definition.kind,
                     GoQuote(name));
      }
    }
    for (const std::string& interface : definition.interfaces) {
      if (Result<> r = CheckImplements(definition, interface); !r) return r;
    }
    if (Result<> r = CheckMembers(definition); !r) return r;
    if (Result<> r = CheckUnique(definition); !r) return r;
    if (!definition.built_in) {
      if (Result<> r = CheckName(definition.place, definition.name); !r) return r;
    }
    return CheckDirectives(definition.directives, definition.kind, nullptr, false);
  }

  Result<> CheckMembers(const GqlDefinition& definition) {
    const std::string& kind = definition.kind;
    if (kind == "OBJECT" || kind == "INTERFACE") {
      if (definition.fields.empty()) {
        return Wrong(definition.place, "{} {}: must define one or more fields.", kind,
                     definition.name);
      }
      for (const GqlFieldDefinition* field : definition.fields) {
        const GqlDefinition* type = schema_.Type(field->type->Name());
        if (type == nullptr || type->IsLeaf() || type->IsComposite()) continue;
        return Wrong(field->place,
                     "{} {}: field must be one of SCALAR, OBJECT, INTERFACE, UNION, ENUM.", kind,
                     definition.name);
      }
    } else if (kind == "ENUM") {
      if (definition.enum_values.empty()) {
        return Wrong(definition.place, "{} {}: must define one or more unique enum values.", kind,
                     definition.name);
      }
      for (const GqlEnumValue& value : definition.enum_values) {
        if (value.name == "true" || value.name == "false" || value.name == "null") {
          return Wrong(definition.place, "{} {}: non-enum value {}.", kind, definition.name,
                       value.name);
        }
        if (Result<> r = CheckDirectives(value.directives, "ENUM_VALUE", nullptr, true); !r) {
          return r;
        }
      }
    } else if (kind == "INPUT_OBJECT") {
      if (definition.fields.empty()) {
        return Wrong(definition.place, "{} {}: must define one or more input fields.", kind,
                     definition.name);
      }
      for (const GqlFieldDefinition* field : definition.fields) {
        const GqlDefinition* type = schema_.Type(field->type->Name());
        if (type == nullptr || type->IsInput()) continue;
        return Wrong(field->place, "{} {}: field must be one of SCALAR, ENUM, INPUT_OBJECT.",
                     type->kind, field->name);
      }
    }
    return Ok{};
  }

  // The first name that comes a second time, and where that is.
  template <typename T, typename F>
  static std::optional<size_t> SecondOf(const std::vector<T>& items, F name) {
    std::map<std::string_view, size_t> first;
    std::optional<size_t> best;
    size_t best_first = items.size();
    for (size_t i = 0; i < items.size(); ++i) {
      auto [found, added] = first.emplace(name(items[i]), i);
      if (added || found->second >= best_first) continue;
      best = i;
      best_first = found->second;
    }
    return best;
  }

  static Result<> CheckUnique(const GqlDefinition& definition) {
    if (auto field = SecondOf(definition.fields, [](const GqlFieldDefinition* f) {
          return std::string_view(f->name);
        })) {
      return Wrong(definition.fields[*field]->place, "Field {}.{} can only be defined once.",
                   definition.name, definition.fields[*field]->name);
    }
    if (auto value = SecondOf(definition.enum_values,
                              [](const GqlEnumValue& v) { return std::string_view(v.name); })) {
      return Wrong(definition.enum_values[*value].place,
                   "Enum value {}.{} can only be defined once.", definition.name,
                   definition.enum_values[*value].name);
    }
    if (auto type = SecondOf(definition.types,
                             [](const std::string& name) { return std::string_view(name); })) {
      bool aligned = definition.type_places.size() == definition.types.size();
      GqlPlace place = aligned && definition.type_places[*type] ? definition.type_places[*type]
                                                                : definition.place;
      return Wrong(place, "Union type {} can only include type {} once.", definition.name,
                   definition.types[*type]);
    }
    return Ok{};
  }

  Result<> CheckType(const GqlType& type) {
    if (schema_.Type(type.Name()) != nullptr) return Ok{};
    return Wrong(type.place, "Undefined type {}.", type.Name());
  }

  Result<> CheckArguments(const std::vector<GqlArgumentDefinition>& arguments,
                          const GqlDirectiveDefinition* within) {
    for (const GqlArgumentDefinition& argument : arguments) {
      if (Result<> r = CheckName(argument.place, argument.name); !r) return r;
      if (Result<> r = CheckType(*argument.type); !r) return r;
      const GqlDefinition* type = schema_.Type(argument.type->Name());
      if (!type->IsInput()) {
        return Wrong(argument.place,
                     "cannot use {} as argument {} because {} is not a valid input type",
                     argument.type->Text(), argument.name, type->kind);
      }
      if (Result<> r = CheckDirectives(argument.directives, "ARGUMENT_DEFINITION", within, true);
          !r) {
        return r;
      }
    }
    return Ok{};
  }

  Result<> CheckDirectives(const std::vector<GqlDirective*>& directives, std::string_view location,
                           const GqlDirectiveDefinition* within, bool one_place) {
    std::set<std::string_view> seen;
    for (const GqlDirective* directive : directives) {
      if (Result<> r = CheckName(directive->place, directive->name); !r) return r;
      if (within != nullptr && directive->name == within->name) {
        return Wrong(directive->place, "Directive {} cannot refer to itself.", within->name);
      }
      const GqlDirectiveDefinition* definition = schema_.Directive(directive->name);
      if (definition == nullptr) {
        return Wrong(directive->place, "Undefined directive {}.", directive->name);
      }
      if (one_place && !seen.insert(directive->name).second && !definition->repeatable) {
        return Wrong(directive->place, "The directive {} can only be used once at this location.",
                     directive->name);
      }
      if (std::find(definition->locations.begin(), definition->locations.end(), location) ==
          definition->locations.end()) {
        return Wrong(directive->place, "Directive {} is not applicable on {}.", directive->name,
                     location);
      }
      for (const GqlArgument& argument : directive->arguments) {
        if (std::none_of(definition->arguments.begin(), definition->arguments.end(),
                         [&](const auto& a) { return a.name == argument.name; })) {
          return Wrong(argument.place, "Undefined argument {} for directive {}.", argument.name,
                       directive->name);
        }
      }
      for (const GqlArgumentDefinition& wanted : definition->arguments) {
        if (!wanted.type->non_null || wanted.default_value != nullptr) continue;
        auto given = std::find_if(directive->arguments.begin(), directive->arguments.end(),
                                  [&](const GqlArgument& a) { return a.name == wanted.name; });
        if (given == directive->arguments.end() || given->value->kind == GqlKind::kNull) {
          return Wrong(directive->place, "Argument {} for directive {} cannot be null.",
                       wanted.name, directive->name);
        }
      }
    }
    return Ok{};
  }

  bool IsCovariant(const GqlType& required, const GqlType& actual) const {
    if (required.non_null && !actual.non_null) return false;
    if (!required.name.empty()) {
      if (required.name == actual.name) return true;
      const auto& possible = schema_.PossibleTypes(required.name);
      return std::any_of(possible.begin(), possible.end(),
                         [&](const GqlDefinition* type) { return type->name == actual.name; });
    }
    if (required.element == nullptr || actual.element == nullptr) return false;
    return IsCovariant(*required.element, *actual.element);
  }

  Result<> CheckImplements(const GqlDefinition& definition, const std::string& name) {
    const GqlDefinition* interface = schema_.Type(name);
    if (interface == nullptr) return Wrong(definition.place, "Undefined type {}.", GoQuote(name));
    if (interface->kind != "INTERFACE") {
      return Wrong(definition.place, "{} is a non interface type {}.", GoQuote(name),
                   interface->kind);
    }
    for (const GqlFieldDefinition* required : interface->fields) {
      const GqlFieldDefinition* found = definition.Field(required->name);
      if (found == nullptr) {
        return Wrong(definition.place, "For {} to implement {} it must have a field called {}.",
                     definition.name, interface->name, required->name);
      }
      if (!IsCovariant(*required->type, *found->type)) {
        return Wrong(found->place, "For {} to implement {} the field {} must have type {}.",
                     definition.name, interface->name, required->name, required->type->Text());
      }
      if (Result<> r = CheckFieldArguments(definition, *interface, *required, *found); !r) {
        return r;
      }
    }
    for (const std::string& further : interface->interfaces) {
      if (std::find(definition.interfaces.begin(), definition.interfaces.end(), further) !=
          definition.interfaces.end()) {
        continue;
      }
      if (further == definition.name) {
        return Wrong(definition.place,
                     "Type {} cannot implement {} because it would create a circular reference.",
                     definition.name, name);
      }
      return Wrong(definition.place, "Type {} must implement {} because it is implemented by {}.",
                   definition.name, further, name);
    }
    return Ok{};
  }

  static Result<> CheckFieldArguments(const GqlDefinition& definition,
                                      const GqlDefinition& interface,
                                      const GqlFieldDefinition& required,
                                      const GqlFieldDefinition& found) {
    auto find = [](const GqlFieldDefinition& field, const std::string& name) {
      auto at = std::find_if(field.arguments.begin(), field.arguments.end(),
                             [&](const GqlArgumentDefinition& a) { return a.name == name; });
      return at == field.arguments.end() ? nullptr : &*at;
    };
    for (const GqlArgumentDefinition& wanted : required.arguments) {
      const GqlArgumentDefinition* given = find(found, wanted.name);
      if (given == nullptr) {
        return Wrong(found.place,
                     "For {} to implement {} the field {} must have the same arguments but it is "
                     "missing {}.",
                     definition.name, interface.name, required.name, wanted.name);
      }
      if (!wanted.type->Fits(*given->type)) {
        return Wrong(given->place,
                     "For {} to implement {} the field {} must have the same arguments but {} has "
                     "the wrong type.",
                     definition.name, interface.name, required.name, wanted.name);
      }
    }
    for (const GqlArgumentDefinition& given : found.arguments) {
      if (find(required, given.name) != nullptr || !given.type->non_null ||
          given.default_value != nullptr) {
        continue;
      }
      return Wrong(given.place,
                   "For {} to implement {} any additional arguments on {} must be optional or "
                   "have a default value but {} is required.",
                   definition.name, interface.name, found.name, given.name);
    }
    return Ok{};
  }

  // Input objects that need themselves could never be written.
  Result<> CheckInputCycles() {
    std::set<std::string_view> visited;
    for (const auto& [name, definition] : schema_.types) {
      if (definition->kind != "INPUT_OBJECT") continue;
      std::vector<const GqlFieldDefinition*> path;
      std::map<std::string_view, size_t> on_path;
      if (Result<> r = FindCycle(*definition, visited, path, on_path); !r) return r;
    }
    return Ok{};
  }

  Result<> FindCycle(const GqlDefinition& definition, std::set<std::string_view>& visited,
                     std::vector<const GqlFieldDefinition*>& path,
                     std::map<std::string_view, size_t>& on_path) {
    if (!visited.insert(definition.name).second) return Ok{};
    constexpr size_t kMaxPath = 2000;
    if (path.size() > kMaxPath) return Wrong(definition.place, "input objects are too deep");
    on_path[definition.name] = path.size();
    for (const GqlFieldDefinition* field : definition.fields) {
      if (!field->type->non_null || field->type->name.empty()) continue;
      const GqlDefinition* type = schema_.Type(field->type->name);
      if (type == nullptr || type->kind != "INPUT_OBJECT") continue;
      path.push_back(field);
      if (auto found = on_path.find(type->name); found != on_path.end()) {
        std::string names;
        for (size_t i = found->second; i < path.size(); ++i) {
          names += (names.empty() ? "" : ".") + path[i]->name;
        }
        return Wrong(path[found->second]->place,
                     "Cannot reference Input Object {} within itself through a series of non-null "
                     "fields: {}.",
                     GoQuote(type->name), GoQuote(names));
      }
      if (Result<> r = FindCycle(*type, visited, path, on_path); !r) return r;
      path.pop_back();
    }
    on_path.erase(definition.name);
    return Ok{};
  }

  const GqlSchemaDocument& document_;
  GqlPool& pool_;
  GqlSchema schema_;
};

}  // namespace

GqlDefinition* GqlSchema::Type(std::string_view name) const {
  auto found = types.find(name);
  return found == types.end() ? nullptr : found->second;
}

GqlDirectiveDefinition* GqlSchema::Directive(std::string_view name) const {
  auto found = directives.find(name);
  return found == directives.end() ? nullptr : found->second;
}

const std::vector<GqlDefinition*>& GqlSchema::PossibleTypes(std::string_view name) const {
  static const std::vector<GqlDefinition*> kNone;
  auto found = possible_types.find(name);
  return found == possible_types.end() ? kNone : found->second;
}

Result<GqlSchema> MakeGqlSchema(const GqlSchemaDocument& document, GqlPool& pool) {
  return Maker(document, pool).Make();
}

}  // namespace bulwark::rego
