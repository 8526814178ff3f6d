#include "base/timezone.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include "base/text.h"
#include "base/time.h"

namespace bulwark {

namespace {

constexpr std::string_view kDatabase = "/usr/share/zoneinfo/";

int64_t BigEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  if (bytes.size() == 4) return static_cast<int32_t>(static_cast<uint32_t>(value));
  return static_cast<int64_t>(value);
}

struct Header {
  size_t isutc, isstd, leap, times, types, chars;
  size_t DataSize(size_t time_bytes) const {
    return times * time_bytes + times + types * 6 + chars + leap * (time_bytes + 4) + isstd + isutc;
  }
};

constexpr size_t kHeaderBytes = 44;

std::optional<Header> ReadHeader(std::string_view data) {
  if (data.size() < kHeaderBytes || !data.starts_with("TZif")) return std::nullopt;
  auto count = [&](size_t i) { return static_cast<size_t>(BigEndian(data.substr(20 + 4 * i, 4))); };
  Header header{count(0), count(1), count(2), count(3), count(4), count(5)};
  for (size_t n :
       {header.isutc, header.isstd, header.leap, header.times, header.types, header.chars}) {
    if (n > kMaxZoneBytes) return std::nullopt;  // also what was negative
  }
  return header;
}

std::optional<int64_t> ReadNumber(std::string_view* text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || value < 0 || value > 1'000'000) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return value;
}

bool Skip(std::string_view* text, char c) {
  if (!text->starts_with(c)) return false;
  text->remove_prefix(1);
  return true;
}

// [+-]hh[:mm[:ss]] in seconds.
std::optional<int64_t> ReadTime(std::string_view* text) {
  int64_t sign = 1;
  if (Skip(text, '-')) {
    sign = -1;
  } else {
    Skip(text, '+');
  }
  int64_t seconds = 0;
  for (int64_t unit : {3600, 60, 1}) {
    if (unit != 3600 && !Skip(text, ':')) break;
    std::optional<int64_t> part = ReadNumber(text);
    if (!part || *part > 167) return std::nullopt;
    seconds += *part * unit;
  }
  return sign * seconds;
}

bool ReadName(std::string_view* text, std::string* name) {
  if (Skip(text, '<')) {
    size_t end = text->find('>');
    if (end == std::string_view::npos) return false;
    *name = text->substr(0, end);
    text->remove_prefix(end + 1);
    return true;
  }
  size_t n = 0;
  while (n < text->size() && IsAsciiLetter((*text)[n])) ++n;
  *name = text->substr(0, n);
  text->remove_prefix(n);
  return n >= 3;
}

}  // namespace

bool TimeZone::ParseRule(std::string_view* text, Rule* rule) {
  if (!Skip(text, ',')) return false;
  if (Skip(text, 'M')) {
    rule->kind = Rule::Kind::kMonthWeekDay;
    auto month = ReadNumber(text);
    if (!month || !Skip(text, '.')) return false;
    auto week = ReadNumber(text);
    if (!week || !Skip(text, '.')) return false;
    auto day = ReadNumber(text);
    if (!day || *month < 1 || *month > 12 || *week < 1 || *week > 5 || *day > 6) return false;
    rule->month = static_cast<int>(*month);
    rule->week = static_cast<int>(*week);
    rule->day = static_cast<int>(*day);
  } else {
    rule->kind = Skip(text, 'J') ? Rule::Kind::kJulian : Rule::Kind::kDayOfYear;
    auto day = ReadNumber(text);
    if (!day || *day > 365) return false;
    rule->day = static_cast<int>(*day);
  }
  if (Skip(text, '/')) {
    auto time = ReadTime(text);
    if (!time) return false;
    rule->time = *time;
  }
  return true;
}

bool TimeZone::ParseFooter(std::string_view text) {
  if (!ReadName(&text, &standard_name_)) return false;
  auto west = ReadTime(&text);
  if (!west) return false;
  standard_ = -*west;
  has_footer_ = true;
  if (text.empty()) return true;
  if (!ReadName(&text, &daylight_name_)) return false;
  daylight_ = standard_ + 3600;
  if (!text.empty() && text[0] != ',') {
    west = ReadTime(&text);
    if (!west) return false;
    daylight_ = -*west;
  }
  has_daylight_ = ParseRule(&text, &start_) && ParseRule(&text, &end_) && text.empty();
  return has_daylight_;
}

int64_t TimeZone::RuleAt(const Rule& rule, int64_t year) {
  int64_t day = 0;
  switch (rule.kind) {
    case Rule::Kind::kMonthWeekDay: {
      int64_t first = DaysFromCivil(year, rule.month, 1);
      int64_t weekday = ((first + 4) % 7 + 7) % 7;  // 1970-01-01 was a Thursday
      int64_t date = (rule.day - weekday + 7) % 7 + 7 * (rule.week - 1);
      while (date >= DaysInMonth(year, rule.month)) date -= 7;
      day = first + date;
      break;
    }
    case Rule::Kind::kJulian: {  // 29 February is never counted
      bool leap = DaysInMonth(year, 2) == 29;
      day = DaysFromCivil(year, 1, 1) + rule.day - 1 + (leap && rule.day >= 60 ? 1 : 0);
      break;
    }
    case Rule::Kind::kDayOfYear: day = DaysFromCivil(year, 1, 1) + rule.day; break;
  }
  return day * 86400 + rule.time;
}

Result<TimeZone> TimeZone::Parse(std::string_view tzif) {
  Error malformed(Code::kInvalid, "malformed time zone data");
  std::optional<Header> header = ReadHeader(tzif);
  if (!header) return malformed;
  size_t time_bytes = 4;
  if (tzif[4] >= '2') {  // a second block with 64-bit times follows
    size_t first = kHeaderBytes + header->DataSize(4);
    if (first > tzif.size()) return malformed;
    tzif.remove_prefix(first);
    header = ReadHeader(tzif);
    if (!header) return malformed;
    time_bytes = 8;
  }
  tzif.remove_prefix(kHeaderBytes);
  size_t size = header->DataSize(time_bytes);
  if (header->types == 0 || size > tzif.size()) return malformed;
  std::string_view times = tzif.substr(0, header->times * time_bytes);
  std::string_view indices = tzif.substr(times.size(), header->times);
  std::string_view types = tzif.substr(times.size() + indices.size(), header->types * 6);

  std::string_view names = tzif.substr(times.size() + indices.size() + types.size(), header->chars);

  TimeZone zone;
  auto offset = [&](size_t type) { return BigEndian(types.substr(type * 6, 4)); };
  auto name = [&](size_t type) {
    size_t at = std::min<size_t>(static_cast<uint8_t>(types[type * 6 + 5]), names.size());
    std::string_view rest = names.substr(at);
    return std::string(rest.substr(0, rest.find('\0')));
  };
  zone.first_offset_ = offset(0);
  zone.first_name_ = name(0);
  zone.changes_.reserve(header->times);
  for (size_t i = 0; i < header->times; ++i) {
    size_t type = static_cast<uint8_t>(indices[i]);
    if (type >= header->types) return malformed;
    zone.changes_.push_back(
        {BigEndian(times.substr(i * time_bytes, time_bytes)), offset(type), name(type)});
    if (i > 0 && zone.changes_[i].at <= zone.changes_[i - 1].at) return malformed;
  }
  std::string_view footer = tzif.substr(size);
  if (time_bytes == 8 && footer.size() > 2 && footer.front() == '\n' && footer.back() == '\n') {
    if (!zone.ParseFooter(footer.substr(1, footer.size() - 2))) return malformed;
  }
  return zone;
}

TimeZone::Local TimeZone::At(int64_t unix_seconds) const {
  if (changes_.empty() ? !has_footer_ : unix_seconds < changes_.front().at) {
    return {first_offset_, first_name_};
  }
  if (!changes_.empty() && (unix_seconds < changes_.back().at || !has_footer_)) {
    auto after = std::upper_bound(changes_.begin(), changes_.end(), unix_seconds,
                                  [](int64_t at, const Change& c) { return at < c.at; });
    const Change& now = *std::prev(after);
    return {now.offset, now.name};
  }
  if (!has_daylight_) return {standard_, standard_name_};
  int64_t year = ToCivil(unix_seconds + standard_).year;
  int64_t start = RuleAt(start_, year) - standard_;
  int64_t end = RuleAt(end_, year) - daylight_;
  bool daylight = start < end ? unix_seconds >= start && unix_seconds < end
                              : unix_seconds >= start || unix_seconds < end;
  if (daylight) return {daylight_, daylight_name_};
  return {standard_, standard_name_};
}

namespace {

// "-08:00", "+5:30", "02:00": as cel-go reads it, hours and minutes of any size that make sense.
Result<int64_t> FixedOffset(std::string_view zone, size_t colon) {
  auto invalid = [&] { return Error(Code::kInvalid, "invalid time zone " + Quote(zone)); };
  std::string_view hours = zone.substr(0, colon);
  std::string_view minutes = zone.substr(colon + 1);
  bool negative = hours.starts_with('-');
  if (negative || hours.starts_with('+')) hours.remove_prefix(1);
  auto number = [](std::string_view text) -> std::optional<int64_t> {
    if (text.empty() || text.size() > 2) return std::nullopt;
    int64_t value = 0;
    for (char c : text) {
      if (!IsAsciiDigit(c)) return std::nullopt;
      value = value * 10 + (c - '0');
    }
    return value;
  };
  std::optional<int64_t> h = number(hours);
  std::optional<int64_t> m = number(minutes);
  if (!h || !m || *h > 23 || *m > 59) return invalid();
  int64_t seconds = *h * 3600 + *m * 60;
  return negative ? -seconds : seconds;
}

bool IsSafeName(std::string_view zone) {
  if (zone.size() > 64 || zone.starts_with('/')) return false;
  for (char c : zone) {
    if (!IsAsciiLetter(c) && !IsAsciiDigit(c) && c != '_' && c != '-' && c != '+' && c != '/') {
      return false;  // no dots: no way out of the database
    }
  }
  return true;
}

std::optional<TimeZone> Load(std::string_view name) {
  std::ifstream file(std::string(kDatabase).append(name), std::ios::binary);
  std::string bytes(kMaxZoneBytes, '\0');
  if (!file || !file.read(bytes.data(), static_cast<std::streamsize>(bytes.size())).eof()) {
    return std::nullopt;
  }
  bytes.resize(static_cast<size_t>(file.gcount()));
  Result<TimeZone> zone = TimeZone::Parse(bytes);
  if (!zone) return std::nullopt;
  return *std::move(zone);
}

}  // namespace

Result<int64_t> OffsetInZone(std::string_view zone, int64_t unix_seconds) {
  return BW_TRY(LocalInZone(zone, unix_seconds))
  .offset;
}

Result<TimeZone::Local> LocalInZone(std::string_view zone, int64_t unix_seconds) {
  if (zone.empty() || zone == "UTC") return TimeZone::Local{0, "UTC"};
  if (size_t colon = zone.find(':'); colon != std::string_view::npos) {
    return TimeZone::Local {
      BW_TRY(FixedOffset(zone, colon))
      , {}
    };
  }
  // Only names that exist are kept, so strangers cannot make this grow.
  static std::shared_mutex mutex;
  static std::map<std::string, TimeZone, std::less<>> zones;
  {
    std::shared_lock lock(mutex);
    if (auto found = zones.find(zone); found != zones.end()) {
      return found->second.At(unix_seconds);
    }
  }
  std::optional<TimeZone> loaded;
  if (IsSafeName(zone)) loaded = Load(zone);
  if (!loaded) return Error(Code::kNotFound, "unknown time zone " + std::string(zone));
  std::unique_lock lock(mutex);
  return zones.emplace(zone, *std::move(loaded)).first->second.At(unix_seconds);
}

}  // namespace bulwark
