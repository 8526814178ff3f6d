#pragma once

// How commands meet the world: everything that a command reads or writes beside its arguments comes
// through Env, so that a test runs it in process and sees what a user would see.
//
// A feature offers `void AddCommands(CLI::App& app, Env& env, int& exit_code)` in its commands.cc;
// the callbacks that it registers set the exit code: 0 clean, 1 findings at or above --fail-on, 2
// usage or input error, 3 internal error.

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/text.h"

namespace CLI {
class App;
}

namespace bulwark {

enum ExitCode : int { kClean = 0, kFindings = 1, kUsage = 2, kInternal = 3 };

struct Env {
  // Data goes to `out`, everything else to `err`.
  std::function<void(std::string_view)> out;
  std::function<void(std::string_view)> err;
  // All of standard input, or a prefix no longer than `limit` and an error where there is more.
  std::function<Result<std::string>(size_t limit)> read_stdin;
  // The next line of standard input without its line break; nothing at the end. May be missing:
  // then all of it comes from read_stdin.
  std::function<std::optional<std::string>()> read_line;
  std::function<std::chrono::system_clock::time_point()> now;
  std::function<std::optional<std::string>(const std::string& name)> variable;  // environment
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  int columns = 80;
  bool color = false;
  Language language = Language::kEnglish;
  // The process's own: real files, streams and clock.
  static Env Process();

  // "bulwark: message", with terminal controls escaped.
  void Complain(std::string_view message) const;
};

}  // namespace bulwark
