#include "app/server/config_kinds.h"

#include "base/time.h"
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
                   .make = [](std::string_view name, const Value& spec, const Value& old,
                              Arena& arena, const ConfigActor&) -> Result<Value> {
                     BW_TRY(CronSchedule::Parse(spec.StringAt("cron")));
                     if (spec.StringAt("feature").empty())
                       return Error(Code::kInvalid, "schedule.feature", "feature is missing");
                     MapBuilder record(arena);
                     for (const Value::Entry& entry : old.entries()) {
                       if (entry.key.AsString() != "nextRun") record.Add(entry.key, entry.value);
                     }
                     record.Add("id", Value::String(arena, name));
                     record.Add("name", Value::String(arena, name));
                     record.Add("enabled", Value::Bool(true));
                     for (const Value::Entry& entry : spec.entries())
                       record.Add(entry.key, entry.value);
                     return record.Finish();
                   },
                   .changed = [&scheduler = services.scheduler](
                                  std::string_view name) { scheduler.Changed(name); }});
}

}  // namespace bulwark
