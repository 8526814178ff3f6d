#pragma once

// What there is: the clusters that were added, and of each its assets, kept up to date by list and
// watch. Features are told of every object as it is (AssetListener), the store keeps what lists and
// pages show of it (collections "clusters" and "assets"), and changes become events of kind
// "asset".
//
// A cluster that does not answer is shown as away; its assets stay, marked with when they were last
// seen, and nothing is closed because of it. Several clusters at once, each with a thread of its
// own. Thread-safe.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/value.h"
#include "kube/client.h"
#include "kube/discovery.h"
#include "model/finding.h"
#include "platform/pipeline/pipeline.h"
#include "platform/store/state_store.h"

namespace bulwark {
namespace vault {
class Vault;
}

struct Cluster {
  std::string id;    // UID of kube-system
  std::string name;  // chosen by people
  std::string server;
  std::string version;  // "v1.34.4"
  std::string state;    // "connecting", "ready", "away", "denied"
};

// Told of objects by the thread of their cluster, one call at a time for each cluster. What a call
// leads to must be quick or queued.
class AssetListener {
 public:
  virtual ~AssetListener() = default;
  // The kinds to be read in full beside those the inventory reads itself (metadata of Secrets
  // only).
  virtual bool Wants(const kube::Resource& resource) const = 0;
  virtual void OnCluster(const Cluster& cluster, const kube::Client& client) = 0;
  // An object is there: new, changed, or told at the start. `text` is its JSON.
  virtual void OnPut(const Cluster& cluster, const kube::Resource& resource, const Value& object,
                     std::string_view text) = 0;
  virtual void OnDelete(const Cluster& cluster, const kube::Resource& resource, std::string_view ns,
                        std::string_view name) = 0;
  // All that there was at the start (or after a relist) has been told.
  virtual void OnSynced(const Cluster& cluster) = 0;
  virtual void OnUnreadable(const Cluster& cluster, const kube::Resource& resource,
                            std::string_view ns, const Error& error) = 0;
  virtual void OnRemoved(const Cluster& cluster) = 0;
};

struct InventoryOptions {
  std::chrono::seconds resync = std::chrono::hours(6);
  kube::ClientOptions client;
};

class Inventory {
 public:
  Inventory(store::StateStore& state, Pipeline& pipeline, vault::Vault& vault, Metrics& metrics,
            InventoryOptions options = {});
  ~Inventory();

  // Before Start().
  void AddListener(AssetListener* listener);
  Result<> Start();
  void Stop();

  // Connects, to learn the cluster's UID; the kubeconfig (checked: no exec, auth-provider,
  // tokenFile, file paths) is sealed in the vault.
  Result<Cluster> Add(std::string name, std::string_view kubeconfig);
  // With credentials that the process has itself (bulwark up with KUBECONFIG; in a pod): not
  // stored.
  Result<Cluster> AddLocal(std::string name, kube::Config config);
  Result<> Rename(std::string_view id, std::string name);
  Result<> Remove(std::string_view id);
  std::vector<Cluster> Clusters() const;
  // A client of that cluster, for features that ask it something; the errors of kube/client.h.
  Result<std::shared_ptr<const kube::Client>> ClientOf(std::string_view id) const;
  // An object as it is in the cluster now.
  Result<std::string> Object(const Asset& asset) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bulwark
