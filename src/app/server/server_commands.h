#pragma once

// bulwark up | server | backup | restore | vault rotate

#include <string_view>

#include "platform/command.h"

namespace bulwark {

// The manual page of up, server, events, alerts, config, backup, restore, vault; "" for other
// words.
std::string_view ServerManualPage(std::string_view command, Language language);
void AddServerCommands(CLI::App& app, Env& env, int& exit_code);

}  // namespace bulwark
