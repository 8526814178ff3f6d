#include "features/posture/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>

#include "features/posture/live.h"
#include "formats/json.h"

namespace bulwark::posture {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class ClusterWatcher : private LiveListener {
 public:
  ClusterWatcher(const CheckSet& checks, const InspectOptions& options, const kube::Client& client,
                 const WatchOptions& watch, const LineSink& sink)
      : checks_(checks),
        options_(options),
        client_(client),
        watch_(watch),
        sink_(sink),
        live_(checks,
              {.check = options.check, .whole = watch.cluster.Whole(), .settle = watch.settle},
              *this) {
    if (options.check.exceptions != nullptr) live_.SetExceptions(*options.check.exceptions);
  }

  Result<> Run(const std::stop_token& stop) {
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
          checks_, client_, cluster,
          [&, n = 0](const std::string& object) mutable {
            Put(fmt::format("kubelet/{}", n++), object);
          },
          [&](const Unread& unread) { TellUnread(unread.what, unread.error); });
    }
    while (!stop.stop_requested()) {
      auto pause = milliseconds(1000);
      if (live_.changed()) {
        auto left = std::chrono::ceil<milliseconds>(live_.SettleAt() - Clock::now());
        pause = std::clamp(left, milliseconds(0), pause);
      }
      watches.Poll(pause, stop);
      if (stop.stop_requested()) break;
      if (!synced_) {
        if (!watches.Settled()) continue;
        live_.Settle();
        synced_ = true;
        TellSnapshot();
      } else if (live_.changed() && Clock::now() >= live_.SettleAt()) {
        live_.Settle();
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
        if (MattersForCompleteness(checks_, r)) live_.Lost(r.Name(), false);
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
          if (MattersForCompleteness(checks_, r)) live_.Lost(r.Name(), false);
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
      case kube::WatchEvent::Type::kDeleted: live_.Delete(key); break;
      case kube::WatchEvent::Type::kSynced:
        live_.Found(std::to_string(e.target));
        read_.insert(e.target);
        break;
      case kube::WatchEvent::Type::kUnreadable:
        if (MattersForCompleteness(checks_, *e.resource)) {
          live_.Lost(std::to_string(e.target), read_.contains(e.target));
        }
        TellUnread(kube::Describe(*e.resource, e.ns), e.error->ToString());
        break;
    }
  }

  void Put(const std::string& key, const std::string& text) {
    auto put = live_.Put(key, text);
    if (!put) TellUnread(key, put.error().ToString());
  }

  // --- What is told
  // -------------------------------------------------------------------------------

  void OnFinding(FindingChange change, const Finding& finding, const Facts&) override {
    switch (change) {
      case FindingChange::kOpened: present_[finding.id] = false; return Tell("opened", finding);
      case FindingChange::kExcepted: present_[finding.id] = true; return Tell("excepted", finding);
      case FindingChange::kClosed: present_.erase(finding.id); return Tell("closed", finding);
      case FindingChange::kChanged: return;  // the same finding; lines tell of transitions
    }
  }
  void OnJudged(const Asset&, const Facts&, const Tally&) override {}
  void OnGone(const Asset&) override {}

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
      const CheckInfo& check = checks_.Find(f.check)->info;
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
    uint64_t excepted = 0;
    for (const auto& [id, is_excepted] : present_) excepted += is_excepted ? 1 : 0;
    Arena arena;
    Send("snapshot", arena,
         {{"objects", Value::Uint(live_.objects())},
          {"findings", Value::Uint(present_.size() - excepted)},
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
  LiveInspection live_;
  std::vector<KindToRead> kinds_;        // by target
  std::set<size_t> read_;                // targets that could be read once
  std::map<std::string, bool> present_;  // findings that fail now: whether excepted
  bool synced_ = false;                  // everything was listed, and the snapshot told
};

}  // namespace

Result<> WatchCluster(const CheckSet& checks, const InspectOptions& options,
                      const kube::Client& client, const WatchOptions& watch, const LineSink& sink,
                      const std::stop_token& stop) {
  return ClusterWatcher(checks, options, client, watch, sink).Run(stop);
}

}  // namespace bulwark::posture
