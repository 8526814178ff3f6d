#include "lang/cel/parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "lang/cel/env.h"
#include "lang/cel/lexer.h"
#include "lang/cel/macros.h"

namespace bulwark::cel {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::shared_ptr<const Env> MakeEnv(EnvOptions options = {}) {
  Result<std::shared_ptr<const Env>> env = Env::Create(std::move(options));
  EXPECT_TRUE(env.has_value()) << (env ? "" : env.error().ToString());
  return env.value();
}

std::string Show(const Expr& expr);

std::string ShowAll(std::span<const Expr* const> exprs) {
  std::string text;
  for (const Expr* expr : exprs) text += " " + Show(*expr);
  return text;
}

std::string ShowLiteral(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull: return "null";
    case Value::Kind::kBool: return value.AsBool() ? "true" : "false";
    case Value::Kind::kInt: return std::to_string(value.AsInt());
    case Value::Kind::kUint: return std::to_string(value.AsUint()) + "u";
    case Value::Kind::kDouble: {
      char text[64];
      std::snprintf(text, sizeof text, "%#.17g", value.AsDouble());
      return text;
    }
    case Value::Kind::kString: return "\"" + std::string(value.AsString()) + "\"";
    case Value::Kind::kBytes: return "b\"" + std::string(value.AsString()) + "\"";
    default: return "?";
  }
}

// As an S-expression: (_+_ x 1), (.f x), (has.f x), (x|f y) for x.f(y).
std::string Show(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kLiteral: return ShowLiteral(expr.literal);
    case ExprKind::kIdent: return std::string(expr.name);
    case ExprKind::kSelect:
      return std::string(expr.test_only ? "(has." : "(.") + std::string(expr.name) + " " +
             Show(*expr.operand) + ")";
    case ExprKind::kCall:
      return "(" + (expr.operand != nullptr ? Show(*expr.operand) + "|" : "") +
             std::string(expr.name) + ShowAll(expr.args) + ")";
    case ExprKind::kList: {
      std::string text = "[" + ShowAll(expr.args);
      for (uint32_t i : expr.optional_args) text += " ?" + std::to_string(i);
      return text + "]";
    }
    case ExprKind::kMap:
    case ExprKind::kStruct: {
      std::string text = std::string(expr.name) + "{";
      for (const MapEntry& entry : expr.entries) {
        text += entry.optional ? " ?" : " ";
        text += entry.key != nullptr ? Show(*entry.key) : std::string(entry.field);
        text += ": " + Show(*entry.value);
      }
      return text + "}";
    }
    case ExprKind::kComprehension: {
      const Comprehension& fold = *expr.loop;
      return "(fold " + Show(*fold.range) + " " + std::string(fold.var) +
             (fold.var2.empty() ? "" : "," + std::string(fold.var2)) + " " +
             std::string(fold.accu) + "=" + Show(*fold.accu_init) + " while " +
             Show(*fold.condition) + " do " + Show(*fold.step) + " give " + Show(*fold.result) +
             ")";
    }
  }
  return "";
}

std::string Parsed(const Env& env, std::string_view source) {
  Result<std::shared_ptr<Ast>> ast = env.Parse(source);
  return ast ? Show(*(*ast)->root) : ast.error().message();
}

struct Case {
  std::string_view source, tree;
};

class Parses : public testing::TestWithParam<Case> {};

TEST_P(Parses, AsTree) {
  EXPECT_EQ(Parsed(*MakeEnv(), GetParam().source), GetParam().tree) << GetParam().source;
}

INSTANTIATE_TEST_SUITE_P(
    Operators, Parses,
    testing::Values(
        Case{"1 + 2 * 3 - 4", "(_-_ (_+_ 1 (_*_ 2 3)) 4)"}, Case{"a / b % c", "(_%_ (_/_ a b) c)"},
        Case{"(1 + 2) * 3", "(_*_ (_+_ 1 2) 3)"}, Case{"a < b == c", "(_==_ (_<_ a b) c)"},
        Case{"a in b != c", "(_!=_ (@in a b) c)"}, Case{"a <= b", "(_<=_ a b)"},
        Case{"a >= b", "(_>=_ a b)"}, Case{"a > b", "(_>_ a b)"},
        Case{"a && b || c && d", "(_||_ (_&&_ a b) (_&&_ c d))"},
        Case{"a || b || c", "(_||_ (_||_ a b) c)"},
        Case{"a && b && c && d", "(_&&_ (_&&_ a b) (_&&_ c d))"},
        Case{"a && b && c && d && e", "(_&&_ (_&&_ (_&&_ a b) c) (_&&_ d e))"},
        Case{"a ? b : c ? d : e", "(_?_:_ a b (_?_:_ c d e))"},
        Case{"a || b ? c || d : e", "(_?_:_ (_||_ a b) (_||_ c d) e)"}, Case{"!a", "(!_ a)"},
        Case{"!!a", "a"}, Case{"!!!a", "(!_ a)"}, Case{"-a", "(-_ a)"}, Case{"--a", "a"},
        Case{"-a.b", "(-_ (.b a))"}, Case{"a - -1", "(_-_ a -1)"}, Case{"a -1", "(_-_ a 1)"},
        Case{"--1", "1"}, Case{"!-1", "(!_ -1)"}));

INSTANTIATE_TEST_SUITE_P(
    Members, Parses,
    testing::Values(Case{"a.b.c", "(.c (.b a))"}, Case{"a[0][1]", "(_[_] (_[_] a 0) 1)"},
                    Case{"a.f(x, y)", "(a|f x y)"}, Case{"f()", "(f)"}, Case{".a.b", "(.b .a)"},
                    Case{". a", ".a"}, Case{".f(x)", "(.f x)"},
                    Case{"a.`b-c/d.e f`", "(.b-c/d.e f a)"}, Case{"a.if.for()", "((.if a)|for)"},
                    Case{"a.?b", "(_?._ a \"b\")"}, Case{"a.?`b.c`", "(_?._ a \"b.c\")"},
                    Case{"a[?b]", "(_[?_] a b)"},
                    Case{"a.?b[?0].c", "(.c (_[?_] (_?._ a \"b\") 0))"},
                    Case{"1.5.f()", "(1.5000000000000000|f)"},
                    Case{"a . b // c\n . c", "(.c (.b a))"}));

INSTANTIATE_TEST_SUITE_P(
    Aggregates, Parses,
    testing::Values(Case{"[]", "[]"}, Case{"[1, 2,]", "[ 1 2]"}, Case{"[,]", "[]"},
                    Case{"[?a, b, ?c]", "[ a b c ?0 ?2]"}, Case{"{}", "{}"}, Case{"{,}", "{}"},
                    Case{"{1: 2, ?'a': b,}", "{ 1: 2 ?\"a\": b}"}, Case{"A{}", "A{}"},
                    Case{".a . b.C{x: 1, ?y: z, `q-r`: 2}", ".a.b.C{ x: 1 ?y: z q-r: 2}"},
                    Case{"a.B{c: 1}.c", "(.c a.B{ c: 1})"},
                    Case{"[[1], {2: [3]}]", "[ [ 1] { 2: [ 3]}]"}));

INSTANTIATE_TEST_SUITE_P(
    Literals, Parses,
    testing::Values(Case{"9223372036854775807", "9223372036854775807"},
                    Case{"-9223372036854775808", "-9223372036854775808"}, Case{"0xFf", "255"},
                    Case{"-0x8000000000000000", "-9223372036854775808"},
                    Case{"18446744073709551615u", "18446744073709551615u"}, Case{"0x1fU", "31u"},
                    Case{"1.5", "1.5000000000000000"}, Case{".5", "0.50000000000000000"},
                    Case{"-.5e1", "-5.0000000000000000"}, Case{"1e3", "1000.0000000000000"},
                    Case{"2.5E-1", "0.25000000000000000"}, Case{"1e-400", "0.0000000000000000"},
                    Case{"0.0000001e-400", "0.0000000000000000"}, Case{"true", "true"},
                    Case{"false", "false"}, Case{"null", "null"}, Case{"'a\"b'", "\"a\"b\""},
                    Case{"\"a'b\"", "\"a'b\""}, Case{"'''a'b\"\n'''", "\"a'b\"\n\""},
                    Case{"\"\"\"a\"b\"\"\"", "\"a\"b\""}, Case{"r'\\n'", "\"\\n\""},
                    Case{"R\"\\\"", "\"\\\""}, Case{"'''a\r\nb\rc'''", "\"a\nb\nc\""},
                    Case{R"('\a\b\f\n\r\t\v\\\?\"\'\`')", "\"\a\b\f\n\r\t\v\\?\"'`\""},
                    Case{R"('\x41\X4a\u00e9\U0001F62C\101')", "\"AJé😬A\""}, Case{"b'a'", "b\"a\""},
                    Case{"b'é'", "b\"é\""}, Case{R"(B'\xff\377')", "b\"\xff\xff\""},
                    Case{R"('\xff\377')", "\"ÿÿ\""}, Case{R"(br'\x')", "b\"\\x\""},
                    Case{"''", "\"\""}, Case{"''''''", "\"\""}, Case{"'''\\''''", "\"'\""}));

INSTANTIATE_TEST_SUITE_P(
    Macros, Parses,
    testing::Values(
        Case{"has(a.b)", "(has.b a)"}, Case{"a.has(b.c)", "(a|has (.c b))"},
        Case{"a.all(x, x > 0)",
             "(fold a x @result=true while (@not_strictly_false @result) do (_&&_ @result (_>_ x "
             "0)) give @result)"},
        Case{"a.exists(x, p)",
             "(fold a x @result=false while (@not_strictly_false (!_ @result)) do (_||_ @result p) "
             "give @result)"},
        Case{"a.exists_one(x, p)",
             "(fold a x @result=0 while true do (_?_:_ p (_+_ @result 1) @result) give (_==_ "
             "@result 1))"},
        Case{"a.existsOne(x, p)",
             "(fold a x @result=0 while true do (_?_:_ p (_+_ @result 1) @result) give (_==_ "
             "@result 1))"},
        Case{"a.map(x, f)", "(fold a x @result=[] while true do (_+_ @result [ f]) give @result)"},
        Case{"a.map(x, p, f)",
             "(fold a x @result=[] while true do (_?_:_ p (_+_ @result [ f]) @result) give "
             "@result)"},
        Case{"a.filter(x, p)",
             "(fold a x @result=[] while true do (_?_:_ p (_+_ @result [ x]) @result) give "
             "@result)"},
        Case{"a.all(x)", "(a|all x)"}));

TEST(Parser, TwoVariableMacros) {
  auto env = MakeEnv({.libraries = {&TwoVarComprehensions()}});
  EXPECT_EQ(Parsed(*env, "a.all(k, v, p)"),
            "(fold a k,v @result=true while (@not_strictly_false @result) do (_&&_ @result p) give "
            "@result)");
  EXPECT_EQ(Parsed(*env, "a.transformList(k, v, p, f)"),
            "(fold a k,v @result=[] while true do (_?_:_ p (_+_ @result [ f]) @result) give "
            "@result)");
  EXPECT_EQ(Parsed(*env, "a.transformMap(k, v, f)"),
            "(fold a k,v @result={} while true do (cel.@mapInsert @result k f) give @result)");
  EXPECT_EQ(Parsed(*env, "a.transformMapEntry(k, v, p, {v: k})"),
            "(fold a k,v @result={} while true do (_?_:_ p (cel.@mapInsert @result { v: k}) "
            "@result) give @result)");
  EXPECT_EQ(Parsed(*env, "a.exists(x, x, p)"),
            "ERROR: <input>:1:13: duplicate variable name: x\n | a.exists(x, x, p)\n | "
            "............^");
}

TEST(Parser, OptionalMacros) {
  Library library{.name = "optional", .macros = {OptionalMacros().begin(), OptionalMacros().end()}};
  auto env = MakeEnv({.libraries = {&library}});
  EXPECT_EQ(Parsed(*env, "a.optMap(x, f)"),
            "(_?_:_ (a|hasValue) (optional.of (fold [] #unused x=(a|value) while false do x give "
            "f)) (optional.none))");
  EXPECT_EQ(Parsed(*env, "a.optFlatMap(x, f)"),
            "(_?_:_ (a|hasValue) (fold [] #unused x=(a|value) while false do x give f) "
            "(optional.none))");
  // The target stands twice in the expansion, so a chain doubles: the limit on nodes stops it.
  std::string chain = "a";
  for (int i = 0; i < 60; ++i) chain += ".optMap(x, x)";
  Result<std::shared_ptr<Ast>> parsed = env->Parse(chain);
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().code(), Code::kLimit);
  EXPECT_THAT(parsed.error().message(), HasSubstr("expression size exceeds limit: 100000 nodes"));
}

TEST(Parser, LoopTags) {
  auto env = MakeEnv({.libraries = {&TwoVarComprehensions()}});
  const std::pair<std::string_view, Loop> cases[] = {
      {"a.all(x, p)", Loop::kAll},       {"a.exists(x, p)", Loop::kExists},
      {"a.map(x, p)", Loop::kMap},       {"a.exists_one(x, p)", Loop::kExistsOne},
      {"a.filter(x, p)", Loop::kFilter}, {"a.all(x, y, p)", Loop::kOther}};
  for (const auto& [source, loop] : cases) {
    Result<std::shared_ptr<Ast>> ast = env->Parse(source);
    ASSERT_TRUE(ast.has_value()) << source;
    EXPECT_EQ((*ast)->root->loop->loop, loop) << source;
  }
}

TEST(Parser, Switches) {
  EXPECT_EQ(Parsed(*MakeEnv({.standard_macros = false}), "a.all(x, p) && has(a.b)"),
            "(_&&_ (a|all x p) (has (.b a)))");
  auto env = MakeEnv({.optional_syntax = false});
  for (std::string_view source : {"a.?b", "a[?b]", "[?a]", "{?a: b}", "A{?b: c}"}) {
    EXPECT_THAT(Parsed(*env, source), HasSubstr("unsupported syntax")) << source;
  }
}

// --- Errors
// ---------------------------------------------------------------------------------------

class Refuses : public testing::TestWithParam<Case> {};

TEST_P(Refuses, WithMessage) {
  EXPECT_THAT(Parsed(*MakeEnv(), GetParam().source), StartsWith(GetParam().tree))
      << GetParam().source;
}

INSTANTIATE_TEST_SUITE_P(
    Syntax, Refuses,
    testing::Values(
        Case{"", "ERROR: <input>:1:1: Syntax error: mismatched input '<EOF>' expecting"},
        Case{"1 +", "ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting"},
        Case{"*@a | b",
             "ERROR: <input>:1:1: Syntax error: mismatched input '*' expecting {'[', '{', '(', "
             "'.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, "
             "IDENTIFIER}\n | *@a | b\n | ^"},
        Case{"f('x'", "ERROR: <input>:1:6: Syntax error: missing ')' at '<EOF>'"},
        Case{"self.k! == '1'", "ERROR: <input>:1:7: Syntax error: mismatched input '!' expecting"},
        Case{"request.user = 'test'",
             "ERROR: <input>:1:14: Syntax error: token recognition error at: '= '\n | request.user "
             "= 'test'\n | .............^\nERROR: <input>:1:16: Syntax error: extraneous input "
             "''test'' expecting <EOF>\n | request.user = 'test'\n | ...............^"},
        Case{"1 2", "ERROR: <input>:1:3: Syntax error: extraneous input '2' expecting <EOF>"},
        Case{"a ? b", "ERROR: <input>:1:6: Syntax error: missing ':' at '<EOF>'"},
        Case{"a ? b ? c : d : e", "ERROR: <input>:1:7: Syntax error: mismatched input '?'"},
        Case{"[1, 2", "ERROR: <input>:1:6: Syntax error: missing ']' at '<EOF>'"},
        Case{"[1,,]", "ERROR: <input>:1:4: Syntax error:"},
        Case{"f(1,)", "ERROR: <input>:1:5: Syntax error:"},
        Case{"{1}", "ERROR: <input>:1:3: Syntax error:"},
        Case{"A{1: 2}", "ERROR: <input>:1:3: Syntax"},
        Case{"a.in", "ERROR: <input>:1:3: Syntax error:"},
        Case{"a.true", "ERROR: <input>:1:3: Syntax error:"},
        Case{"a.`b`()", "ERROR: <input>:1:6: Syntax error:"},
        Case{"a.``", "ERROR: <input>:1:3: Syntax error: token recognition error at: '``'"},
        Case{"`a`", "ERROR: <input>:1:1: Syntax error:"}, Case{"-!a", "ERROR: <input>:1:2: Syntax"},
        Case{"!-a", "ERROR: <input>:1:3: Syntax error: no viable alternative at input '-a'"},
        Case{"a &", "ERROR: <input>:1:3: Syntax"},
        Case{"'abc", "ERROR: <input>:1:1: Syntax error: token recognition error at: ''abc'"},
        Case{"'a\nb'", "ERROR: <input>:1:1: Syntax error: token recognition error"},
        Case{"'\\z'", "ERROR: <input>:1:1: Syntax error: token recognition error at: ''\\z'"},
        Case{"'\\x4'", "ERROR: <input>:1:1: Syntax error: token"},
        Case{"'\\400'", "ERROR: <input>:1:1: Syntax error: token"},
        Case{"ä", "ERROR: <input>:1:1: Syntax"},
        Case{"aä", "ERROR: <input>:1:2: Syntax error: token recognition error at: 'ä'"},
        Case{"'\xff'", "ERROR: <input>:1:2: Syntax error: not valid UTF-8"},
        Case{"0x", "ERROR: <input>:1:2: Syntax error: extraneous input 'x' expecting <EOF>"}));

INSTANTIATE_TEST_SUITE_P(
    Meaning, Refuses,
    testing::Values(Case{"1 + for",
                         "ERROR: <input>:1:5: reserved identifier: for\n | 1 + for\n | ....^"},
                    Case{"while(x)", "ERROR: <input>:1:1: reserved identifier: while"},
                    Case{"9223372036854775808", "ERROR: <input>:1:1: invalid int literal"},
                    Case{"--9223372036854775808", "ERROR: <input>:1:3: invalid int literal"},
                    Case{"18446744073709551616u", "ERROR: <input>:1:1: invalid uint literal"},
                    Case{"1 + 1e999", "ERROR: <input>:1:5: invalid double literal"},
                    Case{"'\\ud800'", "ERROR: <input>:1:1: invalid unicode code point"},
                    Case{"'\\U00110000'", "ERROR: <input>:1:1: invalid unicode code point"},
                    Case{"b'\\u0041'", "ERROR: <input>:1:1: unable to unescape string"},
                    Case{"has(a)", "ERROR: <input>:1:5: invalid argument to has() macro"},
                    Case{"has(a.?b)", "ERROR: <input>:1:6: invalid argument to has() macro"},
                    Case{"a.all(1, p)", "ERROR: <input>:1:7: argument must be a simple name"},
                    Case{"a.map(b.c, p)", "ERROR: <input>:1:8: argument is not an identifier"},
                    Case{"a.all(__result__, p)",
                         "ERROR: <input>:1:7: iteration variable overwrites accumulator variable"},
                    // Several at once, in their order, under wide characters too.
                    Case{"'\u4e16\u754c' + has(a) +\n\tfor",
                         "ERROR: <input>:1:12: invalid argument to has() macro\n | '\u4e16\u754c' "
                         "+ has(a) +\n | "
                         ".\uff0e\uff0e........^\nERROR: <input>:2:2: reserved identifier: for\n | "
                         " for\n | .^"}));

// --- Places
// ---------------------------------------------------------------------------------------

TEST(Parser, Offsets) {
  auto offset = [env = MakeEnv()](std::string_view source) {
    Result<std::shared_ptr<Ast>> ast = env->Parse(source);
    EXPECT_TRUE(ast.has_value()) << source;
    return ast ? (*ast)->root->offset : UINT32_MAX;
  };
  EXPECT_EQ(offset("ab + c"), 3u);
  EXPECT_EQ(offset("ab.c"), 2u);
  EXPECT_EQ(offset("ab[c]"), 2u);
  EXPECT_EQ(offset("ab.c(d)"), 4u);
  EXPECT_EQ(offset("ab(d)"), 2u);
  EXPECT_EQ(offset("ab ? c : d"), 3u);
  EXPECT_EQ(offset(".ab"), 1u);
  EXPECT_EQ(offset(" - 1"), 1u);
  EXPECT_EQ(offset(" [1]"), 1u);
  EXPECT_EQ(offset(" A{}"), 2u);
  EXPECT_EQ(offset("ab.all(x, x)"), 6u);
}

TEST(Parser, IdsAreUnique) {
  Result<std::shared_ptr<Ast>> ast =
      MakeEnv()->Parse("[1, 2].filter(x, x in {1: a.b}) == c[?d] && has(e.f) ? 'g' : T{h: 1}.i()");
  ASSERT_TRUE(ast.has_value());
  std::vector<int> seen(static_cast<size_t>((*ast)->max_id) + 1);
  auto visit = [&](auto&& self, const Expr* expr) -> void {
    if (expr == nullptr) return;
    ASSERT_GT(expr->id, 0);
    ASSERT_LE(expr->id, (*ast)->max_id);
    ++seen[static_cast<size_t>(expr->id)];
    self(self, expr->operand);
    for (const Expr* arg : expr->args) self(self, arg);
    for (const MapEntry& entry : expr->entries) {
      ++seen[static_cast<size_t>(entry.id)];
      self(self, entry.key);
      self(self, entry.value);
    }
    if (expr->loop == nullptr) return;
    for (const Expr* part : {expr->loop->range, expr->loop->accu_init, expr->loop->condition,
                             expr->loop->step, expr->loop->result}) {
      self(self, part);
    }
  };
  visit(visit, (*ast)->root);
  for (int count : seen) EXPECT_LE(count, 1);
}

// --- Limits
// ---------------------------------------------------------------------------------------

std::string Repeat(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(Parser, HostileNestingIsALimit) {
  auto env = MakeEnv();
  const std::string cases[] = {
      Repeat("(", 50'000),
      Repeat("[", 50'000),
      Repeat("{1:", 30'000),
      Repeat("f(", 40'000),
      Repeat("a ? b : ", 10'000) + "c",
      "a" + Repeat(".b", 40'000),
      "a" + Repeat("[0]", 30'000),
      "a" + Repeat(".f()", 20'000),
      "1" + Repeat("+1", 40'000),
      "1" + Repeat("==1", 30'000),
      Repeat("a[", 40'000),
      "a" + Repeat(".map(x, x)", 9'000),
  };
  for (const std::string& source : cases) {
    Result<std::shared_ptr<Ast>> parsed = env->Parse(source);
    ASSERT_FALSE(parsed.has_value()) << source.substr(0, 20);
    EXPECT_EQ(parsed.error().code(), Code::kLimit) << source.substr(0, 20);
    EXPECT_EQ(parsed.error().id(), "cel.limit");
    EXPECT_THAT(parsed.error().message(), HasSubstr("expression recursion limit exceeded: 250"));
  }
}

TEST(Parser, LongChainsThatNeedNoDepth) {
  auto env = MakeEnv();
  const std::string cases[] = {"a" + Repeat(" && a", 15'000),
                               "a" + Repeat(" || a && b", 9'000),
                               Repeat("!", 90'000) + "a",
                               Repeat("-", 90'000) + "a",
                               "[" + Repeat("1,", 40'000) + "]",
                               "a" + Repeat(".b", 249),
                               Repeat("(", 249) + "a" + Repeat(")", 249),
                               "1" + Repeat("+1", 249)};
  for (const std::string& source : cases) {
    Result<std::shared_ptr<Ast>> parsed = env->Parse(source);
    EXPECT_TRUE(parsed.has_value())
        << source.substr(0, 20) << parsed.error().message().substr(0, 99);
  }
}

TEST(Parser, SizeLimits) {
  auto env = MakeEnv({.limits = {.max_source_bytes = 10, .max_nodes = 3}});
  EXPECT_TRUE(env->Parse("1 + 2").has_value());
  for (std::string_view source : {"a + 345 + 7", "1+1+1"}) {
    Result<std::shared_ptr<Ast>> parsed = env->Parse(source);
    ASSERT_FALSE(parsed.has_value());
    EXPECT_EQ(parsed.error().code(), Code::kLimit);
    EXPECT_THAT(parsed.error().message(), HasSubstr("expression size exceeds limit"));
  }
}

TEST(Lexer, EveryTokenEndsPastItsStart) {
  // Whatever the bytes, lexing goes forward and ends.
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  for (std::string source : {bytes, "'" + bytes, "b'''" + bytes, "0x" + bytes, "`" + bytes}) {
    uint32_t at = 0;
    for (Token token = Lex(source, 0); token.kind != Tok::kEnd; token = Lex(source, at)) {
      ASSERT_GE(token.start, at);
      ASSERT_GT(token.end, token.start);
      at = token.end;
    }
  }
}

}  // namespace
}  // namespace bulwark::cel
