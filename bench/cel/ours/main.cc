// cel_peer_bench CASES.json PODS.json: our side of bench/cel, in the output format of
// bench/cel/peer. An evaluation is one expression on one Pod; figures are means over all Pods, the
// best of several rounds. Modes: k8s-cost counts and limits cost as the API server does; plain
// counts nothing.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "base/files.h"
#include "formats/json.h"
#include "lang/cel/env.h"
#include "lang/cel/ext/kubernetes.h"

namespace bulwark {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kRounds = 7;

double Nanoseconds(Clock::time_point since) {
  return std::chrono::duration<double, std::nano>(Clock::now() - since).count();
}

Result<> Run(const char* cases_file, const char* pods_file) {
  Arena arena;
  Value cases = BW_TRY(ParseJson(*arena.Own<std::string>(BW_TRY(ReadFile(cases_file))), arena));
  Value pods = BW_TRY(ParseJson(*arena.Own<std::string>(BW_TRY(ReadFile(pods_file))), arena));
  cel::EnvOptions options = cel::ext::KubernetesEnvironment();
  options.variables = {{"object", cel::Type::Dyn()}};
  auto env = BW_TRY(cel::Env::Create(std::move(options)));
  cel::Evaluator evaluator;
  for (const Value& one : cases.items()) {
    std::string expr(one.StringAt("expr"));
    std::shared_ptr<const cel::Program> program;
    double compile = 1e18;
    for (int round = 0; round < kRounds; ++round) {
      auto start = Clock::now();
      for (int i = 0; i < 20; ++i) program = BW_TRY(env->Compile(expr));
      compile = std::min(compile, Nanoseconds(start) / 20);
    }
    for (bool cost : {true, false}) {
      cel::RunOptions run{.track_cost = cost,
                          .max_cost = cost ? cel::ext::kKubernetesCallLimit : UINT64_MAX};
      double best = 1e18;
      int holds = 0;
      for (int round = 0; round < kRounds; ++round) {
        auto start = Clock::now();
        constexpr int kRepeat = 200;
        holds = 0;
        for (int i = 0; i < kRepeat; ++i) {
          for (const Value& pod : pods.items()) {
            holds += evaluator.Run(*program, {&pod, 1}, run).value.IsTrue();
          }
        }
        holds /= kRepeat;
        best = std::min(best, Nanoseconds(start) / (kRepeat * static_cast<double>(pods.size())));
      }
      fmt::print(
          R"({{"name":"{}","mode":"{}","ns_per_eval":{:.1f},"compile_ns":{:.0f},"true":{},"pods":{}}})"
          "\n",
          one.StringAt("name"), cost ? "k8s-cost" : "plain-optimised", best, compile, holds,
          pods.size());
    }
  }
  return Ok{};
}

}  // namespace
}  // namespace bulwark

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: cel_peer_bench CASES.json PODS.json\n");
    return 2;
  }
  auto done = bulwark::Run(argv[1], argv[2]);
  if (!done) std::fprintf(stderr, "cel_peer_bench: %s\n", done.error().ToString().c_str());
  return done ? 0 : 1;
}
