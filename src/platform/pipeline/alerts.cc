#include "platform/pipeline/alerts.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "formats/json.h"
#include "model/record.h"

namespace bulwark {

namespace {

constexpr size_t kLatestEvents = 20;

const store::Collection& AlertCollection() {
  using store::ColumnType;
  static const store::Collection collection{
      .name = std::string(Alerts::kCollection),
      .version = 1,
      .columns =
          {
              {.name = "rule", .path = "rule", .indexed = true},
              {.name = "severity",
               .path = "severity",
               .type = ColumnType::kSeverity,
               .indexed = true},
              {.name = "state", .path = "state", .indexed = true},
              {.name = "cluster", .path = "target.cluster", .indexed = true},
              {.name = "ns", .path = "target.namespace", .indexed = true, .aliases = {"namespace"}},
              {.name = "kind", .path = "target.kind"},
              {.name = "name", .path = "target.name"},
              {.name = "group", .path = "group"},
              {.name = "user", .path = "user", .indexed = true},
              {.name = "ip", .path = "sourceIp"},
              {.name = "node", .path = "node"},
              {.name = "pod", .path = "pod"},
              {.name = "image", .path = "image"},
              {.name = "assignee", .path = "assignee"},
              {.name = "resolution", .path = "resolution"},
              {.name = "mitre", .path = "mitre"},
              {.name = "count", .path = "count", .type = ColumnType::kInt},
              {.name = "first",
               .path = "firstSeen",
               .type = ColumnType::kTime,
               .aliases = {"since"}},
              {.name = "last", .path = "lastSeen", .type = ColumnType::kTime, .indexed = true},
              {.name = "text", .path = "args", .full_text = true},
              {.name = "comment", .path = "comments.text", .full_text = true},
          },
      .default_sort = "-last"};
  return collection;
}

}  // namespace

// A record, as it is read, changed and written.
struct Alerts::Stored {
  Alert alert;
  uint64_t revision = 0;
  std::string assignee, resolution;
  int64_t resolved_us = 0;
  uint64_t reopened = 0;
  std::vector<std::string> mitre;
  struct Said {
    std::string by, text;
    int64_t at_us = 0;
  };
  std::vector<Said> comments;

  static Result<Stored> Parse(const store::Record& record) {
    Arena arena;
    Value v = BW_TRY(ParseJson(record.body, arena));
    Stored out;
    out.revision = record.revision;
    Alert& a = out.alert;
    a.id = record.key;
    a.rule = v.StringAt("rule");
    a.group = v.StringAt("group");
    a.severity = ParseSeverity(v.StringAt("severity")).value_or(Severity::kUnknown);
    std::string_view state = v.StringAt("state");
    a.state = state == "acknowledged" ? AlertState::kAcknowledged
              : state == "resolved"   ? AlertState::kResolved
                                      : AlertState::kOpen;
    a.target = AssetOf(v["target"]);
    a.user = v.StringAt("user");
    a.source_ip = v.StringAt("sourceIp");
    a.node = v.StringAt("node");
    a.pod = v.StringAt("pod");
    a.image = v.StringAt("image");
    a.message = v.StringAt("messageId");
    for (const auto& [name, value] : v["args"].entries()) {
      a.args.emplace_back(name.AsString(), value.IsString() ? value.AsString() : "");
    }
    a.count = static_cast<uint64_t>(v["count"].ToInt().value_or(0));
    a.first_us = ParseTime(v.StringAt("firstSeen"));
    a.last_us = ParseTime(v.StringAt("lastSeen"));
    for (const Value& id : v["events"].items()) {
      if (id.IsString()) a.events.emplace_back(id.AsString());
    }
    out.assignee = v.StringAt("assignee");
    out.resolution = v.StringAt("resolution");
    out.resolved_us = ParseTime(v.StringAt("resolvedAt"));
    out.reopened = static_cast<uint64_t>(v["reopened"].ToInt().value_or(0));
    for (const Value& m : v["mitre"].items()) {
      if (m.IsString()) out.mitre.emplace_back(m.AsString());
    }
    for (const Value& c : v["comments"].items()) {
      out.comments.push_back({std::string(c.StringAt("by")), std::string(c.StringAt("text")),
                              ParseTime(c.StringAt("at"))});
    }
    return out;
  }

  std::string ToJsonText() const {
    Arena arena;
    auto text = [&](std::string_view s) { return Value::String(arena, s); };
    auto texts = [&](const std::vector<std::string>& all) {
      std::vector<Value> items;
      for (const std::string& s : all) items.push_back(text(s));
      return Value::Array(arena, items);
    };
    const Alert& a = alert;
    MapBuilder out(arena), args(arena);
    auto add = [&](std::string_view key, std::string_view value) {
      if (!value.empty()) out.Add(key, text(value));
    };
    out.Add("id", text(a.id)).Add("rule", text(a.rule)).Add("group", text(a.group));
    out.Add("severity", Value::String(SeverityName(a.severity)));
    out.Add("state", Value::String(AlertStateName(a.state)));
    out.Add("target", ToValue(a.target, arena));
    add("user", a.user);
    add("sourceIp", a.source_ip);
    add("node", a.node);
    add("pod", a.pod);
    add("image", a.image);
    out.Add("messageId", text(a.message));
    for (const auto& [name, value] : a.args) args.Add(text(name), text(value));
    out.Add("args", args.Finish());
    out.Add("count", Value::Int(static_cast<int64_t>(a.count)));
    out.Add("firstSeen", text(FormatTime(a.first_us)));
    out.Add("lastSeen", text(FormatTime(a.last_us)));
    out.Add("events", texts(a.events));
    add("assignee", assignee);
    add("resolution", resolution);
    if (resolved_us != 0) out.Add("resolvedAt", text(FormatTime(resolved_us)));
    out.Add("reopened", Value::Int(static_cast<int64_t>(reopened)));
    out.Add("mitre", texts(mitre));
    std::vector<Value> said;
    for (const Said& c : comments) {
      said.push_back(MapBuilder(arena)
                         .Add("by", text(c.by))
                         .Add("at", text(FormatTime(c.at_us)))
                         .Add("text", text(c.text))
                         .Finish());
    }
    out.Add("comments", Value::Array(arena, said));
    return ToJson(out.Finish());
  }

  void AddEvents(const std::vector<std::string>& ids) {
    for (const std::string& id : ids) {
      if (std::find(alert.events.begin(), alert.events.end(), id) != alert.events.end()) continue;
      // The first stays.
      if (alert.events.size() > kLatestEvents) alert.events.erase(alert.events.begin() + 1);
      alert.events.push_back(id);
    }
  }
};

Alerts::Alerts(store::StateStore& state, Pipeline& pipeline, Catalog& catalog, Metrics& metrics,
               AlertOptions options)
    : state_(state),
      pipeline_(pipeline),
      options_(options),
      raised_(metrics.AddCounter("bulwark_alerts_raised_total", "Verdicts of rules.")),
      overflown_(metrics.AddCounter("bulwark_alerts_overflown_total",
                                    "Verdicts counted in the group * of their rule.")) {
  catalog.Add("alert.acknowledged",
              {"{by} acknowledged the alert {rule}", "{by} 确认了告警 {rule}"});
  catalog.Add("alert.resolved", {"{by} resolved the alert {rule}", "{by} 解决了告警 {rule}"});
  catalog.Add("alert.reopened-by",
              {"{by} opened the alert {rule} again", "{by} 重新打开了告警 {rule}"});
  catalog.Add("alert.commented", {"{by} commented on the alert {rule}: {comment}",
                                  "{by} 评论了告警 {rule}：{comment}"});
  catalog.Add("alert.assigned",
              {"{by} gave the alert {rule} to {assignee}", "{by} 将告警 {rule} 指派给 {assignee}"});
  catalog.Add("alerts.none", {"there is no such alert", "没有此告警"});
  catalog.Add("alerts.state", {"the alert is {state}", "告警当前状态为 {state}"});
  catalog.Add("alerts.limit", {"too many or too long comments", "评论过多或过长"});
}

Result<> Alerts::Open() {
  BW_TRY(state_.Define(AlertCollection()));
  auto groups = BW_TRY(state_.GroupBy(
      kCollection, store::Query::Not(store::Query::Equals("state", "resolved")), {"rule"}));
  for (const store::Group& group : groups) active_[group.values[0]] = group.count;
  return Ok{};
}

void Alerts::SetTeller(std::function<void(const Change&)> tell) { tell_ = std::move(tell); }

std::string Alerts::Id(std::string_view rule, std::string_view cluster, std::string_view group) {
  return EventId({"alert", rule, cluster, group});
}

Result<std::optional<Alerts::Stored>> Alerts::Load(std::string_view id) {
  auto record = BW_TRY(state_.Get(kCollection, id));
  if (!record) return std::optional<Stored>();
  return std::optional(BW_TRY(Stored::Parse(*record)));
}

Event Alerts::EventOf(const Stored& alert, std::string verb, std::string by,
                      std::string comment) const {
  const Alert& a = alert.alert;
  Event event;
  event.time_us = NowUs();
  event.id = EventId(
      {"alert", a.id, verb, by, comment, std::to_string(event.time_us), std::to_string(a.count)});
  event.kind = "alert";
  event.cluster = a.target.cluster;
  event.severity = a.severity;
  event.user = by;
  event.source_ip = by.empty() ? a.source_ip : "";
  event.resource = "alerts";
  event.target = a.target;
  event.node = a.node;
  event.pod = a.pod;
  event.image = a.image;
  event.rule = a.rule;
  if (by.empty()) {
    event.user = a.user;
    event.message = a.message;
    event.args = a.args;
  } else {
    event.message = verb == "reopened" ? "alert.reopened-by" : "alert." + verb;
    event.args = {{"by", by},
                  {"rule", a.rule},
                  {"comment", comment},
                  {"assignee", alert.assignee.empty() ? "-" : alert.assignee}};
  }
  event.verb = std::move(verb);
  Arena arena;
  event.body = ToJson(MapBuilder(arena)
                          .Add("alert", Value::String(a.id))
                          .Add("group", Value::String(a.group))
                          .Add("state", Value::String(AlertStateName(a.state)))
                          .Add("count", Value::Int(static_cast<int64_t>(a.count)))
                          .Finish());
  return event;
}

Result<> Alerts::Grow(const Verdict& verdict, std::map<std::string, Stored>& changed,
                      std::vector<Event>& events) {
  std::string group = verdict.group;
  std::string id = Id(verdict.rule, verdict.target.cluster, group);
  auto find = [&]() -> Result<Stored*> {
    if (auto at = changed.find(id); at != changed.end()) return &at->second;
    auto loaded = BW_TRY(Load(id));
    if (!loaded) return static_cast<Stored*>(nullptr);
    return &changed.emplace(id, *std::move(loaded)).first->second;
  };
  Stored* stored = BW_TRY(find());
  size_t& active = active_[verdict.rule];
  bool sleeping = stored == nullptr || stored->alert.state == AlertState::kResolved;
  if (sleeping && active >= options_.max_per_rule && group != "*") {
    overflown_.Add();
    group = "*";
    id = Id(verdict.rule, verdict.target.cluster, group);
    stored = BW_TRY(find());
  }
  raised_.Add();
  if (stored == nullptr) {
    Stored made;
    made.alert = {.id = id,
                  .rule = verdict.rule,
                  .group = group,
                  .severity = verdict.severity,
                  .target = verdict.target,
                  .user = verdict.user,
                  .source_ip = verdict.source_ip,
                  .node = verdict.node,
                  .pod = verdict.pod,
                  .image = verdict.image,
                  .message = verdict.message,
                  .args = verdict.args,
                  .count = verdict.count,
                  .first_us = verdict.first_us,
                  .last_us = verdict.last_us};
    made.mitre = verdict.mitre;
    made.AddEvents(verdict.events);
    ++active;
    events.push_back(EventOf(made, "opened", "", ""));
    changed.emplace(id, std::move(made));
    return Ok{};
  }
  Alert& alert = stored->alert;
  alert.count += verdict.count;
  alert.severity = verdict.severity;
  alert.first_us = std::min(alert.first_us, verdict.first_us);
  alert.last_us = std::max(alert.last_us, verdict.last_us);
  alert.args = verdict.args;
  stored->AddEvents(verdict.events);
  // What happened before it was resolved and is told late opens nothing.
  if (alert.state == AlertState::kResolved && verdict.last_us > stored->resolved_us) {
    alert.state = AlertState::kOpen;
    stored->resolution.clear();
    stored->resolved_us = 0;
    ++stored->reopened;
    ++active;
    events.push_back(EventOf(*stored, "reopened", "", ""));
  }
  return Ok{};
}

Result<> Alerts::Raise(std::span<const Verdict> verdicts, store::Batch also) {
  std::vector<Event> events;
  std::vector<Change> changes;
  {
    std::lock_guard lock(mutex_);
    auto active = active_;
    std::map<std::string, Stored> changed;
    auto fill = [&]() -> Result<> {
      for (const Verdict& verdict : verdicts) BW_TRY(Grow(verdict, changed, events));
      for (auto& [id, stored] : changed) {
        also.Put(kCollection, id, stored.ToJsonText(), stored.revision);
      }
      if (!also.empty()) BW_TRY(state_.Commit(also));
      return Ok{};
    };
    if (auto done = fill(); !done) {
      active_ = std::move(active);
      return done;
    }
    for (const auto& [id, stored] : changed) {
      const Asset& target = stored.alert.target;
      changes.push_back({id, target.cluster, target.ns,
                         std::string(AlertStateName(stored.alert.state)),
                         std::any_of(events.begin(), events.end(), [&](const Event& e) {
                           return e.rule == stored.alert.rule && e.target == target;
                         })});
    }
  }
  Announce(std::move(events), changes);
  return Ok{};
}

void Alerts::Announce(std::vector<Event> events, std::span<const Change> changes) {
  if (!events.empty()) {
    if (auto published = pipeline_.Publish(std::move(events)); !published) {
      Log(Level::kWarn, "alerts.event.lost", {{"error", published.error()}});
    }
  }
  if (!tell_) return;
  for (const Change& change : changes) tell_(change);
}

Result<store::Record> Alerts::Do(std::string_view id, const Deed& deed, const Change1& change) {
  std::vector<Event> events;
  store::Record out;
  Change told;
  {
    std::lock_guard lock(mutex_);
    auto loaded = BW_TRY(Load(id));
    if (!loaded) return Error(Code::kNotFound, "alerts.none", "there is no such alert");
    Stored& stored = *loaded;
    if (deed.expect && *deed.expect != stored.revision) {
      return Error(Code::kExists, "store.conflict", "somebody else changed it meanwhile");
    }
    bool was_active = stored.alert.state != AlertState::kResolved;
    std::string verb = BW_TRY(change(stored));
    if (!deed.comment.empty()) {
      if (stored.comments.size() >= options_.max_comments ||
          deed.comment.size() > options_.max_comment_bytes) {
        return Error(Code::kLimit, "alerts.limit", "too many or too long comments");
      }
      stored.comments.push_back({deed.by, ToValidUtf8(deed.comment), NowUs()});
    }
    store::Batch batch;
    out.key = stored.alert.id;
    out.body = stored.ToJsonText();
    batch.Put(kCollection, out.key, out.body, stored.revision);
    out.revision = BW_TRY(state_.Commit(batch));
    bool is_active = stored.alert.state != AlertState::kResolved;
    size_t& active = active_[stored.alert.rule];
    if (was_active && !is_active && active > 0) --active;
    if (!was_active && is_active) ++active;
    events.push_back(EventOf(stored, verb, deed.by, deed.comment));
    const Asset& target = stored.alert.target;
    told = {out.key, target.cluster, target.ns, std::string(AlertStateName(stored.alert.state)),
            false};
  }
  Announce(std::move(events), std::span(&told, 1));
  return out;
}

namespace {

Error WrongState(AlertState state) {
  return Error(Code::kExists, "alerts.state", fmt::format("the alert is {}", AlertStateName(state)),
               {{"state", std::string(AlertStateName(state))}});
}

}  // namespace

Result<store::Record> Alerts::Acknowledge(std::string_view id, const Deed& deed) {
  return Do(id, deed, [](Stored& s) -> Result<std::string> {
    if (s.alert.state != AlertState::kOpen) return WrongState(s.alert.state);
    s.alert.state = AlertState::kAcknowledged;
    return std::string("acknowledged");
  });
}

Result<store::Record> Alerts::Resolve(std::string_view id, const Deed& deed,
                                      std::string resolution) {
  return Do(id, deed, [&](Stored& s) -> Result<std::string> {
    if (s.alert.state == AlertState::kResolved) return WrongState(s.alert.state);
    s.alert.state = AlertState::kResolved;
    s.resolution = resolution;
    s.resolved_us = NowUs();
    return std::string("resolved");
  });
}

Result<store::Record> Alerts::Reopen(std::string_view id, const Deed& deed) {
  return Do(id, deed, [](Stored& s) -> Result<std::string> {
    if (s.alert.state == AlertState::kOpen) return WrongState(s.alert.state);
    if (s.alert.state == AlertState::kResolved) ++s.reopened;
    s.alert.state = AlertState::kOpen;
    s.resolution.clear();
    s.resolved_us = 0;
    return std::string("reopened");
  });
}

Result<store::Record> Alerts::Comment(std::string_view id, const Deed& deed) {
  return Do(id, deed, [](Stored&) -> Result<std::string> { return std::string("commented"); });
}

Result<store::Record> Alerts::Assign(std::string_view id, const Deed& deed, std::string assignee) {
  return Do(id, deed, [&](Stored& s) -> Result<std::string> {
    s.assignee = assignee;
    return std::string("assigned");
  });
}

}  // namespace bulwark
