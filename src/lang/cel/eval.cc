// The evaluator: a switch over a Program's nodes. Errors and unknowns are values that travel
// upwards; only &&, ||, the loops made of them and a few functions look at them.
//
// Past the cost limit, or the memory limit, the run is aborted: from then on every loop stops at
// its next round and the outcome is the abort, whatever absorbed it. So the limit is checked in
// loops, calls and at the end, and not at each node: between two checks the work is bounded by the
// source.

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "lang/cel/env.h"
#include "lang/cel/operators.h"
#include "lang/cel/program.h"
#include "lang/cel/stdlib.h"
#include "lang/cel/values.h"

namespace bulwark::cel {

namespace {

// A run may take four times Limits::max_value_bytes, and this.
constexpr size_t kLeastMemory = size_t{1} << 20;

// What a lazy local holds until it is asked for.
class Unset final : public Opaque {
 public:
  constexpr Unset() = default;
  std::string_view TypeName() const override { return "unset"; }
};
constinit const Unset kUnset;

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

  Value Run(uint32_t root) {
    Value result = Eval(root);
    CheckLimits();
    return aborted_ ? abort_ : result;
  }

  Value Eval(uint32_t at) {
    const Node& n = nodes_[at];
    if constexpr (kCost) cost_ += static_cast<uint64_t>(int64_t{n.cost});
    switch (n.op) {
      case Op::kConst: return constants_[n.a];
      case Op::kVariable: return Variable(n);
      case Op::kLocal: return locals_[n.a];
      case Op::kLazy: return Lazy(n);
      case Op::kError: return constants_[n.a];
      case Op::kFields: return Fields(n);
      case Op::kHas: return Has(n);
      case Op::kPath: return Path(n);
      case Op::kCond: {
        Value condition = Eval(n.a);
        if (condition.IsBool()) [[likely]]
          return Eval(condition.IsTrue() ? n.b : n.c);
        return Propagate(n, condition);
      }
      case Op::kAnd: return Logical<false>(n);
      case Op::kOr: return Logical<true>(n);
      case Op::kNot: {
        Value v = Eval(n.a);
        return v.IsBool() ? Value::Bool(!v.IsTrue()) : Propagate(n, v);
      }
      case Op::kNegate: {
        Value v = Normalize(Eval(n.a));
        return v.IsOpaque() ? Propagate(n, v) : Negate(Context(n), v);
      }
      case Op::kNotStrictlyFalse: {
        Value v = Eval(n.a);
        return v.IsBool() ? v : Value::Bool(true);
      }
      case Op::kEqual: return Equal(n, false);
      case Op::kNotEqual: return Equal(n, true);
      case Op::kEqualText: return EqualText(n);
      case Op::kLess: return Relational(n, Relation::kLess);
      case Op::kLessEquals: return Relational(n, Relation::kLessEquals);
      case Op::kGreater: return Relational(n, Relation::kGreater);
      case Op::kGreaterEquals: return Relational(n, Relation::kGreaterEquals);
      case Op::kAdd: return Arithmetic<Add>(n);
      case Op::kSubtract: return Arithmetic<Subtract>(n);
      case Op::kMultiply: return Arithmetic<Multiply>(n);
      case Op::kDivide: return Arithmetic<Divide>(n);
      case Op::kModulo: return Arithmetic<Modulo>(n);
      case Op::kIn: return Membership(n);
      case Op::kInSet: {
        Value v = Eval(n.a);
        if (v.IsOpaque() && IsErrorOrUnknown(v)) [[unlikely]]
          return v;
        return Value::Bool(program_.sets[n.b].Contains(v));
      }
      case Op::kSize: return Size(n);
      case Op::kMatches: return Matches(n);
      case Op::kCall: return Call(n);
      case Op::kOptOr:
      case Op::kOptOrValue: return OptionalOr(n);
      case Op::kList: return MakeList(n);
      case Op::kMap: return MakeMap(n);
      case Op::kStruct: return MakeStruct(n);
      case Op::kAll: return Quantifier<true>(n);
      case Op::kExists: return Quantifier<false>(n);
      case Op::kExistsOne: return ExistsOne(n);
      case Op::kMapList: return MapList(n);
      case Op::kTransform: return Transform(n);
      case Op::kFold: return Fold(n);
      case Op::kBind: return Bind(n);
    }
    BW_UNREACHABLE();
  }

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
      if (step == last) return Value::Bool(at != nullptr);
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
        return Value::Bool(present);
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

  [[gnu::noinline]] Value OptionalOr(const Node& n) {
    Value v = Eval(n.a);
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

  // --- Literals ----------------------------------------------------------------------------------

  // The value of an optional entry: false if there is none, or (then in `*error`) if it is no
  // optional.
  bool TakeOptional(const Node& n, Value* v, Value* error) const {
    if (!HasTag(*v, kOptionalTag)) {
      *error = Fail(n, "cannot initialize an optional entry from a non-optional value");
      return false;
    }
    const auto* optional = static_cast<const OptionalValue*>(v->AsOpaque());
    if (!optional->has_value()) return false;
    *v = optional->value();
    return true;
  }

  [[gnu::noinline]] Value MakeList(const Node& n) {
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

  static bool CanBeKey(const Value& v) {
    return v.IsString() || v.IsInt() || v.IsUint() || v.IsBool();
  }

  [[gnu::noinline]] Value MakeMap(const Node& n) {
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

  [[gnu::noinline]] Value MakeStruct(const Node& n) {
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

  // --- Loops -------------------------------------------------------------------------------------

  // Calls `round` for each item of a range, with the loop's variables set, until it returns false
  // or the run is aborted. False if `range` is no range.
  template <typename Round>
  bool ForEach(const LoopSite& loop, const Value& range, Round&& round) {
    if (range.IsMap()) {
      for (const Value::Entry& entry : range.entries()) {
        if (CheckLimits()) return true;
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
      if (CheckLimits()) return true;
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

  [[gnu::noinline]] Value NotARange(const Node& n, const Value& v) const {
    if (IsErrorOrUnknown(v)) return v;
    return FailWith(n, "expression of type '" + std::string(TypeNameOf(v)) +
                           "' cannot be range of a comprehension (must be list or map)");
  }

  static size_t RangeSize(const Value& range) {
    auto items = ListItems(range);
    return items ? items->size() : range.size();
  }

  // all(): the first false; exists(): the first true.
  template <bool kIsAll>
  Value Quantifier(const Node& n) {
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

  Value ExistsOne(const Node& n) {
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
  [[gnu::noinline]] Value MapList(const Node& n) {
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
  [[gnu::noinline]] Value Transform(const Node& n) {
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

  [[gnu::noinline]] Value Fold(const Node& n) {
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

  [[gnu::noinline]] Value Bind(const Node& n) {
    const LoopSite& loop = program_.loops[n.a];
    locals_[loop.accu] = Value::FromOpaque(&kUnset);
    return Eval(loop.result);
  }

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
  const uint64_t max_cost_;
  const size_t max_arena_;
  CallContext call_;
  bool aborted_ = false;
  Value abort_;
};

}  // namespace

Value EvaluateConstant(const Program& program, uint32_t node, Arena& arena, uint64_t* cost) {
  std::vector<uint32_t> hints(program.steps.size());
  std::vector<Value> locals(program.locals);
  Machine<true, false> machine(program, nullptr, locals.data(), hints.data(), arena, UINT64_MAX);
  Value v = machine.Run(node);
  *cost = machine.cost();
  return v;
}

struct Evaluator::State {
  Arena arena{16384};
  std::vector<Value> locals;
  std::vector<uint32_t> hints;
  std::vector<Value> variables;  // where there are fewer bindings than variables
  std::vector<BoundPattern> patterns;
  bool used = false;
};

Evaluator::Evaluator() : state_(std::make_unique<State>()) {}
Evaluator::~Evaluator() = default;
Evaluator::Evaluator(Evaluator&&) noexcept = default;

Outcome Evaluator::Run(const Program& program, std::span<const Value> bindings,
                       const RunOptions& options, Arena* arena) {
  if (arena == nullptr) {
    arena = &state_->arena;
    arena->Reset();
  }
  if (state_->locals.size() < program.locals) state_->locals.resize(program.locals);
  if (state_->hints.size() < program.steps.size()) state_->hints.resize(program.steps.size());
  if (bindings.size() < program.variables.size()) [[unlikely]] {
    std::vector<Value>& all = state_->variables;
    all.assign(bindings.begin(), bindings.end());
    for (size_t i = all.size(); i < program.variables.size(); ++i) {
      all.push_back(MakeError(*arena, "no such attribute(s): " + program.variables[i]));
    }
    bindings = all;
  }
  uint64_t max_cost = std::min(options.max_cost, program.limits.max_cost);
  auto run = [&]<bool kCost, bool kPartial>() -> Outcome {
    Machine<kCost, kPartial> machine(program, bindings.data(), state_->locals.data(),
                                     state_->hints.data(), *arena, max_cost);
    machine.set_authorizer(options.authorizer);
    machine.patterns = state_->patterns;
    Value v = machine.Run(program.root);
    if (IsError(v)) {  // it may be the program's own
      const auto* error = static_cast<const ErrorValue*>(v.AsOpaque());
      v = MakeError(*arena, error->message(), error->expr_id());
    }
    return {v, machine.cost()};
  };
  if (!options.unknowns.empty()) {
    state_->patterns.clear();
    for (const AttributePattern& pattern : options.unknowns) {
      for (uint32_t slot = 0; slot < program.variables.size(); ++slot) {
        if (program.variables[slot] == pattern.variable) {
          state_->patterns.push_back({slot, &pattern});
        }
      }
    }
    return run.operator()<true, true>();
  }
  if (options.track_cost || max_cost != UINT64_MAX) return run.operator()<true, false>();
  return run.operator()<false, false>();
}

const Ast& AstOf(const Program& program) { return *program.ast; }

std::string RenderRuntimeError(const Program& program, const Value& error) {
  if (!IsError(error)) return {};
  const auto& details = *static_cast<const ErrorValue*>(error.AsOpaque());
  // The tree is searched without recursion, as it may be deep.
  std::vector<const Expr*> pending{program.ast->root};
  const Expr* at = nullptr;
  auto push = [&](const Expr* e) {
    if (e != nullptr) pending.push_back(e);
  };
  while (!pending.empty() && details.expr_id() != 0) {
    const Expr* e = pending.back();
    pending.pop_back();
    if (e->id == details.expr_id()) {
      at = e;
      break;
    }
    push(e->operand);
    for (const Expr* arg : e->args) push(arg);
    for (const MapEntry& entry : e->entries) {
      push(entry.key);
      push(entry.value);
    }
    if (e->loop != nullptr) {
      for (const Expr* part : {e->loop->range, e->loop->accu_init, e->loop->condition,
                               e->loop->step, e->loop->result}) {
        push(part);
      }
    }
  }
  if (at == nullptr) return "ERROR: " + std::string(details.message());
  const Issue issue = MakeIssue(program.ast->source, at->offset, std::string(details.message()));
  return RenderIssues(program.ast->source, std::span(&issue, 1));
}

}  // namespace bulwark::cel
