#pragma once

// What CEL's operators do to values (langdef.md, "Standard Definitions"), apart from how they are
// reached. Operands are neither errors nor unknowns. Pure but for the arena that results and errors
// are made in.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/value.h"
#include "lang/cel/values.h"

namespace bulwark::cel {

// Where an operator stands and how much it may build.
struct OperatorContext {
  Arena& arena;
  int64_t expr_id;
  uint64_t max_bytes;  // 0: no limit
  // `message` must outlive the arena: a literal. No copy is made.
  Value Fail(std::string_view message) const {
    return Value::FromOpaque(arena.New<ErrorValue>(message, expr_id));
  }
  Value NoSuchOverload() const { return Fail("no such overload"); }
};

Value Add(const OperatorContext&, const Value& a, const Value& b);
Value Subtract(const OperatorContext&, const Value& a, const Value& b);
Value Multiply(const OperatorContext&, const Value& a, const Value& b);
Value Divide(const OperatorContext&, const Value& a, const Value& b);
Value Modulo(const OperatorContext&, const Value& a, const Value& b);
Value Negate(const OperatorContext&, const Value& a);

enum class Relation : uint8_t { kLess, kLessEquals, kGreater, kGreaterEquals };
// A bool, or an error. Numbers of different kinds compare mathematically.
Value Compare(const OperatorContext&, Relation relation, const Value& a, const Value& b);

// x in list, key in map.
Value In(const OperatorContext&, const Value& item, const Value& container);

// A decimal (which CEL has not) as the double nearest to it; anything else as it is.
inline Value Normalize(const Value& v) { return v.IsDecimal() ? Value::Double(v.ToDouble()) : v; }

// As a message shows a key or index: strings without quotes.
std::string ShowKey(const Value& v);

// Timestamps are from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z.
inline constexpr int64_t kMinTimestamp = -62135596800, kMaxTimestamp = 253402300799;

// A CEL duration is an int64 of nanoseconds, as in Go.
Value DurationFromNanos(int64_t nanos);
// nullopt where a duration of the data does not fit.
std::optional<int64_t> NanosOf(const Value& duration);

}  // namespace bulwark::cel
