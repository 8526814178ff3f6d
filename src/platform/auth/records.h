#pragma once

// What is kept in the StateStore about people and what they may do, as records and as JSON.
//
//   users      key = name; one of a provider is "<provider>:<subject>" (credentials.h, EncodeName)
//   sessions   key = hash of the cookie's secret
//   tokens     key = id
//   roles      key = name; the built-in ones are in it for lists alone: what they give is in code
//   grants     key = id
//   providers  key = name
// Passwords' hashes and providers' secrets are in the vault.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "platform/api/access.h"
#include "platform/store/state_store.h"

namespace bulwark::auth {

struct User {
  std::string name;
  std::string display_name, email;
  std::string provider;             // "": local
  std::vector<std::string> groups;  // "corp:dev", as its provider said last
  bool disabled = false;
  bool must_change_password = false;
  // Sessions of an older one are over.
  int64_t generation = 0;
  int64_t created_us = 0, last_login_us = 0, password_changed_us = 0;
  std::string id() const { return "user:" + name; }
};

// A role, by name, in a scope.
struct RoleGrant {
  std::string role;
  api::Scope scope;
};

struct Session {
  std::string user;      // User::name
  std::string provider;  // "": local
  bool kubernetes = false;
  std::vector<RoleGrant> roles;  // what the provider itself said at the log-in
  int64_t generation = 0;
  int64_t created_us = 0, last_seen_us = 0, expires_us = 0;
  std::string address, user_agent;
};

struct Token {
  std::string id, name;
  bool machine = false;    // stays when who made it goes
  std::string owner;       // User::name
  std::string created_by;  // Principal::id
  std::string hash;
  bool inherit = false;  // whatever the owner may
  std::vector<RoleGrant> grants;
  int64_t created_us = 0, expires_us = 0, last_used_us = 0;  // expires 0: never
  std::string last_address;
};

struct CustomRole {
  std::string name, title, description;
  std::vector<std::string> permissions;
  bool built_in = false;
};

struct GrantRecord {
  std::string id;
  std::string subject;  // "user:alice", "group:corp:dev"
  RoleGrant grant;
  std::string created_by;
  int64_t created_us = 0;
};

std::string ToRecord(const User&);
std::string ToRecord(const Session&);
std::string ToRecord(const Token&);
std::string ToRecord(const CustomRole&);
std::string ToRecord(const GrantRecord&);
Result<User> ReadUser(const store::Record&);
Result<Session> ReadSession(const store::Record&);
Result<Token> ReadToken(const store::Record&);
Result<CustomRole> ReadRole(const store::Record&);
Result<GrantRecord> ReadGrant(const store::Record&);

Value ScopeValue(const api::Scope& scope, Arena& arena);
// {clusters:[…],namespaces:[…],labels:{k:v}}, each may be absent; null is everything. Error:
// auth.field, with "field" and "why". At most 100 patterns of each.
Result<api::Scope> ParseScope(const Value& value);

std::string TimeText(int64_t us);
int64_t TimeOf(std::string_view text);  // 0 for what is none

const std::vector<store::Collection>& Collections();

// Of JSON objects that requests bring. Errors: auth.field.
Error FieldError(std::string_view field, std::string_view why);
Result<std::string> TextField(const Value& body, std::string_view field, size_t max_bytes,
                              bool required);
Result<std::vector<std::string>> ListField(const Value& body, std::string_view field,
                                           size_t max_items, size_t max_bytes);

}  // namespace bulwark::auth
