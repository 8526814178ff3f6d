#pragma once

// Kubernetes Events (events.k8s.io/v1 and core/v1) as events of ours. The server keeps one object
// for what repeats and raises its count; each count is an event, so that a burst is seen as one,
// and what is told again (at a start, after a relist) is stored once.
//
// verb is the reason ("OOMKilling"), user the component that says so, severity low for Warnings
// (medium for a few that mean harm), else info; target what it is about. Pure.

#include <optional>
#include <string>

#include "base/value.h"
#include "model/event.h"

namespace bulwark::audit {

// Nothing for what is no Event.
std::optional<Event> FromKubernetesEvent(const Value& object, const std::string& cluster);

}  // namespace bulwark::audit
