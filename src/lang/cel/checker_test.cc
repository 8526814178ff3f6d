#include "lang/cel/checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "lang/cel/cost.h"
#include "lang/cel/env.h"
#include "lang/cel/macros.h"

namespace bulwark::cel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A message type with a field of each sort, an enum constant, and the well-known wrapper.
class Types final : public TypeProvider {
 public:
  std::optional<Type> FindType(std::string_view name) const override {
    if (name == "test.Msg") return Msg();
    if (name == "google.protobuf.Int64Value") return Type::Wrapper(Type::Int());
    return std::nullopt;
  }
  std::optional<Field> FindField(std::string_view type, std::string_view field) const override {
    Arena& types = Type::Static();
    if (type == "google.protobuf.Int64Value" && field == "value")
      return Field{Type::Int(), "value"};
    if (type != "test.Msg") return std::nullopt;
    if (field == "int") return Field{Type::Int(), "int"};
    if (field == "int_wrapper") return Field{Type::Wrapper(Type::Int()), "int_wrapper"};
    if (field == "string_wrapper") return Field{Type::Wrapper(Type::String()), "string_wrapper"};
    if (field == "duration") return Field{Type::Duration(), "duration"};
    if (field == "child") return Field{Msg(), "child"};
    if (field == "children") return Field{Type::List(types, Msg()), "children"};
    if (field == "namespace__") return Field{Type::String(), "namespace"};
    if (field == "any") return Field{Type::Any(), "any"};
    return std::nullopt;
  }
  std::optional<Value> FindConstant(std::string_view name) const override {
    return name == "test.Color.RED" ? std::optional(Value::Int(3)) : std::nullopt;
  }
  Value Create(Arena&, std::string_view,
               std::span<const std::pair<std::string_view, Value>>) const override {
    return {};
  }

 private:
  static Type Msg() {
    static const Type type = Type::Struct(Type::Static(), "test.Msg");
    return type;
  }
};

// Declarations of functions that the checker only needs the types of.
const Library& TestLibrary() {
  static const Library library = [] {
    Arena& types = Type::Static();
    const Type t = Type::Param(types, "T"), u = Type::Param(types, "U"),
               v = Type::Param(types, "V");
    const Type optional = Type::Optional(types, v);
    auto tuple = [&](Type a, Type b, Type c) {
      const Type params[] = {a, b, c};
      return Type::Opaque(types, "tuple", params);
    };
    Library made;
    made.name = "test";
    made.functions = {
        {"tuple", {{.id = "tuple_T_U_V", .params = {t, u, v}, .result = tuple(t, u, v)}}},
        {"sort", {{.id = "sort_tuple", .params = {tuple(t, t, t)}, .result = tuple(t, t, t)}}},
        {"ns.twice", {{.id = "ns_twice", .params = {Type::Int()}, .result = Type::Int()}}},
        {"optional.of", {{.id = "optional_of", .params = {v}, .result = optional}}},
        {"optional.none", {{.id = "optional_none", .params = {}, .result = optional}}},
        {"orValue",
         {{.id = "optional_orValue_value", .member = true, .params = {optional, v}, .result = v}}},
        {op::kOptSelect,
         {{.id = "select_optional_field",
           .params = {Type::Dyn(), Type::String()},
           .result = optional}}},
    };
    made.constants = {{"test.kLimit", Type::Int(), Value::Int(7)}};
    made.types = {{"test.Opaque", Type::Opaque(types, "test.Opaque")}};
    return made;
  }();
  return library;
}

EnvOptions TestOptions() {
  Arena& types = Type::Static();
  EnvOptions options;
  options.variables = {
      {"i", Type::Int()},
      {"u", Type::Uint()},
      {"s", Type::String()},
      {"t", Type::Bool()},
      {"d", Type::Dyn()},
      {"ls", Type::List(types, Type::String())},
      {"m", Type::Map(types, Type::String(), Type::Int())},
      {"oi", Type::Optional(types, Type::Int())},
      {"msg", Type::Struct(types, "test.Msg")},
      {"q.r", Type::Int()},
      {"com.example.y", Type::Int()},
      {"y", Type::String()},
  };
  options.libraries = {&TwoVarComprehensions(), &TestLibrary()};
  options.types = std::make_shared<Types>();
  return options;
}

std::shared_ptr<const Env> MakeEnv(EnvOptions options) {
  Result<std::shared_ptr<const Env>> env = Env::Create(std::move(options));
  EXPECT_TRUE(env.has_value()) << (env ? "" : env.error().ToString());
  return env.value();
}

Result<std::shared_ptr<Ast>> Checked(const Env& env, std::string_view source) {
  Result<std::shared_ptr<Ast>> ast = env.Parse(source);
  if (!ast) return ast;
  return env.Check(*ast);
}

// The type of an expression, or what is wrong with it.
std::string TypeOf(const Env& env, std::string_view source) {
  Result<std::shared_ptr<Ast>> ast = Checked(env, source);
  return ast ? (*ast)->type().ToString() : ast.error().message();
}

struct Case {
  std::string_view source, type;
};

class Checks : public testing::TestWithParam<Case> {};

TEST_P(Checks, AsType) {
  static const std::shared_ptr<const Env> env = MakeEnv(TestOptions());
  EXPECT_EQ(TypeOf(*env, GetParam().source), GetParam().type) << GetParam().source;
}

INSTANTIATE_TEST_SUITE_P(
    Basics, Checks,
    testing::Values(
        Case{"null", "null"}, Case{"1u", "uint"}, Case{"b'a'", "bytes"}, Case{"1.5", "double"},
        Case{"[1, 2]", "list(int)"}, Case{"[1, 'a']", "list(dyn)"}, Case{"[]", "list(dyn)"},
        Case{"{}", "map(dyn, dyn)"}, Case{"{'a': 1, 'b': 2u}", "map(string, dyn)"},
        Case{"i + 1", "int"}, Case{"s + 'a'", "string"}, Case{"[1] + []", "list(int)"},
        Case{"d + 1", "int"}, Case{"d.x[0].y", "dyn"},
        Case{"d ? 1 : 'a'",
             "ERROR: <input>:1:3: found no matching overload for '_?_:_' applied to '(dyn, "
             "int, string)'\n | d ? 1 : 'a'\n | ..^"},
        Case{"t ? 1 : dyn('a')", "dyn"}, Case{"-d", "dyn"}, Case{"m.a", "int"},
        Case{"m['a']", "int"}, Case{"has(m.a)", "bool"}, Case{"'a' in m", "bool"},
        Case{"type(1)", "type(int)"}, Case{"type(1) == int", "bool"}, Case{"int", "type(int)"},
        Case{"type(d)", "type(dyn)"}, Case{"list", "type(list(dyn))"},
        Case{"google.protobuf.Timestamp", "type(timestamp)"}, Case{"1 < 2.0", "bool"},
        Case{"i == null",
             "ERROR: <input>:1:3: found no matching overload for '_==_' applied to '(int, "
             "null)'\n | i == null\n | ..^"},
        Case{"timestamp('') - timestamp('')", "duration"}, Case{"size(ls)", "int"},
        Case{"!(1 == 1) || false", "bool"}));

INSTANTIATE_TEST_SUITE_P(
    Comprehensions, Checks,
    testing::Values(Case{"ls.all(x, x == 'a')", "bool"}, Case{"ls.map(x, size(x))", "list(int)"},
                    Case{"ls.filter(x, x != '')", "list(string)"},
                    Case{"m.map(k, m[k])", "list(int)"}, Case{"m.exists_one(k, k == 'a')", "bool"},
                    Case{"d.map(x, x.y)", "list(dyn)"}, Case{"[].map(x, x)", "list(dyn)"},
                    Case{"([].map(x, x))[0].foo", "dyn"},
                    Case{"ls.transformList(i, v, v + string(i))", "list(string)"},
                    Case{"m.transformMap(k, v, v > 0, k)", "map(string, string)"},
                    Case{"m.transformMapEntry(k, v, {v: k})", "map(int, string)"},
                    Case{"i.all(x, true)",
                         "ERROR: <input>:1:1: expression of type 'int' cannot be range of a "
                         "comprehension (must be list, map, or dynamic)\n | i.all(x, true)\n | ^"},
                    Case{"ls.all(x, x)",
                         "ERROR: <input>:1:11: expected type 'bool' but found 'string'\n | "
                         "ls.all(x, x)\n | ..........^"}));

// What the conformance tests call type deduction.
INSTANTIATE_TEST_SUITE_P(
    Deduction, Checks,
    testing::Values(Case{"[[], [[]], [[[]]], [[[[]]]]]", "list(list(list(list(list(dyn)))))"},
                    Case{"[[[[[]]]], [], [[[]]]]", "list(list(list(list(list(dyn)))))"},
                    Case{"msg.children.map(x, x).map(z, z.int)", "list(int)"},
                    Case{"([] + msg.children + [])[0].int", "int"},
                    Case{"[msg.int_wrapper, msg.string_wrapper]", "list(dyn)"},
                    Case{"[optional.none(), optional.of(1)]", "list(optional_type(int))"},
                    Case{"[optional.of(1), optional.of(dyn(1))]", "list(optional_type(dyn))"},
                    Case{"true ? optional.of(dyn(1)) : optional.of(1)", "optional_type(dyn)"},
                    Case{"[msg.int, msg.int_wrapper]", "list(wrapper(int))"},
                    Case{"[msg.int_wrapper, msg.int]", "list(wrapper(int))"},
                    Case{"[dyn(1), msg.int_wrapper, msg.int]", "list(dyn)"},
                    Case{"msg.int_wrapper + 1", "int"}, Case{"msg.int_wrapper == null", "bool"},
                    Case{"false ? msg.int_wrapper : null", "wrapper(int)"},
                    Case{"true ? msg.int_wrapper : 42", "wrapper(int)"},
                    Case{"[tuple(1, 2u, 3.0), tuple(dyn(1), dyn(2u), dyn(3.0))][0]",
                         "tuple(dyn, dyn, dyn)"},
                    Case{"sort(tuple(dyn(1), 2u, 3.0))", "tuple(dyn, dyn, dyn)"},
                    Case{"tuple(1, 2u, 3.0) == tuple(1, dyn(2u), dyn(3.0))", "bool"},
                    Case{"[msg, null][0]", "test.Msg"}, Case{"[null, msg][0]", "test.Msg"},
                    Case{"[msg.duration, null][0]", "duration"},
                    Case{"[optional.of(1), null][0]", "optional_type(int)"}));

INSTANTIATE_TEST_SUITE_P(
    Messages, Checks,
    testing::Values(
        Case{"msg.child.children[0].int", "int"}, Case{"has(msg.child)", "bool"},
        Case{"msg.any.whatever", "dyn"}, Case{"test.Msg{int: 1, child: test.Msg{}}", "test.Msg"},
        Case{"test.Msg{int_wrapper: null, duration: null}.int_wrapper", "wrapper(int)"},
        Case{"google.protobuf.Int64Value{value: 1}", "wrapper(int)"},
        Case{"test.Color.RED + 1", "int"}, Case{"test.Msg", "type(test.Msg)"},
        Case{"msg.nope", "ERROR: <input>:1:4: undefined field 'nope'\n | msg.nope\n | ...^"},
        Case{"has(msg.nope)",
             "ERROR: <input>:1:4: undefined field 'nope'\n | has(msg.nope)\n | ...^"},
        Case{"test.Msg{int: 'a'}",
             "ERROR: <input>:1:13: expected type of field 'int' is 'int' but provided type is "
             "'string'\n | test.Msg{int: 'a'}\n | ............^"},
        Case{"test.Nope{}",
             "ERROR: <input>:1:10: undeclared reference to 'test.Nope' (in container '')\n | "
             "test.Nope{}\n | .........^"},
        Case{"i{}", "ERROR: <input>:1:2: 'int' is not a type\n | i{}\n | .^"},
        Case{"int{}", "ERROR: <input>:1:4: 'int' is not a message type\n | int{}\n | ...^"},
        Case{"type{}", "ERROR: <input>:1:5: 'type' is not a message type\n | type{}\n | ....^"},
        Case{"i.x",
             "ERROR: <input>:1:2: type 'int' does not support field selection\n | i.x\n | .^"}));

INSTANTIATE_TEST_SUITE_P(
    Optionals, Checks,
    testing::Values(Case{"m.?a", "optional_type(int)"}, Case{"m.?a.orValue(1)", "int"},
                    Case{"optional.of(m).a", "optional_type(int)"},
                    Case{"d.?a.b", "optional_type(dyn)"}, Case{"[?oi, 1]", "list(int)"},
                    Case{"{?'a': oi}", "map(string, int)"}, Case{"test.Msg{?int: oi}", "test.Msg"},
                    Case{"[?1]",
                         "ERROR: <input>:1:3: expected type 'optional_type(int)' but found "
                         "'int'\n | [?1]\n | ..^"},
                    Case{"has(optional.of(m).a)", "bool"}));

INSTANTIATE_TEST_SUITE_P(
    Names, Checks,
    testing::Values(
        Case{"q.r", "int"}, Case{".q.r + 1", "int"}, Case{"ns.twice(1)", "int"},
        Case{".ns.twice(1)", "int"}, Case{"test.kLimit", "int"},
        Case{"test.Opaque", "type(test.Opaque)"},
        // A comprehension's variable hides what is declared, and names that begin with its own.
        Case{"[{'r': 'a'}].map(q, q.r)", "list(string)"}, Case{"[true].exists(i, i)", "bool"},
        Case{"[1].map(i, .y)", "list(string)"},
        Case{"nope",
             "ERROR: <input>:1:1: undeclared reference to 'nope' (in container '')\n | nope\n | ^"},
        Case{"nope.a.b",
             "ERROR: <input>:1:1: undeclared reference to 'nope' (in container '')\n | "
             "nope.a.b\n | ^"},
        Case{"nope(1)",
             "ERROR: <input>:1:5: undeclared reference to 'nope' (in container '')\n | "
             "nope(1)\n | ....^"},
        Case{"s.nope(1)",
             "ERROR: <input>:1:7: undeclared reference to 'nope' (in container "
             "'')\n | s.nope(1)\n | ......^"},
        Case{"1 + 'a'",
             "ERROR: <input>:1:3: found no matching overload for '_+_' applied to "
             "'(int, string)'\n | 1 + 'a'\n | ..^"},
        Case{"s.startsWith(1)",
             "ERROR: <input>:1:13: found no matching overload for 'startsWith' applied to "
             "'string.(int)'\n | s.startsWith(1)\n | ............^"},
        Case{"1 && nope",
             "ERROR: <input>:1:1: expected type 'bool' but found 'int'\n | 1 && nope\n | ^\nERROR: "
             "<input>:1:6: undeclared reference to 'nope' (in container '')\n | 1 && nope\n | "
             ".....^"}));

TEST(Checker, Container) {
  EnvOptions options = TestOptions();
  options.container = "com.example";
  auto env = MakeEnv(options);
  EXPECT_EQ(TypeOf(*env, "y"), "int");
  EXPECT_EQ(TypeOf(*env, ".y"), "string");
  EXPECT_EQ(TypeOf(*env, "example.y"), "int");
  EXPECT_EQ(TypeOf(*env, "['a'].map(y, y)"), "list(string)");
  EXPECT_EQ(TypeOf(*env, "[1.5].map(y, .y)"), "list(string)");
  EXPECT_THAT(env->Candidates("a.b"), ElementsAre("com.example.a.b", "com.a.b", "a.b"));
  EXPECT_THAT(env->Candidates(".a.b"), ElementsAre("a.b"));
  options.container = "ns";
  EXPECT_EQ(TypeOf(*MakeEnv(options), "twice(1)"), "int");
  options.container = "test";
  env = MakeEnv(options);
  EXPECT_EQ(TypeOf(*env, "Msg{int: kLimit}"), "test.Msg");
  EXPECT_EQ(TypeOf(*env, "Color.RED"), "int");
  EXPECT_THAT(TypeOf(*env, "nope"), HasSubstr("(in container 'test')"));
}

TEST(Checker, Switches) {
  EnvOptions options = TestOptions();
  options.homogeneous_aggregate_literals = true;
  options.cross_type_numeric_comparisons = false;
  auto env = MakeEnv(options);
  EXPECT_THAT(TypeOf(*env, "[1, 'a']"), HasSubstr("expected type 'int' but found 'string'"));
  EXPECT_THAT(TypeOf(*env, "{1: 1, 'a': 1}"), HasSubstr("expected type 'int' but found 'string'"));
  EXPECT_THAT(TypeOf(*env, "[1, dyn('a')]"), HasSubstr("expected type 'int' but found 'dyn'"));
  EXPECT_EQ(TypeOf(*env, "[dyn(1), dyn('a')]"), "list(dyn)");
  EXPECT_EQ(TypeOf(*env, "[[1], []].size() == [{}, {1: 2}].size()"), "bool");
  EXPECT_THAT(TypeOf(*env, "1 < 2.0"), HasSubstr("found no matching overload for '_<_'"));
  EXPECT_EQ(TypeOf(*env, "1.0 < 2.0"), "bool");
}

// The tree after a check says what names mean.
TEST(Checker, References) {
  auto env = MakeEnv(TestOptions());
  auto root = [&](std::string_view source) {
    Result<std::shared_ptr<Ast>> ast = Checked(*env, source);
    EXPECT_TRUE(ast.has_value()) << source;
    return *ast;
  };
  auto reference = [](const Ast& ast, const Expr* expr) {
    return ast.references[static_cast<size_t>(expr->id)];
  };

  auto ast = root("q.r");
  EXPECT_EQ(ast->root->kind, ExprKind::kIdent);
  EXPECT_EQ(ast->root->name, "q.r");
  Reference found = reference(*ast, ast->root);
  ASSERT_GE(found.slot, 0);
  EXPECT_EQ(env->variables()[static_cast<size_t>(found.slot)].name, "q.r");

  ast = root("test.Color.RED");
  found = reference(*ast, ast->root);
  EXPECT_TRUE(found.is_constant);
  EXPECT_EQ(found.constant.AsInt(), 3);

  ast = root("ns.twice(i)");
  EXPECT_EQ(ast->root->operand, nullptr);
  EXPECT_EQ(ast->root->name, "ns.twice");
  ASSERT_EQ(reference(*ast, ast->root).overloads.size(), 1u);
  EXPECT_EQ(reference(*ast, ast->root).overloads[0]->id, "ns_twice");

  ast = root("[1].map(x, x)");
  const Expr* var = ast->root->loop->step->args[1]->args[0];
  EXPECT_EQ(reference(*ast, var).slot, -1);
  EXPECT_FALSE(reference(*ast, var).is_constant);

  ast = root("msg.namespace__");
  EXPECT_EQ(reference(*ast, ast->root).field, "namespace");

  // With dyn, all that may be it.
  ast = root("d + d");
  EXPECT_GT(reference(*ast, ast->root).overloads.size(), 5u);
  ast = root("i + d");
  ASSERT_EQ(reference(*ast, ast->root).overloads.size(), 1u);
  EXPECT_EQ(reference(*ast, ast->root).overloads[0]->id, "add_int64");
}

TEST(Checker, AFailedCheckLeavesTheTreeUnchecked) {
  auto env = MakeEnv(TestOptions());
  Result<std::shared_ptr<Ast>> ast = env->Parse("nope + 1");
  ASSERT_TRUE(ast.has_value());
  std::vector<Issue> issues;
  Result<std::shared_ptr<Ast>> checked = env->Check(*ast, &issues);
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().id(), "cel.check");
  EXPECT_FALSE((*ast)->checked());
  ASSERT_EQ(issues.size(), 1u);
  EXPECT_EQ(issues[0].column, 1u);
}

// Types that double with each binding: without a limit, 2^40 nodes.
TEST(Checker, ExplodingTypesAreAnError) {
  std::string source = "{1: 1}";
  for (int i = 0; i < 40; ++i) source = "[" + source + "].map(x, {x: x})[0]";
  EXPECT_THAT(TypeOf(*MakeEnv(TestOptions()), source),
              HasSubstr("type of expression is too large"));
}

// The deepest that the parser lets through fits on the stack, of the checker and of the estimator.
TEST(Checker, DeepestTrees) {
  auto repeat = [](std::string_view text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
  };
  const std::string sources[] = {
      repeat("[", 249) + "1" + repeat("]", 249),
      repeat("[d + ", 124) + "d" + repeat("]", 124),
      repeat("d.map(x, ", 124) + "d" + repeat(")", 124),
      repeat("{'a': !t && dyn(", 124) + "t" + repeat(")}", 124),
      repeat("d.exists_one(x, x in [", 82) + "d" + repeat("])", 82),
      "d" + repeat(".a", 249),
      "i" + repeat(" + i", 249),
      repeat("t ? i : ", 249) + "i",
  };
  auto env = MakeEnv(TestOptions());
  for (const std::string& source : sources) {
    Result<std::shared_ptr<Ast>> ast = Checked(*env, source);
    ASSERT_TRUE(ast.has_value()) << source.substr(0, 20) << ast.error().message().substr(0, 300);
    EXPECT_GE(EstimateCost(**ast).max, 1u) << source.substr(0, 20);
  }
}

TEST(Env, VariablesMustDiffer) {
  Result<std::shared_ptr<const Env>> env =
      Env::Create({.variables = {{"a", Type::Int()}, {"a", Type::Int()}}});
  ASSERT_FALSE(env.has_value());
  EXPECT_THAT(env.error().message(), HasSubstr("overlapping identifier for name 'a'"));
}

uint64_t TestCost(std::span<const Value>, const Value&) { return 7; }
Value Nothing(CallContext&, std::span<const Value>) { return {}; }

// Libraries add overloads to functions, replace those of the same id, or only their costs.
TEST(Env, LibrariesMerge) {
  Library first{.name = "first",
                .functions = {{"f",
                               {{.id = "f_int",
                                 .params = {Type::Int()},
                                 .result = Type::Int(),
                                 .function = Nothing}}}}};
  Library second{
      .name = "second",
      .functions = {{"f",
                     {{.id = "f_string", .params = {Type::String()}, .result = Type::String()},
                      {.id = "f_int", .actual_cost = TestCost}}},
                    {"size",
                     {{.id = "size_string",
                       .params = {Type::Bytes()},
                       .result = Type::Uint(),
                       .function = Nothing}}}}};
  auto env = MakeEnv({.libraries = {&first, &second}});
  const FunctionDecl* f = env->FindFunction("f");
  ASSERT_NE(f, nullptr);
  ASSERT_EQ(f->overloads.size(), 2u);
  EXPECT_EQ(f->overloads[0].function, Nothing);
  EXPECT_EQ(f->overloads[0].actual_cost, TestCost);
  EXPECT_EQ(f->overloads[0].params.size(), 1u);
  EXPECT_EQ(TypeOf(*env, "f(1)"), "int");
  EXPECT_EQ(TypeOf(*env, "f('a')"), "string");
  EXPECT_EQ(TypeOf(*env, "size([1])"), "int");
  EXPECT_THAT(TypeOf(*env, "size('a')"), HasSubstr("found no matching overload"));
  // The tables that they come from have not changed.
  EXPECT_EQ(TypeOf(*MakeEnv({}), "size('a')"), "int");
}

TEST(Type, Text) {
  Arena arena;
  const Type list = Type::List(arena, Type::Dyn());
  EXPECT_EQ(Type::Map(arena, Type::String(), list).ToString(), "map(string, list(dyn))");
  EXPECT_EQ(Type::Wrapper(Type::Int()).ToString(), "wrapper(int)");
  EXPECT_EQ(Type::Optional(arena, Type::Timestamp()).ToString(), "optional_type(timestamp)");
  EXPECT_EQ(Type::TypeOfType().ToString(), "type");
  EXPECT_EQ(Type::TypeOf(arena, Type::TypeOfType()).ToString(), "type(type)");
  EXPECT_EQ(Type::Any().ToString(), "any");
  EXPECT_EQ(Type::Null().ToString(), "null");
  EXPECT_EQ(Type::Variable(arena, 300).ToString(), "_var299");
  EXPECT_TRUE(Type::List(arena, Type::Int()) == Type::List(arena, Type::Int()));
  EXPECT_FALSE(Type::List(arena, Type::Int()) == Type::List(arena, Type::Uint()));
}

}  // namespace
}  // namespace bulwark::cel
