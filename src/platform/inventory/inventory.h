#pragma once

// What there is: the clusters that were added, and of each its assets, kept up to date by list and
// watch. Features are told of every object as it is (AssetListener), the store keeps what lists and
// pages show of it (collections "clusters" and "assets"), and changes become events of kind
// "asset".
//
// A cluster that does not answer is shown as away; its assets stay, marked with when they were last
// seen, and nothing is closed because of it. Several clusters at once, each with a thread of its
// own. Thread-safe.
//
// Errors of members that name a cluster: inventory.no_cluster (kNotFound), inventory.away
// (kUnavailable: there is no connection yet).

#include <chrono>
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
#include "kube/watch.h"
#include "model/finding.h"
#include "net/url_guard.h"
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
  friend bool operator==(const Cluster&, const Cluster&) = default;
};

// Told of objects by the thread of their cluster, one call at a time for each cluster. What a call
// leads to must be quick or queued. Every listener is told of the kinds that the inventory reads
// (namespaces, workloads, ReplicaSets, Jobs, Pods, Nodes, ServiceAccounts, roles and bindings,
// Services, Ingresses, NetworkPolicies), and of those that it wants.
class AssetListener {
 public:
  virtual ~AssetListener() = default;
  // The kinds to be read in full beside those the inventory reads itself (metadata of Secrets
  // only).
  virtual bool Wants(const kube::Resource& resource) const = 0;
  // It was connected to; before its objects, and again after its credentials were replaced. The
  // client is good until the next OnCluster or OnRemoved of that cluster.
  virtual void OnCluster(const Cluster& cluster, const kube::Client& client) = 0;
  // An object is there: new, changed, or told at the start. `text` is its JSON. Both have
  // apiVersion and kind, also where they come from a list. Of a Secret: metadata (without
  // kubectl's last-applied annotation) and type.
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
  std::chrono::seconds resync = std::chrono::hours(6);  // lists everything again, to make sure
  std::chrono::seconds rediscover = std::chrono::minutes(1);  // looks for new kinds
  std::chrono::seconds probe = std::chrono::seconds(15);      // asks whether the cluster is there
  std::chrono::hours keep_gone = std::chrono::hours(24 * 7);  // what was deleted stays visible
  std::chrono::milliseconds max_wait = std::chrono::seconds(30);  // between attempts
  kube::WatchSettings watch;
  kube::ClientOptions client;
  // Where a cluster that is added with a kubeconfig, and its proxy, may stand (net/url_guard.h).
  // None: anywhere (clusters on loopback are legitimate in `bulwark up`). Not for AddLocal().
  std::shared_ptr<const net::UrlGuard> guard;
  bool allow_http = false;  // credentials over plain HTTP
};

// Of a cluster's account, asked for and not guessed (SelfSubjectAccessReview).
struct ClusterCheck {
  std::string version;
  int64_t milliseconds = 0;  // of one small request
  struct Kind {
    kube::Resource resource;
    bool needed = false;  // by the inventory itself; else only a listener wants it
    bool list = false, watch = false;
    std::string reason;  // the server's, where it is not allowed
  };
  std::vector<Kind> kinds;
};

// What an open page would like to hear of.
struct InventoryChange {
  std::string topic;  // "clusters", "assets"
  bool deleted = false;
  std::string key, cluster, ns;  // of a cluster, key and cluster are its id
  std::string kind, name;
};

class Inventory {
 public:
  Inventory(store::StateStore& state, Pipeline& pipeline, vault::Vault& vault, Metrics& metrics,
            InventoryOptions options = {});
  ~Inventory();

  // Before Start(); it must live until Stop().
  void AddListener(AssetListener* listener);
  // Told of changes in the store, from any thread; not while a cluster is listed at first. Before
  // Start().
  void SetTeller(std::function<void(const InventoryChange&)> tell);
  Result<> Start();
  void Stop();

  // Connects, to learn the cluster's UID; the kubeconfig (checked: no exec, auth-provider,
  // tokenFile, file paths) is sealed in the vault. Errors: those of kube/kubeconfig.h and client.h;
  // inventory.name (kInvalid), inventory.exists (kExists), inventory.http (kDenied),
  // inventory.identity (kDenied: the namespace kube-system may not be read).
  Result<Cluster> Add(std::string name, std::string_view kubeconfig);
  // Other credentials for a cluster that is there; inventory.other_cluster (kInvalid) if they lead
  // to another one.
  Result<> ReplaceCredentials(std::string_view id, std::string_view kubeconfig);
  // With credentials that the process has itself (bulwark up with KUBECONFIG; in a pod): not
  // stored.
  Result<Cluster> AddLocal(std::string name, kube::Config config);
  Result<> Rename(std::string_view id, std::string name);
  Result<> SetLabels(std::string_view id, std::vector<std::string> labels);  // "k=v"
  // Its assets and credentials go too. Waits for its thread.
  Result<> Remove(std::string_view id);
  std::vector<Cluster> Clusters() const;
  // Connects and asks what its account may read; changes nothing.
  Result<ClusterCheck> Check(std::string_view id) const;
  // The kinds that a cluster's account should be able to read: those of the inventory and what
  // listeners want, of Kubernetes' own, newest versions.
  std::vector<kube::Resource> Kinds() const;
  // A client of that cluster, for features that ask it something; the errors of kube/client.h.
  Result<std::shared_ptr<const kube::Client>> ClientOf(std::string_view id) const;
  // An object as it is in the cluster now, as JSON; without managedFields, and of a Secret only
  // metadata.
  Result<std::string> Object(const Asset& asset) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bulwark
