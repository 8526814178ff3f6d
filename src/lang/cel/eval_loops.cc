#include <utility>
#include <vector>

#include "lang/cel/machine.h"

namespace bulwark::cel {

namespace {

bool CanBeKey(const Value& v) { return v.IsString() || v.IsInt() || v.IsUint() || v.IsBool(); }

size_t RangeSize(const Value& range) {
  auto items = ListItems(range);
  return items ? items->size() : range.size();
}

}  // namespace

// --- Literals ------------------------------------------------------------------------------------

// The value of an optional entry: false if there is none, or (then in `*error`) if it is no
// optional.
template <bool kCost, bool kPartial>
bool Machine<kCost, kPartial>::TakeOptional(const Node& n, Value* v, Value* error) const {
  if (!HasTag(*v, kOptionalTag)) {
    *error = Fail(n, "cannot initialize an optional entry from a non-optional value");
    return false;
  }
  const auto* optional = static_cast<const OptionalValue*>(v->AsOpaque());
  if (!optional->has_value()) return false;
  *v = optional->value();
  return true;
}

template <bool kCost, bool kPartial>
Value Machine<kCost, kPartial>::MakeList(const Node& n) {
  auto* items = arena_.Array<Value>(n.count);
  uint32_t size = 0;
  for (uint32_t i = 0; i < n.count; ++i) {
    uint32_t child = children_[n.b + i];
    Value v = Eval(child & ~kOptionalChild);
    if (v.IsOpaque()) [[unlikely]] {
      if (IsErrorOrUnknown(v)) return v;
    }
    if ((child & kOptionalChild) != 0) {
      Value error;
      if (!TakeOptional(n, &v, &error)) {
        if (IsError(error)) return error;
        continue;
      }
    }
    items[size++] = v;
  }
  return Value::Array(std::span<const Value>(items, size));
}

template <bool kCost, bool kPartial>
Value Machine<kCost, kPartial>::MakeMap(const Node& n) {
  constexpr uint32_t kFew = 8;
  std::optional<MapBuilder> many;
  if (n.count > kFew) many.emplace(arena_, n.count);
  auto* entries = arena_.Array<Value::Entry>(std::min(n.count, kFew));
  uint32_t size = 0;
  auto has = [&](const Value& key) {
    if (many) return many->Has(key);
    return std::any_of(entries, entries + size,
                       [&](const Value::Entry& e) { return Value::Equal(e.key, key); });
  };
  for (uint32_t i = 0; i < n.count; ++i) {
    uint32_t child = children_[n.b + 2 * i + 1];
    Value key = Eval(children_[n.b + 2 * i]);
    if (IsErrorOrUnknown(key)) return key;
    Value v = Eval(child & ~kOptionalChild);
    if (v.IsOpaque() && IsErrorOrUnknown(v)) return v;
    if (!CanBeKey(key)) {
      return FailWith(n, "unsupported key type: " + std::string(TypeNameOf(key)));
    }
    if ((child & kOptionalChild) != 0) {
      Value error;
      if (!TakeOptional(n, &v, &error)) {
        if (IsError(error)) return error;
        continue;
      }
    }
    if (has(key)) return FailWith(n, "Failed with repeated key: " + ShowKey(key));
    if (many) {
      many->Add(key, v);
    } else {
      new (&entries[size++]) Value::Entry{key, v};
    }
  }
  if (many) return many->Finish();
  return MapBuilder::FromUnique(arena_, {entries, size});
}

template <bool kCost, bool kPartial>
Value Machine<kCost, kPartial>::MakeStruct(const Node& n) {
  const StructSite& site = program_.structs[n.a];
  std::vector<std::pair<std::string_view, Value>> fields;
  fields.reserve(n.count);
  for (uint32_t i = 0; i < n.count; ++i) {
    uint32_t child = children_[n.b + i];
    Value v = Eval(child & ~kOptionalChild);
    if (v.IsOpaque() && IsErrorOrUnknown(v)) return v;
    if ((child & kOptionalChild) != 0) {
      Value error;
      if (!TakeOptional(n, &v, &error)) {
        if (IsError(error)) return error;
        continue;
      }
    }
    fields.emplace_back(site.fields[i], v);
  }
  Value made = program_.types->Create(arena_, site.type, fields);
  if (!IsError(made)) return made;
  return MakeError(arena_, ErrorMessage(made), n.expr);
}

// --- Loops ---------------------------------------------------------------------------------------

// Calls `round` for each item of a range, with the loop's variables set, until it returns false
// or the run is aborted. False if `range` is no range.
template <bool kCost, bool kPartial>
template <typename Round>
bool Machine<kCost, kPartial>::ForEach(const LoopSite& loop, const Value& range, Round&& round) {
  if (range.IsMap()) {
    for (const Value::Entry& entry : range.entries()) {
      if (CountRound()) return true;
      locals_[loop.var] = entry.key;
      if (loop.var2 != kNoNode) locals_[loop.var2] = Normalize(entry.value);
      if (!round()) return true;
    }
    return true;
  }
  auto items = ListItems(range);
  if (!items) return false;
  int64_t index = 0;
  for (const Value& item : *items) {
    if (CountRound()) return true;
    if (loop.var2 == kNoNode) [[likely]] {
      locals_[loop.var] = Normalize(item);
    } else {
      locals_[loop.var] = Value::Int(index++);
      locals_[loop.var2] = Normalize(item);
    }
    if (!round()) return true;
  }
  return true;
}

template <bool kCost, bool kPartial>
Value Machine<kCost, kPartial>::NotARange(const Node& n, const Value& v) const {
  if (IsErrorOrUnknown(v)) return v;
  return FailWith(n, "expression of type '" + std::string(TypeNameOf(v)) +
                         "' cannot be range of a comprehension (must be list or map)");
}

// all(): the first false; exists(): the first true.
template <bool kCost, bool kPartial>
template <bool kIsAll>
Value Machine<kCost, kPartial>::Quantifier(const Node& n) {
  const LoopSite& loop = program_.loops[n.a];
  Value range = Eval(loop.range);
  Value bad;
  bool stopped = false;
  size_t left = kCost ? RangeSize(range) : 0;
  bool ranged = ForEach(loop, range, [&] {
    Count(static_cast<uint64_t>(loop.round_cost));
    if constexpr (kCost) --left;
    Value v = Eval(loop.predicate);
    if (v.IsBool()) [[likely]] {
      stopped = v.IsTrue() != kIsAll;
      return !stopped;
    }
    Absorb(&bad, Propagate(n, v));
    return true;
  });
  if (!ranged) [[unlikely]]
    return NotARange(n, range);
  // cel-go notices that it has the result when it comes to the next item.
  if (kCost && stopped && left > 0) Count(static_cast<uint64_t>(loop.stop_cost));
  Count(static_cast<uint64_t>(loop.end_cost));
  if (stopped) return Value::Bool(!kIsAll);
  return bad.IsNull() ? Value::Bool(kIsAll) : bad;
}

template <bool kCost, bool kPartial>
Value Machine<kCost, kPartial>::All(const Node& n) {
  return Quantifier<true>(n);
}

template <bool kCost, bool kPartial>
Value Machine<kCost, kPartial>::Exists(const Node& n) {
  return Quantifier<false>(n);
}

template <bool kCost, bool kPartial>
Value Machine<kCost, kPartial>::ExistsOne(const Node& n) {
  const LoopSite& loop = program_.loops[n.a];
  Value range = Eval(loop.range);
  Value bad;
  uint64_t matches = 0;
  bool ranged = ForEach(loop, range, [&] {
    Value v = Eval(loop.predicate);
    if (v.IsTrue()) {
      Count(static_cast<uint64_t>(loop.item_cost));
      ++matches;
    } else if (!v.IsBool()) [[unlikely]] {
      bad = Propagate(n, v);
    }
    return true;
  });
  if (!ranged) [[unlikely]]
    return NotARange(n, range);
  Count(static_cast<uint64_t>(loop.end_cost));
  return bad.IsNull() ? Value::Bool(matches == 1) : bad;
}

// map(), filter(): a list of the items made, with what the filter lets through.
template <bool kCost, bool kPartial>
Value Machine<kCost, kPartial>::MapList(const Node& n) {
  const LoopSite& loop = program_.loops[n.a];
  Value range = Eval(loop.range);
  size_t limit = RangeSize(range);
  if (limit > program_.limits.max_value_bytes / sizeof(Value)) {
    return Fail(n, "the result is larger than the limit");
  }
  auto* items = arena_.Array<Value>(limit);
  uint32_t size = 0;
  Value bad;
  bool ranged = ForEach(loop, range, [&] {
    if (loop.predicate != kNoNode) {
      Value v = Eval(loop.predicate);
      if (!v.IsBool()) [[unlikely]] {
        bad = Propagate(n, v);
        return true;
      }
      if (!v.IsTrue()) return true;
    }
    Count(static_cast<uint64_t>(loop.item_cost));
    Value item = Eval(loop.item);
    if (item.IsOpaque() && IsErrorOrUnknown(item)) [[unlikely]] {
      if (bad.IsNull()) bad = item;
    } else {
      new (&items[size++]) Value(item);
    }
    return true;
  });
  if (!ranged) [[unlikely]]
    return NotARange(n, range);
  Count(static_cast<uint64_t>(loop.end_cost));
  return bad.IsNull() ? Value::Array(std::span<const Value>(items, size)) : bad;
}

// transformMap(), transformMapEntry(): a map of the entries made.
template <bool kCost, bool kPartial>
Value Machine<kCost, kPartial>::Transform(const Node& n) {
  const LoopSite& loop = program_.loops[n.a];
  Value range = Eval(loop.range);
  MapBuilder builder(arena_);
  Value bad;
  auto insert = [&](const Value& key, const Value& item) {
    if (!CanBeKey(key)) {
      bad = FailWith(n, "unsupported key type: " + std::string(TypeNameOf(key)));
    } else if (builder.Has(key)) {
      bad = FailWith(n, "insert failed: key " + ShowKey(key) + " already exists");
    } else {
      builder.Add(key, Normalize(item));
    }
  };
  bool ranged = ForEach(loop, range, [&] {
    if (loop.predicate != kNoNode) {
      Value v = Eval(loop.predicate);
      if (!v.IsBool()) [[unlikely]] {
        bad = Propagate(n, v);
        return true;
      }
      if (!v.IsTrue()) return true;
    }
    // Reading the accumulator, and the call. cel-go evaluates both of two arguments in any case;
    // of three none after a bad one, and then the call is not counted.
    Count(1);
    Value key;
    if (loop.key != kNoNode) {
      if (!bad.IsNull()) return true;
      key = Eval(loop.key);
      if (IsErrorOrUnknown(key)) {
        bad = key;
        return true;
      }
    }
    Value item = Eval(loop.item);
    Count(1);
    if (bad.IsNull() && IsErrorOrUnknown(item)) bad = item;
    if (!bad.IsNull()) return true;
    if (loop.key != kNoNode) {
      insert(key, item);
    } else if (item.IsMap()) {
      for (const Value::Entry& entry : item.entries()) {
        if (bad.IsNull()) insert(entry.key, entry.value);
      }
    } else {
      bad = Context(n).NoSuchOverload();
    }
    if (builder.size() > program_.limits.max_value_bytes / sizeof(Value::Entry)) {
      Abort("operation cancelled: memory limit exceeded");
    }
    return true;
  });
  if (!ranged) [[unlikely]]
    return NotARange(n, range);
  Count(static_cast<uint64_t>(loop.end_cost));
  return bad.IsNull() ? builder.Finish() : bad;
}

template <bool kCost, bool kPartial>
Value Machine<kCost, kPartial>::Fold(const Node& n) {
  const LoopSite& loop = program_.loops[n.a];
  Value range = Eval(loop.range);
  locals_[loop.accu] = Value::FromOpaque(&kUnset);
  bool ranged = ForEach(loop, range, [&] {
    if (loop.condition != kNoNode) {
      Value condition = Eval(loop.condition);
      if (condition.IsFalse()) return false;
    }
    Value next = Eval(loop.step);
    locals_[loop.accu] = next;
    return true;
  });
  if (!ranged) return NotARange(n, range);
  if (aborted_) return abort_;
  return Eval(loop.result);
}

template <bool kCost, bool kPartial>
Value Machine<kCost, kPartial>::Bind(const Node& n) {
  const LoopSite& loop = program_.loops[n.a];
  locals_[loop.accu] = Value::FromOpaque(&kUnset);
  return Eval(loop.result);
}

template class Machine<false, false>;
template class Machine<true, false>;
template class Machine<true, true>;

}  // namespace bulwark::cel
