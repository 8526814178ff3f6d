#include "features/audit/audit_event.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "features/audit/redact.h"
#include "features/audit/texts.h"
#include "formats/json.h"
#include "model/catalog.h"

namespace bulwark::audit {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

const Catalog& Texts() {
  static const Catalog* const catalog = [] {
    auto* made = new Catalog();
    AddTexts(*made);
    return made;
  }();
  return *catalog;
}

Event One(std::string_view json) {
  AuditReader reader({.cluster = "c1"});
  auto batch = reader.ReadBody(json);
  EXPECT_TRUE(batch) << batch.error().ToString();
  if (!batch || batch->events.size() != 1) {
    ADD_FAILURE() << "not one event: " << json << (batch ? batch->error : "");
    return {};
  }
  return batch->events[0];
}

std::string Audit(std::string_view rest) {
  return fmt::format(
      R"({{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"a1","stage":"ResponseComplete","user":{{"username":"alice","groups":["dev"]}},"sourceIPs":["10.9.9.9","192.0.2.7"],"userAgent":"kubectl","requestReceivedTimestamp":"2026-01-02T03:04:05.000006Z",{}}})",
      rest);
}

TEST(AuditEvent, SaysWhoDidWhatToWhat) {
  struct Case {
    std::string json, en, zh;
  };
  const Case kCases[] = {
      {R"("verb":"delete","objectRef":{"resource":"secrets","namespace":"prod","name":"db"},"responseStatus":{"code":200})",
       "alice deleted the Secret prod/db", "alice 删除了 Secret prod/db"},
      {R"("verb":"delete","objectRef":{"resource":"secrets","namespace":"prod","name":"db"},"responseStatus":{"code":403,"message":"forbidden: no"})",
       "alice was not allowed to delete the Secret prod/db", "alice 无权删除 Secret prod/db"},
      {R"("verb":"delete","objectRef":{"resource":"secrets","namespace":"prod","name":"db"},"responseStatus":{"code":404,"message":"not found"})",
       "alice tried to delete the Secret prod/db: not found",
       "alice 尝试删除 Secret prod/db，未成功：not found"},
      {R"("verb":"list","objectRef":{"resource":"pods","namespace":"prod"},"responseStatus":{"code":200})",
       "alice listed pods in namespace prod", "alice 列出了命名空间 prod 中的 pods"},
      {R"("verb":"list","objectRef":{"resource":"secrets"},"responseStatus":{"code":200})",
       "alice listed secrets of the whole cluster", "alice 列出了整个集群的 secrets"},
      {R"("verb":"create","requestURI":"/api/v1/namespaces/prod/pods/web/exec?command=cat&command=%2Fetc%2Fpasswd","objectRef":{"resource":"pods","namespace":"prod","name":"web","subresource":"exec"},"responseStatus":{"code":101})",
       "alice ran a command in the Pod prod/web: cat /etc/passwd",
       "在 Pod prod/web 中执行了命令：cat /etc/passwd"},
      {R"("verb":"create","objectRef":{"resource":"deployments","apiGroup":"apps","namespace":"prod"},"requestObject":{"kind":"Deployment"},"responseObject":{"metadata":{"name":"web-x1"}},"responseStatus":{"code":201})",
       "alice created the Deployment prod/web-x1", "alice 创建了 Deployment prod/web-x1"},
      {R"("verb":"patch","objectRef":{"resource":"widgets","apiGroup":"x.io","name":"w"},"responseStatus":{"code":200})",
       "alice changed the widgets w", "alice 修改了 widgets w"},
      {R"("verb":"update","objectRef":{"resource":"deployments","subresource":"scale","namespace":"prod","name":"web"},"responseStatus":{"code":200})",
       "alice scaled the Deployment prod/web", "调整了 Deployment prod/web 的副本数"},
      {R"("verb":"get","requestURI":"/metrics?x=1","responseStatus":{"code":200})",
       "alice called /metrics?x=1", "alice 访问了 /metrics?x=1"},
      {R"("verb":"delete","impersonatedUser":{"username":"bob"},"objectRef":{"resource":"nodes","name":"n1"},"responseStatus":{"code":200})",
       "alice → bob deleted the Node n1", "alice → bob 删除了 Node n1"},
  };
  for (const Case& c : kCases) {
    Event e = One(Audit(c.json));
    EXPECT_EQ(Texts().Message(e.message, e.args, Language::kEnglish), c.en);
    EXPECT_THAT(Texts().Message(e.message, e.args, Language::kChinese), HasSubstr(c.zh));
  }
}

TEST(AuditEvent, EveryDeedHasASentence) {
  for (std::string_view verb : {"get", "list", "watch", "create", "update", "patch", "delete",
                                "deletecollection", "connect", "proxy", ""}) {
    for (std::string_view sub :
         {"", "exec", "attach", "portforward", "log", "proxy", "status", "token", "scale",
          "eviction", "binding", "finalize", "path", "other", "ephemeralcontainers"}) {
      for (std::string_view outcome : {"", "allowed", "denied", "failed"}) {
        for (bool ns : {false, true}) {
          std::string id = AuditMessageId(verb, "pods", sub, ns, outcome);
          const Text* text = Texts().Find(id);
          ASSERT_NE(text, nullptr) << id;
          EXPECT_FALSE(text->zh.empty()) << id;
        }
      }
    }
  }
  EXPECT_NE(Texts().Find(KubernetesMessageId("Nothing we know")), nullptr);
}

TEST(AuditEvent, Keys) {
  Event e = One(Audit(
      R"("verb":"create","objectRef":{"resource":"pods","namespace":"prod","name":"web","subresource":"exec","apiVersion":"v1"},"responseStatus":{"code":101})"));
  EXPECT_EQ(e.kind, "audit");
  EXPECT_EQ(e.cluster, "c1");
  EXPECT_EQ(e.verb, "exec");
  EXPECT_EQ(e.outcome, "allowed");
  EXPECT_EQ(e.user, "alice");
  EXPECT_EQ(e.source_ip, "192.0.2.7");  // the last: a client can write the others
  EXPECT_EQ(e.resource, "pods/exec");
  EXPECT_EQ(e.target.Key(), (Asset{"c1", "", "v1", "Pod", "prod", "web"}.Key()));
  EXPECT_EQ(e.pod, "web");
  EXPECT_EQ(e.time_us, 1767323045000006);
  EXPECT_EQ(e.id, EventId({"audit", "c1", "a1", "ResponseComplete"}));
}

TEST(AuditEvent, StagesOfOneRequest) {
  AuditReader reader({});
  auto stage = [&](std::string_view stage, std::string_view sub) {
    AuditBatch batch;
    reader.ReadLine(
        fmt::format(
            R"({{"auditID":"x","stage":"{}","verb":"get","user":{{"username":"a"}},"objectRef":{{"resource":"pods","name":"p","namespace":"n","subresource":"{}"}},"responseStatus":{{"code":101}}}})",
            stage, sub),
        batch);
    return batch;
  };
  EXPECT_EQ(stage("RequestReceived", "exec").passed_over, 1U);
  EXPECT_EQ(stage("ResponseStarted", "").passed_over, 1U);  // a watch
  auto begun = stage("ResponseStarted", "exec"), ended = stage("ResponseComplete", "exec");
  ASSERT_THAT(begun.events, SizeIs(1));
  ASSERT_THAT(ended.events, SizeIs(1));
  EXPECT_EQ(begun.events[0].verb, "exec");
  EXPECT_EQ(ended.events[0].verb, "ended");
  EXPECT_EQ(ended.events[0].message, kStreamEnded);
  EXPECT_NE(begun.events[0].id, ended.events[0].id);
  // Where the policy leaves ResponseStarted out.
  AuditReader fresh({});
  AuditBatch batch;
  fresh.ReadLine(
      R"({"auditID":"y","stage":"ResponseComplete","verb":"get","objectRef":{"resource":"pods","name":"p","subresource":"exec"}})",
      batch);
  ASSERT_THAT(batch.events, SizeIs(1));
  EXPECT_EQ(batch.events[0].verb, "exec");
}

TEST(AuditEvent, BatchesAndLines) {
  AuditReader reader({});
  auto list = reader.ReadBody(
      R"({"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[
        {"auditID":"1","stage":"ResponseComplete","verb":"get"},
        {"auditID":"2","stage":"RequestReceived","verb":"get"},
        {"stage":"ResponseComplete"}, 5,
        {"auditID":"3","stage":"Panic","verb":"get"}]})");
  ASSERT_TRUE(list);
  EXPECT_THAT(list->events, SizeIs(2));
  EXPECT_EQ(list->events[1].outcome, "failed");
  EXPECT_EQ(list->passed_over, 1U);
  EXPECT_EQ(list->invalid, 2U);
  EXPECT_THAT(list->error, HasSubstr("auditID"));
  auto lines = reader.ReadBody(
      "{\"auditID\":\"1\",\"stage\":\"ResponseComplete\"}\n\n{\"auditID\":\"2\",\"stage\":"
      "\"ResponseComplete\"}\nnonsense\n");
  ASSERT_TRUE(lines);
  EXPECT_THAT(lines->events, SizeIs(2));
  EXPECT_EQ(lines->invalid, 1U);
  for (std::string_view bad :
       {"", "nonsense", "[]", "{}", R"({"kind":"PodList","apiVersion":"v1","items":[]})",
        R"({"kind":"EventList","apiVersion":"audit.k8s.io/v1beta1","items":[]})"}) {
    EXPECT_FALSE(reader.ReadBody(bad)) << bad;
  }
  AuditReader small({.max_events = 1});
  auto many = small.ReadBody(
      R"({"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"auditID":"1","stage":"x"},{"auditID":"2","stage":"x"}]})");
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().code(), Code::kLimit);
}

TEST(AuditEvent, SecretsAreTakenOut) {
  struct Case {
    std::string json;
    std::vector<std::string> kept;
  };
  const Case kCases[] = {
      {R"("verb":"create","objectRef":{"resource":"secrets","name":"db"},"requestObject":{"kind":"Secret","metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{hunter2}"}},"data":{"password":"hunter2"},"stringData":{"x":"hunter2"}})",
       {"\"password\":\"[redacted]\"", "\"kind\":\"Secret\""}},
      {R"("verb":"list","objectRef":{"resource":"secrets"},"responseObject":{"kind":"SecretList","items":[{"metadata":{"name":"db"},"data":{"a":"hunter2"}}]})",
       {"\"name\":\"db\""}},
      {R"("verb":"patch","objectRef":{"resource":"secrets","name":"db"},"requestObject":[{"op":"replace","path":"/data/a","value":"hunter2"}])",
       {"/data/a"}},
      {R"("verb":"patch","objectRef":{"resource":"secrets","name":"db"},"requestObject":{"data":{"a":"hunter2"}})",
       {}},
      {R"("verb":"create","objectRef":{"resource":"configmaps","name":"c"},"requestObject":{"data":{"a.conf":"hunter2"}})",
       {"a.conf"}},
      {R"("verb":"create","objectRef":{"resource":"serviceaccounts","subresource":"token","name":"c"},"responseObject":{"kind":"TokenRequest","status":{"token":"hunter2","expirationTimestamp":"2026-01-01T00:00:00Z"}})",
       {"expirationTimestamp"}},
      {R"("verb":"create","objectRef":{"resource":"pods","name":"p"},"requestObject":{"kind":"Pod","spec":{"containers":[{"name":"c","image":"nginx","env":[{"name":"DB_PASSWORD","value":"hunter2"},{"name":"MODE","value":"fast"}]}]}})",
       {"nginx", "\"fast\""}},
      {R"("verb":"create","objectRef":{"resource":"widgets","name":"p"},"requestObject":{"spec":{"adminPassword":"hunter2-and-more"}})",
       {"adminPassword"}},
      {R"("verb":"get","requestURI":"/api?watch=1&token=hunter2&access_token=hunter2")",
       {"watch=1"}},
      {R"("verb":"create","objectRef":{"resource":"configs","name":"k"},"requestObject":{"key":"-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----"})",
       {}},
  };
  for (const Case& c : kCases) {
    Event e = One(Audit(c.json));
    EXPECT_THAT(e.body, Not(HasSubstr("hunter2"))) << c.json;
    EXPECT_THAT(e.body, HasSubstr(kRedacted)) << c.json;
    for (const auto& [name, value] : e.args) EXPECT_THAT(value, Not(HasSubstr("hunter2")));
    EXPECT_THAT(e.resource, Not(HasSubstr("hunter2")));
    for (const std::string& kept : c.kept) EXPECT_THAT(e.body, HasSubstr(kept)) << c.json;
    Arena arena;
    EXPECT_TRUE(ParseJson(e.body, arena)) << e.body;
  }
  // What is no secret stays as it is.
  Event plain = One(Audit(
      R"("verb":"create","objectRef":{"resource":"pods","name":"p"},"requestObject":{"spec":{"volumes":[{"secret":{"secretName":"tls"}}],"serviceAccountName":"web","automountServiceAccountToken":true}})"));
  EXPECT_THAT(plain.body, Not(HasSubstr(kRedacted)));
}

TEST(AuditEvent, LargeEventsAreKeptInParts) {
  AuditReader reader({.max_event_bytes = 4'000});
  std::string noise(10'000, 'x');
  AuditBatch batch;
  // Padding does not hide what a rule looks for.
  reader.ReadLine(
      Audit(fmt::format(
          R"("verb":"create","objectRef":{{"resource":"pods","name":"p"}},"requestObject":{{"kind":"Pod","metadata":{{"annotations":{{"a":"{}"}}}},"spec":{{"x":"{}","hostPID":true}}}})",
          noise, noise)),
      batch);
  std::string many;
  for (int i = 0; i < 2000; ++i) many += fmt::format(R"("k{}":{},)", i, i);
  reader.ReadLine(
      Audit(fmt::format(
          R"("verb":"create","objectRef":{{"resource":"pods","name":"p"}},"requestObject":{{{}"z":1}})",
          many)),
      batch);
  ASSERT_THAT(batch.events, SizeIs(2));
  EXPECT_EQ(batch.shortened, 2U);
  for (const Event& e : batch.events) {
    EXPECT_LE(e.body.size(), 4'000U);
    Arena arena;
    auto body = ParseJson(e.body, arena);
    ASSERT_TRUE(body) << e.body;
    EXPECT_TRUE((*body)["shortened"]["bytes"].IsInt());
    EXPECT_EQ(body->StringAt("auditID"), "a1");
  }
  EXPECT_THAT(batch.events[0].body, HasSubstr("\"hostPID\":true"));
  EXPECT_THAT(batch.events[1].body, Not(HasSubstr("requestObject")));
}

}  // namespace
}  // namespace bulwark::audit
