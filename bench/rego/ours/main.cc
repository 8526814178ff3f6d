// rego_peer_bench CASES.json [--only NAME] [--seconds N]: our side of bench/rego, a JSON line a
// case as bench/rego/peer prints them. Queries are prepared, the input is parsed once, an arena is
// reset after each evaluation. With --only and --seconds one case runs so long and nothing else is
// measured: for profilers.

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/files.h"
#include "formats/json.h"
#include "lang/rego/ast/parser.h"
#include "lang/rego/rego.h"

namespace bulwark::rego {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kRounds = 3;
constexpr double kRoundNanos = 3e8;
constexpr double kCompileNanos = 2e8;
constexpr int kMemoryCopies = 10;

double Nanoseconds(Clock::time_point since) {
  return std::chrono::duration<double, std::nano>(Clock::now() - since).count();
}

int64_t HeapBytes() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

using Prepared = std::shared_ptr<const PreparedQuery>;

struct Case {
  std::string name, query;
  Dialect dialect = Dialect::kV1;
  std::vector<std::pair<std::string, std::string>> modules;  // file, text
  Value input, data;
  bool has_input = false;

  Result<Prepared> Prepare() const {
    ParseOptions options;
    options.dialect = dialect;
    std::vector<std::unique_ptr<Module>> parsed;
    for (const auto& [file, text] : modules) {
      parsed.push_back(BW_TRY(ParseModule(file, text, options)));
    }
    const std::string_view queries[] = {query};
    return BW_TRY(Policy::CompileQueries(std::move(parsed), {}, queries))
    [0];
  }
};

Result<Value> ReadJson(std::string_view file, Arena& arena) {
  return ParseJson(BW_TRY(ReadFile(std::string(file))), arena);
}

Result<Case> ReadCase(const Value& json, Arena& arena) {
  Case out;
  out.name = json.StringAt("name");
  out.query = json.StringAt("query");
  if (json.StringAt("dialect") == "v0") out.dialect = Dialect::kV0;
  for (const Value& file : json["modules"].items()) {
    std::string name(file.AsString());
    std::string text = BW_TRY(ReadFile(name));
    out.modules.emplace_back(std::move(name), std::move(text));
  }
  if (json["input"].IsString()) {
    out.input = BW_TRY(ReadJson(json.StringAt("input"), arena));
    out.has_input = true;
  }
  out.data = Value::EmptyMap();
  if (json["data"].IsString()) out.data = BW_TRY(ReadJson(json.StringAt("data"), arena));
  return out;
}

// Evaluates until so many nanoseconds have passed; how long one evaluation took.
Result<double> Evaluate(const PreparedQuery& query, const EvalOptions& options, double nanos) {
  Arena arena;
  size_t done = 0;
  size_t batch = 1;
  const auto start = Clock::now();
  for (;;) {
    for (size_t i = 0; i < batch; ++i) {
      BW_TRY(query.Evaluate(options, arena));
      arena.Reset();
    }
    done += batch;
    const double passed = Nanoseconds(start);
    if (passed >= nanos) return passed / static_cast<double>(done);
    // So that the clock is asked a few hundred times at most.
    batch =
        std::max<size_t>(1, static_cast<size_t>(static_cast<double>(done) / passed * nanos / 200));
  }
}

Result<> Measure(const Case& one) {
  std::vector<double> compiles;
  Prepared prepared;
  for (auto begin = Clock::now(); compiles.size() < 5 || Nanoseconds(begin) < kCompileNanos;) {
    auto start = Clock::now();
    prepared = BW_TRY(one.Prepare());
    compiles.push_back(Nanoseconds(start));
  }
  std::ranges::sort(compiles);

  EvalOptions options;
  options.input = one.has_input ? &one.input : nullptr;
  options.data = &one.data;
  Arena arena;
  ResultSet results = BW_TRY(prepared->Evaluate(options, arena));
  std::optional<Value> value = results.Single();
  double best = 1e18;
  for (int round = 0; round < kRounds; ++round) {
    best = std::min(best, BW_TRY(Evaluate(*prepared, options, kRoundNanos)));
  }

  const int64_t before = HeapBytes();
  std::vector<Prepared> kept;
  kept.reserve(kMemoryCopies);
  for (int i = 0; i < kMemoryCopies; ++i) kept.push_back(BW_TRY(one.Prepare()));
  const int64_t bytes = (HeapBytes() - before) / kMemoryCopies;

  fmt::print(
      R"({{"name":"{}","ns_per_eval":{:.1f},"compile_ns":{:.0f},"policy_bytes":{},"value":{}}})"
      "\n",
      one.name, best, compiles[compiles.size() / 2], bytes, value ? ToJson(*value) : "null");
  std::fflush(stdout);
  return Ok{};
}

Result<> Run(const std::string& cases_file, const std::string& only, double seconds) {
  Arena cases_arena;
  Value cases = BW_TRY(ReadJson(cases_file, cases_arena));
  for (const Value& json : cases.items()) {
    if (!only.empty() && json.StringAt("name") != only) continue;
    Arena arena;
    Case one = BW_TRY(ReadCase(json, arena));
    if (seconds > 0) {
      Prepared prepared = BW_TRY(one.Prepare());
      EvalOptions options;
      options.input = one.has_input ? &one.input : nullptr;
      options.data = &one.data;
      fmt::print("{}: {:.0f} ns\n", one.name, BW_TRY(Evaluate(*prepared, options, seconds * 1e9)));
    } else if (auto measured = Measure(one); !measured) {
      // The others are worth having all the same.
      fmt::print(stderr, "{}: {}\n", one.name, measured.error().ToString());
    }
  }
  return Ok{};
}

}  // namespace
}  // namespace bulwark::rego

int main(int argc, char** argv) {
  std::string file, only;
  double seconds = 0;
  for (int i = 1; i < argc; ++i) {
    std::string_view arg = argv[i];
    if (arg == "--only" && i + 1 < argc) {
      only = argv[++i];
    } else if (arg == "--seconds" && i + 1 < argc) {
      seconds = std::strtod(argv[++i], nullptr);
    } else {
      file = arg;
    }
  }
  if (file.empty()) {
    std::fprintf(stderr, "usage: rego_peer_bench CASES.json [--only NAME] [--seconds N]\n");
    return 2;
  }
  auto done = bulwark::rego::Run(file, only, seconds);
  if (!done) std::fprintf(stderr, "rego_peer_bench: %s\n", done.error().ToString().c_str());
  return done ? 0 : 1;
}
