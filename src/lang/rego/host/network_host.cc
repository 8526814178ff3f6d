#include "lang/rego/host/network_host.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "base/files.h"
#include "base/text.h"
#include "base/time.h"
#include "lang/rego/builtins/go_json.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/go_time.h"
#include "lang/rego/builtins/go_yaml.h"
#include "lang/rego/builtins/http_request.h"
#include "net/url_guard.h"

namespace bulwark::rego {

// --- What an answer is ---------------------------------------------------------------------------

struct NetworkHost::Answer {
  int status = 0;
  std::string body;
  // Names in lower case, in the order they came.
  net::HttpHeaders headers;

  std::string_view Header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return {};
  }
  size_t bytes() const {
    size_t out = body.size() + 200;
    for (const auto& [name, value] : headers) out += name.size() + value.size() + 50;
    return out;
  }
};

struct NetworkHost::Kept {
  Answer answer;
  int64_t expires = 0;  // nanoseconds
};

struct NetworkHost::Sending {
  SendRequest request;
  std::string if_none_match, if_modified_since;
};

namespace {

constexpr int64_t kBillion = 1'000'000'000;
constexpr int kMaxRedirects = 10;

Error Wrong(std::string message) { return Error(Code::kInvalid, "rego.host", std::move(message)); }

std::string_view Reason(int status) {
  struct Phrase {
    int status;
    std::string_view text;
  };
  constexpr Phrase kPhrases[] = {
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {203, "Non-Authoritative Information"},
      {204, "No Content"},
      {206, "Partial Content"},
      {300, "Multiple Choices"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {412, "Precondition Failed"},
      {413, "Request Entity Too Large"},
      {414, "Request URI Too Long"},
      {415, "Unsupported Media Type"},
      {418, "I'm a teapot"},
      {422, "Unprocessable Entity"},
      {429, "Too Many Requests"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
  };
  for (const Phrase& phrase : kPhrases) {
    if (phrase.status == status) return phrase.text;
  }
  return {};
}

// "application/json; charset=utf-8", "application/problem+json"
bool IsJson(std::string_view content_type) {
  std::string type = AsciiLower(Trim(content_type.substr(0, content_type.find(';'))));
  constexpr std::string_view kApplication = "application/";
  if (!type.starts_with(kApplication)) return false;
  std::string_view sub = std::string_view(type).substr(kApplication.size());
  return sub.find('/') == std::string_view::npos && (sub == "json" || sub.ends_with("+json"));
}

bool IsYaml(std::string_view content_type) {
  return content_type.find("application/yaml") != std::string_view::npos ||
         content_type.find("application/x-yaml") != std::string_view::npos;
}

// --- Caching (RFC 7234, as far as OPA goes) ------------------------------------------------------

std::map<std::string, std::string> CacheControl(std::string_view header) {
  std::map<std::string, std::string> out;
  for (std::string_view part : Split(header, ',')) {
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (part.empty()) continue;
    auto equals = std::count(part.begin(), part.end(), '=');
    if (equals == 0) out[std::string(part)] = "";
    if (equals != 1) continue;
    size_t at = part.find('=');
    std::string_view name = part.substr(0, at);
    while (name.ends_with(' ')) name.remove_suffix(1);
    out[std::string(name)] = std::string(part.substr(at + 1));
  }
  return out;
}

std::optional<int64_t> HttpTime(std::string_view text) {
  for (std::string_view layout : {"Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 MST",
                                  "Mon Jan _2 15:04:05 2006"}) {
    if (Result<Timestamp> at = GoParseTime(layout, text)) return at->seconds * kBillion;
  }
  return std::nullopt;
}

// When it is stale; nothing where the headers contradict themselves.
std::optional<int64_t> ExpiryOf(std::string_view cache_control, std::string_view date,
                                std::string_view expires) {
  std::map<std::string, std::string> directives = CacheControl(cache_control);
  auto max_age = directives.find("max-age");
  if (max_age == directives.end()) return HttpTime(expires).value_or(0);
  uint64_t seconds = 0;
  const std::string& text = max_age->second;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error == std::errc::result_out_of_range || seconds > INT32_MAX) seconds = INT32_MAX;
  if (error == std::errc::invalid_argument || end != text.data() + text.size()) {
    return std::nullopt;
  }
  std::optional<int64_t> created = HttpTime(date);
  if (!created) return std::nullopt;
  return *created + static_cast<int64_t>(seconds) * kBillion;
}

bool IsCacheable(int status) {
  constexpr std::array<int, 11> kCodes = {200, 203, 204, 206, 300, 301, 404, 405, 410, 414, 501};
  return std::find(kCodes.begin(), kCodes.end(), status) != kCodes.end();
}

std::string ReplaceEscapedLines(std::string_view pem) { return ReplaceAll(pem, "\\n", "\n"); }

}  // namespace

NetworkHost::NetworkHost(NetworkHostOptions options)
    : options_(std::move(options)),
      plain_(std::make_shared<const net::HttpClient>(net::HttpOptions{.guard = options_.guard})) {}

NetworkHost::~NetworkHost() = default;

Value NetworkHost::Runtime(Arena& arena) {
  MapBuilder out(arena);
  MapBuilder environment(arena);
  for (const auto& [name, value] : options_.environment) {
    environment.Add(Value::String(arena, name), Value::String(arena, value));
  }
  out.Add("env", environment.Finish());
  for (const auto& [name, value] : options_.runtime) {
    out.Add(Value::String(arena, name), Value::String(arena, value));
  }
  return out.Finish();
}

void NetworkHost::Print(std::string_view text, std::string_view place) {
  if (options_.print) options_.print(text, place);
}

namespace {

bool IsAllowed(const std::vector<std::string>& allowed, std::string_view host) {
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& name) {
    return name == "*" || EqualsIgnoringCase(name, host);
  });
}

}  // namespace

Result<std::vector<std::string>> NetworkHost::LookupAddress(std::string_view name) {
  if (!IsAllowed(options_.allowed_hosts, name)) {
    return Error(Code::kDenied, "rego.host", "disallowed host: " + std::string(name));
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  int failed = getaddrinfo(std::string(name).c_str(), nullptr, &hints, &found);
  if (failed != 0) {
    return Error(Code::kNotFound, "rego.lookup",
                 fmt::format("lookup {}: {}", name,
                             failed == EAI_NONAME ? "no such host" : gai_strerror(failed)));
  }
  std::vector<std::string> out;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (std::optional<net::IpAddress> address = net::IpAddress::Of(at->ai_addr)) {
      std::string text = address->ToString();
      if (std::find(out.begin(), out.end(), text) == out.end()) out.push_back(std::move(text));
    }
  }
  freeaddrinfo(found);
  return out;
}

Result<> NetworkHost::CheckHost(std::string_view text) const {
  Result<GoUrl> url = GoUrl::Parse(text);
  if (!url) return Wrong(url.error().message());
  if (url->scheme != "http" && url->scheme != "https") {
    return Wrong(fmt::format("unsupported protocol scheme {}", GoQuote(url->scheme)));
  }
  std::string host = url->HostName();
  if (IsAllowed(options_.allowed_hosts, host)) return Ok{};
  return Error(Code::kDenied, "rego.host", "disallowed host: " + host);
}

Result<std::shared_ptr<const net::HttpClient>> NetworkHost::ClientFor(const Sending& sending) {
  const SendRequest& r = sending.request;
  net::TlsOptions tls;
  auto from_file = [&](const std::string& path) -> Result<std::string> {
    if (!options_.allow_files) {
      return Error(Code::kDenied, "rego.host", "files are not open to policies: " + path);
    }
    return ReadFile(path, size_t{1} << 20);
  };
  auto from_environment = [&](const std::string& name) -> Result<std::string> {
    if (!options_.allow_environment) {
      return Error(Code::kDenied, "rego.host", "the environment is not open to policies: " + name);
    }
    const char* value = std::getenv(name.c_str());
    return std::string(value != nullptr ? value : "");
  };
  tls.ca_pem = ReplaceEscapedLines(r.tls_ca_cert);
  if (!r.tls_ca_cert_file.empty()) tls.ca_pem += BW_TRY(from_file(r.tls_ca_cert_file));
  if (!r.tls_ca_cert_env_variable.empty()) {
    tls.ca_pem += BW_TRY(from_environment(r.tls_ca_cert_env_variable));
  }
  tls.client_certificate_pem = r.tls_client_cert;
  tls.client_key_pem = r.tls_client_key;
  if (!r.tls_client_cert_file.empty() && !r.tls_client_key_file.empty()) {
    tls.client_certificate_pem = BW_TRY(from_file(r.tls_client_cert_file));
    tls.client_key_pem = BW_TRY(from_file(r.tls_client_key_file));
  }
  if (!r.tls_client_cert_env_variable.empty() && !r.tls_client_key_env_variable.empty()) {
    tls.client_certificate_pem = BW_TRY(from_environment(r.tls_client_cert_env_variable));
    tls.client_key_pem = BW_TRY(from_environment(r.tls_client_key_env_variable));
  }
  if (tls.client_certificate_pem.empty() || tls.client_key_pem.empty()) {
    tls.client_certificate_pem.clear();
    tls.client_key_pem.clear();
  }
  tls.server_name = r.tls_server_name;
  tls.insecure = r.tls_insecure_skip_verify;
  for (const auto& [name, value] : r.headers) {
    if (name == "Host" && tls.server_name.empty()) tls.server_name = value;
  }
  bool special = !tls.ca_pem.empty() || !tls.client_certificate_pem.empty() ||
                 !tls.server_name.empty() || tls.insecure;
  if (!special) return plain_;
  return std::make_shared<const net::HttpClient>(
      net::HttpOptions{.tls = std::move(tls), .guard = options_.guard});
}

Result<NetworkHost::Answer> NetworkHost::Exchange(const Sending& sending) {
  const SendRequest& r = sending.request;
  std::shared_ptr<const net::HttpClient> client = BW_TRY(ClientFor(sending));
  // Go's clients say so, in a word like "Get".
  std::string verb = r.method.substr(0, 1) + AsciiLower(std::string_view(r.method).substr(1));
  net::HttpRequest request{.method = r.method, .url = r.url, .body = r.body};
  for (const auto& header : r.headers) request.headers.push_back(header);
  if (!sending.if_none_match.empty()) {
    request.headers.emplace_back("If-None-Match", sending.if_none_match);
  }
  if (!sending.if_modified_since.empty()) {
    request.headers.emplace_back("If-Modified-Since", sending.if_modified_since);
  }
  request.max_response_bytes = options_.max_response_bytes;
  request.stop = options_.stop;
  // Rounded up: less than a millisecond is not none.
  auto timeout = std::chrono::milliseconds(
      std::max<int64_t>((std::max<int64_t>(r.timeout_nanos, 0) + 999'999) / 1'000'000, 0));
  request.total_timeout = timeout;
  if (timeout.count() > 0) request.connect_timeout = std::min(request.connect_timeout, timeout);

  for (int redirects = 0;; ++redirects) {
    if (Result<> allowed = CheckHost(request.url); !allowed) return std::move(allowed).error();
    Result<net::HttpResponse> response = client->Send(request);
    if (!response) {
      const Error& error = response.error();
      if (error.id() == "http.timeout") {
        return Error(error.code(), error.id(),
                     fmt::format("{} {}: request timed out", verb, request.url));
      }
      return Error(error.code(), error.id(),
                   fmt::format("{} {}: {}", verb, GoQuote(request.url), error.message()));
    }
    std::string_view location = response->Header("location");
    int status = response->status;
    bool redirect =
        status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    if (!r.enable_redirect || !redirect || location.empty()) {
      return Answer{.status = status,
                    .body = std::move(response->body),
                    .headers = std::move(response->headers)};
    }
    if (redirects >= kMaxRedirects) {
      return Error(Code::kLimit, "http.redirects",
                   fmt::format("{} {}: stopped after {} redirects", verb, GoQuote(request.url),
                               kMaxRedirects));
    }
    Result<GoUrl> base = GoUrl::Parse(request.url);
    Result<GoUrl> next = GoUrl::Parse(location);
    if (!base || !next) return Wrong("failed to parse Location header " + GoQuote(location));
    GoUrl target = base->Resolve(*next);
    if (status <= 303 && request.method != "GET" && request.method != "HEAD") {
      request.method = "GET";
      request.body.clear();
    }
    if (!EqualsIgnoringCase(target.HostName(), base->HostName())) {
      // What was meant for one host is no business of another's.
      std::erase_if(request.headers, [](const auto& header) {
        return EqualsIgnoringCase(header.first, "Authorization") ||
               EqualsIgnoringCase(header.first, "Cookie") ||
               EqualsIgnoringCase(header.first, "Www-Authenticate") ||
               EqualsIgnoringCase(header.first, "Host");
      });
    }
    request.url = target.ToString();
  }
}

Result<NetworkHost::Answer> NetworkHost::ExchangeWithRetries(const Sending& sending) {
  int64_t retries = std::min(sending.request.max_retry_attempts, options_.max_retries);
  double delay = 0.1;  // seconds
  for (int64_t attempt = 0;; ++attempt) {
    Result<Answer> answer = Exchange(sending);
    if (answer || attempt >= retries || !answer.error().id().starts_with("http.")) return answer;
    std::mutex mutex;
    std::condition_variable_any waiting;
    std::unique_lock lock(mutex);
    waiting.wait_for(lock, options_.stop, std::chrono::duration<double>(delay),
                     [] { return false; });
    if (options_.stop.stop_requested()) return answer;
    delay = std::min(delay * 1.6, 60.0);
  }
}

std::shared_ptr<const NetworkHost::Kept> NetworkHost::Find(const std::string& key) {
  std::lock_guard lock(mutex_);
  auto found = kept_.find(key);
  return found == kept_.end() ? nullptr : found->second;
}

void NetworkHost::Forget(const std::string& key) {
  std::lock_guard lock(mutex_);
  auto found = kept_.find(key);
  if (found == kept_.end()) return;
  kept_bytes_ -= found->second->answer.bytes() + key.size();
  kept_.erase(found);
}

void NetworkHost::Keep(const std::string& key, const Answer& answer, int64_t expires) {
  size_t bytes = answer.bytes() + key.size();
  if (bytes > options_.max_cache_bytes) return;
  Forget(key);
  std::lock_guard lock(mutex_);
  // Where there is no room, those go that are stale first.
  while (kept_bytes_ + bytes > options_.max_cache_bytes && !kept_.empty()) {
    auto oldest = std::min_element(kept_.begin(), kept_.end(), [](const auto& a, const auto& b) {
      return a.second->expires < b.second->expires;
    });
    kept_bytes_ -= oldest->second->answer.bytes() + oldest->first.size();
    kept_.erase(oldest);
  }
  auto [at, added] =
      kept_.emplace(key, std::make_shared<const Kept>(Kept{.answer = answer, .expires = expires}));
  if (added) kept_bytes_ += bytes;
}

Result<Value> NetworkHost::HttpSend(const Value& request, Arena& arena) {
  Sending sending { .request = BW_TRY(ReadSendRequest(request, arena)) };
  const SendRequest& r = sending.request;
  if (Result<> allowed = CheckHost(r.url); !allowed) return std::move(allowed).error();

  auto shown = [&](const Answer& answer) {
    Value body;
    if (r.force_json_decode || IsJson(answer.Header("content-type"))) {
      body = ParseGoJson(answer.body, arena).value_or(Value::Null());
    } else if (r.force_yaml_decode || IsYaml(answer.Header("content-type"))) {
      body = ParseGoYaml(answer.body, arena).value_or(Value::Null());
    }
    std::map<std::string, std::vector<Value>> headers;
    for (const auto& [name, value] : answer.headers) {
      headers[AsciiLower(name)].push_back(Value::String(arena, value));
    }
    MapBuilder header_map(arena);
    for (const auto& [name, values] : headers) {
      header_map.Add(Value::String(arena, name), Value::Array(arena, values));
    }
    MapBuilder out(arena);
    out.Add("status", Value::String(arena, std::string(Trim(fmt::format("{} {}", answer.status,
                                                                        Reason(answer.status))))));
    out.Add("status_code", Value::Int(answer.status));
    // Made of the answer's own text, which ends before the query does.
    out.Add("body", body.CopyTo(arena));
    out.Add("raw_body", Value::String(arena, answer.body));
    out.Add("headers", header_map.Finish());
    return out.Finish();
  };
  auto expiry = [&](const Answer& answer) -> std::optional<int64_t> {
    if (r.force_cache_seconds > 0) return NowNanos() + r.force_cache_seconds * kBillion;
    return ExpiryOf(answer.Header("cache-control"), answer.Header("date"),
                    answer.Header("expires"));
  };
  auto keep = [&](const std::string& key, const Answer& answer) {
    if (!IsCacheable(answer.status)) return;
    if (r.force_cache_seconds <= 0 &&
        CacheControl(answer.Header("cache-control")).contains("no-store")) {
      return;
    }
    if (std::optional<int64_t> expires = expiry(answer)) Keep(key, answer, *expires);
  };

  if (!r.cache) return shown(BW_TRY(ExchangeWithRetries(sending)));
  std::string key = BW_TRY(RequestCacheKey(request, arena));
  if (std::shared_ptr<const Kept> kept = Find(key)) {
    if (NowNanos() < kept->expires) return shown(kept->answer);
    // Stale: the server may say that it still holds.
    Forget(key);
    sending.if_none_match = kept->answer.Header("etag");
    sending.if_modified_since = kept->answer.Header("last-modified");
    if (!sending.if_none_match.empty() || !sending.if_modified_since.empty()) {
      Answer fresh = BW_TRY(ExchangeWithRetries(sending));
      if (fresh.status == 304) {
        Answer renewed = kept->answer;
        for (const auto& [name, value] : fresh.headers) {
          std::erase_if(renewed.headers, [&](const auto& header) { return header.first == name; });
        }
        for (const auto& header : fresh.headers) renewed.headers.push_back(header);
        std::optional<int64_t> expires = expiry(fresh);
        if (!expires) return Wrong("no date header");
        Keep(key, renewed, *expires);
        return shown(renewed);
      }
      if (fresh.status == 200) {
        keep(key, fresh);
        return shown(fresh);
      }
      sending.if_none_match.clear();
      sending.if_modified_since.clear();
    }
  }
  Answer answer = BW_TRY(ExchangeWithRetries(sending));
  keep(key, answer);
  return shown(answer);
}

}  // namespace bulwark::rego
