// The first flush of a cluster's findings, the same again after a restart, and few changes.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "base/files.h"
#include "base/metrics.h"
#include "features/posture/server/findings_book.h"
#include "model/record.h"
#include "platform/store/sqlite_event_store.h"
#include "platform/store/sqlite_state_store.h"

namespace bulwark::posture {
namespace {

constexpr int kFindings60k = 60'000;

const KnownChecks& Checks() {
  static const CheckSet set = CheckSet::BuiltIn().value();
  static const KnownChecks checks(set);
  return checks;
}

Finding Of(int n) {
  const CheckInfo& check = Checks().set().checks()[static_cast<size_t>(n) % 20].info;
  Finding f;
  f.id = fmt::format("{:032x}", n);
  f.check = check.id;
  f.severity = check.severity;
  f.asset = {.cluster = "c1",
             .group = "apps",
             .version = "v1",
             .kind = "Deployment",
             .ns = fmt::format("ns-{}", n % 100),
             .name = fmt::format("app-{}", n / 12)};
  f.evidence.path = "spec.template.spec.containers[0].securityContext";
  f.evidence.container = "main";
  f.evidence.value = "{}";
  return f;
}

struct Stores {
  Stores() { (void)state->Define(FindingsCollection()); }
  void Tell(FindingsBook& book) {
    book.Begin("c1");
    for (int i = 0; i < kFindings60k; ++i) book.Add("c1", FindingChange::kOpened, Of(i), {});
    book.Complete("c1", {});
  }
  TempDir folder = TempDir::Make().value();
  Metrics metrics;
  std::unique_ptr<store::StateStore> state =
      store::OpenSqliteStateStore(folder.File("state.db")).value();
  std::unique_ptr<store::EventStore> events =
      store::OpenSqliteEventStore(folder.File("events.db")).value();
  Pipeline pipeline{*events, metrics};
};

void FirstFlush(benchmark::State& bench) {
  for (auto _ : bench) {
    bench.PauseTiming();
    auto stores = std::make_unique<Stores>();
    FindingsBook book(*stores->state, stores->pipeline, Checks(), nullptr, NowUs);
    stores->Tell(book);
    bench.ResumeTiming();
    if (!book.Flush()) bench.SkipWithError("flush");
    bench.PauseTiming();
    stores.reset();
    bench.ResumeTiming();
  }
}
BENCHMARK(FirstFlush)->Unit(benchmark::kMillisecond)->Iterations(1);

void AfterARestart(benchmark::State& bench) {
  Stores stores;
  {
    FindingsBook book(*stores.state, stores.pipeline, Checks(), nullptr, NowUs);
    stores.Tell(book);
    (void)book.Flush();
  }
  for (auto _ : bench) {
    FindingsBook book(*stores.state, stores.pipeline, Checks(), nullptr, NowUs);
    stores.Tell(book);
    if (!book.Flush()) bench.SkipWithError("flush");
  }
}
BENCHMARK(AfterARestart)->Unit(benchmark::kMillisecond)->Iterations(2);

void AFewChanges(benchmark::State& bench) {
  Stores stores;
  FindingsBook book(*stores.state, stores.pipeline, Checks(), nullptr, NowUs);
  stores.Tell(book);
  (void)book.Flush();
  int n = 0;
  for (auto _ : bench) {
    for (int i = 0; i < 30; ++i) {
      Finding f = Of(n++ % kFindings60k);
      f.evidence.value = std::to_string(n);
      book.Add("c1", FindingChange::kChanged, f, {});
    }
    if (!book.Flush()) bench.SkipWithError("flush");
  }
}
BENCHMARK(AFewChanges)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace bulwark::posture
