#include "features/posture/inspection.h"

#include <gmock/gmock.h>

#include "features/posture/testing.h"
#include "formats/json.h"

namespace bulwark::posture {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kPod = R"(# 容器
apiVersion: v1
kind: Pod
metadata: {name: 甲, namespace: shop}
spec:
  containers:
    - name: a
      image: x
      securityContext:
        privileged: true
    - {name: 乙, image: x, securityContext: {privileged: true}}
)";

TEST(Inspection, PointsAtTheValueInBytes) {
  CheckSet checks = ChecksFrom(kPrivileged);
  Report report = Inspect(checks, kPod);
  EXPECT_THAT(Lines(report),
              ElementsAre("privileged spec.containers[0].securityContext.privileged 10:21",
                          "privileged spec.containers[1].securityContext.privileged 11:59"));
  Finding f = report.findings[0];
  EXPECT_EQ(f.asset.Label(), "Pod shop/甲");
  EXPECT_EQ(f.evidence.container, "a");
  EXPECT_EQ(f.evidence.value, "true");
  EXPECT_EQ(MessageOf(report.checks[0], f, Language::kEnglish), "container a is privileged: true");
  EXPECT_EQ(report.total.failed, 2U);
  EXPECT_EQ(report.total.passed, 0U);
  EXPECT_EQ(report.by_namespace["shop"].failed, 2U);
  EXPECT_EQ(report.by_category["security"].failed, 2U);
}

TEST(Inspection, KeepsItsIdsWhenContainersAreAddedInFront) {
  CheckSet checks = ChecksFrom(kPrivileged);
  std::string text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [";
  std::string one = "{name: a, securityContext: {privileged: true}}]}";
  Report before = Inspect(checks, text + one);
  Report after = Inspect(checks, text + "{name: new}, " + one);
  ASSERT_EQ(before.findings.size(), 1U);
  ASSERT_EQ(after.findings.size(), 1U);
  EXPECT_NE(before.findings[0].evidence.path, after.findings[0].evidence.path);
  EXPECT_EQ(before.findings[0].id, after.findings[0].id);
}

TEST(Inspection, ReadsListsJsonAndJsonLines) {
  CheckSet checks = ChecksFrom(kPrivileged);
  std::string pod =
      R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"a","securityContext":{"privileged":true}}]}})";
  EXPECT_EQ(Inspect(checks, pod).findings.size(), 1U);
  EXPECT_EQ(Inspect(checks, pod + "\n" + pod + "\n").objects, 2U);
  EXPECT_EQ(
      Inspect(checks, R"({"apiVersion":"v1","kind":"List","items":[)" + pod + "," + pod + "]}")
          .objects,
      2U);
  EXPECT_EQ(
      Inspect(checks, R"({"apiVersion":"v1","kind":"PodList","items":[)" + pod + "]}").objects, 1U);
  EXPECT_EQ(Inspect(checks, "{apiVersion: v1, kind: Pod, metadata: {name: flow}}").objects, 1U);
}

TEST(Inspection, JudgesAWorkloadOnce) {
  CheckSet checks = ChecksFrom(kPrivileged);
  auto object = [](const char* api, const char* kind, const char* name, const char* owner,
                   const char* spec) {
    std::string text = std::string("---\napiVersion: ") + api + "\nkind: " + kind +
                       "\nmetadata:\n  name: " + name + "\n";
    if (*owner != 0)
      text += std::string("  ownerReferences: [{controller: true, ") + owner + "}]\n";
    return text + "spec: " + spec + "\n";
  };
  const char* bad = "{containers: [{name: a, securityContext: {privileged: true}}]}";
  const char* bad_template =
      "{template: {spec: {containers: [{name: a, securityContext: {privileged: true}}]}}}";
  std::string pod = object("v1", "Pod", "web-1-x", "kind: ReplicaSet, name: web-1", bad);
  std::string set =
      object("apps/v1", "ReplicaSet", "web-1", "kind: Deployment, name: web", bad_template);
  std::string deployment = object("apps/v1", "Deployment", "web", "", bad_template);
  for (const std::string& order :
       {pod + set + deployment, deployment + set + pod, set + deployment + pod}) {
    Report report = Inspect(checks, order);
    ASSERT_EQ(report.findings.size(), 1U);
    EXPECT_EQ(report.findings[0].asset.kind, "Deployment");
  }
  EXPECT_EQ(Inspect(checks, pod + set).findings[0].asset.kind, "ReplicaSet");
  EXPECT_EQ(Inspect(checks, pod).findings[0].asset.kind, "Pod");
}

TEST(Inspection, NamesWhatItCannotReadAndGoesOn) {
  CheckSet checks = ChecksFrom(kPrivileged);
  Report report =
      Inspect(checks, std::string(kPod) +
                          "---\na: [1, 2\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: ok}\n"
                          "---\njust: text\n---\n- 1\n---\nscalar\n---\n\n---\n# nothing\n---\n"
                          "apiVersion: v1\nkind: Pod\nmetadata: [1]\n");
  EXPECT_EQ(report.findings.size(), 2U);
  EXPECT_EQ(report.objects, 2U);
  std::vector<std::string> errors;
  for (const Unread& u : report.unread)
    errors.push_back(std::to_string(u.place.line) + " " + u.error);
  ASSERT_EQ(errors.size(), 5U) << testing::PrintToString(errors);
  EXPECT_THAT(errors[1], testing::HasSubstr("no apiVersion and kind"));
  EXPECT_THAT(errors[4], testing::HasSubstr("metadata must be a map"));
}

TEST(Inspection, AFolderMayHoldOtherYaml) {
  CheckSet checks = ChecksFrom(kPrivileged);
  Inspection inspection(checks, {});
  inspection.AddText("just: text\n", "values.yaml", /*lenient=*/true);
  inspection.AddText(kPod, "pod.yaml", /*lenient=*/true);
  Report report = inspection.Finish();
  EXPECT_THAT(report.unread, IsEmpty());
  EXPECT_EQ(inspection.skipped(), 1U);
  EXPECT_EQ(report.objects, 1U);
}

TEST(Inspection, AnErrorOfEvaluationIsNoPass) {
  CheckSet checks = ChecksFrom(kPrivileged);
  Report report =
      Inspect(checks,
              "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: "
              "[{name: a, securityContext: {privileged: 'yes'}}, {name: b, securityContext: 3}]}");
  EXPECT_EQ(report.total.errors + report.total.passed + report.total.failed, 2U);
  EXPECT_GE(report.total.errors, 1U);
  EXPECT_EQ(report.findings[0].status, Status::kError);
}

TEST(Inspection, NullIsAbsent) {
  Report report = Inspect(
      BuiltInChecks(),
      "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  labels:\n  annotations:\nspec:\n"
      "  volumes:\n  securityContext:\n  initContainers: null\n  containers:\n  - name: a\n"
      "    image: x\n    env:\n    ports:\n    args: ~\n    resources:\n    securityContext:\n");
  EXPECT_EQ(report.total.errors, 0U) << testing::PrintToString(Lines(report));
}

constexpr std::string_view kRelated = R"yaml(
checks:
  - id: no-policy
    severity: medium
    category: network
    title: t
    description: d
    remedy: r
    scope: object
    kinds: [Namespace]
    needs: [NetworkPolicy, Workload]
    fail: peers.NetworkPolicy.size() == 0 && peers.Workload.size() > 0
    at: metadata.name
  - id: unselected
    severity: medium
    category: network
    title: t
    description: d
    remedy: r
    scope: pod
    needs: [NetworkPolicy]
    complete: true
    fail: "!peers.NetworkPolicy.exists(p, selects(p.spec.podSelector, podMeta.labels))"
)yaml";

TEST(Inspection, ComparesObjectsWhateverTheirOrder) {
  CheckSet checks = ChecksFrom(kRelated);
  std::vector<std::string> documents = {
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: blog}\n",
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop, labels: {app: a}}\nspec: "
      "{containers: []}\n",
      "apiVersion: v1\nkind: Pod\nmetadata: {name: b, namespace: blog, labels: {app: b}}\nspec:\n  "
      "containers: []\n",
      "apiVersion: v1\nkind: Pod\nmetadata: {name: c, namespace: unknown}\nspec: {containers: "
      "[]}\n",
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: n, namespace: "
      "shop}\nspec: {podSelector: {matchLabels: {app: a}}}\n",
  };
  std::sort(documents.begin(), documents.end());
  do {
    std::string text;
    for (const std::string& d : documents) text += "---\n" + d;
    Report report = Inspect(checks, text, {.threads = 2});
    std::vector<std::string> got;
    for (const Finding& f : report.findings) got.push_back(f.check + " " + f.asset.Label());
    // `unselected` asks for complete input: namespace "unknown" is not there.
    EXPECT_THAT(got, ElementsAre("no-policy Namespace blog", "unselected Pod blog/b"));
  } while (std::next_permutation(documents.begin(), documents.begin() + 4));
}

TEST(Inspection, GivesTheSameWithAnyNumberOfThreads) {
  std::string text;
  for (int i = 0; i < 400; ++i) {
    text += "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p" + std::to_string(i) +
            "}\nspec: {hostNetwork: true, containers: [{name: a, image: nginx}]}\n";
  }
  std::vector<std::string> one = Lines(Inspect(BuiltInChecks(), text, {.threads = 1}));
  EXPECT_GT(one.size(), 400U);
  EXPECT_EQ(Lines(Inspect(BuiltInChecks(), text, {.threads = 4})), one);
}

TEST(Inspection, BuiltInChecksAreWhatIsPromised) {
  auto set = CheckSet::BuiltIn(/*with_cases=*/true);
  ASSERT_TRUE(set.has_value()) << set.error().ToString();
  EXPECT_THAT(set->CompileAll(), IsEmpty());
  EXPECT_GE(set->checks().size(), 120U);
  size_t fixes = 0;
  for (const Check& c : set->checks()) {
    fixes += c.info.has_fix;
    EXPECT_FALSE(c.info.title.zh.empty()) << c.info.id;
    EXPECT_FALSE(c.info.remedy.zh.empty()) << c.info.id;
    EXPECT_FALSE(c.info.why.en.empty()) << c.info.id;
    for (const auto& [framework, controls] : c.info.controls) {
      if (framework == "mitre") continue;
      auto f = std::find_if(set->frameworks().begin(), set->frameworks().end(),
                            [&](const Framework& other) { return other.id == framework; });
      ASSERT_NE(f, set->frameworks().end()) << c.info.id << " names framework " << framework;
      for (const std::string& control : controls) {
        EXPECT_NE(f->Find(control), nullptr)
            << c.info.id << " names " << framework << " " << control;
      }
    }
  }
  EXPECT_GE(fixes, 60U);
}

}  // namespace
}  // namespace bulwark::posture
