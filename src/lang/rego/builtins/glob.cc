// Globs: ? and * stop at delimiters, ** does not; [a-z], [!abc], {one,two*}; \ makes the next
// character an ordinary one. A glob is matched as the regular expression that says the same.

#include <re2/re2.h>

#include <algorithm>

#include "base/text.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/pattern_cache.h"
#include "lang/rego/builtins/support.h"

namespace bulwark::rego {

namespace {

class Translator {
 public:
  Translator(std::string_view glob, std::string_view delimiters) : glob_(glob) {
    any_ = "(?s:.)";
    if (!delimiters.empty()) {
      any_ = "[^";
      for (CodePoint c : CodePoints(delimiters)) AppendClass(any_, c.value);
      any_ += "]";
    }
  }

  // The regular expression, or where and why there is none.
  Result<std::string> Translate() {
    if (size_t bad = FirstInvalidUtf8(glob_); bad != glob_.npos) {
      at_ = bad;
      return Fail("invalid UTF-8 sequence");
    }
    int level = 0;
    while (at_ < glob_.size()) {
      char c = glob_[at_];
      if (c == '{') {
        ++at_;
        ++level;
        out_ += "(?:";
      } else if (c == ',' && level > 0) {
        ++at_;
        out_ += "|";
      } else if (c == '}' && level > 0) {
        ++at_;
        --level;
        out_ += ")";
      } else if (c == '[') {
        ++at_;
        BW_TRY(Class());
      } else if (c == '?') {
        ++at_;
        out_ += any_;
      } else if (c == '*') {
        bool all = glob_.substr(at_).starts_with("**");
        at_ += all ? 2 : 1;
        out_ += all ? "(?s:.*)" : any_ + "*";
      } else {
        BW_TRY(Text(level > 0 ? "?*[{}," : "?*[{"));
      }
    }
    if (level > 0) return Fail("unclosed `{`");
    return std::move(out_);
  }

 private:
  Error Fail(std::string_view why) const {
    return Error(Code::kInvalid,
                 "glob: syntax error at " + std::to_string(at_) + ": " + std::string(why));
  }

  static void AppendClass(std::string& out, char32_t c) {
    if (c < 0x80 && !IsAsciiLetter(static_cast<char>(c)) && !IsAsciiDigit(static_cast<char>(c))) {
      out += "\\x{";
      for (int shift = 4; shift >= 0; shift -= 4) {
        out += "0123456789abcdef"[(static_cast<uint32_t>(c) >> shift) & 0xf];
      }
      out += '}';
      return;
    }
    AppendUtf8(out, c);
  }

  // Text up to one of the characters that end it, without its backslashes.
  Result<std::u32string> Plain(std::string_view ends) {
    std::u32string text;
    while (at_ < glob_.size()) {
      if (glob_[at_] == '\\') {
        if (++at_ == glob_.size()) return Fail("trailing backslash");
      } else if (ends.find(glob_[at_]) != ends.npos) {
        break;
      }
      CodePoint c = DecodeUtf8(glob_, at_);
      text += c.value;
      at_ += c.length;
    }
    return text;
  }

  Result<> Text(std::string_view ends) {
    std::u32string text = BW_TRY(Plain(ends));
    for (char32_t c : text) AppendClass(out_, c);
    return Ok();
  }

  Result<CodePoint> Next() {
    if (at_ == glob_.size()) return Fail("unexpected end of input");
    CodePoint c = DecodeUtf8(glob_, at_);
    at_ += c.length;
    return c;
  }

  // What follows a [.
  Result<> Class() {
    bool negated = glob_.substr(at_).starts_with('!');
    if (negated) ++at_;
    std::string inner;
    size_t begin = at_;
    CodePoint first = BW_TRY(Next());
    if (glob_.substr(at_).starts_with('-')) {
      ++at_;
      CodePoint last = BW_TRY(Next());
      if (at_ == glob_.size()) return Fail("unexpected end of input");
      if (glob_[at_] != ']') {
        ++at_;
        return Fail("expected close range character");
      }
      ++at_;
      if (last.value < first.value) return Fail("range hi character is less than lo");
      AppendClass(inner, first.value);
      inner += '-';
      AppendClass(inner, last.value);
    } else {
      at_ = begin;
      std::u32string text = BW_TRY(Plain("]"));
      if (at_ == glob_.size()) return Fail("unexpected end of input");
      ++at_;
      if (text.empty()) return Fail("could not parse range");
      for (char32_t c : text) AppendClass(inner, c);
    }
    out_.append(negated ? "[^" : "[").append(inner).append("]");
    return Ok();
  }

  std::string_view glob_;
  std::string any_;
  std::string out_;
  size_t at_ = 0;
};

PatternCache<re2::RE2>& Cache() {
  static auto* const cache = new PatternCache<re2::RE2>();
  return *cache;
}

using Glob = std::shared_ptr<const re2::RE2>;

// A type of its own, so that a query keeps its globs apart from its regular expressions.
struct QueryGlobs {
  RecentPatterns<re2::RE2> patterns;
};

Result<Glob> CompileGlob(std::string_view glob, std::string_view delimiters) {
  std::string key(delimiters);
  key.append(1, '\0').append(glob);
  if (auto cached = Cache().Find(key)) return cached;
  std::string pattern = BW_TRY(Translator(glob, delimiters).Translate());
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_never_capture(true);
  options.set_max_mem(int64_t{16} << 20);
  auto compiled = std::make_shared<const re2::RE2>(pattern, options);
  if (!compiled->ok()) {
    return Error(Code::kLimit, "glob: the pattern is too large: " + compiled->error());
  }
  Cache().Keep(key, compiled);
  return compiled;
}

// Of an array of strings of one character each. False: the context has the error.
bool DelimitersArgument(Context& c, const Value& value, std::string& out) {
  for (const Value& item : value.items()) {
    if (!item.IsString()) {
      WrongElement(c, 2, value, item, "string");
      return false;
    }
    if (CountCodePoints(item.AsString()) != 1) {
      WrongElement(c, 2, value, item, "rune");
      return false;
    }
    out += item.AsString();
  }
  if (value.empty()) out = ".";
  return true;
}

Outcome Match(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  std::string delimiters;
  if (!args[1].IsNull()) {
    if (!args[1].IsArray()) return c.WrongType(2, args[1], "one of {array, null}");
    if (!DelimitersArgument(c, args[1], delimiters)) return Outcome::kError;
  }
  if (!args[2].IsString()) return c.WrongType(3, args[2], "string");
  std::string_view glob = args[0].AsString();
  std::string_view text = args[2].AsString();
  if (!SpendText(c, text.size())) return Outcome::kHalt;
  auto& recent = c.state<QueryGlobs>().patterns;
  const Glob* compiled = recent.Find(glob, delimiters);
  Glob made;
  if (compiled == nullptr) {
    if (!c.Spend(50 + glob.size() + delimiters.size())) return Outcome::kHalt;
    Result<Glob> result = CompileGlob(glob, delimiters);
    if (!result) return c.Fail(result.error().message());
    made = *result;
    compiled = &made;
    recent.Keep(glob, delimiters, made);
  }
  return Give(out, (*compiled)->Match({text.data(), text.size()}, 0, text.size(),
                                      re2::RE2::ANCHOR_BOTH, nullptr, 0));
}

Outcome QuoteMeta(Context& c, Args args, Value& out) {
  if (!args[0].IsString()) return c.WrongType(1, args[0], "string");
  if (!SpendText(c, args[0].size())) return Outcome::kHalt;
  std::string quoted;
  for (char ch : args[0].AsString()) {
    if (std::string_view("*?\\[]{}").find(ch) != std::string_view::npos) quoted += '\\';
    quoted += ch;
  }
  return GiveText(c, out, quoted);
}

constexpr Builtin kBuiltins[] = {
    {"glob.match", "(pattern: string, delimiters: null | array[string], match: string) -> boolean",
     Match},
    {"glob.quote_meta", "(pattern: string) -> string", QuoteMeta},
};

}  // namespace

std::span<const Builtin> GlobBuiltins() { return kBuiltins; }

}  // namespace bulwark::rego
