#include "base/time.h"

#include <gtest/gtest.h>

namespace bulwark {
namespace {

TEST(Time, CivilDatesGoBothWays) {
  struct {
    int64_t seconds;
    const char* text;
    int weekday, yearday;
  } cases[] = {
      {0, "1970-01-01T00:00:00Z", 4, 1},
      {-1, "1969-12-31T23:59:59Z", 3, 365},
      {951782400, "2000-02-29T00:00:00Z", 2, 60},
      {4107542399, "2100-02-28T23:59:59Z", 0, 59},
      {4107542400, "2100-03-01T00:00:00Z", 1, 60},
      {-62135596800, "0001-01-01T00:00:00Z", 1, 1},
      {253402300799, "9999-12-31T23:59:59Z", 5, 365},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(FormatRfc3339({c.seconds, 0}), c.text);
    EXPECT_EQ(ParseRfc3339(c.text).value(), (Timestamp{c.seconds, 0}));
    Civil civil = ToCivil(c.seconds);
    EXPECT_EQ(civil.weekday, c.weekday) << c.text;
    EXPECT_EQ(civil.yearday, c.yearday) << c.text;
    EXPECT_EQ(FromCivil(civil), c.seconds);
  }
  for (int64_t day = -800'000; day < 800'000; day += 13) {
    Civil civil = ToCivil(day * 86400);
    ASSERT_EQ(DaysFromCivil(civil.year, civil.month, civil.day), day);
  }
}

TEST(Time, Rfc3339ReadsZonesAndFractions) {
  const std::pair<const char*, const char*> cases[] = {
      {"2024-01-31T23:59:59.5Z", "2024-01-31T23:59:59.5Z"},
      {"2024-01-31T23:59:59.123456789123Z", "2024-01-31T23:59:59.123456789Z"},
      {"2024-01-31T23:59:59.000000001Z", "2024-01-31T23:59:59.000000001Z"},
      {"2024-01-01T00:00:00+08:00", "2023-12-31T16:00:00Z"},
      {"2023-12-31T23:30:00-00:45", "2024-01-01T00:15:00Z"},
      {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(FormatRfc3339(ParseRfc3339(text).value()), expected);
  }
  for (const char* text :
       {"", "2024", "2024-01-31", "2024-01-31 23:59:59Z", "2024-01-31t23:59:59Z",
        "2024-01-31T23:59:59", "2024-01-31T23:59:59z", "2024-13-01T00:00:00Z",
        "2023-02-29T00:00:00Z", "2024-01-00T00:00:00Z", "2024-01-31T24:00:00Z",
        "2024-01-31T23:59:60Z", "2024-01-31T23:59:59.Z", "2024-01-31T23:59:59+0800",
        "2024-01-31T23:59:59+24:00", "2024-01-31T23:59:59Z ", "24-01-31T23:59:59Z",
        "+2024-01-31T23:59:59Z"}) {
    EXPECT_EQ(ParseRfc3339(text).error().id(), "time.malformed") << text;
  }
}

TEST(Time, AddsAndSubtractsWithoutOverflow) {
  Timestamp at{10, 900'000'000};
  EXPECT_EQ(at + Nanos(200'000'000), (Timestamp{11, 100'000'000}));
  EXPECT_EQ(at - Nanos(1'000'000'000), (Timestamp{9, 900'000'000}));
  EXPECT_EQ((Timestamp{0, 0} - Nanos(1)), (Timestamp{-1, 999'999'999}));
  EXPECT_EQ((Timestamp{0, 0} - Timestamp{0, 1}).count(), -1);
  EXPECT_EQ((Timestamp{INT64_MAX, 0} - Timestamp{-1, 0}), Nanos::max());
  EXPECT_EQ((Timestamp{INT64_MIN, 0} - Timestamp{1, 0}), Nanos::min());
}

// The answers are Go's.
TEST(Time, DurationsReadAndWriteAsInGo) {
  const std::pair<const char*, const char*> cases[] = {
      {"0", "0s"},
      {"+5s", "5s"},
      {"-5s", "-5s"},
      {"1h2m3.5s", "1h2m3.5s"},
      {"1.5h", "1h30m0s"},
      {"300ms", "300ms"},
      {"-1.5h", "-1h30m0s"},
      {"2us", "2µs"},
      {"2µs", "2µs"},
      {"2μs", "2µs"},
      {"1ns", "1ns"},
      {"3000000h", "error"},
      {"9223372036854775807ns", "2562047h47m16.854775807s"},
      {"9223372036854775808ns", "error"},
      {"-9223372036854775808ns", "-2562047h47m16.854775808s"},
      {"9223372036854775.807us", "2562047h47m16.854775807s"},
      {"0.100000000000000000000h", "6m0s"},
      {"0.830103483285477580700h", "49m48.372539827s"},
      {"0.3333333333333333333h", "20m0s"},
      {"9007199254740993ns", "2501h59m59.254740993s"},
      {"1d", "error"},
      {"", "error"},
      {"3", "error"},
      {"-", "error"},
      {"s", "error"},
      {".", "error"},
      {"-.", "error"},
      {"1.s", "1s"},
      {".5s", "500ms"},
      {"1h1m1s1ms1us1ns", "1h1m1.001001001s"},
      {"+0", "0s"},
      {"--1s", "error"},
      {"1e3s", "error"},
      {"1 s", "error"},
      {"9223372036.854775808s", "error"},
      {"39h9m14.425s", "39h9m14.425s"},
      {"0.9223372036854775807h", "55m20.413933267s"},
  };
  for (const auto& [text, expected] : cases) {
    Result<Nanos> duration = ParseGoDuration(text);
    EXPECT_EQ(duration ? FormatGoDuration(*duration) : "error", expected) << text;
  }
  EXPECT_EQ(ParseGoDuration("-9223372036854775808ns").value(), Nanos::min());
  EXPECT_EQ(ParseGoDuration("0.3333333333333333333h").value().count(), 1'200'000'000'000);
}

// The answers are robfig/cron v3's, after 2024-02-28T23:59:30.000000005Z.
TEST(Time, CronFiresAsInKubernetes) {
  const std::pair<const char*, const char*> cases[] = {
      {"* * * * *", "2024-02-29T00:00:00Z"},
      {"*/15 * * * *", "2024-02-29T00:00:00Z"},
      {"0 3 * * *", "2024-02-29T03:00:00Z"},
      {"30 4 1,15 * 5", "2024-03-01T04:30:00Z"},
      {"0 0 29 2 *", "2024-02-29T00:00:00Z"},
      {"0 0 30 2 *", "never"},
      {"0 22 * * 1-5", "2024-02-29T22:00:00Z"},
      {"23 0-20/2 * * *", "2024-02-29T00:23:00Z"},
      {"5 4 * * sun", "2024-03-03T04:05:00Z"},
      {"0 0 1 JAN-Mar *", "2024-03-01T00:00:00Z"},
      {"@hourly", "2024-02-29T00:00:00Z"},
      {"@daily", "2024-02-29T00:00:00Z"},
      {"@weekly", "2024-03-03T00:00:00Z"},
      {"@monthly", "2024-03-01T00:00:00Z"},
      {"@yearly", "2025-01-01T00:00:00Z"},
      {"@annually", "2025-01-01T00:00:00Z"},
      {"@midnight", "2024-02-29T00:00:00Z"},
      {"@every 1h30m", "2024-02-29T01:29:30Z"},
      {"@every 1s", "2024-02-28T23:59:31Z"},
      {"@every 100ms", "2024-02-28T23:59:31Z"},
      {"0 0 13 * 5", "2024-03-01T00:00:00Z"},
      {"0 0 */2 * 1", "2024-02-29T00:00:00Z"},
      {"0 0 ? * mon", "2024-03-04T00:00:00Z"},
      {"7/10 * * * *", "2024-02-29T00:07:00Z"},
      {"59 23 31 12 *", "2024-12-31T23:59:00Z"},
      {"* * * * 7", "error"},
      {"60 * * * *", "error"},
      {"* * * *", "error"},
      {"5-1 * * * *", "error"},
      {"*/0 * * * *", "error"},
      {"a * * * *", "error"},
      {"@never", "error"},
      {"0 0 0 * *", "error"},
      {"", "error"},
      {"0 0 1 13 *", "error"},
      {"1,2,3-5,*/30 1 * * *", "2024-02-29T01:00:00Z"},
      {"0 0 * * */2", "2024-02-29T00:00:00Z"},
      {"0 12 31 * *", "2024-03-31T12:00:00Z"},
      {"0 0 */1 * 1", "2024-03-04T00:00:00Z"},
  };
  Timestamp after = ParseRfc3339("2024-02-28T23:59:30.000000005Z").value();
  for (const auto& [text, expected] : cases) {
    Result<CronSchedule> schedule = CronSchedule::Parse(text);
    std::string answer = "error";
    if (schedule) {
      auto next = schedule->Next(after);
      answer = next ? FormatRfc3339(*next) : "never";
    }
    EXPECT_EQ(answer, expected) << text;
  }
}

TEST(Time, CronReadsItsFieldsInTheZoneItIsTold) {
  CronSchedule nightly = CronSchedule::Parse("0 3 * * *").value();
  Timestamp after = ParseRfc3339("2024-01-01T18:59:59Z").value();
  EXPECT_EQ(FormatRfc3339(*nightly.Next(after, 8 * 3600)), "2024-01-01T19:00:00Z");
  EXPECT_EQ(FormatRfc3339(*nightly.Next(after, -5 * 3600)), "2024-01-02T08:00:00Z");
  EXPECT_FALSE(CronSchedule::Parse("TZ=Asia/Shanghai 0 3 * * *"));
  // Before 1970 the days still go forward.
  EXPECT_EQ(FormatRfc3339(*nightly.Next({-86400 * 3 - 1, 0})), "1969-12-29T03:00:00Z");
}

}  // namespace
}  // namespace bulwark
