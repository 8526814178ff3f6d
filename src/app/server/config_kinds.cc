#include "app/server/config_kinds.h"

#include "features/posture/server/feature.h"
#include "platform/schedule/schedule.h"

namespace bulwark {

void AddConfigKinds(Services& services, Feature& posture) {
  Config& config = services.config;
  posture::AddPostureConfig(config, posture);
  config.Register({.kind = "Schedule",
                   .collection = "schedules",
                   .noun = "schedules",
                   .fields = {"feature", "cron", "timeZone", "cluster", "enabled"},
                   .changed = [&scheduler = services.scheduler](std::string_view name) {
                     scheduler.Changed(name);
                   }});
}

}  // namespace bulwark
