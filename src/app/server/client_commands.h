#pragma once

// Commands that ask a server: bulwark config export|apply|diff, events, alerts, support bundle.

#include "platform/command.h"

namespace bulwark {

void AddClientCommands(CLI::App& app, Env& env, int& exit_code);

}  // namespace bulwark
