// The client against a small server that answers as an API server would; what a real one does is
// tests/e2e's.

#include "kube/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "net/test_server.h"

namespace bulwark::kube {
namespace {

using namespace std::chrono_literals;
using net::TestServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Resource kPods{"", "v1", "Pod", "pods", true, {"list", "watch"}};

constexpr std::string_view kVersion = R"({"major":"1","minor":"33+","gitVersion":"v1.33.2-eks"})";

std::string Status(int code, std::string_view reason, std::string_view message,
                   std::string_view token = {}) {
  return fmt::format(
      R"({{"kind":"Status","code":{},"reason":"{}","message":"{}","metadata":{{"continue":"{}"}}}})",
      code, reason, message, token);
}

std::string Page(std::vector<std::string> names, std::string_view token, int version = 7) {
  std::string items;
  for (const std::string& name : names) {
    items += fmt::format(R"({}{{"metadata":{{"namespace":"a","name":"{}"}}}})",
                         items.empty() ? "" : ",", name);
  }
  return fmt::format(
      R"({{"kind":"PodList","metadata":{{"resourceVersion":"{}","continue":"{}"}},"items":[{}]}})",
      version, token, items);
}

class ClientTest : public testing::Test {
 protected:
  // Answers /version; everything else is the handler's.
  void Serve(TestServer::Handler handler) {
    server_ = std::make_unique<TestServer>(
        [handler = std::move(handler)](const TestServer::Request& r, TestServer::Reply& reply) {
          if (r.path() == "/version") return reply.Send(200, kVersion);
          handler(r, reply);
        });
    auto client = Client::Connect(
        {.context = "test", .server = server_->url(), .token = "hidden"},
        {.retries = 3, .first_wait = 1ms, .max_wait = 50ms, .max_answer_bytes = 4096});
    ASSERT_TRUE(client) << client.error().ToString();
    client_.emplace(std::move(*client));
  }
  Result<ListOutcome> List(ListOptions options = {}, std::string ns = "") {
    names_.clear();
    return client_->List(kPods, ns, options, [&](const ListPage& page) -> Result<> {
      for (const auto& item : page.items) names_.push_back(item.key.substr(item.key.find('/') + 1));
      return Ok();
    });
  }

  std::unique_ptr<TestServer> server_;
  std::optional<Client> client_;
  std::vector<std::string> names_;
};

TEST_F(ClientTest, ConnectReadsTheVersion) {
  Serve([](const auto&, auto&) {});
  EXPECT_EQ(client_->minor_version(), 33);
  EXPECT_EQ(client_->git_version(), "v1.33.2-eks");
}

TEST_F(ClientTest, ConnectSaysWhatIsWrong) {
  TestServer server([](const TestServer::Request& r, TestServer::Reply& reply) {
    if (r.headers.at("authorization") == "Bearer web") return reply.Send(200, "<html>");
    reply.Send(401, Status(401, "Unauthorized", "Unauthorized"));
  });
  auto refused = Client::Connect({.context = "x", .server = server.url(), .token = "bad"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "kube.unauthorized");
  EXPECT_EQ(refused.error().code(), Code::kDenied);
  EXPECT_THAT(refused.error().ToString(), HasSubstr("(context x)"));
  auto other = Client::Connect({.server = server.url(), .token = "web"});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().id(), "kube.answer");
}

TEST_F(ClientTest, PagesFollowEachOther) {
  Serve([](const TestServer::Request& r, TestServer::Reply& reply) {
    EXPECT_EQ(r.headers.at("authorization"), "Bearer hidden");
    EXPECT_EQ(r.path(), "/api/v1/namespaces/a/pods");
    EXPECT_EQ(r.Query("limit"), "2");
    EXPECT_EQ(r.Query("labelSelector"), "app in (x,y)");
    std::string token = r.Query("continue");
    reply.Send(200, token.empty()      ? Page({"1", "2"}, "to/3=")
                    : token == "to/3=" ? Page({"3", "4"}, "to5")
                                       : Page({"5"}, ""));
  });
  auto outcome = List({.label_selector = "app in (x,y)", .limit = 2}, "a");
  ASSERT_TRUE(outcome) << outcome.error().ToString();
  EXPECT_THAT(names_, ElementsAre("1", "2", "3", "4", "5"));
  EXPECT_EQ(outcome->pages, 3);
  EXPECT_EQ(outcome->items, 5);
  EXPECT_EQ(outcome->resource_version, "7");
}

TEST_F(ClientTest, AnEmptyListIsOne) {
  Serve([](const auto&, TestServer::Reply& reply) {
    reply.Send(200, R"({"kind":"PodList","metadata":{"resourceVersion":"3"},"items":null})");
  });
  auto outcome = List();
  ASSERT_TRUE(outcome) << outcome.error().ToString();
  EXPECT_THAT(names_, IsEmpty());
  EXPECT_EQ(outcome->resource_version, "3");
}

// The token has expired in the middle: the server offers to go on.
TEST_F(ClientTest, GoneGoesOnWhereItWas) {
  Serve([](const TestServer::Request& r, TestServer::Reply& reply) {
    std::string token = r.Query("continue");
    if (token == "old") return reply.Send(410, Status(410, "Expired", "too old", "after-2"));
    reply.Send(200, token.empty() ? Page({"1", "2"}, "old") : Page({"3"}, "", 9));
  });
  auto outcome = List();
  ASSERT_TRUE(outcome) << outcome.error().ToString();
  EXPECT_THAT(names_, ElementsAre("1", "2", "3"));
  EXPECT_EQ(outcome->restarts, 1);
}

// … or does not: from the beginning, and nothing twice.
TEST_F(ClientTest, GoneStartsAnewWithoutDuplicates) {
  std::atomic<int> first_pages = 0;
  Serve([&](const TestServer::Request& r, TestServer::Reply& reply) {
    std::string token = r.Query("continue");
    if (token == "old") return reply.Send(410, Status(410, "Expired", "too old"));
    if (token == "new") return reply.Send(200, Page({"3", "4"}, ""));
    ++first_pages;
    reply.Send(200, first_pages == 1 ? Page({"1", "2"}, "old") : Page({"0", "1", "2"}, "new"));
  });
  auto outcome = List();
  ASSERT_TRUE(outcome) << outcome.error().ToString();
  EXPECT_THAT(names_, ElementsAre("1", "2", "0", "3", "4"));
  EXPECT_EQ(outcome->items, 5);

  first_pages = 0;
  auto consistent = List({.consistent = true});
  ASSERT_FALSE(consistent);
  EXPECT_EQ(consistent.error().id(), "kube.gone");
}

TEST_F(ClientTest, GoneForEverEnds) {
  Serve([](const TestServer::Request& r, TestServer::Reply& reply) {
    if (r.Query("continue").empty()) return reply.Send(200, Page({"1"}, "old"));
    reply.Send(410, Status(410, "Expired", "too old"));
  });
  auto outcome = List();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().id(), "kube.gone");
  EXPECT_LT(server_->Log().size(), 20U);
}

TEST_F(ClientTest, WaitsAsLongAsTheServerSays) {
  std::atomic<int> asked = 0;
  Serve([&](const TestServer::Request&, TestServer::Reply& reply) {
    if (++asked == 1)
      return reply.Send(429, Status(429, "TooManyRequests", "busy"), {"Retry-After: 1"});
    if (asked == 2) return reply.Send(503, "", {"Retry-After: 0"});
    reply.Send(200, Page({"1"}, ""));
  });
  auto start = std::chrono::steady_clock::now();
  auto outcome = List();
  ASSERT_TRUE(outcome) << outcome.error().ToString();
  EXPECT_EQ(asked, 3);
  auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, 50ms);  // max_wait bounds the second that was asked for
  EXPECT_LT(took, 900ms);
}

TEST_F(ClientTest, BusyForEverEnds) {
  std::atomic<int> asked = 0;
  Serve([&](const TestServer::Request&, TestServer::Reply& reply) {
    ++asked;
    reply.Send(429, Status(429, "TooManyRequests", "busy"));
  });
  auto outcome = List();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().id(), "kube.busy");
  EXPECT_EQ(asked, 4);  // once, and three retries
}

TEST_F(ClientTest, ErrorsAreNamed) {
  struct Case {
    int status;
    std::string id;
    Code code;
  };
  std::atomic<int> status = 0;
  Serve([&](const TestServer::Request&, TestServer::Reply& reply) {
    reply.Send(status, Status(status, "x", "the server's words"));
  });
  for (const Case& c : std::vector<Case>{
           {401, "kube.unauthorized", Code::kDenied},
           {403, "kube.forbidden", Code::kDenied},
           {404, "kube.not_found", Code::kNotFound},
           {410, "kube.gone", Code::kUnavailable},
           {500, "kube.server", Code::kUnavailable},
           {400, "kube.refused", Code::kInvalid},
           {302, "kube.refused", Code::kInvalid},
       }) {
    status = c.status;
    auto outcome = List({}, "prod");
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().id(), c.id);
    EXPECT_EQ(outcome.error().code(), c.code);
    EXPECT_THAT(outcome.error().message(), HasSubstr("the server's words"));
    EXPECT_EQ(outcome.error().args().at(0).value, "list");
    EXPECT_EQ(outcome.error().args().at(1).value, "pods in namespace prod");
  }
  status = 403;
  EXPECT_EQ(List().error().message(), "forbidden: the server's words");
}

TEST_F(ClientTest, RefusesWhatIsNoList) {
  std::atomic<const char*> body;
  Serve(
      [&](const TestServer::Request&, TestServer::Reply& reply) { reply.Send(200, body.load()); });
  for (const char* text : {"", "null", "[]", "{}", "<html>", R"({"metadata":{},"items":{}})",
                           R"({"metadata":3,"items":[]})", R"({"metadata":{},"items":[)"}) {
    body = text;
    auto outcome = List();
    ASSERT_FALSE(outcome) << text;
    EXPECT_EQ(outcome.error().id(), "kube.answer") << text;
  }
  // Odd items are passed on; they have no names.
  body = R"({"metadata":{},"items":[1,{"metadata":null},{"metadata":{"name":"x"}}]})";
  auto outcome = List();
  ASSERT_TRUE(outcome) << outcome.error().ToString();
}

TEST_F(ClientTest, PagesTooBigAreAskedForSmaller) {
  Serve([](const TestServer::Request& r, TestServer::Reply& reply) {
    int limit = std::stoi(r.Query("limit"));
    if (limit > 10) return reply.Send(200, std::string(5000, ' '));
    reply.Send(200, Page({r.Query("continue") + "x"}, r.Query("continue").empty() ? "more" : ""));
  });
  auto outcome = List({.limit = 100});
  ASSERT_TRUE(outcome) << outcome.error().ToString();
  EXPECT_THAT(names_, ElementsAre("x", "morex"));
}

TEST_F(ClientTest, StopEndsAWait) {
  Serve([](const TestServer::Request&, TestServer::Reply& reply) { reply.Sleep(20s); });
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(50ms);
    stop.request_stop();
  });
  auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(List({.stop = stop.get_token()}));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

TEST_F(ClientTest, DiscoversAggregated) {
  Serve([](const TestServer::Request& r, TestServer::Reply& reply) {
    EXPECT_THAT(r.headers.at("accept"), HasSubstr("APIGroupDiscoveryList"));
    if (r.path() == "/api") {
      return reply.Send(200, R"({"kind":"APIGroupDiscoveryList","items":[{"metadata":{},
        "versions":[{"version":"v1","freshness":"Current","resources":[
          {"resource":"pods","responseKind":{"kind":"Pod"},"scope":"Namespaced","verbs":["list"],
           "subresources":[{"subresource":"log"}]}]}]}]})");
    }
    reply.Send(200, R"({"kind":"APIGroupDiscoveryList","items":[
      {"metadata":{"name":"autoscaling"},"versions":[
        {"version":"v2","resources":[{"resource":"hpas","responseKind":{"kind":"HPA"},
          "scope":"Namespaced","verbs":["list"]}]},
        {"version":"v1","resources":[{"resource":"hpas","responseKind":{"kind":"HPA"},
          "scope":"Namespaced","verbs":["list"]}]}]},
      {"metadata":{"name":"metrics.k8s.io"},"versions":[{"version":"v1beta1",
        "freshness":"Stale"}]}]})");
  });
  auto served = client_->Discover();
  ASSERT_TRUE(served) << served.error().ToString();
  EXPECT_THAT(served->resources,
              ElementsAre(Resource{"", "v1", "Pod", "pods", true, {"list"}},
                          Resource{"autoscaling", "v2", "HPA", "hpas", true, {"list"}}));
  ASSERT_EQ(served->failures.size(), 1U);
  EXPECT_EQ(served->failures[0].what, "metrics.k8s.io/v1beta1");
}

TEST_F(ClientTest, DiscoversGroupByGroup) {
  Serve([](const TestServer::Request& r, TestServer::Reply& reply) {
    std::string path = r.path();
    if (path == "/api") return reply.Send(200, R"({"kind":"APIVersions","versions":["v1"]})");
    if (path == "/apis") {
      return reply.Send(200, R"({"kind":"APIGroupList","groups":[
        {"name":"batch","versions":[{"version":"v1beta1"},{"version":"v1"}],
         "preferredVersion":{"version":"v1"}},
        {"name":"broken.io","versions":[{"version":"v1"}]}]})");
    }
    if (path == "/api/v1") {
      return reply.Send(200, R"({"resources":[
        {"name":"nodes","namespaced":false,"kind":"Node","verbs":["list"]},
        {"name":"nodes/proxy","kind":"NodeProxyOptions"}]})");
    }
    if (path == "/apis/batch/v1" || path == "/apis/batch/v1beta1") {
      return reply.Send(200, R"({"resources":[
        {"name":"jobs","namespaced":true,"kind":"Job","verbs":["list"]}]})");
    }
    reply.Send(503, "service unavailable");
  });
  auto served = client_->Discover();
  ASSERT_TRUE(served) << served.error().ToString();
  EXPECT_THAT(served->resources,
              ElementsAre(Resource{"", "v1", "Node", "nodes", false, {"list"}},
                          Resource{"batch", "v1", "Job", "jobs", true, {"list"}}));
  ASSERT_EQ(served->failures.size(), 1U);
  EXPECT_EQ(served->failures[0].what, "broken.io/v1");
  EXPECT_THAT(served->failures[0].error, HasSubstr("503"));
}

TEST(Resource, Paths) {
  Resource roles{"rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", false, {}};
  EXPECT_EQ(kPods.Path(), "/api/v1/pods");
  EXPECT_EQ(kPods.Path("a", "b"), "/api/v1/namespaces/a/pods/b");
  EXPECT_EQ(roles.Path("", "system:x/../y"),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Ax%2F..%2Fy");
  EXPECT_EQ(Describe(kPods, ""), "pods (cluster-wide)");
  EXPECT_EQ(Describe(kPods, "a"), "pods in namespace a");
  EXPECT_EQ(Describe(roles, ""), "clusterroles.rbac.authorization.k8s.io");
}

}  // namespace
}  // namespace bulwark::kube
