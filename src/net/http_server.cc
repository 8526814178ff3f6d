#include "net/http_server.h"

#include <fmt/format.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "net/http_server_connection.h"

namespace bulwark::net {

// --- Workers -------------------------------------------------------------------------------------

void WorkerPool::Start(size_t threads, size_t max_queue) {
  max_queue_ = max_queue;
  for (size_t i = 0; i < std::max<size_t>(threads, 1); ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

bool WorkerPool::Add(std::function<void()> job) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || jobs_.size() >= max_queue_) return false;
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void WorkerPool::AddAlways(std::function<void()> job) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void WorkerPool::Run() {
  for (;;) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

void WorkerPool::Stop() {
  std::deque<std::function<void()>> dropped;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(jobs_);
  }
  wake_.notify_all();
  for (std::thread& t : threads_) t.join();
  threads_.clear();
}

size_t WorkerPool::waiting() const {
  std::lock_guard lock(mutex_);
  return jobs_.size();
}

// --- What connections share ----------------------------------------------------------------------

namespace {

Counter& Count(std::string_view name, std::string_view help, const std::string& server,
               std::string_view label = {}, std::string_view value = {}) {
  Metrics::Labels labels{{"server", server}};
  if (!label.empty()) labels.emplace_back(label, value);
  return Metrics::Default().AddCounter(name, help, std::move(labels));
}

constexpr std::string_view kRefused = "Connections and requests that were not taken.";
constexpr std::string_view kTimeouts = "Connections that took too long.";

}  // namespace

ServerMetrics::ServerMetrics(const std::string& server)
    : accepted(Count("bulwark_http_connections_total", "Connections accepted.", server)),
      refused_limit(Count("bulwark_http_refused_total", kRefused, server, "reason", "connections")),
      accept_errors(Count("bulwark_http_refused_total", kRefused, server, "reason", "accept")),
      handshake_errors(Count("bulwark_http_refused_total", kRefused, server, "reason", "tls")),
      plain_on_tls(Count("bulwark_http_refused_total", kRefused, server, "reason", "plain")),
      timeout_handshake(
          Count("bulwark_http_timeouts_total", kTimeouts, server, "during", "handshake")),
      timeout_head(Count("bulwark_http_timeouts_total", kTimeouts, server, "during", "head")),
      timeout_body(Count("bulwark_http_timeouts_total", kTimeouts, server, "during", "body")),
      timeout_write(Count("bulwark_http_timeouts_total", kTimeouts, server, "during", "write")),
      queue_full(Count("bulwark_http_refused_total", kRefused, server, "reason", "queue")),
      broken_off(Count("bulwark_http_broken_off_total", "Answers that were not finished.", server)),
      bad_requests(Count("bulwark_http_refused_total", kRefused, server, "reason", "malformed")),
      bytes_in(Count("bulwark_http_received_bytes_total", "Bytes received, without TLS.", server)),
      bytes_out(Count("bulwark_http_sent_bytes_total", "Bytes sent, without TLS.", server)),
      connections(Metrics::Default().AddGauge("bulwark_http_connections", "Open connections.",
                                              {{"server", server}})),
      streams(Metrics::Default().AddGauge("bulwark_http_streams",
                                          "Answers that are being streamed, and upgraded "
                                          "connections.",
                                          {{"server", server}})),
      seconds(Metrics::Default().AddHistogram("bulwark_http_request_seconds",
                                              "From a complete request to its answer.",
                                              Metrics::DurationBounds(), {{"server", server}})) {
  static constexpr std::string_view kClasses[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
  for (size_t i = 0; i < std::size(kClasses); ++i) {
    by_class[i] = &Count("bulwark_http_requests_total", "Requests, by the class of their status.",
                         server, "status", kClasses[i]);
  }
}

std::string ServerCore::NewId() { return fmt::format("{}{:08x}", id_prefix, ++id_count); }

bool ServerCore::TrustedProxy(const IpAddress& address) const {
  return std::any_of(proxies.begin(), proxies.end(),
                     [&](const IpRange& range) { return range.Contains(address); });
}

bool ServerCore::TlsAsksForCertificates() const {
  std::lock_guard lock(tls_mutex);
  return tls_options.client_certificates != ClientCertificates::kOff;
}

void ServerCore::ConnectionEnded() {
  size_t left = --connections;
  metrics.connections.Set(static_cast<double>(left));
  if (left != 0) return;
  std::lock_guard lock(idle_mutex);
  idle.notify_all();
}

void IoThread::Sweep() {
  constexpr auto kEvery = std::chrono::milliseconds(250);
  if (stopping) return;
  auto now = Clock::now();
  std::vector<std::shared_ptr<Connection>> all(connections.begin(), connections.end());
  for (const auto& connection : all) connection->Sweep(now);
  sweep_timer.expires_after(kEvery);
  sweep_timer.async_wait([this](auto ec) {
    if (!ec) Sweep();
  });
}

// --- HttpServer ----------------------------------------------------------------------------------

struct HttpServer::State {
  std::shared_ptr<ServerCore> core;
  std::vector<std::unique_ptr<tcp::acceptor>> acceptors;  // on the first I/O thread
  std::vector<std::unique_ptr<asio::steady_timer>> pauses;
  std::vector<std::string> addresses;
  uint16_t port = 0;
  size_t next_thread = 0;
  std::mutex shutdown_mutex;
  bool down = false;

  Result<> Listen(const std::string& address);
  void Accept(size_t index);
  void Accepted(tcp::socket socket, IoThread& thread);
};

namespace {

Result<std::shared_ptr<asio::ssl::context>> MakeTls(const TlsServerOptions& options) {
  auto made = BW_TRY(TlsServerContext::Make(options));
  auto* ctx = static_cast<SSL_CTX*>(made->native());
  SSL_CTX_up_ref(ctx);
  return std::make_shared<asio::ssl::context>(ctx);
}

Error ListenError(Code code, std::string_view address, std::string_view why) {
  return Error(code, "http.listen", fmt::format("listening on {}: {}", address, why),
               {{"address", std::string(address)}, {"why", std::string(why)}});
}

std::string EndpointText(const tcp::endpoint& endpoint) {
  IpAddress address = IpAddress::Of(endpoint.data()).value_or(IpAddress());
  return fmt::format(fmt::runtime(address.v6 ? "[{}]:{}" : "{}:{}"), address.ToString(),
                     endpoint.port());
}

}  // namespace

Result<> HttpServer::State::Listen(const std::string& address) {
  size_t colon = address.rfind(':');
  std::string_view port_text =
      std::string_view(address).substr(colon == std::string::npos ? address.size() : colon + 1);
  if (port_text.empty() || port_text.size() > 5 ||
      !std::all_of(port_text.begin(), port_text.end(), IsAsciiDigit)) {
    return ListenError(Code::kInvalid, address, "not host:port");
  }
  unsigned long number = std::stoul(std::string(port_text));
  if (number > 65535) return ListenError(Code::kInvalid, address, "not a port");
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  asio::io_context& io = core->threads[0]->io;
  boost::system::error_code ec;
  std::vector<tcp::endpoint> endpoints;
  if (host.empty()) {
    endpoints.emplace_back(tcp::v6(), static_cast<uint16_t>(number));
  } else {
    tcp::resolver resolver(io);
    for (const auto& found : resolver.resolve(
             host, port_text, tcp::resolver::passive | tcp::resolver::numeric_service, ec)) {
      endpoints.push_back(found.endpoint());
    }
    if (ec || endpoints.empty()) return ListenError(Code::kUnavailable, address, ec.message());
  }
  for (tcp::endpoint endpoint : endpoints) {
    auto acceptor = std::make_unique<tcp::acceptor>(io);
    acceptor->open(endpoint.protocol(), ec);
    if (ec && host.empty() && endpoint.protocol() == tcp::v6()) {  // a machine without IPv6
      endpoint = tcp::endpoint(tcp::v4(), endpoint.port());
      acceptor->open(endpoint.protocol(), ec);
    }
    if (!ec) acceptor->set_option(asio::socket_base::reuse_address(true), ec);
    if (!ec && endpoint.protocol() == tcp::v6()) {
      acceptor->set_option(asio::ip::v6_only(!host.empty()), ec);
    }
    if (!ec) acceptor->bind(endpoint, ec);
    if (!ec) acceptor->listen(1024, ec);
    if (ec) {
      Code code = ec == asio::error::access_denied ? Code::kDenied : Code::kUnavailable;
      return ListenError(code, address, ec.message());
    }
    tcp::endpoint bound = acceptor->local_endpoint(ec);
    addresses.push_back(EndpointText(bound));
    if (port == 0) port = bound.port();
    acceptors.push_back(std::move(acceptor));
    pauses.push_back(std::make_unique<asio::steady_timer>(io));
    if (number == 0) break;  // two families would get two ports
  }
  return Ok();
}

void HttpServer::State::Accept(size_t index) {
  IoThread& thread = *core->threads[next_thread++ % core->threads.size()];
  acceptors[index]->async_accept(
      thread.io, [this, index, &thread](boost::system::error_code ec, tcp::socket socket) {
        if (ec == asio::error::operation_aborted || !acceptors[index]->is_open()) return;
        if (!ec) {
          Accepted(std::move(socket), thread);
          return Accept(index);
        }
        core->metrics.accept_errors.Add();
        if (ec == asio::error::connection_aborted) return Accept(index);
        // Out of descriptors or memory: trying again at once would only burn the processor.
        Log(Level::kWarn, "http.accept.failed", {{"why", ec.message()}});
        pauses[index]->expires_after(std::chrono::milliseconds(100));
        pauses[index]->async_wait([this, index](auto cancelled) {
          if (!cancelled) Accept(index);
        });
      });
}

void HttpServer::State::Accepted(tcp::socket socket, IoThread& thread) {
  core->metrics.accepted.Add();
  if (core->draining || core->connections >= core->options.limits.max_connections) {
    core->metrics.refused_limit.Add();
    return;  // closes it
  }
  core->metrics.connections.Set(static_cast<double>(++core->connections));
  auto take = [this, &thread, s = std::move(socket)]() mutable {
    auto connection = MakeConnection(thread, std::move(s), core->options.tls.has_value());
    thread.connections.insert(connection);
    if (thread.stopping || core->draining) return connection->Close();
    connection->Start();
  };
  if (&thread == core->threads[0].get()) {
    take();
  } else {
    asio::post(thread.io, std::move(take));
  }
}

HttpServer::HttpServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

HttpServer::~HttpServer() { Shutdown(std::chrono::milliseconds(0)); }

Result<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options, Handler handler) {
  auto state = std::make_shared<State>();
  for (const auto& [name, value] : options.default_headers) {
    if (!IsHttpToken(name) || !IsHeaderValue(value)) {
      return Error(Code::kInvalid, "http.options",
                   fmt::format("the header {} is malformed", Quote(name)));
    }
  }
  state->core = std::make_shared<ServerCore>(std::move(options), std::move(handler));
  ServerCore& core = *state->core;
  for (const std::string& proxy : core.options.trusted_proxies) {
    core.proxies.push_back(BW_TRY(IpRange::Parse(proxy)));
  }
  if (core.options.tls) {
    core.tls = BW_TRY(MakeTls(*core.options.tls));
    core.tls_options = *core.options.tls;
  }
  unsigned char random[8];
  BW_CHECK(RAND_bytes(random, sizeof(random)) == 1);
  core.id_prefix = HexEncode({reinterpret_cast<char*>(random), sizeof(random)});
  for (size_t i = 0; i < std::max<size_t>(core.options.io_threads, 1); ++i) {
    core.threads.push_back(std::make_unique<IoThread>(core));
  }
  for (const std::string& address : core.options.listen) BW_TRY(state->Listen(address));
  for (size_t i = 0; i < state->acceptors.size(); ++i) state->Accept(i);
  for (auto& t : core.threads) {
    IoThread* thread = t.get();
    asio::post(thread->io, [thread] { thread->Sweep(); });
    thread->thread = std::thread([thread] { thread->io.run(); });
  }
  core.pool.Start(core.options.workers, core.options.max_queue);
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

const std::vector<std::string>& HttpServer::addresses() const { return state_->addresses; }
uint16_t HttpServer::port() const { return state_->port; }
size_t HttpServer::connections() const { return state_->core->connections; }

Result<> HttpServer::SetCertificate(std::string certificate_pem, std::string key_pem) {
  TlsServerOptions options;
  {
    std::lock_guard lock(state_->core->tls_mutex);
    options = state_->core->tls_options;
  }
  options.certificate_pem = std::move(certificate_pem);
  options.key_pem = std::move(key_pem);
  return SetTls(std::move(options));
}

Result<> HttpServer::SetTls(TlsServerOptions options) {
  ServerCore& core = *state_->core;
  if (!core.options.tls) return Error(Code::kInvalid, "http.options", "the server has no TLS");
  auto tls = BW_TRY(MakeTls(options));
  std::lock_guard lock(core.tls_mutex);
  core.tls = std::move(tls);
  core.tls_options = std::move(options);
  return Ok();
}

bool HttpServer::Shutdown(std::chrono::milliseconds grace) {
  std::lock_guard once(state_->shutdown_mutex);
  if (std::exchange(state_->down, true)) return true;
  ServerCore& core = *state_->core;
  auto deadline = Clock::now() + grace;
  core.draining = true;
  asio::post(core.threads[0]->io, [this] {
    boost::system::error_code ec;
    for (auto& acceptor : state_->acceptors) acceptor->close(ec);
    for (auto& pause : state_->pauses) pause->cancel();
  });
  for (auto& t : core.threads) {
    asio::post(t->io, [thread = t.get()] {
      std::vector<std::shared_ptr<Connection>> all(thread->connections.begin(),
                                                   thread->connections.end());
      for (const auto& connection : all) connection->Drain();
    });
  }
  bool clean = false;
  {
    std::unique_lock lock(core.idle_mutex);
    clean = core.idle.wait_until(lock, deadline, [&] { return core.connections == 0; });
  }
  // Streams' writers that wait for room must be told before their workers can end.
  for (auto& t : core.threads) {
    asio::post(t->io, [thread = t.get()] {
      thread->stopping = true;
      thread->sweep_timer.cancel();
      std::vector<std::shared_ptr<Connection>> all(thread->connections.begin(),
                                                   thread->connections.end());
      for (const auto& connection : all) connection->Close();
    });
  }
  core.pool.Stop();
  for (auto& t : core.threads) {
    t->work.reset();
    t->thread.join();
  }
  return clean;
}

}  // namespace bulwark::net
