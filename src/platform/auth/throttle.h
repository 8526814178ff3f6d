#pragma once

// What slows guessing down: failures are counted by account and by address, and each one past the
// free ones doubles the wait until the next try. In constant memory, whatever is thrown at it: two
// rows of counters under keyed hashes (a count-min sketch), so that nobody can push his count out
// by trying other names; two keys share a wait only if they meet in both rows.
//
//   Result<> admitted = throttle.Begin("alice", "10.1.2.3", now);   // counts as a failure …
//   if (right) throttle.Succeeded("alice", "10.1.2.3", now);        // … until it was none
//
// A try counts from its beginning, so that a hundred at once are a hundred. An account is forgotten
// after a success; an address only loses what that success had cost, as one good account must not
// clear the way for guessing at others. Counts halve for each half_life without failures.
// An IPv6 address counts with its /64. Thread-safe.
//
// Error: auth.throttled kLimit, with "seconds".

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace bulwark::auth {

struct ThrottleOptions {
  struct Rule {
    int free = 5;  // failures before the first wait
    std::chrono::seconds first_wait{1};
    std::chrono::seconds max_wait{60};
  };
  // An account's wait stays short, as anybody can cause it.
  Rule account;
  Rule address{
      .free = 20, .first_wait = std::chrono::seconds(1), .max_wait = std::chrono::minutes(15)};
  std::chrono::seconds half_life = std::chrono::minutes(10);
  size_t slots = 16384;  // of each of the two rows
};

class Throttle {
 public:
  explicit Throttle(ThrottleOptions options = {});

  Result<> Begin(std::string_view account, std::string_view address, Timestamp now);
  void Succeeded(std::string_view account, std::string_view address, Timestamp now);

 private:
  struct Slot {
    float failures = 0;
    int64_t last_s = 0;    // the last failure
    int64_t until_ms = 0;  // no try before
  };
  using Cells = std::array<Slot*, 2>;
  Cells Find(char kind, std::string_view key);
  int64_t WaitMs(const Cells& cells, int64_t now_ms) const;
  void Count(const Cells& cells, const ThrottleOptions::Rule& rule, int64_t now_ms);
  void Decay(Slot& slot, int64_t now_s) const;

  const ThrottleOptions options_;
  const std::string key_;  // of the hashes
  std::mutex mutex_;
  std::vector<Slot> slots_;
};

// So many a minute for each key; in constant memory. Thread-safe.
class RateLimit {
 public:
  explicit RateLimit(int per_minute, size_t slots = 4096);
  bool Take(std::string_view key, Timestamp now);

 private:
  struct Slot {
    int64_t minute = 0;
    int count = 0;
  };
  const int per_minute_;
  const uint64_t seed_;
  std::mutex mutex_;
  std::vector<Slot> slots_;
};

}  // namespace bulwark::auth
