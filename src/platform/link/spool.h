#pragma once

// The spool: an agent's envelopes on disk, from when they are made until the server has
// acknowledged them. Bounded: where it is full, the oldest go, and are counted. A process that is
// killed loses nothing that Append() took; a machine that loses power, at most the last second.
//
// A folder, used by one process at a time (a lock file), with segments "<epoch>-<first>.spool", of
// frames
//   u32 bytes, u32 checksum (XXH3, low half), u64 sequence number, the envelope's JSON
// in this machine's byte order, and "state": how far the server acknowledged, and what was dropped.
// A frame cut off by a crash ends its segment. Where "state" is lost, what may have been
// acknowledged is sent again: the server knows sequence numbers.
//
// Errors: link.spool_locked kUnavailable; link.envelope kLimit (an envelope is too big); those of
// base/files.h. Thread-safety: all members from any thread.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bulwark::link {

struct SpoolOptions {
  uint64_t max_bytes = uint64_t{64} << 20;
  uint64_t segment_bytes = uint64_t{1} << 20;  // what goes at once where it is full
  size_t max_envelope_bytes = size_t{1} << 20;
};

struct Spooled {
  uint64_t seq = 0;
  std::string json;  // EnvelopeJson()
};

class Spool {
 public:
  static Result<std::unique_ptr<Spool>> Open(const std::string& folder,
                                             const SpoolOptions& options = {});
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  const std::string& epoch() const;

  // Its sequence number. `payload` is a JSON object.
  Result<uint64_t> Append(std::string_view feature, std::string_view kind, int64_t version,
                          int64_t time_us, std::string_view payload);
  // The oldest that are not acknowledged: at most so many, and so many bytes (but one at least).
  Result<std::vector<Spooled>> Peek(size_t max_count, size_t max_bytes) const;
  // The server has them all, up to and including this one.
  Result<> Acknowledge(uint64_t seq);
  // To the disk.
  Result<> Sync();

  struct Stats {
    uint64_t waiting = 0;  // envelopes that are not acknowledged
    uint64_t bytes = 0;    // on disk
    uint64_t dropped = 0;  // envelopes, since the spool was made
    uint64_t last_seq = 0;
  };
  Stats stats() const;
  // An envelope that could not be kept at all (no space on the disk).
  void CountDropped(uint64_t envelopes = 1);

 private:
  struct State;
  explicit Spool(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bulwark::link
