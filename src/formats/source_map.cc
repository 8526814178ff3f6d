#include "formats/source_map.h"

#include <algorithm>
#include <cstring>

namespace bulwark {

Position PositionAt(std::string_view text, size_t offset, Origin origin) {
  offset = std::min(offset, text.size());
  std::string_view before = text.substr(0, offset);
  size_t newline = before.rfind('\n');
  size_t line_start = newline == std::string_view::npos ? 0 : newline + 1;
  auto at = static_cast<uint32_t>(origin.offset + offset);
  return {at, origin.line + static_cast<uint32_t>(std::count(before.begin(), before.end(), '\n')),
          static_cast<uint32_t>(offset - line_start + 1), at};
}

void SourceMap::Begin(std::string_view text, Origin origin) {
  BW_CHECK(text.size() <= UINT32_MAX - origin.offset);
  origin_ = origin;
  root_ = {0, static_cast<uint32_t>(text.size())};
  blocks_.clear();
  ranges_.clear();
  lines_.assign(1, 0);
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  for (const char* at = begin; at < end;) {
    at = static_cast<const char*>(std::memchr(at, '\n', static_cast<size_t>(end - at)));
    if (at == nullptr) break;
    lines_.push_back(static_cast<uint32_t>(++at - begin));
  }
}

void SourceMap::Finish() {
  auto before = [](const Block& a, const Block& b) { return a.first < b.first; };
  // An arena's addresses grow but for the jumps between its blocks.
  if (!std::is_sorted(blocks_.begin(), blocks_.end(), before)) {
    std::sort(blocks_.begin(), blocks_.end(), before);
  }
}

const SourceMap::Block* SourceMap::BlockOf(const Value* slot) const {
  auto after = std::upper_bound(blocks_.begin(), blocks_.end(), slot,
                                [](const Value* s, const Block& block) { return s < block.first; });
  if (after == blocks_.begin()) return nullptr;
  const Block& block = *--after;
  return slot < block.first + block.count ? &block : nullptr;
}

std::optional<Position> SourceMap::Of(const Value* slot) const {
  const Block* block = BlockOf(slot);
  if (block == nullptr) return std::nullopt;
  return At(ranges_[block->ranges + static_cast<size_t>(slot - block->first)]);
}

std::optional<Position> SourceMap::KeyOf(const Value* slot) const {
  const Block* block = BlockOf(slot);
  if (block == nullptr || !block->map) return std::nullopt;
  auto index = static_cast<size_t>(slot - block->first);
  return At(ranges_[block->ranges + (index & ~size_t{1})]);
}

Position SourceMap::At(Range range) const {
  auto after = std::upper_bound(lines_.begin(), lines_.end(), range.begin);
  auto line = static_cast<uint32_t>(after - lines_.begin());  // ≥ 1: lines_[0] is 0
  uint32_t line_start = line == 0 ? 0 : lines_[line - 1];
  return {origin_.offset + range.begin, origin_.line + line - 1, range.begin - line_start + 1,
          origin_.offset + range.end};
}

}  // namespace bulwark
