#include "lang/rego/check/types.h"

#include <algorithm>
#include <array>
#include <vector>

namespace bulwark::rego {

const Type kNullTypeNode{.kind = TypeKind::kNull};
const Type kBooleanTypeNode{.kind = TypeKind::kBoolean};
const Type kNumberTypeNode{.kind = TypeKind::kNumber};
const Type kStringTypeNode{.kind = TypeKind::kString};
const Type kAnyTypeNode{.kind = TypeKind::kAny};

namespace {

// Types of which the comparison is under way, where either contains itself: taken for equal.
struct Pairs {
  std::vector<std::pair<TypeRef, TypeRef>> open;

  // False where the pair is open already.
  bool Open(TypeRef a, TypeRef b) {
    if (std::ranges::find(open, std::pair(a, b)) != open.end()) return false;
    open.emplace_back(a, b);
    return true;
  }
};

bool IsRecursive(TypeRef type) { return type != nullptr && type->kind == TypeKind::kRecursive; }

int CompareAt(TypeRef a, TypeRef b, int depth, Pairs& pairs);

template <typename T, typename Order>
int CompareLists(std::span<const T> a, std::span<const T> b, Order order) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (int c = order(a[i], b[i]); c != 0) return c;
  }
  return a.size() < b.size() ? -1 : static_cast<int>(a.size() > b.size());
}

int CompareFunctions(TypeRef a, TypeRef b, int depth, Pairs& pairs) {
  if (a->arguments.size() != b->arguments.size()) {
    return a->arguments.size() < b->arguments.size() ? -1 : 1;
  }
  for (size_t i = 0; i < a->arguments.size(); ++i) {
    if (int c = CompareAt(a->arguments[i].type, b->arguments[i].type, depth, pairs); c != 0)
      return c;
  }
  if (int c = CompareAt(a->result.type, b->result.type, depth, pairs); c != 0) return c;
  return CompareAt(a->rest.type, b->rest.type, depth, pairs);
}

int CompareAt(TypeRef a, TypeRef b, int depth, Pairs& pairs) {
  if ((IsRecursive(a) || IsRecursive(b)) && !pairs.Open(a, b)) return 0;
  a = Unfold(a);
  b = Unfold(b);
  if (a == b) return 0;
  if (a == nullptr) return -1;
  if (b == nullptr) return 1;
  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  if (depth >= kMaxTypeDepth) return 0;
  auto types = [&](TypeRef x, TypeRef y) { return CompareAt(x, y, depth + 1, pairs); };
  switch (a->kind) {
    case TypeKind::kArray:
      if (a->dynamic != b->dynamic) return a->dynamic ? 1 : -1;
      if (int c = types(a->value, b->value); c != 0) return c;
      return CompareLists(a->items, b->items, types);
    case TypeKind::kObject:
      if (a->dynamic != b->dynamic) return a->dynamic ? 1 : -1;
      if (int c = types(a->key, b->key); c != 0) return c;
      if (int c = types(a->value, b->value); c != 0) return c;
      return CompareLists(a->properties, b->properties, [&](const Property& x, const Property& y) {
        int c = Value::Compare(x.key, y.key);
        return c != 0 ? c : types(x.value, y.value);
      });
    case TypeKind::kSet: return types(a->value, b->value);
    case TypeKind::kAny: return CompareLists(a->items, b->items, types);
    case TypeKind::kFunction: return CompareFunctions(a, b, depth + 1, pairs);
    default: return 0;
  }
}

bool AnyContains(TypeRef any, TypeRef other) {
  if (other != nullptr && other->kind == TypeKind::kFunction) return false;
  if (any->items.empty()) return true;
  auto at = std::ranges::lower_bound(any->items, other,
                                     [](TypeRef x, TypeRef y) { return Compare(x, y) < 0; });
  return at != any->items.end() && Compare(*at, other) == 0;
}

TypeRef ItemAt(TypeRef array, size_t index) {
  return index < array->items.size() ? array->items[index] : array->value;
}

const Property* FindProperty(TypeRef object, const Value& key) {
  auto at = std::ranges::lower_bound(
      object->properties, key,
      [](const Value& x, const Value& y) { return Value::Compare(x, y) < 0; }, &Property::key);
  return at != object->properties.end() && Value::Compare(at->key, key) == 0 ? &*at : nullptr;
}

bool UnifiesAt(TypeRef a, TypeRef b, int depth, Pairs& pairs);

bool UnifiesAny(TypeRef any, TypeRef other, int depth, Pairs& pairs) {
  if (other->kind == TypeKind::kFunction) return false;
  if (any->items.empty()) return true;
  return std::ranges::any_of(any->items,
                             [&](TypeRef item) { return UnifiesAt(item, other, depth, pairs); });
}

// The kind of a JSON-like key without making a type of it.
TypeRef ScalarType(const Value& value) {
  if (value.IsNull()) return kNullType;
  if (value.IsBool()) return kBooleanType;
  if (value.IsNumber()) return kNumberType;
  if (value.IsString()) return kStringType;
  return nullptr;
}

bool KeyFits(TypeRef key_type, const Value& key) {
  if (TypeRef scalar = ScalarType(key); scalar != nullptr) return Contains(key_type, scalar);
  Arena arena;
  TypeFactory types(arena);
  return Contains(key_type, types.Of(key));
}

// Whether the known properties of `a` fit what `b` has under the same keys. `again`: those that
// both know have been looked at from the other side.
bool UnifiesProperties(TypeRef a, TypeRef b, bool again, int depth, Pairs& pairs) {
  for (const Property& property : a->properties) {
    const Property* other = FindProperty(b, property.key);
    if (other != nullptr && again) continue;
    TypeRef type = other != nullptr ? other->value : nullptr;
    if (other == nullptr && b->dynamic && KeyFits(b->key, property.key)) type = b->value;
    if (type == nullptr) {
      if ((a->dynamic && a->value != nullptr) || (b->dynamic && b->value != nullptr)) continue;
      return false;
    }
    if (!UnifiesAt(property.value, type, depth, pairs)) return false;
  }
  return true;
}

bool UnifiesAt(TypeRef a, TypeRef b, int depth, Pairs& pairs) {
  if (a == nullptr || b == nullptr) return false;
  if ((IsRecursive(a) || IsRecursive(b)) && !pairs.Open(a, b)) return true;
  a = Unfold(a);
  b = Unfold(b);
  if (a == nullptr || b == nullptr) return false;
  if (a == b && !a->partial) return true;
  if (depth >= kMaxTypeDepth) return true;
  ++depth;
  bool any_a = a->kind == TypeKind::kAny;
  bool any_b = b->kind == TypeKind::kAny;
  if (any_a || any_b) {
    return (any_a && UnifiesAny(a, b, depth, pairs)) || (any_b && UnifiesAny(b, a, depth, pairs));
  }
  if (a->kind != b->kind) return false;
  switch (a->kind) {
    case TypeKind::kArray:
      for (size_t i = 0; i < std::max(a->items.size(), b->items.size()); ++i) {
        if (!UnifiesAt(ItemAt(a, i), ItemAt(b, i), depth, pairs)) return false;
      }
      return a->value == nullptr || b->value == nullptr ||
             UnifiesAt(a->value, b->value, depth, pairs);
    case TypeKind::kObject:
      if (!UnifiesProperties(a, b, false, depth, pairs) ||
          !UnifiesProperties(b, a, true, depth, pairs)) {
        return false;
      }
      return a->value == nullptr || b->value == nullptr ||
             UnifiesAt(a->value, b->value, depth, pairs);
    case TypeKind::kSet:
      return a->value == nullptr || b->value == nullptr ||
             UnifiesAt(a->value, b->value, depth, pairs);
    case TypeKind::kFunction:
      if (a->arguments.size() != b->arguments.size()) return false;
      for (size_t i = 0; i < a->arguments.size(); ++i) {
        if (!UnifiesAt(a->arguments[i].type, b->arguments[i].type, depth, pairs)) return false;
      }
      return true;
    default: return true;
  }
}

}  // namespace

bool Type::IsEmptyCollection() const {
  switch (kind) {
    case TypeKind::kObject: return properties.empty() && !dynamic;
    case TypeKind::kArray: return items.empty() && value == nullptr;
    case TypeKind::kSet: return value == nullptr;
    case TypeKind::kRecursive:
      return value != nullptr && value->kind != TypeKind::kRecursive && value->IsEmptyCollection();
    default: return false;
  }
}

TypeRef Unfold(TypeRef type) {
  for (int i = 0; i < kMaxTypeDepth && type != nullptr && type->kind == TypeKind::kRecursive; ++i) {
    type = type->value;
  }
  return type != nullptr && type->kind == TypeKind::kRecursive ? kAnyType : type;
}

int Compare(TypeRef a, TypeRef b) {
  Pairs pairs;
  return CompareAt(a, b, 0, pairs);
}

bool Unifies(TypeRef a, TypeRef b) {
  Pairs pairs;
  return UnifiesAt(a, b, 0, pairs);
}

bool Contains(TypeRef a, TypeRef b) {
  if (a != nullptr && a->kind == TypeKind::kAny) return AnyContains(a, b);
  return Compare(a, b) == 0;
}

bool IsPartial(TypeRef type) { return type == nullptr || type->partial; }

int Arity(TypeRef type) {
  if (type == nullptr) return -1;
  return type->kind == TypeKind::kFunction ? static_cast<int>(type->arguments.size()) : 0;
}

TypeRef TypeFactory::Array(std::span<const TypeRef> items, TypeRef value) {
  auto* type = arena_.New<Type>(Type{.kind = TypeKind::kArray, .items = items, .value = value});
  type->dynamic = value != nullptr;
  type->partial = (value != nullptr && value->partial) || std::ranges::any_of(items, IsPartial);
  return type;
}

TypeRef TypeFactory::Array(std::initializer_list<TypeRef> items, TypeRef value) {
  return Array(arena_.Copy(std::span<const TypeRef>(items.begin(), items.size())), value);
}

TypeRef TypeFactory::Set(TypeRef of) {
  auto* type = arena_.New<Type>(Type{.kind = TypeKind::kSet, .value = of});
  type->partial = IsPartial(of);
  return type;
}

TypeRef TypeFactory::MakeObject(std::span<const Property> sorted, bool dynamic, TypeRef key,
                                TypeRef value) {
  auto* type = arena_.New<Type>(Type{.kind = TypeKind::kObject, .properties = sorted});
  type->dynamic = dynamic;
  type->key = key;
  type->value = value;
  type->partial = (dynamic && (IsPartial(key) || IsPartial(value))) ||
                  std::ranges::any_of(sorted, [](const Property& p) { return IsPartial(p.value); });
  return type;
}

namespace {

std::span<const Property> Sorted(Arena& arena, std::span<const Property> properties) {
  auto less = [](const Property& a, const Property& b) { return Value::Compare(a.key, b.key) < 0; };
  std::span<Property> copy = arena.Copy(properties);
  if (!std::ranges::is_sorted(copy, less)) std::ranges::stable_sort(copy, less);
  return copy;
}

}  // namespace

TypeRef TypeFactory::Object(std::span<const Property> properties) {
  return MakeObject(Sorted(arena_, properties), false, nullptr, nullptr);
}

TypeRef TypeFactory::Object(std::span<const Property> properties, TypeRef key, TypeRef value) {
  return MakeObject(Sorted(arena_, properties), true, key, value);
}

TypeRef TypeFactory::Any(std::span<const TypeRef> items) {
  if (items.empty()) return kAnyType;
  std::span<TypeRef> copy = arena_.Copy(items);
  std::ranges::stable_sort(copy, [](TypeRef a, TypeRef b) { return Compare(a, b) < 0; });
  return arena_.New<Type>(Type{.kind = TypeKind::kAny, .items = copy});
}

TypeRef TypeFactory::Function(std::span<const Argument> arguments, Argument result) {
  auto* type = arena_.New<Type>(Type{.kind = TypeKind::kFunction});
  type->arguments = arguments;
  type->result = result;
  type->partial = IsPartial(result.type) || std::ranges::any_of(arguments, [](const Argument& a) {
                    return IsPartial(a.type);
                  });
  return type;
}

TypeRef TypeFactory::Variadic(std::span<const Argument> arguments, Argument rest) {
  auto* type = arena_.New<Type>(Type{.kind = TypeKind::kFunction});
  type->arguments = arguments;
  type->rest = rest;
  type->variadic = true;
  type->partial = true;  // it has no result
  return type;
}

Type* TypeFactory::Recursive(std::string_view name) {
  auto* type = arena_.New<Type>(Type{.kind = TypeKind::kRecursive});
  type->name = arena_.Copy(name);
  return type;
}

TypeRef TypeFactory::AnyUnion(TypeRef a, TypeRef b) {
  if (a->items.empty()) return a;
  if (b->items.empty()) return b;
  std::vector<TypeRef> merged;
  merged.reserve(a->items.size() + b->items.size());
  std::ranges::set_union(a->items, b->items, std::back_inserter(merged),
                         [](TypeRef x, TypeRef y) { return Compare(x, y) < 0; });
  if (merged.size() == a->items.size()) return a;
  if (merged.size() == b->items.size()) return b;
  return arena_.New<Type>(
      Type{.kind = TypeKind::kAny, .items = arena_.Copy(std::span<const TypeRef>(merged))});
}

TypeRef TypeFactory::AnyMerge(TypeRef any, TypeRef other) {
  if (other->kind == TypeKind::kAny) return AnyUnion(any, other);
  if (AnyContains(any, other)) return any;
  std::vector<TypeRef> items(any->items.begin(), any->items.end());
  items.insert(std::ranges::lower_bound(items, other,
                                        [](TypeRef x, TypeRef y) { return Compare(x, y) < 0; }),
               other);
  return arena_.New<Type>(
      Type{.kind = TypeKind::kAny, .items = arena_.Copy(std::span<const TypeRef>(items))});
}

TypeRef TypeFactory::FunctionUnion(TypeRef a, TypeRef b) {
  if (a->arguments.size() != b->arguments.size() || a->variadic != b->variadic) return nullptr;
  std::span<Argument> arguments = arena_.Copy(a->arguments);
  for (size_t i = 0; i < arguments.size(); ++i) {
    arguments[i] = {.name = {}, .type = Or(a->arguments[i].type, b->arguments[i].type)};
  }
  if (a->variadic) return Variadic(arguments, {.name = {}, .type = Or(a->rest.type, b->rest.type)});
  return Function(arguments, {.name = {}, .type = Or(a->result.type, b->result.type)});
}

TypeRef TypeFactory::Or(TypeRef a, TypeRef b) {
  if (a == nullptr || a == b) return b;
  if (b == nullptr) return a;
  bool function_a = a->kind == TypeKind::kFunction;
  bool function_b = b->kind == TypeKind::kFunction;
  if (function_a && function_b) return FunctionUnion(a, b);
  if (function_a || function_b) return nullptr;
  if (a->kind == TypeKind::kAny) return AnyMerge(a, b);
  if (b->kind == TypeKind::kAny) return AnyMerge(b, a);
  int order = Compare(a, b);
  if (order == 0) return a;
  std::array<TypeRef, 2> both = {order < 0 ? a : b, order < 0 ? b : a};
  return arena_.New<Type>(
      Type{.kind = TypeKind::kAny, .items = arena_.Copy(std::span<const TypeRef>(both))});
}

TypeRef TypeFactory::Keys(TypeRef type) {
  type = Unfold(type);
  if (type == nullptr) return nullptr;
  TypeRef keys = nullptr;
  switch (type->kind) {
    case TypeKind::kArray: return kNumberType;
    case TypeKind::kObject:
      for (const Property& property : type->properties) keys = Or(keys, Of(property.key));
      return type->dynamic ? Or(keys, type->key) : keys;
    case TypeKind::kSet: return type->value;
    case TypeKind::kAny:
      if (type->items.empty()) return kAnyType;
      for (TypeRef item : type->items) {
        // A union within a union has been flattened when it was made.
        if (item == nullptr || item->kind == TypeKind::kAny) continue;
        keys = Or(Keys(item), keys);
      }
      return keys;
    default: return nullptr;
  }
}

TypeRef TypeFactory::Values(TypeRef type) {
  type = Unfold(type);
  if (type == nullptr) return nullptr;
  TypeRef values = nullptr;
  switch (type->kind) {
    case TypeKind::kArray:
      for (TypeRef item : type->items) values = Or(values, item);
      return Or(values, type->value);
    case TypeKind::kObject:
      for (const Property& property : type->properties) values = Or(values, property.value);
      return type->dynamic ? Or(values, type->value) : values;
    case TypeKind::kSet: return type->value;
    case TypeKind::kAny:
      if (type->items.empty()) return kAnyType;
      for (TypeRef item : type->items) {
        if (item == nullptr || item->kind == TypeKind::kAny) continue;
        values = Or(Values(item), values);
      }
      return values;
    default: return nullptr;
  }
}

TypeRef TypeFactory::Select(TypeRef type, const Value& key) { return SelectIn(type, key, 0); }

TypeRef TypeFactory::SelectIn(TypeRef type, const Value& key, int depth) {
  type = Unfold(type);
  if (type == nullptr) return nullptr;
  switch (type->kind) {
    case TypeKind::kArray: {
      if (!key.IsNumber()) return nullptr;
      std::optional<int64_t> index = key.ToInt();
      if (!index || *index < 0) return nullptr;
      return ItemAt(type, static_cast<size_t>(*index));
    }
    case TypeKind::kObject:
      if (const Property* property = FindProperty(type, key)) return property->value;
      return type->dynamic && Contains(type->key, Of(key)) ? type->value : nullptr;
    case TypeKind::kSet: {
      TypeRef of = Of(key);
      if (Compare(type->value, of) == 0) return type->value;
      bool fits = type->value != nullptr && type->value->kind == TypeKind::kAny &&
                  AnyContains(type->value, of);
      return fits ? of : nullptr;
    }
    case TypeKind::kAny: {
      if (type->items.empty()) return kAnyType;
      if (depth >= kMaxTypeDepth) return kAnyType;
      TypeRef result = nullptr;
      for (TypeRef item : type->items) result = Or(SelectIn(item, key, depth + 1), result);
      return result;
    }
    default: return nullptr;
  }
}

TypeRef TypeFactory::Of(const Value& value) {
  if (TypeRef scalar = ScalarType(value); scalar != nullptr) return scalar;
  if (value.IsArray() || value.IsSet()) {
    auto* items = arena_.Array<TypeRef>(value.items().size());
    for (size_t i = 0; i < value.items().size(); ++i) items[i] = Of(value.items()[i]);
    return Array(std::span<const TypeRef>(items, value.items().size()), nullptr);
  }
  if (value.IsMap()) {
    std::vector<Property> properties;
    for (const Value::Entry& entry : value.entries()) {
      properties.push_back({.key = entry.key, .value = Of(entry.value)});
    }
    return Object(properties);
  }
  return kAnyType;
}

TypeRef TypeFactory::Merge(TypeRef a, TypeRef b) {
  if (a == nullptr) return b;
  if (b == nullptr) return a;
  a = Unfold(a);
  b = Unfold(b);
  if (a->kind == TypeKind::kAny && b->kind != TypeKind::kAny) std::swap(a, b);
  if (a->kind == TypeKind::kObject && a->properties.empty()) {
    if (b->kind == TypeKind::kObject && b->properties.empty()) {
      if (!a->dynamic) return b;
      if (!b->dynamic) return a;
      return MakeObject({}, true, Or(a->key, b->key), Merge(a->value, b->value));
    }
    if (b->kind == TypeKind::kAny && a->dynamic) {
      for (size_t i = 0; i < b->items.size(); ++i) {
        TypeRef item = b->items[i];
        if (item == nullptr || item->kind != TypeKind::kObject || !item->properties.empty() ||
            !item->dynamic) {
          continue;
        }
        std::span<TypeRef> items = arena_.Copy(b->items);
        items[i] = MakeObject({}, true, Or(item->key, a->key), Or(item->value, a->value));
        return arena_.New<Type>(Type{.kind = TypeKind::kAny, .items = items});
      }
    }
  }
  if (a->kind == TypeKind::kSet && b->kind == TypeKind::kSet) return Set(Or(a->value, b->value));
  return Or(a, b);
}

}  // namespace bulwark::rego
