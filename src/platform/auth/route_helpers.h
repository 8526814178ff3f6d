#pragma once

// Small things that the routes of this folder share.

#include <string_view>

#include "base/value.h"
#include "platform/api/api.h"
#include "platform/auth/state.h"

namespace bulwark::auth {

Error NotFound(std::string_view what);
Error Exists(std::string_view what);
// If-Match, where there is one, names that revision; else auth.conflict (kExists).
Result<> RequireMatch(const api::Request& request, uint64_t revision);
// Somebody changed something that decides who may do what.
void TellChange(Auth::State& state, const api::Request& request, std::string verb,
                std::string resource, std::string target, std::string message,
                MessageArgs args = {});
// {role,scope} of a request; the role exists, and nothing of it is more than `who` has.
Result<RoleGrant> ParseGrant(Auth::State& state, const Value& body, const api::Principal& who);
// Of a list or resource: what people see.
void RenderUser(const User& user, Arena& arena, MapBuilder& out);

}  // namespace bulwark::auth
