#pragma once

// Where audit events and Kubernetes Events come from in a server.
//
// Webhooks: API servers POST batches to /audit/<secret> (--audit-webhook-config-file), or to /audit
// with a client certificate. Which cluster speaks is what the secret or the certificate's name
// belongs to (collection "auditsources"), never what the body says. A batch is answered with 200
// only when it is stored; 401 for strangers (before their body is read), 400 for what is no batch,
// 413 past the limits, 503 while the store fails, so that the API server tries again. Secrets are
// 32 random bytes, shown once; kept is their SHA-256.
//
// Files: an audit log on this machine, followed as it is rotated (tail.h); how far it was read is
// kept in the collection "auditfiles" after its events were stored.
//
// Kubernetes Events: told by the inventory (core/v1, which every cluster serves).

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "features/audit/audit_event.h"
#include "features/audit/tail.h"
#include "net/http_server.h"
#include "platform/inventory/inventory.h"
#include "platform/pipeline/pipeline.h"
#include "platform/store/state_store.h"

namespace bulwark::audit {

// Counts of one source, for /metrics and pages.
struct SourceCounts {
  std::atomic<uint64_t> events = 0, duplicates = 0, passed_over = 0, invalid = 0, shortened = 0;
  std::atomic<int64_t> last_us = 0;  // when it was heard
};

class AuditWebhook {
 public:
  static constexpr std::string_view kCollection = "auditsources";
  static constexpr size_t kMaxBody = size_t{12} << 20;

  AuditWebhook(store::StateStore& state, Pipeline& pipeline, Metrics& metrics);
  // Defines the collection and reads it.
  Result<> Open();

  struct Made {
    store::Record record;
    std::string secret;  // for the path; shown once
  };
  struct NewSource {
    std::string name, cluster, by;
    std::vector<std::string> certificate_names;  // common names that speak for it
  };
  Result<Made> Add(const NewSource& source);
  Result<> Delete(std::string_view id);
  // nullptr if there is none.
  std::shared_ptr<const SourceCounts> CountsOf(std::string_view id) const;

  // What a listener calls: HttpServerOptions::on_head and the handler.
  net::HeadDecision Head(const net::ServerRequest& request) const;
  net::ServerResponse Handle(const net::ServerRequest& request);
  // Whether the path is one of ours: "/audit" and below.
  static bool IsOurs(const net::ServerRequest& request);

 private:
  struct Source {
    Source(std::string the_id, std::string cluster)
        : id(std::move(the_id)), reader({.cluster = std::move(cluster)}) {}
    const std::string id;
    std::mutex mutex;  // of the reader
    AuditReader reader;
    std::shared_ptr<SourceCounts> counts = std::make_shared<SourceCounts>();
  };
  Result<> Load();
  std::shared_ptr<Source> Find(const net::ServerRequest& request) const;

  store::StateStore& state_;
  Pipeline& pipeline_;
  Counter& events_metric_;
  Counter& invalid_metric_;
  Counter& shortened_metric_;
  Counter& refused_metric_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Source>> by_secret_;  // SHA-256 of the secret
  std::map<std::string, std::shared_ptr<Source>> by_name_;    // of a certificate
  std::map<std::string, std::shared_ptr<Source>, std::less<>> by_id_;
};

struct AuditFile {
  std::string path, cluster;
};

class AuditFileSource {
 public:
  AuditFileSource(AuditFile file, store::StateStore& state, Pipeline& pipeline, Metrics& metrics);
  ~AuditFileSource();
  void Start();
  void Stop();

 private:
  void Run(const std::stop_token& stop);
  // How many lines came; an error of the file, or of a store.
  Result<size_t> Once(Tail& tail);

  const AuditFile file_;
  store::StateStore& state_;
  Pipeline& pipeline_;
  AuditReader reader_;
  Counter& events_metric_;
  Counter& invalid_metric_;
  Counter& too_long_metric_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};
// Its collection; before the first source.
Result<> DefineAuditFiles(store::StateStore& state);

class KubernetesEvents final : public AssetListener {
 public:
  KubernetesEvents(Pipeline& pipeline, Metrics& metrics);
  bool Wants(const kube::Resource& resource) const override;
  void OnCluster(const Cluster&, const kube::Client&) override {}
  void OnPut(const Cluster& cluster, const kube::Resource& resource, const Value& object,
             std::string_view text) override;
  void OnDelete(const Cluster&, const kube::Resource&, std::string_view,
                std::string_view) override {}
  void OnSynced(const Cluster&) override {}
  void OnUnreadable(const Cluster& cluster, const kube::Resource& resource, std::string_view ns,
                    const Error& error) override;
  void OnRemoved(const Cluster&) override {}

 private:
  Pipeline& pipeline_;
  Counter& events_metric_;
};

}  // namespace bulwark::audit
