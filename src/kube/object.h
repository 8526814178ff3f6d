#pragma once

// Kubernetes objects as data: thin typed views over a Value, so that unknown fields survive and one
// parse serves everybody. A view is good for as long as the Value's memory is; reading is safe from
// any thread.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/path.h"
#include "base/value.h"
#include "model/finding.h"

namespace bulwark::kube {

// The last minor version of Kubernetes that this build knows.
inline constexpr int kNewestMinor = 34;

struct GroupVersionKind {
  std::string_view group, version, kind;
};

// "apps/v1" → {"apps", "v1"}, "v1" → {"", "v1"}.
std::pair<std::string_view, std::string_view> SplitApiVersion(std::string_view api_version);

// "1.34", "v1.34.4", "34" → 34. nullopt for anything else, and for majors other than 1.
std::optional<int> ParseMinorVersion(std::string_view text);

// Any object with apiVersion and kind. What is absent or of the wrong type reads as empty.
class Object {
 public:
  explicit Object(const Value& value) : value_(&value) {}
  const Value& value() const { return *value_; }
  GroupVersionKind gvk() const;
  std::string_view kind() const { return value_->StringAt("kind"); }
  // metadata.name, or metadata.generateName + "*".
  std::string name() const;
  std::string_view ns() const { return metadata().StringAt("namespace"); }
  Value metadata() const { return (*value_)["metadata"]; }
  Value labels() const { return metadata()["labels"]; }
  Value annotations() const { return metadata()["annotations"]; }
  // `cluster` is its UID, empty for files.
  Asset ToAsset(std::string_view cluster = {}) const;

 private:
  const Value* value_;
};

// Where the pod template of a kind stands.
struct PodTemplatePath {
  std::string kind;   // "Deployment"; "*" for any kind not named otherwise
  std::string group;  // API group, "*" for any
  Path meta, spec;    // of the pod's metadata and pod spec
};
// The kinds of Kubernetes itself: Pod, Deployment, ReplicaSet, ReplicationController, StatefulSet,
// DaemonSet, Job, CronJob, PodTemplate.
const std::vector<PodTemplatePath>& BuiltInTemplates();

// A workload's pod template inside its object.
struct PodTemplate {
  const Value* spec = nullptr;  // a map
  const Value* meta = nullptr;  // may be nullptr
  const PodTemplatePath* at = nullptr;
};
// `more` are the paths of custom resources, tried before the built-in ones; a custom resource that
// nobody named is searched at spec.template and spec.podTemplate. nullopt where there is none.
std::optional<PodTemplate> FindPodTemplate(const Value& object,
                                           std::span<const PodTemplatePath> more = {});

// The three lists of containers of a pod spec.
inline constexpr std::string_view kContainerLists[] = {"containers", "initContainers",
                                                       "ephemeralContainers"};

// The controller among metadata.ownerReferences (controller: true), or null.
Value ControllerOf(const Value& object);

// Whether a label selector selects: LabelSelector (matchLabels and matchExpressions) or a plain map
// of labels. An empty selector selects everything; null selects nothing.
bool Selects(const Value& selector, const Value& labels);

// Kinds whose name ends in List and that have items.
bool IsList(const Value& object);

}  // namespace bulwark::kube
