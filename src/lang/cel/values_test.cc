#include "lang/cel/values.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace bulwark::cel {
namespace {

Value ListOf(Arena& arena, std::initializer_list<Value> items) {
  return Value::Array(arena, std::span<const Value>(items.begin(), items.size()));
}

// A list that is equal to another whatever the order, as a Kubernetes set is.
class SetList final : public ListValue {
 public:
  using ListValue::ListValue;
  bool EqualTo(const Value& other) const override {
    auto theirs = ListItems(other);
    if (!theirs || theirs->size() != items().size()) return false;
    for (const Value& item : items()) {
      bool found = false;
      for (const Value& each : *theirs) found |= CelEqual(item, each);
      if (!found) return false;
    }
    return true;
  }
  Value Concat(Arena&, const Value& other) const override { return other; }
};

TEST(CelValues, ErrorsAndUnknownsAreToldApart) {
  Arena arena;
  Value error = MakeError(arena, "no such key: x", 7);
  EXPECT_TRUE(IsError(error));
  EXPECT_FALSE(IsUnknown(error));
  EXPECT_TRUE(IsErrorOrUnknown(error));
  EXPECT_EQ(ErrorMessage(error), "no such key: x");
  EXPECT_EQ(static_cast<const ErrorValue*>(error.AsOpaque())->expr_id(), 7);
  int64_t id = 3;
  Value unknown = MakeUnknown(arena, std::span<const int64_t>(&id, 1));
  EXPECT_TRUE(IsUnknown(unknown));
  EXPECT_FALSE(IsError(unknown));
  EXPECT_FALSE(IsErrorOrUnknown(Value::Int(1)));
  EXPECT_FALSE(IsErrorOrUnknown(NoneOptional()));
}

TEST(CelValues, UnknownsMerge) {
  Arena arena;
  auto unknown = [&](std::vector<int64_t> ids) { return MakeUnknown(arena, ids); };
  auto ids = [](const Value& v) {
    auto span = static_cast<const UnknownValue*>(v.AsOpaque())->expr_ids();
    return std::vector<int64_t>(span.begin(), span.end());
  };
  EXPECT_EQ(ids(MergeUnknowns(arena, unknown({1}), unknown({3}))), (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(ids(MergeUnknowns(arena, unknown({3}), unknown({1}))), (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(ids(MergeUnknowns(arena, unknown({1, 3}), unknown({3, 5}))),
            (std::vector<int64_t>{1, 3, 5}));
  EXPECT_EQ(ids(MergeUnknowns(arena, unknown({2}), Value::Int(1))), (std::vector<int64_t>{2}));
  EXPECT_EQ(ids(MergeUnknowns(arena, Value::Int(1), unknown({2}))), (std::vector<int64_t>{2}));
}

TEST(CelValues, TypeNames) {
  Arena arena;
  EXPECT_EQ(TypeNameOf(Value()), "null_type");
  EXPECT_EQ(TypeNameOf(Value::Decimal("1e400")), "double");
  EXPECT_EQ(TypeNameOf(Value::Timestamp(0, 0)), "google.protobuf.Timestamp");
  EXPECT_EQ(TypeNameOf(Value::EmptyArray()), "list");
  EXPECT_EQ(TypeNameOf(Value::EmptyMap()), "map");
  EXPECT_EQ(TypeNameOf(NoneOptional()), "optional_type");
  EXPECT_EQ(TypeNameOf(MakeType(arena, "int")), "type");
  EXPECT_TRUE(CelEqual(MakeType(arena, "int"), MakeType(arena, "int")));
  EXPECT_FALSE(CelEqual(MakeType(arena, "int"), MakeType(arena, "uint")));
}

TEST(CelValues, Equality) {
  Arena arena;
  struct Case {
    Value a, b;
    bool equal;
  };
  const Value nan = Value::Double(std::nan(""));
  const Value set_items[] = {Value::Int(1), Value::Int(2)};
  const SetList set(set_items);
  const Case cases[] = {
      {Value::Int(1), Value::Double(1.0), true},
      {Value::Int(1), Value::Uint(1), true},
      {Value::Uint(UINT64_MAX), Value::Int(-1), false},
      {Value::Int(1), Value::String("1"), false},
      {Value::Int(0), Value::Bool(false), false},
      {Value(), Value(), true},
      {Value(), Value::Int(0), false},
      {nan, nan, false},
      {ListOf(arena, {nan}), ListOf(arena, {nan}), false},
      {ListOf(arena, {Value::Int(1)}), ListOf(arena, {Value::Double(1)}), true},
      {ListOf(arena, {Value::Int(1)}), ListOf(arena, {Value::Int(1), Value::Int(1)}), false},
      {MakeOptional(arena, Value::Int(1)), MakeOptional(arena, Value::Double(1)), true},
      {MakeOptional(arena, Value::Int(1)), NoneOptional(), false},
      {NoneOptional(), NoneOptional(), true},
      {MakeOptional(arena, Value::Int(1)), Value::Int(1), false},
      {Value::FromOpaque(&set), ListOf(arena, {Value::Int(1), Value::Int(2)}), true},
      {Value::FromOpaque(&set), Value::FromOpaque(&set), true},
      {Value::FromOpaque(&set), ListOf(arena, {Value::Int(2), Value::Int(3)}), false},
      {Value::FromOpaque(&set), Value::Int(1), false},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    EXPECT_EQ(CelEqual(cases[i].a, cases[i].b), cases[i].equal) << i;
    EXPECT_EQ(CelEqual(cases[i].b, cases[i].a), cases[i].equal) << i << " reversed";
  }
}

// An object list on the left is asked, at any depth; a plain list compares item by item.
TEST(CelValues, EqualityWithObjectLists) {
  Arena arena;
  const Value set_items[] = {Value::Int(1), Value::Int(2)};
  const SetList object(set_items);
  const Value set = Value::FromOpaque(&object);
  const Value other_order = ListOf(arena, {Value::Int(2), Value::Int(1)});
  EXPECT_TRUE(CelEqual(set, other_order));
  EXPECT_FALSE(CelEqual(other_order, set));
  EXPECT_TRUE(CelEqual(ListOf(arena, {set}), ListOf(arena, {other_order})));
  EXPECT_FALSE(CelEqual(ListOf(arena, {other_order}), ListOf(arena, {set})));
}

TEST(CelValues, DeepValuesAreNotFollowedToTheEnd) {
  Arena arena;
  Value a, b;
  for (int i = 0; i < 100'000; ++i) {
    a = ListOf(arena, {a});
    b = ListOf(arena, {b});
  }
  EXPECT_EQ(CelEqualBounded(a, b), std::nullopt);
  EXPECT_FALSE(CelEqual(a, b));
}

}  // namespace
}  // namespace bulwark::cel
