#include "base/arena.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace bulwark {

namespace {
constexpr size_t kLargestStep = size_t{1} << 20;
}

Arena::Arena(Arena&& other) noexcept
    : free_(std::exchange(other.free_, nullptr)),
      end_(std::exchange(other.end_, nullptr)),
      next_block_(other.next_block_),
      reserved_(std::exchange(other.reserved_, 0)),
      blocks_(std::move(other.blocks_)),
      owned_(std::move(other.owned_)) {
  other.blocks_.clear();
  other.owned_.clear();
}

Arena& Arena::operator=(Arena&& other) noexcept {
  if (this == &other) return *this;
  FreeAll();
  free_ = std::exchange(other.free_, nullptr);
  end_ = std::exchange(other.end_, nullptr);
  next_block_ = other.next_block_;
  reserved_ = std::exchange(other.reserved_, 0);
  blocks_ = std::exchange(other.blocks_, {});
  owned_ = std::exchange(other.owned_, {});
  return *this;
}

Arena::~Arena() { FreeAll(); }

void* Arena::AllocateSlow(size_t bytes, size_t align) {
  // A block of its own size for what is larger than a step, so that the current block is not
  // wasted.
  size_t size = std::max(next_block_, bytes + align);
  char* block = static_cast<char*>(::operator new(size));
  blocks_.emplace_back(block, size);
  reserved_ += size;
  uintptr_t at = (reinterpret_cast<uintptr_t>(block) + (align - 1)) & ~(align - 1);
  if (bytes > next_block_ / 2 && free_ != nullptr) return reinterpret_cast<void*>(at);
  free_ = reinterpret_cast<char*>(at + bytes);
  end_ = block + size;
  next_block_ = std::min(next_block_ * 2, std::max(kLargestStep, next_block_));
  return reinterpret_cast<void*>(at);
}

void Arena::Reset() {
  owned_.clear();
  if (blocks_.empty()) return;
  auto largest = std::max_element(blocks_.begin(), blocks_.end(),
                                  [](auto& a, auto& b) { return a.second < b.second; });
  std::swap(*largest, blocks_.front());
  for (size_t i = 1; i < blocks_.size(); ++i) ::operator delete(blocks_[i].first);
  blocks_.resize(1);
  free_ = blocks_.front().first;
  end_ = free_ + blocks_.front().second;
  reserved_ = blocks_.front().second;
}

void Arena::FreeAll() {
  owned_.clear();
  for (auto& [block, size] : blocks_) ::operator delete(block);
  blocks_.clear();
  free_ = end_ = nullptr;
  reserved_ = 0;
}

}  // namespace bulwark
