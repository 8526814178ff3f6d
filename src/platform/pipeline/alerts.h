#pragma once

// Alerts as records (model/alert.h): what rules found, grouped and counted, and what people did
// about it. One alert for each rule, cluster and group, for ever: it is opened, acknowledged,
// resolved, and opened again when it happens again, with its history.
//
//   alerts.Raise(verdicts, {.also = more});     // counts and events of one batch, in one commit
//   alerts.Acknowledge(id, {.by = "user:alice", .comment = "looking"});
//
// Every change of state is an event of kind "alert" (verb opened, reopened, acknowledged, resolved,
// commented, assigned; user: who did it), which notifiers and sinks read; counts that only grow are
// not. Groups are made of what strangers send, so their number is bounded: past `max_per_rule` that
// are not resolved, further ones of that rule are counted together in the group "*".
//
// Errors beside those of the store: alerts.none (kNotFound), alerts.state (kExists: not in that
// state), alerts.limit (kLimit). Thread-safe.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "model/alert.h"
#include "model/catalog.h"
#include "platform/pipeline/pipeline.h"
#include "platform/store/state_store.h"

namespace bulwark {

// What a rule says of some events that belong to one alert.
struct Verdict {
  std::string rule, group;
  Severity severity = Severity::kUnknown;
  Asset target;  // its cluster is the alert's
  std::string user, source_ip, node, pod, image;
  std::string message;  // message id
  MessageArgs args;
  uint64_t count = 1;
  int64_t first_us = 0, last_us = 0;
  std::vector<std::string> events;  // ids
  std::vector<std::string> mitre;
};

struct AlertOptions {
  size_t max_per_rule = 1'000;
  size_t max_comments = 200;
  size_t max_comment_bytes = 4'096;
};

class Alerts {
 public:
  static constexpr std::string_view kCollection = "alerts";

  // Adds its messages to the catalogue.
  Alerts(store::StateStore& state, Pipeline& pipeline, Catalog& catalog, Metrics& metrics,
         AlertOptions options = {});
  // Defines the collection; before anything else.
  Result<> Open();

  // Told of each record that was written, from the thread that did it.
  struct Change {
    std::string id, cluster, ns, state;
    bool opened = false;  // or reopened
  };
  void SetTeller(std::function<void(const Change&)> tell);

  // All of it in one commit, with the changes in `also`. Grows what is there, opens what is not.
  Result<> Raise(std::span<const Verdict> verdicts, store::Batch also = {});

  struct Deed {
    std::string by;  // principal's id
    std::string comment;
    std::optional<uint64_t> expect;  // the record's revision
  };
  // The record as it is afterwards.
  Result<store::Record> Acknowledge(std::string_view id, const Deed& deed);
  Result<store::Record> Resolve(std::string_view id, const Deed& deed, std::string resolution);
  Result<store::Record> Reopen(std::string_view id, const Deed& deed);
  Result<store::Record> Comment(std::string_view id, const Deed& deed);
  Result<store::Record> Assign(std::string_view id, const Deed& deed, std::string assignee);

  static std::string Id(std::string_view rule, std::string_view cluster, std::string_view group);

 private:
  struct Stored;
  using Change1 = std::function<Result<std::string>(Stored&)>;  // the verb of its event
  Result<store::Record> Do(std::string_view id, const Deed& deed, const Change1& change);
  Result<> Grow(const Verdict& verdict, std::map<std::string, Stored>& changed,
                std::vector<Event>& events);
  Result<std::optional<Stored>> Load(std::string_view id);
  Event EventOf(const Stored& alert, std::string verb, std::string by, std::string comment) const;
  void Announce(std::vector<Event> events, std::span<const Change> changes);

  store::StateStore& state_;
  Pipeline& pipeline_;
  const AlertOptions options_;
  Counter& raised_;
  Counter& overflown_;
  std::function<void(const Change&)> tell_;
  std::mutex mutex_;                      // of every read, change and write
  std::map<std::string, size_t> active_;  // by rule: not resolved
};

}  // namespace bulwark
