// Several clusters at once, added and removed while they are listed, over small servers that speak
// as much of the Kubernetes API as the inventory asks for.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "base/files.h"
#include "base/text.h"
#include "net/test_server.h"
#include "net/url_guard.h"
#include "platform/inventory/inventory.h"
#include "platform/pipeline/memory_store.h"
#include "platform/store/sqlite_state_store.h"
#include "platform/vault/vault.h"

namespace bulwark {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

bool Eventually(const std::function<bool()>& condition) {
  auto until = std::chrono::steady_clock::now() + 60s;
  while (std::chrono::steady_clock::now() < until) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return condition();
}

// An API server with namespaces and `pods` pods, of which one changes all the time.
class SmallCluster {
 public:
  SmallCluster(std::string uid, int pods)
      : uid_(std::move(uid)),
        pods_(pods),
        server_([this](const net::TestServer::Request& r, net::TestServer::Reply& reply) {
          Serve(r, reply);
        }) {}
  std::string url() const { return server_.url(); }
  std::string Kubeconfig(std::string_view extra = "") const {
    return fmt::format(
        "{{current-context: x, contexts: [{{name: x, context: {{cluster: c, user: u}}}}], "
        "clusters: [{{name: c, cluster: {{server: '{}'{}}}}}], users: [{{name: u, user: {{token: "
        "hidden}}}}]}}",
        url(), extra);
  }
  void SetUid(std::string uid) {
    std::lock_guard lock(mutex_);
    uid_ = std::move(uid);
  }
  void Refuse(bool refuse) { refuse_ = refuse; }

 private:
  static std::string Pod(int n, int version) {
    return fmt::format(
        R"({{"metadata":{{"namespace":"a","name":"p-{0}","uid":"u-{0}","resourceVersion":"{1}","labels":{{"v":"{1}"}}}},)"
        R"("spec":{{"containers":[{{"name":"c","image":"nginx:{2}"}}]}}}})",
        n, version, n % 3);
  }
  void Serve(const net::TestServer::Request& r, net::TestServer::Reply& reply) {
    if (refuse_) return reply.Send(401, R"({"kind":"Status","message":"who are you"})");
    const std::string path = r.path();
    auto resource = [](std::string_view name, std::string_view kind, bool namespaced) {
      return fmt::format(
          R"({{"resource":"{}","responseKind":{{"kind":"{}"}},"scope":"{}","verbs":["list","watch","get"]}})",
          name, kind, namespaced ? "Namespaced" : "Cluster");
    };
    if (path == "/version") {
      return reply.Send(200, R"({"major":"1","minor":"34","gitVersion":"v1.34.0"})");
    }
    if (path == "/api") {
      return reply.Send(
          200,
          fmt::format(
              R"({{"kind":"APIGroupDiscoveryList","items":[{{"metadata":{{}},"versions":[{{"version":"v1","resources":[{},{}]}}]}}]}})",
              resource("namespaces", "Namespace", false), resource("pods", "Pod", true)));
    }
    if (path == "/apis") return reply.Send(200, R"({"kind":"APIGroupDiscoveryList","items":[]})");
    std::string uid;
    {
      std::lock_guard lock(mutex_);
      uid = uid_;
    }
    const std::string system = fmt::format(
        R"({{"metadata":{{"name":"kube-system","uid":"{}","resourceVersion":"1"}}}})", uid);
    if (path == "/api/v1/namespaces/kube-system") return reply.Send(200, system);
    if (r.Query("watch") == "1") {
      reply.Begin(200);
      for (int i = 10; path == "/api/v1/pods" && reply.open(); ++i) {
        reply.Chunk(fmt::format("{{\"type\":\"MODIFIED\",\"object\":{}}}\n", Pod(0, i)));
        reply.Sleep(5ms);
      }
      return reply.Sleep(60s);
    }
    std::string items;
    if (path == "/api/v1/namespaces") items = system;
    for (int i = 0; path == "/api/v1/pods" && i < pods_; ++i) {
      items += (i > 0 ? "," : "") + Pod(i, 2);
    }
    reply.Send(200, fmt::format(R"({{"metadata":{{"resourceVersion":"5"}},"items":[{}]}})", items));
  }

  std::mutex mutex_;
  std::string uid_;
  const int pods_;
  std::atomic<bool> refuse_ = false;
  net::TestServer server_;
};

struct World {
  explicit World(InventoryOptions options = Quick()) {
    inventory = std::make_unique<Inventory>(*state, *pipeline, *vault, metrics, std::move(options));
  }
  static InventoryOptions Quick() {
    InventoryOptions o;
    o.allow_http = true;
    o.max_wait = 100ms;
    o.probe = 1s;
    return o;
  }
  std::string State(const std::string& id) const {
    for (const Cluster& c : inventory->Clusters()) {
      if (c.id == id) return c.state;
    }
    return "";
  }
  TempDir folder = TempDir::Make().value();
  Metrics metrics;
  store::MemoryEventStore events;
  std::unique_ptr<store::StateStore> state =
      store::OpenSqliteStateStore(folder.File("state.db")).value();
  std::unique_ptr<vault::Vault> vault =
      vault::Vault::Open(*state, vault::OpenKeyFile({folder.File("master.key")}).value()).value();
  std::unique_ptr<Pipeline> pipeline = std::make_unique<Pipeline>(events, metrics);
  std::unique_ptr<Inventory> inventory;
};

class Counting : public AssetListener {
 public:
  bool Wants(const kube::Resource&) const override { return false; }
  void OnCluster(const Cluster&, const kube::Client&) override {}
  void OnPut(const Cluster& cluster, const kube::Resource&, const Value&,
             std::string_view) override {
    // One call at a time for each cluster.
    std::atomic<int>& inside = inside_[cluster.id.back() - '0'];
    if (++inside != 1) ++overlaps;
    --inside;
  }
  void OnDelete(const Cluster&, const kube::Resource&, std::string_view,
                std::string_view) override {}
  void OnSynced(const Cluster&) override { ++synced; }
  void OnUnreadable(const Cluster&, const kube::Resource&, std::string_view,
                    const Error&) override {}
  void OnRemoved(const Cluster&) override { ++removed; }
  std::atomic<int> overlaps = 0, synced = 0, removed = 0;

 private:
  std::atomic<int> inside_[10] = {};
};

TEST(InventoryThreads, ClustersComeAndGoWhileTheyAreListed) {
  std::vector<std::unique_ptr<SmallCluster>> clusters;
  for (int i = 0; i < 4; ++i) {
    clusters.push_back(std::make_unique<SmallCluster>(fmt::format("uid-{}", i), 300));
  }
  Counting listener;
  World world;
  world.inventory->AddListener(&listener);
  std::atomic<int> told = 0;
  world.inventory->SetTeller([&](const InventoryChange&) { ++told; });
  ASSERT_TRUE(world.inventory->Start());
  std::atomic<int> removed = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        const std::string id = fmt::format("uid-{}", i);
        for (int round = 0; round < 3; ++round) {
          auto added = world.inventory->Add("c", clusters[i]->Kubeconfig());
          EXPECT_TRUE(added) << added.error().ToString();
          // In the middle of its listing, or after it.
          std::this_thread::sleep_for(std::chrono::milliseconds(round * 150));
          EXPECT_TRUE(world.inventory->Rename(id, fmt::format("cluster {}", round)));
          EXPECT_TRUE(world.inventory->Remove(id));
          ++removed;
        }
        EXPECT_TRUE(world.inventory->Add("last", clusters[i]->Kubeconfig()));
      });
    }
    threads.emplace_back([&](std::stop_token stop) {
      while (!stop.stop_requested() && removed < 12) {
        for (const Cluster& c : world.inventory->Clusters()) {
          (void)world.inventory->ClientOf(c.id);
          (void)world.inventory->Object(
              {.cluster = c.id, .kind = "Namespace", .name = "kube-system"});
        }
        std::this_thread::sleep_for(5ms);
      }
    });
  }
  for (int i = 0; i < 4; ++i) {
    const std::string id = fmt::format("uid-{}", i);
    EXPECT_TRUE(Eventually([&] { return world.State(id) == "ready"; })) << id;
    auto filter = store::Query::And(
        {store::Query::Equals("cluster", id), store::Query::Equals("kind", "Pod")});
    EXPECT_TRUE(Eventually([&] { return world.state->Count("assets", filter).value() == 300; }));
  }
  EXPECT_TRUE(Eventually([&] { return told > 20; }));
  EXPECT_EQ(listener.overlaps, 0);
  EXPECT_EQ(listener.removed, 12);
  EXPECT_GE(listener.synced, 4);
  world.inventory->Stop();
  EXPECT_EQ(world.state->Count("clusters", store::Query::All()).value(), 4U);
}

TEST(InventoryThreads, StatesAndRefusals) {
  SmallCluster cluster("uid-1", 3), other("uid-2", 1);
  World world;
  ASSERT_TRUE(world.inventory->Start());
  Inventory& inventory = *world.inventory;
  EXPECT_EQ(inventory.Add("", cluster.Kubeconfig()).error().id(), "inventory.name");
  EXPECT_EQ(inventory.Add("x", "nonsense").error().id(), "kube.config");
  EXPECT_EQ(
      inventory.Add("x", cluster.Kubeconfig(", certificate-authority: /etc/passwd")).error().id(),
      "kube.config_refused");
  EXPECT_THAT(inventory.Clusters(), IsEmpty());
  ASSERT_TRUE(inventory.Add("x", cluster.Kubeconfig()));
  ASSERT_TRUE(Eventually([&] { return world.State("uid-1") == "ready"; }));
  EXPECT_EQ(inventory.ReplaceCredentials("uid-1", other.Kubeconfig()).error().id(),
            "inventory.other_cluster");
  EXPECT_TRUE(inventory.ReplaceCredentials("uid-1", cluster.Kubeconfig()));
  ASSERT_TRUE(Eventually([&] { return world.State("uid-1") == "ready"; }));
  EXPECT_EQ(inventory.SetLabels("uid-1", {"novalue"}).error().id(), "inventory.labels");
  EXPECT_TRUE(inventory.SetLabels("uid-1", {"env=prod"}));
  // Not let in any more, and then again.
  cluster.Refuse(true);
  EXPECT_TRUE(Eventually([&] { return world.State("uid-1") == "denied"; }));
  EXPECT_EQ(world.state->Count("assets", store::Query::Equals("kind", "Pod")).value(), 3U);
  // The record follows the state.
  EXPECT_TRUE(Eventually([&] {
    auto stored = world.state->Get("clusters", "uid-1");
    return stored && *stored && (*stored)->body.find("kube.unauthorized") != std::string::npos;
  }));
  auto record = world.state->Get("clusters", "uid-1");
  ASSERT_TRUE(record && *record);
  EXPECT_THAT((*record)->body, HasSubstr("env=prod"));
  EXPECT_THAT((*record)->body, Not(HasSubstr("hidden")));
  cluster.Refuse(false);
  EXPECT_TRUE(Eventually([&] { return world.State("uid-1") == "ready"; }));
  for (const char* id : {"", "nobody"}) {
    EXPECT_EQ(inventory.Remove(id).error().id(), "inventory.no_cluster");
    EXPECT_EQ(inventory.Check(id).error().id(), "inventory.no_cluster");
    EXPECT_EQ(inventory.ClientOf(id).error().id(), "inventory.no_cluster");
  }
}

TEST(InventoryThreads, AnotherClusterAtTheSameAddressIsNotTakenForIt) {
  SmallCluster cluster("uid-1", 3);
  World world;
  ASSERT_TRUE(world.inventory->Start());
  ASSERT_TRUE(world.inventory->Add("x", cluster.Kubeconfig()));
  ASSERT_TRUE(Eventually([&] { return world.State("uid-1") == "ready"; }));
  world.inventory->Stop();
  cluster.SetUid("uid-9");
  world.inventory = std::make_unique<Inventory>(*world.state, *world.pipeline, *world.vault,
                                                world.metrics, World::Quick());
  ASSERT_TRUE(world.inventory->Start());
  EXPECT_TRUE(Eventually([&] { return world.State("uid-1") == "denied"; }));
  // The record follows the state.
  EXPECT_TRUE(Eventually([&] {
    auto record = world.state->Get("clusters", "uid-1");
    return record && *record &&
           (*record)->body.find("inventory.other_cluster") != std::string::npos;
  }));
}

TEST(InventoryThreads, TheGuardAndPlainHttpAreHeeded) {
  SmallCluster cluster("uid-1", 3);
  InventoryOptions guarded = World::Quick();
  guarded.guard = std::make_shared<net::UrlGuard>(net::UrlGuard::Make({}).value());
  World strict(guarded);
  ASSERT_TRUE(strict.inventory->Start());
  auto refused = strict.inventory->Add("x", cluster.Kubeconfig());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "url_guard.forbidden");
  // By a name that leads there, only when it is connected to.
  refused = strict.inventory->Add("x", ReplaceAll(cluster.Kubeconfig(), "127.0.0.1", "localhost"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "url_guard.forbidden");
  refused = strict.inventory->Add(
      "x", ReplaceAll(cluster.Kubeconfig(", proxy-url: 'http://proxy.example:1'"), "127.0.0.1",
                      "10.0.0.1"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "inventory.proxy");
  InventoryOptions https = World::Quick();
  https.allow_http = false;
  World plain(https);
  ASSERT_TRUE(plain.inventory->Start());
  EXPECT_EQ(plain.inventory->Add("x", cluster.Kubeconfig()).error().id(), "inventory.http");
}

}  // namespace
}  // namespace bulwark
