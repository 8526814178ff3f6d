#pragma once

// The days of clusters and of their namespaces: a record of the collection "trends" for each
// cluster and day (UTC), written anew as the day goes on:
//   {cluster, date: "2026-01-31", at, score, passed, failed, errors, excepted, bySeverity, open,
//    opened, closed,
//    namespaces: {name: [score, open, critical, high, medium, low, info, opened, closed]}}
// What is in no namespace stands under "". Thread-safe.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "features/posture/server/findings_book.h"
#include "model/report.h"
#include "platform/api/access.h"
#include "platform/store/state_store.h"

namespace bulwark::posture {

inline constexpr std::string_view kTrends = "trends";
const store::Collection& TrendsCollection();

// The record of a day: how things stand now, with what `before` (the record until now, or null) and
// `moved` say of what opened and closed.
std::string TrendRecord(const std::string& cluster, int64_t midnight_us, const Tally& total,
                        const std::map<std::string, Tally>& namespaces,
                        const FindingsBook::Moves& moved, const Value& before);

struct TrendQuery {
  std::string cluster, ns;  // "": all
  int64_t days = 30;
};
// The points of days, the oldest first: {date, score, open, opened, closed, bySeverity}, of what
// the principal may see (inspections.read). Several clusters are added up; their score is the mean.
Result<std::vector<Value>> TrendPoints(store::StateStore& state, const api::Principal& principal,
                                       const TrendQuery& query, int64_t now_us, Arena& arena);

}  // namespace bulwark::posture
