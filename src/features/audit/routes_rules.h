#pragma once

// Rules and audit sources: the rest of routes.h.

#include <memory>

#include "features/audit/routes.h"

namespace bulwark::audit {

void AddRuleRoutes(const std::shared_ptr<RouteContext>& context);
void AddSourceRoutes(const std::shared_ptr<RouteContext>& context);

}  // namespace bulwark::audit
