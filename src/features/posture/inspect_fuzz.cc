// Any text, inspected with every built-in check and then fixed: no crash, no hang, and the totals
// add up.

#include <cstdint>
#include <string>

#include "base/check.h"
#include "features/posture/fix.h"
#include "features/posture/inspection.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;
  using namespace bulwark::posture;
  static const CheckSet* const checks = [] {
    auto loaded = CheckSet::BuiltIn();
    BW_CHECK(loaded.has_value());
    return new CheckSet(*std::move(loaded));
  }();
  if (size > 16384) return 0;
  Inspection inspection(*checks, {.threads = 1, .max_document_bytes = 16384});
  inspection.AddText(std::string(reinterpret_cast<const char*>(data), size), "fuzz.yaml");
  Report report = inspection.Finish();
  uint64_t failed = 0;
  for (size_t i = 0; i < report.findings.size(); ++i) {
    failed += report.findings.StatusOf(i) == Status::kFail;
  }
  BW_CHECK(failed == report.total.failed);
  return 0;
}
