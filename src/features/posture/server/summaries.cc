// How clusters stand, in records: of each workload, of the cluster, and of its days.

#include <fmt/format.h>

#include <algorithm>

#include "base/arena.h"
#include "base/log.h"
#include "base/time.h"
#include "features/posture/server/live_posture_state.h"
#include "features/posture/server/trends.h"
#include "formats/json.h"
#include "model/record.h"

namespace bulwark::posture {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kScoresEvery = std::chrono::milliseconds(2000);
// A record has a limit of size: of more namespaces, those that stand worst.
constexpr size_t kMaxNamespaces = 2000;
constexpr size_t kMaxBatch = 2000;
constexpr int64_t kDay = int64_t{86'400} * 1'000'000;

Value SeverityCounts(const Tally& tally, Arena& arena) {
  MapBuilder out(arena);
  for (Severity s :
       {Severity::kCritical, Severity::kHigh, Severity::kMedium, Severity::kLow, Severity::kInfo}) {
    out.Add(SeverityName(s), Value::Uint(tally.by_severity[static_cast<size_t>(s)]));
  }
  return out.Finish();
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
std::map<std::string, Tally> WorstOf(const std::map<std::string, Tally>& namespaces) {
  if (namespaces.size() <= kMaxNamespaces) return namespaces;
  std::vector<std::pair<std::string, Tally>> worst(namespaces.begin(), namespaces.end());
  std::nth_element(worst.begin(), worst.begin() + kMaxNamespaces, worst.end(),
                   [](const auto& a, const auto& b) { return a.second.failed > b.second.failed; });
  worst.resize(kMaxNamespaces);
  return {worst.begin(), worst.end()};
}

}  // namespace

void AddTally(const Tally& tally, MapBuilder& out, Arena& arena) {
  out.Add("score", Value::Int(tally.Score()));
  out.Add("passed", Value::Uint(tally.passed));
  out.Add("failed", Value::Uint(tally.failed));
  out.Add("errors", Value::Uint(tally.errors));
  out.Add("excepted", Value::Uint(tally.excused));
  out.Add("bySeverity", SeverityCounts(tally, arena));
}

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
  std::map<std::string, Tally> namespaces = WorstOf(summary.by_namespace);
  out.Add("byNamespace", group(namespaces));
  if (namespaces.size() < summary.by_namespace.size()) {
    out.Add("moreNamespaces", Value::Uint(summary.by_namespace.size() - namespaces.size()));
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
  std::string key = cluster + "/" + FormatTime(midnight).substr(0, 10);
  FindingsBook::Moves moved;
  {
    auto taken = book_.TakeMoves();
    std::lock_guard lock(mutex_);
    for (const auto& [id, m] : taken) moves_[id].Add(m);
    moved = std::exchange(moves_[cluster], {});
  }
  auto write = [&]() -> Result<> {
    auto before = BW_TRY(services_.state.Get(kTrends, key));
    Value old;
    if (before) old = BW_TRY(ParseJson(before->body, arena));
    batch.Put(kTrends, key, TrendRecord(cluster, midnight, summary.total, namespaces, moved, old));
    BW_TRY(services_.state.Commit(batch));
    return Ok();
  };
  auto done = write();
  if (done) return Ok();
  std::lock_guard lock(mutex_);
  moves_[cluster].Add(moved);
  return done;
}

}  // namespace bulwark::posture
