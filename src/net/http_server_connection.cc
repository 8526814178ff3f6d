#include "net/http_server_connection.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include "base/text.h"

namespace bulwark::net {

namespace {

constexpr size_t kReadSize = 4096;  // what an idle connection keeps
constexpr size_t kBodyReadSize = 64 * 1024;
constexpr size_t kPipelined = 64 * 1024;  // read ahead while an answer is made
constexpr auto kLingerTime = std::chrono::seconds(2);
constexpr size_t kLingerBytes = 1 << 20;
constexpr auto kRetrySeconds = "1";

bool IsRequestId(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return IsAsciiLetter(c) || IsAsciiDigit(c) || c == '-' || c == '_' || c == '.';
  });
}

class PlainConnection final : public Connection {
 public:
  PlainConnection(IoThread& thread, tcp::socket socket, bool redirect_only)
      : Connection(thread, false, Peer(socket)), socket_(std::move(socket)) {
    redirect_only_ = redirect_only;
  }
  static tcp::endpoint Peer(const tcp::socket& socket) {
    boost::system::error_code ec;
    return socket.remote_endpoint(ec);
  }
  void Start() override { Begin(); }

 private:
  std::shared_ptr<PlainConnection> Self() {
    return std::static_pointer_cast<PlainConnection>(shared_from_this());
  }
  void DoRead(char* to, size_t size) override {
    socket_.async_read_some(asio::buffer(to, size),
                            [self = Self()](auto ec, size_t n) { self->OnRead(ec, n); });
  }
  void DoWrite(const std::vector<asio::const_buffer>& buffers) override {
    asio::async_write(socket_, buffers,
                      [self = Self()](auto ec, size_t n) { self->OnWritten(ec, n); });
  }
  void DoGoodbye() override {
    boost::system::error_code ec;
    socket_.shutdown(tcp::socket::shutdown_send, ec);
    if (ec) Close();
  }
  void DoClose() override {
    boost::system::error_code ec;
    socket_.close(ec);
  }
  tcp::socket socket_;
};

class TlsConnection final : public Connection {
 public:
  TlsConnection(IoThread& thread, tcp::socket socket)
      : Connection(thread, true, PlainConnection::Peer(socket)),
        stream_(std::move(socket), *thread.core.Tls()) {}

  // The first byte says whether this is TLS at all.
  void Start() override {
    set_deadline(core_.options.limits.handshake_timeout);
    stream_.next_layer().async_wait(tcp::socket::wait_read, [self = Self()](auto ec) {
      if (self->state_ == State::kClosed) return;
      if (ec) return self->Close();
      char first = 0;
      ssize_t n =
          ::recv(self->stream_.next_layer().native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
      if (n <= 0) return self->Close();
      if (first == 0x16) return self->Handshake();
      if (!IsAsciiLetter(first)) {
        self->core_.metrics.handshake_errors.Add();
        return self->Close();
      }
      self->core_.metrics.plain_on_tls.Add();
      auto plain = std::make_shared<PlainConnection>(self->thread_,
                                                     std::move(self->stream_.next_layer()), true);
      ++self->core_.connections;
      self->thread_.connections.insert(plain);
      self->Close();
      plain->Start();
    });
  }

 private:
  using Stream = asio::ssl::stream<tcp::socket>;
  std::shared_ptr<TlsConnection> Self() {
    return std::static_pointer_cast<TlsConnection>(shared_from_this());
  }
  void Handshake() {
    stream_.async_handshake(asio::ssl::stream_base::server, [self = Self()](auto ec) {
      if (self->state_ == State::kClosed) return;
      if (ec) {
        self->core_.metrics.handshake_errors.Add();
        return self->Close();
      }
      if (self->core_.TlsAsksForCertificates()) {
        self->certificate_ = PeerCertificateOf(self->stream_.native_handle());
      }
      self->Begin();
    });
  }
  void DoRead(char* to, size_t size) override {
    if (raw_) {
      stream_.next_layer().async_read_some(
          asio::buffer(to, size), [self = Self()](auto ec, size_t n) { self->OnRead(ec, n); });
      return;
    }
    stream_.async_read_some(asio::buffer(to, size), [self = Self()](auto ec, size_t n) {
      if (ec && ec != asio::error::eof && self->state_ == State::kLinger) {
        self->raw_ = true;
        return self->OnRead({}, 0);
      }
      self->OnRead(ec, n);
    });
  }
  void DoWrite(const std::vector<asio::const_buffer>& buffers) override {
    asio::async_write(stream_, buffers,
                      [self = Self()](auto ec, size_t n) { self->OnWritten(ec, n); });
  }
  void DoGoodbye() override {
    // TLS ends in an error when more of the request comes after this. Its bytes are then read past
    // TLS until the client has the answer and goes: a reset now would overtake it.
    stream_.async_shutdown([self = Self()](auto ec) {
      if (!ec || ec == asio::error::eof) self->Close();
    });
  }
  void DoClose() override {
    boost::system::error_code ec;
    stream_.next_layer().close(ec);
  }
  Stream stream_;
  bool raw_ = false;  // what lingers is no longer TLS
};

}  // namespace

std::shared_ptr<Connection> MakeConnection(IoThread& thread, tcp::socket socket, bool tls) {
  boost::system::error_code ec;
  socket.set_option(tcp::no_delay(true), ec);
  socket.set_option(asio::socket_base::keep_alive(true), ec);
  int fd = socket.native_handle();
  int idle = 60, every = 15, count = 4;  // a peer that vanished is noticed after two minutes
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
  if (tls) return std::make_shared<TlsConnection>(thread, std::move(socket));
  return std::make_shared<PlainConnection>(thread, std::move(socket), false);
}

Connection::Connection(IoThread& thread, bool tls, tcp::endpoint peer)
    : thread_(thread),
      core_(thread.core),
      core_owner_(thread.core.shared_from_this()),
      peer_(std::move(peer)),
      tls_(tls),
      parser_(thread.core.options.limits) {}

void Connection::Begin() {
  state_ = State::kHead;
  set_deadline(core_.options.limits.header_timeout);
  StartRead();
}

Clock::duration Connection::BodyTime(uint64_t bytes) const {
  const HttpLimits& l = core_.options.limits;
  uint64_t seconds = std::min<uint64_t>(bytes / std::max<size_t>(l.min_bytes_per_second, 1),
                                        uint64_t{30} * 24 * 3600);
  return l.body_timeout + std::chrono::seconds(seconds);
}

void Connection::Sweep(Clock::time_point now) {
  if (now >= write_deadline_) {
    core_.metrics.timeout_write.Add();
    return Close();
  }
  if (now < deadline_) return;
  deadline_ = Clock::time_point::max();
  switch (state_) {
    case State::kHandshake: core_.metrics.timeout_handshake.Add(); return Close();
    case State::kHead:
      if (buffered() == 0 && !in_request_) return Close();  // idle: no harm
      core_.metrics.timeout_head.Add();
      return Refuse(408, "the head took too long");
    case State::kBody:
      core_.metrics.timeout_body.Add();
      return Refuse(408, "the body took too long");
    case State::kLinger: return Close();
    default: return;
  }
}

void Connection::Drain() {
  if (state_ == State::kHandshake || (state_ == State::kHead && buffered() == 0 && !in_request_)) {
    return Close();
  }
  if (exchange_ == nullptr || !exchange_->endless()) return;
  if (state_ == State::kHandling) return exchange_->GiveUpWaiting();
  Close();
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  if (state_ == State::kStreaming || state_ == State::kUpgraded) core_.metrics.streams.Add(-1);
  state_ = State::kClosed;
  auto self = shared_from_this();
  if (auto exchange = std::exchange(exchange_, nullptr)) {
    if (!response_queued_) Count(0);
    exchange->Detach();
  }
  DoClose();
  thread_.connections.erase(self);
  core_.ConnectionEnded();
}

void Connection::StartRead() {
  if (reading_ || eof_ || state_ == State::kClosed) return;
  size_t want = state_ == State::kBody ? kBodyReadSize : kReadSize;
  if (begin_ == end_) begin_ = end_ = 0;
  if (begin_ != 0 && in_.size() - end_ < want) {
    in_.erase(0, begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == 0 && in_.size() > want) std::string().swap(in_);
  if (in_.size() - end_ < want) in_.resize(end_ + want);
  reading_ = true;
  DoRead(in_.data() + end_, in_.size() - end_);
}

void Connection::OnRead(const boost::system::error_code& ec, size_t n) {
  reading_ = false;
  if (state_ == State::kClosed) return;
  end_ += n;
  core_.metrics.bytes_in.Add(n);
  if (!ec) return Process();
  eof_ = true;
  switch (state_) {
    case State::kHandling: {
      // One may close one's half after a request and still wait for a quick answer. Who waits for a
      // late one is taken for gone.
      if (ec != asio::error::eof || exchange_->SawEof()) Close();
      return;
    }
    case State::kStreaming:
      if (ec != asio::error::eof || exchange_->endless()) Close();
      return;
    case State::kResponding: return;
    default: return Close();
  }
}

void Connection::Process() {
  while (state_ != State::kClosed) {
    switch (state_) {
      case State::kHead: {
        if (buffered() == 0) {
          if (eof_) return Close();
          return StartRead();
        }
        if (!in_request_) {
          in_request_ = true;
          set_deadline(core_.options.limits.header_timeout);
        }
        begin_ += parser_.Feed(data());
        if (parser_.state() == RequestParser::State::kFailed) {
          return Refuse(parser_.status(), parser_.reason());
        }
        if (parser_.state() == RequestParser::State::kHead) {
          if (eof_) return Close();
          return StartRead();
        }
        if (!OnHead()) return;
        break;
      }
      case State::kBody: {
        begin_ += parser_.Feed(data(), buffered() >= kBodyReadSize);
        if (parser_.state() == RequestParser::State::kFailed) {
          return Refuse(parser_.status(), parser_.reason());
        }
        if (parser_.state() == RequestParser::State::kBody) {
          if (eof_) return Close();
          return StartRead();
        }
        return Dispatch();
      }
      case State::kHandling:
      case State::kResponding:
      case State::kStreaming:
        // Read ahead, also to notice that the client goes away.
        if (buffered() < kPipelined) StartRead();
        return;
      case State::kUpgraded: return DeliverData();
      case State::kLinger:
        lingered_ += buffered();
        begin_ = end_ = 0;
        if (lingered_ > kLingerBytes) return Close();
        return StartRead();
      case State::kHandshake:
      case State::kClosed: return;
    }
  }
}

void Connection::CompleteRequest() {
  ServerRequest& r = parser_.request();
  IpAddress address = IpAddress::Of(peer_.data()).value_or(IpAddress()).Unmapped();
  r.peer = r.client = address.ToString();
  r.peer_port = peer_.port();
  r.tls = tls_;
  r.certificate = certificate_;
  if (core_.TrustedProxy(address)) {
    // From the right, each hop vouches for the one before it, for as long as we trust it.
    std::vector<std::string_view> hops;
    for (const auto& [name, value] : r.headers) {
      if (name != "x-forwarded-for") continue;
      for (std::string_view hop : Split(value, ',')) hops.push_back(Trim(hop));
    }
    for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
      auto parsed = IpAddress::Parse(*hop);
      if (!parsed) break;
      r.client = parsed->Unmapped().ToString();
      if (!core_.TrustedProxy(parsed->Unmapped())) break;
    }
    if (std::string_view id = r.Header("x-request-id"); IsRequestId(id)) r.id = id;
  }
  if (r.id.empty()) r.id = core_.NewId();
}

bool Connection::OnHead() {
  if (redirect_only_) {
    const ServerRequest& r = parser_.request();
    if (!core_.options.redirect_to_https || r.host.empty() ||
        (r.method != "GET" && r.method != "HEAD")) {
      Refuse(400, "this port speaks HTTPS");
      return false;
    }
    ServerResponse redirect{.status = 308};
    std::string query = r.target.substr(std::min(r.target.find('?'), r.target.size()));
    redirect.headers = {{"Location", fmt::format("https://{}{}{}", r.host, r.path, query)}};
    Reply(std::move(redirect));
    return false;
  }
  CompleteRequest();
  if (core_.options.on_head) {
    HeadDecision decision = core_.options.on_head(parser_.request());
    if (decision.refusal) {
      Reply(*std::move(decision.refusal));
      return false;
    }
    if (decision.max_body_bytes) parser_.set_max_body(*decision.max_body_bytes);
  }
  auto length = parser_.content_length();
  if (length && *length > parser_.max_body()) {
    Refuse(413, fmt::format("the body has more than {} bytes", parser_.max_body()));
    return false;
  }
  if (parser_.state() == RequestParser::State::kDone) {
    Dispatch();
    return false;
  }
  state_ = State::kBody;
  deadline_ = Clock::now() + BodyTime(length.value_or(parser_.max_body()));
  if (parser_.expects_continue() && buffered() == 0) Send("HTTP/1.1 100 Continue\r\n\r\n");
  return true;
}

void Connection::Dispatch() {
  state_ = State::kHandling;
  deadline_ = Clock::time_point::max();
  bool keep =
      parser_.keep_alive() && ++requests_ < core_.options.limits.max_requests_per_connection;
  exchange_ = std::make_shared<Exchange>(core_owner_, shared_from_this(),
                                         std::move(parser_.request()), parser_.max_body(), keep);
  response_queued_ = false;
  if (!core_.pool.Add([exchange = exchange_] { exchange->Run(); })) {
    core_.metrics.queue_full.Add();
    ServerResponse busy = ProblemResponse(503, "the server has more requests than it can take",
                                          exchange_->request().id);
    busy.headers.emplace_back("Retry-After", kRetrySeconds);
    exchange_->Answer(std::move(busy), false);
  }
  // For the next request, and to notice that the client goes away.
  if (buffered() < kPipelined) StartRead();
}

void Connection::Refuse(int status, std::string reason) {
  core_.metrics.bad_requests.Add();
  Reply(ProblemResponse(status, reason, core_.NewId()));
}

void Connection::Reply(ServerResponse response) {
  state_ = State::kResponding;
  deadline_ = Clock::time_point::max();
  ServerRequest request = parser_.request();
  if (request.id.empty()) request.id = core_.NewId();
  std::string body = std::move(response.body);
  Exchange local(core_owner_, nullptr, std::move(request), 0, false);
  response.body = std::move(body);
  int status = response.status;
  Exchange::Wire wire = local.Serialize(std::move(response));
  Count(status);
  close_after_ = true;
  response_queued_ = true;
  Send(wire.head + wire.body);
}

void Connection::SendWire(const std::shared_ptr<Exchange>& exchange, Exchange::Wire wire) {
  if (state_ == State::kClosed || exchange != exchange_) return;
  state_ = State::kResponding;
  close_after_ = close_after_ || wire.close;
  response_queued_ = true;
  Count(std::atoi(wire.head.c_str() + sizeof("HTTP/1.1")));
  if (wire.body.size() < 16 * 1024) {
    wire.head += wire.body;
  } else {
    out_.push_back(std::move(wire.head));
    wire.head = std::move(wire.body);
  }
  Send(std::move(wire.head));
}

void Connection::SendStreamHead(const std::shared_ptr<Exchange>& exchange, std::string head,
                                bool close, bool upgrade) {
  if (state_ == State::kClosed || exchange != exchange_) return;
  state_ = upgrade ? State::kUpgraded : State::kStreaming;
  core_.metrics.streams.Add(1);
  close_after_ = close_after_ || close;
  Count(std::atoi(head.c_str() + sizeof("HTTP/1.1")));
  if (eof_ && exchange->endless()) return Close();
  Send(std::move(head));
}

void Connection::Count(int status) {
  core_.metrics.by_class[status / 100]->Add();
  if (exchange_ != nullptr) {
    core_.metrics.seconds.Observe(
        std::chrono::duration<double>(Clock::now() - exchange_->started()).count());
  }
}

void Connection::Pump() {
  if (state_ == State::kClosed || exchange_ == nullptr || writing_ || response_queued_ ||
      (state_ != State::kStreaming && state_ != State::kUpgraded)) {
    return;
  }
  bool done = false;
  std::string bytes = exchange_->TakeQueued(&done);
  if (done) response_queued_ = true;
  if (!bytes.empty()) return Send(std::move(bytes));
  if (done) AfterResponse();
}

void Connection::Send(std::string bytes) {
  if (!bytes.empty()) out_.push_back(std::move(bytes));
  if (!writing_) StartWrite();
}

void Connection::StartWrite() {
  if (out_.empty()) return;
  writing_now_ = std::exchange(out_, {});
  std::vector<asio::const_buffer> buffers;
  size_t size = 0;
  for (const std::string& part : writing_now_) {
    buffers.emplace_back(part.data(), part.size());
    size += part.size();
  }
  const HttpLimits& l = core_.options.limits;
  write_deadline_ = Clock::now() + l.write_timeout +
                    std::chrono::seconds(size / std::max<size_t>(l.min_bytes_per_second, 1));
  writing_ = true;
  DoWrite(buffers);
}

void Connection::OnWritten(const boost::system::error_code& ec, size_t n) {
  writing_ = false;
  write_deadline_ = Clock::time_point::max();
  core_.metrics.bytes_out.Add(n);
  if (state_ == State::kClosed) return;
  if (ec) return Close();
  writing_now_.clear();
  if (!out_.empty()) return StartWrite();
  if (state_ == State::kResponding) return AfterResponse();
  if (state_ == State::kStreaming || state_ == State::kUpgraded) {
    if (response_queued_) return AfterResponse();
    exchange_->Written();
    Pump();
  }
}

void Connection::AfterResponse() {
  bool upgraded = state_ == State::kUpgraded;
  if (state_ == State::kStreaming || upgraded) core_.metrics.streams.Add(-1);
  state_ = State::kResponding;
  if (auto exchange = std::exchange(exchange_, nullptr)) exchange->Detach();
  if (state_ == State::kClosed) return;
  if (close_after_ || core_.draining) return Goodbye();
  parser_.Reset();
  in_request_ = false;
  response_queued_ = false;
  state_ = State::kHead;
  set_deadline(core_.options.limits.idle_timeout);
  Process();
}

void Connection::Goodbye() {
  // Closing with something unread would make the kernel send a reset, which can overtake the
  // answer.
  state_ = State::kLinger;
  lingered_ = 0;
  set_deadline(kLingerTime);
  if (eof_) return Close();
  DoGoodbye();
  Process();
}

void Connection::ResumeData() {
  if (state_ != State::kUpgraded) return;
  paused_ = false;
  DeliverData();
}

void Connection::DeliverData() {
  if (delivering_) return;  // from inside the callback
  auto self = shared_from_this();
  delivering_ = true;
  while (state_ == State::kUpgraded && !paused_ && exchange_ != nullptr && buffered() != 0) {
    auto callback = exchange_->data_callback();
    if (!callback) {
      paused_ = true;
      break;
    }
    size_t n = buffered();
    if (!callback(data())) paused_ = true;
    begin_ += n;
  }
  delivering_ = false;
  if (state_ == State::kUpgraded && !paused_) StartRead();
}

}  // namespace bulwark::net
