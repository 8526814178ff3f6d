#include "lang/cel/stdlib.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include <string>
#include <unordered_set>

#include "lang/cel/env.h"
#include "lang/cel/stdlib_convert.h"
#include "lang/cel/values.h"

namespace bulwark::cel {
namespace {

// What an expression without variables gives: "true", "error: …", "not a bool".
std::string Answer(const std::string& expression, bool check) {
  static const auto* const env = new auto(Env::Create({}).value());
  auto ast = (*env)->Parse(expression);
  if (!ast) return ast.error().message();
  if (check) {
    ast = (*env)->Check(*ast);
    if (!ast) return ast.error().message();
  }
  auto program = (*env)->Plan(*ast);
  if (!program) return program.error().message();
  Evaluator evaluator;
  Outcome out = evaluator.Run(**program, {});
  if (IsError(out.value)) return "error: " + std::string(ErrorMessage(out.value));
  if (!out.value.IsBool()) return "not a bool";
  return out.value.AsBool() ? "true" : "false";
}

struct Case {
  const char* expression;
  const char* answer = "true";
};

class StdlibTest : public testing::TestWithParam<Case> {};

TEST_P(StdlibTest, Answers) {
  EXPECT_EQ(Answer(GetParam().expression, true), GetParam().answer) << GetParam().expression;
  EXPECT_EQ(Answer(GetParam().expression, false), GetParam().answer)
      << GetParam().expression << " (not checked)";
}

const Case kConversions[] = {
    {"int('-12') == -12 && int('+7') == 7 && int(3.99) == 3 && int(-3.99) == -3"},
    {"int('1_000') == 1000", "error: type conversion error from 'string' to 'int'"},
    {"int('9223372036854775808') == 0", "error: type conversion error from 'string' to 'int'"},
    {"int(9223372036854775807u) == 9223372036854775807"},
    {"int(9223372036854775808u) == 0", "error: integer overflow"},
    {"int(9.3e18) == 0", "error: integer overflow"},
    {"int(double('nan')) == 0", "error: integer overflow"},
    {"uint(-1) == 0u", "error: unsigned integer overflow"},
    {"uint('+1') == 1u", "error: type conversion error from 'string' to 'uint'"},
    {"uint(1.8e19) == 18000000000000000000u"},
    {"double('1e309') == 0.0", "error: type conversion error from 'string' to 'double'"},
    {"double('1e-400') == 0.0 && double('inf') > 1e308 && double('-Infinity') < 0.0"},
    {"double('0x1p-2') == 0.25 && double('1_0.5') == 10.5 && double('.5') == 0.5"},
    {"double('') == 0.0", "error: type conversion error from 'string' to 'double'"},
    {"double('+-1') == 0.0", "error: type conversion error from 'string' to 'double'"},
    {"bool('t') && !bool('FALSE')"},
    {"bool('yes')", "error: type conversion error from 'string' to 'bool'"},
    {"string(1.0) == '1' && string(1e6) == '1e+06' && string(123456.5) == '123456.5'"},
    {"string(0.00001) == '1e-05' && string(0.0001) == '0.0001' && string(-0.0) == '-0'"},
    {"string(double('nan')) == 'NaN' && string(double('-inf')) == '-Inf'"},
    {"string(b'\\xff') == ''", "error: invalid UTF-8 in bytes, cannot convert to string"},
    {"string(bytes('héllo')) == 'héllo' && size(bytes('é')) == 2 && size('é') == 1"},
    {"string(duration('90m1.5s')) == '5401.5s' && string(duration('-1ns')) == '-0.000000001s'"},
    {"string(timestamp('2024-02-29T12:00:00.120Z')) == '2024-02-29T12:00:00.12Z'"},
    {"timestamp('2024-02-30T00:00:00Z') == timestamp(0)",
     "error: type conversion error from 'string' to 'google.protobuf.Timestamp'"},
    {"timestamp(253402300800) == timestamp(0)", "error: timestamp overflow"},
    {"timestamp(253402300799) > timestamp(-62135596800)"},
    {"int(timestamp('1970-01-01T00:01:00+00:01')) == 0"},
    {"int(duration('1s')) == 1000000000"},
    {"duration('1d') == duration('24h')",
     "error: type conversion error from 'string' to 'google.protobuf.Duration'"},
    {"type(1) == int && type(type(1)) == type && type(null) == null_type && type([]) == list"},
    {"type(duration('1s')) == google.protobuf.Duration && type(dyn(1u)) == uint"},
};

const Case kArithmetic[] = {
    {"9223372036854775807 + 1 == 0", "error: integer overflow"},
    {"-9223372036854775808 - 1 == 0", "error: integer overflow"},
    {"9223372036854775807 * -2 == 0", "error: integer overflow"},
    {"-9223372036854775808 / -1 == 0", "error: integer overflow"},
    {"-9223372036854775808 % -1 == 0", "error: integer overflow"},
    {"-(-9223372036854775808) == 0", "error: integer overflow"},
    {"0u - 1u == 0u", "error: unsigned integer overflow"},
    {"18446744073709551615u + 1u == 0u", "error: unsigned integer overflow"},
    {"18446744073709551615u * 2u == 0u", "error: unsigned integer overflow"},
    {"1 / 0 == 0", "error: division by zero"},
    {"1u % 0u == 0u", "error: modulus by zero"},
    {"1.0 / 0.0 == double('inf') && -1.0 / 0.0 == double('-inf')"},
    {"0.0 / 0.0 != 0.0 / 0.0"},
    {"-7 / 2 == -3 && -7 % 2 == -1 && 7 % -2 == 1"},
    {"'a' + 'b' == 'ab' && b'a' + b'b' == b'ab' && [1] + [2] == [1, 2] && [] + [1] == [1]"},
    {"duration('1h') + duration('30m') == duration('90m')"},
    {"timestamp('2024-01-01T00:00:00Z') - timestamp('2023-12-31T23:59:59.5Z') == "
     "duration('500ms')"},
    {"timestamp('9999-12-31T23:59:59Z') + duration('1s') == timestamp(0)",
     "error: timestamp overflow"},
    {"timestamp('0001-01-01T00:00:00Z') - duration('1ns') == timestamp(0)",
     "error: timestamp overflow"},
    {"duration('9223372036s') + duration('1s') == duration('0s')", "error: integer overflow"},
};

const Case kComparisons[] = {
    {"1 < 2u && 2u > 1.5 && -1 < 0u && 1.0 <= 1 && dyn(1) == 1.0 && dyn(1u) == 1"},
    {"dyn(18446744073709551615u) > 9223372036854775807"},
    {"double('nan') < 1.0", "error: NaN values cannot be ordered"},
    {"'a' < 'b' && b'a' < b'aa' && false < true && 'Z' < 'a'"},
    {"dyn('a') < dyn(1)", "error: no such overload"},
    {"dyn([1]) < dyn([2])", "error: no such overload"},
    {"dyn('a') == dyn(1)", "false"},
    {"{'a': 1, 'b': [2.0]} == {'b': [2], 'a': 1u}", "true"},
    {"1 in [1.0, 2.0].map(x, dyn(x)) && !('b' in {'a': 1}) && 2.0 in {2: 'x'}.map(k, dyn(k))"},
    {"dyn(1.0) in {1: 'x'} && dyn(1u) in {1: 'x'}"},
};

const Case kStrings[] = {
    {"'kubernetes'.startsWith('kube') && 'kubernetes'.endsWith('tes') && 'abc'.contains('')"},
    {"'10.0.0.1'.matches('^[0-9.]+$') && matches('abc', 'b') && !'abc'.matches('^b')"},
    {"'x'.matches('(')", "error: error parsing regexp: missing ): `(`"},
    {"'ab'.matches('a' + 'b') && ['a', 'b'].all(p, 'ab'.matches(p))"},
    {"'x'.matches(['('][0])", "error: error parsing regexp: missing ): `(`"},
    {"size('😀é') == 2 && 'abc'.size() == 3 && size([1, 2]) == 2 && {'a': 1}.size() == 1"},
    {"size(dyn(1)) == 1", "error: no such overload"},
};

const Case kTime[] = {
    {"timestamp('2024-02-29T23:30:15.125Z').getFullYear() == 2024"},
    {"timestamp('2024-02-29T23:30:15.125Z').getMonth() == 1"},
    {"timestamp('2024-02-29T23:30:15.125Z').getDate() == 29"},
    {"timestamp('2024-02-29T23:30:15.125Z').getDayOfMonth() == 28"},
    {"timestamp('2024-02-29T23:30:15.125Z').getDayOfWeek() == 4"},
    {"timestamp('2024-02-29T23:30:15.125Z').getDayOfYear() == 59"},
    {"timestamp('2024-02-29T23:30:15.125Z').getMilliseconds() == 125"},
    {"timestamp('2024-02-29T23:30:15Z').getDate('+01:00') == 1"},
    {"timestamp('2024-07-01T12:00:00Z').getHours('Europe/Berlin') == 14"},
    {"timestamp('2024-01-01T12:00:00Z').getHours('Europe/Berlin') == 13"},
    {"timestamp('2090-07-01T12:00:00Z').getHours('Europe/Berlin') == 14"},
    {"timestamp('2024-01-01T12:00:00Z').getHours('America/Sao_Paulo') == 9"},
    {"timestamp('1800-01-01T12:00:00Z').getMinutes('Europe/Berlin') == 53"},
    {"timestamp('2024-01-01T12:00:00Z').getHours('Nowhere/Land') == 0",
     "error: unknown time zone Nowhere/Land"},
    {"timestamp('2024-01-01T12:00:00Z').getHours('../../etc/passwd') == 0",
     "error: unknown time zone ../../etc/passwd"},
    {"timestamp('2024-01-01T12:00:00Z').getHours('+1:99') == 0",
     "error: invalid time zone \"+1:99\""},
    {"duration('-90m').getHours() == -1 && duration('90m').getMinutes() == 90"},
    {"duration('1.5s').getSeconds() == 1 && duration('1.5s').getMilliseconds() == 1500"},
};

INSTANTIATE_TEST_SUITE_P(Conversions, StdlibTest, testing::ValuesIn(kConversions));
INSTANTIATE_TEST_SUITE_P(Arithmetic, StdlibTest, testing::ValuesIn(kArithmetic));
INSTANTIATE_TEST_SUITE_P(Comparisons, StdlibTest, testing::ValuesIn(kComparisons));
INSTANTIATE_TEST_SUITE_P(Strings, StdlibTest, testing::ValuesIn(kStrings));
INSTANTIATE_TEST_SUITE_P(Time, StdlibTest, testing::ValuesIn(kTime));

TEST(Stdlib, OverloadIdsAreUnique) {
  std::unordered_set<std::string_view> ids;
  for (const FunctionDecl& decl : StandardLibrary().functions) {
    for (const Overload& overload : decl.overloads) {
      EXPECT_TRUE(ids.insert(overload.id).second) << overload.id;
      EXPECT_TRUE(IsStandardOverload(overload.id));
    }
  }
  EXPECT_FALSE(IsStandardOverload("string_lower_ascii"));
}

// A pattern comes with the data: many of them do not fill the memory, and each still matches.
TEST(Stdlib, ManyDynamicPatterns) {
  auto env = Env::Create({.variables = {{"patterns", Type::Dyn()}}}).value();
  auto program = env->Compile("patterns.all(p, 'x500'.matches(p) == (p == 'x500'))").value();
  Arena arena;
  std::vector<Value> patterns;
  for (int i = 0; i < 1000; ++i) {
    patterns.push_back(Value::String(arena, "x" + std::to_string(i % 300 + 300)));
  }
  Value bindings[] = {Value::Array(arena, patterns)};
  Evaluator evaluator;
  EXPECT_TRUE(evaluator.Run(*program, bindings).value.IsTrue());
}

TEST(Stdlib, Functions) {
  Arena arena;
  CallContext ctx{.arena = arena, .expr_id = 5};
  Value wrong = ToInt(ctx, std::vector<Value>{Value::EmptyMap()});
  EXPECT_EQ(ErrorMessage(wrong), "no such overload");
  EXPECT_EQ(static_cast<const ErrorValue*>(wrong.AsOpaque())->expr_id(), 5);
  EXPECT_EQ(ActualSize(Value::String("aé")), 2u);
  EXPECT_EQ(ActualSize(Value::Int(100)), 1u);
  EXPECT_EQ(ActualSize(MakeOptional(arena, Value::String("abc"))), 3u);
  EXPECT_EQ(ActualSize(NoneOptional()), 1u);
  EXPECT_EQ(ScaleCost(0, 0.1), 0u);
  EXPECT_EQ(ScaleCost(10, 0.1), 1u);
  EXPECT_EQ(ScaleCost(11, 0.1), 2u);
}

}  // namespace
}  // namespace bulwark::cel
