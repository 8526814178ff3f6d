#pragma once

// Which records `bulwark config` speaks of.

#include "platform/config/config.h"
#include "platform/service/service.h"

namespace bulwark {

void AddConfigKinds(Services& services, Feature& posture);

}  // namespace bulwark
