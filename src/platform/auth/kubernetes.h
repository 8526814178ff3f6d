#pragma once

// Logging in as somebody of a Kubernetes cluster that is registered, with a token of it (kubectl
// create token …): the cluster says whose it is (TokenReview) and whether that one may, say, "use"
// the resource "roles.bulwark.io" named "developer" (SubjectAccessReview), which then is a role
// here. So a cluster's own RBAC decides who may see it:
//
//   kind: ClusterRole
//   rules: [{apiGroups: [bulwark.io], resources: [roles], resourceNames: [developer], verbs:
//   [use]}]
//
// The resource need not exist. Errors: those of kube/client.h, and auth.wrong kDenied (the cluster
// does not know the token, or it is for somebody else), kubernetes.answer kInvalid.
// Thread-safe.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kube/client.h"

namespace bulwark::auth {

struct KubernetesUser {
  std::string name;  // "system:serviceaccount:prod:deployer"
  std::string uid;
  std::vector<std::string> groups;
  std::vector<std::pair<std::string, std::vector<std::string>>> extra;
};

struct KubernetesRight {
  std::string group = "bulwark.io", resource = "roles", verb = "use", name;
};

class KubernetesIdentity {
 public:
  virtual ~KubernetesIdentity() = default;
  // `audience`: the token must be for it; empty: for the API server.
  virtual Result<KubernetesUser> Review(std::string_view cluster, std::string_view token,
                                        const std::string& audience) = 0;
  virtual Result<bool> May(std::string_view cluster, const KubernetesUser& user,
                           const KubernetesRight& right) = 0;
};

using ClientOf =
    std::function<Result<std::shared_ptr<const kube::Client>>(std::string_view cluster)>;
// Asks the clusters' API servers. Its own account there needs `create` of tokenreviews and
// subjectaccessreviews (the ClusterRole system:auth-delegator).
std::shared_ptr<KubernetesIdentity> MakeKubernetesIdentity(ClientOf client_of);

}  // namespace bulwark::auth
