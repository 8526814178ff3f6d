#include "app/rego/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/files.h"
#include "base/text.h"
#include "formats/json.h"

namespace bulwark::regocli {

namespace {

// A diagnostic's details as OPA has them: of the parser, the line and the place in it; else text.
Value Details(const rego::Diagnostic& diagnostic, Arena& arena, std::string_view query) {
  if (diagnostic.details.empty()) return {};
  if (diagnostic.code != "rego_parse_error") {
    return Value::String(arena, Join(std::span(diagnostic.details), "\n"));
  }
  // The details have the line without its tabs.
  std::string text =
      diagnostic.file.empty() ? std::string(query) : ReadFile(diagnostic.file).value_or("");
  auto lines = SplitLines(text);
  std::string_view line = diagnostic.at.row > 0 && diagnostic.at.row <= lines.size()
                              ? lines[diagnostic.at.row - 1]
                              : std::string_view(diagnostic.details.front());
  return MapBuilder(arena)
      .Add("line", Value::String(arena, line))
      .Add("idx", Value::Int(std::max<int64_t>(0, int64_t{diagnostic.at.column} - 1)))
      .Finish();
}

OutputError ErrorOf(const rego::Diagnostic& diagnostic, Arena& arena, std::string_view query) {
  return {.message = diagnostic.message,
          .code = diagnostic.code,
          .has_location = diagnostic.at.row != 0,
          .file = diagnostic.file,
          .row = diagnostic.at.row,
          .column = diagnostic.at.column,
          .details = Details(diagnostic, arena, query),
          .text = diagnostic.ToString()};
}

std::string_view ArgOf(const Error& error, std::string_view name) {
  for (const Error::Arg& arg : error.args()) {
    if (arg.name == name) return arg.value;
  }
  return {};
}

uint32_t Number(std::string_view text) {
  uint32_t out = 0;
  for (char c : text) out = out * 10 + static_cast<uint32_t>(c - '0');
  return out;
}

}  // namespace

Failure Failure::Of(std::string text) {
  Failure failure;
  failure.errors.push_back({.message = text, .text = text});
  failure.text = std::move(text);
  return failure;
}

Failure Failure::Of(const Error& error) { return Of(error.ToString()); }

Failure Failure::Of(const std::vector<rego::Diagnostic>& diagnostics, std::string_view query) {
  Failure failure;
  for (const auto& diagnostic : diagnostics) {
    failure.errors.push_back(ErrorOf(diagnostic, *failure.arena, query));
  }
  failure.text = rego::DiagnosticsText(diagnostics);
  return failure;
}

Failure Failure::Of(const std::vector<rego::Problem>& problems) {
  Failure failure;
  for (const rego::Problem& problem : problems) {
    if (problem.diagnostic) {
      failure.errors.push_back(ErrorOf(*problem.diagnostic, *failure.arena, {}));
    } else {
      failure.errors.push_back({.message = problem.text, .text = problem.text});
    }
  }
  failure.text = rego::LoadError(problems).message();
  return failure;
}

Failure Failure::OfEvaluation(const Error& error, std::string_view query) {
  if (!error.id().starts_with("eval_")) return Of(error);
  Failure failure;
  OutputError out{.message = std::string(ArgOf(error, "message")), .code = error.id()};
  if (out.message.empty()) out.message = error.message();
  out.has_location = true;
  out.file = ArgOf(error, "file");
  out.row = Number(ArgOf(error, "row"));
  out.column = Number(ArgOf(error, "column"));
  out.text = error.message();
  if (out.row == 0) {
    // In the query itself.
    out.row = out.column = 1;
    out.text = fmt::format("{}: {}: {}", Trim(query), out.code, out.message);
  }
  failure.text = out.text;
  failure.errors.push_back(std::move(out));
  return failure;
}

std::string Failure::Listed() const {
  std::string out = errors.size() == 1 ? "1 error occurred: "
                                       : fmt::format("{} errors occurred:\n", errors.size());
  for (size_t i = 0; i < errors.size(); ++i) {
    if (i > 0) out += '\n';
    out += errors[i].text;
  }
  return out;
}

Value Failure::ToValue(Arena& to) const {
  std::vector<Value> list;
  for (const OutputError& error : errors) {
    MapBuilder out(to);
    out.Add("message", Value::String(to, error.message));
    if (!error.code.empty()) out.Add("code", Value::String(to, error.code));
    if (error.has_location) {
      out.Add("location", MapBuilder(to)
                              .Add("file", Value::String(to, error.file))
                              .Add("row", Value::Int(error.row))
                              .Add("col", Value::Int(error.column))
                              .Finish());
    }
    if (!error.details.IsNull()) out.Add("details", error.details.CopyTo(to));
    list.push_back(out.Finish());
  }
  return Value::Array(to, list);
}

std::vector<std::string> Common::IgnoredNames() const {
  std::vector<std::string> out;
  for (const std::string& list : ignore) {
    for (std::string_view name : Split(list, ',')) out.emplace_back(name);
  }
  return out;
}

rego::LoadOptions Common::Loading() const {
  rego::LoadOptions options;
  options.parse.dialect = dialect();
  options.ignore = IgnoredNames();
  return options;
}

rego::BundleOptions Common::BundleLoading() const {
  rego::BundleOptions options;
  options.parse.dialect = dialect();
  options.ignore = IgnoredNames();
  options.skip_verify = true;
  return options;
}

bool LoadSources(const Common& common, const std::vector<std::string>& paths,
                 const std::vector<std::string>& bundles, Sources& sources, Failure& failure) {
  rego::DataTree tree;
  std::vector<rego::Problem> problems;
  if (!paths.empty()) {
    auto loaded = rego::LoadPaths(paths, common.Loading(), &problems);
    if (!loaded) {
      failure = problems.empty() ? Failure::Of(loaded.error()) : Failure::Of(problems);
      return false;
    }
    sources.modules = std::move(loaded->modules);
    tree.Insert({}, loaded->documents);
    sources.more.push_back(std::move(loaded->arena));
  }
  std::vector<rego::Bundle> read;
  std::set<std::string> seen;
  for (const std::string& path : bundles) {
    if (!seen.insert(path).second) continue;  // named twice
    auto bundle = rego::LoadBundle(path, common.BundleLoading(), &problems);
    if (!bundle) {
      if (problems.empty()) {
        failure = Failure::Of(bundle.error());
      } else {
        failure = Failure::Of(problems);
        failure.text = bundle.error().ToString();
      }
      return false;
    }
    read.push_back(*std::move(bundle));
  }
  std::vector<const rego::Bundle*> views;
  for (const rego::Bundle& bundle : read) views.push_back(&bundle);
  if (auto roots = rego::CheckRoots(views); !roots) {
    failure = Failure::Of(roots.error());
    return false;
  }
  for (rego::Bundle& bundle : read) {
    std::vector<std::string> conflict;
    if (!tree.Insert({}, bundle.data, &conflict)) {
      failure = Failure::Of(fmt::format("bundle {}: conflicting values at data.{}", bundle.name,
                                        fmt::join(conflict, ".")));
      return false;
    }
    for (rego::BundleModule& module : bundle.modules) {
      sources.modules.push_back(std::move(module.parsed));
    }
    sources.more.push_back(std::move(bundle.arena));
  }
  sources.data = tree.Finish(*sources.arena);
  return true;
}

Result<rego::CompileOptions> Compiling(const Common& common, Arena& arena) {
  rego::CompileOptions options;
  options.strict = common.strict;
  options.error_limit = static_cast<size_t>(std::max(common.max_errors, 0));
  if (!common.schema.empty()) {
    options.schemas = BW_TRY(rego::LoadSchemas(common.schema, arena));
    // One file is the input's.
    for (auto& [path, schema] : options.schemas) {
      if (path == "schema") path = "input";
    }
  }
  if (!common.capabilities.empty()) {
    options.allowed_builtins = BW_TRY(AllowedBuiltins(common.capabilities));
  }
  return options;
}

int64_t CliHost::NowNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(env_.now().time_since_epoch())
      .count();
}

Value CliHost::Runtime(Arena& arena) {
  return MapBuilder(arena)
      .Add("env", Value::EmptyMap())
      .Add("version", Value::String(kOpaVersion))
      .Finish();
}

void CliHost::Print(std::string_view text, std::string_view) {
  if (print_) print_(text);
}

Result<Value> ReadInput(const std::string& path, Arena& arena) {
  auto text = ReadFile(rego::CleanPath(path), kMaxInput);
  if (!text) {
    if (text.error().code() == Code::kNotFound) {
      return Error(Code::kNotFound, fmt::format("open {}: no such file or directory", path));
    }
    return std::move(text).error();
  }
  return rego::ParseDocument(arena.Copy(*text), arena);
}

Result<std::vector<std::string>> AllowedBuiltins(const std::string& file_or_version) {
  if (file_or_version == fmt::format("v{}", kOpaVersion)) return std::vector<std::string>();
  auto text = ReadFile(file_or_version, size_t{16} << 20);
  if (!text) {
    return Error(Code::kNotFound,
                 fmt::format("no such file or capabilities version found: {}", file_or_version));
  }
  Arena arena;
  auto value = ParseJson(*text, arena, {.duplicate_keys = true});
  if (!value) return std::move(value).error().While(file_or_version);
  std::vector<std::string> out;
  for (const Value& builtin : (*value)["builtins"].items()) {
    out.emplace_back(builtin.StringAt("name"));
  }
  // A file that allows nothing allows something that no policy can call.
  if (out.empty()) out.emplace_back();
  return out;
}

}  // namespace bulwark::regocli
