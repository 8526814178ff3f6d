// Audit events a second on one core: reading batches, and asking all built-in rules.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "base/check.h"
#include "detect/rules_engine.h"
#include "features/audit/audit_event.h"

namespace bulwark::audit {
namespace {

// What an API server is busy with: mostly reads by controllers and kubelets, some writes with
// objects in them, now and then something that a rule looks at more closely.
std::string Batch(int events) {
  std::string out = R"({"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[)";
  for (int i = 0; i < events; ++i) {
    struct Kind {
      const char *verb, *user, *resource, *sub;
      bool object;
    };
    static constexpr Kind kKinds[] = {
        {"get", "system:node:n1", "pods", "", false},
        {"watch", "system:kube-controller-manager", "deployments", "", false},
        {"update", "system:node:n1", "leases", "", true},
        {"patch", "system:node:n1", "pods", "status", true},
        {"get", "system:serviceaccount:prod:web", "configmaps", "", false},
        {"list", "alice", "pods", "", false},
        {"create", "system:serviceaccount:ci:deploy", "deployments", "", true},
        {"get", "system:serviceaccount:prod:web", "secrets", "", false},
        {"create", "system:kube-scheduler", "pods", "binding", true},
        {"create", "alice", "pods", "", true},
    };
    const Kind& k = kKinds[i % std::size(kKinds)];
    if (i > 0) out += ',';
    out += fmt::format(
        R"({{"level":"Request","auditID":"0e6b5e0c-7f2a-4a0e-9a59-{:012}","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/prod/{}?limit=500","verb":"{}","user":{{"username":"{}","uid":"a6e6c2d4-0000-4b1e-8f6e-000000000000","groups":["system:serviceaccounts","system:authenticated"]}},"sourceIPs":["10.0.12.7"],"userAgent":"kubelet/v1.34.4 (linux/amd64) kubernetes/0123456","objectRef":{{"resource":"{}","namespace":"prod","name":"web-{}","apiVersion":"v1","subresource":"{}"}},"responseStatus":{{"metadata":{{}},"code":200}},"requestReceivedTimestamp":"2026-01-02T03:04:05.{:06}Z","stageTimestamp":"2026-01-02T03:04:05.999999Z","annotations":{{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by RoleBinding web"}})",
        i, k.resource, k.verb, k.user, k.resource, i % 300, k.sub, i % 1'000'000);
    if (k.object) {
      out +=
          R"(,"requestObject":{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","namespace":"prod","labels":{"app":"web","tier":"front"},"annotations":{"note":"something about it"}},"spec":{"replicas":3,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"registry.example/web:1.2.3","env":[{"name":"MODE","value":"fast"},{"name":"REGION","value":"eu"}],"resources":{"limits":{"cpu":"1","memory":"512Mi"}},"securityContext":{"runAsNonRoot":true,"privileged":false}}],"volumes":[{"name":"data","emptyDir":{}}]}}}})";
    }
    out += '}';
  }
  return out + "]}";
}

void ReadAuditEvents(benchmark::State& state) {
  std::string body = Batch(400);
  for (auto _ : state) {
    AuditReader reader({.cluster = "c1"});
    auto batch = reader.ReadBody(body);
    BW_CHECK(batch && batch->events.size() == 400);
    benchmark::DoNotOptimize(batch->events.data());
  }
  state.SetItemsProcessed(state.iterations() * 400);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body.size()));
}
BENCHMARK(ReadAuditEvents);

void EvaluateAllRules(benchmark::State& state) {
  AuditReader reader({.cluster = "c1"});
  auto batch = reader.ReadBody(Batch(400));
  auto rules = detect::RuleSet::BuiltIn();
  BW_CHECK(batch && rules);
  detect::RuleEngine engine(std::make_shared<const detect::RuleSet>(std::move(rules).value()));
  std::vector<detect::Match> matches;
  int64_t time = 0;
  for (auto _ : state) {
    for (Event& event : batch->events) {
      event.time_us = (time += 200);  // 5,000 a second
      matches.clear();
      engine.Evaluate(event, matches);
    }
  }
  state.SetItemsProcessed(state.iterations() * 400);
}
BENCHMARK(EvaluateAllRules);

void ReadAndEvaluate(benchmark::State& state) {
  std::string body = Batch(400);
  auto rules = detect::RuleSet::BuiltIn();
  BW_CHECK(rules.has_value());
  detect::RuleEngine engine(std::make_shared<const detect::RuleSet>(std::move(rules).value()));
  std::vector<detect::Match> matches;
  for (auto _ : state) {
    AuditReader reader({.cluster = "c1"});
    auto batch = reader.ReadBody(body);
    for (const Event& event : batch->events) {
      matches.clear();
      engine.Evaluate(event, matches);
    }
  }
  state.SetItemsProcessed(state.iterations() * 400);
}
BENCHMARK(ReadAndEvaluate);

}  // namespace
}  // namespace bulwark::audit
