#include "base/hash.h"

#include <gtest/gtest.h>

namespace bulwark {
namespace {

TEST(Hash, KnownAnswers) {
  EXPECT_EQ(XxHash64(""), 0xef46db3751d8e999U);
  EXPECT_EQ(XxHash64("abc"), 0x44bc2cf5ad770999U);
  EXPECT_EQ(XxHash3(""), 0x2d06800538d394c2U);
  EXPECT_NE(XxHash3("abc"), XxHash3("abc", 1));
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Hash, AStreamGivesWhatTheWholeGivesAndStartsAnew) {
  Sha256Stream stream;
  for (int round = 0; round < 2; ++round) {
    stream.Update("a");
    stream.Update("");
    stream.Update("bc");
    EXPECT_EQ(stream.FinishHex(), Sha256Hex("abc"));
  }
}

TEST(Hash, ConstantTimeEquals) {
  EXPECT_TRUE(ConstantTimeEquals("secret", "secret"));
  EXPECT_FALSE(ConstantTimeEquals("secret", "secreT"));
  EXPECT_FALSE(ConstantTimeEquals("secret", "secret2"));
}

// RFC 4648, section 10.
TEST(Hash, Base64GoesBothWays) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
      {"\xfb\xff", "+/8="},
  };
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(Base64Encode(bytes), text);
    EXPECT_EQ(Base64Decode(text).value(), bytes);
    std::string url = Base64Encode(bytes, Base64::kUrl, Padding::kNo);
    EXPECT_EQ(url.find_first_of("+/="), std::string::npos);
    EXPECT_EQ(Base64Decode(url, Base64::kUrl, Padding::kNo).value(), bytes);
  }
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(Base64Decode(Base64Encode(all)).value(), all);
}

TEST(Hash, Base64IsStrictUnlessAskedToReadLikeGo) {
  for (std::string_view text :
       {"Zg", "Zg=", "Zg===", "Z===", "Zm9v\n", "Zm9vYh==", "Zm8 ", "_-8=", "====", "Zg==Zg=="}) {
    EXPECT_FALSE(Base64Decode(text)) << text;
  }
  EXPECT_FALSE(Base64Decode("Zg==", Base64::kUrl, Padding::kNo));
  EXPECT_EQ(Base64DecodeLikeGo("Zm9v\r\nYmFy\n").value(), "foobar");
  EXPECT_EQ(Base64DecodeLikeGo("Zh==").value(), "f");
  EXPECT_FALSE(Base64DecodeLikeGo("Zg"));
}

TEST(Hash, HexGoesBothWays) {
  EXPECT_EQ(HexEncode(std::string_view("\x00\xff\x1a", 3)), "00ff1a");
  EXPECT_EQ(HexDecode("00FF1a").value(), std::string_view("\x00\xff\x1a", 3));
  EXPECT_FALSE(HexDecode("0"));
  EXPECT_FALSE(HexDecode("0g"));
}

}  // namespace
}  // namespace bulwark
