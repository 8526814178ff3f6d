#pragma once

// Arena: memory that is given out quickly and given back all at once. A document lives in one; an
// engine uses one for each query. Only trivially destructible things belong in it, except what is
// handed over with Own(). Not thread-safe; what was built in it may be read by any number of
// threads.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace bulwark {

class Arena {
 public:
  // The first block is allocated on first use; `first_block` is its size in bytes, later ones
  // double.
  explicit Arena(size_t first_block = 4096) : next_block_(first_block) {}
  Arena(Arena&&) noexcept;
  Arena& operator=(Arena&&) noexcept;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  void* Allocate(size_t bytes, size_t align = 8) {
    uintptr_t at = (reinterpret_cast<uintptr_t>(free_) + (align - 1)) & ~(align - 1);
    if (free_ == nullptr || at + bytes > reinterpret_cast<uintptr_t>(end_)) [[unlikely]] {
      return AllocateSlow(bytes, align);
    }
    free_ = reinterpret_cast<char*>(at + bytes);
    return reinterpret_cast<void*>(at);
  }

  template <typename T>
  T* Array(size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    return static_cast<T*>(Allocate(count * sizeof(T), alignof(T)));
  }

  template <typename T, typename... Args>
  T* New(Args&&... args) {
    static_assert(std::is_trivially_destructible_v<T>, "use Own() for what needs a destructor");
    return new (Allocate(sizeof(T), alignof(T))) T(std::forward<Args>(args)...);
  }

  // A copy of the text that lives as long as the arena.
  std::string_view Copy(std::string_view text) {
    if (text.empty()) return {"", 0};
    char* to = static_cast<char*>(Allocate(text.size(), 1));
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }

  template <typename T>
  std::span<T> Copy(std::span<const T> items) {
    T* to = Array<T>(items.size());
    std::uninitialized_copy(items.begin(), items.end(), to);
    return {to, items.size()};
  }

  // Keeps an object that has a destructor until Reset() or the arena's end.
  template <typename T, typename... Args>
  T* Own(Args&&... args) {
    auto owned = std::make_shared<T>(std::forward<Args>(args)...);
    T* raw = owned.get();
    owned_.push_back(std::move(owned));
    return raw;
  }

  // Forgets everything, but keeps the largest block for the next use.
  void Reset();
  // Bytes taken from the system.
  size_t bytes_reserved() const { return reserved_; }

 private:
  void* AllocateSlow(size_t bytes, size_t align);
  void FreeAll();

  char* free_ = nullptr;
  char* end_ = nullptr;
  size_t next_block_;
  size_t reserved_ = 0;
  std::vector<std::pair<char*, size_t>> blocks_;
  std::vector<std::shared_ptr<void>> owned_;
};

}  // namespace bulwark
