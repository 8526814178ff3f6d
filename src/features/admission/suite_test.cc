#include "features/admission/suite.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "features/admission/commands.h"
#include "features/admission/testing.h"

#include <CLI/CLI.hpp>

namespace bulwark::admission {

namespace {

TEST(SuiteTest, WordsThatYamlTakesForBooleansAreWords) {
  auto suite = ReadSuite(R"(
kind: Suite
apiVersion: test.gatekeeper.sh/v1alpha1
tests:
- name: yes
  template: a.yaml
  constraint: b.yaml
  invalid: true
  cases:
  - name: off
    object: c.yaml
    assertions: [{violations: no}, {violations: yes, message: on}, {violations: 2}]
)");
  ASSERT_TRUE(suite.has_value() && suite->has_value());
  const SuiteTest& test = (*suite)->tests.at(0);
  EXPECT_EQ(test.name, "yes");
  EXPECT_TRUE(test.invalid);
  const SuiteCase& c = test.cases.at(0);
  EXPECT_EQ(c.name, "off");
  EXPECT_EQ(c.assertions.at(0).word, "no");
  EXPECT_EQ(c.assertions.at(1).word, "yes");
  EXPECT_EQ(c.assertions.at(1).message, "on");
  EXPECT_EQ(c.assertions.at(2).count, 2);
}

TEST(SuiteTest, WhatIsNoSuiteIsPassedOver) {
  auto other = ReadSuite("kind: Pod\napiVersion: v1\n");
  ASSERT_TRUE(other.has_value());
  EXPECT_FALSE(other->has_value());
  auto wrong =
      ReadSuite("kind: Suite\napiVersion: test.gatekeeper.sh/v1alpha1\ntests: [{skip: 3}]\n");
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().message(),
            "invalid yaml: json: cannot unmarshal number into Go struct field Test.tests.skip of "
            "type bool");
}

// The commands in process, over real files.
class CommandsTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = TempDir::Make();
    ASSERT_TRUE(made.has_value());
    dir_ = std::make_unique<TempDir>(*std::move(made));
    std::string both(kRequiredLabels);
    size_t cut = both.find("---");
    Write("template.yaml", both.substr(0, cut));
    Write("constraint.yaml", both.substr(cut + 4));
    Write("bad.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\n");
    Write("good.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: good, labels: {owner: me}}\n");
    Write("suite.yaml", R"(
kind: Suite
apiVersion: test.gatekeeper.sh/v1alpha1
tests:
- name: labels
  template: template.yaml
  constraint: constraint.yaml
  cases:
  - {name: bad, object: bad.yaml, assertions: [{violations: yes, message: owner}]}
  - {name: good, object: good.yaml, assertions: [{violations: no}]}
)");
  }
  void Write(const std::string& name, std::string_view text) {
    ASSERT_TRUE(WriteFileAtomic(Path(name), text).has_value());
  }
  std::string Path(const std::string& name) const { return dir_->path() + "/" + name; }

  int Run(std::vector<std::string> args) {
    out_.clear();
    err_.clear();
    CLI::App app("test", "bulwark");
    Env env;
    env.out = [this](std::string_view text) { out_ += text; };
    env.err = [this](std::string_view text) { err_ += text; };
    env.read_stdin = [this](size_t) -> Result<std::string> { return stdin_; };
    env.now = [] { return std::chrono::system_clock::time_point(); };
    int code = 0;
    AddCommands(app, env, code);
    std::reverse(args.begin(), args.end());
    app.parse(args);
    return code;
  }

  std::unique_ptr<TempDir> dir_;
  std::string out_, err_, stdin_;
};

TEST_F(CommandsTest, TestReadsFilesAndStandardInput) {
  EXPECT_EQ(Run({"gate", "test", "-f", Path("template.yaml"), "-f", Path("constraint.yaml"), "-f",
                 Path("good.yaml")}),
            0);
  EXPECT_EQ(out_, "");
  stdin_ = std::string(kRequiredLabels) + "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\n";
  EXPECT_EQ(Run({"gate", "test"}), 1);
  EXPECT_EQ(out_, "v1/Pod p: [\"labels\"] Message: \"missing: {\\\"owner\\\"}\"\n");
  stdin_.clear();
  EXPECT_EQ(Run({"gate", "test"}), 1);
  EXPECT_EQ(err_, "no input data identified\n");
  EXPECT_EQ(Run({"gate", "test", "-f", Path("none.yaml")}), 1);
  EXPECT_EQ(err_, "reading: reading from filenames: stat on path \"" + Path("none.yaml") +
                      "\": stat " + Path("none.yaml") + ": no such file or directory\n");
  EXPECT_EQ(Run({"gate", "test", "-i", "registry.example.com/policies:1"}), 1);
  EXPECT_NE(err_.find("only OCI image layouts on disk are read"), std::string::npos) << err_;
}

TEST_F(CommandsTest, VerifyRunsSuites) {
  EXPECT_EQ(Run({"gate", "verify", dir_->path() + "/..."}), 0);
  EXPECT_TRUE(out_.starts_with("ok\t" + Path("suite.yaml") + "\t")) << out_;
  EXPECT_TRUE(out_.ends_with("\nPASS\n\n")) << out_;
  EXPECT_EQ(Run({"gate", "verify", Path("suite.yaml"), "-v", "--run", "//good"}), 0);
  EXPECT_NE(out_.find("    === SKIP  bad\n    === RUN   good\n"), std::string::npos) << out_;
  Write("good.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: good}\n");
  EXPECT_EQ(Run({"gate", "verify", Path("suite.yaml")}), 1);
  EXPECT_NE(out_.find("unexpected number of violations: got 1 violations but want none: got "
                      "messages [missing: {\"owner\"}]\n"),
            std::string::npos)
      << out_;
  EXPECT_EQ(err_, "Error: FAIL\n");
}

}  // namespace

}  // namespace bulwark::admission
