#pragma once

// Metrics in Prometheus' sense: counters, gauges and histograms with labels, and the text
// exposition format 0.0.4.
//
//   static Counter& dropped = Metrics::Default().AddCounter(
//       "bulwark_events_dropped_total", "Events that a full queue refused.", {{"queue",
//       "runtime"}});
//   dropped.Add();
//
// Add…() gives the same object for the same name and labels, for as long as the registry lives:
// keep the reference, adding is a look-up under a lock. Counting is an atomic addition. Safe from
// any thread. A name stands for one kind of metric with one help text; another kind under the same
// name is our bug (BW_CHECK). Labels come from closed sets: past `max_series` of one name, further
// ones are counted together under the labels' values "other".

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bulwark {

// Only ever grows.
class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_ = 0;
};

class Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  void Add(double by) { value_.fetch_add(by, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_ = 0;
};

// How many observations were at most each of some bounds, how many in all, and their sum.
class Histogram {
 public:
  // Ascending; the bucket +Inf is always there.
  explicit Histogram(std::vector<double> bounds);
  void Observe(double value);
  uint64_t count() const;
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  friend class Metrics;
  std::vector<double> bounds_;
  std::unique_ptr<std::atomic<uint64_t>[]> buckets_;  // one more than bounds; not cumulative
  std::atomic<double> sum_ = 0;
};

class Metrics {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  explicit Metrics(size_t max_series = 1000) : max_series_(max_series) {}
  // The process's own.
  static Metrics& Default();
  // For durations in seconds: 1 ms to 10 s.
  static std::vector<double> DurationBounds();

  Counter& AddCounter(std::string_view name, std::string_view help, Labels labels = {});
  Gauge& AddGauge(std::string_view name, std::string_view help, Labels labels = {});
  Histogram& AddHistogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                          Labels labels = {});

  // The exposition, for Content-Type "text/plain; version=0.0.4; charset=utf-8"; sorted by name and
  // labels.
  std::string Expose() const;

 private:
  enum class Kind { kCounter, kGauge, kHistogram };
  struct Series {
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
  };
  struct Family {
    Kind kind;
    std::string help;
    std::map<std::string, Series> series;  // by the labels as they are exposed: a="b",c="d"
  };
  Series& Find(Kind kind, std::string_view name, std::string_view help, Labels labels);

  const size_t max_series_;
  mutable std::mutex mutex_;
  std::map<std::string, Family, std::less<>> families_;
};

}  // namespace bulwark
