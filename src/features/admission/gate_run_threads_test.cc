// Many reviews at once give what one after the other gives.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "features/admission/gate_run.h"
#include "features/admission/testing.h"

namespace bulwark::admission {

namespace {

TEST(GateRunThreadsTest, TheReportDoesNotDependOnThreads) {
  std::string text = fmt::format("{}---{}", kRequiredLabels, kCelReplicas);
  text += R"(---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: uniquehost}
spec:
  crd: {spec: {names: {kind: UniqueHost}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package uniquehost
      violation[{"msg": msg}] {
        other := data.inventory.namespace[_][_]["Pod"][name]
        name != input.review.object.metadata.name
        other.metadata.labels.host == input.review.object.metadata.labels.host
        msg := sprintf("host is taken by %v", [name])
      }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: UniqueHost
metadata: {name: hosts}
)";
  for (int i = 0; i < 200; ++i) {
    text += fmt::format(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{0}, namespace: n{1}, labels: {{host: "
        "h{2}}}}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d{0}}}\n"
        "spec: {{replicas: {3}}}\n",
        i, i % 3, i / 2, i % 6);
  }
  Arena arena;
  std::vector<Value> objects = Objects(arena, text);
  auto one = RunGateTest(objects, {.threads = 1});
  auto many = RunGateTest(objects, {.threads = 8});
  ASSERT_TRUE(one.has_value() && many.has_value());
  std::string text_of_one = FormatGateReport(*one, {.output = "json"});
  EXPECT_EQ(text_of_one, FormatGateReport(*many, {.output = "json"}));
  // Every Pod lacks its label and shares its host with another; a third of the Deployments is
  // large.
  EXPECT_EQ(one->results.size(), 200U + 200U + 66U);
}

}  // namespace

}  // namespace bulwark::admission
