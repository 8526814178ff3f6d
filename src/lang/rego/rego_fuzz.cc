// A policy from text to result: parsed, compiled, evaluated under small limits, twice: nothing may
// crash or run on, and what ends must end the same again. Comments at the start of the text choose
// the rest:
//
//   # v0                  the dialect
//   # strict              strict mode, and errors of built-ins end the query
//   # query: data.x = y   else `data = x`
//   # input: {"a": 1}
//   # data: {"b": [2]}

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "formats/json.h"
#include "lang/rego/ast/parser.h"
#include "lang/rego/rego.h"

namespace bulwark::rego {
namespace {

// The same time and the same chance whenever it is asked.
class StillHost final : public Host {
 public:
  int64_t NowNanos() override { return 1'700'000'000'000'000'000; }
  void Random(std::span<uint8_t> out) override { std::ranges::fill(out, uint8_t{7}); }
  Value Runtime(Arena&) override { return Value::EmptyMap(); }
  void Print(std::string_view, std::string_view) override {}
};

struct Input {
  Dialect dialect = Dialect::kV1;
  bool strict = false;
  std::string query = "data = x";
  Value input, data = Value::EmptyMap();
};

Input ReadComments(std::string_view text, Arena& arena) {
  Input out;
  while (text.starts_with("# ")) {
    std::string_view line = text.substr(2, text.find('\n') - 2);
    text.remove_prefix(std::min(text.size(), line.size() + 3));
    auto json = [&](Value& to) {
      line.remove_prefix(line.find(": ") + 2);
      if (auto value = ParseJson(line, arena)) to = *value;
    };
    if (line == "v0") {
      out.dialect = Dialect::kV0;
    } else if (line == "strict") {
      out.strict = true;
    } else if (line.starts_with("query: ")) {
      out.query = line.substr(7);
    } else if (line.starts_with("input: ")) {
      json(out.input);
    } else if (line.starts_with("data: ")) {
      json(out.data);
    }
  }
  if (!out.data.IsMap()) out.data = Value::EmptyMap();
  return out;
}

std::string Text(const Result<ResultSet>& results) {
  if (!results) return results.error().id();
  std::string out;
  for (const ResultRow& row : results->rows) {
    for (const auto& [name, value] : row.bindings) {
      out += name;
      out += '=';
      out += ToRegoText(value);
      out += ' ';
    }
    out += '\n';
  }
  return out;
}

}  // namespace
}  // namespace bulwark::rego

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace bulwark;
  using namespace bulwark::rego;
  std::string_view text(reinterpret_cast<const char*>(bytes), size);
  Arena documents;
  const Input input = ReadComments(text, documents);
  ParseOptions parse;
  parse.dialect = input.dialect;
  parse.max_depth = 100;
  parse.max_bytes = 1 << 16;
  auto module = ParseModule("fuzz.rego", std::string(text), parse);
  if (!module) return 0;
  std::vector<std::unique_ptr<Module>> modules;
  modules.push_back(std::move(*module));
  CompileOptions compile;
  compile.strict = input.strict;
  auto policy = Policy::Compile(std::move(modules), compile);
  if (!policy) return 0;
  auto query = (*policy)->Prepare(input.query);
  if (!query) return 0;
  StillHost host;
  EvalOptions options;
  options.input = &input.input;
  options.data = &input.data;
  options.host = &host;
  options.strict_builtin_errors = input.strict;
  options.limits = {.memory_bytes = size_t{32} << 20, .instructions = 100'000, .depth = 100};
  Arena first_arena;
  Arena second_arena;
  const std::string first = Text((*query)->Evaluate(options, first_arena));
  const std::string second = Text((*query)->Evaluate(options, second_arena));
  BW_CHECK(first == second);
  return 0;
}
