#include "features/posture/server/exception_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "features/posture/server/testing.h"
#include "model/record.h"

namespace bulwark::posture {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kSecond = 1'000'000;

class ExceptionBookTest : public ::testing::Test {
 protected:
  ExceptionBookTest()
      : book_(
            *world_.state, *world_.pipeline, [this] { return now_.load(); }, [this] { ++changed_; },
            [this](std::string_view op, std::string_view id, const Value&) {
              told_.push_back(fmt::format("{} {}", op, id));
            }) {
    EXPECT_TRUE(world_.state->Define(ExceptionsCollection()));
  }
  Value Json(std::string_view text) {
    auto value = ParseJson(text, arena_);
    EXPECT_TRUE(value) << text;
    return value.value_or(Value());
  }
  std::string Ask(std::string_view text, std::string_view by = "alice", bool approve = false) {
    auto made = book_.Request(Json(text), by, approve);
    EXPECT_TRUE(made) << made.error().ToString();
    return made ? made->key : "";
  }
  std::string Error(std::string_view text) {
    auto made = book_.Request(Json(text), "alice", false);
    return made ? "none" : made.error().id();
  }
  std::string Decide(const std::string& id, std::string_view step, std::string_view by,
                     bool own_allowed = false) {
    auto done = book_.Decide(id, step, by, "because", own_allowed);
    if (!done) return done.error().id();
    return std::string(Json(done->body).StringAt("state"));
  }
  Value Record(const std::string& id) { return world_.Record(kExceptions, id, arena_); }
  // Whether a finding of `check` in a Deployment of that name and namespace is excepted in c1.
  bool Covers(std::string_view check, std::string_view ns, std::string_view name,
              std::string_view image = "", std::string_view object = "{}") {
    auto active = book_.ActiveFor("uid-1", "c1");
    EXPECT_TRUE(active);
    Asset asset{.cluster = "uid-1",
                .group = "apps",
                .version = "v1",
                .kind = "Deployment",
                .ns = std::string(ns),
                .name = std::string(name)};
    return active->Find(check, asset, Json(object), image, {}).has_value();
  }

  World world_;
  Arena arena_;
  std::atomic<int64_t> now_ = 1'767'225'600 * kSecond;  // 2026-01-01
  int changed_ = 0;
  std::vector<std::string> told_;
  ExceptionBook book_;
};

TEST_F(ExceptionBookTest, TheWorkflow) {
  // state → step → by another than who asked for it.
  const struct {
    std::vector<std::string> before;
    std::string step, result;
  } kCases[] = {
      {{}, "approve", "approved"},
      {{}, "refuse", "refused"},
      {{}, "withdraw", "withdrawn"},
      {{"approve"}, "approve", "exception.state"},
      {{"approve"}, "refuse", "refused"},
      {{"approve"}, "withdraw", "withdrawn"},
      {{"refuse"}, "approve", "exception.state"},
      {{"refuse"}, "refuse", "exception.state"},
      {{"refuse"}, "withdraw", "exception.state"},
      {{"withdraw"}, "approve", "exception.state"},
      {{"withdraw"}, "refuse", "exception.state"},
      {{"withdraw"}, "withdraw", "exception.state"},
      {{}, "forget", "exception.state"},
  };
  for (const auto& c : kCases) {
    std::string id = Ask(R"({"check":"privileged","namespace":"prod","reason":"r"})");
    for (const std::string& step : c.before) Decide(id, step, "bob");
    EXPECT_EQ(Decide(id, c.step, "bob"), c.result)
        << ::testing::PrintToString(c.before) << " " << c.step;
    bool active = c.result == "approved" || (c.result == "exception.state" && !c.before.empty() &&
                                             c.before.back() == "approve");
    EXPECT_EQ(Covers("privileged", "prod", "x"), active);
    ASSERT_TRUE(book_.Delete(id, "bob"));
    EXPECT_FALSE(Covers("privileged", "prod", "x"));
  }
  EXPECT_EQ(Decide("none", "approve", "bob"), "exception.not_found");
  EXPECT_FALSE(book_.Delete("none", "bob"));
}

TEST_F(ExceptionBookTest, WhatIsKeptAndTold) {
  std::string id = Ask(R"({"check":"privileged","name":"web","reason":"legacy","approve":true})");
  Value r = Record(id);
  EXPECT_EQ(r.StringAt("id"), id);
  EXPECT_EQ(r.StringAt("state"), "requested");
  EXPECT_EQ(r.StringAt("requestedBy"), "alice");
  EXPECT_EQ(r.StringAt("requestedAt"), "2026-01-01T00:00:00Z");
  EXPECT_EQ(r.Find("approve"), nullptr);
  EXPECT_EQ(changed_, 0);
  EXPECT_EQ(Decide(id, "approve", "bob"), "approved");
  EXPECT_EQ(changed_, 1);
  r = Record(id);
  EXPECT_EQ(r.StringAt("decidedBy"), "bob");
  EXPECT_EQ(r.StringAt("comment"), "because");
  EXPECT_EQ(r.StringAt("reason"), "legacy");
  std::string at_once = Ask(R"({"check":"latest","name":"web","reason":"r"})", "root", true);
  EXPECT_EQ(Record(at_once).StringAt("state"), "approved");
  EXPECT_EQ(Record(at_once).StringAt("decidedBy"), "root");
  EXPECT_EQ(changed_, 2);
  // Who never counted changes nothing when it ends.
  Decide(Ask(R"({"check":"latest","name":"db","reason":"r"})"), "refuse", "bob");
  EXPECT_EQ(changed_, 2);
  ASSERT_TRUE(book_.Delete(at_once, "bob"));
  EXPECT_EQ(changed_, 3);
  EXPECT_EQ(told_.back(), "delete " + at_once);
  EXPECT_THAT(world_.Events("exception"),
              ::testing::UnorderedElementsAre("requested privileged web", "approved privileged web",
                                              "requested latest web", "approved latest web",
                                              "requested latest db", "refused latest db",
                                              "deleted latest web"));
}

TEST_F(ExceptionBookTest, NobodyApprovesTheirOwnUnlessThereIsNobodyElse) {
  std::string id = Ask(R"({"check":"privileged","name":"web","reason":"r"})");
  EXPECT_EQ(Decide(id, "approve", "alice"), "exception.own");
  EXPECT_EQ(Record(id).StringAt("state"), "requested");
  EXPECT_EQ(Decide(id, "approve", "alice", true), "approved");
  id = Ask(R"({"check":"privileged","name":"web","reason":"r"})");
  EXPECT_EQ(Decide(id, "withdraw", "alice"), "withdrawn");
}

TEST_F(ExceptionBookTest, WhatIsNoException) {
  const struct {
    std::string_view text, error;
  } kCases[] = {
      {R"({"check":"a","reason":"r"})", "none"},
      {R"({"check":"*","namespace":"dev","reason":"r"})", "none"},
      {R"({"check":"*","labels":{"app":"x"},"reason":"r"})", "none"},
      {R"({"reason":"r","name":"x"})", "exception.missing"},
      {R"({"check":"a"})", "exception.missing"},
      {R"({"check":"a","reason":"  "})", "exception.missing"},
      {R"({"check":7,"reason":"r"})", "exception.text"},
      {R"({"check":"a","reason":"r","namespace":["x"]})", "exception.text"},
      {R"({"check":"a","reason":"r","labels":[]})", "exception.labels"},
      {R"({"check":"a","reason":"r","labels":{"a":1}})", "exception.labels"},
      {R"({"check":"*","reason":"r"})", "exception.narrow"},
      {R"({"check":"**","reason":"r"})", "exception.narrow"},
      {R"({"check":"?*","namespace":"*","kind":"**","reason":"r"})", "exception.narrow"},
      {R"({"check":"*","labels":{},"reason":"r"})", "exception.narrow"},
      {R"({"check":"a","reason":"r","expires":"soon"})", "exception.expires"},
      {R"({"check":"a","reason":"r","expires":"2025-12-31"})", "exception.past"},
      {R"({"check":"a","reason":"r","expires":"2026-01-01T00:00:00Z"})", "exception.past"},
      {R"({"check":"a","reason":"r","expires":"2026-01-01"})", "none"},
  };
  for (const auto& c : kCases) EXPECT_EQ(Error(c.text), c.error) << c.text;
  EXPECT_EQ(Error(fmt::format(R"({{"check":"a","reason":"{}"}})", std::string(2001, 'x'))),
            "exception.long");
}

TEST_F(ExceptionBookTest, PatternsAndClusters) {
  const struct {
    std::string_view text;
    bool web_prod, db_prod, web_dev;
  } kCases[] = {
      {R"({"check":"priv*","reason":"r"})", true, true, true},
      {R"({"check":"privileged","namespace":"pro?","reason":"r"})", true, true, false},
      {R"({"check":"privileged","name":"w*","reason":"r"})", true, false, true},
      {R"({"check":"privileged","kind":"DaemonSet","reason":"r"})", false, false, false},
      {R"({"check":"privileged","cluster":"uid-1","namespace":"dev","reason":"r"})", false, false,
       true},
      {R"({"check":"privileged","cluster":"c1","reason":"r"})", true, true, true},
      {R"({"check":"privileged","cluster":"c?","reason":"r"})", true, true, true},
      {R"({"check":"privileged","cluster":"other","reason":"r"})", false, false, false},
      {R"({"check":"privileged","image":"nginx:*","reason":"r"})", true, true, true},
      {R"({"check":"privileged","image":"httpd:*","reason":"r"})", false, false, false},
      {R"({"check":"privileged","labels":{"app":"w*"},"reason":"r"})", true, false, true},
      {R"({"check":"latest","reason":"r"})", false, false, false},
  };
  for (const auto& c : kCases) {
    std::string id = Ask(c.text, "root", true);
    auto covers = [&](std::string_view ns, std::string_view name) {
      return Covers("privileged", ns, name, "nginx:1",
                    fmt::format(R"({{"metadata":{{"labels":{{"app":"{}"}}}}}})", name));
    };
    EXPECT_EQ(covers("prod", "web"), c.web_prod) << c.text;
    EXPECT_EQ(covers("prod", "db"), c.db_prod) << c.text;
    EXPECT_EQ(covers("dev", "web"), c.web_dev) << c.text;
    ASSERT_TRUE(book_.Delete(id, "root"));
  }
}

TEST_F(ExceptionBookTest, TheyExpire) {
  std::string day = Ask(R"({"check":"a","reason":"r","expires":"2026-01-01"})", "root", true);
  std::string hour =
      Ask(R"({"check":"b","reason":"r","expires":"2026-01-01T01:00:00+00:00"})", "root", true);
  std::string asked = Ask(R"({"check":"c","reason":"r","expires":"2026-01-01T01:00:00Z"})");
  std::string ever = Ask(R"({"check":"d","reason":"r"})", "root", true);
  auto expire = [&] {
    auto any = book_.Expire();
    EXPECT_TRUE(any) << any.error().ToString();
    return any.value_or(false);
  };
  EXPECT_FALSE(expire());
  now_ += 3600 * kSecond;
  changed_ = 0;
  EXPECT_FALSE(Covers("b", "x", "y")) << "at once, whether or not it has been written";
  EXPECT_TRUE(expire());
  EXPECT_EQ(changed_, 1);
  EXPECT_EQ(Record(hour).StringAt("state"), "expired");
  EXPECT_EQ(Record(asked).StringAt("state"), "expired");
  EXPECT_EQ(Decide(asked, "approve", "bob"), "exception.state");
  EXPECT_EQ(Record(day).StringAt("state"), "approved");
  EXPECT_FALSE(expire());
  EXPECT_EQ(changed_, 1);
  now_ += 23 * 3600 * kSecond;
  EXPECT_TRUE(expire());
  EXPECT_EQ(Record(day).StringAt("state"), "expired");
  EXPECT_EQ(Record(ever).StringAt("state"), "approved");
  EXPECT_TRUE(Covers("d", "x", "y"));
}

TEST_F(ExceptionBookTest, ARequestWhoseTimeHasPassedIsNotApproved) {
  std::string id = Ask(R"({"check":"a","reason":"r","expires":"2026-01-01T01:00:00Z"})");
  now_ += 3600 * kSecond;
  EXPECT_EQ(Decide(id, "approve", "bob"), "exception.past");
  EXPECT_EQ(Decide(id, "refuse", "bob"), "refused");
}

TEST_F(ExceptionBookTest, SpecsOfConfig) {
  Value spec = Json(R"({"check":"a","reason":"r","expires":"2026-01-31","name":null})");
  auto take = [&](const Value& of, const Value& old, std::string_view by, bool approve) {
    auto made = book_.FromSpec("e1", of, old, arena_, by, approve);
    EXPECT_TRUE(made) << made.error().ToString();
    return made.value_or(Value());
  };
  Value made = take(spec, Value(), "user:ann", true);
  EXPECT_EQ(made.StringAt("state"), "approved");
  EXPECT_EQ(made.StringAt("id"), "e1");
  EXPECT_EQ(made.StringAt("requestedBy"), "user:ann");
  EXPECT_EQ(made.StringAt("decidedBy"), "user:ann");
  EXPECT_EQ(ParseTime(made.StringAt("expiresAt")), ParseTime("2026-02-01T00:00:00Z"));
  EXPECT_EQ(made.Find("name"), nullptr);
  // Again, later, whoever does it: the same record.
  now_ += 60 * kSecond;
  EXPECT_EQ(take(spec, made, "user:ann", true), made);
  EXPECT_EQ(take(spec, made, "user:bob", false), made);
  // One who may not agree alone asks, once; also for what was refused, or agreed to as another.
  Value asked = take(spec, Value(), "user:bob", false);
  EXPECT_EQ(asked.StringAt("state"), "requested");
  EXPECT_EQ(asked.StringAt("requestedBy"), "user:bob");
  EXPECT_EQ(asked.Find("decidedBy"), nullptr);
  now_ += 60 * kSecond;
  EXPECT_EQ(take(spec, asked, "user:bob", false), asked);
  Value wider = Json(R"({"check":"a","reason":"r"})");
  Value again = take(wider, made, "user:bob", false);
  EXPECT_EQ(again.StringAt("state"), "requested");
  EXPECT_EQ(again.StringAt("requestedBy"), "user:bob");
  Value refused = Json(R"({"id":"e1","check":"a","reason":"r","expires":"2026-01-31",
    "requestedBy":"user:alice","requestedAt":"2025-01-01T00:00:00Z","state":"refused",
    "decidedBy":"user:carol"})");
  again = take(spec, refused, "user:bob", false);
  EXPECT_EQ(again.StringAt("state"), "requested");
  EXPECT_EQ(again.StringAt("requestedBy"), "user:alice");
  again = take(spec, refused, "user:ann", true);
  EXPECT_EQ(again.StringAt("state"), "approved");
  EXPECT_EQ(again.StringAt("decidedBy"), "user:ann");
  // A file that is older than its exceptions still applies.
  now_ += 40 * 86'400 * kSecond;
  EXPECT_EQ(take(spec, made, "user:bob", false).StringAt("state"), "expired");
  EXPECT_FALSE(
      book_.FromSpec("e1", Json(R"({"check":"*","reason":"r"})"), Value(), arena_, "x", true));
}

}  // namespace
}  // namespace bulwark::posture
