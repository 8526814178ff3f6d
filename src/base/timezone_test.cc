#include "base/timezone.h"

#include <gtest/gtest.h>

#include <string>

namespace bulwark {
namespace {

TEST(TimeZone, MalformedDataIsRefused) {
  EXPECT_FALSE(TimeZone::Parse("").has_value());
  EXPECT_FALSE(TimeZone::Parse("TZif2").has_value());
  std::string header = "TZif" + std::string(40, '\0');
  EXPECT_FALSE(TimeZone::Parse(header).has_value()) << "no types";
  header.replace(32, 4, std::string("\x7f\xff\xff\xff", 4));
  EXPECT_FALSE(TimeZone::Parse(header).has_value()) << "more times than there are bytes";
}

TEST(TimeZone, VersionOneWithoutFooter) {
  std::string data = "TZif" + std::string(40, '\0');
  data[35] = 1;                                    // one change
  data[39] = 2;                                    // two types
  data += std::string("\0\0\x0e\x10", 4);          // at 3600
  data += '\1';                                    // to the second type
  data += std::string("\0\0\0\0\0\0", 6);          // UTC
  data += std::string("\xff\xff\xf1\xf0\0\0", 6);  // -1h
  auto zone = TimeZone::Parse(data);
  ASSERT_TRUE(zone.has_value());
  EXPECT_EQ(zone->OffsetAt(3599), 0);
  EXPECT_EQ(zone->OffsetAt(3600), -3600);
  EXPECT_EQ(zone->OffsetAt(253402300799), -3600);
  EXPECT_EQ(zone->OffsetAt(-62135596800), 0);
}

TEST(OffsetInZone, ByNameAndByOffset) {
  EXPECT_EQ(OffsetInZone("", 0).value(), 0);
  EXPECT_EQ(OffsetInZone("+05:30", 0).value(), 19800);
  EXPECT_EQ(OffsetInZone("Europe/Berlin", 1751328000).value(), 7200);   // July 2025
  EXPECT_EQ(OffsetInZone("Europe/Berlin", 1735689600).value(), 3600);   // January 2025
  EXPECT_EQ(OffsetInZone("Asia/Shanghai", 4102444800).value(), 28800);  // 2100
  for (const char* bad : {"Mars/Olympus", "../../etc/passwd", "/etc/passwd", "+25:00", "1:2:3"}) {
    EXPECT_FALSE(OffsetInZone(bad, 0)) << bad;
  }
}

TEST(LocalInZone, HasTheNameOfTheTime) {
  EXPECT_EQ(LocalInZone("Europe/Berlin", 1751328000)->name, "CEST");
  EXPECT_EQ(LocalInZone("Europe/Berlin", 4102444800)->name, "CET");  // by the rule
  EXPECT_EQ(LocalInZone("America/Sao_Paulo", 1751328000)->name, "-03");
  EXPECT_EQ(LocalInZone("Europe/Berlin", -3000000000)->name, "LMT");
  EXPECT_EQ(LocalInZone("", 0)->name, "UTC");
}

}  // namespace
}  // namespace bulwark
