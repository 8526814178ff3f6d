#pragma once

// The routes of events, alerts, rules, suppressions and audit sources.

#include <functional>
#include <memory>

#include "features/audit/detection.h"
#include "features/audit/sources.h"
#include "platform/api/api.h"
#include "platform/pipeline/alerts.h"
#include "platform/store/event_store.h"
#include "platform/store/state_store.h"

namespace bulwark::audit {

// All outlive the API's use of the routes.
struct RouteContext {
  api::Api& api;
  store::StateStore& state;
  store::EventStore& events;
  Alerts& alerts;
  Detection& detection;
  AuditWebhook& webhook;
  const Catalog& catalog;
  // "https://bulwark.example.com:9444": where API servers reach the webhook; may be empty.
  std::string webhook_url;
  std::string webhook_ca_pem;
};

void AddAuditRoutes(const std::shared_ptr<RouteContext>& context);
// An alert's record as people read it.
Value RenderAlert(const Catalog& catalog, const Value& record, Language language, Arena& arena);

}  // namespace bulwark::audit
