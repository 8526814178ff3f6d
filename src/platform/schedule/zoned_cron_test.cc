#include "platform/schedule/zoned_cron.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bulwark::schedule {
namespace {

std::vector<std::string> Times(std::string_view cron, std::string_view zone, std::string_view after,
                               size_t count) {
  auto parsed = ZonedCron::Parse(cron, zone);
  EXPECT_TRUE(parsed) << parsed.error().ToString();
  std::vector<std::string> out;
  Timestamp at = ParseRfc3339(after).value();
  while (out.size() < count) {
    auto next = parsed->Next(at);
    if (!next) break;
    EXPECT_GT(*next, at);
    out.push_back(FormatRfc3339(*next));
    at = *next;
  }
  return out;
}

TEST(ZonedCron, ReadsItsFieldsInTheZone) {
  struct Case {
    const char *cron, *zone, *after;
    std::vector<std::string> times;
  };
  // Berlin leapt from 02:00 to 03:00 (01:00Z) on 2025-03-30, and went back from 03:00 to 02:00
  // (01:00Z) on 2025-10-26. Lord Howe Island moves by half an hour; Shanghai not at all.
  for (const Case& c : std::vector<Case>{
           {"0 3 * * *",
            "",
            "2025-03-29T12:00:00Z",
            {"2025-03-30T03:00:00Z", "2025-03-31T03:00:00Z"}},
           {"0 3 * * *",
            "Asia/Shanghai",
            "2025-03-29T12:00:00Z",
            {"2025-03-29T19:00:00Z", "2025-03-30T19:00:00Z"}},
           {"0 3 * * *", "+05:30", "2025-03-29T12:00:00Z", {"2025-03-29T21:30:00Z"}},
           {"0 9 * * *",
            "Europe/Berlin",
            "2025-03-29T00:00:00Z",
            {"2025-03-29T08:00:00Z", "2025-03-30T07:00:00Z", "2025-03-31T07:00:00Z"}},
           // Leapt over: at the leap, once, and not again at three.
           {"30 2 * * *",
            "Europe/Berlin",
            "2025-03-29T00:00:00Z",
            {"2025-03-29T01:30:00Z", "2025-03-30T01:00:00Z", "2025-03-31T00:30:00Z"}},
           {"*/30 2 * * *",
            "Europe/Berlin",
            "2025-03-29T12:00:00Z",
            {"2025-03-30T01:00:00Z", "2025-03-31T00:00:00Z", "2025-03-31T00:30:00Z"}},
           {"*/30 * * * *",
            "Europe/Berlin",
            "2025-03-30T00:15:00Z",
            {"2025-03-30T00:30:00Z", "2025-03-30T01:00:00Z", "2025-03-30T01:30:00Z"}},
           {"0 3 * * *",
            "Europe/Berlin",
            "2025-03-29T12:00:00Z",
            {"2025-03-30T01:00:00Z", "2025-03-31T01:00:00Z"}},
           // Twice on the clock: the first time only…
           {"30 2 * * *",
            "Europe/Berlin",
            "2025-10-25T12:00:00Z",
            {"2025-10-26T00:30:00Z", "2025-10-27T01:30:00Z"}},
           {"30 2 * * *", "Europe/Berlin", "2025-10-26T00:45:00Z", {"2025-10-27T01:30:00Z"}},
           {"30 2 * * *", "Europe/Berlin", "2025-10-26T01:10:00Z", {"2025-10-27T01:30:00Z"}},
           // …but what runs all day goes on.
           {"30 * * * *",
            "Europe/Berlin",
            "2025-10-26T00:00:00Z",
            {"2025-10-26T00:30:00Z", "2025-10-26T01:30:00Z", "2025-10-26T02:30:00Z"}},
           {"@hourly",
            "Europe/Berlin",
            "2025-10-26T00:10:00Z",
            {"2025-10-26T01:00:00Z", "2025-10-26T02:00:00Z"}},
           {"15 2 * * *",
            "Australia/Lord_Howe",
            "2025-10-04T00:00:00Z",
            {"2025-10-04T15:30:00Z", "2025-10-05T15:15:00Z"}},
           // Past several changes of the clock.
           {"0 0 1 1 *",
            "America/New_York",
            "2025-02-01T00:00:00Z",
            {"2026-01-01T05:00:00Z", "2027-01-01T05:00:00Z"}},
           {"0 12 29 2 *", "Europe/Berlin", "2025-01-01T00:00:00Z", {"2028-02-29T11:00:00Z"}},
           {"0 0 30 2 *", "Europe/Berlin", "2025-01-01T00:00:00Z", {}},
           {"@every 90m",
            "Europe/Berlin",
            "2025-03-30T00:10:00Z",
            {"2025-03-30T01:40:00Z", "2025-03-30T03:10:00Z"}},
       }) {
    EXPECT_EQ(Times(c.cron, c.zone, c.after, std::max<size_t>(c.times.size(), 1)), c.times)
        << c.cron << " " << c.zone << " after " << c.after;
  }
}

// Every half hour of a year, in zones of both hemispheres: evenly in real time.
TEST(ZonedCron, HalfHoursAreHalfHours) {
  for (const char* zone : {"Europe/Berlin", "America/Sao_Paulo", "Australia/Sydney"}) {
    auto times = Times("*/30 * * * *", zone, "2025-01-01T00:00:00Z", 17520);
    ASSERT_EQ(times.size(), 17520U);
    EXPECT_EQ(times.back(), "2026-01-01T00:00:00Z") << zone;
  }
}

// Every day of two years, once a day.
TEST(ZonedCron, OnceADayIsOnceADay) {
  for (const char* zone : {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe"}) {
    for (const char* cron : {"30 2 * * *", "15 2 * * *", "30 1 * * *", "0 3 * * *"}) {
      auto times = Times(cron, zone, "2025-01-01T12:00:00Z", 730);
      ASSERT_EQ(times.size(), 730U);
      EXPECT_LE(times.back(), "2027-01-01T12:00:00Z") << zone << " " << cron;
      EXPECT_GE(times.back(), "2026-12-31T00:00:00Z") << zone << " " << cron;
    }
  }
}

TEST(ZonedCron, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(ZonedCron::Parse("0 3 * * *", "Mars/Olympus").error().id(), "schedule.zone");
  EXPECT_EQ(ZonedCron::Parse("0 3 * * *", "../../etc/passwd").error().id(), "schedule.zone");
  EXPECT_EQ(ZonedCron::Parse("0 3 * *", "").error().id(), "time.cron");
  EXPECT_EQ(ZonedCron::Parse("", "").error().id(), "time.cron");
  EXPECT_EQ(ZonedCron::Parse("TZ=UTC 0 3 * * *", "").error().id(), "time.cron");
}

}  // namespace
}  // namespace bulwark::schedule
