// One request and its answer: what crosses threads.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <exception>

#include "base/files.h"
#include "base/log.h"
#include "base/text.h"
#include "formats/json.h"
#include "net/http_server_connection.h"

namespace bulwark::net {

namespace {

// RFC 9110, section 5.6.7; made once a second and thread.
std::string_view HttpDate() {
  thread_local time_t at = 0;
  thread_local std::string text;
  time_t now = ::time(nullptr);
  if (now != at) {
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    tm t{};
    ::gmtime_r(&now, &t);
    text = fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[t.tm_wday], t.tm_mday,
                       kMonths[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    at = now;
  }
  return text;
}

bool IsOurs(std::string_view name) {
  static constexpr std::string_view kOurs[] = {
      "content-length", "transfer-encoding", "connection",  "keep-alive",
      "date",           "trailer",           "x-request-id"};
  return std::any_of(std::begin(kOurs), std::end(kOurs),
                     [&](std::string_view ours) { return EqualsIgnoringCase(ours, name); });
}

bool HasNoBody(int status) { return status < 200 || status == 204 || status == 304; }

class StreamHandle final : public UpgradedConnection {
 public:
  explicit StreamHandle(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~StreamHandle() override { exchange_->Abort(); }
  Taken Write(std::string_view bytes) override { return exchange_->Write(bytes); }
  bool WriteAll(std::string_view bytes, std::stop_token stop) override {
    return exchange_->WriteAll(bytes, std::move(stop));
  }
  void Finish() override { exchange_->Finish(); }
  void Abort() override { exchange_->Abort(); }
  bool open() const override { return exchange_->open(); }
  size_t queued() const override { return exchange_->queued(); }
  void OnWritable(std::function<void()> then) override { exchange_->OnWritable(std::move(then)); }
  void OnClosed(std::function<void()> then) override { exchange_->OnClosed(std::move(then)); }
  void OnData(std::function<bool(std::string_view)> then) override {
    exchange_->OnData(std::move(then));
  }
  void Resume() override { exchange_->Resume(); }

 private:
  std::shared_ptr<Exchange> exchange_;
};

// Calls a generator whenever there is room for its next piece.
class Generating : public std::enable_shared_from_this<Generating> {
 public:
  Generating(std::shared_ptr<ServerCore> core, std::shared_ptr<Exchange> exchange,
             std::function<Result<std::string>()> next)
      : core_(std::move(core)), stream_(std::move(exchange)), next_(std::move(next)) {}

  void Step() {
    for (;;) {
      if (piece_.empty()) {
        if (!stream_.open()) return;
        auto piece = next_();
        if (!piece) {
          Log(Level::kWarn, "http.generator.failed", {{"error", piece.error()}});
          return stream_.Abort();
        }
        if (piece->empty()) return stream_.Finish();
        piece_ = *std::move(piece);
      }
      switch (stream_.Write(piece_)) {
        case ResponseStream::Taken::kYes: piece_.clear(); break;
        case ResponseStream::Taken::kClosed: return;
        case ResponseStream::Taken::kFull:
          // A worker again; the callback runs on an I/O thread, or here and now.
          return stream_.OnWritable([self = shared_from_this()] {
            self->core_->pool.AddAlways([self] { self->Step(); });
          });
      }
    }
  }

 private:
  std::shared_ptr<ServerCore> core_;
  StreamHandle stream_;
  std::function<Result<std::string>()> next_;
  std::string piece_;
};

}  // namespace

class LaterResponder final : public Responder {
 public:
  explicit LaterResponder(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~LaterResponder() override {
    Send(ProblemResponse(500, "the request was not answered", exchange_->request().id));
  }
  bool Send(ServerResponse response) override {
    {
      std::lock_guard lock(exchange_->mutex_);
      if (exchange_->answered_ || exchange_->connection_ == nullptr) return false;
      exchange_->answered_ = true;
    }
    exchange_->Answer(std::move(response), false);
    return true;
  }
  bool open() const override {
    std::lock_guard lock(exchange_->mutex_);
    return exchange_->connection_ != nullptr && !exchange_->answered_;
  }
  void OnClosed(std::function<void()> then) override { exchange_->OnClosed(std::move(then)); }

 private:
  std::shared_ptr<Exchange> exchange_;
};

std::string_view StatusText(int status) {
  switch (status) {
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Status";
  }
}

ServerResponse ProblemResponse(int status, std::string_view detail, std::string_view id) {
  ServerResponse out;
  out.status = status;
  out.headers = {{"Content-Type", "application/problem+json"}, {"Cache-Control", "no-store"}};
  out.body = R"({"type":"about:blank","title":)";
  AppendJsonString(out.body, StatusText(status));
  out.body += fmt::format(R"(,"status":{},"detail":)", status);
  AppendJsonString(out.body, detail);
  out.body += R"(,"requestId":)";
  AppendJsonString(out.body, id);
  out.body += '}';
  return out;
}

std::string_view ServerRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::optional<std::string_view> ServerRequest::Query(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::string_view ServerResponse::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (EqualsIgnoringCase(key, name)) return value;
  }
  return {};
}

Result<ServerResponse> ServerResponse::File(const std::string& path,
                                            std::string_view content_type) {
  Fd opened = BW_TRY(OpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  struct stat info{};
  if (::fstat(opened.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return Error(Code::kNotFound, "http.file", path + " is no file");
  }
  auto fd = std::make_shared<Fd>(std::move(opened));
  auto left = std::make_shared<uint64_t>(static_cast<uint64_t>(info.st_size));
  ServerResponse out;
  out.headers = {{"Content-Type", std::string(content_type)}};
  out.length = *left;
  out.generator = [fd, left, path]() -> Result<std::string> {
    std::string piece(std::min<uint64_t>(*left, 64 * 1024), '\0');
    if (piece.empty()) return piece;
    ssize_t n = ::read(fd->get(), piece.data(), piece.size());
    if (n < 0) return FileError(errno, "reading", path);
    piece.resize(static_cast<size_t>(n));
    *left -= piece.size();
    return piece;
  };
  return out;
}

Exchange::Exchange(std::shared_ptr<ServerCore> core, std::shared_ptr<Connection> connection,
                   ServerRequest request, size_t max_body, bool keep_alive)
    : core_(std::move(core)),
      request_(std::move(request)),
      max_body_(max_body),
      keep_alive_(keep_alive),
      connection_(std::move(connection)) {}

void Exchange::Run() {
  if (!open()) return;
  if (std::string_view coding = request_.Header("content-encoding"); !coding.empty()) {
    auto plain = DecodeBody(coding, std::move(request_.body), max_body_);
    if (!plain) {
      const Error& e = plain.error();
      int status = e.code() == Code::kLimit ? 413 : e.code() == Code::kUnsupported ? 415 : 400;
      ServerResponse refusal = ProblemResponse(status, e.message(), request_.id);
      if (status == 415) refusal.headers.emplace_back("Accept-Encoding", "gzip, zstd");
      return Answer(std::move(refusal), false);
    }
    request_.body = *std::move(plain);
  }
  // Nothing of ours throws, but libraries do; one request must not end the process.
  ServerResponse response;
  try {
    response = core_->handler(request_);
  } catch (const std::exception& e) {
    Log(Level::kError, "http.handler.threw",
        {{"path", request_.path}, {"request", request_.id}, {"what", e.what()}});
    response = ProblemResponse(500, "", request_.id);
  }
  Answer(std::move(response), true);
}

void Exchange::Answer(ServerResponse response, bool may_be_later) {
  if (response.later && may_be_later) {
    {
      std::lock_guard lock(mutex_);
      endless_ = response.endless;
      deferred_ = true;
      if (saw_eof_ && connection_ != nullptr) {
        asio::post(connection_->thread().io, [c = connection_] { c->Close(); });
      }
    }
    return response.later(std::make_shared<LaterResponder>(shared_from_this()));
  }
  if (response.later) {
    Log(Level::kError, "http.later_twice", {{"path", request_.path}});
    response = ProblemResponse(500, "", request_.id);
  }
  {
    std::lock_guard lock(mutex_);
    answered_ = true;
    endless_ = false;
  }
  if (response.upgrade) return StartUpgrade(std::move(response));
  if (response.stream || response.generator) return StartStream(std::move(response));
  PostWire(Serialize(std::move(response)));
}

void Exchange::PostWire(Wire wire) {
  std::function<void()> dropped;  // what it holds may be the responder: freed without the lock
  std::lock_guard lock(mutex_);
  if (connection_ == nullptr) return;
  finished_ = true;
  dropped = std::exchange(on_closed_, nullptr);
  asio::post(connection_->thread().io,
             [c = connection_, self = shared_from_this(), w = std::move(wire)]() mutable {
               c->SendWire(self, std::move(w));
             });
}

std::string Exchange::Head(const ServerResponse& response, Framing framing,
                           std::optional<uint64_t> length, Coding coding, bool vary, bool* close) {
  std::string out;
  out.reserve(512);
  auto to = std::back_inserter(out);
  fmt::format_to(to, "HTTP/1.1 {} {}\r\n", response.status, StatusText(response.status));
  bool valid = response.status >= (response.upgrade ? 101 : 200) && response.status <= 599;
  bool encoded = false;
  for (const auto& [name, value] : response.headers) {
    if (IsOurs(name)) continue;
    if (!IsHttpToken(name) || !IsHeaderValue(value)) valid = false;
    encoded = encoded || EqualsIgnoringCase(name, "content-encoding");
    fmt::format_to(to, "{}: {}\r\n", name, value);
  }
  if (!valid) {
    Log(Level::kError, "http.response.malformed",
        {{"path", request_.path}, {"status", response.status}});
    return {};
  }
  for (const auto& [name, value] : core_->options.default_headers) {
    if (response.Header(name).empty()) fmt::format_to(to, "{}: {}\r\n", name, value);
  }
  if (coding != Coding::kIdentity) {
    fmt::format_to(to, "Content-Encoding: {}\r\n", CodingName(coding));
  }
  if (vary && !encoded) out += "Vary: Accept-Encoding\r\n";
  fmt::format_to(to, "Date: {}\r\nX-Request-Id: {}\r\n", HttpDate(), request_.id);
  if (response.upgrade) {
    out += "Connection: Upgrade\r\n\r\n";
    return out;
  }
  *close = !keep_alive_ || core_->draining;
  if (!HasNoBody(response.status)) {
    if (framing == Framing::kLength && length) {
      fmt::format_to(to, "Content-Length: {}\r\n", *length);
    } else if (framing == Framing::kChunked) {
      out += "Transfer-Encoding: chunked\r\n";
    } else if (framing == Framing::kUntilClose) {
      *close = true;
    }
  }
  if (*close) {
    out += "Connection: close\r\n";
  } else if (request_.version < 11) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
  return out;
}

Exchange::Wire Exchange::Serialize(ServerResponse response) {
  Wire wire;
  bool has_body = !HasNoBody(response.status);
  bool vary = response.compress && has_body && response.Header("content-encoding").empty() &&
              response.body.size() >= core_->options.compress_from &&
              IsCompressible(response.Header("content-type"));
  Coding coding = vary ? ChooseCoding(request_.Header("accept-encoding")) : Coding::kIdentity;
  if (coding != Coding::kIdentity) response.body = Compress(coding, response.body);
  wire.head = Head(response, Framing::kLength, response.body.size(), coding, vary, &wire.close);
  if (wire.head.empty()) return Serialize(ProblemResponse(500, "", request_.id));
  if (has_body && request_.method != "HEAD") wire.body = std::move(response.body);
  return wire;
}

void Exchange::StartStream(ServerResponse response) {
  bool head_only = request_.method == "HEAD" || HasNoBody(response.status);
  bool vary = response.compress && response.Header("content-encoding").empty() &&
              (!response.length || *response.length >= core_->options.compress_from) &&
              IsCompressible(response.Header("content-type"));
  Coding coding = vary ? ChooseCoding(request_.Header("accept-encoding")) : Coding::kIdentity;
  bool known = response.generator && response.length && coding == Coding::kIdentity;
  Framing framing = known                    ? Framing::kLength
                    : request_.version >= 11 ? Framing::kChunked
                                             : Framing::kUntilClose;
  bool close = false;
  std::string head = Head(response, framing, response.length, coding, vary, &close);
  if (head.empty() || head_only) {
    Wire wire{.head = std::move(head), .body = "", .close = close};
    if (wire.head.empty()) wire = Serialize(ProblemResponse(500, "", request_.id));
    return PostWire(std::move(wire));
  }
  {
    std::lock_guard lock(mutex_);
    if (connection_ == nullptr) return;
    framing_ = framing;
    left_ = response.length.value_or(0);
    encoder_ = MakeEncoder(coding);
    flush_ = !response.generator;
    endless_ = response.endless;
    asio::post(connection_->thread().io,
               [c = connection_, self = shared_from_this(), h = std::move(head), close]() mutable {
                 c->SendStreamHead(self, std::move(h), close, false);
               });
  }
  if (response.generator) {
    std::make_shared<Generating>(core_, shared_from_this(), std::move(response.generator))->Step();
  } else {
    response.stream(std::make_shared<StreamHandle>(shared_from_this()));
  }
}

void Exchange::StartUpgrade(ServerResponse response) {
  response.status = 101;
  bool close = false;
  std::string head =
      Head(response, Framing::kUntilClose, std::nullopt, Coding::kIdentity, false, &close);
  if (head.empty()) {
    response = ProblemResponse(500, "", request_.id);
    return Answer(std::move(response), false);
  }
  {
    std::lock_guard lock(mutex_);
    if (connection_ == nullptr) return;
    framing_ = Framing::kUntilClose;
    endless_ = true;
    asio::post(connection_->thread().io,
               [c = connection_, self = shared_from_this(), h = std::move(head)]() mutable {
                 c->SendStreamHead(self, std::move(h), true, true);
               });
  }
  response.upgrade(std::make_shared<StreamHandle>(shared_from_this()));
}

void Exchange::PostPump() {
  if (pump_posted_ || connection_ == nullptr) return;
  pump_posted_ = true;
  asio::post(connection_->thread().io, [connection = connection_] { connection->Pump(); });
}

void Exchange::Frame(std::string_view bytes) {
  if (bytes.empty()) return;
  if (framing_ == Framing::kChunked) {
    fmt::format_to(std::back_inserter(queue_), "{:x}\r\n", bytes.size());
    queue_ += bytes;
    queue_ += "\r\n";
  } else {
    queue_ += bytes;
  }
}

ResponseStream::Taken Exchange::Write(std::string_view bytes) {
  std::lock_guard lock(mutex_);
  if (connection_ == nullptr || finished_) return ResponseStream::Taken::kClosed;
  if (bytes.empty()) return ResponseStream::Taken::kYes;
  if (queue_.size() + in_flight_ >= core_->options.limits.max_stream_queue) {
    return ResponseStream::Taken::kFull;
  }
  if (framing_ == Framing::kLength) {
    bytes = bytes.substr(0, left_);
    left_ -= bytes.size();
  }
  if (encoder_ != nullptr) {
    std::string smaller;
    encoder_->Add(bytes, flush_, smaller);
    Frame(smaller);
  } else {
    Frame(bytes);
  }
  if (!queue_.empty()) PostPump();
  return ResponseStream::Taken::kYes;
}

bool Exchange::WriteAll(std::string_view bytes, std::stop_token stop) {
  std::stop_callback wake(stop, [this] {
    std::lock_guard lock(mutex_);
    room_.notify_all();
  });
  for (;;) {
    switch (Write(bytes)) {
      case ResponseStream::Taken::kYes: return true;
      case ResponseStream::Taken::kClosed: return false;
      case ResponseStream::Taken::kFull: break;
    }
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] {
      return connection_ == nullptr || finished_ || stop.stop_requested() ||
             queue_.size() + in_flight_ < core_->options.limits.max_stream_queue;
    });
    if (stop.stop_requested()) return false;
  }
}

void Exchange::Finish() {
  std::function<void()> dropped;  // what it holds may be this stream: freed without the lock
  std::lock_guard lock(mutex_);
  if (connection_ == nullptr || finished_) return;
  if (framing_ == Framing::kLength && left_ != 0) {  // less than was promised
    return asio::post(connection_->thread().io, [c = connection_] { c->Close(); });
  }
  if (encoder_ != nullptr) {
    std::string end;
    encoder_->Finish(end);
    Frame(end);
  }
  if (framing_ == Framing::kChunked) queue_ += "0\r\n\r\n";
  finished_ = true;
  dropped = std::exchange(on_closed_, nullptr);
  PostPump();
}

void Exchange::Abort() {
  std::lock_guard lock(mutex_);
  if (connection_ == nullptr || finished_) return;
  finished_ = true;
  core_->metrics.broken_off.Add();
  asio::post(connection_->thread().io, [c = connection_] { c->Close(); });
}

bool Exchange::open() const {
  std::lock_guard lock(mutex_);
  return connection_ != nullptr && !finished_;
}

size_t Exchange::queued() const {
  std::lock_guard lock(mutex_);
  return queue_.size() + in_flight_;
}

void Exchange::OnWritable(std::function<void()> then) {
  {
    std::lock_guard lock(mutex_);
    if (connection_ == nullptr || finished_) return;
    if (queue_.size() + in_flight_ >= core_->options.limits.max_stream_queue) {
      on_writable_ = std::move(then);
      return;
    }
  }
  then();
}

void Exchange::OnClosed(std::function<void()> then) {
  {
    std::lock_guard lock(mutex_);
    if (finished_) return;
    if (connection_ != nullptr) {
      on_closed_ = std::move(then);
      return;
    }
  }
  then();
}

void Exchange::OnData(std::function<bool(std::string_view)> then) {
  std::lock_guard lock(mutex_);
  on_data_ = std::move(then);
  if (connection_ == nullptr) return;
  asio::post(connection_->thread().io, [c = connection_] { c->ResumeData(); });
}

void Exchange::Resume() {
  std::lock_guard lock(mutex_);
  if (connection_ == nullptr) return;
  asio::post(connection_->thread().io, [c = connection_] { c->ResumeData(); });
}

void Exchange::Detach() {
  std::function<void()> closed, writable;
  std::function<bool(std::string_view)> data;
  std::shared_ptr<Connection> connection;
  bool tell = false;
  {
    std::lock_guard lock(mutex_);
    connection = std::exchange(connection_, nullptr);
    closed = std::exchange(on_closed_, nullptr);
    writable = std::exchange(on_writable_, nullptr);
    data = std::exchange(on_data_, nullptr);
    queue_.clear();
    in_flight_ = 0;
    tell = !finished_;
    room_.notify_all();
  }
  if (closed && tell) closed();
}

std::string Exchange::TakeQueued(bool* done) {
  std::lock_guard lock(mutex_);
  pump_posted_ = false;
  in_flight_ = queue_.size();
  *done = finished_;
  return std::exchange(queue_, {});
}

void Exchange::Written() {
  std::function<void()> writable;
  {
    std::lock_guard lock(mutex_);
    in_flight_ = 0;
    if (queue_.size() < core_->options.limits.max_stream_queue) {
      writable = std::exchange(on_writable_, nullptr);
    }
    room_.notify_all();
  }
  if (writable) writable();
}

bool Exchange::endless() const {
  std::lock_guard lock(mutex_);
  return endless_;
}

std::function<bool(std::string_view)> Exchange::data_callback() const {
  std::lock_guard lock(mutex_);
  return on_data_;
}

bool Exchange::SawEof() {
  std::lock_guard lock(mutex_);
  saw_eof_ = true;
  return deferred_ && !answered_;
}

void Exchange::GiveUpWaiting() {
  {
    std::lock_guard lock(mutex_);
    if (answered_ || connection_ == nullptr) return;
    answered_ = true;
  }
  ServerResponse busy = ProblemResponse(503, "the server is stopping", request_.id);
  busy.headers.emplace_back("Retry-After", "1");
  Answer(std::move(busy), false);
}

}  // namespace bulwark::net
