#pragma once

// One segment of the SQLite EventStore, as readers see it: what a query means there, and its rows
// in the order of time. sqlite_event_store.h says how segments are laid out.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "base/result.h"
#include "platform/store/event_codec.h"
#include "platform/store/query.h"
#include "platform/store/sqlite.h"

namespace bulwark::store {

inline constexpr int64_t kBlockRows = 256;
inline constexpr int64_t kNoTimeBelow = INT64_MIN;
inline constexpr int64_t kNoTimeAbove = INT64_MAX;

// Ids of a sealed segment, as a Bloom filter: 12 bits an id, about 3 in 1,000 are wrongly "maybe".
class IdFilter {
 public:
  explicit IdFilter(size_t ids) : bytes_(std::max<size_t>(ids * 12 / 8, 64), '\0') {}
  explicit IdFilter(std::string bytes) : bytes_(std::move(bytes)) {}
  void Add(uint64_t hash);
  bool MayHave(uint64_t hash) const;
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// The times of kBlockRows rows that arrived one after another.
struct Block {
  int64_t min = INT64_MAX, max = INT64_MIN;
};

struct Segment {
  int64_t id = 0;
  std::string kind;
  int lane = 0;  // 1: what came late, or with a time to come
  bool sealed = false;
  bool trimmed = false;  // rows went: full text knows more rows than there are
  int64_t events = 0;
  int64_t last_seq = 0;
  Block times;
  std::shared_ptr<const std::vector<Block>> blocks;
  std::shared_ptr<const IdFilter> ids;  // of sealed ones

  std::string Table(char what) const { return std::string(1, what) + "_" + std::to_string(id); }
};

struct Row {
  int64_t seq = 0, time = 0;
  int severity = 0;
  std::array<int64_t, 24> codes{};  // of the keys that were asked for; 0: empty
};

// A query compiled for one segment: names have become codes of its dictionary.
struct Predicate {
  enum class Kind : uint8_t { kTrue, kFalse, kAnd, kOr, kNot, kCodes, kSeverity, kTime, kText };
  Kind kind = Kind::kTrue;
  std::vector<Predicate> parts;
  int key = 0;                 // kCodes: which of EventKeys()
  std::vector<int64_t> codes;  // sorted
  uint32_t severities = 0;     // kSeverity: bits
  Term::Op op = Term::Op::kEquals;
  std::vector<double> times;  // kTime
  std::string text;           // kText

  bool IsTrue() const { return kind == Kind::kTrue; }
  bool IsFalse() const { return kind == Kind::kFalse; }
  // The keys it looks at, as bits; bit 30: severity; bit 31: what rollups cannot tell.
  uint32_t Uses() const;
  // `text` is asked for the row's full text where that matters.
  bool Holds(const Row& row, const std::function<std::string()>& text) const;
};
inline constexpr uint32_t kUsesSeverity = 1u << 30;
inline constexpr uint32_t kUsesMore = 1u << 31;

Result<Predicate> CompileFor(Connection& reader, const Segment& segment, const Query& query);

// Takes the bounds on time that a query must meet out of it.
Query TakeTimeBounds(const Query& query, int64_t& since, int64_t& until);

// What must be in the full-text index for a row to match; nothing where that cannot be said there.
struct MatchExpression {
  std::string text;
  bool exact = false;  // and all that has it matches
};
std::optional<MatchExpression> MatchFor(const Predicate& predicate);

// The index's word for a key's value, and for a severity.
std::string KeyWord(int64_t code);
std::string SeverityWord(int severity);

// The rows of a segment that match, in the order of arrival or its reverse.
class SegmentScan {
 public:
  struct Options {
    int64_t since = kNoTimeBelow, until = kNoTimeAbove;
    bool descending = true;
    uint32_t more_keys = 0;  // codes wanted beside those that the predicate needs
    std::function<std::string(int64_t seq)> text;
  };
  static Result<SegmentScan> Open(Connection& reader, const Segment& segment,
                                  const Predicate& predicate, Options options);
  // False: there are no more.
  Result<bool> Next(Row& row);
  // No row that is still to come is newer (descending; else older) than this.
  int64_t Bound() const;

 private:
  SegmentScan(const Predicate& predicate, Options options, Statement statement)
      : predicate_(&predicate),
        options_(std::move(options)),
        statement_(std::make_unique<Statement>(std::move(statement))) {}
  const Predicate* predicate_;
  Options options_;
  std::unique_ptr<Statement> statement_;
  std::unique_ptr<std::string> match_;  // bound
  std::vector<int> columns_;
  std::vector<int64_t> bounds_;  // by block
  int64_t at_ = 0;
  bool check_ = true;
  bool done_ = false;
};

// The same in the order of (time, seq) or its reverse. Rows arrive nearly in order, so that a few
// blocks are looked ahead.
class OrderedScan {
 public:
  OrderedScan(SegmentScan scan, bool descending)
      : scan_(std::move(scan)), ready_(Later{descending}), descending_(descending) {}
  // The next row, which stays until Pop(); nullptr: no more.
  Result<const Row*> Peek();
  void Pop() { ready_.pop(); }

 private:
  struct Later {
    bool descending;
    bool operator()(const Row& a, const Row& b) const {
      const auto x = std::pair(a.time, a.seq), y = std::pair(b.time, b.seq);
      return descending ? x < y : x > y;
    }
  };
  SegmentScan scan_;
  std::priority_queue<Row, std::vector<Row>, Later> ready_;
  bool descending_;
  bool done_ = false;
};

}  // namespace bulwark::store
