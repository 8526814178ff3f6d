// Reading and formatting of a policy as admission control has them: bytes a second.

#include <benchmark/benchmark.h>

#include <string>

#include "lang/rego/ast/format.h"
#include "lang/rego/ast/parser.h"

namespace bulwark::rego {
namespace {

// `rules` rules like those of a library of constraints.
std::string Policy(int rules) {
  std::string out =
      "# METADATA\n# title: containers\npackage kubernetes.admission\n\n"
      "import data.lib.pods as pods\n\ndefault allow := false\n\n";
  for (int i = 0; i < rules; ++i) {
    const std::string n = std::to_string(i);
    out += "# Containers must not do " + n + ".\n";
    out += "violation contains {\"msg\": msg, \"details\": {\"rule\": " + n + "}} if {\n";
    out += "\tsome container in pods.containers(input.review.object)\n";
    out += "\tnot container.securityContext.field" + n + " == true\n";
    out += "\tcontainer.resources.limits.cpu > " + n + " * 100\n";
    out += "\tallowed := {x | some x in input.parameters.allowed; startswith(x, \"a" + n + "\")}\n";
    out += "\tcount(allowed) == 0\n";
    out += "\tmsg := sprintf(\"container %v of %v breaks rule " + n +
           "\", [container.name, input.review.object.metadata.name])\n}\n\n";
  }
  return out;
}

void BM_ParseModule(benchmark::State& state) {
  const std::string text = Policy(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    auto module = ParseModule("p.rego", text, {});
    if (!module) state.SkipWithError(module.error().message().c_str());
    benchmark::DoNotOptimize(module);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_ParseModule)->Arg(1)->Arg(20)->Arg(1000);

void BM_ParseQuery(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(ParseQuery("data.kubernetes.admission.violation[msg]; x := 1", {}));
  }
}
BENCHMARK(BM_ParseQuery);

void BM_Format(benchmark::State& state) {
  const std::string text = Policy(static_cast<int>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(FormatSource("p.rego", text, {}));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_Format)->Arg(20);

}  // namespace
}  // namespace bulwark::rego
