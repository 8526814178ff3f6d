#pragma once

// The evaluator: a switch over a Program's nodes. Errors and unknowns are values that travel
// upwards; only &&, ||, the loops made of them and a few functions look at them.
//
// Past the cost limit, or the memory limit, the run is aborted: from then on every loop stops at
// its next round and the outcome is the abort, whatever absorbed it. So the limit is checked in
// loops, calls and at the end, and not at each node: between two checks the work is bounded by the
// source.
//
// Internal. Here are names, operators and calls; in eval.cc the switch, in eval_loops.cc what makes
// lists and maps, and the loops.

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "lang/cel/env.h"
#include "lang/cel/operators.h"
#include "lang/cel/program.h"
#include "lang/cel/stdlib.h"
#include "lang/cel/values.h"

namespace bulwark::cel {

// A run may take four times Limits::max_value_bytes, and this.
constexpr size_t kLeastMemory = size_t{1} << 20;

// What a lazy local holds until it is asked for.
class Unset final : public Opaque {
 public:
  constexpr Unset() = default;
  std::string_view TypeName() const override { return "unset"; }
};
inline constinit const Unset kUnset;

struct BoundPattern {
  uint32_t slot;
  const AttributePattern* pattern;
};

// kCost: count. kPartial: look for unknown attributes.
template <bool kCost, bool kPartial>
class Machine {
 public:
  // `hints` are one for each step: where its field was found last.
  Machine(const Program& program, const Value* variables, Value* locals, uint32_t* hints,
          Arena& arena, uint64_t max_cost)
      : program_(program),
        nodes_(program.nodes.data()),
        steps_(program.steps.data()),
        constants_(program.constants.data()),
        children_(program.children.data()),
        variables_(variables),
        locals_(locals),
        hints_(hints),
        arena_(arena),
        max_cost_(max_cost),
        max_arena_(arena.bytes_reserved() + kLeastMemory + 4 * program.limits.max_value_bytes),
        call_{.arena = arena, .max_bytes = program.limits.max_value_bytes} {}

  std::span<const BoundPattern> patterns;
  uint64_t cost() const { return cost_; }
  void set_authorizer(const Authorizer* authorizer) { call_.authorizer = authorizer; }

  void set_max_rounds(uint64_t rounds) { rounds_ = rounds; }

  Value Run(uint32_t root) {
    Value result = Eval(root);
    CheckLimits();
    return aborted_ ? abort_ : result;
  }

  Value Eval(uint32_t at);

 private:
  OperatorContext Context(const Node& n) const {
    return {arena_, n.expr, program_.limits.max_value_bytes};
  }
  Value Fail(const Node& n, std::string_view message) const { return Context(n).Fail(message); }
  [[gnu::noinline]] Value FailWith(const Node& n, const std::string& message) const {
    return MakeError(arena_, message, n.expr);
  }
  // For an operand of the wrong kind: itself if it is an error or unknown.
  [[gnu::noinline]] Value Propagate(const Node& n, const Value& v) const {
    return IsErrorOrUnknown(v) ? v : Context(n).NoSuchOverload();
  }

  void Count(uint64_t cost) {
    if constexpr (kCost) cost_ += cost;
  }

  // True if the run is over.
  bool CheckLimits() {
    if (kCost && cost_ > max_cost_) [[unlikely]] {
      Abort("operation cancelled: actual cost limit exceeded");
    }
    if (arena_.bytes_reserved() > max_arena_) [[unlikely]] {
      Abort("operation cancelled: memory limit exceeded");
    }
    return aborted_;
  }
  // The beginning of a loop's round. True if the run is over.
  bool CountRound() {
    if (rounds_-- == 0) [[unlikely]] {
      rounds_ = 0;
      Abort("operation cancelled: actual cost limit exceeded");
    }
    return CheckLimits();
  }
  [[gnu::noinline]] void Abort(std::string_view message) {
    if (aborted_) return;
    aborted_ = true;
    abort_ = Value::FromOpaque(arena_.New<ErrorValue>(message, 0));
  }

  // --- Attributes --------------------------------------------------------------------------------

  Value Variable(const Node& n) {
    if constexpr (kPartial) {
      Value unknown;
      if (FindUnknown(n, n.a, {}, &unknown)) return unknown;
    }
    return Normalize(variables_[n.a]);
  }

  // The value of a local that is made when first asked for.
  [[gnu::noinline]] Value Lazy(const Node& n) {
    Value& local = locals_[n.a];
    if (local.IsOpaque() && local.AsOpaque() == &kUnset) {
      Value made = Eval(n.b);
      locals_[n.a] = made;
    }
    return locals_[n.a];
  }

  std::span<const Step> StepsOf(const Node& n) const { return {steps_ + n.b, n.count}; }

  // The root of an attribute; its own cost is 0, for that is counted by the attribute's node. In
  // `*unknown` whether a pattern covers the attribute.
  const Value* Root(const Node& n, Value* made, bool* unknown) {
    const Node& root = nodes_[n.a];
    switch (root.op) {
      case Op::kLocal: return &locals_[root.a];
      case Op::kVariable:
        if constexpr (kPartial) {
          if (FindUnknown(n, root.a, StepsOf(n), made)) {
            *unknown = true;
            return made;
          }
        }
        return &variables_[root.a];
      default: *made = Eval(n.a); return made;
    }
  }

  // The value of a field of a map. Objects of a kind have their fields in much the same order, so
  // the place where one was found in the last object is looked at first.
  const Value* Field(const Value& map, const Step* step) {
    std::span<const Value::Entry> entries = map.entries();
    uint32_t& hint = hints_[step - steps_];
    if (hint < entries.size()) [[likely]] {
      const Value::Entry& entry = entries[hint];
      if (entry.key.IsString() && entry.key.AsString() == step->field) return &entry.value;
    }
    const Value* found = map.Find(step->field);
    if (found != nullptr) {
      hint = static_cast<uint32_t>((reinterpret_cast<const char*>(found) -
                                    reinterpret_cast<const char*>(&entries[0].value)) /
                                   static_cast<ptrdiff_t>(sizeof(Value::Entry)));
    }
    return found;
  }

  Value Fields(const Node& n) {
    Value made;
    bool unknown = false;
    const Value* at = Root(n, &made, &unknown);
    const Step* step = steps_ + n.b;
    for (const Step* end = step + n.count; step != end; ++step) {
      if (!at->IsMap()) [[unlikely]]
        return Walk(n, *at, step);
      Count(1);
      at = Field(*at, step);
      if (at == nullptr) [[unlikely]]
        return step->error;
    }
    return Normalize(*at);
  }

  // has() of what a map holds: an error there is one, and not just something.
  static Value Present(const Value* found) {
    if (found != nullptr && found->IsOpaque() && IsErrorOrUnknown(*found)) [[unlikely]]
      return *found;
    return Value::Bool(found != nullptr);
  }

  Value Has(const Node& n) {
    Value made;
    bool unknown = false;
    const Value* at = Root(n, &made, &unknown);
    const Step* step = steps_ + n.b;
    for (const Step* last = step + n.count - 1;; ++step) {
      if (!at->IsMap()) [[unlikely]]
        return Walk(n, *at, step);
      Count(1);
      at = Field(*at, step);
      if (step == last) return Present(at);
      if (at == nullptr) [[unlikely]]
        return step->error;
    }
  }

  [[gnu::noinline]] Value Path(const Node& n) {
    Value made;
    bool unknown = false;
    const Value* at = Root(n, &made, &unknown);
    return Walk(n, *at, steps_ + n.b);
  }

  // The steps of an attribute from `step` on, of any kind, upon values of any kind. (cel-go:
  // applyQualifiers. After an optional one all are optional, and what is not there is counted not.)
  [[gnu::noinline]] Value Walk(const Node& n, Value at, const Step* step) {
    if (IsErrorOrUnknown(at)) return at;
    const Step* end = steps_ + n.b + n.count;
    bool optional = false;
    for (; step != end; ++step) {
      if (HasTag(at, kOptionalTag)) {
        const auto* holder = static_cast<const OptionalValue*>(at.AsOpaque());
        if (!holder->has_value()) return step->test ? Value::Bool(false) : at;
        at = holder->value();
        optional = true;
      }
      optional |= step->optional;
      Value key = step->key;
      if (step->node != kNoNode) {
        key = Normalize(Eval(step->node));
        if (key.IsOpaque() && IsErrorOrUnknown(key)) {
          if (!optional) Count(1);
          return key;
        }
      }
      Value found;
      Value error;
      bool present = Look(n, at, *step, key, optional || step->test, &found, &error);
      if (!optional || present) Count(1);
      if (step->test) {
        if (!present && IsErrorOrUnknown(error)) return error;
        return Present(present ? &found : nullptr);
      }
      if (!present) {
        if (!optional || IsErrorOrUnknown(error)) return error;
        // None, whatever steps follow; unless the last of them is a test.
        return (end - 1)->test ? Value::Bool(false) : NoneOptional();
      }
      if (IsErrorOrUnknown(found)) return found;
      at = found;
    }
    at = Normalize(at);
    return optional ? MakeOptional(arena_, at) : at;
  }

  // One step. Without `presence` a missing key is an error; with it only what cannot be a key is.
  bool Look(const Node&, const Value& at, const Step& step, const Value& key, bool presence,
            Value* found, Value* error) {
    if (at.IsMap()) {
      const Value* value = nullptr;
      if (!step.field.empty()) {
        value = at.Find(step.field);
      } else if (!key.IsOpaque() && !key.IsArray() && !key.IsMap()) {
        value = at.Find(key);
      }
      if (value != nullptr) {
        *found = *value;
        return true;
      }
      if (!presence) *error = MissingKey(step, key);
      return false;
    }
    if (auto items = ListItems(at)) {
      std::optional<int64_t> index;
      if (key.IsInt() || key.IsUint() || key.IsDouble()) index = key.ToInt();
      if (!index && !key.IsUint()) {
        *error = MakeError(arena_,
                           key.IsDouble() ? "unsupported index value " + ShowKey(key) + " in list"
                                          : "unsupported index type '" +
                                                std::string(TypeNameOf(key)) + "' in list",
                           step.expr);
        return false;
      }
      if (index && *index >= 0 && static_cast<uint64_t>(*index) < items->size()) {
        *found = (*items)[static_cast<size_t>(*index)];
        return true;
      }
      if (!presence) {
        *error = MakeError(arena_, "index out of bounds: " + ShowKey(key), step.expr);
      }
      return false;
    }
    if (HasTag(at, kObjectTag)) {
      const auto* object = static_cast<const ObjectValue*>(at.AsOpaque());
      if (!key.IsString()) {
        *error = MakeError(arena_, "no such overload", step.expr);
        return false;
      }
      if (presence) {
        std::optional<bool> has = object->Has(key.AsString());
        if (!has) {
          *error = MakeError(arena_, "no such field '" + ShowKey(key) + "'", step.expr);
          return false;
        }
        if (!*has) return false;
        if (step.test) return true;
      }
      *found = object->Get(arena_, key.AsString());
      if (IsError(*found)) {
        *error = *found;
        return false;
      }
      return true;
    }
    if (!presence || program_.error_on_bad_presence_test) *error = MissingKey(step, key);
    return false;
  }

  Value MissingKey(const Step& step, const Value& key) const {
    if (step.node == kNoNode) return step.error;
    return MakeError(arena_, "no such key: " + ShowKey(key), step.expr);
  }

  // Whether a pattern says that the attribute of a variable and these steps is unknown. (cel-go:
  // matchesUnknownPatterns. A pattern and an attribute match as far as the shorter of them goes.)
  [[gnu::noinline]] bool FindUnknown(const Node& n, uint32_t slot, std::span<const Step> steps,
                                     Value* unknown) {
    for (const BoundPattern& bound : patterns) {
      if (bound.slot != slot) continue;
      int64_t id = n.expr;
      bool matches = true;
      const auto& qualifiers = bound.pattern->qualifiers;
      for (size_t i = 0; i < qualifiers.size() && i < steps.size() && matches; ++i) {
        id = steps[i].expr;
        if (!qualifiers[i]) continue;
        Value key = steps[i].key;
        if (steps[i].node != kNoNode) {
          uint64_t before = cost_;
          key = Eval(steps[i].node);
          cost_ = before;  // it is evaluated again, and counted then
          if (IsErrorOrUnknown(key)) {
            *unknown = key;
            return true;
          }
        }
        matches = CelEqual(key, *qualifiers[i]);
      }
      if (matches) {
        *unknown = MakeUnknown(arena_, std::span<const int64_t>(&id, 1));
        return true;
      }
    }
    return false;
  }

  // --- Operators ---------------------------------------------------------------------------------

  // a || b || … (kStop true) or a && b && … (kStop false): kStop as soon as there is one, else the
  // unknowns, else the first error.
  template <bool kStop>
  Value Logical(const Node& n) {
    const uint32_t* child = children_ + n.b;
    for (const uint32_t* end = child + n.count; child != end; ++child) {
      Value v = Eval(*child);
      if (v.IsBool()) [[likely]] {
        if (v.IsTrue() == kStop) return v;
        continue;
      }
      return LogicalSlow<kStop>(n, child + 1, end, v);
    }
    return Value::Bool(!kStop);
  }

  template <bool kStop>
  [[gnu::noinline]] Value LogicalSlow(const Node& n, const uint32_t* child, const uint32_t* end,
                                      Value seen) {
    Value bad = Propagate(n, seen);
    for (; child != end && !aborted_; ++child) {
      Value v = Eval(*child);
      if (v.IsBool()) {
        if (v.IsTrue() == kStop) return v;
      } else {
        Absorb(&bad, Propagate(n, v));
      }
    }
    return bad;
  }

  // Of two that are not values: all unknowns, or the first error.
  void Absorb(Value* bad, const Value& v) const {
    if (IsUnknown(v)) {
      *bad = IsUnknown(*bad) ? MergeUnknowns(arena_, *bad, v) : v;
    } else if (bad->IsNull()) {
      *bad = v;
    }
  }

  // Whether operands are errors or unknowns, and which comes out.
  bool Strict(std::span<const Value> args, Value* bad) const {
    bool found = false;
    for (const Value& arg : args) {
      if (!arg.IsOpaque() || !IsErrorOrUnknown(arg)) continue;
      Absorb(bad, arg);
      found = true;
    }
    return found;
  }

  bool Bad(const Value& a, const Value& b, Value* bad) const {
    if (!a.IsOpaque() && !b.IsOpaque()) [[likely]]
      return false;
    const Value both[] = {a, b};
    return Strict(both, bad);
  }

  static bool IsSized(const Value& v) { return v.kind() >= Value::Kind::kString; }

  // ceil(min(size, size) × 0.1). Up to ten bytes of text are at most ten code points, and not none.
  static uint64_t MinCost(const Value& a, const Value& b) {
    auto small = [](const Value& v) {
      return !IsSized(v) || (v.IsString() && v.size() <= 10 && v.size() != 0);
    };
    auto empty = [](const Value& v) {
      return (v.IsString() || v.IsArray() || v.IsMap() || v.IsBytes()) && v.empty();
    };
    if (empty(a) || empty(b)) return 0;
    if (small(a) || small(b)) return 1;
    return ScaleCost(std::min(ActualSize(a), ActualSize(b)), kStringCost);
  }

  Value Equal(const Node& n, bool negated) {
    Value a = Eval(n.a);
    Value b = Eval(n.b);
    if constexpr (kCost) Count(MinCost(a, b));
    Value bad;
    if (Bad(a, b, &bad)) [[unlikely]]
      return bad;
    if (a.IsString() && b.IsString()) return Value::Bool((a.AsString() == b.AsString()) != negated);
    if (a.IsInt() && b.IsInt()) return Value::Bool((a.AsInt() == b.AsInt()) != negated);
    std::optional<bool> equal = CelEqualBounded(a, b);
    if (!equal) return Fail(n, "values are nested too deeply to be compared");
    return Value::Bool(*equal != negated);
  }

  Value EqualText(const Node& n) {
    Value v = Eval(n.a);
    const Value& text = constants_[n.b];
    if constexpr (kCost) Count(MinCost(v, text));
    if (v.IsOpaque() && IsErrorOrUnknown(v)) [[unlikely]]
      return v;
    bool equal = v.IsString() && v.AsString() == text.AsString();
    return Value::Bool(equal != ((n.flags & kNegated) != 0));
  }

  Value Relational(const Node& n, Relation relation) {
    Value a = Eval(n.a);
    Value b = Eval(n.b);
    if (kCost && (n.flags & kSized) != 0) Count(MinCost(a, b));
    Value bad;
    if (Bad(a, b, &bad)) [[unlikely]]
      return bad;
    return Compare(Context(n), relation, a, b);
  }

  template <Value (*kOperator)(const OperatorContext&, const Value&, const Value&)>
  Value Arithmetic(const Node& n) {
    Value a = Eval(n.a);
    Value b = Eval(n.b);
    if (kCost && (n.flags & kSized) != 0) {
      Count(ScaleCost(ActualSize(a) + ActualSize(b), kStringCost));
    }
    Value bad;
    if (Bad(a, b, &bad)) [[unlikely]]
      return bad;
    return kOperator(Context(n), a, b);
  }

  Value Membership(const Node& n) {
    Value a = Eval(n.a);
    Value b = Eval(n.b);
    if (kCost && (n.flags & kSized) != 0) Count(ActualSize(b));
    Value bad;
    if (Bad(a, b, &bad)) [[unlikely]]
      return bad;
    return In(Context(n), a, b);
  }

  Value Size(const Node& n) {
    Value v = Eval(n.a);
    switch (v.kind()) {
      case Value::Kind::kArray:
      case Value::Kind::kMap:
      case Value::Kind::kBytes:
      case Value::Kind::kSet: return Value::Int(static_cast<int64_t>(v.size()));
      case Value::Kind::kString: return Value::Int(static_cast<int64_t>(ActualSize(v)));
      default:
        if (auto items = ListItems(v)) return Value::Int(static_cast<int64_t>(items->size()));
        return Propagate(n, v);
    }
  }

  Value Matches(const Node& n) {
    Value v = Eval(n.a);
    if (kCost && (n.flags & kSized) != 0) {
      Count(ScaleCost(1 + ActualSize(v), kStringCost) * n.c);
    }
    if (!v.IsString()) return Propagate(n, v);
    return Value::Bool(MatchesPattern(*program_.patterns[n.b], v.AsString()));
  }

  // What an operand of or() and orValue() is: the optional itself need not be made.
  enum class Found : uint8_t {
    kValue,  // an optional of `*v`
    kNone,   // an empty optional
    kOther,  // `*v`: whatever it evaluates to
  };
  Found Optional(uint32_t at, Value* v) {
    const Node& n = nodes_[at];
    if (n.op == Op::kPath && (n.flags & kSoftPath) != 0) return SoftPath(n, v);
    if (n.op != Op::kOptOr) {
      *v = Eval(at);
      return Found::kOther;
    }
    if constexpr (kCost) cost_ += static_cast<uint64_t>(int64_t{n.cost});
    Found found = Optional(n.a, v);
    if (found == Found::kValue) return found;
    if (found == Found::kOther) {
      if (!HasTag(*v, kOptionalTag)) {
        *v = Propagate(n, *v);
        return found;
      }
      if (static_cast<const OptionalValue*>(v->AsOpaque())->has_value()) return found;
    }
    return Optional(n.b, v);
  }

  // As Walk(), for plain fields of maps.
  Found SoftPath(const Node& n, Value* v) {
    if constexpr (kCost) cost_ += static_cast<uint64_t>(int64_t{n.cost});
    Value made;
    bool unknown = false;
    const Value* root = Root(n, &made, &unknown);
    uint64_t before = cost_;
    const Value* at = root;
    bool optional = false;
    const Step* step = steps_ + n.b;
    const Step* end = step + n.count;
    for (; step != end && at->IsMap(); ++step) {
      optional |= step->optional;
      at = Field(*at, step);
      if (at == nullptr) {
        if (optional) return Found::kNone;
        Count(1);
        *v = step->error;
        return Found::kOther;
      }
      Count(1);
    }
    if (step == end && !at->IsOpaque()) [[likely]] {
      *v = Normalize(*at);
      if (!v->IsOpaque()) return Found::kValue;
    }
    cost_ = before;
    *v = Walk(n, *root, steps_ + n.b);
    return Found::kOther;
  }

  [[gnu::noinline]] Value OptionalOr(const Node& n) {
    Value v;
    switch (Optional(n.a, &v)) {
      case Found::kValue: return n.op == Op::kOptOr ? MakeOptional(arena_, v) : v;
      case Found::kNone: return Eval(n.b);
      case Found::kOther: break;
    }
    if (!HasTag(v, kOptionalTag)) return Propagate(n, v);
    const auto* optional = static_cast<const OptionalValue*>(v.AsOpaque());
    if (!optional->has_value()) return Eval(n.b);
    return n.op == Op::kOptOr ? v : optional->value();
  }

  // --- Calls -------------------------------------------------------------------------------------

  Value Call(const Node& n) {
    const CallSite& site = program_.calls[n.a];
    constexpr uint32_t kFew = 4;
    Value few[kFew];
    Value* args = few;
    if (n.count > kFew) [[unlikely]] {
      args = arena_.Array<Value>(n.count);
      std::uninitialized_default_construct_n(args, n.count);
    }
    const uint32_t* child = children_ + n.b;
    bool opaque = false;
    uint32_t count = 0;
    while (count < n.count) {
      args[count] = Normalize(Eval(child[count]));
      opaque |= args[count].IsOpaque();
      ++count;
      // cel-go evaluates the arguments of one and two in any case, of more until one is bad.
      if (opaque && n.count > 2 && !site.non_strict && IsErrorOrUnknown(args[count - 1])) break;
    }
    std::span<const Value> values(args, count);
    if (opaque && !site.non_strict) [[unlikely]] {
      Value bad;
      if (Strict(values, &bad)) {
        if (kCost && count == n.count) Count(CostOfBad(site, values, bad));
        return bad;
      }
    }
    for (const Candidate& candidate : site.candidates) {
      if (!Fits(candidate, values)) continue;
      call_.expr_id = n.expr;
      Value result = candidate.function(call_, values);
      if constexpr (kCost) Count(candidate.cost != nullptr ? candidate.cost(values, result) : 1);
      if (CheckLimits()) [[unlikely]]
        return abort_;
      return result;
    }
    Count(1);
    return Context(n).NoSuchOverload();
  }

  [[gnu::noinline]] uint64_t CostOfBad(const CallSite& site, std::span<const Value> values,
                                       const Value& bad) const {
    if (site.candidates.size() != 1) return 1;
    const Candidate& candidate = site.candidates[0];
    return candidate.cost != nullptr && candidate.counted ? candidate.cost(values, bad) : 1;
  }

  static bool Fits(const Candidate& candidate, std::span<const Value> args) {
    if (candidate.params.size() != args.size()) return false;
    for (size_t i = 0; i < args.size(); ++i) {
      const Candidate::Param& param = candidate.params[i];
      if ((param.kinds >> static_cast<unsigned>(args[i].kind()) & 1) == 0) return false;
      if (args[i].IsOpaque() && !param.type.empty() &&
          args[i].AsOpaque()->TypeName() != param.type) {
        return false;
      }
    }
    return true;
  }

  // --- Literals and loops: eval_loops.cc ---------------------------------------------------------

  Value MakeList(const Node& n);
  Value MakeMap(const Node& n);
  Value MakeStruct(const Node& n);
  bool TakeOptional(const Node& n, Value* v, Value* error) const;
  template <typename Round>
  bool ForEach(const LoopSite& loop, const Value& range, Round&& round);
  Value NotARange(const Node& n, const Value& v) const;
  template <bool kIsAll>
  Value Quantifier(const Node& n);
  Value All(const Node& n);
  Value Exists(const Node& n);
  Value ExistsOne(const Node& n);
  Value MapList(const Node& n);
  Value Transform(const Node& n);
  Value Fold(const Node& n);
  Value Bind(const Node& n);

  const Program& program_;
  const Node* nodes_;
  const Step* steps_;
  const Value* constants_;
  const uint32_t* children_;
  const Value* variables_;
  Value* locals_;
  uint32_t* hints_;
  Arena& arena_;
  uint64_t cost_ = 0;
  uint64_t rounds_ = UINT64_MAX;  // of loops, that are left
  const uint64_t max_cost_;
  const size_t max_arena_;
  CallContext call_;
  bool aborted_ = false;
  Value abort_;
};

}  // namespace bulwark::cel
