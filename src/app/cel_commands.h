#pragma once

// bulwark cel eval|check: Kubernetes' expression language on the command line.

#include "platform/command.h"

namespace bulwark {

void AddCelCommands(CLI::App& app, Env& env, int& exit_code);

}  // namespace bulwark
