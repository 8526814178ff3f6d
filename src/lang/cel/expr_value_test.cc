#include "lang/cel/expr_value.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lang/cel/values.h"

namespace bulwark::cel {
namespace {

TEST(ExprValue, RoundTripsEachKind) {
  Arena arena;
  Value list = Value::Array(arena, {{Value::Int(1), Value::Null()}});
  const Value values[] = {
      Value::Null(),
      Value::Bool(true),
      Value::Int(INT64_MIN),
      Value::Uint(UINT64_MAX),
      Value::Double(-0.5),
      Value::Double(HUGE_VAL),
      Value::String("容器"),
      Value::Bytes(std::string_view("\0\xff", 2)),
      list,
      MapBuilder(arena).Add(Value::Bool(true), list).Finish(),
      Value::Timestamp(1700000000, 500),
      Value::Duration(-1, -500000000),
      Value::Duration(3, 1),
      MakeType(arena, "int"),
  };
  for (const Value& v : values) {
    auto json = ToExprValue(v, arena);
    ASSERT_TRUE(json.has_value());
    auto back = FromExprValue(*json, arena);
    ASSERT_TRUE(back.has_value()) << back.error().ToString();
    EXPECT_EQ(*back, v);
    EXPECT_EQ(back->kind(), v.kind());
  }
  auto nan = ToExprValue(Value::Double(std::numeric_limits<double>::quiet_NaN()), arena);
  EXPECT_EQ((*nan)["double_value"], Value::String("NaN"));
}

TEST(ExprValue, RefusesWhatIsNone) {
  Arena arena;
  auto one = [&](std::string_view key, Value v) { return MapBuilder(arena).Add(key, v).Finish(); };
  for (const Value& bad : {Value::Int(3), Value::EmptyMap(), one("int64_value", Value::String("x")),
                           one("int64_value", Value::String("9223372036854775808")),
                           one("uint64_value", Value::Int(-1)), one("bool_value", Value::Null()),
                           one("bytes_value", Value::String("%")), one("what", Value::Null())}) {
    EXPECT_FALSE(FromExprValue(bad, arena).has_value());
  }
  EXPECT_EQ(FromExprValue(one("int64Value", Value::String("7")), arena)->AsInt(), 7);
}

}  // namespace
}  // namespace bulwark::cel
