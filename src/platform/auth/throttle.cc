#include "platform/auth/throttle.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/hash.h"
#include "crypto/random.h"

namespace bulwark::auth {
namespace {

uint64_t Word(std::string_view bytes, size_t at) {
  uint64_t word;
  std::memcpy(&word, bytes.data() + at, sizeof(word));
  return word;
}

int64_t Millis(Timestamp at) { return at.seconds * 1000 + at.nanos / 1'000'000; }

std::string Network(std::string_view address) {
  in6_addr v6;
  if (inet_pton(AF_INET6, std::string(address).c_str(), &v6) != 1) return std::string(address);
  return {reinterpret_cast<const char*>(&v6), IN6_IS_ADDR_V4MAPPED(&v6) ? 16u : 8u};
}

}  // namespace

Throttle::Throttle(ThrottleOptions options)
    : options_(options), key_(crypto::RandomBytes(32)), slots_(2 * options.slots) {}

Throttle::Cells Throttle::Find(char kind, std::string_view key) {
  std::string digest = crypto::HmacSha256(key_, std::string(1, kind) + std::string(key));
  return {&slots_[Word(digest, 0) % options_.slots],
          &slots_[options_.slots + Word(digest, 8) % options_.slots]};
}

void Throttle::Decay(Slot& slot, int64_t now_s) const {
  int64_t quiet = now_s - slot.last_s;
  if (quiet < options_.half_life.count() || slot.failures == 0) return;
  auto halvings = static_cast<double>(quiet / options_.half_life.count());
  slot.failures = static_cast<float>(slot.failures * std::exp2(-std::min(halvings, 60.0)));
  slot.last_s = now_s;
}

int64_t Throttle::WaitMs(const Cells& cells, int64_t now_ms) const {
  return std::max<int64_t>(0, std::min(cells[0]->until_ms, cells[1]->until_ms) - now_ms);
}

void Throttle::Count(const Cells& cells, const ThrottleOptions::Rule& rule, int64_t now_ms) {
  for (Slot* slot : cells) {
    Decay(*slot, now_ms / 1000);
    slot->failures += 1;
    slot->last_s = now_ms / 1000;
  }
  double past = std::min(cells[0]->failures, cells[1]->failures) - static_cast<float>(rule.free);
  if (past <= 0) return;
  double wait = std::min(static_cast<double>(rule.first_wait.count()) * std::exp2(past - 1),
                         static_cast<double>(rule.max_wait.count()));
  for (Slot* slot : cells) {
    slot->until_ms = std::max(slot->until_ms, now_ms + static_cast<int64_t>(wait * 1000));
  }
}

Result<> Throttle::Begin(std::string_view account, std::string_view address, Timestamp now) {
  int64_t now_ms = Millis(now);
  std::lock_guard lock(mutex_);
  Cells by_account = Find('a', account);
  Cells by_address = Find('i', Network(address));
  int64_t wait = std::max(WaitMs(by_account, now_ms), WaitMs(by_address, now_ms));
  if (wait > 0) {
    int64_t seconds = (wait + 999) / 1000;
    return Error(Code::kLimit, "auth.throttled",
                 fmt::format("too many failed log-ins; try again in {} s", seconds),
                 {{"seconds", std::to_string(seconds)}});
  }
  Count(by_account, options_.account, now_ms);
  Count(by_address, options_.address, now_ms);
  return Ok{};
}

void Throttle::Succeeded(std::string_view account, std::string_view address, Timestamp now) {
  int64_t now_ms = Millis(now);
  std::lock_guard lock(mutex_);
  for (Slot* slot : Find('a', account)) *slot = {};
  for (Slot* slot : Find('i', Network(address))) {
    slot->failures = std::max(0.0F, slot->failures - 1);
    // The wait that this very try had cost.
    if (slot->failures <= static_cast<float>(options_.address.free)) {
      slot->until_ms = std::min(slot->until_ms, now_ms);
    }
  }
}

RateLimit::RateLimit(int per_minute, size_t slots)
    : per_minute_(per_minute), seed_(Word(crypto::RandomBytes(8), 0)), slots_(slots) {}

bool RateLimit::Take(std::string_view key, Timestamp now) {
  std::lock_guard lock(mutex_);
  Slot& slot = slots_[XxHash3(key, seed_) % slots_.size()];
  int64_t minute = now.seconds / 60;
  if (slot.minute != minute) slot = {.minute = minute, .count = 0};
  return ++slot.count <= per_minute_;
}

}  // namespace bulwark::auth
