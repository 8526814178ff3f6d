#include "lang/cel/ext/math.h"

#include "lang/cel/ext/testing.h"

namespace bulwark::cel::ext {
namespace {

TEST(Math, AnswersAsCelGo) { ExpectAnswers("math.txt", *EnvWith({&Math()})); }

TEST(Math, VersionsDiffer) {
  EXPECT_FALSE(Try(*EnvWith({&Math(0)}), "math.abs(-1)").ok());
  EXPECT_TRUE(Try(*EnvWith({&Math(1)}), "math.abs(-1)").ok());
  EXPECT_FALSE(Try(*EnvWith({&Math(1)}), "math.sqrt(4)").ok());
  EXPECT_TRUE(Try(*EnvWith({&Math(0)}), "math.least(1, 2)").ok());
}

TEST(Math, OtherObjectsKeepTheirMethods) {
  // The macro is only for the name `math`.
  Tried tried = Try(*EnvWith({&Math()}), "[1].greatest(2)");
  ASSERT_EQ(tried.compile_errors.size(), 1u);
  EXPECT_EQ(tried.compile_errors[0], "undeclared reference to 'greatest' (in container '')");
}

}  // namespace
}  // namespace bulwark::cel::ext
