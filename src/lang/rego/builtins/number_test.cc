#include "lang/rego/builtins/number.h"

#include <gtest/gtest.h>

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <random>

#include "formats/json.h"
#include "lang/rego/builtins/big_int.h"

namespace bulwark::rego {
namespace {

// The same mantissa, by somebody else.
using Reference = boost::multiprecision::number<
    boost::multiprecision::cpp_bin_float<64, boost::multiprecision::digit_base_2, void, int32_t,
                                         -100000, 100000>,
    boost::multiprecision::et_off>;

Reference Refer(const Float& a) {
  Reference out = ldexp(Reference(a.mantissa), a.exponent);
  return a.negative ? Reference(-out) : out;
}

TEST(Float, RoundsAsAnotherImplementationDoes) {
  std::mt19937_64 random(42);
  auto number = [&] {
    Float out;
    out.negative = random() % 2 == 0;
    // Often near each other, with few bits or many.
    out.mantissa = random();
    if (random() % 4 == 0) out.mantissa &= ~uint64_t{0} << (random() % 63);
    out.mantissa |= uint64_t{1} << 63;
    out.exponent = static_cast<int32_t>(random() % 140) - 70 - 63;
    if (random() % 3 == 0) out.exponent = -63;
    return out;
  };
  for (int i = 0; i < 100'000; ++i) {
    Float a = number();
    Float b = number();
    ASSERT_EQ(Refer(Add(a, b)), Refer(a) + Refer(b)) << FloatText(a) << " + " << FloatText(b);
    ASSERT_EQ(Refer(Subtract(a, b)), Refer(a) - Refer(b)) << FloatText(a) << " - " << FloatText(b);
    ASSERT_EQ(Refer(Multiply(a, b)), Refer(a) * Refer(b)) << FloatText(a) << " * " << FloatText(b);
    ASSERT_EQ(Refer(Divide(a, b)), Refer(a) / Refer(b)) << FloatText(a) << " / " << FloatText(b);
    ASSERT_EQ(CompareFloats(a, b), Refer(a).compare(Refer(b)));
  }
}

TEST(Float, ReadsBackWhatItSpells) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    Float a{random() % 2 == 0, random() | uint64_t{1} << 63,
            static_cast<int32_t>(random() % 400) - 200};
    std::optional<Float> back = ParseFloat(FloatText(a));
    ASSERT_TRUE(back) << FloatText(a);
    ASSERT_EQ(back->mantissa, a.mantissa) << FloatText(a);
    ASSERT_EQ(back->exponent, a.exponent) << FloatText(a);
  }
}

TEST(Float, ReadsAsAnotherImplementationDoes) {
  for (const char* text : {"0.1", "0.3", "1e22", "1e23", "123456789012345678901234567890", "1e-40",
                           "3.141592653589793238462643383279502884", "9007199254740993", "1e300",
                           "0.00000000000000000000000000000000000000012345678901234567890123"}) {
    std::optional<Float> got = ParseFloat(text);
    ASSERT_TRUE(got);
    EXPECT_EQ(Refer(*got), Reference(text)) << text;
  }
}

TEST(Float, RefusesWhatIsBeyondReason) {
  EXPECT_FALSE(ParseFloat("1e30001"));
  EXPECT_FALSE(ParseFloat("1e-99999999999999999999"));
  EXPECT_FALSE(ParseFloat("1e+-5"));
  EXPECT_FALSE(ParseFloat(""));
  EXPECT_FALSE(ParseFloat("."));
  EXPECT_FALSE(ParseFloat("1.2.3"));
  EXPECT_FALSE(ParseBigInt("1e30001"));
  EXPECT_FALSE(ParseBigInt("1.5"));
  EXPECT_EQ(*ParseBigInt("1.50e1"), 15);
}

TEST(Number, KeepsItsSpelling) {
  Arena arena;
  for (const char* text : {"1", "-0", "1.0", "1e3", "2.50", "1.2345675e+06", "0.1", "1e-05", "5.0",
                           "18446744073709551615", "18446744073709551616", "1e400"}) {
    EXPECT_EQ(NumberText(NumberFromText(arena, text)), text);
  }
  // What is spelled as a double is not kept as text.
  EXPECT_TRUE(NumberFromText(arena, "1.0").IsDouble());
  EXPECT_TRUE(NumberFromText(arena, "0.25").IsDouble());
  EXPECT_TRUE(NumberFromText(arena, "1e3").IsDecimal());
}

TEST(Number, IntegersOfTheMachine) {
  Arena arena;
  EXPECT_EQ(MachineInt(NumberFromText(arena, "1.0")), 1);
  EXPECT_EQ(MachineInt(NumberFromText(arena, "-7")), -7);
  EXPECT_EQ(MachineInt(NumberFromText(arena, "1e3")), std::nullopt);
  EXPECT_EQ(MachineInt(NumberFromText(arena, "1.5")), std::nullopt);
  EXPECT_EQ(MachineInt(NumberFromText(arena, "9223372036854775808")), std::nullopt);
}

}  // namespace
}  // namespace bulwark::rego
