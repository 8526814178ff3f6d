#include "features/posture/server/live_posture.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/arena.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/time.h"
#include "crypto/random.h"
#include "features/posture/cluster_source.h"
#include "features/posture/inspection.h"
#include "formats/json.h"
#include "kube/object.h"
#include "model/record.h"
#include "platform/api/api.h"

namespace bulwark::posture {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kFlushEvery = milliseconds(150);
constexpr auto kScoresEvery = milliseconds(2000);
constexpr int64_t kDay = int64_t{86'400} * 1'000'000;
// How many findings may wait to be written before the cluster's thread waits, too.
constexpr size_t kMaxPending = 50'000;
constexpr auto kExpireEvery = std::chrono::seconds(2);
constexpr auto kSweepEvery = std::chrono::hours(1);
constexpr auto kKubeletsEvery = std::chrono::hours(1);
constexpr auto kNewNodeWait = std::chrono::seconds(10);
// What is over is kept for so many days.
constexpr int64_t kKeepClosed = 90, kKeepRuns = 90, kKeepTrends = 400;
// A record has a limit of size: of more namespaces, those that stand worst.
constexpr size_t kMaxNamespaces = 2000;
constexpr size_t kMaxBatch = 2000;
constexpr std::string_view kKubeletConfig = "kubelet.config.k8s.io/KubeletConfiguration";

std::string KindOf(const kube::Resource& resource) { return resource.group + "/" + resource.kind; }

std::string KeyOf(const kube::Resource& resource, std::string_view ns, std::string_view name) {
  return fmt::format("{}/{}/{}/{}", resource.group, resource.kind, ns, name);
}
std::string KubeletKey(std::string_view node) {
  return fmt::format("{}//{}", kKubeletConfig, node);
}

// "group/Kind" of a key.
std::string_view KindOfKey(std::string_view key) {
  size_t slash = key.find('/', key.find('/') + 1);
  return key.substr(0, slash);
}

std::string ChangeData(std::string_view op, std::string_view key, std::string_view cluster,
                       std::string_view ns) {
  std::string data = fmt::format(R"({{"op":"{}","key":)", op);
  AppendJsonString(data, key);
  data += ",\"cluster\":";
  AppendJsonString(data, cluster);
  data += ",\"namespace\":";
  AppendJsonString(data, ns);
  return data + "}";
}

Value SeverityCounts(const Tally& tally, Arena& arena) {
  MapBuilder out(arena);
  for (Severity s :
       {Severity::kCritical, Severity::kHigh, Severity::kMedium, Severity::kLow, Severity::kInfo}) {
    out.Add(SeverityName(s), Value::Uint(tally.by_severity[static_cast<size_t>(s)]));
  }
  return out.Finish();
}

void AddTally(const Tally& tally, MapBuilder& out, Arena& arena) {
  out.Add("score", Value::Int(tally.Score()));
  out.Add("passed", Value::Uint(tally.passed));
  out.Add("failed", Value::Uint(tally.failed));
  out.Add("errors", Value::Uint(tally.errors));
  out.Add("excepted", Value::Uint(tally.excused));
  out.Add("bySeverity", SeverityCounts(tally, arena));
}

Value TallyValue(const Tally& tally, Arena& arena) {
  MapBuilder out(arena);
  AddTally(tally, out, arena);
  return out.Finish();
}

Severity Worst(const Tally& tally) {
  for (int s = kSeverities - 1; s > 0; --s) {
    if (tally.by_severity[static_cast<size_t>(s)] != 0) return static_cast<Severity>(s);
  }
  return Severity::kUnknown;
}

}  // namespace

const store::Collection& InspectionsCollection() {
  static const store::Collection collection{
      .name = std::string(kInspections),
      .version = 1,
      .columns = {{.name = "cluster", .path = "cluster"},
                  {.name = "ns", .path = "namespace"},
                  {.name = "score", .path = "score", .type = store::ColumnType::kInt}}};
  return collection;
}

const store::Collection& InspectedCollection() {
  using store::ColumnType;
  static const store::Collection collection{
      .name = std::string(kInspected),
      .version = 1,
      .columns =
          {{.name = "cluster", .path = "asset.cluster", .indexed = true},
           {.name = "group", .path = "asset.group"},
           {.name = "kind", .path = "asset.kind", .indexed = true},
           {.name = "ns", .path = "asset.namespace", .indexed = true, .aliases = {"namespace"}},
           {.name = "name", .path = "asset.name", .indexed = true, .full_text = true},
           {.name = "label", .path = "labels"},
           {.name = "image", .path = "images", .full_text = true},
           {.name = "score", .path = "score", .type = ColumnType::kInt, .indexed = true},
           {.name = "failed", .path = "failed", .type = ColumnType::kInt, .indexed = true},
           {.name = "severity", .path = "severity", .type = ColumnType::kSeverity, .indexed = true},
           {.name = "workload", .path = "workload", .type = ColumnType::kBool}},
      .default_sort = "-severity,score"};
  return collection;
}

const store::Collection& TrendsCollection() {
  static const store::Collection collection{
      .name = std::string(kTrends),
      .version = 2,
      .columns = {{.name = "cluster", .path = "cluster", .indexed = true},
                  {.name = "ns", .path = "namespace"},
                  {.name = "date", .path = "date", .indexed = true},
                  {.name = "at", .path = "at", .type = store::ColumnType::kTime, .indexed = true}},
      .default_sort = "date"};
  return collection;
}

const store::Collection& RunsCollection() {
  using store::ColumnType;
  static const store::Collection collection{
      .name = std::string(kRuns),
      .version = 1,
      .columns = {{.name = "cluster", .path = "cluster", .indexed = true},
                  {.name = "ns", .path = "namespace"},
                  {.name = "state", .path = "state"},
                  {.name = "by", .path = "by"},
                  {.name = "started",
                   .path = "startedAt",
                   .type = ColumnType::kTime,
                   .indexed = true,
                   .aliases = {"time"}}},
      .default_sort = "-started"};
  return collection;
}

// --- One cluster ---------------------------------------------------------------------------------

class LivePosture::Watched : private LiveListener {
 public:
  Watched(LivePosture& owner, const Cluster& of, CheckOptions check)
      : id(of.id),
        minor(check.kubernetes_minor),
        name(of.name),
        owner_(owner),
        live(owner.checks_, {.check = std::move(check)}, *this) {}

  struct Judged {
    Asset asset;
    std::vector<std::string> labels, images;
    Tally tally;
    bool gone = false;
  };

  const std::string id;
  const int minor;

  std::mutex mutex;  // over all that follows
  std::string name;
  bool removed = false;  // or another has taken its place: nothing more is told
  bool synced = false;
  bool telling = true;  // what there was at the start has not all been told
  // Connected to again: keys that have not been told since. What is still among them when all was
  // told is gone.
  std::unordered_set<std::string> unseen;
  std::set<std::string> unread;  // kinds
  std::set<std::string> back;    // of these: those that came since
  bool related_unread = false;
  FindingsBook::Unread told_unread;  // what Complete() was told
  std::set<std::string> nodes;       // whose kubelets' configuration is known
  bool kubelets_known = false, kubelets_unread = false;
  Clock::time_point kubelets_due{};

  std::unordered_map<std::string, Judged> judged;  // to be written, by asset key
  std::unordered_set<std::string> present;         // asset keys, while telling
  bool scores_changed = false;
  Clock::time_point scores_written{};

  FindingsBook::Unread Unread() const {
    FindingsBook::Unread out{.kinds = unread, .related = related_unread};
    if (kubelets_unread) out.kinds.emplace(kKubeletConfig);
    return out;
  }

 private:
  void OnFinding(FindingChange change, const Finding& finding, const Facts& facts) override {
    owner_.book_.Add(id, change, finding, facts);
    scores_changed = true;
  }
  void OnJudged(const Asset& asset, const Facts& facts, const Tally& tally) override {
    std::string key = asset.Key();
    if (telling) present.insert(key);
    Judged& j = judged[std::move(key)];
    j = {.asset = asset, .tally = tally};
    for (const Value::Entry& label : facts.labels.entries()) {
      if (label.key.IsString() && label.value.IsString())
        j.labels.push_back(fmt::format("{}={}", label.key.AsString(), label.value.AsString()));
    }
    for (const Value& image : facts.images.items()) {
      if (image.IsString()) j.images.emplace_back(image.AsString());
    }
    scores_changed = true;
  }
  void OnGone(const Asset& asset) override {
    std::string key = asset.Key();
    present.erase(key);
    judged[std::move(key)] = {.asset = asset, .gone = true};
    scores_changed = true;
  }

  LivePosture& owner_;

 public:
  LiveInspection live;
};

// --- What the inventory tells --------------------------------------------------------------------

LivePosture::LivePosture(Services& services, const CheckSet& checks)
    : services_(services),
      checks_(checks),
      book_(
          services.state, services.pipeline, checks,
          [this](std::string_view op, const std::string& key, const Asset& asset,
                 const std::vector<std::string>& labels) {
            services_.api.Tell({.topic = "findings",
                                .permission = "findings.read",
                                .cluster = asset.cluster,
                                .ns = asset.ns,
                                .labels = labels,
                                .data = ChangeData(op, key, asset.cluster, asset.ns)});
          },
          NowUs),
      exceptions_(
          services.state, services.pipeline, NowUs, [this] { ExceptionsChanged(); },
          [this](std::string_view op, std::string_view id, const Value& record) {
            std::string cluster(record.StringAt("cluster")), ns(record.StringAt("namespace"));
            services_.api.Tell({.topic = "exceptions",
                                .permission = "exceptions.read",
                                .cluster = cluster,
                                .ns = ns,
                                .labels = {},
                                .data = ChangeData(op, id, cluster, ns)});
          }),
      drift_(services.metrics.AddCounter(
          "bulwark_posture_drift_total",
          "Findings in which a full inspection differed from what watching had led to.")) {}

LivePosture::~LivePosture() { Stop(); }

Result<> LivePosture::Start() {
  // Runs that a crash ended.
  std::vector<store::Record> interrupted;
  BW_TRY(services_.state.Scan(kRuns, store::Query::Equals("state", "running"),
                              [&](const store::Record& record) -> Result<> {
                                interrupted.push_back(record);
                                return Ok();
                              }));
  for (const store::Record& record : interrupted) {
    Arena arena;
    Value body = BW_TRY(ParseJson(record.body, arena, {.borrow_text = true}));
    MapBuilder out(arena);
    for (const Value::Entry& entry : body.entries()) out.Add(entry.key, entry.value);
    out.Add("state", Value::String("failed"));
    out.Add("error", Value::String("the server was stopped"));
    out.Add("finishedAt", Value::String(arena, FormatTime(NowUs())));
    store::Batch batch;
    batch.Put(kRuns, record.key, ToJson(out.Finish()), record.revision);
    BW_TRY(services_.state.Commit(batch));
  }
  // Clusters that were removed while nobody could be told.
  std::set<std::string> there;
  if (services_.state.Fields("clusters") != nullptr) {
    BW_TRY(services_.state.Scan("clusters", store::Query::All(),
                                [&](const store::Record& record) -> Result<> {
                                  there.insert(record.key);
                                  return Ok();
                                }));
    std::set<std::string> known;
    BW_TRY(services_.state.Scan(kInspections, store::Query::All(),
                                [&](const store::Record& record) -> Result<> {
                                  known.insert(record.key);
                                  return Ok();
                                }));
    for (const store::Group& group : BW_TRY(services_.state.GroupBy(
             kFindings, store::Query::AnyOf("status", {"open", "excepted"}), {"cluster"}))) {
      if (!group.values.empty()) known.insert(group.values[0]);
    }
    std::lock_guard lock(mutex_);
    for (const std::string& id : known) {
      if (!there.contains(id) && !clusters_.contains(id)) removed_.insert(id);
    }
  }
  {
    std::lock_guard lock(mutex_);
    stopped_ = false;
    ending_ = std::stop_source();
  }
  running_workers_ = true;
  worker_ = std::jthread([this](std::stop_token stop) { Work(stop); });
  kubelets_ = std::jthread([this](std::stop_token stop) { ReadKubelets(stop); });
  return Ok();
}

void LivePosture::Stop() {
  std::vector<Background> runs;
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    ending_.request_stop();
    runs.swap(runs_);
  }
  running_workers_ = false;
  for (Background& run : runs) run.thread.join();
  for (std::jthread* thread : {&kubelets_, &worker_}) {
    thread->request_stop();
    if (thread->joinable()) thread->join();
  }
}

void LivePosture::ExceptionsChanged() {
  std::lock_guard lock(mutex_);
  exceptions_changed_ = true;
}

std::shared_ptr<LivePosture::Watched> LivePosture::Find(const std::string& cluster) const {
  std::lock_guard lock(mutex_);
  auto at = clusters_.find(cluster);
  return at == clusters_.end() ? nullptr : at->second;
}

std::vector<std::shared_ptr<LivePosture::Watched>> LivePosture::All() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Watched>> all;
  for (const auto& [id, watched] : clusters_) all.push_back(watched);
  return all;
}

bool LivePosture::Wants(const kube::Resource& resource) const {
  // Asked for each object that is told.
  std::lock_guard lock(mutex_);
  auto [at, is_new] = wanted_.try_emplace(KindOf(resource));
  if (is_new) at->second = ReadsKind(checks_, resource, custom_.contains(at->first));
  return at->second;
}

void LivePosture::AddCustom(std::set<std::string> kinds) {
  std::lock_guard lock(mutex_);
  for (const std::string& kind : kinds) {
    // The inventory asks again when it looks for new kinds.
    if (custom_.insert(kind).second) wanted_.erase(kind);
  }
}

void LivePosture::OnCluster(const Cluster& cluster, const kube::Client& client) {
  int minor = client.minor_version().value_or(kube::kNewestMinor);
  AddCustom(CustomWorkloads(client, {}));
  auto known = Find(cluster.id);
  if (known != nullptr) {
    std::lock_guard lock(known->mutex);
    if (known->minor == minor) {
      // It is back; what went meanwhile is not told.
      known->live.ForEachKey([&](const std::string& key) {
        if (KindOfKey(key) != kKubeletConfig) known->unseen.insert(key);
      });
      known->synced = false;
      known->back = known->unread;  // all is listed anew; what still cannot be read is told again
      known->kubelets_due = Clock::now();
      return;
    }
    // Judged for another version: all anew.
    known->removed = true;
  }
  auto watched = std::make_shared<Watched>(
      *this, cluster, CheckOptions{.kubernetes_minor = minor, .cluster = cluster.id});
  // Before anything is told, so that nothing seems to open that is excepted.
  auto active = exceptions_.ActiveFor(cluster.id, cluster.name);
  if (active) {
    watched->live.SetExceptions(std::move(*active));
  } else {
    Log(Level::kError, "posture.exceptions", {{"error", active.error()}});
  }
  std::lock_guard lock(mutex_);
  book_.Begin(cluster.id);
  clusters_[cluster.id] = std::move(watched);
  removed_.erase(cluster.id);
  exceptions_changed_ = true;  // some may have changed between
}

void LivePosture::OnPut(const Cluster& cluster, const kube::Resource& resource, const Value& object,
                        std::string_view text) {
  auto watched = Find(cluster.id);
  if (watched == nullptr || !Wants(resource)) return;
  kube::Object view(object);
  if (resource.kind == "CustomResourceDefinition") {
    std::string kind = CustomWorkloadOf(object);
    if (!kind.empty()) AddCustom({std::move(kind)});
  }
  std::string key = KeyOf(resource, view.ns(), view.name());
  {
    std::lock_guard lock(watched->mutex);
    watched->unseen.erase(key);
    if (!watched->unread.empty() && watched->unread.contains(KindOf(resource)))
      watched->back.insert(KindOf(resource));
    auto put = watched->live.Put(key, text);
    if (!put)
      Log(Level::kWarn, "posture.object", {{"cluster", cluster.name}, {"error", put.error()}});
    if (resource.group.empty() && resource.kind == "Node" && watched->kubelets_known &&
        !watched->nodes.contains(std::string(view.name()))) {
      watched->nodes.emplace(view.name());
      watched->kubelets_due = std::min(watched->kubelets_due, Clock::now() + kNewNodeWait);
    }
  }
  // A store that is slow makes the cluster wait rather than memory grow. One that fails does not:
  // what waits is as much as there are findings, and nobody could end.
  while (running_workers_ && !flush_failed_ && book_.pending() > kMaxPending) {
    std::this_thread::sleep_for(milliseconds(20));
  }
}

void LivePosture::OnDelete(const Cluster& cluster, const kube::Resource& resource,
                           std::string_view ns, std::string_view name) {
  auto watched = Find(cluster.id);
  if (watched == nullptr) return;
  std::string key = KeyOf(resource, ns, name);
  std::lock_guard lock(watched->mutex);
  watched->unseen.erase(key);
  watched->live.Delete(key);
  if (resource.group.empty() && resource.kind == "Node") {
    watched->nodes.erase(std::string(name));
    watched->live.Delete(KubeletKey(name));
  }
}

void LivePosture::OnSynced(const Cluster& cluster) {
  auto watched = Find(cluster.id);
  if (watched == nullptr) return;
  std::lock_guard lock(watched->mutex);
  for (const std::string& kind : std::exchange(watched->back, {})) {
    watched->unread.erase(kind);
    watched->live.Found(kind);
  }
  if (watched->unread.empty()) watched->related_unread = false;
  for (const std::string& key : std::exchange(watched->unseen, {})) {
    // Of what cannot be read nobody knows.
    if (!watched->unread.contains(std::string(KindOfKey(key)))) watched->live.Delete(key);
  }
  watched->synced = true;
}

void LivePosture::OnUnreadable(const Cluster& cluster, const kube::Resource& resource,
                               std::string_view, const Error&) {
  auto watched = Find(cluster.id);
  if (watched == nullptr || !Wants(resource)) return;
  std::lock_guard lock(watched->mutex);
  std::string kind = KindOf(resource);
  // All that is not unreadable has been read, be it that there was nothing.
  bool was_read = !watched->telling;
  watched->back.erase(kind);
  if (!watched->unread.insert(kind).second || !MattersForCompleteness(checks_, resource)) return;
  watched->related_unread = true;
  watched->live.Lost(kind, was_read);
}

void LivePosture::OnRemoved(const Cluster& cluster) {
  std::shared_ptr<Watched> watched = Find(cluster.id);
  if (watched != nullptr) {
    std::lock_guard lock(watched->mutex);
    watched->removed = true;
  }
  std::lock_guard lock(mutex_);
  clusters_.erase(cluster.id);
  moves_.erase(cluster.id);
  removed_.insert(cluster.id);
}

// --- The configuration of kubelets ---------------------------------------------------------------

void LivePosture::ReadKubelets(std::stop_token stop) {
  while (!stop.stop_requested()) {
    for (const auto& watched : All()) {
      bool due;
      {
        std::lock_guard lock(watched->mutex);
        due = !watched->removed && watched->kubelets_due <= Clock::now();
        // What asks for another reading while this one runs is heard.
        if (due) watched->kubelets_due = Clock::now() + kKubeletsEvery;
      }
      if (due) ReadKubeletsOf(*watched, stop);
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, milliseconds(500), [] { return false; });
  }
}

void LivePosture::ReadKubeletsOf(Watched& watched, std::stop_token stop) {
  std::map<std::string, std::string> read;  // by node
  bool unread = false;
  auto client = services_.inventory.ClientOf(watched.id);
  if (client) {
    ClusterOptions options;
    options.stop = stop;
    posture::ReadKubelets(
        checks_, **client, options,
        [&](const std::string& object) {
          Arena arena;
          auto value = ParseJson(object, arena, {.borrow_text = true});
          if (value) read.emplace(kube::Object(*value).name(), object);
        },
        [&](const Unread& what) {
          unread = true;
          Log(Level::kDebug, "posture.unread", {{"what", what.what}, {"error", what.error}});
        });
  } else {
    unread = client.error().code() != Code::kNotFound;
  }
  if (stop.stop_requested()) return;
  std::lock_guard lock(watched.mutex);
  if (watched.removed) return;
  for (const auto& [node, object] : read) {
    watched.nodes.insert(node);
    auto put = watched.live.Put(KubeletKey(node), object);
    if (!put) Log(Level::kWarn, "posture.object", {{"error", put.error()}});
  }
  if (!unread) {
    for (const std::string& node : watched.nodes) {
      if (!read.contains(node)) watched.live.Delete(KubeletKey(node));
    }
  }
  watched.kubelets_unread = unread;
  watched.kubelets_known = true;
}

// --- The worker ----------------------------------------------------------------------------------

void LivePosture::Work(std::stop_token stop) {
  Clock::time_point expired{}, swept{};
  auto flush = [&] {
    auto flushed = book_.Flush();
    flush_failed_ = !flushed;
    if (!flushed) Log(Level::kError, "posture.write", {{"error", flushed.error()}});
  };
  while (!stop.stop_requested()) {
    std::set<std::string> removed;
    bool exceptions_changed;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, kFlushEvery, [] { return false; });
      removed.swap(removed_);
      exceptions_changed = std::exchange(exceptions_changed_, false);
    }
    for (const std::string& cluster : removed) ForgetCluster(cluster);
    for (const Cluster& cluster : services_.inventory.Clusters()) {
      auto watched = Find(cluster.id);
      if (watched == nullptr) continue;
      std::lock_guard lock(watched->mutex);
      if (watched->name == cluster.name) continue;
      watched->name = cluster.name;  // exceptions may speak of it
      watched->scores_changed = exceptions_changed = true;
    }
    auto now = Clock::now();
    if (now - expired > kExpireEvery) {
      expired = now;
      auto done = exceptions_.Expire();
      if (!done) Log(Level::kError, "posture.expire", {{"error", done.error()}});
    }
    if (exceptions_changed) ApplyExceptions();
    for (const auto& watched : All()) SettleOne(*watched);
    flush();
    for (const auto& watched : All()) WriteScores(*watched);
    if (now - swept > kSweepEvery) {
      swept = now;
      Sweep();
    }
  }
  flush();
}

void LivePosture::SettleOne(Watched& watched) {
  std::lock_guard lock(watched.mutex);
  if (watched.removed || !watched.synced || !watched.kubelets_known) return;
  if (watched.live.SettleAt() <= Clock::now()) watched.live.Settle();
  if (watched.telling && watched.live.changed()) return;
  FindingsBook::Unread unread = watched.Unread();
  if (!watched.telling && unread == watched.told_unread) return;
  // Also once more of it could be read than before.
  book_.Complete(watched.id, unread);
  watched.told_unread = std::move(unread);
  if (!std::exchange(watched.telling, false)) return;
  watched.scores_changed = true;
  // Assets that went while nobody looked.
  auto scanned = services_.state.Scan(
      kInspected, store::Query::Exactly("cluster", watched.id),
      [&](const store::Record& record) -> Result<> {
        if (watched.present.contains(record.key)) return Ok();
        Arena arena(1 << 10);
        Value body = BW_TRY(ParseJson(record.body, arena, {.borrow_text = true}));
        Asset asset = AssetOf(body["asset"]);
        if (watched.told_unread.kinds.contains(asset.group + "/" + asset.kind)) return Ok();
        watched.judged.try_emplace(record.key, Watched::Judged{.asset = asset, .gone = true});
        return Ok();
      });
  if (!scanned) Log(Level::kError, "posture.inspected", {{"error", scanned.error()}});
  watched.present.clear();
}

void LivePosture::ForgetCluster(const std::string& cluster) {
  {
    std::lock_guard lock(mutex_);
    if (clusters_.contains(cluster)) return;  // it was added again
    book_.Forget(cluster);
  }
  store::Batch batch;
  batch.Delete(kInspections, cluster);
  batch.DeleteWhere(kInspected, store::Query::Exactly("cluster", cluster));
  auto done = services_.state.Commit(batch);
  if (done) return;
  Log(Level::kError, "posture.forget", {{"cluster", cluster}, {"error", done.error()}});
  std::lock_guard lock(mutex_);
  if (!clusters_.contains(cluster)) removed_.insert(cluster);
}

void LivePosture::Sweep() {
  using store::Query;
  using Op = store::Term::Op;
  // People's settings, where they said anything (app/server/system_routes.cc).
  Arena arena(1 << 12);
  Value days = Value::EmptyMap();
  if (auto record = services_.state.Get("settings", "server"); record && *record) {
    auto settings = ParseJson((*record)->body, arena);
    if (settings) days = (*settings)["retention"];
  }
  store::Batch batch;
  auto forget = [&](std::string_view setting, int64_t otherwise, std::string_view collection,
                    std::string_view time, Query which) {
    int64_t kept = days[setting].ToInt().value_or(otherwise);
    if (kept == 0) return;  // for ever
    batch.DeleteWhere(collection, Query::And({std::move(which),
                                              Query::Compare(std::string(time), Op::kLess,
                                                             FormatTime(NowUs() - kept * kDay))}));
  };
  forget("closedFindings", kKeepClosed, kFindings, "closed", Query::Equals("status", "closed"));
  forget("runs", kKeepRuns, kRuns, "started", Query::All());
  forget("trends", kKeepTrends, kTrends, "at", Query::All());
  if (batch.empty()) return;
  auto done = services_.state.Commit(batch);
  if (!done) Log(Level::kError, "posture.sweep", {{"error", done.error()}});
}

void LivePosture::ApplyExceptions() {
  for (const auto& watched : All()) {
    std::string name;
    {
      std::lock_guard lock(watched->mutex);
      name = watched->name;
    }
    auto active = exceptions_.ActiveFor(watched->id, name);
    if (!active) {
      Log(Level::kError, "posture.exceptions", {{"error", active.error()}});
      ExceptionsChanged();
      return;
    }
    std::lock_guard lock(watched->mutex);
    if (!watched->removed) watched->live.SetExceptions(std::move(*active));
  }
}

// Only the worker writes scores, and forgets clusters.
void LivePosture::WriteScores(Watched& watched) {
  std::unordered_map<std::string, Watched::Judged> judged;
  LiveSummary summary;
  bool summed = false;
  {
    std::lock_guard lock(watched.mutex);
    if (watched.removed) return;
    judged.swap(watched.judged);
    if (watched.scores_changed && !watched.telling &&
        Clock::now() - watched.scores_written > kScoresEvery) {
      summary = watched.live.Summarise();
      watched.scores_changed = false;
      watched.scores_written = Clock::now();
      summed = true;
    }
  }
  auto failed = [&](const Error& error) {
    Log(Level::kError, "posture.scores", {{"error", error}});
    std::lock_guard lock(watched.mutex);
    for (auto& [key, j] : judged) watched.judged.try_emplace(key, std::move(j));
    watched.scores_changed = true;
  };
  const std::string now = FormatTime(NowUs());
  auto next = judged.begin();
  while (next != judged.end()) {
    Arena arena(1 << 16);
    store::Batch batch;
    for (; next != judged.end() && batch.changes().size() < kMaxBatch; ++next) {
      const auto& [key, j] = *next;
      if (j.gone) {
        batch.Delete(kInspected, key);
        continue;
      }
      MapBuilder out(arena);
      out.Add("asset", ToValue(j.asset, arena));
      AddTally(j.tally, out, arena);
      out.Add("severity", Value::String(SeverityName(Worst(j.tally))));
      auto texts = [&](const std::vector<std::string>& of) {
        std::vector<Value> values;
        for (const std::string& text : of) values.push_back(Value::String(text));
        return Value::Array(arena, values);
      };
      out.Add("labels", texts(j.labels)).Add("images", texts(j.images));
      out.Add("workload", Value::Bool(!j.images.empty()));
      out.Add("updatedAt", Value::String(now));
      batch.Put(kInspected, key, ToJson(out.Finish()));
    }
    auto done = services_.state.Commit(batch);
    if (!done) return failed(done.error());
  }
  if (!summed) return;
  auto done = WriteSummary(watched, summary);
  if (!done) {
    judged.clear();
    failed(done.error());
  }
}

Result<> LivePosture::WriteSummary(Watched& watched, const LiveSummary& summary) {
  Arena arena(1 << 16);
  store::Batch batch;
  int64_t now = NowUs();
  const std::string& cluster = watched.id;
  std::string name;
  {
    std::lock_guard lock(watched.mutex);
    name = watched.name;
  }
  MapBuilder out(arena);
  out.Add("cluster", Value::String(cluster)).Add("clusterName", Value::String(name));
  AddTally(summary.total, out, arena);
  auto group = [&](const std::map<std::string, Tally>& by) {
    MapBuilder all(arena);
    for (const auto& [of, tally] : by) all.Add(Value::String(arena, of), TallyValue(tally, arena));
    return all.Finish();
  };
  out.Add("byCategory", group(summary.by_category));
  if (summary.by_namespace.size() > kMaxNamespaces) {
    std::vector<std::pair<std::string, Tally>> worst(summary.by_namespace.begin(),
                                                     summary.by_namespace.end());
    std::nth_element(
        worst.begin(), worst.begin() + kMaxNamespaces, worst.end(),
        [](const auto& a, const auto& b) { return a.second.failed > b.second.failed; });
    worst.resize(kMaxNamespaces);
    out.Add("byNamespace", group({worst.begin(), worst.end()}));
    out.Add("moreNamespaces", Value::Uint(summary.by_namespace.size() - kMaxNamespaces));
  } else {
    out.Add("byNamespace", group(summary.by_namespace));
  }
  MapBuilder checks(arena);
  std::map<std::string, Tally> controls;
  for (size_t i = 0; i < summary.by_check.size(); ++i) {
    if (summary.by_check[i].total() == 0) continue;
    const CheckInfo& info = checks_.checks()[i].info;
    checks.Add(Value::String(info.id), TallyValue(summary.by_check[i], arena));
    for (const auto& [framework, ids] : info.controls) {
      for (const std::string& id : ids) controls[framework + "/" + id].Merge(summary.by_check[i]);
    }
  }
  out.Add("byCheck", checks.Finish()).Add("byControl", group(controls));
  out.Add("judged", Value::Uint(summary.judged));
  out.Add("kubernetes", Value::String(arena, fmt::format("1.{}", watched.minor)));
  out.Add("updatedAt", Value::String(arena, FormatTime(now)));
  batch.Put(kInspections, cluster, ToJson(out.Finish()));

  // The day's point of the trend.
  int64_t midnight = now - now % kDay;
  std::string date = FormatTime(midnight).substr(0, 10);
  std::string key = cluster + "/" + date;
  FindingsBook::Moves moved;
  {
    auto taken = book_.TakeMoves();
    std::lock_guard lock(mutex_);
    for (const auto& [id, m] : taken) {
      moves_[id].opened += m.opened;
      moves_[id].closed += m.closed;
    }
    moved = std::exchange(moves_[cluster], {});
  }
  auto write = [&]() -> Result<> {
    auto before = BW_TRY(services_.state.Get(kTrends, key));
    uint64_t opened = moved.opened, closed = moved.closed;
    if (before) {
      Value old = BW_TRY(ParseJson(before->body, arena));
      opened += static_cast<uint64_t>(old["opened"].ToInt().value_or(0));
      closed += static_cast<uint64_t>(old["closed"].ToInt().value_or(0));
    }
    MapBuilder trend(arena);
    trend.Add("cluster", Value::String(cluster)).Add("date", Value::String(date));
    trend.Add("at", Value::String(arena, FormatTime(midnight)));
    AddTally(summary.total, trend, arena);
    trend.Add("open", Value::Uint(summary.total.failed + summary.total.errors));
    trend.Add("opened", Value::Uint(opened)).Add("closed", Value::Uint(closed));
    batch.Put(kTrends, key, ToJson(trend.Finish()));
    BW_TRY(services_.state.Commit(batch));
    return Ok();
  };
  auto done = write();
  if (done) return Ok();
  std::lock_guard lock(mutex_);
  moves_[cluster].opened += moved.opened;
  moves_[cluster].closed += moved.closed;
  return done;
}

// --- Full inspections ----------------------------------------------------------------------------

Result<Report> LivePosture::Inspect(const std::string& cluster, std::stop_token stop) {
  auto client = BW_TRY(services_.inventory.ClientOf(cluster));
  std::string name = cluster;
  for (const Cluster& c : services_.inventory.Clusters()) {
    if (c.id == cluster) name = c.name;
  }
  Exceptions active = BW_TRY(exceptions_.ActiveFor(cluster, name));
  InspectOptions options;
  options.check.kubernetes_minor = client->minor_version().value_or(kube::kNewestMinor);
  options.check.exceptions = &active;
  options.check.cluster = cluster;
  options.whole_cluster = true;
  options.threads = 1;  // beside the work of the server
  ClusterOptions source;
  source.stop = stop;
  Inspection inspection(checks_, options);
  BW_TRY(AddCluster(inspection, checks_, *client, source, nullptr));
  Report report = inspection.Finish();
  report.tool_version = services_.version;
  report.target = name;
  return report;
}

// One at a time of a cluster.
Result<> LivePosture::Claim(const std::string& cluster) {
  BW_TRY(services_.inventory.ClientOf(cluster));
  std::lock_guard lock(mutex_);
  if (stopped_) return Error(Code::kUnavailable, "posture.stopped", "the server is ending");
  if (!running_.insert(cluster).second) {
    return Error(Code::kExists, "posture.running", "an inspection of that cluster is running");
  }
  return Ok();
}

Result<Report> LivePosture::Run(const std::string& cluster, std::string_view by,
                                std::stop_token stop) {
  BW_TRY(Claim(cluster));
  return RunClaimed(HexEncode(crypto::RandomBytes(8)), cluster, by, stop);
}

void LivePosture::WriteRun(const std::string& key, const std::string& cluster, std::string_view by,
                           const std::string& started, const Result<Report>* report,
                           std::optional<uint64_t> drift) {
  Arena arena;
  MapBuilder out(arena);
  std::string_view state = report == nullptr ? "running" : *report ? "done" : "failed";
  out.Add("id", Value::String(key)).Add("cluster", Value::String(cluster));
  out.Add("by", Value::String(by)).Add("state", Value::String(state));
  out.Add("startedAt", Value::String(started));
  if (report != nullptr) out.Add("finishedAt", Value::String(arena, FormatTime(NowUs())));
  if (report != nullptr && !*report)
    out.Add("error", Value::String(arena, report->error().ToString()));
  if (report != nullptr && *report) {
    const Report& r = **report;
    AddTally(r.total, out, arena);
    out.Add("objects", Value::Uint(r.objects)).Add("findings", Value::Uint(r.findings.size()));
    if (drift) out.Add("drift", Value::Uint(*drift));
    std::vector<Value> unread;
    for (const Unread& u : r.unread) {
      if (unread.size() == 100) break;
      unread.push_back(MapBuilder(arena)
                           .Add("what", Value::String(u.what))
                           .Add("error", Value::String(u.error))
                           .Finish());
    }
    out.Add("unread", Value::Array(arena, unread));
  }
  store::Batch batch;
  batch.Put(kRuns, key, ToJson(out.Finish()));
  auto done = services_.state.Commit(batch);
  if (!done) Log(Level::kError, "posture.run", {{"error", done.error()}});
  services_.api.Tell({.topic = "runs",
                      .permission = "inspections.read",
                      .cluster = cluster,
                      .ns = {},
                      .labels = {},
                      .data = ChangeData("put", key, cluster, "")});
}

// In how many findings what watching has led to differs from a full inspection. What opened,
// changed or closed since that began is no difference. Nothing where there is nothing to compare.
std::optional<uint64_t> LivePosture::DriftOf(const Report& report, const std::string& cluster,
                                             int64_t started_us, std::stop_token stop) {
  std::set<std::string> found;
  for (const Finding& f : report.findings) found.insert(f.id);
  // Watches are a moment behind, and checks between objects run once changes have settled.
  constexpr int kTries = 20;
  std::optional<uint64_t> drift;
  for (int i = 0; i < kTries && drift != 0 && !stop.stop_requested(); ++i) {
    if (i != 0) {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, milliseconds(500), [] { return false; });
    }
    auto watched = Find(cluster);
    if (watched == nullptr) return std::nullopt;
    {
      std::lock_guard lock(watched->mutex);
      if (watched->removed || watched->telling || !watched->Unread().empty()) return std::nullopt;
      if (watched->live.changed()) continue;
    }
    if (!book_.Flush()) return std::nullopt;
    std::set<std::string> missing = found;
    uint64_t differ = 0;
    auto scanned = services_.state.Scan(
        kFindings, store::Query::Exactly("cluster", cluster),
        [&](const store::Record& record) -> Result<> {
          bool in_report = missing.erase(record.key) != 0;
          Arena arena(1 << 12);
          Value body = BW_TRY(ParseJson(record.body, arena, {.borrow_text = true}));
          if (in_report != (body.StringAt("status") == "closed")) return Ok();
          if (ParseTime(body.StringAt("lastSeen")) >= started_us) return Ok();
          // What the report could not read is not gone.
          if (in_report || report.unread.empty()) ++differ;
          return Ok();
        });
    if (!scanned) return std::nullopt;
    drift = differ + missing.size();
  }
  return drift;
}

Result<Report> LivePosture::RunClaimed(const std::string& key, const std::string& cluster,
                                       std::string_view by, std::stop_token stop) {
  std::stop_source ending;
  {
    std::lock_guard lock(mutex_);
    ending = ending_;
  }
  // Whoever ends first.
  std::stop_source either;
  std::stop_callback by_caller(stop, [&] { either.request_stop(); });
  std::stop_callback by_end(ending.get_token(), [&] { either.request_stop(); });

  int64_t started_us = NowUs();
  std::string started = FormatTime(started_us);
  WriteRun(key, cluster, by, started, nullptr, {});
  Result<Report> report = Inspect(cluster, either.get_token());
  std::optional<uint64_t> drift;
  if (report) {
    drift = DriftOf(*report, cluster, started_us, either.get_token());
    drift_.Add(drift.value_or(0));
    if (drift.value_or(0) != 0) {
      Log(Level::kWarn, "posture.drift",
          {{"cluster", cluster}, {"findings", *drift}, {"of", uint64_t{report->findings.size()}}});
    }
  }
  WriteRun(key, cluster, by, started, &report, drift);
  std::lock_guard lock(mutex_);
  running_.erase(cluster);
  return report;
}

Result<std::string> LivePosture::StartRun(const std::string& cluster, std::string_view by) {
  BW_TRY(Claim(cluster));
  std::string key = HexEncode(crypto::RandomBytes(8));
  // Whoever asks for it by its key finds it.
  WriteRun(key, cluster, by, FormatTime(NowUs()), nullptr, {});
  std::lock_guard lock(mutex_);
  if (stopped_) {
    running_.erase(cluster);
    return Error(Code::kUnavailable, "posture.stopped", "the server is ending");
  }
  std::erase_if(runs_, [](const Background& run) { return run.done->load(); });
  auto finished = std::make_shared<std::atomic<bool>>(false);
  runs_.push_back(
      {finished,
       std::jthread([this, key, cluster, finished, who = std::string(by)](std::stop_token stop) {
         auto done = RunClaimed(key, cluster, who, stop);
         if (!done) {
           Log(Level::kWarn, "posture.run", {{"cluster", cluster}, {"error", done.error()}});
         }
         *finished = true;
       })});
  return key;
}

}  // namespace bulwark::posture
