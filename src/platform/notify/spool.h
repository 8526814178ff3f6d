#pragma once

// Lines that wait to be sent, in files of a folder, so that a restart loses none: appended at one
// end by any thread, taken at the other by one. Bounded: past `max_bytes` the oldest files go,
// counted. A line that a crash cut in two is passed over.

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace bulwark::notify {

struct LineSpoolOptions {
  uint64_t max_bytes = uint64_t{64} << 20;
  uint64_t file_bytes = uint64_t{1} << 20;
};

class LineSpool {
 public:
  static Result<std::unique_ptr<LineSpool>> Open(std::string folder, LineSpoolOptions options = {});

  Result<> Append(std::span<const std::string> lines);
  // The oldest lines, up to `max`; they stay until Done(). Nothing: there are none.
  Result<std::vector<std::string>> Peek(size_t max);
  // So many of what Peek() gave are dealt with.
  void Done(size_t lines);
  uint64_t waiting() const;
  uint64_t dropped() const;

 private:
  struct File {
    uint64_t number = 0, bytes = 0, lines = 0;
  };
  LineSpool(std::string folder, LineSpoolOptions options)
      : folder_(std::move(folder)), options_(options) {}
  std::string PathOf(uint64_t number) const;
  void Forget();  // the oldest file

  const std::string folder_;
  const LineSpoolOptions options_;
  mutable std::mutex mutex_;
  std::deque<File> files_;  // the oldest first; the last is written to
  Fd writing_;
  uint64_t bytes_ = 0, dropped_ = 0;
  // Of the oldest file.
  std::optional<std::vector<std::string>> loaded_;
  size_t taken_ = 0;
  uint64_t loaded_number_ = 0;
};

}  // namespace bulwark::notify
