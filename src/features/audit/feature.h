#pragma once

// Events as a part of a server: audit events by webhook and file, Kubernetes Events, rules over all
// events, alerts, and their routes.
//
//   auto audit = BW_TRY(MakeAudit(services, {.listen = {"0.0.0.0:9444"}, .tls = …}));
//   …
//   BW_TRY(audit->Start());     // before the sources of other features, so that rules hear them
//
// The webhook has a listener of its own (options.listen), or shares one: AuditWebhookOf() gives
// what to call for paths below /audit. Its limits are its own, and nobody logs in there.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "features/audit/detection.h"
#include "features/audit/sources.h"
#include "net/tls.h"
#include "platform/service/service.h"

namespace bulwark::audit {

struct AuditFeatureOptions {
  std::vector<std::string> listen;  // "0.0.0.0:9444"; none: no listener of its own
  std::optional<net::TlsServerOptions> tls;
  std::string webhook_url;     // as API servers reach it, for the configuration that is shown
  std::string webhook_ca_pem;  // what they check its certificate against
  std::vector<AuditFile> files;
  bool kubernetes_events = true;
  std::vector<std::string> rule_folders;  // of one's own, beside the built-in ones
  DetectionOptions detection;
  AlertOptions alerts;
};

// Fails where rules of one's own cannot be read, or a store.
Result<std::unique_ptr<Feature>> MakeAudit(Services& services, AuditFeatureOptions options);

// Of what MakeAudit() made.
AuditWebhook& AuditWebhookOf(Feature& audit);
Alerts& AlertsOf(Feature& audit);
Detection& DetectionOf(Feature& audit);
// Where its own listener listens: "127.0.0.1:41234"; none before Start().
std::vector<std::string> AuditAddressesOf(const Feature& audit);
// For a certificate that was renewed.
Result<> SetAuditTls(Feature& audit, net::TlsServerOptions tls);

}  // namespace bulwark::audit
