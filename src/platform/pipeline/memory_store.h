#pragma once

// An EventStore in memory, for the tests of what stands above the store: searches by time alone,
// and can be told to fail.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "platform/store/event_store.h"

namespace bulwark::store {

class MemoryEventStore : public EventStore {
 public:
  // What the next appends come to; nothing: they work.
  void FailWith(std::optional<Error> error) {
    std::lock_guard lock(mutex_);
    error_ = std::move(error);
  }
  // Appends wait while it is true.
  void Hold(bool hold) {
    std::lock_guard lock(mutex_);
    hold_ = hold;
    changed_.notify_all();
  }
  // Events with that kind are refused with store.limit.
  void Refuse(std::string kind) {
    std::lock_guard lock(mutex_);
    refused_ = std::move(kind);
  }
  size_t size() const {
    std::lock_guard lock(mutex_);
    return events_.size();
  }
  int appends() const { return appends_; }

  Result<AppendOutcome> Append(std::span<const Event> events) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !hold_; });
    ++appends_;
    if (error_) return *error_;
    for (const Event& event : events) {
      if (!refused_.empty() && event.kind == refused_) {
        return Error(Code::kLimit, "store.limit", "an event is too big");
      }
    }
    AppendOutcome outcome;
    for (const Event& event : events) {
      if (ids_.try_emplace(event.id, events_.size()).second) {
        events_.push_back(event);
        ++outcome.stored;
      } else {
        ++outcome.duplicates;
      }
    }
    return outcome;
  }
  Result<std::optional<Event>> Get(std::string_view id) override {
    std::lock_guard lock(mutex_);
    auto at = ids_.find(std::string(id));
    if (at == ids_.end()) return std::optional<Event>();
    return std::optional<Event>(events_[at->second]);
  }
  Result<EventPage> Search(const EventQuery& query) override {
    std::lock_guard lock(mutex_);
    std::vector<const Event*> found;
    for (const Event& event : events_) {
      if (query.since_us && event.time_us < *query.since_us) continue;
      if (query.until_us && event.time_us >= *query.until_us) continue;
      found.push_back(&event);
    }
    std::stable_sort(found.begin(), found.end(), [&](const Event* a, const Event* b) {
      return query.oldest_first ? a->time_us < b->time_us : a->time_us > b->time_us;
    });
    EventPage page;
    size_t at = query.cursor.empty() ? 0 : std::stoul(query.cursor);
    for (; at < found.size() && page.events.size() < static_cast<size_t>(query.limit); ++at) {
      page.events.push_back(*found[at]);
    }
    if (at < found.size()) page.next = std::to_string(at);
    return page;
  }
  Result<std::vector<Bucket>> Histogram(const EventQuery&, int64_t) override { return Unmade(); }
  Result<std::vector<std::pair<std::string, uint64_t>>> Top(const EventQuery&, std::string_view,
                                                            int) override {
    return Unmade();
  }
  Result<uint64_t> Count(const EventQuery&, uint64_t) override { return uint64_t{size()}; }
  Result<std::map<std::string, uint64_t>> Expire(std::span<const Retention>, uint64_t,
                                                 int64_t) override {
    return Unmade();
  }
  Result<> Backup(const std::string&) override { return Unmade(); }
  Result<Stats> Statistics() override { return Stats{.events = size()}; }

 private:
  static Error Unmade() { return Error(Code::kUnsupported, "not in memory"); }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Error> error_;
  bool hold_ = false;
  std::string refused_;
  std::vector<Event> events_;
  std::map<std::string, size_t> ids_;
  std::atomic<int> appends_ = 0;
};

// Until it holds, or 60 s.
template <typename Condition>
bool Eventually(Condition condition) {
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace bulwark::store
