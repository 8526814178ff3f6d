#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "lang/cel/env.h"
#include "lang/cel/macros.h"
#include "lang/cel/program.h"
#include "lang/cel/values.h"

namespace bulwark::cel {
namespace {

Value ListOf(Arena& arena, std::vector<Value> items) { return Value::Array(arena, items); }
Value MapOf(Arena& arena, std::vector<std::pair<std::string_view, Value>> entries) {
  MapBuilder builder(arena);
  for (auto& [key, value] : entries) builder.Add(key, value);
  return builder.Finish();
}

// A message with the fields `name` (set) and `note` (not set).
class Message final : public ObjectValue {
 public:
  std::string_view TypeName() const override { return "test.Message"; }
  Value Get(Arena& arena, std::string_view field) const override {
    if (field == "name") return Value::String("m");
    if (field == "note") return Value::String("");
    return MakeError(arena, "no such field '" + std::string(field) + "'");
  }
  std::optional<bool> Has(std::string_view field) const override {
    if (field == "name") return true;
    if (field == "note") return false;
    return std::nullopt;
  }
};

class Types final : public TypeProvider {
 public:
  std::optional<Type> FindType(std::string_view name) const override {
    if (name != "test.Message") return std::nullopt;
    return Type::Struct(Type::Static(), "test.Message");
  }
  std::optional<Field> FindField(std::string_view, std::string_view field) const override {
    if (field != "name" && field != "note") return std::nullopt;
    return Field{Type::String(), field == "name" ? "name" : "note"};
  }
  Value Create(Arena& arena, std::string_view type,
               std::span<const std::pair<std::string_view, Value>> fields) const override {
    MapBuilder builder(arena);
    builder.Add("type", Value::String(arena, type));
    for (const auto& [name, value] : fields) builder.Add(Value::String(arena, name), value);
    return builder.Finish();
  }
};

// The functions of optionals that these tests use; the library is an extension.
const Library& Optionals() {
  static const auto* const library = [] {
    Type v = Type::Param(Type::Static(), "V");
    Type optional = Type::Optional(Type::Static(), v);
    auto* out = new Library;
    out->functions = {
        {"optional.of",
         {{.id = "optional_of",
           .params = {v},
           .result = optional,
           .function =
               [](CallContext& ctx, std::span<const Value> args) {
                 return MakeOptional(ctx.arena, args[0]);
               }}}},
        {"optional.none",
         {{.id = "optional_none",
           .result = optional,
           .function = [](CallContext&, std::span<const Value>) { return NoneOptional(); }}}},
        {"or",
         {{.id = "optional_or_optional",
           .member = true,
           .params = {optional, optional},
           .result = optional}}},
        {"orValue",
         {{.id = "optional_orValue_value", .member = true, .params = {optional, v}, .result = v}}},
        {op::kOptSelect,
         {{.id = "select_optional_field",
           .params = {Type::Dyn(), Type::String()},
           .result = optional}}},
        {op::kOptIndex,
         {{.id = "map_optindex_optional_value",
           .params = {Type::Dyn(), Type::Dyn()},
           .result = optional}}},
    };
    return out;
  }();
  return *library;
}

class EvalTest : public testing::Test {
 protected:
  EvalTest() {
    options_.variables = {{"m", Type::Dyn()},   {"l", Type::Dyn()},       {"x", Type::Int()},
                          {"a.b", Type::Dyn()}, {"message", Type::Dyn()}, {"dec", Type::Dyn()}};
    options_.libraries = {&Optionals(), &TwoVarComprehensions()};
    options_.types = std::make_shared<Types>();
    bindings_ = {
        MapOf(arena_, {{"k", MapOf(arena_, {{"v", Value::Int(7)}, {"n", Value()}})},
                       {"list", ListOf(arena_, {Value::Int(1), Value::Int(2), Value::Int(3)})}}),
        ListOf(arena_, {Value::String("a"), Value::String("b"), Value::String("c")}),
        Value::Int(5),
        MapOf(arena_, {{"c", Value::String("qualified")}}),
        Value::FromOpaque(&message_),
        Value::Decimal("1e300000"),
    };
  }

  std::shared_ptr<const Program> Plan(std::string_view expression, bool check = true) {
    auto env = Env::Create(options_);
    EXPECT_TRUE(env.has_value()) << env.error().ToString();
    auto ast = (*env)->Parse(expression);
    EXPECT_TRUE(ast.has_value()) << ast.error().message();
    if (!ast) return nullptr;
    if (check) {
      ast = (*env)->Check(*ast);
      EXPECT_TRUE(ast.has_value()) << ast.error().message();
      if (!ast) return nullptr;
    }
    auto program = (*env)->Plan(*ast);
    EXPECT_TRUE(program.has_value()) << program.error().message();
    return program ? *program : nullptr;
  }

  // "true", "error: …", "unknown", or the type and size of anything else.
  static std::string Show(const Value& v) {
    if (IsError(v)) return "error: " + std::string(ErrorMessage(v));
    if (IsUnknown(v)) return "unknown";
    if (v.IsBool()) return v.AsBool() ? "true" : "false";
    if (v.IsInt()) return std::to_string(v.AsInt());
    if (v.IsString()) return std::string(v.AsString());
    return std::string(TypeNameOf(v)) + " of " + std::to_string(v.size());
  }

  std::string Run(std::string_view expression, bool check = true) {
    auto program = Plan(expression, check);
    if (program == nullptr) return "";
    std::string plain = Show(evaluator_.Run(*program, bindings_).value);
    RunOptions counted;
    counted.track_cost = true;
    EXPECT_EQ(Show(evaluator_.Run(*program, bindings_, counted).value), plain) << expression;
    return plain;
  }

  Outcome Counted(std::string_view expression, uint64_t max_cost = UINT64_MAX) {
    auto program = Plan(expression);
    RunOptions options;
    options.track_cost = true;
    options.max_cost = max_cost;
    return program == nullptr ? Outcome{} : evaluator_.Run(*program, bindings_, options);
  }

  Arena arena_;
  Message message_;
  EnvOptions options_;
  std::vector<Value> bindings_;
  Evaluator evaluator_;
};

TEST_F(EvalTest, Answers) {
  struct Case {
    const char* expression;
    const char* answer;
  };
  const Case cases[] = {
      // Selection, indexing and presence.
      {"m.k.v", "7"},
      {"m['k']['v']", "7"},
      {"m.k.missing", "error: no such key: missing"},
      {"m.missing.v", "error: no such key: missing"},
      {"m.k.v.deeper", "error: no such key: deeper"},
      {"m[l[0]]", "error: no such key: a"},
      {"has(m.k.v) && !has(m.k.w) && has(m.k.n)", "true"},
      {"has(m.missing.v)", "error: no such key: missing"},
      {"has(m.k.v.w)", "false"},
      {"m.list[2]", "3"},
      {"m.list[3]", "error: index out of bounds: 3"},
      {"m.list[-1]", "error: index out of bounds: -1"},
      {"m.list[dyn(1.0)]", "2"},
      {"m.list[dyn(1.5)]", "error: unsupported index value 1.5 in list"},
      {"m.list[dyn('a')]", "error: unsupported index type 'string' in list"},
      {"m.list[m.list[0]] + [10, 20][m.k.v - 6]", "22"},
      {"(x > 4 ? m : dyn({})).k.v", "7"},
      {"a.b.c", "qualified"},
      {"{'a': {'b': 1}}.a.b", "1"},
      {"message.name + message.note", "m"},
      {"has(message.name) && !has(message.note)", "true"},
      {"message.other", "error: no such field 'other'"},
      {"has(message.other)", "error: no such field 'other'"},
      {"test.Message{name: 'z'}.name", "z"},
      {"type(test.Message) == type", "true"},
      {"dec > 1.0 && dec + 1.0 == dec && type(dec) == double", "true"},
      // && and || absorb errors on either side; other errors stay.
      {"false && 1 / 0 > 0", "false"},
      {"1 / 0 > 0 && false", "false"},
      {"1 / 0 > 0 || true", "true"},
      {"1 / 0 > 0 || false", "error: division by zero"},
      {"m.k.nope || 1 / 0 > 0", "error: no such key: nope"},
      {"1 / 0 > 0 || m.k.nope || x == 5", "true"},
      {"dyn(1) && true", "error: no such overload"},
      {"dyn(1) || true", "true"},
      {"1 / 0 == 2 ? 1 : 2", "error: division by zero"},
      {"true ? 1 : 1 / 0", "1"},
      {"dyn('a') ? 1 : 2", "error: no such overload"},
      {"[1, 1 / 0]", "error: division by zero"},
      {"{'a': 1 / 0}", "error: division by zero"},
      {"!dyn(1)", "error: no such overload"},
      {"-dyn('a')", "error: no such overload"},
      // Comprehensions.
      {"[1, 2, 3].all(i, i > 0)", "true"},
      {"[1, 0, 3].all(i, 6 / i > 1)", "error: division by zero"},
      {"[0, 1, -3].all(i, 6 / i > 1)", "false"},
      {"[0, 1].exists(i, 1 / i == 1)", "true"},
      {"[0, 2].exists(i, 1 / i == 1)", "error: division by zero"},
      {"[1, 2, 2].exists_one(i, i == 1)", "true"},
      {"[1, 2, 2].exists_one(i, i == 2)", "false"},
      {"[1, 0].exists_one(i, 1 / i == 1)", "error: division by zero"},
      {"[1, 2, 3].map(i, i * i) == [1, 4, 9]", "true"},
      {"[1, 2, 3].map(i, i > 1, i * i) == [4, 9]", "true"},
      {"[1, 2, 3].filter(i, i != 2) == [1, 3]", "true"},
      {"[1, 0].map(i, 1 / i)", "error: division by zero"},
      {"[dyn(1)].filter(i, i)", "error: no such overload"},
      {"m.all(k, k in ['k', 'list'])", "true"},
      {"m.k.v.all(i, true)",
       "error: expression of type 'int' cannot be range of a comprehension (must be list or map)"},
      {"[[1, 2], [3]].map(i, i.map(j, j + x)) == [[6, 7], [8]]", "true"},
      {"[1].map(x, x + 1)[0] + x", "7"},
      {"[1, 2].map(i, [10, 20].map(j, i * j)) == [[10, 20], [20, 40]]", "true"},
      {"l.all(i, s, l[i] == s) && {'a': 1}.exists(k, v, k == 'a' && v == 1)", "true"},
      {"l.transformList(i, s, i > 0, s + string(i)) == ['b1', 'c2']", "true"},
      {"{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v * 2) == {'b': 4}", "true"},
      {"l.transformMapEntry(i, s, {s: i}) == {'a': 0, 'b': 1, 'c': 2}", "true"},
      {"l.transformMapEntry(i, s, {'same': i})", "error: insert failed: key same already exists"},
      {"{'a': 1}.transformMap(k, v, 1 / 0)", "error: division by zero"},
      // Literals.
      {"{'a': 1, 'a': 2}", "error: Failed with repeated key: a"},
      {"{x: 1, 5: 2}", "error: Failed with repeated key: 5"},
      {"{dyn(1.5): 1}", "error: unsupported key type: double"},
      {"size({1: 'a', 2: 'b', 3: 'c', 4: 'd', 5: 'e', 6: 'f', 7: 'g', 8: 'h', 9: 'i', x + 5: 'j'})",
       "10"},
      // Membership.
      {"'b' in l && !('z' in l) && 'k' in m", "true"},
      {"x in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] && !(x in [1, 2])", "true"},
      {"dyn(5.0) in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] && dyn(5u) in [5]", "true"},
      {"m in [dyn(1)]", "false"},
      {"x in dyn(5)", "error: no such overload"},
      {"1 / 0 in [1]", "error: division by zero"},
      // Optionals.
      {"m.?k.?v == optional.of(7) && m.?k.v == optional.of(7)", "true"},
      {"m.?nope.v.w == optional.none()", "true"},
      {"m.k[?'v'].orValue(1) + m.k[?'w'].orValue(1)", "8"},
      {"m.list[?1].orValue(0) + m.list[?9].orValue(0)", "2"},
      {"m.?nope.or(m.?k).v == optional.of(7)", "true"},
      {"optional.of(1).orValue(1 / 0)", "1"},
      {"optional.of({'a': 1}).a == optional.of(1) && optional.none().a == optional.none()", "true"},
      {"has(m.?k.v) && !has(m.?nope.v)", "true"},
      {"[?m.?nope, ?optional.of(1)] == [1]", "true"},
      {"{?'a': m.?nope, ?'b': optional.of(1)} == {'b': 1}", "true"},
      {"[?dyn(1)]", "error: cannot initialize an optional entry from a non-optional value"},
      {"m.?k.n == optional.of(null)", "true"},
      // Sizes.
      {"size(m) + size(l) + size('añb')", "8"},
      {"'k' + l[0] + 'x' == 'kax'", "true"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Run(c.expression), c.answer) << c.expression;
    EXPECT_EQ(Run(c.expression, false), c.answer) << c.expression << " (not checked)";
  }
}

TEST_F(EvalTest, UncheckedNamesAreResolvedUnderTheContainer) {
  options_.container = "a";
  EXPECT_EQ(Run("b.c", false), "qualified");
  EXPECT_EQ(Run(".a.b.c", false), "qualified");
  EXPECT_EQ(Run("[{'c': 'local'}].map(b, b.c)[0]", false), "local");
  EXPECT_EQ(Run("nothing.here", false), "error: no such attribute(s): nothing");
  EXPECT_EQ(Run("nothing.here || x == 5", false), "true");
  EXPECT_EQ(Run("nothing(1)", false), "error: no such overload: nothing");
  EXPECT_EQ(Run("x.nothing(1)", false), "error: no such overload: nothing");
  options_.container = "test";
  EXPECT_EQ(Run("Message{name: 'z'}.name", false), "z");
}

TEST_F(EvalTest, UnknownTypeDoesNotPlan) {
  auto env = Env::Create(options_).value();
  auto program = env->Plan(env->Parse("Nothing{}").value());
  ASSERT_FALSE(program.has_value());
  EXPECT_EQ(program.error().message(), "unknown type: Nothing");
}

TEST_F(EvalTest, MissingBindingsAreErrors) {
  auto program = Plan("x == 5 || l.size() == 3");
  EXPECT_EQ(Show(evaluator_.Run(*program, {}).value), "error: no such attribute(s): x");
  EXPECT_EQ(Show(evaluator_.Run(*program, std::span(bindings_).first(2)).value), "true");
}

// Numbers as cel-go 0.26 counts them (cost_runtime.json of the conformance data has hundreds more).
TEST_F(EvalTest, Costs) {
  struct Case {
    const char* expression;
    uint64_t cost;
  };
  const Case cases[] = {
      {"x", 1},
      {"m.k.v", 3},
      {"m.nope.v", 2},
      {"has(m.k.v)", 2},
      {"m['k'].v", 3},
      {"m.list[x - 5]", 5},     // m, list, [], and the argument: x, -
      {"m.list[x]", 3},         // the root of an index is free
      {"(x == 5 ? m : l)", 2},  // and so is that of a branch
      {"(x == 5 ? m.k : l).v", 4},
      {"[1, 2, 3]", 0},
      {"[1, x]", 11},
      {"{'a': x}", 31},
      {"[1, 2][0]", 2},
      {"1 + 2", 1},
      {"[1 + 2]", 11},
      {"string(1) == '1'", 1},
      {"x in [1, 2, 3]", 1},
      {"x in [1, x]", 14},  // the list 11, x 1, in 2
      {"'b' in l", 2},      // dyn: the overload is not known
      {"'' == l[0]", 2},
      {"'abcdefghijklmnop' == 'abcdefghijklmnop'", 2},
      {"'abcdefghijklmnop'.startsWith('a')", 2},
      {"'abcdefghijklmnop'.contains('a')", 2},
      {"'abcdefghijklmnop' + 'b'", 2},
      {"'abcdefghijklmnop'.matches('abc')", 2},
      {"false && x == 5", 0},
      {"x == 5 || true", 2},
      {"[1, 2].all(i, i > 0)", 11},
      {"[1, 2].all(i, i > 1)", 8},
      {"[1, 2].exists(i, i > 1)", 13},
      {"[1, 2].exists(i, i > 0)", 10},
      {"[1, 2].exists_one(i, i > 1)", 8},
      {"[1, 2].map(i, i)", 27},
      {"[1, 2].map(i, 1)", 5},
      {"[1, 2].filter(i, i > 1)", 18},
      {"m.?nope.v", 1},
      {"m.?k.v", 3},
      {"1 / 0 == 1", 2},
  };
  for (const Case& c : cases) EXPECT_EQ(Counted(c.expression).cost, c.cost) << c.expression;
  options_.presence_test_has_cost = true;
  EXPECT_EQ(Counted("has(m.k.v)").cost, 3u);
}

TEST_F(EvalTest, PastTheCostLimitNothingAbsorbs) {
  const char* expression = "true || m.list.all(i, m.list.all(j, i + j > 0))";
  EXPECT_TRUE(Counted(expression, 0).value.IsTrue());
  const char* nested = "m.list.all(i, m.list.all(j, i + j > 0)) || true";
  EXPECT_TRUE(Counted(nested).value.IsTrue());
  uint64_t cost = Counted(nested).cost;
  EXPECT_TRUE(Counted(nested, cost).value.IsTrue());
  EXPECT_EQ(Show(Counted(nested, cost - 1).value),
            "error: operation cancelled: actual cost limit exceeded");
  options_.limits.max_cost = 5;
  EXPECT_EQ(Run(nested), "error: operation cancelled: actual cost limit exceeded");
}

TEST_F(EvalTest, TheCostLimitStopsTheWork) {
  std::vector<Value> many(3000, Value::Int(1));
  bindings_[1] = ListOf(arena_, many);
  // 2.7e10 rounds: only a limit that is looked at on the way ends this.
  Outcome out = Counted("l.all(a, l.all(b, l.all(c, a + b + c > 0)))", 1'000'000);
  EXPECT_EQ(Show(out.value), "error: operation cancelled: actual cost limit exceeded");
  EXPECT_LT(out.cost, 1'001'000u);
}

TEST_F(EvalTest, ValuesAreLimited) {
  options_.limits.max_value_bytes = 1000;
  bindings_[0] = Value::String(std::string_view("0123456789"));
  EXPECT_EQ(Run("size(m + m)"), "20");
  std::string big = "m";
  for (int i = 0; i < 100; ++i) big += " + m";
  EXPECT_EQ(Run("size(" + big + ")"), "error: the result is larger than the limit");
  EXPECT_EQ(Run("[l + l + l, l].map(a, l + l + l + l + l + l + l + l + l + l + l + l + l + l + l"
                " + l + l + l + l + l + l + l)"),
            "error: the result is larger than the limit");
}

TEST_F(EvalTest, MemoryOfARunIsLimited) {
  options_.limits.max_value_bytes = 1 << 16;
  std::vector<Value> many(2000, Value::String("0123456789012345678901234567890123456789"));
  bindings_[1] = ListOf(arena_, many);
  EXPECT_EQ(Run("l.all(a, l.all(b, a + b != ''))"),
            "error: operation cancelled: memory limit exceeded");
}

TEST_F(EvalTest, Unknowns) {
  struct Case {
    const char* expression;
    const char* answer;
  };
  auto name = [](std::string_view text) { return std::optional<Value>(Value::String(text)); };
  AttributePattern patterns[] = {
      {"m", {name("k"), name("v")}},
      {"l", {std::nullopt, name("z")}},
      {"message", {}},
  };
  const Case cases[] = {
      {"m.k.v == 1", "unknown"},
      {"m['k'].v == 1", "unknown"},
      {"m.k.n == null", "true"},
      {"m.list[0] == 1", "true"},
      {"m.k == m.list", "unknown"},  // part of it is
      {"m.k.v == 1 && false", "false"},
      {"m.k.v == 1 || x == 5", "true"},
      {"m.k.v == 1 || 1 / 0 > 0", "unknown"},  // an unknown beats an error
      {"1 / 0 > m.k.v", "unknown"},
      {"has(m.k.v)", "unknown"},
      {"message.name", "unknown"},
      {"l[0] == 'a'", "unknown"},
      {"l.all(s, s == 'a')", "unknown"},
      {"[1, m.k.v]", "unknown"},
      {"m.k.v == 1 ? 1 : 2", "unknown"},
      {"[1, 2].exists(i, i == m.k.v)", "unknown"},
      {"[1, 2].exists(i, i == m.k.v || i == 2)", "true"},
      {"[1, 2].map(i, m.k.v)", "unknown"},
      {"m[l[0]] == 1", "unknown"},
      {"x == 5", "true"},
  };
  RunOptions options;
  options.unknowns = patterns;
  for (const Case& c : cases) {
    auto program = Plan(c.expression);
    EXPECT_EQ(Show(evaluator_.Run(*program, bindings_, options).value), c.answer) << c.expression;
  }
  // Which: both of them, each once.
  auto program = Plan("m.k.v == 1 || message.name == 'm' || m.k.v == 2");
  Outcome out = evaluator_.Run(*program, bindings_, options);
  ASSERT_TRUE(IsUnknown(out.value));
  EXPECT_EQ(static_cast<const UnknownValue*>(out.value.AsOpaque())->expr_ids().size(), 3u);
}

TEST_F(EvalTest, ErrorsPointAtTheirPlace) {
  auto program = Plan("x == 5 &&\n  m.k.nope == 1");
  Value error = evaluator_.Run(*program, bindings_).value;
  EXPECT_EQ(RenderRuntimeError(*program, error),
            "ERROR: <input>:2:6: no such key: nope\n |   m.k.nope == 1\n | .....^");
  EXPECT_EQ(RenderRuntimeError(*program, Value::Int(1)), "");
}

TEST_F(EvalTest, TheOutcomeLivesInTheArenaGiven) {
  auto program = Plan("l.map(s, s + '!')");
  Arena arena;
  Value first = evaluator_.Run(*program, bindings_, {}, &arena).value;
  Value second = evaluator_.Run(*program, bindings_, {}, &arena).value;
  evaluator_.Run(*Plan("l.map(s, s + '?')"), bindings_);
  EXPECT_TRUE(CelEqual(first, second));
  EXPECT_EQ(first.items()[2].AsString(), "c!");
}

TEST_F(EvalTest, ConstantsAreFolded) {
  auto only_a_constant = [&](std::string_view expression) {
    auto program = Plan(expression);
    return program != nullptr && program->nodes[program->root].op == Op::kConst;
  };
  EXPECT_TRUE(only_a_constant("1 + 2 * 3 == 7"));
  EXPECT_TRUE(only_a_constant("duration('1h') + duration('1m')"));
  EXPECT_TRUE(only_a_constant("{'a': [1, 2 + 3]}"));
  EXPECT_TRUE(only_a_constant("size('abc' + 'd')"));
  EXPECT_FALSE(only_a_constant("1 / 0"));  // an error stays one, for it may be absorbed
  EXPECT_FALSE(only_a_constant("x + 1"));
}

TEST_F(EvalTest, LiteralsThatMustFailCanBeRefused) {
  options_.validate_literals = true;
  struct Case {
    const char* expression;
    const char* message;
  };
  const Case cases[] = {
      {"false && duration('1d') == duration('1s')", "invalid duration argument"},
      {"timestamp('x') == timestamp(0)", "invalid timestamp argument"},
      {"l[0].matches('(')", "invalid matches argument"},
      {"int('x') == 1", "type conversion error from 'string' to 'int'"},
  };
  auto env = Env::Create(options_).value();
  for (const Case& c : cases) {
    auto program = env->Compile(c.expression);
    ASSERT_FALSE(program.has_value()) << c.expression;
    EXPECT_NE(program.error().message().find(c.message), std::string::npos)
        << program.error().message();
  }
  EXPECT_TRUE(env->Compile("duration(l[0]) == duration('1s') && l[0].matches(l[1])").has_value());
}

// Trees made by hand may be deeper than any source.
TEST_F(EvalTest, DepthIsLimited) {
  auto env = Env::Create(options_).value();
  auto tree = [](int depth) {
    auto ast = std::make_shared<Ast>();
    auto* at = ast->arena.New<Expr>();
    at->id = 1;
    at->kind = ExprKind::kIdent;
    at->name = "x";
    for (int i = 0; i < depth; ++i) {
      auto* minus = ast->arena.New<Expr>();
      minus->id = i + 2;
      minus->kind = ExprKind::kCall;
      minus->name = op::kNegate;
      const Expr* args[] = {at};
      minus->args = ast->arena.Copy<const Expr*>(args);
      at = minus;
    }
    ast->root = at;
    ast->max_id = depth + 1;
    return ast;
  };
  auto fine = env->Plan(tree(1000));
  ASSERT_TRUE(fine.has_value());
  EXPECT_EQ(Show(evaluator_.Run(**fine, bindings_).value), "5");
  auto deep = env->Plan(tree(1'000'000));
  ASSERT_FALSE(deep.has_value());
  EXPECT_EQ(deep.error().code(), Code::kLimit);
}

// A comprehension that no macro makes: the sum of a list, with a condition that ends it.
TEST_F(EvalTest, AnyFold) {
  auto env = Env::Create(options_).value();
  // Taken from the parser, the accumulator then changed to a sum: step and result are ours.
  auto ast = std::make_shared<Ast>();
  int64_t next = 0;
  auto make = [&](ExprKind kind) {
    auto* e = ast->arena.New<Expr>();
    e->id = ++next;
    e->kind = kind;
    return e;
  };
  auto ident = [&](std::string_view name) {
    Expr* e = make(ExprKind::kIdent);
    e->name = name;
    return e;
  };
  auto integer = [&](int64_t i) {
    Expr* e = make(ExprKind::kLiteral);
    e->literal = Value::Int(i);
    return e;
  };
  auto call = [&](std::string_view name, const Expr* a, const Expr* b) {
    Expr* e = make(ExprKind::kCall);
    e->name = name;
    const Expr* args[] = {a, b};
    e->args = ast->arena.Copy<const Expr*>(args);
    return e;
  };
  Expr* range = make(ExprKind::kSelect);
  range->operand = ident("m");
  range->name = "list";
  Comprehension sum{};
  sum.range = range;
  sum.var = "i";
  sum.accu = "sum";
  sum.accu_init = integer(100);
  sum.condition = call(op::kLess, ident("sum"), integer(103));
  sum.step = call(op::kAdd, ident("sum"), ident("i"));
  sum.result = call(op::kMultiply, ident("sum"), integer(2));
  Expr* fold = make(ExprKind::kComprehension);
  fold->loop = &sum;
  ast->root = fold;
  ast->max_id = next;
  auto program = env->Plan(ast);
  ASSERT_TRUE(program.has_value()) << program.error().message();
  EXPECT_EQ(Show(evaluator_.Run(**program, bindings_).value), "206");  // 100 + 1 + 2
}

}  // namespace
}  // namespace bulwark::cel
