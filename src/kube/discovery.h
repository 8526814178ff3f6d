#pragma once

// What an API server serves. Read from aggregated discovery (apidiscovery.k8s.io v2, or v2beta1 of
// Kubernetes 1.26 to 1.29), else group by group from the older endpoints. Parsers are pure; the
// requests are Client::Discover()'s (client.h). Immutable once made; safe from any thread.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"

namespace bulwark::kube {

// A kind of objects, in one version.
struct Resource {
  std::string group;    // "" for core
  std::string version;  // "v1"
  std::string kind;     // "Deployment"
  std::string plural;   // "deployments"
  bool namespaced = false;
  std::vector<std::string> verbs;

  bool Can(std::string_view verb) const;
  std::string ApiVersion() const { return group.empty() ? version : group + "/" + version; }
  // "deployments.apps", "pods": as kubectl names it.
  std::string Name() const { return group.empty() ? plural : plural + "." + group; }
  // "/apis/apps/v1/namespaces/prod/deployments/web"; without namespace or name where they are "".
  std::string Path(std::string_view ns = {}, std::string_view name = {}) const;

  friend bool operator==(const Resource&, const Resource&) = default;
};

struct Discovery {
  // Sorted by group and plural; of a group's versions, the one that the server prefers. No
  // subresources.
  std::vector<Resource> resources;
  // What could not be asked: {"metrics.k8s.io/v1beta1", "503 …"}. Its resources are missing.
  struct Failure {
    std::string what, error;
  };
  std::vector<Failure> failures;

  const Resource* Find(std::string_view group, std::string_view kind) const;
};

// Adds what an APIGroupDiscoveryList says. False if `list` is none.
bool AddAggregated(const Value& list, Discovery& out);
// The versions of an APIVersions or APIGroupList, the preferred one of each group first: {group,
// version}.
std::vector<std::pair<std::string, std::string>> LegacyVersions(const Value& list);
// Adds what an APIResourceList says.
void AddLegacy(std::string_view group, std::string_view version, const Value& list, Discovery& out);
// Sorts, and drops all but the first version of each resource.
void Finish(Discovery& discovery);

}  // namespace bulwark::kube
