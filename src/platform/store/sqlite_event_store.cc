#include "platform/store/sqlite_event_store.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <thread>
#include <unordered_map>

#include "base/files.h"
#include "base/text.h"
#include "base/time.h"
#include "platform/store/cursor.h"
#include "platform/store/event_fields.h"
#include "platform/store/event_segment.h"
#include "platform/store/event_writer.h"
#include "platform/store/sqlite_open.h"

namespace bulwark::store {
namespace {

constexpr int kApplication = 0x42575345;  // "BWSE"
constexpr int64_t kMinuteUs = 60'000'000;
constexpr int64_t kHourUs = 3600'000'000;
constexpr int64_t kLastUs = 253'402'300'799'999'999;  // the end of year 9999
constexpr size_t kMaxKeyBytes = 1024;
constexpr size_t kSamples = 1000;
constexpr int64_t kTrimmed = 100'000;  // segments of no more rows are trimmed
constexpr int64_t kTrimStep = 5'000;
constexpr int kAllField = 100, kSeverityField = 101;
constexpr const char* kCursorPurpose = "events";

std::string Bounded(std::string_view text) {
  std::string out = IsUtf8(text) ? std::string(text) : ToValidUtf8(text);
  if (out.size() <= kMaxKeyBytes) return out;
  size_t end = kMaxKeyBytes;
  while (end > 0 && (out[end] & 0xC0) == 0x80) --end;
  out.resize(end);
  return out;
}

int64_t CeilTo(int64_t value, int64_t step) {
  const int64_t rest = ((value % step) + step) % step;
  return rest == 0 ? value : value - rest + step;
}
int64_t FloorTo(int64_t value, int64_t step) { return value - ((value % step) + step) % step; }

int64_t NowUs() {
  const Timestamp now = Now();
  return now.seconds * 1'000'000 + now.nanos / 1000;
}

// A place in the order of events.
struct Place {
  int64_t time = 0, segment = 0, seq = 0;
  friend auto operator<=>(const Place&, const Place&) = default;
};

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

// --- Opening -------------------------------------------------------------------------------------

Result<> SqliteEventStore::Start() {
  lock_ = BW_TRY(LockDatabase(file_));
  connection_ = BW_TRY(
      Connection::Open(file_, {.cache_kib = options_.cache_kib, .max_pages = options_.max_pages}));
  BW_TRY(MigrateSchema(*connection_, kApplication, EventWriter::SchemaSteps()));
  cursor_secret_ =
      BW_TRY(connection_->QueryText("SELECT value FROM meta WHERE name='cursor_secret'"));
  {
    Statement all =
        BW_TRY(connection_->Prepare("SELECT id, kind, data FROM dictionaries ORDER BY id"));
    while (BW_TRY(all.Step())) {
      codec_.Add(all.Int(0), all.Blob(2));
      dictionaries_[std::string(all.Text(1))].id = all.Int(0);
    }
  }
  writer_ = std::make_unique<EventWriter>(*connection_, options_);
  group_ = std::make_unique<GroupCommit>(*connection_);
  readers_ =
      std::make_unique<ConnectionPool>(file_,
                                       ConnectionOptions{.read_only = true,
                                                         .cache_kib = options_.reader_cache_kib,
                                                         .mmap_bytes = options_.mmap_bytes},
                                       options_.readers);
  snapshot_ = std::make_shared<Snapshot>(BW_TRY(writer_->Current()));
  return Ok();
}

Result<SqliteEventStore::Reading> SqliteEventStore::Read() {
  const auto deadline = std::chrono::steady_clock::now() + options_.read_timeout;
  while (true) {
    std::shared_ptr<const Snapshot> snapshot;
    {
      const std::lock_guard lock(snapshot_mutex_);
      snapshot = snapshot_;
    }
    ConnectionPool::Lease connection = BW_TRY(readers_->Take());
    connection->SetDeadline(deadline);
    Transaction transaction = BW_TRY(Transaction::Begin(*connection, false));
    // Later rows than the snapshot's are passed over; that it names no dropped tables is seen here.
    const int64_t generation =
        BW_TRY(connection->QueryInt("SELECT value FROM meta WHERE name='generation'"));
    if (generation == snapshot->generation) {
      return Reading{std::move(connection), std::move(transaction), std::move(snapshot)};
    }
    // The writer is about to show what it did.
    if (std::chrono::steady_clock::now() > deadline) {
      return Error(Code::kUnavailable, "store.io", "what was last written cannot be read");
    }
    std::this_thread::yield();
  }
}

// --- Writing -------------------------------------------------------------------------------------

Result<> SqliteEventStore::Write(const std::function<Result<>()>& work) {
  const auto run = [&]() -> Result<> {
    Result<> done = work();
    if (!done) writer_->Forget();
    return done;
  };
  const auto after = [&](bool kept) {
    // What the writer remembers of a lost transaction is wrong.
    if (!kept) writer_->Forget();
    Result<Snapshot> now = writer_->Current();
    if (!now) return;
    const std::lock_guard lock(snapshot_mutex_);
    snapshot_ = std::make_shared<Snapshot>(std::move(*now));
  };
  return group_->Do(run, after);
}

Result<PreparedEvent> SqliteEventStore::Prepare(const Event& event, int64_t dictionary) const {
  const auto limit = [&](std::string what) {
    return Error(Code::kLimit, "store.limit", std::move(what), {{"id", event.id.substr(0, 128)}});
  };
  if (event.id.empty() || event.kind.empty()) {
    return Error(Code::kInvalid, "store.record", "an event without an id or a kind");
  }
  if (event.id.size() > 128) return limit("an event's id has more than 128 bytes");
  if (event.kind.size() > 64) return limit("an event's kind has more than 64 bytes");
  size_t bytes = event.body.size();
  for (const auto& [name, value] : event.args) bytes += name.size() + value.size();
  if (bytes > options_.max_event_bytes) {
    return limit(
        fmt::format("an event of {} bytes, more than {}", bytes, options_.max_event_bytes));
  }
  PreparedEvent out;
  out.event = event;
  Event& kept = out.event;
  kept.id = IsUtf8(event.id) ? event.id : ToValidUtf8(event.id);
  kept.kind = IsUtf8(event.kind) ? event.kind : ToValidUtf8(event.kind);
  for (const EventKey& key : EventKeys()) key.in(kept) = Bounded(key.Of(event));
  for (auto& [name, value] : kept.args) {
    if (!IsUtf8(name)) name = ToValidUtf8(name);
    if (!IsUtf8(value)) value = ToValidUtf8(value);
  }
  if (!IsUtf8(kept.body)) kept.body = ToValidUtf8(kept.body);
  kept.time_us = std::clamp<int64_t>(kept.time_us, 0, kLastUs);
  kept.received_us = std::clamp<int64_t>(kept.received_us, 0, kLastUs);
  out.hash = IdHash(kept.id);
  out.text = EventText(kept);
  out.payload = codec_.Compress(PackPayload(kept), dictionary);
  return out;
}

Result<AppendOutcome> SqliteEventStore::Append(std::span<const Event> events) {
  AppendOutcome outcome;
  if (events.empty()) return outcome;
  if (events.size() > options_.max_batch_events) {
    return Error(
        Code::kLimit, "store.limit",
        fmt::format("{} events at once, more than {}", events.size(), options_.max_batch_events));
  }
  std::vector<PreparedEvent> prepared;
  prepared.reserve(events.size());
  std::string to_train;
  for (const Event& event : events) {
    int64_t dictionary = 0;
    {
      const std::lock_guard lock(dictionaries_mutex_);
      // Kinds that the writer will refuse are not remembered without end.
      Dictionary none{.id = 0, .training = true};
      const bool room = dictionaries_.size() < options_.max_kinds * 2;
      Dictionary& known =
          room || dictionaries_.contains(event.kind) ? dictionaries_[event.kind] : none;
      dictionary = known.id;
      const bool wanted = known.id == 0 ||
                          ++known.since_training > static_cast<size_t>(options_.segment_events) * 4;
      if (wanted && !known.training && (!event.body.empty() || !event.args.empty())) {
        known.samples.push_back(PackPayload(event).substr(0, 8 << 10));
        if (known.samples.size() >= kSamples) {
          known.training = true;
          to_train = event.kind;
        }
      }
    }
    prepared.push_back(BW_TRY(Prepare(event, dictionary)));
  }
  const int64_t now = NowUs();
  const auto append = [&]() -> Result<> {
    outcome = BW_TRY(writer_->Append(prepared, now));
    return Ok();
  };
  BW_TRY(Write(append));
  if (!to_train.empty()) (void)Train(to_train);  // without one, events are bigger, and no worse
  return outcome;
}

Result<> SqliteEventStore::Train(const std::string& kind) {
  std::vector<std::string> samples;
  {
    const std::lock_guard lock(dictionaries_mutex_);
    samples.swap(dictionaries_[kind].samples);
  }
  const std::string data = PayloadCodec::Train(samples);
  int64_t id = 0;
  Result<> stored = Ok();
  if (!data.empty()) {
    stored = Write([&]() -> Result<> {
      Statement add =
          BW_TRY(connection_->Prepare("INSERT INTO dictionaries(kind, data) VALUES(?1, ?2)"));
      BW_TRY(add.Bind(1, std::string_view(kind)).BindBlob(2, data).Run());
      id = connection_->LastRowId();
      return Ok();
    });
  }
  if (stored && id != 0) codec_.Add(id, data);
  const std::lock_guard lock(dictionaries_mutex_);
  Dictionary& known = dictionaries_[kind];
  if (stored && id != 0) known.id = id;
  known.since_training = 0;
  // Samples that made none are not tried again before the next opening.
  known.training = known.id == 0;
  return stored;
}

// --- Reading -------------------------------------------------------------------------------------

Result<std::string> SqliteEventStore::Unpack(Connection& reader, std::string_view data) {
  int64_t missing = 0;
  Result<std::string> packed = codec_.Decompress(data, &missing);
  if (packed || missing == 0) return packed;
  // Stored, but not yet told to the codec by whoever trained it.
  Statement find = BW_TRY(reader.Prepare("SELECT data FROM dictionaries WHERE id=?1"));
  if (!BW_TRY(find.Bind(1, missing).Step())) return packed;
  codec_.Add(missing, find.Blob(0));
  return codec_.Decompress(data, &missing);
}

Result<Event> SqliteEventStore::Load(Connection& reader, const Segment& segment, int64_t seq,
                                     bool body) {
  const auto& keys = EventKeys();
  std::string columns;
  for (size_t i = 0; i < keys.size(); ++i) columns += fmt::format(", d{}", i);
  Statement find = BW_TRY(reader.Prepare(
      fmt::format("SELECT e.time, e.received, e.severity, e.id, b.data{1} FROM e_{0} e LEFT JOIN "
                  "b_{0} b ON b.seq=e.seq WHERE e.seq=?1",
                  segment.id, columns)));
  if (!BW_TRY(find.Bind(1, seq).Step())) {
    return Error(Code::kInternal, "store.corrupt", "an event is not where it should be");
  }
  Event event;
  event.time_us = find.Int(0);
  event.received_us = event.time_us + find.Int(1);
  event.severity = static_cast<Severity>(std::clamp<int64_t>(find.Int(2), 0, kSeverities - 1));
  event.id = UnpackId(find.Blob(3));
  event.kind = segment.kind;
  Statement text =
      BW_TRY(reader.Prepare(fmt::format("SELECT text FROM {} WHERE id=?1", segment.Table('s'))));
  for (size_t i = 0; i < keys.size(); ++i) {
    const int64_t code = find.Int(5 + static_cast<int>(i));
    if (code == 0) continue;
    text.Bind(1, code);
    if (BW_TRY(text.Step())) keys[i].in(event) = text.Text(0);
    text.Reset();
  }
  const std::string packed = BW_TRY(Unpack(reader, find.Blob(4)));
  BW_TRY(UnpackPayload(packed, body, event));
  return event;
}

Result<std::optional<Event>> SqliteEventStore::Get(std::string_view id) {
  if (id.empty() || id.size() > 128) return std::optional<Event>();
  Reading reading = BW_TRY(Read());
  const uint64_t hash = IdHash(id);
  const std::string packed = PackId(id);
  const auto& segments = reading.snapshot->segments;
  for (auto it = segments.rbegin(); it != segments.rend(); ++it) {
    const Segment& segment = **it;
    if (segment.ids != nullptr && !segment.ids->MayHave(hash)) continue;
    Statement find = BW_TRY(reading.connection->Prepare(
        fmt::format("SELECT e.seq, e.id FROM i_{0} i JOIN e_{0} e ON e.seq=i.seq WHERE i.hash=?1",
                    segment.id)));
    find.Bind(1, static_cast<int64_t>(hash));
    while (BW_TRY(find.Step())) {
      if (find.Blob(1) != packed) continue;
      return std::optional<Event>(BW_TRY(Load(*reading.connection, segment, find.Int(0), true)));
    }
  }
  return std::optional<Event>();
}

Result<EventPage> SqliteEventStore::Search(const EventQuery& query) {
  Bounds bounds = BoundsOf(query);
  const bool descending = !query.oldest_first;
  const auto limit = static_cast<size_t>(std::clamp(query.limit, 1, 1000));
  const std::string purpose = std::string(kCursorPurpose) + (descending ? "-" : "+");
  std::optional<Place> from;
  if (!query.cursor.empty()) {
    const auto values = BW_TRY(DecodeCursor(query.cursor, purpose, cursor_secret_));
    if (values.size() != 3 || values[0].index() != 0 || values[1].index() != 0 ||
        values[2].index() != 0) {
      return Error(Code::kInvalid, "store.cursor", "this is not a cursor of events");
    }
    from = Place{std::get<0>(values[0]), std::get<0>(values[1]), std::get<0>(values[2])};
    if (descending) {
      bounds.until = std::min(bounds.until, from->time + 1);
    } else {
      bounds.since = std::max(bounds.since, from->time);
    }
  }
  Reading reading = BW_TRY(Read());
  Connection& reader = *reading.connection;

  // Segments join the merge when what is found already might stand behind something of theirs.
  std::vector<const Segment*> waiting;
  for (const auto& segment : reading.snapshot->segments) {
    if (segment->events == 0 || segment->times.max < bounds.since ||
        segment->times.min >= bounds.until) {
      continue;
    }
    waiting.push_back(segment.get());
  }
  std::sort(waiting.begin(), waiting.end(), [&](const Segment* a, const Segment* b) {
    return descending ? a->times.max < b->times.max : a->times.min > b->times.min;
  });
  struct Source {
    const Segment* segment;
    std::unique_ptr<Predicate> predicate;
    std::unique_ptr<OrderedScan> rows;
  };
  std::vector<Source> sources;
  std::vector<Place> found;
  while (found.size() <= limit) {
    const Segment* best_segment = nullptr;
    OrderedScan* best = nullptr;
    Place place;
    for (size_t i = 0; i < sources.size();) {
      const Row* row = BW_TRY(sources[i].rows->Peek());
      if (row == nullptr) {
        sources.erase(sources.begin() + static_cast<ptrdiff_t>(i));
        continue;
      }
      const Place here{row->time, sources[i].segment->id, row->seq};
      if (best == nullptr || (descending ? here > place : here < place)) {
        best = sources[i].rows.get();
        best_segment = sources[i].segment;
        place = here;
      }
      ++i;
    }
    if (!waiting.empty()) {
      const Segment& next = *waiting.back();
      if (best == nullptr ||
          (descending ? next.times.max >= place.time : next.times.min <= place.time)) {
        waiting.pop_back();
        Source source{&next, std::make_unique<Predicate>(), nullptr};
        *source.predicate = BW_TRY(CompileFor(reader, next, bounds.filter));
        if (source.predicate->IsFalse()) continue;
        SegmentScan scan = BW_TRY(SegmentScan::Open(reader, next, *source.predicate,
                                                    {.since = bounds.since,
                                                     .until = bounds.until,
                                                     .descending = descending,
                                                     .text = TextOf(reader, next)}));
        source.rows = std::make_unique<OrderedScan>(std::move(scan), descending);
        sources.push_back(std::move(source));
        continue;
      }
    }
    if (best == nullptr) break;
    (void)best_segment;
    best->Pop();
    if (from && (descending ? place >= *from : place <= *from)) continue;
    found.push_back(place);
  }
  EventPage page;
  if (found.size() > limit) {
    found.resize(limit);
    const Place& last = found.back();
    page.next = EncodeCursor({last.time, last.segment, last.seq}, purpose, cursor_secret_);
  }
  std::map<int64_t, const Segment*> by_id;
  for (const auto& segment : reading.snapshot->segments) by_id[segment->id] = segment.get();
  for (const Place& place : found) {
    page.events.push_back(BW_TRY(Load(reader, *by_id[place.segment], place.seq, query.bodies)));
  }
  return page;
}

Result<> SqliteEventStore::ScanRows(Connection& reader, const Segment& segment,
                                    const Predicate& predicate, int64_t since, int64_t until,
                                    uint32_t more_keys,
                                    const std::function<bool(const Row&)>& each) {
  if (since >= until) return Ok();
  SegmentScan scan = BW_TRY(SegmentScan::Open(
      reader, segment, predicate,
      {.since = since, .until = until, .more_keys = more_keys, .text = TextOf(reader, segment)}));
  Row row;
  while (BW_TRY(scan.Next(row))) {
    if (!each(row)) break;
  }
  return Ok();
}

// Which counts can tell: those of one key, or those of the crossed keys.
struct Rollup {
  enum class From : uint8_t { kNone, kSingle, kCrossed } from = From::kNone;
  int field = kAllField;
  int64_t unit_us = kMinuteUs;
};

namespace {

uint32_t CrossedKeys() {
  uint32_t crossed = kUsesSeverity;
  for (size_t i = 0; i < EventKeys().size(); ++i) {
    if (EventKeys()[i].crossed) crossed |= 1u << i;
  }
  return crossed;
}

Rollup RollupFor(uint32_t uses) {
  if (uses == 0) return {Rollup::From::kSingle, kAllField, kMinuteUs};
  if (uses == kUsesSeverity) return {Rollup::From::kSingle, kSeverityField, kMinuteUs};
  for (size_t i = 0; i < EventKeys().size(); ++i) {
    const int seconds = EventKeys()[i].rollup_s;
    if (uses == 1u << i && seconds != 0) {
      return {Rollup::From::kSingle, static_cast<int>(i), int64_t{seconds} * 1'000'000};
    }
  }
  if ((uses & ~CrossedKeys()) == 0) return {Rollup::From::kCrossed, 0, kHourUs};
  return {};
}

// A row of counts as a row of events, for Predicate::Holds().
void FromCrossed(const Statement& statement, Row& row) {
  row.severity = static_cast<int>(statement.Int(1));
  int column = 2;
  for (size_t i = 0; i < EventKeys().size(); ++i) {
    if (EventKeys()[i].crossed) row.codes[i] = statement.Int(column++);
  }
}

}  // namespace

Result<> SqliteEventStore::CountInto(Connection& reader, const Segment& segment,
                                     const Predicate& predicate, int64_t since, int64_t until,
                                     int64_t origin, int64_t step, std::vector<uint64_t>& counts) {
  since = std::max(since, segment.times.min);
  until = std::min(until, segment.times.max + 1);
  if (since >= until || predicate.IsFalse()) return Ok();
  const auto add = [&](int64_t time, uint64_t count) {
    const auto bucket = static_cast<size_t>((time - origin) / step);
    if (bucket < counts.size()) counts[bucket] += count;
  };
  const auto scan = [&](int64_t from, int64_t to) {
    return ScanRows(reader, segment, predicate, from, to, 0, [&](const Row& row) {
      add(row.time, 1);
      return true;
    });
  };
  const Rollup rollup = RollupFor(predicate.Uses());
  const int64_t unit = rollup.unit_us;
  // Every unit must lie within one bucket.
  const bool fits = counts.size() == 1 || (step % unit == 0 && origin % unit == 0);
  // All of the segment is wanted: its first and last units are whole as well.
  const int64_t first = since == segment.times.min ? FloorTo(since, unit) : CeilTo(since, unit);
  const int64_t last = until == segment.times.max + 1 ? CeilTo(until, unit) : FloorTo(until, unit);
  if (rollup.from == Rollup::From::kNone || !fits || first >= last) return scan(since, until);
  if (first > since) BW_TRY(scan(since, first));
  if (last < until) BW_TRY(scan(last, until));
  // A unit's beginning may lie before the origin where the segment begins later.
  const auto add_unit = [&](int64_t minute, int64_t count) {
    add(std::max(minute * kMinuteUs, origin), static_cast<uint64_t>(std::max<int64_t>(count, 0)));
  };
  Row row;
  const auto no_text = [] { return std::string(); };
  if (rollup.from == Rollup::From::kSingle) {
    std::vector<int64_t> values = {0};
    if (rollup.field != kAllField) {
      values.clear();
      Statement all = BW_TRY(
          reader.Prepare(rollup.field == kSeverityField
                             ? fmt::format("SELECT DISTINCT value FROM r_{} WHERE field={}",
                                           segment.id, rollup.field)
                             : fmt::format("SELECT 0 UNION ALL SELECT id FROM s_{} WHERE field={}",
                                           segment.id, rollup.field)));
      while (BW_TRY(all.Step())) {
        row.severity = static_cast<int>(all.Int(0));
        if (rollup.field != kSeverityField)
          row.codes[static_cast<size_t>(rollup.field)] = all.Int(0);
        if (predicate.Holds(row, no_text)) values.push_back(all.Int(0));
      }
    }
    Statement sum = BW_TRY(reader.Prepare(
        fmt::format("SELECT minute, count FROM r_{} WHERE field=?1 AND value=?2 AND minute>=?3 AND "
                    "minute<?4",
                    segment.id)));
    for (int64_t value : values) {
      sum.Bind(1, int64_t{rollup.field})
          .Bind(2, value)
          .Bind(3, first / kMinuteUs)
          .Bind(4, last / kMinuteUs);
      while (BW_TRY(sum.Step())) add_unit(sum.Int(0), sum.Int(1));
      sum.Reset();
    }
    return Ok();
  }
  Statement sum = BW_TRY(
      reader.Prepare(fmt::format("SELECT * FROM x_{} WHERE hour>=?1 AND hour<?2", segment.id)));
  sum.Bind(1, first / kMinuteUs).Bind(2, last / kMinuteUs);
  while (BW_TRY(sum.Step())) {
    FromCrossed(sum, row);
    if (predicate.Holds(row, no_text)) add_unit(sum.Int(0), sum.Int(6));
  }
  return Ok();
}

Result<std::vector<Bucket>> SqliteEventStore::Histogram(const EventQuery& query, int64_t step_us) {
  constexpr int64_t kFar = int64_t{1} << 60;  // sums of times stay within 64 bits
  if (!query.since_us || !query.until_us || step_us <= 0 || *query.until_us < *query.since_us ||
      *query.since_us < -kFar || *query.until_us > kFar) {
    return Error(Code::kInvalid, "store.range",
                 "a histogram needs since, until after it, and a step");
  }
  const int64_t origin = *query.since_us;
  const auto span = static_cast<uint64_t>(*query.until_us) - static_cast<uint64_t>(origin);
  const uint64_t buckets =
      (span + static_cast<uint64_t>(step_us) - 1) / static_cast<uint64_t>(step_us);
  if (buckets > 2000) {
    return Error(Code::kLimit, "store.limit", fmt::format("{} buckets, more than 2000", buckets));
  }
  const Bounds bounds = BoundsOf(query);
  std::vector<uint64_t> counts(buckets);
  Reading reading = BW_TRY(Read());
  for (const auto& segment : reading.snapshot->segments) {
    if (counts.empty() || segment->events == 0 || segment->times.max < bounds.since ||
        segment->times.min >= bounds.until) {
      continue;
    }
    const Predicate predicate = BW_TRY(CompileFor(*reading.connection, *segment, bounds.filter));
    BW_TRY(CountInto(*reading.connection, *segment, predicate, bounds.since, bounds.until, origin,
                     step_us, counts));
  }
  std::vector<Bucket> out;
  for (size_t i = 0; i < counts.size(); ++i) {
    out.push_back({origin + static_cast<int64_t>(i) * step_us, counts[i]});
  }
  return out;
}

Result<uint64_t> SqliteEventStore::Count(const EventQuery& query, uint64_t at_most) {
  const Bounds bounds = BoundsOf(query);
  Reading reading = BW_TRY(Read());
  uint64_t count = 0;
  for (auto it = reading.snapshot->segments.rbegin(); it != reading.snapshot->segments.rend();
       ++it) {
    const Segment& segment = **it;
    if (count >= at_most) break;
    if (segment.events == 0 || segment.times.max < bounds.since ||
        segment.times.min >= bounds.until) {
      continue;
    }
    const Predicate predicate = BW_TRY(CompileFor(*reading.connection, segment, bounds.filter));
    const bool all_of_it = segment.times.min >= bounds.since && segment.times.max < bounds.until;
    if (RollupFor(predicate.Uses()).from != Rollup::From::kNone) {
      std::vector<uint64_t> one(1);
      const int64_t since = std::max(bounds.since, segment.times.min);
      const int64_t until = std::min(bounds.until, segment.times.max + 1);
      BW_TRY(CountInto(*reading.connection, segment, predicate, since, until,
                       FloorTo(since, kHourUs), until - FloorTo(since, kHourUs) + kHourUs, one));
      count += one[0];
      continue;
    }
    const auto match = MatchFor(predicate);
    if (match && match->exact && all_of_it && !segment.trimmed) {
      // The index alone knows.
      Statement index = BW_TRY(reading.connection->Prepare(
          fmt::format("SELECT count(*) FROM (SELECT 1 FROM f_{0} WHERE f_{0} MATCH ?1 AND "
                      "rowid<=?2 LIMIT ?3)",
                      segment.id)));
      index.Bind(1, std::string_view(match->text))
          .Bind(2, segment.last_seq)
          .Bind(3, static_cast<int64_t>(std::min<uint64_t>(at_most - count, INT64_MAX)));
      BW_TRY(index.Step());
      count += static_cast<uint64_t>(index.Int(0));
      continue;
    }
    BW_TRY(ScanRows(*reading.connection, segment, predicate, bounds.since, bounds.until, 0,
                    [&](const Row&) { return ++count < at_most; }));
  }
  return std::min(count, at_most);
}

Result<> SqliteEventStore::TopInto(Connection& reader, const Segment& segment,
                                   const Predicate& predicate, int64_t since, int64_t until,
                                   int key, std::unordered_map<std::string, uint64_t>& counts) {
  if (predicate.IsFalse()) return Ok();
  const bool all_of_it = since <= segment.times.min && until > segment.times.max;
  since = std::max(since, segment.times.min);
  until = std::min(until, segment.times.max + 1);
  const bool severity = key < 0;
  const uint32_t own = severity ? kUsesSeverity : 1u << key;
  const uint32_t uses = predicate.Uses();
  const auto no_text = [] { return std::string(); };
  std::unordered_map<int64_t, int64_t> codes;
  Row row;
  const auto value_of = [&](const Row& of) {
    return severity ? int64_t{of.severity} : of.codes[static_cast<size_t>(key)];
  };
  const auto scan = [&](int64_t from, int64_t to) {
    return ScanRows(reader, segment, predicate, from, to, severity ? 0 : own, [&](const Row& each) {
      ++codes[value_of(each)];
      return true;
    });
  };
  const auto set_value = [&](int64_t value) {
    if (severity) {
      row.severity = static_cast<int>(value);
    } else {
      row.codes[static_cast<size_t>(key)] = value;
    }
  };
  const Rollup rollup = RollupFor(own | uses);
  const int64_t unit = rollup.unit_us;
  const int64_t first = since == segment.times.min ? FloorTo(since, unit) : CeilTo(since, unit);
  const int64_t last = until == segment.times.max + 1 ? CeilTo(until, unit) : FloorTo(until, unit);
  if ((uses & ~own) == 0 && all_of_it && !severity) {
    // How often each value occurs in the segment is in its dictionary.
    Statement all = BW_TRY(reader.Prepare(
        fmt::format("SELECT id, count FROM {} WHERE field={}", segment.Table('s'), key)));
    while (BW_TRY(all.Step())) {
      set_value(all.Int(0));
      if (predicate.Holds(row, no_text)) codes[all.Int(0)] += all.Int(1);
    }
  } else if (rollup.from == Rollup::From::kNone || first >= last) {
    BW_TRY(scan(since, until));
  } else {
    if (first > since) BW_TRY(scan(since, first));
    if (last < until) BW_TRY(scan(last, until));
    const bool single = rollup.from == Rollup::From::kSingle;
    Statement sum = BW_TRY(reader.Prepare(
        single ? fmt::format("SELECT value, count FROM r_{} WHERE field={} AND minute>=?1 AND "
                             "minute<?2",
                             segment.id, rollup.field)
               : fmt::format("SELECT * FROM x_{} WHERE hour>=?1 AND hour<?2", segment.id)));
    sum.Bind(1, first / kMinuteUs).Bind(2, last / kMinuteUs);
    while (BW_TRY(sum.Step())) {
      if (single) {
        set_value(sum.Int(0));
      } else {
        FromCrossed(sum, row);
      }
      if (predicate.Holds(row, no_text)) codes[value_of(row)] += sum.Int(single ? 1 : 6);
    }
  }
  Statement text =
      BW_TRY(reader.Prepare(fmt::format("SELECT text FROM {} WHERE id=?1", segment.Table('s'))));
  for (const auto& [code, count] : codes) {
    if (count <= 0 || (!severity && code == 0)) continue;
    std::string value;
    if (severity) {
      value = SeverityName(static_cast<Severity>(code));
    } else {
      text.Bind(1, code);
      if (BW_TRY(text.Step())) value = text.Text(0);
      text.Reset();
    }
    counts[value] += static_cast<uint64_t>(count);
  }
  return Ok();
}

// The threshold algorithm (Fagin, Lotem, Naor 2001) over the segments' lists by frequency: a value
// that is in no list's beginning occurs at most as often as those beginnings' ends together.
Result<bool> SqliteEventStore::TopOfWhole(Connection& reader,
                                          const std::vector<const Segment*>& segments, int key,
                                          size_t limit,
                                          std::unordered_map<std::string, uint64_t>& counts) {
  std::vector<uint64_t> others;  // what was counted elsewhere, as one more list
  for (const auto& [value, count] : counts) others.push_back(count);
  std::sort(others.rbegin(), others.rend());
  std::unordered_map<std::string, uint64_t> exact;
  for (size_t depth = std::max<size_t>(limit * 2, 20); depth <= 2000; depth *= 4) {
    std::set<std::string> candidates;
    uint64_t unseen = others.size() > depth ? others[depth] : 0;
    for (const auto& [value, count] : counts) {
      if (others.size() <= depth || count > others[depth]) candidates.insert(value);
    }
    if (candidates.size() > 20'000) return false;
    for (const Segment* segment : segments) {
      Statement first = BW_TRY(reader.Prepare(
          fmt::format("SELECT text, count FROM {} WHERE field=?1 ORDER BY count DESC LIMIT ?2",
                      segment->Table('s'))));
      first.Bind(1, int64_t{key}).Bind(2, static_cast<int64_t>(depth));
      size_t rows = 0;
      uint64_t last = 0;
      while (BW_TRY(first.Step())) {
        candidates.emplace(first.Text(0));
        last = static_cast<uint64_t>(first.Int(1));
        ++rows;
      }
      if (rows == depth) unseen += last;
    }
    for (const std::string& value : candidates) {
      if (exact.contains(value)) continue;
      const auto elsewhere = counts.find(value);
      uint64_t sum = elsewhere == counts.end() ? 0 : elsewhere->second;
      for (const Segment* segment : segments) {
        Statement find = BW_TRY(reader.Prepare(
            fmt::format("SELECT count FROM {} WHERE field=?1 AND text=?2", segment->Table('s'))));
        if (BW_TRY(find.Bind(1, int64_t{key}).Bind(2, std::string_view(value)).Step())) {
          sum += static_cast<uint64_t>(find.Int(0));
        }
      }
      exact.emplace(value, sum);
    }
    std::vector<uint64_t> best;
    for (const auto& [value, sum] : exact) best.push_back(sum);
    std::sort(best.rbegin(), best.rend());
    // Equal ones are ordered by their text, so that no unseen one may be as frequent.
    if (unseen == 0 || (best.size() >= limit && best[limit - 1] > unseen)) {
      counts = std::move(exact);
      return true;
    }
  }
  return false;
}

Result<std::vector<std::pair<std::string, uint64_t>>> SqliteEventStore::Top(const EventQuery& query,
                                                                            std::string_view field,
                                                                            int limit) {
  int key = -2;
  if (field == "kind") key = -3;
  if (field == "severity") key = -1;
  for (size_t i = 0; i < EventKeys().size(); ++i) {
    if (!field.empty() && EventKeys()[i].name == field) key = static_cast<int>(i);
  }
  if (key == -2) {
    return Error(Code::kInvalid, "query.field",
                 fmt::format("there are no top values of {}", Quote(field)),
                 {{"field", std::string(field)}});
  }
  const Bounds bounds = BoundsOf(query);
  Reading reading = BW_TRY(Read());
  std::unordered_map<std::string, uint64_t> counts;
  std::vector<const Segment*> whole;
  for (const auto& segment : reading.snapshot->segments) {
    if (segment->events == 0 || segment->times.max < bounds.since ||
        segment->times.min >= bounds.until) {
      continue;
    }
    const Predicate predicate = BW_TRY(CompileFor(*reading.connection, *segment, bounds.filter));
    if (key >= 0 && predicate.IsTrue() && segment->times.min >= bounds.since &&
        segment->times.max < bounds.until) {
      whole.push_back(segment.get());
      continue;
    }
    if (key != -3) {
      BW_TRY(TopInto(*reading.connection, *segment, predicate, bounds.since, bounds.until, key,
                     counts));
      continue;
    }
    std::vector<uint64_t> one(1);
    const int64_t since = std::max(bounds.since, segment->times.min);
    const int64_t until = std::min(bounds.until, segment->times.max + 1);
    BW_TRY(CountInto(*reading.connection, *segment, predicate, since, until,
                     FloorTo(since, kHourUs), until - FloorTo(since, kHourUs) + kHourUs, one));
    if (one[0] != 0) counts[segment->kind] += one[0];
  }
  const auto most = static_cast<size_t>(std::clamp(limit, 1, 10'000));
  if (!whole.empty()) {
    const bool proved = BW_TRY(TopOfWhole(*reading.connection, whole, key, most, counts));
    for (const Segment* segment : proved ? std::vector<const Segment*>() : whole) {
      Predicate all;
      BW_TRY(TopInto(*reading.connection, *segment, all, bounds.since, bounds.until, key, counts));
    }
  }
  std::erase_if(counts, [](const auto& one) { return one.second == 0; });
  std::vector<std::pair<std::string, uint64_t>> out(counts.begin(), counts.end());
  const auto wanted = std::min(out.size(), most);
  std::partial_sort(out.begin(), out.begin() + static_cast<ptrdiff_t>(wanted), out.end(),
                    [](const auto& a, const auto& b) {
                      return a.second != b.second ? a.second > b.second : a.first < b.first;
                    });
  out.resize(wanted);
  return out;
}

// --- Forgetting ----------------------------------------------------------------------------------

Result<std::map<std::string, uint64_t>> SqliteEventStore::Expire(
    std::span<const Retention> retention, uint64_t max_bytes, int64_t now_us) {
  std::map<std::string, uint64_t> gone;
  const auto segments_of = [&](const std::string& kind) {
    std::vector<std::shared_ptr<const Segment>> out;
    const std::lock_guard lock(snapshot_mutex_);
    for (const auto& segment : snapshot_->segments) {
      if (kind.empty() || segment->kind == kind) out.push_back(segment);
    }
    std::sort(out.begin(), out.end(),
              [](const auto& a, const auto& b) { return a->times.max < b->times.max; });
    return out;
  };
  // What went is what the writer counted: since the snapshot, a segment may have got more.
  const auto drop = [&](const Segment& segment, int64_t before) -> Result<> {
    int64_t went = 0;
    const auto work = [&]() -> Result<> {
      went = BW_TRY(writer_->Drop(segment.id, before));
      return Ok();
    };
    BW_TRY(Write(work));
    gone[segment.kind] += static_cast<uint64_t>(went);
    return Ok();
  };
  const auto trimmable = [](const Segment& segment) {
    return segment.events <= kTrimmed || segment.times.max - segment.times.min > 48 * kHourUs;
  };
  // Removes what is older, at most `limit` rows.
  const auto trim = [&](const Segment& segment, int64_t before, int64_t limit) -> Result<> {
    while (limit > 0) {
      int64_t went = 0;
      const int64_t step = std::min(limit, kTrimStep);
      const auto work = [&]() -> Result<> {
        went = BW_TRY(writer_->Trim(segment.id, before, step));
        return Ok();
      };
      BW_TRY(Write(work));
      gone[segment.kind] += static_cast<uint64_t>(went);
      limit -= went;
      if (went < step) break;
    }
    return Ok();
  };

  std::map<std::string, const Retention*> rules;
  for (const auto& segment : segments_of("")) rules[segment->kind] = nullptr;
  for (auto& [kind, rule] : rules) {
    for (const Retention& one : retention) {
      if (one.kind == kind || (one.kind == "*" && rule == nullptr)) rule = &one;
    }
  }
  for (const auto& [kind, rule] : rules) {
    if (rule == nullptr) continue;
    if (rule->max_age_us > 0) {
      const int64_t before = now_us - rule->max_age_us;
      for (const auto& segment : segments_of(kind)) {
        if (segment->events == 0 || segment->times.min >= before) continue;
        if (segment->times.max < before) {
          BW_TRY(drop(*segment, before));
        } else if (trimmable(*segment)) {
          BW_TRY(trim(*segment, before, INT64_MAX));
        }
      }
    }
    if (rule->max_events > 0) {
      auto segments = segments_of(kind);
      int64_t excess = -static_cast<int64_t>(std::min<uint64_t>(rule->max_events, INT64_MAX));
      for (const auto& segment : segments) excess += segment->events;
      for (const auto& segment : segments) {
        if (excess <= 0) break;
        if (segment->events <= excess) {
          excess -= segment->events;
          BW_TRY(drop(*segment, kNoTimeAbove));
        } else {
          if (trimmable(*segment)) BW_TRY(trim(*segment, INT64_MAX, excess));
          break;
        }
      }
    }
  }
  while (max_bytes > 0) {
    const uint64_t used = BW_TRY(Statistics())
    .bytes;
    const auto segments = segments_of("");
    if (used <= max_bytes || segments.empty()) break;
    BW_TRY(drop(*segments.front(), kNoTimeAbove));
  }
  std::erase_if(gone, [](const auto& one) { return one.second == 0; });
  return gone;
}

Result<EventStore::Stats> SqliteEventStore::Statistics() {
  Reading reading = BW_TRY(Read());
  Stats stats;
  int64_t oldest = INT64_MAX;
  for (const auto& segment : reading.snapshot->segments) {
    if (segment->events == 0) continue;
    stats.events += static_cast<uint64_t>(segment->events);
    oldest = std::min(oldest, segment->times.min);
    stats.newest_us = std::max(stats.newest_us, segment->times.max);
  }
  stats.oldest_us = stats.events == 0 ? 0 : oldest;
  const int64_t pages = BW_TRY(reading.connection->QueryInt("PRAGMA page_count"))
  -BW_TRY(reading.connection->QueryInt("PRAGMA freelist_count"));
  stats.bytes = static_cast<uint64_t>(pages) *
                static_cast<uint64_t>(BW_TRY(reading.connection->QueryInt("PRAGMA page_size")));
  return stats;
}

}  // namespace

Result<std::unique_ptr<EventStore>> OpenSqliteEventStore(const std::string& path,
                                                         const SqliteEventOptions& options) {
  std::unique_ptr<EventStore> store = BW_TRY(SqliteEventStore::Open(path, options));
  return store;
}

}  // namespace bulwark::store
