#pragma once

// The server's inside. Private to it.
//
// An IoThread runs one io_context; a Connection belongs to one IoThread for its life and is touched
// by no other thread, so it needs no locks. What crosses threads is the Exchange: one request and
// its answer, shared by the connection, the worker and whoever writes a stream. It has the only
// mutex; once it is detached (the connection has closed) nothing is posted any more, which is why
// nothing is left in an io_context that has ended.

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/metrics.h"
#include "net/http_server.h"
#include "net/http_server_coding.h"
#include "net/http_server_parser.h"
#include "net/url_guard.h"

namespace bulwark::net {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using Clock = std::chrono::steady_clock;

class Connection;
class Exchange;
struct ServerCore;

// Threads and a bounded queue of what they are to do.
class WorkerPool {
 public:
  void Start(size_t threads, size_t max_queue);
  // False if the queue is full or the pool has stopped.
  bool Add(std::function<void()> job);
  // For what goes on with something that was taken before: bounded by the number of connections.
  void AddAlways(std::function<void()> job);
  // What runs ends, what waits is dropped.
  void Stop();
  size_t waiting() const;

 private:
  void Run();
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  size_t max_queue_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

struct ServerMetrics {
  explicit ServerMetrics(const std::string& server);
  Counter &accepted, &refused_limit, &accept_errors, &handshake_errors, &plain_on_tls;
  Counter &timeout_handshake, &timeout_head, &timeout_body, &timeout_write;
  Counter &queue_full, &broken_off, &bad_requests, &bytes_in, &bytes_out;
  Counter* by_class[6];  // requests by status / 100; [0] is what had no answer
  Gauge &connections, &streams;
  Histogram& seconds;
};

class IoThread {
 public:
  explicit IoThread(ServerCore& shared) : core(shared), sweep_timer(io) {}
  void Sweep();

  ServerCore& core;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  asio::steady_timer sweep_timer;
  std::unordered_set<std::shared_ptr<Connection>> connections;
  bool stopping = false;
  std::thread thread;
};

struct ServerCore : std::enable_shared_from_this<ServerCore> {
  explicit ServerCore(HttpServerOptions o, HttpServer::Handler h)
      : options(std::move(o)), handler(std::move(h)), metrics(options.name) {}

  std::shared_ptr<asio::ssl::context> Tls() const {
    std::lock_guard lock(tls_mutex);
    return tls;
  }
  bool TlsAsksForCertificates() const;
  std::string NewId();
  bool TrustedProxy(const IpAddress& address) const;
  void ConnectionEnded();

  const HttpServerOptions options;
  const HttpServer::Handler handler;
  ServerMetrics metrics;
  std::vector<IpRange> proxies;
  std::string id_prefix;
  std::atomic<uint64_t> id_count = 0;

  mutable std::mutex tls_mutex;
  TlsServerOptions tls_options;
  std::shared_ptr<asio::ssl::context> tls;

  std::atomic<bool> draining = false;
  std::atomic<size_t> connections = 0;
  std::mutex idle_mutex;
  std::condition_variable idle;  // no connection is left

  WorkerPool pool;
  std::vector<std::unique_ptr<IoThread>> threads;
};

// One request and its answer.
class Exchange final : public std::enable_shared_from_this<Exchange> {
 public:
  enum class Framing { kLength, kChunked, kUntilClose };

  Exchange(std::shared_ptr<ServerCore> core, std::shared_ptr<Connection> connection,
           ServerRequest request, size_t max_body, bool keep_alive);

  // On a worker: the handler, and what it answers.
  void Run();
  // Any thread, once.
  void Answer(ServerResponse response, bool may_be_later);
  // Head and body as they go on the wire.
  struct Wire {
    std::string head, body;
    bool close = false;
  };
  Wire Serialize(ServerResponse response);

  // ResponseStream's.
  ResponseStream::Taken Write(std::string_view bytes);
  bool WriteAll(std::string_view bytes, std::stop_token stop);
  void Finish();
  void Abort();
  bool open() const;
  size_t queued() const;
  void OnWritable(std::function<void()> then);
  void OnClosed(std::function<void()> then);
  void OnData(std::function<bool(std::string_view)> then);
  void Resume();

  // The connection's, on its thread.
  void Detach();  // it has closed
  // What waits, to be written now; `done`: nothing will come after it.
  std::string TakeQueued(bool* done);
  void Written();
  bool endless() const;
  std::function<bool(std::string_view)> data_callback() const;
  // The client sends no more; true if the answer is one that comes later.
  bool SawEof();
  // At shutdown: 503 to who waits for ever.
  void GiveUpWaiting();
  const ServerRequest& request() const { return request_; }
  Clock::time_point started() const { return started_; }

 private:
  friend class LaterResponder;
  std::string Head(const ServerResponse& response, Framing framing, std::optional<uint64_t> length,
                   Coding coding, bool vary, bool* close);
  void StartStream(ServerResponse response);
  void StartUpgrade(ServerResponse response);
  void PostWire(Wire wire);
  void PostPump();  // with the lock held
  void Frame(std::string_view bytes);

  const std::shared_ptr<ServerCore> core_;
  ServerRequest request_;
  const size_t max_body_;
  const bool keep_alive_;
  const Clock::time_point started_ = Clock::now();

  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::shared_ptr<Connection> connection_;  // null once detached
  bool answered_ = false, finished_ = false, pump_posted_ = false, endless_ = false;
  bool deferred_ = false, saw_eof_ = false;
  bool flush_ = true;
  Framing framing_ = Framing::kChunked;
  uint64_t left_ = 0;  // of kLength
  std::unique_ptr<Encoder> encoder_;
  std::string queue_;
  size_t in_flight_ = 0;
  std::function<void()> on_writable_, on_closed_;
  std::function<bool(std::string_view)> on_data_;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(IoThread& thread, bool tls, tcp::endpoint peer);
  virtual ~Connection() = default;

  virtual void Start() = 0;
  void Sweep(Clock::time_point now);
  void Drain();
  void Close();
  // From an Exchange, posted.
  void SendWire(const std::shared_ptr<Exchange>& exchange, Exchange::Wire wire);
  void SendStreamHead(const std::shared_ptr<Exchange>& exchange, std::string head, bool close,
                      bool upgrade);
  void Pump();
  void ResumeData();
  IoThread& thread() { return thread_; }

 protected:
  enum class State {
    kHandshake,
    kHead,
    kBody,
    kHandling,
    kResponding,
    kStreaming,
    kUpgraded,
    kLinger,
    kClosed
  };

  virtual void DoRead(char* to, size_t size) = 0;
  virtual void DoWrite(const std::vector<asio::const_buffer>& buffers) = 0;
  virtual void DoGoodbye() = 0;  // no more from us; what still comes is thrown away
  virtual void DoClose() = 0;

  void OnRead(const boost::system::error_code& ec, size_t n);
  void OnWritten(const boost::system::error_code& ec, size_t n);
  void Begin();  // the first request may come
  void set_deadline(Clock::duration in) { deadline_ = Clock::now() + in; }

  IoThread& thread_;
  ServerCore& core_;
  const std::shared_ptr<ServerCore> core_owner_;
  State state_ = State::kHandshake;
  bool redirect_only_ = false;  // plain HTTP on a TLS port
  std::shared_ptr<const PeerCertificate> certificate_;
  const tcp::endpoint peer_;

 private:
  void StartRead();
  void StartWrite();
  void Send(std::string bytes);
  void Process();
  bool OnHead();  // true: go on
  void Dispatch();
  void Refuse(int status, std::string reason);
  void Reply(ServerResponse response);  // on this thread; bytes only; closes
  void AfterResponse();
  void Goodbye();
  void DeliverData();
  void Count(int status);
  void CompleteRequest();
  size_t buffered() const { return end_ - begin_; }
  std::string_view data() const { return {in_.data() + begin_, buffered()}; }
  Clock::duration BodyTime(uint64_t bytes) const;

  const bool tls_;
  RequestParser parser_;
  std::string in_;  // [begin_, end_) is not read yet
  size_t begin_ = 0, end_ = 0;
  bool reading_ = false, writing_ = false, eof_ = false;
  bool close_after_ = false, in_request_ = false, paused_ = false, delivering_ = false;
  bool response_queued_ = false;  // all of the answer is in out_
  size_t requests_ = 0, lingered_ = 0;
  std::vector<std::string> out_, writing_now_;
  std::shared_ptr<Exchange> exchange_;
  Clock::time_point deadline_ = Clock::time_point::max();
  Clock::time_point write_deadline_ = Clock::time_point::max();
};

std::shared_ptr<Connection> MakeConnection(IoThread& thread, tcp::socket socket, bool tls);

std::string_view StatusText(int status);
ServerResponse ProblemResponse(int status, std::string_view detail, std::string_view id);

}  // namespace bulwark::net
