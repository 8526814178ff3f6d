#pragma once

// bulwark rego …: Rego on the command line, with the flags, exit codes and outputs of OPA 1.22's
// own commands. The manual page is rego.md beside this file.

#include <string_view>

#include "platform/command.h"

namespace bulwark {

void AddRegoCommands(CLI::App& app, Env& env, int& exit_code);
// The page of `rego`; "" for other words.
std::string_view RegoManualPage(std::string_view word, Language language);

}  // namespace bulwark
