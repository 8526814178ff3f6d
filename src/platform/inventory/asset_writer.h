#pragma once

// The assets of one cluster on their way to the store: what was told by the watches becomes
// records of the collection "assets" and events of kind "asset", in batches (a transaction for some
// hundred changes). Only what differs from the record that is there is written.
//
// Events go first, records after: their ids follow from the object's version, so a crash in between
// leaves neither a gap in the history nor something in it twice.
//
// Memory: of every asset two hashes; of every pod also its images as numbers; of every ReplicaSet
// and Job that something owns, the key of the owner. Belongs to the cluster's thread.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "kube/discovery.h"
#include "model/event.h"
#include "platform/inventory/asset_record.h"
#include "platform/pipeline/pipeline.h"
#include "platform/store/state_store.h"

namespace bulwark::inventory {

// What lists that are open should hear of.
struct AssetChange {
  bool deleted = false;
  std::string key, cluster, ns, kind, name;
};

// Where the writer's work goes: the store and the pipeline, or a test's.
struct AssetSink {
  std::function<Result<>(const store::Batch&)> commit;
  std::function<Result<>(std::vector<Event>)> publish;
  std::function<Result<std::optional<std::string>>(const std::string& key)> get;
  // Every record of the cluster's assets that is not gone: key and body.
  std::function<Result<>(const std::function<void(std::string_view, std::string_view)>&)> scan;
  std::function<void(const std::vector<AssetChange>&)> tell;  // may be empty
  std::function<Timestamp()> now = Now;
};
AssetSink SinkOf(store::StateStore& state, Pipeline& pipeline, const std::string& cluster);

const store::Collection& AssetCollection();

class AssetWriter {
 public:
  static constexpr size_t kBatch = 500;
  static constexpr std::chrono::milliseconds kLinger{200};

  // `known_until`: when this cluster was last seen by an earlier run; objects made since are news.
  // Nothing: the cluster is new, and what is there now is the baseline.
  AssetWriter(std::string cluster, AssetSink sink, Metrics& metrics,
              std::optional<Timestamp> known_until);

  // What the store has already. Before anything else.
  Result<> Load();
  void Put(const kube::Resource& resource, const Value& object);
  void Deleted(const kube::Resource& resource, std::string_view ns, std::string_view name);
  // All of that kind was told: what the store has beside that has gone meanwhile.
  void Synced(const kube::Resource& resource);

  bool Due() const;
  bool Waiting() const { return !pending_.empty() || !events_.empty(); }
  // Writes what waits. Tries until it succeeds or `stop` is asked for; an error that trying again
  // cannot help drops the batch, counted.
  void Flush(const std::stop_token& stop);
  // Removes what has been gone since before `since`.
  Result<> Forget(Timestamp since);

  const std::map<std::string, uint64_t>& counts() const { return counts_; }  // by kind
  size_t assets() const { return seen_.size(); }
  const std::string& provider() const { return provider_; }

 private:
  struct Uses {  // of a pod
    uint64_t workload = 0;
    std::vector<uint32_t> images;
  };
  struct Image {
    std::string name;
    std::set<std::string> references;
    std::unordered_map<uint64_t, uint32_t> workloads;  // → pods
    uint32_t pods = 0;
  };

  std::string KeyOf(std::string_view group, std::string_view kind, std::string_view ns,
                    std::string_view name) const;
  void Resolve(AssetRecord& record);
  void PutRecord(const AssetRecord& record, bool is_image = false);
  void Gone(const std::string& key);
  std::optional<std::string> Old(const std::string& key);
  bool IsNews(const AssetRecord& record) const;
  void UseImages(const AssetRecord& pod);
  void DropUses(uint64_t pod);
  void WriteImages();
  void AddEvent(const AssetRecord& record, std::string_view verb, std::string message,
                MessageArgs args, std::string body);
  void Stage(const std::string& key, std::string body);
  void Retire(uint64_t owner);

  const std::string cluster_;
  const AssetSink sink_;
  std::optional<Timestamp> known_until_;
  Counter& writes_;
  Counter& events_published_;
  Counter& lost_;

  std::unordered_map<uint64_t, uint64_t> seen_;            // hash of key → hash of the stable body
  std::unordered_map<uint64_t, std::string> unconfirmed_;  // stored, but not told yet
  std::map<std::string, uint64_t> counts_;
  std::set<std::string> synced_;  // "group/kind"
  std::string provider_;

  std::unordered_map<uint64_t, std::string> owners_;  // of ReplicaSets and Jobs: key of the top
  std::deque<uint64_t> retired_;                      // of those that are gone, the last ones
  std::unordered_map<uint64_t, std::map<std::string, AssetRecord>> orphans_;  // their owner is late
  size_t orphan_count_ = 0;

  std::unordered_map<uint64_t, Uses> pods_;
  std::unordered_map<std::string, uint32_t> image_numbers_;
  std::vector<Image> images_;
  std::vector<uint32_t> free_images_;
  std::set<uint32_t> changed_images_;

  std::map<std::string, std::string> pending_;  // key → body
  std::vector<Event> events_;
  std::vector<AssetChange> told_;
  std::chrono::steady_clock::time_point first_pending_;
};

}  // namespace bulwark::inventory
