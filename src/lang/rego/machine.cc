#include "lang/rego/machine.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace bulwark::rego {

namespace {

constexpr size_t kFrameBlock = size_t{64} << 10;
constexpr uint32_t kIndexFrom = 12;  // shorter collections are looked through
constexpr uint64_t kGrant = 20'000;  // units of work between looks at the clock

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

bool Compared(Op op, const Value& a, const Value& b) {
  if (op == Op::kEqual) return a == b;
  if (op == Op::kNotEqual) return !(a == b);
  int order = 0;
  if (a.IsInt() && b.IsInt()) {
    order = a.AsInt() < b.AsInt() ? -1 : (a.AsInt() > b.AsInt() ? 1 : 0);
  } else {
    order = Value::Compare(a, b);
  }
  switch (op) {
    case Op::kLess: return order < 0;
    case Op::kLessEqual: return order <= 0;
    case Op::kGreater: return order > 0;
    default: return order >= 0;
  }
}

bool Member(const Value& item, const Value& collection) {
  if (collection.IsMap()) {
    return std::ranges::any_of(collection.entries(),
                               [&](const Value::Entry& entry) { return entry.value == item; });
  }
  return collection.Contains(item);
}

std::vector<Value> PathOf(const TreeNode& node) {
  std::vector<Value> path;
  for (const TreeNode* at = &node; at->parent != nullptr; at = at->parent) path.push_back(at->key);
  std::ranges::reverse(path);
  return path;
}

}  // namespace

// --- Builders ------------------------------------------------------------------------------------

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

// --- Scopes --------------------------------------------------------------------------------------

Machine::Scratch& Machine::Borrow(Scratch& own) {
  thread_local Scratch kept;
  if (kept.busy) return own;
  kept.busy = true;
  return kept;
}

Machine::~Machine() {
  scratch_.busy = false;
  // What one large query needed is not kept for ever.
  constexpr size_t kKeep = 4096;
  for (auto& builder : scratch_.builders) {
    if (builder->items.capacity() > kKeep || builder->entries.capacity() > kKeep)
      builder = std::make_unique<Builder>();
  }
  if (scratch_.builders.size() > 64) scratch_.builders.resize(64);
  if (scratch_.walkers.size() > 16) scratch_.walkers.resize(16);
  if (scratch_.blocks.size() > 4) scratch_.blocks.resize(4);
}

Machine::Machine(const Plan& plan, const EvalOptions& options, Arena& arena)
    : plan_(plan),
      options_(options),
      arena_(arena),
      context_(arena, options.host != nullptr ? *options.host : default_host_),
      scratch_(Borrow(own_scratch_)),
      arena_before_(arena.bytes_reserved()) {
  root_.has_input = options.input != nullptr;
  if (options.input != nullptr) root_.input = *options.input;
  root_.data = options.data != nullptr ? *options.data : Value::EmptyMap();
  if (options.limits.time.count() > 0)
    deadline_ = std::chrono::steady_clock::now() + options.limits.time;
  context_.refill = [this](Context& context, uint64_t units, uint64_t& budget) {
    return Grant(context, units, budget);
  };
}

// Asked every now and then: is there still time, memory, anybody who waits?
bool Machine::Grant(Context& context, uint64_t units, uint64_t& budget) {
  spent_ += kGrant + units;
  auto stop = [&](std::string_view code, std::string message) {
    context.error_code = code;
    context.error = std::move(message);
    return false;
  };
  if (options_.cancel != nullptr && options_.cancel->load(std::memory_order_relaxed))
    return stop("eval_cancel_error", "caller cancelled query execution");
  const EvalLimits& limits = options_.limits;
  if (limits.time.count() > 0 && std::chrono::steady_clock::now() >= deadline_)
    return stop("eval_cancel_error", "the query took longer than it may");
  // What a built-in announces counts before it takes it.
  const size_t announced = units > kGrant ? units * sizeof(Value) : 0;
  if (limits.memory_bytes > 0 &&
      arena_.bytes_reserved() - arena_before_ + announced > limits.memory_bytes) {
    return stop("eval_limit_error",
                fmt::format("the query needs more memory than its {} bytes", limits.memory_bytes));
  }
  if (limits.instructions > 0 && spent_ > limits.instructions) {
    return stop("eval_limit_error",
                fmt::format("the query takes more than its {} steps", limits.instructions));
  }
  budget = kGrant;
  if (limits.instructions > 0) budget = std::min(budget, limits.instructions / 8 + 1);
  return true;
}

Outcome Machine::Fail(std::string_view code, std::string_view message, const Module* module,
                      const Location& at) {
  std::string text;
  std::vector<Error::Arg> args;
  if (module != nullptr && at.row != 0) {
    text = fmt::format("{}:{}: {}: {}", module->file, at.row, code, message);
    args = {{"file", module->file},
            {"row", std::to_string(at.row)},
            {"column", std::to_string(at.column)}};
  } else {
    text = fmt::format("{}: {}", code, message);
  }
  args.push_back({"message", std::string(message)});
  const Code kind =
      code == "eval_cancel_error" || code == "eval_limit_error" ? Code::kLimit : Code::kInvalid;
  if (!error_) error_ = Error(kind, std::string(code), std::move(text), std::move(args));
  return Outcome::kHalt;
}

Outcome Machine::Conflict(const Procedure& procedure, std::vector<Given>& given) {
  constexpr size_t kMost = 10;
  constexpr size_t kLongest = 80;  // characters of a value
  const Document& document = *procedure.document;
  const Place& at = given[1].place;
  std::string message =
      document.kind == DocumentKind::kFunction
          ? fmt::format("function {} produced conflicting values for the same inputs",
                        document.node->Path())
          : fmt::format("rule {} produced conflicting values", document.node->Path());
  message += ":";
  const bool more = given.size() > kMost;
  if (more) given.resize(kMost);
  const Location second = at.at;
  const Module* const module = at.module;
  std::ranges::stable_sort(given, [](const Given& a, const Given& b) {
    if (a.place.module != b.place.module) return a.place.module->file < b.place.module->file;
    return a.place.at.offset < b.place.at.offset;
  });
  for (const Given& one : given) {
    std::string text;
    size_t characters = 0;
    for (char c : ToRegoText(one.value)) {
      if ((c & 0xc0) != 0x80 && ++characters > kLongest) {
        text += "...";
        break;
      }
      text += c;
    }
    message += fmt::format("\n  {} at {}:{}", text, one.place.module->file, one.place.at.row);
  }
  if (more) message += "\n  ...";
  return Fail("eval_conflict_error", message, module, second);
}

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
  auto operand = [&](uint32_t at) -> const Value& {
    return (at & kConstant) != 0 ? code.constants[at & ~kConstant] : registers[at];
  };
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

// --- Walks ---------------------------------------------------------------------------------------

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

// --- Documents -----------------------------------------------------------------------------------

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
    return (operand & kConstant) != 0 ? code.constants[operand & ~kConstant] : registers[operand];
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

// --- Calls ---------------------------------------------------------------------------------------

Outcome Machine::CallBuiltin(const Builtin& builtin, std::span<const Value> arguments,
                             const CallSite& site, Value& out) {
  if (builtin.call == nullptr) return Outcome::kUndefined;
  const Outcome outcome = builtin.call(context_, arguments, out);
  if (outcome == Outcome::kValue || outcome == Outcome::kUndefined) return outcome;
  if (outcome == Outcome::kHalt) {
    return Fail(context_.error_code.empty() ? "eval_cancel_error" : context_.error_code,
                context_.error, site.module, site.at);
  }
  const std::string message = fmt::format("{}: {}", builtin.name, context_.error);
  if (options_.strict_builtin_errors)
    return Fail(context_.error_code, message, site.module, site.at);
  if (options_.builtin_errors != nullptr) {
    options_.builtin_errors->push_back(fmt::format("{}:{}: {}: {}",
                                                   site.module != nullptr ? site.module->file : "",
                                                   site.at.row, context_.error_code, message));
  }
  return Outcome::kUndefined;
}

Outcome Machine::CallFunction(const Document& function, std::span<const Value> arguments,
                              Value& out) {
  return Run(function.procedure, arguments, out);
}

Outcome Machine::Call(const CallSite& site, const Program& code, const Value* registers,
                      Value& out) {
  Value few[8];
  std::vector<Value> many;
  std::span<Value> arguments(few, std::min<size_t>(site.operands.size(), 8));
  if (site.operands.size() > 8) {
    many.resize(site.operands.size());
    arguments = many;
  }
  for (size_t i = 0; i < site.operands.size(); ++i) {
    const uint32_t operand = site.operands[i];
    arguments[i] =
        (operand & kConstant) != 0 ? code.constants[operand & ~kConstant] : registers[operand];
  }
  const Builtin* builtin = site.builtin;
  const Document* function = site.function;
  if (scope_->mocks != nullptr) {
    for (const Mock* mock = scope_->mocks; mock != nullptr; mock = mock->outer) {
      const WithTarget& what = *mock->what;
      if (what.builtin != builtin || what.function != function) continue;
      if (what.by_builtin == nullptr && what.by_function == nullptr) {
        out = mock->value;
        return Outcome::kValue;
      }
      // The replacement itself runs without any, so that it may call what it replaces.
      const Mock* const all = scope_->mocks;
      Outcome outcome = Outcome::kUndefined;
      if (what.by_builtin != nullptr) {
        outcome = CallBuiltin(*what.by_builtin, arguments, site, out);
      } else {
        Scope* const outside = scope_;
        Scope* inside = arena_.New<Scope>(*outside);
        inside->memos = {};
        inside->mocks = nullptr;
        scope_ = inside;
        outcome = CallFunction(*what.by_function, arguments, out);
        scope_ = outside;
      }
      scope_->mocks = all;
      return outcome;
    }
  }
  if (builtin != nullptr) return CallBuiltin(*builtin, arguments, site, out);
  if (scope_->data_replaced && Replaced(function->path)) {
    const Value* base = Base(function->path);
    if (base == nullptr) return Outcome::kUndefined;
    out = *base;
    return Outcome::kValue;
  }
  return CallFunction(*function, arguments, out);
}

Outcome Machine::Calculated(Arithmetic what, const CallSite& site, const Program& code,
                            const Value* registers, Value& out) {
  auto operand = [&](uint32_t at) -> const Value& {
    return (at & kConstant) != 0 ? code.constants[at & ~kConstant] : registers[at];
  };
  const Value& a = operand(site.operands[0]);
  const Value& b = operand(site.operands[1]);
  if (a.IsInt() && b.IsInt()) {
    int64_t result = 0;
    bool done = false;
    switch (what) {
      case Arithmetic::kPlus: done = !__builtin_add_overflow(a.AsInt(), b.AsInt(), &result); break;
      case Arithmetic::kMinus: done = !__builtin_sub_overflow(a.AsInt(), b.AsInt(), &result); break;
      case Arithmetic::kMultiply:
        done = !__builtin_mul_overflow(a.AsInt(), b.AsInt(), &result);
        break;
      case Arithmetic::kRemainder:
        if (b.AsInt() != 0 && b.AsInt() != -1) {
          result = a.AsInt() % b.AsInt();
          done = true;
        }
        break;
      case Arithmetic::kDivide:
        if (b.AsInt() != 0 && b.AsInt() != -1 && a.AsInt() % b.AsInt() == 0) {
          result = a.AsInt() / b.AsInt();
          done = true;
        }
        break;
    }
    if (done) {
      out = Value::Int(result);
      return Outcome::kValue;
    }
  }
  return Call(site, code, registers, out);
}

void Machine::Print(const CallSite& site, const Value* registers, const Program& code) {
  std::vector<std::vector<std::string>> columns;
  size_t lines = 1;
  for (uint32_t operand : site.operands) {
    const Value& set =
        (operand & kConstant) != 0 ? code.constants[operand & ~kConstant] : registers[operand];
    std::vector<std::string> column;
    for (const Value& value : set.items())
      column.push_back(value.IsString() ? std::string(value.AsString()) : ToRegoText(value));
    if (column.empty()) column.emplace_back("<undefined>");
    lines *= column.size();
    columns.push_back(std::move(column));
    if (!context_.Spend(lines)) return;
  }
  const std::string place =
      site.module != nullptr ? fmt::format("{}:{}", site.module->file, site.at.row) : "";
  for (size_t line = 0; line < lines; ++line) {
    std::string text;
    size_t rest = line;
    size_t block = lines;
    for (const auto& column : columns) {
      block /= column.size();
      if (!text.empty() || &column != &columns.front()) text += ' ';
      text += column[rest / block];
      rest %= block;
    }
    context_.host.Print(text, place);
  }
}

// --- Indices -------------------------------------------------------------------------------------

// Iterates over the items of a collection that can be equal to a value: all of them the first
// times, those that an index has afterwards. The comparison itself still follows.
bool Machine::Filter(const FilterSite& site, const Program& code, const Value* registers,
                     Iterator& iterator) {
  auto operand = [&](uint32_t at) -> const Value& {
    return (at & kConstant) != 0 ? code.constants[at & ~kConstant] : registers[at];
  };
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

// --- The loop ------------------------------------------------------------------------------------

Outcome Machine::Run(const Procedure& procedure, std::span<const Value> arguments, Value& out) {
  if (++depth_ > options_.limits.depth) {
    --depth_;
    return Fail("eval_limit_error",
                fmt::format("calls within calls go deeper than {}", options_.limits.depth),
                procedure.module, procedure.at);
  }
  const Program& code = *procedure.code;
  // The frame: registers, then iterators, then scopes.
  const size_t bytes = procedure.registers * sizeof(Value) +
                       procedure.iterators * sizeof(Iterator) + procedure.contexts * sizeof(Scope*);
  std::byte* const frame_before = frame_at_;
  std::byte* const end_before = frame_end_;
  const size_t block_before = block_;
  std::unique_ptr<std::byte[]> large;
  if (bytes > kFrameBlock) {
    large = std::make_unique_for_overwrite<std::byte[]>(bytes);
    frame_at_ = large.get();
    frame_end_ = frame_at_ + bytes;
  } else if (frame_at_ == nullptr || static_cast<size_t>(frame_end_ - frame_at_) < bytes) {
    if (scratch_.blocks.size() == block_)
      scratch_.blocks.push_back(std::make_unique_for_overwrite<std::byte[]>(kFrameBlock));
    frame_at_ = scratch_.blocks[block_++].get();
    frame_end_ = frame_at_ + kFrameBlock;
  }
  Value* const r = reinterpret_cast<Value*>(frame_at_);
  std::uninitialized_default_construct_n(r, procedure.registers);
  Iterator* const iterators = reinterpret_cast<Iterator*>(r + procedure.registers);
  std::uninitialized_default_construct_n(iterators, procedure.iterators);
  Scope** const scopes = reinterpret_cast<Scope**>(iterators + procedure.iterators);
  frame_at_ += bytes;
  for (size_t i = 0; i < arguments.size() && i < procedure.registers; ++i) r[i] = arguments[i];
  const size_t first_builder = builders_used_;
  builders_used_ += procedure.builders;
  while (scratch_.builders.size() < builders_used_)
    scratch_.builders.push_back(std::make_unique<Builder>());
  const size_t first_walker = walkers_used_;
  walkers_used_ += procedure.walkers;
  while (scratch_.walkers.size() < walkers_used_)
    scratch_.walkers.push_back(std::make_unique<Walker>());
  Scope* const scope_before = scope_;

  bool has_result = false;
  uint32_t result_place = kNone;
  std::vector<Given> given;
  Outcome outcome = Outcome::kUndefined;
  auto get = [&](uint32_t operand) -> const Value& {
    return (operand & kConstant) != 0 ? code.constants[operand & ~kConstant] : r[operand];
  };
  const Instruction* const begin = code.instructions.data();
  const Instruction* at = begin + procedure.entry;
  for (bool running = true; running;) {
    const Instruction& i = *at;
    ++at;
    switch (i.op) {
      case Op::kMove: r[i.dst] = get(i.x); break;
      case Op::kInput:
        if (!scope_->has_input) {
          at = begin + i.fail;
          break;
        }
        r[i.dst] = scope_->input;
        break;
      case Op::kBase: {
        const Value* base = Base(code.paths[i.x]);
        if (base == nullptr) {
          at = begin + i.fail;
          break;
        }
        r[i.dst] = *base;
        break;
      }
      case Op::kGet:
        if (!Get(get(i.x), get(i.y), r[i.dst])) at = begin + i.fail;
        break;
      case Op::kIterate: {
        const Value& over = get(i.x);
        Iterator& it = iterators[i.dst];
        it = {};
        if (over.IsMap()) {
          it.entries = SortedEntries(over, arena_);
        } else if (over.IsArray() || over.IsSet()) {
          it.items = over.items();
          it.set = over.IsSet();
        } else {
          at = begin + i.fail;
        }
        break;
      }
      case Op::kIterateWhere:
        if (!Filter(code.filters[i.x], code, r, iterators[i.dst])) at = begin + i.fail;
        break;
      case Op::kNext: {
        Iterator& it = iterators[i.x];
        if (it.chosen) {
          if (it.at == it.positions.size()) {
            at = begin + i.fail;
            break;
          }
          const uint32_t position = it.positions[it.at++];
          if (it.items.empty()) {
            if (i.dst != kNone) r[i.dst] = it.entries[position].key;
            r[i.y] = it.entries[position].value;
          } else {
            const Value& item = it.items[position];
            if (i.dst != kNone) r[i.dst] = it.set ? item : Value::Int(position);
            r[i.y] = item;
          }
        } else if (it.at < it.items.size()) {
          const Value& item = it.items[it.at];
          if (i.dst != kNone) r[i.dst] = it.set ? item : Value::Int(it.at);
          r[i.y] = item;
          ++it.at;
        } else if (it.at < it.entries.size()) {
          const Value::Entry& entry = it.entries[it.at];
          if (i.dst != kNone) r[i.dst] = entry.key;
          r[i.y] = entry.value;
          ++it.at;
        } else {
          at = begin + i.fail;
          break;
        }
        if (!context_.Spend(1)) {
          outcome = Fail(context_.error_code, context_.error, nullptr, {});
          running = false;
        }
        break;
      }
      case Op::kWalk: scratch_.walkers[first_walker + i.dst]->Begin(get(i.x)); break;
      case Op::kNextWalk:
        if (!scratch_.walkers[first_walker + i.x]->Next(
                arena_, i.dst == kNone ? nullptr : &r[i.dst], r[i.y])) {
          at = begin + i.fail;
        } else if (!context_.Spend(1)) {
          outcome = Fail(context_.error_code, context_.error, nullptr, {});
          running = false;
        }
        break;
      case Op::kDocument:
      case Op::kExtent:
      case Op::kDynamic:
      case Op::kCall:
      case Op::kArithmetic: {
        Value value;
        Outcome got = Outcome::kUndefined;
        if (i.op == Op::kDocument) {
          got = Documented(plan_.documents[i.x], value);
        } else if (i.op == Op::kExtent) {
          got = Extent(*plan_.nodes[i.x], value);
        } else if (i.op == Op::kDynamic) {
          got = Dynamic(code.walks[i.x], code, r, value);
        } else if (i.op == Op::kArithmetic) {
          got = Calculated(static_cast<Arithmetic>(i.aux), code.calls[i.x], code, r, value);
        } else {
          got = Call(code.calls[i.x], code, r, value);
        }
        if (got == Outcome::kValue) {
          r[i.dst] = value;
        } else if (got == Outcome::kUndefined) {
          at = begin + i.fail;
        } else {
          outcome = Outcome::kHalt;
          running = false;
        }
        break;
      }
      case Op::kEqual:
      case Op::kNotEqual:
      case Op::kLess:
      case Op::kLessEqual:
      case Op::kGreater:
      case Op::kGreaterEqual:
        if (!Compared(i.op, get(i.x), get(i.y))) at = begin + i.fail;
        break;
      case Op::kCompare:
        r[i.dst] = Value::Bool(Compared(static_cast<Op>(i.aux), get(i.x), get(i.y)));
        break;
      case Op::kHolds:
        if (get(i.x).IsFalse()) at = begin + i.fail;
        break;
      case Op::kMember: r[i.dst] = Value::Bool(Member(get(i.x), get(i.y))); break;
      case Op::kIsArray: {
        const Value& value = get(i.x);
        if (!value.IsArray() || value.size() != i.y) at = begin + i.fail;
        break;
      }
      case Op::kIsObject: {
        const Value& value = get(i.x);
        if (!value.IsMap() || value.size() != i.y) at = begin + i.fail;
        break;
      }
      case Op::kArray:
      case Op::kSet: {
        const std::vector<uint32_t>& list = code.lists[i.x];
        Value* items = arena_.Array<Value>(list.size());
        for (size_t n = 0; n < list.size(); ++n) new (items + n) Value(get(list[n]));
        r[i.dst] = i.op == Op::kArray ? Value::Array({items, list.size()})
                                      : Value::Set(arena_, {items, list.size()});
        break;
      }
      case Op::kObject: {
        const std::vector<uint32_t>& list = code.lists[i.x];
        if (i.aux == 1) {
          const size_t count = list.size() / 2;
          auto* entries = arena_.Array<Value::Entry>(count);
          for (size_t n = 0; n < count; ++n)
            new (entries + n) Value::Entry{get(list[n * 2]), get(list[n * 2 + 1])};
          r[i.dst] = MapBuilder::FromUnique(arena_, {entries, count});
          break;
        }
        MapBuilder map(arena_, list.size() / 2);
        for (size_t n = 0; n + 1 < list.size(); n += 2) map.Add(get(list[n]), get(list[n + 1]));
        r[i.dst] = map.Finish();
        break;
      }
      case Op::kBuild:
        scratch_.builders[first_builder + i.dst]->Clear(i.aux);
        scratch_.builders[first_builder + i.dst]->place = i.x;
        break;
      case Op::kAdd: {
        Builder& builder = *scratch_.builders[first_builder + i.dst];
        if (builder.kind < 2) {
          builder.items.push_back(get(i.x));
        } else if (!AddToObject(builder, get(i.x), get(i.y))) {
          const Place& place = code.places[builder.place];
          outcome =
              Fail("eval_conflict_error", "object keys must be unique", place.module, place.at);
          running = false;
        }
        break;
      }
      case Op::kAddPath: {
        const std::vector<uint32_t>& list = code.lists[i.x];
        const size_t count = list.size() - 1;
        Value keys[8];
        std::vector<Value> many;
        std::span<Value> path(keys, std::min<size_t>(count, 8));
        if (count > 8) {
          many.resize(count);
          path = many;
        }
        for (size_t n = 0; n < count; ++n) path[n] = get(list[n]);
        if (!AddPath(*scratch_.builders[first_builder + i.dst], path, get(i.y), i.aux == 1,
                     code.places[list[count]])) {
          outcome = Outcome::kHalt;
          running = false;
        }
        break;
      }
      case Op::kFinish: r[i.dst] = FinishBuilder(*scratch_.builders[first_builder + i.x]); break;
      case Op::kResult: {
        const Value& value = get(i.x);
        if (!has_result) {
          out = value;
          has_result = true;
          result_place = i.y;
        } else if (!(out == value)) {
          // The others are asked, too, so that the message names them.
          if (given.empty()) given.push_back({out, code.places[result_place]});
          const Place& place = code.places[i.y];
          const bool known = std::ranges::any_of(given, [&](const Given& g) {
            return g.place.module == place.module && g.place.at.offset == place.at.offset &&
                   &g != &given.front();
          });
          if (!known) given.push_back({value, place});
        }
        break;
      }
      case Op::kDefault:
        if (has_result) at = begin + i.fail;
        break;
      case Op::kSelect: {
        const RuleIndex& index = code.indices[i.x];
        Iterator& it = iterators[i.dst];
        it = {};
        it.rules = index.others;
        Value value;
        bool there = true;
        if (index.argument != kNone) {
          value = r[index.argument];
        } else if (scope_->has_input) {
          value = scope_->input;
        } else {
          there = false;
        }
        for (size_t n = 0; there && n < index.path.size(); ++n) {
          Value next;
          there = Get(value, index.path[n], next);
          value = next;
        }
        if (there) {
          if (const Value* number = index.table.Find(value); number != nullptr)
            it.rules = index.lists[static_cast<size_t>(number->AsInt())];
        }
        break;
      }
      case Op::kNextRule: {
        Iterator& it = iterators[i.x];
        at = it.at < it.rules.size() ? begin + it.rules[it.at++] : begin + i.fail;
        if (!context_.Spend(1)) {
          outcome = Fail(context_.error_code, context_.error, nullptr, {});
          running = false;
        }
        break;
      }
      case Op::kJump: at = begin + i.fail; break;
      case Op::kEnter: Enter(code.withs[i.x], code, r, scopes[i.dst]); break;
      case Op::kLeave: scope_ = const_cast<Scope*>(scopes[i.x]->outer); break;
      case Op::kResume: scope_ = scopes[i.x]; break;
      case Op::kRow: {
        const RowSite& site = code.rows[i.x];
        Row row;
        for (const auto& expression : site.expressions)
          row.expressions.push_back(get(expression.operand));
        for (const auto& binding : site.bindings) row.bindings.push_back(get(binding.operand));
        rows_.push_back(std::move(row));
        break;
      }
      case Op::kPrint: Print(code.calls[i.x], r, code); break;
      case Op::kObserve:
        if (options_.observer != nullptr) {
          const Place& place = code.places[i.x];
          if (i.aux == 0) {
            options_.observer->OnEnter(place.module, place.at);
          } else {
            options_.observer->OnHold(place.module, place.at);
          }
        }
        break;
      case Op::kEnd:
        outcome = has_result ? Outcome::kValue : Outcome::kUndefined;
        if (!given.empty()) outcome = Conflict(procedure, given);
        running = false;
        break;
    }
  }
  scope_ = scope_before;
  builders_used_ = first_builder;
  walkers_used_ = first_walker;
  block_ = block_before;
  frame_at_ = frame_before;
  frame_end_ = end_before;
  --depth_;
  return outcome;
}

Result<> Machine::Query(const QueryPlan& query) {
  Value none;
  if (Run(query.procedure, {}, none) == Outcome::kHalt) return std::move(*error_);
  return Ok();
}

}  // namespace bulwark::rego
