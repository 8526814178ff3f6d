// bulwark rego test-config: what `conftest test` does.

#include <fmt/format.h>
#include <fnmatch.h>
#include <re2/re2.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "app/rego/config_test_runner.h"
#include "app/rego/subcommands.h"
#include "base/files.h"
#include "base/text.h"
#include "formats/config/config.h"
#include "lang/rego/resolve/resolve.h"

namespace bulwark::regocli {

namespace {

struct ConfigFlags {
  std::vector<std::string> paths, policies, namespaces, data;
  std::string parser, output = "stdout", ignore, stdin_filename, capabilities, version = "v1";
  bool all_namespaces = false, combine = false, fail_on_warn = false, no_fail = false,
       no_color = false, quiet = false, strict = false, builtin_errors = false,
       suppress_exceptions = false, junit_hide_message = false, github_hide_passed = false;
};

// a,b of a list that may also be repeated
std::vector<std::string> Listed(const std::vector<std::string>& given) {
  std::vector<std::string> out;
  for (const std::string& list : given) {
    for (std::string_view item : Split(list, ',')) out.emplace_back(item);
  }
  return out;
}

bool EndsWithAny(std::string_view text, std::initializer_list<std::string_view> ends) {
  return std::any_of(ends.begin(), ends.end(), [&](auto end) { return text.ends_with(end); });
}

class TestConfig {
 public:
  TestConfig(const ConfigFlags& flags, Env& env) : flags_(flags), env_(env) {}

  Result<int> Run() {
    if (flags_.paths.empty()) return Error(Code::kInvalid, "missing required arguments");
    std::vector<ConfigFile> files = BW_TRY(ReadFiles());
    BW_TRY(LoadPolicies());
    ConfigChecker checker(*policy_, data_, env_, arena_, flags_.builtin_errors);
    std::vector<ConfigResult> results;
    for (const std::string& name_space : BW_TRY(Namespaces(checker))) {
      if (flags_.combine) {
        results.push_back(BW_TRY(checker.Check(Combined(files), name_space, false)));
        continue;
      }
      for (const ConfigFile& file : files) {
        auto checked = checker.Check(file, name_space, true);
        if (!checked) return std::move(checked).error().While("query rule").While("running test");
        results.push_back(*std::move(checked));
      }
    }
    bool failed = false, warned = false;
    for (const ConfigResult& result : results) {
      failed = failed || !result.failures.empty();
      warned = warned || !result.warnings.empty();
    }
    int code = failed ? (flags_.fail_on_warn ? 2 : 1) : (flags_.fail_on_warn && warned ? 1 : 0);
    if (!flags_.quiet || code != 0) {
      env_.out(WriteConfigResults(results, {.format = flags_.output,
                                            .color = env_.color && !flags_.no_color,
                                            .suppress_exceptions = flags_.suppress_exceptions,
                                            .junit_hide_message = flags_.junit_hide_message,
                                            .github_hide_passed = flags_.github_hide_passed}));
      if (flags_.no_fail) return 0;
    }
    return code;
  }

 private:
  // --- Files -------------------------------------------------------------------------------------

  Result<std::vector<std::string>> ListFiles() {
    std::unique_ptr<re2::RE2> ignore;
    if (!flags_.ignore.empty()) {
      ignore = std::make_unique<re2::RE2>(flags_.ignore, re2::RE2::Quiet);
      if (!ignore->ok()) {
        return Error(Code::kInvalid,
                     fmt::format("given regexp couldn't be parsed: {}", ignore->error()));
      }
    }
    auto ignored = [&](const std::string& path) {
      return ignore != nullptr && re2::RE2::PartialMatch(path, *ignore);
    };
    std::vector<std::string> files;
    for (const std::string& path : flags_.paths) {
      if (path.empty()) continue;
      struct stat info{};
      if (path == "-") {
        files.push_back(path);
      } else if (::stat(path.c_str(), &info) != 0) {
        return Error(Code::kNotFound,
                     fmt::format("get file info: stat {}: no such file or directory", path));
      } else if (!S_ISDIR(info.st_mode)) {
        if (!ignored(path)) files.push_back(path);
      } else {
        for (std::string& found : BW_TRY(WalkFiles(path, {.hidden = true}))) {
          if (!ignored(found) && ConfigFormatOfPath(found)) files.push_back(std::move(found));
        }
      }
    }
    if (files.empty()) return Error(Code::kInvalid, "no files found");
    return files;
  }

  Result<std::vector<ConfigFile>> ReadFiles() {
    auto listed = ListFiles();
    if (!listed) return std::move(listed).error().While("parse files").While("running test");
    std::vector<ConfigFile> files;
    for (const std::string& path : *listed) {
      auto value = ReadOne(path);
      if (!value) {
        return std::move(value)
            .error()
            .While(path)
            .While("parse configurations")
            .While("running test");
      }
      std::string name =
          path == "-" && !flags_.stdin_filename.empty() ? flags_.stdin_filename : path;
      files.push_back({name, *value});
    }
    return files;
  }

  Result<Value> ReadOne(const std::string& path) {
    ConfigFormat format = flags_.parser.empty() ? BW_TRY(ConfigFormatOfPath(path))
                                                : BW_TRY(ConfigFormatOfName(flags_.parser));
                                                std::string text;
                                                if (path == "-") {
                                                  text = BW_TRY(env_.read_stdin(kMaxInput));
                                                } else {
                                                  text = BW_TRY(ReadFile(path, kMaxInput));
                                                }
                                                return ParseConfig(format, text, arena_);
  }

  // All of them as one input: [{path, contents}, …], by path.
  ConfigFile Combined(const std::vector<ConfigFile>& files) {
    std::vector<std::pair<std::string, Value>> all;
    for (const ConfigFile& file : files) {
      auto documents = file.content.IsArray() ? file.content.items() : std::span(&file.content, 1);
      for (const Value& document : documents) all.emplace_back(file.path, document);
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Value> list;
    for (const auto& [path, document] : all) {
      list.push_back(MapBuilder(arena_)
                         .Add("path", Value::String(arena_, path))
                         .Add("contents", document)
                         .Finish());
    }
    return {"Combined", Value::Array(arena_, list)};
  }

  // --- Policies ----------------------------------------------------------------------------------

  Result<> LoadPolicies() {
    if (flags_.version != "v0" && flags_.version != "v1") {
      return Error(Code::kInvalid, fmt::format("invalid Rego version: {}", flags_.version));
    }
    auto loading = [](Error error, std::string_view what) {
      return std::move(error).While(std::string(what)).While("load").While("running test");
    };
    std::vector<std::string> paths = Listed(flags_.policies);
    if (paths.empty()) paths = {"policy"};
    rego::LoadOptions options;
    options.parse.dialect = flags_.version == "v0" ? rego::Dialect::kV0 : rego::Dialect::kV1;
    options.skip = [](std::string_view path, bool folder, size_t) {
      return !folder && !path.ends_with(".rego");
    };
    auto policies = rego::LoadPaths(paths, options);
    if (!policies) return loading(std::move(policies).error(), "loading policies");
    if (policies->modules.empty()) {
      return Error(Code::kInvalid, fmt::format("running test: load: loading policies: no policies "
                                               "found in [{}]",
                                               fmt::join(paths, " ")));
    }
    options.skip = [](std::string_view path, bool folder, size_t) {
      return !folder && !EndsWithAny(path, {".yaml", ".yml", ".json"});
    };
    auto documents = rego::LoadPaths(Listed(flags_.data), options);
    if (!documents) return loading(std::move(documents).error(), "load documents");
    data_ = documents->documents;
    kept_.push_back(std::move(documents->arena));
    kept_.push_back(std::move(policies->arena));
    Common common;
    common.capabilities = flags_.capabilities;
    common.strict = flags_.strict;
    rego::CompileOptions compiling = BW_TRY(Compiling(common, arena_));
    auto policy = rego::Policy::Compile(std::move(policies->modules), compiling);
    if (!policy) {
      return loading(std::move(policy).error().While("get compiler"), "loading policies");
    }
    policy_ = *std::move(policy);
    return CheckIfWithoutContains();
  }

  // `deny[msg] if …` makes an object in v1, and would never fail anything.
  Result<> CheckIfWithoutContains() const {
    for (const auto& module : policy_->resolution().modules) {
      for (const rego::Rule* rule : module->rules) {
        const rego::Head& head = rule->head;
        if (head.ref.size() < 2 || head.contains || !head.generated_value) continue;
        if (rego::IsPartialSet(*rule)) continue;
        if (!IsFailureRule(head.name) && !IsWarningRule(head.name)) continue;
        return Error(Code::kInvalid,
                     fmt::format("running test: load: loading policies: rule is using 'if' keyword "
                                 "without 'contains' keyword: rule in {} at line {}",
                                 module->file, head.at.row));
      }
    }
    return Ok{};
  }

  Result<std::vector<std::string>> Namespaces(const ConfigChecker& checker) const {
    if (flags_.all_namespaces) return checker.Namespaces();
    std::vector<std::string> wanted = Listed(flags_.namespaces);
    if (wanted.empty()) wanted = {"main"};
    bool pattern = std::any_of(wanted.begin(), wanted.end(), [](const std::string& name) {
      return name.find_first_of("*?[") != std::string::npos;
    });
    if (!pattern) return wanted;
    std::vector<std::string> out;
    for (const std::string& name : checker.Namespaces()) {
      if (std::any_of(wanted.begin(), wanted.end(), [&](const std::string& each) {
            return ::fnmatch(each.c_str(), name.c_str(), FNM_PATHNAME) == 0;
          })) {
        out.push_back(name);
      }
    }
    return out;
  }

  const ConfigFlags& flags_;
  Env& env_;
  Arena arena_;
  std::vector<std::unique_ptr<Arena>> kept_;
  Value data_ = Value::EmptyMap();
  std::shared_ptr<const rego::Policy> policy_;
};

}  // namespace

void AddTestConfig(CLI::App& group, Env& env, int& exit_code) {
  auto flags = std::make_shared<ConfigFlags>();
  CLI::App* command = group.add_subcommand(
      "test-config", "Judge configuration files of any type by deny, warn and violation rules");
  command->add_option("PATH", flags->paths, "Files, folders, or - for standard input");
  AddMany(*command, "-p,--policy", flags->policies, "Policies (default: the folder policy)")
      ->type_name("PATH");
  AddMany(*command, "-n,--namespace", flags->namespaces,
          "Packages whose rules count; * matches (default: main)");
  command->add_flag("--all-namespaces", flags->all_namespaces, "The rules of all packages");
  AddMany(*command, "-d,--data", flags->data, "Data for the policies, JSON or YAML")
      ->type_name("PATH");
  command->add_option("--parser", flags->parser,
                      "What the files are: dockerfile, dotenv, hcl2, ignore, ini, json, jsonc, "
                      "properties, toml, xml or yaml (default: by their names)");
  command->add_flag("--combine", flags->combine, "All files are one input");
  command->add_flag("--fail-on-warn", flags->fail_on_warn, "Warnings fail too: exit 1, failures 2");
  command->add_flag("--no-fail", flags->no_fail, "Exit with 0 whatever was found");
  command->add_option("-o,--output", flags->output, "How results are printed")
      ->check(CLI::IsMember({"stdout", "json", "tap", "table", "junit", "github"}))
      ->capture_default_str();
  command->add_option("--ignore", flags->ignore, "Leave out paths that match a regular expression");
  command->add_option("--stdin-filename", flags->stdin_filename, "What to call standard input");
  command->add_option("--rego-version", flags->version, "v0 or v1")->capture_default_str();
  command->add_option("--capabilities", flags->capabilities, "Built-ins that policies may use");
  command->add_flag("--strict", flags->strict, "The compiler's strict mode");
  command->add_flag("--show-builtin-errors", flags->builtin_errors, "Errors of built-ins count");
  command->add_flag("--no-color", flags->no_color, "No colours");
  command->add_flag("--quiet", flags->quiet, "Nothing where all is well");
  command->add_flag("--suppress-exceptions", flags->suppress_exceptions, "Do not list exceptions");
  command->add_flag("--junit-hide-message", flags->junit_hide_message,
                    "No messages in the names of JUnit's tests");
  command->add_flag("--github-hide-passed", flags->github_hide_passed,
                    "No groups for files that pass, with -o github");
  command->footer("Example: bulwark rego test-config -p policy/ Dockerfile main.tf");
  command->callback([=, &env, &exit_code] {
    auto done = TestConfig(*flags, env).Run();
    exit_code = done ? *done : 1;
    if (!done) env.err("Error: " + done.error().ToString() + "\n");
  });
}

}  // namespace bulwark::regocli
