#pragma once

// The types of Rego, as its checker infers them: what OPA calls github.com/open-policy-agent/opa
// v1/types.
//
//   TypeFactory types(arena);
//   TypeRef pair = types.Array({{kNumberType, kStringType}}, nullptr);
//   ToText(pair);                         // "array<number, string>"
//   types.Or(kNumberType, pair);          // any<number, array<number, string>>
//
// A type is an immutable node in an arena and is passed by pointer. nullptr is "not known yet": it
// prints as "???", and a type that contains one is `partial`. Two types that are equal need not be
// the same pointer: Compare() tells. Types may be read by any number of threads.
//
// Work on types is bounded by kMaxTypeDepth: what is nested deeper is taken for any.

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"

namespace bulwark::rego {

struct Type;
using TypeRef = const Type*;

inline constexpr int kMaxTypeDepth = 200;

// In the order in which Compare() sorts.
enum class TypeKind : uint8_t {
  kNull,
  kBoolean,
  kNumber,
  kString,
  kArray,      // items, then any number of `value`
  kObject,     // properties, then any number of `key`: `value`
  kSet,        // of `value`; nullptr: the empty set
  kAny,        // one of items; of none: anything
  kFunction,   // arguments, rest, result
  kRecursive,  // `name`, the $ref of a schema that contains itself; `value` what it stands for
};

struct Property {
  Value key;  // as JSON has it: sets are arrays
  TypeRef value = nullptr;
};

// A function's argument or result; the name is documentation.
struct Argument {
  std::string_view name;
  TypeRef type = nullptr;
};

struct Type {
  TypeKind kind = TypeKind::kAny;
  bool partial = false;   // contains a type that is not known
  bool dynamic = false;   // kArray, kObject: `value` (and `key`) are there, though perhaps unknown
  bool variadic = false;  // kFunction: `rest` is there
  std::span<const TypeRef> items = {};        // kArray, kAny (sorted)
  std::span<const Property> properties = {};  // kObject, sorted by key
  std::span<const Argument> arguments = {};   // kFunction
  TypeRef key = nullptr;
  TypeRef value = nullptr;
  Argument result = {};  // kFunction; no type: void
  Argument rest = {};    // kFunction: any number of further arguments
  std::string_view name = {};

  bool IsAnything() const { return kind == TypeKind::kAny && items.empty(); }
  // An array, object or set that holds nothing.
  bool IsEmptyCollection() const;
};

extern const Type kNullTypeNode, kBooleanTypeNode, kNumberTypeNode, kStringTypeNode, kAnyTypeNode;
inline constexpr TypeRef kNullType = &kNullTypeNode;
inline constexpr TypeRef kBooleanType = &kBooleanTypeNode;
inline constexpr TypeRef kNumberType = &kNumberTypeNode;
inline constexpr TypeRef kStringType = &kStringTypeNode;
inline constexpr TypeRef kAnyType = &kAnyTypeNode;

// What a recursive type stands for; any other is itself.
TypeRef Unfold(TypeRef type);
// A total order, -1, 0 or 1: unknown, null, boolean, number, string, array, object, set, any,
// function. Names of arguments do not count.
int Compare(TypeRef a, TypeRef b);
// True unless both are known and exclude each other. Nothing unifies with an unknown type.
bool Unifies(TypeRef a, TypeRef b);
// A superset of b, or equal.
bool Contains(TypeRef a, TypeRef b);
bool IsPartial(TypeRef type);  // unknown, or contains an unknown
// The number of a function's arguments; 0 for what is none, -1 for the unknown.
int Arity(TypeRef type);

// Makes types in an arena.
class TypeFactory {
 public:
  explicit TypeFactory(Arena& arena) : arena_(arena) {}

  Arena& arena() { return arena_; }

  // The spans are not copied; they must be of the arena, or last as long.
  TypeRef Array(std::span<const TypeRef> items, TypeRef value);
  TypeRef Array(std::initializer_list<TypeRef> items, TypeRef value = nullptr);
  TypeRef Set(TypeRef of);
  TypeRef Object(std::span<const Property> properties);  // these and no others; sorts a copy
  TypeRef Object(std::span<const Property> properties, TypeRef key, TypeRef value);
  TypeRef Any(std::span<const TypeRef> items);  // sorts a copy
  TypeRef Function(std::span<const Argument> arguments, Argument result);
  TypeRef Variadic(std::span<const Argument> arguments, Argument rest);
  // What it stands for is set later, when that is known.
  Type* Recursive(std::string_view name);

  // The union; either alone where the other is unknown or contained.
  TypeRef Or(TypeRef a, TypeRef b);
  // Of the keys and of the values that can be enumerated; nullptr for what has none.
  TypeRef Keys(TypeRef type);
  TypeRef Values(TypeRef type);
  // Of the member under a key; nullptr where there is none.
  TypeRef Select(TypeRef type, const Value& key);
  TypeRef Of(const Value& value);
  // Two definitions of one document: sets and objects without known keys are joined member by
  // member, others by Or.
  TypeRef Merge(TypeRef a, TypeRef b);

 private:
  TypeRef AnyMerge(TypeRef any, TypeRef other);
  TypeRef AnyUnion(TypeRef a, TypeRef b);
  TypeRef FunctionUnion(TypeRef a, TypeRef b);
  TypeRef SelectIn(TypeRef type, const Value& key, int depth);
  TypeRef MakeObject(std::span<const Property> sorted, bool dynamic, TypeRef key, TypeRef value);
  Arena& arena_;
};

// ---- text ----

// "array<number, string>", "object<a: number>[string: any]", "(string, x: any) => boolean", "???"
std::string ToText(TypeRef type);
// "(string, number...)": a function's arguments, and, where `with_result`, its result as one more.
std::string ArgumentsText(TypeRef function, bool with_result);
// Both, with what they have in common left out ("...").
std::pair<std::string, std::string> DifferenceText(TypeRef a, TypeRef b);
// Shortened to its outermost constructor where it is long.
std::string ShortText(TypeRef type);
// Its outermost constructor alone: "object<...>[...]".
std::string ConstructorText(TypeRef type);
// A key as text: a string without quotes.
std::string KeyText(const Value& key);

// The notation of builtins/builtin.h: "(x: string, y: array[number]) -> set[string]", or any type
// alone.
Result<TypeRef> ParseType(std::string_view text, TypeFactory& types);

// ---- JSON, as in OPA's capabilities.json ----

// nullptr gives null. Names of arguments where `names`.
Value TypeToJson(TypeRef type, Arena& arena, bool names = false);
Result<TypeRef> TypeFromJson(const Value& json, TypeFactory& types);

}  // namespace bulwark::rego
