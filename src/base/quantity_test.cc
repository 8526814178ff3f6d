#include "base/quantity.h"

#include <gtest/gtest.h>

#include <string>

namespace bulwark {
namespace {

Quantity Q(std::string_view text) {
  Result<Quantity> q = Quantity::Parse(text);
  EXPECT_TRUE(q.has_value()) << text;
  return q ? *q : Quantity();
}

struct Row {
  const char* text;
  const char* canonical;  // "!…": the beginning of the error
  const char* integer;    // "": none
  const char* real;
};

// What resource.ParseQuantity, String, AsInt64 and AsApproximateFloat64 of v0.34.4 give.
constexpr Row kRows[] = {
    {"0", "0", "0", "0"},
    {"1", "1", "1", "1"},
    {"-1", "-1", "-1", "-1"},
    {"+5", "+5", "5", "5"},
    {"0005", "0005", "5", "5"},
    {"5.", "5.", "5", "5"},
    {"-", "0", "0", "0"},
    {"+", "0", "0", "0"},
    {".", "0", "0", "0"},
    {".5", "500m", "", "0.5"},
    {"-.5", "-500m", "", "-0.5"},
    {"1.5", "1500m", "", "1.5"},
    {"100m", "100m", "", "0.1"},
    {"1000m", "1", "", "1"},
    {"1500m", "1500m", "", "1.5"},
    {"0.1n", "1n", "", "1e-09"},
    {"-0.1n", "-1n", "", "-1e-09"},
    {"1.1n", "2n", "", "2e-09"},
    {"1000k", "1M", "1000000", "1e+06"},
    {"1M", "1M", "1000000", "1e+06"},
    {"1e3", "1e3", "1000", "1000"},
    {"1E6", "1E6", "1000000", "1e+06"},
    {"12e6", "12e6", "12000000", "1.2e+07"},
    {"1e-3", "1e-3", "", "0.001"},
    {"1.5e3", "1500", "1500", "1500"},
    {"1e-10", "1e-9", "", "1e-09"},
    {"1e4294967296", "1e4294967296", "1", "1"},
    {"1Ki", "1Ki", "1024", "1024"},
    {"1.5Gi", "1536Mi", "", "1.610612736e+09"},
    {"1536Mi", "1536Mi", "1610612736", "1.610612736e+09"},
    {"1025", "1025", "1025", "1025"},
    {"1Ei", "1Ei", "", "1.152921504606847e+18"},
    {"8Ei", "9223372036854775807", "", "9.223372036854776e+18"},
    {"7.9Ei", "9108079886394091110400m", "", "9.108079886394092e+18"},
    {"9Ei", "9223372036854775807", "", "9.223372036854776e+18"},
    {"-9Ei", "-9223372036854775807", "", "-9.223372036854776e+18"},
    {"0.5Mi", "512Ki", "", "524288"},
    {"0.0000001Ki", "102400n", "", "0.00010240000000000001"},
    {"0.1Ki", "102400m", "", "102.4"},
    {"999999999999999999", "999999999999999999", "999999999999999999", "1e+18"},
    {"9999999999999999999", "9999999999999999999", "", "1e+19"},
    {"-9999999999999999999", "-9999999999999999999", "", "-1e+19"},
    {"123456789012345678901234567890", "123456789012345678901234567890", "",
     "1.234567890123457e+29"},
    {"123456789.123456789123", "123456789123456790n", "", "1.2345678912345679e+08"},
    {"18446744073709551616", "18446744073709551616", "", "1.8446744073709552e+19"},
    {"100E", "100E", "", "1e+20"},
    {"1000P", "1E", "1000000000000000000", "1e+18"},
    {"1234.567k", "1234.567k", "1234567", "1.234567e+06"},
    {"1023", "1023", "1023", "1023"},
    {"1024", "1024", "1024", "1024"},
    {"2048Ki", "2Mi", "2097152", "2.097152e+06"},
    {"3000Mi", "3000Mi", "3145728000", "3.145728e+09"},
    {"1.0", "1", "", "1"},
    {"10", "10", "10", "10"},
    {"00100", "00100", "100", "100"},
    {"1.10", "1100m", "", "1.1"},
    {"5Mi", "5Mi", "5242880", "5.24288e+06"},
    {"0.3Gi", "322122547200m", "", "3.2212254720000005e+08"},
    {"1000000000000000000m", "1P", "", "1e+15"},
    {"1,5", "!quantities", "", ""},
    {"1 ", "!quantities", "", ""},
    {"", "!quantities", "", ""},
    {"abc", "!quantities", "", ""},
    {"1Kii", "!unable to ", "", ""},
    {"1e", "!unable to ", "", ""},
    {"1x", "!quantities", "", ""},
    {"--1", "!unable to ", "", ""},
    {"1e5e5", "!quantities", "", ""},
    {"Ki", "0", "0", "0"},
    {".Ki", "0", "0", "0"},
    {".e-10", "!unable to ", "", ""},
    {"0.0001", "100u", "", "0.0001"},
    {"1u", "1u", "", "1e-06"},
    {"1000u", "1m", "", "0.001"},
    {"0x1", "!quantities", "", ""},
    {"1_0", "!quantities", "", ""},
    {"1e+3", "1e+3", "1000", "1000"},
    {"1e+-3", "!quantities", "", ""},
    {"922337203685477580.7", "922337203685477580700m", "", "9.223372036854776e+17"},
    {"9223372036854775807", "9223372036854775807", "", "9.223372036854776e+18"},
    {"9223372036854775808n", "9223372036854775808n", "", "9.223372036854776e+09"},
    {"1.1e300", "1100e297", "", "1.1e+300"},
    {"1e1000", "10e999", "", "+Inf"},
};

TEST(Quantity, ReadsWhatKubernetesReads) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.text);
    Result<Quantity> q = Quantity::Parse(row.text);
    if (row.canonical[0] == '!') {
      ASSERT_FALSE(q.has_value());
      EXPECT_TRUE(q.error().message().starts_with(row.canonical + 1)) << q.error().message();
      continue;
    }
    ASSERT_TRUE(q.has_value()) << q.error().message();
    EXPECT_EQ(q->ToString(), row.canonical);
    std::optional<int64_t> i = q->ToInt();
    EXPECT_EQ(i ? std::to_string(*i) : "", row.integer);
    EXPECT_EQ(q->ToDouble(), std::stod(row.real));
  }
}

TEST(Quantity, ComparesByAmount) {
  EXPECT_EQ(Q("1000m"), Q("1"));
  EXPECT_EQ(Q("1000m").Hash(), Q("1").Hash());
  EXPECT_EQ(Q("8Ei"), Q("9Ei"));  // capped
  EXPECT_EQ(Q("200M"), Q("0.2G"));
  EXPECT_EQ(Q("200M").Hash(), Q("0.2G").Hash());
  EXPECT_LT(Q("50M"), Q("50Mi"));
  EXPECT_LT(Q("-1"), Q("-1n"));
  EXPECT_LT(Q("-15"), Q("-1e1"));
  EXPECT_GT(Q("-1e1"), Q("-15"));
  EXPECT_LT(Q("1"), Q("1.000000001"));
  EXPECT_LT(Q("123456789012345678901"), Q("123456789012345678901.000000001"));
  EXPECT_EQ(Q("0"), Q("-0"));
  EXPECT_EQ(Q("0").Hash(), Q("0e-10").Hash());
}

TEST(Quantity, HugeExponentsCostNothing) {
  Quantity huge = Q("1e2147483647");
  EXPECT_GT(huge, Q("9999999999999999999999999"));
  EXPECT_LT(Q("-1e2147483647"), Q("0"));
  EXPECT_EQ(huge.ToInt(), std::nullopt);
  EXPECT_EQ(huge.RoundedUp(), INT64_MAX);
  EXPECT_EQ(Q("-1e2147483647").RoundedUp(), INT64_MIN);
  EXPECT_EQ(huge.Add(Q("1")).error().code(), Code::kLimit);
  EXPECT_EQ(Q("1e-2147483647"), Q("1n"));
  EXPECT_EQ(Quantity::Parse("1234567890123456789e2147483647").error().code(), Code::kLimit);
  EXPECT_EQ(Quantity::Parse(std::string(1001, '9')).error().code(), Code::kLimit);
  EXPECT_EQ(Quantity::Parse(std::string(1'000'000, '9')).error().code(), Code::kLimit);
  EXPECT_EQ(Q("0." + std::string(5000, '0') + "1"), Q("1n"));
}

TEST(Quantity, AddsAndSubtractsExactly) {
  EXPECT_EQ(Q("50k").Add(Q("20"))->ToString(), "50020");
  EXPECT_EQ(Q("50k").Sub(Q("100k"))->ToString(), "-50k");
  EXPECT_EQ(Q("1Gi").Add(Q("512Mi"))->ToString(), "1536Mi");
  EXPECT_EQ(Q("0").Add(Q("512Mi"))->ToString(), "512Mi");
  EXPECT_EQ(Q("0").Sub(Q("512Mi"))->ToString(), "-512Mi");
  EXPECT_EQ(Q("1").Sub(Q("0.000000001"))->ToString(), "999999999n");
  EXPECT_EQ(Q("9223372036854775807").Add(Q("1"))->ToString(), "9223372036854775808");
  EXPECT_EQ(Q("999999999999999999").Add(Q("1"))->ToString(), "1E");
  EXPECT_EQ(Q("99999999999999999999").Sub(Q("99999999999999999999")).value().sign(), 0);
  EXPECT_EQ(Q("8Ei").Add(Q("8Ei"))->ToString(), "18446744073709551614");
  EXPECT_EQ(Quantity::Of(INT64_MIN).Sub(Quantity::Of(INT64_MIN))->sign(), 0);
  EXPECT_EQ(Quantity().Sub(Quantity::Of(INT64_MIN))->ToString(), "9223372036854775808");
  // Doubling outgrows every machine integer.
  Quantity q = Q("1Ei");
  for (int i = 0; i < 100; ++i) q = *q.Add(q);
  EXPECT_GT(q, Q("1E"));
  EXPECT_EQ(q, *Q("1461501637330902918203684832716283019655932542976").Add(Q("0")));
}

TEST(Quantity, RoundsAwayFromZero) {
  EXPECT_EQ(Q("1.5").RoundedUp(), 2);
  EXPECT_EQ(Q("-1.5").RoundedUp(), -2);
  EXPECT_EQ(Q("1.5").RoundedUp(-3), 1500);
  EXPECT_EQ(Q("1n").RoundedUp(-3), 1);
  EXPECT_EQ(Q("1.5Gi").RoundedUp(), 1610612736);
  EXPECT_EQ(Q("1200").RoundedUp(3), 2);
  EXPECT_EQ(Q("100E").RoundedUp(), INT64_MAX);
}

}  // namespace
}  // namespace bulwark
