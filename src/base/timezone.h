#pragma once

// Time zones by name ("Europe/Berlin") from the system's tz database, or as a fixed offset
// ("+02:00"), as CEL reads it. Zones are read once (TZif, RFC 8536, at most
// kMaxZoneBytes) and kept for the life of the process; any thread may ask.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bulwark {

inline constexpr size_t kMaxZoneBytes = size_t{1} << 20;

class TimeZone {
 public:
  // Of the bytes of a TZif file.
  static Result<TimeZone> Parse(std::string_view tzif);

  // Seconds east of UTC at an instant, within the years 0001 to 9999.
  int64_t OffsetAt(int64_t unix_seconds) const { return At(unix_seconds).offset; }
  // The same, and what the zone is called then: "CET", "CEST", "-03". The name lives as long as the
  // zone.
  struct Local {
    int64_t offset = 0;
    std::string_view name;
  };
  Local At(int64_t unix_seconds) const;

 private:
  // A day of the year on which daylight saving starts or ends (POSIX TZ: Mm.w.d, Jn, n).
  struct Rule {
    enum class Kind { kMonthWeekDay, kJulian, kDayOfYear } kind = Kind::kMonthWeekDay;
    int month = 0, week = 0, day = 0;
    int64_t time = 7200;  // seconds of local time; may be negative or past a day
  };
  struct Change {
    int64_t at;
    int64_t offset;  // from then on
    std::string name;
  };
  bool ParseFooter(std::string_view text);
  static bool ParseRule(std::string_view* text, Rule* rule);
  static int64_t RuleAt(const Rule& rule, int64_t year);

  std::vector<Change> changes_;
  int64_t first_offset_ = 0;  // before the first change
  std::string first_name_;
  // After the last change.
  bool has_footer_ = false;
  bool has_daylight_ = false;
  int64_t standard_ = 0, daylight_ = 0;
  std::string standard_name_, daylight_name_;
  Rule start_, end_;
};

// The offset of a zone at an instant. "" and "UTC" are UTC; fails with kNotFound for a name that
// the database has not ("unknown time zone X") and kInvalid for a malformed offset.
Result<int64_t> OffsetInZone(std::string_view zone, int64_t unix_seconds);
// The same with the zone's name of the time ("CEST"; "UTC" for UTC, "" for an offset), good for the
// life of the process.
Result<TimeZone::Local> LocalInZone(std::string_view zone, int64_t unix_seconds);

}  // namespace bulwark
