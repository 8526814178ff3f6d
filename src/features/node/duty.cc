#include "features/node/duty.h"

#include <algorithm>

#include "base/hash.h"
#include "base/log.h"
#include "base/time.h"

namespace bulwark::node {

NodeDuty::NodeDuty(link::LinkAgent& link, DutyOptions options)
    : link_(link), options_(std::move(options)), interval_ms_(options_.interval.count()) {
  link_.OnPolicy("node", [this](const Value& policy) {
    std::optional<int64_t> seconds = policy["intervalSeconds"].ToInt();
    if (!seconds) return;
    interval_ms_ = std::clamp<int64_t>(*seconds, 60, 86'400) * 1000;
    std::lock_guard lock(mutex_);
    changed_ = true;
    wake_.notify_all();
  });
}

NodeDuty::~NodeDuty() { Stop(); }

Result<bool> NodeDuty::Look() {
  std::lock_guard one(looking_);
  Arena arena;
  Value facts = Collect(options_.host, arena);
  std::string seen = Sha256(StableText(facts));
  auto now = std::chrono::steady_clock::now();
  if (seen == last_ && now - last_sent_ < options_.at_least) return false;
  BW_TRY(link_.Send("node", "report", 1, ReportJson(facts, Assess(facts, Now().seconds))));
  last_ = std::move(seen);
  last_sent_ = now;
  return true;
}

void NodeDuty::Start() {
  BW_CHECK(!thread_.joinable());
  thread_ = std::jthread([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      Result<bool> looked = Look();
      if (!looked) Log(Level::kWarn, "node.report.failed", {{"error", looked.error()}});
      auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(interval_ms_);
      std::unique_lock lock(mutex_);
      wake_.wait_until(lock, stop, until, [this] { return changed_; });
      changed_ = false;
    }
  });
}

void NodeDuty::Stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace bulwark::node
