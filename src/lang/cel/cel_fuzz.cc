// An expression from text to result: parsed, checked, planned both ways and run under limits, with
// and without counting. Nothing may crash, and all runs that end must agree.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "lang/cel/env.h"
#include "lang/cel/macros.h"
#include "lang/cel/values.h"

namespace bulwark::cel {
namespace {

std::shared_ptr<const Env> FuzzEnv() {
  static const auto* const env = [] {
    EnvOptions options;
    options.variables = {{"object", Type::Dyn()},
                         {"names", Type::List(Type::Static(), Type::String())},
                         {"n", Type::Int()},
                         {"at", Type::Timestamp()},
                         {"a.b", Type::Dyn()}};
    options.libraries = {&TwoVarComprehensions()};
    options.limits = {.max_source_bytes = 4096, .max_nodes = 2000, .max_value_bytes = 1 << 16};
    return new std::shared_ptr<const Env>(Env::Create(options).value());
  }();
  return *env;
}

std::vector<Value> Bindings(Arena& arena) {
  MapBuilder spec(arena);
  spec.Add("replicas", Value::Int(3)).Add("paused", Value::Bool(false)).Add("none", Value());
  spec.Add("share", Value::Double(0.5)).Add("huge", Value::Decimal("1e999"));
  Value names[] = {Value::String("a"), Value::String("été"), Value::String("")};
  Value list = Value::Array(arena, names);
  MapBuilder object(arena);
  object.Add("spec", spec.Finish()).Add("names", list).Add("kind", Value::String("Pod"));
  return {object.Finish(), list, Value::Int(7), Value::Timestamp(1704110400, 5), list};
}

// Equal, or both failed. Which of several errors comes out is not promised.
bool Agree(const Value& a, const Value& b) {
  if (IsErrorOrUnknown(a) || IsErrorOrUnknown(b)) {
    return IsErrorOrUnknown(a) && IsErrorOrUnknown(b);
  }
  return TypeNameOf(a) == TypeNameOf(b) && a.size() == b.size() &&
         (!a.IsBool() || a.AsBool() == b.AsBool());
}

void Run(const Program& program, std::span<const Value> bindings) {
  Evaluator counted, plain;
  RunOptions options;
  options.track_cost = true;
  options.max_cost = 20'000;
  Outcome first = counted.Run(program, bindings, options);
  if (IsError(first.value)) RenderRuntimeError(program, first.value);
  if (first.cost <= options.max_cost &&
      !(IsError(first.value) && ErrorMessage(first.value).starts_with("operation cancelled"))) {
    BW_CHECK(Agree(plain.Run(program, bindings).value, first.value));
  }
  const AttributePattern unknown[] = {{"object", {Value::String("spec")}}, {"n", {}}};
  options.unknowns = unknown;
  plain.Run(program, bindings, options);
}

}  // namespace
}  // namespace bulwark::cel

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulwark;
  using namespace bulwark::cel;
  std::string_view source(reinterpret_cast<const char*>(data), size);
  auto env = FuzzEnv();
  Arena arena;
  std::vector<Value> bindings = Bindings(arena);
  auto parsed = env->Parse(source);
  if (!parsed) return 0;
  if (auto program = env->Plan(*parsed)) Run(**program, bindings);
  auto again = env->Parse(source);
  BW_CHECK(again.has_value());
  if (auto checked = env->Check(*again)) {
    if (auto program = env->Plan(*checked)) Run(**program, bindings);
  }
  return 0;
}
