#include "platform/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "formats/json.h"
#include "formats/yaml.h"
#include "platform/store/sqlite_state_store.h"

namespace bulwark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest() {
    EXPECT_TRUE(
        state_->Define({.name = "schedules", .columns = {{.name = "name", .path = "name"}}}));
    EXPECT_TRUE(state_->Define(
        {.name = "sinks",
         .columns = {{.name = "builtin", .path = "builtIn", .type = store::ColumnType::kBool}}}));
    config_.Register({.kind = "Schedule",
                      .collection = "schedules",
                      .noun = "schedules",
                      .fields = {"feature", "cron", "timeZone", "enabled"},
                      .secrets = {},
                      .exported = store::Query::All(),
                      .make = nullptr,
                      .changed = [this](std::string_view name) { changed_.emplace_back(name); }});
    config_.Register({.kind = "Sink",
                      .collection = "sinks",
                      .noun = "settings",
                      .fields = {"url", "filter"},
                      .secrets = {"password"},
                      .exported = store::Query::Not(store::Query::Equals("builtin", "true")),
                      .make = nullptr,
                      .changed = nullptr});
  }
  void Put(std::string_view collection, std::string_view key, std::string body) {
    store::Batch batch;
    batch.Put(collection, key, std::move(body));
    ASSERT_TRUE(state_->Commit(batch));
  }
  std::string Body(std::string_view collection, std::string_view key) {
    auto record = state_->Get(collection, key);
    EXPECT_TRUE(record);
    return record && *record ? (**record).body : "";
  }
  Result<std::vector<ConfigChange>> Plan(const std::string& yaml, bool prune = false) {
    std::vector<Value> objects;
    auto documents = SplitYaml(yaml);
    for (const std::string& document : documents) {
      auto value = ParseYaml(document, arena_);
      EXPECT_TRUE(value) << document;
      if (value) objects.push_back(*value);
    }
    return config_.Plan(objects, prune, {});
  }
  static std::vector<std::string> SplitYaml(const std::string& yaml) {
    std::vector<std::string> out;
    size_t at = 0;
    for (size_t next; (next = yaml.find("\n---\n", at)) != std::string::npos; at = next + 5)
      out.push_back(yaml.substr(at, next - at));
    out.push_back(yaml.substr(at));
    return out;
  }
  std::string Wrong(const std::string& yaml) {
    auto plan = Plan(yaml);
    return plan ? "nothing" : plan.error().id() + " " + plan.error().ToString();
  }
  std::vector<Value> Export(std::vector<std::string> kinds = {}) {
    auto objects = config_.Export(kinds, [](const ConfigKind&) { return true; }, arena_);
    EXPECT_TRUE(objects);
    return objects.value_or({});
  }

  TempDir folder_ = *TempDir::Make();
  std::unique_ptr<store::StateStore> state_ =
      store::OpenSqliteStateStore(folder_.File("state.db")).value();
  Arena arena_;
  Config config_{*state_};
  std::vector<std::string> changed_;
};

constexpr std::string_view kNightly = R"(
apiVersion: bulwark.io/v1
kind: Schedule
metadata: {name: nightly}
spec: {feature: posture, cron: "0 2 * * *", enabled: true})";

TEST_F(ConfigTest, WhatIsExportedAppliesWithoutAChange) {
  Put("schedules", "nightly",
      R"({"id":"nightly","feature":"posture","cron":"0 2 * * *","enabled":true,"timeZone":null,"lastRun":"2026-01-01T00:00:00Z"})");
  Put("sinks", "siem", R"({"url":"https://siem.example","password":"sealed:abc","sent":42})");
  Put("sinks", "own", R"({"url":"x","builtIn":true})");
  auto objects = Export();
  ASSERT_THAT(objects, SizeIs(2));
  EXPECT_EQ(
      ToJson(objects[0]),
      R"({"apiVersion":"bulwark.io/v1","kind":"Schedule","metadata":{"name":"nightly"},"spec":{"feature":"posture","cron":"0 2 * * *","enabled":true}})");
  EXPECT_THAT(ToJson(objects[1]), Not(HasSubstr("sealed")));
  EXPECT_THAT(ToJson(objects[1]), Not(HasSubstr("42")));
  auto plan = config_.Plan(objects, true, {});
  ASSERT_TRUE(plan);
  EXPECT_THAT(*plan, IsEmpty());
  EXPECT_THAT(Export({"Sink"}), SizeIs(1));
  auto none = config_.Export({}, [](const ConfigKind& k) { return k.noun != "settings"; }, arena_);
  EXPECT_THAT(*none, SizeIs(1));
}

TEST_F(ConfigTest, CreatesUpdatesAndShowsTheDifference) {
  auto plan = Plan(std::string(kNightly));
  ASSERT_TRUE(plan) << plan.error().ToString();
  ASSERT_THAT(*plan, SizeIs(1));
  EXPECT_EQ(ConfigOpName((*plan)[0].op), "create");
  EXPECT_THAT((*plan)[0].diff, HasSubstr("--- /dev/null"));
  EXPECT_THAT((*plan)[0].diff, HasSubstr("+  feature: posture"));
  ASSERT_TRUE(config_.Apply(*plan));
  EXPECT_THAT(changed_, ElementsAre("nightly"));
  EXPECT_THAT(*Plan(std::string(kNightly)), IsEmpty());

  // What the server found out stays; fields that the file leaves out go.
  Put("schedules", "nightly",
      R"({"feature":"posture","cron":"0 2 * * *","enabled":true,"timeZone":"UTC","lastRun":"x"})");
  plan = Plan(std::string(kNightly));
  ASSERT_THAT(*plan, SizeIs(1));
  EXPECT_EQ((*plan)[0].op, ConfigChange::Op::kUpdate);
  EXPECT_THAT((*plan)[0].diff, HasSubstr("-  timeZone: UTC"));
  EXPECT_THAT((*plan)[0].diff, Not(HasSubstr("lastRun")));
  ASSERT_TRUE(config_.Apply(*plan));
  Arena arena;
  Value body = ParseJson(Body("schedules", "nightly"), arena).value();
  EXPECT_EQ(body.StringAt("lastRun"), "x");
  EXPECT_EQ(body.Find("timeZone"), nullptr);
}

TEST_F(ConfigTest, SecretsStayWhereTheyAre) {
  Put("sinks", "siem", R"({"url":"https://a","password":"sealed:abc"})");
  auto plan = Plan(R"(
apiVersion: bulwark.io/v1
kind: Sink
metadata: {name: siem}
spec: {url: "https://b"})");
  ASSERT_TRUE(plan);
  ASSERT_THAT(*plan, SizeIs(1));
  EXPECT_THAT((*plan)[0].diff, Not(HasSubstr("sealed")));
  ASSERT_TRUE(config_.Apply(*plan));
  EXPECT_THAT(Body("sinks", "siem"), HasSubstr("sealed:abc"));
  EXPECT_THAT(Wrong(R"(
apiVersion: bulwark.io/v1
kind: Sink
metadata: {name: siem}
spec: {password: hunter2})"),
              HasSubstr("is a secret"));
}

TEST_F(ConfigTest, PruneDeletesWhatIsNotGivenOfTheKindsThatAre) {
  Put("schedules", "old", R"({"feature":"posture","cron":"@daily"})");
  Put("sinks", "siem", R"({"url":"https://a"})");
  auto plan = Plan(std::string(kNightly));
  EXPECT_THAT(*plan, SizeIs(1));
  plan = Plan(std::string(kNightly), true);
  ASSERT_THAT(*plan, SizeIs(2));
  EXPECT_EQ((*plan)[1].op, ConfigChange::Op::kDelete);
  EXPECT_EQ((*plan)[1].name, "old");
  EXPECT_THAT((*plan)[1].diff, HasSubstr("+++ /dev/null"));
  ASSERT_TRUE(config_.Apply(*plan));
  EXPECT_EQ(Body("schedules", "old"), "");
  EXPECT_NE(Body("sinks", "siem"), "");
  // What is not people's own is no business of a file.
  Put("sinks", "own", R"({"url":"x","builtIn":true})");
  plan = Plan(
      "apiVersion: bulwark.io/v1\nkind: Sink\nmetadata: {name: siem}\nspec: {url: 'https://a'}",
      true);
  EXPECT_THAT(*plan, IsEmpty());
}

TEST_F(ConfigTest, OneThatIsThereButDoesNotCountIsMadeToCount) {
  Put("sinks", "own", R"({"url":"x","builtIn":true})");
  config_.Register({.kind = "Own",
                    .collection = "sinks",
                    .noun = "settings",
                    .fields = {"url"},
                    .secrets = {},
                    .exported = store::Query::Not(store::Query::Equals("builtin", "true")),
                    .make = [](std::string_view, const Value& spec, const Value&, Arena&,
                               const ConfigActor&) -> Result<Value> { return spec; },
                    .changed = nullptr});
  const std::string file =
      "apiVersion: bulwark.io/v1\nkind: Own\nmetadata: {name: own}\nspec: {url: x}";
  auto plan = Plan(file);
  ASSERT_TRUE(plan) << plan.error().ToString();
  ASSERT_THAT(*plan, SizeIs(1));
  ASSERT_TRUE(config_.Apply(*plan));
  EXPECT_THAT(*Plan(file), IsEmpty());
}

TEST_F(ConfigTest, WhatIsWrongIsNamed) {
  const struct {
    std::string yaml, id;
    std::vector<std::string> says;
  } kCases[] = {
      {"kind: Schedule\nmetadata: {name: a}\nspec: {}",
       "config.object",
       {"Schedule a", "apiVersion"}},
      {"apiVersion: bulwark.io/v1\nkind: Shedule\nmetadata: {name: a}\nspec: {}",
       "config.kind",
       {"Shedule a", "did you mean Schedule?", "Schedule, Sink"}},
      {"apiVersion: bulwark.io/v1\nkind: Schedule\nmetadata: {}\nspec: {}",
       "config.object",
       {"metadata.name is missing"}},
      {"apiVersion: bulwark.io/v1\nkind: Schedule\nmetadata: {name: a}\nspec: {corn: x}",
       "config.object",
       {"spec.corn is not a field", "did you mean cron?"}},
      {"apiVersion: bulwark.io/v1\nkind: Schedule\nmetadata: {name: a}\nspec: {1: x}",
       "config.object",
       {"spec.1 is not a field"}},
      {"apiVersion: bulwark.io/v1\nkind: Schedule\nmetadata: {name: a}\nspecs: {}",
       "config.object",
       {"did you mean spec?"}},
      {"apiVersion: bulwark.io/v1\nkind: Schedule\nmetadata: {name: a, lables: {}}\nspec: {}",
       "config.object",
       {"metadata.lables"}},
      {"apiVersion: bulwark.io/v1\nkind: Schedule\nmetadata: {name: a}",
       "config.object",
       {"spec is missing"}},
      {"apiVersion: bulwark.io/v1\nkind: Schedule\nmetadata: {name: a}\nspec: [1]",
       "config.object",
       {"spec is missing or no map"}},
      {"apiVersion: bulwark.io/v1\nkind: Schedule\nmetadata: [1]\nspec: {}",
       "config.object",
       {"metadata.name is missing"}},
      {"apiVersion: bulwark.io/v1\nkind: Schedule\nmetadata: {name: \"a\\nb\"}\nspec: {}",
       "config.object",
       {"metadata.name"}},
      {"[1, 2]", "config.object", {"object 1", "no map"}},
      {std::string(kNightly) + "\n---" + std::string(kNightly),
       "config.twice",
       {"Schedule nightly", "given twice"}},
  };
  for (const auto& c : kCases) {
    std::string wrong = Wrong(c.yaml);
    EXPECT_THAT(wrong, ::testing::StartsWith(c.id)) << c.yaml;
    for (const std::string& text : c.says) EXPECT_THAT(wrong, HasSubstr(text)) << c.yaml;
  }
}

TEST_F(ConfigTest, NamesThatAreNoTexts) {
  MapBuilder metadata(arena_), spec(arena_), object(arena_);
  metadata.Add("name", Value::String("a"));
  spec.Add(Value::Int(1), Value::String("x"));
  object.Add("apiVersion", Value::String(kConfigApiVersion)).Add("kind", Value::String("Sink"));
  object.Add("metadata", metadata.Finish()).Add("spec", spec.Finish());
  Value made = object.Finish();
  auto plan = config_.Plan(std::span(&made, 1), false, {});
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().ToString(), HasSubstr("no text"));
}

TEST_F(ConfigTest, SomebodyElseChangedItMeanwhile) {
  Put("schedules", "nightly", R"({"cron":"@daily"})");
  Put("schedules", "old", R"({"cron":"@daily"})");
  auto plan = Plan(
      std::string(kNightly) + "\n---" +
          std::string(
              "\napiVersion: bulwark.io/v1\nkind: Sink\nmetadata: {name: new}\nspec: {url: u}"),
      true);
  ASSERT_TRUE(plan) << plan.error().ToString();
  ASSERT_THAT(*plan, SizeIs(3));
  Put("schedules", "old", R"({"cron":"@weekly"})");
  auto done = config_.Apply(*plan);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), Code::kExists);
  EXPECT_THAT(Body("schedules", "nightly"), HasSubstr("@daily"));
  EXPECT_EQ(Body("sinks", "new"), "") << "all or nothing";
  EXPECT_THAT(changed_, IsEmpty());
}

}  // namespace
}  // namespace bulwark
