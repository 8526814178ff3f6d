// /api/v1/permissions, roles and grants.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "crypto/random.h"
#include "formats/json.h"
#include "platform/auth/route_helpers.h"

namespace bulwark::auth {

Error NotFound(std::string_view what) {
  return Error(Code::kNotFound, "auth.not_found", fmt::format("there is no {}", Quote(what)),
               {{"what", std::string(what)}});
}

Error Exists(std::string_view what) {
  return Error(Code::kExists, "auth.exists", fmt::format("{} is there already", Quote(what)),
               {{"what", std::string(what)}});
}

Result<> RequireMatch(const api::Request& request, uint64_t revision) {
  std::string_view match = Trim(request.http.Header("if-match"));
  if (match.empty() || match == "*" || request.IfMatch() == revision) return Ok{};
  return Error(Code::kExists, "auth.conflict", "it has changed since it was read");
}

void TellChange(Auth::State& state, const api::Request& request, std::string verb,
                std::string resource, std::string target, std::string message, MessageArgs args) {
  std::string_view who = request.principal.id;
  if (who.starts_with("user:")) who.remove_prefix(5);
  args.emplace_back("by", std::string(who));
  args.emplace_back("what", target);
  args.emplace_back("verb", verb);
  state.Tell(request.http, {.verb = std::move(verb),
                            .outcome = "allowed",
                            .user = std::string(who),
                            .resource = std::move(resource),
                            .target = std::move(target),
                            .message = std::move(message),
                            .args = std::move(args)});
}

Result<RoleGrant> ParseGrant(Auth::State& state, const Value& body, const api::Principal& who) {
  RoleGrant grant;
  grant.role = BW_TRY(TextField(body, "role", 63, true));
  grant.scope = BW_TRY(ParseScope(body["scope"]));
  std::vector<api::Grant> resolved = BW_TRY(state.Resolve({grant}));
  if (resolved.empty()) return FieldError("role", "there is no such role");
  BW_TRY(Auth::State::RequireAll(who, resolved));
  return grant;
}

namespace {

Value Texts(const std::vector<std::string>& texts, Arena& arena) {
  std::vector<Value> items;
  for (const std::string& t : texts) items.push_back(Value::String(arena, t));
  return Value::Array(arena, items);
}

// Both languages, as a console that switches between them wants them.
Value InBoth(const Text& text, Arena& arena) {
  return MapBuilder(arena)
      .Add("en", Value::String(text.en))
      .Add("zh", Value::String(text.zh))
      .Finish();
}

Result<api::Response> ListPermissions(Auth::State&, api::Request& request) {
  Arena arena;
  std::vector<Value> permissions, roles;
  for (const Permission& p : Permissions()) {
    permissions.push_back(MapBuilder(arena)
                              .Add("id", Value::String(p.id))
                              .Add("title", Value::String(p.title.In(request.language)))
                              .Add("titles", InBoth(p.title, arena))
                              .Add("global", Value::Bool(p.global))
                              .Finish());
  }
  for (const Role& role : BuiltInRoles()) {
    roles.push_back(MapBuilder(arena)
                        .Add("name", Value::String(role.name))
                        .Add("title", Value::String(role.title.In(request.language)))
                        .Add("titles", InBoth(role.title, arena))
                        .Add("description", Value::String(role.description.In(request.language)))
                        .Add("permissions", Texts(role.permissions, arena))
                        .Finish());
  }
  return api::Response::Json(ToJson(MapBuilder(arena)
                                        .Add("items", Value::Array(arena, permissions))
                                        .Add("roles", Value::Array(arena, roles))
                                        .Finish()));
}

// --- Roles ---------------------------------------------------------------------------------------

bool IsRoleName(std::string_view name) { return IsLocalName(name) && name.size() <= 40; }

Result<CustomRole> ParseRole(const Value& body, std::string name) {
  CustomRole role;
  role.name = std::move(name);
  role.title = BW_TRY(TextField(body, "title", 100, false));
  role.description = BW_TRY(TextField(body, "description", 500, false));
  role.permissions = BW_TRY(ListField(body, "permissions", 100, 64));
  if (role.permissions.empty()) return FieldError("permissions", "must not be empty");
  for (const std::string& p : role.permissions) {
    if (!api::IsPermissionPattern(p) || !GivesSomething(p)) {
      return FieldError("permissions", Quote(p) + " is no permission");
    }
  }
  return role;
}

api::Grant Everywhere(const CustomRole& role) {
  return {.role = role.name, .permissions = role.permissions, .scope = {}};
}

Result<api::Response> CreateRole(Auth::State& state, api::Request& request) {
  BW_TRY(request.Require("roles.write", "", ""));
  std::string name = BW_TRY(TextField(request.body, "name", 40, true));
  if (!IsRoleName(name)) {
    return FieldError("name", "lower-case letters, digits and . _ - are expected, at most 40");
  }
  CustomRole role = BW_TRY(ParseRole(request.body, name));
  if (FindBuiltInRole(name) || BW_TRY(state.FindRole(name))) return Exists(name);
  // It may be granted to oneself, or be granted already.
  BW_TRY(Auth::State::RequireAll(request.principal, {Everywhere(role)}));
  store::Batch batch;
  batch.Put(kRoles, name, ToRecord(role), 0);
  api::Response response = api::Response::Json(ToRecord(role), 201);
  response.revision = BW_TRY(state.store.Commit(batch));
  TellChange(state, request, "create", "roles", name, "auth.event.role_changed");
  return response;
}

Result<Stored<CustomRole>> OwnRole(Auth::State& state, const api::Request& request) {
  BW_TRY(request.Require("roles.write", "", ""));
  const std::string& name = request.Param("name");
  if (FindBuiltInRole(name)) {
    return Error(Code::kDenied, "auth.built_in", "built-in roles stay as they are");
  }
  auto stored = BW_TRY(state.FindRole(name));
  if (!stored) return NotFound(name);
  BW_TRY(Auth::State::RequireAll(request.principal, {Everywhere(stored->value)}));
  return std::move(*stored);
}

Result<api::Response> PutRole(Auth::State& state, api::Request& request) {
  Stored<CustomRole> stored = BW_TRY(OwnRole(state, request));
  BW_TRY(RequireMatch(request, stored.revision));
  CustomRole role = BW_TRY(ParseRole(request.body, stored.value.name));
  BW_TRY(Auth::State::RequireAll(request.principal, {Everywhere(role)}));
  std::lock_guard lock(state.admin_mutex);
  if (std::ranges::find(role.permissions, "*") == role.permissions.end() &&
      std::ranges::find(stored.value.permissions, "*") != stored.value.permissions.end()) {
    BW_TRY(state.RequireAdminLeft({.user = {}, .grant = {}, .role = role.name}));
  }
  store::Batch batch;
  batch.Put(kRoles, role.name, ToRecord(role), stored.revision);
  api::Response response = api::Response::Json(ToRecord(role));
  response.revision = BW_TRY(state.store.Commit(batch));
  TellChange(state, request, "update", "roles", role.name, "auth.event.role_changed");
  return response;
}

Result<api::Response> DeleteRole(Auth::State& state, api::Request& request) {
  Stored<CustomRole> stored = BW_TRY(OwnRole(state, request));
  const std::string& name = stored.value.name;
  std::lock_guard lock(state.admin_mutex);
  if (std::ranges::find(stored.value.permissions, "*") != stored.value.permissions.end()) {
    BW_TRY(state.RequireAdminLeft({.user = {}, .grant = {}, .role = name}));
  }
  store::Batch batch;
  batch.Delete(kRoles, name, stored.revision);
  // A role of that name that comes later is another.
  batch.DeleteWhere(kGrants, store::Query::Equals("role", name));
  BW_TRY(state.store.Commit(batch));
  TellChange(state, request, "delete", "roles", name, "auth.event.role_changed");
  return api::Response::NoContent();
}

// --- Grants --------------------------------------------------------------------------------------

// "user:alice", "user:corp:alice", "group:corp:dev".
Result<> CheckSubject(Auth::State& state, const std::string& subject) {
  auto parts = Cut(subject, ":");
  if (!parts || (parts->first != "user" && parts->first != "group")) {
    return FieldError("subject", "user:<name> or group:<provider>:<group> is expected");
  }
  // As it would be for a name that a provider gives; '%' is in those that were.
  std::string plain = ReplaceAll(parts->second, "%", "");
  Result<std::string> encoded = EncodeName(plain);
  if (!encoded || *encoded != plain || subject.size() > 261) {
    return FieldError("subject", "has characters that no name has");
  }
  auto provider = Cut(parts->second, ":");
  if (parts->first == "user" && !provider) {
    if (!BW_TRY(state.FindUser(parts->second))) {
      return FieldError("subject", "there is no such user");
    }
    return Ok{};
  }
  if (!provider || provider->second.empty() ||
      !BW_TRY(state.store.Get(kProviders, provider->first))) {
    return FieldError("subject", "there is no such provider");
  }
  return Ok{};
}

Result<api::Response> CreateGrant(Auth::State& state, api::Request& request) {
  BW_TRY(request.Require("roles.write", "", ""));
  GrantRecord grant;
  grant.subject = BW_TRY(TextField(request.body, "subject", 300, true));
  BW_TRY(CheckSubject(state, grant.subject));
  grant.grant = BW_TRY(ParseGrant(state, request.body, request.principal));
  grant.id = crypto::RandomToken(12);
  grant.created_by = request.principal.id;
  grant.created_us = state.NowUs();
  store::Batch batch;
  batch.Put(kGrants, grant.id, ToRecord(grant), 0);
  api::Response response = api::Response::Json(ToRecord(grant), 201);
  response.revision = BW_TRY(state.store.Commit(batch));
  TellChange(state, request, "grant", "grants", grant.subject, "auth.event.granted",
             {{"role", grant.grant.role}});
  return response;
}

Result<api::Response> DeleteGrant(Auth::State& state, api::Request& request) {
  BW_TRY(request.Require("roles.write", "", ""));
  auto stored = BW_TRY(state.FindGrant(request.Param("id")));
  if (!stored) return NotFound(request.Param("id"));
  const GrantRecord& grant = stored->value;
  api::Principal holder;
  holder.grants = BW_TRY(state.Resolve({grant.grant}));
  BW_TRY(Auth::State::RequireAll(request.principal, holder.grants));
  std::lock_guard lock(state.admin_mutex);
  if (holder.Has({.role = {}, .permissions = {"*"}, .scope = {}})) {
    BW_TRY(state.RequireAdminLeft({.user = {}, .grant = grant.id, .role = {}}));
  }
  store::Batch batch;
  batch.Delete(kGrants, grant.id, stored->revision);
  BW_TRY(state.store.Commit(batch));
  TellChange(state, request, "revoke", "grants", grant.subject, "auth.event.revoked",
             {{"role", grant.grant.role}});
  return api::Response::NoContent();
}

}  // namespace

void AddAccessRoutes(Auth::State& state, api::Api& api) {
  api.AddSchema("Permissions", R"({"type":"object","required":["items","roles"],"properties":{
"items":{"type":"array","items":{"type":"object","required":["id","title"],"properties":{
"id":{"type":"string"},"title":{"type":"string"},
"titles":{"type":"object","additionalProperties":{"type":"string"}},"global":{"type":"boolean"}}}},
"roles":{"type":"array","items":{"type":"object","required":["name","permissions"],"properties":{
"name":{"type":"string"},"title":{"type":"string"},
"titles":{"type":"object","additionalProperties":{"type":"string"}},"description":{"type":"string"},
"permissions":{"type":"array","items":{"type":"string"}}}}}}})");
  api.AddSchema("Role", R"({"type":"object","required":["name","permissions"],"properties":{
"name":{"type":"string","minLength":1,"maxLength":40},"title":{"type":"string","maxLength":100},
"description":{"type":"string","maxLength":500},"builtIn":{"type":"boolean"},
"permissions":{"type":"array","items":{"type":"string","maxLength":64},"maxItems":100}}})");
  api.AddSchema("RoleChange", R"({"type":"object","required":["permissions"],"properties":{
"title":{"type":"string","maxLength":100},"description":{"type":"string","maxLength":500},
"permissions":{"type":"array","items":{"type":"string","maxLength":64},"maxItems":100}}})");
  api.AddSchema("Grant", R"({"type":"object","required":["id","subject","role"],"properties":{
"id":{"type":"string"},"subject":{"type":"string"},"role":{"type":"string"},
"scope":{"$ref":"#/components/schemas/Scope"},"createdBy":{"type":"string"},
"createdAt":{"type":"string","format":"date-time"}}})");
  api.AddSchema("NewGrant", R"({"type":"object","required":["subject","role"],"properties":{
"subject":{"type":"string","maxLength":300},"role":{"type":"string","maxLength":63},
"scope":{"$ref":"#/components/schemas/Scope"}}})");
  auto handler = [&state](Result<api::Response> (*f)(Auth::State&, api::Request&)) {
    return [&state, f](api::Request& request) { return f(state, request); };
  };
  api.Add({.method = "GET",
           .path = "/api/v1/permissions",
           .id = "listPermissions",
           .tag = "roles",
           .summary = "Every permission and built-in role",
           .description = {},
           .permission = std::string(api::kAuthenticated),
           .parameters = {},
           .request = {},
           .response = "Permissions",
           .handler = handler(ListPermissions)});
  api.AddCollection({.path = "/api/v1/roles",
                     .collection = std::string(kRoles),
                     .tag = "roles",
                     .id = "Role",
                     .permission = "roles.read",
                     .schema = "Role",
                     .scoped = false,
                     .labels = false,
                     .csv_columns = {"name", "title", "description", "permissions", "builtIn"},
                     .render = [](const api::Request& request, const store::Record& record,
                                  Value stored, Arena& arena, Value& out) {
                       const Role* built_in = FindBuiltInRole(record.key);
                       if (built_in == nullptr) {
                         out = stored;
                         return;
                       }
                       auto text = [&](const Text& t) {
                         return Value::String(t.In(request.language));
                       };
                       out = MapBuilder(arena)
                                 .Add("name", Value::String(built_in->name))
                                 .Add("title", text(built_in->title))
                                 .Add("description", text(built_in->description))
                                 .Add("permissions", Texts(built_in->permissions, arena))
                                 .Add("builtIn", Value::Bool(true))
                                 .Finish();
                     }});
  api.Add({.method = "POST",
           .path = "/api/v1/roles",
           .id = "createRole",
           .tag = "roles",
           .summary = "Make a role",
           .description = {},
           .permission = "roles.write",
           .parameters = {},
           .request = "Role",
           .response = "Role",
           .status = 201,
           .handler = handler(CreateRole)});
  api.Add({.method = "PUT",
           .path = "/api/v1/roles/{name}",
           .id = "putRole",
           .tag = "roles",
           .summary = "Change a role",
           .description = {},
           .permission = "roles.write",
           .parameters = {},
           .request = "RoleChange",
           .response = "Role",
           .handler = handler(PutRole)});
  api.Add({.method = "DELETE",
           .path = "/api/v1/roles/{name}",
           .id = "deleteRole",
           .tag = "roles",
           .summary = "Remove a role, and the grants of it",
           .description = {},
           .permission = "roles.write",
           .parameters = {},
           .request = {},
           .response = {},
           .status = 204,
           .handler = handler(DeleteRole)});
  api.AddCollection({.path = "/api/v1/grants",
                     .collection = std::string(kGrants),
                     .tag = "grants",
                     .id = "Grant",
                     .permission = "roles.read",
                     .schema = "Grant",
                     .scoped = false,
                     .labels = false,
                     .csv_columns = {"subject", "role", "scope", "createdBy", "createdAt"},
                     .render = [](const api::Request&, const store::Record&, Value stored, Arena&,
                                  Value& out) { out = stored; }});
  api.Add({.method = "POST",
           .path = "/api/v1/grants",
           .id = "createGrant",
           .tag = "grants",
           .summary = "Give a role to a user or group",
           .description = {},
           .permission = "roles.write",
           .parameters = {},
           .request = "NewGrant",
           .response = "Grant",
           .status = 201,
           .handler = handler(CreateGrant)});
  api.Add({.method = "DELETE",
           .path = "/api/v1/grants/{id}",
           .id = "deleteGrant",
           .tag = "grants",
           .summary = "Take a role away",
           .description = {},
           .permission = "roles.write",
           .parameters = {},
           .request = {},
           .response = {},
           .status = 204,
           .handler = handler(DeleteGrant)});
}

}  // namespace bulwark::auth
