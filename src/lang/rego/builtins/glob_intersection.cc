#include "lang/rego/builtins/glob_intersection.h"

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/text.h"

namespace bulwark::rego {

namespace {

constexpr size_t kMostTokens = 2000;  // the walk is as deep

struct Range {
  char32_t first, last;
  friend bool operator==(const Range&, const Range&) = default;
};

struct Token {
  bool any = false;
  std::vector<Range> ranges;
  bool optional = false;  // *
  bool repeats = false;   // + or *
};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {
    for (CodePoint c : CodePoints(text)) points_ += c.value;
  }

  Result<std::vector<Token>> Read() {
    std::vector<Token> out;
    while (at_ < points_.size()) {
      Point point = BW_TRY(Next());
      Token token;
      if (point.escaped ||
          std::u32string_view(U".[]+*").find(point.value) == std::u32string::npos) {
        token.ranges.push_back({point.value, point.value});
      } else if (point.value == '.') {
        token.any = true;
      } else if (point.value == '[') {
        token.ranges = BW_TRY(ReadSet());
      } else if (point.value == ']') {
        return Invalid("set-close ']' with no preceding '['");
      } else {
        return Invalid(std::string("flag '") + static_cast<char>(point.value) +
                       "' must be preceded by a non-flag");
      }
      if (at_ < points_.size() && points_[at_] == '\\' && at_ + 1 == points_.size()) {
        return Invalid("input ends with a \\ (escape) character");
      }
      if (at_ < points_.size() && (points_[at_] == '+' || points_[at_] == '*')) {
        token.repeats = true;
        token.optional = points_[at_++] == '*';
      }
      // x*x+ is x+.
      if (token.repeats && !out.empty() && out.back().repeats && out.back().any == token.any &&
          out.back().ranges == token.ranges) {
        out.back().optional = out.back().optional && token.optional;
        continue;
      }
      out.push_back(std::move(token));
    }
    return out;
  }

 private:
  struct Point {
    char32_t value;
    bool escaped;
  };

  Result<Point> Next() {
    char32_t c = points_[at_];
    if (c != '\\') {
      ++at_;
      return Point{c, false};
    }
    if (at_ + 1 == points_.size()) return Invalid("input ends with a \\ (escape) character");
    at_ += 2;
    return Point{points_[at_ - 1], true};
  }

  Result<std::vector<Range>> ReadSet() {
    std::vector<Range> out;
    bool may_range = false;  // the last one may begin a range
    while (at_ < points_.size()) {
      Point point = BW_TRY(Next());
      if (!point.escaped && point.value == ']') return out;
      if (point.escaped || point.value != '-') {
        out.push_back({point.value, point.value});
        may_range = true;
        continue;
      }
      if (!may_range) {
        return Invalid("range character '-' must be preceded by a Unicode character");
      }
      if (at_ + 1 >= points_.size()) {
        return Invalid("range character '-' must be followed by a Unicode character");
      }
      Point last = BW_TRY(Next());
      if (!last.escaped && (last.value == ']' || last.value == '-')) {
        return Invalid("range character '-' cannot be followed by a special symbol");
      }
      if (last.value < out.back().first) {
        std::string message = "range is out of order: '";
        AppendUtf8(message, last.value);
        message += "' comes before '";
        AppendUtf8(message, out.back().first);
        return Invalid(message + "' in Unicode");
      }
      out.back().last = last.value;
      may_range = false;
    }
    return Invalid("found [ without matching ]");
  }

  Error Invalid(const std::string& what) const {
    return Error(Code::kInvalid, "input:" + std::string(text_) + ", pos:" + std::to_string(at_) +
                                     ", " + what + ": the input provided is invalid");
  }

  std::string_view text_;
  std::u32string points_;
  size_t at_ = 0;
};

bool Overlap(const Token& a, const Token& b) {
  if (a.any || b.any) return true;
  return std::ranges::any_of(a.ranges, [&](const Range& x) {
    return std::ranges::any_of(
        b.ranges, [&](const Range& y) { return x.first <= y.last && y.first <= x.last; });
  });
}

// OPA's library goes over both patterns from the left, and gives up sooner than it must: it says of
// "a" and "a.*" that they have no text in common. Policies are written against its answers, so ours
// are the same; what it has asked once is not asked again.
class Intersection {
 public:
  using Pattern = std::vector<Token>;
  Intersection(const Pattern& a, const Pattern& b) : patterns_{&a, &b} {}

  // Nothing where it is too much work.
  std::optional<bool> Run() {
    bool found = Normal({0, 0}, false);
    if (steps_ == 0) return std::nullopt;
    return found;
  }

 private:
  struct Place {
    size_t i, j;  // in the pattern that comes first, in the other
  };
  const Pattern& First(bool swapped) const { return *patterns_[swapped ? 1 : 0]; }
  const Pattern& Other(bool swapped) const { return *patterns_[swapped ? 0 : 1]; }
  bool Step() {
    if (steps_ > 0) --steps_;
    return steps_ > 0;
  }

  bool Normal(Place at, bool swapped) {
    const Pattern& a = First(swapped);
    const Pattern& b = Other(swapped);
    while (at.i < a.size() && at.j < b.size()) {
      if (!Step()) return false;
      if (a[at.i].repeats) return Remembered(at, swapped);
      if (b[at.j].repeats) return Remembered({at.j, at.i}, !swapped);
      if (!Overlap(a[at.i], b[at.j])) return false;
      ++at.i;
      ++at.j;
    }
    return at.i == a.size() && at.j == b.size();
  }

  bool Remembered(Place at, bool swapped) {
    size_t key = (at.i * (Other(swapped).size() + 1) + at.j) * 2 + (swapped ? 1 : 0);
    auto [known, added] = answers_.try_emplace(key, false);
    if (!added) return known->second;
    bool answer = First(swapped)[at.i].optional ? Star(at, swapped) : Plus(at, swapped);
    answers_[key] = answer;
    return answer;
  }

  bool Plus(Place at, bool swapped) {
    const Token& other = Other(swapped)[at.j];
    if (!Overlap(First(swapped)[at.i], other)) return false;
    if (Star({at.i, at.j + 1}, swapped)) return true;
    return other.repeats && Normal({at.i + 1, at.j}, swapped);
  }

  bool Star(Place at, bool swapped) {
    const Pattern& a = First(swapped);
    const Pattern& b = Other(swapped);
    const Token* next = at.i + 1 < a.size() ? &a[at.i + 1] : nullptr;
    for (size_t j = at.j; j < b.size(); ++j) {
      if (!Step()) return false;
      if (next != nullptr && Overlap(b[j], *next) && Normal({at.i + 1, j}, swapped)) return true;
      if (!Overlap(b[j], a[at.i])) return false;
    }
    return next == nullptr;
  }

  const Pattern* patterns_[2];
  std::unordered_map<size_t, bool> answers_;
  uint64_t steps_ = 2'000'000;
};

}  // namespace

Result<bool> GlobsIntersect(std::string_view left, std::string_view right) {
  std::vector<Token> a = BW_TRY(Reader(left).Read());
  std::vector<Token> b = BW_TRY(Reader(right).Read());
  Error too_much(Code::kLimit, "the patterns are too long");
  if (a.size() > kMostTokens || b.size() > kMostTokens) return too_much;
  std::optional<bool> found = Intersection(a, b).Run();
  if (!found) return too_much;
  return *found;
}

}  // namespace bulwark::rego
