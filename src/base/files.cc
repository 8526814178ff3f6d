#include "base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "base/text.h"

namespace bulwark {

namespace fs = std::filesystem;

void Fd::Close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Error FileError(int number, std::string_view doing, std::string_view path) {
  Code code = Code::kUnavailable;
  const char* id = "file.failed";
  switch (number) {
    case ENOENT: code = Code::kNotFound, id = "file.not_found"; break;
    case EACCES:
    case EPERM:
    case EROFS: code = Code::kDenied, id = "file.denied"; break;
    case EEXIST:
    case ENOTEMPTY: code = Code::kExists, id = "file.exists"; break;
    case EFBIG:
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE: code = Code::kLimit, id = "file.limit"; break;
    case EISDIR:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EINVAL: code = Code::kInvalid, id = "file.invalid"; break;
    default: break;
  }
  std::string why = std::generic_category().message(number);
  if (!why.empty()) why[0] = AsciiLower(why[0]);
  return Error(code, id, std::string(doing) + " " + EscapeForTerminal(path) + ": " + why,
               {{"path", std::string(path)}, {"why", why}});
}

Result<Fd> OpenFile(const std::string& path, int flags, mode_t mode) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return FileError(errno, "opening", path);
  return Fd(fd);
}

Result<std::string> ReadAll(int fd, std::string_view name, size_t max_bytes) {
  std::string out;
  struct stat status{};
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    out.reserve(std::min(static_cast<size_t>(status.st_size), max_bytes) + 1);
  }
  constexpr size_t kPiece = 64 * 1024;
  while (true) {
    size_t old = out.size();
    size_t room = std::max(out.capacity() - old, kPiece);
    // One byte past the limit is read to tell a file at the limit from one past it.
    room = std::min(room, max_bytes - old + 1);
    out.resize(old + room);
    ssize_t count = ::read(fd, out.data() + old, room);
    out.resize(old + static_cast<size_t>(std::max<ssize_t>(count, 0)));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError(errno, "reading", name);
    if (count == 0) return out;
    if (out.size() > max_bytes) {
      return Error(Code::kLimit, "file.too_big",
                   "reading " + EscapeForTerminal(name) + ": more than the " +
                       std::to_string(max_bytes) + " bytes that are allowed",
                   {{"path", std::string(name)}, {"limit", std::to_string(max_bytes)}});
    }
  }
}

Result<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  Fd fd = BW_TRY(OpenFile(path, O_RDONLY));
  return ReadAll(fd.get(), path, max_bytes);
}

Result<> WriteAll(int fd, std::string_view bytes, std::string_view name) {
  while (!bytes.empty()) {
    ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError(errno, "writing", name);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return Ok{};
}

Result<> WriteFileAtomic(const std::string& given, std::string_view bytes, mode_t mode) {
  struct stat status{};
  bool exists = ::stat(given.c_str(), &status) == 0;
  // A device, a pipe: nothing may take its place, and there is nothing to keep whole.
  if (exists && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
    Fd fd = BW_TRY(OpenFile(given, O_WRONLY));
    return WriteAll(fd.get(), bytes, given);
  }
  if (mode == 0) mode = exists ? status.st_mode & 07777 : 0644;
  // A link stays one: it is the file behind it that is written.
  std::error_code none;
  std::string path = exists ? fs::canonical(given, none).string() : given;
  if (none) path = given;
  std::string folder = fs::path(path).parent_path();
  if (folder.empty()) folder = ".";
  std::string temporary = folder + "/." + fs::path(path).filename().string() + ".XXXXXX";
  Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600 until all is written
  if (!fd) return FileError(errno, "writing", path);
  auto write = [&]() -> Result<> {
    BW_TRY(WriteAll(fd.get(), bytes, path));
    if (::fchmod(fd.get(), mode) != 0 || ::fsync(fd.get()) != 0 ||
        ::rename(temporary.c_str(), path.c_str()) != 0) {
      return FileError(errno, "writing", path);
    }
    return Ok{};
  };
  Result<> written = write();
  if (!written) {
    ::unlink(temporary.c_str());
    return written;
  }
  // The rename itself must outlive a power cut.
  Result<Fd> parent = OpenFile(folder, O_RDONLY | O_DIRECTORY);
  if (parent) ::fsync(parent->get());
  return written;
}

Result<MmapFile> MmapFile::Open(const std::string& path) {
  Fd fd = BW_TRY(OpenFile(path, O_RDONLY));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return FileError(errno, "reading", path);
  if (!S_ISREG(status.st_mode)) {
    return FileError(S_ISDIR(status.st_mode) ? EISDIR : EINVAL, "mapping", path);
  }
  if (status.st_size == 0) return MmapFile(nullptr, 0);
  auto size = static_cast<size_t>(status.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return FileError(errno, "mapping", path);
  return MmapFile(data, size);
}

MmapFile::~MmapFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Result<std::vector<std::string>> WalkFiles(const std::string& path, const WalkOptions& options,
                                           const std::function<void(Error)>& on_error) {
  std::error_code error;
  fs::file_status root = fs::status(path, error);
  if (error) return FileError(error.value(), "reading", path);
  if (!fs::is_directory(root)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  struct Folder {
    fs::path path;
    size_t depth;
  };
  std::vector<Folder> folders = {{path, 0}};
  while (!folders.empty()) {
    Folder folder = std::move(folders.back());
    folders.pop_back();
    fs::directory_iterator entries(folder.path, error);
    for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
      const fs::directory_entry& entry = *entries;
      if (!options.hidden && entry.path().filename().native().starts_with('.')) continue;
      std::error_code ignored;  // a broken link is no file; one that vanished neither
      bool link = entry.is_symlink(ignored);
      if (entry.is_directory(ignored) && !link) {
        if (folder.depth + 1 > options.max_depth) {
          return Error(Code::kLimit, "file.too_deep",
                       "reading " + EscapeForTerminal(entry.path().native()) +
                           ": folders nested deeper than " + std::to_string(options.max_depth));
        }
        folders.push_back({entry.path(), folder.depth + 1});
      } else if (entry.is_regular_file(ignored)) {
        if (files.size() >= options.max_files) {
          return Error(Code::kLimit, "file.too_many",
                       "reading " + EscapeForTerminal(path) + ": more than " +
                           std::to_string(options.max_files) + " files");
        }
        files.push_back(entry.path());
      }
    }
    if (error) {
      Error failed = FileError(error.value(), "reading", folder.path.native());
      if (on_error == nullptr) return failed;
      on_error(std::move(failed));
      error.clear();
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

Result<TempDir> TempDir::Make(std::string_view prefix) {
  const char* root = std::getenv("TMPDIR");
  std::string path = std::string(root != nullptr && *root != '\0' ? root : "/tmp") + "/" +
                     std::string(prefix) + "XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return FileError(errno, "making", path);
  return TempDir(path);
}

TempDir::~TempDir() {
  if (path_.empty()) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace bulwark
