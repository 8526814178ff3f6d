// A process that commits and appends from several threads is killed at any moment, many times
// over; afterwards nothing that it was told is stored may be missing, nothing be there by half or
// twice, and nothing need repair. BULWARK_CRASH_ROUNDS says how many times (20; all tests: 200).

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "base/files.h"
#include "base/text.h"
#include "platform/store/sqlite_event_store.h"
#include "platform/store/sqlite_state_store.h"

namespace bulwark::store {
namespace {

constexpr int kStateThreads = 3, kEventThreads = 3, kEventsInBatch = 5;
constexpr int64_t kStart = 1'767'225'600'000'000;
const Collection kThings{.name = "things",
                         .columns = {{.name = "thread", .path = "thread", .indexed = true},
                                     {.name = "n", .path = "n", .type = ColumnType::kInt},
                                     {.name = "tag", .path = "tags"},
                                     {.name = "text", .path = "text", .full_text = true}}};
// Small segments, so that some are being sealed and new ones made.
const SqliteEventOptions kEventOptions{.segment_events = 700};

std::vector<Event> EventsOf(int thread, int n) {
  std::vector<Event> events;
  for (int i = 0; i < kEventsInBatch; ++i) {
    Event event;
    event.id = EventId({"crash", fmt::format("{}/{}/{}", thread, n, i)});
    event.kind = i == 0 ? "alert" : "audit";
    event.time_us = kStart + n * 1'000'000 + i;
    event.received_us = event.time_us + 1;
    event.user = fmt::format("user{}", thread);
    event.verb = fmt::format("n{}", n);
    event.body = fmt::format(R"({{"text":"batch {} 运行容器时 of thread {}","more":[{},{},{}]}})",
                             n, thread, n, n, n);
    events.push_back(event);
  }
  return events;
}

[[noreturn]] void Child(const std::string& folder, int acknowledge, int state_from,
                        int event_from) {
  auto state = OpenSqliteStateStore(folder);
  auto events = OpenSqliteEventStore(folder, kEventOptions);
  if (!state || !events || !(*state)->Define(kThings)) _exit(3);
  const auto tell = [&](char what, int thread, int n) {
    const std::string line = fmt::format("{} {} {}\n", what, thread, n);
    if (::write(acknowledge, line.data(), line.size()) < 0) _exit(4);
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kStateThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int n = state_from;; ++n) {
        Batch batch;
        const std::string body =
            fmt::format(R"({{"thread":"t{}","n":{},"tags":["a{}","b"],"text":"number {} 容器"}})",
                        t, n, n % 7, n);
        batch.Put("things", fmt::format("{}/{}", t, n), body);
        batch.Put("things", fmt::format("last/{}", t), body);
        if (n % 3 == 2) batch.Delete("things", fmt::format("{}/{}", t, n - 1));
        if (!(*state)->Commit(batch)) _exit(5);
        tell('s', t, n);
      }
    });
  }
  for (int t = 0; t < kEventThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int n = event_from;; ++n) {
        if (!(*events)->Append(EventsOf(t, n))) _exit(6);
        tell('e', t, n);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  _exit(0);
}

void CheckFile(const std::string& file) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr), SQLITE_OK);
  sqlite3_stmt* statement = nullptr;
  // Virtual tables' own tokenizers are not known here; their tables are checked as tables.
  ASSERT_EQ(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
  EXPECT_STREQ(reinterpret_cast<const char*>(sqlite3_column_text(statement, 0)), "ok");
  sqlite3_finalize(statement);
  sqlite3_close(db);
}

TEST(StoreCrashTest, LosesNothingAcknowledged) {
  const char* asked = std::getenv("BULWARK_CRASH_ROUNDS");
  const int rounds = asked != nullptr ? std::atoi(asked) : 20;
  TempDir folder = *TempDir::Make();
  std::mt19937 random(static_cast<uint32_t>(::getpid()));
  std::map<int, int> state_last, event_last;  // by thread: the last acknowledged
  int state_from = 1, event_from = 1;
  std::vector<int> bases;  // where each round's events begin
  for (int round = 0; round < rounds; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      Child(folder.path(), ends[1], state_from, event_from);
    }
    ::close(ends[1]);
    // From the first acknowledgement on; the first rounds are killed while the store is made.
    std::string told(1, '\0');
    if (round >= 3) {
      ASSERT_EQ(::read(ends[0], told.data(), 1), 1) << "the child ended by itself";
    } else {
      told.clear();
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 60'000));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit code " << WEXITSTATUS(status);
    told += *ReadAll(ends[0], "pipe");
    ::close(ends[0]);
    for (std::string_view line : SplitLines(told)) {
      const auto words = SplitWords(line);
      ASSERT_EQ(words.size(), 3u);
      auto& last = words[0] == "s" ? state_last : event_last;
      last[std::atoi(std::string(words[1]).c_str())] = std::atoi(std::string(words[2]).c_str());
    }
    if (round % 5 == 4 || round + 1 == rounds) {
      CheckFile(folder.File("state.db"));
      CheckFile(folder.File("events.db"));
    }

    auto state = OpenSqliteStateStore(folder.path());
    ASSERT_TRUE(state) << state.error().ToString();
    ASSERT_TRUE((*state)->Define(kThings));
    const auto number = [&](const Result<std::optional<Record>>& record) {
      if (!record || !*record) return 0;
      const size_t at = (*record)->body.find("\"n\":");
      return std::atoi((*record)->body.c_str() + at + 4);
    };
    uint64_t expected = 0;
    for (int t = 0; t < kStateThreads; ++t) {
      const int last = number((*state)->Get("things", fmt::format("last/{}", t)));
      EXPECT_GE(last, state_last[t]) << "an acknowledged commit is lost";
      EXPECT_LE(last, std::max(state_last[t], state_from - 1) + 1) << "more than was asked for";
      // What was done together is there together.
      if (last >= state_from) {
        EXPECT_EQ(number((*state)->Get("things", fmt::format("{}/{}", t, last))), last);
        if (last > state_from) {
          EXPECT_EQ((*state)->Get("things", fmt::format("{}/{}", t, last - 1))->has_value(),
                    last % 3 != 2);
        }
      }
      expected += static_cast<uint64_t>(
          *(*state)->Count("things", Query::Exactly("thread", fmt::format("t{}", t))));
      state_last[t] = last;
    }
    // Full text and lists tell the same as the records.
    EXPECT_EQ(*(*state)->Count("things", Query::Text("容器")), expected);
    EXPECT_EQ(*(*state)->Count("things", Query::Equals("tag", "b")), expected);

    auto events = OpenSqliteEventStore(folder.path(), kEventOptions);
    ASSERT_TRUE(events) << events.error().ToString();
    uint64_t stored = 0;
    for (int t = 0; t < kEventThreads; ++t) {
      const Query mine = Query::Exactly("user", fmt::format("user{}", t));
      const int last = event_last[t];
      if (last >= event_from) {
        for (int n : {event_from, (event_from + last) / 2, last}) {
          for (const Event& event : EventsOf(t, n)) {
            auto got = (*events)->Get(event.id);
            ASSERT_TRUE(got && *got) << "an acknowledged event is lost";
            EXPECT_EQ((*got)->body, event.body);
          }
        }
      }
      // Sent again, all of the last acknowledged batch is known, and of the next all or nothing.
      if (last >= event_from) {
        EXPECT_EQ((*events)->Append(EventsOf(t, last))->duplicates, uint64_t{kEventsInBatch});
      }
      const int next = std::max(last, event_from - 1) + 1;
      const uint64_t known = (*events)->Append(EventsOf(t, next))->duplicates;
      EXPECT_TRUE(known == 0 || known == kEventsInBatch) << known;
      event_last[t] = next;
      stored += *(*events)->Count({.filter = mine}, UINT64_MAX);
      // By rollup, by index and by rows, the number is the same, and it is all.
      EXPECT_EQ(*(*events)->Count({.filter = Query::And({mine, Query::Text("容器")})}, UINT64_MAX),
                *(*events)->Count({.filter = mine}, UINT64_MAX));
      EXPECT_EQ(*(*events)->Count({.filter = Query::And(
                                       {mine, Query::Equals("verb", fmt::format("n{}", next))})}),
                uint64_t{kEventsInBatch});
    }
    uint64_t sent = 0;
    for (int base : bases) sent += static_cast<uint64_t>(base);
    for (int t = 0; t < kEventThreads; ++t) {
      sent += static_cast<uint64_t>(event_last[t] - event_from + 1) * kEventsInBatch;
    }
    EXPECT_EQ(stored, sent) << "events lost or doubled";
    EXPECT_EQ((*events)->Statistics()->events, sent);
    bases = {static_cast<int>(sent)};
    for (const auto& [thread, last] : event_last) event_from = std::max(event_from, last + 1);
    for (const auto& [thread, last] : state_last) state_from = std::max(state_from, last + 1);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace bulwark::store
