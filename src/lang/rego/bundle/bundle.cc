#include "lang/rego/bundle/bundle.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/files.h"
#include "base/text.h"
#include "formats/json.h"
#include "lang/rego/bundle/archive.h"

namespace bulwark::rego {

namespace {

std::string_view BaseName(std::string_view path) {
  size_t slash = path.find_last_of('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view TrimSlashes(std::string_view text) {
  while (text.starts_with('/')) text.remove_prefix(1);
  while (text.ends_with('/')) text.remove_suffix(1);
  return text;
}

// Joined and cleaned as Go's filepath.Join does.
std::string Join(std::string_view a, std::string_view b) {
  std::string joined = a.empty() ? std::string(b) : fmt::format("{}/{}", a, b);
  bool rooted = joined.starts_with('/');
  std::vector<std::string_view> parts;
  for (std::string_view part : Split(joined, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else {
      parts.push_back(part);
    }
  }
  std::string out = rooted ? "/" : "";
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += '/';
    out += parts[i];
  }
  return out.empty() ? "." : out;
}

// The place of a data file in data: its folder's, without leading dots and slashes.
std::vector<std::string> PlaceOf(std::string_view path) {
  size_t slash = path.find_last_of('/');
  std::string_view folder = slash == std::string_view::npos ? "" : path.substr(0, slash);
  while (folder.starts_with('/') || folder.starts_with('.')) folder.remove_prefix(1);
  std::vector<std::string> out;
  if (folder.empty()) return out;
  for (std::string_view part : Split(folder, '/')) out.emplace_back(part);
  return out;
}

// One file of a bundle before it is known what it is.
struct RawFile {
  std::string url, path, bytes;
};

Result<Dialect> DialectOfVersion(int version) {
  switch (version) {
    case 0: return Dialect::kV0;
    case 1: return Dialect::kV1;
    case 2: return Dialect::kV2;
    default: return Error(Code::kInvalid, fmt::format("unknown rego-version {}", version));
  }
}

bool RootContains(std::string_view root, std::string_view path) {
  if (root.empty()) return true;
  return path == root || (path.starts_with(root) && path[root.size()] == '/');
}

std::string GoList(const std::vector<std::string>& items) {
  return fmt::format("[{}]", fmt::join(items, " "));
}

// Reads a bundle out of its files, wherever they came from.
class Reader {
 public:
  Reader(const BundleOptions& options, std::vector<Problem>* problems)
      : options_(options), problems_(problems) {}

  Result<Bundle> Read(std::vector<RawFile> files, std::string base) {
    base_ = std::move(base);
    BW_TRY(CheckSignature(files));
    std::string manifest_path;
    for (const RawFile& file : files) {
      if (BaseName(file.path) == ".signatures.json") continue;
      BW_TRY(Verify(file));
      if (file.path.ends_with(".manifest")) {
        if (!manifest_path.empty()) {
          return Error(Code::kInvalid,
                       fmt::format("bundle contains multiple manifest files: {} and {}",
                                   Quote(manifest_path), Quote(file.path)));
        }
        manifest_path = file.path;
        auto manifest = Manifest::Parse(file.bytes, *bundle_.arena);
        if (!manifest) {
          return Error(Code::kInvalid,
                       "bundle load failed on manifest decode: " + manifest.error().ToString());
        }
        bundle_.manifest = *std::move(manifest);
      }
    }
    if (!expected_.empty()) {
      std::vector<std::string> names;
      for (const auto& [name, hash] : expected_) names.push_back(name);
      return Error(Code::kDenied, fmt::format("file(s) {} specified in bundle signatures but not "
                                              "found in the target bundle",
                                              GoList(names)));
    }
    for (RawFile& file : files) BW_TRY(Take(file));
    BW_TRY(ParseModules());
    BW_TRY(CheckManifest());
    if (options_.manifest_in_data) {
      Value manifest = bundle_.manifest.ToValue(*bundle_.arena);
      if (!tree_.Insert({"system", "bundle", "manifest"}, manifest)) {
        return Error(Code::kInvalid,
                     "failed to insert data file from path "
                     "system/bundle/manifest");
      }
    }
    bundle_.data = tree_.Finish(*bundle_.arena);
    return std::move(bundle_);
  }

 private:
  Result<> CheckSignature(const std::vector<RawFile>& files) {
    if (options_.skip_verify) return Ok{};
    const RawFile* found = nullptr;
    for (const RawFile& file : files) {
      if (BaseName(file.path) != ".signatures.json") continue;
      if (found != nullptr) {
        return Error(Code::kInvalid,
                     fmt::format("bundle contains multiple signatures files: {} and {}",
                                 Quote(found->path), Quote(file.path)));
      }
      found = &file;
    }
    if (found == nullptr) {
      if (options_.verify && options_.verify->required) {
        return Error(Code::kDenied, "bundle missing .signatures.json file");
      }
      return Ok{};
    }
    Arena arena;
    auto value = ParseJsonDocument(found->bytes, arena);
    if (!value) {
      return Error(Code::kInvalid,
                   "bundle load failed on signatures decode: " + value.error().ToString());
    }
    if (!options_.verify) return Error(Code::kDenied, "verification key not provided");
    auto tokens = (*value)["signatures"].items();
    if (tokens.size() != 1 || !tokens.front().IsString()) {
      return Error(Code::kInvalid, tokens.empty()
                                       ? ".signatures.json: missing JWT (expected exactly one)"
                                       : ".signatures.json: multiple JWTs not supported "
                                         "(expected exactly one)");
    }
    bundle_.signatures.emplace_back(tokens.front().AsString());
    expected_ = BW_TRY(VerifyToken(tokens.front().AsString(), *options_.verify));
    signed_ = true;
    return Ok{};
  }

  Result<> Verify(const RawFile& file) {
    if (!signed_) return Ok{};
    std::string name(TrimSlashes(base_.empty() ? file.path : file.url));
    if (MatchesName(options_.verify->exclude, name)) {
      expected_.erase(name);
      return Ok{};
    }
    auto expected = expected_.find(name);
    if (expected == expected_.end()) {
      return Error(Code::kDenied, fmt::format("file {} not included in bundle signature", name));
    }
    const FileHash& said = expected->second;
    if (said.algorithm.empty()) {
      return Error(Code::kInvalid, fmt::format("no hashing algorithm provided for file {}", name));
    }
    std::string hash = BW_TRY(HashOfFile(file.path, file.bytes, said.algorithm));
    if (AsciiLower(said.hash) != hash) {
      return Error(Code::kDenied,
                   fmt::format("{}: digest mismatch (want: {}, got: {})", name, said.hash, hash));
    }
    expected_.erase(expected);
    return Ok{};
  }

  std::string FullPath(const std::string& path) const {
    return base_.empty() ? path : Join(base_, path);
  }

  Result<> Take(RawFile& file) {
    std::string_view name = BaseName(file.path);
    if (file.path.ends_with(".rego")) {
      bundle_.modules.push_back(
          {file.url, FullPath(file.path), file.path, std::move(file.bytes), nullptr});
    } else if (name == "policy.wasm" || name == "plan.json" || name == "plan.pb") {
      bundle_.others.push_back({FullPath(file.path), std::move(file.bytes)});
    } else if (name == "data.json" || name == "data.yaml" || name == "data.yml") {
      auto value = name == "data.json" ? ParseJsonDocument(file.bytes, *bundle_.arena)
                                       : ParseDocument(file.bytes, *bundle_.arena);
      if (!value) {
        return Error(Code::kInvalid, fmt::format("bundle load failed on {}: {}",
                                                 FullPath(file.path), value.error().ToString()));
      }
      std::vector<std::string> place = PlaceOf(file.path);
      if (place.empty() && !value->IsMap()) {
        return Error(Code::kInvalid, fmt::format("bundle load failed on {}: root value must be "
                                                 "object",
                                                 file.path));
      }
      if (!tree_.Insert(place, *value)) {
        return Error(Code::kInvalid,
                     fmt::format("bundle load failed on {}: failed to insert data file from path "
                                 "{}",
                                 file.path, fmt::join(place, "/")));
      }
    } else if (name == "patch.json") {
      return Error(Code::kUnsupported, "delta bundles (patch.json) are not read");
    }
    return Ok{};
  }

  Result<> ParseModules() {
    for (BundleModule& module : bundle_.modules) {
      ParseOptions parse = options_.parse;
      parse.dialect = bundle_.manifest.DialectOf(module.relative, parse.dialect);
      std::vector<Diagnostic> diagnostics;
      auto parsed = ParseModule(module.path, module.text, parse, &diagnostics);
      if (!parsed) {
        if (problems_ != nullptr) {
          for (Problem& problem : ProblemsOf(diagnostics)) problems_->push_back(problem);
        }
        return std::move(parsed).error();
      }
      module.parsed = *std::move(parsed);
    }
    return Ok{};
  }

  Result<> CheckManifest() {
    Manifest& manifest = bundle_.manifest;
    std::vector<std::string> roots = manifest.RootsOrAll();
    for (size_t i = 0; i < roots.size(); ++i) {
      for (size_t j = i + 1; j < roots.size(); ++j) {
        if (RootContains(roots[i], roots[j]) || RootContains(roots[j], roots[i])) {
          return Error(Code::kInvalid, fmt::format("manifest has overlapped roots: '{}' and '{}'",
                                                   roots[i], roots[j]));
        }
      }
    }
    if (manifest.rego_version) {
      auto known = DialectOfVersion(*manifest.rego_version);
      if (!known) return Error(Code::kInvalid, "manifest has " + known.error().message());
    }
    for (const auto& [pattern, version] : manifest.file_rego_versions) {
      auto known = DialectOfVersion(version);
      if (!known) {
        return Error(Code::kInvalid, fmt::format("manifest has {} for file '{}'",
                                                 known.error().message(), pattern));
      }
    }
    for (const BundleModule& module : bundle_.modules) {
      std::string path, shown = "package ";
      for (const Term* part : module.parsed->package.path.subspan(1)) {
        if (!path.empty()) path += '/', shown += '.';
        path += part->value.AsString();
        shown += part->value.AsString();
      }
      if (!RootsContain(roots, path)) {
        return Error(Code::kInvalid,
                     fmt::format("manifest roots {} do not permit '{}' in module '{}'",
                                 GoList(roots), shown, module.path));
      }
    }
    Arena scratch;
    return CheckData(tree_.Finish(scratch), "", roots);
  }

  // Data may stand only in the roots and in maps that lead to them.
  static Result<> CheckData(const Value& node, const std::string& path,
                            const std::vector<std::string>& roots) {
    if (RootsContain(roots, path)) return Ok{};
    bool leads = path.empty() || std::any_of(roots.begin(), roots.end(), [&](const auto& root) {
                   return RootContains(path, root);
                 });
    if (!node.IsMap() || !leads) {
      return Error(Code::kInvalid,
                   fmt::format("manifest roots {} do not permit data at path '/{}' (hint: check "
                               "bundle directory structure)",
                               GoList(roots), path));
    }
    for (const auto& [key, value] : node.entries()) {
      std::string below(key.AsString());
      BW_TRY(CheckData(value, path.empty() ? below : path + "/" + below, roots));
    }
    return Ok{};
  }

  const BundleOptions& options_;
  std::vector<Problem>* problems_;
  Bundle bundle_;
  DataTree tree_;
  std::string base_;
  std::map<std::string, FileHash> expected_;
  bool signed_ = false;
};

// Every regular file below a folder, as Go's filepath.Walk finds them; links are not followed.
Result<std::vector<RawFile>> FilesBelow(const std::string& root, const BundleOptions& options) {
  std::string folder = root;
  if (folder.starts_with("./") && folder.size() > 2) folder = folder.substr(2);
  if (folder == "./") folder = ".";
  WalkOptions walk;
  walk.hidden = true;
  walk.max_files = options.limits.max_files;
  walk.max_depth = options.limits.max_depth;
  std::vector<RawFile> files;
  size_t total = 0;
  for (const std::string& path : BW_TRY(WalkFiles(folder, walk, [](const Error&) {}))) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    std::string_view below = path;
    if (below.starts_with(folder)) below.remove_prefix(folder.size());
    below = TrimSlashes(below);
    // A folder's name that is left out takes what is in it along.
    bool skip = false;
    size_t depth = 0;
    for (std::string_view part : Split(below, '/')) {
      ++depth;
      skip = skip || MatchesName(options.ignore, part);
    }
    if (!skip && options.skip) skip = options.skip(path, false, depth);
    if (skip) continue;
    if (total >= options.limits.max_total_bytes) {
      return Error(Code::kLimit, fmt::format("more than {} bytes", options.limits.max_total_bytes));
    }
    std::string bytes = BW_TRY(ReadFile(
        path, std::min(options.limits.max_file_bytes, options.limits.max_total_bytes - total)));
    total += bytes.size();
    std::string inner = "/" + std::string(below);
    files.push_back({Join(folder, inner), inner, std::move(bytes)});
  }
  return files;
}

}  // namespace

bool RootsContain(const std::vector<std::string>& roots, std::string_view path) {
  return std::any_of(roots.begin(), roots.end(),
                     [&](const std::string& root) { return RootContains(root, path); });
}

bool Manifest::empty() const {
  return revision.empty() && (!roots || *roots == std::vector<std::string>{""}) && !rego_version &&
         file_rego_versions.empty() && metadata.IsNull() && wasm.empty();
}

std::vector<std::string> Manifest::RootsOrAll() const {
  if (!roots) return {""};
  std::vector<std::string> out;
  for (const std::string& root : *roots) out.emplace_back(TrimSlashes(root));
  return out;
}

Dialect Manifest::DialectOf(std::string_view path, Dialect otherwise) const {
  for (const auto& [pattern, version] : file_rego_versions) {
    if (GlobMatch(pattern, path, '\0')) return DialectOfVersion(version).value_or(otherwise);
  }
  if (rego_version) return DialectOfVersion(*rego_version).value_or(otherwise);
  return otherwise;
}

Value Manifest::ToValue(Arena& arena) const {
  MapBuilder out(arena);
  out.Add("revision", Value::String(arena, revision));
  std::vector<Value> list;
  for (const std::string& root : roots.value_or(std::vector<std::string>{""})) {
    list.push_back(Value::String(arena, root));
  }
  out.Add("roots", Value::Array(arena, list));
  if (!wasm.IsNull() && !wasm.empty()) out.Add("wasm", wasm.CopyTo(arena));
  if (rego_version) out.Add("rego_version", Value::Int(*rego_version));
  if (!file_rego_versions.empty()) {
    MapBuilder versions(arena);
    for (const auto& [pattern, version] : file_rego_versions) {
      versions.Add(Value::String(arena, pattern), Value::Int(version));
    }
    out.Add("file_rego_versions", versions.Finish());
  }
  if (!metadata.IsNull()) out.Add("metadata", metadata.CopyTo(arena));
  return out.Finish();
}

Result<Manifest> Manifest::Parse(std::string_view json, Arena& arena) {
  Value value = BW_TRY(ParseJsonDocument(json, arena));
  if (!value.IsMap()) return Error(Code::kInvalid, "the manifest is no object");
  auto wrong = [](std::string_view field, std::string_view type) {
    return Error(Code::kInvalid, fmt::format("{} must be {}", field, type));
  };
  auto version_of = [](const Value& number) -> std::optional<int> {
    auto integer = number.IsNumber() ? number.ToInt() : std::nullopt;
    if (!integer || *integer < INT32_MIN || *integer > INT32_MAX) return std::nullopt;
    return static_cast<int>(*integer);
  };
  Manifest out;
  for (const auto& [key, field] : value.entries()) {
    std::string_view name = key.AsString();
    if (field.IsNull()) continue;
    if (name == "revision") {
      if (!field.IsString()) return wrong(name, "a string");
      out.revision = field.AsString();
    } else if (name == "roots") {
      if (!field.IsArray()) return wrong(name, "a list of strings");
      out.roots.emplace();
      for (const Value& root : field.items()) {
        if (!root.IsString()) return wrong(name, "a list of strings");
        out.roots->emplace_back(TrimSlashes(root.AsString()));
      }
    } else if (name == "rego_version") {
      out.rego_version = version_of(field);
      if (!out.rego_version) return wrong(name, "a whole number");
    } else if (name == "file_rego_versions") {
      if (!field.IsMap()) return wrong(name, "a map of whole numbers");
      for (const auto& [pattern, version] : field.entries()) {
        auto number = version_of(version);
        if (!number) return wrong(name, "a map of whole numbers");
        out.file_rego_versions[std::string(pattern.AsString())] = *number;
      }
    } else if (name == "metadata") {
      if (!field.IsMap()) return wrong(name, "a map");
      out.metadata = field;
    } else if (name == "wasm") {
      if (!field.IsArray()) return wrong(name, "a list");
      out.wasm = field;
    }
  }
  return out;
}

Result<Bundle> ReadBundle(std::string_view archive, const std::string& name,
                          const BundleOptions& options, std::vector<Problem>* problems) {
  std::vector<ArchiveFile> files =
      BW_TRY(ReadTarGz(archive, {options.limits.max_file_bytes, options.limits.max_total_bytes,
                                 options.limits.max_files}));
  std::vector<RawFile> raw;
  for (ArchiveFile& file : files) {
    bool skip = false;
    size_t depth = 0;
    for (std::string_view part : Split(TrimSlashes(file.path), '/')) {
      ++depth;
      skip = skip || MatchesName(options.ignore, part);
    }
    if (!skip && options.skip) skip = options.skip(file.path, false, depth);
    if (!skip) raw.push_back({Join(name, file.path), file.path, std::move(file.bytes)});
  }
  Bundle bundle = BW_TRY(Reader(options, problems).Read(std::move(raw), ""));
  bundle.name = name;
  return bundle;
}

Result<Bundle> LoadBundle(const std::string& named, const BundleOptions& options,
                          std::vector<Problem>* problems) {
  std::string path = CleanPath(named);
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) {
    return Error(
        Code::kNotFound,
        fmt::format("error reading {}: stat {}: no such file or directory", Quote(path), path));
  }
  auto read = [&]() -> Result<Bundle> {
    if (S_ISDIR(info.st_mode)) {
      std::vector<RawFile> files = BW_TRY(FilesBelow(path, options));
      Bundle bundle = BW_TRY(Reader(options, problems).Read(std::move(files), path));
      bundle.name = path;
      return bundle;
    }
    return ReadBundle(BW_TRY(ReadFile(path, options.limits.max_file_bytes)), path, options,
                      problems);
  };
  auto bundle = read();
  if (!bundle) {
    return Error(bundle.error().code(), bundle.error().id(),
                 fmt::format("bundle {}: {}", path, bundle.error().ToString()));
  }
  return bundle;
}

namespace {

std::string Rooted(std::string_view path) {
  return path.starts_with('/') ? std::string(path) : "/" + std::string(path);
}

}  // namespace

Result<std::string> WriteBundle(const Bundle& bundle, bool by_path) {
  std::vector<ArchiveFile> files;
  files.push_back({"/data.json", ToJson(bundle.data, {.sort_keys = true}) + "\n"});
  for (const BundleModule& module : bundle.modules) {
    files.push_back({Rooted(by_path ? module.path : module.url), module.text});
  }
  for (const BundleFile& file : bundle.others) {
    if (file.path.ends_with(".wasm")) files.push_back({Rooted(file.path), file.bytes});
  }
  Arena arena;
  if (!bundle.signatures.empty()) {
    std::vector<Value> tokens;
    for (const std::string& token : bundle.signatures) tokens.push_back(Value::String(token));
    files.push_back(
        {"/.signatures.json",
         ToJson(MapBuilder(arena).Add("signatures", Value::Array(arena, tokens)).Finish(),
                {.indent = 1})});
  }
  for (const BundleFile& file : bundle.others) {
    if (!file.path.ends_with(".wasm")) files.push_back({Rooted(file.path), file.bytes});
  }
  if (!bundle.manifest.empty()) {
    files.push_back({"/.manifest", ToJson(bundle.manifest.ToValue(arena)) + "\n"});
  }
  return WriteTarGz(files);
}

Result<std::string> SignBundle(const Bundle& bundle, const Signing& signing, bool by_path) {
  std::vector<FileHash> files;
  auto add = [&](std::string_view path, std::string_view bytes) -> Result<> {
    std::string name(TrimSlashes(path));
    files.push_back({
      name, BW_TRY(HashOfFile(name, bytes, "SHA-256"))
      , "SHA-256"
    });
    return Ok{};
  };
  for (const BundleModule& module : bundle.modules) {
    BW_TRY(add(by_path ? module.path : module.url, module.text));
  }
  BW_TRY(add("data.json", ToJson(bundle.data)));
  for (const BundleFile& file : bundle.others) BW_TRY(add(file.path, file.bytes));
  Arena arena;
  if (!bundle.manifest.empty()) BW_TRY(add(".manifest", ToJson(bundle.manifest.ToValue(arena))));
  return SignToken(files, signing);
}

Result<> CheckRoots(const std::vector<const Bundle*>& bundles) {
  std::set<std::string> colliding, conflicts, empty;
  for (size_t i = 0; i < bundles.size(); ++i) {
    std::vector<std::string> mine = bundles[i]->manifest.RootsOrAll();
    if (std::find(mine.begin(), mine.end(), "") != mine.end()) empty.insert(bundles[i]->name);
    for (size_t j = i + 1; j < bundles.size(); ++j) {
      for (const std::string& a : mine) {
        for (const std::string& b : bundles[j]->manifest.RootsOrAll()) {
          if (!RootContains(a, b) && !RootContains(b, a)) continue;
          colliding.insert(bundles[i]->name);
          colliding.insert(bundles[j]->name);
          conflicts.insert(a == b ? fmt::format("root {} is in multiple bundles", a)
                                  : fmt::format("{} overlaps {}", std::min(a, b), std::max(a, b)));
        }
      }
    }
  }
  if (colliding.empty()) return Ok{};
  if (!empty.empty()) {
    return Error(Code::kInvalid,
                 fmt::format("bundles [{}] have overlapping roots and cannot be activated "
                             "simultaneously because bundle(s) [{}] specify empty root paths ('') "
                             "which overlap with any other bundle root",
                             fmt::join(colliding, ", "), fmt::join(empty, ", ")));
  }
  return Error(Code::kInvalid,
               fmt::format("detected overlapping roots in manifests for these bundles: [{}] ({})",
                           fmt::join(colliding, ", "), fmt::join(conflicts, ", ")));
}

}  // namespace bulwark::rego
