#include "tests/cluster/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

extern char** environ;

namespace bulwark::test {
namespace {

// A file without a name, in memory. A child that writes to it never blocks, unlike with a pipe that
// nobody reads just now.
int MemoryFile() { return memfd_create("bulwark_test", MFD_CLOEXEC); }

std::string Contents(int fd) {
  std::string text;
  char buffer[4096];
  ssize_t got;
  while ((got = pread(fd, buffer, sizeof buffer, static_cast<off_t>(text.size()))) > 0) {
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

std::string Trimmed(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// Starts a program with these three as its standard streams, in a process group of its own: Ctrl-C
// in the terminal is for the test program, whose end is then seen by the closed pipe. Returns its
// pid, or -errno.
int Spawn(std::vector<std::string>& arguments, int in, int out, int err) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  int error = posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? pid : -error;
}

int Wait(int pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return 127;
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::vector<std::string> RunArguments(std::string_view command, const Cluster::Options& options) {
  std::vector<std::string> arguments = {BULWARK_CLUSTER_SCRIPT, std::string(command)};
  if (options.node) arguments.push_back("--node");
  return arguments;
}

}  // namespace

Output RunProgram(std::vector<std::string> arguments, std::string_view input) {
  int in = MemoryFile(), out = MemoryFile(), err = MemoryFile();
  Output output;
  while (!input.empty()) {
    ssize_t written = write(in, input.data(), input.size());
    if (written <= 0) break;
    input.remove_prefix(static_cast<size_t>(written));
  }
  lseek(in, 0, SEEK_SET);
  int pid = input.empty() ? Spawn(arguments, in, out, err) : -ENOMEM;
  if (pid < 0) {
    output = {127, "", arguments[0] + ": " + strerror(-pid)};
  } else {
    output.status = Wait(pid);
    output.out = Contents(out);
    output.err = Contents(err);
  }
  for (int fd : {in, out, err}) close(fd);
  return output;
}

std::string Cluster::WhyNot(const Options& options) {
  Output output = RunProgram(RunArguments("check", options));
  if (output.status == 0) return "";
  return Trimmed(output.out.empty() ? output.err : output.out);
}

Result<Cluster> Cluster::Start(const Options& options) {
  std::vector<std::string> arguments = RunArguments("run", options);
  if (options.controllers) arguments.push_back("--controllers");
  for (const std::string& argument : options.apiserver_args) {
    arguments.push_back("--apiserver-arg=" + argument);
  }
  // CLOEXEC, so that no other child holds the end whose closing is the sign to stop.
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0) return Error(Code::kUnavailable, strerror(errno));
  if (pipe2(out, O_CLOEXEC) != 0) {
    Error error(Code::kUnavailable, strerror(errno));
    close(in[0]);
    close(in[1]);
    return error;
  }
  int log = MemoryFile();
  int pid = Spawn(arguments, in[0], out[1], log);
  close(in[0]);
  close(out[1]);
  // From here on, leaving this function ends the process and closes what is open.
  Cluster cluster("", pid, in[1], log);
  if (pid < 0) {
    close(out[0]);
    return Error(Code::kUnavailable, arguments[0] + ": " + strerror(-pid));
  }

  // One line: the path of the kubeconfig, when all is ready.
  std::string line;
  char byte;
  ssize_t got;
  while ((got = read(out[0], &byte, 1)) != 0 && byte != '\n') {
    if (got > 0) {
      line.push_back(byte);
    } else if (errno != EINTR) {
      break;
    }
  }
  close(out[0]);
  size_t slash = line.rfind('/');
  if (got == 0 || slash == std::string::npos) {
    close(std::exchange(cluster.pipe_, -1));
    Wait(std::exchange(cluster.pid_, -1));
    return Error(Code::kUnavailable, "no cluster: " + Trimmed(Contents(log)));
  }
  cluster.dir_ = line.substr(0, slash);
  return cluster;
}

Cluster::Cluster(Cluster&& other) noexcept
    : dir_(std::move(other.dir_)),
      pid_(std::exchange(other.pid_, -1)),
      pipe_(std::exchange(other.pipe_, -1)),
      log_(std::exchange(other.log_, -1)) {}

Cluster& Cluster::operator=(Cluster&& other) noexcept {
  std::swap(dir_, other.dir_);
  std::swap(pid_, other.pid_);
  std::swap(pipe_, other.pipe_);
  std::swap(log_, other.log_);
  return *this;
}

Cluster::~Cluster() {
  Result<Ok> stopped = Stop();
  if (!stopped) fprintf(stderr, "%s\n", stopped.error().ToString().c_str());
  if (log_ >= 0) close(log_);
}

Result<Ok> Cluster::Stop() {
  if (pipe_ >= 0) close(std::exchange(pipe_, -1));
  if (pid_ > 0 && Wait(std::exchange(pid_, -1)) != 0) {
    return Error(Code::kInternal, "ending the cluster in " + dir_ + ": " + Trimmed(Contents(log_)));
  }
  return Ok{};
}

Output Cluster::Kubectl(std::vector<std::string> arguments, std::string_view input) const {
  // First, so that another in the arguments wins.
  arguments.insert(arguments.begin(), {program("kubectl"), "--kubeconfig=" + kubeconfig()});
  return RunProgram(std::move(arguments), input);
}

Output Cluster::OnNode(std::vector<std::string> command) const {
  command.insert(command.begin(), {BULWARK_CLUSTER_SCRIPT, "exec", "--dir", dir_, "--"});
  return RunProgram(std::move(command));
}

Result<std::string> Cluster::ServiceAccountKubeconfig(std::string_view name_space,
                                                      std::string_view account) const {
  return Script("kubeconfig",
                {"--namespace", std::string(name_space), "--serviceaccount", std::string(account)});
}

Result<Ok> Cluster::LoadImage(const std::string& tar) const {
  BW_TRY(Script("load", {tar}));
  return Ok{};
}

Result<Ok> Cluster::Seed() const {
  BW_TRY(Script("seed", {}));
  return Ok{};
}

Result<std::string> Cluster::Script(std::string_view command,
                                    std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(),
                   {BULWARK_CLUSTER_SCRIPT, std::string(command), "--dir", dir_});
  Output output = RunProgram(std::move(arguments));
  if (output.status != 0) {
    return Error(Code::kUnavailable, "cluster " + std::string(command) + ": " +
                                         Trimmed(output.err.empty() ? output.out : output.err));
  }
  return Trimmed(output.out);
}

}  // namespace bulwark::test
