#pragma once

// What the collection "assets" keeps of an object: pure functions from an object of the API server
// to the parts of a record. Heartbeats, counters and the like are left out, so that a record
// changes only when something did; values that may be secret (environment, annotations, arguments
// that look like it) stand in it as marks of a few bits, which tell that they changed but not what
// they were.
//
// Limits: kMaxLabels labels, kMaxImages images, kMaxConfigBytes of configuration (past it, only a
// hash). Safe from any thread.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/value.h"
#include "kube/discovery.h"
#include "model/finding.h"

namespace bulwark::inventory {

inline constexpr size_t kMaxLabels = 100;
inline constexpr size_t kMaxImages = 100;
inline constexpr size_t kMaxConfigBytes = 24 << 10;

// The kinds that are assets, in the order that they are read: owners before what they own.
struct AssetKind {
  std::string_view group, kind;
  // "namespace", "node", "workload", "replica" (owned by one), "pod", "account", "role", "binding",
  // "network", "image": column `class`.
  std::string_view cls;
};
std::span<const AssetKind> AssetKinds();
const AssetKind* FindAssetKind(std::string_view group, std::string_view kind);

struct ImageUse {
  std::string container;
  std::string reference;  // with its registry: "docker.io/library/nginx:1.27"
  std::string digest;     // "sha256:…"; empty: not known
  // What the image's asset is called.
  const std::string& name() const { return digest.empty() ? reference : digest; }
};

struct OwnerRef {
  std::string group, kind, name;
};

struct AssetRecord {
  Asset asset;
  std::string uid, version;  // metadata.resourceVersion
  std::string cls;
  std::vector<std::string> labels;  // "k=v"
  std::optional<OwnerRef> owner;    // its controller
  std::string workload;  // key of the asset at the top of the owners; the caller's to set
  std::string node, service_account;
  std::vector<ImageUse> images;
  std::string phase;
  std::optional<int64_t> replicas, ready;
  std::string created;         // RFC 3339
  std::string summary = "{}";  // JSON: what a list shows of this kind
  std::string config = "{}";   // JSON: what DiffConfigs() compares
  // Who wrote the object last, and when, as managedFields has it.
  std::string manager, managed_at;
};

// `object` with apiVersion and kind or without; those of `resource` count.
AssetRecord RecordOf(std::string_view cluster, const kube::Resource& resource, const Value& object);

// The record's JSON without its last brace and the times that change without it: equal texts, equal
// records.
std::string StableBody(const AssetRecord& record);
struct SeenTimes {
  std::string first, last;  // RFC 3339
  bool gone = false;
};
std::string WholeBody(std::string_view stable, const SeenTimes& times);
// The stable part of what WholeBody() made; nullopt for other texts.
std::optional<std::string_view> StableOf(std::string_view whole);

// What of an object its people decide: spec and the like, labels, annotations, with secret values
// hidden. At most `max_bytes` of JSON.
std::string ConfigOf(const AssetRecord& record, const Value& object,
                     size_t max_bytes = kMaxConfigBytes);

struct FieldChange {
  std::string path;           // "spec.template.spec.containers[web].image"
  std::string before, after;  // JSON, cut after 200 bytes; "": absent; never a secret value
  friend bool operator==(const FieldChange&, const FieldChange&) = default;
};
struct ConfigDiff {
  std::vector<FieldChange> changes;
  size_t more = 0;  // changes past `max_changes`
};
ConfigDiff DiffConfigs(const Value& before, const Value& after, size_t max_changes = 50);

// "docker.io/library/nginx:1.27" for "nginx:1.27"; the text itself where it is no reference.
std::string WholeReference(std::string_view reference);

}  // namespace bulwark::inventory
