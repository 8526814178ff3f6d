#include "lang/cel/ext/optionals.h"

#include "lang/cel/ext/bindings.h"
#include "lang/cel/ext/net.h"
#include "lang/cel/ext/testing.h"

namespace bulwark::cel::ext {
namespace {

TEST(Optionals, AnswerAsCelGo) {
  ExpectAnswers("optionals.txt", *EnvWith({&OptionalTypes(), &Bindings(), &Ip()}));
}

TEST(Optionals, VersionsDiffer) {
  EXPECT_TRUE(Try(*EnvWith({&OptionalTypes(0)}), "optional.of(1).optMap(x, x)").ok());
  EXPECT_FALSE(
      Try(*EnvWith({&OptionalTypes(0)}), "optional.of(1).optFlatMap(x, optional.of(x))").ok());
  EXPECT_TRUE(
      Try(*EnvWith({&OptionalTypes(1)}), "optional.of(1).optFlatMap(x, optional.of(x))").ok());
  EXPECT_FALSE(Try(*EnvWith({&OptionalTypes(1)}), "[1].first()").ok());
}

TEST(Optionals, UnwrapTakesOptionalsOnly) {
  ExpectErrors(*EnvWith({&OptionalTypes()}),
               {{"optional.unwrap(dyn([1]))", "value of type int is not optional"}});
}

}  // namespace
}  // namespace bulwark::cel::ext
