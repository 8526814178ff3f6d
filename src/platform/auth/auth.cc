#include "platform/auth/auth.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/files.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/random.h"
#include "platform/auth/password_rules.h"
#include "platform/auth/state.h"

namespace bulwark::auth {
namespace {

constexpr int64_t kSecond = 1'000'000;
// How exact "last seen" and "last used" are: a write for each request would be too dear.
constexpr int64_t kTouch = 60 * kSecond;
constexpr uint64_t kMaxSessions = 50;  // of a user
constexpr std::string_view kFirstAdmin = "admin";
constexpr std::string_view kFirstPasswordFile = "first-password";

Error Wrong() { return Error(Code::kDenied, "auth.wrong", "the name or the password is wrong"); }
Error SessionOver() {
  return Error(Code::kDenied, "auth.session", "the session has ended: log in again");
}
Error BadToken() {
  return Error(Code::kDenied, "auth.token", "the API token is not known, or no longer good");
}

template <typename T>
Result<std::optional<Stored<T>>> Load(store::StateStore& store, std::string_view collection,
                                      std::string_view key,
                                      Result<T> (*read)(const store::Record&)) {
  std::optional<store::Record> record = BW_TRY(store.Get(collection, key));
  if (!record) return std::optional<Stored<T>>();
  return std::optional(Stored<T> {
    BW_TRY(read(*record))
    , record->revision
  });
}

// Of something that only ever matters to people: that it could not be written is no failure.
void Note(Result<uint64_t> committed, std::string_view what) {
  if (!committed && committed.error().code() != Code::kExists) {
    Log(Level::kWarn, "auth.write_failed", {{"what", what}, {"error", committed.error()}});
  }
}

}  // namespace

Auth::State::State(store::StateStore& s, vault::Vault& v, AuthOptions o)
    : store(s),
      vault(v),
      options(std::move(o)),
      throttle(options.throttle),
      checks(std::clamp(options.password_checks, 1, 64)),
      providers(std::make_unique<Providers>(s, v, options.allow_addresses, options.now)),
      login_key(crypto::RandomBytes(32)) {}

int64_t Auth::State::NowUs() const {
  Timestamp now = options.now();
  return now.seconds * kSecond + now.nanos / 1000;
}

vault::Place Auth::State::PasswordPlace(std::string_view user) {
  return {std::string(kUsers), std::string(user), "password"};
}

Result<std::optional<Stored<User>>> Auth::State::FindUser(std::string_view name) {
  return Load<User>(store, kUsers, name, ReadUser);
}
Result<std::optional<Stored<Token>>> Auth::State::FindToken(std::string_view id) {
  return Load<Token>(store, kTokens, id, ReadToken);
}
Result<std::optional<Stored<CustomRole>>> Auth::State::FindRole(std::string_view name) {
  return Load<CustomRole>(store, kRoles, name, ReadRole);
}
Result<std::optional<Stored<GrantRecord>>> Auth::State::FindGrant(std::string_view id) {
  return Load<GrantRecord>(store, kGrants, id, ReadGrant);
}

// --- What somebody may ---------------------------------------------------------------------------

Result<std::vector<api::Grant>> Auth::State::Resolve(const std::vector<RoleGrant>& grants) {
  std::vector<api::Grant> out;
  for (const RoleGrant& grant : grants) {
    api::Grant resolved{.role = grant.role, .permissions = {}, .scope = grant.scope};
    if (const Role* role = FindBuiltInRole(grant.role)) {
      resolved.permissions = role->permissions;
    } else if (auto custom = BW_TRY(FindRole(grant.role)); custom && !custom->value.built_in) {
      resolved.permissions = custom->value.permissions;
    }
    if (!resolved.permissions.empty()) out.push_back(std::move(resolved));
  }
  return out;
}

Result<std::vector<RoleGrant>> Auth::State::GrantsOf(std::string_view user,
                                                     const std::vector<std::string>& groups) {
  std::vector<std::string> subjects = {"user:" + std::string(user)};
  for (const std::string& group : groups) subjects.push_back("group:" + group);
  std::vector<RoleGrant> out;
  auto take = [&](const store::Record& record) -> Result<> {
    GrantRecord grant = BW_TRY(ReadGrant(record));
    // Values of a query may be globs; subjects are none.
    if (std::ranges::find(subjects, grant.subject) != subjects.end()) {
      out.push_back(std::move(grant.grant));
    }
    return Ok{};
  };
  BW_TRY(store.Scan(kGrants, store::Query::AnyOf("subject", subjects), take));
  return out;
}

Result<std::vector<api::Grant>> Auth::State::PowerOf(const User& user) {
  std::vector<RoleGrant> grants = BW_TRY(GrantsOf(user.name, user.groups));
  return Resolve(grants);
}

Result<> Auth::State::RequireAll(const api::Principal& who, const std::vector<api::Grant>& grants) {
  for (const api::Grant& grant : grants) {
    if (!who.Has(grant)) {
      return Error(Code::kDenied, "auth.more_than_own",
                   fmt::format("the role {} is more than you have yourself there", grant.role),
                   {{"role", grant.role}});
    }
  }
  return Ok{};
}

Result<> Auth::State::RequireAdminLeft(const Without& without) {
  const api::Grant everything{.role = "admin", .permissions = {"*"}, .scope = {}};
  std::vector<std::string> users;
  auto look = [&](const store::Record& record) -> Result<> {
    GrantRecord grant = BW_TRY(ReadGrant(record));
    if (grant.id == without.grant || grant.grant.role == without.role ||
        !grant.subject.starts_with("user:")) {
      return Ok{};
    }
    api::Principal holder;
    holder.grants = BW_TRY(Resolve({grant.grant}));
    if (holder.Has(everything)) users.push_back(grant.subject.substr(5));
    return Ok{};
  };
  BW_TRY(store.Scan(kGrants, store::Query::All(), look));
  for (const std::string& name : users) {
    auto user = BW_TRY(FindUser(name));
    // Somebody of a provider may find it gone.
    if (user && !user->value.disabled && user->value.provider.empty() && name != without.user) {
      return Ok{};
    }
  }
  return Error(Code::kDenied, "auth.last_admin",
               "nobody would be left who may do everything: name another administrator first");
}

// --- Log-in --------------------------------------------------------------------------------------

Result<crypto::PasswordVerdict> Auth::State::Verify(std::string_view phc,
                                                    std::string_view password) {
  if (!checks.try_acquire_for(std::chrono::seconds(10))) {
    return Error(Code::kUnavailable, "auth.busy", "too many log-ins at once: try again soon");
  }
  auto verdict = crypto::VerifyPassword(phc, password, options.password_cost);
  checks.release();
  return verdict;
}

Result<std::string> Auth::State::Hash(std::string_view password) {
  if (!checks.try_acquire_for(std::chrono::seconds(10))) {
    return Error(Code::kUnavailable, "auth.busy", "too many log-ins at once: try again soon");
  }
  auto hash = crypto::HashPassword(password, options.password_cost);
  checks.release();
  return hash;
}

Result<> Auth::State::SetPassword(store::Batch& batch, User& user, std::string_view password) {
  BW_TRY(CheckPassword(password, user.name));
  std::string hash = BW_TRY(Hash(password));
  BW_TRY(vault.Put(batch, PasswordPlace(user.name), hash));
  ++user.generation;
  user.password_changed_us = NowUs();
  return Ok{};
}

Result<User> Auth::State::CheckLocal(const std::string& name, std::string_view password) {
  auto user = BW_TRY(FindUser(name));
  bool known = user && user->value.provider.empty() && !user->value.disabled;
  // Looked for in any case, so that those who are not here take as long.
  Result<std::string> hash = vault.Get(PasswordPlace(name));
  if (!hash && hash.error().code() != Code::kNotFound) return std::move(hash).error();
  known = known && hash && !password.empty();
  crypto::PasswordVerdict verdict = BW_TRY(Verify(known ? *hash : crypto::DecoyPasswordHash(),
                                                  password.substr(0, crypto::kMaxPasswordBytes)));
  if (!known || !verdict.matches || password.size() > crypto::kMaxPasswordBytes) return Wrong();
  if (!verdict.upgraded.empty()) {
    // Only if the password has not changed meanwhile: the user's revision says so.
    store::Batch batch;
    batch.Put(kUsers, name, ToRecord(user->value), user->revision);
    if (Result<> put = vault.Put(batch, PasswordPlace(name), verdict.upgraded); put) {
      Note(store.Commit(batch), "password upgrade");
    }
  }
  return user->value;
}

Result<> Auth::State::Admit(const net::ServerRequest& request, std::string_view account) {
  return throttle.Begin(account, request.client, options.now());
}
void Auth::State::Admitted(const net::ServerRequest& request, std::string_view account) {
  throttle.Succeeded(account, request.client, options.now());
}

Result<Begun> Auth::State::Begin(const net::ServerRequest& request, User user,
                                 std::vector<RoleGrant> roles, bool kubernetes) {
  // A session that came with the request ends: what others may know of it is worth nothing now.
  Result<Credentials> old = ReadCredentials(request);
  for (int tries = 0; tries < 5; ++tries) {
    auto now_user = BW_TRY(FindUser(user.name));
    if (!now_user || now_user->value.disabled || now_user->value.generation != user.generation) {
      return Wrong();
    }
    int64_t now = NowUs();
    Begun begun{.secret = crypto::RandomToken(), .session = {}, .user = now_user->value};
    begun.user.last_login_us = now;
    auto lifetime = kubernetes ? std::min(options.kubernetes_lifetime, options.session_lifetime)
                               : options.session_lifetime;
    begun.session = {.user = user.name,
                     .provider = user.provider,
                     .kubernetes = kubernetes,
                     .roles = roles,
                     .generation = user.generation,
                     .created_us = now,
                     .last_seen_us = now,
                     .expires_us = now + lifetime.count() * kSecond,
                     .address = request.client,
                     .user_agent = ToValidUtf8(request.Header("user-agent").substr(0, 256))};
    store::Batch batch;
    if (old && !old->session.empty()) batch.Delete(kSessions, HashOf(old->session));
    auto mine = store::Query::Equals("user", user.name);
    if (BW_TRY(store.Count(kSessions, mine)) >= kMaxSessions) {
      auto oldest = BW_TRY(store.List(
          kSessions,
          {.filter = mine, .sort = "lastseen", .cursor = {}, .limit = 10, .total = false}));
      for (const store::Record& record : oldest.records) batch.Delete(kSessions, record.key);
    }
    batch.Put(kSessions, HashOf(begun.secret), ToRecord(begun.session), 0);
    // Together with the user as he was: disabling him is either seen above or makes this fail.
    batch.Put(kUsers, user.name, ToRecord(begun.user), now_user->revision);
    Result<uint64_t> done = store.Commit(batch);
    if (done) return begun;
    if (done.error().code() != Code::kExists) return std::move(done).error();
  }
  return Error(Code::kUnavailable, "auth.busy", "too many log-ins at once: try again soon");
}

Result<Begun> Auth::State::LogInPassword(const net::ServerRequest& request, std::string_view given,
                                         std::string_view password) {
  // What no user can be called is looked for under a name of the same sort.
  std::string name = AsciiLower(given.substr(0, 128));
  std::string key = IsLocalName(name) ? name : "no such name";
  auto log_in = [&]() -> Result<Begun> {
    BW_TRY(Admit(request, name));
    User user = BW_TRY(CheckLocal(key, password));
    return Begin(request, std::move(user), {}, false);
  };
  Result<Begun> begun = log_in();
  if (begun) {
    Admitted(request, name);
    Tell(request, {.verb = "login",
                   .outcome = "allowed",
                   .user = begun->user.name,
                   .resource = "session",
                   .target = {},
                   .message = "auth.event.login",
                   .args = {{"user", begun->user.name}, {"method", "password"}}});
  } else {
    std::string shown = ToValidUtf8(name);
    TellFailure(request,
                {.verb = "login",
                 .outcome = "denied",
                 .user = shown,
                 .resource = "session",
                 .target = {},
                 .message = "auth.event.login_failed",
                 .args = {{"user", shown}, {"method", "password"}, {"why", begun.error().id()}},
                 .severity = Severity::kLow});
  }
  return begun;
}

Result<User> Auth::State::AdoptExternal(const std::string& provider, const Identity& identity) {
  std::string name = BW_TRY(EncodeName(provider + ":" + identity.subject));
  std::vector<std::string> groups;
  for (const std::string& group : identity.groups) {
    Result<std::string> encoded = EncodeName(provider + ":" + group);
    if (encoded) groups.push_back(std::move(*encoded));
  }
  std::ranges::sort(groups);
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  for (int tries = 0; tries < 5; ++tries) {
    auto stored = BW_TRY(FindUser(name));
    User user;
    if (stored) user = stored->value;
    if (user.disabled || (stored && user.provider != provider)) return Wrong();
    user.name = name;
    user.provider = provider;
    user.display_name = ToValidUtf8(std::string_view(identity.name).substr(0, 200));
    user.email = ToValidUtf8(std::string_view(identity.email).substr(0, 200));
    user.groups = groups;
    if (!stored) user.created_us = NowUs();
    store::Batch batch;
    batch.Put(kUsers, name, ToRecord(user), stored ? stored->revision : 0);
    Result<uint64_t> done = store.Commit(batch);
    if (done) return user;
    if (done.error().code() != Code::kExists) return std::move(done).error();
  }
  return Error(Code::kUnavailable, "auth.busy", "too many log-ins at once: try again soon");
}

Result<Begun> Auth::State::LogInProvider(const net::ServerRequest& request,
                                         const std::string& provider, const Identity& identity,
                                         bool kubernetes) {
  User user = BW_TRY(AdoptExternal(provider, identity));
  Begun begun = BW_TRY(Begin(request, std::move(user), identity.roles, kubernetes));
  Tell(request, {.verb = "login",
                 .outcome = "allowed",
                 .user = begun.user.name,
                 .resource = "session",
                 .target = {},
                 .message = "auth.event.login",
                 .args = {{"user", begun.user.name}, {"method", provider}}});
  return begun;
}

// --- Requests ------------------------------------------------------------------------------------

std::string Auth::State::CsrfToken(std::string_view secret) {
  return Base64Encode(crypto::HmacSha256(secret, "bulwark csrf"), Base64::kUrl, Padding::kNo);
}

Result<api::Principal> Auth::State::BySession(const net::ServerRequest& request,
                                              const std::string& secret) {
  std::string key = HashOf(secret);
  auto stored = BW_TRY(Load<Session>(store, kSessions, key, ReadSession));
  if (!stored) return SessionOver();
  Session& session = stored->value;
  int64_t now = NowUs();
  if (now >= session.expires_us ||
      now - session.last_seen_us > options.session_idle.count() * kSecond) {
    store::Batch batch;
    batch.Delete(kSessions, key);
    Note(store.Commit(batch), "end of a session");
    return SessionOver();
  }
  auto user = BW_TRY(FindUser(session.user));
  if (!user || user->value.disabled || user->value.generation != session.generation) {
    return SessionOver();
  }
  if (now - session.last_seen_us > std::min(kTouch, options.session_idle.count() * kSecond / 4)) {
    session.last_seen_us = now;
    session.address = request.client;
    // Not over a session that has just been ended.
    store::Batch batch;
    batch.Put(kSessions, key, ToRecord(session), stored->revision);
    Note(store.Commit(batch), "last use of a session");
  }
  api::Principal principal;
  principal.kind =
      session.kubernetes ? api::Principal::Kind::kKubernetes : api::Principal::Kind::kUser;
  principal.id = user->value.id();
  principal.name = user->value.display_name.empty() ? user->value.name : user->value.display_name;
  principal.session = key;
  principal.csrf_token = CsrfToken(secret);
  if (!user->value.must_change_password) {
    std::vector<RoleGrant> grants = BW_TRY(GrantsOf(user->value.name, user->value.groups));
    grants.insert(grants.end(), session.roles.begin(), session.roles.end());
    principal.grants = BW_TRY(Resolve(grants));
  }
  return principal;
}

Result<api::Principal> Auth::State::ByToken(const net::ServerRequest& request,
                                            const std::string& text) {
  if (!IsApiToken(text)) return BadToken();
  auto stored = BW_TRY(FindToken(ApiTokenId(text)));
  if (!stored || !ConstantTimeEquals(stored->value.hash, HashOf(text))) return BadToken();
  Token& token = stored->value;
  int64_t now = NowUs();
  if (token.expires_us != 0 && now >= token.expires_us) return BadToken();
  api::Principal principal;
  principal.kind = api::Principal::Kind::kToken;
  principal.id = "token:" + token.id;
  principal.name = token.name;
  if (token.machine) {
    principal.grants = BW_TRY(Resolve(token.grants));
  } else {
    auto owner = BW_TRY(FindUser(token.owner));
    if (!owner || owner->value.disabled || owner->value.must_change_password) return BadToken();
    api::Principal as_owner;
    as_owner.grants = BW_TRY(PowerOf(owner->value));
    if (token.inherit) {
      principal.grants = as_owner.grants;
    } else {
      // What its owner has lost meanwhile, it has lost.
      for (api::Grant& grant : BW_TRY(Resolve(token.grants))) {
        if (as_owner.Has(grant)) principal.grants.push_back(std::move(grant));
      }
    }
  }
  if (now - token.last_used_us > kTouch) {
    token.last_used_us = now;
    token.last_address = request.client;
    store::Batch batch;
    batch.Put(kTokens, token.id, ToRecord(token), stored->revision);
    Note(store.Commit(batch), "last use of a token");
  }
  return principal;
}

// --- The trail -----------------------------------------------------------------------------------

void Auth::State::Tell(const net::ServerRequest& request, Deed deed) {
  if (!options.on_event) return;
  Event event;
  event.id = EventId({"access", request.id, deed.verb, deed.user, crypto::RandomToken(16)});
  event.time_us = event.received_us = NowUs();
  event.kind = "access";
  event.severity = deed.severity;
  event.verb = std::move(deed.verb);
  event.outcome = std::move(deed.outcome);
  event.user = std::move(deed.user);
  event.source_ip = request.client;
  event.user_agent = ToValidUtf8(request.Header("user-agent").substr(0, 256));
  event.resource = std::move(deed.resource);
  event.target.name = std::move(deed.target);
  event.message = std::move(deed.message);
  event.args = std::move(deed.args);
  event.args.emplace_back("address", request.client);
  options.on_event(std::move(event));
}

void Auth::State::TellFailure(const net::ServerRequest& request, Deed deed) {
  if (failures.Take(request.client, options.now())) Tell(request, std::move(deed));
}

// --- Auth ----------------------------------------------------------------------------------------

Auth::Auth(std::unique_ptr<State> state) : state_(std::move(state)) {}
Auth::~Auth() = default;

Result<std::unique_ptr<Auth>> Auth::Open(store::StateStore& store, vault::Vault& vault,
                                         AuthOptions options) {
  for (const store::Collection& collection : Collections()) BW_TRY(store.Define(collection));
  std::unique_ptr<Auth> auth(new Auth(std::make_unique<State>(store, vault, std::move(options))));
  State& state = *auth->state_;

  // The built-in roles, for lists.
  store::Batch roles;
  for (const Role& role : BuiltInRoles()) {
    std::string body = ToRecord(CustomRole{.name = role.name,
                                           .title = role.title.en,
                                           .description = role.description.en,
                                           .permissions = role.permissions,
                                           .built_in = true});
    auto stored = BW_TRY(store.Get(kRoles, role.name));
    if (!stored || stored->body != body) roles.Put(kRoles, role.name, std::move(body));
  }
  if (!roles.empty()) BW_TRY(store.Commit(roles));

  if (state.options.data_folder.empty() || BW_TRY(store.Count(kUsers, store::Query::All())) != 0) {
    return auth;
  }
  User admin;
  admin.name = kFirstAdmin;
  admin.display_name = "Administrator";
  admin.created_us = state.NowUs();
  admin.must_change_password = true;
  std::string password = crypto::RandomToken(18);
  store::Batch batch;
  BW_TRY(state.SetPassword(batch, admin, password));
  GrantRecord grant{.id = crypto::RandomToken(12),
                    .subject = admin.id(),
                    .grant = {"admin", {}},
                    .created_by = "system",
                    .created_us = admin.created_us};
  batch.Put(kUsers, admin.name, ToRecord(admin), 0);
  batch.Put(kGrants, grant.id, ToRecord(grant), 0);
  // The file first: a password without it would be lost.
  BW_TRY(WriteFileAtomic(state.options.data_folder + "/" + std::string(kFirstPasswordFile),
                         password + "\n", 0600));
  BW_TRY(store.Commit(batch));
  state.first_password = std::move(password);
  return auth;
}

const std::optional<std::string>& Auth::first_password() const { return state_->first_password; }

void Auth::AddRoutes(api::Api& api) {
  AddSessionRoutes(*state_, api);
  AddUserRoutes(*state_, api);
  AddAccessRoutes(*state_, api);
  AddTokenRoutes(*state_, api);
  AddProviderRoutes(*state_, api);
}

Result<api::Principal> Auth::Authenticate(const net::ServerRequest& request) {
  auto authenticate = [&]() -> Result<api::Principal> {
    Credentials credentials = BW_TRY(ReadCredentials(request));
    if (!credentials.token.empty()) return state_->ByToken(request, credentials.token);
    if (!credentials.session.empty()) return state_->BySession(request, credentials.session);
    return api::Principal();
  };
  Result<api::Principal> principal = authenticate();
  if (principal || principal.error().code() != Code::kDenied) return principal;
  // That a session has run out is no more than that to those who come to log in.
  if (principal.error().id() == "auth.session") {
    if (request.path == "/api/v1/session" || request.path.starts_with("/api/v1/session/")) {
      return api::Principal();
    }
    return principal;
  }
  state_->TellFailure(request, {.verb = "authenticate",
                                .outcome = "denied",
                                .user = {},
                                .resource = "token",
                                .target = {},
                                .message = "auth.event.token_failed",
                                .args = {{"path", ToValidUtf8(request.path.substr(0, 256))}},
                                .severity = Severity::kLow});
  return principal;
}

Result<uint64_t> Auth::Sweep() {
  int64_t now = state_->NowUs();
  auto before = [](std::string field, int64_t us) {
    store::Query query;
    query.kind = store::Query::Kind::kTerm;
    query.term = {.op = store::Term::Op::kLess,
                  .field = std::move(field),
                  .values = {TimeText(us)},
                  .numbers = {static_cast<double>(us)}};
    return query;
  };
  auto over =
      store::Query::Or({before("expires", now),
                        before("lastseen", now - state_->options.session_idle.count() * kSecond)});
  uint64_t count = BW_TRY(state_->store.Count(kSessions, over));
  if (count != 0) {
    store::Batch batch;
    batch.DeleteWhere(kSessions, over);
    BW_TRY(state_->store.Commit(batch));
  }
  // Tokens stay for a month after their end, to be seen in the list.
  auto old_tokens = before("expires", now - 30 * 86400 * kSecond);
  uint64_t tokens = BW_TRY(state_->store.Count(kTokens, old_tokens));
  if (tokens != 0) {
    store::Batch batch;
    batch.DeleteWhere(kTokens, old_tokens);
    BW_TRY(state_->store.Commit(batch));
  }
  return count + tokens;
}

}  // namespace bulwark::auth
