#pragma once

// What happened: events (model/event.h), appended for ever, searched by fields and full text,
// counted over time, forgotten by age and size. Words are found as a reader of Chinese or English
// expects: see tokenizer.h.
//
// Acknowledged is durable, as in state_store.h, with the same errors; a batch is stored as a whole
// or not at all, and may be sent again. Limits: an event has an id of at most 128 bytes, a kind of
// at most 64 (64 kinds in all), and 1 MiB of arguments and body (store.limit); its other keys are
// cut after 1,024 bytes. Malformed UTF-8 becomes U+FFFD.
//
// Pages do not shift while events arrive: a cursor is a place in the order of time (and of arrival,
// among equal times); what comes later with an older time shows in the pages that are still to
// come.
//
// Thread-safety: all members from any thread; reads wait for no writes.

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

// What bare words of a query are looked for in: the values of the message's arguments and of the
// body (not its keys, nor timestamps), and the keys of the event, a line each; each value once, at
// most 16 KiB in all.
std::string EventText(const Event& event);

// An event as Matches() asks it; it must outlive this.
class EventSubject : public QuerySubject {
 public:
  explicit EventSubject(const Event& event) : event_(event) {}
  ColumnType Values(std::string_view field, std::vector<FieldValue>& values) const override;
  std::string FullText() const override { return EventText(event_); }

 private:
  const Event& event_;
};

// A step of a round length (1 s … 7 d) that cuts the span into at most that many buckets. With
// `since` rounded down to it, histograms are answered from rollups.
int64_t HistogramStep(int64_t span_us, int buckets);

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
