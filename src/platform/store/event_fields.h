#pragma once

// The keys of an event as the stores keep them: one table for fields, columns and rollups. The
// order is a part of the stored format: add at the end only.

#include <string>
#include <string_view>
#include <vector>

#include "model/event.h"

namespace bulwark::store {

struct EventKey {
  std::string_view name;  // in queries; empty: stored, not asked for
  std::vector<std::string> aliases;
  std::string& (*in)(Event&);
  bool crossed;  // one of the few that rollups count together
  int rollup_s;  // counted per so many seconds; 0: in all only

  const std::string& Of(const Event& event) const { return in(const_cast<Event&>(event)); }
};

const std::vector<EventKey>& EventKeys();

}  // namespace bulwark::store
