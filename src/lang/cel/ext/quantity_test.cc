#include "lang/cel/ext/quantity.h"

#include "lang/cel/ext/bindings.h"
#include "lang/cel/ext/lists.h"
#include "lang/cel/ext/testing.h"

namespace bulwark::cel::ext {
namespace {

TEST(Quantities, AnswerAsKubernetes) { ExpectAnswers("quantity.txt", *EnvWith({&Quantities()})); }

TEST(Quantities, EqualAmountsAreOne) {
  ExpectAllTrue(
      *EnvWith({&Quantities(), &Lists()}),
      {"[quantity('1'), quantity('1000m'), quantity('2')].distinct().size() == 2",
       "quantity('1') in [quantity('1000m')]", "type(quantity('1')) == type(quantity('2'))"});
}

// Doubling: the number of digits grows with the expression, and no further than the limit.
TEST(Quantities, SumsStayExactAndBounded) {
  std::string expression = "q0.isGreaterThan(quantity('1Ei'))";
  for (int i = 0; i < 100; ++i) {
    std::string next = "q" + std::to_string(i + 1);
    std::string self = "q" + std::to_string(i);
    expression = "cel.bind(" + self + ", " + next + ".add(" + next + "), " + expression + ")";
  }
  expression = "cel.bind(q100, quantity('1Ei'), " + expression + ")";
  EnvOptions options;
  options.libraries = {&Quantities(), &Bindings()};
  options.limits.max_depth = 1000;
  ExpectAllTrue(*MakeEnv(options), {expression});
  ExpectErrors(*EnvWith({&Quantities()}),
               {{"quantity('1e2147483647').add(1)", "quantity has too many digits"}});
}

}  // namespace
}  // namespace bulwark::cel::ext
