// Audit batches, log lines and Kubernetes Events as strangers may send them: no crash, and what
// comes out is JSON again, within its limits.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "detect/rules_engine.h"
#include "features/audit/audit_event.h"
#include "features/audit/kube_event.h"
#include "formats/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;
  static const auto* const rules = [] {
    auto set = detect::RuleSet::BuiltIn();
    BW_CHECK(set.has_value());
    return new std::shared_ptr<const detect::RuleSet>(
        std::make_shared<const detect::RuleSet>(std::move(set).value()));
  }();
  std::string_view text(reinterpret_cast<const char*>(data), size);
  audit::AuditReader reader({.cluster = "c", .max_event_bytes = 4096, .max_events = 100});
  auto batch = reader.ReadBody(text);
  std::vector<Event> events;
  if (batch) events = std::move(batch->events);
  Arena arena;
  if (auto value = ParseJson(text, arena, {.max_depth = 200})) {
    if (auto event = audit::FromKubernetesEvent(*value, "c")) events.push_back(*std::move(event));
  }
  detect::RuleEngine engine(*rules);
  std::vector<detect::Match> matches;
  for (const Event& event : events) {
    BW_CHECK(event.id.size() == 32);
    Arena own;
    BW_CHECK(ParseJson(event.body, own, {.max_depth = 250, .duplicate_keys = true}).has_value());
    if (event.kind == "audit") BW_CHECK(event.body.size() <= 4096);
    engine.Evaluate(event, matches);
  }
  engine.Restore(text);
  engine.Restore(engine.Snapshot(10));
  return 0;
}
