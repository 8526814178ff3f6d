#include <algorithm>
#include <array>

#include "base/text.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/format.h"
#include "lang/rego/builtins/number.h"
#include "lang/rego/builtins/support.h"

namespace bulwark::rego {

namespace {

// All arguments from 0 to `count` must be strings.
bool StringArguments(Context& c, Args args, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (args[i].IsString()) continue;
    c.WrongType(i + 1, args[i], "string");
    return false;
  }
  return true;
}

// A part of an argument: shares its memory.
Outcome GiveView(Value& out, std::string_view text) { return Give(out, Value::String(text)); }

template <typename Apply>
Outcome OfTwo(Context& c, Args args, Value& out, Apply apply) {
  if (!StringArguments(c, args, 2)) return Outcome::kError;
  if (!SpendText(c, args[0].size())) return Outcome::kHalt;
  return Give(out, apply(args[0].AsString(), args[1].AsString()));
}

Outcome Contains(Context& c, Args args, Value& out) {
  return OfTwo(c, args, out, [](auto s, auto part) { return s.find(part) != s.npos; });
}
Outcome StartsWith(Context& c, Args args, Value& out) {
  return OfTwo(c, args, out, [](auto s, auto part) { return s.starts_with(part); });
}
Outcome EndsWith(Context& c, Args args, Value& out) {
  return OfTwo(c, args, out, [](auto s, auto part) { return s.ends_with(part); });
}

Outcome StringsCount(Context& c, Args args, Value& out) {
  return OfTwo(c, args, out, [](std::string_view s, std::string_view part) {
    if (part.empty()) return Value::Int(static_cast<int64_t>(CountCodePoints(s)) + 1);
    int64_t count = 0;
    for (size_t at = s.find(part); at != s.npos; at = s.find(part, at + part.size())) ++count;
    return Value::Int(count);
  });
}

// --- Places --------------------------------------------------------------------------------------

constexpr std::string_view kEmptySearch = "empty search character";

Outcome IndexOf(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 2)) return Outcome::kError;
  std::string_view text = args[0].AsString();
  std::string_view part = args[1].AsString();
  if (part.empty()) return c.Fail(kEmptySearch);
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  size_t at = text.find(part);
  if (at == text.npos) return Give(out, Value::Int(-1));
  return Give(out, Value::Int(static_cast<int64_t>(CountCodePoints(text.substr(0, at)))));
}

Outcome IndexOfN(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 2)) return Outcome::kError;
  std::string_view text = args[0].AsString();
  std::string_view part = args[1].AsString();
  if (part.empty()) return c.Fail(kEmptySearch);
  std::vector<Value> places;
  int64_t points = 0;
  size_t counted = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) {
    points += static_cast<int64_t>(CountCodePoints(text.substr(counted, at - counted)));
    counted = at;
    places.push_back(Value::Int(points));
    if (!c.Spend(1)) return Outcome::kHalt;
  }
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  return Give(out, Value::Array(c.arena, places));
}

// The offset of a code point; the text's size past its end.
size_t OffsetOf(std::string_view text, uint64_t points) {
  size_t at = 0;
  while (points > 0 && at < text.size()) {
    at += DecodeUtf8(text, at).length;
    --points;
  }
  return at;
}

Outcome Substring(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 1)) return Outcome::kError;
  int64_t start = 0;
  int64_t length = 0;
  if (!IntArgument(c, args, 1, start) || !IntArgument(c, args, 2, length)) return Outcome::kError;
  if (start < 0) return c.Fail("negative offset");
  std::string_view text = args[0].AsString();
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  if (IsAscii(text)) {
    text = text.substr(std::min(static_cast<size_t>(start), text.size()));
    return GiveView(out, length < 0 ? text : text.substr(0, static_cast<size_t>(length)));
  }
  text = text.substr(OffsetOf(text, static_cast<uint64_t>(start)));
  if (length >= 0) text = text.substr(0, OffsetOf(text, static_cast<uint64_t>(length)));
  return GiveView(out, text);
}

// --- Splitting, joining --------------------------------------------------------------------------

// At most `most` parts; with an empty separator, between code points.
std::vector<Value> SplitText(std::string_view text, std::string_view separator, size_t most) {
  std::vector<Value> parts;
  if (separator.empty()) {
    for (size_t at = 0; at < text.size();) {
      size_t length = parts.size() + 1 == most ? text.size() - at : DecodeUtf8(text, at).length;
      parts.push_back(Value::String(text.substr(at, length)));
      at += length;
    }
    return parts;
  }
  size_t begin = 0;
  while (parts.size() + 1 < most) {
    size_t end = text.find(separator, begin);
    if (end == text.npos) break;
    parts.push_back(Value::String(text.substr(begin, end - begin)));
    begin = end + separator.size();
  }
  parts.push_back(Value::String(text.substr(begin)));
  return parts;
}

Outcome SplitAt(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 2)) return Outcome::kError;
  std::vector<Value> parts = SplitText(args[0].AsString(), args[1].AsString(), SIZE_MAX);
  if (!c.Spend(parts.size()) || !SpendText(c, args[0].size())) return Outcome::kHalt;
  return Give(out, Value::Array(c.arena, parts));
}

Outcome SplitN(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 2)) return Outcome::kError;
  int64_t n = 0;
  if (!IntArgument(c, args, 2, n)) return Outcome::kError;
  // n from the left, or -n from the right.
  size_t most = n >= 0 ? static_cast<size_t>(n) + 1 : SIZE_MAX;
  std::vector<Value> parts = SplitText(args[0].AsString(), args[1].AsString(), most);
  if (!c.Spend(parts.size()) || !SpendText(c, args[0].size())) return Outcome::kHalt;
  std::span<const Value> kept = parts;
  if (n >= 0) {
    kept = kept.first(std::min(kept.size(), static_cast<size_t>(n)));
  } else {
    kept = kept.last(std::min<uint64_t>(kept.size(), -static_cast<uint64_t>(n)));
  }
  return Give(out, Value::Array(c.arena, kept));
}

Outcome Concat(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 1)) return Outcome::kError;
  const Value& list = args[1];
  if (!list.IsArray() && !list.IsSet()) return c.WrongType(2, list, "one of {set, array}");
  std::string_view separator = args[0].AsString();
  size_t size = 0;
  for (const Value& item : list.items()) {
    if (!item.IsString()) return WrongElement(c, 2, list, item, "string");
    size += item.size() + separator.size();
  }
  if (list.empty()) return GiveView(out, "");
  if (list.size() == 1) return Give(out, list.items()[0]);
  size -= separator.size();
  if (size > UINT32_MAX || !c.Spend(list.size()) || !SpendText(c, size)) return Outcome::kHalt;
  char* text = c.arena.Array<char>(size);
  char* at = std::ranges::copy(list.items()[0].AsString(), text).out;
  for (const Value& item : list.items().subspan(1)) {
    at = std::ranges::copy(separator, at).out;
    at = std::ranges::copy(item.AsString(), at).out;
  }
  return GiveView(out, {text, size});
}

// --- Replacing -----------------------------------------------------------------------------------

struct Replacement {
  std::string_view from, to;
};

// All at once, from left to right; of those that match at a place, the first in order is taken. An
// empty one matches before each byte and at the end, where nothing else did. False: too much work.
bool ReplaceEach(Context& c, std::string_view text, std::span<const Replacement> all,
                 std::string& out) {
  std::array<bool, 256> begins{};
  bool empty = false;
  for (const Replacement& one : all) {
    if (one.from.empty()) {
      empty = true;
    } else {
      begins[static_cast<uint8_t>(one.from[0])] = true;
    }
  }
  bool after_empty = false;
  size_t copied = 0;
  size_t at = 0;
  while (at <= text.size()) {
    if (!empty && (at == text.size() || !begins[static_cast<uint8_t>(text[at])])) {
      ++at;
      after_empty = false;
      continue;
    }
    std::string_view rest = text.substr(at);
    auto found = std::ranges::find_if(all, [&](const Replacement& one) {
      return one.from.empty() ? !after_empty : rest.starts_with(one.from);
    });
    if (!c.Spend(1 + (all.size() / 16))) return false;
    after_empty = found != all.end() && found->from.empty();
    if (found == all.end()) {
      ++at;
      continue;
    }
    out.append(text.substr(copied, at - copied)).append(found->to);
    if (out.size() > UINT32_MAX || !SpendText(c, found->to.size())) return false;
    at += found->from.size();
    copied = at;
  }
  out.append(text.substr(copied));
  return true;
}

Outcome Replace(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 3)) return Outcome::kError;
  std::string_view text = args[0].AsString();
  Replacement one{args[1].AsString(), args[2].AsString()};
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  if (!one.from.empty() && text.find(one.from) == text.npos) return Give(out, args[0]);
  std::string result;
  if (!ReplaceEach(c, text, {&one, 1}, result)) return Outcome::kHalt;
  return GiveText(c, out, result);
}

Outcome ReplaceN(Context& c, Args args, Value& out) {
  if (!args[0].IsMap()) return c.WrongType(1, args[0], "object");
  if (!args[1].IsString()) return c.WrongType(2, args[1], "string");
  std::vector<Replacement> all;
  for (const Value::Entry& entry : SortedEntries(args[0], c.arena)) {
    if (!entry.key.IsString()) {
      return c.BadOperand(1, "non-string key found in pattern object");
    }
    if (!entry.value.IsString()) {
      return c.BadOperand(1, "non-string value found in pattern object");
    }
    all.push_back({entry.key.AsString(), entry.value.AsString()});
  }
  if (all.empty()) return Give(out, args[1]);
  std::string result;
  if (!ReplaceEach(c, args[1].AsString(), all, result)) return Outcome::kHalt;
  return GiveText(c, out, result);
}

// --- Trimming ------------------------------------------------------------------------------------

bool IsSpace(char32_t c) {
  if (c < 0x80) return IsAsciiSpace(static_cast<char>(c));
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

template <typename Drop>
std::string_view TrimmedLeft(std::string_view text, Drop drop) {
  while (!text.empty()) {
    CodePoint c = DecodeUtf8(text, 0);
    if (!drop(c.value)) break;
    text.remove_prefix(c.length);
  }
  return text;
}

template <typename Drop>
std::string_view TrimmedRight(std::string_view text, Drop drop) {
  while (!text.empty()) {
    size_t at = text.size() - 1;
    while (at > 0 && text.size() - at < 4 && (static_cast<uint8_t>(text[at]) & 0xc0) == 0x80) --at;
    if (DecodeUtf8(text, at).length != text.size() - at) at = text.size() - 1;
    if (!drop(DecodeUtf8(text, at).value)) break;
    text = text.substr(0, at);
  }
  return text;
}

enum class Side : uint8_t { kLeft, kRight, kBoth };

template <Side kSide>
Outcome TrimSet(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 2)) return Outcome::kError;
  std::string_view text = args[0].AsString();
  std::string_view set = args[1].AsString();
  if (!c.Spend((text.size() / 100 + 1) * (set.size() / 100 + 1))) return Outcome::kHalt;
  std::u32string points;
  for (CodePoint point : CodePoints(set)) points += point.value;
  auto drop = [&](char32_t point) { return points.find(point) != points.npos; };
  if (kSide != Side::kRight) text = TrimmedLeft(text, drop);
  if (kSide != Side::kLeft) text = TrimmedRight(text, drop);
  return GiveView(out, text);
}

Outcome TrimPrefix(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 2)) return Outcome::kError;
  std::string_view text = args[0].AsString();
  if (text.starts_with(args[1].AsString())) text.remove_prefix(args[1].size());
  return GiveView(out, text);
}

Outcome TrimSuffix(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 2)) return Outcome::kError;
  std::string_view text = args[0].AsString();
  if (text.ends_with(args[1].AsString())) text.remove_suffix(args[1].size());
  return GiveView(out, text);
}

Outcome TrimSpace(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 1)) return Outcome::kError;
  return GiveView(out, TrimmedRight(TrimmedLeft(args[0].AsString(), IsSpace), IsSpace));
}

// --- Case, order ---------------------------------------------------------------------------------

template <char32_t (*kMap)(char32_t)>
Outcome MapCase(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 1)) return Outcome::kError;
  std::string_view text = args[0].AsString();
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  size_t at = 0;
  while (at < text.size()) {  // most texts are as they should be
    CodePoint point = DecodeUtf8(text, at);
    if (!point.valid || kMap(point.value) != point.value) break;
    at += point.length;
  }
  if (at == text.size()) return Give(out, args[0]);
  std::string result(text.substr(0, at));
  result.reserve(text.size());
  for (; at < text.size();) {
    CodePoint point = DecodeUtf8(text, at);
    at += point.length;
    AppendUtf8(result, kMap(point.value));
  }
  return GiveText(c, out, result);
}

Outcome StringsReverse(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 1)) return Outcome::kError;
  std::string_view text = args[0].AsString();
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  char* reversed = c.arena.Array<char>(text.size());
  for (size_t at = 0; at < text.size();) {
    size_t length = DecodeUtf8(text, at).length;
    std::ranges::copy(text.substr(at, length), reversed + text.size() - at - length);
    at += length;
  }
  return GiveView(out, {reversed, text.size()});
}

// --- Any of many ---------------------------------------------------------------------------------

bool TextsArgument(Context& c, size_t operand, const Value& value,
                   std::vector<std::string_view>& out) {
  if (value.IsString()) {
    out.push_back(value.AsString());
    return true;
  }
  if (!value.IsArray() && !value.IsSet()) {
    c.WrongType(operand, value, "one of {string, set, array}");
    return false;
  }
  out.reserve(value.size());
  for (const Value& item : value.items()) {
    if (!item.IsString()) {
      WrongElement(c, operand, value, item, "string");
      return false;
    }
    out.push_back(item.AsString());
  }
  return true;
}

template <bool kSuffix>
Outcome AnyAffix(Context& c, Args args, Value& out) {
  std::vector<std::string_view> texts;
  std::vector<std::string_view> affixes;
  if (!TextsArgument(c, 1, args[0], texts)) return Outcome::kError;
  if (!TextsArgument(c, 2, args[1], affixes)) return Outcome::kError;
  if (!c.Spend(texts.size() + affixes.size())) return Outcome::kHalt;
  auto begins = [](std::string_view text, std::string_view affix) {
    return kSuffix ? text.ends_with(affix) : text.starts_with(affix);
  };
  if (texts.size() * affixes.size() <= 64 || texts.size() == 1) {
    return Give(out, std::ranges::any_of(texts, [&](std::string_view text) {
                  return std::ranges::any_of(
                      affixes, [&](std::string_view affix) { return begins(text, affix); });
                }));
  }
  // Texts that begin with an affix stand right behind it in order.
  auto before = [](std::string_view a, std::string_view b) {
    if constexpr (!kSuffix) return a < b;
    return std::lexicographical_compare(a.rbegin(), a.rend(), b.rbegin(), b.rend());
  };
  std::ranges::sort(texts, before);
  return Give(out, std::ranges::any_of(affixes, [&](std::string_view affix) {
                auto at = std::ranges::lower_bound(texts, affix, before);
                return at != texts.end() && begins(*at, affix);
              }));
}

// --- sprintf -------------------------------------------------------------------------------------

Outcome Sprintf(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 1)) return Outcome::kError;
  if (!args[1].IsArray()) return c.WrongType(2, args[1], "array");
  std::string text;
  if (!FormatLikeGo(c, args[0].AsString(), args[1].items(), text)) return Outcome::kHalt;
  return GiveText(c, out, text);
}

constexpr Builtin kBuiltins[] = {
    {"concat", "(delimiter: string, collection: array[string] | set[string]) -> string", Concat},
    {"contains", "(haystack: string, needle: string) -> boolean", Contains},
    {"endswith", "(search: string, base: string) -> boolean", EndsWith},
    {"indexof", "(haystack: string, needle: string) -> number", IndexOf},
    {"indexof_n", "(haystack: string, needle: string) -> array[number]", IndexOfN},
    {"lower", "(x: string) -> string", MapCase<ToLower>},
    {"replace", "(x: string, old: string, new: string) -> string", Replace},
    {"split", "(x: string, delimiter: string) -> array[string]", SplitAt},
    {"sprintf", "(format: string, values: array[any]) -> string", Sprintf},
    {"startswith", "(search: string, base: string) -> boolean", StartsWith},
    {"strings.any_prefix_match",
     "(search: string | array[string] | set[string], base: string | array[string] | set[string]) "
     "-> boolean",
     AnyAffix<false>},
    {"strings.any_suffix_match",
     "(search: string | array[string] | set[string], base: string | array[string] | set[string]) "
     "-> boolean",
     AnyAffix<true>},
    {"strings.count", "(search: string, substring: string) -> number", StringsCount},
    {"strings.replace_n", "(patterns: object[string: string], value: string) -> string", ReplaceN},
    {"strings.reverse", "(x: string) -> string", StringsReverse},
    {"strings.split_n", "(x: string, delimiter: string, n: number) -> array[string]", SplitN},
    {"substring", "(value: string, offset: number, length: number) -> string", Substring},
    {"trim", "(value: string, cutset: string) -> string", TrimSet<Side::kBoth>},
    {"trim_left", "(value: string, cutset: string) -> string", TrimSet<Side::kLeft>},
    {"trim_prefix", "(value: string, prefix: string) -> string", TrimPrefix},
    {"trim_right", "(value: string, cutset: string) -> string", TrimSet<Side::kRight>},
    {"trim_space", "(value: string) -> string", TrimSpace},
    {"trim_suffix", "(value: string, suffix: string) -> string", TrimSuffix},
    {"upper", "(x: string) -> string", MapCase<ToUpper>},
};

}  // namespace

std::span<const Builtin> StringBuiltins() { return kBuiltins; }

}  // namespace bulwark::rego
