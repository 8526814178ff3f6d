#pragma once

// What an asset has to do with others, from the records of the store: owners, pods, the service
// account and what is bound to it, services, ingresses and network policies that select it, images,
// node. At most kMaxRelated of each kind of relation.

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/value.h"
#include "platform/store/state_store.h"

namespace bulwark::inventory {

inline constexpr int kMaxRelated = 200;

// {"asset":{…}, "owners":[ref], "workloads":[ref], "pods":[ref], "serviceAccount":ref,
//  "bindings":[ref with "role"], "roles":[ref], "services":[…], "ingresses":[…],
//  "networkPolicies":[…], "images":[…], "node":ref, "truncated":true}; what is empty is left out; a
// ref is {"key","asset","class","phase"}. `visible` says which records may be named; kNotFound
// (inventory.no_asset) where `key` is none of them.
Result<std::string> RelationsOf(store::StateStore& state, std::string_view key,
                                const std::function<bool(const Value& record)>& visible);

}  // namespace bulwark::inventory
