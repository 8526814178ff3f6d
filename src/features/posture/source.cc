#include "features/posture/source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/files.h"
#include "base/text.h"
#include "platform/process.h"

namespace bulwark::posture {

namespace fs = std::filesystem;

namespace {

// How much of a file is read at once.
constexpr size_t kPiece = size_t{1} << 20;
// What no single document may exceed before it is even looked at.
constexpr size_t kMaxDocument = size_t{100} << 20;

bool LooksLikeJson(std::string_view text) {
  text = TrimLeft(text);
  return text.starts_with('{') || text.starts_with('[');
}

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

  // Reads a file piece by piece, each ending where a document does, so that a file of any size
  // takes little memory. Not mapped: a file that shrinks meanwhile must not end the process.
  void AddFile(const std::string& path, bool lenient) {
    // As others name it: git and SARIF's readers know "k8s/web.yaml", not "./k8s/web.yaml".
    std::string_view shown = path;
    while (shown.starts_with("./")) shown.remove_prefix(2);
    std::string name(shown);
    auto file = OpenFile(path, O_RDONLY);
    if (!file) return Fail(name, file.error().ToString());
    std::string text;
    Origin origin;
    for (;;) {
      size_t had = text.size();
      text.resize(had + kPiece);
      ssize_t n = ::read(file->get(), text.data() + had, kPiece);
      if (n < 0 && errno == EINTR)
        n = 0;
      else if (n <= 0) {
        text.resize(had);
        if (n < 0) return Fail(name, FileError(errno, "reading", path).ToString());
        return inspection_.AddText(std::move(text), name, lenient, origin);
      }
      text.resize(had + static_cast<size_t>(n));
      bool json = LooksLikeJson(text);
      size_t separator = json ? std::string::npos : text.rfind("\n---");
      if (separator != std::string::npos) {
        std::string rest = text.substr(separator + 1);
        text.resize(separator + 1);
        Origin next{
            origin.offset + static_cast<uint32_t>(text.size()),
            origin.line + static_cast<uint32_t>(std::count(text.begin(), text.end(), '\n'))};
        inspection_.AddText(std::exchange(text, std::move(rest)), name, lenient, origin);
        origin = next;
      } else if (text.size() > kMaxDocument) {
        return inspection_.AddUnread(
            {name,
             {.file = name, .line = origin.line, .column = 1},
             fmt::format("a document of more than {} MiB", kMaxDocument >> 20)});
      }
    }
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
