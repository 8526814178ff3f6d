// The inventory against a real Kubernetes: with the account of its own manifest, through changes,
// restarts, compaction and faults, it ends up as the cluster is.

#include "platform/inventory/inventory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <thread>

#include "base/files.h"
#include "base/hash.h"
#include "base/text.h"
#include "formats/json.h"
#include "kube/kubeconfig.h"
#include "net/test_server.h"
#include "platform/inventory/asset_record.h"
#include "platform/inventory/manifest.h"
#include "platform/inventory/relations.h"
#include "platform/pipeline/memory_store.h"
#include "platform/store/sqlite_state_store.h"
#include "platform/vault/vault.h"
#include "tests/cluster/fixture.h"

namespace bulwark {
namespace {

using namespace std::chrono_literals;
using store::Query;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using KubeCluster = test::Cluster;

// Waits for a condition, generously.
bool Eventually(const std::function<bool()>& condition, std::chrono::seconds patience = 60s) {
  auto until = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < until) {
    if (condition()) return true;
    std::this_thread::sleep_for(50ms);
  }
  return condition();
}

// A server's parts below the inventory, in a folder of their own.
struct World {
  explicit World(InventoryOptions o = {}) : options(std::move(o)) { Open(); }
  ~World() { Close(); }
  void Open() {
    state = store::OpenSqliteStateStore(folder.File("state.db")).value();
    vault =
        vault::Vault::Open(*state, vault::OpenKeyFile({folder.File("master.key")}).value()).value();
    pipeline = std::make_unique<Pipeline>(events, metrics);
    inventory = std::make_unique<Inventory>(*state, *pipeline, *vault, metrics, options);
  }
  void Close() {
    inventory.reset();
    pipeline.reset();
    vault.reset();
    state.reset();
  }

  std::string State(const std::string& id) const {
    for (const Cluster& c : inventory->Clusters()) {
      if (c.id == id) return c.state;
    }
    return "";
  }
  bool WaitFor(const std::string& id, std::string_view wanted) const {
    return Eventually([&] { return State(id) == wanted; });
  }
  Value Asset(Arena& arena, const std::string& key) const {
    auto record = state->Get("assets", key);
    if (!record || !*record) return {};
    return ParseJson((*record)->body, arena).value();
  }
  // Keys of what is there, of objects (not images): "apps/Deployment/ns/name".
  std::set<std::string> Keys(const std::string& id) const {
    std::set<std::string> out;
    auto done = state->Scan(
        "assets",
        Query::And({Query::Exactly("cluster", id), Query::Not(Query::Equals("gone", "true")),
                    Query::Not(Query::Equals("kind", "Image"))}),
        [&](const store::Record& record) -> Result<> {
          out.insert(record.key.substr(id.size() + 1));
          return Ok();
        });
    EXPECT_TRUE(done) << done.error().ToString();
    return out;
  }
  std::vector<Event> Events(std::string_view verb, std::string_view kind, std::string_view name) {
    std::vector<Event> out;
    std::string cursor;
    do {
      auto page = events.Search({.cursor = cursor, .limit = 1000, .oldest_first = true});
      if (!page) break;
      for (Event& e : page->events) {
        if (e.kind == "asset" && e.verb == verb && e.target.kind == kind && e.target.name == name) {
          out.push_back(std::move(e));
        }
      }
      cursor = page->next;
    } while (!cursor.empty());
    return out;
  }

  TempDir folder = TempDir::Make().value();
  InventoryOptions options;
  Metrics metrics;
  store::MemoryEventStore events;
  std::unique_ptr<store::StateStore> state;
  std::unique_ptr<vault::Vault> vault;
  std::unique_ptr<Pipeline> pipeline;
  std::unique_ptr<Inventory> inventory;
};

// What kubectl sees of the inventory's kinds.
std::set<std::string> KeysInCluster(const KubeCluster& cluster) {
  std::set<std::string> out;
  test::Output got = cluster.Kubectl(
      {"get",
       "namespaces,nodes,serviceaccounts,clusterroles.rbac.authorization.k8s.io,"
       "clusterrolebindings.rbac.authorization.k8s.io,roles.rbac.authorization.k8s.io,"
       "rolebindings.rbac.authorization.k8s.io,deployments.apps,statefulsets.apps,daemonsets.apps,"
       "cronjobs.batch,replicationcontrollers,replicasets.apps,jobs.batch,services,"
       "ingresses.networking.k8s.io,networkpolicies.networking.k8s.io,pods",
       "--all-namespaces", "--output=json"});
  EXPECT_EQ(got.status, 0) << got.err;
  Arena arena;
  auto list = ParseJson(got.out, arena);
  EXPECT_TRUE(list) << list.error().ToString();
  if (!list) return out;
  for (const Value& item : (*list)["items"].items()) {
    std::string_view version = item.StringAt("apiVersion");
    size_t slash = version.find('/');
    out.insert(fmt::format("{}/{}/{}/{}",
                           slash == std::string_view::npos ? "" : version.substr(0, slash),
                           item.StringAt("kind"), item["metadata"].StringAt("namespace"),
                           item["metadata"].StringAt("name")));
  }
  return out;
}

kube::Config Admin(const KubeCluster& cluster) {
  auto config = kube::LoadConfig(
      {.path = cluster.kubeconfig(), .variable = [](const std::string&) { return std::nullopt; }});
  EXPECT_TRUE(config) << config.error().ToString();
  return *std::move(config);
}

void Apply(const KubeCluster& cluster, std::string_view yaml) {
  test::Output out = cluster.Kubectl({"apply", "--filename=-"}, yaml);
  ASSERT_EQ(out.status, 0) << out.err;
}

void Delete(const KubeCluster& cluster, std::vector<std::string> what) {
  what.insert(what.begin(), "delete");
  what.insert(what.end(), {"--wait=false", "--grace-period=0", "--force"});
  test::Output out = cluster.Kubectl(what);
  EXPECT_EQ(out.status, 0) << out.err;
}

// Writes down what it is told.
class Listener : public AssetListener {
 public:
  explicit Listener(std::string wants = "") : wants_(std::move(wants)) {}
  bool Wants(const kube::Resource& resource) const override {
    return !wants_.empty() && resource.Name() == wants_;
  }
  void OnCluster(const Cluster& cluster, const kube::Client&) override { Say("cluster", cluster); }
  void OnPut(const Cluster&, const kube::Resource& resource, const Value& object,
             std::string_view text) override {
    Arena arena;
    auto parsed = ParseJson(text, arena);
    std::lock_guard lock(mutex_);
    if (!parsed || *parsed != object || object.StringAt("kind") != resource.kind ||
        object.StringAt("apiVersion") != resource.ApiVersion()) {
      wrong_.push_back(std::string(text));
    }
    there_[fmt::format("{}/{}/{}/{}", resource.group, resource.kind,
                       object["metadata"].StringAt("namespace"),
                       object["metadata"].StringAt("name"))] = text;
  }
  void OnDelete(const Cluster&, const kube::Resource& resource, std::string_view ns,
                std::string_view name) override {
    std::lock_guard lock(mutex_);
    there_.erase(fmt::format("{}/{}/{}/{}", resource.group, resource.kind, ns, name));
  }
  void OnSynced(const Cluster& cluster) override { Say("synced", cluster); }
  void OnUnreadable(const Cluster& cluster, const kube::Resource& resource, std::string_view,
                    const Error&) override {
    Say("unreadable " + resource.Name(), cluster);
  }
  void OnRemoved(const Cluster& cluster) override { Say("removed", cluster); }

  std::map<std::string, std::string> There() const {
    std::lock_guard lock(mutex_);
    return there_;
  }
  std::vector<std::string> Said() const {
    std::lock_guard lock(mutex_);
    return said_;
  }
  std::vector<std::string> Wrong() const {
    std::lock_guard lock(mutex_);
    return wrong_;
  }

 private:
  void Say(const std::string& what, const Cluster&) {
    std::lock_guard lock(mutex_);
    said_.push_back(what);
  }
  const std::string wants_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> there_;
  std::vector<std::string> said_, wrong_;
};

InventoryOptions Quick() {
  InventoryOptions o;
  o.rediscover = 1s;
  o.probe = 1s;
  o.max_wait = 1s;
  o.watch.max_wait = 1s;
  return o;
}

TEST(InventoryE2e, AddedWithTheAccountOfItsManifest) {
  if (std::string reason = KubeCluster::WhyNot({.controllers = true}); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  auto cluster = KubeCluster::Start({.controllers = true});
  ASSERT_TRUE(cluster) << cluster.error().ToString();
  ASSERT_TRUE(cluster->Seed());
  Listener listener("secrets");
  World world(Quick());
  world.inventory->AddListener(&listener);
  ASSERT_TRUE(world.inventory->Start());

  auto manifest = inventory::MakeManifest(world.inventory->Kinds());
  ASSERT_TRUE(manifest);
  ASSERT_TRUE(WriteFileAtomic(world.folder.File("bulwark-cluster.yaml"), manifest->yaml));
  // The lines as they are, but for where kubectl is and which cluster it speaks to.
  test::Output made = test::RunProgram(
      {"/bin/sh", "-euc",
       fmt::format("cd '{}'; export KUBECONFIG='{}' PATH='{}':$PATH\n{}", world.folder.path(),
                   cluster->kubeconfig(), cluster->dir() + "/bin", manifest->commands)});
  ASSERT_EQ(made.status, 0) << made.err;
  auto kubeconfig = ReadFile(world.folder.File("bulwark.kubeconfig"), 1 << 20);
  ASSERT_TRUE(kubeconfig);

  auto added = world.inventory->Add("生产", *kubeconfig);
  ASSERT_TRUE(added) << added.error().ToString();
  EXPECT_EQ(added->id.size(), 36U);
  EXPECT_THAT(added->version, HasSubstr("v1.34."));
  ASSERT_TRUE(world.WaitFor(added->id, "ready")) << world.State(added->id);
  auto twice = world.inventory->Add("again", *kubeconfig);
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().id(), "inventory.exists");

  // All of it, and only Secrets are out of reach.
  EXPECT_TRUE(Eventually([&] { return world.Keys(added->id) == KeysInCluster(*cluster); }));
  EXPECT_THAT(listener.Said(), Contains("unreadable secrets"));
  EXPECT_THAT(listener.Said(), Contains("synced"));
  EXPECT_THAT(listener.Wrong(), IsEmpty());
  auto check = world.inventory->Check(added->id);
  ASSERT_TRUE(check) << check.error().ToString();
  size_t refused = 0;
  for (const ClusterCheck::Kind& kind : check->kinds) {
    EXPECT_EQ(kind.list && kind.watch, kind.resource.kind != "Secret") << kind.resource.Name();
    refused += kind.list ? 0 : 1;
  }
  EXPECT_EQ(refused, 1U);
  EXPECT_GE(check->kinds.size(), 18U);
  Arena arena;
  auto record = world.state->Get("clusters", added->id);
  ASSERT_TRUE(record && *record);
  Value stored = ParseJson((*record)->body, arena).value();
  EXPECT_EQ(stored["unreadable"][0].StringAt("resource"), "secrets (cluster-wide)");
  EXPECT_EQ((*record)->body.find("token"), std::string::npos);
  EXPECT_THAT(*world.vault->Get({"clusters", added->id, "kubeconfig"}), HasSubstr("token"));

  // An object as it is now, without what nobody asked for.
  auto object = world.inventory->Object(
      {.cluster = added->id, .version = "v1", .kind = "Namespace", .name = "kube-system"});
  ASSERT_TRUE(object) << object.error().ToString();
  EXPECT_THAT(*object, HasSubstr(added->id));
  EXPECT_THAT(*object, Not(HasSubstr("managedFields")));
  auto secret = world.inventory->Object({.cluster = added->id,
                                         .version = "v1",
                                         .kind = "Secret",
                                         .ns = "bulwark",
                                         .name = "bulwark-reader-token"});
  ASSERT_FALSE(secret);
  EXPECT_EQ(secret.error().id(), "kube.forbidden");

  // Not by another's leave: taken away, it is noticed, and named.
  Delete(*cluster, {"clusterrolebinding", "bulwark-reader"});

  // Gone without a trace.
  ASSERT_TRUE(world.inventory->Remove(added->id));
  EXPECT_THAT(world.inventory->Clusters(), IsEmpty());
  EXPECT_EQ(world.state->Count("assets", Query::All()).value(), 0U);
  EXPECT_EQ(world.state->Count("clusters", Query::All()).value(), 0U);
  EXPECT_FALSE(*world.vault->Has({"clusters", added->id, "kubeconfig"}));
  EXPECT_THAT(listener.Said(), Contains("removed"));
  EXPECT_EQ(world.inventory->Remove(added->id).error().id(), "inventory.no_cluster");
}

// A cluster that may do anything, shared by the tests that do not disturb it.
class InventoryLive : public testing::Test {
 protected:
  void SetUp() override {
    if (std::string reason = KubeCluster::WhyNot({}); !reason.empty()) GTEST_SKIP() << reason;
    auto started = KubeCluster::StartApiServer();
    ASSERT_TRUE(started) << started.error().ToString();
    cluster_.emplace(*std::move(started));
  }
  void Apply(std::string_view yaml) { bulwark::Apply(*cluster_, yaml); }

  std::optional<KubeCluster> cluster_;
};

constexpr std::string_view kShop = R"(
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: baseline}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: shop}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web-reads, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: web, namespace: shop}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, uid-is: nothing}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      containers:
      - name: c
        image: nginx:1.27
        args: [--listen=80, --password=hunter2]
        env: [{name: TOKEN, value: hunter2}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: front, namespace: shop}
spec:
  rules:
  - host: shop.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
)";

TEST_F(InventoryLive, ChangesBecomeHistoryAndRelations) {
  std::string yaml(kShop);
  yaml = ReplaceAll(yaml, ", uid-is: nothing", "");
  Listener listener("widgets.example.com");
  World world(Quick());
  world.inventory->AddListener(&listener);
  ASSERT_TRUE(world.inventory->Start());
  auto added = world.inventory->AddLocal("here", Admin(*cluster_));
  ASSERT_TRUE(added) << added.error().ToString();
  const std::string id = added->id;
  ASSERT_TRUE(world.WaitFor(id, "ready"));
  // What was there before is no news.
  EXPECT_THAT(world.Events("created", "Namespace", "kube-system"), IsEmpty());

  Apply(yaml);
  // What a controller would make of it.
  Apply(R"(
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: web-1
  namespace: shop
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: "1", controller: true}]
spec: {replicas: 0, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: "nginx:1.27"}]}}}
---
apiVersion: v1
kind: Pod
metadata:
  name: web-1-a
  namespace: shop
  labels: {app: web}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, uid: "2", controller: true}]
spec: {serviceAccountName: web, containers: [{name: c, image: "nginx:1.27"}]}
)");
  const std::string web = id + "/apps/Deployment/shop/web", pod = id + "//Pod/shop/web-1-a";
  Arena arena;
  ASSERT_TRUE(Eventually([&] { return world.Asset(arena, pod).StringAt("workload") == web; }));
  const std::string image = "docker.io/library/nginx:1.27";
  ASSERT_TRUE(Eventually([&] { return !world.Asset(arena, id + "//Image//" + image).IsNull(); }));
  EXPECT_EQ(world.Asset(arena, id + "//Image//" + image)["summary"]["workloads"], Value::Int(1));
  EXPECT_EQ(world.Asset(arena, web).StringAt("class"), "workload");
  EXPECT_EQ(world.Asset(arena, id + "/apps/ReplicaSet/shop/web-1").StringAt("class"), "replica");
  // Nothing of it is a secret in the clear.
  auto stored = world.state->Get("assets", web);
  ASSERT_TRUE(stored && *stored);
  EXPECT_THAT((*stored)->body, Not(HasSubstr("hunter2")));
  EXPECT_THAT((*stored)->body, HasSubstr("--listen=80"));
  EXPECT_EQ(world.Events("created", "Deployment", "web").size(), 1U);

  // Who changed what.
  test::Output patched = cluster_->Kubectl(
      {"patch", "deployment", "web", "--namespace=shop", "--type=json",
       R"(--patch=[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"nginx:1.28"},
                   {"op":"replace","path":"/spec/template/spec/containers/0/env/0/value","value":"hunter3"}])"});
  ASSERT_EQ(patched.status, 0) << patched.err;
  ASSERT_TRUE(Eventually([&] { return !world.Events("updated", "Deployment", "web").empty(); }));
  Event event = world.Events("updated", "Deployment", "web")[0];
  EXPECT_THAT(
      event.body,
      HasSubstr(R"("path":"spec.template.spec.containers[c].image","before":"\"nginx:1.27\"")"));
  EXPECT_THAT(event.body, HasSubstr("env[TOKEN].value"));
  EXPECT_THAT(event.body, Not(HasSubstr("hunter")));
  EXPECT_EQ(event.user_agent, "kubectl-patch");
  EXPECT_EQ(event.message, "asset.updated");

  auto relations = inventory::RelationsOf(*world.state, web, [](const Value&) { return true; });
  ASSERT_TRUE(relations) << relations.error().ToString();
  Value r = ParseJson(*relations, arena).value();
  auto names = [&](std::string_view relation) {
    std::string out;
    for (const Value& ref : r[relation].items()) {
      out += fmt::format("{}{}/{}", out.empty() ? "" : " ", ref["asset"].StringAt("kind"),
                         ref["asset"].StringAt("name"));
    }
    return out;
  };
  EXPECT_EQ(names("pods"), "Pod/web-1-a");
  EXPECT_EQ(names("replicas"), "ReplicaSet/web-1");
  EXPECT_EQ(names("services"), "Service/web");
  EXPECT_EQ(names("ingresses"), "Ingress/front");
  EXPECT_EQ(names("networkPolicies"), "NetworkPolicy/deny");
  EXPECT_THAT(names("bindings"), HasSubstr("RoleBinding/web-reads"));
  EXPECT_THAT(names("roles"), HasSubstr("Role/reader"));
  EXPECT_EQ(r["serviceAccount"]["asset"].StringAt("name"), "web");
  r = ParseJson(*inventory::RelationsOf(*world.state, id + "//Image//" + image,
                                        [](const Value&) { return true; }),
                arena)
          .value();
  EXPECT_EQ(names("workloads"), "Deployment/web");
  r = ParseJson(*inventory::RelationsOf(*world.state, id + "//Service/shop/web",
                                        [](const Value&) { return true; }),
                arena)
          .value();
  EXPECT_EQ(names("workloads"), "Deployment/web");
  EXPECT_EQ(names("pods"), "Pod/web-1-a");
  EXPECT_FALSE(inventory::RelationsOf(*world.state, web, [](const Value&) { return false; }));

  // A kind that comes later, and goes.
  Apply(R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
)");
  ASSERT_TRUE(Eventually([&] {
    return cluster_
               ->Kubectl({"apply", "--filename=-"},
                         "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w, "
                         "namespace: shop}, spec: {size: 3}}")
               .status == 0;
  }));
  const std::string widget = "example.com/Widget/shop/w";
  EXPECT_TRUE(Eventually([&] { return listener.There().contains(widget); }));
  Delete(*cluster_, {"crd", "widgets.example.com"});
  EXPECT_TRUE(Eventually([&] { return !listener.There().contains(widget); }));

  // Gone, but not forgotten at once.
  Delete(*cluster_, {"pod", "web-1-a", "--namespace=shop"});
  ASSERT_TRUE(Eventually([&] { return world.Asset(arena, pod)["gone"].IsTrue(); }));
  EXPECT_EQ(world.Events("deleted", "Pod", "web-1-a").size(), 1U);
  EXPECT_TRUE(
      Eventually([&] { return world.Asset(arena, id + "//Image//" + image)["gone"].IsTrue(); }));

  // What happens while nobody looks is found out later, once.
  world.inventory->Stop();
  Delete(*cluster_, {"service", "web", "--namespace=shop"});
  Apply("{apiVersion: v1, kind: ServiceAccount, metadata: {name: late, namespace: shop}}");
  world.Close();
  world.Open();
  ASSERT_TRUE(world.inventory->Start());
  EXPECT_TRUE(world.WaitFor(id, "away"));  // without its credentials
  ASSERT_TRUE(world.inventory->AddLocal("here", Admin(*cluster_)));
  ASSERT_TRUE(world.WaitFor(id, "ready"));
  EXPECT_TRUE(world.Asset(arena, id + "//Service/shop/web")["gone"].IsTrue());
  EXPECT_EQ(world.Events("deleted", "Service", "web").size(), 1U);
  EXPECT_EQ(world.Events("created", "ServiceAccount", "late").size(), 1U);
  EXPECT_EQ(world.Events("created", "Deployment", "web").size(), 1U);
  EXPECT_EQ(world.Keys(id), KeysInCluster(*cluster_));
}

// --- A bad day -----------------------------------------------------------------------------------

// Ends kube-apiserver, as a crash would, and starts it again as it was.
class ApiServerProcess {
 public:
  explicit ApiServerProcess(const KubeCluster& cluster) : cluster_(cluster) {
    Arena arena;
    auto state = ParseJson(*ReadFile(cluster.dir() + "/state.json", 1 << 20), arena);
    for (const Value& process : (*state)["processes"].items()) {
      if (process.StringAt("name") != "kube-apiserver") continue;
      pid_ = static_cast<int>(*process["pid"].ToInt());
    }
    auto line = ReadFile(fmt::format("/proc/{}/cmdline", pid_), 1 << 20);
    for (std::string_view argument : Split(*line, '\0')) {
      if (!argument.empty()) arguments_.emplace_back(argument);
    }
  }
  ~ApiServerProcess() {
    if (ours_) Kill();
  }
  void Kill() {
    ::kill(pid_, SIGKILL);
    if (ours_) {
      ::waitpid(pid_, nullptr, 0);
    } else {
      Eventually([&] { return ::kill(pid_, 0) != 0 || IsZombie(); });
    }
    ours_ = false;
  }
  void Start() {
    std::vector<char*> argv;
    for (std::string& argument : arguments_) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    const std::string log = cluster_.dir() + "/log/kube-apiserver-again.log";
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    ASSERT_EQ(::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    ours_ = true;
    EXPECT_TRUE(Eventually([&] {
      return cluster_.Kubectl({"get", "--raw=/readyz", "--request-timeout=2s"}).status == 0;
    }));
  }

 private:
  bool IsZombie() const {
    auto stat = ReadFile(fmt::format("/proc/{}/stat", pid_), 4096);
    return !stat || stat->find(") Z") != std::string::npos;
  }
  const KubeCluster& cluster_;
  int pid_ = -1;
  bool ours_ = false;
  std::vector<std::string> arguments_;
};

// Between the inventory and the API server: answers 429 and 500 at random, cuts streams, and can
// close altogether.
class FaultProxy {
 public:
  explicit FaultProxy(kube::Config upstream)
      : upstream_(std::move(upstream)), http_({.tls = upstream_.tls, .proxy = ""}) {
    server_.emplace([this](const net::TestServer::Request& r, net::TestServer::Reply& reply) {
      Serve(r, reply);
    });
  }
  ~FaultProxy() {
    stop_.request_stop();
    server_.reset();
  }
  std::string url() const { return server_->url(); }
  void Faults(bool on) { faults_ = on; }
  // Streams are cut, nothing is answered.
  void Close(bool closed) { closed_ = closed; }
  int faults() const { return given_; }
  int gone() const { return gone_; }
  int watches() const { return watches_; }

 private:
  bool Chance(int percent) {
    std::lock_guard lock(mutex_);
    return std::uniform_int_distribution<>(0, 99)(random_) < percent;
  }
  void Serve(const net::TestServer::Request& r, net::TestServer::Reply& reply) {
    const bool watch = r.Query("watch") == "1";
    if (closed_) return reply.Break();
    if (faults_ && r.path() != "/version" && Chance(15)) {
      ++given_;
      switch (Chance(50) ? 0 : Chance(50) ? 1 : 2) {
        case 0: return reply.Send(429, R"({"kind":"Status"})", {"Retry-After: 0"});
        case 1: return reply.Send(500, R"({"kind":"Status","message":"out of luck"})");
        default: return reply.Break();
      }
    }
    net::HttpRequest request;
    request.method = r.method;
    request.url = upstream_.server + r.target;
    request.body = r.body;
    request.total_timeout = 600s;
    request.idle_timeout = 0s;
    request.max_response_bytes = SIZE_MAX;
    request.stop = stop_.get_token();
    for (const char* name : {"accept", "content-type"}) {
      if (auto h = r.headers.find(name); h != r.headers.end()) {
        request.headers.emplace_back(name, h->second);
      }
    }
    std::atomic<bool> cut = false;
    if (watch) {
      ++watches_;
      // Before there is anything to say, as an API server does it.
      reply.Begin(200);
      request.on_body = [&](std::string_view part) -> Result<> {
        if (part.find(R"("code":410)") != std::string_view::npos) ++gone_;
        // In the middle of an event.
        if (faults_ && Chance(3)) {
          ++given_;
          reply.Chunk(part.substr(0, part.size() / 2));
          cut = true;
        } else if (!reply.Chunk(part)) {
          cut = true;
        }
        if (closed_) cut = true;
        return cut ? Result<>(Error(Code::kUnavailable, "test.cut", "cut")) : Result<>(Ok());
      };
    }
    // A quiet stream has to notice that the proxy closes, too.
    std::stop_source closing;
    std::jthread watcher;
    if (watch) {
      request.stop = closing.get_token();
      watcher = std::jthread([&](std::stop_token ended) {
        while (!ended.stop_requested() && !stop_.stop_requested() && !closed_ && reply.open()) {
          std::this_thread::sleep_for(20ms);
        }
        closing.request_stop();
      });
    }
    auto answer = http_.Send(std::move(request));
    watcher = {};
    if (!answer || cut || closed_) return reply.Break();
    if (answer->status == 410) ++gone_;
    if (!watch) return reply.Send(answer->status, answer->body);
    if (answer->status >= 300) {
      reply.Chunk(fmt::format("{{\"type\":\"ERROR\",\"object\":{}}}\n", Trim(answer->body)));
    }
  }

  const kube::Config upstream_;
  net::HttpClient http_;
  std::stop_source stop_;
  std::atomic<bool> faults_ = false, closed_ = false;
  std::atomic<int> given_ = 0, gone_ = 0, watches_ = 0;
  std::mutex mutex_;
  std::minstd_rand random_{4711};
  std::optional<net::TestServer> server_;
};

// Makes, changes and deletes objects as fast as the API server takes it.
class Mutator {
 public:
  explicit Mutator(const kube::Config& config)
      : server_(config.server), http_({.tls = config.tls, .proxy = ""}) {}
  // So many changes of the objects numbered below `objects`.
  void Change(int changes, int objects) {
    for (int i = 0; i < changes; ++i) {
      const int n = Below(objects);
      const std::string kind = n % 3 == 0 ? "pods" : n % 3 == 1 ? "serviceaccounts" : "services";
      const std::string name = fmt::format("o-{}", n);
      const std::string list = fmt::format("{}/api/v1/namespaces/soak/{}", server_, kind);
      switch (Below(4)) {
        case 0: Send("DELETE", list + "/" + name + "?gracePeriodSeconds=0", "", ""); break;
        case 1:
          Send("PATCH", list + "/" + name,
               fmt::format(R"({{"metadata":{{"labels":{{"turn":"{}"}}}}}})", i),
               "application/merge-patch+json");
          break;
        default:
          Send("POST", list,
               fmt::format(R"({{"metadata":{{"name":"{}"}}{}}})", name,
                           kind == "pods"
                               ? R"(,"spec":{"containers":[{"name":"c","image":"nginx:1"}]})"
                           : kind == "services" ? R"(,"spec":{"ports":[{"port":80}]})"
                                                : ""),
               "application/json");
      }
    }
  }
  int done() const { return done_; }

 private:
  int Below(int n) { return std::uniform_int_distribution<>(0, n - 1)(random_); }
  void Send(std::string method, std::string url, std::string body, std::string type) {
    net::HttpRequest request;
    request.method = std::move(method);
    request.url = std::move(url);
    request.body = std::move(body);
    if (!type.empty()) request.headers.emplace_back("Content-Type", type);
    request.total_timeout = 5s;
    auto answer = http_.Send(std::move(request));
    if (answer && answer->status < 300) ++done_;
  }
  const std::string server_;
  net::HttpClient http_;
  std::minstd_rand random_{42};
  int done_ = 0;
};

size_t ResidentBytes() {
  auto statm = ReadFile("/proc/self/statm", 4096);
  auto words = SplitWords(*statm);
  return std::stoul(std::string(words[1])) * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

// Forgets what etcd has of the past, as it does by itself after five minutes.
void Compact(const KubeCluster& cluster, const kube::Config& config) {
  const std::string list = cluster.Kubectl({"get", "--raw=/api/v1/namespaces?limit=1"}).out;
  Arena arena;
  std::string revision(ParseJson(list, arena).value()["metadata"].StringAt("resourceVersion"));
  std::string endpoint;
  Value state = ParseJson(*ReadFile(cluster.dir() + "/state.json", 1 << 20), arena).value();
  for (const Value& process : state["processes"].items()) {
    if (process.StringAt("name") != "etcd") continue;
    auto line = ReadFile(fmt::format("/proc/{}/cmdline", *process["pid"].ToInt()), 1 << 20);
    for (std::string_view argument : Split(*line, '\0')) {
      if (auto url = Cut(argument, "--listen-client-urls="); url && url->first.empty()) {
        endpoint = url->second;
      }
    }
  }
  net::TlsOptions tls{.ca_pem = config.tls.ca_pem};
  tls.client_certificate_pem = *ReadFile(cluster.dir() + "/pki/etcd-client.crt", 1 << 20);
  tls.client_key_pem = *ReadFile(cluster.dir() + "/pki/etcd-client.key", 1 << 20);
  net::HttpClient etcd({.tls = tls, .proxy = ""});
  net::HttpRequest request;
  request.method = "POST";
  request.url = endpoint + "/v3/kv/compaction";
  request.body = fmt::format(R"({{"revision":"{}","physical":true}})", revision);
  auto answer = etcd.Send(std::move(request));
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_EQ(answer->status, 200) << answer->body;
}

TEST_F(InventoryLive, EqualsTheClusterAfterABadDay) {
  Apply("{apiVersion: v1, kind: Namespace, metadata: {name: soak}}");
  const kube::Config admin = Admin(*cluster_);
  Listener listener;
  auto proxy = std::make_unique<FaultProxy>(admin);
  World world(Quick());
  world.inventory->AddListener(&listener);
  ASSERT_TRUE(world.inventory->Start());
  auto added = world.inventory->AddLocal("soak", {.server = proxy->url()});
  ASSERT_TRUE(added) << added.error().ToString();
  const std::string id = added->id;
  ASSERT_TRUE(world.WaitFor(id, "ready"));
  Mutator mutator(admin);
  ApiServerProcess api_server(*cluster_);

  auto settled = [&] {
    std::set<std::string> there = KeysInCluster(*cluster_);
    return Eventually([&] { return world.Keys(id) == there; });
  };
  proxy->Faults(true);
  mutator.Change(500, 300);
  EXPECT_TRUE(settled());
  const size_t resident = ResidentBytes();

  for (int round = 0; round < 2; ++round) {
    // The server crashes in the middle of changes.
    mutator.Change(300, 300);
    std::jthread changes([&] { mutator.Change(400, 300); });
    api_server.Kill();
    changes.join();
    EXPECT_TRUE(world.WaitFor(id, "away"));
    api_server.Start();
    EXPECT_TRUE(world.WaitFor(id, "ready"));
    mutator.Change(200, 300);
    EXPECT_TRUE(settled()) << "round " << round;

    // Out of reach while much happens, and what happened is forgotten: 410.
    proxy->Close(true);
    EXPECT_TRUE(world.WaitFor(id, "away"));
    mutator.Change(300, 300);
    Compact(*cluster_, admin);
    api_server.Kill();
    api_server.Start();
    proxy->Close(false);
    EXPECT_TRUE(world.WaitFor(id, "ready"));
    EXPECT_TRUE(settled()) << "round " << round;
  }
  mutator.Change(800, 300);
  proxy->Faults(false);
  EXPECT_TRUE(settled());
  EXPECT_GT(mutator.done(), 1000);
  EXPECT_GT(proxy->faults(), 50);
  EXPECT_GT(proxy->gone(), 0);

  // The listener was told the same.
  std::set<std::string> told;
  for (const auto& [key, text] : listener.There()) told.insert(key);
  EXPECT_EQ(told, KeysInCluster(*cluster_));
  EXPECT_THAT(listener.Wrong(), IsEmpty());
  // And the records are of the objects as they are now.
  Arena arena;
  test::Output pods = cluster_->Kubectl({"get", "pods", "--namespace=soak", "--output=json"});
  for (const Value& pod : ParseJson(pods.out, arena).value()["items"].items()) {
    Value record =
        world.Asset(arena, fmt::format("{}//Pod/soak/{}", id, pod["metadata"].StringAt("name")));
    EXPECT_EQ(record.StringAt("uid"), pod["metadata"].StringAt("uid"));
    std::string_view turn = pod["metadata"]["labels"].StringAt("turn");
    EXPECT_EQ(record["labels"][0].IsNull() ? "" : record["labels"][0].AsString(),
              turn.empty() ? "" : fmt::format("turn={}", turn));
  }
  fmt::print("{} changes, {} faults, {} times 410, {} watches, RSS {} → {} MiB\n", mutator.done(),
             proxy->faults(), proxy->gone(), proxy->watches(), resident >> 20,
             ResidentBytes() >> 20);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(ResidentBytes(), resident + (size_t{24} << 20));
#endif
  world.Close();
  proxy.reset();
}

}  // namespace
}  // namespace bulwark
