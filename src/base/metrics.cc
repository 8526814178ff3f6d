#include "base/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/text.h"

namespace bulwark {

namespace {

bool IsName(std::string_view name, bool colon) {
  if (name.empty() || IsAsciiDigit(name[0])) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) {
    return IsAsciiLetter(c) || IsAsciiDigit(c) || c == '_' || (colon && c == ':');
  });
}

std::string Escape(std::string_view text, bool quotes) {
  std::string out;
  for (char c : ToValidUtf8(text)) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Spell(Metrics::Labels labels) {
  std::sort(labels.begin(), labels.end());
  std::string out;
  for (const auto& [name, value] : labels) {
    BW_CHECK(IsName(name, false));
    if (!out.empty()) out += ',';
    out += name + "=\"" + Escape(value, true) + '"';
  }
  return out;
}

std::string Number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

void AppendSample(std::string& out, std::string_view name, const std::string& labels,
                  std::string_view value) {
  out += name;
  if (!labels.empty()) out += "{" + labels + "}";
  out += ' ';
  out += value;
  out += '\n';
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)),
      buckets_(std::make_unique<std::atomic<uint64_t>[]>(bounds_.size() + 1)) {
  BW_CHECK(std::is_sorted(bounds_.begin(), bounds_.end(), std::less_equal<>()));
}

void Histogram::Observe(double value) {
  auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  if (std::isnan(value)) bucket = static_cast<long>(bounds_.size());
  buckets_[static_cast<size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

uint64_t Histogram::count() const {
  uint64_t count = 0;
  for (size_t i = 0; i <= bounds_.size(); ++i) count += buckets_[i].load(std::memory_order_relaxed);
  return count;
}

Metrics& Metrics::Default() {
  static Metrics* metrics =
      new Metrics;  // never destroyed: threads may count while the process ends
  return *metrics;
}

std::vector<double> Metrics::DurationBounds() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
}

Metrics::Series& Metrics::Find(Kind kind, std::string_view name, std::string_view help,
                               Labels labels) {
  BW_CHECK(IsName(name, true));
  auto family = families_.find(name);
  if (family == families_.end()) {
    family = families_.emplace(std::string(name), Family{kind, std::string(help), {}}).first;
  }
  BW_CHECK(family->second.kind == kind);
  auto& series = family->second.series;
  std::string spelled = Spell(labels);
  if (series.size() >= max_series_ && !series.contains(spelled)) {
    for (auto& label : labels) label.second = "other";
    spelled = Spell(std::move(labels));
  }
  return series[spelled];
}

Counter& Metrics::AddCounter(std::string_view name, std::string_view help, Labels labels) {
  std::lock_guard lock(mutex_);
  Series& series = Find(Kind::kCounter, name, help, std::move(labels));
  if (series.counter == nullptr) series.counter = std::make_unique<Counter>();
  return *series.counter;
}

Gauge& Metrics::AddGauge(std::string_view name, std::string_view help, Labels labels) {
  std::lock_guard lock(mutex_);
  Series& series = Find(Kind::kGauge, name, help, std::move(labels));
  if (series.gauge == nullptr) series.gauge = std::make_unique<Gauge>();
  return *series.gauge;
}

Histogram& Metrics::AddHistogram(std::string_view name, std::string_view help,
                                 std::vector<double> bounds, Labels labels) {
  std::lock_guard lock(mutex_);
  Series& series = Find(Kind::kHistogram, name, help, std::move(labels));
  if (series.histogram == nullptr)
    series.histogram = std::make_unique<Histogram>(std::move(bounds));
  return *series.histogram;
}

std::string Metrics::Expose() const {
  std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    static constexpr std::string_view kKinds[] = {"counter", "gauge", "histogram"};
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, Escape(family.help, false), name,
                       kKinds[static_cast<size_t>(family.kind)]);
    for (const auto& [labels, series] : family.series) {
      if (series.counter != nullptr) {
        AppendSample(out, name, labels, std::to_string(series.counter->value()));
      } else if (series.gauge != nullptr) {
        AppendSample(out, name, labels, Number(series.gauge->value()));
      } else {
        const Histogram& histogram = *series.histogram;
        std::string comma = labels.empty() ? "" : labels + ",";
        uint64_t count = 0;
        for (size_t i = 0; i <= histogram.bounds_.size(); ++i) {
          count += histogram.buckets_[i].load(std::memory_order_relaxed);
          std::string bound = i < histogram.bounds_.size() ? Number(histogram.bounds_[i]) : "+Inf";
          AppendSample(out, name + "_bucket", comma + "le=\"" + bound + '"', std::to_string(count));
        }
        AppendSample(out, name + "_sum", labels, Number(histogram.sum()));
        AppendSample(out, name + "_count", labels, std::to_string(count));
      }
    }
  }
  return out;
}

}  // namespace bulwark
