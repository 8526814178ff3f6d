#pragma once

// The writing half of the SQLite EventStore: where events go, and what is counted of them. One
// thread at a time, inside the transactions of GroupCommit. What it remembers beside the database
// it reads anew after a transaction that failed.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "model/event.h"
#include "platform/store/event_segment.h"
#include "platform/store/event_store.h"
#include "platform/store/sqlite.h"
#include "platform/store/sqlite_event_store.h"

namespace bulwark::store {

// What is known of all segments at one commit.
struct Snapshot {
  int64_t generation = 0;                                // raised when segments are dropped
  std::vector<std::shared_ptr<const Segment>> segments;  // by id
};

// An event made ready outside of the transaction.
struct PreparedEvent {
  Event event;  // valid UTF-8, bounded
  uint64_t hash = 0;
  std::string text;
  std::string payload;
};

uint64_t IdHash(std::string_view id);
// 32 hex digits as 16 bytes; other ids after a mark.
std::string PackId(std::string_view id);
std::string UnpackId(std::string_view bytes);

class EventWriter {
 public:
  EventWriter(Connection& writer, const SqliteEventOptions& options);
  ~EventWriter();

  static std::vector<std::string> SchemaSteps();

  // After anything has failed, before the next work.
  void Forget() { loaded_ = false; }
  // All or nothing only together with the transaction.
  Result<AppendOutcome> Append(std::vector<PreparedEvent>& events, int64_t now_us);
  // Drops a segment as a whole, its tables in this transaction, unless it has a row as new as
  // `before_us`: it may have got some since the snapshot that made somebody want to drop it. How
  // many rows went; none where there is no such segment.
  Result<int64_t> Drop(int64_t segment, int64_t before_us);
  // Removes up to `limit` of the segment's rows that are older than `before_us`, the oldest first.
  // How many went.
  Result<int64_t> Trim(int64_t segment, int64_t before_us, int64_t limit);
  // The time of the row that comes after the `count` oldest ones.
  Result<int64_t> TimeAfter(int64_t segment, int64_t count);
  Result<Snapshot> Current();

 private:
  struct Open;
  struct Counts;

  Result<> Load();
  Result<Open*> OpenFor(const std::string& kind, int lane, int64_t time_us);
  Result<Open*> MakeSegment(const std::string& kind, int lane);
  Result<> Seal(Open& open);
  Result<bool> IsKnown(const PreparedEvent& event);
  Result<bool> HasId(const Segment& segment, uint64_t hash, std::string_view id);
  Result<int64_t> Code(Open& open, int key, const std::string& text);
  Result<> Flush(Counts& counts);
  Result<> Store(Open& open);

  Connection& writer_;
  const SqliteEventOptions& options_;
  bool loaded_ = false;
  int64_t generation_ = 0;
  int64_t next_segment_ = 1;
  std::map<int64_t, std::shared_ptr<const Segment>> segments_;
  // By kind and lane.
  std::map<std::pair<std::string, int>, std::unique_ptr<Open>> open_;
};

}  // namespace bulwark::store
