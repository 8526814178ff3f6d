#include "lang/cel/ext/protos.h"

#include "lang/cel/ext/support.h"

namespace bulwark::cel::ext {
namespace {

template <bool kTest>
std::optional<const Expr*> ExpandExtension(MacroContext& context, const Expr*, const Expr* target,
                                           std::span<const Expr* const> args) {
  if (!IsNamespace(target, "proto")) return std::nullopt;
  std::string name;
  if (args[1]->kind == ExprKind::kSelect) name = QualifiedName(*args[1]);
  if (name.empty()) return context.Fail(args[1], "invalid extension field");
  Expr* select = context.New(ExprKind::kSelect);
  select->operand = args[0];
  select->name = context.arena().Copy(name);
  select->test_only = kTest;
  return select;
}

}  // namespace

const Library& Protos() {
  static const Library kLibrary = [] {
    Library lib;
    lib.name = "cel.lib.ext.protos";
    lib.macros = {{"getExt", true, 2, ExpandExtension<false>},
                  {"hasExt", true, 2, ExpandExtension<true>}};
    return lib;
  }();
  return kLibrary;
}

}  // namespace bulwark::cel::ext
