#include "platform/api/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "formats/json.h"
#include "platform/api/api_state.h"

namespace bulwark::api {

namespace {

bool IsWrite(std::string_view method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

bool IsJson(std::string_view content_type) {
  auto parts = Cut(content_type, ";");
  std::string type = AsciiLower(Trim(parts ? parts->first : content_type));
  return type == "application/json" ||
         (type.starts_with("application/") && type.ends_with("+json"));
}

// Whether one of the tags of If-None-Match is ours (weakly: RFC 9110, section 13.1.2).
bool HasTag(std::string_view header, std::string_view etag) {
  for (std::string_view tag : Split(header, ',')) {
    tag = Trim(tag);
    if (tag == "*") return true;
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == etag) return true;
  }
  return false;
}

int StatusOf(const Error& error, bool anonymous, bool after_if_match) {
  switch (error.code()) {
    case Code::kInvalid: return 400;
    case Code::kDenied: return anonymous ? 401 : 403;
    case Code::kNotFound: return 404;
    case Code::kExists: return after_if_match ? 412 : 409;
    case Code::kLimit:
      return std::any_of(error.args().begin(), error.args().end(),
                         [](const auto& arg) { return arg.name == "seconds"; })
                 ? 429
                 : 413;
    case Code::kUnavailable: return 503;
    case Code::kUnsupported: return 501;
    case Code::kInternal: return 500;
  }
  return 500;
}

// A query parameter as the JSON that its schema speaks of.
Value ParameterValue(std::string_view text, std::string_view schema) {
  bool wants_number = schema.find(R"("integer")") != std::string_view::npos ||
                      schema.find(R"("number")") != std::string_view::npos;
  bool wants_bool = schema.find(R"("boolean")") != std::string_view::npos;
  if (wants_bool && (text == "true" || text == "false")) return Value::Bool(text == "true");
  if (wants_number && !text.empty() && text.size() < 19) {
    size_t sign = text[0] == '-' ? 1 : 0;
    if (text.size() > sign &&
        std::all_of(text.begin() + static_cast<ptrdiff_t>(sign), text.end(), IsAsciiDigit)) {
      return Value::Int(std::stoll(std::string(text)));
    }
  }
  return Value::String(text);
}

const net::HttpHeaders& SecurityHeaders(bool tls) {
  static const net::HttpHeaders kPlain = {
      {"X-Content-Type-Options", "nosniff"},
      {"X-Frame-Options", "DENY"},
      {"Referrer-Policy", "same-origin"},
      {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Cache-Control", "no-store"}};
  static const net::HttpHeaders kTls = [] {
    net::HttpHeaders out = kPlain;
    out.emplace_back("Strict-Transport-Security", "max-age=31536000");
    return out;
  }();
  return tls ? kTls : kPlain;
}

// What the response does not say itself.
void AddSecurityHeaders(net::ServerResponse& response, bool tls) {
  for (const auto& [name, value] : SecurityHeaders(tls)) {
    if (response.Header(name).empty()) response.headers.emplace_back(name, value);
  }
}

std::optional<uint64_t> RevisionOfTag(std::string_view tag) {
  tag = Trim(tag);
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  if (tag.size() < 3 || tag.front() != '"' || tag.back() != '"') return std::nullopt;
  std::string_view digits = tag.substr(1, tag.size() - 2);
  digits = digits.substr(0, digits.find('-'));
  if (digits.empty() || digits.size() > 19 ||
      !std::all_of(digits.begin(), digits.end(), IsAsciiDigit)) {
    return std::nullopt;
  }
  return std::stoull(std::string(digits));
}

}  // namespace

Language LanguageOf(const net::ServerRequest& http) {
  if (auto lang = http.Query("lang")) return ParseLanguage(*lang);
  // The first of our two languages, in the order of preference (RFC 9110, section 12.5.4).
  double best = 0;
  Language out = Language::kEnglish;
  for (std::string_view item : Split(http.Header("accept-language"), ',')) {
    auto parts = Cut(item, ";q=");
    std::string tag = AsciiLower(Trim(parts ? parts->first : item));
    double q = parts ? std::strtod(std::string(parts->second.substr(0, 8)).c_str(), nullptr) : 1;
    if ((tag.starts_with("zh") || tag.starts_with("en")) && q > best) {
      best = q;
      out = ParseLanguage(tag);
    }
  }
  return out;
}

const std::string& Request::Param(std::string_view name) const {
  auto found = path.find(name);
  BW_CHECK(found != path.end());
  return found->second;
}

std::optional<std::string> Request::Query(std::string_view name) const {
  auto found = query.find(name);
  if (found == query.end()) return std::nullopt;
  return found->second;
}

std::optional<uint64_t> Request::IfMatch() const { return RevisionOfTag(http.Header("if-match")); }

Result<> Request::Require(std::string_view permission, std::string_view cluster,
                          std::string_view ns) const {
  if (principal.May(permission, cluster, ns)) return Ok();
  if (permission.ends_with(".read")) {
    return Error(Code::kNotFound, "api.not_found", "there is no such thing");
  }
  return Error(Code::kDenied, "api.denied", fmt::format("this needs the right {}", permission),
               {{"permission", std::string(permission)}});
}

Response Response::Json(std::string body, int status) {
  return {.status = status, .body = std::move(body)};
}

Response Response::NoContent() { return {.status = 204, .content_type = ""}; }

// --- The table -----------------------------------------------------------------------------------

Api::Api(store::StateStore& state, const Catalog& catalog, Metrics& metrics, ApiOptions options)
    : state_(std::make_unique<State>(*this, state, catalog, metrics, std::move(options))) {
  state_->seconds = &metrics.AddHistogram("bulwark_api_seconds", "Time that handlers take.",
                                          Metrics::DurationBounds());
  AddSchema("Problem", R"({"type":"object","required":["type","title","status"],"properties":{
    "type":{"type":"string"},"title":{"type":"string"},"status":{"type":"integer"},
    "detail":{"type":"string"},"instance":{"type":"string"},"requestId":{"type":"string"},
    "errors":{"type":"array","items":{"type":"object","properties":{
      "path":{"type":"string"},"message":{"type":"string"}}}}}})");
  // What several features speak of.
  AddSchema("Severity", R"({"enum":["critical","high","medium","low","info","unknown"]})");
  AddSchema("Asset", R"({"type":"object","required":["kind","name"],"properties":{
    "cluster":{"type":"string"},"group":{"type":"string"},"version":{"type":"string"},
    "kind":{"type":"string"},"namespace":{"type":"string"},"name":{"type":"string"}}})");
  Add({.method = "GET",
       .path = "/api/v1/openapi.json",
       .id = "getOpenApi",
       .tag = "system",
       .summary = "This document",
       .permission = std::string(kPublic),
       .response = R"({"type":"object"})",
       .handler = [this](Request&) -> Result<Response> { return Response::Json(OpenApi()); }});
  Add({.method = "GET",
       .path = "/api/v1/stream",
       .id = "stream",
       .tag = "system",
       .summary = "What changes, as server-sent events",
       .description =
           "Of each topic: `event: <topic>` with `data` = {\"op\":\"put\"|\"delete\",\"key\":…}. "
           "`event: lagged` means that messages were lost: read the lists again.",
       .permission = std::string(kAuthenticated),
       .parameters = {{.name = "topics",
                       .description = "Comma-separated: findings, alerts, events, clusters, "
                                      "assets, runs.",
                       .schema = R"({"type":"string","minLength":1,"maxLength":200})",
                       .required = true}},
       .types = {"text/event-stream"},
       .handler = [this](Request& r) { return state_->hub.Open(r); }});
}

Api::~Api() { Stop(); }

void Api::Stop() { state_->hub.Stop(); }

void Api::SetAuthenticator(Authenticator* authenticator) {
  state_->authenticator = authenticator;
  state_->hub.SetAuthenticator(authenticator);
}

void Api::Add(Route route) {
  BW_CHECK(!route.permission.empty() && route.handler && !route.id.empty());
  for (const Route& other : state_->routes) {
    if (other.id == route.id)
      Log(Level::kError, "api.twice", {{"id", route.id}, {"path", route.path}});
    BW_CHECK(other.id != route.id);
  }
  BW_CHECK(state_->router.Add(route.method, route.path, state_->routes.size()));
  BW_CHECK(state_->schemas.Prepare(route.request).has_value());
  BW_CHECK(state_->schemas.Prepare(route.response).has_value());
  for (const Parameter& parameter : route.parameters) {
    BW_CHECK(state_->schemas.Prepare(parameter.schema).has_value());
  }
  static constexpr std::string_view kClasses[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
  for (std::string_view c : kClasses) {
    state_->counters.push_back(&state_->metrics.AddCounter(
        "bulwark_api_requests_total", "Requests to the API, by route and class of status.",
        {{"route", route.id}, {"status", std::string(c)}}));
  }
  state_->routes.push_back(std::move(route));
}

void Api::AddSchema(std::string name, std::string json_schema) {
  auto added = state_->schemas.Add(name, json_schema);
  if (!added) Log(Level::kError, "api.schema", {{"name", name}, {"error", added.error()}});
  BW_CHECK(added.has_value());
  state_->schema_texts.emplace_back(std::move(name), std::move(json_schema));
}

void Api::AddCollection(CollectionResource resource) { state_->AddCollection(std::move(resource)); }

void Api::SetConsole(std::map<std::string, std::string_view> files) {
  state_->console.Set(std::move(files));
}

const std::vector<Route>& Api::routes() const { return state_->routes; }
std::string Api::OpenApi() const { return OpenApiDocument(*state_); }
std::vector<std::string> Api::MissingSchemas() const { return state_->schemas.Missing(); }
void Api::Tell(const Change& change) { state_->hub.Tell(change); }

// --- Answers -------------------------------------------------------------------------------------

net::ServerResponse Api::State::ProblemWith(const Request& request, int status,
                                            const std::string& id, std::string detail,
                                            const std::vector<SchemaFault>& faults) const {
  Arena arena;
  MapBuilder out(arena);
  out.Add("type", Value::String(arena, "urn:bulwark:" + id))
      .Add("title", Value::String(StatusTitle(status, request.language)))
      .Add("status", Value::Int(status))
      .Add("detail", Value::String(detail))
      .Add("instance", Value::String(request.http.path))
      .Add("requestId", Value::String(request.http.id));
  std::vector<Value> errors;
  for (const SchemaFault& fault : faults) {
    MapBuilder item(arena);
    item.Add("path", Value::String(fault.path))
        .Add("message",
             Value::String(arena, catalog.Message(fault.message, fault.args, request.language)));
    errors.push_back(item.Finish());
  }
  if (!errors.empty()) out.Add("errors", Value::Array(arena, errors));
  net::ServerResponse response;
  response.status = status;
  response.headers = {
      {"Content-Type", "application/problem+json"},
      {"Content-Language", request.language == Language::kChinese ? "zh-CN" : "en"}};
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"bulwark\"");
  response.body = ToJson(out.Finish());
  return response;
}

net::ServerResponse Api::State::Problem(const Request& request, const Error& error,
                                        bool after_if_match) const {
  int status =
      StatusOf(error, request.principal.kind == Principal::Kind::kAnonymous, after_if_match);
  if (status == 500) {
    Log(Level::kError, "api.internal",
        {{"request", request.http.id}, {"path", request.http.path}, {"error", error}});
    return ProblemWith(request, 500, "internal",
                       catalog.Message("api.internal", {{"id", request.http.id}}, request.language),
                       {});
  }
  auto response = ProblemWith(request, status, error.id().empty() ? "error" : error.id(),
                              catalog.Message(error, request.language), {});
  for (const auto& arg : error.args()) {
    if (status == 429 && arg.name == "seconds") {
      response.headers.emplace_back("Retry-After", arg.value);
    }
  }
  return response;
}

net::ServerResponse Api::State::Finish(Request& request, const Route&, Response response) const {
  net::ServerResponse out;
  out.status = response.status;
  out.headers = std::move(response.headers);
  if (!response.content_type.empty() && out.Header("content-type").empty()) {
    out.headers.emplace_back("Content-Type", response.content_type);
  }
  if (response.revision) {
    std::string etag = fmt::format("\"{}-{}\"", *response.revision,
                                   request.language == Language::kChinese ? "zh" : "en");
    out.headers.emplace_back("ETag", etag);
    // Kept, but asked for each time.
    if (out.Header("cache-control").empty()) {
      out.headers.emplace_back("Cache-Control", "private, no-cache");
    }
    if (!IsWrite(request.http.method) && HasTag(request.http.Header("if-none-match"), etag)) {
      out.status = 304;
      return out;
    }
  }
  out.body = std::move(response.body);
  out.stream = std::move(response.stream);
  out.generator = std::move(response.generator);
  out.endless = response.endless;
  out.compress = response.compress;
  return out;
}

// --- Before the handler --------------------------------------------------------------------------

bool Api::State::SameOrigin(const net::ServerRequest& http) const {
  std::string_view origin = http.Header("origin");
  if (origin.empty()) {
    std::string_view site = http.Header("sec-fetch-site");
    return site == "same-origin" || site == "none";
  }
  if (!options.public_url.empty()) {
    std::string_view url = options.public_url;
    size_t host = url.find("://");
    url = url.substr(0, url.find('/', host == std::string_view::npos ? 0 : host + 3));
    if (EqualsIgnoringCase(origin, url)) return true;
  }
  return !http.host.empty() &&
         EqualsIgnoringCase(origin, (http.tls ? "https://" : "http://") + http.host);
}

std::optional<net::ServerResponse> Api::State::Admit(Request& request, const Route& route) {
  const net::ServerRequest& http = request.http;
  bool is_public = route.permission == kPublic;
  int wait = 1;
  auto limited = [&](std::string_view key) -> std::optional<net::ServerResponse> {
    if (limit.Take(key, RateLimit::Clock::now(), &wait)) return std::nullopt;
    std::string after = std::to_string(wait);
    return Problem(request, Error(Code::kLimit, "api.rate",
                                  "too many requests; wait " + after + " s", {{"seconds", after}}));
  };
  if (authenticator != nullptr) {
    auto principal = authenticator->Authenticate(http);
    if (principal) {
      request.principal = *std::move(principal);
    } else if (!is_public || principal.error().code() != Code::kDenied) {
      if (auto refusal = limited("address:" + http.client)) return refusal;
      return Problem(request, principal.error());
    }
  }
  bool anonymous = request.principal.kind == Principal::Kind::kAnonymous;
  if (auto refusal = limited(anonymous ? "address:" + http.client : request.principal.id)) {
    return refusal;
  }
  if (IsWrite(http.method) && request.principal.kind != Principal::Kind::kToken) {
    bool cookie = !request.principal.session.empty();
    // Without a cookie, only what says that it comes from elsewhere is refused: logging somebody in
    // unawares.
    bool foreign = cookie ? !SameOrigin(http) : !http.Header("origin").empty() && !SameOrigin(http);
    if (foreign) {
      return ProblemWith(request, 403, "api.origin",
                         catalog.Message("api.origin", {}, request.language), {});
    }
    if (cookie &&
        (request.principal.csrf_token.empty() ||
         !ConstantTimeEquals(http.Header("x-csrf-token"), request.principal.csrf_token))) {
      return ProblemWith(request, 403, "api.csrf",
                         catalog.Message("api.csrf", {}, request.language), {});
    }
  }
  if (is_public) return std::nullopt;
  if (anonymous) {
    return Problem(request, Error(Code::kDenied, "api.login", "log in first"));
  }
  if (route.permission != kAuthenticated && !request.principal.May(route.permission)) {
    return Problem(request,
                   Error(Code::kDenied, "api.denied", "this needs the right " + route.permission,
                         {{"permission", route.permission}}));
  }
  return std::nullopt;
}

std::optional<net::ServerResponse> Api::State::CheckParameters(Request& request,
                                                               const Route& route) {
  std::vector<SchemaFault> faults;
  for (const Parameter& parameter : route.parameters) {
    auto [from, to] = request.query.equal_range(parameter.name);
    if (from == to && parameter.required) {
      faults.push_back({parameter.name, "api.fault.required", {}});
    }
    if (std::distance(from, to) > 1) faults.push_back({parameter.name, "api.fault.twice", {}});
    for (auto at = from; at != to; ++at) {
      for (SchemaFault& fault :
           schemas.Check(parameter.schema, ParameterValue(at->second, parameter.schema))) {
        fault.path = parameter.name;
        faults.push_back(std::move(fault));
      }
    }
  }
  if (faults.empty()) return std::nullopt;
  return ProblemWith(request, 400, "api.parameter",
                     catalog.Message("api.parameter", {}, request.language), faults);
}

std::optional<net::ServerResponse> Api::State::ReadBody(Request& request, const Route& route) {
  if (route.request.empty()) return std::nullopt;
  const net::ServerRequest& http = request.http;
  if (!IsJson(http.Header("content-type"))) {
    return ProblemWith(request, 415, "api.type", catalog.Message("api.type", {}, request.language),
                       {});
  }
  auto body = ParseJson(http.body, *request.arena, {.max_depth = 64});
  if (!body) {
    return ProblemWith(
        request, 400, "api.json",
        catalog.Message("api.json", {{"why", catalog.Message(body.error(), request.language)}},
                        request.language),
        {});
  }
  request.body = *body;
  auto faults = schemas.Check(route.request, request.body);
  if (faults.empty()) return std::nullopt;
  return ProblemWith(request, 400, "api.schema",
                     catalog.Message("api.schema", {}, request.language), faults);
}

void Api::State::CheckAnswer(const Request& request, const Route& route,
                             const Response& response) const {
  auto wrong = [&](const std::string& what) { options.on_wrong_answer(route, what); };
  if (response.status != route.status && response.status < 300) {
    wrong(fmt::format("it answers {} where {} is stated", response.status, route.status));
  }
  if (response.content_type != "application/json" || response.stream || response.generator) return;
  if (route.response.empty()) return wrong("it answers with JSON, and states none");
  // Whoever asks for some fields gets no others.
  if (request.Query("fields")) return;
  Arena arena;
  auto body = ParseJson(response.body, arena, {.max_depth = 400, .duplicate_keys = true});
  if (!body) return wrong(body.error().ToString());
  for (const SchemaFault& fault : schemas.Check(route.response, *body, 20, true)) {
    wrong(fmt::format("{}: {}", fault.path,
                      catalog.Message(fault.message, fault.args, Language::kEnglish)));
  }
}

net::ServerResponse Api::State::Run(Request& request, const Route& route) {
  if (auto refusal = Admit(request, route)) return *std::move(refusal);
  if (auto refusal = CheckParameters(request, route)) return *std::move(refusal);
  if (auto refusal = ReadBody(request, route)) return *std::move(refusal);
  bool conditional = !request.http.Header("if-match").empty();
  if (conditional && request.http.Header("if-match") != "*" && !request.IfMatch()) {
    return ProblemWith(request, 412, "api.precondition",
                       catalog.Message("api.precondition", {}, request.language), {});
  }
  auto started = std::chrono::steady_clock::now();
  auto response = route.handler(request);
  seconds->Observe(
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
  if (!response) return Problem(request, response.error(), conditional);
  if (options.on_wrong_answer) CheckAnswer(request, route, *response);
  return Finish(request, route, *std::move(response));
}

net::HeadDecision Api::Head(const net::ServerRequest& request) const {
  auto match = state_->router.Find(request.method, request.segments);
  // What nobody is going to read need not be taken.
  if (!match || !match->route) return {.max_body_bytes = 4096};
  return {.max_body_bytes = state_->routes[*match->route].max_body_bytes};
}

net::ServerResponse Api::Handle(const net::ServerRequest& http) {
  State& s = *state_;
  Request request{.http = http, .language = LanguageOf(http), .arena = std::make_shared<Arena>()};
  Timestamp now = Now();
  request.now_us = now.seconds * 1'000'000 + now.nanos / 1000;
  for (const auto& [name, value] : http.query) request.query.emplace(name, value);
  auto finish = [&](net::ServerResponse response) {
    AddSecurityHeaders(response, http.tls);
    return response;
  };
  auto match = s.router.Find(http.method, http.segments);
  if (!match) {
    if (http.segments.empty() || http.segments[0] != "api") {
      if (auto file = s.console.Serve(http)) return finish(*std::move(file));
    }
    return finish(s.Problem(request, Error(Code::kNotFound, "api.route", "no such path")));
  }
  if (!match->route) {
    std::string allow;
    for (const std::string& method : match->methods) {
      allow += (allow.empty() ? "" : ", ") + method + (method == "GET" ? ", HEAD" : "");
    }
    net::ServerResponse out;
    if (http.method == "OPTIONS") {
      out.status = 204;
    } else {
      out = s.ProblemWith(request, 405, "api.method",
                          s.catalog.Message("api.method", {{"methods", allow}}, request.language),
                          {});
    }
    out.headers.emplace_back("Allow", allow);
    return finish(std::move(out));
  }
  const Route& route = s.routes[*match->route];
  request.path = std::move(match->parameters);
  net::ServerResponse response = s.Run(request, route);
  int status = response.status;
  s.counters[*match->route * 5 + static_cast<size_t>(std::clamp(status / 100, 1, 5)) - 1]->Add();
  bool refused = status == 401 || status == 403 || status == 429;
  if (s.options.on_access && ((route.audited && IsWrite(http.method)) || refused)) {
    s.options.on_access(request, route, status);
  }
  return finish(std::move(response));
}

}  // namespace bulwark::api
