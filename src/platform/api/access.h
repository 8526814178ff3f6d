#pragma once

// Who asks, and what they may do. A permission is "<noun>.<verb>" ("findings.read",
// "clusters.write"); a grant gives a set of permissions within a scope; a principal may what any of
// its grants gives. Pure data and functions; immutable while a request runs.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/store/query.h"

namespace bulwark::api {

// Where a grant counts. Empty lists are "all". Globs.
struct Scope {
  std::vector<std::string> clusters;    // ids
  std::vector<std::string> namespaces;  // with any: nothing that is cluster-scoped
  std::vector<std::pair<std::string, std::string>> labels;  // of the asset; each must match
  bool everything() const { return clusters.empty() && namespaces.empty() && labels.empty(); }
  bool Covers(std::string_view cluster, std::string_view ns) const;
};

struct Grant {
  std::string role;                      // its name, for people
  std::vector<std::string> permissions;  // globs: "*", "findings.*"
  Scope scope;
};

struct Principal {
  enum class Kind : uint8_t { kAnonymous, kUser, kToken, kKubernetes, kSystem };
  Kind kind = Kind::kAnonymous;
  std::string id;    // "user:alice", "token:3f…", "kubernetes:system:serviceaccount:…"
  std::string name;  // for people
  std::vector<Grant> grants;
  std::string session;     // of a cookie: its id, for CSRF and log-out
  std::string csrf_token;  // what X-CSRF-Token must carry on writes of such a session

  // Anywhere at all.
  bool May(std::string_view permission) const;
  bool May(std::string_view permission, std::string_view cluster, std::string_view ns) const;
  // What of a collection with the columns `cluster`, `ns` and (with_labels) `label` the principal
  // may see: kAll where everything; nothing where there is no grant.
  std::optional<store::Query> Visible(std::string_view permission, bool with_labels = false) const;
};

}  // namespace bulwark::api
