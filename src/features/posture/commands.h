#pragma once

// bulwark inspect, bulwark checks list|show|test. The manual pages are in posture.md beside this
// file.

#include <string_view>

#include "platform/command.h"

namespace bulwark::posture {

void AddCommands(CLI::App& app, Env& env, int& exit_code);
// Of `inspect` or `checks`; "" of any other.
std::string_view ManualPage(std::string_view command, Language language);

}  // namespace bulwark::posture
