#pragma once

// What the routes of events, alerts, rules and audit sources answer with, for the OpenAPI document.

namespace bulwark::api {
class Api;
}

namespace bulwark::audit {

// Event, EventPage, EventHistogram, EventTop, EventFields, Alert, Suppression, Rule, RuleList,
// RuleTrial, AuditSource, MadeAuditSource.
void AddAuditSchemas(api::Api& api);

}  // namespace bulwark::audit
