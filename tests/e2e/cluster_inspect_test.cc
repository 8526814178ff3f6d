// A cluster inspected over its API: the same as its objects from files; what an account may not
// read is named; a watch tells what changes.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "base/files.h"
#include "base/text.h"
#include "features/posture/cluster_source.h"
#include "features/posture/commands.h"
#include "features/posture/inspection.h"
#include "features/posture/watch.h"
#include "formats/json.h"
#include "kube/client.h"
#include "platform/command.h"
#include "tests/cluster/fixture.h"

namespace bulwark::posture {
namespace {

using namespace std::chrono_literals;
using test::Cluster;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::StartsWith;

const CheckSet& Checks() {
  static const CheckSet* const set = [] {
    auto loaded = CheckSet::BuiltIn();
    EXPECT_TRUE(loaded) << loaded.error().ToString();
    return new CheckSet(*std::move(loaded));
  }();
  return *set;
}

struct SimpleCheck {
  std::string id, kind, fail;
};
CheckSet ChecksOf(const std::vector<SimpleCheck>& checks) {
  std::string yaml = "checks:\n";
  for (const SimpleCheck& c : checks) {
    yaml += fmt::format(R"(- id: {}
  severity: high
  category: security
  title: {{en: t, zh: t}}
  description: {{en: d, zh: d}}
  why: {{en: w, zh: w}}
  remedy: {{en: r, zh: r}}
  message: {{en: m, zh: m}}
  scope: object
  kinds: [{}]
  fail: >-
    {}
)",
                        c.id, c.kind, c.fail);
  }
  CheckSet set = CheckSet::Empty();
  auto added = set.AddText(yaml, "checks.yaml");
  EXPECT_TRUE(added) << added.error().ToString();
  for (const Error& error : set.CompileAll()) ADD_FAILURE() << error.ToString();
  return set;
}

// What an inspection says, as far as it does not depend on where the objects came from.
std::set<std::string> Said(const Report& report) {
  std::set<std::string> out;
  for (Finding f : report.findings) {
    out.insert(fmt::format("{} {} {}", f.check, f.asset.Key(), f.evidence.path));
  }
  return out;
}

std::vector<std::string> Unreads(const Report& report) {
  std::vector<std::string> out;
  for (const Unread& unread : report.unread) out.push_back(unread.what + ": " + unread.error);
  return out;
}

kube::Variables NoVariables() {
  return [](const std::string&) { return std::nullopt; };
}

class ClusterInspect : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!Cluster::WhyNot({}).empty()) return;
    auto started = Cluster::StartApiServer();
    ASSERT_TRUE(started) << started.error().ToString();
    cluster_.emplace(*std::move(started));
    auto seeded = cluster_->Seed();
    ASSERT_TRUE(seeded) << seeded.error().ToString();
  }
  static void TearDownTestSuite() { cluster_.reset(); }
  void SetUp() override {
    if (std::string reason = Cluster::WhyNot({}); !reason.empty()) GTEST_SKIP() << reason;
    ASSERT_TRUE(cluster_.has_value());
  }

  static kube::Client Connect(const std::string& kubeconfig) {
    auto config = kube::LoadConfig({.path = kubeconfig, .variable = NoVariables()});
    EXPECT_TRUE(config) << config.error().ToString();
    auto client = kube::Client::Connect(*std::move(config));
    EXPECT_TRUE(client) << client.error().ToString();
    return *std::move(client);
  }
  static kube::Client Admin() { return Connect(cluster_->kubeconfig()); }

  static InspectOptions OptionsFor(const kube::Client& client, const ClusterOptions& cluster) {
    ClusterIdentity who = IdentifyCluster(client);
    InspectOptions options;
    options.check.cluster = who.uid;
    options.check.kubernetes_minor = who.minor.value_or(kube::kNewestMinor);
    options.whole_cluster = cluster.Whole();
    return options;
  }
  static Report InspectCluster(const kube::Client& client, const CheckSet& checks,
                               ClusterOptions cluster = {}) {
    Inspection inspection(checks, OptionsFor(client, cluster));
    auto info = AddCluster(inspection, checks, client, cluster, nullptr);
    EXPECT_TRUE(info) << info.error().ToString();
    return inspection.Finish();
  }

  static void Apply(std::string_view yaml) {
    test::Output out = cluster_->Kubectl({"apply", "--filename=-"}, yaml);
    ASSERT_EQ(out.status, 0) << out.err;
  }
  static void Delete(std::vector<std::string> what) {
    what.insert(what.begin(), "delete");
    what.insert(what.end(), {"--wait=false", "--grace-period=0", "--force"});
    test::Output out = cluster_->Kubectl(what);
    EXPECT_EQ(out.status, 0) << out.err;
  }
  // Somebody with these rights and no others: the administrator acts as them. (The seed lets
  // everybody view everything, as careless clusters do.)
  static kube::Client As(const std::string& user, const std::string& rules) {
    cluster_->Kubectl({"delete", "clusterrolebinding", "everyone-views", "--ignore-not-found"});
    Apply(rules);
    auto config = kube::LoadConfig({.path = cluster_->kubeconfig(), .variable = NoVariables()});
    EXPECT_TRUE(config) << config.error().ToString();
    config->as = {.user = user, .groups = {"people"}};
    config->ns = "shop";
    auto client = kube::Client::Connect(*std::move(config));
    EXPECT_TRUE(client) << client.error().ToString();
    return *std::move(client);
  }

  static std::optional<Cluster> cluster_;
};
std::optional<Cluster> ClusterInspect::cluster_;

TEST_F(ClusterInspect, EqualsTheInspectionOfItsFiles) {
  kube::Client client = Admin();
  ClusterIdentity who = IdentifyCluster(client);
  EXPECT_EQ(who.uid.size(), 36U);
  EXPECT_EQ(who.minor, 34);
  EXPECT_THAT(who.version, StartsWith("v1.34."));

  ClusterOptions options{.secret_contents = true, .page_size = 7};
  auto kinds = KindsToRead(Checks(), client, options,
                           [](const Unread& unread) { ADD_FAILURE() << unread.error; });
  ASSERT_TRUE(kinds) << kinds.error().ToString();
  std::string names;
  for (const KindToRead& kind : *kinds) {
    names += (names.empty() ? "" : ",") + kind.resource.Name();
  }
  EXPECT_THAT(Split(names, ','), IsSupersetOf({"deployments.apps", "pods", "services",
                                               "networkpolicies.networking.k8s.io",
                                               "clusterrolebindings.rbac.authorization.k8s.io"}));

  Report over_api = InspectCluster(client, Checks(), options);
  test::Output dump = cluster_->Kubectl({"get", names, "--all-namespaces", "--output=yaml"});
  ASSERT_EQ(dump.status, 0) << dump.err;
  Inspection of_files(Checks(), OptionsFor(client, options));
  of_files.AddText(dump.out, "dump.yaml");
  Report from_files = of_files.Finish();

  EXPECT_THAT(Unreads(over_api), IsEmpty());
  EXPECT_THAT(Unreads(from_files), IsEmpty());
  EXPECT_EQ(over_api.objects, from_files.objects);
  EXPECT_GT(over_api.objects, 200U);
  EXPECT_GT(over_api.findings.size(), 100U);
  std::set<std::string> a = Said(over_api), b = Said(from_files);
  std::vector<std::string> only_api, only_files;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(only_api));
  std::set_difference(b.begin(), b.end(), a.begin(), a.end(), std::back_inserter(only_files));
  EXPECT_THAT(only_api, IsEmpty());
  EXPECT_THAT(only_files, IsEmpty());
  EXPECT_EQ(over_api.total.total(), from_files.total.total());
  for (const AssetTally& asset : over_api.assets) {
    ASSERT_EQ(asset.asset.cluster, who.uid);
    ASSERT_EQ(asset.place.line, 0U);
  }
}

TEST_F(ClusterInspect, SecretsComeWithoutTheirContentsUnlessAskedFor) {
  CheckSet checks = ChecksOf({
      {"has-data", "Secret", "has(object.data) || has(object.stringData)"},
      {"has-type", "Secret", "has(object.type) && has(object.metadata.name)"},
      {"last-applied", "Secret",
       "'kubectl.kubernetes.io/last-applied-configuration' in "
       "object.metadata.?annotations.orValue({})"},
  });
  kube::Client client = Admin();
  Report metadata = InspectCluster(client, checks);
  EXPECT_GT(metadata.objects, 5U);
  EXPECT_EQ(metadata.by_check["has-data"].failed, 0U);
  EXPECT_EQ(metadata.by_check["last-applied"].failed, 0U);
  EXPECT_EQ(metadata.by_check["has-type"].failed, metadata.objects);
  Report full = InspectCluster(client, checks, {.secret_contents = true});
  EXPECT_EQ(full.objects, metadata.objects);
  EXPECT_GT(full.by_check["has-data"].failed, 5U);
  EXPECT_GT(full.by_check["last-applied"].failed, 5U);
}

TEST_F(ClusterInspect, OneNamespaceOnlyAndByLabel) {
  kube::Client client = Admin();
  Report whole = InspectCluster(client, Checks());
  Report shop = InspectCluster(client, Checks(), {.namespaces = {"shop"}});
  EXPECT_THAT(Unreads(shop), IsEmpty());
  EXPECT_GT(shop.objects, 10U);
  std::set<std::string> of_shop;
  for (const AssetTally& asset : shop.assets) {
    if (asset.asset.kind != "Namespace") EXPECT_EQ(asset.asset.ns, "shop");
  }
  // What checks of single objects say there is what they say with everything else around.
  std::set<std::string> all = Said(whole);
  size_t same = 0;
  for (const std::string& said : Said(shop)) same += all.contains(said);
  EXPECT_GT(same, 20U);

  Report labelled =
      InspectCluster(client, Checks(), {.label_selector = "kubernetes.io/metadata.name"});
  EXPECT_GT(labelled.objects, 5U);
  for (const AssetTally& asset : labelled.assets) EXPECT_EQ(asset.asset.kind, "Namespace");

  Report missing = InspectCluster(client, Checks(), {.namespaces = {"no-such-namespace"}});
  EXPECT_THAT(Unreads(missing), Contains(HasSubstr("namespace no-such-namespace: ")));
}

constexpr std::string_view kViewShop = R"(
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader-NAME, namespace: shop}
rules:
- {apiGroups: ["", apps, batch, networking.k8s.io, policy], resources: ["*"], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader-NAME, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader-NAME}
subjects: [{kind: User, name: NAME, apiGroup: rbac.authorization.k8s.io}]
)";

TEST_F(ClusterInspect, WhatAnAccountMayNotReadIsNamed) {
  kube::Client client = As("reader", ReplaceAll(kViewShop, "NAME", "reader"));
  Report report = InspectCluster(client, Checks());
  EXPECT_GT(report.objects, 10U);
  for (const AssetTally& asset : report.assets) EXPECT_EQ(asset.asset.ns, "shop");
  auto unread = Unreads(report);
  EXPECT_THAT(unread, Contains(AllOf(StartsWith("pods in namespaces other than shop: forbidden: "),
                                     HasSubstr("cannot list resource \"pods\""))));
  EXPECT_THAT(unread, Contains(StartsWith("namespaces: forbidden: ")));
  EXPECT_THAT(unread, Contains(StartsWith("clusterroles.rbac.authorization.k8s.io: forbidden: ")));
  EXPECT_THAT(unread,
              Contains(StartsWith("roles.rbac.authorization.k8s.io (cluster-wide): forbidden: ")));

  // The same findings of single objects as the administrator's, of that namespace.
  std::set<std::string> admin = Said(InspectCluster(Admin(), Checks()));
  std::string cluster = IdentifyCluster(Admin()).uid;
  size_t same = 0;
  for (const std::string& said : Said(report)) {
    // Keys have the cluster's UID in them, which this user may not read.
    for (const std::string& other : admin) {
      if (ReplaceAll(other, cluster, "") == said) ++same;
    }
  }
  EXPECT_GT(same, report.findings.size() / 2);
  EXPECT_GT(same, 20U);
}

TEST_F(ClusterInspect, NamespacesThatCanBeListedAreNamedOneByOne) {
  kube::Client client = As("lister", ReplaceAll(kViewShop, "NAME", "lister") + R"(
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: list-namespaces}
rules: [{apiGroups: [""], resources: [namespaces], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: list-namespaces}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: list-namespaces}
subjects: [{kind: User, name: lister, apiGroup: rbac.authorization.k8s.io}]
)");
  Report report = InspectCluster(client, Checks());
  auto unread = Unreads(report);
  EXPECT_THAT(unread, Contains(AllOf(StartsWith("pods in namespaces "), HasSubstr("payments"),
                                     HasSubstr("legacy"), Not(HasSubstr("shop,")))));
  EXPECT_THAT(unread, Not(Contains(StartsWith("namespaces: "))));
  // A namespace whose network policies are out of sight is not said to have none.
  for (Finding f : report.findings) {
    if (f.asset.kind == "Namespace" && f.asset.name != "shop") {
      const Check* check = Checks().Find(f.check);
      ASSERT_NE(check, nullptr);
      EXPECT_FALSE(check->complete) << f.check << " " << f.asset.Label();
    }
  }
}

TEST_F(ClusterInspect, KubeletsOutOfReachAreNamed) {
  CheckSet checks = ChecksOf({{"kubelet", "KubeletConfiguration", "true"}});
  Apply("{apiVersion: v1, kind: Node, metadata: {name: far-away}}");
  Report report = InspectCluster(Admin(), checks);
  EXPECT_THAT(Unreads(report),
              Contains(StartsWith("the configuration of the kubelet of far-away: ")));
  Delete({"node", "far-away"});
}

TEST_F(ClusterInspect, ConnectionsAreCheckedBothWays) {
  auto config = kube::LoadConfig({.path = cluster_->kubeconfig(), .variable = NoVariables()});
  ASSERT_TRUE(config) << config.error().ToString();
  config->tls.server_name = "kubernetes.default.svc";
  auto named = kube::Client::Connect(*config);
  EXPECT_TRUE(named) << named.error().ToString();
  config->tls.server_name = "elsewhere.example";
  auto other = kube::Client::Connect(*config);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().id(), "http.tls") << other.error().ToString();
  config->tls.server_name.clear();
  config->tls.ca_pem.clear();
  auto unknown = kube::Client::Connect(*config);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().id(), "http.tls") << unknown.error().ToString();
  config->tls.insecure = true;
  EXPECT_TRUE(kube::Client::Connect(*config));
  config->tls.client_certificate_pem.clear();
  config->tls.client_key_pem.clear();
  config->token = "nonsense";
  auto refused = kube::Client::Connect(*config);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "kube.unauthorized") << refused.error().ToString();
}

TEST_F(ClusterInspect, ProgramsGiveCredentials) {
  auto config = kube::LoadConfig({.path = cluster_->kubeconfig(), .variable = NoVariables()});
  ASSERT_TRUE(config) << config.error().ToString();
  // The administrator's certificate, as a program would print it.
  Arena arena;
  std::string answer = ToJson(
      MapBuilder(arena)
          .Add("apiVersion", Value::String("client.authentication.k8s.io/v1"))
          .Add("kind", Value::String("ExecCredential"))
          .Add("status", MapBuilder(arena)
                             .Add("clientCertificateData",
                                  Value::String(arena, config->tls.client_certificate_pem))
                             .Add("clientKeyData", Value::String(arena, config->tls.client_key_pem))
                             .Finish())
          .Finish());
  config->tls.client_certificate_pem.clear();
  config->tls.client_key_pem.clear();
  config->exec =
      kube::ExecPlugin{.api_version = "client.authentication.k8s.io/v1", .command = "login"};
  auto client = kube::Client::Connect(
      *config, {.run = [&](const kube::ProgramCall&) -> Result<kube::ProgramOutput> {
        return kube::ProgramOutput{0, answer, ""};
      }});
  ASSERT_TRUE(client) << client.error().ToString();
  EXPECT_EQ(IdentifyCluster(*client).uid.size(), 36U);
}

int Command(Env& env, std::vector<std::string> args) {
  CLI::App app;
  int code = kClean;
  AddCommands(app, env, code);
  std::reverse(args.begin(), args.end());  // CLI11 takes them from the back
  try {
    app.parse(args);
  } catch (const CLI::ParseError&) {
    return kUsage;
  }
  return code;
}

TEST_F(ClusterInspect, AsACommand) {
  std::string out, err;
  Env env = Env::Process();
  env.out = [&](std::string_view text) { out += text; };
  env.err = [&](std::string_view text) { err += text; };
  env.err_is_terminal = false;
  int code = Command(env, {"inspect", "--cluster", "--kubeconfig", cluster_->kubeconfig(),
                           "--format", "json", "--namespace", "legacy"});
  EXPECT_EQ(code, kFindings) << err;
  Arena arena;
  auto report = ParseJson(out, arena);
  ASSERT_TRUE(report) << report.error().ToString();
  EXPECT_GT((*report)["findings"].size(), 5U);
  EXPECT_EQ(Command(env, {"inspect", "--cluster", "--kubeconfig", "/nowhere"}), kUsage);
  EXPECT_THAT(err, HasSubstr("/nowhere"));
  EXPECT_EQ(Command(env, {"inspect", "--watch", "x.yaml"}), kUsage);
}

// --- Watching ------------------------------------------------------------------------------------

class Lines {
 public:
  void Add(std::string_view line) {
    std::lock_guard lock(mutex_);
    lines_.emplace_back(line);
    changed_.notify_all();
  }
  // A line after the first `from` for which all words are in it; "" if none comes within 30 s.
  std::string Wait(std::vector<std::string> words, size_t from = 0) {
    std::unique_lock lock(mutex_);
    std::string found;
    changed_.wait_for(lock, 30s, [&] {
      for (size_t i = from; i < lines_.size(); ++i) {
        if (std::all_of(words.begin(), words.end(), [&](const std::string& word) {
              return lines_[i].find(word) != std::string::npos;
            })) {
          found = lines_[i];
          return true;
        }
      }
      return false;
    });
    return found;
  }
  size_t size() const {
    std::lock_guard lock(mutex_);
    return lines_.size();
  }
  std::vector<std::string> Of(std::string_view word) const {
    std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    for (const std::string& line : lines_) {
      if (line.find(word) != std::string::npos) out.push_back(line);
    }
    return out;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

TEST_F(ClusterInspect, AWatchTellsWhatOpensAndCloses) {
  kube::Client client = Admin();
  ClusterOptions cluster;
  InspectOptions options = OptionsFor(client, cluster);
  WatchOptions watch{.cluster = cluster, .settle = 300ms};
  Lines lines;
  std::optional<Result<>> ended;
  {
    std::jthread thread([&](std::stop_token stop) {
      ended = WatchCluster(
          Checks(), options, client, watch, [&](std::string_view line) { lines.Add(line); }, stop);
    });
    std::string snapshot = lines.Wait({R"("type":"snapshot")"});
    ASSERT_NE(snapshot, "");
    // It begins with what an inspection finds.
    std::set<std::string> present, found;
    for (const std::string& line : lines.Of(R"("type":"present")")) {
      Arena arena;
      auto root = ParseJson(line, arena);
      ASSERT_TRUE(root) << line;
      present.insert(std::string((*root)["finding"].StringAt("id")));
    }
    Report report = InspectCluster(client, Checks());
    for (Finding f : report.findings) found.insert(f.id);
    EXPECT_EQ(present, found);

    size_t from = lines.size();
    Apply(R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: bad, namespace: legacy}
spec:
  selector: {matchLabels: {app: bad}}
  template:
    metadata: {labels: {app: bad}}
    spec:
      containers:
      - {name: c, image: "nginx:latest", securityContext: {privileged: true}}
)");
    const std::string of_bad = R"("name":"bad")";
    EXPECT_NE(
        lines.Wait({R"("type":"opened")", of_bad, "securityContext.privileged", "message"}, from),
        "");
    // A check between objects, once changes have settled.
    from = lines.size();
    Apply("{apiVersion: v1, kind: Namespace, metadata: {name: fresh}}");
    EXPECT_NE(lines.Wait({R"("type":"opened")", R"("kind":"Namespace","name":"fresh")"}, from), "");

    from = lines.size();
    cluster_->Kubectl(
        {"patch", "deployment", "bad", "--namespace=legacy", "--type=json",
         R"(--patch=[{"op":"replace","path":"/spec/template/spec/containers/0/securityContext/privileged","value":false}])"});
    EXPECT_NE(lines.Wait({R"("type":"closed")", of_bad, "securityContext.privileged"}, from), "");
    EXPECT_THAT(lines.Of(R"("type":"closed")"), Not(Contains(HasSubstr(":latest"))));

    from = lines.size();
    Delete({"deployment", "bad", "--namespace=legacy"});
    EXPECT_NE(lines.Wait({R"("type":"closed")", of_bad}, from), "");
    auto start = std::chrono::steady_clock::now();
    thread.request_stop();
    thread.join();
    EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  }
  ASSERT_TRUE(ended.has_value());
  EXPECT_TRUE(*ended) << ended->error().ToString();
  Delete({"namespace", "fresh"});

  // All that was opened on the deployment was closed with it.
  std::set<std::string> open;
  for (const std::string& line : lines.Of(R"("name":"bad")")) {
    Arena arena;
    auto root = ParseJson(line, arena);
    ASSERT_TRUE(root) << line;
    std::string id((*root)["finding"].StringAt("id"));
    if (root->StringAt("type") == "opened") {
      EXPECT_TRUE(open.insert(id).second) << line;
    } else {
      EXPECT_EQ(open.erase(id), 1U) << line;
    }
  }
  EXPECT_THAT(open, IsEmpty());
}

TEST(NodeInspect, KubeletsConfigurationIsRead) {
  if (std::string reason = Cluster::WhyNot({.node = true}); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  auto cluster = Cluster::StartNode();
  ASSERT_TRUE(cluster) << cluster.error().ToString();
  auto config = kube::LoadConfig({.path = cluster->kubeconfig(), .variable = NoVariables()});
  ASSERT_TRUE(config) << config.error().ToString();
  auto client = kube::Client::Connect(*config);
  ASSERT_TRUE(client) << client.error().ToString();
  CheckSet checks = ChecksOf({{"kubelet", "KubeletConfiguration",
                               "has(object.authentication) && "
                               "object.apiVersion == 'kubelet.config.k8s.io/v1beta1'"}});
  Inspection inspection(checks, {});
  auto info = AddCluster(inspection, checks, *client, {}, nullptr);
  ASSERT_TRUE(info) << info.error().ToString();
  Report report = inspection.Finish();
  EXPECT_THAT(Unreads(report), IsEmpty());
  EXPECT_EQ(report.findings.size(), 1U);
}

}  // namespace
}  // namespace bulwark::posture
