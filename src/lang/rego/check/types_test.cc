#include "lang/rego/check/types.h"

#include <gtest/gtest.h>

#include "formats/json.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/check/infer.h"

namespace bulwark::rego {
namespace {

class TypesTest : public testing::Test {
 protected:
  TypeRef Parse(std::string_view text) {
    Result<TypeRef> type = ParseType(text, types_);
    EXPECT_TRUE(type.has_value()) << text << ": " << (type ? "" : type.error().ToString());
    return type ? *type : nullptr;
  }

  Arena arena_;
  TypeFactory types_{arena_};
};

TEST_F(TypesTest, PrintsAsOpaDoes) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"null", "null"},
      {"any", "any"},
      {"array[number]", "array[number]"},
      {"array<number, string>", "array<number, string>"},
      {"array<number>[string]", "array<number>[string]"},
      {"set[any]", "set[any]"},
      {"set", "set"},
      {"object[string: any]", "object[string: any]"},
      {R"(object<"b": number, "a": string>)", "object<a: string, b: number>"},
      {R"(object<"op": string, any: any>)", "object<op: string>[any: any]"},
      {"object<a: number>[string: any]", "object<a: number>[string: any]"},
      {"string | number", "any<number, string>"},
      {"any<set[string], null>", "any<null, set[string]>"},
      {"array[string | array[any]]", "array[any<string, array[any]>]"},
      {"(x: string, array[any]) -> boolean", "(string, array[any]) => boolean"},
      {"(any...) -> void", "(any...) => ???"},
      {"() -> number", "() => number"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(ToText(Parse(text)), want) << text;
}

TEST_F(TypesTest, RefusesWhatIsNoType) {
  for (std::string_view text :
       {"", "strin", "array[", "array<>", "set[string", "object[string]", "(string", "(string) -> ",
        "(a:) -> any", "any extra", "(any..., string) -> void", "object<\"a: any>"}) {
    EXPECT_FALSE(ParseType(text, types_).has_value()) << text;
  }
  EXPECT_FALSE(ParseType(std::string(100'000, '('), types_).has_value());
}

TEST_F(TypesTest, ReadsEveryBuiltin) {
  for (const Builtin* builtin : Registry::Standard().all()) {
    Result<TypeRef> type = ParseType(builtin->type, types_);
    ASSERT_TRUE(type.has_value()) << builtin->name << ": " << builtin->type;
    EXPECT_EQ((*type)->kind, TypeKind::kFunction) << builtin->name;
  }
}

TEST_F(TypesTest, NamesArguments) {
  TypeRef function = Parse("(a: string, b: array[number]) -> c: boolean");
  EXPECT_EQ(ArgumentsText(function, true), "(a: string, b: array[number], c: boolean)");
  EXPECT_EQ(ArgumentsText(function, false), "(a: string, b: array[number])");
  TypeRef plus = BuiltinTypes::Standard().Find(Registry::Standard().Find("plus"));
  EXPECT_EQ(ArgumentsText(plus, true), "(x: number, y: number, z: number)");
}

TEST_F(TypesTest, Unites) {
  struct Case {
    std::string_view a, b, want;
  };
  const Case cases[] = {
      {"string", "string", "string"},
      {"string", "number", "any<number, string>"},
      {"any", "number", "any"},
      {"any<number, string>", "any<null, string>", "any<null, number, string>"},
      {"any<number, string>", "string", "any<number, string>"},
      {"boolean", "any<number, string>", "any<boolean, number, string>"},
      {"array[string]", "array[number]", "any<array[number], array[string]>"},
      {"(string) -> number", "(number) -> number", "(any<number, string>) => number"},
      {"(string) -> number", "string", "???"},
      {"(string) -> number", "(string, string) -> number", "???"},
  };
  for (const auto& [a, b, want] : cases) {
    EXPECT_EQ(ToText(types_.Or(Parse(a), Parse(b))), want) << a << " or " << b;
    EXPECT_EQ(ToText(types_.Or(Parse(b), Parse(a))), want) << b << " or " << a;
  }
  EXPECT_EQ(types_.Or(nullptr, kStringType), kStringType);
  EXPECT_EQ(types_.Or(kStringType, nullptr), kStringType);
}

TEST_F(TypesTest, KnowsWhatUnifies) {
  struct Case {
    std::string_view a, b;
    bool want;
  };
  const Case cases[] = {
      {"string", "string", true},
      {"string", "number", false},
      {"any", "set[string]", true},
      {"any", "(any) -> any", false},
      {"any<number, string>", "string", true},
      {"any<number, string>", "boolean", false},
      {"any<number, string>", "any<null, string>", true},
      {"array<number, string>", "array<number, string>", true},
      {"array<number, string>", "array<number>", false},
      {"array<number, string>", "array[number]", false},
      {"array<number, number>", "array[number]", true},
      {"array[string]", "array[number]", false},
      {"set", "set[number]", true},
      {"set[string]", "set[number]", false},
      {"object<a: number>", "object<a: number>", true},
      {"object<a: number>", "object<a: string>", false},
      {"object<a: number>", "object<b: number>", false},
      {"object<a: number>", "object[string: number]", true},
      {"object<a: number>", "object[string: string]", false},
      {"object[string: number]", "object[number: number]", true},
      {"(string) -> any", "(string) -> number", true},
      {"(string) -> any", "(string, string) -> number", false},
  };
  for (const auto& [a, b, want] : cases) {
    EXPECT_EQ(Unifies(Parse(a), Parse(b)), want) << a << " and " << b;
    EXPECT_EQ(Unifies(Parse(b), Parse(a)), want) << b << " and " << a;
  }
  EXPECT_FALSE(Unifies(nullptr, kAnyType));
}

TEST_F(TypesTest, Selects) {
  struct Case {
    std::string_view type;
    Value key;
    std::string_view want;
  };
  const Case cases[] = {
      {"array<number, string>", Value::Int(1), "string"},
      {"array<number, string>", Value::Int(2), "???"},
      {"array<number>[boolean]", Value::Int(7), "boolean"},
      {"array[number]", Value::Int(-1), "???"},
      {"array[number]", Value::String("x"), "???"},
      {"object<a: number>[string: boolean]", Value::String("a"), "number"},
      {"object<a: number>[string: boolean]", Value::String("b"), "boolean"},
      {"object<a: number>[string: boolean]", Value::Int(1), "???"},
      {"object<a: number>", Value::String("b"), "???"},
      {"set[string]", Value::String("x"), "string"},
      {"set[string]", Value::Int(1), "???"},
      {"set[number | string]", Value::Int(1), "number"},
      {"any", Value::Int(1), "any"},
      {"object<a: number> | object<a: string>", Value::String("a"), "any<number, string>"},
      {"string", Value::Int(1), "???"},
  };
  for (const auto& [type, key, want] : cases) {
    EXPECT_EQ(ToText(types_.Select(Parse(type), key)), want) << type << " " << ToRegoText(key);
  }
}

TEST_F(TypesTest, EnumeratesKeysAndValues) {
  struct Case {
    std::string_view type, keys, values;
  };
  const Case cases[] = {
      {"array<number, string>", "number", "any<number, string>"},
      {"object<a: number>[boolean: null]", "any<boolean, string>", "any<null, number>"},
      {"set[string]", "string", "string"},
      {"any", "any", "any"},
      {"any<array[string], set[boolean]>", "any<boolean, number>", "any<boolean, string>"},
      {"string", "???", "???"},
      {"object<a: any>", "string", "any"},
  };
  for (const auto& [type, keys, values] : cases) {
    EXPECT_EQ(ToText(types_.Keys(Parse(type))), keys) << type;
    EXPECT_EQ(ToText(types_.Values(Parse(type))), values) << type;
  }
}

TEST_F(TypesTest, MergesDefinitions) {
  struct Case {
    std::string_view a, b, want;
  };
  const Case cases[] = {
      {"set[string]", "set[number]", "set[any<number, string>]"},
      {"object[string: number]", "object[number: string]",
       "object[any<number, string>: any<number, string>]"},
      {"object[string: set[number]]", "object[string: set[string]]",
       "object[string: set[any<number, string>]]"},
      {"object<a: number>", "object[string: string]",
       "any<object<a: number>, object[string: string]>"},
      {"any<null, object[string: number]>", "object[string: string]",
       "any<null, object[string: any<number, string>]>"},
      {"string", "set[number]", "any<string, set[number]>"},
  };
  for (const auto& [a, b, want] : cases) {
    EXPECT_EQ(ToText(types_.Merge(Parse(a), Parse(b))), want) << a << " with " << b;
  }
}

TEST_F(TypesTest, KnowsWhatIsPartial) {
  EXPECT_TRUE(IsPartial(nullptr));
  EXPECT_TRUE(IsPartial(types_.Array({kStringType, nullptr})));
  EXPECT_TRUE(IsPartial(types_.Array({types_.Set(nullptr)})));
  EXPECT_TRUE(IsPartial(types_.Object({}, kStringType, nullptr)));
  EXPECT_FALSE(IsPartial(types_.Object({})));
  EXPECT_FALSE(IsPartial(Parse("any<null, array[any]>")));
}

TEST_F(TypesTest, ShortensWhatDiffers) {
  TypeRef a = Parse(R"(object<"kind": string, "metadata": object<"name": string, "labels":
      object[string: string]>, "spec": number>)");
  TypeRef b = Parse(R"(object<"kind": string, "metadata": object<"name": string, "labels":
      object[string: string]>, "spec": string>)");
  auto [left, right] = DifferenceText(a, b);
  EXPECT_EQ(left, "object<spec: number, ...>");
  EXPECT_EQ(right, "object<spec: string, ...>");
  EXPECT_EQ(ShortText(a), "object<...>");
  EXPECT_EQ(ShortText(Parse("array[string]")), "array[string]");
}

TEST_F(TypesTest, GoesThroughJson) {
  for (std::string_view text :
       {"null", "any", "array<number, string>[boolean]", "set[any<number, string>]",
        "object<a: number>[string: any]", "(x: string, array[any]) -> y: boolean",
        "(string, any...) -> void", "() -> number", "set"}) {
    TypeRef type = Parse(text);
    Value json = TypeToJson(type, arena_, true);
    Result<TypeRef> back = TypeFromJson(json, types_);
    ASSERT_TRUE(back.has_value()) << text;
    EXPECT_EQ(Compare(type, *back), 0) << text;
    EXPECT_EQ(ToText(*back), ToText(type));
  }
  TypeRef count = Parse("(string | array[any]) -> number");
  EXPECT_EQ(ToJson(TypeToJson(count, arena_)),
            R"({"args":[{"of":[{"type":"string"},{"dynamic":{"type":"any"},"type":"array"}],)"
            R"("type":"any"}],"result":{"type":"number"},"type":"function"})");
  for (std::string_view json :
       {R"({"type":"strin"})", R"({})", R"([])", R"({"type":"array","dynamic":{"type":"x"}})"}) {
    Result<Value> value = ParseJson(json, arena_);
    ASSERT_TRUE(value.has_value());
    EXPECT_FALSE(TypeFromJson(*value, types_).has_value()) << json;
  }
}

TEST_F(TypesTest, BearsTypesThatContainThemselves) {
  Type* tree = types_.Recursive("#/$defs/tree");
  const Property properties[] = {{.key = Value::String("name"), .value = kStringType},
                                 {.key = Value::String("below"), .value = tree}};
  tree->value = types_.Object(properties);
  EXPECT_EQ(ToText(tree->value), "object<below: recursive(#/$defs/tree), name: string>");
  EXPECT_EQ(Compare(tree, tree->value), 0);
  EXPECT_TRUE(Unifies(tree, tree->value));
  EXPECT_EQ(
      ToText(types_.Select(types_.Select(tree, Value::String("below")), Value::String("name"))),
      "string");
  EXPECT_FALSE(Unifies(tree, kStringType));
  Type* nothing = types_.Recursive("loop");
  nothing->value = nothing;
  EXPECT_EQ(Unfold(nothing), kAnyType);
}

}  // namespace
}  // namespace bulwark::rego
