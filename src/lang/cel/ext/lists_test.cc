#include "lang/cel/ext/lists.h"

#include "lang/cel/ext/kube_lists.h"
#include "lang/cel/ext/sets.h"
#include "lang/cel/ext/testing.h"

namespace bulwark::cel::ext {
namespace {

std::shared_ptr<const Env> All() { return EnvWith({&Lists(3), &Sets(), &KubeLists()}); }

TEST(Lists, AnswerAsCelGoAndKubernetes) { ExpectAnswers("lists.txt", *All()); }

TEST(Lists, VersionsDiffer) {
  EXPECT_FALSE(Try(*EnvWith({&Lists(0)}), "[[1]].flatten()").ok());
  EXPECT_TRUE(Try(*EnvWith({&Lists(1)}), "[[1]].flatten()").ok());
  EXPECT_FALSE(Try(*EnvWith({&Lists(1)}), "[1].sort()").ok());
  EXPECT_TRUE(Try(*EnvWith({&Lists(3)}), "lists.range(-1)").ok());
  EXPECT_FALSE(Try(*EnvWith({&Lists()}), "lists.range(-1)").ok());
}

TEST(Lists, SortIsStableAndTakesNaN) {
  ExpectAllTrue(*All(), {
                            "['bb', 'a', 'cc', 'd'].sortBy(s, size(s)) == ['a', 'd', 'bb', 'cc']",
                            "[1.0, double('NaN'), -1.0].sort()[1] == -1.0",
                            "lists.range(1000).sortBy(i, -i)[0] == 999",
                        });
}

TEST(Lists, ResultsAreBounded) {
  EnvOptions options;
  options.libraries = {&Lists(3)};
  options.limits.max_value_bytes = 16'000;
  options.variables = {{"l", Type::List(Type::Static(), Type::Dyn())}};
  std::shared_ptr<const Env> env = MakeEnv(options);
  std::vector<Value> items(900, Value::Int(1));
  std::vector<Value> nested(900, Value::Array(items));
  const Value bindings[] = {Value::Array(nested)};
  for (std::string_view expression :
       {"lists.range(9223372036854775807)", "lists.range(1001)", "l.flatten(9)"}) {
    EXPECT_EQ(Try(*env, expression, true, bindings).runtime_error,
              "result is larger than the limit of 16000 bytes")
        << expression;
  }
  // Nesting without an end is a size, too.
  Arena arena;
  Value deep = Value::Int(1);
  for (int i = 0; i < 100'000; ++i) deep = Value::Array(arena, std::span(&deep, 1));
  const Value deep_bindings[] = {deep};
  EXPECT_FALSE(Try(*env, "l.flatten(1000000)", true, deep_bindings).ok());
}

// Two lists that have nothing in common would take 10^10 comparisons one by one.
TEST(Lists, LargeSetsAreCompared) {
  EnvOptions options;
  options.libraries = {&Lists(3), &Sets()};
  std::shared_ptr<const Env> env = MakeEnv(options);
  ExpectAllTrue(*env,
                {
                    "!sets.intersects(lists.range(100000), lists.range(100000).map(i, -1 - i))",
                    "sets.equivalent(lists.range(100000), lists.range(100000).reverse())",
                    "lists.range(100000).map(i, i % 1000).distinct().size() == 1000",
                    "lists.range(100).map(i, double(i)).distinct().size() == 100",
                });
}

TEST(Lists, EqualityIsThatOfCel) {
  ExpectAllTrue(*All(), {
                            "[dyn(1), 1u, 1.0].distinct() == [1]",
                            "[dyn({'a': 1}), {'a': 1.0}].distinct().size() == 1",
                            "[dyn([1]), [1u], 'x'].distinct().size() == 2",
                            "[type(1), type(2), type('a')].distinct().size() == 2",
                            "[double('NaN'), double('NaN')].distinct().size() == 2",
                            "sets.contains([dyn(type(1))], [type(7)])",
                        });
}

}  // namespace
}  // namespace bulwark::cel::ext
