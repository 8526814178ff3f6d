// One policy and many threads, as an admission webhook has them; for ThreadSanitizer. And the ways
// in which an evaluation ends before its time: cancelled by another thread, and by each limit.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "formats/json.h"
#include "lang/rego/ast/parser.h"
#include "lang/rego/rego.h"

namespace bulwark::rego {
namespace {

constexpr std::string_view kPolicy = R"(
package shop

import rego.v1

default allow := false

allow if {
	some role in data.roles[input.user]
	role in {"admin", input.wanted}
	regex.match(`^/items/[0-9]+$`, input.path)
}

cheap contains item.name if {
	some item in input.items
	price(item) < 10
}

price(item) := item.price * item.count if {
	item.count > 0
} else := 0

by_kind[kind] := names if {
	some item in input.items
	kind := item.kind
	names := {i.name | some i in input.items; i.kind == kind}
}

report := sprintf("%s: %v of %d", [upper(input.user), sort(cheap), count(input.items)])

tomorrow := then if {
	then := allow with input.user as "bob" with data.roles as {"bob": ["admin"]}
}
)";

constexpr std::string_view kEndless = R"(
package endless

import rego.v1

ns := numbers.range(1, 5000)

p contains x if {
	some x in ns
	some y in ns
	some z in ns
	x * y * z == -1
}

large contains sprintf("%d-%d", [x, y]) if {
	some x in ns
	some y in ns
}

list := [concat("", ["a", sprintf("%d", [x + y])]) | some x in ns; some y in ns]

three := f(1)

f(x) := 1 + g(x)

g(x) := 1 + h(x)

h(x) := x + 1
)";

std::shared_ptr<const Policy> Compile(std::string_view text) {
  auto module = ParseModule("test.rego", std::string(text), {});
  EXPECT_TRUE(module.has_value()) << (module ? "" : module.error().ToString());
  if (!module) return nullptr;
  std::vector<std::unique_ptr<Module>> modules;
  modules.push_back(std::move(*module));
  auto policy = Policy::Compile(std::move(modules), {});
  EXPECT_TRUE(policy.has_value()) << (policy ? "" : policy.error().ToString());
  return policy ? *policy : nullptr;
}

std::shared_ptr<const PreparedQuery> Prepare(std::string_view text, std::string_view query) {
  auto policy = Compile(text);
  if (policy == nullptr) return nullptr;
  auto prepared = policy->Prepare(query);
  EXPECT_TRUE(prepared.has_value()) << (prepared ? "" : prepared.error().ToString());
  return prepared ? *prepared : nullptr;
}

Value Json(std::string_view text, Arena& arena) { return ParseJson(text, arena).value(); }

TEST(RegoThreads, OnePolicyManyThreads) {
  Arena documents;
  const Value data = Json(R"({"roles": {"alice": ["viewer", "buyer"], "eve": []}})", documents);
  const Value alice = Json(
      R"({"user": "alice", "wanted": "buyer", "path": "/items/12", "items": [
          {"name": "pen", "kind": "desk", "price": 1, "count": 2},
          {"name": "lamp", "kind": "desk", "price": 40, "count": 1},
          {"name": "cup", "kind": "kitchen", "price": 3, "count": 0}]})",
      documents);
  const Value eve =
      Json(R"({"user": "eve", "wanted": "buyer", "path": "/items/x", "items": []})", documents);
  const Value for_alice = Json(
      R"({"allow": true, "cheap": ["cup", "pen"],
          "by_kind": {"desk": ["lamp", "pen"], "kitchen": ["cup"]},
          "report": "ALICE: [\"cup\", \"pen\"] of 3", "tomorrow": true})",
      documents);
  const Value for_eve = Json(
      R"({"allow": false, "cheap": [], "by_kind": {}, "report": "EVE: [] of 0",
          "tomorrow": false})",
      documents);
  auto query = Prepare(kPolicy, "data.shop");
  ASSERT_NE(query, nullptr);

  std::atomic<int> wrong = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      Arena arena;
      for (int i = 0; i < 100; ++i) {
        const bool is_alice = (i + t) % 2 == 0;
        EvalOptions options;
        options.input = is_alice ? &alice : &eve;
        options.data = &data;
        auto results = query->Evaluate(options, arena);
        const Value& want = is_alice ? for_alice : for_eve;
        std::optional<Value> got = results ? results->Single() : std::nullopt;
        // As JSON, where sets are arrays.
        if (!got || ToJson(*got, {.sort_keys = true}) != ToJson(want, {.sort_keys = true})) {
          if (wrong++ == 0) {
            ADD_FAILURE() << (got ? ToJson(*got) : results ? "?" : results.error().ToString());
          }
        }
        arena.Reset();
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST(RegoThreads, QueriesAreMadeAtOnce) {
  auto policy = Compile(kPolicy);
  ASSERT_NE(policy, nullptr);
  std::atomic<int> right = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        Arena arena;
        auto query = policy->Prepare("x = data.shop.price({\"price\": 2, \"count\": 3})");
        if (!query) continue;
        auto results = (*query)->Evaluate({}, arena);
        if (results && results->rows.size() == 1 &&
            results->rows[0].bindings[0].second == Value::Int(6)) {
          ++right;
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(right, 80);
}

TEST(RegoThreads, CancelledByAnother) {
  auto query = Prepare(kEndless, "data.endless.p");
  ASSERT_NE(query, nullptr);
  std::atomic<bool> cancel = false;
  std::atomic<int> cancelled = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      Arena arena;
      EvalOptions options;
      options.cancel = &cancel;
      auto results = query->Evaluate(options, arena);
      if (!results && results.error().id() == "eval_cancel_error") ++cancelled;
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  cancel = true;
  threads.clear();
  EXPECT_EQ(cancelled, 3);
}

TEST(RegoThreads, CancelledBeforeItBegins) {
  auto query = Prepare(kEndless, "data.endless.p");
  ASSERT_NE(query, nullptr);
  std::atomic<bool> cancel = true;
  Arena arena;
  EvalOptions options;
  options.cancel = &cancel;
  auto results = query->Evaluate(options, arena);
  ASSERT_FALSE(results.has_value());
  EXPECT_EQ(results.error().id(), "eval_cancel_error");
}

struct Limit {
  const char* name;
  const char* query;
  EvalLimits limits;
  const char* id = "eval_limit_error";
};
void PrintTo(const Limit& limit, std::ostream* out) { *out << limit.name; }

class RegoLimits : public testing::TestWithParam<Limit> {};

TEST_P(RegoLimits, EndTheQuery) {
  auto query = Prepare(kEndless, GetParam().query);
  ASSERT_NE(query, nullptr);
  EvalOptions options;
  options.limits = GetParam().limits;
  // In strict mode and out of it: a limit is no error of a built-in.
  for (bool strict : {false, true}) {
    options.strict_builtin_errors = strict;
    Arena arena;
    auto results = query->Evaluate(options, arena);
    ASSERT_FALSE(results.has_value());
    EXPECT_EQ(results.error().id(), GetParam().id) << results.error().ToString();
    EXPECT_EQ(results.error().code(), Code::kLimit);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, RegoLimits,
    testing::Values(
        // As in OPA, a query that takes too long is cancelled.
        Limit{
            "Time", "data.endless.p", {.time = std::chrono::milliseconds(20)}, "eval_cancel_error"},
        Limit{"Instructions", "data.endless.p", {.instructions = 10'000}},
        Limit{"MemoryOfSets", "data.endless.large", {.memory_bytes = 4 << 20}},
        Limit{"MemoryOfArrays", "data.endless.list", {.memory_bytes = 4 << 20}},
        Limit{"InstructionsOfOneBuiltin",
              "x = count(numbers.range(1, 100000000))",
              {.instructions = 10'000}},
        Limit{"Depth", "data.endless.three", {.depth = 2}}),
    [](const auto& param) { return std::string(param.param.name); });

TEST(RegoThreads, LimitsThatAreNotReachedChangeNothing) {
  auto query = Prepare(kEndless, "data.endless.three");
  ASSERT_NE(query, nullptr);
  EvalOptions options;
  options.limits = {.time = std::chrono::seconds(60),
                    .memory_bytes = 1 << 20,
                    .instructions = 10'000,
                    .depth = 100};
  Arena arena;
  auto results = query->Evaluate(options, arena);
  ASSERT_TRUE(results.has_value()) << results.error().ToString();
  EXPECT_EQ(results->Single(), Value::Int(4));
}

}  // namespace
}  // namespace bulwark::rego
