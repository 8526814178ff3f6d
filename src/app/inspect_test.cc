// bulwark inspect and bulwark checks as a user runs them: every option, exit code and format.

#include <gmock/gmock.h>

#include "app/testing.h"
#include "formats/json.h"

namespace bulwark::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// One high finding (privileged-container, line 13), and others; a comment that fixes must keep.
constexpr std::string_view kWeb = R"(apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          securityContext: {privileged: true}  # since the migration
          image: ghcr.io/acme/web:1.2
)";

constexpr std::string_view kOwnCheck = R"(checks:
  - id: acme-team
    severity: critical
    category: health
    title: {en: No team, zh: 没有团队}
    description: {en: The object names its team., zh: 对象注明团队。}
    why: {en: Nobody answers., zh: 无人负责。}
    remedy: {en: Add the label team., zh: 添加 team 标签。}
    message: {en: 'nobody answers for it', zh: '无人负责'}
    scope: object
    kinds: [Deployment]
    fail: object.metadata.?labels.?team.orValue('') == ''
    at: metadata.labels.team
    cases:
      - name: without
        object: {apiVersion: apps/v1, kind: Deployment, metadata: {name: a}}
        fails: [metadata.labels.team]
      - name: with
        object: {apiVersion: apps/v1, kind: Deployment, metadata: {name: a, labels: {team: b}}}
        fails: []
)";

class InspectTest : public testing::Test {
 protected:
  void SetUp() override { folder_.Write("k8s/web.yaml", kWeb); }

  // `bulwark inspect LINE`
  Ran Inspect(std::string_view line, const World& world = {}) {
    std::vector<std::string> args = ShellWords(line);
    args.insert(args.begin(), "inspect");
    return Bulwark(args, world);
  }

  // Checks of the findings of a JSON report, in its order; excepted ones in brackets.
  std::vector<std::string> Checks(const Ran& ran) {
    std::vector<std::string> out;
    auto root = ParseJson(ran.out, arena_);
    EXPECT_TRUE(root.has_value()) << ran.out << ran.err;
    if (!root) return out;
    for (const Value& f : (*root)["findings"].items()) {
      std::string id(f.StringAt("check"));
      out.push_back(f["excepted"].IsNull() ? id : "(" + id + ")");
    }
    return out;
  }

  // Before the folder becomes the working directory.
  std::string examples_ = std::filesystem::absolute(BULWARK_SOURCE_DIR "/examples/").string();
  Folder folder_;
  Arena arena_;
};

TEST_F(InspectTest, ExitCodes) {
  struct Case {
    std::string line;
    int code;
  };
  folder_.Write("k8s/broken.yaml", "kind: Pod\nmetadata: [\n");
  folder_.Write("broken/only.yaml", "kind: Pod\nmetadata: [\n");
  folder_.Write("empty/readme.txt", "nothing");
  for (const Case& c : std::vector<Case>{
           {"k8s", kFindings},
           {"k8s --fail-on high", kFindings},
           {"k8s --fail-on critical", kClean},
           {"k8s --fail-on never", kClean},
           {"k8s --only run-as-root-allowed", kClean},  // medium: below the default, high
           {"k8s --only run-as-root-allowed --fail-on medium", kFindings},
           {"k8s --only run-as-root-allowed --fail-on info", kFindings},
           {"k8s --fail-on never --strict", kUsage},  // broken.yaml
           {"broken", kUsage},
           {"broken --fail-on never", kUsage},
           {"missing.yaml", kUsage},
           {"k8s missing.yaml --fail-on never", kClean},  // the rest was inspected
           {"k8s missing.yaml --fail-on never --strict", kUsage},
           {"empty", kClean},
       }) {
    Ran ran = Inspect(c.line);
    EXPECT_EQ(ran.code, c.code) << c.line << "\n" << ran.err;
    EXPECT_THAT(ran.err, IsEmpty()) << c.line;
  }
}

TEST_F(InspectTest, WhatCouldNotBeReadIsNamedWithItsLine) {
  folder_.Write("k8s/broken.yaml", "kind: Pod\nmetadata: [\n");
  Ran ran = Inspect("k8s missing.yaml");
  EXPECT_THAT(ran.out, AllOf(HasSubstr("k8s/broken.yaml"), HasSubstr("line "),
                             HasSubstr("missing.yaml: no such file or folder"),
                             HasSubstr("2 could not be read")));
}

TEST_F(InspectTest, OptionsThatAreWrong) {
  folder_.Write("params.yaml", "privileged-container: {nonsense: 1}");
  folder_.Write("list.yaml", "[1]");
  folder_.Write("bad-exceptions.yaml", "exceptions:\n  - chek: a\n");
  folder_.Write("bad-checks/a.yaml", "checks:\n  - id: a\n    severty: high\n");
  struct Case {
    std::string line, says;
  };
  for (const Case& c : std::vector<Case>{
           {"", "nothing to inspect"},
           {"k8s --format xml", "no such format: xml"},
           {"k8s --fail-on urgent", "no such severity: urgent; there are critical, high"},
           {"k8s --min-severity urgent", "no such severity: urgent"},
           {"k8s --category sicurity", "there are health, image, network"},
           {"k8s --framework sox", "no such framework: sox; there are ack, cis-1.12"},
           {"k8s --only nothing-like-it", "no check matches nothing-like-it"},
           {"k8s --skip nothing-like-it", "no check matches nothing-like-it"},
           {"k8s --kubernetes new", "not a version such as 1.31: new"},
           {"k8s --language fr", "en or zh, not fr"},
           {"k8s --template Db", "expected KIND.GROUP=path"},
           {"k8s --template Db.example.com=", "expected KIND.GROUP=path"},
           {"k8s --params missing.yaml", "missing.yaml"},
           {"k8s --params params.yaml", "nonsense"},
           {"k8s --params list.yaml", "list.yaml: expected a map"},
           {"k8s --params k8s/web.yaml", "params: there is no check \"apiVersion\""},
           {"k8s --exceptions missing.yaml", "missing.yaml"},
           {"k8s --exceptions bad-exceptions.yaml", "did you mean \"check\"?"},
           {"k8s --baseline missing.json", "missing.json"},
           {"k8s --baseline k8s/web.yaml", "--baseline k8s/web.yaml"},
           {"k8s --checks missing", "missing"},
           {"k8s --checks bad-checks", "bad-checks/a.yaml:"},
           {"k8s --output missing/report.json", "missing/report.json"},
           {"k8s --fix=all", "--fix takes diff or write, not all"},
           {"- --fix", "standard input and clusters have none"},
           {"k8s --fix -o json", "leave out --format"},
           {"k8s --fix=write --output x", "--output is for --fix=diff"},
           {"k8s --cluster", "--cluster and paths exclude each other"},
           {"--cluster --kubeconfig missing.yaml", "missing.yaml"},
       }) {
    Ran ran = Inspect(c.line);
    EXPECT_EQ(ran.code, kUsage) << c.line;
    EXPECT_THAT(ran.out, IsEmpty()) << c.line;
    EXPECT_THAT(ran.err, AllOf(StartsWith("bulwark: "), HasSubstr(c.says))) << c.line;
  }
  EXPECT_EQ(folder_.Read("k8s/web.yaml"), kWeb);
}

TEST_F(InspectTest, EachFormatOnStandardOutputAndInAFile) {
  struct Case {
    std::string format, starts, holds;
  };
  for (const Case& c : std::vector<Case>{
           {"table", "Deployment shop/web  k8s/web.yaml:1", "container web runs privileged"},
           {"json", "{", "\"privileged-container\""},
           {"sarif", "{", "\"2.1.0\""},
           {"junit", "<?xml", "privileged-container"},
           {"html", "<!", "</html>"},
           {"markdown", "#", "privileged-container"},
           {"md", "#", "privileged-container"},
           {"csv", "severity,status,check,", "high,fail,privileged-container,"},
       }) {
    Ran ran = Inspect("k8s --format " + c.format);
    EXPECT_EQ(ran.code, kFindings) << c.format;
    EXPECT_THAT(ran.out, AllOf(StartsWith(c.starts), HasSubstr(c.holds))) << c.format;
    EXPECT_THAT(ran.err, IsEmpty()) << c.format;
    Ran filed = Inspect("k8s -o " + c.format + " --output out." + c.format);
    EXPECT_EQ(filed.code, kFindings);
    EXPECT_THAT(filed.out, IsEmpty());
    EXPECT_EQ(folder_.Read("out." + c.format), ran.out) << c.format;
  }
  // One line, whatever is in it, makes SARIF and JSON invalid.
  for (std::string format : {"json", "sarif"}) {
    EXPECT_TRUE(ParseJson(Inspect("k8s -o " + format).out, arena_).has_value()) << format;
  }
}

TEST_F(InspectTest, TheSameBytesWithAnyNumberOfThreads) {
  for (int i = 0; i < 40; ++i) {
    folder_.Write("k8s/more" + std::to_string(i) + ".yaml",
                  ReplaceAll(kWeb, "name: web", "name: web" + std::to_string(i)));
  }
  std::string one = Inspect("k8s --threads 1 -o json").out;
  EXPECT_EQ(Inspect("k8s --threads 4 -o json").out, one);
  EXPECT_EQ(Inspect("k8s -o json").out, one);
}

TEST_F(InspectTest, StandardInput) {
  Ran ran = Inspect("- --only privileged-container", {.input = std::string(kWeb)});
  EXPECT_EQ(ran.code, kFindings);
  EXPECT_THAT(ran.out, AllOf(HasSubstr("-:13:41"), Not(HasSubstr("fixable"))));
  ran = Inspect("-", {.input = "not: an object\n"});
  EXPECT_EQ(ran.code, kUsage);
  EXPECT_THAT(ran.out, HasSubstr("could not be read"));
}

TEST_F(InspectTest, NamesAreThoseThatGitKnows) {
  for (std::string path : {".", "./k8s", "k8s/", "./k8s/web.yaml"}) {
    Ran ran = Inspect(path + " --only privileged-container -o csv");
    EXPECT_THAT(ran.out, HasSubstr(",k8s/web.yaml,13,41,")) << path;
  }
}

TEST_F(InspectTest, ChoosingChecks) {
  using List = std::vector<std::string>;
  EXPECT_EQ(Checks(Inspect("k8s --only privileged-container -o json")),
            List{"privileged-container"});
  EXPECT_EQ(Checks(Inspect("--only 'privileged-*' -o json k8s")), List{"privileged-container"});
  EXPECT_EQ(Checks(Inspect("k8s --only privileged-container --only run-as-root-allowed -o json")),
            (List{"privileged-container", "run-as-root-allowed"}));
  EXPECT_EQ(Checks(Inspect("k8s --only 'privilege*' --skip privileged-container -o json")),
            List{"privilege-escalation-allowed"});
  List all = Checks(Inspect("k8s -o json")),
       high = Checks(Inspect("k8s --min-severity high -o json"));
  EXPECT_GT(all.size(), high.size());
  EXPECT_THAT(high, testing::Contains("privileged-container"));
  EXPECT_THAT(high, Not(testing::Contains("run-as-root-allowed")));
  List health = Checks(Inspect("k8s --category health -o json"));
  EXPECT_THAT(health, testing::Contains("readiness-probe-missing"));
  EXPECT_THAT(health, Not(testing::Contains("privileged-container")));
  EXPECT_GT(Checks(Inspect("k8s --category health --category security -o json")).size(),
            health.size());
  List baseline = Checks(Inspect("k8s --framework pss-baseline -o json"));
  EXPECT_EQ(baseline, List{"privileged-container"});
  EXPECT_THAT(Inspect("k8s --framework pss-baseline").out,
              HasSubstr("✗ privileged-containers  Privileged containers"));
}

TEST_F(InspectTest, TheTargetVersionDecides) {
  folder_.Write(
      "old.yaml",
      "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\n"
      "metadata: {name: a, namespace: shop}\nspec: {selector: {matchLabels: {app: a}}}\n");
  EXPECT_EQ(Inspect("old.yaml --only api-removed --kubernetes 1.24").code, kClean);
  EXPECT_EQ(Inspect("old.yaml --only api-removed --kubernetes 1.25").code, kFindings);
  EXPECT_EQ(Inspect("old.yaml --only api-removed --kubernetes v1.30.2").code, kFindings);
}

TEST_F(InspectTest, Params) {
  EXPECT_EQ(Inspect("k8s --only image-registry-untrusted --fail-on low").code, kClean);
  folder_.Write("params.yaml",
                "image-registry-untrusted: {trustedRegistries: [registry.example.com]}\n");
  Ran ran = Inspect("k8s --only image-registry-untrusted --fail-on low --params params.yaml");
  EXPECT_EQ(ran.code, kFindings);
  EXPECT_THAT(ran.out, HasSubstr("of container web comes from an"));
}

TEST_F(InspectTest, ChecksOfOnesOwn) {
  folder_.Write("checks/team.yaml", kOwnCheck);
  Ran ran = Inspect("k8s --checks checks --only acme-team");
  EXPECT_EQ(ran.code, kFindings);
  EXPECT_THAT(ran.out, HasSubstr("nobody answers for it"));
  // Beside the built-in ones, and from a file as well.
  EXPECT_THAT(Inspect("--checks checks/team.yaml k8s").out,
              AllOf(HasSubstr("nobody answers for it"), HasSubstr("runs privileged")));
}

TEST_F(InspectTest, Exceptions) {
  folder_.Write("exceptions.yaml", R"(exceptions:
  - {check: privileged-*, name: web, reason: "the driver needs it", owner: team-a, expires: 2026-06-30}
  - {check: host-pid, reason: none left, owner: team-b}
)");
  Ran ran = Inspect("k8s --only 'privileged-*' --only host-pid --exceptions exceptions.yaml");
  EXPECT_EQ(ran.code, kClean);
  EXPECT_THAT(ran.out,
              AllOf(Not(HasSubstr("runs privileged")), HasSubstr("1 excepted"),
                    HasSubstr("exceptions.yaml:3: the exception for host-pid matches nothing")));
  ran = Inspect("k8s --only privileged-container --exceptions exceptions.yaml --show-excepted");
  EXPECT_THAT(ran.out, AllOf(HasSubstr("runs privileged"), HasSubstr("the driver needs it")));
  // A month later it has expired.
  World later;
  later.now += std::chrono::hours(24 * 31);
  ran = Inspect("k8s --only privileged-container --exceptions exceptions.yaml", later);
  EXPECT_EQ(ran.code, kFindings);
  EXPECT_THAT(ran.out, HasSubstr("expired on 2026-06-30"));
}

TEST_F(InspectTest, AnObjectExceptsItselfOnlyWhereItMay) {
  folder_.Write("k8s/web.yaml",
                ReplaceAll(kWeb, "  namespace: shop\n",
                           "  namespace: shop\n  annotations:\n"
                           "    except.bulwark.io/privileged-container: the driver; owner=me\n"));
  EXPECT_EQ(Inspect("k8s --only privileged-container").code, kFindings);
  folder_.Write("allow.yaml", "annotations: {allow: [privileged-*], namespaces: [shop]}\n");
  EXPECT_EQ(Inspect("k8s --only privileged-container --exceptions allow.yaml").code, kClean);
  folder_.Write("allow.yaml", "annotations: {allow: [privileged-*], namespaces: [dev-*]}\n");
  EXPECT_EQ(Inspect("k8s --only privileged-container --exceptions allow.yaml").code, kFindings);
}

TEST_F(InspectTest, OnlyWhatIsNewBesideABaseline) {
  EXPECT_EQ(Inspect("k8s -o json --output base.json").code, kFindings);
  Ran ran = Inspect("k8s --baseline base.json");
  EXPECT_EQ(ran.code, kClean) << ran.err;
  folder_.Write("k8s/other.yaml",
                ReplaceAll(kWeb, "name: web\n  namespace", "name: other\n  namespace"));
  ran = Inspect("k8s --baseline base.json -o csv --only privileged-container");
  EXPECT_EQ(ran.code, kFindings);
  std::vector<std::string_view> lines = SplitLines(ran.out);
  ASSERT_EQ(lines.size(), 3u) << ran.out;
  EXPECT_THAT(std::string(lines[1]), AllOf(HasSubstr(",other,"), HasSubstr(",yes,yes,")));
  EXPECT_THAT(std::string(lines[2]), AllOf(HasSubstr(",web,"), HasSubstr(",yes,no,")));
}

TEST_F(InspectTest, ADiffThatPatchTakesAndThatClosesWhatItSays) {
  if (!HasProgram("patch")) GTEST_SKIP() << "there is no patch";
  Ran before = Inspect("k8s --only 'privilege*' --only 'writable-root-*' --fix=diff");
  EXPECT_EQ(before.code, kFindings);
  EXPECT_THAT(before.out, StartsWith("--- a/k8s/web.yaml\n+++ b/k8s/web.yaml\n@@ "));
  EXPECT_EQ(before.err, "3 of 3 findings can be fixed in 1 file\n");
  EXPECT_EQ(folder_.Read("k8s/web.yaml"), kWeb) << "--fix=diff changes nothing";
  // --fix alone is --fix=diff, and takes no path; --output takes the patch.
  EXPECT_EQ(Inspect("--only 'privilege*' --only 'writable-root-*' --fix k8s").out, before.out);
  Ran filed = Inspect("k8s --only 'privilege*' --only 'writable-root-*' --fix --output fix.patch");
  EXPECT_THAT(filed.out, IsEmpty());
  EXPECT_EQ(folder_.Read("fix.patch"), before.out);

  auto patched = RunProcess({"patch", "-p1", "-i", "fix.patch"});
  ASSERT_TRUE(patched.has_value()) << patched.error().ToString();
  ASSERT_EQ(patched->exit_code, 0) << patched->out << patched->err;
  EXPECT_THAT(folder_.Read("k8s/web.yaml"), HasSubstr("# since the migration"));
  Ran after = Inspect("k8s --only 'privilege*' --only 'writable-root-*' --fail-on info");
  EXPECT_EQ(after.code, kClean) << after.out;
}

TEST_F(InspectTest, ThePatchOfTheExamplesApplies) {
  if (!HasProgram("patch")) GTEST_SKIP() << "there is no patch";
  std::filesystem::remove_all("k8s");
  for (std::string name : {"storefront.yaml", "legacy.yaml", "backup.yaml", "cart-zh.yaml"}) {
    std::filesystem::copy_file(examples_ + name, name);
  }
  Ran fix = Inspect(". --fix=diff --output fix.patch");
  auto patched = RunProcess({"patch", "-p1", "-i", "fix.patch"});
  ASSERT_TRUE(patched.has_value());
  ASSERT_EQ(patched->exit_code, 0) << patched->out;
  Ran again = Inspect(". --fix=diff");
  EXPECT_EQ(again.out, "") << "nothing is left to be fixed";
  EXPECT_THAT(again.err, StartsWith("0 of "));
}

TEST_F(InspectTest, WritingFixes) {
  Ran ran = Inspect("k8s --only privileged-container --fix=write");
  EXPECT_EQ(ran.code, kClean) << "what was fixed is no finding any more";
  EXPECT_EQ(ran.err, "1 of 1 findings fixed in 1 file\n");
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_EQ(folder_.Read("k8s/web.yaml"),
            ReplaceAll(kWeb, "{privileged: true}  #", "{privileged: false}  #"));
}

TEST_F(InspectTest, FixesTellOfWhatTheyCouldNotRead) {
  folder_.Write("k8s/broken.yaml", "kind: Pod\nmetadata: [\n");
  Ran ran = Inspect("k8s --only privileged-container --fix");
  EXPECT_THAT(ran.err, HasSubstr("bulwark: could not be read: k8s/broken.yaml"));
}

TEST_F(InspectTest, PodTemplatesOfCustomResources) {
  folder_.Write("db.yaml", R"(apiVersion: example.com/v1
kind: Db
metadata: {name: d, namespace: shop}
spec:
  server:
    podTemplate:
      spec: {containers: [{name: db, image: x, securityContext: {privileged: true}}]}
)");
  EXPECT_EQ(Inspect("db.yaml --only privileged-container").code, kClean);
  EXPECT_EQ(Inspect("db.yaml --only privileged-container --template "
                    "Db.example.com=spec.server.podTemplate")
                .code,
            kFindings);
  EXPECT_EQ(
      Inspect("--template Db=spec.server.podTemplate --only privileged-container db.yaml").code,
      kFindings);
}

TEST_F(InspectTest, Language) {
  EXPECT_THAT(Inspect("k8s --language zh").out, HasSubstr("特权模式"));
  EXPECT_THAT(Inspect("k8s", {.language = Language::kChinese}).out, HasSubstr("特权模式"));
  EXPECT_THAT(Inspect("k8s --language en", {.language = Language::kChinese}).out,
              HasSubstr("container web runs privileged"));
}

TEST_F(InspectTest, AllShowsWhatRepeats) {
  for (int i = 0; i < 30; ++i) {
    folder_.Write("k8s/more" + std::to_string(i) + ".yaml",
                  ReplaceAll(kWeb, "name: web\n  namespace",
                             "name: web" + std::to_string(i) + "\n  namespace"));
  }
  Ran some = Inspect("k8s"), all = Inspect("k8s --all");
  EXPECT_GT(SplitLines(all.out).size(), 2 * SplitLines(some.out).size());
  EXPECT_THAT(all.out, HasSubstr("k8s/more29.yaml:13:41"));
}

TEST_F(InspectTest, Kustomize) {
  std::string kubectl = Tool("kubectl", "KUBECTL");
  if (kubectl.empty()) GTEST_SKIP() << "no kubectl: set KUBECTL, or run tests/cluster/build.sh";
  folder_.Write("k8s/kustomization.yaml", "namePrefix: prod-\nresources: [web.yaml]\n");
  World world{.variables = {{"KUBECTL", kubectl}}};
  Ran ran = Inspect("k8s --only privileged-container", world);
  EXPECT_EQ(ran.code, kFindings) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("Deployment shop/prod-web  k8s (kustomize):"),
                             Not(HasSubstr("--fix=diff"))));
  folder_.Write("k8s/kustomization.yaml", "resources: [missing.yaml]\n");
  ran = Inspect("k8s", world);
  EXPECT_EQ(ran.code, kUsage);
  EXPECT_THAT(ran.out, HasSubstr("missing.yaml"));
}

TEST_F(InspectTest, Helm) {
  std::string helm = Tool("helm", "HELM");
  if (helm.empty()) GTEST_SKIP() << "no helm: set HELM, or run tests/cluster/build.sh";
  folder_.Write("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n");
  folder_.Write("chart/values.yaml", "privileged: false\n");
  folder_.Write("prod.yaml", "privileged: true\n");
  folder_.Write("chart/templates/web.yaml",
                ReplaceAll(kWeb, "privileged: true", "privileged: {{ .Values.privileged }}"));
  World world{.variables = {{"HELM", helm}}};
  EXPECT_EQ(Inspect("chart --only privileged-container", world).code, kClean);
  Ran ran = Inspect("--helm-values prod.yaml chart --only privileged-container", world);
  EXPECT_EQ(ran.code, kFindings) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("Deployment shop/web  chart (helm):"));
  // A chart somewhere below a folder, beside plain files.
  folder_.Write("all/web.yaml", kWeb);
  std::filesystem::rename("chart", "all/chart");
  ran = Inspect("all --only privileged-container -o csv --fail-on never", world);
  EXPECT_EQ(SplitLines(ran.out).size(), 2u) << ran.out;
}

TEST_F(InspectTest, WithoutTheProgramThatRenders) {
  folder_.Write("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n");
  Ran ran = Inspect("chart", {.variables = {{"HELM", "no-such-helm"}}});
  EXPECT_EQ(ran.code, kUsage);
  EXPECT_THAT(ran.out, HasSubstr("install helm"));
}

class ChecksTest : public InspectTest {};

TEST_F(ChecksTest, List) {
  Ran ran = Bulwark({"checks", "list"});
  EXPECT_EQ(ran.code, kClean);
  EXPECT_THAT(ran.out, AllOf(HasSubstr("privileged-container"), HasSubstr(" checks, ")));
  EXPECT_GE(SplitLines(ran.out).size(), 121u);
  Ran narrowed = Bulwark({"checks", "list", "--category", "image", "--min-severity", "medium"});
  for (std::string_view line : SplitLines(narrowed.out)) {
    EXPECT_TRUE(line.find(" checks, ") != line.npos || line.find(" image ") != line.npos) << line;
    EXPECT_FALSE(line.starts_with("low") || line.starts_with("info")) << line;
  }
  EXPECT_THAT(Bulwark({"checks", "list"}, {.language = Language::kChinese}).out,
              HasSubstr("特权容器"));
  EXPECT_EQ(Bulwark({"checks", "list", "--format", "csv"}).code, kUsage);
}

TEST_F(ChecksTest, ListAsJson) {
  Ran ran = Bulwark({"checks", "list", "--format", "json", "--only", "privileged-container"});
  auto root = ParseJson(ran.out, arena_);
  ASSERT_TRUE(root.has_value()) << ran.out;
  ASSERT_EQ((*root)["checks"].size(), 1u);
  Value check = (*root)["checks"].items()[0];
  EXPECT_EQ(check.StringAt("id"), "privileged-container");
  EXPECT_EQ(check.StringAt("severity"), "high");
  EXPECT_EQ(check["title"].StringAt("zh"), "特权容器");
  EXPECT_TRUE(check["fix"] == Value::Bool(true));
}

TEST_F(ChecksTest, Show) {
  Ran ran = Bulwark({"checks", "show", "privileged-container"});
  EXPECT_EQ(ran.code, kClean);
  EXPECT_THAT(ran.out, AllOf(HasSubstr("Severity: high"), HasSubstr("Why: "), HasSubstr("Remedy: "),
                             HasSubstr("cis-1.12: 5.2.2"), HasSubstr("Fails when (CEL)")));
  EXPECT_THAT(
      Bulwark({"checks", "show", "privileged-container"}, {.language = Language::kChinese}).out,
      HasSubstr("严重程度: high"));
  ran = Bulwark({"checks", "show", "priviliged-container"});
  EXPECT_EQ(ran.code, kUsage);
  EXPECT_THAT(ran.err, HasSubstr("did you mean privileged-container?"));
  folder_.Write("checks/team.yaml", kOwnCheck);
  EXPECT_THAT(Bulwark({"checks", "show", "acme-team", "--checks", "checks"}).out,
              HasSubstr("Add the label team."));
}

TEST_F(ChecksTest, TestsOfOnesOwn) {
  folder_.Write("checks/team.yaml", kOwnCheck);
  Ran ran = Bulwark({"checks", "test", "--checks", "checks", "--only", "acme-*"});
  EXPECT_EQ(ran.code, kClean) << ran.out << ran.err;
  EXPECT_EQ(ran.out, "1 check, 2 cases: 2 passed, 0 failed\n");
  folder_.Write("checks/team.yaml", ReplaceAll(kOwnCheck, "fails: []", "fails: [metadata.name]"));
  ran = Bulwark({"checks", "test", "--checks", "checks", "--only", "acme-*"});
  EXPECT_EQ(ran.code, kFindings);
  EXPECT_THAT(ran.out, AllOf(HasSubstr("FAIL acme-team"), HasSubstr("got []")));
}

TEST_F(ChecksTest, TestsOfTheBuiltIn) {
  Ran ran = Bulwark({"checks", "test"});
  EXPECT_EQ(ran.code, kClean) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr(" 0 failed\n"));
}

TEST_F(InspectTest, ChecksInRegoJoinTheReport) {
  folder_.Write("policies/p.rego", R"(package acme

# METADATA
# title: Images come from our registry
# custom:
#   severity: critical
#   title_zh: 镜像来自我们的仓库
deny contains {"msg": msg, "path": "spec.template.spec.containers[0].image"} if {
	image := input.spec.template.spec.containers[0].image
	not startswith(image, "registry.acme.example/")
	msg := sprintf("%s is not from our registry", [image])
}
)");
  Ran ran = Inspect("k8s --rego policies --format json --fail-on critical");
  EXPECT_EQ(ran.code, kFindings) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("acme.deny"));
  EXPECT_THAT(ran.out, HasSubstr("ghcr.io/acme/web:1.2 is not from our registry"));
  EXPECT_THAT(ran.out, HasSubstr("privileged-container"));
  Ran chinese = Inspect("k8s --rego policies --language zh --format html");
  EXPECT_THAT(chinese.out, HasSubstr("镜像来自我们的仓库"));
  Ran wrong = Inspect("k8s --rego none");
  EXPECT_EQ(wrong.code, kUsage);
  EXPECT_THAT(wrong.err, HasSubstr("stat none: no such file or directory"));
}

}  // namespace
}  // namespace bulwark::test
