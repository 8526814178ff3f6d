// rego_conformance: OPA's own cases (dump.sh), each judged as OPA's test runner does.
//
//   rego_conformance                        a line per folder, cases isolated from each other
//   rego_conformance --folder v1/every      those whose key begins so; --failures says what is
//   wrong rego_conformance --case v1/every/every#3   one case in full: modules, want and got
//   rego_conformance --in-process --expect 35 --folder v1/every   as CTest runs it: all in one
//       process, and there must be as many cases
//
// What does not pass stands in skips.txt with its reason; what stands there and passes is a
// failure, too. Exit code 0: all passed; 1: not; 77: the cases were not dumped (CTest: skipped).

#include <fmt/format.h>
#include <netdb.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "formats/json.h"
#include "lang/rego/ast/parser.h"
#include "lang/rego/rego.h"

namespace bulwark::rego {
namespace {

constexpr int kNoData = 77;
constexpr unsigned kCaseSeconds = 60;

std::string DataFolder() {
  if (const char* folder = std::getenv("BULWARK_CONFORMANCE")) return std::string(folder) + "/rego";
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  std::string root =
      cache != nullptr ? cache : std::string(home != nullptr ? home : "") + "/.cache";
  return root + "/bulwark/conformance/rego";
}

// --- What the cases expect of their surroundings -------------------------------------------------

// Addresses of `localhost` are looked up, of nothing else.
class LocalHost final : public Host {
 public:
  Result<std::vector<std::string>> LookupAddress(std::string_view name) override {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (name != "localhost" || getaddrinfo("localhost", nullptr, &hints, &found) != 0) {
      return Error(Code::kDenied, "only localhost");
    }
    std::vector<std::string> out;
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
      char text[NI_MAXHOST];
      if (getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0,
                      NI_NUMERICHOST) == 0) {
        out.emplace_back(text);
      }
    }
    freeaddrinfo(found);
    return out;
  }
};

// OPA's tests have a built-in of their own, so that time passes.
Outcome Sleep(Context& context, Args args, Value& out) {
  if (!args[0].IsString()) return context.WrongType(1, args[0], "string");
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  out = Value::Null();
  return Outcome::kValue;
}

const Registry& TestRegistry() {
  static constexpr Builtin kMore[] = {{"test.sleep", "(duration: string) -> null", Sleep}};
  static const Registry registry{kMore};
  return registry;
}

// --- Judging one case ----------------------------------------------------------------------------

// What JSON makes of a value: sets become arrays, keys become strings.
Value Plain(const Value& value, Arena& arena) {
  if (value.IsArray() || value.IsSet()) {
    std::vector<Value> items;
    for (const Value& item : value.items()) items.push_back(Plain(item, arena));
    return Value::Array(arena, items);
  }
  if (value.IsMap()) {
    MapBuilder out(arena, value.size());
    for (const auto& [key, member] : value.entries()) {
      out.Add(key.IsString() ? key : Value::String(arena, ToJson(Plain(key, arena))),
              Plain(member, arena));
    }
    return out.Finish();
  }
  return value;
}

Value Sorted(const Value& array, Arena& arena) {
  std::vector<Value> items(array.items().begin(), array.items().end());
  std::ranges::stable_sort(items,
                           [](const Value& a, const Value& b) { return Value::Compare(a, b) < 0; });
  return Value::Array(arena, items);
}

struct Verdict {
  std::string why;  // empty: passed
  std::string got;
};

Result<std::vector<std::unique_ptr<Module>>> ParseModules(const Value& test, Dialect dialect) {
  ParseOptions options;
  options.dialect = dialect;
  std::vector<std::unique_ptr<Module>> modules;
  for (const Value& text : test["modules"].items()) {
    modules.push_back(BW_TRY(ParseModule(fmt::format("test-{}.rego", modules.size()),
                                         std::string(text.AsString()), options)));
  }
  return modules;
}

// The rows of bindings as a set of objects.
Value Bindings(const Value& test, const ResultSet& results, Arena& arena) {
  std::vector<Value> rows;
  for (const ResultRow& row : results.rows) {
    MapBuilder object(arena);
    for (const auto& [name, bound] : row.bindings) {
      if (test["ignore_generated_vars"].IsTrue() && name.starts_with("__localq")) continue;
      Value value = Plain(bound, arena);
      object.Add(name, test["sort_bindings"].IsTrue() ? Sorted(value, arena) : value);
    }
    rows.push_back(object.Finish());
  }
  return Value::Set(arena, rows);
}

Result<ResultSet> Evaluate(const Value& test, Dialect dialect, Arena& arena,
                           std::shared_ptr<const PreparedQuery>& query) {
  CompileOptions compile;
  compile.print = false;
  compile.builtins = &TestRegistry();
  auto failed = [](Error error) { return std::move(error).While("compiling"); };
  auto modules = ParseModules(test, dialect);
  if (!modules) return failed(std::move(modules).error());
  auto policy = Policy::Compile(std::move(*modules), compile);
  if (!policy) return failed(std::move(policy).error());
  auto prepared = (*policy)->Prepare(test.StringAt("query"));
  if (!prepared) return failed(std::move(prepared).error());
  query = *prepared;  // the results may refer to it

  LocalHost host;
  EvalOptions options;
  options.host = &host;
  options.strict_builtin_errors = test["strict_error"].IsTrue();
  options.limits.time = std::chrono::seconds(kCaseSeconds);
  Value input;
  if (const Value* term = test.Find("input_term")) {
    input = BW_TRY(ParseGroundTerm(term->AsString(), arena));
    options.input = &input;
  } else {
    options.input = test.Find("input");
  }
  options.data = test.Find("data");
  return query->Evaluate(options, arena);
}

Verdict JudgeEvaluation(const Value& test, Dialect dialect) {
  Arena arena;
  std::shared_ptr<const PreparedQuery> query;
  Result<ResultSet> results = Evaluate(test, dialect, arena, query);
  const Value* want = test.Find("want_result");
  const std::string want_code(test.StringAt("want_error_code"));
  const std::string want_error(test.StringAt("want_error"));
  Verdict verdict;
  if (!results) {
    const Error& error = results.error();
    verdict.got = error.id() + ": " + error.ToString();
    if (query == nullptr) {
      verdict.why = "does not compile";
    } else if (want_code.empty() && want_error.empty()) {
      verdict.why = "unexpected error";
    } else if (!want_code.empty() && error.id() != want_code) {
      verdict.why = "wanted code " + want_code;
    } else if (verdict.got.find(want_error) == std::string::npos) {
      verdict.why = "wanted an error with " + want_error;
    }
    return verdict;
  }
  Value rows = Bindings(test, *results, arena);
  verdict.got = ToJson(rows, {.sort_keys = true});
  if (!want_code.empty() || !want_error.empty()) {
    verdict.why = "wanted the error " + want_code + " " + want_error;
  } else if (want == nullptr) {
    verdict.why = "the case wants nothing";
  } else if (!Value::Equal(Value::Set(arena, want->items()), rows)) {
    verdict.why = "wanted " + ToJson(*want, {.sort_keys = true});
  }
  return verdict;
}

bool Matches(const Value& want, const Diagnostic& got) {
  return want.StringAt("module", "test-0.rego") == got.file && want.StringAt("code") == got.code &&
         want["row"].ToInt() == got.at.row &&
         (want["col"].IsNull() || want["col"].ToInt() == 0 ||
          want["col"].ToInt() == got.at.column) &&
         want.StringAt("message") == got.message;
}

Verdict JudgeCompilation(const Value& test) {
  const std::string_view version = test.StringAt("rego_version");
  Verdict verdict;
  auto modules = ParseModules(test, version == "v0"             ? Dialect::kV0
                                    : version == "v0-compat-v1" ? Dialect::kV0CompatV1
                                                                : Dialect::kV1);
  if (!modules) return {"does not parse", modules.error().ToString()};
  std::vector<Diagnostic> errors;
  CompileOptions options;
  options.strict = test["strict"].IsTrue();
  options.print = test["print_statements"].IsTrue();
  auto policy = Policy::Compile(std::move(*modules), options, &errors);
  for (const Diagnostic& error : errors) {
    verdict.got += fmt::format("{}:{}:{}: {}: {}\n", error.file, error.at.row, error.at.column,
                               error.code, error.message);
  }
  if (policy) return {"compiles", verdict.got};
  std::vector<bool> used(errors.size());
  for (const Value& want : test["want_errors"].items()) {
    size_t i = 0;
    while (i < errors.size() && (used[i] || !Matches(want, errors[i]))) ++i;
    if (i < errors.size()) {
      used[i] = true;
    } else {
      verdict.why += "missing " + ToJson(want) + " ";
    }
  }
  if (test["exhaustive"].IsTrue()) {
    for (size_t i = 0; i < errors.size(); ++i) {
      if (!used[i]) verdict.why += "unexpected " + errors[i].message + " ";
    }
  }
  return verdict;
}

Verdict Judge(const Value& test) {
  std::string_view key = test.StringAt("key");
  if (key.starts_with("compile/")) return JudgeCompilation(test);
  return JudgeEvaluation(test, key.starts_with("v0/") ? Dialect::kV0 : Dialect::kV1);
}

// --- The folders ---------------------------------------------------------------------------------

struct Cli {
  std::vector<std::string> cases;
  std::string folder;
  bool failures = false;
  bool in_process = false;
  std::optional<size_t> expect;
};

// "key: reason" a line; "folder/" is all of a folder.
std::map<std::string, std::string> ReadSkips() {
  std::map<std::string, std::string> skips;
  auto text = ReadFile(BULWARK_SOURCE_DIR "/tests/conformance/rego/skips.txt");
  if (!text) return skips;
  std::string_view rest = *text;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.empty() || line.starts_with("# ")) continue;
    size_t colon = line.find(": ");
    if (colon == std::string_view::npos) {
      fmt::print(stderr, "skips.txt: no reason: {}\n", line);
      std::exit(1);
    }
    skips.emplace(line.substr(0, colon), line.substr(colon + 2));
  }
  return skips;
}

struct Counts {
  size_t passed = 0, failed = 0, skipped = 0;
  size_t all() const { return passed + failed + skipped; }
};

class Runner {
 public:
  explicit Runner(const Cli& cli) : cli_(cli), skips_(ReadSkips()) {}

  int Run() {
    auto files = WalkFiles(DataFolder());
    if (!files || files->empty()) {
      fmt::print("no cases: run tests/conformance/rego/dump.sh\n");
      return kNoData;
    }
    Counts total;
    for (const std::string& file : *files) {
      if (!file.ends_with(".json")) continue;
      std::string folder = file.substr(DataFolder().size() + 1);
      folder.resize(folder.size() - 5);
      const std::string inner = folder + "/";
      if (!Wanted(inner)) continue;
      Counts counts = RunFolder(folder, file);
      if (counts.all() == 0) continue;
      if (cli_.cases.empty()) Print(folder, counts);
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.skipped += counts.skipped;
    }
    if (cli_.cases.empty() && cli_.folder.empty()) Print("all", total);
    if (total.all() == 0) {
      fmt::print("no such case\n");
      return 1;
    }
    if (cli_.expect && total.all() != *cli_.expect) {
      fmt::print("expected {} cases\n", *cli_.expect);
      return 1;
    }
    return total.failed == 0 ? 0 : 1;
  }

 private:
  bool Wanted(std::string_view folder_with_slash) const {
    if (cli_.cases.empty()) {
      return cli_.folder.empty() || folder_with_slash.starts_with(cli_.folder + "/");
    }
    return std::ranges::any_of(
        cli_.cases, [&](const std::string& key) { return key.starts_with(folder_with_slash); });
  }

  static void Print(std::string_view folder, const Counts& counts) {
    fmt::print("{:6}/{:<6}{:3}%  {}{}\n", counts.passed, counts.all(),
               counts.passed * 100 / counts.all(), folder,
               counts.skipped != 0 ? fmt::format("  ({} skipped)", counts.skipped) : "");
  }

  const std::string* SkipOf(const std::string& key) const {
    for (const auto& [name, reason] : skips_) {
      if (name == key || (name.ends_with('/') && key.starts_with(name))) return &reason;
    }
    return nullptr;
  }

  Counts RunFolder(const std::string& folder, const std::string& file) {
    Arena arena;
    auto text = ReadFile(file);
    auto cases = text ? ParseJson(*text, arena) : Result<Value>(std::move(text).error());
    if (!cases) {
      fmt::print("{}: {}\n", folder, cases.error().ToString());
      return {.failed = 1};
    }
    std::vector<Value> chosen;
    for (const Value& test : cases->items()) {
      if (cli_.cases.empty() ||
          std::ranges::find(cli_.cases, test.StringAt("key")) != cli_.cases.end()) {
        chosen.push_back(test);
      }
    }
    Counts counts;
    size_t next = 0;
    auto judged = [&](const Verdict& verdict) { Account(chosen[next++], verdict, counts); };
    if (cli_.in_process || !cli_.cases.empty()) {
      while (next < chosen.size()) judged(Judge(chosen[next]));
    } else {
      while (next < chosen.size()) {
        std::string end = Isolated(std::span(chosen).subspan(next), judged);
        if (next < chosen.size()) judged({"CRASH: " + end, ""});
      }
    }
    for (const auto& [name, reason] : skips_) {
      if (!cli_.cases.empty() || !name.starts_with(folder + "/")) continue;
      if (std::ranges::none_of(chosen, [&](const Value& test) {
            std::string_view key = test.StringAt("key");
            return key == name || (name.ends_with('/') && key.starts_with(name));
          })) {
        fmt::print("FAIL {}: in skips.txt, but there is no such case\n", name);
        ++counts.failed;
      }
    }
    return counts;
  }

  // Judges the cases in a child until it ends; says how it ended.
  template <typename Judged>
  static std::string Isolated(std::span<const Value> cases, const Judged& judged) {
    int pipe_ends[2];
    if (pipe(pipe_ends) != 0) std::abort();
    std::fflush(stdout);
    pid_t child = fork();
    if (child < 0) std::abort();
    if (child == 0) {
      close(pipe_ends[0]);
      for (const Value& test : cases) {
        alarm(kCaseSeconds);
        Verdict verdict = Judge(test);
        std::ranges::replace(verdict.why, '\0', ' ');
        std::ranges::replace(verdict.got, '\0', ' ');
        std::string record = verdict.why + '\0' + verdict.got + '\0';
        if (!WriteAll(pipe_ends[1], record, "pipe")) break;
      }
      _exit(0);
    }
    close(pipe_ends[1]);
    std::string read_so_far;
    char buffer[65536];
    for (ssize_t n; (n = read(pipe_ends[0], buffer, sizeof buffer)) > 0;) {
      read_so_far.append(buffer, static_cast<size_t>(n));
      for (;;) {
        size_t why = read_so_far.find('\0');
        if (why == std::string::npos) break;
        size_t got = read_so_far.find('\0', why + 1);
        if (got == std::string::npos) break;
        judged(Verdict{read_so_far.substr(0, why), read_so_far.substr(why + 1, got - why - 1)});
        read_so_far.erase(0, got + 1);
      }
    }
    close(pipe_ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) return "out of time";
    return WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status))
                               : fmt::format("exit {}", WEXITSTATUS(status));
  }

  void Account(const Value& test, const Verdict& verdict, Counts& counts) {
    std::string key(test.StringAt("key"));
    std::string why = verdict.why;
    if (const std::string* reason = SkipOf(key)) {
      if (!why.empty()) {
        ++counts.skipped;
        if (cli_.failures) fmt::print("skip {}: {}\n", key, *reason);
        return;
      }
      why = "now passes, remove it from skips.txt";
    }
    ++(why.empty() ? counts.passed : counts.failed);
    if (!cli_.cases.empty()) {
      PrintInFull(test, verdict, why);
    } else if (!why.empty() && (cli_.failures || cli_.in_process)) {
      fmt::print("FAIL {} ({}): {}; got {}\n", key, test.StringAt("note"), why, verdict.got);
    }
  }

  static void PrintInFull(const Value& test, const Verdict& verdict, std::string_view why) {
    fmt::print("{} ({})\n", test.StringAt("key"), test.StringAt("note"));
    for (const auto& [name, value] : test.entries()) {
      if (name.AsString() == "key" || name.AsString() == "note") continue;
      if (name.AsString() == "modules") {
        int number = 0;
        for (const Value& module : value.items()) {
          fmt::print("--- test-{}.rego\n{}\n", number++, module.AsString());
        }
      } else {
        fmt::print("--- {}: {}\n", name.AsString(),
                   value.IsString() ? std::string(value.AsString()) : ToJson(value));
      }
    }
    fmt::print("--- got: {}\n--- {}\n\n", verdict.got,
               why.empty() ? "passed" : "FAILED: " + std::string(why));
  }

  const Cli& cli_;
  std::map<std::string, std::string> skips_;
};

}  // namespace
}  // namespace bulwark::rego

int main(int argc, char** argv) {
  bulwark::rego::Cli cli;
  for (int i = 1; i < argc; ++i) {
    std::string_view arg = argv[i];
    const bool more = i + 1 < argc;
    if (arg == "--case" && more) {
      cli.cases.emplace_back(argv[++i]);
    } else if (arg == "--folder" && more) {
      cli.folder = argv[++i];
    } else if (arg == "--expect" && more) {
      cli.expect = std::strtoul(argv[++i], nullptr, 10);
    } else if (arg == "--failures") {
      cli.failures = true;
    } else if (arg == "--in-process") {
      cli.in_process = true;
    } else {
      fmt::print(stderr,
                 "usage: rego_conformance [--folder PREFIX] [--case KEY]... [--failures] "
                 "[--in-process] [--expect N]\n");
      return 2;
    }
  }
  return bulwark::rego::Runner(cli).Run();
}
