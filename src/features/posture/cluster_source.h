#pragma once

// A cluster as the source of an inspection: every object of the kinds that checks speak of, read
// page by page from the API server.
//
//   ClusterIdentity who = IdentifyCluster(client);      // before the Inspection is made:
//   options.check.cluster = who.uid;                    // it needs UID and version
//   options.whole_cluster = cluster.Whole();
//   Inspection inspection(checks, options);
//   ClusterInfo info = BW_TRY(AddCluster(inspection, checks, client, cluster, nullptr));
//
// Kinds: those that checks name or need, all with a pod template (custom resources too: those that
// `templates` names, and those whose definition has spec.template or spec.podTemplate), and, where
// a check speaks of every kind, Kubernetes' own but for what the system writes all day (events,
// leases, controller revisions). Secrets come without their contents, unless asked for: the server
// sends a table with their metadata and type. kubectl's last-applied annotation is left out of
// those, for it repeats the contents. What kubelets run with is read from their /configz, through
// the API server, as objects of kind KubeletConfiguration named as their nodes.
//
// What may not be read becomes an Unread of the report ("secrets (cluster-wide)", "pods in
// namespaces a, b"), and checks that need complete input do not run where a kind they compare with
// is missing. Where a kind may not be read in the whole cluster, it is read namespace by namespace:
// those that the account may list (SelfSubjectRulesReview), of those that can be found: the list of
// namespaces, else the kubeconfig's own.
//
// With a label selector, only objects with such labels are read, whatever their kind; with
// namespaces, only these and what is in them.
//
// Memory: one page of the answer (500 objects), and what the inspection keeps. Called from the
// inspection's thread.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "features/posture/check_set.h"
#include "features/posture/inspection.h"
#include "kube/client.h"
#include "kube/object.h"

namespace bulwark::posture {

struct ClusterOptions {
  std::vector<std::string> namespaces;  // none: all
  std::string label_selector;
  std::vector<kube::PodTemplatePath> templates;  // of custom resources
  bool secret_contents = false;
  int page_size = 500;
  std::stop_token stop;

  bool Whole() const { return namespaces.empty() && label_selector.empty(); }
};

struct ClusterIdentity {
  std::string uid;           // of the namespace kube-system; "" where it may not be read
  std::optional<int> minor;  // of the server
  std::string version;       // "v1.34.4"
};
ClusterIdentity IdentifyCluster(const kube::Client& client);

struct ClusterInfo {
  uint64_t objects = 0;
  size_t kinds = 0;
};

// Called now and then with what is being read and how many objects have been.
using ClusterProgress = std::function<void(const std::string& what, uint64_t objects)>;

// Fails only where nothing can be asked at all (discovery), or by the stop token.
Result<ClusterInfo> AddCluster(Inspection& inspection, const CheckSet& checks,
                               const kube::Client& client, const ClusterOptions& options,
                               const ClusterProgress& on_progress);

// --- What a watch needs as well (watch.h) --------------------------------------------------------

// A kind to read. `rank`: kinds that others own are read later: 0 most, 1 ReplicaSets and Jobs, 2
// Pods.
struct KindToRead {
  kube::Resource resource;
  int rank = 0;
  bool table = false;  // metadata only
};
using OnUnread = std::function<void(Unread)>;
// Sorted by rank.
Result<std::vector<KindToRead>> KindsToRead(const CheckSet& checks, const kube::Client& client,
                                            const ClusterOptions& options,
                                            const OnUnread& on_unread);

// Whether an inspection of a cluster reads objects of that kind, as far as the kind itself tells;
// `custom_workload`: it is one of the custom resources that may have a pod template.
bool ReadsKind(const CheckSet& checks, const kube::Resource& resource,
               bool custom_workload = false);
// Those, as "group/Kind": of a CustomResourceDefinition ("": none), and all that a cluster has.
std::string CustomWorkloadOf(const Value& definition);
std::set<std::string> CustomWorkloads(const kube::Client& client, const ClusterOptions& options);

// Finds out in which namespaces a kind may be read.
class ClusterScopes {
 public:
  ClusterScopes(const kube::Client& client, const ClusterOptions& options)
      : client_(client), options_(options) {}
  // Where a cluster-wide list was refused with `error`: the namespaces to read instead. Tells
  // `on_unread` of the rest.
  std::vector<std::string> Fallback(const kube::Resource& resource, const Error& error,
                                    const OnUnread& on_unread);

 private:
  struct Rules;
  bool MayList(const std::string& ns, const kube::Resource& resource);
  const std::vector<std::string>& Namespaces();

  const kube::Client& client_;
  const ClusterOptions& options_;
  std::optional<std::vector<std::string>> namespaces_;
  bool all_known_ = false;  // namespaces_ are all that there are
  std::map<std::string, std::shared_ptr<const Rules>> rules_;
};

// Appends an item of a list as an object: with apiVersion and kind, which lists leave out. False
// for what is no object.
bool AppendObject(std::string& out, const KindToRead& kind, const Value& item,
                  std::string_view text);

// The configuration of each node's kubelet, as JSON of an object. Nothing if no check asks for it.
void ReadKubelets(const CheckSet& checks, const kube::Client& client, const ClusterOptions& options,
                  const std::function<void(std::string)>& on_object, const OnUnread& on_unread);

// Whether a check that asks for complete input compares with that kind.
bool MattersForCompleteness(const CheckSet& checks, const kube::Resource& resource);

}  // namespace bulwark::posture
