#pragma once

// What the library tables of this folder are made with. Internal to it.

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/value.h"
#include "lang/cel/cost.h"
#include "lang/cel/library.h"
#include "lang/cel/type.h"
#include "lang/cel/values.h"

namespace bulwark::cel::ext {

// --- Types ---------------------------------------------------------------------------------------

inline Type ListOf(Type of) { return Type::List(Type::Static(), of); }
inline Type MapOf(Type key, Type value) { return Type::Map(Type::Static(), key, value); }
inline Type OptionalOf(Type of) { return Type::Optional(Type::Static(), of); }
inline Type Parameter(std::string_view name) { return Type::Param(Type::Static(), name); }
inline Type StructNamed(std::string_view name) { return Type::Struct(Type::Static(), name); }
inline Type OpaqueNamed(std::string_view name) { return Type::Opaque(Type::Static(), name); }

// --- Tables --------------------------------------------------------------------------------------

// What a call costs, and how that is estimated. Without: 1.
struct Cost {
  ActualCost actual = nullptr;
  EstimatedCost estimated = nullptr;
};

inline Overload MakeOverload(std::string_view id, bool member, std::vector<Type> params,
                             Type result, Function function, Cost cost) {
  Overload o;
  o.id = id;
  o.member = member;
  o.params = std::move(params);
  o.result = result;
  o.function = function;
  o.actual_cost = cost.actual;
  o.estimated_cost = cost.estimated;
  return o;
}
inline Overload Member(std::string_view id, std::vector<Type> params, Type result,
                       Function function, Cost cost = {}) {
  return MakeOverload(id, true, std::move(params), result, function, cost);
}
inline Overload Global(std::string_view id, std::vector<Type> params, Type result,
                       Function function, Cost cost = {}) {
  return MakeOverload(id, false, std::move(params), result, function, cost);
}

// The text, kept for ever: for ids that are put together.
std::string_view Keep(std::string text);

// The types that have an order, under the names that cel-go and Kubernetes call them by in the ids
// of overloads.
struct NamedType {
  std::string_view name;       // "duration"
  std::string_view full_name;  // "google.protobuf.Duration"
  Type type;
};
std::span<const NamedType> ComparableTypes();

// Whether a macro was called on this namespace: `math` in math.least(1, 2).
inline bool IsNamespace(const Expr* target, std::string_view name) {
  return target != nullptr && target->kind == ExprKind::kIdent && target->name == name;
}
// Evaluates `result` with `name` standing for the value of `init`: the fold that cel.bind() is.
const Expr* Bind(MacroContext& context, std::string_view name, const Expr* init,
                 const Expr* result);

// --- Arguments -----------------------------------------------------------------------------------

// Whether there are as many arguments as letters, each of the kind that its letter says: b bool,
// i int, u uint, d double, s string, y bytes, l list, o optional, t duration, * anything.
bool Match(std::span<const Value> args, std::string_view kinds);
// The items of a list argument, after Match().
inline std::span<const Value> Items(const Value& list) { return *ListItems(list); }

// The extension's own object of class T in a value, or nullptr. T::kTypeName is its CEL type.
template <typename T>
const T* As(const Value& v) {
  if (!HasTag(v, kExtensionTag)) return nullptr;
  const Opaque* opaque = v.AsOpaque();
  return opaque->TypeName() == T::kTypeName ? static_cast<const T*>(opaque) : nullptr;
}

// --- Results -------------------------------------------------------------------------------------

// Where the caller sets no limit, this is it.
inline constexpr uint64_t kMaxBytes = uint64_t{1} << 30;
inline bool Fits(const CallContext& ctx, uint64_t bytes) {
  return bytes <= (ctx.max_bytes == 0 ? kMaxBytes : ctx.max_bytes);
}
inline bool FitsItems(const CallContext& ctx, uint64_t items) {
  return Fits(ctx, SaturatingMultiply(items, sizeof(Value)));
}
Value TooLarge(const CallContext& ctx);
Value StringList(Arena& arena, std::span<const std::string_view> strings);
inline Value List(Arena& arena, std::span<const Value> items) { return Value::Array(arena, items); }

// -1, 0 or 1 where CEL orders two values of these kinds (numbers of any kind with each other);
// nothing where it does not, or for a NaN.
std::optional<int> Order(const Value& a, const Value& b);
// Whether CEL orders values of this kind at all.
bool IsComparable(const Value& v);

// Values without repetition by CEL's ==, in the order in which they came.
class ValueSet {
 public:
  bool Contains(const Value& v) const;
  void Insert(const Value& v);
  std::span<const Value> values() const { return values_; }

 private:
  std::vector<Value> values_;
  std::unordered_multimap<uint64_t, uint32_t> by_hash_;  // indices of those without opaque parts
  std::vector<uint32_t> opaque_;                         // of the others: no hash to rely on
};

// --- Costs (k8s.io/apiserver/pkg/cel/library/cost.go; cel-go/ext)
// ----------------------------------

inline constexpr double kStringFactor = 0.1;  // per code point or byte traversed
inline constexpr double kRegexFactor = 0.25;  // per character of a pattern
inline constexpr uint64_t kListBase = 10;     // to make a list
inline constexpr uint64_t kStructBase = 40;

// What CEL's size() gives; 1 for what has no size. IP addresses and ranges: bytes.
uint64_t SizeOf(const Value& v);
// ceil(size × factor)
uint64_t Scale(uint64_t size, double factor);

// A traversal of the first operand, be it a receiver or an argument.
extern const Cost kTraversal;
// That, and the result is as long.
extern const Cost kTraversalSameSize;
extern const Cost kTwoTraversals;  // parsing, then comparing with the parsed

// The first operand of a call: the receiver, or the first argument.
inline const Expr* First(const Expr* target, std::span<const Expr* const> args) {
  return target != nullptr ? target : args.empty() ? nullptr : args[0];
}

}  // namespace bulwark::cel::ext
