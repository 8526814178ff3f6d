#include "formats/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "formats/json.h"

namespace bulwark {
namespace {

using ::testing::HasSubstr;

std::string Data(const std::string& name) {
  return std::string(BULWARK_SOURCE_DIR) + "/src/formats/config/testdata/" + name;
}

std::string Read(const std::string& path) {
  auto text = ReadFile(path);
  EXPECT_TRUE(text) << (text ? "" : text.error().ToString());
  return text.value_or("");
}

// Sorted, one line: what can be compared.
std::string Canonical(const Value& value) {
  return ToJson(value, {.indent = 1, .sort_keys = true});
}

// testdata/cases read by us is what Conftest makes of it (testdata/expected; README.md there).
class ShapesTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ShapesTest, AreConftests) {
  std::string name = GetParam();
  Arena arena;
  auto format = ConfigFormatOfPath(name);
  ASSERT_TRUE(format) << format.error().ToString();
  auto value = ParseConfig(*format, Read(Data("cases/" + name)), arena);
  ASSERT_TRUE(value) << value.error().ToString();
  std::string golden = name.front() == '.' ? name.substr(1) : name;
  auto expected = ParseJson(Read(Data("expected/" + golden + ".json")), arena);
  ASSERT_TRUE(expected);
  EXPECT_EQ(Canonical(*value), Canonical(*expected));
}

INSTANTIATE_TEST_SUITE_P(Files, ShapesTest,
                         ::testing::Values("main.tf", "app.toml", "app.ini", "prod.env", "pom.xml",
                                           "Dockerfile", "tsconfig.jsonc", "app.properties",
                                           ".dockerignore", "multi.yaml", "single.yml",
                                           "bom.json"));

TEST(ConfigFormatTest, IsToldByTheName) {
  for (auto [path, format] : std::initializer_list<std::pair<const char*, ConfigFormat>>{
           {"-", ConfigFormat::kYaml},
           {"a/Dockerfile", ConfigFormat::kDockerfile},
           {"Dockerfile.dev", ConfigFormat::kDockerfile},
           {"web.dockerfile", ConfigFormat::kDockerfile},
           {"x.tfvars", ConfigFormat::kHcl2},
           {"a.HCL", ConfigFormat::kHcl2},
           {".gitignore", ConfigFormat::kIgnore},
           {".env.prod", ConfigFormat::kDotenv},
           {"prod.env", ConfigFormat::kDotenv},
           {"a.b/c.toml", ConfigFormat::kToml},
           {"a.json", ConfigFormat::kJson}}) {
    auto found = ConfigFormatOfPath(path);
    ASSERT_TRUE(found) << path;
    EXPECT_EQ(*found, format) << path;
  }
  EXPECT_EQ(ConfigFormatOfPath("a.b/README").error().id(), "config.format");
  EXPECT_EQ(ConfigFormatOfName("nothing").error().code(), Code::kUnsupported);
  for (std::string_view name : ConfigFormatNames()) {
    EXPECT_EQ(ConfigFormatName(*ConfigFormatOfName(name)), name);
  }
}

struct BadCase {
  ConfigFormat format;
  std::string text;
  std::string message;
};

TEST(ConfigErrorsTest, NameThePlace) {
  for (const BadCase& c : std::vector<BadCase>{
           {ConfigFormat::kToml, "a = 1\nb = = 2\n", "line 2, column 5"},
           {ConfigFormat::kToml, "a = inf", "no number for infinity"},
           {ConfigFormat::kIni, "[a]\nnothing\n", "line 2, column 1: expected = or :"},
           {ConfigFormat::kIni, "[a\n", "without its ]"},
           {ConfigFormat::kIni, "[a]\nb=`x\ny\n", "line 2, column 1: no closing `"},
           {ConfigFormat::kDotenv, "A=1\nB C\n", "line 2, column 1: expected NAME=value"},
           {ConfigFormat::kDotenv, "A=\"x\nB=2\n", "line 1, column 3: no closing quote"},
           {ConfigFormat::kDotenv, "export NOPE\n", "not set"},
           {ConfigFormat::kXml, "<a>\n <b></a>", "line 2, column 7: mismatched tag"},
           {ConfigFormat::kXml, "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "entities"},
           {ConfigFormat::kHcl2, "a = 1\na = 2\n", "line 2, column 1: a is set twice"},
           {ConfigFormat::kHcl2, "a \"b\" {\n", "expected }"},
           {ConfigFormat::kHcl2, "a = \"${b\"\n", "expected } of the template"},
           {ConfigFormat::kHcl2, "a = <<E\nx\n", "the heredoc E does not end"},
           {ConfigFormat::kHcl2, "a = \"%{if x}y\"\n", "an if without its endif"},
           {ConfigFormat::kHcl2, "a = [1\nb = 2\n", "line 2, column 1: expected , or ]"},
           {ConfigFormat::kHcl2, "a \"x\" {}\na {}\n",
            "line 2, column 1: a stands with and without"},
           {ConfigFormat::kHcl2, "a = 1 b = 2\n", "column 7: expected the end of the line"},
           {ConfigFormat::kDockerfile, "FROM a\nFOO b\n", "line 2, column 1: unknown instruction"},
           {ConfigFormat::kDockerfile, "FROM a as\n", "either one or three"},
           {ConfigFormat::kDockerfile, "FROM a\nRUN <<E\nx\n", "the heredoc \"E\" does not end"},
           {ConfigFormat::kDockerfile, "FROM a\nCMD [1]\n", "strings only"},
           {ConfigFormat::kDockerfile, "# nothing\n", "without instructions"},
           {ConfigFormat::kDockerfile, "FROM a\nENV b\n", "needs two arguments"},
           {ConfigFormat::kProperties, "a=\\u12", "column 3"},
           {ConfigFormat::kJsonc, "{\"a\": /* x */ }", "column 15"},
           {ConfigFormat::kYaml, "a: b: c", "line 1"},
           {ConfigFormat::kIgnore, "a\n\xff", "line 2, column 1: not well-formed UTF-8"}}) {
    Arena arena;
    auto value = ParseConfig(c.format, c.text, arena);
    ASSERT_FALSE(value) << c.text << "\n" << ToJson(*value);
    EXPECT_EQ(value.error().code(), Code::kInvalid) << c.text;
    EXPECT_THAT(value.error().message(), HasSubstr(c.message)) << c.text;
  }
}

std::string Repeat(std::string_view part, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += part;
  return out;
}

TEST(ConfigLimitsTest, HoldDepthAndSize) {
  for (auto [format, text] : std::vector<std::pair<ConfigFormat, std::string>>{
           {ConfigFormat::kToml, "a = " + Repeat("[", 100'000)},
           {ConfigFormat::kToml, "[" + Repeat("a.", 100'000) + "b]"},
           {ConfigFormat::kXml, Repeat("<a>", 100'000)},
           {ConfigFormat::kHcl2, "a = " + Repeat("[", 100'000)},
           {ConfigFormat::kHcl2, "a = " + Repeat("(", 100'000)},
           {ConfigFormat::kHcl2, "a = " + Repeat("-", 100'000)},
           {ConfigFormat::kHcl2, "a = " + Repeat("\"${", 100'000)},
           {ConfigFormat::kHcl2, "a = " + Repeat("x?", 100'000)},
           {ConfigFormat::kHcl2, Repeat("a {\n", 100'000)},
           {ConfigFormat::kHcl2, "a = \"" + Repeat("%{if x}", 100'000) + "\""},
           {ConfigFormat::kJson, Repeat("[", 100'000)},
           {ConfigFormat::kYaml, Repeat("[", 100'000)}}) {
    Arena arena;
    auto value = ParseConfig(format, text, arena);
    ASSERT_FALSE(value) << ConfigFormatName(format);
    EXPECT_FALSE(value.error().message().empty());
  }
  for (size_t i = 0; i < ConfigFormatNames().size(); ++i) {
    Arena arena;
    auto value = ParseConfig(static_cast<ConfigFormat>(i), "a: b # more than that", arena,
                             {.max_bytes = 10});
    ASSERT_FALSE(value);
    EXPECT_EQ(value.error().code(), Code::kLimit);
  }
}

// Values that stand for each other twice a line would be 2^60 long.
TEST(ConfigLimitsTest, HoldExpansion) {
  std::string dotenv = "A0=xxxxxxxxxx\n";
  for (int i = 1; i < 60; ++i) {
    std::string last = std::to_string(i - 1);
    dotenv += "A" + std::to_string(i) + "=${A" + last + "}${A" + last + "}\n";
  }
  Arena arena;
  EXPECT_EQ(ParseDotenv(dotenv, arena, {.max_bytes = 1 << 20}).error().code(), Code::kLimit);
}

TEST(Hcl2Test, ManyBlocksAreQuick) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "b \"l" + std::to_string(i) + "\" {}\n";
  Arena arena;
  auto value = ParseHcl2(text, arena);
  ASSERT_TRUE(value);
  EXPECT_EQ((*value)["b"].size(), 20'000u);
}

TEST(JsoncTest, CommaBeforeTheEndIsAllowedAndStringsAreLeftAlone) {
  Arena arena;
  auto value = ParseJsonc("[1, {\"a\": \",]//\",}, ]", arena);
  ASSERT_TRUE(value) << value.error().ToString();
  EXPECT_EQ(ToJson(*value), R"([1,{"a":",]//"}])");
}

}  // namespace
}  // namespace bulwark
