#pragma once

// Follows a log file of one JSON document a line, as it grows and is rotated: renamed (and possibly
// a new one made in its place), or copied and truncated. Where it stands is kept (position), so
// that a restart goes on there, also where the file was renamed meanwhile within its folder.
//
//   Tail tail("/var/log/kubernetes/audit.log", position);
//   auto lines = BW_TRY(tail.Read(…));       // what has come since; may be nothing
//   … publish them …; store tail.position()  // only then
//
// A line counts when its newline is there. One longer than `max_line` is passed over and counted.
// A file that is not there yet, or may not be read, is an error that passes; what is read must not
// be changed by its writer but for appending and truncating. Not thread-safe.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace bulwark::audit {

struct TailPosition {
  uint64_t device = 0, inode = 0, offset = 0;
  uint64_t head = 0;  // hash of the first head_bytes
  uint64_t head_bytes = 0;
  std::string ToJson() const;
  static TailPosition Parse(std::string_view json);  // anything else: the beginning
  friend bool operator==(const TailPosition&, const TailPosition&) = default;
};

struct TailOptions {
  size_t max_line = size_t{12} << 20;
  size_t max_read = size_t{4} << 20;  // bytes of one Read(), beside a line that is longer
};

class Tail {
 public:
  Tail(std::string path, TailPosition position, TailOptions options = {});

  // Whole lines, without their ends. Nothing: all was read, for now.
  Result<std::vector<std::string>> Read();
  // After the lines that were returned.
  const TailPosition& position() const { return position_; }
  uint64_t too_long() const { return too_long_; }
  uint64_t rotations() const { return rotations_; }

 private:
  Result<> Open();
  bool Same(int fd) const;
  Result<size_t> Fill();
  void UpdateHead();

  const std::string path_;
  const TailOptions options_;
  TailPosition position_;
  Fd file_;
  std::string partial_;  // after position_.offset
  bool skipping_ = false;
  bool found_ = false;  // position_ was looked for
  uint64_t too_long_ = 0, rotations_ = 0;
};

}  // namespace bulwark::audit
