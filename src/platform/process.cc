#include "platform/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/files.h"
#include "base/text.h"

extern char** environ;

namespace bulwark {

namespace {

struct Pipe {
  Fd read, write;
};

Result<Pipe> MakePipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return Error(Code::kUnavailable, std::string("pipe: ") + std::strerror(errno));
  }
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

}  // namespace

bool HasProgram(const std::string& name) {
  if (name.find('/') != std::string::npos) return ::access(name.c_str(), X_OK) == 0;
  const char* path = std::getenv("PATH");
  for (std::string_view folder : Split(path != nullptr ? path : "/usr/bin:/bin", ':')) {
    if (::access(fmt::format("{}/{}", folder, name).c_str(), X_OK) == 0) return true;
  }
  return false;
}

Result<ProcessResult> RunProcess(const std::vector<std::string>& argv,
                                 const ProcessOptions& options) {
  if (!HasProgram(argv[0])) return Error(Code::kNotFound, argv[0] + " is not installed");
  Pipe in = BW_TRY(MakePipe());
  Pipe out = BW_TRY(MakePipe());
  Pipe err = BW_TRY(MakePipe());

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.read.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write.get(), STDERR_FILENO);
  std::vector<char*> args;
  for (const std::string& arg : argv) args.push_back(const_cast<char*>(arg.c_str()));
  args.push_back(nullptr);
  std::vector<std::string> own;
  for (const auto& [name, value] : options.environment) own.push_back(name + "=" + value);
  std::vector<char*> variables;
  for (std::string& pair : own) variables.push_back(pair.data());
  for (char** v = environ; *v != nullptr; ++v) {
    std::string_view name = std::string_view(*v).substr(0, std::string_view(*v).find('='));
    if (std::none_of(options.environment.begin(), options.environment.end(),
                     [&](const auto& pair) { return pair.first == name; })) {
      variables.push_back(*v);
    }
  }
  variables.push_back(nullptr);
  pid_t pid = 0;
  int failed = ::posix_spawnp(&pid, args[0], &actions, nullptr, args.data(), variables.data());
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    return Error(Code::kUnavailable,
                 fmt::format("starting {}: {}", argv[0], std::strerror(failed)));
  }
  in.read.Close();
  out.write.Close();
  err.write.Close();

  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(options.timeout_seconds);
  ProcessResult result;
  std::string problem;
  ::fcntl(in.write.get(), F_SETFL, O_NONBLOCK);
  size_t sent = 0;
  std::array<char, 1 << 16> buffer;
  auto drain = [&](Fd& fd, std::string& into) {
    ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n > 0) {
      into.append(buffer.data(), static_cast<size_t>(n));
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
      fd.Close();
    }
  };
  while (problem.empty() && (out.read || err.read)) {
    if (sent == options.stdin_text.size()) in.write.Close();
    std::array<pollfd, 3> polled = {{{in.write ? in.write.get() : -1, POLLOUT, 0},
                                     {out.read ? out.read.get() : -1, POLLIN, 0},
                                     {err.read ? err.read.get() : -1, POLLIN, 0}}};
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      problem = fmt::format("{} did not end within {} s", argv[0], options.timeout_seconds);
      break;
    }
    if (::poll(polled.data(), polled.size(), static_cast<int>(left.count())) < 0 &&
        errno != EINTR) {
      problem = std::string("poll: ") + std::strerror(errno);
      break;
    }
    if (polled[0].revents != 0) {
      // A reader that does not want its input is no error; SIGPIPE is ignored by the write's flag
      // not existing for pipes, so block it for this call.
      sigset_t pipe_signal, old;
      sigemptyset(&pipe_signal);
      sigaddset(&pipe_signal, SIGPIPE);
      ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &old);
      ssize_t n = ::write(in.write.get(), options.stdin_text.data() + sent,
                          options.stdin_text.size() - sent);
      if (n < 0 && errno == EPIPE) {
        timespec none{};
        ::sigtimedwait(&pipe_signal, nullptr, &none);
      }
      ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
      if (n > 0) {
        sent += static_cast<size_t>(n);
      } else if (errno != EINTR && errno != EAGAIN) {
        in.write.Close();
      }
    }
    if (polled[1].revents != 0) drain(out.read, result.out);
    if (polled[2].revents != 0) drain(err.read, result.err);
    if (result.out.size() > options.max_output_bytes) {
      problem = fmt::format("{} printed more than {} MiB", argv[0], options.max_output_bytes >> 20);
    }
    if (result.err.size() > (1 << 20)) result.err.resize(1 << 20);
  }
  if (!problem.empty()) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!problem.empty()) return Error(Code::kLimit, problem);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace bulwark
