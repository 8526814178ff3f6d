#pragma once

// What an agent sends to become one. Plain data, from a stranger: nothing in it is to be believed
// but that the sender has the key of its request.

#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/x509.h"

namespace bulwark::link {

struct EnrolmentRequest {
  enum class Method { kToken, kServiceAccount };
  Method method = Method::kToken;
  std::string token;
  std::string cluster;  // of a service account
  std::string node;     // with a one-time token
  crypto::Request csr;
};

// At most 128 KiB. Errors: link.enrol kInvalid, and those of the certificate request.
Result<EnrolmentRequest> ParseEnrolment(std::string_view json);

// A certificate request whose key is not so big that agents could make checking them dear.
Result<crypto::Request> ParseAgentRequest(std::string_view pem);

}  // namespace bulwark::link
