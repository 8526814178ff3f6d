#include <gtest/gtest.h>

#include <filesystem>

#include "features/node/duty.h"
#include "features/node/report.h"
#include "platform/link/testing.h"

namespace bulwark::node {
namespace {

// A duty with its thread, policies that come meanwhile, and others who ask it to look.
TEST(NodeThreads, DutyUnderPolicies) {
  link::World world;
  ASSERT_TRUE(DefineNodes(*world.state));
  world.prepare = [&](link::LinkServer& server) {
    server.Handle("node", "report", [](const link::Delivered& d) { return TakeReport({}, d); });
  };
  world.StartServer();
  world.GiveToken("n1");
  TempDir machine = TempDir::Make().value();
  auto agent = link::LinkAgent::Open(world.AgentOptions("n1")).value();
  NodeDuty duty(*agent, {.host = {.root = machine.path(), .ask_versions = false},
                         .interval = std::chrono::milliseconds(5)});
  agent->Start();
  duty.Start();
  for (int i = 0; i < 10; ++i) {
    std::string folder = machine.path() + "/proc/sys/kernel";
    std::filesystem::create_directories(folder);
    ASSERT_TRUE(WriteFileAtomic(folder + "/osrelease", fmt::format("6.12.{}\n", i)));
    ASSERT_TRUE(duty.Look());
    ASSERT_TRUE(
        world.server->SetPolicy("node", "", fmt::format(R"({{"intervalSeconds":{}}})", 60 + i)));
  }
  ASSERT_TRUE(link::Eventually([&] {
    auto record = world.state->Get(kNodes, link::AgentId("c1", "n1")).value();
    return record && record->body.find("6.12.9") != std::string::npos;
  }));
  agent->Stop();
  duty.Stop();
}

}  // namespace
}  // namespace bulwark::node
