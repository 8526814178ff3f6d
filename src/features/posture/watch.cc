#include "features/posture/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>

#include "features/posture/check.h"
#include "features/posture/inventory.h"
#include "formats/json.h"

namespace bulwark::posture {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Checks between objects take at most a fifth of the time.
constexpr int kRestPerRun = 4;
// However fast a cluster changes, they run after so many times the settling time.
constexpr int kMaxSettles = 10;

// What is remembered of a finding: enough to say that it closed.
struct Open {
  std::string id;
  uint32_t check = 0;  // index in the set
  bool excepted = false;
  Status status = Status::kFail;
  std::shared_ptr<const Asset> asset;
  std::string path, container;
};

// An object that is there.
struct Known {
  std::string name;            // as owners are named: namespace, kind, name
  std::string owner;           // the name of its controller, or ""
  std::string kept;            // trimmed, for checks between objects; "" if none asks for it
  std::string waiting;         // in full: its owner has not come by yet
  bool orphan = false;         // judged although it names an owner
  std::vector<Open> findings;  // by id
};

class ClusterWatcher {
 public:
  ClusterWatcher(const CheckSet& checks, const InspectOptions& options, const kube::Client& client,
                 const WatchOptions& watch, const LineSink& sink)
      : checks_(checks),
        options_(options),
        client_(client),
        watch_(watch),
        sink_(sink),
        checker_(checks, options.check),
        by_check_(checks.checks().size()) {
    for (uint32_t i = 0; i < checks.checks().size(); ++i) {
      index_.emplace(checks.checks()[i].info.id, i);
    }
  }

  Result<> Run(std::stop_token stop) {
    ClusterOptions cluster = watch_.cluster;
    cluster.stop = stop;
    auto planned = KindsToRead(checks_, client_, cluster, [&](const Unread& unread) {
      TellUnread(unread.what, unread.error);
    });
    if (stop.stop_requested()) return Ok();
    const std::vector<KindToRead> kinds = BW_TRY(std::move(planned));
    kube::Watches watches(client_, [&](const kube::WatchEvent& e) { On(e); }, watch_.streams);
    AddTargets(kinds, cluster, watches);
    if (cluster.Whole()) {
      ReadKubelets(
          checks_, client_, cluster, [&](const std::string& object) { Put("kubelet", object); },
          [&](const Unread& unread) { TellUnread(unread.what, unread.error); });
    }
    while (!stop.stop_requested()) {
      auto pause = milliseconds(1000);
      if (changed_) {
        auto left = std::chrono::ceil<milliseconds>(SettleAt() - Clock::now());
        pause = std::clamp(left, milliseconds(0), pause);
      }
      watches.Poll(pause, stop);
      if (stop.stop_requested()) break;
      if (!synced_) {
        if (!watches.Settled()) continue;
        Settle();
        synced_ = true;
        TellSnapshot();
      } else if (changed_ && Clock::now() >= SettleAt()) {
        Settle();
      }
    }
    return Ok();
  }

 private:
  // --- What to watch
  // ------------------------------------------------------------------------------

  void AddTargets(const std::vector<KindToRead>& kinds, const ClusterOptions& cluster,
                  kube::Watches& watches) {
    ClusterScopes scopes(client_, cluster);
    for (const KindToRead& kind : kinds) {
      const kube::Resource& r = kind.resource;
      std::vector<std::string> namespaces = cluster.namespaces;
      if (!namespaces.empty() && !r.namespaced) {
        if (MattersForCompleteness(checks_, r)) incomplete_ = true;
        if (r.kind != "Namespace" || !r.group.empty()) continue;
        for (const std::string& ns : namespaces) {
          Add(watches, kind, "", cluster, "metadata.name=" + ns);
        }
        continue;
      }
      if (namespaces.empty()) {
        // One object is enough to know whether we may.
        auto probe = client_.List(r, "",
                                  {.label_selector = cluster.label_selector,
                                   .limit = 1,
                                   .table = kind.table,
                                   .stop = cluster.stop},
                                  [](const kube::ListPage&) -> Result<> {
                                    return Error(Code::kExists, "posture.enough", "");
                                  });
        if (cluster.stop.stop_requested()) return;
        namespaces.emplace_back();
        if (!probe && probe.error().id() == "kube.forbidden" && r.namespaced) {
          namespaces = scopes.Fallback(r, probe.error(), [&](const Unread& unread) {
            TellUnread(unread.what, unread.error);
          });
          if (MattersForCompleteness(checks_, r)) incomplete_ = true;
        }
      }
      for (const std::string& ns : namespaces) Add(watches, kind, ns, cluster, "");
    }
  }

  void Add(kube::Watches& watches, const KindToRead& kind, const std::string& ns,
           const ClusterOptions& cluster, std::string field_selector) {
    size_t number = watches.Add(kind.resource, ns,
                                {.label_selector = cluster.label_selector,
                                 .field_selector = std::move(field_selector),
                                 .limit = cluster.page_size,
                                 .table = kind.table});
    kinds_.resize(number + 1);
    kinds_[number] = kind;
  }

  // --- What happens
  // -------------------------------------------------------------------------------

  void On(const kube::WatchEvent& e) {
    const KindToRead& kind = kinds_[e.target];
    std::string key = fmt::format("{}/{}/{}", kind.resource.group, kind.resource.kind, e.key);
    switch (e.type) {
      case kube::WatchEvent::Type::kPut: {
        std::string object;
        if (AppendObject(object, kind, e.object, e.text)) Put(key, object);
        break;
      }
      case kube::WatchEvent::Type::kDeleted: Delete(key); break;
      case kube::WatchEvent::Type::kSynced:
        if (unreadable_.erase(e.target) + lost_.erase(e.target) > 0) Changed();
        read_.insert(e.target);
        break;
      case kube::WatchEvent::Type::kUnreadable:
        if (MattersForCompleteness(checks_, *e.resource)) {
          (read_.contains(e.target) ? lost_ : unreadable_).insert(e.target);
        }
        TellUnread(kube::Describe(*e.resource, e.ns), e.error->ToString());
        break;
    }
  }

  static std::string NameOf(std::string_view ns, std::string_view kind, std::string_view name) {
    return fmt::format("{}\n{}\n{}", ns, kind, name);
  }

  void Put(const std::string& key, const std::string& text) {
    arena_.Reset();
    auto parsed = ParseJson(text, arena_, {.duplicate_keys = true, .borrow_text = true});
    if (!parsed) return TellUnread(key, parsed.error().ToString());
    const Value& value = *parsed;
    kube::Object object(value);
    auto [at, is_new] = objects_.try_emplace(key);
    Known& known = at->second;
    Changed();
    if (is_new) {
      known.name = NameOf(object.ns(), object.kind(), object.name());
      ++names_[known.name];
    }
    Value controller = kube::ControllerOf(value);
    known.owner = controller.IsNull() ? std::string()
                                      : NameOf(object.ns(), controller.StringAt("kind"),
                                               controller.StringAt("name"));
    known.waiting.clear();
    orphans_.erase(key);
    known.orphan = false;
    if (known.owner.empty()) return Judge(known, value);
    // Its owner is judged in its place; or may come in a moment, over another stream.
    if (names_.contains(known.owner)) return Forget(known);
    if (!known.findings.empty() || !known.kept.empty()) {
      known.orphan = true;
      orphans_.insert(key);
      return Judge(known, value);
    }
    known.waiting = text;
    orphans_.insert(key);
  }

  void Delete(const std::string& key) {
    auto at = objects_.find(key);
    if (at == objects_.end()) return;
    Changed();
    Forget(at->second);
    if (auto name = names_.find(at->second.name); --name->second == 0) names_.erase(name);
    orphans_.erase(key);
    objects_.erase(at);
  }

  // It is not judged any more.
  void Forget(Known& known) {
    known.kept.clear();
    known.waiting.clear();
    Replace(known.findings, {});
  }

  void Judge(Known& known, const Value& value) {
    Findings findings;
    Subject subject{.object = &value};
    checker_.Run(subject, findings, by_check_);
    Replace(known.findings, findings);
    Inventory one(checks_, options_.check.templates);
    bool workload = kube::FindPodTemplate(value, options_.check.templates).has_value();
    one.Add(value, workload, "", {}, nullptr);
    known.kept = one.kept().empty() ? std::string() : ToJson(one.kept().front().object);
    // Namespaces are kept in any case: they say which input is complete.
    if (known.kept.empty() && one.HasNamespace("")) known.kept = ToJson(value);
  }

  // --- Checks between objects
  // ---------------------------------------------------------------------

  void Changed() {
    if (!changed_) first_change_ = Clock::now();
    changed_ = true;
    last_change_ = Clock::now();
  }
  Clock::time_point SettleAt() const {
    auto at = std::min(last_change_ + watch_.settle, first_change_ + watch_.settle * kMaxSettles);
    return std::max(at, last_run_ + last_run_took_ * kRestPerRun);
  }

  void Settle() {
    auto start = Clock::now();
    for (auto next = orphans_.begin(); next != orphans_.end();) {
      auto key = next++;
      Known& known = objects_.at(*key);
      if (names_.contains(known.owner)) {
        known.orphan = false;
        Forget(known);
        orphans_.erase(key);
      } else if (!known.waiting.empty()) {
        std::string text = std::exchange(known.waiting, {});
        arena_.Reset();
        auto value = ParseJson(text, arena_, {.duplicate_keys = true, .borrow_text = true});
        known.orphan = true;
        if (value) Judge(known, *value);
      }
    }
    if (lost_.empty()) RunRelated();
    changed_ = false;
    last_run_ = Clock::now();
    last_run_took_ = last_run_ - start;
  }

  void RunRelated() {
    Arena arena(1 << 16);
    Inventory inventory(checks_, options_.check.templates);
    for (const auto& [key, known] : objects_) {
      if (known.kept.empty()) continue;
      auto value = ParseJson(known.kept, arena, {.borrow_text = true});
      if (!value) continue;
      const Value* kept = arena.New<Value>(*value);
      bool workload = kube::FindPodTemplate(*kept, options_.check.templates).has_value();
      inventory.Add(*kept, workload, "", {}, nullptr);
    }
    inventory.Finish();
    Findings findings;
    for (const Inventory::Kept& kept : inventory.kept()) {
      kube::Object object(kept.object);
      bool is_namespace = object.kind() == "Namespace";
      std::string ns = is_namespace ? object.name() : std::string(object.ns());
      if (ns.empty()) ns = "default";
      bool complete = watch_.cluster.Whole() || inventory.HasNamespace(ns) ||
                      (object.ns().empty() && inventory.HasNamespace(""));
      complete = complete && !incomplete_ && unreadable_.empty();
      checker_.RunRelated({.object = &kept.object}, inventory.Peers(ns), inventory.Cluster(),
                          complete, findings, by_check_);
    }
    Replace(related_, findings);
  }

  // --- What is told
  // -------------------------------------------------------------------------------

  // Tells the differences, and remembers the new ones.
  void Replace(std::vector<Open>& old, const Findings& now) {
    std::vector<Open> next;
    next.reserve(now.size());
    std::vector<std::pair<std::string, size_t>> order;
    for (size_t i = 0; i < now.size(); ++i) order.emplace_back(now[i].id, i);
    std::sort(order.begin(), order.end());
    std::shared_ptr<const Asset> asset;
    size_t at = 0;
    auto close_before = [&](const std::string* id) {
      for (; at < old.size() && (id == nullptr || old[at].id < *id); ++at) TellClosed(old[at]);
    };
    for (const auto& [id, i] : order) {
      if (!next.empty() && next.back().id == id) continue;
      Finding f = now[i];
      close_before(&id);
      bool excepted = f.excused.has_value();
      bool was = at < old.size() && old[at].id == id;
      if (!was || old[at].excepted != excepted) Tell(excepted ? "excepted" : "opened", f);
      if (was) {
        next.push_back(std::move(old[at++]));
        next.back().excepted = excepted;
        continue;
      }
      if (asset == nullptr || *asset != f.asset) asset = std::make_shared<const Asset>(f.asset);
      next.push_back({id, index_.at(f.check), excepted, f.status, asset, f.evidence.path,
                      f.evidence.container});
    }
    close_before(nullptr);
    next.shrink_to_fit();
    old = std::move(next);
  }

  void TellClosed(const Open& open) {
    const CheckInfo& check = checks_.checks()[open.check].info;
    Finding f;
    f.id = open.id;
    f.check = check.id;
    f.severity = check.severity;
    f.status = open.status;
    f.asset = *open.asset;
    f.evidence.path = open.path;
    f.evidence.container = open.container;
    Tell("closed", f);
  }

  void Tell(std::string_view type, const Finding& f) {
    if (!synced_ && type != "closed") type = "present";
    Arena arena;
    auto text = [](std::string_view s) { return Value::String(s); };
    MapBuilder asset(arena);
    if (!f.asset.cluster.empty()) asset.Add("cluster", text(f.asset.cluster));
    asset.Add("apiVersion", Value::String(arena, f.asset.ApiVersion()));
    asset.Add("kind", text(f.asset.kind));
    if (!f.asset.ns.empty()) asset.Add("namespace", text(f.asset.ns));
    asset.Add("name", text(f.asset.name));
    MapBuilder evidence(arena);
    evidence.Add("path", text(f.evidence.path));
    if (!f.evidence.value.empty()) evidence.Add("value", text(f.evidence.value));
    if (!f.evidence.container.empty()) evidence.Add("container", text(f.evidence.container));
    MapBuilder finding(arena);
    finding.Add("id", text(f.id))
        .Add("check", text(f.check))
        .Add("severity", text(SeverityName(f.severity)))
        .Add("status", text(StatusName(f.status)))
        .Add("asset", asset.Finish())
        .Add("evidence", evidence.Finish());
    if (type != "closed") {
      const CheckInfo& check = checks_.checks()[index_.at(f.check)].info;
      finding.Add("message", Value::String(arena, MessageOf(check, f, watch_.language)));
    }
    if (f.excused) {
      finding.Add("excepted", MapBuilder(arena)
                                  .Add("reason", text(f.excused->reason))
                                  .Add("owner", text(f.excused->owner))
                                  .Add("expires", text(f.excused->expires))
                                  .Add("byOwner", Value::Bool(f.excused->by_owner))
                                  .Finish());
    }
    Send(type, arena, {{"finding", finding.Finish()}});
  }

  void TellUnread(std::string_view what, std::string_view error) {
    Arena arena;
    Send("unread", arena, {{"what", Value::String(what)}, {"error", Value::String(error)}});
  }

  void TellSnapshot() {
    uint64_t findings = 0, excepted = 0;
    auto count = [&](const std::vector<Open>& all) {
      for (const Open& open : all) ++(open.excepted ? excepted : findings);
    };
    for (const auto& [key, known] : objects_) count(known.findings);
    count(related_);
    Arena arena;
    Send("snapshot", arena,
         {{"objects", Value::Uint(objects_.size())},
          {"findings", Value::Uint(findings)},
          {"excepted", Value::Uint(excepted)}});
  }

  void Send(std::string_view type, Arena& arena,
            std::initializer_list<std::pair<std::string_view, Value>> fields) {
    MapBuilder line(arena);
    line.Add("type", Value::String(type));
    line.Add("time", Value::String(arena, FormatRfc3339(watch_.now())));
    for (const auto& [name, value] : fields) line.Add(Value::String(name), value);
    sink_(ToJson(line.Finish()) + "\n");
  }

  const CheckSet& checks_;
  const InspectOptions& options_;
  const kube::Client& client_;
  const WatchOptions& watch_;
  const LineSink& sink_;
  Checker checker_;
  std::vector<Tally> by_check_;
  std::unordered_map<std::string, uint32_t> index_;  // of checks, by id
  std::vector<KindToRead> kinds_;                    // by target

  std::unordered_map<std::string, Known> objects_;  // by group, kind, namespace, name
  std::unordered_map<std::string, uint32_t> names_;
  std::set<std::string> orphans_;  // keys of those that wait for an owner, or are judged without
  std::vector<Open> related_;
  // Of targets that matter for completeness: those that were never read, and those that no longer
  // can be. While there are any of the latter, checks between objects do not run: what they would
  // not find any more would look fixed.
  std::set<size_t> unreadable_, lost_;
  std::set<size_t> read_;
  bool incomplete_ = false;
  bool synced_ = false;  // everything was listed, and the snapshot told
  bool changed_ = true;
  Clock::time_point first_change_ = Clock::now(), last_change_ = Clock::now();
  Clock::time_point last_run_;
  Clock::duration last_run_took_{};
  Arena arena_{1 << 16};
};

}  // namespace

Result<> WatchCluster(const CheckSet& checks, const InspectOptions& options,
                      const kube::Client& client, const WatchOptions& watch, const LineSink& sink,
                      std::stop_token stop) {
  return ClusterWatcher(checks, options, client, watch, sink).Run(stop);
}

}  // namespace bulwark::posture
