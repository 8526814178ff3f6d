#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"
#include "lang/cel/ext/strings.h"
#include "lang/cel/ext/support.h"
#include "lang/cel/stdlib_convert.h"

namespace bulwark::cel::ext {
namespace {

constexpr int kDefaultPrecision = 6;
constexpr int kMaxPrecision = 1000;
constexpr int kMaxNesting = 500;

// The shortest digits that read back as the same double: ± 0.digits × 10^point.
struct Shortest {
  bool negative;
  std::string digits;
  int point;
};

Shortest ShortestDigits(double d) {
  char buffer[64];
  auto end =
      std::to_chars(buffer, buffer + sizeof buffer, std::abs(d), std::chars_format::scientific);
  std::string_view text(buffer, static_cast<size_t>(end.ptr - buffer));
  size_t e = text.find('e');
  std::string_view exponent = text.substr(e + 1);
  if (exponent[0] == '+') exponent.remove_prefix(1);
  int power = 0;
  std::from_chars(exponent.data(), exponent.data() + exponent.size(), power);
  Shortest out{std::signbit(d), {}, power + 1};
  for (char c : text.substr(0, e)) {
    if (c != '.') out.digits += c;
  }
  return out;
}

// strconv.FormatFloat(d, 'f', -1, 64) of a finite number.
std::string PlainDouble(double d) {
  if (d == 0) return std::signbit(d) ? "-0" : "0";
  Shortest s = ShortestDigits(d);
  std::string out = s.negative ? "-" : "";
  int count = static_cast<int>(s.digits.size());
  if (s.point <= 0) return out + "0." + std::string(static_cast<size_t>(-s.point), '0') + s.digits;
  if (s.point >= count) {
    return out + s.digits + std::string(static_cast<size_t>(s.point - count), '0');
  }
  return out + s.digits.substr(0, static_cast<size_t>(s.point)) + "." +
         s.digits.substr(static_cast<size_t>(s.point));
}

std::string Seconds(const Value& duration) {
  double seconds =
      static_cast<double>(duration.seconds()) + static_cast<double>(duration.nanos()) / 1e9;
  return PlainDouble(seconds) + "s";
}

bool IsPrintable(char32_t c) {
  if (c < 0x20 || c == 0x7F) return false;
  if (c < 0x7F) return true;
  static constexpr std::pair<char32_t, char32_t> kHidden[] = {
      {0x80, 0xA0},     {0xAD, 0xAD},       {0x600, 0x605},     {0x61C, 0x61C},   {0x6DD, 0x6DD},
      {0x70F, 0x70F},   {0x1680, 0x1680},   {0x180E, 0x180E},   {0x2000, 0x200F}, {0x2028, 0x202F},
      {0x205F, 0x206F}, {0x3000, 0x3000},   {0xD800, 0xF8FF},   {0xFEFF, 0xFEFF}, {0xFFF0, 0xFFFB},
      {0xFFFE, 0xFFFF}, {0xE0000, 0xE00FF}, {0xE01F0, 0x10FFFF}};
  return std::none_of(std::begin(kHidden), std::end(kHidden),
                      [c](auto range) { return c >= range.first && c <= range.second; });
}

// strconv.Quote of Go.
std::string GoQuote(std::string_view text) {
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    CodePoint c = DecodeUtf8(text, at);
    unsigned char byte = static_cast<unsigned char>(text[at]);
    at += c.length;
    if (!c.valid) {
      out += fmt::format("\\x{:02x}", byte);
      continue;
    }
    switch (c.value) {
      case '\a': out += "\\a"; continue;
      case '\b': out += "\\b"; continue;
      case '\f': out += "\\f"; continue;
      case '\n': out += "\\n"; continue;
      case '\r': out += "\\r"; continue;
      case '\t': out += "\\t"; continue;
      case '\v': out += "\\v"; continue;
      case '\\': out += "\\\\"; continue;
      case '"': out += "\\\""; continue;
      default: break;
    }
    uint32_t code = c.value;
    if (IsPrintable(c.value)) {
      AppendUtf8(out, c.value);
    } else if (code < 0x80) {
      out += fmt::format("\\x{:02x}", code);
    } else if (code < 0x10000) {
      out += fmt::format("\\u{:04x}", code);
    } else {
      out += fmt::format("\\U{:08x}", code);
    }
  }
  return out + '"';
}

// One call of format(). Each writer appends to out_ and returns "" or what is wrong.
class Formatter {
 public:
  Formatter(CallContext& ctx, std::span<const Value> args, bool specified)
      : ctx_(ctx), args_(args), spec_(specified) {}

  Value Run(std::string_view text) {
    size_t next = 0;
    for (size_t at = 0; at < text.size();) {
      if (!Fits(ctx_, out_.size())) return TooLarge(ctx_);
      if (text[at] != '%') {
        size_t end = std::min(text.find('%', at), text.size());
        out_ += text.substr(at, end - at);
        at = end;
        continue;
      }
      if (at + 1 < text.size() && text[at + 1] == '%') {
        out_ += '%';
        at += 2;
        continue;
      }
      if (next >= args_.size()) return ctx_.Error(fmt::format("index {} out of range", next));
      if (++at >= text.size()) return ctx_.Error("unexpected end of string");
      std::string problem = Clause(text, at, args_[next++]);
      if (too_large_) return TooLarge(ctx_);
      if (!problem.empty()) return ctx_.Error(problem);
    }
    if (!Fits(ctx_, out_.size())) return TooLarge(ctx_);
    return Value::String(ctx_.arena, out_);
  }

 private:
  // The clause that begins at `at`, past the percent sign.
  std::string Clause(std::string_view text, size_t& at, const Value& arg) {
    int precision = kDefaultPrecision;
    if (text[at] == '.') {
      size_t start = ++at;
      while (at < text.size() && IsAsciiDigit(text[at])) ++at;
      std::string problem;
      std::string digits(text.substr(start, at - start));
      auto read = std::from_chars(digits.data(), digits.data() + digits.size(), precision);
      if (at >= text.size()) {
        problem = "could not find end of precision specifier";
      } else if (digits.empty()) {
        problem =
            "error while converting precision to integer: strconv.Atoi: parsing \"\": invalid "
            "syntax";
      } else if (digits.size() > 18) {
        problem = "error while converting precision to integer: strconv.Atoi: parsing \"" +
                  digits.substr(0, 100) + "\": value out of range";
      } else if (read.ec != std::errc() || precision > kMaxPrecision) {
        problem = fmt::format("precision is more than {}", kMaxPrecision);
      }
      if (!problem.empty()) {
        return "could not parse formatting clause: error while parsing precision: " + problem;
      }
    }
    unsigned char verb = static_cast<unsigned char>(text[at++]);
    std::string problem;
    switch (verb) {
      case 's': problem = spec_ ? Plain(arg, 0) : Text(arg, 0); break;
      case 'd': problem = Decimal(arg); break;
      case 'f': problem = Float(arg, precision, false); break;
      case 'e': problem = Float(arg, precision, true); break;
      case 'b': problem = Binary(arg); break;
      case 'x': problem = Hex(arg, false); break;
      case 'X': problem = Hex(arg, true); break;
      case 'o': problem = Octal(arg); break;
      default: {
        std::string shown;
        AppendUtf8(shown, verb);
        return "could not parse formatting clause: unrecognized formatting clause \"" + shown +
               "\"";
      }
    }
    return problem.empty() ? problem : "error during formatting: " + problem;
  }

  std::string Wrong(std::string_view old_wording, std::string_view wording, const Value& arg) {
    return fmt::format("{}, was given {}", spec_ ? wording : old_wording, TypeNameOf(arg));
  }
  std::string WrongText(const Value& arg) {
    constexpr std::string_view kWording =
        "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, "
        "types, durations, and timestamps";
    return Wrong(kWording, kWording, arg);
  }

  // Whether writing has to stop. The caller's error then does not matter.
  bool Stop(int depth) {
    if (!Fits(ctx_, out_.size()) || depth > kMaxNesting) too_large_ = true;
    return too_large_;
  }

  // %s of the specification: what string() gives, nested without quotes.
  std::string Plain(const Value& arg, int depth) {
    if (Stop(depth)) return "";
    if (std::optional<std::span<const Value>> items = ListItems(arg)) {
      out_ += '[';
      for (size_t i = 0; i < items->size(); ++i) {
        if (i > 0) out_ += ", ";
        std::string problem = Plain((*items)[i], depth + 1);
        if (!problem.empty()) return problem;
        if (too_large_) return "";
      }
      out_ += ']';
      return "";
    }
    switch (arg.kind()) {
      case Value::Kind::kBool: out_ += arg.AsBool() ? "true" : "false"; return "";
      case Value::Kind::kInt: out_ += std::to_string(arg.AsInt()); return "";
      case Value::Kind::kUint: out_ += std::to_string(arg.AsUint()); return "";
      case Value::Kind::kDouble: out_ += SpecDouble(arg.AsDouble()); return "";
      case Value::Kind::kString: out_ += arg.AsString(); return "";
      case Value::Kind::kBytes: out_ += ToValidUtf8(arg.AsString()); return "";
      case Value::Kind::kNull: out_ += "null"; return "";
      case Value::Kind::kDuration: out_ += Seconds(arg); return "";
      case Value::Kind::kTimestamp:
        out_ += FormatRfc3339(Timestamp{arg.seconds(), arg.nanos()});
        return "";
      case Value::Kind::kMap:
        return Entries(
            arg, depth, ": ", [this](const Value& v, int d) { return Plain(v, d); },
            [this](const Value& v, int d) { return Plain(v, d); });
      default:
        if (HasTag(arg, kTypeTag)) {
          out_ += static_cast<const TypeValue*>(arg.AsOpaque())->name();
          return "";
        }
        return WrongText(arg);
    }
  }

  // A map's entries in the order of their keys as written.
  template <typename Key, typename Item>
  std::string Entries(const Value& map, int depth, std::string_view colon, Key write_key,
                      Item write_item) {
    std::vector<std::pair<std::string, std::string>> entries;
    std::string before = std::exchange(out_, "");
    std::string problem;
    uint64_t written = before.size();
    for (const Value::Entry& entry : map.entries()) {
      problem = write_key(entry.key, depth + 1);
      std::string key = std::exchange(out_, "");
      if (problem.empty() && !too_large_) problem = write_item(entry.value, depth + 1);
      entries.emplace_back(std::move(key), std::exchange(out_, ""));
      written += entries.back().first.size() + entries.back().second.size();
      if (!Fits(ctx_, written)) too_large_ = true;
      if (!problem.empty() || too_large_) break;
    }
    out_ = std::move(before);
    if (!problem.empty() || too_large_) return problem;
    std::stable_sort(entries.begin(), entries.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    out_ += '{';
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_ += ", ";
      out_.append(entries[i].first).append(colon).append(entries[i].second);
    }
    out_ += '}';
    return "";
  }

  // %s before the specification: CEL's string() at the top, CEL's literals inside lists and maps.
  std::string Text(const Value& arg, int depth) {
    if (ListItems(arg) || arg.IsMap()) return Literal(arg, depth);
    switch (arg.kind()) {
      case Value::Kind::kDouble: out_ += FormatDouble(arg.AsDouble()); return "";
      case Value::Kind::kBytes:
        if (!IsUtf8(arg.AsString())) {
          return "could not convert argument \"invalid UTF-8 in bytes, cannot convert to string\" "
                 "to string";
        }
        out_ += arg.AsString();
        return "";
      default: return Plain(arg, depth);
    }
  }

  std::string Literal(const Value& arg, int depth) {
    if (Stop(depth)) return "";
    if (std::optional<std::span<const Value>> items = ListItems(arg)) {
      out_ += '[';
      for (size_t i = 0; i < items->size(); ++i) {
        if (i > 0) out_ += ", ";
        std::string problem = Literal((*items)[i], depth + 1);
        if (!problem.empty()) return problem;
        if (too_large_) return "";
      }
      out_ += ']';
      return "";
    }
    switch (arg.kind()) {
      case Value::Kind::kString: out_ += GoQuote(arg.AsString()); return "";
      case Value::Kind::kBytes: {
        if (!IsUtf8(arg.AsString())) return Text(arg, depth);
        out_ += "b" + GoQuote(arg.AsString());
        return "";
      }
      case Value::Kind::kDouble: {
        double d = arg.AsDouble();
        out_ += std::isfinite(d) ? fmt::format("{:.6f}", d) : "\"" + FormatDouble(d) + "\"";
        return "";
      }
      case Value::Kind::kTimestamp:
        out_ += "timestamp(\"" + FormatRfc3339(Timestamp{arg.seconds(), arg.nanos()}) + "\")";
        return "";
      case Value::Kind::kDuration: out_ += "duration(\"" + Seconds(arg) + "\")"; return "";
      case Value::Kind::kMap:
        return Entries(
            arg, depth, ":",
            [this](const Value& key, int d) {
              if (key.IsDouble() || !IsComparable(key)) {
                return "no formatting function for map key of type " + std::string(TypeNameOf(key));
              }
              return Literal(key, d);
            },
            [this](const Value& v, int d) { return Literal(v, d); });
      default:
        if (arg.IsOpaque() && !HasTag(arg, kTypeTag)) {
          return "no formatting function for " + std::string(TypeNameOf(arg));
        }
        return Plain(arg, depth);
    }
  }

  static std::string SpecDouble(double d) {
    if (std::isnan(d)) return "NaN";
    if (std::isinf(d)) return d > 0 ? "Infinity" : "-Infinity";
    return PlainDouble(d);
  }

  std::string Decimal(const Value& arg) {
    if (arg.IsInt() || arg.IsUint() || (spec_ && arg.IsDouble())) return Plain(arg, 0);
    return Wrong("decimal clause can only be used on integers",
                 "decimal clause can only be used on ints, uints, and doubles", arg);
  }

  std::string Float(const Value& arg, int precision, bool scientific) {
    double d;
    if (arg.IsDouble()) {
      d = arg.AsDouble();
    } else if (spec_ && (arg.IsInt() || arg.IsUint())) {
      d = arg.ToDouble();
    } else if (!spec_ && arg.IsString() && arg.AsString() == "NaN") {
      d = NAN;
    } else if (!spec_ && arg.IsString() && arg.AsString() == "Infinity") {
      d = INFINITY;
    } else if (!spec_ && arg.IsString() && arg.AsString() == "-Infinity") {
      d = -INFINITY;
    } else if (scientific) {
      return Wrong("scientific clause can only be used on doubles",
                   "scientific clause can only be used on ints, uints, and doubles", arg);
    } else {
      return Wrong("fixed-point clause can only be used on doubles",
                   "fixed-point clause can only be used on ints, uints, and doubles", arg);
    }
    if (!spec_) {
      out_ += scientific ? LocalScientific(d, precision) : LocalFixed(d, precision);
    } else if (!std::isfinite(d)) {
      out_ += SpecDouble(d);
    } else {
      out_ +=
          scientific ? fmt::format("{:.{}e}", d, precision) : fmt::format("{:.{}f}", d, precision);
    }
    return "";
  }

  static std::string LocalSpecial(double d) { return std::isnan(d) ? "NaN" : d > 0 ? "∞" : "-∞"; }

  // 1,234.500000
  static std::string LocalFixed(double d, int precision) {
    if (!std::isfinite(d)) return LocalSpecial(d);
    if (d == 0) d = 0;  // no sign
    std::string plain = fmt::format("{:.{}f}", d, precision);
    size_t whole_start = plain[0] == '-' ? 1 : 0;
    size_t whole_end = std::min(plain.find('.'), plain.size());
    std::string out = plain.substr(0, whole_start);
    for (size_t i = whole_start; i < whole_end; ++i) {
      if (i > whole_start && (whole_end - i) % 3 == 0) out += ',';
      out += plain[i];
    }
    return out + plain.substr(whole_end);
  }

  // 1.234500×10⁰³: what stands as a precision is a width there.
  static std::string LocalScientific(double d, int width) {
    std::string out;
    if (!std::isfinite(d)) {
      out = LocalSpecial(d);
    } else {
      if (d == 0) d = 0;
      std::string plain = fmt::format("{:.6e}", d);
      size_t e = plain.find('e');
      out = plain.substr(0, e) + "×10";
      static constexpr std::string_view kDigits[] = {"⁰", "¹", "²", "³", "⁴",
                                                     "⁵", "⁶", "⁷", "⁸", "⁹"};
      for (char c : plain.substr(e + 1)) {
        if (c == '-') out += "⁻";
        if (IsAsciiDigit(c)) out += kDigits[c - '0'];
      }
    }
    size_t length = CountCodePoints(out);
    if (length < static_cast<size_t>(width)) {
      out.insert(0, static_cast<size_t>(width) - length, ' ');
    }
    return out;
  }

  // In base 2, 8 or 16, with a sign.
  std::string InBase(const Value& arg, int base, bool upper) {
    char buffer[80];
    auto end = arg.IsInt() ? std::to_chars(buffer, buffer + sizeof buffer, arg.AsInt(), base)
                           : std::to_chars(buffer, buffer + sizeof buffer, arg.AsUint(), base);
    std::string_view digits(buffer, static_cast<size_t>(end.ptr - buffer));
    out_ += upper ? AsciiUpper(digits) : std::string(digits);
    return "";
  }

  std::string Binary(const Value& arg) {
    if (arg.IsBool()) {
      out_ += arg.AsBool() ? '1' : '0';
      return "";
    }
    if (arg.IsInt() || arg.IsUint()) return InBase(arg, 2, false);
    return Wrong("only integers and bools can be formatted as binary",
                 "only ints, uints, and bools can be formatted as binary", arg);
  }

  std::string Hex(const Value& arg, bool upper) {
    if (arg.IsString() || arg.IsBytes()) {
      if (!Fits(ctx_, out_.size() + 2 * arg.size())) {
        too_large_ = true;
        return "";
      }
      std::string digits = HexEncode(arg.AsString());
      out_ += upper ? AsciiUpper(digits) : digits;
      return "";
    }
    if (arg.IsInt() || arg.IsUint()) return InBase(arg, 16, upper);
    return Wrong("only integers, byte buffers, and strings can be formatted as hex",
                 "only ints, uints, bytes, and strings can be formatted as hex", arg);
  }

  std::string Octal(const Value& arg) {
    if (arg.IsInt() || arg.IsUint()) return InBase(arg, 8, false);
    return Wrong("octal clause can only be used on integers",
                 "octal clause can only be used on ints and uints", arg);
  }

  CallContext& ctx_;
  std::span<const Value> args_;
  bool spec_;  // the wording and the output of the specification
  bool too_large_ = false;
  std::string out_;
};

}  // namespace

Value FormatString(CallContext& ctx, std::string_view text, std::span<const Value> args,
                   int version) {
  return Formatter(ctx, args, version >= 4).Run(text);
}

}  // namespace bulwark::cel::ext
