// What OPA 1.22.2 answered to calls of its own cases and to generated ones, a file for each family
// in testdata/recorded: {"call": name, "args": […], "want": value} or {…, "error": "…"}; neither is
// undefined.

#include <gtest/gtest.h>

#include "base/files.h"
#include "lang/rego/builtins/testing.h"

namespace bulwark::rego {
namespace {

class Recorded : public ::testing::TestWithParam<const char*> {};

TEST_P(Recorded, AnswersAsOpaDoes) {
  auto text =
      ReadFile(std::string(BULWARK_SOURCE_DIR "/src/lang/rego/builtins/testdata/recorded/") +
               GetParam() + ".jsonl");
  ASSERT_TRUE(text) << text.error().ToString();
  JsonLines lines(*text);
  while (lines.More()) {
    Arena arena;
    Result<Value> line = lines.Next(arena);
    ASSERT_TRUE(line) << line.error().ToString();
    const Builtin* builtin = Registry::Standard().Find(line->StringAt("call"));
    ASSERT_NE(builtin, nullptr) << line->StringAt("call");
    Host host;
    Context context(arena, host);
    Value args = (*line)["args"];
    Value out;
    Outcome outcome = builtin->call(context, args.items(), out);
    const Value* want = line->Find("want");
    const Value* error = line->Find("error");
    std::string call = std::string(builtin->name) + ToRegoText(args);
    if (error != nullptr) {
      EXPECT_TRUE(outcome == Outcome::kError || outcome == Outcome::kHalt) << call;
      EXPECT_EQ(context.error, error->AsString()) << call;
    } else if (want == nullptr) {
      EXPECT_EQ(outcome, Outcome::kUndefined) << call;
    } else {
      ASSERT_EQ(outcome, Outcome::kValue) << context.error << call;
      EXPECT_EQ(ToRegoText(out), ToRegoText(*want)) << call;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Recorded,
                         ::testing::Values("aws", "crypto", "graphql", "schema", "template", "time",
                                           "tokens", "uuid"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace bulwark::rego
