#include "platform/schedule/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/files.h"
#include "formats/json.h"
#include "platform/store/sqlite_state_store.h"

namespace bulwark {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

bool Eventually(const std::function<bool()>& condition) {
  auto until = std::chrono::steady_clock::now() + 60s;
  while (std::chrono::steady_clock::now() < until) {
    if (condition()) return true;
    std::this_thread::sleep_for(2ms);
  }
  return condition();
}

class ScheduleTest : public testing::Test {
 protected:
  ScheduleTest() { Set("2025-06-01T00:00:30Z"); }
  void TearDown() override { scheduler_.reset(); }

  void Set(std::string_view time) {
    Timestamp at = ParseRfc3339(time).value();
    seconds_ = at.seconds;
    if (scheduler_) scheduler_->Changed("");
  }
  void Make() {
    scheduler_ = std::make_unique<Scheduler>(*state_, [this] { return Timestamp{seconds_, 0}; });
    scheduler_->Register("posture", [this](const Scheduler::Run& run) -> Result<std::string> {
      ++runs_;
      int now = ++at_once_;
      int most = most_;
      while (now > most && !most_.compare_exchange_weak(most, now)) {
      }
      while (hold_ && !run.stop.stop_requested()) std::this_thread::sleep_for(1ms);
      --at_once_;
      if (fail_) return Error(Code::kUnavailable, "test.fail", "no luck");
      return "cluster " + run.cluster;
    });
  }
  Value Record(Arena& arena, const std::string& key) {
    auto record = state_->Get("schedules", key);
    if (!record || !*record) return {};
    return ParseJson((*record)->body, arena).value();
  }
  std::string Field(const std::string& key, std::string_view field) {
    Arena arena;
    return std::string(Record(arena, key).StringAt(field));
  }
  std::string ResultText(const std::string& key) {
    Arena arena;
    return std::string(Record(arena, key)["lastResult"].StringAt("text"));
  }

  TempDir folder_ = TempDir::Make().value();
  std::unique_ptr<store::StateStore> state_ =
      store::OpenSqliteStateStore(folder_.File("state.db")).value();
  std::atomic<int64_t> seconds_ = 0;
  std::atomic<int> runs_ = 0, at_once_ = 0, most_ = 0;
  std::atomic<bool> hold_ = false, fail_ = false;
  std::unique_ptr<Scheduler> scheduler_;
};

TEST_F(ScheduleTest, RunsAtItsTimesAndSaysHowItWent) {
  Make();
  ASSERT_TRUE(scheduler_->Start());
  auto key = scheduler_->Put({.id = {},
                              .name = "nightly",
                              .feature = "posture",
                              .cron = "0 3 * * *",
                              .time_zone = "Asia/Shanghai",
                              .cluster = "c1"});
  ASSERT_TRUE(key) << key.error().ToString();
  EXPECT_EQ(Field(*key, "nextRun"), "2025-06-01T19:00:00Z");
  Set("2025-06-01T18:59:59Z");
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(runs_, 0);
  Set("2025-06-01T19:00:00Z");
  ASSERT_TRUE(Eventually([&] { return ResultText(*key) == "cluster c1"; }));
  EXPECT_EQ(runs_, 1);
  EXPECT_EQ(Field(*key, "lastRun"), "2025-06-01T19:00:00Z");
  EXPECT_EQ(Field(*key, "nextRun"), "2025-06-02T19:00:00Z");
  fail_ = true;
  Set("2025-06-02T19:00:01Z");
  ASSERT_TRUE(Eventually([&] { return ResultText(*key) == "no luck"; }));
  Arena arena;
  Value result = Record(arena, *key)["lastResult"];
  EXPECT_TRUE(result["ok"].IsFalse());
  EXPECT_EQ(result.StringAt("error"), "test.fail");
}

TEST_F(ScheduleTest, WhatWasMissedIsMadeUpForOnce) {
  Make();
  ASSERT_TRUE(scheduler_->Start());
  auto key = scheduler_->Put({.id = {},
                              .name = "often",
                              .feature = "posture",
                              .cron = "*/10 * * * *",
                              .time_zone = {},
                              .cluster = {}});
  ASSERT_TRUE(key);
  scheduler_.reset();
  Set("2025-06-03T12:05:00Z");  // hundreds were missed
  Make();
  ASSERT_TRUE(scheduler_->Start());
  ASSERT_TRUE(Eventually([&] { return Field(*key, "lastRun") == "2025-06-03T12:05:00Z"; }));
  EXPECT_EQ(Field(*key, "nextRun"), "2025-06-03T12:10:00Z");
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(runs_, 1);
}

TEST_F(ScheduleTest, NeverTwiceAtOnce) {
  Make();
  hold_ = true;
  ASSERT_TRUE(scheduler_->Start());
  auto key = scheduler_->Put({.id = {},
                              .name = "slow",
                              .feature = "posture",
                              .cron = "* * * * *",
                              .time_zone = {},
                              .cluster = {}});
  ASSERT_TRUE(key);
  Set("2025-06-01T00:01:00Z");
  ASSERT_TRUE(Eventually([&] { return at_once_ == 1; }));
  auto triggered = scheduler_->Trigger(*key);
  ASSERT_FALSE(triggered);
  EXPECT_EQ(triggered.error().id(), "schedule.running");
  Set("2025-06-01T00:02:00Z");
  Set("2025-06-01T00:03:00Z");
  ASSERT_TRUE(Eventually([&] { return Field(*key, "nextRun") == "2025-06-01T00:04:00Z"; }));
  EXPECT_EQ(runs_, 1);
  hold_ = false;
  ASSERT_TRUE(Eventually([&] { return at_once_ == 0 && ResultText(*key) == "cluster "; }));
  ASSERT_TRUE(Eventually([&] { return scheduler_->Trigger(*key).has_value(); }));
  ASSERT_TRUE(Eventually([&] { return runs_ == 2; }));
  EXPECT_EQ(most_, 1);
}

TEST_F(ScheduleTest, ChangesAreHeeded) {
  Make();
  ASSERT_TRUE(scheduler_->Start());
  Schedule s{.id = {},
             .name = "x",
             .feature = "posture",
             .cron = "0 * * * *",
             .time_zone = {},
             .cluster = {}};
  auto key = scheduler_->Put(s);
  ASSERT_TRUE(key);
  s.id = *key;
  s.enabled = false;
  ASSERT_TRUE(scheduler_->Put(s));
  EXPECT_EQ(Field(*key, "nextRun"), "");
  Set("2025-06-01T01:00:00Z");
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(runs_, 0);
  // One that is switched off can be run all the same.
  ASSERT_TRUE(scheduler_->Trigger(*key));
  ASSERT_TRUE(Eventually([&] { return ResultText(*key) == "cluster "; }));
  s.enabled = true;
  s.cron = "30 * * * *";
  ASSERT_TRUE(scheduler_->Put(s));
  Set("2025-06-01T01:30:00Z");
  ASSERT_TRUE(Eventually([&] { return runs_ == 2; }));
  ASSERT_TRUE(scheduler_->Delete(*key));
  EXPECT_EQ(scheduler_->Delete(*key).error().id(), "schedule.no_schedule");
  EXPECT_EQ(scheduler_->Trigger(*key).error().id(), "schedule.no_schedule");
  EXPECT_EQ(scheduler_->Put(s).error().id(), "schedule.no_schedule");
  Set("2025-06-01T05:30:00Z");
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(runs_, 2);
}

TEST_F(ScheduleTest, RefusesWhatCannotRun) {
  Make();
  ASSERT_TRUE(scheduler_->Start());
  Schedule good{.id = {},
                .name = "x",
                .feature = "posture",
                .cron = "0 * * * *",
                .time_zone = {},
                .cluster = {}};
  Schedule s = good;
  s.cron = "nonsense";
  EXPECT_EQ(scheduler_->Put(s).error().id(), "time.cron");
  s = good;
  s.time_zone = "Mars/Olympus";
  EXPECT_EQ(scheduler_->Put(s).error().id(), "schedule.zone");
  s = good;
  s.feature = "mining";
  EXPECT_EQ(scheduler_->Put(s).error().id(), "schedule.unknown_feature");
  s = good;
  s.name = "";
  EXPECT_EQ(scheduler_->Put(s).error().id(), "schedule.name");
  EXPECT_EQ(state_->Count("schedules", store::Query::All()).value(), 0U);
}

TEST_F(ScheduleTest, WorkOfItsOwnAndAnEndThatWaits) {
  Make();
  std::atomic<int> swept = 0;
  std::atomic<bool> ended = false;
  scheduler_->Every("sweep", "@every 10m", [&](std::stop_token) { ++swept; });
  scheduler_->Every("long", "@every 10m", [&](std::stop_token stop) {
    while (!stop.stop_requested()) std::this_thread::sleep_for(1ms);
    ended = true;
  });
  EXPECT_TRUE(scheduler_->Start());
  Set("2025-06-01T00:10:30Z");
  EXPECT_TRUE(Eventually([&] { return swept == 1; }));
  Set("2025-06-01T00:20:30Z");
  EXPECT_TRUE(Eventually([&] { return swept == 2; }));
  scheduler_->Stop();
  EXPECT_TRUE(ended);
  // And again.
  EXPECT_TRUE(scheduler_->Start());
  Set("2025-06-01T00:30:30Z");
  EXPECT_TRUE(Eventually([&] { return swept == 3; }));
  scheduler_.reset();  // before what the work refers to
}

}  // namespace
}  // namespace bulwark
