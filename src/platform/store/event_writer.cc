#include "platform/store/event_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/hash.h"
#include "base/text.h"
#include "platform/store/event_fields.h"

namespace bulwark::store {
namespace {

constexpr int64_t kMinuteUs = 60'000'000;
constexpr int64_t kHourUs = 3600'000'000;
constexpr int64_t kDayUs = 24 * kHourUs;
constexpr int64_t kDayedEvents = 50'000;  // a segment of so many ends with its day
constexpr size_t kMaxRemembered = 200'000;
constexpr int kAllField = 100, kSeverityField = 101;

int64_t FloorTo(int64_t value, int64_t step) { return value - ((value % step) + step) % step; }

}  // namespace

uint64_t IdHash(std::string_view id) { return XxHash3(id); }

std::string PackId(std::string_view id) {
  if (id.size() == 32) {
    Result<std::string> bytes = HexDecode(id);
    if (bytes && HexEncode(*bytes) == id) return *bytes;
  }
  // Never 16 bytes, which are those of a hash.
  return (id.size() == 15 ? std::string("\1\0", 2) : std::string(1, '\0')) + std::string(id);
}

std::string UnpackId(std::string_view bytes) {
  if (bytes.size() == 16) return HexEncode(bytes);
  const size_t mark = bytes.empty() ? 0 : bytes[0] == '\1' ? 2 : 1;
  return std::string(bytes.substr(std::min(mark, bytes.size())));
}

// A segment that is still written to.
struct EventWriter::Open {
  Segment segment;
  std::vector<Block> blocks;
  size_t dirty_from = 0;  // blocks from there on are not stored
  bool dirty = false;
  int64_t next_code = 1;
  std::unordered_map<std::string, int64_t> codes;  // key and text; a part of them
};

// What a batch adds to the counts, by segment.
struct EventWriter::Counts {
  struct Of {
    std::unordered_map<int64_t, int64_t> values;        // code → events
    std::map<std::array<int64_t, 3>, int64_t> single;   // field, code, minute
    std::map<std::array<int64_t, 6>, int64_t> crossed;  // hour, severity, four codes
  };
  std::map<int64_t, Of> by_segment;

  void Add(int64_t segment, const Event& event, const std::array<int64_t, 24>& codes, int64_t by) {
    Of& of = by_segment[segment];
    const auto& keys = EventKeys();
    const int64_t minute = FloorTo(event.time_us, kMinuteUs) / kMinuteUs;
    const int64_t hour = FloorTo(event.time_us, kHourUs) / kMinuteUs;
    of.single[{kAllField, 0, minute}] += by;
    of.single[{kSeverityField, static_cast<int64_t>(event.severity), minute}] += by;
    std::array<int64_t, 6> crossed{hour, static_cast<int64_t>(event.severity)};
    size_t next = 2;
    for (size_t i = 0; i < keys.size(); ++i) {
      if (keys[i].crossed) crossed[next++] = codes[i];
      if (codes[i] != 0) of.values[codes[i]] += by;
      if (keys[i].rollup_s == 0) continue;
      of.single[{static_cast<int64_t>(i), codes[i], keys[i].rollup_s == 60 ? minute : hour}] += by;
    }
    of.crossed[crossed] += by;
  }
};

EventWriter::EventWriter(Connection& writer, const SqliteEventOptions& options)
    : writer_(writer), options_(options) {}
EventWriter::~EventWriter() = default;

std::vector<std::string> EventWriter::SchemaSteps() {
  return {
      // 1
      "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
      "INSERT INTO meta VALUES('generation',1),('next_segment',1),"
      "('cursor_secret',hex(randomblob(32)));"
      "CREATE TABLE segments(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, lane INTEGER NOT NULL,"
      " sealed INTEGER NOT NULL, trimmed INTEGER NOT NULL, events INTEGER NOT NULL,"
      " last_seq INTEGER NOT NULL, min_time INTEGER NOT NULL, max_time INTEGER NOT NULL, ids BLOB);"
      "CREATE TABLE blocks(segment INTEGER, block INTEGER, min_time INTEGER NOT NULL,"
      " max_time INTEGER NOT NULL, PRIMARY KEY(segment, block)) WITHOUT ROWID;"
      "CREATE TABLE dictionaries(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, data BLOB NOT NULL);",
  };
}

Result<> EventWriter::Load() {
  if (loaded_) return Ok();
  segments_.clear();
  open_.clear();
  generation_ = BW_TRY(writer_.QueryInt("SELECT value FROM meta WHERE name='generation'"));
  next_segment_ = BW_TRY(writer_.QueryInt("SELECT value FROM meta WHERE name='next_segment'"));
  Statement all = BW_TRY(writer_.Prepare(
      "SELECT id, kind, lane, sealed, trimmed, events, last_seq, min_time, max_time, ids "
      "FROM segments ORDER BY id"));
  Statement blocks = BW_TRY(
      writer_.Prepare("SELECT min_time, max_time FROM blocks WHERE segment=?1 ORDER BY block"));
  while (BW_TRY(all.Step())) {
    Segment segment{.id = all.Int(0),
                    .kind = std::string(all.Text(1)),
                    .lane = static_cast<int>(all.Int(2)),
                    .sealed = all.Int(3) != 0,
                    .trimmed = all.Int(4) != 0,
                    .events = all.Int(5),
                    .last_seq = all.Int(6),
                    .times = {all.Int(7), all.Int(8)}};
    std::vector<Block> times;
    blocks.Bind(1, segment.id);
    while (BW_TRY(blocks.Step())) times.push_back({blocks.Int(0), blocks.Int(1)});
    blocks.Reset();
    segment.blocks = std::make_shared<std::vector<Block>>(times);
    if (segment.sealed) segment.ids = std::make_shared<IdFilter>(std::string(all.Blob(9)));
    if (!segment.sealed) {
      auto open = std::make_unique<Open>();
      open->segment = segment;
      open->blocks = std::move(times);
      open->next_code =
          1 + BW_TRY(writer_.QueryInt(fmt::format("SELECT max(id) FROM {}", segment.Table('s'))));
      open_[{segment.kind, segment.lane}] = std::move(open);
    }
    segments_[segment.id] = std::make_shared<Segment>(std::move(segment));
  }
  loaded_ = true;
  return Ok();
}

Result<Snapshot> EventWriter::Current() {
  BW_TRY(Load());
  Snapshot snapshot{.generation = generation_, .segments = {}};
  for (const auto& [id, segment] : segments_) snapshot.segments.push_back(segment);
  return snapshot;
}

Result<EventWriter::Open*> EventWriter::MakeSegment(const std::string& kind, int lane) {
  std::set<std::string_view> kinds = {kind};
  for (const auto& [id, segment] : segments_) kinds.insert(segment->kind);
  if (kinds.size() > options_.max_kinds) {
    return Error(Code::kLimit, "store.limit",
                 fmt::format("more than {} kinds of events", options_.max_kinds));
  }
  auto open = std::make_unique<Open>();
  Segment& segment = open->segment;
  segment.id = next_segment_++;
  segment.kind = kind;
  segment.lane = lane;
  std::string columns;
  for (size_t i = 0; i < EventKeys().size(); ++i) columns += fmt::format(", d{} INTEGER", i);
  BW_TRY(writer_.Run(fmt::format(
      "CREATE TABLE e_{0}(seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, received INTEGER NOT "
      "NULL, severity INTEGER NOT NULL, id BLOB NOT NULL{1});"
      "CREATE TABLE b_{0}(seq INTEGER PRIMARY KEY, data BLOB NOT NULL);"
      "CREATE TABLE s_{0}(id INTEGER PRIMARY KEY, field INTEGER NOT NULL, text TEXT NOT NULL,"
      " count INTEGER NOT NULL, UNIQUE(field, text));"
      "CREATE TABLE i_{0}(hash INTEGER, seq INTEGER, PRIMARY KEY(hash, seq)) WITHOUT ROWID;"
      "CREATE TABLE r_{0}(field INTEGER, value INTEGER, minute INTEGER, count INTEGER NOT NULL,"
      " PRIMARY KEY(field, value, minute)) WITHOUT ROWID;"
      "CREATE TABLE x_{0}(hour INTEGER, severity INTEGER, a INTEGER, b INTEGER, c INTEGER,"
      " d INTEGER, count INTEGER NOT NULL, PRIMARY KEY(hour, severity, a, b, c, d)) WITHOUT ROWID;"
      "CREATE VIRTUAL TABLE f_{0} USING fts5(text, content='', columnsize=0,"
      " tokenize='bulwark_keys');"
      // Fewer, bigger merges: half of what is written would be merges else.
      "INSERT INTO f_{0}(f_{0}, rank) VALUES('automerge', 8);"
      "UPDATE meta SET value={2} WHERE name='next_segment';"
      "INSERT INTO segments VALUES({0}, '', {3}, 0, 0, 0, 0, {4}, {5}, NULL);",
      segment.id, columns, next_segment_, lane, INT64_MAX, INT64_MIN + 1)));
  Statement name = BW_TRY(writer_.Prepare("UPDATE segments SET kind=?2 WHERE id=?1"));
  BW_TRY(name.Bind(1, segment.id).Bind(2, std::string_view(kind)).Run());
  auto& slot = open_[{kind, lane}];
  slot = std::move(open);
  return slot.get();
}

Result<> EventWriter::Seal(Open& open) {
  Segment& segment = open.segment;
  segment.sealed = true;
  IdFilter filter(static_cast<size_t>(segment.last_seq));
  {
    Statement all = BW_TRY(writer_.Prepare(fmt::format("SELECT hash FROM {}", segment.Table('i'))));
    while (BW_TRY(all.Step())) filter.Add(static_cast<uint64_t>(all.Int(0)));
  }
  // Counts of values are final now (but for what is forgotten): the most frequent are at hand.
  BW_TRY(writer_.Run(fmt::format("CREATE INDEX t_{0} ON s_{0}(field, count)", segment.id)));
  Statement seal = BW_TRY(writer_.Prepare("UPDATE segments SET sealed=1, ids=?2 WHERE id=?1"));
  BW_TRY(seal.Bind(1, segment.id).BindBlob(2, filter.bytes()).Run());
  segment.ids = std::make_shared<IdFilter>(std::move(filter));
  BW_TRY(Store(open));
  open_.erase({segment.kind, segment.lane});
  return Ok();
}

// Writes down what changed of a segment itself, and shows it to readers of the next snapshot.
Result<> EventWriter::Store(Open& open) {
  Segment& segment = open.segment;
  Statement block = BW_TRY(writer_.Prepare("INSERT OR REPLACE INTO blocks VALUES(?1, ?2, ?3, ?4)"));
  for (size_t i = open.dirty_from; i < open.blocks.size(); ++i) {
    BW_TRY(block.Bind(1, segment.id)
               .Bind(2, static_cast<int64_t>(i))
               .Bind(3, open.blocks[i].min)
               .Bind(4, open.blocks[i].max)
               .Run());
  }
  open.dirty_from = open.blocks.empty() ? 0 : open.blocks.size() - 1;
  Statement update = BW_TRY(writer_.Prepare(
      "UPDATE segments SET events=?2, last_seq=?3, min_time=?4, max_time=?5 WHERE id=?1"));
  BW_TRY(update.Bind(1, segment.id)
             .Bind(2, segment.events)
             .Bind(3, segment.last_seq)
             .Bind(4, segment.times.min)
             .Bind(5, segment.times.max)
             .Run());
  segment.blocks = std::make_shared<std::vector<Block>>(open.blocks);
  segments_[segment.id] = std::make_shared<Segment>(segment);
  open.dirty = false;
  return Ok();
}

Result<EventWriter::Open*> EventWriter::OpenFor(const std::string& kind, int lane,
                                                int64_t time_us) {
  const auto found = open_.find({kind, lane});
  if (found != open_.end()) {
    Segment& segment = found->second->segment;
    const bool full = segment.last_seq >= options_.segment_events;
    const bool day_over =
        lane == 0 && segment.last_seq >= kDayedEvents && time_us - segment.times.min > kDayUs;
    if (!full && !day_over) return found->second.get();
    BW_TRY(Seal(*found->second));
  }
  return MakeSegment(kind, lane);
}

Result<bool> EventWriter::HasId(const Segment& segment, uint64_t hash, std::string_view id) {
  Statement find = BW_TRY(writer_.Prepare(fmt::format(
      "SELECT e.id FROM i_{0} i JOIN e_{0} e ON e.seq=i.seq WHERE i.hash=?1", segment.id)));
  find.Bind(1, static_cast<int64_t>(hash));
  while (BW_TRY(find.Step())) {
    if (find.Blob(0) == id) return true;
  }
  return false;
}

Result<bool> EventWriter::IsKnown(const PreparedEvent& event) {
  const std::string id = PackId(event.event.id);
  for (int lane : {0, 1}) {
    const auto open = open_.find({event.event.kind, lane});
    if (open != open_.end() && BW_TRY(HasId(open->second->segment, event.hash, id))) return true;
  }
  for (auto it = segments_.rbegin(); it != segments_.rend(); ++it) {
    const Segment& segment = *it->second;
    if (!segment.sealed || segment.kind != event.event.kind) continue;
    if (!segment.ids->MayHave(event.hash)) continue;
    if (BW_TRY(HasId(segment, event.hash, id))) return true;
  }
  return false;
}

Result<int64_t> EventWriter::Code(Open& open, int key, const std::string& text) {
  if (text.empty()) return int64_t{0};
  std::string name(1, static_cast<char>(key));
  name += text;
  const auto found = open.codes.find(name);
  if (found != open.codes.end()) return found->second;
  int64_t code = 0;
  {
    Statement find = BW_TRY(writer_.Prepare(
        fmt::format("SELECT id FROM {} WHERE field=?1 AND text=?2", open.segment.Table('s'))));
    if (BW_TRY(find.Bind(1, int64_t{key}).Bind(2, std::string_view(text)).Step())) {
      code = find.Int(0);
    }
  }
  if (code == 0) {
    code = open.next_code++;
    Statement add = BW_TRY(writer_.Prepare(
        fmt::format("INSERT INTO {} VALUES(?1, ?2, ?3, 0)", open.segment.Table('s'))));
    BW_TRY(add.Bind(1, code).Bind(2, int64_t{key}).Bind(3, std::string_view(text)).Run());
  }
  if (open.codes.size() >= kMaxRemembered) open.codes.clear();
  open.codes.emplace(std::move(name), code);
  return code;
}

Result<AppendOutcome> EventWriter::Append(std::vector<PreparedEvent>& events, int64_t now_us) {
  BW_TRY(Load());
  AppendOutcome outcome;
  Counts counts;
  std::set<std::pair<std::string, int>> touched;
  std::string marks;
  for (size_t i = 0; i < EventKeys().size(); ++i) marks += ",?";
  for (PreparedEvent& prepared : events) {
    const Event& event = prepared.event;
    if (BW_TRY(IsKnown(prepared))) {
      ++outcome.duplicates;
      continue;
    }
    const int64_t received = event.received_us != 0 ? event.received_us : now_us;
    const int64_t late = received - event.time_us;
    const int lane = late > kHourUs || late < -kHourUs ? 1 : 0;
    Open& open = *BW_TRY(OpenFor(event.kind, lane, event.time_us));
    Segment& segment = open.segment;
    const int64_t seq = ++segment.last_seq;
    ++segment.events;
    const auto block = static_cast<size_t>((seq - 1) / kBlockRows);
    if (open.blocks.size() <= block) open.blocks.resize(block + 1);
    for (Block* times : {&open.blocks[block], &segment.times}) {
      times->min = std::min(times->min, event.time_us);
      times->max = std::max(times->max, event.time_us);
    }
    touched.insert({event.kind, lane});

    std::array<int64_t, 24> codes{};
    std::string text = "\x02" + SeverityWord(static_cast<int>(event.severity));
    const auto& keys = EventKeys();
    for (size_t i = 0; i < keys.size(); ++i) {
      codes[i] = BW_TRY(Code(open, static_cast<int>(i), keys[i].Of(event)));
      if (codes[i] == 0 || keys[i].name.empty()) continue;
      text += ' ';
      text += KeyWord(codes[i]);
    }
    text += '\x03';
    text += prepared.text;
    const std::string id = PackId(event.id);
    {
      Statement insert = BW_TRY(
          writer_.Prepare(fmt::format("INSERT INTO e_{} VALUES(?,?,?,?,?{})", segment.id, marks)));
      insert.Bind(1, seq)
          .Bind(2, event.time_us)
          .Bind(3, event.received_us - event.time_us)
          .Bind(4, static_cast<int64_t>(event.severity))
          .BindBlob(5, id);
      for (size_t i = 0; i < keys.size(); ++i) insert.Bind(static_cast<int>(i) + 6, codes[i]);
      BW_TRY(insert.Run());
      Statement know =
          BW_TRY(writer_.Prepare(fmt::format("INSERT INTO i_{} VALUES(?1, ?2)", segment.id)));
      BW_TRY(know.Bind(1, static_cast<int64_t>(prepared.hash)).Bind(2, seq).Run());
      Statement words = BW_TRY(
          writer_.Prepare(fmt::format("INSERT INTO f_{}(rowid, text) VALUES(?1, ?2)", segment.id)));
      BW_TRY(words.Bind(1, seq).Bind(2, std::string_view(text)).Run());
    }
    if (!prepared.payload.empty()) {
      Statement keep =
          BW_TRY(writer_.Prepare(fmt::format("INSERT INTO b_{} VALUES(?1, ?2)", segment.id)));
      BW_TRY(keep.Bind(1, seq).BindBlob(2, prepared.payload).Run());
    }
    counts.Add(segment.id, event, codes, 1);
    ++outcome.stored;
  }
  BW_TRY(Flush(counts));
  for (const auto& name : touched) {
    const auto open = open_.find(name);
    if (open != open_.end()) BW_TRY(Store(*open->second));
  }
  return outcome;
}

Result<> EventWriter::Flush(Counts& counts) {
  for (auto& [segment, of] : counts.by_segment) {
    Statement value =
        BW_TRY(writer_.Prepare(fmt::format("UPDATE s_{} SET count=count+?2 WHERE id=?1", segment)));
    for (const auto& [code, count] : of.values) BW_TRY(value.Bind(1, code).Bind(2, count).Run());
    Statement single = BW_TRY(writer_.Prepare(
        fmt::format("INSERT INTO r_{} VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET "
                    "count=count+excluded.count",
                    segment)));
    for (const auto& [key, count] : of.single) {
      for (int i = 0; i < 3; ++i) single.Bind(i + 1, key[static_cast<size_t>(i)]);
      BW_TRY(single.Bind(4, count).Run());
    }
    Statement crossed = BW_TRY(writer_.Prepare(
        fmt::format("INSERT INTO x_{} VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET "
                    "count=count+excluded.count",
                    segment)));
    for (const auto& [key, count] : of.crossed) {
      for (int i = 0; i < 6; ++i) crossed.Bind(i + 1, key[static_cast<size_t>(i)]);
      BW_TRY(crossed.Bind(7, count).Run());
    }
  }
  return Ok();
}

Result<int64_t> EventWriter::Drop(int64_t id, int64_t before_us) {
  BW_TRY(Load());
  const auto found = segments_.find(id);
  if (found == segments_.end()) return int64_t{0};
  const int64_t events = found->second->events;
  if (events > 0 && found->second->times.max >= before_us) return int64_t{0};
  open_.erase({found->second->kind, found->second->lane});
  // Another segment may be the open one of that kind and lane.
  if (found->second->sealed) loaded_ = false;
  for (char table : {'e', 'b', 's', 'i', 'r', 'x', 'f'}) {
    BW_TRY(writer_.Run(fmt::format("DROP TABLE {}", found->second->Table(table))));
  }
  BW_TRY(
      writer_.Run(fmt::format("DELETE FROM blocks WHERE segment={0};"
                              "DELETE FROM segments WHERE id={0};"
                              "UPDATE meta SET value=value+1 WHERE name='generation';",
                              id)));
  segments_.erase(found);
  ++generation_;
  return events;
}

Result<int64_t> EventWriter::TimeAfter(int64_t id, int64_t count) {
  Statement find = BW_TRY(
      writer_.Prepare(fmt::format("SELECT time FROM e_{} ORDER BY time LIMIT 1 OFFSET ?1", id)));
  if (!BW_TRY(find.Bind(1, count).Step())) return int64_t{INT64_MAX};
  return find.Int(0);
}

Result<int64_t> EventWriter::Trim(int64_t id, int64_t before_us, int64_t limit) {
  BW_TRY(Load());
  const auto found = segments_.find(id);
  if (found == segments_.end()) return int64_t{0};
  std::string columns;
  for (size_t i = 0; i < EventKeys().size(); ++i) columns += fmt::format(", d{}", i);
  Counts counts;
  struct Doomed {
    int64_t seq, hash;
  };
  std::vector<Doomed> doomed;
  {
    Statement find = BW_TRY(writer_.Prepare(
        fmt::format("SELECT seq, time, severity, id{} FROM e_{} WHERE time<?1 ORDER BY time LIMIT "
                    "?2",
                    columns, id)));
    find.Bind(1, before_us).Bind(2, limit);
    while (BW_TRY(find.Step())) {
      Event event;
      event.time_us = find.Int(1);
      event.severity = static_cast<Severity>(find.Int(2));
      std::array<int64_t, 24> codes{};
      for (size_t i = 0; i < EventKeys().size(); ++i) codes[i] = find.Int(4 + static_cast<int>(i));
      counts.Add(id, event, codes, -1);
      doomed.push_back({find.Int(0), static_cast<int64_t>(IdHash(UnpackId(find.Blob(3))))});
    }
  }
  if (doomed.empty()) return int64_t{0};
  for (const Doomed& row : doomed) {
    for (const char* table : {"e", "b"}) {
      Statement drop =
          BW_TRY(writer_.Prepare(fmt::format("DELETE FROM {}_{} WHERE seq=?1", table, id)));
      BW_TRY(drop.Bind(1, row.seq).Run());
    }
    Statement drop =
        BW_TRY(writer_.Prepare(fmt::format("DELETE FROM i_{} WHERE hash=?1 AND seq=?2", id)));
    BW_TRY(drop.Bind(1, row.hash).Bind(2, row.seq).Run());
  }
  BW_TRY(Flush(counts));
  BW_TRY(
      writer_.Run(fmt::format("DELETE FROM r_{0} WHERE count<=0; DELETE FROM x_{0} WHERE "
                              "count<=0; DELETE FROM s_{0} WHERE count<=0;",
                              id)));
  Statement update = BW_TRY(writer_.Prepare(
      fmt::format("UPDATE segments SET trimmed=1, events=events-?2, "
                  "min_time=coalesce((SELECT min(time) FROM e_{}), max_time) WHERE id=?1",
                  id)));
  BW_TRY(update.Bind(1, id).Bind(2, static_cast<int64_t>(doomed.size())).Run());
  loaded_ = false;
  return static_cast<int64_t>(doomed.size());
}

}  // namespace bulwark::store
