#include "net/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/files.h"
#include "base/metrics.h"
#include "base/text.h"
#include "net/http_client.h"
#include "net/http_server_coding.h"
#include "net/tls_testing.h"

namespace bulwark::net {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using namespace std::chrono_literals;
using namespace std::string_view_literals;

// Waits for a condition; the deadline is generous because machines are slow, not because code is.
template <typename F>
bool Eventually(F condition) {
  auto until = std::chrono::steady_clock::now() + 60s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

// A client that says exactly what it is told.
class Raw {
 public:
  explicit Raw(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  Raw(Raw&& other) noexcept : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
  ~Raw() {
    if (fd_ >= 0) ::close(fd_);
  }
  bool connected() const { return connected_; }
  int fd() const { return fd_; }
  bool Send(std::string_view text) {
    while (!text.empty()) {
      ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  void EndOfSending() { ::shutdown(fd_, SHUT_WR); }
  // Everything until the server closes.
  std::string All() {
    std::string out;
    while (More(out)) {
    }
    return out;
  }
  std::string Until(std::string_view end) {
    std::string out;
    while (out.find(end) == std::string::npos && More(out)) {
    }
    return out;
  }
  bool More(std::string& out) {
    pollfd p{fd_, POLLIN, 0};
    if (::poll(&p, 1, 60'000) <= 0) return false;
    char buffer[4096];
    ssize_t n = ::recv(fd_, buffer, sizeof(buffer), 0);
    if (n <= 0) return false;
    out.append(buffer, static_cast<size_t>(n));
    return true;
  }

 private:
  int fd_;
  bool connected_ = false;
};

std::unique_ptr<HttpServer> Serve(HttpServer::Handler handler, HttpServerOptions options = {}) {
  auto server = HttpServer::Start(std::move(options), std::move(handler));
  if (!server) {
    ADD_FAILURE() << server.error().ToString();
    return nullptr;
  }
  return *std::move(server);
}

std::string Url(const HttpServer& server, std::string_view path) {
  return "http://127.0.0.1:" + std::to_string(server.port()) + std::string(path);
}

// What the server says to these bytes, with Connection: close in them or the sending side closed.
std::string Say(const HttpServer& server, std::string_view bytes) {
  Raw raw(server.port());
  EXPECT_TRUE(raw.Send(bytes));
  raw.EndOfSending();
  return raw.All();
}

ServerResponse Echo(const ServerRequest& r) {
  std::string out = r.method + " " + r.path + "\n";
  for (const auto& s : r.segments) out += "segment " + s + "\n";
  for (const auto& [k, v] : r.query) out += "query " + k + "=" + v + "\n";
  out += "host " + r.host + "\nclient " + r.client + "\nbody " + r.body + "\n";
  return {.headers = {{"Content-Type", "text/plain"}}, .body = out};
}

TEST(HttpServer, AnswersARequest) {
  auto server = Serve(Echo);
  HttpClient client;
  auto answer = client.Send(
      {.method = "POST", .url = Url(*server, "/a%20b/c%2Fd/?x=1&y=a+b%26"), .body = "hello"});
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body,
            "POST /a%20b/c%2Fd/\nsegment a b\nsegment c/d\nsegment \nquery x=1\n"
            "query y=a b&\nhost 127.0.0.1:" +
                std::to_string(server->port()) + "\nclient 127.0.0.1\nbody hello\n");
  EXPECT_EQ(answer->Header("content-type"), "text/plain");
  EXPECT_THAT(std::string(answer->Header("date")), testing::EndsWith(" GMT"));
  EXPECT_EQ(answer->Header("x-request-id").size(), 24u);
}

TEST(HttpServer, RefusesWhatIsMalformedOrAmbiguous) {
  auto server = Serve(Echo, {.limits = {.max_header_bytes = 2000,
                                        .max_headers = 20,
                                        .max_query_parameters = 3,
                                        .max_body_bytes = 100}});
  std::string many, long_header(3000, 'x');
  for (int i = 0; i < 30; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
  const struct {
    std::string bytes;
    int status;
  } kCases[] = {
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400},
      {std::string("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"sv), 400},
      {"GET / HTTP/1.1\nHost: a\n\n", 505},
      {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505},
      {"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501},
      {"GET nopath HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /%f0%28%8c%28 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /\xe5\xae\xb9 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /?a=1&b=2&c=3&d=4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\n" + many + "\r\n", 431},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: " + long_header + "\r\n\r\n", 431},
      {"GET /" + long_header + " HTTP/1.1\r\nHost: a\r\n\r\n", 431},
      {"GET / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n", 417},
      // Smuggling.
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: "
       "chunked\r\n\r\n0\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: "
       "3\r\n\r\n0\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501},
      {"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n", 413},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx", 415},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: zstd\r\nContent-Length: 1\r\n\r\nx", 400},
  };
  for (const auto& c : kCases) {
    std::string answer = Say(*server, c.bytes);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + std::to_string(c.status) + " ")) << c.bytes;
    EXPECT_THAT(answer, HasSubstr("application/problem+json")) << c.bytes;
    if (c.status != 415 && c.status != 400) {
      EXPECT_THAT(answer, HasSubstr("Connection: close")) << c.bytes;
    }
  }
}

TEST(HttpServer, TakesWhatTheSpecificationAllows) {
  auto server = Serve(Echo);
  const struct {
    std::string bytes, body;
  } kCases[] = {
      {"GET http://other:80/p?q=1 HTTP/1.1\r\nHost: a\r\n\r\n",
       "GET /p\nsegment p\nquery q=1\nhost other:80\n"},
      {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS *\nhost a\n"},
      {"GET / HTTP/1.0\r\n\r\n", "GET /\nhost \n"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
       "CHUNKED\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n"
       "Trailer: x\r\n\r\n",
       "body abcde\n"},
      {"PUT / HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 3\r\n\r\nabc", "host [::1]:80\n"},
      {"DELETE / HTTP/1.1\r\nhOsT:   a  \r\n\r\n", "host a\n"},
  };
  for (const auto& c : kCases) {
    std::string answer = Say(*server, c.bytes);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n")) << c.bytes;
    EXPECT_THAT(answer, HasSubstr(c.body)) << c.bytes;
  }
}

TEST(HttpServer, PipelinedRequestsAreAnsweredInOrder) {
  auto server = Serve([](const ServerRequest& r) -> ServerResponse {
    if (r.path == "/1") std::this_thread::sleep_for(20ms);
    return {.body = "<" + r.path + ">"};
  });
  std::string requests;
  for (int i = 1; i <= 50; ++i) {
    requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n" +
                (i == 50 ? "Connection: close\r\n" : "") + "\r\n";
  }
  Raw raw(server->port());
  ASSERT_TRUE(raw.Send(requests));
  std::string all = raw.All();
  size_t at = 0;
  // Also for one who has closed his half after the last of them.
  EXPECT_EQ(
      Split(Say(*server, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"),
            "HTTP/1.1 200")
          .size(),
      3u);
  for (int i = 1; i <= 50; ++i) {
    at = all.find("</" + std::to_string(i) + ">", at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST(HttpServer, HeadNoContentAndKeepAlive) {
  auto server = Serve([](const ServerRequest& r) -> ServerResponse {
    if (r.path == "/none") return {.status = 204};
    if (r.path == "/same") return {.status = 304, .body = "ignored"};
    if (r.path == "/stream") {
      ServerResponse out;
      out.stream = [](std::shared_ptr<ResponseStream> s) {
        s->WriteAll("abc");
        s->Finish();
      };
      return out;
    }
    return {.body = "hello"};
  });
  Raw raw(server->port());
  ASSERT_TRUE(
      raw.Send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n"
               "GET /same HTTP/1.1\r\nHost: a\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n"
               "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"
               "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  std::string all = raw.All();
  EXPECT_THAT(all, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_EQ(all.find("ignored"), std::string::npos);
  EXPECT_THAT(all, HasSubstr("3\r\nabc\r\n0\r\n\r\nHTTP/1.1 200 OK"));
  EXPECT_TRUE(all.ends_with("\r\n\r\nhello"));
  // Four answers without a body, then two with one.
  EXPECT_EQ(Split(all, "HTTP/1.1 ").size(), 7u) << all;

  // HTTP/1.0 keeps a connection only on request, and knows no chunks.
  EXPECT_THAT(Say(*server, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
              HasSubstr("Connection: keep-alive\r\n"));
  std::string old = Say(*server, "GET /stream HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(old.ends_with("\r\n\r\nabc")) << old;
}

TEST(HttpServer, ContinuesWhenAskedFirst) {
  auto server = Serve(Echo);
  Raw raw(server->port());
  ASSERT_TRUE(
      raw.Send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
  EXPECT_EQ(raw.Until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_TRUE(raw.Send("abc"));
  EXPECT_THAT(raw.Until("body abc"), StartsWith("HTTP/1.1 200"));
  // Too big: refused before anything is sent.
  Raw big(server->port());
  ASSERT_TRUE(big.Send(
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n"));
  EXPECT_THAT(big.Until("\r\n\r\n"), StartsWith("HTTP/1.1 413"));
}

TEST(HttpServer, HeadersCannotBeInjected) {
  auto server = Serve([](const ServerRequest& r) -> ServerResponse {
    std::string evil(r.Query("v").value_or(""));
    if (r.path == "/name") return {.headers = {{evil, "x"}}, .body = "b"};
    return {.headers = {{"X-Test", evil}, {"Content-Length", "1"}, {"Transfer-Encoding", "x"}},
            .body = "body"};
  });
  std::string fine = Say(*server, "GET /?v=ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(fine, HasSubstr("X-Test: ok\r\n"));
  EXPECT_THAT(fine, HasSubstr("Content-Length: 4\r\n"));
  EXPECT_THAT(fine, Not(HasSubstr("Transfer-Encoding")));
  for (const char* path : {"/?v=a%0d%0aSet-Cookie:%20x", "/?v=a%0aX:%20y", "/name?v=X:%20y",
                           "/name?v=a%20b", "/name"}) {
    std::string answer = Say(
        *server, std::string("GET ") + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 500")) << path;
    EXPECT_THAT(answer, Not(HasSubstr("Set-Cookie"))) << path;
  }
}

TEST(HttpServer, CompressesWhatIsWorthIt) {
  std::string big;
  for (int i = 0; i < 5000; ++i) big += "{\"name\":\"pod-" + std::to_string(i) + "\"},";
  auto server = Serve([&](const ServerRequest& r) -> ServerResponse {
    ServerResponse out{
        .headers = {{"Content-Type", r.path == "/image" ? "image/png" : "application/json"}}};
    if (r.path == "/small") out.body = "{}";
    if (r.path == "/big" || r.path == "/image") out.body = big;
    if (r.path == "/encoded") {
      out.headers.emplace_back("Content-Encoding", "br");
      out.body = big;
    }
    if (r.path == "/stream") {
      out.stream = [&](std::shared_ptr<ResponseStream> s) {
        for (size_t i = 0; i < big.size(); i += 1000)
          s->WriteAll(std::string_view(big).substr(i, 1000));
        s->Finish();
      };
    }
    return out;
  });
  auto get = [&](std::string_view path, std::string_view accept) {
    return Say(*server, "GET " + std::string(path) +
                            " HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: " +
                            std::string(accept) + "\r\n\r\n");
  };
  auto body = [](const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); };
  auto unchunk = [](std::string_view in) {
    std::string out;
    for (;;) {
      size_t size = std::stoul(std::string(in), nullptr, 16);
      in.remove_prefix(in.find("\r\n") + 2);
      if (size == 0) return out;
      out += in.substr(0, size);
      in.remove_prefix(size + 2);
    }
  };
  for (const char* path : {"/big", "/stream"}) {
    bool stream = std::string_view(path) == "/stream";
    std::string gzip = get(path, "gzip, br");
    EXPECT_THAT(gzip, HasSubstr("Content-Encoding: gzip\r\n"));
    EXPECT_THAT(gzip, HasSubstr("Vary: Accept-Encoding\r\n"));
    std::string packed = stream ? unchunk(body(gzip)) : body(gzip);
    EXPECT_LT(packed.size(), big.size() / 3);
    EXPECT_EQ(DecodeBody("gzip", packed, big.size()).value_or("?"), big);
    std::string zstd = get(path, "gzip, zstd");
    EXPECT_THAT(zstd, HasSubstr("Content-Encoding: zstd\r\n"));
    packed = stream ? unchunk(body(zstd)) : body(zstd);
    EXPECT_LT(packed.size(), big.size() / 3);
    EXPECT_EQ(DecodeBody("zstd", packed, big.size()).value_or("?"), big);
  }
  for (const char* accept : {"", "br", "gzip;q=0", "identity", "*;q=0"}) {
    std::string plain = get("/big", accept);
    EXPECT_THAT(plain, Not(HasSubstr("Content-Encoding"))) << accept;
    EXPECT_EQ(body(plain), big) << accept;
  }
  EXPECT_THAT(get("/big", "zstd;q=0.5, gzip;q=0.9"), HasSubstr("Content-Encoding: gzip"));
  EXPECT_THAT(get("/small", "gzip"), Not(HasSubstr("Content-Encoding")));
  EXPECT_THAT(get("/image", "gzip"), Not(HasSubstr("Content-Encoding")));
  EXPECT_THAT(get("/encoded", "gzip"), HasSubstr("Content-Encoding: br\r\n"));
}

TEST(HttpServer, UndoesRequestCodingsAndStopsBombs) {
  auto server = Serve(
      [](const ServerRequest& r) -> ServerResponse {
        return {.body = std::to_string(r.body.size()) + " " + r.body.substr(0, 3)};
      },
      {.limits = {.max_body_bytes = 1 << 20}});
  HttpClient client;
  auto send = [&](Coding coding, size_t size) {
    std::string packed, plain(size, 'a');
    auto encoder = MakeEncoder(coding);
    encoder->Add(plain, false, packed);
    encoder->Finish(packed);
    auto answer = client.Send({.method = "POST",
                               .url = Url(*server, "/"),
                               .headers = {{"Content-Encoding", std::string(CodingName(coding))}},
                               .body = packed});
    return answer ? std::to_string(answer->status) + " " + answer->body.substr(0, 20)
                  : answer.error().ToString();
  };
  for (Coding coding : {Coding::kGzip, Coding::kZstd}) {
    EXPECT_EQ(send(coding, 1 << 20), "200 1048576 aaa");
    EXPECT_EQ(send(coding, 0), "200 0 ");
    EXPECT_THAT(send(coding, (1 << 20) + 1), StartsWith("413"));
    EXPECT_THAT(send(coding, 200 << 20), StartsWith("413"));
  }
}

TEST(HttpServer, DecodeBodyRefusesWhatIsCutShortOrBroken) {
  for (Coding coding : {Coding::kGzip, Coding::kZstd}) {
    std::string packed;
    auto encoder = MakeEncoder(coding);
    encoder->Add(std::string(10000, 'x') + "end", true, packed);
    encoder->Finish(packed);
    std::string name(CodingName(coding));
    EXPECT_EQ(DecodeBody(name, packed, 20000).value_or("").size(), 10003u);
    EXPECT_EQ(DecodeBody(name, packed + packed, 30000).value_or("").size(), 20006u) << "members";
    for (size_t cut = 1; cut < packed.size(); ++cut) {
      EXPECT_FALSE(DecodeBody(name, packed.substr(0, cut), 20000)) << name << cut;
    }
    EXPECT_FALSE(DecodeBody(name, packed + "x", 20000)) << name;
  }
}

TEST(HttpServer, StreamsWithBackPressure) {
  std::mutex mutex;
  std::shared_ptr<ResponseStream> stream;
  auto server = Serve([&](const ServerRequest&) -> ServerResponse {
    ServerResponse out{.headers = {{"Content-Type", "text/event-stream"}}};
    out.compress = false;
    out.stream = [&](std::shared_ptr<ResponseStream> s) {
      std::lock_guard lock(mutex);
      stream = std::move(s);
    };
    return out;
  });
  auto take = [&] {
    EXPECT_TRUE(Eventually([&] {
      std::lock_guard lock(mutex);
      return stream != nullptr;
    }));
    std::lock_guard lock(mutex);
    return std::exchange(stream, nullptr);
  };
  {
    Raw raw(server->port());
    ASSERT_TRUE(raw.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    auto s = take();
    EXPECT_EQ(s->Write("data: 1\n\n"), ResponseStream::Taken::kYes);
    EXPECT_THAT(raw.Until("9\r\ndata: 1\n\n\r\n"), HasSubstr("data: 1"));
    // The client stops reading: the queue fills up, and empties when it reads again.
    std::string piece(64 * 1024, 'x');
    uint64_t written = 0;
    while (s->Write(piece) == ResponseStream::Taken::kYes) {
      written += piece.size();
      std::this_thread::sleep_for(1ms);
      ASSERT_LT(written, uint64_t{1} << 30);
    }
    EXPECT_GE(s->queued(), size_t{256} * 1024);
    EXPECT_LT(s->queued(), size_t{512} * 1024);
    std::atomic<bool> writable = false, closed = false;
    s->OnWritable([&] { writable = true; });
    s->OnClosed([&] { closed = true; });
    EXPECT_FALSE(writable);
    std::string seen;
    while (!writable) ASSERT_TRUE(raw.More(seen));
    EXPECT_EQ(s->Write("x"), ResponseStream::Taken::kYes);
    EXPECT_FALSE(closed);
    {
      Raw gone = std::move(raw);
    }
    EXPECT_TRUE(Eventually([&] { return closed.load(); }));
    EXPECT_EQ(s->Write("x"), ResponseStream::Taken::kClosed);
    EXPECT_FALSE(s->WriteAll("x"));
  }
  {  // Dropped without Finish(): the client sees no end.
    Raw raw(server->port());
    ASSERT_TRUE(raw.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    take().reset();
    EXPECT_THAT(raw.All(), Not(HasSubstr("0\r\n\r\n")));
  }
}

TEST(HttpServer, GeneratorsAndFiles) {
  auto dir = TempDir::Make();
  ASSERT_TRUE(dir);
  std::string content;
  for (int i = 0; i < 300'000; ++i) content += std::to_string(i);
  ASSERT_TRUE(WriteFileAtomic(dir->File("f"), content));
  auto server = Serve([&](const ServerRequest& r) -> ServerResponse {
    if (r.path == "/file") {
      auto file = ServerResponse::File(dir->File("f"), "application/octet-stream");
      return file ? *std::move(file) : ServerResponse{.status = 500};
    }
    ServerResponse out;
    auto n = std::make_shared<int>(0);
    bool fails = r.path == "/fails";
    if (r.path == "/short") out.length = 1000;
    out.generator = [n, fails]() -> Result<std::string> {
      if (++*n == 4) {
        if (fails) return Error(Code::kInternal, "no more");
        return "";
      }
      return "piece " + std::to_string(*n) + "\n";
    };
    return out;
  });
  HttpClient client;
  auto file = client.Send({.url = Url(*server, "/file")});
  ASSERT_TRUE(file) << file.error().ToString();
  EXPECT_EQ(file->Header("content-length"), std::to_string(content.size()));
  EXPECT_TRUE(file->body == content);
  auto made = client.Send({.url = Url(*server, "/made")});
  ASSERT_TRUE(made);
  EXPECT_EQ(made->body, "piece 1\npiece 2\npiece 3\n");
  EXPECT_FALSE(client.Send({.url = Url(*server, "/fails")}));
  EXPECT_FALSE(client.Send({.url = Url(*server, "/short")}));
  EXPECT_FALSE(ServerResponse::File(dir->path(), "x"));
  EXPECT_FALSE(ServerResponse::File(dir->File("absent"), "x"));
  EXPECT_FALSE(ServerResponse::File("/dev/zero", "x"));
}

TEST(HttpServer, LaterAnswersHoldNoWorker) {
  std::mutex mutex;
  std::vector<std::shared_ptr<Responder>> waiting;
  auto server = Serve(
      [&](const ServerRequest& r) -> ServerResponse {
        if (r.path == "/now") return {.body = "now"};
        ServerResponse out;
        out.later = [&](std::shared_ptr<Responder> responder) {
          std::lock_guard lock(mutex);
          waiting.push_back(std::move(responder));
        };
        return out;
      },
      {.workers = 1});
  std::vector<Raw> polls;
  for (int i = 0; i < 20; ++i) {
    polls.emplace_back(server->port());
    ASSERT_TRUE(polls.back().Send("GET /poll HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  }
  EXPECT_TRUE(Eventually([&] {
    std::lock_guard lock(mutex);
    return waiting.size() == 20;
  }));
  auto now = HttpClient().Send({.url = Url(*server, "/now")});
  ASSERT_TRUE(now) << now.error().ToString();
  EXPECT_EQ(now->body, "now");
  std::atomic<bool> gone = false;
  waiting[19]->OnClosed([&] { gone = true; });
  polls.pop_back();
  EXPECT_TRUE(Eventually([&] { return gone.load(); }));
  EXPECT_FALSE(waiting[19]->Send({.body = "x"}));
  for (size_t i = 0; i < 18; ++i) EXPECT_TRUE(waiting[i]->Send({.body = "late"}));
  EXPECT_FALSE(waiting[0]->Send({.body = "twice"}));
  waiting.clear();  // the last one is not answered at all
  for (size_t i = 0; i < 18; ++i) EXPECT_TRUE(polls[i].All().ends_with("late"));
  EXPECT_THAT(polls[18].All(), StartsWith("HTTP/1.1 500"));
}

TEST(HttpServer, UpgradedConnectionsAreTheHandlers) {
  std::mutex mutex;
  std::shared_ptr<UpgradedConnection> connection;
  auto server = Serve([&](const ServerRequest& r) -> ServerResponse {
    if (r.Header("upgrade") != "shout") return {.status = 426};
    ServerResponse out{.headers = {{"Upgrade", "shout"}}};
    out.upgrade = [&](std::shared_ptr<UpgradedConnection> c) {
      {
        std::lock_guard lock(mutex);
        connection = c;
      }
      std::weak_ptr<UpgradedConnection> weak = c;
      c->OnData([weak](std::string_view text) {
        auto self = weak.lock();
        if (!self) return false;
        self->Write(AsciiUpper(text));
        if (text.find("bye") != std::string_view::npos) self->Finish();
        return true;
      });
    };
    return out;
  });
  Raw raw(server->port());
  ASSERT_TRUE(
      raw.Send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\nfirst,"));
  std::string head = raw.Until("FIRST,");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_THAT(head, HasSubstr("Connection: Upgrade\r\n"));
  ASSERT_TRUE(raw.Send("second"));
  EXPECT_EQ(raw.Until("SECOND"), "SECOND");
  ASSERT_TRUE(raw.Send("bye"));
  EXPECT_EQ(raw.All(), "BYE");
  EXPECT_THAT(Say(*server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 426"));
}

TEST(HttpServer, SlowClientsAreCutOff) {
  auto server = Serve(Echo, {.name = "slow",
                             .limits = {.header_timeout = 300ms,
                                        .idle_timeout = 300ms,
                                        .body_timeout = 300ms,
                                        .min_bytes_per_second = 1000000}});
  Raw silent(server->port()), head(server->port()), body(server->port()), idle(server->port());
  ASSERT_TRUE(head.Send("GET / HTTP/1.1\r\n"));
  ASSERT_TRUE(body.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"));
  ASSERT_TRUE(idle.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  std::thread dripping([&] {
    Raw drip(server->port());
    drip.Send("GET / HTTP/1.1\r\n");
    while (drip.Send("X: 1\r\n")) std::this_thread::sleep_for(30ms);
  });
  EXPECT_EQ(silent.All(), "");
  EXPECT_THAT(head.All(), StartsWith("HTTP/1.1 408"));
  EXPECT_THAT(body.All(), StartsWith("HTTP/1.1 408"));
  EXPECT_THAT(idle.All(), StartsWith("HTTP/1.1 200"));
  dripping.join();
  EXPECT_TRUE(Eventually([&] { return server->connections() == 0; }));
}

TEST(HttpServer, AClientThatDoesNotReadIsCutOff) {
  std::string big(64 << 20, 'x');
  auto server =
      Serve([&](const ServerRequest&) -> ServerResponse { return {.body = big}; },
            {.limits = {.write_timeout = 300ms, .min_bytes_per_second = size_t{1} << 30}});
  Raw raw(server->port());
  ASSERT_TRUE(raw.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_TRUE(Eventually([&] { return server->connections() == 1; }));
  EXPECT_TRUE(Eventually([&] { return server->connections() == 0; }));
}

TEST(HttpServer, AThousandIdleConnections) {
  auto server = Serve(Echo, {.max_queue = 2000});
  std::vector<Raw> idle;
  for (int i = 0; i < 1000; ++i) {
    idle.emplace_back(server->port());
    ASSERT_TRUE(idle.back().connected()) << i;
  }
  EXPECT_TRUE(Eventually([&] { return server->connections() == 1000; }));
  auto answer = HttpClient().Send({.url = Url(*server, "/x")});
  ASSERT_TRUE(answer) << answer.error().ToString();
  // Each of them still works.
  for (Raw& raw : idle)
    ASSERT_TRUE(raw.Send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  for (Raw& raw : idle) ASSERT_THAT(raw.All(), StartsWith("HTTP/1.1 200"));
}

TEST(HttpServer, LimitsConnectionsAndQueue) {
  std::mutex gate;
  std::unique_lock hold(gate);
  auto server = Serve(
      [&](const ServerRequest&) -> ServerResponse {
        std::lock_guard lock(gate);
        return {.body = "done"};
      },
      {.limits = {.max_connections = 4}, .workers = 1, .max_queue = 1});
  auto ask = [&] {
    Raw raw(server->port());
    raw.Send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    return raw;
  };
  std::vector<Raw> asked;
  // One runs, one waits, the third is told so.
  asked.push_back(ask());
  EXPECT_TRUE(Eventually([&] { return server->connections() == 1; }));
  std::this_thread::sleep_for(20ms);
  asked.push_back(ask());
  EXPECT_TRUE(Eventually([&] { return server->connections() == 2; }));
  std::this_thread::sleep_for(20ms);
  asked.push_back(ask());
  std::string busy = asked[2].All();
  EXPECT_THAT(busy, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(busy, HasSubstr("Retry-After: 1\r\n"));
  asked.pop_back();
  EXPECT_TRUE(Eventually([&] { return server->connections() == 2; }));
  Raw third(server->port()), fourth(server->port());
  EXPECT_TRUE(Eventually([&] { return server->connections() == 4; }));
  Raw fifth(server->port());
  EXPECT_EQ(fifth.All(), "");
  hold.unlock();
  for (Raw& raw : asked) EXPECT_TRUE(raw.All().ends_with("done"));
}

TEST(HttpServer, TheHeadDecidesAboutTheBody) {
  HttpServerOptions options{.limits = {.max_body_bytes = 10}};
  options.on_head = [](const ServerRequest& r) -> HeadDecision {
    if (r.path == "/upload") return {.max_body_bytes = 1000};
    if (r.path == "/no") return {.refusal = ServerResponse{.status = 401, .body = "who?"}};
    return {};
  };
  auto server = Serve(Echo, std::move(options));
  auto post = [&](const char* path, size_t size) {
    auto answer = HttpClient().Send(
        {.method = "POST", .url = Url(*server, path), .body = std::string(size, 'x')});
    return answer ? answer->status : 0;
  };
  EXPECT_EQ(post("/", 10), 200);
  EXPECT_EQ(post("/", 11), 413);
  EXPECT_EQ(post("/upload", 1000), 200);
  EXPECT_EQ(post("/upload", 1001), 413);
  EXPECT_EQ(post("/no", 1), 401);
  EXPECT_EQ(post("/no", 900'000), 401) << "the answer arrives although the body is not read";
}

TEST(HttpServer, BelievesOnlyTrustedProxies) {
  auto answer = [](std::vector<std::string> trusted, std::string_view forwarded) {
    auto server = Serve(
        [](const ServerRequest& r) -> ServerResponse {
          return {.body = r.peer + " " + r.client + " " + r.id};
        },
        {.trusted_proxies = std::move(trusted)});
    std::string all =
        Say(*server, "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: given\r\nX-Forwarded-For: " +
                         std::string(forwarded) + "\r\n\r\n");
    return all.substr(all.find("\r\n\r\n") + 4);
  };
  EXPECT_THAT(answer({}, "9.9.9.9"), StartsWith("127.0.0.1 127.0.0.1 "));
  EXPECT_THAT(answer({}, "9.9.9.9"), Not(HasSubstr("given")));
  EXPECT_EQ(answer({"127.0.0.0/8"}, "9.9.9.9"), "127.0.0.1 9.9.9.9 given");
  EXPECT_EQ(answer({"127.0.0.1"}, "6.6.6.6, 9.9.9.9"), "127.0.0.1 9.9.9.9 given");
  EXPECT_EQ(answer({"127.0.0.1", "10.0.0.0/8"}, "6.6.6.6, 9.9.9.9, 10.1.1.1"),
            "127.0.0.1 9.9.9.9 given");
  EXPECT_EQ(answer({"127.0.0.1", "10.0.0.0/8"}, "6.6.6.6, rubbish, 10.1.1.1"),
            "127.0.0.1 10.1.1.1 given");
  EXPECT_EQ(answer({"127.0.0.1"}, "::ffff:9.9.9.9"), "127.0.0.1 9.9.9.9 given");
}

TEST(HttpServer, AHandlerThatThrowsEndsNoProcess) {
  auto server = Serve([](const ServerRequest& r) -> ServerResponse {
    return {.body = std::string(r.path.at(1), 'x')};
  });
  EXPECT_THAT(Say(*server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(Say(*server, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST(HttpServer, OptionsThatAreWrongAreErrors) {
  auto start = [](HttpServerOptions o) {
    auto server = HttpServer::Start(std::move(o), Echo);
    return server ? std::string("started") : server.error().id();
  };
  EXPECT_EQ(start({.listen = {"nowhere"}}), "http.listen");
  EXPECT_EQ(start({.listen = {"127.0.0.1:99999"}}), "http.listen");
  EXPECT_EQ(start({.listen = {"192.0.2.1:0"}}), "http.listen");
  EXPECT_EQ(start({.trusted_proxies = {"10.0.0.0/33"}}), "url_guard.range");
  EXPECT_EQ(start({.tls = TlsServerOptions{}}), "tls.certificate");
  EXPECT_EQ(start({.default_headers = {{"X", "a\nb"}}}), "http.options");
  auto first = HttpServer::Start({}, Echo);
  ASSERT_TRUE(first);
  EXPECT_EQ(start({.listen = {(*first)->addresses()[0]}}), "http.listen");
  EXPECT_EQ(start({.listen = {"127.0.0.1:0", ":0", "[::1]:0"}}), "started");
}

// --- TLS -----------------------------------------------------------------------------------------

struct Pki {
  TestCa ca{"ca"}, clients{"clients"}, strangers{"strangers"};
  TestCa::Pair server = ca.Issue("server", {.names = {"localhost", "127.0.0.1"}});
  TestCa::Pair server2 = ca.Issue("server two", {.names = {"localhost", "127.0.0.1"}});
};

HttpServerOptions TlsOptionsFor(const Pki& pki,
                                ClientCertificates clients = ClientCertificates::kOff) {
  HttpServerOptions out;
  out.tls = TlsServerOptions{
      .certificate_pem = pki.server.certificate_pem,
      .key_pem = pki.server.key_pem,
      .client_certificates = clients,
      .client_ca_pem = clients == ClientCertificates::kOff ? "" : pki.clients.pem()};
  return out;
}

TEST(HttpServerTls, ServesAndReplacesItsCertificate) {
  Pki pki;
  auto server = Serve(
      [](const ServerRequest& r) -> ServerResponse {
        return {.body = r.tls && !r.certificate ? "tls" : "?"};
      },
      TlsOptionsFor(pki));
  std::string url = "https://localhost:" + std::to_string(server->port()) + "/";
  auto get = [&](const std::string& ca) {
    auto answer = HttpClient({.tls = {.ca_pem = ca}}).Send({.url = url});
    return answer ? answer->body : answer.error().id();
  };
  EXPECT_EQ(get(pki.ca.pem()), "tls");
  EXPECT_EQ(get(pki.strangers.pem()), "http.tls");
  auto other = pki.strangers.Issue("other", {.names = {"localhost"}});
  EXPECT_FALSE(server->SetCertificate(other.certificate_pem, pki.server.key_pem));
  EXPECT_FALSE(server->SetCertificate("rubbish", "rubbish"));
  EXPECT_EQ(get(pki.ca.pem()), "tls");
  ASSERT_TRUE(server->SetCertificate(other.certificate_pem, other.key_pem));
  EXPECT_EQ(get(pki.strangers.pem()), "tls");
  EXPECT_EQ(get(pki.ca.pem()), "http.tls");
}

TEST(HttpServerTls, ClientCertificates) {
  Pki pki;
  auto good = pki.clients.Issue("node-1", {.client = true});
  auto stranger = pki.strangers.Issue("evil", {.client = true});
  auto expired = pki.clients.Issue("old", {.client = true, .valid_days = -1});
  auto for_servers = pki.clients.Issue("server", {.client = false});
  auto handler = [](const ServerRequest& r) -> ServerResponse {
    if (!r.certificate) return {.body = "none"};
    return {.body =
                r.certificate->subject + (r.certificate->verified ? " verified" : " not verified")};
  };
  for (auto mode : {ClientCertificates::kOptional, ClientCertificates::kRequired}) {
    bool required = mode == ClientCertificates::kRequired;
    auto server = Serve(handler, TlsOptionsFor(pki, mode));
    auto get = [&](const TestCa::Pair& pair) {
      HttpClient client({.tls = {.ca_pem = pki.ca.pem(),
                                 .client_certificate_pem = pair.certificate_pem,
                                 .client_key_pem = pair.key_pem}});
      auto answer = client.Send({.url = "https://localhost:" + std::to_string(server->port())});
      return answer ? answer->body : std::string("refused");
    };
    EXPECT_EQ(get(good), "CN=node-1 verified");
    EXPECT_EQ(get({}), required ? "refused" : "none");
    EXPECT_EQ(get(stranger), required ? "refused" : "CN=evil not verified");
    EXPECT_EQ(get(expired), required ? "refused" : "CN=old not verified");
    EXPECT_EQ(get(for_servers), required ? "refused" : "CN=server not verified");
  }
}

TEST(HttpServerTls, PlainHttpIsSentToHttps) {
  Pki pki;
  auto server = Serve(Echo, TlsOptionsFor(pki));
  std::string redirect = Say(*server, "GET /a?b=c HTTP/1.1\r\nHost: localhost:1234\r\n\r\n");
  EXPECT_THAT(redirect, StartsWith("HTTP/1.1 308"));
  EXPECT_THAT(redirect, HasSubstr("Location: https://localhost:1234/a?b=c\r\n"));
  EXPECT_THAT(Say(*server, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
              StartsWith("HTTP/1.1 400"));
  EXPECT_EQ(Say(*server, "\x01\x02\x03"), "");
  auto options = TlsOptionsFor(pki);
  options.redirect_to_https = false;
  auto strict = Serve(Echo, std::move(options));
  EXPECT_THAT(Say(*strict, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 400"));
}

TEST(HttpServerTls, OldProtocolsAndForeignAlpnAreRefused) {
  Pki pki;
  auto server = Serve(Echo, TlsOptionsFor(pki));
  auto probe = [&](const std::string& flags) {
    std::string command =
        "echo | timeout 60 openssl s_client -connect 127.0.0.1:" + std::to_string(server->port()) +
        " " + flags + " 2>&1";
    FILE* pipe = ::popen(command.c_str(), "r");
    std::string out;
    char buffer[4096];
    while (size_t n = ::fread(buffer, 1, sizeof(buffer), pipe)) out.append(buffer, n);
    ::pclose(pipe);
    return out;
  };
  EXPECT_THAT(probe("-tls1_3"), HasSubstr("New, TLSv1.3, Cipher is TLS_"));
  EXPECT_THAT(probe("-tls1_2"), HasSubstr("Cipher is ECDHE-"));
  EXPECT_THAT(probe("-tls1_1 -cipher DEFAULT@SECLEVEL=0"), HasSubstr("Cipher is (NONE)"));
  EXPECT_THAT(probe("-tls1_2 -cipher AES128-SHA@SECLEVEL=0"), HasSubstr("Cipher is (NONE)"));
  EXPECT_THAT(probe("-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA"), HasSubstr("Cipher is (NONE)"));
  EXPECT_THAT(probe("-alpn http/1.1"), HasSubstr("ALPN protocol: http/1.1"));
  EXPECT_THAT(probe("-alpn h2,http/1.1"), HasSubstr("ALPN protocol: http/1.1"));
  EXPECT_THAT(probe("-alpn h2"), HasSubstr("no application protocol"));
}

TEST(HttpServerTls, SlowHandshakesAreCutOff) {
  Pki pki;
  auto options = TlsOptionsFor(pki);
  options.limits.handshake_timeout = 300ms;
  auto server = Serve(Echo, std::move(options));
  Raw silent(server->port()), half(server->port());
  ASSERT_TRUE(half.Send(std::string("\x16\x03\x01\x02\x00\x01", 6)));
  EXPECT_EQ(silent.All(), "");
  EXPECT_EQ(half.All(), "");
  EXPECT_TRUE(Eventually([&] { return server->connections() == 0; }));
}

// --- The end -------------------------------------------------------------------------------------

TEST(HttpServer, ShutdownLetsRequestsFinish) {
  std::atomic<bool> started = false, release = false;
  std::shared_ptr<ResponseStream> stream;
  auto server = Serve([&](const ServerRequest& r) -> ServerResponse {
    ServerResponse out;
    if (r.path == "/events") {
      out.endless = true;
      out.stream = [&](std::shared_ptr<ResponseStream> s) { stream = std::move(s); };
      return out;
    }
    if (r.path == "/poll") {
      out.endless = true;
      out.later = [](std::shared_ptr<Responder> responder) {
        auto* keep = new std::shared_ptr<Responder>(responder);
        responder->OnClosed([keep] { delete keep; });
      };
      return out;
    }
    started = true;
    while (!release) std::this_thread::sleep_for(1ms);
    out.body = "finished";
    return out;
  });
  Raw busy(server->port()), idle(server->port()), events(server->port());
  ASSERT_TRUE(events.Send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n"));
  events.Until("\r\n\r\n");
  ASSERT_TRUE(busy.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  ASSERT_TRUE(Eventually([&] { return started.load() && server->connections() == 3; }));
  std::thread stopper([&] { EXPECT_TRUE(server->Shutdown(60s)); });
  EXPECT_EQ(idle.All(), "");
  EXPECT_EQ(events.All(), "");
  EXPECT_FALSE(Raw(server->port()).connected());
  release = true;
  std::string answer = busy.All();
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(answer.ends_with("finished"));
  stopper.join();
  EXPECT_EQ(stream->Write("x"), ResponseStream::Taken::kClosed);
  server.reset();
  EXPECT_EQ(stream->Write("x"), ResponseStream::Taken::kClosed);
}

TEST(HttpServer, ShutdownBreaksOffWhatTakesTooLong) {
  std::shared_ptr<ResponseStream> stream;
  std::atomic<bool> have = false;
  auto server = Serve([&](const ServerRequest&) -> ServerResponse {
    ServerResponse out;
    out.stream = [&](std::shared_ptr<ResponseStream> s) {
      stream = std::move(s);
      have = true;
    };
    return out;
  });
  Raw raw(server->port());
  ASSERT_TRUE(raw.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  ASSERT_TRUE(Eventually([&] { return have.load(); }));
  EXPECT_FALSE(server->Shutdown(50ms));
  EXPECT_FALSE(stream->open());
}

}  // namespace
}  // namespace bulwark::net
