#pragma once

// Logging in against a directory (LDAP v3, RFC 4511): bind as a reader, search the one entry of
// that name, bind as that entry with the password, read its groups. Over ldaps, or ldap with
// StartTLS, never in the clear. Referrals are not followed, aliases not dereferenced; an empty
// password, with which a bind would be anonymous (RFC 4513 section 5.1.2), is refused; what people
// type is escaped in filters (RFC 4515).
//
// Errors: auth.wrong kDenied (no such entry, several, or the password is wrong: nobody is told
// which), ldap.connect kUnavailable, ldap.tls kDenied, ldap.reader kDenied (our own bind),
// ldap.search kUnavailable, ldap.settings kInvalid. Stateless: safe from any thread.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/url_guard.h"
#include "platform/auth/identity.h"

namespace bulwark::auth {

struct LdapConfig {
  std::string url;                     // "ldaps://host[:636]", "ldap://host[:389]" (StartTLS)
  std::string ca_pem;                  // empty: the system's
  std::string bind_dn, bind_password;  // of the reader; empty: anonymous
  std::string user_base;
  std::string user_filter = "(uid={user})";
  std::string id_attribute = "entryUUID";  // "objectGUID" of Active Directory
  std::string name_attribute = "cn", email_attribute = "mail";
  std::string group_base;  // empty: groups are those that memberOf names
  std::string group_filter = "(|(member={dn})(uniqueMember={dn})(memberUid={user}))";
  std::string group_attribute = "cn";
  std::chrono::seconds timeout{10};  // of each step
};

// For a value within a filter.
std::string EscapeLdapFilter(std::string_view text);
// The filter with {user} and {dn} put in, escaped.
std::string FillLdapFilter(std::string_view filter, std::string_view user, std::string_view dn);
// The settings make sense: ldap.settings.
Result<> CheckLdapConfig(const LdapConfig& config);

Result<Identity> LdapLogIn(const LdapConfig& config, std::string_view name,
                           std::string_view password, const net::UrlGuard* guard);

}  // namespace bulwark::auth
