#include "lang/cel/type.h"

#include <array>
#include <mutex>

#include "base/check.h"

namespace bulwark::cel {

namespace {

using Rep = Type::Rep;

constinit const Rep kErrorRep{TypeKind::kError, "!error!"};
constinit const Rep kNullRep{TypeKind::kNull, "null_type"};
constinit const Rep kBoolRep{TypeKind::kBool, "bool"};
constinit const Rep kIntRep{TypeKind::kInt, "int"};
constinit const Rep kUintRep{TypeKind::kUint, "uint"};
constinit const Rep kDoubleRep{TypeKind::kDouble, "double"};
constinit const Rep kStringRep{TypeKind::kString, "string"};
constinit const Rep kBytesRep{TypeKind::kBytes, "bytes"};
constinit const Rep kTimestampRep{TypeKind::kTimestamp, "google.protobuf.Timestamp"};
constinit const Rep kDurationRep{TypeKind::kDuration, "google.protobuf.Duration"};
constinit const Rep kTypeRep{TypeKind::kType, "type"};
constinit const Rep kAnyRep{TypeKind::kAny, "google.protobuf.Any"};

std::mutex& StaticLock() {
  static auto* lock = new std::mutex;
  return *lock;
}

// Variables are made and thrown away with each check: most come from here.
constexpr uint32_t kCachedVariables = 256;
std::array<Rep, kCachedVariables> MakeVariables() {
  std::array<Rep, kCachedVariables> reps;
  for (uint32_t i = 0; i < kCachedVariables; ++i) {
    std::string name = "_var" + std::to_string(i);
    std::lock_guard lock(StaticLock());
    reps[i] = {.kind = TypeKind::kParam,
               .name = Type::Static().Copy(name),
               .variable = i + 1,
               .generic = true};
  }
  return reps;
}

}  // namespace

constinit const Type::Rep Type::kDynRep{TypeKind::kDyn, "dyn"};

Type Type::Dyn() { return Type(&kDynRep); }
Type Type::Error() { return Type(&kErrorRep); }
Type Type::Null() { return Type(&kNullRep); }
Type Type::Bool() { return Type(&kBoolRep); }
Type Type::Int() { return Type(&kIntRep); }
Type Type::Uint() { return Type(&kUintRep); }
Type Type::Double() { return Type(&kDoubleRep); }
Type Type::String() { return Type(&kStringRep); }
Type Type::Bytes() { return Type(&kBytesRep); }
Type Type::Timestamp() { return Type(&kTimestampRep); }
Type Type::Duration() { return Type(&kDurationRep); }
Type Type::Any() { return Type(&kAnyRep); }

Type Type::TypeOfType() { return Type(&kTypeRep); }

Type Type::Wrapper(Type of) {
  static const std::array<Type, 6> wrappers = [] {
    std::array<Type, 6> made;
    const Type primitives[] = {Bool(), Int(), Uint(), Double(), String(), Bytes()};
    for (size_t i = 0; i < made.size(); ++i) {
      made[i] = Make(Static(), {TypeKind::kWrapper, "wrapper"}, {&primitives[i], 1});
    }
    return made;
  }();
  for (Type wrapper : wrappers) {
    if (wrapper.params()[0].Is(of)) return wrapper;
  }
  BW_CHECK(!"a wrapper of something that is not primitive");
  return Dyn();
}

Arena& Type::Static() {
  static auto* arena = new Arena(size_t{16} << 10);
  return *arena;
}

Type Type::Make(Arena& arena, Rep rep, std::span<const Type> params) {
  std::unique_lock<std::mutex> lock;
  if (&arena == &Static()) lock = std::unique_lock(StaticLock());
  for (Type param : params) {
    rep.generic |= param.IsGeneric();
    rep.size = param.size() < UINT32_MAX - rep.size ? rep.size + param.size() : UINT32_MAX;
  }
  const bool named = rep.kind == TypeKind::kStruct || rep.kind == TypeKind::kOpaque ||
                     rep.kind == TypeKind::kParam;
  if (named) rep.name = arena.Copy(rep.name);
  rep.count = static_cast<uint32_t>(params.size());
  if (!params.empty()) rep.params = arena.Copy(params).data();
  return Type(arena.New<Rep>(rep));
}

Type Type::List(Arena& arena, Type of) { return Make(arena, {TypeKind::kList, "list"}, {&of, 1}); }

Type Type::Map(Arena& arena, Type key, Type value) {
  const Type params[] = {key, value};
  return Make(arena, {TypeKind::kMap, "map"}, params);
}

Type Type::TypeOf(Arena& arena, Type of) {
  return Make(arena, {TypeKind::kType, "type"}, {&of, 1});
}

Type Type::Struct(Arena& arena, std::string_view name) {
  return Make(arena, {TypeKind::kStruct, name}, {});
}

Type Type::Opaque(Arena& arena, std::string_view name, std::span<const Type> params) {
  return Make(arena, {TypeKind::kOpaque, name}, params);
}

Type Type::Optional(Arena& arena, Type of) {
  return Make(arena, {TypeKind::kOpaque, "optional_type"}, {&of, 1});
}

Type Type::Param(Arena& arena, std::string_view name) {
  return Make(arena, {.kind = TypeKind::kParam, .name = name, .generic = true}, {});
}

Type Type::Variable(Arena& arena, uint32_t index) {
  static const std::array<Rep, kCachedVariables> cached = MakeVariables();
  BW_CHECK(index > 0);
  if (index <= kCachedVariables) return Type(&cached[index - 1]);
  std::string name = "_var" + std::to_string(index - 1);
  return Type(arena.New<Rep>(
      Rep{.kind = TypeKind::kParam, .name = arena.Copy(name), .variable = index, .generic = true}));
}

std::string Type::ToString() const {
  switch (kind()) {
    case TypeKind::kNull: return "null";
    case TypeKind::kAny: return "any";
    case TypeKind::kTimestamp: return "timestamp";
    case TypeKind::kDuration: return "duration";
    default: break;
  }
  std::string text(name());
  if (params().empty()) return text;
  text += '(';
  for (size_t i = 0; i < params().size(); ++i) {
    if (i > 0) text += ", ";
    text += params()[i].ToString();
  }
  text += ')';
  return text;
}

bool operator==(Type a, Type b) {
  if (a.rep_ == b.rep_) return true;
  if (a.kind() != b.kind() || a.params().size() != b.params().size() || a.name() != b.name()) {
    return false;
  }
  for (size_t i = 0; i < a.params().size(); ++i) {
    if (!(a.params()[i] == b.params()[i])) return false;
  }
  return true;
}

}  // namespace bulwark::cel
