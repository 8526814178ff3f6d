#include "lang/cel/unify.h"

#include <algorithm>

namespace bulwark::cel {

namespace {

bool IsParam(Type type) { return type.kind() == TypeKind::kParam; }
bool IsWild(Type type) { return type.IsDynLike() || type.kind() == TypeKind::kError; }

// The type that a wrapper wraps: the two agree in both directions.
Type Unwrapped(Type type) { return type.kind() == TypeKind::kWrapper ? type.params()[0] : type; }

// Messages and abstract types may be null, by a rule older than wrappers.
bool IsNullable(Type type) {
  switch (type.kind()) {
    case TypeKind::kNull:
    case TypeKind::kWrapper:
    case TypeKind::kOpaque:
    case TypeKind::kStruct:
    case TypeKind::kDuration:
    case TypeKind::kTimestamp: return true;
    default: return false;
  }
}

// Whether b's values are among a's, as far as dyn and type variables go.
bool IsLessSpecific(Type a, Type b) {
  if (a.IsDynLike() || IsParam(a)) return true;
  if (b.IsDynLike() || IsParam(b)) return false;
  if (b.kind() == TypeKind::kNull) return true;  // they agree, so a is nullable
  if (a.kind() == TypeKind::kWrapper) return Unwrapped(a) == Unwrapped(b);
  if (a.kind() != b.kind()) return false;
  if (a.kind() == TypeKind::kType) return true;
  if (a.name() != b.name() || a.params().size() != b.params().size()) return false;
  for (size_t i = 0; i < a.params().size(); ++i) {
    if (!IsLessSpecific(a.params()[i], b.params()[i])) return false;
  }
  return true;
}

// The type with each parameter replaced by what `map` makes of it; the same node if none changes.
template <typename Map>
Type Rebuild(Arena& arena, Type type, Map map) {
  const std::span<const Type> params = type.params();
  Type few[4];
  std::vector<Type> many;
  Type* mapped = few;
  if (params.size() > std::size(few)) {
    many.resize(params.size());
    mapped = many.data();
  }
  bool changed = false;
  for (size_t i = 0; i < params.size(); ++i) {
    mapped[i] = map(params[i]);
    changed |= !mapped[i].Is(params[i]);
  }
  if (!changed) return type;
  switch (type.kind()) {
    case TypeKind::kList: return Type::List(arena, mapped[0]);
    case TypeKind::kMap: return Type::Map(arena, mapped[0], mapped[1]);
    case TypeKind::kType: return Type::TypeOf(arena, mapped[0]);
    case TypeKind::kOpaque:
      return type.IsOptional() ? Type::Optional(arena, mapped[0])
                               : Type::Opaque(arena, type.name(), {mapped, params.size()});
    default: return type;
  }
}

}  // namespace

Type Unifier::NewVariable() {
  slots_.emplace_back();
  return Type::Variable(arena_, static_cast<uint32_t>(slots_.size()));
}

uint32_t Unifier::NewVariables(uint32_t count) {
  uint32_t base = static_cast<uint32_t>(slots_.size());
  slots_.resize(slots_.size() + count);
  return base;
}

Type Unifier::Instantiate(Type type, uint32_t base) {
  if (!type.IsGeneric()) return type;
  if (IsParam(type)) return Type::Variable(arena_, base + type.variable());
  return Rebuild(arena_, type, [&](Type param) { return Instantiate(param, base); });
}

bool Unifier::Assignable(Type from, Type to) { return Assignable({&from, 1}, {&to, 1}); }

bool Unifier::Assignable(std::span<const Type> from, std::span<const Type> to) {
  const size_t mark = trail_.size();
  if (Agree(from, to)) return true;
  Undo(mark);
  return false;
}

Type Unifier::Substitute(Type type, bool finally) {
  if (!type.IsGeneric()) return type;
  if (IsParam(type)) {
    if (const Type* bound = Find(type)) return Substitute(*bound, finally);
    return finally ? Type::Dyn() : type;
  }
  return Rebuild(arena_, type, [&](Type param) { return Substitute(param, finally); });
}

Type Unifier::MostGeneral(Type a, Type b) { return IsLessSpecific(a, b) ? a : b; }

bool Unifier::Agree(std::span<const Type> a, std::span<const Type> b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!Agree(a[i], b[i])) return false;
  }
  return true;
}

bool Unifier::Agree(Type a, Type b) {
  if (a.Is(b) && !a.IsGeneric()) return true;
  if (IsParam(b)) {
    const Found found = TryBinding(a, b);
    if (found.valid) return true;
    if (found.bound) return false;
    // Else a may still be a variable that can become b.
  }
  if (IsParam(a)) return TryBinding(b, a).valid;
  if (IsWild(a) || IsWild(b)) return true;
  if (a.kind() == TypeKind::kNull) return IsNullable(b);
  if (b.kind() == TypeKind::kNull) return IsNullable(a);
  a = Unwrapped(a);
  b = Unwrapped(b);
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case TypeKind::kType: return true;
    case TypeKind::kStruct: return a.name() == b.name();
    case TypeKind::kList:
    case TypeKind::kMap:
    case TypeKind::kOpaque: return a.name() == b.name() && Agree(a.params(), b.params());
    default: return true;
  }
}

Unifier::Found Unifier::TryBinding(Type type, Type variable) {
  if (type == variable) return {true, true};
  if (const Type* bound = Find(variable)) {
    const Type old = *bound;
    if (type == old) return {true, true};
    if (!Agree(type, old)) return {false, true};
    const Type general = MostGeneral(type, old);
    if (!Occurs(variable, general)) Bind(variable, general);
    return {true, true};
  }
  if (Occurs(variable, type)) return {false, false};
  Bind(variable, type);
  return {true, false};
}

bool Unifier::Occurs(Type variable, Type within) const {
  if (!within.IsGeneric()) return false;
  if (variable == within) return true;
  if (IsParam(within)) {
    const Type* bound = Find(within);
    return bound != nullptr && Occurs(variable, *bound);
  }
  return std::any_of(within.params().begin(), within.params().end(),
                     [&](Type param) { return Occurs(variable, param); });
}

const Type* Unifier::Find(Type variable) const {
  if (variable.variable() != 0) {
    const Slot& slot = slots_[variable.variable() - 1];
    return slot.bound ? &slot.type : nullptr;
  }
  for (const Named& named : named_) {
    if (named.name == variable.name()) return named.slot.bound ? &named.slot.type : nullptr;
  }
  return nullptr;
}

void Unifier::Bind(Type variable, Type type) {
  size_t named = 0;
  Slot* slot = nullptr;
  if (variable.variable() != 0) {
    slot = &slots_[variable.variable() - 1];
  } else {
    while (named < named_.size() && named_[named].name != variable.name()) ++named;
    if (named == named_.size()) named_.push_back({variable.name(), {}});
    slot = &named_[named].slot;
  }
  trail_.push_back({variable.variable(), named, *slot});
  *slot = {type, true};
}

void Unifier::Undo(size_t mark) {
  for (; trail_.size() > mark; trail_.pop_back()) {
    const Change& change = trail_.back();
    (change.variable != 0 ? slots_[change.variable - 1] : named_[change.named].slot) = change.old;
  }
}

}  // namespace bulwark::cel
