#include "features/node/host.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>

#include "base/text.h"
#include "platform/process.h"

namespace bulwark::node {

Result<Host> Host::Open(const std::string& root) {
  Fd fd = BW_TRY(OpenFile(root, O_PATH | O_DIRECTORY));
  std::string name = root;
  while (name.size() > 1 && name.ends_with('/')) name.pop_back();
  return Host(name == "/" ? "" : name, std::move(fd));
}

Result<Host> Host::RootOf(pid_t pid) const {
  return Open(fmt::format("{}/proc/{}/root", root_, pid));
}

std::string Host::Outside(const std::string& path) const { return root_ + path; }

Result<Fd> Host::OpenAt(const std::string& path, int flags) const {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT;
  long fd = ::syscall(SYS_openat2, fd_.get(), path.c_str(), &how, sizeof(how));  // NOLINT
  if (fd < 0) return FileError(errno, "opening", root_ + path);
  return Fd(static_cast<int>(fd));
}

Result<std::string> Host::Read(const std::string& path, size_t max_bytes) const {
  // A pipe that somebody put there must not hold us up.
  Fd fd = BW_TRY(OpenAt(path, O_RDONLY | O_NONBLOCK));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return FileError(errno, "reading", root_ + path);
  if (!S_ISREG(status.st_mode)) {
    return Error(Code::kInvalid, fmt::format("{}{} is not a regular file", root_, path));
  }
  return ReadAll(fd.get(), root_ + path, max_bytes);
}

std::optional<std::string> Host::Line(const std::string& path) const {
  Result<std::string> text = Read(path, size_t{64} << 10);
  if (!text) return std::nullopt;
  return ToValidUtf8(Trim(*text));
}

Result<FileInfo> Host::Info(const std::string& path) const {
  Fd fd = BW_TRY(OpenAt(path, O_PATH));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return FileError(errno, "reading", root_ + path);
  return FileInfo{status.st_mode, status.st_uid, status.st_gid};
}

std::vector<std::string> Host::List(const std::string& path, size_t max) const {
  std::vector<std::string> out;
  Result<Fd> fd = OpenAt(path, O_RDONLY | O_DIRECTORY);
  if (!fd) return out;
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd->Release()), ::closedir);
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir.get())) {
    if (out.size() >= max) break;
    if (entry->d_name[0] != '.') out.emplace_back(entry->d_name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<Process> FindProcesses(const Host& host, const std::vector<std::string_view>& names,
                                   size_t max_processes) {
  std::vector<Process> out;
  for (const std::string& entry : host.List("/proc", max_processes)) {
    pid_t pid = 0;
    auto [end, error] = std::from_chars(entry.data(), entry.data() + entry.size(), pid);
    if (error != std::errc() || end != entry.data() + entry.size()) continue;
    std::optional<std::string> name = host.Line("/proc/" + entry + "/comm");
    if (!name || std::find(names.begin(), names.end(), *name) == names.end()) continue;
    Process process{.pid = pid, .name = *name};
    if (Result<std::string> line = host.Read("/proc/" + entry + "/cmdline"); line) {
      std::vector<std::string_view> words = Split(*line, '\0');
      if (!words.empty() && words.back().empty()) words.pop_back();
      for (size_t i = 1; i < words.size(); ++i) process.arguments.push_back(ToValidUtf8(words[i]));
    }
    out.push_back(std::move(process));
  }
  std::sort(out.begin(), out.end(),
            [](const Process& a, const Process& b) { return a.pid < b.pid; });
  return out;
}

std::string VersionIn(std::string_view text) {
  for (std::string_view word : SplitWords(text)) {
    std::string_view digits = word.starts_with('v') ? word.substr(1) : word;
    while (digits.ends_with(',')) digits.remove_suffix(1);
    size_t dot = digits.find('.');
    if (dot == std::string_view::npos || dot == 0 || dot > 3 || dot + 1 >= digits.size()) continue;
    bool plain =
        std::all_of(digits.begin(), digits.begin() + static_cast<ptrdiff_t>(dot), IsAsciiDigit) &&
        IsAsciiDigit(digits[dot + 1]);
    bool safe = std::all_of(digits.begin(), digits.end(), [](char c) {
      return IsAsciiDigit(c) || IsAsciiLetter(c) || c == '.' || c == '-' || c == '+' || c == '~';
    });
    if (plain && safe && digits.size() <= 64) return "v" + std::string(digits);
  }
  return {};
}

std::string AskVersion(const Host& host, const Process& process) {
  // The very file that runs, wherever its mount namespace has it.
  std::string program = host.Outside(fmt::format("/proc/{}/exe", process.pid));
  struct stat status{};
  if (::stat(program.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != 0 ||
      (status.st_mode & 0022) != 0) {
    return {};
  }
  Result<ProcessResult> ran =
      RunProcess({program, "--version"}, {.max_output_bytes = 4096, .timeout_seconds = 5});
  return ran && ran->exit_code == 0 ? VersionIn(ran->out) : std::string();
}

}  // namespace bulwark::node
