#include "app/rego/benchmark.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace bulwark::regocli {

std::string BenchNumber(double number) {
  double y = std::fabs(number);
  if (y == 0 || y >= 999.95) return fmt::format("{:10.0f}", number);
  if (y >= 99.995) return fmt::format("{:12.1f}", number);
  if (y >= 9.9995) return fmt::format("{:13.2f}", number);
  if (y >= 0.99995) return fmt::format("{:14.3f}", number);
  if (y >= 0.099995) return fmt::format("{:15.4f}", number);
  return fmt::format("{:16.5f}", number);
}

std::string Measured::ToString(bool memory) const {
  std::string out = fmt::format("{:8}\t{} ns/op", samples, BenchNumber(PerSample()));
  if (memory) out += fmt::format("\t{:8.0f} B/op", bytes);
  return out;
}

Result<Measured> Measure(const std::function<Result<size_t>()>& once, int64_t target_nanos) {
  using Clock = std::chrono::steady_clock;
  constexpr size_t kMaxTimes = 100'000;
  Measured out;
  double bytes = 0;
  while (out.nanos < target_nanos && out.samples < 1'000'000'000) {
    auto start = Clock::now();
    size_t used = BW_TRY(once());
    int64_t took =
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
    out.nanos += took;
    ++out.samples;
    bytes += static_cast<double>(used);
    if (out.times.size() < kMaxTimes) out.times.push_back(took);
  }
  out.bytes = bytes / static_cast<double>(out.samples);
  std::sort(out.times.begin(), out.times.end());
  return out;
}

}  // namespace bulwark::regocli
