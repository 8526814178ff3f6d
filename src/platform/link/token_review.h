#pragma once

// Asking a cluster whom a service-account token belongs to (TokenReview, authentication.k8s.io/v1),
// and to which node it is bound: Kubernetes puts the node of the token's pod into the answer
// (authentication.kubernetes.io/node-name; since 1.30). A token of a pod cannot be used for another
// node then, and a token that is bound to no pod has no node.

#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/client.h"

namespace bulwark::link {

// The tokens that agents are given are for this audience alone.
inline constexpr std::string_view kAudience = "bulwark-agent";

struct ReviewedToken {
  std::string user;  // "system:serviceaccount:bulwark:bulwark-agent"
  std::string pod, node;
};

// Asks. Our own credentials there need create on tokenreviews (ClusterRole
// system:auth-delegator). Errors: those below, and kube/client.h's.
Result<ReviewedToken> ReviewToken(const kube::Client& cluster, std::string_view token);

// The body of the request, and what its answer says. link.token kDenied: not authenticated, for
// another audience; link.token_node kDenied: bound to no node.
std::string TokenReviewRequest(std::string_view token);
Result<ReviewedToken> ParseTokenReview(std::string_view answer);

}  // namespace bulwark::link
