#pragma once

// What the machine's parts share: reading an operand, and one step into a value.

#include "base/value.h"
#include "lang/rego/program.h"

namespace bulwark::rego {

// The value of an operand: a constant of the program, or a register of the frame.
inline const Value& Operand(const Program& code, const Value* registers, uint32_t operand) {
  return (operand & kConstant) != 0 ? code.constants[operand & ~kConstant] : registers[operand];
}

// container[key]
inline bool Get(const Value& container, const Value& key, Value& out) {
  switch (container.kind()) {
    case Value::Kind::kMap: {
      const Value* found = key.IsString() ? container.Find(key.AsString()) : container.Find(key);
      if (found == nullptr) return false;
      out = *found;
      return true;
    }
    case Value::Kind::kArray: {
      int64_t index = 0;
      if (key.IsInt()) {
        index = key.AsInt();
      } else {
        if (!key.IsNumber()) return false;
        auto whole = key.ToInt();
        if (!whole) return false;
        index = *whole;
      }
      if (index < 0 || static_cast<uint64_t>(index) >= container.size()) return false;
      out = container.items()[static_cast<size_t>(index)];
      return true;
    }
    case Value::Kind::kSet:
      if (!container.Contains(key)) return false;
      out = key;
      return true;
    default: return false;
  }
}

}  // namespace bulwark::rego
