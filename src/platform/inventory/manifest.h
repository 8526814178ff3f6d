#pragma once

// The objects that give Bulwark an account of its own on a cluster, with the least that it needs:
// to get, list and watch exactly the kinds that it reads, nothing else and nothing to write. Pure.

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/discovery.h"
#include "model/text.h"

namespace bulwark::inventory {

struct ManifestOptions {
  std::string name = "bulwark-reader";  // of account, role, binding; a DNS label
  std::string ns = "bulwark";
  // RBAC cannot grant the metadata of Secrets alone: whoever may list them may read them. So it is
  // left out unless asked for, and stands as a comment that says so.
  bool secrets = false;
  Language language = Language::kEnglish;
};

struct ClusterManifest {
  std::string yaml;      // for kubectl apply
  std::string commands;  // shell lines: apply it, then write a kubeconfig to bulwark.kubeconfig
};

// Error: inventory.manifest_name (kInvalid).
Result<ClusterManifest> MakeManifest(std::span<const kube::Resource> kinds,
                                     const ManifestOptions& options = {});

}  // namespace bulwark::inventory
