#include "features/posture/server/live_posture.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/arena.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "crypto/random.h"
#include "features/posture/cluster_source.h"
#include "features/posture/inspection.h"
#include "features/posture/server/live_posture_state.h"
#include "formats/json.h"
#include "kube/object.h"
#include "model/record.h"
#include "platform/api/api.h"

namespace bulwark::posture {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kFlushEvery = milliseconds(150);
constexpr int64_t kDay = int64_t{86'400} * 1'000'000;
// How many findings may wait to be written before the cluster's thread waits, too.
constexpr size_t kMaxPending = 50'000;
constexpr auto kExpireEvery = std::chrono::seconds(2);
constexpr auto kSweepEvery = std::chrono::hours(1);
constexpr auto kKubeletsEvery = std::chrono::hours(1);
constexpr auto kNewNodeWait = std::chrono::seconds(10);
// What is over is kept for so many days.
constexpr int64_t kKeepClosed = 90, kKeepRuns = 90, kKeepTrends = 400;

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

}  // namespace

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

// --- What the inventory tells --------------------------------------------------------------------

LivePosture::LivePosture(Services& services, const CheckSet& checks, std::vector<CheckInfo> others)
    : services_(services),
      checks_(checks),
      known_(checks, std::move(others)),
      book_(
          services.state, services.pipeline, known_,
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
    // What others judge may be of machines that are in none of them.
    std::vector<std::string> others;
    for (const CheckInfo& check : known_.others()) others.push_back(check.id);
    for (const store::Group& group : BW_TRY(services_.state.GroupBy(
             kFindings,
             store::Query::And({store::Query::AnyOf("status", {"open", "excepted"}),
                                store::Query::Not(store::Query::AnyOf("check", others))}),
             {"cluster"}))) {
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
  worker_ = std::jthread([this](const std::stop_token& stop) { Work(stop); });
  asker_ = std::jthread([this](const std::stop_token& stop) { Ask(stop); });
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
  for (std::jthread* thread : {&asker_, &worker_}) {
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

// --- What is asked for ---------------------------------------------------------------------------

void LivePosture::Ask(const std::stop_token& stop) {
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
      ReadOrphansOf(*watched, stop);
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, milliseconds(500), [] { return false; });
  }
}

// Pods and the like whose owner has gone without them.
void LivePosture::ReadOrphansOf(Watched& watched, const std::stop_token& stop) {
  std::set<std::string> keys;
  {
    std::lock_guard lock(watched.mutex);
    keys.swap(watched.orphans);
  }
  for (const std::string& key : keys) {
    if (stop.stop_requested()) return;
    auto parts = Split(key, '/');
    if (parts.size() < 4) continue;
    Asset asset{
        .cluster = watched.id,
        .group = std::string(parts[0]),
        .kind = std::string(parts[1]),
        .ns = std::string(parts[2]),
        .name = std::string(key.substr(parts[0].size() + parts[1].size() + parts[2].size() + 3))};
    auto object = services_.inventory.Object(asset);
    // Gone with its owner, a moment later; or it will be told of anew.
    if (!object) continue;
    std::lock_guard lock(watched.mutex);
    if (watched.removed) return;
    auto put = watched.live.Put(key, *object);
    if (!put) Log(Level::kWarn, "posture.object", {{"error", put.error()}});
  }
}

void LivePosture::ReadKubeletsOf(Watched& watched, const std::stop_token& stop) {
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

void LivePosture::Work(const std::stop_token& stop) {
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
  auto others = ExceptOthers();
  if (others) return;
  Log(Level::kError, "posture.exceptions", {{"error", others.error()}});
  ExceptionsChanged();
}

}  // namespace bulwark::posture
