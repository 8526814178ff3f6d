#include "features/posture/fix.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "base/files.h"
#include "features/posture/testing.h"

namespace bulwark::posture {
namespace {

using testing::HasSubstr;

constexpr const char* kFile = R"(# the shop
apiVersion: v1
kind: Pod
metadata:
  name: p   # 名称
spec:
  containers:
  - name: a
    image: x
    securityContext:
      privileged: true   # why?
  - {name: b, image: x, securityContext: {privileged: true}}
---
apiVersion: v1
kind: Pod
metadata: {name: fine}
spec: {containers: [{name: a}]}
)";

struct Fixed {
  Report report;
  std::string file;
};

Fixed FixFile(const CheckSet& checks, const TempDir& dir, const std::string& text) {
  Fixed out{.file = dir.File("pod.yaml")};
  EXPECT_TRUE(WriteFileAtomic(out.file, text).has_value());
  Inspection inspection(checks, {});
  inspection.AddText(text, out.file);
  out.report = inspection.Finish();
  EXPECT_TRUE(AddFixes(checks, {}, out.report).has_value());
  return out;
}

TEST(Fix, ChangesTheLinesThatItMustAndNoOthers) {
  auto dir = TempDir::Make();
  ASSERT_TRUE(dir.has_value());
  Fixed fixed = FixFile(ChecksFrom(kPrivileged), *dir, kFile);
  ASSERT_EQ(fixed.report.fixes.size(), 1U);
  const FileFix& fix = fixed.report.fixes[0];
  std::string want = kFile;
  want.replace(want.find("privileged: true   # why?"), 16, "privileged: false");
  want.replace(want.find("{privileged: true}"), 18, "{privileged: false}");
  EXPECT_EQ(fix.fixed, want);
  EXPECT_EQ(fix.findings.size(), 2U);
  EXPECT_THAT(fix.diff, HasSubstr("-      privileged: true   # why?\n"));
  EXPECT_THAT(fix.diff, HasSubstr("+      privileged: false   # why?\n"));
  EXPECT_FALSE(fix.replacements.empty());
  for (const FileFix::Replacement& r : fix.replacements) {
    EXPECT_TRUE(r.begin_line == 11 || r.begin_line == 12) << r.begin_line;
  }
  ASSERT_TRUE(WriteFix(fix).has_value());
  EXPECT_EQ(*ReadFile(fixed.file), want);
  Report again = Inspect(ChecksFrom(kPrivileged), want);
  EXPECT_EQ(again.total.failed, 0U);
}

TEST(Fix, DoesNotOverwriteAFileThatHasChanged) {
  auto dir = TempDir::Make();
  ASSERT_TRUE(dir.has_value());
  Fixed fixed = FixFile(ChecksFrom(kPrivileged), *dir, kFile);
  ASSERT_TRUE(WriteFileAtomic(fixed.file, "changed: true\n").has_value());
  auto written = WriteFix(fixed.report.fixes.at(0));
  ASSERT_FALSE(written.has_value());
  EXPECT_THAT(written.error().ToString(), HasSubstr("has changed"));
  EXPECT_EQ(*ReadFile(fixed.file), "changed: true\n");
}

TEST(Fix, IsNotOfferedWhereItDoesNotHelpOrOpensAnother) {
  auto dir = TempDir::Make();
  ASSERT_TRUE(dir.has_value());
  constexpr std::string_view kUseless = R"yaml(
checks:
  - {id: useless, severity: low, category: security, title: t, description: d, remedy: r, scope: container, fail: 'true', fix: [{set: x, to: 1}]}
)yaml";
  EXPECT_TRUE(FixFile(ChecksFrom(kUseless), *dir, kFile).report.fixes.empty());
  constexpr std::string_view kOpens = R"yaml(
checks:
  - {id: one, severity: low, category: security, title: t, description: d, remedy: r, scope: container, fail: '!has(container.x)', fix: [{set: x, to: 1}]}
  - {id: two, severity: low, category: security, title: t, description: d, remedy: r, scope: container, fail: 'has(container.x)'}
)yaml";
  EXPECT_TRUE(FixFile(ChecksFrom(kOpens), *dir, kFile).report.fixes.empty());
}

TEST(Fix, OfEveryBuiltInCheckOnARealManifest) {
  auto dir = TempDir::Make();
  ASSERT_TRUE(dir.has_value());
  std::string text =
      "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  "
      "selector:\n"
      "    matchLabels: {app: web}\n  template:\n    metadata:\n      labels: {app: web}\n    "
      "spec:\n      hostPID: true\n"
      "      containers:\n        # the only one\n        - name: web\n          image: "
      "registry.example.com/web:1.0.0\n"
      "          securityContext:\n            privileged: true\n            capabilities:\n       "
      "       add: [NET_ADMIN, SYS_TIME]\n";
  Fixed fixed = FixFile(BuiltInChecks(), *dir, text);
  ASSERT_EQ(fixed.report.fixes.size(), 1U);
  EXPECT_GT(fixed.report.fixes[0].findings.size(), 5U);
  EXPECT_THAT(fixed.report.fixes[0].fixed, HasSubstr("# the only one"));
  Report again = Inspect(BuiltInChecks(), fixed.report.fixes[0].fixed);
  EXPECT_EQ(again.total.failed + fixed.report.fixes[0].findings.size(), fixed.report.total.failed);
  // What was fixed stays fixed: a second round has nothing to do.
  EXPECT_TRUE(FixFile(BuiltInChecks(), *dir, fixed.report.fixes[0].fixed).report.fixes.empty());
}

TEST(Fix, NamesFilesInPatchesSoThatTheyAreFound) {
  std::string here = std::filesystem::current_path().string();
  EXPECT_EQ(NameInPatch("k8s/web.yaml"), "k8s/web.yaml");
  EXPECT_EQ(NameInPatch("./k8s/../web.yaml"), "web.yaml");
  EXPECT_EQ(NameInPatch("../web.yaml"), "../web.yaml");
  EXPECT_EQ(NameInPatch(here + "/k8s/web.yaml"), "k8s/web.yaml");
  EXPECT_EQ(NameInPatch("/no-such-folder/web.yaml"), "no-such-folder/web.yaml");
  EXPECT_EQ(NameInPatch("//no-such-folder//web.yaml"), "no-such-folder/web.yaml");
}

}  // namespace
}  // namespace bulwark::posture
