// YAML: what building the Value costs over libyaml's event loop alone. BM_YamlRatio prints the
// ratio, with and without positions, over 15 MB of Deployments.

#include <benchmark/benchmark.h>
#include <yaml.h>

#include <chrono>

#include "formats/yaml.h"
#include "formats/yaml_bench_data.h"

namespace bulwark {
namespace {

size_t BareEvents(std::string_view text) {
  yaml_parser_t parser;
  yaml_parser_initialize(&parser);
  yaml_parser_set_input_string(&parser, reinterpret_cast<const unsigned char*>(text.data()),
                               text.size());
  size_t events = 0;
  for (bool end = false; !end; ++events) {
    yaml_event_t event;
    if (yaml_parser_parse(&parser, &event) == 0) break;
    end = event.type == YAML_STREAM_END_EVENT;
    yaml_event_delete(&event);
  }
  yaml_parser_delete(&parser);
  return events;
}

size_t Values(std::string_view text, bool with_positions) {
  size_t values = 0;
  Arena arena(1 << 16);
  SourceMap positions;
  YamlDocuments documents(text);
  while (documents.More()) {
    YamlDocument document = documents.Next().value();
    arena.Reset();
    auto value = ParseYaml(document.text, arena, {.origin = document.origin},
                           with_positions ? &positions : nullptr);
    values += value.value().size();
  }
  return values;
}

void BM_YamlBareEvents(benchmark::State& state) {
  std::string text = Deployments(1 << 20);
  for (auto _ : state) {
    YamlDocuments documents(text);
    while (documents.More()) benchmark::DoNotOptimize(BareEvents(documents.Next()->text));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_YamlBareEvents);

void BM_YamlParse(benchmark::State& state) {
  std::string text = Deployments(1 << 20);
  for (auto _ : state) benchmark::DoNotOptimize(Values(text, state.range(0) != 0));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_YamlParse)->ArgName("positions")->Arg(0)->Arg(1);

// Taken in turns, so that what else the machine does falls on all alike.
void BM_YamlRatio(benchmark::State& state) {
  std::string text = Deployments(15 << 20);
  using Clock = std::chrono::steady_clock;
  double bare = 0;
  double plain = 0;
  double positions = 0;
  for (auto _ : state) {
    auto a = Clock::now();
    YamlDocuments documents(text);
    while (documents.More()) benchmark::DoNotOptimize(BareEvents(documents.Next()->text));
    auto b = Clock::now();
    benchmark::DoNotOptimize(Values(text, false));
    auto c = Clock::now();
    benchmark::DoNotOptimize(Values(text, true));
    auto d = Clock::now();
    bare += (b - a).count();
    plain += (c - b).count();
    positions += (d - c).count();
  }
  state.counters["over_libyaml"] = plain / bare;
  state.counters["over_libyaml_with_positions"] = positions / bare;
}
BENCHMARK(BM_YamlRatio)->Unit(benchmark::kMillisecond)->Iterations(3);

}  // namespace
}  // namespace bulwark
