#pragma once

// SourceMap: where in its source text each place of a document stands, kept beside the document.
//
//   Arena arena;
//   SourceMap positions;
//   Value pod = BW_TRY(ParseYaml(text, arena, {}, &positions));
//   const Value* spec = pod.Find("spec");
//   positions.Of(spec)->line;        // of the value
//   positions.KeyOf(spec)->column;   // of the key "spec"
//
// A place (slot) is named by its address: what Value::Find() and items() point to. The document
// itself has no address that lasts: Root(). A slot that an alias or a merge key made has the
// position of what stands in the text: `*alias` for the former, the merged map's own entry for the
// latter; what lies below it is shared with the anchor, and so are its positions.
//
// Offsets, lines and columns are bytes; line and column count from 1, columns within a line that
// ends with \n. Texts are at most 4 GiB. One block of memory a container, 8 bytes a slot and a
// line. Filled by a parser from one thread; after that, any number of threads may read it.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/value.h"

namespace bulwark {

struct Position {
  uint32_t offset = 0;  // of the first byte
  uint32_t line = 1;
  uint32_t column = 1;
  uint32_t end = 0;  // one past the last byte
  friend bool operator==(const Position&, const Position&) = default;
};

// Where a text begins within its file: a document in a stream, a line of JSON lines.
struct Origin {
  uint32_t offset = 0;  // bytes before it
  uint32_t line = 1;    // its first line, which starts at its first byte
  friend bool operator==(const Origin&, const Origin&) = default;
};

// The position of an offset in a text, found by counting. For one error; a SourceMap serves many.
Position PositionAt(std::string_view text, size_t offset, Origin origin = {});

class SourceMap {
 public:
  // Offsets within the text that the parser was given.
  struct Range {
    uint32_t begin = 0, end = 0;
  };

  // The position of the value in a slot; nothing if the slot is not of this document.
  std::optional<Position> Of(const Value* slot) const;
  // The position of the key over a map's slot; nothing if the slot is no map's.
  std::optional<Position> KeyOf(const Value* slot) const;
  // Of the whole document.
  Position Root() const { return At(root_); }
  // The line and column of an offset within the file.
  Position At(uint32_t begin, uint32_t end) const { return At(Range{begin, end}); }
  size_t bytes_used() const {
    return blocks_.capacity() * sizeof(Block) + ranges_.capacity() * sizeof(Range) +
           lines_.capacity() * sizeof(uint32_t);
  }

  // For parsers. Begin() forgets what there was; Finish() makes it ready for look-ups.
  void Begin(std::string_view text, Origin origin);
  void SetRoot(Range range) { root_ = range; }
  void AddItems(std::span<const Value> items, const Range* ranges) {
    Add(items.data(), items.size(), false, ranges);
  }
  // Two ranges an entry: key, value.
  void AddEntries(std::span<const Value::Entry> entries, const Range* ranges) {
    static_assert(sizeof(Value::Entry) == 2 * sizeof(Value));
    Add(reinterpret_cast<const Value*>(entries.data()), entries.size() * 2, true, ranges);
  }
  void Finish();

 private:
  struct Block {
    const Value* first;
    uint32_t count : 31;
    uint32_t map : 1;
    uint32_t ranges;  // index of the first
  };
  void Add(const Value* first, size_t count, bool map, const Range* ranges) {
    if (count == 0) return;
    blocks_.push_back({first, static_cast<uint32_t>(count), map ? 1U : 0U,
                       static_cast<uint32_t>(ranges_.size())});
    ranges_.insert(ranges_.end(), ranges, ranges + count);
  }
  const Block* BlockOf(const Value* slot) const;
  Position At(Range range) const;

  Origin origin_;
  Range root_;
  std::vector<Block> blocks_;  // sorted by `first` after Finish()
  std::vector<Range> ranges_;
  std::vector<uint32_t> lines_;  // offsets of the lines' first bytes
};

}  // namespace bulwark
