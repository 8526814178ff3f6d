#include "formats/yaml_scalar.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "base/time.h"
#include "formats/json.h"

namespace bulwark::yaml {

namespace {

// What the first byte of a plain scalar can begin.
enum Hint : uint8_t { kText = 0, kWord, kPoint, kDigit };

constexpr std::array<uint8_t, 256> MakeHints() {
  std::array<uint8_t, 256> out{};
  for (char c : std::string_view("yYnNtTfFoO~")) out[static_cast<uint8_t>(c)] = kWord;
  for (char c : std::string_view("+-0123456789")) out[static_cast<uint8_t>(c)] = kDigit;
  out['.'] = kPoint;
  return out;
}
constexpr std::array<uint8_t, 256> kHints = MakeHints();

// A word in lower case, Title case or UPPER case, as the list of words has them.
bool IsWord(std::string_view text, std::string_view word) {
  if (text.size() != word.size()) return false;
  if (text == word) return true;
  if (AsciiUpper(word[0]) != text[0]) return false;
  bool upper = text.size() > 1 && text[1] != word[1];
  for (size_t i = 1; i < word.size(); ++i) {
    if (text[i] != (upper ? AsciiUpper(word[i]) : word[i])) return false;
  }
  return true;
}

bool ReadWord(std::string_view text, Value& out) {
  auto is = [&](std::string_view word) { return IsWord(text, word); };
  switch (text.size()) {
    case 0: out = Value::Null(); return true;
    case 1:
      if (text[0] == '~') return out = Value::Null(), true;
      if (is("y")) return out = Value::Bool(true), true;
      if (is("n")) return out = Value::Bool(false), true;
      return false;
    case 2:
      if (is("on")) return out = Value::Bool(true), true;
      if (is("no")) return out = Value::Bool(false), true;
      return false;
    case 3:
      if (is("yes")) return out = Value::Bool(true), true;
      if (is("off")) return out = Value::Bool(false), true;
      return false;
    case 4:
      if (is("true")) return out = Value::Bool(true), true;
      if (is("null")) return out = Value::Null(), true;
      return false;
    case 5:
      if (is("false")) return out = Value::Bool(false), true;
      return false;
    default: return false;
  }
}

// .inf .Inf .INF with a sign or none; .nan .NaN .NAN without.
bool ReadSpecial(std::string_view text, Value& out) {
  if (text == ".nan" || text == ".NaN" || text == ".NAN") {
    out = Value::Double(std::numeric_limits<double>::quiet_NaN());
    return true;
  }
  bool negative = text[0] == '-';
  if (negative || text[0] == '+') text.remove_prefix(1);
  if (text != ".inf" && text != ".Inf" && text != ".INF") return false;
  double infinity = std::numeric_limits<double>::infinity();
  out = Value::Double(negative ? -infinity : infinity);
  return true;
}

// [0-9]* and the place after it.
size_t SkipDigits(std::string_view text, size_t at) {
  while (at < text.size() && IsAsciiDigit(text[at])) ++at;
  return at;
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?, within a double's range.
bool ReadFloat(std::string_view text, Value& out) {
  size_t at = text[0] == '-' || text[0] == '+' ? 1 : 0;
  size_t first = at;
  at = SkipDigits(text, at);
  size_t whole = at - first;
  if (at < text.size() && text[at] == '.') {
    size_t point = at++;
    at = SkipDigits(text, at);
    if (whole == 0 && at == point + 1) return false;
  } else if (whole == 0) {
    return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    size_t exponent = at;
    at = SkipDigits(text, at);
    if (at == exponent) return false;
  }
  if (at != text.size()) return false;
  double number = 0;
  const char* begin = text.data() + (text[0] == '+');
  std::errc error = std::from_chars(begin, text.data() + text.size(), number).ec;
  if (error != std::errc()) {
    // Too small reads as zero, too large is no number. from_chars tells them apart no better.
    number =
        Value::Decimal({begin, static_cast<size_t>(text.data() + text.size() - begin)}).ToDouble();
    if (std::isinf(number)) return false;
  }
  out = Value::Double(number);
  return true;
}

// Go's ParseInt with base 0 on a text without underscores: 0x, 0o, 0b, 0 for octal.
bool ReadInt(std::string_view text, Value& out) {
  bool sign = text[0] == '-' || text[0] == '+';
  bool negative = text[0] == '-';
  std::string_view digits = text.substr(sign);
  int base = 10;
  if (digits.size() > 1 && digits[0] == '0') {
    switch (digits[1] | 0x20) {
      case 'x': base = 16; break;
      case 'o': base = 8; break;
      case 'b': base = 2; break;
      default: base = 0;
    }
    digits.remove_prefix(base == 0 ? 1 : 2);
    if (base == 0) base = 8;
  }
  if (digits.empty() || digits[0] == '-') return false;
  uint64_t magnitude = 0;
  const char* end = digits.data() + digits.size();
  auto [stop, error] = std::from_chars(digits.data(), end, magnitude, base);
  if (stop != end || error != std::errc()) return false;
  constexpr uint64_t kTwo63 = uint64_t{1} << 63;
  if (negative) {
    if (magnitude > kTwo63) return false;
    out = Value::Int(static_cast<int64_t>(0 - magnitude));
  } else if (magnitude < kTwo63) {
    out = Value::Int(static_cast<int64_t>(magnitude));
  } else if (!sign) {
    out = Value::Uint(magnitude);
  } else {
    return false;
  }
  return true;
}

bool ReadNumber(std::string_view text, Value& out) {
  if (text.find('_') == std::string_view::npos) return ReadInt(text, out) || ReadFloat(text, out);
  std::string plain = ReplaceAll(text, "_", "");
  return ReadInt(plain, out) || ReadFloat(plain, out);
}

// One of go-yaml's layouts: 2006-1-2, that and a space and 15:4:5.9, or T or t, the time and a
// zone.
bool IsTimestamp(std::string_view text) {
  size_t at = 0;
  auto number = [&](size_t least, size_t most, int& out) {
    size_t first = at;
    out = 0;
    while (at < text.size() && at - first < most && IsAsciiDigit(text[at])) {
      out = out * 10 + (text[at++] - '0');
    }
    return at - first >= least;
  };
  auto sign = [&](char c) { return at < text.size() && text[at] == c && ++at != 0; };
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!number(4, 4, year) || !sign('-') || !number(1, 2, month) || !sign('-') ||
      !number(1, 2, day)) {
    return false;
  }
  if (month < 1 || month > 12 || day < 1 || day > DaysInMonth(year, month)) return false;
  if (at == text.size()) return true;
  bool zoned = text[at] != ' ';
  if (!sign(' ') && !sign('T') && !sign('t')) return false;
  if (!number(1, 2, hour) || !sign(':') || !number(1, 2, minute) || !sign(':') ||
      !number(1, 2, second) || hour > 23 || minute > 59 || second > 59) {
    return false;
  }
  if (sign('.') || sign(',')) {
    size_t fraction = at;
    at = SkipDigits(text, at);
    if (at == fraction) return false;
  }
  if (zoned && !sign('Z')) {
    if ((!sign('+') && !sign('-')) || !number(2, 2, hour) || !sign(':') || !number(2, 2, minute) ||
        hour > 24 || minute > 60) {
      return false;
    }
  }
  return at == text.size();
}

bool UnderscoresSeparate(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') continue;
    bool between =
        i > 0 && i + 1 < text.size() && IsAsciiDigit(text[i - 1]) && IsAsciiDigit(text[i + 1]);
    if (!between) return false;
  }
  return true;
}

Value ResolvePlain(std::string_view text) {
  Value out;
  switch (text.empty() ? uint8_t{kWord} : kHints[static_cast<uint8_t>(text[0])]) {
    case kWord:
      if (ReadWord(text, out)) return out;
      break;
    case kPoint:
      if (ReadSpecial(text, out)) return out;
      // Go's rule for numbers that begin with the point: underscores stand between digits only.
      if (UnderscoresSeparate(text) && ReadFloat(ReplaceAll(text, "_", ""), out)) return out;
      break;
    case kDigit:
      if (ReadSpecial(text, out) || ReadNumber(text, out)) return out;
      break;
    default: break;
  }
  return Value::String(text);
}

}  // namespace

Tag ReadTag(const char* tag) {
  if (tag == nullptr) return Tag::kNone;
  constexpr std::string_view kPrefix = "tag:yaml.org,2002:";
  std::string_view name(tag);
  if (name.empty()) return Tag::kNone;
  if (!name.starts_with(kPrefix)) return Tag::kOther;
  name.remove_prefix(kPrefix.size());
  constexpr std::pair<std::string_view, Tag> kTags[] = {
      {"str", Tag::kString},    {"bool", Tag::kBool}, {"int", Tag::kInt},
      {"float", Tag::kFloat},   {"null", Tag::kNull}, {"timestamp", Tag::kTimestamp},
      {"binary", Tag::kBinary},
  };
  for (const auto& [known, kind] : kTags) {
    if (name == known) return kind;
  }
  return Tag::kOther;
}

std::optional<Value> Resolve(Tag tag, std::string_view text) {
  switch (tag) {
    case Tag::kString:
    case Tag::kBinary:
    case Tag::kOther: return Value::String(text);
    case Tag::kTimestamp:
      if (!IsTimestamp(text)) return std::nullopt;
      return Value::String(text);
    default: break;
  }
  Value out = ResolvePlain(text);
  switch (tag) {
    case Tag::kNone: return out;
    case Tag::kBool: return out.IsBool() ? std::optional(out) : std::nullopt;
    case Tag::kNull: return out.IsNull() ? std::optional(out) : std::nullopt;
    case Tag::kInt: return out.IsInt() || out.IsUint() ? std::optional(out) : std::nullopt;
    case Tag::kFloat:
      if (out.IsInt()) return Value::Double(static_cast<double>(out.AsInt()));
      return out.IsDouble() ? std::optional(out) : std::nullopt;
    default: BW_UNREACHABLE();
  }
}

Value AfterJson(Value resolved) {
  if (!resolved.IsDouble()) return resolved;
  double number = resolved.AsDouble();
  if (number != std::floor(number) || std::fabs(number) > 9.3e18) return resolved;
  if (number == 0 && std::signbit(number))
    return resolved;  // JSON's -0 is a double (formats/json.h)
  std::string digits;
  AppendJsonDouble(digits, number);
  int64_t whole = 0;
  auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), whole);
  return error == std::errc() ? Value::Int(whole) : resolved;
}

std::optional<std::string> KeyText(const Value& resolved) {
  switch (resolved.kind()) {
    case Value::Kind::kString: return std::string(resolved.AsString());
    case Value::Kind::kBool: return resolved.AsBool() ? "true" : "false";
    case Value::Kind::kInt: return std::to_string(resolved.AsInt());
    case Value::Kind::kDouble: break;
    default: return std::nullopt;
  }
  // Go's FormatFloat(…, 'g', -1, 32).
  auto number = static_cast<float>(resolved.AsDouble());
  if (std::isnan(number)) return ".nan";
  if (std::isinf(number)) return number > 0 ? ".inf" : "-.inf";
  char text[64];
  char* end = std::to_chars(text, text + sizeof text, number, std::chars_format::scientific).ptr;
  std::string_view spelled(text, static_cast<size_t>(end - text));
  size_t e = spelled.find('e');
  int exponent = 0;
  std::from_chars(spelled.data() + e + 1 + (spelled[e + 1] == '+'), end, exponent);
  if (exponent < -4 || exponent >= 6) return std::string(spelled);
  end = std::to_chars(text, text + sizeof text, number, std::chars_format::fixed).ptr;
  return std::string(text, end);
}

}  // namespace bulwark::yaml
