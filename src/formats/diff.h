#pragma once

// The difference of two texts, line by line: what `diff -u` prints and `patch` applies.
//
//   std::string d = UnifiedDiff(before, after, {.old_name = "a/pod.yaml", .new_name =
//   "b/pod.yaml"});
//
// "" where the texts are equal. A last line without a line break is marked as diff marks it. Lines
// are compared as bytes; \r belongs to the line. The edit script is a shortest one (Myers, "An
// O(ND) Difference Algorithm and Its Variations"), with groups of changed lines moved down as far
// as they go, as GNU diff does.
//
// Work is O((N + M) D) for D differences; past `max_work` steps what is left is shown as replaced
// as a whole, which is correct but longer than need be.

#include <string>
#include <string_view>

namespace bulwark {

struct DiffOptions {
  std::string old_name = "old";
  std::string new_name = "new";
  size_t context = 3;
  size_t max_work = 20'000'000;
};

std::string UnifiedDiff(std::string_view before, std::string_view after,
                        const DiffOptions& options = {});

}  // namespace bulwark
