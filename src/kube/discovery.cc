#include "kube/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "net/http_client.h"

namespace bulwark::kube {

namespace {

std::vector<std::string> Strings(const Value& list) {
  std::vector<std::string> out;
  for (const Value& item : list.items()) {
    if (item.IsString()) out.emplace_back(item.AsString());
  }
  return out;
}

}  // namespace

bool Resource::Can(std::string_view verb) const {
  return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
}

std::string Resource::Path(std::string_view ns, std::string_view name) const {
  std::string path =
      group.empty() ? fmt::format("/api/{}", net::UrlEscape(version))
                    : fmt::format("/apis/{}/{}", net::UrlEscape(group), net::UrlEscape(version));
  if (!ns.empty()) path += "/namespaces/" + net::UrlEscape(ns);
  path += "/" + net::UrlEscape(plural);
  // A ':' is common in RBAC's names; it needs no escape but stands one.
  if (!name.empty()) path += "/" + net::UrlEscape(name);
  return path;
}

const Resource* Discovery::Find(std::string_view group, std::string_view kind) const {
  auto found = std::find_if(resources.begin(), resources.end(),
                            [&](const Resource& r) { return r.group == group && r.kind == kind; });
  return found == resources.end() ? nullptr : &*found;
}

bool AddAggregated(const Value& list, Discovery& out) {
  if (list.StringAt("kind") != "APIGroupDiscoveryList") return false;
  for (const Value& group : list["items"].items()) {
    std::string_view group_name = group["metadata"].StringAt("name");
    for (const Value& version : group["versions"].items()) {
      std::string_view version_name = version.StringAt("version");
      if (version.StringAt("freshness") == "Stale") {
        out.failures.push_back({fmt::format("{}/{}", group_name, version_name),
                                "the API server cannot reach who serves it"});
      }
      for (const Value& r : version["resources"].items()) {
        const Value kind = r["responseKind"];
        if (r.StringAt("resource").empty() || kind.StringAt("kind").empty()) continue;
        out.resources.push_back({std::string(group_name), std::string(version_name),
                                 std::string(kind.StringAt("kind")),
                                 std::string(r.StringAt("resource")),
                                 r.StringAt("scope") == "Namespaced", Strings(r["verbs"])});
      }
    }
  }
  return true;
}

std::vector<std::pair<std::string, std::string>> LegacyVersions(const Value& list) {
  std::vector<std::pair<std::string, std::string>> out;
  if (list.StringAt("kind") == "APIVersions") {
    for (const std::string& version : Strings(list["versions"])) out.emplace_back("", version);
  }
  for (const Value& group : list["groups"].items()) {
    std::string name(group.StringAt("name"));
    std::string preferred(group["preferredVersion"].StringAt("version"));
    if (!preferred.empty()) out.emplace_back(name, preferred);
    for (const Value& version : group["versions"].items()) {
      std::string_view v = version.StringAt("version");
      if (!v.empty() && v != preferred) out.emplace_back(name, std::string(v));
    }
  }
  return out;
}

void AddLegacy(std::string_view group, std::string_view version, const Value& list,
               Discovery& out) {
  for (const Value& r : list["resources"].items()) {
    std::string_view name = r.StringAt("name");
    if (name.empty() || name.find('/') != std::string_view::npos) continue;
    out.resources.push_back({std::string(group), std::string(version),
                             std::string(r.StringAt("kind")), std::string(name),
                             r["namespaced"].IsTrue(), Strings(r["verbs"])});
  }
}

void Finish(Discovery& discovery) {
  std::set<std::pair<std::string, std::string>> seen;
  std::erase_if(discovery.resources, [&](const Resource& r) {
    return !seen.emplace(r.group, r.plural).second;  // the first is the preferred
  });
  std::sort(discovery.resources.begin(), discovery.resources.end(),
            [](const Resource& a, const Resource& b) {
              return std::tie(a.group, a.plural) < std::tie(b.group, b.plural);
            });
}

}  // namespace bulwark::kube
