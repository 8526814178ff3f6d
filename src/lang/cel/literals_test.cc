#include "lang/cel/literals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bulwark::cel {
namespace {

const Library& Format() {
  static const Library kLibrary = [] {
    Library library;
    Overload format;
    format.id = "string_format";
    format.member = true;
    format.params = {Type::String(), Type::List(Type::Static(), Type::Dyn())};
    format.result = Type::String();
    library.functions = {{"format", {format}}};
    return library;
  }();
  return kLibrary;
}

// The messages of what is wrong, in order.
std::vector<std::string> IssuesOf(std::string_view source, bool with_format = true) {
  EnvOptions options;
  options.homogeneous_aggregate_literals = true;
  options.validate_literals = true;
  options.variables = {{"x", Type::String()}};
  if (with_format) options.libraries = {&Format()};
  auto env = Env::Create(options).value();
  std::vector<Issue> issues;
  auto ast = env->Parse(source);
  EXPECT_TRUE(ast.has_value()) << source;
  if (ast) ast = env->Check(*ast, &issues);
  EXPECT_EQ(ast.has_value(), issues.empty());
  std::vector<std::string> out;
  for (const Issue& issue : issues) {
    out.push_back(std::to_string(issue.column) + ": " + issue.message);
  }
  return out;
}

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Literals, ItemsAreOfOneType) {
  EXPECT_THAT(IssuesOf("[1, 2] == [] && {'a': 1, 'b': 2} == {}"), IsEmpty());
  // Of a list the first that differs, of a map all.
  EXPECT_THAT(IssuesOf("[1, 'a', true] == []"),
              ElementsAre("5: expected type 'int' but found 'string'"));
  EXPECT_THAT(IssuesOf("{'a': 1, 'b': 'x', 3: true} == {}"),
              testing::UnorderedElementsAre("15: expected type 'int' but found 'string'",
                                            "20: expected type 'string' but found 'int'",
                                            "23: expected type 'int' but found 'bool'"));
  EXPECT_THAT(IssuesOf("[[1], ['a']].size() == 1"),
              ElementsAre("7: expected type 'list(int)' but found 'list(string)'"));
  EXPECT_THAT(IssuesOf("x.size() == 1 ? [x].exists(y, y in [1, 'a']) : true"),
              ElementsAre("40: expected type 'int' but found 'string'"));
}

TEST(Literals, ArgumentsOfFormatAreOfAnyType) {
  EXPECT_THAT(IssuesOf("'%d %s'.format([1, ['a', 2]]) == x"), IsEmpty());
  EXPECT_THAT(IssuesOf("[1, 'a'] == [] && '%d'.format([1]) == x"),
              ElementsAre("5: expected type 'int' but found 'string'"));
}

TEST(Literals, ThatMustFail) {
  EXPECT_THAT(IssuesOf("duration('1h') > duration('1') || timestamp('x') > timestamp(0)"),
              testing::UnorderedElementsAre("27: invalid duration argument",
                                            "45: invalid timestamp argument"));
  EXPECT_THAT(IssuesOf("timestamp(-62135596801) == timestamp(1)"),
              ElementsAre("11: invalid timestamp argument"));
  EXPECT_THAT(IssuesOf("x.matches(')') || x.matches('[a-z]') || x.matches(x)"),
              ElementsAre("11: invalid matches argument"));
}

}  // namespace
}  // namespace bulwark::cel
