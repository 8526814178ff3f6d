// The user guide's commands (docs/user-guide/rego.md) are run as they stand, in both languages.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/rego/testing.h"
#include "base/text.h"

namespace bulwark::regocli {
namespace {

std::vector<std::string> Words(std::string_view line) {
  std::vector<std::string> words;
  bool inside = false, quoted = false;
  for (char c : line) {
    if (c == '\'') {
      quoted = !quoted;
      if (!inside) words.emplace_back();
      inside = true;
    } else if (c == ' ' && !quoted) {
      inside = false;
    } else {
      if (!inside) words.emplace_back();
      inside = true;
      words.back() += c;
    }
  }
  return words;
}

// An indented block from line `at`, without its indentation; empty lines within belong to it.
std::string Block(const std::vector<std::string_view>& lines, size_t& at) {
  std::string out, gap;
  for (; at < lines.size(); ++at) {
    std::string_view line = lines[at];
    if (line.empty()) {
      gap += '\n';
    } else if (line.starts_with("    ")) {
      out += gap + std::string(line.substr(4)) + "\n";
      gap.clear();
    } else {
      break;
    }
  }
  return out;
}

class GuideTest : public ::testing::TestWithParam<const char*> {};

TEST_P(GuideTest, EveryCommandPrintsWhatItSays) {
  std::string text = ReadFile(fmt::format("docs/user-guide/{}", GetParam())).value_or("");
  auto lines = SplitLines(text);
  Scratch scratch;
  size_t commands = 0;
  for (size_t i = 0; i < lines.size();) {
    std::string_view line = lines[i];
    bool save = line.starts_with("Save this as `") || line.starts_with("保存为 `");
    if (save) {
      std::string name(Split(line, '`')[1]);
      i += 2;
      scratch.Write(name, Block(lines, i));
    } else if (line.starts_with("    $ bulwark rego ")) {
      size_t from = i;
      std::string block = Block(lines, from);
      i = from;
      std::string command, expected;
      auto run = [&] {
        if (command.empty()) return;
        Ran ran = Rego(Words(command));
        EXPECT_EQ(ran.out, expected) << command << "\n" << ran.err;
        ++commands;
        expected.clear();
      };
      for (std::string_view part : SplitLines(block)) {
        if (part.starts_with("$ bulwark rego ")) {
          run();
          command = part.substr(15);
        } else {
          expected += std::string(part) + "\n";
        }
      }
      run();
    } else {
      ++i;
    }
  }
  EXPECT_GE(commands, 7u);
}

INSTANTIATE_TEST_SUITE_P(Languages, GuideTest, ::testing::Values("rego.md", "rego.zh-CN.md"));

}  // namespace
}  // namespace bulwark::regocli
