#pragma once

// The log-in providers that are set up: their settings, checked, and their clients, kept while the
// settings stay (discovery documents and keys are cached in them).
//
//   {"name":"corp","kind":"oidc","enabled":true,"title":"Corp SSO",
//    "oidc":{"issuer":"https://id.example.com","clientId":"bulwark","scopes":["openid","profile"],
//            "groupsClaims":["groups","realm_access.roles"],"userClaim":"sub","nameClaim":"name",
//            "caPem":"…","algorithms":["RS256"]}}
//   {"name":"ad","kind":"ldap","ldap":{"url":"ldaps://ad.example.com","bindDn":"cn=reader,…",
//            "userBase":"ou=people,…","userFilter":"(uid={user})","groupBase":…,"groupFilter":…,
//            "nameAttribute":"cn","emailAttribute":"mail","idAttribute":"entryUUID","caPem":…}}
//   {"name":"k8s","kind":"kubernetes","kubernetes":{"cluster":"<id>","audience":"bulwark",
//            "verb":"use","resource":"roles","roles":["developer","operator"]}}
//
// Client secret and bind password are in the vault (fields clientSecret, bindPassword), are given
// in the same places of the settings, and come back out of nowhere.
// Thread-safe.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "platform/auth/ldap.h"
#include "platform/auth/oidc.h"
#include "platform/store/state_store.h"
#include "platform/vault/vault.h"

namespace bulwark::auth {

struct KubernetesConfig {
  std::string cluster, audience;
  std::string group = "bulwark.io", resource = "roles", verb = "use";
  std::vector<std::string> roles;  // asked for, one by one; none: the built-in ones
};

enum class ProviderKind : uint8_t { kOidc, kLdap, kKubernetes };

struct Provider {
  std::string name, title;
  ProviderKind kind = ProviderKind::kOidc;
  bool enabled = true;
  OidcConfig oidc;
  LdapConfig ldap;
  KubernetesConfig kubernetes;
};

std::string_view ProviderKindName(ProviderKind kind);

// The settings in a record or a request. Errors: auth.field.
Result<Provider> ParseProvider(std::string_view name, const Value& value);
// Without the secrets.
std::string ToRecord(const Provider& provider);

class Providers {
 public:
  Providers(store::StateStore& state, vault::Vault& vault, std::vector<std::string> allow_addresses,
            std::function<Timestamp()> now);

  struct Open {
    Provider provider;  // with its secrets
    std::shared_ptr<OidcClient> oidc;
  };
  // auth.not_found where there is none of that name that is enabled.
  Result<std::shared_ptr<const Open>> Find(std::string_view name);
  // Those that are enabled, by name.
  Result<std::vector<Provider>> List();
  // That their addresses may be gone to: refused at once where they are written as numbers.
  Result<> CheckAddresses(const Provider& provider) const;
  const std::shared_ptr<const net::UrlGuard>& guard() const { return guard_; }

 private:
  store::StateStore& state_;
  vault::Vault& vault_;
  std::shared_ptr<const net::UrlGuard> guard_;
  std::function<Timestamp()> now_;
  std::mutex mutex_;
  struct Cached {
    uint64_t revision;
    std::shared_ptr<const Open> open;
  };
  std::map<std::string, Cached, std::less<>> cache_;
};

}  // namespace bulwark::auth
