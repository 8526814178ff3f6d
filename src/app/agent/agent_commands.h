#pragma once

// bulwark agent: the half of Bulwark that runs on every node, and bulwark node facts, which prints
// what it would report. The manual page is agent.md beside this file.

#include "platform/command.h"

namespace bulwark {

void AddAgentCommands(CLI::App& app, Env& env, int& exit_code);
std::string_view AgentManualPage(Language language);

}  // namespace bulwark
