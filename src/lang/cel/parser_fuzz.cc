// Any bytes are parsed, checked and costed, or refused with issues that lie within them.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "lang/cel/cost.h"
#include "lang/cel/env.h"
#include "lang/cel/macros.h"

namespace bulwark::cel {
namespace {

const Env& FuzzEnv() {
  static const std::shared_ptr<const Env> env = [] {
    Arena& types = Type::Static();
    static Library optionals{.name = "optional",
                             .macros = {OptionalMacros().begin(), OptionalMacros().end()}};
    EnvOptions options;
    options.variables = {{"d", Type::Dyn()},
                         {"s", Type::String()},
                         {"a.b", Type::Int()},
                         {"l", Type::List(types, Type::String())},
                         {"m", Type::Map(types, Type::String(), Type::Int())}};
    options.libraries = {&TwoVarComprehensions(), &optionals};
    options.limits.max_source_bytes = 4096;
    options.limits.max_nodes = 20'000;
    return Env::Create(std::move(options)).value();
  }();
  return *env;
}

void CheckIssues(std::string_view source, const std::vector<Issue>& issues) {
  for (const Issue& issue : issues) {
    BW_CHECK(issue.offset <= source.size());
    BW_CHECK(issue.line >= 1 && issue.column >= 1 && !issue.message.empty());
  }
}

}  // namespace
}  // namespace bulwark::cel

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark::cel;  // NOLINT: this is the whole program
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  std::vector<Issue> issues;
  auto parsed = FuzzEnv().Parse(source, &issues);
  CheckIssues(source, issues);
  if (!parsed) return 0;
  BW_CHECK(issues.empty());
  auto checked = FuzzEnv().Check(*parsed, &issues);
  CheckIssues(source, issues);
  if (!checked) return 0;
  const bulwark::cel::Range cost = EstimateCost(**checked);
  BW_CHECK(cost.min <= cost.max);
  return 0;
}
