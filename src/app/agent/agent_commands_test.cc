#include "app/agent/agent_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "base/text.h"
#include "features/node/report.h"
#include "formats/json.h"
#include "platform/link/testing.h"

extern char** environ;

namespace bulwark {
namespace {

using link::Eventually;
using testing::HasSubstr;

struct Ran {
  int code = -1;
  std::string out, err;
};

Ran Bulwark(std::vector<std::string> args, Language language = Language::kEnglish) {
  Ran ran;
  Env env;
  env.out = [&](std::string_view text) { ran.out += text; };
  env.err = [&](std::string_view text) { ran.err += text; };
  env.now = [] { return std::chrono::system_clock::time_point(std::chrono::seconds(1780272000)); };
  env.language = language;
  ran.code = kClean;
  CLI::App app("x", "bulwark");
  app.require_subcommand(1);
  AddAgentCommands(app, env, ran.code);
  std::reverse(args.begin(), args.end());
  try {
    app.parse(args);
  } catch (const CLI::ParseError& error) {
    ran.code = error.get_exit_code() == 0 ? kClean : kUsage;
    ran.err += error.what();
  }
  return ran;
}

// A machine in a folder.
struct Machine {
  TempDir folder = TempDir::Make().value();
  Machine() { Kernel("6.12.0"); }
  void Kernel(const std::string& release) const {
    std::string path = folder.path() + "/proc/sys/kernel";
    std::filesystem::create_directories(path);
    ASSERT_TRUE(WriteFileAtomic(path + "/osrelease", release + "\n"));
  }
};

TEST(NodeCommand, PrintsFactsAndChecks) {
  Machine machine;
  Ran good = Bulwark({"node", "facts", "--root", machine.folder.path()});
  EXPECT_EQ(good.code, kClean) << good.err;
  EXPECT_THAT(good.out, HasSubstr("pass     node-kernel-eol"));
  EXPECT_THAT(good.out, HasSubstr("error    node-lsm"));
  machine.Kernel("4.4.1");
  Ran bad = Bulwark({"node", "facts", "--root", machine.folder.path()});
  EXPECT_EQ(bad.code, kFindings);
  EXPECT_THAT(bad.out, HasSubstr("[high] Kernel series is no longer maintained"));
  Ran chinese = Bulwark({"node", "facts", "--root", machine.folder.path()}, Language::kChinese);
  EXPECT_THAT(chinese.out, HasSubstr("内核版本系列已停止维护"));
  Ran json = Bulwark({"node", "facts", "--root", machine.folder.path(), "-o", "json"});
  Arena arena;
  Value report = ParseJson(json.out, arena).value();
  EXPECT_EQ(report["facts"]["kernel"].StringAt("release"), "4.4.1");
  EXPECT_EQ(report["assessments"].size(), node::NodeChecks().size());
  EXPECT_EQ(Bulwark({"node", "facts", "-o", "xml"}).code, kUsage);
}

TEST(AgentCommand, SaysWhatIsWrong) {
  TempDir folder = TempDir::Make().value();
  EXPECT_EQ(Bulwark({"agent"}).code, kUsage);
  Ran plain = Bulwark({"agent", "--server", "http://a", "--state", folder.path(), "--once"});
  EXPECT_EQ(plain.code, kUsage);
  EXPECT_THAT(plain.err, HasSubstr("https://"));
  for (Language language : {Language::kEnglish, Language::kChinese}) {
    EXPECT_THAT(std::string(AgentManualPage(language)), HasSubstr("--token-file"));
  }
}

struct World : link::World {
  Machine machine;
  Arena arena;
  World() {
    EXPECT_TRUE(node::DefineNodes(*state));
    prepare = [](link::LinkServer& server) {
      server.Handle("node", "report",
                    [](const link::Delivered& d) { return node::TakeReport({}, d); });
    };
  }
  std::vector<std::string> Arguments(const std::string& token) const {
    return {"agent",
            "--server",
            url(),
            "--ca-file",
            folder.File("ca.pem"),
            "--token-file",
            folder.File(token),
            "--node",
            "n1",
            "--state",
            folder.File("agent-state"),
            "--root",
            machine.folder.path(),
            "--interval",
            "1"};
  }
  std::string Kernel() {
    auto record = state->Get(node::kNodes, link::AgentId("c1", "n1")).value();
    if (!record) return "";
    return std::string(ParseJson(record->body, arena)->StringAt("kernel"));
  }
  size_t Changes() {
    store::EventPage page = events.Search({.limit = 1000}).value();
    return static_cast<size_t>(
        std::count_if(page.events.begin(), page.events.end(),
                      [](const Event& e) { return e.message == "node.changed"; }));
  }
  // Whether the agent has put something with that text to disk: frames hold envelopes as they are.
  bool Spooled(std::string_view text) const {
    std::error_code none;
    for (const auto& entry :
         std::filesystem::directory_iterator(folder.File("agent-state/spool"), none)) {
      if (entry.path().extension() != ".spool") continue;
      auto bytes = ReadFile(entry.path().string());
      if (bytes && bytes->find(text) != std::string::npos) return true;
    }
    return false;
  }
};

TEST(AgentCommand, ReportsOnce) {
  World world;
  world.StartServer();
  world.GiveToken("n1");
  std::vector<std::string> arguments = world.Arguments("token-n1");
  arguments.emplace_back("--once");
  Ran ran = Bulwark(arguments);
  EXPECT_EQ(ran.code, kClean) << ran.err;
  EXPECT_EQ(world.Kernel(), "6.12.0");
  // The token is used up; the identity serves.
  world.machine.Kernel("6.12.1");
  EXPECT_EQ(Bulwark(arguments).code, kClean);
  EXPECT_EQ(world.Kernel(), "6.12.1");
}

// The process that the next test starts: this program again, with a command line in a variable.
TEST(AgentCommand, DISABLED_Child) {
  const char* line = ::getenv("BULWARK_TEST_AGENT");
  if (line == nullptr) GTEST_SKIP() << "started by Agent.KilledAndAlone alone";
  std::vector<std::string> arguments;
  for (std::string_view word : Split(line, '\n')) arguments.emplace_back(word);
  Ran ran = Bulwark(arguments);
  std::fputs(ran.err.c_str(), stderr);
  std::fflush(stderr);
  ::_exit(ran.code);
}

class AgentProcess {
 public:
  explicit AgentProcess(const std::vector<std::string>& arguments) {
    std::string line = "BULWARK_TEST_AGENT=" + Join(arguments, "\n");
    std::vector<char*> variables = {line.data()};
    for (char** v = environ; *v != nullptr; ++v) variables.push_back(*v);
    variables.push_back(nullptr);
    char name[] = "agent", filter[] = "--gtest_filter=AgentCommand.DISABLED_Child",
         also[] = "--gtest_also_run_disabled_tests";
    char* argv[] = {name, filter, also, nullptr};
    EXPECT_EQ(::posix_spawn(&pid_, "/proc/self/exe", nullptr, nullptr, argv, variables.data()), 0);
  }
  ~AgentProcess() {
    if (pid_ > 0) End(SIGKILL);
  }
  int End(int signal) {
    int status = 0;
    ::kill(pid_, signal);
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
};

// A real agent process at a real listener: enrols, is killed, comes back while the server is away,
// is killed again with what it has not sent, and in the end nothing is lost or doubled.
TEST(AgentCommand, KilledAndAlone) {
  World world;
  world.StartServer();
  world.GiveToken("n1");
  {
    AgentProcess agent(world.Arguments("token-n1"));
    ASSERT_TRUE(Eventually([&] { return world.Kernel() == "6.12.0"; }));
    EXPECT_EQ(agent.End(SIGKILL), 128 + SIGKILL);
  }
  world.StopServer();
  for (const char* release : {"6.12.1", "6.12.2"}) {
    world.machine.Kernel(release);
    AgentProcess agent(world.Arguments("token-n1"));
    ASSERT_TRUE(Eventually([&] { return world.Spooled(release); }));
    EXPECT_EQ(agent.End(SIGKILL), 128 + SIGKILL);
  }
  EXPECT_EQ(world.Kernel(), "6.12.0");
  world.StartServer();
  AgentProcess agent(world.Arguments("none"));  // no token: its identity is on disk
  ASSERT_TRUE(Eventually([&] { return world.Kernel() == "6.12.2"; }));
  EXPECT_EQ(world.Changes(), 2u) << "each once, and neither is lost";
  world.machine.Kernel("6.12.3");
  ASSERT_TRUE(Eventually([&] { return world.Kernel() == "6.12.3"; }));
  EXPECT_EQ(world.Changes(), 3u);
  EXPECT_EQ(agent.End(SIGTERM), 0);
}

}  // namespace
}  // namespace bulwark
