#include "kube/cel/schema_values.h"

#include "kube/cel/testing.h"
#include "lang/cel/values.h"

namespace bulwark::kube {
namespace {

using cel::CelEqual;

class SchemaValues : public testing::Test {
 protected:
  Value See(std::string_view json, std::string_view schema) {
    schemas_.push_back(StructuralSchema::Parse(Json(arena_, schema)).value());
    return ToCelValue(arena_, Json(arena_, json), *schemas_.back());
  }
  static std::string ErrorOf(const Value& v) {
    return cel::IsError(v) ? std::string(cel::ErrorMessage(v)) : "no error";
  }
  static Value Concat(Arena& arena, const Value& a, const Value& b) {
    EXPECT_TRUE(cel::HasTag(a, cel::kListTag));
    return static_cast<const cel::ListValue*>(a.AsOpaque())->Concat(arena, b);
  }
  static std::string Items(const Value& list) {
    return ToJson(Value::Array(cel::ListItems(list).value()));
  }

  Arena arena_;
  std::vector<StructuralSchema::Ref> schemas_;
};

TEST_F(SchemaValues, WhatFitsIsNotCopied) {
  constexpr std::string_view kSchema = R"({'type': 'object', 'properties': {
    'a': {'type': 'array', 'items': {'type': 'string'}}, 'n': {'type': 'number'},
    'm': {'type': 'object', 'additionalProperties': {'type': 'integer'}}}})";
  StructuralSchema::Ref schema = StructuralSchema::Parse(Json(arena_, kSchema)).value();
  Value object = Json(arena_, "{'a': ['x'], 'm': {'k-1': 1}, 'n': 1.5}");
  Value seen = ToCelValue(arena_, object, *schema);
  EXPECT_EQ(seen.entries().data(), object.entries().data());
  // One change copies what it is in, and nothing beside.
  object = Json(arena_, "{'a': ['x'], 'm': {'k-1': 1}, 'n': 1}");
  seen = ToCelValue(arena_, object, *schema);
  EXPECT_NE(seen.entries().data(), object.entries().data());
  EXPECT_EQ(seen["a"].items().data(), object["a"].items().data());
  EXPECT_TRUE(seen["n"].IsDouble());
}

TEST_F(SchemaValues, Names) {
  Value seen = See("{'a.b': 1, 'in': 2, 'x y': 3, 'unknown': 4, 'null': null}",
                   R"({'type': 'object', 'properties': {'a.b': {'type': 'integer'},
                       'in': {'type': 'integer'}, 'x y': {'type': 'integer'},
                       'null': {'type': 'integer'}}})");
  EXPECT_EQ(seen["a__dot__b"].ToInt(), 1);
  EXPECT_EQ(seen["__in__"].ToInt(), 2);
  EXPECT_EQ(seen.Find("a.b"), nullptr);
  EXPECT_EQ(seen.Find("unknown"), nullptr);
  EXPECT_EQ(seen.Find("null"), nullptr);
  EXPECT_EQ(seen.Find("__null__"), nullptr);
  EXPECT_EQ(seen.size(), 5U);  // what is not seen counts
}

TEST_F(SchemaValues, UnknownFieldsTakePartInEquality) {
  constexpr std::string_view kSchema =
      "{'type': 'object', 'x-kubernetes-preserve-unknown-fields': true}";
  EXPECT_TRUE(CelEqual(See("{'a': {'b': 1}}", kSchema), See("{'a': {'b': 1}}", kSchema)));
  EXPECT_FALSE(CelEqual(See("{'a': {'b': 1}}", kSchema), See("{'a': {'b': 2}}", kSchema)));
}

TEST_F(SchemaValues, Formats) {
  auto of = [&](std::string_view format, std::string_view text) {
    return See("'" + std::string(text) + "'",
               "{'type': 'string', 'format': '" + std::string(format) + "'}");
  };
  EXPECT_EQ(of("date", "2020-02-29"), Value::Timestamp(1582934400, 0));
  EXPECT_EQ(of("date-time", "2020-02-29T00:00:00+01:00"), Value::Timestamp(1582930800, 0));
  EXPECT_EQ(of("date-time", "2020-02-29T00:00:00"), Value::Timestamp(1582934400, 0));
  EXPECT_EQ(of("date-time", ""), Value::Timestamp(0, 0));
  EXPECT_EQ(of("duration", "1h1.5s"), Value::Duration(3601, 500'000'000));
  EXPECT_EQ(of("duration", "3 days, 2 hours"), Value::Duration(3 * 86400 + 7200, 0));
  EXPECT_EQ(of("duration", "1 Minute"), Value::Duration(60, 0));
  EXPECT_EQ(of("byte", "YWI_"), Value::Bytes("ab?"));
  EXPECT_EQ(of("uri", "x"), Value::String("x"));
  EXPECT_EQ(ErrorOf(of("date", "2020-02-30")), "Invalid date formatted string 2020-02-30");
  EXPECT_EQ(ErrorOf(of("date", "2020-2-3")), "Invalid date formatted string 2020-2-3");
  EXPECT_EQ(ErrorOf(of("date-time", "x")), "Invalid date-time formatted string x");
  EXPECT_EQ(ErrorOf(of("duration", "5 fortnights")), "Invalid duration 5 fortnights");
  EXPECT_EQ(ErrorOf(of("duration", "99999999999999999999 days")),
            "Invalid duration 99999999999999999999 days");
  EXPECT_EQ(ErrorOf(of("byte", "YWI/")), "Invalid byte formatted string YWI/");
}

TEST_F(SchemaValues, WrongTypesAreErrors) {
  EXPECT_EQ(ErrorOf(See("'x'", "{'type': 'integer'}")), "invalid data, expected int, got string");
  EXPECT_EQ(ErrorOf(See("1.5", "{'type': 'integer'}")), "invalid data, expected int, got float64");
  EXPECT_EQ(ErrorOf(See("true", "{'type': 'number'}")), "invalid data, expected float, got bool");
  EXPECT_EQ(ErrorOf(See("[]", "{'type': 'boolean'}")),
            "invalid data, expected bool, got []interface {}");
  EXPECT_EQ(ErrorOf(See("1", "{'type': 'string'}")), "invalid data, expected string, got int64");
  EXPECT_EQ(ErrorOf(See("null", "{'type': 'string'}")),
            "invalid data, got null for schema with nullable=false");
  EXPECT_TRUE(See("null", "{'type': 'string', 'nullable': true}").IsNull());
  constexpr std::string_view kEither = "{'x-kubernetes-int-or-string': true}";
  EXPECT_EQ(See("5", kEither), Value::Int(5));
  EXPECT_EQ(See("'5%'", kEither), Value::String("5%"));
  EXPECT_EQ(ErrorOf(See("5.5", kEither)),
            "invalid data, expected XIntOrString value to be either a string or integer");
  // Only there where they are.
  Value list = See("[1, 'x']", "{'type': 'array', 'items': {'type': 'integer'}}");
  EXPECT_EQ(list[0], Value::Int(1));
  EXPECT_TRUE(cel::IsError(list[1]));
}

TEST_F(SchemaValues, Sets) {
  constexpr std::string_view kSet =
      "{'type': 'array', 'x-kubernetes-list-type': 'set', 'items': {'type': 'integer'}}";
  Value set = See("[1, 2, 3]", kSet);
  EXPECT_TRUE(CelEqual(set, See("[3, 1, 2]", kSet)));
  EXPECT_TRUE(CelEqual(set, Json(arena_, "[3, 2, 1]")));
  EXPECT_FALSE(CelEqual(Json(arena_, "[3, 2, 1]"), set));  // a plain list has an order
  EXPECT_TRUE(CelEqual(Json(arena_, "[1, 2, 3]"), set));
  EXPECT_FALSE(CelEqual(set, See("[1, 2]", kSet)));
  EXPECT_FALSE(CelEqual(set, See("[1, 2, 4]", kSet)));
  EXPECT_FALSE(CelEqual(set, Value::Int(1)));
  EXPECT_EQ(Items(Concat(arena_, set, Json(arena_, "[4, 2, 4, 0]"))), "[1,2,3,4,0]");
  // What two sets make is a set.
  EXPECT_TRUE(CelEqual(Concat(arena_, set, See("[5]", kSet)), Json(arena_, "[5, 3, 2, 1]")));
  EXPECT_TRUE(cel::IsError(Concat(arena_, set, Value::Int(1))));
}

TEST_F(SchemaValues, SetsOfTimes) {
  constexpr std::string_view kSet = R"({'type': 'array', 'x-kubernetes-list-type': 'set',
                                        'items': {'type': 'string', 'format': 'date'}})";
  EXPECT_TRUE(CelEqual(See("['2020-01-01', '2021-01-01']", kSet),
                       See("['2021-01-01', '2020-01-01']", kSet)));
}

TEST_F(SchemaValues, MapLists) {
  constexpr std::string_view kList = R"({'type': 'array', 'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['k', 'k-2'], 'items': {'type': 'object', 'properties': {
      'k': {'type': 'string'}, 'k-2': {'type': 'integer'}, 'v': {'type': 'string'}}}})";
  constexpr std::string_view kA = "{'k': 'a', 'k-2': 1, 'v': 'x'}";
  constexpr std::string_view kB = "{'k': 'a', 'k-2': 2, 'v': 'y'}";
  constexpr std::string_view kC = "{'k': 'c', 'v': 'z'}";  // without one of the keys
  auto list = [&](std::initializer_list<std::string_view> items) {
    std::string json;
    for (std::string_view item : items) json += (json.empty() ? "" : ",") + std::string(item);
    return See("[" + json + "]", kList);
  };
  Value all = list({kA, kB, kC});
  EXPECT_TRUE(CelEqual(all, list({kC, kA, kB})));
  EXPECT_FALSE(CelEqual(all, list({kC, kA})));
  EXPECT_FALSE(CelEqual(all, list({kC, kA, "{'k': 'a', 'k-2': 2, 'v': 'other'}"})));
  EXPECT_FALSE(CelEqual(all, list({kC, kA, "{'k': 'a', 'k-2': 3, 'v': 'y'}"})));
  Value merged =
      Concat(arena_, all, list({"{'k': 'new', 'k-2': 1}", "{'k': 'a', 'k-2': 1, 'v': 'over'}"}));
  EXPECT_EQ(Items(merged),
            R"([{"k":"a","k__dash__2":1,"v":"over"},{"k":"a","k__dash__2":2,"v":"y"},)"
            R"({"k":"c","v":"z"},{"k":"new","k__dash__2":1}])");
  EXPECT_TRUE(CelEqual(merged, Value::Array(cel::ListItems(merged).value())));
}

TEST_F(SchemaValues, KeyedItems) {
  Value items = Json(arena_, "[{'k': 1, 'l': 'a'}, {'k': 1, 'l': 'b'}, {'k': 1, 'l': 'a'}, 5]");
  const std::vector<std::string> keys = {"k", "l"};
  KeyedItems keyed(items.items(), keys);
  EXPECT_EQ(keyed.Find(Json(arena_, "{'l': 'a', 'k': 1, 'z': 0}")), 0U);
  EXPECT_EQ(keyed.Find(Json(arena_, "{'l': 'b', 'k': 1}")), 1U);
  EXPECT_EQ(keyed.Find(Json(arena_, "{'l': 'c', 'k': 1}")), std::nullopt);
  EXPECT_EQ(keyed.Find(Json(arena_, "{'k': 1}")), std::nullopt);
  EXPECT_EQ(keyed.Find(Json(arena_, "{'k': [], 'l': 'a'}")), std::nullopt);
  EXPECT_EQ(keyed.Find(Value::Int(5)), std::nullopt);
}

}  // namespace
}  // namespace bulwark::kube
