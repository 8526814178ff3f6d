#include "lang/cel/ext/bindings.h"

#include "lang/cel/ext/support.h"

namespace bulwark::cel::ext {
namespace {

using Args = std::span<const Expr* const>;
using Expansion = std::optional<const Expr*>;

Expansion ExpandBind(MacroContext& context, const Expr*, const Expr* target, Args args) {
  if (!IsNamespace(target, "cel")) return std::nullopt;
  if (args[0]->kind != ExprKind::kIdent) {
    return context.Fail(args[0], "cel.bind() variable names must be simple identifiers");
  }
  return Bind(context, args[0]->name, args[1], args[2]);
}

std::string_view IndexName(MacroContext& context, int64_t index) {
  return context.arena().Copy("@index" + std::to_string(index));
}

std::optional<int64_t> SmallInt(const Expr* arg) {
  if (arg->kind != ExprKind::kLiteral || !arg->literal.IsInt()) return std::nullopt;
  int64_t value = arg->literal.AsInt();
  if (value < 0 || value > 1'000'000) return std::nullopt;
  return value;
}

Expansion ExpandBlock(MacroContext& context, const Expr*, const Expr* target, Args args) {
  if (!IsNamespace(target, "cel")) return std::nullopt;
  if (args[0]->kind != ExprKind::kList || !args[0]->optional_args.empty()) {
    return context.Fail(args[0], "cel.block requires the first arg to be a list literal");
  }
  Args slots = args[0]->args;
  const Expr* result = args[1];
  for (size_t i = slots.size(); i-- > 0;) {
    result = Bind(context, IndexName(context, static_cast<int64_t>(i)), slots[i], result);
  }
  return result;
}

Expansion ExpandIndex(MacroContext& context, const Expr*, const Expr* target, Args args) {
  if (!IsNamespace(target, "cel")) return std::nullopt;
  std::optional<int64_t> index = SmallInt(args[0]);
  if (!index) {
    return context.Fail(args[0], "cel.index requires a single non-negative int constant arg");
  }
  return context.Ident(IndexName(context, *index));
}

template <bool kAccumulator>
Expansion ExpandVariable(MacroContext& context, const Expr* call, const Expr* target, Args args) {
  if (!IsNamespace(target, "cel")) return std::nullopt;
  std::optional<int64_t> depth = SmallInt(args[0]);
  std::optional<int64_t> number = SmallInt(args[1]);
  if (!depth || !number) {
    return context.Fail(
        depth ? args[1] : args[0],
        "cel." + std::string(call->name) + " requires two non-negative int constant args");
  }
  return context.Ident(context.arena().Copy(
      (kAccumulator ? "@ac:" : "@it:") + std::to_string(*depth) + ":" + std::to_string(*number)));
}

}  // namespace

const Library& Bindings() {
  static const Library kLibrary = [] {
    Library lib;
    lib.name = "cel.lib.ext.cel.bindings";
    lib.macros = {{"bind", true, 3, ExpandBind}};
    return lib;
  }();
  return kLibrary;
}

const Library& Block() {
  static const Library kLibrary = [] {
    Library lib;
    lib.name = "cel.lib.ext.cel.block";
    lib.macros = {{"block", true, 2, ExpandBlock},
                  {"index", true, 1, ExpandIndex},
                  {"iterVar", true, 2, ExpandVariable<false>},
                  {"accuVar", true, 2, ExpandVariable<true>}};
    return lib;
  }();
  return kLibrary;
}

}  // namespace bulwark::cel::ext
