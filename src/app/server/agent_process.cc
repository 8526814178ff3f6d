#include "app/server/agent_process.h"

#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include <chrono>
#include <thread>

extern char** environ;

namespace bulwark {

Result<std::unique_ptr<AgentProcess>> AgentProcess::Start(
    const std::vector<std::string>& arguments) {
  std::string program = "/proc/self/exe";
  std::vector<std::string> words = {"bulwark"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // The child takes the signals that this process leaves to one thread.
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  int error = ::posix_spawn(&pid, program.c_str(), nullptr, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return Error(Code::kUnavailable, "agent.start",
                 fmt::format("cannot start the agent: {}", ::strerror(error)));
  }
  return std::unique_ptr<AgentProcess>(new AgentProcess(pid));
}

AgentProcess::~AgentProcess() {
  ::kill(pid_, SIGTERM);
  for (int i = 0; i < 100; ++i) {
    if (::waitpid(pid_, nullptr, WNOHANG) != 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace bulwark
