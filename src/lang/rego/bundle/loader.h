#pragma once

// Policies and data from files and folders, as OPA's loader reads them (`opa eval --data`):
//
//   x.rego               a module
//   x.json, x.yaml       a document, merged into data at the folders that lead to it; at the top
//                        where the path itself was named
//   x.tar.gz             a bundle (bundle.h), its signatures not checked
//   a.b:path             what stands at the path, under data.a.b
//   a file named itself  may have any name: a module, JSON or YAML, whichever reads
//
// Folders are read recursively in the order of names; other files in them are passed over.
//
// Every file that cannot be read is a Problem; the Error (id rego_load_error) says all of them as
// OPA does: "1 error occurred during loading: …". Nothing is loaded then.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "lang/rego/ast/ast.h"
#include "lang/rego/ast/parser.h"

namespace bulwark::rego {

struct Problem {
  std::optional<Diagnostic> diagnostic;  // of a module's text
  std::string text;                      // one line and its details
};
std::vector<Problem> ProblemsOf(const std::vector<Diagnostic>& diagnostics);
// "1 error occurred during loading: …"
Error LoadError(const std::vector<Problem>& problems);

struct LoadLimits {
  size_t max_file_bytes = size_t{1} << 30;
  size_t max_total_bytes = size_t{4} << 30;
  size_t max_files = 1'000'000;
  size_t max_depth = 100;  // of folders
};

struct LoadOptions {
  ParseOptions parse;
  // Names of files and folders below a path that are left out: shell patterns (`.*`).
  std::vector<std::string> ignore;
  // What else is left out; `depth` 0 is a path that was named.
  std::function<bool(std::string_view path, bool is_folder, size_t depth)> skip;
  LoadLimits limits;
};

// Whether one of the patterns matches a name (fnmatch(3), `/` in no pattern).
bool MatchesName(const std::vector<std::string>& patterns, std::string_view name);

struct Loaded {
  std::unique_ptr<Arena> arena = std::make_unique<Arena>(size_t{64} << 10);
  Value documents = Value::EmptyMap();           // in the arena
  std::vector<std::unique_ptr<Module>> modules;  // by file name
};

Result<Loaded> LoadPaths(const std::vector<std::string>& paths, const LoadOptions& options,
                         std::vector<Problem>* problems = nullptr);
// The files that LoadPaths() would read, in order.
Result<std::vector<std::string>> ListPaths(const std::vector<std::string>& paths,
                                           const LoadOptions& options);

// {"a", "b"} and "path" of a.b:path
std::pair<std::vector<std::string>, std::string> SplitPrefix(std::string_view path);
// A file:// URL is its path; backslashes stay.
std::string CleanPath(std::string_view path);

// JSON or, where it is not that, YAML (of which the first document counts).
Result<Value> ParseDocument(std::string_view text, Arena& arena);
Result<Value> ParseJsonDocument(std::string_view text, Arena& arena);
Result<Value> ParseYamlDocument(std::string_view text, Arena& arena);

// A schema for type checking, or a folder of them, by path: "schema" for a file; for folders
// "schema.input", "schema.a.b" of a/b.json.
Result<std::vector<std::pair<std::string, Value>>> LoadSchemas(const std::string& path,
                                                               Arena& arena);

}  // namespace bulwark::rego
