#include "kube/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>

#include "net/test_server.h"

namespace bulwark::kube {
namespace {

using namespace std::chrono_literals;
using net::TestServer;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Resource kPods{"", "v1", "Pod", "pods", true, {"list", "watch"}};

std::string Pod(std::string_view name, int version) {
  return fmt::format(R"({{"metadata":{{"namespace":"a","name":"{}","resourceVersion":"{}"}}}})",
                     name, version);
}
std::string List(std::vector<std::string> items, int version) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ",") + item;
  return fmt::format(R"({{"metadata":{{"resourceVersion":"{}"}},"items":[{}]}})", version, text);
}
std::string Event(std::string_view type, std::string_view object) {
  return fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", type, object);
}

class WatchTest : public testing::Test {
 protected:
  using Handler = std::function<void(const TestServer::Request&, TestServer::Reply&)>;
  // Ends the server before what its handlers refer to: keep it until the test's end, after that.
  class [[nodiscard]] Serving {
   public:
    explicit Serving(WatchTest& test) : test_(test) {}
    Serving(const Serving&) = delete;
    ~Serving() {
      test_.watches_.reset();
      test_.client_.reset();
      test_.server_.reset();
    }

   private:
    WatchTest& test_;
  };
  Serving Serve(Handler list, Handler watch) {
    server_ =
        std::make_unique<TestServer>([=](const TestServer::Request& r, TestServer::Reply& reply) {
          if (r.path() == "/version") {
            return reply.Send(200, R"({"major":"1","minor":"34","gitVersion":"v1.34.0"})");
          }
          r.Query("watch").empty() ? list(r, reply) : watch(r, reply);
        });
    auto client = Client::Connect({.server = server_->url()},
                                  {.retries = 0, .first_wait = 1ms, .max_wait = 5ms});
    EXPECT_TRUE(client) << client.error().ToString();
    client_.emplace(std::move(*client));
    watches_.emplace(
        *client_, [this](const WatchEvent& e) { On(e); },
        WatchSettings{.first_wait = 5ms, .max_wait = 20ms, .max_event_bytes = 4096});
    watches_->Add(kPods, "");
    return Serving(*this);
  }
  void On(const WatchEvent& e) {
    switch (e.type) {
      case WatchEvent::Type::kPut:
        told_.push_back(
            fmt::format("put {} {}", e.key, MetadataOf(e.object).StringAt("resourceVersion")));
        break;
      case WatchEvent::Type::kDeleted: told_.push_back(fmt::format("deleted {}", e.key)); break;
      case WatchEvent::Type::kSynced: told_.push_back("synced"); break;
      case WatchEvent::Type::kUnreadable: told_.push_back("unreadable " + e.error->id()); break;
    }
  }
  // Until so much was told.
  void Run(size_t events) {
    auto until = std::chrono::steady_clock::now() + 10s;
    while (told_.size() < events && std::chrono::steady_clock::now() < until) watches_->Poll(50ms);
  }

  std::unique_ptr<TestServer> server_;
  std::optional<Client> client_;
  std::optional<Watches> watches_;
  std::vector<std::string> told_;
};

TEST_F(WatchTest, ListsThenTellsChanges) {
  auto serving =
      Serve([](const auto&, TestServer::Reply& reply) { reply.Send(200, List({Pod("x", 1)}, 5)); },
            [](const TestServer::Request& r, TestServer::Reply& reply) {
              EXPECT_EQ(r.Query("resourceVersion"), "5");
              EXPECT_EQ(r.Query("allowWatchBookmarks"), "true");
              reply.Begin(200);
              std::string all = Event("ADDED", Pod("y", 6)) + Event("MODIFIED", Pod("x", 7)) +
                                Event("BOOKMARK", R"({"metadata":{"resourceVersion":"8"}})") +
                                Event("DELETED", Pod("x", 9));
              // Events come in pieces of any size.
              for (size_t i = 0; i < all.size(); i += 37) reply.Chunk(all.substr(i, 37));
              reply.Sleep(20s);
            });
  Run(5);
  EXPECT_THAT(told_, ElementsAre("put a/x 1", "synced", "put a/y 6", "put a/x 7", "deleted a/x"));
  EXPECT_TRUE(watches_->Settled());
}

TEST_F(WatchTest, AStreamThatEndsIsTakenUpWhereItWas) {
  std::atomic<int> streams = 0;
  std::mutex mutex;
  std::vector<std::string> versions;
  auto serving =
      Serve([](const auto&, TestServer::Reply& reply) { reply.Send(200, List({}, 5)); },
            [&](const TestServer::Request& r, TestServer::Reply& reply) {
              {
                std::lock_guard lock(mutex);
                versions.push_back(r.Query("resourceVersion"));
              }
              int n = ++streams;
              reply.Begin(200);
              if (n == 1) reply.Chunk(Event("BOOKMARK", R"({"metadata":{"resourceVersion":"8"}})"));
              if (n == 2) {
                reply.Chunk(Event("ADDED", Pod("x", 9)));
                reply.Chunk(R"({"type":"ADDED","obj)");
                reply.Break();
              }
              if (n == 3) reply.Chunk(Event("ADDED", Pod("x", 9)) + Event("ADDED", Pod("y", 10)));
              if (n > 3) reply.Sleep(20s);
            });
  Run(3);
  EXPECT_THAT(told_, ElementsAre("synced", "put a/x 9", "put a/y 10"));  // x not told twice
  while (streams < 4) watches_->Poll(10ms);
  std::lock_guard lock(mutex);
  EXPECT_THAT(versions, ElementsAre("5", "8", "9", "10"));
}

TEST_F(WatchTest, GoneListsAgainAndTellsDifferences) {
  std::atomic<int> lists = 0, streams = 0;
  auto serving = Serve(
      [&](const auto&, TestServer::Reply& reply) {
        reply.Send(200, ++lists == 1 ? List({Pod("x", 1), Pod("y", 2), Pod("z", 3)}, 5)
                                     : List({Pod("x", 1), Pod("z", 12), Pod("new", 11)}, 20));
      },
      [&](const TestServer::Request& r, TestServer::Reply& reply) {
        int n = ++streams;
        if (n == 1) {
          reply.Begin(200);
          reply.Chunk(Event("ERROR", R"({"kind":"Status","code":410,"message":"too old"})"));
          return;
        }
        EXPECT_EQ(r.Query("resourceVersion"), "20");
        reply.Begin(200);
        reply.Sleep(20s);
      });
  Run(8);
  EXPECT_THAT(told_, ElementsAre("put a/x 1", "put a/y 2", "put a/z 3", "synced", "put a/z 12",
                                 "put a/new 11", "deleted a/y", "synced"));
}

TEST_F(WatchTest, TokenGoneInTheMiddleOfAListReadsAllInOne) {
  auto serving = Serve(
      [&](const TestServer::Request& r, TestServer::Reply& reply) {
        if (!r.Query("continue").empty()) return reply.Send(410, R"({"kind":"Status"})");
        if (r.Query("limit").empty()) return reply.Send(200, List({Pod("x", 1), Pod("y", 2)}, 6));
        reply.Send(200, R"({"metadata":{"resourceVersion":"5","continue":"c"},"items":[)" +
                            Pod("x", 1) + "]}");
      },
      [](const TestServer::Request& r, TestServer::Reply& reply) {
        EXPECT_EQ(r.Query("resourceVersion"), "6");
        reply.Begin(200);
        reply.Sleep(20s);
      });
  Run(3);
  EXPECT_THAT(told_, ElementsAre("put a/x 1", "put a/y 2", "synced"));
}

TEST_F(WatchTest, WhatMayNotBeReadIsToldOnceAndTriedAgain) {
  std::atomic<int> lists = 0;
  auto serving = Serve(
      [&](const auto&, TestServer::Reply& reply) {
        if (++lists < 4) return reply.Send(403, R"({"kind":"Status","message":"no"})");
        reply.Send(200, List({Pod("x", 1)}, 5));
      },
      [](const auto&, TestServer::Reply& reply) {
        reply.Begin(200);
        reply.Sleep(20s);
      });
  Run(1);
  EXPECT_TRUE(watches_->Settled());
  Run(3);
  EXPECT_THAT(told_, ElementsAre("unreadable kube.forbidden", "put a/x 1", "synced"));
}

TEST_F(WatchTest, NonsenseAndHugeEventsBreakTheStreamOnly) {
  std::atomic<int> streams = 0;
  auto serving = Serve([](const auto&, TestServer::Reply& reply) { reply.Send(200, List({}, 5)); },
                       [&](const TestServer::Request&, TestServer::Reply& reply) {
                         reply.Begin(200);
                         switch (++streams) {
                           case 1: reply.Chunk("nonsense\n"); break;
                           case 2: reply.Chunk(std::string(10'000, '{')); break;
                           case 3: reply.Chunk("[]\n{\"type\":3}\n"); break;
                           case 4:
                             reply.Chunk(Event("ADDED", "{}"));
                             break;  // nameless, but an object
                           default: reply.Chunk(Event("ADDED", Pod("x", 9))); reply.Sleep(20s);
                         }
                       });
  Run(3);
  EXPECT_THAT(told_, ElementsAre("synced", "put / ", "put a/x 9"));
}

TEST_F(WatchTest, StopEndsAPoll) {
  auto serving = Serve([](const auto&, TestServer::Reply& reply) { reply.Send(200, List({}, 5)); },
                       [](const auto&, TestServer::Reply& reply) {
                         reply.Begin(200);
                         reply.Sleep(20s);
                       });
  Run(1);
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(50ms);
    stop.request_stop();
  });
  auto start = std::chrono::steady_clock::now();
  while (!stop.stop_requested()) watches_->Poll(20s, stop.get_token());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

TEST_F(WatchTest, RelistTellsDifferencesAndTheOldStreamCountsNoMore) {
  std::atomic<int> lists = 0, streams = 0;
  std::atomic<bool> second = false;
  auto serving = Serve(
      [&](const auto&, TestServer::Reply& reply) {
        reply.Send(200, ++lists == 1 ? List({Pod("x", 1), Pod("y", 2)}, 5)
                                     : List({Pod("x", 3), Pod("z", 4)}, 9));
      },
      [&](const TestServer::Request& r, TestServer::Reply& reply) {
        reply.Begin(200);
        if (++streams == 1) {
          while (!second && reply.open()) reply.Sleep(1ms);
          reply.Chunk(Event("ADDED", Pod("late", 6)));  // of the stream that is over
        } else {
          EXPECT_EQ(r.Query("resourceVersion"), "9");
          second = true;
          reply.Sleep(200ms);
          reply.Chunk(Event("ADDED", Pod("new", 10)));
        }
        reply.Sleep(20s);
      });
  Run(3);
  watches_->Relist(0);
  Run(8);
  EXPECT_THAT(told_, ElementsAre("put a/x 1", "put a/y 2", "synced", "put a/x 3", "put a/z 4",
                                 "deleted a/y", "synced", "put a/new 10"));
  EXPECT_EQ(watches_->known(), 3U);
}

TEST_F(WatchTest, ARemovedTargetIsToldAsDeletedAndNotReadAnyMore) {
  auto serving =
      Serve([](const auto&, TestServer::Reply& reply) { reply.Send(200, List({Pod("x", 1)}, 5)); },
            [](const auto&, TestServer::Reply& reply) {
              reply.Begin(200);
              for (int i = 0; reply.open(); ++i) {
                reply.Chunk(Event("ADDED", Pod(fmt::format("y{}", i), i + 6)));
                reply.Sleep(10ms);
              }
            });
  Run(3);
  watches_->Remove(0);
  watches_->Remove(0);
  EXPECT_EQ(watches_->known(), 0U);
  const size_t told = told_.size();
  EXPECT_THAT(told_, Contains("deleted a/x"));
  for (int i = 0; i < 20; ++i) watches_->Poll(10ms);
  EXPECT_EQ(told_.size(), told);
}

TEST_F(WatchTest, AQuietStreamKeepsNoOtherWaiting) {
  auto serving = Serve([](const auto&, TestServer::Reply& reply) { reply.Send(200, List({}, 5)); },
                       [](const TestServer::Request& r, TestServer::Reply& reply) {
                         reply.Begin(200);
                         if (r.path() == "/api/v1/nodes") {
                           reply.Chunk(Event("ADDED", Pod("x", 9)));
                         }
                         reply.Sleep(20s);
                       });
  watches_->Add({"", "v1", "Node", "nodes", false, {"list", "watch"}}, "");
  Run(3);
  EXPECT_THAT(told_, ElementsAre("synced", "synced", "put a/x 9"));
}

}  // namespace
}  // namespace bulwark::kube
