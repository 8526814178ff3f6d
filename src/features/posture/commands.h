#pragma once

// bulwark inspect, bulwark checks list|show|test. The manual page is posture.md beside this file.

#include "platform/command.h"

namespace bulwark::posture {

void AddCommands(CLI::App& app, Env& env, int& exit_code);

}  // namespace bulwark::posture
