#pragma once

// The SQLite EventStore from inside: sqlite_event_store.cc (opening, writing, reading, forgetting)
// and event_counts.cc (counts over time, top values). Private to this folder.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <sys/stat.h>

#include "base/files.h"
#include "platform/store/event_segment.h"
#include "platform/store/event_writer.h"
#include "platform/store/sqlite.h"
#include "platform/store/sqlite_event_store.h"

namespace bulwark::store {

inline constexpr int64_t kMinuteUs = 60'000'000;
inline constexpr int64_t kHourUs = 3600'000'000;

inline int64_t CeilTo(int64_t value, int64_t step) {
  const int64_t rest = ((value % step) + step) % step;
  return rest == 0 ? value : value - rest + step;
}
inline int64_t FloorTo(int64_t value, int64_t step) {
  return value - ((value % step) + step) % step;
}

class SqliteEventStore : public EventStore {
 public:
  static Result<std::unique_ptr<SqliteEventStore>> Open(const std::string& path,
                                                        const SqliteEventOptions& options) {
    std::unique_ptr<SqliteEventStore> store(new SqliteEventStore(options));
    struct stat info{};
    const bool folder = ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    store->file_ = folder ? path + "/events.db" : path;
    Result<> opened = store->Start();
    if (!opened) return std::move(opened).error().While("opening " + store->file_);
    return store;
  }

  Result<AppendOutcome> Append(std::span<const Event> events) override;
  Result<std::optional<Event>> Get(std::string_view id) override;
  Result<EventPage> Search(const EventQuery& query) override;
  Result<std::vector<Bucket>> Histogram(const EventQuery& query, int64_t step_us) override;
  Result<std::vector<std::pair<std::string, uint64_t>>> Top(const EventQuery& query,
                                                            std::string_view field,
                                                            int limit) override;
  Result<uint64_t> Count(const EventQuery& query, uint64_t at_most) override;
  Result<std::map<std::string, uint64_t>> Expire(std::span<const Retention> retention,
                                                 uint64_t max_bytes, int64_t now_us) override;
  Result<> Backup(const std::string& file) override {
    ConnectionPool::Lease reader = BW_TRY(readers_->Take());
    return BackupTo(*reader, file);
  }
  Result<Stats> Statistics() override;

 private:
  explicit SqliteEventStore(const SqliteEventOptions& options) : options_(options) {}

  // A consistent view: the segments that a transaction sees.
  struct Reading {
    ConnectionPool::Lease connection;
    Transaction transaction;
    std::shared_ptr<const Snapshot> snapshot;
  };
  Result<Reading> Read();

  // A query as it stands for all segments: the bounds on time taken out.
  struct Bounds {
    Query filter;
    int64_t since = kNoTimeBelow, until = kNoTimeAbove;
  };
  static Bounds BoundsOf(const EventQuery& query) {
    Bounds out;
    out.since = query.since_us.value_or(kNoTimeBelow);
    out.until = query.until_us.value_or(kNoTimeAbove);
    out.filter = TakeTimeBounds(query.filter, out.since, out.until);
    return out;
  }

  Result<> Start();
  Result<PreparedEvent> Prepare(const Event& event, int64_t dictionary) const;
  // Runs in a transaction of the writer, and shows its outcome to readers.
  Result<> Write(const std::function<Result<>()>& work);
  Result<> Train(const std::string& kind);
  Result<std::string> Unpack(Connection& reader, std::string_view data);
  Result<Event> Load(Connection& reader, const Segment& segment, int64_t seq, bool body);

  // Counts the rows of a segment in [since, until) by bucket of `step` from `origin`; from the
  // rollups where they can tell.
  Result<> CountInto(Connection& reader, const Segment& segment, const Predicate& predicate,
                     int64_t since, int64_t until, int64_t origin, int64_t step,
                     std::vector<uint64_t>& counts);
  // Adds how often each value of a field occurs. `key`: of EventKeys(), or -1 for severity.
  Result<> TopInto(Connection& reader, const Segment& segment, const Predicate& predicate,
                   int64_t since, int64_t until, int key,
                   std::unordered_map<std::string, uint64_t>& counts);
  // Of values that are in too many rows' dictionaries to be added up: for each of the segments, all
  // of which is wanted, only as many of the most frequent as prove what the first `limit` are.
  // False: nothing was proved.
  Result<bool> TopOfWhole(Connection& reader, const std::vector<const Segment*>& segments, int key,
                          size_t limit, std::unordered_map<std::string, uint64_t>& counts);
  Result<> ScanRows(Connection& reader, const Segment& segment, const Predicate& predicate,
                    int64_t since, int64_t until, uint32_t more_keys,
                    const std::function<bool(const Row&)>& each);
  std::function<std::string(int64_t)> TextOf(Connection& reader, const Segment& segment) {
    return [this, &reader, &segment](int64_t seq) {
      Result<Event> event = Load(reader, segment, seq, true);
      return event ? EventText(*event) : std::string();
    };
  }

  SqliteEventOptions options_;
  std::string file_;
  Fd lock_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<EventWriter> writer_;
  std::unique_ptr<GroupCommit> group_;
  std::unique_ptr<ConnectionPool> readers_;
  std::string cursor_secret_;
  PayloadCodec codec_;

  std::mutex snapshot_mutex_;
  std::shared_ptr<const Snapshot> snapshot_;

  struct Dictionary {
    int64_t id = 0;
    bool training = false;
    size_t since_training = 0;
    std::vector<std::string> samples;
  };
  std::mutex dictionaries_mutex_;
  std::map<std::string, Dictionary> dictionaries_;
};

}  // namespace bulwark::store
