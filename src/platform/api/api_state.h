#pragma once

// The inside of Api. Private to this folder.

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "platform/api/api.h"
#include "platform/api/json_schema.h"
#include "platform/api/rate_limit.h"
#include "platform/api/router.h"

namespace bulwark::api {

// Who listens at /api/v1/stream.
class StreamHub {
 public:
  StreamHub(const ApiOptions& options, Metrics& metrics);
  ~StreamHub();
  void SetAuthenticator(Authenticator* authenticator);
  // The answer to the request: a stream, or why not.
  Result<Response> Open(Request& request);
  void Tell(const Api::Change& change);
  void Stop();

 private:
  struct Listener {
    std::shared_ptr<net::ResponseStream> stream;
    net::ServerRequest request;  // to ask again who that is
    Principal principal;
    std::set<std::string, std::less<>> topics;
    bool lagged = false;
  };
  void Run();

  const ApiOptions& options_;
  Gauge& listeners_gauge_;
  Counter& told_;
  Counter& lost_;
  Authenticator* authenticator_ = nullptr;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::list<std::shared_ptr<Listener>> listeners_;
  std::thread thread_;  // begun with the first listener
};

// The console's files.
class ConsoleFiles {
 public:
  void Set(std::map<std::string, std::string_view> files);
  // Nothing where there is no console at all.
  std::optional<net::ServerResponse> Serve(const net::ServerRequest& request) const;

 private:
  struct File {
    std::string_view bytes;
    std::string gzip;  // empty: not worth it
    std::string type, etag;
    bool immutable = false;
  };
  std::map<std::string, File, std::less<>> files_;
};

struct Api::State {
  State(Api& owner, store::StateStore& store, const Catalog& texts, Metrics& m, ApiOptions o)
      : api(owner),
        state(store),
        catalog(texts),
        metrics(m),
        options(std::move(o)),
        limit(options.requests_per_second, options.requests_per_second * 4.0),
        hub(options, metrics) {}

  Api& api;
  store::StateStore& state;
  const Catalog& catalog;
  Metrics& metrics;
  const ApiOptions options;
  Authenticator* authenticator = nullptr;
  std::vector<Route> routes;
  std::vector<Counter*> counters;  // 5 a route: by class of status
  Histogram* seconds = nullptr;
  Router router;
  JsonSchemas schemas;
  std::vector<std::pair<std::string, std::string>> schema_texts;  // in the order of Add
  RateLimit limit;
  StreamHub hub;
  ConsoleFiles console;

  net::ServerResponse Problem(const Request& request, const Error& error,
                              bool after_if_match = false) const;
  net::ServerResponse ProblemWith(const Request& request, int status, const std::string& id,
                                  std::string detail, const std::vector<SchemaFault>& faults) const;
  net::ServerResponse Finish(Request& request, const Route& route, Response response) const;
  // Everything before the handler; an answer if it ends there.
  std::optional<net::ServerResponse> Admit(Request& request, const Route& route);
  std::optional<net::ServerResponse> ReadBody(Request& request, const Route& route);
  std::optional<net::ServerResponse> CheckParameters(Request& request, const Route& route);
  bool SameOrigin(const net::ServerRequest& http) const;
  net::ServerResponse Run(Request& request, const Route& route);
  void CheckAnswer(const Request& request, const Route& route, const Response& response) const;
  void AddCollection(CollectionResource resource);
};

std::string OpenApiDocument(const Api::State& state);
std::string_view StatusTitle(int status, Language language);
Language LanguageOf(const net::ServerRequest& http);

}  // namespace bulwark::api
