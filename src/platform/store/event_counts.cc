// Counts of events: over time, in all, and of the most frequent values; from the rollups where they
// can tell.

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/text.h"
#include "platform/store/event_fields.h"
#include "platform/store/sqlite_event_store_impl.h"

namespace bulwark::store {
namespace {

constexpr int kAllField = 100, kSeverityField = 101;

struct Rollup {
  enum class From : uint8_t { kNone, kSingle, kCrossed } from = From::kNone;
  int field = kAllField;
  int64_t unit_us = kMinuteUs;
};

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

}  // namespace bulwark::store
