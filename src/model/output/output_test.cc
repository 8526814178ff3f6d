#include "model/output/output.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/arena.h"
#include "base/hash.h"
#include "base/text.h"
#include "formats/json.h"
#include "model/output/testdata/sample.h"
#include "model/output/wrap.h"

namespace bulwark::output {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr Format kFormats[] = {Format::kTable, Format::kJson,     Format::kSarif, Format::kJunit,
                               Format::kHtml,  Format::kMarkdown, Format::kCsv};

std::string Text(Format format, const Report& report, const OutputOptions& options = {}) {
  std::string out;
  Write(format, report, options, [&](std::string_view text) { out += text; });
  return out;
}

// Source lines with wide characters before the column.
std::optional<std::string> LineOf(const std::string& file, uint32_t line) {
  if (file.find("deploy.yaml") == std::string::npos) return std::nullopt;
  return line == 27
             ? "          privileged: true  # 需要访问设备"
             : fmt::format("  容器😀: {} xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", line);
}

// With BW_UPDATE_GOLDEN=1 in the environment the file is written anew: read the difference.
void ExpectGolden(const std::string& name, const std::string& text) {
  std::string path = std::string(BULWARK_SOURCE_DIR) + "/src/model/output/testdata/" + name;
  if (std::getenv("BW_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  std::ifstream in(path, std::ios::binary);
  ASSERT_TRUE(in) << path;
  std::stringstream golden;
  golden << in.rdbuf();
  EXPECT_EQ(text, golden.str()) << "BW_UPDATE_GOLDEN=1 rewrites " << path;
}

TEST(Output, NamesOfFormats) {
  for (Format format : kFormats) EXPECT_EQ(ParseFormat(FormatName(format)), format);
  EXPECT_EQ(ParseFormat("md"), Format::kMarkdown);
  EXPECT_EQ(ParseFormat("xml"), std::nullopt);
}

struct Golden {
  const char* file;
  Format format;
  OutputOptions options;
};

TEST(Output, SampleReport) {
  const Report report = SampleReport();
  auto zh = [](OutputOptions o) {
    o.language = Language::kChinese;
    return o;
  };
  const Golden cases[] = {
      {"sample.table.txt", Format::kTable, {.baseline = true}},
      {"sample.excepted.table.txt", Format::kTable, zh({.columns = 100, .show_excepted = true})},
      {"sample.nsa.table.txt", Format::kTable, {.color = true, .columns = 60, .framework = "nsa"}},
      {"sample.high.table.txt", Format::kTable, {.min_severity = Severity::kHigh}},
      {"sample.json", Format::kJson, {.baseline = true}},
      {"sample.nsa.zh.json", Format::kJson, zh({.framework = "nsa"})},
      {"sample.sarif", Format::kSarif, {.baseline = true, .line_of = LineOf}},
      {"sample.zh.sarif", Format::kSarif, zh({})},
      {"sample.junit.xml", Format::kJunit, {}},
      {"sample.zh.junit.xml", Format::kJunit, zh({})},
      {"sample.md", Format::kMarkdown, {.show_excepted = true, .baseline = true}},
      {"sample.nsa.zh.md", Format::kMarkdown, zh({.framework = "nsa"})},
      {"sample.csv", Format::kCsv, {.baseline = true}},
      {"sample.zh.csv", Format::kCsv, zh({.csv_bom = true})},
  };
  for (const Golden& c : cases) {
    SCOPED_TRACE(c.file);
    ExpectGolden(c.file, Text(c.format, report, c.options));
  }
}

TEST(Output, EmptyReport) {
  const Report report = EmptyReport();
  ExpectGolden("empty.table.txt", Text(Format::kTable, report));
  ExpectGolden("empty.json", Text(Format::kJson, report));
  ExpectGolden("empty.sarif", Text(Format::kSarif, report));
  ExpectGolden("empty.junit.xml", Text(Format::kJunit, report));
  ExpectGolden("empty.md", Text(Format::kMarkdown, report));
  EXPECT_EQ(SplitLines(Text(Format::kCsv, report)).size(), 1U);
}

// Nothing that a stranger wrote reaches its reader as what it was meant to be.
TEST(Output, HostileTextIsHarmless) {
  const Report report = SampleReport();
  for (Format format : kFormats) {
    for (bool zh : {false, true}) {
      OutputOptions options{.show_excepted = true, .all = true};
      if (zh) options.language = Language::kChinese;
      std::string text = Text(format, report, options);
      SCOPED_TRACE(FormatName(format));
      EXPECT_TRUE(IsUtf8(text));
      EXPECT_EQ(text.find('\0'), std::string::npos);
      EXPECT_EQ(text.find('\x1b'), std::string::npos);
    }
  }
  std::string table = Text(Format::kTable, report);
  EXPECT_THAT(table, HasSubstr("\\x1b[31m"));
  EXPECT_THAT(table, HasSubstr("\\u202e"));

  std::string html = Text(Format::kHtml, report);
  size_t data = html.find("id=\"data\">"), end = html.find("</script>", data);
  ASSERT_NE(end, std::string::npos);
  EXPECT_EQ(html.substr(data, end - data).find('<'), std::string::npos);
  Arena arena;
  auto json = ParseJson(std::string_view(html).substr(data + 10, end - data - 10), arena);
  ASSERT_TRUE(json) << json.error().ToString();
  EXPECT_EQ((*json)["findings"].items().size(), report.findings.size());

  EXPECT_THAT(Text(Format::kCsv, report), Not(HasSubstr(",=")));
  std::string markdown = Text(Format::kMarkdown, report);
  EXPECT_THAT(markdown, Not(HasSubstr("<script")));
  EXPECT_THAT(markdown, Not(HasSubstr("@admin")));
  std::string junit = Text(Format::kJunit, report);
  EXPECT_THAT(junit, Not(HasSubstr("<script")));
  EXPECT_THAT(junit, HasSubstr("\xef\xbf\xbd[31mred"));
}

TEST(Output, NoColourUnlessAskedFor) {
  EXPECT_THAT(Text(Format::kTable, SampleReport()), Not(HasSubstr("\x1b[")));
  EXPECT_THAT(Text(Format::kTable, SampleReport(), {.color = true}), HasSubstr("\x1b[1;31m"));
}

TEST(Output, TableKeepsToItsColumns) {
  for (const Report& report : {SampleReport(), LargeReport(300)}) {
    for (int columns : {40, 80, 120}) {
      for (Language language : {Language::kEnglish, Language::kChinese}) {
        for (const char* framework : {"", "nsa"}) {
          std::string text = Text(Format::kTable, report,
                                  {.language = language,
                                   .columns = columns,
                                   .framework = framework,
                                   .show_excepted = true});
          for (std::string_view line : SplitLines(text)) {
            // What is to be copied (places, commands) stays whole.
            if (columns == 40 &&
                (line.find(".yaml:") != line.npos || line.starts_with("  bulwark"))) {
              continue;
            }
            EXPECT_LE(DisplayWidth(line), static_cast<size_t>(columns)) << line;
          }
        }
      }
    }
  }
}

TEST(Output, TableCountsWhatRepeats) {
  const Report report = LargeReport(1000);
  std::string text = Text(Format::kTable, report);
  EXPECT_LT(SplitLines(text).size(), 140U);
  EXPECT_THAT(text, HasSubstr("privileged-container: 994 more in 10 namespaces"));
  std::string all = Text(Format::kTable, report, {.all = true});
  EXPECT_GT(SplitLines(all).size(), 10000U);
  EXPECT_THAT(all, Not(HasSubstr("more in")));
}

TEST(Output, MinimumSeverityIsCountedNotListed) {
  OutputOptions options{.min_severity = Severity::kCritical};
  const Report report = SampleReport();
  EXPECT_EQ(SplitLines(Text(Format::kCsv, report, options)).size(), 3U);
  EXPECT_THAT(Text(Format::kTable, report, options), HasSubstr("6 below critical"));
}

TEST(Output, SarifColumnsAreUtf16) {
  std::string with = Text(Format::kSarif, SampleReport(), {.line_of = LineOf});
  // Byte column 20 of "  容器😀: 34 …": 2 + 3 + 3 + 4 bytes are 2 + 1 + 1 + 2 units.
  EXPECT_THAT(with, HasSubstr(R"("region":{"startLine":34,"startColumn":14)"));
  EXPECT_THAT(with, HasSubstr(R"("deletedRegion":{"startLine":27,"startColumn":23,"endLine":27)"));
  std::string without = Text(Format::kSarif, SampleReport());
  EXPECT_THAT(without, Not(HasSubstr("startColumn")));
  EXPECT_THAT(without, HasSubstr(R"("deletedRegion":{"byteOffset":512,"byteLength":4})"));
}

TEST(Output, HtmlPolicyNamesItsOwnScriptAndStyle) {
  std::string html = Text(Format::kHtml, SampleReport());
  for (std::string_view tag : {"style", "script"}) {
    size_t from = html.find(fmt::format("<{}>", tag)) + tag.size() + 2;
    size_t to = html.find(fmt::format("</{}>", tag), from);
    EXPECT_THAT(html, HasSubstr(fmt::format(
                          "{}-src 'sha256-{}'", tag,
                          Base64Encode(Sha256(std::string_view(html).substr(from, to - from))))));
  }
  EXPECT_THAT(html, Not(HasSubstr("@DATA@")));
  // Nothing is fetched: no address is in an attribute that loads.
  EXPECT_THAT(html, Not(testing::ContainsRegex("(src|href)=\"http")));
}

TEST(Output, MarkdownFitsAComment) {
  const Report large = LargeReport(2000);
  std::string text = Text(Format::kMarkdown, large);
  EXPECT_LT(text.size(), 65'536U);
  EXPECT_THAT(text, HasSubstr("more are left out here"));
  EXPECT_GT(Text(Format::kMarkdown, large, {.all = true}).size(), 1'000'000U);
}

// Twice the findings, twice the text and no more than so much the time.
TEST(Output, IsLinearInFindings) {
  const Report small = LargeReport(200), large = LargeReport(2000);  // 10,000 findings
  for (Format format : kFormats) {
    SCOPED_TRACE(FormatName(format));
    auto measure = [&](const Report& report) {
      auto begin = std::chrono::steady_clock::now();
      size_t bytes = 0, largest = 0;
      Write(format, report, {.all = true}, [&](std::string_view text) {
        bytes += text.size();
        largest = std::max(largest, text.size());
      });
      EXPECT_LT(largest, size_t{256} << 10);  // piece by piece
      return std::pair(bytes, std::chrono::steady_clock::now() - begin);
    };
    auto [small_bytes, small_time] = measure(small);
    auto [large_bytes, large_time] = measure(large);
    EXPECT_LT(large_bytes, small_bytes * 11);
    EXPECT_LT(large_time, small_time * 60 + std::chrono::seconds(1));
  }
}

TEST(Output, SameReportSameBytes) {
  for (Format format : kFormats) {
    EXPECT_EQ(Text(format, SampleReport()), Text(format, SampleReport()));
  }
}

TEST(Baseline, ReadsWhatJsonWrites) {
  Report report = SampleReport();
  auto ids = ReadBaseline(Text(Format::kJson, report));
  ASSERT_TRUE(ids) << ids.error().ToString();
  EXPECT_EQ(ids->size(), report.findings.size());
  MarkNew(report.findings, *ids);
  for (const Finding& f : report.findings) EXPECT_FALSE(f.is_new) << f.check;
  std::string gone = *ids->begin();
  ids->erase(gone);
  MarkNew(report.findings, *ids);
  for (const Finding& f : report.findings) EXPECT_EQ(f.is_new, f.id == gone);
}

TEST(Baseline, RefusesWhatIsNoReport) {
  for (const char* text : {"[]", "{}", R"({"findings": 3})", R"({"findings": [{}]})",
                           R"({"findings": [{"id": 7}]})", R"({"findings": ["a"]})"}) {
    auto ids = ReadBaseline(text);
    ASSERT_FALSE(ids) << text;
    EXPECT_EQ(ids.error().id(), "baseline.invalid");
  }
  EXPECT_FALSE(ReadBaseline("{\"findings\": ["));
}

TEST(Wrap, BreaksWhereOneMay) {
  struct Case {
    const char* text;
    size_t columns;
    std::vector<std::string> lines;
  };
  const Case cases[] = {
      {"", 10, {""}},
      {"one two three", 8, {"one two", "three"}},
      {"one  two\nthree", 80, {"one two three"}},
      {"abcdefghij", 4, {"abcd", "efgh", "ij"}},
      {"容器以特权模式运行", 8, {"容器以特", "权模式运", "行"}},
      {"容器，以", 4, {"容", "器，", "以"}},
      {"将 privileged 设为 false。", 13, {"将 privileged", "设为 false。"}},
  };
  for (const Case& c : cases) EXPECT_EQ(Wrap(c.text, c.columns), c.lines) << c.text;
}

}  // namespace
}  // namespace bulwark::output
