#include "lang/rego/ast/ast_json.h"

#include <gtest/gtest.h>

#include "lang/rego/ast/parser.h"

namespace bulwark::rego {
namespace {

std::string Json(std::string text, const AstJsonOptions& options = {},
                 Dialect dialect = Dialect::kV1) {
  ParseOptions parse;
  parse.dialect = dialect;
  const auto module = ParseModule("p.rego", std::move(text), parse);
  if (!module) return module.error().message();
  Arena arena;
  return AstJsonText(ModuleJson(**module, arena, options), 0);
}

std::string TermOf(std::string text, Dialect dialect = Dialect::kV1) {
  ParseOptions parse;
  parse.dialect = dialect;
  const auto query = ParseQuery(std::move(text), parse);
  if (!query) return query.error().message();
  Arena arena;
  return AstJsonText(BodyJson((*query)->body, arena), 0);
}

TEST(AstJson, Module) {
  EXPECT_EQ(
      Json("package a.b\nimport data.x as y # c\np contains 1"),
      R"({"package":{"path":[{"type":"var","value":"data"},{"type":"string","value":"a"},)"
      R"({"type":"string","value":"b"}]},"imports":[{"alias":"y","path":{"type":"ref","value":[)"
      R"({"type":"var","value":"data"},{"type":"string","value":"x"}]}}],"rules":[{"body":[)"
      R"({"generated":true,"index":0,"terms":{"type":"boolean","value":true}}],"head":{"name":"p",)"
      R"("key":{"type":"number","value":1},"ref":[{"type":"var","value":"p"}]}}],"comments":[)"
      R"({"Text":"IGM=","Location":{"file":"p.rego","row":2,"col":20}}]})");
}

TEST(AstJson, Locations) {
  EXPECT_EQ(Json("package a\np := 1", {.locations = true, .comments = false}),
            R"({"package":{"location":{"file":"p.rego","row":1,"col":1,"text":"cGFja2FnZQ=="},)"
            R"("path":[{"location":{"file":"p.rego","row":1,"col":9,"text":"YQ=="},"type":"var",)"
            R"("value":"data"},{"location":{"file":"p.rego","row":1,"col":9,"text":"YQ=="},)"
            R"("type":"string","value":"a"}]},"rules":[{"body":[{"generated":true,"index":0,)"
            R"("location":{"file":"p.rego","row":2,"col":6,"text":"MQ=="},"terms":{"location":)"
            R"({"file":"p.rego","row":2,"col":6,"text":"MQ=="},"type":"boolean","value":true}}],)"
            R"("head":{"name":"p","value":{"location":{"file":"p.rego","row":2,"col":6,)"
            R"("text":"MQ=="},"type":"number","value":1},"assign":true,"ref":[{"location":)"
            R"({"file":"p.rego","row":2,"col":1,"text":"cA=="},"type":"var","value":"p"}],)"
            R"("location":{"file":"p.rego","row":2,"col":1,"text":"cCA6PSAx"}},"location":)"
            R"({"file":"p.rego","row":2,"col":1,"text":"cCA6PSAx"}}]})");
}

TEST(AstJson, Terms) {
  const std::pair<std::string, std::string> cases[] = {
      {"null", R"([{"index":0,"terms":{"type":"null","value":{}}}])"},
      {"1.50", R"([{"index":0,"terms":{"type":"number","value":1.50}}])"},
      {"\"<a>\"", R"([{"index":0,"terms":{"type":"string","value":"\u003ca\u003e"}}])"},
      {"{2, 1}", R"([{"index":0,"terms":{"type":"set","value":[{"type":"number","value":1},)"
                 R"({"type":"number","value":2}]}}])"},
      {"{\"a\": x}",
       R"([{"index":0,"terms":{"type":"object","value":[[{"type":"string","value":"a"},)"
       R"({"type":"var","value":"x"}]]}}])"},
      {"not f(x) with input as 1",
       R"([{"index":0,"negated":true,"terms":[{"type":"ref","value":[{"type":"var","value":"f"}]},)"
       R"({"type":"var","value":"x"}],"with":[{"target":{"type":"ref","value":[{"type":"var",)"
       R"("value":"input"}]},"value":{"type":"number","value":1}}]}])"},
      {"some x", R"([{"index":0,"terms":{"symbols":[{"type":"var","value":"x"}]}}])"},
      {"[x | x]",
       R"([{"index":0,"terms":{"type":"arraycomprehension","value":{"term":{"type":"var","value":)"
       R"("x"},"body":[{"index":0,"terms":{"type":"var","value":"x"}}]}}}])"},
      {"$\"a{x}{1}\"",
       R"([{"index":0,"terms":{"type":"templatestring","value":{"parts":[{"type":"string","value":)"
       R"("a"},{"index":0,"terms":{"type":"var","value":"x"}},{"type":"number","value":1}],)"
       R"("multi_line":false}}}])"},
      {"every v in x { v }",
       R"([{"index":0,"terms":{"body":[{"index":0,"terms":{"type":"var","value":"v"}}],"domain":)"
       R"({"type":"var","value":"x"},"key":null,"value":{"type":"var","value":"v"}}}])"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(TermOf(text), want) << text;
  EXPECT_EQ(
      TermOf("a and { b }", Dialect::kV2),
      R"([{"index":0,"terms":{"explicit_rhs":true,"lhs":[{"index":0,"terms":{"type":"var",)"
      R"("value":"a"}}],"rhs":[{"index":0,"terms":{"type":"var","value":"b"}}],"type":"and"}}])");
}

TEST(AstJson, IndentedAsGoDoes) {
  Arena arena;
  const Value empty = Value::EmptyArray();
  MapBuilder map(arena);
  map.Add("a", Value::Array(arena, std::vector<Value>{Value::Int(1), Value::EmptyMap(), empty}));
  EXPECT_EQ(AstJsonText(map.Finish()), "{\n  \"a\": [\n    1,\n    {},\n    []\n  ]\n}");
}

}  // namespace
}  // namespace bulwark::rego
