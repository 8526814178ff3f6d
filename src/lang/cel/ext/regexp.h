#pragma once

// Regular expressions with the semantics of Go's regexp package over RE2, whose syntax it shares.
// Matching takes time linear in the text, and bounded memory.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace re2 {
class RE2;
}

namespace bulwark::cel::ext {

class Regexp {
 public:
  // Compiled, or taken from this thread's cache of those used last; valid until the thread's next
  // call. nullptr if the pattern is malformed: `error` then is Go's text, "error parsing regexp:
  // …".
  static const Regexp* Get(std::string_view pattern, std::string* error);

  // Groups of one match: [0] is all of it. A group that took no part has no data().
  using Match = std::vector<std::string_view>;

  explicit Regexp(const re2::RE2* compiled) : re_(compiled) {}
  int groups() const;
  std::optional<Match> Find(std::string_view text) const;
  // Calls visit(match) for each match from left to right, none overlapping, until it returns false.
  // As in Go, an empty match right after another match does not count.
  template <typename Visitor>
  void FindAll(std::string_view text, Visitor visit) const {
    size_t at = 0;
    const char* previous_end = nullptr;
    Match match(static_cast<size_t>(groups()) + 1);
    while (at <= text.size() && FindFrom(text, at, match)) {
      const char* end = match[0].data() + match[0].size();
      bool accept = true;
      if (end == text.data() + at) {  // empty, and here
        accept = match[0].data() != previous_end;
        at += CharacterLength(text, at);
      } else {
        at = static_cast<size_t>(end - text.data());
      }
      previous_end = end;
      if (accept && !visit(match)) return;
    }
  }

 private:
  bool FindFrom(std::string_view text, size_t at, Match& match) const;
  static size_t CharacterLength(std::string_view text, size_t at);  // 1 at the end
  const re2::RE2* re_;
};

}  // namespace bulwark::cel::ext
