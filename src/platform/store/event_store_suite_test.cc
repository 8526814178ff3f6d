#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "platform/store/event_store_suite.h"
#include "platform/store/sqlite_event_store.h"

namespace bulwark::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr int64_t kSecond = 1'000'000, kMinute = 60 * kSecond, kHour = 60 * kMinute,
                  kDay = 24 * kHour;
constexpr int64_t kStart = 1'767'225'600 * kSecond;  // 2026-01-01

Event Make(int number, int64_t time) {
  Event event;
  event.id = EventId({"test", std::to_string(number)});
  event.time_us = time;
  event.received_us = time + 20'000;
  event.kind = "audit";
  return event;
}

std::vector<std::string> Ids(const std::vector<Event>& events) {
  std::vector<std::string> out;
  for (const Event& event : events) out.push_back(event.id);
  return out;
}

Query Parse(std::string_view text) {
  auto query = ParseQuery(text, EventFields(), "time", kStart + 30 * kDay);
  EXPECT_TRUE(query) << text << ": " << query.error().ToString();
  return query ? *query : Query::All();
}

TEST_P(EventStoreSuite, KeepsAllOfAnEvent) {
  Event event = Make(1, kStart + 123'456);
  event.cluster = "c1";
  event.severity = Severity::kHigh;
  event.verb = "delete";
  event.outcome = "allowed";
  event.user = "system:serviceaccount:prod:web";
  event.source_ip = "10.0.0.1";
  event.user_agent = "kubectl/v1.34 (linux/amd64)";
  event.resource = "pods/exec";
  event.target = {"c1", "apps", "v1", "Deployment", "prod", "web"};
  event.node = "node-1";
  event.pod = "web-7d4b9c-x";
  event.image = "sha256:abc";
  event.process = "/bin/sh";
  event.rule = "shell";
  event.message = "audit.exec";
  event.args = {{"user", "alice"}, {"command", "运行容器时 sh"}};
  event.body = R"({"auditID":"3f2504e0-4f89-11d3-9a0c-0305e82c3301","note":"容器退出"})";
  Event odd = Make(2, kStart);
  odd.id = "not hex";
  odd.user = "a\xff";
  odd.body = "no json \xff";
  const std::vector<Event> both = {event, odd};
  auto outcome = store_->Append(both);
  ASSERT_TRUE(outcome) << outcome.error().ToString();
  EXPECT_EQ(outcome->stored, 2u);
  for (int round = 0; round < 2; ++round) {
    auto got = store_->Get(event.id);
    ASSERT_TRUE(got) << got.error().ToString();
    ASSERT_TRUE(*got);
    const Event& e = **got;
    EXPECT_EQ(e.time_us, event.time_us);
    EXPECT_EQ(e.received_us, event.received_us);
    EXPECT_EQ(e.kind, "audit");
    EXPECT_EQ(e.severity, Severity::kHigh);
    EXPECT_EQ(e.target, event.target);
    EXPECT_EQ(std::tie(e.cluster, e.verb, e.outcome, e.user, e.source_ip, e.user_agent, e.resource),
              std::tie(event.cluster, event.verb, event.outcome, event.user, event.source_ip,
                       event.user_agent, event.resource));
    EXPECT_EQ(std::tie(e.node, e.pod, e.image, e.process, e.rule, e.message, e.args, e.body),
              std::tie(event.node, event.pod, event.image, event.process, event.rule, event.message,
                       event.args, event.body));
    EXPECT_EQ((*store_->Get("not hex"))->user, "a\xEF\xBF\xBD");
    EXPECT_FALSE(*store_->Get("nothing"));
    EXPECT_FALSE(*store_->Get(""));
    auto stats = store_->Statistics();
    EXPECT_EQ(stats->events, 2u);
    EXPECT_EQ(stats->oldest_us, kStart);
    EXPECT_EQ(stats->newest_us, event.time_us);
    auto again = store_->Append(both);
    EXPECT_EQ(again->duplicates, 2u);
    EXPECT_EQ(again->stored, 0u);
    auto page = store_->Search({.filter = Parse("user:system:* 容器退"), .bodies = false});
    ASSERT_TRUE(page) << page.error().ToString();
    ASSERT_EQ(page->events.size(), 1u);
    EXPECT_EQ(page->events[0].body, "");
    EXPECT_EQ(page->events[0].args, event.args);
    Reopen();
  }
}

TEST_P(EventStoreSuite, TakesAnyId) {
  std::vector<Event> events;
  for (const char* id : {"00112233445566778899aabbccddeeff", "00112233445566778899AABBCCDDEEFF",
                         "a", "fifteen bytes..", "sixteen bytes...", "seventeen bytes.."}) {
    events.push_back(Make(1, kStart));
    events.back().id = id;
  }
  EXPECT_EQ(store_->Append(events)->stored, events.size());
  EXPECT_THAT(Ids(store_->Search({.oldest_first = true})->events),
              testing::ElementsAreArray(Ids(events)));
  for (const Event& event : events) EXPECT_EQ((*store_->Get(event.id))->id, event.id);
}

TEST_P(EventStoreSuite, RefusesWhatIsTooBig) {
  Event event = Make(1, kStart);
  event.body = std::string(2 << 20, 'x');
  const Event good = Make(2, kStart);
  EXPECT_EQ(store_->Append(std::vector<Event>{good, event}).error().id(), "store.limit");
  EXPECT_FALSE(*store_->Get(good.id));
  event.body.clear();
  event.id = std::string(200, 'a');
  EXPECT_EQ(store_->Append(std::vector<Event>{event}).error().id(), "store.limit");
  event.id.clear();
  EXPECT_EQ(store_->Append(std::vector<Event>{event}).error().id(), "store.record");
  // The same id twice in a batch.
  auto outcome = store_->Append(std::vector<Event>{good, good});
  EXPECT_EQ(outcome->stored, 1u);
  EXPECT_EQ(outcome->duplicates, 1u);
  // Keys beyond any measure are cut; the extremes of time are kept in bounds.
  Event vast = Make(3, kStart);
  vast.time_us = INT64_MAX;
  vast.user_agent = std::string(100'000, 'u');
  vast.received_us = INT64_MIN;
  ASSERT_TRUE(store_->Append(std::vector<Event>{vast}));
  EXPECT_EQ((*store_->Get(vast.id))->user_agent.size(), 1024u);
  EXPECT_EQ(store_->Histogram({}, kHour).error().id(), "store.range");
  EventQuery wide{.since_us = 0, .until_us = INT64_MAX};
  EXPECT_EQ(store_->Histogram(wide, INT64_MAX).error().id(), "store.range");
  wide.until_us = kStart;
  EXPECT_EQ(store_->Histogram(wide, 1).error().id(), "store.limit");
}

TEST_P(EventStoreSuite, PagesDoNotShiftWhileEventsArrive) {
  int number = 0;
  std::vector<Event> events;
  for (int i = 0; i < 1000; ++i) {
    // Several at the same time, and some out of order.
    events.push_back(Make(number++, kStart + (i / 3) * kSecond - (i % 50 == 0 ? 20 * kSecond : 0)));
  }
  ASSERT_TRUE(store_->Append(events));
  for (bool oldest : {false, true}) {
    std::vector<Event> seen;
    EventQuery query{.limit = 37, .oldest_first = oldest};
    do {
      auto page = store_->Search(query);
      ASSERT_TRUE(page) << page.error().ToString();
      for (Event& event : page->events) seen.push_back(event);
      query.cursor = page->next;
      if (!oldest) {
        std::vector<Event> more = {Make(number++, kStart + 5000 * kSecond)};
        ASSERT_TRUE(store_->Append(more));
      }
    } while (!query.cursor.empty());
    std::set<std::string> distinct;
    for (size_t i = 0; i < seen.size(); ++i) {
      EXPECT_TRUE(distinct.insert(seen[i].id).second);
      if (i == 0) continue;
      if (oldest) {
        EXPECT_GE(seen[i].time_us, seen[i - 1].time_us);
      } else {
        EXPECT_LE(seen[i].time_us, seen[i - 1].time_us);
      }
    }
    EXPECT_EQ(seen.size(), oldest ? static_cast<size_t>(number) : 1000u);
  }
  EXPECT_EQ(store_->Search({.cursor = "abc"}).error().id(), "store.cursor");
  const std::string cursor = store_->Search({.limit = 3})->next;
  EXPECT_EQ(store_->Search({.cursor = cursor, .oldest_first = true}).error().id(), "store.cursor");
}

class RandomEvents {
 public:
  explicit RandomEvents(uint32_t seed) : engine_(seed) {}
  int Below(int n) { return static_cast<int>(engine_() % static_cast<uint32_t>(n)); }
  std::string Of(std::initializer_list<const char*> words) {
    return words.begin()[Below(static_cast<int>(words.size()))];
  }
  Event Make(int number, int64_t time) {
    Event event = store::Make(number, time);
    event.kind = Of({"audit", "audit", "audit", "kubernetes", "alert"});
    event.received_us = time + (Below(20) == 0 ? 3 * kHour : kSecond);
    event.cluster = Of({"c1", "c2", ""});
    event.severity = static_cast<Severity>(Below(6));
    event.verb = Of({"get", "list", "delete", "create", ""});
    event.outcome = Of({"allowed", "denied", ""});
    event.user = Of({"alice", "bob", "system:serviceaccount:prod:web", "a*b", ""});
    event.target.ns = Of({"prod", "dev", "kube-system", ""});
    event.target.name = fmt::format("web-{}", Below(30));
    event.target.kind = Of({"Pod", "Secret", ""});
    event.resource = Of({"pods", "secrets", "pods/exec"});
    event.rule = Of({"", "", "shell", "escape"});
    event.source_ip = fmt::format("10.0.0.{}", Below(5));
    if (Below(3) == 0) event.args = {{"reason", Words()}};
    if (Below(3) == 0)
      event.body = R"({"a":[")" + Words() + R"(",{"b":")" + Words() +
                   R"("}],"at":"2026-01-01T00:00:00.000000Z"})";
    return event;
  }
  std::string Words() {
    return Of({"OOMKilled", "back-off restarting", "容器", "运行容器时出错", "拉取镜像失败",
               "Über uns", "a b c"}) +
           " " + Of({"x1", "node-1", "镜像", "failed"});
  }
  Query Term() {
    switch (Below(12)) {
      case 0: return Query::Equals("kind", Of({"audit", "kube*", "alert", "none"}));
      case 1: return Query::Equals("cluster", Of({"c1", "c*", ""}));
      case 2: return Query::AnyOf("verb", {Of({"get", "del*", "watch"}), Of({"list", ""})});
      case 3: return Query::Exactly("user", Of({"alice", "a*b", "nobody"}));
      case 4: return Query::Equals("ns", Of({"prod", "kube-*", "?*", "*"}));
      case 5: return Query::Has(Of({"rule", "user", "severity", "time", "name", "agent"}));
      case 6: return Query::Text(Words());
      case 7:
        return Query::Text(Of({"容器", "容", "kube-system", "secret", "restarting", "镜像失", "uns",
                               "web", "system"}));
      case 8:
        return Query::Compare("severity", static_cast<Term::Op>(Below(5)),
                              Of({"high", "low", "unknown"}));
      case 9:
        return Query::Compare("time", static_cast<Term::Op>(Below(5)),
                              fmt::format("2026-01-0{}T0{}:00:00Z", 1 + Below(3), Below(9)));
      case 10: return Query::Equals("name", fmt::format("web-{}*", Below(4)));
      default: return Query::Equals("resource", Of({"pods", "pods/*", "secrets"}));
    }
  }
  Query Make(int depth) {
    const int kind = depth >= 3 ? 9 : Below(10);
    if (kind < 4) {
      std::vector<Query> parts;
      for (int i = 1 + Below(3); i > 0; --i) parts.push_back(Make(depth + 1));
      return kind == 0 ? Query::Or(std::move(parts)) : Query::And(std::move(parts));
    }
    if (kind == 4) return Query::Not(Make(depth + 1));
    if (kind == 5 && depth == 0) return Query::All();
    return Term();
  }

 private:
  std::mt19937 engine_;
};

TEST_P(EventStoreSuite, AnswersAsMemoryDoes) {
  RandomEvents random(7);
  std::vector<Event> all;
  std::vector<Event> batch;
  for (int i = 0; i < 3000; ++i) {
    const int64_t jitter =
        random.Below(30) == 0 ? -random.Below(3600) * kSecond : random.Below(500);
    batch.push_back(random.Make(i, kStart + i * 80 * kSecond + jitter));
    if (batch.size() == 300) {
      auto outcome = store_->Append(batch);
      ASSERT_TRUE(outcome) << outcome.error().ToString();
      EXPECT_EQ(outcome->stored, 300u);
      all.insert(all.end(), batch.begin(), batch.end());
      batch.clear();
    }
  }
  const auto check = [&](int rounds) {
    int matched = 0;
    for (int i = 0; i < rounds; ++i) {
      EventQuery query{.filter = random.Make(0), .limit = 1000};
      if (random.Below(3) == 0) query.since_us = kStart + random.Below(240'000) * kSecond;
      if (random.Below(3) == 0) query.until_us = kStart + random.Below(240'000) * kSecond;
      if (random.Below(6) == 0 && query.since_us) query.since_us = *query.since_us / kHour * kHour;
      query.oldest_first = random.Below(2) == 0;
      std::vector<const Event*> expected;
      for (const Event& event : all) {
        if (query.since_us && event.time_us < *query.since_us) continue;
        if (query.until_us && event.time_us >= *query.until_us) continue;
        if (Matches(query.filter, EventSubject(event))) expected.push_back(&event);
      }
      std::set<std::string> ids;
      for (const Event* event : expected) ids.insert(event->id);
      std::set<std::string> found;
      EventQuery paged = query;
      int64_t last = query.oldest_first ? INT64_MIN : INT64_MAX;
      do {
        auto page = store_->Search(paged);
        ASSERT_TRUE(page) << page.error().ToString() << " " << ToText(query.filter);
        for (const Event& event : page->events) {
          EXPECT_TRUE(query.oldest_first ? event.time_us >= last : event.time_us <= last);
          last = event.time_us;
          EXPECT_TRUE(found.insert(event.id).second);
        }
        paged.cursor = page->next;
      } while (!paged.cursor.empty());
      ASSERT_EQ(found, ids) << ToText(query.filter);
      matched += ids.empty() ? 0 : 1;
      EXPECT_EQ(*store_->Count(query), ids.size()) << ToText(query.filter);
      EXPECT_EQ(*store_->Count(query, 5), std::min<size_t>(5, ids.size()));
      // Histogram.
      const int64_t steps[] = {kMinute * 30, kHour, kHour * 6, 7777 * kSecond};
      const int64_t step = steps[random.Below(4)];
      EventQuery range = query;
      range.since_us = query.since_us.value_or(kStart - kDay);
      range.until_us = std::max(query.until_us.value_or(kStart + 4 * kDay), *range.since_us);
      std::map<int64_t, uint64_t> counts;
      for (const Event* event : expected) {
        if (event->time_us < *range.since_us || event->time_us >= *range.until_us) continue;
        ++counts[*range.since_us + (event->time_us - *range.since_us) / step * step];
      }
      auto histogram = store_->Histogram(range, step);
      ASSERT_TRUE(histogram) << histogram.error().ToString();
      for (const Bucket& bucket : *histogram) {
        ASSERT_EQ(bucket.count, counts[bucket.start_us])
            << ToText(query.filter) << " step " << step;
      }
      // Top values.
      const std::string field =
          random.Of({"user", "verb", "ns", "kind", "severity", "name", "ip", "rule"});
      std::map<std::string, uint64_t> values;
      for (const Event* event : expected) {
        std::vector<FieldValue> value;
        const ColumnType type = EventSubject(*event).Values(field, value);
        const std::string text =
            type == ColumnType::kText ? value[0].text : NumberAsText(type, *value[0].number);
        if (!text.empty()) ++values[text];
      }
      auto top = store_->Top(query, field, 1000);
      ASSERT_TRUE(top) << top.error().ToString();
      EXPECT_EQ((std::map<std::string, uint64_t>(top->begin(), top->end())), values)
          << field << " of " << ToText(query.filter);
      if (top->size() > 3) {
        auto few = store_->Top(query, field, 3);
        ASSERT_TRUE(few);
        EXPECT_EQ(*few, (std::vector(top->begin(), top->begin() + 3))) << field;
      }
      EXPECT_TRUE(std::is_sorted(top->begin(), top->end(),
                                 [](const auto& a, const auto& b) { return a.second > b.second; }));
    }
    EXPECT_GT(matched, rounds / 3);
  };
  check(120);
  // The same after the oldest went, and after opening again.
  const Retention rules[] = {{.kind = "audit", .max_age_us = 2 * kDay},
                             {.kind = "alert", .max_age_us = 0, .max_events = 100}};
  auto gone = store_->Expire(rules, 0, kStart + 3 * kDay);
  ASSERT_TRUE(gone) << gone.error().ToString();
  std::erase_if(all, [](const Event& event) {
    return event.kind == "audit" && event.time_us < kStart + kDay;
  });
  std::vector<Event> alerts;
  for (const Event& event : all) {
    if (event.kind == "alert") alerts.push_back(event);
  }
  std::set<std::string> left;
  for (const Event& event : all) left.insert(event.id);
  EXPECT_EQ((*gone)["audit"] + (*gone)["alert"], 3000 - left.size() + alerts.size() - 100);
  std::set<std::string> kept;
  const auto left_alerts =
      store_->Search({.filter = Query::Equals("kind", "alert"), .limit = 1000});
  for (const Event& event : left_alerts->events) kept.insert(event.id);
  EXPECT_EQ(kept.size(), 100u);
  std::erase_if(
      all, [&](const Event& event) { return event.kind == "alert" && !kept.contains(event.id); });
  Reopen();
  check(60);
}

TEST_P(EventStoreSuite, ForgetsByAgeNumberAndSize) {
  std::vector<Event> events;
  for (int i = 0; i < 900; ++i) {
    Event event = Make(i, kStart + i * kHour);
    event.kind = i % 3 == 0 ? "finding" : "audit";
    event.body = fmt::format(R"({{"n":"word{}"}})", i);
    events.push_back(event);
  }
  ASSERT_TRUE(store_->Append(events));
  const Retention old[] = {{.kind = "*", .max_age_us = 10 * kDay}};
  auto gone = store_->Expire(old, 0, kStart + 900 * kHour);
  ASSERT_TRUE(gone) << gone.error().ToString();
  EXPECT_THAT(*gone, UnorderedElementsAre(Pair("finding", 220u), Pair("audit", 440u)));
  EXPECT_EQ(store_->Statistics()->events, 240u);
  EXPECT_EQ(store_->Statistics()->oldest_us, kStart + 660 * kHour);
  EXPECT_THAT(Ids(store_->Search({.filter = Query::Text("word10")})->events), IsEmpty());
  EXPECT_EQ(store_->Search({.filter = Query::Text("word700")})->events.size(), 1u);
  const Retention few[] = {{.kind = "audit", .max_age_us = 0, .max_events = 60},
                           {.kind = "*", .max_events = 1000}};
  EXPECT_THAT(*store_->Expire(few, 0, 0), ElementsAre(Pair("audit", 100u)));
  EXPECT_EQ(*store_->Count({.filter = Query::Equals("kind", "audit")}), 60u);
  // What is forgotten may come again.
  EXPECT_EQ(store_->Append(std::vector<Event>{events[0]})->stored, 1u);
  auto rest = store_->Expire({}, 1, 0);
  ASSERT_TRUE(rest) << rest.error().ToString();
  EXPECT_EQ(store_->Statistics()->events, 0u);
  EXPECT_THAT(store_->Search({})->events, IsEmpty());
  ASSERT_TRUE(store_->Append(events));
  EXPECT_EQ(store_->Statistics()->events, 900u);
}

TEST_P(EventStoreSuite, BackupIsAStore) {
  std::vector<Event> events = {Make(1, kStart)};
  events[0].body = R"({"a":"容器"})";
  ASSERT_TRUE(store_->Append(events));
  TempDir other = *TempDir::Make();
  ASSERT_TRUE(store_->Backup(other.File("events.db")));
  EXPECT_FALSE(store_->Backup(other.File("events.db")));
  auto copy = GetParam().open(other.path());
  ASSERT_TRUE(copy) << copy.error().ToString();
  EXPECT_EQ((*copy)->Search({.filter = Query::Text("容")})->events.size(), 1u);
  EXPECT_EQ((*copy)->Append(events)->duplicates, 1u);
}

TEST(HistogramStepTest, IsRoundAndNotTooFine) {
  EXPECT_EQ(HistogramStep(kDay, 60), 30 * kMinute);
  EXPECT_EQ(HistogramStep(30 * kDay, 60), 43200 * kSecond * 2);
  EXPECT_EQ(HistogramStep(10 * kSecond, 60), kSecond);
  for (int64_t span : {int64_t{0}, kHour, 400 * kDay, 20'000 * kDay}) {
    EXPECT_LE(span / HistogramStep(span, 60) + 1, 60) << span;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sqlite, EventStoreSuite,
    testing::Values(EventBackend{"Sqlite",
                                 [](const std::string& folder) {
                                   return OpenSqliteEventStore(folder);
                                 }},
                    // Many segments, so that they are sealed, merged and dropped.
                    EventBackend{"SqliteOfSmallSegments",
                                 [](const std::string& folder) {
                                   return OpenSqliteEventStore(folder, {.segment_events = 170});
                                 }}),
    [](const auto& backend) { return backend.param.name; });

}  // namespace
}  // namespace bulwark::store
