#include "formats/diff.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "base/files.h"
#include "base/text.h"

namespace bulwark {
namespace {

std::string Diff(std::string_view before, std::string_view after, size_t context = 3) {
  return UnifiedDiff(before, after, {.old_name = "a", .new_name = "b", .context = context});
}

TEST(Diff, Unified) {
  EXPECT_EQ(Diff("", ""), "");
  EXPECT_EQ(Diff("x\n", "x\n"), "");
  EXPECT_EQ(Diff("", "x\n"), "--- a\n+++ b\n@@ -0,0 +1 @@\n+x\n");
  EXPECT_EQ(Diff("x\n", ""), "--- a\n+++ b\n@@ -1 +0,0 @@\n-x\n");
  EXPECT_EQ(Diff("x", "x\n"), "--- a\n+++ b\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+x\n");
  EXPECT_EQ(Diff("1\n2\n3\n4\n5\n", "1\n2\nX\n4\n5\n", 1),
            "--- a\n+++ b\n@@ -2,3 +2,3 @@\n 2\n-3\n+X\n 4\n");
  EXPECT_EQ(Diff("1\n2\n3\n4\n5\n", "0\n1\n2\n3\n4\n", 1),
            "--- a\n+++ b\n@@ -1 +1,2 @@\n+0\n 1\n@@ -4,2 +5 @@\n 4\n-5\n");
  EXPECT_EQ(Diff("a\r\nb\n", "a\nb\n", 0), "--- a\n+++ b\n@@ -1 +1 @@\n-a\r\n+a\n");
  // Added after the first of two equal lines: shown as the last.
  EXPECT_EQ(Diff("x\ny\n", "x\nx\ny\n", 0), "--- a\n+++ b\n@@ -1,0 +2 @@\n+x\n");
}

TEST(Diff, WithoutWorkLeftItIsLongerButRight) {
  EXPECT_EQ(UnifiedDiff("1\n2\n3\n4\n", "2\n3\n5\n4\n1\n",
                        {.old_name = "a", .new_name = "b", .max_work = 0}),
            "--- a\n+++ b\n@@ -1,4 +1,5 @@\n-1\n 2\n 3\n+5\n 4\n+1\n");
}

bool Have(const char* tool) {
  return std::system((std::string(tool) + " --version >/dev/null 2>&1").c_str()) == 0;
}

// Texts like manifests, with lines that repeat; edits like those of a person.
TEST(Diff, PrintsWhatDiffPrintsAndPatchAppliesIt) {
  if (!Have("diff") || !Have("patch")) GTEST_SKIP() << "no diff and patch here";
  TempDir dir = TempDir::Make().value();
  std::mt19937 random(1);
  auto up_to = [&](size_t n) { return random() % n; };
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> lines;
    for (size_t i = 0; i < 20 + up_to(60); ++i) {
      lines.push_back(up_to(3) == 0 ? "- name: item" : "  key" + std::to_string(up_to(40)) + ": 1");
    }
    std::vector<std::string> edited = lines;
    for (size_t i = 0; i < 1 + up_to(5); ++i) {
      size_t at = up_to(edited.size());
      auto place = edited.begin() + static_cast<long>(at);
      switch (up_to(3)) {
        case 0: edited.insert(place, "  new" + std::to_string(i) + ": 2"); break;
        case 1: edited.erase(place); break;
        default: *place += " # changed"; break;
      }
    }
    std::string before = Join(lines, "\n") + (up_to(4) == 0 ? "" : "\n");
    std::string after = Join(edited, "\n") + (up_to(4) == 0 ? "" : "\n");
    ASSERT_TRUE(WriteFileAtomic(dir.File("a"), before));
    ASSERT_TRUE(WriteFileAtomic(dir.File("b"), after));
    std::string ours = Diff(before, after);
    std::string cd = "cd " + dir.path() + " && ";
    ASSERT_NE(std::system((cd + "diff -u --label a --label b a b > theirs").c_str()), -1);
    EXPECT_EQ(ours, ReadFile(dir.File("theirs")).value());
    if (ours.empty()) continue;
    ASSERT_TRUE(WriteFileAtomic(dir.File("patch"), ours));
    ASSERT_EQ(std::system((cd + "patch -s -o patched a patch").c_str()), 0);
    EXPECT_EQ(ReadFile(dir.File("patched")).value(), after);
  }
}

TEST(Diff, LongTextsWithNothingInCommonAreQuick) {
  std::string before;
  std::string after;
  for (int i = 0; i < 20'000; ++i) {
    before += std::to_string(i * 2) + "\nx\n";
    after += std::to_string(i * 2 + 1) + "\nx\ny\n";
  }
  std::string diff = Diff(before, after);
  EXPECT_GT(diff.size(), before.size());
}

}  // namespace
}  // namespace bulwark
