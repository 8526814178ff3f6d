// Every route of inspection, by an administrator and by people who may see one namespace.

#include "features/posture/server/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/time.h"
#include "features/posture/server/feature.h"
#include "features/posture/server/testing.h"
#include "model/record.h"

namespace bulwark::posture {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

constexpr std::string_view kId = "uid-1";

// One cluster for all: namespace a with web (privileged, :latest) and db, b with shop.
class RoutesTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = new SmallCluster(std::string(kId));
    cluster_->Put("a", "web", "nginx:latest", true);
    cluster_->Put("a", "db", "pg:16", false);
    cluster_->Put("b", "shop", "shop:latest", true);
    world_ = new World();
    PostureOptions options{
        .check_folders = {},
        .others_may_approve = [](const std::string& who) { return who != "user:lonely"; },
        .other_checks = {{.id = "node-swap",
                          .severity = Severity::kMedium,
                          .category = "resources",
                          .title = {"Swap is on", "启用了交换分区"},
                          .description = {"d", "述"},
                          .why = {"w", "因"},
                          .remedy = {"Switch it off", "关闭它"},
                          .message = {"{path} is {value}", "{path} 的值为 {value}"},
                          .controls = {{"cis-1.12", {"4.2.99"}}},
                          .origin = "node"}}};
    auto made = MakePosture(*world_->services, std::move(options));
    ASSERT_TRUE(made) << made.error().ToString();
    feature_ = made->release();
    AddPostureConfig(*world_->config, *feature_);
    ASSERT_TRUE(feature_->Start());
    ASSERT_TRUE(world_->inventory->Start());
    ASSERT_TRUE(world_->inventory->AddLocal("one", cluster_->config()));
    People& people = world_->people;
    people.Add("admin", {"*"});
    people.Add("lonely", {"*"});
    std::vector<std::string> developer = {"findings.read",    "assets.read",
                                          "exceptions.read",  "exceptions.request",
                                          "inspections.read", "inspections.run"};
    people.Add("dev-a", developer, {.clusters = {}, .namespaces = {"a"}, .labels = {}});
    people.Add("dev-b", developer, {.clusters = {}, .namespaces = {"b"}, .labels = {}});
    people.Add("dev-any", developer, {.clusters = {}, .namespaces = {"a?", "?"}, .labels = {}});
    people.Add("dev-web", developer,
               {.clusters = {}, .namespaces = {}, .labels = {{"app", "web"}}});
    people.Add("lead-a", {"exceptions.*"}, {.clusters = {}, .namespaces = {"a"}, .labels = {}});
    people.Add("cluster-lead", {"exceptions.*", "findings.read"},
               {.clusters = {std::string(kId)}, .namespaces = {}, .labels = {}});
    people.Add("only-findings", {"findings.read"});
    people.Add("only-run", {"inspections.run"});
    people.Add("nobody", {"clusters.read"});
    ASSERT_TRUE(Eventually([] {
      Arena arena;
      return !world_->Record(kInspections, kId, arena).IsNull();
    }));
  }
  static void TearDownTestSuite() {
    world_->api->Stop();
    world_->inventory->Stop();
    feature_->Stop();
    world_->scheduler.reset();
    world_->inventory.reset();
    world_->api.reset();
    delete feature_;
    delete world_;
    delete cluster_;
  }

  World::Answer Get(std::string target, std::string_view who) {
    return world_->Call("GET", "/api/v1" + target, who);
  }
  World::Answer Post(std::string target, std::string_view who, std::string body) {
    return world_->Call("POST", "/api/v1" + target, who, std::move(body));
  }
  static std::vector<std::string> Texts(const Value& items, std::string_view field) {
    std::vector<std::string> out;
    for (const Value& item : items.items()) out.emplace_back(item.StringAt(field));
    return out;
  }
  // "namespace/name" of the assets.
  static std::set<std::string> Assets(const Value& items) {
    std::set<std::string> out;
    for (const Value& item : items.items())
      out.insert(fmt::format("{}/{}", item["asset"].StringAt("namespace"),
                             item["asset"].StringAt("name")));
    return out;
  }
  std::string FindingId(std::string_view check, std::string_view name) {
    auto list = Get(fmt::format("/findings?q=check%3A{}%20name%3A{}", check, name), "admin");
    EXPECT_EQ(list.json["items"].size(), 1u) << check << " " << name << ": " << list.body;
    return list.json["items"].size() == 0 ? "" : std::string(list.json["items"][0].StringAt("id"));
  }
  std::string Ask(std::string_view who, std::string body) {
    auto made = Post("/exceptions", who, std::move(body));
    EXPECT_EQ(made.status, 201) << made.body;
    return std::string(made.json.StringAt("id"));
  }

  static SmallCluster* cluster_;
  static World* world_;
  static Feature* feature_;
};
SmallCluster* RoutesTest::cluster_;
World* RoutesTest::world_;
Feature* RoutesTest::feature_;

TEST_F(RoutesTest, FindingsInTwoLanguagesAndAsCsv) {
  auto list = Get("/findings?limit=1000&total=true", "admin");
  ASSERT_EQ(list.status, 200) << list.body;
  EXPECT_EQ(Assets(list.json["items"]), (std::set<std::string>{"a/db", "a/web", "b/shop"}));
  for (const Value& item : list.json["items"].items()) {
    EXPECT_FALSE(item.StringAt("title").empty());
    EXPECT_FALSE(item.StringAt("message").empty());
    EXPECT_EQ(item.Find("remedy"), nullptr) << "of one alone";
  }
  std::string id = FindingId("privileged-container", "web");
  auto en = Get("/findings/" + id, "admin"), zh = Get("/findings/" + id + "?lang=zh-CN", "admin");
  ASSERT_EQ(en.status, 200);
  EXPECT_FALSE(en.json.StringAt("remedy").empty());
  EXPECT_NE(en.json.StringAt("title"), zh.json.StringAt("title"));
  auto csv = Get("/findings?format=csv", "admin");
  EXPECT_THAT(csv.type, StartsWith("text/csv"));
  EXPECT_THAT(csv.body, AllOf(StartsWith("id,severity,status,check,title"), HasSubstr(id)));
  auto groups = Get("/findings/groups?by=severity", "admin");
  EXPECT_GT(groups.json["items"].size(), 1u);
  EXPECT_EQ(Get("/findings?q=since%3A1h", "admin").json["items"].size(),
            Get("/findings", "admin").json["items"].size());
}

TEST_F(RoutesTest, PeopleSeeTheirNamespaces) {
  std::string a = FindingId("privileged-container", "web"),
              b = FindingId("privileged-container", "shop");
  const struct {
    std::string_view who;
    std::set<std::string> assets;
    int a, b;
  } kCases[] = {
      {"dev-a", {"a/db", "a/web"}, 200, 404},
      {"dev-b", {"b/shop"}, 404, 200},
      {"dev-web", {"a/web"}, 200, 404},
      {"only-findings", {"a/db", "a/web", "b/shop"}, 200, 200},
      {"nobody", {}, 403, 403},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.who);
    auto list = Get("/findings?limit=1000", c.who);
    EXPECT_EQ(Assets(list.json["items"]), c.assets);
    EXPECT_EQ(Get("/findings/" + a, c.who).status, c.a);
    EXPECT_EQ(Get("/findings/" + b, c.who).status, c.b);
    auto csv = Get("/findings?format=csv&fields=asset.namespace,asset.name", c.who).body;
    EXPECT_EQ(csv.find("b,shop") != std::string::npos, c.assets.contains("b/shop"));
    auto workloads = Get("/inspections/workloads?limit=1000", c.who);
    if (c.who.starts_with("dev")) {
      std::set<std::string> seen = Assets(workloads.json["items"]);
      seen.erase("/kube-system");
      EXPECT_EQ(seen, c.assets);
      for (const Value& item : workloads.json["items"].items()) {
        EXPECT_TRUE(ParseRfc3339(item.StringAt("updatedAt"))) << item.StringAt("updatedAt");
      }
    } else {
      EXPECT_EQ(workloads.status, 403);
    }
    int fix_a = c.a != 200 ? c.a : c.who == "only-findings" ? 403 : 200;
    EXPECT_EQ(Get("/findings/" + a + "/fix", c.who).status, fix_a);
  }
  // What is not there and what may not be seen cannot be told apart.
  auto hidden = Get("/findings/" + b + "/fix", "dev-a"), absent = Get("/findings/zz/fix", "dev-a");
  EXPECT_EQ(hidden.status, 404);
  EXPECT_EQ(hidden.json.StringAt("type"), absent.json.StringAt("type"));
  EXPECT_EQ(hidden.json.StringAt("title"), absent.json.StringAt("title"));
}

TEST_F(RoutesTest, AFixIsADiffOfWhatIsThere) {
  auto fix = Get("/findings/" + FindingId("privileged-container", "web") + "/fix", "dev-a");
  ASSERT_EQ(fix.status, 200) << fix.body;
  EXPECT_THAT(std::string(fix.json.StringAt("diff")),
              AllOf(HasSubstr("--- a/deployment-web.yaml"), HasSubstr("privileged: true"),
                    HasSubstr("\n+"), Not(HasSubstr("resourceVersion"))));
  EXPECT_THAT(std::string(fix.json.StringAt("fixed")), HasSubstr("privileged: false"));
  EXPECT_GE(fix.json["closes"].ToInt().value_or(0), 1);
}

TEST_F(RoutesTest, ChecksWithTheirCounts) {
  auto count = [&](std::string_view who, std::string_view check, std::string_view field) {
    auto list = Get("/checks", who);
    EXPECT_EQ(list.status, 200) << list.body;
    for (const Value& item : list.json["items"].items()) {
      if (item.StringAt("id") == check) return item[field].ToInt().value_or(-1);
    }
    return int64_t{-2};
  };
  EXPECT_EQ(count("admin", "privileged-container", "failed"), 2);
  EXPECT_EQ(count("admin", "privileged-container", "passed"), 1);
  EXPECT_EQ(count("only-findings", "privileged-container", "failed"), 2);
  EXPECT_EQ(count("dev-a", "privileged-container", "failed"), 1);
  EXPECT_EQ(count("dev-b", "privileged-container", "failed"), 1);
  EXPECT_EQ(count("dev-b", "privileged-container", "passed"), 0)
      << "what passes is not kept by namespace";
  EXPECT_EQ(Get("/checks", "nobody").status, 403);
  auto one = Get("/checks/privileged-container?lang=zh", "dev-a");
  EXPECT_EQ(one.json["failed"], Value::Int(1));
  EXPECT_EQ(Get("/checks/none", "admin").status, 404);
  EXPECT_EQ(Get("/checks?cluster=none", "admin").status, 200);
}

TEST_F(RoutesTest, FrameworksWithTheirControls) {
  auto list = Get("/frameworks", "admin");
  ASSERT_EQ(list.status, 200);
  ASSERT_GT(list.json["items"].size(), 2u);
  EXPECT_EQ(list.json["items"][0].Find("controls"), nullptr);
  int64_t failing = 0, failing_a = 0;
  for (const Value& framework : list.json["items"].items())
    failing += framework["failing"].ToInt().value_or(0);
  auto of_a = Get("/frameworks", "dev-a");
  for (const Value& framework : of_a.json["items"].items())
    failing_a += framework["failing"].ToInt().value_or(0);
  EXPECT_GT(failing, 0);
  EXPECT_GT(failing_a, 0);
  std::string id(list.json["items"][0].StringAt("id"));
  auto one = Get("/frameworks/" + id, "dev-a");
  EXPECT_GT(one.json["controls"].size(), 0u);
  EXPECT_EQ(Get("/frameworks/none", "admin").status, 404);
  EXPECT_EQ(Get("/frameworks", "nobody").status, 403);
}

TEST_F(RoutesTest, HowClustersStand) {
  auto whole = Get("/inspections", "admin");
  ASSERT_EQ(whole.json["items"].size(), 1u) << whole.body;
  Value one = whole.json["items"][0];
  EXPECT_EQ(one.StringAt("clusterName"), "one");
  EXPECT_NE(one["byNamespace"].Find("b"), nullptr);
  EXPECT_NE(one.Find("byCheck"), nullptr);
  auto part = Get("/inspections", "dev-a");
  ASSERT_EQ(part.json["items"].size(), 1u) << part.body;
  Value of_a = part.json["items"][0];
  EXPECT_EQ(of_a["byNamespace"].size(), 1u);
  EXPECT_EQ(of_a["failed"], one["byNamespace"]["a"]["failed"]);
  EXPECT_EQ(of_a["score"], one["byNamespace"]["a"]["score"]);
  EXPECT_EQ(of_a.Find("byCheck"), nullptr);
  EXPECT_EQ(Get("/inspections?cluster=other", "admin").json["items"].size(), 0u);

  auto trends = Get("/trends?days=7&cluster=uid-1", "admin");
  ASSERT_EQ(trends.json["items"].size(), 1u) << trends.body;
  Value today = trends.json["items"][0];
  EXPECT_EQ(today["score"], one["score"]);
  EXPECT_GT(today["opened"].ToInt().value_or(0), 0);
  // A namespace's, and what may be seen of a cluster's.
  Value of_namespace = Get("/trends?namespace=a", "admin").json["items"][0];
  EXPECT_EQ(of_namespace["score"], one["byNamespace"]["a"]["score"]);
  EXPECT_EQ(of_namespace["open"], one["byNamespace"]["a"]["failed"]);
  EXPECT_EQ(of_namespace["bySeverity"]["high"], one["byNamespace"]["a"]["bySeverity"]["high"]);
  EXPECT_GT(of_namespace["opened"].ToInt().value_or(0), 0);
  EXPECT_LT(of_namespace["opened"].ToInt().value_or(0), today["opened"].ToInt().value_or(0));
  EXPECT_EQ(Get("/trends", "dev-a").json["items"][0], of_namespace);
  EXPECT_EQ(Get("/trends?namespace=b", "dev-a").json["items"].size(), 0u);
  EXPECT_EQ(Get("/trends?namespace=none", "admin").json["items"].size(), 0u);
  for (const char* days : {"0", "401", "x"})
    EXPECT_EQ(Get(std::string("/trends?days=") + days, "admin").status, 400) << days;
}

TEST_F(RoutesTest, RunsAndReports) {
  EXPECT_EQ(Post("/inspections/run", "dev-a", R"({"cluster":"uid-1"})").status, 403);
  EXPECT_EQ(Post("/inspections/run", "nobody", R"({"cluster":"uid-1"})").status, 403);
  EXPECT_EQ(Post("/inspections/run", "admin", R"({"cluster":"none"})").status, 404);
  EXPECT_EQ(Post("/inspections/run", "admin", R"({})").status, 400);
  auto run = Post("/inspections/run", "admin", R"({"cluster":"uid-1"})");
  ASSERT_EQ(run.status, 202) << run.body;
  std::string key(run.json.StringAt("id"));
  EXPECT_EQ(Get("/runs/" + key, "admin").status, 200);
  ASSERT_TRUE(
      Eventually([&] { return Get("/runs/" + key, "admin").json.StringAt("state") != "running"; }));
  auto done = Get("/runs/" + key, "admin");
  EXPECT_EQ(done.json.StringAt("state"), "done") << done.body;
  EXPECT_EQ(done.json["drift"], Value::Int(0)) << done.body;
  EXPECT_EQ(done.json.StringAt("by"), "user:admin");
  EXPECT_EQ(Get("/runs/" + key, "dev-a").status, 404);
  EXPECT_EQ(Get("/runs", "dev-a").json["items"].size(), 0u);

  const struct {
    std::string_view format, type, begins;
  } kFormats[] = {
      {"html", "text/html", "<!"},
      {"json", "application/json", "{"},
      {"sarif", "application/sarif+json", "{"},
      {"junit", "application/xml", "<?xml"},
      {"markdown", "text/markdown", "#"},
      {"csv", "text/csv", "\xEF\xBB\xBF"},
  };
  for (const auto& f : kFormats) {
    auto report =
        Get(fmt::format("/inspections/report?cluster=uid-1&format={}", f.format), "admin");
    EXPECT_EQ(report.status, 200) << f.format << " " << report.body;
    EXPECT_THAT(report.type, StartsWith(std::string(f.type)));
    EXPECT_THAT(report.body, StartsWith(std::string(f.begins)));
    EXPECT_THAT(report.body, HasSubstr("privileged"));
  }
  EXPECT_EQ(Get("/inspections/report?cluster=uid-1&format=table", "admin").status, 400);
  EXPECT_EQ(Get("/inspections/report", "admin").status, 400);
  EXPECT_EQ(Get("/inspections/report?cluster=uid-1", "dev-a").status, 403);
  // Who may run one but not read findings reads none in this way.
  EXPECT_EQ(Get("/inspections/report?cluster=uid-1", "only-run").status, 404);
}

TEST_F(RoutesTest, ExceptionsAreAskedForWhereOneMay) {
  const struct {
    std::string_view who, body;
    int status;
  } kCases[] = {
      {"dev-a", R"({"check":"latest","cluster":"uid-1","namespace":"a","reason":"r"})", 201},
      {"dev-a", R"({"check":"latest","namespace":"a","reason":"r"})", 201},
      {"dev-a", R"({"check":"latest","namespace":"b","reason":"r"})", 403},
      {"dev-a", R"({"check":"latest","reason":"r"})", 403},
      {"dev-a", R"({"check":"latest","cluster":"uid-1","reason":"r"})", 403},
      {"dev-a", R"({"check":"latest","namespace":"*","reason":"r"})", 403},
      {"dev-a", R"({"check":"latest","namespace":"a*","reason":"r"})", 403},
      {"dev-a", R"({"check":"latest","namespace":"?","reason":"r"})", 403},
      {"dev-a", R"({"check":"latest","name":"web","reason":"r"})", 403},
      // Its own pattern matches "a*" as a text; as a pattern that is more.
      {"dev-any", R"({"check":"latest","namespace":"a*","reason":"r"})", 403},
      {"dev-any", R"({"check":"latest","namespace":"*","reason":"r"})", 403},
      {"dev-any", R"({"check":"latest","namespace":"ab","reason":"r"})", 201},
      {"dev-web", R"({"check":"latest","namespace":"a","reason":"r"})", 403},
      {"dev-web", R"({"check":"latest","labels":{"app":"web"},"reason":"r"})", 201},
      {"dev-web", R"({"check":"latest","labels":{"app":"*"},"reason":"r"})", 403},
      {"cluster-lead", R"({"check":"latest","cluster":"uid-1","reason":"r"})", 201},
      {"cluster-lead", R"({"check":"latest","cluster":"one","reason":"r"})", 201},
      {"cluster-lead", R"({"check":"latest","cluster":"other","reason":"r"})", 403},
      {"cluster-lead", R"({"check":"latest","cluster":"uid-*","reason":"r"})", 403},
      {"nobody", R"({"check":"latest","namespace":"a","reason":"r"})", 403},
      {"admin", R"({"check":"*","reason":"r"})", 400},
      {"admin", R"({"check":"a","reason":"r","surprise":1})", 400},
      {"admin", R"({"check":"a","reason":"r","expires":"2020-01-01"})", 400},
  };
  for (const auto& c : kCases) {
    auto made = Post("/exceptions", c.who, std::string(c.body));
    EXPECT_EQ(made.status, c.status) << c.who << " " << c.body << " " << made.body;
    if (made.status != 201) continue;
    EXPECT_EQ(made.json.StringAt("state"), "requested");
    EXPECT_EQ(
        world_
            ->Call("DELETE", "/api/v1/exceptions/" + std::string(made.json.StringAt("id")), "admin")
            .status,
        204);
  }
  std::string a = Ask("dev-a", R"({"check":"x","namespace":"a","reason":"=1+1"})");
  EXPECT_EQ(Get("/exceptions/" + a, "dev-a").status, 200);
  EXPECT_EQ(Get("/exceptions/" + a, "dev-b").status, 404);
  EXPECT_EQ(Get("/exceptions", "dev-b").json["items"].size(), 0u);
  EXPECT_THAT(Get("/exceptions?format=csv", "admin").body, HasSubstr("'=1+1"));
  // A cluster that is called by its name is kept by its id.
  std::string named = Ask("admin", R"({"check":"x","cluster":"one","reason":"r"})");
  EXPECT_EQ(Get("/exceptions/" + named, "admin").json.StringAt("cluster"), kId);
  for (const std::string& id : {a, named})
    world_->Call("DELETE", "/api/v1/exceptions/" + id, "admin");
}

TEST_F(RoutesTest, ExceptionsAreDecidedOnByWhoMay) {
  auto step = [&](const std::string& id, std::string_view what, std::string_view who) {
    return Post(fmt::format("/exceptions/{}/{}", id, what), who, R"({"comment":"c"})").status;
  };
  std::string a = Ask("dev-a", R"({"check":"x","namespace":"a","reason":"r"})");
  EXPECT_EQ(step(a, "approve", "dev-a"), 403);
  EXPECT_EQ(step(a, "withdraw", "dev-b"), 404) << "it does not exist for them";
  EXPECT_EQ(step("none", "withdraw", "dev-b"), 404);
  EXPECT_EQ(step(a, "withdraw", "dev-any"), 403) << "another's";
  EXPECT_EQ(step(a, "approve", "lead-a"), 200);
  EXPECT_EQ(step(a, "approve", "lead-a"), 409);
  EXPECT_EQ(step(a, "withdraw", "dev-a"), 200);
  // Whoever may decide on a namespace may not decide on more.
  std::string all = Ask("admin", R"({"check":"x","reason":"r"})");
  EXPECT_EQ(step(all, "approve", "lead-a"), 404);
  EXPECT_EQ(step(all, "approve", "admin"), 403) << "one's own";
  EXPECT_EQ(step(all, "approve", "cluster-lead"), 404);
  EXPECT_EQ(world_->Call("DELETE", "/api/v1/exceptions/" + all, "lead-a").status, 404);
  EXPECT_EQ(step(all, "approve", "lonely"), 200);
  // At once, for who has nobody else to ask.
  auto at_once =
      Post("/exceptions", "lonely", R"({"check":"x","name":"y","reason":"r","approve":true})");
  EXPECT_EQ(at_once.json.StringAt("state"), "approved") << at_once.body;
  EXPECT_EQ(Post("/exceptions", "admin", R"({"check":"x","name":"y","reason":"r","approve":true})")
                .status,
            403);
  for (const std::string& id : {a, all, std::string(at_once.json.StringAt("id"))})
    EXPECT_EQ(world_->Call("DELETE", "/api/v1/exceptions/" + id, "admin").status, 204);
}

TEST_F(RoutesTest, OneFindingIsExcepted) {
  std::string a = FindingId("privileged-container", "web"),
              b = FindingId("privileged-container", "shop");
  auto except = [&](const std::string& id, std::string_view who, std::string_view scope) {
    return Post("/findings/" + id + "/exception", who,
                fmt::format(R"({{"reason":"legacy","scope":"{}"}})", scope));
  };
  EXPECT_EQ(except(b, "dev-a", "object").status, 404);
  EXPECT_EQ(except(a, "dev-a", "cluster").status, 403);
  EXPECT_EQ(except(a, "dev-a", "everywhere").status, 403);
  EXPECT_EQ(except(a, "dev-a", "planet").status, 400);
  auto made = except(a, "dev-a", "object");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.json.StringAt("check"), "privileged-container");
  EXPECT_EQ(made.json.StringAt("name"), "web");
  EXPECT_EQ(made.json.StringAt("namespace"), "a");
  EXPECT_EQ(made.json.StringAt("cluster"), kId);
  std::string id(made.json.StringAt("id"));
  ASSERT_EQ(Post("/exceptions/" + id + "/approve", "lead-a", "{}").status, 200);
  EXPECT_TRUE(Eventually(
      [&] { return Get("/findings/" + a, "dev-a").json.StringAt("status") == "excepted"; }));
  EXPECT_EQ(Get("/exceptions/" + id, "dev-a").json["covers"], Value::Int(1));
  ASSERT_EQ(Post("/exceptions/" + id + "/withdraw", "dev-a", "{}").status, 200);
  EXPECT_TRUE(
      Eventually([&] { return Get("/findings/" + a, "dev-a").json.StringAt("status") == "open"; }));
  // What is in no namespace has none to be excepted.
  store::Batch put, remove;
  put.Put(kFindings, "of-role",
          R"({"id":"of-role","check":"x","status":"closed","asset":{"cluster":"uid-1",)"
          R"("kind":"ClusterRole","name":"system:*"}})");
  ASSERT_TRUE(world_->state->Commit(put));
  EXPECT_EQ(except("of-role", "admin", "namespace").status, 400);
  auto role = except("of-role", "admin", "object");
  EXPECT_EQ(role.json.StringAt("name"), "system:\\*") << role.body;
  remove.Delete(kFindings, "of-role");
  remove.Delete(kExceptions, role.json.StringAt("id"));
  ASSERT_TRUE(world_->state->Commit(remove));
}

TEST_F(RoutesTest, ExceptionsAsConfiguration) {
  Arena arena;
  Value object = ParseJson(R"({"apiVersion":"bulwark.io/v1","kind":"Exception","metadata":
    {"name":"by-file"},"spec":{"check":"privileged-container","namespace":"b","reason":"r"}})",
                           arena)
                     .value();
  auto apply = [&](bool prune, const std::string& who = "user:lonely", bool may = true) {
    auto plan = world_->config->Plan(std::span(&object, 1), prune,
                                     {.id = who, .may = [&](std::string_view) { return may; }});
    EXPECT_TRUE(plan) << plan.error().ToString();
    EXPECT_TRUE(world_->config->Apply(*plan));
    return plan->size();
  };
  std::string shop = FindingId("privileged-container", "shop");
  auto state = [&] {
    return std::string(Get("/exceptions/by-file", "admin").json.StringAt("state"));
  };
  // Who might be asked to agree in the console does not do so by a file, nor who may not agree.
  EXPECT_EQ(apply(true, "user:admin"), 1u);
  EXPECT_EQ(state(), "requested");
  EXPECT_EQ(apply(true, "user:admin"), 0u);
  EXPECT_EQ(apply(true, "user:lonely", false), 0u);
  EXPECT_EQ(Post("/exceptions/by-file/approve", "admin", "{}").status, 403) << "one's own";
  EXPECT_EQ(Get("/findings/" + shop, "admin").json.StringAt("status"), "open");
  EXPECT_EQ(apply(true), 1u);
  EXPECT_EQ(apply(true), 0u);
  EXPECT_EQ(apply(true, "user:admin"), 0u) << "what was agreed to stands";
  EXPECT_EQ(state(), "approved");
  EXPECT_TRUE(Eventually(
      [&] { return Get("/findings/" + shop, "admin").json.StringAt("status") == "excepted"; }));
  // Refused by somebody: the file, of one who may agree alone, says that it counts.
  ASSERT_EQ(Post("/exceptions/by-file/refuse", "admin", "{}").status, 200);
  EXPECT_EQ(apply(false), 1u);
  EXPECT_EQ(Get("/exceptions/by-file", "admin").json.StringAt("state"), "approved");
  EXPECT_EQ(world_->Call("DELETE", "/api/v1/exceptions/by-file", "admin").status, 204);
  EXPECT_TRUE(Eventually(
      [&] { return Get("/findings/" + shop, "admin").json.StringAt("status") == "open"; }));
}

// What an agent judges of its node stands among the findings: in both languages, excepted like
// others, untouched by what inspections find, and closed when the check passes.
TEST_F(RoutesTest, FindingsOfOthers) {
  const Asset node{.cluster = std::string(kId), .version = "v1", .kind = "Node", .name = "n1"};
  auto judged = [&](Status status) {
    const OtherAssessment all[] = {
        {.check = "node-swap", .status = status, .path = "swaps", .value = "1", .error = "hm"},
        {.check = "none-of-these", .status = Status::kFail}};
    ASSERT_TRUE(TakeAssessments(*feature_, node, all));
  };
  judged(Status::kFail);
  auto find = [&] { return Get("/findings?q=check%3Anode-swap", "admin").json["items"]; };
  ASSERT_TRUE(Eventually([&] { return find().size() == 1; }));
  std::string id(find()[0].StringAt("id"));
  auto status = [&] {
    return std::string(Get("/findings/" + id, "admin").json.StringAt("status"));
  };
  auto zh = Get("/findings/" + id + "?lang=zh-CN", "admin");
  EXPECT_EQ(zh.json.StringAt("title"), "启用了交换分区");
  EXPECT_EQ(zh.json.StringAt("message"), "swaps 的值为 1");
  EXPECT_EQ(zh.json.StringAt("remedy"), "关闭它");
  EXPECT_EQ(zh.json.StringAt("category"), "resources");
  EXPECT_EQ(zh.json.StringAt("severity"), "medium");
  EXPECT_EQ(Get("/findings/" + id, "dev-a").status, 404) << "it is in no namespace";
  auto check = Get("/checks/node-swap", "admin");
  EXPECT_EQ(check.json.StringAt("title"), "Swap is on") << check.body;
  EXPECT_EQ(check.json["failed"], Value::Int(1));
  EXPECT_THAT(Texts(Get("/checks", "admin").json["items"], "id"), ::testing::Contains("node-swap"));

  std::string exception = Ask("dev-web", R"({"check":"node-swap","reason":"r","kind":"Node",
    "labels":{"app":"web"}})");
  ASSERT_EQ(Post("/exceptions/" + exception + "/refuse", "admin", "{}").status, 200);
  exception =
      Ask("cluster-lead", R"({"check":"node-*","cluster":"uid-1","kind":"Node","reason":"r"})");
  ASSERT_EQ(Post("/exceptions/" + exception + "/approve", "admin", "{}").status, 200);
  EXPECT_TRUE(Eventually([&] { return status() == "excepted"; }));
  judged(Status::kFail);
  ASSERT_EQ(Post("/exceptions/" + exception + "/withdraw", "cluster-lead", "{}").status, 200);
  EXPECT_TRUE(Eventually([&] { return status() == "open"; }));

  // A full inspection knows nothing of it: that is no difference.
  auto run = Post("/inspections/run", "admin", R"({"cluster":"uid-1"})");
  ASSERT_EQ(run.status, 202) << run.body;
  auto record = [&] { return Get("/runs/" + std::string(run.json.StringAt("id")), "admin").json; };
  ASSERT_TRUE(Eventually([&] { return record().StringAt("state") == "done"; }));
  EXPECT_EQ(record()["drift"], Value::Int(0));
  EXPECT_EQ(status(), "open");

  judged(Status::kError);
  EXPECT_TRUE(Eventually([&] {
    return Get("/findings/" + id, "admin").json.StringAt("message") == "could not be read: hm";
  }));
  judged(Status::kPass);
  EXPECT_TRUE(Eventually([&] { return status() == "closed"; }));
}

TEST_F(RoutesTest, EveryRouteIsClosedToStrangers) {
  for (const api::Route& route : world_->api->routes()) {
    if (route.permission == api::kPublic || route.permission == api::kAuthenticated) continue;
    std::string path = ReplaceAll(route.path, "{id}", "x");
    for (const char* name : {"{key}", "{check}", "{framework}"}) path = ReplaceAll(path, name, "x");
    EXPECT_EQ(world_->Call(route.method, path, "stranger", "{}").status, 401) << path;
    EXPECT_EQ(world_->Call(route.method, path, "nobody", "{}").status, 403) << path;
  }
  EXPECT_THAT(world_->api->MissingSchemas(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace bulwark::posture
