#include "formats/yaml.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "formats/json.h"

namespace bulwark {
namespace {

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string AsJson(std::string_view text, YamlOptions options = {}) {
  Arena arena;
  Result<Value> value = ParseYaml(text, arena, options);
  return value ? ToJson(*value) : value.error().id() + ": " + value.error().message();
}

// Each document of testdata/yaml/x.yaml against what Kubernetes' own code made of it (x.json,
// written by tools/yamlgolden).
TEST(Yaml, MeansWhatKubernetesMakesOfIt) {
  size_t files = 0;
  size_t values = 0;
  size_t errors = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(BULWARK_SOURCE_DIR "/src/formats/testdata/yaml")) {
    if (file.path().extension() != ".yaml") continue;
    SCOPED_TRACE(file.path().filename());
    ++files;
    std::string text = ReadAll(file.path());
    std::filesystem::path golden_path = file.path();
    std::string golden = ReadAll(golden_path.replace_extension(".json"));
    YamlOptions options;
    options.duplicate_keys = !file.path().string().ends_with(".strict.yaml");
    YamlDocuments documents(text);
    std::stringstream lines(golden);
    for (std::string line; std::getline(lines, line);) {
      ASSERT_TRUE(documents.More());
      Arena arena;
      SourceMap positions;
      Result<YamlDocument> document = documents.Next();
      Result<Value> value = document ? ParseYaml(document->text, arena, options, &positions)
                                     : Result<Value>(document.error());
      if (line.starts_with("error: ")) {
        ++errors;
        EXPECT_FALSE(value) << line << "\nbut here: " << ToJson(*value);
      } else {
        ++values;
        ASSERT_TRUE(value) << line << "\nbut here: " << value.error().message();
        EXPECT_EQ(ToJson(*value, {.sort_keys = true}),
                  ToJson(ParseJson(line, arena).value(), {.sort_keys = true}));
      }
    }
    EXPECT_FALSE(documents.More());
  }
  EXPECT_GE(files, 180u);
  EXPECT_GE(values, 85u);
  EXPECT_GE(errors, 100u);
}

// Where libyaml takes more than Kubernetes' port of it, or where Kubernetes would drop text.
TEST(Yaml, DiffersFromKubernetesWhereThatIsSafer) {
  EXPECT_EQ(AsJson(R"(a: "\/")"), R"({"a":"/"})");
  EXPECT_EQ(AsJson("{a: 1}\n{b: 2}\n"),
            "yaml.syntax: line 2, column 1: did not find expected <document start>");
  EXPECT_EQ(AsJson("a: 1\n...\n---\nb: 2\n"),
            "yaml.trailing: line 3, column 1: another document follows in the same text");
}

TEST(Yaml, NumbersHaveTheKindThatTheyHaveAfterJson) {
  Arena arena;
  Value v = ParseYaml("[1, 1.0, 1e3, 1.5, 9223372036854775808, 1e19, 08, -0.0]", arena).value();
  using Kind = Value::Kind;
  const Kind kinds[] = {Kind::kInt,  Kind::kInt,    Kind::kInt, Kind::kDouble,
                        Kind::kUint, Kind::kDouble, Kind::kInt, Kind::kDouble};
  ASSERT_EQ(v.size(), std::size(kinds));
  for (size_t i = 0; i < v.size(); ++i) EXPECT_EQ(v[i].kind(), kinds[i]) << i;
}

TEST(Yaml, ErrorsSayWhereInBytes) {
  struct {
    std::string_view text, error;
  } cases[] = {
      {"容器: [1, 2\n",
       "yaml.syntax: line 2, column 1: while parsing a flow sequence: did not find "
       "expected ',' or ']' (it began in line 1)"},
      {"a: 安全\n\tb: 1",
       "yaml.syntax: line 2, column 1: while scanning a plain scalar: found a tab character that "
       "violates indentation (it began in line 1)"},
      {"a: 安全 *x", "{\"a\":\"安全 *x\"}"},
      {"安全: *x", "yaml.alias: line 1, column 9: no anchor \"x\" stands before this alias"},
      {"a: &x [*x]", "yaml.alias: line 1, column 8: the anchor \"x\" would contain itself"},
      {"a: {b: 1}\n[1]: 2",
       "yaml.key: line 2, column 1: expected a key that is a string, a bool or "
       "a number, found a sequence"},
      {"~: 1",
       "yaml.key: line 1, column 1: expected a key that is a string, a bool or a number, "
       "found null"},
      {"a: !!int x", "yaml.tag: line 1, column 4: the text \"x\" is not what its tag says it is"},
      {"a: .inf", "yaml.not_finite: line 1, column 4: JSON cannot hold NaN or an infinity"},
      {"a: {<<: 1}",
       "yaml.merge: line 1, column 9: expected a map, or a sequence of maps, as the "
       "value of the merge key <<"},
      {std::string_view("a: x\0y", 6),
       "yaml.control: line 1, column 5: a control character, "
       "\"\\x00\", which YAML does not allow"},
      {"容: x\x01",
       "yaml.control: line 1, column 7: a control character, \"\\x01\", which YAML does "
       "not allow"},
      {"a: \xff", "yaml.utf8: line 1, column 4: the text is not UTF-8"},
      {"\xff\xfe"
       "a",
       "yaml.utf16: the text is UTF-16, by its byte order mark; expected UTF-8"},
  };
  for (const auto& [text, error] : cases) EXPECT_EQ(AsJson(text), error) << text;
}

TEST(Yaml, DuplicatesAreAnErrorWhereStrictButMergedKeysMayBeOverridden) {
  YamlOptions strict{.duplicate_keys = false};
  EXPECT_EQ(AsJson("a: 1\nb: 2\n\"a\": 3\n", strict),
            "yaml.duplicate_key: line 3, column 1: the key \"a\" stands here a second time");
  EXPECT_EQ(AsJson("x: &x {a: 1}\nz:\n  <<: *x\n  a: 2\n", strict), R"({"x":{"a":1},"z":{"a":2}})");
  EXPECT_EQ(AsJson("x: &x {a: 1}\ny:\n  <<: *x\n  b: 2\n  b: 3\n", strict),
            "yaml.duplicate_key: line 5, column 3: the key \"b\" stands here a second time");
  EXPECT_EQ(AsJson("a: 1\nb: 2\na: 3\n"), R"({"a":3,"b":2})");
}

TEST(Yaml, LimitsOfDepthSizeAndAliases) {
  EXPECT_EQ(AsJson("[[[1]]]", {.max_depth = 2}),
            "yaml.too_deep: line 1, column 3: nested deeper than the 2 levels that are allowed");
  EXPECT_TRUE(AsJson(std::string(100'000, '[')).starts_with("yaml.too_deep"));
  EXPECT_EQ(AsJson("a: 1", {.max_bytes = 3}),
            "yaml.too_big: a YAML text of 4 bytes, more than the 3 that are allowed");
  // Aliases must not carry a value past the depth limit either.
  EXPECT_EQ(AsJson("- &a [[1]]\n- &b [[*a]]\n- [[*b]]\n", {.max_depth = 6}),
            "yaml.too_deep: line 3, column 5: nested deeper than the 6 levels that are allowed");
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 1; k < 10; ++k) bomb += ", " + before;
    bomb += "]\n";
  }
  EXPECT_TRUE(AsJson(bomb).starts_with("yaml.alias_bomb: line 6, column "));
  std::string merges = "m: &m {a: 1, b: 2, c: 3}\n";
  for (int i = 0; i < 10; ++i) merges += "k" + std::to_string(i) + ": {<<: [*m, *m, *m]}\n";
  EXPECT_TRUE(AsJson(merges, {.max_alias_nodes = 100}).starts_with("yaml.alias_bomb"));
}

std::string Spelled(std::string_view text, std::optional<Position> at) {
  return at ? std::string(text.substr(at->offset, at->end - at->offset)) : "-";
}

TEST(Yaml, PositionsAreBytesOfValuesAndKeys) {
  std::string_view text =
      "# 说明\n"
      "名称: 容器  # 注释\n"
      "spec:\n"
      "  list:\n"
      "  - 一: \"引号\"\n"
      "  - {甲: [1, 二], b: }\n"
      "  empty:\n"
      "  text: |\n"
      "    块\n"
      "\n"
      "# end\n"
      "last: 'x'\n";
  Arena arena;
  SourceMap positions;
  Value v = ParseYaml(text, arena, {}, &positions).value();
  auto value = [&](const Value* slot) { return Spelled(text, positions.Of(slot)); };
  auto key = [&](const Value* slot) { return Spelled(text, positions.KeyOf(slot)); };
  const Value* name = v.Find("名称");
  EXPECT_EQ(value(name), "容器");
  EXPECT_EQ(key(name), "名称");
  EXPECT_EQ(positions.Of(name)->line, 2u);
  EXPECT_EQ(positions.Of(name)->column, 9u);
  const Value* spec = v.Find("spec");
  EXPECT_TRUE(value(spec).starts_with("list:\n"));
  EXPECT_TRUE(value(spec).ends_with("块\n\n")) << value(spec);
  const Value* list = spec->Find("list");
  EXPECT_EQ(value(list), "- 一: \"引号\"\n  - {甲: [1, 二], b: }");
  EXPECT_EQ(value(&list->items()[0]), "一: \"引号\"");
  EXPECT_EQ(value(list->items()[0].Find("一")), "\"引号\"");
  const Value* nested = list->items()[1].Find("甲");
  EXPECT_EQ(value(nested), "[1, 二]");
  EXPECT_EQ(value(&nested->items()[1]), "二");
  EXPECT_EQ(positions.Of(&nested->items()[1])->line, 6u);
  EXPECT_EQ(positions.Of(&nested->items()[1])->column, 15u);
  EXPECT_EQ(value(spec->Find("empty")), "");
  EXPECT_EQ(key(spec->Find("empty")), "empty");
  EXPECT_EQ(value(v.Find("last")), "'x'");
  EXPECT_EQ(positions.Of(v.Find("last"))->line, 12u);
  EXPECT_EQ(positions.Root().line, 2u);
}

TEST(Yaml, AliasesAndMergesStandWhereTheyAreWritten) {
  std::string_view text = "a: &x {k: [1]}\nb: *x\nc:\n  <<: *x\n  d: 1\n";
  Arena arena;
  SourceMap positions;
  Value v = ParseYaml(text, arena, {}, &positions).value();
  EXPECT_EQ(Spelled(text, positions.Of(v.Find("b"))), "*x");
  EXPECT_EQ(Spelled(text, positions.Of(v["b"].Find("k"))), "[1]");
  EXPECT_EQ(Spelled(text, positions.Of(v["c"].Find("k"))), "*x");
  EXPECT_EQ(positions.Of(v["c"].Find("k"))->line, 4u);
}

TEST(Yaml, ByteOrderMarkAndOriginMovePositions) {
  std::string_view text =
      "\xef\xbb\xbf"
      "a: 1\n---\n\nb: 二\n";
  YamlDocuments documents(text);
  std::string seen;
  while (documents.More()) {
    YamlDocument document = documents.Next().value();
    Arena arena;
    SourceMap positions;
    Value v = ParseYaml(document.text, arena, {.origin = document.origin}, &positions).value();
    Position at = *positions.Of(&v.entries()[0].value);
    seen +=
        Spelled(text, at) + "@" + std::to_string(at.line) + ":" + std::to_string(at.column) + " ";
  }
  EXPECT_EQ(seen, "1@1:7 二@4:4 ");
}

TEST(Yaml, AnErrorInALaterDocumentNamesItsLineInTheFile) {
  std::string_view text = "a: 1\r\n---\r\nb: [\r\n";
  YamlDocuments documents(text);
  documents.Next().value();
  YamlDocument second = documents.Next().value();
  EXPECT_EQ(AsJson(second.text, {.origin = second.origin}),
            "yaml.syntax: line 4, column 1: while parsing a flow node: did not find expected node "
            "content");
  YamlDocuments wrong("a: 1\n--- x\n");
  Result<YamlDocument> document = wrong.Next();
  EXPECT_EQ(document.error().message(),
            "line 2, column 1: expected nothing but a comment after ---, found \"x\"");
  EXPECT_FALSE(wrong.More());
}

// Whatever a document is cut off at, there is a value or an error.
TEST(Yaml, TruncatedTextsNeverCrash) {
  for (const char* name : {"anchors", "merge", "flow", "block_literal", "double_quoted", "chinese",
                           "documents_crlf", "tags"}) {
    std::string text =
        ReadAll(BULWARK_SOURCE_DIR "/src/formats/testdata/yaml/" + std::string(name) + ".yaml");
    ASSERT_FALSE(text.empty());
    for (size_t length = 0; length <= text.size(); ++length) {
      Arena arena;
      SourceMap positions;
      Result<Value> value =
          ParseYaml(std::string_view(text).substr(0, length), arena, {}, &positions);
      EXPECT_TRUE(value || !value.error().message().empty());
    }
  }
}

}  // namespace
}  // namespace bulwark
