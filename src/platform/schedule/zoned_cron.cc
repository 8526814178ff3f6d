#include "platform/schedule/zoned_cron.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "base/timezone.h"

namespace bulwark::schedule {

namespace {

// Zones change their offset at most this often.
constexpr int64_t kStep = 7 * 86400;
// No leap of a clock is longer.
constexpr int64_t kLongestLeap = 26 * 3600;

}  // namespace

Result<ZonedCron> ZonedCron::Parse(std::string_view cron, std::string_view zone) {
  CronSchedule parsed = BW_TRY(CronSchedule::Parse(cron));
  if (!OffsetInZone(zone, 0)) {
    return Error(Code::kInvalid, "schedule.zone",
                 fmt::format("no such time zone: {}; expected e.g. Asia/Shanghai", Quote(zone)),
                 {{"zone", std::string(zone)}});
  }
  auto words = SplitWords(cron);
  bool any_hour = words.empty() || words[0] == "@hourly" ||
                  (words.size() > 1 && (words[1].starts_with('*') || words[1].starts_with('?')));
  return ZonedCron(parsed, std::string(zone), cron.starts_with("@every "), any_hour);
}

int64_t ZonedCron::OffsetAt(int64_t seconds) const {
  return OffsetInZone(zone_, seconds).value_or(0);
}

// The first instant in (after, until] from which another offset holds.
std::optional<int64_t> ZonedCron::FirstChange(int64_t after, int64_t until) const {
  const int64_t offset = OffsetAt(after);
  for (int64_t low = after; low < until;) {
    int64_t high = std::min(low + kStep, until);
    if (OffsetAt(high) == offset) {
      low = high;
      continue;
    }
    while (high - low > 1) {
      int64_t middle = low + (high - low) / 2;
      (OffsetAt(middle) == offset ? low : high) = middle;
    }
    return high;
  }
  return std::nullopt;
}

std::optional<Timestamp> ZonedCron::Next(Timestamp after) const {
  if (every_) return cron_.Next(after);
  // From one change of the clock to the next: within, the offset is `offset`.
  int64_t begin = after.seconds, from = after.seconds;
  int64_t offset = OffsetAt(begin);
  for (;;) {
    auto at = cron_.Next({from, 0}, static_cast<int>(offset));
    if (!at) return std::nullopt;
    if (auto change = FirstChange(std::max(begin, from), at->seconds)) {
      const int64_t then = OffsetAt(*change);
      // Leapt over: the clock never shows its time.
      if (then > offset && at->seconds < *change + (then - offset)) return Timestamp{*change, 0};
      begin = *change;
      from = begin - 1;  // the change is itself a possible time
      offset = then;
      continue;
    }
    if (any_hour_ || !IsSecond(at->seconds)) return at;
    from = at->seconds;
  }
}

// Whether the clock showed the same time before: an hour that is set back.
bool ZonedCron::IsSecond(int64_t at) const {
  const int64_t here = OffsetAt(at);
  const int64_t before = OffsetAt(at - kLongestLeap);
  return before > here && OffsetAt(at - (before - here)) == before;
}

}  // namespace bulwark::schedule
