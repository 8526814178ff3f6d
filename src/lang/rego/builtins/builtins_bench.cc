// The built-ins that policies call most, one call each.

#include <benchmark/benchmark.h>

#include "lang/rego/builtins/testing.h"

namespace bulwark::rego {
namespace {

void Run(benchmark::State& state, std::string_view name, std::string_view json) {
  Arena values;
  Value args = testing::WithSets(*ParseJson(json, values), values);
  const Builtin* builtin = Registry::Standard().Find(name);
  Arena arena(size_t{1} << 16);
  Host host;
  Context context(arena, host);
  size_t calls = 0;
  for (auto _ : state) {
    Value out;
    benchmark::DoNotOptimize(builtin->call(context, args.items(), out));
    if (++calls % 256 == 0) arena.Reset();
  }
}

#define BW_BUILTIN(id, name, args)                             \
  void id(benchmark::State& state) { Run(state, name, args); } \
  BENCHMARK(id)

BW_BUILTIN(SprintfOneText, "sprintf", R"(["container %v is privileged", ["nginx"]])");
BW_BUILTIN(SprintfMixed, "sprintf", R"(["%s: %d of %v (%.2f)", ["cpu", 3, ["a", 1], 2.5]])");
BW_BUILTIN(StartsWith, "startswith", R"(["registry.example.com/team/app:1.2", "registry.example"])");
BW_BUILTIN(RegexMatch, "regex.match", R"(["^[a-z0-9]+(-[a-z0-9]+)*$", "my-service-name-42"])");
BW_BUILTIN(GlobMatch, "glob.match", R"(["*.example.com", ["."], "api.example.com"])");
BW_BUILTIN(CountArray, "count", R"([[1, 2, 3, 4]])");
BW_BUILTIN(SetMinus, "minus", R"([{"$set": ["a", "b", "c", "d"]}, {"$set": ["b", "x"]}])");
BW_BUILTIN(SetUnion, "or", R"([{"$set": ["a", "b", "c", "d"]}, {"$set": ["b", "x"]}])");
BW_BUILTIN(ToNumberText, "to_number", R"(["250"])");
BW_BUILTIN(ParseBytes, "units.parse_bytes", R"(["512Mi"])");
BW_BUILTIN(ParseBytesFraction, "units.parse_bytes", R"(["1.5Gi"])");
BW_BUILTIN(PlusFractions, "plus", R"([0.1, 0.2])");
BW_BUILTIN(DivInts, "div", R"([10, 3])");
BW_BUILTIN(Split, "split", R"(["a/b/c/d", "/"])");
BW_BUILTIN(Concat, "concat", R"([", ", ["a", "b", "c"]])");
BW_BUILTIN(Lower, "lower", R"(["Already-Lower-Except-Two"])");
BW_BUILTIN(ObjectGet, "object.get", R"([{"a": {"b": 1}}, ["a", "b"], null])");
BW_BUILTIN(CidrContains, "net.cidr_contains", R"(["10.0.0.0/8", "10.1.2.3"])");
BW_BUILTIN(Base64Decode, "base64.decode", R"(["aGVsbG8gd29ybGQ="])");
BW_BUILTIN(JsonUnmarshal, "json.unmarshal", R"(["{\"a\": [1, 2, {\"b\": null}]}"])");

}  // namespace
}  // namespace bulwark::rego
