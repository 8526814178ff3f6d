// How long the inventory takes to know a big cluster, and what it keeps in memory: a real API
// server holds the objects. No controllers run, for they would collect pods of nodes that are not.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "base/files.h"
#include "base/log.h"
#include "base/text.h"
#include "kube/kubeconfig.h"
#include "net/http_client.h"
#include "platform/inventory/inventory.h"
#include "platform/pipeline/memory_store.h"
#include "platform/store/sqlite_state_store.h"
#include "platform/vault/vault.h"
#include "tests/cluster/fixture.h"

namespace bulwark {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

double Seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

size_t ResidentMiB() {
  auto statm = ReadFile("/proc/self/statm", 4096);
  auto words = SplitWords(*statm);
  return std::stoul(std::string(words[1])) * static_cast<size_t>(::sysconf(_SC_PAGESIZE)) >> 20;
}

// Makes `count` objects, several at a time.
bool Create(const kube::Config& config, size_t count,
            const std::function<std::pair<std::string, std::string>(size_t)>& object) {
  net::HttpClient http({.tls = config.tls, .proxy = ""});
  std::atomic<size_t> next = 0, failed = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (size_t n; (n = next++) < count && failed < 100;) {
        auto [path, body] = object(n);
        for (int attempt = 0;; ++attempt) {
          net::HttpRequest request;
          request.method = "POST";
          request.url = config.server + path;
          request.body = body;
          request.headers.emplace_back("Content-Type", "application/json");
          auto answer = http.Send(std::move(request));
          if (answer && (answer->status == 201 || answer->status == 409)) break;
          if (attempt == 5) {
            ++failed;
            break;
          }
          std::this_thread::sleep_for(200ms);
        }
      }
    });
  }
  threads.clear();
  return failed == 0;
}

std::string Container(size_t n) {
  return fmt::format(
      R"({{"name":"app","image":"registry.example/team-{}/app-{}:1.{}","args":["--listen=:8080"],)"
      R"("env":[{{"name":"LOG","value":"info"}},{{"name":"REGION","value":"cn-north"}}],)"
      R"("ports":[{{"containerPort":8080}}],"resources":{{"requests":{{"cpu":"100m","memory":"64Mi"}},)"
      R"("limits":{{"memory":"128Mi"}}}},"securityContext":{{"runAsNonRoot":true,)"
      R"("allowPrivilegeEscalation":false}}}})",
      n % 40, n % 500, n % 7);
}

int Run(size_t pods, size_t workloads) {
  SetLog({.level = Level::kWarn, .format = LogFormat::kText, .sink = {}});
  auto cluster = test::Cluster::StartApiServer();
  if (!cluster) {
    fmt::print(stderr, "{}\n", cluster.error().ToString());
    return 1;
  }
  auto config = kube::LoadConfig(
      {.path = cluster->kubeconfig(), .variable = [](const std::string&) { return std::nullopt; }});
  auto start = Clock::now();
  const size_t namespaces = 50;
  bool made = Create(*config, namespaces, [](size_t n) {
    return std::pair(std::string("/api/v1/namespaces"),
                     fmt::format(R"({{"metadata":{{"name":"team-{}"}}}})", n));
  });
  made = made && Create(*config, workloads, [&](size_t n) {
           return std::pair(
               fmt::format("/apis/apps/v1/namespaces/team-{}/deployments", n % namespaces),
               fmt::format(
                   R"({{"metadata":{{"name":"app-{0}","labels":{{"app":"app-{0}"}}}},"spec":{{)"
                   R"("replicas":10,"selector":{{"matchLabels":{{"app":"app-{0}"}}}},)"
                   R"("template":{{"metadata":{{"labels":{{"app":"app-{0}"}}}},)"
                   R"("spec":{{"containers":[{1}]}}}}}}}})",
                   n, Container(n)));
         });
  made =
      made && Create(*config, workloads, [&](size_t n) {
        return std::pair(
            fmt::format("/apis/apps/v1/namespaces/team-{}/replicasets", n % namespaces),
            fmt::format(
                R"({{"metadata":{{"name":"app-{0}-1","labels":{{"app":"app-{0}"}},)"
                R"("ownerReferences":[{{"apiVersion":"apps/v1","kind":"Deployment","name":"app-{0}",)"
                R"("uid":"1","controller":true}}]}},"spec":{{"replicas":10,"selector":{{)"
                R"("matchLabels":{{"app":"app-{0}"}}}},"template":{{"metadata":{{"labels":{{"app":"app-{0}"}}}},)"
                R"("spec":{{"containers":[{1}]}}}}}}}})",
                n, Container(n)));
      });
  made =
      made && Create(*config, pods, [&](size_t n) {
        const size_t w = n % workloads;
        return std::pair(
            fmt::format("/api/v1/namespaces/team-{}/pods", w % namespaces),
            fmt::format(
                R"({{"metadata":{{"name":"app-{0}-1-{1}","labels":{{"app":"app-{0}"}},)"
                R"("ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"app-{0}-1",)"
                R"("uid":"2","controller":true}}]}},"spec":{{"nodeName":"node-{2}","containers":[{3}]}}}})",
                w, n, n % 1000, Container(w)));
      });
  if (!made) {
    fmt::print(stderr, "the API server did not take the objects\n");
    return 1;
  }
  fmt::print("{} pods, {} workloads, as many ReplicaSets in the API server: {:.1f} s\n", pods,
             workloads, Seconds(start));

  TempDir folder = TempDir::Make().value();
  for (const char* what : {"first sync", "sync with all of it in the store"}) {
    Metrics metrics;
    store::MemoryEventStore events;
    auto state = store::OpenSqliteStateStore(folder.File("state.db")).value();
    auto vault =
        vault::Vault::Open(*state, vault::OpenKeyFile({folder.File("master.key")}).value()).value();
    Pipeline pipeline(events, metrics);
    Inventory inventory(*state, pipeline, *vault, metrics);
    const size_t before = ResidentMiB();
    start = Clock::now();
    if (!inventory.Start()) return 1;
    auto added = inventory.AddLocal("big", *config);
    if (!added) {
      fmt::print(stderr, "{}\n", added.error().ToString());
      return 1;
    }
    size_t peak = before;
    while (inventory.Clusters().at(0).state != "ready" && Seconds(start) < 600) {
      peak = std::max(peak, ResidentMiB());
      std::this_thread::sleep_for(20ms);
    }
    const double synced = Seconds(start);
    const uint64_t records = state->Count("assets", store::Query::All()).value();
    std::this_thread::sleep_for(2s);
    fmt::print("{}: {:.1f} s, {} records, RSS {} MiB before, {} at most, {} after\n", what, synced,
               records, before, peak, ResidentMiB());
    if (records < pods + 2 * workloads) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace bulwark

int main(int argc, char** argv) {
  size_t pods = argc > 1 ? std::stoul(argv[1]) : 50'000;
  size_t workloads = argc > 2 ? std::stoul(argv[2]) : 5'000;
  return bulwark::Run(pods, workloads);
}
