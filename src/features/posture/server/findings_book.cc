#include "features/posture/server/findings_book.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/arena.h"
#include "base/log.h"
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

std::vector<std::string> TextsOf(const Value& array) {
  std::vector<std::string> out;
  for (const Value& item : array.items()) {
    if (item.IsString()) out.emplace_back(item.AsString());
  }
  return out;
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
      .version = 2,
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
              {.name = "exception", .path = "exception.id", .indexed = true},
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

FindingsBook::FindingsBook(store::StateStore& state, Pipeline& pipeline, const KnownChecks& checks,
                           Tell tell, std::function<int64_t()> now_us)
    : state_(state),
      pipeline_(pipeline),
      checks_(checks),
      tell_(std::move(tell)),
      now_us_(std::move(now_us)) {}

void FindingsBook::Begin(const std::string& cluster) {
  std::lock_guard lock(mutex_);
  told_[cluster] = {};
  forgotten_.erase(cluster);
}

// What counts is the latest; where that was not judged anew, with what came before it.
void FindingsBook::Merge(Pending& earlier, Pending later) {
  if (later.change != FindingChange::kExcused || earlier.change == FindingChange::kClosed) {
    earlier = std::move(later);
    return;
  }
  earlier.finding.excused = std::move(later.finding.excused);
  earlier.labels = std::move(later.labels);
  earlier.images = std::move(later.images);
}

void FindingsBook::Add(const std::string& cluster, FindingChange change, const Finding& finding,
                       const Facts& facts) {
  Pending pending{.cluster = cluster, .change = change, .finding = finding};
  pending.labels = Pairs(facts.labels);
  for (const Value& image : facts.images.items()) {
    if (image.IsString()) pending.images.emplace_back(image.AsString());
  }
  std::lock_guard lock(mutex_);
  if (auto told = told_.find(cluster); told != told_.end()) {
    if (change == FindingChange::kClosed) {
      told->second.ids.erase(finding.id);
    } else {
      told->second.ids.insert(finding.id);
    }
  }
  auto [at, added] = at_.try_emplace(finding.id, pending_.size());
  if (added) {
    pending_.push_back(std::move(pending));
  } else {
    Merge(pending_[at->second], std::move(pending));
  }
}

void FindingsBook::Complete(const std::string& cluster, Unread unread) {
  std::lock_guard lock(mutex_);
  auto told = told_.find(cluster);
  if (told == told_.end()) return;
  told->second.complete = true;
  told->second.unread = std::move(unread);
}

void FindingsBook::Forget(const std::string& cluster) {
  std::lock_guard lock(mutex_);
  told_.erase(cluster);
  forgotten_.insert(cluster);
}

uint64_t FindingsBook::dropped() const {
  std::lock_guard lock(mutex_);
  return dropped_;
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
  std::map<std::string, Told> complete;
  decltype(forgotten_) forgotten;
  {
    std::lock_guard lock(mutex_);
    changes.swap(pending_);
    at_.clear();
    forgotten.swap(forgotten_);
    for (auto& [cluster, told] : told_) {
      if (!told.complete) continue;
      // What is told from here on is noted in what stays: it is written after this.
      complete[cluster] = std::exchange(told, Told{.closing = true});
    }
  }
  size_t written = 0;
  auto fail = [&](Error error) -> Result<> {
    std::lock_guard lock(mutex_);
    for (size_t i = written; i < changes.size(); ++i) {
      auto [at, added] = at_.try_emplace(changes[i].finding.id, pending_.size());
      if (added) {
        pending_.push_back(std::move(changes[i]));
      } else {
        Pending later = std::exchange(pending_[at->second], std::move(changes[i]));
        Merge(pending_[at->second], std::move(later));
      }
    }
    for (auto& [cluster, told] : complete) Restore(cluster, std::move(told), true);
    forgotten_.insert(forgotten.begin(), forgotten.end());
    return error;
  };
  for (; written < changes.size(); written += kBatch) {
    auto part = std::span(changes).subspan(written, std::min(kBatch, changes.size() - written));
    auto done = WriteParts(part);
    if (!done) return fail(std::move(done).error());
  }
  while (!complete.empty()) {
    auto first = complete.begin();
    auto closed = CloseOthers(first->first, &first->second);
    if (!closed) return fail(std::move(closed).error());
    std::lock_guard lock(mutex_);
    auto told = told_.find(first->first);
    if (!first->second.unread.empty()) {
      Restore(first->first, std::move(first->second), false);
    } else if (told != told_.end() && told->second.closing) {
      told_.erase(told);
    }
    complete.erase(first);
  }
  while (!forgotten.empty()) {
    auto closed = CloseOthers(*forgotten.begin(), nullptr);
    if (!closed) return fail(std::move(closed).error());
    forgotten.erase(forgotten.begin());
  }
  return Ok();
}

// What was taken out to be closed counts on, beside what was told meanwhile; unless the cluster
// began anew. Under the lock.
void FindingsBook::Restore(const std::string& cluster, Told told, bool complete) {
  auto now = told_.find(cluster);
  if (now == told_.end() || !now->second.closing) return;
  told.ids.merge(now->second.ids);
  bool again = now->second.complete;
  if (again) told.unread = std::move(now->second.unread);
  told.complete = complete || again;
  told.closing = false;
  now->second = std::move(told);
}

Result<> FindingsBook::WriteParts(std::span<const Pending> changes) {
  auto done = Write(changes);
  if (done || (done.error().code() != Code::kLimit && done.error().code() != Code::kInvalid))
    return done;
  if (changes.size() > 1) {
    BW_TRY(WriteParts(changes.first(changes.size() / 2)));
    return WriteParts(changes.subspan(changes.size() / 2));
  }
  Log(Level::kError, "posture.finding.dropped",
      {{"finding", changes[0].finding.id},
       {"check", changes[0].finding.check},
       {"asset", changes[0].finding.asset.Key()},
       {"error", done.error()}});
  std::lock_guard lock(mutex_);
  ++dropped_;
  return Ok();
}

Result<> FindingsBook::Write(std::span<const Pending> changes) {
  Arena arena(1 << 16);
  store::Batch batch;
  std::vector<Event> events;
  struct Change {
    const Pending* pending;
    std::vector<std::string> labels;  // a finding that closes comes without
  };
  std::vector<Change> told;
  std::map<std::string, Moves> moves;
  int64_t now = now_us_();
  Value now_text = Value::String(arena, FormatTime(now));
  std::unordered_map<std::string_view, store::Record> records;
  {
    std::vector<std::string> ids;
    for (const Pending& p : changes) ids.push_back(p.finding.id);
    BW_TRY(state_.Scan(kFindings, store::Query::AnyOf("key", std::move(ids)),
                       [&](const store::Record& record) -> Result<> {
                         records.emplace(arena.Copy(record.key), record);
                         return Ok();
                       }));
  }
  for (const Pending& p : changes) {
    const Finding& f = p.finding;
    auto record = records.find(f.id);
    bool there = record != records.end();
    Value old;
    if (there) old = BW_TRY(ParseJson(record->second.body, arena, {.borrow_text = true}));
    std::string_view was = old.StringAt("status");
    bool closing = p.change == FindingChange::kClosed;
    if (closing && (was.empty() || was == kClosedStatus)) continue;

    std::string_view status = closing ? kClosedStatus : f.excused ? kExceptedStatus : kOpen;
    const CheckInfo* check = checks_.Find(f.check);
    MapBuilder out(arena);
    if (closing) {
      for (const Value::Entry& entry : old.entries()) {
        if (entry.key.AsString() != "exception") out.Add(entry.key, entry.value);
      }
    } else {
      out.Add("id", Value::String(arena, f.id));
      out.Add("check", Value::String(arena, f.check));
      if (check != nullptr) out.Add("category", Value::String(arena, check->category));
      out.Add("severity", Value::String(SeverityName(f.severity)));
      out.Add("state", Value::String(StatusName(f.status)));
      out.Add("asset", ToValue(f.asset, arena));
      out.Add("workload", Value::String(arena, f.asset.Key()));
      bool judged = p.change != FindingChange::kExcused || !there;
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
        for (const auto& [framework, ids] : check->controls) {
          for (const std::string& id : ids) controls.push_back(framework + "/" + id);
        }
      }
      out.Add("controls", Texts(controls, arena));
      out.Add("fixable", Value::Bool(check != nullptr && check->has_fix));
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
    batch.Put(kFindings, f.id, ToJson(timed.Finish()), there ? record->second.revision : 0);
    told.push_back({&p, closing ? TextsOf(old["labels"]) : p.labels});
    if (status == was) continue;

    bool reopened = was == kClosedStatus && !closing;
    std::string_view verb = closing                     ? "closed"
                            : status == kExceptedStatus ? "excepted"
                            : reopened                  ? "reopened"
                            : was == kExceptedStatus    ? "unexcepted"
                                                        : "opened";
    FindingsBook::Moved moved{.opened = was.empty() || was == kClosedStatus ? 1U : 0U,
                              .closed = closing ? 1U : 0U};
    moves[p.cluster].all.Add(moved);
    moves[p.cluster].by_namespace[f.asset.ns].Add(moved);
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
    for (const auto& [cluster, m] : moves) moves_[cluster].Add(m);
  }
  for (const Change& change : told) {
    const Finding& f = change.pending->finding;
    if (tell_) tell_("put", f.id, f.asset, change.labels);
  }
  if (events.empty()) return Ok();
  // The records stand; an event that cannot be stored now is tried again by the pipeline's queue,
  // where it is counted if it is lost.
  for (Event& event : events) pipeline_.Offer("posture", std::move(event));
  return Ok();
}

Result<> FindingsBook::CloseOthers(const std::string& cluster, const Told* told) {
  std::vector<Pending> gone;
  BW_TRY(state_.Scan(
      kFindings,
      store::Query::And(
          {store::Query::Exactly("cluster", cluster),
           store::Query::AnyOf("status", {std::string(kOpen), std::string(kExceptedStatus)})}),
      [&](const store::Record& record) -> Result<> {
        if (told != nullptr && told->ids.contains(record.key)) return Ok();
        Arena arena(1 << 12);
        Value body = BW_TRY(ParseJson(record.body, arena, {.borrow_text = true}));
        Pending p{.cluster = cluster, .change = FindingChange::kClosed};
        p.finding.id = record.key;
        p.finding.check = body.StringAt("check");
        p.finding.severity = ParseSeverity(body.StringAt("severity")).value_or(Severity::kUnknown);
        p.finding.asset = AssetOf(body["asset"]);
        if (told != nullptr) {
          if (checks_.FindOther(p.finding.check) != nullptr) return Ok();
          const Unread& unread = told->unread;
          const Check* check = checks_.set().Find(p.finding.check);
          if (unread.kinds.contains(p.finding.asset.group + "/" + p.finding.asset.kind) ||
              (unread.related && check != nullptr && check->needs_others()))
            return Ok();
        }
        p.finding.evidence.path = body.StringAt("path");
        gone.push_back(std::move(p));
        return Ok();
      }));
  if (told != nullptr) {
    // What came back meanwhile is not gone.
    std::lock_guard lock(mutex_);
    if (auto now = told_.find(cluster); now != told_.end()) {
      std::erase_if(gone, [&](const Pending& p) { return now->second.ids.contains(p.finding.id); });
    }
  }
  for (size_t i = 0; i < gone.size(); i += kBatch) {
    BW_TRY(WriteParts(std::span(gone).subspan(i, std::min(kBatch, gone.size() - i))));
  }
  return Ok();
}

}  // namespace bulwark::posture
