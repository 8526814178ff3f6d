#include "features/posture/inventory.h"

#include <algorithm>
#include <array>

namespace bulwark::posture {

namespace {

constexpr std::string_view kWorkload = "Workload";

bool IsOneOf(std::string_view word, std::span<const std::string_view> list) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

Value TrimContainers(const Value& containers, Arena& arena) {
  static constexpr std::string_view kKeep[] = {"name", "image", "ports", "securityContext",
                                               "resources"};
  std::vector<Value> out;
  for (const Value& c : containers.items()) {
    MapBuilder map(arena, c.size());
    for (const auto& [key, value] : c.entries()) {
      if (key.IsString() && IsOneOf(key.AsString(), kKeep))
        map.Add(key.CopyTo(arena), value.CopyTo(arena));
    }
    out.push_back(map.Finish());
  }
  return Value::Array(arena, out);
}

// A copy of the object without what no check between objects reads.
Value Trim(const Value& v, Arena& arena, int depth = 0) {
  if (!v.IsMap() || depth > 12) return v.CopyTo(arena);
  MapBuilder map(arena, v.size());
  for (const auto& [key, value] : v.entries()) {
    if (!key.IsString()) continue;
    std::string_view name = key.AsString();
    if ((depth == 0 && name == "status") || name == "managedFields" || name == "volumes" ||
        name == "kubectl.kubernetes.io/last-applied-configuration") {
      continue;
    }
    bool containers = value.IsArray() && IsOneOf(name, kube::kContainerLists);
    map.Add(key.CopyTo(arena),
            containers ? TrimContainers(value, arena) : Trim(value, arena, depth + 1));
  }
  return map.Finish();
}

}  // namespace

Place Inventory::Kept::PlaceOf(const Path& path) const {
  // The longest kept path that the wanted one starts with.
  for (Path prefix = path; !prefix.empty(); prefix.pop_back()) {
    std::string text = PathToString(prefix);
    for (const auto& [at, where] : places) {
      if (at == text) return where;
    }
  }
  return place;
}

Inventory::Inventory(const CheckSet& checks, const std::vector<kube::PodTemplatePath>& templates)
    : templates_(templates) {
  arenas_.emplace_back(1 << 16);
  for (const Check& check : checks.checks()) {
    if (!check.needs_others()) continue;
    related_.push_back(&check);
    wanted_.insert(check.needs.begin(), check.needs.end());
  }
}

Value Inventory::Trimmed(const Value& object, Arena& arena) { return Trim(object, arena); }

bool Inventory::Wants(std::string_view group, std::string_view kind, bool workload) const {
  if (wanted_.contains(kind) || (workload && wanted_.contains(kWorkload))) return true;
  return std::any_of(related_.begin(), related_.end(),
                     [&](const Check* check) { return check->SpeaksOf(group, kind, workload); });
}

void Inventory::Add(const Value& object, bool workload, const std::string& file, const Place& place,
                    const SourceMap* positions) {
  kube::GroupVersionKind id = kube::Object(object).gvk();
  if (id.kind == "Namespace" && id.group.empty()) namespaces_.insert(kube::Object(object).name());
  if (!Wants(id.group, id.kind, workload)) return;
  Kept kept{
      .object = Trim(object, arenas_.back()), .file = file, .place = place, .workload = workload};
  if (positions != nullptr) {
    // Two levels from the top, and the fields of the pod spec.
    auto note = [&](const Value& map, const std::string& prefix, auto&& self, int levels) -> void {
      for (const auto& entry : map.entries()) {
        if (!entry.key.IsString()) continue;
        auto at = positions->KeyOf(&entry.value);
        if (!at) continue;
        std::string path = prefix;
        AppendKey(path, entry.key.AsString());
        Place where = place;
        where.line = at->line;
        where.column = at->column;
        where.end_line = where.end_column = 0;
        kept.places.emplace_back(path, where);
        if (levels > 1) self(entry.value, path, self, levels - 1);
      }
    };
    note(object, "", note, 2);
    if (auto pod = kube::FindPodTemplate(object, templates_); pod && pod->at->spec.size() > 1) {
      note(*pod->spec, PathToString(pod->at->spec), note, 1);
    }
  }
  kept_.push_back(std::move(kept));
}

void Inventory::Merge(Inventory&& other) {
  std::move(other.arenas_.begin(), other.arenas_.end(), std::back_inserter(arenas_));
  std::move(other.kept_.begin(), other.kept_.end(), std::back_inserter(kept_));
  namespaces_.merge(other.namespaces_);
}

bool Inventory::HasNamespace(std::string_view name) const {
  return name.empty() ? !namespaces_.empty() : namespaces_.contains(name);
}

void Inventory::Finish() {
  if (wanted_.empty()) return;
  // Threads bring objects in any order; results must not depend on it.
  std::vector<std::pair<std::string, size_t>> order;
  order.reserve(kept_.size());
  for (size_t i = 0; i < kept_.size(); ++i) {
    order.emplace_back(kube::Object(kept_[i].object).ToAsset().Key(), i);
  }
  std::sort(order.begin(), order.end());
  std::vector<Kept> sorted;
  sorted.reserve(kept_.size());
  for (const auto& [key, index] : order) sorted.push_back(std::move(kept_[index]));
  kept_ = std::move(sorted);
  Arena& arena = arenas_.back();
  using Lists = std::map<std::string, std::vector<Value>, std::less<>>;
  std::map<std::string, Lists, std::less<>> by_namespace;
  Lists all;
  auto put = [&](std::string_view kind, std::string_view ns, const Value& v) {
    auto list = wanted_.find(kind);
    if (list == wanted_.end()) return;
    all[*list].push_back(v);
    if (!ns.empty()) by_namespace[std::string(ns)][*list].push_back(v);
  };
  for (const Kept& k : kept_) {
    kube::Object object(k.object);
    std::string_view ns = object.ns();
    // What says no namespace is put where kubectl would put it.
    std::string_view effective = ns.empty() ? "default" : ns;
    put(object.kind(), effective, k.object);
    if (!k.workload || !wanted_.contains(kWorkload)) continue;
    auto pod = kube::FindPodTemplate(k.object, templates_);
    if (!pod) continue;
    Value pod_meta = pod->meta != nullptr ? *pod->meta : Value::EmptyMap();
    auto map_or_empty = [](const Value& v) { return v.IsMap() ? v : Value::EmptyMap(); };
    put(kWorkload, effective,
        MapBuilder(arena)
            .Add("kind", Value::String(object.kind()))
            .Add("name", Value::String(arena, object.name()))
            .Add("namespace", Value::String(effective))
            .Add("labels", map_or_empty(object.labels()))
            .Add("podLabels", map_or_empty(pod_meta["labels"]))
            .Add("pod", *pod->spec)
            .Add("object", k.object)
            .Finish());
  }
  auto finish = [&](const Lists& lists) {
    MapBuilder map(arena);
    for (const std::string& kind : wanted_) {
      auto found = lists.find(kind);
      map.Add(Value::String(kind),
              found == lists.end() ? Value::EmptyArray() : Value::Array(arena, found->second));
    }
    return map.Finish();
  };
  cluster_ = finish(all);
  peers_.emplace("", finish({}));
  for (const auto& [ns, lists] : by_namespace) peers_.emplace(ns, finish(lists));
}

Value Inventory::Peers(std::string_view ns) const {
  auto found = peers_.find(ns);
  if (found == peers_.end()) found = peers_.find("");
  return found == peers_.end() ? Value::EmptyMap() : found->second;
}

}  // namespace bulwark::posture
