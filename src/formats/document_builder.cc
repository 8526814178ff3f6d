#include "formats/document_builder.h"

#include <algorithm>

namespace bulwark {

namespace {

// A map built of entries with a key twice finds the first one only.
size_t FirstDuplicate(const Value& map, std::span<const Value::Entry> entries) {
  size_t i = 0;
  while (i < entries.size() && map.Find(entries[i].key.AsString()) == &entries[i].value) ++i;
  return i;
}

std::span<const Value::Entry> AsEntries(std::span<const Value> pairs) {
  static_assert(sizeof(Value::Entry) == 2 * sizeof(Value));
  return {reinterpret_cast<const Value::Entry*>(pairs.data()), pairs.size() / 2};
}

}  // namespace

void DocumentBuilder::CloseArray(size_t first, Range range) {
  std::span<const Value> items = arena_.Copy<Value>(std::span(slots_).subspan(first));
  if (positions_ != nullptr) positions_->AddItems(items, ranges_.data() + first);
  Replace(first, items.empty() ? Value::EmptyArray() : Value::Array(items), range);
}

void DocumentBuilder::DropNulls(size_t first) {
  size_t kept = first;
  for (size_t i = first; i < slots_.size(); i += 2) {
    if (slots_[i + 1].IsNull()) continue;
    if (kept != i) {
      std::copy_n(slots_.begin() + static_cast<long>(i), 2,
                  slots_.begin() + static_cast<long>(kept));
      std::copy_n(ranges_.begin() + static_cast<long>(i), 2,
                  ranges_.begin() + static_cast<long>(kept));
    }
    kept += 2;
  }
  slots_.resize(kept);
  ranges_.resize(kept);
}

std::optional<size_t> DocumentBuilder::CloseMap(size_t first, Range range, bool last_wins) {
  if (drop_nulls_) DropNulls(first);
  std::span<const Value::Entry> entries =
      AsEntries(arena_.Copy<Value>(std::span(slots_).subspan(first)));
  Value map = MapBuilder::FromUnique(arena_, entries);
  size_t twice = FirstDuplicate(map, entries);
  if (twice == entries.size()) [[likely]] {
    if (positions_ != nullptr) positions_->AddEntries(entries, ranges_.data() + first);
  } else if (last_wins) {
    std::vector<Range> ranges(ranges_.begin() + static_cast<long>(first), ranges_.end());
    entries = LastWins(map, entries, ranges);
    if (positions_ != nullptr) positions_->AddEntries(entries, ranges.data());
    map = MapBuilder::FromUnique(arena_, entries);
  } else {
    return first + twice * 2;
  }
  Replace(first, map, range);
  return std::nullopt;
}

std::optional<size_t> DocumentBuilder::FindDuplicate(size_t first) const {
  Arena scratch;
  std::span<const Value::Entry> entries = AsEntries(std::span(slots_).subspan(first));
  Value map = MapBuilder::FromUnique(scratch, entries);
  size_t twice = FirstDuplicate(map, entries);
  if (twice == entries.size()) return std::nullopt;
  return first + twice * 2;
}

std::span<const Value::Entry> DocumentBuilder::LastWins(const Value& map,
                                                        std::span<const Value::Entry> entries,
                                                        std::vector<Range>& ranges) {
  auto* unique = arena_.Array<Value::Entry>(entries.size());
  std::vector<size_t> place(entries.size());
  size_t count = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Value* found = map.Find(entries[i].key.AsString());
    auto first =
        static_cast<size_t>(reinterpret_cast<const Value::Entry*>(found - 1) - entries.data());
    if (first == i) {
      place[i] = count;
      new (&unique[count++]) Value::Entry(entries[i]);
    } else {
      unique[place[first]].value = entries[i].value;
    }
    std::copy_n(ranges.begin() + static_cast<long>(i) * 2, 2,
                ranges.begin() + static_cast<long>(place[first]) * 2);
  }
  ranges.resize(count * 2);
  return {unique, count};
}

}  // namespace bulwark
