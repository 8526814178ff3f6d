#pragma once

// Inspection as a part of a server: live inspections, findings, exceptions, trends and runs, with
// their routes, schedules and messages.

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/check.h"
#include "model/finding.h"
#include "platform/service/service.h"

namespace bulwark {
class Config;
}

namespace bulwark::posture {

class KnownChecks;

struct PostureOptions {
  std::vector<std::string> check_folders;  // of one's own, beside the built-in ones
  // Whether anybody but this principal may approve exceptions: where nobody may, one's own request
  // can be approved.
  std::function<bool(const std::string& principal)> others_may_approve;
  // Checks that others run: what comes of them is told by TakeAssessments().
  std::vector<CheckInfo> other_checks;
};

// Fails where checks of one's own cannot be read.
Result<std::unique_ptr<Feature>> MakePosture(Services& services, PostureOptions options);

const KnownChecks& ChecksOf(const Feature& posture);

// All that was judged of an asset by the checks of others: findings open and close.
struct OtherAssessment {
  std::string check;
  Status status = Status::kPass;
  std::string path, value;
  std::string error;  // of kError
};
Result<> TakeAssessments(Feature& posture, const Asset& asset,
                         std::span<const OtherAssessment> assessments);

// After settings that concern exceptions changed (`ownerExceptions`).
void ExceptionSettingsChanged(Feature& posture);

// For `bulwark config`: the kinds that this feature's records are.
void AddPostureConfig(Config& config, Feature& posture);

}  // namespace bulwark::posture
