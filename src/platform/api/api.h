#pragma once

// The HTTP API: a table of routes, each of which states its permission, its parameters and the
// shapes of what goes in and out. The OpenAPI 3.1 document is made from that table, so that it
// cannot disagree; authentication, CSRF, permission, limits, problem+json (RFC 9457), request ids,
// ETags and compression happen before or after a handler, never in one.
//
//   api.Add({.method = "GET", .path = "/api/v1/clusters/{cluster}", .id = "getCluster",
//            .tag = "clusters", .summary = "A cluster", .permission = "clusters.read",
//            .response = "Cluster",
//            .handler = [&](Request& r) -> Result<Response> { … r.Param("cluster") … }});
//
// A handler's Error becomes a problem: kInvalid 400, kDenied 403 (401 where nobody is logged in),
// kNotFound 404, kExists 409 (412 after If-Match), kLimit 413 or 429, kUnavailable 503,
// kUnsupported 501, kInternal 500; `type` is "urn:bulwark:" + Error::id, `title` and `detail` are
// in the language of the request. What a principal may not see does not exist for it (404).
//
// Thread-safety: Add…() before the server starts; handlers run on workers, many at once.

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/value.h"
#include "model/catalog.h"
#include "net/http_server.h"
#include "platform/api/access.h"
#include "platform/store/state_store.h"

namespace bulwark::api {

struct Request {
  const net::ServerRequest& http;
  Principal principal;
  Language language = Language::kEnglish;
  std::map<std::string, std::string, std::less<>> path;  // parameters of the path, decoded
  std::multimap<std::string, std::string, std::less<>> query;
  Value body;  // of JSON requests, checked against Route::request; null where there is none
  int64_t now_us = 0;

  const std::string& Param(std::string_view name) const;  // of the path
  std::optional<std::string> Query(std::string_view name) const;
  // The principal may that there, or the error to return (api.denied or, for reading, not found).
  Result<> Require(std::string_view permission, std::string_view cluster,
                   std::string_view ns) const;
};

struct Response {
  int status = 200;
  std::string body;  // JSON, unless content_type says otherwise
  std::string content_type = "application/json";
  net::HttpHeaders headers;
  std::optional<uint64_t> revision;  // becomes an ETag
  net::StreamBody stream;            // instead of body
  static Response Json(std::string body, int status = 200);
  static Response NoContent();
};

using Handler = std::function<Result<Response>(Request&)>;

// Permissions that are none.
inline constexpr std::string_view kPublic = "public";                // nobody need be logged in
inline constexpr std::string_view kAuthenticated = "authenticated";  // anybody who is

struct Parameter {
  std::string name, description;
  std::string schema = R"({"type":"string"})";
  bool required = false;
};

struct Route {
  std::string method, path;  // "/api/v1/clusters/{cluster}"; a last "{rest...}" takes slashes
  std::string id, tag, summary, description;
  std::string permission;
  std::vector<Parameter> parameters;  // of the query
  std::string request, response;      // names of schemas (AddSchema), or a schema's JSON, or ""
  int status = 200;                   // of success
  size_t max_body_bytes = size_t{1} << 20;
  bool audited = true;  // writes are recorded as events of kind "access"
  Handler handler;
};

// A collection as a resource: list (query language, sort, cursor, limit, fields, total, CSV), and
// one by key. The record as it is stored goes through `render`, which may add text in the reader's
// language and must remove what nobody may read.
struct CollectionResource {
  std::string path;                      // "/api/v1/findings"
  std::string collection;                // of the StateStore
  std::string tag, id;                   // "findings", "Finding": ids listFindings, getFinding
  std::string permission;                // to read: "findings.read"
  std::string schema;                    // of one record
  bool scoped = true;                    // has columns cluster and ns
  bool labels = false;                   // and a column label ("app=web", several)
  std::vector<std::string> csv_columns;  // paths in the rendered record
  std::function<void(const Request&, const store::Record&, Value record, Arena&, Value& out)>
      render;
};

// How a request becomes a principal: platform/auth.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // Anonymous where no credentials came; an Error (kDenied) for wrong or expired ones.
  virtual Result<Principal> Authenticate(const net::ServerRequest& request) = 0;
};

struct ApiOptions {
  int requests_per_second = 50;  // of a principal or an anonymous address; bursts of four times it
  std::string public_url;        // "https://bulwark.example.com": origins that writes may come from
  // Told of each write and each refusal (kind "access"), after the answer.
  std::function<void(const Request&, const Route&, int status)> on_access;
};

class Api {
 public:
  Api(store::StateStore& state, const Catalog& catalog, Metrics& metrics, ApiOptions options = {});
  ~Api();

  void SetAuthenticator(Authenticator* authenticator);
  void Add(Route route);
  void AddSchema(std::string name, std::string json_schema);  // under components/schemas
  void AddCollection(CollectionResource resource);
  // Static files of the console: path ("/assets/x.js") → bytes, with types, immutable caching for
  // hashed names, gzip done once; unknown paths outside /api answer index.html.
  void SetConsole(std::map<std::string, std::string_view> files);

  const std::vector<Route>& routes() const;
  std::string OpenApi() const;  // JSON, 3.1
  // What net::HttpServer calls.
  void Handle(const net::ServerRequest& request, net::Responder responder);

  // Server-sent events: GET /api/v1/stream?topics=a,b. Tells those who may see it (permission,
  // cluster and ns of the thing) that something changed. From any thread; slow clients lose
  // messages, and are told that they did ("event: lagged").
  struct Change {
    std::string topic;       // "findings", "alerts", "events", "clusters", "assets"
    std::string permission;  // "findings.read"
    std::string cluster, ns;
    std::string data;  // JSON: {"op":"put"|"delete","key":…, …}
  };
  void Tell(const Change& change);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bulwark::api
