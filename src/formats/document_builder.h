#pragma once

// What the readers of JSON and YAML share: the values of containers that are still open stand on
// one stack, each with its range in the text; closing a container moves its part into the arena,
// tells the SourceMap, and leaves the container in its place. One allocation a container, none a
// value.

#include <optional>
#include <span>
#include <vector>

#include "base/arena.h"
#include "base/value.h"
#include "formats/source_map.h"

namespace bulwark {

class DocumentBuilder {
 public:
  using Range = SourceMap::Range;

  // `positions` may be null. With `drop_nulls`, maps are made without entries whose value is null.
  DocumentBuilder(Arena& arena, SourceMap* positions, bool drop_nulls = false)
      : arena_(arena), positions_(positions), drop_nulls_(drop_nulls) {
    slots_.reserve(256);
    ranges_.reserve(256);
  }

  // The number of slots on the stack; what Close…() take as a container's beginning.
  size_t size() const { return slots_.size(); }
  Value& slot(size_t index) { return slots_[index]; }
  Range& range(size_t index) { return ranges_[index]; }

  void Push(Value value, Range range) {
    slots_.push_back(value);
    ranges_.push_back(range);
  }
  void Clear() {
    slots_.clear();
    ranges_.clear();
  }
  void Pop() {
    slots_.pop_back();
    ranges_.pop_back();
  }

  // Puts an array of the slots from `first` on in their place.
  void CloseArray(size_t first, Range range);
  // The same for a map of the slots from `first` on: key, value, key, value; keys are strings.
  // Where a key stands twice: with `last_wins`, the last value takes the place of the first; else
  // nothing is done, and the slot of the second of them is returned.
  std::optional<size_t> CloseMap(size_t first, Range range, bool last_wins);
  // The slot of the first key, from `first` on, that stands there a second time.
  std::optional<size_t> FindDuplicate(size_t first) const;

 private:
  std::span<const Value::Entry> LastWins(const Value& map, std::span<const Value::Entry> entries,
                                         std::vector<Range>& ranges);
  void Replace(size_t first, Value container, Range range) {
    slots_.resize(first);
    ranges_.resize(first);
    Push(container, range);
  }

  void DropNulls(size_t first);

  Arena& arena_;
  SourceMap* positions_;
  bool drop_nulls_;
  std::vector<Value> slots_;
  std::vector<Range> ranges_;  // one a slot
};

}  // namespace bulwark
