#pragma once

// For tests of the link: a server with real stores, vault and CA behind a real TLS listener, and
// agents that speak to it.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "platform/link/agent.h"
#include "platform/link/server.h"
#include "platform/pipeline/memory_store.h"
#include "platform/store/sqlite_state_store.h"

namespace bulwark::link {

// Waits for a condition; false after a minute.
inline bool Eventually(const std::function<bool()>& condition) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

class World {
 public:
  TempDir folder = TempDir::Make().value();
  std::unique_ptr<store::StateStore> state =
      store::OpenSqliteStateStore(folder.File("state.db")).value();
  store::MemoryEventStore events;
  Metrics metrics;
  std::unique_ptr<Pipeline> pipeline = std::make_unique<Pipeline>(events, metrics);
  std::unique_ptr<vault::Vault> vault =
      vault::Vault::Open(*state, vault::OpenKeyFile({folder.File("master.key")}).value()).value();
  std::unique_ptr<vault::Certificates> certificates =
      vault::Certificates::Open(*state, *vault, {.ca_file = folder.File("ca.pem")}).value();
  std::unique_ptr<LinkServer> server;
  int port = 0;
  LinkServerOptions options;
  std::function<void(LinkServer&)> prepare;  // handlers

  // Of every envelope test/number, in the order of arrival: committed to a record a number, so that
  // what comes twice would be seen.
  World() {
    EXPECT_TRUE(state->Define({.name = "numbers"}));
    prepare = [](LinkServer& link) {
      link.Handle("test", "number", [](const Delivered& d) -> Result<> {
        std::string number = ToJsonText(d.envelope.payload["number"]);
        d.state.Put("numbers", fmt::format("{}/{}", d.from.node, number),
                    fmt::format(R"({{"seq":{}}})", d.envelope.seq), 0);
        Event event;
        event.kind = "test";
        event.verb = number;
        d.events.push_back(event);
        return Ok{};
      });
    };
  }
  static std::string ToJsonText(const Value& value) { return fmt::format("{:08}", *value.ToInt()); }

  void StartServer() {
    options.listen = {fmt::format("127.0.0.1:{}", port)};
    server = std::make_unique<LinkServer>(*state, *pipeline, *certificates, metrics, options);
    prepare(*server);
    Result<> started = server->Start();
    ASSERT_TRUE(started) << started.error().ToString();
    port = server->port();
  }
  void StopServer() {
    server->Stop();
    server.reset();
  }
  ~World() {
    if (server) StopServer();
  }

  std::string url() const { return fmt::format("https://127.0.0.1:{}", port); }
  LinkAgentOptions AgentOptions(const std::string& node) {
    return {.server = url(),
            .state_folder = folder.File("agent-" + node),
            .ca_file = folder.File("ca.pem"),
            .token_file = folder.File("token-" + node),
            .node = node,
            .version = "0.1.0",
            .linger = std::chrono::milliseconds(1),
            .first_wait = std::chrono::milliseconds(5),
            .max_wait = std::chrono::milliseconds(50),
            .poll_wait = std::chrono::seconds(5)};
  }
  void GiveToken(const std::string& node, const std::string& cluster = "c1") {
    auto made = server->MakeToken(cluster, "", std::chrono::hours(1), "the test");
    ASSERT_TRUE(made);
    ASSERT_TRUE(WriteFileAtomic(folder.File("token-" + node), made->token + "\n", 0600));
  }
  // An agent that is enrolled and runs.
  std::unique_ptr<LinkAgent> Agent(const std::string& node, const std::string& cluster = "c1") {
    GiveToken(node, cluster);
    auto agent = LinkAgent::Open(AgentOptions(node)).value();
    agent->Start();
    EXPECT_TRUE(Eventually([&] { return agent->status().enrolled; })) << agent->status().last_error;
    return agent;
  }
  static Result<> SendNumber(LinkAgent& agent, int number) {
    return agent.Send("test", "number", 1, fmt::format(R"({{"number":{}}})", number));
  }
  uint64_t Numbers() { return state->Count("numbers", store::Query::All()).value(); }
};

}  // namespace bulwark::link
