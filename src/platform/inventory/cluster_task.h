#pragma once

// One cluster: what is known of it, and the thread that keeps it so. Connects, lists and watches
// the kinds of the inventory and those that listeners want, tells the writer and the listeners,
// notices when the cluster goes away and comes back, finds kinds that appear later.
//
// States: "connecting" until all kinds were listed; "ready"; "away" when it does not answer (kept
// as it was, tried again ever more rarely, at least every max_wait); "denied" when it does not take
// our credentials, or lets us read nothing. Thread-safe but for Run(), which is the thread's.

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "kube/watch.h"
#include "platform/inventory/asset_writer.h"
#include "platform/inventory/inventory.h"

namespace bulwark::inventory {

// The record of the collection "clusters".
struct ClusterRecord {
  Cluster cluster;
  std::optional<Error> reason;                 // of "away" and "denied"
  std::string provider;                        // "aws", "gce", "kind", …; as nodes name it
  std::string added_at, last_seen, synced_at;  // RFC 3339; "" not yet
  std::vector<std::string> labels;             // "k=v"
  bool local = false, insecure = false;
  struct Unreadable {
    std::string resource;
    Error error;
  };
  std::vector<Unreadable> unreadable;
  std::map<std::string, uint64_t> counts;

  std::string ToJson() const;
  static Result<ClusterRecord> Parse(std::string_view json);
};
const store::Collection& ClusterCollection();

// Error ↔ JSON {"id","code","message","args":{}}.
std::string ErrorToJson(const Error& error);
Error ErrorFromJson(const Value& value);

// UID of kube-system: the identity of a cluster.
Result<std::string> ClusterUid(const kube::Client& client);

struct TaskContext {
  store::StateStore& state;
  Pipeline& pipeline;
  Metrics& metrics;
  const InventoryOptions& options;
  const std::vector<AssetListener*>& listeners;
  // How to reach the cluster, asked before each attempt to connect.
  std::function<Result<kube::Config>()> config;
  kube::ClientOptions client;
  std::function<void(const InventoryChange&)> tell;
};

class ClusterTask {
 public:
  ClusterTask(TaskContext context, ClusterRecord record,
              std::shared_ptr<const kube::Client> client = nullptr);
  ~ClusterTask();  // Stop()

  void Start();
  void Stop();  // waits for the thread

  ClusterRecord record() const;
  Result<std::shared_ptr<const kube::Client>> client() const;
  std::shared_ptr<const kube::Discovery> discovery() const;
  // Changes name and labels, in the store too.
  Result<> Edit(std::optional<std::string> name, std::optional<std::vector<std::string>> labels);
  // After the credentials were replaced: connects anew.
  void Reconnect();

 private:
  using Clock = std::chrono::steady_clock;
  struct Target {
    kube::Resource resource;
    bool asset = false, removed = false;
    std::vector<AssetListener*> listeners;
    enum class Phase { kPending, kFailing, kSynced, kUnreadable } phase = Phase::kPending;
    std::optional<Error> error;
  };

  void Run(const std::stop_token& stop);
  bool Connect(const std::stop_token& stop);
  void Watch(const std::stop_token& stop);
  void AddTargets(const kube::Discovery& served, kube::Watches& watches);
  void Rediscover(kube::Watches& watches, const std::stop_token& stop);
  void OnEvent(const kube::WatchEvent& event, const std::stop_token& stop);
  void TellPut(const Target& target, const kube::WatchEvent& event);
  // Whether the cluster answers, with what that changes in its state.
  bool Probe(const std::stop_token& stop);
  void Settle(const std::stop_token& stop);
  void SetState(std::string_view state, std::optional<Error> reason = std::nullopt);
  void Save(bool now);
  Result<> Commit(const ClusterRecord& record);
  bool Pause(std::chrono::milliseconds time, const std::stop_token& stop);
  Cluster Self() const;

  TaskContext context_;
  const std::string id_;

  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  ClusterRecord record_;
  std::shared_ptr<const kube::Client> client_;
  std::shared_ptr<const kube::Discovery> discovery_;
  bool reconnect_ = false;
  std::mutex write_mutex_;  // one write of the record at a time, in their order

  // The thread's own.
  std::deque<Target> targets_;
  std::unique_ptr<AssetWriter> writer_;
  std::optional<Timestamp> known_until_;  // when it was last seen, by this run or one before
  bool settled_ = false, synced_again_ = false;
  int misses_ = 0;
  Clock::time_point first_sync_, saved_;
  Counter& relists_;

  std::jthread thread_;
};

}  // namespace bulwark::inventory
