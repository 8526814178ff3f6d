// bulwark rego bench

#include <fmt/format.h>

#include <cmath>

#include "app/rego/benchmark.h"
#include "app/rego/output.h"
#include "app/rego/subcommands.h"
#include "base/text.h"

namespace bulwark::regocli {

namespace {

struct BenchFlags {
  Common common;
  std::vector<std::string> query, imports;
  std::string input, package, format = "pretty", target = "rego";
  bool stdin_query = false, stdin_input = false, fail = true, metrics = true, memory = true,
       partial = false, e2e = false;
  int count = 1;
};

// What is said of a histogram: name and value, by name.
std::vector<std::pair<std::string, double>> Histogram(const Measured& measured) {
  if (measured.times.empty()) return {};
  const auto& times = measured.times;
  auto at = [&](double share) {
    double place = share * static_cast<double>(times.size() + 1);
    if (place < 1) return static_cast<double>(times.front());
    if (place >= static_cast<double>(times.size())) return static_cast<double>(times.back());
    auto lower = static_cast<size_t>(place);
    auto low = static_cast<double>(times[lower - 1]), high = static_cast<double>(times[lower]);
    return low + (place - static_cast<double>(lower)) * (high - low);
  };
  double sum = 0, squares = 0;
  for (int64_t time : times) sum += static_cast<double>(time);
  double mean = sum / static_cast<double>(times.size());
  for (int64_t time : times)
    squares += (static_cast<double>(time) - mean) * (static_cast<double>(time) - mean);
  return {{"75%", at(0.75)},
          {"90%", at(0.90)},
          {"95%", at(0.95)},
          {"99%", at(0.99)},
          {"99.9%", at(0.999)},
          {"99.99%", at(0.9999)},
          {"count", static_cast<double>(times.size())},
          {"max", static_cast<double>(times.back())},
          {"mean", mean},
          {"median", at(0.5)},
          {"min", static_cast<double>(times.front())},
          {"stddev", std::sqrt(squares / static_cast<double>(times.size()))}};
}

void Print(const BenchFlags& flags, const Measured& measured, Env& env) {
  constexpr std::string_view kHistogram = "histogram_timer_rego_query_eval_ns_";
  auto histogram =
      flags.metrics ? Histogram(measured) : std::vector<std::pair<std::string, double>>();
  if (flags.format == "gobench") {
    env.out(fmt::format("BenchmarkOPAEval\t{}\n", measured.ToString(flags.memory)));
    return;
  }
  if (flags.format == "json") {
    Arena arena;
    MapBuilder out(arena), extra(arena);
    for (const auto& [name, value] : histogram) {
      extra.Add(Value::String(arena, std::string(kHistogram) + name), Value::Double(value));
    }
    out.Add("N", Value::Int(static_cast<int64_t>(measured.samples)));
    out.Add("T", Value::Int(measured.nanos));
    out.Add("Bytes", Value::Int(0));
    if (flags.memory) {
      out.Add("MemBytes", Value::Int(static_cast<int64_t>(measured.bytes *
                                                          static_cast<double>(measured.samples))));
    }
    out.Add("Extra", extra.Finish());
    env.out(GoJson(out.Finish(), 2) + "\n");
    return;
  }
  Table table{.header = {}, .rows = {}, .align = {Table::Align::kLeft, Table::Align::kRight}};
  auto number = [](double value) { return std::string(Trim(BenchNumber(value))); };
  table.rows.push_back({"samples", std::to_string(measured.samples)});
  table.rows.push_back({"ns/op", number(measured.PerSample())});
  if (flags.memory) table.rows.push_back({"B/op", fmt::format("{:.0f}", measured.bytes)});
  for (const auto& [name, value] : histogram) {
    table.rows.push_back({std::string(kHistogram) + name, number(value)});
  }
  env.out(table.Render());
}

int Bench(const BenchFlags& flags, Env& env) {
  if (flags.query.empty() == !flags.stdin_query || flags.query.size() > 1) {
    return WrongUsage(env, "specify exactly one query argument or --stdin");
  }
  if (flags.stdin_input && !flags.input.empty()) {
    return WrongUsage(env, "specify --stdin-input or --input but not both");
  }
  if (flags.partial) return WrongUsage(env, "partial evaluation (--partial) is not supported");
  if (flags.e2e) return WrongUsage(env, "--e2e is not supported: there is no policy server");
  if (flags.target != "rego") return WrongUsage(env, "only the target rego is supported");
  Arena arena;
  auto fail = [&](const Failure& failure) {
    if (flags.format == "json") {
      env.out(GoJson(MapBuilder(arena).Add("errors", failure.ToValue(arena)).Finish(), 2) + "\n");
    } else {
      env.err(failure.Listed() + "\n");
    }
    return 1;
  };
  Failure failure;
  Sources sources;
  if (!LoadSources(flags.common, flags.common.data, flags.common.bundles, sources, failure)) {
    return fail(failure);
  }
  std::string query;
  std::optional<Value> input;
  if (flags.stdin_query || flags.stdin_input) {
    auto text = env.read_stdin(kMaxInput);
    if (!text) return fail(Failure::Of(text.error()));
    if (flags.stdin_query) {
      query = *text;
    } else {
      auto value = rego::ParseDocument(arena.Copy(*text), arena);
      if (!value) return fail(Failure::Of("unable to parse input: " + value.error().ToString()));
      input = *value;
    }
  }
  if (!flags.query.empty()) query = flags.query.front();
  if (!flags.input.empty()) {
    auto value = ReadInput(flags.input, arena);
    if (!value) return fail(Failure::Of(value.error()));
    input = *value;
  }
  auto options = Compiling(flags.common, arena);
  if (!options) return fail(Failure::Of(options.error()));
  options->print = false;
  std::vector<rego::Diagnostic> diagnostics;
  auto policy = rego::Policy::Compile(std::move(sources.modules), *options, &diagnostics);
  if (!policy) return fail(Failure::Of(diagnostics));
  std::string package = flags.package.empty() || flags.package.starts_with("data.")
                            ? flags.package
                            : "data." + flags.package;
  auto prepared =
      (*policy)->Prepare(query, package, flags.imports, &diagnostics, flags.common.dialect());
  if (!prepared) return fail(Failure::Of(diagnostics, query));
  CliHost host(env, nullptr);
  rego::EvalOptions eval;
  eval.input = input ? &*input : nullptr;
  eval.data = &sources.data;
  eval.host = &host;
  for (int i = 0; i < flags.count; ++i) {
    Arena scratch;
    auto measured = Measure([&]() -> Result<size_t> {
      scratch.Reset();
      auto results = (*prepared)->Evaluate(eval, scratch);
      if (!results) return std::move(results).error();
      if (results->rows.empty() && flags.fail) return Error(Code::kInvalid, "undefined result");
      return scratch.bytes_reserved();
    });
    if (!measured) return fail(Failure::OfEvaluation(measured.error(), query));
    Print(flags, *measured, env);
  }
  return 0;
}

}  // namespace

void AddBench(CLI::App& group, Env& env, int& exit_code) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* command = group.add_subcommand("bench", "Measure a query");
  command->add_option("QUERY", flags->query, "The query");
  AddData(*command, flags->common);
  command->add_option("-i,--input", flags->input, "The input document")->type_name("FILE");
  command->add_flag("-I,--stdin-input", flags->stdin_input, "Read the input from standard input");
  command->add_flag("--stdin", flags->stdin_query, "Read the query from standard input");
  AddMany(*command, "--import", flags->imports, "Import of the query");
  command->add_option("--package", flags->package, "Package whose names the query may use");
  command->add_option("-f,--format", flags->format, "pretty, json or gobench")
      ->check(CLI::IsMember({"pretty", "json", "gobench"}))
      ->capture_default_str();
  command->add_option("--count", flags->count, "Measure as many times")->capture_default_str();
  command->add_flag("--benchmem,!--no-benchmem", flags->memory, "Report memory");
  command->add_flag("--metrics,!--no-metrics", flags->metrics, "Report the spread");
  command->add_flag("--fail,!--no-fail", flags->fail, "Exit with 1 where the result is undefined");
  AddIgnore(*command, flags->common);
  AddSchema(*command, flags->common);
  AddVersions(*command, flags->common);
  command->add_option("-t,--target", flags->target, "rego")->capture_default_str();
  command->add_flag("-p,--partial", flags->partial, "Not supported");
  command->add_flag("--e2e", flags->e2e, "Not supported");
  command->footer("Example: bulwark rego bench -d policy/ -i input.json data.authz.allow");
  command->callback([=, &env, &exit_code] { exit_code = Bench(*flags, env); });
}

}  // namespace bulwark::regocli
