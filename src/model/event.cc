#include "model/event.h"

#include <fmt/format.h>

#include <initializer_list>

#include "base/check.h"
#include "base/hash.h"
#include "model/alert.h"

namespace bulwark {

std::string EventId(std::initializer_list<std::string_view> parts) {
  std::string all;
  for (std::string_view part : parts)
    fmt::format_to(std::back_inserter(all), "{}:{}", part.size(), part);
  return Sha256Hex(all).substr(0, 32);
}

std::string_view AlertStateName(AlertState state) {
  switch (state) {
    case AlertState::kOpen: return "open";
    case AlertState::kAcknowledged: return "acknowledged";
    case AlertState::kResolved: return "resolved";
  }
  BW_UNREACHABLE();
}

}  // namespace bulwark
