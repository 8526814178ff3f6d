#include "lang/rego/builtins/builtin.h"

#include <gtest/gtest.h>

#include "formats/json.h"
#include "lang/rego/builtins/support.h"
#include "lang/rego/builtins/testing.h"

namespace bulwark::rego {
namespace {

using testing::Call;
using testing::WithSets;

TEST(RegoText, IsWhatOpaPrints) {
  struct {
    std::string_view json, text;
  } constexpr kCases[] = {
      {R"(null)", "null"},
      {R"("a\"b\u0001é\u200b")", R"("a\"b\x01é\u200b")"},
      {R"([1, 2.5, 1.0, -0])", "[1, 2.5, 1.0, -0]"},
      {R"({"b": 1, "a": {"$set": [3, "x", null]}})", R"({"a": {null, 3, "x"}, "b": 1})"},
      {R"({"$set": []})", "set()"},
      {R"([{}, []])", "[{}, []]"},
      {R"([18446744073709551616, 1e400])", "[18446744073709551616, 1e400]"},
  };
  for (const auto& c : kCases) {
    Arena arena;
    EXPECT_EQ(ToRegoText(WithSets(*ParseJson(c.json, arena), arena)), c.text);
  }
}

TEST(SortedEntries, SortsOnlyWhatIsNotSorted) {
  Arena arena;
  Value sorted = *ParseJson(R"({"a": 1, "b": 2, "c": 3})", arena);
  EXPECT_EQ(SortedEntries(sorted, arena).data(), sorted.entries().data());
  Value mixed = *ParseJson(R"({"b": 2, "a": 1})", arena);
  std::span<const Value::Entry> entries = SortedEntries(mixed, arena);
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].key.AsString(), "a");
  MapBuilder keys(arena);
  keys.Add(Value::String("a"), Value::Null()).Add(Value::Int(2), Value::Null());
  keys.Add(Value::Null(), Value::Null());
  Value various = keys.Finish();
  EXPECT_TRUE(SortedEntries(various, arena)[0].key.IsNull());
  EXPECT_TRUE(SortedEntries(various, arena)[2].key.IsString());
}

TEST(Context, CountsWorkAndStops) {
  // With a budget of some thousands, none of these may go on.
  struct {
    std::string_view name, args;
  } constexpr kCases[] = {
      {"numbers.range", "[0, 100000000]"},
      {"numbers.range", "[0, 1e29]"},
      {"net.cidr_expand", "[\"10.0.0.0/8\"]"},
      {"net.cidr_expand", "[\"::/0\"]"},
      {"sprintf", "[\"%999999d%999999d\", [1, 1]]"},
      {"sprintf", "[\"%.999999f\", [1.5]]"},
      {"replace",
       "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", "
       "\"\", \"\"]"},
      {"graph.reachable_paths",
       R"([{"a":["b","c","d","e","f","g","h","i"],"b":["a","c","d","e","f","g","h","i"],
            "c":["b","a","d","e","f","g","h","i"],"d":["b","c","a","e","f","g","h","i"],
            "e":["b","c","d","a","f","g","h","i"],"f":["b","c","d","e","a","g","h","i"],
            "g":["b","c","d","e","f","a","h","i"],"h":["b","c","d","e","f","g","a","i"],
            "i":["b","c","d","e","f","g","h","a"]}, ["a"]])"},
  };
  for (const auto& c : kCases) {
    Arena arena;
    Host host;
    Context context(arena, host);
    bool told = false;
    context.refill = [&](Context& in, uint64_t units, uint64_t& budget) {
      if (std::exchange(told, true) || units > 50) {
        in.error_code = "eval_limit_error";
        return false;
      }
      budget = 50;
      return true;
    };
    Value out;
    Value args = *ParseJson(c.args, arena);
    EXPECT_EQ(Registry::Standard().Find(c.name)->call(context, args.items(), out), Outcome::kHalt)
        << c.name << c.args;
    EXPECT_LT(arena.bytes_reserved(), 64U << 20) << c.name;
  }
}

TEST(Context, OneTimeAQuery) {
  class Clock : public Host {
   public:
    int64_t NowNanos() override { return ++ticks_; }

   private:
    int64_t ticks_ = 0;
  };
  Arena arena;
  Clock clock;
  Context context(arena, clock);
  EXPECT_EQ(context.now_nanos(), 1);
  EXPECT_EQ(context.now_nanos(), 1);
  EXPECT_EQ(clock.NowNanos(), 2);
}

TEST(Host, LendsNothingUnlessTold) {
  Host host;
  Arena arena;
  EXPECT_FALSE(host.HttpSend(Value::EmptyMap(), arena));
  EXPECT_FALSE(host.LookupAddress("localhost"));
  uint8_t a[16] = {};
  uint8_t b[16] = {};
  host.Random(a);
  host.Random(b);
  EXPECT_FALSE(std::ranges::equal(a, b));
}

TEST(Print, OneLineForEachCombination) {
  class Printer : public Host {
   public:
    void Print(std::string_view text, std::string_view /*place*/) override {
      lines.emplace_back(text);
    }
    std::vector<std::string> lines;
  };
  Printer host;
  Arena arena;
  Context context(arena, host);
  Value args =
      WithSets(*ParseJson(R"([[{"$set": ["x"]}, {"$set": [1, 2]}, {"$set": []}]])", arena), arena);
  Value out;
  EXPECT_EQ(Registry::Standard().Find("internal.print")->call(context, args.items(), out),
            Outcome::kValue);
  EXPECT_EQ(host.lines, (std::vector<std::string>{"x 1 <undefined>", "x 2 <undefined>"}));
  EXPECT_EQ(Call("internal.print", "[[[1]]]"),
            "halt: eval_internal_error: illegal argument type: array");
}

TEST(TemplateString, JoinsItsParts) {
  EXPECT_EQ(
      Call("internal.template_string", R"([["a ", {"$set": [[1, "b"]]}, 1.0, {"$set": []}]])"),
      R"("a [1, \"b\"]1.0<undefined>")");
  EXPECT_EQ(Call("internal.template_string", R"([[{"$set": [1, 2]}]])"),
            "halt: eval_conflict_error: template-strings must not produce multiple outputs");
}

TEST(Yaml, WritesNumbersThatNoDoubleHolds) {
  EXPECT_EQ(Call("yaml.marshal", "[[1e400, -1e-400]]"), R"("- 1e400\n- -0\n")");
}

TEST(Sets, StaySorted) {
  Arena arena;
  auto set = [&](std::string_view json) {
    return Value::Set(arena, ParseJson(json, arena)->items());
  };
  Value a = set("[3, 1, \"x\"]");
  Value b = set("[2, 3, null]");
  EXPECT_EQ(ToRegoText(SetUnion(arena, a, b)), R"({null, 1, 2, 3, "x"})");
  EXPECT_EQ(ToRegoText(SetIntersection(arena, a, b)), "{3}");
  EXPECT_EQ(ToRegoText(SetDifference(arena, a, b)), R"({1, "x"})");
}

}  // namespace
}  // namespace bulwark::rego
