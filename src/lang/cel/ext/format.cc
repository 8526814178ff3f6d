#include "lang/cel/ext/format.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/time.h"
#include "lang/cel/ext/go_url.h"
#include "lang/cel/ext/support.h"

namespace bulwark::cel::ext {
namespace {

using Problems = std::vector<std::string>;

constexpr std::string_view kLabel = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
constexpr std::string_view kSubdomain =
    "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
constexpr std::string_view kLabel1035 = "[a-z]([-a-z0-9]*[a-z0-9])?";
constexpr std::string_view kQualifiedName = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
constexpr std::string_view kLabelValue = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
constexpr size_t kMaxLabel = 63;
constexpr size_t kMaxSubdomain = 253;

std::string TooLong(size_t limit) {
  return "must be no more than " + std::to_string(limit) + " characters";
}
constexpr char kNonEmpty[] = "must be non-empty";

std::string Mismatch(std::string_view message, std::string_view pattern,
                     std::initializer_list<std::string_view> examples) {
  std::string out = std::string(message) + " (e.g. ";
  bool first = true;
  for (std::string_view example : examples) {
    if (!first) out += " or ";
    first = false;
    out += "'" + std::string(example) + "', ";
  }
  return out + "regex used for validation is '" + std::string(pattern) + "')";
}

// --- The patterns above, by hand -----------------------------------------------------------------

bool IsLowerAlphanumeric(char c) { return (c >= 'a' && c <= 'z') || IsAsciiDigit(c); }
bool IsAlphanumeric(char c) { return IsAsciiLetter(c) || IsAsciiDigit(c); }

bool IsLabel(std::string_view text) {
  return !text.empty() && IsLowerAlphanumeric(text.front()) && IsLowerAlphanumeric(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return IsLowerAlphanumeric(c) || c == '-'; });
}

bool IsLabel1035(std::string_view text) { return IsLabel(text) && !IsAsciiDigit(text.front()); }

bool IsSubdomain(std::string_view text) {
  std::vector<std::string_view> labels = Split(text, '.');
  return std::all_of(labels.begin(), labels.end(), IsLabel);
}

bool IsNamePart(std::string_view text) {
  return !text.empty() && IsAlphanumeric(text.front()) && IsAlphanumeric(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return IsAlphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

// --- Kubernetes' names ---------------------------------------------------------------------------

Problems Label(std::string_view text) {
  Problems out;
  if (text.size() > kMaxLabel) out.push_back(TooLong(kMaxLabel));
  if (IsLabel(text)) return out;
  if (IsSubdomain(text)) {
    out.push_back("must not contain dots");
  } else {
    out.push_back(Mismatch(
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
        "must start and end with an alphanumeric character",
        kLabel, {"my-name", "123-abc"}));
  }
  return out;
}

Problems Subdomain(std::string_view text) {
  Problems out;
  if (text.size() > kMaxSubdomain) out.push_back(TooLong(kMaxSubdomain));
  if (!IsSubdomain(text)) {
    out.push_back(Mismatch(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
        "'.', and must start and end with an alphanumeric character",
        kSubdomain, {"example.com"}));
  }
  return out;
}

Problems Label1035(std::string_view text) {
  Problems out;
  if (text.size() > kMaxLabel) out.push_back(TooLong(kMaxLabel));
  if (!IsLabel1035(text)) {
    out.push_back(Mismatch(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
        "alphabetic character, and end with an alphanumeric character",
        kLabel1035, {"my-name", "abc-123"}));
  }
  return out;
}

// A prefix may end with a dash: something will follow.
template <Problems (*kCheck)(std::string_view)>
Problems AsPrefix(std::string_view text) {
  if (text.size() <= 1 || !text.ends_with('-')) return kCheck(text);
  // Kubernetes replaces the last two characters, not one; so the one before the dash is not looked
  // at.
  return kCheck(std::string(text.substr(0, text.size() - 2)) + "a");
}

Problems QualifiedName(std::string_view text) {
  const std::string mismatch = Mismatch(
      "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
      "alphanumeric character",
      kQualifiedName, {"MyName", "my.name", "123-abc"});
  std::vector<std::string_view> parts = Split(text, '/');
  if (parts.size() > 2) {
    return {"a qualified name " + mismatch +
            " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"};
  }
  Problems out;
  if (parts.size() == 2) {
    Problems prefix = parts[0].empty() ? Problems{kNonEmpty} : Subdomain(parts[0]);
    for (const std::string& problem : prefix) out.push_back("prefix part " + problem);
  }
  std::string_view name = parts.back();
  if (name.empty()) {
    out.push_back(std::string("name part ") + kNonEmpty);
  } else if (name.size() > kMaxLabel) {
    out.push_back("name part " + TooLong(kMaxLabel));
  }
  if (!IsNamePart(name)) out.push_back("name part " + mismatch);
  return out;
}

Problems LabelValue(std::string_view text) {
  Problems out;
  if (text.size() > kMaxLabel) out.push_back(TooLong(kMaxLabel));
  if (!text.empty() && !IsNamePart(text)) {
    out.push_back(Mismatch(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
        "'.', and must start and end with an alphanumeric character",
        kLabelValue, {"MyValue", "my_value", "12345"}));
  }
  return out;
}

// --- OpenAPI's formats ---------------------------------------------------------------------------

Problems Uri(std::string_view text) {
  Result<GoUrl> url = GoUrl::ParseRequestUri(text);
  if (url) return {};
  return {url.error().message()};
}

// 8-4-4-4-12 hexadecimal digits, each dash optional.
Problems Uuid(std::string_view text) {
  Problems wrong = {"does not match the UUID format"};
  size_t at = 0;
  for (size_t length : {8, 4, 4, 4, 12}) {
    if (at > 0 && at < text.size() && text[at] == '-') ++at;
    for (size_t i = 0; i < length; ++i, ++at) {
      bool hex = at < text.size() && std::string_view("0123456789abcdefABCDEF").contains(text[at]);
      if (!hex) return wrong;
    }
  }
  if (at != text.size()) return wrong;
  return {};
}

Problems Byte(std::string_view text) {
  bool ok = !text.empty() && text.size() % 4 == 0;
  size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  for (char c : text.substr(0, text.size() - std::min(padding, text.size()))) {
    ok = ok && (IsAlphanumeric(c) || c == '+' || c == '/');
  }
  if (ok) return {};
  return {"invalid base64"};
}

bool AreDigits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), IsAsciiDigit);
}
int Number(std::string_view digits) {
  int n = 0;
  for (char c : digits) n = n * 10 + (c - '0');
  return n;
}

// 2006-01-02
bool IsDate(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  std::string_view year = text.substr(0, 4);
  std::string_view month = text.substr(5, 2);
  std::string_view day = text.substr(8, 2);
  if (!AreDigits(year) || !AreDigits(month) || !AreDigits(day)) return false;
  int m = Number(month);
  int d = Number(day);
  return m >= 1 && m <= 12 && d >= 1 && d <= DaysInMonth(Number(year), m);
}

Problems Date(std::string_view text) {
  if (IsDate(text)) return {};
  return {"invalid date"};
}

// hh:mm:ss, any character and digits, then z or ±hh:mm, in lower case.
bool IsTime(std::string_view text) {
  if (text.size() < 9 || text[2] != ':' || text[5] != ':') return false;
  std::string_view hour = text.substr(0, 2);
  std::string_view minute = text.substr(3, 2);
  std::string_view second = text.substr(6, 2);
  if (!AreDigits(hour) || !AreDigits(minute) || !AreDigits(second)) return false;
  if (hour > "23" || minute > "59" || second > "59") return false;
  auto is_zone = [](std::string_view zone) {
    return zone == "z" ||
           (zone.size() == 6 && (zone[0] == '+' || zone[0] == '-') &&
            AreDigits(zone.substr(1, 2)) && zone[3] == ':' && AreDigits(zone.substr(4)));
  };
  std::string_view rest = text.substr(8);
  if (is_zone(rest)) return true;
  if (rest[0] == '\n') return false;
  rest.remove_prefix(DecodeUtf8(rest, 0).length);
  size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
  return digits > 0 && is_zone(rest.substr(digits));
}

Problems DateTime(std::string_view text) {
  std::string lower = AsciiLower(text);
  std::vector<std::string_view> parts = Split(std::string_view(lower), 't');
  // What follows another t is not looked at, as in the original.
  if (text.size() >= 4 && parts.size() >= 2 && IsDate(parts[0]) && IsTime(parts[1])) return {};
  return {"invalid datetime"};
}

// --- CEL -----------------------------------------------------------------------------------------

constexpr uint64_t kUuidPattern = 70;
constexpr uint64_t kDateTimePattern = 71;

Value MakeFormat(const NamedFormat& format) {
  static const std::vector<FormatValue> kValues = [] {
    std::vector<FormatValue> values;
    for (const NamedFormat& f : NamedFormats()) values.emplace_back(&f);
    return values;
  }();
  return Value::FromOpaque(&kValues[static_cast<size_t>(&format - NamedFormats().data())]);
}

template <size_t kIndex>
Value Constant(CallContext& ctx, std::span<const Value> args) {
  if (!args.empty()) return NoSuchOverload(ctx);
  return MakeFormat(NamedFormats()[kIndex]);
}

Value Named(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s")) return NoSuchOverload(ctx);
  const NamedFormat* format = FindNamedFormat(args[0].AsString());
  if (format == nullptr) return NoneOptional();
  return MakeOptional(ctx.arena, MakeFormat(*format));
}

Value Validate(CallContext& ctx, std::span<const Value> args) {
  const FormatValue* format = args.size() == 2 ? As<FormatValue>(args[0]) : nullptr;
  if (format == nullptr || !args[1].IsString()) return NoSuchOverload(ctx);
  Problems problems = format->format().validate(args[1].AsString());
  if (problems.empty()) return NoneOptional();
  std::vector<std::string_view> views(problems.begin(), problems.end());
  return MakeOptional(ctx.arena, StringList(ctx.arena, views));
}

// As matching a regular expression of the format's size.
constexpr Cost kValidate = {
    [](std::span<const Value> args, const Value&) {
      const FormatValue* format = As<FormatValue>(args[0]);
      uint64_t pattern = format != nullptr ? format->format().pattern_size : 0;
      return SaturatingMultiply(Scale(SaturatingAdd(SizeOf(args[1]), 1), kStringFactor),
                                Scale(pattern, kRegexFactor));
    },
    [](CostContext& ctx, const Expr*,
       std::span<const Expr* const> args) -> std::optional<CallEstimate> {
      constexpr double kMaxPattern = 128;
      if (args.empty()) return std::nullopt;
      Range text = MultiplyByFactor(ctx.SizeOf(args[0]), kStringFactor);
      return CallEstimate{MultiplyByFactor(text, kMaxPattern * kRegexFactor), std::nullopt};
    }};

template <size_t... kIndices>
std::array<Function, sizeof...(kIndices)> Constants(std::index_sequence<kIndices...>) {
  return {Constant<kIndices>...};
}

}  // namespace

std::span<const NamedFormat> NamedFormats() {
  static constexpr NamedFormat kFormats[] = {
      {"dns1123Label", "DNS1123Label", 30, Label},
      {"dns1123Subdomain", "DNS1123Subdomain", 60, Subdomain},
      {"dns1035Label", "DNS1035Label", 30, Label1035},
      {"qualifiedName", "QualifiedName", 60, QualifiedName},
      {"dns1123LabelPrefix", "DNS1123LabelPrefix", 30, AsPrefix<Label>},
      {"dns1123SubdomainPrefix", "DNS1123SubdomainPrefix", 60, AsPrefix<Subdomain>},
      {"dns1035LabelPrefix", "DNS1035LabelPrefix", 30, AsPrefix<Label1035>},
      {"labelValue", "LabelValue", 40, LabelValue},
      {"uri", "URI", 1103, Uri},
      {"uuid", "uuid", kUuidPattern, Uuid},
      {"byte", "byte", 84, Byte},
      {"date", "date", kDateTimePattern, Date},
      {"datetime", "datetime", kDateTimePattern, DateTime},
  };
  return kFormats;
}

const NamedFormat* FindNamedFormat(std::string_view name) {
  for (const NamedFormat& format : NamedFormats()) {
    if (format.name == name) return &format;
  }
  return nullptr;
}

const Library& Formats() {
  static const Library kLibrary = [] {
    const Type s = Type::String();
    const Type format = StructNamed(FormatValue::kTypeName);
    Library lib;
    lib.name = "kubernetes.format";
    lib.functions = {
        {"validate",
         {Member("format-validate", {format, s}, OptionalOf(ListOf(s)), Validate, kValidate)}},
        {"format.named", {Global("format-named", {s}, OptionalOf(format), Named)}},
    };
    constexpr size_t kCount = 13;
    const auto constants = Constants(std::make_index_sequence<kCount>());
    BW_CHECK(NamedFormats().size() == kCount);
    for (size_t i = 0; i < kCount; ++i) {
      std::string_view name = Keep("format." + std::string(NamedFormats()[i].name));
      lib.functions.push_back({name, {Global(name, {}, format, constants[i])}});
    }
    return lib;
  }();
  return kLibrary;
}

}  // namespace bulwark::cel::ext
