#pragma once

// One step into a value, as the machine's parts need it.

#include "base/value.h"

namespace bulwark::rego {

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
