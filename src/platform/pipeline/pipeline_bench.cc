// What the pipeline itself costs an event, above the store: one that keeps nothing.

#include <benchmark/benchmark.h>

#include <atomic>

#include "platform/pipeline/memory_store.h"
#include "platform/pipeline/pipeline.h"

namespace bulwark {
namespace {

class Nowhere final : public store::MemoryEventStore {
 public:
  Result<store::AppendOutcome> Append(std::span<const Event> events) override {
    return store::AppendOutcome{events.size(), 0};
  }
};

Event Sample() {
  Event event;
  event.id = std::string(32, 'a');
  event.kind = "audit";
  event.user = "system:serviceaccount:prod:web";
  event.body = std::string(1000, 'x');
  return event;
}

void Publish(benchmark::State& state) {
  Nowhere store;
  Metrics metrics;
  Pipeline pipeline(store, metrics);
  std::atomic<uint64_t> told = 0;
  auto subscription =
      pipeline.Subscribe("all", {}, [&](std::span<const Event> events) { told += events.size(); });
  std::vector<Event> batch(static_cast<size_t>(state.range(0)), Sample());
  for (auto _ : state) benchmark::DoNotOptimize(pipeline.Publish(batch));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Publish)->Arg(1)->Arg(100)->Arg(1000)->UseRealTime();

void Offer(benchmark::State& state) {
  Nowhere store;
  Metrics metrics;
  Pipeline pipeline(store, metrics);
  Event event = Sample();
  for (auto _ : state) {
    if (!pipeline.Offer("bench", event)) pipeline.Flush();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Offer)->UseRealTime();

}  // namespace
}  // namespace bulwark
