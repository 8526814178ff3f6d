#include "platform/schedule/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/random.h"
#include "formats/json.h"
#include "platform/schedule/zoned_cron.h"

namespace bulwark {

using schedule::ZonedCron;

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr size_t kWorkers = 4;
constexpr size_t kMaxSchedules = 1000;
constexpr size_t kMaxTextBytes = 1000;
constexpr std::string_view kCollection = "schedules";
// Clocks are set and machines sleep: however far away the next run is, look again.
constexpr milliseconds kLook{1000};

const store::Collection& ScheduleCollection() {
  using store::ColumnType;
  static const store::Collection collection{
      .name = std::string(kCollection),
      .version = 1,
      .columns =
          {
              {.name = "name", .path = "name", .indexed = true, .full_text = true},
              {.name = "feature", .path = "feature"},
              {.name = "cluster", .path = "cluster", .indexed = true},
              {.name = "ns", .path = "namespace"},
              {.name = "cron", .path = "cron"},
              {.name = "timezone", .path = "timeZone"},
              {.name = "enabled", .path = "enabled", .type = ColumnType::kBool},
              {.name = "lastrun", .path = "lastRun", .type = ColumnType::kTime},
              {.name = "nextrun", .path = "nextRun", .type = ColumnType::kTime},
              {.name = "ok", .path = "lastResult.ok", .type = ColumnType::kBool},
          },
      .default_sort = "name",
  };
  return collection;
}

// A record with these fields instead of its own; "" takes one away.
std::string With(std::string_view body,
                 const std::vector<std::pair<std::string_view, std::string>>& fields) {
  Arena arena;
  auto old = ParseJson(body, arena, {.borrow_text = true});
  MapBuilder out(arena);
  if (old) {
    for (const auto& [key, value] : old->entries()) {
      bool replaced = std::any_of(fields.begin(), fields.end(), [&](const auto& field) {
        return key == Value::String(field.first);
      });
      if (!replaced) out.Add(key, value);
    }
  }
  for (const auto& [key, json] : fields) {
    if (json.empty()) continue;
    if (auto value = ParseJson(json, arena)) out.Add(key, *value);
  }
  return ToJson(out.Finish());
}

std::string JsonText(std::string_view text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

}  // namespace

struct Scheduler::State {
  State(store::StateStore& s, std::function<Timestamp()> n) : store(s), now(std::move(n)) {}

  // A schedule, or work of the server's own.
  struct Entry {
    std::optional<ZonedCron> cron;  // nothing: disabled, or not to be read
    std::string feature, cluster, spelled;
    std::function<void(std::stop_token)> work;  // of the server's own
    std::optional<Timestamp> next;
    bool queued = false, running = false;
  };

  store::StateStore& store;
  const std::function<Timestamp()> now;
  std::map<std::string, Job> jobs;

  std::mutex mutex;
  std::condition_variable_any changed;
  std::map<std::string, Entry, std::less<>> entries;  // own work has a name with a leading "/"
  std::deque<std::string> due;
  std::set<std::string> stale;  // their records are to be read again
  bool running = false;
  std::stop_source stop;
  std::vector<std::jthread> threads;
  std::mutex record_mutex;  // one change of a record at a time

  // --- Records -----------------------------------------------------------------------------------

  Result<> Update(const std::string& key,
                  const std::vector<std::pair<std::string_view, std::string>>& fields) {
    std::lock_guard lock(record_mutex);
    for (int attempt = 0;; ++attempt) {
      auto record = BW_TRY(store.Get(kCollection, key));
      if (!record) return Ok();  // deleted meanwhile
      store::Batch batch;
      batch.Put(kCollection, key, With(record->body, fields), record->revision);
      auto done = store.Commit(batch);
      if (done) return Ok();
      if (done.error().code() != Code::kExists || attempt == 5) return std::move(done).error();
    }
  }

  void SaveNext(const std::string& key, std::optional<Timestamp> next) {
    auto done = Update(key, {{"nextRun", next ? JsonText(FormatRfc3339(*next)) : ""}});
    if (!done) Log(Level::kWarn, "schedule.save_failed", {{"error", done.error()}});
  }

  // What a record says, now. With the mutex not held.
  void Load(const std::string& key, std::string_view body) {
    Arena arena;
    auto record = ParseJson(body, arena, {.borrow_text = true});
    if (!record) return;
    Entry fresh;
    fresh.feature = record->StringAt("feature");
    fresh.cluster = record->StringAt("cluster");
    fresh.spelled = fmt::format("{}\n{}", record->StringAt("cron"), record->StringAt("timeZone"));
    std::string next_text(record->StringAt("nextRun"));
    bool write = false;
    auto cron = ZonedCron::Parse(record->StringAt("cron"), record->StringAt("timeZone"));
    if (!cron) {
      Log(Level::kWarn, "schedule.unreadable", {{"schedule", key}, {"error", cron.error()}});
    } else if (!(*record)["enabled"].IsFalse()) {
      fresh.cron = *std::move(cron);
      // What was due while nobody was here is due now.
      if (auto at = ParseRfc3339(next_text)) {
        fresh.next = *at;
      } else {
        fresh.next = fresh.cron->Next(now());
        write = true;
      }
    }
    if (!fresh.next && !next_text.empty()) write = true;
    std::optional<Timestamp> next = fresh.next;
    {
      std::lock_guard lock(mutex);
      auto [at, is_new] = entries.try_emplace(key);
      // A next run that could not be written is later than the record's.
      if (fresh.next && at->second.next && at->second.spelled == fresh.spelled) {
        fresh.next = std::max(*fresh.next, *at->second.next);
      }
      fresh.queued = at->second.queued;
      fresh.running = at->second.running;
      at->second = std::move(fresh);
    }
    if (write && next_text != (next ? FormatRfc3339(*next) : "")) SaveNext(key, next);
  }

  void Reload(const std::string& key) {
    if (key.empty() || key.front() == '/') return;
    auto record = store.Get(kCollection, key);
    if (!record) {
      Log(Level::kWarn, "schedule.read_failed", {{"error", record.error()}});
      return;
    }
    if (*record) return Load(key, (*record)->body);
    std::lock_guard lock(mutex);
    auto at = entries.find(key);
    if (at == entries.end()) return;
    if (at->second.queued || at->second.running) {
      at->second.cron.reset();
      at->second.next.reset();
    } else {
      entries.erase(at);
    }
  }

  // --- Threads -----------------------------------------------------------------------------------

  void Dispatch(const std::stop_token& token) {
    std::unique_lock lock(mutex);
    while (!token.stop_requested()) {
      while (!stale.empty()) {
        std::string key = *stale.begin();
        stale.erase(stale.begin());
        lock.unlock();
        Reload(key);
        lock.lock();
      }
      const Timestamp at = now();
      milliseconds wait = kLook;
      std::vector<std::pair<std::string, std::optional<Timestamp>>> moved;
      for (auto& [key, entry] : entries) {
        if (!entry.next) continue;
        if (*entry.next > at) {
          auto left = std::chrono::ceil<milliseconds>(*entry.next - at);
          wait = std::clamp(left, milliseconds(1), wait);
          continue;
        }
        // However many were missed: one run, and then the next to come.
        entry.next = entry.cron ? entry.cron->Next(at) : std::nullopt;
        if (!entry.work) moved.emplace_back(key, entry.next);
        if (entry.queued || entry.running) continue;  // never twice at once
        entry.queued = true;
        due.push_back(key);
        changed.notify_all();
      }
      if (!moved.empty()) {
        lock.unlock();
        for (const auto& [key, next] : moved) SaveNext(key, next);
        lock.lock();
        continue;
      }
      if (stale.empty()) {
        changed.wait_for(lock, token, wait, [&] { return !stale.empty(); });
      }
    }
  }

  void Work(const std::stop_token& token) {
    std::unique_lock lock(mutex);
    while (!token.stop_requested()) {
      changed.wait(lock, token, [&] { return !due.empty(); });
      if (token.stop_requested() || due.empty()) break;
      const std::string key = due.front();
      due.pop_front();
      auto at = entries.find(key);
      if (at == entries.end()) continue;
      at->second.queued = false;
      at->second.running = true;
      auto work = at->second.work;
      const std::string feature = at->second.feature, cluster = at->second.cluster;
      lock.unlock();
      if (work) {
        work(token);
      } else {
        RunJob(key, feature, cluster, token);
      }
      lock.lock();
      at = entries.find(key);
      if (at == entries.end()) continue;
      at->second.running = false;
      if (!at->second.work) stale.insert(key);  // perhaps deleted while it ran
      changed.notify_all();
    }
  }

  void RunJob(const std::string& key, const std::string& feature, const std::string& cluster,
              const std::stop_token& token) {
    auto job = jobs.find(feature);
    const Timestamp start = now();
    auto begun = Clock::now();
    Result<std::string> outcome =
        job == jobs.end() ? Error(Code::kUnsupported, "schedule.feature",
                                  fmt::format("nothing here knows how to run {}", Quote(feature)),
                                  {{"feature", feature}})
                          : job->second({.schedule = key, .cluster = cluster, .stop = token});
    auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - begun);
    std::string text = outcome ? *outcome : outcome.error().ToString();
    if (text.size() > kMaxTextBytes) text = ToValidUtf8(text.substr(0, kMaxTextBytes));
    std::string result =
        fmt::format(R"({{"ok":{},"text":{},"milliseconds":{})", outcome.has_value(),
                    JsonText(ToValidUtf8(text)), took.count());
    if (!outcome) {
      Log(Level::kWarn, "schedule.run_failed", {{"schedule", key}, {"error", outcome.error()}});
      result += fmt::format(R"(,"error":{})", JsonText(outcome.error().id()));
    }
    std::vector<std::pair<std::string_view, std::string>> fields = {
        {"lastRun", JsonText(FormatRfc3339(start))}, {"lastResult", result + "}"}};
    {
      // With the time to come, so that no reader sees a run beside the time that it was due.
      std::lock_guard lock(mutex);
      auto at = entries.find(key);
      if (at != entries.end() && at->second.next)
        fields.emplace_back("nextRun", JsonText(FormatRfc3339(*at->second.next)));
    }
    auto saved = Update(key, fields);
    if (!saved) Log(Level::kWarn, "schedule.save_failed", {{"error", saved.error()}});
  }
};

Scheduler::Scheduler(store::StateStore& state, std::function<Timestamp()> now)
    : state_(std::make_unique<State>(state, std::move(now))) {}

Scheduler::~Scheduler() { Stop(); }

void Scheduler::Register(std::string feature, Job job) {
  BW_CHECK(!state_->running);
  state_->jobs.insert_or_assign(std::move(feature), std::move(job));
}

std::vector<std::string> Scheduler::Features() const {
  std::vector<std::string> out;
  for (const auto& [name, job] : state_->jobs) out.push_back(name);
  return out;
}

void Scheduler::Every(std::string_view name, std::string_view cron,
                      std::function<void(std::stop_token)> work) {
  auto parsed = ZonedCron::Parse(cron, "");
  BW_CHECK(parsed.has_value());
  std::lock_guard lock(state_->mutex);
  State::Entry& entry = state_->entries["/" + std::string(name)];
  entry.cron = *std::move(parsed);
  entry.next = entry.cron->Next(state_->now());
  entry.work = std::move(work);
}

Result<> Scheduler::Start() {
  State& s = *state_;
  BW_TRY(s.store.Define(ScheduleCollection()));
  std::vector<store::Record> records;
  BW_TRY(s.store.Scan(kCollection, store::Query::All(), [&](const store::Record& r) -> Result<> {
    records.push_back(r);
    return Ok();
  }));
  for (const store::Record& r : records) s.Load(r.key, r.body);
  std::lock_guard lock(s.mutex);
  s.running = true;
  s.stop = {};
  std::stop_token token = s.stop.get_token();
  s.threads.emplace_back([&s, token] { s.Dispatch(token); });
  for (size_t i = 0; i < kWorkers; ++i) s.threads.emplace_back([&s, token] { s.Work(token); });
  return Ok();
}

void Scheduler::Stop() {
  State& s = *state_;
  std::vector<std::jthread> threads;
  {
    std::lock_guard lock(s.mutex);
    s.running = false;
    threads = std::exchange(s.threads, {});
  }
  s.stop.request_stop();
  threads.clear();  // joins
  std::lock_guard lock(s.mutex);
  s.due.clear();
  for (auto& [key, entry] : s.entries) entry.queued = entry.running = false;
}

Result<std::string> Scheduler::Put(Schedule schedule, std::optional<uint64_t> expect) {
  State& s = *state_;
  if (schedule.name.empty() || schedule.name.size() > 128 || !IsUtf8(schedule.name)) {
    return Error(Code::kInvalid, "schedule.name", "a schedule's name has 1 to 128 bytes");
  }
  if (!s.jobs.contains(schedule.feature)) {
    std::string known;
    for (const auto& [name, job] : s.jobs) known += (known.empty() ? "" : ", ") + name;
    return Error(Code::kInvalid, "schedule.unknown_feature",
                 fmt::format("no feature {} can be scheduled; there are: {}",
                             Quote(schedule.feature), known),
                 {{"feature", schedule.feature}, {"known", known}});
  }
  ZonedCron cron = BW_TRY(ZonedCron::Parse(schedule.cron, schedule.time_zone));
  std::optional<Timestamp> next;
  if (schedule.enabled) next = cron.Next(s.now());
  const bool is_new = schedule.id.empty();
  if (is_new) {
    if (BW_TRY(s.store.Count(kCollection, store::Query::All())) >= kMaxSchedules) {
      return Error(Code::kLimit, "schedule.too_many",
                   fmt::format("at most {} schedules can be made", kMaxSchedules),
                   {{"limit", std::to_string(kMaxSchedules)}});
    }
    schedule.id = HexEncode(crypto::RandomBytes(8));
  }
  {
    std::lock_guard lock(s.record_mutex);
    auto old = BW_TRY(s.store.Get(kCollection, schedule.id));
    if (!is_new && !old) {
      return Error(Code::kNotFound, "schedule.no_schedule",
                   fmt::format("no schedule {}", Quote(schedule.id)), {{"schedule", schedule.id}});
    }
    store::Batch batch;
    batch.Put(
        kCollection, schedule.id,
        With(old ? old->body : "{}", {{"id", JsonText(schedule.id)},
                                      {"name", JsonText(schedule.name)},
                                      {"feature", JsonText(schedule.feature)},
                                      {"cron", JsonText(schedule.cron)},
                                      {"timeZone", JsonText(schedule.time_zone)},
                                      {"cluster", JsonText(schedule.cluster)},
                                      {"enabled", schedule.enabled ? "true" : "false"},
                                      {"nextRun", next ? JsonText(FormatRfc3339(*next)) : ""}}),
        is_new ? std::optional<uint64_t>(0) : expect);
    BW_TRY(s.store.Commit(batch));
  }
  Changed(schedule.id);
  return schedule.id;
}

Result<> Scheduler::Delete(std::string_view schedule) {
  State& s = *state_;
  const std::string key(schedule);
  {
    std::lock_guard lock(s.record_mutex);
    if (!BW_TRY(s.store.Get(kCollection, key))) {
      return Error(Code::kNotFound, "schedule.no_schedule",
                   fmt::format("no schedule {}", Quote(schedule)), {{"schedule", key}});
    }
    store::Batch batch;
    batch.Delete(kCollection, key);
    BW_TRY(s.store.Commit(batch));
  }
  Changed(schedule);
  return Ok();
}

Result<> Scheduler::Trigger(std::string_view schedule) {
  State& s = *state_;
  const std::string key(schedule);
  // The record may be newer than what the threads know.
  if (key.empty() || key.front() == '/' || !BW_TRY(s.store.Get(kCollection, key))) {
    return Error(Code::kNotFound, "schedule.no_schedule",
                 fmt::format("no schedule {}", Quote(schedule)), {{"schedule", key}});
  }
  s.Reload(key);
  std::lock_guard lock(s.mutex);
  if (!s.running) {
    return Error(Code::kUnavailable, "schedule.stopped", "the scheduler does not run");
  }
  auto at = s.entries.find(key);
  if (at == s.entries.end()) {
    return Error(Code::kNotFound, "schedule.no_schedule",
                 fmt::format("no schedule {}", Quote(schedule)), {{"schedule", key}});
  }
  if (at->second.queued || at->second.running) {
    return Error(Code::kExists, "schedule.running", "it is running already", {{"schedule", key}});
  }
  at->second.queued = true;
  s.due.push_back(key);
  s.changed.notify_all();
  return Ok();
}

void Scheduler::Changed(std::string_view schedule) {
  State& s = *state_;
  std::lock_guard lock(s.mutex);
  s.stale.insert(std::string(schedule));
  s.changed.notify_all();
}

}  // namespace bulwark
