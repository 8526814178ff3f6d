// What a policy expression costs on a Pod of three containers: planned once and evaluated, with and
// without cost tracking (cel-go 0.26 on the same: 11 to 35 us with it, 3 to 10 us without), and
// what compiling one costs.
//
//   ninja lang_cel_bench && ./lang_cel_bench

#include <benchmark/benchmark.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "lang/cel/env.h"
#include "lang/cel/values.h"

namespace bulwark::cel {
namespace {

Arena& Memory() {
  static auto* const arena = new Arena;
  return *arena;
}

Value Map(std::initializer_list<std::pair<std::string_view, Value>> entries) {
  MapBuilder map(Memory());
  for (const auto& [key, value] : entries) map.Add(key, value);
  return map.Finish();
}
Value List(std::initializer_list<Value> items) {
  return Value::Array(Memory(), std::span<const Value>(items.begin(), items.size()));
}
Value Text(std::string_view text) { return Value::String(text); }

Value Container(std::string_view name, std::string_view image, int64_t port) {
  return Map({
      {"name", Text(name)},
      {"image", Text(image)},
      {"imagePullPolicy", Text("IfNotPresent")},
      {"command", List({Text("/bin/server"), Text("--port=8080")})},
      {"ports", List({Map({{"containerPort", Value::Int(port)}, {"protocol", Text("TCP")}})})},
      {"env", List({Map({{"name", Text("MODE")}, {"value", Text("production")}}),
                    Map({{"name", Text("REGION")}, {"value", Text("eu-central-1")}})})},
      {"resources", Map({{"limits", Map({{"cpu", Text("500m")}, {"memory", Text("128Mi")}})},
                         {"requests", Map({{"cpu", Text("100m")}, {"memory", Text("64Mi")}})}})},
      {"securityContext", Map({{"allowPrivilegeEscalation", Value::Bool(false)},
                               {"capabilities", Map({{"drop", List({Text("ALL")})}})},
                               {"privileged", Value::Bool(false)},
                               {"readOnlyRootFilesystem", Value::Bool(true)},
                               {"runAsNonRoot", Value::Bool(true)}})},
      {"volumeMounts", List({Map({{"name", Text("data")}, {"mountPath", Text("/var/data")}})})},
  });
}

Value Pod() {
  static const Value pod = Map({
      {"apiVersion", Text("v1")},
      {"kind", Text("Pod")},
      {"metadata",
       Map({{"name", Text("checkout-7d5b9c6f4-x2x8z")},
            {"namespace", Text("shop")},
            {"labels", Map({{"app", Text("checkout")}, {"team", Text("payments")}})},
            {"annotations", Map({{"example.com/owner", Text("payments@example.com")}})}})},
      {"spec",
       Map({{"serviceAccountName", Text("checkout")},
            {"automountServiceAccountToken", Value::Bool(false)},
            {"hostNetwork", Value::Bool(false)},
            {"containers",
             List({Container("app", "registry.example.com/shop/checkout:1.24.3", 8080),
                   Container("proxy", "registry.example.com/infra/envoy:v1.31.0", 15001),
                   Container("metrics", "registry.example.com/infra/exporter:0.9.1", 9090)})},
            {"volumes", List({Map({{"name", Text("data")}, {"emptyDir", Map({})}})})}})},
  });
  return pod;
}

struct Case {
  const char* name;
  const char* expression;
};

const Case kCases[] = {
    {"literal", "true"},
    {"field", "object.spec.hostNetwork"},
    {"not_privileged",
     "object.spec.containers.all(c, !has(c.securityContext) || "
     "!has(c.securityContext.privileged) || !c.securityContext.privileged)"},
    {"strings",
     "object.spec.containers.all(c, c.image.startsWith('registry.example.com/') && "
     "!c.image.endsWith(':latest') && c.image.contains(':'))"},
    {"membership",
     "object.spec.containers.all(c, c.imagePullPolicy in ['Always', 'IfNotPresent']) && "
     "object.metadata.namespace in ['shop', 'web', 'db']"},
    {"labels",
     "has(object.metadata.labels) && 'app' in object.metadata.labels && "
     "object.metadata.labels['team'] == 'payments'"},
    {"matches",
     "object.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && "
     "object.spec.containers.all(c, c.image.matches('^registry[.]example[.]com/'))"},
    {"nested",
     "object.spec.containers.all(c, has(c.env) && c.env.exists(e, e.name == 'REGION' && "
     "e.value != '') && c.ports.all(p, p.containerPort > 1024))"},
    {"map_filter",
     "object.spec.containers.filter(c, c.ports.exists(p, p.containerPort == 8080))"
     ".map(c, c.name)"},
    {"message",
     "'container ' + object.spec.containers[0].name + ' of ' + object.metadata.name + ' uses ' + "
     "string(size(object.spec.containers)) + ' containers'"},
    {"optional",
     "object.?spec.?securityContext.?runAsNonRoot == optional.none() || "
     "object.spec.hostNetwork"},
};

std::shared_ptr<const Env> PodEnv() {
  static const Library optionals = {
      .name = "optional",
      .functions = {
          {"optional.none",
           {{.id = "optional_none",
             .result = Type::Optional(Type::Static(), Type::Param(Type::Static(), "V")),
             .function = [](CallContext&, std::span<const Value>) { return NoneOptional(); }}}},
          {op::kOptSelect,
           {{.id = "select_optional_field",
             .params = {Type::Dyn(), Type::String()},
             .result = Type::Optional(Type::Static(), Type::Param(Type::Static(), "V"))}}}}};
  EnvOptions options;
  options.variables = {{"object", Type::Dyn()}};
  options.libraries = {&optionals};
  auto env = Env::Create(options);
  BW_CHECK(env.has_value());
  return *env;
}

void Evaluate(benchmark::State& state, const Case& c, bool track_cost) {
  auto program = PodEnv()->Compile(c.expression);
  if (!program) {
    state.SkipWithError(program.error().message().c_str());
    return;
  }
  Evaluator evaluator;
  Value bindings[] = {Pod()};
  RunOptions options;
  options.track_cost = track_cost;
  Outcome outcome = evaluator.Run(**program, bindings, options);
  if (!outcome.ok()) state.SkipWithError(RenderRuntimeError(**program, outcome.value).c_str());
  state.counters["cost"] = static_cast<double>(outcome.cost);
  for (auto _ : state) {
    benchmark::DoNotOptimize(evaluator.Run(**program, bindings, options));
  }
}

void Compile(benchmark::State& state, const Case& c) {
  auto env = PodEnv();
  for (auto _ : state) benchmark::DoNotOptimize(env->Compile(c.expression));
}

const int kRegistered = [] {
  for (const Case& c : kCases) {
    std::string name = c.name;
    benchmark::RegisterBenchmark(("Evaluate/" + name).c_str(), Evaluate, c, false);
    benchmark::RegisterBenchmark(("EvaluateCounted/" + name).c_str(), Evaluate, c, true);
    benchmark::RegisterBenchmark(("Compile/" + name).c_str(), Compile, c);
  }
  return 0;
}();

}  // namespace
}  // namespace bulwark::cel
