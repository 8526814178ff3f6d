// What validation against the API's types costs: the first use, a good Deployment, a bad one.

#include <benchmark/benchmark.h>

#include <fstream>
#include <sstream>

#include "formats/json.h"
#include "kube/schema.h"

namespace bulwark::kube {
namespace {

constexpr std::string_view kDeployment = R"({"apiVersion":"apps/v1","kind":"Deployment",
 "metadata":{"name":"web","namespace":"shop","labels":{"app":"web","app.kubernetes.io/name":"web"},
  "annotations":{"deployment.kubernetes.io/revision":"3"}},
 "spec":{"replicas":3,"revisionHistoryLimit":10,"selector":{"matchLabels":{"app":"web"}},
  "strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}},
  "template":{"metadata":{"labels":{"app":"web","tier":"front"}},"spec":{
   "serviceAccountName":"web","automountServiceAccountToken":false,"restartPolicy":"Always",
   "dnsPolicy":"ClusterFirst","schedulerName":"default-scheduler",
   "terminationGracePeriodSeconds":30,
   "securityContext":{"runAsNonRoot":true,"runAsUser":1000,
    "seccompProfile":{"type":"RuntimeDefault"}},
   "volumes":[{"name":"tmp","emptyDir":{}},
    {"name":"config","configMap":{"name":"web","defaultMode":420}}],
   "containers":[
    {"name":"web","image":"registry.example.com/web:1.2.3","imagePullPolicy":"IfNotPresent",
     "ports":[{"name":"http","containerPort":8080,"protocol":"TCP"}],
     "env":[{"name":"A","value":"1"},{"name":"B","value":"2"},
      {"name":"C","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}],
     "resources":{"limits":{"cpu":"500m","memory":"256Mi"},
      "requests":{"cpu":"100m","memory":"128Mi"}},
     "livenessProbe":{"httpGet":{"path":"/healthz","port":"http","scheme":"HTTP"},
      "periodSeconds":10},
     "readinessProbe":{"httpGet":{"path":"/readyz","port":8080},"timeoutSeconds":1},
     "volumeMounts":[{"name":"tmp","mountPath":"/tmp"},
      {"name":"config","mountPath":"/etc/web","readOnly":true}],
     "securityContext":{"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,
      "capabilities":{"drop":["ALL"]}}},
    {"name":"proxy","image":"registry.example.com/proxy:2","args":["--port","9090"],
     "resources":{"limits":{"cpu":"100m","memory":"64Mi"}}}]}}}})";

void BM_ReadTables(benchmark::State& state) {
  std::string text[2];
  for (int i = 0; i < 2; ++i) {
    std::ifstream file(std::string(BULWARK_SOURCE_DIR "/rules/schemas/") +
                       (i == 0 ? "kubernetes.txt" : "lifecycle.txt"));
    std::stringstream all;
    all << file.rdbuf();
    text[i] = all.str();
  }
  for (auto _ : state) benchmark::DoNotOptimize(Schemas::Parse(text[0], text[1]));
}
BENCHMARK(BM_ReadTables)->Unit(benchmark::kMicrosecond);

void Validate(benchmark::State& state, std::string_view json) {
  Arena arena;
  Value object = *ParseJson(json, arena);
  const Schemas& schemas = Schemas::BuiltIn();
  std::vector<SchemaProblem> problems;
  for (auto _ : state) {
    problems.clear();
    schemas.Validate(object, 30, {}, problems);
    benchmark::DoNotOptimize(problems.data());
  }
  state.counters["problems"] = static_cast<double>(problems.size());
}

void BM_GoodDeployment(benchmark::State& state) { Validate(state, kDeployment); }
BENCHMARK(BM_GoodDeployment);

void BM_MisplacedField(benchmark::State& state) {
  std::string text(kDeployment);
  size_t at = text.find("\"runAsNonRoot\"");
  text.insert(at, "\"readOnlyRootFilesystem\":true,");
  Validate(state, text);
}
BENCHMARK(BM_MisplacedField);

void BM_ParseTheDeployment(benchmark::State& state) {
  Arena arena;
  for (auto _ : state) {
    arena.Reset();
    benchmark::DoNotOptimize(ParseJson(kDeployment, arena));
  }
}
BENCHMARK(BM_ParseTheDeployment);

}  // namespace
}  // namespace bulwark::kube
