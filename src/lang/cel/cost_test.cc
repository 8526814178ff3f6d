#include "lang/cel/cost.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "lang/cel/env.h"
#include "lang/cel/macros.h"

namespace bulwark::cel {
namespace {

// Sizes as a schema would give them.
class Sizes final : public SizeHints {
 public:
  std::optional<Range> SizeOf(std::span<const std::string> path, Type) const override {
    std::string joined;
    for (const std::string& name : path) joined += "/" + name;
    auto at = kSizes.find(joined);
    return at != kSizes.end() ? std::optional(at->second) : std::nullopt;
  }

 private:
  const std::map<std::string, Range> kSizes = {
      {"/s", {0, 50}},         {"/ls", {0, 10}},
      {"/ls/@items", {0, 20}}, {"/m", {1, 7}},
      {"/m/@keys", {0, 5}},    {"/m/@values", {2, 9}},
      {"/d/x", {3, 30}},       {"/ml", {0, 4}},
      {"/ml/@values", {0, 6}}, {"/ml/@values/@items", {1, 11}}};
};

// list.weigh(item): asks for everything an estimator may ask.
std::optional<CallEstimate> Weigh(CostContext& context, const Expr* target,
                                  std::span<const Expr* const> args) {
  if (args.size() != 1) return std::nullopt;
  const Range items = context.SizeOf(target) * context.ElementSizeOf(target);
  return CallEstimate{items + context.SizeOf(args[0]), Range{2, 3}};
}

const Library& TestLibrary() {
  static const Library library = [] {
    Arena& types = Type::Static();
    const Type v = Type::Param(types, "V");
    Library made;
    made.name = "test";
    made.functions = {{"weigh",
                       {{.id = "list_weigh",
                         .member = true,
                         .params = {Type::List(types, v), v},
                         .result = Type::String(),
                         .estimated_cost = Weigh}}}};
    return made;
  }();
  return library;
}

std::shared_ptr<Ast> Checked(std::string_view source) {
  Arena& types = Type::Static();
  const Type string = Type::String();
  EnvOptions options;
  options.variables = {{"i", Type::Int()},
                       {"s", string},
                       {"b", Type::Bytes()},
                       {"t", Type::Bool()},
                       {"d", Type::Dyn()},
                       {"ls", Type::List(types, string)},
                       {"m", Type::Map(types, string, string)},
                       {"ml", Type::Map(types, string, Type::List(types, string))}};
  options.libraries = {&TwoVarComprehensions(), &TestLibrary()};
  Result<std::shared_ptr<const Env>> env = Env::Create(std::move(options));
  Result<std::shared_ptr<Ast>> parsed = (*env)->Parse(source);
  EXPECT_TRUE(parsed.has_value()) << source;
  Result<std::shared_ptr<Ast>> checked = (*env)->Check(*parsed);
  EXPECT_TRUE(checked.has_value()) << (checked ? "" : checked.error().message());
  return *checked;
}

struct Case {
  std::string_view source;
  uint64_t min, max;
};

class Costs : public testing::TestWithParam<Case> {};

// The numbers are those of cel-go v0.26.0 with the same hints.
TEST_P(Costs, Estimate) {
  const Sizes sizes;
  const Range cost = EstimateCost(*Checked(GetParam().source), &sizes);
  EXPECT_EQ(cost.min, GetParam().min) << GetParam().source;
  EXPECT_EQ(cost.max, GetParam().max) << GetParam().source;
}

INSTANTIATE_TEST_SUITE_P(
    CelGo, Costs,
    testing::Values(
        Case{"1 + 2", 1, 1}, Case{"i", 1, 1}, Case{"d.x", 1, 1}, Case{"m.a", 2, 2},
        Case{"m['a']", 2, 2}, Case{"has(m.a)", 2, 2}, Case{"has(d.x)", 2, 2},
        Case{"dyn(s) == 'abc'", 3, 3}, Case{"[1, 2, i]", 11, 11}, Case{"{'a': s, s: 'b'}", 32, 32},
        Case{"s == 'abc'", 2, 2}, Case{"s == s", 3, 7}, Case{"s != d.x", 3, 5},
        Case{"s < 'abc'", 2, 2}, Case{"b == b", 3, 1844674407370955266u},
        Case{"s + 'abc' == s", 4, 13}, Case{"s + s + s == s", 5, 34}, Case{"ls + ls == ls", 5, 5},
        Case{"s.contains('abc')", 1, 6}, Case{"s.startsWith(s)", 2, 7},
        Case{"s.endsWith('abc')", 2, 2}, Case{"s.matches('^[a-z]+$')", 3, 13},
        Case{"matches(s, '^[a-z]+$')", 2, 2}, Case{"s.matches(s)", 2, 80},
        Case{"'abc' in ls", 1, 11}, Case{"'abc' in m", 2, 2}, Case{"size(s)", 2, 2},
        Case{"string(b)", 1, 1844674407370955265u}, Case{"bytes(s)", 1, 6},
        Case{"bytes(s) == b'abc'", 2, 7}, Case{"t && s == 'abc'", 1, 3},
        Case{"s == 'abc' || t || s == s", 2, 10}, Case{"t ? s : 'a'", 1, 2},
        Case{"(t ? s : 'abc') == s", 3, 8}, Case{"(t ? ls : ['a', 'bc'])[0] == s", 5, 18},
        Case{"ls[0] == s", 4, 5}, Case{"ml['a'][0] == s", 5, 6}, Case{"ls.all(x, x == 'a')", 2, 52},
        Case{"ls.exists(x, x.startsWith('a'))", 2, 62}, Case{"ls.exists_one(x, x == s)", 3, 63},
        Case{"ls.map(x, x + 'a')", 12, 172}, Case{"ls.map(x, x != 'a', x + 'a')[0] == s", 15, 197},
        Case{"ls.filter(x, x.contains('a'))", 12, 172},
        Case{"ls.filter(x, x.contains('a')).all(y, y == s)", 13, 243},
        Case{"m.all(k, m[k] == k)", 5, 58}, Case{"ml.all(k, ml[k].exists(v, v == k))", 2, 222},
        Case{"ls.transformList(k, v, v)[0] == s", 15, 146},
        Case{"m.transformMap(k, v, v + k)['a'] == s", 41, 88},
        Case{"ml.all(k, v, v.all(x, x == k))", 2, 190}, Case{"[s, 'abc'].all(x, x == s)", 18, 32},
        Case{"[[s], ls].all(x, x.exists(y, y == 'a'))", 29, 153},
        Case{"d.all(x, x == 'a')", 2, 18446744073709551615u}, Case{"d.x.y == 'abc'", 2, 2},
        Case{"timestamp('2020-01-01T00:00:00Z').getHours() == 1", 3, 3}));

TEST(Cost, WithoutHints) {
  EXPECT_EQ(EstimateCost(*Checked("s == s")).max, 1844674407370955266u);
  EXPECT_EQ(EstimateCost(*Checked("ls.all(x, x == 'a')")).max, kMaxCost);
  EXPECT_EQ(EstimateCost(*Checked("'abc' == 'abcdefghijklmnop'")).max, 1u);
}

TEST(Cost, PresenceTestsMayBeFree) {
  EXPECT_EQ(EstimateCost(*Checked("has(m.a)")).max, 2u);
  EXPECT_EQ(EstimateCost(*Checked("has(m.a)"), nullptr, {.presence_test_has_cost = false}).max, 1u);
}

TEST(Cost, EstimatorsOfLibraries) {
  const Sizes sizes;
  // ls 1, 'abc' 0, weigh 10 * 20 + 3.
  EXPECT_EQ(EstimateCost(*Checked("ls.weigh('abc')"), &sizes).max, 204u);
  // ml 1, index 1, 'a' 0, weigh 6 * 11 + 1: the path leads through the map.
  EXPECT_EQ(EstimateCost(*Checked("ml['a'].weigh('z')"), &sizes).max, 69u);
  // The size of its result makes the comparison cost 1.
  EXPECT_EQ(EstimateCost(*Checked("ls.weigh('abc') == s"), &sizes).max, 206u);
  EXPECT_EQ(EstimateCost(*Checked("ls.weigh('abc')")).max, kMaxCost);
}

TEST(Range, Arithmetic) {
  EXPECT_EQ(SaturatingAdd(kMaxCost - 1, 1), kMaxCost);
  EXPECT_EQ(SaturatingAdd(kMaxCost, 1), kMaxCost);
  EXPECT_EQ(SaturatingMultiply(uint64_t{1} << 63, 2), kMaxCost);
  EXPECT_EQ(SaturatingMultiply(0, kMaxCost), 0u);
  EXPECT_EQ(MultiplyByFactor({1, 11}, 0.1).min, 1u);
  EXPECT_EQ(MultiplyByFactor({1, 11}, 0.1).max, 2u);
  EXPECT_EQ(MultiplyByFactor({0, kMaxCost}, 2).max, kMaxCost);
  EXPECT_EQ(Union({3, 4}, {1, 2}).min, 1u);
  EXPECT_EQ(Union({3, 4}, {1, 2}).max, 4u);
}

}  // namespace
}  // namespace bulwark::cel
