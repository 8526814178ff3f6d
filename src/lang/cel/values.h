#pragma once

// What CEL needs beyond base's Value: errors and unknowns (which travel through an evaluation as
// values, cel-spec langdef.md "Runtime Errors" and "Partial State"), types as values, optionals,
// and the interfaces through which objects and lists of somebody else's take part. All are Opaques
// with a tag, so that telling them apart costs a comparison.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/value.h"
#include "lang/cel/type.h"

namespace bulwark::cel {

enum Tag : uint32_t {
  kErrorTag = 0xCE10,
  kUnknownTag,
  kTypeTag,
  kOptionalTag,
  kObjectTag,
  kListTag,
  kExtensionTag,  // an extension's own: told apart by TypeName()
};

inline bool HasTag(const Value& v, Tag tag) { return v.IsOpaque() && v.AsOpaque()->tag() == tag; }
inline bool IsError(const Value& v) { return HasTag(v, kErrorTag); }
inline bool IsUnknown(const Value& v) { return HasTag(v, kUnknownTag); }
inline bool IsErrorOrUnknown(const Value& v) { return IsError(v) || IsUnknown(v); }

// An expression's own failure: "no such key: x". `expr_id` is filled by the evaluator (the
// innermost call), so that the message can point at its place in the source.
class ErrorValue final : public Opaque {
 public:
  ErrorValue(std::string_view message, int64_t expr_id)
      : Opaque(kErrorTag), message_(message), expr_id_(expr_id) {}
  std::string_view TypeName() const override { return "error"; }
  std::string ToString() const override { return std::string(message_); }
  std::string_view message() const { return message_; }
  int64_t expr_id() const { return expr_id_; }

 private:
  std::string_view message_;
  int64_t expr_id_;
};
// Copies the message into the arena.
Value MakeError(Arena&, std::string_view message, int64_t expr_id = 0);
std::string_view ErrorMessage(const Value& error);

// Which expressions' values would have to be known.
class UnknownValue final : public Opaque {
 public:
  explicit UnknownValue(std::span<const int64_t> expr_ids) : Opaque(kUnknownTag), ids_(expr_ids) {}
  std::string_view TypeName() const override { return "unknown"; }
  std::span<const int64_t> expr_ids() const { return ids_; }

 private:
  std::span<const int64_t> ids_;
};
Value MakeUnknown(Arena&, std::span<const int64_t> expr_ids);
Value MergeUnknowns(Arena&, const Value& a, const Value& b);

// type(x): equal when the type names are equal.
class TypeValue final : public Opaque {
 public:
  explicit TypeValue(std::string_view name) : Opaque(kTypeTag), name_(name) {}
  std::string_view TypeName() const override { return "type"; }
  bool Equals(const Opaque& other) const override;
  uint64_t Hash() const override;
  std::string ToString() const override { return std::string(name_); }
  std::string_view name() const { return name_; }

 private:
  std::string_view name_;
};
Value MakeType(Arena&, std::string_view name);
// The type of a value, as type() gives it: "int", "list", "google.protobuf.Timestamp", "null_type".
std::string_view TypeNameOf(const Value&);

// optional.of(x) or optional.none().
class OptionalValue final : public Opaque {
 public:
  constexpr OptionalValue() : Opaque(kOptionalTag), has_(false) {}
  explicit OptionalValue(Value v) : Opaque(kOptionalTag), has_(true), value_(v) {}
  std::string_view TypeName() const override { return "optional_type"; }
  bool Equals(const Opaque& other) const override;
  uint64_t Hash() const override;
  std::string ToString() const override;
  bool has_value() const { return has_; }
  const Value& value() const { return value_; }

 private:
  bool has_;
  Value value_;
};
Value MakeOptional(Arena&, Value of);
Value NoneOptional();

// A message or typed object whose fields are read through an interface (a protobuf message). A
// Kubernetes object needs none of this: it is a plain map.
class ObjectValue : public Opaque {
 public:
  ObjectValue() : Opaque(kObjectTag) {}
  // A field's value, its default where it is not set; an error value where there is no such field.
  virtual Value Get(Arena&, std::string_view field) const = 0;
  // Whether has(object.field); nullopt where there is no such field.
  virtual std::optional<bool> Has(std::string_view field) const = 0;
  // Whether no field is set (optional.ofNonZeroValue).
  virtual bool IsZero() const { return false; }

 protected:
  ~ObjectValue() = default;
};

// A list with its own idea of equality and concatenation (Kubernetes' list-type=set and map).
class ListValue : public Opaque {
 public:
  explicit ListValue(std::span<const Value> items) : Opaque(kListTag), items_(items) {}
  std::string_view TypeName() const override { return "list"; }
  std::span<const Value> items() const { return items_; }
  // this == other, where `other` is any list. (What stands on the left decides: a plain list ==
  // this compares item by item.)
  virtual bool EqualTo(const Value& other) const = 0;
  // this + other
  virtual Value Concat(Arena&, const Value& other) const = 0;
  bool Equals(const Opaque& other) const override { return EqualTo(Value::FromOpaque(&other)); }

 protected:
  ~ListValue() = default;

 private:
  std::span<const Value> items_;
};

// The items of an array or of a ListValue; nullopt for anything else.
std::optional<std::span<const Value>> ListItems(const Value&);
// CEL's ==: as Value's, but seeing through ListValue and optionals at any depth. Values nested more
// than 1,000 deep are not compared to the end: they are unequal, or nullopt.
bool CelEqual(const Value& a, const Value& b);
std::optional<bool> CelEqualBounded(const Value& a, const Value& b);

}  // namespace bulwark::cel
