#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <thread>

#include "platform/pipeline/memory_store.h"
#include "platform/pipeline/pipeline.h"

namespace bulwark {
namespace {

using namespace std::chrono_literals;
using store::Eventually;
using store::MemoryEventStore;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Event Make(std::string id, std::string kind = "audit") {
  Event event;
  event.id = std::move(id);
  event.kind = std::move(kind);
  return event;
}

// Collects what a subscriber is told.
class Told {
 public:
  Pipeline::Callback Callback() {
    return [this](std::span<const Event> events) {
      std::lock_guard lock(mutex_);
      ++calls_;
      for (const Event& event : events) {
        ids_.push_back(event.id);
        stamps_.push_back(event.received_us);
      }
    };
  }
  std::vector<std::string> ids() const {
    std::lock_guard lock(mutex_);
    return ids_;
  }
  std::vector<int64_t> stamps() const {
    std::lock_guard lock(mutex_);
    return stamps_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> ids_;
  std::vector<int64_t> stamps_;
  int calls_ = 0;
};

TEST(Pipeline, WhatIsPublishedIsStoredThenTold) {
  MemoryEventStore store;
  Metrics metrics;
  Told all, audit;
  Pipeline pipeline(store, metrics);
  auto first = pipeline.Subscribe("all", {}, all.Callback());
  auto second = pipeline.Subscribe("audit", {"audit"}, audit.Callback());
  auto outcome = pipeline.Publish({Make("a"), Make("b", "asset"), Make("c")});
  ASSERT_TRUE(outcome) << outcome.error().ToString();
  EXPECT_EQ(outcome->stored, 3U);
  EXPECT_EQ(store.size(), 3U);
  EXPECT_TRUE(Eventually([&] { return all.ids().size() == 3; }));
  EXPECT_TRUE(Eventually([&] { return audit.ids().size() == 2; }));
  EXPECT_THAT(all.ids(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(audit.ids(), ElementsAre("a", "c"));
  EXPECT_EQ(all.stamps()[0], all.stamps()[2]);
  ASSERT_TRUE(pipeline.Publish({Make("d")}));
  EXPECT_TRUE(Eventually([&] { return all.ids().size() == 4; }));
  EXPECT_GT(all.stamps()[3], all.stamps()[2]);
}

TEST(Pipeline, DuplicatesAreToldOnce) {
  MemoryEventStore store;
  Metrics metrics;
  Told told;
  Pipeline pipeline(store, metrics);
  auto subscription = pipeline.Subscribe("all", {}, told.Callback());
  ASSERT_TRUE(pipeline.Publish({Make("a")}));
  auto outcome = pipeline.Publish({Make("a"), Make("b"), Make("b"), Make("c")});
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->stored, 2U);
  EXPECT_EQ(outcome->duplicates, 2U);
  EXPECT_TRUE(Eventually([&] { return told.ids().size() == 3; }));
  EXPECT_THAT(told.ids(), ElementsAre("a", "b", "c"));
}

TEST(Pipeline, AnErrorOfTheStoreIsThePublishers) {
  MemoryEventStore store;
  Metrics metrics;
  Pipeline pipeline(store, metrics);
  store.FailWith(Error(Code::kUnavailable, "store.full", "no space"));
  auto outcome = pipeline.Publish({Make("a")});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().id(), "store.full");
  store.FailWith(std::nullopt);
  EXPECT_TRUE(pipeline.Publish({Make("a")}));
}

TEST(Pipeline, OneBadEventHarmsNobodyElse) {
  MemoryEventStore store;
  Metrics metrics;
  Pipeline pipeline(store, metrics, {.linger = 50ms});
  store.Refuse("bad");
  store.Hold(true);
  EXPECT_TRUE(pipeline.Offer("x", Make("a")));
  EXPECT_TRUE(pipeline.Offer("x", Make("b", "bad")));
  EXPECT_TRUE(pipeline.Offer("x", Make("c")));
  std::jthread good([&] { EXPECT_TRUE(pipeline.Publish({Make("d")})); });
  std::jthread bad([&] { EXPECT_FALSE(pipeline.Publish({Make("e", "bad")})); });
  store.Hold(false);
  pipeline.Flush();
  good.join();
  bad.join();
  EXPECT_EQ(store.size(), 3U);
  EXPECT_THAT(metrics.Expose(),
              HasSubstr("bulwark_pipeline_dropped_total{queue=\"offered\",source=\"x\"} 1"));
  EXPECT_EQ(pipeline.Queues()[0].dropped, 1U);
}

TEST(Pipeline, AFullQueueRefusesAndCounts) {
  MemoryEventStore store;
  Metrics metrics;
  Pipeline pipeline(store, metrics, {.offer_queue_events = 3, .linger = 1ms, .retry = 5ms});
  store.FailWith(Error(Code::kUnavailable, "store.full", "no space"));
  EXPECT_TRUE(pipeline.Offer("runtime", Make("a")));
  ASSERT_TRUE(Eventually([&] { return store.appends() > 2; }));  // tried again and again
  size_t taken = 1;
  for (int i = 0; i < 10; ++i) {
    taken += pipeline.Offer("runtime", Make("b" + std::to_string(i))) ? 1 : 0;
  }
  uint64_t refused = pipeline.Queues()[0].dropped;
  EXPECT_EQ(taken + refused, 11U);
  EXPECT_GE(refused, 7U);
  store.FailWith(std::nullopt);
  pipeline.Flush();
  EXPECT_EQ(store.size(), taken);  // nothing that was taken is lost
}

TEST(Pipeline, ASlowSubscriberLosesTheOldestAndIsCounted) {
  MemoryEventStore store;
  Metrics metrics;
  Pipeline pipeline(store, metrics);
  std::mutex hold;
  Told told;
  auto tell = told.Callback();
  std::atomic<bool> entered = false;
  hold.lock();
  auto slow = pipeline.Subscribe(
      "slow", {},
      [&](std::span<const Event> events) {
        entered = true;
        std::lock_guard lock(hold);
        tell(events);
      },
      10);
  ASSERT_TRUE(pipeline.Publish({Make("first")}));
  ASSERT_TRUE(Eventually([&] { return entered.load(); }));
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(pipeline.Publish({Make("e" + std::to_string(i))}));
  EXPECT_EQ(slow->queued(), 11U);  // and the one that is being told
  EXPECT_EQ(slow->dropped(), 20U);
  hold.unlock();
  EXPECT_TRUE(Eventually([&] { return told.ids().size() == 11; }));
  EXPECT_EQ(told.ids().back(), "e29");
  EXPECT_THAT(metrics.Expose(),
              HasSubstr("bulwark_pipeline_dropped_total{queue=\"slow\",source=\"stored\"} 20"));
}

TEST(Pipeline, ManyAtOnceInOrderAndNoneLost) {
  MemoryEventStore store;
  Metrics metrics;
  Told told;
  constexpr int kThreads = 4, kEach = 250;
  {
    Pipeline pipeline(store, metrics, {.batch_events = 64, .linger = 1ms});
    auto subscription = pipeline.Subscribe("all", {}, told.Callback(), 1'000'000);
    {
      std::vector<std::jthread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
          for (int i = 0; i < kEach; ++i) {
            std::string id = std::to_string(t) + "/" + std::to_string(i);
            if (i % 3 == 0) {
              EXPECT_TRUE(pipeline.Offer("t", Make(id)));
            } else {
              EXPECT_TRUE(pipeline.Publish({Make(id), Make(id + "+")}));
            }
          }
        });
      }
    }
    pipeline.Flush();
    EXPECT_TRUE(Eventually([&] { return told.ids().size() == store.size(); }));
    subscription.reset();
  }
  EXPECT_EQ(store.size(), size_t{kThreads * (84 + 166 * 2)});
  auto stamps = told.stamps();
  EXPECT_TRUE(std::is_sorted(stamps.begin(), stamps.end()));
  // Each thread's own events in its order.
  std::vector<std::string> of_one;
  for (const std::string& id : told.ids()) {
    if (id.starts_with("0/") && !id.ends_with("+")) of_one.push_back(id);
  }
  std::vector<int> numbers;
  for (const std::string& id : of_one) {
    if (int n = std::stoi(id.substr(2)); n % 3 != 0) numbers.push_back(n);
  }
  EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
}

TEST(Pipeline, LargeRequestsAreDivided) {
  MemoryEventStore store;
  Metrics metrics;
  Pipeline pipeline(store, metrics, {.batch_events = 10});
  std::vector<Event> events;
  for (int i = 0; i < 35; ++i) events.push_back(Make(std::to_string(i)));
  auto outcome = pipeline.Publish(events);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->stored, 35U);
  EXPECT_EQ(store.appends(), 4);
}

TEST(Pipeline, SubscribersMayPublishAndTheEndTellsWhatWasOffered) {
  MemoryEventStore store;
  Metrics metrics;
  Told told;
  std::unique_ptr<Pipeline::Subscription> alerts;
  {
    Pipeline pipeline(store, metrics, {.linger = 10s});
    auto echo = pipeline.Subscribe("echo", {"audit"}, [&](std::span<const Event> events) {
      std::vector<Event> out;
      for (const Event& event : events) out.push_back(Make("alert of " + event.id, "alert"));
      EXPECT_TRUE(pipeline.Publish(std::move(out)));
    });
    alerts = pipeline.Subscribe("alerts", {"alert"}, told.Callback());
    ASSERT_TRUE(pipeline.Publish({Make("a")}));
    EXPECT_TRUE(Eventually([&] { return told.ids().size() == 1; }));
    echo.reset();
    EXPECT_TRUE(pipeline.Offer("x", Make("late", "alert")));  // lingers
  }
  EXPECT_THAT(told.ids(), ElementsAre("alert of a", "late"));
  EXPECT_EQ(store.size(), 3U);
}

TEST(Pipeline, TheEndGivesUpOnAStoreThatFails) {
  MemoryEventStore store;
  Metrics metrics;
  {
    Pipeline pipeline(store, metrics, {.linger = 1ms, .retry = 1ms, .farewell = 20ms});
    store.FailWith(Error(Code::kUnavailable, "store.io", "gone"));
    EXPECT_TRUE(pipeline.Offer("x", Make("a")));
  }
  EXPECT_THAT(metrics.Expose(),
              HasSubstr("bulwark_pipeline_dropped_total{queue=\"offered\",source=\"x\"} 1"));
}

}  // namespace
}  // namespace bulwark
