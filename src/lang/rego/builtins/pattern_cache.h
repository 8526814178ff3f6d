#pragma once

// Compiled patterns by their text, for all queries of the process: a policy's patterns are few and
// the same at every evaluation. Bounded: past kMost, what is there is forgotten. Safe from any
// thread.

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace bulwark::rego {

template <typename T>
class PatternCache {
 public:
  static constexpr size_t kMost = 1000;
  static constexpr size_t kLongest = 4096;  // longer ones are not kept

  std::shared_ptr<const T> Find(std::string_view text) const {
    std::shared_lock lock(mutex_);
    auto found = all_.find(text);
    return found == all_.end() ? nullptr : found->second;
  }
  void Keep(std::string_view text, std::shared_ptr<const T> pattern) {
    if (text.size() > kLongest) return;
    std::unique_lock lock(mutex_);
    if (all_.size() >= kMost) all_.clear();
    all_.insert_or_assign(std::string(text), std::move(pattern));
  }

 private:
  struct Hasher {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<const T>, Hasher, std::equal_to<>> all_;
};

}  // namespace bulwark::rego
