// The program's own commands: help, completion, and what it says to a command line that is wrong.

#include "app/app.h"

#include <gmock/gmock.h>

#include "app/testing.h"

namespace bulwark::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// Every command, found by asking for help.
void Collect(const std::vector<std::string>& path, std::vector<std::vector<std::string>>& all) {
  all.push_back(path);
  std::vector<std::string> args = path;
  args.push_back("--help");
  std::string help = Bulwark(args).out;
  size_t at = help.find("\nSubcommands:\n");
  if (at == std::string::npos) return;
  for (std::string_view line : SplitLines(std::string_view(help).substr(at + 14))) {
    if (!line.starts_with("  ")) break;
    std::vector<std::string> sub = path;
    sub.emplace_back(Split(Trim(line), ' ').front());
    Collect(sub, all);
  }
}

TEST(AppTest, EveryCommandHasHelpWithAnExample) {
  std::vector<std::vector<std::string>> all;
  Collect({}, all);
  EXPECT_GE(all.size(), 11u);  // bulwark, inspect, checks …, cel …, help, completion
  for (std::vector<std::string> path : all) {
    std::string name = "bulwark";
    for (const std::string& word : path) name += " " + word;
    path.push_back("--help");
    Ran ran = Bulwark(path);
    EXPECT_EQ(ran.code, kClean) << name;
    EXPECT_THAT(ran.out, AllOf(HasSubstr("Usage: " + name + " "), HasSubstr("Example: ")));
    EXPECT_THAT(ran.err, IsEmpty());
    // `bulwark help X` knows it, too.
    path.pop_back();
    path.insert(path.begin(), "help");
    EXPECT_EQ(Bulwark(path).code, kClean) << name;
  }
}

TEST(AppTest, ManualPagesInBothLanguages) {
  for (std::string command : {"inspect", "checks", "cel", "rego"}) {
    Ran en = Bulwark({"help", command}),
        zh = Bulwark({"help", command}, {.language = Language::kChinese});
    EXPECT_THAT(en.out,
                AllOf(StartsWith("# bulwark " + command + "\n"), HasSubstr("## Exit codes")));
    EXPECT_THAT(zh.out, AllOf(StartsWith("# bulwark " + command + "\n"), HasSubstr("## 退出码")));
    for (const std::string& page : {en.out, zh.out}) {
      EXPECT_EQ(page.find("\n# "), std::string::npos) << "one page only: " << page;
    }
  }
}

// An option that the manual page does not know would be a lie in one of the two.
TEST(AppTest, TheGuidesNameEveryOption) {
  for (auto [command, guide] : {std::pair{"inspect", "inspect"},
                                {"cel eval", "cel"},
                                {"cel check", "cel"},
                                {"rego eval", "rego"}}) {
    std::vector<std::string> args = ShellWords(command);
    args.push_back("--help");
    std::string help = Bulwark(args).out;
    for (std::string suffix : {".md", ".zh-CN.md"}) {
      auto text = ReadFile(std::string(BULWARK_SOURCE_DIR "/docs/user-guide/") + guide + suffix);
      ASSERT_TRUE(text.has_value()) << text.error().ToString();
      size_t options = 0;
      for (std::string_view line : SplitLines(help)) {
        size_t at = line.find("--");
        if (!line.starts_with("  -") || at == std::string_view::npos) continue;
        std::string option(line.substr(at, line.find_first_of(" {=", at) - at));
        if (option == "--help") continue;
        ++options;
        EXPECT_NE(text->find(option), std::string::npos)
            << option << " is not in " << guide << suffix;
      }
      EXPECT_GE(options, 4u);
    }
  }
}

TEST(AppTest, Version) {
  Ran ran = Bulwark({"--version"});
  EXPECT_EQ(ran.code, kClean);
  EXPECT_EQ(ran.out, std::string(BULWARK_VERSION) + "\n");
}

TEST(AppTest, WithoutArgumentsHelpGoesToStandardError) {
  Ran ran = Bulwark({});
  EXPECT_EQ(ran.code, kUsage);
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_THAT(ran.err, HasSubstr("inspect"));
}

TEST(AppTest, WrongCommandLinesSayWhatWasMeant) {
  struct Case {
    std::vector<std::string> args;
    std::string says;
  };
  for (const Case& c : std::vector<Case>{
           {{"inspct"}, "no command bulwark inspct; did you mean inspect?"},
           {{"frobnicate"}, "no command bulwark frobnicate\n"},
           {{"checks"}, "bulwark checks needs a command: list, show, test"},
           {{"checks", "lst"}, "no command bulwark checks lst; did you mean list?"},
           {{"checks", "list", "extra"}, "bulwark checks list does not take extra"},
           {{"checks", "show"}, "ID"},
           {{"inspect", "--fromat", "json", "x"}, "no option --fromat; did you mean --format?"},
           {{"inspect", "--fail_on=low", "x"}, "no option --fail_on; did you mean --fail-on?"},
           {{"inspect", "--zzz", "x"}, "no option --zzz\n"},
           {{"inspect", "--only"}, "--only"},
           {{"inspect", "--threads", "many", "x"}, "--threads"},
           {{"inspect", "--namespace", "a", "x"}, "--cluster"},
           {{"cel", "evil", "1"}, "did you mean eval?"},
           {{"cel", "eval", "1", "-o", "yaml"}, "yaml"},
           {{"completion", "tcsh"}, "bash"},
           {{"help", "inspec"}, "did you mean inspect?"},
       }) {
    Ran ran = Bulwark(c.args);
    std::string line = "bulwark";
    for (const std::string& word : c.args) line += " " + word;
    EXPECT_EQ(ran.code, kUsage) << line;
    EXPECT_THAT(ran.out, IsEmpty()) << line;
    EXPECT_THAT(ran.err, AllOf(StartsWith("bulwark: "), HasSubstr(c.says))) << line;
  }
}

TEST(AppTest, TerminalControlsInArgumentsAreShown) {
  EXPECT_THAT(Bulwark({"\x1b[31mred"}).err, Not(HasSubstr("\x1b")));
}

// What bash offers for a half-written line, by the script itself.
std::string Completed(const std::string& script, std::string_view line) {
  std::string program = script + "\nCOMP_WORDS=(" + std::string(line) +
                        ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
                        "_bulwark; echo \"${COMPREPLY[*]}\"\n";
  auto ran = RunProcess({"bash", "-c", program});
  return ran ? ran->out + ran->err : ran.error().ToString();
}

TEST(AppTest, BashCompletes) {
  if (!HasProgram("bash")) GTEST_SKIP() << "there is no bash";
  std::string script = Bulwark({"completion", "bash"}).out;
  EXPECT_EQ(Completed(script, "bulwark ins"), "inspect\n");
  EXPECT_EQ(Completed(script, "bulwark checks sh"), "show\n");
  EXPECT_EQ(Completed(script, "bulwark inspect --fail"), "--fail-on\n");
  EXPECT_EQ(Completed(script, "bulwark cel check --va"), "--var\n");
  EXPECT_EQ(Completed(script, "bulwark inspect READ"), "README.md README.zh-CN.md\n");
}

TEST(AppTest, CompletionForOtherShells) {
  EXPECT_THAT(Bulwark({"completion", "zsh"}).out, HasSubstr("bashcompinit"));
  std::string fish = Bulwark({"completion", "fish"}).out;
  EXPECT_THAT(fish, HasSubstr("-a inspect -d 'Inspect Kubernetes objects'"));
  EXPECT_THAT(fish, HasSubstr("'__fish_seen_subcommand_from inspect' -l fail-on -r -d "));
  EXPECT_THAT(fish, HasSubstr("Kubernetes\\' expression language"));
  if (HasProgram("fish")) {
    auto parsed = RunProcess({"fish", "--no-execute"}, {.stdin_text = fish});
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(parsed->exit_code, 0) << parsed->err;
  }
}

// Each command that the table of features names does what it says there: it runs and prints.
TEST(AppTest, TheCommandsOfTheFeatureTableWork) {
  auto table = ReadFile(BULWARK_SOURCE_DIR "/docs/features.md");
  ASSERT_TRUE(table.has_value()) << table.error().ToString();
  size_t ran_commands = 0;
  std::string_view rest = *table;
  while (auto cut = Cut(rest, "`bulwark ")) {
    std::string_view line = cut->second.substr(0, cut->second.find('`'));
    rest = cut->second.substr(line.size());
    if (line.find("--cluster") != std::string_view::npos) continue;  // tests/e2e has one
    SCOPED_TRACE(std::string(line));
    Ran ran = Bulwark(ShellWords(line));
    EXPECT_TRUE(ran.code == kClean || ran.code == kFindings) << ran.code << ran.err;
    EXPECT_THAT(ran.out, Not(IsEmpty()));
    ++ran_commands;
  }
  EXPECT_GE(ran_commands, 15u);
}

}  // namespace
}  // namespace bulwark::test
