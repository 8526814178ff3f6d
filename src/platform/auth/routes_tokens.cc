// /api/v1/tokens: one's own API tokens, and for those who may, everybody's and machines'.

#include <fmt/format.h>

#include <charconv>

#include "base/text.h"
#include "formats/json.h"
#include "platform/auth/route_helpers.h"

namespace bulwark::auth {
namespace {

constexpr int64_t kDayUs = int64_t{86400} * 1'000'000;
constexpr int64_t kMaxDays = 366;
constexpr uint64_t kMaxOwn = 100;

// Whose tokens somebody sees who may not see all; "": nobody's.
std::string OwnName(const api::Principal& principal) {
  bool person = principal.kind == api::Principal::Kind::kUser ||
                principal.kind == api::Principal::Kind::kKubernetes;
  return person && principal.id.starts_with("user:") ? principal.id.substr(5) : std::string();
}

Value TokenValue(const Token& token, Arena& arena) {
  MapBuilder out(arena);
  auto text = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) out.Add(name, Value::String(arena, value));
  };
  auto time = [&](std::string_view name, int64_t us) {
    if (us != 0) text(name, TimeText(us));
  };
  text("id", token.id);
  text("name", token.name);
  text("kind", token.machine ? "machine" : "personal");
  text("owner", token.owner);
  text("createdBy", token.created_by);
  out.Add("inherit", Value::Bool(token.inherit));
  std::vector<Value> grants;
  for (const RoleGrant& grant : token.grants) {
    grants.push_back(MapBuilder(arena)
                         .Add("role", Value::String(arena, grant.role))
                         .Add("scope", ScopeValue(grant.scope, arena))
                         .Finish());
  }
  out.Add("grants", Value::Array(arena, grants));
  time("createdAt", token.created_us);
  time("expires", token.expires_us);
  time("lastUsed", token.last_used_us);
  text("lastAddress", token.last_address);
  return out.Finish();
}

Result<api::Response> List(Auth::State& state, api::Request& request) {
  std::vector<store::Query> filters;
  const std::vector<store::Field>* fields = state.store.Fields(kTokens);
  if (auto q = request.Query("q"); q && fields) {
    filters.push_back(BW_TRY(store::ParseQuery(*q, *fields, "created", request.now_us)));
  }
  if (!request.principal.May("tokens.read")) {
    std::string own = OwnName(request.principal);
    if (own.empty()) return Error(Code::kDenied, "auth.no_tokens", "tokens are for people to see");
    filters.push_back(store::Query::Equals("owner", own));
    filters.push_back(store::Query::Equals("kind", "personal"));
  }
  int limit = 50;
  if (auto text = request.Query("limit")) {
    auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
    if (error != std::errc() || *end != 0 || limit < 1 || limit > 1000) {
      return FieldError("limit", "1 to 1000 is expected");
    }
  }
  store::ListPage page = BW_TRY(state.store.List(
      kTokens, {.filter = filters.empty() ? store::Query::All() : store::Query::And(filters),
                .sort = request.Query("sort").value_or(""),
                .cursor = request.Query("cursor").value_or(""),
                .limit = limit,
                .total = request.Query("total") == "true"}));
  Arena arena;
  std::vector<Value> items;
  for (const store::Record& record : page.records) {
    Result<Token> token = ReadToken(record);
    if (token) items.push_back(TokenValue(*token, arena));
  }
  MapBuilder out(arena);
  out.Add("items", Value::Array(arena, items));
  if (!page.next.empty()) out.Add("next", Value::String(page.next));
  if (page.total) out.Add("total", Value::Int(static_cast<int64_t>(*page.total)));
  return api::Response::Json(ToJson(out.Finish()));
}

Result<api::Response> Create(Auth::State& state, api::Request& request) {
  const api::Principal& who = request.principal;
  Token token;
  token.name = BW_TRY(TextField(request.body, "name", 100, true));
  if (!IsUtf8(token.name)) return FieldError("name", "UTF-8 is expected");
  std::string kind = BW_TRY(TextField(request.body, "kind", 16, false));
  token.machine = kind == "machine";
  if (!token.machine && !kind.empty() && kind != "personal") {
    return FieldError("kind", "personal or machine is expected");
  }
  token.created_by = who.id;
  token.created_us = state.NowUs();
  if (token.machine) {
    BW_TRY(request.Require("tokens.write", "", ""));
  } else {
    token.owner = OwnName(who);
    if (token.owner.empty()) {
      return Error(Code::kDenied, "auth.no_tokens", "only people have tokens of their own");
    }
    auto owner = BW_TRY(state.FindUser(token.owner));
    if (!owner || owner->value.must_change_password) {
      return Error(Code::kDenied, "auth.must_change_password", "change your password first");
    }
    if (BW_TRY(state.store.Count(kTokens, store::Query::Equals("owner", token.owner))) >= kMaxOwn) {
      return Error(Code::kInvalid, "auth.too_many_tokens",
                   fmt::format("at most {} tokens each: remove one first", kMaxOwn),
                   {{"limit", std::to_string(kMaxOwn)}});
    }
  }
  Value grants = request.body["grants"];
  if (grants.IsNull() && !token.machine) {
    token.inherit = true;
  } else {
    if (!grants.IsArray() || grants.empty() || grants.size() > 50) {
      return FieldError("grants", "1 to 50 roles with their scopes are expected");
    }
    for (const Value& item : grants.items()) {
      token.grants.push_back(BW_TRY(ParseGrant(state, item, who)));
    }
  }
  std::string expires = BW_TRY(TextField(request.body, "expires", 40, false));
  if (!expires.empty()) {
    token.expires_us = TimeOf(expires);
    if (token.expires_us <= token.created_us) {
      return FieldError("expires", "a time in the future is expected (RFC 3339)");
    }
  }
  // A person's token ends within a year, a machine's when it is told to.
  if (!token.machine &&
      (token.expires_us == 0 || token.expires_us > token.created_us + kMaxDays * kDayUs)) {
    if (token.expires_us != 0) {
      return FieldError("expires", fmt::format("at most {} days from now", kMaxDays));
    }
    token.expires_us = token.created_us + 90 * kDayUs;
  }
  std::string secret = MakeApiToken();
  token.id = ApiTokenId(secret);
  token.hash = HashOf(secret);
  store::Batch batch;
  batch.Put(kTokens, token.id, ToRecord(token), 0);
  BW_TRY(state.store.Commit(batch));
  TellChange(state, request, "create", "tokens", token.name, "auth.event.token_made",
             {{"id", token.id}});
  Arena arena;
  api::Response response = api::Response::Json(ToJson(MapBuilder(arena)
                                                          .Add("token", Value::String(secret))
                                                          .Add("record", TokenValue(token, arena))
                                                          .Finish()),
                                               201);
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Result<api::Response> Delete(Auth::State& state, api::Request& request) {
  auto stored = BW_TRY(state.FindToken(request.Param("id")));
  std::string own = OwnName(request.principal);
  bool mine = stored && !stored->value.machine && !own.empty() && stored->value.owner == own;
  // Revoking gives nobody anything: the right to write tokens is enough.
  if (!stored || (!mine && !request.principal.May("tokens.read"))) {
    return NotFound(request.Param("id"));
  }
  if (!mine) BW_TRY(request.Require("tokens.write", "", ""));
  store::Batch batch;
  batch.Delete(kTokens, stored->value.id);
  BW_TRY(state.store.Commit(batch));
  TellChange(state, request, "revoke", "tokens", stored->value.name, "auth.event.token_revoked",
             {{"id", stored->value.id}});
  return api::Response::NoContent();
}

}  // namespace

void AddTokenRoutes(Auth::State& state, api::Api& api) {
  api.AddSchema("Token", R"({"type":"object","required":["id","name","kind"],"properties":{
"id":{"type":"string"},
"name":{"type":"string"},"kind":{"enum":["personal","machine"]},"owner":{"type":"string"},
"createdBy":{"type":"string"},"inherit":{"type":"boolean"},
"grants":{"type":"array","items":{"type":"object","required":["role"],"properties":{
"role":{"type":"string"},"scope":{"$ref":"#/components/schemas/Scope"}}}},
"createdAt":{"type":"string","format":"date-time"},"expires":{"type":"string","format":"date-time"},
"lastUsed":{"type":"string","format":"date-time"},"lastAddress":{"type":"string"}}})");
  api.AddSchema("TokenPage", R"({"type":"object","required":["items"],"properties":{
"items":{"type":"array","items":{"$ref":"#/components/schemas/Token"}},"next":{"type":"string"},
"total":{"type":"integer"}}})");
  api.AddSchema("NewToken", R"({"type":"object","required":["name"],"properties":{
"name":{"type":"string","minLength":1,"maxLength":100},"kind":{"enum":["personal","machine"]},
"expires":{"type":"string","format":"date-time"},
"grants":{"type":"array","maxItems":50,"items":{"type":"object","required":["role"],
"properties":{"role":{"type":"string"},"scope":{"$ref":"#/components/schemas/Scope"}}}}}})");
  api.AddSchema("MadeToken", R"({"type":"object","required":["token","record"],"properties":{
"token":{"type":"string"},"record":{"$ref":"#/components/schemas/Token"}}})");
  auto handler = [&state](Result<api::Response> (*f)(Auth::State&, api::Request&)) {
    return [&state, f](api::Request& request) { return f(state, request); };
  };
  api.Add({.method = "GET",
           .path = "/api/v1/tokens",
           .id = "listTokens",
           .tag = "tokens",
           .summary = "One's own tokens; everybody's with tokens.read",
           .description = {},
           .permission = std::string(api::kAuthenticated),
           .parameters = {{.name = "q", .description = "A query"},
                          {.name = "sort", .description = "Columns, - for descending"},
                          {.name = "cursor", .description = "Of the page before"},
                          {.name = "limit",
                           .description = "1 to 1000",
                           .schema = R"({"type":"integer","minimum":1,"maximum":1000})"},
                          {.name = "total",
                           .description = "Count them all",
                           .schema = R"({"type":"boolean"})"}},
           .request = {},
           .response = "TokenPage",
           .handler = handler(List)});
  api.Add({.method = "POST",
           .path = "/api/v1/tokens",
           .id = "createToken",
           .tag = "tokens",
           .summary = "Make a token; its text is shown this once",
           .description = "Without grants, a personal token may what its owner may.",
           .permission = std::string(api::kAuthenticated),
           .parameters = {},
           .request = "NewToken",
           .response = "MadeToken",
           .status = 201,
           .handler = handler(Create)});
  api.Add({.method = "DELETE",
           .path = "/api/v1/tokens/{id}",
           .id = "deleteToken",
           .tag = "tokens",
           .summary = "Revoke a token at once",
           .description = {},
           .permission = std::string(api::kAuthenticated),
           .parameters = {},
           .request = {},
           .response = {},
           .status = 204,
           .handler = handler(Delete)});
}

}  // namespace bulwark::auth
