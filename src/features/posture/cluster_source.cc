#include "features/posture/cluster_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "base/text.h"
#include "formats/json.h"
#include "kube/schema.h"

namespace bulwark::posture {

namespace {

constexpr std::string_view kWorkload = "Workload";
constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";
// Texts of about this size are handed to the inspection, so that all workers have something to do
// and few wait in its queue.
constexpr size_t kTextBytes = 64 << 10;
constexpr size_t kMaxNamed = 20;         // namespaces in one message
constexpr size_t kMaxKubeletErrors = 5;  // then nodes are not asked any more

// Written by the system all day, or computed on reading; a check that speaks of every kind does not
// mean these.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kNoise = {{
    {"", "Event"},
    {"events.k8s.io", "Event"},
    {"coordination.k8s.io", "Lease"},
    {"coordination.k8s.io", "LeaseCandidate"},
    {"apps", "ControllerRevision"},
    {"", "ComponentStatus"},
    {"metrics.k8s.io", "PodMetrics"},
    {"metrics.k8s.io", "NodeMetrics"},
}};

bool IsNoise(const kube::Resource& resource) {
  return std::any_of(kNoise.begin(), kNoise.end(), [&](const auto& noise) {
    return noise.first == resource.group && noise.second == resource.kind;
  });
}

bool IsOneOf(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool HasTemplate(const kube::Resource& resource,
                 const std::vector<kube::PodTemplatePath>& templates) {
  return std::any_of(templates.begin(), templates.end(), [&](const kube::PodTemplatePath& t) {
    return (t.kind == resource.kind || t.kind == "*") &&
           (t.group == resource.group || (t.group == "*" && t.kind != "*"));
  });
}

// How checks speak of a kind.
struct Spoken {
  bool by_name = false, by_star = false;
};
Spoken SpokenOf(const CheckSet& checks, const kube::Resource& r, bool workload) {
  Spoken spoken;
  for (const Check& check : checks.checks()) {
    if (IsOneOf(check.needs, r.kind) || (workload && IsOneOf(check.needs, kWorkload))) {
      spoken.by_name = true;
    }
    if (!check.SpeaksOf(r.group, r.kind, workload)) continue;
    bool star = IsOneOf(check.kinds, "*") || (check.kinds.empty() && !workload);
    (star ? spoken.by_star : spoken.by_name) = true;
  }
  return spoken;
}

bool HasPodTemplateField(const Value& definition) {
  for (const Value& version : definition["spec"]["versions"].items()) {
    const Value spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    if (spec.Find("template") != nullptr || spec.Find("podTemplate") != nullptr) return true;
  }
  return false;
}

// "group/Kind" of custom resources that may have a pod template.
std::set<std::string> CustomWorkloads(const kube::Client& client, const kube::Discovery& served,
                                      const ClusterOptions& options) {
  std::set<std::string> found;
  const kube::Resource* definitions =
      served.Find("apiextensions.k8s.io", "CustomResourceDefinition");
  if (definitions == nullptr) return found;
  // Not to be allowed to read them is told when they are read for themselves.
  (void)client.List(*definitions, "", {.limit = 50, .stop = options.stop},
                    [&](const kube::ListPage& page) -> Result<> {
                      for (const auto& item : page.items) {
                        std::string kind = CustomWorkloadOf(*item.value);
                        if (!kind.empty()) found.insert(std::move(kind));
                      }
                      return Ok();
                    });
  return found;
}

int RankOf(const kube::Resource& r) {
  if (r.group.empty() && r.kind == "Pod") return 2;
  return (r.group == "apps" && r.kind == "ReplicaSet") || (r.group == "batch" && r.kind == "Job") ||
                 (r.group.empty() && r.kind == "ReplicationController")
             ? 1
             : 0;
}

std::string InNamespaces(const kube::Resource& resource, const std::vector<std::string>& all) {
  if (all.size() == 1) return kube::Describe(resource, all[0]);
  std::vector<std::string> named(all.begin(),
                                 all.begin() + static_cast<long>(std::min(all.size(), kMaxNamed)));
  std::string out = fmt::format("{} in namespaces {}", resource.Name(), Join(named, ", "));
  if (all.size() > kMaxNamed) out += fmt::format(" and {} more", all.size() - kMaxNamed);
  return out;
}

// Reads the kinds, one after the other.
class ClusterReader {
 public:
  ClusterReader(Inspection& inspection, const CheckSet& checks, const kube::Client& client,
                const ClusterOptions& options, const ClusterProgress& on_progress)
      : inspection_(inspection),
        checks_(checks),
        client_(client),
        options_(options),
        on_progress_(on_progress),
        scopes_(client, options) {}

  Result<ClusterInfo> Run() {
    auto planned = KindsToRead(checks_, client_, options_,
                               [&](Unread unread) { inspection_.AddUnread(std::move(unread)); });
    const std::vector<KindToRead> kinds = BW_TRY(std::move(planned));
    int rank = 0;
    for (const KindToRead& kind : kinds) {
      if (kind.rank != rank) inspection_.Wait();  // owners were judged
      rank = kind.rank;
      BW_TRY(ReadKind(kind));
    }
    if (options_.Whole()) {
      ReadKubelets(
          checks_, client_, options_, [&](const std::string& object) { Add(object); },
          [&](Unread unread) { inspection_.AddUnread(std::move(unread)); });
      Flush();
    }
    inspection_.Wait();
    BW_TRY(Stopped());
    info_.kinds = kinds.size();
    return info_;
  }

 private:
  Result<> Stopped() const {
    if (!options_.stop.stop_requested()) return Ok();
    return Error(Code::kUnavailable, "posture.stopped", "stopped");
  }

  Result<> ReadKind(const KindToRead& kind) {
    const kube::Resource& resource = kind.resource;
    if (!options_.namespaces.empty() && !resource.namespaced) return ReadNamespaceObjects(kind);
    std::vector<std::string> scopes = options_.namespaces;
    if (scopes.empty()) {
      auto done = ReadScope(kind, "");
      if (done) return Ok();
      BW_TRY(Stopped());
      if (done.error().id() != "kube.forbidden" || !resource.namespaced) {
        Unreadable(resource, kube::Describe(resource, ""), {""}, done.error());
        return Ok();
      }
      scopes = scopes_.Fallback(resource, done.error(),
                                [&](Unread unread) { inspection_.AddUnread(std::move(unread)); });
      // Namespaces that are not read are not judged, but what there is of them is a part.
      if (MattersForCompleteness(checks_, resource)) MarkOthers(scopes);
    }
    for (const std::string& ns : scopes) {
      auto done = ReadScope(kind, ns);
      BW_TRY(Stopped());
      if (!done) Unreadable(resource, kube::Describe(resource, ns), {ns}, done.error());
    }
    return Ok();
  }

  void MarkOthers(const std::vector<std::string>& readable) {
    for (const std::string& ns : known_namespaces_) {
      if (!IsOneOf(readable, ns)) inspection_.MarkIncomplete(ns);
    }
    inspection_.MarkIncomplete("");
  }

  void Unreadable(const kube::Resource& resource, std::string what,
                  const std::vector<std::string>& scopes, const Error& error) {
    inspection_.AddUnread({std::move(what), {}, error.ToString()});
    if (!MattersForCompleteness(checks_, resource)) return;
    for (const std::string& ns : scopes) inspection_.MarkIncomplete(ns.empty() ? "*" : ns);
  }

  // With --namespace, of what is in no namespace only the namespaces themselves are of interest.
  Result<> ReadNamespaceObjects(const KindToRead& kind) {
    if (!kind.resource.group.empty() || kind.resource.kind != "Namespace") {
      if (MattersForCompleteness(checks_, kind.resource)) inspection_.MarkIncomplete("*");
      return Ok();
    }
    // Parts by label are no complete input.
    if (!options_.label_selector.empty()) return Ok();
    for (const std::string& ns : options_.namespaces) {
      auto text = client_.Get(kind.resource, "", ns, options_.stop);
      BW_TRY(Stopped());
      if (text) {
        Add(*text);
        ++info_.objects;
      } else {
        inspection_.AddUnread({"namespace " + ns, {}, text.error().ToString()});
      }
    }
    Flush();
    return Ok();
  }

  Result<> ReadScope(const KindToRead& kind, const std::string& ns) {
    const kube::Resource& resource = kind.resource;
    if (on_progress_) on_progress_(kube::Describe(resource, ns), info_.objects);
    bool namespaces = resource.group.empty() && resource.kind == "Namespace";
    auto outcome = client_.List(
        resource, ns,
        {.label_selector = options_.label_selector,
         .limit = options_.page_size,
         .table = kind.table,
         .stop = options_.stop},
        [&](const kube::ListPage& page) -> Result<> {
          for (const auto& item : page.items) {
            if (namespaces)
              known_namespaces_.emplace_back(kube::MetadataOf(*item.value).StringAt("name"));
            object_.clear();
            if (!AppendObject(object_, kind, *item.value, item.text)) {
              inspection_.AddUnread({kube::Describe(resource, ns), {}, "an item is no object"});
              continue;
            }
            Add(object_);
            ++info_.objects;
          }
          if (on_progress_) on_progress_(kube::Describe(resource, ns), info_.objects);
          return Ok();
        });
    Flush();
    if (!outcome) return std::move(outcome).error();
    return Ok();
  }

  void Add(std::string_view object) {
    text_ += text_.empty() ? R"({"apiVersion":"v1","kind":"List","items":[)" : ",";
    text_ += object;
    if (text_.size() >= kTextBytes) Flush();
  }
  void Flush() {
    if (text_.empty()) return;
    text_ += "]}";
    inspection_.AddText(std::exchange(text_, {}), "");
  }

  Inspection& inspection_;
  const CheckSet& checks_;
  const kube::Client& client_;
  const ClusterOptions& options_;
  const ClusterProgress& on_progress_;
  ClusterScopes scopes_;
  ClusterInfo info_;
  std::vector<std::string> known_namespaces_;
  std::string text_, object_;
};

}  // namespace

ClusterIdentity IdentifyCluster(const kube::Client& client) {
  ClusterIdentity who{.uid = {}, .minor = client.minor_version(), .version = client.git_version()};
  const kube::Resource namespaces{"", "v1", "Namespace", "namespaces", false, {"get"}};
  if (auto text = client.Get(namespaces, "", "kube-system")) {
    Arena arena;
    if (auto root = ParseJson(*text, arena)) who.uid = (*root)["metadata"].StringAt("uid");
  }
  return who;
}

bool MattersForCompleteness(const CheckSet& checks, const kube::Resource& resource) {
  bool workload = HasTemplate(resource, kube::BuiltInTemplates());
  return std::any_of(checks.checks().begin(), checks.checks().end(), [&](const Check& check) {
    return check.complete &&
           (IsOneOf(check.needs, resource.kind) || (workload && IsOneOf(check.needs, kWorkload)));
  });
}

Result<std::vector<KindToRead>> KindsToRead(const CheckSet& checks, const kube::Client& client,
                                            const ClusterOptions& options,
                                            const OnUnread& on_unread) {
  kube::Discovery served = BW_TRY(client.Discover(options.stop));
  for (kube::Discovery::Failure& failure : served.failures) {
    on_unread({"the API " + failure.what, {}, std::move(failure.error)});
  }
  std::set<std::string> custom = CustomWorkloads(client, served, options);
  const kube::Schemas& schemas = kube::Schemas::BuiltIn();
  std::vector<KindToRead> kinds;
  for (kube::Resource& r : served.resources) {
    if (!r.Can("list")) continue;
    if (IsNoise(r)) continue;
    bool workload = HasTemplate(r, kube::BuiltInTemplates()) || HasTemplate(r, options.templates) ||
                    custom.contains(fmt::format("{}/{}", r.group, r.kind));
    Spoken spoken = SpokenOf(checks, r, workload);
    bool own = schemas.FindKind(r.ApiVersion(), r.kind) != nullptr;
    if (!spoken.by_name && !(spoken.by_star && (own || workload))) continue;
    bool table = r.group.empty() && r.kind == "Secret" && !options.secret_contents;
    int rank = RankOf(r);
    kinds.push_back({std::move(r), rank, table});
  }
  // Namespaces first: what is known of them helps with the rest.
  auto order = [](const KindToRead& k) {
    bool namespaces = k.resource.group.empty() && k.resource.kind == "Namespace";
    return std::tuple(k.rank, namespaces ? 0 : 1, std::string_view(k.resource.group),
                      std::string_view(k.resource.plural));
  };
  std::sort(kinds.begin(), kinds.end(),
            [&](const KindToRead& a, const KindToRead& b) { return order(a) < order(b); });
  return kinds;
}

std::string CustomWorkloadOf(const Value& definition) {
  if (!HasPodTemplateField(definition)) return {};
  const Value spec = definition["spec"];
  return fmt::format("{}/{}", spec.StringAt("group"), spec["names"].StringAt("kind"));
}

std::set<std::string> CustomWorkloads(const kube::Client& client, const ClusterOptions& options) {
  auto served = client.Discover(options.stop);
  return served ? CustomWorkloads(client, *served, options) : std::set<std::string>();
}

bool ReadsKind(const CheckSet& checks, const kube::Resource& resource, bool custom_workload) {
  if (IsNoise(resource)) return false;
  bool workload = custom_workload || HasTemplate(resource, kube::BuiltInTemplates());
  Spoken spoken = SpokenOf(checks, resource, workload);
  bool own = kube::Schemas::BuiltIn().FindKind(resource.ApiVersion(), resource.kind) != nullptr;
  return spoken.by_name || (spoken.by_star && (own || workload));
}

bool AppendObject(std::string& out, const KindToRead& kind, const Value& item,
                  std::string_view text) {
  if (!item.IsMap() || item.empty()) return false;
  std::string head = fmt::format(R"({{"apiVersion":"{}","kind":"{}",)", kind.resource.ApiVersion(),
                                 kind.resource.kind);
  if (!kind.table) {
    // What the item says itself comes later, and wins.
    out += head;
    out += text.substr(1);
    return true;
  }
  const Value* metadata = item["object"].IsMap() ? item.Find("object")->Find("metadata") : nullptr;
  if (metadata == nullptr || !metadata->IsMap()) return false;
  Arena arena;
  MapBuilder kept(arena);
  for (const auto& [key, value] : metadata->entries()) {
    if (key == Value::String("managedFields")) continue;
    if (key != Value::String("annotations")) {
      kept.Add(key, value);
      continue;
    }
    MapBuilder annotations(arena);
    for (const auto& [name, note] : value.entries()) {
      if (name != Value::String(kLastApplied)) annotations.Add(name, note);
    }
    kept.Add(key, annotations.Finish());
  }
  out += head;
  // The columns of a Secret: name, type, number of entries, age.
  if (const Value type = item["cells"][1]; type.IsString()) {
    out += "\"type\":";
    AppendJsonString(out, type.AsString());
    out += ',';
  }
  out += "\"metadata\":";
  AppendJson(out, kept.Finish());
  out += '}';
  return true;
}

// --- ClusterScopes -------------------------------------------------------------------------------

// What a SelfSubjectRulesReview says of one namespace.
struct ClusterScopes::Rules {
  bool complete = false;  // what it does not name is forbidden
  // {group, resource}, "*" for any
  std::vector<std::pair<std::string, std::string>> may_list;
};

const std::vector<std::string>& ClusterScopes::Namespaces() {
  if (namespaces_) return *namespaces_;
  namespaces_.emplace();
  const kube::Resource namespaces{"", "v1", "Namespace", "namespaces", false, {"list"}};
  auto outcome = client_.List(namespaces, "", {.stop = options_.stop},
                              [&](const kube::ListPage& page) -> Result<> {
                                for (const auto& item : page.items) {
                                  namespaces_->push_back(item.key.substr(1));
                                }
                                return Ok();
                              });
  all_known_ = outcome.has_value();
  if (!all_known_) namespaces_ = {client_.config().ns};
  return *namespaces_;
}

bool ClusterScopes::MayList(const std::string& ns, const kube::Resource& resource) {
  auto [at, is_new] = rules_.try_emplace(ns);
  if (is_new) {
    auto rules = std::make_shared<Rules>();
    std::string body = R"({"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectRulesReview",)"
                       R"("spec":{"namespace":)";
    AppendJsonString(body, ns);
    body += "}}";
    auto text = client_.Do({.verb = "create",
                            .what = "selfsubjectrulesreviews",
                            .path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
                            .body = body,
                            .stop = options_.stop});
    Arena arena;
    auto root = text ? ParseJson(*text, arena) : Result<Value>(std::move(text).error());
    if (root && (*root)["status"].IsMap()) {
      const Value status = (*root)["status"];
      rules->complete = !status["incomplete"].IsTrue();
      for (const Value& rule : status["resourceRules"].items()) {
        const Value verbs = rule["verbs"];
        if (!verbs.Contains(Value::String("list")) && !verbs.Contains(Value::String("*"))) continue;
        if (!rule["resourceNames"].empty()) continue;
        for (const Value& group : rule["apiGroups"].items()) {
          for (const Value& name : rule["resources"].items()) {
            if (group.IsString() && name.IsString()) {
              rules->may_list.emplace_back(group.AsString(), name.AsString());
            }
          }
        }
      }
    }
    at->second = std::move(rules);
  }
  const Rules& rules = *at->second;
  return !rules.complete ||
         std::any_of(rules.may_list.begin(), rules.may_list.end(), [&](const auto& rule) {
           return (rule.first == "*" || rule.first == resource.group) &&
                  (rule.second == "*" || rule.second == resource.plural);
         });
}

std::vector<std::string> ClusterScopes::Fallback(const kube::Resource& resource, const Error& error,
                                                 const OnUnread& on_unread) {
  std::vector<std::string> readable, rest;
  for (const std::string& ns : Namespaces())
    (MayList(ns, resource) ? readable : rest).push_back(ns);
  if (readable.empty()) {
    on_unread({kube::Describe(resource, ""), {}, error.ToString()});
  } else if (!all_known_) {
    on_unread({fmt::format("{} in namespaces other than {}", resource.Name(), Join(readable, ", ")),
               {},
               error.ToString()});
  } else if (!rest.empty()) {
    on_unread({InNamespaces(resource, rest), {}, error.ToString()});
  }
  return readable;
}

// --- Kubelets ------------------------------------------------------------------------------------

void ReadKubelets(const CheckSet& checks, const kube::Client& client, const ClusterOptions& options,
                  const std::function<void(std::string)>& on_object, const OnUnread& on_unread) {
  const kube::Resource configuration{
      "kubelet.config.k8s.io", "v1beta1", "KubeletConfiguration", "", false, {}};
  bool asked = std::any_of(checks.checks().begin(), checks.checks().end(), [&](const Check& check) {
    return IsOneOf(check.needs, configuration.kind) ||
           (!IsOneOf(check.kinds, "*") &&
            check.SpeaksOf(configuration.group, configuration.kind, false));
  });
  if (!asked) return;
  const kube::Resource nodes{"", "v1", "Node", "nodes", false, {"list"}};
  std::vector<std::string> names;
  auto listed = client.List(nodes, "", {.table = true, .stop = options.stop},
                            [&](const kube::ListPage& page) -> Result<> {
                              for (const auto& item : page.items) {
                                names.push_back(item.key.substr(1));
                              }
                              return Ok();
                            });
  if (!listed) {
    on_unread({"the configuration of kubelets", {}, listed.error().ToString()});
    return;
  }
  size_t errors = 0;
  for (size_t i = 0; i < names.size() && !options.stop.stop_requested(); ++i) {
    auto text = client.Do({.what = fmt::format("the configuration of the kubelet of {}", names[i]),
                           .path = nodes.Path("", names[i]) + "/proxy/configz",
                           .timeout = std::chrono::seconds(10),
                           .retries = 0,
                           .stop = options.stop});
    Arena arena;
    auto root = text ? ParseJson(*text, arena) : Result<Value>(std::move(text).error());
    const Value config = root ? (*root)["kubeletconfig"] : Value();
    if (config.IsMap()) {
      MapBuilder object(arena);
      object.Add("apiVersion", Value::String("kubelet.config.k8s.io/v1beta1"));
      object.Add("kind", Value::String("KubeletConfiguration"));
      object.Add("metadata", MapBuilder(arena).Add("name", Value::String(names[i])).Finish());
      for (const auto& [key, value] : config.entries()) {
        if (key == Value::String("apiVersion") || key == Value::String("kind")) continue;
        object.Add(key, value);
      }
      on_object(ToJson(object.Finish()));
      continue;
    }
    bool denied = !root && root.error().code() == Code::kDenied;
    std::string error = root ? "no kubeletconfig in the answer" : root.error().ToString();
    if (denied || ++errors > kMaxKubeletErrors) {
      // It will be the same for all others.
      on_unread(
          {i + 1 == names.size()
               ? fmt::format("the configuration of the kubelet of {}", names[i])
               : fmt::format("the configuration of the kubelets of {} nodes", names.size() - i),
           {},
           std::move(error)});
      return;
    }
    on_unread(
        {fmt::format("the configuration of the kubelet of {}", names[i]), {}, std::move(error)});
  }
}

Result<ClusterInfo> AddCluster(Inspection& inspection, const CheckSet& checks,
                               const kube::Client& client, const ClusterOptions& options,
                               const ClusterProgress& on_progress) {
  return ClusterReader(inspection, checks, client, options, on_progress).Run();
}

}  // namespace bulwark::posture
