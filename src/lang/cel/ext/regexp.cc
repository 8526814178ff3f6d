#include "lang/cel/ext/regexp.h"

#include <re2/re2.h>

#include <list>
#include <memory>
#include <unordered_map>

#include "base/text.h"

namespace bulwark::cel::ext {
namespace {

constexpr size_t kMaxCached = 64;
constexpr int64_t kMaxMemory = int64_t{8} << 20;  // of one compiled pattern and its automata

std::unique_ptr<RE2> Compile(std::string_view pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxMemory);
  return std::make_unique<RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
}

// Go's words for what can be wrong.
std::string GoError(const RE2& re) {
  std::string_view what;
  switch (re.error_code()) {
    case RE2::ErrorBadEscape: what = "invalid escape sequence"; break;
    case RE2::ErrorBadCharClass: what = "invalid character class"; break;
    case RE2::ErrorBadCharRange: what = "invalid character class range"; break;
    case RE2::ErrorMissingBracket: what = "missing closing ]"; break;
    case RE2::ErrorMissingParen: what = "missing closing )"; break;
    case RE2::ErrorUnexpectedParen: what = "unexpected )"; break;
    case RE2::ErrorTrailingBackslash: what = "trailing backslash at end of expression"; break;
    case RE2::ErrorRepeatArgument: what = "missing argument to repetition operator"; break;
    case RE2::ErrorRepeatSize: what = "invalid repeat count"; break;
    case RE2::ErrorRepeatOp: what = "invalid nested repetition operator"; break;
    case RE2::ErrorBadPerlOp: what = "invalid or unsupported Perl syntax"; break;
    case RE2::ErrorBadUTF8: what = "invalid UTF-8"; break;
    case RE2::ErrorBadNamedCapture: what = "invalid named capture"; break;
    case RE2::ErrorPatternTooLarge: what = "expression too large"; break;
    default: what = "internal error"; break;
  }
  return "error parsing regexp: " + std::string(what) + ": `" + re.error_arg() + "`";
}

struct Cached {
  std::string pattern;
  std::unique_ptr<RE2> compiled;
  Regexp regexp;
};

}  // namespace

const Regexp* Regexp::Get(std::string_view pattern, std::string* error) {
  thread_local std::list<Cached> cached;  // used last stands first
  thread_local std::unordered_map<std::string_view, std::list<Cached>::iterator> index;
  if (auto found = index.find(pattern); found != index.end()) {
    cached.splice(cached.begin(), cached, found->second);
    return &cached.front().regexp;
  }
  std::unique_ptr<RE2> compiled = Compile(pattern);
  if (!compiled->ok() && pattern.contains("(?<")) {
    // Go also takes (?<name>…) for a named group; older versions of RE2 do not.
    std::unique_ptr<RE2> renamed = Compile(ReplaceAll(pattern, "(?<", "(?P<"));
    if (renamed->ok()) compiled = std::move(renamed);
  }
  if (!compiled->ok()) {
    *error = GoError(*compiled);
    return nullptr;
  }
  if (cached.size() == kMaxCached) {
    index.erase(cached.back().pattern);
    cached.pop_back();
  }
  const RE2* raw = compiled.get();
  cached.push_front({std::string(pattern), std::move(compiled), Regexp(raw)});
  index.emplace(cached.front().pattern, cached.begin());
  return &cached.front().regexp;
}

int Regexp::groups() const { return re_->NumberOfCapturingGroups(); }

bool Regexp::FindFrom(std::string_view text, size_t at, Match& match) const {
  std::vector<re2::StringPiece> pieces(match.size());
  if (!re_->Match(re2::StringPiece(text.data(), text.size()), at, text.size(), RE2::UNANCHORED,
                  pieces.data(), static_cast<int>(pieces.size()))) {
    return false;
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    match[i] = std::string_view(pieces[i].data(), pieces[i].size());
  }
  return true;
}

std::optional<Regexp::Match> Regexp::Find(std::string_view text) const {
  Match match(static_cast<size_t>(groups()) + 1);
  if (!FindFrom(text, 0, match)) return std::nullopt;
  return match;
}

size_t Regexp::CharacterLength(std::string_view text, size_t at) {
  return at < text.size() ? DecodeUtf8(text, at).length : 1;
}

}  // namespace bulwark::cel::ext
