#include "platform/command.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "base/text.h"

namespace bulwark {

namespace {

// A reader that went away (`| head`) is no error worth a message.
void WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<size_t>(n));
  }
}

Result<std::string> ReadStdin(size_t limit) {
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      return Error(Code::kUnavailable,
                   std::string("reading standard input: ") + std::strerror(errno));
    if (n == 0) return text;
    if (text.size() + static_cast<size_t>(n) > limit) {
      return Error(Code::kLimit, "standard input is larger than the limit of " +
                                     std::to_string(limit >> 20) + " MiB");
    }
    text.append(buffer, static_cast<size_t>(n));
  }
}

std::optional<std::string> Variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

int TerminalColumns() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  if (auto columns = Variable("COLUMNS")) {
    int n = std::atoi(columns->c_str());
    if (n >= 20) return n;
  }
  return 80;
}

// LC_ALL, else LC_MESSAGES, else LANG, as POSIX has it.
Language LocaleLanguage() {
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    auto value = Variable(name);
    if (value && !value->empty()) return ParseLanguage(*value);
  }
  return Language::kEnglish;
}

}  // namespace

Env Env::Process() {
  Env env;
  env.out = [](std::string_view text) { WriteAll(STDOUT_FILENO, text); };
  env.err = [](std::string_view text) { WriteAll(STDERR_FILENO, text); };
  env.read_stdin = ReadStdin;
  env.read_line = []() -> std::optional<std::string> {
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
  };
  env.now = [] { return std::chrono::system_clock::now(); };
  env.variable = Variable;
  env.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  env.err_is_terminal = ::isatty(STDERR_FILENO) == 1;
  env.columns = TerminalColumns();
  auto no_color = Variable("NO_COLOR");
  env.color = env.out_is_terminal && (!no_color || no_color->empty()) &&
              Variable("TERM").value_or("") != "dumb";
  env.language = LocaleLanguage();
  return env;
}

void Env::Complain(std::string_view message) const {
  err("bulwark: " + EscapeForTerminal(message, /*keep_lines=*/true) + "\n");
}

}  // namespace bulwark
