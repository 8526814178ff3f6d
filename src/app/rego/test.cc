// bulwark rego test

#include <fmt/format.h>

#include <algorithm>

#include "app/rego/observers.h"
#include "app/rego/output.h"
#include "app/rego/subcommands.h"
#include "app/rego/test_runner.h"
#include "base/hash.h"
#include "base/text.h"
#include "lang/rego/resolve/resolve.h"

namespace bulwark::regocli {

namespace {

struct TestFlags {
  Common common;
  std::vector<std::string> paths;
  std::string format = "pretty", run, timeout, explain, sort = "none", target = "rego";
  bool verbose = false, bundle = false, coverage = false, bench = false, benchmem = true;
  bool skip_exit_zero = false, var_values = false, fail_on_empty = false;
  double threshold = 0;
  int count = 1;
  size_t parallel = 0;
};

const std::string kLine(80, '-');

Value CasesOf(const std::map<std::string, SubResult>& cases, Arena& arena) {
  MapBuilder out(arena);
  for (const auto& [name, result] : cases) {
    MapBuilder one(arena);
    one.Add("name", Value::String(arena, name));
    if (result.fail) one.Add("fail", Value::Bool(true));
    if (!result.children.empty()) one.Add("sub_results", CasesOf(result.children, arena));
    out.Add(Value::String(arena, name), one.Finish());
  }
  return out.Finish();
}

std::string Json(const std::vector<TestResult>& results) {
  Arena arena;
  std::vector<Value> list;
  for (const TestResult& test : results) {
    MapBuilder out(arena);
    out.Add("location", MapBuilder(arena)
                            .Add("file", Value::String(arena, test.file))
                            .Add("row", Value::Int(test.row))
                            .Add("col", Value::Int(test.column))
                            .Finish());
    out.Add("package", Value::String(arena, test.package));
    out.Add("name", Value::String(arena, test.name));
    if (test.fail) out.Add("fail", Value::Bool(true));
    if (test.error) {
      const OutputError& error = test.error->errors.front();
      MapBuilder value(arena);
      if (!error.code.empty()) value.Add("code", Value::String(arena, error.code));
      value.Add("message", Value::String(arena, error.message));
      if (error.has_location) {
        value.Add("location", MapBuilder(arena)
                                  .Add("file", Value::String(arena, error.file))
                                  .Add("row", Value::Int(error.row))
                                  .Add("col", Value::Int(error.column))
                                  .Finish());
      }
      out.Add("error", value.Finish());
    }
    if (test.skip) out.Add("skip", Value::Bool(true));
    out.Add("duration", Value::Int(test.nanos));
    if (!test.output.empty()) out.Add("output", Value::String(arena, Base64Encode(test.output)));
    if (!test.cases.empty()) out.Add("sub_results", CasesOf(test.cases, arena));
    list.push_back(out.Finish());
  }
  return GoJson(Value::Array(arena, list), 2);
}

void PrintCases(const std::map<std::string, SubResult>& cases, size_t depth, bool all,
                std::string& out) {
  for (const auto& [name, result] : cases) {
    if (result.fail || all) {
      out += fmt::format("{}  {}: {}\n", std::string(depth * 2, ' '), name,
                         result.fail ? "FAIL" : "PASS");
    }
    PrintCases(result.children, depth + 1, all, out);
  }
}

void CountCases(const std::map<std::string, SubResult>& cases, size_t& pass, size_t& fail) {
  for (const auto& [name, result] : cases) {
    if (!result.children.empty()) {
      CountCases(result.children, pass, fail);
    } else {
      ++(result.fail ? fail : pass);
    }
  }
}

std::string Failures(const std::vector<TestResult>& results, const TestFlags& flags) {
  std::string out = kLine + "\nFAILURES\n" + kLine + "\n";
  for (const TestResult& test : results) {
    if (!test.fail) continue;
    out += test.ToString() + "\n\n";
    if (flags.verbose && !test.trace.empty()) {
      out += Indent(test.trace.substr(0, test.trace.size() - 1), "  ") + "\n\n";
    }
    if (!test.cases.empty()) {
      PrintCases(test.cases, 0, false, out);
      out += '\n';
    }
    if (flags.var_values && test.failed_row > 0) {
      out += fmt::format("  {}:{}:\n{}\n\n", test.failed_file, test.failed_row,
                         Indent(test.failed_text, "    "));
    }
  }
  return out;
}

std::string Pretty(const std::vector<TestResult>& results, const TestFlags& flags) {
  std::string out, last_file;
  size_t pass = 0, fail = 0, skip = 0, errors = 0;
  bool dirty = false;
  for (const TestResult& test : results) {
    if (test.skip) {
      ++skip;
    } else if (test.error) {
      ++errors;
    } else if (!test.cases.empty()) {
      CountCases(test.cases, pass, fail);
    } else {
      ++(test.fail ? fail : pass);
    }
    if (test.Passed() && flags.bench) {
      dirty = true;
      std::string name = test.package + "." + test.name;
      if (flags.format == "gobench") {
        std::string camel = "Benchmark";
        for (std::string_view part : Split(ReplaceAll(name, "_", "."), '.')) {
          if (!part.empty()) camel += AsciiUpper(part[0]);
          if (!part.empty()) camel += part.substr(1);
        }
        name = camel;
      }
      out += fmt::format("{}\t{}\n", name, test.benchmark);
    } else if (flags.verbose || !test.Passed()) {
      dirty = true;
      if (!last_file.empty() && last_file != test.file) out += '\n';
      out += fmt::format("{}:{}:\n{}\n", test.file, test.row, test.ToString());
      last_file = test.file;
      PrintCases(test.cases, 0, flags.verbose, out);
      if (!test.output.empty()) {
        out += fmt::format("\n{}\n\n", Indent(Trim(test.output), "  "));
      }
    }
    if (test.error) out += "  " + test.error->text + "\n";
  }
  if (fail > 0 && (flags.verbose || flags.var_values)) out += Failures(results, flags);
  if (dirty) out += kLine + "\n";
  size_t total = pass + fail + skip + errors;
  for (auto [word, count] :
       {std::pair("PASS", pass), {"FAIL", fail}, {"SKIPPED", skip}, {"ERROR", errors}}) {
    if (count != 0) out += fmt::format("{}: {}/{}\n", word, count, total);
  }
  return out;
}

class TestCommand {
 public:
  TestCommand(TestFlags& flags, Env& env) : flags_(flags), env_(env) {}

  int Run() {
    if (flags_.paths.empty()) return WrongUsage(env_, "specify at least one file");
    if (flags_.format == "gobench" && !flags_.bench) {
      env_.err("cannot use output format gobench without running benchmarks (--bench)\n");
      return 0;
    }
    if (flags_.threshold < 0 || flags_.threshold > 100) {
      env_.err("Code coverage threshold must be between 0 and 100\n");
      return 1;
    }
    if (flags_.target != "rego") return WrongUsage(env_, "only the target rego is supported");
    if (!flags_.explain.empty()) flags_.verbose = true;
    if (flags_.threshold > 0) flags_.coverage = true;
    if (flags_.coverage && flags_.bench) {
      env_.err("coverage reporting is not supported when benchmarking tests\n");
      return 1;
    }
    auto options = Options();
    if (!options) return Complain(options.error().ToString());
    Failure failure;
    Sources sources;
    std::vector<std::string> none;
    if (!LoadSources(flags_.common, flags_.bundle ? none : flags_.paths,
                     flags_.bundle ? flags_.paths : none, sources, failure)) {
      return Complain(failure.text);
    }
    PrepareTests(sources.modules);
    auto compiling = Compiling(flags_.common, *sources.arena);
    if (!compiling) return Complain(compiling.error().ToString());
    compiling->builtins = &TestBuiltins();
    compiling->print = !flags_.bench;
    compiling->observe = flags_.coverage || flags_.verbose || flags_.var_values;
    auto policy = rego::Policy::Compile(std::move(sources.modules), *compiling);
    if (!policy) return Complain(policy.error().message());
    for (int i = 0; i < std::max(flags_.count, 1); ++i) {
      Coverage coverage;
      options->coverage = flags_.coverage ? &coverage : nullptr;
      auto results = RunTests(**policy, sources.data, *options, env_);
      if (!results) return Complain(results.error().ToString());
      if (int code = Report(**policy, *results, coverage); code != 0) return code;
    }
    return 0;
  }

 private:
  int Complain(const std::string& text) {
    env_.err(text + "\n");
    return 1;
  }

  Result<TestOptions> Options() const {
    TestOptions options;
    options.run = flags_.run;
    options.threads = flags_.parallel;
    options.trace = flags_.verbose || flags_.var_values;
    options.benchmark = flags_.bench;
    options.benchmark_memory = flags_.benchmem;
    if (flags_.bench) options.timeout = std::chrono::seconds(30);
    if (!flags_.timeout.empty()) {
      auto nanos = ParseGoDuration(flags_.timeout);
      if (!nanos) {
        return Error(Code::kInvalid, fmt::format("--timeout: not a duration: {}", flags_.timeout));
      }
      if (*nanos > 0) options.timeout = std::chrono::nanoseconds(*nanos);
    }
    return options;
  }

  int Report(const rego::Policy& policy, std::vector<TestResult>& results, Coverage& coverage) {
    int code = 0;
    for (const TestResult& test : results) {
      if (!test.Passed() && !(test.skip && flags_.skip_exit_zero)) code = 2;
    }
    if (flags_.coverage) {
      int reported = ReportCoverage(policy, results, coverage);
      if (reported != 0) return reported;
    } else if (flags_.format == "json") {
      if (flags_.sort == "duration") {
        std::stable_sort(results.begin(), results.end(),
                         [](const auto& a, const auto& b) { return a.nanos > b.nanos; });
      }
      env_.out(Json(results) + "\n");
    } else {
      if (flags_.sort != "none") {
        env_.err("warning: --sort is only supported with JSON format\n");
      }
      env_.out(Pretty(results, flags_));
    }
    if (results.empty() && flags_.fail_on_empty) return Complain("no tests were run");
    return code;
  }

  int ReportCoverage(const rego::Policy& policy, const std::vector<TestResult>& results,
                     Coverage& coverage) {
    std::vector<TestResult> failures;
    for (const TestResult& test : results) {
      if (test.error) return Complain(test.error->text);
      if (test.fail) failures.push_back(test);
    }
    if (!failures.empty()) {
      env_.out(Pretty(failures, flags_));
      return Complain(failures.front().ToString() + "\n");
    }
    Arena arena;
    Value report = coverage.Report(policy.resolution().modules, arena);
    double share = Coverage::Percentage(report);
    if (share < flags_.threshold) {
      env_.err(fmt::format("Code coverage threshold not met: got {:.2f} instead of {:.2f}\n", share,
                           flags_.threshold));
      if (flags_.verbose) {
        std::string lines = "Lines not covered:\n";
        for (const auto& [file, ranges] : report["files"].entries()) {
          for (const Value& range : ranges["not_covered"].items()) {
            int64_t from = range["start"]["row"].AsInt(), to = range["end"]["row"].AsInt();
            lines += from == to ? fmt::format("\t{}:{}\n", file.AsString(), from)
                                : fmt::format("\t{}:{}-{}\n", file.AsString(), from, to);
          }
        }
        env_.err(lines);
      }
      return 2;
    }
    env_.out(GoJson(report, 2) + "\n");
    return 0;
  }

  TestFlags& flags_;
  Env& env_;
};

}  // namespace

void AddTest(CLI::App& group, Env& env, int& exit_code) {
  auto flags = std::make_shared<TestFlags>();
  CLI::App* command = group.add_subcommand("test", "Run the tests of policies: rules test_…");
  command->add_option("PATH", flags->paths, "Files and folders with policies, tests and data");
  command->add_flag("-v,--verbose", flags->verbose, "Name the tests that pass, too");
  command->add_option("-f,--format", flags->format, "pretty, json or gobench")
      ->check(CLI::IsMember({"pretty", "json", "gobench"}))
      ->capture_default_str();
  command->add_option("-r,--run", flags->run, "Only tests whose names match a regular expression");
  command->add_flag("-c,--coverage", flags->coverage, "Report which lines the tests reach");
  command->add_option("--threshold", flags->threshold, "Fail where coverage is below that, in %");
  command->add_option("--timeout", flags->timeout, "Of a test (default 5s; 30s with --bench)");
  command->add_flag("--bench", flags->bench, "Measure the tests");
  command->add_flag("--benchmem,!--no-benchmem", flags->benchmem, "Report memory with --bench");
  command->add_option("--count", flags->count, "Run the tests as many times")
      ->capture_default_str();
  command->add_flag("-z,--exit-zero-on-skipped", flags->skip_exit_zero,
                    "Skipped tests (todo_test_…) do not fail");
  command->add_flag("--var-values", flags->var_values, "Show the expression that failed");
  command->add_option("--explain", flags->explain, "Show what was evaluated")
      ->check(CLI::IsMember({"fails", "full", "notes", "debug"}));
  command->add_option("-p,--parallel", flags->parallel, "Tests at the same time (0: processors)");
  command->add_flag("--fail-on-empty", flags->fail_on_empty, "Fail where there are no tests");
  command->add_option("--sort", flags->sort, "Order of --format json: none or duration")
      ->check(CLI::IsMember({"none", "duration"}));
  command->add_flag("-b,--bundle", flags->bundle, "Paths are bundles");
  command->add_option("-m,--max-errors", flags->common.max_errors, "Errors that are shown")
      ->capture_default_str();
  command->add_option("-t,--target", flags->target, "rego")->capture_default_str();
  AddIgnore(*command, flags->common);
  AddCapabilitiesOption(*command, flags->common);
  AddSchema(*command, flags->common);
  AddVersions(*command, flags->common);
  command->footer("Example: bulwark rego test -v policy/");
  command->callback([=, &env, &exit_code] { exit_code = TestCommand(*flags, env).Run(); });
}

}  // namespace bulwark::regocli
