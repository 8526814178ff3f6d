#include "features/admission/sources.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/files.h"
#include "base/text.h"
#include "features/admission/go_text.h"
#include "features/admission/match.h"
#include "formats/json.h"
#include "formats/yaml.h"
#include "lang/rego/bundle/archive.h"

namespace bulwark::admission {

namespace {

constexpr rego::ArchiveLimits kLayer{
    .max_file_bytes = size_t{64} << 20, .max_total_bytes = size_t{256} << 20, .max_files = 100'000};

bool Allowed(std::string_view path) {
  size_t slash = path.rfind('/'), dot = path.rfind('.');
  if (dot == std::string_view::npos || (slash != std::string_view::npos && dot < slash))
    return false;
  std::string_view extension = path.substr(dot);
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

Error Make(std::string message) { return Error(Code::kInvalid, "gate.source", std::move(message)); }

std::string Why(const Error& error) {
  for (const Error::Arg& arg : error.args()) {
    if (arg.name == "why") return arg.value;
  }
  return error.message();
}

Result<Value> ReadBlob(const std::string& layout, std::string_view digest, Arena& arena,
                       std::string* raw) {
  auto parts = Cut(digest, ":");
  auto word = [](std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(),
                                        [](char c) { return IsAsciiLetter(c) || IsAsciiDigit(c); });
  };
  if (!parts || !word(parts->first) || !word(parts->second)) {
    return Make(fmt::format("not a digest: {}", digest));
  }
  std::string bytes =
      BW_TRY(ReadFile(fmt::format("{}/blobs/{}/{}", layout, parts->first, parts->second)));
  if (raw != nullptr) {
    *raw = std::move(bytes);
    return Value();
  }
  return ParseJson(arena.Copy(bytes), arena);
}

}  // namespace

Result<> SourceReader::AddText(std::string text, const std::string& source) {
  origins_.push_back({source, objects_.size()});
  std::string_view kept = arena_.Copy(text);
  YamlDocuments documents(kept);
  while (documents.More()) {
    Result<YamlDocument> document = documents.Next();
    if (!document) return Make(fmt::format("reading yaml source: {}", document.error().message()));
    YamlOptions options;
    options.origin = document->origin;
    options.borrow_text = true;
    Result<Value> value = ParseYaml(document->text, arena_, options);
    if (!value) {
      return Make(fmt::format("reading yaml source: error converting YAML to JSON: yaml: {}",
                              value.error().message()));
    }
    if (value->IsNull()) continue;
    if (!value->IsMap()) {
      return Make(
          fmt::format("reading yaml source: error unmarshaling JSON: while decoding JSON: "
                      "json: cannot unmarshal {} into Go value of type "
                      "map[string]interface {{}}",
                      value->IsArray()    ? "array"
                      : value->IsString() ? "string"
                      : value->IsBool()   ? "bool"
                                          : "number"));
    }
    if (!value->empty()) objects_.push_back(*value);
  }
  return Ok{};
}

Result<> SourceReader::AddPath(const std::string& path) {
  std::error_code ec;
  std::filesystem::file_status status = std::filesystem::status(path, ec);
  if (ec || !std::filesystem::exists(status)) {
    return Make(
        fmt::format("stat on path {}: stat {}: no such file or directory", GoQuote(path), path));
  }
  std::vector<std::string> files;
  if (std::filesystem::is_directory(status)) {
    files = BW_TRY(WalkFiles(path));
    std::erase_if(files, [](const std::string& file) { return !Allowed(file); });
  } else {
    if (!Allowed(path)) {
      return Make(fmt::format("path {} must be of extensions: [.yaml .yml .json]", GoQuote(path)));
    }
    files.push_back(path);
  }
  for (const std::string& file : files) {
    Result<std::string> text = ReadFile(file);
    if (!text) {
      return Make(
          fmt::format("opening file {}: open {}: {}", GoQuote(file), file, Why(text.error())));
    }
    if (Result<> added = AddText(*std::move(text), fmt::format("file: {}", GoQuote(file)));
        !added) {
      return Make(fmt::format("reading file {}: {}", GoQuote(file), added.error().message()));
    }
  }
  return Ok{};
}

Result<> SourceReader::AddImage(const std::string& image) {
  constexpr std::string_view kScheme = "oci:";
  if (!image.starts_with(kScheme)) {
    return Error(Code::kUnsupported, "gate.image",
                 fmt::format("{}: only OCI image layouts on disk are read, oci:FOLDER; `oras copy "
                             "--to-oci-layout` makes one of an image in a registry",
                             image));
  }
  std::string layout = image.substr(kScheme.size());
  Arena scratch;
  std::string text = BW_TRY(ReadFile(layout + "/index.json"));
  Value index = BW_TRY(ParseJson(text, scratch));
  std::vector<Value> manifests(index["manifests"].items().begin(),
                               index["manifests"].items().end());
  if (manifests.empty()) return Make(fmt::format("{}: the layout has no manifest", image));
  Value manifest = BW_TRY(ReadBlob(layout, manifests[0].StringAt("digest"), scratch, nullptr));
  for (const Value& layer : manifest["layers"].items()) {
    std::string bytes;
    BW_TRY(ReadBlob(layout, layer.StringAt("digest"), scratch, &bytes));
    std::string title(layer["annotations"].StringAt("org.opencontainers.image.title"));
    auto source = [&](std::string_view file) {
      return fmt::format("file: {}, image: {}", GoQuote(file), GoQuote(image));
    };
    if (Allowed(title)) {
      BW_TRY(AddText(std::move(bytes), source(title)));
      continue;
    }
    std::vector<rego::ArchiveFile> files = BW_TRY(rego::ReadTarGz(bytes, kLayer));
    std::sort(files.begin(), files.end(),
              [](const auto& a, const auto& b) { return a.path < b.path; });
    for (rego::ArchiveFile& file : files) {
      if (!Allowed(file.path)) continue;
      if (Result<> added = AddText(std::move(file.bytes), source(file.path)); !added) {
        return Make(
            fmt::format("reading file {}: {}", GoQuote(file.path), added.error().message()));
      }
    }
  }
  return Ok{};
}

Sources SourceReader::Finish() {
  Sources out;
  std::map<std::string, size_t, std::less<>> seen;  // the source that had it last
  for (size_t i = 0; i < origins_.size(); ++i) {
    size_t end = i + 1 < origins_.size() ? origins_[i + 1].first : objects_.size();
    for (size_t at = origins_[i].first; at < end; ++at) {
      ObjectView view(objects_[at]);
      auto [found, added] =
          seen.emplace(fmt::format("{}\n{}\n{}\n{}", view.group, view.kind, view.ns, view.name), i);
      if (!added) {
        out.conflicts.push_back(fmt::format("Resource named {} (from {}) is already defined in {}",
                                            GoQuote(view.name), origins_[i].source,
                                            origins_[found->second].source));
        found->second = i;
      }
    }
  }
  out.objects = std::move(objects_);
  return out;
}

}  // namespace bulwark::admission
