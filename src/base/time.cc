#include "base/time.h"

#include <array>
#include <ctime>

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

}  // namespace bulwark
