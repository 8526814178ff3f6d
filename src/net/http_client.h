#pragma once

// HTTP as a client, over libcurl: HTTP/1.1 and, over TLS, HTTP/2; connections are kept and used
// again; proxies come from the environment (http_proxy, HTTPS_PROXY, NO_PROXY …) unless one is
// named; gzip is undone.
//
//   HttpClient client({.tls = {.ca_pem = ca}});
//   HttpResponse answer = BW_TRY(client.Send({.url = "https://10.0.0.1:6443/version"}));
//   if (answer.status == 200) … answer.body …
//
// Any answer is a HttpResponse, whatever its status; an Error means that there was none, or not all
// of it:
//   http.url        kInvalid      the URL or a header is malformed
//   http.connect    kUnavailable  no connection: name, route, refused, proxy, broken off
//   http.tls        kDenied       the peer's certificate is not to be trusted, or it refused ours
//   http.tls_local  kInvalid      our own CA, certificate or key cannot be used
//   http.timeout    kUnavailable  one of the times ran out
//   http.too_big    kLimit        the body (uncompressed) has more bytes than allowed
//   http.stopped    kUnavailable  the stop token was triggered
//   url_guard.forbidden  kDenied  the guard forbids the address
// or it is the error that on_body gave. Messages name the URL without user, password and query.
// Redirects are answers: following one would hand credentials to a stranger. TLS is 1.2 or later.
//
// Thread-safety: HttpClient::Send() may be called from any number of threads at once. HttpStreams
// belongs to one thread, but for Wake().

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace bulwark::net {

class UrlGuard;

// Certificates and keys are PEM text.
struct TlsOptions {
  std::string ca_pem;   // trusted instead of the system's; one or more certificates
  std::string ca_file;  // the same as a file
  std::string client_certificate_pem, client_key_pem;
  // The name to ask for (SNI) and to check the certificate against, instead of the URL's host.
  std::string server_name;
  bool insecure = false;  // do not check the peer's certificate
};

struct HttpOptions {
  TlsOptions tls;
  // "" for none at all, "http://host:port", "socks5://…"; absent: what the environment says.
  std::optional<std::string> proxy;
  std::string user_agent = "bulwark";
  size_t max_idle_connections = 8;
  // For URLs that come from settings: where requests may go (net/url_guard.h). The environment's
  // proxies are then not used; one that is named above is trusted to look itself.
  std::shared_ptr<const UrlGuard> guard;
};

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // http:// or https://
  HttpHeaders headers;
  std::string body;
  // Gets the body of a 2xx answer piece by piece instead of HttpResponse::body. An error ends the
  // transfer. Called on the thread that drives it: Send()'s, or Poll()'s.
  std::function<Result<>(std::string_view)> on_body;
  // Zero is for ever.
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);
  std::chrono::milliseconds total_timeout = std::chrono::seconds(60);
  std::chrono::seconds idle_timeout = std::chrono::seconds(30);  // without a byte
  size_t max_response_bytes = size_t{64} << 20;
  std::stop_token stop;  // looked at by Send()
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;  // names in lower case
  std::string body;
  // The first header of that (lower-case) name, or "".
  std::string_view Header(std::string_view name) const;
};

// A URL as messages may show it: without user, password, query and fragment.
std::string UrlForMessages(std::string_view url);
// %XX for everything but letters, digits and -._~
std::string UrlEscape(std::string_view text);

class HttpClient {
 public:
  explicit HttpClient(HttpOptions options = {});
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;
  ~HttpClient();

  Result<HttpResponse> Send(HttpRequest request) const;

 private:
  friend class HttpStreams;
  struct State;
  std::shared_ptr<State> state_;
};

// Any number of long answers (watches) on one thread, multiplexed over few connections.
//
//   HttpStreams streams;
//   streams.Start(client, {.url = …, .on_body = …}, [](Result<HttpResponse> end) { … });
//   while (…) streams.Poll(1s);
class HttpStreams {
 public:
  HttpStreams();
  HttpStreams(const HttpStreams&) = delete;
  HttpStreams& operator=(const HttpStreams&) = delete;
  ~HttpStreams();  // breaks off what runs; `done` is not called for it

  using Done = std::function<void(Result<HttpResponse>)>;
  // `done` is called from a later Poll(), once. It and on_body may call Start().
  void Start(const HttpClient& client, HttpRequest request, Done done);
  // Moves bytes for at most this long, and calls on_body and done; returns early when something
  // happened.
  void Poll(std::chrono::milliseconds at_most);
  // Ends the Poll() that runs, or the next. From any thread.
  void Wake();
  size_t running() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bulwark::net
