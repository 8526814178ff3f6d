// From a machine in a folder, over a real link, into a real store.

#include "features/node/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "features/node/duty.h"
#include "formats/json.h"
#include "platform/link/testing.h"

namespace bulwark::node {
namespace {

using link::Eventually;
using testing::HasSubstr;

struct World : link::World {
  NodeOptions node_options;
  TempDir machine = TempDir::Make().value();
  Arena arena;

  World() {
    EXPECT_TRUE(DefineNodes(*state));
    prepare = [this](link::LinkServer& server) {
      server.Handle("node", "report",
                    [this](const link::Delivered& d) { return TakeReport(node_options, d); });
    };
    Write("/proc/sys/kernel/osrelease", "6.12.5\n");
    Write("/etc/os-release", "ID=debian\nVERSION_ID=12\nPRETTY_NAME='Debian 12'\n");
    Write("/proc/sys/kernel/kptr_restrict", "1\n");
  }
  void Write(const std::string& path, std::string_view text) {
    std::string full = machine.path() + path;
    std::filesystem::create_directories(std::filesystem::path(full).parent_path());
    ASSERT_TRUE(WriteFileAtomic(full, text));
  }
  DutyOptions Duty() {
    return {.host = {.root = machine.path(), .ask_versions = false},
            .interval = std::chrono::milliseconds(10)};
  }
  // Goes in the opposite order: the link, which tells the duty of policies, first.
  struct Running {
    std::unique_ptr<NodeDuty> duty;
    std::unique_ptr<link::LinkAgent> agent;
  };
  Running Start() {
    GiveToken("n1");
    Running out;
    out.agent = link::LinkAgent::Open(AgentOptions("n1")).value();
    out.duty = std::make_unique<NodeDuty>(*out.agent, Duty());
    out.agent->Start();
    return out;
  }
  Value Record(std::string_view collection, const std::string& node) {
    auto record = state->Get(collection, link::AgentId("c1", node)).value();
    return record ? ParseJson(record->body, arena).value() : Value();
  }
  std::vector<std::string> Verbs() {
    std::vector<std::string> out;
    store::EventPage page = events.Search({.limit = 1000, .oldest_first = true}).value();
    for (const Event& event : page.events) {
      if (event.message.starts_with("node.")) out.push_back(event.verb + " " + event.rule);
    }
    return out;
  }
};

TEST(NodeReport, ArrivesAndIsKept) {
  World world;
  world.StartServer();
  auto [duty, agent] = world.Start();
  ASSERT_TRUE(*duty->Look());
  EXPECT_FALSE(*duty->Look()) << "nothing changed";
  ASSERT_TRUE(Eventually([&] { return world.Record(kNodes, "n1").IsMap(); }));
  Value node = world.Record(kNodes, "n1");
  EXPECT_EQ(node.StringAt("kernel"), "6.12.5");
  EXPECT_EQ(node.StringAt("os"), "Debian 12");
  EXPECT_EQ(node["asset"].StringAt("kind"), "NodeFacts");
  EXPECT_GT(node["passed"].ToInt(), 0);
  EXPECT_GT(node["errors"].ToInt(), 0) << "what could not be read is never a pass";
  std::string report = (*world.state->Get(kReports, link::AgentId("c1", "n1")))->body;
  for (Language language : {Language::kEnglish, Language::kChinese}) {
    Arena arena;
    Value rendered = ParseJson(RenderReport(report, language).value(), arena).value();
    EXPECT_EQ(rendered["assessments"].size(), NodeChecks().size());
    EXPECT_EQ(rendered["assessments"][size_t{0}].StringAt("title"),
              NodeChecks()[0].title.In(language));
    EXPECT_EQ(rendered["facts"]["kernel"].StringAt("release"), "6.12.5");
  }
}

TEST(NodeReport, ChangesBecomeEvents) {
  World world;
  world.StartServer();
  auto [duty, agent] = world.Start();
  ASSERT_TRUE(*duty->Look());
  world.Write("/proc/sys/kernel/kptr_restrict", "0\n");
  ASSERT_TRUE(*duty->Look());
  world.Write("/proc/sys/kernel/kptr_restrict", "1\n");
  ASSERT_TRUE(*duty->Look());
  ASSERT_TRUE(Eventually([&] { return world.Verbs().size() >= 4; }))
      << testing::PrintToString(world.Verbs()) << agent->status().last_error;
  EXPECT_THAT(world.Verbs(),
              testing::UnorderedElementsAre("changed ", "failed node-sysctl-kptr-restrict",
                                            "changed ", "fixed node-sysctl-kptr-restrict"));
}

TEST(NodeReport, MeansNothingToTheServerWhereItIsNone) {
  World world;
  world.StartServer();
  auto agent = world.Agent("n1");
  for (const char* payload : {"{}", R"({"facts":{},"assessments":[{"check":"x"}]})"}) {
    ASSERT_TRUE(agent->Send("node", "report", 1, payload));
  }
  ASSERT_TRUE(agent->Send("node", "report", 2, R"({"facts":{},"assessments":[]})"));
  ASSERT_TRUE(Eventually([&] { return agent->status().refused == 3; }));
  EXPECT_TRUE(world.Record(kNodes, "n1").IsNull());
}

TEST(NodeReport, WhoAsksForAssessmentsIsTold) {
  std::vector<std::string> told;
  World world;
  world.node_options.assessed = [&](const Asset& asset,
                                    std::span<const NodeAssessment> all) -> Result<> {
    for (const NodeAssessment& a : all) told.push_back(asset.name + " " + a.check);
    return Ok{};
  };
  world.StartServer();
  auto [duty, agent] = world.Start();
  ASSERT_TRUE(*duty->Look());
  ASSERT_TRUE(Eventually([&] { return world.Record(kNodes, "n1").IsMap(); }));
  EXPECT_EQ(told.size(), NodeChecks().size());
  EXPECT_THAT(told, testing::Contains("n1 node-swap"));
}

// The agent looks while the server is away; everything arrives, in order, once.
TEST(NodeReport, NothingIsLostWhileTheServerIsAway) {
  World world;
  world.StartServer();
  auto [duty, agent] = world.Start();
  ASSERT_TRUE(*duty->Look());
  ASSERT_TRUE(Eventually([&] { return agent->status().spool.waiting == 0; }));
  world.StopServer();
  for (int i = 0; i < 10; ++i) {
    world.Write("/proc/sys/kernel/osrelease", fmt::format("6.12.{}\n", 100 + i));
    ASSERT_TRUE(*duty->Look());
  }
  agent->Stop();
  duty.reset();
  agent.reset();
  agent = link::LinkAgent::Open(world.AgentOptions("n1")).value();
  agent->Start();
  world.StartServer();
  ASSERT_TRUE(Eventually([&] { return agent->status().spool.waiting == 0; }))
      << agent->status().last_error;
  EXPECT_EQ(world.Record(kNodes, "n1").StringAt("kernel"), "6.12.109");
  EXPECT_EQ(world.Verbs(), std::vector<std::string>(10, "changed "));
}

}  // namespace
}  // namespace bulwark::node
