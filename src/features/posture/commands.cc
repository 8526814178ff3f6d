#include "features/posture/commands.h"

#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <stop_token>
#include <thread>

#include "base/files.h"
#include "base/text.h"
#include "base/time.h"
#include "features/posture/case_runner.h"
#include "features/posture/check_set.h"
#include "features/posture/cluster_source.h"
#include "features/posture/exceptions.h"
#include "features/posture/fix.h"
#include "features/posture/inspection.h"
#include "features/posture/rego_checks.h"
#include "features/posture/source.h"
#include "features/posture/watch.h"
#include "features/posture/watch_sink.h"
#include "formats/json.h"
#include "formats/yaml.h"
#include "kube/schema.h"
#include "model/output/output.h"
#include "platform/process.h"

namespace bulwark::posture {

namespace {

// An option that may be given several times, with one value each: it takes no path after it.
template <typename... Args>
CLI::Option* AddRepeatable(CLI::App& command, Args&&... args) {
  return command.add_option(std::forward<Args>(args)...)->allow_extra_args(false);
}

Result<Severity> ReadSeverity(std::string_view option, const std::string& word,
                              std::string_view other = "") {
  if (auto severity = ParseSeverity(word)) return *severity;
  return Error(
      Code::kInvalid,
      fmt::format("{}: no such severity: {}; there are critical, high, medium, low, info{}", option,
                  word, other));
}

Result<Language> ReadLanguage(const std::string& word, Language otherwise) {
  if (word.empty()) return otherwise;
  if (word.starts_with("en") || word.starts_with("zh")) return ParseLanguage(word);
  return Error(Code::kInvalid, fmt::format("--language: en or zh, not {}", word));
}

// What both `inspect` and `checks` take to say which checks there are.
struct CheckChoice {
  std::vector<std::string> folders, only, skip, categories;
  std::string params, min_severity = "info", framework;

  void AddOptions(CLI::App& command) {
    AddRepeatable(command, "--checks", folders,
                  "Folder or file with checks of your own (repeatable)")
        ->type_name("DIR");
    AddRepeatable(command, "--only", only, "Run only these checks: ids, * matches (repeatable)")
        ->type_name("ID");
    AddRepeatable(command, "--skip", skip, "Leave out these checks (repeatable)")->type_name("ID");
    AddRepeatable(
        command, "--category", categories,
        "Only health, image, network, resources, security, access or secrets (repeatable)");
    command
        .add_option("--params", params,
                    "YAML file with settings of checks: {check: {setting: value}}")
        ->type_name("FILE");
    command.add_option("--min-severity", min_severity, "Leave out checks below this severity")
        ->capture_default_str();
    command.add_option("--framework", framework,
                       "Only checks of this framework, grouped by its controls");
  }

  Result<CheckSet> Load(bool with_cases = false) const {
    CheckSet set = BW_TRY(CheckSet::BuiltIn(with_cases));
    for (const std::string& folder : folders) BW_TRY(set.AddFolder(folder));
    if (!params.empty()) {
      Arena arena;
      std::string text = BW_TRY(ReadFile(params));
      auto root = ParseYaml(text, arena);
      if (!root) return std::move(root).error().While("--params " + params);
      if (!root->IsMap() && !root->IsNull()) {
        return Error(
            Code::kInvalid,
            fmt::format("--params {}: expected a map {{check: {{setting: value}}}}", params));
      }
      auto set_params = set.SetParams(*root);
      if (!set_params) return std::move(set_params).error().While("--params " + params);
    }
    Severity floor = BW_TRY(ReadSeverity("--min-severity", min_severity));
    for (const std::string& category : categories) {
      if (std::none_of(std::begin(kCategories), std::end(kCategories),
                       [&](const Category& c) { return c.id == category; })) {
        std::string known;
        for (const Category& c : kCategories) {
          known += fmt::format("{}{}", known.empty() ? "" : ", ", c.id);
        }
        return Error(Code::kInvalid, fmt::format("--category: no such category: {}; there are {}",
                                                 category, known));
      }
    }
    if (!framework.empty() && std::none_of(set.frameworks().begin(), set.frameworks().end(),
                                           [&](const Framework& f) { return f.id == framework; })) {
      std::string known;
      for (const Framework& f : set.frameworks()) known += (known.empty() ? "" : ", ") + f.id;
      return Error(Code::kInvalid, fmt::format("--framework: no such framework: {}; there are {}",
                                               framework, known));
    }
    for (const auto* patterns : {&only, &skip}) {
      for (const std::string& pattern : *patterns) {
        if (std::none_of(set.checks().begin(), set.checks().end(),
                         [&](const Check& c) { return GlobMatch(pattern, c.info.id, '\0'); })) {
          return Error(
              Code::kInvalid,
              fmt::format("no check matches {}; `bulwark checks list` names them", pattern));
        }
      }
    }
    auto matches = [](const std::vector<std::string>& patterns, const std::string& id) {
      return std::any_of(patterns.begin(), patterns.end(),
                         [&](const std::string& p) { return GlobMatch(p, id, '\0'); });
    };
    set.Filter([&](const Check& c) {
      if (c.info.severity < floor) return false;
      if (!only.empty() && !matches(only, c.info.id)) return false;
      if (matches(skip, c.info.id)) return false;
      if (!framework.empty() && !c.info.controls.contains(framework)) return false;
      return categories.empty() ||
             std::find(categories.begin(), categories.end(), c.info.category) != categories.end();
    });
    return set;
  }
};

Result<std::vector<kube::PodTemplatePath>> ParseTemplates(const std::vector<std::string>& texts) {
  std::vector<kube::PodTemplatePath> out;
  for (const std::string& text : texts) {
    auto parts = Cut(text, "=");
    auto path = parts ? ParsePath(parts->second) : std::nullopt;
    if (!path || path->empty()) {
      return Error(
          Code::kInvalid,
          fmt::format("--template: expected KIND.GROUP=path.of.podtemplate, not {}", text));
    }
    auto kind = Cut(parts->first, ".");
    kube::PodTemplatePath made{std::string(kind ? kind->first : parts->first),
                               kind ? std::string(kind->second) : "*", *path, *path};
    made.meta.push_back(PathStep::Key("metadata"));
    made.spec.push_back(PathStep::Key("spec"));
    out.push_back(std::move(made));
  }
  return out;
}

// The lines of source files, for columns in SARIF; one file at a time is kept.
std::function<std::optional<std::string>(const std::string&, uint32_t)> SourceLines() {
  struct Last {
    std::string file, text;
    std::vector<std::string_view> lines;
  };
  return [last = std::make_shared<Last>()](const std::string& file,
                                           uint32_t line) -> std::optional<std::string> {
    if (file != last->file) {
      last->file = file;
      last->text = ReadFile(file).value_or("");
      last->lines = SplitLines(last->text);
    }
    if (line == 0 || line > last->lines.size()) return std::nullopt;
    return std::string(last->lines[line - 1]);
  };
}

// Paths as a shell takes them.
std::string ShellWords(const std::vector<std::string>& paths) {
  std::string out;
  for (const std::string& path : paths) {
    bool plain = path.find_first_of(" \t\n\"'`$&|;<>()*?[]{}#!~\\") == std::string::npos;
    if (!out.empty()) out += ' ';
    out += plain ? path : "'" + ReplaceAll(path, "'", "'\\''") + "'";
  }
  return out;
}

// A stop token that SIGINT and SIGTERM trigger, for as long as this lives. Threads started
// meanwhile leave the signals to it.
class StopOnSignal {
 public:
  StopOnSignal() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &signals_, &old_);
    waiter_ = std::jthread([this](const std::stop_token& end) {
      timespec step{.tv_sec = 0, .tv_nsec = 100'000'000};
      while (!end.stop_requested()) {
        if (::sigtimedwait(&signals_, nullptr, &step) > 0) source_.request_stop();
      }
    });
  }
  ~StopOnSignal() {
    waiter_.request_stop();
    waiter_.join();
    ::pthread_sigmask(SIG_SETMASK, &old_, nullptr);
  }
  std::stop_token token() const { return source_.get_token(); }

 private:
  sigset_t signals_, old_;
  std::stop_source source_;
  std::jthread waiter_;
};

// What `inspect --cluster` takes.
struct ClusterChoice {
  std::string kubeconfig, context, selector, sink;
  std::vector<std::string> namespaces;
  bool cluster = false, watch = false, secrets = false;

  void AddOptions(CLI::App& command) {
    auto* on = command.add_flag("--cluster", cluster, "Inspect the objects of a cluster");
    auto of_cluster = [&](CLI::Option* option) { return option->needs(on); };
    of_cluster(command.add_option("--kubeconfig", kubeconfig,
                                  "Kubeconfig (default: $KUBECONFIG, ~/.kube/config, or the pod's "
                                  "service account)"))
        ->type_name("FILE");
    of_cluster(command.add_option("--context", context, "Context of the kubeconfig"));
    of_cluster(AddRepeatable(command, "-n,--namespace", namespaces,
                             "Only this namespace of the cluster (repeatable)"));
    of_cluster(command.add_option("-l,--selector", selector,
                                  "Only objects with such labels, such as app=web,tier!=test"));
    of_cluster(command.add_flag("--secret-contents", secrets,
                                "Read what Secrets hold, too (default: their metadata and type)"));
    auto* on_watch = of_cluster(command.add_flag(
        "--watch", watch, "Go on, and write a JSON line whenever a finding opens or closes"));
    command
        .add_option("--sink", sink,
                    "Where --watch writes: - (standard output), a file to append to, or a URL")
        ->needs(on_watch);
  }

  Result<kube::Client> Connect(const Env& env) const {
    kube::Config config = BW_TRY(
        kube::LoadConfig({.path = kubeconfig, .context = context, .variable = env.variable}));
    auto run = [](const kube::ProgramCall& call) -> Result<kube::ProgramOutput> {
      auto ran = BW_TRY(RunProcess(
          call.argv, {.max_output_bytes = size_t{1} << 20, .environment = call.environment}));
      return kube::ProgramOutput{ran.exit_code, std::move(ran.out), std::move(ran.err)};
    };
    return kube::Client::Connect(std::move(config), {.run = run});
  }

  ClusterOptions Options(const std::vector<kube::PodTemplatePath>& templates,
                         const std::stop_token& stop) const {
    return {.namespaces = namespaces,
            .label_selector = selector,
            .templates = templates,
            .secret_contents = secrets,
            .stop = stop};
  }
};

struct Inspect {
  CheckChoice choice;
  ClusterChoice cluster;
  std::vector<std::string> paths, templates, helm_values, rego;
  std::string format = "table", output, exceptions, baseline, kubernetes, fail_on = "high", fix,
              language;
  unsigned threads = 0;
  bool strict = false, all = false, show_excepted = false;

  void AddOptions(CLI::App& command) {
    command.add_option("PATH", paths,
                       "Files, folders, Kustomize folders, Helm charts, or - for standard input");
    cluster.AddOptions(command);
    choice.AddOptions(command);
    command.add_option("-o,--format", format, "table, json, sarif, junit, html, markdown or csv")
        ->capture_default_str();
    command.add_option("--output", output, "Write to this file instead of standard output")
        ->type_name("FILE");
    command.add_option(
        "--kubernetes", kubernetes,
        "Target version, such as 1.31 (default: the newest known, or the cluster's)");
    command.add_option("--exceptions", exceptions, "File with exceptions")->type_name("FILE");
    command
        .add_option("--baseline", baseline,
                    "An earlier report (json): marks what is new, and fails only on that")
        ->type_name("FILE");
    command
        .add_option("--fail-on", fail_on, "Exit 1 on findings of this severity or worse, or never")
        ->capture_default_str();
    // A flag, so that it takes no path for its value.
    command.add_flag("--fix{diff}", fix,
                     "--fix=diff prints a patch of the source files, --fix=write changes them");
    AddRepeatable(command, "--template", templates,
                  "Where a custom resource has its pod template: KIND.GROUP=spec.template")
        ->type_name("KIND=PATH");
    AddRepeatable(command, "--helm-values", helm_values, "Values file for Helm charts")
        ->type_name("FILE");
    AddRepeatable(command, "--rego", rego,
                  "Folder or file with checks in Rego: rules deny, violation and warn (repeatable)")
        ->type_name("DIR");
    command.add_option("--language", language, "en or zh (default: of the environment)");
    command.add_option("--threads", threads, "Workers (default: one a processor)");
    command.add_flag("--strict", strict, "Exit 2 if anything could not be read");
    command.add_flag("--all", all, "Show every finding, not only the first of many alike");
    command.add_flag("--show-excepted", show_excepted, "Show excepted findings, too");
  }

  Result<int> Run(Env& env) const {
    if (paths.empty() && !cluster.cluster) {
      return Error(Code::kInvalid,
                   "nothing to inspect: name files or folders, - for standard input, or --cluster");
    }
    auto wanted = output::ParseFormat(format);
    if (!wanted) return Error(Code::kInvalid, fmt::format("--format: no such format: {}", format));
    Severity threshold = fail_on == "never"
                             ? Severity::kUnknown
                             : BW_TRY(ReadSeverity("--fail-on", fail_on, ", or never"));
    BW_TRY(CheckFix());
    BW_TRY(ReadLanguage(language, env.language));
    CheckSet checks = BW_TRY(choice.Load());
    Exceptions excepted;
    int64_t now =
        std::chrono::duration_cast<std::chrono::seconds>(env.now().time_since_epoch()).count();
    if (!exceptions.empty()) {
      std::string text = BW_TRY(ReadFile(exceptions));
      excepted = BW_TRY(Exceptions::Parse(text, exceptions, now));
    }
    InspectOptions options;
    options.threads = threads;
    options.check.exceptions = &excepted;
    options.check.templates = BW_TRY(ParseTemplates(templates));
    if (!rego.empty()) {
      auto loaded = RegoChecks::Load(rego);
      if (!loaded) return std::move(loaded).error().While("--rego");
      options.rego = *std::move(loaded);
    }
    if (!kubernetes.empty()) {
      auto minor = kube::ParseMinorVersion(kubernetes);
      if (!minor)
        return Error(Code::kInvalid,
                     fmt::format("--kubernetes: not a version such as 1.31: {}", kubernetes));
      options.check.kubernetes_minor = *minor;
    }

    if (cluster.cluster) return RunCluster(env, checks, options, *wanted, threshold, now);
    Inspection inspection(checks, options);
    AddPaths(inspection, env, paths, {.helm_values = helm_values});
    return Deliver(env, checks, options, *wanted, threshold,
                   Conclude(inspection, now, ShellWords(paths)));
  }

  Result<> CheckFix() const {
    if (fix.empty()) return Ok{};
    if (fix != "diff" && fix != "write") {
      return Error(Code::kInvalid, fmt::format("--fix takes diff or write, not {}", fix));
    }
    if (std::all_of(paths.begin(), paths.end(), [](const std::string& p) { return p == "-"; })) {
      return Error(Code::kInvalid, "--fix changes files; standard input and clusters have none");
    }
    if (format != "table") {
      return Error(Code::kInvalid, "--fix prints a patch instead of a report; leave out --format");
    }
    if (fix == "write" && !output.empty()) {
      return Error(Code::kInvalid, "--output is for --fix=diff; --fix=write changes the sources");
    }
    return Ok{};
  }

  static Report Conclude(Inspection& inspection, int64_t now, std::string target) {
    Report report = inspection.Finish();
    report.tool_version = BULWARK_VERSION;
    report.started = FormatRfc3339({now, 0});
    report.target = std::move(target);
    // What has no source file (rendered text, standard input, a cluster) has nothing to change.
    std::string_view last;
    bool is_file = false;
    for (size_t i = 0; i < report.findings.size(); ++i) {
      if (!report.findings.IsFixable(i)) continue;
      std::string_view file = report.findings.FileOf(i);
      if (file != last) {
        std::error_code ignored;
        is_file = std::filesystem::is_regular_file(file, ignored);
        last = file;
      }
      if (!is_file) report.findings.SetFixable(i, false);
    }
    return report;
  }

  Result<int> RunCluster(Env& env, const CheckSet& checks, InspectOptions options,
                         output::Format wanted, Severity threshold, int64_t now) const {
    if (!paths.empty()) return Error(Code::kInvalid, "--cluster and paths exclude each other");
    StopOnSignal signals;
    kube::Client client = BW_TRY(cluster.Connect(env));
    ClusterIdentity who = IdentifyCluster(client);
    options.check.cluster = who.uid;
    if (kubernetes.empty() && who.minor) options.check.kubernetes_minor = *who.minor;
    ClusterOptions what = cluster.Options(options.check.templates, signals.token());
    options.whole_cluster = what.Whole();

    if (cluster.watch) {
      auto sink = BW_TRY(OpenSink(cluster.sink, env.out));
      std::stop_source stop;
      std::stop_callback forward(signals.token(), [&] { stop.request_stop(); });
      WatchOptions watch {
        .cluster = what, .language = BW_TRY(ReadLanguage(language, env.language))
      };
      BW_TRY(WatchCluster(
          checks, options, client, watch,
          [&](std::string_view line) {
            sink->Write(line);
            if (!sink->Check()) stop.request_stop();
          },
          stop.get_token()));
      BW_TRY(sink->Check());
      return kClean;
    }

    Inspection inspection(checks, options);
    auto progress = [&](const std::string& reading, uint64_t objects) {
      env.err(fmt::format(
          "\r\x1b[K{} objects; {}", objects,
          TruncateToWidth(reading, static_cast<size_t>(std::max(20, env.columns - 24)))));
    };
    auto added = AddCluster(inspection, checks, client, what,
                            env.err_is_terminal ? ClusterProgress(progress) : nullptr);
    if (env.err_is_terminal) env.err("\r\x1b[K");
    if (!added) return std::move(added).error();
    const kube::Config& config = client.config();
    return Deliver(
        env, checks, options, wanted, threshold,
        Conclude(inspection, now,
                 fmt::format("{} ({})", config.context, net::UrlForMessages(config.server))));
  }

  // What every source has in common: baseline, fixes, output, exit code.
  Result<int> Deliver(Env& env, const CheckSet& checks, const InspectOptions& options,
                      output::Format wanted, Severity threshold, Report report) const {
    if (!baseline.empty()) {
      auto known = output::ReadBaseline(BW_TRY(ReadFile(baseline)));
      if (!known) return std::move(known).error().While("--baseline " + baseline);
      output::MarkNew(report.findings, *known);
    }
    if (!fix.empty() || wanted == output::Format::kSarif) {
      BW_TRY(AddFixes(checks, options, report));
    }
    output::OutputOptions how;
    how.language = BW_TRY(ReadLanguage(language, env.language));
    how.color = env.color && output.empty();
    how.columns = env.columns;
    how.framework = choice.framework;
    how.show_excepted = show_excepted;
    how.all = all;
    how.baseline = !baseline.empty();
    how.line_of = SourceLines();

    if (!fix.empty()) {
      BW_TRY(DeliverFixes(env, report));
    } else if (output.empty()) {
      output::Write(wanted, report, how, env.out);
    } else {
      std::string text;
      output::Write(wanted, report, how, [&](std::string_view part) { text += part; });
      BW_TRY(WriteFileAtomic(output, text, 0644));
    }
    return ExitCodeOf(report, threshold);
  }

  Result<> DeliverFixes(Env& env, const Report& report) const {
    std::string patch;
    size_t closed = 0;
    for (const FileFix& change : report.fixes) {
      patch += change.diff;
      if (fix == "write") BW_TRY(WriteFix(change));
      closed += change.findings.size();
    }
    if (!output.empty()) {
      BW_TRY(WriteFileAtomic(output, patch, 0644));
    } else if (fix == "diff") {
      env.out(patch);
    }
    for (const Unread& unread : report.unread) {
      env.Complain(fmt::format("could not be read: {}: {}", unread.what, unread.error));
    }
    for (const std::string& warning : report.warnings) env.Complain(warning);
    env.err(fmt::format("{} of {} findings {} in {} {}\n", closed, report.total.failed,
                        fix == "write" ? "fixed" : "can be fixed", report.fixes.size(),
                        report.fixes.size() == 1 ? "file" : "files"));
    return Ok{};
  }

  int ExitCodeOf(const Report& report, Severity threshold) const {
    if (!report.unread.empty() && (strict || report.objects == 0)) return kUsage;
    if (fail_on == "never") return kClean;
    std::set<std::string> fixed;  // what --fix=write has just put right
    if (fix == "write") {
      for (const FileFix& change : report.fixes) {
        fixed.insert(change.findings.begin(), change.findings.end());
      }
    }
    for (size_t i = 0; i < report.findings.size(); ++i) {
      if (report.findings.StatusOf(i) != Status::kFail || report.findings.IsExcused(i)) continue;
      if (report.findings.SeverityOf(i) < threshold) continue;
      if (!baseline.empty() && !report.findings[i].is_new) continue;
      if (!fixed.empty() && fixed.contains(report.findings[i].id)) continue;
      return kFindings;
    }
    return kClean;
  }
};

int Finish(Env& env, const Result<int>& done) {
  if (done) return *done;
  env.Complain(done.error().ToString());
  return done.error().code() == Code::kInternal ? kInternal : kUsage;
}

Result<int> ListChecks(Env& env, const CheckChoice& choice, const std::string& format) {
  CheckSet set = BW_TRY(choice.Load());
  if (format == "json") {
    Arena arena;
    std::vector<Value> all;
    for (const Check& c : set.checks()) {
      MapBuilder controls(arena);
      for (const auto& [framework, ids] : c.info.controls) {
        std::vector<Value> list;
        for (const std::string& id : ids) list.push_back(Value::String(id));
        controls.Add(Value::String(framework), Value::Array(arena, list));
      }
      auto text = [&](const Text& t) {
        return MapBuilder(arena)
            .Add("en", Value::String(t.en))
            .Add("zh", Value::String(t.zh))
            .Finish();
      };
      all.push_back(MapBuilder(arena)
                        .Add("id", Value::String(c.info.id))
                        .Add("severity", Value::String(SeverityName(c.info.severity)))
                        .Add("category", Value::String(c.info.category))
                        .Add("title", text(c.info.title))
                        .Add("description", text(c.info.description))
                        .Add("why", text(c.info.why))
                        .Add("remedy", text(c.info.remedy))
                        .Add("fix", Value::Bool(c.info.has_fix))
                        .Add("controls", controls.Finish())
                        .Finish());
    }
    env.out(
        ToJson(MapBuilder(arena).Add("checks", Value::Array(arena, all)).Finish(), {.indent = 2}) +
        "\n");
    return kClean;
  }
  if (format != "table") {
    return Error(Code::kInvalid, fmt::format("--format takes table or json, not {}", format));
  }
  size_t width = 0, fixes = 0;
  for (const Check& c : set.checks()) width = std::max(width, c.info.id.size());
  for (const Check& c : set.checks()) {
    fixes += c.info.has_fix;
    env.out(TruncateToWidth(fmt::format("{:<8} {:<9} {:<{}} {} {}", SeverityName(c.info.severity),
                                        c.info.category, c.info.id, width,
                                        c.info.has_fix ? "F" : " ", c.info.title.In(env.language)),
                            env.out_is_terminal ? static_cast<size_t>(env.columns) : SIZE_MAX) +
            "\n");
  }
  env.out(fmt::format("{} checks, {} with a fix (F)\n", set.checks().size(), fixes));
  return kClean;
}

Result<int> ShowCheck(Env& env, const CheckChoice& choice, const std::string& id) {
  CheckSet set = BW_TRY(choice.Load());
  const Check* c = set.Find(id);
  if (c == nullptr) {
    std::vector<std::string_view> ids;
    for (const Check& other : set.checks()) ids.push_back(other.info.id);
    std::string_view meant = DidYouMean(id, ids);
    return Error(Code::kNotFound,
                 fmt::format("there is no check {}{}", id,
                             meant.empty() ? "" : fmt::format("; did you mean {}?", meant)));
  }
  bool zh = env.language == Language::kChinese;
  std::string out = fmt::format("{}\n{}\n\n", c->info.id, c->info.title.In(env.language));
  auto line = [&](std::string_view en, std::string_view chinese, const std::string& text) {
    if (!text.empty()) out += fmt::format("{}: {}\n", zh ? chinese : en, text);
  };
  line("Severity", "严重程度", std::string(SeverityName(c->info.severity)));
  line("Category", "类别", c->info.category);
  line("What", "检查内容", c->info.description.In(env.language));
  line("Why", "风险", c->info.why.In(env.language));
  line("Remedy", "修复建议", c->info.remedy.In(env.language));
  for (const auto& [framework, controls] : c->info.controls) {
    out += fmt::format("{}: {}\n", framework, fmt::join(controls, ", "));
  }
  if (c->params.size() > 0) line("Settings", "参数", ToJson(c->params));
  if (c->since > 0 || c->until < 999) {
    line("Kubernetes", "Kubernetes",
         fmt::format("{}{}", c->since > 0 ? fmt::format("from 1.{} ", c->since) : "",
                     c->until < 999 ? fmt::format("to 1.{}", c->until) : ""));
  }
  line("Fails when (CEL)", "失败条件 (CEL)", "\n  " + ReplaceAll(c->fail, "\n", "\n  "));
  if (!c->when.empty()) line("Applies when (CEL)", "适用条件 (CEL)", c->when);
  line("Fix", "修复", c->info.has_fix ? "bulwark inspect --fix=diff" : "");
  env.out(out);
  return kClean;
}

Result<int> TestChecks(Env& env, const CheckChoice& choice) {
  CheckSet set = BW_TRY(choice.Load(/*with_cases=*/true));
  CaseResults results = RunCases(set);
  for (const std::string& failure : results.failures) env.out("FAIL " + failure + "\n");
  size_t checks = set.checks().size();
  env.out(fmt::format("{} {}, {} cases: {} passed, {} failed\n", checks,
                      checks == 1 ? "check" : "checks", results.passed + results.failures.size(),
                      results.passed, results.failures.size()));
  return results.failures.empty() ? kClean : kFindings;
}

}  // namespace

void AddCommands(CLI::App& app, Env& env, int& exit_code) {
  CLI::App* inspect = app.add_subcommand("inspect", "Inspect Kubernetes objects");
  inspect->footer(
      "Example: bulwark inspect k8s/ --fail-on high --format sarif --output report.sarif");
  auto run = std::make_shared<Inspect>();
  run->AddOptions(*inspect);
  inspect->callback([run, &env, &exit_code] { exit_code = Finish(env, run->Run(env)); });

  CLI::App* checks = app.add_subcommand("checks", "List, explain and test checks");
  checks->require_subcommand(1);
  checks->footer("Example: bulwark checks show privileged-container");
  auto choice = std::make_shared<CheckChoice>();
  auto format = std::make_shared<std::string>("table");
  CLI::App* list = checks->add_subcommand("list", "Every check, a line each");
  choice->AddOptions(*list);
  list->add_option("-o,--format", *format, "table or json")->capture_default_str();
  list->footer("Example: bulwark checks list --category network");
  list->callback(
      [=, &env, &exit_code] { exit_code = Finish(env, ListChecks(env, *choice, *format)); });
  auto id = std::make_shared<std::string>();
  CLI::App* show = checks->add_subcommand("show", "What a check looks for, and why");
  show->add_option("ID", *id, "The check")->required();
  choice->AddOptions(*show);
  show->footer("Example: bulwark checks show privileged-container");
  show->callback([=, &env, &exit_code] { exit_code = Finish(env, ShowCheck(env, *choice, *id)); });
  CLI::App* test = checks->add_subcommand("test", "Run the cases that stand beside checks");
  choice->AddOptions(*test);
  test->footer("Example: bulwark checks test --checks my-checks/");
  test->callback([=, &env, &exit_code] { exit_code = Finish(env, TestChecks(env, *choice)); });
}

}  // namespace bulwark::posture
