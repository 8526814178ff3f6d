#pragma once

// What there is to be allowed, and the roles that are built in, with their names in both languages.
// A role is a set of permission patterns (platform/api/access.h); people make roles of their own
// beside these. Constant data; safe from any thread.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/text.h"
#include "platform/api/access.h"

namespace bulwark::auth {

struct Permission {
  std::string id;       // "findings.read"
  Text title;           // "Read findings"
  bool global = false;  // of Bulwark itself: given by grants without bound alone
};

struct Role {
  std::string name;  // "developer"
  Text title, description;
  std::vector<std::string> permissions;
};

// Every permission, by noun and verb.
const std::vector<Permission>& Permissions();
const std::vector<Role>& BuiltInRoles();
const Role* FindBuiltInRole(std::string_view name);
// It gives at least one permission that there is.
bool GivesSomething(std::string_view pattern);

}  // namespace bulwark::auth
