#pragma once

// Inspection as a part of a server: live inspections, findings, exceptions, trends and runs, with
// their routes, schedules and messages.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "platform/service/service.h"

namespace bulwark {
class Config;
}

namespace bulwark::posture {

class CheckSet;

struct PostureOptions {
  std::vector<std::string> check_folders;  // of one's own, beside the built-in ones
  // Whether anybody but this principal may approve exceptions: where nobody may, one's own request
  // can be approved.
  std::function<bool(const std::string& principal)> others_may_approve;
};

// Fails where checks of one's own cannot be read.
Result<std::unique_ptr<Feature>> MakePosture(Services& services, PostureOptions options);

const CheckSet& ChecksOf(const Feature& posture);

// After settings that concern exceptions changed (`ownerExceptions`).
void ExceptionSettingsChanged(Feature& posture);

// For `bulwark config`: the kinds that this feature's records are.
void AddPostureConfig(Config& config, Feature& posture);

}  // namespace bulwark::posture
