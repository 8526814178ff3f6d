// Inspection in a server against a real Kubernetes: what watching leads to is what a full
// inspection finds, through changes, fixes, exceptions and a restart.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>

#include "base/text.h"
#include "features/posture/cluster_source.h"
#include "features/posture/inspection.h"
#include "features/posture/server/feature.h"
#include "features/posture/server/live_posture.h"
#include "features/posture/server/testing.h"
#include "kube/kubeconfig.h"
#include "model/record.h"
#include "tests/cluster/fixture.h"

namespace bulwark::posture {
namespace {

using store::Query;
using ::testing::IsEmpty;
using KubeCluster = test::Cluster;

constexpr std::string_view kShop = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: live, labels: {app: web}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: c
        image: nginx:1.27
        securityContext: {privileged: PRIVILEGED}
)";

class PostureLive : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!KubeCluster::WhyNot({}).empty()) return;
    auto started = KubeCluster::StartApiServer();
    ASSERT_TRUE(started) << started.error().ToString();
    cluster_ = new KubeCluster(std::move(*started));
    auto seeded = cluster_->Seed();
    ASSERT_TRUE(seeded) << seeded.error().ToString();
    ASSERT_EQ(cluster_->Kubectl({"create", "namespace", "live"}).status, 0);
  }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }
  void SetUp() override {
    if (cluster_ == nullptr) GTEST_SKIP() << KubeCluster::WhyNot({});
    world_ = std::make_unique<World>();
    world_->people.Add("admin", {"*"});
    Begin();
    auto added = world_->inventory->AddLocal("here", Admin());
    ASSERT_TRUE(added) << added.error().ToString();
    id_ = added->id;
    ASSERT_TRUE(Synced());
  }
  void TearDown() override {
    if (world_ == nullptr) return;
    End();
    world_.reset();
  }
  static kube::Config Admin() {
    return kube::LoadConfig({.path = cluster_->kubeconfig(), .variable = {}}).value();
  }
  void Begin() {
    auto made = MakePosture(*world_->services, {});
    ASSERT_TRUE(made) << made.error().ToString();
    feature_ = std::move(*made);
    ASSERT_TRUE(feature_->Start());
    ASSERT_TRUE(world_->inventory->Start());
  }
  void End() {
    world_->api->Stop();
    world_->inventory->Stop();
    feature_->Stop();
    world_->scheduler.reset();
    world_->inventory.reset();
    world_->api.reset();
    feature_.reset();
    world_->Close();
  }
  bool Synced() {
    return Eventually([&] {
      Arena arena;
      return !world_->Record(kInspections, id_, arena).IsNull();
    });
  }
  static void Apply(std::string_view yaml) {
    auto done = cluster_->Kubectl({"apply", "--filename=-"}, yaml);
    ASSERT_EQ(done.status, 0) << done.err;
  }
  static std::string Shop(bool privileged) {
    return ReplaceAll(kShop, "PRIVILEGED", privileged ? "true" : "false");
  }
  // "check asset path status" of what is open or excepted in the store.
  std::set<std::string> Kept() {
    std::set<std::string> out;
    auto scanned = world_->state->Scan(
        kFindings, Query::AnyOf("status", {"open", "excepted"}),
        [&](const store::Record& record) -> Result<> {
          Arena arena;
          Value v = BW_TRY(ParseJson(record.body, arena));
          out.insert(fmt::format("{} {} {}", v.StringAt("check"), AssetOf(v["asset"]).Key(),
                                 v.StringAt("path")));
          return Ok();
        });
    EXPECT_TRUE(scanned);
    return out;
  }
  // What `inspect --cluster` finds.
  std::set<std::string> Found() {
    auto checks = CheckSet::BuiltIn().value();
    auto client = kube::Client::Connect(Admin()).value();
    InspectOptions options;
    options.check.kubernetes_minor = client.minor_version().value_or(kube::kNewestMinor);
    options.check.cluster = id_;
    options.whole_cluster = true;
    Inspection inspection(checks, options);
    auto read = AddCluster(inspection, checks, client, {}, nullptr);
    EXPECT_TRUE(read) << read.error().ToString();
    std::set<std::string> out;
    for (const Finding& f : inspection.Finish().findings)
      out.insert(fmt::format("{} {} {}", f.check, f.asset.Key(), f.evidence.path));
    return out;
  }
  // The record of `privileged` at web.
  Value Privileged(Arena& arena) {
    Value out;
    auto scanned = world_->state->Scan(
        kFindings,
        Query::And({Query::Equals("check", "privileged-container"), Query::Equals("ns", "live"),
                    Query::Equals("kind", "Deployment")}),
        [&](const store::Record& record) -> Result<> {
          out = BW_TRY(ParseJson(record.body, arena));
          return Ok();
        });
    EXPECT_TRUE(scanned);
    return out;
  }
  bool Becomes(std::string_view status) {
    return Eventually([&] {
      Arena arena;
      return Privileged(arena).StringAt("status") == status;
    });
  }
  World::Answer Post(std::string path, std::string body) {
    return world_->Call("POST", "/api/v1" + path, "admin", std::move(body));
  }
  int64_t Drift() {
    auto run = Post("/inspections/run", fmt::format(R"({{"cluster":"{}"}})", id_));
    EXPECT_EQ(run.status, 202) << run.body;
    std::string key(run.json.StringAt("id"));
    World::Answer answer;
    EXPECT_TRUE(Eventually([&] {
      answer = world_->Call("GET", "/api/v1/runs/" + key, "admin");
      return answer.json.StringAt("state") != "running";
    }));
    EXPECT_EQ(answer.json.StringAt("state"), "done") << answer.body;
    return answer.json["drift"].ToInt().value_or(-1);
  }

  static KubeCluster* cluster_;
  std::unique_ptr<World> world_;
  std::unique_ptr<Feature> feature_;
  std::string id_;
};
KubeCluster* PostureLive::cluster_ = nullptr;

TEST_F(PostureLive, WatchingFindsWhatAnInspectionFinds) {
  std::set<std::string> found = Found();
  ASSERT_GT(found.size(), 100u);
  EXPECT_TRUE(Eventually([&] { return Kept() == found; }));
  std::vector<std::string> missing, more;
  std::set<std::string> kept = Kept();
  std::set_difference(found.begin(), found.end(), kept.begin(), kept.end(),
                      std::back_inserter(missing));
  std::set_difference(kept.begin(), kept.end(), found.begin(), found.end(),
                      std::back_inserter(more));
  EXPECT_THAT(missing, IsEmpty());
  EXPECT_THAT(more, IsEmpty());
  EXPECT_EQ(Drift(), 0);
}

TEST_F(PostureLive, ChangesFixesExceptionsAndARestart) {
  Arena arena;
  Apply(Shop(true));
  auto applied = std::chrono::steady_clock::now();
  ASSERT_TRUE(Becomes("open"));
  auto took = std::chrono::steady_clock::now() - applied;
  std::cout << "a change was visible after "
            << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms\n";
  const std::string first(Privileged(arena).StringAt("firstSeen"));

  Apply(Shop(false));
  ASSERT_TRUE(Becomes("closed"));
  Apply(Shop(true));
  ASSERT_TRUE(Becomes("open"));
  Value finding = Privileged(arena);
  EXPECT_EQ(finding["reopened"], Value::Int(1));
  EXPECT_EQ(finding.StringAt("firstSeen"), first);

  // Asked for, at once for who is alone, and over by itself.
  auto asked = Post(fmt::format("/findings/{}/exception", finding.StringAt("id")),
                    fmt::format(R"({{"reason":"legacy","approve":true,"expires":"{}"}})",
                                FormatTime(NowUs() + 6'000'000)));
  ASSERT_EQ(asked.status, 201) << asked.body;
  ASSERT_TRUE(Becomes("excepted"));
  EXPECT_EQ(Privileged(arena)["exception"].StringAt("id"), asked.json.StringAt("id"));
  ASSERT_TRUE(Becomes("open"));
  EXPECT_EQ(
      world_->Call("GET", "/api/v1/exceptions/" + std::string(asked.json.StringAt("id")), "admin")
          .json.StringAt("state"),
      "expired");
  EXPECT_EQ(Drift(), 0);

  // A restart over the same folder, with a fix and a deletion while nobody looked.
  std::set<std::string> kept = Kept();
  std::vector<std::string> events = world_->Events("finding");
  std::string other(Privileged(arena).StringAt("lastSeen"));
  End();
  ASSERT_EQ(cluster_->Kubectl({"delete", "deployment", "web", "--namespace=live"}).status, 0);
  world_->Open();
  Begin();
  // Credentials of the process are not kept.
  auto added = world_->inventory->AddLocal("here", Admin());
  ASSERT_TRUE(added) << added.error().ToString();
  ASSERT_TRUE(Becomes("closed"));
  std::set<std::string> found = Found();
  EXPECT_TRUE(Eventually([&] { return Kept() == found; }));
  std::erase_if(kept, [](const std::string& line) {
    return line.find("apps/Deployment/live/web") != std::string::npos;
  });
  EXPECT_EQ(Kept(), kept);
  EXPECT_EQ(Privileged(arena).StringAt("firstSeen"), first);
  std::vector<std::string> after = world_->Events("finding");
  ASSERT_GT(after.size(), events.size());
  for (size_t i = events.size(); i < after.size(); ++i)
    EXPECT_TRUE(after[i].starts_with("closed ") && after[i].ends_with(" web")) << after[i];
  EXPECT_EQ(Drift(), 0);
}

}  // namespace
}  // namespace bulwark::posture
