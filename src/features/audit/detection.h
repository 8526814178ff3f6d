#pragma once

// Rules on the events of a running server: subscribes to the pipeline, evaluates every event,
// raises alerts, and keeps what the rules remember.
//
// What survives a crash: the engine's windows are stored every `checkpoint` and at the end, pairs
// of firstTime rules with the alerts of their batch, and how far events were evaluated with every
// alert. A start reads the events that came since (Event::received_us, pipeline.h), so that nothing
// is missed or counted twice; at most `max_replay` of the latest.
//
// Collections: "detection" (keys progress, windows), "known" (pairs), "rulesettings" (what people
// changed of rules: {id, enabled, severity, learn}), "suppressions" ({id, rule, match:{field:
// glob}, reason, by, at, expires, hits, alert}). Thread-safe.

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "detect/rules_engine.h"
#include "platform/pipeline/alerts.h"
#include "platform/pipeline/pipeline.h"
#include "platform/store/event_store.h"
#include "platform/store/state_store.h"

namespace bulwark::audit {

struct DetectionOptions {
  std::chrono::milliseconds checkpoint = std::chrono::seconds(10);
  std::chrono::milliseconds tick = std::chrono::seconds(30);  // looks for silence
  uint64_t max_replay = 200'000;
  std::chrono::minutes replay_slack{10};  // events that came late, when looking for them by time
  size_t queue_events = 50'000;
  detect::EngineLimits limits;
};

class Detection {
 public:
  // `ready`: whether a cluster answers, for rules of silence.
  Detection(store::StateStore& state, store::EventStore& events, Pipeline& pipeline, Alerts& alerts,
            Metrics& metrics, std::shared_ptr<const detect::RuleSet> rules,
            std::function<bool(std::string_view cluster)> ready, DetectionOptions options = {});
  ~Detection();

  // Defines the collections.
  Result<> Open();
  Result<> Start();
  void Stop();

  const detect::RuleSet& rules() const { return *rules_; }
  // A rule as it is used now, with its counts since the start.
  struct RuleView {
    bool enabled = false;
    Severity severity = Severity::kUnknown;
    std::optional<int64_t> learn_us;
    detect::RuleEngine::Counts counts;
  };
  RuleView View(const detect::EventRule& rule);
  // rules.none (kNotFound).
  Result<> Change(std::string_view rule, const detect::RuleSettings& settings);

  // A suppression's record was written or deleted.
  Result<> ReloadSuppressions();

  // What a rule would have said of stored events, the oldest first; nothing is kept.
  struct Trial {
    uint64_t events = 0, matches = 0;
    std::vector<detect::Match> first;  // without their events; at most 100
    std::string error;                 // of a condition that failed, and how often
    uint64_t errors = 0;
    bool all = true;  // false: there were more events than `limit`
  };
  Result<Trial> Try(const std::shared_ptr<const detect::EventRule>& rule, int64_t since_us,
                    const store::Query& visible, uint64_t limit);

  // Until all that was published before is evaluated. For tests.
  void Settle();

 private:
  void OnEvents(std::span<const Event> events);
  Result<> Load();
  Result<> Replay(int64_t windows_us, int64_t until_us);
  void Evaluate(const Event& event, std::vector<detect::Match>& matches);
  // Commits what came of a batch. False if it could not be stored.
  bool Commit(std::vector<detect::Match>& matches, bool windows);
  void Tick(const std::stop_token& stop);

  store::StateStore& state_;
  store::EventStore& events_;
  Pipeline& pipeline_;
  Alerts& alerts_;
  const std::shared_ptr<const detect::RuleSet> rules_;
  const std::function<bool(std::string_view)> ready_;
  const DetectionOptions options_;
  Counter& evaluated_metric_;
  Counter& matched_metric_;
  Counter& lost_metric_;
  Histogram& lag_metric_;

  std::mutex mutex_;  // of all below
  detect::RuleEngine engine_;
  int64_t progress_us_ = 0;                   // received_us of the last batch evaluated
  int64_t replayed_until_us_ = 0;             // of the replay
  std::unordered_set<std::string> replayed_;  // ids, until events after it come
  int64_t started_us_ = 0;
  bool dirty_ = false;  // windows changed since they were stored
  std::chrono::steady_clock::time_point stored_at_;

  std::unique_ptr<Pipeline::Subscription> subscription_;
  std::jthread ticker_;
  std::mutex ticker_mutex_;
  std::condition_variable_any ticker_wake_;
};

// What an alert says of a match.
Verdict VerdictOf(const detect::Match& match);

}  // namespace bulwark::audit
