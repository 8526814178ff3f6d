#pragma once

// ConstraintTemplates (templates.gatekeeper.sh/v1, v1beta1, v1alpha1) and Constraints
// (constraints.gatekeeper.sh/v1beta1, v1alpha1), read and checked as the constraint framework does
// (frameworks/constraint, pkg/client). Messages are the framework's.
//
// What is read refers to the objects, which must outlive it. Immutable, hence thread-safe.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "features/admission/constraint_schema.h"
#include "features/admission/match.h"

namespace bulwark::admission {

inline constexpr std::string_view kTarget = "admission.k8s.gatekeeper.sh";
inline constexpr std::string_view kGatorPoint = "gator.gatekeeper.sh";
inline constexpr std::string_view kWebhookPoint = "validation.gatekeeper.sh";
inline constexpr std::string_view kAuditPoint = "audit.gatekeeper.sh";

inline constexpr std::string_view kRegoEngine = "Rego";
inline constexpr std::string_view kCelEngine = "K8sNativeValidation";

struct ConstraintTemplate {
  struct Source {
    std::string engine;
    Value source;  // a map, for the engine to read
  };

  std::string name, kind;
  std::vector<Source> code;
  std::vector<std::string> operations;  // none: all
  std::shared_ptr<const ConstraintSchema> schema;

  static bool Is(const ObjectView& object);
  // Ids: gate.template.not ("not a ConstraintTemplate"), gate.template ("invalid
  // ConstraintTemplate: …"). `arena` is for what has to be made anew.
  static Result<ConstraintTemplate> Read(const Value& object, Arena& arena);
  const Source* Find(std::string_view engine) const;
  bool MatchesOperation(std::string_view operation) const;
};

// Only what Read() does before it looks at the rest, so that errors can be told apart: whether an
// object can be decoded as a template at all.
Result<> DecodeTemplate(const Value& object);

// Whether a kind makes names that a CustomResourceDefinition may have.
Result<> ValidateKind(std::string_view kind);

struct Constraint {
  Value object;  // with defaults, without status
  std::string kind, name;
  Match match;
  bool has_match = false;
  std::string action;               // enforcementAction
  std::vector<std::string> scoped;  // at the enforcement point; of enforcementAction: scoped
  bool is_scoped = false;
  Value parameters;  // {} where there are none

  static bool Is(const ObjectView& object);
  // `object` must be of the template's kind. Ids: gate.constraint, gate.constraint.schema.
  static Result<Constraint> Read(const Value& object, const ConstraintTemplate& of,
                                 std::string_view enforcement_point, Arena& arena);
};

// The scopedEnforcementActions of a constraint that hold at a point, by name.
Result<std::vector<std::string>> ScopedActions(const Value& constraint, std::string_view point);

// Whether a label selector would be refused; what Gatekeeper checks of a constraint's match.
Result<> ValidateSelectors(const Value& constraint);

}  // namespace bulwark::admission
