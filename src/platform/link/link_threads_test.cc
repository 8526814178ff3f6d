#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "platform/link/testing.h"

namespace bulwark::link {
namespace {

// Several agents, each with several threads that send, while policies change, the server goes away
// and comes back, and the pages look: nothing is lost, nothing is doubled.
TEST(LinkThreads, ManyAgentsThroughRestarts) {
  World world;
  world.StartServer();
  constexpr int kAgents = 3, kSenders = 2, kEach = 60;
  std::atomic<int64_t> policy = 0;
  std::vector<std::unique_ptr<LinkAgent>> agents;
  for (int a = 0; a < kAgents; ++a) {
    std::string node = fmt::format("n{}", a);
    world.GiveToken(node);
    agents.push_back(LinkAgent::Open(world.AgentOptions(node)).value());
    agents.back()->OnPolicy("test", [&](const Value& p) { policy = *p["level"].ToInt(); });
    agents.back()->Start();
  }
  for (auto& agent : agents) {
    ASSERT_TRUE(Eventually([&] { return agent->status().enrolled; }));
  }
  std::vector<std::jthread> senders;
  for (int a = 0; a < kAgents; ++a) {
    for (int s = 0; s < kSenders; ++s) {
      senders.emplace_back([&, a, s] {
        for (int i = 0; i < kEach; ++i) {
          EXPECT_TRUE(World::SendNumber(*agents[static_cast<size_t>(a)], s * kEach + i));
          if (i % 10 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
      });
    }
  }
  for (int round = 1; round <= 3; ++round) {
    ASSERT_TRUE(world.server->SetPolicy("test", "", fmt::format(R"({{"level":{}}})", round)));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    world.StopServer();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    world.StartServer();
  }
  senders.clear();
  std::stop_source never;
  for (auto& agent : agents) {
    ASSERT_TRUE(Eventually([&] { return agent->status().spool.waiting == 0; }))
        << agent->status().last_error;
    EXPECT_TRUE(agent->Flush(never.get_token()));
    EXPECT_EQ(agent->status().spool.dropped, 0u);
    EXPECT_EQ(agent->status().refused, 0u);
  }
  EXPECT_EQ(world.Numbers(), static_cast<uint64_t>(kAgents * kSenders * kEach));
  ASSERT_TRUE(Eventually([&] { return policy == 3; }));
}

}  // namespace
}  // namespace bulwark::link
