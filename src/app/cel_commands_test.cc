#include "app/cel_commands.h"

#include <gmock/gmock.h>

#include "app/testing.h"

namespace bulwark::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(CelCommandsTest, Eval) {
  struct Case {
    std::vector<std::string> args;
    int code;
    std::string out, err;  // err: a part
  };
  for (const Case& c : std::vector<Case>{
           {{"1 + 2"}, kClean, "3\n", ""},
           {{"'a' + \"b\""}, kClean, "\"ab\"\n", ""},
           {{"limit * 2", "--bind", "limit:=21"}, kClean, "42\n", ""},
           {{"a + b", "--bind", "a:=1", "--bind", "b:=2"}, kClean, "3\n", ""},
           {{"--bind", "a:=1", "a + 1"}, kClean, "2\n", ""},
           {{"2u", "-o", "value"}, kClean, "{\"uint64_value\":\"2\"}\n", ""},
           {{"1 + 2", "--cost"}, kClean, "3\n", "cost "},
           {{"google.protobuf.Duration{seconds: 90} == duration('90s')"}, kClean, "true\n", ""},
           {{"google.protobuf.Int32Value{value: 5} + 1"}, kClean, "6\n", ""},
           {{"google.protobuf.Nothing{}"}, kUsage, "", "undeclared reference"},
           {{"{'a': [1]}"}, kClean, "{\n  \"a\": [\n    1\n  ]\n}\n", ""},
           {{"isIP('10.0.0.1')", "--kubernetes", "1.31"}, kClean, "true\n", ""},
           {{"1 / 0"}, kFindings, "", "division by zero\n | 1 / 0\n | ..^"},
           {{"1 +"}, kUsage, "", "Syntax error"},
           {{"missing"}, kUsage, "", "undeclared reference to 'missing'"},
           {{"isIP('10.0.0.1')", "--kubernetes", "1.29"}, kUsage, "", "undeclared reference"},
           {{"1", "--kubernetes", "new"}, kUsage, "", "--kubernetes: not a version"},
           {{"x", "--bind", "x"}, kUsage, "", "expected NAME=FILE or NAME:=JSON"},
           {{"x", "--bind", "x:={"}, kUsage, "", "--bind x:={"},
           {{"x", "--bind", "x=/nonexistent/file"}, kUsage, "", "/nonexistent/file"},
           {{}, kUsage, "", "an expression, or --batch, is needed"},
           {{"1", "--batch"}, kUsage, "", "an expression, or --batch, is needed"},
       }) {
    std::vector<std::string> args = {"cel", "eval"};
    args.insert(args.end(), c.args.begin(), c.args.end());
    Ran ran = Bulwark(args);
    SCOPED_TRACE(c.args.empty() ? "" : c.args[0]);
    EXPECT_EQ(ran.code, c.code) << ran.err;
    EXPECT_EQ(ran.out, c.out);
    EXPECT_THAT(ran.err, HasSubstr(c.err));
    if (c.err.empty()) EXPECT_THAT(ran.err, IsEmpty());
  }
}

TEST(CelCommandsTest, BindsFilesAndStandardInput) {
  Folder folder;
  folder.Write("web.yaml", "kind: Deployment\nspec: {replicas: 3}\n");
  Ran ran = Bulwark({"cel", "eval", "object.spec.replicas > 2", "--bind", "object=web.yaml"});
  EXPECT_EQ(ran.out, "true\n") << ran.err;
  ran = Bulwark({"cel", "eval", "object.spec.replicas", "--bind", "object=-"},
                {.input = R"({"spec": {"replicas": 7}})"});
  EXPECT_EQ(ran.out, "7\n") << ran.err;
  folder.Write("bad.yaml", "a: [1\n");
  ran = Bulwark({"cel", "eval", "object", "--bind", "object=bad.yaml"});
  EXPECT_EQ(ran.code, kUsage);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("bad.yaml"), HasSubstr("line ")));
}

TEST(CelCommandsTest, BatchAnswersEachLine) {
  Ran ran =
      Bulwark({"cel", "eval", "--batch"},
              {.input = "{\"expr\": \"x + 1\", \"bindings\": {\"x\": {\"int64_value\": \"41\"}}}\n"
                        "{\"expr\": \"1 / 0\"}\n"
                        "{\"expr\": \"1 +\"}\n"
                        "{\"expr\": 1}\n"
                        "{\"expr\": \"1u\"}\n"});
  EXPECT_EQ(ran.code, kClean) << ran.err;
  std::vector<std::string_view> lines = SplitLines(ran.out);
  ASSERT_EQ(lines.size(), 5u) << ran.out;
  EXPECT_EQ(lines[0], R"({"value":{"int64_value":"42"},"type":"int"})");
  EXPECT_THAT(std::string(lines[1]), HasSubstr(R"({"error":"division by zero)"));
  EXPECT_THAT(std::string(lines[2]), HasSubstr("Syntax error"));
  EXPECT_EQ(lines[3], R"({"error":"expr must be a string"})");
  EXPECT_EQ(lines[4], R"({"value":{"uint64_value":"1"},"type":"uint"})");
}

TEST(CelCommandsTest, BatchTellsOfLinesThatAreNoJson) {
  Ran ran =
      Bulwark({"cel", "eval", "--batch"}, {.input = "{\"expr\": \"1\"}\n{\n{\"expr\": \"2\"}\n"});
  EXPECT_EQ(ran.code, kUsage);
  std::vector<std::string_view> lines = SplitLines(ran.out);
  ASSERT_EQ(lines.size(), 3u) << ran.out;
  EXPECT_THAT(std::string(lines[1]), HasSubstr("\"error\""));
  EXPECT_THAT(std::string(lines[2]), HasSubstr("\"2\""));
}

TEST(CelCommandsTest, Check) {
  Ran ran = Bulwark({"cel", "check", "1 + 2 > 2"});
  EXPECT_EQ(ran.code, kClean) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("type bool\ncost "));
  ran = Bulwark({"cel", "check", "items.all(i, i < 3)", "--var", "items"});
  EXPECT_EQ(ran.code, kClean) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("to unbounded\n"));
  ran = Bulwark({"cel", "check", "1 + 'a'"});
  EXPECT_EQ(ran.code, kUsage);
  EXPECT_THAT(ran.err, HasSubstr("no matching overload"));
}

}  // namespace
}  // namespace bulwark::test
