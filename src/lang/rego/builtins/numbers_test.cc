#include <gtest/gtest.h>

#include "lang/rego/builtins/testing.h"

namespace bulwark::rego {
namespace {

using testing::Call;
using testing::Case;

TEST(Numbers, Answers) {
  constexpr Case kCases[] = {
      {"plus", "[1, 2]", "3"},
      {"plus", "[0.1, 0.2]", "0.3"},
      {"plus", "[0.5, 0.5]", "1"},
      {"plus", "[1.0, 2]", "3"},
      {"plus", "[9223372036854775807, 1]", "9223372036854775808"},
      {"plus", "[1e30, 1]", "1000000000000000000000000000001"},
      {"plus", "[1234567.25, 0.25]", "1.2345675e+06"},
      {"plus", "[1e40, 0.5]", "10000000000000000000000000000000000000000"},
      {"minus", "[-9223372036854775808, 1]", "-9223372036854775809"},
      {"minus", "[0.3, 0.1]", "0.20000000000000000002"},
      {"minus", "[{\"$set\": [1, 2]}, {\"$set\": [2]}]", "{1}"},
      {"minus", "[1, {\"$set\": []}]", "eval_type_error: operand 2 must be number but got set"},
      {"minus", "[\"a\", 1]",
       "eval_type_error: operand 1 must be one of {number, set} but got string"},
      {"minus", "[{\"$set\": []}, 1]", "eval_type_error: operand 2 must be set but got number"},
      {"mul", "[4294967296, 4294967296]", "18446744073709551616"},
      {"mul", "[1.5, 1.5]", "2.25"},
      {"div", "[10, 4]", "2.5"},
      {"div", "[10, 3]", "3.3333333333333333333"},
      {"div", "[1, 0]", "eval_builtin_error: divide by zero"},
      {"div", "[1.5, 0.0]", "eval_builtin_error: divide by zero"},
      {"div", "[18446744073709551616, 2]", "9223372036854775808"},
      {"div", "[0, -5]", "-0"},
      {"rem", "[-7, 3]", "-1"},
      {"rem", "[7, 0]", "eval_builtin_error: modulo by zero"},
      {"rem", "[1.5, 2]", "eval_builtin_error: modulo on floating-point number"},
      {"rem", "[10, 18446744073709551616]", "10"},
      {"round", "[2.5]", "3"},
      {"round", "[-2.5]", "-3"},
      {"ceil", "[1.2]", "2"},
      {"floor", "[-1.2]", "-2"},
      {"abs", "[-3]", "3"},
      {"abs", "[-3.25]", "3.25"},
      {"bits.and", "[-6, 13]", "8"},
      {"bits.or", "[-6, 13]", "-1"},
      {"bits.or", "[-8, 2]", "-6"},
      {"bits.xor", "[-6, 13]", "-9"},
      {"bits.and", "[-6, -4]", "-8"},
      {"bits.negate", "[5]", "-6"},
      {"bits.lsh", "[1, 100]", "1267650600228229401496703205376"},
      {"bits.rsh", "[-5, 1]", "-3"},
      {"bits.rsh", "[5, -1]",
       "eval_type_error: operand 2 must be an unsigned integer number but got a negative integer"},
      {"bits.and", "[1.5, 1]",
       "eval_type_error: operand 1 must be integer number but got floating-point number"},
      {"bits.and", "[1, \"a\"]", "eval_type_error: operand 2 must be integer but got string"},
      {"numbers.range", "[3, 1]", "[3, 2, 1]"},
      {"numbers.range", "[-1, 1]", "[-1, 0, 1]"},
      {"numbers.range_step", "[0, 10, 4]", "[0, 4, 8]"},
      {"numbers.range_step", "[10, 0, 4]", "[10, 6, 2]"},
      {"numbers.range_step", "[0, 1, 18446744073709551616]", "[0]"},
      {"numbers.range_step", "[0, 10, 0]",
       "eval_builtin_error: numbers.range_step: step must be a positive integer"},
      {"format_int", "[255, 16]", "\"ff\""},
      {"format_int", "[-15.9, 16]", "\"-f\""},
      {"format_int", "[18446744073709551617, 10]", "\"18446744073709551617\""},
      {"format_int", "[1, 3]", "eval_type_error: operand 2 must be one of {2, 8, 10, 16}"},
  };
  for (const Case& c : kCases) EXPECT_EQ(Call(c.name, c.args), c.answer) << c.name << c.args;
}

}  // namespace
}  // namespace bulwark::rego
