#include "platform/notify/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>

#include <algorithm>
#include <filesystem>

#include "base/text.h"

namespace bulwark::notify {

namespace {

constexpr std::string_view kEnding = ".jsonl";

}  // namespace

std::string LineSpool::PathOf(uint64_t number) const {
  return fmt::format("{}/{:020}{}", folder_, number, kEnding);
}

Result<std::unique_ptr<LineSpool>> LineSpool::Open(std::string folder, LineSpoolOptions options) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) return FileError(failed.value(), "making", folder);
  std::unique_ptr<LineSpool> spool(new LineSpool(std::move(folder), options));
  for (const std::string& path : BW_TRY(WalkFiles(spool->folder_))) {
    std::string name = std::filesystem::path(path).filename().string();
    if (name.size() != 20 + kEnding.size() || !name.ends_with(kEnding)) continue;
    uint64_t number = 0;
    bool digits = true;
    for (char c : std::string_view(name).substr(0, 20)) {
      digits = digits && IsAsciiDigit(c) && number < UINT64_MAX / 10 - 10;
      if (digits) number = number * 10 + static_cast<uint64_t>(c - '0');
    }
    if (!digits) continue;
    std::string text = BW_TRY(ReadFile(path));
    auto lines = static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
    spool->files_.push_back({number, text.size(), lines});
    spool->bytes_ += text.size();
  }
  std::sort(spool->files_.begin(), spool->files_.end(),
            [](const File& a, const File& b) { return a.number < b.number; });
  return spool;
}

void LineSpool::Forget() {
  const File& file = files_.front();
  bool current = loaded_ && loaded_number_ == file.number;
  dropped_ += file.lines - std::min<uint64_t>(file.lines, current ? taken_ : 0);
  bytes_ -= file.bytes;
  remove(PathOf(file.number).c_str());
  if (current) loaded_.reset();
  files_.pop_front();
  if (files_.empty()) writing_.Close();
}

Result<> LineSpool::Append(std::span<const std::string> lines) {
  if (lines.empty()) return Ok{};
  std::lock_guard lock(mutex_);
  std::string text;
  for (const std::string& line : lines) text.append(line).append("\n");
  if (!writing_ || files_.empty() || files_.back().bytes >= options_.file_bytes) {
    uint64_t number = files_.empty() ? loaded_number_ + 1 : files_.back().number + 1;
    writing_ = BW_TRY(OpenFile(PathOf(number), O_WRONLY | O_APPEND | O_CREAT, 0600));
    files_.push_back({number, 0, 0});
  }
  if (auto written = WriteAll(writing_.get(), text, PathOf(files_.back().number)); !written) {
    dropped_ += lines.size();
    writing_.Close();  // what follows goes to another file
    return written;
  }
  files_.back().bytes += text.size();
  files_.back().lines += lines.size();
  bytes_ += text.size();
  while (bytes_ > options_.max_bytes && files_.size() > 1) Forget();
  return Ok{};
}

Result<std::vector<std::string>> LineSpool::Peek(size_t max) {
  std::lock_guard lock(mutex_);
  while (true) {
    if (loaded_ && taken_ < loaded_->size()) break;
    if (loaded_) {
      // The whole file was dealt with.
      bool same = !files_.empty() && files_.front().number == loaded_number_;
      loaded_.reset();
      if (same) {
        bytes_ -= files_.front().bytes;
        remove(PathOf(loaded_number_).c_str());
        files_.pop_front();
      }
    }
    if (files_.empty()) return std::vector<std::string>();
    // Nobody writes to what is being read.
    if (files_.size() == 1) writing_.Close();
    loaded_number_ = files_.front().number;
    std::string text = BW_TRY(ReadFile(PathOf(loaded_number_)));
    std::vector<std::string> lines;
    size_t at = 0;
    for (size_t end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
      if (end > at) lines.push_back(text.substr(at, end - at));
    }
    loaded_ = std::move(lines);
    taken_ = 0;
  }
  size_t n = std::min(max, loaded_->size() - taken_);
  auto begin = loaded_->begin() + static_cast<ptrdiff_t>(taken_);
  return std::vector<std::string>(begin, begin + static_cast<ptrdiff_t>(n));
}

void LineSpool::Done(size_t lines) {
  std::lock_guard lock(mutex_);
  if (!loaded_) return;  // dropped meanwhile
  taken_ = std::min(taken_ + lines, loaded_->size());
}

uint64_t LineSpool::waiting() const {
  std::lock_guard lock(mutex_);
  uint64_t out = 0;
  for (const File& file : files_) out += file.lines;
  return out - std::min<uint64_t>(out, loaded_ ? taken_ : 0);
}

uint64_t LineSpool::dropped() const {
  std::lock_guard lock(mutex_);
  return dropped_;
}

}  // namespace bulwark::notify
