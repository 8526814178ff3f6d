#include "base/path.h"

#include <gtest/gtest.h>

namespace bulwark {
namespace {

TEST(Path, RoundTrips) {
  for (const char* text :
       {"", "spec", "spec.containers[0].image", "metadata.annotations[example.com/x]",
        "metadata.labels[app.kubernetes.io/name]", "data[\"0\"]", "[0][1].a", "data[\"a]b\"]",
        "data[\"\"]", "rules[2].nonResourceURLs[0]"}) {
    auto path = ParsePath(text);
    ASSERT_TRUE(path.has_value()) << text;
    EXPECT_EQ(PathToString(*path), text);
  }
}

TEST(Path, RefusesWhatIsNone) {
  for (const char* text : {".", "a.", "a..b", "a[", "a[]", "a[0", "[0]a", "a[\"x]", ".a"}) {
    EXPECT_FALSE(ParsePath(text).has_value()) << text;
  }
}

TEST(Path, FindsTheDeepestPartThatIsThere) {
  Arena arena;
  Value item = MapBuilder(arena).Add("name", Value::String("a")).Finish();
  Value root = MapBuilder(arena).Add("items", Value::Array(arena, {{item}})).Finish();
  EXPECT_EQ(FindPath(root, *ParsePath("items[0].name"))->AsString(), "a");
  EXPECT_EQ(FindPath(root, *ParsePath("items[1].name")), nullptr);
  size_t depth = 9;
  EXPECT_EQ(*FindDeepest(root, *ParsePath("items[0].x.y"), &depth), item);
  EXPECT_EQ(depth, 2U);
  EXPECT_EQ(FindDeepest(root, *ParsePath("no.such"), &depth), &root);
}

}  // namespace
}  // namespace bulwark
