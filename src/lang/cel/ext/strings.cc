#include "lang/cel/ext/strings.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"
#include "lang/cel/ext/support.h"

namespace bulwark::cel::ext {
namespace {

Value OutOfRange(const CallContext& ctx, int64_t index) {
  return ctx.Error("index out of range: " + std::to_string(index));
}

// The byte offset of the code point number `index`; npos past the end (text.size() for the end).
size_t ByteOffset(std::string_view text, int64_t index) {
  if (index < 0) return std::string_view::npos;
  size_t at = 0;
  for (; index > 0; --index) {
    if (at >= text.size()) return std::string_view::npos;
    at += DecodeUtf8(text, at).length;
  }
  return at;
}

// Linear, where std::string_view::find is quadratic at worst.
size_t Find(std::string_view text, std::string_view part, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  const void* found = ::memmem(text.data() + from, text.size() - from, part.data(), part.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

// The last occurrence that starts at `from` or before.
size_t FindLast(std::string_view text, std::string_view part, size_t from) {
  if (text.size() < part.size()) return std::string_view::npos;
  from = std::min(from, text.size() - part.size());
  if (text.size() * part.size() < size_t{1} << 16) return text.rfind(part, from);
  std::string backwards(text.substr(0, from + part.size()));
  std::string part_backwards(part);
  std::reverse(backwards.begin(), backwards.end());
  std::reverse(part_backwards.begin(), part_backwards.end());
  size_t found = Find(backwards, part_backwards, 0);
  if (found == std::string_view::npos) return found;
  return backwards.size() - found - part.size();
}

Value CharAt(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "si")) return NoSuchOverload(ctx);
  std::string_view text = args[0].AsString();
  size_t at = ByteOffset(text, args[1].AsInt());
  if (at == std::string_view::npos) return OutOfRange(ctx, args[1].AsInt());
  if (at == text.size()) return Value::String("");
  return Value::String(ctx.arena, text.substr(at, DecodeUtf8(text, at).length));
}

// Past the end: an error by the specification (kStrict), -1 by cel-go.
template <bool kStrict>
Value IndexOf(CallContext& ctx, std::span<const Value> args) {
  bool with_offset = args.size() == 3;
  if (!Match(args, with_offset ? "ssi" : "ss")) return NoSuchOverload(ctx);
  std::string_view text = args[0].AsString();
  std::string_view part = args[1].AsString();
  int64_t offset = with_offset ? args[2].AsInt() : 0;
  if (kStrict && (offset < 0 || ByteOffset(text, offset) == std::string_view::npos)) {
    return OutOfRange(ctx, offset);
  }
  if (part.empty()) return Value::Int(offset);
  if (offset < 0) return OutOfRange(ctx, offset);
  size_t from = ByteOffset(text, offset);
  size_t found = from == std::string_view::npos ? from : Find(text, part, from);
  if (found == std::string_view::npos) return Value::Int(-1);
  return Value::Int(static_cast<int64_t>(CountCodePoints(text.substr(0, found))));
}

template <bool kStrict>
Value LastIndexOf(CallContext& ctx, std::span<const Value> args) {
  bool with_offset = args.size() == 3;
  if (!Match(args, with_offset ? "ssi" : "ss")) return NoSuchOverload(ctx);
  std::string_view text = args[0].AsString();
  std::string_view part = args[1].AsString();
  size_t from = text.size();
  if (with_offset) {
    int64_t offset = args[2].AsInt();
    from = ByteOffset(text, offset);
    if (kStrict && from == std::string_view::npos) return OutOfRange(ctx, offset);
    if (part.empty()) return Value::Int(offset);
    if (offset < 0) return OutOfRange(ctx, offset);
    if (from >= text.size()) return Value::Int(-1);
  } else if (part.empty()) {
    return Value::Int(static_cast<int64_t>(CountCodePoints(text)));
  }
  size_t found = FindLast(text, part, from);
  if (found == std::string_view::npos) return Value::Int(-1);
  return Value::Int(static_cast<int64_t>(CountCodePoints(text.substr(0, found))));
}

template <char (*kConvert)(char)>
Value ConvertAscii(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s")) return NoSuchOverload(ctx);
  std::string_view text = args[0].AsString();
  char* out = static_cast<char*>(ctx.arena.Allocate(text.size() + 1, 1));
  std::transform(text.begin(), text.end(), out, kConvert);
  return Value::String(std::string_view(out, text.size()));
}

// strings.Replace of Go: an empty `from` is found before each code point and at the end.
Value Replace(CallContext& ctx, std::span<const Value> args) {
  bool with_limit = args.size() == 4;
  if (!Match(args, with_limit ? "sssi" : "sss")) return NoSuchOverload(ctx);
  std::string_view text = args[0].AsString();
  std::string_view from = args[1].AsString();
  std::string_view to = args[2].AsString();
  int64_t limit = with_limit ? args[3].AsInt() : -1;
  uint64_t left = limit < 0 ? UINT64_MAX : static_cast<uint64_t>(limit);
  std::string out;
  size_t at = 0;
  bool first = true;
  while (left > 0) {
    size_t found;
    if (from.empty()) {
      found = at;
      if (!first) {
        if (at >= text.size()) break;
        found = at + DecodeUtf8(text, at).length;
      }
      first = false;
    } else {
      found = Find(text, from, at);
      if (found == std::string_view::npos) break;
    }
    out.append(text.substr(at, found - at)).append(to);
    at = found + from.size();
    --left;
    if (!Fits(ctx, out.size() + (text.size() - at))) return TooLarge(ctx);
  }
  out.append(text.substr(at));
  return Value::String(ctx.arena, out);
}

// strings.SplitN of Go: an empty separator cuts after each code point.
Value Split(CallContext& ctx, std::span<const Value> args) {
  bool with_limit = args.size() == 3;
  if (!Match(args, with_limit ? "ssi" : "ss")) return NoSuchOverload(ctx);
  std::string_view text = args[0].AsString();
  std::string_view separator = args[1].AsString();
  int64_t limit = with_limit ? args[2].AsInt() : -1;
  if (limit == 0) return Value::EmptyArray();
  uint64_t most = limit < 0 ? UINT64_MAX : static_cast<uint64_t>(limit);
  std::vector<std::string_view> parts;
  size_t at = 0;
  while (parts.size() + 1 < most) {
    size_t end;
    if (separator.empty()) {
      if (at >= text.size()) break;
      end = at + DecodeUtf8(text, at).length;
      if (end == text.size()) break;
    } else {
      end = Find(text, separator, at);
      if (end == std::string_view::npos) break;
    }
    parts.push_back(text.substr(at, end - at));
    at = end + separator.size();
    if (!FitsItems(ctx, parts.size())) return TooLarge(ctx);
  }
  if (at < text.size() || !separator.empty()) parts.push_back(text.substr(at));
  return StringList(ctx.arena, parts);
}

Value Substring(CallContext& ctx, std::span<const Value> args) {
  bool with_end = args.size() == 3;
  if (!Match(args, with_end ? "sii" : "si")) return NoSuchOverload(ctx);
  std::string_view text = args[0].AsString();
  int64_t start = args[1].AsInt();
  if (with_end && start > args[2].AsInt()) {
    return ctx.Error("invalid substring range. start: " + std::to_string(start) +
                     ", end: " + std::to_string(args[2].AsInt()));
  }
  size_t from = ByteOffset(text, start);
  if (from == std::string_view::npos) return OutOfRange(ctx, start);
  std::string_view rest = text.substr(from);
  if (with_end) {
    size_t length = ByteOffset(rest, args[2].AsInt() - start);
    if (length == std::string_view::npos) return OutOfRange(ctx, args[2].AsInt());
    rest = rest.substr(0, length);
  }
  return Value::String(ctx.arena, rest);
}

// unicode.IsSpace of Go: Unicode's White_Space.
bool IsSpace(char32_t c) {
  return (c >= '\t' && c <= '\r') || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

Value TrimSpace(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s")) return NoSuchOverload(ctx);
  std::string_view text = args[0].AsString();
  size_t start = std::string_view::npos;
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    CodePoint c = DecodeUtf8(text, at);
    if (!IsSpace(c.value)) {
      if (start == std::string_view::npos) start = at;
      end = at + c.length;
    }
    at += c.length;
  }
  if (start == std::string_view::npos) return Value::String("");
  return Value::String(ctx.arena, text.substr(start, end - start));
}

Value Join(CallContext& ctx, std::span<const Value> args) {
  bool with_separator = args.size() == 2;
  if (!Match(args, with_separator ? "ls" : "l")) return NoSuchOverload(ctx);
  std::span<const Value> items = Items(args[0]);
  std::string_view separator = with_separator ? args[1].AsString() : std::string_view();
  uint64_t size = 0;
  for (const Value& item : items) {
    if (!item.IsString()) {
      return ctx.Error("join: invalid input: " + std::string(TypeNameOf(item)));
    }
    size = SaturatingAdd(size, item.size() + separator.size());
    if (!Fits(ctx, size)) return TooLarge(ctx);
  }
  std::string out;
  out.reserve(size);
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += separator;
    out += items[i].AsString();
  }
  return Value::String(ctx.arena, out);
}

Value QuoteString(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s")) return NoSuchOverload(ctx);
  std::string out = "\"";
  for (CodePoint c : CodePoints(args[0].AsString())) {
    switch (c.value) {
      case '\a': out += "\\a"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\v': out += "\\v"; break;
      case '\\': out += "\\\\"; break;
      case '"': out += "\\\""; break;
      default: AppendUtf8(out, c.value);
    }
  }
  out += '"';
  if (!Fits(ctx, out.size())) return TooLarge(ctx);
  return Value::String(ctx.arena, out);
}

Value Reverse(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s")) return NoSuchOverload(ctx);
  std::string_view text = args[0].AsString();
  char* out = static_cast<char*>(ctx.arena.Allocate(text.size() + 1, 1));
  char* to = out + text.size();
  for (size_t at = 0; at < text.size();) {
    size_t length = DecodeUtf8(text, at).length;
    to -= length;
    std::memcpy(to, text.data() + at, length);
    at += length;
  }
  return Value::String(std::string_view(out, text.size()));
}

template <int kVersion>
Value Format(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "sl")) return NoSuchOverload(ctx);
  return FormatString(ctx, args[0].AsString(), Items(args[1]), kVersion);
}

// --- Costs ---------------------------------------------------------------------------------------

// indexOf and lastIndexOf cost a traversal, in Kubernetes' accounts with the remainder cut off.
constexpr Cost kIndexOf = {
    [](std::span<const Value> args, const Value&) {
      return static_cast<uint64_t>(static_cast<double>(args[0].size()) * kStringFactor);
    },
    [](CostContext& ctx, const Expr* target,
       std::span<const Expr* const>) -> std::optional<CallEstimate> {
      if (target == nullptr) return std::nullopt;
      return CallEstimate{MultiplyByFactor(ctx.SizeOf(target), kStringFactor), std::nullopt};
    }};

uint64_t TwiceActual(std::span<const Value> args, const Value&) {
  return Scale(SizeOf(args[0]), 2 * kStringFactor);
}

uint64_t CeilDivide(uint64_t a, uint64_t b) {
  return static_cast<uint64_t>(__builtin_ceil(static_cast<double>(a) / static_cast<double>(b)));
}

// The longest and the shortest that a replacement can make a text.
Range ReplacedSize(Range text, Range from, Range to) {
  Range count, kept;
  if (from.min == 0) {
    count.max = SaturatingAdd(text.max, 1);
    kept.max = text.max;
  } else if (to.max <= from.min) {
    kept.max = text.max;
  } else {
    count.max = CeilDivide(text.max, from.min);
  }
  if (from.max == 0) {
    count.min = SaturatingAdd(text.min, 1);
    kept.min = text.min;
  } else if (from.max <= to.min) {
    kept.min = text.min;
  } else {
    count.min = CeilDivide(text.min, from.max);
  }
  return count * to + kept;
}

constexpr Cost kReplace = {TwiceActual,
                           [](CostContext& ctx, const Expr* target,
                              std::span<const Expr* const> args) -> std::optional<CallEstimate> {
                             if (target == nullptr || args.size() < 2) return std::nullopt;
                             Range size = ctx.SizeOf(target);
                             return CallEstimate{
                                 MultiplyByFactor(size, 2 * kStringFactor),
                                 ReplacedSize(size, ctx.SizeOf(args[0]), ctx.SizeOf(args[1]))};
                           }};

constexpr Cost kSplit = {
    TwiceActual,
    [](CostContext& ctx, const Expr* target,
       std::span<const Expr* const> args) -> std::optional<CallEstimate> {
      if (target == nullptr) return std::nullopt;
      Range size = ctx.SizeOf(target);
      uint64_t most = size.max;  // each character on its own
      if (args.size() > 1 && args[1]->kind == ExprKind::kLiteral && args[1]->literal.IsInt()) {
        most = static_cast<uint64_t>(args[1]->literal.AsInt());
      }
      return CallEstimate{MultiplyByFactor(size, 2 * kStringFactor), Range{0, most}};
    }};

constexpr Cost kJoin = {[](std::span<const Value>, const Value& result) {
                          return Scale(SizeOf(result), 2 * kStringFactor);
                        },
                        [](CostContext& ctx, const Expr* target,
                           std::span<const Expr* const> args) -> std::optional<CallEstimate> {
                          if (target == nullptr) return std::nullopt;
                          Range items = ctx.SizeOf(target);
                          Range size = items * ctx.ElementSizeOf(target);
                          if (!args.empty()) {
                            Range separators{items.min > 0 ? items.min - 1 : 0,
                                             items.max > 0 ? items.max - 1 : 0};
                            size = size + ctx.SizeOf(args[0]) * separators;
                          }
                          return CallEstimate{MultiplyByFactor(size, kStringFactor), size};
                        }};

Library MakeLibrary(int version) {
  const Type s = Type::String();
  const Type i = Type::Int();
  const Type strings = ListOf(s);
  const bool strict = version >= 4;
  Function index_of = strict ? IndexOf<true> : IndexOf<false>;
  Function last_index_of = strict ? LastIndexOf<true> : LastIndexOf<false>;

  Library lib;
  lib.name = "cel.lib.ext.strings";
  lib.functions = {
      {"charAt", {Member("string_char_at_int", {s, i}, s, CharAt)}},
      {"indexOf",
       {Member("string_index_of_string", {s, s}, i, index_of, kIndexOf),
        Member("string_index_of_string_int", {s, s, i}, i, index_of, kIndexOf)}},
      {"lastIndexOf",
       {Member("string_last_index_of_string", {s, s}, i, last_index_of, kIndexOf),
        Member("string_last_index_of_string_int", {s, s, i}, i, last_index_of, kIndexOf)}},
      {"lowerAscii",
       {Member("string_lower_ascii", {s}, s, ConvertAscii<AsciiLower>, kTraversalSameSize)}},
      {"upperAscii",
       {Member("string_upper_ascii", {s}, s, ConvertAscii<AsciiUpper>, kTraversalSameSize)}},
      {"replace",
       {Member("string_replace_string_string", {s, s, s}, s, Replace, kReplace),
        Member("string_replace_string_string_int", {s, s, s, i}, s, Replace, kReplace)}},
      {"split",
       {Member("string_split_string", {s, s}, strings, Split, kSplit),
        Member("string_split_string_int", {s, s, i}, strings, Split, kSplit)}},
      {"substring",
       {Member("string_substring_int", {s, i}, s, Substring, kTraversalSameSize),
        Member("string_substring_int_int", {s, i, i}, s, Substring, kTraversalSameSize)}},
      {"trim", {Member("string_trim", {s}, s, TrimSpace, kTraversalSameSize)}},
      {"join",
       {Member("list_join", {strings}, s, Join, kJoin),
        Member("list_join_string", {strings, s}, s, Join, kJoin)}},
  };
  if (version >= 1) {
    // Both are estimated by their ids, with the operators.
    const Cost cost = {kTraversal.actual, nullptr};
    lib.functions.push_back({"format",
                             {Member("string_format", {s, ListOf(Type::Dyn())}, s,
                                     version >= 4 ? Format<4> : Format<1>, cost)}});
    lib.functions.push_back(
        {"strings.quote", {Global("strings_quote", {s}, s, QuoteString, cost)}});
  }
  if (version >= 3) {
    lib.functions.push_back({"reverse", {Member("string_reverse", {s}, s, Reverse)}});
  }
  return lib;
}

}  // namespace

const Library& Strings(int version) {
  static const std::array<Library, 5> kLibraries = {MakeLibrary(0), MakeLibrary(1), MakeLibrary(2),
                                                    MakeLibrary(3), MakeLibrary(4)};
  return kLibraries[static_cast<size_t>(std::clamp(version, 0, 4))];
}

}  // namespace bulwark::cel::ext
