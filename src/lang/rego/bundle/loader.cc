#include "lang/rego/bundle/loader.h"

#include <dirent.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "base/files.h"
#include "base/text.h"
#include "formats/json.h"
#include "formats/yaml.h"
#include "lang/rego/bundle/bundle.h"
#include "lang/rego/bundle/data_tree.h"

namespace bulwark::rego {

namespace {

std::string_view BaseName(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  size_t slash = path.find_last_of('/');
  return slash == std::string_view::npos || path == "/" ? path : path.substr(slash + 1);
}

// "stat x: no such file or directory", as Go words it.
std::string SystemError(std::string_view doing, std::string_view path, int number) {
  std::string why = std::strerror(number);  // NOLINT(concurrency-mt-unsafe): its text is constant
  if (!why.empty()) why[0] = AsciiLower(why[0]);
  return fmt::format("{} {}: {}", doing, path, why);
}

std::string JoinPath(std::string_view folder, std::string_view name) {
  if (folder == ".") return std::string(name);
  return folder.ends_with('/') ? fmt::format("{}{}", folder, name)
                               : fmt::format("{}/{}", folder, name);
}

Result<std::vector<std::string>> NamesIn(const std::string& folder, size_t limit) {
  DIR* open = ::opendir(folder.c_str());
  if (open == nullptr) return Error(Code::kNotFound, SystemError("open", folder, errno));
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(open)) {  // NOLINT(concurrency-mt-unsafe): our own stream
    std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    names.emplace_back(name);
    if (names.size() > limit) break;
  }
  ::closedir(open);
  if (names.size() > limit) {
    return Error(Code::kLimit, fmt::format("{}: more than {} files", folder, limit));
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Loader {
 public:
  Loader(const LoadOptions& options, std::vector<Problem>& problems, bool list_only)
      : options_(options), problems_(problems), list_only_(list_only) {}

  void Load(const std::string& named) {
    auto [prefix, path] = SplitPrefix(named);
    Visit(CleanPath(path), prefix, 0);
  }

  Loaded Finish() {
    loaded_.documents = tree_.Finish(*loaded_.arena);
    std::sort(loaded_.modules.begin(), loaded_.modules.end(),
              [](const auto& a, const auto& b) { return a->file < b->file; });
    return std::move(loaded_);
  }
  std::vector<std::string> files() const { return files_; }

 private:
  using Place = std::vector<std::string>;

  void Complain(std::string text) { problems_.push_back({std::nullopt, std::move(text)}); }
  void Complain(const std::vector<Diagnostic>& diagnostics) {
    for (Problem& problem : ProblemsOf(diagnostics)) problems_.push_back(std::move(problem));
  }

  void Visit(const std::string& path, const Place& place, size_t depth) {
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) return Complain(SystemError("stat", path, errno));
    bool folder = S_ISDIR(info.st_mode);
    if (depth > 0 && MatchesName(options_.ignore, BaseName(path))) return;
    if (options_.skip && options_.skip(path, folder, depth)) return;
    if (!folder) return VisitFile(path, place, depth);
    if (depth > options_.limits.max_depth) {
      return Complain(
          fmt::format("{}: folders more than {} deep", path, options_.limits.max_depth));
    }
    Place below = place;
    if (depth > 0) below.emplace_back(BaseName(path));
    auto names = NamesIn(path, options_.limits.max_files);
    if (!names) return Complain(names.error().message());
    for (const std::string& name : *names) Visit(JoinPath(path, name), below, depth + 1);
  }

  void VisitFile(const std::string& path, const Place& place, size_t depth) {
    std::string key;
    for (const std::string& part : place) key += part + '\0';
    if (!seen_.insert(key + '\1' + path).second) return;
    if (seen_.size() > options_.limits.max_files) {
      if (seen_.size() == options_.limits.max_files + 1) Complain("too many files");
      return;
    }
    files_.push_back(path);
    if (list_only_) return;
    if (total_ >= options_.limits.max_total_bytes) {
      return Complain(
          fmt::format("{}: more than {} bytes in all", path, options_.limits.max_total_bytes));
    }
    auto text = ReadFile(
        path, std::min(options_.limits.max_file_bytes, options_.limits.max_total_bytes - total_));
    if (!text) return Complain(fmt::format("open {}: {}", path, text.error().ToString()));
    total_ += text->size();
    Take(path, *std::move(text), place, depth);
  }

  void Take(const std::string& path, std::string text, const Place& place, size_t depth) {
    Arena& arena = *loaded_.arena;
    if (path.ends_with(".json")) {
      auto value = ParseJsonDocument(text, arena);
      if (!value) return Complain(path + ": " + value.error().ToString());
      return Merge(path, *value, place);
    }
    if (path.ends_with(".rego")) {
      std::vector<Diagnostic> diagnostics;
      auto module = ParseModule(path, std::move(text), options_.parse, &diagnostics);
      if (!module) {
        return diagnostics.empty() ? Complain(module.error().ToString()) : Complain(diagnostics);
      }
      loaded_.modules.push_back(*std::move(module));
      return;
    }
    if (path.ends_with(".yaml") || path.ends_with(".yml")) {
      auto value = ParseYamlDocument(text, arena);
      if (!value) {
        return Complain(
            fmt::format("{}: error converting YAML to JSON: {}", path, value.error().ToString()));
      }
      return Merge(path, *value, place);
    }
    if (path.ends_with(".tar.gz")) return TakeBundle(path, text, place);
    // What is in a folder is passed over; what was named must be something.
    if (depth > 0) return;
    if (auto module = ParseModule(path, text, options_.parse)) {
      loaded_.modules.push_back(*std::move(module));
    } else if (auto value = ParseDocument(text, arena)) {
      Merge(path, *value, place);
    } else {
      Complain(path + ": can't recognize file type");
    }
  }

  void TakeBundle(const std::string& path, std::string_view bytes, const Place& place) {
    BundleOptions options;
    options.parse = options_.parse;
    options.limits = options_.limits;
    options.skip_verify = true;
    options.manifest_in_data = true;
    std::vector<Problem> problems;
    auto bundle = ReadBundle(bytes, path, options, &problems);
    if (!bundle) {
      for (Problem& problem : problems) problems_.push_back(std::move(problem));
      if (problems.empty()) {
        Complain(fmt::format("bundle {}: {}", path, bundle.error().ToString()));
      }
      return;
    }
    for (BundleModule& module : bundle->modules) {
      loaded_.modules.push_back(std::move(module.parsed));
    }
    Merge(path, bundle->data.CopyTo(*loaded_.arena), place);
  }

  void Merge(const std::string& path, const Value& document, const Place& place) {
    if (place.empty() && !document.IsMap()) {
      return Complain(path + ": document must be of type object");
    }
    Place conflict;
    if (tree_.Insert(place, document, &conflict)) {
      merged_.push_back({path, place, document});
      return;
    }
    std::string ref = "data";
    for (const std::string& key : conflict) {
      bool plain = !key.empty() && (IsAsciiLetter(key[0]) || key[0] == '_') &&
                   std::all_of(key.begin(), key.end(), [](char c) {
                     return IsAsciiLetter(c) || IsAsciiDigit(c) || c == '_';
                   });
      ref += plain ? "." + key : "[" + Quote(key) + "]";
    }
    std::string text = fmt::format("{}: merge error: conflicting values at {}", path, ref);
    for (const Merged& other : merged_) {
      if (Defines(other, conflict)) {
        return Complain(text + ", also defined in " + other.path);
      }
    }
    Complain(text + ", data from multiple files must not overlap");
  }

  struct Merged {
    std::string path;
    Place place;
    Value document;
  };

  static bool Defines(const Merged& file, const Place& at) {
    const Value* value = &file.document;
    for (size_t i = 0; i < at.size(); ++i) {
      if (i < file.place.size()) {
        if (file.place[i] != at[i]) return false;
        continue;
      }
      value = value->Find(at[i]);
      if (value == nullptr) return false;
    }
    return true;
  }

  const LoadOptions& options_;
  std::vector<Problem>& problems_;
  bool list_only_;
  Loaded loaded_;
  DataTree tree_;
  std::set<std::string> seen_;
  std::vector<std::string> files_;
  std::vector<Merged> merged_;
  size_t total_ = 0;
};

// The part of a schema's path that its file gives: a/b.json → "a.b".
void AddSchemas(const std::string& path, const std::string& key, size_t depth, Arena& arena,
                std::vector<std::pair<std::string, Value>>& out, std::optional<Error>& failed) {
  if (failed || depth > 100) return;
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) {
    failed = Error(Code::kNotFound, SystemError("stat", path, errno));
    return;
  }
  if (S_ISDIR(info.st_mode)) {
    auto names = NamesIn(path, 100'000);
    if (!names) {
      failed = std::move(names).error();
      return;
    }
    for (const std::string& name : *names) {
      std::string stem = name;
      struct stat child{};
      std::string below = JoinPath(path, name);
      bool folder = ::stat(below.c_str(), &child) == 0 && S_ISDIR(child.st_mode);
      if (!folder) stem = stem.substr(0, std::min(stem.rfind('.'), stem.size()));
      AddSchemas(below, key + "." + stem, depth + 1, arena, out, failed);
    }
    return;
  }
  auto text = ReadFile(path);
  auto value = text ? ParseDocument(*text, arena) : Result<Value>(text.error());
  if (!value) {
    failed = Error(Code::kInvalid, path + ": " + value.error().ToString());
    return;
  }
  out.emplace_back(key, *value);
}

}  // namespace

std::vector<Problem> ProblemsOf(const std::vector<Diagnostic>& diagnostics) {
  std::vector<Problem> out;
  for (const Diagnostic& diagnostic : diagnostics) {
    out.push_back({diagnostic, diagnostic.ToString()});
  }
  return out;
}

Error LoadError(const std::vector<Problem>& problems) {
  std::string text = problems.size() == 1
                         ? "1 error occurred during loading: "
                         : fmt::format("{} errors occurred during loading:\n", problems.size());
  for (size_t i = 0; i < problems.size(); ++i) {
    if (i > 0) text += '\n';
    text += problems[i].text;
  }
  return Error(Code::kInvalid, "rego_load_error", text);
}

bool MatchesName(const std::vector<std::string>& patterns, std::string_view name) {
  std::string copy(name);
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), copy.c_str(), FNM_PATHNAME) == 0;
  });
}

std::pair<std::vector<std::string>, std::string> SplitPrefix(std::string_view path) {
  size_t colon = path.find(':');
  if (colon == std::string_view::npos || colon == 0 || path.substr(colon).starts_with("://")) {
    return {{}, std::string(path)};
  }
  std::vector<std::string> prefix;
  for (std::string_view part : Split(path.substr(0, colon), '.')) prefix.emplace_back(part);
  return {prefix, std::string(path.substr(colon + 1))};
}

std::string CleanPath(std::string_view path) {
  if (path.starts_with("file://")) path.remove_prefix(7);
  return std::string(path);
}

Result<Value> ParseJsonDocument(std::string_view text, Arena& arena) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return ParseJson(text, arena, {.max_depth = 10'000, .duplicate_keys = true});
}

Result<Value> ParseYamlDocument(std::string_view text, Arena& arena) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  YamlOptions options;
  options.max_bytes = size_t{1} << 30;
  YamlDocuments documents(text);
  while (documents.More()) {
    YamlDocument document = BW_TRY(documents.Next());
    options.origin = document.origin;
    Value value = BW_TRY(ParseYaml(document.text, arena, options));
    // Nothing before the first separator is no document.
    if (value.IsNull() && document.origin.offset == 0 && documents.More()) continue;
    return value;
  }
  return Value();
}

Result<Value> ParseDocument(std::string_view text, Arena& arena) {
  auto json = ParseJsonDocument(text, arena);
  if (json) return json;
  auto yaml = ParseYamlDocument(text, arena);
  // A text that begins as JSON does is better explained as such.
  std::string_view start = TrimLeft(text);
  if (!yaml && (start.starts_with('{') || start.starts_with('['))) return json;
  return yaml;
}

Result<Loaded> LoadPaths(const std::vector<std::string>& paths, const LoadOptions& options,
                         std::vector<Problem>* problems) {
  std::vector<Problem> found;
  Loader loader(options, found, /*list_only=*/false);
  for (const std::string& path : paths) loader.Load(path);
  if (found.empty()) return loader.Finish();
  Error error = LoadError(found);
  if (problems != nullptr) *problems = std::move(found);
  return error;
}

Result<std::vector<std::string>> ListPaths(const std::vector<std::string>& paths,
                                           const LoadOptions& options) {
  std::vector<Problem> found;
  Loader loader(options, found, /*list_only=*/true);
  for (const std::string& path : paths) loader.Load(path);
  if (!found.empty()) return LoadError(found);
  return loader.files();
}

Result<std::vector<std::pair<std::string, Value>>> LoadSchemas(const std::string& path,
                                                               Arena& arena) {
  std::vector<std::pair<std::string, Value>> out;
  std::optional<Error> failed;
  AddSchemas(CleanPath(path), "schema", 0, arena, out, failed);
  if (failed) return LoadError({{std::nullopt, failed->message()}});
  return out;
}

}  // namespace bulwark::rego
