#include "lang/rego/check/check.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "formats/json.h"
#include "lang/rego/ast/parser.h"
#include "lang/rego/check/deps.h"
#include "lang/rego/check/schema.h"

namespace bulwark::rego {
namespace {

struct Compiled {
  Resolution policy;
  PolicyTypes types;
  std::vector<Diagnostic> errors;
};

struct Settings {
  CheckOptions check;
  Dialect dialect = Dialect::kV1;
};

std::unique_ptr<Compiled> Compile(const std::vector<std::string>& texts,
                                  const Settings& settings = {}) {
  auto out = std::make_unique<Compiled>();
  std::vector<std::unique_ptr<Module>> modules;
  ParseOptions options;
  options.dialect = settings.dialect;
  for (size_t i = 0; i < texts.size(); ++i) {
    auto module =
        ParseModule("test-" + std::to_string(i) + ".rego", texts[i], options, &out->errors);
    if (!module) {
      ADD_FAILURE() << texts[i] << "\n" << module.error().ToString();
      return out;
    }
    modules.push_back(std::move(*module));
  }
  ResolveModules(std::move(modules), {}, out->policy, out->errors);
  CheckPolicy(out->policy, settings.check, out->types, out->errors);
  return out;
}

std::string Query(const Compiled& compiled, const std::string& text,
                  const CheckOptions& options = {}) {
  std::vector<Diagnostic> errors;
  auto query = ParseQuery(text, {}, &errors);
  if (!query) return query.error().message();
  ResolvedQuery resolved;
  ResolveQuery(compiled.policy, std::move(*query), {}, resolved, errors);
  CheckQuery(compiled.policy, compiled.types, resolved, options, errors);
  return errors.empty() ? "ok" : DiagnosticsText(errors);
}

// testdata/errors.txt: "=== name | flags", modules between "---", what OPA 1.22.2 prints after
// ">>>".
struct Case {
  std::string name;
  std::string flags;
  std::vector<std::string> modules;
  std::string want;
};

std::vector<Case> ReadCases(const std::string& path) {
  std::ifstream file(path);
  std::vector<Case> cases;
  bool answer = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("=== ")) {
      Case& made = cases.emplace_back();
      const size_t bar = line.find(" | ");
      made.name = line.substr(4, bar == std::string::npos ? bar : bar - 4);
      if (bar != std::string::npos) made.flags = line.substr(bar + 3);
      made.modules.emplace_back();
      answer = false;
    } else if (line == ">>>") {
      answer = true;
    } else if (line == "---" && !answer) {
      cases.back().modules.emplace_back();
    } else if (!cases.empty()) {
      (answer ? cases.back().want : cases.back().modules.back()) += line + "\n";
    }
  }
  for (Case& read : cases) {
    while (read.want.ends_with('\n')) read.want.pop_back();
  }
  return cases;
}

TEST(CheckTest, SaysWhatOpaSays) {
  std::vector<Case> cases =
      ReadCases(BULWARK_SOURCE_DIR "/src/lang/rego/check/testdata/errors.txt");
  ASSERT_GT(cases.size(), 100U);
  for (const Case& c : cases) {
    Settings settings;
    std::istringstream flags(c.flags);
    for (std::string flag; flags >> flag;) {
      if (flag == "strict") settings.check.strict = true;
      if (flag == "v0") settings.dialect = Dialect::kV0;
      if (flag.starts_with("limit=")) settings.check.error_limit = std::stoul(flag.substr(6));
    }
    auto compiled = Compile(c.modules, settings);
    std::string got = compiled->errors.empty() ? "ok" : DiagnosticsText(compiled->errors);
    EXPECT_EQ(got, c.want) << c.name << "\n" << c.modules[0];
  }
}

TEST(CheckTest, ChecksQueries) {
  auto compiled = Compile({R"(package a
p := 1
f(x) := x + 1
)"});
  ASSERT_TRUE(compiled->errors.empty()) << DiagnosticsText(compiled->errors);
  const std::pair<std::string, std::string> cases[] = {
      {"data.a.p == 1", "ok"},
      {"x := data.a.p; x == 2", "ok"},
      // `==` is a call in queries, which takes any two values.
      {"data.a.p == \"x\"", "ok"},
      {"data.a.p = \"x\"",
       "1 error occurred: 1:1: rego_type_error: match error\n\tleft  : number\n\tright : string"},
      {"data.a.f(\"x\")",
       "1 error occurred: 1:1: rego_type_error: data.a.f: invalid argument(s)\n"
       "\thave: (string)\n\twant: (number, number)"},
      {"data.a.f(1, 2, 3)",
       "1 error occurred: 1:1: rego_type_error: function data.a.f has arity 1, got 3 arguments"},
      {"nope(1)", "1 error occurred: 1:1: rego_type_error: undefined function nope"},
      {"x", "1 error occurred: 1:1: rego_unsafe_var_error: var x is unsafe"},
      {"some x; data.a.p", "1 error occurred: 1:1: rego_compile_error: declared var x unused"},
      {"x := 1; x := 2", "1 error occurred: 1:9: rego_compile_error: var x assigned above"},
      {"true with foo as 1",
       "1 error occurred: 1:11: rego_type_error: with keyword target must reference existing "
       "input, data, or a function"},
      {"data.a.p.x",
       "1 error occurred: 1:1: rego_type_error: undefined ref: data.a.p.x\n"
       "\tdata.a.p.x\n\t^^^^^^^^\n\thave: number"},
  };
  for (const auto& [query, want] : cases) EXPECT_EQ(Query(*compiled, query), want) << query;
  EXPECT_EQ(Query(*compiled, "x := 1; input", {.strict = true}),
            "1 error occurred: 1:1: rego_compile_error: assigned var x unused");
  EXPECT_EQ(Query(*compiled, "http.send({})", {.unsafe_builtins = {"http.send"}}),
            "1 error occurred: 1:1: rego_type_error: unsafe built-in function calls in "
            "expression: http.send");
}

TEST(CheckTest, ObeysWhatTheHostAllows) {
  const std::vector<std::string> text = {
      "package a\np if count([input.x]) == 1\nq := http.send({})\n"};
  Settings settings;
  settings.check.allowed_builtins = {"eq", "equal", "assign", "http.send"};
  auto compiled = Compile(text, settings);
  ASSERT_EQ(compiled->errors.size(), 1U);
  EXPECT_EQ(compiled->errors[0].message, "undefined function count");

  settings.check.allowed_builtins.clear();
  settings.check.unsafe_builtins = {"http.send"};
  compiled = Compile(text, settings);
  ASSERT_EQ(compiled->errors.size(), 1U);
  EXPECT_EQ(compiled->errors[0].ToString(),
            "test-0.rego:3: rego_type_error: unsafe built-in function calls in expression: "
            "http.send");
  compiled = Compile({"package a\np if true with http.send as 2\n"}, settings);
  ASSERT_EQ(compiled->errors.size(), 1U);
  EXPECT_EQ(compiled->errors[0].message,
            "with keyword replacing built-in function: target must not be unsafe: \"http.send\"");
}

TEST(CheckTest, FindsBaseDocumentsInTheWay) {
  const std::vector<std::string> text = {"package a.b\np := 1\nq.r := 2\n", "package c\ns := 1\n"};
  Settings settings;
  settings.check.base_exists = [](std::span<const std::string_view> path) {
    std::string text;
    for (std::string_view part : path) text.append("/").append(part);
    return text == "/a/b/q/r" || text == "/c/s";
  };
  auto compiled = Compile(text, settings);
  EXPECT_EQ(DiagnosticsText(compiled->errors),
            "2 errors occurred:\n"
            "test-0.rego:3: rego_compile_error: conflicting rule for data path a/b/q/r found\n"
            "test-1.rego:2: rego_compile_error: conflicting rule for data path c/s found");
  settings.check.base_roots = {"a/b"};
  compiled = Compile(text, settings);
  ASSERT_EQ(compiled->errors.size(), 1U);
  settings.check.base_roots = {"nowhere", "c"};
  compiled = Compile(text, settings);
  ASSERT_EQ(compiled->errors.size(), 1U);
  EXPECT_EQ(compiled->errors[0].message, "conflicting rule for data path c/s found");
}

TEST(CheckTest, ErasesPrints) {
  const std::vector<std::string> text = {"package a\np if { some x; print(x) }\n"};
  auto compiled = Compile(text);
  ASSERT_EQ(compiled->errors.size(), 1U);
  EXPECT_EQ(compiled->errors[0].message, "var x is undeclared");
}

TEST(CheckTest, KnowsTheTypesOfDocuments) {
  auto compiled = Compile({R"(package a
p := {"x": [1, 2]}
q contains x if some x in ["a", "b"]
r[k] := v if { some k, v in {"a": 1} }
f(x) := sprintf("%v", [x])
s := input.anything
t := [y | y := p.x[_]]
u := 1 if { input.x } else := "no"
)"});
  ASSERT_TRUE(compiled->errors.empty()) << DiagnosticsText(compiled->errors);
  Arena arena;
  auto type = [&](std::initializer_list<std::string_view> words) {
    std::vector<Value> path;
    for (std::string_view word : words) path.push_back(Value::String(word));
    return ToText(compiled->types.Find(path, arena));
  };
  EXPECT_EQ(type({"data", "a", "p"}), "object<x: array<number, number>>");
  EXPECT_EQ(type({"data", "a", "p", "x"}), "array<number, number>");
  EXPECT_EQ(type({"data", "a", "p", "y"}), "???");
  EXPECT_EQ(type({"data", "a", "q"}), "set[string]");
  EXPECT_EQ(type({"data", "a", "r"}), "object[string: number]");
  EXPECT_EQ(type({"data", "a", "f"}), "(any) => string");
  EXPECT_EQ(type({"data", "a", "s"}), "any");
  EXPECT_EQ(type({"data", "a", "t"}), "array[number]");
  EXPECT_EQ(type({"data", "a", "u"}), "any<number, string>");
  EXPECT_EQ(type({"data", "b"}), "any");
  EXPECT_EQ(type({"input", "x"}), "any");
}

// ---- schemas ----

TEST(SchemaTest, MakesTypes) {
  Arena arena;
  TypeFactory types(arena);
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({})", "any"},
      {R"({"type": "string"})", "string"},
      {R"({"type": "integer"})", "number"},
      {R"({"type": "boolean"})", "boolean"},
      {R"({"type": "null"})", "any"},
      {R"({"type": ["string", "null"]})", "string"},
      {R"({"type": "object"})", "object[any: any]"},
      {R"({"type": "array"})", "array[any]"},
      {R"({"type": "array", "items": {"type": "string"}})", "array[string]"},
      {R"({"items": [{"type": "string"}, {"type": "number"}]})", "array<string, number>"},
      {R"({"properties": {"b": {"type": "string"}, "a": true}})", "object<a: any, b: string>"},
      {R"({"anyOf": [{"type": "string"}, {"type": "number"}]})", "any<number, string>"},
      {R"({"type": "object", "properties": {"a": {"type": "string"}},
          "anyOf": [{"properties": {"b": {"type": "number"}}}]})",
       "any<object<a: string>, object<b: number>>"},
      {R"({"allOf": [{"properties": {"a": {"type": "string"}}},
                     {"properties": {"b": {"type": "number"}}}]})",
       "object<a: string, b: number>"},
      {R"({"type": "object", "properties": {"c": {"type": "null"}},
          "allOf": [{"properties": {"a": {"type": "string"}}}]})",
       "object<a: string, c: any>"},
      {R"({"$ref": "#/definitions/a/b", "definitions": {"a/b": {"type": "string"},
          "a": {"b": {"type": "number"}}}})",
       "number"},
      {R"({"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"type": "string"}}})", "string"},
      {R"({"properties": {"n": {"$ref": "#/definitions/n"}},
          "definitions": {"n": {"properties": {"next": {"$ref": "#/definitions/n"}}}}})",
       "object<n: object<next: recursive(#/definitions/n)>>"},
      {R"({"properties": {"n": {"$ref": "#named"}},
          "definitions": {"x": {"$id": "#named", "type": "number"}}})",
       "object<n: number>"},
  };
  for (const auto& [json, want] : cases) {
    Result<Value> schema = ParseJson(json, arena);
    ASSERT_TRUE(schema.has_value()) << json;
    Result<TypeRef> type = TypeFromSchema(*schema, types);
    ASSERT_TRUE(type.has_value()) << json << ": " << type.error().ToString();
    EXPECT_EQ(ToText(*type), want) << json;
  }
}

TEST(SchemaTest, RefusesWhatIsNoSchema) {
  Arena arena;
  TypeFactory types(arena);
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"[]", "unable to compile the schema: Expected: Valid Schema, given: Invalid JSON"},
      {R"({"type": 1})",
       "unable to compile the schema: Invalid type. Expected: type, given: string/array of "
       "strings"},
      {R"({"type": ["string", "string"]})",
       "unable to compile the schema: string type is duplicated"},
      {R"({"properties": []})", "unable to compile the schema: Properties must be of type object"},
      {R"({"$ref": "#/definitions/none"})",
       "unable to compile the schema: Object has no key 'definitions'"},
      {R"({"$ref": "https://example.com/x.json"})",
       "unable to compile the schema: remote reference loading disabled: "
       "https://example.com/x.json"},
      {R"({"allOf": [{"type": "string"}, {"type": "number"}]})",
       "type checking: unable to merge these schemas: type mismatch: string and number"},
  };
  for (const auto& [json, want] : cases) {
    Result<Value> schema = ParseJson(json, arena);
    ASSERT_TRUE(schema.has_value()) << json;
    Result<TypeRef> type = TypeFromSchema(*schema, types);
    ASSERT_FALSE(type.has_value()) << json;
    EXPECT_EQ(type.error().message(), want) << json;
  }
  // A schema in a schema in a schema …
  std::string deep = "{}";
  for (int i = 0; i < 400; ++i) deep = R"({"items":)" + deep + "}";
  Result<Value> schema = ParseJson(deep, arena);
  if (schema) EXPECT_FALSE(TypeFromSchema(*schema, types).has_value());
}

TEST(SchemaTest, AppliesTheHostsSchemas) {
  Arena arena;
  auto json = [&](std::string_view text) { return *ParseJson(text, arena); };
  Settings settings;
  settings.check.schemas = {
      {"input",
       json(R"({"properties": {"user": {"type": "string"}, "pod": {"$ref": "pod.json"}}})")},
      {"schema.pod", json(R"({"properties": {"name": {"type": "string"}}})")},
      {"data.limits", json(R"({"properties": {"cpu": {"type": "number"}}})")}};
  auto compiled = Compile({R"(package a
p if input.user == 1
q if input.pod.nam
r if data.limits.cpu == "x"
# METADATA
# schemas:
# - data.pods.one: schema.pod
s if data.pods.one.age
# METADATA
# schemas:
# - input: schema.none
t if input.user
)"},
                          settings);
  EXPECT_EQ(DiagnosticsText(compiled->errors), R"(5 errors occurred:
test-0.rego:2: rego_type_error: match error
	left  : string
	right : number
test-0.rego:3: rego_type_error: undefined ref: input.pod.nam
	input.pod.nam
	          ^
	          have: "nam"
	          want (one of): ["name"]
test-0.rego:4: rego_type_error: match error
	left  : number
	right : string
test-0.rego:8: rego_type_error: undefined ref: data.pods.one.age
	data.pods.one.age
	              ^
	              have: "age"
	              want (one of): ["name"]
test-0.rego:12: rego_type_error: undefined schema: schema.none)");
  settings.check.schemas = {{"input", json(R"({"type": "nonsense"})")}};
  compiled = Compile({"package a\np := 1 + \"a\"\n"}, settings);
  ASSERT_EQ(compiled->errors.size(), 1U);  // a bad schema ends it
  EXPECT_EQ(compiled->errors[0].code, "rego_type_error");
}

// ---- annotations ----

TEST(AnnotationsTest, LeadFromTheRuleOutwards) {
  auto compiled = Compile({R"(# METADATA
# title: the package
# entrypoint: true
package a.b

# METADATA
# scope: document
# title: the document
# entrypoint: true
p := 1 if input.x

# METADATA
# title: the rule
# custom:
#   severity: high
# authors:
# - Jane Doe <jane@example.com>
p := 2 if input.y

q := 3
)",
                           R"(# METADATA
# scope: subpackages
# title: around
package a
)"});
  ASSERT_TRUE(compiled->errors.empty()) << DiagnosticsText(compiled->errors);
  const AnnotationSet& set = compiled->types.annotations();
  Arena arena;
  std::vector<const RuleInfo*> rules;
  for (const RuleInfo& rule : compiled->policy.rules) rules.push_back(&rule);
  ASSERT_EQ(rules.size(), 3U);
  auto chain = [&](const RuleInfo& rule) { return ToJson(set.Chain(rule, arena)); };
  EXPECT_EQ(chain(*rules[1]),
            R"([{"path":["a","b","p"],"annotations":{"scope":"rule","title":"the rule",)"
            R"("authors":[{"name":"Jane Doe","email":"jane@example.com"}],)"
            R"("custom":{"severity":"high"}}},)"
            R"({"path":["a","b","p"],"annotations":{"scope":"document","title":"the document",)"
            R"("entrypoint":true}},)"
            R"({"path":["a","b"],"annotations":{"scope":"package","title":"the package",)"
            R"("entrypoint":true}},)"
            R"({"path":["a"],"annotations":{"scope":"subpackages","title":"around"}}])");
  EXPECT_TRUE(chain(*rules[2]).starts_with(R"([{"path":["a","b","q"]},)")) << chain(*rules[2]);
  EXPECT_EQ(ToJson(set.RuleMetadata(*rules[0], arena)), "{}");
  EXPECT_EQ(set.RuleMetadata(*rules[1], arena).StringAt("title"), "the rule");
  std::vector<std::string> entrypoints;
  for (const auto& path : set.Entrypoints()) {
    std::string& text = entrypoints.emplace_back();
    for (const Value& key : path) text.append("/").append(key.AsString());
  }
  EXPECT_EQ(entrypoints, (std::vector<std::string>{"/data/a/b", "/data/a/b/p"}));
  EXPECT_EQ(set.All().size(), 4U);
}

// ---- dependencies ----

TEST(DepsTest, FindsWhatOpaFinds) {
  auto compiled = Compile({R"(package policy

allow if is_admin

is_admin if "admin" in input.user.roles

names contains x if some x in data.people[_].name

joined if { y := input.a; y.b.c == 1; z := data.base.doc[y.k]; z }

half := data.other.x if { not input.off } else := data.other.y

f(x) := x.deep + data.factor

total := sum([f(i) | some i in input.items])

nested.deep.rule := input.q

all_of := data.policy.nested
loop if { some k; data.lookup[k].v == input.w[k] }
alias if { q := data.unused.ref }
tpl := $"{input.t.u}"
w := 1 if { allow with input.user as data.users[0] }
)"});
  ASSERT_TRUE(compiled->errors.empty()) << DiagnosticsText(compiled->errors);
  struct DepsCase {
    std::string query, base, virtual_documents;
  };
  const DepsCase cases[] = {
      {"data.policy.allow", "input.user.roles", "data.policy.allow data.policy.is_admin"},
      {"data.policy.names", "data.people", "data.policy.names"},
      {"data.policy.joined", "data.base.doc input.a.b.c input.a.k", "data.policy.joined"},
      {"data.policy.half", "data.other.x data.other.y input.off", "data.policy.half"},
      {"data.policy.total", "data.factor input.items", "data.policy.f data.policy.total"},
      {"data.policy.all_of", "input.q", "data.policy.all_of data.policy.nested.deep.rule"},
      {"data.policy.loop", "data.lookup input.w", "data.policy.loop"},
      {"data.policy.alias", "data.unused.ref", "data.policy.alias"},
      {"data.policy.tpl", "input.t.u", "data.policy.tpl"},
      {"data.policy.w", "data.users[0] input.user input.user.roles",
       "data.policy.allow data.policy.is_admin data.policy.w"},
      {"x := input.a; x.b == data.policy.allow", "input.a input.user.roles",
       "data.policy.allow data.policy.is_admin"},
      {"data.none.such", "data.none.such", ""},
      {"input", "input", ""},
      {"data.policy.nested.deep.rule.more", "input.q", "data.policy.nested.deep.rule"},
      {"x = data.a; y = x.b; y.c", "data.a", ""},
      {"count(data.policy.names) > 1", "data.people", "data.policy.names"},
  };
  auto join = [](const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
    return out;
  };
  for (const DepsCase& c : cases) {
    std::vector<Diagnostic> errors;
    auto query = ParseQuery(c.query, {});
    ASSERT_TRUE(query.has_value()) << c.query;
    ResolvedQuery resolved;
    ResolveQuery(compiled->policy, std::move(*query), {}, resolved, errors);
    Dependencies found = QueryDependencies(compiled->policy, resolved);
    EXPECT_EQ(join(found.base), c.base) << c.query;
    EXPECT_EQ(join(found.virtual_documents), c.virtual_documents) << c.query;
  }
}

}  // namespace
}  // namespace bulwark::rego
