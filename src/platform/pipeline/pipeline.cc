#include "platform/pipeline/pipeline.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "base/time.h"

namespace bulwark {

namespace {

using Clock = std::chrono::steady_clock;
using Stored = std::shared_ptr<const std::vector<Event>>;

constexpr std::string_view kDroppedName = "bulwark_pipeline_dropped_total";
constexpr std::string_view kDroppedHelp = "Events that a queue or the store did not take.";

int64_t NowMicros() {
  Timestamp now = Now();
  return now.seconds * 1'000'000 + now.nanos / 1000;
}

// What a subscriber is told in one call: a part of a batch.
struct Part {
  Stored batch;
  size_t begin = 0, end = 0;
};

class Subscriber {
 public:
  Subscriber(std::string name, std::vector<std::string> kinds, Pipeline::Callback callback,
             size_t queue_events, Metrics& metrics)
      : name_(std::move(name)),
        kinds_(std::move(kinds)),
        callback_(std::move(callback)),
        queue_events_(queue_events),
        dropped_metric_(metrics.AddCounter(kDroppedName, kDroppedHelp,
                                           {{"queue", name_}, {"source", "stored"}})),
        queued_metric_(metrics.AddGauge("bulwark_pipeline_queued_events",
                                        "Events that wait in a queue.", {{"queue", name_}})),
        thread_([this] { Run(); }) {}

  ~Subscriber() { End(); }

  void Tell(const Stored& batch) {
    std::lock_guard lock(mutex_);
    if (ending_) return;
    // Runs of events of the kinds wanted: no event is copied.
    size_t begin = 0;
    const std::vector<Event>& events = *batch;
    while (begin < events.size()) {
      if (!Wants(events[begin])) {
        ++begin;
        continue;
      }
      size_t end = begin + 1;
      while (end < events.size() && Wants(events[end])) ++end;
      queue_.push_back({batch, begin, end});
      queued_ += end - begin;
      begin = end;
    }
    // The newest always stays, however large.
    while (queued_ > queue_events_ && queue_.size() > 1) {
      const Part& oldest = queue_.front();
      size_t events_gone = oldest.end - oldest.begin;
      queued_ -= events_gone;
      dropped_ += events_gone;
      dropped_metric_.Add(events_gone);
      queue_.pop_front();
    }
    queued_metric_.Set(static_cast<double>(queued_));
    changed_.notify_all();
  }

  // Waits until all was told, at most so long.
  void Drain(Clock::time_point until) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, until, [&] { return (queue_.empty() && !running_) || ending_; });
  }

  void End() {
    {
      std::lock_guard lock(mutex_);
      ending_ = true;
      changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
  }

  const std::string& name() const { return name_; }
  uint64_t dropped() const {
    std::lock_guard lock(mutex_);
    return dropped_;
  }
  // What waits, and what is being told: at 0, everything was dealt with.
  size_t queued() const {
    std::lock_guard lock(mutex_);
    return queued_ + telling_;
  }

 private:
  bool Wants(const Event& event) const {
    return kinds_.empty() || std::find(kinds_.begin(), kinds_.end(), event.kind) != kinds_.end();
  }

  void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return ending_ || !queue_.empty(); });
      if (ending_) return;
      Part part = std::move(queue_.front());
      queue_.pop_front();
      telling_ = part.end - part.begin;
      queued_ -= telling_;
      queued_metric_.Set(static_cast<double>(queued_));
      running_ = true;
      lock.unlock();
      callback_(std::span(*part.batch).subspan(part.begin, part.end - part.begin));
      part.batch.reset();
      lock.lock();
      running_ = false;
      telling_ = 0;
      changed_.notify_all();
    }
  }

  const std::string name_;
  const std::vector<std::string> kinds_;
  const Pipeline::Callback callback_;
  const size_t queue_events_;
  Counter& dropped_metric_;
  Gauge& queued_metric_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Part> queue_;
  size_t queued_ = 0, telling_ = 0;
  uint64_t dropped_ = 0;
  bool ending_ = false, running_ = false;
  std::thread thread_;  // last: it uses the others
};

// One call of Publish() that waits.
struct Request {
  std::vector<Event> events;
  std::optional<Result<store::AppendOutcome>> outcome;
};

struct Offered {
  std::string source;
  Event event;
};

bool RefusedForWhatItIs(const Error& error) {
  return error.code() == Code::kLimit || error.code() == Code::kInvalid;
}

}  // namespace

struct Pipeline::State {
  State(store::EventStore& the_store, Metrics& the_metrics, PipelineOptions the_options)
      : store(the_store),
        metrics(the_metrics),
        options(the_options),
        stored_metric(metrics.AddCounter("bulwark_pipeline_stored_total", "Events stored.")),
        duplicates_metric(metrics.AddCounter("bulwark_pipeline_duplicates_total",
                                             "Events that were stored already.")),
        failed_metric(metrics.AddCounter("bulwark_pipeline_store_failures_total",
                                         "Transactions that the event store did not take.")),
        queued_metric(metrics.AddGauge("bulwark_pipeline_queued_events",
                                       "Events that wait in a queue.", {{"queue", "offered"}})) {}

  store::EventStore& store;
  Metrics& metrics;
  const PipelineOptions options;
  Counter& stored_metric;
  Counter& duplicates_metric;
  Counter& failed_metric;
  Gauge& queued_metric;

  mutable std::mutex mutex;
  std::condition_variable work, done;
  std::deque<Request*> requests;
  std::deque<Offered> offered;
  Clock::time_point offered_since;  // when the oldest that is offered came
  Clock::time_point retry_at;       // after a failure
  uint64_t offers = 0;              // ever taken
  uint64_t offers_done = 0;         // of those: stored or dropped
  uint64_t dropped = 0;
  bool stopping = false;
  int64_t last_stamp = 0;  // the writer's own
  std::thread writer;

  mutable std::mutex subscribers_mutex;
  std::vector<std::weak_ptr<Subscriber>> subscribers;

  void CountDrop(std::string_view source, uint64_t n = 1) {
    metrics
        .AddCounter(kDroppedName, kDroppedHelp,
                    {{"queue", "offered"}, {"source", std::string(source)}})
        .Add(n);
  }

  void Tell(std::vector<Event> events) {
    if (events.empty()) return;
    auto batch = std::make_shared<const std::vector<Event>>(std::move(events));
    std::vector<std::shared_ptr<Subscriber>> live;
    {
      std::lock_guard lock(subscribers_mutex);
      std::erase_if(subscribers, [](const auto& weak) { return weak.expired(); });
      for (const auto& weak : subscribers) {
        if (auto subscriber = weak.lock()) live.push_back(std::move(subscriber));
      }
    }
    for (const auto& subscriber : live) subscriber->Tell(batch);
  }

  // Stores the events of one transaction and tells of those that were new. Which were, in their
  // order; an error leaves `events` as they are.
  Result<std::vector<bool>> Append(std::vector<Event>& events) {
    int64_t stamp = std::max(NowMicros(), last_stamp + 1);
    last_stamp = stamp;
    for (Event& event : events) event.received_us = stamp;
    auto outcome = store.Append(events);
    if (!outcome) {
      failed_metric.Add();
      return std::move(outcome).error();
    }
    stored_metric.Add(outcome->stored);
    duplicates_metric.Add(outcome->duplicates);
    std::vector<bool> fresh(events.size(), true);
    if (outcome->duplicates > 0) {
      // What is stored with another stamp was there before.
      std::unordered_set<std::string_view> seen;
      for (size_t i = 0; i < events.size(); ++i) {
        fresh[i] = false;
        if (!seen.insert(events[i].id).second) continue;
        auto stored = store.Get(events[i].id);
        fresh[i] = stored && *stored && (*stored)->received_us == stamp;
      }
    }
    size_t kept = 0;
    for (size_t i = 0; i < events.size(); ++i) {
      if (!fresh[i]) continue;
      if (kept != i) events[kept] = std::move(events[i]);
      ++kept;
    }
    events.resize(kept);
    Tell(std::move(events));
    return fresh;
  }

  // What fits into one transaction: whole requests first, then what was offered. A request that is
  // larger than that comes alone.
  struct Taken {
    std::vector<Request*> requests;
    std::vector<Offered> offered;
  };

  void Run() {
    std::unique_lock lock(mutex);
    while (true) {
      auto ready = [&] {
        if (!requests.empty() || stopping) return true;
        if (offered.empty()) return false;
        Clock::time_point now = Clock::now();
        return now >= retry_at &&
               (offered.size() >= options.batch_events || now >= offered_since + options.linger);
      };
      while (!ready()) {
        if (offered.empty()) {
          work.wait(lock);
        } else {
          work.wait_until(lock, std::max(retry_at, offered.size() >= options.batch_events
                                                       ? retry_at
                                                       : offered_since + options.linger));
        }
      }
      if (stopping && requests.empty() && offered.empty()) return;
      Taken taken = Take();
      lock.unlock();
      bool failed = Store(taken);
      lock.lock();
      if (failed) {
        // In front again, in their order.
        while (!taken.offered.empty()) {
          offered.push_front(std::move(taken.offered.back()));
          taken.offered.pop_back();
        }
        retry_at = Clock::now() + options.retry;
        if (stopping) {
          if (Clock::now() >= stop_deadline) {
            for (const Offered& event : offered) CountDrop(event.source);
            dropped += offered.size();
            offers_done += offered.size();
            offered.clear();
          } else {
            work.wait_until(lock, std::min(retry_at, stop_deadline));
          }
        }
      }
      queued_metric.Set(static_cast<double>(offered.size()));
      done.notify_all();
    }
  }

  Taken Take() {
    Taken taken;
    size_t events = 0;
    while (!requests.empty()) {
      size_t more = requests.front()->events.size();
      if (events != 0 && events + more > options.batch_events) break;
      events += more;
      taken.requests.push_back(requests.front());
      requests.pop_front();
    }
    if (Clock::now() < retry_at && !stopping) return taken;
    while (!offered.empty() && events < options.batch_events) {
      taken.offered.push_back(std::move(offered.front()));
      offered.pop_front();
      ++events;
    }
    if (!offered.empty()) offered_since = Clock::now() - options.linger;  // do not wait again
    return taken;
  }

  // True if the offered events that are left in `taken` must be tried again.
  bool Store(Taken& taken) {
    if (taken.requests.size() == 1 && taken.offered.empty()) {
      StoreAlone(*taken.requests[0]);
      return false;
    }
    std::vector<Event> all;
    for (Request* request : taken.requests) {
      std::move(request->events.begin(), request->events.end(), std::back_inserter(all));
    }
    for (Offered& offer : taken.offered) all.push_back(std::move(offer.event));
    auto fresh = Append(all);
    if (fresh) {
      auto at = fresh->begin();
      for (Request* request : taken.requests) {
        auto end = at + static_cast<ptrdiff_t>(request->events.size());
        Settle(*request, CountsOf({at, end}));
        at = end;
      }
      OffersDone(taken.offered.size(), 0);
      return false;
    }
    auto at = all.begin();
    for (Request* request : taken.requests) {
      for (Event& event : request->events) event = std::move(*at++);
    }
    for (Offered& offer : taken.offered) offer.event = std::move(*at++);
    // Each gets an answer of its own, and one bad event harms nobody else.
    for (Request* request : taken.requests) StoreAlone(*request);
    if (taken.offered.empty()) return false;
    if (!RefusedForWhatItIs(fresh.error())) {
      Log(Level::kWarn, "pipeline.store.failed", {{"error", fresh.error()}});
      return true;
    }
    std::vector<Offered> again;
    for (Offered& offer : taken.offered) {
      std::vector<Event> one = {offer.event};
      auto own = Append(one);
      if (!own && !RefusedForWhatItIs(own.error())) {
        again.push_back(std::move(offer));
        continue;
      }
      if (!own) CountDrop(offer.source);
      OffersDone(1, own ? 0 : 1);
    }
    taken.offered = std::move(again);
    return !taken.offered.empty();
  }

  // One request, in several transactions if it is large. An error leaves the first ones stored; ids
  // make trying again harmless.
  void StoreAlone(Request& request) {
    std::vector<bool> all;
    std::vector<Event> events = std::move(request.events);
    for (size_t at = 0; at < events.size(); at += options.batch_events) {
      auto begin = events.begin() + static_cast<ptrdiff_t>(at);
      auto end = events.begin() +
                 static_cast<ptrdiff_t>(std::min(at + options.batch_events, events.size()));
      std::vector<Event> some(std::make_move_iterator(begin), std::make_move_iterator(end));
      auto fresh = Append(some);
      if (!fresh) return Settle(request, std::move(fresh).error());
      all.insert(all.end(), fresh->begin(), fresh->end());
    }
    Settle(request, CountsOf(all));
  }

  static store::AppendOutcome CountsOf(const std::vector<bool>& fresh) {
    auto stored = static_cast<uint64_t>(std::count(fresh.begin(), fresh.end(), true));
    return {stored, fresh.size() - stored};
  }

  void Settle(Request& request, Result<store::AppendOutcome> outcome) {
    std::lock_guard lock(mutex);
    request.outcome.emplace(std::move(outcome));
    done.notify_all();
  }

  void OffersDone(size_t n, uint64_t dropped_now) {
    std::lock_guard lock(mutex);
    offers_done += n;
    dropped += dropped_now;
  }

  Clock::time_point stop_deadline = Clock::time_point::max();
};

Pipeline::Pipeline(store::EventStore& store, Metrics& metrics, PipelineOptions options)
    : state_(std::make_shared<State>(store, metrics, options)) {
  // The stamps go on after the newest that is stored, should the clock have been set back since.
  if (auto newest = store.Search({.limit = 1, .bodies = false});
      newest && !newest->events.empty()) {
    state_->last_stamp = newest->events[0].received_us;
  }
  state_->writer = std::thread([state = state_.get()] { state->Run(); });
}

Pipeline::~Pipeline() {
  Clock::time_point deadline = Clock::now() + state_->options.farewell;
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->stop_deadline = deadline;
    state_->work.notify_all();
  }
  state_->writer.join();
  std::vector<std::shared_ptr<Subscriber>> live;
  {
    std::lock_guard lock(state_->subscribers_mutex);
    for (const auto& weak : state_->subscribers) {
      if (auto subscriber = weak.lock()) live.push_back(std::move(subscriber));
    }
  }
  for (const auto& subscriber : live) subscriber->Drain(deadline);
  for (const auto& subscriber : live) subscriber->End();
}

Result<store::AppendOutcome> Pipeline::Publish(std::vector<Event> events) {
  if (events.empty()) return store::AppendOutcome{};
  Request request;
  request.events = std::move(events);
  std::unique_lock lock(state_->mutex);
  if (state_->stopping) {
    return Error(Code::kUnavailable, "pipeline.stopped", "the server is stopping");
  }
  state_->requests.push_back(&request);
  state_->work.notify_one();
  state_->done.wait(lock, [&] { return request.outcome.has_value(); });
  return *std::move(request.outcome);
}

bool Pipeline::Offer(std::string_view source, Event event) {
  {
    std::lock_guard lock(state_->mutex);
    if (!state_->stopping && state_->offered.size() < state_->options.offer_queue_events) {
      if (state_->offered.empty()) state_->offered_since = Clock::now();
      state_->offered.push_back({std::string(source), std::move(event)});
      ++state_->offers;
      // The writer wakes for the first (to linger) and for a full batch.
      if (state_->offered.size() == 1 || state_->offered.size() >= state_->options.batch_events) {
        state_->work.notify_one();
      }
      return true;
    }
    ++state_->dropped;
  }
  state_->CountDrop(source);
  return false;
}

void Pipeline::Flush() {
  std::unique_lock lock(state_->mutex);
  uint64_t mine = state_->offers;
  state_->done.wait(lock, [&] { return state_->offers_done >= mine; });
}

namespace {

class SubscriptionHandle final : public Pipeline::Subscription {
 public:
  explicit SubscriptionHandle(std::shared_ptr<Subscriber> subscriber)
      : subscriber_(std::move(subscriber)) {}
  ~SubscriptionHandle() override { subscriber_->End(); }
  uint64_t dropped() const override { return subscriber_->dropped(); }
  size_t queued() const override { return subscriber_->queued(); }

 private:
  std::shared_ptr<Subscriber> subscriber_;
};

}  // namespace

std::unique_ptr<Pipeline::Subscription> Pipeline::Subscribe(std::string name,
                                                            std::vector<std::string> kinds,
                                                            Callback callback,
                                                            size_t queue_events) {
  auto subscriber = std::make_shared<Subscriber>(
      std::move(name), std::move(kinds), std::move(callback), queue_events, state_->metrics);
  {
    std::lock_guard lock(state_->subscribers_mutex);
    state_->subscribers.push_back(subscriber);
  }
  return std::make_unique<SubscriptionHandle>(std::move(subscriber));
}

std::vector<Pipeline::Queue> Pipeline::Queues() const {
  std::vector<Queue> out;
  {
    std::lock_guard lock(state_->mutex);
    out.push_back({"offered", state_->offered.size(), state_->dropped});
  }
  std::lock_guard lock(state_->subscribers_mutex);
  for (const auto& weak : state_->subscribers) {
    if (auto subscriber = weak.lock()) {
      out.push_back({subscriber->name(), subscriber->queued(), subscriber->dropped()});
    }
  }
  return out;
}

}  // namespace bulwark
