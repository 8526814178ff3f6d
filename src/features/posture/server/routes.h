#pragma once

// The routes of inspection: findings, checks, frameworks, inspections, runs, trends, exceptions.

#include <functional>
#include <memory>
#include <string>

#include "features/posture/server/live_posture.h"

namespace bulwark::posture {

// A finding's record as people read it; `full`: with what its check says.
Value RenderFinding(const KnownChecks& checks, const Value& record, Language language, bool full,
                    Arena& arena);

// What is returned must live as long as the API serves.
std::shared_ptr<void> AddPostureRoutes(
    Services& services, LivePosture& posture,
    std::function<bool(const std::string& principal)> others_may_approve);

}  // namespace bulwark::posture
