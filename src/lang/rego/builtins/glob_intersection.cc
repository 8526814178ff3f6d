#include "lang/rego/builtins/glob_intersection.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/text.h"

namespace bulwark::rego {

namespace {

struct Range {
  char32_t first, last;
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

}  // namespace

// Walks both patterns at once: a state is how many tokens of each are done, twice over for tokens
// that repeat (one may have begun, and may go on).
Result<bool> GlobsIntersect(std::string_view left, std::string_view right) {
  std::vector<Token> a = BW_TRY(Reader(left).Read());
  std::vector<Token> b = BW_TRY(Reader(right).Read());
  // Place 2i: before token i; 2i + 1: within token i, which may repeat.
  size_t width = 2 * b.size() + 1;
  std::vector<bool> seen((2 * a.size() + 1) * width);
  std::vector<std::pair<size_t, size_t>> todo;
  auto visit = [&](size_t i, size_t j) {
    if (seen[i * width + j]) return;
    seen[i * width + j] = true;
    todo.emplace_back(i, j);
  };
  // Places that can be reached from one without a character.
  auto skips = [](const std::vector<Token>& tokens, size_t place) {
    return place % 2 == 1 || (place / 2 < tokens.size() && tokens[place / 2].optional);
  };
  visit(0, 0);
  while (!todo.empty()) {
    auto [i, j] = todo.back();
    todo.pop_back();
    if (i == 2 * a.size() && j == 2 * b.size()) return true;
    if (skips(a, i)) visit((i / 2 + 1) * 2, j);
    if (skips(b, j)) visit(i, (j / 2 + 1) * 2);
    if (i / 2 >= a.size() || j / 2 >= b.size()) continue;
    const Token& x = a[i / 2];
    const Token& y = b[j / 2];
    if (!Overlap(x, y)) continue;
    visit(x.repeats ? i | 1 : i + 2, y.repeats ? j | 1 : j + 2);
  }
  return false;
}

}  // namespace bulwark::rego
