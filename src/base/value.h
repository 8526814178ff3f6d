#pragma once

// Value: one immutable datum, 16 bytes, a view into memory that somebody else owns (an Arena or a
// literal). Copying one copies no data; a Value is good for as long as its memory is. Any number of
// threads may read the same data.
//
//   Arena arena;
//   MapBuilder pod(arena);
//   pod.Add("kind", Value::String("Pod"));
//   Value v = pod.Finish();
//   v.Find("kind")->AsString();          // "Pod"
//   v["metadata"]["name"].IsNull();      // true: looking up what is not there gives null
//
// Kinds: null, bool, int64, uint64, double, decimal (the exact text of a number that none of those
// three can hold), string (UTF-8), bytes, timestamp and duration (seconds and nanoseconds), array,
// map (any Value as key, in order of insertion), set (sorted by Compare, no two equal), and opaque
// (an object of an engine's own).
//
// Numbers compare, order and hash by their mathematical value: 1, 1u and 1.0 are equal, but keep
// their kind.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/check.h"

namespace bulwark {

class Value;

// What an engine may put in a Value that base knows nothing of: a type, an optional, an IP address.
// Immutable; lives as long as the arena (or the static storage) that it was made in. The destructor
// is not virtual, so that a final class of views can be made with Arena::New; one that owns memory
// is made with Arena::Own. `tag` lets an engine tell its own classes apart without a virtual call.
class Opaque {
 public:
  explicit constexpr Opaque(uint32_t tag = 0) : tag_(tag) {}
  uint32_t tag() const { return tag_; }
  // The name of its type as users see it: "net.IP".
  virtual std::string_view TypeName() const = 0;
  virtual bool Equals(const Opaque& other) const { return this == &other; }
  virtual uint64_t Hash() const { return reinterpret_cast<uintptr_t>(this); }
  virtual std::string ToString() const { return std::string(TypeName()); }

 protected:
  ~Opaque() = default;

 private:
  uint32_t tag_;
};

class Value {
 public:
  enum class Kind : uint8_t {
    kNull,
    kBool,
    kInt,
    kUint,
    kDouble,
    kDecimal,
    kString,
    kBytes,
    kTimestamp,
    kDuration,
    kArray,
    kMap,
    kSet,
    kOpaque,
  };

  struct Entry;   // a map's key and value
  struct MapRep;  // a map's entries and, for larger ones, a hash index

  constexpr Value() : kind_(Kind::kNull), size_(0), u_{.integer = 0} {}

  static Value Null() { return {}; }
  static Value Bool(bool b) { return {Kind::kBool, 0, {.integer = b}}; }
  static Value Int(int64_t i) { return {Kind::kInt, 0, {.integer = i}}; }
  static Value Uint(uint64_t u) { return {Kind::kUint, 0, {.unsigned_integer = u}}; }
  static Value Double(double d) { return {Kind::kDouble, 0, {.real = d}}; }
  // `text` is a JSON number. It is not copied.
  static Value Decimal(std::string_view text) { return Text(Kind::kDecimal, text); }
  // `text` is not copied: Arena::Copy() it first where its memory is not going to last.
  static Value String(std::string_view text) { return Text(Kind::kString, text); }
  static Value String(Arena& arena, std::string_view text) { return String(arena.Copy(text)); }
  static Value Bytes(std::string_view bytes) { return Text(Kind::kBytes, bytes); }
  // Seconds since 1970-01-01T00:00:00Z; 0 <= nanos < 1e9.
  static Value Timestamp(int64_t seconds, int32_t nanos) {
    return {Kind::kTimestamp, static_cast<uint32_t>(nanos), {.integer = seconds}};
  }
  // Seconds and nanos of the same sign; |nanos| < 1e9.
  static Value Duration(int64_t seconds, int32_t nanos) {
    return {Kind::kDuration, static_cast<uint32_t>(nanos), {.integer = seconds}};
  }
  // The items are not copied.
  static Value Array(std::span<const Value> items) {
    BW_CHECK(items.size() <= UINT32_MAX);
    return {Kind::kArray, static_cast<uint32_t>(items.size()), {.items = items.data()}};
  }
  static Value Array(Arena& arena, std::span<const Value> items) {
    return Array(arena.Copy<Value>(items));
  }
  // Sorts and removes equal items.
  static Value Set(Arena& arena, std::span<const Value> items);
  static Value FromOpaque(const Opaque* opaque) { return {Kind::kOpaque, 0, {.opaque = opaque}}; }
  static Value EmptyArray() { return {Kind::kArray, 0, {.items = nullptr}}; }
  static Value EmptyMap() { return {Kind::kMap, 0, {.map = nullptr}}; }

  Kind kind() const { return kind_; }
  bool IsNull() const { return kind_ == Kind::kNull; }
  bool IsBool() const { return kind_ == Kind::kBool; }
  bool IsInt() const { return kind_ == Kind::kInt; }
  bool IsUint() const { return kind_ == Kind::kUint; }
  bool IsDouble() const { return kind_ == Kind::kDouble; }
  bool IsDecimal() const { return kind_ == Kind::kDecimal; }
  bool IsNumber() const { return kind_ >= Kind::kInt && kind_ <= Kind::kDecimal; }
  bool IsString() const { return kind_ == Kind::kString; }
  bool IsBytes() const { return kind_ == Kind::kBytes; }
  bool IsTimestamp() const { return kind_ == Kind::kTimestamp; }
  bool IsDuration() const { return kind_ == Kind::kDuration; }
  bool IsArray() const { return kind_ == Kind::kArray; }
  bool IsMap() const { return kind_ == Kind::kMap; }
  bool IsSet() const { return kind_ == Kind::kSet; }
  bool IsOpaque() const { return kind_ == Kind::kOpaque; }
  bool IsTrue() const { return kind_ == Kind::kBool && u_.integer != 0; }
  bool IsFalse() const { return kind_ == Kind::kBool && u_.integer == 0; }

  // Each As…() requires its kind.
  bool AsBool() const { return Require(Kind::kBool).u_.integer != 0; }
  int64_t AsInt() const { return Require(Kind::kInt).u_.integer; }
  uint64_t AsUint() const { return Require(Kind::kUint).u_.unsigned_integer; }
  double AsDouble() const { return Require(Kind::kDouble).u_.real; }
  // The text of a string, the octets of bytes, the digits of a decimal.
  std::string_view AsString() const { return RequireText().View(); }
  int64_t seconds() const {
    BW_CHECK(IsTimestamp() || IsDuration());
    return u_.integer;
  }
  int32_t nanos() const {
    BW_CHECK(IsTimestamp() || IsDuration());
    return static_cast<int32_t>(size_);
  }
  const Opaque* AsOpaque() const { return Require(Kind::kOpaque).u_.opaque; }
  // The number nearest to what any of the number kinds holds.
  double ToDouble() const;
  // Its value as an int64, if a number kind holds exactly that.
  std::optional<int64_t> ToInt() const;

  // The items of an array or set; none for any other kind.
  std::span<const Value> items() const {
    return kind_ == Kind::kArray || kind_ == Kind::kSet ? std::span(u_.items, size_)
                                                        : std::span<const Value>();
  }
  // The entries of a map in order of insertion; none for any other kind.
  std::span<const Entry> entries() const;
  // Of an array, set or map: how many. Of a string, bytes or decimal: bytes. Else 0.
  size_t size() const { return kind_ >= Kind::kDecimal && !HasNanos() ? size_ : 0; }
  bool empty() const { return size() == 0; }

  // The value under a key of a map; nullptr if this is no map or has no such key. The pointer
  // identifies the place in the document (formats/source_map.h).
  const Value* Find(std::string_view key) const;
  const Value* Find(const Value& key) const;
  // As Find, but null for what is not there.
  Value operator[](std::string_view key) const {
    const Value* found = Find(key);
    return found != nullptr ? *found : Value();
  }
  // An item of an array; null past its end.
  Value operator[](size_t index) const {
    return IsArray() && index < size_ ? u_.items[index] : Value();
  }
  // The text of the string under `key`, or `other`.
  std::string_view StringAt(std::string_view key, std::string_view other = {}) const {
    const Value* found = Find(key);
    return found != nullptr && found->IsString() ? found->View() : other;
  }
  // True if a set has an equal item (binary search), or an array has one (linear).
  bool Contains(const Value& item) const;

  // Deep, by value; a NaN equals nothing. Maps are equal whatever their order.
  friend bool operator==(const Value& a, const Value& b) { return Equal(a, b); }
  static bool Equal(const Value& a, const Value& b);
  // A total order over all values: null < bool < numbers < string < bytes < timestamp < duration <
  // array < map < set < opaque. -1, 0 or 1. NaN stands before every other number.
  static int Compare(const Value& a, const Value& b);
  uint64_t Hash() const;

  // A deep copy whose memory is all in `arena`. Opaque objects are shared, not copied.
  Value CopyTo(Arena& arena) const;

 private:
  friend class MapBuilder;
  union Payload {
    int64_t integer;
    uint64_t unsigned_integer;
    double real;
    const char* text;
    const Value* items;
    const MapRep* map;
    const Opaque* opaque;
  };
  constexpr Value(Kind kind, uint32_t size, Payload u) : kind_(kind), size_(size), u_(u) {}
  static Value Text(Kind kind, std::string_view text) {
    BW_CHECK(text.size() <= UINT32_MAX);
    return {kind, static_cast<uint32_t>(text.size()), {.text = text.data()}};
  }
  std::string_view View() const { return {u_.text, size_}; }
  bool HasNanos() const { return kind_ == Kind::kTimestamp || kind_ == Kind::kDuration; }
  const Value& Require(Kind kind) const {
    BW_CHECK(kind_ == kind);
    return *this;
  }
  const Value& RequireText() const {
    BW_CHECK(kind_ == Kind::kString || kind_ == Kind::kBytes || kind_ == Kind::kDecimal);
    return *this;
  }

  Kind kind_;
  uint32_t size_;
  Payload u_;
};
static_assert(sizeof(Value) == 16);

struct Value::Entry {
  Value key;
  Value value;
};

struct Value::MapRep {
  const Entry* entries;
  const uint32_t* index;  // open addressing, entry number + 1; nullptr for small maps
  uint32_t mask;
};

inline std::span<const Value::Entry> Value::entries() const {
  return kind_ == Kind::kMap && size_ != 0 ? std::span(u_.map->entries, size_)
                                           : std::span<const Entry>();
}

// Collects a map's entries. The last of two equal keys wins (in the place of the first) unless the
// caller looks with Has() first.
class MapBuilder {
 public:
  explicit MapBuilder(Arena& arena, size_t reserve = 0) : arena_(arena) {
    entries_.reserve(reserve);
  }
  // The key is not copied.
  MapBuilder& Add(std::string_view key, Value value) { return Add(Value::String(key), value); }
  MapBuilder& Add(Value key, Value value);
  bool Has(const Value& key) const;
  size_t size() const { return entries_.size(); }
  // Leaves the builder empty.
  Value Finish();

  // The map of entries that the caller knows to have no two equal keys. They are not copied.
  static Value FromUnique(Arena& arena, std::span<const Value::Entry> entries);

 private:
  Arena& arena_;
  std::vector<Value::Entry> entries_;
  // Where there are many: hash → entry number + 1.
  std::vector<uint32_t> index_;
  uint32_t* Slot(const Value& key);
};

}  // namespace bulwark
