#pragma once

// Bundles: policies and data as one unit, in a folder or a .tar.gz
// (https://www.openpolicyagent.org/docs/management-bundles#bundle-file-format).
//
//   .manifest            revision, roots, rego_version, file_rego_versions, metadata, wasm
//   data.json, data.yaml at any place: that document at the folders that lead to it
//   *.rego               modules, in packages below the roots
//   .signatures.json     a JSON Web Token over the hashes of all files
//   plan.json, *.wasm    kept as they are; patch.json (a delta bundle) is refused
//
//   Bundle bundle = BW_TRY(LoadBundle("bundle.tar.gz", {.verify = …}));
//
// An archive is hostile until it is read: its size unpacked, its files and their names are bounded;
// links and devices in it are passed over; a path with `..` in it is an error; nothing is ever
// written to disk. Errors say what OPA says: "bundle missing .signatures.json file".

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "lang/rego/ast/ast.h"
#include "lang/rego/bundle/data_tree.h"
#include "lang/rego/bundle/loader.h"
#include "lang/rego/bundle/signature.h"

namespace bulwark::rego {

struct Manifest {
  std::string revision;
  std::optional<std::vector<std::string>> roots;  // none: {""}, everything
  std::optional<int> rego_version;
  std::map<std::string, int> file_rego_versions;  // by glob over paths
  Value metadata;                                 // null where there is none
  Value wasm;                                     // the resolvers as they stand

  bool empty() const;
  std::vector<std::string> RootsOrAll() const;
  // Of a module; `otherwise` where nothing is said of it.
  Dialect DialectOf(std::string_view path, Dialect otherwise) const;
  // As it stands in .manifest.
  Value ToValue(Arena& arena) const;
  static Result<Manifest> Parse(std::string_view json, Arena& arena);
};

struct BundleModule {
  std::string url;       // with where the bundle stands before it
  std::string path;      // what the module is called
  std::string relative;  // within the bundle
  std::string text;
  std::unique_ptr<Module> parsed;
};

struct BundleFile {  // wasm and plans
  std::string path;
  std::string bytes;
};

struct Bundle {
  std::unique_ptr<Arena> arena = std::make_unique<Arena>(size_t{64} << 10);
  std::string name;
  Manifest manifest;
  Value data = Value::EmptyMap();
  std::vector<BundleModule> modules;
  std::vector<BundleFile> others;
  std::vector<std::string> signatures;  // tokens
};

struct BundleOptions {
  ParseOptions parse;
  std::vector<std::string> ignore;
  std::function<bool(std::string_view path, bool is_folder, size_t depth)> skip;
  LoadLimits limits;
  // Signatures: none is looked at with skip_verify; else a bundle that has one needs `verify`, and
  // `verify->required` one that has none is refused.
  bool skip_verify = false;
  std::optional<Verification> verify;
  bool manifest_in_data = false;  // data.system.bundle.manifest
};

// A folder, or an archive by any name.
Result<Bundle> LoadBundle(const std::string& path, const BundleOptions& options,
                          std::vector<Problem>* problems = nullptr);
// The bytes of an archive; `name` stands before its paths in `url`.
Result<Bundle> ReadBundle(std::string_view archive, const std::string& name,
                          const BundleOptions& options, std::vector<Problem>* problems = nullptr);

// A .tar.gz: data.json, modules, other files, signatures, manifest. The same bundle gives the same
// bytes. `by_path`: modules stand under `path`, else under `url`.
Result<std::string> WriteBundle(const Bundle& bundle, bool by_path);
// The token over all files as WriteBundle() writes them.
Result<std::string> SignBundle(const Bundle& bundle, const Signing& signing, bool by_path);

// Two bundles may not own the same part of data.
Result<> CheckRoots(const std::vector<const Bundle*>& bundles);
// Whether the path "a/b" lies in one of the roots.
bool RootsContain(const std::vector<std::string>& roots, std::string_view path);

}  // namespace bulwark::rego
