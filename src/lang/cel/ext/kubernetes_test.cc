#include "lang/cel/ext/kubernetes.h"

#include "lang/cel/ext/testing.h"

namespace bulwark::cel::ext {
namespace {

struct Since {
  int minor;
  std::string_view expression;
};

TEST(KubernetesEnvironment, HasWhatThatServerHas) {
  const Since rows[] = {
      {20, "url('https://a/').getHost() == 'a'"},
      {20, "[1, 2].sum() == 3"},
      {20, "'a1'.find('[0-9]') == '1'"},
      {20, "'aB'.lowerAscii() == 'ab'"},
      {28, "quantity('1').isInteger()"},
      {28, "optional.of(1).hasValue()"},
      {28, "{'a': 1}.?a.hasValue()"},
      {28, "1 < 1.5"},
      {29, "'%d'.format([1]) == '1'"},
      {29, "sets.contains([1], [1])"},
      {29, "strings.quote('a') == '\"a\"'"},
      {30, "isIP('1.2.3.4') && isCIDR('1.2.3.4/8')"},
      {31, "!format.uuid().validate('x').value().isSorted() || true"},
      {32, "[1].all(i, v, v == 1)"},
      {33, "isSemver('v1', true)"},
      {34, "lists.range(2) == [0, 1]"},
  };
  for (int minor : {20, 27, 28, 29, 30, 31, 32, 33, 34, 40}) {
    std::shared_ptr<const Env> env = MakeEnv(KubernetesEnvironment(minor));
    for (const Since& row : rows) {
      Tried tried = Try(*env, row.expression);
      if (minor >= row.minor) {
        EXPECT_TRUE(tried.ok() && tried.value.IsTrue())
            << minor << ": " << row.expression << " " << tried.runtime_error
            << (tried.compile_errors.empty() ? "" : tried.compile_errors[0]);
      } else {
        EXPECT_FALSE(tried.compile_errors.empty()) << minor << ": " << row.expression;
      }
    }
  }
}

TEST(KubernetesEnvironment, IsStrictWhereKubernetesIs) {
  std::shared_ptr<const Env> env = MakeEnv(KubernetesEnvironment());
  EXPECT_FALSE(Try(*env, "[1, 'a'].size() == 2").compile_errors.empty());
  EXPECT_FALSE(Try(*env, "'abc'.reverse()").compile_errors.empty());  // strings v3
  EXPECT_FALSE(Try(*env, "jsonpatch.escapeKey('a')").compile_errors.empty());
  std::shared_ptr<const Env> patching =
      MakeEnv(KubernetesEnvironment(kNewestKubernetes, {.json_patch = true}));
  ExpectAllTrue(*patching, {"jsonpatch.escapeKey('a/b') == 'a~1b'"});
}

TEST(KubernetesEnvironment, ABudgetEndsAnExpression) {
  std::shared_ptr<const Env> env = MakeEnv(KubernetesEnvironment());
  Tried tried = Try(*env, "lists.range(1000).all(i, lists.range(1000).all(j, i + j >= 0))");
  EXPECT_FALSE(tried.ok());
  EXPECT_TRUE(tried.runtime_error.contains("cost")) << tried.runtime_error;
}

TEST(AllLibraries, AgreeWithEachOther) {
  std::shared_ptr<const Env> env = EnvWith(AllLibraries());
  ExpectAllTrue(*env, {
                          "quantity('1Gi').compareTo(quantity('1G')) == 1",
                          "math.greatest(1, 2) == 2",
                          "[3, 1].sort().isSorted()",
                          "'abc'.reverse() == 'cba'",
                          "[1, 2].reverse() == [2, 1]",
                          "['a'].indexOf('a') == 0 && 'ba'.indexOf('a') == 1",
                          "semver('1.0.0').isLessThan(semver('1.0.1'))",
                          "cel.bind(x, 2, x * x) == 4",
                          "regex.extract('a1', '[0-9]').value() == '1'",
                      });
}

}  // namespace
}  // namespace bulwark::cel::ext
