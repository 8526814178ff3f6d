// GraphQL queries and schemas: no crash, and no more work than the budget.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "lang/rego/builtins/builtin.h"

namespace {

using bulwark::Arena;
using bulwark::Value;

void Call(std::string_view name, std::initializer_list<Value> args, Arena& arena) {
  bulwark::rego::Host host;
  bulwark::rego::Context context(arena, host);
  context.refill = [spent = false](bulwark::rego::Context& in, uint64_t units,
                                   uint64_t& budget) mutable {
    if (spent || units > 1 << 20) {
      in.error_code = "eval_cancel_error";
      return false;
    }
    spent = true;
    budget = (1 << 20) - units;
    return true;
  };
  Value out;
  bulwark::rego::Registry::Standard().Find(name)->call(context, {args.begin(), args.size()}, out);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  // Two texts, with a zero byte between.
  size_t zero = text.find('\0');
  std::string_view first = text.substr(0, zero);
  std::string_view second = zero == std::string_view::npos ? "" : text.substr(zero + 1);
  Arena arena;
  Value query = Value::String(arena, first);
  Value schema = Value::String(arena, second);
  Call("graphql.parse_query", {query}, arena);
  Call("graphql.parse_schema", {schema}, arena);
  Call("graphql.is_valid", {query, schema}, arena);
  Call("graphql.parse", {query, schema}, arena);
  return 0;
}
