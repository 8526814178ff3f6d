#include "features/posture/rego_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "features/posture/check_set.h"
#include "features/posture/exceptions.h"
#include "features/posture/inspection.h"

namespace bulwark::posture {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kPolicy = R"(package images

# METADATA
# title: Images come from our registry
# description: Others are not scanned.
# custom:
#   severity: critical
#   category: image
#   title_zh: 镜像来自我们的仓库
#   remedy: Push it to registry.example.
deny_registry contains {"msg": msg, "path": path} if {
	some i, c in input.spec.containers
	not startswith(c.image, data.registry)
	msg := sprintf("%s is not ours", [c.image])
	path := sprintf("spec.containers[%d].image", [i])
}

warn contains "no team" if not input.metadata.labels.team

violation_never contains "never" if input.kind == "Nothing"

helper contains "not a check" if true
)";

constexpr std::string_view kPods = R"(apiVersion: v1
kind: Pod
metadata: {name: a, namespace: x, labels: {team: t}}
spec:
  containers:
    - name: one
      image: registry.example/one
    - name: two
      image: docker.io/two
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: x}
spec:
  containers:
    - {name: one, image: registry.example/one}
)";

class RegoChecksTest : public testing::Test {
 protected:
  RegoChecksTest() : dir_(TempDir::Make().value()) {
    Write("registry.json", R"({"registry": "registry.example/"})");
  }
  void Write(const std::string& name, std::string_view text) {
    ASSERT_TRUE(WriteFileAtomic(dir_.File(name), text, 0600));
  }
  Result<Report> Inspect(unsigned threads, const Exceptions* exceptions = nullptr) {
    CheckSet none = CheckSet::BuiltIn(false).value();
    none.Filter([](const Check&) { return false; });
    InspectOptions options;
    options.threads = threads;
    options.check.exceptions = exceptions;
    auto rego = RegoChecks::Load({dir_.path()});
    if (!rego) return std::move(rego).error();
    options.rego = *std::move(rego);
    Inspection inspection(none, options);
    inspection.AddText(std::string(kPods), "pods.yaml");
    return inspection.Finish();
  }
  TempDir dir_;
};

TEST_F(RegoChecksTest, FindingsHaveWhatThePolicySays) {
  Write("p.rego", kPolicy);
  for (unsigned threads : {1U, 4U}) {
    auto report = Inspect(threads);
    ASSERT_TRUE(report) << report.error().ToString();
    ASSERT_EQ(report->findings.size(), 2u);
    Finding image = report->findings[0];
    EXPECT_EQ(image.check, "images.deny_registry");
    EXPECT_EQ(image.severity, Severity::kCritical);
    EXPECT_EQ(image.asset.name, "a");
    FindingView view = report->findings.View(0);
    EXPECT_EQ(view.path, "spec.containers[1].image");
    EXPECT_EQ(view.value, "docker.io/two");
    EXPECT_EQ(view.file, "pods.yaml");
    EXPECT_EQ(view.line, 9u);
    EXPECT_THAT(std::string(view.args), HasSubstr("docker.io/two is not ours"));
    FindingView team = report->findings.View(1);
    EXPECT_EQ(team.check, "images.warn");
    EXPECT_EQ(team.severity, Severity::kMedium);
    // Three checks, two objects: two failures, four passes.
    EXPECT_EQ(report->total.failed, 2u);
    EXPECT_EQ(report->total.passed, 4u);
    EXPECT_EQ(report->by_check["images.violation_never"].passed, 2u);
    EXPECT_EQ(report->by_category["image"].failed, 1u);
    ASSERT_EQ(report->checks.size(), 3u);
    EXPECT_EQ(report->checks[0].title.en, "Images come from our registry");
    EXPECT_EQ(report->checks[0].title.In(Language::kChinese), "镜像来自我们的仓库");
    EXPECT_EQ(report->checks[0].remedy.en, "Push it to registry.example.");
    EXPECT_EQ(report->checks[2].title.en, "images.warn");
  }
}

TEST_F(RegoChecksTest, ExceptionsCoverThem) {
  Write("p.rego", kPolicy);
  auto exceptions = Exceptions::Parse(
      "exceptions:\n  - check: images.*\n    namespace: x\n    reason: known\n    owner: ann\n",
      "e.yaml", 0);
  ASSERT_TRUE(exceptions) << exceptions.error().ToString();
  auto report = Inspect(1, &*exceptions);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->total.failed, 0u);
  EXPECT_EQ(report->total.excused, 2u);
}

TEST_F(RegoChecksTest, ErrorsAreNoPasses) {
  Write("p.rego",
        "package p\ndeny contains \"x\" if f(1) == 2\nf(x) := 1 if x > 0\nf(x) := 2 if x > 0\n");
  auto report = Inspect(1);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->total.errors, 2u);
  EXPECT_EQ(report->total.passed, 0u);
}

TEST_F(RegoChecksTest, APolicyThatDoesNotEndIsStopped) {
  Write("p.rego",
        "package p\ndeny contains \"x\" if count([1 | some i in numbers.range(1, 100000); "
        "some j in numbers.range(1, 100000); i + j == 0]) > 0\n");
  auto report = Inspect(2);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->total.errors, 2u);
}

TEST_F(RegoChecksTest, SaysWhatIsWrongWithPolicies) {
  auto error = [&](std::string_view text) {
    Write("p.rego", text);
    auto loaded = RegoChecks::Load({dir_.path()});
    return loaded ? std::string() : loaded.error().ToString();
  };
  EXPECT_THAT(error("package p\nx if {\n"), HasSubstr("rego_parse_error"));
  EXPECT_THAT(error("package p\ndeny contains x if y\n"), HasSubstr("rego_unsafe_var_error"));
  EXPECT_THAT(error("package p\nallow := true\n"), HasSubstr("no rule deny, violation or warn"));
  EXPECT_THAT(error("package p\n# METADATA\n# custom:\n#   severity: bad\ndeny contains \"x\"\n"),
              HasSubstr("no such severity: bad"));
  EXPECT_FALSE(RegoChecks::Load({dir_.File("none")}));
}

}  // namespace
}  // namespace bulwark::posture
