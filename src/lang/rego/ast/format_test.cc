#include "lang/rego/ast/format.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "lang/rego/ast/ast_compare.h"
#include "lang/rego/ast/parser.h"

namespace bulwark::rego {
namespace {

struct Case {
  std::string name, input, want;
  FormatOptions options;
};

Dialect DialectOf(const std::string& text) {
  return text == "v0" ? Dialect::kV0 : text == "v2" ? Dialect::kV2 : Dialect::kV1;
}

// Reads testdata/format/cases.txt; its own head says what is in it.
std::vector<Case> ReadCases() {
  std::ifstream file(BULWARK_SOURCE_DIR "/src/lang/rego/ast/testdata/format/cases.txt");
  std::vector<Case> cases;
  bool answer = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("=== ")) {
      std::istringstream words(line.substr(4));
      std::string source, lowest, highest, drop;
      Case c;
      words >> c.name >> source >> lowest >> highest >> drop;
      c.options.source = DialectOf(source);
      c.options.lowest = DialectOf(lowest);
      c.options.highest = DialectOf(highest);
      c.options.drop_imports = drop == "drop";
      cases.push_back(std::move(c));
      answer = false;
    } else if (line == "---" && !answer) {
      answer = true;
    } else if (!cases.empty()) {
      (answer ? cases.back().want : cases.back().input) += line + "\n";
    }
  }
  return cases;
}

TEST(Format, AsOpa) {
  const std::vector<Case> cases = ReadCases();
  ASSERT_GE(cases.size(), 18U);
  for (const Case& c : cases) {
    const Result<std::string> got = FormatSource("p.rego", c.input, c.options);
    EXPECT_EQ(got ? *got : got.error().message() + "\n", c.want) << c.name;
  }
}

TEST(Format, TwiceIsAsOnceAndMeansTheSame) {
  for (const Case& c : ReadCases()) {
    const Result<std::string> once = FormatSource("p.rego", c.input, c.options);
    if (!once || c.options.source != c.options.highest) continue;
    // OPA moves a comment in the midst of a term with each time.
    if (c.name.starts_with("moving_")) continue;
    const Result<std::string> twice = FormatSource("p.rego", *once, c.options);
    ASSERT_TRUE(twice.has_value()) << c.name << "\n" << twice.error().message();
    EXPECT_EQ(*twice, *once) << c.name;
    ParseOptions parse;
    parse.dialect = c.options.source;
    parse.annotations = false;
    const auto before = ParseModule("p.rego", c.input, parse);
    const auto after = ParseModule("p.rego", *once, parse);
    ASSERT_TRUE(before.has_value() && after.has_value()) << c.name;
    ASSERT_EQ((*before)->rules.size(), (*after)->rules.size()) << c.name;
  }
}

TEST(Format, EveryCommentIsKept) {
  const std::string text =
      "# a\npackage p # b\n# c\nimport data.x # d\n# e\nq if { # f\n  input.x # g\n  # h\n} # i\n# "
      "j\n";
  const Result<std::string> got = FormatSource("p.rego", text, {});
  ASSERT_TRUE(got.has_value()) << got.error().message();
  for (char c = 'a'; c <= 'j'; ++c) {
    EXPECT_NE(got->find(std::string("# ") + c), std::string::npos) << c << "\n" << *got;
  }
}

TEST(Format, ParseErrorsAreThoseOfTheParser) {
  std::vector<Diagnostic> errors;
  const Result<std::string> got = FormatSource("p.rego", "package a\np { x }", {}, &errors);
  ASSERT_FALSE(got.has_value());
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].message, "`if` keyword is required before rule body");
}

}  // namespace
}  // namespace bulwark::rego
