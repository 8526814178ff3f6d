#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "base/files.h"
#include "platform/store/sqlite_event_store.h"
#include "platform/store/sqlite_state_store.h"

namespace bulwark::store {
namespace {

TEST(StateStoreThreadsTest, CommitsJoinAndReadsSeeWholeBatches) {
  TempDir folder = *TempDir::Make();
  auto opened = OpenSqliteStateStore(folder.path());
  ASSERT_TRUE(opened) << opened.error().ToString();
  StateStore& store = **opened;
  ASSERT_TRUE(store.Define({.name = "pairs",
                            .columns = {{.name = "n", .path = "n", .type = ColumnType::kInt},
                                        {.name = "tag", .path = "tags"},
                                        {.name = "text", .path = "text", .full_text = true}}}));
  constexpr int kWriters = 4, kRounds = 30;
  std::atomic<bool> stop = false;
  std::atomic<int> conflicts = 0;
  {
    std::vector<std::jthread> readers;
    for (int r = 0; r < 3; ++r) {
      readers.emplace_back([&] {
        while (!stop) {
          // Each batch writes two records: their number is even in every state.
          auto page = store.List("pairs", {.sort = "n", .limit = 5, .total = true});
          ASSERT_TRUE(page) << page.error().ToString();
          EXPECT_EQ(*page->total % 2, 0u);
          EXPECT_EQ(*store.Count("pairs", Query::Equals("tag", "b")) % 2, 0u);
          EXPECT_TRUE(store.GroupBy("pairs", Query::Text("容"), {"tag"}, 10));
        }
      });
    }
    readers.emplace_back([&] {
      for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(store.Backup(folder.File(fmt::format("backup{}", i))));
        EXPECT_TRUE(store.Define({.name = fmt::format("other{}", i)}));
        EXPECT_TRUE(store.Statistics());
      }
    });
    {
      std::vector<std::jthread> writers;
      for (int w = 0; w < kWriters; ++w) {
        writers.emplace_back([&, w] {
          for (int n = 0; n < kRounds; ++n) {
            Batch batch;
            const std::string body =
                fmt::format(R"({{"n":{},"tags":["a","b"],"text":"容器 {}"}})", n, w);
            batch.Put("pairs", fmt::format("{}/{}/x", w, n), body);
            batch.Put("pairs", fmt::format("{}/{}/y", w, n), body);
            EXPECT_TRUE(store.Commit(batch));
            // All want to make the same record: one may.
            Batch race;
            race.Put("pairs", fmt::format("race/{}/x", n), body, 0);
            race.Put("pairs", fmt::format("race/{}/y", n), body, 0);
            auto result = store.Commit(race);
            if (!result) {
              EXPECT_EQ(result.error().id(), "store.conflict");
              ++conflicts;
            }
          }
        });
      }
    }
    stop = true;
  }
  EXPECT_EQ(conflicts, (kWriters - 1) * kRounds);
  EXPECT_EQ(*store.Count("pairs", {}), static_cast<uint64_t>(2 * (kWriters + 1) * kRounds));
}

TEST(EventStoreThreadsTest, AppendsSearchesAndForgetsAtOnce) {
  TempDir folder = *TempDir::Make();
  auto opened = OpenSqliteEventStore(folder.path(), {.segment_events = 200});
  ASSERT_TRUE(opened) << opened.error().ToString();
  EventStore& store = **opened;
  constexpr int64_t kStart = 1'767'225'600'000'000;
  constexpr int kWriters = 3, kBatches = 25, kEvents = 40;
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> stored = 0, duplicates = 0, gone = 0;
  {
    std::vector<std::jthread> readers;
    for (int r = 0; r < 2; ++r) {
      readers.emplace_back([&, r] {
        while (!stop) {
          EventQuery query{.filter = r == 0 ? Query::Text("容器") : Query::Equals("user", "u*"),
                           .limit = 50};
          std::set<std::string> seen;
          for (int page_number = 0; page_number < 5; ++page_number) {
            auto page = store.Search(query);
            ASSERT_TRUE(page) << page.error().ToString();
            for (const Event& event : page->events) EXPECT_TRUE(seen.insert(event.id).second);
            if (page->next.empty()) break;
            query.cursor = page->next;
          }
          query.cursor.clear();
          query.since_us = kStart;
          query.until_us = kStart + 3600'000'000LL;
          EXPECT_TRUE(store.Histogram(query, 60'000'000));
          EXPECT_TRUE(store.Top(query, "user", 5));
          EXPECT_TRUE(store.Count(query));
          EXPECT_TRUE(store.Get("nothing"));
        }
      });
    }
    readers.emplace_back([&] {
      while (!stop) {
        const Retention few[] = {{.kind = "audit", .max_age_us = 0, .max_events = 900}};
        auto dropped = store.Expire(few, 0, 0);
        ASSERT_TRUE(dropped) << dropped.error().ToString();
        for (const auto& [kind, count] : *dropped) gone += count;
        std::this_thread::yield();
      }
    });
    {
      std::vector<std::jthread> writers;
      for (int w = 0; w < kWriters; ++w) {
        writers.emplace_back([&, w] {
          for (int b = 0; b < kBatches; ++b) {
            std::vector<Event> events;
            for (int i = 0; i < kEvents; ++i) {
              Event event;
              const int n = b * kEvents + i;
              event.id = EventId({std::to_string(w), std::to_string(n)});
              event.kind = n % 10 == 0 ? "alert" : "audit";
              event.time_us = kStart + n * 100'000;
              event.received_us = event.time_us;
              event.user = fmt::format("u{}", w);
              event.body = R"({"text":"运行容器时"})";
              events.push_back(std::move(event));
            }
            auto outcome = store.Append(events);
            ASSERT_TRUE(outcome) << outcome.error().ToString();
            stored += outcome->stored;
            duplicates += outcome->duplicates;
          }
        });
      }
    }
    stop = true;
  }
  EXPECT_EQ(stored, static_cast<uint64_t>(kWriters * kBatches * kEvents));
  EXPECT_EQ(duplicates, 0u);
  EXPECT_EQ(store.Statistics()->events, stored - gone);
  EXPECT_EQ(*store.Count({.filter = Query::Text("容器")}), stored - gone);
  EXPECT_EQ(*store.Count({}), stored - gone);
}

}  // namespace
}  // namespace bulwark::store
