#pragma once

// What happened: events (model/event.h), appended for ever, searched by fields and full text,
// counted over time, forgotten by age and size. Words are found as a reader of Chinese or English
// expects: see tokenizer.h.
//
// Acknowledged is durable, as in state_store.h, with the same errors. Thread-safety: all members
// from any thread.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/event.h"
#include "platform/store/query.h"

namespace bulwark::store {

// The fields of an event in queries: kind verb outcome severity user ip agent resource group
// targetkind ns name cluster node pod image process rule message time, and full text over message
// arguments and body.
const std::vector<Field>& EventFields();

struct AppendOutcome {
  uint64_t stored = 0, duplicates = 0;
};

struct EventQuery {
  Query filter;
  std::optional<int64_t> since_us, until_us;  // [since, until)
  std::string cursor;
  int limit = 50;             // 1..1000
  bool oldest_first = false;  // else the newest
  bool bodies = true;         // Event::body too
};

struct EventPage {
  std::vector<Event> events;
  std::string next;
};

struct Bucket {
  int64_t start_us = 0;
  uint64_t count = 0;
};

// How long events of a kind are kept, and how much of them.
struct Retention {
  std::string kind;         // "*": all that no other names
  int64_t max_age_us = 0;   // 0: for ever
  uint64_t max_events = 0;  // 0: any number
};

class EventStore {
 public:
  virtual ~EventStore() = default;

  virtual Result<AppendOutcome> Append(std::span<const Event> events) = 0;
  virtual Result<std::optional<Event>> Get(std::string_view id) = 0;
  virtual Result<EventPage> Search(const EventQuery& query) = 0;
  // Counts in buckets of `step_us` from since to until (both needed; at most 2,000 buckets), empty
  // ones included; from rollups where the filter allows it.
  virtual Result<std::vector<Bucket>> Histogram(const EventQuery& query, int64_t step_us) = 0;
  // The most frequent values of a field.
  virtual Result<std::vector<std::pair<std::string, uint64_t>>> Top(const EventQuery& query,
                                                                    std::string_view field,
                                                                    int limit) = 0;
  // Exact up to `at_most`, where counting stops.
  virtual Result<uint64_t> Count(const EventQuery& query, uint64_t at_most = 100'000) = 0;

  // Drops what is older or more than it may be, the oldest first, in short steps, and then what the
  // size limit asks for. How many events went, by kind.
  virtual Result<std::map<std::string, uint64_t>> Expire(std::span<const Retention> retention,
                                                         uint64_t max_bytes, int64_t now_us) = 0;
  virtual Result<> Backup(const std::string& file) = 0;

  struct Stats {
    uint64_t events = 0, bytes = 0;
    int64_t oldest_us = 0, newest_us = 0;
  };
  virtual Result<Stats> Statistics() = 0;
};

}  // namespace bulwark::store
