#pragma once

// Completion of command lines by a shell: commands, options, and files everywhere else. The script
// is made from the commands themselves, so it cannot fall behind them.

#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace bulwark {

// `shell` is bash, zsh or fish. zsh runs the script for bash through its bashcompinit.
std::string CompletionScript(const CLI::App& app, std::string_view shell);

}  // namespace bulwark
