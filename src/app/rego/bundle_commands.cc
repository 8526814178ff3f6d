// bulwark rego build, exec, capabilities: commands on bundles, and what they may use.

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "app/rego/output.h"
#include "app/rego/subcommands.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"
#include "crypto/random.h"
#include "formats/json.h"
#include "lang/rego/ast/format.h"
#include "lang/rego/check/types.h"
#include "lang/rego/resolve/resolve.h"

namespace bulwark::regocli {

namespace {

// --- build ---------------------------------------------------------------------------------------

struct BuildFlags {
  Common common;
  std::vector<std::string> paths, entrypoints, exclude;
  std::string output = "bundle.tar.gz", revision, target = "rego", signing_key, signing_plugin,
              algorithm = "RS256", verification_key, key_id = "default", scope, claims,
              name_space = "partial";
  bool bundle = false, debug = false, prune = false, follow = false;
  int optimize = 0;
  CLI::Option* revision_option = nullptr;
};

// The secret itself, or what is in the file of that name.
Result<std::string> KeyOf(const std::string& key) {
  if (key.starts_with("-----BEGIN")) return key;
  struct stat info{};
  if (::stat(key.c_str(), &info) != 0) return key;
  return ReadFile(key, size_t{1} << 20);
}

int64_t VersionOf(rego::Dialect dialect) {
  switch (dialect) {
    case rego::Dialect::kV0: return 0;
    case rego::Dialect::kV2: return 2;
    default: return 1;
  }
}

class Builder {
 public:
  Builder(const BuildFlags& flags, Env& env) : flags_(flags), env_(env) {}

  Result<> Run() {
    if (flags_.target != "rego") {
      return Error(Code::kUnsupported,
                   fmt::format("invalid target \"{}\": only rego is supported", flags_.target));
    }
    if (!flags_.signing_plugin.empty()) {
      return Error(Code::kUnsupported,
                   fmt::format("no signer exists under id {}", flags_.signing_plugin));
    }
    if (!flags_.bundle) {
      if (!flags_.signing_key.empty() || !flags_.verification_key.empty()) {
        return Error(Code::kInvalid,
                     "enable bundle mode (ie. --bundle) to verify or sign bundle files or "
                     "directories");
      }
      for (const std::string& path : flags_.paths) {
        struct stat info{};
        if (::stat((path + "/.manifest").c_str(), &info) != 0) continue;
        env_.err(
            fmt::format("Warning: .manifest file found in {} but -b flag not specified. "
                        "Manifest will be ignored.\n",
                        Quote(path)));
      }
    }
    for (const std::string& entrypoint : flags_.entrypoints) {
      if (entrypoint.empty() || entrypoint.starts_with('/')) {
        return Error(Code::kInvalid,
                     fmt::format("entrypoint {} not valid: use <package>/<rule>", entrypoint));
      }
    }
    if (flags_.bundle) {
      BW_TRY(LoadBundles());
    } else {
      BW_TRY(LoadFiles());
    }
    BW_TRY(Compile());
    for (rego::BundleModule& module : bundle_.modules) BW_TRY(Format(module));
    if (flags_.revision_option->count() > 0) bundle_.manifest.revision = flags_.revision;
    if (!flags_.signing_key.empty()) BW_TRY(Sign());
    return WriteFileAtomic(flags_.output, BW_TRY(rego::WriteBundle(bundle_, /*by_path=*/false)),
                           0644);
  }

 private:
  Error LoadFailed(const Error& error) {
    return Error(error.code(), "load error: " + error.ToString());
  }

  Result<> LoadFiles() {
    rego::LoadOptions options = flags_.common.Loading();
    options.skip = [](std::string_view path, bool folder, size_t) {
      return !folder && path.ends_with(".tar.gz");
    };
    auto loaded = rego::LoadPaths(flags_.paths, options);
    if (!loaded) return LoadFailed(loaded.error());
    bundle_.data = loaded->documents.CopyTo(*bundle_.arena);
    for (auto& module : loaded->modules) {
      std::string path = module->file, text = module->text;
      bundle_.modules.push_back({path, path, "", text, std::move(module)});
    }
    bundle_.manifest.rego_version = static_cast<int>(VersionOf(flags_.common.dialect()));
    bundle_.manifest.roots = {""};
    return Ok{};
  }

  Result<> LoadBundles() {
    rego::BundleOptions options = flags_.common.BundleLoading();
    options.skip_verify = false;
    if (!flags_.verification_key.empty()) {
      options.verify.emplace();
      options.verify->scope = flags_.scope;
      options.verify->exclude = flags_.exclude;
      options.verify->keys[flags_.key_id] = {
        .key = BW_TRY(KeyOf(flags_.verification_key)),
        .algorithm = flags_.algorithm,
        .scope = flags_.scope
      };
    }
    std::vector<std::string> paths = flags_.paths;
    std::sort(paths.begin(), paths.end());
    std::vector<rego::Bundle> bundles;
    for (const std::string& path : paths) {
      auto bundle = rego::LoadBundle(path, options);
      if (!bundle) return LoadFailed(bundle.error());
      bundles.push_back(*std::move(bundle));
    }
    std::vector<const rego::Bundle*> views;
    for (const rego::Bundle& bundle : bundles) views.push_back(&bundle);
    if (auto roots = rego::CheckRoots(views); !roots) {
      return Error(Code::kInvalid, "bundle merge failed: " + roots.error().ToString());
    }
    int fallback = static_cast<int>(VersionOf(flags_.common.dialect()));
    rego::DataTree data;
    if (bundles.size() == 1) {
      bundle_.manifest = bundles.front().manifest;
      bundle_.manifest.metadata = bundle_.manifest.metadata.CopyTo(*bundle_.arena);
      bundle_.manifest.wasm = bundle_.manifest.wasm.CopyTo(*bundle_.arena);
      if (!bundle_.manifest.rego_version) bundle_.manifest.rego_version = fallback;
      if (!bundle_.manifest.roots) bundle_.manifest.roots = {""};
    } else {
      bundle_.manifest.rego_version = fallback;
      bundle_.manifest.roots.emplace();
      for (const rego::Bundle& bundle : bundles) {
        for (const std::string& root : bundle.manifest.RootsOrAll()) {
          bundle_.manifest.roots->push_back(root);
        }
      }
    }
    std::map<std::string, int> versions;
    for (rego::Bundle& bundle : bundles) {
      data.Insert({}, bundle.data.CopyTo(*bundle_.arena));
      for (rego::BundleModule& module : bundle.modules) {
        int version = static_cast<int>(VersionOf(module.parsed->base_dialect));
        // Modules are found under their URLs in what is written.
        if (version != *bundle_.manifest.rego_version) {
          versions[module.url.starts_with('/') ? module.url : "/" + module.url] = version;
        }
        bundle_.modules.push_back(std::move(module));
      }
      for (rego::BundleFile& file : bundle.others) bundle_.others.push_back(std::move(file));
      kept_.push_back(std::move(bundle.arena));
    }
    bundle_.manifest.file_rego_versions = versions;
    bundle_.data = data.Finish(*bundle_.arena);
    return Ok{};
  }

  // What is packaged must compile.
  Result<> Compile() {
    std::vector<std::unique_ptr<rego::Module>> modules;
    bool declared = !flags_.entrypoints.empty();
    for (const rego::BundleModule& module : bundle_.modules) {
      rego::ParseOptions parse;
      parse.dialect = module.parsed->base_dialect;
      auto again = rego::ParseModule(module.path, module.text, parse);
      if (!again) return Error(Code::kInvalid, "load error: " + again.error().message());
      for (const rego::Annotations* annotation : (*again)->annotations) {
        declared = declared || annotation->entrypoint;
      }
      modules.push_back(*std::move(again));
    }
    if (flags_.optimize > 0 && !declared) {
      return Error(Code::kInvalid, "bundle optimizations require at least one entrypoint");
    }
    rego::CompileOptions options = BW_TRY(Compiling(flags_.common, *bundle_.arena));
    auto policy = rego::Policy::Compile(std::move(modules), options);
    if (!policy) return Error(Code::kInvalid, policy.error().message());
    return Ok{};
  }

  static Result<> Format(rego::BundleModule& module) {
    rego::FormatOptions options;
    rego::Dialect dialect = module.parsed->base_dialect;
    options.source = options.lowest = options.highest = dialect;
    if (dialect != rego::Dialect::kV0) options.highest = std::max(dialect, module.parsed->dialect);
    auto text = rego::FormatSource(module.path, module.text, options);
    if (!text) return Error(Code::kInvalid, text.error().message());
    module.text = *std::move(text);
    return Ok{};
  }

  Result<> Sign() {
    rego::Signing signing {
      .key = BW_TRY(KeyOf(flags_.signing_key))
      , .algorithm = flags_.algorithm, .key_id = flags_.claims.empty() ? flags_.key_id : "",
          .claims = {}
    };
    if (!flags_.claims.empty()) {
      std::string text = BW_TRY(ReadFile(flags_.claims, size_t{1} << 20));
      signing.claims = BW_TRY(ParseJson(bundle_.arena->Copy(text), *bundle_.arena));
    }
    bundle_.signatures = { BW_TRY(rego::SignBundle(bundle_, signing, /*by_path=*/false)) };
    return Ok{};
  }

  const BuildFlags& flags_;
  Env& env_;
  rego::Bundle bundle_;
  std::vector<std::unique_ptr<Arena>> kept_;
};

// --- exec ----------------------------------------------------------------------------------------

struct ExecFlags {
  Common common;
  std::vector<std::string> paths, set, set_file;
  std::string decision, format = "json", config, timeout, log_level, log_format, log_time;
  bool fail = false, fail_defined = false, fail_non_empty = false, stdin_input = false;
};

// Now, to the second.
std::string TimeOf(const Env& env) {
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(env.now().time_since_epoch());
  return FormatRfc3339({seconds.count(), 0});
}

std::string RandomId() {
  std::string bytes = crypto::RandomBytes(16);
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
  std::string hex = HexEncode(bytes);
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

class Executor {
 public:
  Executor(const ExecFlags& flags, Env& env) : flags_(flags), env_(env) {}

  Result<> Run() {
    if (!flags_.stdin_input && flags_.paths.empty()) {
      return Error(Code::kInvalid, "requires at least 1 path arg, or the --stdin-input flag");
    }
    if (!flags_.config.empty() || !flags_.set.empty() || !flags_.set_file.empty()) {
      return Error(Code::kUnsupported,
                   "--config-file, --set and --set-file are not supported: name bundles with -b");
    }
    if (flags_.fail && flags_.fail_defined) {
      return Error(Code::kInvalid, "exec error: specify --fail or --fail-defined but not both");
    }
    if (flags_.fail_non_empty && (flags_.fail || flags_.fail_defined)) {
      return Error(Code::kInvalid, fmt::format("exec error: specify --fail-non-empty or {} but not "
                                               "both",
                                               flags_.fail ? "--fail" : "--fail-defined"));
    }
    BW_TRY(Load());
    if (flags_.stdin_input) {
      std::string text = BW_TRY(env_.read_stdin(kMaxInput));
      auto input = rego::ParseDocument(arena_.Copy(text), arena_);
      if (!input) return std::move(input).error().While("exec error");
      Decide("--stdin-input", *input);
    }
    for (const std::string& path : flags_.paths) BW_TRY(Walk(path));
    env_.out(GoJson(MapBuilder(arena_).Add("result", Value::Array(arena_, results_)).Finish(), 2) +
             "\n");
    if (failures_ + errors_ == 0) return Ok{};
    return Error(Code::kInvalid,
                 fmt::format("exec error: there were {} failures and {} errors counted in the "
                             "results list, and --{} is set",
                             failures_, errors_,
                             flags_.fail           ? "fail"
                             : flags_.fail_defined ? "fail-defined"
                                                   : "fail-non-empty"));
  }

 private:
  Result<> Load() {
    Failure failure;
    if (!LoadSources(flags_.common, {}, flags_.common.bundles, sources_, failure)) {
      return Error(Code::kInvalid, "runtime error: " + failure.text);
    }
    auto options = BW_TRY(Compiling(flags_.common, arena_));
    auto policy = rego::Policy::Compile(std::move(sources_.modules), options);
    if (!policy) return Error(Code::kInvalid, "runtime error: " + policy.error().message());
    policy_ = *std::move(policy);
    path_ = flags_.decision.empty() ? "/system/main" : flags_.decision;
    std::string_view path = path_;
    while (path.starts_with('/')) path.remove_prefix(1);
    std::string query = "data";
    for (std::string_view part : Split(path, '/')) {
      query += '[';
      AppendJsonString(query, part);
      query += ']';
    }
    auto prepared = policy_->Prepare(query);
    if (!prepared) return Error(Code::kInvalid, "exec error: " + prepared.error().message());
    query_ = *std::move(prepared);
    if (!flags_.timeout.empty()) {
      auto nanos = ParseGoDuration(flags_.timeout);
      if (!nanos) return Error(Code::kInvalid, "--timeout: not a duration: " + flags_.timeout);
      limits_.time = std::chrono::nanoseconds(*nanos);
    }
    return Ok{};
  }

  Result<> Walk(const std::string& path) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) {
      return Error(Code::kNotFound,
                   fmt::format("exec error: lstat {}: no such file or directory", path));
    }
    for (const std::string& file : BW_TRY(WalkFiles(path, {.hidden = true}))) {
      constexpr std::array<std::string_view, 3> kKnown = {".json", ".yaml", ".yml"};
      if (std::none_of(kKnown.begin(), kKnown.end(),
                       [&](std::string_view end) { return file.ends_with(end); })) {
        continue;
      }
      auto input = ReadInput(file, arena_);
      if (input) {
        Decide(file, *input);
        continue;
      }
      Fail(file, {}, input.error().ToString());
      if (flags_.fail || flags_.fail_defined || flags_.fail_non_empty) ++errors_;
    }
    return Ok{};
  }

  void Fail(const std::string& path, std::string_view code, const std::string& message) {
    MapBuilder error(arena_);
    if (!code.empty()) error.Add("code", Value::String(arena_, code));
    error.Add("message", Value::String(arena_, message));
    results_.push_back(MapBuilder(arena_)
                           .Add("path", Value::String(arena_, path))
                           .Add("error", error.Finish())
                           .Finish());
  }

  void Decide(const std::string& path, const Value& input) {
    CliHost host(env_, [&](std::string_view line) { env_.err(std::string(line) + "\n"); });
    rego::EvalOptions options;
    options.input = &input;
    options.data = &sources_.data;
    options.host = &host;
    options.limits = limits_;
    auto value = query_->EvaluateOne(options, arena_);
    if (!value) {
      Fail(path, value.error().id(), value.error().message());
      if (flags_.fail_defined || flags_.fail_non_empty) ++errors_;
      return;
    }
    if (!*value) {
      Fail(path, "opa_undefined_error", path_ + " decision was undefined");
      if (flags_.fail) ++errors_;
      return;
    }
    Value result = Plain(**value, arena_);
    results_.push_back(MapBuilder(arena_)
                           .Add("decision_id", Value::String(arena_, RandomId()))
                           .Add("path", Value::String(arena_, path))
                           .Add("result", result)
                           .Finish());
    if (flags_.fail_defined || (flags_.fail && result.IsNull())) ++failures_;
    if (flags_.fail_non_empty && !(result.IsArray() && result.empty())) ++failures_;
  }

  const ExecFlags& flags_;
  Env& env_;
  Arena arena_;
  Sources sources_;
  std::shared_ptr<const rego::Policy> policy_;
  std::shared_ptr<const rego::PreparedQuery> query_;
  rego::EvalLimits limits_;
  std::string path_;
  std::vector<Value> results_;
  size_t failures_ = 0, errors_ = 0;
};

}  // namespace

// --- capabilities --------------------------------------------------------------------------------

std::string CapabilitiesJson(bool v0) {
  Arena arena;
  rego::TypeFactory types(arena);
  std::vector<Value> builtins;
  for (const rego::Builtin* builtin : rego::Registry::Standard().all()) {
    MapBuilder out(arena);
    out.Add("name", Value::String(builtin->name));
    auto type = rego::ParseType(builtin->type, types);
    if (type) out.Add("decl", rego::TypeToJson(*type, arena, /*names=*/true));
    if (!builtin->infix.empty()) out.Add("infix", Value::String(builtin->infix));
    if (builtin->relation) out.Add("relation", Value::Bool(true));
    if (builtin->nondeterministic) out.Add("nondeterministic", Value::Bool(true));
    if (builtin->deprecated) out.Add("deprecated", Value::Bool(true));
    builtins.push_back(out.Finish());
  }
  auto list = [&](std::initializer_list<std::string_view> names) {
    std::vector<Value> out;
    for (std::string_view name : names) out.push_back(Value::String(name));
    return Value::Array(arena, out);
  };
  MapBuilder out(arena);
  out.Add("builtins", Value::Array(arena, builtins));
  out.Add("future_keywords", v0 ? list({"and", "contains", "every", "if", "in", "not", "or"})
                                : list({"and", "not", "or"}));
  out.Add(
      "features",
      v0 ? list({"keywords_in_refs", "rego_v1_import", "rego_v2", "rego_v2_import",
                 "rule_head_ref_string_prefixes", "rule_head_refs", "template_strings"})
         : list({"keywords_in_refs", "rego_v1", "rego_v2", "rego_v2_import", "template_strings"}));
  return GoJson(out.Finish(), 2);
}

void AddBuild(CLI::App& group, Env& env, int& exit_code) {
  auto flags = std::make_shared<BuildFlags>();
  CLI::App* command = group.add_subcommand("build", "Package policies and data as a bundle");
  command->add_option("PATH", flags->paths, "Files and folders; with -b, bundles to merge");
  command->add_flag("-b,--bundle", flags->bundle, "Paths are bundles");
  command->add_option("-o,--output", flags->output, "Where the bundle is written")
      ->type_name("FILE")
      ->capture_default_str();
  flags->revision_option =
      command->add_option("-r,--revision", flags->revision, "The bundle's revision");
  AddMany(*command, "-e,--entrypoint", flags->entrypoints, "What will be asked: package/rule");
  command->add_option("-O,--optimize", flags->optimize,
                      "For scripts: policies are optimised where they run");
  command->add_option("-t,--target", flags->target, "rego")->capture_default_str();
  command->add_option("--signing-key", flags->signing_key,
                      "Sign with this secret, or the private key in this PEM file");
  command->add_option("--signing-alg", flags->algorithm, "HS256, RS256, PS256, ES256 … EdDSA")
      ->capture_default_str();
  command->add_option("--signing-plugin", flags->signing_plugin, "Not supported");
  command->add_option("--claims-file", flags->claims, "Further claims of the signature")
      ->type_name("FILE");
  command->add_option("--verification-key", flags->verification_key,
                      "Check signatures with this secret or public key (PEM file)");
  command->add_option("--verification-key-id", flags->key_id, "What that key is called")
      ->capture_default_str();
  command->add_option("--scope", flags->scope, "Scope that a signature must have");
  AddMany(*command, "--exclude-files-verify", flags->exclude, "Files that need no signature");
  command->add_option("--partial-namespace", flags->name_space, "For scripts: of --optimize");
  command->add_flag("--debug", flags->debug, "For scripts: has no effect");
  command->add_flag("--prune-unused", flags->prune, "For scripts: of --optimize");
  command->add_flag("--follow-symlinks", flags->follow, "For scripts: has no effect");
  AddIgnore(*command, flags->common);
  AddCapabilitiesOption(*command, flags->common);
  AddVersions(*command, flags->common);
  command->footer("Example: bulwark rego build -b policy/ -r v1 -o bundle.tar.gz");
  command->callback([=, &env, &exit_code] {
    if (flags->paths.empty()) {
      exit_code = WrongUsage(env, "expected at least one path");
      return;
    }
    auto built = Builder(*flags, env).Run();
    exit_code = built ? 0 : 1;
    if (!built) env.out("error: " + built.error().ToString() + "\n");
  });
}

void AddExec(CLI::App& group, Env& env, int& exit_code) {
  auto flags = std::make_shared<ExecFlags>();
  CLI::App* command = group.add_subcommand("exec", "Ask for a decision on each of many files");
  command->add_option("PATH", flags->paths, "Files and folders with JSON and YAML");
  AddMany(*command, "-b,--bundle", flags->common.bundles, "Bundle, a file or a folder")
      ->type_name("PATH");
  command->add_option("--decision", flags->decision, "What is asked: package/rule");
  command->add_flag("-I,--stdin-input", flags->stdin_input, "Read the input from standard input");
  command->add_flag("--fail", flags->fail, "Exit with 1 where a decision is undefined");
  command->add_flag("--fail-defined", flags->fail_defined, "Exit with 1 where one is defined");
  command->add_flag("--fail-non-empty", flags->fail_non_empty, "Exit with 1 where one has items");
  command->add_option("-f,--format", flags->format, "json")
      ->check(CLI::IsMember({"json"}))
      ->capture_default_str();
  command->add_option("--timeout", flags->timeout, "Give up a decision after that long");
  command->add_option("-c,--config-file", flags->config, "Not supported");
  AddMany(*command, "--set", flags->set, "Not supported");
  AddMany(*command, "--set-file", flags->set_file, "Not supported");
  command->add_option("-l,--log-level", flags->log_level, "For scripts: has no effect");
  command->add_option("--log-format", flags->log_format, "For scripts: has no effect");
  command->add_option("--log-timestamp-format", flags->log_time, "For scripts: has no effect");
  AddVersions(*command, flags->common);
  command->footer("Example: bulwark rego exec -b bundle.tar.gz --decision authz/allow inputs/");
  command->callback([=, &env, &exit_code] {
    auto done = Executor(*flags, env).Run();
    exit_code = done ? 0 : 1;
    if (!done) {
      Arena arena;
      env.err(ToJson(MapBuilder(arena)
                         .Add("err", Value::String(arena, done.error().ToString()))
                         .Add("level", Value::String("error"))
                         .Add("msg", Value::String("Unexpected error."))
                         .Add("time", Value::String(arena, TimeOf(env)))
                         .Finish()) +
              "\n");
    }
  });
}

void AddCapabilities(CLI::App& group, Env& env, int& exit_code) {
  struct Flags {
    std::string version, file;
    bool current = false, v0 = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = group.add_subcommand("capabilities", "Print what policies may use");
  command->add_flag("--current", flags->current, "Of this version");
  command->add_option("--version", flags->version, "Of that version: v1.22.2");
  command->add_option("--file", flags->file, "Of a capabilities file")->type_name("FILE");
  command->add_flag("--v0-compatible", flags->v0, "Of Rego v0");
  command->footer("Example: bulwark rego capabilities --current");
  command->callback([=, &env, &exit_code] {
    std::string known = fmt::format("v{}", kOpaVersion);
    if (!flags->version.empty() && flags->version != known) {
      exit_code = WrongUsage(env, "no capabilities version found " + flags->version);
    } else if (!flags->file.empty()) {
      Arena arena;
      auto text = ReadFile(flags->file, size_t{16} << 20);
      auto value = text ? ParseJson(*text, arena) : Result<Value>(text.error());
      if (!value) {
        exit_code = WrongUsage(env, value.error().ToString());
        return;
      }
      env.out(GoJson(*value, 2) + "\n");
    } else if (flags->current || !flags->version.empty()) {
      env.out(CapabilitiesJson(flags->v0) + "\n");
    } else {
      env.out(known + "\n");
    }
  });
}

}  // namespace bulwark::regocli
