// Any documents as what `gate test` is given: templates, constraints, objects.

#include <cstdint>
#include <string_view>

#include "features/admission/gate_run.h"
#include "features/admission/suite.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;
  using namespace bulwark::admission;
  if (size > 16384) return 0;
  Arena arena;
  auto objects =
      ReadSuiteObjects(std::string_view(reinterpret_cast<const char*>(data), size), arena);
  if (!objects) return 0;
  auto report = RunGateTest(*objects, {.stats = true, .threads = 1});
  if (!report) return 0;
  for (const char* output : {"", "json", "yaml"}) {
    (void)FormatGateReport(*report, {.output = output, .stats = true});
  }
  return 0;
}
