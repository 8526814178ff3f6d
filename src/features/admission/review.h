#pragma once

// What is reviewed: an AdmissionRequest (k8s.io/api/admission/v1), as it came or made of a bare
// object, in the shapes that the engines see it in. Made once, shared by all constraints.
//
// Refers to the objects that it was made of and to the arena. Immutable: any number of threads.

#include <string_view>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "features/admission/match.h"

namespace bulwark::admission {

struct Review {
  // The request with object, oldObject and, as Gatekeeper's Rego driver adds it, namespaceObject:
  // Rego's input.review.
  Value request;
  // The same for CEL: its variable `request`, without the objects; what a request may leave out is
  // left out.
  Value cel_request;
  Value object, old_object;   // as Rego sees them: on DELETE, object is the old one
  ObjectView view, old_view;  // value is nullptr where there is none
  std::string_view ns;        // the request's
  std::string_view source;    // Original, Generated
  const NamespaceView* ns_object = nullptr;
  bool is_delete = false;

  // A bare object under review. `ns`, where its namespace is known.
  static Result<Review> OfObject(const Value& object, const NamespaceView* ns,
                                 std::string_view source, std::string_view operation, Arena& arena);
  // An AdmissionRequest. Errors: gate.review (a DELETE without an old object).
  static Result<Review> OfRequest(const Value& request, const NamespaceView* ns,
                                  std::string_view source, Arena& arena);
};

// Whether an object is an AdmissionReview of any version.
bool IsAdmissionReview(const ObjectView& object);
// The request of an AdmissionReview, checked as `gator verify` does: no unknown fields, an object
// or an old one, both of a kind. Ids: gate.review.invalid, .missing, .no_object, .unmarshal.
Result<Value> RequestOf(const Value& admission_review);

}  // namespace bulwark::admission
