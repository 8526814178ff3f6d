#pragma once

// What happens at times: jobs of features, by cron expression (base/time.h) in a zone, each run on
// a thread of the scheduler; one job never runs twice at once. Schedules that people make are
// records of the collection "schedules" {id, name, feature, cron, timeZone, cluster, enabled,
// lastRun, nextRun, lastResult: {ok, text, error?, milliseconds}}; a feature registers what its
// name means. A run missed while the server was down is made up for once. Clocks that are moved in
// spring and autumn: zoned_cron.h. Thread-safe.
//
// Errors: schedule.no_schedule (kNotFound), schedule.running (kExists), schedule.feature,
// schedule.zone, schedule.name, time.cron (kInvalid), schedule.stopped (kUnavailable).

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "platform/store/state_store.h"

namespace bulwark {

// What people decide of a schedule.
struct Schedule {
  std::string id;  // given by Put() where it is empty
  std::string name, feature, cron;
  std::string time_zone;  // "Asia/Shanghai"; "" is UTC
  std::string cluster;    // "" all
  bool enabled = true;
};

class Scheduler {
 public:
  struct Run {
    std::string schedule;  // its key
    std::string cluster;   // "" all
    std::stop_token stop;
  };
  // A short text of the outcome, or an error; both are kept in the record.
  using Job = std::function<Result<std::string>(const Run&)>;

  explicit Scheduler(store::StateStore& state, std::function<Timestamp()> now = Now);
  ~Scheduler();

  // Before Start(): what schedules with `feature` do.
  void Register(std::string feature, Job job);
  std::vector<std::string> Features() const;
  // Work of the server itself, every so often ("@every 10m"); not in the collection. A cron that
  // cannot be read is our own bug.
  void Every(std::string_view name, std::string_view cron,
             std::function<void(std::stop_token)> work);
  Result<> Start();
  // Asks what runs to end, and waits for it.
  void Stop();

  // Makes or changes a schedule: its record, with when it runs next. The record's key.
  Result<std::string> Put(Schedule schedule, std::optional<uint64_t> expect = std::nullopt);
  Result<> Delete(std::string_view schedule);
  // Runs it now, beside its times; does not wait.
  Result<> Trigger(std::string_view schedule);
  // After its record was written or deleted by others; also where the clock that was given to the
  // constructor was moved.
  void Changed(std::string_view schedule);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bulwark
