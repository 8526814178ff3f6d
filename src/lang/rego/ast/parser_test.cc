#include "lang/rego/ast/parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "formats/json.h"
#include "lang/rego/ast/ast_compare.h"
#include "lang/rego/ast/printer.h"

namespace bulwark::rego {
namespace {

std::unique_ptr<Module> Parse(std::string text, Dialect dialect = Dialect::kV1) {
  ParseOptions options;
  options.dialect = dialect;
  Result<std::unique_ptr<Module>> module = ParseModule("p.rego", std::move(text), options);
  if (!module) {
    ADD_FAILURE() << module.error().message();
    return nullptr;
  }
  return std::move(*module);
}

std::string ErrorsOf(std::string text, Dialect dialect = Dialect::kV1) {
  ParseOptions options;
  options.dialect = dialect;
  std::vector<Diagnostic> errors;
  Result<std::unique_ptr<Module>> module = ParseModule("p.rego", std::move(text), options, &errors);
  if (module) return "none";
  std::string out;
  for (const Diagnostic& error : errors) {
    out += std::to_string(error.at.row) + ":" + std::to_string(error.at.column) + " " +
           error.message + "\n";
  }
  return out;
}

std::string QueryText(std::string text, Dialect dialect = Dialect::kV1) {
  ParseOptions options;
  options.dialect = dialect;
  Result<std::unique_ptr<Query>> query = ParseQuery(std::move(text), options);
  return query ? ToText((*query)->body) : query.error().message();
}

TEST(Parser, Rules) {
  const std::pair<std::string, std::string> cases[] = {
      {"p := 1", "p := 1 if { true }"},
      {"p if x", "p = true if { x }"},
      {"p if { x; y }", "p = true if { x; y }"},
      {"p = 2 if x", "p = 2 if { x }"},
      {"p contains x if x := 1", "p contains x if { assign(x, 1) }"},
      {"p contains 1", "p contains 1 if { true }"},
      {"p.q contains 1", "p.q contains 1 if { true }"},
      {"p[x] := y if y := 1", "p[x] := y if { assign(y, 1) }"},
      {"p[x].r if x", "p[x].r = true if { x }"},
      {"p.q.r := 1", "p.q.r := 1 if { true }"},
      {"f(x) := x + 1", "f(x) := plus(x, 1) if { true }"},
      {"f([x, _]) if x", "f([x, _]) = true if { x }"},
      {"a.f(x) if x", "a.f(x) = true if { x }"},
      {"default p := false", "default p := false"},
      {"default f(_) := 1", "default f(_) := 1"},
      {"p := 1 if x else := 2 if y else := 3",
       "p := 1 if { x } else = 2 if { y } else = 3 if { true }"},
      {"p if { {1} }", "p = true if { {1} }"},
      {"p if not x", "p = true if { not x }"},
      {"p if x with input as 1 with data.a as 2",
       "p = true if { x with input as 1 with data.a as 2 }"},
      {"p if some x in [1]", "p = true if { some x in [1] }"},
      {"p if some k, v in {}", "p = true if { some k, v in {} }"},
      {"p if { some x, y; q[x][y] }", "p = true if { some x, y; q[x][y] }"},
      {"p if every x in [1] { x > 0 }", "p = true if { every x in [1] { gt(x, 0) } }"},
      {"p := {x | x := 1}", "p := {x | assign(x, 1)} if { true }"},
      {"p := {x: y | x := 1; y := 2}", "p := {x: y | assign(x, 1); assign(y, 2)} if { true }"},
      {"p := [(a | b) | a := {1}]", "p := [(a | b) | assign(a, {1})] if { true }"},
      {"p := $\"a{x}b\\{\"", "p := $\"a{x}b\\{\" if { true }"},
      {"p := `a\\n`", "p := \"a\\\\n\" if { true }"},
      {"p := input.if", "p := input[\"if\"] if { true }"},
      {"p := -x", "p := minus(0, x) if { true }"},
      {"p := - 5", "p := -5 if { true }"},
      {"p := {2, 1, 2}", "p := {1, 2} if { true }"},
      {"p := set()", "p := set() if { true }"},
      {"p := 1e3", "p := 1e3 if { true }"},
      {"if.x := 1", "if.x := 1 if { true }"},
  };
  for (const auto& [text, want] : cases) {
    const auto module = Parse("package t\n" + text);
    ASSERT_NE(module, nullptr) << text;
    ASSERT_EQ(module->rules.size(), 1U) << text;
    EXPECT_EQ(ToText(*module->rules[0]), want) << text;
  }
}

TEST(Parser, RulesOfV0) {
  const std::pair<std::string, std::vector<std::string>> cases[] = {
      {"p { x }", {"p = true { x }"}},
      {"p = x { x = 1 }", {"p = x { x = 1 }"}},
      {"p[x] { x = 1 }", {"p[x] { x = 1 }"}},
      {"p[x] = y { x = 1; y = 2 }", {"p[x] = y { x = 1; y = 2 }"}},
      {"p[1]", {"p[1] { true }"}},
      {"f(x) { x }", {"f(x) = true { x }"}},
      {"f(x) = 1", {"f(x) = 1 { true }"}},
      {"p { x } { y }", {"p = true { x }", "p = true { y }"}},
      {"p = 1 { x } else = 2 { y }", {"p = 1 { x } else = 2 { y }"}},
      {"if = 1", {"if = 1 { true }"}},
  };
  for (const auto& [text, want] : cases) {
    const auto module = Parse("package t\n" + text, Dialect::kV0);
    ASSERT_NE(module, nullptr) << text;
    std::vector<std::string> got;
    for (const Rule* rule : module->rules) got.push_back(ToText(*rule));
    EXPECT_EQ(got, want) << text;
  }
}

TEST(Parser, HeadsAreAsInOpasTree) {
  const auto v0 = Parse("package t\np[x] { x = 1 }\nq[x] = 1 { x = 1 }", Dialect::kV0);
  ASSERT_NE(v0, nullptr);
  EXPECT_EQ(v0->rules[0]->head.ref.size(), 1U);
  EXPECT_NE(v0->rules[0]->head.key, nullptr);
  EXPECT_EQ(v0->rules[0]->head.value, nullptr);
  EXPECT_EQ(v0->rules[1]->head.ref.size(), 2U);
  EXPECT_EQ(v0->rules[1]->head.key, v0->rules[1]->head.ref[1]);
  const auto v1 = Parse("package t\nf() := 1\np[x] if x := 1");
  ASSERT_NE(v1, nullptr);
  EXPECT_FALSE(v1->rules[0]->head.is_function);
  EXPECT_TRUE(v1->rules[1]->head.generated_value);
  EXPECT_TRUE(v1->rules[1]->head.if_keyword);
  EXPECT_EQ(v1->rules[1]->module, v1.get());
}

TEST(Parser, Precedence) {
  const std::pair<std::string, std::string> cases[] = {
      {"a + b * c", "plus(a, mul(b, c))"},
      {"a * b + c", "plus(mul(a, b), c)"},
      {"a - b - c", "minus(minus(a, b), c)"},
      {"a | b & c", "or(a, and(b, c))"},
      {"a + b & c", "and(plus(a, b), c)"},
      {"a == b | c", "equal(a, or(b, c))"},
      {"a < b == c", "equal(lt(a, b), c)"},
      {"a in b == c", "internal.member_2(a, equal(b, c))"},
      {"k, v in xs", "internal.member_3(k, v, xs)"},
      {"x in y in z", "internal.member_2(internal.member_2(x, y), z)"},
      {"a * (b + c)", "mul(a, plus(b, c))"},
      {"f(1, 2 in xs)", "f(1, internal.member_2(2, xs))"},
      {"f((1, 2 in xs))", "f(internal.member_3(1, 2, xs))"},
      {"x := y == z", "assign(x, equal(y, z))"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(QueryText(text), want) << text;
}

TEST(Parser, References) {
  for (std::string text : {"data.a.b", "input[x].y", "f(x)[y].z", "[1, 2][i]", "{\"a\": 1}.a",
                           "a[b[c]]", "data[\"a-b\"]", "input", "a[_]", "f(x).y(z)"}) {
    EXPECT_EQ(QueryText(text), text);
  }
  EXPECT_EQ(QueryText("a[\"b\"]"), "a.b");
  EXPECT_EQ(QueryText("a.true"), "a[\"true\"]");
}

TEST(Parser, LogicalOperators) {
  const std::pair<std::string, std::string> cases[] = {
      {"a or b and c", "a or b and c"},   {"(a or b) and c", "(a or b) and c"},
      {"a or (b or c)", "a or (b or c)"}, {"{ a; b } or c", "{ a; b } or c"},
      {"not { a; b }", "not {a; b}"},     {"not a and b", "not a and b"},
      {"not (a or b)", "not (a or b)"},   {"(a with input as 1) or b", "(a with input as 1) or b"},
      {"and(x, y)", "and(x, y)"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(QueryText(text, Dialect::kV2), want) << text;
  const auto module =
      Parse("package t\nimport future.keywords.or\np if a or b\nq if { x := and; x }");
  ASSERT_NE(module, nullptr);
  EXPECT_EQ(module->rules[0]->body[0]->kind, ExprKind::kOr);
}

TEST(Parser, DialectsAndImports) {
  EXPECT_EQ(Parse("package t\nimport rego.v1\np if x", Dialect::kV0)->dialect,
            Dialect::kV0CompatV1);
  EXPECT_EQ(Parse("package t\nimport rego.v2\np if a and b")->dialect, Dialect::kV2);
  EXPECT_EQ(Parse("package t\np { x }", Dialect::kV0)->dialect, Dialect::kV0);
  const auto module = Parse("package a.b[\"c d\"]\nimport data.x.y as z\nimport input.q\np := z");
  ASSERT_NE(module, nullptr);
  EXPECT_EQ(ToText(module->package), "package a.b[\"c d\"]");
  EXPECT_EQ(module->imports[0]->alias, "z");
  EXPECT_EQ(ToText(*module->imports[1]), "import input.q");
}

TEST(Parser, Errors) {
  struct Case {
    std::string text;
    std::string want;
    Dialect dialect = Dialect::kV1;
  };
  const Case cases[] = {
      {"", "0:0 empty module\n"},
      {"p := 1", "1:1 package expected\n"},
      {"package t\npackage u", "2:1 unexpected package\n"},
      {"package t\np { x }", "2:1 `if` keyword is required before rule body\n"},
      {"package t\nf(x) { x }", "2:1 `if` keyword is required before function body\n"},
      {"package t\np[x] { x }",
       "2:1 `if` keyword is required before rule body\n"
       "2:1 `contains` keyword is required for partial set rules\n"},
      {"package t\nf(x)", "none"},
      {"package t\np.q.r", "2:1 rule must have value assignment and/or body declaration\n"},
      {"package t\np if { }", "none"},  // an empty object
      {"package t\np if { true", "2:11 unexpected eof token: expected \\n or ; or }\n"},
      {"package t\np if [1, 2", "2:10 unexpected eof token: expected \",\" or \"]\"\n"},
      {"package t\np if f({1: 2", "2:12 unexpected eof token: non-terminated object\n"},
      {"package t\nevery := 1", "2:1 every keyword cannot be used for rule name\n"},
      {"package t\ndefault p := x", "2:1 illegal default rule (value cannot contain var)\n"},
      {"package t\ndefault f(x, x) := 1",
       "2:1 illegal default rule (arguments cannot be repeated x)\n"},
      {"package t\np contains 1 if x else := 2",
       "2:19 else keyword cannot be used on multi-value rules\n"},
      {"package t\np if 01", "2:6 unexpected number token: expected number without leading zero\n"},
      {"package t\np := \"a", "2:6 non-terminated string\n2:6 illegal token\n2:6 illegal token\n"},
      {"package t\nimport foo.bar",
       "2:8 unexpected import path, must begin with one of: {data, future, input, rego}, got: foo "
       "(hint: if this is unexpected, try updating OPA)\n"},
      {"package t\nimport rego.v3",
       "2:8 invalid import `rego.v3`, must be one of: `rego.v1`, `rego.v2`\n"},
      {"package t\np { some x in xs }",
       "2:12 unexpected identifier token: expected \\n or ; or } (hint: `import "
       "future.keywords.in` for `some x in xs` expressions)\n",
       Dialect::kV0},
      {"package t\np := $\"x\"",
       "2:6 template strings are not supported by current capabilities\n"
       "2:6 unexpected template-string-end token: expected rule value term (e.g., p := <VALUE> { "
       "... })\n",
       Dialect::kV0},
      {"package t\ncount(x)", "2:1 rule name conflicts with built-in function\n"},
  };
  for (const Case& c : cases) EXPECT_EQ(ErrorsOf(c.text, c.dialect), c.want) << c.text;
}

TEST(Parser, ErrorsAsText) {
  const Result<std::unique_ptr<Module>> module =
      ParseModule("p.rego", "package t\n\n\tp := := 1\n", {});
  ASSERT_FALSE(module.has_value());
  EXPECT_EQ(module.error().id(), "rego_parse_error");
  EXPECT_EQ(
      module.error().message(),
      "2 errors occurred:\n"
      "p.rego:3: rego_parse_error: unexpected assign token\n\tp := := 1\n\t     ^\n"
      "p.rego:3: rego_parse_error: unexpected assign token: expected rule value term (e.g., p "
      ":= <VALUE> { ... })\n\tp := := 1\n\t     ^");
}

TEST(Parser, Numbers) {
  Arena arena;
  const std::pair<std::string_view, Value> cases[] = {
      {"0", Value::Int(0)},
      {"-12", Value::Int(-12)},
      {"9223372036854775807", Value::Int(INT64_MAX)},
      {"18446744073709551615", Value::Uint(UINT64_MAX)},
      {"18446744073709551616", Value::Decimal("18446744073709551616")},
      {"1.5", Value::Double(1.5)},
      {".5", Value::Double(0.5)},
      {"-.25", Value::Double(-0.25)},
      {"1.50", Value::Decimal("1.50")},
      {"1e3", Value::Decimal("1e3")},
      {"0.0000001", Value::Decimal("0.0000001")},
  };
  for (const auto& [text, want] : cases) {
    const Result<Value> got = ParseGroundTerm(text, arena);
    ASSERT_TRUE(got.has_value()) << text;
    EXPECT_EQ(got->kind(), want.kind()) << text;
    EXPECT_EQ(*got, want) << text;
    if (want.IsDecimal()) {
      EXPECT_EQ(got->AsString(), want.AsString());
    }
  }
  EXPECT_FALSE(ParseGroundTerm("1e99999", arena).has_value());
  EXPECT_TRUE(ParseGroundTerm("9.99e30102", arena).has_value());
  EXPECT_FALSE(ParseGroundTerm("9.9901e30102", arena).has_value());
}

TEST(Parser, GroundTerms) {
  Arena arena;
  const Result<Value> value =
      ParseGroundTerm(R"({"a": [1, null, true], "b": {3, 3}, "c": "\u00e9\n\ud83d\ude00"})", arena);
  ASSERT_TRUE(value.has_value()) << value.error().message();
  EXPECT_EQ(ToJson(*value), "{\"a\":[1,null,true],\"b\":[3],\"c\":\"é\\n😀\"}");
  for (std::string_view text : {"x", "input.a", "f(1)", "[x | x := 1]", "1; 2", "not 1", "", "["}) {
    EXPECT_FALSE(ParseGroundTerm(text, arena).has_value()) << text;
  }
}

TEST(Parser, WildcardsAreNumbered) {
  ParseOptions options;
  const auto query = ParseQuery("a[_][_]", options);
  ASSERT_TRUE(query.has_value());
  const Term& ref = *(*query)->body[0]->term;
  EXPECT_EQ(ref.items[1]->name, "$0");
  EXPECT_EQ(ref.items[2]->name, "$1");
}

TEST(Parser, ObjectsKeepKeysThatStandTwice) {
  const auto query = ParseQuery(R"({"a": 1, "a": 2})", {});
  ASSERT_TRUE(query.has_value());
  EXPECT_EQ((*query)->body[0]->term->items.size(), 4U);
  Arena arena;
  EXPECT_EQ(ParseGroundTerm(R"({"a": 1, "a": 2})", arena)->Find("a")->AsInt(), 2);
}

// ----- Hostile texts -----

TEST(Parser, NestingIsLimitedWithoutTheStack) {
  const std::string_view opens[] = {"[",
                                    "{",
                                    "(",
                                    "f(",
                                    "a[",
                                    "{1: ",
                                    "[1 | ",
                                    "{a | ",
                                    "not {",
                                    "(not ",
                                    "$\"{",
                                    "-[",
                                    "x with input as [",
                                    "p if {{ ",
                                    "[[{"};
  for (std::string_view open : opens) {
    std::string text = "package t\np if { x == ";
    // As many as an attacker sends for the plainest, fewer for the others.
    const size_t bytes = open == "[" || open == "{" ? 1'000'000 : 60'000;
    for (size_t i = 0; i < bytes / open.size(); ++i) text += open;
    for (Dialect dialect : {Dialect::kV0, Dialect::kV1, Dialect::kV2}) {
      ParseOptions options;
      options.dialect = dialect;
      EXPECT_FALSE(ParseModule("p.rego", text, options).has_value()) << open;
    }
  }
}

TEST(Parser, DepthIsThatOfTheTree) {
  const auto nested = [](size_t depth) {
    return "package t\np := " + std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(ParseModule("p.rego", nested(900), {}).has_value());
  EXPECT_FALSE(ParseModule("p.rego", nested(1100), {}).has_value());
  // Chains of operators and branches make deep trees too.
  std::string chain = "package t\np := 1";
  std::string branches = "package t\np := 1 if x";
  std::string logical = "package t\nimport rego.v2\np if a";
  for (int i = 0; i < 100'000; ++i) {
    chain += " + 1";
    branches += " else := 1 if x";
    logical += " and a";
  }
  for (const std::string& text : {chain, branches, logical}) {
    const auto module = ParseModule("p.rego", text, {});
    ASSERT_FALSE(module.has_value());
    EXPECT_NE(module.error().message().find("max parsing recursion depth exceeded"),
              std::string::npos);
  }
}

TEST(Parser, GoingBackIsBounded) {
  // Each level could be read in two ways.
  for (std::string_view level : {"{x | ", "({", "{ {x | ", "not ({", "(("}) {
    std::string text = "package t\nimport rego.v2\np if ";
    for (int i = 0; i < 400; ++i) text += level;
    EXPECT_FALSE(ParseModule("p.rego", text, {}).has_value()) << level;
  }
}

TEST(Parser, ManyEqualItems) {
  std::string text = "package t\np := {";
  for (int i = 0; i < 20'000; ++i) text += "f(" + std::to_string(i % 100) + "), ";
  text += "1}";
  const auto module = Parse(text);
  ASSERT_NE(module, nullptr);
  EXPECT_EQ(module->rules[0]->head.value->items.size(), 101U);
}

TEST(Parser, SizeIsLimited) {
  ParseOptions options;
  options.max_bytes = 10;
  const auto module = ParseModule("p.rego", "package test_long", options);
  ASSERT_FALSE(module.has_value());
  EXPECT_EQ(module.error().code(), Code::kLimit);
  EXPECT_EQ(ParseQuery("x == 1000000", options).error().code(), Code::kLimit);
}

TEST(Parser, ErrorsAreLimited) {
  std::string text = "package t\n";
  for (int i = 0; i < 100; ++i) text += "p" + std::to_string(i) + " { x }\n";
  ParseOptions options;
  options.error_limit = 7;
  std::vector<Diagnostic> errors;
  EXPECT_FALSE(ParseModule("p.rego", text, options, &errors).has_value());
  EXPECT_EQ(errors.size(), 7U);
}

}  // namespace
}  // namespace bulwark::rego
