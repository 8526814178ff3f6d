#include "lang/rego/builtins/go_time.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <optional>

#include "base/text.h"

namespace bulwark::rego {

namespace {

constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};

enum class Field {
  kNone,
  kLongMonth,
  kMonth,
  kNumMonth,
  kZeroMonth,
  kLongWeekDay,
  kWeekDay,
  kDay,
  kUnderDay,
  kZeroDay,
  kUnderYearDay,
  kZeroYearDay,
  kHour,
  kHour12,
  kZeroHour12,
  kMinute,
  kZeroMinute,
  kSecond,
  kZeroSecond,
  kLongYear,
  kYear,
  kUpperPm,
  kLowerPm,
  kZoneName,
  kZone,       // numeric, see Piece::zone
  kFraction0,  // .000
  kFraction9,  // .999
};

struct Zone {
  bool z = false;  // Z for UTC
  bool colons = false;
  int parts = 2;  // hours, minutes, seconds
};

struct Piece {
  std::string_view prefix;
  Field field = Field::kNone;
  std::string_view text;  // of the layout
  std::string_view rest;
  Zone zone;
  int digits = 0;  // of a fraction
};

bool DigitAt(std::string_view text, size_t at) {
  return at < text.size() && IsAsciiDigit(text[at]);
}

Piece NextPiece(std::string_view layout) {
  auto found = [&](size_t at, size_t length, Field field) {
    return Piece{.prefix = layout.substr(0, at),
                 .field = field,
                 .text = layout.substr(at, length),
                 .rest = layout.substr(at + length)};
  };
  auto lower_at = [&](size_t at) {
    return at < layout.size() && layout[at] >= 'a' && layout[at] <= 'z';
  };
  struct ZoneForm {
    std::string_view text;
    Zone zone;
  };
  constexpr std::array<ZoneForm, 10> kZones = {{
      {"-070000", {false, false, 3}},
      {"-07:00:00", {false, true, 3}},
      {"-0700", {false, false, 2}},
      {"-07:00", {false, true, 2}},
      {"-07", {false, false, 1}},
      {"Z070000", {true, false, 3}},
      {"Z07:00:00", {true, true, 3}},
      {"Z0700", {true, false, 2}},
      {"Z07:00", {true, true, 2}},
      {"Z07", {true, false, 1}},
  }};
  for (size_t i = 0; i < layout.size(); ++i) {
    std::string_view at = layout.substr(i);
    switch (layout[i]) {
      case 'J':
        if (at.starts_with("January")) return found(i, 7, Field::kLongMonth);
        if (at.starts_with("Jan") && !lower_at(i + 3)) return found(i, 3, Field::kMonth);
        break;
      case 'M':
        if (at.starts_with("Monday")) return found(i, 6, Field::kLongWeekDay);
        if (at.starts_with("Mon") && !lower_at(i + 3)) return found(i, 3, Field::kWeekDay);
        if (at.starts_with("MST")) return found(i, 3, Field::kZoneName);
        break;
      case '0':
        if (at.size() >= 2 && at[1] >= '1' && at[1] <= '6') {
          constexpr std::array<Field, 6> kZero = {Field::kZeroMonth,  Field::kZeroDay,
                                                  Field::kZeroHour12, Field::kZeroMinute,
                                                  Field::kZeroSecond, Field::kYear};
          return found(i, 2, kZero[static_cast<size_t>(at[1] - '1')]);
        }
        if (at.starts_with("002")) return found(i, 3, Field::kZeroYearDay);
        break;
      case '1':
        return at.starts_with("15") ? found(i, 2, Field::kHour) : found(i, 1, Field::kNumMonth);
      case '2':
        return at.starts_with("2006") ? found(i, 4, Field::kLongYear) : found(i, 1, Field::kDay);
      case '_':
        if (at.starts_with("_2006")) {
          Piece piece = found(i + 1, 4, Field::kLongYear);
          return piece;
        }
        if (at.starts_with("_2")) return found(i, 2, Field::kUnderDay);
        if (at.starts_with("__2")) return found(i, 3, Field::kUnderYearDay);
        break;
      case '3': return found(i, 1, Field::kHour12);
      case '4': return found(i, 1, Field::kMinute);
      case '5': return found(i, 1, Field::kSecond);
      case 'P':
        if (at.starts_with("PM")) return found(i, 2, Field::kUpperPm);
        break;
      case 'p':
        if (at.starts_with("pm")) return found(i, 2, Field::kLowerPm);
        break;
      case '-':
      case 'Z':
        for (const ZoneForm& form : kZones) {
          if (!at.starts_with(form.text)) continue;
          Piece piece = found(i, form.text.size(), Field::kZone);
          piece.zone = form.zone;
          return piece;
        }
        break;
      case '.':
      case ',':
        if (at.size() > 1 && (at[1] == '0' || at[1] == '9')) {
          size_t end = i + 1;
          while (end < layout.size() && layout[end] == at[1]) ++end;
          if (!DigitAt(layout, end)) {
            Piece piece = found(i, end - i, at[1] == '0' ? Field::kFraction0 : Field::kFraction9);
            piece.digits = static_cast<int>(end - i - 1);
            return piece;
          }
        }
        break;
      default: break;
    }
  }
  return {.prefix = layout};
}

// time.quote: everything outside printable ASCII as \x escapes.
std::string QuoteForTime(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x80 || byte < 0x20) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

void AppendZone(std::string& out, const Zone& form, int64_t offset) {
  if (form.z && offset == 0) {
    out += 'Z';
    return;
  }
  int64_t absolute = std::abs(offset);
  out += offset < 0 ? '-' : '+';
  out += fmt::format("{:02}", absolute / 3600);
  if (form.parts > 1) {
    if (form.colons) out += ':';
    out += fmt::format("{:02}", absolute / 60 % 60);
  }
  if (form.parts > 2) {
    if (form.colons) out += ':';
    out += fmt::format("{:02}", absolute % 60);
  }
}

// --- Reading -------------------------------------------------------------------------------------

bool Skip(std::string_view& value, std::string_view prefix) {
  auto cut_spaces = [](std::string_view& text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
  };
  while (!prefix.empty()) {
    if (prefix[0] == ' ') {
      if (!value.empty() && value[0] != ' ') return false;
      cut_spaces(prefix);
      cut_spaces(value);
      continue;
    }
    if (value.empty() || value[0] != prefix[0]) return false;
    prefix.remove_prefix(1);
    value.remove_prefix(1);
  }
  return true;
}

// One or two digits; two if `fixed`.
std::optional<int> ReadNumber(std::string_view& value, bool fixed) {
  if (!DigitAt(value, 0)) return std::nullopt;
  if (!DigitAt(value, 1)) {
    if (fixed) return std::nullopt;
    int number = value[0] - '0';
    value.remove_prefix(1);
    return number;
  }
  int number = (value[0] - '0') * 10 + (value[1] - '0');
  value.remove_prefix(2);
  return number;
}

std::optional<int> ReadDayOfYear(std::string_view& value, bool fixed) {
  int number = 0;
  size_t digits = 0;
  while (digits < 3 && DigitAt(value, digits)) number = number * 10 + (value[digits++] - '0');
  if (digits == 0 || (fixed && digits != 3)) return std::nullopt;
  value.remove_prefix(digits);
  return number;
}

std::optional<int> ReadDigits(std::string_view& value, size_t count) {
  if (value.size() < count) return std::nullopt;
  int number = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!DigitAt(value, i)) return std::nullopt;
    number = number * 10 + (value[i] - '0');
  }
  value.remove_prefix(count);
  return number;
}

template <size_t kCount>
std::optional<int> ReadName(std::string_view& value,
                            const std::array<std::string_view, kCount>& names, bool shortened) {
  for (size_t i = 0; i < kCount; ++i) {
    std::string_view name = shortened ? names[i].substr(0, 3) : names[i];
    if (value.size() < name.size() || !EqualsIgnoringCase(value.substr(0, name.size()), name)) {
      continue;
    }
    value.remove_prefix(name.size());
    return static_cast<int>(i);
  }
  return std::nullopt;
}

// "." and digits, `length` of them altogether; digits past the ninth do not count.
std::optional<int32_t> ReadFraction(std::string_view& value, size_t length) {
  if (value.empty() || (value[0] != '.' && value[0] != ',')) return std::nullopt;
  int32_t nanos = 0;
  for (size_t i = 1; i < length; ++i) {
    if (!DigitAt(value, i)) return std::nullopt;
    if (i < 10) nanos = nanos * 10 + (value[i] - '0');
  }
  for (size_t i = length; i < 10; ++i) nanos *= 10;
  value.remove_prefix(length);
  return nanos;
}

size_t SignedOffsetLength(std::string_view value) {
  if (value.empty() || (value[0] != '+' && value[0] != '-')) return 0;
  size_t digits = 0;
  int64_t number = 0;
  while (DigitAt(value, 1 + digits)) {
    number = number * 10 + (value[1 + digits] - '0');
    if (number > 23) return 0;
    ++digits;
  }
  return digits == 0 ? 0 : 1 + digits;
}

// How long the name of a zone is that the value begins with; 0 if there is none.
size_t ZoneNameLength(std::string_view value) {
  if (value.size() < 3) return 0;
  if (value.starts_with("ChST") || value.starts_with("MeST")) return 4;
  if (value.starts_with("GMT")) return 3 + SignedOffsetLength(value.substr(3));
  if (value[0] == '+' || value[0] == '-') return SignedOffsetLength(value);
  size_t upper = 0;
  while (upper < 6 && upper < value.size() && value[upper] >= 'A' && value[upper] <= 'Z') ++upper;
  if (upper == 5 && value[4] == 'T') return 5;
  if (upper == 4 && (value[3] == 'T' || value.starts_with("WITA"))) return 4;
  return upper == 3 ? 3 : 0;
}

struct Parsed {
  int64_t year = 0;
  int month = -1, day = -1, yearday = -1;
  int hour = 0, minute = 0, second = 0;
  int32_t nanos = 0;
  bool pm = false, am = false;
  std::optional<int64_t> offset;
};

}  // namespace

std::string GoFormatTime(Timestamp at, int64_t offset, std::string_view zone,
                         std::string_view layout) {
  Civil civil = ToCivil(at.seconds + offset);
  std::string out;
  while (!layout.empty()) {
    Piece piece = NextPiece(layout);
    out += piece.prefix;
    layout = piece.rest;
    int hour12 = civil.hour % 12 == 0 ? 12 : civil.hour % 12;
    auto month = static_cast<size_t>(civil.month - 1);
    auto weekday = static_cast<size_t>(civil.weekday);
    switch (piece.field) {
      case Field::kNone: return out;
      case Field::kLongMonth: out += kMonths[month]; break;
      case Field::kMonth: out += kMonths[month].substr(0, 3); break;
      case Field::kNumMonth: out += std::to_string(civil.month); break;
      case Field::kZeroMonth: out += fmt::format("{:02}", civil.month); break;
      case Field::kLongWeekDay: out += kDays[weekday]; break;
      case Field::kWeekDay: out += kDays[weekday].substr(0, 3); break;
      case Field::kDay: out += std::to_string(civil.day); break;
      case Field::kUnderDay: out += fmt::format("{:2}", civil.day); break;
      case Field::kZeroDay: out += fmt::format("{:02}", civil.day); break;
      case Field::kUnderYearDay: out += fmt::format("{:3}", civil.yearday); break;
      case Field::kZeroYearDay: out += fmt::format("{:03}", civil.yearday); break;
      case Field::kHour: out += fmt::format("{:02}", civil.hour); break;
      case Field::kHour12: out += std::to_string(hour12); break;
      case Field::kZeroHour12: out += fmt::format("{:02}", hour12); break;
      case Field::kMinute: out += std::to_string(civil.minute); break;
      case Field::kZeroMinute: out += fmt::format("{:02}", civil.minute); break;
      case Field::kSecond: out += std::to_string(civil.second); break;
      case Field::kZeroSecond: out += fmt::format("{:02}", civil.second); break;
      case Field::kLongYear: out += fmt::format("{:04}", civil.year); break;
      case Field::kYear: out += fmt::format("{:02}", civil.year % 100); break;
      case Field::kUpperPm: out += civil.hour >= 12 ? "PM" : "AM"; break;
      case Field::kLowerPm: out += civil.hour >= 12 ? "pm" : "am"; break;
      case Field::kZoneName:
        if (zone.empty()) {
          AppendZone(out, {.z = false, .colons = false, .parts = 2}, offset);
        } else {
          out += zone;
        }
        break;
      case Field::kZone: AppendZone(out, piece.zone, offset); break;
      case Field::kFraction0:
      case Field::kFraction9: {
        std::string digits = fmt::format("{:09}", at.nanos);
        auto count = static_cast<size_t>(piece.digits);
        digits.resize(std::min<size_t>(count, 9));
        digits.append(count - digits.size(), '0');
        if (piece.field == Field::kFraction9) {
          while (digits.ends_with('0')) digits.pop_back();
          if (digits.empty()) break;
        }
        out += piece.text[0];
        out += digits;
        break;
      }
    }
  }
  return out;
}

Result<Timestamp> GoParseTime(std::string_view layout, std::string_view text) {
  auto fail = [whole_layout = layout, text](std::string_view element, std::string_view value,
                                            std::string_view message = {}) {
    if (!message.empty()) {
      return Error(Code::kInvalid, fmt::format("parsing time {}{}", QuoteForTime(text), message));
    }
    return Error(Code::kInvalid, fmt::format("parsing time {} as {}: cannot parse {} as {}",
                                             QuoteForTime(text), QuoteForTime(whole_layout),
                                             QuoteForTime(value), QuoteForTime(element)));
  };
  Parsed t;
  std::string_view value = text;
  while (true) {
    Piece piece = NextPiece(layout);
    if (!Skip(value, piece.prefix)) return fail(piece.prefix, value);
    if (piece.field == Field::kNone) {
      if (!value.empty()) return fail("", value, ": extra text: " + QuoteForTime(value));
      break;
    }
    layout = piece.rest;
    std::string_view hold = value;
    std::string_view range;
    bool bad = false;
    auto take = [&](std::optional<int> number, int& into) {
      bad = !number;
      if (number) into = *number;
    };
    int ignored = 0;
    switch (piece.field) {
      case Field::kNone: break;
      case Field::kYear: {
        int year = 0;
        take(ReadDigits(value, 2), year);
        t.year = year >= 69 ? year + 1900 : year + 2000;
        break;
      }
      case Field::kLongYear: {
        int year = 0;
        take(ReadDigits(value, 4), year);
        t.year = year;
        break;
      }
      case Field::kMonth:
      case Field::kLongMonth:
        take(ReadName(value, kMonths, piece.field == Field::kMonth), t.month);
        if (!bad) ++t.month;
        break;
      case Field::kNumMonth:
      case Field::kZeroMonth:
        take(ReadNumber(value, piece.field == Field::kZeroMonth), t.month);
        if (!bad && (t.month < 1 || t.month > 12)) range = "month";
        break;
      case Field::kWeekDay:
      case Field::kLongWeekDay:
        take(ReadName(value, kDays, piece.field == Field::kWeekDay), ignored);
        break;
      case Field::kDay:
      case Field::kUnderDay:
      case Field::kZeroDay:
        if (piece.field == Field::kUnderDay && value.starts_with(' ')) value.remove_prefix(1);
        take(ReadNumber(value, piece.field == Field::kZeroDay), t.day);
        break;
      case Field::kUnderYearDay:
      case Field::kZeroYearDay:
        for (int i = 0; i < 2; ++i) {
          if (piece.field == Field::kUnderYearDay && value.starts_with(' ')) {
            value.remove_prefix(1);
          }
        }
        take(ReadDayOfYear(value, piece.field == Field::kZeroYearDay), t.yearday);
        break;
      case Field::kHour:
        take(ReadNumber(value, false), t.hour);
        if (t.hour >= 24) range = "hour";
        break;
      case Field::kHour12:
      case Field::kZeroHour12:
        take(ReadNumber(value, piece.field == Field::kZeroHour12), t.hour);
        if (t.hour > 12) range = "hour";
        break;
      case Field::kMinute:
      case Field::kZeroMinute:
        take(ReadNumber(value, piece.field == Field::kZeroMinute), t.minute);
        if (t.minute >= 60) range = "minute";
        break;
      case Field::kSecond:
      case Field::kZeroSecond: {
        take(ReadNumber(value, piece.field == Field::kZeroSecond), t.second);
        if (bad) break;
        if (t.second >= 60) {
          range = "second";
          break;
        }
        // A fraction that the layout does not mention is read all the same.
        if (value.size() >= 2 && (value[0] == '.' || value[0] == ',') && DigitAt(value, 1)) {
          Field next = NextPiece(layout).field;
          if (next == Field::kFraction0 || next == Field::kFraction9) break;
          size_t length = 2;
          while (DigitAt(value, length)) ++length;
          std::optional<int32_t> nanos = ReadFraction(value, length);
          bad = !nanos;
          t.nanos = nanos.value_or(0);
        }
        break;
      }
      case Field::kUpperPm:
      case Field::kLowerPm: {
        std::string_view half = value.substr(0, 2);
        bool upper = piece.field == Field::kUpperPm;
        if (half == (upper ? "PM" : "pm")) {
          t.pm = true;
        } else if (half == (upper ? "AM" : "am")) {
          t.am = true;
        } else {
          bad = true;
        }
        if (!bad) value.remove_prefix(2);
        break;
      }
      case Field::kZone: {
        if (piece.zone.z && value.starts_with('Z')) {
          value.remove_prefix(1);
          t.offset = 0;
          break;
        }
        size_t length = piece.text.size();
        std::string_view form = value.substr(0, length);
        if (form.size() < length) {
          bad = true;
          break;
        }
        int64_t parts[3] = {0, 0, 0};
        size_t at = 1;
        for (int i = 0; i < piece.zone.parts; ++i) {
          if (i > 0 && piece.zone.colons && form[at++] != ':') bad = true;
          std::string_view digits = form.substr(at, 2);
          std::optional<int> number = ReadNumber(digits, true);
          if (!number) bad = true;
          parts[i] = number.value_or(0);
          at += 2;
        }
        value.remove_prefix(length);
        if (form[0] != '+' && form[0] != '-') bad = true;
        if (parts[0] > 24) range = "time zone offset hour";
        if (parts[1] > 60) range = "time zone offset minute";
        if (parts[2] > 60) range = "time zone offset second";
        int64_t offset = (parts[0] * 60 + parts[1]) * 60 + parts[2];
        t.offset = form[0] == '-' ? -offset : offset;
        break;
      }
      case Field::kZoneName: {
        if (value.starts_with("UTC")) {
          value.remove_prefix(3);
          break;
        }
        size_t length = ZoneNameLength(value);
        bad = length == 0;
        value.remove_prefix(length);
        break;
      }
      case Field::kFraction0: {
        size_t length = static_cast<size_t>(piece.digits) + 1;
        bad = value.size() < length;
        if (bad) break;
        std::optional<int32_t> nanos = ReadFraction(value, length);
        bad = !nanos;
        t.nanos = nanos.value_or(0);
        break;
      }
      case Field::kFraction9: {
        if (value.size() < 2 || (value[0] != '.' && value[0] != ',') || !DigitAt(value, 1)) break;
        size_t length = 2;
        while (DigitAt(value, length)) ++length;
        std::optional<int32_t> nanos = ReadFraction(value, length);
        bad = !nanos;
        t.nanos = nanos.value_or(0);
        break;
      }
    }
    if (!range.empty()) {
      return fail(piece.text, value, ": " + std::string(range) + " out of range");
    }
    if (bad) return fail(piece.text, hold);
  }
  if (t.pm && t.hour < 12) t.hour += 12;
  if (t.am && t.hour == 12) t.hour = 0;
  if (t.yearday >= 0) {
    bool leap = DaysInMonth(t.year, 2) == 29;
    if (t.yearday < 1 || t.yearday > (leap ? 366 : 365)) {
      return fail("", value, ": day-of-year out of range");
    }
    int month = 1;
    int day = t.yearday;
    while (day > DaysInMonth(t.year, month)) day -= DaysInMonth(t.year, month++);
    if (t.month >= 0 && t.month != month) {
      return fail("", value, ": day-of-year does not match month");
    }
    if (t.day >= 0 && t.day != day) return fail("", value, ": day-of-year does not match day");
    t.month = month;
    t.day = day;
  }
  if (t.month < 0) t.month = 1;
  if (t.day < 0) t.day = 1;
  if (t.day < 1 || t.day > DaysInMonth(t.year, t.month)) {
    return fail("", value, ": day out of range");
  }
  Civil civil{.year = t.year,
              .month = t.month,
              .day = t.day,
              .hour = t.hour,
              .minute = t.minute,
              .second = t.second};
  return Timestamp{FromCivil(civil) - t.offset.value_or(0), t.nanos};
}

Result<int64_t> GoParseDurationNanos(std::string_view text) {
  if (Result<Nanos> nanos = ParseGoDuration(text)) return nanos->count();
  // Which of Go's messages it is.
  std::string_view rest = text;
  if (rest.starts_with('-') || rest.starts_with('+')) rest.remove_prefix(1);
  while (!rest.empty()) {
    size_t digits = 0;
    while (DigitAt(rest, digits)) ++digits;
    size_t number = digits;
    if (number < rest.size() && rest[number] == '.') {
      ++number;
      while (DigitAt(rest, number)) ++number, ++digits;
    }
    if (digits == 0) break;
    rest.remove_prefix(number);
    size_t length = 0;
    while (length < rest.size() && rest[length] != '.' && !DigitAt(rest, length)) ++length;
    std::string_view unit = rest.substr(0, length);
    if (unit.empty()) {
      return Error(Code::kInvalid, "time: missing unit in duration " + QuoteForTime(text));
    }
    bool known = false;
    for (std::string_view name : {"ns", "us", "µs", "μs", "ms", "s", "m", "h"}) {
      known = known || unit == name;
    }
    if (!known) {
      return Error(Code::kInvalid, fmt::format("time: unknown unit {} in duration {}",
                                               QuoteForTime(unit), QuoteForTime(text)));
    }
    rest.remove_prefix(length);
  }
  return Error(Code::kInvalid, "time: invalid duration " + QuoteForTime(text));
}

}  // namespace bulwark::rego
