// GraphQL's trees as values, and back.

#include "base/text.h"
#include "lang/rego/builtins/graphql_ast.h"

namespace bulwark::rego {

namespace {

constexpr size_t kMaxDepth = 300;

// --- To values -----------------------------------------------------------------------------------

// Leaves out what is null or empty, but for texts and flags.
class Writer {
 public:
  explicit Writer(Arena& arena) : arena_(arena) {}

  Value Query(const GqlQueryDocument& document) {
    MapBuilder map(arena_);
    List(map, "Operations", document.operations, [&](const GqlOperation* operation) {
      MapBuilder out(arena_);
      Text(out, "Operation", operation->operation);
      Text(out, "Name", operation->name);
      List(out, "VariableDefinitions", operation->variables,
           [&](const GqlVariableDefinition* variable) { return Variable(*variable); });
      Directives(out, operation->directives);
      Selections(out, operation->selections);
      Comments(out, "Comment", operation->comments);
      return out.Finish();
    });
    List(map, "Fragments", document.fragments, [&](const GqlFragmentDefinition* fragment) {
      MapBuilder out(arena_);
      Text(out, "Name", fragment->name);
      List(out, "VariableDefinition", fragment->variables,
           [&](const GqlVariableDefinition* variable) { return Variable(*variable); });
      Text(out, "TypeCondition", fragment->type_condition);
      Directives(out, fragment->directives);
      Selections(out, fragment->selections);
      Comments(out, "Comment", fragment->comments);
      return out.Finish();
    });
    return map.Finish();
  }

  Value Schema(const GqlSchemaDocument& document) {
    MapBuilder map(arena_);
    auto schema = [&](const GqlSchemaDefinition* definition) {
      return SchemaDefinition(*definition);
    };
    auto definition = [&](const GqlDefinition* d) { return Definition(*d); };
    List(map, "Schema", document.schema, schema);
    List(map, "SchemaExtension", document.extensions_of_schema, schema);
    List(map, "Directives", document.directives, [&](const GqlDirectiveDefinition* directive) {
      MapBuilder out(arena_);
      Text(out, "Description", directive->description);
      Text(out, "Name", directive->name);
      Arguments(out, directive->arguments);
      Texts(out, "Locations", directive->locations);
      out.Add("IsRepeatable", Value::Bool(directive->repeatable));
      Around(out, *directive);
      return out.Finish();
    });
    List(map, "Definitions", document.definitions, definition);
    List(map, "Extensions", document.extensions, definition);
    Comments(map, "Comment", document.comments);
    return map.Finish();
  }

 private:
  void Text(MapBuilder& out, std::string_view key, std::string_view text) {
    out.Add(key, Value::String(arena_, ToValidUtf8(text)));
  }
  void Texts(MapBuilder& out, std::string_view key, const std::vector<std::string>& texts) {
    List(out, key, texts,
         [&](const std::string& text) { return Value::String(arena_, ToValidUtf8(text)); });
  }
  template <typename T, typename F>
  void List(MapBuilder& out, std::string_view key, const std::vector<T>& items, F make) {
    if (items.empty()) return;
    std::vector<Value> values;
    values.reserve(items.size());
    for (const T& item : items) values.push_back(make(item));
    out.Add(key, Value::Array(arena_, values));
  }
  void Comments(MapBuilder& out, std::string_view key, const GqlComments& comments) {
    if (!comments || comments->empty()) return;
    MapBuilder group(arena_);
    List(group, "List", *comments, [&](const std::string& comment) {
      MapBuilder map(arena_);
      Text(map, "Value", comment);
      return map.Finish();
    });
    out.Add(key, group.Finish());
  }
  template <typename T>
  void Around(MapBuilder& out, const T& node) {
    Comments(out, "BeforeDescriptionComment", node.before);
    Comments(out, "AfterDescriptionComment", node.after);
  }

  Value Type(const GqlType& type) {
    MapBuilder out(arena_);
    Text(out, "NamedType", type.name);
    if (type.element != nullptr) out.Add("Elem", Type(*type.element));
    out.Add("NonNull", Value::Bool(type.non_null));
    return out.Finish();
  }
  void AddType(MapBuilder& out, const GqlType* type) {
    if (type != nullptr) out.Add("Type", Type(*type));
  }

  Value Literal(const GqlValue& value) {
    MapBuilder out(arena_);
    Text(out, "Raw", value.raw);
    List(out, "Children", value.children, [&](const GqlValue::Child& child) {
      MapBuilder map(arena_);
      Text(map, "Name", child.name);
      if (child.value != nullptr) map.Add("Value", Literal(*child.value));
      Comments(map, "Comment", child.comments);
      return map.Finish();
    });
    out.Add("Kind", Value::Int(static_cast<int>(value.kind)));
    Comments(out, "Comment", value.comments);
    out.Add("ExpectedTypeHasDefault", Value::Bool(value.expected_has_default));
    return out.Finish();
  }
  void Default(MapBuilder& out, const GqlValue* value) {
    if (value != nullptr) out.Add("DefaultValue", Literal(*value));
  }

  void Directives(MapBuilder& out, const std::vector<GqlDirective*>& directives) {
    List(out, "Directives", directives, [&](const GqlDirective* directive) {
      MapBuilder map(arena_);
      Text(map, "Name", directive->name);
      CallArguments(map, directive->arguments);
      Text(map, "Location", directive->location);
      return map.Finish();
    });
  }
  void CallArguments(MapBuilder& out, const std::vector<GqlArgument>& arguments) {
    List(out, "Arguments", arguments, [&](const GqlArgument& argument) {
      MapBuilder map(arena_);
      Text(map, "Name", argument.name);
      if (argument.value != nullptr) map.Add("Value", Literal(*argument.value));
      Comments(map, "Comment", argument.comments);
      return map.Finish();
    });
  }

  Value Variable(const GqlVariableDefinition& variable) {
    MapBuilder out(arena_);
    Text(out, "Variable", variable.name);
    AddType(out, variable.type);
    Default(out, variable.default_value);
    Directives(out, variable.directives);
    Comments(out, "Comment", variable.comments);
    out.Add("Used", Value::Bool(variable.used));
    return out.Finish();
  }

  void Selections(MapBuilder& out, const std::vector<GqlSelection*>& selections) {
    List(out, "SelectionSet", selections, [&](const GqlSelection* selection) {
      MapBuilder map(arena_);
      switch (selection->kind) {
        case GqlSelection::Kind::kField:
          Text(map, "Alias", selection->alias);
          Text(map, "Name", selection->name);
          CallArguments(map, selection->arguments);
          break;
        case GqlSelection::Kind::kSpread: Text(map, "Name", selection->name); break;
        case GqlSelection::Kind::kInline:
          Text(map, "TypeCondition", selection->type_condition);
          break;
      }
      Directives(map, selection->directives);
      Selections(map, selection->selections);
      Comments(map, "Comment", selection->comments);
      return map.Finish();
    });
  }

  Value SchemaDefinition(const GqlSchemaDefinition& schema) {
    MapBuilder out(arena_);
    Text(out, "Description", schema.description);
    Directives(out, schema.directives);
    List(out, "OperationTypes", schema.operations,
         [&](const GqlSchemaDefinition::Operation& operation) {
           MapBuilder map(arena_);
           Text(map, "Operation", operation.operation);
           Text(map, "Type", operation.type);
           Comments(map, "Comment", operation.comments);
           return map.Finish();
         });
    Around(out, schema);
    Comments(out, "EndOfDefinitionComment", schema.end);
    return out.Finish();
  }

  Value Definition(const GqlDefinition& definition) {
    MapBuilder out(arena_);
    Text(out, "Kind", definition.kind);
    Text(out, "Description", definition.description);
    Text(out, "Name", definition.name);
    Directives(out, definition.directives);
    Texts(out, "Interfaces", definition.interfaces);
    List(out, "Fields", definition.fields, [&](const GqlFieldDefinition* field) {
      MapBuilder map(arena_);
      Text(map, "Description", field->description);
      Text(map, "Name", field->name);
      Arguments(map, field->arguments);
      Default(map, field->default_value);
      AddType(map, field->type);
      Directives(map, field->directives);
      Around(map, *field);
      return map.Finish();
    });
    Texts(out, "Types", definition.types);
    List(out, "EnumValues", definition.enum_values, [&](const GqlEnumValue& value) {
      MapBuilder map(arena_);
      Text(map, "Description", value.description);
      Text(map, "Name", value.name);
      Directives(map, value.directives);
      Around(map, value);
      return map.Finish();
    });
    out.Add("BuiltIn", Value::Bool(definition.built_in));
    Around(out, definition);
    Comments(out, "EndOfDefinitionComment", definition.end);
    return out.Finish();
  }

  void Arguments(MapBuilder& out, const std::vector<GqlArgumentDefinition>& arguments) {
    List(out, "Arguments", arguments, [&](const GqlArgumentDefinition& argument) {
      MapBuilder map(arena_);
      Text(map, "Description", argument.description);
      Text(map, "Name", argument.name);
      Default(map, argument.default_value);
      AddType(map, argument.type);
      Directives(map, argument.directives);
      Around(map, argument);
      return map.Finish();
    });
  }

  Arena& arena_;
};

// --- From values ---------------------------------------------------------------------------------

Error WrongMember(std::string_view key) {
  return Error(Code::kInvalid,
               "json: cannot unmarshal member " + std::string(key) + " of a GraphQL document");
}

class Reader {
 public:
  explicit Reader(GqlPool& pool) : pool_(pool) {}

  Result<GqlQueryDocument> Query(const Value& value) {
    GqlQueryDocument out;
    for (const Value& item : BW_TRY(List(value, "Operations")).items()) {
      GqlOperation* operation = pool_.New<GqlOperation>();
      operation->operation = BW_TRY(Text(item, "Operation"));
      operation->name = BW_TRY(Text(item, "Name"));
      operation->variables = BW_TRY(Variables(item, "VariableDefinitions"));
      operation->directives = BW_TRY(Directives(item));
      operation->selections = BW_TRY(Selections(item, 0));
      out.operations.push_back(operation);
    }
    for (const Value& item : BW_TRY(List(value, "Fragments")).items()) {
      GqlFragmentDefinition* fragment = pool_.New<GqlFragmentDefinition>();
      fragment->name = BW_TRY(Text(item, "Name"));
      fragment->variables = BW_TRY(Variables(item, "VariableDefinition"));
      fragment->type_condition = BW_TRY(Text(item, "TypeCondition"));
      fragment->directives = BW_TRY(Directives(item));
      fragment->selections = BW_TRY(Selections(item, 0));
      out.fragments.push_back(fragment);
    }
    return out;
  }

  Result<GqlSchemaDocument> Schema(const Value& value) {
    GqlSchemaDocument out;
    out.schema = BW_TRY(SchemaDefinitions(value, "Schema"));
    out.extensions_of_schema = BW_TRY(SchemaDefinitions(value, "SchemaExtension"));
    for (const Value& item : BW_TRY(List(value, "Directives")).items()) {
      GqlDirectiveDefinition* directive = pool_.New<GqlDirectiveDefinition>();
      directive->description = BW_TRY(Text(item, "Description"));
      directive->name = BW_TRY(Text(item, "Name"));
      directive->arguments = BW_TRY(Arguments(item));
      directive->locations = BW_TRY(Texts(item, "Locations"));
      directive->repeatable = BW_TRY(Flag(item, "IsRepeatable"));
      out.directives.push_back(directive);
    }
    out.definitions = BW_TRY(Definitions(value, "Definitions"));
    out.extensions = BW_TRY(Definitions(value, "Extensions"));
    return out;
  }

 private:
  // Names are found whatever their case, as Go does.
  static Value Member(const Value& object, std::string_view key) {
    if (const Value* found = object.Find(key)) return *found;
    for (const Value::Entry& entry : object.entries()) {
      if (entry.key.IsString() && EqualsIgnoringCase(entry.key.AsString(), key)) {
        return entry.value;
      }
    }
    return {};
  }
  static Result<std::string> Text(const Value& object, std::string_view key) {
    Value value = Member(object, key);
    if (value.IsNull()) return std::string();
    if (!value.IsString()) return WrongMember(key);
    return std::string(value.AsString());
  }
  static Result<bool> Flag(const Value& object, std::string_view key) {
    Value value = Member(object, key);
    if (!value.IsNull() && !value.IsBool()) return WrongMember(key);
    return value.IsTrue();
  }
  // An array of objects, or null.
  static Result<Value> List(const Value& object, std::string_view key) {
    Value value = Member(object, key);
    if (!value.IsNull() && !value.IsArray()) return WrongMember(key);
    for (const Value& item : value.items()) {
      if (!item.IsMap()) return WrongMember(key);
    }
    return value;
  }
  static Result<std::vector<std::string>> Texts(const Value& object, std::string_view key) {
    Value value = Member(object, key);
    if (!value.IsNull() && !value.IsArray()) return WrongMember(key);
    std::vector<std::string> out;
    for (const Value& item : value.items()) {
      if (!item.IsString()) return WrongMember(key);
      out.emplace_back(item.AsString());
    }
    return out;
  }

  Result<GqlType*> Type(const Value& object, std::string_view key, size_t depth = 0) {
    Value value = Member(object, key);
    if (value.IsNull()) return static_cast<GqlType*>(nullptr);
    if (!value.IsMap() || depth > kMaxDepth) return WrongMember(key);
    GqlType* type = pool_.New<GqlType>();
    type->name = BW_TRY(Text(value, "NamedType"));
    type->element = BW_TRY(Type(value, "Elem", depth + 1));
    type->non_null = BW_TRY(Flag(value, "NonNull"));
    return type;
  }

  Result<GqlValue*> Literal(const Value& object, std::string_view key, size_t depth = 0) {
    Value value = Member(object, key);
    if (value.IsNull()) return static_cast<GqlValue*>(nullptr);
    if (!value.IsMap() || depth > kMaxDepth) return WrongMember(key);
    GqlValue* out = pool_.New<GqlValue>();
    out->raw = BW_TRY(Text(value, "Raw"));
    Value kind = Member(value, "Kind");
    std::optional<int64_t> number = kind.IsNull() ? 0 : kind.ToInt();
    if (!number || *number < 0 || *number > static_cast<int>(GqlKind::kObject)) {
      return WrongMember("Kind");
    }
    out->kind = static_cast<GqlKind>(*number);
    for (const Value& item : BW_TRY(List(value, "Children")).items()) {
      GqlValue::Child child;
      child.name = BW_TRY(Text(item, "Name"));
      child.value = BW_TRY(Literal(item, "Value", depth + 1));
      if (child.value == nullptr) return WrongMember("Value");
      out->children.push_back(std::move(child));
    }
    return out;
  }

  Result<std::vector<GqlArgument>> CallArguments(const Value& object) {
    std::vector<GqlArgument> out;
    for (const Value& item : BW_TRY(List(object, "Arguments")).items()) {
      GqlArgument argument;
      argument.name = BW_TRY(Text(item, "Name"));
      argument.value = BW_TRY(Literal(item, "Value"));
      if (argument.value == nullptr) return WrongMember("Value");
      out.push_back(std::move(argument));
    }
    return out;
  }

  Result<std::vector<GqlDirective*>> Directives(const Value& object) {
    std::vector<GqlDirective*> out;
    for (const Value& item : BW_TRY(List(object, "Directives")).items()) {
      GqlDirective* directive = pool_.New<GqlDirective>();
      directive->name = BW_TRY(Text(item, "Name"));
      directive->arguments = BW_TRY(CallArguments(item));
      directive->location = BW_TRY(Text(item, "Location"));
      out.push_back(directive);
    }
    return out;
  }

  Result<std::vector<GqlVariableDefinition*>> Variables(const Value& object, std::string_view key) {
    std::vector<GqlVariableDefinition*> out;
    for (const Value& item : BW_TRY(List(object, key)).items()) {
      GqlVariableDefinition* variable = pool_.New<GqlVariableDefinition>();
      variable->name = BW_TRY(Text(item, "Variable"));
      variable->type = BW_TRY(Type(item, "Type"));
      if (variable->type == nullptr) return WrongMember("Type");
      variable->default_value = BW_TRY(Literal(item, "DefaultValue"));
      variable->directives = BW_TRY(Directives(item));
      variable->used = BW_TRY(Flag(item, "Used"));
      out.push_back(variable);
    }
    return out;
  }

  // Whatever a selection was, gqlparser reads it as a field.
  Result<std::vector<GqlSelection*>> Selections(const Value& object, size_t depth) {
    std::vector<GqlSelection*> out;
    Value list = Member(object, "SelectionSet");
    if (!list.IsNull() && !list.IsArray()) return WrongMember("SelectionSet");
    if (depth > kMaxDepth) return WrongMember("SelectionSet");
    for (const Value& item : list.items()) {
      if (!item.IsMap()) continue;
      GqlSelection* selection = pool_.New<GqlSelection>();
      selection->alias = BW_TRY(Text(item, "Alias"));
      selection->name = BW_TRY(Text(item, "Name"));
      selection->arguments = BW_TRY(CallArguments(item));
      selection->directives = BW_TRY(Directives(item));
      selection->selections = BW_TRY(Selections(item, depth + 1));
      out.push_back(selection);
    }
    return out;
  }

  Result<std::vector<GqlSchemaDefinition*>> SchemaDefinitions(const Value& object,
                                                              std::string_view key) {
    std::vector<GqlSchemaDefinition*> out;
    for (const Value& item : BW_TRY(List(object, key)).items()) {
      GqlSchemaDefinition* schema = pool_.New<GqlSchemaDefinition>();
      schema->description = BW_TRY(Text(item, "Description"));
      schema->directives = BW_TRY(Directives(item));
      for (const Value& part : BW_TRY(List(item, "OperationTypes")).items()) {
        GqlSchemaDefinition::Operation operation;
        operation.operation = BW_TRY(Text(part, "Operation"));
        operation.type = BW_TRY(Text(part, "Type"));
        schema->operations.push_back(std::move(operation));
      }
      out.push_back(schema);
    }
    return out;
  }

  template <typename T>
  Result<> ReadInput(const Value& item, T& out) {
    out.description = BW_TRY(Text(item, "Description"));
    out.name = BW_TRY(Text(item, "Name"));
    out.type = BW_TRY(Type(item, "Type"));
    if (out.type == nullptr) return WrongMember("Type");
    out.default_value = BW_TRY(Literal(item, "DefaultValue"));
    out.directives = BW_TRY(Directives(item));
    return Ok{};
  }

  Result<std::vector<GqlArgumentDefinition>> Arguments(const Value& object) {
    std::vector<GqlArgumentDefinition> out;
    for (const Value& item : BW_TRY(List(object, "Arguments")).items()) {
      GqlArgumentDefinition argument;
      if (Result<> read = ReadInput(item, argument); !read) return std::move(read).error();
      out.push_back(std::move(argument));
    }
    return out;
  }

  Result<std::vector<GqlDefinition*>> Definitions(const Value& object, std::string_view key) {
    std::vector<GqlDefinition*> out;
    for (const Value& item : BW_TRY(List(object, key)).items()) {
      GqlDefinition* definition = pool_.New<GqlDefinition>();
      definition->kind = BW_TRY(Text(item, "Kind"));
      definition->description = BW_TRY(Text(item, "Description"));
      definition->name = BW_TRY(Text(item, "Name"));
      definition->directives = BW_TRY(Directives(item));
      definition->interfaces = BW_TRY(Texts(item, "Interfaces"));
      for (const Value& part : BW_TRY(List(item, "Fields")).items()) {
        GqlFieldDefinition* field = pool_.New<GqlFieldDefinition>();
        if (Result<> read = ReadInput(part, *field); !read) return std::move(read).error();
        field->arguments = BW_TRY(Arguments(part));
        definition->fields.push_back(field);
      }
      definition->types = BW_TRY(Texts(item, "Types"));
      for (const Value& part : BW_TRY(List(item, "EnumValues")).items()) {
        GqlEnumValue value;
        value.description = BW_TRY(Text(part, "Description"));
        value.name = BW_TRY(Text(part, "Name"));
        value.directives = BW_TRY(Directives(part));
        definition->enum_values.push_back(std::move(value));
      }
      definition->built_in = BW_TRY(Flag(item, "BuiltIn"));
      out.push_back(definition);
    }
    return out;
  }

  GqlPool& pool_;
};

}  // namespace

Value GqlQueryValue(const GqlQueryDocument& document, Arena& arena) {
  return Writer(arena).Query(document);
}

Value GqlSchemaValue(const GqlSchemaDocument& document, Arena& arena) {
  return Writer(arena).Schema(document);
}

Result<GqlQueryDocument> GqlQueryFromValue(const Value& value, GqlPool& pool) {
  return Reader(pool).Query(value);
}

Result<GqlSchemaDocument> GqlSchemaFromValue(const Value& value, GqlPool& pool) {
  return Reader(pool).Schema(value);
}

}  // namespace bulwark::rego
