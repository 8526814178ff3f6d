#pragma once

// A cron schedule (base/time.h) in a time zone of the IANA database, right around changes of the
// clock:
//   - a time that the clock leaps over in spring happens at the leap, once;
//   - a time that comes twice in autumn happens the first time only, unless the schedule's hour
//     begins with a star: "*/30 * * * *" runs every half hour of real time.
// "@every 10m" knows no zone. Pure, but for the zone's file, which is read once a process.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace bulwark::schedule {

class ZonedCron {
 public:
  // `zone`: "Europe/Berlin", "+02:00"; "" is UTC. Errors: time.cron, schedule.zone (kInvalid).
  static Result<ZonedCron> Parse(std::string_view cron, std::string_view zone);
  // The first time after `after`; nothing if there is none within five years.
  std::optional<Timestamp> Next(Timestamp after) const;

 private:
  ZonedCron(CronSchedule cron, std::string zone, bool every, bool any_hour)
      : cron_(cron), zone_(std::move(zone)), every_(every), any_hour_(any_hour) {}
  int64_t OffsetAt(int64_t seconds) const;
  bool IsSecond(int64_t at) const;
  std::optional<int64_t> FirstChange(int64_t after, int64_t until) const;

  CronSchedule cron_;
  std::string zone_;
  bool every_, any_hour_;
};

}  // namespace bulwark::schedule
