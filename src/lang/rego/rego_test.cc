#include "lang/rego/rego.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "formats/json.h"
#include "lang/rego/ast/parser.h"
#include "lang/rego/resolve/resolve.h"

namespace bulwark::rego {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::unique_ptr<Module>> Parse(const std::vector<std::string>& texts,
                                           Dialect dialect = Dialect::kV1) {
  std::vector<std::unique_ptr<Module>> out;
  for (size_t i = 0; i < texts.size(); ++i) {
    ParseOptions options;
    options.dialect = dialect;
    auto module = ParseModule("m" + std::to_string(i) + ".rego", texts[i], options);
    EXPECT_TRUE(module) << module.error().ToString();
    if (module) out.push_back(*std::move(module));
  }
  return out;
}

// The answer to a query as JSON, "undefined", or the error.
std::string Answer(const std::vector<std::string>& modules, std::string_view query,
                   std::string_view input = "", std::string_view data = "{}",
                   EvalOptions options = {}, Dialect dialect = Dialect::kV1) {
  auto policy = Policy::Compile(Parse(modules, dialect), {});
  if (!policy) return policy.error().ToString();
  auto prepared = (*policy)->Prepare(query);
  if (!prepared) return prepared.error().ToString();
  Arena arena;
  Value in;
  if (!input.empty()) {
    in = *ParseJson(input, arena);
    options.input = &in;
  }
  const Value base = *ParseJson(data, arena);
  options.data = &base;
  auto value = (*prepared)->EvaluateOne(options, arena);
  if (!value) return value.error().ToString();
  return *value ? ToJson(**value, {.sort_keys = true}) : "undefined";
}

TEST(Rego, Answers) {
  struct Case {
    const char* module;
    const char* query;
    const char* input;
    const char* want;
  };
  const Case cases[] = {
      {"package p\nx := input.a + 1", "data.p.x", R"({"a": 2})", "3"},
      {"package p\nx if input.a", "data.p.x", R"({"a": false})", "undefined"},
      {"package p\ndefault x := false\nx if input.a", "data.p.x", "{}", "false"},
      // Objects are iterated in the order of their keys, whatever the text's.
      {"package p\nx := [k | some k, _ in input]", "data.p.x", R"({"b":1,"a":2})", R"(["a","b"])"},
      {"package p\nx contains v if some v in input", "data.p.x", R"([3,1,3])", "[1,3]"},
      {"package p\nx[k].n := v if some k, v in input", "data.p.x", R"({"a":1})",
       R"({"a":{"n":1}})"},
      {"package p\nf(\"a\", y) := y\nf(\"b\", y) := y * 2\nx := [f(\"a\", 1), f(\"b\", 1)]",
       "data.p.x", "", "[1,2]"},
      {"package p\nx if not input.a\n", "data.p.x", "{}", "true"},
      // What a negated call needs is not negated: undefined stays undefined.
      {"package p\nx if not is_array(y)\ny if input.b", "data.p.x", "{}", "undefined"},
      {"package p\nx if not y\ny if input.b", "data.p.x", "{}", "true"},
      {"package p\nx if every v in input { v > 1 }", "data.p.x", "[2,3]", "true"},
      {"package p\nx if every v in input { v > 1 }", "data.p.x", "[2,1]", "undefined"},
      {"package p\nx := y if { y := input.a with input as {\"a\": 7} }", "data.p.x", "{}", "7"},
      {"package p\nf(_) := 1\nx := y if y := f(0) with f as 5", "data.p.x", "", "5"},
      {"package p\nx := {v | walk(input, [_, v]); is_number(v)}", "data.p.x",
       R"({"a":[1,{"b":2}]})", "[1,2]"},
      {"package p\nx := $\"{input.a} and {input.b}\"", "data.p.x", R"({"a":1})",
       R"("1 and <undefined>")"},
      {"package p\nx := 1 if input.a == 1 else := 2 if input.a == 2 else := 3", "data.p.x",
       R"({"a":2})", "2"},
      // An array's pattern binds what it leaves open.
      {"package p\nx := [a, b] if [a, {\"k\": b}] = input", "data.p.x", R"([1,{"k":2}])", "[1,2]"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Answer({c.module}, c.query, c.input), c.want) << c.module;
  }
}

TEST(Rego, TheOldDialect) {
  EXPECT_EQ(Answer({"package p\nx[v] { v := input[_]; v > 1 }"}, "data.p.x", "[1,2,3]", "{}", {},
                   Dialect::kV0),
            "[2,3]");
  EXPECT_EQ(Answer({"package p\nx = y { y := 1 }"}, "data.p.x", "", "{}", {}, Dialect::kV0), "1");
}

TEST(Rego, BaseDocumentsAndRulesAreOneTree) {
  const std::vector<std::string> modules = {"package a.b\nx := 1", "package a.c\ny := data.a.base"};
  EXPECT_EQ(Answer(modules, "data.a", "", R"({"a":{"base":5}})"),
            R"({"b":{"x":1},"base":5,"c":{"y":5}})");
  EXPECT_EQ(Answer(modules, R"(data.a[input].x)", R"("b")"), "1");
}

// More rules than are tried one after the other: those that an index leaves are the right ones.
TEST(Rego, RulesAreFoundByAnIndex) {
  std::string text = "package p\n";
  for (int i = 0; i < 50; ++i) {
    text += "x contains " + std::to_string(i) + " if input.kind == \"k" + std::to_string(i % 10) +
            "\"\n";
  }
  text += "x contains \"always\" if input.kind\n";
  EXPECT_EQ(Answer({text}, "data.p.x", R"({"kind":"k3"})"), R"([3,13,23,33,43,"always"])");
  EXPECT_EQ(Answer({text}, "data.p.x", R"({"kind":"other"})"), R"(["always"])");
  EXPECT_EQ(Answer({text}, "data.p.x", "{}"), "[]");
}

// A collection that is compared item by item, again and again: an index finds the same items.
TEST(Rego, JoinsByIndexAreJoins) {
  const char* module =
      "package p\n"
      "x := {k: n | some k in {\"a\", \"b\", \"c\"}; n := count([i | some i in input; i.kind == "
      "k])}\n"
      "y := {k: n | some k in {\"a\", \"b\"}; n := count([1 | i := input[_]; k == i.kind])}";
  std::string input = "[";
  for (int i = 0; i < 40; ++i)
    input += std::string(i > 0 ? "," : "") + R"({"kind":")" + (i % 4 == 0 ? "a" : "b") + "\"}";
  input += R"(,{"other":1},5])";
  EXPECT_EQ(Answer({module}, "data.p.x", input), R"({"a":10,"b":30,"c":0})");
  EXPECT_EQ(Answer({module}, "data.p.y", input), R"({"a":10,"b":30})");
}

TEST(Rego, ConflictsNameEveryRule) {
  const std::string error = Answer({"package p\nx := 1\nx := 2 if true"}, "data.p.x");
  EXPECT_THAT(error, HasSubstr("m0.rego:3: eval_conflict_error: rule data.p.x produced conflicting "
                               "values:\n  1 at m0.rego:2\n  2 at m0.rego:3"));
}

TEST(Rego, BuiltinErrorsAreUndefinedUnlessStrict) {
  const char* module = "package p\nx := to_number(\"a\")";
  EXPECT_EQ(Answer({module}, "data.p.x"), "undefined");
  EXPECT_THAT(Answer({module}, "data.p.x", "", "{}", {.strict_builtin_errors = true}),
              HasSubstr("m0.rego:2: eval_builtin_error: to_number: "));
}

TEST(Rego, LimitsEndAQuery) {
  const char* module =
      "package p\nx := count([1 | some i in numbers.range(1, 3000); some j in "
      "numbers.range(1, 3000); i == -j])";
  EvalOptions options;
  options.limits.instructions = 100'000;
  EXPECT_THAT(Answer({module}, "data.p.x", "", "{}", options), HasSubstr("eval_limit_error"));
  options.limits = {.memory_bytes = size_t{4} << 20};
  EXPECT_THAT(
      Answer({"package p\nx := numbers.range(1, 200000000)"}, "data.p.x", "", "{}", options),
      HasSubstr("eval_limit_error"));
  options.limits = {.depth = 5};
  EXPECT_THAT(
      Answer({"package p\na := b\nb := c\nc := d\nd := e\ne := f(1)\nf(x) := g(x)\ng(x) := x"},
             "data.p.a", "", "{}", options),
      HasSubstr("eval_limit_error"));
}

TEST(Rego, QueriesHaveRows) {
  auto policy = Policy::Compile(Parse({"package p\nx contains v if some v in [1, 2]"}), {});
  ASSERT_TRUE(policy);
  auto query = (*policy)->Prepare("some y; data.p.x[y]; z := y + 1");
  ASSERT_TRUE(query) << query.error().ToString();
  Arena arena;
  auto results = (*query)->Evaluate({}, arena);
  ASSERT_TRUE(results) << results.error().ToString();
  ASSERT_EQ(results->rows.size(), 2U);
  std::vector<std::string> seen;
  for (const auto& [name, value] : results->rows[1].bindings)
    seen.push_back(std::string(name) + "=" + ToJson(value));
  EXPECT_THAT(seen, ElementsAre("y=2", "z=3"));
}

TEST(Rego, ImportsAndPackageOfAQuery) {
  auto policy = Policy::Compile(Parse({"package lib.a\nx := 1", "package q\ny := 2"}), {});
  ASSERT_TRUE(policy);
  const std::string imports[] = {"data.lib.a"};
  auto query = (*policy)->Prepare("a.x + y", "data.q", imports);
  ASSERT_TRUE(query) << query.error().ToString();
  Arena arena;
  auto value = (*query)->EvaluateOne({}, arena);
  ASSERT_TRUE(value && *value);
  EXPECT_EQ(ToJson(**value), "3");
}

// What a policy is compiled to for given queries does not refer to what it was compiled from.
TEST(Rego, PoliciesForGivenQueriesStandAlone) {
  const std::string_view queries[] = {"data.p.x", "data.p"};
  auto prepared = Policy::CompileQueries(
      Parse({"package p\nimport data.lib\nx[k] := lib.f(v) if some k, v in input.items\n"
             "y if input.kind == \"a kind with a long name\"",
             "package lib\nf(v) := n if n := v + data.base.offset with data.base.more as 1"}),
      {}, queries);
  ASSERT_TRUE(prepared) << prepared.error().ToString();
  Arena arena;
  const Value input =
      *ParseJson(R"({"items":{"a":1,"b":2},"kind":"a kind with a long name"})", arena);
  const Value data = *ParseJson(R"({"base":{"offset":10}})", arena);
  auto x = (*prepared)[0]->EvaluateOne({.input = &input, .data = &data}, arena);
  ASSERT_TRUE(x && *x);
  EXPECT_EQ(ToJson(**x), R"({"a":11,"b":12})");
  auto p = (*prepared)[1]->EvaluateOne({.input = &input, .data = &data}, arena);
  ASSERT_TRUE(p && *p);
  EXPECT_EQ(ToJson(**p), R"({"x":{"a":11,"b":12},"y":true})");
}

TEST(Rego, ErrorsHavePlaces) {
  std::vector<Diagnostic> errors;
  auto policy = Policy::Compile(Parse({"package p\nx := y"}), {}, &errors);
  ASSERT_FALSE(policy);
  EXPECT_EQ(policy.error().id(), "rego_unsafe_var_error");
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].at.row, 2U);
  EXPECT_EQ(errors[0].message, "var y is unsafe");
}

TEST(Rego, AnObserverSeesWhatRuns) {
  class Rows : public Observer {
   public:
    void OnEnter(const Module* /*module*/, const Location& at) override { entered.insert(at.row); }
    void OnHold(const Module* /*module*/, const Location& at) override { held.insert(at.row); }
    std::set<uint32_t> entered, held;
  } rows;
  auto policy = Policy::Compile(Parse({"package p\n\nx if {\n\tinput.a\n\tinput.b\n\tinput.c\n}"}),
                                {.observe = true});
  ASSERT_TRUE(policy);
  auto query = (*policy)->Prepare("data.p.x");
  ASSERT_TRUE(query);
  Arena arena;
  const Value input = *ParseJson(R"({"a":1})", arena);
  ASSERT_TRUE((*query)->EvaluateOne({.input = &input, .observer = &rows}, arena));
  EXPECT_TRUE(rows.entered.contains(4) && rows.entered.contains(5));
  EXPECT_FALSE(rows.entered.contains(6));
  EXPECT_TRUE(rows.held.contains(4));
  EXPECT_FALSE(rows.held.contains(5));
}

}  // namespace
}  // namespace bulwark::rego
