// What live inspection costs: an object that changed, settling, adding up, memory.
//   features_posture_bench --benchmark_filter=Live

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <malloc.h>

#include "features/posture/live.h"

namespace bulwark::posture {
namespace {

const CheckSet& Checks() {
  static const CheckSet* const set = [] {
    auto* made = new CheckSet(CheckSet::BuiltIn().value());
    (void)made->CompileAll();
    return made;
  }();
  return *set;
}

class Silent : public LiveListener {
 public:
  void OnFinding(FindingChange, const Finding&, const Facts&) override { ++findings; }
  void OnJudged(const Asset&, const Facts&, const Tally&) override {}
  void OnGone(const Asset&) override {}
  uint64_t findings = 0;
};

std::string Deployment(int n, int version) {
  return fmt::format(
      R"({{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"app-{0}","namespace":"ns-{1}",)"
      R"("uid":"u-{0}","resourceVersion":"{2}","generation":{2},"labels":{{"app":"app-{0}","team":"t-{1}"}},)"
      R"("annotations":{{"deployment.kubernetes.io/revision":"{2}"}}}},"spec":{{"replicas":3,"selector":)"
      R"({{"matchLabels":{{"app":"app-{0}"}}}},"template":{{"metadata":{{"labels":{{"app":"app-{0}"}}}},"spec":)"
      R"({{"serviceAccountName":"default","volumes":[{{"name":"data","emptyDir":{{}}}},{{"name":"conf","configMap":{{"name":"c"}}}}],)"
      R"("containers":[{{"name":"main","image":"registry.example/app-{0}:1.{2}","ports":[{{"containerPort":8080}}],)"
      R"("env":[{{"name":"A","value":"b"}},{{"name":"C","valueFrom":{{"secretKeyRef":{{"name":"s","key":"k"}}}}}}],)"
      R"("resources":{{"requests":{{"cpu":"100m","memory":"64Mi"}}}},"volumeMounts":[{{"name":"data","mountPath":"/data"}}]}},)"
      R"({{"name":"proxy","image":"envoy:latest","securityContext":{{"runAsUser":0}}}}]}}}}}},)"
      R"("status":{{"observedGeneration":{2},"replicas":3,"readyReplicas":3}}}})",
      n, n % 100, version);
}

std::string OwnedPod(int n, int workloads) {
  return fmt::format(
      R"({{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"app-{0}-{1}","namespace":"ns-{2}",)"
      R"("ownerReferences":[{{"apiVersion":"apps/v1","kind":"Deployment","name":"app-{0}","uid":"u","controller":true}}]}},)"
      R"("spec":{{"containers":[{{"name":"main","image":"registry.example/app:1"}}]}}}})",
      n % workloads, n, n % workloads % 100);
}

// 5,000 workloads with a Service each, and 50,000 Pods that they own.
struct Cluster {
  Cluster() : live(Checks(), {.check = {.cluster = "c"}}, told) {
    for (int n = 0; n < 5000; ++n) {
      (void)live.Put(fmt::format("apps/Deployment/ns-{}/app-{}", n % 100, n), Deployment(n, 1));
      (void)live.Put(
          fmt::format("/Service/ns-{}/app-{}", n % 100, n),
          fmt::format(
              R"({{"apiVersion":"v1","kind":"Service","metadata":{{"name":"app-{0}","namespace":"ns-{1}"}},)"
              R"("spec":{{"selector":{{"app":"app-{0}"}},"ports":[{{"port":80}}]}}}})",
              n, n % 100));
    }
    for (int n = 0; n < 50'000; ++n) {
      (void)live.Put(fmt::format("/Pod/ns-{}/app-{}-{}", n % 5000 % 100, n % 5000, n),
                     OwnedPod(n, 5000));
    }
    live.Settle();
  }
  Silent told;
  LiveInspection live;
};
Cluster& Big() {
  static auto* const cluster = new Cluster();
  return *cluster;
}

void LivePut(benchmark::State& state) {
  Cluster& cluster = Big();
  int n = 0;
  for (auto _ : state) {
    ++n;
    (void)cluster.live.Put(fmt::format("apps/Deployment/ns-{}/app-{}", n % 5000 % 100, n % 5000),
                           Deployment(n % 5000, n));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(LivePut)->Unit(benchmark::kMicrosecond);

// The kubelet tells of Pods all day.
void LivePutOwnedPod(benchmark::State& state) {
  Cluster& cluster = Big();
  int n = 0;
  for (auto _ : state) {
    ++n;
    int of = n % 50'000;
    (void)cluster.live.Put(fmt::format("/Pod/ns-{}/app-{}-{}", of % 5000 % 100, of % 5000, of),
                           OwnedPod(of, 5000));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(LivePutOwnedPod)->Unit(benchmark::kMicrosecond);

void LiveSettle(benchmark::State& state) {
  Cluster& cluster = Big();
  int n = 0;
  for (auto _ : state) {
    ++n;
    (void)cluster.live.Put(fmt::format("apps/Deployment/ns-{}/app-{}", n % 5000 % 100, n % 5000),
                           Deployment(n % 5000, n));
    cluster.live.Settle();
  }
}
BENCHMARK(LiveSettle)->Unit(benchmark::kMillisecond);

void LiveSummarise(benchmark::State& state) {
  Cluster& cluster = Big();
  for (auto _ : state) benchmark::DoNotOptimize(cluster.live.Summarise().total.failed);
}
BENCHMARK(LiveSummarise)->Unit(benchmark::kMillisecond);

void LiveSetExceptions(benchmark::State& state) {
  Cluster& cluster = Big();
  for (auto _ : state) {
    Exceptions exceptions;
    for (int i = 0; i < 100; ++i)
      exceptions.Add({.check = "cpu-limit-missing", .name = fmt::format("app-{}", i)});
    cluster.live.SetExceptions(std::move(exceptions));
  }
  cluster.live.SetExceptions({});
}
BENCHMARK(LiveSetExceptions)->Unit(benchmark::kMillisecond);

void LiveMemory(benchmark::State& state) {
  for (auto _ : state) {
    size_t before = mallinfo2().uordblks;
    Cluster cluster;
    size_t after = mallinfo2().uordblks;
    state.counters["bytes"] = static_cast<double>(after - before);
    state.counters["bytes/object"] =
        static_cast<double>(after - before) / static_cast<double>(cluster.live.objects());
    state.counters["findings"] = static_cast<double>(cluster.told.findings);
  }
}
BENCHMARK(LiveMemory)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace bulwark::posture
