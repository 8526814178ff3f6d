#include "platform/api/access.h"

#include <algorithm>

#include "base/text.h"

namespace bulwark::api {
namespace {

bool MatchesAny(const std::vector<std::string>& globs, std::string_view text) {
  return std::ranges::any_of(globs, [&](const std::string& g) { return GlobMatch(g, text, '\0'); });
}

// An empty list is all; a list means that there is something to match.
bool Within(const std::vector<std::string>& globs, std::string_view text) {
  return globs.empty() || (!text.empty() && MatchesAny(globs, text));
}

std::pair<std::string_view, std::string_view> Parts(std::string_view permission) {
  if (permission == "*") return {"*", "*"};
  size_t dot = permission.find('.');
  if (dot == std::string_view::npos) return {permission, ""};
  return {permission.substr(0, dot), permission.substr(dot + 1)};
}

bool CoversAll(const std::vector<std::string>& outer, const std::vector<std::string>& inner) {
  if (outer.empty()) return true;
  return !inner.empty() && std::ranges::all_of(inner, [&](const std::string& i) {
    return std::ranges::any_of(outer, [&](const std::string& o) { return GlobCovers(o, i); });
  });
}

store::Query Has(std::string field) {
  store::Query query;
  query.kind = store::Query::Kind::kTerm;
  query.term.op = store::Term::Op::kHas;
  query.term.field = std::move(field);
  return query;
}

// The column is one of the globs, and there: some globs match the empty text too.
void AddList(std::vector<store::Query>& parts, const std::string& field,
             const std::vector<std::string>& globs) {
  if (globs.empty()) return;
  parts.push_back(store::Query::AnyOf(field, globs));
  if (MatchesAny(globs, "")) parts.push_back(Has(field));
}

store::Query QueryOf(const Scope& scope) {
  std::vector<store::Query> parts;
  AddList(parts, "cluster", scope.clusters);
  AddList(parts, "ns", scope.namespaces);
  for (const auto& [key, value] : scope.labels) {
    parts.push_back(store::Query::Equals("label", key + "=" + value));
  }
  return parts.size() == 1 ? std::move(parts[0]) : store::Query::And(std::move(parts));
}

bool Gives(const Grant& grant, std::string_view permission) {
  return std::ranges::any_of(
      grant.permissions, [&](const std::string& p) { return PermissionMatches(p, permission); });
}

}  // namespace

bool Scope::Covers(std::string_view cluster, std::string_view ns) const {
  return Covers(cluster, ns, {});
}

bool Scope::Covers(std::string_view cluster, std::string_view ns,
                   std::span<const std::string> with) const {
  return Within(clusters, cluster) && Within(namespaces, ns) &&
         std::ranges::all_of(labels, [&](const auto& wanted) {
           return std::ranges::any_of(with, [&](std::string_view label) {
             auto pair = Cut(label, "=");
             return pair && pair->first == wanted.first &&
                    GlobMatch(wanted.second, pair->second, '\0');
           });
         });
}

bool Scope::Contains(const Scope& other) const {
  return CoversAll(clusters, other.clusters) && CoversAll(namespaces, other.namespaces) &&
         std::ranges::all_of(labels, [&](const auto& wanted) {
           return std::ranges::any_of(other.labels, [&](const auto& label) {
             return label.first == wanted.first && GlobCovers(wanted.second, label.second);
           });
         });
}

bool IsPermissionPattern(std::string_view pattern) {
  if (pattern == "*") return true;
  auto parts = Cut(pattern, ".");
  auto word = [](std::string_view text) {
    return text == "*" || (!text.empty() && std::ranges::all_of(text, [](char c) {
             return (c >= 'a' && c <= 'z') || c == '-';
           }));
  };
  return parts && pattern.size() <= 64 && word(parts->first) && word(parts->second);
}

bool PermissionMatches(std::string_view pattern, std::string_view asked) {
  auto [noun, verb] = Parts(pattern);
  auto [asked_noun, asked_verb] = Parts(asked);
  return (noun == "*" || noun == asked_noun) && (verb == "*" || verb == asked_verb);
}

bool IsGlobal(std::string_view permission) {
  static constexpr std::string_view kNouns[] = {"users",    "roles", "tokens", "providers",
                                                "settings", "audit", "system"};
  auto [noun, verb] = Parts(permission);
  return std::ranges::find(kNouns, noun) != std::end(kNouns) || (noun == "rules" && verb != "read");
}

bool GlobCovers(std::string_view outer, std::string_view inner) {
  if (outer == "*" || outer == inner) return true;
  if (inner.find_first_of("*?\\") == std::string_view::npos) return GlobMatch(outer, inner, '\0');
  // "team-*" covers what begins with "team-"; anything more intricate is not decided.
  size_t special = outer.find_first_of("*?\\");
  return special != std::string_view::npos && special + 1 == outer.size() &&
         outer[special] == '*' && inner.find_first_of("*?\\") >= special &&
         inner.starts_with(outer.substr(0, special));
}

bool Principal::May(std::string_view permission) const {
  bool global = IsGlobal(permission);
  return std::ranges::any_of(grants, [&](const Grant& g) {
    return (!global || g.scope.everything()) && Gives(g, permission);
  });
}

bool Principal::May(std::string_view permission, std::string_view cluster,
                    std::string_view ns) const {
  return May(permission, cluster, ns, {});
}

bool Principal::May(std::string_view permission, std::string_view cluster, std::string_view ns,
                    std::span<const std::string> labels) const {
  bool global = IsGlobal(permission);
  return std::ranges::any_of(grants, [&](const Grant& g) {
    return (global ? g.scope.everything() : g.scope.Covers(cluster, ns, labels)) &&
           Gives(g, permission);
  });
}

std::optional<store::Query> Principal::Visible(std::string_view permission,
                                               bool with_labels) const {
  bool global = IsGlobal(permission);
  std::vector<store::Query> any;
  for (const Grant& grant : grants) {
    if (!Gives(grant, permission)) continue;
    if (grant.scope.everything()) return store::Query::All();
    if (global || (!with_labels && !grant.scope.labels.empty())) continue;
    any.push_back(QueryOf(grant.scope));
  }
  if (any.empty()) return std::nullopt;
  return any.size() == 1 ? std::move(any[0]) : store::Query::Or(std::move(any));
}

bool Principal::Has(const Grant& grant) const {
  return std::ranges::all_of(grant.permissions, [&](const std::string& permission) {
    return std::ranges::any_of(grants, [&](const Grant& held) {
      return held.scope.Contains(grant.scope) && Gives(held, permission);
    });
  });
}

}  // namespace bulwark::api
