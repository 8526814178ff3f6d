// JSON: building the Value, with positions and without, and writing it; beside it simdjson's DOM,
// which builds no Value, keeps no positions and lets duplicate keys pass.

#include <benchmark/benchmark.h>
#include <simdjson.h>

#include "formats/json.h"
#include "formats/yaml_bench_data.h"

namespace bulwark {
namespace {

std::string Data() {
  Arena arena;
  std::vector<Value> all;
  std::string text = Deployments(2 << 20);
  YamlDocuments documents(text);
  while (documents.More()) all.push_back(ParseYaml(documents.Next()->text, arena).value());
  return ToJson(Value::Array(all));
}

void BM_JsonParse(benchmark::State& state) {
  std::string text = Data();
  for (auto _ : state) {
    Arena arena(1 << 20);
    SourceMap positions;
    auto value = ParseJson(text, arena, {}, state.range(0) != 0 ? &positions : nullptr);
    benchmark::DoNotOptimize(value);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_JsonParse)->ArgName("positions")->Arg(0)->Arg(1);

void BM_JsonSimdjsonDom(benchmark::State& state) {
  std::string text = Data();
  for (auto _ : state) {
    simdjson::dom::parser parser;
    auto document = parser.parse(text);
    benchmark::DoNotOptimize(document.error());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_JsonSimdjsonDom);

void BM_JsonWrite(benchmark::State& state) {
  Arena arena;
  std::string text = Data();
  Value value = ParseJson(text, arena).value();
  for (auto _ : state) benchmark::DoNotOptimize(ToJson(value));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_JsonWrite);

}  // namespace
}  // namespace bulwark
