#include "lang/cel/ext/json_patch.h"

#include "lang/cel/ext/support.h"

namespace bulwark::cel::ext {
namespace {

Value EscapeKey(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "s")) return NoSuchOverload(ctx);
  std::string out;
  for (char c : args[0].AsString()) {
    switch (c) {
      case '/': out += "~1"; break;
      case '~': out += "~0"; break;
      default: out += c;
    }
  }
  if (!Fits(ctx, out.size())) return TooLarge(ctx);
  return Value::String(ctx.arena, out);
}

}  // namespace

const Library& JsonPatch() {
  static const Library kLibrary = [] {
    const Type s = Type::String();
    Library lib;
    lib.name = "kubernetes.jsonpatch";
    lib.functions = {
        {"jsonpatch.escapeKey",
         {Global("string_jsonpatch_escapeKey_string", {s}, s, EscapeKey, kTraversalSameSize)}}};
    return lib;
  }();
  return kLibrary;
}

}  // namespace bulwark::cel::ext
