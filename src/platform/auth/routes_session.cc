// /api/v1/session: who one is, logging in, logging out, and the way by OpenID Connect.

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "crypto/random.h"
#include "crypto/seal.h"
#include "formats/json.h"
#include "platform/auth/state.h"

namespace bulwark::auth {
namespace {

constexpr int64_t kLoginSeconds = 600;  // for typing a password at the provider

Error Wrong() { return Error(Code::kDenied, "auth.wrong", "the name or the password is wrong"); }

Value Texts(const std::vector<std::string>& texts, Arena& arena) {
  std::vector<Value> items;
  for (const std::string& t : texts) items.push_back(Value::String(arena, t));
  return Value::Array(arena, items);
}

std::string_view KindName(api::Principal::Kind kind) {
  switch (kind) {
    case api::Principal::Kind::kAnonymous: return "anonymous";
    case api::Principal::Kind::kUser: return "user";
    case api::Principal::Kind::kToken: return "token";
    case api::Principal::Kind::kKubernetes: return "kubernetes";
    case api::Principal::Kind::kSystem: return "system";
  }
  BW_UNREACHABLE();
}

// `user` and `session` where there are such.
std::string SessionJson(const api::Principal& principal, const User* user, const Session* session) {
  Arena arena;
  MapBuilder out(arena);
  bool authenticated = principal.kind != api::Principal::Kind::kAnonymous;
  out.Add("authenticated", Value::Bool(authenticated));
  if (!authenticated) return ToJson(out.Finish());
  out.Add("user", MapBuilder(arena)
                      .Add("id", Value::String(arena, principal.id))
                      .Add("name", Value::String(arena, principal.name))
                      .Add("kind", Value::String(KindName(principal.kind)))
                      .Add("login", Value::String(arena, user ? user->name : principal.name))
                      .Add("local", Value::Bool(user && user->provider.empty()))
                      .Finish());
  std::vector<std::string> roles, permissions;
  std::vector<Value> scopes;
  for (const api::Grant& grant : principal.grants) {
    if (std::ranges::find(roles, grant.role) == roles.end()) roles.push_back(grant.role);
    scopes.push_back(MapBuilder(arena)
                         .Add("role", Value::String(arena, grant.role))
                         .Add("scope", ScopeValue(grant.scope, arena))
                         .Add("permissions", Texts(grant.permissions, arena))
                         .Finish());
  }
  for (const Permission& p : Permissions()) {
    if (principal.May(p.id)) permissions.push_back(p.id);
  }
  out.Add("roles", Texts(roles, arena));
  out.Add("permissions", Texts(permissions, arena));
  out.Add("scopes", Value::Array(arena, scopes));
  out.Add("mustChangePassword", Value::Bool(user && user->must_change_password));
  if (!principal.csrf_token.empty()) {
    out.Add("csrfToken", Value::String(arena, principal.csrf_token));
  }
  if (session) out.Add("expires", Value::String(arena, TimeText(session->expires_us)));
  return ToJson(out.Finish());
}

// A form of another site could log people in as somebody else: browsers say where a request comes
// from, and none sends JSON there without asking first.
Result<> RequireSameSite(const net::ServerRequest& request) {
  std::string_view site = request.Header("sec-fetch-site");
  std::string_view type = request.Header("content-type");
  bool json = EqualsIgnoringCase(Trim(type.substr(0, type.find(';'))), "application/json");
  if (!json || (!site.empty() && site != "same-origin" && site != "none")) {
    return Error(Code::kDenied, "auth.cross_site", "log-ins are taken from our own pages alone");
  }
  return Ok{};
}

std::string RedirectUri(const Auth::State& state, const net::ServerRequest& request,
                        std::string_view provider) {
  std::string base = state.options.public_url;
  while (base.ends_with('/')) base.pop_back();
  if (base.empty()) base = fmt::format("{}://{}", request.tls ? "https" : "http", request.host);
  return fmt::format("{}/api/v1/session/oidc/{}/callback", base, provider);
}

api::Response Redirect(std::string to, std::vector<std::string> cookies) {
  api::Response response;
  response.status = 302;
  response.content_type.clear();
  response.headers.emplace_back("Location", std::move(to));
  response.headers.emplace_back("Cache-Control", "no-store");
  for (std::string& cookie : cookies)
    response.headers.emplace_back("Set-Cookie", std::move(cookie));
  return response;
}

// A turn among those who wait for providers.
class Turn {
 public:
  explicit Turn(Auth::State& state)
      : state_(state), taken_(state.external.try_acquire_for(std::chrono::seconds(5))) {}
  Turn(const Turn&) = delete;
  ~Turn() {
    if (taken_) state_.external.release();
  }
  Result<> Check() const {
    if (taken_) return Ok{};
    return Error(Code::kUnavailable, "auth.busy", "too many log-ins at once: try again soon");
  }

 private:
  Auth::State& state_;
  bool taken_;
};

Result<Begun> LogInLdap(Auth::State& state, const net::ServerRequest& request,
                        const std::string& provider_name, const std::string& name,
                        std::string_view password) {
  auto open = BW_TRY(state.providers->Find(provider_name));
  if (open->provider.kind != ProviderKind::kLdap) return Wrong();
  std::string account = provider_name + ":" + AsciiLower(name);
  BW_TRY(state.Admit(request, account));
  Turn turn(state);
  BW_TRY(turn.Check());
  Identity identity =
      BW_TRY(LdapLogIn(open->provider.ldap, name, password, state.providers->guard().get()));
  Begun begun = BW_TRY(state.LogInProvider(request, provider_name, identity, false));
  state.Admitted(request, account);
  return begun;
}

Result<Begun> LogInKubernetes(Auth::State& state, const net::ServerRequest& request,
                              const std::string& provider_name, std::string_view token) {
  auto open = BW_TRY(state.providers->Find(provider_name));
  if (open->provider.kind != ProviderKind::kKubernetes || !state.options.kubernetes) return Wrong();
  if (token.empty() || token.size() > (16 << 10)) return Wrong();
  // Nobody guesses a token: only where it comes from counts.
  std::string account = provider_name + ":" + request.client;
  BW_TRY(state.Admit(request, account));
  Turn turn(state);
  BW_TRY(turn.Check());
  const KubernetesConfig& config = open->provider.kubernetes;
  KubernetesIdentity& clusters = *state.options.kubernetes;
  KubernetesUser user = BW_TRY(clusters.Review(config.cluster, token, config.audience));
  Identity identity{
      .subject = user.name, .name = user.name, .email = {}, .groups = user.groups, .roles = {}};
  std::vector<std::string> roles = config.roles;
  if (roles.empty()) {
    for (const Role& role : BuiltInRoles()) roles.push_back(role.name);
  }
  for (const std::string& role : roles) {
    if (BW_TRY(clusters.May(config.cluster, user,
                            {config.group, config.resource, config.verb, role}))) {
      // What a cluster says counts there.
      identity.roles.push_back({role, {.clusters = {config.cluster}}});
    }
  }
  Begun begun = BW_TRY(state.LogInProvider(request, provider_name, identity, true));
  state.Admitted(request, account);
  return begun;
}

Result<api::Response> Welcome(Auth::State& state, const api::Request& request, const Begun& begun) {
  // As the next request will see it.
  net::ServerRequest next = request.http;
  api::Principal principal = BW_TRY(state.BySession(next, begun.secret));
  api::Response response = api::Response::Json(SessionJson(principal, &begun.user, &begun.session));
  response.headers.emplace_back("Set-Cookie",
                                MakeCookie(kSessionCookie, begun.secret, std::nullopt));
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Result<api::Response> LogIn(Auth::State& state, api::Request& request) {
  BW_TRY(RequireSameSite(request.http));
  std::string method = BW_TRY(TextField(request.body, "method", 32, true));
  std::string provider = BW_TRY(TextField(request.body, "provider", 64, false));
  if (method == "password") {
    std::string name = BW_TRY(TextField(request.body, "name", 256, true));
    std::string password = BW_TRY(TextField(request.body, "password", 4096, true));
    Result<Begun> begun = state.LogInPassword(request.http, name, password);
    crypto::Wipe(password);
    return Welcome(state, request, BW_TRY(std::move(begun)));
  }
  Result<Begun> begun = Wrong();
  std::string who;
  if (method == "ldap") {
    who = BW_TRY(TextField(request.body, "name", 256, true));
    std::string password = BW_TRY(TextField(request.body, "password", 4096, true));
    begun = LogInLdap(state, request.http, provider, who, password);
    crypto::Wipe(password);
  } else if (method == "kubernetes") {
    std::string token = BW_TRY(TextField(request.body, "token", 16 << 10, true));
    begun = LogInKubernetes(state, request.http, provider, token);
  } else {
    return FieldError("method", "password, ldap or kubernetes is expected");
  }
  if (!begun) {
    std::string shown = ToValidUtf8(provider + ":" + who);
    state.TellFailure(request.http,
                      {.verb = "login",
                       .outcome = "denied",
                       .user = shown,
                       .resource = "session",
                       .target = {},
                       .message = "auth.event.login_failed",
                       .args = {{"user", shown}, {"method", provider}, {"why", begun.error().id()}},
                       .severity = Severity::kLow});
  }
  return Welcome(state, request, BW_TRY(std::move(begun)));
}

Result<api::Response> Show(Auth::State& state, api::Request& request) {
  const api::Principal& principal = request.principal;
  std::optional<Session> session;
  std::optional<User> user;
  if (!principal.session.empty()) {
    if (auto record = BW_TRY(state.store.Get(kSessions, principal.session))) {
      session = BW_TRY(ReadSession(*record));
      if (auto found = BW_TRY(state.FindUser(session->user))) user = std::move(found->value);
    }
  }
  api::Response response = api::Response::Json(
      SessionJson(principal, user ? &*user : nullptr, session ? &*session : nullptr));
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Result<api::Response> LogOut(Auth::State& state, api::Request& request) {
  if (!request.principal.session.empty()) {
    store::Batch batch;
    batch.Delete(kSessions, request.principal.session);
    BW_TRY(state.store.Commit(batch));
    state.Tell(request.http, {.verb = "logout",
                              .outcome = "allowed",
                              .user = request.principal.id.substr(5),
                              .resource = "session",
                              .target = {},
                              .message = "auth.event.logout",
                              .args = {{"user", request.principal.name}}});
  }
  api::Response response = api::Response::NoContent();
  response.headers.emplace_back("Set-Cookie", MakeCookie(kSessionCookie, "", 0));
  response.headers.emplace_back("Clear-Site-Data", "\"cache\"");
  return response;
}

Result<api::Response> Methods(Auth::State& state, api::Request&) {
  Arena arena;
  std::vector<Value> items;
  items.push_back(MapBuilder(arena).Add("method", Value::String("password")).Finish());
  for (const Provider& p : BW_TRY(state.providers->List())) {
    if (p.kind == ProviderKind::kKubernetes && !state.options.kubernetes) continue;
    MapBuilder item(arena);
    item.Add("method", Value::String(ProviderKindName(p.kind)))
        .Add("provider", Value::String(arena, p.name))
        .Add("title", Value::String(arena, p.title.empty() ? p.name : p.title));
    if (p.kind == ProviderKind::kOidc) {
      item.Add("href", Value::String(arena, "/api/v1/session/oidc/" + p.name));
    }
    items.push_back(item.Finish());
  }
  return api::Response::Json(
      ToJson(MapBuilder(arena).Add("items", Value::Array(arena, items)).Finish()));
}

// --- OpenID Connect ------------------------------------------------------------------------------

Result<api::Response> StartOidc(Auth::State& state, api::Request& request) {
  const std::string& name = request.Param("provider");
  auto open = BW_TRY(state.providers->Find(name));
  if (!open->oidc) {
    return Error(Code::kNotFound, "auth.not_found", "there is no such provider", {{"what", name}});
  }
  OidcFlow flow = NewOidcFlow();
  std::string redirect = RedirectUri(state, request.http, name);
  std::string url = BW_TRY(open->oidc->AuthorizationUrl(flow, redirect));
  Arena arena;
  std::string kept =
      ToJson(MapBuilder(arena)
                 .Add("state", Value::String(flow.state))
                 .Add("nonce", Value::String(flow.nonce))
                 .Add("verifier", Value::String(flow.verifier))
                 .Add("redirect", Value::String(redirect))
                 .Add("next", Value::String(arena, SafeNext(request.Query("next").value_or("/"))))
                 .Add("until", Value::Int(state.options.now().seconds + kLoginSeconds))
                 .Finish());
  std::string sealed =
      Base64Encode(crypto::Seal(state.login_key, kept, "oidc " + name), Base64::kUrl, Padding::kNo);
  return Redirect(std::move(url), {MakeCookie(kLoginCookie, sealed, kLoginSeconds)});
}

struct Kept {
  OidcFlow flow;
  std::string redirect, next;
};

// What the browser brings back of a log-in that began here, in that browser, not long ago.
Result<Kept> OpenKept(Auth::State& state, const net::ServerRequest& request,
                      std::string_view provider) {
  Error none(Code::kDenied, "oidc.state",
             "no log-in is under way in this browser, or it took too long: begin anew");
  std::optional<std::string> cookie = BW_TRY(FindCookie(request.Header("cookie"), kLoginCookie));
  if (!cookie) return none;
  Result<std::string> sealed = Base64Decode(*cookie, Base64::kUrl, Padding::kNo);
  if (!sealed) return none;
  Result<std::string> kept =
      crypto::Open(state.login_key, *sealed, fmt::format("oidc {}", provider));
  if (!kept) return none;
  Arena arena;
  Value value = BW_TRY(ParseJson(*kept, arena));
  if (state.options.now().seconds > value["until"].ToInt().value_or(0)) return none;
  return Kept{.flow = {std::string(value.StringAt("state")), std::string(value.StringAt("nonce")),
                       std::string(value.StringAt("verifier"))},
              .redirect = std::string(value.StringAt("redirect")),
              .next = std::string(value.StringAt("next"))};
}

Result<std::pair<Begun, std::string>> FinishOidc(Auth::State& state, api::Request& request) {
  const std::string& name = request.Param("provider");
  auto open = BW_TRY(state.providers->Find(name));
  Kept kept = BW_TRY(OpenKept(state, request.http, name));
  if (!open->oidc || !ConstantTimeEquals(request.Query("state").value_or(""), kept.flow.state)) {
    return Error(Code::kDenied, "oidc.state", "the answer is to another log-in");
  }
  if (auto error = request.Query("error")) {
    std::string shown = ToValidUtf8(std::string_view(*error).substr(0, 64));
    return Error(Code::kDenied, "oidc.refused", "the provider said: " + Quote(shown),
                 {{"error", shown}});
  }
  Turn turn(state);
  BW_TRY(turn.Check());
  Identity identity =
      BW_TRY(open->oidc->Redeem(request.Query("code").value_or(""),
                                request.Query("iss").value_or(""), kept.flow, kept.redirect));
  Begun begun = BW_TRY(state.LogInProvider(request.http, name, identity, false));
  return std::pair(std::move(begun), kept.next);
}

// The browser is on its way: it is sent on in either case, never shown JSON.
Result<api::Response> OidcCallback(Auth::State& state, api::Request& request) {
  const std::string& name = request.Param("provider");
  auto done = FinishOidc(state, request);
  std::string no_login = MakeCookie(kLoginCookie, "", 0);
  if (done) {
    return Redirect(done->second,
                    {MakeCookie(kSessionCookie, done->first.secret, std::nullopt), no_login});
  }
  std::string shown = ToValidUtf8(std::string_view(name).substr(0, 64));
  state.TellFailure(request.http,
                    {.verb = "login",
                     .outcome = "denied",
                     .user = {},
                     .resource = "session",
                     .target = {},
                     .message = "auth.event.login_failed",
                     .args = {{"user", "?"}, {"method", shown}, {"why", done.error().id()}},
                     .severity = Severity::kLow});
  return Redirect(fmt::format("/login?provider={}&error={}", net::UrlEscape(shown),
                              net::UrlEscape(done.error().id())),
                  {no_login});
}

constexpr std::string_view kSessionSchema = R"({"type":"object","required":["authenticated"],
"properties":{"authenticated":{"type":"boolean"},
"user":{"type":"object","properties":{"id":{"type":"string"},"name":{"type":"string"},
"kind":{"enum":["user","token","kubernetes","system"]},"login":{"type":"string"},
"local":{"type":"boolean"}}},
"roles":{"type":"array","items":{"type":"string"}},
"permissions":{"type":"array","items":{"type":"string"}},
"scopes":{"type":"array","items":{"type":"object","properties":{"role":{"type":"string"},
"permissions":{"type":"array","items":{"type":"string"}},
"scope":{"$ref":"#/components/schemas/Scope"}}}},
"csrfToken":{"type":"string"},"expires":{"type":"string","format":"date-time"},
"mustChangePassword":{"type":"boolean"}}})";

constexpr std::string_view kLogInSchema = R"({"type":"object","required":["method"],
"properties":{"method":{"enum":["password","ldap","kubernetes"]},
"provider":{"type":"string","maxLength":64},"name":{"type":"string","maxLength":256},
"password":{"type":"string","maxLength":4096},"token":{"type":"string","maxLength":16384}}})";

constexpr std::string_view kMethodsSchema = R"({"type":"object","required":["items"],
"properties":{"items":{"type":"array","items":{"type":"object","required":["method"],
"properties":{"method":{"enum":["password","oidc","ldap","kubernetes"]},
"provider":{"type":"string"},"title":{"type":"string"},"href":{"type":"string"}}}}}})";

}  // namespace

void AddSessionRoutes(Auth::State& state, api::Api& api) {
  api.AddSchema("Scope", R"({"type":"object","additionalProperties":false,
"properties":{"clusters":{"type":"array","items":{"type":"string"},"maxItems":100},
"namespaces":{"type":"array","items":{"type":"string"},"maxItems":100},
"labels":{"type":"object","additionalProperties":{"type":"string"}}}})");
  api.AddSchema("Session", std::string(kSessionSchema));
  api.AddSchema("LogIn", std::string(kLogInSchema));
  api.AddSchema("LogInMethods", std::string(kMethodsSchema));
  auto handler = [&state](Result<api::Response> (*f)(Auth::State&, api::Request&)) {
    return [&state, f](api::Request& request) { return f(state, request); };
  };
  api.Add({.method = "GET",
           .path = "/api/v1/session",
           .id = "getSession",
           .tag = "session",
           .summary = "Who one is and what one may",
           .description = {},
           .permission = std::string(api::kPublic),
           .parameters = {},
           .request = {},
           .response = "Session",
           .handler = handler(Show)});
  // Its own events say more than the trail's.
  api.Add({.method = "POST",
           .path = "/api/v1/session",
           .id = "logIn",
           .tag = "session",
           .summary = "Log in",
           .description = {},
           .permission = std::string(api::kPublic),
           .parameters = {},
           .request = "LogIn",
           .response = "Session",
           .audited = false,
           .handler = handler(LogIn)});
  api.Add({.method = "DELETE",
           .path = "/api/v1/session",
           .id = "logOut",
           .tag = "session",
           .summary = "Log out",
           .description = {},
           .permission = std::string(api::kAuthenticated),
           .parameters = {},
           .request = {},
           .response = {},
           .status = 204,
           .audited = false,
           .handler = handler(LogOut)});
  api.Add({.method = "GET",
           .path = "/api/v1/session/methods",
           .id = "listLogInMethods",
           .tag = "session",
           .summary = "The ways to log in",
           .description = {},
           .permission = std::string(api::kPublic),
           .parameters = {},
           .request = {},
           .response = "LogInMethods",
           .handler = handler(Methods)});
  api.Add({.method = "GET",
           .path = "/api/v1/session/oidc/{provider}",
           .id = "startOidc",
           .tag = "session",
           .summary = "Go to a provider to log in",
           .description = {},
           .permission = std::string(api::kPublic),
           .parameters = {{.name = "next", .description = "Where to go afterwards: a path"}},
           .request = {},
           .response = {},
           .status = 302,
           .audited = false,
           .handler = handler(StartOidc)});
  api.Add({.method = "GET",
           .path = "/api/v1/session/oidc/{provider}/callback",
           .id = "finishOidc",
           .tag = "session",
           .summary = "Come back from a provider",
           .description = {},
           .permission = std::string(api::kPublic),
           .parameters = {{.name = "code", .description = "What the provider gave"},
                          {.name = "state", .description = "The log-in that this answers"},
                          {.name = "iss", .description = "The issuer (RFC 9207)"},
                          {.name = "error", .description = "What went wrong there"}},
           .request = {},
           .response = {},
           .status = 302,
           .audited = false,
           .handler = handler(OidcCallback)});
}

}  // namespace bulwark::auth
