#include "net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <atomic>
#include <thread>

#include "net/test_server.h"

namespace bulwark::net {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(HttpClient, SendsWhatItWasToldAndReadsTheAnswer) {
  TestServer server([](const TestServer::Request& r, TestServer::Reply& reply) {
    reply.Send(201, r.method + "|" + r.target + "|" + r.headers.at("x-test") + "|" + r.body,
               {"X-Answer: yes", "Content-Type: text/plain"});
  });
  HttpClient client;
  for (std::string method : {"POST", "PUT", "PATCH", "DELETE"}) {
    auto answer = client.Send({.method = method,
                               .url = server.url() + "/a?b=c",
                               .headers = {{"X-Test", "1"}},
                               .body = "text"});
    ASSERT_TRUE(answer) << answer.error().ToString();
    EXPECT_EQ(answer->status, 201);
    EXPECT_EQ(answer->body, method + "|/a?b=c|1|text");
    EXPECT_EQ(answer->Header("x-answer"), "yes");
    EXPECT_EQ(answer->Header("x-other"), "");
  }
  EXPECT_EQ(server.connections(), 1);  // kept and used again
}

TEST(HttpClient, AStatusIsNoError) {
  TestServer server([](const TestServer::Request& r, TestServer::Reply& reply) {
    reply.Send(std::stoi(r.target.substr(1)), "body");
  });
  HttpClient client;
  for (int status : {301, 400, 403, 404, 429, 500, 503}) {
    auto answer = client.Send({.url = server.url() + "/" + std::to_string(status)});
    ASSERT_TRUE(answer) << answer.error().ToString();
    EXPECT_EQ(answer->status, status);
    EXPECT_EQ(answer->body, "body");
  }
}

TEST(HttpClient, StreamsABodyOfSuccessOnly) {
  TestServer server([](const TestServer::Request& r, TestServer::Reply& reply) {
    reply.Begin(r.target == "/ok" ? 200 : 500);
    for (int i = 0; i < 3; ++i) reply.Chunk("part");
  });
  HttpClient client;
  std::string got;
  auto take = [&](std::string_view part) -> Result<> {
    got += part;
    return Ok();
  };
  auto answer = client.Send({.url = server.url() + "/ok", .on_body = take});
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_EQ(got, "partpartpart");
  EXPECT_EQ(answer->body, "");
  got.clear();
  answer = client.Send({.url = server.url() + "/bad", .on_body = take});
  ASSERT_TRUE(answer);
  EXPECT_EQ(got, "");
  EXPECT_EQ(answer->body, "partpartpart");

  auto refused = client.Send({.url = server.url() + "/ok", .on_body = [](auto) -> Result<> {
                                return Error(Code::kInvalid, "test.no", "no");
                              }});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id(), "test.no");
}

TEST(HttpClient, TooBigIsNamed) {
  TestServer server([](const TestServer::Request&, TestServer::Reply& reply) {
    reply.Send(200, std::string(1000, 'x'));
  });
  HttpClient client;
  auto all = client.Send({.url = server.url(), .max_response_bytes = 1000});
  ASSERT_TRUE(all) << all.error().ToString();
  auto answer = client.Send({.url = server.url(), .max_response_bytes = 999});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().id(), "http.too_big");
  EXPECT_EQ(answer.error().code(), Code::kLimit);
}

TEST(HttpClient, UndoesGzipAndCountsWhatComesOut) {
  std::string text(100'000, 'a');
  std::string packed(compressBound(text.size()) + 64, '\0');
  z_stream z{};
  ASSERT_EQ(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  z.next_in = reinterpret_cast<Bytef*>(text.data());
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(packed.data());
  z.avail_out = static_cast<uInt>(packed.size());
  ASSERT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  packed.resize(z.total_out);
  deflateEnd(&z);
  TestServer server([&](const TestServer::Request& r, TestServer::Reply& reply) {
    EXPECT_THAT(r.headers.at("accept-encoding"), HasSubstr("gzip"));
    reply.Send(200, packed, {"Content-Encoding: gzip"});
  });
  HttpClient client;
  auto answer = client.Send({.url = server.url()});
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_EQ(answer->body, text);
  auto bomb = client.Send({.url = server.url(), .max_response_bytes = 50'000});
  ASSERT_FALSE(bomb);
  EXPECT_EQ(bomb.error().id(), "http.too_big");
}

TEST(HttpClient, TimesRunOut) {
  TestServer server([](const TestServer::Request&, TestServer::Reply& reply) {
    reply.Sleep(20s);
    reply.Break();
  });
  HttpClient client;
  auto start = std::chrono::steady_clock::now();
  auto answer = client.Send({.url = server.url() + "/?secret=1", .total_timeout = 100ms});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().id(), "http.timeout");
  EXPECT_EQ(answer.error().code(), Code::kUnavailable);
  EXPECT_THAT(answer.error().message(), Not(HasSubstr("secret")));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

TEST(HttpClient, StopsAtOnce) {
  TestServer server([](const TestServer::Request&, TestServer::Reply& reply) { reply.Sleep(20s); });
  HttpClient client;
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(100ms);
    stop.request_stop();
  });
  auto start = std::chrono::steady_clock::now();
  auto answer = client.Send({.url = server.url(), .stop = stop.get_token()});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().id(), "http.stopped");
  EXPECT_LT(std::chrono::steady_clock::now() - start, 900ms);
}

TEST(HttpClient, NoConnectionIsUnavailable) {
  int port;
  {
    port = TestServer([](const auto&, auto&) {}).port();
  }
  auto answer = HttpClient().Send({.url = fmt::format("http://127.0.0.1:{}/x", port)});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().id(), "http.connect");
  EXPECT_EQ(answer.error().code(), Code::kUnavailable);

  TestServer broken([](const TestServer::Request&, TestServer::Reply& reply) {
    reply.Begin(200);
    reply.Chunk("half");
    reply.Break();
  });
  auto half = HttpClient().Send({.url = broken.url()});
  ASSERT_FALSE(half);
  EXPECT_EQ(half.error().code(), Code::kUnavailable);
}

TEST(HttpClient, RefusesMalformedRequests) {
  HttpClient client;
  for (HttpRequest request : {
           HttpRequest{.url = "ftp://x/"},
           HttpRequest{.url = "file:///etc/passwd"},
           HttpRequest{.url = "http://"},
           HttpRequest{.url = "http://a b/"},
           HttpRequest{.url = "http://x/", .headers = {{"A", "b\r\nC: d"}}},
           HttpRequest{.url = "http://x/", .headers = {{"A\n", "b"}}},
       }) {
    auto answer = client.Send(request);
    ASSERT_FALSE(answer) << request.url;
    EXPECT_EQ(answer.error().id(), "http.url") << answer.error().ToString();
  }
}

TEST(HttpClient, UsesOneOfSeveralThreadsAtOnce) {
  std::atomic<int> asked = 0;
  TestServer server([&](const TestServer::Request& r, TestServer::Reply& reply) {
    ++asked;
    reply.Send(200, r.target);
  });
  HttpClient client;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        std::string path = fmt::format("/{}/{}", t, i);
        auto answer = client.Send({.url = server.url() + path});
        ASSERT_TRUE(answer) << answer.error().ToString();
        EXPECT_EQ(answer->body, path);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(asked, 200);
  EXPECT_LE(server.connections(), 4);
}

TEST(HttpClient, ProxyIsUsedAndCanBeSwitchedOff) {
  TestServer proxy([](const TestServer::Request& r, TestServer::Reply& reply) {
    reply.Send(200, "through the proxy: " + r.target);
  });
  HttpClient client({.proxy = proxy.url()});
  auto answer = client.Send({.url = "http://cluster.example/version"});
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_EQ(answer->body, "through the proxy: http://cluster.example/version");
}

TEST(HttpStreams, ManyOnOneThread) {
  TestServer server([](const TestServer::Request& r, TestServer::Reply& reply) {
    reply.Begin(200);
    for (int i = 0; i < 5; ++i) {
      reply.Chunk(r.target);
      reply.Sleep(10ms);
    }
  });
  HttpClient client;
  HttpStreams streams;
  std::vector<std::string> got(10);
  int ended = 0;
  for (int i = 0; i < 10; ++i) {
    streams.Start(client,
                  {.url = fmt::format("{}/{}", server.url(), i),
                   .on_body = [&got, i](std::string_view part) -> Result<> {
                     got[i] += part;
                     return Ok();
                   }},
                  [&](Result<HttpResponse> end) {
                    ASSERT_TRUE(end) << end.error().ToString();
                    EXPECT_EQ(end->status, 200);
                    ++ended;
                  });
  }
  auto until = std::chrono::steady_clock::now() + 10s;
  while (streams.running() > 0 && std::chrono::steady_clock::now() < until) streams.Poll(100ms);
  EXPECT_EQ(ended, 10);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(got[i], fmt::format("/{0}/{0}/{0}/{0}/{0}", i));
}

TEST(HttpStreams, OneMayStartAnotherAndFailuresAreTold) {
  TestServer server([](const TestServer::Request& r, TestServer::Reply& reply) {
    if (r.target == "/broken") {
      reply.Begin(200);
      reply.Chunk("x");
      return reply.Break();
    }
    reply.Send(200, r.target);
  });
  HttpClient client;
  HttpStreams streams;
  std::vector<std::string> told;
  streams.Start(client, {.url = server.url() + "/broken"}, [&](Result<HttpResponse> end) {
    told.push_back(end ? end->body : end.error().id());
    streams.Start(client, {.url = server.url() + "/second"}, [&](Result<HttpResponse> next) {
      told.push_back(next ? next->body : next.error().id());
    });
  });
  streams.Start(client, {.url = "gopher://x"}, [&](Result<HttpResponse> end) {
    told.push_back(end ? end->body : end.error().id());
  });
  auto until = std::chrono::steady_clock::now() + 10s;
  while (streams.running() > 0 && std::chrono::steady_clock::now() < until) streams.Poll(100ms);
  EXPECT_THAT(told, testing::ElementsAre("http.url", "http.connect", "/second"));
}

TEST(HttpStreams, AnotherFromInsideOnBody) {
  TestServer server(
      [](const TestServer::Request& r, TestServer::Reply& reply) { reply.Send(200, r.target); });
  HttpClient client;
  HttpStreams streams;
  std::string second;
  streams.Start(client,
                {.url = server.url() + "/first",
                 .on_body = [&](std::string_view) -> Result<> {
                   streams.Start(client, {.url = server.url() + "/second"},
                                 [&](Result<HttpResponse> end) { second = end.value().body; });
                   return Ok();
                 }},
                [](Result<HttpResponse>) {});
  auto until = std::chrono::steady_clock::now() + 10s;
  while (streams.running() > 0 && std::chrono::steady_clock::now() < until) streams.Poll(100ms);
  EXPECT_EQ(second, "/second");
}

TEST(HttpStreams, WakeEndsAPoll) {
  HttpStreams streams;
  std::jthread waker([&] {
    std::this_thread::sleep_for(50ms);
    streams.Wake();
  });
  auto start = std::chrono::steady_clock::now();
  streams.Poll(20s);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

TEST(Url, ForMessagesAndEscaping) {
  EXPECT_EQ(UrlForMessages("https://u:p@h:1/a?token=x#y"), "https://h:1/a");
  EXPECT_EQ(UrlForMessages("https://h/a@b"), "https://h/a@b");
  EXPECT_EQ(UrlForMessages("https://h"), "https://h");
  EXPECT_EQ(UrlEscape("a=b,c/ü ~"), "a%3Db%2Cc%2F%C3%BC%20~");
}

}  // namespace
}  // namespace bulwark::net
