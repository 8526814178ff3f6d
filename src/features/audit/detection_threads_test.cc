// Detection on real stores: from an audit batch to an alert, over restarts.

#include "features/audit/detection.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/text.h"
#include "features/audit/sources.h"
#include "formats/json.h"
#include "model/record.h"
#include "platform/store/sqlite_event_store.h"
#include "platform/store/sqlite_state_store.h"

namespace bulwark::audit {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kRules = R"(
rules:
  - id: exec
    severity: high
    title: {en: Exec, zh: 执行}
    description: {en: d, zh: d}
    remedy: {en: r, zh: r}
    message: {en: '{user} exec {what}', zh: '{user} 执行 {what}'}
    source: [audit]
    verbs: [exec]
    group: [cluster, user, ns, name]
  - id: burst
    severity: low
    title: {en: Burst, zh: 突发}
    description: {en: d, zh: d}
    remedy: {en: r, zh: r}
    source: [audit]
    verbs: [delete]
    group: [cluster, user]
    threshold: {count: 4, within: 10m}
  - id: first
    severity: medium
    title: {en: First, zh: 首次}
    description: {en: d, zh: d}
    remedy: {en: r, zh: r}
    source: [audit]
    resources: [secrets]
    group: [cluster, user]
    firstTime: {of: [user], learn: 0s}
)";

// A server's parts, that can be ended and begun again over the same folder.
class Server {
 public:
  explicit Server(const std::string& folder) {
    state = *store::OpenSqliteStateStore(folder);
    events = *store::OpenSqliteEventStore(folder);
    pipeline = std::make_unique<Pipeline>(*events, metrics);
    alerts = std::make_unique<Alerts>(*state, *pipeline, catalog, metrics);
    auto rules = std::make_shared<detect::RuleSet>();
    auto added = rules->AddText(kRules, "rules.yaml");
    EXPECT_TRUE(added) << added.error().ToString();
    EXPECT_TRUE(alerts->Open());
    detection = std::make_unique<Detection>(
        *state, *events, *pipeline, *alerts, metrics, rules, [](std::string_view) { return true; },
        DetectionOptions{.checkpoint = 0ms});
    EXPECT_TRUE(detection->Open());
  }
  void Start() {
    auto started = detection->Start();
    EXPECT_TRUE(started) << started.error().ToString();
  }
  void Publish(std::vector<Event> all) {
    auto published = pipeline->Publish(std::move(all));
    EXPECT_TRUE(published) << published.error().ToString();
    detection->Settle();
  }
  std::vector<Value> Alerts_() {
    std::vector<Value> out;
    auto page = state->List(Alerts::kCollection, {.sort = "rule,user"});
    EXPECT_TRUE(page);
    for (const auto& record : page->records) out.push_back(*ParseJson(record.body, arena));
    return out;
  }
  std::vector<std::string> AlertEvents() {
    pipeline->Flush();
    std::vector<std::string> out;
    auto page = events->Search(
        {.filter = store::Query::Equals("kind", "alert"), .limit = 100, .oldest_first = true});
    EXPECT_TRUE(page);
    for (const Event& e : page->events) out.push_back(e.rule + " " + e.verb);
    return out;
  }

  Metrics metrics;
  Catalog catalog;
  Arena arena;
  std::unique_ptr<store::StateStore> state;
  std::unique_ptr<store::EventStore> events;
  std::unique_ptr<Pipeline> pipeline;
  std::unique_ptr<Alerts> alerts;
  std::unique_ptr<Detection> detection;
};

Event Make(std::string verb, std::string user, int n, std::string ns = "prod") {
  static int64_t time = NowUs();
  Event e;
  e.id = EventId({verb, user, ns, std::to_string(n)});
  e.time_us = ++time;
  e.kind = "audit";
  e.cluster = "c1";
  e.verb = std::move(verb);
  e.user = std::move(user);
  e.resource = "pods";
  e.target = {"c1", "", "v1", "Pod", std::move(ns), "web"};
  e.args = {{"user", e.user}, {"what", "Pod web"}};
  return e;
}

TEST(Detection, FromEventsToAlertsAndTheirLife) {
  TempDir dir = *TempDir::Make();
  Server s(dir.path());
  std::vector<std::string> told;
  s.alerts->SetTeller([&](const Alerts::Change& c) { told.push_back(c.ns + " " + c.state); });
  s.Start();
  s.Publish({Make("exec", "alice", 1), Make("get", "alice", 1), Make("exec", "alice", 2),
             Make("exec", "bob", 1)});
  auto alerts = s.Alerts_();
  ASSERT_THAT(alerts, SizeIs(2));
  EXPECT_EQ(alerts[0].StringAt("user"), "alice");
  EXPECT_EQ(alerts[0]["count"].ToInt(), 2);
  EXPECT_EQ(alerts[0]["events"].size(), 2U);
  EXPECT_EQ(alerts[0].StringAt("state"), "open");
  EXPECT_EQ(alerts[0].StringAt("severity"), "high");
  EXPECT_EQ(alerts[0]["target"].StringAt("namespace"), "prod");
  EXPECT_THAT(s.AlertEvents(), ElementsAre("exec opened", "exec opened"));
  EXPECT_THAT(told, ElementsAre("prod open", "prod open"));

  std::string id(alerts[0].StringAt("id"));
  ASSERT_TRUE(s.alerts->Acknowledge(id, {.by = "user:carol", .comment = "looking"}));
  auto again = s.alerts->Acknowledge(id, {.by = "user:carol"});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().id(), "alerts.state");
  ASSERT_TRUE(s.alerts->Assign(id, {.by = "user:carol"}, "user:dave"));
  ASSERT_TRUE(s.alerts->Comment(id, {.by = "user:dave", .comment = "一切正常"}));
  EXPECT_FALSE(s.alerts->Comment(id, {.by = "x", .comment = std::string(5000, 'x')}));
  // More of it while it is being looked at only counts.
  s.Publish({Make("exec", "alice", 3)});
  ASSERT_TRUE(s.alerts->Resolve(id, {.by = "user:dave"}, "expected"));
  EXPECT_FALSE(s.alerts->Resolve("none", {.by = "user:dave"}, "fixed"));
  // It happens again.
  Event later = Make("exec", "alice", 4);
  later.time_us = NowUs() + 1;
  s.Publish({later});
  alerts = s.Alerts_();
  EXPECT_EQ(alerts[0]["count"].ToInt(), 4);
  EXPECT_EQ(alerts[0].StringAt("state"), "open");
  EXPECT_EQ(alerts[0]["reopened"].ToInt(), 1);
  EXPECT_EQ(alerts[0].StringAt("assignee"), "user:dave");
  EXPECT_EQ(alerts[0]["comments"].size(), 2U);
  EXPECT_THAT(s.AlertEvents(),
              ElementsAre("exec opened", "exec opened", "exec acknowledged", "exec assigned",
                          "exec commented", "exec resolved", "exec reopened"));
  s.detection->Stop();
}

TEST(Detection, NothingIsCountedTwiceOverRestarts) {
  TempDir dir = *TempDir::Make();
  {
    Server s(dir.path());
    s.Start();
    s.Publish({Make("delete", "alice", 1), Make("delete", "alice", 2)});
    s.Publish({Make("exec", "alice", 1)});
    EXPECT_THAT(s.Alerts_(), SizeIs(1));
    s.detection->Stop();
    // Stored, but nobody looked at it: as after a crash.
    ASSERT_TRUE(s.pipeline->Publish({Make("delete", "alice", 3), Make("exec", "bob", 1)}));
  }
  {
    Server s(dir.path());
    s.Start();
    auto alerts = s.Alerts_();
    ASSERT_THAT(alerts, SizeIs(2));
    EXPECT_EQ(alerts[0]["count"].ToInt(), 1);  // alice's exec, once
    // The window goes on where it was: the fourth.
    s.Publish({Make("delete", "alice", 4), Make("delete", "alice", 1)});
    alerts = s.Alerts_();
    ASSERT_THAT(alerts, SizeIs(3));
    EXPECT_EQ(alerts[0].StringAt("rule"), "burst");
    EXPECT_EQ(alerts[0]["count"].ToInt(), 4);
    s.detection->Stop();
  }
  Server s(dir.path());
  s.Start();
  auto alerts = s.Alerts_();
  ASSERT_THAT(alerts, SizeIs(3));
  EXPECT_EQ(alerts[0]["count"].ToInt(), 4);
  s.detection->Stop();
}

TEST(Detection, PairsAreRemembered) {
  TempDir dir = *TempDir::Make();
  auto secret = [](std::string user, int n) {
    Event e = Make("get", std::move(user), n);
    e.resource = "secrets";
    return e;
  };
  {
    Server s(dir.path());
    s.Start();
    s.Publish({secret("alice", 1), secret("alice", 2)});
    ASSERT_THAT(s.Alerts_(), SizeIs(1));
    EXPECT_EQ(s.Alerts_()[0]["count"].ToInt(), 1);
  }
  Server s(dir.path());
  s.Start();
  s.Publish({secret("alice", 3)});
  EXPECT_EQ(s.Alerts_()[0]["count"].ToInt(), 1);
  s.detection->Stop();
}

TEST(Detection, SuppressionsAndSettingsAreKept) {
  TempDir dir = *TempDir::Make();
  {
    Server s(dir.path());
    s.Start();
    store::Batch batch;
    batch.Put("suppressions", "s1",
              fmt::format(R"({{"id":"s1","rule":"exec","match":{{"user":"ali*","ns":"prod"}},)"
                          R"("reason":"x","expires":"{}"}})",
                          FormatTime(NowUs() + int64_t{3600} * 1'000'000)));
    // One that matches everything is no suppression.
    batch.Put("suppressions", "s2", R"({"id":"s2","rule":"exec","match":{}})");
    ASSERT_TRUE(s.state->Commit(batch));
    ASSERT_TRUE(s.detection->ReloadSuppressions());
    ASSERT_TRUE(s.detection->Change("burst", {.enabled = false}));
    EXPECT_FALSE(s.detection->Change("none", {}));
    s.Publish({Make("exec", "alice", 1), Make("exec", "alice", 1, "dev"), Make("exec", "bob", 1)});
    EXPECT_THAT(s.Alerts_(), SizeIs(2));
  }
  Server s(dir.path());
  s.Start();
  EXPECT_FALSE(s.detection->View(*s.detection->rules().Find("burst")).enabled);
  s.Publish({Make("exec", "alice", 2), Make("delete", "a", 1), Make("delete", "a", 2),
             Make("delete", "a", 3), Make("delete", "a", 4)});
  EXPECT_THAT(s.Alerts_(), SizeIs(2));
  s.detection->Stop();
  auto record = s.state->Get("suppressions", "s1");
  ASSERT_TRUE(record && *record);
  EXPECT_THAT((*record)->body, HasSubstr("\"hits\":2"));
}

TEST(Detection, RulesAreTriedOnWhatIsStored) {
  TempDir dir = *TempDir::Make();
  Server s(dir.path());
  s.Start();
  s.Publish({Make("exec", "alice", 1), Make("exec", "bob", 1), Make("get", "bob", 1)});
  size_t before = s.Alerts_().size();
  auto rule = detect::ParseRule(*ParseJson(R"({"id":"mine","severity":"low","title":"t",
    "description":"d","remedy":"r","source":["audit"],"verbs":["exec"],
    "condition":"event.user == 'bob'","group":["user"]})",
                                           s.arena),
                                "x");
  ASSERT_TRUE(rule) << rule.error().ToString();
  auto trial = s.detection->Try(*rule, 0, store::Query::All(), 1000);
  ASSERT_TRUE(trial) << trial.error().ToString();
  EXPECT_EQ(trial->events, 2U);
  EXPECT_EQ(trial->matches, 1U);
  ASSERT_THAT(trial->first, SizeIs(1));
  EXPECT_EQ(trial->first[0].group, "bob");
  auto elsewhere = s.detection->Try(*rule, 0, store::Query::Equals("ns", "dev"), 1000);
  ASSERT_TRUE(elsewhere);
  EXPECT_EQ(elsewhere->events, 0U);
  EXPECT_THAT(s.Alerts_(), SizeIs(before));
  s.detection->Stop();
}

TEST(Alerts, GroupsOfStrangersAreBounded) {
  TempDir dir = *TempDir::Make();
  Server s(dir.path());
  Alerts alerts(*s.state, *s.pipeline, s.catalog, s.metrics, {.max_per_rule = 3});
  ASSERT_TRUE(alerts.Open());
  std::vector<Verdict> verdicts;
  for (int i = 0; i < 10; ++i) {
    Verdict v;
    v.rule = "probing";
    v.group = std::to_string(i);
    v.target.cluster = "c1";
    v.last_us = v.first_us = NowUs();
    v.events = {std::to_string(i)};
    verdicts.push_back(std::move(v));
  }
  ASSERT_TRUE(alerts.Raise(verdicts));
  auto all = s.Alerts_();
  ASSERT_THAT(all, SizeIs(4));
  auto record = s.state->Get(Alerts::kCollection, Alerts::Id("probing", "c1", "*"));
  ASSERT_TRUE(record && *record);
  EXPECT_THAT((*record)->body, HasSubstr("\"count\":7"));
  // Room again.
  ASSERT_TRUE(alerts.Resolve(Alerts::Id("probing", "c1", "0"), {.by = "x"}, "fixed"));
  ASSERT_TRUE(alerts.Resolve(Alerts::Id("probing", "c1", "1"), {.by = "x"}, "fixed"));
  verdicts[9].group = "new";
  ASSERT_TRUE(alerts.Raise(std::span(&verdicts[9], 1)));
  EXPECT_THAT(s.Alerts_(), SizeIs(5));
}

TEST(AuditWebhook, KnowsWhoSpeaks) {
  TempDir dir = *TempDir::Make();
  Server s(dir.path());
  std::string secret;
  const std::string body =
      R"({"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"auditID":"1","stage":"ResponseComplete","verb":"get","user":{"username":"a"}}]})";
  auto request = [&](std::string path, std::string text, std::string method = "POST") {
    net::ServerRequest r;
    r.method = std::move(method);
    r.path = path;
    for (size_t at = 1; at <= path.size();) {
      size_t end = std::min(path.find('/', at), path.size());
      r.segments.push_back(path.substr(at, end - at));
      at = end + 1;
    }
    r.body = std::move(text);
    return r;
  };
  {
    AuditWebhook hook(*s.state, *s.pipeline, s.metrics);
    ASSERT_TRUE(hook.Open());
    auto made = hook.Add(
        {.name = "prod", .cluster = "c1", .by = "user:a", .certificate_names = {"apiserver-prod"}});
    ASSERT_TRUE(made) << made.error().ToString();
    secret = made->secret;
    EXPECT_EQ(made->record.body.find(secret), std::string::npos);
    EXPECT_FALSE(hook.Add({.cluster = "c2", .certificate_names = {"apiserver-prod"}}));
  }
  AuditWebhook hook(*s.state, *s.pipeline, s.metrics);
  ASSERT_TRUE(hook.Open());
  EXPECT_EQ(hook.Handle(request("/audit/" + secret, body)).status, 200);
  auto repeated = hook.Handle(request("/audit/" + secret, body));
  EXPECT_THAT(repeated.body, HasSubstr("\"duplicates\":1"));
  for (const std::string& path : {std::string("/audit"), std::string("/audit/"),
                                  std::string("/audit/nope"), "/audit/" + secret + "/x"}) {
    EXPECT_EQ(hook.Handle(request(path, body)).status, 401) << path;
    ASSERT_TRUE(hook.Head(request(path, "")).refusal);
  }
  EXPECT_EQ(hook.Handle(request("/other", body)).status, 404);
  EXPECT_EQ(hook.Handle(request("/audit/" + secret, body, "GET")).status, 405);
  EXPECT_EQ(hook.Handle(request("/audit/" + secret, "{}")).status, 400);
  EXPECT_EQ(hook.Head(request("/audit/" + secret, "")).max_body_bytes, AuditWebhook::kMaxBody);
  // A certificate speaks for its source, but only one that was verified.
  auto by_name = request("/audit", ReplaceAll(body, "\"1\"", "\"2\""));
  auto certificate = std::make_shared<net::PeerCertificate>();
  certificate->common_name = "apiserver-prod";
  by_name.certificate = certificate;
  EXPECT_EQ(hook.Handle(by_name).status, 401);
  certificate->verified = true;
  EXPECT_EQ(hook.Handle(by_name).status, 200);
  certificate->common_name = "somebody";
  EXPECT_EQ(hook.Handle(by_name).status, 401);
  auto page = s.events->Search({.limit = 10});
  ASSERT_TRUE(page);
  ASSERT_THAT(page->events, SizeIs(2));
  EXPECT_EQ(page->events[0].cluster, "c1");
  auto sources = s.state->List(AuditWebhook::kCollection, {});
  ASSERT_TRUE(sources);
  ASSERT_TRUE(hook.Delete(sources->records[0].key));
  EXPECT_EQ(hook.Handle(request("/audit/" + secret, body)).status, 401);
}

TEST(AuditFile, EventsAndItsPlaceAreStored) {
  TempDir dir = *TempDir::Make();
  std::string log = dir.File("audit.log");
  auto line = [](int n) {
    return fmt::format(
        "{{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"auditID\":\"{}\",\"stage\":"
        "\"ResponseComplete\",\"verb\":\"get\"}}\n",
        n);
  };
  auto eventually = [](auto condition) {
    auto until = std::chrono::steady_clock::now() + 60s;
    while (!condition() && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(5ms);
    }
    return condition();
  };
  auto append = [&](const std::string& text) {
    auto fd = OpenFile(log, O_WRONLY | O_APPEND | O_CREAT);
    ASSERT_TRUE(fd);
    ASSERT_TRUE(WriteAll(fd->get(), text, log));
  };
  Server s(dir.path());
  ASSERT_TRUE(DefineAuditFiles(*s.state));
  auto stored = [&] { return *s.events->Count({}); };
  {
    AuditFileSource source({log, "c1"}, *s.state, *s.pipeline, s.metrics);
    source.Start();
    append(line(1) + "nonsense\n" + line(2));
    EXPECT_TRUE(eventually([&] { return stored() == 2; }));
    EXPECT_TRUE(eventually([&] { return s.state->Get("auditfiles", log)->has_value(); }));
  }
  append(line(3));
  AuditFileSource source({log, "c1"}, *s.state, *s.pipeline, s.metrics);
  source.Start();
  EXPECT_TRUE(eventually([&] { return stored() == 3; }));
  source.Stop();
  EXPECT_THAT(s.metrics.Expose(), HasSubstr("bulwark_audit_invalid_total{source=\"file\"} 1"));
}

}  // namespace
}  // namespace bulwark::audit
