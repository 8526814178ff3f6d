#include "base/time.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <span>
#include <vector>

#include "base/text.h"

namespace bulwark {

namespace {

constexpr int64_t kDay = 86400;
constexpr int64_t kBillion = 1'000'000'000;

int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

}  // namespace

Timestamp Now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return {now.tv_sec, static_cast<int32_t>(now.tv_nsec)};
}

Timestamp operator+(Timestamp at, Nanos by) {
  int64_t nanos = at.nanos + by.count() % kBillion;
  int64_t carry = FloorDiv(nanos, kBillion);
  return {at.seconds + by.count() / kBillion + carry,
          static_cast<int32_t>(nanos - carry * kBillion)};
}

Nanos operator-(Timestamp a, Timestamp b) {
  int64_t seconds = 0;
  int64_t nanos = 0;
  if (__builtin_sub_overflow(a.seconds, b.seconds, &seconds) ||
      __builtin_mul_overflow(seconds, kBillion, &nanos) ||
      __builtin_add_overflow(nanos, int64_t{a.nanos} - b.nanos, &nanos)) {
    return a < b ? Nanos::min() : Nanos::max();
  }
  return Nanos(nanos);
}

// Counts in eras of 400 years (146097 days) that start on 1 March, so that leap days come last.
int64_t DaysFromCivil(int64_t year, int month, int day) {
  year -= month <= 2;
  int64_t era = FloorDiv(year, 400);
  int64_t year_of_era = year - era * 400;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

Civil ToCivil(int64_t unix_seconds) {
  int64_t days = FloorDiv(unix_seconds, kDay);
  auto rest = static_cast<int>(unix_seconds - days * kDay);
  int64_t shifted = days + 719468;
  int64_t era = FloorDiv(shifted, 146097);
  int64_t day_of_era = shifted - era * 146097;
  int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t march_month = (5 * day_of_year + 2) / 153;
  Civil out;
  out.day = static_cast<int>(day_of_year - (153 * march_month + 2) / 5 + 1);
  out.month = static_cast<int>(march_month < 10 ? march_month + 3 : march_month - 9);
  out.year = year_of_era + era * 400 + (out.month <= 2);
  out.hour = rest / 3600;
  out.minute = rest / 60 % 60;
  out.second = rest % 60;
  out.weekday = static_cast<int>(((days + 4) % 7 + 7) % 7);
  out.yearday = static_cast<int>(days - DaysFromCivil(out.year, 1, 1)) + 1;
  return out;
}

int64_t FromCivil(const Civil& civil) {
  return DaysFromCivil(civil.year, civil.month, civil.day) * kDay + civil.hour * 3600 +
         civil.minute * 60 + civil.second;
}

int DaysInMonth(int64_t year, int month) {
  static constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[month - 1];
}

Result<Timestamp> ParseRfc3339(std::string_view text) {
  auto wrong = [&](std::string_view why) {
    return Error(Code::kInvalid, "time.malformed",
                 "malformed time " + Quote(text) + ": " + std::string(why) +
                     "; expected e.g. 2024-01-31T23:59:59Z",
                 {{"text", std::string(text)}});
  };
  size_t at = 0;
  auto number = [&](size_t digits, int& out) {
    out = 0;
    if (text.size() - at < digits) return false;
    for (size_t i = 0; i < digits; ++i, ++at) {
      if (!IsAsciiDigit(text[at])) return false;
      out = out * 10 + (text[at] - '0');
    }
    return true;
  };
  auto sign = [&](char c) { return at < text.size() && text[at] == c && ++at != 0; };
  int year = 0;
  Civil civil;
  if (!number(4, year) || !sign('-') || !number(2, civil.month) || !sign('-') ||
      !number(2, civil.day) || !sign('T') || !number(2, civil.hour) || !sign(':') ||
      !number(2, civil.minute) || !sign(':') || !number(2, civil.second)) {
    return wrong("it does not read year-month-dayThour:minute:second");
  }
  civil.year = year;
  if (civil.month < 1 || civil.month > 12) return wrong("no such month");
  if (civil.day < 1 || civil.day > DaysInMonth(year, civil.month)) return wrong("no such day");
  if (civil.hour > 23 || civil.minute > 59 || civil.second > 59) return wrong("no such hour");
  int32_t nanos = 0;
  if (sign('.')) {
    size_t first = at;
    int32_t scale = 100'000'000;
    for (; at < text.size() && IsAsciiDigit(text[at]); ++at, scale /= 10) {
      nanos += (text[at] - '0') * scale;
    }
    if (at == first) return wrong("no digit after the point");
  }
  int64_t offset = 0;
  if (!sign('Z')) {
    bool west = sign('-');
    int hours = 0;
    int minutes = 0;
    if ((!west && !sign('+')) || !number(2, hours) || !sign(':') || !number(2, minutes)) {
      return wrong("no zone (Z or +hh:mm)");
    }
    if (hours > 23 || minutes > 59) return wrong("no such zone");
    offset = (hours * 60 + minutes) * (west ? -60 : 60);
  }
  if (at != text.size()) return wrong("more after its end");
  return Timestamp{FromCivil(civil) - offset, nanos};
}

std::string FormatRfc3339(Timestamp at) {
  Civil c = ToCivil(at.seconds);
  std::string out;
  auto put = [&](int64_t n, size_t width) {
    std::string digits = std::to_string(n < 0 ? -n : n);
    if (n < 0) out += '-';
    if (digits.size() < width) out.append(width - digits.size(), '0');
    out += digits;
  };
  put(c.year, 4);
  out += '-';
  put(c.month, 2);
  out += '-';
  put(c.day, 2);
  out += 'T';
  put(c.hour, 2);
  out += ':';
  put(c.minute, 2);
  out += ':';
  put(c.second, 2);
  if (at.nanos != 0) {
    out += '.';
    put(at.nanos, 9);
    out.erase(out.find_last_not_of('0') + 1);
  }
  out += 'Z';
  return out;
}

// --- Go's durations ------------------------------------------------------------------------------

namespace {

struct Unit {
  std::string_view name;
  uint64_t nanos;
};
constexpr Unit kUnits[] = {
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000},  // U+00B5, the micro sign
    {"\xce\xbcs", 1000},  // U+03BC, the Greek letter
    {"ms", 1'000'000},
    {"s", kBillion},
    {"m", 60 * uint64_t{kBillion}},
    {"h", 3600 * uint64_t{kBillion}},
};

}  // namespace

Result<Nanos> ParseGoDuration(std::string_view text) {
  auto wrong = [&](std::string_view why) {
    return Error(Code::kInvalid, "time.duration",
                 "malformed duration " + Quote(text) + ": " + std::string(why) +
                     "; expected e.g. 1h30m or 1.5s",
                 {{"text", std::string(text)}});
  };
  constexpr uint64_t kTwo63 = uint64_t{1} << 63;
  std::string_view rest = text;
  bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return Nanos(0);
  if (rest.empty()) return wrong("it is empty");
  uint64_t total = 0;
  while (!rest.empty()) {
    size_t whole_digits = 0;
    uint64_t whole = 0;
    while (whole_digits < rest.size() && IsAsciiDigit(rest[whole_digits])) {
      uint64_t digit = static_cast<uint64_t>(rest[whole_digits++] - '0');
      if (whole > kTwo63 / 10 || (whole = whole * 10 + digit) > kTwo63) {
        return wrong("it is out of range");
      }
    }
    rest.remove_prefix(whole_digits);
    // Of the fraction, digits past what 63 bits hold do not count.
    uint64_t fraction = 0;
    double scale = 1;
    size_t fraction_digits = 0;
    if (rest.starts_with('.')) {
      rest.remove_prefix(1);
      bool full = false;
      while (fraction_digits < rest.size() && IsAsciiDigit(rest[fraction_digits])) {
        uint64_t digit = static_cast<uint64_t>(rest[fraction_digits++] - '0');
        if (full) continue;
        if (fraction > (kTwo63 - 1) / 10 || fraction * 10 + digit > kTwo63) {
          full = true;
          continue;
        }
        fraction = fraction * 10 + digit;
        scale *= 10;
      }
      rest.remove_prefix(fraction_digits);
    }
    if (whole_digits + fraction_digits == 0) return wrong("a number is missing");
    size_t length = 0;
    while (length < rest.size() && rest[length] != '.' && !IsAsciiDigit(rest[length])) ++length;
    if (length == 0) return wrong("a unit is missing");
    const Unit* unit = nullptr;
    for (const Unit& known : kUnits) {
      if (known.name == rest.substr(0, length)) unit = &known;
    }
    if (unit == nullptr) return wrong("no such unit as " + Quote(rest.substr(0, length)));
    rest.remove_prefix(length);
    if (whole > kTwo63 / unit->nanos) return wrong("it is out of range");
    uint64_t part = whole * unit->nanos;
    if (fraction > 0) {
      part += static_cast<uint64_t>(static_cast<double>(fraction) *
                                    (static_cast<double>(unit->nanos) / scale));
      if (part > kTwo63) return wrong("it is out of range");
    }
    if (part > kTwo63 - total) return wrong("it is out of range");
    total += part;
  }
  if (negative) return Nanos(static_cast<int64_t>(0 - total));
  if (total > kTwo63 - 1) return wrong("it is out of range");
  return Nanos(static_cast<int64_t>(total));
}

std::string FormatGoDuration(Nanos duration) {
  if (duration.count() == 0) return "0s";
  bool negative = duration.count() < 0;
  uint64_t nanos = static_cast<uint64_t>(duration.count());
  if (negative) nanos = 0 - nanos;
  // The digits of nanos / 10^places, without trailing zeros of the fraction.
  auto fixed = [](uint64_t number, size_t places) {
    std::string digits = std::to_string(number);
    if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
    digits.insert(digits.size() - places, ".");
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.back() == '.') digits.pop_back();
    return digits;
  };
  std::string out = negative ? "-" : "";
  if (nanos < 1000) return out + std::to_string(nanos) + "ns";
  if (nanos < 1'000'000) return out + fixed(nanos, 3) + "µs";
  if (nanos < kBillion) return out + fixed(nanos, 6) + "ms";
  uint64_t seconds = nanos / kBillion;
  uint64_t hours = seconds / 3600;
  uint64_t minutes = seconds / 60 % 60;
  if (hours > 0) out += std::to_string(hours) + "h";
  if (hours > 0 || minutes > 0) out += std::to_string(minutes) + "m";
  return out + fixed(nanos % (60 * uint64_t{kBillion}), 9) + "s";
}

// --- Cron ----------------------------------------------------------------------------------------

namespace {

struct CronField {
  std::string_view name;
  int first, last;
  std::span<const std::string_view> words;  // of the numbers from `first` on
};

constexpr std::string_view kMonthWords[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                            "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::string_view kDayWords[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

std::optional<int> CronNumber(std::string_view text, const CronField& field) {
  for (size_t i = 0; i < field.words.size(); ++i) {
    if (EqualsIgnoringCase(text, field.words[i])) return field.first + static_cast<int>(i);
  }
  if (text.empty() || text.size() > 4) return std::nullopt;
  int number = 0;
  for (char c : text) {
    if (!IsAsciiDigit(c)) return std::nullopt;
    number = number * 10 + (c - '0');
  }
  return number;
}

Error CronError(std::string_view text, const std::string& why) {
  return Error(Code::kInvalid, "time.cron",
               "malformed schedule " + Quote(text) + ": " + why +
                   "; expected five fields (minute hour day month weekday), e.g. 0 3 * * mon-fri",
               {{"text", std::string(text)}});
}

// A list of ranges: "*/15", "1-5,7", "mon-fri/2", "3/4" (from 3 on). The bits that it sets, and
// whether it was a star.
Result<std::pair<uint64_t, bool>> ReadCronField(std::string_view all, std::string_view text,
                                                const CronField& field) {
  auto wrong = [&](std::string_view part, const std::string& why) {
    return CronError(all, "the " + std::string(field.name) + " " + Quote(part) + " " + why);
  };
  uint64_t bits = 0;
  bool star = false;
  for (std::string_view part : Split(text, ',')) {
    auto stepped = Cut(part, "/");
    std::string_view range = stepped ? stepped->first : part;
    int first = field.first;
    int last = field.last;
    int step = 1;
    if (range == "*" || range == "?") {
      star = star || !stepped || stepped->second == "1";
    } else {
      auto ends = Cut(range, "-");
      auto low = CronNumber(ends ? ends->first : range, field);
      auto high = ends ? CronNumber(ends->second, field) : low;
      if (!low || !high) return wrong(part, "is no number, name or range");
      first = *low;
      last = stepped && !ends ? field.last : *high;
    }
    if (stepped) {
      auto number = CronNumber(stepped->second, {field.name, 0, 0, {}});
      if (!number || *number == 0) return wrong(part, "has no step of one or more");
      step = *number;
    }
    if (first < field.first || last > field.last) {
      return wrong(part, "is not within " + std::to_string(field.first) + " to " +
                             std::to_string(field.last));
    }
    if (first > last) return wrong(part, "ends before it begins");
    for (int i = first; i <= last; i += step) bits |= uint64_t{1} << i;
  }
  return std::pair(bits, star);
}

}  // namespace

Result<CronSchedule> CronSchedule::Parse(std::string_view text) {
  static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
      {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
      {"@hourly", "0 * * * *"},
  };
  std::string_view spelled = text;
  CronSchedule out;
  if (text.starts_with("@every ")) {
    Result<Nanos> every = ParseGoDuration(text.substr(7));
    if (!every) return std::move(every).error();
    // Like the fields, it knows whole seconds only, and at least one.
    int64_t seconds = std::max<int64_t>(every->count() / kBillion, 1);
    out.every_ = std::chrono::seconds(seconds);
    return out;
  }
  if (text.starts_with('@')) {
    for (const auto& [name, fields] : kNames) {
      if (text == name) spelled = fields;
    }
    if (spelled == text) return CronError(text, "no such name");
  }
  if (text.starts_with("TZ=") || text.starts_with("CRON_TZ=")) {
    return CronError(text, "a zone of its own is not supported");
  }
  std::vector<std::string_view> fields = SplitWords(spelled);
  if (fields.size() != 5) {
    return CronError(text, "it has " + std::to_string(fields.size()) + " fields");
  }
  auto minutes = BW_TRY(ReadCronField(text, fields[0], {"minute", 0, 59, {}}));
  auto hours = BW_TRY(ReadCronField(text, fields[1], {"hour", 0, 23, {}}));
  auto days = BW_TRY(ReadCronField(text, fields[2], {"day of the month", 1, 31, {}}));
  auto months = BW_TRY(ReadCronField(text, fields[3], {"month", 1, 12, kMonthWords}));
  auto weekdays = BW_TRY(ReadCronField(text, fields[4], {"day of the week", 0, 6, kDayWords}));
  out.minutes_ = minutes.first;
  out.hours_ = hours.first;
  out.days_ = days.first;
  out.months_ = months.first;
  out.weekdays_ = weekdays.first;
  out.any_day_ = days.second || weekdays.second;
  return out;
}

std::optional<Timestamp> CronSchedule::Next(Timestamp after, int offset_seconds) const {
  if (every_) return Timestamp{after.seconds, 0} + *every_;
  int64_t local = after.seconds + offset_seconds;
  Civil at = ToCivil(local - ((local % 60 + 60) % 60) + 60);
  at.second = 0;
  const int64_t last_year = at.year + 5;
  while (at.year <= last_year) {
    int64_t now = FromCivil(at);
    bool month = months_[static_cast<size_t>(at.month)];
    bool day = days_[static_cast<size_t>(at.day)];
    bool weekday = weekdays_[static_cast<size_t>(at.weekday)];
    if (!month) {
      at = ToCivil(
          FromCivil({.year = at.month == 12 ? at.year + 1 : at.year, .month = at.month % 12 + 1}));
    } else if (any_day_ ? !(day && weekday) : !(day || weekday)) {
      at = ToCivil(FloorDiv(now, kDay) * kDay + kDay);
    } else if (!hours_[static_cast<size_t>(at.hour)]) {
      at = ToCivil(now - at.minute * 60 + 3600);
    } else if (!minutes_[static_cast<size_t>(at.minute)]) {
      at = ToCivil(now + 60);
    } else {
      return Timestamp{now - offset_seconds, 0};
    }
  }
  return std::nullopt;
}

}  // namespace bulwark
