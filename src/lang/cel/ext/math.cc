#include "lang/cel/ext/math.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "lang/cel/ext/support.h"

namespace bulwark::cel::ext {
namespace {

// --- The greatest and the least ------------------------------------------------------------------

struct Max {
  static constexpr std::string_view kName = "math.@max";
  static constexpr int kOtherWins = -1;  // how the first compares with a better second
};
struct Min {
  static constexpr std::string_view kName = "math.@min";
  static constexpr int kOtherWins = 1;
};

template <typename Which>
Value Better(CallContext& ctx, const Value& a, const Value& b) {
  if (!a.IsNumber() || !b.IsNumber()) {
    return ctx.Error("no such overload: " + std::string(Which::kName));
  }
  std::optional<int> order = Order(a, b);
  if (!order) return ctx.Error("NaN values cannot be ordered: " + std::string(Which::kName));
  return *order == Which::kOtherWins ? b : a;
}

template <typename Which>
Value Pick(CallContext& ctx, std::span<const Value> args) {
  if (args.size() == 2) {
    if (!args[0].IsNumber() || !args[1].IsNumber()) return NoSuchOverload(ctx);
    return Better<Which>(ctx, args[0], args[1]);
  }
  if (args.size() != 1) return NoSuchOverload(ctx);
  if (args[0].IsNumber()) return args[0];
  if (!Match(args, "l")) return NoSuchOverload(ctx);
  std::span<const Value> items = Items(args[0]);
  if (items.empty()) {
    return ctx.Error(std::string(Which::kName) + "(list) argument must not be empty");
  }
  if (!items[0].IsNumber()) return ctx.Error("no such overload: " + std::string(Which::kName));
  Value best = items[0];
  for (const Value& item : items.subspan(1)) {
    best = Better<Which>(ctx, best, item);
    if (IsError(best)) return best;
  }
  return best;
}

bool MayBeNumber(const Expr* arg) {
  switch (arg->kind) {
    case ExprKind::kLiteral:
      return arg->literal.IsInt() || arg->literal.IsUint() || arg->literal.IsDouble();
    case ExprKind::kList:
    case ExprKind::kMap:
    case ExprKind::kStruct: return false;
    default: return true;
  }
}

template <typename Which>
std::optional<const Expr*> ExpandPick(MacroContext& context, const Expr* call, const Expr* target,
                                      std::span<const Expr* const> args) {
  if (!IsNamespace(target, "math")) return std::nullopt;
  const std::string name = "math." + std::string(call->name) + "()";
  if (args.empty()) return context.Fail(target, name + " requires at least one argument");
  if (args.size() == 1) {
    const Expr* arg = args[0];
    bool numbers = arg->kind == ExprKind::kList && !arg->args.empty() &&
                   std::all_of(arg->args.begin(), arg->args.end(), MayBeNumber);
    if (!numbers && !MayBeNumber(arg)) {
      return context.Fail(arg, name + " invalid single argument value");
    }
    return context.Call(Which::kName, {arg});
  }
  for (const Expr* arg : args) {
    if (!MayBeNumber(arg)) {
      return context.Fail(arg, name + " simple literal arguments must be numeric");
    }
  }
  if (args.size() == 2) return context.Call(Which::kName, {args[0], args[1]});
  Expr* list = context.New(ExprKind::kList);
  list->args = context.arena().Copy(args);
  return context.Call(Which::kName, {list});
}

template <typename Which>
FunctionDecl PickDecl(std::string prefix) {
  const NamedType numbers[] = {
      {"double", "", Type::Double()}, {"int", "", Type::Int()}, {"uint", "", Type::Uint()}};
  FunctionDecl decl{Which::kName, {}};
  for (const NamedType& a : numbers) {
    std::string id = prefix + std::string(a.name);
    decl.overloads.push_back(Global(Keep(id), {a.type}, a.type, Pick<Which>));
    for (const NamedType& b : numbers) {
      Type result = a.name == b.name ? a.type : Type::Dyn();
      decl.overloads.push_back(
          Global(Keep(id + "_" + std::string(b.name)), {a.type, b.type}, result, Pick<Which>));
    }
    decl.overloads.push_back(Global(Keep(prefix + "list_" + std::string(a.name)), {ListOf(a.type)},
                                    a.type, Pick<Which>));
  }
  return decl;
}

// --- Doubles -------------------------------------------------------------------------------------

template <double (*kFunction)(double)>
Value OnDouble(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "d")) return NoSuchOverload(ctx);
  return Value::Double(kFunction(args[0].AsDouble()));
}
double Ceil(double d) { return std::ceil(d); }
double Floor(double d) { return std::floor(d); }
double Round(double d) { return std::round(d); }
double Trunc(double d) { return std::trunc(d); }

template <bool (*kTest)(double)>
Value TestDouble(CallContext& ctx, std::span<const Value> args) {
  if (!Match(args, "d")) return NoSuchOverload(ctx);
  return Value::Bool(kTest(args[0].AsDouble()));
}
bool IsInf(double d) { return std::isinf(d); }
bool IsNan(double d) { return std::isnan(d); }
bool IsFinite(double d) { return std::isfinite(d); }

Value Abs(CallContext& ctx, std::span<const Value> args) {
  if (Match(args, "d")) return Value::Double(std::abs(args[0].AsDouble()));
  if (Match(args, "u")) return args[0];
  if (!Match(args, "i")) return NoSuchOverload(ctx);
  if (args[0].AsInt() == INT64_MIN) return ctx.Error("integer overflow");
  return Value::Int(std::abs(args[0].AsInt()));
}

Value Sign(CallContext& ctx, std::span<const Value> args) {
  if (Match(args, "u")) return Value::Uint(args[0].AsUint() == 0 ? 0 : 1);
  if (Match(args, "i")) return Value::Int((args[0].AsInt() > 0) - (args[0].AsInt() < 0));
  if (!Match(args, "d")) return NoSuchOverload(ctx);
  double d = args[0].AsDouble();
  return std::isnan(d) ? args[0] : Value::Double((d > 0) - (d < 0));
}

Value Sqrt(CallContext& ctx, std::span<const Value> args) {
  if (args.size() != 1 || !args[0].IsNumber()) return NoSuchOverload(ctx);
  return Value::Double(std::sqrt(args[0].ToDouble()));
}

// --- Bits ----------------------------------------------------------------------------------------

struct BitAnd {
  static uint64_t Do(uint64_t a, uint64_t b) { return a & b; }
};
struct BitOr {
  static uint64_t Do(uint64_t a, uint64_t b) { return a | b; }
};
struct BitXor {
  static uint64_t Do(uint64_t a, uint64_t b) { return a ^ b; }
};

template <typename Operation>
Value Bits(CallContext& ctx, std::span<const Value> args) {
  if (Match(args, "uu")) return Value::Uint(Operation::Do(args[0].AsUint(), args[1].AsUint()));
  if (!Match(args, "ii")) return NoSuchOverload(ctx);
  return Value::Int(static_cast<int64_t>(Operation::Do(static_cast<uint64_t>(args[0].AsInt()),
                                                       static_cast<uint64_t>(args[1].AsInt()))));
}

Value BitNot(CallContext& ctx, std::span<const Value> args) {
  if (Match(args, "u")) return Value::Uint(~args[0].AsUint());
  if (!Match(args, "i")) return NoSuchOverload(ctx);
  return Value::Int(~args[0].AsInt());
}

// A signed number's sign is not kept.
template <bool kLeft>
Value Shift(CallContext& ctx, std::span<const Value> args) {
  bool is_signed = Match(args, "ii");
  if (!is_signed && !Match(args, "ui")) return NoSuchOverload(ctx);
  int64_t by = args[1].AsInt();
  if (by < 0) {
    return ctx.Error(std::string(kLeft ? "math.bitShiftLeft()" : "math.bitShiftRight()") +
                     " negative offset: " + std::to_string(by));
  }
  uint64_t bits = is_signed ? static_cast<uint64_t>(args[0].AsInt()) : args[0].AsUint();
  bits = by > 63 ? 0 : kLeft ? bits << by : bits >> by;
  return is_signed ? Value::Int(static_cast<int64_t>(bits)) : Value::Uint(bits);
}

Library MakeLibrary(int version) {
  const Type b = Type::Bool();
  const Type d = Type::Double();
  const Type i = Type::Int();
  const Type u = Type::Uint();

  Library lib;
  lib.name = "cel.lib.ext.math";
  lib.macros = {{"greatest", true, -1, ExpandPick<Max>}, {"least", true, -1, ExpandPick<Min>}};
  lib.functions = {PickDecl<Max>("math_@max_"), PickDecl<Min>("math_@min_")};
  auto add = [&lib](std::string_view name, std::vector<Overload> overloads) {
    lib.functions.push_back({name, std::move(overloads)});
  };
  if (version >= 1) {
    add("math.ceil", {Global("math_ceil_double", {d}, d, OnDouble<Ceil>)});
    add("math.floor", {Global("math_floor_double", {d}, d, OnDouble<Floor>)});
    add("math.round", {Global("math_round_double", {d}, d, OnDouble<Round>)});
    add("math.trunc", {Global("math_trunc_double", {d}, d, OnDouble<Trunc>)});
    add("math.isInf", {Global("math_isInf_double", {d}, b, TestDouble<IsInf>)});
    add("math.isNaN", {Global("math_isNaN_double", {d}, b, TestDouble<IsNan>)});
    add("math.isFinite", {Global("math_isFinite_double", {d}, b, TestDouble<IsFinite>)});
    add("math.abs", {Global("math_abs_double", {d}, d, Abs), Global("math_abs_int", {i}, i, Abs),
                     Global("math_abs_uint", {u}, u, Abs)});
    add("math.sign",
        {Global("math_sign_double", {d}, d, Sign), Global("math_sign_int", {i}, i, Sign),
         Global("math_sign_uint", {u}, u, Sign)});
    add("math.bitAnd", {Global("math_bitAnd_int_int", {i, i}, i, Bits<BitAnd>),
                        Global("math_bitAnd_uint_uint", {u, u}, u, Bits<BitAnd>)});
    add("math.bitOr", {Global("math_bitOr_int_int", {i, i}, i, Bits<BitOr>),
                       Global("math_bitOr_uint_uint", {u, u}, u, Bits<BitOr>)});
    add("math.bitXor", {Global("math_bitXor_int_int", {i, i}, i, Bits<BitXor>),
                        Global("math_bitXor_uint_uint", {u, u}, u, Bits<BitXor>)});
    add("math.bitNot", {Global("math_bitNot_int_int", {i}, i, BitNot),
                        Global("math_bitNot_uint_uint", {u}, u, BitNot)});
    add("math.bitShiftLeft", {Global("math_bitShiftLeft_int_int", {i, i}, i, Shift<true>),
                              Global("math_bitShiftLeft_uint_int", {u, i}, u, Shift<true>)});
    add("math.bitShiftRight", {Global("math_bitShiftRight_int_int", {i, i}, i, Shift<false>),
                               Global("math_bitShiftRight_uint_int", {u, i}, u, Shift<false>)});
  }
  if (version >= 2) {
    add("math.sqrt",
        {Global("math_sqrt_double", {d}, d, Sqrt), Global("math_sqrt_int", {i}, d, Sqrt),
         Global("math_sqrt_uint", {u}, d, Sqrt)});
  }
  return lib;
}

}  // namespace

const Library& Math(int version) {
  static const std::array<Library, 3> kLibraries = {MakeLibrary(0), MakeLibrary(1), MakeLibrary(2)};
  return kLibraries[static_cast<size_t>(std::clamp(version, 0, 2))];
}

}  // namespace bulwark::cel::ext
