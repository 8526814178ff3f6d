// rego.parse_module; rego.metadata.* are the compiler's, which puts what they answer in their
// place.

#include "lang/rego/ast/ast_json.h"
#include "lang/rego/ast/parser.h"
#include "lang/rego/builtins/builtin.h"

namespace bulwark::rego {

namespace {

Outcome ParseModuleText(Context& c, Args args, Value& out) {
  for (size_t i = 0; i < 2; ++i) {
    if (!args[i].IsString()) return c.WrongType(1, args[i], "string");
  }
  if (!c.Spend(args[1].size() / 10 + 10)) return Outcome::kHalt;
  Result<std::unique_ptr<Module>> module =
      ParseModule(std::string(args[0].AsString()), std::string(args[1].AsString()), ParseOptions{});
  if (!module) return c.Fail(module.error().message());
  // The tree's texts end with the module.
  out = ModuleJson(**module, c.arena).CopyTo(c.arena);
  return Outcome::kValue;
}

// Where no rule is around it: in a query.
Outcome MetadataChain(Context& c, Args, Value&) {
  return c.Fail("the rego.metadata.chain function must only be called within the scope of a rule");
}
Outcome MetadataRule(Context& c, Args, Value&) {
  return c.Fail("the rego.metadata.rule function must only be called within the scope of a rule");
}

constexpr Builtin kRego[] = {
    {"rego.parse_module", "(filename: string, rego: string) -> output: object[string: any]",
     ParseModuleText},
    {"rego.metadata.chain", "() -> chain: array[any]", MetadataChain},
    {"rego.metadata.rule", "() -> output: any", MetadataRule},
};

}  // namespace

std::span<const Builtin> RegoBuiltins() { return kRego; }

}  // namespace bulwark::rego
