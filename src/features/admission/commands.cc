#include "features/admission/commands.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/files.h"
#include "base/text.h"
#include "features/admission/gate_run.h"
#include "features/admission/sources.h"
#include "features/admission/suite.h"

namespace bulwark {

namespace embedded {
std::string_view gate_manual();
std::string_view gate_manual_zh();
}  // namespace embedded

namespace admission {

namespace {

constexpr size_t kMaxInput = size_t{1} << 30;
constexpr int kFailed = 1;  // gator's only other code

// Whether something is waiting on standard input, as gator finds out: it is no terminal.
bool StdinIsPiped() {
  struct stat info{};
  return ::fstat(STDIN_FILENO, &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISREG(info.st_mode));
}

struct Shared {
  bool trace = false, verbose = false, cel = true;
  std::string failure_policy = "Fail";
  size_t threads = 0;

  void AddOptions(CLI::App& command) {
    command.add_flag("-t,--trace", trace, "Say what the policies tried, line by line");
    command.add_flag("-v,--verbose", verbose, "Print more, and what policies print()");
    command
        .add_flag("--enable-k8s-native-validation", cel,
                  "Take a template's K8sNativeValidation code where it has some (default: true)")
        ->default_val(true);
    command
        .add_option("--default-k8s-native-validation-failure-policy", failure_policy,
                    "Fail or Ignore, of K8sNativeValidation code that does not say")
        ->capture_default_str();
    command.add_option("--threads", threads, "How many reviews run at once (default: processors)");
  }
  Result<bool> FailByDefault() const {
    if (failure_policy == "Fail") return true;
    if (failure_policy == "Ignore") return false;
    return Error(Code::kInvalid,
                 fmt::format("invalid default K8sNativeValidation failure policy: invalid failure "
                             "policy: unrecognized failure policy: {}",
                             failure_policy));
  }
};

struct Test : Shared {
  std::vector<std::string> files, images;
  std::string output, temp_dir;
  bool stats = false, deny_only = false;

  Result<int> Run(Env& env) const {
    bool fail_by_default = BW_TRY(FailByDefault());
    Arena arena(1 << 20);
    Result<Sources> sources = Read(env, arena);
    if (!sources) {
      return Error(Code::kInvalid, fmt::format("reading: {}", sources.error().ToString()));
    }
    for (const std::string& conflict : sources->conflicts) {
      env.err(fmt::format("{:%Y/%m/%d %H:%M:%S} WARNING - {}\n",
                          fmt::localtime(std::chrono::system_clock::to_time_t(env.now())),
                          conflict));
    }
    if (sources->objects.empty()) return Error(Code::kInvalid, "no input data identified");
    std::string prints;
    Result<GateReport> report =
        RunGateTest(sources->objects, {.cel = cel,
                                       .fail_by_default = fail_by_default,
                                       .trace = trace,
                                       .stats = stats,
                                       .threads = threads,
                                       .prints = verbose ? &prints : nullptr});
    if (!report) {
      return Error(Code::kInvalid, fmt::format("auditing objects: {}", report.error().message()));
    }
    PrintGateReport(*report,
                    {.output = output, .deny_only = deny_only, .trace = trace, .stats = stats},
                    env.out);
    if (!prints.empty()) env.out(fmt::format("\n{}\n", prints));
    return std::any_of(report->results.begin(), report->results.end(), Denies) ? kFailed : 0;
  }

 private:
  Result<Sources> Read(Env& env, Arena& arena) const {
    SourceReader reader(arena);
    bool stdin_named = false;
    for (const std::string& file : files) {
      if (file == "-") {
        stdin_named = true;
        continue;
      }
      if (Result<> added = reader.AddPath(file); !added) {
        return std::move(added).error().While("reading from filenames");
      }
    }
    for (const std::string& image : images) {
      if (Result<> added = reader.AddImage(image); !added) {
        return std::move(added).error().While("pulling image");
      }
    }
    if (stdin_named || (files.empty() && images.empty()) || StdinIsPiped()) {
      std::string text = BW_TRY(env.read_stdin(kMaxInput));
      if (Result<> added = reader.AddText(std::move(text), "stdin"); !added) {
        return std::move(added).error().While("reading").While("reading from stdin");
      }
    }
    return reader.Finish();
  }
};

// The machine's files, from the root.
class DiskFiles final : public FileTree {
 public:
  Kind KindOf(const std::string& path) const override {
    std::error_code ec;
    auto status = std::filesystem::status("/" + path, ec);
    if (ec || !std::filesystem::exists(status)) return Kind::kMissing;
    return std::filesystem::is_directory(status) ? Kind::kFolder : Kind::kFile;
  }
  Error Missing(const std::string& path) const override {
    return Error(Code::kNotFound, fmt::format("stat {}: no such file or directory", path));
  }
  Result<std::string> Read(const std::string& path) const override {
    Result<std::string> text = ReadFile("/" + path);
    if (text) return text;
    std::string why = text.error().message();
    for (const Error::Arg& arg : text.error().args()) {
      if (arg.name == "why") why = arg.value;
    }
    why = AsciiLower(why.substr(0, 1)) + why.substr(std::min<size_t>(1, why.size()));
    return Error(text.error().code(), fmt::format("open {}: {}", path, why));
  }
  Result<std::vector<Entry>> List(const std::string& path) const override {
    std::vector<Entry> out;
    std::error_code ec;
    std::filesystem::directory_iterator at("/" + path, ec), end;
    for (; !ec && at != end; at.increment(ec)) {
      std::error_code ignored;
      // A link to a folder is not followed.
      bool folder = at->is_directory(ignored) && !at->is_symlink(ignored);
      out.push_back({at->path().filename().string(), folder});
    }
    if (ec) return Error(Code::kUnavailable, fmt::format("open {}: {}", path, ec.message()));
    std::sort(out.begin(), out.end(),
              [](const Entry& a, const Entry& b) { return a.name < b.name; });
    return out;
  }
};

struct Verify : Shared {
  std::string path, run;

  Result<int> Run(Env& env) const {
    bool fail_by_default = BW_TRY(FailByDefault());
    std::string original = path;
    std::string target = std::filesystem::absolute(path).lexically_normal().string();
    bool recursive = original.ends_with("/...");
    if (recursive) {
      if (target.ends_with("...")) target.resize(target.size() - 3);
      original.resize(original.size() - 3);
    }
    while (target.starts_with('/')) target.erase(0, 1);
    while (target.ends_with('/')) target.pop_back();
    DiskFiles files;
    Result<std::vector<Suite>> suites = ReadSuites(files, target, original, recursive);
    if (!suites) {
      return Error(Code::kInvalid, fmt::format("listing test files: {}", suites.error().message()));
    }
    Result<SuiteFilter> filter = SuiteFilter::Parse(run);
    if (!filter) {
      return Error(Code::kInvalid, fmt::format("compiling filter: {}", filter.error().message()));
    }
    // Suites share nothing: each worker takes the next.
    std::vector<SuiteResult> results(suites->size());
    std::atomic<size_t> next = 0;
    const VerifyOptions options{.cel = cel, .fail_by_default = fail_by_default, .trace = trace};
    auto work = [&] {
      for (size_t i; (i = next.fetch_add(1)) < suites->size();) {
        results[i] = RunSuite(files, (*suites)[i], *filter, options);
      }
    };
    {
      size_t count = threads != 0 ? threads : std::max(1U, std::thread::hardware_concurrency());
      std::vector<std::jthread> workers;
      for (size_t i = 1; i < std::min(count, suites->size()); ++i) workers.emplace_back(work);
      work();
    }
    env.out(FormatSuiteResults(results, verbose) + "\n");
    bool failed = std::any_of(results.begin(), results.end(),
                              [](const SuiteResult& result) { return result.failed(); });
    if (failed) env.err("Error: FAIL\n");
    return failed ? kFailed : 0;
  }
};

int Finish(Env& env, std::string_view prefix, const Result<int>& done) {
  if (done) return *done;
  env.err(fmt::format("{}{}\n", prefix, done.error().ToString()));
  return kFailed;
}

}  // namespace

void AddCommands(CLI::App& app, Env& env, int& exit_code) {
  CLI::App* gate = app.add_subcommand(
      "gate",
      "Test objects against Gatekeeper's constraint templates, and the templates themselves");
  gate->require_subcommand(1);
  gate->footer("Example: bulwark gate test -f policies/ -f k8s/");

  auto test = std::make_shared<Test>();
  CLI::App* test_command = gate->add_subcommand(
      "test", "Review objects by the templates and constraints among them (gator test)");
  test_command
      ->add_option("-f,--filename", test->files,
                   "File or folder with objects; - for standard input (repeatable)")
      ->allow_extra_args(false)
      ->type_name("PATH");
  test_command
      ->add_option("-i,--image", test->images,
                   "OCI image layout with policies, oci:FOLDER (repeatable)")
      ->allow_extra_args(false);
  test_command->add_option("-d,--tempdir", test->temp_dir,
                           "Accepted as gator has it; nothing is unpacked to disk");
  test_command->add_option("-o,--output", test->output, "json or yaml (default: a line each)");
  test_command->add_flag("--stats", test->stats, "With json and yaml: how long policies took");
  test_command->add_flag("--deny-only", test->deny_only, "Print only what is denied");
  test->AddOptions(*test_command);
  test_command->footer("Example: kustomize build . | bulwark gate test -f policies/ -o json");
  test_command->callback([=, &env, &exit_code] { exit_code = Finish(env, "", test->Run(env)); });

  auto verify = std::make_shared<Verify>();
  CLI::App* verify_command =
      gate->add_subcommand("verify", "Run suites of tests of templates (gator verify)");
  verify_command->add_option("PATH", verify->path, "A suite, a folder, or FOLDER/... for all below")
      ->required();
  verify_command->add_option("-r,--run", verify->run,
                             "Only tests or cases that match, or TEST//CASE; regular expressions");
  verify->AddOptions(*verify_command);
  verify_command->footer("Example: bulwark gate verify policies/... --run '//^nginx'");
  verify_command->callback(
      [=, &env, &exit_code] { exit_code = Finish(env, "Error: ", verify->Run(env)); });
}

std::string_view ManualPage(Language language) {
  return language == Language::kChinese ? embedded::gate_manual_zh() : embedded::gate_manual();
}

}  // namespace admission

}  // namespace bulwark
