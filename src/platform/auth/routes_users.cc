// /api/v1/users: accounts, their passwords and sessions.

#include <fmt/format.h>

#include <unistd.h>

#include "base/text.h"
#include "crypto/random.h"
#include "formats/json.h"
#include "platform/auth/route_helpers.h"
#include "platform/auth/state.h"

namespace bulwark::auth {
namespace {

Result<Stored<User>> Find(Auth::State& state, std::string_view name) {
  auto user = BW_TRY(state.FindUser(name));
  if (!user) return NotFound(name);
  return std::move(*user);
}

// Who changes an account could act as it: he must have all that it has.
Result<> RequirePowerOver(Auth::State& state, const api::Request& request, const User& user) {
  BW_TRY(request.Require("users.write", "", ""));
  return Auth::State::RequireAll(request.principal, BW_TRY(state.PowerOf(user)));
}

void EndSessions(store::Batch& batch, const std::string& user) {
  batch.DeleteWhere(kSessions, store::Query::Equals("user", user));
}

std::string UserJson(const User& user) {
  Arena arena;
  MapBuilder out(arena);
  RenderUser(user, arena, out);
  return ToJson(out.Finish());
}

Result<api::Response> Create(Auth::State& state, api::Request& request) {
  BW_TRY(request.Require("users.write", "", ""));
  User user;
  user.name = BW_TRY(TextField(request.body, "name", 63, true));
  if (!IsLocalName(user.name)) {
    return FieldError("name", "lower-case letters, digits and . _ - are expected, at most 63");
  }
  user.display_name = BW_TRY(TextField(request.body, "displayName", 200, false));
  user.email = BW_TRY(TextField(request.body, "email", 200, false));
  Value change = request.body["mustChangePassword"];
  user.must_change_password = !change.IsFalse();
  user.created_us = state.NowUs();
  if (BW_TRY(state.FindUser(user.name))) return Exists(user.name);
  // Grants that an account of that name once had must not be waiting for the new one.
  if (!BW_TRY(state.GrantsOf(user.name, {})).empty()) {
    std::vector<api::Grant> waiting = BW_TRY(state.PowerOf(user));
    BW_TRY(Auth::State::RequireAll(request.principal, waiting));
  }
  std::string password = BW_TRY(TextField(request.body, "password", 1024, true));
  store::Batch batch;
  BW_TRY(state.SetPassword(batch, user, password));
  crypto::Wipe(password);
  batch.Put(kUsers, user.name, ToRecord(user), 0);
  api::Response response = api::Response::Json(UserJson(user), 201);
  response.revision = BW_TRY(state.store.Commit(batch));
  return response;
}

Result<api::Response> Patch(Auth::State& state, api::Request& request) {
  Stored<User> stored = BW_TRY(Find(state, request.Param("name")));
  User& user = stored.value;
  BW_TRY(RequirePowerOver(state, request, user));
  BW_TRY(RequireMatch(request, stored.revision));
  for (const Value::Entry& entry : request.body.entries()) {
    std::string_view field = entry.key.AsString();
    if (field == "disabled" && entry.value.IsBool()) continue;
    if ((field == "displayName" || field == "email") && user.provider.empty()) continue;
    return FieldError(field, "cannot be changed");
  }
  Value body = request.body;
  // A null takes it away (RFC 7396).
  if (body.Find("displayName")) {
    user.display_name = BW_TRY(TextField(body, "displayName", 200, false));
  }
  if (body.Find("email")) user.email = BW_TRY(TextField(body, "email", 200, false));
  std::unique_lock lock(state.admin_mutex, std::defer_lock);
  store::Batch batch;
  bool was_disabled = user.disabled;
  if (body["disabled"].IsBool()) user.disabled = body["disabled"].AsBool();
  if (user.disabled && !was_disabled) {
    lock.lock();
    BW_TRY(state.RequireAdminLeft({.user = user.name, .grant = {}, .role = {}}));
    ++user.generation;
    EndSessions(batch, user.name);
  }
  batch.Put(kUsers, user.name, ToRecord(user), stored.revision);
  api::Response response = api::Response::Json(UserJson(user));
  response.revision = BW_TRY(state.store.Commit(batch));
  if (user.disabled != was_disabled) {
    TellChange(state, request, user.disabled ? "disable" : "enable", "users", user.name,
               "auth.event.user_changed");
  }
  return response;
}

Result<api::Response> Delete(Auth::State& state, api::Request& request) {
  Stored<User> stored = BW_TRY(Find(state, request.Param("name")));
  const User& user = stored.value;
  BW_TRY(RequirePowerOver(state, request, user));
  std::lock_guard lock(state.admin_mutex);
  BW_TRY(state.RequireAdminLeft({.user = user.name, .grant = {}, .role = {}}));
  store::Batch batch;
  batch.Delete(kUsers, user.name, stored.revision);
  state.vault.DeleteAll(batch, kUsers, user.name);
  EndSessions(batch, user.name);
  batch.DeleteWhere(kTokens, store::Query::And({store::Query::Equals("owner", user.name),
                                                store::Query::Equals("kind", "personal")}));
  batch.DeleteWhere(kGrants, store::Query::Equals("subject", user.id()));
  BW_TRY(state.store.Commit(batch));
  TellChange(state, request, "delete", "users", user.name, "auth.event.user_changed");
  return api::Response::NoContent();
}

Result<api::Response> ChangePassword(Auth::State& state, api::Request& request) {
  const std::string& name = request.Param("name");
  bool own = request.principal.kind == api::Principal::Kind::kUser &&
             request.principal.id == "user:" + name;
  // To those who may not see users, there are none.
  if (!own) BW_TRY(request.Require("users.write", "", ""));
  Stored<User> stored = BW_TRY(Find(state, name));
  User& user = stored.value;
  if (!user.provider.empty()) {
    return FieldError("name", "the password is kept by the provider");
  }
  std::string password = BW_TRY(TextField(request.body, "password", 1024, true));
  if (own) {
    std::string current = BW_TRY(TextField(request.body, "current", 4096, true));
    BW_TRY(state.Admit(request.http, name));
    Result<User> right = state.CheckLocal(name, current);
    if (!right) {
      state.TellFailure(request.http, {.verb = "password",
                                       .outcome = "denied",
                                       .user = name,
                                       .resource = "users",
                                       .target = name,
                                       .message = "auth.event.password_failed",
                                       .args = {{"user", name}},
                                       .severity = Severity::kLow});
      return std::move(right).error();
    }
    state.Admitted(request.http, name);
    if (current == password) return FieldError("password", "must differ from the old one");
    crypto::Wipe(current);
    // A better hash may just have been stored.
    stored = BW_TRY(Find(state, name));
    user.must_change_password = false;
  } else {
    BW_TRY(RequirePowerOver(state, request, user));
    user.must_change_password = !request.body["mustChangePassword"].IsFalse();
  }
  store::Batch batch;
  BW_TRY(state.SetPassword(batch, user, password));
  crypto::Wipe(password);
  batch.Put(kUsers, name, ToRecord(user), stored.revision);
  EndSessions(batch, name);
  BW_TRY(state.store.Commit(batch));
  TellChange(state, request, "password", "users", name, "auth.event.password");
  // It has served.
  if (name == "admin" && !state.options.data_folder.empty()) {
    ::unlink((state.options.data_folder + "/first-password").c_str());
  }
  if (!own) return api::Response::NoContent();
  // All sessions have ended; he who did it goes on in a new one.
  Begun begun = BW_TRY(state.Begin(request.http, user, {}, false));
  api::Response response = api::Response::NoContent();
  response.headers.emplace_back("Set-Cookie",
                                MakeCookie(kSessionCookie, begun.secret, std::nullopt));
  return response;
}

Result<api::Response> LogOutEverywhere(Auth::State& state, api::Request& request) {
  const std::string& name = request.Param("name");
  bool own = request.principal.id == "user:" + name;
  if (!own) BW_TRY(request.Require("users.write", "", ""));
  Stored<User> stored = BW_TRY(Find(state, name));
  if (!own) BW_TRY(RequirePowerOver(state, request, stored.value));
  ++stored.value.generation;
  store::Batch batch;
  batch.Put(kUsers, name, ToRecord(stored.value), stored.revision);
  EndSessions(batch, name);
  BW_TRY(state.store.Commit(batch));
  TellChange(state, request, "logout", "users", name, "auth.event.user_changed");
  return api::Response::NoContent();
}

// Every log-in changes the user's record: whoever logs in again and again must not be able to hold
// off that he is disabled. Who named a revision himself wants to know.
Result<api::Response> Stubbornly(Result<api::Response> (*f)(Auth::State&, api::Request&),
                                 Auth::State& state, api::Request& request) {
  for (int tries = 0;; ++tries) {
    Result<api::Response> done = f(state, request);
    if (done || done.error().id() != "store.conflict" || tries == 50 ||
        !request.http.Header("if-match").empty()) {
      return done;
    }
  }
}

}  // namespace

void RenderUser(const User& user, Arena& arena, MapBuilder& out) {
  auto text = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) out.Add(name, Value::String(arena, value));
  };
  auto time = [&](std::string_view name, int64_t us) {
    if (us != 0) text(name, TimeText(us));
  };
  text("name", user.name);
  text("displayName", user.display_name);
  text("email", user.email);
  text("provider", user.provider);
  std::vector<Value> groups;
  for (const std::string& group : user.groups) groups.push_back(Value::String(arena, group));
  out.Add("groups", Value::Array(arena, groups));
  out.Add("disabled", Value::Bool(user.disabled));
  out.Add("mustChangePassword", Value::Bool(user.must_change_password));
  time("createdAt", user.created_us);
  time("lastLogin", user.last_login_us);
  time("passwordChangedAt", user.password_changed_us);
}

void AddUserRoutes(Auth::State& state, api::Api& api) {
  api.AddSchema("User", R"({"type":"object","required":["name"],"properties":{
"name":{"type":"string"},"displayName":{"type":"string"},"email":{"type":"string"},
"provider":{"type":"string"},"groups":{"type":"array","items":{"type":"string"}},
"disabled":{"type":"boolean"},"mustChangePassword":{"type":"boolean"},
"createdAt":{"type":"string","format":"date-time"},
"lastLogin":{"type":"string","format":"date-time"},
"passwordChangedAt":{"type":"string","format":"date-time"}}})");
  api.AddSchema("NewUser", R"({"type":"object","required":["name","password"],"properties":{
"name":{"type":"string","minLength":1,"maxLength":63},
"displayName":{"type":"string","maxLength":200},"email":{"type":"string","maxLength":200},
"password":{"type":"string","minLength":1,"maxLength":1024},
"mustChangePassword":{"type":"boolean"}}})");
  api.AddSchema("UserPatch", R"({"type":"object","properties":{
"displayName":{"type":["string","null"],"maxLength":200},
"email":{"type":["string","null"],"maxLength":200},"disabled":{"type":"boolean"}}})");
  api.AddSchema("PasswordChange", R"({"type":"object","required":["password"],"properties":{
"password":{"type":"string","minLength":1,"maxLength":1024},
"current":{"type":"string","maxLength":4096},"mustChangePassword":{"type":"boolean"}}})");
  api.AddCollection({.path = "/api/v1/users",
                     .collection = std::string(kUsers),
                     .tag = "users",
                     .id = "User",
                     .permission = "users.read",
                     .schema = "User",
                     .scoped = false,
                     .labels = false,
                     .csv_columns = {"name", "displayName", "email", "provider", "disabled",
                                     "createdAt", "lastLogin"},
                     .render = [](const api::Request&, const store::Record& record, Value,
                                  Arena& arena, Value& out) {
                       Result<User> user = ReadUser(record);
                       MapBuilder map(arena);
                       if (user) RenderUser(*user, arena, map);
                       out = map.Finish();
                     }});
  auto handler = [&state](Result<api::Response> (*f)(Auth::State&, api::Request&)) {
    return [&state, f](api::Request& request) { return Stubbornly(f, state, request); };
  };
  const std::string one = "/api/v1/users/{name}";
  api.Add({.method = "POST",
           .path = "/api/v1/users",
           .id = "createUser",
           .tag = "users",
           .summary = "Add a local user",
           .description = {},
           .permission = "users.write",
           .parameters = {},
           .request = "NewUser",
           .response = "User",
           .status = 201,
           .handler = handler(Create)});
  api.Add({.method = "PATCH",
           .path = one,
           .id = "patchUser",
           .tag = "users",
           .summary = "Change, disable or enable a user",
           .description = "Disabling ends all sessions of the user at once.",
           .permission = "users.write",
           .parameters = {},
           .request = "UserPatch",
           .response = "User",
           .handler = handler(Patch)});
  api.Add({.method = "DELETE",
           .path = one,
           .id = "deleteUser",
           .tag = "users",
           .summary = "Remove a user with sessions, tokens and grants",
           .description = {},
           .permission = "users.write",
           .parameters = {},
           .request = {},
           .response = {},
           .status = 204,
           .handler = handler(Delete)});
  api.Add({.method = "POST",
           .path = one + "/password",
           .id = "changePassword",
           .tag = "users",
           .summary = "Change one's own password, or set another's",
           .description = "All sessions of the user end; one's own goes on in a new one.",
           .permission = std::string(api::kAuthenticated),
           .parameters = {},
           .request = "PasswordChange",
           .response = {},
           .status = 204,
           .handler = handler(ChangePassword)});
  api.Add({.method = "DELETE",
           .path = one + "/sessions",
           .id = "endSessions",
           .tag = "users",
           .summary = "End all sessions of a user",
           .description = {},
           .permission = std::string(api::kAuthenticated),
           .parameters = {},
           .request = {},
           .response = {},
           .status = 204,
           .handler = handler(LogOutEverywhere)});
}

}  // namespace bulwark::auth
