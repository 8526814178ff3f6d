#include "features/posture/server/trends.h"

#include <algorithm>
#include <array>
#include <set>

#include "features/posture/server/live_posture_state.h"
#include "formats/json.h"
#include "model/record.h"

namespace bulwark::posture {

namespace {

constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;
// A record has a limit of size.
constexpr size_t kMaxNamespaces = 4000;
constexpr std::array kShown = {Severity::kCritical, Severity::kHigh, Severity::kMedium,
                               Severity::kLow, Severity::kInfo};
// Where things stand in a namespace's list.
constexpr size_t kScore = 0, kOpen = 1, kSeverities0 = 2, kOpened = 7, kClosed = 8;

uint64_t NumberAt(const Value& list, size_t index) {
  return static_cast<uint64_t>(list[index].ToInt().value_or(0));
}

// The sums of a day.
struct Day {
  int64_t scores = 0, scored = 0;
  uint64_t open = 0, opened = 0, closed = 0;
  std::array<uint64_t, kShown.size()> by_severity{};

  void AddNamespace(const Value& list) {
    open += NumberAt(list, kOpen);
    opened += NumberAt(list, kOpened);
    closed += NumberAt(list, kClosed);
    for (size_t i = 0; i < kShown.size(); ++i) by_severity[i] += NumberAt(list, kSeverities0 + i);
  }
  void AddCluster(const Value& record) {
    auto number = [](const Value& v) { return static_cast<uint64_t>(v.ToInt().value_or(0)); };
    open += number(record["open"]);
    opened += number(record["opened"]);
    closed += number(record["closed"]);
    for (size_t i = 0; i < kShown.size(); ++i) {
      by_severity[i] += number(record["bySeverity"][SeverityName(kShown[i])]);
    }
  }
  void AddScore(int64_t score) {
    scores += score;
    ++scored;
  }
};

}  // namespace

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

std::string TrendRecord(const std::string& cluster, int64_t midnight_us, const Tally& total,
                        const std::map<std::string, Tally>& namespaces,
                        const FindingsBook::Moves& moved, const Value& before) {
  Arena arena(1 << 14);
  std::string at = FormatTime(midnight_us);
  MapBuilder out(arena);
  out.Add("cluster", Value::String(cluster)).Add("date", Value::String(arena, at.substr(0, 10)));
  out.Add("at", Value::String(at));
  AddTally(total, out, arena);
  auto was = [](const Value& v) { return static_cast<uint64_t>(v.ToInt().value_or(0)); };
  out.Add("open", Value::Uint(total.failed + total.errors));
  out.Add("opened", Value::Uint(was(before["opened"]) + moved.all.opened));
  out.Add("closed", Value::Uint(was(before["closed"]) + moved.all.closed));

  // Also those that are empty by now, where anything opened or closed in them today.
  std::set<std::string> names;
  for (const auto& [ns, tally] : namespaces) names.insert(ns);
  for (const auto& [ns, of] : moved.by_namespace) names.insert(ns);
  const Value old = before["namespaces"];
  for (const Value::Entry& entry : old.entries()) {
    if (NumberAt(entry.value, kOpened) + NumberAt(entry.value, kClosed) != 0)
      names.emplace(entry.key.AsString());
  }
  MapBuilder all(arena);
  for (const std::string& ns : names) {
    if (all.size() == kMaxNamespaces) break;
    static const Tally kNothing;
    auto now = namespaces.find(ns);
    const Tally& tally = now == namespaces.end() ? kNothing : now->second;
    FindingsBook::Moved moves;
    if (auto of = moved.by_namespace.find(ns); of != moved.by_namespace.end()) moves = of->second;
    const Value earlier = old[ns];
    std::vector<Value> list(9);
    list[kScore] = Value::Int(tally.Score());
    list[kOpen] = Value::Uint(tally.failed + tally.errors);
    for (size_t i = 0; i < kShown.size(); ++i) {
      list[kSeverities0 + i] = Value::Uint(tally.by_severity[static_cast<size_t>(kShown[i])]);
    }
    list[kOpened] = Value::Uint(NumberAt(earlier, kOpened) + moves.opened);
    list[kClosed] = Value::Uint(NumberAt(earlier, kClosed) + moves.closed);
    all.Add(Value::String(arena, ns), Value::Array(arena, list));
  }
  out.Add("namespaces", all.Finish());
  return ToJson(out.Finish());
}

Result<std::vector<Value>> TrendPoints(store::StateStore& state, const api::Principal& principal,
                                       const TrendQuery& query, int64_t now_us, Arena& arena) {
  std::string since = FormatTime(now_us - (query.days - 1) * kDayUs).substr(0, 10);
  std::map<std::string, Day> by_date;
  auto filter =
      query.cluster.empty() ? store::Query::All() : store::Query::Exactly("cluster", query.cluster);
  BW_TRY(state.Scan(kTrends, filter, [&](const store::Record& record) -> Result<> {
    Arena scratch(1 << 14);
    Value body = BW_TRY(ParseJson(record.body, scratch, {.borrow_text = true}));
    std::string date(body.StringAt("date"));
    std::string_view cluster = body.StringAt("cluster");
    if (date < since) return Ok();
    auto may = [&](std::string_view ns) { return principal.May("inspections.read", cluster, ns); };
    if (query.ns.empty() && may("")) {
      Day& day = by_date[date];
      day.AddCluster(body);
      day.AddScore(body["score"].ToInt().value_or(0));
      return Ok();
    }
    int64_t scores = 0, seen = 0;
    const Value namespaces = body["namespaces"];
    for (const Value::Entry& entry : namespaces.entries()) {
      std::string_view ns = entry.key.AsString();
      if ((!query.ns.empty() && ns != query.ns) || !may(ns)) continue;
      by_date[date].AddNamespace(entry.value);
      scores += static_cast<int64_t>(NumberAt(entry.value, kScore));
      ++seen;
    }
    if (seen != 0) by_date[date].AddScore(scores / seen);
    return Ok();
  }));
  std::vector<Value> points;
  for (const auto& [date, day] : by_date) {
    MapBuilder severities(arena);
    for (size_t i = 0; i < kShown.size(); ++i) {
      severities.Add(SeverityName(kShown[i]), Value::Uint(day.by_severity[i]));
    }
    points.push_back(MapBuilder(arena)
                         .Add("date", Value::String(arena, date))
                         .Add("score", Value::Int(day.scores / std::max<int64_t>(day.scored, 1)))
                         .Add("open", Value::Uint(day.open))
                         .Add("opened", Value::Uint(day.opened))
                         .Add("closed", Value::Uint(day.closed))
                         .Add("bySeverity", severities.Finish())
                         .Finish());
  }
  return points;
}

}  // namespace bulwark::posture
