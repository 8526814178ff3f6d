// bulwark rego check, fmt, parse, deps: commands on the text of policies.

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "app/rego/output.h"
#include "app/rego/subcommands.h"
#include "app/rego/tree_text.h"
#include "base/files.h"
#include "base/text.h"
#include "formats/diff.h"
#include "lang/rego/ast/ast_json.h"
#include "lang/rego/ast/format.h"
#include "lang/rego/ast/parser.h"
#include "lang/rego/check/check.h"
#include "lang/rego/check/deps.h"
#include "lang/rego/resolve/resolve.h"

namespace bulwark::regocli {

namespace {

std::string ErrorsJson(const Failure& failure) {
  Arena arena;
  return GoJson(MapBuilder(arena).Add("errors", failure.ToValue(arena)).Finish(), 2);
}

// --- check ---------------------------------------------------------------------------------------

struct CheckFlags {
  Common common;
  std::vector<std::string> paths;
  std::string format = "pretty";
  bool bundle = false, both = false;
};

std::optional<Failure> CheckPaths(const CheckFlags& flags) {
  Arena arena;
  auto options = Compiling(flags.common, arena);
  if (!options) return Failure::Of(options.error());
  std::vector<std::unique_ptr<rego::Module>> modules;
  std::vector<std::unique_ptr<Arena>> kept;
  std::vector<rego::Problem> problems;
  rego::Dialect dialect = flags.both ? rego::Dialect::kV0CompatV1 : flags.common.dialect();
  if (flags.bundle) {
    for (const std::string& path : flags.paths) {
      rego::BundleOptions loading = flags.common.BundleLoading();
      loading.parse.dialect = dialect;
      auto bundle = rego::LoadBundle(path, loading, &problems);
      if (!bundle) {
        if (problems.empty()) return Failure::Of(bundle.error());
        Failure failure = Failure::Of(problems);
        failure.text = bundle.error().ToString();
        return failure;
      }
      for (auto& module : bundle->modules) modules.push_back(std::move(module.parsed));
      kept.push_back(std::move(bundle->arena));
    }
  } else {
    rego::LoadOptions loading = flags.common.Loading();
    loading.parse.dialect = dialect;
    loading.skip = [](std::string_view path, bool folder, size_t) {
      return !folder && !path.ends_with(".rego");
    };
    auto loaded = rego::LoadPaths(flags.paths, loading, &problems);
    if (!loaded) return Failure::Of(problems);
    modules = std::move(loaded->modules);
    kept.push_back(std::move(loaded->arena));
  }
  std::vector<rego::Diagnostic> diagnostics;
  auto policy = rego::Policy::Compile(std::move(modules), *options, &diagnostics);
  if (policy) return std::nullopt;
  return diagnostics.empty() ? Failure::Of(policy.error()) : Failure::Of(diagnostics);
}

int Check(const CheckFlags& flags, Env& env) {
  if (flags.paths.empty()) return WrongUsage(env, "specify at least one file");
  auto failure = CheckPaths(flags);
  if (!failure) return 0;
  env.err((flags.format == "json" ? ErrorsJson(*failure) : failure->text) + "\n");
  return 1;
}

// --- fmt -----------------------------------------------------------------------------------------

struct FmtFlags {
  std::vector<std::string> paths;
  std::string capabilities;
  bool write = false, list = false, diff = false, fail = false, both = false, v0 = false,
       v1 = false, check_result = true, drop_imports = false;

  rego::FormatOptions Options() const {
    rego::FormatOptions options;
    options.drop_imports = drop_imports;
    if (both) {
      options.source = v1 ? rego::Dialect::kV1 : rego::Dialect::kV0;
      options.lowest = rego::Dialect::kV0;
    } else if (v0) {
      options.source = options.lowest = options.highest = rego::Dialect::kV0;
    }
    return options;
  }
};

class Formatter {
 public:
  Formatter(const FmtFlags& flags, Env& env) : flags_(flags), env_(env) {}

  int Run() {
    if (flags_.paths.empty()) return FormatStdin();
    for (const std::string& named : flags_.paths) {
      std::string path = rego::CleanPath(named);
      struct stat info{};
      if (::lstat(path.c_str(), &info) != 0) {
        env_.err(fmt::format("lstat {}: no such file or directory\n", path));
        return 1;
      }
      auto files = WalkFiles(path, {.hidden = true});
      if (!files) {
        env_.err(files.error().ToString() + "\n");
        return 1;
      }
      for (const std::string& file : *files) {
        if (!file.ends_with(".rego")) continue;
        if (auto wrong = FormatFile(file)) {
          env_.err(*wrong + "\n");
          return 2;
        }
      }
    }
    return 0;
  }

 private:
  int FormatStdin() {
    auto text = env_.read_stdin(kMaxInput);
    auto formatted = text ? rego::FormatSource("stdin", *text, flags_.Options())
                          : Result<std::string>(text.error());
    if (!formatted) {
      env_.err(formatted.error().ToString() + "\n");
      return 1;
    }
    env_.out(*formatted);
    return 0;
  }

  // What went wrong.
  std::optional<std::string> FormatFile(const std::string& path) {
    auto text = ReadFile(path, kMaxInput);
    if (!text) return "failed to open file: " + text.error().ToString();
    auto formatted = rego::FormatSource(path, *text, flags_.Options());
    if (!formatted) {
      return "failed to format Rego source file: " + formatted.error().message();
    }
    if (flags_.check_result) {
      rego::ParseOptions parse;
      parse.dialect = flags_.both ? rego::Dialect::kV0CompatV1 : flags_.Options().lowest;
      if (auto again = rego::ParseModule("formatted", *formatted, parse); !again) {
        return fmt::format(
            "{} was successfully formatted, but the result is invalid: {}\n\nTo inspect the "
            "formatted Rego, you can turn off this check with --check-result=false.",
            path, again.error().message());
      }
    }
    bool changed = *text != *formatted;
    constexpr const char* kUnexpected = "unexpected diff";
    if (flags_.fail && !flags_.list && !flags_.diff && changed) return kUnexpected;
    if (flags_.list || flags_.diff) {
      if (!changed) return std::nullopt;
      env_.out(flags_.list ? path + "\n"
                           : UnifiedDiff(*text, *formatted, {.old_name = path, .new_name = path}));
      return flags_.fail ? std::optional<std::string>(kUnexpected) : std::nullopt;
    }
    if (!flags_.write) {
      env_.out(*formatted);
    } else if (changed) {
      if (auto written = WriteFileAtomic(path, *formatted); !written) {
        return "failed to open file for writing: " + written.error().ToString();
      }
    }
    return std::nullopt;
  }

  const FmtFlags& flags_;
  Env& env_;
};

// --- parse ---------------------------------------------------------------------------------------

struct ParseFlags {
  Common common;
  std::vector<std::string> paths;
  std::string format = "pretty", include;
};

int Parse(const ParseFlags& flags, Env& env) {
  if (flags.paths.empty()) return WrongUsage(env, "no source file specified");
  rego::AstJsonOptions tree;
  for (std::string_view option : Split(flags.include, ',')) {
    bool yes = !option.starts_with('-');
    if (option.ends_with("locations")) tree.locations = yes;
    if (option.ends_with("comments")) tree.comments = yes;
  }
  auto fail = [&](const Failure& failure) {
    env.err(ErrorsJson(failure) + "\n");
    return 1;
  };
  std::string path = rego::CleanPath(flags.paths.front());
  auto text = ReadFile(path, kMaxInput);
  if (!text) {
    return fail(Failure::Of(text.error().code() == Code::kNotFound
                                ? fmt::format("open {}: no such file or directory", path)
                                : text.error().ToString()));
  }
  rego::ParseOptions options;
  options.dialect = flags.common.dialect();
  std::vector<rego::Diagnostic> diagnostics;
  auto module = rego::ParseModule(path, *std::move(text), options, &diagnostics);
  if (!module) {
    return fail(diagnostics.empty() ? Failure::Of(module.error()) : Failure::Of(diagnostics));
  }
  if (flags.format == "json") {
    Arena arena;
    env.out(rego::AstJsonText(rego::ModuleJson(**module, arena, tree)) + "\n");
  } else {
    env.out(TreeText(**module, tree.comments));
  }
  return 0;
}

// --- deps ----------------------------------------------------------------------------------------

struct DepsFlags {
  Common common;
  std::vector<std::string> query;
  std::string format = "pretty";
};

// "data.a[0].b" as OPA's JSON of a reference.
Value RefJson(const std::string& text, Arena& arena) {
  auto query = rego::ParseQuery(text, {});
  std::vector<Value> parts;
  auto add = [&](std::string_view type, const Value& value) {
    parts.push_back(
        MapBuilder(arena).Add("type", Value::String(type)).Add("value", value).Finish());
  };
  if (query && (*query)->body.size() == 1 && (*query)->body[0]->term != nullptr) {
    const rego::Term& term = *(*query)->body[0]->term;
    if (term.kind == rego::TermKind::kVar) add("var", Value::String(arena, term.name));
    for (size_t i = 0; i < term.items.size(); ++i) {
      const rego::Term& item = *term.items[i];
      if (item.kind == rego::TermKind::kVar) {
        add("var", Value::String(arena, item.name));
      } else {
        std::string_view type = rego::TypeName(item.value);
        add(type, item.value.CopyTo(arena));
      }
    }
  }
  return Value::Array(arena, parts);
}

int Deps(const DepsFlags& flags, Env& env) {
  if (flags.query.size() != 1) return WrongUsage(env, "specify exactly one query argument");
  auto fail = [&](const std::string& text) {
    env.err(text + "\n");
    return 1;
  };
  Failure failure;
  Sources sources;
  if (!LoadSources(flags.common, flags.common.data, flags.common.bundles, sources, failure)) {
    return fail(failure.text);
  }
  rego::Resolution policy;
  rego::PolicyTypes types;
  std::vector<rego::Diagnostic> diagnostics;
  rego::ResolveModules(std::move(sources.modules), {}, policy, diagnostics);
  rego::CheckPolicy(policy, {}, types, diagnostics);
  if (!diagnostics.empty()) return fail(rego::DiagnosticsText(diagnostics));
  rego::ParseOptions parse;
  parse.dialect = flags.common.dialect();
  auto query = rego::ParseQuery(flags.query.front(), parse);
  if (!query) return fail(query.error().message());
  rego::ResolvedQuery resolved;
  rego::ResolveQuery(policy, *std::move(query), {}, resolved, diagnostics);
  rego::CheckQuery(policy, types, resolved, {}, diagnostics);
  if (!diagnostics.empty()) return fail(rego::DiagnosticsText(diagnostics));
  rego::Dependencies found = rego::QueryDependencies(policy, resolved);
  if (flags.format == "json") {
    Arena arena;
    MapBuilder out(arena);
    auto add = [&](std::string_view name, const std::vector<std::string>& refs) {
      if (refs.empty()) return;
      std::vector<Value> list;
      for (const std::string& ref : refs) list.push_back(RefJson(ref, arena));
      out.Add(name, Value::Array(arena, list));
    };
    add("base", found.base);
    add("virtual", found.virtual_documents);
    env.out(GoJson(out.Finish(), 2) + "\n");
    return 0;
  }
  Table table;
  std::vector<const std::vector<std::string>*> columns;
  if (!found.base.empty()) {
    table.header.emplace_back("BASE DOCUMENTS");
    columns.push_back(&found.base);
  }
  if (!found.virtual_documents.empty()) {
    table.header.emplace_back("VIRTUAL DOCUMENTS");
    columns.push_back(&found.virtual_documents);
  }
  size_t rows = 0;
  for (const auto* column : columns) rows = std::max(rows, column->size());
  for (size_t i = 0; i < rows; ++i) {
    std::vector<std::string>& row = table.rows.emplace_back();
    for (const auto* column : columns) row.push_back(i < column->size() ? (*column)[i] : "");
  }
  if (rows > 0) env.out(table.Render());
  return 0;
}

}  // namespace

void AddCheck(CLI::App& group, Env& env, int& exit_code) {
  auto flags = std::make_shared<CheckFlags>();
  CLI::App* command = group.add_subcommand("check", "Check policies for errors");
  command->add_option("PATH", flags->paths, "Files and folders with policies");
  command->add_option("-f,--format", flags->format, "pretty or json")
      ->check(CLI::IsMember({"pretty", "json"}))
      ->capture_default_str();
  command->add_flag("-S,--strict", flags->common.strict, "Unused variables and imports, too");
  command->add_flag("-b,--bundle", flags->bundle, "Paths are bundles");
  command->add_flag("--v0-v1,--rego-v1", flags->both, "Policies must be valid as v0 and as v1");
  command->add_option("-m,--max-errors", flags->common.max_errors, "Errors that are shown")
      ->capture_default_str();
  AddIgnore(*command, flags->common);
  AddCapabilitiesOption(*command, flags->common);
  AddSchema(*command, flags->common);
  AddVersions(*command, flags->common);
  command->footer("Example: bulwark rego check --strict policy/");
  command->callback([=, &env, &exit_code] { exit_code = Check(*flags, env); });
}

void AddFmt(CLI::App& group, Env& env, int& exit_code) {
  auto flags = std::make_shared<FmtFlags>();
  CLI::App* command = group.add_subcommand("fmt", "Format policies");
  command->add_option("PATH", flags->paths, "Files and folders (default: standard input)");
  command->add_flag("-w,--write", flags->write, "Write the files instead of standard output");
  command->add_flag("-l,--list", flags->list, "Only name the files that would change");
  command->add_flag("-d,--diff", flags->diff, "Only show what would change");
  command->add_flag("--fail", flags->fail, "Exit with 2 where a file would change");
  command->add_flag("--v0-v1,--rego-v1", flags->both, "Make v0 policies valid as v1, too");
  command->add_flag("--v0-compatible", flags->v0, "Policies are Rego v0, and stay so");
  command->add_flag("--v1-compatible", flags->v1, "Policies are Rego v1 (the default)");
  command->add_flag("--check-result,!--no-check-result", flags->check_result,
                    "Parse the result again");
  command->add_flag("--drop-v0-imports", flags->drop_imports,
                    "Leave out imports of rego.v1 and future.keywords");
  command->add_option("--capabilities", flags->capabilities, "For scripts: has no effect");
  command->footer("Example: bulwark rego fmt -l policy/");
  command->callback([=, &env, &exit_code] { exit_code = Formatter(*flags, env).Run(); });
}

void AddParse(CLI::App& group, Env& env, int& exit_code) {
  auto flags = std::make_shared<ParseFlags>();
  CLI::App* command = group.add_subcommand("parse", "Print the syntax tree of a policy");
  command->add_option("PATH", flags->paths, "The file");
  command->add_option("-f,--format", flags->format, "pretty or json")
      ->check(CLI::IsMember({"pretty", "json"}))
      ->capture_default_str();
  command->add_option("--json-include", flags->include,
                      "What JSON has beside the tree: locations, -comments");
  AddVersions(*command, flags->common);
  command->footer("Example: bulwark rego parse -f json policy.rego");
  command->callback([=, &env, &exit_code] { exit_code = Parse(*flags, env); });
}

void AddDeps(CLI::App& group, Env& env, int& exit_code) {
  auto flags = std::make_shared<DepsFlags>();
  CLI::App* command =
      group.add_subcommand("deps", "Print which documents and rules a query depends on");
  command->add_option("QUERY", flags->query, "The query");
  AddData(*command, flags->common);
  command->add_option("-f,--format", flags->format, "pretty or json")
      ->check(CLI::IsMember({"pretty", "json"}))
      ->capture_default_str();
  AddIgnore(*command, flags->common);
  AddVersions(*command, flags->common);
  command->footer("Example: bulwark rego deps -d policy/ data.authz.allow");
  command->callback([=, &env, &exit_code] { exit_code = Deps(*flags, env); });
}

}  // namespace bulwark::regocli
