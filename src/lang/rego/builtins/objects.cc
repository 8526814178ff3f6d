// Objects, what json.* makes of them, graphs.

#include <algorithm>
#include <map>
#include <memory>
#include <unordered_set>

#include "base/text.h"
#include "lang/rego/builtins/builtin.h"
#include "lang/rego/builtins/json_patch.h"
#include "lang/rego/builtins/number.h"
#include "lang/rego/builtins/support.h"

namespace bulwark::rego {

namespace {

bool Before(const Value& a, const Value& b) { return Value::Compare(a, b) < 0; }

// Collects entries whose keys are known to differ.
class Entries {
 public:
  explicit Entries(Arena& arena) : arena_(arena) {}
  void Add(const Value& key, const Value& value) { entries_.push_back({key, value}); }
  Value Finish() { return MapBuilder::FromUnique(arena_, arena_.Copy<Value::Entry>(entries_)); }

 private:
  Arena& arena_;
  std::vector<Value::Entry> entries_;
};

// Of objects that say different things of a key, the first wins; where that is an object, so are
// those after it merged into it up to the first that is none.
bool Merge(Context& c, std::span<const Value> first_wins, Value& out) {
  if (first_wins.size() == 1) {
    out = first_wins[0];
    return true;
  }
  struct Source {
    std::span<const Value::Entry> rest;
  };
  std::vector<Source> sources;
  for (const Value& object : first_wins) {
    if (!c.Spend(object.size() + 1)) return false;
    sources.push_back({SortedEntries(object, c.arena)});
  }
  Entries merged(c.arena);
  std::vector<Value> values;
  while (true) {
    const Value* least = nullptr;
    for (const Source& source : sources) {
      if (source.rest.empty()) continue;
      const Value& key = source.rest.front().key;
      if (least == nullptr || Before(key, *least)) least = &key;
    }
    if (least == nullptr) break;
    Value key = *least;
    values.clear();
    for (Source& source : sources) {
      if (source.rest.empty() || Value::Compare(source.rest.front().key, key) != 0) continue;
      values.push_back(source.rest.front().value);
      source.rest = source.rest.subspan(1);
    }
    auto objects = std::ranges::find_if_not(values, &Value::IsMap);
    Value value = values[0];
    if (objects - values.begin() > 1) {
      std::vector<Value> together(values.begin(), objects);
      if (!Merge(c, together, value)) return false;
    }
    if (!c.Spend(sources.size())) return false;
    merged.Add(key, value);
  }
  out = merged.Finish();
  return true;
}

Outcome ObjectUnion(Context& c, Args args, Value& out) {
  if (!args[0].IsMap()) return c.WrongType(1, args[0], "object");
  if (!args[1].IsMap()) return c.WrongType(2, args[1], "object");
  if (args[0].empty()) return Give(out, args[1]);
  if (args[1].empty()) return Give(out, args[0]);
  const Value both[] = {args[1], args[0]};
  return Merge(c, both, out) ? Outcome::kValue : Outcome::kHalt;
}

Outcome ObjectUnionN(Context& c, Args args, Value& out) {
  if (!args[0].IsArray()) return c.WrongType(1, args[0], "array");
  std::vector<Value> objects(args[0].items().rbegin(), args[0].items().rend());
  for (const Value& object : args[0].items()) {
    if (!object.IsMap()) return WrongElement(c, 1, args[0], object, "object");
  }
  if (objects.empty()) return Give(out, Value::EmptyMap());
  return Merge(c, objects, out) ? Outcome::kValue : Outcome::kHalt;
}

// The keys that object.remove and object.filter are given, sorted.
bool KeysArgument(Context& c, const Value& keys, std::vector<Value>& out) {
  if (keys.IsMap()) {
    for (const Value::Entry& entry : keys.entries()) out.push_back(entry.key);
  } else if (keys.IsArray() || keys.IsSet()) {
    out.assign(keys.items().begin(), keys.items().end());
  } else {
    c.WrongType(2, keys, "one of {object, set, array}");
    return false;
  }
  if (!keys.IsSet()) std::ranges::sort(out, Before);
  return true;
}

template <bool kKeep>
Outcome ObjectPick(Context& c, Args args, Value& out) {
  if (!args[0].IsMap()) return c.WrongType(1, args[0], "object");
  std::vector<Value> keys;
  if (!KeysArgument(c, args[1], keys)) return Outcome::kError;
  if (!c.Spend(keys.size() + args[0].size())) return Outcome::kHalt;
  Entries picked(c.arena);
  for (const Value::Entry& entry : args[0].entries()) {
    if (std::ranges::binary_search(keys, entry.key, Before) == kKeep) {
      picked.Add(entry.key, entry.value);
    }
  }
  return Give(out, picked.Finish());
}

// What stands under a key of any collection; nullptr: nothing. A set's item stands under itself.
const Value* At(const Value& collection, const Value& key) {
  if (collection.IsMap()) return collection.Find(key);
  std::span<const Value> items = collection.items();
  if (collection.IsArray()) {
    std::optional<int64_t> at = key.IsNumber() ? MachineInt(key) : std::nullopt;
    if (!at || *at < 0 || static_cast<uint64_t>(*at) >= items.size()) return nullptr;
    return &items[static_cast<size_t>(*at)];
  }
  auto found = std::ranges::lower_bound(items, key, Before);
  return found != items.end() && *found == key ? &*found : nullptr;
}

Outcome ObjectGet(Context& c, Args args, Value& out) {
  if (!args[0].IsMap()) return c.WrongType(1, args[0], "object");
  const Value* at = &args[0];
  if (args[1].IsArray()) {
    for (const Value& key : args[1].items()) {
      if (at != nullptr) at = At(*at, key);
    }
  } else {
    at = at->Find(args[1]);
  }
  return Give(out, at != nullptr ? *at : args[2]);
}

Outcome ObjectKeys(Context& c, Args args, Value& out) {
  if (!args[0].IsMap()) return c.WrongType(1, args[0], "object");
  if (!c.Spend(args[0].size() * 2)) return Outcome::kHalt;
  std::vector<Value> keys;
  keys.reserve(args[0].size());
  for (const Value::Entry& entry : args[0].entries()) keys.push_back(entry.key);
  return Give(out, Value::Set(c.arena, keys));
}

// --- object.subset -------------------------------------------------------------------------------

bool ArrayWithin(const Value& super, const Value& sub) {
  size_t begin = 0;
  size_t matched = 0;
  while (matched < sub.size()) {
    if (begin + matched >= super.size()) return false;
    if (super.items()[begin + matched] == sub.items()[matched]) {
      ++matched;
    } else {
      ++begin;
      matched = 0;
    }
  }
  return true;
}

// False where they are no pair that can be compared.
bool Comparable(const Value& super, const Value& sub) {
  if (super.IsMap()) return sub.IsMap();
  if (super.IsSet()) return sub.IsSet();
  return super.IsArray() && sub.IsArray();
}

bool Within(Context& c, const Value& super, const Value& sub) {
  if (!c.Spend(sub.size() + 1)) return false;
  if (sub.IsMap()) {
    return std::ranges::all_of(sub.entries(), [&](const Value::Entry& entry) {
      const Value* there = super.Find(entry.key);
      if (there == nullptr) return false;
      if (*there == entry.value) return true;
      return Comparable(*there, entry.value) && Within(c, *there, entry.value);
    });
  }
  if (sub.IsSet()) return std::ranges::includes(super.items(), sub.items(), Before);
  if (!c.Spend(super.size() * sub.size() / 4)) return false;
  return ArrayWithin(super, sub);
}

Outcome ObjectSubset(Context& c, Args args, Value& out) {
  const Value& super = args[0];
  const Value& sub = args[1];
  bool within = false;
  if (Comparable(super, sub)) {
    within = Within(c, super, sub);
  } else if (super.IsArray() && sub.IsSet()) {
    // Items that stand twice count twice, as OPA counts.
    size_t missing = sub.size();
    within = std::ranges::any_of(super.items(), [&](const Value& item) {
      if (sub.Contains(item)) --missing;
      return missing == 0;
    });
    if (!c.Spend(super.size())) return Outcome::kHalt;
  } else {
    c.error_code = "eval_type_error";
    c.error = "both arguments object.subset must be of the same type or array and set";
    return Outcome::kError;
  }
  if (c.halted()) return Outcome::kHalt;
  return Give(out, within);
}

// --- json.filter, json.remove --------------------------------------------------------------------

// What paths lead to, as a tree; a leaf stands for all below it.
struct PathTree {
  struct Less {
    bool operator()(const Value& a, const Value& b) const { return Before(a, b); }
  };
  bool leaf = false;
  std::map<Value, std::unique_ptr<PathTree>, Less> children;

  const PathTree* Find(const Value& key) const {
    auto found = children.find(key);
    return found == children.end() ? nullptr : found->second.get();
  }
};

bool PathsArgument(Context& c, const Value& paths, PathTree& root) {
  if (!paths.IsArray() && !paths.IsSet()) {
    c.WrongType(2, paths, "one of {set, array}");
    return false;
  }
  for (const Value& path : paths.items()) {
    std::vector<Value> segments;
    if (!ParsePath(c, path, segments)) return false;
    if (segments.empty()) continue;
    PathTree* node = &root;
    for (const Value& segment : segments) {
      if (node->leaf) break;
      std::unique_ptr<PathTree>& child = node->children[segment];
      if (child == nullptr) child = std::make_unique<PathTree>();
      node = child.get();
    }
    node->leaf = true;
    node->children.clear();
  }
  return true;
}

Value IndexText(Arena& arena, size_t index) { return Value::String(arena, std::to_string(index)); }

// Only what the tree leads to.
Value Filtered(Context& c, const Value& value, const PathTree& tree) {
  if (tree.leaf || !c.Spend(value.size() + 1)) return value;
  if (value.IsMap()) {
    Entries kept(c.arena);
    for (const Value::Entry& entry : value.entries()) {
      const PathTree* child = tree.Find(entry.key);
      if (child != nullptr) kept.Add(entry.key, Filtered(c, entry.value, *child));
    }
    return kept.Finish();
  }
  if (!value.IsArray() && !value.IsSet()) return value;
  std::vector<Value> kept;
  for (size_t i = 0; i < value.size(); ++i) {
    const Value& item = value.items()[i];
    const PathTree* child = tree.Find(value.IsSet() ? item : IndexText(c.arena, i));
    if (child != nullptr) kept.push_back(Filtered(c, item, *child));
  }
  return value.IsSet() ? Value::Set(c.arena, kept) : Value::Array(c.arena, kept);
}

// All but that.
Value Removed(Context& c, const Value& value, const PathTree& tree) {
  if (!c.Spend(value.size() + 1)) return value;
  auto keep = [&](const Value& item, const PathTree* child, auto add) {
    if (child == nullptr) {
      add(item);
    } else if (!child->leaf) {
      add(Removed(c, item, *child));
    }
  };
  if (value.IsMap()) {
    Entries kept(c.arena);
    for (const Value::Entry& entry : value.entries()) {
      keep(entry.value, tree.Find(entry.key), [&](const Value& v) { kept.Add(entry.key, v); });
    }
    return kept.Finish();
  }
  if (!value.IsArray() && !value.IsSet()) return value;
  std::vector<Value> kept;
  for (size_t i = 0; i < value.size(); ++i) {
    const Value& item = value.items()[i];
    keep(item, tree.Find(value.IsSet() ? item : IndexText(c.arena, i)),
         [&](const Value& v) { kept.push_back(v); });
  }
  return value.IsSet() ? Value::Set(c.arena, kept) : Value::Array(c.arena, kept);
}

template <Value (*kApply)(Context&, const Value&, const PathTree&)>
Outcome ByPaths(Context& c, Args args, Value& out) {
  if (!args[0].IsMap()) return c.WrongType(1, args[0], "object");
  PathTree tree;
  if (!PathsArgument(c, args[1], tree)) return Outcome::kError;
  out = kApply(c, args[0], tree);
  return c.halted() ? Outcome::kHalt : Outcome::kValue;
}

Outcome JsonPatch(Context& c, Args args, Value& out) {
  if (!args[1].IsArray()) return c.WrongType(2, args[1], "array");
  return ApplyPatch(c, args[0], args[1].items(), out);
}

// --- Graphs --------------------------------------------------------------------------------------

struct Hasher {
  size_t operator()(const Value& value) const { return value.Hash(); }
};
using ValueSet = std::unordered_set<Value, Hasher>;

std::span<const Value> EdgesOf(const Value& graph, const Value& node, bool& known) {
  const Value* edges = graph.Find(node);
  known = edges != nullptr;
  return known ? edges->items() : std::span<const Value>();
}

Outcome Reachable(Context& c, Args args, Value& out) {
  if (!args[0].IsMap()) return c.WrongType(1, args[0], "object");
  if (!args[1].IsArray() && !args[1].IsSet()) return c.WrongType(2, args[1], "{array, set}");
  std::vector<Value> queue(args[1].items().begin(), args[1].items().end());
  ValueSet seen(queue.begin(), queue.end());
  std::vector<Value> reached;
  for (size_t i = 0; i < queue.size(); ++i) {
    Value node = queue[i];
    bool known = false;
    std::span<const Value> edges = EdgesOf(args[0], node, known);
    if (!c.Spend(edges.size() + 1)) return Outcome::kHalt;
    if (!known) continue;
    reached.push_back(node);
    for (const Value& next : edges) {
      if (seen.insert(next).second) queue.push_back(next);
    }
  }
  return Give(out, Value::Set(c.arena, reached));
}

// Walks all paths without cycles from a node on, and keeps where each ends.
struct PathFinder {
  Context& c;
  const Value& graph;
  std::vector<Value> path = {};
  ValueSet on_path = {};
  std::vector<Value> found = {};

  bool Keep() {
    if (!c.Spend(path.size() + 1)) return false;
    found.push_back(Value::Array(c.arena, path));
    return true;
  }
  bool Walk(const Value& node) {
    bool known = false;
    std::span<const Value> edges = EdgesOf(graph, node, known);
    if (!known) return Keep();
    path.push_back(node);
    bool more = edges.empty() ? Keep() : Follow(node, edges);
    path.pop_back();
    return more;
  }
  bool Follow(const Value& node, std::span<const Value> edges) {
    const bool entered = on_path.insert(node).second;
    for (const Value& next : edges) {
      if (path.size() >= kDeepest || !c.Spend(1)) return false;
      // The first node's edges are followed even where they lead back to it.
      const bool ends = path.size() > 1 && on_path.contains(next);
      if (!(ends ? Keep() : Walk(next))) return false;
    }
    if (entered) on_path.erase(node);
    return true;
  }
  static constexpr size_t kDeepest = 10'000;
};

Outcome ReachablePaths(Context& c, Args args, Value& out) {
  if (!args[0].IsMap()) return c.WrongType(1, args[0], "object");
  if (!args[1].IsArray() && !args[1].IsSet()) return c.WrongType(2, args[1], "{array, set}");
  PathFinder finder{c, args[0]};
  for (const Value& root : args[1].items()) {
    if (args[0].Find(root) == nullptr) continue;
    if (!finder.Walk(root)) {
      if (!c.halted()) return c.Fail("paths are longer than 10000 nodes");
      return Outcome::kHalt;
    }
  }
  return Give(out, Value::Set(c.arena, finder.found));
}

constexpr Builtin kBuiltins[] = {
    {"graph.reachable",
     "(graph: object[any: array[any] | set[any]], initial: array[any] | set[any]) -> set[any]",
     Reachable},
    {"graph.reachable_paths",
     "(graph: object[any: array[any] | set[any]], initial: array[any] | set[any]) -> "
     "set[array[any]]",
     ReachablePaths},
    {"json.filter",
     "(object: object[any: any], paths: array[string | array[any]] | set[string | array[any]]) -> "
     "object[any: any]",
     ByPaths<Filtered>},
    {"json.patch",
     "(target: any, patches: array[object<\"op\": string, \"path\": any, any: any>]) -> any",
     JsonPatch},
    {"json.remove",
     "(object: object[any: any], paths: array[string | array[any]] | set[string | array[any]]) -> "
     "object[any: any]",
     ByPaths<Removed>},
    {"object.filter",
     "(object: object[any: any], keys: array[any] | object[any: any] | set[any]) -> "
     "object[any: any]",
     ObjectPick<true>},
    {"object.get", "(object: object[any: any], key: any, default: any) -> any", ObjectGet},
    {"object.keys", "(object: object[any: any]) -> set[any]", ObjectKeys},
    {"object.remove",
     "(object: object[any: any], keys: array[any] | object[any: any] | set[any]) -> "
     "object[any: any]",
     ObjectPick<false>},
    {"object.subset",
     "(super: array[any] | object[any: any] | set[any], sub: array[any] | object[any: any] | "
     "set[any]) -> boolean",
     ObjectSubset},
    {"object.union", "(a: object[any: any], b: object[any: any]) -> object[any: any]", ObjectUnion},
    {"object.union_n", "(objects: array[object[any: any]]) -> object[any: any]", ObjectUnionN},
    {"walk", "(x: any) -> array<array[any], any>", nullptr, {}, false, false, true},
};

}  // namespace

std::span<const Builtin> ObjectBuiltins() { return kBuiltins; }

}  // namespace bulwark::rego
