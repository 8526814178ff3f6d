#pragma once

// What is learnt while a policy runs: coverage, and where the time goes.

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "base/arena.h"
#include "base/value.h"
#include "lang/rego/rego.h"

namespace bulwark::regocli {

// Which expressions and rules held or were tried. Any number of threads may report to it.
class Coverage : public rego::Observer {
 public:
  void OnEnter(const rego::Module* module, const rego::Location& at) override;
  void OnHold(const rego::Module* module, const rego::Location& at) override;

  // As `opa test --coverage` reports it, of these modules.
  Value Report(std::span<const std::unique_ptr<rego::Module>> modules, Arena& arena) const;
  static double Percentage(const Value& report) { return report["coverage"].ToDouble(); }

 private:
  struct Range {
    uint32_t row, column, end_row, end_column;
    auto operator<=>(const Range&) const = default;
  };
  static Range RangeOf(const rego::Module& module, const rego::Location& at);
  struct Seen {
    std::set<std::pair<uint32_t, uint32_t>> entered, held;  // offset, length
  };
  mutable std::mutex mutex_;
  std::map<const rego::Module*, Seen> seen_;
  friend struct CoverageWalk;
};

// How often each expression was evaluated, and for how long: the time up to the next one.
class Profile : public rego::Observer {
 public:
  struct Row {
    std::string file;
    uint32_t row = 0, column = 0;
    int64_t nanos = 0;
    int64_t evaluated = 0, held = 0;
  };
  void OnEnter(const rego::Module* module, const rego::Location& at) override;
  void OnHold(const rego::Module* module, const rego::Location& at) override;
  // By line; `sort` names columns as --profile-sort does, the first counts most.
  std::vector<Row> Rows(const std::vector<std::string>& sort, size_t limit);

 private:
  void Attribute();
  std::map<std::pair<const rego::Module*, uint32_t>, Row> rows_;
  Row* active_ = nullptr;
  std::chrono::steady_clock::time_point since_;
};

// Several observers of one run.
class Observers : public rego::Observer {
 public:
  void Add(rego::Observer* observer) { all_.push_back(observer); }
  rego::Observer* get() { return all_.empty() ? nullptr : this; }
  void OnEnter(const rego::Module* module, const rego::Location& at) override {
    for (auto* each : all_) each->OnEnter(module, at);
  }
  void OnHold(const rego::Module* module, const rego::Location& at) override {
    for (auto* each : all_) each->OnHold(module, at);
  }

 private:
  std::vector<rego::Observer*> all_;
};

// What was evaluated, in order, as lines: place, what happened, the text.
class Trace : public rego::Observer {
 public:
  explicit Trace(size_t limit) : limit_(limit) {}
  void OnEnter(const rego::Module* module, const rego::Location& at) override {
    Add(module, at, "Eval");
  }
  void OnHold(const rego::Module* module, const rego::Location& at) override {
    Add(module, at, "Hold");
  }
  struct Event {
    std::string_view what;
    const rego::Module* module;
    rego::Location at;
  };
  const std::vector<Event>& events() const { return events_; }
  // The expressions that were tried and did not hold, last tries only.
  std::string Text(bool failed_only) const;
  Value ToValue(Arena& arena, bool failed_only) const;

 private:
  void Add(const rego::Module* module, const rego::Location& at, std::string_view what) {
    if (events_.size() < limit_) events_.push_back({what, module, at});
  }
  std::vector<Event> Chosen(bool failed_only) const;
  size_t limit_;
  std::vector<Event> events_;
};

}  // namespace bulwark::regocli
