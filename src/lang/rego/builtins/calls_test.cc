// What built-ins answer against what OPA answers: testdata/calls.jsonl, which
// tests/conformance/rego/builtin_calls.py recorded.

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/files.h"
#include "lang/rego/builtins/testing.h"

namespace bulwark::rego {
namespace {

using testing::WithSets;

TEST(Calls, AnswersAsOpaDoes) {
  const char* other = std::getenv("BULWARK_REGO_CALLS");  // a longer recording
  auto text = ReadFile(
      other != nullptr ? other : BULWARK_SOURCE_DIR "/src/lang/rego/builtins/testdata/calls.jsonl");
  ASSERT_TRUE(text) << text.error().ToString();
  size_t count = 0;
  JsonLines lines(*text);
  while (lines.More()) {
    Arena arena;
    Result<Value> line = lines.Next(arena);
    ASSERT_TRUE(line) << line.error().ToString();
    ++count;
    const Builtin* builtin = Registry::Standard().Find(line->StringAt("call"));
    ASSERT_NE(builtin, nullptr) << line->StringAt("call");
    Host host;
    Context context(arena, host);
    Value args = WithSets((*line)["args"], arena);
    Value out;
    std::string got;
    switch (builtin->call(context, args.items(), out)) {
      case Outcome::kValue: got = ToRegoText(Value::Array(arena, {&out, 1})); break;
      case Outcome::kUndefined: got = "undefined"; break;
      case Outcome::kError:
      case Outcome::kHalt: got = context.error_code + ": " + context.error; break;
    }
    const Value* error = line->Find("error");
    EXPECT_EQ(got, error != nullptr ? error->AsString() : line->StringAt("want"))
        << builtin->name << ToRegoText(args);
  }
  EXPECT_GT(count, 1000U);
}

}  // namespace
}  // namespace bulwark::rego
