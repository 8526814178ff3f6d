// What others judge (an agent its node): findings beside those of the inspection, excepted by the
// same exceptions. They are no part of a cluster's score.

#include <map>
#include <set>

#include "base/arena.h"
#include "base/log.h"
#include "features/posture/server/live_posture_state.h"
#include "formats/json.h"
#include "model/record.h"

namespace bulwark::posture {

namespace {

constexpr std::string_view kExcepted = "excepted";

std::vector<std::string> Ids(const std::vector<CheckInfo>& checks) {
  std::vector<std::string> out;
  for (const CheckInfo& check : checks) out.push_back(check.id);
  return out;
}

}  // namespace

Result<> LivePosture::TakeOthers(const Asset& asset, std::span<const OtherAssessment> judged) {
  Exceptions active = BW_TRY(exceptions_.ActiveFor(asset.cluster, NameOf(asset.cluster)));
  for (const OtherAssessment& j : judged) {
    const CheckInfo* check = known_.FindOther(j.check);
    if (check == nullptr) continue;
    Finding f;
    f.id = FindingId(check->id, asset.Key(), "");
    f.check = check->id;
    f.severity = check->severity;
    f.asset = asset;
    f.evidence.path = j.path;
    f.evidence.value = j.value;
    if (j.status != Status::kFail && j.status != Status::kError) {
      book_.Add(asset.cluster, FindingChange::kClosed, f, {});
      continue;
    }
    f.status = j.status;
    if (j.status == Status::kError) {
      f.args.emplace_back("error", j.error);
    } else {
      f.excused = active.Find(check->id, asset, Value::EmptyMap(), "", {});
    }
    book_.Add(asset.cluster, f.excused ? FindingChange::kExcepted : FindingChange::kOpened, f, {});
  }
  return Ok();
}

// Exceptions came, went or changed.
Result<> LivePosture::ExceptOthers() {
  if (known_.others().empty()) return Ok();
  std::map<std::string, Exceptions> by_cluster;
  return services_.state.Scan(
      kFindings,
      store::Query::And({store::Query::AnyOf("check", Ids(known_.others())),
                         store::Query::AnyOf("status", {"open", std::string(kExcepted)})}),
      [&](const store::Record& record) -> Result<> {
        Arena arena(1 << 12);
        Value body = BW_TRY(ParseJson(record.body, arena, {.borrow_text = true}));
        if (body.StringAt("state") != StatusName(Status::kFail)) return Ok();
        Finding f;
        f.id = record.key;
        f.check = body.StringAt("check");
        f.asset = AssetOf(body["asset"]);
        f.severity = ParseSeverity(body.StringAt("severity")).value_or(Severity::kUnknown);
        f.evidence.path = body.StringAt("path");
        auto active = by_cluster.find(f.asset.cluster);
        if (active == by_cluster.end()) {
          active =
              by_cluster
                  .emplace(f.asset.cluster,
                           BW_TRY(exceptions_.ActiveFor(f.asset.cluster, NameOf(f.asset.cluster))))
                  .first;
        }
        f.excused = active->second.Find(f.check, f.asset, Value::EmptyMap(), "", {});
        const Value was = body["exception"];
        bool excepted = body.StringAt("status") == kExcepted;
        bool same = excepted == f.excused.has_value() &&
                    (!excepted || (was.StringAt("id") == f.excused->id &&
                                   was.StringAt("reason") == f.excused->reason &&
                                   was.StringAt("expires") == f.excused->expires));
        if (!same) book_.Add(f.asset.cluster, FindingChange::kExcused, f, {});
        return Ok();
      });
}

std::string LivePosture::NameOf(const std::string& cluster) const {
  for (const Cluster& c : services_.inventory.Clusters()) {
    if (c.id == cluster) return c.name;
  }
  return cluster;
}

}  // namespace bulwark::posture
