#include "features/audit/detection.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "formats/json.h"
#include "model/record.h"

namespace bulwark::audit {

namespace {

using detect::EventField;
using store::ColumnType;

constexpr std::string_view kState = "detection";
constexpr std::string_view kKnown = "known";
constexpr std::string_view kSettings = "rulesettings";
constexpr std::string_view kSuppressions = "suppressions";
constexpr size_t kMaxSnapshot = 900'000;  // of a record
// Events of Bulwark itself that rules do not judge: alerts are made of them.
constexpr std::string_view kAlertKind = "alert";

std::vector<store::Collection> Collections() {
  return {
      {.name = std::string(kState), .version = 1, .columns = {}, .default_sort = ""},
      {.name = std::string(kKnown),
       .version = 1,
       .columns = {{.name = "rule", .path = "rule", .indexed = true},
                   {.name = "first", .path = "firstSeen", .type = ColumnType::kTime}},
       .default_sort = ""},
      {.name = std::string(kSettings), .version = 1, .columns = {}, .default_sort = ""},
      {.name = std::string(kSuppressions),
       .version = 1,
       .columns = {{.name = "rule", .path = "rule", .indexed = true},
                   {.name = "by", .path = "by"},
                   {.name = "cluster", .path = "cluster"},
                   {.name = "ns", .path = "namespace"},
                   {.name = "at", .path = "at", .type = ColumnType::kTime},
                   {.name = "expires", .path = "expires", .type = ColumnType::kTime},
                   {.name = "text", .path = "reason", .full_text = true}},
       .default_sort = "-at"},
  };
}

std::string Number(std::string_view key, int64_t value) {
  return fmt::format("{{\"{}\":\"{}\"}}", key, value);
}

int64_t NumberIn(const std::optional<store::Record>& record, std::string_view key) {
  if (!record) return 0;
  Arena arena;
  auto v = ParseJson(record->body, arena);
  if (!v) return 0;
  int64_t out = 0;
  for (char c : v->StringAt(key)) {
    if (c < '0' || c > '9' || out > INT64_MAX / 10 - 10) return 0;
    out = out * 10 + (c - '0');
  }
  return out;
}

// What an alert is about: no more than its group says, for whoever may see one namespace must not
// learn of others.
Asset TargetOf(const detect::Match& match) {
  Asset out;
  out.cluster = match.cluster;
  const auto& group = match.rule->group;
  auto has = [&](EventField f) { return std::find(group.begin(), group.end(), f) != group.end(); };
  if (match.event == nullptr || (!has(EventField::kNs) && !has(EventField::kName))) {
    out.kind = "Cluster";
    return out;
  }
  const Asset& target = match.event->target;
  if (has(EventField::kName)) return target;
  out.version = "v1";
  out.kind = target.ns.empty() ? "Cluster" : "Namespace";
  out.ns = out.name = target.ns;
  return out;
}

}  // namespace

Verdict VerdictOf(const detect::Match& match) {
  Verdict out;
  out.rule = match.rule->id;
  out.group = match.group;
  out.severity = match.severity;
  out.target = TargetOf(match);
  out.target.cluster = match.cluster;
  if (match.event != nullptr) {
    out.user = match.event->user;
    out.source_ip = match.event->source_ip;
    out.node = match.event->node;
    out.pod = match.event->pod;
    out.image = match.event->image;
  }
  out.message = match.rule->MessageId();
  out.args = match.args;
  out.count = match.count;
  out.first_us = match.first_us;
  out.last_us = match.last_us;
  out.events = match.events;
  out.mitre = match.rule->mitre;
  return out;
}

Detection::Detection(store::StateStore& state, store::EventStore& events, Pipeline& pipeline,
                     Alerts& alerts, Metrics& metrics, std::shared_ptr<const detect::RuleSet> rules,
                     std::function<bool(std::string_view cluster)> ready, DetectionOptions options)
    : state_(state),
      events_(events),
      pipeline_(pipeline),
      alerts_(alerts),
      rules_(rules),
      ready_(std::move(ready)),
      options_(options),
      evaluated_metric_(
          metrics.AddCounter("bulwark_detection_events_total", "Events that rules looked at.")),
      matched_metric_(metrics.AddCounter("bulwark_detection_matches_total", "Verdicts of rules.")),
      lost_metric_(
          metrics.AddCounter("bulwark_detection_lost_total", "Verdicts that could not be stored.")),
      lag_metric_(metrics.AddHistogram("bulwark_detection_lag_seconds",
                                       "From storing an event to its evaluation.",
                                       Metrics::DurationBounds())),
      engine_(std::move(rules), options.limits) {}

Detection::~Detection() { Stop(); }

Result<> Detection::Open() {
  for (const store::Collection& collection : Collections()) BW_TRY(state_.Define(collection));
  return Load();
}

Result<> Detection::Load() {
  {
    std::lock_guard lock(mutex_);
    auto setting = [&](const store::Record& r) -> Result<> {
      Arena arena;
      Value v = BW_TRY(ParseJson(r.body, arena));
      detect::RuleSettings settings;
      if (v["enabled"].IsBool()) settings.enabled = v["enabled"].AsBool();
      if (auto severity = ParseSeverity(v.StringAt("severity"))) settings.severity = severity;
      settings.learn_us = v["learnUs"].ToInt();
      engine_.SetSettings(r.key, settings);
      return Ok{};
    };
    auto known = [&](const store::Record& r) -> Result<> {
      Arena arena;
      Value v = BW_TRY(ParseJson(r.body, arena));
      engine_.AddKnown({r.key, std::string(v.StringAt("rule")), std::string(v.StringAt("text")),
                        ParseTime(v.StringAt("firstSeen"))});
      return Ok{};
    };
    BW_TRY(state_.Scan(kSettings, store::Query::All(), setting));
    BW_TRY(state_.Scan(kKnown, store::Query::All(), known));
  }
  return ReloadSuppressions();
}

Result<> Detection::ReloadSuppressions() {
  std::vector<detect::Suppression> all;
  auto each = [&](const store::Record& r) -> Result<> {
    Arena arena;
    Value v = BW_TRY(ParseJson(r.body, arena));
    detect::Suppression s;
    s.id = r.key;
    s.rule = v.StringAt("rule");
    s.expires_us = ParseTime(v.StringAt("expires"));
    for (const auto& [name, value] : v["match"].entries()) {
      auto field = detect::FindEventField(name.AsString());
      if (field && value.IsString()) s.match.emplace_back(*field, value.AsString());
    }
    // One that names nothing would silence a whole rule by mistake.
    if (!s.match.empty()) all.push_back(std::move(s));
    return Ok{};
  };
  BW_TRY(state_.Scan(kSuppressions, store::Query::All(), each));
  std::lock_guard lock(mutex_);
  engine_.SetSuppressions(std::move(all));
  return Ok{};
}

Result<> Detection::Start() {
  int64_t windows_us = 0;
  auto progress = BW_TRY(state_.Get(kState, "progress"));
  auto windows = BW_TRY(state_.Get(kState, "windows"));
  {
    std::unique_lock lock(mutex_);
    started_us_ = NowUs();
    stored_at_ = std::chrono::steady_clock::now();
    progress_us_ = NumberIn(progress, "received");
    if (windows) {
      windows_us = NumberIn(windows, "received");
      Arena arena;
      if (auto v = ParseJson(windows->body, arena)) engine_.Restore(v->StringAt("engine"));
    }
    // What is stored from here on is told; the callback waits for the lock.
    subscription_ = pipeline_.Subscribe(
        "detection", {}, [this](std::span<const Event> events) { OnEvents(events); },
        options_.queue_events);
    if (progress_us_ == 0) {
      // The first start: rules speak of what happens from now on.
      progress_us_ = started_us_;
    } else {
      BW_TRY(Replay(windows_us, NowUs()));
    }
  }
  ticker_ = std::jthread([this](const std::stop_token& stop) { Tick(stop); });
  return Ok{};
}

Result<> Detection::Replay(int64_t windows_us, int64_t until_us) {
  int64_t from = windows_us == 0 ? progress_us_ : std::min(windows_us, progress_us_);
  store::EventQuery query;
  query.since_us = from - std::chrono::microseconds(options_.replay_slack).count();
  query.limit = 1000;
  std::vector<Event> found;
  uint64_t seen = 0;
  // The newest first, so that the limit keeps the latest.
  do {
    store::EventPage page = BW_TRY(events_.Search(query));
    for (Event& event : page.events) {
      if (event.received_us > from && event.received_us <= until_us && event.kind != kAlertKind) {
        found.push_back(std::move(event));
      }
    }
    seen += page.events.size();
    query.cursor = page.next;
  } while (!query.cursor.empty() && seen < options_.max_replay);
  std::stable_sort(found.begin(), found.end(), [](const Event& a, const Event& b) {
    return std::pair(a.received_us, a.time_us) < std::pair(b.received_us, b.time_us);
  });
  std::vector<detect::Match> matches;
  for (const Event& event : found) {
    bool done = event.received_us <= progress_us_;  // its alerts were stored
    size_t before = matches.size();
    Evaluate(event, matches);
    if (done) matches.resize(before);
    replayed_.insert(event.id);
  }
  replayed_until_us_ = until_us;
  if (!found.empty()) progress_us_ = std::max(progress_us_, found.back().received_us);
  if (!found.empty()) {
    Log(Level::kInfo, "detection.caught_up",
        {{"events", found.size()}, {"matches", matches.size()}});
  }
  Commit(matches, false);
  return Ok{};
}

void Detection::Evaluate(const Event& event, std::vector<detect::Match>& matches) {
  evaluated_metric_.Add();
  engine_.Evaluate(event, matches);
  dirty_ = true;
}

void Detection::OnEvents(std::span<const Event> events) {
  std::lock_guard lock(mutex_);
  std::vector<detect::Match> matches;
  for (const Event& event : events) {
    if (event.kind == kAlertKind) continue;
    if (event.received_us <= replayed_until_us_) {
      if (replayed_.contains(event.id)) continue;
    } else if (!replayed_.empty()) {
      replayed_.clear();
    }
    Evaluate(event, matches);
  }
  progress_us_ = std::max(progress_us_, events.back().received_us);
  lag_metric_.Observe(static_cast<double>(NowUs() - events.back().received_us) / 1e6);
  auto now = std::chrono::steady_clock::now();
  bool windows = dirty_ && now - stored_at_ >= options_.checkpoint;
  Commit(matches, windows);
}

bool Detection::Commit(std::vector<detect::Match>& matches, bool windows) {
  std::vector<detect::RuleEngine::Known> known = engine_.TakeKnown();
  if (matches.empty() && known.empty() && !windows) return true;
  matched_metric_.Add(matches.size());
  std::vector<Verdict> verdicts;
  verdicts.reserve(matches.size());
  for (const detect::Match& match : matches) verdicts.push_back(VerdictOf(match));
  store::Batch batch;
  batch.Put(kState, "progress", Number("received", progress_us_));
  for (const auto& k : known) {
    Arena arena;
    batch.Put(kKnown, k.key,
              ToJson(MapBuilder(arena)
                         .Add("rule", Value::String(k.rule))
                         .Add("text", Value::String(k.text))
                         .Add("firstSeen", Value::String(arena, FormatTime(k.first_us)))
                         .Finish()));
  }
  if (windows) {
    // As many of the latest windows as a record takes.
    std::string snapshot;
    for (size_t n = 2'000; n > 0; n /= 2) {
      snapshot = engine_.Snapshot(n);
      if (snapshot.size() <= kMaxSnapshot / 2) break;
    }
    Arena arena;
    batch.Put(kState, "windows",
              ToJson(MapBuilder(arena)
                         .Add("received", Value::String(arena, std::to_string(progress_us_)))
                         .Add("engine", Value::String(snapshot))
                         .Finish()));
    for (const auto& [id, hits] : engine_.TakeSuppressed()) {
      auto record = state_.Get(kSuppressions, id);
      if (!record || !*record) continue;
      auto v = ParseJson((*record)->body, arena);
      if (!v) continue;
      MapBuilder map(arena);
      for (const auto& [key, value] : v->entries()) map.Add(key, value);
      map.Add("hits", Value::Int((*v)["hits"].ToInt().value_or(0) + static_cast<int64_t>(hits)));
      batch.Put(kSuppressions, id, ToJson(map.Finish()));
    }
    stored_at_ = std::chrono::steady_clock::now();
    dirty_ = false;
  }
  // A store that is full or slow for a moment is waited for: the queue before us is bounded.
  for (int attempt = 0;; ++attempt) {
    auto raised = alerts_.Raise(verdicts, batch);
    if (raised) return true;
    if (attempt == 5) {
      lost_metric_.Add(verdicts.size());
      Log(Level::kError, "detection.alerts.lost",
          {{"alerts", verdicts.size()}, {"error", raised.error()}});
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100) * (1 << attempt));
  }
}

void Detection::Tick(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(ticker_mutex_);
      ticker_wake_.wait_for(lock, stop, options_.tick, [] { return false; });
    }
    if (stop.stop_requested()) return;
    std::lock_guard lock(mutex_);
    std::vector<detect::Match> matches;
    engine_.Tick(NowUs(), started_us_, ready_, matches);
    bool windows = dirty_ && std::chrono::steady_clock::now() - stored_at_ >= options_.checkpoint;
    if (!matches.empty() || windows) Commit(matches, windows);
  }
}

void Detection::Stop() {
  ticker_.request_stop();
  if (ticker_.joinable()) ticker_.join();
  if (!subscription_) return;
  subscription_.reset();
  std::lock_guard lock(mutex_);
  std::vector<detect::Match> none;
  Commit(none, true);
}

void Detection::Settle() {
  pipeline_.Flush();
  while (subscription_ && subscription_->queued() > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::lock_guard lock(mutex_);
}

Detection::RuleView Detection::View(const detect::EventRule& rule) {
  std::lock_guard lock(mutex_);
  return {engine_.Enabled(rule), engine_.SeverityOf(rule), std::nullopt, engine_.CountsOf(rule)};
}

Result<> Detection::Change(std::string_view rule, const detect::RuleSettings& settings) {
  if (rules_->Find(rule) == nullptr) {
    return Error(Code::kNotFound, "rules.none", "there is no such rule");
  }
  Arena arena;
  MapBuilder record(arena);
  record.Add("id", Value::String(rule));
  if (settings.enabled) record.Add("enabled", Value::Bool(*settings.enabled));
  if (settings.severity) record.Add("severity", Value::String(SeverityName(*settings.severity)));
  if (settings.learn_us) record.Add("learnUs", Value::Int(*settings.learn_us));
  store::Batch batch;
  batch.Put(kSettings, rule, ToJson(record.Finish()));
  BW_TRY(state_.Commit(batch));
  std::lock_guard lock(mutex_);
  engine_.SetSettings(std::string(rule), settings);
  return Ok{};
}

Result<Detection::Trial> Detection::Try(const std::shared_ptr<const detect::EventRule>& rule,
                                        int64_t since_us, const store::Query& visible,
                                        uint64_t limit) {
  Trial trial;
  detect::RuleEngine engine(std::make_shared<const detect::RuleSet>(), options_.limits);
  engine.Add(rule);
  // A rule that is switched off is tried all the same.
  engine.SetSettings(rule->id, {.enabled = true, .learn_us = 0});
  store::EventQuery query;
  std::vector<store::Query> parts = {visible, store::Query::AnyOf("kind", rule->sources)};
  if (!rule->verbs.empty()) parts.push_back(store::Query::AnyOf("verb", rule->verbs));
  query.filter = store::Query::And(std::move(parts));
  query.since_us = since_us;
  query.oldest_first = true;
  query.limit = 1000;
  do {
    store::EventPage page = BW_TRY(events_.Search(query));
    for (const Event& event : page.events) {
      std::vector<detect::Match> matches;
      engine.Evaluate(event, matches);
      ++trial.events;
      trial.matches += matches.size();
      for (detect::Match& match : matches) {
        match.event = nullptr;
        if (trial.first.size() < 100) trial.first.push_back(std::move(match));
      }
    }
    query.cursor = page.next;
    if (trial.events >= limit && !query.cursor.empty()) {
      trial.all = false;
      break;
    }
  } while (!query.cursor.empty());
  const auto& counts = engine.CountsOf(*rule);
  trial.errors = counts.errors;
  trial.error = counts.last_error;
  return trial;
}

}  // namespace bulwark::audit
