#pragma once

// Measurements as Go's testing package makes and prints them.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace bulwark::regocli {

struct Measured {
  uint64_t samples = 0;
  int64_t nanos = 0;  // of all samples
  double bytes = 0;   // of arena memory that one took
  // Of single samples, sorted; at most 100,000 of them.
  std::vector<int64_t> times;

  double PerSample() const {
    return samples == 0 ? 0 : static_cast<double>(nanos) / static_cast<double>(samples);
  }
  // "  142083\t      8473 ns/op", and the memory: "\t    5470 B/op"
  std::string ToString(bool memory) const;
};

// Calls `once` until that took `target_nanos`; it returns the arena bytes that it used.
Result<Measured> Measure(const std::function<Result<size_t>()>& once,
                         int64_t target_nanos = 1'000'000'000);

// A number as Go's benchmarks print it, with ten places before the point.
std::string BenchNumber(double number);

}  // namespace bulwark::regocli
