// Rule files: what is read is either an error or a rule that can be evaluated.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "detect/rules_engine.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;
  detect::RuleSet set({.max_rules = 20});
  if (!set.AddText({reinterpret_cast<const char*>(data), size}, "fuzz.yaml")) return 0;
  detect::RuleEngine engine(std::make_shared<const detect::RuleSet>(std::move(set)));
  std::vector<detect::Match> matches;
  for (const char* kind : {"audit", "kubernetes"}) {
    Event event;
    event.id = "1";
    event.kind = kind;
    event.user = "alice";
    event.body = R"({"requestObject":{"kind":"Pod","spec":{"containers":[{"name":"a"}]}}})";
    engine.Evaluate(event, matches);
  }
  return 0;
}
