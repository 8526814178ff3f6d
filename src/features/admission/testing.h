#pragma once

// What the tests of this folder share: a template, a constraint, a Pod.

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/value.h"
#include "features/admission/suite.h"

namespace bulwark::admission {

// Documents of YAML.
inline std::vector<Value> Objects(Arena& arena, std::string_view text) {
  Result<std::vector<Value>> read = ReadSuiteObjects(text, arena);
  EXPECT_TRUE(read.has_value()) << (read ? "" : read.error().ToString());
  return read ? *std::move(read) : std::vector<Value>();
}

inline constexpr std::string_view kRequiredLabels = R"(
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: requiredlabels}
spec:
  crd:
    spec:
      names: {kind: RequiredLabels}
      validation:
        openAPIV3Schema:
          type: object
          properties:
            labels: {type: array, items: {type: string}, default: [owner]}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package requiredlabels
      violation[{"msg": msg, "details": {"missing": missing}}] {
        provided := {l | input.review.object.metadata.labels[l]}
        required := {l | l := input.parameters.labels[_]}
        missing := required - provided
        count(missing) > 0
        print("missing", missing)
        msg := sprintf("missing: %v", [missing])
      }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: RequiredLabels
metadata: {name: labels}
spec:
  match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}
  parameters: {}
)";

inline constexpr std::string_view kCelReplicas = R"yaml(
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: replicas}
spec:
  crd:
    spec:
      names: {kind: Replicas}
      validation:
        openAPIV3Schema: {type: object, properties: {max: {type: integer}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    code:
    - engine: K8sNativeValidation
      source:
        variables:
        - {name: replicas, expression: "variables.anyObject.spec.replicas"}
        validations:
        - expression: "variables.replicas <= variables.params.max"
          messageExpression: "'too many: ' + string(variables.replicas)"
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Replicas
metadata: {name: few}
spec:
  enforcementAction: warn
  match: {kinds: [{apiGroups: ["apps"], kinds: [Deployment]}]}
  parameters: {max: 3}
)yaml";

}  // namespace bulwark::admission
