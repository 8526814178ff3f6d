#include <gtest/gtest.h>

#include <set>

#include "model/catalog.h"
#include "model/finding.h"
#include "model/report.h"

namespace bulwark {
namespace {

TEST(Severity, ReadsTheWordsOfOthers) {
  for (int i = 0; i < kSeverities; ++i) {
    auto severity = static_cast<Severity>(i);
    EXPECT_EQ(ParseSeverity(SeverityName(severity)), severity);
  }
  EXPECT_EQ(ParseSeverity("Emergency"), Severity::kCritical);
  EXPECT_EQ(ParseSeverity("IMPORTANT"), Severity::kHigh);
  EXPECT_EQ(ParseSeverity("moderate"), Severity::kMedium);
  EXPECT_EQ(ParseSeverity("hgih"), std::nullopt);
  EXPECT_GT(Severity::kCritical, Severity::kHigh);
}

TEST(Text, RendersArgumentsAndLeavesTheRest) {
  EXPECT_EQ(Render("container {c} uses {what}{", {{"c", "web"}}), "container web uses {what}{");
  EXPECT_EQ(Render("{a}{a}", {{"a", "{a}"}}), "{a}{a}");
  EXPECT_EQ((Text{"x", ""}.In(Language::kChinese)), "x");
  EXPECT_EQ((Text{"x", "甲"}.In(ParseLanguage("zh_CN.UTF-8"))), "甲");
}

TEST(FindingId, DependsOnEachPartAndOnNothingElse) {
  Asset a{.group = "apps", .version = "v1", .kind = "Deployment", .ns = "shop", .name = "web"};
  Asset newer = a;
  newer.version = "v2";
  EXPECT_EQ(a.Key(), newer.Key());
  EXPECT_EQ(a.Key(), "/apps/Deployment/shop/web");
  EXPECT_EQ(FindingId("c", a.Key(), "p"), FindingId("c", newer.Key(), "p"));
  EXPECT_NE(FindingId("c", a.Key(), "p"), FindingId("c", a.Key(), "q"));
  EXPECT_NE(FindingId("c", a.Key(), "p"), FindingId("d", a.Key(), "p"));
  EXPECT_EQ(FindingId("c", "k", "p").size(), 32U);
}

TEST(Tally, ScoresByWeightAndNeverRoundsUpToPerfect) {
  Tally t;
  EXPECT_EQ(t.Score(), 100);
  t.Add(Severity::kCritical, Status::kFail, false);
  t.Add(Severity::kCritical, Status::kPass, false);
  EXPECT_EQ(t.Score(), 50);
  EXPECT_EQ(t.PassedPercent(), 50);
  t.Add(Severity::kCritical, Status::kPass, false, 100000);
  EXPECT_EQ(t.Score(), 99);
  Tally excused;
  excused.Add(Severity::kHigh, Status::kFail, true);
  EXPECT_EQ(excused.Score(), 100);
  EXPECT_EQ(excused.failed, 0U);
  excused.Add(Severity::kLow, Status::kNotApplicable, false);
  EXPECT_EQ(excused.total(), 1U);
  excused.Merge(t);
  EXPECT_EQ(excused.total(), t.total() + 1);
}

Finding Make(std::string name, std::string check, Severity severity) {
  return {.check = std::move(check),
          .severity = severity,
          .asset = {.group = "apps",
                    .version = "v1",
                    .kind = "Deployment",
                    .ns = "n",
                    .name = std::move(name)},
          .evidence = {.path = "spec.x[0]", .value = "true", .place = {"a.yaml", 3, 4, 3, 8}},
          .args = {{"who", "me"}, {"empty", ""}}};
}

TEST(Findings, GivesBackWhatWasPutIn) {
  Findings all;
  Finding f = Make("web", "c1", Severity::kHigh);
  f.excused = Excused{.reason = "because", .owner = "team"};
  all.Add(f, "spec.x[web]");
  Finding out = all[0];
  EXPECT_EQ(out.check, "c1");
  EXPECT_EQ(out.asset, f.asset);
  EXPECT_EQ(out.evidence.place.ToString(), "a.yaml:3:4");
  EXPECT_EQ(out.args, f.args);
  EXPECT_EQ(out.excused->owner, "team");
  EXPECT_EQ(out.id, FindingId("c1", f.asset.Key(), "spec.x[web]"));
}

TEST(Findings, SortsMergedOnesTheSameWhateverTheOrder) {
  auto a = [] {
    Findings out;
    out.Add(Make("web", "c1", Severity::kLow), "p");
    out.Add(Make("api", "c2", Severity::kLow), "p");
    return out;
  };
  auto b = [] {
    Findings out;
    Finding excused = Make("web", "c2", Severity::kCritical);
    excused.excused = Excused{.reason = "r"};
    out.Add(excused, "p");
    out.Add(Make("api", "c1", Severity::kLow), "p");
    return out;
  };
  Findings ab, ba;
  ab.Merge(a()), ab.Merge(b()), ab.Sort();
  ba.Merge(b()), ba.Merge(a()), ba.Sort();
  std::vector<std::string> order;
  for (Finding f : ab) order.push_back(f.asset.name + " " + f.check);
  EXPECT_EQ(order, (std::vector<std::string>{"api c1", "api c2", "web c2", "web c1"}));
  for (size_t i = 0; i < ab.size(); ++i) EXPECT_EQ(ab[i].id, ba[i].id);
  EXPECT_EQ(ab[2].excused->reason, "r");
  ab.Filter([](const Finding& f) { return f.asset.name == "web"; });
  EXPECT_EQ(ab.size(), 2U);
}

TEST(Findings, AreFilledOnAfterAMerge) {
  Findings all, other;
  all.Add(Make("web", "c1", Severity::kLow), "p");
  other.Add(Make("api", "c1", Severity::kHigh), "q");
  all.Merge(std::move(other));
  for (int i = 0; i < 2000; ++i) {
    all.Add(Make("api", "c" + std::to_string(i), Severity::kMedium), "r" + std::to_string(i));
  }
  all.Sort();
  ASSERT_EQ(all.size(), 2002U);
  EXPECT_EQ(all[0].asset.name + all[0].check, "apic1");
  EXPECT_EQ(all[2001].asset.name, "web");
  std::set<std::string> ids;
  for (Finding f : all) ids.insert(f.id);
  EXPECT_EQ(ids.size(), 2002U);
}

TEST(Catalog, ErrorsSayTheirReasonInTheSameLanguage) {
  Catalog catalog;
  catalog.Add("outer", {"{object}: {why}", "对象 {object}：{why}"});
  catalog.Add("inner", {"{message}", "缺少字段 {field}"});
  Error inner(Code::kInvalid, "inner", "the field cron is missing", {{"field", "cron"}});
  std::vector<Error::Arg> args = {{"object", "Schedule a"}};
  AddWhy(args, inner);
  Error outer(Code::kInvalid, "outer", "Schedule a: the field cron is missing", args);
  EXPECT_EQ(catalog.Message(outer, Language::kChinese), "对象 Schedule a：缺少字段 cron");
  EXPECT_EQ(catalog.Message(outer, Language::kEnglish), "Schedule a: the field cron is missing");
  // A reason that nobody translated is said as it is.
  args = {{"object", "b"}};
  AddWhy(args, Error(Code::kInvalid, "other", "no luck"));
  EXPECT_EQ(catalog.Message(Error(Code::kInvalid, "outer", "m", args), Language::kChinese),
            "对象 b：no luck");
  EXPECT_EQ(catalog.Message(Error(Code::kInvalid, "none", "as it is"), Language::kChinese),
            "as it is");
}

}  // namespace
}  // namespace bulwark
