#pragma once

// Evaluates detection rules (rules.h) on events, one after another, in the order of storing.
//
//   RuleEngine engine(std::make_shared<const RuleSet>(…));
//   std::vector<Match> matches;
//   engine.Evaluate(event, matches);
//
// A rule is asked only about events that its sources, verbs, resources and outcomes pick, which is
// looked up once for each combination of these; most events concern no rule or one.
//
// Memory is bounded (EngineLimits): windows of thresholds by number of groups, the one not touched
// for longest going first; pairs of `firstTime` by number, past which new ones are reported each
// time they come and not remembered. State outlives a restart: Snapshot() and Restore() for windows
// and for when each source was last heard, TakeKnown() and AddKnown() for pairs, whose records its
// user keeps in a store.
//
// Time is the events' own (Event::time_us), so that what comes late counts when it happened.
// Not thread-safe: one thread, or a lock of the user's.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "detect/rules.h"
#include "lang/cel/env.h"
#include "model/event.h"

namespace bulwark::detect {

// A rule's verdict.
struct Match {
  const EventRule* rule = nullptr;
  Severity severity = Severity::kUnknown;  // the rule's, or what settings say
  const Event* event = nullptr;            // that completed it; null for silence
  std::string cluster;
  std::string group;                // the fields' values, joined by " / "; empty ones are "-"
  uint64_t count = 1;               // events that it adds to the alert
  std::vector<std::string> events;  // their ids, the latest 20
  int64_t first_us = 0, last_us = 0;
  MessageArgs args;  // of the event, and its fields
};

// What an operator changes about a rule.
struct RuleSettings {
  std::optional<bool> enabled;
  std::optional<Severity> severity;
  std::optional<int64_t> learn_us;  // of firstTime
};

// Events that shall not count, for a reason. All of `match` must fit (globs; * takes anything).
struct Suppression {
  std::string id;
  std::string rule;  // "*": any
  std::vector<std::pair<EventField, std::string>> match;
  int64_t expires_us = 0;  // 0: never
  bool Covers(const EventRule& rule, const Event& event, int64_t now_us) const;
};

struct EngineLimits {
  size_t max_windows = 10'000;       // a rule
  size_t max_known = 500'000;        // over all rules
  size_t max_combinations = 20'000;  // of kind, verb, resource and outcome, remembered
};

class RuleEngine {
 public:
  RuleEngine(std::shared_ptr<const RuleSet> rules, EngineLimits limits = {});
  ~RuleEngine();
  RuleEngine(RuleEngine&&) noexcept;

  void SetSettings(const std::string& rule, RuleSettings settings);
  bool Enabled(const EventRule& rule) const;
  Severity SeverityOf(const EventRule& rule) const;
  void SetSuppressions(std::vector<Suppression> suppressions);
  // A rule beside those of the set (a trial), evaluated as they are.
  void Add(std::shared_ptr<const EventRule> rule);

  // Appends what the event completes.
  void Evaluate(const Event& event, std::vector<Match>& out);
  // Sources that have been silent for too long: one match each, until they are heard again. Silence
  // counts from `not_before_us` at the earliest, and for clusters of which `ready` holds.
  void Tick(int64_t now_us, int64_t not_before_us,
            const std::function<bool(std::string_view cluster)>& ready, std::vector<Match>& out);

  // Windows and last-heard times as JSON; of each rule the windows touched last.
  std::string Snapshot(size_t max_windows) const;
  // What it does not understand is passed over: a state that is lost costs a late alert.
  void Restore(std::string_view json);

  // Pairs of firstTime rules.
  struct Known {
    std::string key;  // "<rule>/<hash>"
    std::string rule;
    std::string text;  // the values, for people
    int64_t first_us = 0;
  };
  std::vector<Known> TakeKnown();  // those that are new since the last call
  void AddKnown(const Known& known);

  struct Counts {
    uint64_t evaluated = 0;   // conditions
    uint64_t matched = 0;     // events for which one held
    uint64_t errors = 0;      // conditions that failed
    uint64_t suppressed = 0;  // by suppressions and exceptions
    std::string last_error;
  };
  const Counts& CountsOf(const EventRule& rule) const;
  // By suppression: how many events each has covered since the last call.
  std::vector<std::pair<std::string, uint64_t>> TakeSuppressed();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The values of the rule's `group`, as Match::group has them.
std::string GroupOf(const EventRule& rule, const Event& event);

}  // namespace bulwark::detect
