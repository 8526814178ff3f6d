#include "features/posture/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "base/text.h"
#include "platform/process.h"

namespace bulwark::posture {

namespace fs = std::filesystem;

namespace {

bool IsManifest(const fs::path& file) {
  std::string extension = AsciiLower(file.extension().string());
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

bool IsKustomization(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "kustomization.yaml", ignored) ||
         fs::exists(folder / "kustomization.yml", ignored) ||
         fs::exists(folder / "Kustomization", ignored);
}

bool IsChart(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "Chart.yaml", ignored);
}

class Paths {
 public:
  Paths(Inspection& inspection, const Env& env, const SourceOptions& options)
      : inspection_(inspection), env_(env), options_(options) {}

  void Add(const std::string& path) {
    if (path == "-") return AddStdin();
    std::error_code error;
    fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) return Fail(path, "no such file or folder");
    if (!fs::is_directory(status)) return AddFile(path, /*lenient=*/false);
    if (IsChart(path)) return Render(path, "helm", HelmCommand(path));
    if (IsKustomization(path)) return Render(path, "kubectl", {Kubectl(), "kustomize", path});
    AddFolder(path);
  }

 private:
  void Fail(const std::string& what, std::string error) {
    inspection_.AddUnread({what, {.file = what}, std::move(error)});
  }

  void AddStdin() {
    auto text = env_.read_stdin(options_.max_stdin_bytes);
    if (!text) return Fail("-", text.error().ToString());
    inspection_.AddText(*std::move(text), "-");
  }

  void AddFile(const std::string& path, bool lenient) {
    // Not mapped: a file that shrinks meanwhile must not end the process.
    auto text = ReadFile(path);
    if (!text) return Fail(path, text.error().ToString());
    inspection_.AddText(*std::move(text), path, lenient);
  }

  void AddFolder(const std::string& path) {
    auto files = WalkFiles(path, {}, [&](const Error& error) { Fail(path, error.ToString()); });
    if (!files) return Fail(path, files.error().ToString());
    // A chart's templates are no YAML before they are rendered: the chart is rendered as a whole.
    std::vector<std::string> charts;
    for (const std::string& file : *files) {
      if (fs::path(file).filename() == "Chart.yaml")
        charts.push_back(fs::path(file).parent_path().string());
    }
    auto in_chart = [&](const std::string& file, const std::vector<std::string>& all) {
      return std::any_of(all.begin(), all.end(),
                         [&](const std::string& chart) { return file.starts_with(chart + "/"); });
    };
    for (const std::string& chart : charts) {
      if (!in_chart(chart, charts)) Render(chart, "helm", HelmCommand(chart));
    }
    for (const std::string& file : *files) {
      if (IsManifest(file) && !in_chart(file, charts)) AddFile(file, /*lenient=*/true);
    }
  }

  std::string Kubectl() const { return env_.variable("KUBECTL").value_or("kubectl"); }

  std::vector<std::string> HelmCommand(const std::string& chart) const {
    std::vector<std::string> command = {env_.variable("HELM").value_or("helm"), "template",
                                        "release-name", chart, "--include-crds"};
    for (const std::string& values : options_.helm_values) {
      command.insert(command.end(), {"--values", values});
    }
    return command;
  }

  void Render(const std::string& path, std::string_view program,
              const std::vector<std::string>& command) {
    auto result = RunProcess(command);
    if (!result) {
      std::string hint = result.error().code() == Code::kNotFound
                             ? fmt::format("; install {} to inspect {}", program, path)
                             : std::string();
      return Fail(path, result.error().ToString() + hint);
    }
    if (result->exit_code != 0) {
      return Fail(path, fmt::format("{} failed: {}", fmt::join(command, " "), Trim(result->err)));
    }
    // Lines and columns are those of the rendered text.
    inspection_.AddText(
        std::move(result->out),
        fmt::format("{} ({})", path, command[1] == "template" ? "helm" : "kustomize"));
  }

  Inspection& inspection_;
  const Env& env_;
  const SourceOptions& options_;
};

}  // namespace

void AddPaths(Inspection& inspection, const Env& env, const std::vector<std::string>& paths,
              const SourceOptions& options) {
  Paths all(inspection, env, options);
  for (const std::string& path : paths) all.Add(path);
}

}  // namespace bulwark::posture
