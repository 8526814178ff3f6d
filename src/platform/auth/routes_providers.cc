// /api/v1/providers: how people may log in beside their passwords here.

#include <fmt/format.h>

#include "base/text.h"
#include "crypto/random.h"
#include "formats/json.h"
#include "platform/auth/route_helpers.h"

namespace bulwark::auth {
namespace {

// Whoever says how people prove who they are can make himself anybody.
Result<> RequireEverything(const api::Request& request) {
  BW_TRY(request.Require("providers.write", "", ""));
  return Auth::State::RequireAll(request.principal,
                                 {{.role = "admin", .permissions = {"*"}, .scope = {}}});
}

// The secrets of the settings go where they are kept. An empty one takes it away.
Result<> PutSecrets(Auth::State& state, store::Batch& batch, const Value& body, Provider& p) {
  auto put = [&](const Value& settings, std::string_view field, std::string& secret) -> Result<> {
    if (settings.Find(field) == nullptr) return Ok{};
    vault::Place place{std::string(kProviders), p.name, std::string(field)};
    if (secret.empty()) {
      state.vault.Delete(batch, place);
    } else {
      BW_TRY(state.vault.Put(batch, place, secret));
    }
    crypto::Wipe(secret);
    return Ok{};
  };
  BW_TRY(put(body["oidc"], "clientSecret", p.oidc.client_secret));
  return put(body["ldap"], "bindPassword", p.ldap.bind_password);
}

Result<api::Response> Create(Auth::State& state, api::Request& request) {
  BW_TRY(RequireEverything(request));
  std::string name = BW_TRY(TextField(request.body, "name", 32, true));
  Provider provider = BW_TRY(ParseProvider(name, request.body));
  BW_TRY(state.providers->CheckAddresses(provider));
  if (BW_TRY(state.store.Get(kProviders, name))) return Exists(name);
  store::Batch batch;
  BW_TRY(PutSecrets(state, batch, request.body, provider));
  batch.Put(kProviders, name, ToRecord(provider), 0);
  api::Response response = api::Response::Json(ToRecord(provider), 201);
  response.revision = BW_TRY(state.store.Commit(batch));
  TellChange(state, request, "create", "providers", name, "auth.event.provider_changed");
  return response;
}

// RFC 7396.
Value Merge(const Value& target, const Value& patch, Arena& arena) {
  if (!patch.IsMap()) return patch;
  MapBuilder out(arena);
  for (const Value::Entry& e : target.entries()) {
    const Value* change = patch.Find(e.key);
    if (change == nullptr)
      out.Add(e.key, e.value);
    else if (!change->IsNull())
      out.Add(e.key, Merge(e.value, *change, arena));
  }
  for (const Value::Entry& e : patch.entries()) {
    if (target.Find(e.key) == nullptr && !e.value.IsNull()) {
      out.Add(e.key, Merge(Value(), e.value, arena));
    }
  }
  return out.Finish();
}

void EndSessions(store::Batch& batch, const std::string& provider) {
  batch.DeleteWhere(kSessions, store::Query::Equals("provider", provider));
}

Result<api::Response> Patch(Auth::State& state, api::Request& request) {
  BW_TRY(RequireEverything(request));
  const std::string& name = request.Param("name");
  std::optional<store::Record> record = BW_TRY(state.store.Get(kProviders, name));
  if (!record) return NotFound(name);
  BW_TRY(RequireMatch(request, record->revision));
  Arena arena;
  Value old = BW_TRY(ParseJson(record->body, arena));
  Value merged = Merge(old, request.body, arena);
  if (merged.StringAt("name") != name || merged.StringAt("kind") != old.StringAt("kind")) {
    return FieldError("name", "name and kind stay as they are");
  }
  Provider before = BW_TRY(ParseProvider(name, old));
  Provider provider = BW_TRY(ParseProvider(name, merged));
  BW_TRY(state.providers->CheckAddresses(provider));
  store::Batch batch;
  // A secret goes only to whom it was given for.
  bool elsewhere =
      provider.oidc.issuer != before.oidc.issuer || provider.ldap.url != before.ldap.url;
  if (elsewhere) state.vault.DeleteAll(batch, kProviders, name);
  BW_TRY(PutSecrets(state, batch, request.body, provider));
  if (!provider.enabled || elsewhere) EndSessions(batch, name);
  batch.Put(kProviders, name, ToRecord(provider), record->revision);
  api::Response response = api::Response::Json(ToRecord(provider));
  response.revision = BW_TRY(state.store.Commit(batch));
  TellChange(state, request, "update", "providers", name, "auth.event.provider_changed");
  return response;
}

// With its users, their sessions, tokens and grants: a provider of that name that comes later is
// another, and its "alice" somebody else.
Result<api::Response> Delete(Auth::State& state, api::Request& request) {
  BW_TRY(RequireEverything(request));
  const std::string& name = request.Param("name");
  if (!BW_TRY(state.store.Get(kProviders, name))) return NotFound(name);
  store::Batch batch;
  batch.Delete(kProviders, name);
  state.vault.DeleteAll(batch, kProviders, name);
  EndSessions(batch, name);
  batch.DeleteWhere(kUsers, store::Query::Equals("provider", name));
  batch.DeleteWhere(kTokens, store::Query::Equals("owner", name + ":*"));
  batch.DeleteWhere(
      kGrants, store::Query::AnyOf("subject", {"user:" + name + ":*", "group:" + name + ":*"}));
  BW_TRY(state.store.Commit(batch));
  TellChange(state, request, "delete", "providers", name, "auth.event.provider_changed");
  return api::Response::NoContent();
}

}  // namespace

void AddProviderRoutes(Auth::State& state, api::Api& api) {
  api.AddSchema("Provider", R"({"type":"object","required":["name","kind"],"properties":{
"name":{"type":"string","minLength":1,"maxLength":32},"kind":{"enum":["oidc","ldap","kubernetes"]},
"title":{"type":"string","maxLength":100},"enabled":{"type":"boolean"},
"oidc":{"type":"object","properties":{"issuer":{"type":"string"},"clientId":{"type":"string"},
"clientSecret":{"type":"string","writeOnly":true},
"scopes":{"type":"array","items":{"type":"string"}},
"groupsClaims":{"type":"array","items":{"type":"string"}},"userClaim":{"type":"string"},
"nameClaim":{"type":"string"},"caPem":{"type":"string"},
"algorithms":{"type":"array","items":{"type":"string"}}}},
"ldap":{"type":"object","properties":{"url":{"type":"string"},"caPem":{"type":"string"},
"bindDn":{"type":"string"},"bindPassword":{"type":"string","writeOnly":true},
"userBase":{"type":"string"},"userFilter":{"type":"string"},"idAttribute":{"type":"string"},
"nameAttribute":{"type":"string"},"emailAttribute":{"type":"string"},
"groupBase":{"type":"string"},"groupFilter":{"type":"string"},
"groupAttribute":{"type":"string"}}},
"kubernetes":{"type":"object","properties":{"cluster":{"type":"string"},
"audience":{"type":"string"},"group":{"type":"string"},"resource":{"type":"string"},
"verb":{"type":"string"},"roles":{"type":"array","items":{"type":"string"}}}}}})");
  api.AddSchema("ProviderPatch", R"({"type":"object"})");
  auto handler = [&state](Result<api::Response> (*f)(Auth::State&, api::Request&)) {
    return [&state, f](api::Request& request) { return f(state, request); };
  };
  api.AddCollection({.path = "/api/v1/providers",
                     .collection = std::string(kProviders),
                     .tag = "providers",
                     .id = "Provider",
                     .permission = "providers.read",
                     .schema = "Provider",
                     .scoped = false,
                     .labels = false,
                     .csv_columns = {"name", "kind", "title", "enabled"},
                     .render = [](const api::Request&, const store::Record&, Value stored, Arena&,
                                  Value& out) { out = stored; }});
  api.Add({.method = "POST",
           .path = "/api/v1/providers",
           .id = "createProvider",
           .tag = "providers",
           .summary = "Add a way to log in",
           .description = "Secrets are sealed, and never come back.",
           .permission = "providers.write",
           .parameters = {},
           .request = "Provider",
           .response = "Provider",
           .status = 201,
           .handler = handler(Create)});
  api.Add({.method = "PATCH",
           .path = "/api/v1/providers/{name}",
           .id = "patchProvider",
           .tag = "providers",
           .summary = "Change a way to log in",
           .description = {},
           .permission = "providers.write",
           .parameters = {},
           .request = "ProviderPatch",
           .response = "Provider",
           .handler = handler(Patch)});
  api.Add({.method = "DELETE",
           .path = "/api/v1/providers/{name}",
           .id = "deleteProvider",
           .tag = "providers",
           .summary = "Remove a way to log in, with its users, tokens and grants",
           .description = {},
           .permission = "providers.write",
           .parameters = {},
           .request = {},
           .response = {},
           .status = 204,
           .handler = handler(Delete)});
}

}  // namespace bulwark::auth
