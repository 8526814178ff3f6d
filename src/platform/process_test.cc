#include "platform/process.h"

#include <gtest/gtest.h>

namespace bulwark {
namespace {

TEST(Process, GivesOutputAndExitCode) {
  auto result = RunProcess({"sh", "-c", "cat; echo oops >&2; exit 3"}, {.stdin_text = "hello"});
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->out, "hello");
  EXPECT_EQ(result->err, "oops\n");
  EXPECT_EQ(result->exit_code, 3);
}

TEST(Process, SurvivesAProgramThatDoesNotReadItsInput) {
  auto result = RunProcess({"true"}, {.stdin_text = std::string(1 << 20, 'x')});
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->exit_code, 0);
}

TEST(Process, StopsWhatRunsTooLongOrPrintsTooMuch) {
  EXPECT_EQ(RunProcess({"sleep", "60"}, {.timeout_seconds = 1}).error().code(), Code::kLimit);
  EXPECT_EQ(RunProcess({"yes"}, {.max_output_bytes = 1000}).error().code(), Code::kLimit);
}

TEST(Process, NamesWhatIsNotThere) {
  auto result = RunProcess({"no-such-program-here"});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code(), Code::kNotFound);
  EXPECT_TRUE(HasProgram("sh"));
}

TEST(Process, AddsToTheEnvironment) {
  auto ran = RunProcess({"sh", "-c", "echo $GIVEN $HOME $LANG"},
                        {.environment = {{"GIVEN", "a b"}, {"HOME", "/elsewhere"}, {"LANG", "x"}}});
  ASSERT_TRUE(ran) << ran.error().ToString();
  EXPECT_EQ(ran->out, "a b /elsewhere x\n");
}

}  // namespace
}  // namespace bulwark
