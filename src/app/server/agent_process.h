#pragma once

// The agent of this machine as a process of its own, beside the server that started it.

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace bulwark {

// Ends with the object: SIGTERM, and SIGKILL where that did not help in ten seconds.
class AgentProcess {
 public:
  // Runs this program again with other arguments; what it writes goes where ours does.
  static Result<std::unique_ptr<AgentProcess>> Start(const std::vector<std::string>& arguments);
  ~AgentProcess();
  AgentProcess(const AgentProcess&) = delete;
  AgentProcess& operator=(const AgentProcess&) = delete;
  pid_t pid() const { return pid_; }

 private:
  explicit AgentProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

}  // namespace bulwark
