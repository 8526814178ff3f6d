#pragma once

// Who may do what. People log in with a password that is kept here (Argon2id), or by a provider:
// OpenID Connect, LDAP, or a Kubernetes cluster that is registered; programs bring API tokens.
// Either becomes an api::Principal with the grants that it has at that moment: roles (built in, and
// people's own) in scopes, given to users and to groups.
//
//   std::unique_ptr<Auth> auth = BW_TRY(Auth::Open(state, vault, {.data_folder = dir, …}));
//   auth->AddRoutes(api);
//   api.SetAuthenticator(auth.get());
//   every few minutes: auth->Sweep();
//
// What holds throughout:
//  - Nobody gives more than he has: a grant, a role's change, a token, and power over another's
//    account need each permission concerned, throughout the scope concerned.
//  - Everything is read from the store for each request: what is revoked is over with the next one.
//    Sessions carry their user's generation, which a new password or disabling raises.
//  - A wrong name, a wrong password and a disabled account answer alike and take as long.
//  - Somebody is always left who may do everything: the last administrator cannot go.
//  - Secrets of sessions and tokens are 256 random bits, of which only the hash is stored.
//  - Who must change his password may do nothing else.
//
// Errors: auth.wrong (kDenied), auth.throttled (kLimit, "seconds"), auth.busy (kUnavailable),
// auth.session, auth.token, auth.credentials (kDenied), auth.more_than_own (kDenied),
// auth.last_admin (kDenied), auth.field, auth.name, auth.password_… (kInvalid), auth.exists
// (kExists), auth.not_found (kNotFound), auth.built_in (kDenied), auth.conflict (kExists), those of
// oidc.h, ldap.h, kubernetes.h, and the store's. AddMessages() has their texts.
//
// Thread-safety: AddRoutes() before the server starts; the rest from any thread.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "crypto/password.h"
#include "model/catalog.h"
#include "model/event.h"
#include "platform/api/api.h"
#include "platform/auth/kubernetes.h"
#include "platform/auth/throttle.h"
#include "platform/store/state_store.h"
#include "platform/vault/vault.h"

namespace bulwark::auth {

struct AuthOptions {
  std::string data_folder;  // for first-password; empty: no first administrator is made
  // "https://bulwark.example.com": where providers send people back to. Empty: where the request
  // says it came to.
  std::string public_url;
  std::chrono::seconds session_idle = std::chrono::minutes(30);
  std::chrono::seconds session_lifetime = std::chrono::hours(12);
  // Of sessions by a cluster's token, whose rights are asked for at the log-in alone.
  std::chrono::seconds kubernetes_lifetime = std::chrono::hours(1);
  // How many passwords are checked at once (64 MiB each); others wait, and are told to come again
  // after ten seconds.
  int password_checks = 2;
  crypto::PasswordCost password_cost;
  ThrottleOptions throttle;
  // Addresses that providers may have although they are loopback or link-local
  // (net/url_guard.h).
  std::vector<std::string> allow_addresses;
  // How clusters are asked; without it nobody logs in by one.
  std::shared_ptr<KubernetesIdentity> kubernetes;
  // Told of what happened (kind "access"), on the thread of the request: must be quick.
  std::function<void(Event)> on_event;
  std::function<Timestamp()> now = Now;
};

class Auth : public api::Authenticator {
 public:
  // Defines the collections; makes the first administrator, "admin", where there is no user at all.
  static Result<std::unique_ptr<Auth>> Open(store::StateStore& state, vault::Vault& vault,
                                            AuthOptions options);
  ~Auth() override;

  // The texts of errors and events.
  static void AddMessages(Catalog& catalog);
  void AddRoutes(api::Api& api);
  Result<api::Principal> Authenticate(const net::ServerRequest& request) override;

  // Of the first administrator, if Open() made him: it stands in data_folder/first-password (0600),
  // which goes when he changes it. For showing on a terminal.
  const std::optional<std::string>& first_password() const;
  // A machine token of that role without bound, for programs of the user who runs the server (the
  // command line beside it); it replaces the one of that name before it.
  Result<std::string> IssueLocalToken(std::string_view name, std::string_view role,
                                      std::chrono::seconds life);
  // Whether anybody but this principal has that permission somewhere.
  Result<bool> OthersMay(std::string_view permission, std::string_view principal);
  // Removes what has expired; how many sessions and tokens.
  Result<uint64_t> Sweep();

  struct State;  // of the files of this folder alone

 private:
  explicit Auth(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bulwark::auth
