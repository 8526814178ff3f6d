#include "features/audit/rule_cases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/files.h"

namespace bulwark::audit {
namespace {

using detect::RuleSet;

TEST(DetectionRules, CasesOfOurOwnRules) {
  RuleSet rules;
  auto added = rules.AddFolder(std::string(BULWARK_SOURCE_DIR) + "/rules/detection");
  ASSERT_TRUE(added) << added.error().ToString();
  EXPECT_GE(rules.rules().size(), 20U);
  CaseResults results = RunCases(rules);
  for (const std::string& failure : results.failures) ADD_FAILURE() << failure;
  EXPECT_GT(results.passed, rules.rules().size() * 2);
}

TEST(DetectionRules, BuiltInAreTheSame) {
  RuleSet files;
  ASSERT_TRUE(files.AddFolder(std::string(BULWARK_SOURCE_DIR) + "/rules/detection"));
  auto built_in = RuleSet::BuiltIn();
  ASSERT_TRUE(built_in) << built_in.error().ToString();
  ASSERT_EQ(built_in->rules().size(), files.rules().size());
  for (size_t i = 0; i < files.rules().size(); ++i) {
    EXPECT_EQ(built_in->rules()[i]->id, files.rules()[i]->id);
    EXPECT_EQ(built_in->rules()[i]->condition, files.rules()[i]->condition);
  }
  Catalog catalog;
  built_in->AddTexts(catalog);
  EXPECT_NE(catalog.Find("rule.exec-into-pod"), nullptr);
}

// A runner that finds everything right would be worth nothing.
TEST(DetectionRules, WrongCasesAreFound) {
  RuleSet rules;
  auto added = rules.AddText(R"(
rules:
  - id: a
    severity: low
    title: {en: t, zh: t}
    description: {en: d}
    remedy: {en: r, zh: r}
    source: [audit]
    condition: event.user == 'alice' && event.body.nothing == 1
    cases:
      - {name: one, audit: {verb: get, user: bob, resource: pods}, fires: 1}
      - {name: two, audit: {verb: get, user: alice, resource: pods}, fires: 0}
)",
                             "a.yaml");
  ASSERT_TRUE(added) << added.error().ToString();
  CaseResults results = RunCases(rules);
  EXPECT_EQ(results.passed, 0U);
  EXPECT_THAT(results.failures,
              ::testing::UnorderedElementsAre("a: one: expected 1 matches, got 0 []",
                                              ::testing::HasSubstr("a: two: the condition failed"),
                                              "a: no description in both languages"));
}

}  // namespace
}  // namespace bulwark::audit
