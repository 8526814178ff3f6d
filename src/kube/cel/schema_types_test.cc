#include "kube/cel/schema_types.h"

#include "kube/cel/testing.h"

namespace bulwark::kube {
namespace {

DeclaredType::Ref Declare(std::string_view json, bool is_resource = false) {
  Arena arena;
  return DeclareType(StructuralSchema::Parse(Json(arena, json)).value(), is_resource);
}

TEST(SchemaTypes, OfEachSchema) {
  struct Case {
    std::string_view schema;
    std::string_view type;
    int64_t max_elements;
    int64_t min_size;
  };
  const Case cases[] = {
      {"{'type': 'boolean'}", "bool", 0, 4},
      {"{'type': 'integer'}", "int", 0, 1},
      {"{'type': 'number'}", "double", 0, 1},
      {"{'type': 'string'}", "string", 3145726, 2},
      {"{'type': 'string', 'maxLength': 10}", "string", 40, 2},
      {"{'type': 'string', 'maxLength': -1}", "string", 0, 2},
      {"{'type': 'string', 'maxLength': 9223372036854775807}", "string", INT64_MAX / 4 * 4, 2},
      {"{'type': 'string', 'enum': ['a', 'abc']}", "string", 3, 2},
      {"{'type': 'string', 'format': 'byte', 'maxLength': 10}", "bytes", 10, 2},
      {"{'type': 'string', 'format': 'date'}", "timestamp", 12, 12},
      {"{'type': 'string', 'format': 'date-time'}", "timestamp", 32, 21},
      {"{'type': 'string', 'format': 'duration'}", "duration", 32, 3},
      {"{'x-kubernetes-int-or-string': true}", "dyn", 3145726, 1},
      {"{'type': 'array', 'items': {'type': 'integer'}}", "list(int)", 1572863, 2},
      {"{'type': 'array', 'maxItems': 3, 'items': {'type': 'object'}}", "list(selfType.@idx)", 3,
       2},
      {"{'type': 'object', 'additionalProperties': {'type': 'boolean'}}", "map(string, bool)",
       314572, 2},
      {"{'type': 'object', 'maxProperties': 5, 'additionalProperties': {'type': 'object'}}",
       "map(string, selfType.@elem)", 5, 2},
      {"{'type': 'object', 'required': ['aa', 'd'], 'properties': {'aa': {'type': 'boolean'},"
       "'b': {'type': 'integer'}, 'd': {'type': 'string', 'default': 'x'}}}",
       "selfType", 0, 12},
  };
  for (const Case& c : cases) {
    DeclaredType::Ref declared = Declare(c.schema);
    ASSERT_NE(declared, nullptr) << c.schema;
    EXPECT_EQ(declared->max_elements, c.max_elements) << c.schema;
    EXPECT_EQ(declared->min_serialized_size, c.min_size) << c.schema;
    EXPECT_EQ(SchemaTypes(declared, true).root().ToString(), c.type) << c.schema;
  }
  for (std::string_view untyped :
       {"{}", "{'x-kubernetes-preserve-unknown-fields': true}", "{'type': 'array'}",
        "{'type': 'array', 'items': {}}", "{'type': 'object', 'additionalProperties': {}}"}) {
    EXPECT_EQ(Declare(untyped), nullptr) << untyped;
  }
}

TEST(SchemaTypes, FieldsByName) {
  SchemaTypes types(Declare(R"({'type': 'object', 'properties': {
    'a-b': {'type': 'array', 'items': {'type': 'object', 'properties': {
      'm': {'type': 'object', 'additionalProperties': {'type': 'object',
            'properties': {'x': {'type': 'integer'}}}}}}},
    'namespace': {'type': 'string'}, 'no name': {'type': 'string'}, 'untyped': {}}})"),
                    true);
  auto field = [&](std::string_view type, std::string_view name) {
    auto found = types.FindField(type, name);
    return found ? found->type.ToString() + " " + std::string(found->name) : "none";
  };
  EXPECT_EQ(field("selfType", "a__dash__b"), "list(selfType.a__dash__b.@idx) a__dash__b");
  EXPECT_EQ(field("selfType.a__dash__b.@idx", "m"),
            "map(string, selfType.a__dash__b.@idx.m.@elem) m");
  EXPECT_EQ(field("selfType.a__dash__b.@idx.m.@elem", "x"), "int x");
  EXPECT_EQ(field("selfType", "__namespace__"), "string __namespace__");
  EXPECT_EQ(field("selfType", "namespace"), "string __namespace__");
  EXPECT_EQ(field("selfType", "no name"), "none");
  EXPECT_EQ(field("selfType", "untyped"), "none");
  EXPECT_EQ(field("selfType", "x"), "none");
  EXPECT_EQ(field("selfTypes", "namespace"), "none");
  EXPECT_EQ(field("selfType.", "namespace"), "none");
  EXPECT_EQ(field("selfType.@idx", "namespace"), "none");
  EXPECT_TRUE(types.FindType("selfType.a__dash__b.@idx").has_value());
  EXPECT_FALSE(types.FindType("selfType.a__dash__b").has_value());
  EXPECT_EQ(SchemaTypes(Declare("{'type': 'object', 'properties': {'in': {'type': 'string'}}}"),
                        /*keywords=*/false)
                .FindField("selfType", "in"),
            std::nullopt);
}

TEST(SchemaTypes, AResource) {
  SchemaTypes types(Declare("{'type': 'object'}", true), true);
  EXPECT_TRUE(types.FindField("selfType", "apiVersion").has_value());
  EXPECT_TRUE(types.FindField("selfType.metadata", "generateName").has_value());
  EXPECT_FALSE(types.FindField("selfType.metadata", "labels").has_value());
}

TEST(SchemaSizes, FollowPaths) {
  DeclaredType::Ref declared = Declare(R"({'type': 'object', 'properties': {
    'l': {'type': 'array', 'maxItems': 7, 'items': {'type': 'string', 'maxLength': 2}},
    'm': {'type': 'object', 'maxProperties': 4, 'additionalProperties': {'type': 'integer'}}}})");
  SchemaSizes sizes(declared.get());
  auto size = [&](std::vector<std::string> path) {
    auto range = sizes.SizeOf(path, cel::Type::Dyn());
    return range ? static_cast<int64_t>(range->max) : -1;
  };
  EXPECT_EQ(size({"self"}), 0);
  EXPECT_EQ(size({"self", "l"}), 7);
  EXPECT_EQ(size({"oldSelf", "l", "@items"}), 8);
  EXPECT_EQ(size({"self", "m"}), 4);
  EXPECT_EQ(size({"self", "m", "@keys"}), 0);
  EXPECT_EQ(size({"self", "m", "@values"}), 0);
  EXPECT_EQ(size({"self", "l", "@keys"}), -1);
  EXPECT_EQ(size({"self", "x"}), -1);
  EXPECT_EQ(size({"self", "l", "@items", "@items"}), -1);
  EXPECT_EQ(size({}), -1);
}

}  // namespace
}  // namespace bulwark::kube
