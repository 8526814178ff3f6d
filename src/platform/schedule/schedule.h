#pragma once

// What happens at times: jobs of features, by cron expression (base/time.h) in a zone, each run on
// a thread of the scheduler; one job never runs twice at once. Schedules that people make are
// records of the collection "schedules" {name, feature, cron, timeZone, cluster, enabled, lastRun,
// nextRun, lastResult}; a feature registers what its name means. A run missed while the server was
// down is made up for once. Thread-safe.

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "platform/store/state_store.h"

namespace bulwark {

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
  // Work of the server itself, every so often ("@every 10m"); not in the collection.
  void Every(std::string name, std::string cron, std::function<void(std::stop_token)> work);
  Result<> Start();
  void Stop();
  // Runs it now, beside its times; does not wait.
  Result<> Trigger(std::string_view schedule);
  // After its record was written or deleted.
  void Changed(std::string_view schedule);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bulwark
