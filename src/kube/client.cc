#include "kube/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <unordered_set>

#include "base/hash.h"
#include "base/text.h"
#include "formats/json.h"
#include "kube/object.h"

namespace bulwark::kube {

namespace {

using std::chrono::milliseconds;
constexpr int kMaxRestarts = 5;
constexpr std::string_view kAggregated =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

// False if the stop token was triggered.
bool Sleep(milliseconds time, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

// Retry-After in seconds (its other form, a date, Kubernetes does not use).
std::optional<milliseconds> RetryAfter(const net::HttpResponse& answer) {
  std::string_view text = answer.Header("retry-after");
  if (text.empty() || text.size() > 6 || !std::all_of(text.begin(), text.end(), IsAsciiDigit)) {
    return std::nullopt;
  }
  return std::chrono::seconds(std::stol(std::string(text)));
}

Error BadAnswer(std::string_view what, std::string_view why) {
  return Error(Code::kInvalid, "kube.answer",
               fmt::format("reading {}: not what Kubernetes answers with: {}", what, why));
}

}  // namespace

struct Client::State {
  State(Config c, ClientOptions o)
      : config(std::move(c)), options(std::move(o)), credentials(config, options.run) {}

  Config config;
  ClientOptions options;
  Credentials credentials;
  std::optional<int> minor;
  std::string git_version;

  std::mutex mutex;
  std::shared_ptr<const net::HttpClient> http;
  uint64_t certificate = 0;  // that `http` uses

  std::shared_ptr<const net::HttpClient> HttpFor(const Credentials::Proof& proof) {
    std::lock_guard lock(mutex);
    if (http == nullptr || certificate != proof.certificate) {
      net::HttpOptions o{.tls = config.tls, .proxy = config.proxy, .guard = options.guard};
      if (!proof.certificate_pem.empty()) {
        o.tls.client_certificate_pem = proof.certificate_pem;
        o.tls.client_key_pem = proof.key_pem;
      }
      http = std::make_shared<net::HttpClient>(std::move(o));
      certificate = proof.certificate;
    }
    return http;
  }

  Result<Prepared> Prepare(std::string path, std::string_view accept) {
    auto proof = BW_TRY(credentials.Get());
    Prepared out{HttpFor(proof), {}};
    out.request.url = config.server + path;
    out.request.headers = std::move(proof.headers);
    out.request.headers.emplace_back("Accept", std::string(accept));
    return out;
  }

  Result<net::HttpResponse> Send(const Call& call) {
    int retries = call.retries < 0 ? options.retries : call.retries;
    milliseconds wait = options.first_wait;
    bool refreshed = false;
    for (int attempt = 0;; ++attempt) {
      Prepared p = BW_TRY(Prepare(call.path, call.accept));
      if (call.verb == "create") {
        p.request.method = "POST";
        p.request.body = call.body;
        p.request.headers.emplace_back("Content-Type", std::string(kJson));
      }
      p.request.total_timeout = call.timeout.count() > 0 ? call.timeout : options.timeout;
      p.request.idle_timeout = std::chrono::seconds(0);
      p.request.max_response_bytes = options.max_answer_bytes;
      p.request.stop = call.stop;
      auto answer = p.http->Send(std::move(p.request));
      milliseconds pause = wait;
      if (answer) {
        int status = answer->status;
        if (status == 401 && !refreshed && credentials.Refused()) {
          refreshed = true;
          continue;
        }
        auto after = RetryAfter(*answer);
        if (status != 429 && !(status >= 500 && after)) return answer;
        if (after) pause = std::max(*after, milliseconds(1));
      } else if (answer.error().code() != Code::kUnavailable || call.stop.stop_requested() ||
                 call.verb == "create") {
        return answer;
      }
      if (attempt >= retries || !Sleep(std::min(pause, options.max_wait), call.stop)) return answer;
      wait *= 2;
    }
  }
};

std::string Describe(const Resource& resource, std::string_view ns) {
  if (!resource.namespaced) return resource.Name();
  return ns.empty() ? fmt::format("{} (cluster-wide)", resource.Name())
                    : fmt::format("{} in namespace {}", resource.Name(), ns);
}

Value MetadataOf(const Value& item) {
  const Value* own = item.Find("metadata");
  return own != nullptr ? *own : item["object"]["metadata"];
}

std::string KeyOf(const Value& item) {
  Value metadata = MetadataOf(item);
  return fmt::format("{}/{}", metadata.StringAt("namespace"), metadata.StringAt("name"));
}

Client::Client(std::unique_ptr<State> state) : state_(std::move(state)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

const Config& Client::config() const { return state_->config; }
std::optional<int> Client::minor_version() const { return state_->minor; }
const std::string& Client::git_version() const { return state_->git_version; }

Result<Client> Client::Connect(Config config, ClientOptions options) {
  Client client(std::make_unique<State>(std::move(config), std::move(options)));
  State& s = *client.state_;
  // Not to be reached at the first attempt is most often a wrong address.
  auto version = client.Do({.what = "the server's version", .path = "/version", .retries = 0});
  if (!version) {
    if (version.error().id() == "kube.forbidden") return client;
    return std::move(version).error().While(fmt::format(
        "connecting to {} (context {})", net::UrlForMessages(s.config.server), s.config.context));
  }
  Arena arena;
  auto root = ParseJson(*version, arena);
  if (!root || !root->IsMap() || root->StringAt("gitVersion").empty()) {
    return BadAnswer("/version of " + net::UrlForMessages(s.config.server), "no gitVersion");
  }
  s.git_version = root->StringAt("gitVersion");
  std::string_view minor = root->StringAt("minor");
  while (minor.ends_with('+')) minor.remove_suffix(1);  // clouds' builds: "33+"
  if (root->StringAt("major") == "1") s.minor = ParseMinorVersion(minor);
  return client;
}

Error Client::ErrorOf(const net::HttpResponse& answer, std::string_view verb,
                      std::string_view what) {
  Arena arena;
  std::string message;
  auto status = ParseJson(answer.body, arena);
  if (status && status->IsMap()) message = status->StringAt("message");
  if (message.empty()) message = Trim(std::string_view(answer.body).substr(0, 200));
  message = EscapeForTerminal(message);
  auto fail = [&](Code code, std::string id, std::string text) {
    return Error(code, std::move(id), std::move(text),
                 {{"verb", std::string(verb)}, {"resource", std::string(what)}});
  };
  std::string doing = fmt::format("{} {}: {}", verb, what, message);
  switch (answer.status) {
    case 401:
      return fail(Code::kDenied, "kube.unauthorized",
                  fmt::format("{} {}: the server does not accept our credentials: {}", verb, what,
                              message));
    case 403: return fail(Code::kDenied, "kube.forbidden", "forbidden: " + message);
    case 404: return fail(Code::kNotFound, "kube.not_found", doing);
    case 410: return fail(Code::kUnavailable, "kube.gone", doing);
    case 429: return fail(Code::kUnavailable, "kube.busy", doing);
    default: break;
  }
  doing = fmt::format("{} {}: HTTP {}: {}", verb, what, answer.status, message);
  return answer.status >= 500 ? fail(Code::kUnavailable, "kube.server", doing)
                              : fail(Code::kInvalid, "kube.refused", doing);
}

Result<std::string> Client::Do(const Call& call) const {
  auto answer = BW_TRY(state_->Send(call));
  if (answer.status < 200 || answer.status > 299) return ErrorOf(answer, call.verb, call.what);
  return std::move(answer.body);
}

Result<std::string> Client::Get(const Resource& resource, std::string_view ns,
                                std::string_view name, std::stop_token stop) const {
  std::string what = fmt::format("{} {}", resource.Name(), name);
  if (!ns.empty()) what += fmt::format(" in namespace {}", ns);
  return Do({.what = std::move(what), .path = resource.Path(ns, name), .stop = stop});
}

Result<Client::Prepared> Client::Prepare(std::string path, std::string_view accept) const {
  return state_->Prepare(std::move(path), accept);
}

bool Client::Refused() const { return state_->credentials.Refused(); }

Result<Discovery> Client::Discover(std::stop_token stop) const {
  Discovery out;
  auto ask = [&](std::string path, std::string_view accept) {
    return Do(
        {.what = "discovery " + path, .path = path, .accept = std::string(accept), .stop = stop});
  };
  for (const char* root_path : {"/api", "/apis"}) {
    std::string text = BW_TRY(ask(root_path, kAggregated));
    Arena arena;
    auto root = ParseJson(text, arena, {.borrow_text = true});
    if (!root) return BadAnswer(std::string("discovery ") + root_path, root.error().message());
    if (AddAggregated(*root, out)) continue;
    for (const auto& [group, version] : LegacyVersions(*root)) {
      std::string path = group.empty() ? fmt::format("/api/{}", version)
                                       : fmt::format("/apis/{}/{}", group, version);
      auto list_text = ask(path, kJson);
      Arena list_arena;
      auto list = list_text ? ParseJson(*list_text, list_arena)
                            : Result<Value>(std::move(list_text).error());
      if (list) {
        AddLegacy(group, version, *list, out);
      } else if (stop.stop_requested()) {
        return std::move(list).error();
      } else {
        out.failures.push_back({path.substr(path.find('/', 1) + 1), list.error().ToString()});
      }
    }
  }
  Finish(out);
  if (out.resources.empty()) return BadAnswer("discovery", "no resources at all");
  return out;
}

Result<ListOutcome> Client::List(const Resource& resource, std::string_view ns,
                                 const ListOptions& options, const OnPage& on_page) const {
  const std::string what = Describe(resource, ns);
  ListOutcome outcome;
  std::string token;
  int limit = options.limit;
  // What was handed out: after a restart it may come again.
  std::unordered_set<uint64_t> seen;
  for (;;) {
    std::string path = resource.Path(ns);
    char separator = '?';
    auto parameter = [&](std::string_view name, std::string_view value) {
      if (value.empty()) return;
      path += fmt::format("{}{}={}", separator, name, net::UrlEscape(value));
      separator = '&';
    };
    if (limit > 0) parameter("limit", std::to_string(limit));
    parameter("continue", token);
    parameter("labelSelector", options.label_selector);
    parameter("fieldSelector", options.field_selector);
    if (options.table) parameter("includeObject", "Metadata");
    Call call{.verb = "list",
              .what = what,
              .path = path,
              .accept = std::string(options.table ? kTable : kJson),
              .retries = options.retries,
              .stop = options.stop};
    auto answer = state_->Send(call);
    if (!answer) {
      if (answer.error().id() == "http.too_big" && limit > 1) {
        limit = std::max(1, limit / 4);
        continue;
      }
      return std::move(answer).error().While("listing " + what);
    }
    if (answer->status == 410 && !token.empty() && !options.consistent) {
      if (++outcome.restarts > kMaxRestarts) return ErrorOf(*answer, "list", what);
      // The server may offer to go on after the last object, with what is there now.
      Arena arena;
      auto status = ParseJson(answer->body, arena);
      token = status ? std::string((*status)["metadata"].StringAt("continue")) : std::string();
      continue;
    }
    if (answer->status != 200) return ErrorOf(*answer, "list", what);

    Arena arena(1 << 16);
    SourceMap positions;
    auto root =
        ParseJson(answer->body, arena, {.duplicate_keys = true, .borrow_text = true}, &positions);
    if (!root) return BadAnswer(what, root.error().message());
    const Value* items = root->Find("items");
    if (items == nullptr) items = root->Find("rows");
    if (!root->IsMap() || !(*root)["metadata"].IsMap() ||
        (items != nullptr && !items->IsArray() && !items->IsNull())) {
      return BadAnswer(what, "no list");
    }
    ListPage page;
    if (items != nullptr) {
      for (const Value& item : items->items()) {
        std::string key = KeyOf(item);
        if (!seen.insert(XxHash3(key)).second) continue;
        auto at = positions.Of(&item);
        BW_CHECK(at.has_value());
        page.items.push_back(
            {&item, std::string_view(answer->body).substr(at->offset, at->end - at->offset),
             std::move(key)});
      }
    }
    outcome.items += page.items.size();
    ++outcome.pages;
    BW_TRY(on_page(page));
    const Value metadata = (*root)["metadata"];
    outcome.resource_version = metadata.StringAt("resourceVersion");
    token = metadata.StringAt("continue");
    if (token.empty()) return outcome;
  }
}

}  // namespace bulwark::kube
