// Full inspections: what a person or a schedule asks for, and how far watching was from it.

#include <set>

#include "base/arena.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/random.h"
#include "features/posture/cluster_source.h"
#include "features/posture/inspection.h"
#include "features/posture/server/live_posture_state.h"
#include "formats/json.h"
#include "model/record.h"
#include "platform/api/api.h"

namespace bulwark::posture {

using std::chrono::milliseconds;

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

Result<Report> LivePosture::Inspect(const std::string& cluster, const std::stop_token& stop) {
  auto client = BW_TRY(services_.inventory.ClientOf(cluster));
  std::string name = NameOf(cluster);
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
                                const std::stop_token& stop) {
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
                                             int64_t started_us, const std::stop_token& stop) {
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
          if (known_.FindOther(body.StringAt("check")) != nullptr) return Ok();
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
                                       std::string_view by, const std::stop_token& stop) {
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
  runs_.push_back({finished, std::jthread([this, key, cluster, finished,
                                           who = std::string(by)](const std::stop_token& stop) {
                     auto done = RunClaimed(key, cluster, who, stop);
                     if (!done) {
                       Log(Level::kWarn, "posture.run",
                           {{"cluster", cluster}, {"error", done.error()}});
                     }
                     *finished = true;
                   })});
  return key;
}

}  // namespace bulwark::posture
