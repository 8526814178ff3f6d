#include "platform/link/spool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <deque>
#include <filesystem>
#include <mutex>

#include "base/files.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/random.h"
#include "formats/json.h"
#include "platform/link/envelope.h"

namespace bulwark::link {
namespace {

struct FrameHead {
  uint32_t bytes;
  uint32_t checksum;
  uint64_t seq;
};
static_assert(sizeof(FrameHead) == 16);

uint32_t Checksum(uint64_t seq, std::string_view json) {
  return static_cast<uint32_t>(XxHash3(json, seq));
}

// The frame at `at`, or nothing where the bytes are no whole and sound one.
std::optional<std::pair<FrameHead, std::string_view>> FrameAt(std::string_view bytes, size_t at,
                                                              size_t max_bytes) {
  FrameHead head;
  if (bytes.size() - at < sizeof(head)) return std::nullopt;
  std::memcpy(&head, bytes.data() + at, sizeof(head));
  if (head.bytes > max_bytes || bytes.size() - at - sizeof(head) < head.bytes) return std::nullopt;
  std::string_view json = bytes.substr(at + sizeof(head), head.bytes);
  if (Checksum(head.seq, json) != head.checksum) return std::nullopt;
  return std::pair(head, json);
}

struct Segment {
  std::string path;
  uint64_t first = 0, last = 0;  // last < first: empty
  uint64_t bytes = 0;
};

constexpr auto kSyncEvery = std::chrono::seconds(1);

}  // namespace

struct Spool::State {
  std::string folder, epoch;
  SpoolOptions options;
  Fd lock;

  mutable std::mutex mutex;  // of what follows
  std::deque<Segment> segments;
  Fd tail;  // of the last segment
  uint64_t acknowledged = 0, next = 1, dropped = 0;
  bool dirty = false;
  std::chrono::steady_clock::time_point synced = std::chrono::steady_clock::now();

  std::string SegmentPath(uint64_t first) const {
    return fmt::format("{}/{}-{:020}.spool", folder, epoch, first);
  }

  Result<> SaveState() const {
    return WriteFileAtomic(folder + "/state",
                           fmt::format("{{\"epoch\":\"{}\",\"acknowledged\":{},\"dropped\":{}}}\n",
                                       epoch, acknowledged, dropped),
                           0600);
  }

  // What the file `state` says; nothing where it is not there or damaged.
  void LoadState() {
    Result<std::string> text = ReadFile(folder + "/state", 4096);
    if (!text) return;
    Arena arena;
    Result<Value> value = ParseJson(*text, arena);
    if (!value) {
      Log(Level::kWarn, "link.spool.state_damaged", {{"folder", folder}});
      return;
    }
    epoch = std::string(value->StringAt("epoch"));
    acknowledged = static_cast<uint64_t>((*value)["acknowledged"].ToInt().value_or(0));
    dropped = static_cast<uint64_t>((*value)["dropped"].ToInt().value_or(0));
  }

  Result<> LoadSegments() {
    std::vector<std::pair<std::string, uint64_t>> found;  // epoch, first
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
      std::string name = entry.path().filename().string();
      if (!name.ends_with(".spool") || name.size() != 16 + 1 + 20 + 6) continue;
      uint64_t first = 0;
      std::from_chars(name.data() + 17, name.data() + 37, first);
      found.emplace_back(name.substr(0, 16), first);
    }
    if (failed) return FileError(failed.value(), "listing", folder);
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.second < b.second; });
    if (epoch.empty() && !found.empty()) epoch = found.back().first;
    uint64_t expected = acknowledged + 1;
    for (const auto& [of_epoch, first] : found) {
      std::string path = fmt::format("{}/{}-{:020}.spool", folder, of_epoch, first);
      if (of_epoch != epoch || first == 0) {
        ::unlink(path.c_str());
        continue;
      }
      Segment segment{.path = path, .first = first, .last = first - 1};
      std::string bytes = BW_TRY(ReadFile(path));
      while (auto frame = FrameAt(bytes, segment.bytes, options.max_envelope_bytes + 1024)) {
        if (frame->first.seq <= segment.last) break;
        segment.last = frame->first.seq;
        segment.bytes += sizeof(FrameHead) + frame->first.bytes;
      }
      if (segment.bytes != bytes.size()) {
        // Cut off by a crash, or damaged: what comes after cannot be told from garbage.
        Log(Level::kWarn, "link.spool.cut",
            {{"file", path}, {"bytes", bytes.size() - segment.bytes}});
        if (::truncate(path.c_str(), static_cast<off_t>(segment.bytes)) != 0) {
          return FileError(errno, "truncating", path);
        }
      }
      if (segment.last <= acknowledged || segment.bytes == 0) {
        next = std::max(next, segment.last + 1);
        ::unlink(path.c_str());
        continue;
      }
      if (segment.first > expected) dropped += segment.first - expected;
      expected = segment.last + 1;
      segments.push_back(std::move(segment));
    }
    next = std::max({next, acknowledged + 1, expected});
    return Ok{};
  }

  uint64_t Bytes() const {
    uint64_t out = 0;
    for (const Segment& s : segments) out += s.bytes;
    return out;
  }

  // Lets the oldest segment go.
  void DropOldest() {
    Segment& oldest = segments.front();
    uint64_t from = std::max(oldest.first, acknowledged + 1);
    if (oldest.last >= from) {
      uint64_t lost = oldest.last - from + 1;
      dropped += lost;
      Log(Level::kWarn, "link.spool.dropped", {{"envelopes", lost}, {"all", dropped}});
    }
    acknowledged = std::max(acknowledged, oldest.last);
    ::unlink(oldest.path.c_str());
    segments.pop_front();
    if (segments.empty()) tail.Close();
  }

  Result<> SyncNow() {
    if (!dirty || !tail) return Ok{};
    if (::fdatasync(tail.get()) != 0) return FileError(errno, "writing", segments.back().path);
    dirty = false;
    synced = std::chrono::steady_clock::now();
    return Ok{};
  }
};

Spool::Spool(std::unique_ptr<State> state) : state_(std::move(state)) {}

Spool::~Spool() { (void)Sync(); }

const std::string& Spool::epoch() const { return state_->epoch; }

Result<std::unique_ptr<Spool>> Spool::Open(const std::string& folder, const SpoolOptions& options) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) return FileError(failed.value(), "creating", folder);
  if (::chmod(folder.c_str(), 0700) != 0) return FileError(errno, "opening", folder);
  auto state = std::make_unique<State>();
  state->folder = folder;
  state->options = options;
  state->lock = BW_TRY(OpenFile(folder + "/lock", O_RDWR | O_CREAT, 0600));
  if (::flock(state->lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return Error(Code::kUnavailable, "link.spool_locked",
                 fmt::format("another process uses the spool {}", folder), {{"path", folder}});
  }
  state->LoadState();
  BW_TRY(state->LoadSegments());
  if (state->epoch.size() != 16) {
    state->epoch = HexEncode(crypto::RandomBytes(8));
    state->acknowledged = 0;
    state->next = 1;
  }
  BW_TRY(state->SaveState());
  return std::unique_ptr<Spool>(new Spool(std::move(state)));
}

Result<uint64_t> Spool::Append(std::string_view feature, std::string_view kind, int64_t version,
                               int64_t time_us, std::string_view payload) {
  State& s = *state_;
  if (payload.size() > s.options.max_envelope_bytes) {
    return Error(Code::kLimit, "link.envelope",
                 fmt::format("an envelope {}/{} has more than {} bytes", feature, kind,
                             s.options.max_envelope_bytes));
  }
  std::lock_guard lock(s.mutex);
  const uint64_t seq = s.next;
  std::string frame(sizeof(FrameHead), '\0');
  frame += EnvelopeJson(seq, feature, kind, version, time_us, payload);
  std::string_view json = std::string_view(frame).substr(sizeof(FrameHead));
  FrameHead head{static_cast<uint32_t>(json.size()), Checksum(seq, json), seq};
  std::memcpy(frame.data(), &head, sizeof(head));

  while (!s.segments.empty() && s.Bytes() + frame.size() > s.options.max_bytes) {
    s.DropOldest();
    // A crash before the next save gives away only the count.
    (void)s.SaveState();
  }
  if (!s.tail || s.segments.empty() ||
      s.segments.back().bytes + frame.size() > s.options.segment_bytes) {
    BW_TRY(s.SyncNow());
    std::string path = s.SegmentPath(seq);
    s.tail = BW_TRY(OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    s.segments.push_back({.path = path, .first = seq, .last = seq - 1});
  }
  Segment& segment = s.segments.back();
  if (Result<> written = WriteAll(s.tail.get(), frame, segment.path); !written) {
    // Half a frame must not stand before whole ones.
    (void)::ftruncate(s.tail.get(), static_cast<off_t>(segment.bytes));
    (void)::lseek(s.tail.get(), static_cast<off_t>(segment.bytes), SEEK_SET);
    return std::move(written).error();
  }
  segment.last = seq;
  segment.bytes += frame.size();
  s.next = seq + 1;
  s.dirty = true;
  if (std::chrono::steady_clock::now() - s.synced > kSyncEvery) BW_TRY(s.SyncNow());
  return seq;
}

Result<std::vector<Spooled>> Spool::Peek(size_t max_count, size_t max_bytes) const {
  const State& s = *state_;
  std::lock_guard lock(s.mutex);
  std::vector<Spooled> out;
  size_t total = 0;
  for (const Segment& segment : s.segments) {
    if (segment.last <= s.acknowledged) continue;
    std::string bytes = BW_TRY(ReadFile(segment.path));
    size_t at = 0;
    while (auto frame = FrameAt(bytes, at, s.options.max_envelope_bytes + 1024)) {
      at += sizeof(FrameHead) + frame->first.bytes;
      if (frame->first.seq <= s.acknowledged) continue;
      total += frame->second.size();
      if (out.size() >= max_count || (!out.empty() && total > max_bytes)) return out;
      out.push_back({frame->first.seq, std::string(frame->second)});
    }
  }
  return out;
}

Result<> Spool::Acknowledge(uint64_t seq) {
  State& s = *state_;
  std::lock_guard lock(s.mutex);
  seq = std::min(seq, s.next - 1);
  if (seq <= s.acknowledged) return Ok{};
  s.acknowledged = seq;
  // Before the segments go: else a number could come again with another envelope.
  BW_TRY(s.SaveState());
  while (!s.segments.empty() && s.segments.front().last <= seq) {
    ::unlink(s.segments.front().path.c_str());
    s.segments.pop_front();
    if (s.segments.empty()) s.tail.Close();
  }
  return Ok{};
}

Result<> Spool::Sync() {
  std::lock_guard lock(state_->mutex);
  return state_->SyncNow();
}

Spool::Stats Spool::stats() const {
  const State& s = *state_;
  std::lock_guard lock(s.mutex);
  Stats out{.bytes = s.Bytes(), .dropped = s.dropped, .last_seq = s.next - 1};
  for (const Segment& segment : s.segments) {
    uint64_t from = std::max(segment.first, s.acknowledged + 1);
    if (segment.last >= from) out.waiting += segment.last - from + 1;
  }
  return out;
}

void Spool::CountDropped(uint64_t envelopes) {
  std::lock_guard lock(state_->mutex);
  state_->dropped += envelopes;
}

}  // namespace bulwark::link
