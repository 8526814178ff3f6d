// Parsing, checking and estimating expressions as policies have them.

#include <benchmark/benchmark.h>

#include <string_view>

#include "lang/cel/cost.h"
#include "lang/cel/env.h"
#include "lang/cel/macros.h"

namespace bulwark::cel {
namespace {

constexpr std::string_view kExpressions[] = {
    "object.spec.replicas <= 5",
    "object.spec.template.spec.containers.all(c, !has(c.securityContext) || "
    "!has(c.securityContext.privileged) || c.securityContext.privileged == false)",
    "object.metadata.name.startsWith('a') && object.metadata.namespace.matches('^[a-z]+$') || "
    "object.metadata.labels.exists(k, k == 'app' && object.metadata.labels[k].contains('web'))",
    "has(object.spec.securityContext) && object.spec.containers.map(c, c.image).filter(i, "
    "!i.startsWith('registry.example.com/')).size() == 0 ? object.spec.containers.all(c, "
    "c.ports.exists(p, p.containerPort > 1024 && p.protocol in ['TCP', 'UDP'])) : false",
};

std::shared_ptr<const Env> BenchEnv() {
  EnvOptions options;
  options.variables = {
      {"object", Type::Dyn()}, {"oldObject", Type::Dyn()}, {"request", Type::Dyn()}};
  options.libraries = {&TwoVarComprehensions()};
  return Env::Create(std::move(options)).value();
}

void Parse(benchmark::State& state) {
  auto env = BenchEnv();
  std::string_view source = kExpressions[state.range(0)];
  for (auto _ : state) benchmark::DoNotOptimize(env->Parse(source));
}
BENCHMARK(Parse)->DenseRange(0, 3);

void ParseAndCheck(benchmark::State& state) {
  auto env = BenchEnv();
  std::string_view source = kExpressions[state.range(0)];
  for (auto _ : state) benchmark::DoNotOptimize(env->Check(env->Parse(source).value()));
}
BENCHMARK(ParseAndCheck)->DenseRange(0, 3);

void Estimate(benchmark::State& state) {
  auto env = BenchEnv();
  auto ast = env->Check(env->Parse(kExpressions[state.range(0)]).value()).value();
  for (auto _ : state) benchmark::DoNotOptimize(EstimateCost(*ast));
}
BENCHMARK(Estimate)->DenseRange(0, 3);

void MakeEnvironment(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(BenchEnv());
}
BENCHMARK(MakeEnvironment);

}  // namespace
}  // namespace bulwark::cel
