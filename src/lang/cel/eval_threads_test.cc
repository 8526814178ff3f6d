// One environment and one program, many threads.

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "lang/cel/env.h"
#include "lang/cel/values.h"

namespace bulwark::cel {
namespace {

TEST(CelThreads, OneProgramManyThreads) {
  auto env =
      Env::Create({.variables = {{"names", Type::Dyn()}, {"at", Type::Timestamp()}}}).value();
  const char* expression =
      "names.all(n, n.matches('^[a-z]+-[0-9]+$') && n.matches(n) && n.size() > 2 && "
      "!(n in ['x', 'y'])) && names.map(n, n + '!').filter(n, n.endsWith('!')).size() == "
      "names.size() && at.getHours('Europe/Berlin') == 13 && names[99] == ''";
  auto program = env->Compile(expression).value();
  std::atomic<int> right = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Arena arena;
      Evaluator evaluator;
      RunOptions options;
      options.track_cost = t % 2 == 0;
      for (int i = 0; i < 200; ++i) {
        std::vector<Value> names;
        for (int n = 0; n < 5; ++n) {
          names.push_back(Value::String(arena, "pod-" + std::to_string(t * 1000 + i + n)));
        }
        Value bindings[] = {Value::Array(arena, names), Value::Timestamp(1704110400, 0)};
        Outcome out = evaluator.Run(*program, bindings, options);
        if (IsError(out.value) && ErrorMessage(out.value) == "index out of bounds: 99") ++right;
        if (i % 50 == 0 && env->Compile("1 + 1 == 2").has_value()) ++right;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(right, 4 * (200 + 4));
}

}  // namespace
}  // namespace bulwark::cel
