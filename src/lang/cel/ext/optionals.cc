#include "lang/cel/ext/optionals.h"

#include <algorithm>
#include <array>

#include "lang/cel/ext/support.h"
#include "lang/cel/macros.h"

namespace bulwark::cel::ext {
namespace {

const OptionalValue& Get(const Value& v) {
  return *static_cast<const OptionalValue*>(v.AsOpaque());
}

Value Of(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "*")) return NoSuchOverload(ctx);
  return MakeOptional(ctx.arena, args[0]);
}

bool IsZero(const Value& v) {
  constexpr int64_t kYearOne = -62135596800;  // where Go's time begins
  switch (v.kind()) {
    case Value::Kind::kNull: return true;
    case Value::Kind::kBool: return !v.AsBool();
    case Value::Kind::kInt: return v.AsInt() == 0;
    case Value::Kind::kUint: return v.AsUint() == 0;
    case Value::Kind::kDouble: return v.AsDouble() == 0;
    case Value::Kind::kString:
    case Value::Kind::kBytes:
    case Value::Kind::kArray:
    case Value::Kind::kMap: return v.empty();
    case Value::Kind::kDuration: return v.seconds() == 0 && v.nanos() == 0;
    case Value::Kind::kTimestamp: return v.seconds() == kYearOne && v.nanos() == 0;
    default: break;
  }
  if (HasTag(v, kOptionalTag)) return !Get(v).has_value();
  if (HasTag(v, kListTag)) return Items(v).empty();
  if (HasTag(v, kObjectTag)) return static_cast<const ObjectValue*>(v.AsOpaque())->IsZero();
  return false;
}

Value OfNonZeroValue(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "*")) return NoSuchOverload(ctx);
  return IsZero(args[0]) ? NoneOptional() : MakeOptional(ctx.arena, args[0]);
}

Value None(CallContext& ctx, std::span<const Value> args) {
  return args.empty() ? NoneOptional() : NoSuchOverload(ctx);
}

Value Contained(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "o")) return NoSuchOverload(ctx);
  if (!Get(args[0]).has_value()) return ctx.Error("optional.none() dereference");
  return Get(args[0]).value();
}

Value HasValue(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "o")) return NoSuchOverload(ctx);
  return Value::Bool(Get(args[0]).has_value());
}

// Both see errors: one in what is not needed does not count.
Value Or(CallContext& ctx, std::span<const Value> args) {
  if (args.size() != 2) return NoSuchOverload(ctx);
  if (IsErrorOrUnknown(args[0])) return args[0];
  if (!HasTag(args[0], kOptionalTag)) return NoSuchOverload(ctx);
  if (Get(args[0]).has_value()) return args[0];
  if (!IsErrorOrUnknown(args[1]) && !HasTag(args[1], kOptionalTag)) return NoSuchOverload(ctx);
  return args[1];
}

Value OrValue(CallContext& ctx, std::span<const Value> args) {
  if (args.size() != 2) return NoSuchOverload(ctx);
  if (IsErrorOrUnknown(args[0])) return args[0];
  if (!HasTag(args[0], kOptionalTag)) return NoSuchOverload(ctx);
  return Get(args[0]).has_value() ? Get(args[0]).value() : args[1];
}

template <bool kLast>
Value End(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "l")) return NoSuchOverload(ctx);
  std::span<const Value> items = Items(args[0]);
  if (items.empty()) return NoneOptional();
  return MakeOptional(ctx.arena, kLast ? items.back() : items.front());
}

Value Unwrap(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "l")) return NoSuchOverload(ctx);
  std::vector<Value> out;
  for (const Value& item : Items(args[0])) {
    if (!HasTag(item, kOptionalTag)) {
      return ctx.Error("value of type " + std::string(TypeNameOf(item)) + " is not optional");
    }
    if (Get(item).has_value()) out.push_back(Get(item).value());
  }
  return List(ctx.arena, out);
}

Overload NonStrict(Overload overload) {
  overload.non_strict = true;
  return overload;
}

Library MakeLibrary(int version) {
  const Type b = Type::Bool();
  const Type i = Type::Int();
  const Type k = Parameter("K");
  const Type v = Parameter("V");
  const Type optional = OptionalOf(v);
  const Type list = ListOf(v);
  const Type map = MapOf(k, v);

  Library lib;
  lib.name = "cel.lib.optional";
  lib.types = {{"optional_type", optional}};
  for (const Macro& macro : OptionalMacros()) {
    if (version >= 1 || macro.name != "optFlatMap") lib.macros.push_back(macro);
  }
  // The operators are the evaluator's: here they only have their types.
  lib.functions = {
      {"optional.of", {Global("optional_of", {v}, optional, Of)}},
      {"optional.ofNonZeroValue",
       {Global("optional_ofNonZeroValue", {v}, optional, OfNonZeroValue)}},
      {"optional.none", {Global("optional_none", {}, optional, None)}},
      {"value", {Member("optional_value", {optional}, v, Contained)}},
      {"hasValue", {Member("optional_hasValue", {optional}, b, HasValue)}},
      {"or", {NonStrict(Member("optional_or_optional", {optional, optional}, optional, Or))}},
      {"orValue", {NonStrict(Member("optional_orValue_value", {optional, v}, v, OrValue))}},
      {op::kOptSelect,
       {Global("select_optional_field", {Type::Dyn(), Type::String()}, optional, nullptr)}},
      {op::kOptIndex,
       {Global("list_optindex_optional_int", {list, i}, optional, nullptr),
        Global("optional_list_optindex_optional_int", {OptionalOf(list), i}, optional, nullptr),
        Global("map_optindex_optional_value", {map, k}, optional, nullptr),
        Global("optional_map_optindex_optional_value", {OptionalOf(map), k}, optional, nullptr)}},
      {op::kIndex,
       {Global("optional_list_index_int", {OptionalOf(list), i}, optional, nullptr),
        Global("optional_map_index_value", {OptionalOf(map), k}, optional, nullptr)}},
  };
  if (version >= 2) {
    const Type optionals = ListOf(optional);
    lib.functions.push_back({"first", {Member("list_first", {list}, optional, End<false>)}});
    lib.functions.push_back({"last", {Member("list_last", {list}, optional, End<true>)}});
    lib.functions.push_back(
        {"optional.unwrap", {Global("optional_unwrap", {optionals}, list, Unwrap)}});
    lib.functions.push_back(
        {"unwrapOpt", {Member("optional_unwrapOpt", {optionals}, list, Unwrap)}});
  }
  return lib;
}

}  // namespace

const Library& OptionalTypes(int version) {
  static const std::array<Library, 3> kLibraries = {MakeLibrary(0), MakeLibrary(1), MakeLibrary(2)};
  return kLibraries[static_cast<size_t>(std::clamp(version, 0, 2))];
}

}  // namespace bulwark::cel::ext
