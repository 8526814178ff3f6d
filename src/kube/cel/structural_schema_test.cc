#include "kube/cel/structural_schema.h"

#include "kube/cel/testing.h"

namespace bulwark::kube {
namespace {

TEST(EscapeProperty, AsKubernetes) {
  struct Case {
    std::string_view name;
    std::optional<std::string> escaped;
  };
  const Case cases[] = {
      {"a", "a"},
      {"Ab_1", "Ab_1"},
      {"_", "_"},
      {"__", "__underscores__"},
      {"___", "__underscores___"},
      {"____", "__underscores____underscores__"},
      {"a__b", "a__underscores__b"},
      {"a.b", "a__dot__b"},
      {"a-b", "a__dash__b"},
      {"a/b", "a__slash__b"},
      {"k8s.io/x-y__z", "k8s__dot__io__slash__x__dash__y__underscores__z"},
      {"in", "__in__"},
      {"namespace", "__namespace__"},
      {"true", "__true__"},
      {"while", "__while__"},
      {"While", "While"},
      {"int", "int"},
      {"self", "self"},
      {"", std::nullopt},
      {"1a", std::nullopt},
      {"a b", std::nullopt},
      {"a$", std::nullopt},
      {"\xc3\xa9", std::nullopt},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(EscapeProperty(c.name), c.escaped) << c.name;
    if (c.escaped) {
      EXPECT_EQ(UnescapeProperty(*c.escaped), c.name);
    }
  }
  EXPECT_EQ(UnescapeProperty("__nothing__"), std::nullopt);
  EXPECT_EQ(UnescapeProperty("a__in__"), std::nullopt);
  EXPECT_EQ(UnescapeProperty("__dot"), "__dot");
}

StructuralSchema::Ref Parse(Arena& arena, std::string_view json) {
  Result<StructuralSchema::Ref> schema = StructuralSchema::Parse(Json(arena, json));
  EXPECT_TRUE(schema.has_value()) << json;
  return *schema;
}

TEST(StructuralSchema, Reads) {
  Arena arena;
  StructuralSchema::Ref schema = Parse(arena, R"({
    'type': 'object', 'required': ['b', 'zz'],
    'properties': {
      'b': {'type': 'string', 'format': 'byte', 'maxLength': 5, 'nullable': true, 'default': 'x'},
      'a-a': {'type': 'array', 'x-kubernetes-list-type': 'map',
              'x-kubernetes-list-map-keys': ['k-1', '1'], 'items': {'type': 'object'}},
      'e': {'type': 'string', 'enum': ['a', 'abc', null]},
      'm': {'type': 'object', 'maxProperties': 3, 'additionalProperties': {'type': 'integer'},
            'x-kubernetes-map-type': 'odd'},
      't': {'type': 'object', 'additionalProperties': true},
      'x': {'x-kubernetes-int-or-string': true},
      'p': {'x-kubernetes-preserve-unknown-fields': true}},
    'x-kubernetes-validations': [
      {'rule': 'true', 'message': 'm', 'messageExpression': 'e', 'fieldPath': '.b',
       'reason': 'FieldValueRequired', 'optionalOldSelf': true}, {}]})");
  EXPECT_EQ(schema->type, StructuralSchema::Type::kObject);
  const StructuralSchema::Property* b = schema->FindProperty("b");
  ASSERT_NE(b, nullptr);
  EXPECT_TRUE(b->required && b->schema->nullable && b->schema->has_default);
  EXPECT_EQ(b->schema->format, StructuralSchema::Format::kByte);
  EXPECT_EQ(b->schema->max_length, 5);
  const StructuralSchema::Property* a = schema->FindProperty("a-a");
  EXPECT_EQ(a->escaped, "a__dash__a");
  EXPECT_FALSE(a->required);
  EXPECT_EQ(a->schema->list_type, StructuralSchema::ListType::kMap);
  EXPECT_EQ(a->schema->list_map_keys_escaped, (std::vector<std::string>{"k__dash__1", "1"}));
  EXPECT_EQ(schema->FindProperty("e")->schema->longest_enum, 3);
  EXPECT_EQ(schema->FindProperty("m")->schema->max_properties, 3);
  EXPECT_NE(schema->FindProperty("m")->schema->additional_properties, nullptr);
  EXPECT_FALSE(schema->FindProperty("m")->schema->map_type_correlatable);
  EXPECT_TRUE(schema->FindProperty("t")->schema->has_additional_properties);
  EXPECT_EQ(schema->FindProperty("t")->schema->additional_properties, nullptr);
  EXPECT_TRUE(schema->FindProperty("x")->schema->int_or_string);
  EXPECT_TRUE(schema->FindProperty("p")->schema->preserve_unknown_fields);
  EXPECT_EQ(schema->FindProperty("zz"), nullptr);
  ASSERT_EQ(schema->rules.size(), 2U);
  EXPECT_EQ(schema->rules[0].reason, ViolationReason::kRequired);
  EXPECT_TRUE(schema->rules[0].optional_old_self);
  EXPECT_TRUE(schema->HasRules());
  EXPECT_FALSE(b->schema->HasRules());
}

TEST(StructuralSchema, ErrorsNameThePlace) {
  struct Case {
    std::string_view json;
    std::string_view message;
  };
  const Case cases[] = {
      {"[]", "the schema: expected an object"},
      {"{'type': 1}", "type: expected a string"},
      {"{'properties': {'a': {'maxItems': 'x'}}}", "properties[a].maxItems: expected an integer"},
      {"{'items': [{}]}", "items: expected an object"},
      {"{'items': {'nullable': 'yes'}}", "items.nullable: expected true or false"},
      {"{'allOf': [{}, {'required': [1]}]}", "allOf[1].required: expected strings"},
      {"{'additionalProperties': {'enum': 3}}", "additionalProperties.enum: expected a list"},
      {"{'x-kubernetes-validations': [{}, {'rule': 3}]}",
       "x-kubernetes-validations[1].rule: expected a string"},
  };
  for (const Case& c : cases) {
    Arena arena;
    Result<StructuralSchema::Ref> schema = StructuralSchema::Parse(Json(arena, c.json));
    ASSERT_FALSE(schema.has_value()) << c.json;
    EXPECT_EQ(schema.error().message(), c.message);
  }
}

TEST(StructuralSchema, DepthIsLimited) {
  std::string json = "{}";
  for (int i = 0; i < 9; ++i) json = "{'items':" + json + "}";
  Arena arena;
  EXPECT_TRUE(StructuralSchema::Parse(Json(arena, json), 10).has_value());
  Result<StructuralSchema::Ref> deep = StructuralSchema::Parse(Json(arena, json), 9);
  ASSERT_FALSE(deep.has_value());
  EXPECT_EQ(deep.error().code(), Code::kLimit);
}

TEST(StructuralSchema, AResourceHasItsNames) {
  Arena arena;
  StructuralSchema::Ref plain = Parse(arena, R"({
    'type': 'object', 'required': ['metadata'],
    'properties': {'metadata': {'type': 'object', 'properties': {'labels': {'type': 'object'}}},
                   'spec': {'type': 'object', 'x-kubernetes-embedded-resource': true}}})");
  StructuralSchema::Ref resource = StructuralSchema::AsResource(plain);
  EXPECT_EQ(resource->FindProperty("kind")->schema->type, StructuralSchema::Type::kString);
  EXPECT_TRUE(resource->FindProperty("metadata")->required);
  const StructuralSchema& metadata = *resource->FindProperty("metadata")->schema;
  EXPECT_NE(metadata.FindProperty("generateName"), nullptr);
  EXPECT_EQ(metadata.FindProperty("labels"), nullptr);
  EXPECT_EQ(plain->FindProperty("kind"), nullptr);
  EXPECT_EQ(StructuralSchema::AsResource(resource), resource);
  const StructuralSchema& spec = *plain->FindProperty("spec")->schema;
  ASSERT_NE(spec.resource, nullptr);
  EXPECT_NE(spec.resource->FindProperty("apiVersion"), nullptr);
}

TEST(FieldPath, NormalForms) {
  Arena arena;
  StructuralSchema::Ref schema = Parse(arena, R"({'type': 'object', 'properties': {
    'a': {'type': 'object', 'properties': {'x.y': {'type': 'string'}}},
    'm': {'type': 'object', 'additionalProperties': {'type': 'object', 'properties': {'b': {}}}},
    'l': {'type': 'array', 'items': {}}}})");
  auto normal = [&](std::string_view path) {
    Result<std::string> out = NormalizeFieldPath(path, *schema);
    return out ? *out : "error: " + out.error().message();
  };
  EXPECT_EQ(normal(".a"), "a");
  EXPECT_EQ(normal(".a['x.y']"), "a.x.y");
  EXPECT_EQ(normal("['a']['x.y']"), "a.x.y");
  EXPECT_EQ(normal(".m['k'].b"), "m[k].b");
  EXPECT_EQ(normal(".m.k.b"), "m[k].b");
  EXPECT_EQ(normal(".a.x.y"), "error: does not refer to a valid field");
  EXPECT_EQ(normal(".l['0']"), "error: does not refer to a valid field");
  EXPECT_EQ(normal("a"), "error: expected [ or . but got: a");
  EXPECT_EQ(normal(".a["), "error: unexpected end of JSON path");
  EXPECT_EQ(normal(".a['x.y'"), "error: unexpected end of JSON path");
  EXPECT_EQ(normal(".a[x]"), "error: expected single quoted string but got x");
  EXPECT_EQ(normal(".a['\\q']"), "error: invalid string literal: invalid escape char \\q");
}

}  // namespace
}  // namespace bulwark::kube
