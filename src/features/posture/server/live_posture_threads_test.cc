// Several clusters told by threads of their own while exceptions change, inspections run, clusters
// go and come back, and all of it stops.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "features/posture/server/live_posture.h"
#include "features/posture/server/testing.h"
#include "model/record.h"

namespace bulwark::posture {
namespace {

using namespace std::chrono_literals;
using store::Query;

const kube::Resource kDeployments{"apps", "v1", "Deployment", "deployments", true, {}};
const kube::Resource kServices{"", "v1", "Service", "services", true, {}};
const kube::Resource kNodes{"", "v1", "Node", "nodes", false, {}};

class LivePostureTest : public ::testing::Test {
 protected:
  LivePostureTest() : checks_(FewChecks()) {
    for (const store::Collection* collection :
         {&FindingsCollection(), &ExceptionsCollection(), &InspectionsCollection(),
          &InspectedCollection(), &TrendsCollection(), &RunsCollection()}) {
      EXPECT_TRUE(world_.state->Define(*collection));
    }
    Open();
  }
  ~LivePostureTest() override { Close(); }
  void Open() {
    live_ = std::make_unique<LivePosture>(*world_.services, checks_);
    ASSERT_TRUE(world_.inventory->Start());
    ASSERT_TRUE(live_->Start());
  }
  // As the inventory keeps it; else it was removed meanwhile.
  void Keep(const std::string& id) {
    store::Batch batch;
    batch.Put("clusters", id, fmt::format(R"({{"id":"{0}","name":"name-{0}","local":true}})", id));
    ASSERT_TRUE(world_.state->Commit(batch));
  }
  void Close() {
    world_.inventory->Stop();
    live_->Stop();
    live_.reset();
  }
  void Restart() {
    Close();
    world_.Close();
    world_.Open();
    for (const store::Collection* collection :
         {&FindingsCollection(), &ExceptionsCollection(), &InspectionsCollection(),
          &InspectedCollection(), &TrendsCollection(), &RunsCollection()}) {
      ASSERT_TRUE(world_.state->Define(*collection));
    }
    Open();
  }
  // What the inventory would tell, by the caller's thread.
  struct Told {
    Told(LivePosture& to, std::string id)
        : live(to),
          small(id),
          client(kube::Client::Connect(small.config()).value()),
          cluster{id, "name-" + id, small.config().server, "v1.34.0", "ready"} {}
    void Connect() { live.OnCluster(cluster, client); }
    void Put(std::string_view ns, std::string_view name, std::string_view image, bool privileged) {
      Put(kDeployments, DeploymentJson(ns, name, image, privileged));
    }
    void Put(const kube::Resource& resource, const std::string& text) {
      Arena arena;
      live.OnPut(cluster, resource, ParseJson(text, arena).value(), text);
    }
    void Delete(std::string_view ns, std::string_view name) {
      live.OnDelete(cluster, kDeployments, ns, name);
    }
    void Synced() { live.OnSynced(cluster); }
    LivePosture& live;
    SmallCluster small;
    kube::Client client;
    Cluster cluster;
  };
  size_t Findings(std::string_view status, std::string_view cluster) {
    return world_.Count(kFindings, Query::And({Query::Equals("status", std::string(status)),
                                               Query::Exactly("cluster", cluster)}));
  }
  std::string Status(std::string_view check, std::string_view name) {
    std::string out = "none";
    auto scanned = world_.state->Scan(
        kFindings, Query::And({Query::Exactly("check", check), Query::Exactly("name", name)}),
        [&](const store::Record& record) -> Result<> {
          Arena arena;
          out = ParseJson(record.body, arena).value().StringAt("status");
          return Ok();
        });
    EXPECT_TRUE(scanned);
    return out;
  }

  World world_;
  CheckSet checks_;
  std::unique_ptr<LivePosture> live_;
};

TEST_F(LivePostureTest, ManyClustersAtOnce) {
  constexpr int kClusters = 3, kObjects = 40, kRounds = 6;
  std::vector<std::unique_ptr<Told>> told;
  for (int i = 0; i < kClusters; ++i) {
    told.push_back(std::make_unique<Told>(*live_, "uid-" + std::to_string(i)));
    for (int n = 0; n < 5; ++n) told.back()->small.Put("a", "n" + std::to_string(n), "x:1", true);
  }
  // Inspections of a cluster that is really there, while the threads tell of it.
  ASSERT_TRUE(world_.inventory->AddLocal("real", told[0]->small.config()));
  std::atomic<bool> over = false;
  std::atomic<int> runs = 0;
  {
    std::vector<std::jthread> threads;
    for (auto& t : told) {
      threads.emplace_back([&t] {
        t->Connect();
        for (int round = 0; round < kRounds; ++round) {
          for (int n = 0; n < kObjects; ++n) {
            std::string name = fmt::format("n{}", n);
            if (n % 7 == round) {
              t->Delete("a", name);
            } else {
              t->Put("a", name, n % 2 ? "x:latest" : "x:1", (n + round) % 3 == 0);
            }
          }
          t->Synced();
          if (round == 2) t->Connect();  // the connection was lost
          std::this_thread::sleep_for(50ms);
        }
        // How it ends: 40 objects, all privileged, with image x:1.
        t->Connect();
        for (int n = 0; n < kObjects; ++n) t->Put("a", fmt::format("n{}", n), "x:1", true);
        t->Synced();
      });
    }
    std::jthread excepts([&] {
      Arena arena;
      Value asked = ParseJson(R"({"check":"priv*","name":"n1*","reason":"r"})", arena).value();
      while (!over) {
        auto made = live_->exceptions().Request(asked, "root", true);
        EXPECT_TRUE(made) << made.error().ToString();
        std::this_thread::sleep_for(20ms);
        EXPECT_TRUE(live_->exceptions().Delete(made->key, "root"));
      }
    });
    std::jthread inspects([&] {
      while (!over) {
        auto key = live_->StartRun("uid-0", "root");
        if (key) {
          ++runs;
        } else {
          EXPECT_EQ(key.error().id(), "posture.running");
        }
        std::this_thread::sleep_for(10ms);
      }
    });
    std::jthread comes_and_goes([&] {
      Told own(*live_, "uid-9");
      for (int i = 0; i < 10 && !over; ++i) {
        own.Connect();
        own.Put("a", "x", "x:1", true);
        own.Synced();
        std::this_thread::sleep_for(30ms);
        live_->OnRemoved(own.cluster);
      }
    });
    for (auto& thread : threads) thread.join();
    over = true;
  }
  EXPECT_GT(runs, 0);
  for (int i = 0; i < kClusters; ++i) {
    std::string id = "uid-" + std::to_string(i);
    // One of privileged, one of alone for each.
    EXPECT_TRUE(Eventually([&] {
      return Findings("open", id) == 2u * kObjects && Findings("excepted", id) == 0;
    })) << Findings("open", id)
        << " " << Findings("excepted", id);
    EXPECT_TRUE(Eventually([&] {
      Arena arena;
      Value record = world_.Record(kInspections, id, arena);
      return record["failed"] == Value::Int(2 * kObjects) && record["excepted"] == Value::Int(0);
    }));
    EXPECT_EQ(world_.Count(kInspected, Query::Exactly("cluster", id)), size_t{kObjects});
  }
  EXPECT_TRUE(Eventually([&] {
    return Findings("open", "uid-9") == 0 &&
           world_.Count(kInspected, Query::Exactly("cluster", "uid-9")) == 0;
  }));
}

TEST_F(LivePostureTest, ItStopsInTheMiddle) {
  Told told(*live_, "uid-1");
  std::atomic<bool> over = false;
  std::jthread thread([&] {
    told.Connect();
    for (int i = 0; !over; ++i) told.Put("a", fmt::format("n{}", i % 500), "x:1", i % 2 == 0);
  });
  EXPECT_TRUE(Eventually([&] { return world_.Count(kInspected) > 100; }));
  live_->Stop();
  auto run = live_->StartRun("uid-1", "root");
  EXPECT_FALSE(run);
  over = true;
}

TEST_F(LivePostureTest, ARestartKeepsWhatItIsAndClosesWhatWent) {
  {
    Told told(*live_, "uid-1");
    told.Connect();
    told.Put("a", "stays", "x:1", true);
    told.Put("a", "goes", "x:1", true);
    told.Synced();
    ASSERT_TRUE(Eventually([&] { return Findings("open", "uid-1") == 4; }));
    ASSERT_TRUE(Eventually([&] { return world_.Count(kInspected) == 2; }));
  }
  Keep("uid-1");
  size_t events = world_.Events("finding").size();
  Restart();
  // The cluster is away: nothing closes.
  std::this_thread::sleep_for(500ms);
  EXPECT_EQ(Findings("open", "uid-1"), 4u);
  Told told(*live_, "uid-1");
  told.Connect();
  told.Put("a", "stays", "x:1", true);
  told.Synced();
  EXPECT_TRUE(Eventually([&] { return Findings("closed", "uid-1") == 2; }));
  EXPECT_TRUE(Eventually([&] { return world_.Count(kInspected) == 1; }));
  EXPECT_EQ(Findings("open", "uid-1"), 2u);
  EXPECT_EQ(world_.Events("finding").size(), events + 2);
}

TEST_F(LivePostureTest, WhatWentWhileTheConnectionWasLostCloses) {
  Told told(*live_, "uid-1");
  told.Connect();
  told.Put("a", "stays", "x:1", true);
  told.Put("a", "goes", "x:1", true);
  told.Put(kNodes, R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}})");
  told.Synced();
  ASSERT_TRUE(Eventually([&] { return Findings("open", "uid-1") == 4; }));
  told.Connect();
  told.Put("a", "stays", "x:1", true);
  told.Synced();
  EXPECT_TRUE(Eventually([&] { return Findings("closed", "uid-1") == 2; }));
  EXPECT_EQ(Status("privileged", "stays"), "open");
}

TEST_F(LivePostureTest, WhatCannotBeReadIsNotFixed) {
  {
    Told told(*live_, "uid-1");
    told.Connect();
    told.Put("a", "web", "x:1", true);
    told.Synced();
    ASSERT_TRUE(Eventually([&] { return Findings("open", "uid-1") == 2; }));
  }
  Keep("uid-1");
  Restart();
  Told told(*live_, "uid-1");
  told.Connect();
  live_->OnUnreadable(told.cluster, kDeployments, "", Error(Code::kDenied, "kube.forbidden", "no"));
  told.Put("a2", "other", "x:latest", false);
  told.Put(kNodes, R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}})");
  told.Synced();
  EXPECT_TRUE(Eventually([&] {
    Arena arena;
    return !world_.Record(kInspections, "uid-1", arena).IsNull();
  }));
  EXPECT_EQ(Status("privileged", "web"), "open");
  // It can be read again, and is not there.
  told.Put("a", "third", "x:1", false);
  told.Synced();
  EXPECT_TRUE(Eventually([&] { return Status("privileged", "web") == "closed"; }));
}

TEST_F(LivePostureTest, ExceptionsFollowNamesAndExpire) {
  Told told(*live_, "uid-1");
  told.Connect();
  told.Put("a", "web", "x:1", true);
  told.Synced();
  ASSERT_TRUE(Eventually([&] { return Status("privileged", "web") == "open"; }));
  Arena arena;
  Value asked =
      ParseJson(R"({"check":"privileged","cluster":"name-uid-1","reason":"r"})", arena).value();
  auto made = live_->exceptions().Request(asked, "root", true);
  ASSERT_TRUE(made);
  EXPECT_TRUE(Eventually([&] { return Status("privileged", "web") == "excepted"; }));
  ASSERT_TRUE(live_->exceptions().Decide(made->key, "refuse", "bob", "", false));
  EXPECT_TRUE(Eventually([&] { return Status("privileged", "web") == "open"; }));
  // Of objects beside others, too; and it ends by itself.
  MapBuilder soon(arena);
  soon.Add("check", Value::String("alone")).Add("reason", Value::String("r"));
  soon.Add("expires", Value::String(arena, FormatTime(NowUs() + 3'000'000)));
  ASSERT_TRUE(live_->exceptions().Request(soon.Finish(), "root", true));
  EXPECT_TRUE(Eventually([&] { return Status("alone", "web") == "excepted"; }));
  EXPECT_TRUE(Eventually([&] { return Status("alone", "web") == "open"; }));
}

TEST_F(LivePostureTest, ClustersRemovedAndRunsInterruptedWhileNobodyLooked) {
  {
    Told told(*live_, "uid-1");
    told.Connect();
    told.Put("a", "web", "x:1", true);
    told.Synced();
    ASSERT_TRUE(Eventually([&] {
      Arena arena;
      return Findings("open", "uid-1") == 2 &&
             !world_.Record(kInspections, "uid-1", arena).IsNull();
    }));
  }
  store::Batch batch;
  batch.Put(kRuns, "r1", R"({"id":"r1","cluster":"uid-1","state":"running"})");
  ASSERT_TRUE(world_.state->Commit(batch));
  // The clusters' records are there, and this one's is not.
  ASSERT_NE(world_.state->Fields("clusters"), nullptr);
  Restart();
  EXPECT_TRUE(Eventually([&] { return Findings("open", "uid-1") == 0; }));
  Arena arena;
  EXPECT_EQ(world_.Record(kRuns, "r1", arena).StringAt("state"), "failed");
  EXPECT_TRUE(world_.Record(kInspections, "uid-1", arena).IsNull());
}

}  // namespace
}  // namespace bulwark::posture
