#pragma once

// bulwark cel eval|check: Kubernetes' expression language on the command line. The manual page is
// cel.md beside this file.

#include "platform/command.h"

namespace bulwark {

void AddCelCommands(CLI::App& app, Env& env, int& exit_code);
std::string_view CelManualPage(Language language);

}  // namespace bulwark
