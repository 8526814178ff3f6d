// The whole server with a real cluster behind it: every route that reads is asked for what there
// is, in both languages, and its answer held against the schema that the OpenAPI document states.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <set>

#include "app/server/server.h"
#include "base/arena.h"
#include "base/files.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "formats/json.h"
#include "kube/kubeconfig.h"
#include "model/record.h"
#include "tests/cluster/fixture.h"
#include "tests/e2e/server_caller.h"

namespace bulwark {
namespace {

using test::Caller;
using ::testing::AnyOf;
using ::testing::IsEmpty;
using KubeCluster = test::Cluster;

// Somebody runs a command in a pod: the rule exec-into-pod raises an alert.
constexpr std::string_view kExec =
    R"({"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"level":"Request",
  "auditID":"b7a0e8a2-5d0e-4f1c-9b58-000000000001","stage":"ResponseStarted",
  "requestURI":"/api/v1/namespaces/shop/pods/web/exec?command=sh","verb":"create",
  "user":{"username":"alice","groups":["system:authenticated"]},"sourceIPs":["10.1.2.3"],
  "userAgent":"kubectl","objectRef":{"resource":"pods","namespace":"shop","name":"web",
    "apiVersion":"v1","subresource":"exec"},"responseStatus":{"code":101},
  "requestReceivedTimestamp":"NOW","stageTimestamp":"NOW"}]})";

class AnswersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::string why = KubeCluster::WhyNot({}); !why.empty()) GTEST_SKIP() << why;
    SetLog({.level = Level::kError});
    auto started = KubeCluster::StartApiServer();
    ASSERT_TRUE(started) << started.error().ToString();
    cluster_.emplace(std::move(*started));
    auto seeded = cluster_->Seed();
    ASSERT_TRUE(seeded) << seeded.error().ToString();
    ServerOptions options = test::OptionsIn(folder_.path(), &wrong_);
    options.clusters.push_back(
        {"here", kube::LoadConfig({.path = cluster_->kubeconfig(), .variable = {}}).value()});
    auto server = Server::Start(std::move(options));
    ASSERT_TRUE(server) << server.error().ToString();
    server_ = std::move(*server);
    net::HttpOptions http;
    http.tls.ca_file = server_->ca_file();
    http.proxy = "";
    admin_ = {.base = server_->console_url(),
              .http = std::make_shared<const net::HttpClient>(std::move(http))};
    admin_.origin = admin_.base;
    std::string first(*server_->first_password());
    ASSERT_EQ(admin_.LogIn("admin", first).status, 200);
    auto changed =
        admin_.Send("POST", "/api/v1/users/admin/password",
                    fmt::format(R"({{"password":"{}","current":"{}"}})", test::kPassword, first));
    ASSERT_THAT(changed.status, AnyOf(200, 204)) << changed.body;
    ASSERT_EQ(admin_.LogIn("admin", test::kPassword).status, 200);
  }
  void TearDown() override {
    server_.reset();
    cluster_.reset();
  }

  Value Parsed(const net::HttpResponse& answer) {
    auto value = ParseJson(answer.body, arena_);
    return value ? *value : Value::Null();
  }
  Value Get(const std::string& path) { return Parsed(admin_.Send("GET", path)); }
  Value Post(const std::string& path, const std::string& body, int status = 201) {
    auto answer = admin_.Send("POST", path, body);
    EXPECT_EQ(answer.status, status) << path << " " << answer.body;
    return Parsed(answer);
  }
  // Waits until the list has something.
  Value Items(const std::string& path) {
    for (int i = 0; i < 600; ++i) {
      Value page = Get(path);
      if (page["items"].size() != 0) return page["items"];
      ::usleep(100'000);
    }
    ADD_FAILURE() << path << " stays empty";
    return Value::EmptyArray();
  }
  std::string IdOf(const std::string& list) {
    Value items = Items(list);
    return std::string(items[size_t{0}].StringAt("id"));
  }
  static std::string Escaped(std::string_view text) {
    std::string out;
    for (unsigned char c : text) {
      bool plain = IsAsciiLetter(static_cast<char>(c)) || IsAsciiDigit(static_cast<char>(c)) ||
                   c == '-' || c == '.' || c == '_';
      out += plain ? std::string(1, static_cast<char>(c)) : fmt::format("%{:02X}", c);
    }
    return out;
  }

  // Something of everything that can be read.
  void Fill() {
    std::string cluster = IdOf("/api/v1/clusters");
    Items("/api/v1/inspections");
    Post("/api/v1/inspections/run", fmt::format(R"({{"cluster":"{}"}})", cluster), 202);
    Post("/api/v1/clusters/" + cluster + "/check", "", 200);
    Post("/api/v1/schedules",
         R"({"name":"nightly","feature":"posture","cron":"0 3 * * *","timeZone":"Asia/Shanghai"})");
    Post("/api/v1/sinks", R"({"type":"file","name":"lines","path":"lines.jsonl"})");
    Post("/api/v1/users", R"({"name":"alice","password":"seven maps fold quiet otters"})");
    Post("/api/v1/roles", R"({"name":"readers","permissions":["findings.read"]})");
    Post("/api/v1/grants",
         R"({"subject":"user:alice","role":"readers","scope":{"namespaces":["shop"]}})");
    Post("/api/v1/tokens", R"({"name":"t","kind":"machine","grants":[{"role":"auditor"}]})");
    Post("/api/v1/providers",
         R"({"name":"k8s","kind":"kubernetes","kubernetes":{"cluster":")" + cluster + R"("}})");
    Post("/api/v1/agents/enrolment", "{}");
    Post("/api/v1/exceptions",
         R"({"check":"image-*","namespace":"kept","reason":"why not","expires":"2099-12-31"})");
    Value finding = Items("/api/v1/findings")[size_t{0}];
    Post("/api/v1/findings/" + std::string(finding.StringAt("id")) + "/exception",
         R"({"reason":"known","approve":true})");
    // A change, for the history.
    auto done = cluster_->Kubectl({"patch", "namespace", "shop", "--type=merge", "--patch",
                                   R"({"metadata":{"labels":{"changed":"yes"}}})"});
    EXPECT_EQ(done.status, 0) << done.err;

    Value source = Post("/api/v1/audit-sources", fmt::format(R"({{"cluster":"{}"}})", cluster));
    Caller api_server = admin_;
    api_server.base = server_->webhook_url();
    api_server.cookie.clear();
    std::string now = FormatRfc3339(Now());
    auto taken = api_server.Send("POST", std::string(source.StringAt("path")),
                                 ReplaceAll(kExec, "NOW", now));
    EXPECT_EQ(taken.status, 200) << taken.body;
    std::string alert = "/api/v1/alerts/" + IdOf("/api/v1/alerts");
    Post(alert + "/comment", R"({"comment":"hm"})", 200);
    Post(alert + "/acknowledge", "{}", 200);
    Post(alert + "/assign", R"({"assignee":"alice"})", 200);
    Post(alert + "/resolve", R"({"resolution":"expected"})", 200);
    Post(alert + "/reopen", "{}", 200);
    Post(alert + "/except", R"({"reason":"expected","expires":")" +
                                FormatRfc3339(Now() + std::chrono::hours(24)) + R"("})");
    Post("/api/v1/rules/test",
         R"({"rule":{"id":"own","severity":"low","title":{"en":"t","zh":"t"},
         "description":{"en":"d","zh":"d"},"remedy":{"en":"r","zh":"r"},
         "message":{"en":"{user}","zh":"{user}"},"source":["audit"],"group":["user"]}})",
         200);
  }

  std::optional<KubeCluster> cluster_;
  test::Folder folder_;
  test::WrongAnswers wrong_;
  std::unique_ptr<Server> server_;
  Caller admin_;
  Arena arena_;
};

TEST_F(AnswersTest, AreWhatTheDocumentStates) {
  Fill();
  EXPECT_THAT(wrong_.Take(), IsEmpty());

  // What a path's last parameter may be: of the list before it.
  std::map<std::string, std::vector<std::string>> keys;
  const std::vector<std::string> asset_lists = {"/api/v1/assets", "/api/v1/asset-object",
                                                "/api/v1/asset-history", "/api/v1/asset-relations"};
  std::set<std::string> kinds;
  for (const Value& asset : Items("/api/v1/assets?limit=1000").items()) {
    if (!kinds.insert(std::string(asset["asset"].StringAt("kind"))).second) continue;
    for (const std::string& list : asset_lists) {
      keys[list].push_back(Escaped(asset.StringAt("key")));
    }
  }
  EXPECT_GT(kinds.size(), 10U);
  std::string changed = Escaped(fmt::format("{}//Namespace//shop", IdOf("/api/v1/clusters")));
  Items("/api/v1/asset-history/" + changed);
  keys["/api/v1/asset-history"].push_back(changed);
  auto of_list = [&](const std::string& list) -> const std::vector<std::string>& {
    std::vector<std::string>& known = keys[list];
    if (!known.empty()) return known;
    for (const Value& item : Get(list + "?limit=20")["items"].items()) {
      for (const char* name : {"id", "name", "key"}) {
        if (!item[name].IsString()) continue;
        known.push_back(Escaped(item.StringAt(name)));
        break;
      }
      if (known.empty() && item["asset"].IsMap()) {
        known.push_back(Escaped(AssetOf(item["asset"]).Key()));
      }
    }
    return known;
  };

  // A machine's agent has tests of its own; what streams is not an answer.
  const std::set<std::string> elsewhere = {"getAgent", "getNode",   "getNodeReport",
                                           "stream",   "startOidc", "finishOidc"};
  const std::set<std::string> not_here = {"listAgents", "groupAgents", "listNodes", "groupNodes"};
  std::string cluster = IdOf("/api/v1/clusters");
  size_t asked = 0;
  Value paths = Get("/api/v1/openapi.json")["paths"];
  for (const Value::Entry& path : paths.entries()) {
    const Value get = path.value["get"];
    std::string id(get.StringAt("operationId"));
    if (get.IsNull() || elsewhere.contains(id)) continue;
    SCOPED_TRACE(id);
    std::string text(path.key.AsString());
    std::vector<std::string> all = {text};
    if (auto open = Cut(text, "/{")) {
      all.clear();
      auto close = Cut(open->second, "}");
      for (const std::string& key : of_list(std::string(open->first))) {
        all.push_back(fmt::format("{}/{}{}", open->first, key, close->second));
      }
      EXPECT_FALSE(all.empty()) << text;
    }
    std::string query = "?";
    std::vector<std::string> alternatives = {""};
    for (const Value& p : get["parameters"].items()) {
      std::string name(p.StringAt("name"));
      if (name == "total") query += "total=true&";
      if (name == "limit") query += "limit=100&";
      if (name == "field") query += "field=user&";
      if (name == "format" && id == "getInspectionReport") query += "format=json&";
      if (name == "cluster") query += "cluster=" + cluster + "&";
      if (name == "by") {
        alternatives = {"by=cluster&", "by=state&", "by=kind&", "by=name&", "by=role&", "by=rule&"};
      }
    }
    size_t good = 0, full = 0;
    for (const std::string& one : all) {
      for (const std::string& more : alternatives) {
        for (const char* language : {"en", "zh-CN"}) {
          auto answer = admin_.Send("GET", one + query + more, "", {{"Accept-Language", language}});
          if (answer.status != 200) continue;
          ++good;
          Arena arena;
          auto body = ParseJson(answer.body, arena);
          if (!body || !body->IsMap() || !(*body)["items"].IsArray()) ++full;
          if (body && (*body)["items"].size() != 0) ++full;
        }
      }
    }
    EXPECT_GT(good, 0U) << text << query;
    if (not_here.contains(id)) full = 1;
    EXPECT_GT(full, 0U) << text << query << " has nothing to look at";
    ++asked;
  }
  EXPECT_GT(asked, 60U);
  EXPECT_THAT(wrong_.Take(), IsEmpty());
}

}  // namespace
}  // namespace bulwark
