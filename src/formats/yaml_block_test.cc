// The scanner of usual YAML against libyaml, on what is committed here and on mutations of it.

#include "formats/yaml_block.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "formats/yaml_compare.h"

namespace bulwark::yaml {
namespace {

// Takes everything.
struct AnySink {
  using Range = SourceMap::Range;
  bool Key(std::string_view, Range, bool, bool) { return true; }
  bool Scalar(std::string_view, Range, bool, bool) { return true; }
  bool Open(uint32_t, bool, bool) { return true; }
  bool Close(uint32_t) { return true; }
};

bool Takes(std::string_view text) {
  AnySink sink;
  return BlockScanner<AnySink>(text, sink).Run();
}

std::vector<std::string> Texts() {
  std::vector<std::string> out;
  const std::filesystem::path root = BULWARK_SOURCE_DIR;
  for (const char* folder : {"examples", "rules", "src", "tests"}) {
    if (!std::filesystem::exists(root / folder)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      if (entry.path().extension() != ".yaml" || entry.file_size() > 200'000) continue;
      std::ifstream in(entry.path());
      std::stringstream text;
      text << in.rdbuf();
      out.push_back(text.str());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

struct Case {
  const char* name;
  const char* text;
  bool takes;
};

class Usual : public testing::TestWithParam<Case> {};

TEST_P(Usual, IsReadAsLibyamlReadsIt) {
  const Case& c = GetParam();
  EXPECT_EQ(Takes(c.text), c.takes);
  EXPECT_EQ(CompareReaders(c.text, false), "");
  EXPECT_EQ(CompareReaders(c.text, true), "");
}

INSTANTIATE_TEST_SUITE_P(
    Texts, Usual,
    testing::Values(
        Case{"Map", "a: 1\nb: two\nc:\n  d: 3\n", true},
        Case{"NoLineBreakAtTheEnd", "a: 1\nb: two", true},
        Case{"SequenceInTheColumnOfItsKey", "a:\n- x\n- y: 1\n  z: 2\nb:\n-\n- c\n", true},
        Case{"SequenceFurtherIn", "a:\n  - x\n  -   y: 1\n      z: 2\n  - - p\n    - q\nb: ~\n",
             true},
        Case{"Nothing", "a:\nb:   # nothing\nc:\n  d:\n  e:\nf:\n", true},
        Case{"Comments", "# x\na: 1 # y\n\n  # z\nb: # w\n  c: d#e\n# end\n", true},
        Case{"Quoted", "a: \"x: y\"\nb: 'it''s'\n\"c d\": \"\\\"q\\\\\\n\"\n'e': ''\n", true},
        Case{"Flow", "a: [1, \"two\", three four, [], {}]\nb: {c: 1, \"d\":2, e: {f: g}}\n", true},
        Case{"FlowColonWithin", "a: [--x=y:z, http://h/p]\n", true},
        Case{"Literal", "a: |\n  one\n   two\n\n  three\nb: |-\n  x\n\nc: |+\n  y\n\n\nd: 1\n",
             true},
        Case{"LiteralAtTheEnd", "a:\n  - |\n    one\n    \n      \n", true},
        Case{"ValueInTheNextLine", "a:\n  b\nc:\n    \"d\"\n", true},
        Case{"ColonWithin", "a: b:c\nd: ::e\n", false},
        Case{"DashedWords", "a: -x\n-b: --\n", true}, Case{"Empty", "", true},
        Case{"OnlyComments", "# a\n\n   # b\n", true}, Case{"Indented", "  a: 1\n  b: 2\n", true},
        Case{"TwoLines", "a: b\n  c\n", false}, Case{"Folded", "a: >\n  b\n", false},
        Case{"Anchor", "a: &x 1\nb: *x\n", false}, Case{"Merge", "a:\n  <<: {b: 1}\n", false},
        Case{"Tag", "a: !!str 1\n", false}, Case{"Tab", "a:\t1\n", false},
        Case{"Chinese", "a: 中\n", false}, Case{"ColonTwice", "a: b: c\n", false},
        Case{"Dedented", "a:\n    b: 1\n  c: 2\n", false},
        Case{"EntryAfterValue", "a: 1\n- b\n", false}, Case{"EntryInLine", "a: - b\n", false},
        Case{"AfterQuoted", "a: \"b\" c\n", false}, Case{"Unclosed", "a: [1, 2\n", false},
        Case{"Question", "? a\n: b\n", false}, Case{"Directive", "%YAML 1.1\n", false},
        Case{"Separator", "a: 1\n---\nb: 2\n", false},
        Case{"LiteralWithBlankFirst", "a: |\n\n  x\n", false}, Case{"NoKey", "a: 1\nb\n", false}),
    [](const auto& each) { return each.param.name; });

TEST(YamlBlock, WhatIsCommittedHereIsReadAlike) {
  size_t documents = 0, taken = 0;
  for (const std::string& text : Texts()) {
    EXPECT_EQ(CompareStream(text, true), "");
    YamlDocuments stream(text);
    while (stream.More()) {
      auto document = stream.Next();
      if (!document) break;
      ++documents;
      taken += Takes(document->text);
    }
  }
  EXPECT_GT(documents, 100U);
  EXPECT_GT(taken * 3, documents);  // else this test says little
}

TEST(YamlBlock, MutationsAreReadAlike) {
  std::mt19937 random(20);  // NOLINT: the same each time
  auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  constexpr std::string_view kPieces[] = {
      " ",  "  ", "\n", ":", ": ",   "-",    "- ",  "#",   " #",   "\"",  "'",  "[",
      "]",  "{",  "}",  ",", "|",    "|-\n", "a",   "0",   "~",    "&a",  "*a", "!",
      "\\", "\t", "?",  "%", "<<: ", "|+\n", "a: ", "---", "\n\n", "yes", ".5"};
  size_t rounds = 0;
  for (const std::string& text : Texts()) {
    if (text.empty() || text.size() > 20'000) continue;
    for (int i = 0; i < 12; ++i, ++rounds) {
      // A few hundred bytes, cut at lines, so that a text has few faults.
      size_t from = text.rfind('\n', below(text.size()));
      from = from == std::string::npos ? 0 : from + 1;
      std::string mutated = text.substr(from, 300 + below(400));
      for (size_t n = 1 + below(2); n-- > 0 && !mutated.empty();) {
        size_t at = below(mutated.size());
        switch (below(4)) {
          case 0: mutated.erase(at, 1 + below(3)); break;
          case 1: mutated.insert(at, kPieces[below(std::size(kPieces))]); break;
          case 2: mutated.replace(at, 1, kPieces[below(std::size(kPieces))]); break;
          default: {  // an indentation changes
            size_t line = mutated.find('\n', at);
            if (line != std::string::npos) mutated.insert(line + 1, below(2) != 0 ? " " : "  ");
          }
        }
      }
      ASSERT_EQ(CompareStream(mutated, below(2) != 0), "");
    }
  }
  EXPECT_GT(rounds, 500U);
}

}  // namespace
}  // namespace bulwark::yaml
