#pragma once

// Alerts: a rule's verdict on events, grouped: what is alike is one alert with a count. Handled by
// a person (acknowledged, resolved, excepted, commented on) or by a playbook. Plain data.

#include <cstdint>
#include <string>
#include <vector>

#include "model/event.h"

namespace bulwark {

enum class AlertState : uint8_t { kOpen, kAcknowledged, kResolved };
std::string_view AlertStateName(AlertState state);  // "open", "acknowledged", "resolved"

struct Alert {
  std::string id;     // hash of rule, cluster and group: what happens again opens it again
  std::string rule;   // RuleInfo::id
  std::string group;  // what events have in common that belong to one alert
  Severity severity = Severity::kUnknown;
  AlertState state = AlertState::kOpen;
  Asset target;
  std::string user, source_ip, node, pod, image;
  std::string message;  // message id
  MessageArgs args;
  uint64_t count = 0;
  int64_t first_us = 0, last_us = 0;
  std::vector<std::string> events;  // ids: the first, and the latest up to 20
};

}  // namespace bulwark
