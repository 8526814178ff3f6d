#pragma once

// What the files of this folder share: the store's records by name, log-ins, sessions, the trail.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <string>
#include <string_view>
#include <vector>

#include "platform/auth/auth.h"
#include "platform/auth/credentials.h"
#include "platform/auth/identity.h"
#include "platform/auth/permissions.h"
#include "platform/auth/providers.h"
#include "platform/auth/records.h"
#include "platform/auth/throttle.h"

namespace bulwark::auth {

template <typename T>
struct Stored {
  T value;
  uint64_t revision = 0;
};

// A session just begun: its record's key, and what the cookie must carry.
struct Begun {
  std::string secret;
  Session session;
  User user;
};

inline constexpr std::string_view kUsers = "users", kSessions = "sessions", kTokens = "tokens",
                                  kRoles = "roles", kGrants = "grants", kProviders = "providers";

struct Auth::State {
  State(store::StateStore& s, vault::Vault& v, AuthOptions o);

  int64_t NowUs() const;

  // --- Records (nothing where there is none) ---
  Result<std::optional<Stored<User>>> FindUser(std::string_view name);
  Result<std::optional<Stored<Token>>> FindToken(std::string_view id);
  Result<std::optional<Stored<CustomRole>>> FindRole(std::string_view name);
  Result<std::optional<Stored<GrantRecord>>> FindGrant(std::string_view id);
  static vault::Place PasswordPlace(std::string_view user);

  // --- What somebody may ---
  // Roles become permissions; a role that is no more gives nothing.
  Result<std::vector<api::Grant>> Resolve(const std::vector<RoleGrant>& grants);
  Result<std::vector<RoleGrant>> GrantsOf(std::string_view user,
                                          const std::vector<std::string>& groups);
  // All that an account could do, for comparing before somebody takes power over it.
  Result<std::vector<api::Grant>> PowerOf(const User& user);
  // auth.more_than_own unless `who` has all of these.
  static Result<> RequireAll(const api::Principal& who, const std::vector<api::Grant>& grants);
  // auth.last_admin unless somebody who may everything is left when these are gone. With
  // `admin_mutex` held from before the check until the change is committed.
  struct Without {
    std::string_view user, grant, role;
  };
  Result<> RequireAdminLeft(const Without& without);

  // --- Log-in ---
  Result<User> CheckLocal(const std::string& name, std::string_view password);
  // The record of somebody whom a provider knows; made at the first log-in.
  Result<User> AdoptExternal(const std::string& provider, const Identity& identity);
  // A session; the one that the request came with ends. auth.wrong where the user was disabled or
  // changed his password meanwhile.
  Result<Begun> Begin(const net::ServerRequest& request, User user, std::vector<RoleGrant> roles,
                      bool kubernetes);
  // For an account and an address: auth.throttled. A log-in that succeeds says so.
  Result<> Admit(const net::ServerRequest& request, std::string_view account);
  void Admitted(const net::ServerRequest& request, std::string_view account);
  Result<Begun> LogInPassword(const net::ServerRequest& request, std::string_view name,
                              std::string_view password);
  Result<Begun> LogInProvider(const net::ServerRequest& request, const std::string& provider,
                              const Identity& identity, bool kubernetes);
  // Password, checked and hashed, in the batch; raises the user's generation.
  Result<> SetPassword(store::Batch& batch, User& user, std::string_view password);
  // One of those that may be checked at once.
  Result<std::string> Hash(std::string_view password);
  Result<crypto::PasswordVerdict> Verify(std::string_view phc, std::string_view password);

  // --- Requests ---
  Result<api::Principal> BySession(const net::ServerRequest& request, const std::string& secret);
  Result<api::Principal> ByToken(const net::ServerRequest& request, const std::string& token);
  static std::string CsrfToken(std::string_view secret);

  // --- The trail ---
  struct Deed {
    std::string verb, outcome;  // "login", "denied"
    std::string user;
    std::string resource;  // "session", "grants"
    std::string target;    // of whom or what
    std::string message;   // id
    MessageArgs args;
    Severity severity = Severity::kInfo;
  };
  void Tell(const net::ServerRequest& request, Deed deed);
  // Of failures that a stranger can cause: so many a minute from an address.
  void TellFailure(const net::ServerRequest& request, Deed deed);

  store::StateStore& store;
  vault::Vault& vault;
  const AuthOptions options;
  Throttle throttle;
  RateLimit failures{20};
  std::counting_semaphore<64> checks;
  // Log-ins that wait for a provider: few at a time, so that a slow one leaves workers for others.
  std::counting_semaphore<8> external{2};
  std::mutex admin_mutex;
  std::unique_ptr<Providers> providers;
  std::optional<std::string> first_password;
  std::string login_key;  // seals the cookie of a log-in under way
};

// routes_*.cc
void AddSessionRoutes(Auth::State& state, api::Api& api);
void AddUserRoutes(Auth::State& state, api::Api& api);
void AddAccessRoutes(Auth::State& state, api::Api& api);
void AddTokenRoutes(Auth::State& state, api::Api& api);
void AddProviderRoutes(Auth::State& state, api::Api& api);

}  // namespace bulwark::auth
