#include "features/posture/live.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "features/posture/inspection.h"

namespace bulwark::posture {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kChecks = R"(
checks:
  - id: privileged
    severity: high
    category: security
    title: {en: Privileged, zh: 特权}
    description: {en: d, zh: d}
    why: {en: w, zh: w}
    remedy: {en: r, zh: r}
    message: {en: "{container} is privileged", zh: "{container} 是特权"}
    scope: container
    fail: container.?securityContext.privileged.orValue(false) == true
    at: securityContext.privileged
  - id: latest
    severity: low
    category: image
    title: {en: Latest, zh: 最新}
    description: {en: d, zh: d}
    why: {en: w, zh: w}
    remedy: {en: r, zh: r}
    message: {en: "{value}", zh: "{value}"}
    scope: container
    fail: container.image.endsWith(':latest')
    at: image
)";

std::string Deployment(std::string_view name, std::string_view image, bool privileged,
                       std::string_view annotations = "{}") {
  return fmt::format(
      R"({{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"{}","namespace":"prod",)"
      R"("labels":{{"app":"{}"}},"annotations":{}}},"spec":{{"template":{{"spec":{{"containers":)"
      R"([{{"name":"c","image":"{}","securityContext":{{"privileged":{}}}}}]}}}}}}}})",
      name, name, annotations, image, privileged);
}

class Told : public LiveListener {
 public:
  void OnFinding(FindingChange change, const Finding& f, const Facts& facts) override {
    static constexpr std::string_view kNames[] = {"opened", "excepted", "changed", "excused",
                                                  "closed"};
    std::string_view name = kNames[static_cast<size_t>(change)];
    if (change == FindingChange::kExcused && !f.excused) name = "unexcused";
    lines.push_back(fmt::format("{} {} {}", name, f.check, f.asset.name));
    if (change != FindingChange::kClosed) label = facts.labels.StringAt("app");
  }
  void OnJudged(const Asset& asset, const Facts&, const Tally& tally) override {
    scores[asset.name] = tally;
  }
  void OnGone(const Asset& asset) override { scores.erase(asset.name); }
  void OnOrphan(const std::string& key) override { lines.push_back("orphan " + key); }
  std::vector<std::string> Take() {
    auto taken = std::exchange(lines, {});
    std::sort(taken.begin(), taken.end());
    return taken;
  }

  std::vector<std::string> lines;
  std::map<std::string, Tally> scores;
  std::string label;
};

class LiveInspectionTest : public ::testing::Test {
 protected:
  LiveInspectionTest() : checks_(CheckSet::Empty()) {
    auto added = checks_.AddText(kChecks, "test");
    EXPECT_TRUE(added) << added.error().ToString();
    live_ = std::make_unique<LiveInspection>(
        checks_, LiveOptions{.check = {.cluster = "c1"}, .settle = std::chrono::seconds(0)}, told_);
  }
  void Put(const std::string& name, const std::string& text) {
    auto put = live_->Put("apps/Deployment/prod/" + name, text);
    ASSERT_TRUE(put) << put.error().ToString();
  }

  CheckSet checks_;
  Told told_;
  std::unique_ptr<LiveInspection> live_;
};

TEST_F(LiveInspectionTest, FindingsOpenChangeAndClose) {
  Put("web", Deployment("web", "nginx:latest", true));
  EXPECT_THAT(told_.Take(), ElementsAre("opened latest web", "opened privileged web"));
  EXPECT_EQ(told_.label, "web");
  EXPECT_EQ(told_.scores["web"].failed, 2);

  Put("web", Deployment("web", "nginx:latest", true));
  EXPECT_THAT(told_.Take(), IsEmpty());
  Put("web", Deployment("web", "httpd:latest", false));
  EXPECT_THAT(told_.Take(), ElementsAre("changed latest web", "closed privileged web"));
  EXPECT_EQ(told_.scores["web"].failed, 1);
  EXPECT_EQ(told_.scores["web"].passed, 1);

  live_->Delete("apps/Deployment/prod/web");
  EXPECT_THAT(told_.Take(), ElementsAre("closed latest web"));
  EXPECT_TRUE(told_.scores.empty());
  EXPECT_EQ(live_->Summarise().total.total(), 0);
}

TEST_F(LiveInspectionTest, ExceptionsComeAndGoWithoutTheObjectBeingToldAgain) {
  Put("web", Deployment("web", "nginx:latest", true));
  Put("db", Deployment("db", "pg:latest", false));
  told_.Take();
  EXPECT_EQ(live_->Summarise().total.failed, 3);

  Exceptions exceptions;
  exceptions.Add({.check = "latest", .name = "web", .image = "nginx*", .excused = {.id = "e1"}});
  live_->SetExceptions(exceptions);
  EXPECT_THAT(told_.Take(), ElementsAre("excused latest web"));
  EXPECT_EQ(told_.scores["web"].excused, 1);
  EXPECT_EQ(live_->Summarise().total.failed, 2);
  EXPECT_EQ(live_->Summarise().total.excused, 1);

  // Judged again, it is what it was.
  Put("web", Deployment("web", "nginx:latest", true));
  EXPECT_THAT(told_.Take(), IsEmpty());
  // Another exception takes its place.
  Exceptions other;
  other.Add({.check = "latest", .name = "web", .image = "nginx*", .excused = {.id = "e2"}});
  live_->SetExceptions(std::move(other));
  EXPECT_THAT(told_.Take(), ElementsAre("excused latest web"));
  EXPECT_EQ(told_.scores["web"].excused, 1);
  // Another image is not excepted.
  Put("web", Deployment("web", "httpd:latest", true));
  EXPECT_THAT(told_.Take(), ElementsAre("changed privileged web", "opened latest web"));
  live_->SetExceptions({});
  EXPECT_THAT(told_.Take(), IsEmpty());
}

TEST_F(LiveInspectionTest, LabelsThatChangeAreTold) {
  std::string text = Deployment("web", "nginx:latest", false);
  Put("web", text);
  told_.Take();
  size_t at = text.find(R"("app":"web")");
  Put("web", text.replace(at, 11, R"("app":"shop")"));
  EXPECT_THAT(told_.Take(), ElementsAre("changed latest web"));
  EXPECT_EQ(told_.label, "shop");
}

TEST_F(LiveInspectionTest, AnObjectExceptsItselfWhereThatIsAllowed) {
  std::string text = Deployment("web", "nginx:latest", false,
                                R"({"except.bulwark.io/latest":"pinned by the mirror"})");
  Put("web", text);
  EXPECT_THAT(told_.Take(), ElementsAre("opened latest web"));
  Exceptions exceptions;
  exceptions.AllowAnnotations({"latest"}, {}, 0);
  live_->SetExceptions(exceptions);
  EXPECT_THAT(told_.Take(), ElementsAre("excused latest web"));
}

TEST_F(LiveInspectionTest, WhatAnOwnerStandsForIsNotJudgedBesideIt) {
  std::string pod =
      R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-1","namespace":"prod",)"
      R"("ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"web","controller":true}]},)"
      R"("spec":{"containers":[{"name":"c","image":"nginx:latest"}]}})";
  ASSERT_TRUE(live_->Put("/Pod/prod/web-1", pod));
  EXPECT_THAT(told_.Take(), IsEmpty()) << "its owner may come";
  Put("web", Deployment("web", "nginx:latest", false));
  live_->Settle();
  EXPECT_THAT(told_.Take(), ElementsAre("opened latest web"));

  // Without its owner it stands for itself.
  live_->Delete("apps/Deployment/prod/web");
  EXPECT_THAT(told_.Take(), ElementsAre("closed latest web"));
  live_->Settle();
  EXPECT_THAT(told_.Take(), ElementsAre("orphan /Pod/prod/web-1"));
  live_->Settle();
  EXPECT_THAT(told_.Take(), IsEmpty()) << "told once";
  ASSERT_TRUE(live_->Put("/Pod/prod/web-1", pod));
  live_->Settle();
  EXPECT_THAT(told_.Take(), ElementsAre("opened latest web-1"));
  Put("web", Deployment("web", "nginx:latest", false));
  live_->Settle();
  EXPECT_THAT(told_.Take(), ElementsAre("closed latest web-1", "opened latest web"));
  // What goes with its owner is no orphan.
  live_->Delete("apps/Deployment/prod/web");
  live_->Delete("/Pod/prod/web-1");
  live_->Settle();
  EXPECT_THAT(told_.Take(), ElementsAre("closed latest web"));
}

TEST_F(LiveInspectionTest, BadInputIsAnErrorAndChangesNothing) {
  EXPECT_FALSE(live_->Put("a", "{"));
  EXPECT_FALSE(live_->Put("a", "[]"));
  EXPECT_TRUE(live_->Put("a", R"({"kind":7,"metadata":"x","spec":[]})"));
  live_->Settle();
  EXPECT_THAT(told_.Take(), IsEmpty());
}

// With everything that is built in, the same objects come out as one inspection of them would.
TEST(LiveInspection, AgreesWithAnInspectionOfTheSameObjects) {
  CheckSet checks = std::move(CheckSet::BuiltIn()).value();
  std::vector<std::string> objects = {
      Deployment("web", "nginx:latest", true), Deployment("db", "pg:16", false),
      R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"prod"}})",
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"prod"},)"
      R"("spec":{"type":"NodePort","selector":{"app":"web"},"ports":[{"port":80}]}})",
      R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":)"
      R"({"name":"b"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole",)"
      R"("name":"cluster-admin"},"subjects":[{"kind":"Group","name":"system:authenticated"}]})"};
  InspectOptions options;
  options.check.cluster = "c1";
  options.whole_cluster = true;
  Inspection inspection(checks, options);
  for (const std::string& text : objects) inspection.AddText(text, "");
  Report report = inspection.Finish();
  auto line = [](const Finding& f) {
    return fmt::format("{} {} {}", f.check, f.asset.Label(), f.evidence.path);
  };
  std::set<std::string> expected;
  for (const Finding& f : report.findings) expected.insert(line(f));
  ASSERT_GT(expected.size(), 20);

  struct Ids : LiveListener {
    void OnFinding(FindingChange change, const Finding& f, const Facts&) override {
      if (change == FindingChange::kClosed) {
        open.erase(f.id);
      } else {
        open.emplace(f.id, fmt::format("{} {} {}", f.check, f.asset.Label(), f.evidence.path));
      }
    }
    void OnJudged(const Asset&, const Facts&, const Tally&) override {}
    void OnGone(const Asset&) override {}
    std::map<std::string, std::string> open;
  } told;
  LiveInspection live(checks, {.check = options.check}, told);
  for (size_t i = 0; i < objects.size(); ++i) {
    ASSERT_TRUE(live.Put(std::to_string(i), objects[i]));
    live.Settle();  // after each: what comes later must make up for it
  }
  std::set<std::string> open;
  for (const auto& [id, text] : told.open) open.insert(text);
  EXPECT_THAT(open, ::testing::ContainerEq(expected));
  LiveSummary summary = live.Summarise();
  EXPECT_EQ(summary.total.failed, report.total.failed);
  EXPECT_EQ(summary.total.passed, report.total.passed);
  EXPECT_EQ(summary.total.Score(), report.total.Score());
}

}  // namespace
}  // namespace bulwark::posture
