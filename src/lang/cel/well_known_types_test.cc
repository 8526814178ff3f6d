#include "lang/cel/well_known_types.h"

#include <gtest/gtest.h>

#include <cmath>

#include "lang/cel/env.h"

namespace bulwark::cel {
namespace {

const Env& Environment() {
  static const std::shared_ptr<const Env> env = [] {
    EnvOptions options;
    options.container = "google.protobuf";
    options.types = WellKnownTypes();
    return Env::Create(std::move(options)).value();
  }();
  return *env;
}

// The result of an expression, or the error as text.
struct Tried {
  Value value;
  std::string error;
};
Tried Try(std::string_view expression, bool check, Arena& arena) {
  Result<std::shared_ptr<Ast>> ast = Environment().Parse(expression);
  if (ast && check) ast = Environment().Check(*ast);
  if (!ast) return {{}, ast.error().message()};
  auto* program = arena.Own<std::shared_ptr<const Program>>(*Environment().Plan(*ast));
  Value v = Evaluator().Run(**program, {}, {}, &arena).value;
  return {v, IsError(v) ? std::string(ErrorMessage(v)) : ""};
}

TEST(WellKnownTypes, AreValuesOfCel) {
  for (std::string_view expression : {
           "Int32Value{value: -5} == -5",
           "Int64Value{} == 0",
           "UInt32Value{value: 5u} == 5u",
           "UInt64Value{value: 18446744073709551615u} == 18446744073709551615u",
           "BoolValue{value: true} && !BoolValue{}",
           "StringValue{value: '容器'} == '容器'",
           "BytesValue{value: b'\\xff'} == b'\\xff'",
           "DoubleValue{value: 1.333} == 1.333",
           "FloatValue{value: 1.333} != 1.333",
           "FloatValue{value: 1e300} == double('Infinity')",
           "type(google.protobuf.Int32Value{value: 1}) == int",
           "Timestamp{seconds: 1, nanos: 500000000} == timestamp('1970-01-01T00:00:01.5Z')",
           "Duration{seconds: -90} == duration('-1m30s')",
           "Struct{fields: {'a': 1, 'b': [true, null]}} == {'a': 1.0, 'b': [true, null]}",
           "ListValue{values: [1u, 'x', b'ab']} == [1.0, 'x', 'YWI=']",
           "ListValue{values: [9007199254740993]} == ['9007199254740993']",
           "ListValue{values: [duration('1.5s'), timestamp(0)]} == ['1.5s', "
           "'1970-01-01T00:00:00Z']",
           "Value{number_value: 2.0} == 2.0",
           "Value{struct_value: {'k': Value{string_value: 'v'}}} == {'k': 'v'}",
           "Value{list_value: []} == []",
           "Value{} == null",
           "Value{null_value: NullValue.NULL_VALUE} == null",
           "Any{type_url: 'x/google.protobuf.Int64Value', value: b'\\x08\\x2a'} == 42",
           "Any{type_url: 'x/google.protobuf.Value', value: b'\\x1a\\x01a'} == 'a'",
           // An Any in an Any.
           "Any{type_url: 'x/google.protobuf.Any', value: b'\\n\\x1bx/google.protobuf.BoolValue"
           "\\x12\\x02\\x08\\x01'} == true",
       }) {
    for (bool check : {true, false}) {
      Arena arena;
      Tried tried = Try(expression, check, arena);
      EXPECT_TRUE(tried.value.IsTrue()) << expression << "\n" << tried.error;
    }
  }
}

TEST(WellKnownTypes, RefuseWhatTheyCannotHold) {
  struct Row {
    std::string_view expression, error;
  };
  for (const Row& row : {
           Row{"Int32Value{value: 2147483648}", "range error"},
           Row{"UInt32Value{value: 4294967296u}", "range error"},
           Row{"Int32Value{value: dyn('1')}", "type conversion error from 'string'"},
           Row{"Int32Value{value: dyn(null)}", "type conversion error from 'null_type'"},
           Row{"Int32Value{value: 1}.value", "no such key: value"},
           Row{"Int32Value{valu: 1}", "no such field 'valu'"},
           Row{"Struct{fields: dyn({1: 2})}", "bad key type"},
           Row{"ListValue{values: dyn(1)}", "type conversion error from 'int'"},
           Row{"Timestamp{seconds: 253402300800}", "timestamp out of range"},
           Row{"Timestamp{nanos: -1}", "timestamp out of range"},
           Row{"Duration{seconds: 1, nanos: -1}", "duration out of range"},
           Row{"Duration{seconds: 315576000001}", "duration out of range"},
           Row{"Any{}", "conversion error"},
           Row{"Any{type_url: 'x/pkg.Pod'}", "unknown type: pkg.Pod"},
           Row{"Any{type_url: 'x/google.protobuf.Int64Value', value: b'\\x08'}",
               "malformed message"},
           Row{"Any{type_url: 'x/google.protobuf.StringValue', value: b'\\n\\x01\\xff'}",
               "malformed message"},
           Row{"Value{null_value: dyn(1)}", "null_value must be null"},
       }) {
    Arena arena;
    Tried tried = Try(row.expression, false, arena);
    EXPECT_TRUE(tried.error.starts_with(row.error)) << row.expression << "\n" << tried.error;
  }
}

TEST(WellKnownTypes, RoundTripThroughTheirWireFormat) {
  Arena arena;
  const Value items[] = {Value::Null(), Value::Double(-0.5), Value::String("s"), Value::Bool(true),
                         MapBuilder(arena).Add("k", Value::EmptyArray()).Finish()};
  const Value list = Value::Array(items);
  struct Row {
    std::string_view message;
    Value value;
  };
  for (const Row& row : {
           Row{"Int32Value", Value::Int(INT32_MIN)},
           Row{"Int64Value", Value::Int(INT64_MIN)},
           Row{"UInt32Value", Value::Uint(UINT32_MAX)},
           Row{"UInt64Value", Value::Uint(UINT64_MAX)},
           Row{"FloatValue", Value::Double(0.25)},
           Row{"DoubleValue", Value::Double(-HUGE_VAL)},
           Row{"BytesValue", Value::Bytes(std::string_view("\0\xff", 2))},
           Row{"Timestamp", Value::Timestamp(-62135596800, 999'999'999)},
           Row{"Duration", Value::Duration(-3, -5)},
           Row{"ListValue", list},
           Row{"Value", list},
           Row{"Struct", MapBuilder(arena).Add("l", list).Finish()},
           Row{"Any", Value::Null()},
           Row{"Any", Value::Int(-1)},
           Row{"Any", Value::Uint(1)},
           Row{"Any", list},
           Row{"Any", Value::Duration(1, 1)},
       }) {
    const std::string name = "google.protobuf." + std::string(row.message);
    Result<std::string> bytes = EncodeWellKnown(name, row.value);
    ASSERT_TRUE(bytes.has_value()) << name << bytes.error().message();
    Value back = DecodeWellKnown(arena, name, arena.Copy(*bytes));
    EXPECT_EQ(back, row.value) << name;
    EXPECT_EQ(back.kind(), row.value.kind()) << name;
  }
}

TEST(WellKnownTypes, DepthIsLimited) {
  Arena arena;
  Value deep = Value::EmptyArray();
  for (int i = 0; i < 200; ++i) deep = Value::Array(arena, {{deep}});
  EXPECT_FALSE(EncodeWellKnown("google.protobuf.Value", deep).has_value());
  // An Any in an Any, and so on: each is longer than what it holds.
  std::string any;
  auto field = [](int number, const std::string& text) {
    std::string out(1, static_cast<char>(number << 3 | 2));
    size_t size = text.size();
    for (; size >= 0x80; size >>= 7) out += static_cast<char>(size | 0x80);
    out += static_cast<char>(size);
    return out + text;
  };
  for (int i = 0; i < 200; ++i) any = field(1, "x/google.protobuf.Any") + field(2, any);
  Value v = DecodeWellKnown(arena, "google.protobuf.Any", any);
  ASSERT_TRUE(IsError(v));
  EXPECT_EQ(ErrorMessage(v), "message is nested too deeply");
}

}  // namespace
}  // namespace bulwark::cel
