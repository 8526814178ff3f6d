#pragma once

// The agent's half: reports the node's facts and assessments to the server, when it starts, when
// something changed, and once an hour. The policy "node" may set {"intervalSeconds":600}: how often
// the machine is looked at, from a minute to a day.
//
// A thread of its own. Thread-safe. The link tells it of policies: end the link first.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "features/node/node.h"
#include "platform/link/agent.h"

namespace bulwark::node {

struct DutyOptions {
  HostOptions host;
  std::chrono::milliseconds interval = std::chrono::minutes(10);
  std::chrono::milliseconds at_least = std::chrono::hours(1);
};

class NodeDuty {
 public:
  // Before the link's Start().
  NodeDuty(link::LinkAgent& link, DutyOptions options);
  ~NodeDuty();  // Stop()
  NodeDuty(const NodeDuty&) = delete;
  NodeDuty& operator=(const NodeDuty&) = delete;

  void Start();
  void Stop();
  // One look: whether a report was sent.
  Result<bool> Look();

 private:
  link::LinkAgent& link_;
  const DutyOptions options_;
  std::mutex looking_;
  std::string last_;  // hash of what was sent last
  std::chrono::steady_clock::time_point last_sent_;
  std::atomic<int64_t> interval_ms_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool changed_ = false;  // the policy
  std::jthread thread_;
};

}  // namespace bulwark::node
