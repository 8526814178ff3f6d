#include "lang/cel/values.h"

#include <algorithm>
#include <functional>

#include "base/check.h"

namespace bulwark::cel {

namespace {

// Values deeper than this compare unequal: the evaluator looks with CelEqualBounded() and reports
// it.
constexpr int kMaxDepth = 1000;

bool EqualAtDepth(const Value& a, const Value& b, int depth, bool* too_deep);

bool ListsEqual(std::span<const Value> a, std::span<const Value> b, int depth, bool* too_deep) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!EqualAtDepth(a[i], b[i], depth, too_deep)) return false;
  }
  return true;
}

bool EqualAtDepth(const Value& a, const Value& b, int depth, bool* too_deep) {
  if (depth == 0) {
    *too_deep = true;
    return false;
  }
  using Kind = Value::Kind;
  if (a.kind() == Kind::kOpaque) {
    const Opaque* opaque = a.AsOpaque();
    if (opaque->tag() == kListTag) return static_cast<const ListValue*>(opaque)->EqualTo(b);
    if (!b.IsOpaque()) return false;
    if (opaque->tag() == kOptionalTag && HasTag(b, kOptionalTag)) {
      auto* x = static_cast<const OptionalValue*>(opaque);
      auto* y = static_cast<const OptionalValue*>(b.AsOpaque());
      if (!x->has_value() || !y->has_value()) return x->has_value() == y->has_value();
      return EqualAtDepth(x->value(), y->value(), depth - 1, too_deep);
    }
    return opaque == b.AsOpaque() || opaque->Equals(*b.AsOpaque());
  }
  if (HasTag(b, kListTag)) {
    // Only the left operand's own idea counts, as in cel-go.
    auto items = ListItems(b);
    return (a.IsArray() || a.IsSet()) && ListsEqual(a.items(), *items, depth - 1, too_deep);
  }
  if (a.kind() != b.kind()) {
    // As <= and >= have it (operators.cc). Neither is a NaN where the doubles are equal.
    if (a.IsNumber() && b.IsNumber() && (a.IsDouble() || b.IsDouble())) {
      return a.ToDouble() == b.ToDouble();
    }
    return Value::Equal(a, b);
  }
  switch (a.kind()) {
    case Kind::kArray: return ListsEqual(a.items(), b.items(), depth - 1, too_deep);
    case Kind::kMap: {
      if (a.size() != b.size()) return false;
      for (const Value::Entry& entry : a.entries()) {
        const Value* other = b.Find(entry.key);
        if (other == nullptr || !EqualAtDepth(entry.value, *other, depth - 1, too_deep)) {
          return false;
        }
      }
      return true;
    }
    default: return Value::Equal(a, b);
  }
}

}  // namespace

Value MakeError(Arena& arena, std::string_view message, int64_t expr_id) {
  return Value::FromOpaque(arena.New<ErrorValue>(arena.Copy(message), expr_id));
}

std::string_view ErrorMessage(const Value& error) {
  BW_CHECK(IsError(error));
  return static_cast<const ErrorValue*>(error.AsOpaque())->message();
}

Value MakeUnknown(Arena& arena, std::span<const int64_t> expr_ids) {
  return Value::FromOpaque(arena.New<UnknownValue>(arena.Copy<int64_t>(expr_ids)));
}

Value MergeUnknowns(Arena& arena, const Value& a, const Value& b) {
  if (!IsUnknown(a)) return b;
  if (!IsUnknown(b)) return a;
  std::span<const int64_t> x = static_cast<const UnknownValue*>(a.AsOpaque())->expr_ids();
  std::span<const int64_t> y = static_cast<const UnknownValue*>(b.AsOpaque())->expr_ids();
  if (std::includes(x.begin(), x.end(), y.begin(), y.end())) return a;
  // Both are sorted: MakeUnknown() is called with one id, and this keeps the order.
  auto* merged = arena.Array<int64_t>(x.size() + y.size());
  int64_t* end = std::set_union(x.begin(), x.end(), y.begin(), y.end(), merged);
  return Value::FromOpaque(
      arena.New<UnknownValue>(std::span<const int64_t>(merged, static_cast<size_t>(end - merged))));
}

bool TypeValue::Equals(const Opaque& other) const {
  return other.tag() == kTypeTag && static_cast<const TypeValue&>(other).name() == name_;
}

uint64_t TypeValue::Hash() const { return std::hash<std::string_view>{}(name_); }

Value MakeType(Arena& arena, std::string_view name) {
  return Value::FromOpaque(arena.New<TypeValue>(arena.Copy(name)));
}

std::string_view TypeNameOf(const Value& v) {
  switch (v.kind()) {
    case Value::Kind::kNull: return "null_type";
    case Value::Kind::kBool: return "bool";
    case Value::Kind::kInt: return "int";
    case Value::Kind::kUint: return "uint";
    case Value::Kind::kDouble:
    case Value::Kind::kDecimal: return "double";
    case Value::Kind::kString: return "string";
    case Value::Kind::kBytes: return "bytes";
    case Value::Kind::kTimestamp: return "google.protobuf.Timestamp";
    case Value::Kind::kDuration: return "google.protobuf.Duration";
    case Value::Kind::kArray:
    case Value::Kind::kSet: return "list";
    case Value::Kind::kMap: return "map";
    case Value::Kind::kOpaque: return v.AsOpaque()->TypeName();
  }
  BW_UNREACHABLE();
}

bool OptionalValue::Equals(const Opaque& other) const {
  if (other.tag() != kOptionalTag) return false;
  const auto& that = static_cast<const OptionalValue&>(other);
  if (!has_ || !that.has_) return has_ == that.has_;
  return CelEqual(value_, that.value_);
}

uint64_t OptionalValue::Hash() const { return has_ ? value_.Hash() * 31 + 1 : 0x6f7074; }

std::string OptionalValue::ToString() const { return has_ ? "optional.of(…)" : "optional.none()"; }

Value MakeOptional(Arena& arena, Value of) {
  return Value::FromOpaque(arena.New<OptionalValue>(of));
}

Value NoneOptional() {
  static constinit const OptionalValue kNone;
  return Value::FromOpaque(&kNone);
}

std::optional<std::span<const Value>> ListItems(const Value& v) {
  if (v.IsArray() || v.IsSet()) return v.items();
  if (HasTag(v, kListTag)) return static_cast<const ListValue*>(v.AsOpaque())->items();
  return std::nullopt;
}

std::optional<bool> CelEqualBounded(const Value& a, const Value& b) {
  bool too_deep = false;
  bool equal = EqualAtDepth(a, b, kMaxDepth, &too_deep);
  if (too_deep) return std::nullopt;
  return equal;
}

bool CelEqual(const Value& a, const Value& b) { return CelEqualBounded(a, b).value_or(false); }

}  // namespace bulwark::cel
