#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/files.h"
#include "base/hash.h"
#include "base/path.h"
#include "base/text.h"
#include "crypto/random.h"
#include "crypto/seal.h"
#include "platform/vault/vault.h"

namespace bulwark::vault {
namespace {

constexpr size_t kMaxFile = 64 * 1024;
constexpr size_t kMaxKeys = 100;

// Master keys in memory, for as long as one call takes.
struct MasterKeys {
  std::vector<std::string> keys;
  MasterKeys() = default;
  MasterKeys(MasterKeys&&) = default;
  MasterKeys& operator=(MasterKeys&&) = default;
  ~MasterKeys() {
    for (std::string& key : keys) crypto::Wipe(key);
  }
};

class KeyFileSource final : public KeySource {
 public:
  explicit KeyFileSource(KeyFile file) : file_(std::move(file)) {}

  std::string Describe() const override { return "file " + file_.path; }

  Result<std::string> Wrap(std::string_view data_key, std::string_view context) override {
    Result<MasterKeys> keys = Read();
    // Made when the first data key is, and never later: a file that was lost must not be replaced
    // by one that opens nothing.
    if (!keys && keys.error().code() == Code::kNotFound && file_.create) {
      BW_TRY(Create());
      keys = Read();
    }
    if (!keys) return std::move(keys).error();
    return crypto::Seal(keys->keys[0], data_key, context);
  }

  Result<std::string> Unwrap(std::string_view wrapped, std::string_view context) override {
    MasterKeys keys = BW_TRY(Read());
    for (const std::string& key : keys.keys) {
      if (Result<std::string> opened = crypto::Open(key, wrapped, context); opened) return opened;
    }
    return Error(Code::kDenied, "vault.master_key",
                 fmt::format("the master key in {} is not the one that this store's secrets were "
                             "sealed with: put the right one back, or restore both from a backup",
                             file_.path),
                 {{"path", file_.path}});
  }

 private:
  Error Bad(std::string_view why) const {
    return {Code::kInvalid,
            "vault.key_file",
            fmt::format("the master key's file {}: {}", file_.path, why),
            {{"path", file_.path}, {"why", std::string(why)}}};
  }

  Result<MasterKeys> Read() const {
    Fd fd = BW_TRY(OpenFile(file_.path, O_RDONLY));
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) return FileError(errno, "reading", file_.path);
    if (!S_ISREG(status.st_mode)) return Bad("not a regular file");
    // A group may read: that is how Kubernetes gives a Secret to a pod's fsGroup.
    if ((status.st_mode & 0037) != 0) {
      return Bad(
          fmt::format("its mode is {:04o}; at most its group may read it, and nobody else "
                      "(0600 or 0440; defaultMode of a mounted Secret)",
                      status.st_mode & 07777));
    }
    std::string text = BW_TRY(ReadAll(fd.get(), file_.path, kMaxFile));
    MasterKeys out;
    int number = 0;
    Result<> outcome = Ok{};
    for (std::string_view line : SplitLines(text)) {
      ++number;
      line = Trim(line);
      if (line.empty() || line[0] == '#') continue;
      Result<std::string> key = Base64Decode(line);
      // The line itself is a secret, whatever it is.
      if (!key || key->size() != crypto::kSealKeyBytes || out.keys.size() >= kMaxKeys) {
        outcome = Bad(fmt::format("line {} is not 32 bytes in base64", number));
        break;
      }
      out.keys.push_back(*std::move(key));
    }
    crypto::Wipe(text);
    if (!outcome) return std::move(outcome).error();
    if (out.keys.empty()) return Bad("it has no key");
    return out;
  }

  Result<> Create() const {
    // Complete before it has its name, and never over another's.
    std::string temporary = fmt::format("{}.{}", file_.path, crypto::RandomToken(9));
    std::string key = crypto::RandomBytes(crypto::kSealKeyBytes);
    std::string text = Base64Encode(key) + "\n";
    crypto::Wipe(key);
    Fd fd = BW_TRY(OpenFile(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600));
    Result<> written = WriteAll(fd.get(), text, temporary);
    crypto::Wipe(text);
    if (written && ::fsync(fd.get()) != 0) written = FileError(errno, "writing", temporary);
    int linked = written ? ::link(temporary.c_str(), file_.path.c_str()) : -1;
    int number = errno;
    ::unlink(temporary.c_str());
    BW_TRY(std::move(written));
    if (linked != 0 && number != EEXIST) return FileError(number, "creating", file_.path);
    std::string folder = std::filesystem::path(file_.path).parent_path().string();
    Fd dir = BW_TRY(OpenFile(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY));
    if (::fsync(dir.get()) != 0) return FileError(errno, "creating", file_.path);
    return Ok{};
  }

  const KeyFile file_;
};

}  // namespace

Result<std::unique_ptr<KeySource>> OpenKeyFile(KeyFile file) {
  if (file.path.empty()) {
    return Error(Code::kInvalid, "vault.key_file", "no path for the master key's file");
  }
  if (!file.create) {
    // A mounted Secret must be there from the start.
    BW_TRY(OpenFile(file.path, O_RDONLY));
  }
  return std::unique_ptr<KeySource>(std::make_unique<KeyFileSource>(std::move(file)));
}

}  // namespace bulwark::vault
