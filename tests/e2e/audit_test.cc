// Audit events of a real API server, by webhook with its client certificate and by its log file:
// what is done with kubectl gives the alerts that it should, and no others.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <thread>

#include "base/files.h"
#include "base/hash.h"
#include "base/text.h"
#include "features/audit/feature.h"
#include "formats/json.h"
#include "kube/kubeconfig.h"
#include "net/http_client.h"
#include "net/tls_testing.h"
#include "platform/api/api.h"
#include "platform/config/config.h"
#include "platform/inventory/inventory.h"
#include "platform/pipeline/pipeline.h"
#include "platform/schedule/schedule.h"
#include "platform/service/service.h"
#include "platform/store/sqlite_event_store.h"
#include "platform/store/sqlite_state_store.h"
#include "platform/vault/vault.h"
#include "tests/cluster/fixture.h"

namespace bulwark {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

bool Eventually(const std::function<bool()>& condition, std::chrono::seconds patience = 60s) {
  auto until = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < until) {
    if (condition()) return true;
    std::this_thread::sleep_for(50ms);
  }
  return condition();
}

// Everything that the server has below its features, and a feature of ours.
struct World {
  World() {
    state = *store::OpenSqliteStateStore(dir.path());
    events = *store::OpenSqliteEventStore(dir.path());
    pipeline = std::make_unique<Pipeline>(*events, metrics);
    vault = *vault::Vault::Open(*state, *vault::OpenKeyFile({.path = dir.File("master.key")}));
    inventory = std::make_unique<Inventory>(*state, *pipeline, *vault, metrics);
    scheduler = std::make_unique<Scheduler>(*state);
    config = std::make_unique<Config>(*state);
    api::AddMessages(catalog);
    api = std::make_unique<api::Api>(*state, catalog, metrics,
                                     api::ApiOptions{.requests_per_second = 10'000});
    api->SetAuthenticator(&anybody);
    services.reset(new Services{.state = *state,
                                .events = *events,
                                .pipeline = *pipeline,
                                .vault = *vault,
                                .api = *api,
                                .inventory = *inventory,
                                .scheduler = *scheduler,
                                .config = *config,
                                .catalog = catalog,
                                .metrics = metrics,
                                .data_folder = dir.path(),
                                .version = "test"});
  }

  struct Anybody : api::Authenticator {
    Result<api::Principal> Authenticate(const net::ServerRequest&) override {
      return api::Principal{.kind = api::Principal::Kind::kToken,
                            .id = "token:test",
                            .name = "test",
                            .grants = grants,
                            .session = "",
                            .csrf_token = ""};
    }
    std::vector<api::Grant> grants = {{.role = "admin", .permissions = {"*"}, .scope = {}}};
  };

  Value Call(const std::string& method, const std::string& path, std::string body = "",
             int expected = 200) {
    net::ServerRequest request;
    request.method = method;
    request.target = path;
    auto cut = Cut(path, "?");
    request.path = cut ? std::string(cut->first) : path;
    for (std::string_view segment : Split(std::string_view(request.path).substr(1), '/')) {
      request.segments.emplace_back(segment);
    }
    if (cut) {
      for (std::string_view parameter : Split(cut->second, '&')) {
        auto pair = Cut(parameter, "=");
        request.query.emplace_back(pair->first, ReplaceAll(pair->second, "+", " "));
      }
    }
    request.host = "localhost";
    request.peer = request.client = "127.0.0.1";
    if (!body.empty()) request.headers.emplace_back("content-type", "application/json");
    request.body = std::move(body);
    net::ServerResponse response = api->Handle(request);
    EXPECT_EQ(response.status, expected) << method << " " << path << ": " << response.body;
    auto parsed = ParseJson(response.body.empty() ? "{}" : response.body, arena);
    return parsed ? *parsed : Value();
  }
  // Rule → how often.
  std::map<std::string, int64_t> Alerts() {
    std::map<std::string, int64_t> out;
    for (const Value& alert : Call("GET", "/api/v1/alerts?limit=1000")["items"].items()) {
      std::string rule(alert.StringAt("rule"));
      // kubectl may ask for the API's resources before what it was told to do.
      out[rule] += rule == "impersonation" ? 1 : alert["count"].ToInt().value_or(0);
    }
    return out;
  }

  TempDir dir = *TempDir::Make();
  Metrics metrics;
  Catalog catalog;
  Arena arena;
  Anybody anybody;
  std::unique_ptr<store::StateStore> state;
  std::unique_ptr<store::EventStore> events;
  std::unique_ptr<Pipeline> pipeline;
  std::unique_ptr<vault::Vault> vault;
  std::unique_ptr<Inventory> inventory;
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<Config> config;
  std::unique_ptr<api::Api> api;
  std::unique_ptr<Services> services;
};

constexpr std::string_view kPolicy = R"(
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, resources: [{group: "", resources: [secrets, configmaps, serviceaccounts/token]}]}
- {level: RequestResponse}
)";

constexpr std::string_view kObjects = R"(
{apiVersion: v1, kind: Namespace, metadata: {name: prod}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: scratch}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: prod}}
---
{apiVersion: v1, kind: Secret, metadata: {name: db, namespace: prod}, stringData: {password: hunter2}}
---
apiVersion: v1
kind: Pod
metadata: {name: quiet, namespace: prod}
spec: {serviceAccountName: web, automountServiceAccountToken: false, containers: [{name: c, image: nginx}]}
)";

constexpr std::string_view kBad = R"(
apiVersion: v1
kind: Pod
metadata: {name: bad, namespace: prod}
spec:
  serviceAccountName: web
  automountServiceAccountToken: false
  containers: [{name: c, image: nginx, securityContext: {privileged: true}}]
  volumes: [{name: root, hostPath: {path: /}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: evil}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: User, name: mallory, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: everything}
rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: guard}
webhooks: []
)";

constexpr std::string_view kOutOfMemory = R"(
apiVersion: v1
kind: Event
metadata: {name: oom.1, namespace: default}
involvedObject: {kind: Node, name: n1}
reason: OOMKilling
type: Warning
message: Killed process 1
source: {component: kernel-monitor, host: n1}
firstTimestamp: "2026-01-01T00:00:00Z"
lastTimestamp: "2026-01-01T00:00:00Z"
count: 1
)";

TEST(AuditOfACluster, KubectlGivesTheAlertsThatItShould) {
  if (std::string reason = test::Cluster::WhyNot({}); !reason.empty()) GTEST_SKIP() << reason;
  World world;
  net::TestCa ca("audit test");
  auto ours = ca.Issue("bulwark", {.names = {"127.0.0.1"}});
  auto theirs = ca.Issue("apiserver", {.client = true});
  std::string log = world.dir.File("audit.log");
  // An account of long ago, so that the rule on first readings has learnt enough.
  {
    store::Batch batch;
    ASSERT_TRUE(world.state->Define({.name = "known", .version = 1, .columns = {}}));
    batch.Put(
        "known", "secret-read-first-time/" + Sha256Hex("test").substr(0, 32) + "*",
        R"({"rule":"secret-read-first-time","text":"test","firstSeen":"2026-01-01T00:00:00Z"})");
    ASSERT_TRUE(world.state->Commit(batch));
  }
  auto feature = audit::MakeAudit(
      *world.services,
      {.listen = {"127.0.0.1:0"},
       .tls = net::TlsServerOptions{.certificate_pem = ours.certificate_pem,
                                    .key_pem = ours.key_pem,
                                    .client_certificates = net::ClientCertificates::kOptional,
                                    .client_ca_pem = ca.pem()},
       .files = {{.path = log, .cluster = "test"}}});
  ASSERT_TRUE(feature) << feature.error().ToString();
  auto started = (*feature)->Start();
  ASSERT_TRUE(started) << started.error().ToString();
  std::string address = audit::AuditAddressesOf(**feature)[0];
  Value source =
      world.Call("POST", "/api/v1/audit-sources",
                 R"({"cluster":"test","name":"test","certificateNames":["apiserver"]})", 201);
  EXPECT_THAT(source.StringAt("webhookConfig"), HasSubstr(source.StringAt("path")));

  std::string policy = world.dir.File("policy.yaml"), hook = world.dir.File("webhook.yaml");
  ASSERT_TRUE(WriteFileAtomic(policy, kPolicy));
  ASSERT_TRUE(WriteFileAtomic(
      hook, fmt::format("apiVersion: v1\nkind: Config\nclusters:\n- name: b\n  cluster: {{server: "
                        "'https://{}/audit', certificate-authority-data: {}}}\nusers:\n- name: a\n"
                        "  user: {{client-certificate-data: {}, client-key-data: {}}}\ncontexts:\n"
                        "- name: c\n  context: {{cluster: b, user: a}}\ncurrent-context: c\n",
                        address, Base64Encode(ca.pem()), Base64Encode(theirs.certificate_pem),
                        Base64Encode(theirs.key_pem))));
  auto cluster = test::Cluster::Start({.apiserver_args = {
                                           "--audit-policy-file=" + policy,
                                           "--audit-webhook-config-file=" + hook,
                                           "--audit-webhook-batch-max-wait=200ms",
                                           "--audit-log-path=" + log,
                                       }});
  ASSERT_TRUE(cluster) << cluster.error().ToString();
  auto local = kube::LoadConfig({.path = cluster->kubeconfig(), .variable = [](const std::string&) {
                                   return std::optional<std::string>();
                                 }});
  ASSERT_TRUE(local) << local.error().ToString();
  ASSERT_TRUE(world.inventory->Start());
  auto added = world.inventory->AddLocal("test", *local);
  ASSERT_TRUE(added) << added.error().ToString();

  auto kubectl = [&](std::vector<std::string> arguments, std::string_view input = {},
                     bool works = true) {
    auto output = cluster->Kubectl(arguments, input);
    EXPECT_EQ(output.status == 0, works)
        << Join(arguments, " ") << ": " << output.out << output.err;
    return output.out;
  };
  auto mark = [&](const std::string& name) {
    // What was done before it has arrived when this has.
    kubectl({"create", "configmap", name, "--namespace=default"});
    auto arrived = [&] {
      return world.Call("GET", "/api/v1/events?q=name:" + name)["items"].size() > 0;
    };
    EXPECT_TRUE(Eventually(arrived)) << "no audit events arrive";
    audit::DetectionOf(**feature).Settle();
  };

  // Nothing of this is an alert, but for the reading of Secrets by somebody new.
  kubectl({"apply", "--filename=-"}, kObjects);
  kubectl({"get", "pods", "--namespace=prod"});
  kubectl({"get", "secret", "db", "--namespace=prod"});
  kubectl({"exec", "quiet", "--namespace=prod", "--", "true"}, {}, false);  // it has no node
  mark("one");
  EXPECT_EQ(world.Alerts(), (std::map<std::string, int64_t>{{"secret-read-first-time", 1}}));

  kubectl({"apply", "--filename=-"}, kBad);
  kubectl({"delete", "validatingwebhookconfiguration", "guard"});
  kubectl({"get", "secrets", "--all-namespaces"});
  kubectl({"get", "pods", "--namespace=prod", "--as=bob", "--as-group=system:masters"});
  kubectl({"create", "token", "web", "--namespace=prod"});
  kubectl({"delete", "namespace", "scratch", "--wait=false"});
  kubectl({"get", "pods", "--as=nobody"}, {}, false);  // refused
  for (int i = 0; i < 20; ++i) {
    kubectl({"get", "--raw", fmt::format("/api/v1/namespaces/prod/secrets/s{}", i)}, {}, false);
  }
  kubectl({"apply", "--filename=-"}, kOutOfMemory);
  mark("two");
  const std::map<std::string, int64_t> expected = {{"admission-webhook-changed", 2},
                                                   {"cluster-admin-bound", 1},
                                                   {"host-path-mounted", 1},
                                                   {"impersonation", 1},
                                                   {"namespace-deleted", 1},
                                                   {"oom-kill", 1},
                                                   {"privileged-pod-created", 1},
                                                   {"secret-read-first-time", 2},
                                                   {"secrets-of-cluster-listed", 1},
                                                   {"token-requested", 1},
                                                   {"wildcard-role", 1}};
  EXPECT_TRUE(Eventually([&] { return world.Alerts() == expected; }));
  EXPECT_EQ(world.Alerts(), expected);

  // Each says who did what, in both languages.
  auto alert = [&](std::string_view rule, std::string_view language) {
    Value all = world.Call("GET", fmt::format("/api/v1/alerts?q=rule:{}&lang={}", rule, language));
    EXPECT_EQ(all["items"].size(), 1U) << rule;
    return all["items"][size_t{0}];
  };
  EXPECT_EQ(alert("namespace-deleted", "en").StringAt("message"),
            "kubernetes-admin deleted the Namespace scratch");
  EXPECT_EQ(alert("namespace-deleted", "zh-CN").StringAt("message"),
            "kubernetes-admin 删除了 Namespace scratch");
  EXPECT_EQ(alert("cluster-admin-bound", "en").StringAt("severity"), "critical");
  EXPECT_EQ(alert("impersonation", "en")["args"].StringAt("user"), "kubernetes-admin → bob");

  // The log file told the same events: none came twice.
  Value all = world.Call("GET", "/api/v1/events?q=kind:audit+name:evil+verb:create");
  EXPECT_EQ(all["items"].size(), 1U);
  Value event = all["items"][size_t{0}];
  EXPECT_EQ(event.StringAt("user"), "kubernetes-admin");
  EXPECT_EQ(event["target"].StringAt("kind"), "ClusterRoleBinding");
  EXPECT_EQ(event.StringAt("outcome"), "allowed");
  EXPECT_FALSE(event.StringAt("sourceIp").empty());
  EXPECT_EQ(world.Call("GET", "/api/v1/events?q=hunter2")["items"].size(), 0U);

  // Handled: acknowledged, and excepted for the future.
  std::string id(alert("token-requested", "en").StringAt("id"));
  world.Call("POST", "/api/v1/alerts/" + id + "/acknowledge", R"({"comment":"it is me"})");
  world.Call("POST", "/api/v1/alerts/" + id + "/acknowledge", "{}", 409);
  world.Call("POST", "/api/v1/alerts/" + id + "/except",
             R"({"reason":"our CI","expires":"2020-01-01T00:00:00Z"})", 400);
  world.Call("POST", "/api/v1/alerts/" + id + "/except",
             fmt::format(R"({{"reason":"our CI","expires":"{}"}})",
                         FormatRfc3339(Now() + std::chrono::hours(24))),
             201);
  kubectl({"create", "token", "web", "--namespace=prod"});
  mark("three");
  Value excepted = alert("token-requested", "en");
  EXPECT_EQ(excepted.StringAt("state"), "resolved");
  EXPECT_EQ(excepted.StringAt("resolution"), "excepted");
  EXPECT_EQ(excepted["count"].ToInt(), 1);

  // Somebody who may see one other namespace sees nothing of it.
  world.anybody.grants = {{.role = "developer",
                           .permissions = {"events.read", "alerts.read", "alerts.triage"},
                           .scope = {.namespaces = {"elsewhere"}}}};
  EXPECT_EQ(world.Call("GET", "/api/v1/alerts")["items"].size(), 0U);
  EXPECT_EQ(world.Call("GET", "/api/v1/events")["items"].size(), 0U);
  world.Call("GET", "/api/v1/events/" + std::string(event.StringAt("id")), "", 404);
  world.Call("POST", "/api/v1/alerts/" + id + "/reopen", "{}", 404);
  world.anybody.grants = {{.role = "admin", .permissions = {"*"}, .scope = {}}};

  // Strangers: without a certificate, with a wrong secret.
  net::HttpClient client({.tls = {.ca_pem = ca.pem()}});
  for (const std::string& path : {std::string("/audit"), std::string("/audit/nonsense")}) {
    auto answer = client.Send({.method = "POST",
                               .url = "https://" + address + path,
                               .body = R"({"kind":"EventList","apiVersion":"audit.k8s.io/v1"})"});
    ASSERT_TRUE(answer) << answer.error().ToString();
    EXPECT_EQ(answer->status, 401) << path;
  }
  auto known =
      client.Send({.method = "POST",
                   .url = "https://" + address + std::string(source.StringAt("path")),
                   .body = R"({"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[]})"});
  ASSERT_TRUE(known) << known.error().ToString();
  EXPECT_EQ(known->status, 200);

  // By their ids, in that order, without what is not there.
  Value two = world.Call("GET", "/api/v1/events?q=kind:audit&limit=2")["items"];
  ASSERT_EQ(two.size(), 2U);
  std::string first(two[size_t{0}].StringAt("id")), second(two[size_t{1}].StringAt("id"));
  Value by_id = world.Call("GET", "/api/v1/events?ids=" + second + ",none," + first)["items"];
  ASSERT_EQ(by_id.size(), 2U);
  EXPECT_EQ(by_id[size_t{0}], two[size_t{1}]);
  EXPECT_EQ(by_id[size_t{1}], two[size_t{0}]);

  Value top = world.Call("GET", "/api/v1/events/top?field=user&q=kind:audit+ns:prod");
  EXPECT_EQ(top["items"][size_t{0}].StringAt("value"), "kubernetes-admin");
  Value histogram = world.Call("GET", "/api/v1/events/histogram?since=1h&buckets=60");
  int64_t sum = 0;
  for (const Value& bucket : histogram["items"].items()) sum += *bucket["count"].ToInt();
  EXPECT_GT(sum, 20);
  world.inventory->Stop();
  (*feature)->Stop();
}

}  // namespace
}  // namespace bulwark
