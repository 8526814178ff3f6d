#pragma once

// The API of schedules: GET and POST /api/v1/schedules; GET, PATCH and DELETE /{schedule}; POST
// /{schedule}/run. A schedule of one cluster needs the right there; one of all, the right
// everywhere.
//
//   AddScheduleMessages(catalog);
//   AddScheduleRoutes(api, scheduler, state);  // before scheduler.Start()

#include "model/catalog.h"
#include "platform/api/api.h"
#include "platform/schedule/schedule.h"

namespace bulwark {

void AddScheduleMessages(Catalog& catalog);
// All of them must outlive `api`.
void AddScheduleRoutes(api::Api& api, Scheduler& scheduler, store::StateStore& state);

}  // namespace bulwark
