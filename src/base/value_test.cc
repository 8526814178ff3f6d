#include "base/value.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace bulwark {
namespace {

TEST(Value, NumbersCompareAndHashByValueButKeepTheirKind) {
  const Value same[] = {Value::Int(1), Value::Uint(1), Value::Double(1), Value::Decimal("1.0")};
  for (const Value& a : same) {
    for (const Value& b : same) {
      EXPECT_EQ(a, b);
      EXPECT_EQ(Value::Compare(a, b), 0);
      EXPECT_EQ(a.Hash(), b.Hash());
    }
  }
  EXPECT_TRUE(same[1].IsUint());
}

TEST(Value, OrdersNumbersExactlyWhereDoublesRound) {
  Value big = Value::Int(9007199254740993);  // 2^53 + 1: no double
  EXPECT_GT(Value::Compare(big, Value::Double(9007199254740992.0)), 0);
  EXPECT_NE(big, Value::Double(9007199254740992.0));
  EXPECT_LT(Value::Compare(Value::Uint(UINT64_MAX), Value::Double(18446744073709551616.0)), 0);
  EXPECT_LT(Value::Compare(Value::Uint(UINT64_MAX), Value::Decimal("18446744073709551616")), 0);
  EXPECT_LT(Value::Compare(Value::Decimal("-1e400"), Value::Int(INT64_MIN)), 0);
  EXPECT_LT(Value::Compare(Value::Int(-1), Value::Uint(0)), 0);
}

TEST(Value, NanEqualsNothingButHasAPlaceInTheOrder) {
  Value nan = Value::Double(std::nan(""));
  EXPECT_FALSE(nan == nan);
  EXPECT_EQ(Value::Compare(nan, nan), 0);
  EXPECT_LT(Value::Compare(nan, Value::Double(-std::numeric_limits<double>::infinity())), 0);
}

TEST(Value, FindsInSmallAndLargeMaps) {
  for (int count : {0, 1, 8, 9, 100, 5000}) {
    Arena arena;
    MapBuilder builder(arena);
    for (int i = 0; i < count; ++i) {
      builder.Add(Value::String(arena, "key" + std::to_string(i)), Value::Int(i));
    }
    Value map = builder.Finish();
    ASSERT_EQ(map.size(), static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      const Value* found = map.Find("key" + std::to_string(i));
      ASSERT_NE(found, nullptr) << i;
      EXPECT_EQ(found->AsInt(), i);
    }
    EXPECT_EQ(map.Find("other"), nullptr);
    EXPECT_EQ(map.CopyTo(arena), map);
  }
}

TEST(Value, LastOfEqualKeysWins) {
  for (int filler : {0, 50}) {
    Arena arena;
    MapBuilder builder(arena);
    builder.Add(Value::Int(1), Value::Bool(false));
    for (int i = 0; i < filler; ++i) builder.Add(Value::Int(100 + i), Value::Null());
    EXPECT_TRUE(builder.Has(Value::Double(1)));
    builder.Add(Value::Uint(1), Value::Bool(true));
    Value map = builder.Finish();
    EXPECT_EQ(map.size(), static_cast<size_t>(filler + 1));
    EXPECT_TRUE(map.Find(Value::Int(1))->AsBool());
  }
}

TEST(Value, MapsAreEqualWhateverTheirOrder) {
  Arena arena;
  Value a = MapBuilder(arena).Add("x", Value::Int(1)).Add("y", Value::Int(2)).Finish();
  Value b = MapBuilder(arena).Add("y", Value::Int(2)).Add("x", Value::Int(1)).Finish();
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.Hash(), b.Hash());
  EXPECT_EQ(Value::Compare(a, b), 0);
}

TEST(Value, SetsAreSortedWithoutRepeats) {
  Arena arena;
  const Value items[] = {Value::String("b"), Value::Int(2), Value::Double(2), Value::String("a")};
  Value set = Value::Set(arena, items);
  ASSERT_EQ(set.size(), 3U);
  EXPECT_TRUE(set.Contains(Value::Uint(2)));
  EXPECT_FALSE(set.Contains(Value::String("c")));
  EXPECT_EQ(set.items()[1].AsString(), "a");
}

TEST(Value, WhatIsNotThereIsNull) {
  EXPECT_TRUE(Value::Int(1)["a"]["b"].IsNull());
  EXPECT_TRUE(Value::EmptyArray()[3].IsNull());
  EXPECT_EQ(Value::Int(7).size(), 0U);
  EXPECT_EQ(Value::Duration(3, 5).size(), 0U);
}

TEST(Value, WholeNumbersOnly) {
  EXPECT_EQ(Value::Double(3).ToInt(), 3);
  EXPECT_EQ(Value::Double(3.5).ToInt(), std::nullopt);
  EXPECT_EQ(Value::Uint(UINT64_MAX).ToInt(), std::nullopt);
  EXPECT_EQ(Value::Decimal("12e1").ToInt(), 120);
  EXPECT_EQ(Value::Decimal("1152921504606847000.0").ToInt(), 1152921504606847000);
  EXPECT_EQ(Value::Decimal("-9223372036854775808.0").ToInt(), INT64_MIN);
  EXPECT_EQ(Value::Decimal("1.5").ToInt(), std::nullopt);
  EXPECT_EQ(Value::Decimal("0.00").ToInt(), 0);
  EXPECT_EQ(Value::Decimal("9223372036854775808").ToInt(), std::nullopt);
}

}  // namespace
}  // namespace bulwark
