#include "lang/cel/ext/support.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <mutex>

#include "base/text.h"
#include "lang/cel/ext/net.h"

namespace bulwark::cel::ext {

bool Match(std::span<const Value> args, std::string_view kinds) {
  if (args.size() != kinds.size()) return false;
  for (size_t i = 0; i < args.size(); ++i) {
    const Value& v = args[i];
    bool ok = false;
    switch (kinds[i]) {
      case 'b': ok = v.IsBool(); break;
      case 'i': ok = v.IsInt(); break;
      case 'u': ok = v.IsUint(); break;
      case 'd': ok = v.IsDouble(); break;
      case 's': ok = v.IsString(); break;
      case 'y': ok = v.IsBytes(); break;
      case 'l': ok = v.IsArray() || HasTag(v, kListTag); break;
      case 'o': ok = HasTag(v, kOptionalTag); break;
      case 't': ok = v.IsDuration(); break;
      case '*': ok = true; break;
      default: BW_UNREACHABLE();
    }
    if (!ok) return false;
  }
  return true;
}

Value TooLarge(const CallContext& ctx) {
  return ctx.Error("result is larger than the limit of " +
                   std::to_string(ctx.max_bytes == 0 ? kMaxBytes : ctx.max_bytes) + " bytes");
}

std::string_view Keep(std::string text) {
  static std::mutex mutex;
  static std::deque<std::string> kept;
  std::lock_guard lock(mutex);
  return kept.emplace_back(std::move(text));
}

std::span<const NamedType> ComparableTypes() {
  static const NamedType kTypes[] = {
      {"int", "int", Type::Int()},
      {"uint", "uint", Type::Uint()},
      {"double", "double", Type::Double()},
      {"bool", "bool", Type::Bool()},
      {"duration", "google.protobuf.Duration", Type::Duration()},
      {"timestamp", "google.protobuf.Timestamp", Type::Timestamp()},
      {"string", "string", Type::String()},
      {"bytes", "bytes", Type::Bytes()},
  };
  return kTypes;
}

const Expr* Bind(MacroContext& context, std::string_view name, const Expr* init,
                 const Expr* result) {
  return context.Fold({.range = context.List({}),
                       .var = "#unused",
                       .var2 = {},
                       .accu = name,
                       .accu_init = init,
                       .condition = context.Literal(Value::Bool(false)),
                       .step = context.Ident(name),
                       .result = result,
                       .loop = Loop::kOther});
}

Value StringList(Arena& arena, std::span<const std::string_view> strings) {
  Value* items = arena.Array<Value>(strings.size());
  for (size_t i = 0; i < strings.size(); ++i) items[i] = Value::String(arena, strings[i]);
  return Value::Array(std::span<const Value>(items, strings.size()));
}

bool IsComparable(const Value& v) {
  switch (v.kind()) {
    case Value::Kind::kBool:
    case Value::Kind::kInt:
    case Value::Kind::kUint:
    case Value::Kind::kDouble:
    case Value::Kind::kString:
    case Value::Kind::kBytes:
    case Value::Kind::kTimestamp:
    case Value::Kind::kDuration: return true;
    default: return false;
  }
}

std::optional<int> Order(const Value& a, const Value& b) {
  if (!IsComparable(a) || !IsComparable(b)) return std::nullopt;
  if (a.kind() != b.kind() && !(a.IsNumber() && b.IsNumber())) return std::nullopt;
  if (a.IsDouble() && std::isnan(a.AsDouble())) return std::nullopt;
  if (b.IsDouble() && std::isnan(b.AsDouble())) return std::nullopt;
  return Value::Compare(a, b);
}

namespace {

bool HasOpaque(const Value& v) {
  if (v.IsOpaque()) return true;
  for (const Value& item : v.items()) {
    if (HasOpaque(item)) return true;
  }
  for (const Value::Entry& entry : v.entries()) {
    if (HasOpaque(entry.key) || HasOpaque(entry.value)) return true;
  }
  return false;
}

}  // namespace

bool ValueSet::Contains(const Value& v) const {
  if (HasOpaque(v)) {
    return std::any_of(values_.begin(), values_.end(),
                       [&v](const Value& other) { return CelEqual(other, v); });
  }
  auto same = [&](uint32_t index) { return CelEqual(values_[index], v); };
  auto [first, last] = by_hash_.equal_range(v.Hash());
  return std::any_of(first, last, [&](const auto& entry) { return same(entry.second); }) ||
         std::any_of(opaque_.begin(), opaque_.end(), same);
}

void ValueSet::Insert(const Value& v) {
  if (Contains(v)) return;
  uint32_t index = static_cast<uint32_t>(values_.size());
  if (HasOpaque(v)) {
    opaque_.push_back(index);
  } else {
    by_hash_.emplace(v.Hash(), index);
  }
  values_.push_back(v);
}

uint64_t SizeOf(const Value& v) {
  if (v.IsString()) return CountCodePoints(v.AsString());
  if (v.IsBytes() || v.IsArray() || v.IsMap()) return v.size();
  if (HasTag(v, kListTag)) return Items(v).size();
  if (const auto* ip = As<IpValue>(v)) return ip->address().is4() ? 4 : 16;
  if (const auto* cidr = As<CidrValue>(v)) return (static_cast<uint64_t>(cidr->bits()) + 7) / 8;
  return 1;
}

uint64_t Scale(uint64_t size, double factor) {
  double cost = std::ceil(static_cast<double>(size) * factor);
  return cost >= 18446744073709551616.0 ? kMaxCost : static_cast<uint64_t>(cost);
}

namespace {

uint64_t TraversalActual(std::span<const Value> args, const Value&) {
  return Scale(SizeOf(args[0]), kStringFactor);
}

std::optional<CallEstimate> TraversalEstimate(CostContext& ctx, const Expr* target,
                                              std::span<const Expr* const> args) {
  const Expr* first = First(target, args);
  if (first == nullptr) return std::nullopt;
  return CallEstimate{MultiplyByFactor(ctx.SizeOf(first), kStringFactor), std::nullopt};
}

std::optional<CallEstimate> SameSizeEstimate(CostContext& ctx, const Expr* target,
                                             std::span<const Expr* const> args) {
  const Expr* first = First(target, args);
  if (first == nullptr) return std::nullopt;
  Range size = ctx.SizeOf(first);
  return CallEstimate{MultiplyByFactor(size, kStringFactor), size};
}

}  // namespace

const Cost kTraversal = {TraversalActual, TraversalEstimate};
const Cost kTraversalSameSize = {TraversalActual, SameSizeEstimate};
const Cost kTwoTraversals = {
    [](std::span<const Value> args, const Value&) -> uint64_t {
      return Scale(SizeOf(args[0]), 2 * kStringFactor);
    },
    [](CostContext& ctx, const Expr* target,
       std::span<const Expr* const> args) -> std::optional<CallEstimate> {
      const Expr* first = First(target, args);
      if (first == nullptr) return std::nullopt;
      return CallEstimate{MultiplyByFactor(ctx.SizeOf(first), 2 * kStringFactor), std::nullopt};
    }};

}  // namespace bulwark::cel::ext
