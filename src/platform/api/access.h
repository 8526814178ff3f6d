#pragma once

// Who asks, and what they may do. A permission is "<noun>.<verb>" ("findings.read",
// "clusters.write"); a grant gives a set of permissions within a scope; a principal may what any of
// its grants gives. Pure data and functions; immutable while a request runs.
//
// What a scope names, it means to be there: a scope with namespaces covers nothing that is
// cluster-scoped, one with clusters nothing that belongs to no cluster, one with labels only what
// is known to have them. And some nouns are of Bulwark itself (IsGlobal): those are given by grants
// without any bound alone, so that an administrator of one namespace makes no users.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "platform/store/query.h"

namespace bulwark::api {

// Where a grant counts. Empty lists are "all". Globs: * is any run of characters, ? any one.
struct Scope {
  std::vector<std::string> clusters;    // ids
  std::vector<std::string> namespaces;  // with any: nothing that is cluster-scoped
  // Of the asset; each must match. The value may be a glob, the key may not.
  std::vector<std::pair<std::string, std::string>> labels;
  bool everything() const { return clusters.empty() && namespaces.empty() && labels.empty(); }
  // Of a thing whose labels are not known: false where the scope has labels.
  bool Covers(std::string_view cluster, std::string_view ns) const;
  // `labels` as in columns of the store: "app=web".
  bool Covers(std::string_view cluster, std::string_view ns,
              std::span<const std::string> labels) const;
  // All that `other` covers, now and ever, this one covers. May say no where globs are intricate,
  // never yes wrongly.
  bool Contains(const Scope& other) const;
  friend bool operator==(const Scope&, const Scope&) = default;
};

struct Grant {
  std::string role;                      // its name, for people
  std::vector<std::string> permissions;  // globs: "*", "findings.*", "*.read"
  Scope scope;
};

// "*", "<noun>.*", "*.<verb>" or "<noun>.<verb>", of lower-case letters and '-'.
bool IsPermissionPattern(std::string_view pattern);
// `pattern` gives the permission, or all that the pattern `asked` gives.
bool PermissionMatches(std::string_view pattern, std::string_view asked);
// Of Bulwark itself, not of clusters: users, roles, tokens, providers, settings, audit, system, and
// the writing of rules.
bool IsGlobal(std::string_view permission);
// Whatever the glob `inner` matches, `outer` matches. May say no wrongly, never yes.
bool GlobCovers(std::string_view outer, std::string_view inner);

struct Principal {
  enum class Kind : uint8_t { kAnonymous, kUser, kToken, kKubernetes, kSystem };
  Kind kind = Kind::kAnonymous;
  std::string id;    // "user:alice", "token:3f…", "kubernetes:system:serviceaccount:…"
  std::string name;  // for people
  std::vector<Grant> grants;
  std::string session;     // of a cookie: its id, for CSRF and log-out
  std::string csrf_token;  // what X-CSRF-Token must carry on writes of such a session

  // Anywhere at all; of what IsGlobal(): everywhere.
  bool May(std::string_view permission) const;
  bool May(std::string_view permission, std::string_view cluster, std::string_view ns) const;
  bool May(std::string_view permission, std::string_view cluster, std::string_view ns,
           std::span<const std::string> labels) const;
  // What of a collection with the columns `cluster`, `ns` and (with_labels) `label` the principal
  // may see: kAll where everything; nothing where there is no grant. Without labels, grants whose
  // scope has some do not count.
  std::optional<store::Query> Visible(std::string_view permission, bool with_labels = false) const;
  // The principal has each of the grant's permissions throughout the grant's scope, and so may give
  // it to others.
  bool Has(const Grant& grant) const;
};

}  // namespace bulwark::api
