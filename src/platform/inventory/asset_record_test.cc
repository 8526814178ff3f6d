#include "platform/inventory/asset_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/json.h"
#include "formats/yaml.h"

namespace bulwark::inventory {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct Made {
  Arena arena;
  Value object;
  AssetRecord record;
  Value body;
};

std::unique_ptr<Made> Make(std::string_view group, std::string_view kind, bool namespaced,
                           std::string_view yaml) {
  auto made = std::make_unique<Made>();
  auto parsed = ParseYaml(yaml, made->arena);
  EXPECT_TRUE(parsed) << parsed.error().ToString();
  MapBuilder object(made->arena);
  std::string version = group.empty() ? "v1" : std::string(group) + "/v1";
  object.Add("apiVersion", Value::String(made->arena, version))
      .Add("kind", Value::String(made->arena, kind));
  for (const auto& [key, value] : parsed->entries()) object.Add(key, value);
  made->object = object.Finish();
  made->record = RecordOf(
      "c1", {std::string(group), "v1", std::string(kind), "plural", namespaced, {}}, made->object);
  auto body = ParseJson(
      WholeBody(StableBody(made->record), {"2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z"}),
      made->arena);
  EXPECT_TRUE(body) << body.error().ToString();
  if (body) made->body = *body;
  return made;
}

const std::string kDigest = "sha256:" + std::string(64, 'a');

TEST(AssetRecord, Pod) {
  auto pod = Make("", "Pod", true,
                  R"(
metadata:
  name: web-1
  namespace: shop
  uid: u-1
  resourceVersion: "7"
  creationTimestamp: "2025-01-01T00:00:00Z"
  labels: {b: "2", a: "1"}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, uid: x, controller: true}]
spec:
  nodeName: n1
  serviceAccountName: web
  containers:
  - {name: c, image: "nginx:1.27", env: [{name: A, value: hunter2}]}
  - {name: d, image: "ghcr.io/x/y@)" +
                      kDigest + R"("}
  initContainers: [{name: i, image: "nginx:1.27"}]
status:
  phase: Running
  podIP: 10.0.0.1
  containerStatuses:
  - {name: c, imageID: "docker.io/library/nginx@)" +
                      kDigest + R"(", restartCount: 2, ready: true}
  - {name: d, state: {waiting: {reason: CrashLoopBackOff}}, restartCount: 1}
)");
  const AssetRecord& r = pod->record;
  EXPECT_EQ(r.asset.Key(), "c1//Pod/shop/web-1");
  EXPECT_EQ(r.cls, "pod");
  EXPECT_THAT(r.labels, ElementsAre("a=1", "b=2"));
  EXPECT_EQ(r.node, "n1");
  ASSERT_EQ(r.images.size(), 3U);
  EXPECT_EQ(r.images[0].reference, "docker.io/library/nginx:1.27");
  EXPECT_EQ(r.images[0].digest, kDigest);
  EXPECT_EQ(r.images[1].digest, kDigest);
  EXPECT_EQ(r.images[2].name(), "docker.io/library/nginx:1.27");  // its digest is not known
  EXPECT_EQ(pod->body["summary"]["restarts"], Value::Int(3));
  EXPECT_EQ(pod->body["summary"].StringAt("reason"), "CrashLoopBackOff");
  EXPECT_EQ(pod->body["owner"].StringAt("kind"), "ReplicaSet");
  EXPECT_EQ(pod->body["ready"], Value::Int(1));
  EXPECT_EQ(pod->body["firstSeen"], Value::String("2025-01-01T00:00:00Z"));
  EXPECT_THAT(StableBody(r), Not(HasSubstr("hunter2")));
}

TEST(AssetRecord, Workloads) {
  auto cron = Make("batch", "CronJob", true, R"(
metadata: {name: nightly, namespace: shop}
spec:
  schedule: "0 3 * * *"
  suspend: true
  jobTemplate: {spec: {template: {metadata: {labels: {job: x}}, spec: {hostNetwork: true, containers: [{name: c, image: a/b}]}}}}
)");
  EXPECT_EQ(cron->record.cls, "workload");
  EXPECT_EQ(cron->record.images[0].reference, "docker.io/a/b:latest");
  EXPECT_EQ(cron->body["summary"].StringAt("schedule"), "0 3 * * *");
  EXPECT_TRUE(cron->body["summary"]["suspended"].IsTrue());
  EXPECT_TRUE(cron->body["summary"]["hostNetwork"].IsTrue());
  EXPECT_EQ(cron->body["summary"]["podLabels"].StringAt("job"), "x");
  EXPECT_EQ(cron->record.service_account, "default");
  auto daemon = Make("apps", "DaemonSet", true,
                     "{metadata: {name: d, namespace: x}, spec: {template: {spec: {containers: "
                     "[]}}}, status: {desiredNumberScheduled: 3, numberReady: 2}}");
  EXPECT_EQ(daemon->record.replicas, 3);
  EXPECT_EQ(daemon->record.ready, 2);
  auto owned = Make("apps", "ReplicaSet", true,
                    "{metadata: {name: d, namespace: x, ownerReferences: [{apiVersion: apps/v1, "
                    "kind: Deployment, name: w, controller: true}]}, spec: {}}");
  EXPECT_EQ(owned->record.cls, "replica");
}

TEST(AssetRecord, OtherKinds) {
  auto binding = Make("rbac.authorization.k8s.io", "RoleBinding", true, R"(
metadata: {name: b, namespace: shop}
roleRef: {kind: ClusterRole, name: view}
subjects: [{kind: ServiceAccount, name: web}, {kind: ServiceAccount, name: x, namespace: other}, {kind: Group, name: dev}]
)");
  EXPECT_EQ(ToJson(binding->body["summary"]["subjects"]),
            R"(["ServiceAccount:shop/web","ServiceAccount:other/x","Group:dev"])");
  auto node = Make("", "Node", false, R"(
metadata: {name: n1, labels: {node-role.kubernetes.io/control-plane: ""}}
spec: {taints: [{key: k, effect: NoSchedule}], unschedulable: true, providerID: "aws:///x"}
status:
  conditions: [{type: Ready, status: "True", lastHeartbeatTime: now}, {type: DiskPressure, status: "True"}]
  nodeInfo: {kubeletVersion: v1.34.0, kernelVersion: 6.1.0}
)");
  EXPECT_EQ(node->record.phase, "Ready");
  EXPECT_EQ(node->body["summary"]["roles"][0], Value::String("control-plane"));
  EXPECT_EQ(node->body["summary"]["taints"][0], Value::String("k:NoSchedule"));
  EXPECT_EQ(node->body["summary"]["pressures"][0], Value::String("DiskPressure"));
  auto service =
      Make("", "Service", true,
           "{metadata: {name: s, namespace: x}, spec: {type: NodePort, selector: {a: b}, "
           "ports: [{port: 80, targetPort: web, nodePort: 30080}]}}");
  EXPECT_EQ(service->body["summary"]["ports"][0], Value::String("80/TCP→web (30080)"));
  auto role = Make("rbac.authorization.k8s.io", "ClusterRole", false,
                   "{metadata: {name: r}, rules: [{verbs: ['*'], resources: [pods]}]}");
  EXPECT_TRUE(role->body["summary"]["wildcard"].IsTrue());
}

// Whatever a hostile API server sends is a record or nothing, and no crash.
TEST(AssetRecord, NonsenseIsTaken) {
  for (const AssetKind& kind : AssetKinds()) {
    for (const char* yaml :
         {"{}", "{metadata: 3, spec: [], status: x}",
          "{metadata: {name: [1]}, spec: {template: 5}}",
          "{metadata: {labels: {a: 1}, ownerReferences: [3, {controller: true}]}, spec: "
          "{containers: "
          "[1, {image: 3}, {}], ports: [{}], rules: [1, {http: 3}]}, rules: [3], subjects: [{}], "
          "status: {conditions: 3}}"}) {
      auto made = Make(kind.group, kind.kind, true, yaml);
      EXPECT_TRUE(made->body.IsMap()) << kind.kind << " " << yaml;
    }
  }
}

TEST(AssetRecord, StatusNoiseChangesNothing) {
  const char* kNode =
      "{metadata: {name: n, resourceVersion: \"%s\", managedFields: [{time: \"%s\"}]}, "
      "status: {conditions: [{type: Ready, status: \"True\", lastHeartbeatTime: \"%s\"}]}}";
  auto at = [&](const char* t) {
    char text[512];
    snprintf(text, sizeof(text), kNode, t, t, t);
    return StableBody(Make("", "Node", false, text)->record);
  };
  EXPECT_EQ(at("1"), at("2"));
}

TEST(AssetRecord, ManagerIsWhoWroteLastButForStatus) {
  auto made = Make("apps", "Deployment", true, R"(
metadata:
  name: d
  namespace: x
  managedFields:
  - {manager: kubectl-edit, time: "2025-01-02T00:00:00Z"}
  - {manager: helm, time: "2025-01-01T00:00:00Z"}
  - {manager: kube-controller-manager, subresource: status, time: "2025-01-03T00:00:00Z"}
)");
  EXPECT_EQ(made->record.manager, "kubectl-edit");
}

TEST(AssetRecord, BodiesAreTakenApartAgain) {
  std::string stable = R"({"a":",\"firstSeen\":\"x\"")";
  std::string whole = WholeBody(stable, {"1", "2", true});
  EXPECT_EQ(StableOf(whole), stable);
  EXPECT_THAT(whole, HasSubstr(R"("gone":true})"));
  EXPECT_EQ(StableOf("{}"), std::nullopt);
}

std::string ConfigText(std::string_view yaml) {
  return Make("apps", "Deployment", true, yaml)->record.config;
}

TEST(Config, HidesWhatMayBeSecret) {
  std::string config = ConfigText(R"(
metadata:
  name: d
  annotations: {note: hunter2, kubectl.kubernetes.io/last-applied-configuration: hunter2}
spec:
  a: ["kept"]
  template:
    spec:
      containers:
      - name: c
        env: [{name: A, value: hunter2}, {name: B, valueFrom: {secretKeyRef: {name: s, key: k}}}]
        args: ["--db=postgres://u:hunter2@h/x", "--port=80", "--api-key", "token=hunter2"]
        livenessProbe: {httpGet: {httpHeaders: [{name: Authorization, value: hunter2}]}}
)");
  EXPECT_THAT(config, Not(HasSubstr("hunter2")));
  EXPECT_THAT(config, Not(HasSubstr("last-applied")));
  EXPECT_THAT(config, HasSubstr("--port=80"));
  EXPECT_THAT(config, HasSubstr("secretKeyRef"));
  EXPECT_THAT(config, HasSubstr("[hidden #"));
  // Big ones are a hash, which still changes.
  auto big = [](char c) {
    return ConfigText("{metadata: {name: d}, spec: {x: " + std::string(kMaxConfigBytes, c) + "}}");
  };
  EXPECT_LT(big('a').size(), 100U);
  EXPECT_NE(big('a'), big('b'));
}

std::vector<std::string> Diff(std::string_view before, std::string_view after) {
  Arena arena;
  ConfigDiff diff = DiffConfigs(ParseYaml(before, arena).value(), ParseYaml(after, arena).value());
  std::vector<std::string> out;
  for (const FieldChange& c : diff.changes) {
    out.push_back(c.path + ": " + c.before + " → " + c.after);
  }
  return out;
}

TEST(Diff, NamesWhatChanged) {
  EXPECT_THAT(Diff("{a: 1, b: {c: x}}", "{a: 1, b: {c: x}}"), ElementsAre());
  EXPECT_THAT(Diff("{a: 1, b: {c: x}, d: 1}", "{a: 2, b: {c: z}, e: {f: 1}}"),
              ElementsAre("a: 1 → 2", "b.c: \"x\" → \"z\"", "d: 1 → ", "e:  → {\"f\":1}"));
  // By name, whatever the order.
  EXPECT_THAT(
      Diff("{c: [{name: x, i: 1}, {name: w, i: 1}]}", "{c: [{name: w, i: 2}, {name: x, i: 1}]}"),
      ElementsAre("c[w].i: 1 → 2"));
  EXPECT_THAT(Diff("{c: [{name: x}]}", "{c: [{name: x}, {name: z, i: 1}]}"),
              ElementsAre("c[z]:  → {\"name\":\"z\",\"i\":1}"));
  EXPECT_THAT(Diff("{l: [a, b]}", "{l: [a, c, d]}"),
              ElementsAre("l[1]: \"b\" → \"c\"", "l[2]:  → \"d\""));
  EXPECT_THAT(Diff("{labels: {example.com/x: a}}", "{labels: {}}"),
              ElementsAre("labels[example.com/x]: \"a\" → "));
}

TEST(Diff, IsBounded) {
  Arena arena;
  std::vector<Value> a, b;
  for (int i = 0; i < 80; ++i) {
    a.push_back(Value::Int(i));
    b.push_back(Value::Int(i + 1));
  }
  ConfigDiff diff = DiffConfigs(Value::Array(a), Value::Array(b));
  EXPECT_EQ(diff.changes.size(), 50U);
  EXPECT_EQ(diff.more, 30U);
  std::string longer;
  for (int i = 0; i < 200; ++i) longer += "容";
  diff = DiffConfigs(Value::Null(), Value::String(longer));
  ASSERT_EQ(diff.changes.size(), 1U);
  EXPECT_LE(diff.changes[0].after.size(), 204U);
  EXPECT_THAT(diff.changes[0].after, HasSubstr("…"));
}

}  // namespace
}  // namespace bulwark::inventory
