#include "lang/rego/builtins/json_patch.h"

#include <algorithm>

#include "base/text.h"
#include "lang/rego/builtins/number.h"
#include "lang/rego/builtins/support.h"

namespace bulwark::rego {

bool ParsePath(Context& context, const Value& path, std::vector<Value>& out) {
  if (path.IsArray()) {
    out.assign(path.items().begin(), path.items().end());
    return true;
  }
  if (!path.IsString()) {
    context.BadOperand(2,
                       "must be one of {set, array} containing string paths or array of path "
                       "segments but got " +
                           std::string(TypeName(path)));
    return false;
  }
  std::string_view text = path.AsString();
  if (text.empty()) return true;
  while (text.starts_with('/')) text.remove_prefix(1);
  for (std::string_view part : Split(text, '/')) {
    if (part.find('~') == std::string_view::npos) {
      out.push_back(Value::String(part));
    } else {
      std::string unescaped = ReplaceAll(ReplaceAll(part, "~1", "/"), "~0", "~");
      out.push_back(Value::String(context.arena, unescaped));
    }
  }
  return true;
}

namespace {

using Path = std::span<const Value>;

// How Go calls the type, as it stands in OPA's messages.
std::string_view GoType(const Value& value) {
  if (value.IsString()) return "ast.String";
  if (value.IsBool()) return "ast.Boolean";
  return value.IsNull() ? "ast.Null" : "ast.Number";
}

class Patcher {
 public:
  Patcher(Context& context, const Value& target) : c_(context), root_(target) {}

  bool Apply(const Value& operation);
  bool gone() const { return gone_; }
  const Value& root() const { return root_; }

 private:
  enum class Edit : uint8_t { kInsert, kDelete };

  bool Fail(const std::string& message) {
    c_.Fail(message);
    return false;
  }
  bool ToIndex(size_t size, const Value& key, int64_t& out);
  // The value a path leads to.
  bool Get(Path path, Value& out);
  bool Child(const Value& parent, const Value& key, Value& out);
  bool Change(Edit edit, Path path, const Value& value);
  // `at` with the change that the rest of the path describes.
  bool Changed(const Value& at, Edit edit, Path path, const Value& value, Value& out);
  bool ChangedHere(const Value& at, Edit edit, const Value& key, const Value& value, Value& out);
  Value WithEntry(const Value& object, const Value& key, const Value* value);

  Context& c_;
  Value root_;
  bool gone_ = false;
};

bool Patcher::ToIndex(size_t size, const Value& key, int64_t& out) {
  if (key.IsNumber()) {
    std::optional<int64_t> index = MachineInt(key);
    if (!index) return Fail("invalid number type for indexing");
    out = *index;
    return true;
  }
  if (!key.IsString()) return Fail("invalid type for indexing");
  std::string_view text = key.AsString();
  if (text == "-") {
    out = static_cast<int64_t>(size);
    return true;
  }
  std::string_view digits = text;
  if (digits.starts_with('-') || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.empty() || digits.size() > 18 || !std::ranges::all_of(digits, IsAsciiDigit)) {
    return Fail("invalid string for indexing");
  }
  if (text != "0" && text.starts_with('0')) {
    return Fail("leading zeros are not allowed in JSON paths");
  }
  out = 0;
  for (char digit : digits) out = out * 10 + (digit - '0');
  if (text.starts_with('-')) out = -out;
  return true;
}

bool Patcher::Child(const Value& parent, const Value& key, Value& out) {
  if (parent.IsMap()) {
    const Value* found = parent.Find(key);
    if (found == nullptr) {
      return Fail("path " + ToRegoText(key) + " does not exist in object term " +
                  ToRegoText(parent));
    }
    out = *found;
    return true;
  }
  if (parent.IsSet()) {
    if (!parent.Contains(key)) {
      std::string path = key.IsString() ? std::string(key.AsString()) : ToRegoText(key);
      return Fail("path " + path + " does not exist in set term " + ToRegoText(parent));
    }
    out = key;
    return true;
  }
  if (parent.IsArray()) {
    int64_t index = 0;
    if (!ToIndex(parent.size(), key, index)) return false;
    if (index < 0 || index >= static_cast<int64_t>(parent.size())) {
      return Fail("path " + std::to_string(index) + " does not exist in array term " +
                  ToRegoText(parent));
    }
    out = parent.items()[static_cast<size_t>(index)];
    return true;
  }
  return Fail("expected composite type for path " + ToRegoText(key) + ", found value: " +
              ToRegoText(parent) + " (type: " + std::string(GoType(parent)) + ")");
}

bool Patcher::Get(Path path, Value& out) {
  if (gone_ && !path.empty()) {
    return Fail("nil value encountered where composite value was expected");
  }
  out = root_;
  for (const Value& key : path) {
    if (!Child(out, key, out)) return false;
  }
  return true;
}

// The object with another value under a key, or without it; sorted stays sorted.
Value Patcher::WithEntry(const Value& object, const Value& key, const Value* value) {
  auto before = [](const Value::Entry& a, const Value& b) { return Value::Compare(a.key, b) < 0; };
  std::span<const Value::Entry> entries = SortedEntries(object, c_.arena);
  std::vector<Value::Entry> out(entries.begin(), entries.end());
  auto at = std::lower_bound(out.begin(), out.end(), key, before);
  bool there = at != out.end() && Value::Compare(at->key, key) == 0;
  if (value == nullptr) {
    out.erase(at);
  } else if (there) {
    at->value = *value;
  } else {
    out.insert(at, {key, *value});
  }
  return MapBuilder::FromUnique(c_.arena, c_.arena.Copy<Value::Entry>(out));
}

bool Patcher::ChangedHere(const Value& at, Edit edit, const Value& key, const Value& value,
                          Value& out) {
  auto missing = [&] {
    return Fail("cannot delete child key " + ToRegoText(key) + " that does not exist");
  };
  if (at.IsMap()) {
    if (edit == Edit::kDelete && at.Find(key) == nullptr) return missing();
    out = WithEntry(at, key, edit == Edit::kInsert ? &value : nullptr);
    return true;
  }
  if (at.IsSet()) {
    std::vector<Value> items(at.items().begin(), at.items().end());
    if (edit == Edit::kInsert) {
      if (key != value) {
        return Fail("set key " + ToRegoText(key) + " does not equal value to be inserted " +
                    ToRegoText(value));
      }
      items.push_back(value);
    } else {
      auto found = std::ranges::find(items, key);
      if (found == items.end()) return missing();
      items.erase(found);
    }
    out = Value::Set(c_.arena, items);
    return true;
  }
  if (at.IsArray()) {
    int64_t index = 0;
    auto size = static_cast<int64_t>(at.size());
    if (!ToIndex(at.size(), key, index)) return false;
    std::vector<Value> items(at.items().begin(), at.items().end());
    if (edit == Edit::kInsert) {
      if (index < 0 || index > size) return Fail("index for array insertion out of bounds");
      items.insert(items.begin() + index, value);
    } else {
      if (index < 0 || index >= size) return Fail("index for array delete out of bounds");
      items.erase(items.begin() + index);
    }
    out = Value::Array(c_.arena, items);
    return true;
  }
  return Fail("expected composite type, found value: " + ToRegoText(at) +
              " (type: " + std::string(GoType(at)) + ")");
}

bool Patcher::Changed(const Value& at, Edit edit, Path path, const Value& value, Value& out) {
  if (!c_.Spend(at.size() + 1)) return false;
  if (path.size() == 1) return ChangedHere(at, edit, path[0], value, out);
  Value child;
  Value changed;
  if (!Child(at, path[0], child) || !Changed(child, edit, path.subspan(1), value, changed)) {
    return false;
  }
  if (at.IsMap()) {
    out = WithEntry(at, path[0], &changed);
    return true;
  }
  std::vector<Value> items(at.items().begin(), at.items().end());
  if (at.IsSet()) {
    *std::ranges::find(items, path[0]) = changed;
    out = Value::Set(c_.arena, items);
  } else {
    int64_t index = 0;
    if (!ToIndex(at.size(), path[0], index)) return false;
    items[static_cast<size_t>(index)] = changed;
    out = Value::Array(c_.arena, items);
  }
  return true;
}

bool Patcher::Change(Edit edit, Path path, const Value& value) {
  if (path.empty()) {
    if (edit == Edit::kDelete && gone_) {
      return Fail("deleted node encountered during delete operation");
    }
    gone_ = edit == Edit::kDelete;
    root_ = value;
    return true;
  }
  if (gone_) {
    if (path.size() > 1) return Fail("nil value encountered where composite value was expected");
    return Fail(std::string("deleted node encountered during ") +
                (edit == Edit::kInsert ? "insert" : "delete") + " operation");
  }
  Value out;
  if (!Changed(root_, edit, path, value, out)) return false;
  root_ = out;
  return true;
}

bool Patcher::Apply(const Value& operation) {
  if (!operation.IsMap()) {
    return Fail(
        "must be an array of JSON-Patch objects, but at least one element is not an object");
  }
  const Value* path_value = operation.Find("path");
  if (path_value == nullptr) return Fail("missing required attribute 'path'");
  const Value* op_value = operation.Find("op");
  if (op_value == nullptr) return Fail("missing required attribute 'op'");
  if (!op_value->IsString()) {
    return Fail("attribute 'op' must be a string but found: " + std::string(TypeName(*op_value)));
  }
  std::vector<Value> path;
  if (!ParsePath(c_, *path_value, path)) return false;
  std::string_view op = op_value->AsString();
  const Value* value = operation.Find("value");
  auto need_value = [&] { return value != nullptr || Fail("missing required attribute 'value'"); };

  if (op == "add") return need_value() && Change(Edit::kInsert, path, *value);
  if (op == "remove") return Change(Edit::kDelete, path, {});
  if (op == "replace") {
    return Change(Edit::kDelete, path, {}) && need_value() && Change(Edit::kInsert, path, *value);
  }
  if (op == "move" || op == "copy") {
    const Value* from_value = operation.Find("from");
    if (from_value == nullptr) return Fail("missing required attribute 'from'");
    std::vector<Value> from;
    Value chunk;
    if (!ParsePath(c_, *from_value, from) || !Get(from, chunk)) return false;
    if (op == "move" && !Change(Edit::kDelete, from, {})) return false;
    return Change(Edit::kInsert, path, chunk);
  }
  if (op == "test") {
    Value found;
    if (!Get(path, found) || !need_value()) return false;
    if (!gone_ && found == *value) return true;
    return Fail("value from EditTree != patch value.\n\nExpected: " + ToRegoText(*value) +
                "\n\nFound: " + ToRegoText(found));
  }
  return Fail("unrecognized op: '" + std::string(op) + "'");
}

}  // namespace

Outcome ApplyPatch(Context& context, const Value& target, std::span<const Value> operations,
                   Value& out) {
  Patcher patcher(context, target);
  for (const Value& operation : operations) {
    if (!context.Spend(1)) return Outcome::kHalt;
    if (!patcher.Apply(operation)) return context.halted() ? Outcome::kHalt : Outcome::kError;
  }
  if (patcher.gone()) return Outcome::kUndefined;
  return Give(out, patcher.root());
}

}  // namespace bulwark::rego
