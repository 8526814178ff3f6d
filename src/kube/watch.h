#pragma once

// Lists and watches: what is in a cluster, and each change of it, on one thread.
//
//   Watches watches(client, [&](const WatchEvent& event) { … });
//   watches.Add(*served.Find("apps", "Deployment"), "");
//   while (!stop.stop_requested()) watches.Poll(1s, stop);
//
// Each target is listed, then watched from there, with bookmarks; a stream that ends is taken up
// where it was; where the server no longer knows that point (410) the target is listed again, and
// only differences are told. After a failure the next attempt waits, twice as long each time, up to
// max_wait. What may not be read is told (kUnreadable) and asked for again after max_wait.
// (kubernetes.io/docs/reference/using-api/api-concepts, "Efficient detection of changes".)
//
// A target can be listed anew at any time, to make sure (Relist): again only differences are told.
//
// Memory: of every object its key and a hash of its version; and one event. Not thread-safe.

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/value.h"
#include "kube/client.h"

namespace bulwark::kube {

struct WatchEvent {
  enum class Type {
    kPut,         // it is there now: new or changed
    kDeleted,     // it is not there any more; `object` may be null
    kSynced,      // the target was listed; all that is there was told
    kUnreadable,  // it could not be listed or watched: `error`; told once, until the next kSynced
  };
  Type type;
  size_t target = 0;  // as Add() numbered it
  const Resource* resource = nullptr;
  std::string_view ns;   // of the target
  std::string_view key;  // "namespace/name"
  Value object;          // with ListOptions::table a row; good while the callback runs
  std::string_view text;
  const Error* error = nullptr;
};

struct WatchSettings {
  std::chrono::seconds stream_time = std::chrono::minutes(5);  // then a new one is asked for
  std::chrono::milliseconds first_wait = std::chrono::milliseconds(500);
  std::chrono::milliseconds max_wait = std::chrono::seconds(30);
  size_t max_event_bytes = size_t{16} << 20;
  int list_retries = -1;  // of one page (ClientOptions::retries); the target's own go on for ever
};

class Watches {
 public:
  // The client must outlive it. `on_event` is called from Poll().
  Watches(const Client& client, std::function<void(const WatchEvent&)> on_event,
          WatchSettings settings = {});
  ~Watches();

  // Targets are numbered from 0, and listed for the first time in the order that they were added.
  // Of `options`, the selectors and `table` count.
  size_t Add(const Resource& resource, std::string ns, ListOptions options = {});
  // Not watched any more; what was there of it is told as deleted, now, in this call.
  void Remove(size_t target);
  // Lists the target again with the next Poll(), and watches from there.
  void Relist(size_t target);
  // Attempts that wait for their time after a failure are made with the next Poll().
  void RetryNow();
  // Lists, connects, reads for at most this long; returns early when something happened.
  void Poll(std::chrono::milliseconds at_most, std::stop_token stop = {});
  // Whether each target was listed or told unreadable.
  bool Settled() const;
  // Streams that ended or failed and were or will be opened again.
  uint64_t reconnects() const;
  // Lists and streams that ended with an error.
  uint64_t failures() const;
  // Objects that are known to be there, of all targets.
  size_t known() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bulwark::kube
