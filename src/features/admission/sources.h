#pragma once

// The objects that `bulwark gate test` is given: files, folders, OCI layouts and standard input, in
// the order and with the complaints of gator (pkg/gator/reader).

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"

namespace bulwark::admission {

struct Sources {
  std::vector<Value> objects;
  // Of objects of the same name: "Resource named "x" (from file: "b.yaml") is already defined in
  // …".
  std::vector<std::string> conflicts;
};

class SourceReader {
 public:
  // Objects live in the arena.
  explicit SourceReader(Arena& arena) : arena_(arena) {}

  // A .yaml, .yml or .json file, or a folder of such.
  Result<> AddPath(const std::string& path);
  // "oci:FOLDER", an OCI image layout (https://github.com/opencontainers/image-spec,
  // image-layout.md) whose layers are .tar.gz of such files, or such files themselves. Registries
  // are not asked.
  Result<> AddImage(const std::string& image);
  Result<> AddText(std::string text, const std::string& source);
  Sources Finish();

 private:
  struct Origin {
    std::string source;
    size_t first;
  };
  Arena& arena_;
  std::vector<Value> objects_;
  std::vector<Origin> origins_;
};

}  // namespace bulwark::admission
