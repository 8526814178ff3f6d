#pragma once

// Sinks: where results go beside the console: findings' transitions, alerts, and other events that
// a filter picks, as lines of JSON to a file or an HTTP endpoint (receiver.h).
//
// A sink is a record of the collection "sinks":
//   {id, name, type: "file"|"http", enabled, kinds: ["alert","finding"], q: "severity>=high",
//    language: "en"|"zh-CN", bodies, …what its type needs, secretHeaders: ["Authorization"]}
// `kinds` none: findings and alerts. `q` is a query over events. Values of secretHeaders are sealed
// in the vault and never shown.
//
// What matches is spooled on disk (bounded, the oldest going first, counted), then sent in batches
// by a thread of the sink's; what a receiver does not take is tried again, waiting twice as long
// each time, up to `max_wait`. A receiver gets each line at least once. What is published while the
// server is down is nobody's; what was spooled is sent after a restart.
//
// Errors beside those of the stores and the vault: sinks.none (kNotFound), sinks.invalid,
// sinks.type, sinks.query (kInvalid), sinks.limit (kLimit). Thread-safe.

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "model/catalog.h"
#include "platform/notify/receiver.h"
#include "platform/notify/spool.h"
#include "platform/pipeline/pipeline.h"
#include "platform/store/state_store.h"
#include "platform/vault/vault.h"

namespace bulwark::api {
class Api;
}

namespace bulwark::notify {

struct SinkOptions {
  std::string spool_folder;  // data folder + "/spool/sinks"
  std::string file_folder;   // data folder + "/sinks"
  // For URLs; none: the default one (loopback, link-local and metadata addresses are refused).
  std::shared_ptr<const net::UrlGuard> guard;
  size_t max_sinks = 50;
  size_t batch_lines = 500;
  std::chrono::milliseconds first_wait = std::chrono::seconds(1);
  std::chrono::milliseconds max_wait = std::chrono::minutes(5);
  LineSpoolOptions spool;
};

class Sinks {
 public:
  static constexpr std::string_view kCollection = "sinks";

  Sinks(store::StateStore& state, Pipeline& pipeline, vault::Vault& vault, Catalog& catalog,
        Metrics& metrics, SinkOptions options);
  ~Sinks();

  // A further type; before Open().
  void AddType(ReceiverType type);
  // Defines the collection, adds messages.
  Result<> Open();
  void AddRoutes(api::Api& api);
  Result<> Start();
  void Stop();

  // `settings`: the record's fields as above, secretHeaders as a map of values; `id` "" makes one.
  Result<store::Record> Save(std::string_view id, const Value& settings, std::string_view by,
                             std::optional<uint64_t> expect = std::nullopt);
  Result<> Delete(std::string_view id);
  // Sends one line at once, past the spool, to see whether it arrives.
  Result<> Test(std::string_view id);

  struct Status {
    uint64_t sent = 0, failures = 0, dropped = 0, waiting = 0;
    int64_t last_sent_us = 0;
    std::string last_error;
  };
  Status StatusOf(std::string_view id) const;

 private:
  class Sink;
  Result<ReceiverContext> ContextOf(const Value& record, std::string_view id);
  const ReceiverType* TypeOf(std::string_view name) const;
  Result<> Begin(const store::Record& record);

  store::StateStore& state_;
  Pipeline& pipeline_;
  vault::Vault& vault_;
  Catalog& catalog_;
  Metrics& metrics_;
  SinkOptions options_;
  std::vector<ReceiverType> types_;
  mutable std::mutex mutex_;  // of the two below
  bool running_ = false;
  std::map<std::string, std::shared_ptr<Sink>, std::less<>> sinks_;
  std::mutex change_mutex_;  // one change at a time
};

}  // namespace bulwark::notify
