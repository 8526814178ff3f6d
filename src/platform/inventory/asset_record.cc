#include "platform/inventory/asset_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/hash.h"
#include "base/path.h"
#include "base/text.h"
#include "formats/json.h"
#include "kube/object.h"
#include "oci/reference.h"

namespace bulwark::inventory {

namespace {

constexpr std::array<AssetKind, 18> kKinds = {{
    {"", "Namespace", "namespace"},
    {"", "Node", "node"},
    {"", "ServiceAccount", "account"},
    {"rbac.authorization.k8s.io", "ClusterRole", "role"},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", "binding"},
    {"rbac.authorization.k8s.io", "Role", "role"},
    {"rbac.authorization.k8s.io", "RoleBinding", "binding"},
    {"apps", "Deployment", "workload"},
    {"apps", "StatefulSet", "workload"},
    {"apps", "DaemonSet", "workload"},
    {"batch", "CronJob", "workload"},
    {"", "ReplicationController", "workload"},
    {"apps", "ReplicaSet", "workload"},
    {"batch", "Job", "workload"},
    {"", "Service", "network"},
    {"networking.k8s.io", "Ingress", "network"},
    {"networking.k8s.io", "NetworkPolicy", "network"},
    {"", "Pod", "pod"},
}};

constexpr size_t kMaxValueBytes = 200;
constexpr size_t kMaxListed = 50;  // entries of a list in a summary

// Annotations that programs write over and over, or that repeat the object.
bool IsNoise(std::string_view annotation) {
  static constexpr std::array<std::string_view, 9> kNoise = {
      "kubectl.kubernetes.io/last-applied-configuration",
      "deployment.kubernetes.io/revision",
      "deployment.kubernetes.io/desired-replicas",
      "deployment.kubernetes.io/max-replicas",
      "control-plane.alpha.kubernetes.io/leader",
      "node.alpha.kubernetes.io/ttl",
      "volumes.kubernetes.io/controller-managed-attach-detach",
      "autoscaling.alpha.kubernetes.io/conditions",
      "autoscaling.alpha.kubernetes.io/current-metrics",
  };
  return std::find(kNoise.begin(), kNoise.end(), annotation) != kNoise.end();
}

// Sixteen bits: enough to see that a value is another one, too few to find it by trying.
std::string Mark(std::string_view text) {
  return fmt::format("[hidden #{:04x}]", XxHash3(text) & 0xffff);
}

bool LooksSecret(std::string_view text) {
  static constexpr std::array<std::string_view, 10> kWords = {
      "password", "passwd",  "passphrase", "secret",     "token",
      "apikey",   "api-key", "api_key",    "credential", "private"};
  std::string lower = AsciiLower(text.substr(0, 4096));
  if (std::any_of(kWords.begin(), kWords.end(),
                  [&](std::string_view word) { return lower.find(word) != std::string::npos; })) {
    return true;
  }
  // scheme://user:password@host
  size_t scheme = lower.find("://");
  if (scheme == std::string::npos) return false;
  size_t at = lower.find('@', scheme);
  return at != std::string::npos && lower.find('/', scheme + 3) > at;
}

// A copy without what may be secret and without what is null.
Value Hide(const Value& value, Arena& arena, std::string_view key) {
  if (value.IsMap()) {
    const bool pair = value.Find("name") != nullptr && value["value"].IsString();
    MapBuilder out(arena, value.size());
    for (const auto& [k, v] : value.entries()) {
      if (!k.IsString() || v.IsNull()) continue;
      std::string_view name = k.AsString();
      if (pair && name == "value") {
        out.Add(name, Value::String(arena, Mark(v.AsString())));
      } else {
        out.Add(name, Hide(v, arena, name));
      }
    }
    return out.Finish();
  }
  if (value.IsArray()) {
    std::vector<Value> items;
    items.reserve(value.size());
    for (const Value& item : value.items()) items.push_back(Hide(item, arena, key));
    return Value::Array(arena, items);
  }
  if (value.IsString() && (key == "command" || key == "args" || key == "value") &&
      LooksSecret(value.AsString())) {
    return Value::String(arena, Mark(value.AsString()));
  }
  return value;
}

Value HiddenAnnotations(const Value& annotations, Arena& arena) {
  MapBuilder out(arena);
  for (const auto& [key, value] : annotations.entries()) {
    if (!key.IsString() || !value.IsString() || IsNoise(key.AsString())) continue;
    out.Add(key.AsString(), Value::String(arena, Mark(value.AsString())));
  }
  return out.Finish();
}

// Writes one JSON object; fields that say nothing are left out.
class Json {
 public:
  Json& Text(std::string_view key, std::string_view text) {
    if (text.empty()) return *this;
    Key(key);
    AppendJsonString(out_, text);
    return *this;
  }
  Json& Number(std::string_view key, std::optional<int64_t> number) {
    if (!number) return *this;
    Key(key);
    out_ += std::to_string(*number);
    return *this;
  }
  Json& Flag(std::string_view key, bool flag) {
    if (!flag) return *this;
    Key(key);
    out_ += "true";
    return *this;
  }
  Json& Raw(std::string_view key, std::string_view json) {
    Key(key);
    out_ += json;
    return *this;
  }
  Json& Data(std::string_view key, const Value& value) {
    if (value.IsNull()) return *this;
    Key(key);
    AppendJson(out_, value);
    return *this;
  }
  Json& Texts(std::string_view key, const std::vector<std::string>& texts) {
    if (texts.empty()) return *this;
    Key(key);
    out_ += '[';
    for (size_t i = 0; i < texts.size(); ++i) {
      if (i > 0) out_ += ',';
      AppendJsonString(out_, texts[i]);
    }
    out_ += ']';
    return *this;
  }
  // Without the closing brace.
  std::string Open() { return std::move(out_); }
  std::string Finish() { return std::move(out_) + "}"; }

 private:
  void Key(std::string_view key) {
    if (out_.size() > 1) out_ += ',';
    AppendJsonString(out_, key);
    out_ += ':';
  }
  std::string out_ = "{";
};

std::string Number(const Value& value) {
  if (value.IsString()) return std::string(value.AsString());
  if (auto n = value.ToInt()) return std::to_string(*n);
  return {};
}

std::vector<std::string> Strings(const Value& list) {
  std::vector<std::string> out;
  for (const Value& item : list.items()) {
    if (item.IsString() && out.size() < kMaxListed) out.emplace_back(item.AsString());
  }
  return out;
}

// --- Images --------------------------------------------------------------------------------------

std::string DigestIn(std::string_view image_id) {
  size_t at = image_id.rfind("sha256:");
  if (at == std::string_view::npos) at = image_id.rfind("sha512:");
  if (at == std::string_view::npos) return {};
  std::string_view digest = image_id.substr(at);
  size_t want = digest.starts_with("sha256:") ? 71 : 135;
  if (digest.size() != want || !std::all_of(digest.begin() + 7, digest.end(), [](char c) {
        return IsAsciiDigit(c) || (c >= 'a' && c <= 'f');
      })) {
    return {};
  }
  return std::string(digest);
}

std::vector<ImageUse> ImagesOf(const Value& spec, const Value& status) {
  std::map<std::string_view, std::string_view> ids;
  for (std::string_view list :
       {"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"}) {
    for (const Value& s : status[list].items()) {
      ids.emplace(s.StringAt("name"), s.StringAt("imageID"));
    }
  }
  std::vector<ImageUse> out;
  for (std::string_view list : kube::kContainerLists) {
    for (const Value& container : spec[list].items()) {
      std::string_view image = container.StringAt("image");
      if (image.empty() || out.size() == kMaxImages) continue;
      ImageUse use{std::string(container.StringAt("name")), WholeReference(image), DigestIn(image)};
      // What runs is what the runtime says, not what was asked for.
      if (auto id = ids.find(container.StringAt("name")); id != ids.end()) {
        if (std::string digest = DigestIn(id->second); !digest.empty()) use.digest = digest;
      }
      out.push_back(std::move(use));
    }
  }
  return out;
}

// --- Summaries -----------------------------------------------------------------------------------

void OfNamespace(const Value& object, AssetRecord& r) {
  r.phase = object["status"].StringAt("phase");
  const Value labels = object["metadata"]["labels"];
  Json out;
  for (std::string_view mode : {"enforce", "audit", "warn"}) {
    out.Text(mode, labels.StringAt(fmt::format("pod-security.kubernetes.io/{}", mode)));
  }
  r.summary = Json().Raw("podSecurity", std::move(out).Finish()).Finish();
}

void OfNode(const Value& object, AssetRecord& r) {
  const Value status = object["status"], info = status["nodeInfo"], spec = object["spec"];
  std::vector<std::string> roles, taints, addresses, pressures;
  constexpr std::string_view kRole = "node-role.kubernetes.io/";
  for (const auto& [key, value] : object["metadata"]["labels"].entries()) {
    if (key.IsString() && key.AsString().starts_with(kRole)) {
      roles.emplace_back(key.AsString().substr(kRole.size()));
    }
  }
  for (const Value& taint : spec["taints"].items()) {
    std::string_view value = taint.StringAt("value");
    taints.push_back(fmt::format("{}{}{}:{}", taint.StringAt("key"), value.empty() ? "" : "=",
                                 value, taint.StringAt("effect")));
  }
  for (const Value& address : status["addresses"].items()) {
    addresses.emplace_back(address.StringAt("address"));
  }
  r.phase = "Unknown";
  for (const Value& condition : status["conditions"].items()) {
    std::string_view type = condition.StringAt("type"), is = condition.StringAt("status");
    if (type == "Ready") {
      r.phase = is == "True" ? "Ready" : is == "False" ? "NotReady" : "Unknown";
    } else if (is == "True") {
      pressures.emplace_back(type);
    }
  }
  r.node = r.asset.name;
  r.summary = Json()
                  .Texts("roles", roles)
                  .Texts("taints", taints)
                  .Texts("addresses", addresses)
                  .Texts("pressures", pressures)
                  .Flag("unschedulable", spec["unschedulable"].IsTrue())
                  .Text("kubelet", info.StringAt("kubeletVersion"))
                  .Text("os", info.StringAt("osImage"))
                  .Text("operatingSystem", info.StringAt("operatingSystem"))
                  .Text("kernel", info.StringAt("kernelVersion"))
                  .Text("runtime", info.StringAt("containerRuntimeVersion"))
                  .Text("architecture", info.StringAt("architecture"))
                  .Text("providerId", spec.StringAt("providerID"))
                  .Data("cpu", status["capacity"]["cpu"])
                  .Data("memory", status["capacity"]["memory"])
                  .Finish();
}

void OfWorkload(const Value& object, AssetRecord& r) {
  const Value spec = object["spec"], status = object["status"];
  const std::string& kind = r.asset.kind;
  auto template_of = kube::FindPodTemplate(object);
  if (kind == "DaemonSet") {
    r.replicas = status["desiredNumberScheduled"].ToInt().value_or(0);
    r.ready = status["numberReady"].ToInt().value_or(0);
  } else if (kind == "Job") {
    r.replicas = spec["completions"].ToInt().value_or(1);
    r.ready = status["succeeded"].ToInt().value_or(0);
    for (const Value& condition : status["conditions"].items()) {
      if (condition.StringAt("status") == "True") r.phase = condition.StringAt("type");
    }
  } else if (kind == "CronJob") {
    r.ready = static_cast<int64_t>(status["active"].size());
  } else {
    r.replicas = spec["replicas"].ToInt().value_or(1);
    r.ready = status["readyReplicas"].ToInt().value_or(0);
  }
  Json out;
  out.Text("schedule", spec.StringAt("schedule"))
      .Flag("suspended", spec["suspend"].IsTrue())
      .Flag("paused", spec["paused"].IsTrue())
      .Data("selector", spec["selector"]);
  if (template_of) {
    const Value pod = *template_of->spec;
    r.images = ImagesOf(pod, Value());
    r.service_account = pod.StringAt("serviceAccountName");
    if (r.service_account.empty()) r.service_account = "default";
    if (template_of->meta != nullptr) out.Data("podLabels", (*template_of->meta)["labels"]);
    out.Flag("hostNetwork", pod["hostNetwork"].IsTrue())
        .Flag("hostPID", pod["hostPID"].IsTrue())
        .Text("runtimeClass", pod.StringAt("runtimeClassName"));
  }
  r.summary = std::move(out).Finish();
}

void OfPod(const Value& object, AssetRecord& r) {
  const Value spec = object["spec"], status = object["status"];
  r.node = spec.StringAt("nodeName");
  r.service_account = spec.StringAt("serviceAccountName");
  if (r.service_account.empty()) r.service_account = "default";
  r.images = ImagesOf(spec, status);
  r.phase = status.StringAt("phase");
  if (object["metadata"].Find("deletionTimestamp") != nullptr) r.phase = "Terminating";
  int64_t restarts = 0, ready = 0;
  std::string reason(status.StringAt("reason"));
  for (const Value& c : status["containerStatuses"].items()) {
    restarts += c["restartCount"].ToInt().value_or(0);
    ready += c["ready"].IsTrue() ? 1 : 0;
    std::string_view waiting = c["state"]["waiting"].StringAt("reason");
    if (!waiting.empty() && waiting != "ContainerCreating" && waiting != "PodInitializing") {
      reason = waiting;
    }
  }
  r.replicas = static_cast<int64_t>(spec["containers"].size());
  r.ready = ready;
  std::vector<std::string> debugging;
  for (const Value& c : spec["ephemeralContainers"].items()) {
    debugging.emplace_back(c.StringAt("name"));
  }
  r.summary = Json()
                  .Text("ip", status.StringAt("podIP"))
                  .Text("hostIp", status.StringAt("hostIP"))
                  .Text("qos", status.StringAt("qosClass"))
                  .Text("reason", reason)
                  .Number("restarts", restarts)
                  .Texts("ephemeralContainers", debugging)
                  .Flag("hostNetwork", spec["hostNetwork"].IsTrue())
                  .Text("runtimeClass", spec.StringAt("runtimeClassName"))
                  .Finish();
}

void OfServiceAccount(const Value& object, AssetRecord& r) {
  std::vector<std::string> pull;
  for (const Value& s : object["imagePullSecrets"].items()) pull.emplace_back(s.StringAt("name"));
  r.summary = Json()
                  .Data("automount", object["automountServiceAccountToken"])
                  .Texts("imagePullSecrets", pull)
                  .Finish();
}

void OfRole(const Value& object, AssetRecord& r) {
  bool wildcard = false;
  std::vector<std::string> verbs;
  for (const Value& rule : object["rules"].items()) {
    for (const Value& verb : rule["verbs"].items()) {
      if (!verb.IsString()) continue;
      std::string text(verb.AsString());
      wildcard = wildcard || text == "*";
      if (verbs.size() < kMaxListed && std::find(verbs.begin(), verbs.end(), text) == verbs.end()) {
        verbs.push_back(std::move(text));
      }
    }
    for (const Value& resource : rule["resources"].items()) {
      wildcard = wildcard || (resource.IsString() && resource.AsString() == "*");
    }
  }
  std::sort(verbs.begin(), verbs.end());
  r.summary = Json()
                  .Number("rules", static_cast<int64_t>(object["rules"].size()))
                  .Flag("wildcard", wildcard)
                  .Flag("aggregated", object["aggregationRule"].IsMap())
                  .Texts("verbs", verbs)
                  .Finish();
}

void OfBinding(const Value& object, AssetRecord& r) {
  std::vector<std::string> subjects;
  for (const Value& s : object["subjects"].items()) {
    if (subjects.size() == 200) break;
    std::string_view kind = s.StringAt("kind");
    subjects.push_back(
        kind == "ServiceAccount"
            ? fmt::format("{}:{}/{}", kind, s.StringAt("namespace", r.asset.ns), s.StringAt("name"))
            : fmt::format("{}:{}", kind, s.StringAt("name")));
  }
  const Value role = object["roleRef"];
  r.summary = Json()
                  .Text("roleKind", role.StringAt("kind"))
                  .Text("role", role.StringAt("name"))
                  .Texts("subjects", subjects)
                  .Finish();
}

void OfService(const Value& object, AssetRecord& r) {
  const Value spec = object["spec"];
  std::vector<std::string> ports, outside = Strings(spec["externalIPs"]);
  for (const Value& p : spec["ports"].items()) {
    if (ports.size() == kMaxListed) break;
    std::string port = fmt::format("{}/{}", Number(p["port"]), p.StringAt("protocol", "TCP"));
    if (std::string target = Number(p["targetPort"]); !target.empty()) port += "→" + target;
    if (std::string node = Number(p["nodePort"]); !node.empty()) port += " (" + node + ")";
    ports.push_back(std::move(port));
  }
  for (const Value& at : object["status"]["loadBalancer"]["ingress"].items()) {
    outside.emplace_back(at.StringAt("ip", at.StringAt("hostname")));
  }
  r.phase = spec.StringAt("type", "ClusterIP");
  r.summary = Json()
                  .Text("type", r.phase)
                  .Text("clusterIp", spec.StringAt("clusterIP"))
                  .Texts("external", outside)
                  .Text("externalName", spec.StringAt("externalName"))
                  .Texts("ports", ports)
                  .Data("selector", spec["selector"])
                  .Finish();
}

void OfIngress(const Value& object, AssetRecord& r) {
  const Value spec = object["spec"];
  std::vector<std::string> hosts, tls, services, outside;
  auto add = [](std::vector<std::string>& list, std::string_view text) {
    if (text.empty() || list.size() == kMaxListed) return;
    if (std::find(list.begin(), list.end(), text) == list.end()) list.emplace_back(text);
  };
  add(services, spec["defaultBackend"]["service"].StringAt("name"));
  for (const Value& rule : spec["rules"].items()) {
    add(hosts, rule.StringAt("host", "*"));
    for (const Value& path : rule["http"]["paths"].items()) {
      add(services, path["backend"]["service"].StringAt("name"));
    }
  }
  for (const Value& t : spec["tls"].items()) {
    for (const std::string& host : Strings(t["hosts"])) add(tls, host);
  }
  for (const Value& at : object["status"]["loadBalancer"]["ingress"].items()) {
    add(outside, at.StringAt("ip", at.StringAt("hostname")));
  }
  r.summary = Json()
                  .Text("class", spec.StringAt("ingressClassName"))
                  .Texts("hosts", hosts)
                  .Texts("tls", tls)
                  .Texts("services", services)
                  .Texts("external", outside)
                  .Finish();
}

void OfNetworkPolicy(const Value& object, AssetRecord& r) {
  const Value spec = object["spec"];
  r.summary = Json()
                  .Data("podSelector",
                        spec["podSelector"].IsMap() ? spec["podSelector"] : Value::EmptyMap())
                  .Texts("types", Strings(spec["policyTypes"]))
                  .Number("ingress", static_cast<int64_t>(spec["ingress"].size()))
                  .Number("egress", static_cast<int64_t>(spec["egress"].size()))
                  .Finish();
}

void ReadManager(const Value& metadata, AssetRecord& r) {
  for (const Value& entry : metadata["managedFields"].items()) {
    // Writers of status are controllers that say how it goes.
    if (!entry.StringAt("subresource").empty()) continue;
    std::string_view at = entry.StringAt("time");
    if (at < r.managed_at) continue;
    r.managed_at = at;
    r.manager = entry.StringAt("manager");
  }
}

}  // namespace

std::span<const AssetKind> AssetKinds() { return kKinds; }

const AssetKind* FindAssetKind(std::string_view group, std::string_view kind) {
  auto found = std::find_if(kKinds.begin(), kKinds.end(),
                            [&](const AssetKind& k) { return k.group == group && k.kind == kind; });
  return found == kKinds.end() ? nullptr : &*found;
}

std::string WholeReference(std::string_view reference) {
  auto parsed = oci::ParseReference(reference);
  if (!parsed) return std::string(reference.substr(0, 512));
  std::string out = parsed->registry + "/" + parsed->repository;
  if (!parsed->tag.empty()) out += ":" + parsed->tag;
  if (!parsed->digest.empty()) out += "@" + parsed->digest;
  if (parsed->tag.empty() && parsed->digest.empty()) out += ":latest";
  return out;
}

AssetRecord RecordOf(std::string_view cluster, const kube::Resource& resource,
                     const Value& object) {
  const Value metadata = object["metadata"];
  AssetRecord r;
  r.asset = {.cluster = std::string(cluster),
             .group = resource.group,
             .version = resource.version,
             .kind = resource.kind,
             .ns = std::string(metadata.StringAt("namespace")),
             .name = std::string(metadata.StringAt("name"))};
  r.uid = metadata.StringAt("uid");
  r.version = metadata.StringAt("resourceVersion");
  r.created = metadata.StringAt("creationTimestamp");
  if (const AssetKind* kind = FindAssetKind(resource.group, resource.kind)) r.cls = kind->cls;
  for (const auto& [key, value] : metadata["labels"].entries()) {
    if (r.labels.size() == kMaxLabels || !key.IsString() || !value.IsString()) continue;
    r.labels.push_back(fmt::format("{}={}", key.AsString(), value.AsString()));
  }
  std::sort(r.labels.begin(), r.labels.end());
  if (const Value owner = kube::ControllerOf(object); owner.IsMap()) {
    r.owner = {std::string(kube::SplitApiVersion(owner.StringAt("apiVersion")).first),
               std::string(owner.StringAt("kind")), std::string(owner.StringAt("name"))};
    if (r.cls == "workload") r.cls = "replica";
  }
  using Of = void (*)(const Value&, AssetRecord&);
  static const std::map<std::string_view, Of> kSummaries = {
      {"Namespace", OfNamespace},
      {"Node", OfNode},
      {"Pod", OfPod},
      {"ServiceAccount", OfServiceAccount},
      {"Role", OfRole},
      {"ClusterRole", OfRole},
      {"RoleBinding", OfBinding},
      {"ClusterRoleBinding", OfBinding},
      {"Service", OfService},
      {"Ingress", OfIngress},
      {"NetworkPolicy", OfNetworkPolicy},
  };
  if (r.cls == "workload" || r.cls == "replica") {
    OfWorkload(object, r);
  } else if (auto of = kSummaries.find(resource.kind); of != kSummaries.end()) {
    of->second(object, r);
  }
  ReadManager(metadata, r);
  r.config = ConfigOf(r, object);
  return r;
}

std::string ConfigOf(const AssetRecord& r, const Value& object, size_t max_bytes) {
  Arena arena;
  MapBuilder out(arena);
  const Value metadata = object["metadata"];
  if (r.asset.kind == "Pod") {
    // Of a pod little can be changed; what it was made of is its owner's.
    MapBuilder images(arena);
    for (const ImageUse& image : r.images) {
      images.Add(image.container, Value::String(arena, image.reference));
    }
    out.Add("node", Value::String(r.node)).Add("images", images.Finish());
    if (const Value debug = object["spec"]["ephemeralContainers"]; !debug.IsNull()) {
      out.Add("ephemeralContainers", Hide(debug, arena, "ephemeralContainers"));
    }
    if (const Value labels = metadata["labels"]; !labels.IsNull()) out.Add("labels", labels);
  } else {
    MapBuilder kept(arena);
    if (const Value labels = metadata["labels"]; !labels.IsNull()) kept.Add("labels", labels);
    if (const Value notes = HiddenAnnotations(metadata["annotations"], arena); !notes.empty()) {
      kept.Add("annotations", notes);
    }
    out.Add("metadata", kept.Finish());
    for (const auto& [key, value] : object.entries()) {
      if (!key.IsString()) continue;
      std::string_view name = key.AsString();
      if (name == "metadata" || name == "status" || name == "apiVersion" || name == "kind") {
        continue;
      }
      out.Add(name, Hide(value, arena, name));
    }
    if (r.asset.kind == "Node") {
      if (const Value info = object["status"]["nodeInfo"]; info.IsMap()) {
        out.Add("nodeInfo", info);
      }
    }
  }
  std::string json = ToJson(out.Finish());
  if (json.size() <= max_bytes) return json;
  return fmt::format(R"({{"tooBig":"{:016x}"}})", XxHash3(json));
}

std::string StableBody(const AssetRecord& r) {
  Json asset;
  asset.Text("cluster", r.asset.cluster)
      .Text("group", r.asset.group)
      .Text("version", r.asset.version)
      .Text("kind", r.asset.kind)
      .Text("namespace", r.asset.ns)
      .Text("name", r.asset.name);
  Json out;
  out.Raw("asset", std::move(asset).Finish())
      .Text("uid", r.uid)
      .Text("class", r.cls)
      .Texts("labels", r.labels);
  if (r.owner) {
    out.Raw("owner", Json()
                         .Text("group", r.owner->group)
                         .Text("kind", r.owner->kind)
                         .Text("name", r.owner->name)
                         .Finish());
  }
  out.Text("workload", r.workload).Text("node", r.node).Text("serviceAccount", r.service_account);
  if (!r.images.empty()) {
    std::string images = "[";
    std::vector<std::string> names;
    auto name = [&](const std::string& text) {
      if (!text.empty() && std::find(names.begin(), names.end(), text) == names.end()) {
        names.push_back(text);
      }
    };
    for (const ImageUse& image : r.images) {
      if (images.size() > 1) images += ',';
      images += Json()
                    .Text("name", image.container)
                    .Text("reference", image.reference)
                    .Text("digest", image.digest)
                    .Finish();
      name(image.reference);
      name(image.digest);
    }
    out.Raw("images", images + "]").Texts("imageNames", names);
  }
  return std::move(out.Text("phase", r.phase)
                       .Number("replicas", r.replicas)
                       .Number("ready", r.ready)
                       .Text("createdAt", r.created)
                       .Raw("summary", r.summary)
                       .Raw("config", r.config))
      .Open();
}

std::string WholeBody(std::string_view stable, const SeenTimes& times) {
  return fmt::format(R"({},"firstSeen":"{}","lastSeen":"{}"{}}})", stable, times.first, times.last,
                     times.gone ? R"(,"gone":true)" : "");
}

std::optional<std::string_view> StableOf(std::string_view whole) {
  size_t at = whole.rfind(R"(,"firstSeen":")");
  if (at == std::string_view::npos) return std::nullopt;
  return whole.substr(0, at);
}

// --- Differences ---------------------------------------------------------------------------------

namespace {

class Differ {
 public:
  explicit Differ(size_t max) : max_(max) {}

  void Compare(const std::string& path, const Value* before, const Value* after) {
    if (before != nullptr && after != nullptr) {
      if (*before == *after) return;
      if (before->IsMap() && after->IsMap()) return Maps(path, *before, *after);
      if (before->IsArray() && after->IsArray()) return Lists(path, *before, *after);
    }
    if (out.changes.size() == max_) {
      ++out.more;
      return;
    }
    out.changes.push_back({path, Short(before), Short(after)});
  }

  ConfigDiff out;

 private:
  static std::string Short(const Value* value) {
    if (value == nullptr) return {};
    std::string json = ToJson(*value);
    if (json.size() <= kMaxValueBytes) return json;
    // Not in the middle of a character.
    size_t end = kMaxValueBytes;
    while (end > 0 && (static_cast<unsigned char>(json[end]) & 0xC0) == 0x80) --end;
    return json.substr(0, end) + "…";
  }

  void Maps(const std::string& path, const Value& before, const Value& after) {
    for (const auto& [key, value] : before.entries()) {
      if (key.IsString()) Compare(Join(path, key.AsString()), &value, after.Find(key));
    }
    for (const auto& [key, value] : after.entries()) {
      if (key.IsString() && before.Find(key) == nullptr) {
        Compare(Join(path, key.AsString()), nullptr, &value);
      }
    }
  }

  void Lists(const std::string& path, const Value& before, const Value& after) {
    auto named = ByName(before), others = ByName(after);
    if (named && others) {
      for (const auto& [name, value] : *named) {
        auto other = others->find(name);
        Compare(fmt::format("{}[{}]", path, name), value,
                other == others->end() ? nullptr : other->second);
      }
      for (const auto& [name, value] : *others) {
        if (!named->contains(name)) Compare(fmt::format("{}[{}]", path, name), nullptr, value);
      }
      // Named the same, but in another order, or one name twice.
      return;
    }
    for (size_t i = 0; i < std::max(before.size(), after.size()); ++i) {
      Compare(fmt::format("{}[{}]", path, i), i < before.size() ? &before.items()[i] : nullptr,
              i < after.size() ? &after.items()[i] : nullptr);
    }
  }

  using Named = std::map<std::string_view, const Value*>;
  static std::optional<Named> ByName(const Value& list) {
    Named out;
    for (const Value& item : list.items()) {
      std::string_view name = item.StringAt("name");
      if (name.empty() || !out.emplace(name, &item).second) return std::nullopt;
    }
    return out;
  }

  static std::string Join(const std::string& path, std::string_view key) {
    std::string out = path;
    AppendKey(out, key);
    return out;
  }

  const size_t max_;
};

}  // namespace

ConfigDiff DiffConfigs(const Value& before, const Value& after, size_t max_changes) {
  Differ differ(max_changes);
  differ.Compare("", &before, &after);
  return std::move(differ.out);
}

}  // namespace bulwark::inventory
