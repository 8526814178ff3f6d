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
// kNotFound 404, kExists 409 (412 after If-Match), kLimit 413 (429 where the error has an argument
// "seconds", which becomes Retry-After), kUnavailable 503, kUnsupported 501, kInternal 500 (the
// text goes to the log only); `type` is "urn:bulwark:" + Error::id, `title` and `detail` are in the
// language of the request. What a principal may not see does not exist for it (404).
//
// Writes that a browser could be tricked into need a same-origin Origin and, where the session is a
// cookie's, X-CSRF-Token; machine tokens need neither. Errors of its own: api.route, api.method,
// api.login, api.denied, api.csrf, api.origin, api.rate, api.type, api.json, api.schema,
// api.parameter, api.not_found, api.precondition.
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

#include "base/arena.h"
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
  std::shared_ptr<Arena> arena;  // the body's, and for what the handler makes

  const std::string& Param(std::string_view name) const;  // of the path; one that the route has
  std::optional<std::string> Query(std::string_view name) const;
  // The revision in If-Match (of an ETag that Response::revision gave), for Batch::Put's `expect`.
  std::optional<uint64_t> IfMatch() const;
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
  // Instead of body; see net::ServerResponse.
  net::StreamBody stream;
  std::function<Result<std::string>()> generator;
  bool endless = false;
  bool compress = true;
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
  // Names of schemas (AddSchema), or a schema's JSON, or "". Where `request` is "", the handler
  // reads http.body itself. A schema is a subset of JSON Schema 2020-12: json_schema.h.
  std::string request, response;
  std::vector<std::string> types;  // in which success may also come: "text/csv"; besides `response`
  int status = 200;                // of success
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
  bool key_with_slashes = false;         // then no key ends with "/groups"
  std::string time_field;                // what since: and until: speak of
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
  size_t max_streams = 1000;     // of /api/v1/stream; and of one principal:
  size_t max_streams_each = 20;
  std::chrono::milliseconds heartbeat = std::chrono::seconds(15);
  // Told of each write and each refusal (kind "access"), before the answer goes out.
  std::function<void(const Request&, const Route&, int status)> on_access;
  // Where given, each answer that succeeds is held against what its route states: the status, and
  // the JSON's names, types and what is required. Told what is wrong. For tests: it reads it all.
  std::function<void(const Route&, const std::string& what)> on_wrong_answer;
};

// The texts of the errors above, for the Catalog that is given to Api.
void AddMessages(Catalog& catalog);

class Api {
 public:
  // Adds its own routes: openapi.json and the stream.
  Api(store::StateStore& state, const Catalog& catalog, Metrics& metrics, ApiOptions options = {});
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;
  ~Api();

  void SetAuthenticator(Authenticator* authenticator);
  void Add(Route route);
  void AddSchema(std::string name, std::string json_schema);  // under components/schemas
  void AddCollection(CollectionResource resource);
  // Static files of the console: path ("/assets/x.js") → bytes that live as long as the program,
  // with types, immutable caching for what stands in /assets/ (hashed names), gzip done once; other
  // unknown paths outside /api answer /index.html.
  void SetConsole(std::map<std::string, std::string_view> files);

  const std::vector<Route>& routes() const;
  std::string OpenApi() const;  // JSON, 3.1
  // Once everything is added: names of schemas that nobody gave. For a test of the whole table.
  std::vector<std::string> MissingSchemas() const;
  // What net::HttpServer calls; and HttpServerOptions::on_head, for the limits of bodies.
  net::ServerResponse Handle(const net::ServerRequest& request);
  net::HeadDecision Head(const net::ServerRequest& request) const;
  // Ends the streams and their thread; before the server is shut down.
  void Stop();

  // Server-sent events: GET /api/v1/stream?topics=a,b. Tells those who may see it (permission,
  // cluster and ns of the thing) that something changed. From any thread; slow clients lose
  // messages, and are told that they did ("event: lagged").
  struct Change {
    std::string topic;       // "findings", "alerts", "events", "clusters", "assets"
    std::string permission;  // "findings.read"
    std::string cluster, ns;
    std::vector<std::string> labels;  // "app=web"
    std::string data;                 // JSON: {"op":"put"|"delete","key":…, …}
  };
  void Tell(const Change& change);

  struct State;  // of api_state.h

 private:
  std::unique_ptr<State> state_;
};

}  // namespace bulwark::api
