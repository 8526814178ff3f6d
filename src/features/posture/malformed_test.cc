// Hostile and broken input: each object gives findings, "could not be read", or both; never a
// crash, never a silent pass, and its neighbours are inspected.

#include <gmock/gmock.h>

#include "features/posture/testing.h"
#include "formats/json.h"
#include "formats/yaml.h"
#include "formats/yaml_edit.h"

namespace bulwark::posture {
namespace {

// Objects that have the fields that checks read.
constexpr std::string_view kObjects = R"yaml(
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {app: web}
  annotations: {a: b}
  ownerReferences: [{kind: X, name: y}]
spec:
  replicas: 1
  selector: {matchLabels: {app: web}, matchExpressions: [{key: a, operator: In, values: [b]}]}
  strategy: {type: Recreate}
  template:
    metadata: {labels: {app: web}, annotations: {container.apparmor.security.beta.kubernetes.io/a: unconfined}}
    spec:
      hostNetwork: true
      hostPID: true
      hostAliases: [{ip: 1.2.3.4, hostnames: [x]}]
      serviceAccountName: default
      automountServiceAccountToken: true
      securityContext: {runAsNonRoot: false, runAsUser: 0, fsGroup: 0, supplementalGroups: [0], sysctls: [{name: a, value: b}], seccompProfile: {type: Unconfined}, seLinuxOptions: {type: x}}
      volumes:
        - {name: a, hostPath: {path: /, type: Directory}}
        - {name: b, secret: {secretName: x, defaultMode: 511}}
        - {name: c, projected: {sources: [{serviceAccountToken: {path: t, expirationSeconds: 90000}}]}}
        - {name: d, emptyDir: {medium: Memory, sizeLimit: 1Gi}}
      affinity: {podAntiAffinity: {}}
      topologySpreadConstraints: [{maxSkew: 1, topologyKey: x, whenUnsatisfiable: DoNotSchedule}]
      initContainers: [{name: i, image: x}]
      containers:
        - name: a
          image: nginx:latest
          command: [sh, -c]
          args: [--password=x]
          env: [{name: DB_PASSWORD, value: hunter22}, {name: X, valueFrom: {secretKeyRef: {name: a, key: b}}}]
          envFrom: [{secretRef: {name: x}}]
          ports: [{name: http, containerPort: 80, hostPort: 80, protocol: TCP}]
          resources: {requests: {cpu: 100m, memory: 1Gi}, limits: {cpu: "1", memory: 1Gi}}
          livenessProbe: {httpGet: {path: /, port: http, host: x}, initialDelaySeconds: 1}
          readinessProbe: {tcpSocket: {port: 80}}
          lifecycle: {preStop: {exec: {command: [a]}}}
          volumeMounts: [{name: a, mountPath: /host, mountPropagation: Bidirectional, readOnly: false, subPath: x}]
          securityContext: {privileged: true, allowPrivilegeEscalation: true, readOnlyRootFilesystem: false, runAsUser: 0, procMount: Unmasked, capabilities: {add: [SYS_ADMIN], drop: [KILL]}, appArmorProfile: {type: Unconfined}, windowsOptions: {hostProcess: true}}
---
apiVersion: v1
kind: Service
metadata: {name: s, namespace: shop, annotations: {x: y}}
spec: {type: LoadBalancer, externalIPs: [1.2.3.4], loadBalancerSourceRanges: [0.0.0.0/0], selector: {app: web}, externalName: x, ports: [{name: a, port: 22, targetPort: 22, nodePort: 30000}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i, annotations: {nginx.ingress.kubernetes.io/server-snippet: x}}
spec: {ingressClassName: a, tls: [{hosts: [x], secretName: y}], defaultBackend: {service: {name: s, port: {number: 80}}}, rules: [{host: '*.x', http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}]}}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: n}
spec: {podSelector: {matchLabels: {a: b}}, policyTypes: [Ingress, Egress], ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}], ports: [{port: 1, protocol: TCP}]}], egress: [{to: []}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: r, labels: {a: b}}
rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*'], resourceNames: [x]}, {nonResourceURLs: ['*'], verbs: [get]}]
aggregationRule: {clusterRoleSelectors: [{matchLabels: {a: b}}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: b}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: Group, name: 'system:anonymous', apiGroup: x}, {kind: ServiceAccount, name: default, namespace: shop}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: w}
webhooks: [{name: a.b.c, failurePolicy: Ignore, timeoutSeconds: 30, sideEffects: Some, clientConfig: {url: http://x, caBundle: eA==}, namespaceSelector: {matchExpressions: [{key: a, operator: NotIn, values: [b]}]}, rules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*'], scope: '*'}]}]
---
apiVersion: v1
kind: Secret
metadata: {name: s, annotations: {kubernetes.io/service-account.name: x}}
type: kubernetes.io/service-account-token
data: {a: eA==}
stringData: {password: x}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {password: hunter22}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: privileged}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: shop}
automountServiceAccountToken: true
secrets: [{name: x}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: p, namespace: shop}
spec: {minAvailable: 100%, selector: {matchLabels: {app: web}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: j}
spec: {schedule: '* * * * *', concurrencyPolicy: Allow, jobTemplate: {spec: {backoffLimit: 1, template: {spec: {restartPolicy: Never, containers: [{name: a, image: b}]}}}}}
)yaml";

void ForEachPath(const Value& v, Path& path, const std::function<void(const Path&)>& f) {
  if (!path.empty()) f(path);
  for (const auto& [key, value] : v.entries()) {
    path.push_back(PathStep::Key(key.AsString()));
    ForEachPath(value, path, f);
    path.pop_back();
  }
  for (size_t i = 0; i < v.items().size(); ++i) {
    path.push_back(PathStep::Index(i));
    ForEachPath(v.items()[i], path, f);
    path.pop_back();
  }
}

TEST(Malformed, WrongTypesInEveryField) {
  Arena arena;
  std::vector<Value> wrong = {
      Value::Null(),
      Value::Bool(true),
      Value::Int(-3),
      Value::Double(1e300),
      Value::String("\xe5\xae\xb9\x1b[31m"),
      Value::EmptyArray(),
      Value::EmptyMap(),
      Value::Array(arena, {{Value::Int(1), Value::Null()}}),
      MapBuilder(arena).Add("a", Value::Int(1)).Finish(),
  };
  size_t documents_made = 0;
  Inspection inspection(BuiltInChecks(), {});
  YamlDocuments documents(kObjects);
  while (documents.More()) {
    auto document = documents.Next();
    ASSERT_TRUE(document.has_value());
    auto root = ParseYaml(document->text, arena);
    ASSERT_TRUE(root.has_value()) << root.error().ToString();
    if (root->IsNull()) continue;
    std::string lines;
    Path path;
    ForEachPath(*root, path, [&](const Path& at) {
      for (const Value& value : wrong) {
        auto edited = ApplyEdit(*root, {DocumentEdit::kSet, at, value}, arena);
        ASSERT_TRUE(edited.has_value());
        lines += ToJson(*edited) + "\n";
        ++documents_made;
      }
    });
    inspection.AddText(std::move(lines), "made.json");
  }
  Report report = inspection.Finish();
  EXPECT_GT(documents_made, 3000U);
  // Each is judged, or named. (A List is counted by its items, of which these have none.)
  EXPECT_EQ(report.objects + report.unread.size(), documents_made);
  EXPECT_GT(report.total.errors, 1000U);
}

TEST(Malformed, TruncatedAnywhere) {
  std::string good =
      "apiVersion: v1\nkind: Pod\nmetadata: {name: last}\nspec: {hostPID: true, containers: []}\n";
  std::string text(kObjects);
  Inspection inspection(BuiltInChecks(), {});
  size_t made = 0;
  for (size_t end = 1; end < text.size(); end += 37) {
    inspection.AddText(text.substr(0, end) + "\n---\n" + good, "cut" + std::to_string(end));
    ++made;
  }
  Report report = inspection.Finish();
  size_t last = 0;
  for (const AssetTally& asset : report.assets) last += asset.asset.name == "last";
  EXPECT_EQ(last, made);
}

TEST(Malformed, Bombs) {
  std::string good =
      "\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: last}\nspec: {containers: []}\n";
  std::string aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    aliases += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) aliases += (j != 0 ? ", *a" : "*a") + std::to_string(i - 1);
    aliases += "]\n";
  }
  struct Case {
    const char* what;
    std::string text;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"aliases", aliases},
           {"depth", "a: " + std::string(100'000, '[')},
           {"json depth", std::string(100'000, '{')},
           {"NUL", std::string("a: b\0c\n", 7)},
           {"UTF-8", "a: \xff\xfe\n"},
           {"UTF-16", std::string("\xff\xfe"
                                  "a\0:\0",
                                  6)},
           {"tab", "a:\n\t- b\n"},
           {"anchor", "a: *nothing\n"},
       }) {
    Report report = Inspect(BuiltInChecks(), c.text + good);
    ASSERT_EQ(report.unread.size(), 1U) << c.what;
    EXPECT_FALSE(report.unread[0].error.empty());
    // A text that begins as JSON is one document; in the others the Pod stands on its own.
    if (c.text[0] == 'a') EXPECT_EQ(report.objects, 1U) << c.what;
  }
}

TEST(Malformed, DocumentsPastTheLimit) {
  InspectOptions options;
  options.max_document_bytes = 1 << 20;
  std::string big = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata:\n";
  for (int i = 0; i < 100'000; ++i) big += "  key" + std::to_string(i) + ": value\n";
  Report report = Inspect(BuiltInChecks(),
                          big + "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\n", options);
  ASSERT_EQ(report.unread.size(), 1U);
  EXPECT_THAT(report.unread[0].error, testing::HasSubstr("more than the 1048576 that are allowed"));
  EXPECT_EQ(report.objects, 1U);
}

}  // namespace
}  // namespace bulwark::posture
