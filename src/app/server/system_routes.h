#pragma once

// What a server says of itself: /healthz, /readyz, /metrics, /api/v1/system, settings, overview,
// config, backup, support bundle. And what it forgets: retention.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/time.h"
#include "base/value.h"
#include "model/text.h"
#include "platform/api/access.h"
#include "platform/service/service.h"
#include "platform/store/state_store.h"

namespace bulwark {

struct SystemOptions {
  Timestamp started;
  std::string data_folder;
  uint64_t max_event_bytes = 0;
  // Addresses that it listens at, by name; asked when somebody looks.
  std::function<std::vector<std::pair<std::string, std::string>>()> listeners;
  // Findings and alerts as people read them, for the overview.
  std::function<Value(const Value& record, Language, Arena&)> render_finding, render_alert;
  // The points of the last 30 days, as far as the principal may see; "" is all.
  std::function<Result<std::vector<Value>>(const api::Principal&, const std::string& cluster,
                                           const std::string& ns, Arena&)>
      trend;
  // Queues of features beside the pipeline's: name, queued, dropped.
  struct Queue {
    std::string name;
    uint64_t queued = 0, dropped = 0;
  };
  std::function<std::vector<Queue>()> queues;
  std::function<void()> settings_changed;
  std::function<std::string()> recent_log;  // lines, for the support bundle
};

// What is returned must live as long as the API serves.
Result<std::shared_ptr<void>> AddSystemRoutes(Services& services, SystemOptions options);

}  // namespace bulwark
