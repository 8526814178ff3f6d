// bulwark rego eval

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>

#include "app/rego/observers.h"
#include "app/rego/output.h"
#include "app/rego/subcommands.h"
#include "base/text.h"
#include "formats/json.h"
#include "lang/rego/resolve/resolve.h"

namespace bulwark::regocli {

namespace {

struct EvalFlags {
  Common common;
  std::vector<std::string> query, imports, unknowns, profile_sort, entrypoints;
  std::string input, package, format = "json", explain = "off", timeout, target = "rego";
  bool stdin_query = false, stdin_input = false, fail = false, fail_defined = false;
  bool coverage = false, partial = false, metrics = false, instrument = false, profile = false;
  bool strict_builtin_errors = false, show_builtin_errors = false, ignored = false;
  int count = 1, optimize = 0;
  size_t profile_limit = 10, pretty_limit = 80;
  CLI::Option* profile_limit_option = nullptr;
};

using Clock = std::chrono::steady_clock;
using Metrics = std::map<std::string, int64_t>;

int64_t Since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
}

// All that one evaluation came to.
struct Output {
  std::optional<Failure> failure;
  std::vector<OutputError> builtin_errors;
  rego::ResultSet results;
  Metrics metrics;
  std::vector<Profile::Row> profile;
  std::optional<Value> coverage;
  std::optional<Value> explanation;
  std::string explanation_text;
};

std::optional<std::string> Contradiction(EvalFlags& flags) {
  if (!flags.query.empty() && flags.stdin_query) {
    return "specify query argument or --stdin but not both";
  }
  if (flags.query.empty() && !flags.stdin_query) return "specify query argument or --stdin";
  if (flags.query.size() > 1) return "specify at most one query argument";
  if (flags.stdin_query && flags.stdin_input) {
    return "specify --stdin or --stdin-input but not both";
  }
  if (flags.stdin_input && !flags.input.empty()) {
    return "specify --stdin-input or --input but not both";
  }
  if (flags.fail && flags.fail_defined) return "specify --fail or --fail-defined but not both";
  if (flags.format == "source") return "invalid output format for evaluation";
  if (flags.partial || !flags.unknowns.empty()) {
    return "partial evaluation (--partial, --unknowns) is not supported";
  }
  if (flags.target != "rego") return "only the target rego is supported";
  if (flags.profile_limit_option->count() > 0 || !flags.profile_sort.empty()) flags.profile = true;
  if (flags.profile || flags.instrument) flags.metrics = true;
  return std::nullopt;
}

// The errors that built-ins made and that non-strict mode swallowed: "place: code: message".
std::vector<OutputError> Swallowed(const std::vector<std::string>& texts) {
  std::vector<OutputError> out;
  for (const std::string& text : texts) {
    OutputError error{.message = text, .code = "eval_builtin_error", .text = text};
    if (auto cut = Cut(text, "eval_builtin_error: ")) error.message = cut->second;
    out.push_back(std::move(error));
  }
  return out;
}

class Evaluation {
 public:
  Evaluation(const EvalFlags& flags, Env& env) : flags_(flags), env_(env) {}

  // What can go wrong before there is anything to evaluate is a text, as in OPA.
  Result<> Prepare() {
    if (flags_.stdin_query) {
      query_ = BW_TRY(env_.read_stdin(kMaxInput));
    } else {
      query_ = flags_.query.front();
    }
    if (flags_.stdin_input) {
      std::string text = BW_TRY(env_.read_stdin(kMaxInput));
      auto value = rego::ParseDocument(arena_.Copy(text), arena_);
      if (!value) return Unparsed(value.error());
      input_ = *value;
    } else if (!flags_.input.empty()) {
      auto value = ReadInput(flags_.input, arena_);
      if (!value && value.error().code() == Code::kNotFound) return std::move(value).error();
      if (!value) return Unparsed(value.error());
      input_ = *value;
    }
    if (!flags_.timeout.empty()) {
      auto nanos = ParseGoDuration(flags_.timeout);
      if (!nanos) {
        return Error(Code::kInvalid, fmt::format("--timeout: not a duration: {}", flags_.timeout));
      }
      limits_.time = std::chrono::nanoseconds(*nanos);
    }
    options_ = BW_TRY(Compiling(flags_.common, arena_));
    options_.observe = flags_.coverage || flags_.profile || flags_.explain != "off";
    return Ok{};
  }

  Output Once() {
    Output out;
    Failure failure;
    Sources sources;
    auto start = Clock::now();
    bool any = !flags_.common.data.empty() || !flags_.common.bundles.empty();
    if (!LoadSources(flags_.common, flags_.common.data, flags_.common.bundles, sources, failure)) {
      out.failure = std::move(failure);
      if (flags_.coverage) out.coverage = Coverage().Report({}, arena_);
      return out;
    }
    if (any) out.metrics["timer_rego_load_files_ns"] = Since(start);
    start = Clock::now();
    std::vector<rego::Diagnostic> diagnostics;
    auto policy = rego::Policy::Compile(std::move(sources.modules), options_, &diagnostics);
    out.metrics["timer_rego_module_compile_ns"] = Since(start);
    if (!policy) {
      out.failure = diagnostics.empty() ? Failure::Of(policy.error()) : Failure::Of(diagnostics);
      return out;
    }
    start = Clock::now();
    auto query = (*policy)->Prepare(query_, Package(), flags_.imports, &diagnostics,
                                    flags_.common.dialect());
    out.metrics["timer_rego_query_compile_ns"] = Since(start);
    if (!query) {
      out.failure =
          diagnostics.empty() ? Failure::Of(query.error()) : Failure::Of(diagnostics, query_);
      return out;
    }
    Run(**policy, **query, sources, out);
    // Results live in the policy and the sources.
    kept_.push_back(*policy);
    queries_.push_back(*query);
    sources_.push_back(std::move(sources));
    return out;
  }

  const std::string& query() const { return query_; }
  Arena& arena() { return arena_; }

 private:
  static Error Unparsed(const Error& error) {
    return Error(Code::kInvalid, "unable to parse input: " + error.ToString());
  }

  std::string Package() const {
    if (flags_.package.empty()) return {};
    return flags_.package.starts_with("data.") ? flags_.package : "data." + flags_.package;
  }

  void Run(const rego::Policy& policy, const rego::PreparedQuery& query, const Sources& sources,
           Output& out) {
    Coverage coverage;
    Profile profile;
    Trace trace(100'000);
    Observers observers;
    if (flags_.coverage) observers.Add(&coverage);
    if (flags_.profile) observers.Add(&profile);
    if (flags_.explain != "off") observers.Add(&trace);
    std::vector<std::string> swallowed;
    CliHost host(env_, [&](std::string_view line) { env_.err(std::string(line) + "\n"); });
    rego::EvalOptions options;
    options.input = input_ ? &*input_ : nullptr;
    options.data = &sources.data;
    options.limits = limits_;
    options.strict_builtin_errors = flags_.strict_builtin_errors;
    options.host = &host;
    options.observer = observers.get();
    if (flags_.show_builtin_errors) options.builtin_errors = &swallowed;
    auto start = Clock::now();
    auto results = query.Evaluate(options, arena_);
    out.metrics["timer_rego_query_eval_ns"] = Since(start);
    if (results) {
      out.results = *std::move(results);
    } else {
      out.failure = Failure::OfEvaluation(results.error(), query_);
    }
    out.builtin_errors = Swallowed(swallowed);
    if (flags_.coverage) out.coverage = coverage.Report(policy.resolution().modules, arena_);
    if (flags_.profile) {
      std::vector<std::string> sort = flags_.profile_sort;
      for (const char* key : {"total_time_ns", "num_eval", "num_redo", "file", "line"}) {
        sort.emplace_back(key);
      }
      out.profile = profile.Rows(sort, flags_.profile_limit);
    }
    if (flags_.explain != "off") {
      bool fails = flags_.explain == "fails";
      out.explanation = trace.ToValue(arena_, fails);
      out.explanation_text = flags_.explain == "notes" ? "" : trace.Text(fails);
    }
  }

  const EvalFlags& flags_;
  Env& env_;
  Arena arena_;
  std::string query_;
  std::optional<Value> input_;
  rego::EvalLimits limits_;
  rego::CompileOptions options_;
  std::vector<std::shared_ptr<const rego::Policy>> kept_;
  std::vector<std::shared_ptr<const rego::PreparedQuery>> queries_;
  std::vector<Sources> sources_;
};

// Of several runs of one timer.
Value Statistics(std::vector<int64_t> values, Arena& arena) {
  std::sort(values.begin(), values.end());
  double sum = 0;
  for (int64_t value : values) sum += static_cast<double>(value);
  auto percentile = [&](double share) {
    double at = share * static_cast<double>(values.size() + 1);
    if (at < 1) return static_cast<double>(values.front());
    if (at >= static_cast<double>(values.size())) return static_cast<double>(values.back());
    auto lower = static_cast<size_t>(at);
    double low = static_cast<double>(values[lower - 1]), high = static_cast<double>(values[lower]);
    return low + (at - static_cast<double>(lower)) * (high - low);
  };
  return MapBuilder(arena)
      .Add("90%", Value::Double(percentile(0.9)))
      .Add("99%", Value::Double(percentile(0.99)))
      .Add("max", Value::Int(values.back()))
      .Add("mean", Value::Double(sum / static_cast<double>(values.size())))
      .Add("min", Value::Int(values.front()))
      .Finish();
}

Value ProfileOf(const std::vector<Profile::Row>& rows, Arena& arena) {
  std::vector<Value> out;
  for (const Profile::Row& row : rows) {
    out.push_back(MapBuilder(arena)
                      .Add("total_time_ns", Value::Int(row.nanos))
                      .Add("num_eval", Value::Int(row.evaluated))
                      .Add("num_redo", Value::Int(row.held))
                      .Add("num_gen_expr", Value::Int(row.evaluated))
                      .Add("location", MapBuilder(arena)
                                           .Add("file", Value::String(arena, row.file))
                                           .Add("row", Value::Int(row.row))
                                           .Add("col", Value::Int(row.column))
                                           .Finish())
                      .Finish());
  }
  return Value::Array(arena, out);
}

class Printer {
 public:
  Printer(const EvalFlags& flags, Env& env, Arena& arena)
      : flags_(flags), env_(env), arena_(arena) {}

  void Print(const Output& out, const std::map<std::string, std::vector<int64_t>>& aggregated) {
    if (flags_.format == "json" || flags_.format == "discard") {
      Value value = Json(out, aggregated);
      env_.out(GoJson(flags_.format == "discard" ? Plain(value, arena_) : value, 2) + "\n");
      return;
    }
    Failure all = AllErrors(out);
    if (flags_.format == "pretty") return Pretty(out, all, aggregated);
    if (!all.errors.empty()) return env_.err(all.Listed() + "\n");
    for (const rego::ResultRow& row : out.results.rows) {
      if (flags_.format == "bindings") {
        env_.out(GoJson(BindingsOf(row, arena_), 2) + "\n");
        continue;
      }
      std::vector<Value> values;
      for (const auto& expression : row.expressions) {
        values.push_back(Plain(expression.value, arena_));
      }
      if (flags_.format == "values") {
        env_.out(GoJson(Value::Array(arena_, values), 2) + "\n");
        continue;
      }
      std::string line;
      for (const Value& value : values) {
        if (&value != values.data()) line += ' ';
        line += value.IsString() ? std::string(value.AsString()) : GoJson(value, 0);
      }
      env_.out(line + "\n");
    }
  }

 private:
  Failure AllErrors(const Output& out) const {
    Failure all;
    if (out.failure) all = *out.failure;
    for (const OutputError& error : out.builtin_errors) all.errors.push_back(error);
    return all;
  }

  Value Json(const Output& out, const std::map<std::string, std::vector<int64_t>>& aggregated) {
    MapBuilder root(arena_);
    Failure all = AllErrors(out);
    if (!all.errors.empty()) root.Add("errors", all.ToValue(arena_));
    if (!out.results.rows.empty()) {
      root.Add("result", flags_.format == "discard" ? Value::String("discarded")
                                                    : ResultsOf(out.results, arena_));
    }
    if (flags_.metrics && flags_.count == 1) {
      MapBuilder metrics(arena_);
      for (const auto& [name, nanos] : out.metrics) metrics.Add(name, Value::Int(nanos));
      root.Add("metrics", metrics.Finish());
    }
    if (!aggregated.empty()) {
      MapBuilder metrics(arena_);
      for (const auto& [name, values] : aggregated) metrics.Add(name, Statistics(values, arena_));
      root.Add("aggregated_metrics", metrics.Finish());
    }
    if (out.explanation && !out.explanation->empty()) root.Add("explanation", *out.explanation);
    if (!out.profile.empty()) root.Add("profile", ProfileOf(out.profile, arena_));
    if (out.coverage) root.Add("coverage", *out.coverage);
    return root.Finish();
  }

  void Pretty(const Output& out, const Failure& all,
              const std::map<std::string, std::vector<int64_t>>& aggregated) {
    env_.out(out.explanation_text);
    if (!all.errors.empty()) {
      env_.err(all.Listed() + "\n");
    } else if (out.results.rows.empty()) {
      env_.out("undefined\n");
    } else {
      env_.out(PrettyResults(out.results, 0, arena_));
    }
    if (flags_.metrics && flags_.count == 1) {
      Table table{.header = {"Metric", "Value"}, .rows = {}, .align = {}};
      for (const auto& [name, nanos] : out.metrics) {
        table.rows.push_back({name, std::to_string(nanos)});
      }
      env_.out(table.Render());
    }
    if (!out.profile.empty()) {
      Table table{.header = {"Time", "Num Eval", "Num Redo", "Num Gen Expr", "Location"},
                  .rows = {},
                  .align = {}};
      for (const Profile::Row& row : out.profile) {
        table.rows.push_back({GoDuration(row.nanos), std::to_string(row.evaluated),
                              std::to_string(row.held), std::to_string(row.evaluated),
                              row.file.empty() ? fmt::format("{}:{}", row.row, row.column)
                                               : fmt::format("{}:{}", row.file, row.row)});
      }
      env_.out(table.Render());
    }
    if (!aggregated.empty()) {
      Table table{
          .header = {"Metric", "Min", "Max", "Mean", "90%", "99%"}, .rows = {}, .align = {}};
      for (const auto& [name, values] : aggregated) {
        Value statistics = Statistics(values, arena_);
        std::vector<std::string> row = {name};
        for (const char* key : {"min", "max", "mean", "90%", "99%"}) {
          row.push_back(ToJson(statistics[key]));
        }
        table.rows.push_back(std::move(row));
      }
      env_.out(table.Render());
    }
    if (out.coverage) {
      env_.out(Table{.header = {},
                     .rows = {{"Overall Coverage",
                               fmt::format("{:.2f}", Coverage::Percentage(*out.coverage))}},
                     .align = {}}
                   .Render());
    }
  }

  const EvalFlags& flags_;
  Env& env_;
  Arena& arena_;
};

int Evaluate(EvalFlags& flags, Env& env) {
  if (auto wrong = Contradiction(flags)) return WrongUsage(env, *wrong);
  if (flags.strict_builtin_errors && flags.show_builtin_errors) {
    env.err(
        "cannot use --show-builtin-errors with --strict-builtin-errors, --strict-builtin-errors "
        "will return the first built-in error encountered immediately\n");
    return 2;
  }
  if (!flags.common.capabilities.empty()) {
    if (auto known = AllowedBuiltins(flags.common.capabilities); !known) {
      return WrongUsage(env,
                        fmt::format("invalid argument {} for \"--capabilities\" flag: {}",
                                    Quote(flags.common.capabilities), known.error().message()));
    }
  }
  Evaluation evaluation(flags, env);
  if (auto prepared = evaluation.Prepare(); !prepared) {
    env.err(prepared.error().ToString() + "\n");
    return 2;
  }
  Output first;
  std::map<std::string, std::vector<int64_t>> aggregated;
  for (int i = 0; i < std::max(flags.count, 1); ++i) {
    Output out = evaluation.Once();
    for (const auto& [name, nanos] : out.metrics) {
      if (flags.count > 1 && flags.metrics) aggregated[name].push_back(nanos);
    }
    bool failed = out.failure.has_value();
    if (i == 0 || failed) first = std::move(out);
    if (failed) break;
  }
  Printer(flags, env, evaluation.arena()).Print(first, aggregated);
  if (first.failure) return 2;
  bool defined = !first.results.rows.empty();
  return (flags.fail && !defined) || (flags.fail_defined && defined) ? 1 : 0;
}

}  // namespace

void AddEval(CLI::App& group, Env& env, int& exit_code) {
  auto flags = std::make_shared<EvalFlags>();
  CLI::App* command = group.add_subcommand("eval", "Evaluate a query");
  command->add_option("QUERY", flags->query, "The query: 'data.authz.allow', 'x := 1; x < 2'");
  AddData(*command, flags->common);
  command->add_option("-i,--input", flags->input, "The input document, JSON or YAML")
      ->type_name("FILE");
  command->add_flag("-I,--stdin-input", flags->stdin_input, "Read the input from standard input");
  command->add_flag("--stdin", flags->stdin_query, "Read the query from standard input");
  AddMany(*command, "--import", flags->imports, "Import of the query");
  command->add_option("--package", flags->package, "Package whose names the query may use");
  command->add_option("-f,--format", flags->format, "How results are printed")
      ->check(CLI::IsMember({"json", "values", "bindings", "pretty", "source", "raw", "discard"}))
      ->capture_default_str();
  command->add_flag("--fail", flags->fail, "Exit with 1 where the result is undefined");
  command->add_flag("--fail-defined", flags->fail_defined, "Exit with 1 where there is a result");
  command->add_flag("--coverage", flags->coverage, "Report coverage");
  command->add_flag("--metrics", flags->metrics, "Report how long each part took");
  command->add_flag("--instrument", flags->instrument, "Report more of that (implies --metrics)");
  command->add_flag("--profile", flags->profile, "Report where the time went, by line");
  AddMany(*command, "--profile-sort", flags->profile_sort,
          "total_time_ns, num_eval, num_redo, num_gen_expr, file or line");
  flags->profile_limit_option =
      command->add_option("--profile-limit", flags->profile_limit, "Lines of --profile")
          ->capture_default_str();
  command->add_option("--pretty-limit", flags->pretty_limit, "For scripts: cells are never cut")
      ->capture_default_str();
  command->add_option("--explain", flags->explain, "Show what was evaluated")
      ->check(CLI::IsMember({"off", "full", "notes", "fails", "debug"}))
      ->capture_default_str();
  command->add_option("--count", flags->count, "Evaluate as many times")->capture_default_str();
  command->add_option("--timeout", flags->timeout, "Give up after that long: 500ms, 2s");
  command->add_flag("--strict-builtin-errors", flags->strict_builtin_errors,
                    "The first error of a built-in ends the evaluation");
  command->add_flag("--show-builtin-errors", flags->show_builtin_errors,
                    "Collect the errors of built-ins");
  command->add_flag("-S,--strict", flags->common.strict, "The compiler's strict mode");
  AddIgnore(*command, flags->common);
  AddCapabilitiesOption(*command, flags->common);
  AddSchema(*command, flags->common);
  AddVersions(*command, flags->common);
  command->add_flag("-p,--partial", flags->partial, "Not supported");
  AddMany(*command, "-u,--unknowns", flags->unknowns, "Not supported");
  command->add_option("-t,--target", flags->target, "rego")->capture_default_str();
  command->add_option("-O,--optimize", flags->optimize, "For scripts: policies always are");
  AddMany(*command, "-e,--entrypoint", flags->entrypoints, "For scripts: of --optimize");
  for (const char* name : {"--disable-indexing", "--disable-early-exit", "--shallow-inlining",
                           "--optimize-store-for-read-speed", "--var-values"}) {
    command->add_flag(name, flags->ignored, "For scripts: has no effect");
  }
  command->footer("Example: bulwark rego eval -d policy/ -i input.json -f pretty data.authz.allow");
  command->callback([=, &env, &exit_code] { exit_code = Evaluate(*flags, env); });
}

}  // namespace bulwark::regocli
