#pragma once

// HTTP/1.1 as a server (RFC 9110, RFC 9112), over Boost.Asio and Beast's parser.
//
//   auto server = BW_TRY(HttpServer::Start({.listen = {"127.0.0.1:0"}},
//                                          [](const ServerRequest& request) -> ServerResponse {
//     if (request.path == "/healthz") return {.body = "ok"};
//     return {.status = 404};
//   }));
//   server->port();
//
// Connections are served by callbacks on a few I/O threads; a request takes a worker when its body
// is complete, so slow clients hold no thread. The handler runs on a worker and returns a
// ServerResponse: bytes, a generator (pieces made on a worker when the client has taken the last
// ones; how files are sent), or one of three ways to give the worker back:
//   stream    the head goes out now, the body is written from any thread (server-sent events)
//   later     the whole answer is given later from any thread (long polls)
//   upgrade   101, then the connection is the handler's (bytes as they are)
//
// What a client gets without the handler being asked: 400 for what is malformed or could be read in
// two ways (both lengths, two Host headers, %00, dot segments …), 408 for a slow head or body, 413,
// 415 (Content-Encoding), 417, 431,
// 501 (transfer codings), 503 with Retry-After when the workers' queue is full, 505. They are
// problem+json (RFC 9457).
// Request bodies with Content-Encoding gzip or zstd are undone (at most max_body_bytes come out);
// answers are compressed with zstd or gzip as the client accepts it, where their type is worth it.
// A response whose header could not be written as one line becomes a 500: injection is impossible.
//
// Counted in base/metrics under bulwark_http_…, labelled with the server's name.
// Thread-safety: everything public may be called from any thread. Callbacks given to streams run on
// an I/O thread (or at once, in the caller's): they must be quick and must not block.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "net/http_client.h"
#include "net/tls.h"

namespace bulwark::net {

struct ServerRequest {
  std::string method;  // "GET"; upper case as sent (methods are case-sensitive)
  std::string target;  // as sent: "/a%20b?x=1"
  std::string path;    // the part before '?', as sent: "/a%20b"
  // Between slashes, %XX undone, UTF-8; never "." or ".."; may hold a '/' that was written %2F.
  // "/" has none, "/a/" has "a" and "".
  std::vector<std::string> segments;
  // %XX and '+' undone, in order.
  std::vector<std::pair<std::string, std::string>> query;
  HttpHeaders headers;  // names in lower case
  std::string host;     // the Host header, with its port; only [A-Za-z0-9._:-] and brackets
  std::string body;     // Content-Encoding undone
  int version = 11;     // 10 or 11

  std::string peer;  // the socket's other end: "10.1.2.3", "2001:db8::1"
  uint16_t peer_port = 0;
  // Who asked: the peer, or what it says in X-Forwarded-For if it is a trusted proxy.
  std::string client;
  bool tls = false;
  std::shared_ptr<const PeerCertificate> certificate;  // the client's, where it showed one
  // Ours, or X-Request-Id of a trusted proxy; sent back as X-Request-Id.
  std::string id;

  // The first header of that (lower-case) name, or "".
  std::string_view Header(std::string_view name) const;
  // The first query parameter of that name.
  std::optional<std::string_view> Query(std::string_view name) const;
};

// A body that is written bit by bit, from any thread. Dropping the last reference without Finish()
// breaks the connection off, so that the client knows that something is missing.
class ResponseStream {
 public:
  enum class Taken { kYes, kFull, kClosed };
  virtual ~ResponseStream() = default;
  // Queues all of it, or nothing: kFull while HttpLimits::max_stream_queue bytes wait for the
  // client. Never blocks.
  virtual Taken Write(std::string_view bytes) = 0;
  // Waits until there is room; false if the client has gone (or stop was requested). Not from an
  // I/O thread.
  virtual bool WriteAll(std::string_view bytes, std::stop_token stop = {}) = 0;
  virtual void Finish() = 0;
  // Breaks the connection off.
  virtual void Abort() = 0;
  // False once the client has gone, the server stops, or after Finish().
  virtual bool open() const = 0;
  // Bytes that wait for the client.
  virtual size_t queued() const = 0;
  // Once, when there is room again; at once if there is.
  virtual void OnWritable(std::function<void()> then) = 0;
  // Once, when the client goes away or the server stops; at once if it has. Not after Finish().
  virtual void OnClosed(std::function<void()> then) = 0;
};

// A connection after 101 Switching Protocols; Finish() closes it when all is written.
class UpgradedConnection : public ResponseStream {
 public:
  // Gets what the client sends, on an I/O thread; bytes that came with the request first. Returning
  // false pauses reading until Resume(). Until it is set, nothing is read.
  virtual void OnData(std::function<bool(std::string_view)> then) = 0;
  virtual void Resume() = 0;
};

// What writes such a body: called once, on a worker, after the head is on its way.
using StreamBody = std::function<void(std::shared_ptr<ResponseStream>)>;

struct ServerResponse;

// The right to answer one request, once.
class Responder {
 public:
  virtual ~Responder() = default;  // unanswered: 500
  // False if the client had gone or this is the second answer. `later` is not allowed in it.
  virtual bool Send(ServerResponse response) = 0;
  virtual bool open() const = 0;
  virtual void OnClosed(std::function<void()> then) = 0;
};

// Content-Length, Transfer-Encoding, Connection, Date, Vary: Accept-Encoding and X-Request-Id are
// the server's own business; what the handler says of them is dropped. Content-Encoding, too,
// unless the handler gives a body that is encoded already.
struct ServerResponse {
  int status = 200;
  HttpHeaders headers;
  std::string body;
  // Instead of `body`, at most one of:
  // The next piece; "" is the end. An error breaks the connection off. Runs on a worker.
  std::function<Result<std::string>()> generator;
  StreamBody stream;
  std::function<void(std::shared_ptr<Responder>)> later;
  std::function<void(std::shared_ptr<UpgradedConnection>)> upgrade;  // with status 101
  // Of `generator`: how much it is going to give, where that is known.
  std::optional<uint64_t> length;
  // Of `stream` and `later`: goes on until the client leaves, so Shutdown() need not wait for it (a
  // `later` is then answered with 503), and a client that has closed its half has left.
  bool endless = false;
  bool compress = true;

  // The first header of that name, in any case, or "".
  std::string_view Header(std::string_view name) const;

  // A regular file, with its length; kNotFound for anything else. Links are not followed.
  static Result<ServerResponse> File(const std::string& path, std::string_view content_type);
};

struct HttpLimits {
  size_t max_header_bytes = 32 * 1024;  // request line and headers; past it 431
  size_t max_headers = 100;
  size_t max_query_parameters = 200;
  size_t max_body_bytes = 1 << 20;  // as received and as decompressed; past it 413
  size_t max_connections = 4096;    // further ones are closed at once
  size_t max_requests_per_connection = 10'000;
  size_t max_stream_queue = 256 * 1024;
  std::chrono::milliseconds handshake_timeout = std::chrono::seconds(10);
  std::chrono::milliseconds header_timeout = std::chrono::seconds(10);  // from its first byte
  std::chrono::milliseconds idle_timeout = std::chrono::seconds(75);    // between requests
  // Bodies of either direction get this long, and a second more for each min_bytes_per_second.
  std::chrono::milliseconds body_timeout = std::chrono::seconds(30);
  std::chrono::milliseconds write_timeout = std::chrono::seconds(30);
  size_t min_bytes_per_second = 1024;
};

// Decided from the head alone, on an I/O thread: must be quick.
struct HeadDecision {
  std::optional<size_t> max_body_bytes;   // instead of the limit
  std::optional<ServerResponse> refusal;  // the body is then not read; bytes only
};

struct HttpServerOptions {
  // "127.0.0.1:8080", "[::]:443", ":0" (all addresses, any free port).
  std::vector<std::string> listen = {"127.0.0.1:0"};
  std::string name = "api";  // in metrics and logs
  std::optional<TlsServerOptions> tls;
  // Plain HTTP on a TLS port: a redirect to https (308; only GET and HEAD), or 400.
  bool redirect_to_https = true;
  HttpLimits limits;
  size_t io_threads = 1;
  size_t workers = 4;
  size_t max_queue = 256;  // requests waiting for a worker; past it 503
  // Addresses and CIDR ranges whose X-Forwarded-For and X-Request-Id are believed.
  std::vector<std::string> trusted_proxies;
  // Sent with every answer that does not have a header of that name.
  HttpHeaders default_headers;
  size_t compress_from = 1024;  // bytes; smaller bodies are sent as they are
  std::function<HeadDecision(const ServerRequest&)> on_head;
};

class HttpServer {
 public:
  using Handler = std::function<ServerResponse(const ServerRequest&)>;

  // Errors: http.listen (kInvalid, kUnavailable, kDenied), tls.… (net/tls.h), http.options.
  static Result<std::unique_ptr<HttpServer>> Start(HttpServerOptions options, Handler handler);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();  // Shutdown(0)

  // Where it listens, with real ports: "127.0.0.1:41234", "[::1]:41235".
  const std::vector<std::string>& addresses() const;
  uint16_t port() const;  // the first one's
  size_t connections() const;

  // For connections from now on. The other options (client certificates) stay, unless given.
  // Nothing changes if it is an error.
  Result<> SetCertificate(std::string certificate_pem, std::string key_pem);
  Result<> SetTls(TlsServerOptions options);

  // No new connections; requests under way get until the deadline, then everything is closed.
  // Returns when all threads are done; a handler that does not return delays that. True if nothing
  // was broken off.
  bool Shutdown(std::chrono::milliseconds grace);

 private:
  struct State;
  explicit HttpServer(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace bulwark::net
