#pragma once

// Time as data: instants and durations with nanoseconds, RFC 3339, Go's durations, civil dates,
// cron.
//
// A Timestamp is UTC; the proleptic Gregorian calendar, no leap seconds. Everything is a pure
// function, safe from any thread, but Now().

#include <bitset>
#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bulwark {

// An instant: seconds since 1970-01-01T00:00:00Z, and 0 <= nanos < 1e9 after that.
struct Timestamp {
  int64_t seconds = 0;
  int32_t nanos = 0;
  friend auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

using Nanos = std::chrono::nanoseconds;

Timestamp Now();
Timestamp operator+(Timestamp at, Nanos by);
inline Timestamp operator-(Timestamp at, Nanos by) { return at + -by; }
// Saturates at ±292 years, which is what 64 bits of nanoseconds hold.
Nanos operator-(Timestamp a, Timestamp b);

// --- Civil dates ---------------------------------------------------------------------------------

struct Civil {
  int64_t year = 1970;
  int month = 1, day = 1;  // 1-based
  int hour = 0, minute = 0, second = 0;
  int weekday = 4;  // 0 = Sunday
  int yearday = 1;  // 1..366
};

// Days since 1970-01-01; any month and day may be given that exist.
int64_t DaysFromCivil(int64_t year, int month, int day);
Civil ToCivil(int64_t unix_seconds);
// Ignores weekday and yearday.
int64_t FromCivil(const Civil& civil);
int DaysInMonth(int64_t year, int month);

// --- RFC 3339 ------------------------------------------------------------------------------------

// "2024-01-31T23:59:59.5Z" or with an offset, as Go's time.RFC3339Nano reads it: 'T' and 'Z' in
// upper case, a fraction of one digit or more (cut after nine), years 0000 to 9999, no second 60.
Result<Timestamp> ParseRfc3339(std::string_view text);
// In UTC, without trailing zeros of the fraction: "2024-01-31T23:59:59.5Z".
std::string FormatRfc3339(Timestamp at);

// --- Durations as Go spells them -----------------------------------------------------------------

// "1h2m3.5s", "-1.5h", "300ms", "0": exactly the language, the rounding and the range of Go's
// time.ParseDuration.
Result<Nanos> ParseGoDuration(std::string_view text);
// "1h2m3.5s", "1.5µs", "0s": as Go's Duration.String.
std::string FormatGoDuration(Nanos duration);

// --- Cron ----------------------------------------------------------------------------------------

// A schedule as Kubernetes' CronJob reads it (robfig/cron's standard parser): five fields, minute
// hour day-of-month month day-of-week, with * ? , - / and the names of months and days; @hourly
// @daily @midnight @weekly @monthly @yearly @annually and "@every 1h30m". Where both day fields are
// restricted, either may match. A zone in the text ("TZ=...") is refused: zones are the caller's.
class CronSchedule {
 public:
  static Result<CronSchedule> Parse(std::string_view text);
  // The first time it fires after `after`; nothing if there is none within five years (30
  // February). `offset_seconds` east of UTC is the zone the fields are read in.
  std::optional<Timestamp> Next(Timestamp after, int offset_seconds = 0) const;

 private:
  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = false;  // either day field is a star: both must match
  std::optional<Nanos> every_;
};

}  // namespace bulwark
