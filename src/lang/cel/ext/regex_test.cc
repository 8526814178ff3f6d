#include "lang/cel/ext/regex.h"

#include "lang/cel/ext/optionals.h"
#include "lang/cel/ext/testing.h"

namespace bulwark::cel::ext {
namespace {

TEST(Regex, AnswersAsCelGoAndKubernetes) {
  ExpectAnswers("regex.txt", *EnvWith({&OptionalTypes(), &Regex(), &KubeRegex()}));
}

TEST(Regex, PatternsMayComeFromTheData) {
  EnvOptions options;
  options.libraries = {&KubeRegex()};
  options.variables = {{"p", Type::String()}};
  std::shared_ptr<const Env> env = MakeEnv(options);
  // More of them than are kept compiled.
  for (int i = 0; i < 200; ++i) {
    std::string pattern = "a{" + std::to_string(i % 100 + 1) + "}";
    std::string text(static_cast<size_t>(i % 100 + 1), 'a');
    const Value bindings[] = {Value::String(pattern)};
    EXPECT_EQ(Try(*env, "'" + text + "'.find(p)", true, bindings).value, Value::String(text));
  }
  const Value bad[] = {Value::String("(")};
  EXPECT_EQ(Try(*env, "'a'.find(p)", true, bad).runtime_error,
            "Illegal regex: error parsing regexp: missing closing ): `(`");
  const Value huge[] = {Value::String("((((a{100}){100}){100}){100})")};
  EXPECT_FALSE(Try(*env, "'a'.find(p)", true, huge).ok());
}

TEST(Regex, HostilePatternsTakeLinearTime) {
  EnvOptions options;
  options.libraries = {&KubeRegex(), &Regex(), &OptionalTypes()};
  options.variables = {{"s", Type::String()}};
  std::shared_ptr<const Env> env = MakeEnv(options);
  std::string text(100'000, 'a');
  const Value bindings[] = {Value::String(text)};
  EXPECT_EQ(Try(*env, "s.find('(a*)*b')", true, bindings).value, Value::String(""));
  EXPECT_EQ(Try(*env, "s.findAll('(x+x+)+y').size()", true, bindings).value, Value::Int(0));
}

TEST(Regex, ReplacementsAreBounded) {
  EnvOptions options;
  options.libraries = {&Regex(), &KubeRegex(), &OptionalTypes()};
  options.limits.max_value_bytes = 1000;
  options.variables = {{"s", Type::String()}};
  std::shared_ptr<const Env> env = MakeEnv(options);
  std::string text(900, 'a');
  const Value bindings[] = {Value::String(text)};
  for (std::string_view expression :
       {R"(regex.replace(s, '(.*)', r'\1\1'))", "regex.replace(s, 'a', 'bb')",
        "regex.extractAll(s, 'a')", "s.findAll('a')"}) {
    EXPECT_EQ(Try(*env, expression, true, bindings).runtime_error,
              "result is larger than the limit of 1000 bytes")
        << expression;
  }
}

}  // namespace
}  // namespace bulwark::cel::ext
