#pragma once

// Reading a machine below a prefix, for this folder alone. Paths are resolved as the machine itself
// would: symbolic links stay below the prefix (openat2, RESOLVE_IN_ROOT).

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/files.h"
#include "base/value.h"

namespace bulwark::node {

struct FileInfo {
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

class Host {
 public:
  static Result<Host> Open(const std::string& root);
  // Of a process: what it sees as its root.
  Result<Host> RootOf(pid_t pid) const;

  Result<std::string> Read(const std::string& path, size_t max_bytes = size_t{1} << 20) const;
  // The file's text without white space around it; nothing where it cannot be read.
  std::optional<std::string> Line(const std::string& path) const;
  Result<FileInfo> Info(const std::string& path) const;
  bool Exists(const std::string& path) const { return Info(path).has_value(); }
  // Names in a folder, sorted; none where it cannot be read.
  std::vector<std::string> List(const std::string& path, size_t max) const;
  // A path that opens the same file from outside, for programs to be run and links to be read.
  std::string Outside(const std::string& path) const;
  const std::string& root() const { return root_; }

 private:
  Host(std::string root, Fd fd) : root_(std::move(root)), fd_(std::move(fd)) {}
  Result<Fd> OpenAt(const std::string& path, int flags) const;
  std::string root_;
  Fd fd_;
};

struct Process {
  pid_t pid = 0;
  std::string name;                    // of /proc/<pid>/comm
  std::vector<std::string> arguments;  // without the first
};
// Those of these names, by pid.
std::vector<Process> FindProcesses(const Host& host, const std::vector<std::string_view>& names,
                                   size_t max_processes);

// The facts of the kubelet, or null where none runs.
Value CollectKubelet(const Host& host, const Process& kubelet, Arena& arena);

// "Kubernetes v1.34.4", "containerd github.com/… v1.7.2 …" → "v1.34.4"; "" where there is none.
std::string VersionIn(std::string_view text);
std::string AskVersion(const Host& host, const Process& process);

}  // namespace bulwark::node
