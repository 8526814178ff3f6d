#pragma once

// bulwark gate test and bulwark gate verify: what `gator test` and `gator verify` do, with their
// options, output and exit codes. The manual page is gate.md beside this file.

#include <string_view>

#include "platform/command.h"

namespace bulwark::admission {

void AddCommands(CLI::App& app, Env& env, int& exit_code);
std::string_view ManualPage(Language language);

}  // namespace bulwark::admission
