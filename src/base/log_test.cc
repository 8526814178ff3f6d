#include "base/log.h"

#include <gtest/gtest.h>

#include "base/metrics.h"

namespace bulwark {
namespace {

class LogTest : public testing::Test {
 protected:
  void Start(Level level, LogFormat format) {
    SetLog({level, format, [this](std::string_view line) { lines_ += line; }});
  }
  void TearDown() override { SetLog({}); }
  // Without its time.
  std::string Line() {
    EXPECT_TRUE(lines_.ends_with("\n"));
    return lines_.substr(lines_.find(' ') + 1);
  }
  std::string lines_;
};

TEST_F(LogTest, TextIsForPeople) {
  Start(Level::kInfo, LogFormat::kText);
  Log(Level::kWarn, "scan.layer.skipped",
      {{"digest", "sha256:ab"}, {"bytes", size_t{7}}, {"ok", false}, {"ratio", 0.5}, {"n", -3}});
  EXPECT_EQ(Line(), "WARN  scan.layer.skipped digest=sha256:ab bytes=7 ok=false ratio=0.5 n=-3\n");
}

TEST_F(LogTest, StrangersTextCannotForgeALine) {
  Start(Level::kInfo, LogFormat::kText);
  Log(Level::kError, "x", {{"why", "a\nERROR y \x1b[31m \u202e\""}});
  EXPECT_EQ(Line(), "ERROR x why=\"a\\u000aERROR y \\u001b[31m \\u202e\\\"\"\n");
}

TEST_F(LogTest, JsonHoldsTheSameFields) {
  Start(Level::kDebug, LogFormat::kJson);
  Log(Level::kDebug, "a.b", {{"名", "容器"}, {"error", Error(Code::kInvalid, "bad \"x\"")}});
  ASSERT_TRUE(lines_.starts_with("{\"time\":\"20"));
  EXPECT_EQ(
      lines_.substr(lines_.find(",\"level")),
      ",\"level\":\"debug\",\"event\":\"a.b\",\"名\":\"容器\",\"error\":\"bad \\\"x\\\"\"}\n");
}

TEST_F(LogTest, SecretsAndLongTextsDoNotGetIn) {
  Start(Level::kInfo, LogFormat::kText);
  Log(Level::kInfo, "x", {{"token", Secret("hunter2")}, {"long", std::string(5000, 'a')}});
  EXPECT_EQ(lines_.find("hunter2"), std::string::npos);
  EXPECT_NE(lines_.find("token=\"[redacted, 7 bytes]\""), std::string::npos);
  EXPECT_LT(lines_.size(), 4300u);
}

TEST_F(LogTest, WhatIsBelowTheLevelIsNotWritten) {
  Start(Level::kWarn, LogFormat::kText);
  Log(Level::kInfo, "x");
  EXPECT_EQ(lines_, "");
  EXPECT_FALSE(LogEnabled(Level::kInfo));
  EXPECT_EQ(ParseLevel("WARN").value(), Level::kWarn);
  EXPECT_FALSE(ParseLevel("loud"));
}

TEST(Metrics, ExposesTextFormat) {
  Metrics metrics;
  metrics.AddCounter("b_total", "Counts \\ and\nlines.", {{"q", "a\"b\\c\nd"}, {"a", "1"}}).Add(3);
  metrics.AddCounter("b_total", "", {{"a", "1"}, {"q", "a\"b\\c\nd"}}).Add();
  metrics.AddGauge("a_bytes", "Bytes.").Set(1.5);
  Histogram& histogram = metrics.AddHistogram("c_seconds", "Times.", {0.1, 1}, {{"op", "x"}});
  for (double seconds : {0.05, 0.1, 0.5, 7.0}) histogram.Observe(seconds);
  EXPECT_EQ(histogram.count(), 4u);
  EXPECT_EQ(metrics.Expose(),
            "# HELP a_bytes Bytes.\n# TYPE a_bytes gauge\na_bytes 1.5\n"
            "# HELP b_total Counts \\\\ and\\nlines.\n# TYPE b_total counter\n"
            "b_total{a=\"1\",q=\"a\\\"b\\\\c\\nd\"} 4\n"
            "# HELP c_seconds Times.\n# TYPE c_seconds histogram\n"
            "c_seconds_bucket{op=\"x\",le=\"0.1\"} 2\nc_seconds_bucket{op=\"x\",le=\"1\"} 3\n"
            "c_seconds_bucket{op=\"x\",le=\"+Inf\"} 4\nc_seconds_sum{op=\"x\"} 7.65\n"
            "c_seconds_count{op=\"x\"} 4\n");
}

TEST(Metrics, TooManySeriesAreCountedTogether) {
  Metrics metrics(2);
  for (int i = 0; i < 10; ++i)
    metrics.AddCounter("x_total", "X.", {{"id", std::to_string(i)}}).Add();
  EXPECT_EQ(metrics.Expose(),
            "# HELP x_total X.\n# TYPE x_total counter\nx_total{id=\"0\"} 1\nx_total{id=\"1\"} 1\n"
            "x_total{id=\"other\"} 8\n");
}

}  // namespace
}  // namespace bulwark
