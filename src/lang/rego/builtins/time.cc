// time.*: instants are nanoseconds since 1970 as numbers, seen in UTC or, as [ns, "Europe/Berlin"],
// in a zone.

#include "base/time.h"

#include <charconv>
#include <optional>

#include "base/text.h"
#include "base/timezone.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/go_text.h"
#include "lang/rego/builtins/go_time.h"

namespace bulwark::rego {

namespace {

constexpr int64_t kBillion = 1'000'000'000;
constexpr size_t kMaxText = size_t{1} << 16;  // of a layout or a time

struct NamedLayout {
  std::string_view name, layout;
};
constexpr NamedLayout kLayouts[] = {
    {"ANSIC", "Mon Jan _2 15:04:05 2006"},
    {"UnixDate", "Mon Jan _2 15:04:05 MST 2006"},
    {"RubyDate", "Mon Jan 02 15:04:05 -0700 2006"},
    {"RFC822", "02 Jan 06 15:04 MST"},
    {"RFC822Z", "02 Jan 06 15:04 -0700"},
    {"RFC850", "Monday, 02-Jan-06 15:04:05 MST"},
    {"RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"},
    {"RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"},
    {"RFC3339", kGoRfc3339},
    {"RFC3339Nano", kGoRfc3339Nano},
};

std::string_view Layout(std::string_view name) {
  for (const NamedLayout& known : kLayouts) {
    if (known.name == name) return known.layout;
  }
  return name;
}

Outcome GiveTime(Context& c, Timestamp at, Value& out) {
  __extension__ using Wide = __int128;
  Wide nanos = static_cast<Wide>(at.seconds) * kBillion + at.nanos;
  if (nanos < INT64_MIN || nanos > INT64_MAX) return c.Fail("time outside of valid range");
  out = Value::Int(static_cast<int64_t>(nanos));
  return Outcome::kValue;
}

Timestamp FromNanos(int64_t nanos) {
  int64_t rest = nanos % kBillion;
  int64_t seconds = nanos / kBillion;
  if (rest < 0) {
    rest += kBillion;
    --seconds;
  }
  return {seconds, static_cast<int32_t>(rest)};
}

// An operand: an instant, where it is seen, and the layout that may come with it.
struct Moment {
  Timestamp at;
  std::string_view zone, layout;
  TimeZone::Local local;
  Civil civil;
};

Result<TimeZone::Local> LocalAt(std::string_view zone, int64_t seconds) {
  if (zone == "Local") zone = "";  // the machine's own zone is no business of a policy's
  if (zone.find(':') != std::string_view::npos) {
    return Error(Code::kNotFound, "unknown time zone " + std::string(zone));
  }
  if (zone.starts_with('/') || zone.starts_with('\\') ||
      zone.find("..") != std::string_view::npos) {
    return Error(Code::kInvalid, "time: invalid location name");
  }
  return LocalInZone(zone, seconds);
}

Outcome ReadMoment(Context& c, const Value& operand, Moment& moment) {
  Value number = operand;
  if (operand.IsArray() && !operand.empty()) {
    number = operand[0];
    if (!number.IsNumber()) return c.WrongType(1, number, "number");
    for (size_t i = 1; i < std::min<size_t>(operand.size(), 3); ++i) {
      if (!operand[i].IsString()) return c.WrongType(1, operand[i], "string");
    }
    if (operand.size() > 1) moment.zone = operand[1].AsString();
    if (operand.size() > 2) moment.layout = operand[2].AsString();
  } else if (!operand.IsNumber()) {
    return c.WrongType(1, operand, "either number (ns) or [number (ns), string (tz)]");
  }
  // The zone's error comes before the number's.
  Result<TimeZone::Local> local = LocalAt(moment.zone, 0);
  if (!local) return c.Fail(local.error().message());
  std::optional<int64_t> nanos = number.ToInt();
  if (!nanos) return c.Fail("timestamp too big");
  moment.at = FromNanos(*nanos);
  moment.local = *LocalAt(moment.zone, moment.at.seconds);
  moment.civil = ToCivil(moment.at.seconds + moment.local.offset);
  return Outcome::kValue;
}

Value Numbers(Context& c, std::initializer_list<int64_t> numbers) {
  Value* items = c.arena.Array<Value>(numbers.size());
  size_t count = 0;
  for (int64_t number : numbers) items[count++] = Value::Int(number);
  return Value::Array(std::span<const Value>(items, count));
}

Outcome NowNs(Context& c, Args, Value& out) {
  out = Value::Int(c.now_nanos());
  return Outcome::kValue;
}

Outcome ParseNs(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!args[1].IsString()) return c.WrongType(2, args[1], "string");
  if (args[0].size() > kMaxText || args[1].size() > kMaxText) return c.Fail("time too long");
  Result<Timestamp> at = GoParseTime(Layout(args[0].AsString()), args[1].AsString());
  if (!at) return c.Fail(at.error().message());
  return GiveTime(c, *at, out);
}

Outcome ParseRfc3339Ns(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (args[0].size() > kMaxText) return c.Fail("time too long");
  Result<Timestamp> at = GoParseTime(kGoRfc3339, args[0].AsString());
  if (!at) return c.Fail(at.error().message());
  return GiveTime(c, *at, out);
}

// "1d2h30m" → "24h2h30m": days, weeks and years are so many hours. Nothing if it is malformed.
std::optional<std::string> InHours(std::string_view text) {
  std::string out;
  if (text.starts_with('-') || text.starts_with('+')) {
    out += text[0];
    text.remove_prefix(1);
  }
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    size_t digits = 0;
    while (digits < text.size() && (IsAsciiDigit(text[digits]) || text[digits] == '.')) ++digits;
    if (digits == 0) return std::nullopt;
    std::string_view number = text.substr(0, digits);
    text.remove_prefix(digits);
    size_t length = 0;
    for (std::string_view unit : {"ms", "us", "µs", "ns"}) {
      if (length == 0 && text.starts_with(unit)) length = unit.size();
    }
    if (length == 0 && !text.empty() && text[0] >= 'a' && text[0] <= 'z') length = 1;
    if (length == 0) return std::nullopt;
    std::string_view unit = text.substr(0, length);
    text.remove_prefix(length);
    double hours = unit == "d" ? 24 : unit == "w" ? 7 * 24 : unit == "y" ? 365 * 24 : 0;
    if (hours == 0) {
      out.append(number).append(unit);
      continue;
    }
    double value = 0;
    auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value,
                                        std::chars_format::fixed);
    if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
    out += GoFloat(value * hours, 'f') + "h";
  }
  return out;
}

Outcome ParseDurationNs(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  std::string_view text = args[0].AsString();
  if (text.size() > kMaxText) return c.Fail("duration too long");
  if (text.empty()) return c.Fail("time: invalid duration \"\"");
  std::string in_hours;
  bool extended = text.find_first_of("dwy") != std::string_view::npos;
  if (extended) {
    std::optional<std::string> rewritten = InHours(text);
    if (!rewritten) return c.Fail("time: invalid duration " + GoQuote(text));
    in_hours = *std::move(rewritten);
  }
  Result<int64_t> nanos = GoParseDurationNanos(extended ? std::string_view(in_hours) : text);
  if (!nanos) {
    std::string message = nanos.error().message();
    if (extended) message = message.substr(0, message.rfind(' ')) + " " + GoQuote(text);
    return c.Fail(message);
  }
  out = Value::Int(*nanos);
  return Outcome::kValue;
}

Outcome Format(Context& c, Args args, Value& out) {
  Moment moment;
  if (Outcome read = ReadMoment(c, args[0], moment); read != Outcome::kValue) return read;
  if (moment.layout.size() > kMaxText) return c.Fail("layout too long");
  std::string_view layout = moment.layout.empty() ? kGoRfc3339Nano : Layout(moment.layout);
  out = Value::String(c.arena,
                      GoFormatTime(moment.at, moment.local.offset, moment.local.name, layout));
  return Outcome::kValue;
}

Outcome Date(Context& c, Args args, Value& out) {
  Moment moment;
  if (Outcome read = ReadMoment(c, args[0], moment); read != Outcome::kValue) return read;
  out = Numbers(c, {moment.civil.year, moment.civil.month, moment.civil.day});
  return Outcome::kValue;
}

Outcome Clock(Context& c, Args args, Value& out) {
  Moment moment;
  if (Outcome read = ReadMoment(c, args[0], moment); read != Outcome::kValue) return read;
  out = Numbers(c, {moment.civil.hour, moment.civil.minute, moment.civil.second});
  return Outcome::kValue;
}

Outcome Weekday(Context& c, Args args, Value& out) {
  Moment moment;
  if (Outcome read = ReadMoment(c, args[0], moment); read != Outcome::kValue) return read;
  constexpr std::string_view kNames[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                         "Thursday", "Friday", "Saturday"};
  out = Value::String(kNames[moment.civil.weekday]);
  return Outcome::kValue;
}

Outcome AddDate(Context& c, Args args, Value& out) {
  Moment moment;
  if (Outcome read = ReadMoment(c, args[0], moment); read != Outcome::kValue) return read;
  int64_t add[3];
  for (size_t i = 0; i < 3; ++i) {
    const Value& number = args[i + 1];
    if (!number.IsNumber()) return c.WrongType(i + 2, number, "number");
    std::optional<int64_t> whole = number.ToInt();
    if (!whole) {
      return c.BadOperand(i + 2, "must be integer number but got floating-point number");
    }
    add[i] = *whole;
  }
  // Past these, no sum is within the range of 64 bits of nanoseconds.
  constexpr int64_t kYears = 1'000'000;
  auto too_far = [](int64_t n, int64_t limit) { return n > limit || n < -limit; };
  if (too_far(add[0], kYears) || too_far(add[1], kYears * 12) || too_far(add[2], kYears * 366)) {
    return c.Fail("time outside of valid range");
  }
  int64_t months = moment.civil.year * 12 + (moment.civil.month - 1) + add[0] * 12 + add[1];
  int64_t year = months >= 0 ? months / 12 : (months - 11) / 12;
  int64_t days = DaysFromCivil(year, static_cast<int>(months - year * 12) + 1, 1) +
                 moment.civil.day - 1 + add[2];
  int64_t local =
      days * 86400 + moment.civil.hour * 3600 + moment.civil.minute * 60 + moment.civil.second;
  // The offset that holds then: first guessed from the local time taken for UTC.
  int64_t offset = LocalAt(moment.zone, local)->offset;
  offset = LocalAt(moment.zone, local - offset)->offset;
  return GiveTime(c, {local - offset, moment.at.nanos}, out);
}

// Years, months, days, hours, minutes and seconds from the earlier to the later, as a calendar
// counts them.
Outcome Diff(Context& c, Args args, Value& out) {
  Moment a;
  Moment b;
  if (Outcome read = ReadMoment(c, args[0], a); read != Outcome::kValue) return read;
  if (Outcome read = ReadMoment(c, args[1], b); read != Outcome::kValue) return read;
  b.zone = a.zone;
  b.local = *LocalAt(a.zone, b.at.seconds);
  b.civil = ToCivil(b.at.seconds + b.local.offset);
  const Civil& from = a.at > b.at ? b.civil : a.civil;
  const Civil& to = a.at > b.at ? a.civil : b.civil;
  int64_t parts[] = {to.year - from.year, to.month - from.month,   to.day - from.day,
                     to.hour - from.hour, to.minute - from.minute, to.second - from.second};
  // What is negative borrows from the next larger unit; a month has the days of the first one.
  const int64_t sizes[] = {0, 12, DaysInMonth(from.year, from.month), 24, 60, 60};
  for (size_t i = 5; i > 0; --i) {
    if (parts[i] >= 0) continue;
    parts[i] += sizes[i];
    --parts[i - 1];
  }
  out = Numbers(c, {parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]});
  return Outcome::kValue;
}

constexpr Builtin kTime[] = {
    {.name = "time.now_ns", .type = "() -> now: number", .call = NowNs, .nondeterministic = true},
    {"time.parse_ns", "(layout: string, value: string) -> ns: number", ParseNs},
    {"time.parse_rfc3339_ns", "(value: string) -> ns: number", ParseRfc3339Ns},
    {"time.parse_duration_ns", "(duration: string) -> ns: number", ParseDurationNs},
    {"time.format",
     "(x: number | array<number, string> | array<number, string, string>) -> formatted timestamp: "
     "string",
     Format},
    {"time.date", "(x: number | array<number, string>) -> date: array<number, number, number>",
     Date},
    {"time.clock", "(x: number | array<number, string>) -> output: array<number, number, number>",
     Clock},
    {"time.weekday", "(x: number | array<number, string>) -> day: string", Weekday},
    {"time.add_date", "(ns: number, years: number, months: number, days: number) -> output: number",
     AddDate},
    {"time.diff",
     "(ns1: number | array<number, string>, ns2: number | array<number, string>) -> output: "
     "array<number, number, number, number, number, number>",
     Diff},
};

}  // namespace

std::span<const Builtin> TimeBuiltins() { return kTime; }

}  // namespace bulwark::rego
