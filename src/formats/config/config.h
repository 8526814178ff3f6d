#pragma once

// Configuration files of every usual type → Value, in the shapes that Conftest gives policies
// (https://www.conftest.dev), so that policies written for it judge the same input here.
//
//   ConfigFormat format = BW_TRY(ConfigFormatOfPath("infra/main.tf"));   // kHcl2
//   Value input = BW_TRY(ParseConfig(format, text, arena));
//
//   toml        a map; times with a zone as RFC 3339, local ones as they are written
//   ini         {section: {key: number, bool or string}}; keys before the first section are left
//   out dotenv      {NAME: text}; $NAME stands for what the same file said before xml {element:
//   {"-attribute": text, "#content": text, child: …}}; several children of one
//               name are an array, an element with text alone is a string
//   hcl2        blocks as maps by type and labels down to an array of bodies; literals as values,
//   other
//               expressions as the text "${…}"
//   dockerfile  [[{Cmd, SubCmd, JSON, Flags, Value, Stage}, …]]: one file, its instructions in
//   order,
//               and comments before instructions as Cmd "comment"
//   json, jsonc (comments and trailing commas), yaml (several documents are an array of them)
//   properties  {key: text}; ${key} stays as it is written
//   ignore      [[{Kind, Value, Original}, …]]: the lines of a .gitignore or .dockerignore
//
// Every reader is bounded (ConfigLimits) and takes any bytes: what is malformed is an error with id
// config.syntax (Code::kInvalid) that names line and column, what is too much config.too_big or
// config.too_deep (kLimit). The errors of JSON and YAML keep their own ids. Strings are copied into
// the arena. Pure functions: safe from any thread.

#include <span>
#include <string_view>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"

namespace bulwark {

enum class ConfigFormat : uint8_t {
  kDockerfile,
  kDotenv,
  kHcl2,
  kIgnore,
  kIni,
  kJson,
  kJsonc,
  kProperties,
  kToml,
  kXml,
  kYaml,
};

struct ConfigLimits {
  size_t max_bytes = size_t{64} << 20;
  size_t max_depth = 100;  // of maps, arrays, blocks and expressions within each other
};

// "hcl2" → kHcl2; the names are Conftest's. An error names those that there are.
Result<ConfigFormat> ConfigFormatOfName(std::string_view name);
std::string_view ConfigFormatName(ConfigFormat format);
// By the name of a file, as Conftest tells them: Dockerfile.dev, main.tf, .env.prod; "-" is YAML.
Result<ConfigFormat> ConfigFormatOfPath(std::string_view path);
std::span<const std::string_view> ConfigFormatNames();

Result<Value> ParseConfig(ConfigFormat format, std::string_view text, Arena& arena,
                          const ConfigLimits& limits = {});

// Each on its own.
Result<Value> ParseToml(std::string_view text, Arena& arena, const ConfigLimits& limits = {});
Result<Value> ParseIni(std::string_view text, Arena& arena, const ConfigLimits& limits = {});
Result<Value> ParseDotenv(std::string_view text, Arena& arena, const ConfigLimits& limits = {});
Result<Value> ParseXml(std::string_view text, Arena& arena, const ConfigLimits& limits = {});
Result<Value> ParseHcl2(std::string_view text, Arena& arena, const ConfigLimits& limits = {});
Result<Value> ParseDockerfile(std::string_view text, Arena& arena, const ConfigLimits& limits = {});
Result<Value> ParseJsonc(std::string_view text, Arena& arena, const ConfigLimits& limits = {});
Result<Value> ParseProperties(std::string_view text, Arena& arena, const ConfigLimits& limits = {});
Result<Value> ParseIgnore(std::string_view text, Arena& arena, const ConfigLimits& limits = {});
// All documents of a stream: one as itself, several as an array.
Result<Value> ParseYamlStream(std::string_view text, Arena& arena, const ConfigLimits& limits = {});

}  // namespace bulwark
