#include "base/text.h"

#include <gtest/gtest.h>

namespace bulwark {
namespace {

TEST(Text, Utf8IsTheShortestFormOfScalarValuesOnly) {
  const std::pair<std::string_view, size_t> cases[] = {
      {"", std::string_view::npos},
      {"plain ascii, longer than eight", std::string_view::npos},
      {"容器安全 é 😀", std::string_view::npos},
      {"\xf4\x8f\xbf\xbf", std::string_view::npos},  // U+10FFFF
      {"\xf4\x90\x80\x80", 0},                       // past it
      {"ab\xc0\x80", 2},                             // overlong
      {"ab\xe0\x80\x80", 2},
      {"ab\xf0\x80\x80\x80", 2},
      {"ab\xed\xa0\x80", 2},  // a surrogate
      {"12345678\x80", 8},    // a continuation alone
      {"容\xe5\xae", 3},      // cut off
      {"\xff", 0},
  };
  for (const auto& [text, at] : cases) EXPECT_EQ(FirstInvalidUtf8(text), at) << text;
  EXPECT_EQ(CountCodePoints("容é😀x\xff"), 5u);
  EXPECT_EQ(ToValidUtf8("a\xff\xe5\xae"
                        "b"),
            "a\uFFFD\uFFFD\uFFFDb");
}

TEST(Text, EveryCodePointGoesBothWays) {
  for (char32_t c = 0; c <= 0x10ffff; c += (c < 0x1000 ? 1 : 37)) {
    if (c >= 0xd800 && c < 0xe000) continue;
    std::string text;
    AppendUtf8(text, c);
    CodePoint read = DecodeUtf8(text, 0);
    ASSERT_TRUE(read.valid);
    ASSERT_EQ(read.value, c);
    ASSERT_EQ(read.length, text.size());
  }
  std::string surrogate;
  AppendUtf8(surrogate, 0xd800);
  EXPECT_EQ(surrogate, "\uFFFD");
}

TEST(Text, WidthsAreTerminalColumns) {
  EXPECT_EQ(DisplayWidth("abc"), 3u);
  EXPECT_EQ(DisplayWidth("容器"), 4u);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1u);
  EXPECT_EQ(DisplayWidth("ｗ！"), 4u);
  EXPECT_EQ(DisplayWidth("😀"), 2u);
  EXPECT_EQ(DisplayWidth("\u200b"), 0u);
  EXPECT_EQ(TruncateToWidth("容器安全", 8), "容器安全");
  EXPECT_EQ(TruncateToWidth("容器安全", 7), "容器安…");
  EXPECT_EQ(TruncateToWidth("容器安全", 6), "容器…");
  EXPECT_EQ(TruncateToWidth("容器安全", 6, false), "容器安");
  EXPECT_EQ(TruncateToWidth("abcdef", 3), "ab…");
  EXPECT_EQ(TruncateToWidth("abc", 0), "");
}

TEST(Text, SplitsAndJoins) {
  EXPECT_EQ(Split("a,,b", ','), (std::vector<std::string_view>{"a", "", "b"}));
  EXPECT_EQ(Split("", ','), (std::vector<std::string_view>{""}));
  EXPECT_EQ(Split("a::b::", "::"), (std::vector<std::string_view>{"a", "b", ""}));
  EXPECT_EQ(SplitWords(" a \t b\n"), (std::vector<std::string_view>{"a", "b"}));
  EXPECT_TRUE(SplitWords(" ").empty());
  EXPECT_EQ(SplitLines("a\r\n\nb"), (std::vector<std::string_view>{"a", "", "b"}));
  EXPECT_EQ(SplitLines("a\n"), (std::vector<std::string_view>{"a"}));
  EXPECT_EQ(Cut("key=a=b", "=")->second, "a=b");
  EXPECT_FALSE(Cut("key", "="));
  EXPECT_EQ(Join(std::vector<std::string>{"a", "b"}, ", "), "a, b");
  EXPECT_EQ(ReplaceAll("aaa", "aa", "b"), "ba");
  EXPECT_EQ(Trim(" \t x y\r\n"), "x y");
  EXPECT_TRUE(EqualsIgnoringCase("Content-Type", "content-tYPE"));
  EXPECT_FALSE(EqualsIgnoringCase("a", "ab"));
}

TEST(Text, GlobsKnowPaths) {
  struct {
    std::string_view pattern, text;
    bool match;
  } cases[] = {
      {"*.yaml", "a.yaml", true},
      {"*.yaml", "k8s/a.yaml", false},
      {"**/*.yaml", "k8s/x/a.yaml", true},
      {"**/*.yaml", "a.yaml", true},
      {"**/a", "ba", false},
      {"**/a", "b/a", true},
      {"a/**/b", "a/b", true},
      {"a/**/b", "a/x/y/b", true},
      {"a/**/b", "a/xb", false},
      {"a/**", "a/x/y", true},
      {"a/**", "a", false},
      {"a**", "a/b/c", true},
      {"?", "容", true},
      {"?", "/", false},
      {"??", "容", false},
      {"容*", "容器安全", true},
      {"*全", "容器安全", true},
      {"[a]", "[a]", true},
      {"\\*", "*", true},
      {"\\*", "x", false},
      {"", "", true},
      {"", "a", false},
      {"*", "", true},
      {"kube-*", "kube-system", true},
      {"*a*b*c*", "xxaxxbxxcxx", true},
      {"*a*b*c*", "xxaxxcxxbxx", false},
  };
  for (const auto& c : cases)
    EXPECT_EQ(GlobMatch(c.pattern, c.text), c.match) << c.pattern << " " << c.text;
  EXPECT_TRUE(GlobMatch("registry/*", "registry/a/b", '\0'));
  // Exponential for a matcher that goes back.
  std::string stars;
  for (int i = 0; i < 50; ++i) stars += "*a";
  EXPECT_FALSE(GlobMatch(stars + "b", std::string(2000, 'a')));
}

TEST(Text, SuggestsWhatWasMeant) {
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(EditDistance("容器", "容量"), 1u);
  EXPECT_EQ(EditDistance("abcdef", "xyz", 2), 3u);
  const std::string_view commands[] = {"inspect", "image", "compliance", "audit"};
  EXPECT_EQ(DidYouMean("inspct", commands), "inspect");
  EXPECT_EQ(DidYouMean("Imgae", commands), "image");
  EXPECT_EQ(DidYouMean("igmae", commands), "");
  EXPECT_EQ(DidYouMean("imagee", commands), "image");
  EXPECT_EQ(DidYouMean("zzz", commands), "");
}

TEST(Text, StrangersTextIsHarmlessWhereItIsShown) {
  EXPECT_EQ(EscapeForTerminal("a\x1b[31mb\r\n\tc\x7f"), "a\\x1b[31mb\\r\\n\\tc\\x7f");
  EXPECT_EQ(EscapeForTerminal("a\n\tb\r", true), "a\n\tb\\r");
  EXPECT_EQ(EscapeForTerminal("容\u202e\u2066\u0085\xff"), "容\\u202e\\u2066\\u0085\\xff");
  EXPECT_EQ(Quote("a\"\\\n"), "\"a\\\"\\\\\\n\"");
  EXPECT_EQ(EscapeCsvField("plain"), "plain");
  EXPECT_EQ(EscapeCsvField("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
  EXPECT_EQ(EscapeCsvField("=1+2"), "'=1+2");
  EXPECT_EQ(EscapeCsvField("@x,y"), "\"'@x,y\"");
  EXPECT_EQ(EscapeCsvField("-12.5"), "-12.5");
  EXPECT_EQ(EscapeCsvField("-1+1"), "'-1+1");
  EXPECT_EQ(EscapeCsvField("\tx"), "'\tx");
  EXPECT_EQ(EscapeHtml("<a href=\"x\">'&'\x01\xff"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;\uFFFD\uFFFD");
  EXPECT_EQ(EscapeHtml("a\n\tb"), "a\n\tb");
  EXPECT_EQ(EscapeXml("<'a'>\n\tb\r\x01 \"中\" & \xff\uFFFE\uFFFD"),
            "&lt;'a'&gt;&#10;&#9;b\uFFFD\uFFFD &quot;中&quot; &amp; \uFFFD\uFFFD\uFFFD");
}

}  // namespace
}  // namespace bulwark
