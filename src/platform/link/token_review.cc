#include "platform/link/token_review.h"

#include <fmt/format.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/value.h"
#include "formats/json.h"

namespace bulwark::link {
namespace {

std::string FirstOf(const Value& extra, std::string_view key) {
  Value first = extra[key][size_t{0}];
  return first.IsString() ? std::string(first.AsString()) : std::string();
}

}  // namespace

Result<ReviewedToken> ReviewToken(const kube::Client& cluster, std::string_view token) {
  return ParseTokenReview(BW_TRY(cluster.Do({.verb = "create",
                                             .what = "tokenreviews",
                                             .path = "/apis/authentication.k8s.io/v1/tokenreviews",
                                             .body = TokenReviewRequest(token)})));
}

std::string TokenReviewRequest(std::string_view token) {
  std::string out =
      R"({"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":)";
  AppendJsonString(out, token);
  out += R"(,"audiences":[)";
  AppendJsonString(out, kAudience);
  return out + "]}}";
}

Result<ReviewedToken> ParseTokenReview(std::string_view answer) {
  Arena arena;
  Result<Value> root = ParseJson(answer, arena);
  if (!root || root->StringAt("kind") != "TokenReview") {
    return Error(Code::kUnavailable, "link.token_review",
                 "the cluster's answer to a TokenReview is not one");
  }
  Value status = (*root)["status"];
  // A server that does not know audiences leaves them out of its answer: such a token was for it.
  if (!status["authenticated"].IsTrue() ||
      !status["audiences"].Contains(Value::String(kAudience))) {
    return Error(Code::kDenied, "link.token",
                 fmt::format("the cluster does not accept the service-account token: {}",
                             status.StringAt("error", "not authenticated for this audience")));
  }
  Value user = status["user"], extra = user["extra"];
  ReviewedToken out{.user = std::string(user.StringAt("username")),
                    .pod = FirstOf(extra, "authentication.kubernetes.io/pod-name"),
                    .node = FirstOf(extra, "authentication.kubernetes.io/node-name")};
  if (out.node.empty()) {
    return Error(
        Code::kDenied, "link.token_node",
        "the service-account token is bound to no node: it must be a pod's own (projected), "
        "of Kubernetes 1.30 or later");
  }
  return out;
}

}  // namespace bulwark::link
