#include "lang/cel/ext/regex.h"

#include "base/text.h"
#include "lang/cel/ext/regexp.h"
#include "lang/cel/ext/support.h"

namespace bulwark::cel::ext {
namespace {

// --- cel-go --------------------------------------------------------------------------------------

// Appends what a replacement stands for: \1 is the first group, \\ a backslash. "" or what is
// wrong.
std::string AppendReplacement(std::string_view replacement, const Regexp::Match& match,
                              std::string& out) {
  for (size_t at = 0; at < replacement.size(); ++at) {
    if (replacement[at] != '\\') {
      out += replacement[at];
      continue;
    }
    if (++at == replacement.size()) {
      return "invalid replacement string: '" + std::string(replacement) + "' \\ not allowed at end";
    }
    if (replacement[at] == '\\') {
      out += '\\';
      continue;
    }
    if (!IsAsciiDigit(replacement[at])) {
      return "invalid replacement string: '" + std::string(replacement) +
             "' \\ must be followed by a digit or \\";
    }
    size_t group = static_cast<size_t>(replacement[at] - '0');
    if (group >= match.size()) {
      return "replacement string references group " + std::to_string(group) +
             " but regex has only " + std::to_string(match.size() - 1) + " group(s)";
    }
    out += match[group];
  }
  return "";
}

Value Replace(CallContext& ctx, std::span<const Value> args) {
  bool with_count = args.size() == 4;
  if (!Match(args, with_count ? "sssi" : "sss")) return NoSuchOverload(ctx);
  int64_t count = with_count ? args[3].AsInt() : -1;
  if (count == 0) return args[0];
  if (count > INT32_MAX) return ctx.Error("integer overflow");
  std::string error;
  const Regexp* re = Regexp::Get(args[1].AsString(), &error);
  if (re == nullptr) return ctx.Error(error);
  std::string_view text = args[0].AsString();
  std::string out;
  size_t done = 0;
  bool too_large = false;
  re->FindAll(text, [&](const Regexp::Match& match) {
    size_t start = static_cast<size_t>(match[0].data() - text.data());
    out += text.substr(done, start - done);
    error = AppendReplacement(args[2].AsString(), match, out);
    done = start + match[0].size();
    too_large = !Fits(ctx, out.size() + (text.size() - done));
    return error.empty() && !too_large && --count != 0;
  });
  if (too_large) return TooLarge(ctx);
  if (!error.empty()) return ctx.Error(error);
  out += text.substr(done);
  return Value::String(ctx.arena, out);
}

// A pattern with one group at most, or an error value.
const Regexp* ExtractionPattern(CallContext& ctx, const Value& pattern, Value* problem) {
  std::string error;
  const Regexp* re = Regexp::Get(pattern.AsString(), &error);
  if (re == nullptr) {
    *problem = ctx.Error("given regex is invalid: " + error);
  } else if (re->groups() > 1) {
    *problem = ctx.Error("regular expression has more than one capturing group: " +
                         Quote(pattern.AsString()));
    re = nullptr;
  }
  return re;
}

Value Extract(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "ss")) return NoSuchOverload(ctx);
  Value problem;
  const Regexp* re = ExtractionPattern(ctx, args[1], &problem);
  if (re == nullptr) return problem;
  std::optional<Regexp::Match> match = re->Find(args[0].AsString());
  if (!match) return NoneOptional();
  if (re->groups() == 1 && match->back().empty()) return NoneOptional();
  return MakeOptional(ctx.arena, Value::String(ctx.arena, match->back()));
}

Value ExtractAll(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "ss")) return NoSuchOverload(ctx);
  Value problem;
  const Regexp* re = ExtractionPattern(ctx, args[1], &problem);
  if (re == nullptr) return problem;
  std::vector<std::string_view> found;
  re->FindAll(args[0].AsString(), [&](const Regexp::Match& match) {
    if (re->groups() == 0 || !match[1].empty()) found.push_back(match.back());
    return FitsItems(ctx, found.size());
  });
  if (!FitsItems(ctx, found.size())) return TooLarge(ctx);
  return StringList(ctx.arena, found);
}

// --- Kubernetes ----------------------------------------------------------------------------------

Value Find(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "ss")) return NoSuchOverload(ctx);
  std::string error;
  const Regexp* re = Regexp::Get(args[1].AsString(), &error);
  if (re == nullptr) return ctx.Error("Illegal regex: " + error);
  std::optional<Regexp::Match> match = re->Find(args[0].AsString());
  return match ? Value::String(ctx.arena, (*match)[0]) : Value::String("");
}

Value FindAll(CallContext& ctx, std::span<const Value> args) {
  bool with_limit = args.size() == 3;
  if (!Match(args, with_limit ? "ssi" : "ss")) return NoSuchOverload(ctx);
  int64_t limit = with_limit ? args[2].AsInt() : -1;
  std::string error;
  const Regexp* re = Regexp::Get(args[1].AsString(), &error);
  if (re == nullptr) return ctx.Error("Illegal regex: " + error);
  std::vector<std::string_view> found;
  if (limit != 0) {
    re->FindAll(args[0].AsString(), [&](const Regexp::Match& match) {
      found.push_back(match[0]);
      return FitsItems(ctx, found.size()) &&
             (limit < 0 || found.size() < static_cast<size_t>(limit));
    });
  }
  if (!FitsItems(ctx, found.size())) return TooLarge(ctx);
  return StringList(ctx.arena, found);
}

// Text times pattern. One more than the text is long, so that an empty one does not cost nothing.
constexpr Cost kFind = {[](std::span<const Value> args, const Value&) {
                          return SaturatingMultiply(
                              Scale(SaturatingAdd(SizeOf(args[0]), 1), kStringFactor),
                              Scale(SizeOf(args[1]), kRegexFactor));
                        },
                        [](CostContext& ctx, const Expr* target,
                           std::span<const Expr* const> args) -> std::optional<CallEstimate> {
                          if (target == nullptr || args.empty()) return std::nullopt;
                          Range size = ctx.SizeOf(target);
                          Range text = MultiplyByFactor(size + Range{1, 1}, kStringFactor);
                          Range pattern = MultiplyByFactor(ctx.SizeOf(args[0]), kRegexFactor);
                          return CallEstimate{text * pattern, Range{0, size.max}};
                        }};

}  // namespace

const Library& Regex() {
  static const Library kLibrary = [] {
    const Type i = Type::Int();
    const Type s = Type::String();
    Library lib;
    lib.name = "cel.lib.ext.regex";
    lib.functions = {
        {"regex.extract", {Global("regex_extract_string_string", {s, s}, OptionalOf(s), Extract)}},
        {"regex.extractAll",
         {Global("regex_extractAll_string_string", {s, s}, ListOf(s), ExtractAll)}},
        {"regex.replace",
         {Global("regex_replace_string_string_string", {s, s, s}, s, Replace),
          Global("regex_replace_string_string_string_int", {s, s, s, i}, s, Replace)}},
    };
    return lib;
  }();
  return kLibrary;
}

const Library& KubeRegex() {
  static const Library kLibrary = [] {
    const Type i = Type::Int();
    const Type s = Type::String();
    Library lib;
    lib.name = "kubernetes.regex";
    lib.functions = {
        {"find", {Member("string_find_string", {s, s}, s, Find, kFind)}},
        {"findAll",
         {Member("string_find_all_string", {s, s}, ListOf(s), FindAll, kFind),
          Member("string_find_all_string_int", {s, s, i}, ListOf(s), FindAll, kFind)}},
    };
    return lib;
  }();
  return kLibrary;
}

}  // namespace bulwark::cel::ext
