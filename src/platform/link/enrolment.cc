#include "platform/link/enrolment.h"

#include "base/arena.h"
#include "base/value.h"
#include "formats/json.h"
#include "platform/link/envelope.h"

namespace bulwark::link {
namespace {

Error Bad(std::string message) { return {Code::kInvalid, "link.enrol", std::move(message)}; }

}  // namespace

Result<crypto::Request> ParseAgentRequest(std::string_view pem) {
  crypto::Request csr = BW_TRY(crypto::Request::FromPem(pem));
  if (csr.public_key().type() == crypto::KeyType::kRsa && csr.public_key().bits() > 4096) {
    return Bad("the key of the certificate request is too big");
  }
  return csr;
}

Result<EnrolmentRequest> ParseEnrolment(std::string_view json) {
  Arena arena;
  Result<Value> body = ParseJson(json, arena, {.max_depth = 8, .max_bytes = 128 * 1024});
  if (!body || !body->IsMap()) return Bad("the enrolment is not a JSON object");
  std::string_view method = body->StringAt("method"), token = body->StringAt("token");
  std::string_view cluster = body->StringAt("cluster"), node = body->StringAt("node");
  if (token.empty() || token.size() > 16 * 1024) return Bad("\"token\" is missing or too long");
  if (method == "token") {
    if (!IsNodeName(node)) return Bad("\"node\" is not a node's name");
  } else if (method == "serviceAccount") {
    if (cluster.empty() || !IsClusterId(cluster)) return Bad("\"cluster\" is not a cluster's id");
  } else {
    return Bad("\"method\" is token or serviceAccount");
  }
  crypto::Request csr = BW_TRY(ParseAgentRequest(body->StringAt("csr")));
  return EnrolmentRequest{.method = method == "token" ? EnrolmentRequest::Method::kToken
                                                      : EnrolmentRequest::Method::kServiceAccount,
                          .token = std::string(token),
                          .cluster = std::string(cluster),
                          .node = std::string(node),
                          .csr = std::move(csr)};
}

}  // namespace bulwark::link
