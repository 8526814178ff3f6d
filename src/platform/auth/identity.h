#pragma once

// Whom a provider says that somebody is.

#include <string>
#include <vector>

#include "platform/auth/records.h"

namespace bulwark::auth {

struct Identity {
  std::string subject;  // never changes and never passes to another
  std::string name;     // for people
  std::string email;
  std::vector<std::string> groups;  // as the provider names them
  std::vector<RoleGrant> roles;
};

}  // namespace bulwark::auth
