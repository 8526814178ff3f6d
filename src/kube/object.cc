#include "kube/object.h"

#include <algorithm>
#include <charconv>

namespace bulwark::kube {

std::pair<std::string_view, std::string_view> SplitApiVersion(std::string_view api_version) {
  size_t slash = api_version.find('/');
  if (slash == std::string_view::npos) return {{}, api_version};
  return {api_version.substr(0, slash), api_version.substr(slash + 1)};
}

std::optional<int> ParseMinorVersion(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  bool major = text.starts_with("1.");
  if (major) text.remove_prefix(2);
  int minor = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), minor);
  if (error != std::errc() || minor < 0 || minor > 999) return std::nullopt;
  // "1.34.4", "1.30+", "1.29-gke.1": what follows the minor version is a patch, and says nothing
  // here.
  bool whole = end == text.data() + text.size();
  if (!whole && !(major && (*end == '.' || *end == '+' || *end == '-'))) return std::nullopt;
  return minor;
}

GroupVersionKind Object::gvk() const {
  auto [group, version] = SplitApiVersion(value_->StringAt("apiVersion"));
  return {group, version, kind()};
}

std::string Object::name() const {
  Value meta = metadata();
  if (std::string_view name = meta.StringAt("name"); !name.empty()) return std::string(name);
  if (std::string_view prefix = meta.StringAt("generateName"); !prefix.empty()) {
    return std::string(prefix) + "*";
  }
  return {};
}

Asset Object::ToAsset(std::string_view cluster) const {
  GroupVersionKind id = gvk();
  return {.cluster = std::string(cluster),
          .group = std::string(id.group),
          .version = std::string(id.version),
          .kind = std::string(id.kind),
          .ns = std::string(ns()),
          .name = name()};
}

const std::vector<PodTemplatePath>& BuiltInTemplates() {
  static const std::vector<PodTemplatePath> all = [] {
    auto at = [](const char* kind, const char* group, const char* parent) {
      std::string prefix = parent;
      std::string dot = prefix.empty() ? "" : ".";
      return PodTemplatePath{kind, group, *ParsePath(prefix + dot + "metadata"),
                             *ParsePath(prefix + dot + "spec")};
    };
    return std::vector<PodTemplatePath>{
        at("Pod", "", ""),
        at("Deployment", "*", "spec.template"),
        at("ReplicaSet", "*", "spec.template"),
        at("ReplicationController", "", "spec.template"),
        at("StatefulSet", "*", "spec.template"),
        at("DaemonSet", "*", "spec.template"),
        at("Job", "batch", "spec.template"),
        at("CronJob", "batch", "spec.jobTemplate.spec.template"),
        at("PodTemplate", "", "template"),
    };
  }();
  return all;
}

namespace {

// Custom resources that nobody named: where most of them have it.
const std::vector<PodTemplatePath>& CommonTemplates() {
  static const std::vector<PodTemplatePath> all = {
      {"*", "*", *ParsePath("spec.template.metadata"), *ParsePath("spec.template.spec")},
      {"*", "*", *ParsePath("spec.podTemplate.metadata"), *ParsePath("spec.podTemplate.spec")},
      {"*", "*", *ParsePath("spec.jobTemplate.spec.template.metadata"),
       *ParsePath("spec.jobTemplate.spec.template.spec")},
  };
  return all;
}

std::optional<PodTemplate> At(const Value& object, const PodTemplatePath& path) {
  const Value* spec = FindPath(object, path.spec);
  if (spec == nullptr || !spec->IsMap()) return std::nullopt;
  return PodTemplate{spec, FindPath(object, path.meta), &path};
}

}  // namespace

std::optional<PodTemplate> FindPodTemplate(const Value& object,
                                           std::span<const PodTemplatePath> more) {
  GroupVersionKind id = Object(object).gvk();
  bool named = false;
  auto matches = [&](const PodTemplatePath& path) {
    return (path.kind == "*" || path.kind == id.kind) &&
           (path.group == "*" || path.group == id.group);
  };
  for (const PodTemplatePath& path : more) {
    if (!matches(path)) continue;
    named = true;
    if (auto found = At(object, path)) return found;
  }
  for (const PodTemplatePath& path : BuiltInTemplates()) {
    if (matches(path)) return At(object, path);
  }
  // Groups without a dot are Kubernetes' own: what has no template there is no workload.
  if (named || id.group.find('.') == std::string_view::npos || id.group.ends_with(".k8s.io")) {
    return std::nullopt;
  }
  for (const PodTemplatePath& path : CommonTemplates()) {
    auto found = At(object, path);
    if (found && found->spec->Find("containers") != nullptr) return found;
  }
  return std::nullopt;
}

Value ControllerOf(const Value& object) {
  for (const Value& owner : object["metadata"]["ownerReferences"].items()) {
    if (owner["controller"].IsTrue()) return owner;
  }
  return {};
}

namespace {

bool MatchesExpression(const Value& expression, const Value& labels) {
  std::string_view op = expression.StringAt("operator");
  const Value* label = labels.Find(expression.StringAt("key"));
  auto values = expression["values"].items();
  bool among = label != nullptr && std::find(values.begin(), values.end(), *label) != values.end();
  if (op == "In") return among;
  if (op == "NotIn") return !among;
  if (op == "Exists") return label != nullptr;
  if (op == "DoesNotExist") return label == nullptr;
  return false;
}

bool HasLabels(const Value& wanted, const Value& labels) {
  auto entries = wanted.entries();
  return std::all_of(entries.begin(), entries.end(), [&](const Value::Entry& entry) {
    const Value* label = labels.Find(entry.key);
    return label != nullptr && *label == entry.value;
  });
}

}  // namespace

bool Selects(const Value& selector, const Value& labels) {
  if (!selector.IsMap()) return false;
  const Value* match_labels = selector.Find("matchLabels");
  const Value* expressions = selector.Find("matchExpressions");
  bool structured = (match_labels != nullptr && !match_labels->IsString()) ||
                    (expressions != nullptr && !expressions->IsString());
  if (!structured) return HasLabels(selector, labels);
  if (match_labels != nullptr && !HasLabels(*match_labels, labels)) return false;
  if (expressions == nullptr) return true;
  auto all = expressions->items();
  return std::all_of(all.begin(), all.end(),
                     [&](const Value& e) { return MatchesExpression(e, labels); });
}

bool IsList(const Value& object) {
  const Value* items = object.Find("items");
  return items != nullptr && items->IsArray() && object.StringAt("kind").ends_with("List");
}

}  // namespace bulwark::kube
