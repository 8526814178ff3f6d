#include "lang/rego/builtins/regex.h"

#include <re2/re2.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/glob_intersection.h"
#include "lang/rego/builtins/pattern_cache.h"
#include "lang/rego/builtins/support.h"

namespace bulwark::rego {

namespace {

std::string_view GoErrorCode(re2::RE2::ErrorCode code) {
  switch (code) {
    case re2::RE2::ErrorBadEscape: return "invalid escape sequence";
    case re2::RE2::ErrorBadCharClass: return "invalid character class";
    case re2::RE2::ErrorBadCharRange: return "invalid character class range";
    case re2::RE2::ErrorMissingBracket: return "missing closing ]";
    case re2::RE2::ErrorMissingParen: return "missing closing )";
    case re2::RE2::ErrorUnexpectedParen: return "unexpected )";
    case re2::RE2::ErrorTrailingBackslash: return "trailing backslash at end of expression";
    case re2::RE2::ErrorRepeatArgument: return "missing argument to repetition operator";
    case re2::RE2::ErrorRepeatSize: return "invalid repeat count";
    case re2::RE2::ErrorRepeatOp: return "invalid nested repetition operator";
    case re2::RE2::ErrorBadPerlOp: return "invalid or unsupported Perl syntax";
    case re2::RE2::ErrorBadUTF8: return "invalid UTF-8";
    case re2::RE2::ErrorBadNamedCapture: return "invalid named capture";
    case re2::RE2::ErrorPatternTooLarge: return "expression too large";
    default: return "regexp/syntax: internal error";
  }
}

// (?<name>…) as (?P<name>…), the only spelling that older RE2 knows.
std::string WithOldNames(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    char c = pattern[i];
    if (c == '\\' && pattern.substr(i + 1).starts_with('Q') && !in_class) {
      size_t end = pattern.find("\\E", i + 2);
      end = end == pattern.npos ? pattern.size() : end + 2;
      out += pattern.substr(i, end - i);
      i = end - 1;
      continue;
    }
    out += c;
    if (c == '\\' && i + 1 < pattern.size()) {
      out += pattern[++i];
    } else if (c == '[' && !in_class) {
      in_class = true;
      if (pattern.substr(i + 1).starts_with('^')) out += pattern[++i];
      if (pattern.substr(i + 1).starts_with(']')) out += pattern[++i];
    } else if (c == ']') {
      in_class = false;
    } else if (c == '(' && !in_class && pattern.substr(i + 1).starts_with("?<")) {
      out += "?P<";
      i += 2;
    }
  }
  return out;
}

PatternCache<re2::RE2>& Cache() {
  static auto* const cache = new PatternCache<re2::RE2>();
  return *cache;
}

}  // namespace

Result<std::shared_ptr<const re2::RE2>> CompileRegex(std::string_view pattern) {
  if (auto cached = Cache().Find(pattern)) return cached;
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(int64_t{16} << 20);
  std::string own;
  std::string_view text = pattern;
  if (pattern.find("(?<") != pattern.npos) text = own = WithOldNames(pattern);
  auto compiled =
      std::make_shared<const re2::RE2>(re2::StringPiece(text.data(), text.size()), options);
  if (!compiled->ok()) {
    std::string message = "error parsing regexp: ";
    message.append(GoErrorCode(compiled->error_code())).append(": `");
    message.append(compiled->error_arg()).append("`");
    return Error(Code::kInvalid, "rego.regex", message);
  }
  Cache().Keep(pattern, compiled);
  return compiled;
}

namespace {

using Regex = std::shared_ptr<const re2::RE2>;

re2::StringPiece Piece(std::string_view text) { return {text.data(), text.size()}; }

using QueryRegexes = RecentPatterns<re2::RE2>;

Outcome PatternArgument(Context& c, std::string_view pattern, Regex& out) {
  auto& recent = c.state<QueryRegexes>();
  if (const Regex* known = recent.Find(pattern)) {
    out = *known;
    return Outcome::kValue;
  }
  // Compiling counts: a policy may make up patterns.
  if (!c.Spend(50 + pattern.size())) return Outcome::kHalt;
  Result<Regex> compiled = CompileRegex(pattern);
  if (!compiled) return c.Fail(compiled.error().message());
  out = *compiled;
  recent.Keep(pattern, {}, out);
  return Outcome::kValue;
}

bool StringArguments(Context& c, Args args, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (args[i].IsString()) continue;
    c.WrongType(i + 1, args[i], "string");
    return false;
  }
  return true;
}

// All matches from left to right as Go finds them: an empty one right behind another is none.
// `visit` gets the groups, [0] the whole; false ends it.
template <typename Visit>
bool ForEachMatch(Context& c, const re2::RE2& regex, std::string_view text, int64_t most,
                  int groups, Visit visit) {
  std::vector<re2::StringPiece> found(static_cast<size_t>(groups));
  size_t at = 0;
  int64_t count = 0;
  const char* last_end = nullptr;
  while ((most < 0 || count < most) && at <= text.size()) {
    // What a search may cost, all in all: the text once for each match.
    if (!SpendText(c, (text.size() - at) / 8)) return false;
    if (!regex.Match(Piece(text), at, text.size(), re2::RE2::UNANCHORED, found.data(), groups)) {
      return true;
    }
    const char* begin = found[0].data();
    const char* end = begin + found[0].size();
    bool accept = true;
    if (end == text.data() + at) {
      accept = begin != last_end;
      at += at < text.size() ? DecodeUtf8(text, at).length : 1;
    } else {
      at = static_cast<size_t>(end - text.data());
    }
    last_end = end;
    if (!accept) continue;
    ++count;
    if (!c.Spend(1) || !visit(std::span<const re2::StringPiece>(found))) return false;
  }
  return true;
}

Value PieceValue(const re2::StringPiece& piece) {
  if (piece.data() == nullptr) return Value::String("");
  return Value::String(std::string_view(piece.data(), piece.size()));
}

Outcome IsValid(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return Give(out, false);
  if (!c.Spend(50 + args[0].size())) return Outcome::kHalt;
  return Give(out, CompileRegex(args[0].AsString()).has_value());
}

Outcome Match(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 2)) return Outcome::kError;
  Regex regex;
  Outcome outcome = PatternArgument(c, args[0].AsString(), regex);
  if (outcome != Outcome::kValue) return outcome;
  std::string_view text = args[1].AsString();
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  return Give(out, regex->Match(Piece(text), 0, text.size(), re2::RE2::UNANCHORED, nullptr, 0));
}

Outcome Split(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 2)) return Outcome::kError;
  Regex regex;
  std::string_view pattern = args[0].AsString();
  Outcome outcome = PatternArgument(c, pattern, regex);
  if (outcome != Outcome::kValue) return outcome;
  std::string_view text = args[1].AsString();
  std::vector<Value> parts;
  if (!pattern.empty() && text.empty()) {
    parts.push_back(Value::String(""));
    return Give(out, Value::Array(c.arena, parts));
  }
  size_t begin = 0;
  size_t end = 0;
  bool done = ForEachMatch(c, *regex, text, -1, 1, [&](std::span<const re2::StringPiece> found) {
    end = static_cast<size_t>(found[0].data() - text.data());
    size_t match_end = end + found[0].size();
    if (match_end != 0) parts.push_back(Value::String(text.substr(begin, end - begin)));
    begin = match_end;
    return true;
  });
  if (!done) return Outcome::kHalt;
  if (end != text.size()) parts.push_back(Value::String(text.substr(begin)));
  return Give(out, Value::Array(c.arena, parts));
}

Outcome FindN(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 2)) return Outcome::kError;
  int64_t most = 0;
  if (!IntArgument(c, args, 2, most)) return Outcome::kError;
  Regex regex;
  Outcome outcome = PatternArgument(c, args[0].AsString(), regex);
  if (outcome != Outcome::kValue) return outcome;
  std::vector<Value> all;
  bool done = ForEachMatch(c, *regex, args[1].AsString(), most, 1,
                           [&](std::span<const re2::StringPiece> found) {
                             all.push_back(PieceValue(found[0]));
                             return true;
                           });
  return done ? Give(out, Value::Array(c.arena, all)) : Outcome::kHalt;
}

Outcome FindAllSubmatches(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 2)) return Outcome::kError;
  int64_t most = 0;
  if (!IntArgument(c, args, 2, most)) return Outcome::kError;
  Regex regex;
  Outcome outcome = PatternArgument(c, args[0].AsString(), regex);
  if (outcome != Outcome::kValue) return outcome;
  std::vector<Value> all;
  int groups = regex->NumberOfCapturingGroups() + 1;
  bool done = ForEachMatch(c, *regex, args[1].AsString(), most, groups,
                           [&](std::span<const re2::StringPiece> found) {
                             std::vector<Value> texts;
                             for (const auto& piece : found) texts.push_back(PieceValue(piece));
                             all.push_back(Value::Array(c.arena, texts));
                             return c.Spend(texts.size());
                           });
  return done ? Give(out, Value::Array(c.arena, all)) : Outcome::kHalt;
}

// --- regex.replace -------------------------------------------------------------------------------

// Go's templates: $1, $name, ${name}, $$; a $ that begins none of those stands for itself.
class Template {
 public:
  Template(std::string_view text, const re2::RE2& regex) {
    std::string literal;
    for (size_t at = 0; at < text.size();) {
      if (text[at] != '$') {
        size_t end = std::min(text.find('$', at), text.size());
        literal += text.substr(at, end - at);
        at = end;
        continue;
      }
      if (text.substr(at).starts_with("$$")) {
        literal += '$';
        at += 2;
        continue;
      }
      std::string_view name;
      size_t length = ReadName(text.substr(at), name);
      if (length == 0) {
        literal += '$';
        ++at;
        continue;
      }
      at += length;
      parts_.push_back({std::move(literal), GroupsOf(name, regex)});
      literal.clear();
    }
    parts_.push_back({std::move(literal), {}});
  }

  void Append(std::string& out, std::span<const re2::StringPiece> found) const {
    for (const Part& part : parts_) {
      out += part.literal;
      for (int group : part.groups) {  // the first of that name that took part
        const re2::StringPiece& piece = found[static_cast<size_t>(group)];
        if (piece.data() == nullptr) continue;
        out.append(piece.data(), piece.size());
        break;
      }
    }
  }

 private:
  struct Part {
    std::string literal;
    std::vector<int> groups;
  };

  // How much of "$name…" or "${name}…" is a reference; 0: none of it.
  static size_t ReadName(std::string_view text, std::string_view& name) {
    bool brace = text.substr(1).starts_with('{');
    size_t begin = brace ? 2 : 1;
    size_t end = begin;
    while (end < text.size()) {
      CodePoint c = DecodeUtf8(text, end);
      // Letters beyond ASCII count as Go counts them, near enough: what has cases or is no symbol.
      bool word = c.value < 0x80
                      ? IsAsciiLetter(text[end]) || IsAsciiDigit(text[end]) || text[end] == '_'
                      : c.valid && IsLetter(c.value);
      if (!word) break;
      end += c.length;
    }
    if (end == begin) return 0;
    name = text.substr(begin, end - begin);
    if (!brace) return end;
    return text.substr(end).starts_with('}') ? end + 1 : 0;
  }
  static bool IsLetter(char32_t c) {
    static const re2::RE2 letter("[\\pL\\p{Nd}]");
    std::string text;
    AppendUtf8(text, c);
    return re2::RE2::FullMatch(text, letter);
  }
  static std::vector<int> GroupsOf(std::string_view name, const re2::RE2& regex) {
    bool number = std::ranges::all_of(name, IsAsciiDigit) && name.size() < 9 &&
                  (name.size() == 1 || name[0] != '0');
    if (number) {
      int group = 0;
      for (char digit : name) group = group * 10 + (digit - '0');
      if (group > regex.NumberOfCapturingGroups()) return {};
      return {group};
    }
    auto found = regex.NamedCapturingGroups().find(std::string(name));
    if (found == regex.NamedCapturingGroups().end()) return {};
    return {found->second};
  }

  std::vector<Part> parts_;
};

Outcome Replace(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 3)) return Outcome::kError;
  Regex regex;
  Outcome outcome = PatternArgument(c, args[1].AsString(), regex);
  if (outcome != Outcome::kValue) return outcome;
  std::string_view text = args[0].AsString();
  Template replacement(args[2].AsString(), *regex);
  std::string result;
  size_t copied = 0;
  bool any = false;
  int groups = regex->NumberOfCapturingGroups() + 1;
  bool done =
      ForEachMatch(c, *regex, text, -1, groups, [&](std::span<const re2::StringPiece> found) {
        any = true;
        auto begin = static_cast<size_t>(found[0].data() - text.data());
        size_t before = result.size();
        result += text.substr(copied, begin - copied);
        replacement.Append(result, found);
        copied = begin + found[0].size();
        return result.size() <= UINT32_MAX && SpendText(c, result.size() - before);
      });
  if (!done) return Outcome::kHalt;
  if (!any) return Give(out, args[0]);
  result += text.substr(copied);
  return GiveText(c, out, result);
}

// --- regex.template_match ------------------------------------------------------------------------

std::string Quoted(std::string_view text) {
  std::string out;
  AppendQuoted(out, text);
  return out;
}

// A text in which expressions stand between delimiters, as one expression.
Result<std::string> FromTemplate(std::string_view text, char open, char close) {
  std::string pattern = "^";
  size_t literal = 0;
  size_t begin = 0;
  int level = 0;
  Error unbalanced(Code::kInvalid, "unbalanced braces in " + Quoted(text));
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == open) {
      if (++level == 1) begin = i;
    } else if (text[i] == close) {
      if (--level < 0) return unbalanced;
      if (level > 0) continue;
      std::string_view inner = text.substr(begin + 1, i - begin - 1);
      pattern += re2::RE2::QuoteMeta(Piece(text.substr(literal, begin - literal)));
      pattern.append("(").append(inner).append(")");
      BW_TRY(CompileRegex("^" + std::string(inner) + "$"));
      literal = i + 1;
    }
  }
  if (level != 0) return unbalanced;
  return pattern + re2::RE2::QuoteMeta(Piece(text.substr(literal))) + "$";
}

Outcome TemplateMatch(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 4)) return Outcome::kError;
  // Both messages count the first.
  std::string length = std::to_string(args[2].size()) + " long";
  if (args[2].size() != 1) {
    return c.Fail("start delimiter has to be exactly one character long but is " + length);
  }
  if (args[3].size() != 1) {
    return c.Fail("end delimiter has to be exactly one character long but is " + length);
  }
  if (!c.Spend(50 + args[0].size())) return Outcome::kHalt;
  Result<std::string> pattern =
      FromTemplate(args[0].AsString(), args[2].AsString()[0], args[3].AsString()[0]);
  if (!pattern) return c.Fail(pattern.error().message());
  Regex regex;
  Outcome outcome = PatternArgument(c, *pattern, regex);
  if (outcome != Outcome::kValue) return outcome;
  std::string_view text = args[1].AsString();
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  return Give(out, regex->Match(Piece(text), 0, text.size(), re2::RE2::UNANCHORED, nullptr, 0));
}

Outcome GlobsMatch(Context& c, Args args, Value& out) {
  if (!StringArguments(c, args, 2)) return Outcome::kError;
  if (!c.Spend(args[0].size() * args[1].size() / 16 + 1)) return Outcome::kHalt;
  Result<bool> together = GlobsIntersect(args[0].AsString(), args[1].AsString());
  if (!together) return c.Fail(together.error().message());
  return Give(out, *together);
}

constexpr Builtin kBuiltins[] = {
    Deprecated({"re_match", "(string, string) -> boolean", Match}),
    {"regex.find_all_string_submatch_n",
     "(pattern: string, value: string, number: number) -> array[array[string]]", FindAllSubmatches},
    {"regex.find_n", "(pattern: string, value: string, number: number) -> array[string]", FindN},
    {"regex.globs_match", "(glob1: string, glob2: string) -> boolean", GlobsMatch},
    {"regex.is_valid", "(pattern: string) -> boolean", IsValid},
    {"regex.match", "(pattern: string, value: string) -> boolean", Match},
    {"regex.replace", "(s: string, pattern: string, value: string) -> string", Replace},
    {"regex.split", "(pattern: string, value: string) -> array[string]", Split},
    {"regex.template_match",
     "(template: string, value: string, delimiter_start: string, delimiter_end: string) -> boolean",
     TemplateMatch},
};

}  // namespace

std::span<const Builtin> RegexBuiltins() { return kBuiltins; }

}  // namespace bulwark::rego
