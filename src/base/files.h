#pragma once

// Files and folders, with limits and without races. Every error says what was being done to which
// path, and why the system refused: kNotFound, kDenied, kExists, kLimit, kUnavailable, kInvalid.

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace bulwark {

// A file descriptor that is closed at the end.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      Close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { Close(); }

  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  void Close();

 private:
  int fd_ = -1;
};

// The error for errno `number` that came of `doing` something to `path`: "opening a.yaml:
// permission denied". Its id is "file.<what>", its arguments "path" and "why".
Error FileError(int number, std::string_view doing, std::string_view path);

// open(2), with O_CLOEXEC.
Result<Fd> OpenFile(const std::string& path, int flags, mode_t mode = 0600);

inline constexpr size_t kMaxFile = size_t{256} << 20;

// The whole file; "-" is no special name. A file (or a pipe) of more than `max_bytes` is a kLimit.
Result<std::string> ReadFile(const std::string& path, size_t max_bytes = kMaxFile);
// What is left to read of a descriptor.
Result<std::string> ReadAll(int fd, std::string_view name, size_t max_bytes = kMaxFile);
// All of it, whatever write(2) takes at once.
Result<> WriteAll(int fd, std::string_view bytes, std::string_view name);

// Readers see the old file or the new one, never a part: written beside it, synced, renamed. `mode`
// is the new file's, whatever the umask; where none is given, the old file's is kept, else 0644.
Result<> WriteFileAtomic(const std::string& path, std::string_view bytes, mode_t mode = 0);

// A file's bytes without reading them, read-only; a file that shrinks meanwhile ends the process on
// access (SIGBUS), so for files of our own and of the confined child only.
class MmapFile {
 public:
  static Result<MmapFile> Open(const std::string& path);
  MmapFile(MmapFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MmapFile& operator=(MmapFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MmapFile();
  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

 private:
  MmapFile(void* data, size_t size) : data_(data), size_(size) {}
  void* data_ = nullptr;
  size_t size_ = 0;
};

struct WalkOptions {
  size_t max_files = 1'000'000;
  size_t max_depth = 100;
  bool hidden = false;  // also files and folders whose names begin with a dot
};

// The regular files under a folder, sorted by path, so that the order is the same everywhere;
// symbolic links to files count, links to folders are not followed. A path that is a file gives
// that file. What cannot be read is reported to `on_error` and passed over; without it, it is the
// result.
Result<std::vector<std::string>> WalkFiles(const std::string& path, const WalkOptions& options = {},
                                           const std::function<void(Error)>& on_error = nullptr);

// A folder of its own under TMPDIR or /tmp, mode 0700, removed with all that is in it at the end.
class TempDir {
 public:
  static Result<TempDir> Make(std::string_view prefix = "bulwark-");
  TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempDir& operator=(TempDir&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~TempDir();
  const std::string& path() const { return path_; }
  // path()/name
  std::string File(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  explicit TempDir(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace bulwark
