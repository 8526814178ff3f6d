#include "net/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <deque>
#include <mutex>
#include <unordered_map>

#include "base/text.h"
#include "net/url_guard.h"

namespace bulwark::net {

namespace {

void InitCurl() {
  static const CURLcode done = curl_global_init(CURL_GLOBAL_DEFAULT);
  BW_CHECK(done == CURLE_OK);
}

// OpenSSL writes to sockets without MSG_NOSIGNAL: a peer that goes away would end the process.
// Changing the disposition would be everybody's business; this is this thread's, for a while.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &old_);
  }
  ~NoSigpipe() {
    if (sigismember(&old_, SIGPIPE) == 0) {
      timespec none{};
      ::sigtimedwait(&pipe_, nullptr, &none);
    }
    ::pthread_sigmask(SIG_SETMASK, &old_, nullptr);
  }

 private:
  sigset_t pipe_, old_;
};

using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

std::optional<std::string> UrlPart(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return std::nullopt;
  std::string out = text;
  curl_free(text);
  return out;
}

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; });
}

// One request under way: what curl's callbacks point to.
struct Transfer {
  HttpRequest request;
  HttpResponse response;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  curl_slist* connect_to = nullptr;
  std::array<char, CURL_ERROR_SIZE> message{};
  size_t received = 0;
  std::optional<Error> error;  // of our own making: on_body's, too big
  std::shared_ptr<const UrlGuard> guard;
  std::optional<Error> forbidden;  // an address; counts only if no other one could be reached

  Transfer() = default;
  Transfer(const Transfer&) = delete;
  ~Transfer() {
    curl_slist_free_all(headers);
    curl_slist_free_all(connect_to);
  }

  bool streams() const {
    return request.on_body && response.status >= 200 && response.status < 300;
  }

  static size_t OnHeader(char* data, size_t, size_t size, void* self) {
    HttpResponse& response = static_cast<Transfer*>(self)->response;
    std::string_view line = TrimRight(std::string_view(data, size));
    if (line.starts_with("HTTP/")) {  // another answer begins: 100 Continue stood before it
      response.headers.clear();
      auto words = SplitWords(line);
      response.status = words.size() > 1 ? std::atoi(std::string(words[1]).c_str()) : 0;
    } else if (auto parts = Cut(line, ":")) {
      response.headers.emplace_back(AsciiLower(parts->first), std::string(Trim(parts->second)));
    }
    return size;
  }

  static size_t OnBody(char* data, size_t, size_t size, void* self) {
    Transfer& t = *static_cast<Transfer*>(self);
    t.received += size;
    if (t.received > t.request.max_response_bytes) {
      t.error = Error(Code::kLimit, "http.too_big",
                      fmt::format("{}: the answer has more than {} bytes",
                                  UrlForMessages(t.request.url), t.request.max_response_bytes));
      return 0;
    }
    if (!t.streams()) {
      t.response.body.append(data, size);
      return size;
    }
    auto taken = t.request.on_body(std::string_view(data, size));
    if (taken) return size;
    t.error = std::move(taken).error();
    return 0;
  }

  static curl_socket_t OnOpenSocket(void* self, curlsocktype, curl_sockaddr* address) {
    Transfer& t = *static_cast<Transfer*>(self);
    auto ip = IpAddress::Of(&address->addr);
    std::string_view what = ip ? t.guard->Forbidden(*ip) : "no IP address";
    if (what.empty()) {
      return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    }
    std::string text = ip ? ip->ToString() : "";
    t.forbidden = Error(Code::kDenied, "url_guard.forbidden",
                        fmt::format("{}: {} is {}, where requests must not go",
                                    UrlForMessages(t.request.url), text, what),
                        {{"host", text}, {"what", std::string(what)}});
    return CURL_SOCKET_BAD;
  }

  Result<> Prepare(CURL* handle, const HttpOptions& options) {
    easy = handle;
    curl_easy_reset(easy);
    auto invalid = [&](std::string_view why) {
      return Error(Code::kInvalid, "http.url",
                   fmt::format("{}: {}", UrlForMessages(request.url), why));
    };
    Url url(curl_url(), curl_url_cleanup);
    CURLUcode parsed = curl_url_set(url.get(), CURLUPART_URL, request.url.c_str(), 0);
    if (parsed != CURLUE_OK || HasControl(request.url)) {
      return invalid(parsed != CURLUE_OK ? curl_url_strerror(parsed) : "control characters");
    }
    std::string scheme = UrlPart(url.get(), CURLUPART_SCHEME).value_or("");
    if (scheme != "http" && scheme != "https") return invalid("not http:// or https://");

    const TlsOptions& tls = options.tls;
    bool has_host = false, has_type = false;
    for (const auto& [name, value] : request.headers) {
      if (name.empty() || HasControl(name) || HasControl(value) ||
          name.find(':') != std::string::npos) {
        return invalid(fmt::format("the header {} is malformed", Quote(name)));
      }
      has_host = has_host || EqualsIgnoringCase(name, "host");
      has_type = has_type || EqualsIgnoringCase(name, "content-type");
      AddHeader(value.empty() ? name + ";" : fmt::format("{}: {}", name, value));
    }
    std::string target = request.url;
    if (!tls.server_name.empty() && scheme == "https") {
      // curl takes SNI and the name to check from the URL, so the URL gets that name and the
      // connection goes to the real host.
      std::string host = UrlPart(url.get(), CURLUPART_HOST).value_or("");
      std::string port = UrlPart(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT).value_or("443");
      if (curl_url_set(url.get(), CURLUPART_HOST, tls.server_name.c_str(), 0) != CURLUE_OK) {
        return Error(Code::kInvalid, "http.tls_local",
                     fmt::format("not a server name: {}", Quote(tls.server_name)));
      }
      target = UrlPart(url.get(), CURLUPART_URL).value_or("");
      connect_to = curl_slist_append(
          connect_to, fmt::format("{}:{}:{}:{}", tls.server_name, port, host, port).c_str());
      if (!has_host) AddHeader(fmt::format("Host: {}:{}", host, port));
    }
    if (!request.body.empty() && !has_type) AddHeader("Content-Type:");
    AddHeader("Expect:");

    Set(CURLOPT_URL, target.c_str());
    Set(CURLOPT_PROTOCOLS_STR, "http,https");
    Set(CURLOPT_NOSIGNAL, 1L);
    Set(CURLOPT_ERRORBUFFER, message.data());
    Set(CURLOPT_PRIVATE, this);
    Set(CURLOPT_USERAGENT, options.user_agent.c_str());
    Set(CURLOPT_ACCEPT_ENCODING, "gzip");
    Set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
    // Only TLS tells beforehand whether a connection can be shared: over plain HTTP/1.1 others
    // would wait for the first request to end, which may be a watch.
    Set(CURLOPT_PIPEWAIT, target.starts_with("https") ? 1L : 0L);
    Set(CURLOPT_TCP_KEEPALIVE, 1L);
    Set(CURLOPT_TCP_KEEPIDLE, 30L);
    Set(CURLOPT_TCP_KEEPINTVL, 15L);
    Set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    Set(CURLOPT_HEADERFUNCTION, &OnHeader);
    Set(CURLOPT_HEADERDATA, this);
    Set(CURLOPT_WRITEFUNCTION, &OnBody);
    Set(CURLOPT_WRITEDATA, this);
    Set(CURLOPT_CONNECT_TO, connect_to);
    Set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
    Set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.total_timeout.count()));
    if (request.idle_timeout.count() > 0) {
      Set(CURLOPT_LOW_SPEED_LIMIT, 1L);
      Set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.idle_timeout.count()));
    }
    if (options.proxy) Set(CURLOPT_PROXY, options.proxy->c_str());
    if (options.guard != nullptr) {
      BW_TRY(options.guard->CheckUrl(request.url));
      if (!options.proxy) Set(CURLOPT_PROXY, "");
      if (!options.proxy || options.proxy->empty()) {
        guard = options.guard;
        Set(CURLOPT_OPENSOCKETFUNCTION, &OnOpenSocket);
        Set(CURLOPT_OPENSOCKETDATA, this);
      }
    }
    SetMethod();
    Set(CURLOPT_HTTPHEADER, headers);
    SetTls(tls);
    return Ok();
  }

  Result<HttpResponse> Finish(CURLcode code) {
    if (error) return *std::move(error);
    if (code == CURLE_OK) return std::move(response);
    if (forbidden) return *std::move(forbidden);
    std::string why = message[0] != '\0' ? message.data() : curl_easy_strerror(code);
    auto fail = [&](Code kind, std::string id) {
      return Error(kind, std::move(id),
                   fmt::format("{} {}: {}", request.method, UrlForMessages(request.url), why));
    };
    switch (code) {
      case CURLE_URL_MALFORMAT:
      case CURLE_UNSUPPORTED_PROTOCOL: return fail(Code::kInvalid, "http.url");
      case CURLE_OPERATION_TIMEDOUT: return fail(Code::kUnavailable, "http.timeout");
      case CURLE_PEER_FAILED_VERIFICATION:
      case CURLE_SSL_ISSUER_ERROR:
      case CURLE_SSL_INVALIDCERTSTATUS: return fail(Code::kDenied, "http.tls");
      case CURLE_SSL_CERTPROBLEM:
      case CURLE_SSL_CACERT_BADFILE:
      case CURLE_SSL_CRL_BADFILE: return fail(Code::kInvalid, "http.tls_local");
      default: return fail(Code::kUnavailable, "http.connect");
    }
  }

 private:
  template <typename T>
  void Set(CURLoption option, T value) {
    curl_easy_setopt(easy, option, value);
  }
  void AddHeader(const std::string& line) { headers = curl_slist_append(headers, line.c_str()); }

  void SetMethod() {
    if (request.method == "HEAD") {
      Set(CURLOPT_NOBODY, 1L);
    } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT" ||
               request.method == "PATCH") {
      Set(CURLOPT_POST, 1L);
      Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      Set(CURLOPT_POSTFIELDS, request.body.c_str());
      Set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    } else {
      Set(CURLOPT_HTTPGET, 1L);
      Set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
  }

  void SetBlob(CURLoption option, const std::string& pem) {
    curl_blob blob{const_cast<char*>(pem.data()), pem.size(), CURL_BLOB_COPY};
    Set(option, &blob);
  }

  void SetTls(const TlsOptions& tls) {
    Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!tls.ca_pem.empty() || !tls.ca_file.empty()) {
      // Otherwise the system's folder of authorities would be trusted as well.
      Set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
      if (!tls.ca_pem.empty()) {
        SetBlob(CURLOPT_CAINFO_BLOB, tls.ca_pem);
      } else {
        Set(CURLOPT_CAINFO, tls.ca_file.c_str());
      }
    }
    if (!tls.client_certificate_pem.empty()) {
      Set(CURLOPT_SSLCERTTYPE, "PEM");
      Set(CURLOPT_SSLKEYTYPE, "PEM");
      SetBlob(CURLOPT_SSLCERT_BLOB, tls.client_certificate_pem);
      SetBlob(CURLOPT_SSLKEY_BLOB, tls.client_key_pem);
    }
    if (tls.insecure) {
      Set(CURLOPT_SSL_VERIFYPEER, 0L);
      Set(CURLOPT_SSL_VERIFYHOST, 0L);
    }
  }
};

// A multi handle, which keeps the connections, and an easy one that is used again and again.
struct Session {
  Session() : multi(curl_multi_init()), easy(curl_easy_init()) { BW_CHECK(multi && easy); }
  Session(const Session&) = delete;
  ~Session() {
    NoSigpipe guard;  // saying goodbye over TLS writes, too
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }
  CURLM* multi;
  CURL* easy;
};

}  // namespace

std::string_view HttpResponse::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::string UrlForMessages(std::string_view url) {
  std::string out(url.substr(0, url.find_first_of("?#")));
  size_t scheme = out.find("://");
  size_t start = scheme == std::string::npos ? 0 : scheme + 3;
  size_t slash = out.find('/', start);
  size_t at = out.rfind('@', slash == std::string::npos ? std::string::npos : slash);
  if (at != std::string::npos && at >= start) out.erase(start, at + 1 - start);
  return EscapeForTerminal(out);
}

std::string UrlEscape(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (IsAsciiLetter(c) || IsAsciiDigit(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

struct HttpClient::State {
  HttpOptions options;
  std::mutex mutex;
  std::vector<std::unique_ptr<Session>> idle;  // the one used last is at the back

  std::unique_ptr<Session> Take() {
    std::lock_guard lock(mutex);
    if (idle.empty()) return std::make_unique<Session>();
    auto session = std::move(idle.back());
    idle.pop_back();
    return session;
  }
  void GiveBack(std::unique_ptr<Session> session) {
    std::unique_lock lock(mutex);
    if (idle.size() < options.max_idle_connections) return idle.push_back(std::move(session));
    lock.unlock();  // closing takes a while
  }
};

HttpClient::HttpClient(HttpOptions options) : state_(std::make_shared<State>()) {
  InitCurl();
  state_->options = std::move(options);
}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

Result<HttpResponse> HttpClient::Send(HttpRequest request) const {
  Transfer transfer;
  transfer.request = std::move(request);
  auto session = state_->Take();
  BW_TRY(transfer.Prepare(session->easy, state_->options));
  NoSigpipe guard;
  CURLM* multi = session->multi;
  BW_CHECK(curl_multi_add_handle(multi, session->easy) == CURLM_OK);
  CURLcode code = CURLE_OK;
  bool stopped = false;
  {
    std::stop_callback wake(transfer.request.stop, [multi] { curl_multi_wakeup(multi); });
    for (bool done = false; !done;) {
      if (transfer.request.stop.stop_requested()) {
        stopped = true;
        break;
      }
      int running = 0;
      if (CURLMcode m = curl_multi_perform(multi, &running); m != CURLM_OK) {
        code = CURLE_FAILED_INIT;
        break;
      }
      int left = 0;
      while (CURLMsg* msg = curl_multi_info_read(multi, &left)) {
        if (msg->msg != CURLMSG_DONE) continue;
        code = msg->data.result;
        done = true;
      }
      if (!done) curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
    }
  }
  curl_multi_remove_handle(multi, session->easy);
  auto result = transfer.Finish(code);
  curl_easy_reset(session->easy);  // it points into `transfer`
  if (stopped) {
    return Error(Code::kUnavailable, "http.stopped",
                 fmt::format("{}: stopped", UrlForMessages(transfer.request.url)));
  }
  state_->GiveBack(std::move(session));
  return result;
}

// --- HttpStreams ---------------------------------------------------------------------------------

struct HttpStreams::State {
  struct Stream {
    Transfer transfer;
    Done done;
    std::shared_ptr<HttpClient::State> client;
  };

  State() : multi(curl_multi_init()) { BW_CHECK(multi != nullptr); }
  ~State() {
    NoSigpipe guard;
    for (auto& [easy, stream] : streams) {
      curl_multi_remove_handle(multi, easy);
      curl_easy_cleanup(easy);
    }
    curl_multi_cleanup(multi);
  }
  State(const State&) = delete;

  CURLM* multi;
  std::unordered_map<CURL*, std::unique_ptr<Stream>> streams;
  // Not with curl yet, which refuses new handles from inside on_body.
  std::vector<CURL*> fresh;
  // Requests that could not even be prepared; told of by Poll().
  std::deque<std::pair<Done, Error>> stillborn;
};

HttpStreams::HttpStreams() {
  InitCurl();
  state_ = std::make_unique<State>();
}
HttpStreams::~HttpStreams() = default;

void HttpStreams::Start(const HttpClient& client, HttpRequest request, Done done) {
  auto stream = std::make_unique<State::Stream>();
  stream->transfer.request = std::move(request);
  stream->done = std::move(done);
  stream->client = client.state_;
  CURL* easy = curl_easy_init();
  BW_CHECK(easy != nullptr);
  if (auto ready = stream->transfer.Prepare(easy, client.state_->options); !ready) {
    curl_easy_cleanup(easy);
    state_->stillborn.emplace_back(std::move(stream->done), std::move(ready).error());
    return;
  }
  state_->streams.emplace(easy, std::move(stream));
  state_->fresh.push_back(easy);
}

void HttpStreams::Poll(std::chrono::milliseconds at_most) {
  State& s = *state_;
  NoSigpipe guard;
  auto step = [&] {
    bool happened = false;
    while (!s.stillborn.empty()) {
      auto [done, error] = std::move(s.stillborn.front());
      s.stillborn.pop_front();
      done(std::move(error));
      happened = true;
    }
    for (CURL* easy : std::exchange(s.fresh, {})) curl_multi_add_handle(s.multi, easy);
    int running = 0;
    curl_multi_perform(s.multi, &running);
    // `done` may start another stream, so messages are gathered first.
    std::vector<std::pair<CURL*, CURLcode>> ended;
    int left = 0;
    while (CURLMsg* msg = curl_multi_info_read(s.multi, &left)) {
      if (msg->msg == CURLMSG_DONE) ended.emplace_back(msg->easy_handle, msg->data.result);
    }
    for (auto& [easy, code] : ended) {
      auto found = s.streams.find(easy);
      auto stream = std::move(found->second);
      s.streams.erase(found);
      auto result = stream->transfer.Finish(code);
      curl_multi_remove_handle(s.multi, easy);
      curl_easy_cleanup(easy);
      stream->done(std::move(result));
      happened = true;
    }
    return happened;
  };
  if (step()) return;
  curl_multi_poll(s.multi, nullptr, 0, static_cast<int>(at_most.count()), nullptr);
  step();
}

void HttpStreams::Wake() { curl_multi_wakeup(state_->multi); }

size_t HttpStreams::running() const { return state_->streams.size() + state_->stillborn.size(); }

}  // namespace bulwark::net
