// What rules, base documents and `with` make of data.

#include <fmt/core.h>

#include <algorithm>
#include <memory>

#include "lang/rego/machine.h"
#include "lang/rego/machine_values.h"

namespace bulwark::rego {

namespace {

std::vector<Value> PathOf(const TreeNode& node) {
  std::vector<Value> path;
  for (const TreeNode* at = &node; at->parent != nullptr; at = at->parent) path.push_back(at->key);
  std::ranges::reverse(path);
  return path;
}

}  // namespace

Machine::Memo& Machine::MemoAt(uint32_t key) {
  Memos& memos = scope_->memos;
  auto slot = [](Memos& in, uint32_t wanted) -> Memo& {
    for (uint32_t at = wanted * 0x9e37'79b1U;; ++at) {
      Memo& memo = in.slots[at & (in.size - 1)];
      if (memo.key == wanted || memo.key == kNone) return memo;
    }
  };
  if (memos.used * 2 >= memos.size) {
    Memos larger;
    larger.size = memos.size == 0 ? 16 : memos.size * 2;
    larger.slots = arena_.Array<Memo>(larger.size);
    larger.used = memos.used;
    std::uninitialized_value_construct_n(larger.slots, larger.size);
    for (uint32_t i = 0; i < memos.size; ++i) {
      if (memos.slots[i].key != kNone) slot(larger, memos.slots[i].key) = memos.slots[i];
    }
    memos = larger;
  }
  Memo& memo = slot(memos, key);
  if (memo.key == kNone) {
    memo.key = key;
    ++memos.used;
  }
  return memo;
}

const Value* Machine::Base(std::span<const Value> path) const {
  const Value* at = &scope_->data;
  for (const Value& key : path) {
    at = BaseStep(*at, key);
    if (at == nullptr) return nullptr;
  }
  return at;
}

// A step into a base document: there, whole numbers find the texts of objects' keys as well.
const Value* Machine::BaseStep(const Value& at, const Value& key) {
  if (at.IsMap()) {
    const Value* found = at.Find(key);
    if (found != nullptr || !key.IsNumber()) return found;
    const auto whole = key.ToInt();
    return whole ? at.Find(std::to_string(*whole)) : nullptr;
  }
  if (!at.IsArray() || !key.IsNumber()) return nullptr;
  const auto index = key.ToInt();
  if (!index || *index < 0 || static_cast<size_t>(*index) >= at.size()) return nullptr;
  return &at.items()[static_cast<size_t>(*index)];
}

// True if the document at `path`, or one that it lies in, was replaced by a `with`.
bool Machine::Replaced(std::span<const Value> path) const {
  for (const Scope* scope = scope_; scope != nullptr && scope->data_replaced;
       scope = scope->outer) {
    if (scope->replaced == nullptr) continue;
    for (const WithTarget& target : scope->replaced->targets) {
      if (target.kind != WithTarget::Kind::kData || target.path.size() > path.size()) continue;
      if (std::ranges::equal(target.path, path.first(target.path.size()))) return true;
    }
  }
  return false;
}

// `from` with the value at `path` replaced; what is no object on the way becomes one.
Value Machine::Patched(const Value* from, std::span<const Value> path, const Value& value) {
  if (path.empty()) return value;
  if (from != nullptr && !from->IsMap()) from = nullptr;
  const Value* under = from != nullptr ? from->Find(path[0]) : nullptr;
  const Value inner = Patched(under, path.subspan(1), value);
  MapBuilder map(arena_, from != nullptr ? from->size() + 1 : 1);
  if (from != nullptr) {
    for (const Value::Entry& entry : from->entries()) map.Add(entry.key, entry.value);
  }
  map.Add(path[0], inner);
  return map.Finish();
}

void Machine::Enter(const WithSite& site, const Program& code, const Value* registers,
                    Scope*& slot) {
  auto operand = [&](uint32_t at) -> const Value& { return Operand(code, registers, at); };
  Scope* made = arena_.New<Scope>(*scope_);
  made->memos = {};
  made->outer = scope_;
  made->replaced = &site;
  for (const WithTarget& target : site.targets) {
    switch (target.kind) {
      case WithTarget::Kind::kInput:
        made->input =
            Patched(made->has_input ? &made->input : nullptr, target.path, operand(target.value));
        made->has_input = true;
        break;
      case WithTarget::Kind::kData:
        made->data = Patched(&made->data, target.path, operand(target.value));
        made->data_replaced = true;
        break;
      case WithTarget::Kind::kFunction: {
        Mock* mock = arena_.New<Mock>();
        mock->what = &target;
        if (target.value != kNone) mock->value = operand(target.value);
        mock->outer = made->mocks;
        made->mocks = mock;
        break;
      }
    }
  }
  slot = made;
  scope_ = made;
}

Outcome Machine::Documented(const Document& document, Value& out) {
  Memo& memo = MemoOf(document);
  switch (memo.state) {
    case State::kDefined: out = memo.value; return Outcome::kValue;
    case State::kUndefined: return Outcome::kUndefined;
    case State::kRunning:
      return Fail("eval_internal_error", fmt::format("{} needs itself", document.node->Path()),
                  document.module, document.at);
    case State::kNew: break;
  }
  if (scope_->data_replaced && Replaced(document.path)) {
    const Value* base = Base(document.path);
    memo.state = base != nullptr ? State::kDefined : State::kUndefined;
    if (base != nullptr) out = memo.value = *base;
    return base != nullptr ? Outcome::kValue : Outcome::kUndefined;
  }
  memo.state = State::kRunning;
  const Outcome outcome = Run(document.procedure, {}, out);
  Memo& after = MemoOf(document);
  if (outcome == Outcome::kValue) after.value = out;
  after.state = outcome == Outcome::kValue ? State::kDefined : State::kUndefined;
  return outcome;
}

// The entries of both; where both have one, objects are merged and else `over` wins.
Value Machine::Merge(const Value& under, const Value& over) {
  if (!under.IsMap() || !over.IsMap() || under.empty()) return over;
  if (over.empty()) return under;
  MapBuilder map(arena_, under.size() + over.size());
  for (const Value::Entry& entry : under.entries()) map.Add(entry.key, entry.value);
  for (const Value::Entry& entry : over.entries()) {
    const Value* there = under.Find(entry.key);
    map.Add(entry.key, there != nullptr ? Merge(*there, entry.value) : entry.value);
  }
  return map.Finish();
}

Outcome Machine::Leaves(const TreeNode& node, Value& out) {
  if (const Document* document = plan_.Of(node); document != nullptr) {
    if (document->kind == DocumentKind::kFunction) return Outcome::kUndefined;
    return Documented(*document, out);
  }
  MapBuilder map(arena_, node.children.size());
  for (const auto& [key, child] : node.children) {
    if (node.parent == nullptr && key.IsString() && key.AsString() == "system") continue;
    Value value;
    const Outcome outcome = Leaves(*child, value);
    if (outcome == Outcome::kHalt) return outcome;
    if (outcome == Outcome::kValue) map.Add(key, value);
  }
  out = map.Finish();
  return Outcome::kValue;
}

Outcome Machine::Extent(const TreeNode& node, Value& out) {
  const Document* document = plan_.Of(node);
  if (document != nullptr && document->kind != DocumentKind::kObject) {
    if (document->kind == DocumentKind::kFunction) return Outcome::kUndefined;
    return Documented(*document, out);
  }
  Memo& memo = MemoOf(node);
  if (memo.state == State::kDefined) {
    out = memo.value;
    return Outcome::kValue;
  }
  if (memo.state == State::kUndefined) return Outcome::kUndefined;
  if (memo.state == State::kRunning) {
    return Fail("eval_internal_error", fmt::format("{} needs itself", node.Path()), nullptr, {});
  }
  const std::vector<Value> path = PathOf(node);
  const Value* base = Base(path);
  if (scope_->data_replaced && Replaced(path)) {
    memo.state = base != nullptr ? State::kDefined : State::kUndefined;
    if (base != nullptr) out = memo.value = *base;
    return base != nullptr ? Outcome::kValue : Outcome::kUndefined;
  }
  memo.state = State::kRunning;
  // data.system is there for those who ask for it by name, and no part of data.
  Value without_system;
  if (node.parent == nullptr && base != nullptr && base->Find("system") != nullptr) {
    MapBuilder map(arena_, base->size());
    for (const Value::Entry& entry : base->entries()) {
      if (!(entry.key.IsString() && entry.key.AsString() == "system"))
        map.Add(entry.key, entry.value);
    }
    without_system = map.Finish();
    base = &without_system;
  }
  Value leaves;
  const Outcome outcome = Leaves(node, leaves);
  if (outcome == Outcome::kHalt) return outcome;
  Memo& after = MemoOf(node);
  if (outcome == Outcome::kUndefined && base == nullptr) {
    after.state = State::kUndefined;
    return outcome;
  }
  if (base == nullptr) {
    out = leaves;
  } else if (outcome == Outcome::kUndefined) {
    out = *base;
  } else if (!base->IsMap() || !leaves.IsMap()) {
    return Fail("eval_with_merge_error", "real and replacement data could not be merged", nullptr,
                {});
  } else {
    out = Merge(leaves, *base);
  }
  after.value = out;
  after.state = State::kDefined;
  return Outcome::kValue;
}

Outcome Machine::Dynamic(const WalkSite& walk, const Program& code, const Value* registers,
                         Value& out) {
  const TreeNode* node = walk.node;
  size_t i = 0;
  auto key = [&](size_t at) -> const Value& {
    const uint32_t operand = walk.keys[at];
    return Operand(code, registers, operand);
  };
  Value at;
  bool found = false;
  for (; i < walk.keys.size(); ++i) {
    if (plan_.Of(*node) != nullptr) break;
    const TreeNode* child = node->Child(key(i));
    if (child == nullptr) {
      std::vector<Value> path = PathOf(*node);
      path.push_back(key(i));
      const Value* base = Base(path);
      for (++i; base != nullptr && i < walk.keys.size(); ++i) base = BaseStep(*base, key(i));
      if (base == nullptr) return Outcome::kUndefined;
      at = *base;
      found = true;
      break;
    }
    node = child;
  }
  if (!found) {
    const Outcome outcome = Extent(*node, at);
    if (outcome != Outcome::kValue) return outcome;
  }
  for (; i < walk.keys.size(); ++i) {
    Value next;
    if (!Get(at, key(i), next)) return Outcome::kUndefined;
    at = next;
  }
  out = at;
  return Outcome::kValue;
}

}  // namespace bulwark::rego
