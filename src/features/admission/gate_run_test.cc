#include "features/admission/gate_run.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "features/admission/testing.h"

namespace bulwark::admission {

namespace {

std::string Reviewed(std::string_view text, const GateTestOptions& options = {},
                     const GateFormat& format = {}) {
  Arena arena;
  std::vector<Value> objects = Objects(arena, text);
  auto report = RunGateTest(objects, options);
  if (!report) return "error: " + report.error().message();
  return FormatGateReport(*report, format);
}

TEST(GateRunTest, RegoWithDefaultsOfTheParameters) {
  EXPECT_EQ(Reviewed(fmt::format(
                "{}---\napiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: x}}\n"
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: b, labels: {{owner: me}}}}\n",
                kRequiredLabels)),
            "v1/Pod x/a: [\"labels\"] Message: \"missing: {\\\"owner\\\"}\"\n");
}

TEST(GateRunTest, CelWithVariablesAndMessages) {
  constexpr std::string_view kDeployment =
      "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec: {{replicas: {}}}\n";
  EXPECT_EQ(Reviewed(std::string(kCelReplicas) + fmt::format(kDeployment, 5)),
            "apps/v1/Deployment a: [\"few\"] Message: \"too many: 5\"\n");
  EXPECT_EQ(Reviewed(std::string(kCelReplicas) + fmt::format(kDeployment, 3)), "");
  // warn is no denial.
  EXPECT_EQ(
      Reviewed(std::string(kCelReplicas) + fmt::format(kDeployment, 5), {}, {.deny_only = true}),
      "");
}

TEST(GateRunTest, CelThatFailsDeniesUnlessItIsToBeIgnored) {
  std::string text = std::string(kCelReplicas) +
                     "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {}\n";
  EXPECT_EQ(
      Reviewed(text),
      "apps/v1/Deployment a: [\"few\"] Message: \"expression 'variables.replicas <= "
      "variables.params.max' resulted in error: composited variable \\\"replicas\\\" fails to "
      "evaluate: no such key: replicas\"\n");
  EXPECT_EQ(Reviewed(text, {.fail_by_default = false}), "");
}

constexpr std::string_view kExpansion = R"(
apiVersion: expansion.gatekeeper.sh/v1beta1
kind: ExpansionTemplate
metadata: {name: expand}
spec:
  applyTo: [{groups: [apps], versions: [v1], kinds: [Deployment]}]
  templateSource: spec.template
  enforcementAction: warn
  generatedGVK: {group: "", version: v1, kind: Pod}
---
apiVersion: mutations.gatekeeper.sh/v1
kind: AssignMetadata
metadata: {name: owner}
spec:
  match: {source: Generated, kinds: [{apiGroups: [""], kinds: [Pod]}], namespaces: ["team-*"]}
  location: metadata.labels.owner
  parameters: {assign: {value: me}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: Web, namespace: other}
spec: {template: {metadata: {labels: {app: web}}, spec: {}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: team-a}
spec: {template: {metadata: {labels: {app: api}}, spec: {}}}
)";

TEST(GateRunTest, ExpandsAndMutatesWhatIsGenerated) {
  // One of the two gets its label from the mutator.
  EXPECT_EQ(Reviewed(std::string(kRequiredLabels) + "---" + std::string(kExpansion)),
            "apps/v1/Deployment other/Web: [\"labels\"] Message: \"[Implied by expand] missing: "
            "{\\\"owner\\\"}\"\n");
}

TEST(GateRunTest, ExternalDataWithoutAProviderIsAnError) {
  std::string out = Reviewed(R"(
apiVersion: mutations.gatekeeper.sh/v1
kind: Assign
metadata: {name: external}
spec:
  applyTo: [{groups: [""], versions: [v1], kinds: [Pod]}]
  location: spec.nodeName
  parameters: {assign: {externalData: {provider: nodes}}}
---
apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {nodeName: x}
)");
  EXPECT_EQ(out,
            "error: expanding resource a: error mutating base resource a: failed to resolve "
            "external data placeholders: external data provider nodes is not configured");
}

TEST(GateRunTest, ErrorsOfTheSetUpAreGators) {
  EXPECT_EQ(
      Reviewed("apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: None\nmetadata: {name: a}\n"),
      "error: adding constraint \"a\": missing ConstraintTemplate: template \"none\" not found");
  EXPECT_EQ(Reviewed("kind: Pod\nmetadata: {name: a}\n"),
            "error: adding data of GVK \"/, Kind=Pod\": admission.k8s.gatekeeper.sh: invalid "
            "request object: resource a has no version\n");
  EXPECT_EQ(Reviewed(R"(
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: none}
spec:
  crd: {spec: {names: {kind: None}}}
  targets: [{target: admission.k8s.gatekeeper.sh, rego: "package x\nallow { true }"}]
)"),
            "error: adding template \"none\": invalid ConstraintTemplate: invalid rego: invalid "
            "module: missing required rules: [violation]");
}

TEST(GateRunTest, PrintsAreKept) {
  Arena arena;
  std::vector<Value> objects =
      Objects(arena, std::string(kRequiredLabels) +
                         "---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\n");
  std::string prints;
  auto report = RunGateTest(objects, {.prints = &prints});
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(prints, "missing {\"owner\"}\n");
}

TEST(GateRunTest, DataAsGoWritesIt) {
  std::string text = std::string(kCelReplicas) +
                     "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, labels: "
                     "{\"10\": \"<&>\", \"9\": "
                     "\"yes\"}}\nspec: {replicas: 1000000, text: \"a\\nb\\n\"}\n";
  EXPECT_EQ(Reviewed(text, {}, {.output = "JSON"}), R"([
    {
        "target": "admission.k8s.gatekeeper.sh",
        "msg": "too many: 1000000",
        "constraint": {
            "apiVersion": "constraints.gatekeeper.sh/v1beta1",
            "kind": "Replicas",
            "metadata": {
                "name": "few"
            },
            "spec": {
                "enforcementAction": "warn",
                "match": {
                    "kinds": [
                        {
                            "apiGroups": [
                                "apps"
                            ],
                            "kinds": [
                                "Deployment"
                            ]
                        }
                    ]
                },
                "parameters": {
                    "max": 3
                }
            }
        },
        "enforcementAction": "warn",
        "violatingObject": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "labels": {
                    "10": "\u003c\u0026\u003e",
                    "9": "yes"
                },
                "name": "a"
            },
            "spec": {
                "replicas": 1000000,
                "text": "a\nb\n"
            }
        },
        "trace": null
    }
])");
  EXPECT_EQ(Reviewed(text, {}, {.output = "yaml"}), R"(- result:
    target: admission.k8s.gatekeeper.sh
    msg: 'too many: 1000000'
    metadata: {}
    constraint:
        object:
            apiVersion: constraints.gatekeeper.sh/v1beta1
            kind: Replicas
            metadata:
                name: few
            spec:
                enforcementAction: warn
                match:
                    kinds:
                        - apiGroups:
                            - apps
                          kinds:
                            - Deployment
                parameters:
                    max: 3
    enforcementaction: warn
    scopedenforcementactions: []
  violatingObject:
    apiVersion: apps/v1
    kind: Deployment
    metadata:
        labels:
            "9": "yes"
            "10": <&>
        name: a
    spec:
        replicas: 1e+06
        text: |
            a
            b
  trace: null
)");
  EXPECT_EQ(Reviewed("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", {}, {.output = "json"}),
            "null");
  EXPECT_EQ(Reviewed("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", {}, {.output = "yaml"}),
            "[]\n");
}

}  // namespace

}  // namespace bulwark::admission
