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
#include "platform/store/sqlite_event_store_impl.h"
#include "platform/store/sqlite_open.h"

namespace bulwark::store {
namespace {

constexpr int kApplication = 0x42575345;              // "BWSE"
constexpr int64_t kLastUs = 253'402'300'799'999'999;  // the end of year 9999
constexpr size_t kMaxKeyBytes = 1024;
constexpr size_t kSamples = 1000;
constexpr int64_t kTrimmed = 100'000;  // segments of no more rows are trimmed
constexpr int64_t kTrimStep = 5'000;
constexpr const char* kCursorPurpose = "events";

std::string Bounded(std::string_view text) {
  std::string out = IsUtf8(text) ? std::string(text) : ToValidUtf8(text);
  if (out.size() <= kMaxKeyBytes) return out;
  size_t end = kMaxKeyBytes;
  while (end > 0 && (out[end] & 0xC0) == 0x80) --end;
  out.resize(end);
  return out;
}

int64_t NowUs() {
  const Timestamp now = Now();
  return now.seconds * 1'000'000 + now.nanos / 1000;
}

// A place in the order of events.
struct Place {
  int64_t time = 0, segment = 0, seq = 0;
  friend auto operator<=>(const Place&, const Place&) = default;
};

}  // namespace

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

Result<std::unique_ptr<EventStore>> OpenSqliteEventStore(const std::string& path,
                                                         const SqliteEventOptions& options) {
  std::unique_ptr<EventStore> store = BW_TRY(SqliteEventStore::Open(path, options));
  return store;
}

}  // namespace bulwark::store
