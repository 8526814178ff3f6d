#include "formats/diff.h"

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace bulwark {

namespace {

// Lines with their line breaks.
std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    size_t length = std::min(text.find('\n'), text.size() - 1) + 1;
    out.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return out;
}

// The lines of one side that the other has too, and where they stand.
struct Common {
  Common(const std::vector<int32_t>& side, const std::vector<int32_t>& other, size_t numbers) {
    std::vector<bool> there(numbers, false);
    for (int32_t line : other) there[static_cast<size_t>(line)] = true;
    for (size_t i = 0; i < side.size(); ++i) {
      if (!there[static_cast<size_t>(side[i])]) continue;
      lines.push_back(side[i]);
      at.push_back(i);
    }
  }
  std::vector<int32_t> lines;
  std::vector<size_t> at;
};

// Marks the lines of both sides that a shortest edit script changes. Linear in memory: it looks for
// the middle of the script from both ends, and divides there.
class Script {
 public:
  Script(const std::vector<int32_t>& a, const std::vector<int32_t>& b, size_t max_work)
      : a_(a),
        b_(b),
        work_left_(max_work),
        changed_a_(a.size(), false),
        changed_b_(b.size(), false),
        forward_(a.size() + b.size() + 3),
        backward_(a.size() + b.size() + 3) {
    Compare({0, Size(a), 0, Size(b)});
  }

  bool removed(size_t i) const { return changed_a_[i]; }
  bool added(size_t i) const { return changed_b_[i]; }

 private:
  struct Box {
    int64_t a0, a1, b0, b1;
  };
  static int64_t Size(const std::vector<int32_t>& v) { return static_cast<int64_t>(v.size()); }
  int64_t& Forward(int64_t diagonal) { return forward_[Index(diagonal)]; }
  int64_t& Backward(int64_t diagonal) { return backward_[Index(diagonal)]; }
  size_t Index(int64_t diagonal) const {
    return static_cast<size_t>(diagonal + static_cast<int64_t>(b_.size()) + 1);
  }
  int32_t A(int64_t i) const { return a_[static_cast<size_t>(i)]; }
  int32_t B(int64_t i) const { return b_[static_cast<size_t>(i)]; }

  void Compare(Box whole) {
    std::vector<Box> todo = {whole};
    while (!todo.empty()) {
      Box box = todo.back();
      todo.pop_back();
      while (box.a0 < box.a1 && box.b0 < box.b1 && A(box.a0) == B(box.b0)) ++box.a0, ++box.b0;
      while (box.a0 < box.a1 && box.b0 < box.b1 && A(box.a1 - 1) == B(box.b1 - 1)) {
        --box.a1, --box.b1;
      }
      int64_t x = 0;
      int64_t y = 0;
      if (box.a0 == box.a1 || box.b0 == box.b1 || !Middle(box, x, y)) {
        for (int64_t i = box.a0; i < box.a1; ++i) changed_a_[static_cast<size_t>(i)] = true;
        for (int64_t i = box.b0; i < box.b1; ++i) changed_b_[static_cast<size_t>(i)] = true;
        continue;
      }
      todo.push_back({box.a0, x, box.b0, y});
      todo.push_back({x, box.a1, y, box.b1});
    }
  }

  // A point that a shortest path through the box passes; false when the work is used up.
  bool Middle(const Box& box, int64_t& x, int64_t& y) {
    const int64_t least = box.a0 - box.b1;
    const int64_t most = box.a1 - box.b0;
    const int64_t forward_mid = box.a0 - box.b0;
    const int64_t backward_mid = box.a1 - box.b1;
    const bool odd = ((forward_mid - backward_mid) & 1) != 0;
    int64_t f0 = forward_mid, f1 = forward_mid;
    int64_t b0 = backward_mid, b1 = backward_mid;
    Forward(forward_mid) = box.a0;
    Backward(backward_mid) = box.a1;
    while (true) {
      f0 > least ? Forward(--f0 - 1) = -1 : ++f0;
      f1 < most ? Forward(++f1 + 1) = -1 : --f1;
      for (int64_t d = f1; d >= f0; d -= 2) {
        int64_t low = Forward(d - 1);
        int64_t high = Forward(d + 1);
        x = low < high ? high : low + 1;
        y = x - d;
        while (x < box.a1 && y < box.b1 && A(x) == B(y)) ++x, ++y, Spend();
        Spend();
        Forward(d) = x;
        if (odd && b0 <= d && d <= b1 && Backward(d) <= x) return true;
      }
      b0 > least ? Backward(--b0 - 1) = INT64_MAX : ++b0;
      b1 < most ? Backward(++b1 + 1) = INT64_MAX : --b1;
      for (int64_t d = b1; d >= b0; d -= 2) {
        int64_t low = Backward(d - 1);
        int64_t high = Backward(d + 1);
        x = low < high ? low : high - 1;
        y = x - d;
        while (x > box.a0 && y > box.b0 && A(x - 1) == B(y - 1)) --x, --y, Spend();
        Spend();
        Backward(d) = x;
        if (!odd && f0 <= d && d <= f1 && x <= Forward(d)) return true;
      }
      if (work_left_ == 0) return false;
    }
  }
  void Spend() {
    if (work_left_ > 0) --work_left_;
  }

  const std::vector<int32_t>& a_;
  const std::vector<int32_t>& b_;
  size_t work_left_;
  std::vector<bool> changed_a_, changed_b_;
  std::vector<int64_t> forward_, backward_;
};

// Moves each group of changed lines as far down as equal lines let it, joining groups that meet,
// and back up to where the other side changes too: GNU diff's choice among scripts of one length.
void Shift(const std::vector<int32_t>& lines, std::vector<bool>& changed,
           const std::vector<bool>& other) {
  const size_t end = changed.size();
  auto is = [](const std::vector<bool>& v, size_t i) { return i < v.size() && v[i]; };
  size_t i = 0;
  size_t j = 0;  // the unchanged line of the other side that goes with i
  auto back = [&] {
    do --j;
    while (is(other, j));
  };
  while (true) {
    // The next group: i its beginning, `stop` its end.
    while (i < end && !changed[i]) {
      while (is(other, j)) ++j;
      ++j;
      ++i;
    }
    if (i == end) return;
    size_t start = i;
    while (is(changed, ++i)) {
    }
    while (is(other, j)) ++j;
    size_t length = 0;
    size_t matching = 0;
    do {
      length = i - start;
      // Up, while the line before equals the group's last: groups above join it.
      while (start > 0 && lines[start - 1] == lines[i - 1]) {
        changed[--start] = true;
        changed[--i] = false;
        while (start > 0 && changed[start - 1]) --start;
        back();
      }
      // Where the other side's changes stand next to it.
      matching = j > 0 && is(other, j - 1) ? i : end;
      // Down, while its first line equals the one after it.
      while (i != end && lines[start] == lines[i]) {
        changed[start++] = false;
        changed[i++] = true;
        while (is(changed, i)) ++i;
        ++j;
        while (is(other, j)) {
          ++j;
          matching = i;
        }
      }
    } while (length != i - start);
    // Back to the changes of the other side, if it passed them.
    while (matching < i) {
      changed[--start] = true;
      changed[--i] = false;
      back();
    }
  }
}

struct Change {
  size_t a, a_count, b, b_count;
};

std::string Span(size_t first, size_t count) {
  // A span without lines is named by the line before it.
  std::string out = std::to_string(count == 0 ? first : first + 1);
  if (count != 1) out += "," + std::to_string(count);
  return out;
}

void AppendLine(std::string& out, char sign, std::string_view line) {
  out += sign;
  out += line;
  if (!line.ends_with('\n')) out += "\n\\ No newline at end of file\n";
}

}  // namespace

std::string UnifiedDiff(std::string_view before, std::string_view after,
                        const DiffOptions& options) {
  if (before == after) return "";
  std::vector<std::string_view> a = Lines(before);
  std::vector<std::string_view> b = Lines(after);
  // Equal lines get equal numbers.
  std::unordered_map<std::string_view, int32_t> numbers;
  auto number = [&](const std::vector<std::string_view>& lines) {
    std::vector<int32_t> out;
    out.reserve(lines.size());
    for (std::string_view line : lines) {
      out.push_back(numbers.try_emplace(line, static_cast<int32_t>(numbers.size())).first->second);
    }
    return out;
  };
  std::vector<int32_t> numbers_a = number(a);
  std::vector<int32_t> numbers_b = number(b);
  // A line that the other side has nowhere is changed for certain; the script is sought without it.
  std::vector<bool> removed(a.size(), true);
  std::vector<bool> added(b.size(), true);
  {
    Common common_a(numbers_a, numbers_b, numbers.size());
    Common common_b(numbers_b, numbers_a, numbers.size());
    Script script(common_a.lines, common_b.lines, options.max_work);
    for (size_t i = 0; i < common_a.lines.size(); ++i) removed[common_a.at[i]] = script.removed(i);
    for (size_t i = 0; i < common_b.lines.size(); ++i) added[common_b.at[i]] = script.added(i);
  }
  Shift(numbers_a, removed, added);
  Shift(numbers_b, added, removed);

  std::vector<Change> changes;
  for (size_t i = 0, j = 0; i < a.size() || j < b.size();) {
    size_t i0 = i;
    size_t j0 = j;
    while (i < a.size() && removed[i]) ++i;
    while (j < b.size() && added[j]) ++j;
    if (i != i0 || j != j0) {
      changes.push_back({i0, i - i0, j0, j - j0});
    } else {
      ++i, ++j;
    }
  }

  std::string out = "--- " + options.old_name + "\n+++ " + options.new_name + "\n";
  for (size_t first = 0; first < changes.size();) {
    // Changes whose contexts touch share a hunk.
    size_t last = first;
    while (last + 1 < changes.size() &&
           changes[last + 1].a - (changes[last].a + changes[last].a_count) <= 2 * options.context) {
      ++last;
    }
    const Change& head = changes[first];
    const Change& tail = changes[last];
    size_t lead = std::min(options.context, head.a);
    size_t a_end = std::min(tail.a + tail.a_count + options.context, a.size());
    size_t b_end = std::min(tail.b + tail.b_count + options.context, b.size());
    size_t a_at = head.a - lead;
    out += "@@ -" + Span(a_at, a_end - a_at) + " +" + Span(head.b - lead, b_end - (head.b - lead)) +
           " @@\n";
    for (size_t c = first; c <= last; ++c) {
      for (; a_at < changes[c].a; ++a_at) AppendLine(out, ' ', a[a_at]);
      for (size_t k = 0; k < changes[c].a_count; ++k) AppendLine(out, '-', a[a_at++]);
      for (size_t k = 0; k < changes[c].b_count; ++k) {
        AppendLine(out, '+', b[changes[c].b + k]);
      }
    }
    for (; a_at < a_end; ++a_at) AppendLine(out, ' ', a[a_at]);
    first = last + 1;
  }
  return out;
}

}  // namespace bulwark
