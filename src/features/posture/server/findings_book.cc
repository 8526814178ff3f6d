#include "features/posture/server/findings_book.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/arena.h"
#include "formats/json.h"
#include "model/record.h"

namespace bulwark::posture {

namespace {

// Records of one transaction.
constexpr size_t kBatch = 1000;

constexpr std::string_view kOpen = "open", kExceptedStatus = "excepted", kClosedStatus = "closed";

Value Texts(const std::vector<std::string>& texts, Arena& arena) {
  std::vector<Value> values;
  values.reserve(texts.size());
  for (const std::string& text : texts) values.push_back(Value::String(arena, text));
  return Value::Array(arena, values);
}

std::vector<std::string> Pairs(const Value& map) {
  std::vector<std::string> out;
  for (const Value::Entry& entry : map.entries()) {
    if (entry.key.IsString() && entry.value.IsString())
      out.push_back(fmt::format("{}={}", entry.key.AsString(), entry.value.AsString()));
  }
  return out;
}

}  // namespace

const store::Collection& FindingsCollection() {
  using store::ColumnType;
  static const store::Collection collection{
      .name = std::string(kFindings),
      .version = 1,
      .columns =
          {
              {.name = "check", .path = "check", .indexed = true, .full_text = true},
              {.name = "category", .path = "category"},
              {.name = "severity",
               .path = "severity",
               .type = ColumnType::kSeverity,
               .indexed = true},
              {.name = "status", .path = "status", .indexed = true},
              {.name = "state", .path = "state"},
              {.name = "cluster", .path = "asset.cluster", .indexed = true},
              {.name = "group", .path = "asset.group"},
              {.name = "kind", .path = "asset.kind"},
              {.name = "ns", .path = "asset.namespace", .indexed = true, .aliases = {"namespace"}},
              {.name = "name", .path = "asset.name", .indexed = true, .full_text = true},
              {.name = "workload", .path = "workload", .indexed = true},
              {.name = "container", .path = "container"},
              {.name = "path", .path = "path"},
              {.name = "value", .path = "value", .full_text = true},
              {.name = "label", .path = "labels"},
              {.name = "image", .path = "images", .full_text = true},
              {.name = "control", .path = "controls"},
              {.name = "exception", .path = "exception.id"},
              {.name = "fixable", .path = "fixable", .type = ColumnType::kBool},
              {.name = "reopened", .path = "reopened", .type = ColumnType::kInt},
              {.name = "first",
               .path = "firstSeen",
               .type = ColumnType::kTime,
               .indexed = true,
               .aliases = {"firstSeen", "time"}},
              {.name = "last",
               .path = "lastSeen",
               .type = ColumnType::kTime,
               .aliases = {"lastSeen"}},
              {.name = "closed",
               .path = "closedAt",
               .type = ColumnType::kTime,
               .indexed = true,
               .aliases = {"closedAt"}},
          },
      .default_sort = "-severity,-first"};
  return collection;
}

FindingsBook::FindingsBook(store::StateStore& state, Pipeline& pipeline, const CheckSet& checks,
                           Tell tell, std::function<int64_t()> now_us)
    : state_(state),
      pipeline_(pipeline),
      checks_(checks),
      tell_(std::move(tell)),
      now_us_(std::move(now_us)) {}

void FindingsBook::Begin(const std::string& cluster) {
  std::lock_guard lock(mutex_);
  starting_[cluster].clear();
  complete_.erase(cluster);
  forgotten_.erase(cluster);
}

void FindingsBook::Add(const std::string& cluster, FindingChange change, const Finding& finding,
                       const Facts& facts) {
  Pending pending{.cluster = cluster, .change = change, .finding = finding};
  pending.labels = Pairs(facts.labels);
  for (const Value& image : facts.images.items()) pending.images.emplace_back(image.AsString());
  std::lock_guard lock(mutex_);
  if (auto starting = starting_.find(cluster); starting != starting_.end()) {
    pending.first = true;
    if (change == FindingChange::kClosed) {
      starting->second.erase(finding.id);
    } else {
      starting->second.insert(finding.id);
    }
  }
  auto [at, added] = at_.try_emplace(finding.id, pending_.size());
  if (added) {
    pending_.push_back(std::move(pending));
    return;
  }
  // Told again before it was written: what counts is the latest. A mere change keeps what came
  // before it: it may still be new.
  Pending& earlier = pending_[at->second];
  if (change == FindingChange::kChanged && earlier.change != FindingChange::kClosed) {
    pending.change = earlier.change;
  }
  pending.first = pending.first || earlier.first;
  earlier = std::move(pending);
}

void FindingsBook::Complete(const std::string& cluster) {
  std::lock_guard lock(mutex_);
  auto starting = starting_.find(cluster);
  if (starting == starting_.end()) return;
  complete_[cluster] = std::move(starting->second);
  starting_.erase(starting);
}

void FindingsBook::Forget(const std::string& cluster) {
  std::lock_guard lock(mutex_);
  starting_.erase(cluster);
  complete_.erase(cluster);
  forgotten_.insert(cluster);
}

size_t FindingsBook::pending() const {
  std::lock_guard lock(mutex_);
  return pending_.size();
}

std::map<std::string, FindingsBook::Moves> FindingsBook::TakeMoves() {
  std::lock_guard lock(mutex_);
  return std::exchange(moves_, {});
}

Result<> FindingsBook::Flush() {
  std::lock_guard writing(writing_);
  std::vector<Pending> changes;
  decltype(complete_) complete;
  decltype(forgotten_) forgotten;
  {
    std::lock_guard lock(mutex_);
    changes.swap(pending_);
    at_.clear();
    complete.swap(complete_);
    forgotten.swap(forgotten_);
  }
  size_t written = 0;
  auto fail = [&](Error error) -> Result<> {
    // What was not written goes first, unless something newer was told of it meanwhile.
    std::lock_guard lock(mutex_);
    for (size_t i = written; i < changes.size(); ++i) {
      if (at_.try_emplace(changes[i].finding.id, pending_.size()).second)
        pending_.push_back(std::move(changes[i]));
    }
    for (auto& [cluster, seen] : complete) {
      if (!starting_.contains(cluster)) complete_.try_emplace(cluster, std::move(seen));
    }
    forgotten_.insert(forgotten.begin(), forgotten.end());
    return error;
  };
  for (; written < changes.size(); written += kBatch) {
    size_t end = std::min(written + kBatch, changes.size());
    std::vector<Pending> part(changes.begin() + static_cast<ptrdiff_t>(written),
                              changes.begin() + static_cast<ptrdiff_t>(end));
    auto done = Write(part);
    if (!done) return fail(std::move(done).error());
  }
  for (const auto& [cluster, seen] : complete) {
    auto closed = CloseOthers(cluster, &seen);
    if (!closed) return fail(std::move(closed).error());
  }
  for (const std::string& cluster : forgotten) {
    auto closed = CloseOthers(cluster, nullptr);
    if (!closed) return fail(std::move(closed).error());
  }
  return Ok();
}

Result<> FindingsBook::Write(const std::vector<Pending>& changes) {
  Arena arena(1 << 16);
  store::Batch batch;
  std::vector<Event> events;
  std::vector<const Pending*> told;
  std::map<std::string, Moves> moves;
  int64_t now = now_us_();
  Value now_text = Value::String(arena, FormatTime(now));
  for (const Pending& p : changes) {
    const Finding& f = p.finding;
    auto record = BW_TRY(state_.Get(kFindings, f.id));
    Value old;
    if (record) old = BW_TRY(ParseJson(arena.Copy(record->body), arena, {.borrow_text = true}));
    std::string_view was = old.StringAt("status");
    bool closing = p.change == FindingChange::kClosed;
    if (closing && (was.empty() || was == kClosedStatus)) continue;

    std::string_view status = closing ? kClosedStatus : f.excused ? kExceptedStatus : kOpen;
    const Check* check = checks_.Find(f.check);
    MapBuilder out(arena);
    if (closing) {
      for (const Value::Entry& entry : old.entries()) {
        if (entry.key.AsString() != "exception") out.Add(entry.key, entry.value);
      }
    } else {
      out.Add("id", Value::String(arena, f.id));
      out.Add("check", Value::String(arena, f.check));
      if (check != nullptr) out.Add("category", Value::String(arena, check->info.category));
      out.Add("severity", Value::String(SeverityName(f.severity)));
      out.Add("state", Value::String(StatusName(f.status)));
      out.Add("asset", ToValue(f.asset, arena));
      out.Add("workload", Value::String(arena, f.asset.Key()));
      // An exception that came or went is told without what was not judged anew.
      bool judged = !f.evidence.value.empty() || !f.args.empty() || old.IsNull();
      out.Add("path", Value::String(arena, f.evidence.path));
      out.Add("value", judged ? Value::String(arena, f.evidence.value) : old["value"]);
      out.Add("container", Value::String(arena, f.evidence.container));
      MapBuilder args(arena);
      for (const auto& [name, value] : f.args) {
        args.Add(Value::String(arena, name), Value::String(arena, value));
      }
      out.Add("args", judged ? args.Finish() : old["args"]);
      out.Add("labels", Texts(p.labels, arena));
      out.Add("images", Texts(p.images, arena));
      std::vector<std::string> controls;
      if (check != nullptr) {
        for (const auto& [framework, ids] : check->info.controls) {
          for (const std::string& id : ids) controls.push_back(framework + "/" + id);
        }
      }
      out.Add("controls", Texts(controls, arena));
      out.Add("fixable", Value::Bool(check != nullptr && check->info.has_fix));
      if (f.excused) {
        out.Add("exception", MapBuilder(arena)
                                 .Add("id", Value::String(arena, f.excused->id))
                                 .Add("reason", Value::String(arena, f.excused->reason))
                                 .Add("owner", Value::String(arena, f.excused->owner))
                                 .Add("expires", Value::String(arena, f.excused->expires))
                                 .Add("byOwner", Value::Bool(f.excused->by_owner))
                                 .Finish());
      }
      const Value* first = old.Find("firstSeen");
      out.Add("firstSeen", first != nullptr ? *first : now_text);
      Value reopened = old["reopened"];
      int64_t times = reopened.ToInt().value_or(0) + (was == kClosedStatus ? 1 : 0);
      out.Add("reopened", Value::Int(times));
    }
    // What is the same as it was (a restart) is not written again: its times stay.
    Value with_status = out.Add("status", Value::String(status)).Finish();
    if (status == was) {
      bool same = with_status.size() + 1 == old.size();  // all but lastSeen
      for (const Value::Entry& entry : with_status.entries()) {
        const Value* before = same ? old.Find(entry.key) : nullptr;
        same = before != nullptr && *before == entry.value;
      }
      if (same) continue;
    }
    MapBuilder timed(arena);
    for (const Value::Entry& entry : with_status.entries()) {
      if (entry.key.AsString() != "lastSeen" && entry.key.AsString() != "closedAt")
        timed.Add(entry.key, entry.value);
    }
    timed.Add("lastSeen", now_text);
    if (closing) timed.Add("closedAt", now_text);
    batch.Put(kFindings, f.id, ToJson(timed.Finish()),
              record ? std::optional(record->revision) : std::nullopt);
    told.push_back(&p);
    if (status == was) continue;

    bool reopened = was == kClosedStatus && !closing;
    std::string_view verb = closing                     ? "closed"
                            : status == kExceptedStatus ? "excepted"
                            : reopened                  ? "reopened"
                            : was == kExceptedStatus    ? "unexcepted"
                                                        : "opened";
    if (closing) ++moves[p.cluster].closed;
    if (was.empty() || was == kClosedStatus) ++moves[p.cluster].opened;
    Event event;
    event.id = EventId({"finding", f.id, verb, std::to_string(now)});
    event.time_us = event.received_us = now;
    event.kind = "finding";
    event.cluster = p.cluster;
    event.severity = f.severity;
    event.verb = verb;
    event.target = f.asset;
    event.rule = f.check;
    event.message = fmt::format("posture.finding.{}", verb);
    event.args = {{"check", f.check},
                  {"kind", f.asset.kind},
                  {"name", f.asset.name},
                  {"namespace", f.asset.ns},
                  {"path", f.evidence.path}};
    events.push_back(std::move(event));
  }
  if (batch.empty()) return Ok();
  BW_TRY(state_.Commit(batch));
  {
    std::lock_guard lock(mutex_);
    for (const auto& [cluster, m] : moves) {
      moves_[cluster].opened += m.opened;
      moves_[cluster].closed += m.closed;
    }
  }
  for (const Pending* p : told) {
    tell_("put", p->finding.id, p->finding.asset);
  }
  if (events.empty()) return Ok();
  // The records stand; an event that cannot be stored now is tried again by the pipeline's queue,
  // where it is counted if it is lost.
  for (Event& event : events) pipeline_.Offer("posture", std::move(event));
  return Ok();
}

Result<> FindingsBook::CloseOthers(const std::string& cluster,
                                   const std::unordered_set<std::string>* seen) {
  std::vector<Pending> gone;
  BW_TRY(state_.Scan(
      kFindings,
      store::Query::And(
          {store::Query::Equals("cluster", cluster),
           store::Query::AnyOf("status", {std::string(kOpen), std::string(kExceptedStatus)})}),
      [&](const store::Record& record) -> Result<> {
        if (seen != nullptr && seen->contains(record.key)) return Ok();
        Arena arena(1 << 12);
        Value body = BW_TRY(ParseJson(record.body, arena, {.borrow_text = true}));
        Pending p{.cluster = cluster, .change = FindingChange::kClosed};
        p.finding.id = record.key;
        p.finding.check = body.StringAt("check");
        p.finding.severity = ParseSeverity(body.StringAt("severity")).value_or(Severity::kUnknown);
        p.finding.asset = AssetOf(body["asset"]);
        p.finding.evidence.path = body.StringAt("path");
        gone.push_back(std::move(p));
        return Ok();
      }));
  for (size_t i = 0; i < gone.size(); i += kBatch) {
    std::vector<Pending> part(
        gone.begin() + static_cast<ptrdiff_t>(i),
        gone.begin() + static_cast<ptrdiff_t>(std::min(i + kBatch, gone.size())));
    BW_TRY(Write(part));
  }
  return Ok();
}

}  // namespace bulwark::posture
