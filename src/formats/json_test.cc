#include "formats/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace bulwark {
namespace {

std::string RoundTrip(std::string_view text, const JsonOptions& options = {}) {
  Arena arena;
  Result<Value> value = ParseJson(text, arena, options);
  return value ? ToJson(*value) : value.error().id() + ": " + value.error().message();
}

TEST(Json, ReadsAndWritesWhatIsValid) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"null", "null"},
      {" true ", "true"},
      {"false\n", "false"},
      {"{}", "{}"},
      {"[]", "[]"},
      {"[ ]", "[]"},
      {"{ \"a\" : [ 1 , { \"b\" : null } ] , \"c\" : { } }", R"({"a":[1,{"b":null}],"c":{}})"},
      {R"("")", R"("")"},
      {R"("\"\\\/\b\f\n\r\t")", R"("\"\\/\b\f\n\r\t")"},
      {R"("a long run, then \u00e9 and another long run")",
       R"("a long run, then é and another long run")"},
      {R"("\ud83d\ude00")", R"("😀")"},
      {R"("容器安全")", R"("容器安全")"},
      {R"("a\u0000b")", R"("a\u0000b")"},
      {"\"\x7f\"", "\"\x7f\""},
      {"0", "0"},
      {"-0", "-0"},
      {"-1", "-1"},
      {"123456789012345678", "123456789012345678"},
      {"9223372036854775807", "9223372036854775807"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"9223372036854775808", "9223372036854775808"},
      {"18446744073709551615", "18446744073709551615"},
      {"18446744073709551616", "18446744073709551616"},
      {"-9223372036854775809", "-9223372036854775809"},
      {"0.1", "0.1"},
      {"1.0", "1"},
      {"-0.0", "-0"},
      {"1e2", "100"},
      {"1E+2", "100"},
      {"0e99999999999999999999", "0"},
      {"1e400", "1e400"},
      {"-1e-400", "-1e-400"},
      {"1e21", "1e+21"},
      {"1e20", "100000000000000000000"},
      {"0.000001", "0.000001"},
      {"0.0000001", "1e-7"},
      {"123456.789", "123456.789"},
      {"0.30000000000000004", "0.30000000000000004"},
      {"3.141592653589793238462643", "3.141592653589793238462643"},
      {"1.10000000000000000000", "1.1"},
      {"5e-324", "5e-324"},
      {"1.7976931348623157e308", "1.7976931348623157e+308"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(RoundTrip(text), expected) << text;
}

TEST(Json, NumbersGetTheKindThatHoldsThemExactly) {
  Arena arena;
  auto kind = [&](std::string_view text) { return ParseJson(text, arena)->kind(); };
  using Kind = Value::Kind;
  EXPECT_EQ(kind("9223372036854775807"), Kind::kInt);
  EXPECT_EQ(kind("9223372036854775808"), Kind::kUint);
  EXPECT_EQ(kind("18446744073709551616"), Kind::kDecimal);
  EXPECT_EQ(kind("0.1"), Kind::kDouble);
  EXPECT_EQ(kind("2.0"), Kind::kDouble);
  EXPECT_EQ(kind("0.30000000000000004"), Kind::kDouble);
  EXPECT_EQ(kind("0.10000000000000001"), Kind::kDecimal);  // reads as 0.1
  EXPECT_EQ(kind("9007199254740993.0"), Kind::kDecimal);
  EXPECT_EQ(kind("1e-9999999999999999999999"), Kind::kDecimal);
}

TEST(Json, ShortFractionsAreTheDoubleThatStrtodGives) {
  for (const char* text : {"0.1", "2.5", "1234567.1234567", "99999999999999.9", "0.0000000000001",
                           "-3.3", "1.7e3", "4.35", "0.00001", "123.456e-7"}) {
    Arena arena;
    EXPECT_EQ(ParseJson(text, arena)->AsDouble(), std::strtod(text, nullptr)) << text;
  }
}

TEST(Json, RefusesWhatIsInvalidAndSaysWhere) {
  struct {
    std::string_view text, error;
  } cases[] = {
      {"", "json.syntax: line 1, column 1: expected a value, found the end of the text"},
      {"  \n ", "json.syntax: line 2, column 2: expected a value, found the end of the text"},
      {"nul", "json.syntax: line 1, column 1: expected a value, found \"n\""},
      {"nulls", "json.syntax: line 1, column 1: expected a value, found \"n\""},
      {"[1,]", "json.syntax: line 1, column 4: expected a value, found \"]\""},
      {"[1 2]", "json.syntax: line 1, column 4: expected ',' or ']' after an item, found \"2\""},
      {"{\"a\":1,}", "json.syntax: line 1, column 8: expected a key, found \"}\""},
      {"{a:1}", "json.syntax: line 1, column 2: expected a key or '}', found \"a\""},
      {"{\"a\" 1}", "json.syntax: line 1, column 6: expected ':' after a key, found \"1\""},
      {"{\"a\":1\n",
       "json.syntax: line 2, column 1: expected ',' or '}' after a map's value, "
       "found the end of the text"},
      {"1 2", "json.syntax: line 1, column 3: expected the end of the text, found \"2\""},
      {"[\n 01]",
       "json.syntax: line 2, column 3: expected no digit after a leading zero, "
       "found \"1\""},
      {"-", "json.syntax: line 1, column 2: expected a digit after '-', found the end of the text"},
      {"+1", "json.syntax: line 1, column 1: expected a value, found \"+\""},
      {".5", "json.syntax: line 1, column 1: expected a value, found \".\""},
      {"1.",
       "json.syntax: line 1, column 3: expected a digit after the point, found the end of "
       "the text"},
      {"1e",
       "json.syntax: line 1, column 3: expected a digit in the exponent, found the end of "
       "the text"},
      {"NaN", "json.syntax: line 1, column 1: expected a value, found \"N\""},
      {"// x\n1", "json.syntax: line 1, column 1: expected a value, found \"/\""},
      {"'a'", "json.syntax: line 1, column 1: expected a value, found \"'\""},
      {"\"abc",
       "json.syntax: line 1, column 5: expected a closing quote, found the end of the "
       "text"},
      {"\"abc\\", "json.syntax: line 1, column 6: expected an escape, found the end of the text"},
      {"\"abc\\\"",
       "json.syntax: line 1, column 7: expected a closing quote, found the end of the "
       "text"},
      {"\"a\nb\"",
       "json.syntax: line 1, column 3: expected no control character in a string "
       "(spell it \\u00xx), found \"\\n\""},
      {"\"\\x41\"",
       "json.syntax: line 1, column 2: expected one of the escapes \\\" \\\\ \\/ \\b "
       "\\f \\n \\r \\t \\u, found \"\\\\\""},
      {"\"\\u12g4\"",
       "json.syntax: line 1, column 2: expected four hexadecimal digits after \\u, "
       "found \"\\\\\""},
      {"\"\\ud800\"", "json.syntax: line 1, column 2: expected no lone surrogate, found \"\\\\\""},
      {"\"\\udc00\"", "json.syntax: line 1, column 2: expected no lone surrogate, found \"\\\\\""},
      {"\"\\ud800\\u0041\"",
       "json.syntax: line 1, column 2: expected no lone surrogate, found "
       "\"\\\\\""},
      {"\xef\xbb\xbf{}", "json.syntax: line 1, column 1: expected a value, found \"\\ufeff\""},
      {"\"\xc3\x28\"", "json.utf8: line 1, column 2: the text is not UTF-8"},
      {"[1,\n\"\xed\xa0\x80\"]", "json.utf8: line 2, column 2: the text is not UTF-8"},
      {"\"\xc0\x80\"", "json.utf8: line 1, column 2: the text is not UTF-8"},
      {"{\"a\":1,\n \"b\":2, \"a\":3}",
       "json.duplicate_key: line 2, column 9: the key \"a\" "
       "stands here a second time"},
      {"{\"a\":1,\"\\u0061\":2}",
       "json.duplicate_key: line 1, column 8: the key \"a\" stands here "
       "a second time"},
      {std::string_view("1\0", 2),
       "json.syntax: line 1, column 2: expected the end of the text, "
       "found \"\\x00\""},
      {"容", "json.syntax: line 1, column 1: expected a value, found \"容\""},
  };
  for (const auto& [text, error] : cases) EXPECT_EQ(RoundTrip(text), error) << text;
}

TEST(Json, TheLastOfEqualKeysWinsWhereThatIsAllowed) {
  JsonOptions options{.duplicate_keys = true};
  EXPECT_EQ(RoundTrip(R"({"a":1,"b":2,"a":3})", options), R"({"a":3,"b":2})");
  std::string text = "{";
  for (int i = 0; i < 40; ++i)
    text += "\"k" + std::to_string(i % 20) + "\":" + std::to_string(i) + ",";
  text.back() = '}';
  Arena arena;
  SourceMap positions;
  Value value = ParseJson(text, arena, options, &positions).value();
  ASSERT_EQ(value.size(), 20u);
  EXPECT_EQ(value["k7"].AsInt(), 27);
  Position at = *positions.Of(value.Find("k7"));
  EXPECT_EQ(text.substr(at.offset, at.end - at.offset), "27");
}

TEST(Json, DepthAndSizeAreLimited) {
  std::string deep(1000, '[');
  deep += std::string(1000, ']');
  EXPECT_EQ(RoundTrip(deep), deep);
  EXPECT_EQ(RoundTrip("[" + deep + "]"),
            "json.too_deep: line 1, column 1001: nested deeper than the 1000 levels that are "
            "allowed");
  EXPECT_TRUE(
      RoundTrip(std::string(5'000'000, '['), {.max_depth = 10}).starts_with("json.too_deep"));
  EXPECT_EQ(RoundTrip("[1,2]", {.max_bytes = 4}),
            "json.too_big: a JSON text of 5 bytes, more than the 4 that are allowed");
}

TEST(Json, PositionsAreBytesOfValuesAndKeys) {
  std::string_view text = "{\n  \"名\": \"容器\",\n  \"list\": [1, {\"x\": null}]\n}";
  Arena arena;
  SourceMap positions;
  Value value = ParseJson(text, arena, {}, &positions).value();
  auto spelled = [&](std::optional<Position> at) {
    return at ? std::string(text.substr(at->offset, at->end - at->offset)) : "-";
  };
  const Value* name = value.Find("名");
  EXPECT_EQ(spelled(positions.Of(name)), "\"容器\"");
  EXPECT_EQ(spelled(positions.KeyOf(name)), "\"名\"");
  EXPECT_EQ(positions.Of(name)->line, 2u);
  EXPECT_EQ(positions.Of(name)->column, 10u);
  const Value* list = value.Find("list");
  EXPECT_EQ(spelled(positions.Of(list)), "[1, {\"x\": null}]");
  EXPECT_EQ(spelled(positions.Of(&list->items()[0])), "1");
  EXPECT_FALSE(positions.KeyOf(&list->items()[0]));
  EXPECT_EQ(spelled(positions.KeyOf(list->items()[1].Find("x"))), "\"x\"");
  EXPECT_EQ(positions.Root(), (Position{0, 1, 1, static_cast<uint32_t>(text.size())}));
  Value stranger;
  EXPECT_FALSE(positions.Of(&stranger));
}

TEST(Json, LinesAreReadOneByOneAndNamedByTheirPlaceInTheFile) {
  std::string_view text = "\n{\"a\":1}\r\n\n  [2]\n{bad}\n3";
  JsonLines lines(text);
  std::string seen;
  while (lines.More()) {
    Arena arena;
    SourceMap positions;
    Result<Value> line = lines.Next(arena, &positions);
    seen += line ? ToJson(*line) : line.error().message();
    if (line)
      seen += " at " + std::to_string(positions.Root().line) + ":" +
              std::to_string(positions.Root().column) + " byte " +
              std::to_string(positions.Root().offset);
    seen += "\n";
  }
  EXPECT_EQ(seen,
            "{\"a\":1} at 2:1 byte 1\n[2] at 4:3 byte 13\n"
            "line 5, column 2: expected a key or '}', found \"b\"\n3 at 6:1 byte 23\n");
}

TEST(Json, WritesEveryKind) {
  Arena arena;
  MapBuilder map(arena);
  map.Add("bytes", Value::Bytes(std::string_view("\0\xff", 2)));
  map.Add("time", Value::Timestamp(1'700'000'000, 120'000'000));
  map.Add("span", Value::Duration(3, 500'000'000));
  map.Add("back", Value::Duration(0, -1'000'000));
  const Value items[] = {Value::Int(2), Value::Int(1), Value::Int(2)};
  map.Add("set", Value::Set(arena, items));
  map.Add("nan", Value::Double(std::nan("")));
  map.Add(Value::Int(7), Value::Uint(UINT64_MAX));
  map.Add(Value::Bool(true), Value::String("\xff<\x01"));
  Value value = map.Finish();
  EXPECT_EQ(ToJson(value),
            R"({"bytes":"AP8=","time":"2023-11-14T22:13:20.12Z","span":"3.5s","back":"-0.001s",)"
            R"("set":[1,2],"nan":null,"7":18446744073709551615,"true":"�<\u0001"})");
}

TEST(Json, IndentsSortsAndEscapes) {
  Arena arena;
  Value value = ParseJson(R"({"b":[1,{}],"a":{"é":"😀"},"c":[]})", arena).value();
  EXPECT_EQ(ToJson(value, {.indent = 2, .sort_keys = true, .ascii = true}),
            "{\n  \"a\": {\n    \"\\u00e9\": \"\\ud83d\\ude00\"\n  },\n  \"b\": [\n    1,\n    {}\n"
            "  ],\n  \"c\": []\n}");
}

TEST(Json, NotFiniteIsAnErrorWhereStrict) {
  Value infinity = Value::Double(std::numeric_limits<double>::infinity());
  EXPECT_EQ(ToStrictJson(Value::Array(std::span(&infinity, 1))).error().id(), "json.not_finite");
  EXPECT_EQ(ToStrictJson(Value::Double(0.5)).value(), "0.5");
}

TEST(Json, BorrowedStringsPointIntoTheText) {
  std::string_view text = R"(["plain"])";
  Arena arena;
  Value value = ParseJson(text, arena, {.borrow_text = true}).value();
  EXPECT_EQ(value[0].AsString().data(), text.data() + 2);
}

TEST(Json, DropsNullsWhereAsked) {
  Arena arena;
  SourceMap positions;
  Result<Value> v = ParseJson(R"({"a": null, "b": {"c": null}, "d": [null, 1], "e": 2})", arena,
                              {.drop_nulls = true}, &positions);
  ASSERT_TRUE(v.has_value());
  EXPECT_EQ(ToJson(*v), R"({"b":{},"d":[null,1],"e":2})");
  EXPECT_EQ(positions.Of(v->Find("e"))->column, 52U);
}

}  // namespace
}  // namespace bulwark
