#pragma once

// A Kubernetes API server as a peer.
//
//   Client client = BW_TRY(Client::Connect(config, {.run = RunAProgram}));
//   Discovery served = BW_TRY(client.Discover());
//   client.List(*served.Find("", "Pod"), "", {}, [&](const ListPage& page) -> Result<> { … });
//
// Patience: what the server refuses for the moment (429, or 5xx with Retry-After), and reads that
// found no connection, are tried again up to ClientOptions::retries times, after what Retry-After
// says or twice as long each time, at most max_wait; a stop token ends that wait. 401 makes tokens
// and programs' credentials be fetched anew, once.
//
// Errors, beside those of net/http_client.h and credentials.h, with the arguments "verb" and
// "resource":
//   kube.unauthorized kDenied       who we are is not accepted (401)
//   kube.forbidden    kDenied       we may not do that (403); the message begins "forbidden: "
//   kube.not_found    kNotFound     (404)
//   kube.gone         kUnavailable  that resource version is too old (410)
//   kube.busy         kUnavailable  still 429 after all retries
//   kube.server       kUnavailable  5xx
//   kube.refused      kInvalid      any other status
//   kube.answer       kInvalid      not the JSON that Kubernetes answers with
//
// Thread-safety: const members may be called from any thread at once.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "kube/credentials.h"
#include "kube/discovery.h"
#include "kube/kubeconfig.h"
#include "net/http_client.h"

namespace bulwark::kube {

struct ClientOptions {
  RunProgram run;  // for exec credentials
  int retries = 4;
  std::chrono::milliseconds first_wait = std::chrono::milliseconds(500);
  std::chrono::milliseconds max_wait = std::chrono::seconds(30);
  std::chrono::milliseconds timeout = std::chrono::seconds(60);  // of one answer
  size_t max_answer_bytes = size_t{256} << 20;
  // Where the server and its proxy may stand, for a Config that came from elsewhere.
  std::shared_ptr<const net::UrlGuard> guard;
};

// Media types that make a server leave out most of an object. A Table's rows are {cells, object},
// where object has only metadata.
inline constexpr std::string_view kJson = "application/json";
inline constexpr std::string_view kTable =
    "application/json;as=Table;g=meta.k8s.io;v=v1,application/json";

struct ListOptions {
  std::string label_selector, field_selector;
  int limit = 500;     // objects a page; 0: all in one. Less is asked for where a page is too big.
  bool table = false;  // rows instead of objects (kTable)
  // The pages must be one state of the cluster: where that has gone (410), kube.gone is returned.
  // Otherwise the list goes on with what is there now; no object comes twice.
  bool consistent = false;
  int retries = -1;  // of one page; -1: ClientOptions::retries
  std::stop_token stop;
};

struct ListPage {
  struct Item {
    const Value* value;
    std::string_view text;  // its JSON
    std::string key;        // "namespace/name", "/name"
  };
  std::vector<Item> items;  // good while the callback runs
};

struct ListOutcome {
  std::string resource_version;  // to watch from
  size_t items = 0, pages = 0;
  int restarts = 0;  // for 410
};

// metadata of an object, or of a Table's row.
Value MetadataOf(const Value& item);
// "namespace/name".
std::string KeyOf(const Value& item);

class Client {
 public:
  // Asks the server's version, to know that it is there and takes our credentials.
  static Result<Client> Connect(Config config, ClientOptions options = {});
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  const Config& config() const;
  // Of /version; nothing where it may not be read or is not a Kubernetes 1.
  std::optional<int> minor_version() const;
  const std::string& git_version() const;  // "v1.34.4"

  // Any path below the server's address, with its query. The body of a 2xx answer; others are
  // Errors, in which `what` names what was asked for.
  struct Call {
    std::string verb = "get";  // for messages; "create" is a POST, anything else a GET
    std::string what;          // "pods in namespace prod"
    std::string path;
    std::string body;
    std::string accept = std::string(kJson);
    std::chrono::milliseconds timeout = {};  // 0: ClientOptions::timeout
    int retries = -1;                        // -1: ClientOptions::retries
    std::stop_token stop;
  };
  Result<std::string> Do(const Call& call) const;
  Result<std::string> Get(const Resource& resource, std::string_view ns, std::string_view name,
                          std::stop_token stop = {}) const;

  Result<Discovery> Discover(std::stop_token stop = {}) const;

  using OnPage = std::function<Result<>(const ListPage&)>;
  // All objects of a kind; `ns` "" is all namespaces. An error that `on_page` gives ends it.
  Result<ListOutcome> List(const Resource& resource, std::string_view ns,
                           const ListOptions& options, const OnPage& on_page) const;

  // For watches (watch.h): a request with our credentials, and whom to send it to.
  struct Prepared {
    std::shared_ptr<const net::HttpClient> http;
    net::HttpRequest request;
  };
  Result<Prepared> Prepare(std::string path, std::string_view accept) const;
  // The Error that an answer of 4xx or 5xx stands for.
  static Error ErrorOf(const net::HttpResponse& answer, std::string_view verb,
                       std::string_view what);
  // A 401 came: whether it is worth asking again.
  bool Refused() const;

 private:
  struct State;
  explicit Client(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// "pods in namespace prod", "pods (cluster-wide)", "clusterroles.rbac.authorization.k8s.io".
std::string Describe(const Resource& resource, std::string_view ns);

}  // namespace bulwark::kube
