#include "features/audit/tail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "base/path.h"
#include "formats/json.h"

namespace bulwark::audit {

namespace {

constexpr size_t kHeadBytes = 256;

uint64_t HeadOf(int fd, uint64_t bytes) {
  char buffer[kHeadBytes];
  ssize_t got = pread(fd, buffer, std::min<uint64_t>(bytes, kHeadBytes), 0);
  if (got < 0 || static_cast<uint64_t>(got) != bytes) return 0;
  return XxHash3(std::string_view(buffer, static_cast<size_t>(got)));
}

}  // namespace

std::string TailPosition::ToJson() const {
  // As text: 64 bits do not survive every reader of JSON.
  return fmt::format(R"({{"device":"{}","inode":"{}","offset":"{}","head":"{}","headBytes":"{}"}})",
                     device, inode, offset, head, head_bytes);
}

TailPosition TailPosition::Parse(std::string_view json) {
  Arena arena;
  auto v = ParseJson(json, arena);
  if (!v) return {};
  auto number = [&](std::string_view key) {
    uint64_t out = 0;
    for (char c : v->StringAt(key)) {
      if (c < '0' || c > '9') return uint64_t{0};
      out = out * 10 + static_cast<uint64_t>(c - '0');
    }
    return out;
  };
  return {number("device"), number("inode"), number("offset"), number("head"),
          std::min<uint64_t>(number("headBytes"), kHeadBytes)};
}

Tail::Tail(std::string path, TailPosition position, TailOptions options)
    : path_(std::move(path)), options_(options), position_(position) {}

// Whether the file is the one that position_ speaks of, and still has what was read of it.
bool Tail::Same(int fd) const {
  struct stat st;
  if (fstat(fd, &st) != 0) return false;
  if (st.st_dev != position_.device || st.st_ino != position_.inode) return false;
  if (static_cast<uint64_t>(st.st_size) < position_.offset) return false;
  return position_.head_bytes == 0 || HeadOf(fd, position_.head_bytes) == position_.head;
}

Result<> Tail::Open() {
  if (!found_ && position_.inode != 0) {
    // Where it was left: in its place, or under another name in its folder.
    size_t slash = path_.rfind('/');
    std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    std::vector<std::string> candidates = {path_};
    if (DIR* dir = opendir(folder.c_str())) {
      while (dirent* entry = readdir(dir)) {
        if (entry->d_ino == position_.inode) candidates.push_back(folder + "/" + entry->d_name);
      }
      closedir(dir);
    }
    for (const std::string& candidate : candidates) {
      auto file = OpenFile(candidate, O_RDONLY | O_NONBLOCK);
      if (file && Same(file->get())) {
        file_ = *std::move(file);
        found_ = true;
        return Ok{};
      }
    }
  }
  found_ = true;
  Fd file = BW_TRY(OpenFile(path_, O_RDONLY | O_NONBLOCK));
  struct stat st;
  if (fstat(file.get(), &st) != 0) return FileError(errno, "looking at", path_);
  if (!S_ISREG(st.st_mode)) {
    return Error(Code::kInvalid, "file.kind", path_ + " is no regular file", {{"path", path_}});
  }
  position_ = {.device = st.st_dev, .inode = st.st_ino};
  partial_.clear();
  skipping_ = false;
  file_ = std::move(file);
  return Ok{};
}

// Reads on; how many bytes came.
Result<size_t> Tail::Fill() {
  size_t have = partial_.size();
  size_t want = std::min(options_.max_read, size_t{1} << 20);
  partial_.resize(have + want);
  ssize_t got =
      pread(file_.get(), partial_.data() + have, want, static_cast<off_t>(position_.offset + have));
  if (got < 0) {
    int number = errno;
    partial_.resize(have);
    return FileError(number, "reading", path_);
  }
  partial_.resize(have + static_cast<size_t>(got));
  return static_cast<size_t>(got);
}

void Tail::UpdateHead() {
  uint64_t bytes = std::min<uint64_t>(position_.offset, kHeadBytes);
  if (bytes == position_.head_bytes) return;
  position_.head_bytes = bytes;
  position_.head = HeadOf(file_.get(), bytes);
}

Result<std::vector<std::string>> Tail::Read() {
  std::vector<std::string> lines;
  size_t taken = 0;
  while (taken < options_.max_read) {
    if (!file_) {
      if (auto opened = Open(); !opened) {
        if (!lines.empty()) return lines;
        return std::move(opened).error();
      }
    } else if (!Same(file_.get())) {
      // Truncated, and perhaps written anew.
      ++rotations_;
      struct stat st;
      if (fstat(file_.get(), &st) == 0) position_ = {.device = st.st_dev, .inode = st.st_ino};
      partial_.clear();
      skipping_ = false;
    }
    size_t got = BW_TRY(Fill());
    size_t begin = 0;
    while (true) {
      size_t end = partial_.find('\n', begin);
      if (end == std::string::npos) break;
      std::string_view line(partial_.data() + begin, end - begin);
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      if (skipping_ || line.size() > options_.max_line) {
        if (!skipping_) ++too_long_;
        skipping_ = false;
      } else if (!line.empty()) {
        taken += line.size();
        lines.emplace_back(line);
      }
      begin = end + 1;
    }
    position_.offset += begin;
    partial_.erase(0, begin);
    if (partial_.size() > options_.max_line) {
      // Its end is still to come: what is there goes.
      if (!skipping_) ++too_long_;
      skipping_ = true;
      position_.offset += partial_.size();
      partial_.clear();
    }
    UpdateHead();
    if (got > 0) continue;
    // The end. Is there another file in its place by now?
    struct stat now;
    if (stat(path_.c_str(), &now) == 0 &&
        (now.st_ino != position_.inode || now.st_dev != position_.device)) {
      // Its writer may have written between our reading and the renaming.
      if (BW_TRY(Fill()) > 0) continue;
      ++rotations_;
      file_ = Fd();
      position_ = {};
      partial_.clear();
      skipping_ = false;
      continue;
    }
    break;
  }
  return lines;
}

}  // namespace bulwark::audit
