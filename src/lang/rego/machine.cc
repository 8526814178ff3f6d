#include "lang/rego/machine.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>

#include "lang/rego/machine_values.h"

namespace bulwark::rego {

namespace {

constexpr size_t kFrameBlock = size_t{64} << 10;
constexpr uint64_t kGrant = 20'000;  // units of work between looks at the clock

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

}  // namespace

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
  auto get = [&](uint32_t operand) -> const Value& { return Operand(code, r, operand); };
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
