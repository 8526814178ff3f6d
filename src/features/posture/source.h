#pragma once

// Where the objects of an inspection come from, other than a cluster (cluster_source.h): files,
// folders, standard input, Kustomize folders (rendered by kubectl), Helm charts (rendered by helm).
// What cannot be read becomes an Unread of the report; the rest is inspected.

#include <string>
#include <vector>

#include "base/result.h"
#include "features/posture/inspection.h"
#include "platform/command.h"

namespace bulwark::posture {

struct SourceOptions {
  std::vector<std::string> helm_values;  // files for `helm template --values`
  size_t max_stdin_bytes = size_t{256} << 20;
};

// Each path is a file, a folder, or "-" for standard input.
void AddPaths(Inspection& inspection, const Env& env, const std::vector<std::string>& paths,
              const SourceOptions& options);

}  // namespace bulwark::posture
