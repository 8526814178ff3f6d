#pragma once

// What the commands have in common: their flags, what these load, how errors are shown.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "lang/rego/bundle/bundle.h"
#include "lang/rego/bundle/loader.h"
#include "lang/rego/rego.h"
#include "platform/command.h"

namespace bulwark::regocli {

// The largest input and query that are read.
inline constexpr size_t kMaxInput = size_t{256} << 20;

// An error as OPA's outputs have it.
struct OutputError {
  std::string message, code;
  bool has_location = false;
  std::string file;
  uint32_t row = 0, column = 0;
  Value details;     // null: none
  std::string text;  // as it stands in a list of errors
};

// Why a command failed: each error for structured outputs, and the text that OPA prints.
struct Failure {
  std::shared_ptr<Arena> arena = std::make_shared<Arena>();  // of the details
  std::vector<OutputError> errors;
  std::string text;

  static Failure Of(std::string text);
  static Failure Of(const Error& error);
  // `kind`: "1 error occurred: …", or "1 error occurred during loading: …"
  static Failure Of(const std::vector<rego::Diagnostic>& diagnostics, std::string_view query = {});
  static Failure Of(const std::vector<rego::Problem>& problems);
  // An evaluation's Error (lang/rego/rego.h); `query` is where it happened if nowhere else.
  static Failure OfEvaluation(const Error& error, std::string_view query);
  // As outputs of several errors say it: "1 error occurred: …".
  std::string Listed() const;
  Value ToValue(Arena& to) const;  // a list
};

// Flags of several commands.
struct Common {
  std::vector<std::string> data, bundles, ignore;
  std::string capabilities, schema;
  bool v0 = false, v1 = false, strict = false;
  int max_errors = 10;

  rego::Dialect dialect() const { return v0 ? rego::Dialect::kV0 : rego::Dialect::kV1; }
  std::vector<std::string> IgnoredNames() const;
  rego::LoadOptions Loading() const;
  rego::BundleOptions BundleLoading() const;
};

// Policies and data, however they were named.
struct Sources {
  std::unique_ptr<Arena> arena = std::make_unique<Arena>();
  std::vector<std::unique_ptr<Arena>> more;  // of the files
  std::vector<std::unique_ptr<rego::Module>> modules;
  Value data = Value::EmptyMap();
};

// False with `failure` set. Paths and bundles may be given together.
bool LoadSources(const Common& common, const std::vector<std::string>& paths,
                 const std::vector<std::string>& bundles, Sources& sources, Failure& failure);

// The compiler's options that the flags say; `arena` keeps the schemas.
Result<rego::CompileOptions> Compiling(const Common& common, Arena& arena);

// What policies of the command line may use: the time, chance, and print() to a sink. No network
// and no environment.
class CliHost : public rego::Host {
 public:
  CliHost(const Env& env, std::function<void(std::string_view)> print)
      : env_(env), print_(std::move(print)) {}
  int64_t NowNanos() override;
  Value Runtime(Arena& arena) override;
  void Print(std::string_view text, std::string_view place) override;

 private:
  const Env& env_;
  std::function<void(std::string_view)> print_;
};

// An input document: JSON or YAML.
Result<Value> ReadInput(const std::string& path, Arena& arena);

// A row's variables, and all rows, as OPA's JSON has them.
Value BindingsOf(const rego::ResultRow& row, Arena& arena);
Value ResultsOf(const rego::ResultSet& results, Arena& arena);
// {"result": …} and a line break.
std::string JsonOfResults(const rego::ResultSet& results, Arena& arena);
// A value, or a table whose cells have at most `limit` bytes (0: any number); "undefined".
std::string PrettyResults(const rego::ResultSet& results, size_t limit, Arena& arena);

// OPA 1.22's capabilities as it prints them, of this build's built-ins.
std::string CapabilitiesJson(bool v0);
// The names of built-ins that a capabilities file, or a version's name, allows; empty: all.
Result<std::vector<std::string>> AllowedBuiltins(const std::string& file_or_version);

inline constexpr std::string_view kOpaVersion = "1.22.2";

}  // namespace bulwark::regocli
