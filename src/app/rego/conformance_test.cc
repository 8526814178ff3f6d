// OPA's own answers to command lines (tests/conformance/rego/cli), and ours.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <map>

#include "app/rego/testing.h"
#include "base/text.h"
#include "formats/diff.h"
#include "formats/json.h"

namespace bulwark::regocli {
namespace {

constexpr const char* kFolder = "tests/conformance/rego/cli";

std::vector<std::string> Words(std::string_view line) {
  std::vector<std::string> words;
  bool inside = false;
  char quote = 0;
  for (char c : line) {
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        words.back() += c;
      }
    } else if (c == ' ') {
      inside = false;
    } else {
      if (!inside) words.emplace_back();
      inside = true;
      if (c == '\'' || c == '"') {
        quote = c;
      } else {
        words.back() += c;
      }
    }
  }
  return words;
}

// What differs from run to run: how long things took, random ids.
std::string Settled(std::string text) {
  static const re2::RE2 kTime(R"(\([0-9.]+(ns|µs|ms|s)\))"), kDuration(R"("duration": \d+)"),
      kId(R"("decision_id": "[0-9a-f-]+")"), kNow(R"("time":"[0-9TZ:-]+")");
  re2::RE2::GlobalReplace(&text, kTime, "(time)");
  re2::RE2::GlobalReplace(&text, kDuration, "\"duration\": 0");
  re2::RE2::GlobalReplace(&text, kNow, "\"time\":\"now\"");
  re2::RE2::GlobalReplace(&text, kId, "\"decision_id\": \"id\"");
  return text;
}

// Lines of known.txt: a command and, after #, why what is printed there is not compared.
std::map<std::string, std::string> Known() {
  std::map<std::string, std::string> out;
  std::string text = ReadFile(fmt::format("{}/known.txt", kFolder)).value_or("");
  for (std::string_view line : SplitLines(text)) {
    if (auto cut = Cut(line, "  # ")) out.emplace(Trim(cut->first), Trim(cut->second));
  }
  return out;
}

TEST(OpaCommandLineTest, AnswersAreOpas) {
  auto text = ReadFile(fmt::format("{}/answers.json", kFolder));
  ASSERT_TRUE(text) << text.error().ToString();
  Arena arena;
  auto answers = ParseJson(*text, arena);
  ASSERT_TRUE(answers) << answers.error().ToString();
  std::map<std::string, std::string> known = Known();
  InFolder folder(fmt::format("{}/files", kFolder));
  size_t compared = 0;
  for (const Value& answer : answers->items()) {
    std::string command(answer.StringAt("command"));
    SCOPED_TRACE(command);
    std::vector<std::string> words = Words(command);
    std::string input;
    if (auto from = std::find(words.begin(), words.end(), "<"); from != words.end()) {
      input = ReadFile(*(from + 1)).value_or("");
      words.erase(from, words.end());
    }
    Ran ran = Rego(words, input);
    EXPECT_EQ(ran.code, answer["code"].AsInt()) << ran.err;
    if (known.erase(command) > 0) continue;
    ++compared;
    std::string wanted = Settled(std::string(answer.StringAt("out"))), got = Settled(ran.out);
    EXPECT_TRUE(got == wanted) << UnifiedDiff(wanted, got, {.old_name = "opa", .new_name = "us"});
    // What is wrong with a command line is said in one line.
    std::string_view error = answer.StringAt("err");
    if (error.starts_with("Error: ")) {
      EXPECT_EQ(Trim(ran.err), Trim(error));
    } else {
      EXPECT_EQ(Settled(ran.err), Settled(std::string(error)));
    }
  }
  EXPECT_TRUE(known.empty()) << known.begin()->first << " is in known.txt, but was not asked";
  EXPECT_GT(compared, 90u);
}

}  // namespace
}  // namespace bulwark::regocli
