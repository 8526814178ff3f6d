#pragma once

// How events travel in a server: whoever learns of something publishes it; it is stored; whoever
// subscribed is told. Nothing is lost in silence: queues are bounded, and what is dropped is
// counted per subscriber and source, exported in /metrics and shown on the System page.
//
//   Publish()   waits until the events are stored: what came back Ok survives a crash.
//   Offer()     never waits: a queue before the store; false and a count when it is full.
//   Subscribe() a thread of its own per subscription, batches in the order of storing; where a
//               subscriber is too slow, the oldest batches of its queue go, counted.
//
// One thread stores what everybody brings, as many events in one transaction as have come, so that
// ten sources cost little more than one. It stamps Event::received_us, in microseconds: the same
// for the events of one transaction, later than that of any before, also over restarts while the
// clock runs forward. So received_us is the order of storing, and who keeps the last one that he
// has dealt with knows where to go on.
//
// Duplicates (an id that is stored already) are not told to subscribers again. Where the store
// fails, Publish() returns its error; what was offered waits and is tried again, until the queue is
// full. An event that the store refuses for what it is (kLimit, kInvalid) is dropped and counted.
//
// Errors beside those of the store: pipeline.stopped (kUnavailable).
// Thread-safe. Callbacks may call Publish() and Offer(); they must not end a subscription.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "model/event.h"
#include "platform/store/event_store.h"

namespace bulwark {

struct PipelineOptions {
  size_t offer_queue_events = 50'000;
  size_t batch_events = 2'000;                // of one transaction at most
  std::chrono::milliseconds linger{20};       // how long an offered event waits for company
  std::chrono::milliseconds retry{500};       // after the store failed, for what was offered
  std::chrono::milliseconds farewell{5'000};  // how long the end waits for store and subscribers
};

class Pipeline {
 public:
  Pipeline(store::EventStore& store, Metrics& metrics, PipelineOptions options = {});
  ~Pipeline();  // stores what was offered, tells subscribers, ends
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  Result<store::AppendOutcome> Publish(std::vector<Event> events);
  // `source` is for the count of drops: "kubernetes-events".
  bool Offer(std::string_view source, Event event);
  // Waits until what was offered before is stored or dropped.
  void Flush();

  using Callback = std::function<void(std::span<const Event>)>;
  // Ends with the object that is returned (which waits for a callback that runs).
  class Subscription {
   public:
    virtual ~Subscription() = default;
    virtual uint64_t dropped() const = 0;
    virtual size_t queued() const = 0;
  };
  // `kinds`: Event::kind; none: all. A callback's events were stored in one transaction.
  std::unique_ptr<Subscription> Subscribe(std::string name, std::vector<std::string> kinds,
                                          Callback callback, size_t queue_events = 20'000);

  struct Queue {
    std::string name;  // "offered", or the subscription's
    uint64_t queued = 0, dropped = 0;
  };
  std::vector<Queue> Queues() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace bulwark
