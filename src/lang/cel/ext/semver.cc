#include "lang/cel/ext/semver.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "lang/cel/ext/support.h"

namespace bulwark::cel::ext {
namespace {

Error Bad(std::string message) { return Error(Code::kInvalid, std::move(message)); }

bool AreDigits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), IsAsciiDigit);
}

bool AreIdentifierCharacters(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return IsAsciiLetter(c) || IsAsciiDigit(c) || c == '-'; });
}

Result<uint64_t> ToNumber(std::string_view digits) {
  uint64_t value = 0;
  auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (read.ec == std::errc() && !digits.empty()) return value;
  return Bad("strconv.ParseUint: parsing " + Quote(digits) +
             (digits.empty() ? ": invalid syntax" : ": value out of range"));
}

// `lower` and `upper` name the part in messages.
Result<uint64_t> ReadNumber(std::string_view text, const std::string& lower,
                            const std::string& upper) {
  if (!AreDigits(text)) {
    return Bad("Invalid character(s) found in " + lower + " number " + Quote(text));
  }
  if (text.size() > 1 && text[0] == '0') {
    return Bad(upper + " number must not contain leading zeroes " + Quote(text));
  }
  return ToNumber(text);
}

Result<Semver::PreRelease> ReadPreRelease(std::string_view text) {
  if (text.empty()) return Bad("Prerelease is empty");
  Semver::PreRelease pre;
  if (!AreDigits(text)) {
    if (!AreIdentifierCharacters(text)) {
      return Bad("Invalid character(s) found in prerelease " + Quote(text));
    }
    pre.text = text;
    return pre;
  }
  if (text.size() > 1 && text[0] == '0') {
    return Bad("Numeric PreRelease version must not contain leading zeroes " + Quote(text));
  }
  pre.number = BW_TRY(ToNumber(text));
  return pre;
}

// At most three parts.
std::vector<std::string_view> SplitVersion(std::string_view text) {
  std::vector<std::string_view> parts;
  for (int i = 0; i < 2; ++i) {
    size_t dot = text.find('.');
    if (dot == std::string_view::npos) break;
    parts.push_back(text.substr(0, dot));
    text.remove_prefix(dot + 1);
  }
  parts.push_back(text);
  return parts;
}

template <typename T>
int Three(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

}  // namespace

Result<Semver> Semver::Parse(std::string_view text) {
  if (text.empty()) return Bad("Version string empty");
  std::vector<std::string_view> parts = SplitVersion(text);
  if (parts.size() != 3) return Bad("No Major.Minor.Patch elements found");
  Semver v;
  v.major = BW_TRY(ReadNumber(parts[0], "major", "Major"));
  v.minor = BW_TRY(ReadNumber(parts[1], "minor", "Minor"));
  std::string_view patch = parts[2];
  std::vector<std::string_view> build;
  std::vector<std::string_view> pre;
  if (size_t plus = patch.find('+'); plus != std::string_view::npos) {
    build = Split(patch.substr(plus + 1), '.');
    patch = patch.substr(0, plus);
  }
  if (size_t dash = patch.find('-'); dash != std::string_view::npos) {
    pre = Split(patch.substr(dash + 1), '.');
    patch = patch.substr(0, dash);
  }
  v.patch = BW_TRY(ReadNumber(patch, "patch", "Patch"));
  for (std::string_view part : pre) v.pre.push_back(BW_TRY(ReadPreRelease(part)));
  for (std::string_view part : build) {
    if (part.empty()) return Bad("Build meta data is empty");
    if (!AreIdentifierCharacters(part)) {
      return Bad("Invalid character(s) found in build meta data " + Quote(part));
    }
    v.build.emplace_back(part);
  }
  return v;
}

Result<Semver> Semver::ParseNormalized(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  std::vector<std::string> parts;
  for (std::string_view part : SplitVersion(text)) {
    std::string plain(part);
    if (plain.size() > 1) {
      plain.erase(0, std::min(plain.find_first_not_of('0'), plain.size()));
      if (plain.empty() || !IsAsciiDigit(plain[0])) plain.insert(0, "0");
    }
    parts.push_back(std::move(plain));
  }
  if (parts.size() < 3 && parts.back().find_first_of("+-") != std::string::npos) {
    return Bad("short version cannot contain PreRelease/Build meta data");
  }
  while (parts.size() < 3) parts.push_back("0");
  return Parse(Join(std::span<const std::string>(parts), "."));
}

int Semver::Compare(const Semver& a, const Semver& b) {
  if (int c = Three(a.major, b.major); c != 0) return c;
  if (int c = Three(a.minor, b.minor); c != 0) return c;
  if (int c = Three(a.patch, b.patch); c != 0) return c;
  // A release stands after what comes before it.
  if (a.pre.empty() || b.pre.empty()) {
    return static_cast<int>(a.pre.empty()) - static_cast<int>(b.pre.empty());
  }
  for (size_t i = 0; i < std::min(a.pre.size(), b.pre.size()); ++i) {
    const PreRelease& x = a.pre[i];
    const PreRelease& y = b.pre[i];
    int c = x.text.empty() && y.text.empty() ? Three(x.number, y.number) : Three(x.text, y.text);
    if (c != 0) return c;
  }
  return Three(a.pre.size(), b.pre.size());
}

std::string Semver::ToString() const {
  std::string out =
      std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  for (size_t i = 0; i < pre.size(); ++i) {
    out += i == 0 ? '-' : '.';
    out += pre[i].text.empty() ? std::to_string(pre[i].number) : pre[i].text;
  }
  for (size_t i = 0; i < build.size(); ++i) out += (i == 0 ? "+" : ".") + build[i];
  return out;
}

namespace {

Result<Semver> Read(std::span<const Value> args) {
  bool normalize = args.size() == 2 && args[1].AsBool();
  std::string_view text = args[0].AsString();
  return normalize ? Semver::ParseNormalized(text) : Semver::Parse(text);
}

Value ToSemver(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s") && !Match(args, "sb")) return NoSuchOverload(ctx);
  Result<Semver> version = Read(args);
  if (!version) return ctx.Error(version.error().message());
  return Value::FromOpaque(ctx.arena.Own<SemverValue>(*std::move(version)));
}

Value IsSemver(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s") && !Match(args, "sb")) return NoSuchOverload(ctx);
  return Value::Bool(Read(args).has_value());
}

Value IsGreater(int order) { return Value::Bool(order > 0); }
Value IsLess(int order) { return Value::Bool(order < 0); }
Value CompareTo(int order) { return Value::Int(order); }

template <Value (*kResult)(int)>
Value Binary(CallContext& ctx, std::span<const Value> args) {
  if (args.size() != 2) return NoSuchOverload(ctx);
  const SemverValue* a = As<SemverValue>(args[0]);
  const SemverValue* b = As<SemverValue>(args[1]);
  if (a == nullptr || b == nullptr) return NoSuchOverload(ctx);
  return kResult(Semver::Compare(a->semver(), b->semver()));
}

template <uint64_t Semver::* kNumber>
Value Number(CallContext& ctx, std::span<const Value> args) {
  const SemverValue* v = args.size() == 1 ? As<SemverValue>(args[0]) : nullptr;
  if (v == nullptr) return NoSuchOverload(ctx);
  return Value::Int(static_cast<int64_t>(v->semver().*kNumber));
}

Library MakeLibrary(int version) {
  const Type b = Type::Bool();
  const Type i = Type::Int();
  const Type s = Type::String();
  const Type v = StructNamed(SemverValue::kTypeName);
  Library lib;
  lib.name = "kubernetes.Semver";
  lib.functions = {
      {"semver", {Global("string_to_semver", {s}, v, ToSemver, kTraversal)}},
      {"isSemver", {Global("is_semver_string", {s}, b, IsSemver, kTraversal)}},
      {"isGreaterThan", {Member("semver_is_greater_than", {v, v}, b, Binary<IsGreater>)}},
      {"isLessThan", {Member("semver_is_less_than", {v, v}, b, Binary<IsLess>)}},
      {"compareTo", {Member("semver_compare_to", {v, v}, i, Binary<CompareTo>)}},
      {"major", {Member("semver_major", {v}, i, Number<&Semver::major>)}},
      {"minor", {Member("semver_minor", {v}, i, Number<&Semver::minor>)}},
      {"patch", {Member("semver_patch", {v}, i, Number<&Semver::patch>)}},
  };
  if (version >= 1) {
    lib.functions[0].overloads.push_back(
        Global("string_bool_to_semver", {s, b}, v, ToSemver, kTraversal));
    lib.functions[1].overloads.push_back(
        Global("is_semver_string_bool", {s, b}, b, IsSemver, kTraversal));
  }
  return lib;
}

}  // namespace

const Library& Semvers(int version) {
  static const std::array<Library, 2> kLibraries = {MakeLibrary(0), MakeLibrary(1)};
  return kLibraries[static_cast<size_t>(std::clamp(version, 0, 1))];
}

}  // namespace bulwark::cel::ext
