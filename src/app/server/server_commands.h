#pragma once

// bulwark up | server | backup | restore | vault rotate

#include "platform/command.h"

namespace bulwark {

void AddServerCommands(CLI::App& app, Env& env, int& exit_code);

}  // namespace bulwark
