#pragma once

// Authorization checks in CEL (k8s.io/apiserver/pkg/cel/library/authz.go, v0.34):
//
//   authorizer.group('apps').resource('deployments').namespace('web').check('create').allowed()
//   authorizer.path('/healthz').check('get').reason()
//   authorizer.serviceAccount('default',
//   'builder').group('').resource('pods').check('list').errored()
//
// Authz() has path group serviceAccount resource subresource namespace name check allowed reason
// errored error; AuthzSelectors() (Kubernetes 1.31) adds fieldSelector and labelSelector. The
// decision is made by the Authorizer that the caller passes in RunOptions; without one check() is
// an error. The variable `authorizer` is of type AuthorizerType() and bound to RequestAuthorizer();
// the variable `authorizer.requestResource` of type ResourceCheckType() and bound to
// RequestResource().

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lang/cel/library.h"
#include "lang/cel/type.h"

namespace bulwark::cel {

// Whose rights are asked for.
struct AuthorizationUser {
  // The user of the request that is being judged; the authorizer knows it. Then the rest is empty.
  bool is_requester = true;
  std::string name;                 // "system:serviceaccount:web:builder"
  std::vector<std::string> groups;  // "system:serviceaccounts", …
};

// One term of a selector: key in values, key not in values, key exists, key does not exist.
struct SelectorTerm {
  enum class Op { kIn, kNotIn, kExists, kDoesNotExist, kGreaterThan, kLessThan };
  std::string key;
  Op op = Op::kIn;
  std::vector<std::string> values;  // sorted
  friend bool operator==(const SelectorTerm&, const SelectorTerm&) = default;
};
// Unparseable text gives no terms and a text in `error`.
struct Selector {
  std::vector<SelectorTerm> terms;
  std::string error;
};

// A question to an authorizer (k8s.io/apiserver/pkg/authorization/authorizer.Attributes).
struct AuthorizationCheck {
  AuthorizationUser user;
  std::string verb;
  std::string path;       // of a request that is for no resource; then the rest is empty
  std::string api_group;  // "" is the core group; any version of it
  std::string resource, subresource, namespace_name, name;
  std::optional<Selector> field_selector, label_selector;
  bool is_resource_request() const { return path.empty(); }
};

struct AuthorizationDecision {
  bool allowed = false;
  std::string reason;
  std::string error;  // not empty: the question could not be answered
};

// Answers checks. Called from whatever thread evaluates.
class Authorizer {
 public:
  virtual ~Authorizer() = default;
  virtual AuthorizationDecision Authorize(const AuthorizationCheck& check) const = 0;
};

}  // namespace bulwark::cel

namespace bulwark::cel::ext {

const Library& Authz();
const Library& AuthzSelectors();

Type AuthorizerType();
Type ResourceCheckType();
// The requester's own authorizer, and a check of the resource that the request is for.
Value RequestAuthorizer();
struct RequestedResource {
  std::string api_group, resource, subresource, namespace_name, name;
};
Value RequestResource(Arena& arena, const RequestedResource& resource);

// As labels.ParseToRequirements and fields.ParseSelector read them.
Selector ParseLabelSelector(std::string_view text);
Selector ParseFieldSelector(std::string_view text);

}  // namespace bulwark::cel::ext
