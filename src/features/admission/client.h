#pragma once

// Gatekeeper without a server: templates, constraints and the objects that policies may look up go
// in; reviews come out. This is the page to read first.
//
//   Client client({});
//   BW_TRY(client.AddTemplate(template_object));
//   BW_TRY(client.AddConstraint(constraint_object));
//   client.AddData(deployment);                      // for data.inventory
//   client.Freeze();
//   Review review = BW_TRY(Review::OfObject(pod, nullptr, kSourceOriginal, "", arena));
//   Response response = BW_TRY(client.Judge(review, {}, arena));
//   for (const Violation& v : response.violations) …
//
// What is added is not copied: objects must outlive the client. After Freeze() any number of
// threads may Judge(), each with an arena of its own; the review is shared by all constraints, the
// inventory by all reviews. Adding more thaws it: Freeze() again.
//
// Errors are Gatekeeper's, text for text where people's tests match them: gate.template*,
// gate.constraint*, gate.data, gate.review*.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "features/admission/policy.h"
#include "features/admission/review.h"
#include "features/admission/template.h"

namespace bulwark::admission {

struct ClientOptions {
  bool rego = true;
  bool cel = true;  // where a template has both, CEL is taken
  PolicyOptions policies;
  std::string enforcement_point = std::string(kGatorPoint);
};

struct Violation {
  const Constraint* constraint = nullptr;
  std::string message;
  bool has_details = false;
  Value details;
  std::string enforcement_action;
  std::vector<std::string> scoped_actions;
};

// How long one template's policy took over one review.
struct TimeSpent {
  std::string_view kind;
  std::string name;  // of a constraint "Kind/name"; of a template ""
  std::string_view engine;
  int64_t nanoseconds = 0;
  size_t constraints = 0;
};

struct Response {
  std::vector<Violation> violations;  // by the constraints' kinds and names
  std::vector<TimeSpent> times;       // where they were asked for
};

struct ReviewOptions {
  bool times = false;
  // Only templates that are for the review's operation (what a webhook asks).
  bool by_operation = false;
  JudgeContext context;  // without data
};

// Whether a constraint is for a review; `ns` is the object's namespace, where it is known.
Result<bool> MatchesReview(const Constraint& constraint, const Review& review,
                           const NamespaceView* ns);

// The tree of data.inventory: cluster/<version>/<kind>/<name> and
// namespace/<namespace>/<version>/<kind>/<name>.
class Inventory {
 public:
  // Error: gate.data, of an object without version or kind.
  Result<> Add(const Value& object);
  void Remove(const Value& object);
  void Clear() { cluster_.clear(), namespaces_.clear(); }
  // {"inventory": …}; refers to the objects and to the arena.
  Value ToData(Arena& arena) const;

 private:
  using Names = std::map<std::string, Value, std::less<>>;
  using Kinds = std::map<std::string, Names, std::less<>>;
  using Versions = std::map<std::string, Kinds, std::less<>>;
  static Value ToValue(const Versions& versions, Arena& arena);
  Versions cluster_;
  std::map<std::string, Versions, std::less<>> namespaces_;
};

class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Client(Client&&) noexcept;

  Result<> AddTemplate(const Value& object);
  Result<> AddConstraint(const Value& object);
  Result<> AddData(const Value& object);
  void RemoveData(const Value& object);
  void ClearData();
  void RemoveTemplate(std::string_view name);
  void RemoveConstraint(std::string_view kind, std::string_view name);
  void Freeze();

  Result<Response> Judge(const Review& review, const ReviewOptions& options, Arena& arena) const;
  size_t constraints() const;

 private:
  struct Template {
    ConstraintTemplate definition;
    std::unique_ptr<const Policy> policy;
    std::map<std::string, std::unique_ptr<const Constraint>, std::less<>> constraints;
  };
  struct Candidate {
    const Template* of;
    const Constraint* constraint;
  };
  static Result<> JudgeTimed(const Template& of, const Review& review,
                             std::span<const Constraint* const> constraints,
                             const JudgeContext& context, Arena& arena,
                             std::vector<Finding>& findings, Response& out);
  const std::vector<uint32_t>& CandidatesFor(const Review& review,
                                             std::vector<uint32_t>& scratch) const;

  ClientOptions options_;
  std::unique_ptr<Arena> arena_ = std::make_unique<Arena>();
  std::map<std::string, std::unique_ptr<Template>, std::less<>> templates_;  // by name
  Inventory inventory_;
  std::map<std::string, NamespaceView, std::less<>> namespaces_;

  // Made by Freeze().
  bool frozen_ = false;
  std::unique_ptr<Arena> data_arena_;
  Value data_;
  std::vector<Candidate> candidates_;  // by kind and name
  std::vector<uint32_t> any_kind_;     // of them
  std::unordered_map<std::string, std::vector<uint32_t>>
      by_kind_;  // kinds that some constraint names
};

}  // namespace bulwark::admission
