#pragma once

// The program: the only place that knows every feature.

#include <string>
#include <vector>

#include "platform/command.h"

namespace bulwark {

// Runs one command line (without the program's name) and gives its exit code.
int Main(std::vector<std::string> args, Env& env);

}  // namespace bulwark
