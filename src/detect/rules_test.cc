#include "detect/rules.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "detect/rules_engine.h"

namespace bulwark::detect {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kTexts =
    "severity: high\n    title: {en: t, zh: 题}\n    description: {en: d, zh: 述}\n    remedy: "
    "{en: r, zh: 治}\n    source: [audit]\n";

std::string Yaml(std::string_view id, std::string_view rest) {
  return fmt::format("rules:\n  - id: {}\n    {}    {}\n", id, kTexts, rest);
}

RuleEngine EngineOf(const std::string& yaml, EngineLimits limits = {}) {
  auto set = std::make_shared<RuleSet>();
  auto added = set->AddText(yaml, "test.yaml");
  EXPECT_TRUE(added) << added.error().ToString();
  return RuleEngine(set, limits);
}

Event At(int64_t seconds, std::string user = "alice", std::string name = "x") {
  Event e;
  e.id = fmt::format("{}-{}-{}", seconds, user, name);
  e.time_us = (1'700'000'000 + seconds) * 1'000'000;
  e.kind = "audit";
  e.verb = "get";
  e.cluster = "c1";
  e.user = std::move(user);
  e.resource = "secrets";
  e.target.ns = "prod";
  e.target.name = std::move(name);
  e.outcome = "allowed";
  return e;
}

std::vector<Match> Feed(RuleEngine& engine, const std::vector<Event>& events) {
  std::vector<Match> out;
  for (const Event& e : events) engine.Evaluate(e, out);
  return out;
}

TEST(EventRules, MistakesAreNamedWithTheirLine) {
  struct Case {
    std::string rest, message;
  };
  const Case kCases[] = {
      {"conditon: 'true'", "unknown key \"conditon\"; did you mean \"condition\"?"},
      {"condition: event.usr == 'a'", "undefined field 'usr'"},
      {"condition: event.user", "condition must be a bool, not string"},
      {"condition: event.user ==", "Syntax error"},
      {"group: [usr]", "did you mean \"user\"?"},
      {"threshold: {within: 5m}", "threshold.count must be 1 to 1000"},
      {"threshold: {count: 5}", "within is missing"},
      {"threshold: {count: 5, within: soon}", "within must be a duration"},
      {"threshold: {count: 5, within: 48h}", "threshold.within must be 1s to 24h"},
      {"threshold: {count: 5, within: 5m, share: {of: 'true', over: 2}}", "share.over"},
      {"firstTime: {learn: 1h}", "firstTime.of is missing"},
      {"silence: {after: 5m}\n    condition: 'true'", "silence stands alone"},
      {"exceptions: [{name: a}]", "when is missing"},
      {"enabled: maybe", "enabled must be true or false"},
      {"mitre: [1]", "mitre must be a list of strings"},
  };
  for (const Case& c : kCases) {
    RuleSet set;
    auto added = set.AddText(Yaml("a", c.rest), "dir/a.yaml");
    ASSERT_FALSE(added) << c.rest;
    EXPECT_EQ(added.error().id(), "rules.invalid") << c.rest;
    EXPECT_THAT(added.error().message(), HasSubstr(c.message)) << c.rest;
    EXPECT_THAT(added.error().message(), HasSubstr("dir/a.yaml:2")) << c.rest;
  }
  RuleSet set;
  EXPECT_THAT(set.AddText("checks: []", "x").error().message(), HasSubstr("no list of rules"));
  EXPECT_THAT(set.AddText("rules: [5]", "x").error().message(), HasSubstr("must be a map"));
  EXPECT_THAT(set.AddText(Yaml("A b", ""), "x").error().message(), HasSubstr("id must be"));
  EXPECT_TRUE(set.AddText(Yaml("a", ""), "x"));
  EXPECT_THAT(set.AddText(Yaml("a", ""), "x").error().message(), HasSubstr("is there already"));
  EXPECT_TRUE(set.AddText(Yaml("a", "condition: 'false'"), "mine.yaml"));  // replaces it
  EXPECT_EQ(set.Find("a")->condition, "false");
  RuleSet small({.max_rules = 1});
  EXPECT_TRUE(small.AddText(Yaml("a", ""), "x"));
  EXPECT_EQ(small.AddText(Yaml("b", ""), "x").error().id(), "rules.limit");
}

TEST(EventRules, FieldsOfEvents) {
  const char* kHold[] = {
      "event.user == 'alice'",
      "event.time == timestamp('2023-11-14T22:13:20Z')",
      "event.args['what'] == 'Secret prod/x' && event.args[?'none'].orValue('-') == '-'",
      "event.body.verb == 'get' && !has(event.body.nothing)",
      "event.object.kind == 'Pod' && event.podSpec.hostPID",
      "!event.system && has(event.user) && !has(event.node)",
      "event.ns == 'prod' && event.name == 'x' && event.resource == 'secrets'",
      "event.severity == 'high' && event.targetKind == '' && event.cluster == 'c1'",
  };
  Event e = At(0);
  e.severity = Severity::kHigh;
  e.args = {{"what", "Secret prod/x"}};
  e.body = R"({"verb":"get","requestObject":{"kind":"Pod","spec":{"hostPID":true}}})";
  for (const char* condition : kHold) {
    RuleEngine engine = EngineOf(Yaml("a", fmt::format("condition: \"{}\"", condition)));
    EXPECT_THAT(Feed(engine, {e}), SizeIs(1)) << condition;
  }
  // A condition that fails is none, and is counted.
  RuleEngine engine = EngineOf(Yaml("a", "condition: event.body.nothing == 1"));
  EXPECT_THAT(Feed(engine, {e, At(1)}), IsEmpty());
  RuleSet set;
  ASSERT_TRUE(set.AddText(Yaml("a", ""), "x"));
  EXPECT_EQ(engine.CountsOf(*set.Find("a")).errors, 2U);
  EXPECT_THAT(engine.CountsOf(*set.Find("a")).last_error, HasSubstr("nothing"));
}

TEST(RuleEngine, PicksByWhatEventsAre) {
  RuleEngine engine =
      EngineOf(Yaml("a", "verbs: [get, list]\n    resources: [secrets]\n    outcomes: [allowed]"));
  std::vector<Event> events(6, At(0));
  events[1].verb = "delete";
  events[2].resource = "pods";
  events[3].outcome = "denied";
  events[4].kind = "kubernetes";
  events[5].verb = "list";
  EXPECT_THAT(Feed(engine, events), SizeIs(2));
}

TEST(RuleEngine, ThresholdsCountWithinTheirTime) {
  RuleEngine engine = EngineOf(Yaml("a", "group: [user]\n    threshold: {count: 3, within: 1m}"));
  EXPECT_THAT(Feed(engine, {At(0), At(30), At(80)}), IsEmpty());
  auto third = Feed(engine, {At(85)});
  ASSERT_THAT(third, SizeIs(1));
  EXPECT_EQ(third[0].count, 3U);
  EXPECT_EQ(third[0].group, "alice");
  EXPECT_EQ(third[0].events.size(), 4U);
  EXPECT_EQ(third[0].first_us, At(30).time_us);
  // Each further one adds itself.
  auto more = Feed(engine, {At(86), At(87)});
  ASSERT_THAT(more, SizeIs(2));
  EXPECT_EQ(more[0].count, 1U);
  EXPECT_THAT(Feed(engine, {At(86, "bob")}), IsEmpty());
  // After silence, all over again.
  EXPECT_THAT(Feed(engine, {At(500), At(501)}), IsEmpty());
  EXPECT_EQ(Feed(engine, {At(502)})[0].count, 3U);
}

TEST(RuleEngine, DistinctValues) {
  RuleEngine engine =
      EngineOf(Yaml("a", "group: [user]\n    threshold: {count: 3, within: 1m, distinct: name}"));
  EXPECT_THAT(Feed(engine, {At(0, "alice", "a"), At(1, "alice", "a"), At(2, "alice", "b"),
                            At(3, "alice", "b")}),
              IsEmpty());
  EXPECT_THAT(Feed(engine, {At(4, "alice", "c")}), SizeIs(1));
}

TEST(RuleEngine, Shares) {
  RuleEngine engine = EngineOf(Yaml(
      "a",
      "group: [user]\n    threshold: {count: 10, within: 1m, share: {of: \"event.name == 'no'\", "
      "over: 0.5}}"));
  std::vector<Event> half;
  for (int i = 0; i < 20; ++i) half.push_back(At(i, "alice", i % 2 == 0 ? "yes" : "no"));
  EXPECT_THAT(Feed(engine, half), IsEmpty());
  std::vector<Event> most;
  for (int i = 0; i < 10; ++i) most.push_back(At(i, "bob", "no"));
  auto matches = Feed(engine, most);
  ASSERT_THAT(matches, SizeIs(1));
  EXPECT_EQ(matches[0].count, 10U);
  // An hour later, the old ones do not count.
  EXPECT_THAT(Feed(engine, {At(3600, "bob", "no")}), IsEmpty());
}

TEST(RuleEngine, FirstTimes) {
  auto yaml = Yaml("a", "group: [user]\n    firstTime: {of: [user], per: [cluster], learn: 1h}");
  RuleEngine engine = EngineOf(yaml);
  EXPECT_THAT(Feed(engine, {At(0), At(60, "bob"), At(4000), At(4001, "bob")}), IsEmpty());
  auto known = engine.TakeKnown();
  EXPECT_THAT(known, SizeIs(3));  // two users, and when learning began
  EXPECT_THAT(Feed(engine, {At(4002, "carol"), At(4003, "carol")}), SizeIs(1));
  // Another engine that knows the same.
  RuleEngine second = EngineOf(yaml);
  for (const auto& k : known) second.AddKnown(k);
  EXPECT_THAT(Feed(second, {At(5000), At(5001, "bob")}), IsEmpty());
  EXPECT_THAT(Feed(second, {At(5002, "carol")}), SizeIs(1));
  // What is full forgets nothing old and remembers nothing new.
  RuleEngine full = EngineOf(yaml, {.max_known = 1});
  EXPECT_THAT(Feed(full, {At(0), At(4000, "bob"), At(4001, "bob"), At(4002)}), SizeIs(2));
}

TEST(RuleEngine, Silence) {
  RuleEngine engine = EngineOf(Yaml("a", "silence: {after: 10m}"));
  std::vector<Match> out;
  auto ready = [](std::string_view cluster) { return cluster == "c1"; };
  int64_t start = At(0).time_us;
  engine.Tick(start + int64_t{3600} * 1'000'000, 0, ready, out);
  EXPECT_THAT(out, IsEmpty());  // never heard of it
  Event away = At(0);
  away.cluster = "c2";
  Feed(engine, {At(0), away});
  engine.Tick(At(599).time_us, 0, ready, out);
  EXPECT_THAT(out, IsEmpty());
  engine.Tick(At(601).time_us, At(300).time_us, ready, out);
  EXPECT_THAT(out, IsEmpty());  // we have not listened for long enough
  engine.Tick(At(601).time_us, 0, ready, out);
  engine.Tick(At(700).time_us, 0, ready, out);
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_EQ(out[0].cluster, "c1");
  out.clear();
  Feed(engine, {At(710)});
  engine.Tick(At(1400).time_us, 0, ready, out);
  EXPECT_THAT(out, SizeIs(1));
}

TEST(RuleEngine, ExceptionsSuppressionsAndSettings) {
  RuleEngine engine =
      EngineOf(Yaml("a", "exceptions: [{name: backup, when: \"event.user == 'backup'\"}]"));
  EXPECT_THAT(Feed(engine, {At(0, "backup"), At(0)}), SizeIs(1));
  engine.SetSuppressions({{.id = "s1",
                           .rule = "a",
                           .match = {{EventField::kUser, "ali*"}, {EventField::kNs, "prod"}},
                           .expires_us = At(100).time_us}});
  Event elsewhere = At(0);
  elsewhere.target.ns = "dev";
  EXPECT_THAT(Feed(engine, {At(1), elsewhere, At(1, "bob"), At(101)}), SizeIs(3));
  auto hits = engine.TakeSuppressed();
  ASSERT_THAT(hits, SizeIs(1));
  EXPECT_EQ(hits[0].second, 1U);
  engine.SetSuppressions({});
  engine.SetSettings("a", {.severity = Severity::kLow});
  auto low = Feed(engine, {At(2)});
  ASSERT_THAT(low, SizeIs(1));
  EXPECT_EQ(low[0].severity, Severity::kLow);
  engine.SetSettings("a", {.enabled = false});
  EXPECT_THAT(Feed(engine, {At(3)}), IsEmpty());
}

TEST(RuleEngine, StateOutlivesARestart) {
  auto yaml = Yaml("a", "group: [user]\n    threshold: {count: 4, within: 1m}") +
              Yaml("b",
                   "group: [user]\n    threshold: {count: 10, within: 1m, share: {of: "
                   "'true', over: 0.5}}")
                  .substr(7) +
              Yaml("c", "silence: {after: 10m}").substr(7);
  RuleEngine first = EngineOf(yaml);
  std::vector<Event> events;
  for (int i = 0; i < 3; ++i) events.push_back(At(i, "alice \"quoted\" \n"));
  EXPECT_THAT(Feed(first, events), IsEmpty());
  RuleEngine second = EngineOf(yaml);
  second.Restore(first.Snapshot(100));
  EXPECT_EQ(second.Snapshot(100), first.Snapshot(100));
  auto fourth = Feed(second, {At(3, "alice \"quoted\" \n")});
  ASSERT_THAT(fourth, SizeIs(1));
  EXPECT_EQ(fourth[0].count, 4U);
  std::vector<Match> out;
  second.Tick(At(10'000).time_us, 0, [](std::string_view) { return true; }, out);
  EXPECT_THAT(out, SizeIs(1));
  for (std::string_view bad :
       {"", "[]", "{\"windows\":[5,{\"rule\":\"a\",\"seen\":[1,[2]]}]}", "{\"heard\":{}}"}) {
    second.Restore(bad);
  }
}

TEST(RuleEngine, WindowsAreBounded) {
  RuleEngine engine = EngineOf(Yaml("a", "group: [user]\n    threshold: {count: 2, within: 1h}"),
                               {.max_windows = 3});
  for (int i = 0; i < 10; ++i) EXPECT_THAT(Feed(engine, {At(i, std::to_string(i))}), IsEmpty());
  EXPECT_THAT(Feed(engine, {At(20, "9")}), SizeIs(1));
  EXPECT_THAT(Feed(engine, {At(21, "0")}), IsEmpty());  // forgotten
}

}  // namespace
}  // namespace bulwark::detect
