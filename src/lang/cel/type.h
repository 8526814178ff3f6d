#pragma once

// The types of CEL (cel-spec, langdef.md, "Values" and "Gradual Type Checking") as the checker sees
// them. A Type is a pointer to an immutable node: basic types are static, others live in the Arena
// that they were made in. Equality is structural.

#include <span>
#include <string>
#include <string_view>

#include "base/arena.h"

namespace bulwark::cel {

enum class TypeKind : uint8_t {
  kDyn,    // anything; checked at run time
  kError,  // the checker's own: already reported
  kNull,
  kBool,
  kInt,
  kUint,
  kDouble,
  kString,
  kBytes,
  kTimestamp,
  kDuration,
  kAny,      // google.protobuf.Any: dyn that says so
  kWrapper,  // google.protobuf.*Value: params[0] or null
  kList,     // params[0]
  kMap,      // params[0] → params[1]
  kType,     // type(params[0])
  kStruct,   // a message or schema object, by name; its fields come from a TypeProvider
  kOpaque,   // an abstract type by name with params: optional_type(T), net.IP
  kParam,    // a type parameter of a function's declaration, by name
};

class Type {
 public:
  Type() : rep_(&kDynRep) {}  // dyn
  TypeKind kind() const { return rep_->kind; }
  // "int", "list", "google.protobuf.Timestamp", a struct's or opaque type's own name.
  std::string_view name() const { return rep_->name; }
  std::span<const Type> params() const { return {rep_->params, rep_->count}; }

  static Type Dyn();
  static Type Error();
  static Type Null();
  static Type Bool();
  static Type Int();
  static Type Uint();
  static Type Double();
  static Type String();
  static Type Bytes();
  static Type Timestamp();
  static Type Duration();
  static Type Any();
  static Type TypeOfType();  // of no type in particular: has no params
  // Wrapper of bool, int, uint, double, string or bytes.
  static Type Wrapper(Type of);
  static Type List(Arena&, Type of);
  static Type Map(Arena&, Type key, Type value);
  static Type TypeOf(Arena&, Type of);
  static Type Struct(Arena&, std::string_view name);  // the name is copied
  static Type Opaque(Arena&, std::string_view name, std::span<const Type> params = {});
  static Type Optional(Arena&, Type of);  // optional_type(of)
  static Type Param(Arena&, std::string_view name);
  // The checker's own type variable "_var<index - 1>", index from 1.
  static Type Variable(Arena&, uint32_t index);
  // For declarations in static tables: types that live for ever. The factories above lock it, so
  // that tables may be made by several threads; it is for types and nothing else.
  static Arena& Static();

  bool IsDynLike() const { return kind() == TypeKind::kDyn || kind() == TypeKind::kAny; }
  bool IsOptional() const { return kind() == TypeKind::kOpaque && name() == "optional_type"; }
  // Whether there is a type parameter or variable anywhere in it.
  bool IsGeneric() const { return rep_->generic; }
  // Of a Variable() its index, else 0.
  uint32_t variable() const { return rep_->variable; }
  // How many nodes it has as a tree, saturating: what walking it costs.
  uint32_t size() const { return rep_->size; }
  // The very same node: quicker than ==, which it implies.
  bool Is(Type other) const { return rep_ == other.rep_; }
  // As CEL writes it: "map(string, list(dyn))", "wrapper(int)", "optional_type(int)".
  std::string ToString() const;
  friend bool operator==(Type a, Type b);

  struct Rep {
    TypeKind kind;
    std::string_view name;
    const Type* params = nullptr;
    uint32_t count = 0;
    uint32_t variable = 0;
    uint32_t size = 1;
    bool generic = false;
  };

 private:
  static const Rep kDynRep;
  static Type Make(Arena&, Rep rep, std::span<const Type> params);
  explicit Type(const Rep* rep) : rep_(rep) {}
  const Rep* rep_;
};

}  // namespace bulwark::cel
