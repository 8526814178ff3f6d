#include "platform/store/event_segment.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/severity.h"
#include "platform/store/event_fields.h"
#include "platform/store/sqlite_filter.h"
#include "platform/store/tokenizer.h"

namespace bulwark::store {
namespace {

constexpr size_t kMaxCodesInMatch = 300;

Predicate Of(bool value) {
  Predicate out;
  out.kind = value ? Predicate::Kind::kTrue : Predicate::Kind::kFalse;
  return out;
}

Predicate Negated(Predicate inner) {
  if (inner.IsTrue()) return Of(false);
  if (inner.IsFalse()) return Of(true);
  Predicate out;
  out.kind = Predicate::Kind::kNot;
  out.parts.push_back(std::move(inner));
  return out;
}

// Whether a term on text holds of a value.
bool TextHolds(const Term& term, const std::string& value) {
  if (term.op == Term::Op::kHas) return !value.empty();
  if (term.op != Term::Op::kEquals) return false;
  return std::any_of(term.values.begin(), term.values.end(), [&](const std::string& wanted) {
    return IsGlob(wanted) ? GlobMatch(wanted, value, '\0') : PlainValue(wanted) == value;
  });
}

bool NumberHolds(Term::Op op, double value, const std::vector<double>& numbers) {
  for (double number : numbers) {
    switch (op) {
      case Term::Op::kEquals:
        if (value == number) return true;
        break;
      case Term::Op::kLess:
        if (value < number) return true;
        break;
      case Term::Op::kLessEqual:
        if (value <= number) return true;
        break;
      case Term::Op::kGreater:
        if (value > number) return true;
        break;
      case Term::Op::kGreaterEqual:
        if (value >= number) return true;
        break;
      default: break;
    }
  }
  return false;
}

Result<Predicate> CompileKey(Connection& reader, const Segment& segment, size_t key,
                             const Term& term) {
  Predicate out;
  out.kind = Predicate::Kind::kCodes;
  out.key = static_cast<int>(key);
  if (term.op == Term::Op::kHas) {
    out.codes.push_back(0);
    return Negated(std::move(out));
  }
  if (term.op != Term::Op::kEquals) return Of(false);
  if (TextHolds(term, "")) out.codes.push_back(0);
  // The dictionary's values that match, by the same SQL as a collection's columns.
  const SqlColumn column{
      .type = ColumnType::kText, .expression = "text", .list_select = {}, .id = {}};
  const SqlFilter filter([&](std::string_view) { return &column; }, "");
  std::vector<CursorValue> parameters;
  Query query;
  query.kind = Query::Kind::kTerm;
  query.term = term;
  const std::string where = filter.Where(query, parameters);
  Statement find = BW_TRY(reader.Prepare(
      fmt::format("SELECT id FROM {} WHERE field={} AND {}", segment.Table('s'), key, where)));
  BindAll(find, parameters);
  while (BW_TRY(find.Step())) out.codes.push_back(find.Int(0));
  if (out.codes.empty()) return Of(false);
  std::sort(out.codes.begin(), out.codes.end());
  return out;
}

Result<Predicate> CompileTerm(Connection& reader, const Segment& segment, const Term& term) {
  Predicate out;
  if (term.op == Term::Op::kText) {
    if (term.values.empty() || SearchWords(term.values[0]).empty()) return Of(false);
    out.kind = Predicate::Kind::kText;
    out.text = term.values[0];
    return out;
  }
  if (term.field == "kind") return Of(TextHolds(term, segment.kind));
  if (term.field == "severity") {
    if (term.op == Term::Op::kHas) return Of(true);
    const std::vector<double> numbers = TermNumbers(term, ColumnType::kSeverity);
    out.kind = Predicate::Kind::kSeverity;
    for (int i = 0; i < kSeverities; ++i) {
      if (NumberHolds(term.op, i, numbers)) out.severities |= 1u << i;
    }
    if (out.severities == 0) return Of(false);
    return out.severities == (1u << kSeverities) - 1 ? Of(true) : std::move(out);
  }
  if (term.field == "time") {
    if (term.op == Term::Op::kHas) return Of(true);
    out.kind = Predicate::Kind::kTime;
    out.op = term.op;
    out.times = TermNumbers(term, ColumnType::kTime);
    return out;
  }
  const auto& keys = EventKeys();
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!term.field.empty() && keys[i].name == term.field) {
      return CompileKey(reader, segment, i, term);
    }
  }
  return Of(TextHolds(term, ""));
}

std::string Quoted(std::string_view word) { return "\"\x02" + std::string(word) + "\x03\""; }

// The rows' numbers between which all rows of a range of time are.
std::pair<int64_t, int64_t> RowsBetween(const Segment& segment, int64_t since, int64_t until) {
  int64_t first = 1, last = segment.last_seq;
  const std::vector<Block>& blocks = *segment.blocks;
  size_t from = 0, to = blocks.size();
  while (from < to && blocks[from].max < since) ++from;
  while (to > from && blocks[to - 1].min >= until) --to;
  first = static_cast<int64_t>(from) * kBlockRows + 1;
  last = std::min(last, static_cast<int64_t>(to) * kBlockRows);
  return {first, last};
}

}  // namespace

void IdFilter::Add(uint64_t hash) {
  const uint64_t bits = bytes_.size() * 8, step = (hash >> 32) | 1;
  for (int i = 0; i < 6; ++i, hash += step) {
    const uint64_t bit = hash % bits;
    bytes_[bit / 8] = static_cast<char>(bytes_[bit / 8] | 1 << bit % 8);
  }
}

bool IdFilter::MayHave(uint64_t hash) const {
  const uint64_t bits = bytes_.size() * 8, step = (hash >> 32) | 1;
  if (bits == 0) return true;
  for (int i = 0; i < 6; ++i, hash += step) {
    const uint64_t bit = hash % bits;
    if ((bytes_[bit / 8] >> bit % 8 & 1) == 0) return false;
  }
  return true;
}

uint32_t Predicate::Uses() const {
  switch (kind) {
    case Kind::kTrue:
    case Kind::kFalse: return 0;
    case Kind::kCodes: return 1u << key;
    case Kind::kSeverity: return kUsesSeverity;
    case Kind::kTime:
    case Kind::kText: return kUsesMore;
    default: break;
  }
  uint32_t uses = 0;
  for (const Predicate& part : parts) uses |= part.Uses();
  return uses;
}

bool Predicate::Holds(const Row& row, const std::function<std::string()>& row_text) const {
  switch (kind) {
    case Kind::kTrue: return true;
    case Kind::kFalse: return false;
    case Kind::kAnd:
      return std::all_of(parts.begin(), parts.end(),
                         [&](const Predicate& part) { return part.Holds(row, row_text); });
    case Kind::kOr:
      return std::any_of(parts.begin(), parts.end(),
                         [&](const Predicate& part) { return part.Holds(row, row_text); });
    case Kind::kNot: return !parts[0].Holds(row, row_text);
    case Kind::kCodes:
      return std::binary_search(codes.begin(), codes.end(), row.codes[static_cast<size_t>(key)]);
    case Kind::kSeverity: return (severities >> row.severity & 1) != 0;
    case Kind::kTime: return NumberHolds(op, static_cast<double>(row.time), times);
    case Kind::kText: return TokenizedText(row_text()).Contains(SearchWords(text));
  }
  BW_UNREACHABLE();
}

Result<Predicate> CompileFor(Connection& reader, const Segment& segment, const Query& query) {
  switch (query.kind) {
    case Query::Kind::kAll: return Of(true);
    case Query::Kind::kTerm: return CompileTerm(reader, segment, query.term);
    case Query::Kind::kNot:
      if (query.parts.empty()) return Of(true);
      return Negated(BW_TRY(CompileFor(reader, segment, query.parts[0])));
    case Query::Kind::kAnd:
    case Query::Kind::kOr: break;
  }
  const bool any = query.kind == Query::Kind::kOr;
  Predicate out;
  out.kind = any ? Predicate::Kind::kOr : Predicate::Kind::kAnd;
  for (const Query& part : query.parts) {
    Predicate compiled = BW_TRY(CompileFor(reader, segment, part));
    if (any ? compiled.IsTrue() : compiled.IsFalse()) return compiled;
    if (any ? compiled.IsFalse() : compiled.IsTrue()) continue;
    out.parts.push_back(std::move(compiled));
  }
  if (out.parts.empty()) return Of(!any);
  return out.parts.size() == 1 ? Predicate(std::move(out.parts[0])) : out;
}

Query TakeTimeBounds(const Query& query, int64_t& since, int64_t& until) {
  if (query.kind == Query::Kind::kAnd) {
    std::vector<Query> parts;
    for (const Query& part : query.parts) {
      Query rest = TakeTimeBounds(part, since, until);
      if (rest.kind != Query::Kind::kAll) parts.push_back(std::move(rest));
    }
    if (parts.empty()) return Query::All();
    return parts.size() == 1 ? std::move(parts[0]) : Query::And(std::move(parts));
  }
  const Term& term = query.term;
  if (query.kind != Query::Kind::kTerm || term.field != "time" || term.op == Term::Op::kHas) {
    return query;
  }
  const std::vector<double> times = TermNumbers(term, ColumnType::kTime);
  if (times.size() != 1) return query;
  const auto at = static_cast<int64_t>(times[0]);
  switch (term.op) {
    case Term::Op::kGreaterEqual: since = std::max(since, at); break;
    case Term::Op::kGreater: since = std::max(since, at + 1); break;
    case Term::Op::kLess: until = std::min(until, at); break;
    case Term::Op::kLessEqual: until = std::min(until, at + 1); break;
    case Term::Op::kEquals:
      since = std::max(since, at);
      until = std::min(until, at + 1);
      break;
    default: return query;
  }
  return Query::All();
}

std::string KeyWord(int64_t code) {
  static constexpr std::string_view kDigits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  // No word of a text begins with a control character.
  std::string out = "\x01";
  for (; code > 0; code /= 62) out += kDigits[static_cast<size_t>(code % 62)];
  return out;
}

std::string SeverityWord(int severity) { return "\x01_" + std::to_string(severity); }

std::optional<MatchExpression> MatchFor(const Predicate& predicate) {
  switch (predicate.kind) {
    case Predicate::Kind::kText: return MatchExpression{MatchPhrase(predicate.text), true};
    case Predicate::Kind::kCodes: {
      if (predicate.codes.size() > kMaxCodesInMatch || predicate.codes[0] == 0) return std::nullopt;
      std::string out;
      for (int64_t code : predicate.codes) {
        if (!out.empty()) out += " OR ";
        out += Quoted(KeyWord(code));
      }
      return MatchExpression{"(" + out + ")", true};
    }
    case Predicate::Kind::kSeverity: {
      std::string out;
      for (int i = 0; i < kSeverities; ++i) {
        if ((predicate.severities >> i & 1) == 0) continue;
        if (!out.empty()) out += " OR ";
        out += Quoted(SeverityWord(i));
      }
      return MatchExpression{"(" + out + ")", true};
    }
    case Predicate::Kind::kOr: {
      MatchExpression out{"", true};
      for (const Predicate& part : predicate.parts) {
        const auto one = MatchFor(part);
        if (!one) return std::nullopt;
        if (!out.text.empty()) out.text += " OR ";
        out.text += one->text;
        out.exact = out.exact && one->exact;
      }
      out.text = "(" + out.text + ")";
      return out;
    }
    case Predicate::Kind::kAnd: {
      MatchExpression out{"", true};
      std::string without;
      for (const Predicate& part : predicate.parts) {
        if (part.kind == Predicate::Kind::kNot) {
          const auto inner = MatchFor(part.parts[0]);
          if (inner && inner->exact) {
            without += " NOT " + inner->text;
          } else {
            out.exact = false;
          }
          continue;
        }
        const auto one = MatchFor(part);
        if (!one) {
          out.exact = false;
          continue;
        }
        if (!out.text.empty()) out.text += " AND ";
        out.text += one->text;
        out.exact = out.exact && one->exact;
      }
      if (out.text.empty()) return std::nullopt;
      out.text = "((" + out.text + ")" + without + ")";
      return out;
    }
    default: return std::nullopt;
  }
}

Result<SegmentScan> SegmentScan::Open(Connection& reader, const Segment& segment,
                                      const Predicate& predicate, Options options) {
  const auto match = MatchFor(predicate);
  const uint32_t wanted = predicate.Uses() | options.more_keys;
  std::string selected;
  std::vector<int> columns;
  for (int i = 0; i < static_cast<int>(EventKeys().size()); ++i) {
    if ((wanted >> i & 1) == 0) continue;
    columns.push_back(i);
    selected += fmt::format(", e.d{}", i);
  }
  const auto [first, last] = RowsBetween(segment, options.since, options.until);
  const char* order = options.descending ? "DESC" : "ASC";
  std::string sql;
  if (match) {
    sql = fmt::format(
        "SELECT e.seq, e.time, e.severity{1} FROM f_{0} f CROSS JOIN e_{0} e ON e.seq=f.rowid "
        "WHERE f.f_{0} MATCH ?3 AND f.rowid>=?1 AND f.rowid<=?2 ORDER BY f.rowid {2}",
        segment.id, selected, order);
  } else {
    sql = fmt::format(
        "SELECT e.seq, e.time, e.severity{1} FROM e_{0} e WHERE e.seq>=?1 AND e.seq<=?2 "
        "ORDER BY e.seq {2}",
        segment.id, selected, order);
  }
  SegmentScan scan(predicate, std::move(options), BW_TRY(reader.Prepare(sql)));
  scan.statement_->Bind(1, first).Bind(2, last);
  if (match) {
    scan.match_ = std::make_unique<std::string>(match->text);
    scan.statement_->Bind(3, std::string_view(*scan.match_));
  }
  scan.columns_ = std::move(columns);
  scan.check_ = !match || !match->exact;
  scan.done_ = first > last;
  const std::vector<Block>& blocks = *segment.blocks;
  scan.bounds_.resize(blocks.size());
  if (scan.options_.descending) {
    int64_t bound = INT64_MIN;
    for (size_t i = 0; i < blocks.size(); ++i) {
      scan.bounds_[i] = bound = std::max(bound, blocks[i].max);
    }
    scan.at_ = last;
  } else {
    int64_t bound = INT64_MAX;
    for (size_t i = blocks.size(); i-- > 0;) {
      scan.bounds_[i] = bound = std::min(bound, blocks[i].min);
    }
    scan.at_ = first;
  }
  return scan;
}

int64_t SegmentScan::Bound() const {
  if (at_ < 1 || bounds_.empty()) return options_.descending ? INT64_MIN : INT64_MAX;
  const auto block = static_cast<size_t>((at_ - 1) / kBlockRows);
  return bounds_[std::min(block, bounds_.size() - 1)];
}

Result<bool> SegmentScan::Next(Row& row) {
  while (!done_ && BW_TRY(statement_->Step())) {
    row.seq = at_ = statement_->Int(0);
    row.time = statement_->Int(1);
    if (row.time < options_.since || row.time >= options_.until) continue;
    row.severity = static_cast<int>(statement_->Int(2));
    for (size_t i = 0; i < columns_.size(); ++i) {
      row.codes[static_cast<size_t>(columns_[i])] = statement_->Int(3 + static_cast<int>(i));
    }
    if (!check_ || predicate_->Holds(row, [&] { return options_.text(row.seq); })) return true;
  }
  done_ = true;
  return false;
}

Result<const Row*> OrderedScan::Peek() {
  while (!done_) {
    if (!ready_.empty()) {
      const int64_t bound = scan_.Bound(), top = ready_.top().time;
      if (descending_ ? top >= bound : top <= bound) break;
    }
    Row row;
    if (BW_TRY(scan_.Next(row))) {
      ready_.push(row);
    } else {
      done_ = true;
    }
  }
  return ready_.empty() ? nullptr : &ready_.top();
}

}  // namespace bulwark::store
