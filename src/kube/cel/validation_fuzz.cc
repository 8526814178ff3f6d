// One line of a schema's JSON, one of an object's and perhaps one of the object before: whatever
// they are, compiling and validating come to an end within their limits.

#include <cstdlib>

#include "base/check.h"
#include "base/text.h"
#include "formats/json.h"
#include "kube/cel/validation.h"

using namespace bulwark;
using namespace bulwark::kube;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string_view> lines = Split(text, '\n');
  if (lines.size() < 2) return 0;
  Arena arena;
  Result<Value> schema = ParseJson(lines[0], arena);
  Result<Value> object = ParseJson(lines[1], arena);
  if (!schema || !object) return 0;
  Result<Value> old = lines.size() > 2 ? ParseJson(lines[2], arena) : *object;
  const bool is_resource = lines.size() > 3;
  Result<Validator> validator = Validator::Compile(
      *schema, {.is_resource = is_resource, .per_call_limit = 10'000, .max_depth = 50});
  if (!validator) return 0;
  for (const CompiledRule& rule : validator->rules()) {
    static_cast<void>(rule.EstimatedCost());
  }
  constexpr int64_t kBudget = 100'000;
  Validation result = validator->Validate(*object, old ? &*old : nullptr, {.budget = kBudget});
  BW_CHECK(result.remaining_budget >= -1 && result.remaining_budget <= kBudget);
  // Not enough is an error, or one forgiven.
  BW_CHECK(result.remaining_budget >= 0 || !result.errors.empty() || !result.warnings.empty());
  for (const Violation& v : result.errors) BW_CHECK(!v.ToString().empty());
  // The same again.
  Validation again = validator->Validate(*object, old ? &*old : nullptr, {.budget = kBudget});
  BW_CHECK(again.remaining_budget == result.remaining_budget &&
           again.errors.size() == result.errors.size());
  return 0;
}
