// Everything at once, for ThreadSanitizer: many clients, streams written from other threads, the
// certificate replaced while serving, and the end in the middle of it.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "net/http_client.h"
#include "net/http_server.h"
#include "net/tls_testing.h"

namespace bulwark::net {
namespace {

using namespace std::chrono_literals;

template <typename F>
bool Eventually(F condition) {
  auto until = std::chrono::steady_clock::now() + 60s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

// A publisher with a thread of its own, as the stream of changes has.
class Publisher {
 public:
  Publisher()
      : thread_([this](std::stop_token stop) {
          while (!stop.stop_requested()) {
            {
              std::lock_guard lock(mutex_);
              for (auto& s : streams_) s->Write("data: x\n\n");
              std::erase_if(streams_, [](auto& s) { return !s->open(); });
            }
            std::this_thread::sleep_for(1ms);
          }
        }) {}
  void Add(std::shared_ptr<ResponseStream> stream) {
    stream->OnClosed([this] { ++closed; });
    std::lock_guard lock(mutex_);
    streams_.push_back(std::move(stream));
  }
  std::atomic<int> closed = 0;

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<ResponseStream>> streams_;
  std::jthread thread_;
};

struct Everything {
  explicit Everything(HttpServerOptions options) {
    options.io_threads = 2;
    options.workers = 3;
    server = *HttpServer::Start(std::move(options), [this](const ServerRequest& r) {
      ServerResponse out{.headers = {{"Content-Type", "text/plain"}}};
      if (r.path == "/events") {
        out.endless = true;
        out.stream = [this](std::shared_ptr<ResponseStream> s) { publisher.Add(std::move(s)); };
      } else if (r.path == "/later") {
        out.later = [this](std::shared_ptr<Responder> responder) {
          std::lock_guard lock(mutex);
          answering.emplace_back([responder = std::move(responder)] {
            std::this_thread::sleep_for(1ms);
            responder->Send({.body = "later"});
          });
        };
      } else if (r.path == "/made") {
        auto left = std::make_shared<int>(50);
        out.generator = [left]() -> Result<std::string> {
          return (*left)-- > 0 ? std::string(10'000, 'x') : std::string();
        };
      } else {
        out.body = std::string(3000, 'b') + r.body;
      }
      return out;
    });
  }
  ~Everything() {
    server.reset();
    for (std::thread& t : answering) t.join();
  }

  Publisher publisher;
  std::mutex mutex;
  std::vector<std::thread> answering;
  std::unique_ptr<HttpServer> server;
};

// `requests` of each kind from each of `clients`; how many were answered.
int Ask(const std::string& base, const TlsOptions& tls, int clients, int requests,
        const std::atomic<bool>& stop) {
  std::atomic<int> answered = 0;
  std::vector<std::jthread> threads;
  for (int c = 0; c < clients; ++c) {
    threads.emplace_back([&, c] {
      HttpClient client({.tls = tls});
      for (int i = 0; i < requests && !stop; ++i) {
        const char* const kPaths[] = {"/", "/later", "/made", "/events"};
        int kind = (c + i) % 4;
        size_t seen = 0;
        auto answer = client.Send({.method = kind == 0 ? "POST" : "GET",
                                   .url = base + kPaths[kind],
                                   .body = kind == 0 ? "body" : "",
                                   .on_body = [&](std::string_view bytes) -> Result<> {
                                     seen += bytes.size();
                                     if (kind == 3 && seen > 30) {
                                       return Error(Code::kUnavailable, "enough");
                                     }
                                     return Ok();
                                   }});
        if (answer ? answer->status == 200 : kind == 3) ++answered;
      }
    });
  }
  threads.clear();
  return answered;
}

TEST(HttpServerThreads, ManyClients) {
  Everything all({});
  std::atomic<bool> stop = false;
  EXPECT_EQ(Ask("http://127.0.0.1:" + std::to_string(all.server->port()), {}, 6, 40, stop), 240);
  EXPECT_TRUE(Eventually([&] { return all.publisher.closed == 60; }));
  EXPECT_TRUE(Eventually([&] { return all.server->connections() == 0; }));
}

TEST(HttpServerThreads, CertificatesAreReplacedWhileServing) {
  TestCa ca("ca");
  auto one = ca.Issue("one", {.names = {"localhost"}});
  auto two = ca.Issue("two", {.names = {"localhost"}});
  HttpServerOptions options;
  options.tls = TlsServerOptions{.certificate_pem = one.certificate_pem, .key_pem = one.key_pem};
  Everything all(std::move(options));
  std::atomic<bool> stop = false;
  std::jthread replacing([&] {
    for (int i = 0; !stop; ++i) {
      const auto& pair = i % 2 == 0 ? two : one;
      EXPECT_TRUE(all.server->SetCertificate(pair.certificate_pem, pair.key_pem));
    }
  });
  EXPECT_EQ(Ask("https://localhost:" + std::to_string(all.server->port()), {.ca_pem = ca.pem()}, 4,
                16, stop),
            64);
  stop = true;
}

TEST(HttpServerThreads, EndsWhileBusy) {
  for (int round = 0; round < 5; ++round) {
    Everything all({});
    std::atomic<bool> stop = false;
    std::string base = "http://127.0.0.1:" + std::to_string(all.server->port());
    std::jthread clients([&] { Ask(base, {}, 6, 10'000, stop); });
    ASSERT_TRUE(Eventually([&] { return all.server->connections() >= 4; }));
    all.server->Shutdown(std::chrono::milliseconds(round * 20));
    EXPECT_EQ(all.server->connections(), 0u);
    stop = true;
  }
}

}  // namespace
}  // namespace bulwark::net
