#include "platform/inventory/relations.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "base/text.h"
#include "formats/json.h"
#include "kube/object.h"

namespace bulwark::inventory {

namespace {

using store::Query;

// How many services or policies of one namespace are looked at.
constexpr size_t kMaxSelectors = 2000;
constexpr std::string_view kRbac = "rbac.authorization.k8s.io";

class Relations {
 public:
  Relations(store::StateStore& state, const std::function<bool(const Value&)>& visible)
      : state_(state), visible_(visible) {}

  Result<std::string> Of(std::string_view key) {
    const Value self = BW_TRY(Get(key));
    if (self.IsNull()) {
      return Error(Code::kNotFound, "inventory.no_asset", fmt::format("no asset {}", Quote(key)),
                   {{"key", std::string(key)}});
    }
    key_ = key;
    const Value asset = self["asset"];
    cluster_ = asset.StringAt("cluster");
    ns_ = asset.StringAt("namespace");
    name_ = asset.StringAt("name");
    kind_ = asset.StringAt("kind");
    const std::string_view cls = self.StringAt("class");
    out_.Add("asset", asset);
    BW_TRY(AddOwners(self));
    if (cls == "workload" || cls == "replica" || cls == "pod") {
      BW_TRY(AddOfPods(self, cls));
    } else if (kind_ == "Service") {
      BW_TRY(AddSelected(self["summary"]["selector"]));
      BW_TRY(AddIngresses({std::string(name_)}));
    } else if (kind_ == "Ingress") {
      std::vector<std::string> keys;
      for (const Value& service : self["summary"]["services"].items()) {
        keys.push_back(fmt::format("{}//Service/{}/{}", cluster_, ns_, service.AsString()));
      }
      BW_TRY(AddKeys("services", keys));
    } else if (kind_ == "NetworkPolicy") {
      BW_TRY(AddSelected(self["summary"]["podSelector"]));
    } else if (kind_ == "ServiceAccount") {
      BW_TRY(AddWhere("workloads", Here({Query::Exactly("serviceaccount", name_),
                                         Query::Equals("class", "workload")})));
      BW_TRY(AddWhere(
          "pods", Here({Query::Exactly("serviceaccount", name_), Query::Equals("class", "pod")})));
      BW_TRY(AddBindings(name_));
    } else if (cls == "role") {
      BW_TRY(AddWhere(
          "bindings", InCluster({Query::Equals("class", "binding"), Query::Exactly("role", name_)}),
          [&](const Value& binding) {
            return binding["summary"].StringAt("roleKind") == kind_ &&
                   (kind_ == "ClusterRole" || binding["asset"].StringAt("namespace") == ns_);
          }));
    } else if (cls == "binding") {
      const Value summary = self["summary"];
      BW_TRY(AddKeys("roles", {RoleKey(summary, ns_)}));
      std::vector<std::string> accounts;
      for (const Value& subject : summary["subjects"].items()) {
        auto account = Cut(subject.AsString(), "ServiceAccount:");
        auto parts = account && account->first.empty() ? Cut(account->second, "/") : std::nullopt;
        if (parts && accounts.size() < kMaxRelated) {
          accounts.push_back(
              fmt::format("{}//ServiceAccount/{}/{}", cluster_, parts->first, parts->second));
        }
      }
      BW_TRY(AddKeys("serviceAccounts", accounts));
    } else if (kind_ == "Node") {
      BW_TRY(AddWhere("pods",
                      InCluster({Query::Equals("class", "pod"), Query::Exactly("node", name_)})));
    } else if (kind_ == "Image") {
      BW_TRY(AddWhere("pods",
                      InCluster({Query::Equals("class", "pod"), Query::Exactly("image", name_)})));
      BW_TRY(AddWorkloadsOfPods());
    }
    if (truncated_) out_.Add("truncated", Value::Bool(true));
    return ToJson(out_.Finish());
  }

 private:
  using Filter = std::function<bool(const Value&)>;

  // Null where it is not there, or not to be seen.
  Result<Value> Get(std::string_view key) {
    auto record = BW_TRY(state_.Get("assets", key));
    if (!record) return Value();
    Value value = BW_TRY(ParseJson(record->body, arena_));
    if (!visible_(value)) return Value();
    return value;
  }

  Query InCluster(std::vector<Query> parts) const {
    parts.push_back(Query::Exactly("cluster", cluster_));
    parts.push_back(Query::Not(Query::Equals("gone", "true")));
    return Query::And(std::move(parts));
  }
  Query Here(std::vector<Query> parts) const {
    parts.push_back(Query::Exactly("ns", ns_));
    return InCluster(std::move(parts));
  }

  Value Ref(const Value& record) {
    MapBuilder ref(arena_);
    const Value asset = record["asset"];
    ref.Add("key", Value::String(arena_,
                                 fmt::format("{}/{}/{}/{}/{}", asset.StringAt("cluster"),
                                             asset.StringAt("group"), asset.StringAt("kind"),
                                             asset.StringAt("namespace"), asset.StringAt("name"))));
    ref.Add("asset", asset).Add("class", record["class"]);
    if (const Value phase = record["phase"]; !phase.IsNull()) ref.Add("phase", phase);
    if (record["gone"].IsTrue()) ref.Add("gone", Value::Bool(true));
    if (record.StringAt("class") == "binding") {
      ref.Add("role", record["summary"]["role"]).Add("roleKind", record["summary"]["roleKind"]);
    }
    return ref.Finish();
  }

  Result<std::vector<Value>> Find(const Query& query, const Filter& filter = nullptr) {
    std::vector<Value> found;
    size_t seen = 0;
    Result<> done = state_.Scan("assets", query, [&](const store::Record& record) -> Result<> {
      if (found.size() == kMaxRelated || ++seen > kMaxSelectors) {
        truncated_ = true;
        return Error(Code::kLimit, "inventory.enough", "enough");
      }
      Value value = BW_TRY(ParseJson(record.body, arena_));
      if (visible_(value) && (!filter || filter(value))) found.push_back(value);
      return Ok();
    });
    if (!done && done.error().id() != "inventory.enough") return std::move(done).error();
    return found;
  }

  void Add(std::string_view relation, const std::vector<Value>& records) {
    if (records.empty()) return;
    std::vector<Value> refs;
    for (const Value& record : records) refs.push_back(Ref(record));
    out_.Add(relation, Value::Array(arena_, refs));
  }
  Result<> AddWhere(std::string_view relation, const Query& query, const Filter& filter = nullptr) {
    Add(relation, BW_TRY(Find(query, filter)));
    return Ok();
  }
  Result<> AddKeys(std::string_view relation, const std::vector<std::string>& keys) {
    std::vector<Value> found;
    for (const std::string& key : keys) {
      if (Value record = BW_TRY(Get(key)); !record.IsNull()) found.push_back(record);
    }
    Add(relation, found);
    return Ok();
  }

  std::string RoleKey(const Value& summary, std::string_view ns) const {
    std::string_view kind = summary.StringAt("roleKind");
    return fmt::format("{}/{}/{}/{}/{}", cluster_, kRbac, kind, kind == "ClusterRole" ? "" : ns,
                       summary.StringAt("role"));
  }

  Result<> AddOwners(const Value& self) {
    std::vector<std::string> keys;
    if (const Value owner = self["owner"]; owner.IsMap()) {
      keys.push_back(fmt::format("{}/{}/{}/{}/{}", cluster_, owner.StringAt("group"),
                                 owner.StringAt("kind"), ns_, owner.StringAt("name")));
    }
    std::string top(self.StringAt("workload"));
    if (!top.empty() && (keys.empty() || keys[0] != top)) keys.push_back(top);
    return AddKeys("owners", keys);
  }

  // --- Workloads and pods ------------------------------------------------------------------------

  Value LabelsOf(const Value& record) {
    if (record.StringAt("class") != "pod") return record["summary"]["podLabels"];
    MapBuilder labels(arena_);
    for (const Value& label : record["labels"].items()) {
      if (auto pair = Cut(label.AsString(), "=")) {
        labels.Add(pair->first, Value::String(pair->second));
      }
    }
    return labels.Finish();
  }

  Result<> AddOfPods(const Value& self, std::string_view cls) {
    if (cls == "workload") {
      BW_TRY(AddWhere("pods",
                      Here({Query::Exactly("workload", key_), Query::Equals("class", "pod")})));
      BW_TRY(AddWhere("replicas",
                      Here({Query::Exactly("workload", key_), Query::Equals("class", "replica")})));
    } else if (cls == "replica") {
      BW_TRY(AddWhere("pods", Here({Query::Exactly("owner", name_), Query::Equals("class", "pod")}),
                      [&](const Value& pod) { return pod["owner"].StringAt("kind") == kind_; }));
    }
    const std::string_view account = self.StringAt("serviceAccount");
    if (!account.empty()) {
      Value record = BW_TRY(Get(fmt::format("{}//ServiceAccount/{}/{}", cluster_, ns_, account)));
      if (!record.IsNull()) out_.Add("serviceAccount", Ref(record));
      BW_TRY(AddBindings(account));
    }
    const Value labels = LabelsOf(self);
    auto services = BW_TRY(Find(Here({Query::Equals("kind", "Service")}), [&](const Value& s) {
      const Value selector = s["summary"]["selector"];
      return !selector.empty() && kube::Selects(selector, labels);
    }));
    Add("services", services);
    std::vector<std::string> names;
    for (const Value& service : services) {
      names.emplace_back(service["asset"].StringAt("name"));
    }
    if (!names.empty()) BW_TRY(AddIngresses(names));
    BW_TRY(AddWhere("networkPolicies", Here({Query::Equals("kind", "NetworkPolicy")}),
                    [&](const Value& policy) {
                      return kube::Selects(policy["summary"]["podSelector"], labels);
                    }));
    std::vector<Query> images;
    for (const Value& name : self["imageNames"].items()) {
      images.push_back(Query::Exactly("image", name.AsString()));
    }
    if (!images.empty()) {
      BW_TRY(AddWhere("images",
                      InCluster({Query::Equals("class", "image"), Query::Or(std::move(images))})));
    }
    if (const std::string_view node = self.StringAt("node"); !node.empty()) {
      Value record = BW_TRY(Get(fmt::format("{}//Node//{}", cluster_, node)));
      if (!record.IsNull()) out_.Add("node", Ref(record));
    }
    return Ok();
  }

  Result<> AddSelected(const Value& selector) {
    if (selector.IsNull()) return Ok();
    auto selects = [&](const Value& record) { return kube::Selects(selector, LabelsOf(record)); };
    BW_TRY(AddWhere("workloads", Here({Query::Equals("class", "workload")}), selects));
    return AddWhere("pods", Here({Query::Equals("class", "pod")}), selects);
  }

  Result<> AddIngresses(const std::vector<std::string>& services) {
    return AddWhere(
        "ingresses", Here({Query::Equals("kind", "Ingress")}), [&](const Value& ingress) {
          for (const Value& name : ingress["summary"]["services"].items()) {
            if (std::find(services.begin(), services.end(), name.AsString()) != services.end()) {
              return true;
            }
          }
          return false;
        });
  }

  // Also those of the groups that every account is in.
  Result<> AddBindings(std::string_view account) {
    auto subjects = Query::Or(
        {Query::Exactly("subject", fmt::format("ServiceAccount:{}/{}", ns_, account)),
         Query::Exactly("subject", fmt::format("User:system:serviceaccount:{}:{}", ns_, account)),
         Query::Exactly("subject", fmt::format("Group:system:serviceaccounts:{}", ns_)),
         Query::Equals("subject", "Group:system:serviceaccounts"),
         Query::Equals("subject", "Group:system:authenticated")});
    auto bindings = BW_TRY(Find(InCluster({Query::Equals("class", "binding"), subjects})));
    Add("bindings", bindings);
    std::set<std::string> keys;
    for (const Value& binding : bindings) {
      keys.insert(RoleKey(binding["summary"], binding["asset"].StringAt("namespace")));
    }
    return AddKeys("roles", {keys.begin(), keys.end()});
  }

  Result<> AddWorkloadsOfPods() {
    std::set<std::string> keys;
    auto pods =
        BW_TRY(Find(InCluster({Query::Equals("class", "pod"), Query::Exactly("image", name_)})));
    for (const Value& pod : pods) {
      if (std::string_view w = pod.StringAt("workload"); !w.empty()) keys.emplace(w);
    }
    return AddKeys("workloads", {keys.begin(), keys.end()});
  }

  store::StateStore& state_;
  const std::function<bool(const Value&)>& visible_;
  Arena arena_;
  MapBuilder out_{arena_};
  std::string_view key_, cluster_, ns_, name_, kind_;
  bool truncated_ = false;
};

}  // namespace

Result<std::string> RelationsOf(store::StateStore& state, std::string_view key,
                                const std::function<bool(const Value& record)>& visible) {
  return Relations(state, visible).Of(key);
}

}  // namespace bulwark::inventory
