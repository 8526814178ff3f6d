// A node's report, a kubelet's command line and configuration: what is taken is written and read
// again the same.

#include <cstdint>

#include "base/check.h"
#include "features/node/node.h"
#include "formats/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;        // NOLINT
  using namespace bulwark::node;  // NOLINT
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Arena arena;
  Result<Value> report = ParseJson(text, arena, {.max_depth = 64});
  if (!report) return 0;
  // Facts of any shape can be judged.
  std::vector<NodeAssessment> judged = Assess((*report)["facts"], 1'780'000'000);
  BW_CHECK(judged.size() == NodeChecks().size());
  if (Result<std::vector<NodeAssessment>> taken = ParseAssessments(*report); taken) {
    Value again = ParseJson(ReportJson((*report)["facts"], *taken), arena).value();
    Result<std::vector<NodeAssessment>> reread = ParseAssessments(again);
    BW_CHECK(reread && reread->size() == taken->size());
    (void)StableText(again["facts"]);
  }
  return 0;
}
