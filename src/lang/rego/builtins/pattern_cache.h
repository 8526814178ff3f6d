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
#include <vector>

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

// The patterns that one query used lately, by what they were given as: neither a lock nor a
// hash. For Context::state().
template <typename T>
class RecentPatterns {
 public:
  // `detail`: what else the pattern was made with.
  const std::shared_ptr<const T>* Find(std::string_view text, std::string_view detail = {}) const {
    for (const Used& used : used_) {
      if (used.text == text && used.detail == detail) return &used.pattern;
    }
    return nullptr;
  }
  void Keep(std::string_view text, std::string_view detail, std::shared_ptr<const T> pattern) {
    if (used_.size() >= kMost || text.size() > PatternCache<T>::kLongest) return;
    used_.push_back({std::string(text), std::string(detail), std::move(pattern)});
  }

 private:
  static constexpr size_t kMost = 32;
  struct Used {
    std::string text, detail;
    std::shared_ptr<const T> pattern;
  };
  std::vector<Used> used_;
};

}  // namespace bulwark::rego
