#include "app/rego/commands.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/rego/benchmark.h"
#include "app/rego/output.h"
#include "app/rego/repl.h"
#include "app/rego/testing.h"
#include "crypto/keys.h"
#include "formats/json.h"

namespace bulwark::regocli {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kPolicy = R"(package authz

default allow := false

allow if input.user == "ann"

allow if {
	input.method == "GET"
	not input.secret
}
)";

TEST(OutputTest, DurationsAreGos) {
  EXPECT_EQ(GoDuration(0), "0s");
  EXPECT_EQ(GoDuration(999), "999ns");
  EXPECT_EQ(GoDuration(1'500), "1.5µs");
  EXPECT_EQ(GoDuration(20'000'001), "20.000001ms");
  EXPECT_EQ(GoDuration(61'500'000'000), "1m1.5s");
  EXPECT_EQ(GoDuration(3'600'000'000'000), "1h0m0s");
  EXPECT_EQ(ParseGoDuration("1m30s"), 90'000'000'000);
  EXPECT_EQ(ParseGoDuration("250ms"), 250'000'000);
  EXPECT_EQ(ParseGoDuration("1.5µs"), 1500);
  EXPECT_EQ(ParseGoDuration("0"), 0);
  for (const char* bad : {"", "5", "x", "5 s", "1e3s", "99999999999999h"}) {
    EXPECT_EQ(ParseGoDuration(bad), std::nullopt) << bad;
  }
}

TEST(OutputTest, TablesAreAsWideAsTheirCells) {
  Table table{.header = {"a", "容器"}, .rows = {{"1", "x"}, {"two\nlines", ""}}, .align = {}};
  EXPECT_EQ(table.Render(),
            "┌───────┬──────┐\n"
            "│   a   │ 容器 │\n"
            "├───────┼──────┤\n"
            "│ 1     │ x    │\n"
            "│ two   │      │\n"
            "│ lines │      │\n"
            "└───────┴──────┘\n");
}

TEST(OutputTest, BenchNumbersAreGos) {
  EXPECT_EQ(BenchNumber(8473), "      8473");
  EXPECT_EQ(BenchNumber(63.012), "        63.01");
  EXPECT_EQ(BenchNumber(0), "         0");
}

TEST(RegoEvalTest, TimeoutEndsAnEvaluation) {
  Scratch scratch;
  scratch.Write("slow.rego",
                "package p\nx := count([1 | some i in numbers.range(1, 30000); some j "
                "in numbers.range(1, 30000); i == j])\n");
  Ran ran = Rego({"eval", "-d", "slow.rego", "data.p.x", "--timeout", "50ms"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.out, HasSubstr("eval_cancel_error"));
}

TEST(RegoEvalTest, ReportsOnRequest) {
  Scratch scratch;
  scratch.Write("p.rego", kPolicy);
  scratch.Write("input.json", R"({"user": "bob", "method": "GET"})");
  Ran ran = Rego({"eval", "-d", "p.rego", "-i", "input.json", "data.authz.allow", "--coverage",
                  "--metrics", "--profile", "--explain", "full"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  Arena arena;
  Value out = ParseJson(ran.out, arena).value();
  EXPECT_EQ(out["coverage"]["files"].size(), 1u);
  EXPECT_GT(out["coverage"]["coverage"].ToDouble(), 50);
  EXPECT_GE(out["metrics"]["timer_rego_query_eval_ns"].AsInt(), 0);
  EXPECT_FALSE(out["profile"].items().empty());
  EXPECT_FALSE(out["explanation"].items().empty());
  Ran pretty = Rego({"eval", "-d", "p.rego", "-i", "input.json", "data.authz.allow", "--coverage",
                     "--metrics", "--profile", "-f", "pretty", "--explain", "fails"});
  EXPECT_THAT(pretty.out, HasSubstr("true\n"));
  EXPECT_THAT(pretty.out, HasSubstr("Overall Coverage"));
  EXPECT_THAT(pretty.out, HasSubstr("timer_rego_query_eval_ns"));
  EXPECT_THAT(pretty.out, HasSubstr("Fail"));
  Ran several = Rego({"eval", "1", "--count", "3", "--metrics"});
  EXPECT_THAT(several.out, HasSubstr("aggregated_metrics"));
}

TEST(RegoEvalTest, SaysWhatIsNotSupported) {
  for (std::vector<std::string> args :
       std::vector<std::vector<std::string>>{{"eval", "--partial", "1"},
                                             {"eval", "--unknowns", "input", "1"},
                                             {"eval", "-t", "wasm", "1"},
                                             {"bench", "--e2e", "1"}}) {
    Ran ran = Rego(args);
    EXPECT_EQ(ran.code, 1);
    EXPECT_THAT(ran.err, HasSubstr("support"));
    EXPECT_EQ(ran.out, "");
  }
}

TEST(RegoEvalTest, CapabilitiesForbidBuiltins) {
  Scratch scratch;
  scratch.Write("c.json",
                R"({"builtins": [{"name": "plus"}, {"name": "eq"}, {"name": "assign"}]})");
  scratch.Write("p.rego", "package p\nx := upper(\"a\")\n");
  EXPECT_EQ(Rego({"eval", "--capabilities", "c.json", "1 + 1"}).code, 0);
  Ran refused = Rego({"eval", "-d", "p.rego", "--capabilities", "c.json", "data.p.x"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.out, HasSubstr("undefined function upper"));
}

TEST(RegoTestTest, CoverageAndThreshold) {
  Scratch scratch;
  scratch.Write("p.rego", kPolicy);
  scratch.Write("p_test.rego",
                "package authz_test\nimport data.authz\n"
                "test_ann if authz.allow with input as {\"user\": \"ann\"}\n");
  Ran ran = Rego({"test", ".", "--coverage"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  Arena arena;
  Value report = ParseJson(ran.out, arena).value();
  double share = report["coverage"].ToDouble();
  EXPECT_GT(share, 30);
  EXPECT_LT(share, 100);
  EXPECT_EQ(Rego({"test", ".", "--threshold", "10"}).code, 0);
  Ran low = Rego({"test", ".", "--threshold", "99", "-v"});
  EXPECT_EQ(low.code, 2);
  EXPECT_THAT(low.err, HasSubstr("Code coverage threshold not met: got"));
  EXPECT_THAT(low.err, HasSubstr("p.rego:"));
}

TEST(RegoTestTest, BenchIsGos) {
  Scratch scratch;
  scratch.Write("p_test.rego", "package p\ntest_x if 1 + 1 == 2\n");
  Ran ran = Rego({"test", ".", "--bench"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, ContainsRegex("data.p.test_x\t +[0-9]+\t +[0-9.]+ ns/op"));
}

TEST(RegoTestTest, ManyTestsRunAtOnce) {
  Scratch scratch;
  std::string text = "package p\n";
  for (int i = 0; i < 200; ++i) text += fmt::format("test_{0} if {0} + 1 == {1}\n", i, i + 1);
  scratch.Write("p_test.rego", text);
  for (const char* threads : {"1", "8"}) {
    Ran ran = Rego({"test", ".", "-p", threads});
    EXPECT_EQ(ran.code, 0);
    EXPECT_EQ(ran.out, "PASS: 200/200\n");
  }
}

TEST(RegoFmtTest, WritesAndShowsWhatChanges) {
  Scratch scratch;
  scratch.Write("p.rego", "package   p\nx:=1\n");
  Ran diff = Rego({"fmt", "-d", "p.rego"});
  EXPECT_THAT(diff.out, HasSubstr("-package   p\n"));
  EXPECT_EQ(scratch.Read("p.rego"), "package   p\nx:=1\n");
  EXPECT_EQ(Rego({"fmt", "-w", "."}).code, 0);
  EXPECT_EQ(scratch.Read("p.rego"), "package p\n\nx := 1\n");
  EXPECT_EQ(Rego({"fmt", "-l", "."}).out, "");
}

TEST(RegoBenchTest, EveryFormat) {
  Ran pretty = Rego({"bench", "1 + 1 == 2"});
  ASSERT_EQ(pretty.code, 0) << pretty.err;
  EXPECT_THAT(pretty.out, HasSubstr("│ samples "));
  EXPECT_THAT(pretty.out, HasSubstr("histogram_timer_rego_query_eval_ns_99%"));
  EXPECT_THAT(Rego({"bench", "-f", "gobench", "1"}).out, HasSubstr("BenchmarkOPAEval\t"));
  Ran undefined = Rego({"bench", "input.x"});
  EXPECT_EQ(undefined.code, 1);
  EXPECT_THAT(undefined.err, HasSubstr("undefined result"));
}

TEST(RegoBuildTest, WhatIsBuiltIsEvaluated) {
  Scratch scratch;
  scratch.Write("b/.manifest", R"({"revision": "old", "roots": ["authz", "roles"]})");
  scratch.Write("b/p.rego", kPolicy);
  scratch.Write("b/roles/data.json", R"({"ann": ["admin"]})");
  auto key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  scratch.Write("key.pem", key.ToPem());
  scratch.Write("public.pem", key.Public().ToPem());
  Ran built = Rego({"build", "-b", "b", "-r", "new", "-o", "out.tar.gz", "--signing-key", "key.pem",
                    "--signing-alg", "ES256"});
  ASSERT_EQ(built.code, 0) << built.out;
  Ran eval = Rego({"eval", "-b", "out.tar.gz", "-f", "raw", "data.roles.ann[0]"});
  EXPECT_EQ(eval.out, "admin\n");
  Ran again = Rego({"build", "-b", "out.tar.gz", "-o", "again.tar.gz", "--verification-key",
                    "public.pem", "--signing-alg", "ES256"});
  EXPECT_EQ(again.code, 0) << again.out;
  Ran refused = Rego({"build", "-b", "b", "-o", "x.tar.gz", "--verification-key", "public.pem"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.out, HasSubstr("bundle missing .signatures.json file"));
  EXPECT_THAT(Rego({"build", "b", "--signing-key", "x"}).out, HasSubstr("enable bundle mode"));
}

TEST(RegoCapabilitiesTest, NameEveryBuiltin) {
  Ran ran = Rego({"capabilities", "--current"});
  Arena arena;
  Value out = ParseJson(ran.out, arena).value();
  EXPECT_GT(out["builtins"].size(), 150u);
  EXPECT_EQ(out["builtins"][0]["name"].AsString(), "abs");
  EXPECT_EQ(out["builtins"][0]["decl"]["type"].AsString(), "function");
  EXPECT_EQ(Rego({"capabilities"}).out, "v1.22.2\n");
}

TEST(RegoReplTest, DefinesAsksAndForgets) {
  Ran ran = Rego({"repl"},
                 "x := 1\n"
                 "x + 1\n"
                 "p if {\n  x == 1\n}\n"
                 "p\n"
                 "show\n"
                 "unset p\n"
                 "p\n"
                 "json\n"
                 "x\n"
                 "input := {\"user\": \"ann\"}\n"
                 "input.user\n"
                 "x +\n\n"
                 "nonsense(1)\n"
                 "help\n"
                 "exit\n"
                 "x\n");
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("Rule 'x' defined in package repl."));
  EXPECT_THAT(ran.out, HasSubstr("2\n"));
  EXPECT_THAT(ran.out, HasSubstr("Rule 'p' defined"));
  EXPECT_THAT(ran.out, HasSubstr("package repl\n\nx := 1\n\np if {\n  x == 1\n}\n"));
  EXPECT_THAT(ran.out, HasSubstr("\"value\": 1"));
  EXPECT_THAT(ran.out, HasSubstr("\"value\": \"ann\""));
  EXPECT_THAT(ran.out, HasSubstr("forget the rules of a name"));
  EXPECT_THAT(ran.err, HasSubstr("rego_unsafe_var_error: var p is unsafe"));
  EXPECT_THAT(ran.err, HasSubstr("undefined function nonsense"));
}

TEST(RegoReplTest, PackagesAndData) {
  Scratch scratch;
  scratch.Write("p.rego", kPolicy);
  Ran ran = Rego({"repl", "p.rego"},
                 "data.authz.allow\npackage other\ny := 2\npackage repl\n"
                 "data.other.y\nimport data.authz\nauthz.allow\n");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("false\n"));
  EXPECT_THAT(ran.out, HasSubstr("2\n"));
  EXPECT_EQ(ran.err, "");
}

constexpr const char* kConfigFolder = "tests/conformance/rego/cli/files";

// What conftest 0.71.1 prints of these files.
TEST(RegoTestConfigTest, PrintsWhatConftestPrints) {
  InFolder folder(kConfigFolder);
  Ran ran = Rego({"test-config", "-p", "config-policy", "config"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.out,
            "WARN - config/deployment.yaml - main - more than two replicas\n"
            "FAIL - config/deployment.yaml - main - web runs as root\n"
            "FAIL - config/deployment.yaml - main - no <labels>\n"
            "FAIL - config/deployment.yaml - main - web:latest is latest\n"
            "EXCP - config/excused.json - main - data.main.exception[_][_] == \"image\"\n"
            "\n"
            "12 tests, 7 passed, 1 warning, 3 failures, 1 exception\n");
  Ran other = Rego({"test-config", "-p", "config-policy", "config", "-n", "other.*"});
  EXPECT_EQ(other.code, 0);
  EXPECT_EQ(other.out,
            "PRNT   config-policy/other.rego:7: looking at deployment.yaml\n\n"
            "WARN - config/deployment.yaml - other.ns - a service\n"
            "\n"
            "6 tests, 5 passed, 1 warning, 0 failures, 0 exceptions\n");
  EXPECT_EQ(
      Rego({"test-config", "-p", "config-policy", "config", "-n", "other.ns", "--fail-on-warn"})
          .code,
      1);
  EXPECT_EQ(Rego({"test-config", "-p", "config-policy", "config", "--fail-on-warn"}).code, 2);
  EXPECT_EQ(Rego({"test-config", "-p", "config-policy", "config", "--no-fail"}).code, 0);
  EXPECT_THAT(Rego({"test-config", "-p", "config-policy", "config", "--combine"}).out,
              HasSubstr("FAIL - Combined - main - no <labels>\n\n4 tests, 3 passed"));
}

TEST(RegoTestConfigTest, EveryOutput) {
  InFolder folder(kConfigFolder);
  auto out = [](const char* format) {
    return Rego({"test-config", "-p", "config-policy", "config", "-o", format}).out;
  };
  Arena arena;
  Value json = ParseJson(out("json"), arena).value();
  EXPECT_EQ(json[0]["failures"][1]["msg"].AsString(), "no <labels>");
  EXPECT_EQ(json[0]["failures"][1]["loc"]["line"].AsInt(), 3);
  EXPECT_EQ(json[0]["failures"][1]["metadata"]["severity"].AsInt(), 2);
  EXPECT_THAT(out("json"), HasSubstr("\n\t\t\"namespace\": \"main\",\n"));
  EXPECT_THAT(out("tap"), HasSubstr("1..12\nnot ok 1 - config/deployment.yaml - main - web runs"));
  EXPECT_THAT(out("table"), HasSubstr("│  RESULT   │          FILE          │ NAMESPACE │"));
  EXPECT_THAT(out("junit"), HasSubstr("<testsuite tests=\"11\" failures=\"4\" time=\"0.000\" "
                                      "name=\"conftest.main\">"));
  EXPECT_THAT(out("github"),
              HasSubstr("::error file=deployment.yaml,line=3::no <labels>\n"
                        "::error file=config/deployment.yaml,line=1::(ORIGINATING FROM "
                        "deployment.yaml L3) no <labels>\n"));
}

TEST(RegoTestConfigTest, ReadsEveryType) {
  Scratch scratch;
  scratch.Write("policy/p.rego", R"(package main

deny contains msg if {
	is_array(input)
	some c in input
	c.Cmd == "user"
	c.Value[0] == "root"
	msg := "a container of root's"
}

deny contains msg if {
	some name, buckets in input.resource.aws_s3_bucket
	some b in buckets
	b.acl == "public-read"
	msg := sprintf("bucket %s is public", [name])
}

deny contains "debug" if input.server.debug
)");
  scratch.Write("Dockerfile", "FROM a\nUSER root\n");
  scratch.Write("main.tf", "resource \"aws_s3_bucket\" \"logs\" {\n  acl = \"public-read\"\n}\n");
  scratch.Write("app.toml", "[server]\ndebug = true\n");
  scratch.Write("app.ini", "[server]\ndebug = true\n");
  Ran ran = Rego({"test-config", "Dockerfile", "main.tf", "app.toml", "app.ini"});
  EXPECT_EQ(ran.code, 1) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("FAIL - Dockerfile - main - a container of root's\n"));
  EXPECT_THAT(ran.out, HasSubstr("FAIL - main.tf - main - bucket logs is public\n"));
  EXPECT_THAT(ran.out, HasSubstr("FAIL - app.toml - main - debug\n"));
  EXPECT_THAT(ran.out, HasSubstr("FAIL - app.ini - main - debug\n"));
  Ran piped = Rego({"test-config", "-", "--parser", "toml"}, "[server]\ndebug = true\n");
  EXPECT_THAT(piped.out, HasSubstr("FAIL - - main - debug\n"));
}

TEST(RegoTestConfigTest, SaysWhatIsWrong) {
  Scratch scratch;
  scratch.Write("policy/p.rego", "package main\ndeny[msg] if msg := \"x\"\n");
  scratch.Write("a.yaml", "a: 1\n");
  scratch.Write("bad.toml", "a = = 1\n");
  EXPECT_THAT(Rego({"test-config", "a.yaml"}).err, HasSubstr("without 'contains' keyword"));
  EXPECT_THAT(Rego({"test-config", "-p", "none", "a.yaml"}).err, HasSubstr("stat none"));
  EXPECT_THAT(Rego({"test-config", "bad.toml"}).err, HasSubstr("line 1, column"));
  EXPECT_THAT(Rego({"test-config", "none.yaml"}).err, HasSubstr("no such file"));
  EXPECT_THAT(Rego({"test-config"}).err, HasSubstr("missing required arguments"));
  EXPECT_EQ(Rego({"test-config", "a.yaml"}).code, 1);
}

TEST(RegoHelpTest, EveryCommandHasAnExample) {
  Env env;
  CLI::App app("test", "bulwark");
  int code = 0;
  AddRegoCommands(app, env, code);
  for (const CLI::App* command : app.get_subcommand("rego")->get_subcommands(nullptr)) {
    EXPECT_THAT(command->get_footer(), HasSubstr("Example: bulwark rego ")) << command->get_name();
  }
  for (Language language : {Language::kEnglish, Language::kChinese}) {
    EXPECT_THAT(std::string(RegoManualPage("rego", language)), HasSubstr("test-config"));
  }
  EXPECT_EQ(RegoManualPage("cel", Language::kEnglish), "");
}

}  // namespace
}  // namespace bulwark::regocli
