// Enrolment requests, and what a cluster answers to a TokenReview.

#include <cstdint>

#include "base/check.h"
#include "platform/link/enrolment.h"
#include "platform/link/envelope.h"
#include "platform/link/token_review.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;        // NOLINT
  using namespace bulwark::link;  // NOLINT
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (Result<EnrolmentRequest> asked = ParseEnrolment(text); asked) {
    BW_CHECK(!asked->token.empty());
    BW_CHECK(asked->method == EnrolmentRequest::Method::kToken ? IsNodeName(asked->node)
                                                               : IsClusterId(asked->cluster));
    (void)asked->csr.public_key().Fingerprint();
  }
  if (Result<ReviewedToken> reviewed = ParseTokenReview(text); reviewed) {
    BW_CHECK(!reviewed->node.empty());
  }
  BW_CHECK(!TokenReviewRequest(text).empty());
  return 0;
}
