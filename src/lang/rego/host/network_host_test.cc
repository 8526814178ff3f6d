#include "lang/rego/host/network_host.h"

#include <gtest/gtest.h>

#include <atomic>

#include "formats/json.h"
#include "net/test_server.h"

namespace bulwark::rego {
namespace {

using net::TestServer;

// The answer as JSON, or "code: message".
std::string Send(Host& host, const std::string& request) {
  Arena arena;
  Context context(arena, host);
  Value argument = ParseJson(request, arena).value();
  Value out;
  const Builtin* builtin = Registry::Standard().Find("http.send");
  switch (builtin->call(context, {&argument, 1}, out)) {
    case Outcome::kValue: return ToJson(out, {.sort_keys = true});
    case Outcome::kError: return context.error_code + ": " + context.error;
    default: return "neither";
  }
}

std::string Request(const std::string& url, const std::string& more = "") {
  return R"({"method": "get", "url": ")" + url + "\"" + more + "}";
}

class NetworkHostTest : public ::testing::Test {
 protected:
  NetworkHost host_{{.allowed_hosts = {"127.0.0.1"}}};
};

TEST_F(NetworkHostTest, AnswersAreDecodedByTheirType) {
  TestServer server([](const TestServer::Request& request, TestServer::Reply& reply) {
    if (request.path() == "/json") reply.Send(200, R"({"a": [1, 2.50]})");
    if (request.path() == "/broken") reply.Send(404, "{");
  });
  std::string json = Send(host_, Request(server.url() + "/json"));
  EXPECT_NE(json.find(R"("body":{"a":[1,2.5)"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("raw_body":"{\"a\": [1, 2.50]}")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("status":"200 OK","status_code":200)"), std::string::npos) << json;
  std::string broken = Send(host_, Request(server.url() + "/broken"));
  EXPECT_NE(broken.find(R"("body":null)"), std::string::npos) << broken;
  EXPECT_NE(broken.find(R"("status":"404 Not Found")"), std::string::npos) << broken;
}

TEST_F(NetworkHostTest, MethodBodyAndHeadersArrive) {
  TestServer server([](const TestServer::Request& request, TestServer::Reply& reply) {
    auto header = request.headers.find("x-team");
    reply.Send(200, request.method + "|" + request.body + "|" +
                        (header == request.headers.end() ? "" : header->second));
  });
  std::string got = Send(host_, R"({"method": "post", "url": ")" + server.url() +
                                    R"(/", "body": {"b": "<x>", "a": 1},)"
                                    R"( "headers": {"X-Team": "security"}})");
  EXPECT_NE(got.find(R"(POST|{\"a\":1,\"b\":\"\\u003cx\\u003e\"}|security)"), std::string::npos)
      << got;
}

TEST_F(NetworkHostTest, OtherHostsAreNotAsked) {
  EXPECT_EQ(Send(host_, Request("http://metadata.internal/x")),
            "eval_builtin_error: disallowed host: metadata.internal");
  EXPECT_EQ(Send(host_, Request("http://metadata.internal/x", R"(, "raise_error": false)")),
            R"({"error":{"code":"eval_http_send_internal_error","message":)"
            R"("disallowed host: metadata.internal"},"status_code":0})");
  NetworkHost closed({});
  EXPECT_EQ(Send(closed, Request("http://127.0.0.1:1/")),
            "eval_builtin_error: disallowed host: 127.0.0.1");
  Host none;
  EXPECT_EQ(Send(none, Request("http://127.0.0.1:1/")),
            "eval_builtin_error: the host lends no network");
}

TEST_F(NetworkHostTest, ARefusedConnectionIsANetworkError) {
  std::string url;
  {
    TestServer server([](const TestServer::Request&, TestServer::Reply&) {});
    url = server.url();
  }
  std::string got = Send(host_, Request(url + "/", R"(, "raise_error": false)"));
  EXPECT_NE(got.find("eval_http_send_network_error"), std::string::npos) << got;
  EXPECT_NE(got.find(R"("status_code":0)"), std::string::npos) << got;
}

TEST_F(NetworkHostTest, RedirectsAreFollowedOnRequestAndChecked) {
  TestServer server([](const TestServer::Request& request, TestServer::Reply& reply) {
    if (request.path() == "/from") reply.Send(302, "", {"Location: /to"});
    if (request.path() == "/out") reply.Send(302, "", {"Location: http://evil.example/"});
    if (request.path() == "/loop") reply.Send(302, "", {"Location: /loop"});
    if (request.path() == "/to") reply.Send(200, "there");
  });
  std::string follow = R"(, "enable_redirect": true)";
  EXPECT_NE(Send(host_, Request(server.url() + "/from")).find("302 Found"), std::string::npos);
  EXPECT_NE(Send(host_, Request(server.url() + "/from", follow)).find("there"), std::string::npos);
  EXPECT_EQ(Send(host_, Request(server.url() + "/out", follow)),
            "eval_builtin_error: disallowed host: evil.example");
  std::string loop = Send(host_, Request(server.url() + "/loop", follow));
  EXPECT_NE(loop.find("stopped after 10 redirects"), std::string::npos) << loop;
}

TEST_F(NetworkHostTest, AnswersAreKeptAsLongAsTheyAreTold) {
  std::atomic<int> asked = 0;
  TestServer server([&](const TestServer::Request& request, TestServer::Reply& reply) {
    ++asked;
    if (request.path() == "/etag") {
      if (request.headers.contains("if-none-match")) {
        reply.Send(304, "", {"Date: Mon, 01 Jan 2001 00:00:00 GMT"});
        return;
      }
      reply.Send(200, "tagged", {"ETag: \"1\""});
      return;
    }
    reply.Send(200, "kept");
  });
  std::string forced = Request(server.url() + "/a",
                               R"(, "force_cache": true, "force_cache_duration_seconds": 1000)");
  Send(host_, forced);
  EXPECT_NE(Send(host_, forced).find("kept"), std::string::npos);
  EXPECT_EQ(asked, 1);
  Send(host_, Request(server.url() + "/a"));
  EXPECT_EQ(asked, 2);
  // Without a time it is stale at once, and asked for again with its tag.
  std::string tagged = Request(server.url() + "/etag", R"(, "cache": true)");
  Send(host_, tagged);
  EXPECT_NE(Send(host_, tagged).find("tagged"), std::string::npos);
  EXPECT_EQ(asked, 4);
}

TEST_F(NetworkHostTest, FilesAndEnvironmentAreClosed) {
  std::string got =
      Send(host_, Request("https://127.0.0.1:1/", R"(, "tls_ca_cert_file": "/etc/passwd")"));
  EXPECT_EQ(got, "eval_builtin_error: files are not open to policies: /etc/passwd");
  got = Send(host_, Request("https://127.0.0.1:1/", R"(, "tls_ca_cert_env_variable": "HOME")"));
  EXPECT_EQ(got, "eval_builtin_error: the environment is not open to policies: HOME");
}

TEST_F(NetworkHostTest, NamesAreLookedUpWhereAllowed) {
  NetworkHost host({.allowed_hosts = {"localhost"}});
  Result<std::vector<std::string>> addresses = host.LookupAddress("localhost");
  ASSERT_TRUE(addresses.has_value()) << addresses.error().ToString();
  EXPECT_FALSE(addresses->empty());
  EXPECT_EQ(host.LookupAddress("example.com").error().message(), "disallowed host: example.com");
}

TEST_F(NetworkHostTest, RuntimeAndPrintAreTheOptions) {
  std::string printed;
  NetworkHost host({.runtime = {{"version", "1"}},
                    .environment = {{"A", "b"}},
                    .print = [&](std::string_view text, std::string_view) { printed = text; }});
  Arena arena;
  EXPECT_EQ(ToJson(host.Runtime(arena)), R"({"env":{"A":"b"},"version":"1"})");
  host.Print("hello", "a.rego:1");
  EXPECT_EQ(printed, "hello");
}

}  // namespace
}  // namespace bulwark::rego
