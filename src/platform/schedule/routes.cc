#include "platform/schedule/routes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "formats/json.h"

namespace bulwark {

namespace {

using api::Request;
using api::Response;

constexpr std::string_view kFields = R"("name":{"type":"string","minLength":1,"maxLength":128},
  "feature":{"type":"string"},"cron":{"type":"string","maxLength":200},
  "timeZone":{"type":"string","maxLength":64},"cluster":{"type":"string","maxLength":64},
  "enabled":{"type":"boolean"})";

Schedule Merged(Schedule s, const Value& change) {
  auto text = [&](std::string_view key, std::string& into) {
    if (const Value v = change[key]; v.IsString()) into = v.AsString();
  };
  text("name", s.name);
  text("feature", s.feature);
  text("cron", s.cron);
  text("timeZone", s.time_zone);
  text("cluster", s.cluster);
  if (const Value v = change["enabled"]; v.IsBool()) s.enabled = v.AsBool();
  return s;
}

class Routes {
 public:
  Routes(Scheduler& scheduler, store::StateStore& state) : scheduler_(scheduler), state_(state) {}

  static void Add(api::Api& api, std::shared_ptr<Routes> self) {
    api.AddSchema(
        "Schedule",
        fmt::format(R"({{"type":"object","required":["id","name","feature","cron","enabled"],
      "properties":{{"id":{{"type":"string"}},{},
      "lastRun":{{"type":"string","format":"date-time"}},
      "nextRun":{{"type":"string","format":"date-time"}},
      "lastResult":{{"type":"object","required":["ok","text","milliseconds"],"properties":{{"ok":{{"type":"boolean"}},
      "text":{{"type":"string"}},"error":{{"type":"string"}},
      "milliseconds":{{"type":"integer"}}}}}}}}}})",
                    kFields));
    api.AddSchema("NewSchedule", fmt::format(R"({{"type":"object","additionalProperties":false,
      "required":["name","feature","cron"],"properties":{{{}}}}})",
                                             kFields));
    api.AddSchema("SchedulePatch", fmt::format(R"({{"type":"object","additionalProperties":false,
      "properties":{{{}}}}})",
                                               kFields));
    api.AddCollection({.path = "/api/v1/schedules",
                       .collection = "schedules",
                       .tag = "schedules",
                       .id = "Schedule",
                       .permission = "schedules.read",
                       .schema = "Schedule",
                       .scoped = true,
                       .time_field = "nextrun",
                       .csv_columns = {"id", "name", "feature", "cron", "timeZone", "cluster",
                                       "enabled", "lastRun", "nextRun"},
                       .render = [](const Request&, const store::Record&, Value record, Arena&,
                                    Value& out) { out = record; }});
    auto add = [&](const std::string& method, const std::string& path, const std::string& id,
                   const std::string& summary, const std::string& request, int status,
                   auto member) {
      api.Add({.method = method,
               .path = "/api/v1/schedules" + path,
               .id = id,
               .tag = "schedules",
               .summary = summary,
               .description = {},
               .permission = "schedules.write",
               .parameters = {},
               .request = request,
               .response = status == 204 || status == 202 ? "" : "Schedule",
               .status = status,
               .handler = [self, member](Request& r) -> Result<Response> {
                 return ((*self).*member)(r);
               }});
    };
    add("POST", "", "addSchedule", "Makes a schedule", "NewSchedule", 201, &Routes::Make);
    add("PATCH", "/{schedule}", "changeSchedule", "Changes a schedule", "SchedulePatch", 200,
        &Routes::Change);
    add("DELETE", "/{schedule}", "deleteSchedule", "Deletes a schedule", "", 204, &Routes::Delete);
    add("POST", "/{schedule}/run", "runSchedule", "Runs it now, beside its times", "", 202,
        &Routes::RunNow);
  }

 private:
  // A schedule of all clusters is everybody's.
  static Result<> MayWrite(const Request& r, std::string_view cluster) {
    if (!cluster.empty()) return r.Require("schedules.write", cluster, "");
    bool anywhere = std::any_of(
        r.principal.grants.begin(), r.principal.grants.end(), [](const api::Grant& grant) {
          return grant.scope.everything() &&
                 std::any_of(grant.permissions.begin(), grant.permissions.end(),
                             [](const std::string& pattern) {
                               return api::PermissionMatches(pattern, "schedules.write");
                             });
        });
    if (anywhere) return Ok();
    return Error(Code::kDenied, "api.denied", "this needs the right schedules.write everywhere",
                 {{"permission", "schedules.write"}});
  }

  struct Found {
    Schedule schedule;
    uint64_t revision = 0;
  };
  Result<Found> Find(const Request& r) const {
    const std::string& key = r.Param("schedule");
    auto record = BW_TRY(state_.Get("schedules", key));
    Error missing(Code::kNotFound, "schedule.no_schedule",
                  fmt::format("no schedule {}", Quote(key)), {{"schedule", key}});
    if (!record) return missing;
    Value body = BW_TRY(ParseJson(record->body, *r.arena));
    Found found{
        Merged({.id = key, .name = {}, .feature = {}, .cron = {}, .time_zone = {}, .cluster = {}},
               body),
        record->revision};
    const std::string& cluster = found.schedule.cluster;
    if (!cluster.empty() && !r.principal.May("schedules.read", cluster, "")) return missing;
    BW_TRY(MayWrite(r, cluster));
    return found;
  }

  Result<Response> Shown(const Request& r, const std::string& key, int status) const {
    auto record = BW_TRY(state_.Get("schedules", key));
    if (!record) {
      return Error(Code::kNotFound, "schedule.no_schedule",
                   fmt::format("no schedule {}", Quote(key)), {{"schedule", key}});
    }
    (void)r;
    Response response = Response::Json(record->body, status);
    response.revision = record->revision;
    return response;
  }

  Result<Response> Make(Request& r) {
    Schedule schedule = Merged(
        {.id = {}, .name = {}, .feature = {}, .cron = {}, .time_zone = {}, .cluster = {}}, r.body);
    BW_TRY(MayWrite(r, schedule.cluster));
    std::string key = BW_TRY(scheduler_.Put(std::move(schedule)));
    return Shown(r, key, 201);
  }

  Result<Response> Change(Request& r) {
    Found found = BW_TRY(Find(r));
    Schedule changed = Merged(found.schedule, r.body);
    BW_TRY(MayWrite(r, changed.cluster));
    std::string key = BW_TRY(scheduler_.Put(std::move(changed), r.IfMatch()));
    return Shown(r, key, 200);
  }

  Result<Response> Delete(Request& r) {
    BW_TRY(Find(r));
    BW_TRY(scheduler_.Delete(r.Param("schedule")));
    return Response::NoContent();
  }

  Result<Response> RunNow(Request& r) {
    BW_TRY(Find(r));
    BW_TRY(scheduler_.Trigger(r.Param("schedule")));
    return Response::Json("{}", 202);
  }

  Scheduler& scheduler_;
  store::StateStore& state_;
};

}  // namespace

void AddScheduleMessages(Catalog& catalog) {
  const std::pair<const char*, Text> texts[] = {
      {"schedule.no_schedule", {"there is no schedule {schedule}", "没有计划 {schedule}"}},
      {"schedule.running", {"it is running already", "该计划正在运行"}},
      {"schedule.name", {"a schedule's name has 1 to 128 bytes", "计划名称须为 1 到 128 字节"}},
      {"schedule.unknown_feature",
       {"no feature {feature} can be scheduled; there are: {known}",
        "没有可安排的功能 {feature}；可用的有：{known}"}},
      {"schedule.feature",
       {"nothing here knows how to run {feature}", "这里没有能运行 {feature} 的功能"}},
      {"schedule.zone",
       {"no such time zone: {zone}; expected e.g. Asia/Shanghai",
        "没有时区 {zone}；应为 Asia/Shanghai 之类"}},
      {"schedule.too_many", {"at most {limit} schedules can be made", "最多可建立 {limit} 个计划"}},
      {"schedule.stopped", {"the scheduler does not run", "计划程序没有运行"}},
      {"time.cron",
       {"malformed schedule {text}; expected five fields (minute hour day month weekday), e.g. "
        "0 3 * * mon-fri",
        "计划 {text} 的格式有误；应有五个字段（分 时 日 月 星期），例如 0 3 * * mon-fri"}},
  };
  for (const auto& [id, text] : texts) catalog.Add(id, text);
}

void AddScheduleRoutes(api::Api& api, Scheduler& scheduler, store::StateStore& state) {
  Routes::Add(api, std::make_shared<Routes>(scheduler, state));
}

}  // namespace bulwark
