#pragma once

// Token buckets by name: so many requests a second of each, with bursts. At most `max_keys` names
// are remembered; past that, those that are full again go, and what is still too much shares one
// bucket. Safe from any thread.

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace bulwark::api {

class RateLimit {
 public:
  using Clock = std::chrono::steady_clock;
  RateLimit(double per_second, double burst, size_t max_keys = 10'000)
      : per_second_(per_second), burst_(burst), max_keys_(max_keys) {}
  // True: go on. Else ask again after `*wait_seconds` (at least 1).
  bool Take(std::string_view key, Clock::time_point now, int* wait_seconds);

 private:
  struct Bucket {
    double tokens;
    Clock::time_point at;
  };
  void Forget(Clock::time_point now);

  const double per_second_, burst_;
  const size_t max_keys_;
  std::mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace bulwark::api
