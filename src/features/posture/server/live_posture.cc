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

std::string KeyOf(const kube::Resource& resource, std::string_view ns, std::string_view name) {
  return fmt::format("{}/{}/{}/{}", resource.group, resource.kind, ns, name);
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
      .version = 1,
      .columns = {{.name = "cluster", .path = "cluster", .indexed = true},
                  {.name = "ns", .path = "namespace"},
                  {.name = "date", .path = "date", .indexed = true}},
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

// --- One cluster
// ----------------------------------------------------------------------------------

class LivePosture::Watched : private LiveListener {
 public:
  Watched(LivePosture& owner, Cluster of, CheckOptions check)
      : cluster(std::move(of)),
        minor(check.kubernetes_minor),
        owner_(owner),
        live(owner.checks_, {.check = std::move(check)}, *this) {}

  struct Judged {
    Asset asset;
    std::vector<std::string> labels, images;
    Tally tally;
    bool gone = false;
  };

  std::mutex mutex;  // over all but `cluster` and `minor`
  const Cluster cluster;
  const int minor;
  std::unordered_map<std::string, Judged> judged;  // to be written, by asset key
  std::set<std::string> read;                      // kinds that could be read once
  bool telling = true;                             // not all was told yet
  bool synced = false;
  bool scores_changed = false;
  Clock::time_point scores_written{};

 private:
  void OnFinding(FindingChange change, const Finding& finding, const Facts& facts) override {
    owner_.book_.Add(cluster.id, change, finding, facts);
    scores_changed = true;
  }
  void OnJudged(const Asset& asset, const Facts& facts, const Tally& tally) override {
    Judged& j = judged[asset.Key()];
    j = {.asset = asset, .tally = tally};
    for (const Value::Entry& label : facts.labels.entries()) {
      if (label.key.IsString() && label.value.IsString())
        j.labels.push_back(fmt::format("{}={}", label.key.AsString(), label.value.AsString()));
    }
    for (const Value& image : facts.images.items()) j.images.emplace_back(image.AsString());
    scores_changed = true;
  }
  void OnGone(const Asset& asset) override {
    judged[asset.Key()] = {.asset = asset, .gone = true};
    scores_changed = true;
  }

  LivePosture& owner_;

 public:
  LiveInspection live;
};

// --- What the inventory tells
// ---------------------------------------------------------------------

LivePosture::LivePosture(Services& services, const CheckSet& checks)
    : services_(services),
      checks_(checks),
      book_(
          services.state, services.pipeline, checks,
          [this](std::string_view op, const std::string& key, const Asset& asset) {
            std::string data = fmt::format(R"({{"op":"{}","key":)", op);
            AppendJsonString(data, key);
            data += ",\"cluster\":";
            AppendJsonString(data, asset.cluster);
            data += ",\"namespace\":";
            AppendJsonString(data, asset.ns);
            services_.api.Tell({.topic = "findings",
                                .permission = "findings.read",
                                .cluster = asset.cluster,
                                .ns = asset.ns,
                                .data = data + "}"});
          },
          NowUs),
      exceptions_(services.state, services.pipeline, NowUs, [this] { ExceptionsChanged(); }),
      drift_(services.metrics.AddCounter(
          "bulwark_posture_drift_total",
          "Findings in which a full inspection differed from what watching had led to.")) {}

LivePosture::~LivePosture() { Stop(); }

void LivePosture::Start() {
  worker_ = std::jthread([this](std::stop_token stop) { Work(stop); });
}

void LivePosture::Stop() {
  worker_.request_stop();
  wake_.notify_all();
  if (worker_.joinable()) worker_.join();
  std::vector<Background> runs;
  {
    std::lock_guard lock(mutex_);
    runs.swap(runs_);
  }
  for (Background& run : runs) run.thread.request_stop();
}

void LivePosture::ExceptionsChanged() {
  std::lock_guard lock(mutex_);
  exceptions_changed_ = true;
  wake_.notify_all();
}

std::shared_ptr<LivePosture::Watched> LivePosture::Find(const std::string& cluster) const {
  std::lock_guard lock(mutex_);
  auto at = clusters_.find(cluster);
  return at == clusters_.end() ? nullptr : at->second;
}

bool LivePosture::Wants(const kube::Resource& resource) const {
  return ReadsKind(checks_, resource);
}

void LivePosture::OnCluster(const Cluster& cluster, const kube::Client& client) {
  int minor = client.minor_version().value_or(kube::kNewestMinor);
  auto known = Find(cluster.id);
  if (known != nullptr && known->minor == minor) return;  // it is back, as it was
  auto watched = std::make_shared<Watched>(
      *this, cluster, CheckOptions{.kubernetes_minor = minor, .cluster = cluster.id});
  auto active = exceptions_.ActiveFor(cluster.id, cluster.name);
  if (active) watched->live.SetExceptions(std::move(*active));
  book_.Begin(cluster.id);
  {
    std::lock_guard lock(mutex_);
    clusters_[cluster.id] = watched;
  }
  ReadKubelets(
      checks_, client, {},
      [&, n = 0](const std::string& object) mutable {
        std::lock_guard lock(watched->mutex);
        (void)watched->live.Put(fmt::format("kubelet/{}", n++), object);
      },
      [&](const Unread& unread) {
        Log(Level::kDebug, "posture.unread", {{"what", unread.what}, {"error", unread.error}});
      });
}

void LivePosture::OnPut(const Cluster& cluster, const kube::Resource& resource, const Value& object,
                        std::string_view text) {
  if (!Wants(resource)) return;
  auto watched = Find(cluster.id);
  if (watched == nullptr) return;
  kube::Object view(object);
  {
    std::lock_guard lock(watched->mutex);
    watched->read.insert(resource.Name());
    auto put = watched->live.Put(KeyOf(resource, view.ns(), view.name()), text);
    if (!put)
      Log(Level::kWarn, "posture.object", {{"cluster", cluster.name}, {"error", put.error()}});
  }
  // A store that is slow makes the cluster wait rather than memory grow.
  while (book_.pending() > kMaxPending && !worker_.get_stop_token().stop_requested()) {
    std::this_thread::sleep_for(milliseconds(20));
  }
}

void LivePosture::OnDelete(const Cluster& cluster, const kube::Resource& resource,
                           std::string_view ns, std::string_view name) {
  auto watched = Find(cluster.id);
  if (watched == nullptr) return;
  std::lock_guard lock(watched->mutex);
  watched->live.Delete(KeyOf(resource, ns, name));
}

void LivePosture::OnSynced(const Cluster& cluster) {
  auto watched = Find(cluster.id);
  if (watched == nullptr) return;
  std::lock_guard lock(watched->mutex);
  watched->synced = true;
  for (const std::string& kind : watched->read) watched->live.Found(kind);
  wake_.notify_all();
}

void LivePosture::OnUnreadable(const Cluster& cluster, const kube::Resource& resource,
                               std::string_view, const Error&) {
  auto watched = Find(cluster.id);
  if (watched == nullptr || !MattersForCompleteness(checks_, resource)) return;
  std::lock_guard lock(watched->mutex);
  watched->live.Lost(resource.Name(), watched->read.contains(resource.Name()));
}

void LivePosture::OnRemoved(const Cluster& cluster) {
  {
    std::lock_guard lock(mutex_);
    clusters_.erase(cluster.id);
  }
  book_.Forget(cluster.id);
  store::Batch batch;
  batch.Delete(kInspections, cluster.id);
  batch.DeleteWhere(kInspected, store::Query::Equals("cluster", cluster.id));
  auto done = services_.state.Commit(batch);
  if (!done)
    Log(Level::kError, "posture.forget", {{"cluster", cluster.name}, {"error", done.error()}});
}

// --- The worker
// -----------------------------------------------------------------------------------

void LivePosture::Work(std::stop_token stop) {
  Clock::time_point expiry_checked{};
  while (!stop.stop_requested()) {
    std::vector<std::shared_ptr<Watched>> all;
    bool exceptions_changed;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, kFlushEvery, [] { return false; });
      for (const auto& [id, watched] : clusters_) all.push_back(watched);
      exceptions_changed = std::exchange(exceptions_changed_, false);
    }
    if (Clock::now() - expiry_checked > std::chrono::seconds(30)) {
      expiry_checked = Clock::now();
      auto expired = exceptions_.Expire();
      if (!expired) Log(Level::kError, "posture.expire", {{"error", expired.error()}});
    }
    if (exceptions_changed) ApplyExceptions();
    for (const auto& watched : all) {
      {
        std::lock_guard lock(watched->mutex);
        if (watched->synced && watched->live.SettleAt() <= Clock::now()) {
          watched->live.Settle();
          if (std::exchange(watched->telling, false)) book_.Complete(watched->cluster.id);
        }
      }
      WriteScores(*watched);
    }
    auto flushed = book_.Flush();
    if (!flushed) Log(Level::kError, "posture.write", {{"error", flushed.error()}});
  }
  auto flushed = book_.Flush();
  if (!flushed) Log(Level::kError, "posture.write", {{"error", flushed.error()}});
}

void LivePosture::ApplyExceptions() {
  std::vector<std::shared_ptr<Watched>> all;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, watched] : clusters_) all.push_back(watched);
  }
  for (const auto& watched : all) {
    auto active = exceptions_.ActiveFor(watched->cluster.id, watched->cluster.name);
    if (!active) {
      Log(Level::kError, "posture.exceptions", {{"error", active.error()}});
      std::lock_guard lock(mutex_);
      exceptions_changed_ = true;
      return;
    }
    std::lock_guard lock(watched->mutex);
    watched->live.SetExceptions(std::move(*active));
  }
}

void LivePosture::WriteScores(Watched& watched) {
  std::unordered_map<std::string, Watched::Judged> judged;
  LiveSummary summary;
  bool summed = false;
  {
    std::lock_guard lock(watched.mutex);
    judged.swap(watched.judged);
    if (watched.scores_changed && !watched.telling &&
        Clock::now() - watched.scores_written > kScoresEvery) {
      summary = watched.live.Summarise();
      watched.scores_changed = false;
      watched.scores_written = Clock::now();
      summed = true;
    }
  }
  if (judged.empty() && !summed) return;
  Arena arena(1 << 16);
  store::Batch batch;
  int64_t now = NowUs();
  for (const auto& [key, j] : judged) {
    if (j.gone) {
      batch.Delete(kInspected, key);
      continue;
    }
    MapBuilder out(arena);
    out.Add("asset", ToValue(j.asset, arena));
    AddTally(j.tally, out, arena);
    out.Add("severity", Value::String(SeverityName(Worst(j.tally))));
    std::vector<Value> labels, images;
    for (const std::string& label : j.labels) labels.push_back(Value::String(arena, label));
    for (const std::string& image : j.images) images.push_back(Value::String(arena, image));
    out.Add("labels", Value::Array(arena, labels));
    out.Add("images", Value::Array(arena, images));
    out.Add("workload", Value::Bool(!images.empty()));
    out.Add("updatedAt", Value::String(arena, FormatTime(now)));
    batch.Put(kInspected, key, ToJson(out.Finish()));
  }
  if (summed) {
    const std::string& cluster = watched.cluster.id;
    MapBuilder out(arena);
    out.Add("cluster", Value::String(arena, cluster));
    out.Add("clusterName", Value::String(arena, watched.cluster.name));
    AddTally(summary.total, out, arena);
    auto group = [&](const std::map<std::string, Tally>& by) {
      MapBuilder all(arena);
      for (const auto& [name, tally] : by)
        all.Add(Value::String(arena, name), TallyValue(tally, arena));
      return all.Finish();
    };
    out.Add("byCategory", group(summary.by_category));
    out.Add("byNamespace", group(summary.by_namespace));
    MapBuilder checks(arena);
    std::map<std::string, Tally> controls;
    for (size_t i = 0; i < summary.by_check.size(); ++i) {
      if (summary.by_check[i].total() == 0) continue;
      const CheckInfo& info = checks_.checks()[i].info;
      checks.Add(Value::String(arena, info.id), TallyValue(summary.by_check[i], arena));
      for (const auto& [framework, ids] : info.controls) {
        for (const std::string& id : ids) controls[framework + "/" + id].Merge(summary.by_check[i]);
      }
    }
    out.Add("byCheck", checks.Finish());
    out.Add("byControl", group(controls));
    out.Add("judged", Value::Uint(summary.judged));
    out.Add("kubernetes", Value::String(arena, fmt::format("1.{}", watched.minor)));
    out.Add("updatedAt", Value::String(arena, FormatTime(now)));
    batch.Put(kInspections, cluster, ToJson(out.Finish()));

    // The day's point of the trend.
    std::string date = FormatTime(now - now % kDay).substr(0, 10);
    std::string key = cluster + "/" + date;
    FindingsBook::Moves moved;
    {
      std::lock_guard lock(mutex_);
      for (const auto& [id, m] : book_.TakeMoves()) {
        moves_[id].opened += m.opened;
        moves_[id].closed += m.closed;
      }
      moved = std::exchange(moves_[cluster], {});
    }
    auto before = services_.state.Get(kTrends, key);
    if (before && before->has_value()) {
      auto old = ParseJson(arena.Copy((**before).body), arena, {.borrow_text = true});
      if (old) {
        moved.opened += static_cast<uint64_t>((*old)["opened"].ToInt().value_or(0));
        moved.closed += static_cast<uint64_t>((*old)["closed"].ToInt().value_or(0));
      }
    }
    MapBuilder trend(arena);
    trend.Add("cluster", Value::String(arena, cluster));
    trend.Add("date", Value::String(arena, date));
    AddTally(summary.total, trend, arena);
    trend.Add("open", Value::Uint(summary.total.failed + summary.total.errors));
    trend.Add("opened", Value::Uint(moved.opened)).Add("closed", Value::Uint(moved.closed));
    batch.Put(kTrends, key, ToJson(trend.Finish()));
  }
  auto done = services_.state.Commit(batch);
  if (done) return;
  Log(Level::kError, "posture.scores", {{"error", done.error()}});
  std::lock_guard lock(watched.mutex);
  for (auto& [key, j] : judged) watched.judged.try_emplace(key, std::move(j));
  watched.scores_changed = true;
}

// --- Full inspections
// -----------------------------------------------------------------------------

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

Result<Report> LivePosture::Run(const std::string& cluster, std::string_view by,
                                std::stop_token stop) {
  return RunAs(HexEncode(crypto::RandomBytes(8)), cluster, by, stop);
}

Result<Report> LivePosture::RunAs(const std::string& key, const std::string& cluster,
                                  std::string_view by, std::stop_token stop) {
  {
    std::lock_guard lock(mutex_);
    if (!running_.insert(cluster).second) {
      return Error(Code::kExists, "posture.running", "an inspection of that cluster is running");
    }
  }
  std::string started = FormatTime(NowUs());
  auto write = [&](std::string_view state, const Report* report, const std::string& error,
                   uint64_t drift) {
    Arena arena;
    MapBuilder out(arena);
    out.Add("id", Value::String(key)).Add("cluster", Value::String(cluster));
    out.Add("by", Value::String(by)).Add("state", Value::String(state));
    out.Add("startedAt", Value::String(started));
    if (state != "running") out.Add("finishedAt", Value::String(arena, FormatTime(NowUs())));
    if (!error.empty()) out.Add("error", Value::String(error));
    if (report != nullptr) {
      AddTally(report->total, out, arena);
      out.Add("objects", Value::Uint(report->objects));
      out.Add("findings", Value::Uint(report->findings.size()));
      out.Add("drift", Value::Uint(drift));
      std::vector<Value> unread;
      for (const Unread& u : report->unread) {
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
    std::string data = R"({"op":"put","key":)";
    AppendJsonString(data, key);
    data += ",\"cluster\":";
    AppendJsonString(data, cluster);
    services_.api.Tell({.topic = "runs",
                        .permission = "inspections.read",
                        .cluster = cluster,
                        .data = data + "}"});
  };
  write("running", nullptr, "", 0);
  auto report = Inspect(cluster, stop);
  uint64_t drift = 0;
  if (report) {
    // What watching has led to, once it has settled.
    std::set<std::string> found, kept;
    for (const Finding& f : report->findings) found.insert(f.id);
    auto flushed = book_.Flush();
    auto scanned = services_.state.Scan(
        kFindings,
        store::Query::And({store::Query::Equals("cluster", cluster),
                           store::Query::AnyOf("status", {"open", "excepted"})}),
        [&](const store::Record& record) -> Result<> {
          kept.insert(record.key);
          return Ok();
        });
    if (flushed && scanned) {
      for (const std::string& id : found) drift += kept.contains(id) ? 0 : 1;
      for (const std::string& id : kept) drift += found.contains(id) ? 0 : 1;
    }
    drift_.Add(drift);
    if (drift != 0) {
      Log(Level::kWarn, "posture.drift",
          {{"cluster", cluster}, {"findings", drift}, {"of", uint64_t{found.size()}}});
    }
  }
  write(report ? "done" : "failed", report ? &*report : nullptr,
        report ? "" : report.error().ToString(), drift);
  std::lock_guard lock(mutex_);
  running_.erase(cluster);
  return report;
}

Result<std::string> LivePosture::StartRun(const std::string& cluster, std::string_view by) {
  BW_TRY(services_.inventory.ClientOf(cluster));
  std::string key = HexEncode(crypto::RandomBytes(8));
  std::lock_guard lock(mutex_);
  if (running_.contains(cluster)) {
    return Error(Code::kExists, "posture.running", "an inspection of that cluster is running");
  }
  std::erase_if(runs_, [](const Background& run) { return run.done->load(); });
  auto finished = std::make_shared<std::atomic<bool>>(false);
  runs_.push_back(
      {finished,
       std::jthread([this, key, cluster, finished, who = std::string(by)](std::stop_token stop) {
         auto done = RunAs(key, cluster, who, stop);
         if (!done) {
           Log(Level::kWarn, "posture.run", {{"cluster", cluster}, {"error", done.error()}});
         }
         *finished = true;
       })});
  return key;
}

}  // namespace bulwark::posture
