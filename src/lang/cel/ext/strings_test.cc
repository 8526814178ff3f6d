#include "lang/cel/ext/strings.h"

#include "lang/cel/ext/testing.h"

namespace bulwark::cel::ext {
namespace {

TEST(Strings, AnswersAsCelGo) { ExpectAnswers("strings.txt", *EnvWith({&Strings(2)})); }
TEST(Strings, FormatsAsKubernetes) {
  ExpectAnswers("format_v2.txt", *EnvWith({&Strings(2)}), false);
}
TEST(Strings, FormatsAsSpecified) {
  ExpectAnswers("format_v4.txt", *EnvWith({&Strings(4)}), false);
}

TEST(Strings, VersionsDiffer) {
  EXPECT_FALSE(Try(*EnvWith({&Strings(0)}), "'%s'.format(['x'])").ok());
  EXPECT_TRUE(Try(*EnvWith({&Strings(1)}), "'%s'.format(['x'])").ok());
  EXPECT_FALSE(Try(*EnvWith({&Strings(2)}), "'abc'.reverse()").ok());
  ExpectAllTrue(*EnvWith({&Strings(3)}), {"'a©c'.reverse() == 'c©a'", "''.reverse() == ''"});
  // By the specification an offset past the end is an error.
  ExpectErrors(*EnvWith({&Strings()}),
               {{"'tacocat'.indexOf('a', 30)", "index out of range: 30"},
                {"'tacocat'.lastIndexOf('a', 30)", "index out of range: 30"},
                {"'tacocat'.indexOf('', -1)", "index out of range: -1"}});
  ExpectAllTrue(*EnvWith({&Strings()}), {"'tacocat'.indexOf('a', 7) == -1"});
}

TEST(Strings, FormatTakesNumbersOfAnyKind) {
  ExpectAllTrue(*EnvWith({&Strings()}),
                {"'%f'.format([1]) == '1.000000'", "'%.2e'.format([314u]) == '3.14e+02'",
                 "'%.1f'.format([-3]) == '-3.0'", R"('%s'.format([b'\xff']) == '\uFFFD')"});
  ExpectErrors(*EnvWith({&Strings()}),
               {{"'%.1001f'.format([1.0])",
                 "could not parse formatting clause: error while parsing precision: precision is "
                 "more than 1000"}});
}

TEST(Strings, ResultsAreBounded) {
  EnvOptions options;
  options.libraries = {&Strings()};
  options.limits.max_value_bytes = 1000;
  options.variables = {{"s", Type::String()}, {"l", Type::List(Type::Static(), Type::Dyn())}};
  std::shared_ptr<const Env> env = MakeEnv(options);
  std::string text(900, 'a');
  std::vector<Value> items(100, Value::String(text));
  const Value bindings[] = {Value::String(text), Value::Array(items)};
  for (std::string_view expression :
       {"s.replace('a', 'bb')", "s.replace('', 'x')", "s.split('')", "l.join()", "l.join(s)",
        "'%s'.format([l])", "'%x'.format([s])", "'%s%s'.format([s, s])", "'%s'.format([{1: l}])",
        "'%1000s'.replace('', s)"}) {
    Tried tried = Try(*env, expression, true, bindings);
    EXPECT_EQ(tried.runtime_error, "result is larger than the limit of 1000 bytes") << expression;
  }
}

TEST(Strings, SearchesInLinearTime) {
  EnvOptions options;
  options.libraries = {&Strings()};
  options.variables = {{"s", Type::String()}, {"p", Type::String()}};
  std::shared_ptr<const Env> env = MakeEnv(options);
  std::string text(1'000'000, 'a');
  std::string first = "b" + std::string(500'000, 'a');
  std::string last = std::string(500'000, 'a') + "b";
  for (const std::string& part : {first, last}) {
    const Value bindings[] = {Value::String(text), Value::String(part)};
    EXPECT_EQ(Try(*env, "s.indexOf(p)", true, bindings).value, Value::Int(-1));
    EXPECT_EQ(Try(*env, "s.lastIndexOf(p)", true, bindings).value, Value::Int(-1));
  }
  std::string with = "xx" + first + text;
  const Value bindings[] = {Value::String(with), Value::String(first)};
  EXPECT_EQ(Try(*env, "s.lastIndexOf(p)", true, bindings).value, Value::Int(2));
  EXPECT_EQ(Try(*env, "s.indexOf(p)", true, bindings).value, Value::Int(2));
}

}  // namespace
}  // namespace bulwark::cel::ext
