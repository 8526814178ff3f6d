#include "console_files/console_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bulwark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

TEST(ConsoleFiles, AreUnpackedByLength) {
  using namespace std::string_view_literals;
  EXPECT_THAT(UnpackConsole("bulwark-console 1\n3 /a b\n0 /e\n4 /z\n\nab\n\0yz\n"sv),
              ElementsAre(Pair("/a b", "ab\n"), Pair("/e", ""), Pair("/z", "\0yz\n"sv)));
}

TEST(ConsoleFilesDeathTest, OfABrokenPackAreABug) {
  EXPECT_DEATH(UnpackConsole("bulwark-console 2\n\n"), "");
  EXPECT_DEATH(UnpackConsole("bulwark-console 1\n5 /a\n\nabc"), "");
  EXPECT_DEATH(UnpackConsole("bulwark-console 1\n1 /a\n\nabc"), "");
}

TEST(ConsoleFiles, AreAPageAndWhatItAsksFor) {
  const auto& files = ConsoleFiles();
  ASSERT_TRUE(files.contains("/index.html"));
  std::string_view page = files.at("/index.html");
  EXPECT_THAT(page, HasSubstr("<div id=\"root\">"));
  // Every file that the page names is there.
  size_t named = 0;
  for (size_t at = page.find("\"/assets/"); at != std::string_view::npos;
       at = page.find("\"/assets/", at + 1)) {
    std::string path(page.substr(at + 1, page.find('"', at + 1) - at - 1));
    EXPECT_TRUE(files.contains(path)) << path;
    ++named;
  }
  EXPECT_GE(named, 2u);
  // The policy forbids inline scripts and styles, so there must be none.
  EXPECT_THAT(page, Not(HasSubstr("<style")));
  for (size_t at = page.find("<script"); at != std::string_view::npos;
       at = page.find("<script", at + 1)) {
    EXPECT_THAT(page.substr(at, page.find('>', at) - at), HasSubstr("src=\""));
  }
}

TEST(ConsoleFiles, NameNoOtherHost) {
  for (const auto& [path, bytes] : ConsoleFiles()) {
    EXPECT_THAT(path, testing::StartsWith("/"));
    EXPECT_FALSE(bytes.empty()) << path;
    EXPECT_EQ(bytes.find("src=\"http"), std::string_view::npos) << path;
    EXPECT_EQ(bytes.find("//cdn."), std::string_view::npos) << path;
    EXPECT_EQ(bytes.find("sourceMappingURL="), std::string_view::npos) << path;
  }
}

}  // namespace
}  // namespace bulwark
