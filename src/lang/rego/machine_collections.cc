// What the machine builds, walks through and looks up: collections.

#include <algorithm>
#include <bit>

#include "lang/rego/machine.h"
#include "lang/rego/machine_values.h"

namespace bulwark::rego {

namespace {

constexpr uint32_t kIndexFrom = 12;  // shorter collections are looked through

}  // namespace

const Value::Entry* Machine::Builder::Find(const Value& key) const {
  if (index.empty()) {
    for (const Value::Entry& entry : entries) {
      if (entry.key == key) return &entry;
    }
    return nullptr;
  }
  const size_t mask = index.size() - 1;
  for (uint64_t at = key.Hash();; ++at) {
    const uint32_t slot = index[at & mask];
    if (slot == 0) return nullptr;
    if (entries[slot - 1].key == key) return &entries[slot - 1];
  }
}

void Machine::Builder::Insert(const Value& key, const Value& value) {
  entries.push_back({key, value});
  if (entries.size() < 12) return;
  auto enter = [&](size_t number) {
    const size_t mask = index.size() - 1;
    uint64_t at = entries[number].key.Hash();
    while (index[at & mask] != 0) ++at;
    index[at & mask] = static_cast<uint32_t>(number + 1);
  };
  if (index.size() < entries.size() * 2) {
    index.assign(std::bit_ceil(entries.size() * 4), 0);
    for (size_t i = 0; i < entries.size(); ++i) enter(i);
  } else {
    enter(entries.size() - 1);
  }
}

void Machine::Builder::Clear(uint8_t new_kind) {
  kind = new_kind;
  items.clear();
  entries.clear();
  index.clear();
  tree.reset();
}

bool Machine::AddToObject(Builder& builder, const Value& key, const Value& value) {
  if (const Value::Entry* there = builder.Find(key); there != nullptr) {
    return there->value == value;
  }
  builder.Insert(key, value);
  return true;
}

bool Machine::AddPath(Builder& builder, std::span<const Value> keys, const Value& value,
                      bool element, const Place& place) {
  auto conflict = [&] {
    Fail("eval_conflict_error", "object keys must be unique", place.module, place.at);
    return false;
  };
  if (keys.size() == 1 && !element && builder.tree == nullptr) {
    if (const Value::Entry* there = builder.Find(keys[0]); there != nullptr)
      return there->value == value || conflict();
    builder.Insert(keys[0], value);
    return true;
  }
  if (builder.tree == nullptr) {
    builder.tree = std::make_unique<Branch>();
    for (const Value::Entry& entry : builder.entries) {
      auto& child = builder.tree->children[entry.key];
      child = std::make_unique<Branch>();
      child->kind = Branch::Kind::kValue;
      child->value = entry.value;
    }
  }
  Branch* at = builder.tree.get();
  for (const Value& key : keys) {
    if (at->kind != Branch::Kind::kInner) return conflict();
    auto& child = at->children[key];
    if (child == nullptr) {
      child = std::make_unique<Branch>();
      if (&key == &keys.back()) {
        child->kind = element ? Branch::Kind::kSet : Branch::Kind::kValue;
        child->value = value;
        if (element) child->elements.push_back(value);
        return true;
      }
    }
    at = child.get();
  }
  if (element) {
    if (at->kind != Branch::Kind::kSet) return conflict();
    at->elements.push_back(value);
    return true;
  }
  if (at->kind != Branch::Kind::kValue || !(at->value == value)) return conflict();
  return true;
}

Value Machine::Freeze(const Branch& branch) {
  if (branch.kind == Branch::Kind::kValue) return branch.value;
  if (branch.kind == Branch::Kind::kSet) return Value::Set(arena_, branch.elements);
  std::vector<Value::Entry> entries;
  for (const auto& [key, child] : branch.children) entries.push_back({key, Freeze(*child)});
  return MapBuilder::FromUnique(arena_, arena_.Copy<Value::Entry>(entries));
}

Value Machine::FinishBuilder(Builder& builder) {
  switch (builder.kind) {
    case 0: return Value::Array(arena_, builder.items);
    case 1: return Value::Set(arena_, builder.items);
    default:
      if (builder.tree != nullptr) return Freeze(*builder.tree);
      std::ranges::sort(builder.entries, [](const Value::Entry& a, const Value::Entry& b) {
        return Value::Compare(a.key, b.key) < 0;
      });
      return MapBuilder::FromUnique(arena_, arena_.Copy<Value::Entry>(builder.entries));
  }
}

void Machine::Walker::Begin(const Value& root) {
  next = root;
  has_next = true;
  levels.clear();
  path.clear();
}

bool Machine::Walker::Next(Arena& arena, Value* path_out, Value& value) {
  if (!has_next) {
    // The next child of the innermost value that has one.
    while (!levels.empty()) {
      Level& level = levels.back();
      if (level.at < level.items.size()) {
        next = level.items[level.at];
        path.back() = level.set ? next : Value::Int(static_cast<int64_t>(level.at));
        ++level.at;
        break;
      }
      if (level.at < level.entries.size()) {
        next = level.entries[level.at].value;
        path.back() = level.entries[level.at].key;
        ++level.at;
        break;
      }
      levels.pop_back();
      path.pop_back();
    }
    if (levels.empty()) return false;
  }
  has_next = false;
  value = next;
  if (path_out != nullptr) *path_out = Value::Array(arena, path);
  if (next.IsMap() && !next.empty()) {
    levels.push_back({{}, SortedEntries(next, arena), 0, false});
    path.emplace_back();
  } else if ((next.IsArray() || next.IsSet()) && !next.empty()) {
    levels.push_back({next.items(), {}, 0, next.IsSet()});
    path.emplace_back();
  }
  return true;
}

// Iterates over the items of a collection that can be equal to a value: all of them the first
// times, those that an index has afterwards. The comparison itself still follows.
bool Machine::Filter(const FilterSite& site, const Program& code, const Value* registers,
                     Iterator& iterator) {
  auto operand = [&](uint32_t at) -> const Value& { return Operand(code, registers, at); };
  const Value& over = operand(site.collection);
  iterator = {};
  if (over.IsMap()) {
    iterator.entries = SortedEntries(over, arena_);
  } else if (over.IsArray() || over.IsSet()) {
    iterator.items = over.items();
    iterator.set = over.IsSet();
  } else {
    return false;
  }
  if (over.size() < kIndexFrom) return true;
  ItemIndex& index = indices_[&site];
  // The same memory is the same collection: nothing in the arena changes or goes away.
  const void* const identity = over.IsMap() ? static_cast<const void*>(over.entries().data())
                                            : static_cast<const void*>(over.items().data());
  if (index.collection != identity || index.size != over.size()) {
    index.collection = identity;
    index.size = over.size();
    index.uses = 1;
    index.built = false;
    index.positions.clear();
    return true;
  }
  if (!index.built) {
    if (++index.uses < 2) return true;
    index.built = true;
    for (uint32_t i = 0; i < over.size(); ++i) {
      Value at = over.IsMap() ? iterator.entries[i].value : iterator.items[i];
      bool there = true;
      for (size_t n = 0; there && n < site.path.size(); ++n) {
        Value next;
        there = Get(at, site.path[n], next);
        at = next;
      }
      if (there) index.positions[at].push_back(i);
    }
    if (!context_.Spend(over.size())) return true;  // the next step ends the query
  }
  iterator.chosen = true;
  if (auto found = index.positions.find(operand(site.value)); found != index.positions.end())
    iterator.positions = found->second;
  return true;
}

}  // namespace bulwark::rego
