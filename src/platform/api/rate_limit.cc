#include "platform/api/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace bulwark::api {

void RateLimit::Forget(Clock::time_point now) {
  std::erase_if(buckets_, [&](const auto& entry) {
    double seconds = std::chrono::duration<double>(now - entry.second.at).count();
    return entry.second.tokens + seconds * per_second_ >= burst_;
  });
}

bool RateLimit::Take(std::string_view key, Clock::time_point now, int* wait_seconds) {
  std::lock_guard lock(mutex_);
  std::string name(key);
  if (!buckets_.contains(name) && buckets_.size() >= max_keys_) {
    Forget(now);
    if (buckets_.size() >= max_keys_) name.clear();
  }
  auto [at, added] = buckets_.try_emplace(std::move(name), Bucket{burst_, now});
  Bucket& bucket = at->second;
  double seconds = std::chrono::duration<double>(now - bucket.at).count();
  bucket.tokens = std::min(burst_, bucket.tokens + std::max(seconds, 0.0) * per_second_);
  bucket.at = now;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return true;
  }
  *wait_seconds = std::max(1, static_cast<int>(std::ceil((1 - bucket.tokens) / per_second_)));
  return false;
}

}  // namespace bulwark::api
