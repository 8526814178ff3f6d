#include "formats/config/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "formats/config/errors.h"
#include "formats/json.h"
#include "formats/source_map.h"
#include "formats/yaml.h"

namespace bulwark {

namespace config_internal {

Error SyntaxErrorAt(size_t line, size_t column, std::string_view message) {
  return Error(Code::kInvalid, "config.syntax",
               fmt::format("line {}, column {}: {}", line, column, message),
               {{"line", std::to_string(line)}, {"column", std::to_string(column)}});
}

Error SyntaxError(std::string_view text, size_t offset, std::string_view message) {
  Position at = PositionAt(text, std::min(offset, text.size()));
  return SyntaxErrorAt(at.line, at.column, message);
}

Error TooDeep(size_t limit) {
  return Error(Code::kLimit, "config.too_deep", fmt::format("nested more than {} deep", limit),
               {{"limit", std::to_string(limit)}});
}

Result<> CheckText(std::string_view text, const ConfigLimits& limits) {
  if (text.size() > limits.max_bytes || text.size() >= UINT32_MAX) {
    return Error(
        Code::kLimit, "config.too_big",
        fmt::format("{} bytes, more than the {} that are allowed", text.size(), limits.max_bytes),
        {{"bytes", std::to_string(text.size())}, {"limit", std::to_string(limits.max_bytes)}});
  }
  if (size_t bad = FirstInvalidUtf8(text); bad != std::string_view::npos) {
    return SyntaxError(text, bad, "not well-formed UTF-8");
  }
  return Ok{};
}

std::string_view WithoutBom(std::string_view text) {
  return text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text;
}

}  // namespace config_internal

namespace {

using config_internal::CheckText;
using config_internal::WithoutBom;

// In the order of ConfigFormat.
constexpr std::array<std::string_view, 11> kNames = {"dockerfile", "dotenv", "hcl2",  "ignore",
                                                     "ini",        "json",   "jsonc", "properties",
                                                     "toml",       "xml",    "yaml"};

// JSON with comments and trailing commas as JSON of the same length: what is not JSON becomes
// spaces, so that errors name the right place.
std::string BlankComments(std::string_view text) {
  std::string out(text);
  size_t last_comma = std::string::npos;  // one that nothing has followed yet
  for (size_t i = 0; i < out.size();) {
    char c = out[i];
    if (c == '"') {
      last_comma = std::string::npos;
      for (++i; i < out.size() && out[i] != '"'; ++i) i += out[i] == '\\';
      ++i;
    } else if (c == '/' && i + 1 < out.size() && out[i + 1] == '/') {
      while (i < out.size() && out[i] != '\n') out[i++] = ' ';
    } else if (c == '/' && i + 1 < out.size() && out[i + 1] == '*') {
      size_t end = out.find("*/", i + 2);
      size_t stop = end == std::string::npos ? out.size() : end + 2;
      for (; i < stop; ++i) {
        if (out[i] != '\n') out[i] = ' ';
      }
    } else {
      if ((c == '}' || c == ']') && last_comma != std::string::npos) out[last_comma] = ' ';
      if (!IsAsciiSpace(c)) last_comma = c == ',' ? i : std::string::npos;
      ++i;
    }
  }
  return out;
}

std::string_view BaseName(std::string_view path) {
  size_t slash = path.find_last_of('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

std::span<const std::string_view> ConfigFormatNames() { return kNames; }

std::string_view ConfigFormatName(ConfigFormat format) {
  return kNames[static_cast<size_t>(format)];
}

Result<ConfigFormat> ConfigFormatOfName(std::string_view name) {
  auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) {
    return Error(Code::kUnsupported, "config.format",
                 fmt::format("no reader for {}; there are {}", name, fmt::join(kNames, ", ")),
                 {{"format", std::string(name)}});
  }
  return static_cast<ConfigFormat>(found - kNames.begin());
}

Result<ConfigFormat> ConfigFormatOfPath(std::string_view path) {
  if (path == "-") return ConfigFormat::kYaml;
  std::string name = AsciiLower(BaseName(path));
  size_t dot = name.find_last_of('.');
  std::string extension = dot == std::string::npos ? "" : name.substr(dot + 1);
  if (name == "dockerfile" || name.starts_with("dockerfile.") || extension == "dockerfile") {
    return ConfigFormat::kDockerfile;
  }
  if (extension == "yml" || extension == "yaml") return ConfigFormat::kYaml;
  if (extension == "hcl" || extension == "tf" || extension == "tfvars") return ConfigFormat::kHcl2;
  if (extension == "gitignore" || extension == "dockerignore") return ConfigFormat::kIgnore;
  if (name == ".env" || name.starts_with(".env.") || extension == "env") {
    return ConfigFormat::kDotenv;
  }
  auto format = ConfigFormatOfName(extension);
  if (format) return format;
  return Error(Code::kUnsupported, "config.format",
               fmt::format("no reader for files like {}; name one of {}", BaseName(path),
                           fmt::join(kNames, ", ")),
               {{"format", extension}});
}

Result<Value> ParseYamlStream(std::string_view text, Arena& arena, const ConfigLimits& limits) {
  BW_TRY(CheckText(text, limits));
  text = WithoutBom(text);
  YamlOptions options;
  options.max_depth = limits.max_depth;
  options.max_bytes = limits.max_bytes;
  std::vector<Value> documents;
  // What stands before the first separator is a document only where it has content.
  for (YamlDocuments stream(text); stream.More();) {
    YamlDocument document = BW_TRY(stream.Next());
    options.origin = document.origin;
    Value value = BW_TRY(ParseYaml(document.text, arena, options));
    if (documents.empty() && document.origin.offset == 0 && value.IsNull() && stream.More()) {
      continue;
    }
    documents.push_back(value);
  }
  if (documents.empty()) return Value();
  if (documents.size() == 1) return documents.front();
  return Value::Array(arena, documents);
}

Result<Value> ParseJsonc(std::string_view text, Arena& arena, const ConfigLimits& limits) {
  BW_TRY(CheckText(text, limits));
  return ParseJson(BlankComments(WithoutBom(text)), arena,
                   {.max_depth = limits.max_depth, .duplicate_keys = true});
}

Result<Value> ParseConfig(ConfigFormat format, std::string_view text, Arena& arena,
                          const ConfigLimits& limits) {
  switch (format) {
    case ConfigFormat::kDockerfile: return ParseDockerfile(text, arena, limits);
    case ConfigFormat::kDotenv: return ParseDotenv(text, arena, limits);
    case ConfigFormat::kHcl2: return ParseHcl2(text, arena, limits);
    case ConfigFormat::kIgnore: return ParseIgnore(text, arena, limits);
    case ConfigFormat::kIni: return ParseIni(text, arena, limits);
    case ConfigFormat::kJson:
      BW_TRY(CheckText(text, limits));
      return ParseJson(WithoutBom(text), arena,
                       {.max_depth = limits.max_depth, .duplicate_keys = true});
    case ConfigFormat::kJsonc: return ParseJsonc(text, arena, limits);
    case ConfigFormat::kProperties: return ParseProperties(text, arena, limits);
    case ConfigFormat::kToml: return ParseToml(text, arena, limits);
    case ConfigFormat::kXml: return ParseXml(text, arena, limits);
    case ConfigFormat::kYaml: return ParseYamlStream(text, arena, limits);
  }
  BW_UNREACHABLE();
}

}  // namespace bulwark
